"""A trained DoppelGANger: sample from it, save it, load it.

Follows `sample_from` and `discriminate_from` in `gan/doppelganger.py` of the original code.
"""

import copy
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
import torch
import xarray as xr
from torch import Tensor, nn

from dgkit import _checks, _files
from dgkit.core.accounting import SPENT, in_words
from dgkit.core.config import Config
from dgkit.core.encode import BLOCK, Encoder
from dgkit.core.given import as_given, asked_of, lasting
from dgkit.core.history import CHOICE
from dgkit.core.networks import Generator, Noise, critic_of
from dgkit.errors import ConfigError
from dgkit.schema import joined, slices


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

    def copied(self) -> "DoppelGANger":
        """The same with networks of its own, on the CPU, to sample from and not to be trained."""
        model = copy.copy(self)
        for name, network in self.networks().items():
            setattr(model, name, copy.deepcopy(network).cpu().eval().requires_grad_(False))
        return model

    def networks(self) -> dict[str, nn.Module]:
        """The networks there are by name: generator, discriminator, auxiliary."""
        found = {"generator": self.generator, "discriminator": self.discriminator, "auxiliary": self.auxiliary}
        return {name: network for name, network in found.items() if network is not None}

    def weights(self) -> dict[str, Tensor]:
        """All networks' parameters and buffers, by name."""
        return {f"{name}.{k}": v for name, net in self.networks().items() for k, v in net.state_dict().items()}

    def __repr__(self) -> str:
        schema, config = self.encoder.schema, self.config
        made = in_words(config, self.history) if config.private else f"seed {config.seed}"
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
            seed without `length` (but for rounding, and for `full_range` and `zeros`, which look at the whole of a
            series). Beyond T a warning says that nothing there was ever judged by the
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
            asked, rows = asked_of(schema, attributes, n)
            n, given = rows.sizes["sample"], torch.from_numpy(self.encoder.encode_attributes(rows))

        # everything random, at once: how the samples are cut into blocks below changes none
        if fixed_length is None:
            fixed_length = not schema.variable_length
        steps = schema.time if length is None else _checks.whole("length", length)
        n = _checks.many(n, steps, len(schema.features))
        encoder = self.encoder if length is None else lasting(self.encoder, length)
        noise = self.generator.draw(n, torch.Generator().manual_seed(_checks.seed(seed)), encoder.passes)

        def made() -> Iterator[xr.Dataset]:  # some series at a time, so that memory stays near the result's
            widest = max(encoder.inputs, encoder.passes * self.config.lstm_units)
            for some in slices(n, min(500, BLOCK // widest)):
                part = Noise(noise.attribute[some], noise.minmax[some], *(x[:, some].contiguous() for x in noise[2:]))
                found = self.generator(part, None if given is None else given[some], fixed_length)
                ends = found.lengths.clamp(max=encoder.schema.time).numpy().astype(np.int64)
                told = schema.variable_length or not fixed_length
                yield encoder.decode(found.attributes, found.minmax, found.features, ends if told else None)

        return as_given(joined(made(), n), asked)

    @torch.no_grad()
    def discriminate(self, ds: xr.Dataset, *, auxiliary: bool = False) -> xr.DataArray:
        """The discriminator's score of each sample of `ds`, higher for what looks real; dims (sample,), no unit."""
        critic = self.auxiliary if auxiliary else self.discriminator
        if critic is None:
            raise ConfigError("this model has no auxiliary discriminator. Train with Config(auxiliary=True).")
        inputs = self.encoder.rows(ds)[:, -self.encoder.narrow if auxiliary else 0 :]
        return xr.DataArray(critic(inputs).numpy(), dims="sample", name="score")

    def save(self, path: _files.AnyPath) -> None:
        """Write the model to one file (safetensors): tensors and JSON, nothing that runs when opened."""
        history = {f"history.{name}": torch.tensor(self.history[name].values) for name in self.history}
        chosen = {name: self.history.attrs[name] for name in (*CHOICE, *SPENT) if name in self.history.attrs}
        plain = {"config": asdict(self.config), "encoder": self.encoder.to_json(), "history": chosen}
        _files.write(path, "model", history | self.weights(), plain)
