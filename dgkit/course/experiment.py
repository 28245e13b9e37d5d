"""What a recorded experiment is: settings at every point of a grid, the data there, and how a cell is measured."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any

import xarray as xr

from dgkit._cells import Point
from dgkit.core.config import Config


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
    >>> from dgkit import course
    >>> experiment = course.experiments()["sample_len"]
    >>> experiment.config({"sample_len": 14, "seed": 2}).sample_len
    14
    """

    question: str
    data: Callable[[Point], xr.Dataset]
    cell: Callable[[xr.Dataset, Config, Point], xr.Dataset]
    base: Config
    grid: Mapping[str, Sequence[Any] | Mapping[Any, Mapping[str, Any]]]
    check: Mapping[str, Any] = field(default_factory=dict)

    def config(self, point: Point, **changes: Any) -> Config:
        """The settings at a point."""
        for name, value in point.items():
            values = self.grid[name]
            if isinstance(values, Mapping):
                changes = {**values[value], **changes}
            elif name in {item.name for item in fields(Config)}:
                changes = {name: value, **changes}
        return replace(self.base, **changes)
