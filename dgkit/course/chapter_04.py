"""Chapter 04: its recorded runs (rare events, and the auxiliary discriminator), and the checks of its exercises."""

from dataclasses import replace
from typing import Any

import xarray as xr

from dgkit import baselines, metrics
from dgkit._cells import Point
from dgkit.core.config import Config
from dgkit.course.exercise import Wrong, copies, exercise, number, whole
from dgkit.course.experiment import Experiment
from dgkit.course.measures import WEB, of_levels, shipped, web_metrics
from dgkit.course.store import open_run
from dgkit.datasets import open_dataset
from dgkit.errors import SchemaError
from dgkit.schema import validate
from dgkit.sweeps import train_model

# --- recorded runs ---


def _event_cell(train: xr.Dataset, config: Config, point: Point) -> xr.Dataset:
    if point["model"] == "naive GAN":
        made = baselines.fit("naive_gan", train, seed=point["seed"], steps=config.steps).sample(3000, 1)
    else:
        made = train_model(train, config).sample(3000, seed=1)
    report = metrics.evaluate(train, made)
    events = train.end_event.attrs["categories"]
    conditional = metrics.conditional_distances(train, made, "end_event", statistic="mid_range").distance
    return xr.Dataset(
        {
            "end_event_share": ("end_event", [float((made.end_event == event).mean()) for event in events]),
            "attribute_divergence": report.attribute_jensen_shannon,
            "joint_attribute_divergence": report.joint_attribute_jensen_shannon,
            "length_wasserstein": report.length_wasserstein,
            "conditional_wasserstein": conditional.rename(value="end_event").reindex(end_event=events),
        },
        {"end_event": events},
    ).drop_vars("units")


def _auxiliary_cell(train: xr.Dataset, config: Config, point: Point) -> xr.Dataset:
    made = train_model(train, config).sample(3000, seed=1)
    joint = metrics.evaluate(train, made).joint_attribute_jensen_shannon
    conditional = [
        float(metrics.conditional_distances(train, made, name, statistic="mid_range", scale="log").distance.mean())
        for name in ("domain", "access", "agent")
    ]
    result = xr.merge([web_metrics(train, made), of_levels(made.views)])
    return result.assign(
        joint_attribute_divergence=joint, conditional_wasserstein=("attribute", conditional, {"units": "decades"})
    )


EXPERIMENTS = {
    "event_types": Experiment(
        "Are the attributes right where one network makes everything at once?",
        shipped("cluster"),
        _event_cell,
        Config(steps=1000, sample_len=5, ema=0.99),
        {
            "model": {
                "DoppelGANger": {},
                "no averaging": {"ema": 0.0},
                "no auxiliary": {"auxiliary": False},
                "naive GAN": {},
            },
            "seed": (0, 1, 2, 3, 4),
        },
        {"steps": 4, "model": "naive GAN", "seed": 0},
    ),
    "auxiliary": Experiment(
        "What does the auxiliary discriminator do?",
        shipped("web"),
        _auxiliary_cell,
        replace(WEB, steps=500, minmax_scale="linear"),
        {"auxiliary": (False, True), "seed": (0, 1, 2)},
        {"steps": 4, "auxiliary": True, "seed": 0},
    ),
}


# --- exercises ---


@exercise("04.1")
def _combinations(value: Any) -> str:
    jobs = open_dataset("cluster")
    truth = len(set(zip(jobs.job_class.values.tolist(), jobs.end_event.values.tolist(), strict=True)))
    if whole(value) != truth:
        raise Wrong("Put the two attributes of each job together as a pair, and count the different pairs.")
    return f"{truth} pairs occur; how often each does is the joint distribution."


@exercise("04.2")
def _missed(value: Any) -> str:
    shares = open_run("event_types").end_event_share.sel(model="naive GAN").median("seed")
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
    if not isinstance(value, tuple | list) or len(value) != 2 or not isinstance(value[0], xr.Dataset):
        raise Wrong("Pass two things: the Dataset that model.sample(..., attributes={...}) returns, and a number.")
    made, factor = value[0], number(value[1])
    real = open_dataset("cluster")
    try:
        validate(made, training=False)
        pairs = set(zip(made["job_class"].values.tolist(), made["end_event"].values.tolist(), strict=True))
    except (SchemaError, KeyError) as error:
        raise Wrong(f"These are not generated jobs: {error}") from error
    if pairs != {("large", "FAIL")}:
        raise Wrong("All should be of job_class 'large' and end with 'FAIL'; give both attributes.")
    if made.sizes["sample"] < 100:
        raise Wrong(f"There are only {made.sizes['sample']} jobs; generate 100.")
    if made.sizes["time"] == real.sizes["time"] and copies(made["cpu_rate"].values, real["cpu_rate"].values):
        raise Wrong("These are real jobs. Let the model generate some.")
    alike = real["length"].values[((real.job_class == "large") & (real.end_event == "FAIL")).values]
    mean, usual = float(made["length"].mean()), float(alike.mean())
    if abs(factor - mean / usual) > 0.05 * mean / usual:
        raise Wrong("The mean of `length` of your jobs, over that of the real jobs of this class and end.")
    close = 0.8 < factor < 1.25
    return f"Yours last {mean:.0f} steps on average, the real ones {usual:.0f}. " + (
        "Now look at the longest." if close else "A class and an end of your choice are not yet the right series."
    )
