"""Autocorrelation of many series: the paper's definition and the standard one, chosen by name and never mixed.

Follows Lin et al. 2020, Figure 1, in the definition that the first author gave in issue 20 of the original code. Left
out: confidence bands, partial autocorrelation.
"""

import numpy as np
import xarray as xr

from dgkit.errors import ConfigError, SchemaError
from dgkit.metrics import kernels
from dgkit.metrics.inputs import as_series, name_of, over_chunks

DEFINITIONS = {
    "paper": "Pearson correlation of x[:-lag] and x[lag:]",
    "standard": "autocorrelation with one mean and variance",
}


def autocorrelation(
    series: xr.DataArray, *, kind: str = "paper", lags: int | None = None, per_sample: bool = False
) -> xr.DataArray:
    """Mean autocorrelation of many series at each lag.

    Parameters
    ----------
    series : DataArray, dims (sample, time)
        Any unit; NaN past a series' end is ignored. May be dask-backed: then it is read a chunk of samples at a time.
    kind : {"paper", "standard"}
        "paper": Pearson correlation of x[:-k] and x[k:], each part with its own mean. A numerator or denominator of 0
        counts as 1e-8 (so that a constant part gives 1), and a result outside [-1, 1] counts as 0.
        "standard": one mean and variance for the whole series (as statsmodels' acf). A constant series has none, and is
        left out.
    lags : int, optional
        Largest lag, in steps. Default: every lag at which some series has two pairs (1 to T - 2 if none is shorter).
    per_sample : bool
        Keep each series' own curve instead of their mean.

    Returns
    -------
    DataArray, dims (lag,), or (sample, lag) if `per_sample`
        Dimensionless, in [-1, 1]. A series takes part in lag k only where it has at least two pairs, that is k + 2
        valid steps; elsewhere it is NaN, and left out of the mean; coordinate `series` (lag,) says how many take part.

    Raises
    ------
    SchemaError
        `series` has other dims, fewer than 3 valid steps everywhere, NaN before its end or infinite values; or, for
        "standard", is constant.
    ConfigError
        Unknown `kind`, or `lags` outside 1 to T - 2.

    Source
    ------
    Lin et al. 2020, Figure 1; definition as clarified by the first author in the original code's issue 20. Computed
    from running sums of each centred series in float64, so that only the products cost a sweep; where that would
    cancel, directly from the values.

    Examples
    --------
    >>> weekly = xr.DataArray(np.sin(np.arange(50) * 2 * np.pi / 7)[None], dims=("sample", "time"))
    >>> round(autocorrelation(weekly).sel(lag=7).item(), 6)
    1.0
    """
    series = as_series(series)
    label = name_of(series, "series")
    if kind not in DEFINITIONS:
        raise ConfigError(f"kind is {kind!r}; choose one of {', '.join(map(repr, DEFINITIONS))}.")
    steps = series.sizes["time"]
    if steps < 3:
        raise SchemaError(f"{label} has {steps} steps; an autocorrelation needs at least 3.")
    most = steps - 2 if lags is None else lags
    if not 1 <= most <= steps - 2:
        raise ConfigError(f"lags is {lags}; with {steps} steps it must lie between 1 and {steps - 2}.")
    if per_sample:
        result = xr.apply_ufunc(
            _per_sample,
            series,
            input_core_dims=[["time"]],
            output_core_dims=[["lag"]],
            dask="parallelized",
            output_dtypes=[np.float64],
            dask_gufunc_kwargs={"output_sizes": {"lag": most}},
            kwargs={"kind": kind, "lags": most, "label": label},
        )
    else:
        parts = over_chunks(lambda block, start: block_sums(block, kind, most, label), series)
        found = mean_curve(parts, kind, trim=lags is None)
        if found is None:
            why = (
                "is constant in every series" if kind == "standard" else "has fewer than 3 valid steps in every series"
            )
            raise SchemaError(f"{label} {why}: there is no autocorrelation.")
        return found
    return _labelled(result, kind)


def mean_curve(parts: list[tuple[np.ndarray, np.ndarray]], kind: str, *, trim: bool) -> xr.DataArray | None:
    """The mean curve of what `block_sums` gave for each block, as `autocorrelation` returns it; None if there is none.

    `trim` leaves out the lags beyond the last that any series takes part in.
    """
    totals, counts = (np.sum(part, axis=0) for part in zip(*parts, strict=True))
    if not counts.any():
        return None
    most = int(np.flatnonzero(counts)[-1]) + 1 if trim else counts.size
    totals, counts = totals[:most], counts[:most]
    taking_part = ("lag", counts.astype(np.int64), {"long_name": "series taking part", "units": "1"})
    mean = totals / np.where(counts, counts, np.nan)
    return _labelled(xr.DataArray(mean, dims="lag", coords={"series": taking_part}), kind)


def _labelled(curves: xr.DataArray, kind: str) -> xr.DataArray:
    lags = ("lag", np.arange(1, curves.sizes["lag"] + 1), {"long_name": "lag", "units": "steps"})
    return (
        curves.assign_coords(lag=lags)
        .rename("autocorrelation")
        .assign_attrs(long_name=DEFINITIONS[kind], units="1", kind=kind)
    )


def autocorrelation_mse(
    real: xr.DataArray, generated: xr.DataArray, *, kind: str = "paper", lags: int | None = None
) -> float:
    """Mean squared difference of two mean autocorrelation curves.

    Parameters
    ----------
    real, generated : DataArray, dims (sample, time)
        As `autocorrelation` takes them.
    kind, lags
        As there.

    Returns
    -------
    float
        Dimensionless; 0 for equal curves. Over the lags that both curves have; a lag that only a share of the series is
        long enough for counts by that share (the smaller of the two sets'), since a mean of few is mostly noise. Where
        all series are full length, that is the paper's plain mean.

    Raises
    ------
    SchemaError, ConfigError
        As `autocorrelation`.

    Source
    ------
    Lin et al. 2020, Table 3.

    Examples
    --------
    >>> noise = xr.DataArray(np.random.default_rng(0).normal(size=(8, 20)), dims=("sample", "time"))
    >>> autocorrelation_mse(noise, noise)
    0.0
    """
    curves = (autocorrelation(series, kind=kind, lags=lags) for series in (real, generated))
    return curve_mse(*curves)


def curve_mse(a: xr.DataArray, b: xr.DataArray) -> float:
    """Mean squared difference of two curves over the lags that both have, weighted as `autocorrelation_mse` says."""
    a, b = xr.align(a, b)
    weights = np.minimum(a.series.values / a.series.values.max(), b.series.values / b.series.values.max())
    square = (a.values - b.values) ** 2
    counted = weights > 0
    return float(np.average(square[counted], weights=weights[counted])) if counted.any() else np.nan


def _rows(block: np.ndarray, label: str) -> tuple[np.ndarray, np.ndarray]:
    """The block as (N, T) float64 and each row's valid steps, (N,); SchemaError for NaN or infinity among them."""
    rows = np.ascontiguousarray(block, dtype=np.float64).reshape(int(np.prod(block.shape[:-1])), block.shape[-1])
    lengths = np.empty(len(rows), dtype=np.int64)
    kernels.over_rows(kernels.valid_lengths, len(rows), rows, lengths)
    if lengths.min(initial=0) < 0:
        row = int(np.flatnonzero(lengths < 0)[0])
        step = -1 - int(lengths[row])
        found = "an infinite value" if np.isinf(rows[row, step]) else "a NaN before its last value"
        raise SchemaError(
            f"{label} has {found} in sample {row} (of its chunk), at or before step {step}. "
            "Fill it, or shorten the series there."
        )
    return rows, lengths


def block_sums(block: np.ndarray, kind: str, lags: int, label: str) -> tuple[np.ndarray, np.ndarray]:
    """Sum over the rows of a block, and number of rows, at each lag."""
    rows, lengths = _rows(block, label)
    parts = kernels.over_rows(
        kernels.autocorrelation, len(rows), rows, lengths, kind == "paper", lags, np.empty((0, 0))
    )
    totals, counts = zip(*parts, strict=True)
    return np.sum(totals, axis=0), np.sum(counts, axis=0)


def _per_sample(block: np.ndarray, kind: str, lags: int, label: str) -> np.ndarray:
    """Curve of each row of a block, (..., lags)."""
    rows, lengths = _rows(block, label)
    curves = np.empty((len(rows), lags))
    kernels.over_rows(kernels.autocorrelation, len(rows), rows, lengths, kind == "paper", lags, curves)
    return curves.reshape(*block.shape[:-1], lags)
