"""What many share, as a simulator behind a *demand*: machines that jobs run on, uplinks that homes send through.

A demand says what each series asks for, as if it were alone. Put on something of finite capacity, every one of those
that meet there gets the same share of what it asks for: min(1, capacity / sum of what is asked). On a machine work that
is not done waits (a job takes longer, fails or is evicted meanwhile); on an uplink what is not sent is lost.

Where the demand comes from is left open: data that were never short of anything, or a model of such data
(`dgkit.whatif.run_demand`). Left out: priorities, placement by load, anything but CPU and bytes.
"""

from typing import Any

import numpy as np
import xarray as xr

from dgkit import _checks
from dgkit._checks import whole
from dgkit.errors import ConfigError, SchemaError
from dgkit.schema import lengths, valid_numbers
from dgkit.simulate.draws import check_range, rounded
from dgkit.simulate.jobs import ARRIVALS, END_EVENTS, EVICT_HAZARD, JOB_CLASSES, MACHINES

# N jobs, T steps, M machines


def share_machines(demand: xr.Dataset, seed: int = 0, *, capacity: float = 1.0) -> xr.Dataset:
    """Jobs of a given demand on the machines of `cluster`: what they get, how long they take, how they end.

    In every step a job arrives at each of 100 machines with probability 0.4, drawn from the rows of `demand`; after the
    time to settle, each row arrives once, and is a sample of the answer. A machine grants every job the same share of
    its demand, and a job gets ahead in its own demand by that share in a step: a series that took 10 steps takes 20
    where half is granted. It ends

    - with FINISH when its demand is through;
    - if it failed or was killed in `demand`, so at the same age: that clock does not wait for the machine;
    - where it takes longer than it did there, by a failure or kill that it would have escaped: with the hazard that its
      class has at this age in `demand` (deaths / still running, as Kaplan and Meier have it);
    - with EVICT, with probability 0.03 * (1 - granted) * its class's factor in each step;
    - with KILL at the time limit.

    Parameters
    ----------
    demand : Dataset, dims (sample, time)
        `cpu_rate` (share of a machine, as if alone), `job_class`, `end_event` (of FAIL, FINISH, KILL) and `length`,
        such as `cluster(..., capacity=1000)` gives. Other features go along with the CPU.
    seed : int
        Of arrivals, evictions and late failures.
    capacity : float
        CPU of a machine, 0.1 to 1000.

    Returns
    -------
    Dataset
        As `demand`, its rows in their order; NaN past the new `length`; `granted` as in `cluster`. Coordinates
        `machine` and `arrival` of the demand become those of the answer.

    Raises
    ------
    SchemaError
        A variable is missing, or a job in it was evicted (that is the machine's doing, see `dgkit.whatif.demand_of`).
    ConfigError
        An argument outside its range.

    Source
    ------
    The steps of `cluster`; hazards: Kaplan and Meier 1958.

    Examples
    --------
    >>> from dgkit.simulate import cluster
    >>> alone = cluster(400, capacity=1000)
    >>> crowded = share_machines(alone, capacity=0.5)
    >>> bool(crowded.granted.mean() < 0.9)
    True
    """
    seed = _checks.seed(seed)
    check_range("capacity", capacity, 0.1, 1000)
    kinds = _codes(demand, "job_class", list(JOB_CLASSES))
    ends = _codes(demand, "end_event", list(END_EVENTS))
    evict, fail, finish, kill = range(4)
    if (ends == evict).any():
        raise SchemaError(
            f"{int((ends == evict).sum())} jobs of the demand end with EVICT, which is the machine's doing: what they "
            "would have asked for is not known. dgkit.whatif.demand_of lets them go on."
        )
    on_steps = [str(name) for name, da in demand.data_vars.items() if set(da.dims) == {"sample", "time"}]
    for name in on_steps:
        if demand[name].dtype.kind not in "iuf" or "categories" in demand[name].attrs:
            raise SchemaError(f"feature {name!r} holds categories; machines move numbers alone. Leave it out.")
    features = {
        name: demand[name].transpose("sample", "time").values.astype(float) for name in on_steps if name != "granted"
    }
    if "cpu_rate" not in features or "length" not in demand:
        raise SchemaError("the demand needs `cpu_rate` on (sample, time) and `length`, as simulate.cluster has them.")
    length, (n, steps) = lengths(demand), features["cpu_rate"].shape
    asked = np.nan_to_num(features["cpu_rate"])
    factor = np.array([job.evict for job in JOB_CLASSES.values()])[kinds]
    hazards = _hazards(kinds, ends, length, steps)  # (class, age, FAIL or KILL)

    # a machine's job that arrived at step s is in slot s mod T, as in `cluster`
    rng = np.random.default_rng(seed)
    order, settle = rng.permutation(n), 2 * steps
    row, sample = np.zeros((MACHINES, steps), int), np.full((MACHINES, steps), -1)
    alive, age = np.zeros((MACHINES, steps), bool), np.zeros((MACHINES, steps), int)
    through, part = np.zeros((MACHINES, steps)), np.zeros((MACHINES, steps))  # of its demand; of its last step of work
    granted, at = np.full((n, steps), np.nan), np.zeros((n, steps), int)
    end_event, new_length = np.zeros(n, int), np.zeros(n, int)
    met = {"machine": np.zeros(n, int), "arrival": np.zeros(n, int)}
    step = recorded = 0
    while recorded < n or (sample >= 0).any():
        new, slot = np.flatnonzero(rng.random(MACHINES) < ARRIVALS), step % steps
        row[new, slot], sample[new, slot] = rng.integers(n, size=len(new)), -1
        if step >= settle:
            taken = new[: n - recorded]
            row[taken, slot] = sample[taken, slot] = rows = order[recorded : recorded + len(taken)]
            met["machine"][rows], met["arrival"][rows] = taken, step - settle
            recorded += len(taken)
        alive[new, slot], age[new, slot], through[new, slot], part[new, slot] = True, 0, 0.0, rng.random(len(new))

        # what is asked for, and the same share of it for all on a machine
        place = np.minimum(through.astype(int), length[row] - 1)
        demanded = asked[row, place] * alive
        got = np.minimum(1, capacity / np.maximum(demanded.sum(1, keepdims=True), 1e-9))  # (M, 1)
        got = np.broadcast_to(got, alive.shape)
        kept = alive & (sample >= 0)
        granted[sample[kept], age[kept]], at[sample[kept], age[kept]] = got[kept], place[kept]
        through = through + got

        # how it may end: its own end, one that it would have escaped, or the machine's
        own, late = ends[row], age + 1 > length[row]
        u = rng.random((3, *alive.shape))
        chance = hazards[kinds[row], np.minimum(age, steps - 1)] * late[..., None]
        own_end = (age + 1 >= length[row]) & (own != finish)
        failed, killed = (own_end & (own == fail)) | (u[0] < chance[..., 0]), u[1] < chance[..., 1]
        over = np.select(
            [
                (own == finish) & (through >= length[row] - part * (1 - 1e-9)),
                failed,
                u[2] < EVICT_HAZARD * (1 - got) * factor[row],
                (own_end & (own == kill)) | killed | (age >= steps - 1),
            ],
            [finish, fail, evict, kill],
            -1,
        )
        stop = alive & (over >= 0)
        end_event[sample[stop & kept]], new_length[sample[stop & kept]] = over[stop & kept], age[stop & kept] + 1
        alive &= ~stop
        sample[stop] = -1
        age += 1
        step += 1

    valid = np.isfinite(granted)
    rows = np.arange(n)[:, None]
    result = demand.copy()
    for name, values in features.items():
        moved = np.where(valid, values[rows, at] * (granted if name == "cpu_rate" else 1), np.nan)
        result[name] = ("sample", "time"), rounded(moved), demand[name].attrs
    result["granted"] = ("sample", "time"), rounded(granted), {"units": "1", "long_name": "share of the demand granted"}
    attrs = demand["end_event"].attrs | {"categories": list(END_EVENTS)}
    result["end_event"] = "sample", np.array(END_EVENTS)[end_event], attrs
    result["length"] = "sample", new_length, demand["length"].attrs
    known = [name for name in met if name in demand.coords]  # of the machines that the demand was alone on
    return result.assign_coords({name: ("sample", met[name], demand[name].attrs) for name in known})


def share_uplinks(
    demand: xr.Dataset, seed: int = 0, *, capacity: float, homes: int = 20, feature: str = "traffic_bytes"
) -> xr.Dataset:
    """Homes of a given demand behind uplinks of finite capacity: what is asked for beyond it is not sent.

    The homes are put on the uplinks at random. In each step all homes of an uplink send the same share of what they
    ask for, min(1, capacity / sum of the demands).

    Parameters
    ----------
    demand : Dataset, dims (sample, time)
        Such as `broadband` gives. The last uplink may have fewer homes, and then a capacity as much smaller.
    seed : int
        Of who shares an uplink with whom.
    capacity : float
        Of an uplink in each step, in the feature's unit.
    homes : int
        On an uplink.
    feature : str
        What is shared.

    Returns
    -------
    Dataset
        As `demand`, with `granted` and the coordinate `uplink`.

    Raises
    ------
    SchemaError
        No such feature.
    ConfigError
        An argument outside its range.

    Examples
    --------
    >>> from dgkit.simulate import broadband
    >>> alone = broadband(200)
    >>> through = share_uplinks(alone, capacity=5e9)
    >>> float(through.traffic_bytes.groupby("uplink").sum().max()) < 5.01e9
    True
    """
    seed = _checks.seed(seed)
    whole("homes", homes)
    check_range("capacity", capacity, 1e-300, 1e300)
    if feature not in demand or set(demand[feature].dims) != {"sample", "time"}:
        raise SchemaError(f"the demand has no feature {feature!r} on (sample, time).")
    if demand[feature].dtype.kind not in "iuf" or not demand.sizes["sample"]:
        raise SchemaError(f"feature {feature!r} must hold numbers, of one home at least.")
    valid = np.arange(demand.sizes["time"]) < lengths(demand)[:, None]
    asked = valid_numbers(demand, feature).astype(float)
    uplink = np.random.default_rng(seed).permutation(len(asked)) // homes  # (N,)
    total = np.zeros((uplink.max() + 1, asked.shape[1]))
    np.add.at(total, uplink, np.nan_to_num(asked))
    room = capacity * np.minimum(np.bincount(uplink) / homes, 1)[:, None]
    granted = np.where(valid, np.minimum(1, room / np.maximum(total, 1e-300))[uplink], np.nan)  # (N, T)
    attrs = {"units": "1", "long_name": "share of the demand granted", "valid_min": 0.0, "valid_max": 1.0}
    return demand.assign(
        {
            feature: (("sample", "time"), rounded(asked * granted), demand[feature].attrs),
            "granted": (("sample", "time"), rounded(granted), attrs),
        }
    ).assign_coords(uplink=("sample", uplink, {"long_name": "uplink"}))


def _codes(demand: xr.Dataset, name: str, categories: list[str]) -> np.ndarray:
    if name not in demand:
        raise SchemaError(f"the demand has no {name!r}; it needs job_class, end_event, length and cpu_rate.")
    values: Any = demand[name].values.astype(str)
    unknown = sorted(set(values.tolist()) - set(categories))
    if unknown:
        raise ConfigError(f"{name!r} has the value {unknown[0]!r}; it can be {', '.join(categories)}.")
    return np.array([categories.index(value) for value in values.tolist()], int)


def _hazards(kinds: np.ndarray, ends: np.ndarray, length: np.ndarray, steps: int) -> np.ndarray:
    """Probability that a job of a class still running at an age fails, or is killed, there: (class, T, 2)."""
    hazards = np.zeros((len(JOB_CLASSES), steps, 2))
    for kind in range(len(JOB_CLASSES)):
        of = kinds == kind
        running = (length[of][:, None] > np.arange(steps)).sum(0)  # (T,)
        for k, event in enumerate(("FAIL", "KILL")):
            there = np.bincount(length[of & (ends == END_EVENTS.index(event))] - 1, minlength=steps)[:steps]
            there[-1] = 0  # the time limit kills all
            hazards[kind, :, k] = there / np.maximum(running, 1)
    return hazards
