"""WhatIfExplorer: draw a mix, and see the truth and several answers to it side by side, as curves and as numbers.

A DistributionPainter, and below it one picture with a curve for each way to answer and one table. What a way does is
any function of the target. Answers are made in a thread, after the drawing has rested for a moment, newest target
first; a picture is drawn by Python as SVG, so that it also stands in a page without a kernel.
"""

import html
import os
import threading
from collections.abc import Callable, Mapping
from typing import Any

import ipywidgets
import numpy as np
import xarray as xr

from dgkit import _atomic
from dgkit._text import number
from dgkit.errors import ConfigError
from dgkit_widgets._lifetime import replace_earlier
from dgkit_widgets._widget import told
from dgkit_widgets.painter import DistributionPainter

_REST = 0.3  # seconds without a change before answers are made
_LINES = (("#0072b2", ""), ("#d55e00", "7 4"), ("#009e73", "2 3"), ("#cc79a7", "9 3 2 3"), ("#56b4e9", "12 4"))
_WIDTH, _HEIGHT, _LEFT, _BELOW = 500, 250, 50, 42


class WhatIfExplorer(ipywidgets.VBox):  # type: ignore[misc]
    """Draw a mix by mouse, touch or keyboard, and see what each way of answering "what if?" says to it.

    Parameters
    ----------
    painter : DistributionPainter
        Where the mix is drawn.
    ways : mapping of str to callable
        For each name a function of the target, such as `painter.target`, that returns a Dataset.
    curve : callable
        Dataset -> numbers whose distribution function is drawn, one for each series.
    label : str
        Of the curve's axis, with its unit.
    numbers : mapping of str to callable, optional
        Columns of the table: Dataset -> float.

    Attributes
    ----------
    answers : dict
        The Datasets that are shown, by way; none after an error.
    error : str
        What went wrong with the last target; empty if nothing did.

    Raises
    ------
    ConfigError
        There are no ways, more than five, or one is no function.

    Examples
    --------
    >>> from dgkit import open_dataset, simulate
    >>> jobs = open_dataset("cluster")
    >>> ways = {"truth": lambda target: simulate.cluster(200, mix=target)}
    >>> explorer = WhatIfExplorer(DistributionPainter(jobs, "job_class"), ways, lambda ds: ds.length, "length (steps)")
    >>> explorer.wait(30)
    True
    """

    _ended = True  # until it is made

    def __init__(
        self,
        painter: DistributionPainter,
        ways: Mapping[str, Callable[[Any], xr.Dataset]],
        curve: Callable[[xr.Dataset], Any],
        label: str,
        numbers: Mapping[str, Callable[[xr.Dataset], float]] | None = None,
    ) -> None:
        if not 1 <= len(ways) <= len(_LINES) or not all(map(callable, ways.values())):
            raise ConfigError(f"ways={list(ways)!r}: give one to {len(_LINES)} functions of the target by their names.")
        self.painter, self.error = painter, ""
        self.answers: dict[str, xr.Dataset] = {}
        self._ways, self._curve, self._label, self._numbers = dict(ways), curve, label, dict(numbers or {})
        self._picture = ipywidgets.HTML()
        self._changed, self._idle, self._ended = threading.Event(), threading.Event(), False
        self._asking = threading.Lock()
        super().__init__([painter, self._picture])
        replace_earlier(self)
        painter.observe(self._ask, "probabilities")
        self._ask()
        threading.Thread(target=self._follow, daemon=True, name="WhatIfExplorer").start()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until the last target's answers are shown; False after `timeout` seconds, or once it is closed."""
        return self._idle.wait(timeout) and not self._ended

    def to_html(self, path: str | os.PathLike[str]) -> None:
        """Write painter, picture and table as one HTML file that needs neither kernel nor network.

        Waits until the answers are those to the mix that is drawn, unless the explorer is closed.

        Raises
        ------
        SaveError
            The file cannot be written.
        """
        self.wait()
        _atomic.replace(path, [self.painter.html(below=self._picture.value).encode()])

    def close(self) -> None:
        """Follow the drawing no longer."""
        if not self._ended:
            with self._asking:
                self._ended = True
                self._idle.set()  # nobody waits for an answer that will not come
            self.painter.unobserve(self._ask, "probabilities")
            self._changed.set()
            self._picture.close()
        super().close()

    def __repr__(self) -> str:
        return (
            f"<WhatIfExplorer: {', '.join(self._ways)}. In code: explorer.painter.target = {{...}}, explorer.answers>"
        )

    def _ask(self, _change: Any = None) -> None:
        with self._asking:
            if not self._ended:
                self._idle.clear()
                self._changed.set()

    def _follow(self) -> None:
        while self._changed.wait():
            self._changed.clear()
            if self._ended:  # asked after clearing, since `close` says so before it sets `_changed`
                return
            if self._changed.wait(_REST):  # still drawing
                continue
            target, answers, self.error = self.painter.target, {}, ""
            try:
                for name, way in self._ways.items():
                    answers[name] = way(target)
                    if self._changed.is_set():
                        break
                else:
                    picture = _picture({name: self._curve(ds) for name, ds in answers.items()}, self._label)
                    self.answers, self._picture.value = answers, picture + self._table(answers)
            except BaseException as error:  # SystemExit too would end this thread without a word
                self.answers, self.error = {}, told(error)
                self._picture.value = f'<p role="alert">{html.escape(self.error[:1000])}</p>'
            with self._asking:  # or a target that comes between the two would count as answered
                if not self._changed.is_set():
                    self._idle.set()

    def _table(self, answers: Mapping[str, xr.Dataset]) -> str:
        if not self._numbers:
            return ""
        head = "".join(f'<th scope="col">{html.escape(name)}</th>' for name in ("", *self._numbers))
        rows = "".join(
            f'<tr><th scope="row" style="text-align:left">{html.escape(name)}</th>'
            + "".join(f"<td>{number(float(of(ds)), 5)}</td>" for of in self._numbers.values())
            + "</tr>"
            for name, ds in answers.items()
        )
        return f'<table style="border-spacing:1em 0.1em"><tr>{head}</tr>{rows}</table>'


def _picture(sets: Mapping[str, Any], label: str) -> str:
    """Distribution functions as SVG: from 0, or below where values are, to where all but half a percent end."""
    values = {name: np.sort(np.asarray(v, float).ravel()) for name, v in sets.items()}
    values = {name: v[np.isfinite(v)] for name, v in values.items()}
    known = [v for v in values.values() if len(v)] or [np.ones(1)]
    least = min(0.0, *(float(np.quantile(v, 0.005)) for v in known))
    most = max(0.0, *(float(np.quantile(v, 0.995)) for v in known))
    most = most if most > least else 1.0
    right, bottom = _WIDTH - 20, _HEIGHT - _BELOW
    ten = 10.0 ** np.floor(np.log10(most - least))
    step = next(s * ten for s in (0.2, 0.25, 0.5, 1, 2) if (most - least) / (s * ten) <= 5.5)

    def across(x: Any) -> Any:
        return _LEFT + (right - _LEFT) * np.clip((x - least) / (most - least), 0, 1)

    parts = [
        f'<line x1="{_LEFT}" x2="{right}" y1="{bottom}" y2="{bottom}" stroke="currentColor"/>',
        f'<line x1="{_LEFT}" x2="{_LEFT}" y1="10" y2="{bottom}" stroke="currentColor"/>',
        f'<text x="{(_LEFT + right) / 2}" y="{_HEIGHT - 4}" text-anchor="middle">{html.escape(label)}</text>',
    ]
    for tick in step * np.arange(np.ceil(least / step), most / step):
        parts.append(f'<text x="{across(tick):.0f}" y="{bottom + 16}" text-anchor="middle">{number(tick)}</text>')
    parts.append(f'<text transform="translate(12 {bottom / 2 + 5:.0f}) rotate(-90)" text-anchor="middle">share</text>')
    for share in (0, 0.5, 1):
        y = bottom - share * (bottom - 10)
        parts.append(f'<text x="{_LEFT - 6}" y="{y + 4:.0f}" text-anchor="end">{share:g}</text>')
    for k, (name, v) in enumerate(values.items()):
        colour, dash = _LINES[k]
        q = np.linspace(0, 1, 120) if len(v) else np.empty(0)  # no line of what has no value
        at = across(np.quantile(v, q)) if len(v) else q
        points = " ".join(f"{x:.1f},{bottom - y * (bottom - 10):.1f}" for x, y in zip(at, q, strict=True))
        style = f'fill="none" stroke="{colour}" stroke-width="2" stroke-dasharray="{dash}"'
        parts.append(f'<polyline points="{points}" {style}/>')
        y = bottom - 16 - 18 * (len(values) - 1 - k)
        parts.append(f'<line x1="{right - 150}" x2="{right - 112}" y1="{y - 4}" y2="{y - 4}" {style}/>')
        parts.append(f'<text x="{right - 106}" y="{y}">{html.escape(name)}</text>')
    middles = {name: f"median {number(np.median(v))}" if len(v) else "none" for name, v in values.items()}
    told = "; ".join(f"{name}: {middle}" for name, middle in middles.items())
    return (
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" width="{_WIDTH}" style="max-width:100%;font:13px sans-serif;'
        f'color:var(--jp-content-font-color1,#333)" fill="currentColor" role="img" '
        f'aria-label="Share of the series, by {html.escape(label)}. {html.escape(told)}">{"".join(parts)}</svg>'
    )
