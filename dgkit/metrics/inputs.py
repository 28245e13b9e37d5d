"""What a metric accepts, made uniform: checked series, flat values, and chunks for arrays larger than memory.

Series are DataArrays with dims (sample, time), NaN past the end, in memory or dask-backed; a plain 2-D array is taken
as (sample, time), a 1-D one as one series. Integers have no NaN: those past a series' end are known by a coordinate
`length` on (sample,), as ``ds.set_coords("length").name`` has it; without one, integers count to the last step. Left
out: the meaning of the numbers.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import xarray as xr

from dgkit._comparable import check_units
from dgkit.errors import ConfigError, SchemaError
from dgkit.metrics import kernels

MOST_VALUES = 4_000_000  # of a dask-backed array, how many values a sorting metric draws into memory


def as_series(series: object, role: str = "series") -> xr.DataArray:
    """A numeric DataArray with dims (sample, time), not empty, each series in one chunk; else SchemaError."""
    if not isinstance(series, xr.DataArray):
        plain = np.asarray(unmasked(series))
        if plain.ndim not in (1, 2):
            raise SchemaError(f"{role} has {plain.ndim} dimensions; give a DataArray or array of (sample, time).")
        series = xr.DataArray(plain, dims=("sample", "time")[2 - plain.ndim :])
    label = name_of(series, role)
    if "sample" not in series.dims and "time" in series.dims:
        series = series.expand_dims("sample")
    if set(series.dims) != {"sample", "time"}:
        raise SchemaError(
            f"{label} has dims {series.dims}, not (sample, time). Rename them with .rename(old='sample'), "
            "or select one entry of the others."
        )
    if 0 in series.shape:
        raise SchemaError(f"{label} is empty: its sizes are {dict(series.sizes)}.")
    _check_numeric(series, label)
    series = within_length(series.transpose("sample", "time"), label)
    return series if series.chunks is None else series.chunk(time=-1)


def flat_values(values: object, role: str = "values") -> np.ndarray:
    """All valid numbers of a DataArray or array as one float32 or float64 array, NaN dropped; else SchemaError.

    Of a dask-backed array of more than `MOST_VALUES` values, whole samples are drawn at random (seed 0) until it is
    that many.
    """
    label = name_of(values, role)
    if isinstance(values, xr.DataArray) and set(values.dims) == {"sample", "time"}:
        values = within_length(values.transpose("sample", "time"), label)
    if isinstance(values, xr.DataArray) and (drawn := drawn_samples(values)) is not None:
        values = values.isel({values.dims[0]: drawn})
    flat = np.asarray(unmasked(values)).ravel()
    _check_numeric(flat, label)
    if flat.dtype not in (np.float32, np.float64):
        flat = flat.astype(np.float64)
    missing = np.isnan(flat)
    flat = flat[~missing] if missing.any() else flat
    if flat.size == 0:
        raise SchemaError(f"{label} holds no valid value: it is empty or NaN throughout.")
    if np.isinf(flat[flat.argmax()]) or np.isinf(flat[flat.argmin()]):
        raise SchemaError(f"{label} holds infinite values. Replace them, e.g. with .where(np.isfinite(x)).")
    return flat


def unmasked(values: object) -> object:
    """A masked array of numbers with NaN for what is masked; all else as it is."""
    masked = isinstance(values, np.ma.MaskedArray) and values.dtype.kind in "fiu"
    return values.astype(np.float64).filled(np.nan) if masked else values  # type: ignore[attr-defined]


def within_length(series: xr.DataArray, label: str) -> xr.DataArray:
    """Integers (sample, time) with NaN past their coordinate `length`, categories ("categories" in attrs) as text with
    empty strings there; other series as they are. SchemaError for integers in memory that have none and look padded."""
    if series.dtype.kind not in "iu":
        return series
    if "length" in series.coords:
        valid = xr.DataArray(np.arange(series.sizes["time"]), dims="time") < series["length"]
        text = "categories" in series.attrs
        return (series.astype(str).where(valid, "") if text else series.where(valid)).assign_attrs(series.attrs)
    if series.chunks is None:
        _check_no_padding(series.values, label)
    return series


def _check_no_padding(values: np.ndarray, label: str) -> None:
    """SchemaError where two series or more end in a run of one value that occurs nowhere else."""
    last = values[:, -1:]
    other = (values != last)[:, ::-1]
    run = np.where(other.any(axis=1), other.argmax(axis=1), 0)  # a series that is constant throughout is no padding
    found, counts = np.unique(last[run > 1], return_counts=True)
    for fill, count in zip(found.tolist(), counts.tolist(), strict=True):
        if count > 1 and np.count_nonzero(values == fill) == run[last[:, 0] == fill].sum():
            raise SchemaError(
                f"{label} is of integers, and {count} of its {len(values)} series end in a run of {fill}, which occurs "
                "nowhere else: that looks like padding, and integers cannot say where it begins. Take it from a "
                "dataset whose lengths come with it, ds.set_coords('length'), or, if these are values, .astype(float)."
            )


def drawn_samples(values: xr.DataArray) -> np.ndarray | None:
    """Which samples a sorting metric takes of a dask-backed array of over `MOST_VALUES` values; None: all of them."""
    if values.chunks is None or values.size <= MOST_VALUES:
        return None
    count = values.shape[0]
    kept = max(1, count * MOST_VALUES // values.size)
    return np.sort(np.random.default_rng(0).choice(count, kept, replace=False))


def flat_pair(a: object, b: object, roles: tuple[str, str] = ("a", "b")) -> tuple[np.ndarray, np.ndarray]:
    """`flat_values` of both, after a check that two DataArrays have the same dims and the same unit.

    The same numbers in float32 and in float64 are the same: what was rounded in one is no difference.
    """
    check_same_dims(a, b, roles)
    if isinstance(a, xr.DataArray) and isinstance(b, xr.DataArray):
        check_units(a.name or "values", a.attrs, b.attrs, roles)
    pair = flat_values(a, roles[0]), flat_values(b, roles[1])
    return pair if pair[0].dtype == pair[1].dtype else _as_precise(*pair)


def _as_precise(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Both as float32 where most of the float64 ones are then numbers of the other, and are told apart as before."""
    long, short = (a, b) if a.dtype == np.float64 else (b, a)
    with np.errstate(over="ignore"):
        rounded = long.astype(np.float32)
    spread = max(float(np.ptp(one)) for one in (a, b))
    coarse = float(np.spacing(np.abs(rounded).max())) > 1e-3 * spread > 0 or np.isinf(rounded).any()
    if coarse or np.isin(rounded, short).mean() <= 0.5:
        return a, b
    return (rounded, b) if long is a else (a, rounded)


def check_same_dims(a: object, b: object, roles: tuple[str, str] = ("a", "b")) -> None:
    """SchemaError if both are DataArrays and their dims differ."""
    if isinstance(a, xr.DataArray) and isinstance(b, xr.DataArray) and set(a.dims) != set(b.dims):
        raise SchemaError(
            f"{name_of(a, roles[0])} has dims {a.dims}, but {name_of(b, roles[1])} has {b.dims}: not the same kind."
        )


def on_scale(a: np.ndarray, b: np.ndarray, scale: str) -> tuple[np.ndarray, np.ndarray]:
    """Both as they are ("linear"), or as log10 ("log").

    A logarithm needs positive values: if either holds one at or below 0, both are raised to at least the smallest
    positive value of `a`, so that zeros compare equal.
    """
    if scale not in ("linear", "log"):
        raise ConfigError(f"scale is {scale!r}; choose 'linear' or 'log'.")
    if scale == "linear":
        return a, b
    if min(a.min(), b.min()) <= 0:
        floor = a[a > 0].min(initial=np.inf)
        if np.isinf(floor):
            raise SchemaError(
                "a log scale needs a positive value in the first data set, and none was found; use scale='linear'."
            )
        a, b = np.maximum(a, floor), np.maximum(b, floor)
    return np.log10(a, dtype=np.float64), np.log10(b, dtype=np.float64)


def exponents(largest: np.ndarray) -> np.ndarray:
    """The power of two to divide values up to `largest` by, ``np.ldexp(values, -exponents)``, before they are squared.

    0 for values of ordinary size, which stay bit for bit; else what brings them near 1, that squares stay in float64.
    Exact, but for what is lost beside a value 1e300 times as large.
    """
    largest = np.asarray(largest, np.float64)
    ordinary = (largest < kernels.FAR) & (largest > 1 / kernels.FAR) | (largest == 0)
    return np.where(ordinary, 0, np.frexp(largest)[1])


def near_one(*arrays: np.ndarray) -> tuple[list[np.ndarray], int]:
    """All arrays divided by one power of two, as `exponents` has it, and that; NaN is ignored."""
    largest = max(np.fmax(np.fmax.reduce(array, axis=None), -np.fmin.reduce(array, axis=None)) for array in arrays)
    exponent = int(exponents(largest))
    return [np.ldexp(array, -exponent) for array in arrays] if exponent else list(arrays), exponent


def over_chunks(function: Callable[[np.ndarray, int], Any], array: xr.DataArray) -> list[Any]:
    """``function(block, start)`` of the values and the position of their first sample: once, or chunk by chunk.

    Of a dask-backed array as many chunks of samples are in memory as dask has workers, whatever the array's size.
    """
    if array.chunks is None:
        return [function(array.values, 0)]
    from dask.base import compute
    from dask.delayed import delayed

    array = array.chunk({dim: -1 for dim in array.dims if dim != "sample"})
    starts = np.cumsum([0, *array.chunksizes.get("sample", ())]).tolist()
    blocks = array.data.to_delayed().ravel()
    calls = [delayed(function)(block, start) for block, start in zip(blocks, starts, strict=False)]
    return list(compute(*calls))


def name_of(values: object, role: str) -> str:
    """How an error names it: the DataArray's own name where it has one."""
    own = getattr(values, "name", None)
    return f"{role} {own!r}" if own is not None else role


def _check_numeric(values: xr.DataArray | np.ndarray, label: str) -> None:
    if values.dtype.kind not in "fiu":
        raise SchemaError(
            f"{label} has dtype {values.dtype}, not numbers. For categories use jensen_shannon(a, b); "
            "otherwise convert with .astype(float)."
        )
