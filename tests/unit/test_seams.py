"""The seam between passes, against plain loops and planted jumps."""

import numpy as np
import pytest
import xarray as xr

import dgkit as dg
from dgkit.errors import ConfigError, SchemaError
from tests.conftest import small_dataset


def walks(n=200, time=40, *, jump=1.0, sample_len=5, seed=0):
    """Random walks whose step at each border is `jump` times as large."""
    steps = np.random.default_rng(seed).normal(size=(n, time))
    steps[:, sample_len::sample_len] *= jump
    return xr.DataArray(steps.cumsum(1), dims=("sample", "time"))


@pytest.mark.parametrize("jump", [1.0, 2.0, 0.5])
def test_a_planted_jump_at_the_borders_is_told_and_only_there(jump):
    assert dg.metrics.seam(walks(jump=jump), 5) == pytest.approx(jump, rel=0.06)
    assert dg.metrics.seam(walks(jump=jump), 7) == pytest.approx(1, abs=0.12)


def test_seam_equals_a_loop_over_valid_steps_in_units_of_each_series():
    views = small_dataset(time=12).views
    at, elsewhere = [], []
    for row in views.values:
        row = row[~np.isnan(row)]
        change = abs(np.diff(row))
        for t, size in enumerate(change / change.mean() if len(change) else [], 1):
            (at if t % 4 == 0 else elsewhere).append(size)

    found = dg.metrics.seam(views, 4)

    assert found == pytest.approx(np.mean(at) / np.mean(elsewhere), rel=1e-9)
    assert dg.metrics.seam(1000 * views, 4) == pytest.approx(found)
    assert dg.metrics.seam(views.chunk(sample=7), 4) == pytest.approx(found)


@pytest.mark.parametrize(
    ("series", "sample_len", "error", "message"),
    [
        (np.ones((3, 6)), 2, SchemaError, "no series that changes"),
        (np.arange(6.0)[None], 6, ConfigError, "all 6 steps in one pass"),
        (np.arange(6.0)[None], 1, ConfigError, "sample_len"),
        (np.array([[1.0, 2, 3, np.nan, np.nan, np.nan]]), 4, SchemaError, "after its first pass"),
    ],
)
def test_series_without_a_border_are_refused(series, sample_len, error, message):
    with pytest.raises(error, match=message):
        dg.metrics.seam(series, sample_len)
