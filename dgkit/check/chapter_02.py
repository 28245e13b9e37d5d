"""The exercises of chapter 02."""

from typing import Any

import numpy as np
import xarray as xr

from dgkit import metrics
from dgkit.check.exercise import Wrong, exercise, number
from dgkit.datasets import open_dataset


@exercise("02.1")
def _decades(value: Any) -> str:
    levels = metrics.mid_range(open_dataset("web").views)
    truth = float(np.log10(levels.max() / levels.min()))
    if abs(number(value) - truth) > 0.05:
        raise Wrong("A decade is a factor of ten: np.log10(largest / smallest), of the pages' mid-ranges.")
    return f"{truth:.2f} decades: the largest page is {10**truth:,.0f} times the smallest."


@exercise("02.2")
def _share_of_range(value: Any) -> str:
    views = open_dataset("web").views
    truth = float((2 * metrics.half_range(views)).median() / (views.max() - views.min()))
    if abs(number(value) - truth) > 0.02 * truth:
        raise Wrong(
            "Of each page largest less smallest day; the median of these; over the same of all values together."
        )
    return f"{truth:.4f}: without auto-normalisation half of the pages live in less than that of the network's range."


@exercise("02.3")
def _by_hand(value: Any) -> str:
    one = open_dataset("web").views.isel(sample=0).astype(np.float64)
    half, middle = float(one.max() - one.min()) / 2, float(one.max() + one.min()) / 2
    if not isinstance(value, np.ndarray | xr.DataArray) or value.shape != one.shape:
        raise Wrong(f"Give the {one.sizes['time']} normalised values, an array or a DataArray.")
    if not np.allclose(np.asarray(value, np.float64), (one.values - middle) / half, atol=1e-3):
        raise Wrong("Take the mid-range away, then divide by the half-range: the smallest day is -1, the largest 1.")
    return "That, and the two numbers you took, is all the LSTM has to make of this page."
