"""Private Evolution with a simulator: the data only vote, for whichever simulated series is nearest to each.

A public simulator makes candidates. In each round every private series votes for the candidate nearest to it; of the
votes only the histogram is released, with noise. Candidates of few votes die out, the others have children that differ
from them a little, less from round to round. The simulator never sees the data, and the data are never copied.

A series has one vote a round: with it or without it one count moves by 1, a norm of 1, whatever it holds and however
near it is. `rounds` histograms with noise sigma are one Gaussian mechanism, mu = sqrt(rounds) / sigma (`releases`). The
candidates of a round follow from the votes of the rounds before, that is, from what is released.

Nearness is the Euclidean distance in an embedding that is fixed and public. Of each feature, in decades where attrs say
scale="log", times its number in `WEIGHTS`:

- "level": the mean, as a share of the range of the public bounds;
- "spread": the logarithm of the standard deviation, as a share of `SPREAD_DECADES` below the largest possible one;
- "power": of its shape (mean 0, standard deviation 1) the square roots of the shares of power in bands of frequency,
  each twice as wide as the one before, and at each of `periods`;
- "steps": the shape's means over `STEPS` parts of the time;
- "cycle": the shape's Fourier coefficient at each of `periods`, as the sine's and the cosine's amplitude;

and of each series its "length" as a share of T, and its attributes ("attribute": one number for each category, the
place in its bounds for a number), which weigh so much that a series votes for one of other attributes only where no
candidate has its own. Shares of the attributes are the sums of all rounds' votes, in which noise averages out.

Left out: variations by a foundation model, as the source has them; votes for several candidates; categorical features.

Letters for shapes: N private series, C candidates, F features, E numbers of the embedding, T steps.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from os import PathLike
from typing import Any

import numpy as np
import torch
import xarray as xr
from tqdm.auto import trange

from dgkit import _checks, _files
from dgkit._checks import whole
from dgkit._plain import check_names
from dgkit._text import at_most
from dgkit.core.accounting import check_delta
from dgkit.core.given import as_given, asked_of
from dgkit.errors import ConfigError, FileFormatError, SchemaError
from dgkit.privacy.releases import (
    KIND,
    Public,
    codes,
    decoded,
    ends_of,
    epsilon_of,
    from_scale,
    mu_for,
    noise_of,
    on_simplex,
    public_schema,
    released,
    standardised,
    to_scale,
    user_epsilon,
    width,
)
from dgkit.schema import Schema, blocks, lengths, slices

Simulator = Callable[[int, int], xr.Dataset]  # (how many, seed)
Vary = Callable[[xr.Dataset, float, int], xr.Dataset]  # (parents, how far, seed)
WEIGHTS = {"level": 12.0, "spread": 6.0, "power": 2.5, "steps": 0.3, "cycle": 2.5, "length": 6.0, "attribute": 50.0}
SPREAD_DECADES, STEPS, NUMBER_BINS = 4, 12, 16
FIRST, LAST = 0.5, 0.04  # how far the first round's children are from their parents, and the last's
LEAST = 4  # candidates of each combination of attributes, where there is room
TOGETHER = 2**18  # numbers worked on together


@dataclass(frozen=True, repr=False)
class PrivateEvolution:
    """A private generator: simulated series, and how many private ones are like each.

    Parameters
    ----------
    schema : Schema
        With the public bounds and categories.
    population : Dataset
        The last round's candidates that have votes left.
    weights : array, (C,)
        Of each, summing to 1, from the noisy votes.
    votes : array, (rounds, C)
        All that was released: the votes of each round, with noise.
    sigma : float
        The noise's standard deviation; one series moves one count of a round by 1. Infinite for an epsilon of 0.
    epsilon, delta : float
        Of all rounds together, for one sample that is there or not.

    Notes
    -----
    Its file holds the population, the weights, epsilon and delta: of the data no more than epsilon covers.

    Examples
    --------
    >>> from dgkit.privacy import declared, evolve
    >>> from dgkit.simulate import web
    >>> public = {**declared(web(30)), "views": (1, 1e7)}
    >>> evolve(web(500), epsilon=0, delta=1e-5, public=public, candidates=100, rounds=2, progress=False)
    <PrivateEvolution: 100 candidates, epsilon 0 at delta 1e-05>
    """

    schema: Schema
    population: xr.Dataset
    weights: np.ndarray
    epsilon: float
    delta: float
    sigma: float = math.inf
    votes: np.ndarray = field(default_factory=lambda: np.zeros((0, 0)))

    def __repr__(self) -> str:
        promise = f"epsilon {at_most(self.epsilon)} at delta {self.delta:g}"
        return f"<PrivateEvolution: {len(self.weights)} candidates, {promise}>"

    def sample(
        self, n: int | None = None, seed: int = 0, *, attributes: xr.Dataset | Mapping[str, Any] | None = None
    ) -> xr.Dataset:
        """Draw series from the population, by their weights and with replacement: some may come twice.

        Parameters
        ----------
        n : int, optional
            How many; default one for each row of `attributes`.
        seed : int
            The same n, seed and attributes give the same series.
        attributes : Dataset or mapping, optional
            Draw for these: from the candidates that agree in as many of them as any. They come back as given.

        Returns
        -------
        Dataset
            Of the schema, with the public bounds and categories.

        Raises
        ------
        ConfigError
            n is missing, below 1, or not the number of rows of `attributes`.
        SchemaError
            `attributes` lacks an attribute or has a category that is not public.
        """
        asked = None
        if attributes is not None:
            asked, rows = asked_of(self.schema, attributes, n)
            n = rows.sizes["sample"]
        n = _checks.many(n, self.schema.time, len(self.schema.features))
        uniform = np.random.default_rng(_checks.seed(seed)).random(n)
        if asked is None:
            return self.population.isel(sample=_drawn(self.weights, uniform))
        theirs, own = (_places(ds, self.schema) for ds in (asked, self.population))
        chosen = np.empty(n, int)
        kinds, kind = np.unique(theirs, axis=0, return_inverse=True)
        for k, wanted in enumerate(kinds):
            agree = (own == wanted).sum(1)
            weights = self.weights * (agree == agree.max())
            chosen[kind.ravel() == k] = _drawn(weights, uniform[kind.ravel() == k])
        return as_given(self.population.isel(sample=chosen), asked)

    def user_epsilon(self, series: int) -> float:
        """The epsilon, at the same delta, for somebody who has so many of the series: more than so many times as much.

        Raises ConfigError for a number below 1.
        """
        return user_epsilon(self.epsilon, self.delta, series)

    def save(self, path: str | PathLike[str]) -> None:
        """Write the population and its weights to one file, which `dgkit.privacy.load` reads."""
        places = _places(self.population, self.schema)
        tensors = {"weights": torch.from_numpy(self.weights), "places": torch.from_numpy(places)}
        for variable in (*self.schema.features, *self.schema.attributes):
            if variable.kind == "continuous":
                values = np.ascontiguousarray(self.population[variable.name].values)
                if variable.role == "feature":
                    values = np.where(_valid(self.population), values, 0)
                tensors[f"values.{variable.name}"] = torch.from_numpy(values)
        if self.schema.variable_length:
            tensors["length"] = torch.from_numpy(lengths(self.population))
        plain = {"way": "evolution", "schema": self.schema.to_json(), "epsilon": self.epsilon, "delta": self.delta}
        _files.write(path, KIND, tensors, plain)


def evolve(
    ds: xr.Dataset,
    *,
    epsilon: float,
    delta: float,
    public: Public,
    simulator: Simulator | None = None,
    vary: Vary | None = None,
    periods: tuple[float, ...] = (7.0,),
    candidates: int = 3000,
    rounds: int = 25,
    seed: int = 0,
    progress: bool = True,
) -> PrivateEvolution:
    """Private Evolution: simulated series that the private ones voted for.

    Parameters
    ----------
    ds : Dataset
        As `dgkit.schema` describes, with numeric features; a series is one sample, and one person's only one.
    epsilon : float
        Of all rounds together; at most 100. 0 uses nothing of the data: what the simulator alone gives.
    delta : float
        Below one over the number of samples.
    public : mapping
        Of every variable what is known without these data, as `privacy.spectrum` takes it.
    simulator : callable, optional
        (n, seed) -> Dataset of n candidates with the features and attributes of `ds`, for as many steps; such as a
        function of `dgkit.simulate` with settings of your own. Default: `anything`, which knows but what is public.
    vary : callable, optional
        (parents, how far from 0 to 1, seed) -> Dataset of as many children. Default: level and spread are moved, and
        the shape is mixed with that of a new candidate of the simulator's.
    periods : tuple of float
        In steps; cycles that the embedding looks at, from public knowledge. () for none.
    candidates : int
        In each round. More of them, fewer votes for each to stand out of the noise: for a small epsilon, or few
        series, take fewer.
    rounds : int
        The noise grows with its square root: for a small epsilon, take fewer.
    seed : int
        Of the simulator and the children; the votes' noise comes from the operating system's entropy.
    progress : bool
        Show a bar of rounds.

    Returns
    -------
    PrivateEvolution
        `sample(n, seed)` draws, also for given attributes; `save(path)` writes the population.

    Raises
    ------
    ConfigError
        `public` lacks a variable; a value out of its range.
    SchemaError
        A categorical feature, a category that is not in `public`, or candidates of another schema.

    Notes
    -----
    Who votes, what is near, and what the noise is for, this function's module says.

    On 10,000 pages of `web`, medians of three seeds or six, with pages of two decades and more noise as the simulator
    (`web(n, seed, decades=2, noise=0.15)`), the autocorrelation's squared error is 0.0010 and values are 0.05 decades
    off at epsilon 2, in 2.5 s; with the simulator alone it is 0.010 and 0.14. At epsilon 0.5 the default's noise is too
    much for the values (0.0016 and 0.11): 8 rounds of 1000 candidates give 0.0018 and 0.06. Real data are in
    the recorded run `private_real`.

    Source
    ------
    Lin et al. 2023, "Differentially private synthetic data via foundation model APIs 1: images"; Lin et al. 2025,
    arXiv 2502.05505, which puts simulators in the place of models.

    Examples
    --------
    >>> from dgkit.privacy import declared
    >>> from dgkit.simulate import web
    >>> pages, public = web(500), {**declared(web(30)), "views": (1, 1e7)}
    >>> model = evolve(pages, epsilon=2.0, delta=1e-5, public=public, candidates=100, rounds=2, progress=False)
    >>> model.sample(3, seed=1).views.shape
    (3, 168)
    """
    schema = public_schema(ds, public)
    for feature in schema.features:
        if feature.kind == "categorical":
            raise SchemaError(
                f"feature {feature.name!r} holds categories, which the embedding has no place for. Leave it out: "
                f"ds.drop_vars({feature.name!r})."
            )
    periods = _periods(periods, schema.time)
    candidates, rounds = whole("candidates", candidates, 10), whole("rounds", rounds)
    mu = mu_for(epsilon, delta)
    check_delta(delta, ds.sizes["sample"])
    seeds = iter(np.random.SeedSequence(_checks.seed(seed)).generate_state(3 * rounds + 1).tolist())
    make = anything(schema, periods) if simulator is None else simulator
    sigma = noise_of(mu / math.sqrt(rounds), {"votes": 1})["votes"]

    private = np.zeros((0, 0), np.float32)
    if mu:
        read = (ds.isel(sample=block).load() for block in blocks(ds))
        few = (one.isel(sample=some) for one in read for some in slices(one.sizes["sample"], TOGETHER // schema.time))
        private = np.concatenate([embedding(one, schema, periods) for one in few])
    population = _candidates(make(candidates, next(seeds)), schema)
    shares, told = _Shares(schema, candidates), []
    for turn in trange(rounds, unit="round", disable=not progress):
        # the votes: all that is seen of the data
        votes = np.zeros(candidates)
        if mu:
            near = nearest(private, embedding(population, schema, periods))
            votes = released(np.bincount(near, minlength=candidates).astype(float), sigma)
        told.append(votes)
        weights = shares.weights(population, votes, sigma if mu else 0.0)
        if turn == rounds - 1:
            continue  # and the bar ends full

        # survivors stay, each once; in the place of the others come children of theirs
        parents = np.sort(shares.parents(population, weights, candidates, next(seeds)))
        again = np.concatenate([[False], parents[1:] == parents[:-1]])
        population = population.isel(sample=parents)
        far, turn_seed = FIRST * (LAST / FIRST) ** (turn / (rounds - 1)), next(seeds)
        if again.any():
            chosen = population.isel(sample=again)
            made = _vary(chosen, far, turn_seed, schema, make) if vary is None else vary(chosen, far, turn_seed)
            population = xr.concat(
                [population.isel(sample=~again), _candidates(made, schema)], "sample", combine_attrs="override"
            )
    alive = weights > 0
    return PrivateEvolution(
        schema,
        population.isel(sample=alive),
        weights[alive],
        epsilon_of(mu, delta),
        float(delta),
        sigma,
        np.array(told),
    )


def opened_evolution(tensors: dict[str, torch.Tensor], plain: Any) -> PrivateEvolution:
    """The model that `save` wrote. Raises FileFormatError and others where it is not a whole one."""
    check_names(plain, ["way", "schema", "epsilon", "delta"], "its JSON")
    schema = Schema.from_json(plain["schema"])
    weights, places = tensors.pop("weights"), tensors.pop("places")
    count = len(weights)
    like: dict[str, torch.Tensor] = {}
    for variable in (*schema.features, *schema.attributes):
        if variable.kind == "continuous":
            shape = (count, schema.time) if variable.role == "feature" else (count,)
            like[f"values.{variable.name}"] = torch.empty(
                shape, dtype=torch.from_numpy(np.empty(0, variable.dtype)).dtype, device="meta"
            )
    if schema.variable_length:
        like["length"] = torch.empty(count, dtype=torch.int64)
    _files.check_tensors(tensors, like)
    told = {"weights": weights, "places": places}
    _files.check_tensors(
        told,
        {
            "weights": torch.empty(count, dtype=torch.float64),
            "places": torch.empty(count, len(schema.attributes), dtype=torch.int64),
        },
    )
    widths = torch.tensor([width(variable, NUMBER_BINS) for variable in schema.attributes], dtype=torch.int64)
    if not count or bool((weights < 0).any()) or not math.isclose(float(weights.sum()), 1, abs_tol=1e-6):
        raise FileFormatError("its weights are no probabilities")
    if bool((places < 0).any()) or bool((places >= widths).any()):
        raise FileFormatError("it has an attribute of no category")
    epsilon, delta = plain["epsilon"], plain["delta"]
    if not (isinstance(epsilon, float) and epsilon >= 0 and isinstance(delta, float) and 0 < delta < 1):
        raise FileFormatError(f"epsilon {epsilon!r:.40} and delta {delta!r:.40} are none")
    values = {key.removeprefix("values."): tensor.numpy() for key, tensor in tensors.items() if key != "length"}
    for k, variable in enumerate(schema.attributes):
        if variable.kind == "categorical":
            values[variable.name] = np.asarray(variable.categories)[places[:, k].numpy()]
    population = schema.dataset(values, tensors["length"].numpy() if schema.variable_length else None)
    _candidates(population, schema)
    return PrivateEvolution(schema, population, weights.numpy(), epsilon, delta)


# --- candidates -----------------------------------------------------------------------------------------------------


def anything(schema: Schema, periods: tuple[float, ...] = ()) -> Simulator:
    """A simulator that knows but what is public: all categories, levels and spreads alike, cycles, and noise of any
    colour.

    Examples
    --------
    >>> from dgkit.privacy.releases import declared, public_schema
    >>> from dgkit.simulate import web
    >>> schema = public_schema(web(30), {**declared(web(30)), "views": (1, 1e7)})
    >>> anything(schema, (7.0,))(5, 0).views.shape
    (5, 168)
    """

    def simulator(n: int, seed: int) -> xr.Dataset:
        rng = np.random.default_rng(seed)
        values = {
            v.name: decoded(rng.integers(0, width(v, NUMBER_BINS), n), v, NUMBER_BINS, rng) for v in schema.attributes
        }
        length = rng.integers(1, schema.time + 1, n)
        valid = np.arange(schema.time) < (length if schema.variable_length else np.full(n, schema.time))[:, None]
        step = np.arange(schema.time)
        for variable in schema.features:
            low, high = ends_of(variable)

            # noise between white and a random walk, as its power falls with frequency
            power = np.fft.rfftfreq(schema.time)[1:] ** -rng.uniform(0, 1.2, (n, 1))
            waves = power * np.exp(2j * np.pi * rng.random(power.shape))
            waves = np.concatenate([np.zeros((n, 1)), waves], 1)
            shape = standardised(np.fft.irfft(waves, schema.time), valid)[2]

            # cycles of the known periods and of one more, with a harmonic
            others = 2.0 ** rng.uniform(1, math.log2(max(schema.time, 3)), n)
            for period in (*(np.full(n, period) for period in periods), others):
                angle = 2 * np.pi * (step / period[:, None] - rng.random((n, 1)))
                wave = np.cos(angle) + rng.random((n, 1)) * np.cos(2 * angle + 2 * np.pi * rng.random((n, 1)))
                shape += rng.uniform(0, 2, (n, 1)) * (rng.random((n, 1)) < 0.7) * wave
            level = rng.uniform(low, high, n)
            spread = (high - low) / 2 * 10 ** -rng.uniform(0, SPREAD_DECADES, n)
            values[variable.name] = from_scale(
                level[:, None] + spread[:, None] * standardised(shape, valid)[2], variable
            )
        return schema.dataset(values, length if schema.variable_length else None)

    return simulator


def _vary(parents: xr.Dataset, far: float, seed: int, schema: Schema, make: Simulator) -> xr.Dataset:
    """Children, each of which differs from its parent in one thing: its level and spread; the shares of power in bands
    of frequency; one of these bands, which becomes that of a new candidate; or its shape with its length, which become
    those of another parent, or where lengths differ of a new candidate. Attributes are kept."""
    n, rng = parents.sizes["sample"], np.random.default_rng(seed)
    fresh = _candidates(make(n, int(rng.integers(2**31))), schema)
    values = {v.name: parents[v.name].values for v in schema.attributes}
    way, others = rng.integers(0, 4 + schema.variable_length, (n, 1)), rng.permutation(n)
    length = np.select([way[:, 0] == 3, way[:, 0] == 4], [lengths(parents)[others], lengths(fresh)], lengths(parents))
    valid = np.arange(schema.time) < length[:, None]
    for variable in schema.features:
        low, high = ends_of(variable)
        level, spread, shape = standardised(_scaled(parents, variable), _valid(parents))
        new_shape = standardised(_scaled(fresh, variable), _valid(fresh))[2]
        moved = far * (way[:, 0] == 0)
        level = level + 0.15 * (high - low) * moved * rng.normal(size=n)
        spread = np.maximum(spread, 1e-6 * (high - low)) * 10 ** (0.5 * moved * rng.normal(size=n))

        # in the Fourier domain: gains of bands, or a band of another's
        own, new = np.fft.rfft(shape), np.fft.rfft(new_shape)
        band = _bands(own.shape[1])
        gains = np.exp(2 * far * rng.normal(size=(n, band[-1] + 1)))[:, band]
        taken = band == rng.integers(0, band[-1] + 1, (n, 1))
        shape = np.where(way == 1, np.fft.irfft(own * gains, schema.time), shape)
        shape = np.where(way == 2, np.fft.irfft(np.where(taken, new, own), schema.time), shape)
        shape = np.select([way == 3, way == 4], [shape[others], new_shape], shape)
        values[variable.name] = from_scale(level[:, None] + spread[:, None] * standardised(shape, valid)[2], variable)
    return schema.dataset(values, length if schema.variable_length else None)


def _bands(frequencies: int) -> np.ndarray:
    """Of each frequency its band, each twice as wide as the one before."""
    band: np.ndarray = np.floor(np.log2(np.maximum(np.arange(frequencies), 1))).astype(int)
    return band


def _candidates(made: Any, schema: Schema) -> xr.Dataset:
    """What a simulator made, in the schema's own form; SchemaError where it lacks something."""
    if not isinstance(made, xr.Dataset) or made.sizes.get("time") != schema.time:
        raise SchemaError(f"the simulator must return a Dataset of {schema.time} steps, as the data have.")
    needed = [v.name for v in (*schema.features, *schema.attributes)] + ["length"] * schema.variable_length
    if missing := [name for name in needed if name not in made]:
        raise SchemaError(f"the simulator's candidates lack {missing[0]!r}.")
    values: dict[str, np.ndarray] = {}
    for variable in schema.attributes:
        codes(np.asarray(made[variable.name].values), variable, NUMBER_BINS)  # raises for an unknown category
        values[variable.name] = made[variable.name].values
    for variable in schema.features:
        raw = made[variable.name].transpose("sample", "time").values.astype(np.float64)
        raw = np.where(_valid(made), raw, variable.attrs["valid_min"])
        values[variable.name] = np.clip(np.nan_to_num(raw), variable.attrs["valid_min"], variable.attrs["valid_max"])
    return schema.dataset(values, lengths(made) if schema.variable_length else None)


# --- votes ----------------------------------------------------------------------------------------------------------


def embedding(ds: xr.Dataset, schema: Schema, periods: tuple[float, ...]) -> np.ndarray:
    """Each series as numbers, (N, E) float32, that are nearer to each other the more alike two series are.

    Examples
    --------
    >>> from dgkit.privacy.releases import declared, public_schema
    >>> from dgkit.simulate import web
    >>> schema = public_schema(web(30), {**declared(web(30)), "views": (1, 1e7)})
    >>> len(embedding(web(5), schema, (7.0,)))
    5
    """
    valid, length, steps = _valid(ds), lengths(ds), schema.time
    parts: list[np.ndarray] = []
    for variable in schema.features:
        low, high = ends_of(variable)
        level, spread, shape = standardised(_scaled(ds, variable), valid)
        relative = np.log10(np.maximum(spread / ((high - low) / 2), 10.0**-SPREAD_DECADES)) / SPREAD_DECADES
        unit = shape / np.sqrt(length)[:, None]  # (N, T), norm 1
        power = np.abs(np.fft.rfft(unit)) ** 2 * 2 / steps
        band = _bands(power.shape[1])
        bands = power @ (band[:, None] == np.arange(band[-1] + 1))  # (N, bands)
        angle = 2 * np.pi * np.outer(np.arange(steps), 1 / np.array(periods, float).reshape(-1))
        waves = unit @ np.concatenate([np.cos(angle), np.sin(angle)], 1) * math.sqrt(2 / steps)  # (N, 2 P)
        at = np.sqrt(waves[:, : len(periods)] ** 2 + waves[:, len(periods) :] ** 2)
        blocks = np.arange(steps) * min(STEPS, steps) // steps
        means = unit @ (blocks[:, None] == np.arange(min(STEPS, steps))) * math.sqrt(min(STEPS, steps) / steps)
        parts += [
            WEIGHTS["level"] * ((level - low) / (high - low))[:, None],
            WEIGHTS["spread"] * relative[:, None],
            WEIGHTS["power"] * np.sqrt(bands),
            WEIGHTS["power"] * at,
            WEIGHTS["steps"] * means,
            WEIGHTS["cycle"] * waves,
        ]
    if schema.variable_length:
        parts.append(WEIGHTS["length"] * (length / steps)[:, None])
    for variable, place in zip(schema.attributes, _places(ds, schema).T, strict=True):
        if variable.kind == "categorical":
            parts.append(WEIGHTS["attribute"] * np.eye(len(variable.categories))[place])
        else:
            parts.append(WEIGHTS["level"] * (place / NUMBER_BINS)[:, None])
    return np.concatenate(parts, 1).astype(np.float32)


def nearest(ours: np.ndarray, theirs: np.ndarray) -> np.ndarray:
    """The row of (C, E) that is nearest to each of (N, E); the first of those that are equally near."""
    half = (theirs**2).sum(1) / 2
    step = max(1, TOGETHER // len(theirs))
    rows = [(half - ours[start : start + step] @ theirs.T).argmin(1) for start in range(0, len(ours), step)]
    return np.concatenate(rows)


class _Shares:
    """What the votes of all rounds so far say of the combinations of attributes, and of each candidate."""

    def __init__(self, schema: Schema, candidates: int):
        self.schema = schema
        self.cells = math.prod(width(v, NUMBER_BINS) for v in schema.attributes if v.kind == "categorical")
        self.together = LEAST * self.cells <= candidates  # else the votes of each candidate have to say it all
        self.cells = self.cells if self.together else 1
        self.sums, self.precision = np.zeros(self.cells), np.zeros(self.cells)

    def cell(self, population: xr.Dataset) -> np.ndarray:
        cell = np.zeros(population.sizes["sample"], int)
        for v, place in zip(self.schema.attributes, _places(population, self.schema).T, strict=True):
            if v.kind == "categorical" and self.together:
                cell = cell * width(v, NUMBER_BINS) + place
        return cell

    def weights(self, population: xr.Dataset, votes: np.ndarray, sigma: float) -> np.ndarray:
        cell = self.cell(population)
        size = np.bincount(cell, minlength=self.cells)
        if not sigma:
            return np.full(len(votes), 1 / len(votes))

        # a combination's votes: of all rounds, each counting by its noise
        self.sums += np.where(size, np.bincount(cell, votes, self.cells) / np.maximum(size, 1), 0)
        self.precision += np.where(size, 1 / np.maximum(size, 1), 0)
        total = np.where(self.precision > 0, self.sums / np.maximum(self.precision, 1e-12), 0)
        share = on_simplex(total, max(total.sum(), 1.0))

        # and within it: what is left of each candidate's when noise is taken off
        within = np.zeros(len(votes))
        for k in np.flatnonzero(share):
            own = cell == k
            if own.any():
                within[own] = share[k] * on_simplex(votes[own], max(votes[own].sum(), 1.0)) / max(votes[own].sum(), 1.0)
        return within / within.sum()

    def parents(self, population: xr.Dataset, weights: np.ndarray, count: int, seed: int) -> np.ndarray:
        """The next round's: by weight, and a few of each combination of attributes that there is."""
        rng, chosen, cell = np.random.default_rng(seed), [], self.cell(population)
        if self.together:
            for k in np.unique(cell):
                own = np.flatnonzero(cell == k)
                mass = weights[own] if weights[own].sum() > 0 else np.ones(len(own))
                chosen.append(own[_drawn(mass, (np.arange(LEAST) + rng.random()) / LEAST)])
        rest = count - sum(map(len, chosen))
        chosen.append(_drawn(weights, (np.arange(rest) + rng.random()) / max(rest, 1)))
        return np.concatenate(chosen)


# --- parts ----------------------------------------------------------------------------------------------------------


def _drawn(weights: np.ndarray, uniform: np.ndarray) -> np.ndarray:
    edges = weights.cumsum()
    return np.minimum(np.searchsorted(edges, uniform * edges[-1], side="right"), len(weights) - 1)


def _valid(ds: xr.Dataset) -> np.ndarray:
    return np.arange(ds.sizes["time"]) < lengths(ds)[:, None]


def _scaled(ds: xr.Dataset, variable: Any) -> np.ndarray:
    raw = ds[variable.name].transpose("sample", "time").values
    return to_scale(np.where(_valid(ds), raw, variable.attrs["valid_min"]), variable)


def _places(ds: xr.Dataset, schema: Schema) -> np.ndarray:
    """Which category, or which part of the bounds, each attribute is in, (N, attributes)."""
    for variable in schema.attributes:
        if variable.name not in ds:
            raise SchemaError(f"attribute {variable.name!r} is missing; the population has it.")
    columns = [codes(np.asarray(ds[v.name].values), v, NUMBER_BINS) for v in schema.attributes]
    return np.stack(columns, 1) if columns else np.zeros((ds.sizes["sample"], 0), int)


def _periods(periods: Any, steps: int) -> tuple[float, ...]:
    try:
        told = tuple(float(period) for period in periods)
    except (TypeError, ValueError):
        told = (math.nan,)
    if not all(2 <= period < math.inf for period in told):
        raise ConfigError(f"periods={periods!r} must be numbers of steps, 2 or more each; () for none.")
    return told
