"""Chapter 08: its recorded run (fidelity against epsilon, after the paper's Figure 16), and its exercises.

Training data are 10,000 pages with public bounds (`valid_min`, `valid_max`), so that the guarantee covers all that is
learned. The noise multipliers run from none to where epsilon is below one. Then comes what is known to lose less, at an
epsilon of two after the last step; "public only" is the start of "public start", without a private step. The
multipliers that give two were found by `privacy.noise_for`; a test holds the recorded epsilon against it.
"""

from dataclasses import replace
from typing import Any

import pandas as pd
import xarray as xr

from dgkit import metrics, simulate
from dgkit._cells import Point
from dgkit.core.config import Config
from dgkit.core.trainer import Trainer
from dgkit.course.exercise import Wrong, exercise, number
from dgkit.course.experiment import Experiment
from dgkit.course.measures import web_metrics
from dgkit.privacy import epsilon
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


# --- exercises ---

_STEPS = 500  # an epoch of 50,000 samples in batches of 100
_RATE, _DELTA = 100 / 50_000, 1e-5


def _spent(noise: float, epochs: int, releases: int = 2) -> float:
    return epsilon(noise_multiplier=noise, sample_rate=_RATE, steps=_STEPS * epochs, delta=_DELTA, releases=releases)


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
    spent, alone = _spent(noise, 15), _spent(noise, 15, releases=1)
    if abs(alone - 1) < 0.03:
        raise Wrong("That is right for one discriminator. Two publish a noisy gradient of each batch: releases=2.")
    if not 0.97 < spent < 1.01:
        raise Wrong(
            f"With this noise epsilon is {spent:.3g}. privacy.noise_for wants sample_rate (batch size over samples), "
            f"and steps: 15 epochs are {15 * _STEPS}."
        )
    return f"Epsilon is {spent:.3f}. For one discriminator alone it would be {alone:.2f}."


@exercise("08.2")
def _epochs(value: Any) -> str:
    given = _above_zero(value, "a number of epochs")
    most = 1
    while _spent(2.0, most + 1) < 1:
        most += 1
    if given != most:
        where = f" After {given:g} it is {_spent(2.0, int(given)):.3f}." if given == int(given) < 10_000 else ""
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
        raise Wrong("Compute each model's epsilon with privacy.epsilon (steps are 500 an epoch, releases=2), then add.")
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
    spent = epsilon(
        noise_multiplier=value.dp.noise_multiplier,
        sample_rate=value.batch_size / 10_000,
        steps=value.steps,
        delta=value.dp.delta,
        releases=value.discriminator_rounds * (2 if value.auxiliary else 1),
    )
    if not 0.9 <= spent <= 1:
        raise Wrong(
            f"This promises an epsilon of {spent:.3g}. dial.solve(1.0), then dial.config(), makes such settings."
        )
    return f"It promises {spent:.3f}. Train it with dg.fit(ds, ...) and hold it against the one above."
