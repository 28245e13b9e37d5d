"""Guards that many functions share."""

import contextlib
import math
import os
import sys
from collections.abc import Hashable, Iterable, Mapping
from typing import Any

import numpy as np

from dgkit.errors import ConfigError

LARGEST_SEED = 2**64 - 1  # that torch takes


def shown(value: Any) -> str:
    """The value as an error shows it, on one line of bounded length.

    Examples
    --------
    >>> shown("web"), shown("a" * 100)[70:], shown(10**9000)
    ("'web'", 'aaaaaa ...', 'an int')
    """
    try:
        text = " ".join(repr(value).split())
    except Exception:  # a number of more digits than Python writes, or an object that cannot say what it is
        name = type(value).__name__
        return f"{'an' if name[0] in 'aeiou' else 'a'} {name}"
    return text if len(text) <= 80 else f"{text[:76]} ..."


def outside() -> int:
    """The `stacklevel` by which a warning, given where this is called, points at the line outside that called dgkit.

    Examples
    --------
    >>> outside() >= 1
    True
    """
    frame, level = sys._getframe(1), 1
    while frame.f_back and str(frame.f_globals.get("__name__")).partition(".")[0] in ("dgkit", "dgkit_widgets"):
        frame, level = frame.f_back, level + 1
    return level


def mended(mends: Mapping[str, str] | None, kind: str, name: Hashable, own: str, **more: Any) -> str:
    """What an error of this kind advises: to mend `ds`, or what the caller of a reader can do.

    Examples
    --------
    >>> mended(None, "gap", "views", "ds = ds.fillna(0)")
    'Mend: ds = ds.fillna(0)'
    >>> mended({"gap": "Give fill= for {name!r}."}, "gap", "views", "ds = ds.fillna(0)")
    "Give fill= for 'views'."
    """
    return mends[kind].format(name=name, **more) if mends and kind in mends else f"Mend: {own}"


def whole(name: str, value: Any, least: int = 1, below: float = math.inf) -> int:
    """The value as an int; ConfigError, with the argument's name, for what is no whole number in these bounds.

    Examples
    --------
    >>> whole("steps", 3), whole("steps", np.int64(3))
    (3, 3)
    """
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or not least <= value < below:
        limit = "" if below == math.inf else f" and less than {below}"
        raise ConfigError(f"{name}={shown(value)} must be a whole number of at least {least}{limit}.")
    return int(value)


def seed(value: Any) -> int:
    """A seed as an int, of those that torch and NumPy both take; ConfigError for any other.

    Examples
    --------
    >>> seed(np.uint8(3)), seed(2**64 - 1)
    (3, 18446744073709551615)
    """
    return whole("seed", value, 0, LARGEST_SEED + 1)


def number(name: str, value: Any, least: float = 0.0) -> float:
    """The value as a float; ConfigError for what is no number of at least this (infinity is one).

    Examples
    --------
    >>> number("seconds", 5)
    5.0
    """
    real = isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)
    if not real or not value >= least or (isinstance(value, int) and value > 1e300):
        raise ConfigError(f"{name}={shown(value)} must be a number of at least {least:g}.")
    return float(value)


def several(option: str, value: Any) -> list[Any]:
    """The values as a list, empty for None; ConfigError for what is none: a text, of which it would take the letters.

    Nor is a mapping, whose values would go unheeded.

    Examples
    --------
    >>> several("text", ("port", "zip")), several("text", None)
    (['port', 'zip'], [])
    """
    if value is None:
        return []
    one = isinstance(value, str | bytes) or (isinstance(value, np.ndarray) and value.ndim == 0)
    if one or not isinstance(value, Iterable):
        raise ConfigError(f"{option} is {shown(value)}; give a list: {option}=[{shown(value)}].")
    if isinstance(value, Mapping):  # of which only the keys would be heeded
        raise ConfigError(f"{option} is {shown(value)}; give a list, such as its keys: {option}={shown([*value])}.")
    found = list(value)
    for item in found:
        if not isinstance(item, Hashable):
            raise ConfigError(f"{option} has {shown(item)} in it; give a list of names or values.")
    return found


def mapping(option: str, value: Any) -> dict[Any, Any]:
    """The value as a dict, empty for None; ConfigError for what is no mapping.

    Examples
    --------
    >>> mapping("units", {"load": "Mbps"}), mapping("units", None)
    ({'load': 'Mbps'}, {})
    """
    if not isinstance(value, Mapping | None):
        raise ConfigError(f"{option} is {shown(value)}; give a mapping, such as {option}={{'...': ...}}.")
    return dict(value or {})


def scores(name: str, values: Any) -> np.ndarray:
    """The values as an array that has an order; ConfigError, with the argument's name, where one is NaN or no number.

    Examples
    --------
    >>> scores("present", [1, 2, np.inf])
    array([ 1.,  2., inf])
    """
    try:
        found = np.asarray(values, np.float64)
    except (TypeError, ValueError):
        found = np.array(np.nan)
    if np.isnan(found).any():
        raise ConfigError(f"{name} is {shown(values)}; give a number for each, none of them NaN.")
    return found


def many(n: Any, steps: int, features: int = 1) -> int:
    """`whole("n", n)` for n series; ConfigError where their numbers take more than half of this machine's memory.

    As far as the system tells how much that is.

    Examples
    --------
    >>> many(1000, steps=168)
    1000
    """
    n, most = whole("n", n), math.inf
    with contextlib.suppress(AttributeError, OSError, ValueError):  # not on Windows
        most = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    numbers = 8 * n * steps * features
    if numbers > most / 2 > 0:
        raise ConfigError(
            f"n={n} (of {steps} steps) takes {numbers / 1e9:,.0f} GB of numbers, more than half of this machine's "
            f"memory ({most / 1e9:,.0f} GB). Ask for fewer at a time, with another seed each."
        )
    return n
