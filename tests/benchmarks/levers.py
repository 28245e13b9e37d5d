"""What holds DoppelGANger back on long series with bursts: settings at equal CPU seconds of one thread.

``python -m tests.benchmarks.levers pages.nc results.jsonl default "S25 full" --seconds 30 --seeds 0 1 2``
trains the settings named (all of SETTINGS if none is) on half of the data, measures against the other half on the way,
and appends a line of JSON for each measurement. A run whose last line is there is left out, so that the same command
goes on where it stopped.

Measured on the real pages of 2026-11 (half of 3,589 held out, 550 days; one thread of a busy machine, so steps
vary); distances in decades; real pages' autocorrelation at lags 1, 7, 30, 180 is 0.29, 0.14, 0.04, -0.02, two
halves differ by 0.00003:

| setting, seed | CPU s | steps | autocorrelation MSE | mid-range | steps | rise |
|---|---|---|---|---|---|---|
| default, 0 / 1 / 2 | 30 | 600 | 0.69 / 0.44 / 0.54 | 1.15 / 1.09 / 1.05 | 0.25 | 0.67 |
| S25 full, 0 / 1 / 2 | 30 | 790 | 0.0006 / 0.0006 / 0.0006 | 0.106 / 0.091 / 0.094 | 0.03 to 0.04 | 0.13 to 0.18 |
| S25 full, 0 | 60 | 1800 | 0.0004 | 0.135 | 0.027 | 0.26 |
| S55 full, 0 | 30 | 1110 | 0.0007 | 0.067 | 0.037 | 0.13 |
| S25 full log, 0 | 30 | 984 | 0.009 | 0.121 | 0.059 | 0.25 |
| S25 logs noise, 0 | 30 / 60 | 827 / 1655 | 0.0013 / 0.0006 | 0.52 / 0.59 | 0.031 / 0.042 | 0.25 / 0.31 |
| S25 all, 0 | 30 / 60 | 861 / 1732 | 0.0009 / 0.0008 | 0.50 / 0.58 | 0.030 / 0.039 | 0.27 / 0.30 |
| S55 log, 0 | 45 | 1452 | 0.0065 | 0.78 | 0.13 | 0.43 |
| S55 linear, 0 | 60 | 1965 | 0.048 (0.0035 before the range) | 0.56 | 0.14 | 0.48 |

Why: a page's variance is its bursts, so on a linear scale the rest of a series is all near -1 ("log_values" mends
it). A generated peak stays near 0.5 of 1, so levels are low ("full_range"; a heavier auxiliary discriminator,
"all", does not help). Putting the range back and cutting to the data's changes the autocorrelation where levels are
wrong: the default's 0.44 to 0.69 are 0.008 to 0.012 before. So at S = 55 "linear" and "log" differ little, 0.0035
and 0.0069 before the range. In the recorded run `real` (60 s, three splits of the data as well as seeds) "S25 full" has
an autocorrelation MSE of 0.0004 to 0.0005 and a mid-range of 0.081 to 0.091; `real_levers` has what single changes
of it do, with three seeds, on pages and homes: rates, batches, rounds, averages, projections, choice by data held out.

Other data, one seed, 20 CPU seconds of a busy machine; homes are the FCC's (MBA, losses as events, with which
`full_range` does not go), jobs Google's of 2011; values as `Config` takes them; distances as shares of how far the real
ones are from their median, mean of both features; "told" is how often a forest tells generated from real:

| data, setting | steps | autocorrelation MSE | values | mid-range | changes | told |
|---|---|---|---|---|---|---|
| homes, default | 1012 | 0.023, 0.004 | 0.50 | 0.44 | 0.27 | 0.90 |
| homes, S4, ema | 837 | 0.041, 0.003 | 0.42 | 0.37 | 0.41 | 0.93 |
| homes, S4, ema, noise 30 | 884 | 0.027, 0.004 | 0.22 | 0.43 | 0.28 | 0.89 |
| homes, S4, ema, noise 30, "log_values" | 889 | 0.021, 0.003 | 0.33 | 0.53 | 0.34 | 0.81 |
| jobs, default | 727 | 0.017, 0.011 | 0.77 | 0.75 | 1.32 | 0.88 |
| jobs, S5, ema | 528 | 0.036, 0.014 | 0.51 | 0.29 | 0.55 | 0.87 |
| jobs, S5, ema, noise 30, "log_values", full_range | 482 | 0.038, 0.020 | 0.35 | 0.28 | 0.74 | 0.80 |
| jobs, S24, the same | 807 | 0.012, 0.014 | 0.30 | 0.38 | 1.17 | 0.78 |
"""

import dgkit as dg  # isort: skip (before torch)

import argparse
import json
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
import xarray as xr

from tests.benchmarks.rivals import changes

DAYS: dict[str, Any] = {"sample_len": 10, "ema": 0.99}
REAL = DAYS | {"sample_len": 25, "feature_noise": 30, "minmax_scale": "log_values", "full_range": True}
SETTINGS = {
    "default": DAYS,
    "noise": DAYS | {"feature_noise": 30},
    "S55 log": DAYS | {"sample_len": 55},
    "S55 linear": DAYS | {"sample_len": 55, "minmax_scale": "linear"},
    "S25 full": REAL,
    "S10 full": REAL | {"sample_len": 10},
    "S55 full": REAL | {"sample_len": 55},
    "S25 full log": REAL | {"minmax_scale": "log"},
    "S25 full few": REAL | {"feature_noise": 5},
    "S25 full aux": REAL | {"auxiliary_weight": 10.0},
    "S25 logs noise": REAL | {"full_range": False},
    "S25 all": REAL | {"full_range": False, "auxiliary_weight": 10.0},
}


def ranges(series: xr.DataArray) -> dict[str, np.ndarray]:
    """Mid- and half-range of each series in decades; below one counts as one."""
    both = {"mid": dg.metrics.mid_range(series), "half": dg.metrics.half_range(series)}
    return {name: np.log10(np.maximum(values.values, 1)) for name, values in both.items()}


def measured(real: xr.Dataset, model: dg.DoppelGANger) -> dict[str, float]:
    """How far the one feature is from data held out: Wasserstein distances in decades, and the autocorrelation."""
    made = model.sample(real.sizes["sample"], seed=1)
    name = model.encoder.schema.features[0].name
    x, y = real[name], made[name]
    row = {"acf": dg.metrics.autocorrelation_mse(x, y)}
    levels, made_levels = ranges(x), ranges(y)
    row |= {title: dg.metrics.wasserstein(levels[title], made_levels[title]) for title in levels}
    row["mid bias"] = float(np.median(made_levels["mid"]) - np.median(levels["mid"]))
    row["flat"] = float((y.max("time") == y.min("time")).mean())  # the autocorrelation leaves these out

    # before the range is put back, with values as they are in the network: what cutting to the data's range hides
    with torch.no_grad():
        noise = model.generator.eval().draw(1000, torch.Generator().manual_seed(2))
        unit = model.generator(noise).features[:, : real.sizes["time"], 0].numpy().astype(np.float64)
    row["acf before range"] = dg.metrics.autocorrelation_mse(x, xr.DataArray(unit, dims=("sample", "time")))

    for title, a, b in zip(("steps", "rise"), changes(x, 1), changes(y, 1), strict=True):
        row[title] = dg.metrics.wasserstein(a, b)
    curve = dg.metrics.autocorrelation(y)
    row |= {f"lag {lag}": float(curve.sel(lag=lag)) for lag in (1, 7, 30, 180)}
    return {key: float(f"{value:.4g}") for key, value in row.items()}


def run(
    train: xr.Dataset, held_out: xr.Dataset, settings: dict[str, Any], seed: int, moments: list[float]
) -> Iterator[dict[str, float]]:
    """Train until the last of these moments (CPU seconds of training); what is measured at each."""
    trainer, spent = dg.Trainer(train, dg.Config(steps=10**6, seed=seed, **settings)), 0.0
    for moment in moments:
        while spent < moment:
            start = time.process_time()
            next(trainer)
            spent += time.process_time() - start
        yield {"seconds": moment, "step": trainer.step} | measured(held_out, trainer.model)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("data")
    parser.add_argument("out", type=Path)
    parser.add_argument("settings", nargs="*", default=list(SETTINGS))
    parser.add_argument("--seconds", type=float, default=150)
    parser.add_argument("--shares", type=float, nargs="*", default=[0.5, 1], help="of the seconds, when to measure")
    parser.add_argument("--seeds", type=int, nargs="*", default=[0])
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    train, held_out = dg.split(dg.open_dataset(arguments.data), 0.5, seed=0)
    arguments.out.touch()
    done = [json.loads(line) for line in arguments.out.read_text().splitlines()]
    for seed in arguments.seeds:
        for name in arguments.settings:
            key = {"name": name, "seed": seed}
            if any(line | key == line and line["seconds"] >= arguments.seconds for line in done):
                continue
            moments = [share * arguments.seconds for share in arguments.shares]
            for row in run(train, held_out, SETTINGS[name], seed, moments):
                with arguments.out.open("a") as file:
                    file.write(json.dumps(key | row) + "\n")


if __name__ == "__main__":
    main()
