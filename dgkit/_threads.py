"""How long torch's idle threads spin before they sleep: briefly, whatever was imported first.

By default the threads of libgomp (the OpenMP of GCC, with which torch computes on Linux) spin for milliseconds at the
end of each of the many small products of a training step. On two cores of which a browser takes one, that slows two
threads to a fraction of one thread's speed. A short spin costs little on an idle machine and keeps half the speed on a
busy one. Results do not depend on it. What the user has set is kept.

libgomp reads its settings when it is loaded, so they come too late where torch is imported before dgkit. But it spins
briefly, too (a tenth as long: as slow as one thread on an idle machine), while it has more threads than there are
processors. So `ease` watches whether threads wait for each other, and if they do, starts one more pair that sleeps.

A process that is forked off computes on one thread: the others have stayed behind.
"""

import ctypes
import os
import sys
import threading
import time
import warnings
from pathlib import Path

PAUSE = 0.02  # seconds from one look to the next, at least
REGIONS = 10  # empty parallel regions a look, which take 20 microseconds on a free machine
SLOW = 1e-3  # seconds that are too many for them
LOOKS = 5  # so many more slow ones than others: a single one may be chance

_slow, _looked = 0, 0.0


def _loaded_libgomp() -> ctypes.CDLL | None:
    """torch's OpenMP; its file is found among those in memory, since wheels rename it."""
    try:
        lines = Path("/proc/self/maps").read_text().splitlines()
    except OSError:  # not Linux
        return None
    files = {line.split(maxsplit=5)[5] for line in lines if "libgomp" in line}
    return ctypes.CDLL(max(files, key=lambda file: "torch" in file)) if files else None


def _parallel(threads: int) -> None:
    """An empty parallel region (what "#pragma omp parallel" compiles to), of as many threads as torch has if 0."""
    if _libgomp:
        _libgomp.GOMP_parallel(ctypes.CDLL(None).sched_yield, None, threads, 0)


def ease() -> None:
    """Called at every update of weights: make torch's threads spin briefly, and say so, if they wait for each other."""
    global _slow, _looked, _libgomp
    start = time.perf_counter()
    if _libgomp is None or start - _looked < PAUSE:
        return
    for _ in range(REGIONS):
        _parallel(0)
    _looked = time.perf_counter()
    _slow = max(0, _slow + (1 if _looked - start > SLOW else -1))
    if _slow < LOOKS:
        return

    asleep = threading.Event()

    def hold() -> None:
        _parallel(2)
        asleep.set()
        threading.Event().wait()  # a pair ends with the thread that began it

    threading.Thread(target=hold, name="dgkit: short spin", daemon=True).start()
    asleep.wait()
    _libgomp = None
    warnings.warn(
        "torch's threads waited for each other, since another program keeps a processor busy. From now on they wait "
        "less; results are the same. Quicker: torch.set_num_threads(1), or import dgkit before torch.",
        RuntimeWarning,
        stacklevel=2,
    )


_kept = any(name in os.environ for name in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY"))
_libgomp = _loaded_libgomp() if "torch" in sys.modules and not _kept else None
if not _kept:
    os.environ["GOMP_SPINCOUNT"] = "1000"


def _one_thread() -> None:
    """In a forked child, where libgomp still counts on the parent's threads and would wait for them for ever."""
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_one_thread)
