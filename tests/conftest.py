"""Small datasets and trainers that many tests share; and another processor's rounding, to try the tests under."""

import os
import tracemalloc

if "PYTEST_XDIST_WORKER" in os.environ:  # several processes: one thread each, told before torch and numba start
    os.environ |= {"OMP_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1"}

import numpy as np
import pytest
import torch
import xarray as xr


def round_otherwise(k):
    """Start all networks a millionth off: training amplifies that as it does another processor's rounding."""
    for name in ("xavier_uniform_", "uniform_", "kaiming_uniform_"):
        start = getattr(torch.nn.init, name)

        def otherwise(tensor, *arguments, start=start, **options):
            start(tensor, *arguments, **options)
            with torch.no_grad():
                return tensor.mul_(1 + 1e-6 * torch.sin(1e6 * (k + 1) * tensor))

        setattr(torch.nn.init, name, otherwise)


if int(os.environ.get("DGKIT_ROUNDING", "0")):
    round_otherwise(int(os.environ["DGKIT_ROUNDING"]))


class RunningCell:
    """What a kernel says of the notebook cell that it runs; stands in for `get_ipython()` too."""

    def __init__(self, cell, run):
        self.kernel, self._request = self, {"metadata": {"cellId": cell}, "header": {"msg_id": run}}

    def get_parent(self, channel):
        return self._request


def small_dataset(n=40, time=12, *, seed=0, variable=True):
    """Mixed on purpose: two continuous features and a categorical one, three kinds of attributes, many lengths."""
    rng = np.random.default_rng(seed)
    length = rng.integers(1, time + 1, n) if variable else np.full(n, time)
    length[:2] = time, time - 3 if variable else time
    past = np.arange(time) >= length[:, None]
    level = 10 ** rng.uniform(0, 3, (n, 1))
    views = level * (1.5 + np.sin(np.arange(time))) + rng.random((n, time))
    cpu = rng.normal(size=(n, time)).cumsum(1)
    state = np.array(["idle", "busy", "wait"])[rng.integers(0, 3, (n, time))]
    state[:, 0] = "idle"
    ds = xr.Dataset(
        {
            "views": (("sample", "time"), np.where(past, np.nan, views), {"units": "views/day", "scale": "log"}),
            "cpu": (("sample", "time"), np.where(past, np.nan, cpu).astype("f4"), {"units": "1"}),
            "state": (("sample", "time"), np.where(past, "", state)),
            "domain": ("sample", np.array(["de", "en", "fr"])[np.arange(n) % 3]),
            "spider": ("sample", np.arange(n) % 4 == 0),
            "size": ("sample", rng.random(n), {"units": "GB"}),
        }
    )
    return ds.assign(length=("sample", length)) if variable else ds


def peak(call) -> tuple[int, object]:
    """Bytes allocated at most at a time by NumPy while `call` runs, and what it gives."""
    tracemalloc.start()
    try:
        found = call()
        return tracemalloc.get_traced_memory()[1], found
    finally:
        tracemalloc.stop()


def continuous(**values):
    """A dataset of these features alone, each an array (sample, time)."""
    return xr.Dataset({name: (("sample", "time"), value) for name, value in values.items()})


def first_order(n, time, phi):
    """A stationary AR(1) process `x` of unit variance with coefficient `phi`."""
    x = np.random.default_rng(0).normal(size=(n, time))
    for t in range(1, time):
        x[:, t] = phi * x[:, t - 1] + np.sqrt(1 - phi**2) * x[:, t]
    return continuous(x=x)


@pytest.fixture
def small():
    return small_dataset()


@pytest.fixture
def tiny_config():
    from dgkit import Config  # here: the process that only shares tests out among others need not wait for torch

    return Config(steps=6, sample_len=5, batch_size=8, lstm_units=6, attribute_units=8, discriminator_units=10)


@pytest.fixture
def tiny_trainer(small, tiny_config):
    from dgkit import Trainer

    return Trainer(small, tiny_config)
