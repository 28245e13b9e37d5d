"""Whether two sets can be compared: in one unit, in the same steps, and with no sample in both.

Each error names the way out. Left out: whether they have the same variables, which `metrics.report` and `core.alike`
look at.
"""

import hashlib
from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from dgkit.errors import ConfigError, SchemaError
from dgkit.schema import Schema, blocks, lengths

SAME = 0.01  # of a step: times that are no whole numbers differ by rounding
CALENDAR = 0.85  # the shortest month over the longest, and less
MONTH = 28 * 86400  # seconds
FEW = 0.01  # of the samples may be twins by nature, and three times as many as the training data have among themselves
DURATIONS = {"day": 86400, "hour": 3600, "minute": 60, "second": 1}  # in seconds


def check_units(
    name: object, a: Mapping[Any, Any], b: Mapping[Any, Any], sets: tuple[str, str] = ("the first", "the second")
) -> None:
    """SchemaError where the attrs of one variable in two sets say two units; one that says none goes with any.

    Examples
    --------
    >>> check_units("load", {"units": "W"}, {}), check_units("load", {"units": "W"}, {"units": "W"})
    (None, None)
    """
    ours, theirs = (str(attrs.get("units", "")).strip() for attrs in (a, b))
    if ours and theirs and ours != theirs:
        raise SchemaError(
            f"variable {name!r} is in {ours} in {sets[0]}, in {theirs} in {sets[1]}. Bring both to one unit (multiply "
            f"the values of one, then set its attrs['units']), or, where that is one unit spelled in two ways, "
            f"ds[{name!r}].attrs['units'] = {ours!r}."
        )


def in_one_form(*labels: np.ndarray) -> list[np.ndarray]:
    """Categories of several sets as text where one of them has text, else as they are: 1, 1.0 and True are the same.

    Examples
    --------
    >>> [one.tolist() for one in in_one_form(np.array([0, 1]), np.array(["0", "2"]))]
    [['0', '1'], ['0', '2']]
    """
    text = any(one.dtype.kind in "USO" for one in labels) and any(one.dtype.kind != "U" for one in labels)
    return [one.astype(str) for one in labels] if text else list(labels)


def times_of(data: xr.Dataset | xr.DataArray | Schema) -> np.ndarray | None:
    """The time coordinate, (T,): dates, durations, numbers or text; None where there is none, or no such one."""
    if isinstance(data, Schema):
        known = data.time_coordinate
        return None if known is None else np.array(known[1]).astype(known[0])
    if "time" not in data.coords or data["time"].dims != ("time",):
        return None
    times = data["time"].values
    if times.dtype.kind in "OT" and all(isinstance(one, str) for one in times):
        times = np.array(times.tolist())
    return times if times.dtype.kind in "iubfmMU" else None


def check_times(
    a: xr.Dataset | xr.DataArray | Schema,
    b: xr.Dataset | xr.DataArray | Schema,
    sets: tuple[str, str] = ("the first", "the second"),
) -> None:
    """SchemaError where the time coordinates of two sets are of two kinds, go in other steps, or in another order.

    When a series begins does not matter; months are as long as months are, and a set without the coordinate goes with
    any.

    Examples
    --------
    >>> days, weeks = (xr.DataArray(np.ones(3), {"time": step * np.arange(3)}, "time") for step in (1, 7))
    >>> check_times(days, days.assign_coords(time=days.time + 100))
    >>> try:
    ...     check_times(days, weeks, ("the one", "the other"))
    ... except SchemaError as error:
    ...     print(str(error)[:73])
    the steps differ: step 1 comes 1 after the first in the one, 7 in the oth
    """
    first, second = times_of(a), times_of(b)
    if first is None or second is None:
        return
    times = first, second
    out = "or, if steps are meant whatever their times, leave the coordinate out: ds.drop_vars('time')."
    kinds = [{"M": "dates", "m": "durations", "U": "text"}.get(one.dtype.kind, "numbers") for one in times]
    if kinds[0] != kinds[1]:
        raise SchemaError(
            f"the coordinate 'time' is of {kinds[0]} in {sets[0]}, of {kinds[1]} in {sets[1]}. Make both one, {out}"
        )

    # text says no step, but an order
    if kinds[0] == "text":
        if sorted(times[0]) == sorted(times[1]) and (times[0] != times[1]).any():
            raise SchemaError(f"the times of {sets[1]} are those of {sets[0]} in another order. Sort both alike, {out}")
        return

    # how long after the first each step comes
    steps = min(map(len, times))
    ours, theirs = (_elapsed(one[:steps]) for one in times)
    known = np.isfinite(ours) & np.isfinite(theirs)  # a time may be missing
    apart = [np.diff(one[known]) for one in (ours, theirs)]
    wrong = np.flatnonzero(known & (np.abs(ours - theirs) > SAME * np.abs(apart[0]).min(initial=np.inf)))
    if not len(wrong) or (kinds[0] == "dates" and _as_calendars_have_it(*apart)):
        return
    k = int(wrong[0])
    said = [f"{one[k]:g}" if kinds[0] == "numbers" else duration(float(one[k])) for one in (ours, theirs)]
    raise SchemaError(
        f"the steps differ: step {k} comes {said[0]} after the first in {sets[0]}, {said[1]} in {sets[1]}. Bring both "
        f"to one step, e.g. by the mean of each larger step, {out}"
    )


def _elapsed(times: np.ndarray) -> np.ndarray:
    """Since the first; of dates and durations in seconds."""
    since: np.ndarray = times - times[0] if times.dtype.kind in "mM" else times.astype(np.float64) - float(times[0])
    return since / np.timedelta64(1, "s") if times.dtype.kind in "mM" else since


def _as_calendars_have_it(a: np.ndarray, b: np.ndarray) -> bool:
    """Whether steps in seconds that differ can be the same: months, working days, or a set with gaps."""
    uneven = any(np.ptp(one) > SAME * np.abs(one).min() or one.min() >= MONTH for one in (a, b))
    shortest = float(a.min()), float(b.min())
    return uneven and min(shortest) > 0 and min(shortest) >= CALENDAR * max(shortest)


def duration(seconds: float) -> str:
    """A time in words: in the largest unit that makes it a whole number.

    Examples
    --------
    >>> duration(7200), duration(86400), duration(0.5)
    ('2 hours', '1 day', '0.5 seconds')
    """
    for unit, size in DURATIONS.items():
        if seconds and seconds % size == 0:
            count = round(seconds / size)
            return f"{count} {unit}{'s' if abs(count) > 1 else ''}"
    return f"{seconds:g} seconds"


def in_both(first: xr.Dataset, second: xr.Dataset) -> list[tuple[int, int]]:
    """Where samples of the second are, value for value, also in the first: positions in the first and in the second.

    Examples
    --------
    >>> load = xr.Dataset({"load": (("sample", "time"), [[1.0, 2.0], [3.0, 4.0]])})
    >>> in_both(load, load.isel(sample=[1]))
    [(1, 0)]
    """
    return _pairs(*_printed(first, second))


def distinct(ds: xr.Dataset) -> int:
    """How many samples differ from each other.

    Examples
    --------
    >>> distinct(xr.Dataset({"load": (("sample", "time"), [[1.0, 2.0], [1.0, 2.0], [3.0, 4.0]])}))
    2
    """
    return len(set(_hashes(ds, set())))


def check_apart(real: xr.Dataset, held_out: xr.Dataset) -> None:
    """ConfigError where held-out data hold samples of the training data, more than are each other's twins by nature."""
    ours, theirs = _printed(real, held_out)
    twice = _pairs(ours, theirs)
    twins = sum(count for count in Counter(ours).values() if count > 1) / len(ours)
    some = min(2, len(theirs) // 25)  # a pair of twins that was split leaves none among the training data
    if len(twice) > max(some, (FEW + 3 * twins) * len(theirs)):
        i, k = twice[0]
        raise ConfigError(
            f"{len(twice)} of {len(theirs)} held-out samples are samples of the training data too: held_out[{k}] is "
            f"sample {i} of these. By such data a model that copies would look best. Leave out those that were "
            "trained on, or take halves of one dataset with dgkit.split."
        )


def _pairs(ours: list[bytes], theirs: list[bytes]) -> list[tuple[int, int]]:
    known = {row: i for i, row in enumerate(ours)}
    return [(known[row], k) for k, row in enumerate(theirs) if row in known]


def _printed(first: xr.Dataset, second: xr.Dataset) -> tuple[list[bytes], list[bytes]]:
    """A hash of each sample's values up to its end, of the variables that both have."""
    names = sorted(str(name) for name in first.data_vars if name in second.data_vars)
    rough = {name for name in names if np.float32 in (first[name].dtype, second[name].dtype)}
    return _hashes(first[names], rough), _hashes(second[names], rough)


def _hashes(ds: xr.Dataset, rough: set[str]) -> list[bytes]:
    """Of the variables `rough` as float32: one of the two sets has no more digits."""
    found: list[bytes] = []
    for some in blocks(ds):
        block = ds.isel(sample=some).load()
        past = np.arange(block.sizes["time"]) >= lengths(block)[:, None] if "length" in block else None
        hashes = [hashlib.blake2b(digest_size=16) for _ in range(block.sizes["sample"])]
        for name, da in block.data_vars.items():
            values = da.transpose("sample", ...).values
            text = values.dtype.kind not in "iufb"
            with np.errstate(over="ignore"):
                values = values.astype(str if text else np.float32 if name in rough else np.float64)
            if not text:
                values = np.where(np.isnan(values), np.nan, values + 0)  # -0 is 0, and NaN has a sign, too
            if past is not None and values.shape == past.shape:
                values[past] = "" if text else np.nan  # integers may hold anything there
            for one, row in zip(hashes, values, strict=True):
                one.update("\0".join(np.atleast_1d(row)).encode() if text else row.tobytes())
        found += [one.digest() for one in hashes]
    return found
