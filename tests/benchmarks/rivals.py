"""Models at equal CPU seconds on one thread: how close to held-out data, with chance and the null model first.

``OMP_NUM_THREADS=1 python tests/benchmarks/rivals.py web --seconds 15 --models surrogate flow_matching doppelganger``
A name of `open_dataset` or a file it reads. Of each seed (the split's and the model's) a row; distances as shares, and
measured as in the recorded run `real`.
"""

import dgkit as dg  # isort: skip (before torch)

import argparse
import time
import warnings

import torch
import xarray as xr

from dgkit import baselines
from dgkit.course import real
from dgkit.course.real import changes  # noqa: F401 (found here by those who measure steps and rises alone)

TRIED = 20  # steps that tell how many there will be
MEASURES = {
    "autocorrelation MSE": "autocorrelation_mse",
    "values": "value_wasserstein_relative",
    "mid-range": "mid_range_wasserstein_relative",
    "half-range": "half_range_wasserstein_relative",
    "attributes JS": "attribute_jensen_shannon",
    "lengths": "length_wasserstein",
    "together": "cross_correlation_wasserstein",
    "steps": "step_wasserstein",
    "largest rise": "largest_rise_wasserstein",
    "told apart": "told_apart",
    "nearest": "nearest_neighbour_ratio",
    "copied": "copied_share",
}


def training(name: str, train: xr.Dataset, seed: int, steps: int) -> dg.Trainer | baselines.Training:
    """A training of so many steps, DoppelGANger's with about fifty passes a series."""
    if name == "doppelganger":
        sample_len = max(1, train.sizes["time"] // 50)
        return dg.Trainer(train, dg.Config(steps=steps, sample_len=sample_len, ema=0.99, seed=seed))
    return baselines.training(name, train, seed=seed, steps=1 if name == "surrogate" else steps)


def trained(name: str, train: xr.Dataset, seed: int, seconds: float) -> tuple[object, int, float]:
    """The model after this much CPU time, how many steps that were, and how long they took."""
    trial = training(name, train, seed, 10**6)
    for _ in zip(range(3), trial, strict=False):
        pass
    start = time.process_time()
    made = sum(1 for _ in zip(range(TRIED), trial, strict=False))
    steps = max(1, int(seconds * made / max(time.process_time() - start, 1e-3)))
    start = time.process_time()
    run = training(name, train, seed, steps)
    for _ in run:
        pass
    return run.model, run.step, time.process_time() - start


def measured(train: xr.Dataset, held_out: xr.Dataset, made: xr.Dataset) -> dict[str, str]:
    """The worst feature's distance of each kind."""
    found = real.measured(train, held_out, made)
    row = {title: float(found[name].max()) for title, name in MEASURES.items() if name in found}
    return {title: f"{value:.2g}" if value < 1 else f"{value:.3g}" for title, value in row.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("data")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seeds", type=int, nargs="*", default=[0, 1, 2])
    parser.add_argument("--models", nargs="*", default=["surrogate", "ar", "flow_matching", "doppelganger"])
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    ds, head = dg.open_dataset(arguments.data), False
    for seed in arguments.seeds:
        train, held_out = dg.split(ds, 0.5, seed=seed)
        for name in ("two real halves", *arguments.models):
            made, cost = train, {"steps": "", "CPU s": "", "to sample": ""}
            if name in arguments.models:
                model, steps, took = trained(name, train, seed, arguments.seconds)
                start = time.process_time()
                made = model.sample(held_out.sizes["sample"], seed=1)
                sampling = time.process_time() - start
                cost = {"steps": f"{steps}", "CPU s": f"{took:.1f}", "to sample": f"{sampling:.1f}"}
            row = {"model": name, "seed": f"{seed}", **{f"trained {k}": v for k, v in cost.items()}}
            row |= measured(train, held_out, made)
            if not head:
                print(f"| {' | '.join(row)} |\n|{'---|' * len(row)}")
            print(f"| {' | '.join(row.values())} |", flush=True)
            head = True


if __name__ == "__main__":
    main()
