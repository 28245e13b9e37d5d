"""What the studio costs the kernel: a frame, a picture, and training with it open against without, in one run.

`python tests/benchmarks/widgets.py`, or as the part "widgets" of `make bench`. The browser's own drawing is not in it:
it runs in another process, on the learner's machine.
"""

import dgkit as dg  # isort: skip (before torch)

import sys
import time
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parents[2] / "widgets"))

from dgkit_widgets import TrainingStudio

CONFIG = dg.Config(steps=10**6, sample_len=7)


def frame_milliseconds(repeats: int = 50) -> np.ndarray:
    """Of one whole update after 1,000 steps: 6 series of 168 points, history, autocorrelation and CDF, serialised."""
    studio = TrainingStudio("web", CONFIG)
    studio.step(1)
    record = studio.trainer.history[0]
    for _ in range(999):
        studio.trainer.history.append(record)
    sizes = len(studio.picture["series"]), studio.reference["time"]
    assert sizes == (4 * 6 * 168, 168)
    times = []
    for k in range(repeats):
        studio.picture = studio._screen.picture = studio.picture | {"step": k}
        studio.trainer.history.append(record)
        studio._publish()
        start = time.perf_counter()  # what a kernel with a browser does on top: JSON of the state and its signature
        for name in ("frame", "picture", "status", "settings", "shared"):
            packed(studio.get_state(name))
        times.append(studio.frame_seconds + time.perf_counter() - start)
    studio.close()
    return 1e3 * np.array(times[1:])  # the first imports and compiles


def packed(state: dict) -> bytes:
    """A message as the kernel sends it."""
    from ipywidgets.widgets.widget import _remove_buffers
    from jupyter_client.session import Session

    state, paths, buffers = _remove_buffers(state)
    session = Session(key=b"key")
    message = session.msg("comm_msg", {"data": {"method": "update", "state": state, "buffer_paths": paths}})
    return b"".join([*session.serialize(message), *map(bytes, buffers)])


def steps_a_cpu_second(studio: TrainingStudio | None, seconds: float) -> float:
    """Of the same training, by the studio's thread or by a bare loop; all of the process's time counts.

    On one core that is what the learner waits for, and it does not hang on what else the machine does meanwhile.
    """
    if studio is None:
        trainer = dg.Trainer(dg.split(dg.open_dataset("web"), 0.5, seed=0)[0], CONFIG)
        start, end = time.process_time(), time.perf_counter() + seconds
        while time.perf_counter() < end:
            next(trainer)
        return trainer.step / (time.process_time() - start)
    start = time.process_time()
    studio.start()
    time.sleep(seconds)
    studio.pause()
    studio.wait()
    return studio.trainer.step / (time.process_time() - start)


def rows(seconds: float = 8, rounds: int = 5) -> list[dict]:
    """For `make bench`'s table; with and without take turns, and the ratio is the median over the rounds."""
    torch.set_num_threads(1)
    frames = frame_milliseconds()
    studio = TrainingStudio("web", CONFIG)
    pairs = []
    for _ in range(rounds):
        studio.reset()
        pairs.append((steps_a_cpu_second(studio, seconds), steps_a_cpu_second(None, seconds)))
    studio.close()
    with_it, without = np.median(np.array(pairs), 0)
    ratios = [a / b for a, b in pairs]
    return [
        {
            "what": "studio: a frame of 6 series of 168 points and the charts, ms (limit 5)",
            "ours": f"{np.median(frames):.2f} ms",
            "other": "5 ms",
            "ratio": float(np.median(frames) / 5),
            "spread": f"{frames.min():.2f} to {frames.max():.2f} ms",
        },
        {
            "what": "training, steps per CPU second: studio open against a bare loop (limit 0.90)",
            "ours": f"{with_it:.1f}",
            "other": f"{without:.1f}",
            "ratio": float(np.median(ratios)),
            "spread": f"{min(ratios):.2f} to {max(ratios):.2f}",
        },
    ]


if __name__ == "__main__":
    for row in rows():
        print(" | ".join(f"{value:.2f}" if isinstance(value, float) else value for value in row.values()))
