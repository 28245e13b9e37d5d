"""Recordings: files say how they were made, a stopped one goes on, and training is looked at without changing it."""

import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

import dgkit as dg
from dgkit import _atomic, course
from dgkit._cells import _SEAL
from dgkit.course import runs, store
from dgkit.course.__main__ import main
from dgkit.course.measures import train_and_look
from dgkit.datasets import data_hash
from dgkit.errors import ConfigError, FileFormatError, SaveError
from dgkit.sweeps import train_model

TINY = dg.Config(steps=2, batch_size=8, sample_len=7, lstm_units=6, attribute_units=8, discriminator_units=10)


@pytest.fixture(scope="module")
def web():
    return dg.simulate.web(40, time=28)


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

    toy = course.Experiment(
        "?", data, _cell, TINY, grid, {"steps": 1, "normalisation": "on", "decades": 2.0, "seed": 1}
    )
    monkeypatch.setitem(course.experiments(), "toy", toy)
    return toy


def test_a_value_may_stand_for_several_settings(toy):
    config = toy.config({"normalisation": "off", "decades": 1.0, "seed": 1}, steps=9)

    assert (config.auto_normalise, config.seed, config.steps, config.sample_len) == (False, 1, 9, TINY.sample_len)
    assert toy.config({"normalisation": "on", "decades": 1.0, "seed": 0}).auto_normalise


def test_a_recorded_file_says_how_it_was_made(toy, tmp_path, monkeypatch):
    path = course.record("toy", out=tmp_path / "runs", cells=tmp_path / "cells", progress=False)
    monkeypatch.setattr(store, "folder", lambda: tmp_path / "runs")
    ds, check = course.open_run("toy"), course.open_run("toy", group="check")

    assert path == tmp_path / "runs" / "toy.nc"
    assert dict(ds["size"].sizes) == {"normalisation": 2, "decades": 2, "seed": 2, "lag": 2}
    assert ds["size"].dtype == "f4"
    assert ds.normalisation.values.tolist() == ["off", "on"]
    assert dg.Config(**json.loads(ds.attrs["config"])) == TINY
    assert json.loads(ds.attrs["grid"])["normalisation"]["off"] == {"auto_normalise": False}
    hashes = {data_hash(toy.data({"decades": d})) for d in (1.0, 2.0)}
    assert set(json.loads(ds.attrs["data"])) == hashes
    assert {"dgkit", "torch", "numpy"} <= set(json.loads(ds.attrs["versions"]))
    assert ds.attrs["history"] == "python -m dgkit.course record toy"
    assert ds.attrs["wall_seconds"] > 0
    by_hand = dg.fit(toy.data({"decades": 2.0}), toy.config({"normalisation": "off", "seed": 1}), progress=False)
    cell = ds["size"].sel(normalisation="off", decades=2.0, seed=1)
    np.testing.assert_allclose(cell, [by_hand.sample(6, seed=1).views.mean(), 1], rtol=1e-5)
    np.testing.assert_allclose(check["size"], course.rerun("toy")["size"], rtol=1e-5)
    assert [p.name for p in path.parent.iterdir()] == ["toy.nc"]


def test_a_killed_recording_goes_on_where_it_was(toy, tmp_path, monkeypatch):
    compute, done = runs._compute, []

    def killed(name, folder, k):
        if len(done) == 4:
            raise KeyboardInterrupt
        done.append(k)
        compute(name, folder, k)

    monkeypatch.setattr(runs, "_compute", killed)
    with pytest.raises(KeyboardInterrupt):
        course.record("toy", out=tmp_path, cells=tmp_path / "cells", progress=False)
    assert not (tmp_path / "toy.nc").exists()
    rest = []
    monkeypatch.setattr(runs, "_compute", lambda *task: (rest.append(task[2]), compute(*task)))

    course.record("toy", out=tmp_path, cells=tmp_path / "cells", progress=False)

    assert sorted(done + rest) == list(range(-1, 8))
    assert not set(done) & set(rest)


def test_an_old_file_stays_whole_where_writing_fails(toy, tmp_path, monkeypatch):
    path = course.record("toy", out=tmp_path, cells=tmp_path / "cells", progress=False)
    before = path.read_bytes()

    def full(*_):
        raise OSError(28, "no space left")

    monkeypatch.setattr(_atomic.os, "replace", full)
    with pytest.raises(SaveError, match="no space"):
        course.record("toy", out=tmp_path, cells=tmp_path / "cells", progress=False)

    assert path.read_bytes() == before
    assert {p.name for p in tmp_path.iterdir()} == {"toy.nc", "cells"}


def test_a_damaged_cell_of_a_recording_is_computed_again(toy, tmp_path):
    def record():
        return course.record("toy", out=tmp_path, cells=tmp_path / "cells", progress=False)

    before = xr.load_dataset(record()).drop_vars("seconds").drop_attrs(deep=False)
    cells = sorted((tmp_path / "cells" / "toy").iterdir())
    cells[0].write_bytes(cells[0].read_bytes()[:1000])

    with pytest.warns(UserWarning, match=r"is damaged.*computed again"):
        again = xr.load_dataset(record()).drop_vars("seconds").drop_attrs(deep=False)
    xr.testing.assert_identical(again, before)
    assert sorted((tmp_path / "cells" / "toy").iterdir()) == cells


def test_a_cell_of_other_data_or_another_measure_is_not_taken_for_a_recording(toy, tmp_path, monkeypatch):
    def other(train, config, point):
        return _cell(train, config, point).assign(more=1.0)

    for changes in ({}, {"cell": other}, {"data": lambda point: dg.simulate.web(31, time=28)}):
        monkeypatch.setitem(course.experiments(), "toy", replace(toy, **changes))
        course.record("toy", out=tmp_path, cells=tmp_path / "cells", progress=False)

    assert len(list((tmp_path / "cells" / "toy").iterdir())) == 3 * 9


def damages(whole, n, rng):
    for _ in range(n):
        at, bit = int(rng.integers(len(whole))), 1 << int(rng.integers(8))
        yield whole[:at] if rng.random() < 0.3 else whole[:at] + bytes([whole[at] ^ bit]) + whole[at + 1 :]


def test_what_seeds_say_is_their_median_and_from_the_lowest_to_the_highest():
    nothing = [np.nan] * 3
    values = xr.DataArray([[0.1234, 0.5, 0.25], nothing], {"model": ["a", "b"]}, ("model", "seed"))

    assert course.spread(values).to_series().to_dict() == {"a": "0.25 (0.12 to 0.5)", "b": "-"}
    assert course.spread(values[0], ".3f") == "0.250 (0.123 to 0.500)"
    with pytest.raises(ConfigError, match="no seed"):
        course.spread(values.rename(seed="draw"))


@pytest.mark.parametrize("own", [False, True], ids=["shipped", "recorded now"])
def test_a_damaged_run_is_refused_or_what_it_was(own, toy, tmp_path, monkeypatch):
    name = "toy" if own else "whatif"
    if own:
        course.record("toy", out=tmp_path, cells=tmp_path / "cells", progress=False)
        monkeypatch.setattr(store, "folder", lambda: tmp_path)
    whole, right = (store.folder() / f"{name}.nc").read_bytes(), course.open_run(name)
    monkeypatch.setattr(store, "folder", lambda: tmp_path)

    refused = 0
    for content in damages(whole, 60, np.random.default_rng(0)):
        (tmp_path / f"{name}.nc").write_bytes(content)
        try:
            xr.testing.assert_identical(course.open_run(name), right)
        except FileFormatError as error:
            refused += f"python -m dgkit.course record {name}" in str(error)

    assert refused > 55


@pytest.mark.parametrize("make", [Path.mkdir, getattr(os, "mkfifo", Path.mkdir)])
def test_what_is_no_file_is_refused_without_waiting(make, toy, tmp_path, monkeypatch):
    monkeypatch.setattr(store, "folder", lambda: tmp_path)
    make(tmp_path / "toy.nc")

    with pytest.raises(FileFormatError, match=r"a pipe|a folder"):
        course.open_run("toy")


@pytest.mark.parametrize("name", ["../web", "a\0b", "", ".", 3, None, ["toy"]])
def test_a_name_leads_to_no_file_elsewhere(name):
    with pytest.raises(ConfigError, match="no experiment"):
        course.open_run(name)


def test_a_run_has_no_other_group():
    with pytest.raises(ConfigError, match="'check' alone"):
        course.open_run("whatif", group="checks")


def test_what_is_not_there_is_named(toy, tmp_path, monkeypatch):
    monkeypatch.setattr(store, "folder", lambda: tmp_path)

    with pytest.raises(ConfigError, match=r"no experiment 'mode'; there are 'mode_collapse'"):
        course.open_run("mode")
    with pytest.raises(FileFormatError, match=r"python -m dgkit.course record toy"):
        course.open_run("toy")
    (tmp_path / "toy.nc").write_bytes(b"no file of ours")
    with pytest.raises(FileFormatError, match="cannot be read from it"):
        course.open_run("toy")


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


def test_what_cannot_be_recorded_here_ends_in_a_line_that_says_why(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("DGKIT_CACHE", str(tmp_path))
    with pytest.raises(SystemExit) as end:
        main(["record", "real_long", "--out", str(tmp_path / "runs"), "--cells", str(tmp_path / "cells")])
    assert end.value.code == 1
    assert capsys.readouterr().err.startswith("no pages in ") and not (tmp_path / "runs" / "real_long.nc").exists()


def test_the_list_of_checksums_is_of_the_files_that_have_none_of_their_own():
    without = {path.name for path in store.folder().glob("*.nc") if _SEAL not in path.read_bytes()}
    assert set(store._sums()) == without != set()
