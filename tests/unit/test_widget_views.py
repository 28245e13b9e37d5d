"""The numbers and pictures of the studio are those of the kit."""

import numpy as np
import pytest
import xarray as xr
from dgkit_widgets._views import CDF_OF, Look

import dgkit as dg
from dgkit.schema import validate


@pytest.mark.parametrize("feature", ["cpu_rate", "memory"])
def test_the_error_of_the_autocorrelation_is_the_kits_not_an_unweighted_one(feature):
    train, held_out = dg.split(dg.open_dataset("cluster"), 0.1, seed=0)

    shown = Look(train, held_out, validate(train), feature, "mid_range").reference()

    assert shown["acf_mse"] == pytest.approx(dg.metrics.autocorrelation_mse(train[feature], held_out[feature]))
    curve = np.frombuffer(shown["held_acf"], np.float32)
    expected = dg.metrics.autocorrelation(held_out[feature])
    np.testing.assert_allclose(curve[: expected.size], expected, rtol=1e-6)
    assert curve.size == shown["lags"] == 58
    assert np.isnan(curve[expected.size :]).all()


def test_series_that_are_all_too_short_have_no_error():
    train = dg.open_dataset("cluster").isel(sample=slice(100))
    short = train.copy(deep=True)
    short["length"][:] = 1
    for name in ("cpu_rate", "memory", "assigned_memory"):
        short[name] = short[name].where(xr.DataArray(np.arange(60), dims="time") < 1)

    shown = Look(train, short, validate(train), "cpu_rate", "mid_range").reference()

    assert shown["acf_mse"] is None
    assert np.isnan(np.frombuffer(shown["held_acf"], np.float32)).all()


@pytest.mark.parametrize("of", CDF_OF)
def test_whole_numbers_past_the_end_are_not_shown(of):
    train, held_out = dg.split(dg.open_dataset("cluster").isel(sample=slice(200))[["cpu_rate", "length"]])
    floats = [ds.assign(cpu_rate=(1000 * ds.cpu_rate).round() + 1) for ds in (train, held_out)]
    whole = [ds.assign(cpu_rate=ds.cpu_rate.fillna(10**6).astype("i8")) for ds in floats]

    one, other = (Look(*pair, validate(pair[0]), "cpu_rate", of).reference() for pair in (whole, floats))

    assert one == other


def test_a_dask_backed_dataset_is_shown_as_the_same_in_memory():
    train = dg.open_dataset("web").isel(sample=slice(60))

    lazy, own = (Look(ds, None, validate(train), "views", "mid_range") for ds in (train.chunk(sample=20), train))

    assert lazy.reference() == own.reference()
