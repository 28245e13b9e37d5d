"""Chapter 10: its recorded run (exact zeros as an event of their own), and the checks of its exercises."""

from typing import Any

import numpy as np
import xarray as xr
from numpy.lib.stride_tricks import sliding_window_view

from dgkit import metrics
from dgkit._cells import Point
from dgkit.core.config import Config
from dgkit.course.exercise import Wrong, exercise, number, whole
from dgkit.course.experiment import Experiment
from dgkit.course.store import open_run
from dgkit.datasets import open_dataset
from dgkit.metrics import evaluate, mid_range
from dgkit.schema import validate
from dgkit.sweeps import train_model

# --- recorded runs ---


def _homes(point: Point) -> xr.Dataset:
    """The FCC's homes ("mba": fetched, or in the cache) or simulated ones, with their losses as they are asked for."""
    ds = open_dataset(str(point["data"]))
    if point["zeros"] == "an event":
        ds.ping_loss.attrs["zeros"] = "inflated"
    return ds


def _zeros_cell(train: xr.Dataset, config: Config, point: Point) -> xr.Dataset:
    made = train_model(train, config).sample(2000, seed=1)
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
        Config(steps=3000, sample_len=4, ema=0.995),
        {"data": ("mba",), "zeros": ("a number", "an event"), "seed": (0, 1, 2, 3, 4)},
        {"steps": 4, "data": "broadband", "zeros": "an event", "seed": 0},  # of data that are always there
    )
}

# --- exercises ---


@exercise("10.1")
def _windows(value: Any) -> str:
    if not isinstance(value, xr.Dataset) or "views" not in value:
        raise Wrong("Pass the Dataset that dg.datasets.windows returns, given a length and a step.")
    truth = sliding_window_view(open_dataset("web").views.values, 28, axis=1)[:, ::14]  # (pages, windows, 28)
    given = value.views.values.astype(np.float32)
    if given.shape != (truth.shape[0] * truth.shape[1], 28):
        raise Wrong(f"Yours are {' x '.join(map(str, given.shape))} values. How far do two windows begin apart?")
    if sorted(row.tobytes() for row in given) != sorted(row.tobytes() for row in truth.reshape(-1, 28)):
        raise Wrong("The number of windows is right, but not all hold 28 days of a page, begun every 14 days.")
    return f"{truth.shape[1]} windows a page, {len(given):,} in all; each day but those at the ends is in two of them."


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
def _in_time(value: Any) -> str:
    run = open_run("sample_len").median("seed")
    error = run.autocorrelation_mse.where(run.training_seconds <= 25).min("step").to_series()
    truth = error.idxmin()
    if whole(value) != truth:
        raise Wrong("run.median('seed'), then .autocorrelation_mse.where(run.training_seconds <= 25): the smallest.")
    return f"{truth}, with {error[truth]:.4f}; sample_len 1 has {error[1] / error[truth]:.0f} times as much by then."


@exercise("10.4")
def _speed_up(value: Any) -> str:
    seconds = open_run("sample_len").seconds
    truth = float(seconds.sum() / seconds.max())
    if abs(number(value) - truth) > 0.01 * truth:
        raise Wrong("A point is computed by one worker. How long does the slowest take, and how long do all together?")
    return f"{truth:.1f} times: {float(seconds.sum()):.0f} s become {float(seconds.max()):.0f} s, the slowest point's."
