"""The models that `fit` keeps on its way: in a folder, to go on from, and the best of them on data held out.

Follows `epoch_checkpoint_freq` and `extra_checkpoint_freq` of the original, which chooses among its checkpoints by no
rule.
"""

import math
import re
import warnings
from collections.abc import Callable
from dataclasses import fields
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import torch
import xarray as xr

from dgkit import _files
from dgkit._comparable import check_times, check_units
from dgkit.core.accounting import SPENT
from dgkit.core.config import Config
from dgkit.core.loading import State, load_state
from dgkit.core.model import DoppelGANger
from dgkit.errors import ConfigError, SchemaError
from dgkit.schema import Schema, validate

STATE = "training_state.dgkit"  # beside the models
Measure = Callable[[xr.Dataset, xr.Dataset], float]  # (real, generated): smaller is better


def checkpoints(folder: str | PathLike[str]) -> dict[int, Path]:
    """The model files that `fit(..., checkpoints=folder)` has written so far, by step, the earliest first.

    Parameters
    ----------
    folder : path

    Returns
    -------
    dict
        {step: path}, for `dgkit.load`; each file is whole, also while training goes on. Empty where there is none.

    Examples
    --------
    >>> checkpoints("no such folder")
    {}
    """
    names = {path: re.fullmatch(r"step_(\d+)\.dgkit", path.name) for path in Path(folder).glob("step_*.dgkit")}
    return dict(sorted((int(found[1]), path) for path, found in names.items() if found))


def path_at(folder: str | PathLike[str], step: int) -> Path:
    """Where the model of this step is kept."""
    return Path(folder) / f"step_{step:06d}.dgkit"


def check_same_training(folder: str | PathLike[str], state: State, config: Config) -> None:
    """ConfigError unless a training with these settings goes on from the state in the folder."""
    before = Config(**{**state["plain"]["config"], "device": "auto"})
    names = [item.name for item in fields(Config) if item.name not in ("steps", "device")]
    differ = [name for name in names if getattr(before, name) != getattr(config, name)]
    if differ:
        raise ConfigError(
            f"{str(folder)!r} holds the checkpoints of a training with another {', '.join(differ)}. Give that, to go "
            "on with it, or choose an empty folder."
        )

    if (done := len(state["tensors"]["history.step"])) > config.steps:
        raise ConfigError(
            f"steps={config.steps} is less than the {done} that the training in {str(folder)!r} has taken. Raise "
            "steps, load one of its models, or choose an empty folder."
        )


def count(folder: str | PathLike[str], batches: int, first: State | None) -> None:
    """Note in the folder's state, or in `first` where there is none, how many batches a private training has seen."""
    path = Path(folder) / STATE
    if state := load_state(path) if path.exists() else first:
        state["tensors"]["batches"] = torch.tensor(batches)
        _files.write(path, "training state", **state)


def autocorrelation_error(real: xr.Dataset, generated: xr.Dataset) -> float:
    """The mean of `autocorrelation_mse` over the continuous features: by what `fit` chooses among models."""
    from dgkit.metrics import autocorrelation_mse  # here: measures are compiled, and most trainings need none

    names = [v.name for v in validate(real, training=False).features if v.kind == "continuous"]
    if not names:
        raise ConfigError("no feature is continuous, so there is no autocorrelation to choose by. Give measure=.")
    pair = [ds.set_coords("length") if "length" in ds else ds for ds in (real, generated)]
    return float(np.mean([autocorrelation_mse(*(ds[name] for ds in pair)) for name in names]))


class Choice:
    """The best of a training's models on data held out."""

    def __init__(self, wanted: Schema, config: Config, held_out: xr.Dataset, measure: Measure | None):
        found = validate(held_out, training=False)
        names = [sorted(v.name for v in (*s.features, *s.attributes)) for s in (wanted, found)]
        if names[0] != names[1] or wanted.time != found.time:
            raise SchemaError(
                f"held_out has {', '.join(names[1])} over {found.time} steps, not the {', '.join(names[0])} over "
                f"{wanted.time} of the training data. Split one dataset: dgkit.split."
            )
        sets = "the training data", "held_out"
        for variable in (*wanted.features, *wanted.attributes):
            check_units(variable.name, variable.attrs, held_out[variable.name].attrs, sets)
        check_times(wanted, held_out, sets)

        if config.private:
            warnings.warn(
                "epsilon does not cover held_out: which model is returned depends on these data, without noise. Use "
                "data that are public, or none.",
                stacklevel=3,
            )

        self.held_out, self.measure = held_out, measure or autocorrelation_error
        self.measured: dict[int, float] = {}
        self.model: DoppelGANger | None = None

    def add(self, model: DoppelGANger) -> None:
        """Measure the model of a step."""
        step = model.history.sizes["step"]
        value = float(self.measure(self.held_out, model.sample(self.held_out.sizes["sample"])))
        if value < min((v for v in self.measured.values() if not math.isnan(v)), default=math.inf):
            self.model = model
        self.measured[step] = value

    def best(self, last: DoppelGANger) -> DoppelGANger:
        """The best model so far, else `last`; how it was chosen stands in its history's attrs."""
        if self.model is None and self.measured:
            warnings.warn("no measure on held_out was a number: the model is that of the last step", stacklevel=3)
        model = self.model or last
        attrs: dict[str, Any] = {"best_step": model.history.sizes.get("step", 0)}
        if model.config.private:  # which of them it is says something of all of them
            attrs |= {name: last.history.attrs[name] for name in SPENT}
        else:
            attrs |= {"measured_steps": list(self.measured), "measured": list(self.measured.values())}
        model.history = model.history.assign_attrs(attrs)
        return model
