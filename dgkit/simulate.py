"""Three simulators whose ground truth is known: web traffic, a shared compute cluster, home broadband.

They stand in for the paper's datasets (Lin et al. 2020, section 5: Wikipedia Web Traffic, Google cluster usage traces,
FCC Measuring Broadband America) with models simple enough to state in full, so that a generated dataset can be held
against the truth and not only against another sample. `web_mean`, `cluster_load` and `broadband_mean` give what is
known in closed form. `python -m dgkit.simulate` writes the shipped files.

Every draw comes from a `numpy.random.Generator` of the seed, and values keep 12 bits of their mantissa, which hides the
last bits in which platforms differ: the same seed gives the same data, and the first k samples are the same for every
n >= k. Left out: anything fitted to the real traces; the numbers are chosen to look like them.
"""

import argparse
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from dgkit.errors import ConfigError

__all__ = [
    "Domain", "JobClass", "Provider", "Technology",
    "broadband", "broadband_mean", "cluster", "cluster_load", "web", "web_mean",
]  # fmt: skip

VERSION = "1"  # of the three models: another one means other data for the same seed
WEEK, SLOW = 7, 84  # periods of the web cycles, days
_CENTRAL_99 = 2 * 2.5758  # width of a normal distribution's central 99 %, in standard deviations

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
    _check_count("n", n)
    _check_seed(seed)
    _check_count("time", time, 14)
    _check_range("decades", decades, 0.1, 6)
    _check_range("noise", noise, 0, 1)
    for_attributes, for_pages, for_bursts, for_noise = np.random.default_rng(seed).spawn(4)
    cells, shares = _web_cells()
    domain, access, agent = (np.array(column) for column in zip(*cells, strict=True))
    cell = _draw(for_attributes.random(n), shares)  # (N,)
    table = _web_table(domain, access, agent)[cell]  # (N, 5)
    level, weekly, weekly_peak, slow, slow_peak = table.T
    z = for_pages.normal(size=(n, 5))
    level = level + _web_residual() * z[:, 0]
    weekly = weekly * (1 + WEB_JITTER["strength"] * z[:, 1])
    slow = slow * (1 + WEB_JITTER["strength"] * z[:, 2])
    day = np.arange(time)
    u = 2 * np.pi * (day - (weekly_peak + WEB_JITTER["weekly_peak"] * z[:, 3])[:, None]) / WEEK  # (N, T)
    v = 2 * np.pi * (day - (slow_peak + WEB_JITTER["slow_peak"] * z[:, 4])[:, None]) / SLOW
    shape = weekly[:, None] * sum(a * np.cos((k + 1) * u) for k, a in enumerate(HARMONICS)) + slow[:, None] * np.cos(v)
    happens, start, size = for_bursts.random((n, 3)).T
    since = day - np.floor(start * time)[:, None]
    size = np.where(happens < BURST["probability"], -BURST["size"] * np.log1p(-size), 0)
    shape += np.where(since >= 0, size[:, None] * np.exp(-np.maximum(since, 0) / BURST["decay"]), 0)
    shape += noise * for_noise.normal(size=(n, time))
    views = 10 ** (WEB_CENTRE + decades * level)[:, None] * np.exp(shape)
    attrs = {"units": "views/day", "long_name": "daily page views", "scale": "log", "valid_min": 1.0}
    return xr.Dataset(
        {
            "views": (("sample", "time"), _rounded(np.maximum(views, 1)), attrs),
            "domain": _category(domain[cell], list(DOMAINS), "site"),
            "access": _category(access[cell], list(ACCESS), "kind of access"),
            "agent": _category(agent[cell], list(AGENT), "kind of visitor"),
        },
        {"time": ("time", pd.date_range("2015-07-06", periods=time, freq="D", unit="ns"), {"long_name": "day"})},
        _provenance("web", "Simulated daily page views", n, seed, time=time, decades=decades, noise=noise),
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
    _check_count("time", time, 14)
    _check_range("decades", decades, 0.1, 6)
    domain, access = _known(attributes, "domain", list(DOMAINS)), _known(attributes, "access", list(ACCESS))
    table = _web_table(domain, access, _known(attributes, "agent", list(AGENT)))
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
    return float(np.sqrt(_CENTRAL_99**-2 - _WEB_LEVEL[1]))


def _faded_cosine(distance: np.ndarray, period: float, jitter: float) -> np.ndarray:
    """Mean of cos(2 pi (distance + jitter z) / period) over a normal z."""
    return np.exp(-((2 * np.pi * jitter / period) ** 2) / 2) * np.cos(2 * np.pi * distance / period)


@dataclass(frozen=True)
class JobClass:
    """One class of `cluster`.

    Parameters
    ----------
    share : float
        Of the jobs.
    cpu, memory : float
        Mean of what is asked for, as a share of a machine.
    long : float
        Probability of a long job.
    swing : float
        Amplitude of the CPU demand's cycle of 10 steps.
    leak : float
        Probability that its memory leaks.
    evict : float
        Factor of the eviction hazard.

    Examples
    --------
    >>> max(JOB_CLASSES, key=lambda name: JOB_CLASSES[name].cpu)
    'large'
    """

    share: float
    cpu: float
    memory: float
    long: float
    swing: float
    leak: float
    evict: float


JOB_CLASSES = {
    "small": JobClass(0.60, 0.04, 0.03, 0.40, 0.0, 0.18, 0.5),
    "medium": JobClass(0.25, 0.08, 0.06, 0.45, 0.15, 0.20, 1.0),
    "large": JobClass(0.15, 0.40, 0.15, 0.50, 0.30, 0.25, 1.5),
}
END_EVENTS = ("EVICT", "FAIL", "FINISH", "KILL")
MACHINES = 100
ARRIVALS = 0.4  # jobs a machine and step
WORK = ((8.0, 0.30), (38.0, 0.10))  # mean steps of work, and its spread (of the logarithm), of short and of long jobs
STUCK = {"probability": 0.18, "cpu": 0.15, "kill": 0.15}  # a job, factor of its CPU demand, hazard a step
LEAK = {
    "median": 0.05,
    "spread": 0.5,
    "limit": 0.5,
}  # a step, of its logarithm, where the job fails; of the memory asked for
EVICT_HAZARD = 0.03  # a step, for each unit of CPU denied (share of the demand)


def cluster(
    n: int = 2000,
    seed: int = 0,
    *,
    mix: Mapping[str, Mapping[str, float]] | None = None,
    time: int = 60,
    capacity: float = 1.0,
) -> xr.Dataset:
    """Jobs that share machines of finite capacity, after the Google cluster usage traces.

    100 equal machines run in steps of 5 minutes. In every step a job arrives at a machine with probability 0.4, of a
    class drawn from the mix. With z normal, a job's

    - request is the class's mean CPU * exp(0.25 z - 0.03125), its memory the class's mean * the same factor;
    - work is short (mean 8 steps, 0.30 spread of the logarithm) or long (38, 0.10), by the class's probability;
    - memory leaks with the class's probability, by 0.05 exp(0.5 z) of the memory asked for in each step;
    - it is stuck, with probability 0.18, from an age uniform in 0 to 20.

    In each step, at age k (0 first):

    1. demand = request * (1 - 0.5 exp(-k)) * (1 + swing sin(2 pi k / 10 + phase)) * exp(e), with a uniform phase and e
       an AR(1) of coefficient 0.7 and innovation 0.1; 15 % of that while stuck.
    2. The machine grants min(1, capacity / sum of the demands) of every demand: `cpu_rate` = demand * granted.
    3. `memory` = asked * (0.4 + 0.4 (1 - exp(-(k + 1) / 4)) + 0.2 cpu_rate / request + leak (k + 1));
       `assigned_memory` starts at 0.8 of the memory asked for and goes 30 % of the way to 1.2 `memory` in each step.
       Memory itself is never short.
    4. A job that is not stuck completes `granted` steps of work: on a full machine jobs take longer.
    5. A job ends with FINISH when its work is done, else FAIL when its leak exceeds half the memory asked for, else
       EVICT with probability 0.03 * (1 - granted) * the class's factor, else KILL with probability 0.15 if stuck, or at
       age T - 1 (the time limit).

    So the series of one class depend on how many jobs of the others share the machines. That is the what-if question a
    model of P(series | attributes) cannot foresee; call `cluster` with another `mix` for the true answer. After 2 T
    steps to settle, the next n jobs are the samples, in the order of arrival.

    Parameters
    ----------
    n : int
        Jobs.
    seed : int
        Same seed, same data.
    mix : mapping, optional
        {"job_class": {"small": 0.2, "medium": 0.2, "large": 0.6}}: the share of every class, summing to 1. Default: the
        shares in `JOB_CLASSES`. `end_event` is an outcome of the simulation and cannot be set.
    time : int
        T, the time limit in steps; at least 20.
    capacity : float
        CPU of a machine, 0.1 to 1000; 1 is the machine that rates are measured in.

    Returns
    -------
    Dataset, dims (sample, time)
        Features `cpu_rate`, `memory`, `assigned_memory` (shares of one machine, float32, NaN past `length`); attributes
        `job_class`, `end_event`; `length` (steps). Coordinates `machine` and `arrival` (step) tell which jobs met.

    Raises
    ------
    ConfigError
        An argument outside its range; a mix that names another attribute or class, leaves one out or does not sum to 1.

    Source
    ------
    Attributes, the two modes of the length and the what-if question: Lin et al. 2020, sections 5 and 6.1, Figure 7.

    Examples
    --------
    >>> usual, crowded = cluster(500), cluster(500, mix={"job_class": {"small": 0.2, "medium": 0.2, "large": 0.6}})
    >>> rate = [float(ds.cpu_rate.where(ds.job_class == "small").mean()) for ds in (usual, crowded)]
    >>> rate[1] < 0.8 * rate[0]
    True
    """
    _check_count("n", n)
    _check_seed(seed)
    _check_count("time", time, 20)
    _check_range("capacity", capacity, 0.1, 1000)
    shares = _job_shares(mix)
    for_arrivals, for_requests, for_demand, for_ends = np.random.default_rng(seed).spawn(4)
    # A machine's job that arrived at step s is in slot s mod T, free again by s + T. All of a job's state: (M, T)
    state = {name: np.zeros((MACHINES, time)) for name in _JOB_STATE}
    alive = np.zeros((MACHINES, time), bool)
    sample = np.full((MACHINES, time), -1)  # index of the job in the result, -1: not in it
    series = np.full((3, n, time), np.nan)
    kind, machine, arrival = (np.zeros(n, int) for _ in range(3))
    end_event = np.full(n, -1)
    warm_up, recorded, step = 2 * time, 0, 0
    while recorded < n or (sample >= 0).any():
        uniform, z = for_arrivals.random((MACHINES, 7)), for_requests.normal(size=(MACHINES, 3))
        slot = step % time
        new = np.flatnonzero(uniform[:, 0] < ARRIVALS)
        new_kind = _draw(uniform[new, 1], shares)
        for name, values in _new_jobs(new_kind, uniform[new], z[new]).items():
            state[name][new, slot] = values
        alive[new, slot] = True
        if step >= warm_up and recorded < n:
            taken = new[: n - recorded]
            rows = recorded + np.arange(len(taken))
            sample[taken, slot], machine[rows], arrival[rows] = rows, taken, step - warm_up
            kind[rows] = new_kind[: len(taken)]
            recorded += len(taken)

        age, request, asked = state["age"], state["cpu"], state["memory"]
        state["drift"] = 0.7 * state["drift"] + 0.1 * for_demand.normal(size=(MACHINES, time))
        stuck = age >= state["stuck_from"]
        demand = request * (1 - 0.5 * np.exp(-age)) * np.exp(state["drift"]) * np.where(stuck, STUCK["cpu"], 1)
        demand *= alive * (1 + state["swing"] * np.sin(2 * np.pi * (age / 10 + state["phase"])))
        granted = np.minimum(1, capacity / np.maximum(demand.sum(1, keepdims=True), 1e-9))  # (M, 1)
        cpu_rate = demand * granted
        leaked = state["leak"] * (age + 1)
        level = 0.4 + 0.4 * (1 - np.exp(-(age + 1) / 4)) + leaked
        memory = asked * level + 0.2 * asked * cpu_rate / np.maximum(request, 1e-9)
        state["assigned"] += 0.3 * (1.2 * memory - state["assigned"]) * (age > 0)
        kept = sample >= 0
        series[:, sample[kept], age[kept].astype(int)] = cpu_rate[kept], memory[kept], state["assigned"][kept]

        state["done"] += granted * ~stuck
        evicted, killed = for_ends.random((2, MACHINES, time))
        ends = np.select(
            [
                state["done"] >= state["work"],
                leaked > LEAK["limit"],
                evicted < EVICT_HAZARD * (1 - granted) * state["evict"],
                (stuck & (killed < STUCK["kill"])) | (age >= time - 1),
            ],
            [END_EVENTS.index(event) for event in ("FINISH", "FAIL", "EVICT", "KILL")],
            -1,
        )
        over = alive & (ends >= 0)
        end_event[sample[over & kept]] = ends[over & kept]
        alive &= ~over
        sample[over] = -1
        state["age"] += 1
        step += 1
    length = np.isfinite(series[0]).sum(1)
    units = {"units": "1", "valid_min": 0.0}
    names = {"cpu_rate": "CPU used", "memory": "memory used", "assigned_memory": "memory assigned"}
    features = {
        name: (("sample", "time"), _rounded(values), {**units, "long_name": f"{long_name} (share of a machine)"})
        for (name, long_name), values in zip(names.items(), series, strict=True)
    }
    classes = np.array(list(JOB_CLASSES))[kind]
    given = dict(zip(JOB_CLASSES, map(float, shares), strict=True))
    return xr.Dataset(
        {
            **features,
            "job_class": _category(classes, list(JOB_CLASSES), "class of the job"),
            "end_event": _category(np.array(END_EVENTS)[end_event], list(END_EVENTS), "how the job ended"),
            "length": ("sample", length, {"long_name": "valid steps"}),
        },
        {
            "machine": ("sample", machine, {"long_name": "machine"}),
            "arrival": ("sample", arrival, {"long_name": "step of arrival"}),
        },
        _provenance(
            "cluster",
            "Simulated jobs on shared machines",
            n,
            seed,
            mix={"job_class": given},
            time=time,
            capacity=capacity,
        ),
    )


def cluster_load(mix: Mapping[str, Mapping[str, float]] | None = None, *, capacity: float = 1.0) -> float:
    """CPU work that arrives at a machine in a step, as a share of what it can do: beyond 1 it cannot keep up.

    Parameters
    ----------
    mix, capacity
        As in `cluster`.

    Returns
    -------
    float
        Dimensionless; the mean request times the mean work, as if every job ran to its end.

    Raises
    ------
    ConfigError
        As `cluster`.

    Examples
    --------
    >>> cluster_load() < 1 < cluster_load({"job_class": {"small": 0.2, "medium": 0.2, "large": 0.6}})
    True
    """
    _check_range("capacity", capacity, 0.1, 1000)
    (short, _), (long, _) = WORK
    asked = [job.cpu * (short + job.long * (long - short)) for job in JOB_CLASSES.values()]
    return float(ARRIVALS * _job_shares(mix) @ asked / capacity)


_JOB_STATE = (
    "age",
    "done",
    "drift",
    "cpu",
    "memory",
    "assigned",
    "work",
    "phase",
    "swing",
    "leak",
    "stuck_from",
    "evict",
)


def _new_jobs(kind: np.ndarray, uniform: np.ndarray, z: np.ndarray) -> dict[str, np.ndarray]:
    """State of the jobs that arrive, from their class, uniform (J, 7) and normal (J, 3) draws; each value (J,)."""
    u_long, u_leak, u_phase, u_stuck, u_from = uniform.T[2:]
    classes = JOB_CLASSES.values()
    of_class = {field.name: np.array([getattr(c, field.name) for c in classes])[kind] for field in fields(JobClass)}
    factor = np.exp(0.25 * z[:, 0] - 0.25**2 / 2)
    mean, spread = np.array(WORK)[(u_long < of_class["long"]).astype(int)].T
    zero = np.zeros(len(kind))
    return {
        "age": zero,
        "done": zero,
        "drift": zero,
        "cpu": of_class["cpu"] * factor,
        "memory": of_class["memory"] * factor,
        "assigned": 0.8 * of_class["memory"] * factor,
        "work": mean * np.exp(spread * z[:, 1] - spread**2 / 2),
        "phase": u_phase,
        "swing": of_class["swing"],
        "leak": np.where(u_leak < of_class["leak"], LEAK["median"] * np.exp(LEAK["spread"] * z[:, 2]), 0),
        "stuck_from": np.where(u_stuck < STUCK["probability"], np.floor(21 * u_from), np.inf),
        "evict": of_class["evict"],
    }


def _job_shares(mix: Any) -> np.ndarray:
    """Probability of each job class, (3,)."""
    if mix is None:
        return np.array([job.share for job in JOB_CLASSES.values()])
    if not isinstance(mix, Mapping) or not all(isinstance(shares, Mapping) for shares in mix.values()):
        raise ConfigError(f'mix is {mix!r}; give {{"job_class": {{class: share}}}} with every class.')
    if "end_event" in mix:
        raise ConfigError(
            "mix sets 'end_event', which is an outcome: how jobs end follows from what they share the machine with. "
            "Set the shares of 'job_class'."
        )
    if set(mix) != {"job_class"}:
        raise ConfigError(f"mix names {', '.join(map(repr, mix)) or 'nothing'}; only 'job_class' can be set.")
    given = mix["job_class"]
    if set(given) != set(JOB_CLASSES):
        raise ConfigError(f"mix['job_class'] names {list(given)}; give a share for each of {', '.join(JOB_CLASSES)}.")
    for name, share in given.items():
        _check_range(f"mix['job_class'][{name!r}]", share, 0, 1)
    if abs(sum(given.values()) - 1) > 1e-6:
        raise ConfigError(f"mix['job_class'] sums to {sum(given.values()):g}; the shares must sum to 1.")
    return np.array([float(given[name]) for name in JOB_CLASSES])


@dataclass(frozen=True)
class Technology:
    """One access technology of `broadband`.

    Parameters
    ----------
    level : float
        Mean log10 bytes in six hours.
    loss : float
        Mean probability of loss in a step.

    Examples
    --------
    >>> TECHNOLOGIES["Cable"].level
    8.5
    """

    level: float
    loss: float


@dataclass(frozen=True)
class Provider:
    """One ISP of `broadband`.

    Parameters
    ----------
    share : float
        Of the homes.
    technologies : dict
        What it sells, with shares.
    region : str or None
        That it favours.
    level : float
        Shift of log10 bytes.

    Examples
    --------
    >>> round(sum(provider.share for provider in PROVIDERS.values()), 9)
    1.0
    """

    share: float
    technologies: dict[str, float]
    region: str | None
    level: float = 0.0


TECHNOLOGIES = {
    "Cable": Technology(8.50, 0.020),
    "DSL": Technology(8.00, 0.045),
    "Fiber": Technology(8.70, 0.010),
    "Fixed Wireless": Technology(7.90, 0.050),
    "Satellite": Technology(7.65, 0.080),
}
PROVIDERS = {
    "ISP 01": Provider(0.16, {"Cable": 1.0}, "East", 0.05),
    "ISP 02": Provider(0.12, {"Cable": 0.9, "Fiber": 0.1}, "South"),
    "ISP 03": Provider(0.09, {"Cable": 1.0}, "Midwest", -0.05),
    "ISP 04": Provider(0.07, {"Cable": 0.8, "Fiber": 0.2}, "West"),
    "ISP 05": Provider(0.13, {"DSL": 0.7, "Fiber": 0.3}, "South", 0.05),
    "ISP 06": Provider(0.10, {"DSL": 0.9, "Fiber": 0.1}, "West", -0.05),
    "ISP 07": Provider(0.08, {"DSL": 1.0}, "Midwest"),
    "ISP 08": Provider(0.09, {"Fiber": 0.8, "DSL": 0.2}, "East"),
    "ISP 09": Provider(0.05, {"Satellite": 1.0}, None, 0.05),
    "ISP 10": Provider(0.03, {"Satellite": 1.0}, None, -0.10),
    "ISP 11": Provider(0.04, {"Fixed Wireless": 1.0}, "Midwest"),
    "ISP 12": Provider(0.04, {"Cable": 0.5, "DSL": 0.3, "Fixed Wireless": 0.2}, None),
}
REGIONS = {  # of each: its states with their weight (about the population)
    "East": {"MA": 2, "NJ": 3, "NY": 6, "OH": 4, "PA": 4},
    "Midwest": {"IL": 4, "IN": 2, "MI": 3, "MN": 2, "WI": 2},
    "South": {"FL": 7, "GA": 3, "MO": 2, "NC": 3, "VA": 3},
    "West": {"AZ": 2, "CA": 10, "CO": 2, "TX": 8, "WA": 2},
}
STATES = tuple(sorted(state for states in REGIONS.values() for state in states))
OWN_REGION = 8.0  # how many times a provider favours the states of its region
DAY = (-0.65, -0.20, 0.20, 0.65)  # mean shift of ln bytes from midnight, 6, 12 and 18 h
WEEKEND = (0.0, 0.30, 0.25, 0.0)  # added on Saturday and Sunday
LOSS_OF_DAY = (0.8, 0.8, 0.8, 1.6)  # factor of the probability of loss
HOME = {"level": 0.30, "strength": 0.2}  # standard deviations of a home's log10 bytes, and of its factor of the cycle
BROADBAND_NOISE = 0.45  # standard deviation of ln bytes, white
LOSS = (-2.2, 0.5)  # mean and standard deviation of log10 of a loss that occurs


def broadband(n: int = 1500, seed: int = 0, *, time: int = 56) -> xr.Dataset:
    """Traffic and packet loss of homes in steps of six hours, after the FCC's Measuring Broadband America.

    The provider is drawn first, then the technology from what it sells and, independently, the state, 8 times as often
    from the provider's region as the states' weights say. At step t (0: Monday, midnight to 6 h), quarter q = t mod 4,

    ln bytes = ln(10) level + strength * (DAY[q] + WEEKEND[q] on Saturday and Sunday) + 0.45 z,

    with level = technology's + provider's + 0.30 z and strength = 1 + 0.2 z for each home: an evening peak, a heavy
    tail. A step has loss with probability technology's mean * an exponential of mean 1 for the home * LOSS_OF_DAY[q],
    at most 1; the share lost is then 10 ** (-2.2 + 0.5 z), at most 1. The state has no influence of its own.

    Parameters
    ----------
    n : int
        Homes.
    seed : int
        Same seed, same data.
    time : int
        T, steps of six hours; at least 8.

    Returns
    -------
    Dataset, dims (sample, time)
        Features `traffic_bytes` (byte in six hours), `ping_loss` (share of the packets, about 97 % exactly 0), both
        float32; attributes `technology`, `isp` (invented), `state`.

    Raises
    ------
    ConfigError
        An argument outside its range.

    Source
    ------
    Features, attributes and step as in Lin et al. 2020, section 5 and Figure 9; tables invented.

    Examples
    --------
    >>> ds = broadband(500)
    >>> bool((ds.ping_loss == 0).mean() > 0.95)
    True
    """
    _check_count("n", n)
    _check_seed(seed)
    _check_count("time", time, 8)
    for_attributes, for_homes, for_traffic, for_loss, for_sizes = np.random.default_rng(seed).spawn(5)
    u_isp, u_technology, u_state, u_loss = for_attributes.random((n, 4)).T
    names, providers = np.array(list(PROVIDERS)), tuple(PROVIDERS.values())
    provider = _draw(u_isp, np.array([p.share for p in providers]))
    sold = np.array([[p.technologies.get(name, 0) for name in TECHNOLOGIES] for p in providers])
    technology = np.array(list(TECHNOLOGIES))[_draw(u_technology, sold[provider])]
    served = np.array([_state_weights(p.region) for p in providers])
    state = np.array(STATES)[_draw(u_state, served[provider])]
    isp = names[provider]
    level, cycle, loss = _broadband_table(technology, isp, time)
    z = for_homes.normal(size=(n, 2))
    log_bytes = (
        np.log(10) * (level + HOME["level"] * z[:, 0])[:, None] + (1 + HOME["strength"] * z[:, 1])[:, None] * cycle
    )
    traffic = np.exp(log_bytes + BROADBAND_NOISE * for_traffic.normal(size=(n, time)))
    lossy = for_loss.random((n, time)) < -np.log1p(-u_loss)[:, None] * loss
    size = np.minimum(10 ** (LOSS[0] + LOSS[1] * for_sizes.normal(size=(n, time))), 1)
    return xr.Dataset(
        {
            "traffic_bytes": (
                ("sample", "time"),
                _rounded(traffic),
                {"units": "byte", "long_name": "traffic in six hours", "scale": "log", "valid_min": 0.0},
            ),
            "ping_loss": (
                ("sample", "time"),
                _rounded(np.where(lossy, size, 0)),
                {"units": "1", "long_name": "share of packets lost", "valid_min": 0.0, "valid_max": 1.0},
            ),
            "technology": _category(technology, list(TECHNOLOGIES), "access technology"),
            "isp": _category(isp, list(PROVIDERS), "provider"),
            "state": _category(state, list(STATES), "state"),
        },
        {"time": ("time", pd.date_range("2017-10-02", periods=time, freq="6h", unit="ns"), {"long_name": "time"})},
        _provenance("broadband", "Simulated home broadband", n, seed, time=time),
    )


def broadband_mean(attributes: xr.Dataset, *, time: int = 56) -> xr.Dataset:
    """The true mean of log10 bytes, and the probability of loss, for each row of attributes, in closed form.

    Parameters
    ----------
    attributes : Dataset, dims (sample,)
        With `technology` and `isp`, such as `broadband` gives.
    time : int
        As in `broadband`.

    Returns
    -------
    Dataset, dims (sample, time)
        `log10_bytes` and `loss_probability`, means over all homes of these attributes. The second leaves out that a
        home's probability is at most 1.

    Raises
    ------
    ConfigError
        An attribute is missing or has a value that `broadband` does not know.

    Examples
    --------
    >>> sorted(broadband_mean(broadband(3)).data_vars)
    ['log10_bytes', 'loss_probability']
    """
    _check_count("time", time, 8)
    technology = _known(attributes, "technology", list(TECHNOLOGIES))
    level, cycle, loss = _broadband_table(technology, _known(attributes, "isp", list(PROVIDERS)), time)
    values = {"log10_bytes": level[:, None] + cycle / np.log(10), "loss_probability": loss}
    return xr.Dataset({name: (("sample", "time"), value, {"units": "1"}) for name, value in values.items()})


def _broadband_table(technology: np.ndarray, isp: np.ndarray, time: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean log10 bytes (N,), mean daily cycle of ln bytes (T,) and mean probability of loss (N, T)."""
    step = np.arange(time)
    weekend = step // 4 % 7 >= 5
    cycle = np.array(DAY)[step % 4] + weekend * np.array(WEEKEND)[step % 4]
    level = np.array([TECHNOLOGIES[t].level + PROVIDERS[i].level for t, i in zip(technology, isp, strict=True)])
    loss = np.array([TECHNOLOGIES[t].loss for t in technology])
    return level, cycle, loss[:, None] * np.array(LOSS_OF_DAY)[step % 4]


def _state_weights(region: str | None) -> list[float]:
    """Weight of each of STATES for a provider of the region."""
    weights = {
        s: w * (OWN_REGION if name == region else 1) for name, states in REGIONS.items() for s, w in states.items()
    }
    return [weights[state] for state in STATES]


def main(arguments: list[str] | None = None) -> None:
    """Write the shipped files: `python -m dgkit.simulate [--out data]`.

    Parameters
    ----------
    arguments : list of str, optional
        Of the command line; default this process' own.

    Examples
    --------
    >>> try:  # doctest: +ELLIPSIS
    ...     main(["--help"])
    ... except SystemExit as end:
    ...     print(end.code)
    usage: python -m dgkit.simulate [-h] [--out OUT]
    ...
    0
    """
    parser = argparse.ArgumentParser(prog="python -m dgkit.simulate", description="Write the simulated datasets.")
    parser.add_argument("--out", default="data", help="folder to write to (default: data)")
    folder = Path(parser.parse_args(arguments).out)
    folder.mkdir(parents=True, exist_ok=True)
    for name, (simulator, n) in SHIPPED.items():
        path = folder / f"{name}.nc"
        _write(simulator(n), path)
        print(f"{path}: {n} samples, {path.stat().st_size / 1e6:.2f} MB")


def _write(ds: xr.Dataset, path: Path) -> None:
    """As compressed NetCDF-4; an older file stays whole until the new one is complete."""
    packed = {"zlib": True, "complevel": 9, "shuffle": True}
    encoding = {str(name): packed for name, da in ds.data_vars.items() if da.dtype.kind != "U"}
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        ds.to_netcdf(beside, engine="netcdf4", encoding=encoding)
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)


def _provenance(name: str, title: str, n: int, seed: int, **arguments: Any) -> dict[str, Any]:
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


def _category(values: np.ndarray, categories: list[str], long_name: str) -> tuple[str, np.ndarray, dict[str, Any]]:
    return "sample", values.astype(str), {"long_name": long_name, "categories": categories}


def _draw(uniform: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """Index of each uniform draw in the cumulated shares; the last dim of `shares` is the one drawn from."""
    edges = np.cumsum(shares, axis=-1)
    return np.minimum((uniform[..., None] * edges[..., -1:] >= edges).sum(-1), shares.shape[-1] - 1)


def _rounded(values: np.ndarray) -> np.ndarray:
    """Float32 with 12 bits of mantissa (relative error at most 2**-12): hides the platforms' last bits, packs well."""
    mantissa, exponent = np.frexp(values)
    return np.ldexp(np.rint(mantissa * 2**12) / 2**12, exponent).astype(np.float32)


def _known(attributes: xr.Dataset, name: str, categories: list[str]) -> np.ndarray:
    if name not in attributes:
        raise ConfigError(f"attribute {name!r} is missing; found {sorted(map(str, attributes.data_vars))}.")
    values = np.asarray(attributes[name].values).astype(str)
    unknown = sorted(set(values.tolist()) - set(categories))
    if unknown:
        raise ConfigError(f"attribute {name!r} has the value {unknown[0]!r}; it can be {', '.join(categories)}.")
    return values


def _check_count(name: str, value: Any, least: int = 1) -> None:
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
        raise ConfigError(f"{name} is {value!r}; it must be a whole number, {least} or more.")


def _check_seed(seed: Any) -> None:
    _check_count("seed", seed, 0)


def _check_range(name: str, value: Any, low: float, high: float) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float | np.number) or not low <= value <= high:
        raise ConfigError(f"{name} is {value!r}; it must be a number from {low} to {high}.")


SHIPPED: dict[str, tuple[Callable[[int], xr.Dataset], int]] = {
    "web": (web, 3000),
    "cluster": (cluster, 3000),
    "broadband": (broadband, 2000),
}

if __name__ == "__main__":
    main()
