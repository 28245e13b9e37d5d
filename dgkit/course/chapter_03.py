"""Chapter 03: its recorded runs (sample_len and the number of training samples), and the checks of its exercises."""

import math
from dataclasses import replace
from typing import Any

import pandas as pd
import xarray as xr

from dgkit import metrics, simulate
from dgkit._cells import Point
from dgkit.core.config import Config
from dgkit.course.exercise import Wrong, exercise, number, whole
from dgkit.course.experiment import Experiment
from dgkit.course.measures import WEB, shipped, train_and_look, web_metrics
from dgkit.course.store import open_run
from dgkit.datasets import open_dataset
from dgkit.sweeps import train_model

# --- recorded runs ---


def _sample_len_cell(train: xr.Dataset, config: Config, point: Point) -> xr.Dataset:
    steps, seconds, measured = [], [], []
    for step, took, model in train_and_look(train, config, 4):
        made = model.sample(2000, seed=1)
        measured.append(web_metrics(train, made))
        steps.append(step)
        seconds.append(took)
    curve = metrics.autocorrelation(made.views).reset_coords(drop=True)
    result = xr.concat(measured, pd.Index(steps, name="step"))
    timed = ("step", seconds, {"units": "s", "long_name": "CPU time of training, one thread"})
    return result.assign(training_seconds=timed, autocorrelation=curve)


def _size_cell(train: xr.Dataset, config: Config, point: Point) -> xr.Dataset:
    truth = simulate.web(5000, seed=10_000)
    made = train_model(train, config).sample(3000, seed=1)
    given = web_metrics(truth, train)  # how far the training data themselves are from the truth, by chance
    return xr.merge([web_metrics(truth, made), given.rename({name: f"data_{name}" for name in given.data_vars})])


EXPERIMENTS = {
    "sample_len": Experiment(
        "How many steps should one LSTM pass make?",
        shipped("web"),
        _sample_len_cell,
        replace(WEB, steps=1000),
        {"sample_len": (1, 2, 4, 7, 14, 28, 84, 168), "seed": (0, 1, 2)},
        {"steps": 4, "sample_len": 7, "seed": 0},
    ),
    "training_size": Experiment(
        "How many training samples does it take?",
        lambda point: simulate.web(point["samples"], seed=point["seed"]),
        _size_cell,
        replace(WEB, steps=600, sample_len=84),  # the sample_len that learns fastest
        {"samples": (100, 300, 1000, 3000, 10_000), "seed": (0, 1, 2)},
        {"steps": 4, "samples": 100, "seed": 0},
    ),
}


# --- exercises ---


@exercise("03.1")
def _as_many_passes(value: Any) -> str:
    paper, steps = 550 / 10, open_dataset("web").sizes["time"]
    truth = min(range(1, steps + 1), key=lambda sample_len: abs(steps / sample_len - paper))
    if whole(value) != truth:
        raise Wrong("550 days at S = 10 are 55 passes. 168 days in about as many passes are how many days a pass?")
    return f"{truth} days a pass, {math.ceil(steps / truth)} passes."


@exercise("03.2")
def _best(value: Any) -> str:
    curve = open_run("sample_len").autocorrelation_mse.isel(step=-1).median("seed")
    best = int(curve.idxmin("sample_len"))
    if whole(value) != best:
        raise Wrong("The median over seeds at the last step, then .idxmin('sample_len').")
    return f"{best}: {curve.sel(sample_len=best).item():.4f}, and at 1 it is {curve.sel(sample_len=1).item():.3f}."


@exercise("03.3")
def _fall(value: Any) -> str:
    curve = open_run("training_size").autocorrelation_mse.median("seed")
    truth = float(curve.sel(samples=100) / curve.sel(samples=1000))
    if abs(number(value) - truth) > 0.02 * truth:
        raise Wrong("The median over seeds at 100 samples, divided by that at 1,000.")
    return f"A factor of {truth:.1f}."
