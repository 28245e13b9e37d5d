"""Systems that run out of something, whose truth is known, and the ways to ask them "what if?": for chapter 07.

Each of them gives data of any mix as they are seen, the machine that makes them from a demand, and the distance of an
answer from the truth. Jobs share machines (`cluster`): work that is not done waits. Homes share uplinks (`broadband`
behind `share_uplinks`): what is not sent is lost.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import xarray as xr

from dgkit import metrics, simulate, whatif
from dgkit.core.model import DoppelGANger

WAYS = ("as seen", "demand", "demand, inferred", "uncapped alone")
TRAINED = ("as seen", "demand")  # of the others real rows show what the data are worth, without a model


@dataclass(frozen=True)
class System:
    """One of them.

    Parameters
    ----------
    attribute : str
        Whose mix is changed.
    today : mapping
        Its shares.
    to : str
        The category that grows with the shift.
    seen : callable
        (n, seed, mix) -> Dataset, with `granted`.
    machine : callable
        (demand, seed) -> Dataset.
    feature : str
        What is capped.
    limit : mapping
        As `whatif.trust` takes it: limits, and starts or together.
    paced : bool
        Whether unmet demand waits.
    meeting : callable
        Data -> DataArray: a number for each machine and step.
    distances : callable
        (truth, answer) -> mapping of what to distance.
    runs_out : bool
        Whether it is short of anything within the shifts of the course.

    Examples
    --------
    >>> sorted(SYSTEMS)
    ['machines', 'machines of 5', 'uplinks', 'uplinks of 8']
    """

    attribute: str
    today: Mapping[str, float]
    to: str
    seen: Callable[..., xr.Dataset]
    machine: Callable[..., xr.Dataset]
    feature: str
    limit: Mapping[str, Any]
    paced: bool
    meeting: Callable[[xr.Dataset], xr.DataArray]
    distances: Callable[[xr.Dataset, xr.Dataset], dict[str, float]]
    runs_out: bool = True

    def mix(self, shift: float) -> dict[str, float]:
        """Today's shares, moved by this total variation."""
        left = 1 - shift / (1 - self.today[self.to])
        return {name: share + shift if name == self.to else share * left for name, share in self.today.items()}

    def answers(
        self,
        model: DoppelGANger | whatif.Rows,
        way: str,
        shift: float,
        n: int,
        seed: int,
        like: xr.Dataset | None = None,
    ) -> xr.Dataset:
        """What a model of data as they are seen, or of demand like `like`, says to a shift."""
        target = {self.attribute: self.mix(shift)}
        if way == "as seen":
            return whatif.sample_target(model, target, n, seed=seed)
        # where unmet demand waits, a demand a little too low or high adds up; where it is lost it does not
        levels = [self.feature] if self.paced and like is not None else []
        machine = partial(self.machine, seed=seed)
        return whatif.run_demand(model, machine, n, target=target, like=like, levels=levels, seed=seed)

    def pool(self, model: DoppelGANger, way: str, learned: xr.Dataset, n: int, seed: int) -> whatif.Rows:
        """A model's series, made once, of every kind as many: to be drawn from where many mixes are asked for."""
        even = {self.attribute: dict.fromkeys(self.today, 1 / len(self.today))}
        if way == "as seen":
            return whatif.Rows(whatif.sample_target(model, even, n, seed=seed))
        names = [variable.name for variable in model.encoder.schema.attributes]
        both = learned, whatif.sample_target(whatif.Rows(learned), even, n, seed=seed)
        rows = xr.concat([ds[names].reset_coords(drop=True) for ds in both], "sample")
        return whatif.Rows(model.sample(attributes=rows, seed=seed))

    def learned(self, train: xr.Dataset, way: str) -> xr.Dataset:
        """What a model is trained on, of data as they are seen."""
        if way == "as seen":
            return train.drop_vars("granted")
        take_out = partial(whatif.demand_of, features=[self.feature], paced=self.paced)
        if way == "demand":
            return take_out(train, "granted")
        capped = train["granted"] < 1
        if way == "uncapped alone":
            free = ~capped.any("time")
            if "end_event" in train:
                free &= train["end_event"] != "EVICT"
            return take_out(train.isel(sample=np.flatnonzero(free)), "granted")
        guess = whatif.infer_granted(train, self.feature, capped, self.meeting(train), by=[self.attribute])
        return take_out(train.drop_vars("granted"), guess)


def _jobs(n: int, seed: int, mix: Mapping[str, float], *, capacity: float) -> xr.Dataset:
    return simulate.cluster(n, seed, mix={"job_class": mix}, capacity=capacity, granted=True)


def _job_distances(truth: xr.Dataset, answer: xr.Dataset) -> dict[str, float]:
    rates = [ds.cpu_rate.mean("time") for ds in (truth, answer)]
    return {
        "CPU rate": metrics.wasserstein(*rates),
        "length": metrics.wasserstein(truth.length, answer.length),
        "end": float(metrics.jensen_shannon(truth.end_event, answer.end_event)) ** 0.5,
    }


HOMES, UPLINK = 20, 8e9  # homes on an uplink, and what it carries in a step, byte


TECHNOLOGY = {
    name: sum(p.share * p.technologies.get(name, 0) for p in simulate.PROVIDERS.values())
    for name in simulate.TECHNOLOGIES
}


def _homes(n: int, seed: int, mix: Mapping[str, float], *, capacity: float) -> xr.Dataset:
    """n homes of a mix of technologies, behind uplinks."""
    rng = np.random.default_rng(seed)
    kind = rng.choice(list(mix), n, p=np.array(list(mix.values())) / sum(mix.values()))
    rarest = max(float((kind == name).mean()) / share for name, share in TECHNOLOGY.items())
    pool = simulate.broadband(int(1.5 * n * max(rarest, 1)) + 1000, seed)[["traffic_bytes", "technology"]]
    rows = np.empty(n, int)
    for name in mix:
        rows[kind == name] = np.flatnonzero(pool.technology == name)[: int((kind == name).sum())]
    return simulate.share_uplinks(pool.isel(sample=rows), seed, capacity=capacity, homes=HOMES)


def _home_distances(truth: xr.Dataset, answer: xr.Dataset) -> dict[str, float]:
    """In decades: of the homes' mean, of their evenings' mean, of their largest step."""
    a, b = truth.traffic_bytes, answer.traffic_bytes
    evenings = (x.isel(time=slice(3, None, 4)).mean("time") for x in (a, b))
    return {
        "mean traffic": metrics.wasserstein(a.mean("time"), b.mean("time"), scale="log"),
        "evening": metrics.wasserstein(*evenings, scale="log"),
        "largest": metrics.wasserstein(a.max("time"), b.max("time"), scale="log"),
    }


def _meeting(kind: str) -> Callable[[xr.Dataset], xr.DataArray]:
    def number(ds: xr.Dataset) -> xr.DataArray:
        steps = xr.DataArray(np.arange(ds.sizes["time"]), dims="time")
        return ds.machine * 1_000_000 + ds.arrival + steps if kind == "machine" else ds.uplink * 1_000_000 + steps

    return number


def _machines(capacity: float, runs_out: bool = True) -> System:
    return System(
        "job_class",
        {name: job.share for name, job in simulate.JOB_CLASSES.items()},
        "large",
        partial(_jobs, capacity=capacity),
        partial(simulate.share_machines, capacity=capacity),
        "cpu_rate",
        {"limits": {"cpu_rate": capacity}, "starts": simulate.ARRIVALS},
        True,
        _meeting("machine"),
        _job_distances,
        runs_out,
    )


def _uplinks(capacity: float, runs_out: bool = True) -> System:
    return System(
        "technology",
        TECHNOLOGY,
        "Fiber",
        partial(_homes, capacity=capacity),
        partial(simulate.share_uplinks, capacity=capacity, homes=HOMES),
        "traffic_bytes",
        {"limits": {"traffic_bytes": capacity}, "together": HOMES},
        False,
        _meeting("uplink"),
        _home_distances,
        runs_out,
    )


SYSTEMS = {
    "machines": lambda: _machines(1.0),
    "machines of 5": lambda: _machines(5.0, False),  # never short of anything, whatever the mix
    "uplinks": lambda: _uplinks(UPLINK),
    "uplinks of 8": lambda: _uplinks(8 * UPLINK, False),
}
