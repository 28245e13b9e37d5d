"""The Explorer without a browser: what it selects, slices and sends, against plain xarray."""

import json

import numpy as np
import pytest
import xarray as xr
from dgkit_widgets.explorer import Explorer, spans_decades

from dgkit import ConfigError


def run():
    """A recorded run in small: two grid dims, seeds, a curve, and metrics with units."""
    rng = np.random.default_rng(0)
    lengths, lags = [1, 2, 7, 28, 168], np.arange(1, 41)
    return xr.Dataset(
        {
            "error": (("sample_len", "seed", "step"), rng.uniform(1e-4, 1, (5, 3, 2)), {"units": "1"}),
            "curve": (("sample_len", "seed", "lag"), rng.normal(size=(5, 3, 40)), {"long_name": "autocorrelation"}),
            "wall": (("sample_len", "seed"), rng.random((5, 3)), {"units": "s", "long_name": "wall time"}),
            "share": (("sample_len", "event"), rng.random((5, 2))),
            "note": ("seed", ["a", "b", "c"]),
        },
        {
            "sample_len": ("sample_len", lengths, {"units": "steps", "long_name": "steps per pass"}),
            "seed": [0, 1, 2],
            "step": [500, 1000],
            "lag": ("lag", lags, {"units": "days"}),
            "event": ["KILL", "EVICT"],
        },
    )


@pytest.fixture
def ds():
    return run()


def lines(explorer):
    """The frame's (L, 3, n) as the browser reads it."""
    frame = explorer.frame
    return np.frombuffer(frame["lines"], np.float32).reshape(len(frame["names"]), 3, -1)


def test_it_starts_with_the_first_curve_along_its_longest_dim(ds):
    explorer = Explorer(ds)

    assert explorer.selection["variable"] == "curve"
    assert explorer.selection["x"] == "lag"
    np.testing.assert_array_equal(np.frombuffer(explorer.frame["x"], np.float32), ds.lag)
    expected = ds.curve.sel(sample_len=168)
    for k, measure in enumerate(("median", "min", "max")):
        np.testing.assert_allclose(lines(explorer)[0, k], getattr(expected, measure)("seed"), rtol=1e-6)
    assert explorer.frame["x_label"] == "lag (days)"
    assert explorer.frame["label"] == "autocorrelation"


def test_one_step_is_no_plural(ds):
    explorer = Explorer(ds)

    assert [explorer._worded("sample_len", value) for value in (1, 2)] == ["1 step", "2 steps"]


def test_a_selection_in_part_changes_that_part_and_the_frame(ds):
    explorer = Explorer(ds)

    explorer.selection = {"at": {"sample_len": 2}}

    assert explorer.selection["at"] == {"sample_len": 2, "step": 1000, "lag": 40, "event": "EVICT"}
    np.testing.assert_allclose(lines(explorer)[0, 1], ds.curve.sel(sample_len=2).min("seed"), rtol=1e-6)
    explorer.selection = {"variable": "error"}
    assert explorer.selection["x"] == "sample_len"  # the longest that it has
    np.testing.assert_allclose(lines(explorer)[0, 0], ds.error.sel(step=1000).median("seed"), rtol=1e-6)
    assert json.loads(json.dumps(explorer.selection)) == explorer.selection


def test_compared_values_are_a_line_and_a_column_each(ds):
    explorer = Explorer(ds, overlay="sample_len")

    explorer.choose(compare=[4, 0], token="t")

    assert explorer.selection["compare"] == [168, 1]
    assert explorer.frame["names"] == ["steps per pass 168", "steps per pass 1"]
    assert explorer.answered == "t"
    np.testing.assert_allclose(lines(explorer)[1, 2], ds.curve.sel(sample_len=1).max("seed"), rtol=1e-6)
    column = explorer.metrics()["error"][0]
    values = ds.error.sel(sample_len=168, step=1000)
    assert column == pytest.approx(tuple(float(f(values)) for f in (np.median, np.min, np.max)))


def test_comparing_the_seeds_draws_each_and_keeps_the_tables_range(ds):
    explorer = Explorer(ds, overlay="seed")

    assert explorer.frame["names"] == ["seed 0", "seed 1", "seed 2"]
    np.testing.assert_allclose(lines(explorer)[2, 0], ds.curve.sel(sample_len=168, seed=2), rtol=1e-6)
    assert explorer.metrics()["wall"] == pytest.approx(
        tuple(float(f(ds.wall.sel(sample_len=168))) for f in (np.median, np.min, np.max))
    )


def test_the_table_holds_what_has_no_long_dim(ds):
    explorer = Explorer(ds)

    table = explorer.metrics()

    assert list(table) == ["error", "wall", "share"]
    assert table["share"] == pytest.approx((ds.share.sel(sample_len=168, event="EVICT").item(),) * 3)
    assert explorer.frame["rows"][1][0] == "wall time (s)"
    assert explorer.frame["sliders"] == ["sample_len", "step", "event"]


def test_a_dim_is_either_along_or_compared(ds):
    explorer = Explorer(ds, "error")

    explorer.selection = {"overlay": "sample_len"}  # what lay along the axis makes way

    assert (explorer.selection["x"], explorer.selection["overlay"]) == ("step", "sample_len")
    explorer.selection = {"at": {"event": "KILL"}}
    assert explorer.selection["overlay"] == "sample_len"
    explorer.selection = {"x": "sample_len"}
    assert (explorer.selection["x"], explorer.selection["overlay"]) == ("sample_len", None)
    with pytest.raises(ConfigError, match="x and overlay are both 'step'"):
        explorer.selection = {"x": "step", "overlay": "step"}


def test_one_dim_compared_leaves_no_curve_but_the_table(ds):
    explorer = Explorer(ds, "wall", overlay="sample_len")

    assert explorer.selection["x"] is None
    assert explorer.frame["n"] == 0
    explorer.selection = {"at": {"step": 500}}
    assert explorer.selection["overlay"] == "sample_len"
    assert len(explorer.frame["heads"]) == 5


def test_references_are_lines_of_their_own_wherever_they_have_the_variable(ds):
    real = xr.DataArray(np.linspace(1, 0, 50), {"lag": np.arange(50)}, "lag", name="curve")
    explorer = Explorer(ds, references={"real": real})

    assert explorer.frame["names"] == ["median", "real"]
    assert explorer.frame["real"] == [False, True]
    np.testing.assert_allclose(lines(explorer)[1, 0], real.sel(lag=ds.lag), rtol=1e-6)
    explorer.selection = {"variable": "error"}
    assert explorer.frame["names"] == ["median"]
    flat = Explorer(ds, "error", references={"chance": ds.error.min().rename("error")})
    np.testing.assert_allclose(lines(flat)[1, 0], np.full(5, float(ds.error.min())), rtol=1e-6)


def test_axes_are_logarithmic_where_the_values_ask_and_can_be_told(ds):
    explorer = Explorer(ds, "error")

    assert explorer.frame["log"] == [True, True]  # 1 to 168 in uneven steps; over three decades
    explorer.selection = {"log_y": False}
    assert explorer.frame["log"] == [True, False]
    explorer.selection = {"variable": "curve", "log_y": True}
    assert explorer.frame["possible"] == [True, False]  # some are negative
    assert explorer.frame["log"] == [False, False]
    assert not spans_decades([0.0, 1e3])
    assert not spans_decades([1.0, 100.0])
    assert spans_decades([1.0, 101.0, np.nan])


def test_categories_dates_and_missing_coordinates_can_lie_along(ds):
    share = Explorer(ds, "share", x="event")
    assert share.frame["labels"] == ["KILL", "EVICT"]
    assert not next(dim for dim in share.dims if dim["name"] == "event")["slides"]  # no line joins these
    np.testing.assert_allclose(lines(share)[0, 0], ds.share.sel(sample_len=168), rtol=1e-6)

    days = xr.Dataset(
        {"views": (("time", "sample"), np.arange(6.0).reshape(3, 2))},
        {"time": np.array(["2020-01-01", "2020-01-02", "2020-01-03"], "datetime64[ns]")},
    )
    dated = Explorer(days)
    assert dated.frame["labels"] == ["2020-01-01", "2020-01-02", "2020-01-03"]
    assert next(dim for dim in dated.dims if dim["name"] == "time")["slides"]
    dated.selection = {"x": "sample", "at": {"time": "2020-01-02"}}
    np.testing.assert_array_equal(lines(dated)[0, 0], [2, 3])


def test_unsorted_coordinates_are_drawn_in_order_and_gaps_stay_gaps():
    ds = xr.Dataset({"y": (("k", "seed"), [[3.0, np.nan], [np.nan, np.nan], [1.0, 2.0]])}, {"k": [30, 20, 10]})

    explorer = Explorer(ds)

    np.testing.assert_array_equal(np.frombuffer(explorer.frame["x"], np.float32), [10, 20, 30])
    np.testing.assert_array_equal(lines(explorer)[0], [[1.5, np.nan, 3], [1, np.nan, 3], [2, np.nan, 3]])
    explorer.selection = {"at": {"k": 20}}
    assert explorer.frame["rows"] == [["y", [None, None, None]]]


@pytest.mark.parametrize(
    "given, message",
    [
        ({"variable": "nothing"}, "no numeric variable 'nothing'"),
        ({"variable": "note"}, "no numeric variable 'note'"),
        ({"x": "seed"}, "x='seed' is no dim of 'curve'"),
        ({"overlay": "step"}, "overlay='step' is no dim of 'curve'"),
        ({"at": {"sample_len": 3}}, "sample_len=3 is not in the Dataset; it has 1, 2, 7"),
        ({"at": {"width": 3}}, "no such dim"),
        ({"overlay": "sample_len", "compare": [5]}, "sample_len=5 is not in"),
        ({"log_y": "yes"}, "log_y='yes' must be"),
        ({"zoom": 2}, "no 'zoom'"),
    ],
)
def test_a_wrong_selection_is_refused_and_changes_nothing(ds, given, message):
    explorer = Explorer(ds)
    before, frame = explorer.selection, explorer.frame

    with pytest.raises(ConfigError, match=message):
        explorer.selection = given

    assert explorer.selection == before
    assert explorer.frame == frame


def test_what_cannot_be_explored_is_said(ds):
    with pytest.raises(ConfigError, match=r"not a DataArray. Mend: da.to_dataset"):
        Explorer(ds.curve)
    with pytest.raises(ConfigError, match=r"no numeric variable to show; it has \['note'\]"):
        Explorer(ds[["note"]])
    with pytest.raises(ConfigError, match="no numeric variable"):
        Explorer(ds[["curve"]].isel(lag=slice(0)))


def test_it_takes_a_dataset_of_one_number_and_one_without_seeds():
    assert Explorer(xr.Dataset({"a": 1.5})).metrics() == {"a": (1.5, 1.5, 1.5)}
    explorer = Explorer(xr.Dataset({"a": ("k", [1, 2, 3])}), seed_dim="run")
    np.testing.assert_array_equal(lines(explorer)[0, 0], [1, 2, 3])


def test_the_browsers_message_is_answered_and_its_errors_shown(ds):
    explorer = Explorer(ds)

    explorer._receive(explorer, {"action": "choose", "values": {"index": {"sample_len": 1}, "token": "a"}}, [])
    assert (explorer.answered, explorer.selection["at"]["sample_len"]) == ("a", 2)
    explorer._receive(explorer, {"action": "choose", "values": {"variable": "gone", "token": "b"}}, [])
    assert explorer.answered == "b"
    assert "no numeric variable 'gone'" in explorer.error


def test_its_text_gives_the_code_that_draws_the_same(ds):
    explorer = Explorer(ds)

    values = eval(explorer.code(), {"ds": ds})

    np.testing.assert_allclose(lines(explorer)[0, 0], values, rtol=1e-6)
    assert explorer.code() in repr(explorer)
    compared = Explorer(ds, overlay="sample_len")
    np.testing.assert_allclose(lines(compared)[:, 0], eval(compared.code(), {"ds": ds}), rtol=1e-6)


def test_the_first_that_a_page_hears_of_is_whole(ds, monkeypatch):
    seen = []
    monkeypatch.setattr(Explorer, "open", lambda self: seen.append((dict(self.selection), dict(self.frame))))
    explorer = Explorer(ds)
    assert seen == [(explorer.selection, explorer.frame)]
    assert seen[0][1]["own"] == ["sample_len", "seed", "lag"]
    seen.clear()
    with pytest.raises(ConfigError, match="no numeric variable 'nope'"):
        Explorer(ds, variable="nope")
    assert not seen  # nothing is left of it


def test_what_is_infinite_is_told_from_what_was_not_measured_and_bounds_are_named():
    ds = xr.Dataset(
        {"epsilon": ("way", [np.inf, np.nan, 1.99605]), "gain": ("way", [-np.inf, 1.0, 2.0])}, {"way": ["a", "b", "c"]}
    )
    explorer = Explorer(ds)
    rows = {way: (setattr(explorer, "selection", {"at": {"way": way}}), explorer.frame["rows"])[1] for way in "abc"}
    assert rows["a"] == [["epsilon", ["∞"] * 3], ["gain", ["−∞"] * 3]]
    assert rows["b"][0][1] == [None] * 3 and rows["c"][0][1] == [1.99605] * 3
    assert explorer.frame["bounds"] == ["epsilon"]
    long = xr.Dataset({"epsilon": ("step", np.linspace(0, 2, 100)), "loss": ("step", np.ones(100))})
    assert Explorer(long).frame["bounds"] == ["epsilon"]  # of a curve, too
    json.dumps(explorer.frame["rows"], allow_nan=False)


def test_where_a_reference_has_no_such_value_there_is_a_gap_live_and_in_a_file(ds):
    real = ds.curve.isel(sample_len=[0, 2], seed=0, drop=True)
    explorer = Explorer(ds, "curve", references={"real": real})

    explorer.selection = {"at": {"sample_len": 2}}

    assert np.isnan(lines(explorer)[1]).all() and explorer.frame["at"]["sample_len"] == 1
    explorer.selection = {"at": {"sample_len": 7}}
    np.testing.assert_allclose(lines(explorer)[1, 0], real.sel(sample_len=7), rtol=1e-6)
    _, data, _ = explorer._alone()
    alone = data["variables"]["curve"]["references"][0]
    alone = np.frombuffer(alone["values"], np.float32).reshape(alone["shape"])
    assert np.isnan(alone).all(1).tolist() == [False, True, False, True, True]


def test_a_coordinate_that_is_not_a_number_can_be_selected():
    ds = xr.Dataset({"error": (("noise", "step"), [[1.0, 2.0], [3.0, 4.0]])}, {"noise": [0.5, np.nan]})

    explorer = Explorer(ds, x="step")

    assert lines(explorer)[0, 0].tolist() == [3, 4]
    explorer.choose(index={"noise": 0})
    assert lines(explorer)[0, 0].tolist() == [1, 2]


def test_times_within_a_second_are_told_apart():
    times = np.array(["2015-01-01T00:00:00.1", "2015-01-01T00:00:00.25", "2015-01-02"], "M8[ns]")
    ds = xr.Dataset({"load": (("time", "step"), np.arange(6.0).reshape(3, 2))}, {"time": times})
    explorer = Explorer(ds, x="step")

    explorer.choose(index={"time": 1})

    assert explorer.selection["at"]["time"] == "2015-01-01T00:00:00.25" and lines(explorer)[0, 0].tolist() == [2, 3]
    assert explorer.dims[0]["values"][-1] == "2015-01-02"
