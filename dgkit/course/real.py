"""Chapter 11's recorded run, on real data: models at equal CPU seconds.

`real` trains each model on one half of the data and holds it against the other half. "two halves" is what chance gives:
the training half itself in place of a model. The surrogate, which has real spectra and no training, comes next. A model
trains until its CPU seconds (`budget`, of one thread) are spent, or until its own end where that comes first ("full" of
`baselines.BUDGETS`). So the steps hang on the processor, and a run cannot be repeated bit for bit; steps and seconds
are in the file. What a model cannot do stands in `cannot`. `real_peers` has what other libraries' models made, which
tests/benchmarks/peers.py lets them make, `real_long` ten minutes in place of one, `real_simulated` a minute on the
three simulated sets, and `real_quarter` a quarter of that on simulated pages; `table` holds all of them.
`real_normalisation` is of chapter 02, `real_sample_len` of chapter 03.

The data are not dgkit's: MBA is fetched (`open_dataset("mba")`); in the folder that the environment variable
DGKIT_CACHE names are the pages, wwt_pages.nc, 3,589 Wikipedia pages of 550 days from Kaggle's web-traffic file, and the
jobs, gcut2011_merged.nc, 251 of Google's cluster trace of 2011 by the hour, 24 to 240 of them.
"""

import contextlib
import ctypes
import gc
import math
import os
import time
from collections.abc import Callable
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import xarray as xr

from dgkit import _netcdf, baselines, datasets, downstream, metrics
from dgkit._cells import Point, read
from dgkit.core.config import Config
from dgkit.core.trainer import Trainer
from dgkit.course.experiment import Experiment
from dgkit.course.store import open_run
from dgkit.errors import DgkitError, SchemaError
from dgkit.schema import validate

MODELS = (
    "two halves", "surrogate", "flow_matching", "doppelganger", "doppelganger, defaults", "naive_gan", "ar", "hmm",
    "rnn", "rcgan", "timegan", "market",
)  # fmt: skip
SIMULATED = ("web", "cluster", "broadband")
PEERS = {  # other libraries' models: their name in tests/benchmarks/peers.py, and whether their settings match ours
    "gretel dgan": ("dgan", True), "gretel dgan, defaults": ("dgan", False), "sdv par": ("par", True),
    "sdv par, defaults": ("par", False), "mostlyai argn": ("argn", True), "mostlyai argn, defaults": ("argn", False),
}  # fmt: skip
RUNS = ("real", "real_peers", "real_simulated", "real_long", "real_quarter")  # of which the table is made
BY_LENGTH = ("flow_matching", "timegan")  # their training hangs on how many steps it is to have
REHEARSAL = 1 / 10  # of the budget, and not counted: to find out how many steps fit
FILES = {"pages": "wwt_pages.nc", "jobs": "gcut2011_merged.nc"}
FLOOR = 1e-7  # of the largest value: what a logarithm takes for zero
KEPT = (  # of `metrics.evaluate`
    "autocorrelation_mse", "autocorrelation_mse_weighted", "value_wasserstein_relative", "value_wasserstein_decades",
    "mid_range_wasserstein_relative", "mid_range_wasserstein_decades", "half_range_wasserstein_relative",
    "half_range_wasserstein_decades", "range_coverage", "distinct_modes_ratio", "attribute_jensen_shannon",
    "attribute_jensen_shannon_chance", "joint_attribute_jensen_shannon", "joint_attribute_jensen_shannon_chance",
    "attribute_wasserstein", "length_wasserstein", "cross_correlation_wasserstein",
)  # fmt: skip
COPIES = ("nearest_neighbour_ratio", "nearest_neighbour_ratio_low", "copied_share")


# --- measures ---------------------------------------------------------------------------------------------------------


def measured(train: xr.Dataset, held_out: xr.Dataset, made: xr.Dataset) -> xr.Dataset:
    """How close `made` is to what its model has not seen; copies are of what it has."""
    report = metrics.evaluate(held_out, made)
    copies = metrics.evaluate(train, held_out if made is train else made)
    names = report.feature.values.tolist()
    shares: list[list[float]] = []
    for name in names:
        floor = float(held_out[name].max()) * FLOOR
        pairs = zip(changes(held_out[name], floor), changes(made[name], floor), strict=True)
        shares.append([metrics.wasserstein(a, b) / _spread(a) for a, b in pairs])
    result = xr.Dataset({name: report[name] for name in KEPT if name in report})
    result = result.assign(
        {name: copies[name] for name in COPIES}
        | {
            "autocorrelation": report.autocorrelation.sel(source="generated", drop=True),
            "step_wasserstein": ("feature", [share[0] for share in shares]),
            "largest_rise_wasserstein": ("feature", [share[1] for share in shares]),
            "conditional_total": _conditional(held_out, made, names),
            "told_apart": told_apart(held_out, made),
            "useful": useful(made, held_out),
        }
    )
    return result.drop_vars("feature_units")


def changes(series: xr.DataArray, floor: float) -> tuple[np.ndarray, np.ndarray]:
    """All steps, and each series' largest rise; of logarithms, of `floor` at least, where the scale is one."""
    steps = np.diff(on_scale(series, floor), axis=1)
    rises = np.nanmax(np.where(np.isnan(steps), -np.inf, steps), 1)
    return steps[np.isfinite(steps)], rises[np.isfinite(rises)]


def on_scale(series: xr.DataArray, floor: float) -> np.ndarray:
    """Values (sample, time); logarithms, of `floor` at least, where their scale is one."""
    values = series.transpose("sample", "time").values.astype(np.float64)
    return np.log10(np.maximum(values, floor)) if series.attrs.get("scale") == "log" else values


def _spread(values: np.ndarray) -> float:
    """How far they are from their median on average, which a distance is a share of."""
    return max(float(np.abs(values - np.median(values)).mean()), 1e-12)


def _conditional(real: xr.Dataset, made: xr.Dataset, names: list[str]) -> xr.DataArray:
    """Distance of the series' totals among the samples of each attribute value, a mean by their real numbers.

    As a share of how far real totals are from their median, on the feature's scale. Of a value that no sample of `made`
    has, the median of all real totals stands for its samples: who makes none of the values has 1.
    """
    schema = validate(real, training=False)
    attributes = [variable.name for variable in schema.attributes if variable.kind == "categorical"]
    table = xr.DataArray(np.nan, {"feature": names, "attribute": attributes}, ("feature", "attribute"))
    for name in names:
        sums = [ds[name].sum("time", min_count=1, keep_attrs=True).expand_dims("time") for ds in (real, made)]
        ours, theirs = (on_scale(one, float(sums[0].max()) * FLOOR)[:, 0] for one in sums)
        known = ours[~np.isnan(ours)]
        middle, size = np.array([np.median(known)]), _spread(known)
        for attribute in attributes:
            far = 0.0
            for value in np.unique(real[attribute].values):
                groups = (one[ds[attribute].values == value] for one, ds in ((ours, real), (theirs, made)))
                a, b = (group[~np.isnan(group)] for group in groups)
                if a.size:
                    far += a.size / known.size * metrics.wasserstein(a, b if b.size else middle)
            table.loc[name, attribute] = far / size
    return table


def told_apart(real: xr.Dataset, made: xr.Dataset, *, seed: int = 0) -> float:
    """Share of real and generated series that a random forest tells apart (a classifier two-sample test).

    It sees of each feature the quantiles of values and of steps, and the power spectrum in 20 bands, and the
    attributes; three-fold cross-validation, as many of each kind. 0.5 where it can but guess.

    Source
    ------
    Lopez-Paz and Oquab 2017, "Revisiting classifier two-sample tests".
    """
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.model_selection import cross_val_score

    n, q = min(real.sizes["sample"], made.sizes["sample"]), np.linspace(0, 1, 21)
    columns: list[list[np.ndarray]] = [[], []]
    for variable in validate(real, training=False).features + validate(real, training=False).attributes:
        pair = [ds[variable.name].isel(sample=slice(n)) for ds in (real, made)]
        for own, some in zip(columns, pair, strict=True):
            if variable.kind == "categorical":
                own += [some.values == value for value in variable.categories] if some.ndim == 1 else []
                continue
            if some.ndim == 1:
                own.append(some.values)
                continue
            values = on_scale(some, float(pair[0].max()) * FLOOR)
            own += [*np.nanquantile(values, q, axis=1), *np.nanquantile(np.diff(values, axis=1), q, axis=1)]
            filled = np.nan_to_num(values - np.nanmean(values, 1, keepdims=True))
            power = np.abs(np.fft.rfft(filled)[:, 1:]) ** 2
            own += [np.log10(band.mean(1) + 1e-12) for band in np.array_split(power, min(20, power.shape[1]), 1)]
    table = np.concatenate([np.column_stack(own) for own in columns])
    forest = RandomForestClassifier(60, min_samples_leaf=5, random_state=seed)
    order = np.random.default_rng(seed).permutation(2 * n)
    return float(cross_val_score(forest, table[order], order < n, cv=3).mean())


def useful(made: xr.Dataset, held_out: xr.Dataset) -> xr.DataArray:
    """Trained on generated, tested on real data: accuracy of how a job ends, or R² of a forecast; dims (algorithm,).

    Zeros are the smallest value of `held_out` where the scale is logarithmic: so each model is asked for the same
    numbers.
    """
    try:
        if "end_event" not in held_out:
            scores = downstream._forecast(made, held_out, like=held_out, draws=1).r2
        elif np.unique(made.end_event).size == 1:
            raise SchemaError("all generated jobs end the same way.")
        else:
            scores = downstream._events(made, held_out, like=held_out, draws=1).accuracy
    except SchemaError:
        return xr.DataArray(np.empty(0), {"algorithm": np.empty(0, str)}, ("algorithm",))
    return scores.rename({scores.dims[0]: "algorithm"})


# --- cells ------------------------------------------------------------------------------------------------------------


def as_published(name: str) -> xr.Dataset:
    """The data by name. Raises DgkitError where they are not."""
    if name not in FILES:
        return datasets.open_dataset(name)
    path = Path(os.environ.get("DGKIT_CACHE", ".")) / FILES[name]
    if not path.exists():
        raise DgkitError(f"no {name} in {str(path)!r}. DGKIT_CACHE=FOLDER says where {FILES[name]} is.")
    ds = _netcdf.read(path)
    if name == "jobs":  # without what names a job, and who ran it when
        ds = ds.drop_vars(["job_id", "user", "start_day", "end_day"])
        ds = ds.assign(scheduling_class=ds.scheduling_class.astype(str))
    return ds


def real_data(name: str) -> xr.Dataset:
    """The data by name, exact zeros of loss as events. Raises DgkitError where they are not."""
    ds = as_published(name)
    if "ping_loss" in ds:
        ds.ping_loss.attrs["zeros"] = "inflated"  # which all models heed: see chapter 10
    return ds


def halves(point: Point) -> tuple[xr.Dataset, xr.Dataset]:
    """The half to train on, and the one held out."""
    return datasets.split(real_data(point["data"]), 0.5, point["seed"])


def _real_cell(train: xr.Dataset, config: Config, point: Point) -> xr.Dataset:
    held_out = halves(point)[1]
    made, costs, steps = train, {"training_seconds": 0.0, "sampling_seconds": 0.0, "memory": np.nan}, 0
    if point["model"] != "two halves":
        forget_peak()
        try:
            model, steps, costs["training_seconds"] = trained(train, config, point)
            start = time.process_time()
            made = model.sample(held_out.sizes["sample"], seed=1)
            costs["sampling_seconds"] = time.process_time() - start
        except DgkitError as error:
            return xr.Dataset({"cannot": str(error)})
        costs["memory"] = peak()
    return _with_costs(measured(train, held_out, made), costs, steps)


def _with_costs(cell: xr.Dataset, costs: dict[str, float], steps: int) -> xr.Dataset:
    units = {"units": "s", "long_name": "CPU time, one thread"}
    kinds = dict.fromkeys(costs, units) | {"memory": {"units": "MB", "long_name": "peak memory of the process"}}
    return cell.assign({k: ((), v, kinds[k]) for k, v in costs.items()} | {"steps": steps, "cannot": ""})


def _peer_cell(train: xr.Dataset, config: Config, point: Point) -> xr.Dataset:
    """What another library's model made, measured as ours are."""
    if point["model"] not in PEERS:
        return _real_cell(train, config, point)
    path = Path(os.environ.get("DGKIT_PEERS", ".")) / peer_file(point)
    if not path.exists():
        raise DgkitError(
            f"no {str(path)!r}. DGKIT_PEERS=FOLDER says where it is; python -m tests.benchmarks.peers makes it."
        )
    made = read(path)
    costs = {name: float(made.attrs.get(name, np.nan)) for name in ("training_seconds", "sampling_seconds", "memory")}
    if made.attrs["cannot"]:
        return xr.Dataset({"cannot": made.attrs["cannot"]})
    return _with_costs(measured(train, halves(point)[1], made), costs, int(made.attrs["steps"]))


def peer_file(point: Point) -> str:
    """The name of the file in which what a peer made at a point is."""
    return f"{'-'.join(str(value) for value in point.values())}.nc".replace(", ", "-").replace(" ", "-")


def _doppelganger_cell(train: xr.Dataset, config: Config, point: Point) -> xr.Dataset:
    """DoppelGANger after some hundred steps, or so many CPU seconds, by the measures of chapters 02 and 03."""
    held_out, trainer = halves(point)[1], Trainer(train, config)
    start = time.process_time()
    for _ in trainer:
        if time.process_time() - start >= point.get("budget", math.inf):
            break
    spent = time.process_time() - start
    made = trainer.model.sample(held_out.sizes["sample"], seed=1)
    report = metrics.evaluate(held_out, made)
    cell = xr.Dataset({name: report[name] for name in KEPT if name in report})
    (name,) = report.feature.values
    floor = float(held_out[name].max()) * FLOOR
    pairs = zip(changes(held_out[name], floor), changes(made[name], floor), strict=True)
    step, rise = (metrics.wasserstein(a, b) / _spread(a) for a, b in pairs)
    days = [ds[name].median("time", keep_attrs=True) for ds in (held_out, made)]
    curve = report.autocorrelation.sel(source="generated", drop=True)
    return (
        cell.drop_vars("feature_units")
        .isel(feature=0, drop=True)
        .assign(
            autocorrelation=curve.isel(feature=0, drop=True),
            step_wasserstein=step,
            largest_rise_wasserstein=rise,
            median_day_coverage=metrics.range_coverage(*days, scale="log"),
            training_seconds=spent,
            steps=trainer.step,
        )
    )


def trained(train: xr.Dataset, config: Config, point: Point) -> tuple[Any, int, float]:
    """The model after `budget` CPU seconds, or at its own end; its steps, and the seconds that they took."""
    seconds, most = point["budget"], config.steps
    if point["model"] in BY_LENGTH:
        most = _steps_that_fit(lambda steps: _training(train, config, point, steps), seconds, most)
    start = time.process_time()
    run = _training(train, config, point, most)
    for _ in run:
        if time.process_time() - start >= seconds:
            break
    return run.model, run.step, time.process_time() - start


def _training(train: xr.Dataset, config: Config, point: Point, steps: int) -> Any:
    name = point["model"]
    if name.startswith("doppelganger"):
        settings = {} if "default" in name else doppelganger(point["data"])
        return Trainer(train, replace(config, steps=steps, **settings))
    end = import_module(f"dgkit.baselines.{name}").STEPS["full"]
    return baselines.training(name, train, seed=point["seed"], steps=min(steps, end))


def doppelganger(data: str) -> dict[str, Any]:
    """Settings for these data: those that a forest told apart from real ones least of what was tried, or nearly.

    Of pages three seeds, of homes and jobs one, of 20 CPU seconds: tests/benchmarks/levers.py has the numbers.
    """
    bursts = {"feature_noise": 30, "minmax_scale": "log_values", "ema": 0.99}
    match data:
        case "pages":
            return bursts | {"sample_len": 25, "full_range": True}
        case "mba":  # without `full_range`, which does not go with exact zeros that are events
            return bursts | {"sample_len": 4}
        case "jobs":  # the paper's S; levels, values and attributes nearer than without the rest, steps farther
            return bursts | {"sample_len": 5, "full_range": True}
        case _:  # of simulated data
            return {"sample_len": {"web": 7, "cluster": 5}.get(data, 4), "ema": 0.99}


def _steps_that_fit(begin: Callable[[int], Any], seconds: float, most: int) -> int:
    """Into so many CPU seconds, but for a margin; by short trainings, each of twice as many steps as the last.

    A step may cost more later: TimeGAN's last third takes ten times as long as its first.
    """
    steps = 3
    while steps < most:
        start = time.process_time()
        run = begin(steps)
        next(run)
        first = time.process_time() - start
        next(run)
        once = max(0.0, 2 * first - (time.process_time() - start))  # by how much the first step took longer
        for _ in run:
            pass
        took = time.process_time() - start - once
        if took > REHEARSAL * seconds:
            return min(most, max(1, round(0.95 * (seconds - once) * steps / took)))
        steps *= 2
    return most


def forget_peak() -> None:
    """Let `peak` count from now, and give the system back first what earlier cells left in this process."""
    gc.collect()
    with contextlib.suppress(OSError, AttributeError, TypeError):  # glibc alone has it
        ctypes.CDLL(None).malloc_trim(0)
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def peak() -> float:
    """Most memory that this process has held, MB; NaN where the system does not tell."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1000
    return float("nan")


def _experiment(question: str, cell: Any, check: str, **grid: Any) -> Experiment:
    return Experiment(
        question,
        lambda point: halves(point)[0],
        cell,
        Config(steps=1_000_000, device="cpu"),  # no limit but that of the budget
        {"seed": (0, 1, 2), "data": ("pages", "mba", "jobs"), "budget": (60,), "model": MODELS} | grid,
        {"steps": 4, "data": "web", "model": check, "budget": 60, "seed": 0},  # data that are shipped
    )


NORMALISATION = {
    "off": {"auto_normalise": False, "sample_len": 25, "feature_noise": 30, "ema": 0.99},
    "on": doppelganger("pages"),
}
EXPERIMENTS = {
    "real": _experiment(
        "How close do models come to real data in as many CPU seconds each?", _real_cell, "doppelganger"
    ),
    "real_peers": _experiment(
        "How close do other libraries' models come in the same seconds?", _peer_cell, "two halves",
        data=("pages", "mba", "jobs", *SIMULATED), model=tuple(PEERS),
    ),
    "real_simulated": _experiment(
        "How close do models come to simulated data in as many CPU seconds each?", _real_cell, "surrogate",
        data=SIMULATED,
    ),
    "real_long": _experiment(
        "Who is nearest to real data when each may take ten minutes?", _real_cell, "surrogate",
        budget=(600,),
    ),
    "real_quarter": _experiment(
        "What does flow matching give on simulated pages in a quarter of the time?", _real_cell, "surrogate",
        data=("web",), budget=(15,), model=("flow_matching",),
    ),
    "real_normalisation": Experiment(
        "What does auto-normalisation do on real pages, in 400 steps?",
        lambda point: halves(point)[0],
        _doppelganger_cell,
        Config(steps=400, device="cpu"),
        {"seed": (0, 1, 2), "data": ("pages",), "normalisation": NORMALISATION},
        {"steps": 4, "data": "web", "normalisation": "on", "seed": 0},
    ),
    "real_sample_len": Experiment(
        "Which S serves real pages best, in as many CPU seconds each?",
        lambda point: halves(point)[0],
        _doppelganger_cell,
        Config(steps=1_000_000, device="cpu", **doppelganger("pages")),
        {"seed": (0, 1, 2), "data": ("pages",), "budget": (60,), "sample_len": (1, 5, 10, 25, 55, 110, 550)},
        {"steps": 4, "data": "web", "budget": 60, "sample_len": 10, "seed": 0},
    ),
}  # fmt: skip


# --- the table --------------------------------------------------------------------------------------------------------


def table(run: xr.Dataset | None = None, seeds: Literal["median", "min", "max"] = "median") -> pd.DataFrame:
    """All recorded runs on real data and beside them as a table: medians over seeds of each model and feature.

    Of attributes the worst one's. Distances of values, mid-range and half-range in decades, where the feature's scale
    is one, or as shares (of how far the real ones are from their median); those of changes (from step to step), largest
    rise and conditional totals as shares. From "attributes" on columns are of all features together: "pairs" is the
    distance of the series' correlations between two features, "lengths" that of lengths in steps, "useful" what models
    trained on generated data are worth on real ones, the median over algorithms: accuracy in how a job ends, or R² of a
    forecast.

    Parameters
    ----------
    run : Dataset, optional
        One of `RUNS` alone, as `open_run("real")` gives it. Default: all that there are.
    seeds : {"median", "min", "max"}
        What to take of the seeds: the least and the largest of each number are its spread.

    Returns
    -------
    DataFrame
        A row for each of the data, their features, the budgets (CPU seconds) and the models; a column for each measure,
        then the number of seeds, and last what a model cannot do ("" where it can).

    Examples
    --------
    >>> table().loc["pages", "views", 60].index[:2].tolist()
    ['two halves', 'surrogate']
    """
    if run is not None:
        return _rows(run, seeds)
    rows = pd.concat([_rows(open_run(name), seeds) for name in RUNS])
    order: dict[str, list[Any]] = {
        "data": ["pages", "mba", "jobs", *SIMULATED],
        "feature": list(rows.index.unique("feature")),
        "budget": sorted(rows.index.unique("budget")),
        "model": [*MODELS, *PEERS],
    }
    codes = [[names.index(name) for name in rows.index.get_level_values(level)] for level, names in order.items()]
    rows.index = pd.MultiIndex(levels=list(order.values()), codes=codes, names=list(order))
    return rows.iloc[np.lexsort(codes[::-1])]


def spread() -> pd.DataFrame:
    """`table` as text: of several seeds "median (least to largest)"; "-" where there is nothing."""
    middle, low, high = (table(seeds=which).iloc[:, :-1].map(short) for which in ("median", "min", "max"))
    return middle.where(low == high, middle + " (" + low + " to " + high + ")")


def short(value: float) -> str:
    """A number's two leading digits as text; "-" of what is missing."""
    return "-" if np.isnan(value) else f"{value:.0f}" if abs(value) >= 10 else f"{value:.2g}"


def _rows(run: xr.Dataset, seeds: str) -> pd.DataFrame:
    none = xr.full_like(run.told_apart, np.nan)  # of data without lengths, or without a second feature

    def distance(name: str) -> xr.DataArray:
        return run[f"{name}_wasserstein_decades"].fillna(run[f"{name}_wasserstein_relative"])

    columns = {
        "autocorrelation MSE": run.autocorrelation_mse,
        "weighted": run.autocorrelation_mse_weighted,
        "values": distance("value"),
        "mid-range": distance("mid_range"),
        "half-range": distance("half_range"),
        "largest rise": run.largest_rise_wasserstein,
        "changes": run.step_wasserstein,
        "conditional": run.conditional_total.max("attribute"),
        "attributes": run.attribute_jensen_shannon.max("attribute"),
        "jointly": run.joint_attribute_jensen_shannon,
        "pairs": run.cross_correlation_wasserstein.max("pair") if "pair" in run.dims else none,
        "lengths": run.get("length_wasserstein", none),
        "told apart": run.told_apart,
        "nearest": run.nearest_neighbour_ratio,
        "copied": run.copied_share,
        "useful": run.useful.median("algorithm"),
        "train s": run.training_seconds,
        "sample s": run.sampling_seconds,
        "steps": run.steps,
        "MB": run.memory,
        "seeds": (run.cannot == "").sum("seed"),
    }
    one = getattr(xr.Dataset(columns), seeds)("seed")
    rows = one.to_dataframe(["data", "feature", "budget", "model"])[list(columns)]
    said = run.cannot.transpose("data", "budget", "model", "seed")
    rows["cannot"] = [
        next(filter(None, said.sel(data=data, budget=budget, model=model).values), "")
        for data, _, budget, model in rows.index
    ]
    known = rows["values"].groupby(["data", "feature"]).transform("count") > 0  # of these data
    return rows[known]
