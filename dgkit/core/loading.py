"""A model from its file, and whether a training's state is whole: all is checked before it is used or takes memory."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from os import PathLike
from typing import Any

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from dgkit import _files
from dgkit._atomic import shown_path
from dgkit._plain import check_names, made
from dgkit.core.config import Config
from dgkit.core.encode import SETTINGS, Encoder
from dgkit.core.history import StepRecord, dataset
from dgkit.core.model import DoppelGANger
from dgkit.core.networks import Noise, flat
from dgkit.core.scales import ACTIVATIONS
from dgkit.errors import ConfigError, FileFormatError
from dgkit.schema import Schema

State = dict[str, Any]  # {"tensors": {name: Tensor}, "plain": JSON-able values}


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
        config, encoder = config_of(plain["config"]), encoder_of(plain["encoder"])
        columns = {k.removeprefix("history."): v for k, v in tensors.items() if k.startswith("history.")}
        history = _history(columns, plain.get("history", {}), config.private)
        model = unfilled(encoder, config, tensors)
        model.history = history

        # every tensor there is, in the form it has here, before any is used
        _files.check_tensors({k: v for k, v in tensors.items() if not k.startswith("history.")}, model.weights())
        for name, network in model.networks().items():
            own = {k.removeprefix(f"{name}."): v for k, v in tensors.items() if k.startswith(f"{name}.")}
            network.requires_grad_(False).load_state_dict(own, assign=True)

        _try_out(model)
    except _files.DAMAGES as error:  # ConfigError, SchemaError and FileFormatError among them
        raise FileFormatError(f"{shown_path(path)} is not a whole model file: {_files.said(error)}") from error
    return model


def config_of(plain: Any) -> Config:
    """The settings in a file, for the device that is here. Raises FileFormatError, ConfigError."""
    check_names(plain, [], "config", [item.name for item in fields(Config)])
    if not isinstance(plain.get("device", "auto"), str):
        raise FileFormatError("config, device is no name of one")
    return made(Config, {**plain, "device": "auto"}, "config")


def encoder_of(plain: Any) -> Encoder:
    """The encoder that `to_json` made this of. Raises FileFormatError for anything else, or parts that do not agree."""
    check_names(plain, [item.name for item in fields(Encoder)], "the encoder")
    encoder = made(Encoder, {**plain, "schema": Schema.from_json(plain["schema"])}, "the encoder")
    schema = encoder.schema
    if not 1 <= encoder.sample_len <= schema.time:
        raise FileFormatError(f"the encoder has sample_len {encoder.sample_len}, for {schema.time} steps")
    if encoder.activation not in ACTIVATIONS.values():
        raise FileFormatError(f"the encoder has activation {encoder.activation!r:.40}, not 'tanh' or 'sigmoid'")

    # a scale for each number, two more for each series that is normalised by itself
    features, attributes = (
        [variable.name for variable in variables if variable.kind == "continuous"]
        for variables in (schema.features, schema.attributes)
    )
    wanted = set(features) | set(attributes), features if encoder.auto_normalise else []
    if (set(encoder.scales), list(encoder.minmax_scales)) != wanted:
        raise FileFormatError("the encoder's scales are not those of the schema's numbers")
    own = ((name, scale) for name, pair in encoder.minmax_scales.items() for scale in pair)
    for name, scale in (*encoder.scales.items(), *own):
        floor = 1.0 if scale.floor is None else scale.floor
        top = 1e308 if scale.floor is None else math.log(1e308)  # a level on a log scale: nearly all of float64
        if scale.activation not in ACTIVATIONS.values() or not (-1e308 <= scale.low <= scale.high <= top and floor > 0):
            raise FileFormatError(f"the encoder's scale of {name!r} is no range of numbers: {scale!r:.150}")
    return encoder


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
class _Attrs:
    """How a model was chosen among several (`CHOICE`), and what was spent on it (`SPENT`), as it stands in a file."""

    best_step: int = 0
    measured_steps: tuple[int, ...] = ()
    measured: tuple[float, ...] = ()
    epsilon: float = 0.0
    batches: int = 0


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
    parts = made_of.attributes, made_of.minmax, made_of.features
    model.encoder.decode(*parts, steps if model.encoder.schema.variable_length else None)


def _history(columns: Mapping[str, Tensor], attrs: Any, private: bool) -> xr.Dataset:
    """The history of a file."""
    steps = _files.check_history(columns)
    known = {item.name for item in fields(StepRecord)} | {"auxiliary_gradient"}  # that of `whatif`
    if columns and (not set(columns) < known or (private and "epsilon" not in columns)):
        raise FileFormatError(f"its history has the columns {', '.join(sorted(columns))!r:.200}")
    found = made(_Attrs, attrs, "history")
    if len(found.measured) != len(found.measured_steps) or attrs.get("best_step", steps) != steps:
        raise FileFormatError("its history is not that of the model that was chosen")
    last = columns["epsilon"][-1].item() if "epsilon" in columns and steps else 0.0
    if "epsilon" in attrs and not found.epsilon >= last:
        raise FileFormatError(f"it says that {found.epsilon} was spent, after {last} of its history")
    columns_of = {k: v.numpy() for k, v in columns.items()}
    return dataset(columns_of, np.arange(1, steps + 1)).assign_attrs(attrs)


def load_state(path: str | PathLike[str]) -> State:
    """The state of a training in a file, a whole one. Raises FileFormatError."""
    tensors, plain = _files.read(path, "training state")
    state = {"tensors": tensors, "plain": plain}
    try:
        check_state(state)
    except FileFormatError as error:
        raise FileFormatError(f"{shown_path(path)} is {error}") from error
    return state


def check_state(state: State) -> None:
    """FileFormatError unless a state holds all that its own settings ask for, each tensor in its form, and no more.

    torch's Adam writes past the end of moments that are too small, so nothing is used before.
    """
    try:
        check_names(state, ["tensors", "plain"], "it")
        tensors: dict[str, Tensor] = state["tensors"]
        plain = state["plain"]
        check_names(plain, ["config", "encoder", "data"], "its JSON")
        config, encoder = config_of(plain["config"]), encoder_of(plain["encoder"])
        if not re.fullmatch("[0-9a-f]{64}", str(plain["data"])):
            raise FileFormatError("its hash of the data is none")
        history = {k: v for k, v in tensors.items() if k.startswith("history.")}
        steps = _files.check_history(history)
        if set(history) != {f"history.{item.name}" for item in fields(StepRecord)}:
            raise FileFormatError("its history has not the columns of a training")
        if not torch.equal(tensors["history.step"], torch.arange(1, steps + 1)):
            raise FileFormatError("the steps of its history are not 1, 2, 3 and so on")

        wanted = _wanted(unfilled(encoder, config, tensors), tensors, steps)
        _files.check_tensors({k: v for k, v in tensors.items() if k not in history}, wanted)
        for name, value in tensors.items():
            if name in ("batches", "averaged") and int(value) < (steps if name == "batches" else 0):
                raise FileFormatError(f"{name} is {int(value)}, after {steps} steps")
            if name.startswith("adam.") and name.endswith(".step") and not _counts(float(value)):
                raise FileFormatError(f"{name} is {float(value)}, not the number of updates")
        torch.Generator().set_state(tensors["rng"])
    except _files.DAMAGES as error:
        raise FileFormatError(f"not a whole training state: {_files.said(error)}") from error


def check_goes_on(trainer: Any, state: State, changes: Mapping[str, Any]) -> None:
    """ConfigError where a trainer made with these changes is not of a state's data, encoding and networks."""
    tensors, plain = state["tensors"], state["plain"]
    changed = [name for name, value in changes.items() if plain["config"].get(name) != value]
    if trainer.encoder.to_json() != plain["encoder"] or trainer.data_hash != plain["data"]:
        if otherwise := ", ".join(name for name in changed if name in SETTINGS):
            raise ConfigError(f"{otherwise}: this change encodes the data otherwise; train from the start.")
        raise ConfigError("this state was trained on other data, or encoded otherwise. Pass the same dataset.")
    if changed and any(k not in tensors or v.shape != tensors[k].shape for k, v in trainer.weights().items()):
        raise ConfigError(f"{', '.join(changed)}: this change makes other networks; train them from the start.")


def _counts(updates: float) -> bool:
    """Whether this can be a number of updates: a float32, which counts no further than 2**24."""
    return 1 <= updates <= 2**24 and updates.is_integer()


def _wanted(model: DoppelGANger, tensors: dict[str, Tensor], steps: int) -> dict[str, Tensor]:
    """The tensors of a state by name but for its history, in their form alone ("meta"), of a model without numbers."""
    config, generator = model.config, model.generator
    wanted = {"rng": torch.Generator().get_state()}
    for name, network in model.networks().items():
        wanted |= {f"{name}.{k}": v for k, v in network.state_dict().items()}

        # Adam's moments of each parameter that is trained: from its first step on
        if steps or any(k.startswith(f"adam.{name}.") for k in tensors):
            for i, parameter in enumerate(p for p in network.parameters() if p.requires_grad):
                moments = {"step": torch.empty((), device="meta"), "exp_avg": parameter, "exp_avg_sq": parameter}
                wanted |= {f"adam.{name}.{i}.{slot}": value for slot, value in moments.items()}

    # what there is at times, or only of late; an older state counts neither updates nor batches
    wanted |= {k: torch.empty((), dtype=torch.int64) for k in ("batches", "averaged") if k in tensors}
    if config.ema:
        wanted |= {f"average.{k}": v for k, v in generator.state_dict().items()}
    if any(k.startswith("noise.") for k in tensors):
        n, (layers, units), z = config.batch_size, generator.state_shape, generator.noise_widths
        shapes = [(n, z["attribute"]), (n, z["minmax"]), (generator.passes, n, z["feature"]), *[(layers, n, units)] * 2]
        noise = zip(Noise._fields, shapes, strict=True)
        wanted |= {f"noise.{k}": torch.empty(shape, device="meta") for k, shape in noise}
    return wanted
