"""What the private generators share: what is public, the Gaussian mechanism for several releases at once, its noise.

Several sums over the samples, each with noise of its own, are one Gaussian mechanism: a vector in which one sample has
a part of norm s_r in release r with noise sigma_r is mu-Gaussian private, mu^2 = sum over r of (s_r / sigma_r)^2. Its
epsilon at a delta is exact (Balle and Wang 2018, Theorem 8), and smaller than what Rényi divergences or zCDP give.
Neighbours differ in one sample that is there or not ("add or remove"). Where one is *replaced* by another, the sum
moves by up to twice as much: mu at most doubles; and somebody who has k samples moves it by up to k times as much. The
number of samples is no public knowledge, and is released with noise as all else. Public are the form (names, dtypes,
units, steps, time coordinate), and the bounds and categories that the caller says are.

Left out: what can be read from the last bits of noise in floating point (Mironov 2012).
"""

import math
from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np
import torch
import xarray as xr

from dgkit._checks import number, shown, whole
from dgkit._seeding import secret_normal
from dgkit.core.alike import one_hot
from dgkit.errors import ConfigError, SchemaError
from dgkit.schema import Schema, Variable, bare, lengths, valid_values, validate

Public = Mapping[str, Any]
KIND = "private generator"  # of a file
LARGEST = 100.0  # epsilon; e^100 is no protection


def declared(ds: xr.Dataset) -> dict[str, Any]:
    """The bounds and categories that a dataset's attrs declare, for a caller who knows that they are public.

    Parameters
    ----------
    ds : Dataset
        As `dgkit.schema` describes. Only attrs are read: `valid_min` and `valid_max`, and `categories`.

    Returns
    -------
    dict
        (lowest, highest) or a list of categories by variable; those that declare nothing are left out.

    Notes
    -----
    They are public if they would be the same without any one sample. Attrs that a reader made from the values, such
    as the categories it found or a range it measured, are not.

    Examples
    --------
    >>> from dgkit.simulate import web
    >>> sorted(declared(web(30)))  # views have a lowest value and no highest
    ['access', 'agent', 'domain']
    >>> public = {**declared(web(30)), "views": (1, 1e7)}
    """
    found: dict[str, Any] = {}
    for name, da in ds.data_vars.items():
        if "categories" in da.attrs:
            found[str(name)] = list(da.attrs["categories"])
        elif {"valid_min", "valid_max"} <= set(da.attrs):
            found[str(name)] = (float(da.attrs["valid_min"]), float(da.attrs["valid_max"]))
    return found


def public_schema(ds: xr.Dataset, public: Public) -> Schema:
    """The schema of `ds` with what is public in the place of what was found: categories, bounds, the width of text.

    Raises ConfigError where `public` lacks a variable or is no description of one, SchemaError where a value is of no
    public category.

    Examples
    --------
    >>> from dgkit.simulate import web
    >>> public_schema(web(30), {**declared(web(30)), "views": (1, 1e7)}).features[0].attrs["valid_max"]
    10000000.0
    """
    schema, length = bare(validate(ds, training=False)), lengths(ds)
    if not isinstance(public, Mapping):
        raise ConfigError(f"public={shown(public)} is no mapping of variables to bounds or categories.")
    variables = (*schema.features, *schema.attributes)
    if unknown := set(public) - {variable.name for variable in variables}:
        raise ConfigError(f"public names {shown(min(map(str, unknown)))}, which is no variable of the dataset.")
    made = {variable.name: _public(variable, public) for variable in variables}
    for name, variable in made.items():
        if variable.kind == "categorical":
            for values in valid_values(ds[name], length):
                one_hot(np.unique(values), variable)
    features, attributes = (tuple(made[v.name] for v in some) for some in (schema.features, schema.attributes))
    return replace(schema, features=features, attributes=attributes)


def _public(variable: Variable, public: Public) -> Variable:
    name, told = variable.name, public.get(variable.name)
    if variable.categories == (False, True) and variable.dtype[1] == "b" and told is None:
        return variable
    if told is None:
        need = "(lowest, highest)" if variable.kind == "continuous" else "[every category there can be]"
        raise ConfigError(
            f"public lacks {variable.role} {name!r}: give public={{{name!r}: {need}}} from knowledge other than these "
            "data. privacy.declared(ds) takes what the attrs say, if that is public."
        )
    if variable.kind == "continuous":
        try:
            low, high = (float(bound) for bound in told)
        except (TypeError, ValueError):
            low = high = math.nan
        if not (math.isfinite(low) and math.isfinite(high) and low < high):
            raise ConfigError(f"public[{name!r}]={shown(told)} must be two finite numbers, the lower one first.")
        return replace(variable, attrs={**variable.attrs, "valid_min": low, "valid_max": high})
    categories = tuple(np.asarray(told).tolist()) if isinstance(told, list | tuple | np.ndarray) else ()
    if not categories or len(set(categories)) != len(categories) or "" in categories:
        raise ConfigError(f"public[{name!r}]={shown(told)} must be a list of different categories.")
    dtype = np.array(categories).dtype.str if variable.dtype[1] == "U" else variable.dtype
    return replace(variable, categories=categories, dtype=dtype)


# --- the mechanism --------------------------------------------------------------------------------------------------


@lru_cache(maxsize=256)
def epsilon_of(mu: float, delta: float) -> float:
    """The epsilon of a mu-Gaussian private mechanism: of one whose noise is 1 / mu times what one sample moves.

    Examples
    --------
    >>> round(epsilon_of(0.5, 1e-5), 2), epsilon_of(0.0, 1e-5)
    (1.99, 0.0)
    """
    if mu == 0 or _delta(0.0, mu) <= delta:
        return 0.0
    low, high = 0.0, 1.0
    while _delta(high, mu) > delta:
        low, high = high, 2 * high
    while high - low > 1e-12 * high:  # `high` always holds
        middle = (low + high) / 2
        low, high = (middle, high) if _delta(middle, mu) > delta else (low, middle)
    return high


def mu_for(epsilon: float, delta: float) -> float:
    """The largest mu that keeps within epsilon; 0 for an epsilon of 0, which uses nothing of the data.

    Examples
    --------
    >>> round(mu_for(2.0, 1e-5), 2)
    0.5
    """
    epsilon = number("epsilon", epsilon)
    if not epsilon <= LARGEST:
        raise ConfigError(f"epsilon={epsilon:g} is above {LARGEST:g}, which protects nobody.")
    if isinstance(delta, bool) or not isinstance(delta, int | float | np.number) or not 0 < delta < 1:
        raise ConfigError(f"delta={shown(delta)} must be between 0 and 1, e.g. 1e-5.")
    return _mu(epsilon, float(delta)) if epsilon else 0.0


@lru_cache(maxsize=256)
def _mu(epsilon: float, delta: float) -> float:
    low, high = 0.0, 1.0
    while _delta(epsilon, high) <= delta:
        low, high = high, 2 * high
    while high - low > 1e-9 * high:  # `low` always keeps within it
        middle = (low + high) / 2
        low, high = (middle, high) if _delta(epsilon, middle) <= delta else (low, middle)
    return low


def _delta(epsilon: float, mu: float) -> float:
    """Of a mu-Gaussian mechanism: Phi(mu / 2 - epsilon / mu) - e^epsilon Phi(-mu / 2 - epsilon / mu)."""
    from scipy.special import log_ndtr, ndtr

    return float(ndtr(mu / 2 - epsilon / mu) - np.exp(epsilon + log_ndtr(-mu / 2 - epsilon / mu)))


def user_epsilon(epsilon: float, delta: float, series: int) -> float:
    """The epsilon for somebody who has so many of the samples, of what has this one for each.

    Examples
    --------
    >>> [round(user_epsilon(2.0, 1e-5, k), 1) for k in (1, 2, 4)]
    [2.0, 4.4, 10.0]
    """
    return epsilon_of(whole("series", series) * mu_for(epsilon, delta), delta)


def noise_of(mu: float, split: Mapping[str, float]) -> dict[str, float]:
    """Standard deviations for releases in which one sample moves each by at most 1, of shares of mu^2.

    Examples
    --------
    >>> round(noise_of(0.5, {"a": 1, "b": 1})["a"] ** -2 * 2, 9)  # mu^2 again
    0.25
    """
    shares = sum(split.values())
    return {name: 1 / (mu * math.sqrt(share / shares)) if mu else math.inf for name, share in split.items()}


def released(total: np.ndarray, sigma: float) -> np.ndarray:
    """The sum with noise from the operating system's entropy, float32; with infinite noise nothing of it, zeros."""
    if math.isinf(sigma):
        return np.zeros(total.shape, np.float32)
    noisy: np.ndarray = total + sigma * secret_normal(torch.Size(total.shape)).numpy()
    return noisy.astype(np.float32)


def checked_split(split: Mapping[str, float] | None, default: Mapping[str, float]) -> dict[str, float]:
    """The shares of the releases that there are; ConfigError for others or shares that are not above 0.

    Examples
    --------
    >>> checked_split({"votes": 2}, {"votes": 1, "counts": 1})
    {'votes': 2.0, 'counts': 1.0}
    """
    split = {} if split is None else split
    if not isinstance(split, Mapping) or (unknown := sorted(set(map(str, split)) - set(default))):
        what = f"names {shown(unknown[0])}" if isinstance(split, Mapping) else f"is {shown(split)}"
        raise ConfigError(f"split {what}; it maps releases to shares: {', '.join(default)}.")
    shares = {name: number(f"split[{name!r}]", split.get(name, share)) for name, share in default.items()}
    if wrong := [name for name, share in shares.items() if not 0 < share < math.inf]:
        raise ConfigError(f"split[{wrong[0]!r}]={shares[wrong[0]]:g} must be above 0 and finite.")
    return shares


# --- what noise leaves of counts ------------------------------------------------------------------------------------


def on_simplex(counts: np.ndarray, total: float = 1.0) -> np.ndarray:
    """The nearest numbers that are not negative and sum to `total`; all alike where there is nothing.

    Examples
    --------
    >>> on_simplex(np.array([3.0, 2.0, -1.0]), 4.0)
    array([2.5, 1.5, 0. ])
    """
    if total <= 0 or not counts.any():
        return np.full(counts.shape, max(total, 0.0) / counts.size)
    order = np.sort(counts.ravel())[::-1]
    above = (order.cumsum() - total) / np.arange(1, counts.size + 1)
    kept = np.flatnonzero(order > above)[-1]
    return np.maximum(counts - above[kept], 0)


# --- places of values -----------------------------------------------------------------------------------------------


def is_log(variable: Variable) -> bool:
    return variable.attrs.get("scale") == "log" and variable.attrs["valid_min"] >= 0


def floor_of(variable: Variable) -> float:
    """What is added before the logarithm: 0 where the lower bound is above it."""
    low, high = variable.attrs["valid_min"], variable.attrs["valid_max"]
    return 0.0 if low > 0 else float(1e-6 * (high - low))


def to_scale(values: Any, variable: Variable) -> np.ndarray:
    """Values cut to the public bounds, in decades where attrs say scale="log"."""
    cut = np.clip(np.asarray(values, np.float64), variable.attrs["valid_min"], variable.attrs["valid_max"])
    scaled: np.ndarray = np.log10(cut + floor_of(variable)) if is_log(variable) else cut
    return scaled


def from_scale(scaled: np.ndarray, variable: Variable) -> np.ndarray:
    """`to_scale` undone, within the public bounds; whole numbers where attrs say counts."""
    low, high = ends_of(variable)
    scaled = np.clip(scaled, low, high)
    values = 10**scaled - floor_of(variable) if is_log(variable) else scaled
    values = np.rint(values) if variable.attrs.get("counts") else values
    return np.clip(values, variable.attrs["valid_min"], variable.attrs["valid_max"])


def ends_of(variable: Variable) -> tuple[float, float]:
    """The public bounds on that scale."""
    low, high = to_scale([variable.attrs["valid_min"], variable.attrs["valid_max"]], variable)
    return float(low), float(high)


def places(values: np.ndarray, low: float, high: float, bins: int) -> np.ndarray:
    """Which of `bins` equal parts of low to high each value is in; what lies outside is in the first or last."""
    unit = (values - low) / (high - low)
    return np.clip((np.nan_to_num(unit) * bins).astype(int), 0, bins - 1)


def codes(values: np.ndarray, variable: Variable, bins: int) -> np.ndarray:
    """Which category, or which part of the public bounds, each value of an attribute (N,) is in."""
    if variable.kind == "continuous":
        if values.dtype.kind not in "fiub":
            raise SchemaError(f"attribute {variable.name!r} has dtype {values.dtype}; numbers are needed.")
        return places(to_scale(values, variable), *ends_of(variable), bins)
    found, where = np.unique(values, return_inverse=True)
    return one_hot(found, variable).argmax(-1)[where]


def decoded(place: np.ndarray, variable: Variable, bins: int, rng: np.random.Generator) -> np.ndarray:
    """Values of an attribute: the category, or a number from its part of the bounds."""
    if variable.kind == "categorical":
        return np.asarray(variable.categories)[place]
    low, high = ends_of(variable)
    return from_scale(low + (place + rng.random(len(place))) / bins * (high - low), variable)


def width(variable: Variable, bins: int) -> int:
    """How many categories, or parts of the public bounds, an attribute has."""
    return len(variable.categories) or bins


def standardised(series: np.ndarray, valid: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of series (N, T): mean and standard deviation up to its end, and its shape, zero past it and where constant."""
    length = valid.sum(1)
    level = (series * valid).sum(1) / length
    shape = (series - level[:, None]) * valid
    spread = np.sqrt(np.square(shape).sum(1) / length)
    varies = spread > 1e-9 * (1 + np.abs(level))
    return level, spread, shape * (varies / np.where(varies, spread, 1))[:, None]
