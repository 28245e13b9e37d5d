"""`make bench`: every benchmark in one run, one table; ours and the other take turns, so that ratios hold.

python tests/benchmarks/run.py [metrics] [speed] [step] [gpu] [busy] [penalty] [privacy] [widgets] [read] [memory]
[fidelity] [--seconds 60]
"""

import dgkit  # noqa: F401, I001 (before torch: it sets how long idle threads spin)

import argparse
import platform
import sys
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parent))

import bench_metrics
import busy
import gpu
import memory
import reading
import step
import training

import widgets


def as_row(row: dict) -> dict:
    """A comparison of metrics as the table has it."""
    ours, other = (f"{row[f'{side}_seconds'] * 1e3:,.0f} ms" for side in ("ours", "other"))
    return {"what": row["name"], "ours": ours, "other": other, "ratio": row["ratio"], "spread": ""}


def main() -> None:
    parts = {
        "metrics": lambda seconds: [as_row(row) for row in bench_metrics.rows()],
        "penalty": lambda seconds: training.penalty_rows(),
        "privacy": lambda seconds: training.privacy_rows(),
        "widgets": lambda seconds: widgets.rows(),
        "read": lambda seconds: reading.rows(),
        "memory": lambda seconds: memory.rows(),
        "step": lambda seconds: step.rows(),
        "gpu": lambda seconds: gpu.rows(),
        "busy": lambda seconds: busy.rows(),
        "speed": lambda seconds: training.speed_rows(),
        "fidelity": lambda seconds: training.fidelity_rows(seconds),
    }
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("parts", nargs="*", metavar="part", help=f"which of {', '.join(parts)}; default all")
    parser.add_argument("--seconds", type=float, default=60, help="training time of the fidelity comparison")
    arguments = parser.parse_args()
    unknown = set(arguments.parts) - set(parts)
    if unknown:
        parser.error(f"no such part: {', '.join(sorted(unknown))}")
    print(
        f"{platform.processor() or platform.machine()}, Python {platform.python_version()}, torch {torch.__version__}"
    )
    print("| what | ours | other | ratio | spread |\n|---|---|---|---|---|", flush=True)
    for name in arguments.parts or parts:
        for row in parts[name](arguments.seconds):
            print(
                f"| {row['what']} | {row['ours']} | {row['other']} | {row['ratio']:.2f} | {row['spread']} |", flush=True
            )


if __name__ == "__main__":
    main()
