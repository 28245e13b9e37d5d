"""One report on how close generated data come to real ones: a Dataset of named metrics that also reads as a table.

The choice of metrics is the paper's (Lin et al. 2020, Section 5) with measures of mode collapse and copying added, and
beside them what chance, or two real halves, give. Left out: privacy and downstream tasks, which have their own modules,
and any single overall score: which of these matters depends on the use.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from itertools import chain, combinations
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from dgkit._comparable import check_apart, check_times, check_units
from dgkit._text import number
from dgkit.errors import ConfigError, SchemaError
from dgkit.metrics.autocorrelation import block_sums, curve_errors, mean_curve
from dgkit.metrics.distributions import (
    Nearest,
    category_counts,
    category_encoder,
    count_modes,
    cross_correlation,
    divergence,
    divergence_by_chance,
    from_median,
    highest_and_lowest,
    jensen_shannon,
    number_encoder,
    range_coverage,
    valid_feature,
    vectors,
    wasserstein,
)
from dgkit.metrics.inputs import as_series, drawn_samples, exponents, flat_values, name_of, over_chunks
from dgkit.schema import Schema, lengths, validate

NEIGHBOUR_SAMPLES = 500  # of each set, whose nearest among all real samples are searched
NEIGHBOUR_BLOCK = 2048  # real samples compared with them at once
COPY, SAME = 0.01, 1e-6  # a copy is nearer than this share of the second nearest, or of what is typical
LOW = 0.01  # the quantile of distances that tells whether a few are copies
FEWEST_FOR_MODES = 16  # of each set; below, a count of kinds says nothing
_NO_CURVE = xr.DataArray(  # one NaN where no series has three steps (a generator may end all at once)
    [np.nan], coords={"lag": [1], "series": ("lag", [0]), "pairs": ("lag", [0.0])}, dims="lag", name="autocorrelation"
)
DECADES = 2.0  # positive values that span more are compared on a log scale too

HOW_TO_READ = {
    "autocorrelation_mse": "Mean squared difference of the two curves: 0 same memory. Weighted: late lags count less.",
    "value_wasserstein": "Average way for values to move; relative: 0 same, 1 no better than one constant.",
    "mid_range_wasserstein": "The same for the level of each series, (max + min) / 2.",
    "half_range_wasserstein": "The same for the amplitude of each series, (max - min) / 2.",
    "range_coverage": "Share of the real range that is reached: 1 all of it, low after mode collapse.",
    "distinct_modes_ratio": "Share of the kinds of series (level, amplitude) that appear: low after mode collapse.",
    "feature_jensen_shannon": "Difference of category shares over all steps, in bits: 0 same, 1 nothing in common.",
    "attribute_jensen_shannon": "Difference of category shares, in bits: 0 same, 1 nothing in common.",
    "attribute_wasserstein": "Average way for values to move; relative: 0 same, 1 no better than one constant.",
    "joint_attribute_jensen_shannon": "The same for all combinations; no better than by chance if there are many.",
    "length_wasserstein": "How many steps the lengths must move on average: 0 same lengths.",
    "cross_correlation_wasserstein": "Difference of how two features move together: 0 same, 1 undefined, 2 opposite.",
    "nearest_neighbour_ratio": "Distance to the nearest real sample, over real to real: near 1 good, near 0 copies.",
    "nearest_neighbour_ratio_low": "The same of the nearest 1 %: near 0, and not so by chance, where some are copies.",
    "copied_share": "Samples that are a real one but for little; by chance: real ones that are another's double.",
}
FORMS = {  # further forms of a metric, by the end of their names, and how they stand beside it
    "_relative": "relative {}",
    "_decades": "{} decades",
    "_weighted": "weighted {}",
    "_late_share": "{} of it from late lags",
    "_chance": "by chance {}",
}
UNDEFINED = {
    "autocorrelation_mse": "autocorrelation_undefined",
    "cross_correlation_wasserstein": "cross_correlation_undefined",
}
HELD_OUT = "_held_out"  # ends the names of what the held-out set gives in place of the generated one


class Report(xr.Dataset):
    """A Dataset of fidelity metrics, as `evaluate` returns it, shown as a table with a note on how to read each.

    Everything a Dataset does works: ``report.autocorrelation_mse.sel(feature="views").item()``, ``.to_netcdf(p)``.
    A stored one shows as a table again by ``Report(ds.data_vars, attrs=ds.attrs)``.

    Parameters
    ----------
    data_vars, coords, attrs
        As `xarray.Dataset` takes them.

    Examples
    --------
    >>> Report({"length_wasserstein": 2.5}, attrs={"real_samples": 9, "generated_samples": 5})
    Report: 5 generated samples against 9 real ones
    <BLANKLINE>
    metric              of  value  how to read it
    length_wasserstein      2.5    How many steps the lengths must move on average: 0 same lengths.
    """

    __slots__ = ()

    def __repr__(self) -> str:
        rows = [self._head(), *self._rows()]
        widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]) - 1)]
        lines, explained = [self._title(), ""], ""
        for *cells, reading in rows:
            padded = [cell.ljust(width) for cell, width in zip(cells, widths, strict=True)]
            lines.append("  ".join([*padded, "" if cells[0] == explained else reading]).rstrip())
            explained = cells[0]
        if "read_as" in self.attrs:
            lines += ["", "Tables read as", *(f"  {line}" for line in self.attrs["read_as"].split("\n"))]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        body, explained = [], ""
        for metric, *cells, reading in self._rows():
            again = metric == explained
            shown = ["" if again else metric.replace("_", " "), *cells, "" if again else reading]
            body.append(
                "<tr>" + "".join(f'<td style="text-align:left">{escape(cell)}</td>' for cell in shown) + "</tr>"
            )
            explained = metric
        head = "".join(
            f'<th scope="col" style="text-align:left">{title[0].upper() + title[1:]}</th>' for title in self._head()
        )
        caption = f"<caption>{escape(self._title())}</caption>"
        table = f"<table>{caption}<thead><tr>{head}</tr></thead><tbody>{''.join(body)}</tbody></table>"
        if "read_as" not in self.attrs:
            return table
        items = "".join(f"<li>{escape(line)}</li>" for line in self.attrs["read_as"].split("\n"))
        return f"{table}<p>Tables read as</p><ul>{items}</ul>"

    def _title(self) -> str:
        counts = [self.attrs.get(name, "?") for name in ("generated_samples", "real_samples")]
        return f"Report: {counts[0]} generated samples against {counts[1]} real ones"

    def _head(self) -> tuple[str, ...]:
        real = ["two real halves"] if "held_out_samples" in self.attrs else []
        return ("metric", "of", "value", *real, "how to read it")

    def _rows(self) -> list[tuple[str, ...]]:
        """A row for each metric and what it is of: as `_head` names them."""
        rows = []
        for metric, reading in HOW_TO_READ.items():
            if metric not in self:
                continue
            table = self[metric]
            for position in np.ndindex(table.shape):
                at = dict(zip(table.dims, position, strict=True))
                of = ", ".join(
                    str(table[dim].values[at[dim]]) if dim in table.coords else str(at[dim]) for dim in table.dims
                )
                ends = ["", HELD_OUT] if "held_out_samples" in self.attrs else [""]
                rows.append((metric, of, *(self._cell(metric, at, end) for end in ends), reading))
        return rows

    def _cell(self, metric: str, at: dict[Any, int], end: str) -> str:
        """A value with its unit, its further forms, and how many samples have none."""
        if metric + end not in self:
            return ""
        table = self[metric + end]
        own = [str(self[f"{dim}_units"].values[at[dim]]) for dim in table.dims if f"{dim}_units" in self.coords]
        units = table.attrs.get("units", *own[:1] or "1")
        parts = [number(table[at].item()) + (f" {units}" if units != "1" else "")]
        for form, text in FORMS.items():
            other = self.get(metric + form + end)
            if other is not None and not np.isnan(other[at].item()):
                parts.append(text.format(number(other[at].item())))
        missing = self.get(UNDEFINED.get(metric, ""))
        if missing is not None and not end:
            counts = {str(source.item()): int(missing.sel(source=source)[at]) for source in missing.source}
            if any(counts.values()):
                parts.append("undefined in " + ", ".join(f"{n} {source}" for source, n in counts.items()))
        return "; ".join(parts)


def evaluate(
    real: xr.Dataset | Any,
    generated: xr.Dataset | Any,
    held_out: xr.Dataset | Any | None = None,
    *,
    features: Sequence[str] | Mapping[str, str | Sequence[str]] | None = None,
    sample: str | None = None,
    time: str | None = None,
    attributes: Sequence[str] = (),
    units: Mapping[str, str] | None = None,
    fill: str | None = None,
) -> Report:
    """How close generated data come to real ones, metric by metric.

    Parameters
    ----------
    real, generated : Dataset, or table of pandas, polars or another library that narwhals reads
        As `dgkit.schema` describes it, of the same features and attributes; the numbers of samples may differ (one
        generated sample is enough). Either may be dask-backed and larger than memory: see Notes. Of tables the real one
        decides what is numbers and what categories, how many steps there are and how far apart; the others are read to
        that, and the report says it, in ``attrs["read_as"]`` too.
    held_out : Dataset or table, optional
        Real data that `real` does not hold, such as the other half that `dgkit.split` gives: then a further column says
        what two real halves give, which no generated one need undercut. Best of as many samples as `generated`, since
        distances of small sets are larger by chance.
    features, sample, time, attributes, units, fill
        Of tables: which columns are what, as `dgkit.from_table` takes it. `features` is needed.

    Returns
    -------
    Report
        A Dataset. Over `feature` (the continuous ones): `autocorrelation` (source, feature, lag), by the paper's
        definition; `autocorrelation_mse`, with `..._weighted` (each lag by its share of pairs) and `..._late_share`
        (how much of it comes from lags with less than a quarter of the pairs); `value_`, `mid_range_` and
        `half_range_wasserstein`, each in the feature's unit, with `..._relative` (divided by the distance of the real
        values from a constant at their median) and `..._decades` (of the logarithms; only for a feature whose `scale`
        is "log", or that is positive over more than two decades); `range_coverage` (in decades for such a feature);
        `distinct_modes_ratio`. Over `categorical_feature`: `feature_jensen_shannon`. Over `attribute` (the categorical
        ones): `attribute_jensen_shannon`, and `joint_attribute_jensen_shannon` if there are several; `..._chance` is
        what the same samples give on average when dealt at random into two sets of these sizes. Over
        `continuous_attribute`: `attribute_wasserstein` and its relative form. `cross_correlation_wasserstein` over
        `pair` of features: a sample without a correlation (a constant feature) in one set alone counts 1.
        `length_wasserstein` in steps where lengths vary. `nearest_neighbour_ratio`: the median distance of generated
        samples to the nearest real one, over that of real ones to the nearest other; `..._low`, the 1 % quantile over
        that median, with `..._chance` for real samples; `copied_share`, how many have a real sample at less than 1 % of
        the squared distance of the second nearest or a millionth of that median, with `..._chance` for real samples and
        the other real ones. `autocorrelation_undefined` and `cross_correlation_undefined` (source, ...) count the
        samples that have none and are left out. What a dataset has no variable for is absent; NaN means not defined
        (below 16 samples there are no modes to count).

        With `held_out`, each metric again as `..._held_out`, with the held-out set in place of the generated one, and
        what has a dim `source` has a third entry "held_out".

    Raises
    ------
    SchemaError
        Either is not a dataset as `dgkit.schema` describes it, a variable of one is missing in the other or of another
        kind or unit, or the steps differ. Of tables also: a column that one lacks, a category that the real one never
        has, times in other steps, longer series than the real ones.
    ConfigError
        What goes with tables was given with Datasets; `held_out` holds samples of `real`.

    Notes
    -----
    Of dask-backed data as many chunks of samples are in memory as dask has workers, each about three times over, and
    some numbers for each sample: chunks of 10 to 50 MB along `sample` do well. Autocorrelations, mid-ranges,
    half-ranges, modes, categories, attributes, lengths and correlations are of all samples. Where a feature has over 4
    million values, `value_wasserstein` and `range_coverage` are of that many, in whole samples drawn at random (seed
    0), and so off by up to about 1 / sqrt(samples drawn), relative to the spread. Nearest neighbours are searched among
    all real samples, but for up to 500 samples of each set (seed 0): one copy in a hundred shows, one in ten thousand
    does not (`nearest_neighbours` takes all).

    See Also
    --------
    conditional_distances : the same for the samples of each attribute value.

    Source
    ------
    Lin et al. 2020, Section 5.

    Examples
    --------
    >>> evaluate(train, model.sample(1000, seed=1))  # doctest: +SKIP
    >>> real = xr.Dataset({"load": (("sample", "time"), np.random.default_rng(0).normal(size=(20, 8)))})
    >>> evaluate(real, real + 0.5).value_wasserstein.sel(feature="load").round(6).item()
    0.5

    Two tables, such as two CSV files of any tool:

    >>> table = pd.DataFrame({"page": list("aaabbb"), "day": [1, 2, 3] * 2, "views": [3, 4, 2, 9, 7, 8]})
    >>> more = table.assign(views=table["views"] + 2)
    >>> report = evaluate(table, more, sample="page", time="day", features=["views"])
    >>> report.value_wasserstein.item()
    2.0
    >>> print(report.attrs["read_as"])
    feature views: numbers
    3 steps
    time day, real: steps of 1
    time day, generated: steps of 1
    """
    given = {"real": real, "generated": generated} | ({} if held_out is None else {"held_out": held_out})
    sets, read_as = datasets_of(
        given, features, sample=sample, time=time, attributes=attributes, units=units, fill=fill
    )
    real = sets["real"]
    made = list(sets)[1:]
    schemas = [common_schema(real, sets[source], source.replace("_", "-")) for source in made]
    if held_out is not None:
        check_apart(real, sets["held_out"])
    random = np.random.default_rng(0)
    asked = {source: _draw(ds.sizes["sample"], random) for source, ds in sets.items()}
    found = {
        source: {
            feature.name: _summary(ds, feature.name, f"{source.replace('_', '-')} feature", asked[source])
            for feature in schemas[0].features
            if feature.kind == "continuous"
        }
        for source, ds in sets.items()
    }
    near = _neighbours(sets, schemas[0], found, asked)
    variables: dict[str, xr.DataArray] = {}
    for source in made:
        sources = xr.Variable("source", ["real", source])
        for name, variable in (_metrics(real, sets[source], schemas[0], found, sources) | near[source]).items():
            variable.attrs.setdefault("long_name", name.replace("_", " "))
            if name in HOW_TO_READ:
                variable.attrs["how_to_read"] = HOW_TO_READ[name]
            if source == "generated":
                variables[name] = variable
            elif "source" in variable.dims:
                variables[name] = xr.concat(
                    [variables[name], variable.sel(source=[source])], "source", join="outer", combine_attrs="override"
                )
            else:
                variables[name + HELD_OUT] = variable
    attrs: dict[str, Any] = {f"{source}_samples": ds.sizes["sample"] for source, ds in sets.items()}
    return Report(variables, attrs=attrs | ({"read_as": read_as} if read_as else {}))


def datasets_of(
    given: Mapping[str, Any], features: Sequence[str] | Mapping[str, str | Sequence[str]] | None, **names: Any
) -> tuple[dict[str, xr.Dataset], str]:
    """What `evaluate` was given, tables read as Datasets of the real one's schema, and how they were read."""
    kinds = {source: isinstance(data, xr.Dataset) for source, data in given.items()}
    asked = [name for name, value in {"features": features, **names}.items() if value]
    if all(kinds.values()):
        if asked:
            raise ConfigError(f"{asked[0]}=... says how to read tables, but these are Datasets. Leave it out.")
        return dict(given), ""

    import narwhals as nw  # and the reader: only where there are tables

    from dgkit.readers.together import read_together

    tables = [source for source, data in given.items() if nw.dependencies.is_into_dataframe(data)]
    if any(kinds.values()) and tables:
        raise SchemaError(
            f"the {tables[0].replace('_', '-')} data are a table, others a Dataset. Give two of a kind: "
            "dgkit.from_table makes a Dataset of a table, ds.to_dataframe() a table of a Dataset."
        )
    if features is None and tables:
        raise SchemaError(
            "tables do not say what their columns are. Name them: sample=..., time=..., features=[...], "
            "attributes=[...], after the tables."
        )
    if features is None:
        return dict(given), ""  # neither Datasets nor tables: `validate` says so
    sets, read_as = read_together({source.replace("_", "-"): data for source, data in given.items()}, features, **names)
    return dict(zip(given, sets.values(), strict=True)), read_as


def _metrics(
    real: xr.Dataset, made: xr.Dataset, schema: Schema, found: dict[str, dict[str, "_Summary"]], sources: xr.Variable
) -> dict[str, xr.DataArray]:
    """All of `evaluate` but the neighbours, for one set against the real one."""
    categorical = [feature.name for feature in schema.features if feature.kind == "categorical"]
    ours, theirs = (found[source] for source in sources.values)
    variables: dict[str, xr.DataArray] = {}
    if ours:
        variables |= _feature_metrics(real, made, ours, theirs, sources)
    if len(ours) > 1:
        variables |= _cross_correlations(real, made, list(ours), sources)
    if categorical:
        divergences = [jensen_shannon(*(valid_feature(ds, name) for ds in (real, made))) for name in categorical]
        variables["feature_jensen_shannon"] = _labelled(divergences, "categorical_feature", categorical, "bits")
    variables |= _attribute_metrics(real, made, schema)
    if "length" in real or "length" in made:
        distance = wasserstein(lengths(real), lengths(made))
        variables["length_wasserstein"] = xr.DataArray(distance, attrs={"units": "steps"})
    return variables


def common_schema(real: xr.Dataset, made: xr.Dataset, source: str) -> Schema:
    """The real data's schema; SchemaError if either has none, or if variables, units or steps of the two differ."""
    schemas = []
    for ds, of in ((real, "real"), (made, source)):
        try:
            schemas.append(validate(ds, training=False))
        except SchemaError as error:
            raise SchemaError(f"{of} data: {error}") from error
    kinds = [{v.name: f"{v.kind} {v.role}" for v in (*schema.features, *schema.attributes)} for schema in schemas]
    for name in kinds[0] | kinds[1]:
        for kind, of in zip(kinds, ("real", source), strict=True):
            if name not in kind:
                raise SchemaError(
                    f"variable {name!r} is missing in the {of} data; "
                    f"add it, or drop it from the other with .drop_vars({name!r})."
                )
        if kinds[0][name] != kinds[1][name]:
            raise SchemaError(
                f"variable {name!r} is a {kinds[0][name]} in the real data, a {kinds[1][name]} in the {source}."
            )
    if schemas[0].time != schemas[1].time:
        raise SchemaError(f"`time` has {schemas[0].time} steps in the real data, {schemas[1].time} in the {source}.")
    names = "the real data", f"the {source}"
    for name in kinds[0]:
        check_units(name, real[name].attrs, made[name].attrs, names)
    check_times(real, made, names)
    return schemas[0]


def _labelled(values: list[float], dim: str, names: list[str], units: str | list[str] = "1") -> xr.DataArray:
    """Values along `dim`, with one unit for all (in attrs) or one each (as a coordinate)."""
    if isinstance(units, str):
        return xr.DataArray(values, coords={dim: names}, dims=dim, attrs={"units": units})
    return xr.DataArray(values, coords={dim: names, f"{dim}_units": (dim, units)}, dims=dim)


@dataclass(frozen=True)
class _Summary:
    """What the metrics of one feature need of its series, found in one reading."""

    values: np.ndarray  # all that are valid, or those of the samples that `drawn_samples` names
    lowest: float  # of all values
    highest: float
    floor: float  # the smallest above 0 where attrs say that the scale is "log", else NaN
    mean: float  # of all values over 2**exponent; of their logarithms where there is a floor, which all are raised to
    deviation: float
    exponent: int
    asked: np.ndarray  # (n, T), the samples whose neighbours are searched
    mid_range: np.ndarray  # (N,)
    half_range: np.ndarray  # (N,)
    curve: xr.DataArray | None  # the paper's autocorrelation; None where no series is long enough


def _summary(ds: xr.Dataset, name: str, role: str, asked: np.ndarray) -> _Summary:
    series = as_series(valid_feature(ds, name), role)
    label, steps, drawn = name_of(series, role), series.sizes["time"], drawn_samples(series)
    full = bool((lengths(ds) == steps).all())
    log = series.attrs.get("scale") == "log"

    def read(block: np.ndarray, start: int) -> tuple[Any, ...]:
        def those(rows: np.ndarray) -> np.ndarray:
            here = rows[(rows >= start) & (rows < start + len(block))]
            return np.take(block, here - start, axis=0)

        ends = [end.values for end in highest_and_lowest(xr.DataArray(block, dims=("sample", "time")))]
        sums = block_sums(block, "paper", full, steps - 2, label) if steps > 2 else None
        return block if drawn is None else those(drawn), those(asked), *ends, _moments(block, log), sums

    kept, few, high, low, moments, sums = zip(*over_chunks(read, series), strict=True)
    highs, lows = np.concatenate(high), np.concatenate(low)  # (N,)
    mean, deviation, floor, exponent = _all_moments(moments)
    least = np.fmax(np.nanmin(lows), floor)  # of logarithms, whose zeros are raised to the floor
    deviation = 0.0 if least == np.nanmax(highs) else deviation  # which rounding may make
    return _Summary(
        values=flat_values(xr.DataArray(kept[0] if len(kept) == 1 else np.concatenate(kept), name=name), role),
        lowest=float(np.nanmin(lows)),
        highest=float(np.nanmax(highs)),
        floor=floor,
        mean=mean,
        deviation=deviation,
        exponent=exponent,
        asked=np.concatenate(few),
        mid_range=flat_values(highs / 2 + lows / 2),
        half_range=flat_values(highs / 2 - lows / 2),
        curve=mean_curve(list(sums), "paper", trim=True) if steps > 2 else None,
    )


def _moments(block: np.ndarray, log: bool) -> tuple[float, float, float, float, int, int]:
    """Number, mean and squared deviations of the values over a power of two or, if `log`, of the logarithms above 0.

    Then the smallest of these (infinite where there is none, NaN if not `log`), how many are not above 0, the power.
    """
    values = block[~np.isnan(block)]
    positive = values[values > 0] if log else values
    floor = positive.min(initial=np.inf) if log else np.nan
    shown = np.log10(positive, dtype=np.float64) if log else positive
    exponent = int(exponents(np.abs(shown).max(initial=0)))
    shown = np.ldexp(shown, -exponent) if exponent else shown
    mean = shown.mean(dtype=np.float64) if shown.size else 0.0
    return shown.size, mean, ((shown - mean) ** 2).sum(dtype=np.float64), floor, values.size - positive.size, exponent


def _all_moments(blocks: tuple[Any, ...]) -> tuple[float, float, float, int]:
    """Mean and standard deviation over a power of two, floor, and the power, of all blocks."""
    numbers, means, squares, floors, below, powers = np.array(blocks, np.float64).T
    floor, known = float(floors.min()), powers[(means != 0) | (squares != 0)]
    if np.isinf(floor):  # a log scale, and nothing above 0
        return 0.0, 0.0, np.nan, 0
    exponent = int(known.max()) if known.size else 0
    share = 2.0 ** np.minimum(powers - exponent, 0)
    means, squares = means * share, squares * share**2
    if below.sum():
        numbers, means, squares = np.append(numbers, below.sum()), np.append(means, np.log10(floor)), [*squares, 0.0]
    mean = np.average(means, weights=numbers)
    variance = (np.sum(squares) + numbers @ (means - mean) ** 2) / numbers.sum()
    return float(mean), float(np.sqrt(variance)), floor, exponent


def _feature_metrics(
    real: xr.Dataset,
    made: xr.Dataset,
    ours: dict[str, _Summary],
    theirs: dict[str, _Summary],
    sources: xr.Variable,
) -> dict[str, xr.DataArray]:
    collected: dict[str, list[float]] = {}
    names, curves, undefined = list(ours), [], []
    for name, a in ours.items():
        b = theirs[name]
        shown_log = _is_log(real[name], a)
        pair = [_NO_CURVE if summary.curve is None else summary.curve for summary in (a, b)]
        bare = [curve.drop_vars(["series", "pairs"]) for curve in pair]
        curves.append(xr.concat(bare, sources, join="outer"))
        sizes = [ds.sizes["sample"] for ds in (real, made)]
        undefined.append([size - int(curve.series[0]) for size, curve in zip(sizes, pair, strict=True)])
        metrics = {f"autocorrelation_mse{form}": error for form, error in curve_errors(*pair).items()}
        for statistic, of_a, of_b in (
            ("value", a.values, b.values),
            ("mid_range", a.mid_range, b.mid_range),
            ("half_range", a.half_range, b.half_range),
        ):
            metrics |= _distances(f"{statistic}_wasserstein", of_a, of_b, shown_log)
        metrics["range_coverage"] = range_coverage(a.values, b.values, scale="log" if shown_log else "linear")
        points = [np.column_stack([one.mid_range, one.half_range]).astype(np.float64) for one in (a, b)]
        enough = min(sizes) >= FEWEST_FOR_MODES
        modes = count_modes(*points) if enough else (1, np.nan)
        metrics["distinct_modes_ratio"] = modes[1] / modes[0]
        for metric, value in metrics.items():
            collected.setdefault(metric, []).append(value)
    units = [str(real[name].attrs.get("units", "1")) for name in names]
    variables = {
        "autocorrelation": xr.concat(
            curves, xr.Variable("feature", names), join="outer", combine_attrs="override"
        ).transpose("source", "feature", "lag"),
        "autocorrelation_undefined": _counted(undefined, sources, "feature", names, "series without"),
    }
    for metric, column in collected.items():
        variables[metric] = _labelled(column, "feature", names, units if metric.endswith("_wasserstein") else "1")
        if metric.endswith("_decades"):
            variables[metric].attrs["units"] = "decades"
    return variables


def _is_log(feature: xr.DataArray, found: _Summary) -> bool:
    if feature.attrs.get("scale") == "log":
        return bool(found.highest > 0)
    return bool(found.lowest > 0 and np.log10(found.highest / found.lowest) > DECADES)


def _distances(metric: str, a: np.ndarray, b: np.ndarray, shown_log: bool) -> dict[str, float]:
    """Wasserstein-1 distance; relative to that of a constant at a's median; of the logarithms (NaN if not wanted)."""
    distance = wasserstein(a, b)
    constant = from_median(a)
    relative = distance / constant if constant > 0 else (0.0 if distance == 0 else np.inf)
    decades = wasserstein(a, b, scale="log") if shown_log and a.max() > 0 else np.nan
    return {metric: distance, f"{metric}_relative": relative, f"{metric}_decades": decades}


def _counted(counts: list[Any], sources: xr.Variable, dim: str, names: list[str], what: str) -> xr.DataArray:
    """Numbers of samples of both sets, one pair for each name, as (source, dim)."""
    table = xr.DataArray(counts, coords={dim: names, "source": sources}, dims=(dim, "source")).transpose()
    return table.assign_attrs(units="1", long_name=f"{what}: left out")


def _cross_correlations(
    real: xr.Dataset, made: xr.Dataset, names: list[str], sources: xr.Variable
) -> dict[str, xr.DataArray]:
    """Wasserstein-1 distance of the samples' correlations, where what is undefined in one set alone counts 1.

    1 is half of the way from -1 to 1: with less, a way through "undefined" would be shorter than the direct one.
    """
    distances, undefined = [], []
    pairs = list(combinations(names, 2))
    for pair in pairs:
        both = [cross_correlation(*(valid_feature(ds, name) for name in pair)).values for ds in (real, made)]
        missing = [int(np.isnan(values).sum()) for values in both]
        shares = [1 - count / values.size for count, values in zip(missing, both, strict=True)]  # that are defined
        apart = wasserstein(*both) if min(shares) > 0 else 0.0
        distances.append(min(shares) * apart + abs(shares[0] - shares[1]) if max(shares) > 0 else np.nan)
        undefined.append(missing)
    labels = [f"{first} and {second}" for first, second in pairs]
    return {
        "cross_correlation_wasserstein": _labelled(distances, "pair", labels),
        "cross_correlation_undefined": _counted(undefined, sources, "pair", labels, "samples without a correlation"),
    }


def _attribute_metrics(real: xr.Dataset, generated: xr.Dataset, schema: Schema) -> dict[str, xr.DataArray]:
    categorical = [attribute.name for attribute in schema.attributes if attribute.kind == "categorical"]
    continuous = [attribute.name for attribute in schema.attributes if attribute.kind == "continuous"]
    variables = {}
    if categorical:
        counts = [[category_counts(ds[name], name) for ds in (real, generated)] for name in categorical]
        for form, of in (("", divergence), ("_chance", divergence_by_chance)):
            values = [of(*pair) for pair in counts]
            variables[f"attribute_jensen_shannon{form}"] = _labelled(values, "attribute", categorical, "bits")
    if len(categorical) > 1:
        joint = [_joint_counts(ds, categorical) for ds in (real, generated)]
        for form, of in (("", divergence), ("_chance", divergence_by_chance)):
            variables[f"joint_attribute_jensen_shannon{form}"] = xr.DataArray(of(*joint), attrs={"units": "bits"})
    if continuous:
        units = [str(real[name].attrs.get("units", "1")) for name in continuous]
        found = [
            _distances(
                "attribute_wasserstein",
                flat_values(real[name], "real attribute"),
                flat_values(generated[name], "generated attribute"),
                False,
            )
            for name in continuous
        ]
        for metric in ("attribute_wasserstein", "attribute_wasserstein_relative"):
            own = units if metric == "attribute_wasserstein" else "1"
            variables[metric] = _labelled([each[metric] for each in found], "continuous_attribute", continuous, own)
    return variables


def _joint_counts(ds: xr.Dataset, names: list[str]) -> pd.Series:
    """How often each combination of categories occurs, in the order of its text."""
    counts = pd.DataFrame({name: ds[name].values.astype(str) for name in names}).value_counts()
    counts.index = pd.Index([repr(tuple(map(str, row))) for row in counts.index])
    return counts.sort_index()


def _draw(count: int, random: np.random.Generator) -> np.ndarray:
    return np.sort(random.choice(count, min(count, NEIGHBOUR_SAMPLES), replace=False))


def are_copies(distance: np.ndarray, typical: float) -> np.ndarray:
    """Which samples are a real one but for little, by their distances from the two nearest, (n, 2).

    Much nearer to one than to the next, or than what is `typical` among real ones.

    Examples
    --------
    >>> are_copies(np.array([[0.001, 1.0], [0.5, 1.0]]), typical=0.7)
    array([ True, False])
    """
    first, second = distance.T
    found: np.ndarray = (first <= COPY * second) | (first <= SAME * typical)
    return found


def _neighbours(
    sets: dict[str, xr.Dataset], schema: Schema, found: dict[str, dict[str, _Summary]], asked: dict[str, np.ndarray]
) -> dict[str, dict[str, xr.DataArray]]:
    """For each set, how near its samples come to real ones, against how near those come to each other.

    The samples `asked` of each are compared with all real ones, in one reading of these.
    """
    if sets["real"].sizes["sample"] < 3:
        return {source: {} for source in sets}
    queried = []
    for source, ds in sets.items():
        some = ds[[name for name in [*(v.name for v in schema.features), "length"] if name in ds.variables]]
        some = some.drop_vars(list(found[source])).isel(sample=asked[source], missing_dims="ignore").compute()
        queried.append(some.assign({name: (("sample", "time"), one.asked) for name, one in found[source].items()}))
    encoders = {}
    for v in schema.features:
        if v.kind == "categorical":  # a generated one may have others
            held = [category_counts(valid_feature(some, v.name), "feature").index for some in queried]
            encoders[v.name] = category_encoder(list(dict.fromkeys([*map(str, v.categories), *chain(*held)])))
        else:
            scale = found["real"][v.name]
            encoders[v.name] = number_encoder(scale.mean, scale.deviation, scale.floor, scale.exponent)
    rows, steps = [], []
    for some in queried:
        for _, (part, ends, _) in vectors(some, encoders, NEIGHBOUR_BLOCK):
            rows.append(part)
            steps.append(ends)
    queries = np.concatenate(rows), np.concatenate(steps), len(encoders)
    own = np.concatenate([where if source == "real" else np.full(len(where), -1) for source, where in asked.items()])
    nearest = Nearest(len(own), 2)
    for start, block in vectors(sets["real"], encoders, NEIGHBOUR_BLOCK):
        nearest.look(np.arange(len(own)), queries, start, block, own)
    each = np.split(nearest.distance, np.cumsum([len(where) for where in asked.values()])[:-1])  # each (n, 2)
    distances = dict(zip(sets, each, strict=True))
    typical = float(np.median(distances["real"][:, 0]))

    def over_typical(distance: float) -> float:
        return distance / typical if typical > 0 else (1.0 if distance == 0 else np.inf)

    def measures(distance: np.ndarray) -> dict[str, float]:
        first = distance[:, 0]
        return {
            "nearest_neighbour_ratio": over_typical(float(np.median(first))),
            "nearest_neighbour_ratio_low": over_typical(float(np.quantile(first, LOW, method="lower"))),
            "copied_share": float(are_copies(distance, typical).mean()),
        }

    chance = {f"{name}_chance": value for name, value in measures(distances["real"]).items()}
    del chance["nearest_neighbour_ratio_chance"]  # 1
    return {
        source: {name: xr.DataArray(value, attrs={"units": "1"}) for name, value in (measures(one) | chance).items()}
        for source, one in distances.items()
    }
