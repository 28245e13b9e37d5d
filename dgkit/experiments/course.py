"""The course's experiments: what each asks, the data and the grid, and what is measured of every model."""

import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd
import xarray as xr

from dgkit import baselines, datasets, metrics, simulate, whatif
from dgkit.core.config import Config
from dgkit.experiments.cells import Experiment, Point, train_and_look, train_model


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


def web_metrics(real: xr.Dataset, made: xr.Dataset) -> xr.Dataset:
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
    made = train_model(train, config).sample(3000, seed=1)
    examples = made.views.isel(sample=slice(4)).values
    result = xr.merge([web_metrics(train, made), _of_levels(made.views)])
    return result.assign(examples=(("example", "time"), examples, {"units": "views/day"}))


def _sample_len_cell(train: xr.Dataset, config: Config, point: Point) -> xr.Dataset:
    steps, seconds, measured = [], [], []
    for step, took, model in train_and_look(train, config, 4):
        made = model.sample(2000, seed=1)
        measured.append(web_metrics(train, made))
        steps.append(step)
        seconds.append(took)
    curve = metrics.autocorrelation(made.views).reset_coords(drop=True)
    result = xr.concat(measured, pd.Index(steps, name="step"))
    timed = ("step", seconds, {"units": "s", "long_name": "CPU time of training, one thread"})
    return result.assign(training_seconds=timed, autocorrelation=curve)


def _size_cell(train: xr.Dataset, config: Config, point: Point) -> xr.Dataset:
    truth = simulate.web(5000, seed=10_000)
    made = train_model(train, config).sample(3000, seed=1)
    given = web_metrics(truth, train)  # how far the training data themselves are from the truth, by chance
    return xr.merge([web_metrics(truth, made), given.rename({name: f"data_{name}" for name in given.data_vars})])


def _event_cell(train: xr.Dataset, config: Config, point: Point) -> xr.Dataset:
    if point["model"] == "naive GAN":
        made = baselines.fit("naive_gan", train, seed=point["seed"], steps=config.steps).sample(3000, 1)
    else:
        made = train_model(train, config).sample(3000, seed=1)
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
    made = train_model(train, config).sample(3000, seed=1)
    joint = metrics.evaluate(train, made).joint_attribute_jensen_shannon
    conditional = [
        float(metrics.conditional_distances(train, made, name, statistic="mid_range", scale="log").distance.mean())
        for name in ("domain", "access", "agent")
    ]
    result = xr.merge([web_metrics(train, made), _of_levels(made.views)])
    return result.assign(
        joint_attribute_divergence=joint, conditional_wasserstein=("attribute", conditional, {"units": "decades"})
    )


def _what_if_cell(train: xr.Dataset, config: Config, point: Point) -> xr.Dataset:
    """Answers to "what if more of the jobs were large?" against the simulator's, from a slight shift to a large one."""
    _, training_seconds, model = next(train_and_look(train, config, 1))
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
        changed = whatif.retrain_attributes(model, target, steps=retraining, seed=point["seed"], progress=False)
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
        {"steps": 4, "normalisation": "off", "decades": 3.0, "seed": 0},
    ),
    "sample_len": Experiment(
        "How many steps should one LSTM pass make?",
        _shipped("web"),
        _sample_len_cell,
        replace(_WEB, steps=1000),
        {"sample_len": (1, 2, 4, 7, 14, 28, 84, 168), "seed": (0, 1, 2)},
        {"steps": 4, "sample_len": 7, "seed": 0},
    ),
    "training_size": Experiment(
        "How many training samples does it take?",
        lambda point: simulate.web(point["samples"], seed=point["seed"]),
        _size_cell,
        replace(_WEB, steps=600, sample_len=84),  # the sample_len that learns fastest
        {"samples": (100, 300, 1000, 3000, 10_000), "seed": (0, 1, 2)},
        {"steps": 4, "samples": 100, "seed": 0},
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
        {"steps": 4, "model": "naive GAN", "seed": 0},
    ),
    "auxiliary": Experiment(
        "What does the auxiliary discriminator do?",
        _shipped("web"),
        _auxiliary_cell,
        replace(_WEB, steps=500, minmax_scale="linear"),
        {"auxiliary": (False, True), "seed": (0, 1, 2)},
        {"steps": 4, "auxiliary": True, "seed": 0},
    ),
    "whatif": Experiment(
        "How far may the attributes be shifted before P(series | attributes) no longer holds?",
        lambda point: simulate.cluster(2000, seed=point["seed"], capacity=point["capacity"]),
        _what_if_cell,
        Config(steps=1500, sample_len=5, ema=0.99),
        {"capacity": (1.0, 1000.0), "seed": (0, 1, 2, 3, 4)},  # a machine of 1000 is never exhausted
        {"steps": 4, "capacity": 1.0, "seed": 0},
    ),
}
