"""What an exercise is made of: its registration, the hint, and how an answer is read."""

import math
from collections.abc import Callable
from itertools import islice
from typing import Any

import numpy as np
import xarray as xr

from dgkit.errors import SchemaError
from dgkit.schema import validate

Check = Callable[[Any], str]
EXERCISES: dict[str, Check] = {}  # of the chapters that were loaded


class Wrong(Exception):
    """The answer is not right; the message is the hint.

    Examples
    --------
    >>> from dgkit.course import exercises
    >>> try:
    ...     exercises()["00.1"](3)
    ... except Wrong as hint:
    ...     print(hint)
    Look at ds.sizes: one of the two dims is the time.
    """


def exercise(number: str) -> Callable[[Check], Check]:
    """Register a function as the check of an exercise; it returns what to say when the answer is right."""

    def register(function: Check) -> Check:
        EXERCISES[number] = function
        return function

    return register


def number(value: Any) -> float:
    if isinstance(value, np.ndarray | xr.DataArray) and value.ndim == 0:
        value = value.item()
    if isinstance(value, bool) or not isinstance(value, int | float | np.number) or not math.isfinite(value):
        raise Wrong(f"Give a number; this is {type(value).__name__}.")
    return float(value)


def whole(value: Any) -> int:
    if isinstance(value, np.ndarray | xr.DataArray) and value.ndim == 0:  # what idxmax("lag") returns
        value = value.item()
    if (
        isinstance(value, bool)
        or not isinstance(value, int | float | np.integer | np.floating)
        or not float(value).is_integer()
    ):
        raise Wrong(f"Give a whole number; this is {type(value).__name__}.")
    return int(value)


def names(value: Any, most: int) -> list[str]:
    """The first `most` entries of a list, tuple or set of texts."""
    if not isinstance(value, list | tuple | set | frozenset) or not value:
        raise Wrong("Give a list of names, in quotes.")
    given = list(islice(value, most))
    if not all(isinstance(name, str) for name in given):
        raise Wrong("Give a list of names, in quotes.")
    return given


def dataset(value: Any, ask: str, wrong: str, *needed: str) -> xr.Dataset:
    """A Dataset as `schema.validate` has it, with these variables; else `ask`, or `wrong` and what is."""
    if not isinstance(value, xr.Dataset):
        raise Wrong(ask)
    try:
        validate(value, training=False)
    except SchemaError as error:
        raise Wrong(f"{wrong}: {error}") from error
    if missing := [name for name in needed if name not in value.variables]:
        raise Wrong(f"{wrong}: there is no {missing[0]} among {', '.join(map(str, value.data_vars))}.")
    return value


def copies(generated: np.ndarray, real: np.ndarray) -> bool:
    rows = [{row.tobytes() for row in values.astype(np.float32)} for values in (generated, real)]
    return bool(rows[0] & rows[1])
