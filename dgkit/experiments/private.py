"""Fidelity against epsilon: the experiment of chapter 08, after the paper's Figure 16.

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
from dgkit.core.config import Config
from dgkit.core.trainer import Trainer
from dgkit.experiments.cells import Experiment, Point, train_model
from dgkit.experiments.course import web_metrics

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
