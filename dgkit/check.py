"""Checks of the course's exercises: at once, with a hint on failure, and a record of what was passed.

An exercise is a function that looks at an answer and raises `Wrong` with what to think about next. The truth is
computed from the data, not typed in. What was passed is kept in `dgkit-progress.json` of the current folder.
Left out: grading; anyone can read the solutions here.
"""

import contextlib
import html
import json
import math
import os
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from dgkit import experiments, metrics, simulate
from dgkit.datasets import open_dataset
from dgkit.errors import ConfigError, SchemaError
from dgkit.schema import validate

PROGRESS = Path("dgkit-progress.json")  # not hidden: Jupyter serves no hidden files, and the course panel reads it
EXERCISES: dict[str, Callable[[Any], str]] = {}


class Wrong(Exception):
    """The answer is not right; the message is the hint."""


@dataclass(frozen=True)
class Result:
    """How an answer did."""

    exercise: str
    passed: bool
    message: str

    def __repr__(self) -> str:
        return f"{'✓ passed' if self.passed else '✗ not yet'}: exercise {self.exercise}. {self.message}"

    def _repr_html_(self) -> str:
        colour, background = ("#0b5a2b", "#e6f4ea") if self.passed else ("#7a3b00", "#fff4e5")
        return (
            f"<div role='status' style='padding:.5em .8em;border-left:4px solid {colour};color:{colour};"
            f"background:{background}'>{html.escape(repr(self))}</div>"
        )


def answer(exercise: str, value: Any) -> Result:
    """Check an answer.

    Parameters
    ----------
    exercise : str
        Its number, such as "01.2".
    value
        The answer; whatever it is, a wrong one gives a hint and no error.

    Raises
    ------
    ConfigError
        There is no such exercise.

    Examples
    --------
    >>> answer("01.1", 1).passed
    False
    """
    if not isinstance(exercise, str) or exercise not in EXERCISES:
        raise ConfigError(f"no exercise {exercise!r}; there are {', '.join(EXERCISES)}.")
    if value is None:
        return Result(exercise, False, "Put your answer in the place of None and run the cell again.")
    try:
        result = Result(exercise, True, EXERCISES[exercise](value))
    except Wrong as hint:
        return Result(exercise, False, str(hint))
    except Exception as error:  # an answer may be anything, with any behaviour
        return Result(
            exercise, False, f"This answer could not be looked at ({type(error).__name__}); is it what was asked for?"
        )
    _remember(exercise)
    return result


class Progress(dict[str, bool]):
    """By exercise, whether it was passed."""

    def __repr__(self) -> str:
        rows = (f"{number}  {'✓ passed' if passed else '· open'}" for number, passed in self.items())
        return "\n".join([*rows, f"{sum(self.values())} of {len(self)} passed"])

    def _repr_html_(self) -> str:
        rows = (
            f"<tr><td>{html.escape(number)}</td><td>{'✓ passed' if passed else '· open'}</td></tr>"
            for number, passed in self.items()
        )
        caption = f"{sum(self.values())} of {len(self)} passed"
        return f"<table><caption>{caption}</caption><tr><th>exercise</th><th>state</th></tr>{''.join(rows)}</table>"


def progress() -> Progress:
    """Which exercises were passed in this folder."""
    passed = _read()
    return Progress({number: number in passed for number in EXERCISES})


def exercise(number: str) -> Callable:
    """Register a function as the check of an exercise; it returns what to say when the answer is right."""

    def register(function: Callable[[Any], str]) -> Callable[[Any], str]:
        EXERCISES[number] = function
        return function

    return register


@exercise("00.1")
def _steps(value: Any) -> str:
    ds = open_dataset("web")
    if _whole(value) == ds.sizes["sample"]:
        raise Wrong("That is the number of pages (samples). How long is each series? Look at ds.sizes.")
    if _whole(value) != ds.sizes["time"]:
        raise Wrong("Look at ds.sizes: one of the two dims is the time.")
    return f"{ds.sizes['time']} days, that is {ds.sizes['time'] / 7:g} weeks."


@exercise("00.2")
def _most_categories(value: Any) -> str:
    ds = open_dataset("web")
    counts = {v.name: len(v.categories) for v in validate(ds).attributes}
    if not isinstance(value, str) or value not in counts:
        raise Wrong(f"Give a name, in quotes: one of {', '.join(map(repr, counts))}.")
    if value != max(counts, key=lambda name: counts[name]):
        raise Wrong(f"{value!r} has {counts[value]}; there is one with more. dg.schema.describe(ds) counts them.")
    return f"{value!r} has {counts[value]} categories."


@exercise("00.3")
def _week(value: Any) -> str:
    curve = metrics.autocorrelation(open_dataset("web").views, lags=20)
    best = int(curve.sel(lag=slice(4, 20)).idxmax("lag"))
    if _whole(value) != best:
        raise Wrong("Look at the peaks of the figure, or ask metrics.autocorrelation(...).sel(lag=slice(4, 20)).")
    return f"At {best} days it is {curve.sel(lag=best).item():.2f}: the week."


@exercise("01.1")
def _passes(value: Any) -> str:
    steps, sample_len = open_dataset("web").sizes["time"], 7
    if _whole(value) != math.ceil(steps / sample_len):
        raise Wrong(f"Each pass makes {sample_len} of the {steps} days.")
    return f"{steps} / {sample_len} = {math.ceil(steps / sample_len)}: that many steps of memory, not {steps}."


@exercise("01.2")
def _given(value: Any) -> str:
    if not isinstance(value, xr.Dataset):
        raise Wrong("Pass the Dataset that model.sample(..., attributes={...}) returns.")
    real = open_dataset("web")
    try:
        validate(value, training=False)
    except SchemaError as error:
        raise Wrong(f"That is not a generated dataset: {error}") from error
    missing = [name for name in real.data_vars if name not in value]
    if missing:
        raise Wrong(f"{missing[0]!r} is missing; pass the whole Dataset that model.sample returns.")
    if value.sizes["sample"] < 50:
        raise Wrong(f"That are {value.sizes['sample']} pages; generate 50.")
    others = sorted(set(value["domain"].values.tolist()) - {"en.wikipedia.org"})
    if others:
        raise Wrong(f"There are pages of {others[0]}. Every attribute can be given: domain, access and agent.")
    if value.sizes["time"] == real.sizes["time"] and _copies(value["views"].values, real["views"].values):
        raise Wrong("These are real pages. Let the model generate some.")
    return f"{value.sizes['sample']} pages that never were."


@exercise("01.3")
def _sample_len(value: Any) -> str:
    names = ("sample_len 1", "sample_len 7")
    if not isinstance(value, dict) or set(value) != set(names):
        raise Wrong(f"Pass a dict with the keys {names[0]!r} and {names[1]!r}.")
    if not all(isinstance(report, metrics.Report) for report in value.values()):
        raise Wrong("The values are reports: what dg.metrics.evaluate(train, fake) returns.")
    short, long = (float(value[name]["autocorrelation_mse"].max()) for name in names)
    if not short > long:
        raise Wrong(f"sample_len 1 has {short:.4g}, sample_len 7 has {long:.4g}. Did both train for the same time?")
    return f"autocorrelation MSE {short:.4g} at sample_len 1, {long:.4g} at 7: {short / long:.0f} times closer."


@exercise("02.1")
def _decades(value: Any) -> str:
    levels = metrics.mid_range(open_dataset("web").views)
    truth = float(np.log10(levels.max() / levels.min()))
    if abs(_number(value) - truth) > 0.05:
        raise Wrong("A decade is a factor of ten: np.log10(largest / smallest), of the pages' mid-ranges.")
    return f"{truth:.2f} decades: the largest page is {10**truth:,.0f} times the smallest."


@exercise("02.2")
def _share_of_range(value: Any) -> str:
    views = open_dataset("web").views
    truth = float((2 * metrics.half_range(views)).median() / (views.max() - views.min()))
    if abs(_number(value) - truth) > 0.02 * truth:
        raise Wrong(
            "Of each page largest less smallest day; the median of these; over the same of all values together."
        )
    return f"{truth:.4f}: without auto-normalisation half of the pages live in less than that of the network's range."


@exercise("02.3")
def _by_hand(value: Any) -> str:
    one = open_dataset("web").views.isel(sample=0).astype(np.float64)
    half, middle = float(one.max() - one.min()) / 2, float(one.max() + one.min()) / 2
    if not isinstance(value, np.ndarray | xr.DataArray) or value.shape != one.shape:
        raise Wrong(f"Give the {one.sizes['time']} normalised values, an array or a DataArray.")
    if not np.allclose(np.asarray(value, np.float64), (one.values - middle) / half, atol=1e-3):
        raise Wrong("Take the mid-range away, then divide by the half-range: the smallest day is -1, the largest 1.")
    return "That, and the two numbers you took, is all the LSTM has to make of this page."


@exercise("03.1")
def _as_many_passes(value: Any) -> str:
    paper, steps = 550 / 10, open_dataset("web").sizes["time"]
    truth = min(range(1, steps + 1), key=lambda sample_len: abs(steps / sample_len - paper))
    if _whole(value) != truth:
        raise Wrong("550 days at S = 10 are 55 passes. 168 days in about as many passes are how many days a pass?")
    return f"{truth} days a pass, {math.ceil(steps / truth)} passes."


@exercise("03.2")
def _best(value: Any) -> str:
    curve = experiments.open_run("sample_len").autocorrelation_mse.isel(step=-1).median("seed")
    best = int(curve.idxmin("sample_len"))
    if _whole(value) != best:
        raise Wrong("The median over seeds at the last step, then .idxmin('sample_len').")
    return f"{best}: {curve.sel(sample_len=best).item():.4f}, and at 1 it is {curve.sel(sample_len=1).item():.3f}."


@exercise("03.3")
def _fall(value: Any) -> str:
    curve = experiments.open_run("training_size").autocorrelation_mse.median("seed")
    truth = float(curve.sel(samples=100) / curve.sel(samples=1000))
    if abs(_number(value) - truth) > 0.02 * truth:
        raise Wrong("The median over seeds at 100 samples, divided by that at 1,000.")
    return f"A factor of {truth:.1f}."


@exercise("04.1")
def _combinations(value: Any) -> str:
    jobs = open_dataset("cluster")
    truth = len(set(zip(jobs.job_class.values.tolist(), jobs.end_event.values.tolist(), strict=True)))
    if _whole(value) != truth:
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
    if value.sizes["time"] == real.sizes["time"] and _copies(value["cpu_rate"].values, real["cpu_rate"].values):
        raise Wrong("These are real jobs. Let the model generate some.")
    return f"{value.sizes['sample']} large jobs that fail, of {float(value['length'].mean()):.0f} steps on average."


@exercise("07.1")
def _kept(value: Any) -> str:
    jobs, wanted = open_dataset("cluster"), {"small": 0.05, "medium": 0.05, "large": 0.9}
    largest = max(share / float((jobs.job_class == name).mean()) for name, share in wanted.items())
    if isinstance(value, np.ndarray | xr.DataArray) and value.ndim == 0:
        value = value.item()
    if isinstance(value, bool) or not isinstance(value, int | float | np.number) or not 0 < value < 1:
        raise Wrong("Give a share, a number between 0 and 1.")
    if abs(value - 1 / largest) > 0.05 / largest:
        raise Wrong("For which class is wanted / present share the largest? The share kept is 1 over that ratio.")
    return f"One draw in {largest:.1f}, which is the ratio for the large jobs."


@exercise("07.2")
def _full(value: Any) -> str:
    try:
        load = simulate.cluster_load(value)
    except ConfigError as error:
        raise Wrong(f'That is not a mix, {{"job_class": {{class: share}}}}: {error}') from error
    if value is None or abs(load - 1) > 0.01:
        raise Wrong(f"This mix brings a load of {load:.3f}. A few more large jobs raise it, a few less lower it.")
    shares, classes = value["job_class"], simulate.JOB_CLASSES
    if abs(shares["small"] / shares["medium"] - classes["small"].share / classes["medium"].share) > 0.1:
        raise Wrong("The load is right. Keep the proportion of small to medium jobs as it is in JOB_CLASSES.")
    return f"With {shares['large']:.3f} large jobs instead of {classes['large'].share:.3f}, the machines are full."


@exercise("07.3")
def _evicted(value: Any) -> str:
    if not isinstance(value, xr.Dataset):
        raise Wrong("Pass a Dataset: one that whatif.sample_target, or a retrained model, returns.")
    real = open_dataset("cluster")
    try:
        validate(value, training=False)
        ends, events = value["end_event"].values, real["end_event"].values
    except (SchemaError, KeyError) as error:
        raise Wrong(f"These are not generated jobs: {error}") from error
    if len(ends) < 500:
        raise Wrong(f"That are {len(ends)} jobs; generate at least 500.")
    evicted = float((ends == "EVICT").mean())
    if abs(evicted - 0.5) > 0.07:
        raise Wrong(f"Of these jobs {evicted:.2f} were evicted; the target names EVICT, and half.")
    for event in ("FAIL", "FINISH", "KILL"):
        shares = [float((some == event).sum() / (some != "EVICT").sum()) for some in (ends, events)]
        if abs(shares[0] - shares[1]) > 0.1:
            raise Wrong(
                f"Of the jobs that were not evicted, {shares[0]:.2f} end with {event}; in the data {shares[1]:.2f}."
            )
    if value.sizes["time"] == real.sizes["time"] and _copies(value["cpu_rate"].values, real["cpu_rate"].values):
        raise Wrong("These are real jobs. Let the model generate some.")
    return (
        f"And {float((value['job_class'] == 'large').mean()):.2f} of them are large, as evicted jobs mostly are: this "
        "target asks which jobs are evicted, not what happens when more are."
    )


def _number(value: Any) -> float:
    if isinstance(value, np.ndarray | xr.DataArray) and value.ndim == 0:
        value = value.item()
    if isinstance(value, bool) or not isinstance(value, int | float | np.number) or not math.isfinite(value):
        raise Wrong(f"Give a number; this is {type(value).__name__}.")
    return float(value)


def _whole(value: Any) -> int:
    if isinstance(value, np.ndarray | xr.DataArray) and value.ndim == 0:  # what idxmax("lag") returns
        value = value.item()
    if (
        isinstance(value, bool)
        or not isinstance(value, int | float | np.integer | np.floating)
        or not float(value).is_integer()
    ):
        raise Wrong(f"Give a whole number; this is {type(value).__name__}.")
    return int(value)


def _copies(generated: np.ndarray, real: np.ndarray) -> bool:
    rows = [{row.tobytes() for row in values.astype(np.float32)} for values in (generated, real)]
    return bool(rows[0] & rows[1])


def _read() -> list[str]:
    try:
        passed = json.loads(PROGRESS.read_text())["passed"]
        if not all(isinstance(item, str) for item in passed):
            raise ValueError("not a list of exercises")
        return passed
    except FileNotFoundError:
        return []
    except (OSError, ValueError, TypeError, KeyError, RecursionError):  # damaged: keep it for a human, begin a new one
        with contextlib.suppress(OSError):
            PROGRESS.replace(PROGRESS.with_suffix(".json.bak"))
        return []


def _remember(exercise: str) -> None:
    passed = sorted({*_read(), exercise})
    beside = PROGRESS.with_suffix(f".{os.getpid()}")
    try:
        beside.write_text(json.dumps({"passed": passed}, indent=1))
        beside.replace(PROGRESS)
    except OSError as error:
        with contextlib.suppress(OSError):
            beside.unlink()
        warnings.warn(f"passed, but it could not be noted in {PROGRESS}: {error}", stacklevel=3)
