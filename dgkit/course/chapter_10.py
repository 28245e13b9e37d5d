"""Chapter 10: its recorded run (exact zeros as an event of their own), and the checks of its exercises."""

from statistics import NormalDist
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from dgkit import metrics
from dgkit._cells import Point
from dgkit.core.config import Config
from dgkit.course.exercise import Wrong, exercise, number
from dgkit.course.experiment import Experiment
from dgkit.course.measures import train_and_look
from dgkit.course.questions import Prediction, Quiz
from dgkit.datasets import open_dataset
from dgkit.metrics import evaluate, mid_range
from dgkit.schema import validate

# --- recorded runs ---


def _homes(point: Point) -> xr.Dataset:
    """The FCC's homes ("mba": fetched, or in the cache) or simulated ones, with their losses as they are asked for."""
    ds = open_dataset(str(point["data"]))
    if point["zeros"] == "an event":
        ds.ping_loss.attrs["zeros"] = "inflated"
    return ds


def _zeros_cell(train: xr.Dataset, config: Config, point: Point) -> xr.Dataset:
    looks = {step: _of_homes(train, model.sample(2000, seed=1)) for step, _, model in train_and_look(train, config, 10)}
    return xr.concat(looks.values(), pd.Index(list(looks), name="step"))


def _of_homes(train: xr.Dataset, made: xr.Dataset) -> xr.Dataset:
    loss, traffic = ([ds[name] for ds in (train, made)] for name in ("ping_loss", "traffic_bytes"))
    source = ("real", "generated")
    return xr.Dataset(
        {
            "zero_share": ("source", [float((x == 0).mean()) for x in loss], {"units": "1"}),
            "all_zero_share": ("source", [float((x == 0).all("time").mean()) for x in loss], {"units": "1"}),
            "loss_autocorrelation_mse": ((), metrics.autocorrelation_mse(*loss), {"units": "1"}),
            "traffic_autocorrelation_mse": ((), metrics.autocorrelation_mse(*traffic), {"units": "1"}),
            "loss_wasserstein": ((), metrics.wasserstein(*loss), {"units": "1"}),
            "traffic_wasserstein": ((), metrics.wasserstein(*traffic, scale="log"), {"units": "decades"}),
        },
        {"source": list(source)},
    )


EXPERIMENTS = {
    "zeros": Experiment(
        "What does it change to make exact zeros an event of their own?",
        _homes,
        _zeros_cell,
        Config(steps=5000, sample_len=4, ema=0.995),  # both ways the traffic's memory is learned at 2,500, not before
        {"data": ("mba",), "zeros": ("a number", "an event"), "seed": (0, 1, 2)},
        {"steps": 4, "data": "broadband", "zeros": "an event", "seed": 0},  # of data that are always there
    )
}

# --- questions ---

PREDICTION = Prediction(
    "The n-th row of each device is taken for its n-th step. Of a month with lost polls, which share of the values is "
    "in its place?",
    ("nearly all", "about half", "a few per cent"),
    "c",
    "Three per cent: from the first lost poll on everything is a step too early, and nothing would have warned you.",
)
QUIZZES = {
    "10.a": Quiz(
        "Which of three frauds has days and what goes with them as good as real ones?",
        "a",
        (
            (
                "The copies of training days.",
                "They are real days. Lines that look for copies find them, and hardly another.",
            ),
            ("The days with mixed hours.", "Autocorrelation, steps and rises know of an order, and find them."),
            ("The days with the attributes of others.", "Series and attributes are right, but effects are lines, too."),
        ),
    ),
    "10.b": Quiz(
        "Ten settings were tried; the best has an error of 0.04 on the part that it was chosen by. And on new days?",
        "c",
        (
            ("0.04 as well.", "It was chosen because its number was low, and part of that was luck."),
            ("Less: it is the best.", "The best setting is not the one with the luckiest number."),
            ("More, most likely.", "Which is why the report is made once, on a part that nothing was chosen by."),
        ),
    ),
}


# --- exercises ---

HOME = ("technology", "isp", "state")  # what is known of one
LIKE, LEFT = 10, 20  # homes of a combination at least, and combinations


@exercise("10.1")
def _goes_round(value: Any) -> str:
    truth = 2**32 * 8 / 300 / 1e6
    given = number(value)
    if abs(given - truth) > 0.01 * truth:
        hint = "Bits, not bytes: a byte is eight." if abs(8 * given - truth) < 0.01 * truth else ""
        raise Wrong(hint or "It is full after 2^32 bytes. What rate fills it in 300 s, in 10^6 bits each second?")
    return f"{truth:.0f} Mbit/s. On faster interfaces take the counters of 64 bits, or poll more often."


@exercise("10.2")
def _no_fault_in_it(value: Any) -> str:
    real = open_dataset("web")
    if not isinstance(value, xr.Dataset) or "views" not in value or value.sizes.get("sample", 0) < 500:
        raise Wrong("Pass a Dataset of at least 500 pages, with views, domain, access and agent.")
    validate(value)
    report = evaluate(real, value)
    errors = {
        "autocorrelation_mse": float(report.autocorrelation_mse.max()) / 0.002,
        "value_wasserstein_decades": float(report.value_wasserstein_decades.max()) / 0.1,
        "mid_range_wasserstein_decades": float(report.mid_range_wasserstein_decades.max()) / 0.1,
        "attribute_jensen_shannon": float(report.attribute_jensen_shannon.max()) / 0.02,
    }
    worst = max(errors, key=lambda name: errors[name])
    if not errors[worst] < 1:
        raise Wrong(f"`evaluate` finds fault with it: see {worst}. Begin with real pages, and leave their views alone.")
    left = _between(value) / _between(real)
    if not left < 0.5:
        raise Wrong(f"A domain still tells the level: their mean levels differ {left:.2f} times as much as in `web`.")
    return f"No fault in it, and the domains' levels differ {left:.2f} times as much as in `web`, by chance."


def _between(ds: xr.Dataset) -> float:
    """Standard deviation of the domains' mean levels, in decades."""
    levels = xr.DataArray(np.log10(mid_range(ds.views)), dims="sample")
    return float(levels.groupby(ds.domain).mean().std())


@exercise("10.3")
def _best_of_twenty(value: Any) -> str:
    # the smallest of twenty is below x with the chance p = 1 - (1 - F(x))^20: the mean of x over all p
    chances = (np.arange(2000) + 0.5) / 2000
    truth = float(np.mean([NormalDist(0.05, 0.01).inv_cdf(1 - (1 - p) ** (1 / 20)) for p in chances]))
    given = number(value)
    if abs(given - 0.05) < 0.002:
        raise Wrong("That is what new data will show. The number it was chosen by is the smallest of twenty.")
    if abs(given - truth) > 0.001:
        raise Wrong("Draw twenty numbers and take the smallest, some thousand times: what is the mean of these?")
    return f"{truth:.3f}, and new data will show 0.05 again. That is why the report has a part of its own."


@exercise("10.4")
def _nine_others(value: Any) -> str:
    real = open_dataset("broadband")
    if not isinstance(value, xr.Dataset) or not set(HOME) <= set(value.variables):
        raise Wrong(f"Pass a Dataset with the attributes {', '.join(HOME)}: real.assign(state=('sample', coarser)).")
    if any(value[name].dims != ("sample",) or value.sizes["sample"] != real.sizes["sample"] for name in HOME):
        raise Wrong(f"All {real.sizes['sample']:,} homes shall be left, in their order, with three attributes each.")
    coarser = pd.DataFrame({name: value[name].values for name in HOME}).astype(str)
    for name in HOME:
        if (coarser[name].groupby(real[name].values).nunique() > 1).any():
            raise Wrong(f"Homes of the same {name} now differ in it: give each value one coarser value, for all homes.")
        if coarser[name].nunique() < 2:
            raise Wrong(f"{name} has only one value left, which says nothing.")
    homes = coarser.groupby(list(HOME)).size()
    if homes.min() < LIKE:
        few = ", ".join(map(str, homes.index[int(homes.argmin())]))
        raise Wrong(f"{(homes < LIKE).sum()} x fewer than {LIKE} homes. The rarest: {few} ({homes.min()}).")
    if len(homes) < LEFT:
        raise Wrong(f"Only {len(homes)} combinations are left, of {LEFT}: make it less coarse.")
    return f"{len(homes)} combinations of at least {homes.min()} homes each. What can no longer be asked for?"
