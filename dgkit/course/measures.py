"""What the chapters' experiments share: how generated web data are measured, and a training looked at on its way."""

import time
from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Any

import numpy as np
import xarray as xr

from dgkit import datasets, metrics
from dgkit._cells import Point
from dgkit.core.config import Config
from dgkit.core.model import DoppelGANger
from dgkit.core.trainer import Trainer


def web_metrics(real: xr.Dataset, made: xr.Dataset) -> xr.Dataset:
    """Of generated web data against `real`: memory, levels, variety, attributes."""
    a, b = real.views, made.views
    mids, halves, medians = (
        [f(x) for x in (a, b)] for f in (metrics.mid_range, metrics.half_range, lambda x: x.median("time"))
    )
    decades, shares = {"units": "decades"}, {"units": "1"}
    names = ["domain", "access", "agent"]
    divergences = [metrics.jensen_shannon(real[name], made[name]) for name in names]
    modes = metrics.distinct_modes(a, b)
    return xr.Dataset(
        {
            "autocorrelation_mse": ((), metrics.autocorrelation_mse(a, b), shares),
            "value_wasserstein": ((), metrics.wasserstein(a, b, scale="log"), decades),
            "mid_range_wasserstein": ((), metrics.wasserstein(*mids, scale="log"), decades),
            "half_range_wasserstein": ((), metrics.wasserstein(*halves, scale="log"), decades),
            "range_coverage": ((), metrics.range_coverage(*mids, scale="log"), shares),
            "median_day_coverage": ((), metrics.range_coverage(*medians, scale="log"), shares),
            "distinct_modes": ((), int(modes.sel(source="generated")), shares),
            "real_modes": ((), int(modes.sel(source="real")), shares),
            "change_wasserstein": ((), metrics.wasserstein(*map(steps_in_decades, (a, b))), decades),
            "largest_rise_wasserstein": (
                (),
                metrics.wasserstein(*(steps_in_decades(x).max(1) for x in (a, b))),
                decades,
            ),
            "components": ((), _components(b), shares),
            "real_components": ((), _components(a), shares),
            "attribute_divergence": ("attribute", divergences, {"units": "bits"}),
        },
        {"attribute": names},
    )


def steps_in_decades(series: xr.DataArray) -> np.ndarray:
    """Decades from each day to the next."""
    return np.diff(np.log10(series.transpose("sample", "time").values), axis=1)


def _components(series: xr.DataArray) -> int:
    """Principal components that hold 95 % of the variance of the shapes (log, each series less its mean)."""
    shapes = np.log10(series.transpose("sample", "time").values.astype(np.float64))
    shapes -= shapes.mean(1, keepdims=True)
    share = np.linalg.svd(shapes - shapes.mean(0), compute_uv=False) ** 2
    return int(np.searchsorted(share.cumsum(), 0.95 * share.sum())) + 1


def of_levels(series: xr.DataArray) -> xr.Dataset:
    """Three numbers for the size of each series, as quantiles over the series: enough for a histogram or a CDF."""
    q = (np.arange(250) + 0.5) / 250
    numbers = {
        "mid_range": metrics.mid_range(series),
        "half_range": metrics.half_range(series),
        "median_day": series.median("time"),
    }
    quantiles = {k: ("quantile", np.quantile(v, q), {"units": series.attrs["units"]}) for k, v in numbers.items()}
    return xr.Dataset(quantiles, {"quantile": q})


def train_and_look(train: xr.Dataset, config: Config, looks: int) -> Iterator[tuple[int, float, DoppelGANger]]:
    """Train; `looks` times on the way, evenly spaced: steps, CPU-seconds of training so far, and the model."""
    at = np.linspace(0, config.steps, looks + 1)[1:].round().astype(int).tolist()
    return look(Trainer(train, config), at)


def look(run: Any, at: Collection[int]) -> Iterator[tuple[int, float, Any]]:
    """Drive a training, a `Trainer` or a `baselines.Training`; at these steps: step, CPU-seconds so far, the model."""
    before, looked = time.process_time(), 0.0
    for step, _ in enumerate(run, 1):
        if step in at:
            took = time.process_time() - before - looked
            yield step, took, run.model
            looked = time.process_time() - before - took  # what the caller does with the model is no training


def within_reach(at: Iterable[int], steps: int) -> list[int]:
    """Which of these steps a training of so many comes to; its last one where it comes to none."""
    return [step for step in at if step <= steps] or [steps]


def shipped(name: str) -> Callable[[Point], xr.Dataset]:
    """The same shipped data at every point."""
    return lambda point: datasets.open_dataset(name)


# of the experiments on web data
WEB = Config(steps=700, sample_len=7, ema=0.99)
