"""A private generator without training: a few statistics with noise, and series made of them. No network, one second.

A series is its level (mean), its spread (standard deviation) and its shape z (mean 0, standard deviation 1), in decades
where attrs say scale="log". What is released is sums over the samples; one sample adds to each a vector of norm at most
1, whatever it holds, so that with it or without it no release moves by more:

- "attributes": 1 in the cell of its attributes. Norm 1. Where all combinations are more than `CELLS`: for each
  attribute outside `by` a table of it and the group, 1 / sqrt(tables) in each. Norm 1.
- "levels": for each of F features, 1 / sqrt(F) in the cell of its group and level. Norm 1. Groups are the categories of
  the attributes in `by`; levels are equal parts of the public bounds.
- "spreads": the same of the logarithm of its spread. A spread is at most half the range of the bounds.
- "power": its unit vector is v = (z_1, ..., z_F) / sqrt(F L), zero past its end at L steps, of norm 1 (less where a
  feature is constant). Of v's Fourier coefficients V_k (M of them; F numbers each) the matrices V_k V_k^H / M. Their
  norms are |V_k|^2 / M, and these sum to |v|^2 <= 1 (Parseval); a norm is at most the sum of the norms of its parts.
  M = T where all series have full length, else 2 T, so that they do not wrap around.
- "profile": v itself, in the place of its group: where phases agree, they stay. Norm at most 1.
- "lengths", where they differ: 1 in the cell of its group and length. Norm 1.
- "ranks", by choice: for each feature, the histogram of z's values, 1 / (L sqrt(F)) a step. Parts are not negative and
  sum to 1 / sqrt(F) a feature, so norm at most 1.
- "rises", by choice: for each feature, 1 / sqrt(F) in the cell of its largest rise from a step to the next. Norm 1.

All else is computed from these: numbers that noise made negative are cut, profiles kept where they exceed their own
noise, power smoothed where it does not. A new series is the profile of its group and a Gaussian process of the power
that is left, with a level and a spread of its group.

`DEFAULT` is the split. On `web` (10,000 pages, means of 8 seeds, shares of "levels" 1, 2, 4 and 8 to 1 of each other)
values are 0.065, 0.060, 0.051, 0.051 decades off at epsilon 0.5, where seeds scatter by 0.015, and 0.027, 0.025, 0.027,
0.027 at 2: levels have the most cells, and values hang on them. The autocorrelation's error is 0.0010 to 0.0016
whatever the split, and a share of 3 for "power" or "profile" costs values 0.016 decades at 0.5. So levels have two
shares, all others one.

Left out: categorical features; levels of several features that go together within a group; a spectrum or a spread for
each level; bursts that come together with anything else; exact zeros as an event of their own.

Letters for shapes: N samples, T steps, F features, G groups, M points of the transform, K = M // 2 + 1 frequencies.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from os import PathLike
from typing import Any

import numpy as np
import torch
import xarray as xr

from dgkit import _checks, _files
from dgkit._checks import shown
from dgkit._plain import check_names, made
from dgkit._text import at_most
from dgkit.core.accounting import check_delta
from dgkit.core.given import as_given, asked_of
from dgkit.errors import ConfigError, FileFormatError, SchemaError
from dgkit.privacy.releases import (
    KIND,
    Public,
    checked_split,
    codes,
    decoded,
    ends_of,
    epsilon_of,
    from_scale,
    mu_for,
    noise_of,
    on_simplex,
    places,
    public_schema,
    released,
    standardised,
    to_scale,
    user_epsilon,
    width,
)
from dgkit.schema import Schema, Variable, joined, lengths

DEFAULT = {"attributes": 1, "levels": 2, "spreads": 1, "power": 1, "profile": 1, "lengths": 1, "ranks": 1, "rises": 1}
CELLS = 256  # combinations of attributes released together, at most
GROUPS = 64
NUMBER_BINS, LEVELS, SPREADS, LENGTHS, RANKS, RISES = 16, 32, 24, 64, 64, 32
SPREAD_DECADES = 4  # below the largest possible spread; what is less is in the lowest part
FARTHEST = 6.0  # of z, in the histogram of ranks
RISE_ENDS = (-1.0, 1.6)  # log10 of the largest rise, in units of the spread
SINGLE = 9  # frequencies that are never smoothed: they hold trends and long cycles
DECAY = 3.0  # steps, of a burst that is put in for a rise
ADDED, DRAWN = 2**18, 2**19  # numbers worked on together


@dataclass(frozen=True)
class Layout:
    """What is released, and in which cells; all of it follows from what is public."""

    schema: Schema
    by: tuple[str, ...]
    releases: tuple[str, ...]

    @property
    def steps(self) -> int:
        return self.schema.time

    @property
    def points(self) -> int:
        """M."""
        return 2 * self.steps if self.schema.variable_length else self.steps

    @property
    def grouping(self) -> list[Variable]:
        return [variable for variable in self.schema.attributes if variable.name in self.by]

    @property
    def others(self) -> list[Variable]:
        return [variable for variable in self.schema.attributes if variable.name not in self.by]

    @property
    def groups(self) -> int:
        """G."""
        return math.prod(map(_width, self.grouping))

    @property
    def together(self) -> bool:
        """Whether all combinations of attributes are released."""
        return self.groups * math.prod(map(_width, self.others)) <= CELLS

    @property
    def length_cells(self) -> int:
        return min(self.steps, LENGTHS)

    def shape(self, release: str) -> tuple[int, ...]:
        features, groups = len(self.schema.features), self.groups
        if release == "attributes":
            sizes = [_width(variable) for variable in self.others]
            return (groups, math.prod(sizes)) if self.together else (groups, sum(sizes))
        return {
            "levels": (features, groups, LEVELS),
            "spreads": (features, groups, SPREADS),
            "power": (self.points // 2 + 1, features, features),
            "profile": (groups, features, self.steps),
            "lengths": (groups, self.length_cells),
            "ranks": (features, RANKS),
            "rises": (features, RISES),
        }[release]


def _width(variable: Variable) -> int:
    return width(variable, NUMBER_BINS)


def spectrum(
    ds: xr.Dataset,
    *,
    epsilon: float,
    delta: float,
    public: Public,
    by: str | tuple[str, ...] | None = None,
    ranks: bool = False,
    rises: bool = False,
    split: Mapping[str, float] | None = None,
) -> "PrivateSpectrum":
    """A private generator from a few noisy statistics, without training.

    Parameters
    ----------
    ds : Dataset
        As `dgkit.schema` describes, with numeric features; a series is one sample, and one person's only one.
    epsilon : float
        Of all releases together; at most 100. 0 uses nothing of the data: what public knowledge alone gives.
    delta : float
        Below one over the number of samples.
    public : mapping
        Of every variable what is known without these data: (lowest, highest) of a number, a list of all categories
        else (booleans need none). `privacy.declared(ds)` takes what the attrs say. Values outside the bounds count as
        the bound.
    by : str or tuple of str, optional
        Categorical attributes by whose combinations levels, spreads, lengths and profiles are released. Default: the
        first with at most 64 categories, or none; () for none.
    ranks : bool
        Release also how the values of a series are distributed about its level: heavy tails.
    rises : bool
        Release also how large the largest rise of a series is; bursts are put in that make as large ones.
    split : mapping, optional
        Shares of the budget (of mu^2) by release, relative to each other; default `DEFAULT` of this module.

    Returns
    -------
    PrivateSpectrum
        `sample(n, seed)` generates, also for given attributes; `save(path)` writes a small file (15 kB for `web`).

    Raises
    ------
    ConfigError
        `public` lacks a variable; a value out of its range; more than 64 groups.
    SchemaError
        A categorical feature; a category that is not in `public`.

    Notes
    -----
    What one sample can move, what is public, and what a generated series is, the modules `spectrum` and `releases` say.
    The noise comes from the operating system's entropy: two calls give two models.

    The split matters little where N is large: halving a share makes that release's noise 1.4 times as large. Errors of
    the autocorrelation come from "power" and "profile", those of values from "levels" and "spreads".

    Source
    ------
    Dwork et al. 2006 and Balle and Wang 2018 (the mechanism); Theiler et al. 1992 (series of random phases).

    Examples
    --------
    >>> from dgkit.privacy import declared
    >>> from dgkit.simulate import web
    >>> pages = web(500)
    >>> model = spectrum(pages, epsilon=2.0, delta=1e-5, public={**declared(pages), "views": (1, 1e7)})
    >>> model.sample(3, seed=1).views.shape
    (3, 168)
    """
    layout = _layout(public_schema(ds, public), by, ranks, rises)
    shares = checked_split(split, {name: DEFAULT[name] for name in layout.releases})
    mu = mu_for(epsilon, delta)
    check_delta(delta, ds.sizes["sample"])
    sigma = noise_of(mu, shares)
    sums = totals(ds, layout) if mu else {name: np.zeros(layout.shape(name)) for name in layout.releases}
    noisy = {name: released(sums[name], sigma[name]) for name in layout.releases}
    return PrivateSpectrum(layout, noisy, sigma if mu else {}, epsilon_of(mu, delta), float(delta))


def _layout(schema: Schema, by: str | tuple[str, ...] | None, ranks: bool, rises: bool) -> Layout:
    for feature in schema.features:
        if feature.kind == "categorical":
            raise SchemaError(
                f"feature {feature.name!r} holds categories, which have no spectrum. Leave it out: "
                f"ds.drop_vars({feature.name!r})."
            )
    fit = [v.name for v in schema.attributes if v.kind == "categorical" and len(v.categories) <= GROUPS]
    asked = fit[:1] if by is None else [by] if isinstance(by, str) else _checks.several("by", by)
    chosen = tuple(dict.fromkeys(asked))  # each once
    known = {variable.name: variable for variable in schema.attributes}
    for name in chosen:
        if name not in known or known[name].kind != "categorical":
            raise ConfigError(f"by={shown(by)}: {name!r} is no categorical attribute; these are {', '.join(fit)}.")
    variable_length = ("lengths",) * schema.variable_length
    by_choice = ("ranks",) * bool(ranks) + ("rises",) * bool(rises)
    releases = ("attributes", "levels", "spreads", "power", "profile", *variable_length, *by_choice)
    layout = Layout(schema, chosen, releases)
    if layout.groups > GROUPS:
        raise ConfigError(f"by={shown(by)} makes {layout.groups} groups; {GROUPS} are the most. Name fewer attributes.")
    return layout


# --- what is released -----------------------------------------------------------------------------------------------


def totals(ds: xr.Dataset, layout: Layout) -> dict[str, np.ndarray]:
    """The sums over the samples, without noise: what one sample adds to each has a norm of at most 1."""
    sums = {name: np.zeros(layout.shape(name)) for name in layout.releases}
    n, step = ds.sizes["sample"], max(1, ADDED // (layout.points * len(layout.schema.features)))
    names = [variable.name for variable in (*layout.schema.features, *layout.schema.attributes)]
    own = ds[names + ["length"] * layout.schema.variable_length]
    for start in range(0, n, step):
        _add(sums, own.isel(sample=slice(start, start + step)).load(), layout)
    return sums


def _add(sums: dict[str, np.ndarray], ds: xr.Dataset, layout: Layout) -> None:
    features, length = layout.schema.features, lengths(ds)
    count, share = len(features), 1 / math.sqrt(len(features))
    place = {v.name: codes(np.asarray(ds[v.name].values), v, NUMBER_BINS) for v in layout.schema.attributes}
    group = _joint(place, layout.grouping, len(length))  # (N,)

    # 1 in the cell of the attributes
    if layout.together:
        np.add.at(sums["attributes"], (group, _joint(place, layout.others, len(length))), 1)
    else:
        first = 0
        for variable in layout.others:
            np.add.at(sums["attributes"], (group, first + place[variable.name]), 1 / math.sqrt(len(layout.others)))
            first += _width(variable)
    if "lengths" in sums:
        np.add.at(sums["lengths"], (group, places(length - 0.5, 0, layout.steps, layout.length_cells)), 1)

    # each series as level, spread and shape
    valid = np.arange(layout.steps) < length[:, None]  # (N, T)
    unit = np.zeros((len(length), count, layout.steps))  # (N, F, T)
    for f, variable in enumerate(features):
        low, high = ends_of(variable)
        raw = ds[variable.name].transpose("sample", "time").values
        level, spread, shape = standardised(
            to_scale(np.where(valid, raw, variable.attrs["valid_min"]), variable), valid
        )
        unit[:, f] = shape * share / np.sqrt(length)[:, None]
        np.add.at(sums["levels"][f], (group, places(level, low, high, LEVELS)), share)
        np.add.at(sums["spreads"][f], (group, _spread_place(spread, high - low)), share)
        if "ranks" in sums:
            row, _ = valid.nonzero()
            np.add.at(sums["ranks"][f], places(shape[valid], -FARTHEST, FARTHEST, RANKS), share / length[row])
        if "rises" in sums:
            np.add.at(sums["rises"][f], places(_log_rise(shape, valid), *RISE_ENDS, RISES), share)

    # its power and its phases
    coefficients = np.fft.rfft(unit, layout.points)  # (N, F, K)
    cross = np.einsum("nfk,ngk->kfg", coefficients, coefficients.conj())
    sums["power"] += _packed(cross * (_sides(layout.points) / layout.points)[:, None, None])
    sums["profile"] += (np.eye(layout.groups)[group].T @ unit.reshape(len(unit), -1)).reshape(sums["profile"].shape)


def _joint(place: Mapping[str, np.ndarray], variables: list[Variable], n: int) -> np.ndarray:
    """The number of the cell of several attributes."""
    cell = np.zeros(n, int)
    for variable in variables:
        cell = cell * _width(variable) + place[variable.name]
    return cell


def _spread_place(spread: np.ndarray, span: float) -> np.ndarray:
    relative = np.log10(np.maximum(spread / (span / 2), 1e-300))
    return places(relative, -SPREAD_DECADES, 0, SPREADS)


def _log_rise(shape: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """log10 of the largest rise from a step to the next, of shapes."""
    rises = np.diff(shape, axis=1) * valid[:, 1:]
    return np.log10(np.maximum(rises.max(1, initial=0.0), 1e-300))


def _sides(points: int) -> np.ndarray:
    """How many of M coefficients each of K stands for."""
    twice = np.full(points // 2 + 1, 2.0)
    twice[0] = 1
    if points % 2 == 0:
        twice[-1] = 1
    return twice


def _packed(cross: np.ndarray) -> np.ndarray:
    """Hermitian matrices (K, F, F) as real ones of the same norm: sqrt(2) times the real parts above, the imaginary
    parts below the diagonal."""
    root = math.sqrt(2)
    above, below = np.triu(cross.real, 1), np.tril(cross.imag, -1)
    diagonal = np.einsum("kff->kf", cross.real)[..., None] * np.eye(cross.shape[1])
    packed: np.ndarray = diagonal + root * (above + below)
    return packed


def _unpacked(packed: np.ndarray) -> np.ndarray:
    root = math.sqrt(2)
    diagonal = np.einsum("kff->kf", packed)[..., None] * np.eye(packed.shape[1])
    above, below = np.triu(packed, 1) / root, np.tril(packed, -1) / root
    half = above - 1j * below.swapaxes(1, 2)  # above the diagonal: imaginary parts are minus those below
    return diagonal + half + half.conj().swapaxes(1, 2)


# --- what is made of it ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, repr=False)
class PrivateSpectrum:
    """A private generator: noisy statistics of a dataset, and what follows from them.

    Parameters
    ----------
    layout : Layout
        What is public: the schema with bounds and categories, the groups, the releases.
    releases : dict of array
        The sums with noise, by release; float32.
    sigma : dict of float
        The noise's standard deviation, by release; one sample moves a release by at most 1. Empty for an epsilon of 0.
    epsilon, delta : float
        Of all releases together, for one sample that is there or not.

    Notes
    -----
    Its file holds these and nothing else, so that it says of the data no more than epsilon covers.

    Examples
    --------
    >>> from dgkit.privacy import declared, spectrum
    >>> from dgkit.simulate import web
    >>> public = {**declared(web(30)), "views": (1, 1e7)}
    >>> spectrum(web(500), epsilon=2.0, delta=1e-5, public=public, by="agent")
    <PrivateSpectrum: epsilon 2 at delta 1e-05>
    releases attributes, levels, spreads, power, profile, by agent
    features views over 168 steps; attributes domain, access, agent
    """

    layout: Layout
    releases: dict[str, np.ndarray]
    sigma: dict[str, float]
    epsilon: float
    delta: float

    def __repr__(self) -> str:
        schema = self.layout.schema
        features = ", ".join(variable.name for variable in schema.features)
        attributes = ", ".join(variable.name for variable in schema.attributes) or "none"
        by = f", by {', '.join(self.layout.by)}" if self.layout.by else ""
        return (
            f"<PrivateSpectrum: epsilon {at_most(self.epsilon)} at delta {self.delta:g}>\n"
            f"releases {', '.join(self.layout.releases)}{by}\n"
            f"features {features} over {schema.time} steps; attributes {attributes}"
        )

    def sample(
        self, n: int | None = None, seed: int = 0, *, attributes: xr.Dataset | Mapping[str, Any] | None = None
    ) -> xr.Dataset:
        """Generate series.

        Parameters
        ----------
        n : int, optional
            How many; default one for each row of `attributes`.
        seed : int
            The same n, seed and attributes give the same series.
        attributes : Dataset or mapping, optional
            Generate for these: a Dataset's rows, or one value of every attribute, for n series. They come back as
            they were given.

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
        schema, asked = self.layout.schema, None
        if attributes is not None:
            asked, rows = asked_of(schema, attributes, n)
            n = rows.sizes["sample"]
            for variable in schema.attributes:
                if variable.name not in asked:
                    raise SchemaError(f"attribute {variable.name!r} is missing; it was released with the others.")
        n = _checks.many(n, schema.time, len(schema.features))
        rng, form = np.random.default_rng(_checks.seed(seed)), _Form.of(self)

        def parts() -> Iterator[xr.Dataset]:
            step = max(1, DRAWN // (self.layout.points * len(schema.features)))
            for start in range(0, n, step):
                size = min(step, n - start)
                yield form.draw(size, rng, None if asked is None else asked.isel(sample=slice(start, start + size)))

        return as_given(joined(parts(), n), asked)

    def user_epsilon(self, series: int) -> float:
        """The epsilon, at the same delta, for somebody who has so many of the series: more than so many times as much.

        Raises ConfigError for a number below 1.
        """
        return user_epsilon(self.epsilon, self.delta, series)

    def save(self, path: str | PathLike[str]) -> None:
        """Write the releases, with their noise, and what is public to one file, which `dgkit.privacy.load` reads."""
        plain = {
            "way": "spectrum",
            "schema": self.layout.schema.to_json(),
            "by": list(self.layout.by),
            "releases": list(self.layout.releases),
            "sigma": self.sigma,
            "epsilon": self.epsilon,
            "delta": self.delta,
        }
        _files.write(path, KIND, {name: torch.from_numpy(array) for name, array in self.releases.items()}, plain)


def opened_spectrum(tensors: dict[str, torch.Tensor], plain: Any) -> PrivateSpectrum:
    """The model that `save` wrote. Raises FileFormatError and others where it is not a whole one."""
    check_names(plain, ["way", "schema", "by", "releases", "sigma", "epsilon", "delta"], "its JSON")
    schema = Schema.from_json(plain["schema"])
    names = [variable.name for variable in schema.attributes]
    by, releases = (made(_Names, {"names": plain[key]}, key).names for key in ("by", "releases"))
    if not set(by) <= set(names) or len(set(by)) != len(by):
        raise FileFormatError("it is by attributes that it does not have")
    if {variable.kind for variable in schema.features} != {"continuous"}:
        raise FileFormatError("it has a feature that is no number")
    layout = _layout(schema, by, "ranks" in releases, "rises" in releases)
    if layout.releases != releases:
        raise FileFormatError(f"its releases are {', '.join(releases):.80}")
    for variable in (*schema.features, *schema.attributes):
        if variable.kind == "continuous":
            low, high = ends_of(variable)
            if not -1e300 < low < high < 1e300:
                raise FileFormatError(f"{variable.name!r} has no bounds")
    like = {name: torch.empty(layout.shape(name), dtype=torch.float32, device="meta") for name in releases}
    _files.check_tensors(tensors, like)
    told = made(_Told, {key: plain[key] for key in ("sigma", "epsilon", "delta")}, "its JSON")
    if (told.sigma and set(told.sigma) != set(releases)) or not all(s > 0 for s in told.sigma.values()):
        raise FileFormatError("its noise is not that of its releases")
    arrays = {name: tensors[name].numpy() for name in releases}
    return PrivateSpectrum(layout, arrays, told.sigma, told.epsilon, told.delta)


@dataclass(frozen=True)
class _Names:
    names: tuple[str, ...]


@dataclass(frozen=True)
class _Told:
    sigma: dict[str, float]
    epsilon: float
    delta: float


@dataclass(frozen=True)
class _Form:
    """Probabilities and spectra that follow from the releases."""

    layout: Layout
    cells: np.ndarray  # (G, cells of the other attributes), or (G,) where these are drawn one by one
    tables: list[np.ndarray]  # of each other attribute (G, width), where they are drawn one by one
    levels: np.ndarray  # (F, G, LEVELS), probabilities in a group; so are the following
    spreads: np.ndarray
    lengths: np.ndarray | None  # (G, cells)
    profile: np.ndarray  # (G, F, T), in units of the spread
    root: np.ndarray  # (K, F, F), the square root of the power that is left, for `irfft`
    quantiles: np.ndarray | None  # (F, RANKS + 1), the share of z below each edge
    rises: np.ndarray | None  # (F, RISES)

    @classmethod
    def of(cls, model: PrivateSpectrum) -> "_Form":
        layout = model.layout
        noisy = {name: array.astype(np.float64) for name, array in model.releases.items()}
        count = len(layout.schema.features)
        sigma = model.sigma or dict.fromkeys(layout.releases, 0.0)
        variances = {name: sigma[name] ** 2 for name in sigma}

        # how many samples there are, by what each release says of it; and in each group
        scale = {"levels": math.sqrt(count), "spreads": math.sqrt(count), "attributes": _repeats(layout)}
        told = [
            (noisy[name].sum() * s / (count if name != "attributes" else s * s), noisy[name].size * variances[name])
            for name, s in scale.items()
        ]
        weights = np.array([1 / (variance or 1) for _, variance in told])
        n = max(float(weights @ [value for value, _ in told] / weights.sum()), 1.0)
        table = noisy["attributes"] * _repeats(layout)
        if layout.together:
            cells, tables = on_simplex(table, n), []
            by_group = cells.sum(1)
        else:
            widths = np.cumsum([_width(variable) for variable in layout.others])[:-1]
            tables = np.split(table, widths, 1)
            by_group = on_simplex(np.mean([one.sum(1) for one in tables], 0), n)
            tables = [_conditional(one, by_group, sigma["attributes"] * _repeats(layout)) for one in tables]
            cells = by_group
        shares = by_group / by_group.sum()

        # histograms in each group
        root = math.sqrt(count)
        levels, spreads = (
            np.stack([_conditional(one * root, by_group, sigma[name] * root) for one in noisy[name]])
            for name in ("levels", "spreads")
        )
        ends = _conditional(noisy["lengths"], by_group, sigma["lengths"]) if "lengths" in noisy else None

        # what agrees in phase, and the power that is left
        profile = _profile(
            noisy["profile"] * math.sqrt(count), by_group, ends, sigma["profile"] * math.sqrt(count), layout
        )
        left = _left(_unpacked(noisy["power"]) / n, profile, shares, ends, sigma["power"] / n, layout)

        quantiles = rises = None
        if "ranks" in noisy:
            density = np.stack([on_simplex(one * root / n) for one in noisy["ranks"]])
            quantiles = np.concatenate([np.zeros((count, 1)), density.cumsum(1)], 1)
        if "rises" in noisy:
            rises = np.stack([on_simplex(one * root / n) for one in noisy["rises"]])
        return cls(layout, cells, tables, levels, spreads, ends, profile, left, quantiles, rises)

    def draw(self, n: int, rng: np.random.Generator, asked: xr.Dataset | None) -> xr.Dataset:
        layout, schema = self.layout, self.layout.schema
        values: dict[str, np.ndarray] = {}

        # attributes and the group
        if asked is None:
            place = self._attributes(n, rng)
            values |= {v.name: decoded(place[v.name], v, NUMBER_BINS, rng) for v in schema.attributes}
        else:
            place = {v.name: codes(np.asarray(asked[v.name].values), v, NUMBER_BINS) for v in schema.attributes}
            values |= {v.name: asked[v.name].values for v in schema.attributes}
        group = _joint(place, layout.grouping, n)

        # length
        length = np.full(n, layout.steps)
        if self.lengths is not None:
            cell = (_drawn(self.lengths[group], rng) + rng.random(n)) / layout.length_cells * layout.steps
            length = np.clip(np.floor(cell).astype(int) + 1, 1, layout.steps)
        valid = np.arange(layout.steps) < length[:, None]

        # shape: the group's profile and a Gaussian process
        noise = rng.normal(size=(2, n, *self.root.shape[:2]))  # (2, n, K, F)
        white = (noise[0] + 1j * noise[1]) / math.sqrt(2)
        ends = [0, -1] if layout.points % 2 == 0 else [0]
        white[:, ends] = white[:, ends].real * math.sqrt(2)
        process = np.fft.irfft(np.einsum("kfg,nkg->nfk", self.root, white), layout.points)[..., : layout.steps]
        shapes = self.profile[group] + process  # (n, F, T)

        for f, variable in enumerate(schema.features):
            low, high = ends_of(variable)
            _, _, shape = standardised(shapes[:, f], valid)
            if self.quantiles is not None:
                shape = standardised(_reshaped(shape, self.quantiles[f]), valid)[2]
            if self.rises is not None:
                shape = standardised(_burst(shape, valid, self.rises[f], rng), valid)[2]
            level = low + (_drawn(self.levels[f][group], rng) + rng.random(n)) / LEVELS * (high - low)
            decades = ((_drawn(self.spreads[f][group], rng) + rng.random(n)) / SPREADS - 1) * SPREAD_DECADES
            spread = (high - low) / 2 * 10**decades
            values[variable.name] = from_scale(level[:, None] + spread[:, None] * shape, variable)
        return schema.dataset(values, length if schema.variable_length else None)

    def _attributes(self, n: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
        layout = self.layout
        cell = _drawn(np.broadcast_to(self.cells.ravel() / self.cells.sum(), (n, self.cells.size)), rng)
        place: dict[str, np.ndarray] = {}
        rest = list(layout.grouping)
        if layout.together:
            rest += layout.others
        group = cell // (self.cells.size // layout.groups)
        for variable in rest[::-1]:
            cell, place[variable.name] = np.divmod(cell, _width(variable))
        for variable, table in zip(layout.others, self.tables, strict=False):
            place[variable.name] = _drawn(table[group], rng)
        return place


def _repeats(layout: Layout) -> float:
    """1 over what a sample adds to one of its cells of the attributes."""
    return 1.0 if layout.together else math.sqrt(len(layout.others))


def _conditional(table: np.ndarray, by_group: np.ndarray, sigma: float) -> np.ndarray:
    """Probabilities in each group, (G, B), of counts with noise: what is below twice its noise counts for none, and
    where a group is not much more than noise, all groups count."""
    sums = table.sum(0)
    overall = on_simplex(np.where(sums > 2 * sigma * math.sqrt(len(table)), sums, 0))
    rows = sigma * math.sqrt(table.shape[1]) * overall + np.full(table.shape, 1e-9)
    for row, counts, total in zip(rows, table, by_group, strict=True):
        kept = np.where(counts > 2 * sigma, counts, 0)
        if kept.any():
            row += on_simplex(kept, max(total, 0))
    shares: np.ndarray = rows / rows.sum(1, keepdims=True)
    return shares


def _drawn(shares: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A cell of each row's probabilities."""
    edges = shares.cumsum(1)
    return np.minimum((rng.random(len(shares))[:, None] * edges[:, -1:] >= edges).sum(1), shares.shape[1] - 1)


def _alive(lengths_of: np.ndarray, layout: Layout) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """For each length that a cell stands for: its probability by group, and the unit window 1 / sqrt(L) up to L."""
    for cell, share in enumerate(lengths_of.T):
        length = max(1, round((cell + 1) / layout.length_cells * layout.steps))
        yield share, (np.arange(layout.steps) < length) / math.sqrt(length)


def _profile(
    sums: np.ndarray, by_group: np.ndarray, ends: np.ndarray | None, sigma: float, layout: Layout
) -> np.ndarray:
    """The mean shape of each group, (G, F, T), where it exceeds its noise."""
    groups = np.maximum(by_group, 1e-9)[:, None, None]
    if ends is None:  # its Fourier coefficients are kept or not
        found = np.fft.rfft(sums, axis=-1)
        variance = sigma**2 * layout.steps
        kept = np.abs(found) ** 2 > math.log(found.size) * variance * 2 / _sides(layout.steps)
        kept[..., 0] = False
        return np.fft.irfft(found * kept, layout.steps) / groups * math.sqrt(layout.steps)
    window = np.zeros((len(sums), layout.steps))
    for share, unit in _alive(ends, layout):
        window += share[:, None] * unit
    kept = sums**2 > 2 * math.log(sums.size) * sigma**2
    return sums * kept / (groups * np.maximum(window, 1e-9)[:, None])


def _left(
    power: np.ndarray, profile: np.ndarray, shares: np.ndarray, ends: np.ndarray | None, sigma: float, layout: Layout
) -> np.ndarray:
    """The square root of the power (K, F, F) that the profiles leave, for shapes of variance 1 in all."""
    count, points, sides = power.shape[1], layout.points, _sides(layout.points)

    # the profiles' own power, cut where series end
    windows = (
        [(shares, np.full(layout.steps, 1 / math.sqrt(layout.steps)))]
        if ends is None
        else [(shares * share, unit) for share, unit in _alive(ends, layout)]
    )
    for weight, unit in windows:
        own = np.fft.rfft(profile * unit / math.sqrt(count), points)
        power = power - np.einsum("g,gfk,ghk->kfh", weight, own, own.conj()) * (sides / points)[:, None, None]
    power = _smooth(power, sigma)

    # of series that end: an autocovariance of which a share is seen at each lag
    if ends is not None:
        seen, lag = np.zeros(points), np.minimum(np.arange(points), points - np.arange(points))
        for share, unit in _alive(ends, layout):
            length = np.count_nonzero(unit)
            seen += (shares @ share) * np.clip(1 - lag / length, 0, None)
        whole_power = (
            np.concatenate([power, power[1 : (points + 1) // 2][::-1].conj()])
            / np.concatenate([sides, sides[1 : (points + 1) // 2]])[:, None, None]
        )
        covariance = (
            np.fft.ifft(whole_power, axis=0) * np.where(seen > 0.05, 1 / np.maximum(seen, 0.05), 0)[:, None, None]
        )
        power = np.fft.fft(covariance, axis=0)[: len(sides)] * sides[:, None, None]

    # no negative power; variance 1 of each feature, the profile's included
    values, axes = np.linalg.eigh(power)
    values = np.maximum(values, 0)
    values *= points**2 * count / sides[:, None]
    if not values.any():
        values[1:] = 1.0  # white
    return axes * np.sqrt(values)[:, None, :]


def _smooth(power: np.ndarray, sigma: float) -> np.ndarray:
    """The mean over neighbours, for all but what stands out of them by more than its noise: lines stay lines."""
    if not sigma:
        return power
    trace, level = np.einsum("kff->k", power).real, 4 * sigma * math.sqrt(power.shape[1])
    smooth, lines, around = power.copy(), np.zeros(len(power), bool), {}
    for k in range(SINGLE, len(power)):
        around[k] = np.arange(k - min(k // 3, 12), min(k + min(k // 3, 12) + 1, len(power)))
        lines[k] = trace[k] - np.median(trace[around[k]]) > level
    lines[:SINGLE] = True
    for j in np.flatnonzero(~lines).tolist():
        smooth[j] = power[around[j][~lines[around[j]]]].mean(0)
    return smooth


def _reshaped(shape: np.ndarray, below: np.ndarray) -> np.ndarray:
    """Normal shapes with the values' own distribution: what is at a quantile of the normal one goes to that of this."""
    from scipy.special import ndtr

    edges = np.linspace(-FARTHEST, FARTHEST, RANKS + 1)
    return np.interp(ndtr(shape), below + 1e-9 * np.arange(RANKS + 1), edges)


def _burst(shape: np.ndarray, valid: np.ndarray, shares: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Shapes of which those with too small a largest rise get a burst that makes one of the size drawn.

    A burst of height h on a shape of variance 1 raises that to about 1 + q h^2, q = DECAY / (2 L) - (DECAY / L)^2: so
    that after standardising the rise is r, h = r / sqrt(1 - q r^2).
    """
    n, steps = shape.shape
    low, high = RISE_ENDS
    length = valid.sum(1)
    own_rise = _log_rise(shape, valid)
    drawn = low + (_drawn(np.broadcast_to(shares, (n, len(shares))), rng) + rng.random(n)) / RISES * (high - low)
    wanted = np.empty(n)
    wanted[np.argsort(own_rise)] = 10 ** np.sort(drawn)  # the largest for those that have the largest already
    start = 1 + np.floor(rng.random(n) * np.maximum(length - 1, 1)).astype(int)
    start = np.minimum(start, steps - 1)
    q = np.clip(DECAY / (2 * length) - (DECAY / length) ** 2, 0.01 / length, None)
    height = wanted / np.sqrt(np.maximum(1 - q * wanted**2, 0.05))
    own = shape[np.arange(n), start] - shape[np.arange(n), np.maximum(start - 1, 0)]
    add = np.where((wanted > 10**own_rise) & (length > 1), height - own, 0)
    since = np.arange(steps) - start[:, None]
    return shape + np.where(since >= 0, np.maximum(add, 0)[:, None] * np.exp(-np.maximum(since, 0) / DECAY), 0)
