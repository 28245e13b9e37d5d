"""In a chapter's kernel memory that is free again goes back to the system after each cell, as Binder has little.

Of itself it would stay: C's allocator keeps what a training or a sampling leaves, 30 MB, and Python looks for circles
of objects by their number and not by their size; a figure is such a circle, with 4 MB of pixels. Linux with glibc only.
"""

import ctypes
import gc
import os
import sys
from contextlib import suppress
from pathlib import Path

M_MMAP_THRESHOLD, LARGE = -3, 2**18  # bytes from which an array is a mapping of its own, which goes when it is free
GROWN = 2 * 2**20  # bytes that a process may have grown by until circles are looked for, which takes up to 0.1 s

_held = 0  # bytes after the last look


def give_back_after_cells() -> None:
    """Inside IPython: from now on `give_back` after each cell; elsewhere nothing."""
    if "IPython" in sys.modules and (shell := sys.modules["IPython"].get_ipython()):
        with suppress(OSError, TypeError, AttributeError):
            ctypes.CDLL(None).mallopt(M_MMAP_THRESHOLD, LARGE)
        shell.events.register("post_run_cell", lambda _: give_back())


def give_back() -> None:
    """What is free goes back to the system, and what only circles hold where the process has grown."""
    global _held
    with suppress(OSError, TypeError, AttributeError):  # no /proc; no glibc
        trim = ctypes.CDLL(None).malloc_trim
        trim(0)
        if _resident() > _held + GROWN:
            gc.collect()
            trim(0)
            if not _held:
                gc.freeze()  # what the first imports made is there for good, and need not be looked through each time
            _held = _resident()


def _resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
