"""The lines of a report: what was measured, what chance gives, the threshold, and the verdict.

Most hold generated samples against held-out ones, and that against real samples dealt at random into two sets; the
constraints, copies, the membership attack and epsilon have chances of their own, said where they are computed.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from dgkit._text import at_most
from dgkit.errors import ConfigError, DgkitError
from dgkit.metrics import nearest_neighbours
from dgkit.metrics.distributions import valid_feature
from dgkit.metrics.report import are_copies
from dgkit.reports.measures import LEAST, Measure, folded, measures
from dgkit.schema import Schema, Variable, blocks

Sets = Mapping[str, xr.Dataset]  # "training", "generated" and, where there is one, "held-out"
Limits = Mapping[str, float]
DEALS = 50  # of real samples into two sets: the farthest is what one of fifty reports on real data would see
FARTHEST = 2.25  # standard deviations: where the farthest of fifty lies on average; by luck it may lie nearer
FEWEST = 20  # samples of a set; below, chance covers nearly everything
FEWEST_GROUPS = 4  # that are dealt whole; with fewer there are hardly twenty deals
QUERIES = 500  # samples whose nearest neighbours are searched among all, or that an attack tells apart
EPSILON = 10.0  # no chance to hold it against: above, the promise is weak (Ponomareva et al. 2023, "tier 2")
UP_TO_1 = {"range", "modes", "zeros", "shares", "changes", "attribute", "missing", "joint", "effect"}
UP_TO_1 |= {"constraint", "copies", "nearness", "membership"}
OF_SAMPLES = {"attribute", "joint", "missing"}  # what all devices may have alike, and drawn samples never have
DIFFER = "training and held-out data themselves differ here, which is counted as chance"
ENTRY = ("line", "attribute", "value", "measured", "chance", "chance_worst", "samples")
Entry = dict[str, Any]


@dataclass(frozen=True)
class Line:
    """One line of the table; NaN where there is no such number."""

    kind: str
    of: str
    measured: float = np.nan
    chance: float = np.nan
    chance_worst: float = np.nan
    threshold: float = np.nan
    verdict: str = "not judged"
    why: str = ""

    @property
    def name(self) -> str:
        """As `thresholds` name it."""
        return f"{self.kind}: {self.of}" if self.of else self.kind


def judged(
    kind: str, of: str, measured: float, chance: Sequence[float], limits: Limits, why: str = "", least: float = 0.0
) -> Line:
    """The line of what was measured, against what chance gives.

    `why` is what stands against judging by chance; `least` what one sample makes, which alone never fails.

    Examples
    --------
    >>> judged("values", "load", 4.0, [*[1.0] * 48, 2.0, 2.0], {"chance": 2.0}).threshold
    3.0
    >>> judged("values", "load", 4.0, [1.0, 1.0, 2.0], {"chance": 2.0, "values": 5.0}).verdict
    'pass'
    """
    middle, worst = _chance(chance)
    beyond = [max(value - middle, 0.0) ** 2 for value in chance if value < np.inf]  # half of them are 0
    far = max(worst - middle, FARTHEST * np.sqrt(2 * np.mean(beyond or 0.0)))
    line = Line(kind, of, float(measured), middle, worst)
    threshold = limits.get(line.name, limits.get(kind))
    if threshold is not None:
        why, given = "", f"the limit was given{'; ' * bool(why)}{why}"
    else:
        threshold, given = middle + max(limits["chance"] * far, least), ""
        if kind in UP_TO_1 and threshold >= 1:
            why = "chance alone may give all that there can be: too few samples"
    if why or np.isnan(measured) or np.isnan(threshold):
        return replace(line, why=why or "not defined for these samples")
    passes = measured <= threshold + 1e-9 * abs(threshold)
    return replace(line, threshold=float(threshold), verdict="pass" if passes else "fail", why=given)


def _chance(found: Sequence[float] | np.ndarray) -> tuple[float, float]:
    """The middle of what the deals give, and the farthest; NaN where none gives a number."""
    known = [value for value in found if not np.isnan(value)]
    return (float(np.median(known)), float(max(known))) if known else (np.nan, np.nan)


# --- dealing ---------------------------------------------------------------------------------------------------------


def belonging(sets: Sequence[xr.Dataset], together: str | None) -> np.ndarray | None:
    """Which group each sample of these sets belongs to, as whole numbers (N,), if any are dealt `together`."""
    if together is None:
        return None
    codes: np.ndarray = np.unique(
        np.concatenate([ds[together].values.astype(str) for ds in sets]), return_inverse=True
    )[1]
    return codes


def dealt(groups: np.ndarray | int, sizes: Sequence[int], random: np.random.Generator) -> list[np.ndarray]:
    """Samples at random, in sets as near to these sizes as whole groups allow; each has one group at least.

    `groups` are those of the samples, (N,), or how many samples there are: then each is its own.

    Examples
    --------
    >>> [part.size for part in dealt(np.repeat([0, 1, 2], 4), [9, 3], np.random.default_rng(0))]
    [8, 4]
    """
    if isinstance(groups, int):
        return np.split(random.permutation(groups), np.cumsum(sizes))[:-1]
    place = random.permutation(groups.max() + 1)
    order = np.argsort(place[groups], kind="stable")
    ends = np.cumsum(np.bincount(place[groups]))  # where a group ends, in this order
    parts, begin = [], 0
    for left, size in zip(range(len(sizes) - 1, -1, -1), sizes, strict=True):
        possible = ends[ends > begin][: -left or None]
        end = int(possible[np.abs(possible - begin - size).argmin()])
        parts.append(order[begin:end])
        begin = end
    return parts


def compared(
    samples: Sets, schema: Schema, by: list[str], limits: Limits, random: np.random.Generator, together: str | None
) -> tuple[list[Line], list[Entry]]:
    """A line for each measure of generated against held-out samples, and what was found at each attribute's values."""
    order = [name for name in ("training", "held-out", "generated") if name in samples]
    sizes = [samples[name].sizes["sample"] for name in order]
    rows = dict(zip(order, np.split(np.arange(sum(sizes)), np.cumsum(sizes)[:-1]), strict=True))
    made, against, why = rows["generated"], rows.get("held-out", rows["training"]), ""
    pairs, singly = [(against, made)], []
    if "held-out" not in rows:
        why = "no held-out data; measured against training data"
    else:
        groups = belonging([samples[name] for name in order[:-1]], together)
        own = sum(sizes[:-1]) if groups is None else groups
        pairs += [
            (first, second) for first, second in (dealt(own, [len(against), len(made)], random) for _ in range(DEALS))
        ]
        if groups is not None:
            apart = random.spawn(1)[0]
            singly = [dealt(len(groups), [len(against), len(made)], apart) for _ in range(DEALS)]
        pairs.append((against, random.choice(rows["training"], len(made), replace=False)))  # as they are
        if min(sizes) < FEWEST:
            why = f"fewer than {FEWEST} samples in a set are too few to judge by"
        elif groups is not None and min(np.unique(groups[rows[name]]).size for name in order[:-1]) < FEWEST_GROUPS:
            why = f"fewer than {FEWEST_GROUPS} values of {together} in a set are too few to judge by"

    lines: list[Line] = []
    entries: list[Entry] = []
    for measure in measures([samples[name] for name in order], schema, by):
        tables = [measure.gaps(*pair) for pair in pairs] if measure.gaps else []
        found = [folded(*table) for table in tables] or [measure.apart(*pair) for pair in pairs]
        if singly and measure.kind in OF_SAMPLES:  # whichever deals are farther apart
            found[1:-1] = max(found[1:-1], [measure.apart(*pair) for pair in singly], key=max)
        few = f"no value has {LEAST} samples in both sets" if measure.gaps and np.isnan(found[0]) else ""
        counts = tables[0][1] if tables else np.array([len(against)])
        one = folded(1 / np.maximum(counts, 1), counts) if measure.gaps or measure.kind == "missing" else 0.0
        line = judged(measure.kind, measure.of, found[0], found[1:], limits, why or few, one)
        if line.verdict != "not judged" and found[-1] > judged("", "", 0, found[1:-1], {"chance": 2.0}).threshold:
            line = replace(line, why="; ".join(filter(None, [line.why, DIFFER])))
        lines.append(line)
        entries += _entries(line.name, measure, tables)
    return lines, entries


def _entries(line: str, measure: Measure, tables: list[tuple[np.ndarray, np.ndarray]]) -> Iterator[Entry]:
    """What was found at each value of an attribute: the gap, and the middle and the farthest of the deals'."""
    if len(tables) < 2:
        return
    (gaps, counts), *others = tables
    for k, chance in enumerate(np.stack([table[0] for table in others], 1)):
        found = (line, measure.attribute, measure.values[k], float(gaps[k]), *_chance(chance), int(counts[k]))
        yield dict(zip(ENTRY, found, strict=True))


# --- constraints -----------------------------------------------------------------------------------------------------


def kept(
    sets: Sets, schema: Schema, constraints: Mapping[str, Any], limits: Limits, random: Any, together: str | None
) -> Iterator[Line]:
    """Constraints and declared bounds: the share of all generated samples that break each; chance: of all real ones."""
    groups = belonging([ds for name, ds in sets.items() if name != "generated"], together)
    bounds = dict(bound for variable in (*schema.features, *schema.attributes) for bound in _bound(variable, schema))
    for of, rule in {**bounds, **constraints}.items():
        broken = {name: _broken(ds, of, rule) for name, ds in sets.items()}
        made = broken.pop("generated")
        real = np.concatenate(list(broken.values()))
        yield judged("constraint", str(of), made.mean(), _recounted(real, made.size, random, groups), limits)


def _recounted(
    real: np.ndarray, size: int, random: np.random.Generator, groups: np.ndarray | None = None
) -> list[float]:
    """The share of true ones among `size`, as chance gives it: both counts, of real ones and of others, may be off."""
    share, sizes = real.mean(), np.array([real.size, size])
    off: np.ndarray
    if groups is None:
        off = (random.binomial(sizes, share, (DEALS, 2)) / sizes - share).sum(1)
    else:  # groups drawn anew, as many as make so many samples
        true, all_of = np.bincount(groups, real), np.bincount(groups)
        counts = np.maximum(1, np.round(sizes / all_of.mean())).astype(int)
        drawn = [random.integers(len(all_of), size=(DEALS, count)) for count in counts]
        off = sum((true[one].sum(1) / all_of[one].sum(1) - share for one in drawn), np.zeros(DEALS))
    return list(np.maximum(share + off, 0))


def _bound(variable: Variable, schema: Schema) -> Iterator[tuple[str, Any]]:
    """A constraint of the bounds that the training data declare; one that an attribute names is each sample's own."""
    low, high = (variable.attrs.get(name) for name in ("valid_min", "valid_max"))
    if variable.kind == "categorical" or low is high is None:
        return
    ends = {word: end for word, end in (("from", low), ("to", high)) if end is not None}
    told = "".join(f" {word} {end if isinstance(end, str) else f'{end:g}'}" for word, end in ends.items())

    def rule(ds: xr.Dataset) -> np.ndarray:
        values = (valid_feature(ds, variable.name) if variable.role == "feature" else ds[variable.name]).values
        most = _own_bound(schema, str(high), ds)[:, None] if isinstance(high, str) else np.inf if high is None else high
        wrong = (values < (-np.inf if low is None else low)) | (values > most)
        return np.logical_not(wrong.reshape(len(wrong), -1).any(axis=1))

    yield f"{variable.name}{told}", rule


def _own_bound(schema: Schema, name: str, ds: xr.Dataset) -> np.ndarray:
    """What an attribute says that each sample's largest value may be, (N,); nothing, where it is not known."""
    bound = next(variable for variable in schema.attributes if variable.name == name)
    values, said = ds[name].values, [bound.attrs | {"categories": bound.categories}, ds[name].attrs]
    if not bound.categories or "numbers" not in bound.attrs:
        return values.astype(np.float64)
    worth = {
        c: n for attrs in said for c, n in zip(attrs.get("categories", ()), attrs.get("numbers", ()), strict=False)
    }
    return np.array([worth.get(value, -np.inf) for value in values.tolist()])


def _broken(ds: xr.Dataset, name: str, rule: Any) -> np.ndarray:
    """Which samples break a rule, (N,), some samples in memory at a time."""
    parts = []
    for some in blocks(ds):
        part = ds.isel(sample=some).compute()
        how = f"constraint {name!r} must be a function of a Dataset that gives True for each sample that keeps it"
        try:
            keeps = np.asarray(rule(part))
        except Exception as error:
            raise ConfigError(f"{how}; it ended in {type(error).__name__}: {error}") from error
        if keeps.shape != (part.sizes["sample"],) or keeps.dtype != bool:
            raise ConfigError(
                f"{how}; it gave {keeps.dtype} of shape {keeps.shape} for {part.sizes['sample']} samples. For example: "
                f"lambda ds: (ds[{next(iter(ds.data_vars))!r}] >= 0).all('time')"
            )
        parts.append(~keeps)
    return np.concatenate(parts)


# --- copies and privacy ----------------------------------------------------------------------------------------------


def near(sets: Sets, limits: Limits, random: np.random.Generator, together: str | None) -> Iterator[Line]:
    """Copies of training samples, and whether generated ones are nearer to these than to held-out ones."""
    train, held_out = sets["training"], sets.get("held-out")
    if train.sizes["sample"] < FEWEST:
        yield from (Line(kind, "", why=f"fewer than {FEWEST} training samples") for kind in ("copies", "nearness"))
        return

    # copies; chance: held-out samples that are a training one's double, or training ones another's, and one more
    queries = some(sets["generated"], random)
    made = nearest_neighbours(queries, train, k=2)
    if held_out is None:
        real = nearest_neighbours(some(train, random), train, k=3).distance.values[:, 1:]  # the first is itself
    else:
        real = nearest_neighbours(some(held_out, random), train, k=2).distance.values
    doubles, copied = (are_copies(distance, np.median(real[:, 0])) for distance in (real, made.distance.values))
    chance = [*_recounted(doubles, copied.size, random), (doubles.sum() + 1) / doubles.size]
    line = judged("copies", "", copied.mean(), chance, limits)
    if held_out is None:
        line = replace(line, why="chance: training samples, each among the others")
    elif doubles.any():
        line = replace(
            line, why=f"{doubles.sum()} of {doubles.size} held-out samples are a training one but for little"
        )
    yield line

    # nearness; chance: which real samples are training ones is dealt again (equally near ones count by their shares)
    if held_out is None:
        yield Line("nearness", "", why="no held-out data to be nearer to")
        return
    other = nearest_neighbours(queries, held_out, k=1, scaled_by=train)
    mine, theirs = (found.isel(neighbour=0) for found in (made, other))
    n, total = train.sizes["sample"], train.sizes["sample"] + held_out.sizes["sample"]
    tied = (mine.distance == theirs.distance).values
    nearest = np.where(mine.distance < theirs.distance, mine["index"], n + theirs["index"])[~tied]
    groups = belonging([train, held_out], together)
    again = [dealt(total if groups is None else groups, [n, total - n], random)[0] for _ in range(DEALS)]
    hits = [nearest < n, *(np.isin(nearest, one) for one in again)]
    measured, *chance = (float((hit.sum() + tied.sum() * n / total) / tied.size) for hit in hits)
    yield judged("nearness", "", measured, chance, limits)


def some(ds: xr.Dataset, random: np.random.Generator, most: int = QUERIES) -> xr.Dataset:
    """So many samples at most, in their order."""
    size = ds.sizes["sample"]
    return ds.isel(sample=np.sort(random.choice(size, min(size, most), replace=False)))


def of_model(
    model: Any, sets: Sets, limits: Limits, random: np.random.Generator, together: str | None
) -> Iterator[Line]:
    """The membership attack, with members and others dealt again for chance; epsilon where training was private."""
    if model is None or "held-out" not in sets:
        why = "no model was given" if model is None else "no held-out data to tell training data from"
        yield Line("membership", "", why=why)
    else:
        yield _attacked(model, sets, limits, random, together)
    if (promise := promised(model, sets["training"].sizes["sample"])) is not None:
        line = judged("epsilon", f"at delta {promise.delta:g}", promise.epsilon, [], {"epsilon": EPSILON, **limits})
        own = {"epsilon", line.name}.isdisjoint(limits)
        yield replace(line, why=f"no limit was given: {EPSILON:g}, above which a promise is weak") if own else line


class Promise(NamedTuple):
    """Epsilon, infinite where nothing is promised, its delta, and how it was counted."""

    epsilon: float
    delta: float
    counted: str


def promised(model: Any, n: int) -> Promise | None:
    """What a private training, or a private generator, promises; None where the model says nothing of privacy.

    A model knows its epsilon by RDP. The tighter one takes the number of samples, n, which is believed where RDP's
    epsilon comes out as the model has it.
    """
    from dgkit.core.accounting import spent, spent_on

    config: Any = getattr(model, "config", None)
    if (dp := getattr(config, "dp", None)) is None:
        told = [getattr(model, name, None) for name in ("epsilon", "delta")]
        if not all(isinstance(one, float) for one in told):
            return None
        return Promise(float(model.epsilon), float(model.delta), "exactly, as sums with Gaussian noise are")
    if not config.private:
        return Promise(np.inf, dp.delta, "")
    by_rdp, batches = spent_on(model.history)
    counts = config, n, batches, config.discriminator_rounds * (2 if model.auxiliary is not None else 1)
    if config.batch_size <= n and np.isclose(spent(*counts), by_rdp, rtol=1e-6):
        how = f"by the PRV accountant; by RDP it is {at_most(by_rdp)}"
        return Promise(spent(*counts, accountant="prv"), dp.delta, how)
    return Promise(by_rdp, dp.delta, "at most, by the RDP accountant")


def _attacked(model: Any, sets: Sets, limits: Limits, random: np.random.Generator, together: str | None) -> Line:
    from dgkit.privacy import membership_attack
    from dgkit.privacy.membership import ENOUGH, estimates

    most = min(QUERIES, sets["training"].sizes["sample"], sets["held-out"].sizes["sample"])
    members, others = (some(sets[name], random, most).compute() for name in ("training", "held-out"))
    kind = "discriminator" if hasattr(model, "discriminate") else "distance"
    try:
        attack = membership_attack(model, members, others, kind, generated=1000, resamples=ENOUGH)
    except DgkitError as error:
        return Line("membership", f"by {kind}", why=str(error))
    scores, member = attack.scores.values, attack.scores.member.values
    groups = belonging([members, others], together)  # in the order of the scores
    drawn: list[float] = []
    for _ in range(DEALS):
        if groups is None:
            again = random.permutation(member)
        else:
            again = np.isin(np.arange(len(member)), dealt(groups, [most, most], random)[0])
        drawn.append(estimates(scores, again, resamples=1)[1].value)
    return judged("membership", f"by {kind}", attack.auc.value, drawn, limits)
