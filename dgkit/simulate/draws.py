"""What the simulators share: draws of categories, rounding that no platform shows in, where data come from, checks."""

from typing import Any

import numpy as np
import xarray as xr

from dgkit.errors import ConfigError

VERSION = "1"  # of the three models: another one means other data for the same seed
CENTRAL_99 = 2 * 2.5758  # width of a normal distribution's central 99 %, in standard deviations


def provenance(name: str, title: str, n: int, seed: int, **arguments: Any) -> dict[str, Any]:
    """Attrs that say how the dataset was made, without dates or places."""
    given = "".join(f", {key}={value!r}" for key, value in arguments.items())
    return {
        "title": title,
        "source": f"simulated by dgkit.simulate.{name}",
        "history": f"dgkit.simulate.{name}({n}, seed={seed}{given})",
        "version": VERSION,
        "n": n,
        "seed": seed,
    }


def category(values: np.ndarray, categories: list[str], long_name: str) -> tuple[str, np.ndarray, dict[str, Any]]:
    return "sample", values.astype(str), {"long_name": long_name, "categories": categories}


def draw(uniform: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """Index of each uniform draw in the cumulated shares; the last dim of `shares` is the one drawn from."""
    edges = np.cumsum(shares, axis=-1)
    index: np.ndarray = np.minimum((uniform[..., None] * edges[..., -1:] >= edges).sum(-1), shares.shape[-1] - 1)
    return index


def rounded(values: np.ndarray) -> np.ndarray:
    """Float32 with 12 bits of mantissa (relative error at most 2**-12): hides the platforms' last bits, packs well."""
    mantissa, exponent = np.frexp(values)
    short: np.ndarray = np.ldexp(np.rint(mantissa * 2**12) / 2**12, exponent)
    return short.astype(np.float32)


def known(attributes: xr.Dataset, name: str, categories: list[str]) -> np.ndarray:
    if name not in attributes:
        raise ConfigError(f"attribute {name!r} is missing; found {sorted(map(str, attributes.data_vars))}.")
    values = np.asarray(attributes[name].values).astype(str)
    unknown = sorted(set(values.tolist()) - set(categories))
    if unknown:
        raise ConfigError(f"attribute {name!r} has the value {unknown[0]!r}; it can be {', '.join(categories)}.")
    return values


def check_range(name: str, value: Any, low: float, high: float) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float | np.number) or not low <= value <= high:
        raise ConfigError(f"{name} is {value!r}; it must be a number from {low} to {high}.")
