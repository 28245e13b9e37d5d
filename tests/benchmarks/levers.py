"""What holds DoppelGANger back on long, bursty series: settings at equal CPU seconds on one thread, measured on the way.

``OMP_NUM_THREADS=1 python tests/benchmarks/levers.py pages.nc results.jsonl default noise --seconds 150 --seeds 0``
trains the settings named (all of SETTINGS if none is) and appends a line of JSON for each measurement; a run whose last
line is there is left out, so that the same command goes on where it stopped.
"""

import dgkit as dg  # isort: skip (before torch)

import argparse
import json
import time
import warnings
from pathlib import Path

import numpy as np
import torch
import xarray as xr

from tests.benchmarks.rivals import changes

DAYS = {"sample_len": 10, "ema": 0.99}
LOGS = {"ema": 0.99, "minmax_scale": "log_values", "feature_noise": 30, "auxiliary_weight": 10.0}
SETTINGS: dict[str, dict] = {
    "default": DAYS,
    "noise": DAYS | {"feature_noise": 30},
    "S55 log": {"sample_len": 55, "ema": 0.99},
    "logs": DAYS | {"minmax_scale": "log_values"},
    "logs noise": DAYS | {"minmax_scale": "log_values", "feature_noise": 30},
    "S25 logs noise": {"sample_len": 25, "ema": 0.99, "minmax_scale": "log_values", "feature_noise": 30},
    "S55 logs noise": {"sample_len": 55, "ema": 0.99, "minmax_scale": "log_values", "feature_noise": 30},
    "S10 all": LOGS | {"sample_len": 10},
    "S25 full": LOGS | {"sample_len": 25, "full_range": True, "auxiliary_weight": 1.0},
    "S25 full aux": LOGS | {"sample_len": 25, "full_range": True},
    "S10 full": LOGS | {"sample_len": 10, "full_range": True, "auxiliary_weight": 1.0},
    "S55 full": LOGS | {"sample_len": 55, "full_range": True, "auxiliary_weight": 1.0},
    "S25 full log": {"ema": 0.99, "feature_noise": 30, "sample_len": 25, "full_range": True},
    "S25 all": LOGS | {"sample_len": 25},
    "S55 all": LOGS | {"sample_len": 55},
    "S25 all but logs": LOGS | {"sample_len": 25, "minmax_scale": "log"},
    "S25 all but noise": LOGS | {"sample_len": 25, "feature_noise": 5},
    "S25 slower": LOGS | {"sample_len": 25, "generator_lr": 3e-4, "discriminator_lr": 3e-4, "auxiliary_lr": 3e-4},
    "S55 linear": {"sample_len": 55, "ema": 0.99, "minmax_scale": "linear"},
}


def half_range(series: xr.DataArray) -> np.ndarray:
    values = series.transpose("sample", "time").values
    return np.log10(np.maximum((values.max(1) - values.min(1)) / 2, 1))


def mid_range(series: xr.DataArray) -> np.ndarray:
    values = series.transpose("sample", "time").values
    return np.log10(np.maximum((values.max(1) + values.min(1)) / 2, 1))


def flat_share(series: xr.DataArray) -> float:
    """Series that are one number throughout: the paper's autocorrelation leaves them out."""
    values = series.transpose("sample", "time").values
    return float((values.max(1) == values.min(1)).mean())


def measured(real: xr.Dataset, model: dg.DoppelGANger) -> dict[str, float]:
    """Distances of the one feature from data held out; decades."""
    made = model.sample(real.sizes["sample"], seed=1)
    name = next(v.name for v in model.encoder.schema.features)
    x, y = real[name], made[name]
    error = dg.metrics.autocorrelation_mse
    row = {
        "acf": error(x, y),
        "mid": dg.metrics.wasserstein(mid_range(x), mid_range(y)),
        "half": dg.metrics.wasserstein(half_range(x), half_range(y)),
        "mid bias": float(np.median(mid_range(y)) - np.median(mid_range(x))),
        "flat": flat_share(y),
    }
    with torch.no_grad():  # the series before their range is put back: the autocorrelation knows no range
        noise = model.generator.eval().draw(1000, torch.Generator().manual_seed(2))
        unit = model.generator(noise).features[:, : real.sizes["time"], 0].numpy().astype(np.float64)
    row["acf before range"] = error(x, xr.DataArray(unit, dims=("sample", "time")))
    for title, a, b in zip(("steps", "rise"), changes(x, 1), changes(y, 1), strict=True):
        row[title] = dg.metrics.wasserstein(a, b)
    curve = dg.metrics.autocorrelation(y)
    row |= {f"lag {lag}": float(curve.sel(lag=lag)) for lag in (1, 7, 30, 180)}
    return {key: float(f"{value:.4g}") for key, value in row.items()}


def run(train: xr.Dataset, held_out: xr.Dataset, settings: dict, seed: int, moments: list[float], models=None):
    """Train until the last of these moments (CPU seconds); what is measured at each."""
    trainer = dg.Trainer(train, dg.Config(steps=10**6, seed=seed, **settings))
    spent, moments = 0.0, list(moments)
    while moments:
        start = time.process_time()
        next(trainer)
        spent += time.process_time() - start
        if spent >= moments[0]:
            if models and len(moments) == 1:
                trainer.model.save(models)
            yield {"seconds": moments.pop(0), "step": trainer.step} | measured(held_out, trainer.model)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("data")
    parser.add_argument("out", type=Path)
    parser.add_argument("settings", nargs="*", default=list(SETTINGS))
    parser.add_argument("--seconds", type=float, default=150)
    parser.add_argument("--seeds", type=int, nargs="*", default=[0])
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    train, held_out = dg.split(dg.open_dataset(arguments.data), 0.5, seed=0)
    moments = [share * arguments.seconds for share in (0.5, 1)]
    arguments.out.touch()
    done = [json.loads(line) for line in arguments.out.read_text().splitlines()]
    for seed in arguments.seeds:
        for name in arguments.settings:
            key = {"name": name, "seed": seed}
            if any(line | key == line and line["seconds"] >= arguments.seconds for line in done):
                continue
            for row in run(train, held_out, SETTINGS[name], seed, moments, f'/tmp/levers/{name}.{seed}.dgkit'):
                with arguments.out.open("a") as file:
                    file.write(json.dumps(key | row) + "\n")


if __name__ == "__main__":
    main()
