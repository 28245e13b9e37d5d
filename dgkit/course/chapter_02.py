"""Chapter 02: its recorded runs (auto-normalisation), and the checks of its exercises."""

from typing import Any

import numpy as np
import xarray as xr

from dgkit import metrics, simulate
from dgkit._cells import Point
from dgkit.core.config import Config
from dgkit.course.exercise import Wrong, dataset, exercise, number
from dgkit.course.experiment import Experiment
from dgkit.course.measures import WEB, of_levels, web_metrics
from dgkit.datasets import open_dataset
from dgkit.sweeps import train_model

# --- recorded runs ---


def _collapse_cell(train: xr.Dataset, config: Config, point: Point) -> xr.Dataset:
    made = train_model(train, config).sample(3000, seed=1)
    examples = made.views.isel(sample=slice(4)).values
    result = xr.merge([web_metrics(train, made), of_levels(made.views)])
    return result.assign(examples=(("example", "time"), examples, {"units": "views/day"}))


EXPERIMENTS = {
    "mode_collapse": Experiment(
        "What does auto-normalisation do for data that span decades?",
        lambda point: simulate.web(3000, seed=0, decades=point["decades"]),
        _collapse_cell,
        WEB,
        {
            "normalisation": {"off": {"auto_normalise": False}, "on": {}},
            "decades": (1.0, 2.0, 3.0, 4.0),
            "seed": (0, 1, 2),
        },
        {"steps": 4, "normalisation": "off", "decades": 3.0, "seed": 0},
    ),
}


# --- exercises ---


@exercise("02.1")
def _decades(value: Any) -> str:
    levels = metrics.mid_range(open_dataset("web").views)
    truth = float(np.log10(levels.max() / levels.min()))
    if abs(number(value) - truth) > 0.05:
        raise Wrong("A decade is a factor of ten: np.log10(largest / smallest), of the pages' mid-ranges.")
    return f"{truth:.2f} decades: the largest page is {10**truth:,.0f} times as large as the smallest."


@exercise("02.2")
def _planted(value: Any) -> str:
    real = open_dataset("web").views
    ask = "Pass a Dataset: that of `web`, with other views."
    views = dataset(value, ask, "These are no pages", "views")["views"]
    if views.sizes["sample"] < 500 or views.sizes["time"] != real.sizes["time"]:
        raise Wrong(f"Give at least 500 pages of {real.sizes['time']} days; these are {dict(views.sizes)}.")
    coverage = metrics.range_coverage(*(metrics.mid_range(one) for one in (real, views)), scale="log")
    of_real, kept = metrics.distinct_modes(real, views).values.tolist()
    if not coverage >= 0.9:
        raise Wrong(f"The coverage is {coverage:.2f}. Leave the pages their mid-ranges: where did those come from?")
    if not kept <= 2 / 3 * of_real:
        raise Wrong(f"{kept} of {of_real} kinds of pages are left. Which number of a page has to be alike in all?")
    return f"Coverage {coverage:.2f}, and {kept} of {of_real} kinds of pages: all is well, says the one measure."


@exercise("02.3")
def _by_hand(value: Any) -> str:
    one = open_dataset("web").views.isel(sample=0).astype(np.float64)
    half, middle = float(one.max() - one.min()) / 2, float(one.max() + one.min()) / 2
    if not isinstance(value, np.ndarray | xr.DataArray) or value.shape != one.shape:
        raise Wrong(f"Give the {one.sizes['time']} normalised values, an array or a DataArray.")
    if not np.allclose(np.asarray(value, np.float64), (one.values - middle) / half, atol=1e-3):
        raise Wrong("Take the mid-range away, then divide by the half-range: the smallest day is -1, the largest 1.")
    return "That, and the two numbers you took, is all the LSTM has to make of this page."
