"""The exercises of chapter 04."""

from typing import Any

import xarray as xr

from dgkit import experiments
from dgkit.check.exercise import Wrong, copies, exercise, whole
from dgkit.datasets import open_dataset
from dgkit.errors import SchemaError
from dgkit.schema import validate


@exercise("04.1")
def _combinations(value: Any) -> str:
    jobs = open_dataset("cluster")
    truth = len(set(zip(jobs.job_class.values.tolist(), jobs.end_event.values.tolist(), strict=True)))
    if whole(value) != truth:
        raise Wrong("Put the two attributes of each job together as a pair, and count the different pairs.")
    return f"{truth} pairs occur; how often each does is the joint distribution."


@exercise("04.2")
def _missed(value: Any) -> str:
    shares = experiments.open_run("event_types").end_event_share.sel(model="naive GAN").median("seed")
    jobs = open_dataset("cluster")
    ratio = {
        event: float(shares.sel(end_event=event) / (jobs.end_event == event).mean())
        for event in jobs.end_event.attrs["categories"]
    }
    if not isinstance(value, str) or value not in ratio:
        raise Wrong(f"Give an end event, in quotes: one of {', '.join(map(repr, ratio))}.")
    worst = min(ratio, key=lambda event: ratio[event])
    if value != worst:
        raise Wrong("For each event divide the recorded share (median over seeds) by the share in the data.")
    return f"It makes {ratio[worst]:.2f} times as many {worst} as there are."


@exercise("04.3")
def _failed_jobs(value: Any) -> str:
    if not isinstance(value, xr.Dataset):
        raise Wrong("Pass the Dataset that model.sample(..., attributes={...}) returns.")
    real = open_dataset("cluster")
    try:
        validate(value, training=False)
        pairs = set(zip(value["job_class"].values.tolist(), value["end_event"].values.tolist(), strict=True))
    except (SchemaError, KeyError) as error:
        raise Wrong(f"These are not generated jobs: {error}") from error
    if pairs != {("large", "FAIL")}:
        raise Wrong("All should be of job_class 'large' and end with 'FAIL'; give both attributes.")
    if value.sizes["sample"] < 100:
        raise Wrong(f"That are {value.sizes['sample']} jobs; generate 100.")
    if value.sizes["time"] == real.sizes["time"] and copies(value["cpu_rate"].values, real["cpu_rate"].values):
        raise Wrong("These are real jobs. Let the model generate some.")
    return f"{value.sizes['sample']} large jobs that fail, of {float(value['length'].mean()):.0f} steps on average."
