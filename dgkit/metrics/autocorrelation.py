"""Autocorrelation of many series: the paper's definition and the standard one, chosen by name and never mixed.

Follows Lin et al. 2020, Figure 1, in the definition that the first author gave in issue 20 of the original code. Left
out: confidence bands, partial autocorrelation.
"""

import numpy as np
import xarray as xr

from dgkit._comparable import check_times
from dgkit.errors import ConfigError, SchemaError
from dgkit.metrics import kernels
from dgkit.metrics.inputs import as_series, exponents, name_of, over_chunks

DEFINITIONS = {
    "paper": "Pearson correlation of x[:-lag] and x[lag:]",
    "standard": "autocorrelation with one mean and variance",
}
FEW_PAIRS = 0.25  # lags with less than this share of all pairs are "late": little data stands behind them


def autocorrelation(
    series: xr.DataArray, *, kind: str = "paper", lags: int | None = None, per_sample: bool = False
) -> xr.DataArray:
    """Mean autocorrelation of many series at each lag.

    Parameters
    ----------
    series : DataArray, dims (sample, time)
        Any unit; NaN past a series' end is ignored. May be dask-backed: then it is read a chunk of samples at a time.
    kind : {"paper", "standard"}
        "paper": Pearson correlation of x[:-k] and x[k:], each part with its own mean; 1 where a part is constant. 0
        where the covariance is 0: the original's code puts 1e-8 in its place, which in small units comes to as much
        as 1, or does not, as the covariance rounds. Where all series are of full length the last lag rests on two
        pairs, which give 1 or -1, or 0 as they round: there the original's code is followed step by step.
        "standard": one mean and variance for the whole series (as statsmodels' acf). A constant series has none, and is
        left out.
    lags : int, optional
        Largest lag, in steps. Default: every lag at which some series takes part (1 to T - 2 if none is shorter).
    per_sample : bool
        Keep each series' own curve instead of their mean.

    Returns
    -------
    DataArray, dims (lag,), or (sample, lag) if `per_sample`
        Dimensionless, in [-1, 1], and the same in any unit (but for that last lag). A series takes part in lag k only
        where it has enough pairs: two (k + 2 valid steps) where all are of full length or by the standard definition;
        three where lengths vary. Elsewhere it is NaN, and left out of the mean. Coordinates (lag,): `series`, how many
        take part; `pairs`, how many pairs of steps they have, as a share of all steps: (T - k) / T at full length.

    Raises
    ------
    SchemaError
        `series` has other dims, too few valid steps everywhere, NaN before its end or infinite values; or, for
        "standard", is constant.
    ConfigError
        Unknown `kind`, or `lags` that is no whole number from 1 to T - 2.

    Source
    ------
    Lin et al. 2020, Figure 1; definition as clarified by the first author in the original code's issue 20. Computed
    from running sums of each centred series in float64, so that only the products cost a sweep; where that would
    cancel, directly from the values. The standard mean curve of many lags by the power spectra (Wiener-Khinchin).

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
    # missing in the last step of any series: lengths vary (of a dask-backed array one more reading)
    full = ~series.isel(time=-1).isnull().any()
    most = steps - 2 if lags is None else lags
    if isinstance(most, bool) or not isinstance(most, int | np.integer) or not 1 <= most <= steps - 2:
        raise ConfigError(f"lags is {lags}; with {steps} steps it must be a whole number between 1 and {steps - 2}.")
    if per_sample:
        result = xr.apply_ufunc(
            _per_sample,
            series,
            full,
            input_core_dims=[["time"], []],
            output_core_dims=[["lag"]],
            dask="parallelized",
            output_dtypes=[np.float64],
            dask_gufunc_kwargs={"output_sizes": {"lag": most}},
            kwargs={"kind": kind, "lags": most, "label": label},
        )
    else:
        whole = bool(full)
        parts = over_chunks(lambda block, start: block_sums(block, kind, whole, most, label), series)
        found = mean_curve(parts, kind, trim=lags is None)
        if found is None:
            why = (
                "is constant in every series"
                if kind == "standard"
                else "has fewer than 4 valid steps in every series (3 would do if none were shorter than the others)"
            )
            raise SchemaError(f"{label} {why}: there is no autocorrelation.")
        return found
    return _labelled(result, kind)


def mean_curve(parts: list[tuple[np.ndarray, int]], kind: str, *, trim: bool) -> xr.DataArray | None:
    """The mean curve of what `block_sums` gave for each block, as `autocorrelation` returns it; None if there is none.

    `trim` leaves out the lags beyond the last that any series takes part in.
    """
    tables, steps = zip(*parts, strict=True)
    totals, counts, pairs = np.sum(tables, axis=0)
    if not counts.any():
        return None
    most = int(np.flatnonzero(counts)[-1]) + 1 if trim else counts.size
    totals, counts, pairs = totals[:most], counts[:most], pairs[:most]
    coords = {
        "series": ("lag", counts.astype(np.int64), {"long_name": "series taking part", "units": "1"}),
        "pairs": ("lag", pairs / sum(steps), {"long_name": "pairs, as a share of all steps", "units": "1"}),
    }
    return _labelled(xr.DataArray(totals / np.where(counts, counts, np.nan), dims="lag", coords=coords), kind)


def _labelled(curves: xr.DataArray, kind: str) -> xr.DataArray:
    lags = ("lag", np.arange(1, curves.sizes["lag"] + 1), {"long_name": "lag", "units": "steps"})
    return (
        curves.assign_coords(lag=lags)
        .rename("autocorrelation")
        .assign_attrs(long_name=DEFINITIONS[kind], units="1", kind=kind)
    )


def autocorrelation_mse(
    real: xr.DataArray,
    generated: xr.DataArray,
    *,
    kind: str = "paper",
    lags: int | None = None,
    weighted: bool = False,
) -> float:
    """Mean squared difference of two mean autocorrelation curves.

    Parameters
    ----------
    real, generated : DataArray, dims (sample, time)
        As `autocorrelation` takes them.
    kind, lags
        As there.
    weighted : bool
        Count each lag by its share of pairs (the smaller of the two sets'), (T - k) / T at full length. In the plain
        mean the last lags, where a few pairs of each series make both curves swing, count as much as the first, and
        often decide.

    Returns
    -------
    float
        Dimensionless; 0 for equal curves. Over the lags that both curves have; a lag that only a share of the series is
        long enough for counts by that share (the smaller of the two sets'), since a mean of few is mostly noise. Where
        all series are full length, that is the paper's plain mean.

    Raises
    ------
    SchemaError, ConfigError
        As `autocorrelation`; or the time coordinates go in other steps.

    Source
    ------
    Lin et al. 2020, Table 3; the weights are ours.

    Examples
    --------
    >>> noise = xr.DataArray(np.random.default_rng(0).normal(size=(8, 20)), dims=("sample", "time"))
    >>> autocorrelation_mse(noise, noise)
    0.0
    """
    if isinstance(real, xr.DataArray) and isinstance(generated, xr.DataArray):
        check_times(real, generated, ("the real series", "the generated"))
    curves = (autocorrelation(series, kind=kind, lags=lags) for series in (real, generated))
    return curve_errors(*curves)["_weighted" if weighted else ""]


def curve_errors(a: xr.DataArray, b: xr.DataArray) -> dict[str, float]:
    """How far two mean curves are apart over the lags that both have; all NaN where there is none.

    "": as `autocorrelation_mse`; "_weighted": as there; "_late_share": how much of the first comes from lags with less
    than `FEW_PAIRS` of the pairs (NaN where it is 0).
    """
    a, b = xr.align(a, b)
    square = (a.values - b.values) ** 2
    pairs = np.minimum(a.pairs.values, b.pairs.values)
    weights = np.minimum(*(curve.series.values / curve.series.values.max(initial=1) for curve in (a, b)))
    counted = weights > 0
    square, pairs, weights = square[counted], pairs[counted], weights[counted]
    if not counted.any():
        return dict.fromkeys(("", "_weighted", "_late_share"), np.nan)
    total = (weights * square).sum()
    late = (weights * square)[pairs < FEW_PAIRS].sum()
    return {
        "": float(total / weights.sum()),
        "_weighted": float((pairs * square).sum() / pairs.sum()),
        "_late_share": float(late / total) if total > 0 else np.nan,
    }


def _rows(block: np.ndarray, label: str) -> tuple[np.ndarray, np.ndarray]:
    """The block as (N, T) float64 and each row's valid steps, (N,); SchemaError for NaN or infinity among them.

    Rows whose squares would leave float64 are scaled, which no correlation feels.
    """
    rows = np.ascontiguousarray(block, dtype=np.float64).reshape(int(np.prod(block.shape[:-1])), block.shape[-1])
    lengths = np.empty(len(rows), dtype=np.int64)
    far = kernels.over_rows(kernels.valid_lengths, len(rows), rows, lengths)
    if lengths.min(initial=0) < 0:
        row = int(np.flatnonzero(lengths < 0)[0])
        step = -1 - int(lengths[row])
        found = "an infinite value" if np.isinf(rows[row, step]) else "a NaN before its last value"
        raise SchemaError(
            f"{label} has {found} in sample {row} (of its chunk), at or before step {step}. "
            "Fill it, or shorten the series there."
        )
    if any(far):
        rows = np.ldexp(rows, -exponents(np.fmax.reduce(np.abs(rows), axis=1, keepdims=True)))
    return rows, lengths


def _sums_of_slices(
    rows: np.ndarray, lengths: np.ndarray, kind: str, full: bool, lags: int, curves: np.ndarray
) -> list[np.ndarray]:
    """What the kernels sum over slices of the rows, longest row first: those computed side by side are of about one
    length, and the slices that take longest do not come last. With few products a row, in the order in memory, which
    counts for more then. `curves` as `kernels.autocorrelation` takes it."""
    most = np.minimum(lengths, lags)
    products = (most * lengths - most**2 / 2).sum()
    if kind == "standard" and curves.size == 0 and products >= kernels.SPECTRA_FROM * rows.size:
        return kernels.over_rows(kernels.standard_by_spectra, len(rows), rows, lengths, lags)
    sort = kind == "paper" or products >= kernels.MANY_PRODUCTS * rows.size
    order = np.argsort(-lengths, kind="stable") if sort else np.arange(len(rows))
    return kernels.over_rows(
        kernels.autocorrelation, len(rows), rows, lengths, order, kind == "paper", full, lags, curves
    )


def block_sums(block: np.ndarray, kind: str, full: bool, lags: int, label: str) -> tuple[np.ndarray, int]:
    """What the kernel sums over the rows of a block, (3, lags), and their valid steps; `full`: none in the set ends
    early."""
    rows, lengths = _rows(block, label)
    nothing = np.empty((0, 0))
    parts = _sums_of_slices(rows, lengths, kind, full, lags, nothing)
    return np.sum(parts, axis=0), int(lengths.sum())


def _per_sample(block: np.ndarray, full: np.ndarray, kind: str, lags: int, label: str) -> np.ndarray:
    """Curve of each row of a block, (..., lags)."""
    rows, lengths = _rows(block, label)
    curves = np.empty((len(rows), lags))
    _sums_of_slices(rows, lengths, kind, bool(full), lags, curves)
    return curves.reshape(*block.shape[:-1], lags)
