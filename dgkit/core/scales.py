"""Scales of numbers, and auto-normalisation: each series by its own range, which is generated with its attributes.

Follows `normalize_per_sample` and `renormalize_per_sample` in `gan/util.py` of the original code. Differences:
- a series' minimum and maximum are taken over its valid steps only (the original lets the zero padding leak in);
- `minmax_scale` may put the level on a log scale and the half-range relative to it (where the feature asks for it).
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import xarray as xr

from dgkit.errors import ConfigError
from dgkit.schema import blocks

EPS = 1e-4  # widens a series' range so that a constant series does not divide by zero (original: gan/util.py)
FLOOR = 1e-6  # of a feature's range: added to values before a logarithm
ACTIVATIONS = {"minusone_one": "tanh", "zero_one": "sigmoid"}


@dataclass(frozen=True)
class Scale:
    """An invertible map of raw values onto the range of an activation, linear or logarithmic."""

    low: float
    high: float
    activation: str
    floor: float | None = None  # added before the logarithm; None: linear

    def encode(self, raw: np.ndarray) -> np.ndarray:
        values = raw if self.floor is None else np.log(raw + self.floor)
        unit = (values - self.low) / ((self.high - self.low) or 1.0)
        return unit * 2 - 1 if self.activation == "tanh" else unit

    def decode(self, scaled: np.ndarray) -> np.ndarray:
        unit = (scaled + 1) / 2 if self.activation == "tanh" else scaled
        values = unit * (self.high - self.low) + self.low
        return values if self.floor is None else np.exp(values) - self.floor

    def ranged(self, scaled: np.ndarray) -> np.ndarray:
        """`decode` in float64, cut to the range."""
        return np.clip(self.decode(scaled.astype(np.float64)), self.low, self.high)


def normalise_per_sample(
    raw: np.ndarray, valid: np.ndarray, scale: Scale, pair: tuple[Scale, Scale]
) -> tuple[np.ndarray, np.ndarray]:
    """Auto-normalisation (paper, Section 4.2): each series by its own range, and that range.

    Parameters
    ----------
    raw : array, (N, T)
    valid : array of bool, (N, T)
        True up to a series' end.
    scale : Scale
        Of the feature over all samples.
    pair : (Scale, Scale)
        Of mid-range and half-range.

    Returns
    -------
    series : array, (N, T, 1)
        In the range of the feature's activation.
    minmax : array, (N, 2)
        Mid-range and half-range, scaled.
    """
    if (floor := pair[1].floor) is not None:
        logarithms = np.log(np.where(valid, raw, scale.low) + floor)
        return normalise_per_sample(logarithms, valid, *_of_logarithms(scale, pair))
    (mid_scale, half_scale), floor = pair, pair[0].floor
    mid, half = _mid_half(np.where(valid, raw, np.nan), scale, floor)
    unit = (raw - (mid - half)[:, None]) / (2 * half)[:, None]
    series = unit * 2 - 1 if scale.activation == "tanh" else unit
    if floor is not None:  # a share of the level
        half = half / (mid - scale.low + floor)
    return series[..., None], np.stack([mid_scale.encode(mid), half_scale.encode(half)], 1)


def renormalise_per_sample(
    series: np.ndarray, minmax: np.ndarray, scale: Scale, pair: tuple[Scale, Scale]
) -> np.ndarray:
    """Auto-normalisation undone: (N, T, 1) and (N, 2), as generated, back to (N, T) within the feature's range."""
    if (floor := pair[1].floor) is not None:
        logarithms = renormalise_per_sample(series, minmax, *_of_logarithms(scale, pair))
        return np.clip(np.exp(logarithms) - floor, scale.low, scale.high)
    (mid_scale, half_scale), floor = pair, pair[0].floor
    mid, half = np.split(minmax.astype(np.float64), 2, 1)
    mid, half = mid_scale.decode(mid), half_scale.decode(half)
    if floor is not None:
        half = half * (mid - scale.low + floor)
    unit = series[..., 0].astype(np.float64)
    unit = (unit + 1) / 2 if scale.activation == "tanh" else unit
    return np.clip(unit * 2 * half + mid - half, scale.low, scale.high)


def relative(da: xr.DataArray, bound: np.ndarray | None) -> xr.DataArray:
    """A feature as shares of each sample's own bound (N,), where it has one."""
    if bound is None:
        return da
    shares = da / xr.DataArray(bound, dims="sample")
    return shares.rename(da.name).assign_attrs(da.attrs | {"valid_max": 1.0})


def counted(values: np.ndarray, scale: Scale | None = None, event: bool = False) -> np.ndarray:
    """Whole numbers: within the scale; with `event` none is 0."""
    whole = np.rint(values)
    if scale is not None and np.ceil(scale.low) <= np.floor(scale.high):
        whole = whole.clip(np.ceil(scale.low), np.floor(scale.high))
    return np.where(whole == 0, np.where(values < 0, -1.0, 1.0), whole) if event else whole


def _of_logarithms(scale: Scale, pair: tuple[Scale, Scale]) -> tuple[Scale, tuple[Scale, Scale]]:
    """The same of the logarithms of values, for "log_values"."""
    own = Scale(pair[0].low, pair[0].high, scale.activation)
    return own, (own, Scale(pair[1].low, pair[1].high, pair[1].activation))


def minmax_scales(da: xr.DataArray, length: np.ndarray, scale: Scale, kind: str) -> tuple[Scale, Scale]:
    """The scales of a feature's mid-range and half-range, of the `kind` that `Config.minmax_scale` names.

    "log": the first logarithmic, the second a share of it. "log_values": both of the logarithms of values.
    Raises ConfigError for a log scale of negative values.
    """
    span = (scale.high - scale.low) or 1.0
    if kind == "linear":  # as the original: mid-range like the feature, half-range always on 0 to 1
        return scale, Scale(0.0, span / 2 if scale.activation == "tanh" else span, "sigmoid")
    if scale.low < 0:
        raise ConfigError(
            f"feature {da.name!r} has negative values, so its level cannot be on a log scale. "
            "Use minmax_scale='linear', or delete its attrs['scale']."
        )
    floor = FLOOR * span
    if kind == "log_values":  # as the linear ones, of the logarithms
        low, high = float(np.log(scale.low + floor)), float(np.log(scale.high + floor))
        return Scale(low, high, scale.activation, floor), Scale(0.0, ((high - low) or 1.0) / 2, "sigmoid", floor)
    if {"valid_min", "valid_max"} <= set(da.attrs):  # public bounds: nothing of the data itself
        level = np.log(np.array([scale.low, scale.high]) + floor)
    else:  # and the half-range as a share of the level: no series reaches below scale.low
        level = np.concatenate([np.log(_mid_half(series, scale, floor)[0] + floor) for series in _series(da, length)])
        level = level if level.size else np.log(np.array([scale.low + floor]))  # nothing but zeros
    return Scale(float(level.min()), float(level.max()), scale.activation, floor), Scale(0.0, 1.0, "sigmoid")


def _mid_half(series: np.ndarray, scale: Scale, floor: float | None) -> tuple[np.ndarray, np.ndarray]:
    """(max + min) / 2 and (max - min) / 2 of each series, the range widened by EPS."""
    top, bottom = np.nanmax(series, 1), np.nanmin(series, 1)
    if floor is None:  # as the original: EPS of the globally scaled range
        span = (scale.high - scale.low) or 1.0
        widen = EPS * span / (2 if scale.activation == "tanh" else 1)
    else:  # that would flatten series many decades below the largest: EPS of the series' own range
        widen = EPS * np.maximum((top - bottom) / 2, EPS * floor)
    return (top + bottom) / 2, (top - bottom) / 2 + widen


def _series(da: xr.DataArray, length: np.ndarray) -> Iterator[np.ndarray]:
    """Some series at a time, float64, NaN past their ends."""
    for some in blocks(da):
        values = np.asarray(da.isel(sample=some).transpose("sample", "time").values, np.float64)
        valid = np.arange(values.shape[1]) < length[some, None]
        if da.attrs.get("zeros") == "inflated":
            valid &= values != 0
            values, valid = values[valid.any(1)], valid[valid.any(1)]
        yield np.where(valid, values, np.nan)
