"""Experiments: a grid of settings, a model trained at every point, and what is measured of it as one Dataset.

- `sweep` runs a grid of your own on your own data.
- `record` runs one of the course's experiments (`EXPERIMENTS`) and writes its file, data/runs/NAME.nc; `open_run` opens
  it. On the command line: `python -m dgkit.experiments list`, `... record NAME` and `... record --all`.
- `checkpoints` lists trained states that the course goes on from.

Every point is a cell. A finished one is kept in a file of its own, written beside and renamed, so that a run may be
stopped at any time and a second one computes only what is missing. Cells are computed on one thread, which is what
"the same seed gives the same model" asks for. Left out: many machines.
"""

import argparse
import hashlib
import itertools
import json
import multiprocessing
import os
import platform
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
import xarray as xr
from tqdm.auto import tqdm

from dgkit import baselines, datasets, metrics, simulate, whatif
from dgkit.config import Config
from dgkit.errors import ConfigError, FileFormatError
from dgkit.model import DoppelGANger
from dgkit.trainer import Trainer

CELLS = Path("build") / "cells"  # finished cells of recordings, in the current folder
SETTINGS = {item.name for item in fields(Config)}
Point = dict[str, Any]  # one value for each dim of a grid


@dataclass(frozen=True)
class Experiment:
    """A recorded experiment.

    Parameters
    ----------
    question : str
        What it answers.
    data : callable
        The training data at a point of the grid.
    cell : callable
        (training data, Config, point) -> Dataset: trains a model and measures it.
    base : Config
        Settings that the grid does not name.
    grid : mapping
        For each dim its values; a mapping of names to changes of `base` where a value stands for several settings.
    check : mapping
        Steps, and the point, of a short run that the file also holds: the tests run it again.
    """

    question: str
    data: Callable[[Point], xr.Dataset]
    cell: Callable[[xr.Dataset, Config, Point], xr.Dataset]
    base: Config
    grid: Mapping[str, Sequence | Mapping[str, Mapping[str, Any]]]
    check: Mapping[str, Any] = field(default_factory=dict)

    def config(self, point: Point, **changes: Any) -> Config:
        """The settings at a point."""
        for name, value in point.items():
            values = self.grid[name]
            if isinstance(values, Mapping):
                changes = {**values[value], **changes}
            elif name in SETTINGS:
                changes = {name: value, **changes}
        return replace(self.base, **changes)


class Checkpoint(NamedTuple):
    """A recorded training state: `Trainer.load(path, train)` goes on from it, where `train` is `data()`."""

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

    def default(model: DoppelGANger) -> xr.Dataset:
        return xr.Dataset(metrics.evaluate(train, model.sample(1000, seed=1)).data_vars)

    def cell(data: xr.Dataset, config: Config, point: Point) -> xr.Dataset:
        return (measure or default)(_model(data, config))

    experiment = Experiment("sweep", lambda point: train, cell, base, grid)
    configs = [experiment.config(point) for point in _points(grid)]  # all are checked before the first is trained
    cells = {}
    for point, config in zip(tqdm(_points(grid), unit="model", disable=not progress), configs, strict=True):
        path = Path(folder) / f"{_key(config, point, data_hash(train))}.nc" if folder is not None else None
        cells[_name(point)] = _cell(experiment, point, config, path)
    return _assemble(cells, grid)


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
    """
    experiment = _experiment(name)
    folder = Path(cells) / name
    folder.mkdir(parents=True, exist_ok=True)
    points = _points(experiment.grid)
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
    """The short run of a recorded experiment, computed again: what `open_run(name, group="check")` should hold."""
    return _check_cell(_experiment(name))


def checkpoints() -> dict[str, Checkpoint]:
    """The recorded training states by name.

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


# --- what is trained, and what is measured --------------------------------------------------------------------------


def _models(train: xr.Dataset, config: Config, looks: int) -> Iterator[tuple[int, float, DoppelGANger]]:
    """Train; `looks` times on the way, evenly spaced: steps, CPU-seconds of training so far, and the model."""
    at = set(np.linspace(0, config.steps, looks + 1)[1:].round().astype(int).tolist())
    trainer = Trainer(train, config)
    before, looked = time.process_time(), 0.0
    for record in trainer:
        if record.step in at:
            took = time.process_time() - before - looked
            yield record.step, took, trainer.model
            looked = time.process_time() - before - took  # what the caller does with the model is no training


def _model(train: xr.Dataset, config: Config) -> DoppelGANger:
    return next(model for _, _, model in _models(train, config, 1))


def _of_levels(series: xr.DataArray) -> xr.Dataset:
    """Three numbers for the size of each series, as quantiles over the series: enough for a histogram or a CDF."""
    q = (np.arange(250) + 0.5) / 250
    numbers = {
        "mid_range": metrics.mid_range(series),
        "half_range": metrics.half_range(series),
        "median_day": series.median("time"),
    }
    quantiles = {k: ("quantile", np.quantile(v, q), {"units": series.attrs["units"]}) for k, v in numbers.items()}
    return xr.Dataset(quantiles, {"quantile": q})


def _web_metrics(real: xr.Dataset, made: xr.Dataset) -> xr.Dataset:
    """Of generated web data against `real`: memory, levels, variety, attributes."""
    a, b = real.views, made.views
    mids, halves, medians = (
        [f(x) for x in (a, b)] for f in (metrics.mid_range, metrics.half_range, lambda x: x.median("time"))
    )
    decades, shares = {"units": "decades"}, {"units": "1"}
    names = ["domain", "access", "agent"]
    divergences = [metrics.jensen_shannon(real[name], made[name]) for name in names]
    modes = metrics.distinct_modes(a, b)
    return xr.Dataset(
        {
            "autocorrelation_mse": ((), metrics.autocorrelation_mse(a, b), shares),
            "value_wasserstein": ((), metrics.wasserstein(a, b, scale="log"), decades),
            "mid_range_wasserstein": ((), metrics.wasserstein(*mids, scale="log"), decades),
            "half_range_wasserstein": ((), metrics.wasserstein(*halves, scale="log"), decades),
            "range_coverage": ((), metrics.range_coverage(*mids, scale="log"), shares),
            "median_day_coverage": ((), metrics.range_coverage(*medians, scale="log"), shares),
            "distinct_modes": ((), int(modes.sel(source="generated")), shares),
            "real_modes": ((), int(modes.sel(source="real")), shares),
            "change_wasserstein": ((), metrics.wasserstein(*map(_changes, (a, b))), decades),
            "largest_rise_wasserstein": ((), metrics.wasserstein(*(_changes(x).max(1) for x in (a, b))), decades),
            "components": ((), _components(b), shares),
            "real_components": ((), _components(a), shares),
            "attribute_divergence": ("attribute", divergences, {"units": "bits"}),
        },
        {"attribute": names},
    )


def _changes(series: xr.DataArray) -> np.ndarray:
    """Decades from each day to the next."""
    return np.diff(np.log10(series.transpose("sample", "time").values), axis=1)


def _components(series: xr.DataArray) -> int:
    """Principal components that hold 95 % of the variance of the shapes (log, each series less its mean)."""
    shapes = np.log10(series.transpose("sample", "time").values.astype(np.float64))
    shapes -= shapes.mean(1, keepdims=True)
    share = np.linalg.svd(shapes - shapes.mean(0), compute_uv=False) ** 2
    return int(np.searchsorted(share.cumsum(), 0.95 * share.sum())) + 1


def _collapse_cell(train: xr.Dataset, config: Config, point: Point) -> xr.Dataset:
    made = _model(train, config).sample(3000, seed=1)
    examples = made.views.isel(sample=slice(4)).values
    result = xr.merge([_web_metrics(train, made), _of_levels(made.views)])
    return result.assign(examples=(("example", "time"), examples, {"units": "views/day"}))


def _sample_len_cell(train: xr.Dataset, config: Config, point: Point) -> xr.Dataset:
    steps, seconds, measured = [], [], []
    for step, took, model in _models(train, config, 4):
        made = model.sample(2000, seed=1)
        measured.append(_web_metrics(train, made))
        steps.append(step)
        seconds.append(took)
    curve = metrics.autocorrelation(made.views).drop_vars("series")
    result = xr.concat(measured, pd.Index(steps, name="step"))
    timed = ("step", seconds, {"units": "s", "long_name": "CPU time of training, one thread"})
    return result.assign(training_seconds=timed, autocorrelation=curve)


def _size_cell(train: xr.Dataset, config: Config, point: Point) -> xr.Dataset:
    truth = simulate.web(5000, seed=10_000)
    made = _model(train, config).sample(3000, seed=1)
    given = _web_metrics(truth, train)  # how far the training data themselves are from the truth, by chance
    return xr.merge([_web_metrics(truth, made), given.rename({name: f"data_{name}" for name in given.data_vars})])


def _event_cell(train: xr.Dataset, config: Config, point: Point) -> xr.Dataset:
    if point["model"] == "naive GAN":
        made = baselines.fit("naive_gan", train, seed=config.seed, steps=config.steps).sample(3000, 1)
    else:
        made = _model(train, config).sample(3000, seed=1)
    report = metrics.evaluate(train, made)
    events = train.end_event.attrs["categories"]
    conditional = metrics.conditional_distances(train, made, "end_event", statistic="mid_range").distance
    return xr.Dataset(
        {
            "end_event_share": ("end_event", [float((made.end_event == event).mean()) for event in events]),
            "attribute_divergence": report.attribute_jensen_shannon,
            "joint_attribute_divergence": report.joint_attribute_jensen_shannon,
            "length_wasserstein": report.length_wasserstein,
            "conditional_wasserstein": conditional.rename(value="end_event").reindex(end_event=events),
        },
        {"end_event": events},
    ).drop_vars("units")


def _auxiliary_cell(train: xr.Dataset, config: Config, point: Point) -> xr.Dataset:
    made = _model(train, config).sample(3000, seed=1)
    joint = metrics.evaluate(train, made).joint_attribute_jensen_shannon
    conditional = [
        float(metrics.conditional_distances(train, made, name, statistic="mid_range", scale="log").distance.mean())
        for name in ("domain", "access", "agent")
    ]
    result = xr.merge([_web_metrics(train, made), _of_levels(made.views)])
    return result.assign(
        joint_attribute_divergence=joint, conditional_wasserstein=("attribute", conditional, {"units": "decades"})
    )


def _what_if_cell(train: xr.Dataset, config: Config, point: Point) -> xr.Dataset:
    """Answers to "what if more of the jobs were large?" against the simulator's, from a slight shift to a large one."""
    _, training_seconds, model = next(_models(train, config, 1))
    capacity, classes = point["capacity"], simulate.JOB_CLASSES
    today = simulate.cluster(10_000, seed=10_000, capacity=capacity)
    retraining = min(500, config.steps)
    shifts, rows = (0.0, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5), []  # total variation, from small and medium to large
    for shift in shifts:
        mix = {name: job.share * (1 - shift / (1 - classes["large"].share)) for name, job in classes.items()}
        mix["large"] = classes["large"].share + shift
        target = {"job_class": mix}
        truth = simulate.cluster(10_000, seed=20_000, mix=target, capacity=capacity)
        start = time.perf_counter()
        changed = whatif.retrain_attributes(model, target, steps=retraining, seed=config.seed, progress=False)
        seconds = time.perf_counter() - start
        odds = np.array([mix[name] / classes[name].share for name in today.job_class.values])
        answers = {
            "retrained model": changed.sample(4000, seed=1),
            # a model without error of today's P(series | attributes)
            "reweighted jobs": today.isel(sample=np.random.default_rng(0).choice(10_000, 4000, p=odds / odds.sum())),
            "truth again": simulate.cluster(4000, seed=30_000, mix=target, capacity=capacity),  # chance alone
        }
        distances = [_job_distances(truth, answer) for answer in answers.values()]
        made = [float((answers["retrained model"].job_class == name).mean()) for name in classes]
        rates = whatif.rejection_sample(model, target, 2000, seed=1).attrs
        row = {
            "true_cpu_used": _cpu_used(truth),
            "offered_load": simulate.cluster_load(target, capacity=capacity),
            "job_share": ("job_class", list(mix.values())),
            "retrained_job_share": ("job_class", made),
            "retraining_seconds": seconds,
            **{name: rates[name] for name in ("acceptance_rate", "expected_acceptance_rate")},
        }
        rows.append(xr.concat(distances, pd.Index(list(answers), name="answer")).assign(row))
    result = xr.concat(rows, pd.Index(shifts, name="shift")).assign_coords(job_class=list(classes))
    return result.assign(training_seconds=training_seconds)


def _job_distances(truth: xr.Dataset, answer: xr.Dataset) -> xr.Dataset:
    """How far an answer is from the truth: CPU rates, lengths and ends of the jobs; and the CPU that they use."""
    rates = [ds.cpu_rate.mean("time") for ds in (truth, answer)]
    return xr.Dataset(
        {
            "cpu_rate_wasserstein": ((), metrics.wasserstein(*rates), {"units": "1"}),
            "length_wasserstein": ((), metrics.wasserstein(truth.length, answer.length), {"units": "steps"}),
            "end_event_divergence": ((), metrics.jensen_shannon(truth.end_event, answer.end_event), {"units": "bits"}),
            "cpu_used": ((), _cpu_used(answer), {"units": "1", "long_name": "CPU used (share of a machine)"}),
        }
    )


def _cpu_used(jobs: xr.Dataset) -> float:
    """Share of a machine in use: the jobs that arrive in a step times what one uses in its life."""
    return simulate.ARRIVALS * float(jobs.cpu_rate.sum("time").mean())


def _shipped(name: str) -> Callable[[Point], xr.Dataset]:
    return lambda point: datasets.open_dataset(name)


_WEB = Config(steps=700, sample_len=7, ema=0.99)
EXPERIMENTS = {
    "mode_collapse": Experiment(
        "What does auto-normalisation do for data that span decades?",
        lambda point: simulate.web(3000, seed=0, decades=point["decades"]),
        _collapse_cell,
        _WEB,
        {
            "normalisation": {"off": {"auto_normalise": False}, "on": {}},
            "decades": (1.0, 2.0, 3.0, 4.0),
            "seed": (0, 1, 2),
        },
        {"steps": 12, "normalisation": "off", "decades": 3.0, "seed": 0},
    ),
    "sample_len": Experiment(
        "How many steps should one LSTM pass make?",
        _shipped("web"),
        _sample_len_cell,
        replace(_WEB, steps=600),
        {"sample_len": (1, 2, 4, 7, 14, 28, 84, 168), "seed": (0, 1, 2)},
        {"steps": 12, "sample_len": 7, "seed": 0},
    ),
    "training_size": Experiment(
        "How many training samples does it take?",
        lambda point: simulate.web(point["samples"], seed=point["seed"]),
        _size_cell,
        replace(_WEB, steps=600, sample_len=84),  # the sample_len that learns fastest
        {"samples": (100, 300, 1000, 3000, 10_000), "seed": (0, 1, 2)},
        {"steps": 12, "samples": 100, "seed": 0},
    ),
    "event_types": Experiment(
        "Are the attributes right where one network makes everything at once?",
        _shipped("cluster"),
        _event_cell,
        Config(steps=1000, sample_len=5, ema=0.99),
        {
            "model": {
                "DoppelGANger": {},
                "no averaging": {"ema": 0.0},
                "no auxiliary": {"auxiliary": False},
                "naive GAN": {},
            },
            "seed": (0, 1, 2, 3, 4),
        },
        {"steps": 12, "model": "naive GAN", "seed": 0},
    ),
    "auxiliary": Experiment(
        "What does the auxiliary discriminator do?",
        _shipped("web"),
        _auxiliary_cell,
        replace(_WEB, steps=500, minmax_scale="linear"),
        {"auxiliary": (False, True), "seed": (0, 1, 2)},
        {"steps": 12, "auxiliary": True, "seed": 0},
    ),
    "whatif": Experiment(
        "How far may the attributes be shifted before P(series | attributes) no longer holds?",
        lambda point: simulate.cluster(2000, seed=point["seed"], capacity=point["capacity"]),
        _what_if_cell,
        Config(steps=1500, sample_len=5, ema=0.99),
        {"capacity": (1.0, 1000.0), "seed": (0, 1, 2, 3, 4)},  # a machine of 1000 is never exhausted
        {"steps": 12, "capacity": 1.0, "seed": 0},
    ),
}


# --- cells ----------------------------------------------------------------------------------------------------------


def _experiment(name: str) -> Experiment:
    if name not in EXPERIMENTS:
        raise ConfigError(f"no experiment {name!r}; there are {', '.join(map(repr, EXPERIMENTS))}.")
    return EXPERIMENTS[name]


def _points(grid: Mapping[str, Any]) -> list[Point]:
    return [dict(zip(grid, values, strict=True)) for values in itertools.product(*grid.values())]


def _name(point: Point) -> str:
    return json.dumps(point, sort_keys=True, default=str)


def _key(config: Config, point: Point, data: str) -> str:
    """A file name that changes with everything a cell depends on but the code."""
    settings = {k: v for k, v in asdict(config).items() if v is not None}  # a switch that is off changes nothing
    text = json.dumps([settings, _name(point), data, version("dgkit")], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:20]


def data_hash(ds: xr.Dataset) -> str:
    """SHA-256 of a dataset's names, dims, coordinates and values, whatever file format they came from."""
    digest = hashlib.sha256()
    for name in sorted(map(str, ds.variables)):
        values = ds[name].values
        values = values.astype("U") if values.dtype.kind in "OST" else values
        digest.update(f"{name} {ds[name].dims} {values.shape} {values.dtype.kind}".encode())
        digest.update("\0".join(values.ravel()).encode() if values.dtype.kind == "U" else values.tobytes())
    return digest.hexdigest()


def _cell(experiment: Experiment, point: Point, config: Config, path: Path | None) -> xr.Dataset:
    """One cell: from its file, or computed and written there."""
    if path is not None and path.exists():
        return _read(path)
    train = experiment.data(point)
    start = time.perf_counter()
    with _one_thread():
        cell = experiment.cell(train, config, point)
    cell = cell.assign(seconds=((), time.perf_counter() - start, {"units": "s", "long_name": "wall time of the cell"}))
    cell.attrs = {
        "data": data_hash(train),
        "data_history": str(train.attrs.get("history", "")),
        "versions": json.dumps({name: version(name) for name in ("dgkit", "torch", "numpy", "xarray", "numba")}),
        "machine": f"{platform.system()} {platform.machine()}, Python {platform.python_version()}, one thread",
    }
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        _write(cell, path)
        return _read(path)  # as a second call will find it
    return cell


def _check(experiment: Experiment) -> tuple[Point, Config]:
    point = {name: value for name, value in experiment.check.items() if name != "steps"}
    return point, experiment.config(point, steps=experiment.check["steps"])


def _check_cell(experiment: Experiment) -> xr.Dataset:
    return _cell(experiment, *_check(experiment), None)


def _task(experiment: Experiment, k: int) -> tuple[Point, Config]:
    """Point and settings of cell k; of the check for -1."""
    if k < 0:
        return _check(experiment)
    point = _points(experiment.grid)[k]
    return point, experiment.config(point)


def _path(experiment: Experiment, folder: Path, k: int) -> Path:
    point, config = _task(experiment, k)
    return folder / f"{_key(config, point, '')}.nc"


def _compute(name: str, folder: Path, k: int) -> None:
    experiment = EXPERIMENTS[name]
    _cell(experiment, *_task(experiment, k), _path(experiment, folder, k))


def _assemble(cells: Mapping[str, xr.Dataset], grid: Mapping[str, Any], point: Point | None = None) -> xr.Dataset:
    """One Dataset over the grid's dims."""
    point = point or {}
    rest = [name for name in grid if name not in point]
    if not rest:
        return cells[_name(point)].drop_attrs(deep=False)
    values = list(grid[rest[0]])
    parts = [_assemble(cells, grid, {**point, rest[0]: value}) for value in values]
    return xr.concat(parts, pd.Index(values, name=rest[0]), coords="minimal", compat="override", join="outer")


def _folder() -> Path:
    return datasets._data_folder() / "runs"


@contextmanager
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _read(path: Path, group: str | None = None) -> xr.Dataset:
    ds = xr.load_dataset(path, group=group)
    return ds.assign_coords({k: v.astype(str) for k, v in ds.coords.items() if v.dtype.kind in "OT"})


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


def main(arguments: list[str] | None = None) -> None:
    """`python -m dgkit.experiments list | record NAME ... [--all] [--jobs N] [--out data/runs]`."""
    parser = argparse.ArgumentParser(prog="python -m dgkit.experiments", description="The course's recorded runs.")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("list", help="what there is, and whether it was recorded")
    recording = commands.add_parser("record", help="run what is missing, and write the files; may be stopped any time")
    recording.add_argument("names", nargs="*", metavar="NAME", help=", ".join([*EXPERIMENTS, "checkpoints"]))
    recording.add_argument("--all", action="store_true", help="all of them")
    recording.add_argument("--jobs", type=int, default=1, help="processes, one thread each (default: 1)")
    recording.add_argument("--out", type=Path, default=_folder(), help="folder to write to (default: %(default)s)")
    recording.add_argument("--cells", type=Path, default=CELLS, help="folder of cells (default: %(default)s)")
    options = parser.parse_args(arguments)
    if options.command == "list":
        for name, experiment in EXPERIMENTS.items():
            done = "recorded" if (_folder() / f"{name}.nc").exists() else "missing"
            print(f"{name:14} {done:9} {len(_points(experiment.grid)):3} cells  {experiment.question}")
        return
    names = [*EXPERIMENTS, "checkpoints"] if options.all else options.names
    unknown = [name for name in names if name not in (*EXPERIMENTS, "checkpoints")]
    if unknown or not names:
        parser.error(f"{f'no experiment {unknown[0]!r}' if unknown else 'no NAME'}; see `list`, or use --all")
    for name in names:
        if name == "checkpoints":
            _record_checkpoint(options.out / "checkpoints" / "web_s7.state")
        else:
            path = record(name, out=options.out, cells=options.cells, jobs=options.jobs)
            print(f"{path}: {path.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
