"""The exercises of chapter 09."""

import math
from typing import Any

from dgkit import experiments
from dgkit.check.exercise import Wrong, exercise, number, whole


@exercise("09.1")
def _accused(value: Any) -> str:
    if whole(value) != 40 - 30:
        raise Wrong("It takes 40 for members, the highest scores; 30 of them are. What are the others?")
    return "10 of 40 are accused wrongly, and as many members are missed: with as many of each the two errors are one."


@exercise("09.2")
def _enough(value: Any) -> str:
    success = experiments.open_run("membership").success_rate.mean("target").median("seed")
    curve = success.sel(attack="discriminator").to_series()
    truth = int(curve.index[curve <= 0.55].min())
    if whole(value) != truth:
        raise Wrong("success_rate, .mean('target').median('seed').sel(attack='discriminator'); the first at most 0.55.")
    return f"{truth} samples, where it is right in {curve[truth]:.3f} of the cases."


@exercise("09.3")
def _bound(value: Any) -> str:
    truth = math.log(0.6 / 0.4)
    if abs(number(value) - truth) > 0.005:
        raise Wrong("Solve e^epsilon / (1 + e^epsilon) = 0.6 for epsilon: the odds of 60 % are 0.6 / 0.4.")
    return f"{truth:.3f}: epsilons of ten, often reported, bound the success by {1 / (1 + math.exp(-10)):.5f} only."
