"""The models of chapter 05 as sketches: what goes in, what is made at once, and what is fed back.

Drawn by hand for the eye; nothing here is computed from a model. A panel is 12 wide and 7 high.
"""

import textwrap
from collections.abc import Callable

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

from dgkit import plot

INK, MADE, GIVEN, NOISE = plot.REFERENCE, plot.COLOURS[0], plot.COLOURS[2], plot.COLOURS[3]
SERIES = 0.55 * np.sin(np.arange(57) * 2 * np.pi / 16) + 0.3 * np.sin(np.arange(57) * 2 * np.pi / 57 + 1)


def models() -> Figure:
    """A sketch of each model: noise in orange, what is given in green, what is made in blue.

    Returns
    -------
    Figure

    Examples
    --------
    >>> [axis.get_title() for axis in models().axes][:2]
    ['doppelganger', 'naive_gan']
    """
    with plot._figure(2, 4, height=2.2) as (figure, axes):
        for axis, (name, draw) in zip(axes.ravel(), MODELS.items(), strict=True):
            draw(axis)
            axis.set(xlim=(0, 12), ylim=(0, 7), title=name, xticks=[], yticks=[])
            axis.set_xlabel(textwrap.fill((draw.__doc__ or "").rstrip("."), 23), fontsize=8.5)
            axis.spines[:].set_color("0.85")
    return figure


def _doppelganger(axis: Axes) -> None:
    """Attributes, level, then days by the week."""
    _box(axis, 2.5, 5.8, "attributes", GIVEN, 4.6)
    _box(axis, 2.5, 3.9, "level", GIVEN, 3)
    _arrow(axis, (2.5, 5.2), (2.5, 4.5))
    for k in range(3):
        x = 6.2 + 2.2 * k
        _box(axis, x, 3.9, "", INK, 1.4)
        _arrow(axis, (x - 2.1 if k == 0 else x - 1.5, 3.9), (x - 0.75, 3.9))
        _dots(axis, [(x, 5.9)], NOISE)
        _arrow(axis, (x, 5.6), (x, 4.6))
        _arrow(axis, (x, 3.3), (x, 2.5))
        _line(axis, x - 0.9, 1.5, 1.7, slice(18 * k, 18 * k + 19))


def _naive_gan(axis: Axes) -> None:
    """Everything at once."""
    _dots(axis, [(1, 2.6), (1, 3.5), (1, 4.4)], NOISE)
    _arrow(axis, (1.5, 3.5), (3.2, 3.5))
    _box(axis, 4.4, 3.5, "", INK, 2, 4.4)
    _arrow(axis, (5.6, 3.9), (7, 4.6))
    _arrow(axis, (5.6, 3.1), (7, 2.4))
    _line(axis, 7.3, 4.7, 4.2)
    for k, height in enumerate((1.4, 0.6, 1.0)):
        axis.bar(8 + 1.2 * k, height, 0.8, bottom=1.2, color=MADE)


def _hmm(axis: Axes) -> None:
    """A state, a value; the next state."""
    for k, (x, y) in enumerate([(1.5, 1.4), (4.5, 2.3), (7.5, 2.2), (10.5, 1.2)]):
        axis.plot(x, 5, "o", markersize=17, markerfacecolor="w", markeredgecolor=INK)
        axis.text(x, 4.95, "ABBA"[k], ha="center", va="center", fontsize=8)
        _arrow(axis, (x, 4.2), (x, y + 0.4))
        _dots(axis, [(x, y)], MADE)
        if k < 3:
            _arrow(axis, (x + 0.8, 5), (x + 2.2, 5))


def _ar(axis: Axes) -> None:
    """Three records tell the next, and so on."""
    _box(axis, 6.6, 4.6, "", INK, 2)
    for x, y in [(1, 1.4), (2.8, 2.0), (4.6, 1.5)]:
        _arrow(axis, (x, y + 0.4), (5.5, 4.3))
    _dots(axis, [(1, 1.4), (2.8, 2.0), (4.6, 1.5), (10.4, 1.8)], MADE)
    _arrow(axis, (7.7, 4.4), (10.2, 2.3))
    _arrow(axis, (10, 1.6), (5.1, 1.3), bent=-0.25)


def _rnn(axis: Axes) -> None:
    """All records so far tell the next."""
    for k in range(4):
        x, y = 1.6 + 2.9 * k, 1.2 + 0.3 * (k % 2)
        _box(axis, x, 4.4, "", INK, 1.7)
        if k < 3:
            _arrow(axis, (x + 0.9, 4.4), (x + 2, 4.4))
            _arrow(axis, (x + 0.3, 3.8), (x + 2.5, 1.8))
            _arrow(axis, (x + 2.8, 2), (x + 2.9, 3.8))
        _dots(axis, [(x, y)], MADE)
    _arrow(axis, (1.6, 1.6), (1.6, 3.8))


def _rcgan(axis: Axes) -> None:
    """Noise for each step, judged as a whole."""
    for k in range(3):
        x = 1.3 + 2.4 * k
        _dots(axis, [(x, 6.2)], NOISE)
        _arrow(axis, (x, 5.9), (x, 5.1))
        _box(axis, x, 4.5, "", INK, 1.6)
        _arrow(axis, (x, 3.9), (x, 2.4))
        _dots(axis, [(x, 1.9 - 0.4 * (k % 2))], MADE)
        if k < 2:
            _arrow(axis, (x + 0.85, 4.5), (x + 1.55, 4.5))
    _arrow(axis, (6.8, 1.8), (8.4, 3))
    _box(axis, 10, 3.6, "real?", INK, 3)


def _timegan(axis: Axes) -> None:
    """A few hidden numbers, then decoded."""
    for k in range(3):
        x = 0.8 + 1.4 * k
        _dots(axis, [(x, 6.1)], NOISE)
        _arrow(axis, (x, 5.8), (x, 4.6))
        axis.plot(x, 4.1, "s", color=INK, markersize=5)
        if k < 2:
            _arrow(axis, (x + 0.3, 4.1), (x + 1.1, 4.1))
    _arrow(axis, (3.9, 4.1), (4.6, 4.1))
    _box(axis, 6.5, 4.1, "decode", INK, 3.7)
    _arrow(axis, (8.4, 4.1), (9.2, 4.1))
    _line(axis, 9.4, 4.1, 2.3, slice(0, 33))


def _market(axis: Axes) -> None:
    """A few numbers of a curve, then the nearest real piece."""
    for k, height in enumerate((1.2, -0.7, 0.9, 0.4)):
        axis.bar(0.9 + 0.75 * k, height, 0.55, bottom=4.6, color=NOISE)
    _arrow(axis, (3.8, 4.8), (5.2, 4.8))
    for k, colour in enumerate((GIVEN, MADE, GIVEN)):
        _line(axis, 5.8, 5.9 - 1.2 * k, 2, slice(14 * k, 14 * k + 15), colour)
    _arrow(axis, (8, 4.7), (9, 4.7))
    _line(axis, 9.3, 4.7, 2, slice(14, 29))
    _line(axis, 1, 1.3, 2, slice(42, 57), "0.6")
    _line(axis, 3.2, 1.3, 2, slice(14, 29))
    _arrow(axis, (9.8, 3.8), (5.4, 1.6))


MODELS: dict[str, Callable[[Axes], None]] = {
    "doppelganger": _doppelganger, "naive_gan": _naive_gan, "hmm": _hmm, "ar": _ar, "rnn": _rnn, "rcgan": _rcgan,
    "timegan": _timegan, "market": _market,
}  # fmt: skip


def _box(axis: Axes, x: float, y: float, text: str, colour: str, width: float, height: float = 1.2) -> None:
    corner = (x - width / 2 + 0.2, y - height / 2 + 0.2)
    style = "round,pad=0.2"
    axis.add_patch(
        FancyBboxPatch(
            corner, width - 0.4, height - 0.4, boxstyle=style, facecolor="w", edgecolor=colour, linewidth=1.3
        )
    )
    axis.text(x, y - 0.05, text, ha="center", va="center", fontsize=8)


def _arrow(axis: Axes, start: tuple[float, float], end: tuple[float, float], bent: float = 0.0) -> None:
    style = {"arrowstyle": "->", "color": "0.45", "linewidth": 0.9, "shrinkA": 0, "shrinkB": 0}
    axis.annotate("", end, start, arrowprops={**style, "connectionstyle": f"arc3,rad={bent}"})


def _dots(axis: Axes, at: list[tuple[float, float]], colour: str) -> None:
    axis.plot(*zip(*at, strict=True), "o", color=colour, markersize=4.5)


def _line(axis: Axes, x: float, y: float, width: float, part: slice | None = None, colour: str = MADE) -> None:
    piece = SERIES if part is None else SERIES[part]
    axis.plot(np.linspace(x, x + width, len(piece)), y + piece, color=colour, linewidth=1.4)
