"""Chapter 02: its recorded runs (auto-normalisation), and the checks of its exercises."""

from itertools import islice
from typing import Any

import numpy as np
import xarray as xr

from dgkit import metrics, simulate
from dgkit._cells import Point
from dgkit.core.config import Config
from dgkit.course.exercise import Wrong, dataset, exercise, names, number
from dgkit.course.experiment import Experiment
from dgkit.course.measures import WEB, of_levels, web_metrics
from dgkit.course.questions import Prediction, Quiz
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


# --- questions ---

PREDICTION = Prediction(
    "Without auto-normalisation, where will the fewest kinds of pages be left?",
    ("where the sizes spread most", "where the sizes spread least", "everywhere about the same"),
    "b",
    "In the recorded runs 6 of 49 kinds are left at two decades, and about half of them at four and five. All those "
    "pages fall to nothing, so that each has one number and not two; where real sizes spread widely, that shows less.",
)
QUIZZES = {
    "02.a": Quiz(
        "A generator's tanh gives -1 on most days, and its loss no longer falls. Why will more steps not help?",
        "a",
        (
            (
                "A tanh is flat there: no gradient comes back.",
                "That is saturation. The direction would be known, but nothing moves the weights in it.",
            ),
            ("The discriminator is too strong.", "Its score has a slope; the flat tanh multiplies it by almost 0."),
            ("The learning rate is too large.", "A step is the rate times the gradient, and that is almost 0."),
        ),
    ),
    "02.b": Quiz(
        "Auto-normalisation makes a page's range an attribute. What does the model now have to get right that it "
        "did not have to before?",
        "c",
        (
            ("How many days a page has.", "The length is as it was."),
            ("That no page is above 1.", "Each is scaled by its own range, so none can be."),
            (
                "That the range, made by a network of its own, goes with the shape.",
                "The range is made before the series. Each may be right, and the pair wrong.",
            ),
        ),
    ),
}


# --- exercises ---


MEASURES = (
    "range_coverage", "distinct_modes_ratio", "mid_range_wasserstein", "half_range_wasserstein", "value_wasserstein",
    "autocorrelation_mse",
)  # fmt: skip


@exercise("02.1")
def _missed(value: Any) -> str:
    given = {value} if isinstance(value, str) else set(names(value, len(MEASURES)))
    if not given or not given <= set(MEASURES):
        raise Wrong(f"Give a list of names, in quotes, of these: {', '.join(MEASURES)}.")
    pages = open_dataset("web").isel(sample=slice(300))
    mid, half = (f(pages.views).astype(np.float64) for f in (metrics.mid_range, metrics.half_range))
    shape = (pages.views.isel(sample=0) - mid[0]) / half[0]
    alike = (mid + half * shape).transpose("sample", "time")  # all with the first one's course
    report = metrics.evaluate(pages, pages.assign(views=alike.assign_attrs(pages.views.attrs)))
    perfect = {name: 1.0 if name in ("range_coverage", "distinct_modes_ratio") else 0.0 for name in MEASURES}
    of_level = 1e-3 * float(mid.mean())  # rounding of large numbers is no fault
    near = {name: of_level if name.endswith("wasserstein") else 1e-6 for name in MEASURES}
    missing = {name for name in MEASURES if abs(float(report[name].item()) - perfect[name]) <= near[name]}
    if wrong := sorted(given - missing):
        raise Wrong(f"{wrong[0]} notices: it is {report[wrong[0]].item():.3g}. Does it see the days between?")
    if missing - given:
        raise Wrong(
            f"Not all: {len(missing - given)} more. Which look at nothing but a page's smallest and largest day?"
        )
    seen = " and ".join(name for name in MEASURES if name not in missing)
    return f"Only {seen} see it. Measures that are said to find mode collapse find no fault: 300 pages of one shape."


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
def _price_of_a_spike(value: Any) -> str:
    try:
        with_it, without = (number(part) for part in islice(value, 3))
    except (TypeError, ValueError) as error:
        raise Wrong("Give a pair of numbers: with auto-normalisation, and without.") from error
    truths = {"with it": (with_it, 0.01 * (10_100 - 100) / 2 / 100), "without": (without, 0.01 * 1_000_000 / 2 / 100)}
    for name, (given, truth) in truths.items():
        if abs(given - 100 * truth) < 0.01 * 100 * truth:
            raise Wrong(f"{name.capitalize()}: that is in views. As a share of an ordinary day's 100?")
        if abs(given - 2 * truth) < 0.01 * truth:
            raise Wrong(f"{name.capitalize()}: from -1 to 1 is a length of 2, so 1 stands for half the range.")
        if abs(given - truth) > 0.01 * truth:
            raise Wrong(
                f"{name.capitalize()}: how many views does 1 stand for, that is half of what the network's range from "
                "-1 to 1 covers? 0.01 of that, over 100."
            )
    return (
        "Half of an ordinary day's views with it, fifty times them without. It helps a hundredfold; and a page of one "
        "great day is still bad: after the spike, its ordinary days are at the bottom of its own range."
    )


# 02.4: homes that four models are said to have made

FAULTS = ("nothing", "collapse", "saturation", "a kind is missing")
_FAULT_OF = {"A": "a kind is missing", "B": "saturation", "C": "nothing", "D": "collapse"}


def homes(name: str) -> xr.Dataset:
    """A thousand homes like those of `broadband`, as the model "A", "B", "C" or "D" is said to have made them.

    Examples
    --------
    >>> homes("A").sizes["sample"]
    1000
    """
    fault, seed = _FAULT_OF[name], 11 + list(_FAULT_OF).index(name)
    made = simulate.broadband(1000 if fault != "a kind is missing" else 1500, seed=seed)
    if fault == "a kind is missing":
        return made.isel(sample=(made.technology != "Fiber").values).isel(sample=slice(1000))
    traffic = made.traffic_bytes.transpose("sample", "time")
    if fault == "saturation":  # whatever is not among a home's busiest steps is at the lowest value of all
        traffic = traffic.where(traffic > traffic.quantile(0.7, "time").drop_vars("quantile"), traffic.min())
    if fault == "collapse":  # each has the course of one of three homes, larger or smaller
        course = (traffic / traffic.mean("time")).isel(sample=np.arange(traffic.sizes["sample"]) % 3)
        traffic = course * traffic.mean("time")
    return made.assign(traffic_bytes=traffic.astype("float32").assign_attrs(made.traffic_bytes.attrs))


@exercise("02.4")
def _told_apart(value: Any) -> str:
    if not isinstance(value, dict) or set(value) != set(_FAULT_OF):
        raise Wrong(f"Give a dict of what is wrong with each of {', '.join(_FAULT_OF)}.")
    if unknown := [one for one in value.values() if one not in FAULTS]:
        raise Wrong(f"{unknown[0]!r} is none of {', '.join(map(repr, FAULTS))}.")
    if wrong := [name for name in _FAULT_OF if value[name] != _FAULT_OF[name]]:
        raise Wrong(
            f"{len(wrong)} of 4 are not right. Which share of values is at the very bottom? How many different courses "
            "are there, each home over its own mean? (`distinct_modes` looks at level and amplitude only.) And what do "
            "series say nothing about?"
        )
    return (
        "Each has a sign that the others do not show: equal values, equal courses, the attributes. The kinds of "
        "`distinct_modes`, which found the collapse of pages, are nearly all there in D: a home's amplitude goes with "
        "its level anyway. Which measure finds a collapse depends on the data."
    )
