"""Chapter 08: its recorded runs (fidelity against epsilon, trained and not trained), and its exercises.

`privacy` is after the paper's Figure 16. Training data are 10,000 pages with public bounds (`valid_min`, `valid_max`),
so that the guarantee covers all that is learned. The noise multipliers run from none to where epsilon is below one.
Then comes what is known to lose less, at an epsilon of two (by RDP) after the last step; "public only" is the start of
"public start", without a private step. The multipliers that give two were found by `privacy.noise_for`; a test holds
the recorded epsilon against it.

`private_ways` has the generators of `dgkit.privacy` that are not trained, on pages and on homes, and at an epsilon of 0
the control of each: what public knowledge alone gives. `private_real` has them on real data, whose results are recorded
and not they themselves: those of chapter 11, and 251 jobs of Google's trace of 2011, gcut2011_merged.nc in the folder
that DGKIT_CACHE names.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from dgkit import metrics, simulate
from dgkit._cells import Point
from dgkit.core.accounting import spent
from dgkit.core.config import Config
from dgkit.core.trainer import Trainer
from dgkit.course.exercise import Wrong, exercise, number, whole
from dgkit.course.experiment import Experiment
from dgkit.course.measures import steps_in_decades, web_metrics
from dgkit.course.questions import Prediction, Quiz
from dgkit.course.real import real_data
from dgkit.course.store import open_run
from dgkit.datasets import open_dataset, split
from dgkit.privacy import declared, evolve, noise_for, spectrum, stated
from dgkit.sweeps import train_model

# --- recorded runs ---

LOOKS = 4
CRITIC_STEPS = {"critic ahead": 4}  # updates of the discriminators for each of the generator; one where not said
PUBLIC = ("public only", "public start", "all together")  # begin with weights trained on other, public data


def _bounded(pages: xr.Dataset) -> xr.Dataset:
    pages.views.attrs.update(valid_min=1.0, valid_max=1e7)
    return pages


def _dp(noise_multiplier: float, max_grad_norm: float = 1.0) -> dict[str, Any]:
    return {"noise_multiplier": noise_multiplier, "max_grad_norm": max_grad_norm, "delta": 1e-5}


def _privacy_cell(train: xr.Dataset, config: Config, point: Point) -> xr.Dataset:
    way, start = point["way"], None
    if way in PUBLIC:  # pages of two decades, with other noise, of whose samples nobody minds the use
        public = _bounded(simulate.web(3000, seed=99, decades=2.0, noise=0.15))
        start = train_model(public, replace(config, dp=None, ema=0.0, batch_size=min(100, config.batch_size)))
    trainer = Trainer(train, config, start=start)
    at = [max(1, round(config.steps * part / LOOKS)) for part in range(1, LOOKS + 1)]
    looks = []
    for step in range(1, config.steps + 1):
        if way != "public only":  # which stays at its start, and has seen nothing of the data: epsilon 0
            trainer.step_discriminator()
            if step % CRITIC_STEPS.get(way, 1) == 0:
                trainer.step_generator()
        if step in at:
            made = trainer.model.sample(2000, seed=1)
            curve = metrics.autocorrelation(made.views).reset_coords(drop=True)
            examples = ("example", "time"), made.views.isel(sample=slice(4)).values, {"units": "views/day"}
            measured = web_metrics(train.isel(sample=slice(2000)), made)
            looks.append(measured.assign(autocorrelation=curve, examples=examples, epsilon=trainer.epsilon()))
    return xr.concat(looks, pd.Index(at, name="step"), coords="minimal", compat="override")


@dataclass(frozen=True)
class _Data:
    """Data of `private_ways`: how they are made, a crude public simulator of them, and what is looked at."""

    data: Callable[[int], xr.Dataset]
    simulator: Callable[[int, int], xr.Dataset]
    feature: str
    period: int  # steps
    attribute: str  # not the one by which a private spectrum is grouped


def _homes(seed: int) -> xr.Dataset:
    homes = simulate.broadband(10_000, seed=seed)
    homes.traffic_bytes.attrs.update(valid_min=1e4, valid_max=1e12)
    return homes


def _crude_homes(n: int, seed: int) -> xr.Dataset:
    """Three times the traffic, the attributes of each home from three different ones, and no loss."""
    homes, rng = simulate.broadband(n, seed=seed), np.random.default_rng(seed)
    mixed = {name: ("sample", rng.permutation(homes[name].values)) for name in ("technology", "isp", "state")}
    return homes.assign(mixed).assign(traffic_bytes=3 * homes.traffic_bytes, ping_loss=0 * homes.ping_loss)


_PRIVATE = {
    "web": _Data(
        lambda seed: _bounded(simulate.web(10_000, seed=seed)),
        lambda n, seed: simulate.web(n, seed, decades=2.0, noise=0.15),  # the pages of "public start"
        "views", 7, "agent",
    ),
    "broadband": _Data(_homes, _crude_homes, "traffic_bytes", 4, "isp"),
}  # fmt: skip


def _way_cell(train: xr.Dataset, config: Config, point: Point) -> xr.Dataset:
    of, way, spend = _PRIVATE[point["data"]], point["way"], point["epsilon"]
    told: dict[str, Any] = {"epsilon": spend, "delta": 1e-5, "public": declared(train)}
    start = time.process_time()
    if way in ("evolution", "no simulator"):
        # of a small epsilon the noise is more than the default could bear
        few: dict[str, Any] = {"candidates": 1000, "rounds": 8} if spend < 1 else {}
        simulator = of.simulator if way == "evolution" else None
        model: Any = evolve(train, **told, simulator=simulator, periods=(of.period,), seed=config.seed or 0, **few)
    else:
        model = spectrum(train, **told, ranks=way != "spectrum", rises=way != "spectrum")
    made = model.sample(2000, seed=1)
    took = time.process_time() - start

    # beside as many real samples, which differ from the others by chance alone
    real, others = (train.isel(sample=slice(2000 * k, 2000 * k + 2000)) for k in range(2))
    both = xr.concat([_told_by(real, some, of) for some in (made, others)], pd.Index(["generated", "real"], name="of"))
    curve = metrics.autocorrelation(made[of.feature]).reset_coords(drop=True)
    examples = ("example", "time"), made[of.feature].values[:4], {"units": train[of.feature].attrs["units"]}
    told_of = both.assign(autocorrelation=curve, examples=examples, fit_seconds=((), took, {"units": "s"}))
    return told_of.assign_coords(time=np.arange(train.sizes["time"]))


def _told_by(real: xr.Dataset, made: xr.Dataset, of: _Data) -> xr.Dataset:
    """Errors of generated series against real ones, and what these themselves are."""
    a, b = (ds[of.feature] for ds in (real, made))
    names = [name for name in real.data_vars if real[name].dims == ("sample",)]
    joint = (ds[names].to_dataframe()[names].astype(str).agg("|".join, axis=1).to_numpy() for ds in (real, made))
    rises = [steps_in_decades(x).max(1) for x in (a, b)]
    decades, shares = {"units": "decades"}, {"units": "1"}
    zeros = float((made.ping_loss == 0).mean()) if "ping_loss" in made else np.nan
    return xr.Dataset(
        {
            "autocorrelation_mse": ((), metrics.autocorrelation_mse(a, b), shares),
            "value_wasserstein": ((), metrics.wasserstein(a, b, scale="log"), decades),
            "attribute_divergence": (
                (), max(metrics.jensen_shannon(real[name], made[name]) for name in names), {"units": "bits"}
            ),
            "joint_divergence": ((), metrics.jensen_shannon(*joint), {"units": "bits"}),
            "largest_rise_wasserstein": ((), metrics.wasserstein(*rises), decades),
            "rise_of_one_in_a_hundred": ((), float(np.quantile(rises[1], 0.99)), decades),
            "level_gap": ((), _level_gap(made, of), decades),
            "cycle_ratio": ((), _cycle_ratio(made, of), shares),
            "zero_share": ((), zeros, shares),  # of the loss
        }
    )  # fmt: skip


def _level_gap(ds: xr.Dataset, of: _Data) -> float:
    """Between the highest and the lowest mean level of the attribute's categories."""
    decades: Any = np.log10(ds[of.feature])
    levels = decades.mean("time").groupby(ds[of.attribute]).mean()
    return float(levels.max() - levels.min())


def _cycle_ratio(ds: xr.Dataset, of: _Data) -> float:
    """The cycle's mean amplitude among people over that among robots; NaN where there are none."""
    if of.attribute != "agent":
        return float("nan")
    series = np.log(ds[of.feature].transpose("sample", "time").values)
    days = np.arange(series.shape[1] // of.period * of.period)
    waves = (series - series.mean(1, keepdims=True))[:, days] @ np.exp(2j * np.pi * days / of.period)
    robots = ds[of.attribute].values == "spider"
    return float(np.abs(waves[~robots]).mean() / np.abs(waves[robots]).mean())


# real data: what is public of each is a guess from outside, wide enough for any of its kind
FEW = 1000  # series, below which evolution takes fewer candidates and rounds


@dataclass(frozen=True)
class _Real:
    names: tuple[str, ...]  # features first
    bounds: dict[str, Any]
    delta: float
    period: int  # steps
    least: float = 0.0  # what is added before the logarithm


_REAL = {
    "pages": _Real(("views", "domain", "agent"), {"views": (0.0, 1e7)}, 1e-5, 7, 10.0),
    "mba": _Real(
        ("traffic_bytes", "ping_loss", "isp", "technology", "state"),
        {"traffic_bytes": (1e4, 1e11), "ping_loss": (0.0, 1.0)}, 1e-4, 4,
    ),
    "jobs": _Real(
        ("cpu", "memory", "end_event", "scheduling_class", "length"),
        {
            "cpu": (1.0, 200.0), "memory": (1.0, 1000.0), "scheduling_class": ["0", "1", "2", "3"],
            "end_event": ["EVICT", "FAIL", "FINISH", "KILL", "LOST", "NONE_IN_TRACE"],
        },
        1e-3, 24,
    ),
    "web": _Real(("views", "domain", "access", "agent"), {"views": (1.0, 1e7)}, 1e-5, 7),
}  # fmt: skip
DELTAS = {name: of.delta for name, of in _REAL.items() if name != "web"}  # of the recorded run `private_real`


def _real_data(point: Point) -> xr.Dataset:
    name = point["data"]
    ds = real_data(name)[[*_REAL[name].names]].drop_vars("time", errors="ignore")
    for feature in ds.data_vars:
        if ds[feature].ndim == 2 and feature != "ping_loss":
            ds[feature].attrs["scale"] = "log"
    return ds


def _real_cell(ds: xr.Dataset, config: Config, point: Point) -> xr.Dataset:
    of, way, n = _REAL[point["data"]], point["way"], ds.sizes["sample"]
    told: dict[str, Any] = {
        "epsilon": point["epsilon"], "delta": of.delta, "public": {**declared(ds), **of.bounds}
    }  # fmt: skip
    if way == "evolution":
        few: dict[str, Any] = {"candidates": 300, "rounds": 6} if n < FEW else {}
        model: Any = evolve(ds, **told, periods=(of.period,), seed=point["seed"], **few)
    else:
        model = spectrum(ds, **told, ranks=way != "spectrum", rises=way == "with ranks and rises")
    made = model.sample(n, seed=1)
    halves = split(ds, 0.5, point["seed"])  # what chance gives, of half as many
    both = xr.concat(
        [_told_by_real(ds, made, of), _told_by_real(*halves, of)], pd.Index(["generated", "real"], name="of")
    )
    return both.assign(samples=((), n))


def _told_by_real(real: xr.Dataset, made: xr.Dataset, of: _Real) -> xr.Dataset:
    """Errors of the first feature and of the attributes."""
    a, b = (ds[of.names[0]] for ds in (real, made))
    names = [name for name in of.names if real[name].ndim == 1 and name != "length"]
    joint = (ds[names].to_dataframe()[names].astype(str).agg("|".join, axis=1).to_numpy() for ds in (real, made))
    values = [np.log10(x.values[np.isfinite(x.values)] + of.least) for x in (a, b)]
    rises = [np.nanmax(np.diff(np.log10(x.transpose("sample", "time").values + of.least)), 1) for x in (a, b)]
    rises = [x[np.isfinite(x)] for x in rises]
    decades, shares = {"units": "decades"}, {"units": "1"}
    lengths = metrics.wasserstein(real.length, made.length) if "length" in real else np.nan
    return xr.Dataset(
        {
            "autocorrelation_mse": ((), metrics.autocorrelation_mse(a, b), shares),
            "value_wasserstein": ((), metrics.wasserstein(*values), decades),
            "attribute_divergence": (
                (), max(metrics.jensen_shannon(real[name], made[name]) for name in names), {"units": "bits"}
            ),
            "joint_divergence": ((), metrics.jensen_shannon(*joint), {"units": "bits"}),
            "largest_rise_wasserstein": ((), metrics.wasserstein(*rises), decades),
            "rise_of_one_in_a_hundred": ((), float(np.quantile(rises[1], 0.99)), decades),
            "length_wasserstein": ((), lengths, {"units": "steps"}),
        }
    )  # fmt: skip


_BATCH = {"batch_size": 500}
_TWO = {"as before": 1.447, "large batch": 4.989, "one critic": 1.023}  # noise for an epsilon of two, 1,000 steps
EXPERIMENTS = {
    "privacy": Experiment(
        "What does differential privacy cost, and can it cost less?",
        lambda point: _bounded(simulate.web(10_000, seed=point["seed"])),
        _privacy_cell,
        Config(steps=1000, sample_len=84),
        {
            "way": {
                "no privacy": {},
                "clipping alone": {"dp": _dp(0.0)},
                "noise alone": {"dp": _dp(1e-3, 1e3)},  # as much noise as with a multiplier of 1, and nothing clipped
                "noise 0.3": {"dp": _dp(0.3)},
                "noise 1": {"dp": _dp(1.0)},
                "noise 4": {"dp": _dp(4.0)},
                "epsilon 2": {"dp": _dp(_TWO["as before"])},
                "small clip": {"dp": _dp(_TWO["as before"], 0.1)},
                "large batch": {"dp": _dp(_TWO["large batch"]), **_BATCH},
                "small critic": {
                    "dp": _dp(_TWO["as before"]), "discriminator_units": 50, "discriminator_layers": 3
                },
                "small, no privacy": {"discriminator_units": 50, "discriminator_layers": 3},
                "no auxiliary": {"dp": _dp(_TWO["one critic"]), "auxiliary": False},
                "average": {"dp": _dp(_TWO["as before"]), "ema": 0.99},
                "critic ahead": {"dp": _dp(_TWO["as before"])},
                "public start": {"dp": _dp(_TWO["as before"])},
                "public only": {"dp": _dp(_TWO["as before"])},
                "all together": {"dp": _dp(_TWO["large batch"]), **_BATCH, "ema": 0.99},
            },
            "seed": (0, 1, 2),
        },
        {"steps": 4, "way": "public only", "seed": 0},
    ),
}  # fmt: skip
EXPERIMENTS["private_ways"] = Experiment(
    "What can be made privately without training, and what not?",
    lambda point: _PRIVATE[point["data"]].data(point["seed"]),
    _way_cell,
    Config(),
    {
        "data": ("web", "broadband"),
        "way": ("spectrum", "with ranks and rises", "evolution", "no simulator"),
        "epsilon": (0.0, 0.1, 0.5, 1.0, 2.0, 4.0, 8.0),
        "seed": (0, 1, 2),
    },
    {
        "steps": 1,
        "data": "web",
        "way": "evolution",
        "epsilon": 0.0,
        "seed": 0,
    },  # without noise, which nobody can repeat
)


EXPERIMENTS["private_real"] = Experiment(
    "What can be made privately of real data, without training?",
    _real_data,
    _real_cell,
    Config(),
    {
        "data": ("pages", "mba", "jobs"),
        "way": ("spectrum", "with ranks", "with ranks and rises", "evolution"),
        "epsilon": (0.0, 2.0),
        "seed": (0, 1, 2),
    },
    {"steps": 1, "data": "web", "way": "evolution", "epsilon": 0.0, "seed": 0},  # data that are shipped, and no noise
)

MEASURES = {
    "autocorrelation_mse": "error of the autocorrelation (MSE)",
    "value_wasserstein": "error of the values",
    "attribute_divergence": "divergence of the attributes",
}
SGD = {  # ways of the run `privacy`, by what they have in common
    "DP-SGD": ("noise 4", "epsilon 2", "noise 1", "noise 0.3"),
    "DP-SGD, large batch": ("large batch",),
    "DP-SGD, all together": ("public only", "all together"),
}


def spent_by(way: str) -> float:
    """The epsilon of a way of the run `privacy` after its last step, by the tight accountant where it answers in time.

    Examples
    --------
    >>> round(spent_by("epsilon 2"), 2), spent_by("no privacy")
    (1.75, inf)
    """
    config = EXPERIMENTS["privacy"].config({"way": way, "seed": 0})
    if way == "public only":
        return 0.0
    releases = config.discriminator_rounds * (2 if config.auxiliary else 1)
    return spent(config, 10_000, config.steps, releases, accountant="prv")


def beside_each_other() -> xr.Dataset:
    """Errors on `web` of the main ways at the epsilons at which they were recorded, over way, epsilon and seed.

    DP-SGD's are those of the run `privacy` after its last step, by the tight accountant; the others `private_ways`.

    Examples
    --------
    >>> found = beside_each_other()
    >>> found.autocorrelation_mse.sel(way="spectrum", epsilon=2).median().item() < 0.0015
    True
    """
    run, ways = open_run("privacy").isel(step=-1, drop=True), open_run("private_ways")
    ways = ways[[*MEASURES]].sel(data="web", of="generated", drop=True)
    run = run.assign(attribute_divergence=run.attribute_divergence.max("attribute"))[[*MEASURES]]
    trained = []
    for name, some in SGD.items():
        spent = [round(spent_by(way), 2) for way in some]
        trained.append(run.sel(way=list(some)).assign_coords(way=spent).rename(way="epsilon").expand_dims(way=[name]))
    both = xr.concat([*trained, ways.assign_coords(way=ways.way.astype(object))], "way", join="outer").sortby("epsilon")
    for name, label in MEASURES.items():
        both[name] = both[name].assign_attrs(run[name].attrs | {"long_name": label})
    title = "Recorded on 10,000 simulated pages, medians of three seeds; DP-SGD after 1,000 steps."
    told = {"samples": 10_000, "delta": 1e-5, "gaussian": list(map(str, ways.way.values))}
    both.attrs = {"title": title} | told
    return both


# --- questions ---

PREDICTION = Prediction(
    "Each sample's gradient is cut to a length, then noise is added. Which of the two does the damage?",
    ("the cut alone", "the noise alone", "both together"),
    "c",
    "Each alone makes the error of the memory less than twice as large, which is little more than the seeds scatter. "
    "Together they do the damage: Adam makes what was cut large again, and with it the noise.",
)
QUIZZES = {
    "08.a": Quiz(
        "A model keeps epsilon = 1 for one page. You have five pages in the data. What are you promised?",
        "b",
        (
            ("The same.", "What five pages give away adds up."),
            ("Less: the bound for somebody with five pages is larger.", "Count all of one user's samples as one unit."),
            ("Nothing at all.", "A promise about one page implies a weaker one about five."),
        ),
    ),
    "08.b": Quiz(
        "An attack on a private model is right in half of the cases. What does that show of its epsilon?",
        "c",
        (
            ("It is near 0.", "An attack shows how much leaks at least, never how much at most."),
            ("It is as claimed.", "A wrong program may look as good to a weak attack."),
            (
                "Nothing: a better attack may do more.",
                "Only a proof bounds all attacks; an audit can contradict it.",
            ),
        ),
    ),
}


# --- exercises ---

_STEPS = 500  # an epoch of 50,000 samples in batches of 100
_RATE, _DELTA = 100 / 50_000, 1e-5


@lru_cache
def _spent(noise: float, epochs: int, releases: int = 2) -> float:
    settings: dict[str, Any] = {"noise_multiplier": noise, "sample_rate": _RATE, "delta": _DELTA}
    return stated(**settings, steps=_STEPS * epochs, releases=releases)[0]


def _above_zero(value: Any, what: str) -> float:
    given = number(value)
    if given <= 0:
        raise Wrong(f"Give {what}, a number above 0.")
    return given


@exercise("08.1")
def _noise(value: Any) -> str:
    noise = _above_zero(value, "a noise multiplier")
    if noise < 0.1:
        raise Wrong("So little noise promises nothing. privacy.noise_for finds the multiplier.")
    both, alone = _spent(noise, 15), _spent(noise, 15, releases=1)
    if abs(alone - 1) < 0.03:
        raise Wrong("That is right for one discriminator. Two publish a noisy gradient of each batch: releases=2.")
    if not 0.97 < both < 1.01:
        raise Wrong(
            f"With this noise epsilon is {both:.3g}. privacy.noise_for wants sample_rate (batch size over samples), "
            f"steps (15 epochs are {15 * _STEPS}) and accountant='prv'."
        )
    return f"Epsilon is {both:.3f}. For one discriminator alone it would be {alone:.2f}."


@exercise("08.2")
def _epochs(value: Any) -> str:
    given = _above_zero(value, "a number of epochs")
    most, over = 1, 200
    while over - most > 1:
        middle = (most + over) // 2
        most, over = (middle, over) if _spent(2.0, middle) < 1 else (most, middle)
    if given != most:
        where = f" After {given:g} it is {_spent(2.0, int(given)):.3f}." if given == int(given) < 1_000 else ""
        raise Wrong(f"The largest whole number of epochs after which epsilon is below 1.{where} An epoch is 500 steps.")
    return (
        f"After {most} epochs epsilon is {_spent(2.0, most):.3f}, after {most + 1} it is {_spent(2.0, most + 1):.3f}."
    )


@exercise("08.3")
def _both(value: Any) -> str:
    given, parts = _above_zero(value, "an epsilon"), (_spent(2.0, 15), _spent(4.0, 20))
    if abs(given - max(parts)) < 0.01:
        raise Wrong("That is one of the two models alone. Somebody who has both learns from both.")
    if abs(given - sum(parts)) > 0.01 * sum(parts):
        raise Wrong("Take each model's epsilon from privacy.stated (steps are 500 an epoch, releases=2), then add.")
    return f"{parts[0]:.2f} + {parts[1]:.2f}, at a delta of 2e-5: whoever gives away a model has less left to spend."


@exercise("08.4")
def _settings(value: Any) -> str:
    if not isinstance(value, Config):
        raise Wrong("Pass a dg.Config(...), with dp=privacy.DP(noise_multiplier=...).")
    if value.dp is None:
        raise Wrong("This Config has no dp: its epsilon is infinite.")
    if value.steps < 500 or value.batch_size < 50:
        raise Wrong(f"{value.steps} steps of {value.batch_size} samples; take at least 500 of at least 50.")
    if value.dp.delta >= 1e-4:
        raise Wrong(f"delta={value.dp.delta:g} is not below one over the 10,000 samples.")
    if value.dp.sampling != "poisson" or value.batch_size > 10_000:
        raise Wrong("Epsilon is counted for Poisson batches of at most all samples.")
    releases = value.discriminator_rounds * (2 if value.auxiliary else 1)
    promised = spent(value, 10_000, value.steps, releases, accountant="prv")
    if not 0.9 <= promised <= 1:
        raise Wrong(
            f"This promises an epsilon of {promised:.3g}. dial.solve(1.0), then dial.config(), makes such settings."
        )
    return f"It promises {promised:.3f}. Train it with dg.fit(ds, ...) and hold it against the one above."


# 08.5: four sums with noise, of which each is claimed to be as private as the first

BUGS = ("nothing", "noise halved", "batch clipped", "numbers clipped")
_SUSPECTS = {"A": "batch clipped", "B": "nothing", "C": "noise halved", "D": "numbers clipped"}
SUSPECT_NOISE, SUSPECT_STEPS = 4.0, 4


def suspect(name: str, rows: np.ndarray) -> np.ndarray:
    """DP-SGD's core: in each of four steps every row (N, D) is cut to a norm of at most 1, and the sum gets noise of 4.

    So it is claimed; some of "A" to "D" do something else. Returns the mean of the four sums, (D,).

    Examples
    --------
    >>> suspect("A", np.ones((3, 5))).shape
    (5,)
    """
    return _sums(rows, _SUSPECTS[name])


def _sums(rows: np.ndarray, bug: str) -> np.ndarray:
    if bug == "batch clipped":  # their mean is cut, not each row
        mean = rows.mean(0)
        total = len(rows) * mean * min(1, 1 / np.linalg.norm(mean))
    elif bug == "numbers clipped":  # each number of a row, not its norm
        total = np.clip(rows, -1, 1).sum(0)
    else:
        total = (rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1)).sum(0)
    noise = SUSPECT_NOISE / 2 if bug == "noise halved" else SUSPECT_NOISE
    sums: np.ndarray = total + noise * np.random.default_rng().normal(size=(SUSPECT_STEPS, rows.shape[1])).mean(0)
    return sums


@exercise("08.5")
def _planted(value: Any) -> str:
    if not isinstance(value, dict) or set(value) != set(_SUSPECTS):
        raise Wrong(f"Give a dict of what is wrong with each of {', '.join(_SUSPECTS)}.")
    if unknown := [bug for bug in value.values() if bug not in BUGS]:
        raise Wrong(f"{unknown[0]!r} is none of {', '.join(map(repr, BUGS))}.")
    if wrong := [name for name in _SUSPECTS if value[name] != _SUSPECTS[name]]:
        raise Wrong(
            f"{len(wrong)} of 4 are not right. Ask each with three canaries: one that need not be cut at all, one long "
            "along one number, one long in all numbers. Which bug shows with which?"
        )
    return "None of them was read: what goes in and what comes out was enough. An audit that finds nothing proves less."


# 08.6: what epsilon does not bound, each with the hint for whoever leaves it out; 1 and 4 it bounds

NOT_BOUND = {
    2: "What is the unit of the promise, and how many units has this person?",
    3: "How was the list of agents read? Did any noise go into that?",
    5: "Who looked at the data to choose among the twenty, and was that accounted for?",
    6: "Is anything said here that a model without this person's page would not say as well?",
}
_BOUND = {
    1: "That is what epsilon bounds, for an attacker who knows whatever else there is to know.",
    4: "What is computed from a private model, as often as one likes, tells no more than the model.",
}


@exercise("08.6")
def _not_covered(value: Any) -> str:
    if not isinstance(value, list | tuple | set | frozenset) or not 0 < len(value) <= 6:
        raise Wrong("Give a list of the numbers of the statements, such as [1, 2].")
    given = {whole(one) for one in value}
    if not given <= NOT_BOUND.keys() | _BOUND.keys():
        raise Wrong("The statements have the numbers 1 to 6.")
    if covered := sorted(given & _BOUND.keys()):
        raise Wrong(f"{covered[0]} is covered. {_BOUND[covered[0]]}")
    if left := sorted(NOT_BOUND.keys() - given):
        raise Wrong(f"There is more ({len(left)} of 4 to find). {NOT_BOUND[left[0]]}")
    return (
        "Epsilon bounds what the training tells of one page, to whoever has the model. It says nothing of several "
        "pages together, of what was published or chosen beside the training, and of what is true with or without "
        "the page."
    )


@exercise("08.7")
def _small_states(value: Any) -> str:
    counts = open_dataset("broadband").state.to_series().value_counts().to_numpy()
    given = whole(value)

    def right(noise: float) -> int:
        return int((counts >= 2 * noise / 0.1).sum())

    one, each = (
        noise_for(epsilon=0.5, sample_rate=1.0, steps=k, delta=1e-5, accountant="prv") for k in (1, len(counts))
    )
    if given != right(one) and given == right(each):
        raise Wrong(
            f"Are {len(counts)} counts {len(counts)} releases? A home is in one state: how many of them does it move?"
        )
    if given != right(one):
        raise Wrong(
            "privacy.noise_for(epsilon=0.5, sample_rate=1.0, steps=1, ...) is the noise that each count gets. Twice "
            "that is not to be more than a tenth of the count."
        )
    return (
        f"{given} of {len(counts)}: the noise is {one:.1f} whatever it is added to, so a count has to be at least "
        f"{20 * one:.0f}. The promise is the same for all homes; it is the small states that pay for it."
    )
