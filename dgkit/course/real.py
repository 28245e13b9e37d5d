"""Chapter 11's recorded run, on real data: models at equal CPU seconds.

`real` trains each model on one half of the data and holds it against the other half. "two halves" is what chance
gives: the training half itself in place of a model. The surrogate, which has real spectra and no training, comes next.
Steps are those of so many seconds of CPU time on one thread (`budget`), by rates found once and written here so that a
run can be repeated; the seconds that each took are in the file. The hidden Markov model is at its end on MBA in two.

The data are not dgkit's: MBA is fetched (`open_dataset("mba")`); the pages are a file wwt_pages.nc, 3,589 Wikipedia
pages of 550 days from Kaggle's web-traffic file, in the folder that the environment variable DGKIT_CACHE names.
"""

import os
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from dgkit import baselines, datasets, metrics
from dgkit._cells import Point
from dgkit.core.config import Config
from dgkit.core.trainer import Trainer
from dgkit.course.experiment import Experiment
from dgkit.course.measures import look
from dgkit.course.store import open_run
from dgkit.errors import DgkitError
from dgkit.schema import validate

RATES: dict[str, dict[str, float]] = {  # steps of training in a CPU second, at each of the data
    "two halves": {"pages": 0, "mba": 0},
    "surrogate": {"pages": 0, "mba": 0},
    "flow_matching": {"pages": 26.5, "mba": 34.8},
    "doppelganger": {"pages": 28.0, "mba": 40.0},
    "ar": {"pages": 390.0, "mba": 375.0},
    "rnn": {"pages": 3.1, "mba": 32.0},
    "naive_gan": {"pages": 48.0, "mba": 94.0},
    "hmm": {"pages": 1.9, "mba": 7.0},
}
SAMPLE_LEN = {"pages": 25, "mba": 4}  # of DoppelGANger
DOPPELGANGER = {  # its other settings: those of long series with bursts (`Config`, Notes); of pages only
    "ema": 0.99, "feature_noise": 30, "minmax_scale": "log_values", "full_range": True,
}  # fmt: skip
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

    As a share of how far real totals are from their median, on the feature's scale.
    """
    schema = validate(real, training=False)
    attributes = [variable.name for variable in schema.attributes if variable.kind == "categorical"]
    table = xr.DataArray(np.nan, {"feature": names, "attribute": attributes}, ("feature", "attribute"))
    for name in names:
        scale = real[name].attrs.get("scale", "linear")
        totals = real[name].sum("time", min_count=1, keep_attrs=True).expand_dims("time")
        size = _spread(on_scale(totals, float(totals.max()) * FLOOR))
        for attribute in attributes:
            pair = (ds[[name, attribute]] for ds in (real, made))
            found = metrics.conditional_distances(*pair, attribute, statistic="total", scale=scale)  # type: ignore[arg-type,misc]
            mean = found.distance.weighted(found["count"].sel(source="real")).mean("value")
            table.loc[name, attribute] = mean.item() / size
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


# --- cells ------------------------------------------------------------------------------------------------------------


def cached(name: str) -> Path:
    """A file in the folder that DGKIT_CACHE names; DgkitError where it is not there."""
    path = Path(os.environ.get("DGKIT_CACHE", ".")) / name
    if not path.exists():
        raise DgkitError(f"no file {str(path)!r}. DGKIT_CACHE=FOLDER says where {name} is.")
    return path


def real_data(name: str) -> xr.Dataset:
    """The Wikipedia pages, or what `open_dataset` knows by that name."""
    if name == "pages":
        return datasets.open_dataset(cached("wwt_pages.nc"))
    ds = datasets.open_dataset(name)
    if "ping_loss" in ds:
        ds.ping_loss.attrs["zeros"] = "inflated"  # which all models heed: see chapter 10
    return ds


def _halves(point: Point) -> tuple[xr.Dataset, xr.Dataset]:
    return datasets.split(real_data(point["data"]), 0.5, point["seed"])


def _real_cell(train: xr.Dataset, config: Config, point: Point) -> xr.Dataset:
    held_out, name = _halves(point)[1], point["model"]
    steps = min(config.steps, max(1, round(RATES[name].get(point["data"], config.steps) * point["budget"])))
    made, costs = train, {"training_seconds": 0.0, "sampling_seconds": 0.0}
    if name != "two halves":
        _, costs["training_seconds"], model = next(look(_training(train, config, point, steps), [steps]))
        start = time.process_time()
        made = model.sample(held_out.sizes["sample"], seed=1)
        costs["sampling_seconds"] = time.process_time() - start
    units = {"units": "s", "long_name": "CPU time, one thread"}
    return measured(train, held_out, made).assign({k: ((), v, units) for k, v in costs.items()} | {"steps": steps})


def _training(train: xr.Dataset, config: Config, point: Point, steps: int) -> Any:
    if point["model"] == "doppelganger":
        return Trainer(train, replace(config, sample_len=SAMPLE_LEN.get(point["data"], 4), steps=steps))
    return baselines.training(point["model"], train, seed=point["seed"], steps=steps)


RECORDED = ("two halves", "surrogate", "flow_matching", "doppelganger", "ar")  # of RATES; more of them may follow
_MODELS = {name: DOPPELGANGER if name == "doppelganger" else {} for name in RECORDED}
EXPERIMENTS = {
    "real": Experiment(
        "How close do models come to real data in as many CPU seconds each?",
        lambda point: _halves(point)[0],
        _real_cell,
        Config(steps=1_000_000),  # no limit but that of the budget
        {"model": _MODELS, "data": ("pages",), "budget": (30,), "seed": (0, 1, 2)},
        {"steps": 4, "data": "web", "model": "doppelganger", "budget": 1, "seed": 0},  # data that are shipped
    ),
}


# --- the table --------------------------------------------------------------------------------------------------------


def table(run: xr.Dataset | None = None) -> pd.DataFrame:
    """`real` as a table: medians over seeds of each model and feature, and of the worst attribute.

    Distances of values, mid-range and half-range in decades, where the feature's scale is one, or as shares (of how far
    the real ones are from their median); those of steps, largest rise and conditional totals as shares.

    Parameters
    ----------
    run : Dataset, optional
        As `open_run("real")` gives it, the default.

    Returns
    -------
    DataFrame
        A row for each of the data, their features, the budgets (CPU seconds) and the models; a column for each measure.

    Examples
    --------
    >>> table().loc["pages", "views", 30].index[:2].tolist()
    ['two halves', 'surrogate']
    """
    run = open_run("real") if run is None else run

    def distance(name: str) -> xr.DataArray:
        return run[f"{name}_wasserstein_decades"].fillna(run[f"{name}_wasserstein_relative"])

    columns = {
        "autocorrelation MSE": run.autocorrelation_mse,
        "weighted": run.autocorrelation_mse_weighted,
        "values": distance("value"),
        "mid-range": distance("mid_range"),
        "half-range": distance("half_range"),
        "largest rise": run.largest_rise_wasserstein,
        "steps": run.step_wasserstein,
        "conditional": run.conditional_total.max("attribute"),
        "attributes": run.attribute_jensen_shannon.max("attribute"),
        "jointly": run.joint_attribute_jensen_shannon,
        "told apart": run.told_apart,
        "nearest": run.nearest_neighbour_ratio,
        "copied": run.copied_share,
        "train s": run.training_seconds,
        "sample s": run.sampling_seconds,
    }
    rows = xr.Dataset(columns).median("seed").to_dataframe(["data", "feature", "budget", "model"])[list(columns)]
    return rows[rows["values"].notna()]
