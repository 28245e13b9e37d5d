"""Chapter 03: its recorded runs (sample_len and the number of training samples), and the checks of its exercises."""

from dataclasses import replace
from typing import Any

import pandas as pd
import xarray as xr

from dgkit import metrics, simulate
from dgkit._cells import Point
from dgkit.core.config import Config
from dgkit.course.exercise import Wrong, exercise, whole
from dgkit.course.experiment import Experiment
from dgkit.course.measures import WEB, shipped, train_and_look, web_metrics
from dgkit.course.questions import Prediction, Quiz
from dgkit.course.store import open_run
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


# --- questions ---

PREDICTION = Prediction(
    "Whose autocorrelation will be the nearest to the real one, after equally many steps?",
    ("S = 1, day by day", "S = 7, a week a pass", "S = 84, two passes", "S = 168, no recurrence at all"),
    "c",
    "In the medians over three seeds S = 84 has the least error. But bursts are best from S = 2 to 7, and daily steps "
    "from S = 7 to 14.",
)
QUIZZES = {
    "03.a": Quiz(
        "Why does a larger S help an LSTM to keep the slow wave?",
        "b",
        (
            ("The LSTM gets more units.", "They are the same; the last layer alone grows."),
            (
                "The same 84 days are fewer passes apart.",
                "At each pass a part of what was known is lost. 84 passes lose more than 12.",
            ),
            ("It sees the real days of the week before.", "The generator never sees a real day."),
        ),
    ),
    "03.b": Quiz(
        "Two days lie in the same pass. What ties them together?",
        "c",
        (
            ("The LSTM's state goes from one to the other.", "It changes between passes, not within one."),
            ("Nothing at all.", "They have one state in common, from which both are made."),
            (
                "The one state that both are made from.",
                "Each has weights of its own, and nothing says that neighbours are alike: the price of a large S.",
            ),
        ),
    ),
}


# --- exercises ---


@exercise("03.1")
def _for_other_data(value: Any) -> str:
    hours, period, given = 672, 24, whole(value)
    if given < 1 or given % period:
        raise Wrong(f"Let a pass make whole days, so that each hour has its place in it: a multiple of {period}.")
    if hours % given:
        raise Wrong(f"{hours} hours are no whole number of passes of {given}.")
    if given == hours:
        raise Wrong("One pass is a network without memory: take at least two.")
    return f"{hours // given} passes of {given} hours. It is where to begin: then look at what you need."


@exercise("03.2")
def _best(value: Any) -> str:
    run = open_run("sample_len").isel(step=-1).median("seed")
    curve, rise = run.autocorrelation_mse.to_series(), run.largest_rise_wasserstein.to_series()
    enough = curve <= 2 * curve.min()
    best, given = int(rise[enough].idxmin()), whole(value)
    if given not in curve.index:
        raise Wrong(f"One of the recorded S: {', '.join(map(str, curve.index))}.")
    if not enough[given]:
        raise Wrong(f"At {given} the median over seeds is {curve[given]:.4f}: more than twice the least of all S.")
    if given != best:
        raise Wrong(
            "The autocorrelation error is small enough. Which others are, and whose error of the rises is least?"
        )
    return f"{best}: error of the rises {rise[best]:.3f}; the least of all S is {rise.min():.3f}."


@exercise("03.3")
def _pairs(value: Any) -> str:
    error = open_run("training_size").autocorrelation_mse
    few, many = (error.sel(samples=n).values for n in (100, 1000))
    truth = int((many[:, None] < few).sum())
    if whole(value) != truth:
        raise Wrong("Compare each of the three trainings with 1,000 pages with each of the three with 100.")
    return f"{truth} of 9: so many or more come by chance once in five times. Three seeds do not show that it falls."


BROKEN = Config(steps=1000, sample_len=1, auto_normalise=False, penalty=0.0, generator_lr=0.1, ema=0.99, seed=0)


@exercise("03.4")
def _mended(value: Any) -> str:
    if not isinstance(value, Config):
        raise Wrong("Pass a Config: dg.Config(...) with the settings of the broken one, mended.")
    if not value.auto_normalise:
        raise Wrong("Each page still falls to nothing. Which switch gives every page a range of its own (chapter 02)?")
    if not 1 <= value.penalty <= 100:
        raise Wrong(
            "The scores of the discriminator still run away. What holds a critic's slope near one (chapter 01)?"
        )
    if not 1e-4 <= value.generator_lr <= 5e-3:
        raise Wrong(
            "The generator's weights still jump from step to step, or hardly move. How large is the default rate?"
        )
    if not 4 <= value.sample_len <= 84:
        raise Wrong("The way back through the passes is still too long, or there is none. Which S did every seed bear?")
    others = [
        field
        for field, given in vars(value).items()
        if given != getattr(BROKEN, field) and field not in ("auto_normalise", "penalty", "generator_lr", "sample_len")
    ]
    if others:
        raise Wrong(f"That mends it, and changes {others[0]} too, which was as it should be.")
    return "Each fault has a symptom of its own. On your data they come together: mend one at a time, and look again."


@exercise("03.5")
def _eight_weeks(value: Any) -> str:
    steps, back, most = 364, 8 * 7 * 4, 84 // 7  # most: the passes over which a tenth is left in the chapter
    given = whole(value)
    if given < 1 or given > steps or steps % given:
        raise Wrong(f"{given} does not divide {steps}.")
    if given % 4:
        raise Wrong(f"{given} steps of six hours are no whole number of days.")
    if back > most * given:
        raise Wrong(
            f"Eight weeks are {back / given:g} passes of {given} steps. In the chapter a tenth of the gradient was "
            f"left after {most}: it fades with the passes, whatever a pass makes."
        )
    if given == steps:
        raise Wrong("One pass is a network without memory. There is a smaller one that carries it.")
    if given != 28:
        raise Wrong(f"{given} carries it over {back / given:.1f} passes. There is a smaller one that does.")
    return (
        "A week a pass, eight passes: gradient_back finds about a fifth left; with a day a pass it is next to nothing."
    )
