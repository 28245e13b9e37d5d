"""SeriesBrowser without a browser: pages, filters, order, selection and neighbours against independent calculations."""

import numpy as np
import pytest
import xarray as xr
from dgkit_widgets import SeriesBrowser

import dgkit as dg
from dgkit.errors import ConfigError, SchemaError
from tests.conftest import small_dataset


@pytest.fixture(scope="module")
def cluster():
    return dg.open_dataset("cluster").isel(sample=slice(0, 300))


@pytest.fixture(scope="module")
def web():
    return dg.open_dataset("web").isel(sample=slice(0, 200))


def plain(n=5, steps=8, seed=0):
    """Series of one feature without attributes."""
    return xr.Dataset({"load": (("sample", "time"), np.random.default_rng(seed).normal(size=(n, steps)))})


def values(browser, k=0):
    """The page of set k as it travels, (n, T)."""
    block = browser.frame["sets"][k]
    return np.frombuffer(block["values"], "<f4").reshape(len(block["samples"]), browser.frame["steps"])


def test_only_the_visible_page_travels_as_float32(web):
    browser = SeriesBrowser({"real": web, "fake": web.isel(sample=slice(50, 58))}, page_size=6)

    browser.page = 1

    np.testing.assert_array_equal(values(browser, 0), web.views.values[6:12].astype("f4"))
    np.testing.assert_array_equal(values(browser, 1), web.views.values[56:58].astype("f4"))
    assert browser.frame["pages"] == 34
    browser.page = 99
    assert browser.page == 33 and browser.frame["sets"][1]["samples"] == []


def test_steps_past_the_end_are_nan(cluster):
    browser = SeriesBrowser(cluster, page_size=40)

    assert (np.isfinite(values(browser)).sum(axis=1) == cluster.length.values[:40]).all()


def test_filters_keep_what_pandas_keeps(cluster):
    frame = cluster[["end_event", "job_class", "length"]].to_dataframe()
    browser = SeriesBrowser(cluster, filters={"end_event": "FAIL"}, page_size=100)

    browser.filters = {"end_event": "FAIL", "length": (3, 20)}

    wanted = frame[(frame.end_event == "FAIL") & frame.length.between(3, 20)]
    assert browser.frame["sets"][0]["samples"] == wanted.index.get_level_values("sample").tolist()[:100]
    counts = dict(zip(cluster.job_class.attrs["categories"], browser.frame["counts"]["job_class"], strict=True))
    assert {name: row[0] for name, row in counts.items() if row[0]} == wanted.job_class.value_counts().to_dict()
    events = dict(zip(cluster.end_event.attrs["categories"], browser.frame["counts"]["end_event"], strict=True))
    between = frame[frame.length.between(3, 20)]  # an attribute's own choice does not narrow its counts
    assert {name: row[0] for name, row in events.items() if row[0]} == between.end_event.value_counts().to_dict()


def test_a_filter_starts_at_the_first_page_and_may_leave_nothing(web):
    browser = SeriesBrowser(web, page_size=5)
    browser.page = 7

    browser.filters = {"domain": "de.wikipedia.org"}
    assert browser.page == 0

    one = web.isel(sample=[0])
    other = next(name for name in web.access.attrs["categories"] if name != one.access.item())
    lonely = SeriesBrowser(one, filters={"access": other})
    assert lonely.frame["sets"][0] | {"values": b""} == {
        "remain": 0, "first": 0, "samples": [], "titles": [], "values": b"",
    }  # fmt: skip


@pytest.mark.parametrize(
    "order, key",
    [("mid-range", lambda ds: ds.cpu_rate.max("time") + ds.cpu_rate.min("time")), ("length", lambda ds: ds.length)],
)
def test_orders_ascend(cluster, order, key):
    browser = SeriesBrowser(cluster, order=order, page_size=100)

    shown = key(cluster).values[browser.frame["sets"][0]["samples"]]

    assert (np.diff(shown) >= 0).all()
    assert shown[0] == key(cluster).values.min()


def test_random_order_is_the_seeds(web):
    first, same, other = (SeriesBrowser(web, order="random", seed=seed, page_size=100) for seed in (3, 3, 4))

    assert first.frame["sets"][0]["samples"] == same.frame["sets"][0]["samples"]
    assert first.frame["sets"][0]["samples"] != other.frame["sets"][0]["samples"]


def test_log_axis_where_the_range_asks_for_it(web):
    assert SeriesBrowser(web).log  # its attrs say so
    wide = xr.Dataset({"load": (("sample", "time"), np.array([[1.0, 101.0], [2.0, 3.0]]))})
    assert SeriesBrowser(wide).log
    assert not SeriesBrowser(wide / 2 + 5).log
    assert not SeriesBrowser(wide - 1).log  # a zero
    assert SeriesBrowser(wide - 1).frame["may_log"]
    assert not SeriesBrowser(-wide).frame["may_log"]


def test_axis_shared_by_the_page_or_not(cluster):
    browser = SeriesBrowser({"real": cluster, "fake": cluster.isel(sample=slice(10, 20))}, page_size=4)

    both = np.concatenate([values(browser, 0).ravel(), values(browser, 1).ravel()])
    assert browser.frame["range"] == pytest.approx([np.nanmin(both), np.nanmax(both)])
    browser.shared = False
    assert browser.frame["range"] is None


def test_neighbours_of_a_generated_series_are_the_nearest_training_series(web):
    train, fake = web.isel(sample=slice(0, 150)), web.isel(sample=slice(150, 200))
    browser = SeriesBrowser({"real": train, "fake": fake}, neighbours=4)

    browser.selected = {"set": "fake", "sample": 9}

    log = np.log10(train.views.values.astype(float))
    scaled = (log - log.mean()) / log.std()
    one = (np.log10(fake.views.values[9].astype(float)) - log.mean()) / log.std()
    errors = ((scaled - one) ** 2).mean(axis=1)
    found = browser.detail["neighbours"]
    assert [row["sample"] for row in found] == np.argsort(errors)[:4].tolist()
    assert {row["set"] for row in found} == {"real"}
    assert [row["distance"] for row in found] == pytest.approx(np.sort(errors)[:4], rel=1e-4)
    apart = ((scaled[:, None] - scaled) ** 2).mean(axis=2)
    np.fill_diagonal(apart, np.inf)
    typical = np.median(apart.min(axis=1))
    assert found[0]["ratio"] == pytest.approx(errors.min() / typical, rel=1e-4)
    share = (apart.min(axis=1) <= errors.min()).mean()
    assert f"{100 * share:.0f} % of 150 real series have another at least as near" in browser.detail["text"]


def test_a_distance_over_more_features_than_the_one_drawn_says_so(web):
    several = SeriesBrowser({"real": small_dataset(), "fake": small_dataset(seed=1)})
    one = SeriesBrowser({"real": web.isel(sample=slice(20)), "fake": web.isel(sample=slice(20, 40))})

    for browser in (several, one):
        browser.selected = {"set": "fake", "sample": 0}

    assert "over all 3 features" in several.detail["text"] and "over all" not in one.detail["text"]


def test_neighbours_of_a_training_series_are_on_the_training_sets_scale(cluster):
    train = cluster.isel(sample=slice(0, 80))
    narrow = cluster.isel(sample=slice(100, 160))
    narrow = narrow.assign(memory=(narrow.memory / 50).assign_attrs(cluster.memory.attrs))  # other scale of its own
    browser = SeriesBrowser({"real": train, "fake": narrow})

    browser.selected = {"set": "real", "sample": 5}

    back = dg.metrics.nearest_neighbours(narrow, train, k=80)
    distances = back.distance.where(back["index"] == 5).max("neighbour").values
    found = browser.detail["neighbours"]
    assert [row["sample"] for row in found] == np.argsort(distances)[:3].tolist()
    assert [row["distance"] for row in found] == pytest.approx(np.sort(distances)[:3])


def test_a_copy_has_ratio_zero_and_one_set_leaves_itself_out(web):
    copy = SeriesBrowser({"real": web, "fake": web.isel(sample=[8])})
    copy.selected = {"set": "fake", "sample": 0}
    assert copy.detail["neighbours"][0]["sample"] == 8
    assert copy.detail["neighbours"][0]["ratio"] == pytest.approx(0, abs=1e-9)

    alone = SeriesBrowser(web)
    alone.selected = {"set": "data", "sample": 8}
    assert len(alone.detail["neighbours"]) == 3
    assert 8 not in [row["sample"] for row in alone.detail["neighbours"]]


def test_a_copy_is_found_wherever_it_stands_and_however_far_the_other_generated_ones_are():
    train = dg.simulate.web(900, seed=0)
    others = dg.simulate.web(900, seed=1)
    others["views"] = others.views * 1e4  # on their own scale every training series is like every other
    fake = xr.concat([others, train.isel(sample=[890])], "sample")

    browser = SeriesBrowser({"real": train, "fake": fake})

    for selected, copy in (({"set": "real", "sample": 890}, 900), ({"set": "fake", "sample": 900}, 890)):
        browser.selected = selected
        assert browser.detail["neighbours"][0]["sample"] == copy
        assert browser.detail["neighbours"][0]["ratio"] == 0


def test_whole_numbers_past_the_end_are_neither_drawn_nor_sorted_by():
    length = np.array([3, 2, 4])
    counts = np.array([[5, 7, 6, 0], [9, 8, -40, -40], [1, 2, 3, 4]])
    ds = xr.Dataset({"packets": (("sample", "time"), counts), "length": ("sample", length)})

    browser = SeriesBrowser(ds, order="mid-range")

    assert browser.frame["sets"][0]["samples"] == [2, 0, 1]
    assert browser.frame["range"] == [1, 9]
    assert not browser.log  # 1 to 9, not to 0 or -40
    np.testing.assert_array_equal(values(browser, 0), [[1, 2, 3, 4], [5, 7, 6, np.nan], [9, 8, np.nan, np.nan]])


def test_searching_is_told_before_the_neighbours_are_there(web):
    browser = SeriesBrowser({"real": web, "fake": web.isel(sample=[8])})
    told = []
    browser.observe(lambda change: told.append(change["new"]), "detail")

    browser.select("fake", 0)

    assert [detail["searching"] for detail in told] == [True, False]
    assert len(told[0]["values"]) == 1 and len(told[1]["values"]) == 4


def test_selection_dataset_is_the_sample(cluster):
    browser = SeriesBrowser(cluster)
    with pytest.raises(ConfigError, match="no sample is selected"):
        browser.selection_dataset()

    browser.selected = {"set": "data", "sample": 12}

    xr.testing.assert_identical(browser.selection_dataset(), cluster.isel(sample=[12]))
    browser.select()
    assert browser.selected == browser.detail == {}


def test_categorical_features_are_drawn_as_codes():
    state = np.array([["idle", "busy", "busy"], ["busy", "idle", ""]])
    ds = xr.Dataset({"state": (("sample", "time"), state), "length": ("sample", [3, 2])})
    other = ds.isel(sample=[0]).assign(state=(("sample", "time"), np.array([["down", "busy", "idle"]])))

    browser = SeriesBrowser({"real": ds, "fake": other}, order="mid-range")

    np.testing.assert_array_equal(values(browser, 0), [[1, 0, 0], [0, 1, np.nan]])
    np.testing.assert_array_equal(values(browser, 1), [[2, 0, 1]])
    assert browser.info["features"][0]["categories"] == ["busy", "idle", "down"]
    assert browser.frame["range"] == [-0.5, 2.5]
    assert not browser.frame["may_log"]


def test_one_training_series_is_near_but_nothing_is_typical():
    browser = SeriesBrowser({"real": plain(1), "made": plain(3, seed=1)})

    browser.select("made", 0)

    assert browser.detail["neighbours"][0]["sample"] == 0 and browser.detail["neighbours"][0]["ratio"] is None
    assert browser.detail["text"].startswith("Nearest real series: 0, at distance")
    assert "no distance is typical" in browser.detail["text"]


def test_one_sample_without_attributes():
    browser = SeriesBrowser(plain(1))

    browser.selected = {"set": "data", "sample": 0}

    assert browser.info["attributes"] == []
    assert browser.detail["neighbours"] == []
    assert browser.detail["text"] == "There is no other series to compare with."


def test_attributes_that_sets_do_not_share_are_left_out(web):
    browser = SeriesBrowser({"real": web, "fake": web.drop_vars("agent")})

    assert [a["name"] for a in browser.info["attributes"]] == ["domain", "access"]


def test_sets_must_be_of_one_form(web, cluster):
    with pytest.raises(SchemaError, match="mapping of names"):
        SeriesBrowser([web])
    with pytest.raises(SchemaError, match="'b' has 100 steps"):
        SeriesBrowser({"a": web, "b": web.isel(time=slice(0, 100))})
    with pytest.raises(SchemaError, match="'b' has no continuous feature 'memory'"):
        SeriesBrowser({"a": cluster, "b": cluster.drop_vars("memory")})


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"feature": "visits"}, "feature 'visits' is none of 'views'"),
        ({"order": "size"}, "order 'size' is none of 'stored'"),
        ({"page_size": 0}, "page_size=0"),
        ({"seed": -1}, "seed=-1"),
        ({"neighbours": 0}, "neighbours=0"),
        ({"filters": {"colour": "red"}}, "filter 'colour' is none of"),
        ({"filters": {"access": "telegraph"}}, "filter of 'access' 'telegraph' is none of"),
    ],
)
def test_wrong_settings_are_refused(web, settings, message):
    with pytest.raises(ConfigError, match=message):
        SeriesBrowser(web, **settings)


def test_wrong_ranges_and_selections_are_refused_and_change_nothing(cluster):
    browser = SeriesBrowser(cluster)
    for wrong in ("short", (9, 3)):
        with pytest.raises(ConfigError, match="filter of 'length'"):
            browser.filters = {"length": wrong}
    for wrong, message in (
        ({"set": "fake", "sample": 0}, "set 'fake' is none of 'data'"),
        ({"set": "data", "sample": 300}, "samples 0 to 299"),
        ({"sample": 3}, "give {'set'"),
    ):
        with pytest.raises(ConfigError, match=message):
            browser.selected = wrong
    assert browser.filters == browser.selected == {}


def test_what_the_browser_asks_is_done_or_shown_as_an_error(web):
    browser = SeriesBrowser(web)

    browser._receive(browser, {"action": "show", "values": {"page": 3, "page_size": 12}}, [])
    assert (browser.page, browser.page_size, browser.error) == (0, 12, "")
    browser._receive(browser, {"action": "show", "values": {"layout": 1}}, [])
    assert browser.error == "'layout' is not a setting of the browser."
    browser._receive(browser, {"action": "select", "values": {"set": "data", "sample": 2}}, [])
    assert (browser.selected, browser.error) == ({"set": "data", "sample": 2}, "")
