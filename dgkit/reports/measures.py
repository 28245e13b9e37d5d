"""What a report measures: how far some samples are from others, feature by feature and attribute by attribute.

Every measure is a function of two lists of samples, so that what it gives for generated ones can be held against what
it gives for real ones dealt at random: chance. It is 0 for sets that are alike and has no unit. Left out: verdicts.

Letters for shapes: P samples (training, then held-out, then generated ones), T steps, K numbers a sample, V values.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.resources import files
from itertools import combinations, pairwise

import numpy as np
import pandas as pd
import xarray as xr

from dgkit._text import apart
from dgkit.metrics import autocorrelation, cross_correlation, half_range, mid_range, range_coverage, wasserstein
from dgkit.metrics.distributions import count_modes, from_median, valid_feature
from dgkit.metrics.report import DECADES
from dgkit.schema import Schema, lengths

Rows = np.ndarray  # positions of samples, (n,)
Apart = Callable[[Rows, Rows], float]  # of real samples and others
Gaps = Callable[[Rows, Rows], tuple[np.ndarray, np.ndarray]]  # per value: how far apart, how many samples stand behind

# of lines, in the order of the table: the part it stands in, what a line is called, how to read it
KINDS = pd.read_csv(str(files(__package__) / "kinds.csv"), index_col="kind")
LEAST = 5  # samples of a value in both sets, for its series to be compared
LAGS_TIMES_VALUES = 2_000_000_000  # products that an autocorrelation may cost
BINS = 48  # of time, in which shapes are compared
MOST_PAIRS = 15  # of features with a line each


@dataclass(frozen=True)
class Measure:
    """One line to be: how far apart two lists of samples are in one thing.

    An attribute's effect on a feature has the `gaps` at each of its values too, of which the line is one number.
    """

    kind: str
    of: str
    apart: Apart
    gaps: Gaps | None = None
    values: tuple[str, ...] = ()
    attribute: str = ""


def measures(sets: Sequence[xr.Dataset], schema: Schema, by: Sequence[str]) -> Iterator[Measure]:
    """All that these samples, in memory, can be compared in; the last set is the generated one.

    `by` names what the effect on series is looked at for, beside the attributes: coordinates on (sample,).
    """
    sizes = [ds.sizes["sample"] for ds in sets]
    real = np.arange(sum(sizes)) < sum(sizes[:-1])
    ends = np.concatenate([lengths(ds) for ds in sets])
    summaries: dict[str, np.ndarray] = {}  # of each feature, (P, K): what attributes may have an effect on
    shapes: dict[str, np.ndarray] = {}  # (P, bins)
    numbers: dict[str, np.ndarray] = {}

    for feature in schema.features:
        name, values = feature.name, np.concatenate([valid_feature(ds, feature.name).values for ds in sets])
        if feature.kind == "categorical":
            codes = _codes(values, ends)
            yield Measure("shares", name, _shares(codes))
            yield Measure("changes", name, _shares(_pairs(codes)))
            summaries[name] = np.stack([(codes == code).sum(1) / ends for code in range(min(8, codes.max() + 1))], 1)
        else:
            numbers[name] = values.astype(np.float64)
            del values  # each of these has the size of all samples
            summaries[name], shapes[name] = (of(numbers[name]) for of in (_level_and_amplitude, course))
            yield from _of_numbers(name, numbers[name], ends, real, feature.attrs.get("scale") == "log")
            yield Measure("shape", name, _curves_apart(shapes[name]))

    together = {
        f"{a} and {b}": _correlations(
            cross_correlation(*(xr.DataArray(numbers[name], dims=("sample", "time")) for name in (a, b))).values
        )
        for a, b in combinations(numbers, 2)
    }
    if len(together) > MOST_PAIRS:
        most = list(together.values())
        together = {"the two that differ most": lambda a, b: float(np.fmax.reduce([apart(a, b) for apart in most]))}
    yield from (Measure("pairs", of, apart) for of, apart in together.items())

    if (ends != ends[0]).any():
        yield Measure("lengths", "length", _moved(ends[:, None].astype(np.float64), real))
        summaries["length"] = ends[:, None].astype(np.float64)

    labels = {}
    kinds = {attribute.name: attribute.kind for attribute in schema.attributes} | dict.fromkeys(by, "categorical")
    for name, kind in kinds.items():
        values = np.concatenate([ds[name].values for ds in sets])
        if kind == "continuous":  # its effect is that of its quarter
            yield Measure("attribute", name, _moved(values[:, None].astype(np.float64), real))
            labels[name] = _quarters(values, real)
            continue
        labels[name] = values.astype(str)
        yield Measure("attribute", name, _shares(_codes(values)))
        yield Measure("missing", name, _missing(_codes(values)))
    categorical = [attribute.name for attribute in schema.attributes if attribute.kind == "categorical"]
    if len(categorical) > 1:
        codes = np.stack([_codes(labels[name]) for name in categorical], 1)
        combined = np.unique(codes, axis=0, return_inverse=True)[1].reshape(-1)
        yield Measure("joint", ", ".join(categorical), _shares(combined))

    for name, label in labels.items():
        found, codes = np.unique(label, return_inverse=True)
        for feature_name, table in summaries.items():
            yield _effect("effect", name, feature_name, _positions_apart(table, codes, found.size), found)
        for feature_name, table in shapes.items():
            yield _effect("effect_on_shape", name, feature_name, _courses_apart(table, codes, found.size), found)


def _of_numbers(name: str, values: np.ndarray, ends: np.ndarray, real: Rows, log: bool) -> Iterator[Measure]:
    """The measures of a continuous feature by itself, (P, T)."""
    of_real = values[real]
    low, high, steps = np.nanmin(of_real), np.nanmax(of_real), values.shape[1]
    log = bool(high > 0) and (log or bool(low > 0 and np.log10(high / low) > DECADES))

    def shown(raw: np.ndarray) -> np.ndarray:
        """As the values are compared: their logarithms, for those that span decades."""
        positive = raw[real][raw[real] > 0]
        return np.log10(np.maximum(raw, positive.min())) if log and positive.size else raw

    of, compared = f"{name} (log)" if log else name, shown(values)
    yield Measure("values", of, _moved(compared, real))
    ranges = _level_and_amplitude(values)
    yield Measure("level", of, _moved(shown(ranges[:, :1]), real))
    yield Measure("amplitude", of, _moved(shown(ranges[:, 1:]), real))
    yield Measure("range", of, lambda a, b: 1 - range_coverage(compared[a], compared[b]))
    yield Measure("modes", name, lambda a, b: 1 - np.divide(*count_modes(ranges[a], ranges[b])[::-1]))

    zero = np.where(np.isnan(values), np.int8(-1), values == 0)
    if max((zero[some] == 1).sum() / (zero[some] >= 0).sum() for some in (real, ~real)) >= 0.01:
        yield Measure("zeros", name, _shares(zero))
    if steps < 3:
        return
    series = xr.DataArray(values, dims=("sample", "time"), name=name)
    lags = int(min(steps - 2, max(10, LAGS_TIMES_VALUES // values.size)))
    pairs = np.maximum(ends[:, None] - np.arange(1, lags + 1), 0).astype(np.int32)  # (P, lags)
    for kind, definition in (("autocorrelation", "paper"), ("autocorrelation_standard", "standard")):
        curves = partial(autocorrelation, series, kind=definition, lags=lags, per_sample=True)
        yield Measure(kind, name, _curves_apart(curves().values, pairs, own=False))  # no name: they are large
    del pairs, zero
    change = np.diff(compared, axis=1)
    rises = np.fmax.reduce(change, axis=1)[:, None]
    yield Measure("steps", of, _moved(np.abs(change, out=change), real))
    yield Measure("rises", of, _moved(rises, real))


# --- two lists of samples --------------------------------------------------------------------------------------------


def _moved(table: np.ndarray, real: Rows) -> Apart:
    """Wasserstein-1 distance over that of the real numbers from a constant at their median; of all, (P, K)."""
    flat = table[real]
    flat = flat[~np.isnan(flat)]
    width = from_median(flat) if flat.size else 0.0

    def apart(a: Rows, b: Rows) -> float:
        pair = [part[~np.isnan(part)] for part in (table[a], table[b])]
        if not all(part.size for part in pair):
            return np.nan
        distance = wasserstein(*pair)
        return distance / width if width else (np.inf if distance else 0.0)

    return apart


def _shares(codes: np.ndarray) -> Apart:
    """Total variation distance of categories, given as whole numbers; those below 0 do not count."""
    size = int(codes.max(initial=0)) + 1

    def apart(a: Rows, b: Rows) -> float:
        counts = [np.bincount(part[part >= 0], minlength=size) for part in (codes[a], codes[b])]
        if not all(count.sum() for count in counts):
            return np.nan
        return float(np.abs(counts[0] / counts[0].sum() - counts[1] / counts[1].sum()).sum() / 2)

    return apart


def _missing(codes: np.ndarray) -> Apart:
    return lambda a, b: float((~np.isin(codes[a], codes[b])).mean())


def _correlations(each: np.ndarray) -> Apart:
    """Wasserstein-1 distance of the samples' correlations; undefined in one set alone counts 1, as in `evaluate`."""

    def apart(a: Rows, b: Rows) -> float:
        pair = [part[~np.isnan(part)] for part in (each[a], each[b])]
        shares = [part.size / rows.size for part, rows in zip(pair, (a, b), strict=True)]
        distance = wasserstein(*pair) if min(shares) > 0 else 0.0
        return min(shares) * distance + abs(shares[0] - shares[1]) if max(shares) > 0 else np.nan

    return apart


def _curves_apart(curves: np.ndarray, weights: np.ndarray | None = None, own: bool = True) -> Apart:
    """Root of the mean squared difference of mean curves, (P, K), NaN where a sample has none; `own`: they stay so."""
    known = ~np.isnan(curves)
    filled = np.nan_to_num(curves, copy=own)
    weights = np.broadcast_to(1, curves.shape) if weights is None else weights

    def apart(a: Rows, b: Rows) -> float:
        counts = [known[rows].sum(0) for rows in (a, b)]
        both = (counts[0] > 0) & (counts[1] > 0)
        heavy = np.minimum(*((weights[rows] * known[rows]).sum(0) for rows in (a, b)))[both]
        if not heavy.sum() > 0:
            return np.nan
        means = [filled[rows].sum(0)[both] / count[both] for rows, count in zip((a, b), counts, strict=True)]
        return float(np.sqrt(np.average((means[0] - means[1]) ** 2, weights=heavy)))

    return apart


# --- by value of an attribute ----------------------------------------------------------------------------------------


def _effect(kind: str, attribute: str, feature: str, gaps: Gaps, values: np.ndarray) -> Measure:
    of, told = f"{attribute} on {feature}", tuple(map(str, values))
    return Measure(kind, of, lambda a, b: folded(*gaps(a, b)), gaps, told, attribute)


def folded(gaps: np.ndarray, counts: np.ndarray) -> float:
    """One number for the gaps of all values: root of their mean square, a value by its samples.

    The squares let one value out of many, a device say, weigh as much as it is out of line.
    """
    known = counts > 0
    return float(np.sqrt(np.average(gaps[known] ** 2, weights=counts[known]))) if known.any() else np.nan


def _counts(codes: np.ndarray, a: Rows, b: Rows, size: int) -> np.ndarray:
    """Of each value, samples that stand behind a comparison: the fewer of both sets; 0 below `LEAST`."""
    fewer = np.minimum(*(np.bincount(codes[rows], minlength=size) for rows in (a, b)))
    return np.where(fewer < LEAST, 0, fewer)


def _positions_apart(table: np.ndarray, codes: np.ndarray, size: int) -> Gaps:
    """Of each value, how far its samples' positions among all samples of their own set are apart; table is (P, K).

    Positions do not tell what a set is like as a whole, only what the attribute does. The second set's samples are
    weighted so that its values have the first one's shares: other shares alone change no position.
    """

    def gaps(a: Rows, b: Rows) -> tuple[np.ndarray, np.ndarray]:
        counts = _counts(codes, a, b, size)
        own = [np.bincount(codes[rows], minlength=size) for rows in (a, b)]
        weights = own[0] / np.maximum(own[1], 1)
        found = np.full((table.shape[1], size), np.nan)
        for k, column in enumerate(table.T):
            places = [_positions(column[a], np.ones(len(a))), _positions(column[b], weights[codes[b]])]
            for value in np.flatnonzero(counts):
                pair = [place[codes[rows] == value] for place, rows in zip(places, (a, b), strict=True)]
                found[k, value] = wasserstein(*pair)
        return found.mean(0), counts

    return gaps


def _positions(numbers: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Where each number stands among all, from 0 to 1; equal ones share the middle of their places."""
    order = np.argsort(numbers)
    below = np.concatenate([[0.0], np.cumsum(weights[order])])
    left, right = (np.searchsorted(numbers[order], numbers, side) for side in ("left", "right"))
    return (below[left] + below[right]) / 2 / (below[-1] or 1.0)


def _courses_apart(table: np.ndarray, codes: np.ndarray, size: int) -> Gaps:
    apart = _curves_apart(table)

    def gaps(a: Rows, b: Rows) -> tuple[np.ndarray, np.ndarray]:
        counts = _counts(codes, a, b, size)
        found = np.full(size, np.nan)
        for value in np.flatnonzero(counts):
            found[value] = apart(a[codes[a] == value], b[codes[b] == value])
        return found, np.where(np.isnan(found), 0, counts)

    return gaps


# --- numbers of each sample ------------------------------------------------------------------------------------------


def _codes(values: np.ndarray, ends: np.ndarray | None = None) -> np.ndarray:
    """Categories as whole numbers, -1 past a series' end."""
    codes = np.unique(values.astype(str), return_inverse=True)[1].reshape(values.shape)
    return codes if ends is None else np.where(np.arange(values.shape[1]) < ends[:, None], codes, -1)


def _pairs(codes: np.ndarray) -> np.ndarray:
    """Each category with the next step's."""
    here, after = codes[:, :-1], codes[:, 1:]
    return np.where(after < 0, -1, here * (codes.max(initial=0) + 1) + after)


def _quarters(values: np.ndarray, real: Rows) -> np.ndarray:
    edges = np.unique(np.quantile(values[real], [0.25, 0.5, 0.75]))
    told = apart(edges.tolist())
    names = [f"up to {told[0]}", *(f"{a} to {b}" for a, b in pairwise(told)), f"above {told[-1]}"]
    return np.array(names)[np.searchsorted(edges, values)]


def _level_and_amplitude(values: np.ndarray) -> np.ndarray:
    series = xr.DataArray(values, dims=("sample", "time"))
    return np.stack([mid_range(series).values, half_range(series).values], 1)


def course(values: np.ndarray, bins: Sequence[np.ndarray] | None = None) -> np.ndarray:
    """Each series in its own standard deviations around its mean, averaged in bins of time (`BINS` at most), (P, bins).

    `bins` are the steps of each.
    """
    known = ~np.isnan(values)
    values = np.where(known, values, 0)
    largest = np.abs(values).max(1, keepdims=True)  # of each: by which its squares are numbers
    values = values / np.where(largest > 0, largest, 1)
    counts = np.maximum(known.sum(1, keepdims=True), 1)
    centred = np.where(known, values - values.sum(1, keepdims=True) / counts, 0)
    deviation = np.sqrt((centred**2).sum(1, keepdims=True) / counts)
    scaled = np.divide(centred, deviation, out=np.zeros_like(centred), where=deviation > 1e-9)
    bins = bins_of(values.shape[1], BINS) if bins is None else bins
    sums, numbers = (np.stack([part[:, some].sum(1) for some in bins], 1) for part in (scaled, known))
    return np.divide(sums, numbers, out=np.full(sums.shape, np.nan), where=numbers > 0)


def bins_of(steps: int, most: int) -> list[np.ndarray]:
    """Steps, dealt into as many bins of neighbours as they are, or `most`."""
    return np.array_split(np.arange(steps), min(most, steps))
