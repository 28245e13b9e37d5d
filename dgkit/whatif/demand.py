"""Demand and machine: learn what is *asked for*, and put what all share behind it as a simulator.

Where a resource runs out, P(series | attributes) depends on the mix, and no model of single series can know how. What
each series asks for does not: it is the same however many others there are. So take the capacity out of the data
(`demand_of`), train on that, change the mix of the demand, and run what the model makes through the machine
(`run_demand`). The paper's Section 6.1 names this way, "GANs with simulators that can model physical constraints".

What has to be observed: how much of its demand each series was granted in each step, such as a counter of throttled
time tells. Less will do, at a price: which steps were capped, and who shared them (`infer_granted`).

Letters for shapes: N samples, T steps.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import xarray as xr

from dgkit import _checks, schema
from dgkit._checks import several, whole
from dgkit.core.model import DoppelGANger
from dgkit.errors import ConfigError, SchemaError
from dgkit.whatif.retrain import sample_target
from dgkit.whatif.rows import Rows

_CANDIDATES = 3  # generated for each series that is taken


def run_demand(
    model: DoppelGANger | Rows,
    machine: Callable[[xr.Dataset], xr.Dataset],
    n: int,
    *,
    target: Any = None,
    like: xr.Dataset | None = None,
    levels: Sequence[str] = (),
    seed: int = 0,
) -> xr.Dataset:
    """What a changed mix does where something is shared: the model's demand, run through a simulator of what is shared.

    Parameters
    ----------
    model : DoppelGANger or Rows
        Trained on demand, `demand_of(...)`; it may be a retrained one.
    machine : callable
        Takes a Dataset of demand and returns what would be seen: `simulate.share_machines`, `simulate.share_uplinks`
        with its capacity, or one of your own.
    n : int
        Series. They meet each other on the machine, so take some thousands where a few could differ by chance.
    target : as in `sample_target`, optional
        The mix. Default: what the model makes by itself.
    like : Dataset, optional
        The demand that the model was trained on. Then attributes and lengths are distributed as in it, weighted to the
        target: for each of its rows the generated series of the same attributes that is nearest in length is taken, of
        `_CANDIDATES`. A model's own errors of length count twice behind a machine, for a job that runs too long holds
        up the others too.
    levels : list of str
        With `like`, features whose mean over the series of the same attributes is made that of `like`, by a factor: the
        same for what is asked for. A model that asks for a tenth too little leaves room that is not there.
    seed : int
        Of the demand. The machine has its own.

    Returns
    -------
    Dataset
        What the machine returns.

    Raises
    ------
    ConfigError, SchemaError
        As `sample_target`. Also ConfigError: `like` without a target, or levels without `like`. SchemaError: no such
        feature, or the machine returned no Dataset with samples.

    Source
    ------
    Lin et al. 2020, Conclusion (simulators behind a GAN); replay of latent conditions under another policy: CausalSim,
    Alomar et al., NSDI 2023.

    Examples
    --------
    >>> from dgkit import Config, Trainer
    >>> from dgkit.simulate import cluster, share_machines
    >>> jobs = cluster(300, granted=True)
    >>> demand = demand_of(jobs, "granted", ["cpu_rate"], paced=True)
    >>> model = Trainer(demand, Config(sample_len=10)).model
    >>> run_demand(model, share_machines, 100, target={"job_class": {"large": 1.0}}).sizes["sample"]
    100
    """
    whole("n", n)
    if not callable(machine):
        raise ConfigError(f"machine={machine!r:.80} must be a function that takes a Dataset of demand.")
    if like is not None:
        if target is None:
            raise ConfigError("like=... weighs its rows to a target: give one.")
        asked = _alike(model, sample_target(Rows(like), target, n, seed=seed), seed)
        for name in several("levels", levels):
            asked = _at_level(asked, like, name, [variable.name for variable in model.encoder.schema.attributes])
    elif levels:
        raise ConfigError("levels=[...] are those of like=...: give the data.")
    else:
        asked = model.sample(n, seed=seed) if target is None else sample_target(model, target, n, seed=seed)
    seen = machine(asked)
    if not isinstance(seen, xr.Dataset) or not seen.sizes.get("sample"):
        raise SchemaError(f"the machine returned {type(seen).__name__} instead of a Dataset with the dim 'sample'.")
    return seen


def demand_of(
    ds: xr.Dataset,
    granted: str | xr.DataArray,
    features: Sequence[str],
    *,
    paced: bool = False,
    ends: str | None = "end_event",
    done: Sequence[str] = ("FINISH",),
    machine: Sequence[str] = ("EVICT",),
    seed: int = 0,
) -> xr.Dataset:
    """What each series would have asked for, had it been alone: the capacity taken out of data that were short of it.

    Each of the features is divided by what was granted. That is all for series whose unmet demand is lost. Where it
    waits (`paced`), a series of 20 steps that got half of its demand is 10 steps of work:

    - a series that is done keeps its steps in the order of its work, and is as long as its work;
    - one that the machine ended goes on as another of the same other attributes that was as far in its work and went
      on, at its own level; where there is none, as one of any attributes; where nobody was as far, it counts as done;
    - one that ended otherwise (a failure, a limit) keeps its age: that clock does not wait.

    Parameters
    ----------
    ds : Dataset, dims (sample, time)
        Data as seen.
    granted : str or DataArray, dims (sample, time)
        Share of the demand that was granted, above 0 and at most 1, or the feature of `ds` that is it. It is left out
        of the result.
    features : list of str
        What the capacity cuts.
    paced : bool
        Whether unmet demand waits. Then `ds` has `length`.
    ends : str or None
        With `paced`, the attribute that says how a series ended; None: all are done.
    done, machine : list of str
        Its categories for series whose work is done, and for those that the machine ended.
    seed : int
        Of who goes on as whom, and of parts of steps.

    Returns
    -------
    Dataset
        As `ds`; without the categories of `machine`.

    Raises
    ------
    SchemaError
        A name that is not in `ds`, a value of `granted` that is no share.

    Notes
    -----
    Said, not hidden: of a series that failed, the work left is unknown; it fails at the same age in the demand, though
    faster machines might have finished it first.

    Examples
    --------
    >>> from dgkit.simulate import cluster
    >>> seen, alone = cluster(2000, granted=True), cluster(2000, capacity=1000)
    >>> asked = demand_of(seen, "granted", ["cpu_rate"], paced=True)
    >>> bool(abs(asked.length.mean() - alone.length.mean()) < 0.1 * alone.length.mean() < seen.length.mean())
    True
    """
    seed, features = _checks.seed(seed), several("features", features)
    done, machine = several("done", done), several("machine", machine)
    share, ds = _granted_in(ds, granted)
    asked = {name: _numbers(ds, name, "the data") for name in features}
    lengths = schema.lengths(ds)
    result = ds.copy()
    valid = np.arange(ds.sizes["time"]) < lengths[:, None]  # (N, T)
    if not ((share > 0) & (share <= 1 + 1e-6))[valid].all():
        raise SchemaError("`granted` has values that are no share of a demand, above 0 and at most 1, within a series.")
    for name, values in asked.items():
        result[name] = ("sample", "time"), (values / np.where(valid, share, 1)).astype(values.dtype), ds[name].attrs
    return _at_its_pace(result, share, lengths, ends, done, machine, seed) if paced else result


def infer_granted(
    ds: xr.Dataset,
    feature: str,
    capped: xr.DataArray,
    shared: xr.DataArray,
    *,
    by: Sequence[str] = (),
) -> xr.DataArray:
    """The share of the demand that was granted, from which steps were capped and who shared them.

    In a capped step all who share it get the same, unknown share g. What each would have asked for is guessed from its
    own steps that were not capped: ln demand = level of the series + pattern of its group at this step + a residual,
    interpolated between them. Then g = sum of what was seen / sum of the guesses, at most 1; elsewhere g = 1.

    Parameters
    ----------
    ds : Dataset, dims (sample, time)
    feature : str
        What the capacity cuts; positive.
    capped : DataArray of bool, dims (sample, time)
        Whether the capacity was used up in this step: the sum over all who shared it against the declared limit.
    shared : DataArray of int, dims (sample, time)
        Equal for steps in which the series shared the same thing at the same time: a number for each machine and step.
    by : list of str
        Attributes that make the groups.

    Returns
    -------
    DataArray, dims (sample, time)
        As `demand_of` takes it.

    Raises
    ------
    SchemaError
        `feature` or an attribute is not there, or no step is free of the cap.

    Notes
    -----
    Its price: steps that were not capped are those in which less was asked for, so g is guessed too high and the demand
    too low. Where a group's steps are all capped, nothing says how much was asked for.

    Examples
    --------
    >>> from dgkit.simulate import broadband, share_uplinks
    >>> seen = share_uplinks(broadband(400), capacity=8e9)
    >>> step = seen.uplink * 56 + xr.DataArray(np.arange(56), dims="time")
    >>> guess = infer_granted(seen, "traffic_bytes", seen.granted < 1, step, by=["technology"])
    >>> bool(abs(guess - seen.granted).mean() < 0.1)
    True
    """
    by = several("by", by)
    for name in by:
        if name not in ds or ds[name].dims != ("sample",):
            raise SchemaError(f"the data have no attribute {name!r}.")
    seen = _numbers(ds, feature, "the data").astype(float)
    cut = _on_steps(capped, "capped", seen.shape).astype(bool)
    who = _on_steps(shared, "shared", seen.shape)
    valid = np.arange(seen.shape[1]) < schema.lengths(ds)[:, None]
    with np.errstate(divide="ignore", invalid="ignore"):
        log = np.where(valid & (seen > 0), np.log(seen), np.nan)
    free = np.isfinite(log) & ~cut
    if not free.any():
        raise SchemaError(f"every step of {feature!r} was capped: nothing says how much was asked for.")
    keys = np.stack([ds[name].values.astype(str) for name in by], 1) if by else np.zeros((len(seen), 1), str)
    group = np.unique(keys, axis=0, return_inverse=True)[1].ravel()  # (N,)

    # level + pattern, by turns, from free steps alone
    level, pattern = np.zeros(len(seen)), np.zeros((group.max() + 1, seen.shape[1]))
    for _ in range(5):
        for k in range(len(pattern)):
            pattern[k] = _filled(_mean((log - level[:, None])[group == k], free[group == k]))
        level = _mean((log - pattern[group]).T, free.T)
        for k in range(len(pattern)):  # a series that was always capped is as its kind
            known = (group == k) & np.isfinite(level)
            level[(group == k) & ~known] = level[known].mean() if known.any() else 0.0
    guess = level[:, None] + pattern[group]
    steps = np.arange(seen.shape[1])
    for row, known in enumerate(free):
        if known.any():
            guess[row] += np.interp(steps, steps[known], (log[row] - guess[row])[known])

    # one share for all in a step
    used = cut & np.isfinite(log)
    places, index = np.unique(who[used], return_inverse=True)
    sums = [np.bincount(index, values[used], len(places)) for values in (seen, np.exp(guess))]
    granted = np.where(valid, 1.0, np.nan)
    granted[used] = np.clip(sums[0] / sums[1], 1e-3, 1)[index]
    return xr.DataArray(granted, dims=("sample", "time"), attrs={"units": "1", "long_name": "share granted (inferred)"})


def _alike(model: DoppelGANger | Rows, rows: xr.Dataset, seed: int) -> xr.Dataset:
    """Generated series for rows of data, of the rows' attributes and, as near as there are, of their lengths."""
    names = [variable.name for variable in model.encoder.schema.attributes]
    n = rows.sizes["sample"]
    pool = model.sample(attributes=rows[names].isel(sample=np.tile(np.arange(n), _CANDIDATES)), seed=seed)
    if "length" not in pool:
        return pool.isel(sample=slice(n))
    rng = np.random.default_rng(seed)
    wanted, made = (ds["length"].values + 0.5 * rng.random(ds.sizes["sample"]) for ds in (rows, pool))  # breaks ties
    kind = np.unique(np.stack([rows[name].values.astype(str) for name in names]), axis=1, return_inverse=True)[
        1
    ].ravel()
    chosen = np.empty(n, int)
    for k in range(kind.max() + 1):
        have = np.flatnonzero(np.tile(kind == k, _CANDIDATES))
        have = have[np.argsort(made[have])]
        of = np.flatnonzero(kind == k)
        after = np.clip(np.searchsorted(made[have], wanted[of]), 1, len(have) - 1)
        nearer = wanted[of] - made[have[after - 1]] < made[have[after]] - wanted[of]
        chosen[of] = have[after - nearer]
    return pool.isel(sample=chosen)


def _at_level(asked: xr.Dataset, like: xr.Dataset, name: str, attributes: Sequence[str]) -> xr.Dataset:
    """A feature times a factor for each combination of attributes: its mean there is that of `like`."""
    pair = _numbers(asked, name, "levels: the demand"), _numbers(like, name, "levels: the data")
    keys = [np.stack([ds[k].values.astype(str) for k in attributes], 1) for ds in (asked, like)]
    kind = np.unique(np.concatenate(keys), axis=0, return_inverse=True)[1].ravel()
    means = []
    for steps, of in zip(pair, np.split(kind, [len(keys[0])]), strict=True):
        total, count = (np.bincount(of, x.sum(1), kind.max() + 1) for x in (np.nan_to_num(steps), ~np.isnan(steps)))
        means.append(np.divide(total, count, out=np.full(len(total), np.nan), where=count > 0))
    factor = np.divide(means[1], means[0], out=np.ones(len(means[0])), where=means[0] > 0)[kind[: len(keys[0])]]
    values = (pair[0] * factor[:, None]).astype(pair[0].dtype)
    return asked.assign({name: (("sample", "time"), values, asked[name].attrs)})


def _numbers(ds: xr.Dataset, name: str, whose: str) -> np.ndarray:
    """A feature of numbers, (N, T), NaN past the end; whole ones as float64, which a share leaves whole no longer."""
    if name not in ds or set(ds[name].dims) != {"sample", "time"}:
        raise SchemaError(f"{whose}: no feature {name!r} on (sample, time).")
    if ds[name].dtype.kind not in "iuf" or "categories" in ds[name].attrs:
        raise SchemaError(f"feature {name!r} holds categories; what is asked for is a number.")
    return schema.valid_numbers(ds, name)


def _on_steps(values: Any, name: str, shape: tuple[int, int]) -> np.ndarray:
    """A DataArray's values (N, T); SchemaError where it is none of that shape."""
    if not isinstance(values, xr.DataArray) or set(values.dims) != {"sample", "time"}:
        raise SchemaError(f"{name} must be a DataArray on (sample, time).")
    found: np.ndarray = values.transpose("sample", "time").values
    if found.shape != shape:
        raise SchemaError(f"{name} has the shape {found.shape}; the data have {shape}.")
    return found


def _granted_in(ds: xr.Dataset, granted: str | xr.DataArray) -> tuple[np.ndarray, xr.Dataset]:
    if isinstance(granted, str):
        if granted not in ds:
            raise SchemaError(f"the data have no {granted!r}; give what was granted as a DataArray, see infer_granted.")
        granted, ds = ds[granted], ds.drop_vars(granted)
    return _on_steps(granted, "granted", (ds.sizes["sample"], ds.sizes["time"])).astype(float), ds


def _at_its_pace(
    ds: xr.Dataset,
    share: np.ndarray,
    lengths: np.ndarray,
    ends: str | None,
    done: list[str],
    machine: list[str],
    seed: int,
) -> xr.Dataset:
    """The steps of each series in the order of its work."""
    if "length" not in ds:
        raise SchemaError("with paced=True the series have a `length`: work that waits makes them longer.")
    if ends is not None and ends not in ds:
        raise SchemaError(f"the data have no attribute {ends!r} that says how a series ended; ends=None: all are done.")
    rng, n, steps = np.random.default_rng(seed), *share.shape
    end = ds[ends].values.astype(str) if ends is not None else np.full(n, done[0])
    is_done, cut = np.isin(end, done), np.isin(end, machine)
    known = {*end.tolist(), *(map(str, ds[ends].attrs.get("categories", ())) if ends is not None else done)}
    for event in (*done, *machine):
        if event not in (*known, "FINISH", "EVICT"):  # the defaults, which the data may happen not to have
            raise SchemaError(f"no series ends in {event!r}; {ends!r} has {', '.join(map(repr, sorted(known)))}.")
    work = np.cumsum(np.where(np.arange(steps) < lengths[:, None], share, 0), 1)  # (N, T), after each step
    total = work[:, -1] - is_done * rng.random(n) * share[np.arange(n), lengths - 1]  # of the last step a part
    length = np.where(is_done | cut, np.clip(np.ceil(total - 1e-6), 1, steps), lengths).astype(int)
    at = np.array([np.searchsorted(row, np.arange(steps) + 1e-6, "right") for row in work])  # step of each unit of work
    at = np.where((is_done | cut)[:, None], np.minimum(at, lengths[:, None] - 1), np.arange(steps))

    # who goes on as whom
    names = [v.name for v in schema.validate(ds, training=False).attributes if v.name != ends]
    keys = np.stack([ds[name].values.astype(str) for name in names], 1) if names else np.zeros((n, 1), str)
    group, donor = np.unique(keys, axis=0, return_inverse=True)[1].ravel(), np.arange(n)
    for row in np.flatnonzero(cut):
        near = np.flatnonzero(~cut & (group == group[row]) & (length > length[row]))
        if not len(near):
            near = np.flatnonzero(~cut & (length > length[row]))
        donor[row] = rng.choice(near) if len(near) else row
    place = np.arange(steps)
    goes_on = (donor != np.arange(n))[:, None] & (place >= length[:, None])
    new_length = length[donor]
    result = ds.copy()
    for name, da in ds.data_vars.items():
        if set(da.dims) != {"sample", "time"}:
            continue
        own = da.transpose("sample", "time").values[np.arange(n)[:, None], at]
        others = own[donor]
        if da.dtype.kind in "iuf" and "categories" not in da.attrs:  # at its own level
            means = [np.nanmean(np.where(place < length[:, None], v, np.nan), 1) for v in (own, others)]
            ratio = np.divide(means[0], means[1], out=np.ones(n), where=means[1] > 0)[:, None]
            others = others * ratio
        past: Any = {"f": np.nan, "U": "", "O": ""}.get(da.dtype.kind, 0)
        moved = np.where(place < new_length[:, None], np.where(goes_on, others, own), past)
        result[name] = ("sample", "time"), schema.cast(moved, da.dtype.str), da.attrs
    if ends is not None:
        new_end = np.where(cut, end[donor], end)
        new_end = np.where(np.isin(new_end, machine), done[0], new_end)  # nobody was as far as it
        left = [c for c in ds[ends].attrs.get("categories", []) if c not in machine]
        result[ends] = ds[ends].dims, new_end, ds[ends].attrs | ({"categories": left} if left else {})
    result["length"] = ds["length"].dims, new_length.astype(ds["length"].dtype), ds["length"].attrs
    return result


def _mean(values: np.ndarray, where: np.ndarray) -> np.ndarray:
    """Means over the first dim of what counts; NaN where nothing does."""
    count, total = where.sum(0), np.where(where, values, 0).sum(0)
    return np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0)


def _filled(pattern: np.ndarray) -> np.ndarray:
    """A pattern over steps, with what is missing interpolated."""
    known = np.isfinite(pattern)
    if not known.any():
        return np.zeros_like(pattern)
    steps = np.arange(len(pattern))
    return np.interp(steps, steps[known], pattern[known])
