"""Pictures of datasets, generated against real: figures with units, a legend and colour-blind safe colours.

Every function takes one Dataset or a mapping {"real": ds, "DoppelGANger": fake, ...} whose first entry is the reference
(black, solid), makes a figure of its own and returns it. In a notebook it shows once: as a cell's last line, with a
semicolon after it, in a loop, or returned by a widget's callback. In a script it is open in pyplot until `plt.close`.
Left out: interactive pictures.
"""

import itertools
import textwrap
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import EngFormatter, FixedLocator, MaxNLocator, MultipleLocator, NullLocator

from dgkit import _checks, metrics
from dgkit._checks import whole
from dgkit._comparable import check_times, check_units, in_one_form
from dgkit._text import listed
from dgkit.errors import ConfigError, SchemaError
from dgkit.metrics.autocorrelation import FEW_PAIRS
from dgkit.metrics.distributions import valid_feature
from dgkit.metrics.inputs import unmasked
from dgkit.schema import Schema, Variable, lengths, validate

Sets = xr.Dataset | Mapping[str, xr.Dataset]
WIDTH = 7.5  # inches: a window of 800 pixels shrinks it little
REFERENCE = "0.15"  # near black
MOST_STEPS = 2000  # of a curve of `cdf`: of more values so many quantiles
# seaborn's palette "colorblind", and "whitegrid" below: as values, because its import takes scipy.stats and 60 MB along
COLOURS = ("#0173b2", "#de8f05", "#029e73", "#d55e00", "#cc78bc", "#ca9161", "#fbafe4", "#949494", "#ece133", "#56b4e9")
STYLE: Any = {
    "axes.axisbelow": True,
    "axes.edgecolor": "0.8",
    "axes.grid": True,
    "axes.labelcolor": "0.15",
    "grid.color": "0.8",
    "lines.solid_capstyle": "round",
    "patch.edgecolor": "w",
    "patch.force_edgecolor": True,
    "text.color": "0.15",
    "xtick.bottom": False,
    "xtick.color": "0.15",
    "ytick.color": "0.15",
    "ytick.left": False,
    "font.size": 10,
    "axes.titlesize": 10,
    "figure.dpi": 100,
    "legend.frameon": False,
    "text.parse_math": False,  # names as they are: a "$" begins no formula
    "text.usetex": False,
}
_DASHES: list[Any] = ["-", "--", "-.", ":", (0, (5, 1)), (0, (3, 1, 1, 1)), (0, (1, 1)), (0, (8, 2))]


def series(sets: Sets, feature: str | None = None, *, n: int = 6, seed: int = 0, shared: bool = False) -> Figure:
    """A gallery: n randomly drawn series of each set, rows of panels a set, each with its attributes.

    Parameters
    ----------
    sets : Dataset or mapping of Datasets
    feature : str, optional
        A continuous feature; default the first.
    n : int
        Series of each set.
    seed : int
        Of the draw.
    shared : bool
        One vertical axis for all panels, logarithmic if the feature's attrs have scale = "log": compares sizes.
        Default: an axis each, which shows the shape of small and large series alike.

    Returns
    -------
    Figure

    Raises
    ------
    SchemaError, ConfigError
        Not a dataset; no such feature; n below 1.

    Examples
    --------
    >>> from dgkit.simulate import web
    >>> figure = series({"real": web(30), "others": web(30, seed=1)}, n=3)
    >>> len(figure.axes)
    6
    """
    whole("n", n)
    seed = _checks.seed(seed)
    sets, schema = _named(sets)
    feature = _feature(sets, schema, feature, one_unit=shared)
    columns = min(n, 3 if n % 3 == 0 else 4)
    rows = -(-n // columns)
    dated = _dated(sets)
    log = shared and sets[next(iter(sets))][feature].attrs.get("scale") == "log"
    with _figure(rows * len(sets), columns, height=1.65, sharex=True, sharey=shared) as (figure, axes):
        for k, (name, ds) in enumerate(sets.items()):
            drawn = np.random.default_rng(seed).permutation(ds.sizes["sample"])[:n]
            block = axes[k * rows : (k + 1) * rows].ravel()
            for axis, i in zip(block, drawn, strict=False):
                one = ds.isel(sample=int(i))
                values = valid_feature(ds.isel(sample=[int(i)]), feature).values[0]
                dot = "." if np.isfinite(values).sum() == 1 else ""  # a line of one step would not be seen
                axis.plot(_steps(ds, dated), values, dot + "-", color=_colours(sets)[k], linewidth=1)
                axis.set_title(_attributes_of(schema, one, 88 // columns), fontsize=9, loc="left", pad=3)
                axis.margins(x=0.01)
                if log:
                    axis.set_yscale("log")
                else:
                    axis.yaxis.set_major_locator(MaxNLocator(3))
                    axis.yaxis.set_major_formatter(_short)
            for axis in block[len(drawn) :]:
                axis.set_visible(False)
            label = name if len(sets) > 1 else ""
            block[0].set_ylabel(f"{label}\n{_unit(ds[feature], short=True)}".strip(), color=_colours(sets)[k])
        for axis in (axis for column in axes.T for axis in [one for one in column if one.get_visible()][-1:]):
            axis.tick_params(labelbottom=True)
            axis.set_xlabel("" if dated else "time (steps)")
            if dated:
                locator = AutoDateLocator(maxticks=4)
                axis.xaxis.set_major_locator(locator)
                axis.xaxis.set_major_formatter(ConciseDateFormatter(locator))
    return figure


def autocorrelation(sets: Sets, feature: str | None = None, *, kind: str = "paper", lags: int | None = None) -> Figure:
    """Mean autocorrelation against the lag, a curve a set (the paper's Figure 1).

    Shaded are the lags with less than a quarter of the pairs (of the first set; at full length the last quarter). There
    both parts of a series are short, and all curves swing far.

    Parameters
    ----------
    sets : Dataset or mapping of Datasets
    feature : str, optional
        A continuous feature; default the first.
    kind, lags
        As in `dgkit.metrics.autocorrelation`.

    Returns
    -------
    Figure

    Raises
    ------
    SchemaError, ConfigError
        Not datasets; no such feature; time coordinates that go in other steps; as `dgkit.metrics.autocorrelation`.

    Examples
    --------
    >>> from dgkit.simulate import web
    >>> figure = autocorrelation(web(30), lags=30)
    >>> figure.axes[0].get_xlabel()
    'lag (days)'
    """
    sets, schema = _named(sets)
    feature = _feature(sets, schema, feature)
    for name, ds in sets.items():
        check_times(next(iter(sets.values())), ds, ("the first set", repr(name)))
    with _figure(height=3.2) as (figure, axes):
        axis = axes[0, 0]
        for (name, ds), style in zip(sets.items(), _styles(sets), strict=True):
            curve = metrics.autocorrelation(valid_feature(ds, feature), kind=kind, lags=lags)
            axis.plot(curve.lag, curve, label=name, **style)
            if name == next(iter(sets)):
                late = curve.lag.values[(curve.pairs < FEW_PAIRS).values]
        if len(late):
            axis.axvspan(late[0] - 0.5, late[-1] + 0.5, color="0.92", zorder=-1)
            axis.text(
                late[-1], 0.98, "few pairs ", va="top", ha="right", transform=axis.get_xaxis_transform(), color="0.4"
            )
        axis.axhline(0, color="0.7", linewidth=0.8, zorder=0)
        axis.set(xlabel=f"lag ({_step(sets)})", ylabel=f"autocorrelation of {feature}")
        axis.margins(x=0.01)
        if _step(sets) == "days":
            _weeks(axis, int(curve.lag[-1]))
        _legend(axis, sets)
    return figure


def cdf(sets: Sets, feature: str | None = None, *, of: str = "mid_range") -> Figure:
    """Empirical cumulative distribution of one number a sample, a curve a set.

    Parameters
    ----------
    sets : Dataset or mapping of Datasets
    feature : str, optional
        A continuous feature; default the first.
    of : {"mid_range", "half_range", "total", "value", "length"}
        Of each series (max + min) / 2, (max - min) / 2, its sum, each of its values, or its length.

    Returns
    -------
    Figure

    Raises
    ------
    SchemaError
        Not datasets; no such feature, or one of several units.
    ConfigError
        `of` is none of these.

    Examples
    --------
    >>> from dgkit.simulate import web
    >>> figure = cdf({"real": web(30), "others": web(30, seed=1)}, of="total")
    >>> figure.axes[0].get_xscale()
    'log'
    """
    sets, schema = _named(sets)
    feature = _feature(sets, schema, feature, one_unit=of != "length")
    numbers = {
        "mid_range": lambda ds: metrics.mid_range(valid_feature(ds, feature)),
        "half_range": lambda ds: metrics.half_range(valid_feature(ds, feature)),
        "total": lambda ds: valid_feature(ds, feature).sum("time", dtype=np.float64),
        "value": lambda ds: valid_feature(ds, feature),
        "length": lambda ds: xr.DataArray(lengths(ds), dims="sample"),
    }
    if of not in numbers:
        raise ConfigError(f"of={of!r} is none of {', '.join(map(repr, numbers))}.")
    with _figure(height=3.2) as (figure, axes):
        axis = axes[0, 0]
        for (name, ds), style in zip(sets.items(), _styles(sets), strict=True):
            values = np.asarray(numbers[of](ds), np.float64).ravel()
            values = values[np.isfinite(values)]
            if values.size > MOST_STEPS:  # more steps than a picture shows; each takes memory
                values = np.sort(values)[np.linspace(0, values.size - 1, MOST_STEPS).round().astype(int)]
            axis.ecdf(values, label=name, **style)
        if of != "length" and next(iter(sets.values()))[feature].attrs.get("scale") == "log":
            axis.set_xscale("log")
        what = {"value": "", "mid_range": "mid-range of ", "half_range": "half-range of "}
        what["total"] = "sum over all steps of "  # whose unit is the values' own
        unit = _unit(next(iter(sets.values()))[feature])
        axis.set(
            xlabel="length (steps)" if of == "length" else what[of] + unit,
            ylabel=f"share of {'values' if of == 'value' else 'samples'}",
        )
        _legend(axis, sets)
    return figure


def attributes(sets: Sets, attribute: str | None = None) -> Figure:
    """How often each attribute takes each value, bars side by side for the sets; numbers as histograms.

    Parameters
    ----------
    sets : Dataset or mapping of Datasets
    attribute : str, optional
        Only this one.

    Returns
    -------
    Figure

    Raises
    ------
    SchemaError
        Not a dataset; no such attribute.

    Examples
    --------
    >>> from dgkit.simulate import web
    >>> figure = attributes({"real": web(30), "others": web(30, seed=1)})
    >>> [axis.get_title() for axis in figure.axes]
    ['domain', 'access', 'agent']
    """
    sets, schema = _named(sets)
    chosen = [v for v in schema.attributes if attribute in (None, v.name)]
    if not chosen:
        known = ", ".join(repr(v.name) for v in schema.attributes) or "none"
        raise SchemaError(f"no attribute {attribute!r}; the dataset has {known}.")
    for variable, (name, ds) in itertools.product(chosen, sets.items()):
        _same(name, ds, next(iter(sets.values())), variable.name, one_unit=variable.kind == "continuous")
    held = {v.name: _coded(sets, v) for v in chosen if v.kind == "categorical"}
    sizes = [max(2, len(held[v.name][0]) if v.name in held else 6) for v in chosen]
    height = (0.12 + 0.08 * len(sets)) * sum(sizes) + 0.7 * len(chosen)
    with _figure(len(chosen), 1, height=height / len(chosen), height_ratios=sizes) as (figure, axes):
        for axis, variable in zip(axes[:, 0], chosen, strict=True):
            if variable.kind == "continuous":
                numbers = [np.asarray(ds[variable.name], np.float64) for ds in sets.values()]
                edges = np.histogram_bin_edges(np.concatenate(numbers), 20)
                for values, style in zip(numbers, _styles(sets), strict=True):
                    axis.stairs(np.histogram(values, edges)[0] / len(values), edges, **style)
                axis.set(xlabel=_unit(sets[next(iter(sets))][variable.name]), ylabel="share")
                continue
            categories, codes = held[variable.name]
            place, width = np.arange(len(categories)), 0.8 / len(sets)
            for k, label in enumerate(sets):
                shares = np.bincount(codes[label], minlength=len(categories)) / len(codes[label])
                axis.barh(place + k * width, shares, width * 0.9, label=label, color=_colours(sets)[k])
            axis.set_yticks(place + 0.4 - width / 2, categories)
            axis.invert_yaxis()
            axis.set(xlabel="share of samples", title=variable.name)
            axis.xaxis.set_major_locator(MaxNLocator(5))
            axis.grid(axis="y", visible=False)
        if len(sets) > 1:
            handles = [Rectangle((0, 0), 1, 1, color=colour) for colour in _colours(sets)]
            figure.legend(handles, list(sets), loc="outside upper center", ncols=_columns(sets))
    return figure


def joint(sets: Sets, x: str, y: str) -> Figure:
    """How often the values of two attributes go together: a map of shares for each set, in one scale of colours.

    Parameters
    ----------
    sets : Dataset or mapping of Datasets
    x, y : str
        Two attributes with categories: across and down.

    Returns
    -------
    Figure

    Raises
    ------
    SchemaError
        Not a dataset; no such attribute, or one of numbers.

    Examples
    --------
    >>> from dgkit.simulate import web
    >>> figure = joint({"real": web(30), "others": web(30, seed=1)}, "domain", "agent")
    >>> [axis.get_title() for axis in figure.axes[:2]]
    ['real', 'others']
    """
    sets, schema = _named(sets)
    known = {v.name: v for v in schema.attributes if v.kind == "categorical"}
    for name in (x, y):
        if name not in known:
            having = ", ".join(map(repr, known)) or "none"
            raise SchemaError(f"no attribute {name!r} with categories; the dataset has {having}.")
    for name, ds in sets.items():
        _same(name, ds, next(iter(sets.values())), x)
        _same(name, ds, next(iter(sets.values())), y)

    shares, ((across, columns), (down, rows)) = {}, (_coded(sets, known[name]) for name in (x, y))
    for name in sets:
        table = pd.crosstab(rows[name], columns[name], normalize="all")
        share = table.reindex(index=range(len(down)), columns=range(len(across)), fill_value=0.0)
        shares[name] = share.set_axis(down).set_axis(across, axis=1)
    most = max(float(share.to_numpy().max()) for share in shares.values())

    height = 0.9 + 0.22 * len(down) + 0.06 * max(map(len, across))
    with _figure(1, len(sets), height=height, sharey=True) as (figure, axes):
        for axis, (name, share) in zip(axes[0], shares.items(), strict=True):
            drawn = axis.pcolormesh(share, vmin=0.0, vmax=most, cmap="viridis")
            for way, labels in ((axis.xaxis, share.columns), (axis.yaxis, share.index)):
                every = 1 + (len(labels) - 1) // 30  # more names than these nobody reads
                way.set_ticks(np.arange(0, len(labels), every) + 0.5, labels[::every])
            axis.tick_params(axis="x", rotation=90)
            axis.set_ylim(len(share), 0)
            axis.grid(False)
            axis.set(title=name if len(sets) > 1 else "", xlabel=x, ylabel=y if axis is axes[0, 0] else "")
        figure.colorbar(drawn, ax=list(axes[0]), label="share of samples")
    return figure


def critic(
    score: Callable[[np.ndarray], np.ndarray], real: np.ndarray, made: np.ndarray, *, x: str = "x", y: str = "y"
) -> Figure:
    """A critic of points in the plane: its score as a surface, and at generated points what it tells the generator.

    Parameters
    ----------
    score : callable
        Points (N, 2) to their scores (N,).
    real, made : array, (N, 2)
        Real and generated points. From each of the first 40 generated ones an arrow goes where the score rises, the
        longer the steeper it does.
    x, y : str
        Of the axes.

    Returns
    -------
    Figure

    Raises
    ------
    ConfigError
        The points are not (N, 2).

    Examples
    --------
    >>> points = np.random.default_rng(0).normal(size=(60, 2))
    >>> figure = critic(lambda at: at[:, 0], points + 1, points - 1, x="level", y="swing")
    >>> figure.axes[0].get_xlabel()
    'level'
    """
    for name, points in {"real": real, "made": made}.items():
        if np.ndim(points) != 2 or np.shape(points)[1] != 2 or not len(points):
            raise ConfigError(f"{name} is {np.shape(points)}; give points of the plane, (N, 2).")

    # the surface, over all points and a little more
    both = np.concatenate([real, made])
    low, high = both.min(0), both.max(0)
    low, high = low - 0.1 * (high - low), high + 0.1 * (high - low)
    across, up = (np.linspace(a, b, 60) for a, b in zip(low, high, strict=True))
    grid = np.stack(np.meshgrid(across, up), -1)  # (60, 60, 2)
    height = np.asarray(score(grid.reshape(-1, 2))).reshape(60, 60)

    # its gradient at generated points, by central differences
    at, small = np.asarray(made, float)[:40], 1e-3 * (high - low).min()
    gradient = [(score(at + move) - score(at - move)) / (2 * small) for move in small * np.eye(2)]

    with _figure(height=4) as (figure, axes):
        axis = axes[0, 0]
        surface = axis.contourf(across, up, height, 14, cmap="Greys", alpha=0.6)
        axis.scatter(*real.T, s=9, color=COLOURS[0], label="real", linewidths=0)
        axis.scatter(*made.T, s=9, color=COLOURS[3], marker="s", label="generated", linewidths=0)
        axis.quiver(*at.T, *gradient, angles="xy", color=REFERENCE, scale=12, width=0.003)
        figure.colorbar(surface, ax=axis, label="score")
        axis.set(xlabel=x, ylabel=y)
        axis.grid(visible=False)
        axis.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2, borderaxespad=0.1)
    return figure


def history(model: Any) -> Figure:
    """What training measured: Wasserstein estimates, losses, gradient norms; a running mean over the raw curve.

    Parameters
    ----------
    model : DoppelGANger or Dataset
        A model, or its `history`.

    Returns
    -------
    Figure

    Raises
    ------
    ConfigError
        Neither of the two, or no step was taken.

    Examples
    --------
    >>> import dgkit as dg
    >>> model = dg.fit(dg.simulate.web(30), dg.Config(steps=3, sample_len=84, batch_size=10), progress=False)
    >>> figure = history(model)
    >>> figure.axes[0].get_ylabel()
    'Wasserstein estimate'
    """
    records = model if isinstance(model, xr.Dataset) else getattr(model, "history", None)
    if not isinstance(records, xr.Dataset):
        raise ConfigError(f"give a model or its history, not {type(model).__name__}: dg.fit(...) returns a model.")
    if not records.sizes.get("step"):
        raise ConfigError("there is no training history: this model has not taken a step.")
    panels = {
        "Wasserstein estimate": {"discriminator": "wasserstein", "auxiliary": "auxiliary_wasserstein"},
        "loss": {"discriminator": "discriminator_loss", "generator": "generator_loss"},
        "gradient norm": {"discriminator": "discriminator_gradient", "generator": "generator_gradient"},
    }
    lacking = {name for curves in panels.values() for name in curves.values()} - set(map(str, records.data_vars))
    if lacking:
        raise ConfigError(
            f"this history has {', '.join(map(repr, records.data_vars))}, not what a DoppelGANger's has. Draw one of "
            "these: model.history[...].plot()"
        )
    colours = dict(zip(("discriminator", "generator", "auxiliary"), COLOURS, strict=False))
    dashes = {"discriminator": "-", "generator": "--", "auxiliary": "-."}
    window = max(1, records.sizes["step"] // 50)
    with _figure(1, 3, height=2.8) as (figure, axes):
        for axis, (title, curves) in zip(axes[0], panels.items(), strict=True):
            for who, name in curves.items():
                values = records[name].to_series()
                if values.notna().any():
                    axis.plot(values.index, values, color=colours[who], alpha=0.2, linewidth=0.7)
                    smooth = values.rolling(window, min_periods=1, center=True).mean()
                    axis.plot(smooth.index, smooth, color=colours[who], linestyle=dashes[who], label=who)
            axis.set(xlabel="step", ylabel=title)
        axes[0, 2].set_yscale("log")
        lines = [line for axis in axes[0] for line in axis.lines if line.get_label() in colours]
        named = {str(line.get_label()): line for line in lines}
        figure.legend(list(named.values()), list(named), loc="outside upper center", ncols=3)
    return figure


def length_histogram(sets: Sets, *, bins: int = 20) -> Figure:
    """Lengths of variable-length series, a step curve a set (the paper's Figure 7).

    Parameters
    ----------
    sets : Dataset or mapping of Datasets
    bins : int
        At most; each of as many whole steps as the others, so that none counts more lengths than another.

    Returns
    -------
    Figure

    Raises
    ------
    SchemaError, ConfigError
        Not datasets; `bins` below 1.

    Examples
    --------
    >>> from dgkit.simulate import cluster
    >>> figure = length_histogram({"real": cluster(100), "others": cluster(100, seed=1)})
    >>> figure.axes[0].get_xlabel()
    'length (steps)'
    """
    sets, _ = _named(sets)
    steps = max(ds.sizes["time"] for ds in sets.values())
    width = -(-steps // whole("bins", bins))  # steps in a bin
    edges = np.arange(0, steps + width, width) + 0.5
    with _figure(height=3) as (figure, axes):
        for (name, ds), style in zip(sets.items(), _styles(sets), strict=True):
            counts, _ = np.histogram(lengths(ds), edges)
            axes[0, 0].stairs(counts / ds.sizes["sample"], edges, label=name, **style)
        axes[0, 0].set(xlabel="length (steps)", ylabel="share of samples")
        _legend(axes[0, 0], sets)
    return figure


def against(
    values: xr.DataArray, x: str, hue: str | None = None, *, log: str = "", reference: Mapping[str, Any] | None = None
) -> Figure:
    """A measured number against a setting: the median over seeds, and a band or bar from the smallest to the largest.

    Parameters
    ----------
    values : DataArray, dims (x,), (x, seed), (x, hue) or (x, hue, seed)
        As `dgkit.sweep` or `open_run` gives them; `long_name` and `units` name the vertical axis.
    x : str
        The setting on the horizontal axis; values that are no numbers are spaced evenly.
    hue : str, optional
        A second setting, a curve for each of its values.
    log : {"", "x", "y", "xy"}
        Axes on a logarithmic scale; an axis says how many values at or below 0 it cannot show.
    reference : mapping, optional
        What to compare with, in black: numbers (what chance gives), or curves over x (the real data's); where x has
        no numbers, a short line at each of its values.

    Returns
    -------
    Figure

    Raises
    ------
    ConfigError
        `values` has other dims (select or average them first), or lacks one.

    Examples
    --------
    >>> import dgkit as dg
    >>> run = dg.course.open_run("sample_len").isel(step=-1)
    >>> figure = against(run.autocorrelation_mse, "sample_len", log="xy")
    >>> figure.axes[0].get_xlabel().startswith("sample_len")
    True
    """
    if log not in ("", "x", "y", "xy", "yx"):
        raise ConfigError(f"log={_checks.shown(log)}: which axes are logarithmic is one of '', 'x', 'y', 'xy'.")
    rest = set(values.dims) - {x, hue, "seed"}
    if rest or not {x, *([hue] if hue else [])} <= set(values.dims):
        raise ConfigError(f"values has dims {values.dims}; expected {x!r}, {hue!r} and seed. Select one of the others.")
    curves = {str(one[hue].item()): one for one in values.transpose(hue, ...)} if hue else {"": values}
    across = values[x].values
    numbers = across.dtype.kind in "iuf"
    place = across if numbers else np.arange(len(across))
    ticks = list(place) if len(place) <= (8 if numbers else 16) else None  # numbers tell where others are
    with _figure(height=3.2) as (figure, axes):
        axis = axes[0, 0]
        beside = {
            f"{name} (at or below 0: not shown)" if "y" in log and not np.any(np.asarray(one) > 0) else str(name): one
            for name, one in (reference or {}).items()
        }
        labels = list(beside)
        for k, (name, one) in enumerate(curves.items()):
            colour, dash, marker = COLOURS[k % len(COLOURS)], _DASHES[k % len(_DASHES)], "os^Dv"[k % 5]
            seeds = one if "seed" in one.dims else one.expand_dims("seed")
            label = f"{hue} {name}" if hue and name.replace(".", "").isdigit() else name
            labels.append(label)
            middle, low, high = seeds.median("seed"), seeds.min("seed"), seeds.max("seed")
            style: dict[str, Any] = {"color": colour, "label": label}
            if len(place) <= 20:
                style |= {"marker": marker, "markersize": 4.5}
            if numbers:
                axis.plot(place, middle, linestyle=dash, **style)
                axis.fill_between(place, low, high, color=colour, alpha=0.2, linewidth=0)
            else:  # no line where there is nothing between two values
                shifted = place + 0.08 * (k - (len(curves) - 1) / 2)
                axis.errorbar(shifted, middle, [middle - low, high - middle], linestyle="", capsize=3, **style)
        for (name, height), dash in zip(beside.items(), itertools.cycle([":", (0, (1, 3)), (0, (5, 3))])):
            style = {"color": REFERENCE, "linestyle": dash, "linewidth": 1.3, "label": name}
            if isinstance(height, xr.DataArray) and height.ndim and numbers:
                axis.plot(height[x], height, **style)
            elif isinstance(height, xr.DataArray) and height.ndim:
                ends = place[:, None] + [-0.3, 0.3, np.nan]  # a gap after each
                axis.plot(ends.ravel(), np.repeat(height.sel({x: across}), 3), **style)
            else:
                axis.axhline(float(height), zorder=1, **style)
        for which in log:
            axis.set(**{f"{which}scale": "log"})
        if ticks:
            axis.set_xticks(ticks, [f"{value:g}" if numbers else str(value) for value in across])
            axis.xaxis.set_minor_locator(NullLocator())
            if not numbers and any(len(f"{a}{b}") > 165 / len(place) for a, b in itertools.pairwise(across)):
                axis.tick_params(axis="x", labelrotation=20)  # or they run into each other
        axis.set(xlabel=_axis_name(values[x], numbers and "x" in log), ylabel=_axis_name(values, "y" in log))
        if values[x].attrs.get("units") == "days" and not ticks and "x" not in log:
            _weeks(axis, int(across[-1]))
        if not numbers:
            axis.set_xlim(-0.5, len(place) - 0.5)
        if len(curves) > 1 or reference:
            _legend(axis, labels)
    return figure


def histogram(numbers: Mapping[str, Any], *, bins: int = 30, log: bool = False) -> Figure:
    """Histograms of one number a sample, a step curve a set, such as the mid-ranges of the paper's Figure 6.

    Parameters
    ----------
    numbers : mapping
        For each set its values, any shape, NaN ignored; the first is the reference. A DataArray's `long_name` and
        `units` name the axis.
    bins : int
        Over the range of all sets.
    log : bool
        A logarithmic horizontal axis, with bins of equal width on it; values at or below 0 are left out, and the legend
        or the axis says how many.

    Returns
    -------
    Figure

    Raises
    ------
    ConfigError
        No mapping, no set, or one that is no array of numbers, or without a value to show.
    SchemaError
        DataArrays of two units.

    Examples
    --------
    >>> from dgkit.simulate import web
    >>> figure = histogram({"real": metrics.mid_range(web(100).views)}, log=True)
    >>> figure.axes[0].get_xscale()
    'log'
    """
    if not isinstance(numbers, Mapping):
        raise ConfigError(f"give a mapping of names to numbers, not a {type(numbers).__name__}: {{'real': values}}.")
    whole("bins", bins)
    flat, notes, first = {}, {}, next(iter(numbers.values()), None)
    for name, values in numbers.items():
        try:
            plain = np.asarray(unmasked(values), np.float64).ravel()
        except (TypeError, ValueError) as error:
            way = ", such as ds['views'] or dgkit.metrics.mid_range(ds['views'])"
            raise ConfigError(
                f"{name!r} is a {type(values).__name__}, not numbers. Give an array of them{way}."
            ) from error
        if isinstance(first, xr.DataArray) and isinstance(values, xr.DataArray):
            check_units(values.name or "values", first.attrs, values.attrs, ("the first set", repr(name)))
        plain = plain[~np.isnan(plain)]
        flat[name] = plain[np.isfinite(plain) & (plain > 0 if log else True)]
        left_out = {
            "infinite": np.isinf(plain).sum(),
            "at or below 0": (plain[np.isfinite(plain)] <= 0).sum() if log else 0,
        }
        said = " and ".join(f"{many} of {plain.size} {what}" for what, many in left_out.items() if many)
        notes[name] = f", without {said}" if said else ""
    empty = [name for name, values in flat.items() if not values.size]
    if empty or not flat:
        raise ConfigError(f"{empty[0]!r} has no value to show." if empty else "give at least one set of numbers.")
    every = np.concatenate(list(flat.values()))
    low, high = every.min(), every.max()
    ends = (low / 2, high * 2) if low == high else (low, high)  # bins need a width
    edges = np.geomspace(*ends, bins + 1) if log else np.histogram_bin_edges(every, bins)
    with _figure(height=3) as (figure, axes):
        axis = axes[0, 0]
        for (name, values), style in zip(flat.items(), _styles(flat), strict=True):
            axis.stairs(np.histogram(values, edges)[0] / values.size, edges, label=f"{name}{notes[name]}", **style)
        if log:
            axis.set_xscale("log")
        label = _unit(first) if isinstance(first, xr.DataArray) else "value"
        alone = next(iter(notes.values())) if len(flat) == 1 else ""  # there is no legend
        axis.set(xlabel=label + alone, ylabel="share of samples")
        _legend(axis, [f"{name}{note}" for name, note in notes.items()])
    return figure


class _Picture(Figure):
    """A Figure that the inline backend shows once, with twice the pixels.

    What a cell shows itself is not shown again at the cell's end.
    """

    def _ipython_display_(self) -> None:
        if "inline" in plt.get_backend():
            from IPython.core.getipython import get_ipython
            from IPython.core.pylabtools import retina_figure

            plt.close(self)
            shell = get_ipython()
            if shell is not None and shell.display_formatter is not None:
                as_png = shell.display_formatter.formatters["image/png"]
                as_png.for_type(_Picture, lambda figure: retina_figure(figure, base64=True))  # type: ignore[no-untyped-call]
        raise NotImplementedError  # IPython goes on as with every figure


@contextmanager
def _figure(rows: int = 1, columns: int = 1, *, height: float, **options: Any) -> Iterator[tuple[Figure, np.ndarray]]:
    """A figure of the notebook's width in the kit's style, and its axes, (rows, columns)."""
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(
            rows,
            columns,
            figsize=(WIDTH, height * rows),
            squeeze=False,
            layout="constrained",
            FigureClass=_Picture,
            **options,
        )
        try:
            yield figure, axes
        except BaseException:
            plt.close(figure)  # a half of a picture is none, and pyplot would keep it
            raise
        for way in (way for axis in axes.ravel() for way in (axis.xaxis, axis.yaxis)):
            if not isinstance(way.get_major_locator(), FixedLocator):  # not names: powers of ten are formulas
                for text in (way.offsetText, *(tick.label1 for tick in (*way.majorTicks, *way.minorTicks))):
                    text.set_parse_math(True)


def _named(sets: Sets) -> tuple[Mapping[str, xr.Dataset], Schema]:
    """The sets by name and the reference's schema; SchemaError unless all are datasets."""
    named = {"data": sets} if isinstance(sets, xr.Dataset) else sets
    if not isinstance(named, Mapping) or not named:
        raise SchemaError(f"give a Dataset or a mapping of names to Datasets, not {type(sets).__name__}.")
    schemas = [validate(ds, training=False) for ds in named.values()]
    return {str(name): ds for name, ds in named.items()}, schemas[0]


def _feature(sets: Mapping[str, xr.Dataset], schema: Schema, feature: str | None, *, one_unit: bool = False) -> str:
    known = [variable.name for variable in schema.features if variable.kind == "continuous"]
    feature = known[0] if feature is None and known else feature
    if feature not in known:
        raise SchemaError(
            f"no continuous feature {feature!r}; the dataset has {', '.join(map(repr, known)) or 'none'}."
        )
    for name, ds in sets.items():
        _same(name, ds, next(iter(sets.values())), feature, one_unit=one_unit)
    return str(feature)


def _coded(sets: Mapping[str, xr.Dataset], variable: Variable) -> tuple[list[str], dict[str, np.ndarray]]:
    """An attribute's categories, the first set's before those that others have beside them; of each set its codes."""
    known, *values = in_one_form(np.array(variable.categories), *(ds[variable.name].values for ds in sets.values()))
    every = list(dict.fromkeys([*known.tolist(), *itertools.chain(*(np.unique(one).tolist() for one in values))]))
    place = {value: k for k, value in enumerate(every)}
    codes = (np.array([place[value] for value in one.tolist()], int) for one in values)
    return list(map(str, every)), dict(zip(sets, codes, strict=True))


def _same(name: str, ds: xr.Dataset, reference: xr.Dataset, variable: str, *, one_unit: bool = False) -> None:
    """SchemaError where a set has the variable in another form or, if they share an axis, in another unit."""
    if variable not in ds or ds[variable].dims != reference[variable].dims:
        raise SchemaError(
            f"{name!r} has no {variable!r} on {reference[variable].dims}; it has {', '.join(map(repr, ds.data_vars))}."
        )
    if (ds[variable].dtype.kind in "US") != (reference[variable].dtype.kind in "US"):
        raise SchemaError(f"{variable!r} is {ds[variable].dtype} in {name!r}; expected {reference[variable].dtype}.")
    if one_unit:
        check_units(variable, reference[variable].attrs, ds[variable].attrs, ("the first set", repr(name)))


def _legend(axis: Axes, labels: Iterable[str]) -> None:
    """Above the axes, where it hides no curve; of all these labels, also those that matplotlib takes for hidden."""
    wanted = list(labels)
    if len(wanted) > 1:
        artists: list[Any] = [*axis.lines, *axis.patches, *axis.containers]
        drawn = [one for one in artists if one.get_label() in wanted]
        names = [one.get_label() for one in drawn]
        axis.legend(drawn, names, loc="lower left", bbox_to_anchor=(0, 1), borderaxespad=0.1, ncols=_columns(names))


def _columns(sets: Collection[str]) -> int:
    """Of a legend as wide as the figure."""
    return max(1, min(len(sets), 100 // (8 + max(len(str(name)) for name in sets))))


def _colours(sets: Mapping[str, Any]) -> list[Any]:
    return [REFERENCE, *itertools.islice(itertools.cycle(COLOURS), len(sets) - 1)]


def _styles(sets: Mapping[str, Any]) -> list[dict[str, Any]]:
    pairs = zip(_colours(sets), (_DASHES[k % len(_DASHES)] for k in range(len(sets))), strict=True)
    return [{"color": colour, "linestyle": dash, "linewidth": 1.6} for colour, dash in pairs]


def _unit(da: xr.DataArray, *, short: bool = False) -> str:
    """The name, and its unit in brackets if it has one."""
    name = str(da.name) if short else str(da.attrs.get("long_name", da.name))
    return name if (unit := da.attrs.get("units", "1")) == "1" else f"{name} ({unit})"


def _axis_name(da: xr.DataArray, log: bool) -> str:
    """An axis' name; of a logarithmic one also how many of its values have no place there."""
    off = int((da <= 0).sum()) if log else 0
    return _unit(da) + (f"\n{off} of {da.size} at or below 0: not shown" if off else "")


def _dated(sets: Mapping[str, xr.Dataset]) -> bool:
    return all("time" in ds.coords and ds["time"].dtype.kind == "M" for ds in sets.values())


def _step(sets: Mapping[str, xr.Dataset]) -> str:
    """What one step is: "days", "steps of 6 h", or "steps" where no even time coordinate says more."""
    if _dated(sets):
        gaps = np.unique(np.concatenate([np.diff(ds["time"].values) for ds in sets.values()]))
        seconds = gaps[0] / np.timedelta64(1, "s") if len(gaps) == 1 else 0
        for unit, size in {"days": 86400, "h": 3600, "min": 60, "s": 1}.items():
            if seconds >= size:
                return "days" if seconds == 86400 else f"steps of {seconds / size:g} {unit}"
    return "steps"


def _steps(ds: xr.Dataset, dated: bool) -> np.ndarray:
    known = "time" in ds.coords and (dated or ds["time"].dtype.kind in "iuf")
    return ds["time"].values if known else np.arange(ds.sizes["time"])


def _short(value: float, _position: int) -> str:
    """A tick's label, short at every size: 20k, 1.6G, 0.02."""
    return EngFormatter(sep="")(value) if abs(value) >= 1000 else f"{value:.6g}".replace("-", "−")


def _weeks(axis: Axes, days: int) -> None:
    """Ticks at whole weeks, a dozen at most."""
    apart = next(7 * 2**k for k in itertools.count() if 7 * 2**k * 12 >= days)
    axis.xaxis.set_major_locator(MultipleLocator(apart))


def _attributes_of(schema: Schema, one: xr.Dataset, width: int) -> str:
    text = listed(one[v.name].values.item() for v in schema.attributes)
    return textwrap.fill(text, width, max_lines=2, placeholder=" …", break_on_hyphens=False)


__all__ = [
    "against",
    "attributes",
    "autocorrelation",
    "cdf",
    "critic",
    "histogram",
    "history",
    "joint",
    "length_histogram",
    "series",
]
