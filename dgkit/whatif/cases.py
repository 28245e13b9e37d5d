"""Four ways in which "what if the attributes were otherwise?" is asked, each a small world one can run.

A model of today knows P(series | attributes). Whether that is the answer depends on what the change is:

- covariate shift: how many there are of each kind. It holds; only support can be short.
- confounding: an attribute that a hidden cause has chosen. It does not: those who chose it were others. No number of
  the data tells.
- intervention: an attribute that is an outcome, set by hand. It does not: its causes stay as they are. What tells is
  which way the arrow goes.
- interference: how many there are of a kind that share something. It does not: they get in each other's way. The sum
  tells, held against the limit.
"""

from typing import NamedTuple

import numpy as np
import xarray as xr

from dgkit import _checks
from dgkit._checks import whole
from dgkit.errors import ConfigError

_HOURS = np.arange(24)
_TOGETHER = 20  # homes that share an uplink in the case of interference


class Case(NamedTuple):
    """Data as seen, a target, and what truly happens when it comes about.

    Parameters
    ----------
    seen : Dataset
    target : mapping
    truth : Dataset
    question : str
    limit : dict
        As `trust` takes it; empty where nothing is shared.

    Examples
    --------
    >>> case("covariate shift").target
    {'access': {'copper': 0.2, 'fibre': 0.8}}
    """

    seen: xr.Dataset
    target: dict[str, dict[str, float]]
    truth: xr.Dataset
    question: str
    limit: dict[str, object]


def case(kind: str, n: int = 4000, seed: int = 0) -> Case:
    """A world of homes with a day of traffic each, of one of four kinds.

    traffic = level * (1 + 0.5 sin of the hour) * exp(0.2 z), Mbit/s; the level is 1 on copper and 2 on fibre, and

    - "covariate shift": nothing else. The mix goes from 30 % fibre to 80 %.
    - "confounding": the level is 1 for all, times 4 for heavy users; these are 30 %, and most of them have chosen fibre
      (90 %, of the others 20 %). Everybody is given fibre but 20 %.
    - "intervention": an `alarm` rings where the day's mean passes 2. Someone makes it ring for half of the homes.
    - "interference": as the first, with 20 homes on an uplink of 30 Mbit/s.

    Parameters
    ----------
    kind : str
        One of the four.
    n : int
        Homes, of the data and of the truth.
    seed : int

    Returns
    -------
    Case

    Raises
    ------
    ConfigError
        No such kind.

    Examples
    --------
    >>> shifted = case("covariate shift", 500)
    >>> float(shifted.truth.traffic.mean()) > float(shifted.seen.traffic.mean())
    True
    """
    whole("n", n)
    seed = _checks.seed(seed)
    kinds = ("covariate shift", "confounding", "intervention", "interference")
    if kind not in kinds:
        raise ConfigError(f"kind={kind!r}; there are {', '.join(map(repr, kinds))}.")
    rngs = np.random.default_rng(seed).spawn(2)
    fibre = {"copper": 0.2, "fibre": 0.8}
    if kind == "confounding":
        heavy = [rng.random(n) < 0.3 for rng in rngs]
        chosen = [rngs[0].random(n) < np.where(heavy[0], 0.9, 0.2), rngs[1].random(n) < 0.8]
        seen, truth = (_homes(rng, 1 + 3.0 * h, c) for rng, h, c in zip(rngs, heavy, chosen, strict=True))
        return Case(seen, {"access": fibre}, truth, "what if most were given fibre?", {})
    if kind == "intervention":
        own = [_homes(rng, 1 + c, c) for rng in rngs for c in [rng.random(n) < 0.3]]
        rings = [own[0].traffic.mean("time").values > 2, rngs[1].random(n) < 0.5]
        seen, truth = (ds.assign(alarm=_category(r, ("off", "on"))) for ds, r in zip(own, rings, strict=True))
        return Case(seen, {"alarm": {"off": 0.5, "on": 0.5}}, truth, "what if the alarm rang for half of them?", {})
    seen, truth = (_homes(rng, 1 + c, c) for rng, p in zip(rngs, (0.3, 0.8), strict=True) for c in [rng.random(n) < p])
    if kind == "covariate shift":
        return Case(seen, {"access": fibre}, truth, "what if most had fibre?", {})
    limit = 30.0
    limits = {"limits": {"traffic": limit}, "together": _TOGETHER}
    return Case(_shared(seen, limit), {"access": fibre}, _shared(truth, limit), "and if they share an uplink?", limits)


def _homes(rng: np.random.Generator, level: np.ndarray, fibre: np.ndarray) -> xr.Dataset:
    day = 1 + 0.5 * np.sin(2 * np.pi * (_HOURS - 14) / 24)
    traffic = level[:, None] * day * np.exp(0.2 * rng.normal(size=(len(level), 24)))
    attrs = {"units": "Mbit/s", "long_name": "traffic", "valid_min": 0.0}
    return xr.Dataset(
        {"traffic": (("sample", "time"), traffic.astype(np.float32), attrs)}
        | {"access": _category(fibre, ("copper", "fibre"))}
    )


def _shared(ds: xr.Dataset, limit: float) -> xr.Dataset:
    """Each 20 homes, in their order, on an uplink."""
    traffic, uplink = ds.traffic.values, np.arange(ds.sizes["sample"]) // _TOGETHER
    total = np.zeros((uplink[-1] + 1, traffic.shape[1]))
    np.add.at(total, uplink, traffic)
    granted = np.minimum(1, limit / total)[uplink]
    return ds.assign(traffic=(ds.traffic.dims, (traffic * granted).astype(np.float32), ds.traffic.attrs))


def _category(on: np.ndarray, names: tuple[str, str]) -> tuple[str, np.ndarray, dict[str, object]]:
    return "sample", np.where(on, names[1], names[0]), {"categories": list(names)}
