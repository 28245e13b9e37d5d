"""A training step on a GPU at the sizes of the paper's data: replayed, launched by Python, on the CPU, and the peer's.

``python tests/benchmarks/gpu.py``, or as the part "gpu" of `make bench`, where there is a CUDA device. Wall times, the
first steps left out; ratios are those to the step that is launched by Python.
"""

import dgkit as dg  # isort: skip (before torch)

import time
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import torch
import xarray as xr
from training import run_peer, wwt_sizes


def sizes(n: int, steps: int, features: int, categories: dict[str, int]) -> xr.Dataset:
    """Random data of this form, all of full length."""
    rng = np.random.default_rng(0)
    data = {f"f{k}": (("sample", "time"), rng.random((n, steps)).astype(np.float32)) for k in range(features)}
    for name, width in categories.items():
        data[name] = ("sample", np.array([f"{name}{k}" for k in range(width)])[rng.integers(0, width, n)])
    return xr.Dataset(data)


def seconds_a_step(ds: xr.Dataset, config: dg.Config, seconds: float) -> float:
    """Median wall time of a step, of those after the fifth."""
    trainer = dg.Trainer(ds, config)
    times, start = [], time.perf_counter()
    for record in trainer:
        times.append(record.seconds)
        if len(times) > 12 and time.perf_counter() - start > seconds:
            break
    return float(np.median(times[5:]))


def rows(seconds: float = 2) -> Iterator[dict]:
    """For `make bench`'s table."""
    if not torch.cuda.is_available():
        yield {"what": "GPU", "ours": "no CUDA device here", "other": "", "ratio": float("nan"), "spread": ""}
        return
    data = {
        "WWT": wwt_sizes(),
        "MBA": sizes(600, 56, 2, {"isp": 15, "technology": 5, "state": 53}),
        "GCUT": sizes(200, 2500, 9, {"end_event": 4}),
    }
    configs = {name: dg.Config.published(name, device="cuda") for name in data}
    launched = {}

    def row(name: str, way: str, took: float) -> dict:
        return {
            "what": f"a step, {name} sizes: {way}", "ours": f"{took * 1e3:.2f} ms",
            "other": f"launched on {torch.cuda.get_device_name()} {launched[name] * 1e3:.2f} ms",
            "ratio": launched[name] / took,
            "spread": f"{configs[name].steps:,} steps: {took * configs[name].steps / 60:.0f} min",
        }  # fmt: skip

    for name, ds in data.items():
        launched[name] = seconds_a_step(ds, configs[name], seconds)
        yield row(name, "launched", launched[name])
        yield row(name, "replayed", seconds_a_step(ds, replace(configs[name], replay=True), seconds))
    for name, ds in data.items():
        peer = run_peer("speed", ds, 2 * seconds, configs[name].sample_len, 0, torch.get_num_threads(), "cuda")
        yield row(name, "gretel-synthetics, launched", float(peer["seconds_a_step"]))
    for threads in (torch.get_num_threads(), 1):
        torch.set_num_threads(threads)
        for name, ds in data.items():
            took = seconds_a_step(ds, replace(configs[name], device="cpu"), seconds)
            yield row(name, f"on the CPU, threads: {threads}", took)


if __name__ == "__main__":
    for row in rows():
        print(" | ".join(f"{value:.2f}" if isinstance(value, float) else value for value in row.values()), flush=True)
