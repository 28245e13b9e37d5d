"""Running a chapter as a learner's session does: on one thread, with its CPU time and memory watched."""

import contextlib
import math
import queue
import shutil
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import nbformat
import psutil
from nbclient import NotebookClient

ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"), "1")
WIDGETS = "application/vnd.jupyter.widget-state+json"


@dataclass(frozen=True)
class Run:
    """What a run took, and the names of the errors that it showed."""

    cpu_seconds: float
    bytes: int  # resident at most
    own: int  # and of these without what is read from files (libraries), which the system can take back
    wall_seconds: float
    errors: list[str]
    picture_seconds: float = math.inf  # from the first cell's start to the end of the first that shows a picture


def run(chapter: Path, folder: Path, timeout: float = 900) -> Run:
    """Execute a copy of the notebook in a folder, in this process' environment and limits.

    Raises
    ------
    nbclient.exceptions.CellExecutionError
        A cell failed that is not tagged raises-exception.
    """
    shutil.copy(chapter, folder)
    notebook = nbformat.read(chapter, as_version=4)
    client = client_of(notebook, folder, timeout)
    begun, pictures = [], []
    client.on_cell_execute = lambda **_: begun.append(time.perf_counter())
    client.on_cell_executed = lambda cell, **_: shows_picture(cell) and pictures.append(time.perf_counter() - begun[0])
    before = time.perf_counter()
    with Watch() as seen:
        client.execute()
    wall = time.perf_counter() - before
    return Run(seen.seconds, seen.memory, seen.own, wall, errors(notebook), min(pictures, default=math.inf))


def client_of(notebook, folder: Path, timeout: float = 120) -> NotebookClient:
    """What executes a notebook in a folder, and overlooks no message."""
    where = {"metadata": {"path": str(folder)}}
    client = NotebookClient(notebook, timeout=timeout, shutdown_kernel="immediate", resources=where)
    client.on_notebook_start = lambda notebook: look_again_and_again(client.kc.shell_channel)
    return client


def shows_picture(cell) -> bool:
    """Whether a cell's outputs hold a figure; a widget, such as a bar of progress, is none."""
    data = [out.get("data", {}) for out in cell.get("outputs", [])]
    return any("image/png" in one or "image/svg+xml" in one for one in data)


def look_again_and_again(channel) -> None:
    """Make a channel look five times a second for what has come.

    pyzmq's poll can overlook a message that comes while one is sent on the same socket, as nbclient does for widgets.
    It is found when the poll's time is over, which would be that of a whole cell: minutes.
    """
    get_msg = channel.get_msg

    async def patient(timeout: float | None = None):
        end = time.monotonic() + (math.inf if timeout is None else timeout)
        while True:
            try:
                return await get_msg(timeout=min(0.2, max(0.0, end - time.monotonic())))
            except queue.Empty:
                if time.monotonic() >= end:
                    raise

    channel.get_msg = patient


def errors(notebook) -> list[str]:
    """Error outputs in cells, and those that an ipywidgets callback has shown in the widget."""
    outputs = [out for cell in notebook.cells for out in cell.get("outputs", [])]
    for model in notebook.metadata.get("widgets", {}).get(WIDGETS, {}).get("state", {}).values():
        outputs += model["state"].get("outputs", [])
    return [out["ename"] for out in outputs if out["output_type"] == "error"]


class Watch:
    """CPU time and largest memory of the processes that are started inside the block, sampled while they run.

    Memory is what is resident; what is shared between several (libraries, and all of its parent's that a process just
    forked has) counts once, with the largest of them.
    """

    def __init__(self):
        self.memory, self.own, self._seconds = 0, 0, {}
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self._watch, daemon=True)
        self.before = {child.pid for child in psutil.Process().children(recursive=True)}

    @property
    def seconds(self) -> float:
        return sum(self._seconds.values())

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        self.thread.join()

    def _watch(self):
        while not self.stop.wait(0.05):
            held = []
            for child in psutil.Process().children(recursive=True):
                if child.pid in self.before:
                    continue
                try:
                    if child.ppid() in self.before:  # what a server of other tests starts meanwhile
                        self.before.add(child.pid)
                        continue
                    if time.time() - child.create_time() < 0.5:
                        continue  # until it runs a program of its own it is its parent once more
                    held.append((child.memory_info(), child))
                    self._seconds[child.pid] = sum(child.cpu_times()[:2])
                except (psutil.NoSuchProcess, psutil.AccessDenied):
                    continue
            if not held:
                continue

            # "shared" is what is read from files; "uss" what is of this process alone, which takes longer to tell
            held.sort(key=lambda one: -one[0].rss)
            largest, rest = held[0][0], 0
            for _, child in held[1:]:
                with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
                    rest += child.memory_full_info().uss
            self.memory = max(self.memory, largest.rss + rest)
            self.own = max(self.own, largest.rss - getattr(largest, "shared", 0) + rest)
