"""A sweep on Dask workers, processes of their own: the cells made here, also when one is killed or all interrupted."""

import contextlib
import os
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import dask
import numpy as np
import psutil
import pytest
import xarray as xr
from distributed import Client, LocalCluster

from dgkit import Config, simulate, sweeps
from dgkit.errors import DgkitError
from dgkit.sweeps import sweep

TINY = Config(steps=2, batch_size=10, sample_len=28, lstm_units=6, attribute_units=8, discriminator_units=10)
GRID = {"sample_len": [28, 56, 84], "seed": list(range(8))}


@pytest.fixture(scope="module")
def client():
    options = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": None, "host": "127.0.0.1"}
    with LocalCluster(**options) as cluster, Client(cluster) as client:
        yield client


@pytest.fixture(scope="module")
def web():
    return simulate.web(40)


class Note(NamedTuple):
    sample_len: int
    seed: int
    worker: int
    when: int


class Noted:
    """A measure that leaves a note in a folder: which cell was begun, by which process, and when."""

    def __init__(self, folder, seconds=0.0):
        self.folder, self.seconds = Path(folder), seconds

    def __call__(self, model):
        config = model.config
        (self.folder / f"{config.sample_len} {config.seed} {os.getpid()} {time.time_ns()}").touch()
        time.sleep(self.seconds)
        return xr.Dataset({"views": model.sample(3, seed=1).views.mean()})

    def notes(self):
        return [Note(*map(int, path.name.split())) for path in self.folder.iterdir()]


def kill_one(measure, at):
    """Wait until `at` cells were begun, then kill the worker that began the last; that cell."""
    while len(measure.notes()) < at:
        time.sleep(0.02)
    lost = max(measure.notes(), key=lambda note: note.when)
    psutil.Process(lost.worker).kill()
    return lost


def test_a_killed_worker_costs_the_cell_it_was_at_and_nothing_else(client, web, tmp_path):
    for folder in ("here", "there", "cells"):
        (tmp_path / folder).mkdir()
    here = sweep(web, GRID, base=TINY, measure=Noted(tmp_path / "here"), progress=False)
    measure = Noted(tmp_path / "there", seconds=0.5)

    with ThreadPoolExecutor(1) as other:
        killed = other.submit(kill_one, measure, 8)
        there = sweep(web, GRID, base=TINY, measure=measure, client=client, folder=tmp_path / "cells", progress=False)
        lost = killed.result()

    assert lost.worker not in {note.worker for note in measure.notes() if note.when > lost.when}
    times = Counter((note.sample_len, note.seed) for note in measure.notes())
    assert set(times) == {(s, seed) for s in GRID["sample_len"] for seed in GRID["seed"]}
    assert {cell: n for cell, n in times.items() if n > 1} == {(lost.sample_len, lost.seed): 2}
    np.testing.assert_array_equal(there.views, here.views.astype("f4"))  # files hold float32


def test_an_interrupted_sweep_goes_on_with_what_is_missing(client, web, tmp_path, monkeypatch):
    (tmp_path / "notes").mkdir()
    measure = Noted(tmp_path / "notes")
    grid = {"seed": list(range(6))}
    stored, written = sweeps.stored, []

    def interrupted(cell, path):
        written.append(stored(cell, path))
        if len(written) == 3:
            raise KeyboardInterrupt
        return written[-1]

    monkeypatch.setattr(sweeps, "stored", interrupted)
    with pytest.raises(KeyboardInterrupt):
        sweep(web, grid, base=TINY, measure=measure, client=client, folder=tmp_path / "cells", progress=False)
    monkeypatch.undo()
    first = {path: path.stat().st_mtime_ns for path in (tmp_path / "cells").iterdir()}
    whole = sweep(web, grid, base=TINY, measure=measure, client=client, folder=tmp_path / "cells", progress=False)

    assert len(first) == 3
    assert len(list((tmp_path / "cells").iterdir())) == 6
    assert {path: path.stat().st_mtime_ns for path in first} == first
    again = sweep(web, grid, base=TINY, measure=measure, progress=False)
    np.testing.assert_array_equal(whole.views, again.views.astype("f4"))


def test_workers_killed_one_after_another_cost_their_cells_alone(client, web, tmp_path):
    """Also once all who were there at the start, and had the data, are dead."""
    (tmp_path / "notes").mkdir()
    measure = Noted(tmp_path / "notes", seconds=0.5)
    grid = {"seed": list(range(12))}

    with ThreadPoolExecutor(1) as other:
        killed = other.submit(lambda: [kill_one(measure, at).worker for at in (2, 5, 8, 11)])
        there = sweep(web, grid, base=TINY, measure=measure, client=client, folder=tmp_path / "cells", progress=False)

    assert len(set(killed.result())) == 4
    here = sweep(web, grid, base=TINY, measure=measure, progress=False)
    np.testing.assert_array_equal(there.views, here.views.astype("f4"))


def test_workers_killed_faster_than_they_start_cost_time_alone(client, web, tmp_path):
    grid, end, killed = {"seed": list(range(4))}, time.monotonic() + 6, []

    def kill_all():
        while time.monotonic() < end:
            for nanny in list(client.cluster.workers.values()):
                with contextlib.suppress(psutil.Error, TypeError, ValueError):  # one that has none just now
                    psutil.Process(nanny.pid).kill()
                    killed.append(nanny.pid)
            time.sleep(0.3)

    with ThreadPoolExecutor(1) as other:
        done = other.submit(kill_all)
        there = sweep(web, grid, base=TINY, measure=a_mean, client=client, folder=tmp_path, progress=False)
        done.result()

    here = sweep(web, grid, base=TINY, measure=a_mean, progress=False)
    np.testing.assert_array_equal(there.views, here.views.astype("f4"))
    assert len(set(killed)) > 4


def a_mean(model):
    time.sleep(1)
    return xr.Dataset({"views": model.sample(3, seed=1).views.mean()})


def ends_its_worker(model):
    if model.config.seed == 2:
        os.kill(os.getpid(), 9)
    return xr.Dataset({"views": model.sample(3, seed=1).views.mean()})


def test_a_cell_that_ends_every_worker_is_named_and_the_others_are_kept(web, tmp_path):
    options = {"n_workers": 1, "threads_per_worker": 1, "dashboard_address": None, "host": "127.0.0.1"}
    with (
        dask.config.set({"distributed.scheduler.allowed-failures": 0}),
        LocalCluster(**options) as cluster,
        Client(cluster) as client,
        pytest.raises(DgkitError, match=r"cell \{'seed': 2\} died.*kept in"),
    ):
        sweep(
            web,
            {"seed": [0, 1, 2, 3, 4, 5]},
            base=TINY,
            measure=ends_its_worker,
            client=client,
            folder=tmp_path,
            progress=False,
        )

    assert len(list(tmp_path.iterdir())) >= 1


def test_a_scheduler_that_goes_away_is_named_and_finished_cells_are_kept(web, tmp_path):
    (tmp_path / "notes").mkdir()
    measure = Noted(tmp_path / "notes", seconds=0.5)
    options = {"n_workers": 1, "threads_per_worker": 1, "dashboard_address": None, "host": "127.0.0.1"}
    with (
        dask.config.set({"distributed.comm.timeouts.connect": "3s"}),
        LocalCluster(**options) as cluster,
        Client(cluster) as client,
        ThreadPoolExecutor(1) as other,
    ):

        def end():
            while len(measure.notes()) < 3:
                time.sleep(0.02)
            cluster.sync(cluster.scheduler.close)

        other.submit(end)
        with pytest.raises(DgkitError, match=r"the cluster is gone.*kept in .*call again"):
            sweep(web, {"seed": list(range(9))}, base=TINY, measure=measure, client=client, folder=tmp_path / "cells")

    assert 1 <= len(list((tmp_path / "cells").iterdir())) < 9
