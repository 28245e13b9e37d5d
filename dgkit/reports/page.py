"""A report as one HTML file: words, tables and pictures (SVG), without scripts, and without anything from elsewhere.

What it says stands in `page.html`, a template of Jinja2, which escapes every name, whatever it holds. Left out:
anything computed: numbers come from the report's Dataset, curves from the samples it drew.
"""

import io
import json
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from functools import partial
from importlib.resources import files
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from dgkit._text import at_most, number
from dgkit.errors import SchemaError
from dgkit.metrics.distributions import holds_categories, is_series, valid_feature
from dgkit.reports.lines import DEALS
from dgkit.reports.measures import KINDS, LEAST, bins_of, course

Sets = Mapping[str, xr.Dataset]
SIGNS = {"pass": "✓ pass", "fail": "✗ fail", "not judged": "– not judged"}
MOST_VALUES, MOST_PICTURES, MOST_LAGS = 15, 20, 1000  # of a table or picture; of variables; of a curve
_POINTS = 200  # of a picture of time: more steps are drawn as means of neighbours
COLOURS = {  # of the pictures of `dgkit.plot`: those that are to follow the page, light or dark
    "#262626": "currentColor",
    "#666666": "currentColor",
    "#0173b2": "#2a85d0",
    "#cccccc": "rgba(128,128,128,.35)",
    "#ebebeb": "rgba(128,128,128,.15)",
}


def page(found: xr.Dataset, samples: Sets) -> str:
    """The whole file: `found` is the report's Dataset, `samples` those it drew."""
    from jinja2 import Environment
    from markupsafe import Markup

    environment = Environment(
        autoescape=True,
        trim_blocks=True,
        finalize=lambda value: value if isinstance(value, Markup) else _plain(value),
    )
    environment.filters |= {"short": _short, "at_most": at_most}
    environment.tests["infinite"] = lambda value: value == np.inf
    of, attrs = str(found.attrs["title"]), found.attrs
    names = {name: name.replace("-", "_") for name in ("held-out", "generated", "training") if name in samples}
    lines = _lines(found)
    return environment.from_string((files(__package__) / "page.html").read_text("utf-8")).render(
        title=f"Report on generated data{': ' * bool(of)}{of}",
        attrs=attrs,
        signs=SIGNS,
        lines=lines,
        not_judged=sum(line["verdict"] == "not judged" for line in lines),
        model=json.loads(attrs["model"] or "{}"),
        versions=json.loads(attrs["versions"]),
        limits=json.loads(attrs["thresholds"]),
        sets={name: [attrs[f"{own}_{what}"] for what in ("samples", "drawn", "hash")] for name, own in names.items()},
        deals=DEALS,
        pictures=[(name, [(what, Markup(svg)) for what, svg in drawn]) for name, drawn in _pictures(found, samples)],
        more_variables=len(samples["training"].data_vars) * (len(samples["training"].data_vars) > MOST_PICTURES),
        by_value=list(_by_value(found)),
    )


def _plain(value: Any) -> str:
    """Text with a sign for each letter that cannot be printed, which no HTML may hold or which turns text round."""
    return "".join(letter if letter.isprintable() or letter == "\n" else "\ufffd" for letter in str(value))


def _short(value: float) -> str:
    return "–" if np.isnan(value) else number(value)


# --- tables ----------------------------------------------------------------------------------------------------------


def _lines(found: xr.Dataset) -> list[dict[Any, Any]]:
    """All lines in the order of `KINDS`, with what it says of each."""
    lines = found.drop_dims("entry").to_dataframe().join(KINDS.assign(order=range(len(KINDS))), on="kind")
    return lines.sort_values("order", kind="stable").to_dict("records")


def _by_value(found: xr.Dataset) -> Iterator[tuple[str, str, list[str], list[Any]]]:
    """For each attribute what was found at its values, title, caption, head, rows; of many the farthest out of line."""
    every = found[[name for name in found if str(name).startswith("entry_")]].to_dataframe().reset_index(drop=True)
    every.columns = every.columns.str.removeprefix("entry_")
    every["ratio"] = (every.measured / every.chance_worst).fillna(-1.0)
    for attribute, own in every.groupby("attribute", sort=False):
        lines, total, compared = own.line.unique(), own.value.nunique(), own[own.samples > 0]
        largest = compared.groupby("value")[["ratio", "samples"]].max().sort_values("ratio", ascending=False)
        shown = largest[:MOST_VALUES]
        gaps, farthest = (
            compared.pivot(index="value", columns="line", values=of).reindex(shown.index, columns=lines)
            for of in ("measured", "chance_worst")
        )
        columns = (shown.index, shown.samples, gaps.to_numpy(), farthest.to_numpy())
        rows = [(value, samples, [*zip(*pair, strict=True)]) for value, samples, *pair in zip(*columns, strict=True)]
        left = f" {total - len(largest)} of {total} values have fewer than {LEAST}, and are not compared."
        many = f" Of {len(largest)} values the {MOST_VALUES} farthest out of line."
        caption = f"Samples: in the smaller set.{left * (total > len(largest))}{many * (len(largest) > MOST_VALUES)}"
        head = [
            "Shape of " * line.startswith("effect_on_shape") + line.partition(f"{attribute} on ")[2] for line in lines
        ]
        yield str(attribute), caption, head, rows


# --- pictures --------------------------------------------------------------------------------------------------------


def _pictures(found: xr.Dataset, samples: Sets) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """For each feature and attribute its name and pictures of the samples drawn."""
    from dgkit import plot

    logs = {str(of).removesuffix(" (log)") for of in found.of.values if str(of).endswith(" (log)")}
    sets = {name: samples[name] for name in ("held-out", "generated", "training") if name in samples}
    sets = sets if "held-out" in sets else dict(reversed(sets.items()))  # the first is the reference
    for name in list(map(str, samples["training"].data_vars))[:MOST_PICTURES]:
        first = samples["training"][name]
        unit = first.attrs.get("units", "1")
        draws: dict[str, Callable[[], Any]] = {}
        if name == "length":
            draws["Lengths"] = partial(plot.length_histogram, sets)
        elif holds_categories(first):
            draws["Shares"] = partial(plot.attributes, _as_attribute(sets, name), name)
        elif not is_series(first):
            draws["Shares"] = partial(plot.attributes, sets, name)
        else:
            scale = {"scale": "log"} if name in logs else {}
            own = {of: ds.assign({name: ds[name].assign_attrs(scale)}) for of, ds in sets.items()}
            for what, of in {"Values": "value", "Levels": "mid_range", "Amplitudes": "half_range"}.items():
                draws[what] = partial(plot.cdf, own, name, of=of)
            for kind in ("paper", "standard"):
                lags = min(first.sizes["time"] - 2, MOST_LAGS)
                draws[f"Memory (autocorrelation, {kind})"] = partial(
                    plot.autocorrelation, own, name, kind=kind, lags=lags
                )
            draws["Shape over time"] = partial(_courses, own, name)
        drawn = [(what, _svg(draw, f"{what}: {name}")) for what, draw in draws.items()]
        yield f"{name} ({unit})" if unit != "1" else name, [(what, svg) for what, svg in drawn if svg]


def _as_attribute(sets: Sets, name: str) -> dict[str, xr.Dataset]:
    """Categories, of samples or of their steps, as an attribute of what `dgkit.plot` takes; the rare ones as one."""
    values = {of: (valid_feature(ds, name) if is_series(ds[name]) else ds[name]).values for of, ds in sets.items()}
    flat = {of: pd.Series(one.astype(str).ravel()).replace("", np.nan).dropna() for of, one in values.items()}
    every = pd.concat(flat).value_counts().index
    rest = every[MOST_VALUES:] if len(every) > MOST_VALUES + 1 else every[:0]
    called = dict.fromkeys(rest, f"{len(rest)} rare ones")
    listed = {"categories": [*every.drop(rest), *list(called.values())[:1]]}
    return {
        of: xr.Dataset(
            {
                name: ("sample", one.replace(called).to_numpy(str), listed),
                " ": (("sample", "time"), np.zeros((len(one), 1))),
            }
        )
        for of, one in flat.items()
    }


def _courses(sets: Sets, name: str) -> Any:
    """The mean of all series, each in its own standard deviations around its mean."""
    from dgkit import plot

    bins = bins_of(next(iter(sets.values())).sizes["time"], _POINTS)
    curves = [np.nanmean(course(valid_feature(ds, name).values.astype(np.float64), bins), 0) for ds in sets.values()]
    at = [some.mean() for some in bins]
    attrs = {"long_name": "mean course", "units": "own std"}
    table = xr.DataArray(curves, {"set": list(sets), "step": at}, ("set", "step"), attrs=attrs)
    return plot.against(table[1:], "step", "set", reference={table["set"].values[0]: table[0]})


def _svg(draw: Callable[[], Any], what: str) -> str:
    """What a function of `dgkit.plot` draws, as SVG whose text stays text; empty where there is no such curve."""
    import matplotlib.pyplot as plt
    from markupsafe import escape

    written = io.StringIO()
    with (
        suppress(SchemaError),
        warnings.catch_warnings(),
        plt.rc_context({"svg.fonttype": "none", "svg.hashsalt": what}),
    ):
        warnings.filterwarnings("ignore", "Glyph|Mean of empty")  # letters its own fonts lack; steps no series reaches
        figure = draw()
        figure.set_size_inches(4.6, max(2.8, figure.get_figheight()))
        figure.savefig(written, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
        plt.close(figure)
    svg = _plain(written.getvalue().partition("<svg")[2])
    for colour, own in COLOURS.items():
        svg = svg.replace(colour, own)
    return f'<svg role="img" aria-label="{escape(_plain(what))}"{svg}' if svg else ""
