"""A sweep on Dask workers, here threads of this process: cells as made without, and errors as raised without.

Workers that are processes, killed and interrupted: tests/slow/test_sweep_dask.py.
"""

import time

import pytest
import xarray as xr
from distributed import Client

from dgkit import Config, simulate, sweeps
from dgkit.errors import ConfigError, DgkitError
from dgkit.sweeps import sweep

TINY = Config(steps=2, batch_size=10, sample_len=28, lstm_units=6, attribute_units=8, discriminator_units=10)


@pytest.fixture(scope="module")
def client():
    with Client(processes=False, n_workers=2, threads_per_worker=1, dashboard_address=None) as client:
        yield client


@pytest.fixture(scope="module")
def web():
    return simulate.web(40)


def mean(model):
    return xr.Dataset({"views": model.sample(3, seed=1).views.mean()})


def slow(model):
    time.sleep(0.5)
    return mean(model)


def failing(model):
    return 1 / 0


def test_workers_make_the_cells_that_are_made_here(client, web):
    grid = {"sample_len": [28, 84], "seed": [0, 1]}

    there = sweep(web, grid, base=TINY, measure=mean, client=client, progress=False)

    here = sweep(web, grid, base=TINY, measure=mean, progress=False)
    xr.testing.assert_equal(there.views, here.views)


def test_what_a_cell_raises_is_raised_here(client, web):
    with pytest.raises(ZeroDivisionError):
        sweep(web, {"seed": [0, 1]}, base=TINY, measure=failing, client=client, progress=False)


@pytest.mark.parametrize("way", ["before", "on its way"])
def test_a_closed_client_is_named_and_finished_cells_are_kept(way, web, tmp_path):
    options = {"base": TINY, "measure": mean, "folder": tmp_path, "progress": False}
    with Client(processes=False, n_workers=1, threads_per_worker=1, dashboard_address=None) as client:
        if way == "before":
            client.close()

        def closing(cell, path, stored=sweeps.stored):
            client.close()
            return stored(cell, path)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sweeps, "stored", closing)
            with pytest.raises(DgkitError, match=r"of 4 cells are finished, and kept in .*call again") as caught:
                sweep(web, {"seed": [0, 1, 2, 3]}, client=client, **options)

    kept = len(list(tmp_path.iterdir()))
    assert f" {kept} of 4 cells" in str(caught.value) and kept == (way != "before")


def test_a_cluster_without_workers_is_not_waited_for_for_ever(web, tmp_path, monkeypatch):
    monkeypatch.setattr(sweeps, "PATIENCE", 1)
    with Client(processes=False, n_workers=1, threads_per_worker=1, dashboard_address=None) as client:

        def alone(cell, path, stored=sweeps.stored):
            client.cluster.sync(client.cluster.workers[0].close)
            return stored(cell, path)

        monkeypatch.setattr(sweeps, "stored", alone)
        with pytest.raises(DgkitError, match=r"no worker for 1 s.* of 9 cells are finished, and kept in .*call again"):
            sweep(
                web, {"seed": list(range(9))}, base=TINY, measure=slow, client=client, folder=tmp_path, progress=False
            )


@pytest.mark.parametrize("client", ["a cluster", 3])
def test_what_is_no_client_is_refused(client, web):
    with pytest.raises(ConfigError, match=r"distributed\.Client"):
        sweep(web, {"seed": [0]}, base=TINY, client=client, progress=False)
