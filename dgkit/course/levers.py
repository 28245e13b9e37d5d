"""Chapter 11's recorded run on what holds DoppelGANger back on real data: one setting changed at a time.

`real_levers` trains and measures as `real` does, from the settings of its "doppelganger" row; the halves, the seeds and
the CPU seconds are the same. Rates fall along the seconds here, and along the steps in `Config(last_lr=0.1)`; choice
by data held out is by seconds, too, where `fit(held_out=...)` has steps. One lever is no setting of `Config`: a
discriminator that reads each pass by a few projections. `real_moments` looks at the same training on pages every fifty
steps, with rates that stay and with rates that fall.
"""

import time
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import torch
import xarray as xr
from torch import Tensor, nn
from torch.nn.functional import linear

from dgkit import datasets, metrics
from dgkit._cells import Point
from dgkit.core.config import Config
from dgkit.core.heads import widths
from dgkit.core.keep import autocorrelation_error
from dgkit.core.model import DoppelGANger
from dgkit.core.optimise import Adam
from dgkit.core.trainer import Trainer
from dgkit.course import real
from dgkit.course.experiment import Experiment
from dgkit.course.measures import look, within_reach
from dgkit.course.store import open_run

SLOW = {"generator_lr": 3e-4, "discriminator_lr": 3e-4, "auxiliary_lr": 3e-4}
NONE = "as in the table"
LEVERS: dict[str, dict[str, Any]] = {  # changed settings; of those without any `pulled` knows what they do
    NONE: {},
    "five numbers of noise": {"feature_noise": 5},
    "no average of weights": {"ema": 0.0},
    "a longer average": {"ema": 0.999},
    "logarithmic range": {"minmax_scale": "log"},
    "rates of 0.0003": SLOW,
    "falling rates": {},
    "batches of 300": {"batch_size": 300},
    "three rounds": {"discriminator_rounds": 3},
    "per-pass projections": {},
    "best of six held out": {},
}
LAST_RATE = 0.1  # of the first one, at the end of the seconds
PROJECTIONS = 16  # of a pass
LOOKS = 6  # at data held out, which are a tenth of the training half
MOMENTS = range(1000, 2401, 50)  # a minute is about 2,000 steps


class PerPass(nn.Module):
    """A first layer that reads each pass by the same few projections; otherwise linear, as the one it replaces.

    Parameters
    ----------
    plain : Linear
        The layer it takes the place of; its inputs are R passes of `width` columns, and then attributes and min/max.
    passes, width : int
    """

    def __init__(self, plain: nn.Linear, passes: int, width: int):
        super().__init__()
        units, rest = plain.out_features, plain.in_features - passes * width
        self.passes, self.bias = passes, nn.Parameter(torch.zeros(units))
        self.each = nn.Parameter(nn.init.xavier_uniform_(torch.empty(PROJECTIONS, width)))
        self.mixed = nn.Parameter(nn.init.xavier_uniform_(torch.empty(units, passes * PROJECTIONS + rest)))

    @property
    def weight(self) -> Tensor:
        """As one matrix, (units, R * width + rest)."""
        passes, rest = self.mixed.tensor_split([self.passes * PROJECTIONS], 1)
        return torch.cat([(passes.unflatten(1, (self.passes, -1)) @ self.each).flatten(1), rest], 1)

    def forward(self, samples: Tensor) -> Tensor:
        return linear(samples, self.weight, self.bias)


def read_by_passes(trainer: Trainer) -> None:
    """Give a new trainer's discriminator a `PerPass`."""
    encoder, config, layers = trainer.encoder, trainer.config, trainer.discriminator.layers
    with torch.random.fork_rng():
        torch.manual_seed(config.seed or 0)
        layers[0] = PerPass(layers[0], encoder.passes, config.sample_len * widths(encoder.feature_heads))  # type: ignore[arg-type]
    trainer.optimisers["discriminator"] = Adam(
        trainer.discriminator, rate=config.discriminator_lr, beta1=config.of("discriminator_beta1")
    )


def pulled(train: xr.Dataset, config: Config, lever: str, budget: float) -> tuple[DoppelGANger, int, float]:
    """The model after so many CPU seconds of training; its steps, and the seconds."""
    apart = None
    if lever == "best of six held out":
        train, apart = datasets.split(train, 0.9, seed=config.seed or 0)
    trainer, spent, looks = Trainer(train, config), 0.0, list[tuple[float, int, DoppelGANger]]()
    if lever == "per-pass projections":
        read_by_passes(trainer)
    rates = {name: optimiser.rate for name, optimiser in trainer.optimisers.items()}
    for part in range(1, LOOKS + 1):
        while spent < budget * part / LOOKS and trainer.step < config.steps:
            start = time.process_time()
            if lever == "falling rates":
                for name, rate in rates.items():
                    trainer.optimisers[name].rate = rate * (1 - (1 - LAST_RATE) * spent / budget)
            next(trainer)
            spent += time.process_time() - start
        if apart is not None:  # not counted: what chooses is no training
            model = trainer.model
            error = autocorrelation_error(apart, model.sample(apart.sizes["sample"], seed=2))
            looks.append((error, trainer.step, model))
    _, steps, model = min(looks, default=(0.0, trainer.step, trainer.model), key=lambda one: one[0])
    return model, steps, spent


def _cell(train: xr.Dataset, config: Config, point: Point) -> xr.Dataset:
    lever, held_out = point["lever"], real.halves(point)[1]
    config = replace(config, **real.doppelganger(point["data"]) | LEVERS[lever])
    model, steps, seconds = pulled(train, config, lever, point["budget"])
    cell = real.measured(train, held_out, model.sample(held_out.sizes["sample"], seed=1))
    units = {"units": "s", "long_name": "CPU time of training, one thread"}
    return cell.assign(training_seconds=((), seconds, units), steps=steps)


def _moments_cell(train: xr.Dataset, config: Config, point: Point) -> xr.Dataset:
    """Memory, values and levels at one moment after the other."""
    names = ("autocorrelation_mse", "value_wasserstein_decades", "mid_range_wasserstein_decades")
    held_out, at, rows = real.halves(point)[1], within_reach(MOMENTS, config.steps), []
    for _, _, model in look(Trainer(train, config), at):
        report = metrics.evaluate(held_out, model.sample(held_out.sizes["sample"], seed=1)).isel(feature=0, drop=True)
        rows.append(xr.Dataset({name: report[name].drop_vars("feature_units", errors="ignore") for name in names}))
    return xr.concat(rows, pd.Index(at, name="step"))


def table() -> tuple[pd.DataFrame, pd.DataFrame]:
    """Medians over seeds of each measure, and with how many seeds a lever brings it nearer; a row for each lever.

    Returns
    -------
    tuple of DataFrame
        By data, feature and lever, with columns of `real.table`; the second without "as in the table".

    Examples
    --------
    >>> int(table()[1].loc["pages", "views"].loc["logarithmic range", "autocorrelation MSE"])
    0
    """
    run = open_run("real_levers").drop_dims("lag").rename(lever="model")
    middle = _rows(run)
    counts = np.zeros(middle.shape)
    for seed in run.seed.values:
        one = _rows(run.sel(seed=[seed]))
        plain = one.xs(NONE, level=-1)
        counts += one.values < plain.loc[[key[:-1] for key in one.index]].values
    levers = middle.index.get_level_values(-1)
    return middle, pd.DataFrame(counts, middle.index, middle.columns).where(middle.notna()).loc[levers != NONE]


def _rows(run: xr.Dataset) -> pd.DataFrame:
    nothing = run.training_seconds * np.nan
    run = run.assign(sampling_seconds=nothing, memory=nothing, cannot=xr.full_like(nothing, "", dtype=object))
    return real.table(run).droplevel("budget").loc[:, "autocorrelation MSE":"told apart"]


EXPERIMENTS = {
    "real_levers": Experiment(
        "What does each setting do for DoppelGANger on real data, in as many CPU seconds?",
        lambda point: real.halves(point)[0],
        _cell,
        Config(steps=1_000_000, device="cpu"),  # no limit but that of the seconds
        {"seed": (0, 1, 2), "data": ("pages", "mba"), "budget": (60,), "lever": tuple(LEVERS)},
        {"steps": 4, "data": "web", "budget": 60, "lever": "per-pass projections", "seed": 0},
    ),
    "real_moments": Experiment(
        "How much do the levels of pages hang on the step at which training ends?",
        lambda point: real.halves(point)[0],
        _moments_cell,
        Config(steps=MOMENTS[-1], device="cpu", **real.doppelganger("pages")),
        {"seed": (0, 1, 2), "data": ("pages",), "rates": {"constant": {}, "falling": {"last_lr": LAST_RATE}}},
        {"steps": 4, "data": "web", "rates": "falling", "seed": 0},
    ),
}
