"""Experiments: a grid of settings, a model trained at every point, and what is measured of it as one Dataset.

- `sweep` runs a grid of your own on your own data.
- `record` runs one of the course's experiments (`EXPERIMENTS`) and writes its file, data/runs/NAME.nc; `open_run` opens
  it. On the command line: `python -m dgkit.experiments list`, `... record NAME` and `... record --all`.
- `checkpoints` lists trained states that the course goes on from.

Every point is a cell. A finished one is kept in a file of its own, written beside and renamed, so that a run may be
stopped at any time and a second one computes only what is missing. Cells are computed on one thread, which is what
"the same seed gives the same model" asks for.
"""

import hashlib
import json
import multiprocessing
import os
import platform
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import asdict, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
import torch
import xarray as xr
from threadpoolctl import threadpool_limits
from tqdm.auto import tqdm

from dgkit import datasets, metrics
from dgkit.core.config import Config
from dgkit.core.model import DoppelGANger
from dgkit.core.trainer import Trainer
from dgkit.errors import ConfigError, FileFormatError
from dgkit.experiments import comparison, course, membership, private
from dgkit.experiments.cells import SETTINGS, Experiment, Point, data_hash, points_of, train_model

__all__ = [
    "EXPERIMENTS", "Checkpoint", "Experiment", "checkpoints", "data_hash", "open_run", "record", "rerun", "sweep",
]  # fmt: skip

EXPERIMENTS: dict[str, Experiment] = {
    **course.EXPERIMENTS,
    **comparison.EXPERIMENTS,
    **membership.EXPERIMENTS,
    **private.EXPERIMENTS,
}
CELLS = Path("build") / "cells"  # finished cells of recordings, in the current folder


class Checkpoint(NamedTuple):
    """A recorded training state: `Trainer.load(path, train)` goes on from it, where `train` is `data()`.

    Parameters
    ----------
    path : Path
        Of the state.
    dataset : str
        As `dgkit.open_dataset` names it.
    fraction : float
    seed : int
        Of the split that made the training data.

    Examples
    --------
    >>> point = checkpoints()["web_s7"]
    >>> Trainer.load(point.path, point.data()).step
    1000
    """

    path: Path
    dataset: str
    fraction: float
    seed: int

    def data(self) -> xr.Dataset:
        """What it was trained on: the first part of dgkit.split(open_dataset(dataset), fraction, seed)."""
        return datasets.split(datasets.open_dataset(self.dataset), self.fraction, self.seed)[0]


# --- grids of one's own ---------------------------------------------------------------------------------------------


def sweep(
    train: xr.Dataset,
    grid: Mapping[str, Sequence],
    *,
    base: Config | None = None,
    measure: Callable[[DoppelGANger], xr.Dataset] | None = None,
    folder: str | os.PathLike | None = None,
    client: Any = None,
    progress: bool = True,
) -> xr.Dataset:
    """Train a model at every point of a grid of settings, and measure each.

    Parameters
    ----------
    train : Dataset
        As `dgkit.schema` describes.
    grid : mapping
        Values for fields of `Config`, e.g. {"sample_len": [1, 7], "seed": [0, 1]}.
    base : Config, optional
        The other settings.
    measure : callable, optional
        What to keep of a model, as a Dataset. Default: `metrics.evaluate(train, model.sample(1000, seed=1))`.
    folder : path, optional
        Keep every finished cell here; a second call with the same data and settings computes only what is missing.
        Use one folder for one `measure`.
    client : distributed.Client, optional
        Compute the cells on the workers of this Dask client (processes, of one thread each); default: here, one after
        another. What a worker finishes is written here at once, so the workers need not see `folder`; a worker that
        dies costs the cell it was at, which another one computes. Interrupted, it cancels what is left.
    progress : bool
        Show a bar.

    Returns
    -------
    Dataset
        What `measure` returns, over the grid's dims, and `seconds` of wall time for each cell.

    Raises
    ------
    ConfigError
        A name that is no field of `Config`, an empty list, or a value it refuses.
    SchemaError, DivergenceError

    Examples
    --------
    >>> from dgkit.simulate import web
    >>> tiny = Config(steps=2, batch_size=10, sample_len=7)
    >>> sweep(web(50), {"sample_len": [7, 14]}, base=tiny, progress=False).autocorrelation_mse.sizes["sample_len"]
    2
    """
    base = base or Config()
    wrong = sorted(set(grid) - SETTINGS)
    if wrong or not grid or not all(len(values) for values in grid.values()):
        what = f"{wrong[0]!r} is no field of Config" if wrong else "the grid is empty, or one of its lists is"
        raise ConfigError(f"{what}. Give e.g. {{'sample_len': [1, 7], 'seed': [0, 1]}}.")

    points = points_of(grid)
    configs = [replace(base, **point) for point in points]  # all are checked before the first is trained
    paths: list[Path | None] = [None] * len(points)
    if folder is not None:
        data = data_hash(train)
        paths = [Path(folder) / f"{_key(*pair, data)}.nc" for pair in zip(configs, points, strict=True)]
    found = {k: _read(path) for k, path in enumerate(paths) if path is not None and path.exists()}
    missing = {k: config for k, config in enumerate(configs) if k not in found}
    with tqdm(total=len(points), initial=len(found), unit="model", disable=not progress) as bar:
        for k, cell in _computed(train, missing, measure, client):
            found[k] = _stored(cell, paths[k])
            bar.update()
    return _assemble({_name(point): found[k] for k, point in enumerate(points)}, grid)


def _sweep_cell(train: xr.Dataset, config: Config, measure: Callable[[DoppelGANger], xr.Dataset] | None) -> xr.Dataset:
    model = train_model(train, config)
    if measure is not None:
        return measure(model)
    return xr.Dataset(metrics.evaluate(train, model.sample(1000, seed=1)).data_vars)


def _computed(train: xr.Dataset, configs: Mapping[int, Config], measure: Any, client: Any) -> Iterator:
    """Number and Dataset of each cell as it is finished: here, or on the client's workers."""
    if client is None:
        for k, config in configs.items():
            yield k, _timed(_sweep_cell, train, config, measure)
        return
    from distributed import as_completed as finished  # an extra

    data = client.scatter(train, broadcast=True)  # every worker has it, so that none is needed for another's cell
    futures = {
        client.submit(_timed, _sweep_cell, data, config, measure, pure=False): k for k, config in configs.items()
    }
    try:
        for future, cell in finished(list(futures), with_results=True):
            yield futures.pop(future), cell
            future.release()
    finally:
        client.cancel(list(futures))


# --- the course's recorded runs -------------------------------------------------------------------------------------


def record(
    name: str,
    *,
    out: str | os.PathLike | None = None,
    cells: str | os.PathLike = CELLS,
    jobs: int = 1,
    progress: bool = True,
) -> Path:
    """Run a recorded experiment, or what is missing of it, and write its file.

    Parameters
    ----------
    name : str
        One of `EXPERIMENTS`.
    out : path, optional
        Folder of the file; default the course's own.
    cells : path
        Folder of finished cells. A cell is computed again where its settings changed; remove its file where what is
        measured did.
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

    Examples
    --------
    >>> try:
    ...     record("everything")
    ... except ConfigError as error:
    ...     print(str(error)[:27])
    no experiment 'everything';
    """
    experiment = _experiment(name)
    folder = Path(cells) / name
    folder.mkdir(parents=True, exist_ok=True)
    points = points_of(experiment.grid)
    missing = [k for k in range(-1, len(points)) if not _path(experiment, folder, k).exists()]  # -1: the check
    with tqdm(total=len(missing), desc=name, unit="cell", disable=not progress) as bar:
        if jobs > 1 and len(missing) > 1:
            context = multiprocessing.get_context("spawn")
            with ProcessPoolExecutor(jobs, mp_context=context) as pool:
                for done in as_completed([pool.submit(_compute, name, folder, k) for k in missing]):
                    done.result()
                    bar.update()
        else:
            for k in missing:
                _compute(name, folder, k)
                bar.update()
    files = [_read(_path(experiment, folder, k)) for k in range(-1, len(points))]
    ds = _assemble({_name(point): cell for point, cell in zip(points, files[1:], strict=True)}, experiment.grid)
    hashes = {cell.attrs["data"]: cell.attrs["data_history"] for cell in files}
    ds.attrs = {
        "title": experiment.question,
        "history": f"python -m dgkit.experiments record {name}",
        "config": json.dumps(asdict(experiment.base)),
        "grid": json.dumps({k: v if isinstance(v, Mapping) else list(v) for k, v in experiment.grid.items()}),
        "data": json.dumps(hashes),
        "versions": files[-1].attrs["versions"],
        "machine": files[-1].attrs["machine"],
        "wall_seconds": float(ds.seconds.sum()),
    }
    path = Path(out if out is not None else _folder()) / f"{name}.nc"
    path.parent.mkdir(parents=True, exist_ok=True)
    _write(ds, path, check=files[0])
    return path


def open_run(name: str, *, group: str | None = None) -> xr.Dataset:
    """Open a recorded run.

    Parameters
    ----------
    name : str
        One of `EXPERIMENTS`.
    group : {"check"}, optional
        The short run that the tests repeat, in place of the experiment.

    Returns
    -------
    Dataset
        The measured variables over the grid's dims; attrs say how it was made.

    Raises
    ------
    ConfigError
        No such experiment.
    FileFormatError
        It was not recorded, or its file is damaged.

    Examples
    --------
    >>> open_run("sample_len").autocorrelation_mse.dims
    ('sample_len', 'seed', 'step')
    """
    _experiment(name)
    path = _folder() / f"{name}.nc"
    if not path.exists():
        raise FileFormatError(f"{name!r} was not recorded yet: python -m dgkit.experiments record {name}")
    try:
        return _read(path, group)
    except (OSError, ValueError) as error:
        raise FileFormatError(f"{str(path)!r} cannot be read as a recorded run: {error}") from error


def rerun(name: str) -> xr.Dataset:
    """The short run of a recorded experiment, computed again.

    Parameters
    ----------
    name : str
        One of `EXPERIMENTS`.

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
    >>> short, again = open_run("event_types", group="check"), rerun("event_types")
    >>> xr.testing.assert_allclose(short.drop_vars("seconds"), again.drop_vars("seconds"), rtol=1e-3)
    """
    return _check_cell(_experiment(name))


def checkpoints() -> dict[str, Checkpoint]:
    """The recorded training states by name.

    Returns
    -------
    dict of Checkpoint

    Examples
    --------
    >>> sorted(checkpoints())
    ['web_s7']
    """
    found = {"web_s7": Checkpoint(_folder() / "checkpoints" / "web_s7.state", "web", 0.5, 0)}
    return {name: point for name, point in found.items() if point.path.exists()}


def _record_checkpoint(path: Path) -> None:
    """1,000 steps on half of `web`, with networks so small that the state, Adam's moments included, may be shipped."""
    train, _ = datasets.split(datasets.open_dataset("web"), 0.5, 0)
    trainer = Trainer(
        train, Config(steps=1000, sample_len=7, ema=0.99, lstm_units=40, attribute_units=40, discriminator_units=32)
    )
    with _one_thread():
        for _ in tqdm(trainer, total=1000, desc=path.stem, unit="step"):
            pass
    path.parent.mkdir(parents=True, exist_ok=True)
    trainer.save(path)


# --- cells ----------------------------------------------------------------------------------------------------------


def _experiment(name: str) -> Experiment:
    if name not in EXPERIMENTS:
        raise ConfigError(f"no experiment {name!r}; there are {', '.join(map(repr, EXPERIMENTS))}.")
    return EXPERIMENTS[name]


def _name(point: Point) -> str:
    return json.dumps(point, sort_keys=True, default=str)


def _key(config: Config, point: Point, data: str) -> str:
    """A file name that changes with everything a cell depends on but the code."""
    settings = {k: v for k, v in asdict(config).items() if v is not None}  # a switch that is off changes nothing
    text = json.dumps([settings, _name(point), data, version("dgkit")], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:20]


def _cell(experiment: Experiment, point: Point, config: Config, path: Path | None) -> xr.Dataset:
    """One cell: from its file, or computed and written there."""
    if path is not None and path.exists():
        return _read(path)
    return _stored(_timed(experiment.cell, experiment.data(point), config, point), path)


def _timed(cell: Callable[..., xr.Dataset], train: xr.Dataset, *rest: Any) -> xr.Dataset:
    """A cell computed on one thread, with its wall time and what it was computed from and by."""
    start = time.perf_counter()
    with _one_thread():
        ds = cell(train, *rest)
    ds = ds.assign(seconds=((), time.perf_counter() - start, {"units": "s", "long_name": "wall time of the cell"}))
    ds.attrs = {
        "data": data_hash(train),
        "data_history": str(train.attrs.get("history", "")),
        "versions": json.dumps({name: version(name) for name in ("dgkit", "torch", "numpy", "xarray", "numba")}),
        "machine": f"{platform.system()} {platform.machine()}, Python {platform.python_version()}, one thread",
    }
    return ds


def _stored(cell: xr.Dataset, path: Path | None) -> xr.Dataset:
    """The cell as a second call will find it."""
    if path is None:
        return cell
    path.parent.mkdir(parents=True, exist_ok=True)
    _write(cell, path)
    return _read(path)


def _check(experiment: Experiment) -> tuple[Point, Config]:
    point = {name: value for name, value in experiment.check.items() if name != "steps"}
    return point, experiment.config(point, steps=experiment.check["steps"])


def _check_cell(experiment: Experiment) -> xr.Dataset:
    return _cell(experiment, *_check(experiment), None)


def _task(experiment: Experiment, k: int) -> tuple[Point, Config]:
    """Point and settings of cell k; of the check for -1."""
    if k < 0:
        return _check(experiment)
    point = points_of(experiment.grid)[k]
    return point, experiment.config(point)


def _path(experiment: Experiment, folder: Path, k: int) -> Path:
    point, config = _task(experiment, k)
    return folder / f"{_key(config, point, '')}.nc"


def _compute(name: str, folder: Path, k: int) -> None:
    experiment = EXPERIMENTS[name]
    _cell(experiment, *_task(experiment, k), _path(experiment, folder, k))


def _assemble(cells: Mapping[str, xr.Dataset], grid: Mapping[str, Any]) -> xr.Dataset:
    """One Dataset over the grid's dims."""
    return _texts(_concat(cells, grid, {}), "O", str)


def _concat(cells: Mapping[str, xr.Dataset], grid: Mapping[str, Any], point: Point) -> xr.Dataset:
    rest = [name for name in grid if name not in point]
    if not rest:
        return _texts(cells[_name(point)].drop_attrs(deep=False), "U", object)  # or a join cuts them to the shortest
    values = list(grid[rest[0]])
    parts = [_concat(cells, grid, {**point, rest[0]: value}) for value in values]
    return xr.concat(parts, pd.Index(values, name=rest[0]), coords="minimal", compat="override", join="outer")


def _texts(ds: xr.Dataset, kinds: str, dtype: type) -> xr.Dataset:
    return ds.assign_coords({name: c.astype(dtype) for name, c in ds.coords.items() if c.dtype.kind in kinds})


def _folder() -> Path:
    return datasets._data_folder() / "runs"


@contextmanager
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with threadpool_limits(1):  # NumPy's and SciPy's own
            yield
    finally:
        torch.set_num_threads(before)


def _read(path: Path, group: str | None = None) -> xr.Dataset:
    return _texts(xr.load_dataset(path, group=group), "OT", str)


def _write(ds: xr.Dataset, path: Path, check: xr.Dataset | None = None) -> None:
    """As compressed NetCDF-4, float32; an older file stays whole until the new one is complete."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        parts: list[tuple[xr.Dataset | None, str | None, Any]] = [(ds, None, "w"), (check, "check", "a")]
        for part, group, mode in parts:
            if part is not None:
                packed = {"zlib": True, "complevel": 9, "shuffle": True}
                numbers: dict[str, Any] = {
                    str(k): dict(packed) for k, v in part.data_vars.items() if v.dtype.kind in "fi"
                }
                for name in numbers:
                    numbers[name]["dtype"] = "f4" if part[name].dtype.kind == "f" else "i4"
                part.to_netcdf(beside, mode=mode, group=group, engine="netcdf4", encoding=numbers)
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)
