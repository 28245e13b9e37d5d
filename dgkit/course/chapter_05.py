"""Chapter 05: its recorded runs, which 06 shows too (DoppelGANger beside the other models), and its exercises.

Every model is trained on one half of a data set (A) and held against the other half (A'), which it has not seen. It is
looked at twice: after the steps that cost every model about as much CPU time ("equal"), and where it no longer gets
better ("own"). How many steps those are was found once, on one thread, and is written here so that a run can be
repeated; the seconds that each took are in the file. Two models are not at an end even then (`UNFINISHED`): they are
shown, and stand in no ranking.
"""

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from dgkit import baselines, datasets, downstream, metrics
from dgkit._cells import Point
from dgkit.core.config import Config
from dgkit.core.trainer import Trainer
from dgkit.course.exercise import Wrong, copies, dataset, exercise, names, number
from dgkit.course.experiment import Experiment
from dgkit.course.measures import look
from dgkit.course.questions import Prediction, Quiz
from dgkit.course.store import open_run
from dgkit.datasets import open_dataset, split
from dgkit.schema import lengths, validate

# --- recorded runs ---

SAMPLE_LEN = {"web": 14, "cluster": 5, "broadband": 4}  # of DoppelGANger: about a dozen LSTM passes each
# steps after EQUAL_SECONDS of CPU time, and where the model no longer gets better
EQUAL_SECONDS = 20
STEPS: dict[str, dict[str, tuple[int, int]]] = {
    "doppelganger": {"web": (800, 2500), "cluster": (800, 2500), "broadband": (800, 2500)},
    "naive_gan": {"web": (1600, 5000), "cluster": (1800, 5000), "broadband": (1800, 5000)},
    "hmm": {"web": (20, 50), "cluster": (75, 150), "broadband": (70, 150)},  # iterations of EM
    "ar": {"web": (10_000, 25_000), "cluster": (10_000, 25_000), "broadband": (10_000, 25_000)},
    "rnn": {"web": (170, 500), "cluster": (470, 1400), "broadband": (470, 1400)},
    "rcgan": {"web": (180, 540), "cluster": (600, 1800), "broadband": (590, 1800)},
    "timegan": {"web": (57, 300), "cluster": (165, 750), "broadband": (180, 800)},
    "market": {"web": (7500, 15_000), "cluster": (8000, 15_000), "broadband": (6000, 12_000)},
}
# RCGAN sees each sample 15 to 50 times, its source's code 191 times and more; TimeGAN has 100 to 270 steps a phase
UNFINISHED = ("rcgan", "timegan")
_DISTANCES = [f"{what}_wasserstein" for what in ("value", "mid_range", "half_range")]
FIDELITY = (  # what is kept of `metrics.evaluate`
    "autocorrelation_mse", *(f"{name}{form}" for name in _DISTANCES for form in ("", "_relative", "_decades")),
    "range_coverage", "distinct_modes_ratio", "attribute_jensen_shannon", "joint_attribute_jensen_shannon",
    "cross_correlation_wasserstein", "length_wasserstein",
)  # fmt: skip


def innovation(series: xr.DataArray, *, order: int = 3) -> float:
    """How much of each step is new: the share of the variance that the steps before it do not tell.

    A linear forecast from the last `order` steps is fitted to the series themselves; 1 - R^2 of it, from 0 (each step
    follows from those before it) to 1 (they tell nothing). Of the logarithm where the series' scale is "log".

    Examples
    --------
    >>> noise = np.random.default_rng(0).normal(size=(200, 30))
    >>> walk = xr.DataArray(noise.cumsum(1), dims=("sample", "time"))
    >>> round(innovation(xr.DataArray(noise, dims=("sample", "time"))), 1), innovation(walk) < 0.1
    (1.0, True)
    """
    values = series.transpose("sample", "time").values.astype(np.float64)
    if series.attrs.get("scale") == "log":
        values = np.log10(np.maximum(values, np.nanmax(values) * 1e-9))
    windows = np.lib.stride_tricks.sliding_window_view(values, order + 1, axis=1).reshape(-1, order + 1)
    windows = windows[np.isfinite(windows).all(1)]
    past, now = np.column_stack([np.ones(len(windows)), windows[:, :-1]]), windows[:, -1]
    residual = now - past @ np.linalg.lstsq(past, now, rcond=None)[0]
    return float(residual.var() / now.var()) if now.var() > 0 else 0.0


def _halves(point: Point) -> tuple[xr.Dataset, xr.Dataset]:
    return datasets.split(datasets.open_dataset(point.get("dataset", "web")), 0.5, point["seed"])


def _training(train: xr.Dataset, config: Config, point: Point, **options: Any) -> Any:
    if point["model"] == "doppelganger":
        return Trainer(train, replace(config, sample_len=SAMPLE_LEN[point.get("dataset", "web")], **options))
    return baselines.training(point["model"], train, seed=point["seed"], steps=config.steps, **options)


def _comparison_cell(train: xr.Dataset, config: Config, point: Point) -> xr.Dataset:
    at = [min(config.steps, steps) for steps in STEPS[point["model"]][point["dataset"]]]
    # TimeGAN has three phases of as many steps each, so that a shorter training is not the beginning of a longer one
    runs = [[step] for step in at] if point["model"] == "timegan" else [at]
    held_out, rows = _halves(point)[1], {}
    for some in runs:
        for step, took, model in look(_training(train, replace(config, steps=max(some)), point), some):
            rows[step] = _measured(train, held_out, model, took).assign(steps=step)
    budgets = pd.Index(["equal", "own"], name="budget")
    return xr.concat([rows[step] for step in at], budgets, coords="minimal", compat="override")


def _lent_cell(train: xr.Dataset, config: Config, point: Point) -> xr.Dataset:
    """A baseline with DoppelGANger's auto-normalisation, at the equal budget."""
    steps = min(config.steps, STEPS[point["model"]]["web"][0])
    run = _training(train, replace(config, steps=steps), point, auto_normalise=True)
    _, took, model = next(look(run, [steps]))
    held_out = _halves(point)[1]
    return _fidelity(held_out, model.sample(held_out.sizes["sample"], seed=1)).assign(training_seconds=_seconds(took))


def _measured(train: xr.Dataset, held_out: xr.Dataset, model: Any, took: float) -> xr.Dataset:
    """Fidelity to A', and what predictors learn from the generated data B and B' (paper, Figure 12)."""
    made, again = (model.sample(held_out.sizes["sample"], seed=seed) for seed in (1, 2))
    task = "events" if "end_event" in train else "forecast"
    # relative to their level, the simulated homes' traffic cannot be forecast, by any algorithm from any data
    options = {"relative": False} if "traffic_bytes" in train else {}
    scores = downstream.evaluate(train, held_out, {"": (made, again)}, task=task, **options)
    real, made_up = (scores.sel(setting=f"{of} to {of}", model="") for of in ("real", "generated"))
    ranks = downstream.rank_correlation(real, made_up).rename(low="rank_correlation_low", high="rank_correlation_high")
    scores = scores.squeeze("model", drop=True).drop_vars(["accuracy_draws", "r2_draws"], errors="ignore")
    return xr.merge(
        [_fidelity(held_out, made), scores, ranks.drop_vars(["model", "undefined_draws"], errors="ignore")]
    ).assign(training_seconds=_seconds(took))


def _seconds(took: float) -> xr.Variable:
    return xr.Variable((), took, {"units": "s", "long_name": "CPU time of training, one thread"})


def _fidelity(real: xr.Dataset, made: xr.Dataset) -> xr.Dataset:
    """How close generated data are to `real`, a set that the model has not seen."""
    main = validate(real).features[0].name
    report = metrics.evaluate(real, made)
    curves = report.autocorrelation.sel(feature=main, drop=True)
    result = xr.Dataset({name: report[name] for name in report if name in FIDELITY}).drop_vars("feature_units")
    q = (np.arange(100) + 0.5) / 100
    sets = {"real_": real, "": made}
    levels = {f"{of}mid_range": np.quantile(metrics.mid_range(ds[main]), q) for of, ds in sets.items()}
    ends = {f"{of}length": np.quantile(lengths(ds), q) for of, ds in sets.items()}
    return (
        result.assign(
            {
                f"{of}autocorrelation": curves.sel(source=source, drop=True)
                for of, source in zip(sets, ("real", "generated"), strict=True)
            }
            | {
                name: ("quantile", values, {"units": real[main].attrs.get("units", "1")})
                for name, values in levels.items()
            }
            | {name: ("quantile", values, {"units": "steps"}) for name, values in ends.items()}
            | {f"{of}innovation": innovation(ds[main]) for of, ds in sets.items()}
        )
        .assign(examples=(("example", "step"), made[main].isel(sample=slice(4)).values))
        .assign_coords(quantile=q, step=np.arange(made.sizes["time"]))
    )


_BASE = Config(steps=1_000_000)  # no limit but that of STEPS
EXPERIMENTS = {
    "baselines": Experiment(
        "How close do the models of the paper come to the real data?",
        lambda point: _halves(point)[0],
        _comparison_cell,
        _BASE,
        {"dataset": tuple(SAMPLE_LEN), "model": tuple(STEPS), "seed": (0, 1, 2)},
        {"steps": 4, "dataset": "cluster", "model": "ar", "seed": 0},
    ),
    "lent": Experiment(
        "How close do the other models come on `web` with auto-normalisation lent to them?",
        lambda point: _halves(point)[0],
        _lent_cell,
        _BASE,
        {"model": ("naive_gan", "hmm", "ar", "rnn"), "seed": (0, 1, 2)},
        {"steps": 4, "model": "naive_gan", "seed": 0},
    ),
}


# --- questions ---

PREDICTION = Prediction(
    "Whose single values, whatever their order, will be the nearest to the real ones?",
    ("DoppelGANger's", "the hidden Markov model's (hmm)", "the recurrent network's (rnn)", "the naive GAN's"),
    "b",
    "In the medians over the seeds it is the HMM on all three data sets: its states are fitted to the distribution of "
    "single records. For the order of the values it is DoppelGANger, on all three too.",
)
QUIZZES = {
    "05.a": Quiz(
        "A network predicts the mean of what comes next, and gets its own prediction as its next input. "
        "What becomes of the noise?",
        "c",
        (
            ("It stays as it was in training.", "Nothing draws noise: the mean is all that is fed back."),
            ("It grows from step to step.", "Errors may grow, but an error of a smooth course is a smooth course."),
            (
                "It is gone, and the series becomes smooth.",
                "A mean has no noise. So each step follows from those before it, and the innovation of AR and RNN "
                "is next to nothing.",
            ),
        ),
    ),
    "05.b": Quiz(
        "AR's attributes are drawn from the data, so that their divergence is as small as chance allows. "
        "What does that show?",
        "b",
        (
            ("That AR has learned the attributes best.", "It has not learned them at all: it was given a copy."),
            (
                "Nothing about AR: the attributes are copies.",
                "Rows of the real data come out as they went in. Where attributes are secret, that is a leak.",
            ),
            ("That its series belong to the attributes.", "The measure looks at attributes alone."),
        ),
    ),
}


# --- exercises ---


@exercise("05.1")
def _own_innovation(value: Any) -> str:
    if not callable(value) or isinstance(value, type):
        raise Wrong("Give the function itself, without brackets: answer = my_innovation.")
    rng, dims = np.random.default_rng(0), ("sample", "time")
    noise = rng.normal(size=(400, 40))
    follows = noise.copy()
    for t in range(1, 40):
        follows[:, t] = 0.8 * follows[:, t - 1] + 0.6 * noise[:, t]
    cases = {"noise": noise, "x(t) = 0.8 x(t - 1) + noise": follows, "the same, 5 higher": follows + 5}
    for name, series in cases.items():
        truth = innovation(xr.DataArray(series, dims=dims), order=1)
        try:
            given = number(value(series.copy()))
        except Wrong:
            raise
        except Exception as error:
            raise Wrong(f"Your function fails: {type(error).__name__}: {error}") from error
        if abs(given - truth) > 0.01:
            raise Wrong(
                f"Of {name} it is {truth:.2f}, and you find {given:.2f}. One straight line for all pairs of a day and "
                "the next, with an intercept; then the variance that is left, over the variance there was."
            )
    return "Of noise all is new, of a series that keeps 0.8 of itself a third; it does not depend on the level."


@exercise("05.2")
def _not_dominated(value: Any) -> str:
    run = open_run("baselines").sel(dataset="broadband", feature="traffic_bytes", budget="own").median("seed")
    measures = ["autocorrelation_mse", "value_wasserstein_relative", "joint_attribute_jensen_shannon"]
    error = run[measures].to_array().transpose("model", ...).drop_sel(model=list(UNFINISHED))
    known = error.model.values.tolist()
    beaten = {a: [b for b in known if bool((error.sel(model=b) < error.sel(model=a)).all())] for a in known}
    given = {value} if isinstance(value, str) else set(names(value, len(known)))
    if not given <= set(known):
        raise Wrong(f"Give a list of names, in quotes, of these: {', '.join(known)}.")
    for name in sorted(given):
        if beaten[name]:
            raise Wrong(f"{name} is dominated: {beaten[name][0]} is nearer in all three measures.")
    if missing := [name for name in known if not beaten[name] and name not in given]:
        raise Wrong(f"Not all: of {len(missing)} more no other model is nearer in all three at once.")
    return (
        f"{' and '.join(sorted(given))}: order, or values and attributes. Between them what you need decides. (Four of "
        "the six draw their attributes from the data; what they differ by there is chance.)"
    )


@exercise("05.3")
def _wins_one_column(value: Any) -> str:
    train, held_out = split(open_dataset("web"), 0.5, seed=0)
    ask = "Pass a Dataset: that of `web`, with other views."
    views = dataset(value, ask, "These are no pages", "views")["views"]
    if views.sizes["sample"] < 500 or views.sizes["time"] != train.sizes["time"]:
        raise Wrong(f"Give at least 500 pages of {train.sizes['time']} days; these are {dict(views.sizes)}.")
    if any(copies(views.values, one["views"].values) for one in (train, held_out)):
        raise Wrong("Some of these are real pages. What may you do to a real page that its autocorrelation ignores?")
    recorded = open_run("baselines").autocorrelation_mse.sel(dataset="web", feature="views", budget="own")
    best = float(recorded.sel(model="doppelganger").median("seed"))
    error = metrics.autocorrelation_mse(held_out["views"], views)
    if not error < best / 2:
        raise Wrong(f"The memory's error is {error:.2g}; half of DoppelGANger's is {best / 2:.2g}.")
    apart = metrics.wasserstein(held_out["views"], views, scale="log")
    if not apart > 0.5:
        raise Wrong(f"The memory is right, but so are the values: {apart:.2f} decades off. Spoil them, all alike.")
    return f"An error of {error:.2g}, DoppelGANger's is {best:.2g}; and the values are {apart:.1f} decades off."
