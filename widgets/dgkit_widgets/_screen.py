"""What a studio shows besides its settings, and how often it may draw.

The numbers themselves are `_views`'. Left out: what all this is sent as, which are the traits of `TrainingStudio`.
"""

import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from dgkit_widgets._views import Curves, Look, ends


@dataclass
class Screen:
    """What is shown of one run.

    Parameters
    ----------
    look : Look
        At which data, and at what of them.
    curves : Curves
    picture : dict
        The model as it was drawn last.
    sample : int
        Which of the generated series is followed through the networks.
    same_scale : bool
        One vertical scale for all series.
    note : str
        What happened without a button pressed.
    limits : dict
        Axis ranges of this studio alone, to be shared with those beside it.
    pace : deque of (seconds, step)
        When each of the last steps was done.
    """

    look: Look
    curves: Curves = field(default_factory=Curves)
    picture: dict[str, Any] = field(default_factory=dict)
    sample: int = 0
    same_scale: bool = False
    note: str = ""
    limits: dict[str, list[float]] = field(default_factory=dict)
    pace: deque[tuple[float, int]] = field(default_factory=lambda: deque(maxlen=50))

    def clear(self) -> None:
        """Forget what was said of the run so far: it goes on otherwise, or another one begins."""
        self.note = ""
        self.curves.clear()
        self.pace.clear()

    def speed(self) -> float:
        """Steps a second, over the last fifty."""
        if not self.pace:
            return 0.0
        (first, a), (last, b) = self.pace[0], self.pace[-1]
        return (b - a) / (last - first) if last > first else 0.0

    def measure(self, reference: dict[str, Any], *, beside: bool) -> None:
        """Bring `limits` up to date; those of the curves are needed only `beside` another studio."""
        series = [one["range"] for one in (reference, self.picture) if one.get("range")]
        self.limits = (self.curves.limits() if beside else {}) | {"series": ends(series)}


class Turns:
    """How often something is drawn: `least` seconds apart, and for at most a `share` of the training thread's time."""

    def __init__(self, least: float, share: float) -> None:
        self.least, self.share = least, share
        self.seconds = 0.0  # what the last one cost
        self._last, self._wait = 0.0, least

    def offer(self, draw: Callable[[], None]) -> None:
        """In the training thread: draw if it is time."""
        if time.perf_counter() - self._last >= self._wait:
            draw()
            self._wait = max(self.least, self.seconds / self.share)

    def keep_apart(self) -> None:
        """Sleep until the last one is `least` seconds ago."""
        rest = self._last + self.least - time.perf_counter()
        if rest > 0:
            time.sleep(rest)

    @contextmanager
    def measured(self) -> Iterator[None]:
        # around drawing, whoever asked for it
        start = time.perf_counter()
        yield
        self._last = time.perf_counter()
        self.seconds = self._last - start
