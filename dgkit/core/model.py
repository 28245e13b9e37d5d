"""A trained DoppelGANger: sample from it, save it, load it.

Follows `sample_from` and `discriminate_from` in `gan/doppelganger.py` of the original code.
"""

import copy
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, fields, replace
from os import PathLike
from typing import Any

import numpy as np
import torch
import xarray as xr
from torch import Tensor, nn

from dgkit import _files
from dgkit._checks import whole
from dgkit._plain import check_names, made
from dgkit.core.config import Config
from dgkit.core.encode import ACTIVATIONS, Encoder
from dgkit.core.history import CHOICE, StepRecord
from dgkit.core.networks import Discriminator, Generator, Noise, critic_of, flat
from dgkit.errors import ConfigError, FileFormatError, SchemaError
from dgkit.schema import Schema, check_dtype, joined, known_dtype


class DoppelGANger:
    """A generative model of series with attributes.

    Parameters
    ----------
    encoder : Encoder
        How datasets become tensors; `encoder.schema` is the training data's schema.
    config : Config
    history : Dataset, dims (step,)
        What training measured (`StepRecord`).

    Notes
    -----
    Made by `dgkit.fit`, `Trainer.model` or `dgkit.load`. It holds the generator and both discriminators, on the CPU.

    Examples
    --------
    >>> import dgkit as dg
    >>> train = dg.simulate.web(30)
    >>> model = dg.fit(train, dg.Config(steps=2, sample_len=84, batch_size=10), progress=False)
    >>> model
    <DoppelGANger: 2 steps, sample_len 84, auto_normalise True, auxiliary True, seed 0>
    features views over 168 steps; attributes domain, access, agent
    >>> model.sample(5, seed=1).views.shape
    (5, 168)
    >>> given = model.sample(3, attributes={"domain": "de.wikipedia.org", "access": "desktop", "agent": "spider"})
    >>> given.domain.values.tolist()
    ['de.wikipedia.org', 'de.wikipedia.org', 'de.wikipedia.org']
    >>> model.discriminate(train).dims
    ('sample',)
    """

    def __init__(self, encoder: Encoder, config: Config, history: xr.Dataset | None = None):
        self.encoder, self.config, self.history = encoder, config, history if history is not None else xr.Dataset()
        self.generator = Generator(encoder, config).eval()
        self.discriminator = critic_of(config, "discriminator", encoder.inputs).eval()
        auxiliary = config.auxiliary and encoder.narrow
        self.auxiliary = critic_of(config, "auxiliary", encoder.narrow).eval() if auxiliary else None

    @classmethod
    def of(
        cls,
        encoder: Encoder,
        config: Config,
        history: xr.Dataset,
        generator: Generator,
        discriminator: Discriminator,
        auxiliary: Discriminator | None,
    ) -> "DoppelGANger":
        """A model of copies of these networks, on the CPU."""
        model = cls.__new__(cls)
        model.encoder, model.config, model.history = encoder, config, history
        model.generator, model.discriminator = copy.deepcopy(generator), copy.deepcopy(discriminator)
        model.auxiliary = copy.deepcopy(auxiliary)
        for network in model.networks().values():
            network.cpu().eval().requires_grad_(False)
        return model

    def networks(self) -> dict[str, nn.Module]:
        """The networks there are by name: generator, discriminator, auxiliary."""
        found = {"generator": self.generator, "discriminator": self.discriminator, "auxiliary": self.auxiliary}
        return {name: network for name, network in found.items() if network is not None}

    def __repr__(self) -> str:
        schema, config = self.encoder.schema, self.config
        made = f"seed {config.seed}"
        if config.dp and config.private and self.history.sizes.get("step"):
            made = f"epsilon {self.history.epsilon.values[-1]:.3g} at delta {config.dp.delta:g}"
        features = ", ".join(variable.name for variable in schema.features)
        attributes = ", ".join(variable.name for variable in schema.attributes) or "none"
        return (
            f"<DoppelGANger: {self.history.sizes.get('step', 0)} steps, sample_len {config.sample_len}, "
            f"auto_normalise {config.auto_normalise}, auxiliary {config.auxiliary}, {made}>\n"
            f"features {features} over {schema.time} steps; attributes {attributes}"
        )

    @torch.no_grad()
    def sample(
        self,
        n: int | None = None,
        *,
        attributes: xr.Dataset | Mapping[str, Any] | None = None,
        seed: int = 0,
        fixed_length: bool | None = None,
        length: int | None = None,
    ) -> xr.Dataset:
        """Generate series.

        Parameters
        ----------
        n : int, optional
            How many; default one for each row of `attributes`.
        attributes : Dataset or mapping, optional
            Generate for these attributes instead of generated ones: a Dataset (its rows, in order; features in it
            are ignored) or a mapping of every attribute to one value, for n series. They come back as they were given,
            with the Dataset's `sample` coordinate if it has one: only the generator sees float32.
        seed : int
            Of the noise. The same n, seed and attributes give the same series.
        fixed_length : bool, optional
            Give every series its full length, whatever the generation flags say. Default: only where the training
            data had no `length` (the original heeds the flags there too).
        length : int, optional
            Steps of the result's time; default T, that of the training data. The LSTM makes ceil(length / sample_len)
            passes, and what lies beyond `length` is cut; up to the shorter of both, the series are those of the same
            seed without `length` (but for rounding). Beyond T a warning says that nothing there was ever judged by the
            discriminator: rhythm may go on, trend and end do not follow the data. A regular time coordinate goes on,
            another is left out.

        Returns
        -------
        Dataset
            Of the training data's schema, but for `length`. With `fixed_length=False` it has a `length`, whether or not
            the training data had one.

        Raises
        ------
        ConfigError
            n is missing, below 1, or not the number of rows of `attributes`. `length` is below 1, or above T for a
            model that makes a series in a single pass, whose LSTM never learned to go on.
        SchemaError
            `attributes` lacks an attribute, or has a category the model never saw or a number outside the range it
            was trained on.

        Source
        ------
        Paper, Section 6.1 (given attributes); for a fixed length, issue 17 of the original repository. Another length:
        `sample_from` of the original makes as many passes as its noise has.
        """
        # the attributes asked for, as the generator reads them
        schema = self.encoder.schema
        asked = given = None
        if attributes is not None:
            if not isinstance(attributes, xr.Dataset):
                attributes = _filled(schema, attributes, n)
            rows = attributes.sizes.get("sample", 0)
            if n not in (None, rows):
                raise ConfigError(f"n={n} but `attributes` has {rows} rows. Leave n out, or select n rows.")
            n, asked = rows, _asked(schema, attributes)
            given = torch.from_numpy(self.encoder.encode_attributes(attributes.assign(asked.data_vars)))

        # everything random, at once: how the samples are cut into blocks below changes none
        n = whole("n", n)
        if fixed_length is None:
            fixed_length = not schema.variable_length
        encoder = self.encoder if length is None else self._lasting(whole("length", length))
        noise = self.generator.draw(n, torch.Generator().manual_seed(seed), encoder.passes)

        def made() -> Iterator[xr.Dataset]:  # some series at a time, so that memory stays near the result's
            step = max(1, 1_000_000 // max(1000, encoder.passes))
            for some in (slice(start, start + step) for start in range(0, n, step)):
                part = Noise(noise.attribute[some], noise.minmax[some], *(x[:, some].contiguous() for x in noise[2:]))
                found = self.generator(part, None if given is None else given[some], fixed_length)
                ends = found.lengths.clamp(max=encoder.schema.time).numpy().astype(np.int64)
                told = schema.variable_length or not fixed_length
                yield encoder.decode(found.attributes, found.minmax, found.features, ends if told else None)

        ds = joined(made(), n)
        if asked is None:
            return ds

        # given attributes come back as they were given
        for name, da in asked.items():
            ds[name] = ("sample", da.values, {**ds[name].attrs, **da.attrs})
        return ds.assign_coords(asked.coords)

    def _lasting(self, steps: int) -> Encoder:
        """The encoder for series of another number of steps; says what is not known of them."""
        trained, schema = self.encoder.schema, self.encoder.schema.lasting(steps)
        if steps > trained.time:
            if self.encoder.passes == 1:
                raise ConfigError(
                    f"length={steps} is more than the {trained.time} steps trained on, and this model makes a series "
                    f"in one pass (sample_len={self.encoder.sample_len}): its LSTM never learned to go on. Train with "
                    "a smaller sample_len, or leave length out."
                )
            lost = trained.time_coordinate is not None and schema.time_coordinate is None
            warnings.warn(
                f"memory ends: the discriminator never saw beyond T = {trained.time} steps, so nothing says that the "
                f"last {steps - trained.time} of {steps} look like the data."
                + " The time coordinate is left out, for it cannot go on in a regular step."
                * lost,
                stacklevel=4,
            )
        return replace(self.encoder, schema=schema)

    @torch.no_grad()
    def discriminate(self, ds: xr.Dataset, *, auxiliary: bool = False) -> xr.DataArray:
        """The discriminator's score of each sample of `ds`, higher for what looks real; dims (sample,), no unit."""
        critic = self.auxiliary if auxiliary else self.discriminator
        if critic is None:
            raise ConfigError("this model has no auxiliary discriminator. Train with Config(auxiliary=True).")
        inputs = self.encoder.rows(ds)[:, -self.encoder.narrow if auxiliary else 0 :]
        return xr.DataArray(critic(inputs).numpy(), dims="sample", name="score")

    def save(self, path: str | PathLike[str]) -> None:
        """Write the model to one file (safetensors): tensors and JSON, nothing that runs when opened."""
        tensors = {f"history.{name}": torch.tensor(self.history[name].values) for name in self.history}
        for name, network in self.networks().items():
            tensors |= {f"{name}.{k}": v for k, v in network.state_dict().items()}
        chosen = {name: self.history.attrs[name] for name in CHOICE if name in self.history.attrs}
        plain = {"config": asdict(self.config), "encoder": self.encoder.to_json(), "history": chosen}
        _files.write(path, "model", tensors, plain)


def load(path: str | PathLike[str]) -> DoppelGANger:
    """Read a model that `save` wrote.

    Parameters
    ----------
    path : path
        Of the file.

    Returns
    -------
    DoppelGANger
        On the CPU, with its history; for the same n and seed it samples what the saved one did.

    Raises
    ------
    FileFormatError
        No such file, or not a whole model file.

    Examples
    --------
    >>> import dgkit as dg
    >>> from tempfile import TemporaryDirectory
    >>> model = dg.fit(dg.simulate.web(30), dg.Config(steps=2, sample_len=84, batch_size=10), progress=False)
    >>> with TemporaryDirectory() as folder:
    ...     model.save(f"{folder}/web.dgkit")
    ...     again = load(f"{folder}/web.dgkit")
    >>> again.sample(5, seed=1).identical(model.sample(5, seed=1))
    True
    """
    tensors, plain = _files.read(path, "model")
    try:
        check_names(plain, ["config", "encoder"], "its JSON", ["history"])
        config, encoder = config_of(plain["config"]), Encoder.from_json(plain["encoder"])
        columns = {k.removeprefix("history."): v for k, v in tensors.items() if k.startswith("history.")}
        history = _history(columns, plain.get("history", {}), config.private)
        model = unfilled(encoder, config, tensors)
        model.history = history

        # every tensor there is, in the form it has here, before any is used
        weights = {f"{name}.{k}": v for name, net in model.networks().items() for k, v in net.state_dict().items()}
        _files.check_tensors({k: v for k, v in tensors.items() if not k.startswith("history.")}, weights)
        for name, network in model.networks().items():
            own = {k.removeprefix(f"{name}."): v for k, v in tensors.items() if k.startswith(f"{name}.")}
            network.requires_grad_(False).load_state_dict(own, assign=True)

        _try_out(model)
    except _files.DAMAGES as error:  # ConfigError, SchemaError and FileFormatError among them
        raise FileFormatError(f"{_files.shown(path)} is not a whole model file: {_files.said(error)}") from error
    return model


def config_of(plain: Any) -> Config:
    """The settings in a file, for the device that is here. Raises FileFormatError, ConfigError."""
    check_names(plain, [], "config", [item.name for item in fields(Config)])
    if not isinstance(plain.get("device", "auto"), str):
        raise FileFormatError("config, device is no name of one")
    return made(Config, {**plain, "device": "auto"}, "config")


def unfilled(encoder: Encoder, config: Config, tensors: Mapping[str, Tensor]) -> DoppelGANger:
    """A model that a file describes, without its numbers: on torch's "meta" device, where tensors take no memory.

    Raises FileFormatError where it would be larger than the `tensors` of the file, which takes time even so.
    """
    layers = [config.of(f"{part}_layers") for part in ("attribute", "lstm", "discriminator", "auxiliary")]
    sizes = [encoder.inputs, *(config.of(f"{part}_noise") for part in ("attribute", "minmax", "feature"))]
    if max(layers) > min(len(tensors), 1000) or max(sizes) > _files.widest(tensors):
        raise FileFormatError(
            f"its settings say {max(layers)} layers, and {max(sizes)} numbers for one, more than its tensors have"
        )
    if (encoder.sample_len, encoder.auto_normalise, encoder.activation) != (
        config.sample_len, config.auto_normalise, ACTIVATIONS[config.normalise]
    ):  # fmt: skip
        raise FileFormatError("its config and its encoder differ in sample_len, auto_normalise or normalise")
    with torch.device("meta"):
        return DoppelGANger(encoder, config)


@dataclass(frozen=True)
class _Chosen:
    """How a model was chosen among several: `CHOICE`, as it stands in a file."""

    best_step: int = 0
    measured_steps: tuple[int, ...] = ()
    measured: tuple[float, ...] = ()


@torch.no_grad()
def _try_out(model: DoppelGANger) -> None:
    """FileFormatError where finite weights make NaN all the same; decoded once, too, so that nothing fails later."""
    made_of = model.generator(model.generator.draw(2, torch.Generator()))
    rows = flat(*made_of[:3])
    scores = [model.discriminator(rows)]
    if model.auxiliary is not None:
        scores.append(model.auxiliary(rows[:, -model.encoder.narrow :]))
    if not all(bool(torch.isfinite(part).all()) for part in (rows, *scores)):
        raise FileFormatError("its weights are so large that they make NaN")
    steps = made_of.lengths.clamp(max=model.encoder.schema.time).numpy().astype(np.int64)
    attributes, minmax, features = made_of[:3]
    model.encoder.decode(attributes, minmax, features, steps if model.encoder.schema.variable_length else None)


def _history(columns: Mapping[str, Tensor], attrs: Any, private: bool) -> xr.Dataset:
    """The history of a file."""
    steps = _files.check_history(columns)
    known = {item.name for item in fields(StepRecord)}
    if columns and (not set(columns) < known or (private and "epsilon" not in columns)):
        raise FileFormatError(f"its history has the columns {', '.join(sorted(columns))!r:.200}")
    chosen = made(_Chosen, attrs, "history")
    if len(chosen.measured) != len(chosen.measured_steps) or attrs.get("best_step", steps) != steps:
        raise FileFormatError("its history is not that of the model that was chosen")
    history = xr.Dataset({k: ("step", v.numpy()) for k, v in columns.items()}, attrs=attrs)
    if not columns:
        return history
    return history.assign_coords(step=("step", np.arange(1, steps + 1), {"long_name": "training step"}))


# --- given attributes ------------------------------------------------------------------------------------------------


def _filled(schema: Schema, values: Mapping[str, Any], n: int | None) -> xr.Dataset:
    """One value of each attribute, n times."""
    if n is None:
        raise ConfigError("sample(attributes={...}) needs n: how many series for these attributes.")
    whole("n", n)
    dtypes = {variable.name: np.dtype(variable.dtype) for variable in schema.attributes}
    for name, value in values.items():
        if name not in dtypes or np.shape(value) not in ((), (n,)):
            known = ", ".join(map(repr, dtypes)) or "none"
            what = f"has the shape {np.shape(value)}" if name in dtypes else f"is no attribute; the model has {known}"
            raise SchemaError(f"attributes[{name!r}] {what}. Give one value of each, or a Dataset with a row a series.")
    return xr.Dataset({k: ("sample", _exactly(np.full(n, v), dtypes[k])) for k, v in values.items()})


def _asked(schema: Schema, ds: xr.Dataset) -> xr.Dataset:
    """The schema's attributes in `ds` with the `sample` coordinate, as they are but for dtypes that no dataset has."""
    own = {variable.name: np.dtype(variable.dtype) for variable in schema.attributes if variable.name in ds}
    asked = ds[list(own)]
    asked = asked.drop_vars([name for name in asked.coords if name not in asked.indexes])
    for name, wanted in own.items():
        values = asked[name].values
        alike = values.dtype.kind == wanted.kind or {values.dtype.kind, wanted.kind} <= set("fiu")
        if not alike or not known_dtype(values.dtype, "attribute"):
            asked[name] = asked[name].copy(data=_exactly(values, wanted))
        check_dtype(name, "attribute", asked[name])
    return asked


def _exactly(values: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """In another dtype, where that changes no value; else as they are."""
    plain = values.astype(object)  # Python compares numbers exactly
    try:
        with np.errstate(all="ignore"):
            cast = plain.astype("U" if dtype.kind == "U" else dtype)
    except (TypeError, ValueError, OverflowError):
        return values
    return cast if np.array_equal(cast.astype(object), plain) else values
