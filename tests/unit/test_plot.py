"""Pictures: what stands on the axes is what the metrics say, with units, a legend and colours that differ."""

import matplotlib

matplotlib.use("agg")

import matplotlib.pyplot as plt
import numpy as np
import pytest

import dgkit as dg
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


@pytest.mark.parametrize(
    ("of", "values", "label"),
    [
        ("mid_range", lambda ds: (ds.views.max("time") + ds.views.min("time")) / 2, "mid-range of views (views/day)"),
        ("half_range", lambda ds: (ds.views.max("time") - ds.views.min("time")) / 2, "half-range of views (views/day)"),
        ("total", lambda ds: ds.views.sum("time"), "total of views (views/day)"),
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
    assert len(dg.plot.attributes(sets).axes) == 3


def test_gallery_shows_whole_series_and_their_attributes(sets):
    ds = sets["real"]
    figure = dg.plot.series(ds, n=5, seed=4)
    drawn = [axis for axis in figure.axes if axis.get_visible()]

    assert len(drawn) == 5
    for axis, i in zip(drawn, np.random.default_rng(4).permutation(40)[:5], strict=True):
        np.testing.assert_array_equal(axis.lines[0].get_ydata(), ds.views.values[i])
        assert str(ds.domain.values[i]) in axis.get_title(loc="left")
    assert "views (views/day)" in drawn[0].get_ylabel()


def test_length_histogram_sums_to_one(sets):
    axis = dg.plot.length_histogram(sets).axes[0]

    for stairs in axis.patches:
        assert stairs.get_data().values.sum() == pytest.approx(1)


def test_history_shows_every_step(tiny_trainer):
    for _ in tiny_trainer:
        pass
    figure = dg.plot.history(tiny_trainer.model)

    assert [axis.get_ylabel() for axis in figure.axes] == ["Wasserstein estimate (1)", "loss (1)", "gradient norm (1)"]
    raw = figure.axes[0].lines[0]
    np.testing.assert_allclose(raw.get_ydata(), [record.wasserstein for record in tiny_trainer.history])


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
    with pytest.raises(SchemaError, match="not list"):
        dg.plot.cdf([1])
