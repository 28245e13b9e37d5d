"""When a run has to end though nobody pressed pause: its pages are gone, or its cell ran again.

A page that shows a widget says so every few seconds. JupyterLab cuts a closed notebook's connection before its widgets
hear of it, so that silence is the only sign. Left out: the kernel's own end, which ends its threads.
"""

import asyncio
import contextlib
import time
import weakref
from typing import Any

from IPython import get_ipython

LEAVE_SECONDS = 3.0  # from the last view's farewell to a pause: a cell may be about to show another
SILENT_SECONDS = 20.0  # without a word from any page, unless it asked for more patience
_BLOCKED_SECONDS = 3.0  # the kernel's loop is late by more: a cell runs, and messages wait behind it

_of_cell: dict[str, tuple[str, "weakref.WeakSet[Any]"]] = {}  # what each notebook cell's last run made


class Attendance:
    """Which pages show a widget. `heard` runs where messages arrive, `abandoned` in the training thread."""

    def __init__(self) -> None:
        self._pages: dict[str, tuple[float, float]] = {}  # view -> when it was heard of last, patience in seconds
        self._left: float | None = None  # since when there is none, after there was one
        now = time.perf_counter()
        self._beat, self._responsive = now, now  # the loop's last sign of life; since when there were no gaps
        try:
            self._loop: asyncio.AbstractEventLoop | None = asyncio.get_running_loop()
        except RuntimeError:  # a script
            self._loop = None

    def heard(self, view: str, here: bool, patience: float = 0.0) -> None:
        """A view's sign of life, or its farewell."""
        now = time.perf_counter()
        if here:
            self._pages[view], self._left = (now, max(SILENT_SECONDS, patience)), None
        else:
            self._pages.pop(view, None)
            self._left = None if self._pages else now

    def abandoned(self) -> bool:
        """Whether pages have shown the widget, and none does any more. Never true in a script."""
        now = time.perf_counter()
        if self._left is not None:
            return now - self._left > LEAVE_SECONDS
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # closed
                self._loop.call_soon_threadsafe(self._pulse)
            if now - self._beat > _BLOCKED_SECONDS:
                return False
        return bool(self._pages) and all(
            now - max(heard, self._responsive) > patience for heard, patience in list(self._pages.values())
        )

    def _pulse(self) -> None:
        """In the kernel's loop: it is not blocked."""
        now = time.perf_counter()
        if now - self._beat > _BLOCKED_SECONDS:
            self._responsive = now
        self._beat = now


def replace_earlier(widget: Any) -> None:
    """Close what an earlier run of the present notebook cell made."""
    kernel = getattr(get_ipython(), "kernel", None)
    request = kernel.get_parent("shell") if kernel is not None else {}
    cell, run = request.get("metadata", {}).get("cellId"), request.get("header", {}).get("msg_id", "")
    if cell is None:
        return
    earlier_run, earlier = _of_cell.get(cell, (run, weakref.WeakSet()))
    if earlier_run != run:
        for old in list(earlier):
            old.close()
        earlier = weakref.WeakSet()
    earlier.add(widget)
    _of_cell[cell] = run, earlier
