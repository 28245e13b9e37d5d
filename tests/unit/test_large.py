"""Data larger than memory: `evaluate` and `validate` hold few chunks of them, read each seldom, and find the same."""

import numpy as np
import pytest
import xarray as xr

from dgkit import metrics
from dgkit.errors import SchemaError
from dgkit.metrics import evaluate
from dgkit.schema import validate
from tests.benchmarks.memory import lazy

SAMPLED = {"value_wasserstein", "value_wasserstein_relative", "range_coverage"}


def test_report_of_lazy_data_is_that_of_the_same_data_in_memory():
    real, generated = lazy(2000, 0, chunk=300), lazy(700, 1, chunk=300)

    found, expected = evaluate(real, generated), evaluate(real.compute(), generated.compute())

    # added chunk by chunk, hence in another order
    sums = [name for name in found.data_vars if str(name).startswith(("autocorrelation", "nearest"))]
    xr.testing.assert_equal(found.drop_vars(sums), expected.drop_vars(sums))
    for name in sums:
        np.testing.assert_allclose(found[name], expected[name], rtol=1e-9, atol=1e-14, err_msg=name)


def test_distances_of_very_many_values_are_of_a_draw_and_all_else_of_all(monkeypatch):
    real, generated = lazy(2000, 0, chunk=300), lazy(2000, 1, chunk=300)
    generated["views"] = generated.views * 1.2
    expected = evaluate(real.compute(), generated.compute())
    drawn = 400
    monkeypatch.setattr("dgkit.metrics.inputs.MOST_VALUES", drawn * real.sizes["time"])

    found = evaluate(real, generated)

    for name, variable in found.data_vars.items():
        if name not in SAMPLED:
            np.testing.assert_allclose(variable, expected[name], rtol=1e-9, atol=1e-14, err_msg=name)
    error = (found.value_wasserstein_relative - expected.value_wasserstein_relative).item()
    assert 0 < abs(error) < 2 / np.sqrt(drawn)
    assert found.range_coverage.item() == pytest.approx(expected.range_coverage.item(), abs=0.05)


def counted(ds, name):
    """The same dataset, and a list that grows with each chunk of `name` that is read."""
    reads = []

    def read(block):
        if block.size:  # dask tries functions on nothing
            reads.append(block.shape)
        return block

    return ds.assign({name: ds[name].copy(data=ds[name].data.map_blocks(read, dtype=ds[name].dtype))}), reads


def test_each_chunk_is_read_once_to_validate_and_thrice_to_evaluate():
    real, reads = counted(lazy(500, 0, chunk=100), "views")

    validate(real)
    to_validate = len(reads)
    evaluate(real, lazy(500, 1))
    to_evaluate = len(reads) - to_validate

    assert to_validate == 5
    assert to_evaluate == 3 * 5  # to check, for all metrics, and for the neighbours


def test_conditional_totals_read_each_chunk_once_whatever_the_number_of_categories():
    real, reads = counted(lazy(500, 0, chunk=100), "views")
    generated = lazy(500, 1)

    found = metrics.conditional_distances(real, generated, "domain", statistic="total")

    assert len(reads) == 5
    expected = metrics.conditional_distances(real.compute(), generated.compute(), "domain", statistic="total")
    xr.testing.assert_identical(found, expected)


@pytest.mark.parametrize(
    ("value", "step", "message"),
    [
        (np.inf, 3, "'views' is infinite at sample 437, step 3"),
        (np.nan, 3, r"'views' has 1 NaN before the end of sample 437 \(length 5\), the first at step 3"),
        (7.0, 5, "'views' has values past the `length` of its series at sample 437, step 5"),
    ],
)
def test_a_fault_in_a_late_chunk_is_located(value, step, message):
    ds = lazy(500, 0, chunk=100)
    ds["length"][437] = 5
    here = xr.DataArray(np.arange(500) == 437, dims="sample") & (xr.DataArray(np.arange(550), dims="time") == step)
    kept = xr.DataArray(np.arange(550), dims="time") < ds.length
    ds = ds.assign(views=ds.views.where(kept).where(~here, value), state=ds.state.where(kept, ""))

    with pytest.raises(SchemaError, match=message):
        validate(ds)
