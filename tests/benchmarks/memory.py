"""Peak memory on data that would not fit: made lazily, chunk by chunk, and never held whole.

``python tests/benchmarks/memory.py evaluate 4`` evaluates 4 GB (float64 and text features, lengths, attributes) against
a tenth of that, with two dask workers; ``train 200000`` trains two steps on so many samples; ``sample 50000`` generates
so many of 2,500 steps of 11 features, untrained. Each prints JSON: bytes of the data, peak resident memory before and
after, seconds. ``rows()`` gives them to `make bench`. Left out: reading from disk.
"""

import json
import subprocess
import sys
import time
from pathlib import Path

STEPS, CHUNK = 550, 5_000  # WWT's length; 22 MB of float64 a chunk
BOUND = 1.5e9  # bytes, resident, on 4 GB
TRAINING_BOUND = 2e9  # on 200,000 x 550


def lazy(samples: int, seed: int, chunk: int = CHUNK):
    """A dask-backed dataset of independent series about a level of their own, two thirds of them cut short."""
    import dask.array as da
    import numpy as np
    import xarray as xr

    random = np.random.default_rng(seed)
    chunks = da.core.normalize_chunks((chunk, -1), (samples, STEPS))
    length = np.minimum(random.integers(STEPS // 2, 2 * STEPS, samples), STEPS)
    ends = da.from_array(length, chunks[0])[:, None]
    valid = da.arange(STEPS, chunks=-1) < ends
    lazily = da.random.default_rng(seed)
    level = lazily.uniform(1, 10, (samples, 1), chunks=(chunks[0], 1))
    views = level + lazily.random((samples, STEPS), chunks=chunks)
    busy = lazily.random((samples, STEPS), chunks=chunks) < 0.3
    return xr.Dataset(
        {
            "views": (("sample", "time"), da.where(valid, views, np.nan), {"units": "views/day"}),
            "state": (("sample", "time"), da.where(valid, da.where(busy, "b", "i"), "")),
            "length": ("sample", length),
            "domain": ("sample", random.choice(["de", "en", "fr"], samples)),
            "human": ("sample", random.random(samples) < 0.9),
            "size": ("sample", random.random(samples)),
        }
    )


def measure_evaluate(gigabytes: float) -> dict:
    """`evaluate` in this process, which should be a fresh one: the peak of a process never falls."""
    import dask

    from dgkit.metrics import evaluate

    of_one = lazy(1, 0).nbytes
    real, generated = (lazy(int(gigabytes * 1e9 / of_one / share), seed) for share, seed in ((1, 0), (10, 1)))
    with dask.config.set(scheduler="threads", num_workers=2):
        evaluate(lazy(100, 2), lazy(100, 3))  # compiles
        before, began = peak_memory(), time.perf_counter()
        report = evaluate(real, generated)
        seconds = time.perf_counter() - began
    held = {name: float(report[name].values.ravel()[0]) for name in report if report[name].size == 1}
    return {"bytes": real.nbytes, "before": before, "peak": peak_memory(), "seconds": seconds, "report": held}


def measure_train(samples: float) -> dict:
    """Two steps of training from a dask-backed dataset, its encoding included."""
    import dask

    import dgkit as dg

    ds, config = lazy(int(samples), 0), dg.Config(steps=2, sample_len=10)
    with dask.config.set(scheduler="threads", num_workers=2):
        dg.fit(lazy(200, 2), config, progress=False)
        before, began = peak_memory(), time.perf_counter()
        model = dg.fit(ds, config, progress=False)
        seconds = time.perf_counter() - began
    loss = float(model.history.discriminator_loss[-1])
    return {"bytes": ds.nbytes, "before": before, "peak": peak_memory(), "seconds": seconds, "loss": loss}


def measure_sample(samples: float, steps: int = 2500, features: int = 11) -> dict:
    """`sample` of a model with weights as they start."""
    import numpy as np
    import xarray as xr

    import dgkit as dg
    from dgkit.core.encode import Encoder

    random = np.random.default_rng(0)
    names = [f"feature_{k}" for k in range(features)]
    data = {name: (("sample", "time"), random.random((20, steps), np.float32)) for name in names}
    train = xr.Dataset({**data, "end": ("sample", np.array(["EVICT", "FAIL", "FINISH", "KILL"] * 5))})
    config = dg.Config(sample_len=5, auto_normalise=False)
    model = dg.DoppelGANger(Encoder.fit(train, sample_len=5, auto_normalise=False), config)
    model.sample(5)
    before, began = peak_memory(), time.perf_counter()
    fake = model.sample(int(samples), seed=1)
    return {"bytes": fake.nbytes, "before": before, "peak": peak_memory(), "seconds": time.perf_counter() - began}


MEASURES = {"evaluate": measure_evaluate, "train": measure_train, "sample": measure_sample}


def peak_memory() -> int:
    """Bytes that this process held at most."""
    status = Path("/proc/self/status")
    if status.exists():  # Linux, where getrusage begins with what the parent held
        return 1024 * int(status.read_text().partition("VmHWM:")[2].split()[0])
    if sys.platform == "win32":
        import psutil

        return psutil.Process().memory_info().peak_wset
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def in_fresh_process(what: str, size: float) -> dict:
    """What one of `MEASURES` gives in a process of its own."""
    run = subprocess.run([sys.executable, __file__, what, str(size)], capture_output=True, text=True, check=False)
    if run.returncode:
        raise RuntimeError(f"{what} {size} failed: {run.stderr[-2000:]}")
    return json.loads(run.stdout.splitlines()[-1])


def rows() -> list[dict]:
    """Rows of `make bench`: peak memory against the size of the data, or of what is generated."""
    found = []
    for what, size, told, bound in (
        ("evaluate", 4, "evaluate, dask-backed", lambda row: BOUND),
        ("train", 200_000, "two steps of training on 200,000 x 550, dask-backed", lambda row: TRAINING_BOUND),
        ("sample", 50_000, "sample(50,000), 2,500 steps of 11 features", lambda row: 2 * row["bytes"]),
    ):
        row = in_fresh_process(what, size)
        most = bound(row)
        found.append(
            {
                "what": f"{told}, {row['seconds']:.0f} s: peak memory (at most {most / 1e9:.3g} GB) / data",
                "ours": f"{row['peak'] / 1e9:.2f} GB" + (" TOO MUCH" if row["peak"] > most else ""),
                "other": f"{row['bytes'] / 1e9:.2f} GB",
                "ratio": row["bytes"] / row["peak"],
                "spread": "",
            }
        )
    return found


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[2]))
    print(json.dumps(MEASURES[sys.argv[1]](float(sys.argv[2]))))
