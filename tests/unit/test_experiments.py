"""Experiments: grids become Datasets with named dims, finished cells are kept, files say how they were made."""

import json
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

import dgkit as dg
from dgkit import experiments
from dgkit.errors import ConfigError, DivergenceError, FileFormatError
from dgkit.experiments import Experiment, sweep
from dgkit.experiments.__main__ import main
from dgkit.experiments.cells import train_and_look, train_model

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

    assert experiments.data_hash(xr.load_dataset(tmp_path / "web.nc")) == experiments.data_hash(web)
    assert experiments.data_hash(changed) != experiments.data_hash(web)
    assert experiments.data_hash(web.assign(agent=("sample", web.agent.values[::-1]))) != experiments.data_hash(web)


def test_looks_on_the_way_leave_training_as_it_is(web):
    looked = list(train_and_look(web, dg.Config(**{**vars(TINY), "steps": 7}), 3))
    straight = dg.fit(web, dg.Config(**{**vars(TINY), "steps": 7}), progress=False)

    assert [step for step, _, _ in looked] == [2, 5, 7]
    seconds = [took for _, took, _ in looked]
    assert 0 < seconds[0] < seconds[1] < seconds[2]
    xr.testing.assert_identical(looked[-1][2].sample(4, seed=1), straight.sample(4, seed=1))


def _cell(train, config, point):
    made = train_model(train, config).sample(6, seed=1)
    return xr.Dataset({"size": ("lag", [float(made.views.mean()), config.seed]), "count": ((), 6)}, {"lag": [1, 2]})


@pytest.fixture
def toy(monkeypatch):
    """A recorded experiment that takes a moment."""
    grid = {"normalisation": {"off": {"auto_normalise": False}, "on": {}}, "decades": (1.0, 2.0), "seed": (0, 1)}

    def data(point):
        return dg.simulate.web(30, time=28, decades=point["decades"])

    toy = Experiment("?", data, _cell, TINY, grid, {"steps": 1, "normalisation": "on", "decades": 2.0, "seed": 1})
    monkeypatch.setitem(experiments.EXPERIMENTS, "toy", toy)
    return toy


def test_a_value_may_stand_for_several_settings(toy):
    config = toy.config({"normalisation": "off", "decades": 1.0, "seed": 1}, steps=9)

    assert (config.auto_normalise, config.seed, config.steps, config.sample_len) == (False, 1, 9, TINY.sample_len)
    assert toy.config({"normalisation": "on", "decades": 1.0, "seed": 0}).auto_normalise


def test_a_recorded_file_says_how_it_was_made(toy, tmp_path, monkeypatch):
    path = experiments.record("toy", out=tmp_path / "runs", cells=tmp_path / "cells", progress=False)
    monkeypatch.setattr(experiments, "_folder", lambda: tmp_path / "runs")
    ds, check = experiments.open_run("toy"), experiments.open_run("toy", group="check")

    assert path == tmp_path / "runs" / "toy.nc"
    assert dict(ds["size"].sizes) == {"normalisation": 2, "decades": 2, "seed": 2, "lag": 2}
    assert ds["size"].dtype == "f4"
    assert ds.normalisation.values.tolist() == ["off", "on"]
    assert dg.Config(**json.loads(ds.attrs["config"])) == TINY
    assert json.loads(ds.attrs["grid"])["normalisation"]["off"] == {"auto_normalise": False}
    hashes = {experiments.data_hash(toy.data({"decades": d})) for d in (1.0, 2.0)}
    assert set(json.loads(ds.attrs["data"])) == hashes
    assert {"dgkit", "torch", "numpy"} <= set(json.loads(ds.attrs["versions"]))
    assert ds.attrs["history"] == "python -m dgkit.experiments record toy"
    assert ds.attrs["wall_seconds"] > 0
    by_hand = dg.fit(toy.data({"decades": 2.0}), toy.config({"normalisation": "off", "seed": 1}), progress=False)
    cell = ds["size"].sel(normalisation="off", decades=2.0, seed=1)
    np.testing.assert_allclose(cell, [by_hand.sample(6, seed=1).views.mean(), 1], rtol=1e-5)
    np.testing.assert_allclose(check["size"], experiments.rerun("toy")["size"], rtol=1e-5)
    assert [p.name for p in path.parent.iterdir()] == ["toy.nc"]


def test_a_killed_recording_goes_on_where_it_was(toy, tmp_path, monkeypatch):
    compute, done = experiments._compute, []

    def killed(name, folder, k):
        if len(done) == 4:
            raise KeyboardInterrupt
        done.append(k)
        compute(name, folder, k)

    monkeypatch.setattr(experiments, "_compute", killed)
    with pytest.raises(KeyboardInterrupt):
        experiments.record("toy", out=tmp_path, cells=tmp_path / "cells", progress=False)
    assert not (tmp_path / "toy.nc").exists()
    rest = []
    monkeypatch.setattr(experiments, "_compute", lambda *task: (rest.append(task[2]), compute(*task)))

    experiments.record("toy", out=tmp_path, cells=tmp_path / "cells", progress=False)

    assert sorted(done + rest) == list(range(-1, 8))
    assert not set(done) & set(rest)


def test_an_old_file_stays_whole_where_writing_fails(toy, tmp_path, monkeypatch):
    path = experiments.record("toy", out=tmp_path, cells=tmp_path / "cells", progress=False)
    before = path.read_bytes()

    def full(*_):
        raise OSError("no space left")

    monkeypatch.setattr(experiments.os, "replace", full)
    with pytest.raises(OSError, match="no space"):
        experiments.record("toy", out=tmp_path, cells=tmp_path / "cells", progress=False)

    assert path.read_bytes() == before
    assert {p.name for p in tmp_path.iterdir()} == {"toy.nc", "cells"}


def test_what_is_not_there_is_named(toy, tmp_path, monkeypatch):
    monkeypatch.setattr(experiments, "_folder", lambda: tmp_path)

    with pytest.raises(ConfigError, match=r"no experiment 'mode'; there are 'mode_collapse'"):
        experiments.open_run("mode")
    with pytest.raises(FileFormatError, match=r"python -m dgkit.experiments record toy"):
        experiments.open_run("toy")
    (tmp_path / "toy.nc").write_bytes(b"no file of ours")
    with pytest.raises(FileFormatError, match="cannot be read"):
        experiments.open_run("toy")


def test_the_command_line_lists_and_records(toy, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    main(["list"])
    assert "toy            missing     8 cells" in capsys.readouterr().out

    main(["record", "toy", "--out", "runs", "--cells", "cells"])

    assert "toy.nc: " in capsys.readouterr().out
    assert Path("runs/toy.nc").exists()
    for wrong in (["record"], ["record", "nothing"], []):
        with pytest.raises(SystemExit):
            main(wrong)
