"""The exercises of chapter 01."""

import math
from typing import Any

import xarray as xr

from dgkit import metrics
from dgkit.course.exercise import Wrong, copies, exercise, whole
from dgkit.datasets import open_dataset
from dgkit.errors import SchemaError
from dgkit.schema import validate


@exercise("01.1")
def _passes(value: Any) -> str:
    steps, sample_len = open_dataset("web").sizes["time"], 7
    if whole(value) != math.ceil(steps / sample_len):
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
    if value.sizes["time"] == real.sizes["time"] and copies(value["views"].values, real["views"].values):
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
    if not short > 1.5 * long:  # less may be chance: another seed, or a processor that rounds otherwise
        raise Wrong(
            f"sample_len 1 has {short:.4g}, sample_len 7 has {long:.4g}. Did both train for the same time, and long "
            "enough for one to be 1.5 times closer?"
        )
    return f"autocorrelation MSE {short:.4g} at sample_len 1, {long:.4g} at 7: {short / long:.0f} times closer."
