"""The exercises of chapter 03."""

import math
from typing import Any

from dgkit import experiments
from dgkit.check.exercise import Wrong, exercise, number, whole
from dgkit.datasets import open_dataset


@exercise("03.1")
def _as_many_passes(value: Any) -> str:
    paper, steps = 550 / 10, open_dataset("web").sizes["time"]
    truth = min(range(1, steps + 1), key=lambda sample_len: abs(steps / sample_len - paper))
    if whole(value) != truth:
        raise Wrong("550 days at S = 10 are 55 passes. 168 days in about as many passes are how many days a pass?")
    return f"{truth} days a pass, {math.ceil(steps / truth)} passes."


@exercise("03.2")
def _best(value: Any) -> str:
    curve = experiments.open_run("sample_len").autocorrelation_mse.isel(step=-1).median("seed")
    best = int(curve.idxmin("sample_len"))
    if whole(value) != best:
        raise Wrong("The median over seeds at the last step, then .idxmin('sample_len').")
    return f"{best}: {curve.sel(sample_len=best).item():.4f}, and at 1 it is {curve.sel(sample_len=1).item():.3f}."


@exercise("03.3")
def _fall(value: Any) -> str:
    curve = experiments.open_run("training_size").autocorrelation_mse.median("seed")
    truth = float(curve.sel(samples=100) / curve.sel(samples=1000))
    if abs(number(value) - truth) > 0.02 * truth:
        raise Wrong("The median over seeds at 100 samples, divided by that at 1,000.")
    return f"A factor of {truth:.1f}."
