"""The questions and exercises of chapter 00."""

from typing import Any

import numpy as np

from dgkit import metrics
from dgkit.course.exercise import Wrong, exercise, names, number, whole
from dgkit.course.questions import Prediction, Quiz
from dgkit.datasets import open_dataset

PREDICTION = Prediction(
    "How many times larger is the largest page than the smallest?",
    ("about ten times", "about a hundred times", "about a thousand times", "about ten thousand times"),
    "d",
    "From the smallest mid-range to the largest it is four decades, a factor of ten each. The middle nine tenths of "
    "the pages span two.",
)
QUIZZES = {
    "00.a": Quiz(
        "The autocorrelation of pages is high at a lag of 7 days. What does that say?",
        "a",
        (
            (
                "A day is high or low together with the same day of the next week.",
                "High and low against the page's own mean: a busy Monday follows a busy Monday.",
            ),
            ("Pages grow from week to week.", "Growth makes all short lags high, and no peak at 7."),
            ("The model has learned the week.", "No model was trained: this is a property of the data."),
        ),
    ),
    "00.b": Quiz(
        "Two halves of the real data differ by 0.003 in some measure, and a model's data differ from them by 0.003 "
        "too. What follows?",
        "c",
        (
            ("The model is bad: it should be 0.", "Then real data would be bad too; so much comes by chance."),
            ("The model is perfect.", "In this measure no fault shows. Another may see one."),
            ("By this measure it is as close as other real data.", "That is all one can ask of one measure."),
        ),
    ),
}


@exercise("00.1")
def _steps(value: Any) -> str:
    ds = open_dataset("web")
    if whole(value) == ds.sizes["sample"]:
        raise Wrong("That is the number of pages (samples). How long is each series? Look at ds.sizes.")
    if whole(value) != ds.sizes["time"]:
        raise Wrong("Look at ds.sizes: one of the two dims is the time.")
    return f"{ds.sizes['time']} days, that is {ds.sizes['time'] / 7:g} weeks."


MEASURES = (
    "autocorrelation_mse", "value_wasserstein", "mid_range_wasserstein", "range_coverage", "attribute_jensen_shannon"
)  # fmt: skip


@exercise("00.2")
def _notice_order(value: Any) -> str:
    given = {value} if isinstance(value, str) else set(names(value, len(MEASURES)))
    if not given or not given <= set(MEASURES):
        raise Wrong(f"Give a list of names, in quotes, of these: {', '.join(MEASURES)}.")
    ds = open_dataset("web").isel(sample=slice(300))
    order = np.random.default_rng(0).permuted(ds.views.values, axis=1)  # the days of each page
    report = metrics.evaluate(ds, ds.assign(views=(ds.views.dims, order, ds.views.attrs)))
    same = {name: 1.0 if name == "range_coverage" else 0.0 for name in MEASURES}
    truth = {name for name in MEASURES if not np.allclose(report[name], same[name], atol=1e-6)}
    if given - truth:
        wrong = sorted(given - truth)[0]
        raise Wrong(f"{wrong} does not change. What does it look at: a page as a whole, or its days one after another?")
    if truth - given:
        raise Wrong("There is another one. Which of them know which day comes after which?")
    return f"Only {', '.join(sorted(truth))}: the others see all the values of a page, and not their order."


@exercise("00.3")
def _without_week(value: Any) -> str:
    views = open_dataset("web").views
    peaks = metrics.autocorrelation(views).sel(lag=slice(40, 120))
    curve = metrics.autocorrelation(views.rolling(time=7).mean().isel(time=slice(6, None))).sel(lag=slice(40, 120))
    best, given = int(curve.idxmax("lag")), whole(value)
    if given % 7 == 0 and abs(given - best) > 4 and given < 40:
        raise Wrong(
            "That is the week. Take each day's mean with its neighbours first, over seven days, and look beyond 40."
        )
    if abs(given - best) > 4:
        raise Wrong(
            "views.rolling(time=7).mean(), without the first six days; then metrics.autocorrelation, lags 40 to 120."
        )
    return (
        f"At {best} days it is {curve.max().item():.2f}: the slow swing alone; with the week {peaks.max().item():.2f}."
    )


@exercise("00.4")
def _clock(value: Any) -> str:
    traffic = open_dataset("broadband").traffic_bytes
    with_it, without = (
        float(metrics.autocorrelation(one).sel(lag=4)) for one in (traffic, traffic / traffic.mean("sample"))
    )
    given = number(value)
    if abs(given - with_it) < 0.02:
        raise Wrong(
            "That is the correlation with the hours in it. Divide each step by the mean of all homes at that step."
        )
    if abs(given - without) > 0.01:
        raise Wrong('traffic / traffic.mean("sample"), then metrics.autocorrelation at a lag of one day, four steps.')
    return (
        f"Of {with_it:.2f} there is {without:.2f} left. All homes have their day at the same hours: a clock tells it, "
        "and a home's own yesterday tells next to nothing. An autocorrelation does not say which of the two it sees."
    )
