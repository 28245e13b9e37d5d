"""A training step beside a process that keeps one core busy, as a browser does: milliseconds by what is imported first.

``python tests/benchmarks/busy.py``, or as the part "busy" of `make bench`. Each measurement is a process of its own,
with a free machine and a busy one in turn.
"""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np

STEP = """
import sys, time
{first}
import dgkit as dg, torch
sys.path.insert(0, {here!r})
from training import wwt_sizes
torch.set_num_threads({threads})
trainer = dg.Trainer(wwt_sizes(300), dg.Config.published("WWT"))
times, end = [], time.perf_counter() + {seconds}
while time.perf_counter() < end or len(times) < 5:
    times.append(next(trainer).seconds)
print(sorted(times[2:])[len(times[2:]) // 2])
"""
WAYS = {  # what stands first in the program, threads
    "one thread": ("import dgkit", 1),
    "two threads, dgkit imported first": ("import dgkit", 2),
    "two threads, torch imported first": ("import torch", 2),
    "two threads, torch's own spin": ("import os, torch; os.environ['GOMP_SPINCOUNT'] = ''  # kept, and too late", 2),
}


def step_seconds(first: str, threads: int, seconds: float) -> float:
    """Median of a step in a new process."""
    code = STEP.format(first=first, here=str(Path(__file__).parent), threads=threads, seconds=seconds)
    settings = {k: v for k, v in os.environ.items() if not k.startswith(("OMP_", "GOMP_"))}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=settings, check=True)
    return float(done.stdout)


def beside_busy(first: str, threads: int, seconds: float) -> float:
    """The same while another process keeps a core busy."""
    with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as neighbour:
        try:
            return step_seconds(first, threads, seconds)
        finally:
            neighbour.kill()


def rows(seconds: float = 5, rounds: int = 3) -> list[dict]:
    """For `make bench`'s table; ratio: how much slower a step is beside the busy process."""
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in WAYS}
    for _ in range(rounds):
        for name, way in WAYS.items():
            found[name].append((step_seconds(*way, seconds), beside_busy(*way, seconds)))
    table = []
    for name, pairs in found.items():
        free, busy = np.median(np.array(pairs), 0) * 1e3
        ratios = [b / a for a, b in pairs]
        table.append(
            {
                "what": f"a step beside a busy process, WWT sizes, {name}",
                "ours": f"{busy:.0f} ms",
                "other": f"without it {free:.0f} ms",
                "ratio": float(np.median(ratios)),
                "spread": f"{min(ratios):.2f} to {max(ratios):.2f}",
            }
        )
    return table


if __name__ == "__main__":
    for row in rows():
        print(" | ".join(f"{value:.2f}" if isinstance(value, float) else value for value in row.values()))
