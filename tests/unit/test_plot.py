"""Pictures: what stands on the axes is what the metrics say, with units, a legend and colours that differ."""

import base64
import re
from itertools import pairwise

import matplotlib

matplotlib.use("agg")

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import seaborn as sns
import xarray as xr
from IPython.core.interactiveshell import InteractiveShell
from matplotlib.quiver import Quiver

import dgkit as dg
from dgkit.course.outputs import describe_outputs, in_words
from dgkit.errors import ConfigError, SchemaError
from tests.conftest import small_dataset


@pytest.fixture
def sets():
    return {"real": small_dataset(), "one": small_dataset(seed=1), "two": small_dataset(seed=2)}


@pytest.fixture(autouse=True)
def _close():
    yield
    plt.close("all")


def test_autocorrelation_draws_the_metric_for_every_set(sets):
    axis = dg.plot.autocorrelation(sets).axes[0]

    for line, ds in zip(axis.lines, sets.values(), strict=False):
        np.testing.assert_array_equal(line.get_ydata(), dg.metrics.autocorrelation(ds.views))
    assert [text.get_text() for text in axis.get_legend().get_texts()] == list(sets)
    assert len({line.get_linestyle() for line in axis.lines[:3]}) == 3
    assert len({str(line.get_color()) for line in axis.lines[:3]}) == 3
    assert axis.get_xlabel() == "lag (steps)"


def test_lags_with_less_than_a_quarter_of_the_pairs_are_shaded(sets):
    web = dg.plot.autocorrelation({"real": dg.simulate.web(20), "others": dg.simulate.web(20, seed=1)}).axes[0]
    ragged = dg.plot.autocorrelation(sets).axes[0]
    early = dg.plot.autocorrelation(dg.simulate.web(20), lags=100).axes[0]

    span = web.patches[0].get_extents().transformed(web.transData.inverted())
    assert (span.x0, span.x1) == (pytest.approx(126.5), pytest.approx(166.5))  # lags 127 to 166 of 168 days
    assert [text.get_text().strip() for text in web.texts] == ["few pairs"]
    lengths = sets["real"].length.values
    few = [lag for lag in range(1, 10) if sum(n - lag for n in lengths if n - lag >= 3) < 0.25 * lengths.sum()]
    span = ragged.patches[0].get_extents().transformed(ragged.transData.inverted())
    assert span.x0 == pytest.approx(few[0] - 0.5)
    assert not early.patches


def counted(sets):
    """The views as whole numbers, with something else than NaN past the end, and without it as floats."""
    whole = sets["real"][["length"]].assign(views=sets["real"].views.round().fillna(10**6).astype("i8"))
    return whole, whole.assign(views=sets["real"].views.round())


@pytest.mark.parametrize("of", ["mid_range", "half_range", "total", "value"])
def test_whole_numbers_past_the_end_are_not_drawn(sets, of):
    whole, floats = counted(sets)

    drawn, expected = (dg.plot.cdf(ds, of=of).axes[0].lines[0].get_xdata() for ds in (whole, floats))

    np.testing.assert_array_equal(drawn, expected)


def test_whole_numbers_past_the_end_are_not_drawn_in_galleries_and_curves(sets):
    for draw in (dg.plot.series, dg.plot.autocorrelation):
        for one, other in zip(*(draw(ds).axes for ds in counted(sets)), strict=True):
            np.testing.assert_array_equal(one.lines[0].get_ydata(), other.lines[0].get_ydata())


@pytest.mark.parametrize(
    ("time", "label"),
    [
        (pd.date_range("2024-01-01", periods=12, freq="D"), "lag (days)"),
        (pd.date_range("2024-01-01", periods=12, freq="7D"), "lag (steps of 7 days)"),
        (pd.date_range("2024-01-01", periods=12, freq="6h"), "lag (steps of 6 h)"),
        (pd.date_range("2024-01-01", periods=12, freq="5min"), "lag (steps of 5 min)"),
        (pd.date_range("2024-01-01", periods=12, freq="MS"), "lag (steps)"),
        (np.arange(12) * 2.5, "lag (steps)"),
    ],
)
def test_a_lag_is_called_days_only_where_a_step_is_a_day(time, label):
    ds = small_dataset().assign_coords(time=time)

    assert dg.plot.autocorrelation(ds).axes[0].get_xlabel() == label
    assert dg.plot.autocorrelation({"a": ds, "b": small_dataset()}).axes[0].get_xlabel() == "lag (steps)"


def test_lags_of_hours_and_of_days_are_not_drawn_on_one_axis():
    hours, days = (small_dataset().assign_coords(time=pd.date_range("2024", periods=12, freq=f)) for f in ("h", "D"))

    with pytest.raises(SchemaError, match="1 hour after the first in the first set, 1 day in 'daily'"):
        dg.plot.autocorrelation({"hourly": hours, "daily": days})


@pytest.mark.parametrize(
    ("of", "values", "label"),
    [
        ("mid_range", lambda ds: (ds.views.max("time") + ds.views.min("time")) / 2, "mid-range of views (views/day)"),
        ("half_range", lambda ds: (ds.views.max("time") - ds.views.min("time")) / 2, "half-range of views (views/day)"),
        ("total", lambda ds: ds.views.sum("time"), "sum over all steps of views (views/day)"),
        ("value", lambda ds: ds.views, "views (views/day)"),
        ("length", lambda ds: ds.length, "length (steps)"),
    ],
)
def test_cdf_steps_at_the_values_and_names_their_unit(sets, of, values, label):
    axis = dg.plot.cdf(sets, of=of).axes[0]

    expected = np.sort(np.asarray(values(sets["real"])).ravel())
    drawn = axis.lines[0].get_xdata()
    np.testing.assert_allclose(drawn[1:], expected[np.isfinite(expected)], rtol=1e-9)  # the first is where it starts
    assert axis.get_xlabel() == label
    assert axis.get_xscale() == ("linear" if of == "length" else "log")


def test_attribute_bars_are_the_shares(sets):
    figure = dg.plot.attributes(sets, "domain")

    widths = [[bar.get_width() for bar in bars] for bars in figure.axes[0].containers]
    for got, ds in zip(widths, sets.values(), strict=True):
        assert got == pytest.approx([float((ds.domain == d).mean()) for d in ("de", "en", "fr")])
    assert [text.get_text() for text in figure.axes[0].get_yticklabels()] == ["de", "en", "fr"]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == list(sets)


def test_the_colours_are_seaborns_colourblind_palette():
    assert list(dg.plot.COLOURS) == sns.color_palette("colorblind").as_hex()


def test_joint_maps_are_the_shares_of_pairs_on_one_scale(sets):
    sets = {
        name: ds.assign(side=("sample", np.array(["left", "right"])[np.arange(40) // 25])) for name, ds in sets.items()
    }

    figure = dg.plot.joint(sets, "domain", "side")

    for axis, (name, ds) in zip(figure.axes, sets.items(), strict=False):
        pairs = [
            [((ds.domain == d) & (ds.side == s)).mean().item() for d in ("de", "en", "fr")] for s in ("left", "right")
        ]
        assert axis.collections[0].get_array().data.ravel() == pytest.approx(np.ravel(pairs))
        assert axis.collections[0].get_clim() == figure.axes[0].collections[0].get_clim()
        assert axis.get_title() == name


def test_joint_maps_are_of_attributes_with_categories(sets):
    for name in ("size", "colour", "views"):
        with pytest.raises(SchemaError, match=f"no attribute '{name}' with categories; the dataset has 'domain'"):
            dg.plot.joint(sets, "domain", name)
    with pytest.raises(SchemaError, match="'two' has no 'domain'"):
        dg.plot.joint({**sets, "two": sets["two"].drop_vars("domain")}, "domain", "domain")


def test_numeric_attributes_are_histograms_of_shares(sets):
    axis = dg.plot.attributes(sets).axes[2]

    assert axis.get_xlabel() == "size (GB)"
    for stairs, ds in zip(axis.patches, sets.values(), strict=True):
        values, edges, _ = stairs.get_data()
        inside = [((ds["size"] >= a) & (ds["size"] < b)).sum().item() for a, b in pairwise(edges)]
        inside[-1] += (ds["size"] == edges[-1]).sum().item()
        assert values == pytest.approx(np.array(inside) / 40)


def test_gallery_shows_whole_series_and_their_attributes(sets):
    ds = sets["real"]
    figure = dg.plot.series(ds, n=5, seed=4)
    drawn = [axis for axis in figure.axes if axis.get_visible()]

    assert len(drawn) == 5
    for axis, i in zip(drawn, np.random.default_rng(4).permutation(40)[:5], strict=True):
        np.testing.assert_array_equal(axis.lines[0].get_ydata(), ds.views.values[i])
        assert str(ds.domain.values[i]) in axis.get_title(loc="left")
        assert axis.get_yscale() == "linear"
    assert "views (views/day)" in drawn[0].get_ylabel()


def test_ticks_of_a_narrow_range_are_told_apart():
    kelvin = xr.Dataset({"temperature": (("sample", "time"), 290 + np.linspace(0, 0.12, 20)[None])})

    figure = dg.plot.series(kelvin, n=1)
    figure.canvas.draw()

    ticks = [tick.get_text() for tick in figure.axes[0].get_yticklabels()]
    assert len(set(ticks)) == len(ticks) > 2


def test_gallery_of_a_dask_backed_dataset_is_that_of_the_same_in_memory(sets):
    figures = [dg.plot.series(ds, n=3) for ds in (sets["real"], sets["real"].chunk(sample=7))]

    for own, lazy in zip(*(figure.axes for figure in figures), strict=True):
        np.testing.assert_array_equal(lazy.lines[0].get_ydata(), own.lines[0].get_ydata())
        assert lazy.get_title(loc="left") == own.get_title(loc="left") != ""


def test_gallery_on_a_shared_axis_is_logarithmic_where_the_feature_says_so(sets):
    views = dg.plot.series(sets, n=4, shared=True).axes
    cpu = dg.plot.series(sets, "cpu", n=4, shared=True).axes

    assert len(views) == 12
    assert {axis.get_yscale() for axis in views} == {"log"} and len({axis.get_ylim() for axis in views}) == 1
    assert {axis.get_yscale() for axis in cpu} == {"linear"} and len({axis.get_ylim() for axis in cpu}) == 1


def test_a_series_of_one_step_can_be_seen():
    ds = small_dataset().isel(sample=slice(0, 9))
    ds["length"][:] = 1
    for name, fill in {"views": np.nan, "cpu": np.nan, "state": ""}.items():
        ds[name][:, 1:] = fill

    assert {axis.lines[0].get_marker() for axis in dg.plot.series(ds, n=9).axes} == {"."}


def test_ticks_of_days_are_whole_weeks():
    curves = (
        dg.plot.autocorrelation(dg.simulate.web(20)).axes[0],
        dg.plot.autocorrelation(dg.simulate.web(20), lags=40).axes[0],
    )
    days = xr.DataArray(np.ones(60), {"day": ("day", np.arange(60), {"units": "days"})}, ("day",), "views")

    for axis in (*curves, dg.plot.against(days, "day").axes[0]):
        ticks = axis.get_xticks()
        assert (ticks % 7 == 0).all() and 4 <= len(ticks) <= 15


def test_a_number_without_a_unit_has_none_on_the_axis(sets):
    figures = dg.plot.autocorrelation(sets), dg.plot.cdf(sets), dg.plot.attributes(sets), dg.plot.length_histogram(sets)

    for figure in figures:
        assert not any("(1)" in axis.get_xlabel() + axis.get_ylabel() for axis in figure.axes)


def test_a_notebook_shows_twice_the_pixels_at_the_same_size(monkeypatch):
    monkeypatch.setattr(plt, "get_backend", lambda: "module://matplotlib_inline.backend_inline")
    shell = InteractiveShell.instance()
    figure = dg.plot.cdf(small_dataset())

    data, metadata = shell.display_formatter.format(figure)

    width = int.from_bytes(base64.b64decode(data["image/png"])[16:20], "big")  # of the file's head
    assert width == pytest.approx(2 * metadata["image/png"]["width"], abs=1)
    assert 600 < metadata["image/png"]["width"] < 800


def test_a_chapters_figure_says_in_words_what_it_shows_and_a_table_is_reached_by_keyboard(monkeypatch):
    monkeypatch.setattr(plt, "get_backend", lambda: "module://matplotlib_inline.backend_inline")
    figure = dg.plot.autocorrelation({"real": small_dataset(), "<b>": small_dataset()}, "views")
    formatter = InteractiveShell.instance().display_formatter
    before = formatter.format
    monkeypatch.setattr(formatter.formatters["text/html"], "enabled", True)  # as in a notebook
    try:
        describe_outputs()
        data, _ = formatter.format(figure)
        as_it_was, _ = formatter.format("text")
        table, _ = formatter.format(pd.DataFrame({"a": [1]}))
    finally:
        formatter.format = before
        del formatter.dgkit_as_before

    alternative = re.search(r'alt="([^"]*)"', data["text/html"]).group(1)
    assert f"data:image/png;base64,{data['image/png'][:50]}" in data["text/html"].replace("\n", "")
    assert "against lag" in alternative and "Shown: real; &lt;b&gt;" in alternative and "<b>" not in alternative
    assert "text/html" not in as_it_was
    assert 'tabindex="0"' in table["text/html"] and "<table" in table["text/html"]
    many = dg.plot.series(small_dataset(), "views", n=6)
    assert in_words(many).startswith("Figure of 6 panels.") and len(in_words(many)) <= 400
    assert in_words(plt.figure()) == "Figure."


def test_a_critics_arrows_go_where_its_score_rises():
    points = np.random.default_rng(0).normal(size=(50, 2))

    figure = dg.plot.critic(lambda at: 3 * at[:, 0] - at[:, 1], points, points - 2, x="level", y="swing")

    arrows = next(one for one in figure.axes[0].collections if isinstance(one, Quiver))
    np.testing.assert_allclose(arrows.U, 3.0, rtol=1e-6)
    np.testing.assert_allclose(arrows.V, -1.0, rtol=1e-6)
    assert len(arrows.U) == 40
    assert (figure.axes[0].get_xlabel(), figure.axes[0].get_ylabel()) == ("level", "swing")
    with pytest.raises(ConfigError, match=r"made is \(50,\)"):
        dg.plot.critic(lambda at: at[:, 0], points, points[:, 0])


def test_a_notebook_shows_a_figure_once(monkeypatch):
    monkeypatch.setattr(plt, "get_backend", lambda: "module://matplotlib_inline.backend_inline")
    figure = dg.plot.cdf(small_dataset())
    formatter = InteractiveShell.instance().display_formatter

    formatter.format(figure)  # what a cell does with its last line, and the inline backend with what is still open

    assert not plt.fignum_exists(figure.number)
    assert figure.axes


def test_length_histogram_sums_to_one(sets):
    axis = dg.plot.length_histogram(sets).axes[0]

    for stairs in axis.patches:
        assert stairs.get_data().values.sum() == pytest.approx(1)


@pytest.mark.parametrize(("steps", "bins"), [(28, 20), (50, 20), (60, 20), (7, 20), (60, 7), (1, 20)])
def test_bins_of_lengths_hold_as_many_lengths_each(steps, bins):
    ends = np.arange(1, steps + 1).repeat(3)  # all lengths as often
    values = np.where(np.arange(steps) < ends[:, None], 1.0, np.nan)
    ds = xr.Dataset({"load": (("sample", "time"), values), "length": ("sample", ends)})

    shares, edges, _ = dg.plot.length_histogram(ds, bins=bins).axes[0].patches[0].get_data()

    held = np.diff(edges)
    assert (held == held[0]).all()
    assert held[0] == int(held[0])
    assert len(shares) <= bins
    np.testing.assert_allclose(shares[:-1], held[0] / steps)
    assert shares.sum() == pytest.approx(1)


def test_a_picture_that_fails_leaves_no_figure_open():
    one = xr.Dataset({"load": (("sample", "time"), np.random.default_rng(0).normal(size=(5, 2)))})
    before = plt.get_fignums()

    with pytest.raises(SchemaError, match="at least 3"):
        dg.plot.autocorrelation(one)

    assert plt.get_fignums() == before


def test_history_shows_every_step(tiny_trainer):
    for _ in tiny_trainer:
        pass
    figure = dg.plot.history(tiny_trainer.model)

    assert [axis.get_ylabel() for axis in figure.axes] == ["Wasserstein estimate", "loss", "gradient norm"]
    assert [t.get_text() for t in figure.legends[0].get_texts()] == ["discriminator", "auxiliary", "generator"]
    raw = figure.axes[0].lines[0]
    np.testing.assert_allclose(raw.get_ydata(), [record.wasserstein for record in tiny_trainer.history])


def test_long_names_do_not_squeeze_the_axes(sets):
    named = {f"{name}, trained on the whole of the data with all the defaults": ds for name, ds in sets.items()}

    for draw in (dg.plot.autocorrelation, dg.plot.attributes):
        figure = draw(named)
        figure.canvas.draw()
        legend = (figure.legends or [figure.axes[0].get_legend()])[0].get_window_extent()
        assert legend.x0 >= 0 and legend.x1 <= figure.bbox.x1 and legend.y1 <= figure.bbox.y1
        assert figure.axes[0].get_window_extent().width > 0.8 * figure.bbox.width


def test_a_single_set_needs_no_legend():
    assert dg.plot.autocorrelation(small_dataset()).axes[0].get_legend() is None


def test_what_cannot_be_drawn_is_named(sets, tiny_trainer):
    with pytest.raises(SchemaError, match="no continuous feature 'state'; the dataset has 'views', 'cpu'"):
        dg.plot.cdf(sets, "state")
    with pytest.raises(SchemaError, match="no attribute 'colour'"):
        dg.plot.attributes(sets, "colour")
    with pytest.raises(ConfigError, match="of='middle'"):
        dg.plot.cdf(sets, of="middle")
    with pytest.raises(ConfigError, match="no training history"):
        dg.plot.history(tiny_trainer.model)
    with pytest.raises(ConfigError, match="not int"):
        dg.plot.history(3)
    with pytest.raises(ConfigError, match="n=0"):
        dg.plot.series(sets, n=0)
    with pytest.raises(SchemaError, match="not list"):
        dg.plot.cdf([1])


def test_a_generated_set_that_lacks_what_is_drawn_is_named(sets):
    for draw in (dg.plot.series, dg.plot.autocorrelation, dg.plot.cdf):
        with pytest.raises(SchemaError, match=r"'two' has no 'views' on .*; it has 'cpu'"):
            draw({**sets, "two": sets["two"].drop_vars("views")})
    with pytest.raises(SchemaError, match="'two' has no 'domain'"):
        dg.plot.attributes({**sets, "two": sets["two"].drop_vars("domain")})
    numbers = sets["two"].assign(domain=("sample", np.arange(40.0)))
    with pytest.raises(SchemaError, match="'domain' is float64 in 'two'; expected <U2"):
        dg.plot.attributes({**sets, "two": numbers}, "domain")


def measured():
    values = np.random.default_rng(0).random((3, 4, 2))
    coords = {"sample_len": ("sample_len", [1, 7, 14, 84], {"units": "days"}), "model": ["a", "b"]}
    attrs = {"units": "1", "long_name": "error"}
    return xr.DataArray(values, coords, ("seed", "sample_len", "model"), "mse", attrs)


def test_against_draws_the_median_and_the_whole_range_of_the_seeds():
    values = measured()

    axis = dg.plot.against(values, "sample_len", "model", log="xy", reference={"chance": 0.5}).axes[0]

    for k, model in enumerate("ab"):
        np.testing.assert_allclose(axis.lines[k].get_ydata(), np.median(values.sel(model=model), axis=0))
        corners = axis.collections[k].get_paths()[0].vertices
        assert corners[:, 1].max() == values.sel(model=model).max()
        assert corners[:, 1].min() == values.sel(model=model).min()
    assert [text.get_text() for text in axis.get_legend().get_texts()] == ["a", "b", "chance"]
    assert (axis.get_xlabel(), axis.get_ylabel()) == ("sample_len (days)", "error")
    assert (axis.get_xscale(), axis.get_yscale()) == ("log", "log")
    assert [tick.get_text() for tick in axis.get_xticklabels()] == ["1", "7", "14", "84"]


def test_against_says_what_a_logarithmic_axis_cannot_show():
    values = measured()
    values[0, 0, 0], values[1, 0, 1] = 0.0, -1.0

    axis = dg.plot.against(values, "sample_len", "model", log="y", reference={"chance": 0, "real": 0.5}).axes[0]

    assert axis.get_ylabel() == f"error\n2 of {values.size} at or below 0: not shown"
    names = [text.get_text() for text in axis.get_legend().get_texts()]
    assert names == ["a", "b", "chance (at or below 0: not shown)", "real"]
    assert dg.plot.against(values, "sample_len", "model").axes[0].get_ylabel() == "error"


def test_against_draws_no_line_between_values_that_are_no_numbers():
    axis = dg.plot.against(measured().isel(sample_len=0), "model").axes[0]

    assert axis.lines[0].get_linestyle() == "None"
    assert [tick.get_text() for tick in axis.get_xticklabels()] == ["a", "b"]


def test_against_names_each_of_a_dozen_values_that_are_no_numbers():
    lines = [f"line {k}" for k in range(12)]
    values = xr.DataArray(np.arange(12.0), {"line": lines}, ("line",), attrs={"units": "1"})

    axis = dg.plot.against(values, "line").axes[0]

    assert [label.get_text() for label in axis.get_xticklabels()] == lines


def test_against_shows_one_seed_and_a_curve_to_compare_with():
    values = measured().isel(seed=0, model=0)

    axis = dg.plot.against(values, "sample_len", reference={"real": values + 1}).axes[0]

    np.testing.assert_array_equal(axis.lines[0].get_ydata(), values)
    np.testing.assert_array_equal(axis.lines[1].get_ydata(), values + 1)


def test_a_reference_of_each_category_is_a_short_line_at_its_place():
    values = xr.DataArray([[1.0, 2.0], [3.0, 4.0]], {"name": ["b", "a"]}, ("name", "seed"), "error")
    reference = xr.DataArray([7.0, 5.0], {"name": ["a", "b"]}, "name")

    axis = dg.plot.against(values, "name", reference={"chance": reference}).axes[0]

    line = next(one for one in axis.lines if one.get_label() == "chance")
    x, y = np.array(line.get_xdata()).reshape(2, 3), np.array(line.get_ydata()).reshape(2, 3)
    np.testing.assert_allclose(x, [[-0.3, 0.3, np.nan], [0.7, 1.3, np.nan]])
    assert y.tolist() == [[5.0] * 3, [7.0] * 3]


@pytest.mark.parametrize(("x", "hue"), [("sample_len", None), ("lag", None), ("sample_len", "lag")])
def test_against_names_dims_it_cannot_draw(x, hue):
    with pytest.raises(ConfigError, match="values has dims"):
        dg.plot.against(measured(), x, hue)


@pytest.mark.parametrize("log", [False, True])
def test_histograms_share_their_bins_and_sum_to_one(log):
    numbers = {"real": np.array([1.0, 10, 100, np.nan]), "fake": np.array([[3.0, 5], [0, 50]])}

    axis = dg.plot.histogram(numbers, bins=5, log=log).axes[0]

    first, second = (patch.get_data() for patch in axis.patches)
    np.testing.assert_array_equal(first.edges, second.edges)
    assert first.values.sum() == pytest.approx(1)
    assert second.values.sum() == pytest.approx(1)
    assert axis.get_xscale() == ("log" if log else "linear")
    texts = [text.get_text() for text in axis.get_legend().get_texts()]
    assert texts == ["real", "fake, without 1 of 4 at or below 0" if log else "fake"]
    alone = dg.plot.histogram({"fake": numbers["fake"]}, log=log).axes[0].get_xlabel()
    assert ("without 1 of 4" in alone) == log


def test_a_histogram_of_nothing_is_refused():
    with pytest.raises(ConfigError, match="'fake' has no value"):
        dg.plot.histogram({"real": [1.0], "fake": [0.0]}, log=True)
    with pytest.raises(ConfigError, match="at least one"):
        dg.plot.histogram({})


HOSTILE = ["a$^$", "$5 to $10", "_real", r"$\frac{$", "__", r"\$x$", "<b>&amp;</b>", "%s {0}"]


def texts(figure):
    """What a picture shows, once it is drawn; a formula would be told by its own class."""
    figure.canvas.draw()
    return [text for text in figure.findobj(matplotlib.text.Text) if text.get_text()]


def hostile_sets():
    """Sets, features and categories of hostile names."""
    ds = small_dataset(variable=False).rename(views=HOSTILE[0], domain=HOSTILE[2])
    ds[HOSTILE[2]] = "sample", np.array(HOSTILE)[np.arange(40) % len(HOSTILE)]
    ds[HOSTILE[0]].attrs |= {"units": "$", "long_name": "$a^$ and _b"}
    return {"_real": ds, "$5 to $10": ds, "$\\frac{$": ds}


@pytest.mark.parametrize(
    "draw",
    [
        lambda sets: dg.plot.series(sets),
        lambda sets: dg.plot.series(sets, shared=True),
        lambda sets: dg.plot.autocorrelation(sets),
        lambda sets: dg.plot.cdf(sets),
        lambda sets: dg.plot.attributes(sets),
        lambda sets: dg.plot.joint(sets, HOSTILE[2], HOSTILE[2]),
        lambda sets: dg.plot.length_histogram(sets),
        lambda sets: dg.plot.histogram({name: ds[HOSTILE[0]] for name, ds in sets.items()}, log=True),
    ],
)
@pytest.mark.parametrize("usetex", [False, True])
def test_names_are_shown_as_they_are(draw, usetex):
    sets = hostile_sets()

    with plt.rc_context({"text.usetex": usetex}):
        figure = draw(sets)
    shown = texts(figure)

    formulas = [text.get_text() for text in shown if text._preprocess_math(text.get_text())[1] is not False]
    assert all(formula.startswith(r"$\mathdefault{10^") for formula in formulas), formulas  # ticks of a log axis
    whole = "\n".join(text.get_text() for text in shown)
    assert all(name in whole for name in sets)
    legends = [axis.get_legend() for axis in figure.axes if axis.get_legend()] + figure.legends
    if legends:
        assert [text.get_text() for text in legends[0].get_texts()] == [*sets]


def test_categories_are_shown_as_they_are():
    axis = dg.plot.attributes(hostile_sets(), HOSTILE[2]).axes[0]
    axis.figure.canvas.draw()

    assert sorted(label.get_text() for label in axis.get_yticklabels()) == sorted(HOSTILE)
    assert not any(label.get_parse_math() for label in axis.get_yticklabels())


@pytest.mark.parametrize("x", ["sample_len", "name"])
def test_settings_and_references_are_shown_as_they_are(x):
    values = xr.DataArray(
        np.ones((2, 3, 2)), {x: ["$a^$", "_b"] if x == "name" else [1, 2], "_hue": HOSTILE[:3], "seed": [0, 1]},
        name="$x",
    )  # fmt: skip

    figure = dg.plot.against(values, x, "_hue", reference={"_chance$^$": 0.5})
    whole = [text.get_text() for text in texts(figure)]

    legend = figure.axes[0].get_legend()
    assert sorted(text.get_text() for text in legend.get_texts()) == sorted([*HOSTILE[:3], "_chance$^$"])
    assert "$x" in whole and (x == "sample_len" or {"$a^$", "_b"} <= {*whole})


def test_one_axis_is_for_one_unit(sets):
    sets["two"] = sets["two"].assign(views=sets["two"].views.assign_attrs(units="kB"))
    sets["two"]["size"].attrs["units"] = "MB"
    numbers = {name: dg.metrics.mid_range(ds.views) for name, ds in sets.items()}

    for call in (
        lambda: dg.plot.cdf(sets),
        lambda: dg.plot.series(sets, shared=True),
        lambda: dg.plot.attributes(sets, "size"),
        lambda: dg.plot.histogram(numbers),
    ):
        with pytest.raises(SchemaError, match=r"in (views/day|GB) in the first set, in (kB|MB) in 'two'. Bring both"):
            call()
    assert "kB" in dg.plot.series(sets, n=1).axes[-1].get_ylabel()  # an axis each
    assert dg.plot.autocorrelation(sets) and dg.plot.cdf(sets, of="length")  # which have no unit of the feature


def test_a_histogram_of_what_is_no_array_of_numbers_says_what_to_give(sets):
    with pytest.raises(ConfigError, match=r"'real' is a Dataset, not numbers. .*mid_range\(ds\['views'\]\)"):
        dg.plot.histogram(sets)
    with pytest.raises(ConfigError, match="give a mapping of names to numbers, not a DataArray"):
        dg.plot.histogram(sets["real"].views)
    with pytest.raises(ConfigError, match="'real' is a list, not numbers"):
        dg.plot.histogram({"real": ["a"]})


def test_fewer_series_than_columns_are_drawn():
    ds = small_dataset()

    for sets in (ds.isel(sample=[0]), {"one": ds.isel(sample=[0]), "many": ds}):
        figure = dg.plot.series(sets)
        assert any(axis.get_xlabel() == "time (steps)" for axis in figure.axes if axis.get_visible())


def test_a_histogram_says_what_it_leaves_out():
    (axis,) = dg.plot.histogram({"one": [1.0, np.inf, 2.0, np.nan, -np.inf]}).axes
    assert axis.get_xlabel() == "value, without 2 of 4 infinite"
    (axis,) = dg.plot.histogram({"one": [1.0, np.inf, 2.0, 0.0]}, log=True).axes
    assert axis.get_xlabel() == "value, without 1 of 4 infinite and 1 of 4 at or below 0"


def test_what_only_a_later_set_has_is_drawn_too():
    def held(names, steps):
        ends = np.arange(len(names)) % steps + 1
        values = np.where(np.arange(steps) < ends[:, None], 1.5, np.nan)
        own = {"isp": ("sample", names), "via": ("sample", names[::-1]), "length": ("sample", ends)}
        return xr.Dataset({"x": (("sample", "time"), values), **own})

    sets = {"real": held(["a", "b"] * 30, 20), "made": held(["a", "z", "z", "z"] * 15, 60)}
    bars = dg.plot.attributes(sets, "isp").axes[0]
    assert [text.get_text() for text in bars.get_yticklabels()] == ["a", "b", "z"]
    assert [bar.get_width() for bar in bars.containers[1]] == [0.25, 0.0, 0.75]
    lengths = dg.plot.length_histogram(sets).axes[0].patches
    assert [round(sum(one.get_data()[0]), 6) for one in lengths] == [1, 1]
    assert lengths[1].get_data()[1][-1] == 60.5
    for axis in dg.plot.joint(sets, "isp", "via").axes[:2]:
        assert axis.collections[0].get_array().sum() == pytest.approx(1)


def test_a_picture_that_cannot_be_says_why(sets):
    with pytest.raises(ConfigError, match=r"n=2\.5 must be a whole number"):
        dg.plot.series(sets, n=2.5)
    with pytest.raises(ConfigError, match="bins=0"):
        dg.plot.histogram({"a": np.arange(3)}, bins=0)
    with pytest.raises(ConfigError, match="log='z'"):
        dg.plot.against(xr.DataArray([1.0], {"s": [1]}, "s"), "s", log="z")
    with pytest.raises(ConfigError, match="not what a DoppelGANger's has"):
        dg.plot.history(dg.baselines.fit("ar", small_dataset(), steps=2))
    assert dg.plot.histogram({"a": np.full(10, 5.0)}, log=True).axes[0].get_xscale() == "log"
    masked = np.ma.masked_equal([1.0, 2.0, -9999.0], -9999.0)
    assert dg.plot.histogram({"a": masked}).axes[0].patches[0].get_data()[1][0] == 1
