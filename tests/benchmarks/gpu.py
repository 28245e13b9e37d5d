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
    cores = torch.get_num_threads()
    for name, ds in (
        ("WWT", wwt_sizes()),
        ("MBA", sizes(600, 56, 2, {"isp": 15, "technology": 5, "state": 53})),
        ("GCUT", sizes(200, 2500, 9, {"end_event": 4})),
    ):
        config = dg.Config.published(name)
        launched = seconds_a_step(ds, replace(config, device="cuda"), seconds)

        def row(way: str, took: float, name: str = name, launched: float = launched, steps: int = config.steps) -> dict:
            return {
                "what": f"a step, {name} sizes: {way}", "ours": f"{took * 1e3:.2f} ms",
                "other": f"launched on {torch.cuda.get_device_name()} {launched * 1e3:.2f} ms",
                "ratio": launched / took, "spread": f"{steps:,} steps: {took * steps / 60:.0f} min",
            }  # fmt: skip

        yield row("launched", launched)
        yield row("replayed", seconds_a_step(ds, replace(config, device="cuda", replay=True), seconds))
        for threads in (cores, 1):
            torch.set_num_threads(threads)
            took = seconds_a_step(ds, replace(config, device="cpu"), seconds)
            yield row(f"CPU, threads: {threads}", took)
        torch.set_num_threads(cores)
        for device in ("cuda", "cpu") if name != "GCUT" else ("cuda",):  # a minute and more on a CPU
            peer = run_peer("speed", ds, 2 * seconds, config.sample_len, 0, cores, device)
            yield row(f"gretel-synthetics, {device}", float(peer["seconds_a_step"]))


if __name__ == "__main__":
    for row in rows():
        print(" | ".join(f"{value:.2f}" if isinstance(value, float) else value for value in row.values()), flush=True)
