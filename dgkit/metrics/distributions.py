"""How near two sets of series are as distributions: values, ranges, categories, lengths, pairs of features, neighbours.

Each function takes DataArrays (sample, time) with NaN past the end, in memory or dask-backed, or plain arrays; those
that need attributes or several features take Datasets of `dgkit.schema`. The quantities are the paper's (Lin et al.
2020): mid-range histograms (Figure 6), lengths (7), feature correlations (8), conditional distributions (9), nearest
neighbours (appendix). Left out: p-values and tests, since with thousands of series every difference is significant;
what matters is its size.
"""

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import numpy as np
import pandas as pd
import xarray as xr

from dgkit._checks import number, whole
from dgkit._comparable import check_times, check_units, in_one_form
from dgkit.errors import ConfigError, SchemaError
from dgkit.metrics import kernels
from dgkit.metrics.inputs import (
    as_series,
    check_same_dims,
    exponents,
    flat_pair,
    flat_values,
    name_of,
    near_one,
    on_scale,
    over_chunks,
    within_length,
)
from dgkit.schema import lengths

TEXT_AT_ONCE = 500_000  # labels counted at once: as Python objects they take ten times their memory
RADIX_FROM = 500_000  # values; below, np.sort is fast enough not to compile a sort for
STATISTICS = ("value", "total", "mid_range", "half_range")


def ecdf(values: xr.DataArray | np.ndarray, *, points: int | None = None) -> xr.DataArray:
    """Empirical cumulative distribution function.

    Parameters
    ----------
    values : DataArray or array
        Any shape and unit; NaN is ignored. Of a large dask-backed one, samples are drawn as `wasserstein` does.
    points : int, optional
        Keep about this many points, evenly spaced in probability (for plots of very many values). Default: every
        distinct value.

    Returns
    -------
    DataArray, dims (value,)
        Share of the values at or below each, in (0, 1]; the coordinate `value` carries the unit.

    Raises
    ------
    SchemaError
        Nothing but NaN, infinite values, or no numbers.

    Examples
    --------
    >>> ecdf([3, 1, 1, 2]).values.tolist()
    [0.5, 0.75, 1.0]
    """
    flat = np.sort(flat_values(values))
    last = np.append(np.flatnonzero(flat[1:] != flat[:-1]), flat.size - 1)  # last position of each distinct value
    if points is not None and last.size > whole("points", points, 2):
        last = last[np.unique(np.searchsorted(last, np.linspace(0, flat.size - 1, points)))]
    attrs = {key: text for key, text in getattr(values, "attrs", {}).items() if key in ("units", "long_name")}
    return xr.DataArray(
        (last + 1) / flat.size,
        coords={"value": ("value", flat[last], attrs)},
        dims="value",
        name="ecdf",
        attrs={"long_name": "share at or below", "units": "1"},
    )


def wasserstein(a: xr.DataArray | np.ndarray, b: xr.DataArray | np.ndarray, *, scale: str = "linear") -> float:
    """Wasserstein-1 (earth mover's) distance: how far the values of `a` must move on average to become those of `b`.

    Parameters
    ----------
    a, b : DataArray or array
        Any shape, same unit; NaN is ignored. Of dask-backed arrays of over 4 million values, that many are drawn (whole
        samples, seed 0).
    scale : {"linear", "log"}
        "log": distance of the decimal logarithms, in decades; where either array holds a value at or below 0, both are
        first raised to at least the smallest positive value of `a`.

    Returns
    -------
    float
        In the unit of the values, or in decades; 0 for equal distributions.

    Raises
    ------
    SchemaError
        An array without a valid value, with infinite values, or without numbers; two DataArrays of different dims or
        units.
    ConfigError
        Unknown `scale`.

    Source
    ------
    Lin et al. 2020, Figure 9.

    Examples
    --------
    >>> wasserstein([1.0, 10.0], [10.0, 100.0], scale="log")
    1.0
    """
    return _wasserstein(*on_scale(*flat_pair(a, b), scale))


def _wasserstein(a: np.ndarray, b: np.ndarray) -> float:
    (a, b), exponent = near_one(*_both_sorted(a, b))
    if a.size == b.size:
        gaps = np.subtract(a, b, dtype=np.float64)
        distance = np.abs(gaps, out=gaps).mean()
    else:
        distance = kernels.sorted_wasserstein(a.astype(np.float64, copy=False), b.astype(np.float64, copy=False))
    return float(np.ldexp(distance, exponent))


def from_median(values: np.ndarray) -> float:
    """How far values, without NaN, lie from their median on average: `wasserstein` for one constant in their place.

    Examples
    --------
    >>> from_median(np.array([1.0, 2.0, 6.0]))
    1.6666666666666667
    """
    (near,), exponent = near_one(values)
    return float(np.ldexp(np.abs(near - np.median(near)).mean(dtype=np.float64), exponent))


def _both_sorted(a: np.ndarray, b: np.ndarray) -> list[np.ndarray]:
    if kernels.THREADS == 1 or min(a.size, b.size) < 20_000:  # one core, or too little to share
        return [_sorted(a), _sorted(b)]
    with ThreadPoolExecutor(1) as pool:
        other = pool.submit(_sorted, b)
        return [_sorted(a), other.result()]


def _sorted(values: np.ndarray) -> np.ndarray:
    if values.size < RADIX_FROM:
        return np.sort(values)
    keys = values.view(np.int32 if values.dtype == np.float32 else np.int64).copy()
    in_order: np.ndarray = kernels.radix_sort(keys, np.empty_like(keys))
    return in_order.view(values.dtype)


def kolmogorov_smirnov(a: xr.DataArray | np.ndarray, b: xr.DataArray | np.ndarray) -> float:
    """Kolmogorov-Smirnov distance: the largest gap between the two cumulative distribution functions.

    Parameters
    ----------
    a, b : DataArray or array
        Any shape, same unit; NaN is ignored. Of large dask-backed ones, samples are drawn as `wasserstein` does.

    Returns
    -------
    float
        Dimensionless, 0 (equal) to 1 (no overlap). The two-sample statistic, without a p-value.

    Raises
    ------
    SchemaError
        As `wasserstein`.

    Examples
    --------
    >>> kolmogorov_smirnov([1, 2, 3, 4], [3, 4, 5, 6])
    0.5
    """
    a, b = _both_sorted(*flat_pair(a, b))
    return float(kernels.sorted_kolmogorov_smirnov(a.astype(np.float64), b.astype(np.float64)))


def jensen_shannon(a: xr.DataArray | np.ndarray, b: xr.DataArray | np.ndarray) -> float:
    """Jensen-Shannon divergence of two sets of categories, in bits.

    Parameters
    ----------
    a, b : DataArray or array of str, bool or integer
        Categories, any shape. The empty string (a categorical feature past its end) is ignored.

    Returns
    -------
    float
        0 (same shares) to 1 (no category in common). The divergence with base 2, that is the square of SciPy's
        `jensenshannon(p, q, base=2)`. Two finite samples of one distribution of K categories give about (K - 1) *
        (1/n_a + 1/n_b) / 5.5, not 0.

    Raises
    ------
    SchemaError
        No category at all, floats (use `wasserstein`), or two DataArrays of different dims.

    Examples
    --------
    >>> jensen_shannon(["a", "b"], ["c", "d"])
    1.0
    """
    check_same_dims(a, b)
    kinds = {
        np.asarray(values).dtype.kind if not isinstance(values, xr.DataArray) else values.dtype.kind
        for values in (a, b)
    }
    if "b" in kinds and kinds & set("iu"):
        raise SchemaError("one set holds truth values and the other integers. Bring both to one: .astype(bool).")
    return divergence(category_counts(a, "a"), category_counts(b, "b"))


def divergence(a: pd.Series, b: pd.Series) -> float:
    """`jensen_shannon` of two sets of which is known how often each category occurs."""
    return _bits(*pd.concat([a, b], axis=1).fillna(0).to_numpy().T)


def divergence_by_chance(a: pd.Series, b: pd.Series) -> float:
    """What `divergence` gives on average (20 draws, seed 0) where all members of both are shuffled and dealt again.

    As many as before to each: the divergence of two sets of one distribution.
    """
    counts = pd.concat([a, b], axis=1).fillna(0).to_numpy().astype(np.int64)
    pool, size = counts.sum(axis=1), int(counts[:, 0].sum())
    dealt = np.random.default_rng(0).multivariate_hypergeometric(pool, size, 20)
    return float(np.mean([_bits(one, pool - one) for one in dealt]))


def _bits(a: np.ndarray, b: np.ndarray) -> float:
    """Jensen-Shannon divergence of two vectors of counts."""
    p, q = a / a.sum(), b / b.sum()
    mean = (p + q) / 2
    with np.errstate(divide="ignore", invalid="ignore"):
        bits = np.where(p > 0, p * np.log2(p / mean), 0) + np.where(q > 0, q * np.log2(q / mean), 0)
    return float(min(1.0, max(0.0, bits.sum() / 2)))


def category_counts(labels: xr.DataArray | np.ndarray, role: str) -> pd.Series:
    """How often each category occurs, indexed by its text."""
    label = name_of(labels, role)
    if isinstance(labels, np.ma.MaskedArray):
        labels = np.ma.filled(labels.astype(object), "")
    array = labels if isinstance(labels, xr.DataArray) else xr.DataArray(np.asarray(labels))
    if set(array.dims) == {"sample", "time"}:
        array = within_length(array.assign_attrs(categories=[]), label)  # integers are categories here
    if array.dtype.kind == "f":
        raise SchemaError(
            f"{label} holds floats, not categories. Compare them with wasserstein(a, b), "
            "or cut both sets into classes at the same edges with pandas.cut."
        )
    parts = over_chunks(lambda block, start: _text_counts(block), array)
    counts: pd.Series = pd.concat(parts).groupby(level=0).sum()
    counts = counts.drop("", errors="ignore")
    if counts.empty:
        raise SchemaError(f"{label} holds no category: it is empty.")
    return counts


def _text_counts(block: np.ndarray) -> pd.Series:
    flat = np.asarray(block).ravel()
    counts = []
    for at in range(0, max(flat.size, 1), TEXT_AT_ONCE):
        labels = pd.Series(flat[at : at + TEXT_AT_ONCE].astype(object), dtype=object).dropna()
        labels = labels.str.decode("utf-8", "replace") if flat.dtype.kind == "S" else labels
        counts.append((labels if flat.dtype.kind == "U" else labels.map(str)).value_counts())
    return pd.concat(counts).groupby(level=0).sum()


def mid_range(series: xr.DataArray) -> xr.DataArray:
    """Middle of each series' range, (max + min) / 2, in its unit: the level that auto-normalisation takes out.

    Parameters
    ----------
    series : DataArray, dims (sample, time)
        NaN past a series' end is ignored.

    Returns
    -------
    DataArray, dims (sample,)
        Unit of `series`; NaN for a series without a valid step.

    Raises
    ------
    SchemaError
        Other dims, empty, or not numbers.

    Source
    ------
    Lin et al. 2020, Figure 6.

    Examples
    --------
    >>> mid_range(np.array([[1.0, 5.0, np.nan]])).values
    array([3.])
    """
    return _range_statistic(series, +1, "mid-range")


def half_range(series: xr.DataArray) -> xr.DataArray:
    """Half of each series' range, (max - min) / 2, in its unit: the amplitude that auto-normalisation takes out.

    Parameters
    ----------
    series : DataArray, dims (sample, time)
        NaN past a series' end is ignored.

    Returns
    -------
    DataArray, dims (sample,)
        Unit of `series`; NaN for a series without a valid step.

    Raises
    ------
    SchemaError
        Other dims, empty, or not numbers.

    Examples
    --------
    >>> half_range(np.array([[1.0, 5.0, np.nan]])).values
    array([2.])
    """
    return _range_statistic(series, -1, "half-range")


def _range_statistic(series: xr.DataArray, sign: int, long_name: str) -> xr.DataArray:
    series = as_series(series)
    high, low = highest_and_lowest(series)
    result = high / 2 + sign * low / 2
    units = {"units": series.attrs["units"]} if "units" in series.attrs else {}
    return result.rename(long_name.replace("-", "_")).assign_attrs(long_name=long_name, **units)


def highest_and_lowest(series: xr.DataArray) -> tuple[xr.DataArray, xr.DataArray]:
    """Of each series, (sample,); NaN for one without a valid step."""
    series = series if series.dtype.kind == "f" else series.astype(np.float64)
    return series.max("time"), series.min("time")


def conditional_distances(
    real: xr.Dataset, generated: xr.Dataset, attribute: str, *, statistic: str = "value", scale: str = "linear"
) -> xr.Dataset:
    """Wasserstein-1 distance of every continuous feature among the samples of each attribute value.

    Parameters
    ----------
    real, generated : Dataset
        As `dgkit.schema` describes it.
    attribute : str
        A categorical attribute of both.
    statistic : {"value", "total", "mid_range", "half_range"}
        What is compared: every step's value, or one number for each series.
    scale : {"linear", "log"}
        As `wasserstein`.

    Returns
    -------
    Dataset, dims (value, feature)
        `distance`, in each feature's unit (infinite where no float holds it) or in decades, NaN where either set has no
        such sample; `count` (source, value), samples of each value.

    Raises
    ------
    SchemaError
        The attribute is missing or not categorical; a feature is missing, or in another unit; the steps differ.
    ConfigError
        Unknown `statistic` or `scale`.

    Source
    ------
    Lin et al. 2020, Figure 9: the total bandwidth of DSL and of cable users.

    Examples
    --------
    >>> one = xr.Dataset({"traffic": (("sample", "time"), [[1.0, 3.0], [5.0, 7.0]]), "isp": ("sample", ["a", "b"])})
    >>> two = one.assign(traffic=2 * one.traffic)
    >>> conditional_distances(one, two, "isp", statistic="total").distance.sel(value="b").values
    array([12.])
    """
    if statistic not in STATISTICS:
        raise ConfigError(f"statistic is {statistic!r}; choose one of {', '.join(map(repr, STATISTICS))}.")
    labels = []
    for source, ds in (("real", real), ("generated", generated)):
        if attribute not in ds or ds[attribute].dims != ("sample",):
            attributes = [name for name in ds if ds[name].dims == ("sample",) and name != "length"]
            raise SchemaError(f"{source} data has no attribute {attribute!r}; its attributes are {attributes}.")
        if ds[attribute].dtype.kind not in "USbOT" and "categories" not in ds[attribute].attrs:
            raise SchemaError(
                f"attribute {attribute!r} of the {source} data has dtype {ds[attribute].dtype}, not categories. "
                "Cut it in both sets at the same edges first: edges = [-np.inf, "
                f"*np.quantile(real[{attribute!r}], [0.25, 0.5, 0.75]), np.inf], then for each of them "
                f"ds = ds.assign({{{attribute!r}: ('sample', pandas.cut(ds[{attribute!r}], edges).astype(str))}})"
            )
        labels.append(ds[attribute].values)
        if labels[-1].dtype.kind == "O" and pd.isna(labels[-1]).any():
            raise SchemaError(
                f"attribute {attribute!r} of the {source} data has samples without a value. Leave them out: "
                f"ds = ds.isel(sample=ds[{attribute!r}].notnull().values)"
            )
    labels = in_one_form(*labels)
    check_times(real, generated, ("the real data", "the generated"))
    values = np.unique(np.concatenate(labels))
    names = [str(name) for name in real if is_series(real[name]) and not holds_categories(real[name])]
    distances = np.full((values.size, len(names)), np.nan)
    for column, name in enumerate(names):
        pair = [valid_feature(ds, name) for ds in (real, generated)]
        check_units(name, pair[0].attrs, pair[1].attrs, ("the real data", "the generated"))
        with np.errstate(over="ignore", invalid="ignore"):
            a, b = (_statistic(one, statistic) for one in pair)
        beyond = statistic == "total" and not all(np.isfinite(one).all() for one in (a, b))  # sums that no float holds
        if beyond:
            a, b = (_statistic(one * 2.0**-64, statistic) for one in pair)
        for row, value in enumerate(values):
            chosen = [np.flatnonzero(label == value) for label in labels]
            if all(index.size for index in chosen):
                distances[row, column] = wasserstein(a.isel(sample=chosen[0]), b.isel(sample=chosen[1]), scale=scale)
        if beyond and scale == "linear":  # logarithms are as far apart as those of a share
            with np.errstate(over="ignore"):
                distances[:, column] *= 2.0**64
    counts = [[np.count_nonzero(label == value) for value in values] for label in labels]
    units = ["decades" if scale == "log" else real[name].attrs.get("units", "1") for name in names]
    return xr.Dataset(
        {
            "distance": (("value", "feature"), distances, {"long_name": f"Wasserstein-1 distance of the {statistic}"}),
            "count": (("source", "value"), counts, {"long_name": "samples", "units": "1"}),
        },
        coords={"value": values, "feature": names, "source": ["real", "generated"], "units": ("feature", units)},
        attrs={"attribute": attribute, "statistic": statistic, "scale": scale},
    )


def _statistic(series: xr.DataArray, statistic: str) -> xr.DataArray:
    """What is compared; one number a series is computed here, once for all attribute values."""
    if statistic == "value":
        return series
    if statistic == "total":
        return series.sum("time", min_count=1, dtype=np.float64).compute()
    return {"mid_range": mid_range, "half_range": half_range}[statistic](series).compute()


def is_series(variable: xr.DataArray) -> bool:
    """Whether a variable is a feature: dims sample and time, in any order."""
    return set(variable.dims) == {"sample", "time"}


def holds_categories(variable: xr.DataArray) -> bool:
    """Whether a variable's values are categories: text, or integers whose `attrs` list them."""
    return variable.dtype.kind not in "fiu" or (variable.dtype.kind in "iu" and "categories" in variable.attrs)


def valid_feature(ds: xr.Dataset, name: str, source: str = "the") -> xr.DataArray:
    """A feature as it is up to each series' end: integers, which cannot show it, become floats with NaN past `length`
    (categories: text, empty past it). SchemaError if it is not there."""
    if name not in ds or not is_series(ds[name]):
        raise SchemaError(f"{source} data has no feature {name!r} on (sample, time); it has {list(ds.data_vars)}.")
    feature = ds[name].transpose("sample", "time")
    if feature.dtype.kind in "iu":
        feature = within_length(feature.assign_coords(length=("sample", lengths(ds))), name).drop_vars("length")
    return feature


def ends_of(series: xr.DataArray) -> np.ndarray:
    """Steps of each series (sample, time) up to the last that is there, (N,): a gap before it counts."""
    places = xr.DataArray(np.arange(1, series.sizes["time"] + 1), dims="time")
    ends: np.ndarray = (series.notnull() * places).max("time").values
    return ends


def range_coverage(
    real: xr.DataArray | np.ndarray, generated: xr.DataArray | np.ndarray, *, scale: str = "linear", tail: float = 0.005
) -> float:
    """Share of the real range that the generated range covers; low after mode collapse.

    Parameters
    ----------
    real, generated : DataArray or array
        Values in the same unit, any shape; NaN is ignored. Of large dask-backed ones, samples are drawn as
        `wasserstein` does.
    scale : {"linear", "log"}
        "log": ranges are measured in decades (zeros as in `wasserstein`).
    tail : float
        Share of the values left out at each end of both, so that one outlier does not decide.

    Returns
    -------
    float
        0 (nothing in common) to 1 (covered; too wide a range costs nothing here).

    Raises
    ------
    SchemaError
        As `wasserstein`.
    ConfigError
        `tail` outside [0, 0.5), or an unknown `scale`.

    Examples
    --------
    >>> range_coverage(np.arange(101), np.arange(51), tail=0)
    0.5
    """
    if not 0 <= number("tail", tail) < 0.5:
        raise ConfigError(f"tail is {tail}; it must be at least 0 and below 0.5.")
    real, generated = near_one(*on_scale(*flat_pair(real, generated, ("real", "generated")), scale))[0]
    (low, high), (made_low, made_high) = (np.quantile(x, [tail, 1 - tail]) for x in (real, generated))
    if low == high:
        return float(made_low <= low <= made_high)
    return float(max(0.0, min(high, made_high) - max(low, made_low)) / (high - low))


def distinct_modes(real: xr.DataArray, generated: xr.DataArray) -> xr.DataArray:
    """How many kinds of series there are, told apart by level and amplitude; few generated ones mean mode collapse.

    Each series is a point (mid-range, half-range). Both axes are cut at quantiles of the real points, into so many
    classes (2 to 10) that about eight real points fall to a cell if they spread evenly. A mode is a cell that holds a
    real series. The larger set is thinned (seed 0) to the size of the smaller, since more series reach more cells. The
    result is the same in any unit and on a log scale.

    Parameters
    ----------
    real, generated : DataArray, dims (sample, time)
        Same unit; NaN past the end is ignored.

    Returns
    -------
    DataArray, dims (source,)
        Number of modes of "real" and, among those cells, of "generated".

    Raises
    ------
    SchemaError
        Other dims, or no valid series.

    Examples
    --------
    >>> level = np.arange(100.0)[:, None] + np.zeros(3)
    >>> distinct_modes(level, np.full((100, 3), 50.0)).values
    array([3, 1])
    """
    points, pair = [], [as_series(series, role) for series, role in ((real, "real"), (generated, "generated"))]
    check_units(pair[0].name or "values", pair[0].attrs, pair[1].attrs, ("real", "generated"))
    for series, role in zip(pair, ("real", "generated"), strict=True):
        ranges = xr.Dataset({"mid": mid_range(series), "half": half_range(series)}).compute()  # one reading for both
        both = np.column_stack([ranges.mid.values, ranges.half.values]).astype(np.float64)
        both = both[~np.isnan(both).any(axis=1)]
        if len(both) == 0:
            raise SchemaError(f"{name_of(series, role)} has no series with a valid step.")
        points.append(both)
    return xr.DataArray(
        list(count_modes(*points)),
        coords={"source": ["real", "generated"]},
        dims="source",
        name="distinct_modes",
        attrs={"long_name": "distinct modes", "units": "1"},
    )


def count_modes(real: np.ndarray, generated: np.ndarray) -> tuple[int, int]:
    """`distinct_modes` of points (mid-range, half-range), (N, 2)."""
    size = min(len(real), len(generated))
    random = np.random.default_rng(0)
    points = [
        both if len(both) == size else both[random.choice(len(both), size, replace=False)] for both in (real, generated)
    ]
    exponent = exponents(np.max([np.abs(both).max(axis=0) for both in points], axis=0))
    points = [np.ldexp(both, -exponent) for both in points]
    classes = int(np.clip(np.sqrt(size / 8), 2, 10))
    edges = np.quantile(points[0], np.arange(1, classes) / classes, axis=0)  # (classes - 1, 2)
    cells = [
        np.searchsorted(edges[:, 0], both[:, 0]) * classes + np.searchsorted(edges[:, 1], both[:, 1]) for both in points
    ]
    modes = np.unique(cells[0])
    return modes.size, np.intersect1d(modes, cells[1]).size


def cross_correlation(x: xr.DataArray, y: xr.DataArray) -> xr.DataArray:
    """Pearson correlation of two features within each sample.

    Parameters
    ----------
    x, y : DataArray, dims (sample, time)
        Two features of one data set, any units; steps where either is NaN are ignored.

    Returns
    -------
    DataArray, dims (sample,)
        Dimensionless, in [-1, 1]; NaN where fewer than two steps are valid or one feature is constant.

    Raises
    ------
    SchemaError
        Other dims, or sizes that differ.

    Source
    ------
    Lin et al. 2020, Figure 8: CPU rate and assigned memory.

    Examples
    --------
    >>> cross_correlation(np.array([[1.0, 2.0, 3.0]]), np.array([[2.0, 4.0, 6.0]])).values
    array([1.])
    """
    x, y = as_series(x, "x"), as_series(y, "y")
    if x.shape != y.shape:
        raise SchemaError(
            f"{name_of(x, 'x')} has shape {x.shape}, {name_of(y, 'y')} {y.shape}: not two features of one data set."
        )
    if any(dim in x.indexes and dim in y.indexes and not x.indexes[dim].equals(y.indexes[dim]) for dim in x.dims):
        raise SchemaError(
            f"{name_of(x, 'x')} and {name_of(y, 'y')} have other samples or times: no two of one data set."
        )
    if x.chunks is not None or y.chunks is not None:
        x, y = xr.unify_chunks(x.chunk(), y.chunk())
    result: xr.DataArray = xr.apply_ufunc(
        _row_correlations,
        x,
        y,
        input_core_dims=[["time"], ["time"]],
        dask="parallelized",
        output_dtypes=[np.float64],
    )
    return result.rename("cross_correlation").assign_attrs(
        long_name=f"correlation of {x.name or 'x'} and {y.name or 'y'}", units="1"
    )


def _row_correlations(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    x, y = (np.ascontiguousarray(block, dtype=np.float64) for block in (x, y))
    correlations = np.empty(len(x))
    kernels.over_rows(kernels.row_correlations, len(x), x, y, correlations)
    if (far := np.flatnonzero(np.isinf(correlations))).size:
        both = np.where(np.isnan(x[far] + y[far]), np.nan, [x[far], y[far]])
        near = np.ldexp(both, -exponents(np.fmax.reduce(np.abs(both), axis=2, keepdims=True)))
        again = np.empty(far.size)
        kernels.row_correlations(0, far.size, *near, again)
        correlations[far] = np.where(np.isinf(again), np.nan, again)
    return correlations


def length_histogram(data: xr.Dataset | xr.DataArray) -> xr.DataArray:
    """Number of samples of each length.

    Parameters
    ----------
    data : Dataset or DataArray
        A dataset of `dgkit.schema` (its variable `length`, or full length), or one feature with NaN past the end.

    Returns
    -------
    DataArray, dims (length,)
        Samples; `length` runs over 1 to T, in steps.

    Raises
    ------
    SchemaError
        No dim "time", or no sample.

    Source
    ------
    Lin et al. 2020, Figure 7.

    Examples
    --------
    >>> length_histogram(np.array([[1.0, 2.0], [3.0, np.nan]])).values
    array([1, 1])
    """
    if isinstance(data, xr.Dataset):
        if not {"sample", "time"} <= set(data.dims) or 0 in data.sizes.values():
            raise SchemaError(f"the dataset has sizes {dict(data.sizes)}; it needs samples and steps (sample, time).")
        valid, steps = lengths(data), data.sizes["time"]
    else:
        series = as_series(data)
        steps = series.sizes["time"]
        valid = ends_of(series)
    return xr.DataArray(
        np.bincount(valid, minlength=steps + 1)[1:],
        coords={"length": ("length", np.arange(1, steps + 1), {"long_name": "length", "units": "steps"})},
        dims="length",
        name="samples",
        attrs={"long_name": "samples", "units": "1"},
    )


def nearest_neighbours(
    generated: xr.Dataset | xr.DataArray,
    real: xr.Dataset | xr.DataArray,
    *,
    k: int = 3,
    block: int = 2048,
    exclude_self: bool = False,
    scaled_by: xr.Dataset | xr.DataArray | None = None,
) -> xr.Dataset:
    """The real samples nearest to each generated one, by mean squared error: 0 where one was copied.

    Every feature is first scaled to mean 0 and standard deviation 1 over the valid real values (its logarithm if its
    attribute `scale` is "log"); a category counts 1 where it differs, 0 where it agrees. The mean runs over the
    features and over the steps of the longer series; a step that only one of the two has is compared with the feature's
    mean.

    Parameters
    ----------
    generated, real : Dataset or DataArray (sample, time)
        Same features; may be dask-backed, and are read `block` samples at a time.
    k : int
        Neighbours of each generated sample.
    block : int
        Samples read at once: memory is about that of two blocks of both.
    exclude_self : bool
        Ignore sample i of `real` for sample i of `generated`: for the distances inside one data set.
    scaled_by : Dataset or DataArray (sample, time), optional
        The set that says what mean 0 and standard deviation 1 are; default `real`.

    Returns
    -------
    Dataset, dims (sample, neighbour)
        `index`, position of the neighbour in `real`, nearest first; `distance`, mean squared error in squared standard
        deviations.

    Raises
    ------
    SchemaError
        Features, their units, or the steps differ, or nothing is valid.
    ConfigError
        `k` outside 1 to the number of real samples.

    Source
    ------
    Lin et al. 2020, appendix: generated samples beside their three nearest training samples.

    Examples
    --------
    >>> nearest_neighbours(np.array([[0.0, 1.0]]), np.array([[5.0, 5.0], [0.0, 1.0]]), k=1).index.values
    array([[1]])
    """
    generated, real, scaled_by = (
        data if isinstance(data, xr.Dataset) else as_series(data, role).rename("series").to_dataset()
        for data, role in ((generated, "generated"), (real, "real"), (real if scaled_by is None else scaled_by, "real"))
    )
    names = [str(name) for name in real.data_vars if is_series(real[name])]
    for ds, role in ((generated, "generated"), (scaled_by, "scaled_by")):
        missing = [name for name in names if name not in ds or not is_series(ds[name])]
        if missing or not names or real.sizes["time"] != ds.sizes["time"]:
            raise SchemaError(
                f"real data has features {names} of {real.sizes.get('time')} steps; "
                f"{role} data lacks {missing} and has {ds.sizes.get('time')} steps."
            )
        for name in names:
            check_units(name, real[name].attrs, ds[name].attrs, ("the real data", f"the {role}"))
        check_times(real, ds, ("the real data", f"the {role}"))
    candidates = real.sizes["sample"] - exclude_self
    whole("block", block)
    if not 1 <= whole("k", k) <= candidates:
        raise ConfigError(
            f"k is {k}; with {candidates} real samples to choose from it must lie between 1 and {candidates}."
        )
    encoders = {name: _encoder(name, scaled_by, real, generated) for name in names}
    count = generated.sizes["sample"]
    nearest = Nearest(count, k)
    for start, theirs in vectors(real, encoders, block):
        for at, ours in vectors(generated, encoders, block):
            rows = np.arange(at, at + len(ours[0]))
            nearest.look(rows, ours, start, theirs, rows if exclude_self else None)
    return xr.Dataset(
        {
            "index": (("sample", "neighbour"), nearest.index, {"long_name": "position among the real samples"}),
            "distance": (("sample", "neighbour"), nearest.distance, {"long_name": "mean squared error", "units": "1"}),
        },
        coords={"neighbour": np.arange(1, k + 1)},
    )


AT_ONCE = 2**17  # distances that are computed at once, 1 MiB
Vectors = tuple[np.ndarray, np.ndarray, int]  # rows (B, T * width), their steps (B,), number of features
Encode = Callable[[xr.DataArray], np.ndarray]  # of a feature's values (B, T): (B, T, width) numbers


class Nearest:
    """The k nearest of all real samples shown so far, for each of `count` samples: `index` and `distance`, (N, k)."""

    def __init__(self, count: int, k: int):
        self.index, self.distance = np.zeros((count, k), np.int64), np.full((count, k), np.inf)

    def look(self, rows: np.ndarray, ours: Vectors, start: int, theirs: Vectors, own: np.ndarray | None) -> None:
        """Compare the samples `rows` with a block of real ones that begins at `start`; `own`: which are themselves."""
        x, steps, features = ours
        few = max(1, AT_ONCE // len(theirs[0]))
        for begin in range(0, len(x), few):
            some = slice(begin, begin + few)
            part = (x[some], steps[some], features)
            self._look(rows[some], part, start, theirs, None if own is None else own[some])

    def _look(self, rows: np.ndarray, ours: Vectors, start: int, theirs: Vectors, own: np.ndarray | None) -> None:
        (x, x_steps, features), (y, y_steps, _) = ours, theirs
        error = (x**2).sum(axis=1)[:, None] + (y**2).sum(axis=1)  # (B, M), up to cancellation
        error -= 2 * x @ y.T
        error /= np.maximum(x_steps[:, None], y_steps) * features
        if own is not None:
            error[own[:, None] == np.arange(start, start + len(y))] = np.inf
        k = self.index.shape[1]
        chosen = _smallest(error, min(k, len(y)))
        exact = np.empty(chosen.shape)
        for column, them in enumerate(chosen.T):  # of those nearest, without cancellation: a copy is at 0
            exact[:, column] = ((x - y[them]) ** 2).sum(axis=1) / (np.maximum(x_steps, y_steps[them]) * features)
        exact[np.isinf(np.take_along_axis(error, chosen, axis=1))] = np.inf
        both = np.concatenate([self.distance[rows], exact], axis=1)
        numbers = np.concatenate([self.index[rows], chosen + start], axis=1)
        best = _smallest(both, k)
        self.index[rows] = np.take_along_axis(numbers, best, axis=1)
        self.distance[rows] = np.take_along_axis(both, best, axis=1)


def _smallest(table: np.ndarray, k: int) -> np.ndarray:
    """Columns of the k smallest entries of each row, smallest first."""
    columns = np.argpartition(table, k - 1, axis=1)[:, :k]  # (B, k)
    order = np.argsort(np.take_along_axis(table, columns, axis=1), axis=1, kind="stable")
    return np.take_along_axis(columns, order, axis=1)


def _encoder(name: str, real: xr.Dataset, *others: xr.Dataset) -> Encode:
    feature = valid_feature(real, name, "real")
    if holds_categories(feature):
        sets = [feature, *(valid_feature(ds, name) for ds in others if ds is not real)]
        return category_encoder(sorted({text for one in sets for text in category_counts(one, "feature").index}))
    positive = feature.where(feature > 0)
    floor = float(positive.min()) if feature.attrs.get("scale") == "log" else np.nan
    shown = np.log10(positive.fillna(floor).where(feature.notnull())) if floor > 0 else feature
    exponent = int(exponents(np.abs(shown).max().values))
    near = np.ldexp(shown, -exponent) if exponent else shown
    found = {
        "low": near.min(),
        "high": near.max(),
        "mean": near.mean(dtype=np.float64),
        "std": near.std(dtype=np.float64),
    }
    known = {key: float(value) for key, value in xr.Dataset(found).compute().items()}  # in one reading
    mean = known["mean"]
    deviation = 0.0 if known["low"] == known["high"] else known["std"]  # which rounding may make
    if not np.isfinite(deviation):
        what = "infinite values" if np.isinf(mean) else "no valid value"
        raise SchemaError(f"real feature {name!r} holds {what}.")
    return number_encoder(mean, deviation, floor, exponent)


def category_encoder(categories: list[str]) -> Encode:
    """A function from a feature's values to (B, T, categories) numbers: two that differ are at a distance of 1."""
    known = np.array(categories).astype(str)
    return lambda feature: (feature.values.astype(str)[..., None] == known) * np.sqrt(0.5)


def number_encoder(mean: float, deviation: float, floor: float, exponent: int = 0) -> Encode:
    """A function from a feature's values to (B, T, 1) numbers, 0 past the end; of logarithms where `floor` > 0.

    Mean and deviation are of the values divided by 2**exponent. A constant is the unit of what differs from it.
    """
    unit = deviation or abs(mean) or 1.0

    def encode(feature: xr.DataArray) -> np.ndarray:
        values = feature.values.astype(np.float64)
        values = np.log10(np.maximum(values, floor)) if floor > 0 else values
        values = np.ldexp(values, -exponent) if exponent else values
        return np.nan_to_num((values - mean) / unit)[..., None]

    return encode


def vectors(ds: xr.Dataset, encoders: Mapping[str, Encode], block: int) -> Iterator[tuple[int, Vectors]]:
    """Up to `block` samples after the other: where they begin, and as numbers. A chunk of samples is read once."""
    names = [*encoders, *(["length"] if "length" in ds else [])]
    ds = ds[names]
    sizes = ds.unify_chunks().chunksizes.get("sample", (ds.sizes["sample"],))
    for first, end in pairwise(np.cumsum([0, *sizes]).tolist()):
        chunk = ds.isel(sample=slice(first, end)).compute()
        for start in range(first, end, block):
            part = chunk.isel(sample=slice(start - first, start - first + block))
            features = {name: valid_feature(part, name) for name in encoders}
            rows = np.concatenate([encode(features[name]) for name, encode in encoders.items()], axis=2)
            ends = [ends_of(feature) for feature in features.values() if feature.dtype.kind == "f"]
            steps = lengths(part) if "length" in part or not ends else np.max(ends, axis=0)
            yield start, (rows.reshape(len(rows), -1), np.maximum(steps, 1), len(encoders))
