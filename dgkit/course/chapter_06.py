"""The exercises of chapter 06."""

from itertools import islice, permutations
from typing import Any

import numpy as np

from dgkit import downstream
from dgkit.course.exercise import Wrong, exercise, number
from dgkit.course.store import open_run
from dgkit.datasets import open_dataset, split


@exercise("06.1")
def _for_nothing(value: Any) -> str:
    a, a_ = split(open_dataset("cluster"), 0.5, seed=0)
    truth = float((a_.end_event == "FINISH").mean() / downstream.predict_events(a, a_).accuracy.max())
    if abs(number(value) - truth) > 0.01:
        raise Wrong("The share of FINISH in a_.end_event, over the highest accuracy at setting 'real to real'.")
    return f"{truth:.2f}: so much of the real accuracy is had without any model."


@exercise("06.2")
def _values(value: Any) -> str:
    places = np.arange(3)
    truth = sorted({round(float(np.corrcoef(places, order)[0, 1]), 6) for order in permutations(places)})
    try:
        given = sorted({round(float(one), 2) for one in islice(value, 1000)})
    except (TypeError, ValueError) as error:
        raise Wrong("Give the numbers as a list or a set.") from error
    if given != [round(one, 2) for one in truth]:
        raise Wrong("There are six orders of three algorithms. Correlate each with 1, 2, 3.")
    return f"{', '.join(f'{one:g}' for one in truth)}: chance alone gives 1 in a sixth of the cases."


@exercise("06.3")
def _misleading(value: Any) -> str:
    jobs = open_run("baselines").sel(dataset="cluster", budget="own").median("seed")
    agreement = jobs.rank_correlation.to_series()
    taught = jobs.macro_f1.sel(setting="generated to real", classifier="MLP").to_series()
    if not isinstance(value, str) or value not in agreement.index:
        raise Wrong(f"Give a name, in quotes: one of {', '.join(map(repr, agreement.index))}.")
    truth = taught[agreement.round(2) >= 0.9].idxmin()
    if value != truth:
        raise Wrong("Of the models with a median rank correlation of 0.9 or more, that with the lowest macro_f1.")
    return f"Rank correlation {agreement[truth]:.2f}, macro-F1 {taught[truth]:.2f}: it ranks well and teaches little."
