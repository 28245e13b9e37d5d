"""One report on how close generated data come to real ones: a Dataset of named metrics that also reads as a table.

The choice of metrics is the paper's (Lin et al. 2020, Section 5) with measures of mode collapse and copying added. Left
out: privacy and downstream tasks, which have their own modules, and any single overall score: which of these matters
depends on the use.
"""

from dataclasses import dataclass
from html import escape
from itertools import combinations

import numpy as np
import pandas as pd
import xarray as xr

from dgkit.errors import SchemaError
from dgkit.metrics.autocorrelation import block_sums, curve_mse, mean_curve
from dgkit.metrics.distributions import (
    count_modes,
    cross_correlation,
    divergence,
    highest_and_lowest,
    jensen_shannon,
    nearest_neighbours,
    range_coverage,
    valid_feature,
    wasserstein,
)
from dgkit.metrics.inputs import as_series, drawn_samples, flat_values, name_of, over_chunks
from dgkit.schema import Schema, lengths, validate

NEIGHBOUR_SAMPLES = 500  # of each set, for the distances to nearest neighbours
FEWEST_FOR_MODES = 16  # of each set; below, a count of kinds says nothing
_NO_CURVE = xr.DataArray(  # one NaN where no series has three steps (a generator may end all at once)
    [np.nan], coords={"lag": [1], "series": ("lag", [0])}, dims="lag", name="autocorrelation"
)
DECADES = 2.0  # positive values that span more are compared on a log scale too

HOW_TO_READ = {
    "autocorrelation_mse": "Mean squared difference of the two curves: 0 is the same memory of the past.",
    "value_wasserstein": "Average way for values to move; relative: 0 same, 1 no better than one constant.",
    "mid_range_wasserstein": "The same for the level of each series, (max + min) / 2.",
    "half_range_wasserstein": "The same for the amplitude of each series, (max - min) / 2.",
    "range_coverage": "Share of the real range that is reached: 1 all of it, low after mode collapse.",
    "distinct_modes_ratio": "Share of the kinds of series (level, amplitude) that appear: low after mode collapse.",
    "feature_jensen_shannon": "Difference of category shares over all steps, in bits: 0 same, 1 nothing in common.",
    "attribute_jensen_shannon": "Difference of category shares, in bits: 0 same, 1 nothing in common.",
    "attribute_wasserstein": "Average way for values to move; relative: 0 same, 1 no better than one constant.",
    "joint_attribute_jensen_shannon": "The same for all combinations; above 0 by chance if there are many.",
    "length_wasserstein": "How many steps the lengths must move on average: 0 same lengths.",
    "cross_correlation_wasserstein": "Difference of how two features move together: 0 same, 2 opposite.",
    "nearest_neighbour_ratio": "Distance to the nearest real sample, over real to real: near 1 good, near 0 copies.",
}


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
        rows = self._rows()
        widths = [max(len(row[column]) for row in [*rows, ("metric", "of", "value", "")]) for column in range(3)]
        lines = [
            self._title(),
            "",
            "  ".join(["metric".ljust(widths[0]), "of".ljust(widths[1]), "value".ljust(widths[2]), "how to read it"]),
        ]
        explained: set[str] = set()
        for metric, of, value, reading in rows:
            lines.append(
                "  ".join(
                    [
                        metric.ljust(widths[0]),
                        of.ljust(widths[1]),
                        value.ljust(widths[2]),
                        "" if metric in explained else reading,
                    ]
                ).rstrip()
            )
            explained.add(metric)
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        explained: set[str] = set()
        body = []
        for metric, of, value, reading in self._rows():
            cells = [
                "" if metric in explained else metric.replace("_", " "),
                of,
                value,
                "" if metric in explained else reading,
            ]
            explained.add(metric)
            body.append(
                "<tr>" + "".join(f'<td style="text-align:left">{escape(cell)}</td>' for cell in cells) + "</tr>"
            )
        head = "".join(
            f'<th scope="col" style="text-align:left">{title}</th>'
            for title in ("Metric", "Of", "Value", "How to read it")
        )
        caption = f"<caption>{escape(self._title())}</caption>"
        return f"<table>{caption}<thead><tr>{head}</tr></thead><tbody>{''.join(body)}</tbody></table>"

    def _title(self) -> str:
        counts = [self.attrs.get(name, "?") for name in ("generated_samples", "real_samples")]
        return f"Report: {counts[0]} generated samples against {counts[1]} real ones"

    def _rows(self) -> list[tuple[str, str, str, str]]:
        """Metric, what it is of, value, how to read it; a metric's relative and log forms stand in the same row."""
        rows = []
        for metric, reading in HOW_TO_READ.items():
            if metric not in self:
                continue
            table = self[metric]
            for position in np.ndindex(table.shape):
                at = dict(zip(table.dims, position, strict=True))
                value = _number(table[at].item())
                own = [str(self[f"{dim}_units"].values[at[dim]]) for dim in table.dims if f"{dim}_units" in self.coords]
                units = table.attrs.get("units", *own[:1] or "1")
                value += f" {units}" if units != "1" else ""
                for suffix, text in (("_relative", "relative {}"), ("_decades", "{} decades")):
                    other = self.get(metric + suffix)
                    if other is not None and not np.isnan(other[at].item()):
                        value += "; " + text.format(_number(other[at].item()))
                of = ", ".join(
                    str(table[dim].values[at[dim]]) if dim in table.coords else str(at[dim]) for dim in table.dims
                )
                rows.append((metric, of, value, reading))
        return rows


def _number(value: float) -> str:
    return "not defined" if np.isnan(value) else f"{value:.3g}"


def evaluate(real: xr.Dataset, generated: xr.Dataset) -> Report:
    """How close generated data come to real ones, metric by metric.

    Parameters
    ----------
    real, generated : Dataset
        As `dgkit.schema` describes it, of the same features and attributes; the numbers of samples may differ (one
        generated sample is enough). Either may be dask-backed and larger than memory: see Notes.

    Returns
    -------
    Report
        A Dataset. Over `feature` (the continuous ones): `autocorrelation` (source, feature, lag), by the paper's
        definition; `autocorrelation_mse`; `value_`, `mid_range_` and `half_range_wasserstein`, each in the feature's
        unit, with `..._relative` (divided by the distance of the real values from a constant at their median) and
        `..._decades` (of the logarithms; only for a feature whose `scale` is "log", or that is positive over more than
        two decades); `range_coverage` (in decades for such a feature); `distinct_modes_ratio`. Over
        `categorical_feature`: `feature_jensen_shannon`. Over `attribute` (the categorical ones):
        `attribute_jensen_shannon`, and `joint_attribute_jensen_shannon` if there are several. Over
        `continuous_attribute`: `attribute_wasserstein` and its relative form. `cross_correlation_wasserstein` over
        `pair` of features; `length_wasserstein` in steps where lengths vary; `nearest_neighbour_ratio` (of up to 500
        samples of each set). What a dataset has no variable for is absent; NaN means not defined (a constant feature
        has no correlation, below 16 samples there are no modes to count).

    Raises
    ------
    SchemaError
        Either is not a dataset as `dgkit.schema` describes it, a variable of one is missing in the other or of another
        kind, or the steps differ.

    Notes
    -----
    Of dask-backed data as many chunks of samples are in memory as dask has workers, each about three times over, and
    some numbers for each sample: chunks of 10 to 50 MB along `sample` do well. Autocorrelations, mid-ranges,
    half-ranges, modes, categories, attributes, lengths and correlations are of all samples. Where a feature has over 4
    million values, `value_wasserstein` and `range_coverage` are of that many, in whole samples drawn at random (seed
    0), and so off by up to about 1 / sqrt(samples drawn), relative to the spread. `nearest_neighbour_ratio` is of up to
    500 samples of each set in any case (seed 0).

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
    """
    schema = _common_schema(real, generated)
    continuous = [feature.name for feature in schema.features if feature.kind == "continuous"]
    categorical = [feature.name for feature in schema.features if feature.kind == "categorical"]
    variables: dict[str, xr.DataArray] = {}
    if continuous:
        variables |= _feature_metrics(real, generated, continuous)
    if len(continuous) > 1:
        variables["cross_correlation_wasserstein"] = _cross_correlations(real, generated, continuous)
    if categorical:
        divergences = [jensen_shannon(real[name], generated[name]) for name in categorical]
        variables["feature_jensen_shannon"] = _labelled(divergences, "categorical_feature", categorical, "bits")
    variables |= _attribute_metrics(real, generated, schema)
    if "length" in real or "length" in generated:
        distance = wasserstein(lengths(real), lengths(generated))
        variables["length_wasserstein"] = xr.DataArray(distance, attrs={"units": "steps"})
    if real.sizes["sample"] > 2:
        variables["nearest_neighbour_ratio"] = xr.DataArray(_neighbour_ratio(real, generated), attrs={"units": "1"})
    for name, variable in variables.items():
        variable.attrs.setdefault("long_name", name.replace("_", " "))
        if name in HOW_TO_READ:
            variable.attrs["how_to_read"] = HOW_TO_READ[name]
    counts = {"real_samples": real.sizes["sample"], "generated_samples": generated.sizes["sample"]}
    return Report(variables, attrs=counts)


def _common_schema(real: xr.Dataset, generated: xr.Dataset) -> Schema:
    """The real data's schema; SchemaError if either has none, or if variables or steps of the two differ."""
    schemas = []
    for ds, source in ((real, "real"), (generated, "generated")):
        try:
            schemas.append(validate(ds, training=False))
        except SchemaError as error:
            raise SchemaError(f"{source} data: {error}") from error
    kinds = [{v.name: f"{v.kind} {v.role}" for v in (*schema.features, *schema.attributes)} for schema in schemas]
    for name in kinds[0] | kinds[1]:
        for kind, source in zip(kinds, ("real", "generated"), strict=True):
            if name not in kind:
                raise SchemaError(
                    f"variable {name!r} is missing in the {source} data; "
                    f"add it, or drop it from the other with .drop_vars({name!r})."
                )
        if kinds[0][name] != kinds[1][name]:
            raise SchemaError(
                f"variable {name!r} is a {kinds[0][name]} in the real data, a {kinds[1][name]} in the generated."
            )
    if schemas[0].time != schemas[1].time:
        raise SchemaError(f"`time` has {schemas[0].time} steps in the real data, {schemas[1].time} in the generated.")
    return schemas[0]


def _labelled(values: list[float], dim: str, names: list, units: str | list[str] = "1") -> xr.DataArray:
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
    mid_range: np.ndarray  # (N,)
    half_range: np.ndarray  # (N,)
    curve: xr.DataArray | None  # the paper's autocorrelation; None where no series has three steps


def _summary(series: xr.DataArray, role: str) -> _Summary:
    series = as_series(series, role)
    label, steps, drawn = name_of(series, role), series.sizes["time"], drawn_samples(series)

    def read(block: np.ndarray, start: int) -> tuple:
        kept = block if drawn is None else block[drawn[(drawn >= start) & (drawn < start + len(block))] - start]
        ends = [end.values for end in highest_and_lowest(xr.DataArray(block, dims=("sample", "time")))]
        return kept, *ends, block_sums(block, "paper", steps - 2, label) if steps > 2 else None

    kept, high, low, sums = zip(*over_chunks(read, series), strict=True)
    highs, lows = np.concatenate(high), np.concatenate(low)  # (N,)
    return _Summary(
        flat_values(xr.DataArray(kept[0] if len(kept) == 1 else np.concatenate(kept), name=series.name), role),
        float(np.nanmin(lows)),
        float(np.nanmax(highs)),
        flat_values(highs / 2 + lows / 2),
        flat_values(highs / 2 - lows / 2),
        mean_curve(list(sums), "paper", trim=True) if steps > 2 else None,
    )


def _feature_metrics(real: xr.Dataset, generated: xr.Dataset, names: list) -> dict[str, xr.DataArray]:
    collected: dict[str, list[float]] = {}
    curves = []
    for name in names:
        series = valid_feature(real, name)
        a, b = _summary(series, "real feature"), _summary(valid_feature(generated, name), "generated feature")
        shown_log = _is_log(series, a)
        pair = [_NO_CURVE if summary.curve is None else summary.curve for summary in (a, b)]
        bare = [curve.drop_vars("series") for curve in pair]
        curves.append(xr.concat(bare, xr.Variable("source", ["real", "generated"]), join="outer"))
        defined = a.curve is not None and b.curve is not None
        metrics = {"autocorrelation_mse": curve_mse(*pair) if defined else np.nan}
        for statistic, of_a, of_b in (
            ("value", a.values, b.values),
            ("mid_range", a.mid_range, b.mid_range),
            ("half_range", a.half_range, b.half_range),
        ):
            metrics |= _distances(f"{statistic}_wasserstein", of_a, of_b, shown_log)
        metrics["range_coverage"] = range_coverage(a.values, b.values, scale="log" if shown_log else "linear")
        points = [np.column_stack([one.mid_range, one.half_range]).astype(np.float64) for one in (a, b)]
        enough = min(real.sizes["sample"], generated.sizes["sample"]) >= FEWEST_FOR_MODES
        modes = count_modes(*points) if enough else (1, np.nan)
        metrics["distinct_modes_ratio"] = modes[1] / modes[0]
        for metric, value in metrics.items():
            collected.setdefault(metric, []).append(value)
    units = [str(real[name].attrs.get("units", "1")) for name in names]
    variables = {
        "autocorrelation": xr.concat(
            curves, xr.Variable("feature", names), join="outer", combine_attrs="override"
        ).transpose("source", "feature", "lag")
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
    constant = float(np.abs(a - np.median(a)).mean(dtype=np.float64))
    relative = distance / constant if constant > 0 else (0.0 if distance == 0 else np.inf)
    decades = wasserstein(a, b, scale="log") if shown_log and a.max() > 0 else np.nan
    return {metric: distance, f"{metric}_relative": relative, f"{metric}_decades": decades}


def _cross_correlations(real: xr.Dataset, generated: xr.Dataset, names: list) -> xr.DataArray:
    distances, pairs = [], list(combinations(names, 2))
    for pair in pairs:
        both = [cross_correlation(*(valid_feature(ds, name) for name in pair)).values for ds in (real, generated)]
        defined = all(np.isfinite(values).any() for values in both)
        distances.append(wasserstein(*both) if defined else np.nan)
    return _labelled(distances, "pair", [f"{first} and {second}" for first, second in pairs])


def _attribute_metrics(real: xr.Dataset, generated: xr.Dataset, schema: Schema) -> dict[str, xr.DataArray]:
    categorical = [attribute.name for attribute in schema.attributes if attribute.kind == "categorical"]
    continuous = [attribute.name for attribute in schema.attributes if attribute.kind == "continuous"]
    variables = {}
    if categorical:
        divergences = [jensen_shannon(real[name], generated[name]) for name in categorical]
        variables["attribute_jensen_shannon"] = _labelled(divergences, "attribute", categorical, "bits")
    if len(categorical) > 1:
        joint = [_joint_counts(ds, categorical) for ds in (real, generated)]
        variables["joint_attribute_jensen_shannon"] = xr.DataArray(divergence(*joint), attrs={"units": "bits"})
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


def _joint_counts(ds: xr.Dataset, names: list) -> pd.Series:
    """How often each combination of categories occurs, in the order of its text."""
    counts = pd.DataFrame({name: ds[name].values.astype(str) for name in names}).value_counts()
    counts.index = pd.Index([repr(tuple(map(str, row))) for row in counts.index])
    return counts.sort_index()


def _neighbour_ratio(real: xr.Dataset, generated: xr.Dataset) -> float:
    """Median distance of generated samples to the nearest real one, over that of real ones to the nearest other."""
    random = np.random.default_rng(0)
    few = [_draw(ds, random) for ds in (real, generated)]
    to_real = nearest_neighbours(few[1], few[0], k=1).distance.median().item()
    among_real = nearest_neighbours(few[0], few[0], k=1, exclude_self=True).distance.median().item()
    if among_real == 0:
        return 1.0 if to_real == 0 else np.inf
    return to_real / among_real


def _draw(ds: xr.Dataset, random: np.random.Generator) -> xr.Dataset:
    count = ds.sizes["sample"]
    return ds.isel(sample=np.sort(random.choice(count, min(count, NEIGHBOUR_SAMPLES), replace=False))).compute()
