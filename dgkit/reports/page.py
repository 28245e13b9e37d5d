"""A report as one HTML file: words, tables and pictures (SVG), without scripts, and without anything from elsewhere.

Every name in it is escaped, whatever it holds; a verdict is a word and a sign before it is a colour. Left out:
anything computed: numbers come from the report's Dataset, curves from the samples it drew.
"""

import io
import json
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from functools import partial
from html import escape
from typing import Any

import numpy as np
import xarray as xr

from dgkit.errors import SchemaError
from dgkit.metrics import autocorrelation, ecdf, half_range, mid_range
from dgkit.metrics.distributions import holds_categories, is_series, valid_feature
from dgkit.reports.lines import DEALS
from dgkit.reports.measures import KINDS, LEAST, course
from dgkit.schema import lengths

Sets = Mapping[str, xr.Dataset]
SIGNS = {"pass": "✓ pass", "fail": "✗ fail", "not judged": "– not judged"}
PARTS = {  # of the table, by the first kind of each
    "values": "Features",
    "lengths": "Lengths and attributes",
    "effect": "Effects of attributes on series",
    "constraint": "Constraints",
    "copies": "Copies and privacy",
}
MOST_VALUES, MOST_PICTURES, MOST_LAGS = 15, 20, 1000  # of a table or picture; of variables; of a curve
INK = "#010203"  # in pictures: becomes the colour of the text around, light or dark
STYLES: dict[str, dict[str, Any]] = {
    "held-out": {"color": INK, "linewidth": 2.2, "linestyle": "-"},
    "generated": {"color": "#2a85d0", "linewidth": 1.7, "linestyle": (0, (5, 1.5)), "zorder": 3},
    "training": {"color": "#b26a00", "linewidth": 1.3, "linestyle": (0, (1, 1.2))},
}
HATCHES = {"held-out": "", "generated": "//", "training": ".."}
CSS = """
:root { color-scheme: light dark; --ink: #1b1d21; --paper: #fff; --soft: #5a5f68; --line: #d5d8de; --tint: #f4f5f7;
  --pass: #1a6b34; --fail: #a8201a }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e7ea; --paper: #16181c; --soft: #a3a8b2; --line: #3a3e46;
  --tint: #20232a; --pass: #7fd49a; --fail: #ff9a92 } }
body { font: 16px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); max-width: 66rem;
  margin: 0 auto; padding: 1.5rem; overflow-wrap: anywhere }
h1 { font-size: 1.9rem; line-height: 1.2; margin: 0 0 .3rem }
h2 { font-size: 1.35rem; margin: 2.5rem 0 .5rem }
h3 { font-size: 1.1rem; margin: 1.8rem 0 .3rem }
p, li { max-width: 46rem }
small, .soft, figcaption, caption { color: var(--soft) }
small { font-size: .82rem; font-weight: normal; white-space: normal }
td div, th div { line-height: 1.3 }
.counts { display: flex; gap: 1rem; flex-wrap: wrap; padding: 0; margin: 1.2rem 0; list-style: none }
.counts li { border: 1px solid var(--line); border-left: .35rem solid; padding: .5rem 1.2rem; min-width: 7rem }
.counts b { font-size: 2rem; line-height: 1.1; display: block }
.pass { color: var(--pass); font-weight: 600 }
.fail { color: var(--fail); font-weight: 600 }
.wide { overflow-x: auto }
table { border-collapse: collapse; width: 100%; font-size: .92rem }
caption { text-align: left; padding: .3rem 0 }
th, td { text-align: left; vertical-align: top; padding: .35rem .7rem .35rem 0; border-bottom: 1px solid var(--line) }
thead th { border-bottom: 2px solid var(--soft); vertical-align: bottom; overflow-wrap: break-word }
tbody th { overflow-wrap: break-word; min-width: 6rem }
th[scope=rowgroup] { padding-top: 1.1rem; font-size: 1rem }
.number { text-align: right; font-variant-numeric: tabular-nums }
td.number, td.number small { white-space: nowrap }
.verdict { white-space: nowrap; min-width: 8rem }
code { font-size: .85rem }
.note { background: var(--tint); border-left: .35rem solid var(--soft); padding: .6rem 1rem; margin: 1rem 0 }
figure { margin: .5rem 0 1.5rem }
figure svg { width: 100%; height: auto; color: var(--ink) }
.settings { columns: 18rem; font-size: .9rem }
.settings dt, .settings dd { display: inline; margin: 0 }
.settings dt { font-weight: 600 }
.sign { display: grid; grid-template-columns: repeat(3, 1fr); gap: 2rem; margin-top: 4rem }
.sign div { border-top: 1px solid var(--ink); padding-top: .3rem }
tr, figure, .settings div, .sign { break-inside: avoid }
h2, h3 { break-after: avoid }
@media print {
  :root { color-scheme: light; --ink: #000; --paper: #fff; --soft: #444; --line: #bbb; --tint: #fff; --pass: #000;
    --fail: #000 }
  body { font-size: 10pt; max-width: none; padding: 0 }
  .wide { overflow: visible }
}
"""
HOW = """<h2>How a verdict is made</h2>
<p>Each line measures how far generated samples are from held-out ones: real data that the generator did not see.
No generator need come nearer than real data come to each other. So all real samples drawn are dealt at random into two
sets of these sizes, {deals} times, and measured in the same way: that is <em>chance</em>, from the middle of the deals
to the farthest, training against held-out data among them. A line passes that lies at most {times:g} times as far from
the middle as the farthest deal, or within the limit that was given for it; of an attribute, also one that a single
sample may have moved. To pass is not to be alike: it is not to be told apart by this line with so many samples.
Constraints, copies and the membership attack have a chance of their own, of the same form; epsilon has none.</p>"""
ALONE = """<h2>How a verdict is made</h2>
<p>No held-out data were given: real data that the generator did not see. So nothing says how far real data are from
each other, and most lines are measured against the training data and not judged, but for limits that were given. A
generator that repeats its training data would look perfect in them.</p>"""
SIGNED = """<h2>Signed</h2>
<p>I have read this report, and which of its lines fail or are not judged.</p>
<div class="sign"><div>Name</div><div>Date</div><div>Signature</div></div>"""
BY_VALUE = """<h2>By value of each attribute</h2>
<p>How far the series of one value are apart, and in brackets the farthest that real samples of this value were by
chance. ▲ marks what lies beyond. Of fifty such numbers of real data about one does, so these are places to look at, not
verdicts.</p>"""


def page(found: xr.Dataset, samples: Sets) -> str:
    """The whole file: `found` is the report's Dataset, `samples` those it drew."""
    of = _text(found.attrs["title"])
    title = f"Report on generated data{': ' + of if of else ''}"
    how = HOW.format(deals=DEALS, times=json.loads(found.attrs["thresholds"])["chance"])
    how = how if "held-out" in samples else ALONE
    body = [_cover(found, title), _compared(found), _trained(found), how, "<h2>Line by line</h2>", table(found)]
    body += [*_pictures(found, samples), *_by_value(found), SIGNED]
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>{title}</title>
<style>{CSS}</style>
</head>
<body>
<main>
{chr(10).join(body)}
</main>
</body>
</html>
"""


def _plain(value: Any) -> str:
    """Text with a sign for each letter that cannot be printed, which no HTML may hold or which turns text round."""
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in str(value))


def _text(value: Any) -> str:
    """As HTML shows it, whatever it holds."""
    return escape(_plain(value))


def _aside(text: str) -> str:
    return f"<div><small>{_text(text)}</small></div>" if text else ""


def _number(value: float) -> str:
    return "–" if np.isnan(value) else "∞" if np.isinf(value) else f"{value:.3g}"


def _table(head: Mapping[str, str], rows: Iterable[str], caption: str = "") -> str:
    """`head` gives each column's class; rows are HTML already."""
    titles = "".join(f'<th scope="col" class="{kind}">{title}</th>' for title, kind in head.items())
    over = f"<caption>{caption}</caption>" if caption else ""
    body = f"<table>{over}<thead><tr>{titles}</tr></thead><tbody>{''.join(rows)}</tbody></table>"
    return f'<div class="wide" tabindex="0">{body}</div>'


def _row(name: str, cells: Iterable[str], kinds: Iterable[str]) -> str:
    columns = "".join(f'<td class="{kind}">{cell}</td>' for cell, kind in zip(cells, kinds, strict=True))
    return f'<tr><th scope="row">{name}</th>{columns}</tr>'


# --- words -----------------------------------------------------------------------------------------------------------


def _cover(found: xr.Dataset, title: str) -> str:
    """What there is to know first: how many lines have which verdict, which fail, and what this file gives away."""
    verdicts, failing = found.verdict.values.tolist(), dict[str, list[str]]()
    tiles = "".join(f'<li class="{name[:4]}"><b>{verdicts.count(name)}</b>{sign}</li>' for name, sign in SIGNS.items())
    for k in np.flatnonzero(found.verdict == "fail"):
        failing.setdefault(KINDS[str(found.kind.values[k])][0], []).append(_text(found.of.values[k]))
    listed = "".join(f"<li>{kind}{': ' * bool(of[0])}{'; '.join(of)}</li>" for kind, of in failing.items())
    what = f"<p>These lines fail:</p><ul>{listed}</ul>" if failing else "<p>No line that could be judged fails.</p>"
    if rest := verdicts.count("not judged"):
        what += f"<p>Nothing is said here on the {rest} that could not be judged.</p>"
    made = f"Made {_text(found.attrs['made'])} by dgkit {_text(json.loads(found.attrs['versions'])['dgkit'])}"
    return (
        f'<header><h1>{title}</h1><p class="soft">{made}</p><ul class="counts">{tiles}</ul>{what}'
        f'<p class="note">{_privacy(found)}</p></header>'
    )


def _privacy(found: xr.Dataset) -> str:
    """What epsilon covers, and what this file itself gives away."""
    told = json.loads(found.attrs["model"] or "{}")
    inside = "This file holds numbers and curves of the real data: keep it as you keep these."
    if "epsilon" not in told:
        return f"{inside} {_text(told.get('private', 'No model was given, so nothing is known of its privacy.'))}"
    if told["epsilon"] == np.inf:
        return f"{inside} Training was asked to be private, but its epsilon is infinite: nothing is promised."
    ranged = ", ".join(map(_text, told["ranged"]))
    but = f", but not the smallest and the largest value of {ranged}, which were taken from the data" if ranged else ""
    promise = f"epsilon {_number(told['epsilon'])} at delta {told['delta']:g}"
    return (
        f"Training was private: {promise} covers the model and what it generates{but}. "
        "<strong>Epsilon does not cover this file</strong>, which compares with the real data: where epsilon matters, "
        f"it must not leave with the generated data. {inside}"
    )


def _compared(found: xr.Dataset) -> str:
    """The sets, by their sizes and hashes, and all that makes the report again."""
    kinds, rows = ("number", "number", ""), []
    for name in (name for name in STYLES if f"{name.replace('-', '_')}_hash" in found.attrs):
        of = name.replace("-", "_")
        counts = [f"{found.attrs[f'{of}_{what}']:,}" for what in ("samples", "drawn")]
        rows.append(_row(name, [*counts, f"<code>{found.attrs[f'{of}_hash']}</code>"], kinds))
    head = {"Data": "", "Samples": "number", "Drawn": "number", "SHA-256 of names and values": ""}
    read = "".join(f"<li>{_text(line)}</li>" for line in found.attrs["read_as"].split("\n") if line)
    versions, limits = (json.loads(found.attrs[name]) for name in ("versions", "thresholds"))
    given = ", ".join(f"{_text(name)} {limit:g}" for name, limit in limits.items() if name != "chance") or "none"
    used = ", ".join(f"{name} {_text(value)}" for name, value in versions.items())
    return (
        f"<h2>What was compared</h2>{_table(head, rows)}{f'<p>Tables read as</p><ul>{read}</ul>' if read else ''}"
        "<p>Which data were trained on, and which held out, is as this report was told. Constraints are counted over "
        "all samples, copies and the attack over at most 500 of each set, other lines over those drawn, with seed "
        f"{found.attrs['seed']}. Limits given: {given}. Made with {used}.</p>"
    )


def _trained(found: xr.Dataset) -> str:
    if not found.attrs["model"]:
        return "<h2>What was trained</h2><p>No model was given: nothing is known of how it was trained.</p>"
    told = json.loads(found.attrs["model"])
    head = " ".join(_text(told[name]) for name in ("kind", "name") if name in told)
    steps = f", {told['steps']:,} training steps" if "steps" in told else ""
    known = {name: value for name, value in told["settings"].items() if value is not None}
    rows = "".join(f"<div><dt>{_text(name)}:</dt> <dd>{_text(value)}</dd></div>" for name, value in known.items())
    settings = f'Settings (those not listed are not set):</p><dl class="settings">{rows}</dl>' if rows else "</p>"
    return f"<h2>What was trained</h2><p>{head}{steps}. {settings}"


# --- tables ----------------------------------------------------------------------------------------------------------


def table(found: xr.Dataset) -> str:
    """All lines: what, measured, chance, threshold, verdict."""
    order = list(KINDS)
    starts = {order.index(kind): title for kind, title in PARTS.items()}
    head = {"Line": "", "Measured": "number", "Chance": "number", "Threshold": "number", "Verdict": "verdict"}
    rows, explained, part = [], "", ""
    for k in sorted(range(found.sizes["line"]), key=lambda k: order.index(str(found.kind.values[k]))):
        kind, of, verdict, why = (str(found[name].values[k]) for name in ("kind", "of", "verdict", "why"))
        title = starts[max(start for start in starts if start <= order.index(kind))]
        if title != part:
            rows.append(f'<tr><th scope="rowgroup" colspan="5">{title}</th></tr>')
        names = ("measured", "chance", "chance_worst", "threshold")
        measured, middle, worst, threshold = (_number(float(found[name].values[k])) for name in names)
        label, reading = KINDS[kind]
        line = f"{label}: {_text(of)}" if of else label
        line += _aside(reading if kind != explained else "")
        told = f'<span class="{verdict[:4]}">{SIGNS[verdict]}</span>{_aside(why)}'
        cells = [measured, middle if middle == worst else f"{middle} to {worst}", threshold, told]
        rows.append(_row(line, cells, [*head.values()][1:]))
        explained, part = kind, title
    return _table(head, rows)


def _by_value(found: xr.Dataset) -> Iterator[str]:
    """For each attribute what was found at its values; of many, those farthest out of line."""
    every = found[[name for name in found if str(name).startswith("entry_")]].to_dataframe().reset_index(drop=True)
    if every.empty:
        return
    yield BY_VALUE
    called = dict(zip(found.line.values.tolist(), zip(found.kind.values, found.of.values, strict=True), strict=True))
    every["ratio"] = (every.entry_measured / every.entry_chance_worst).fillna(-1.0)
    for attribute, own in every.groupby("entry_attribute", sort=False):
        head = {"Value": "", "Samples": "number"}
        for kind, of in map(called.__getitem__, own.entry_line.unique()):
            feature = _text(of.removeprefix(f"{attribute} on ")).replace("_", "_<wbr>")
            head["Shape of " * (kind == "effect_on_shape") + feature] = "number"
        compared = own[own.entry_samples > 0]
        shown = compared.groupby("entry_value").ratio.max().sort_values(ascending=False).index[:MOST_VALUES]
        rows = []
        for value in shown:
            at = compared[compared.entry_value == value].set_index("entry_line")
            cells = [_gap(at, line) for line in own.entry_line.unique()]
            rows.append(_row(_text(value), [str(at.entry_samples.max()), *cells], [*head.values()][1:]))
        total, known = own.entry_value.nunique(), compared.entry_value.nunique()
        left = f" {total - known} of {total} values have fewer than {LEAST}, and are not compared." * (total > known)
        left += f" Of {known} values the {MOST_VALUES} farthest out of line." * (known > MOST_VALUES)
        yield f"<h3>{_text(attribute)}</h3>{_table(head, rows, f'Samples: in the smaller set.{left}')}"


def _gap(at: Any, line: str) -> str:
    """A gap and the farthest by chance, of a value's entries by line."""
    if line not in at.index:
        return "–"
    gap, worst = float(at.entry_measured[line]), float(at.entry_chance_worst[line])
    return f"{'▲ ' * (gap > worst)}{_number(gap)}{_aside(f'({_number(worst)})')}"


# --- pictures --------------------------------------------------------------------------------------------------------


def _pictures(found: xr.Dataset, samples: Sets) -> Iterator[str]:
    """A figure for each feature and attribute: curves and bars of the samples drawn."""
    sets = {name: samples[name] for name in STYLES if name in samples}
    first, log = samples["training"], {str(of)[:-6] for of in found.of.values if str(of).endswith(" (log)")}
    drawn = ", ".join(f"{ds.sizes['sample']:,} {name}" for name, ds in sets.items())
    rest = f" Of {len(first)} variables the first {MOST_PICTURES}." * (len(first) > MOST_PICTURES)
    lines = f"{'held-out solid, ' if 'held-out' in sets else ''}generated dashed, training dotted"
    yield f"<h2>Feature by feature, attribute by attribute</h2><p>Of the samples drawn ({drawn}): {lines}.{rest}</p>"
    for name in list(map(str, first.data_vars))[:MOST_PICTURES]:
        if holds_categories(first[name]):
            yield _figure(name, "shares of categories", partial(_bars, sets=sets, name=name))
        elif is_series(first[name]):
            what = "values, levels, amplitudes, autocorrelation by both definitions, and mean shape"
            named = f"{name} ({first[name].attrs.get('units', '1')})"
            yield _figure(named, what, partial(_feature, sets=sets, name=name, log=name in log), panels=6)
        else:
            numbers = {of: ds[name].values if name in ds else lengths(ds) for of, ds in sets.items()}
            draw = partial(_share_below, numbers=numbers, label=name)
            yield _figure(name, "share at or below each value", draw)


def _figure(title: str, what: str, draw: Callable[[Any], None], panels: int = 1) -> str:
    """A picture with its heading and a description in words; text in it stays text, in the reader's own font."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    ink = ("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color", "hatch.color")
    style: Any = {"svg.fonttype": "none", "svg.hashsalt": title, "font.size": 9, "font.family": "sans-serif"}
    style |= {"text.parse_math": False, "text.usetex": False}  # names as they are: a "$" begins no formula
    style |= {"axes.spines.top": False, "axes.spines.right": False, "axes.grid": True, "grid.color": "#8888884d"}
    written, rows = io.StringIO(), -(-panels // 3)
    with rc_context(style | dict.fromkeys(ink, INK)), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph")  # its own fonts lack it, the reader's may not
        figure = Figure(figsize=(9.6, 2.6 * rows + 0.3), layout="constrained")
        axes = figure.subplots(rows, min(panels, 3), squeeze=False).ravel()
        draw(axes)
        figure.legend(*axes[0].get_legend_handles_labels(), loc="outside upper left", ncols=3, frameon=False)
        figure.savefig(written, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    what = what[0].upper() + what[1:]
    label = f'<svg role="img" aria-label="{_text(f"{what} of {title}")}"'
    svg = written.getvalue().partition("<svg")[2].replace(INK, "currentColor")
    return f"<h3>{_text(title)}</h3><figure>{label}{svg}<figcaption>{_text(what)}.</figcaption></figure>"


def _feature(axes: Any, sets: Sets, name: str, log: bool) -> None:
    """Six panels of a continuous feature."""
    series = {of: valid_feature(ds, name) for of, ds in sets.items()}
    below: dict[str, Any] = {
        "value": np.asarray,
        "level, (max + min) / 2": mid_range,
        "amplitude, (max − min) / 2": half_range,
    }
    for axis, (label, number) in zip(axes, below.items(), strict=False):
        _share_below([axis], {of: np.asarray(number(one)) for of, one in series.items()}, label, log)
    for of, one in series.items():
        for axis, kind in zip(axes[3:5], ("paper", "standard"), strict=True):
            with suppress(SchemaError):  # too short, or constant: no curve
                curve = autocorrelation(one, kind=kind, lags=min(one.sizes["time"] - 2, MOST_LAGS))
                axis.plot(curve.lag, curve, **STYLES[of])
            axis.set(xlabel="lag (steps)", ylabel=f"autocorrelation, {kind}")
        courses = course(one.values.astype(np.float64))
        known = (~np.isnan(courses)).sum(0)
        mean = np.nan_to_num(courses).sum(0) / np.where(known, known, np.nan)
        axes[5].plot((np.arange(mean.size) + 0.5) * one.sizes["time"] / mean.size, mean, **STYLES[of])
    axes[5].set(xlabel="step", ylabel="mean shape (own std)")


def _share_below(axes: Any, numbers: Mapping[str, np.ndarray], label: str, log: bool = False) -> None:
    """Of each set, the share at or below each number; a log axis begins above 0."""
    from matplotlib.ticker import EngFormatter, NullFormatter

    for of, values in numbers.items():
        curve = ecdf(values.astype(np.float64), points=300)
        shown = curve[curve.value > 0] if log else curve
        axes[0].step(shown.value, shown, where="post", label=of, **STYLES[of])
    if log:
        axes[0].set_xscale("log")
        axes[0].xaxis.set_minor_formatter(NullFormatter())
    large = EngFormatter(sep="")
    axes[0].xaxis.set_major_formatter(lambda value, at: large(value, at) if abs(value) >= 1000 else f"{value:g}")
    axes[0].tick_params(axis="x", labelrotation=20)
    axes[0].set(xlabel=_plain(label), ylabel="share at or below", ylim=(0, 1.02))


def _bars(axes: Any, sets: Sets, name: str) -> None:
    """Shares of the most frequent categories, side by side for the sets."""
    counts = {}
    for of, ds in sets.items():
        values = (valid_feature(ds, name) if is_series(ds[name]) else ds[name]).values.astype(str)
        found, numbers = np.unique(values[values != ""], return_counts=True)
        counts[of] = dict(zip(found.tolist(), (numbers / numbers.sum()).tolist(), strict=True))
    first = next(iter(counts.values()))
    every = sorted({value for one in counts.values() for value in one}, key=lambda value: -first.get(value, 0.0))
    shown, width = every[:MOST_VALUES], 0.8 / len(sets)
    for k, (of, shares) in enumerate(counts.items()):
        places = np.arange(len(shown)) + (k - (len(sets) - 1) / 2) * width
        bar = {"label": of, "color": STYLES[of]["color"], "hatch": HATCHES[of], "alpha": 0.85}
        axes[0].bar(places, [shares.get(value, 0.0) for value in shown], width * 0.9, **bar)
    names = [_plain(value if len(value) <= 18 else f"{value[:17]}…") for value in shown]
    many: Any = {"rotation": 30, "ha": "right"} if len(names) > 4 else {}
    axes[0].set_xticks(range(len(names)), names, **many)
    rest = f"the {len(shown)} most frequent of {len(every)} categories" if len(every) > len(shown) else ""
    axes[0].set(ylabel="share", xlabel=rest)
