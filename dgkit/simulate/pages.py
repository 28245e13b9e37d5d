"""`web`: daily views of pages, after the paper's Wikipedia Web Traffic: decades of levels, a week, a slow swing."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import xarray as xr

from dgkit import _checks
from dgkit._checks import whole
from dgkit.simulate.draws import (
    CENTRAL_99,
    category,
    check_range,
    draw,
    known,
    provenance,
    rounded,
)

ROWS = 1000  # pages worked on together
WEEK, SLOW = 7, 84  # periods of the web cycles, days

# N samples, T steps; one letter a dim in the shape comments


@dataclass(frozen=True)
class Domain:
    """One site of `web`.

    Parameters
    ----------
    share : float
        Of the pages.
    level : float
        Of log10 views, in units of `decades`.
    weekly, slow : float
        Amplitudes of the cycles of ln views.
    weekly_peak, slow_peak : float
        Days after Monday; days after the first day.

    Examples
    --------
    >>> round(sum(domain.share for domain in DOMAINS.values()), 9)
    1.0
    """

    share: float
    level: float
    weekly: float
    weekly_peak: float
    slow: float
    slow_peak: float


DOMAINS = {
    "commons.wikimedia.org": Domain(0.07, -0.20, 0.16, 2.0, 0.25, 30.0),
    "de.wikipedia.org": Domain(0.13, 0.04, 0.30, 0.0, 0.36, 14.0),
    "en.wikipedia.org": Domain(0.17, 0.18, 0.22, 1.0, 0.32, 20.0),
    "es.wikipedia.org": Domain(0.10, 0.10, 0.34, 2.0, 0.42, 60.0),
    "fr.wikipedia.org": Domain(0.12, 0.02, 0.30, 0.0, 0.36, 14.0),
    "ja.wikipedia.org": Domain(0.14, 0.08, 0.24, 6.0, 0.30, 46.0),
    "ru.wikipedia.org": Domain(0.10, 0.06, 0.26, 1.0, 0.40, 4.0),
    "www.mediawiki.org": Domain(0.05, -0.30, 0.36, 2.0, 0.22, 70.0),
    "zh.wikipedia.org": Domain(0.12, -0.02, 0.20, 4.0, 0.34, 38.0),
}
_TOOL_SITES = ("commons.wikimedia.org", "www.mediawiki.org")  # half the others' odds of mobile-web
ACCESS = {  # level (decades), factor of the weekly amplitude, shift of the weekly peak (days)
    "all-access": (0.07, 1.0, 0.0),
    "desktop": (-0.05, 1.2, 0.0),
    "mobile-web": (-0.03, 0.9, 3.0),
}
AGENT = {  # level (decades), factor of the weekly and of the slow amplitude, shift of the slow peak (days)
    "all-agents": (0.03, 1.0, 1.0, 0.0),
    "spider": (-0.11, 0.5, 0.8, 14.0),
}
ACCESS_AGENT = {  # joint shares: spiders are counted almost only for all-access
    ("all-access", "all-agents"): 0.27,
    ("all-access", "spider"): 0.22,
    ("desktop", "all-agents"): 0.225,
    ("desktop", "spider"): 0.015,
    ("mobile-web", "all-agents"): 0.255,
    ("mobile-web", "spider"): 0.015,
}
WEB_CENTRE = 3.5  # mean of log10 views
HARMONICS = (1.0, 0.4)  # of the weekly cycle
WEB_JITTER = {"strength": 0.15, "weekly_peak": 0.25, "slow_peak": 3.0}  # standard deviations: ratio, days, days
BURST = {"probability": 0.15, "size": 0.6, "decay": 3.0}  # a page, mean rise of ln views, days
WEB_NOISE = 0.08  # standard deviation of ln views, white


def web(n: int = 2000, seed: int = 0, *, time: int = 168, decades: float = 3.0, noise: float = WEB_NOISE) -> xr.Dataset:
    """Daily views of pages, after Wikipedia Web Traffic.

    For page i with domain d, access a and agent g, on day t (day 0 is a Monday),

    ln views = ln(10) level + weekly * (cos u + 0.4 cos 2u) + slow * cos v + burst + noise,
    u = 2 pi (t - weekly_peak) / 7,  v = 2 pi (t - slow_peak) / 84,

    - level = 3.5 + decades * (effects of d, a, g, centred, + a normal residual), scaled so that its standard deviation
      is decades / 5.15: the central 99 % of the pages span about `decades`;
    - weekly and slow are products of the attributes' tables and of (1 + 0.15 z), z normal, one for each page;
    - the peaks are sums of the attributes' tables and of a normal shift, 0.25 and 3 days, one for each page;
    - burst: a page has one with probability 0.15; from a uniform day it adds an exponential size (mean 0.6) that decays
      with a time constant of 3 days;
    - noise is white and normal.

    Views below 1 are set to 1. The tables are `DOMAINS`, `ACCESS`, `AGENT` and `ACCESS_AGENT` of this module. The shape
    does not depend on `decades`: with the same seed only the level moves.

    Parameters
    ----------
    n : int
        Pages.
    seed : int
        Same seed, same data.
    time : int
        T, days; at least 14.
    decades : float
        Spread of the level, 0.1 to 6.
    noise : float
        Standard deviation of the noise on ln views, 0 to 1.

    Returns
    -------
    Dataset, dims (sample, time)
        Feature `views` (views/day, float32, at least 1); attributes `domain`, `access`, `agent`.

    Raises
    ------
    ConfigError
        An argument outside its range.

    Source
    ------
    Cycles and attributes as Lin et al. 2020, Figure 1 and Table 7, have them (their slow cycle is a year).

    Examples
    --------
    >>> ds = web(100, seed=1)
    >>> ds.views.shape, sorted(set(ds.agent.values.tolist()))
    ((100, 168), ['all-agents', 'spider'])
    """
    _checks.many(n, whole("time", time, 14))
    seed = _checks.seed(seed)
    check_range("decades", decades, 0.1, 6)
    check_range("noise", noise, 0, 1)
    for_attributes, for_pages, for_bursts, for_noise = np.random.default_rng(seed).spawn(4)
    cells, shares = _web_cells()
    domain, access, agent = (np.array(column) for column in zip(*cells, strict=True))
    cell = draw(for_attributes.random(n), shares)  # (N,)
    table = _web_table(domain, access, agent)[cell]  # (N, 5)
    level, weekly, weekly_peak, slow, slow_peak = table.T
    z = for_pages.normal(size=(n, 5))
    level = level + _web_residual() * z[:, 0]
    weekly = weekly * (1 + WEB_JITTER["strength"] * z[:, 1])
    slow = slow * (1 + WEB_JITTER["strength"] * z[:, 2])
    weekly_peak = weekly_peak + WEB_JITTER["weekly_peak"] * z[:, 3]
    slow_peak = slow_peak + WEB_JITTER["slow_peak"] * z[:, 4]
    happens, start, size = for_bursts.random((n, 3)).T
    start, size = np.floor(start * time), np.where(happens < BURST["probability"], -BURST["size"] * np.log1p(-size), 0)

    # day by day, of some pages at a time: each of these tables is as large as all views
    day, parts = np.arange(time), []
    for first in range(0, n, ROWS):
        own = np.s_[first : first + ROWS, None]
        u, v = 2 * np.pi * (day - weekly_peak[own]) / WEEK, 2 * np.pi * (day - slow_peak[own]) / SLOW  # (rows, T)
        shape = weekly[own] * sum(a * np.cos((k + 1) * u) for k, a in enumerate(HARMONICS)) + slow[own] * np.cos(v)
        since = day - start[own]
        shape += np.where(since >= 0, size[own] * np.exp(-np.maximum(since, 0) / BURST["decay"]), 0)
        shape += noise * for_noise.normal(size=shape.shape)
        parts.append(rounded(np.maximum(10 ** (WEB_CENTRE + decades * level[own]) * np.exp(shape), 1)))
    attrs = {"units": "views/day", "long_name": "daily page views", "scale": "log", "valid_min": 1.0}
    return xr.Dataset(
        {
            "views": (("sample", "time"), np.concatenate(parts), attrs),
            "domain": category(domain[cell], list(DOMAINS), "site"),
            "access": category(access[cell], list(ACCESS), "kind of access"),
            "agent": category(agent[cell], list(AGENT), "kind of visitor"),
        },
        {"time": ("time", pd.date_range("2015-07-06", periods=time, freq="D", unit="ns"), {"long_name": "day"})},
        provenance("web", "Simulated daily page views", n, seed, time=time, decades=decades, noise=noise),
    )


def web_mean(attributes: xr.Dataset, *, time: int = 168, decades: float = 3.0) -> xr.DataArray:
    """The true mean of log10 views for each row of attributes, in closed form.

    Parameters
    ----------
    attributes : Dataset, dims (sample,)
        With `domain`, `access` and `agent`, such as `web` gives.
    time, decades
        As in `web`.

    Returns
    -------
    DataArray, dims (sample, time)
        Mean over all pages of these attributes; leaves out only that views below 1 are set to 1.

    Raises
    ------
    ConfigError
        An attribute is missing or has a value that `web` does not know.

    Examples
    --------
    >>> web_mean(web(3, seed=0)).dims
    ('sample', 'time')
    """
    whole("time", time, 14)
    check_range("decades", decades, 0.1, 6)
    domain, access = known(attributes, "domain", list(DOMAINS)), known(attributes, "access", list(ACCESS))
    table = _web_table(domain, access, known(attributes, "agent", list(AGENT)))
    level, weekly, weekly_peak, slow, slow_peak = table.T[..., None]  # (N, 1) each
    day = np.arange(time)
    mean = slow * _faded_cosine(day - slow_peak, SLOW, WEB_JITTER["slow_peak"])
    for k, amplitude in enumerate(HARMONICS):
        mean = mean + weekly * amplitude * _faded_cosine(day - weekly_peak, WEEK / (k + 1), WEB_JITTER["weekly_peak"])
    burst = BURST["probability"] * BURST["size"] * np.cumsum(np.exp(-day / BURST["decay"])) / time
    values = WEB_CENTRE + decades * level + (mean + burst) / np.log(10)
    return xr.DataArray(values, dims=("sample", "time"), attrs={"units": "1", "long_name": "mean of log10 views"})


def _web_cells() -> tuple[list[tuple[str, str, str]], np.ndarray]:
    """Every combination of the web attributes, and its probability."""
    cells, shares = [], []
    for name, domain in DOMAINS.items():
        odds = {
            pair: p * (0.5 if name in _TOOL_SITES and pair[0] == "mobile-web" else 1)
            for pair, p in ACCESS_AGENT.items()
        }
        for pair, p in odds.items():
            cells.append((name, *pair))
            shares.append(domain.share * p / sum(odds.values()))
    return cells, np.array(shares)


def _web_table(domain: np.ndarray, access: np.ndarray, agent: np.ndarray) -> np.ndarray:
    """Level (units of decades, mean 0), weekly, weekly peak, slow, slow peak of each row, (N, 5)."""
    sites = [DOMAINS[d] for d in domain]
    site = np.array([(s.level, s.weekly, s.weekly_peak, s.slow, s.slow_peak) for s in sites]).T  # (5, N)
    a_level, a_weekly, a_shift = np.array([ACCESS[a] for a in access]).T
    g_level, g_weekly, g_slow, g_shift = np.array([AGENT[g] for g in agent]).T
    level = site[0] + a_level + g_level - _WEB_LEVEL[0]
    return np.stack([level, site[1] * a_weekly * g_weekly, site[2] + a_shift, site[3] * g_slow, site[4] + g_shift], 1)


def _web_level() -> tuple[float, float]:
    """Mean and variance over the pages of the attributes' effect on the level, in units of decades."""
    cells, shares = _web_cells()
    levels = np.array([DOMAINS[d].level + ACCESS[a][0] + AGENT[g][0] for d, a, g in cells])
    mean = float(shares @ levels)
    return mean, float(shares @ (levels - mean) ** 2)


_WEB_LEVEL = _web_level()


def _web_residual() -> float:
    """Standard deviation of a page's own level, in units of decades."""
    return float(np.sqrt(CENTRAL_99**-2 - _WEB_LEVEL[1]))


def _faded_cosine(distance: np.ndarray, period: float, jitter: float) -> np.ndarray:
    """Mean of cos(2 pi (distance + jitter z) / period) over a normal z."""
    faded: np.ndarray = np.exp(-((2 * np.pi * jitter / period) ** 2) / 2) * np.cos(2 * np.pi * distance / period)
    return faded
