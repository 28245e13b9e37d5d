"""Chapter 04: its recorded runs (rare events, and the auxiliary discriminator), and the checks of its exercises."""

from dataclasses import replace
from typing import Any

import numpy as np
import xarray as xr

from dgkit import baselines, metrics, simulate
from dgkit._cells import Point
from dgkit.core.config import Config
from dgkit.course.exercise import Wrong, copies, dataset, exercise, number, whole
from dgkit.course.experiment import Experiment
from dgkit.course.measures import WEB, of_levels, shipped, web_metrics
from dgkit.course.questions import Prediction, Quiz
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
    return of_pages(train, train_model(train, config).sample(3000, seed=1))


def of_pages(real: xr.Dataset, made: xr.Dataset) -> xr.Dataset:
    """How far generated pages are from real ones, in level, amplitude and attributes, and their sizes as quantiles."""
    joint = metrics.evaluate(real, made).joint_attribute_jensen_shannon
    conditional = [
        float(metrics.conditional_distances(real, made, name, statistic="mid_range", scale="log").distance.mean())
        for name in ("domain", "access", "agent")
    ]
    result = xr.merge([web_metrics(real, made), of_levels(made.views)])
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


# --- questions ---

PREDICTION = Prediction(
    "Which of the four events will the naive GAN make too seldom, if any?",
    ("the rarest, EVICT", "the most frequent, FINISH", "all but one of them", "none: four kinds are easy to learn"),
    "a",
    "In the recorded runs it makes less than a third as many EVICT as there are, and more than nine tenths of each of "
    "the others (medians over five seeds). One job in twenty ends with EVICT: five in a batch of 100.",
)
QUIZZES = {
    "04.a": Quiz(
        "A model makes every class and every end exactly as often as it occurs. What can still be wrong?",
        "b",
        (
            ("Nothing: all shares are right.", "Shares of single attributes say nothing of what goes with what."),
            (
                "Which ends go with which classes, and which series with both.",
                "Shuffle one column of the real data: all its shares stay, and what belonged together is torn apart.",
            ),
            ("Only the number of jobs.", "You choose that yourself, when you sample."),
        ),
    ),
    "04.b": Quiz(
        "The first discriminator sees the attributes too. Why does the auxiliary one help?",
        "c",
        (
            ("It is larger.", "It has the same layers, and far fewer inputs."),
            ("It alone sees real attributes.", "Both see whole real samples, or the attributes and level of them."),
            (
                "It has nothing else to look at.",
                "Beside hundreds of numbers of a series a handful of attributes hardly moves the first one's score, "
                "and so its gradient for them is small.",
            ),
        ),
    ),
}


# --- exercises ---


@exercise("04.1")
def _torn(value: Any) -> str:
    real = open_dataset("cluster")
    made = dataset(value, "Pass a Dataset: that of `jobs`, changed.", "These are no jobs", "job_class", "end_event")
    if made.sizes["sample"] < 1000:
        raise Wrong(f"There are only {made.sizes['sample']} jobs; give at least 1,000.")
    for name in ("job_class", "end_event"):
        apart = metrics.jensen_shannon(real[name], made[name])
        if not apart <= 0.001:
            raise Wrong(f"The shares of {name} are {apart:.4f} bits apart. Change which jobs have which, not how many.")
    joint, chance = (
        float(metrics.jensen_shannon(_pairs(real), _pairs(other))) for other in (made, simulate.cluster(3000, seed=1))
    )
    if not joint > 3 * chance:
        raise Wrong(
            f"The joint divergence is {joint:.4f} bits, chance gives {chance:.4f}. What ties a job's class to its end? "
            "Break that, and leave both columns as they are."
        )
    return f"Both shares are right, and the pairs {joint / chance:.0f} times as far off as chance would have them."


def _pairs(ds: xr.Dataset) -> np.ndarray:
    return np.array([f"{a} {b}" for a, b in zip(ds.job_class.values, ds.end_event.values, strict=True)])


@exercise("04.2")
def _by_chance(value: Any) -> str:
    from scipy.stats import binom  # here, since it takes long to import

    share, given = float((open_dataset("cluster").end_event == "EVICT").mean()), whole(value)
    below = float(binom.cdf(given - 1, 3000, share))
    least = int(binom.ppf(0.05, 3000, share))  # the smallest count with P(X <= count) >= 0.05
    if abs(given - 3000 * share) < 1:
        raise Wrong("That is what is expected. Half of all perfect models make fewer.")
    if below > 0.05:
        raise Wrong(f"Of perfect models {below:.0%} make fewer than {given}: more than one in twenty.")
    if given < least - 1:
        raise Wrong(
            f"Only {below:.1%} make fewer than {given}; there is a larger number for which it is one in twenty."
        )
    shares = open_run("event_types").end_event_share.sel(end_event="EVICT").median("seed").to_series()
    made = ", ".join(f"{name} {3000 * one:.0f}" for name, one in shares.items())
    return f"{given} of {3000 * share:.0f} are still chance. The recorded designs make (medians): {made}."


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


@exercise("04.4")
def _how_many_homes(value: Any) -> str:
    recorded = open_run("real").attribute_jensen_shannon.isel(budget=0)
    chance = float(recorded.sel(data="mba", model="two halves", attribute="state").median("seed"))
    given, truth = number(value), 300 * chance / 0.01
    if abs(given - 300 * (chance / 0.01) ** 2) < 0.15 * 300 * (chance / 0.01) ** 2:
        raise Wrong("That would be so if chance fell with the root of the number, as an average's error does. Try it.")
    if abs(given - truth) > 0.15 * truth:
        raise Wrong(
            "Take two draws of 300 simulated homes, and of three times as many, some seeds each: how does the "
            "divergence of the states fall? Then from 300 real ones to 0.01 bits."
        )
    return (
        f"About {round(truth, -2):,.0f}: twice the homes, half the divergence, since it is of the squares of what the "
        "shares are off. With 300 homes no model can be seen to be better than that, and none is to be blamed for it."
    )
