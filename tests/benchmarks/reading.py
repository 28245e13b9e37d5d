"""Reading files, beside pandas on the same files: a long table, a very wide one, one of Kaggle's size.

``python tests/benchmarks/reading.py kaggle dgkit`` (or long, wide; or pandas) reads one file, written first, and
prints JSON: seconds and peak memory. ``rows()`` gives all to `make bench`. pandas guesses what a column means; dgkit
looks at each value and asks. Left out: reading over a network.
"""

import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

REPEATS = 3
FILES = {"long": "10^6 rows x 6", "wide": "200 rows x 10,080", "kaggle": "145,000 rows x 550"}


def write(kind: str, path: Path) -> None:
    import numpy as np

    random = np.random.default_rng(0)
    with open(path, "w") as file:
        if kind == "long":
            file.write("host,time,load,octets,state,speed\n")
            times = np.datetime_as_string(np.datetime64("2024-01-01T00:00") + 5 * np.arange(10_000).astype("m8[m]"))
            for host in range(100):
                load, octets = random.lognormal(3, 2, 10_000).round(2), random.integers(0, 10**9, 10_000)
                state, speed = random.choice(["up", "down"], 10_000), 1000 + 9000 * (host % 2)
                columns = zip(times, load, octets, state, strict=True)
                file.writelines(f"h{host:03d},{t},{a},{b},{c},{speed}\n" for t, a, b, c in columns)
        else:
            samples, steps = (200, 10_080) if kind == "wide" else (145_000, 550)
            file.write("page," + ",".join(f"step_{k}" for k in range(steps)) + "\n")
            for start in range(0, samples, 200):
                level = random.lognormal(4, 1, (200, 1))
                views = 1 + (level * random.lognormal(0, 0.5, (200, steps))).astype(int)
                file.writelines(f"page_{start + k}," + ",".join(map(str, row)) + "\n" for k, row in enumerate(views))


def measure(kind: str, who: str) -> dict[str, float]:
    """Seconds and peak megabytes of reading, in this process, which should be a fresh one."""
    import pandas as pd
    from memory import peak_memory

    from dgkit.datasets import from_csv, read_csv

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.csv"
        write(kind, path)
        began = time.perf_counter()
        if who == "pandas":
            pd.read_csv(path)
        elif kind == "long":
            read_csv(path)
        else:
            from_csv(path, sample="page", features={"views": "step_*"}, max_bytes=2 * 10**9)
        return {"seconds": time.perf_counter() - began, "megabytes": peak_memory() / 1e6}


def rows() -> list[dict]:
    found = []
    for kind, size in FILES.items():
        runs: dict[str, list[dict]] = {"dgkit": [], "pandas": []}
        for _ in range(1 if kind == "kaggle" else REPEATS):
            for who, done in runs.items():
                command = [sys.executable, __file__, kind, who]
                done.append(json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout))
        seconds = {who: statistics.median(run["seconds"] for run in done) for who, done in runs.items()}
        most = {who: max(run["megabytes"] for run in done) for who, done in runs.items()}
        found.append(
            {
                "what": f"reading {size} / pandas.read_csv",
                "ours": f"{seconds['dgkit']:.2f} s, {most['dgkit']:,.0f} MB",
                "other": f"{seconds['pandas']:.2f} s, {most['pandas']:,.0f} MB",
                "ratio": seconds["pandas"] / seconds["dgkit"],
                "spread": "",
            }
        )
    return found


if __name__ == "__main__":
    print(json.dumps(measure(*sys.argv[1:])))
