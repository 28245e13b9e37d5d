"""Measures of the recorded runs on real data: chance is what chance gives, and what differs is seen."""

import numpy as np
import pytest
import xarray as xr

import dgkit as dg
from dgkit.course import real
from dgkit.errors import DgkitError


@pytest.fixture(scope="module")
def halves():
    return dg.split(dg.simulate.web(400, time=56), 0.5, seed=0)


def test_two_halves_are_not_told_apart_and_other_levels_or_an_other_order_are(halves):
    train, held_out = halves
    doubled = train.assign(views=3 * train.views)
    shuffled = train.copy(deep=True)
    np.random.default_rng(0).permuted(shuffled.views.values, axis=1, out=shuffled.views.values)

    assert 0.4 < real.told_apart(held_out, train) < 0.6
    assert real.told_apart(held_out, doubled) > 0.6
    assert real.told_apart(held_out, shuffled) > 0.95


def test_measures_of_two_halves_are_small_and_of_copies_say_so(halves):
    train, held_out = halves

    chance, copied = (real.measured(train, held_out, made) for made in (train, train.copy()))

    assert chance.copied_share == 0
    assert copied.copied_share == 1
    for name in ("step_wasserstein", "largest_rise_wasserstein", "value_wasserstein_relative"):
        assert chance[name].max() < 0.4
    assert set(chance.conditional_total.attribute.values) == {"domain", "access", "agent"}


def test_steps_and_largest_rises_are_those_of_a_loop():
    values = np.array([[1.0, 10.0, 0.0], [5.0, 50.0, np.nan]])
    series = xr.DataArray(values, dims=("sample", "time"))

    plain = real.changes(series, 0.1)
    log = real.changes(series.assign_attrs(scale="log"), 0.1)

    np.testing.assert_allclose(plain[0], [9, -10, 45])
    np.testing.assert_allclose(plain[1], [9, 45])
    np.testing.assert_allclose(log[0], [1, -2, 1])
    np.testing.assert_allclose(log[1], [1, 1])


def test_pages_that_are_not_there_are_asked_for(tmp_path, monkeypatch):
    monkeypatch.setenv("DGKIT_CACHE", str(tmp_path))

    with pytest.raises(DgkitError, match="DGKIT_CACHE=FOLDER says where"):
        dg.course.experiments()["real"].data({"data": "pages", "seed": 0})
