"""The exercises of chapter 05."""

from typing import Any

import xarray as xr

from dgkit import experiments
from dgkit.check.exercise import Wrong, copies, exercise, number
from dgkit.datasets import open_dataset
from dgkit.errors import SchemaError
from dgkit.experiments.comparison import UNFINISHED
from dgkit.schema import validate


@exercise("05.1")
def _closer(value: Any) -> str:
    error = experiments.open_run("baselines").autocorrelation_mse.sel(dataset="web", feature="views", budget="own")
    medians = error.median("seed").to_series()
    others = medians.drop(["doppelganger", *UNFINISHED])
    truth = float(others.min() / medians["doppelganger"])
    if abs(number(value) - truth) > 0.05 * truth:
        raise Wrong("The smallest median over seeds among the others, divided by DoppelGANger's; at budget 'own'.")
    return f"{truth:.0f} times; the next best is {others.idxmin()}."


@exercise("05.2")
def _settled(value: Any) -> str:
    jobs = experiments.open_run("baselines").sel(dataset="cluster", budget="own").median("seed")
    found = [
        name
        for name in jobs.model.values.tolist()
        if float(jobs.innovation.sel(model=name)) < 0.005
        and float(jobs.autocorrelation_mse.sel(model=name, feature="cpu_rate")) < 0.05
    ]
    names = jobs.model.values.tolist()
    if not isinstance(value, str) or value not in names:
        raise Wrong(f"Give a name, in quotes: one of {', '.join(map(repr, names))}.")
    if value not in found:
        raise Wrong(
            "Look at innovation and autocorrelation_mse (cpu_rate) of the run at dataset 'cluster', budget 'own'."
        )
    return "Right on average, and every job of a kind is the same: one measure does not show it."


@exercise("05.3")
def _homes(value: Any) -> str:
    real = open_dataset("broadband")
    if not isinstance(value, xr.Dataset):
        raise Wrong("Pass the Dataset that baselines.fit(...).sample(500) returns.")
    try:
        validate(value, training=False)
        traffic = value["traffic_bytes"]
    except (SchemaError, KeyError) as error:
        raise Wrong(f"These are not generated homes: {error}") from error
    if value.sizes["sample"] < 500:
        raise Wrong(f"That are {value.sizes['sample']} homes; generate 500.")
    if value.sizes["time"] == real.sizes["time"] and copies(traffic.values, real["traffic_bytes"].values):
        raise Wrong("Some of these are real homes. Let a model generate all of them.")
    return f"{value.sizes['sample']} homes that never were."
