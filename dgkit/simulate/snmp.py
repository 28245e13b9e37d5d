"""A month of counters as a poller writes them, with the faults that such files have, and the truth behind it.

Thirty interfaces at three sites, each with its hour and its weekend, are asked every five minutes for two counters and
a gauge. Planted: jitter of up to ten seconds, lost polls, polls made twice, an outage of the poller of four hours, two
devices that restart (their counters begin anew), counters of 32 bits that wrap all the time, one of 64 bits that wraps
once, one device that comes 35 hours late, rows newest first, and local times of October 2024, in which an hour comes
twice. Left out: counters that lie.
"""

from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from dgkit import _checks

ZONE, STEP, DEVICES = "Europe/Berlin", 300, 30
LATE, LATE_STEPS = 7, 35 * 12  # which device, and by how many steps
RESTARTS = {3: 2_200, 19: 6_051}  # device: step
OUTAGE = slice(4_000, 4_048)  # steps
SITES = {"campus": (13, 0.3), "core": (16, 0.8), "edge": (21, 1.2)}  # hour of the peak, and the weekend's share
TOLERANCE = 0.05  # of a rate: jitter moves some traffic to the step beside it


def snmp_month(seed: int) -> tuple[pd.DataFrame, xr.Dataset]:
    """The rows of the file, and the dataset that they are of.

    Parameters
    ----------
    seed : int

    Returns
    -------
    table : DataFrame
        Columns `time` (local, of `ZONE`), `device`, `site`, `in_octets` (of 32 bits), `out_octets` (of 64), `cpu`.
    truth : Dataset
        `in_octets` and `out_octets` as rates per second, and `cpu`, from each device's second step on; NaN where no
        poll tells them. Attrs: `tolerance` (of a rate), and how often each fault was planted.

    Examples
    --------
    >>> table, truth = snmp_month(0)
    >>> table.columns.tolist(), truth.sizes["sample"], truth.attrs["resets"]
    (['time', 'device', 'site', 'in_octets', 'out_octets', 'cpu'], 30, 2)
    """
    rng = np.random.default_rng(_checks.seed(seed))
    begin = pd.Timestamp("2024-10-01", tz=ZONE).tz_convert("UTC")
    steps = 31 * 288 + 12  # October, and the hour that comes twice
    step = np.arange(steps)
    ids = np.array([f"sw{k:02d}" for k in range(DEVICES)])
    sites = np.array(list(SITES))[np.arange(DEVICES) % 3]

    # what flows in each step (the one that ends at it): a day's course by the clock, weekends, and noise that lasts
    clock = pd.date_range(begin, periods=steps, freq=f"{STEP}s").tz_convert(ZONE)
    peak, weekend = (np.array([SITES[site][k] for site in sites])[:, None] for k in (0, 1))
    phase = 2 * np.pi * (clock.hour.to_numpy() + clock.minute.to_numpy() / 60 - peak) / 24
    share = pd.Series(clock.day_of_week >= 5).rolling(24, center=True, min_periods=1).mean()  # of the weekend: it dawns
    course = (1.2 + np.cos(phase)) * weekend ** share.to_numpy()
    flows = []
    for least, most in ((5e4, 2e6), (1e5, 8e6)):
        level = np.exp(rng.uniform(np.log(least), np.log(most), (DEVICES, 1)))
        noise = np.cumsum(rng.normal(0, 0.03, (DEVICES, steps)), 1)
        noise -= pd.DataFrame(noise.T).rolling(48, min_periods=1).mean().to_numpy().T
        flows.append(level * course * np.exp(noise))
    cpu = np.round(np.clip(20 + 10 * np.cos(phase) + rng.normal(0, 3, (DEVICES, steps)), 0, 100), 1)

    # when each poll is made, and which is lost
    jitter = rng.integers(-10, 11, (DEVICES, steps))
    lost = rng.random((DEVICES, steps)) < 0.004
    lost[:, OUTAGE] = True
    first = np.where(np.arange(DEVICES) == LATE, LATE_STEPS, 0)
    for one, at in RESTARTS.items():
        lost[one, at - 3 : at + 4] = False
    lost[np.arange(DEVICES), first] = lost[np.arange(DEVICES), first + 1] = lost[:, -1] = False
    made = (step >= first[:, None]) & ~lost

    # what the counters show then: flow up to the poll, from a reading of their own, from 0 after a restart
    counted, wraps = {}, 0
    for name, flow, bits in (("in_octets", flows[0], 32), ("out_octets", flows[1], 64)):
        total = np.cumsum(flow * STEP, 1)
        late = np.where(jitter > 0, np.roll(flow, -1, 1), flow) * jitter
        since = np.rint(total + late).astype(np.int64)
        start = rng.integers(0, 2**31, (DEVICES, 1), dtype=np.int64).astype(np.uint64)
        if bits == 64:
            start[5] = np.uint64(2**64 - 10**9)
        reading = since.astype(np.uint64) + start  # goes on from 0 after 2^64 by itself
        for one, at in RESTARTS.items():
            reading[one, at:] = (since[one, at:] - since[one, at]).astype(np.uint64) + np.uint64(1000)
        if bits == 32:
            reading &= np.uint64(2**32 - 1)
        counted[name] = reading
        both = made[:, 1:] & made[:, :-1]
        fell = both & (reading[:, 1:] < reading[:, :-1])
        for one, at in RESTARTS.items():
            fell[one, at - 1] = False
        wraps += int(fell.sum())

    # the file: a row for each poll, some made twice, newest first
    device, k = np.nonzero(made)
    when = begin + pd.to_timedelta(k * STEP + jitter[device, k], unit="s")
    rows = pd.DataFrame({"time": when, "device": ids[device], "site": sites[device]})
    for name, reading in counted.items():
        rows[name] = reading[device, k]
    rows["cpu"] = cpu[device, k]
    again = rng.choice(np.flatnonzero((jitter[device, k] < 5) & (k > first[device])), 60, replace=False)
    before = rows.iloc[again].assign(
        time=rows.time.iloc[again] - pd.Timedelta("4s")
    )  # the same, but not yet counted on
    before["cpu"] = 0.0
    for name in counted:
        shown = before[name].to_numpy()
        before[name] = np.where(shown < 10**4, shown, shown - np.uint64(1000))
    table = pd.concat([rows, before]).sort_values(["time", "device"], ascending=False, kind="stable", ignore_index=True)
    table["time"] = table.time.dt.tz_convert(ZONE).dt.tz_localize(None)

    # the truth, from each device's second step on; a rate is known where both its polls are
    length = steps - first - 1
    truth: dict[str, Any] = {}
    known = made[:, 1:] & made[:, :-1]
    for one, at in RESTARTS.items():
        known[one, at - 1] = False
    values = {
        "in_octets": np.where(known, flows[0][:, 1:], np.nan),
        "out_octets": np.where(known, flows[1][:, 1:], np.nan),
        "cpu": np.where(made, cpu, np.nan)[:, 1:],
    }
    for name, all_steps in values.items():
        own = np.full(all_steps.shape, np.nan)
        for i in range(DEVICES):
            own[i, : length[i]] = all_steps[i, first[i] :]
        truth[name] = (("sample", "time"), own, {"units": "percent" if name == "cpu" else "octets/s"})
    truth["length"] = ("sample", length)
    order = pd.unique(table.device)  # as they first appear
    starts = begin.tz_localize(None) + pd.to_timedelta((first + 1) * STEP, unit="s")
    ds = xr.Dataset(
        truth | {"site": ("sample", sites)},
        {"sample": ids, "start": ("sample", starts.to_numpy())},
        {
            "tolerance": TOLERANCE,
            "lost": int((~made & (step >= first[:, None])).sum()),
            "duplicates": 60,
            "resets": len(RESTARTS),
            "wraps": wraps,
        },
    )
    return table, ds.sel(sample=order)
