"""The cells of the recorded run `real` on a machine with many processors, for which there is a limited time.

``python -m tests.benchmarks.table compute FOLDER --workers 14 --seconds 480`` writes a file for each cell as soon as it
is done: one process and one thread each, what matters most first. None begins that cannot end in time, and at the end
those that run are stopped; what is there is not computed again. Where one fails, its traceback lies beside, as .txt.
``... --pack FILE`` packs the folder into one file as well, at every tenth cell and at the end.

``python -m tests.benchmarks.table adopt FOLDER`` puts them, on the machine that has the checkout, where ``python -m
dgkit.course record real`` looks for them (a cell's own name there says by which code it was computed, and differs from
one version of Python to the next), and says what is missing.
"""

import dgkit  # isort: skip  # noqa: F401 (before torch)

import argparse
import json
import multiprocessing
import os
import shutil
import sys
import tarfile
import time
import traceback
from pathlib import Path
from statistics import fmean
from typing import Any

from dgkit._cells import kept, points_of, stored, timed
from dgkit.course import real, runs
from dgkit.course.chapters import experiment_of
from dgkit.course.experiment import Experiment

NAME = "real"
EVALUATION = 25.0  # seconds of a cell besides its training, until one is known


def points(experiment: Experiment, budget: float | None, simulated: bool) -> list[dict[str, Any]]:
    """Those of the recorded run, and after them those of the simulated data."""
    grid = dict(experiment.grid) | ({} if budget is None else {"budget": (budget,)})
    return points_of(grid) + (points_of(grid | {"data": real.SIMULATED}) if simulated else [])


def path_of(folder: Path, point: dict[str, Any]) -> Path:
    name = "-".join(str(value) for value in point.values())
    return folder / f"{name.replace(', ', '-').replace(' ', '-')}.nc"


def compute(path: Path, point: dict[str, Any], steps: int | None = None) -> None:
    """One cell, in a process of its own; what is wrong beside it."""
    try:
        experiment = experiment_of(NAME)
        config = experiment.config(point, **({} if steps is None else {"steps": steps}))
        stored(timed(experiment.cell, experiment.data(point), config, point), path)
    except Exception:
        path.with_suffix(".txt").write_text(traceback.format_exc())


def compute_all(options: argparse.Namespace) -> None:
    began, folder, context = time.monotonic(), options.folder, multiprocessing.get_context("spawn")
    folder.mkdir(parents=True, exist_ok=True)
    os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"), "1")
    experiment = experiment_of(NAME)

    # what numba compiles is compiled once, and kept for the others
    if not kept(warm := folder / "warm.nc"):
        for model in ("hmm", "two halves"):
            compute(warm, {"seed": 0, "data": "web", "budget": 1, "model": model}, steps=2)
    print(f"{time.monotonic() - began:5.0f} s compiled", flush=True)

    todo = [p for p in points(experiment, options.budget, options.simulated) if not path_of(folder, p).exists()]
    running: dict[Any, tuple[Path, float, float]] = {}  # process: its file, when it began, its budget
    extra: list[float] = []  # seconds of the cells besides their training
    while todo or running:
        now = time.monotonic() - began
        last = options.seconds - (fmean(extra) if extra else EVALUATION)
        while todo and len(running) < options.workers and now + todo[0]["budget"] < last:
            point = todo.pop(0)
            process = context.Process(target=compute, args=(path_of(folder, point), point))
            process.start()
            running[process] = path_of(folder, point), now, point["budget"]
        if not running:
            break
        for process in [process for process in running if not process.is_alive()]:
            path, start, budget = running.pop(process)
            extra.append(now - start - budget)
            print(f"{now:5.0f} s {now - start:5.0f} s {'done' if path.exists() else 'FAILED'} {path.stem}", flush=True)
            if len(extra) % 10 == 0:
                pack(options)
        if now > options.seconds:
            for process in running:
                process.kill()
            break
        time.sleep(0.1)
    pack(options)
    print(f"{len(list(folder.glob('*.nc'))) - 1} cells, {len(todo)} not begun, {time.monotonic() - began:.0f} s")


def pack(options: argparse.Namespace) -> None:
    """All cells in one file, which is whole at any time."""
    if options.pack:
        beside = options.pack.with_suffix(".part")
        with tarfile.open(beside, "w") as archive:
            for path in sorted(options.folder.glob("*.*")):
                if path.suffix in (".nc", ".txt"):
                    archive.add(path, path.name)
        os.replace(beside, options.pack)


def adopt(options: argparse.Namespace) -> None:
    experiment, missing = experiment_of(NAME), []
    own = runs.CELLS / NAME
    own.mkdir(parents=True, exist_ok=True)
    for k, point in enumerate(points_of(experiment.grid)):
        if kept(path := path_of(options.folder, point)):
            shutil.copyfile(path, runs._path(experiment, own, k))
        else:
            missing.append(path.stem)
    print(f"{len(points_of(experiment.grid)) - len(missing)} cells in {own}; missing: {json.dumps(missing, indent=1)}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    commands = parser.add_subparsers(required=True)
    computing = commands.add_parser("compute")
    computing.add_argument("folder", type=Path)
    computing.add_argument("--workers", type=int, default=1)
    computing.add_argument("--seconds", type=float, default=1e9, help="wall time for all")
    computing.add_argument("--budget", type=float, help="CPU seconds of training, in place of the recorded run's")
    computing.add_argument("--simulated", action="store_true", help="the simulated data too, when the rest is done")
    computing.add_argument("--pack", type=Path, help="a file that all finished cells are packed into on the way")
    computing.set_defaults(run=compute_all)
    adopting = commands.add_parser("adopt")
    adopting.add_argument("folder", type=Path)
    adopting.set_defaults(run=adopt)
    options = parser.parse_args()
    options.run(options)


if __name__ == "__main__":
    sys.exit(main())
