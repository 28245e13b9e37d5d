"""Systems that run out of something, whose truth is known, and the ways to ask them "what if?": for chapter 07.

Each of them gives data of any mix as they are seen, the machine that makes them from a demand, and the distance of an
answer from the truth. Jobs share machines (`cluster`): work that is not done waits. Homes share uplinks (`broadband`
behind `share_uplinks`): what is not sent is lost.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

import numpy as np
import xarray as xr

from dgkit import metrics, simulate, whatif
from dgkit.core.model import DoppelGANger

CELLS = (0.0, 0.1, 0.2, 0.3)  # shifts of the four mixes that the way "a few mixes" is trained on
WAYS = ("as seen", "demand", "demand, inferred", "uncapped alone")
TRAINED = ("as seen", "demand", "a few mixes")  # of the others real rows show what the data are worth, without a model


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
    load : callable
        Mix -> what it asks for, as a share of what there is.
    runs_out : bool
        Whether it is short of anything within the shifts of the course.

    Examples
    --------
    >>> sorted(SYSTEMS)
    ['machines', 'machines of 5', 'uplinks']
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
    load: Callable[[Mapping[str, float]], float]
    runs_out: bool = True

    def mix(self, shift: float) -> dict[str, float]:
        """Today's shares, moved by this total variation."""
        left = 1 - shift / (1 - self.today[self.to])
        return {name: share + shift if name == self.to else share * left for name, share in self.today.items()}

    def answers(
        self, model: DoppelGANger | whatif.Rows, way: str, learned: xr.Dataset, shift: float, n: int, seed: int
    ) -> xr.Dataset:
        """What a model of `learned` (by this way), or its rows themselves, say to a shift."""
        mix = self.mix(shift)
        target = {self.attribute: mix}
        if way == "a few mixes":
            return model.sample(attributes=self._at_load(learned, mix, n, seed), seed=seed)
        if way == "as seen":
            return whatif.sample_target(model, target, n, seed=seed)
        like = None if isinstance(model, whatif.Rows) else learned
        return whatif.run_demand(model, partial(self.machine, seed=seed), n, target=target, like=like, seed=seed)

    def learned(self, train: xr.Dataset, way: str) -> xr.Dataset:
        """What a model is trained on, of data as they are seen."""
        if way == "a few mixes" and not self.paced:  # tried on the machines alone
            return train.isel(sample=[])
        if way in ("as seen", "a few mixes"):
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

    def cells(self, n: int, seed: int) -> xr.Dataset:
        """As many series, of several mixes, with the load of each as an attribute."""
        parts = []
        for k, shift in enumerate(CELLS):
            mix = self.mix(shift)
            part = self.seen(n // len(CELLS), 100 * (k + 1) + seed, mix)
            part = part.drop_vars([name for name in part.coords if name != "time"])
            attrs = {"units": "1", "long_name": "load", "valid_min": 0.0, "valid_max": 2 * self.load(self.mix(0.5))}
            parts.append(part.assign(load=("sample", np.full(part.sizes["sample"], self.load(mix)), attrs)))
        return xr.concat(parts, "sample", combine_attrs="override")

    def _at_load(self, cells: xr.Dataset, mix: Mapping[str, float], n: int, seed: int) -> xr.Dataset:
        """Rows of attributes at the load of a mix; how series end there, by a line through the cells."""
        rng, load = np.random.default_rng(seed), self.load(mix)
        names = list(mix)
        kind = rng.choice(len(names), n, p=np.array(list(mix.values())) / sum(mix.values()))
        rows = xr.Dataset({self.attribute: ("sample", np.array(names)[kind]), "load": ("sample", np.full(n, load))})
        if "end_event" not in cells:
            return rows
        loads = np.unique(cells["load"].values)
        events, end = list(simulate.END_EVENTS), np.empty(n, "U8")
        for k, name in enumerate(names):
            of = cells.isel(sample=np.flatnonzero(cells[self.attribute] == name))
            table = [[float((of.end_event[of["load"] == x] == e).mean()) for e in events] for x in loads]
            fitted = [np.polyval(np.polyfit(loads, column, 1), load) for column in np.array(table).T]
            shares = np.clip(fitted, 0, None)
            end[kind == k] = rng.choice(events, int((kind == k).sum()), p=shares / shares.sum())
        return rows.assign(end_event=("sample", end))


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


@cache
def _population() -> tuple[dict[str, float], dict[str, float]]:
    """Shares of the technologies, and the mean bytes that a home of each asks for in a step."""
    homes = simulate.broadband(20_000, seed=99)
    kinds = {name: homes.isel(sample=np.flatnonzero(homes.technology == name)) for name in simulate.TECHNOLOGIES}
    shares = {name: sum(p.share * p.technologies.get(name, 0) for p in simulate.PROVIDERS.values()) for name in kinds}
    return shares, {name: float(of.traffic_bytes.mean()) for name, of in kinds.items()}


def _homes(n: int, seed: int, mix: Mapping[str, float], *, capacity: float) -> xr.Dataset:
    """n homes of a mix of technologies, behind uplinks."""
    rng = np.random.default_rng(seed)
    kind = rng.choice(list(mix), n, p=np.array(list(mix.values())) / sum(mix.values()))
    rarest = max(float((kind == name).mean()) / share for name, share in _population()[0].items())
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
        lambda mix: simulate.cluster_load({"job_class": mix}, capacity=capacity),
        runs_out,
    )


def _uplinks(capacity: float) -> System:
    def load(mix: Mapping[str, float]) -> float:
        return HOMES * sum(share * _population()[1][name] for name, share in mix.items()) / capacity

    return System(
        "technology",
        _population()[0],
        "Fiber",
        partial(_homes, capacity=capacity),
        partial(simulate.share_uplinks, capacity=capacity, homes=HOMES),
        "traffic_bytes",
        {"limits": {"traffic_bytes": capacity}, "together": HOMES},
        False,
        _meeting("uplink"),
        _home_distances,
        load,
    )


SYSTEMS = {
    "machines": lambda: _machines(1.0),
    "machines of 5": lambda: _machines(5.0, False),  # never short of anything, whatever the mix
    "uplinks": lambda: _uplinks(UPLINK),
}
