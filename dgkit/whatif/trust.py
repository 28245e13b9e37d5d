"""When to trust a what-if, told without a simulator: by what the model has seen, and by what its answer adds up to.

Three things can be seen beforehand:

- *support*: series that the target wants often and the training data had seldom. With weights r = target / model the
  answer rests on as many series as (sum r)^2 / sum r^2 equal ones, the effective sample size (Kish 1965);
- *range*: values of a continuous attribute where the model makes hardly any, and combinations that it never makes;
- *limits*: what single series ask for adds up where they share something. The model, which makes each by itself, cannot
  know that it runs out; the sum can, held against a limit that you declare. It is taken of the model's series, put side
  by side at random as the target has them and as the model has them today, by the same draws. What counts is how much
  more often the limit is passed: full as often as today is in P(series | attributes) already.

A model's own errors are in its sums too. Whoever has the data asks them instead, `trust(Rows(data), target, ...)`: that
needs no training, and is what chapter 07 measures.

What cannot be seen by any number here: a common cause of attributes and series (confounding), and that an attribute is
an outcome, which no intervention sets. `cases` has one of each kind to run.
"""

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import xarray as xr

from dgkit import _checks
from dgkit.core.model import DoppelGANger
from dgkit.errors import ConfigError, SchemaError
from dgkit.schema import slices, valid_numbers
from dgkit.whatif.rows import Rows
from dgkit.whatif.targets import decoded, rows_of

EFFECTIVE = 0.1  # of the model's series: an answer that rests on fewer is reported
FEW = 0.02  # of the target: what the model makes hardly ever, or out of range, is reported from here
# of the steps: a limit that is passed so much more often than today is reported (chosen on seeds other than 07's)
MORE = 0.02
_SERIES, _STEPS, _GROUPS = 4000, 20_000, 1000
_BEGINS, _AT_ONCE = 2_000_000, 2**20  # series that are added up, about; values of them in memory


@dataclass(frozen=True)
class Trust:
    """What speaks against a what-if; `bool(trust)` is False where something does.

    Parameters
    ----------
    effective : float
        Share of the model's own series that the answer rests on, 0 to 1.
    rare : float
        Share of the target in combinations of categories that make up less than one in a thousand of the model's.
    outside : mapping
        For each continuous attribute the share of the target outside the central 99 % of the model's.
    sums : Dataset, dims (feature, mix)
        For each limit and the mixes "today" and "target": `mean`, the mean sum as a share of the limit, and `over`, the
        share of steps in which the sum passes it.
    reasons : tuple of str
        In words, with numbers.

    Examples
    --------
    >>> bool(Trust(1.0, 0.0, {}, xr.Dataset(), ()))
    True
    """

    effective: float
    rare: float
    outside: Mapping[str, float]
    sums: xr.Dataset
    reasons: tuple[str, ...]

    def __bool__(self) -> bool:
        return not self.reasons

    def __repr__(self) -> str:
        return "\n".join(self.reasons) or f"nothing seen against it: it rests on {self.effective:.0%} of the series"


def trust(
    model: DoppelGANger | Rows,
    target: Any,
    *,
    limits: Mapping[str, float] | None = None,
    starts: float | None = None,
    together: int | None = None,
    seed: int = 0,
) -> Trust:
    """Whether a model's answer to "what if the attributes were distributed like this?" can be trusted.

    Parameters
    ----------
    model : DoppelGANger or Rows
        Trained on what was seen.
    target : as in `retrain_attributes`
    limits : mapping, optional
        {"cpu_rate": 1.0}: for features that are shared, the most that their sum can be.
    starts : float, optional
        Series that begin in each step on what they share. For series that begin at different times, such as jobs.
    together : int, optional
        Series that share it side by side from their first step to their last, such as homes on an uplink.
    seed : int
        Of the series that are added up.

    Returns
    -------
    Trust

    Raises
    ------
    ConfigError, SchemaError
        As `retrain_attributes`. Also: a limit of no feature or below 0; limits without one of `starts`, `together`.

    Source
    ------
    Effective sample size: Kish 1965. Limits: chapter 07, after the resource exhaustion of the paper's Section 6.1.

    Examples
    --------
    >>> from dgkit import Config, Trainer
    >>> from dgkit.simulate import cluster
    >>> model = Trainer(cluster(300), Config(sample_len=10)).model
    >>> told = trust(model, {"job_class": {"large": 1.0}}, limits={"cpu_rate": 1.0}, starts=0.4)
    >>> 0 < told.effective < 1
    True
    """
    seed = _checks.seed(seed)
    return weigh(model, *rows_of(model, target), limits, starts, together, seed)


def warn_of(found: Trust) -> None:
    """A warning for each reason, at the line that called the caller."""
    for reason in found.reasons:
        warnings.warn(reason, stacklevel=3)


def weigh(
    model: DoppelGANger | Rows,
    rows: np.ndarray,
    weights: np.ndarray,
    own: np.ndarray,
    limits: Mapping[str, float] | None,
    starts: float | None,
    together: int | None,
    seed: int,
) -> Trust:
    """`trust` for a target as `rows_of` has it."""
    made, wanted = _shares(model, rows, weights, own, own[:0])[0]
    effective = float(1 / (wanted**2 / np.maximum(made, 1 / len(own))).sum())
    rare = float(wanted[made < 1e-3].sum())
    outside = _outside(model, rows, weights, own)
    sums = _sums(model, rows, weights, own, limits or {}, starts, together, seed)

    reasons = []
    if effective < EFFECTIVE:
        reasons.append(
            f"support: the answer rests on {effective:.1%} of the model's series; the rest are of kinds that the "
            "target has seldom or not."
        )
    if float(wanted[(made < 1e-3) & (made > 0)].sum()) > FEW:
        reasons.append(
            f"support: {rare:.0%} of the target are combinations that make up less than one in a thousand of what the "
            "model makes."
        )
    for name, value in outside.items():
        if value > FEW:
            reasons.append(f"range: {value:.0%} of the target's {name!r} lie where the model makes hardly any.")
    for name in limits or {}:
        now, then = (sums.sel(feature=name, mix=mix) for mix in ("today", "target"))
        if float(then["over"] - now["over"]) > MORE:
            reasons.append(
                f"limit: what the series ask for of {name!r} adds up to {float(then['mean']):.2f} of the limit in the "
                f"mean, and passes it in {float(then['over']):.0%} of the steps (today's mix: "
                f"{float(now['mean']):.2f}, {float(now['over']):.0%}). Single series do not know that it runs out: "
                "learn the demand and put the machine behind it, see whatif.run_demand."
            )
    return Trust(effective, rare, outside, sums, tuple(reasons))


def _shares(
    model: DoppelGANger | Rows, rows: np.ndarray, weights: np.ndarray, own: np.ndarray, more: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Of each combination of categories the model's share and the target's, (2, combinations); and which `more` are."""
    places = np.cumsum([head.width for head in model.encoder.attribute_heads])[:-1]
    blocks = np.split(np.concatenate([rows, own, more]), places, axis=1)
    kind = np.zeros(len(blocks[0]), int)
    for block in blocks:  # one after the other: all that many attributes could make are more than an integer counts
        kind = np.unique(kind * block.shape[1] + block.argmax(1), return_inverse=True)[1]
    asked, made, rest = np.split(kind, [len(rows), len(rows) + len(own)])
    size = kind.max() + 1
    return np.stack([np.bincount(made, minlength=size) / len(own), np.bincount(asked, weights, size)]), rest


def _outside(model: DoppelGANger | Rows, rows: np.ndarray, weights: np.ndarray, own: np.ndarray) -> dict[str, float]:
    found = {}
    asked, made = decoded(model, rows), decoded(model, own)
    for variable in model.encoder.schema.attributes:
        if variable.kind == "continuous":
            low, high = np.quantile(made[variable.name].values, [0.005, 0.995])
            values = asked[variable.name].values
            found[variable.name] = float(weights[(values < low) | (values > high)].sum())
    return found


def _sums(
    model: DoppelGANger | Rows,
    rows: np.ndarray,
    weights: np.ndarray,
    own: np.ndarray,
    limits: Mapping[str, float],
    starts: float | None,
    together: int | None,
    seed: int,
) -> xr.Dataset:
    """What the series of both mixes add up to, as shares of the limits."""
    if not limits:
        return xr.Dataset()
    if (starts is None) == (together is None):
        raise ConfigError(
            "limits need to know what adds up: starts=0.4 (series that begin in each step on what they share), or "
            "together=20 (series side by side)."
        )
    known = [variable.name for variable in model.encoder.schema.features if variable.kind == "continuous"]
    for name, limit in limits.items():
        if name not in known:
            raise SchemaError(f"limits names {name!r}; the model's features are {', '.join(map(repr, known))}.")
        if isinstance(limit, bool) or not isinstance(limit, int | float | np.number) or not limit > 0:
            raise ConfigError(f"limits[{name!r}] is {limit!r}; it is the most that the sum can be, above 0.")
    if together is not None:
        _checks.whole("together", together)
    elif isinstance(starts, bool) or not isinstance(starts, int | float | np.number) or not 0 < starts < 1e6:
        raise ConfigError(f"starts={starts!r} must be a number above 0: series that begin in a step.")

    # one set of series for both mixes, half made for each, and the same draws: chance does not blur the difference
    chosen = np.random.default_rng(seed).choice(len(rows), _SERIES, p=weights)
    halves = model.sample(_SERIES, seed=seed), model.sample(attributes=decoded(model, rows[chosen]), seed=seed)
    shares, kind = np.eye(2), np.arange(2).repeat(_SERIES)  # of densities nothing is known: each half for its mix
    if all(variable.kind == "categorical" for variable in model.encoder.schema.attributes):
        encoded = np.concatenate([model.encoder.encode_attributes(ds) for ds in halves])
        shares, kind = _shares(model, rows, weights, own, encoded)
    order = np.argsort(kind, kind="stable")
    table = np.empty((2, len(limits), 2))
    for j, (name, limit) in enumerate(limits.items()):
        values = np.concatenate([np.nan_to_num(valid_numbers(ds, name)) for ds in halves])[order]
        for k, share in enumerate(shares):
            draw = partial(_drawn, share, np.bincount(kind, minlength=len(share)))
            total = _added(values, draw, starts, together, np.random.default_rng(seed)) / limit
            table[:, j, k] = total.mean(), (total > 1).mean()
    dims = ("feature", "mix")
    return xr.Dataset(
        {"mean": (dims, table[0], {"units": "1"}), "over": (dims, table[1], {"units": "1"})},
        {"feature": list(limits), "mix": ["today", "target"]},
    )


def _drawn(shares: np.ndarray, count: np.ndarray, rng: np.random.Generator, size: int) -> np.ndarray:
    """Places of series that are sorted by kind: a kind by its share, then one of it; the same draws for all shares."""
    cumulative = np.cumsum(np.where(count > 0, shares, 0))
    kind = np.searchsorted(cumulative, rng.random(size) * cumulative[-1], "right").clip(max=len(shares) - 1)
    place: np.ndarray = (np.cumsum(count) - count)[kind] + (rng.random(size) * count[kind]).astype(int)
    return place


def _added(
    values: np.ndarray,
    draw: Callable[[np.random.Generator, int], np.ndarray],
    starts: float | None,
    together: int | None,
    rng: np.random.Generator,
) -> np.ndarray:
    """Sums over series that were put side by side at random."""
    if together is not None:
        sums = np.zeros((_GROUPS, values.shape[1]))
        for _ in range(together):
            sums += values[draw(rng, _GROUPS)]
        return sums
    length, starts = values.shape[1], starts or 0.0
    steps = max(length, min(_STEPS, int(_BEGINS / max(starts, 1))))  # a circle, on which no series meets itself
    total, begins = np.zeros(steps), rng.poisson(starts, steps)
    first, place = np.repeat(np.arange(steps), begins), draw(rng, int(begins.sum()))
    for some in slices(len(place), max(1, _AT_ONCE // length)):
        np.add.at(total, (first[some, None] + np.arange(length)) % steps, values[place[some]])
    return total
