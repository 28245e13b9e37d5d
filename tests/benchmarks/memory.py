"""Peak memory of `evaluate` on data that would not fit: made lazily, chunk by chunk, and never held whole.

``python tests/benchmarks/memory.py 4`` evaluates 4 GB (float64 and text features, lengths, attributes) against a tenth
of that, with two dask workers, and prints JSON: bytes of the data, peak resident memory before and after, seconds, and
what the report holds. ``rows()`` gives it to `make bench`. Left out: reading from disk.
"""

import json
import subprocess
import sys
import time
from pathlib import Path

STEPS, CHUNK = 550, 5_000  # WWT's length; 22 MB of float64 a chunk
BOUND = 1.5e9  # bytes, resident, on 4 GB


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


def measure(gigabytes: float) -> dict:
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


def in_fresh_process(gigabytes: float) -> dict:
    """What `measure` gives in a process of its own."""
    run = subprocess.run([sys.executable, __file__, str(gigabytes)], capture_output=True, text=True, check=False)
    if run.returncode:
        raise RuntimeError(f"evaluate on {gigabytes} GB failed: {run.stderr[-2000:]}")
    return json.loads(run.stdout.splitlines()[-1])


def rows() -> list[dict]:
    """The 4 GB as a row of `make bench`: peak memory against the size of the data."""
    found = in_fresh_process(4)
    return [
        {
            "what": f"evaluate, dask-backed, {found['seconds']:.0f} s: peak memory (at most {BOUND / 1e9} GB) / data",
            "ours": f"{found['peak'] / 1e9:.2f} GB" + (" TOO MUCH" if found["peak"] > BOUND else ""),
            "other": f"{found['bytes'] / 1e9:.2f} GB",
            "ratio": found["bytes"] / found["peak"],
            "spread": "",
        }
    ]


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[2]))
    print(json.dumps(measure(float(sys.argv[1]))))
