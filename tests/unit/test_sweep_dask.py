"""A sweep on Dask workers, here threads of this process: cells as made without, and errors as raised without.

Workers that are processes, killed and interrupted: tests/slow/test_sweep_dask.py.
"""

import pytest
import xarray as xr
from distributed import Client

from dgkit import Config, simulate
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
