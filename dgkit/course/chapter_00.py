"""The exercises of chapter 00."""

from typing import Any

from dgkit import metrics
from dgkit.course.exercise import Wrong, exercise, whole
from dgkit.datasets import open_dataset
from dgkit.schema import validate


@exercise("00.1")
def _steps(value: Any) -> str:
    ds = open_dataset("web")
    if whole(value) == ds.sizes["sample"]:
        raise Wrong("That is the number of pages (samples). How long is each series? Look at ds.sizes.")
    if whole(value) != ds.sizes["time"]:
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
    if whole(value) != best:
        raise Wrong("Look at the peaks of the figure, or ask metrics.autocorrelation(...).sel(lag=slice(4, 20)).")
    return f"At {best} days it is {curve.sel(lag=best).item():.2f}: the week."
