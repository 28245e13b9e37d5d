"""`cluster`: jobs that share machines, after the paper's Google traces: unequal lengths, a machine that fills up."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import xarray as xr

from dgkit import _checks
from dgkit._checks import whole
from dgkit.errors import ConfigError
from dgkit.simulate.draws import category, check_range, draw, provenance, rounded

# N samples, T steps; one letter a dim in the shape comments


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
    granted: bool = False,
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
    granted : bool
        Add the feature `granted`, the share of its demand that a job got in each step (1: all): what an operator reads
        from the counter of throttled time. The rest of the data is the same.

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
    _checks.many(n, whole("time", time, 20), 3)
    seed = _checks.seed(seed)
    check_range("capacity", capacity, 0.1, 1000)
    shares = _job_shares(mix)
    for_arrivals, for_requests, for_demand, for_ends = np.random.default_rng(seed).spawn(4)
    # A machine's job that arrived at step s is in slot s mod T, free again by s + T. All of a job's state: (M, T)
    state = {name: np.zeros((MACHINES, time)) for name in _JOB_STATE}
    alive = np.zeros((MACHINES, time), bool)
    sample = np.full((MACHINES, time), -1)  # index of the job in the result, -1: not in it
    series, shared = np.full((3, n, time), np.nan), np.full((n, time), np.nan)
    kind, machine, arrival = (np.zeros(n, int) for _ in range(3))
    end_event = np.full(n, -1)
    warm_up, recorded, step = 2 * time, 0, 0
    while recorded < n or (sample >= 0).any():
        uniform, z = for_arrivals.random((MACHINES, 7)), for_requests.normal(size=(MACHINES, 3))
        slot = step % time
        new = np.flatnonzero(uniform[:, 0] < ARRIVALS)
        new_kind = draw(uniform[new, 1], shares)
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
        got = np.minimum(1, capacity / np.maximum(demand.sum(1, keepdims=True), 1e-9))  # (M, 1)
        cpu_rate = demand * got
        leaked = state["leak"] * (age + 1)
        level = 0.4 + 0.4 * (1 - np.exp(-(age + 1) / 4)) + leaked
        memory = asked * level + 0.2 * asked * cpu_rate / np.maximum(request, 1e-9)
        state["assigned"] += 0.3 * (1.2 * memory - state["assigned"]) * (age > 0)
        kept = sample >= 0
        series[:, sample[kept], age[kept].astype(int)] = cpu_rate[kept], memory[kept], state["assigned"][kept]
        shared[sample[kept], age[kept].astype(int)] = np.broadcast_to(got, kept.shape)[kept]

        state["done"] += got * ~stuck
        evicted, killed = for_ends.random((2, MACHINES, time))
        ends = np.select(
            [
                state["done"] >= state["work"],
                leaked > LEAK["limit"],
                evicted < EVICT_HAZARD * (1 - got) * state["evict"],
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
        name: (("sample", "time"), rounded(values), {**units, "long_name": f"{long_name} (share of a machine)"})
        for (name, long_name), values in zip(names.items(), series, strict=True)
    }
    if granted:
        attrs = {"units": "1", "long_name": "share of the demand granted", "valid_min": 0.0, "valid_max": 1.0}
        features["granted"] = ("sample", "time"), rounded(shared), attrs
    classes = np.array(list(JOB_CLASSES))[kind]
    given = dict(zip(JOB_CLASSES, map(float, shares), strict=True))
    return xr.Dataset(
        {
            **features,
            "job_class": category(classes, list(JOB_CLASSES), "class of the job"),
            "end_event": category(np.array(END_EVENTS)[end_event], list(END_EVENTS), "how the job ended"),
            "length": ("sample", length, {"long_name": "valid steps"}),
        },
        {
            "machine": ("sample", machine, {"long_name": "machine"}),
            "arrival": ("sample", arrival, {"long_name": "step of arrival"}),
        },
        provenance(
            "cluster",
            "Simulated jobs on shared machines",
            n,
            seed,
            mix={"job_class": given},
            time=time,
            capacity=capacity,
            **({"granted": True} if granted else {}),
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
    check_range("capacity", capacity, 0.1, 1000)
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
        check_range(f"mix['job_class'][{name!r}]", share, 0, 1)
    if abs(sum(given.values()) - 1) > 1e-6:
        raise ConfigError(f"mix['job_class'] sums to {sum(given.values()):g}; the shares must sum to 1.")
    return np.array([float(given[name]) for name in JOB_CLASSES])
