"""A sweep: grids become Datasets with named dims, finished cells are kept, and data have a hash."""

import os
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
import xarray as xr
from threadpoolctl import threadpool_info, threadpool_limits

import dgkit as dg
from dgkit import _atomic
from dgkit._cells import one_thread
from dgkit.datasets import data_hash
from dgkit.errors import ConfigError, DivergenceError, MissingExtraError, SaveError
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


@pytest.mark.parametrize("kept", [False, True])
def test_coordinates_of_a_measure_are_each_cell_s_own(kept, web, tmp_path):
    def measure(model):
        config = model.config
        lags = np.arange(1, 3 + config.seed)
        own = {"lag": lags, "pairs": ("lag", lags / config.sample_len), "unsure": config.seed / 4, "unit": "views"}
        return xr.Dataset({"curve": ("lag", np.ones(lags.size))}, own)

    folder = tmp_path if kept else None
    result = sweep(web, {"sample_len": [7, 14], "seed": [0, 1]}, base=TINY, measure=measure, folder=folder)

    np.testing.assert_array_equal(result.unsure, [[0, 0.25], [0, 0.25]])
    np.testing.assert_allclose(result.pairs.sel(sample_len=14, seed=1), np.array([1, 2, 3]) / 14)
    assert np.isnan(result.pairs.sel(seed=0, lag=3)).all()
    assert {"unsure", "pairs", "unit"} <= set(result.coords)
    assert result.unit.item() == "views"


@pytest.mark.parametrize(("name", "dims"), [("seconds", ()), ("sample_len", ()), ("size", ("sample_len",))])
def test_what_a_measure_calls_as_the_sweep_does_is_refused_at_once(name, dims, web):
    measure = Measure()

    def taken(model):
        measure(model)
        return xr.Dataset({name: (dims, np.ones((1,) * len(dims)))})

    with pytest.raises(ConfigError, match="Rename it"):
        sweep(web, {"sample_len": [7, 14]}, base=TINY, measure=taken, progress=False)
    assert measure.calls == 1


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


LEVEL = 10


def helper(model):
    return float(model.sample(LEVEL, seed=1).views.mean())


def by_helper(model):
    return xr.Dataset({"size": ((), helper(model))})


def of(n, pages=None):
    """A measure that takes what it needs from outside."""
    return lambda model: xr.Dataset({"size": ((), float(model.sample(n, seed=1).views.mean()) + (pages is None))})


def cells(folder, data, measure):
    sweep(data, {"seed": [0]}, base=TINY, measure=measure, folder=folder, progress=False)
    return len(list(folder.iterdir()))


@pytest.mark.parametrize(
    "changed",
    [
        lambda ds: ds.assign(views=ds.views.assign_attrs(scale="linear")),
        lambda ds: ds.assign(views=ds.views.assign_attrs(valid_min=1.0, valid_max=1e9)),
        lambda ds: ds.assign(views=ds.views.assign_attrs(normalise="zero_one")),
        lambda ds: ds.assign(agent=ds.agent.assign_attrs(categories=sorted(set(ds.agent.values.tolist()))[::-1])),
        lambda ds: ds[list(ds.data_vars)[::-1]],  # the order of the networks' inputs
        lambda ds: ds.assign(views=ds.views.astype(">f4")),
    ],
    ids=["scale", "bounds", "normalise", "categories", "order", "type"],
)
def test_a_cell_is_not_taken_for_data_that_are_trained_otherwise(changed, web, tmp_path):
    cells(tmp_path, web, None)

    assert cells(tmp_path, changed(web), None) == 2


def test_a_cell_is_taken_for_the_same_data_from_a_file_or_with_another_title(web, tmp_path):
    kinds = sorted(set(web.agent.values.tolist()))
    web = web.assign(agent=web.agent.assign_attrs(categories=kinds))
    web.to_netcdf(tmp_path / "web.nc")
    (tmp_path / "cells").mkdir()

    assert cells(tmp_path / "cells", web, None) == 1
    assert cells(tmp_path / "cells", dg.open_dataset(tmp_path / "web.nc").assign_attrs(title="mine"), None) == 1


def test_a_cell_is_not_taken_for_another_measure(web, tmp_path, monkeypatch):
    assert cells(tmp_path, web, of(5)) == cells(tmp_path, web, of(5)) == 1
    assert cells(tmp_path, web, of(6)) == 2
    assert cells(tmp_path, web, of(6, web)) == 3
    assert cells(tmp_path, web, of(6, dg.simulate.web(40, seed=1, time=28))) == 4
    assert cells(tmp_path, web, by_helper) == cells(tmp_path, web, by_helper) == 5
    monkeypatch.setitem(globals(), "LEVEL", 11)  # of a function that the measure calls
    assert cells(tmp_path, web, by_helper) == 6
    assert cells(tmp_path, web, None) == 7


def test_a_measure_that_keeps_a_list_of_its_calls_is_the_same_measure(web, tmp_path):
    calls, count = [], 0

    def measure(model):
        nonlocal count
        count += 1
        calls.append(count)
        return xr.Dataset({"size": ((), 1.0)})

    for _ in range(2):
        sweep(web, {"seed": [0]}, base=TINY, measure=measure, folder=tmp_path, progress=False)

    assert calls == [1]


def test_a_damaged_cell_is_computed_again_and_said_so(web, tmp_path):
    def run():
        return sweep(web, {"seed": [0]}, base=TINY, measure=of(5), folder=tmp_path, progress=False)

    first = run().drop_vars("seconds")
    (path,) = tmp_path.iterdir()
    whole = path.read_bytes()
    rng = np.random.default_rng(0)
    damaged = [whole[:size] for size in (0, 1, len(whole) // 3, len(whole) - 1)]
    for at in rng.integers(0, len(whole), 20):
        damaged.append(whole[:at] + bytes([whole[at] ^ 1 << at % 8]) + whole[at + 1 :])

    for content in damaged:
        path.write_bytes(content)
        with pytest.warns(UserWarning, match=r"is damaged.*computed again") as warned:
            xr.testing.assert_identical(run().drop_vars("seconds"), first)
        assert {warning.filename for warning in warned} == {__file__}
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes")
def test_what_is_in_the_place_of_a_cell_or_of_the_folder_is_named(web, tmp_path):
    cells(tmp_path, web, of(5))
    (path,) = tmp_path.iterdir()
    path.unlink()
    os.mkfifo(path)

    with pytest.warns(UserWarning, match="a pipe"), pytest.raises(SaveError, match=r"0 of 1 cells are finished"):
        cells(tmp_path, web, of(5))
    (tmp_path / "file").touch()
    with pytest.raises(SaveError, match="folder"):
        cells(tmp_path / "file", web, of(5))


def test_a_cell_that_cannot_be_written_is_named_and_the_others_kept(web, tmp_path, monkeypatch):
    written, replace = [], _atomic.os.replace

    def full(*paths):
        written.append(paths)
        if len(written) == 2:
            raise OSError(28, "No space left on device")
        replace(*paths)

    monkeypatch.setattr(_atomic.os, "replace", full)
    with pytest.raises(SaveError, match=r"No space left.*1 of 3 cells are finished, and kept in"):
        sweep(web, {"seed": [0, 1, 2]}, base=TINY, measure=of(5), folder=tmp_path, progress=False)

    assert [path.suffix for path in tmp_path.iterdir()] == [".nc"]


def test_what_a_killed_run_left_in_the_folder_for_temporary_files_is_removed(web, tmp_path, monkeypatch):
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    left = tmp_path / "temporary" / f".dgkit-{_atomic._HERE}-999999999-0123abcd.tmp"
    left.touch()
    os.utime(left, (0, 0))

    sweep(web, {"seed": [0]}, base=TINY, folder=tmp_path / "cells", progress=False)

    assert os.listdir(tmp_path / "temporary") == []
    assert len(os.listdir(tmp_path / "cells")) == 1


def test_numbers_that_32_bits_do_not_hold_are_kept_in_64(web, tmp_path):
    def measure(model):
        return xr.Dataset({"bytes": ((), 3_000_000_000), "chance": ((), 1e-60), "sum": ((), 1e60), "half": ((), 0.5)})

    result = sweep(web, {"seed": [0]}, base=TINY, measure=measure, folder=tmp_path, progress=False)

    assert [result[name].item() for name in ("bytes", "chance", "sum", "half")] == [3_000_000_000, 1e-60, 1e60, 0.5]
    assert result.half.dtype == "f4"


def test_a_measure_that_gives_no_dataset_is_refused(web):
    with pytest.raises(ConfigError, match="gave a float"):
        sweep(web, {"seed": [0]}, base=TINY, measure=helper, progress=False)


def test_two_sweeps_at_once_give_what_each_gives_and_leave_the_threads(web, tmp_path):
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    alone = sweep(web, {"seed": [0, 1]}, base=TINY, measure=of(5), progress=False).drop_vars("seconds")
    try:
        with ThreadPoolExecutor(4) as pool:
            options = {"base": TINY, "measure": of(5), "folder": tmp_path, "progress": False}
            runs = [pool.submit(sweep, web, {"seed": seeds}, **options) for seeds in ([0, 1], [1, 0]) * 2]
            found = [run.result().drop_vars("seconds").sortby("seed") for run in runs]

        for one in found:
            xr.testing.assert_allclose(one, alone)
        assert torch.get_num_threads() == 2
        with ThreadPoolExecutor(1) as other:  # a thread to come
            assert other.submit(torch.get_num_threads).result() == 2
    finally:
        torch.set_num_threads(before)


def test_the_first_of_two_to_come_out_leaves_the_other_on_one_thread():
    def blas():
        return {one["num_threads"] for one in threadpool_info() if one["user_api"] == "blas"}

    with threadpool_limits(2, "blas"):
        before, outer, inner = blas(), one_thread(), one_thread()
        outer.__enter__()
        inner.__enter__()
        outer.__exit__(None, None, None)
        between = blas()
        inner.__exit__(None, None, None)

        assert (before, between, blas()) == ({2}, {1}, {2})


def test_a_client_without_dask_says_what_to_install(web, monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)

    with pytest.raises(MissingExtraError, match=r"pip install dgkit\[lab\]"):
        sweep(web, {"seed": [0]}, base=TINY, client="a cluster", progress=False)


@pytest.mark.parametrize(
    ("grid", "said"),
    [
        ({"sample_length": [1]}, "'sample_length' is no field of Config"),
        ({}, "the grid is empty"),
        (None, "the grid is empty"),
        ({"seed": []}, "one of its lists is"),
        ({"seed": None}, "one of its lists is"),
        ({"sample_len": 7}, r"^grid\['sample_len'\] is 7; give a list: grid\['sample_len'\]=\[7\]"),
        ({"minmax_scale": "log"}, r"^grid\['minmax_scale'\] is 'log'; give a list"),
        ([("seed", [0])], "^grid is .*; give a mapping"),
    ],
)
def test_a_grid_that_cannot_be_is_refused(grid, said, web):
    with pytest.raises(ConfigError, match=said):
        sweep(web, grid, progress=False)


def test_a_measure_that_is_no_function_is_refused_before_anything_is_trained(web):
    with pytest.raises(ConfigError, match=r"^measure is 'autocorrelation_mse'; give a function"):
        sweep(web, {"seed": [0]}, measure="autocorrelation_mse", progress=False)


@pytest.mark.parametrize(
    ("grid", "said"),
    [
        ({"sample_len": [2, 2]}, "'sample_len' has 2 twice"),
        ({"generator_lr": [1, 1.0]}, r"'generator_lr' has 1\.0 twice"),
        ({"seed": [None, 0]}, "'seed' has None beside numbers"),
        ({"seed": np.array([0, 1, 1])}, "'seed' has .*1.* twice"),
    ],
)
def test_values_that_are_no_different_places_along_a_dim_are_refused(grid, said, web):
    measure = Measure()
    with pytest.raises(ConfigError, match=said):
        sweep(web, grid, base=TINY, measure=measure, progress=False)
    assert measure.calls == 0


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
    assert data_hash(web.chunk(sample=7)) == data_hash(web)
    assert data_hash(changed) != data_hash(web)
    assert data_hash(web.assign(agent=("sample", web.agent.values[::-1]))) != data_hash(web)
