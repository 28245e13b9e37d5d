"""A sweep: grids become Datasets with named dims, finished cells are kept, and data have a hash."""

import numpy as np
import pytest
import xarray as xr

import dgkit as dg
from dgkit.datasets import data_hash
from dgkit.errors import ConfigError, DivergenceError
from dgkit.sweeps import sweep

TINY = dg.Config(steps=2, batch_size=8, sample_len=7, lstm_units=6, attribute_units=8, discriminator_units=10)


@pytest.fixture(scope="module")
def web():
    return dg.simulate.web(40, time=28)


class Measure:
    """Counts its calls; raises `error` at the call numbered `at`."""

    def __init__(self, at=None, error=None):
        self.calls, self.at, self.error = 0, at, error

    def __call__(self, model):
        self.calls += 1
        if self.calls == self.at:
            raise self.error
        return xr.Dataset({"size": ((), float(model.sample(5, seed=1).views.mean()))})


def test_a_sweep_holds_what_each_model_by_itself_gives(web):
    result = sweep(web, {"sample_len": [7, 14], "seed": [0, 1]}, base=TINY, progress=False)

    assert dict(result.autocorrelation_mse.sizes) == {"sample_len": 2, "seed": 2, "feature": 1}
    model = dg.fit(web, dg.Config(**{**vars(TINY), "sample_len": 14, "seed": 1}), progress=False)
    alone = dg.metrics.evaluate(web, model.sample(1000, seed=1))
    cell = result.sel(sample_len=14, seed=1)
    for name in ("autocorrelation_mse", "mid_range_wasserstein", "attribute_jensen_shannon"):
        np.testing.assert_allclose(cell[name], alone[name], rtol=1e-5)
    assert (result.seconds > 0).all()


def test_names_that_only_some_cells_have_stay_whole(web):
    def measure(model):
        return xr.Dataset({"size": ("name", [1.0])}, {"name": [("a", "much longer")[model.config.seed]]})

    result = sweep(web, {"seed": [0, 1]}, base=TINY, measure=measure, progress=False)

    assert result.name.values.tolist() == ["a", "much longer"]
    assert result["size"].notnull().values.tolist() == [[True, False], [False, True]]


def test_finished_cells_are_kept_and_only_missing_ones_computed(web, tmp_path):
    grid = {"sample_len": [7, 14], "seed": [0, 1]}
    stopped = Measure(at=3, error=KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        sweep(web, grid, base=TINY, measure=stopped, folder=tmp_path, progress=False)
    assert len(list(tmp_path.iterdir())) == 2

    rest, none = Measure(), Measure()
    first = sweep(web, grid, base=TINY, measure=rest, folder=tmp_path, progress=False)
    second = sweep(web, grid, base=TINY, measure=none, folder=tmp_path, progress=False)

    assert (rest.calls, none.calls) == (2, 0)
    xr.testing.assert_identical(first, second)
    whole = sweep(web, grid, base=TINY, measure=Measure(), progress=False)
    np.testing.assert_allclose(first["size"], whole["size"], rtol=1e-6)


@pytest.mark.parametrize("change", ["data", "base", "grid"])
def test_a_cell_of_other_data_or_settings_is_not_taken(change, web, tmp_path):
    sweep(web, {"seed": [0]}, base=TINY, measure=Measure(), folder=tmp_path, progress=False)
    data = dg.simulate.web(40, seed=1, time=28) if change == "data" else web
    base = dg.Config(**{**vars(TINY), "noise": 4}) if change == "base" else TINY

    again = Measure()
    sweep(data, {"seed": [1 if change == "grid" else 0]}, base=base, measure=again, folder=tmp_path, progress=False)

    assert again.calls == 1


def test_a_cell_that_fails_loses_no_other(web, tmp_path):
    failing = Measure(at=2, error=DivergenceError("training diverged at step 2", 2))

    with pytest.raises(DivergenceError):
        sweep(web, {"seed": [0, 1]}, base=TINY, measure=failing, folder=tmp_path, progress=False)

    assert [path.suffix for path in tmp_path.iterdir()] == [".nc"]


@pytest.mark.parametrize("grid", [{"sample_length": [1]}, {}, {"seed": []}])
def test_a_grid_that_cannot_be_is_refused(grid, web):
    with pytest.raises(ConfigError, match=r"sample_length|empty"):
        sweep(web, grid, progress=False)


def test_all_settings_are_checked_before_the_first_model_is_trained(web):
    measure = Measure()
    with pytest.raises(ConfigError, match="sample_len=0"):
        sweep(web, {"sample_len": [7, 0]}, base=TINY, measure=measure, progress=False)
    assert measure.calls == 0


def test_the_hash_of_data_outlives_a_file_and_changes_with_a_value(web, tmp_path):
    web.to_netcdf(tmp_path / "web.nc")
    changed = web.copy(deep=True)
    changed.views[3, 4] += 1

    assert data_hash(xr.load_dataset(tmp_path / "web.nc")) == data_hash(web)
    assert data_hash(changed) != data_hash(web)
    assert data_hash(web.assign(agent=("sample", web.agent.values[::-1]))) != data_hash(web)
