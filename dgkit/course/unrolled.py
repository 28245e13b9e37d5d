"""Chapter 03's picture of an LSTM over time: its passes, and what is left of a gradient on its way back through them.

`gradient_back` asks autograd how much the last day's value would change with what the network knew so many days before;
`draw` puts passes, path and recorded curves into one figure. Left out: the gates, one by one.
"""

import itertools
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

from dgkit import plot
from dgkit.core.heads import harden
from dgkit.core.model import DoppelGANger

TODAY, EARLIER = 160, 76  # two days, a period of twelve weeks apart


def gradient_back(model: DoppelGANger, *, n: int = 20, seed: int = 0) -> xr.DataArray:
    """How much of a gradient is left, the further it goes back.

    Of the last step's first feature, before its activation, the gradient with respect to the LSTM's state (hidden and
    cell, all layers) before each pass: its norm, meaned over n samples, over that at the last pass.

    Parameters
    ----------
    model : DoppelGANger
        Trained or not.
    n, seed : int
        Samples, and the seed of their noise.

    Returns
    -------
    DataArray, dims (back,)
        Dimensionless; `back` counts the steps from the start of a pass to the end of the series.

    Examples
    --------
    >>> import dgkit as dg
    >>> model = dg.Trainer(dg.simulate.web(30), dg.Config(sample_len=24, batch_size=10)).model
    >>> left = gradient_back(model)
    >>> left.sizes["back"], float(left[-1])
    (7, 1.0)
    """
    generator = model.generator
    feature, heads = generator.feature, generator.attribute_heads
    noise = generator.draw(n, torch.Generator().manual_seed(seed))
    with torch.no_grad():
        made = generator(noise)
    given = torch.cat([harden(made.attributes, heads), harden(made.minmax, generator.minmax_heads)], 1)

    # one pass after another, with each state on the way kept
    states = [(noise.hidden.requires_grad_(), noise.cell.requires_grad_())]
    for drawn in noise.feature:
        output, state = feature.lstm(torch.cat([given, drawn], 1)[None], states[-1])
        states.append(state)
    last = feature.head(output[0])[:, -feature.head.out_features // feature.sample_len]  # (N,)

    # its gradient at every state but the last, which comes after it
    parts = torch.autograd.grad(last.sum(), [part for state in states[:-1] for part in state])
    norms = [
        float(torch.cat([hidden, cell], 2).square().sum((0, 2)).sqrt().mean())
        for hidden, cell in zip(parts[::2], parts[1::2], strict=True)
    ]
    back = feature.sample_len * np.arange(len(norms), 0, -1)
    attrs = {"long_name": "gradient left", "units": "1"}
    return xr.DataArray(np.array(norms) / norms[-1], {"back": back}, ["back"], attrs=attrs)


def draw(
    sample_len: int, page: xr.DataArray, back: Mapping[int, xr.DataArray], curves: xr.DataArray, real: xr.DataArray
) -> Figure:
    """The passes for one page, the way from one day back to another, and what was recorded at this `sample_len`.

    Parameters
    ----------
    sample_len : int
        Days a pass, S.
    page : DataArray, dims (time,)
        One series.
    back : mapping
        For each S what `gradient_back` gives.
    curves : DataArray, dims (sample_len, seed, lag)
        Recorded autocorrelations.
    real : DataArray, dims (lag,)

    Returns
    -------
    Figure

    Examples
    --------
    >>> lag, seed = np.arange(1, 100), [0, 1]
    >>> real = xr.DataArray(np.cos(lag / 7), {"lag": lag}, ["lag"])
    >>> left = {7: xr.DataArray(np.geomspace(1e-2, 1, 24), {"back": 7 * np.arange(24, 0, -1)}, ["back"])}
    >>> page = xr.DataArray(np.ones(168), dims="time")
    >>> figure = draw(7, page, left, real.expand_dims(sample_len=[7], seed=seed), real)
    >>> figure.axes[-1].get_title()
    'S = 7: 24 passes of 7 days. From day 160 back to day 76: 12 passes'
    """
    with plot._figure(2, 2, height=2.7) as (figure, axes):
        grid = axes[0, 0].get_gridspec()
        for axis in axes[0]:
            axis.remove()
        _passes(figure.add_subplot(grid[0, :]), sample_len, page, back[sample_len])

        # what is left of the gradient, here and at the other values of S
        axis = axes[1, 0]
        for s, left in back.items():
            here = s == sample_len
            style: dict[str, Any] = {"color": plot.COLOURS[3], "zorder": 3} if here else {"color": "0.8"}
            axis.plot(left.back, left, marker="." if len(left) < 4 else "", label=f"S = {s}" if here else None, **style)
        axis.axvline(TODAY - EARLIER, color=plot.REFERENCE, linestyle=":", linewidth=1)
        axis.set(yscale="log", ylim=(1e-11, 3), xlabel="days back", ylabel="gradient left", xticks=range(0, 169, 28))
        axis.legend(loc="lower left")

        # what was recorded
        axis, some = axes[1, 1], curves.sel(sample_len=sample_len)
        axis.plot(real.lag, real, color=plot.REFERENCE, linestyle=":", label="real")
        axis.plot(some.lag, some.median("seed"), color=plot.COLOURS[0], label=f"S = {sample_len}")
        axis.fill_between(some.lag, some.min("seed"), some.max("seed"), color=plot.COLOURS[0], alpha=0.2, linewidth=0)
        axis.set(ylim=(-1, 1), xlabel="lag (days)", ylabel="autocorrelation", xticks=range(0, 169, 28))
        axis.legend(loc="lower left", ncols=2)
    return figure


def _passes(axis: Axes, sample_len: int, page: xr.DataArray, left: xr.DataArray) -> None:
    """The page, a cell for each pass over it, and the path back, as dark as what is left of the gradient."""
    days, values = page.sizes["time"], page.values / float(page.max())
    place, starts = np.arange(days), range(0, days, sample_len)
    gap = min(0.12 * sample_len, 0.8)
    cells = [(start + gap / 2, min(sample_len, days - start) - gap) for start in starts]
    axis.broken_barh(cells, (1.25, 0.24), facecolor="w", edgecolor="0.45", linewidth=0.8)

    # the days that a pass makes have its colour
    line = np.stack([place, values], 1)
    pieces = [line[start : start + sample_len + 1] for start in starts]
    axis.add_collection(LineCollection(pieces, colors=[plot.COLOURS[0], plot.COLOURS[9]], linewidths=1.2))
    for day in (EARLIER, TODAY):
        axis.plot([day, day], [values[day], 1.25], color=plot.REFERENCE, linestyle=":", linewidth=1)
        axis.plot(day, values[day], "o", color=plot.REFERENCE, markersize=5)

    # back through the cells, from each to the one before it
    first, last = EARLIER // sample_len, TODAY // sample_len
    turns = [TODAY, *(sample_len * k for k in range(last, first, -1)), EARLIER]
    way = [[(a, 1.37), (b, 1.37)] for a, b in itertools.pairwise(turns)]
    shades = left.values[::-1][: len(way)]
    colours = [(0.84, 0.37, 0.0, float(np.clip(shade, 0.04, 1))) for shade in shades]
    axis.add_collection(LineCollection(way, colors=colours, linewidths=5, capstyle="butt"))

    each = "one pass" if len(starts) == 1 else f"{len(starts)} passes of {sample_len} day{'s' * (sample_len > 1)}"
    between = {0: "the same pass", 1: "1 pass"}.get(last - first, f"{last - first} passes")
    axis.set_title(f"S = {sample_len}: {each}. From day {TODAY} back to day {EARLIER}: {between}")
    axis.set(xlim=(0, days), ylim=(0, 1.6), yticks=[], xticks=range(0, days + 1, 28), xlabel="day")
    axis.grid(visible=False)
