"""A model from its file: all that the file says is checked, before memory is taken by it and before it is used."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from os import PathLike
from typing import Any

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from dgkit import _files
from dgkit._plain import check_names, made
from dgkit.core.config import Config
from dgkit.core.encode import ACTIVATIONS, Encoder
from dgkit.core.history import StepRecord, dataset
from dgkit.core.model import DoppelGANger
from dgkit.core.networks import flat
from dgkit.errors import FileFormatError


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
    parts = made_of.attributes, made_of.minmax, made_of.features
    model.encoder.decode(*parts, steps if model.encoder.schema.variable_length else None)


def _history(columns: Mapping[str, Tensor], attrs: Any, private: bool) -> xr.Dataset:
    """The history of a file."""
    steps = _files.check_history(columns)
    known = {item.name for item in fields(StepRecord)} | {"auxiliary_gradient"}  # that of `whatif`
    if columns and (not set(columns) < known or (private and "epsilon" not in columns)):
        raise FileFormatError(f"its history has the columns {', '.join(sorted(columns))!r:.200}")
    chosen = made(_Chosen, attrs, "history")
    if len(chosen.measured) != len(chosen.measured_steps) or attrs.get("best_step", steps) != steps:
        raise FileFormatError("its history is not that of the model that was chosen")
    columns_of = {k: v.numpy() for k, v in columns.items()}
    return dataset(columns_of, np.arange(1, steps + 1)).assign_attrs(attrs)
