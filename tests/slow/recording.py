"""A recording in processes, to be stopped: python -m tests.slow.recording FOLDER JOBS. Prints what was recorded."""

import sys
import time
from pathlib import Path

import dgkit as dg
from dgkit._cells import read
from dgkit.course import runs
from dgkit.course.experiment import Experiment
from tests.slow.stops import SIZES, cell, small_dataset, train_model, values


def slow_cell(train, config, point):
    time.sleep(0.5)
    return cell(train_model(train, config))


EXPERIMENT = Experiment(
    "What stops leave?", lambda point: small_dataset(), slow_cell, dg.Config(steps=2, **SIZES),
    {"seed": [0, 1, 2, 3], "sample_len": [4, 6]}, {"steps": 1, "seed": 0, "sample_len": 4},
)  # fmt: skip

if __name__ in ("__main__", "__mp_main__"):  # in the processes, too, which import this file
    runs.experiment_of = lambda name: EXPERIMENT

if __name__ == "__main__":
    folder, jobs = Path(sys.argv[1]), int(sys.argv[2])
    print(values(read(runs.record("tiny", out=folder / "out", cells=folder / "cells", jobs=jobs, progress=False))))
