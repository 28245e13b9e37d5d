"""An interrupt (Ctrl-C, the stop button) waits until the step of training, or the file, that it comes in is whole."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def after_the_step() -> Iterator[None]:
    """Inside the block a first interrupt waits for the end of it, a second one does not; of blocks in each other, too.

    Python hands interrupts to the main thread; in another there is nothing to do.

    Examples
    --------
    >>> before = signal.signal(signal.SIGINT, signal.default_int_handler)  # jobs in the background ignore interrupts
    >>> done = []
    >>> try:
    ...     with after_the_step():
    ...         signal.raise_signal(signal.SIGINT)
    ...         done.append("the step")
    ... except KeyboardInterrupt:
    ...     print(done)
    ['the step']
    >>> _ = signal.signal(signal.SIGINT, before)
    """
    before = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(before) or hasattr(before, "waits"):
        yield
        return
    came: list[FrameType | None] = []

    def wait(number: int, frame: FrameType | None) -> None:
        came.append(frame)
        if len(came) == 2:
            signal.signal(signal.SIGINT, before)
            before(number, frame)

    wait.waits = True  # type: ignore[attr-defined]
    signal.signal(signal.SIGINT, wait)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if len(came) == 1:
        before(signal.SIGINT, came[0])
