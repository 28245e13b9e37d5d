"""What an experiment is: settings at every point of a grid, the data there, and how a cell is trained and measured."""

import hashlib
import itertools
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any

import numpy as np
import xarray as xr

from dgkit.core.config import Config
from dgkit.core.model import DoppelGANger
from dgkit.core.trainer import Trainer

SETTINGS = {item.name for item in fields(Config)}
Point = dict[str, Any]  # one value for each dim of a grid


@dataclass(frozen=True)
class Experiment:
    """A recorded experiment.

    Parameters
    ----------
    question : str
        What it answers.
    data : callable
        The training data at a point of the grid.
    cell : callable
        (training data, Config, point) -> Dataset: trains a model and measures it.
    base : Config
        Settings that the grid does not name.
    grid : mapping
        For each dim its values; a mapping of names to changes of `base` where a value stands for several settings.
    check : mapping
        Steps, and the point, of a short run that the file also holds: the tests run it again.

    Examples
    --------
    >>> from dgkit.experiments import EXPERIMENTS
    >>> experiment = EXPERIMENTS["sample_len"]
    >>> experiment.config({"sample_len": 14, "seed": 2}).sample_len
    14
    """

    question: str
    data: Callable[[Point], xr.Dataset]
    cell: Callable[[xr.Dataset, Config, Point], xr.Dataset]
    base: Config
    grid: Mapping[str, Sequence | Mapping[str, Mapping[str, Any]]]
    check: Mapping[str, Any] = field(default_factory=dict)

    def config(self, point: Point, **changes: Any) -> Config:
        """The settings at a point."""
        for name, value in point.items():
            values = self.grid[name]
            if isinstance(values, Mapping):
                changes = {**values[value], **changes}
            elif name in SETTINGS:
                changes = {name: value, **changes}
        return replace(self.base, **changes)


def points_of(grid: Mapping[str, Any]) -> list[Point]:
    return [dict(zip(grid, values, strict=True)) for values in itertools.product(*grid.values())]


def data_hash(ds: xr.Dataset) -> str:
    """SHA-256 of a dataset's names, dims, coordinates and values, whatever file format they came from.

    Parameters
    ----------
    ds : Dataset

    Returns
    -------
    str
        64 hexadecimal digits; attrs do not count.

    Examples
    --------
    >>> from dgkit.simulate import web
    >>> data_hash(web(30)) == data_hash(web(30).assign_attrs(title="mine")) != data_hash(web(30, seed=1))
    True
    """
    digest = hashlib.sha256()
    for name in sorted(map(str, ds.variables)):
        values = ds[name].values
        values = values.astype("U") if values.dtype.kind in "OST" else values
        digest.update(f"{name} {ds[name].dims} {values.shape} {values.dtype.kind}".encode())
        digest.update("\0".join(values.ravel()).encode() if values.dtype.kind == "U" else values.tobytes())
    return digest.hexdigest()


def train_and_look(train: xr.Dataset, config: Config, looks: int) -> Iterator[tuple[int, float, DoppelGANger]]:
    """Train; `looks` times on the way, evenly spaced: steps, CPU-seconds of training so far, and the model."""
    at = np.linspace(0, config.steps, looks + 1)[1:].round().astype(int).tolist()
    return look(Trainer(train, config), at)


def look(run: Any, at: Collection[int]) -> Iterator[tuple[int, float, Any]]:
    """Drive a training, a `Trainer` or a `baselines.Training`; at these steps: step, CPU-seconds so far, the model."""
    before, looked = time.process_time(), 0.0
    for step, _ in enumerate(run, 1):
        if step in at:
            took = time.process_time() - before - looked
            yield step, took, run.model
            looked = time.process_time() - before - took  # what the caller does with the model is no training


def train_model(train: xr.Dataset, config: Config) -> DoppelGANger:
    return next(model for _, _, model in train_and_look(train, config, 1))
