"""The course's experiments, run: every cell of a grid, and one file of all, data/runs/NAME.nc.

On the command line: `python -m dgkit.course list`, `... record NAME` and `... record --all`.
"""

import json
import multiprocessing
import os
import signal
import threading
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict
from pathlib import Path
from typing import Any

import xarray as xr
from tqdm.auto import tqdm

from dgkit import datasets
from dgkit._atomic import usable
from dgkit._cells import (
    Point,
    assemble,
    file_name,
    kept,
    name_of,
    one_thread,
    points_of,
    read,
    stored,
    timed,
    write,
)
from dgkit.core.config import Config
from dgkit.core.trainer import Trainer
from dgkit.course import store
from dgkit.course.chapters import experiment_of
from dgkit.course.experiment import Experiment
from dgkit.errors import DgkitError

CELLS = Path("build") / "cells"  # finished cells of recordings, in the current folder


def record(
    name: str,
    *,
    out: str | os.PathLike[str] | None = None,
    cells: str | os.PathLike[str] = CELLS,
    jobs: int = 1,
    progress: bool = True,
) -> Path:
    """Run a recorded experiment, or what is missing of it, and write its file.

    Parameters
    ----------
    name : str
        One of `experiments()`.
    out : path, optional
        Folder of the file; default the course's own.
    cells : path
        Folder of finished cells. A cell is computed again where its settings, its data or the code of its module's
        functions that measure it changed, or where its file is damaged; remove the file where something else did.
    jobs : int
        Processes, one thread each.
    progress : bool
        Show a bar.

    Returns
    -------
    Path
        NetCDF: the measured variables over the grid's dims, `seconds`, and as attrs the settings, the data's hashes,
        the versions and the call that makes the file again; in its group "check" a short run for the tests.

    Raises
    ------
    ConfigError
        No such experiment.
    SaveError
        A file cannot be written; the finished cells are kept.
    DgkitError
        One of several processes was ended from outside; the finished cells are kept.

    Examples
    --------
    >>> from dgkit.errors import ConfigError
    >>> try:
    ...     record("everything")
    ... except ConfigError as error:
    ...     print(str(error)[:27])
    no experiment 'everything';
    """
    experiment = experiment_of(name)
    folder = usable(Path(cells) / name)
    path = usable(out if out is not None else store.folder()) / f"{name}.nc"
    points = points_of(experiment.grid)
    paths = {k: _path(experiment, folder, k) for k in range(-1, len(points))}  # -1: the check
    missing = [k for k, path in paths.items() if kept(path) is None]
    with tqdm(total=len(missing), desc=name, unit="cell", disable=not progress) as bar:
        if jobs > 1 and len(missing) > 1:
            _compute_side_by_side(name, {k: paths[k] for k in missing}, jobs, bar)
        else:
            for k in missing:
                _compute(name, paths[k], k)
                bar.update()
    files = [read(path) for path in paths.values()]
    ds = assemble({name_of(point): cell for point, cell in zip(points, files[1:], strict=True)}, experiment.grid)
    hashes = {cell.attrs["data"]: cell.attrs["data_history"] for cell in files}
    ds.attrs = {
        "title": experiment.question,
        "history": f"python -m dgkit.course record {name}",
        "config": json.dumps(asdict(experiment.base)),
        "grid": json.dumps({k: v if isinstance(v, Mapping) else list(v) for k, v in experiment.grid.items()}),
        "data": json.dumps(hashes),
        "versions": files[-1].attrs["versions"],
        "machine": "; ".join(dict.fromkeys(cell.attrs["machine"] for cell in files[1:])),
        "wall_seconds": float(ds.seconds.sum()),
    }
    write(ds, path, check=files[0])
    return path


def rerun(name: str) -> xr.Dataset:
    """The short run of a recorded experiment, computed again.

    Parameters
    ----------
    name : str
        One of `experiments()`.

    Returns
    -------
    Dataset
        What `open_run(name, group="check")` should hold, but for the seconds.

    Raises
    ------
    ConfigError
        No such experiment.

    Examples
    --------
    >>> short, again = store.open_run("event_types", group="check"), rerun("event_types")
    >>> xr.testing.assert_allclose(short.drop_vars("seconds"), again.drop_vars("seconds"), rtol=1e-3)
    """
    return _cell(experiment_of(name), -1)


def record_checkpoint(path: Path) -> None:
    """1,000 steps on half of `web`, with networks so small that the state, Adam's moments included, may be shipped."""
    train, _ = datasets.split(datasets.open_dataset("web"), 0.5, 0)
    trainer = Trainer(
        train, Config(steps=1000, sample_len=7, ema=0.99, lstm_units=40, attribute_units=40, discriminator_units=32)
    )
    with one_thread():
        for _ in tqdm(trainer, total=1000, desc=path.stem, unit="step"):
            pass
    usable(path.parent)
    trainer.save(path)


# --- cells ------------------------------------------------------------------------------------------------------------


def _task(experiment: Experiment, k: int) -> tuple[Point, Config]:
    """Point and settings of cell k; of the short run that the tests repeat for -1."""
    if k < 0:
        point = {name: value for name, value in experiment.check.items() if name != "steps"}
        return point, experiment.config(point, steps=experiment.check["steps"])
    point = points_of(experiment.grid)[k]
    return point, experiment.config(point)


def _path(experiment: Experiment, folder: Path, k: int) -> Path:
    point, config = _task(experiment, k)
    return folder / file_name(config, point, experiment.data(point), experiment.cell)


def _compute(name: str, path: Path, k: int) -> None:
    """The cell's file."""
    stored(_cell(experiment_of(name), k), path)


def _compute_side_by_side(name: str, paths: Mapping[int, Path], jobs: int, bar: Any) -> None:
    """The files of several cells, in processes that end with this call, however it ends."""
    others = set(multiprocessing.active_children())
    pool = ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn"), _end_with_parent)
    try:
        for done in as_completed([pool.submit(_compute, name, path, k) for k, path in paths.items()]):
            done.result()
            bar.update()
    except BrokenProcessPool as error:
        raise DgkitError(
            f"a process that recorded {name!r} was ended from outside, maybe because memory ran out. The finished "
            f"cells are kept: call again, with fewer jobs than {jobs} if it was memory."
        ) from error
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
        for process in set(multiprocessing.active_children()) - others:
            process.terminate()
            process.join()


def _end_with_parent() -> None:
    """Leave interrupts to the process that asked for the cells, and do not outlive it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def follow() -> None:
        if parent := multiprocessing.parent_process():
            parent.join()
            os._exit(1)

    threading.Thread(target=follow, daemon=True).start()


def _cell(experiment: Experiment, k: int) -> xr.Dataset:
    point, config = _task(experiment, k)
    return timed(experiment.cell, experiment.data(point), config, point)
