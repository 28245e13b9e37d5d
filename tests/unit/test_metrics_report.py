"""`evaluate`: every metric it holds against the metric by itself, the data it must take, and how it reads."""

import numpy as np
import pandas as pd
import pytest
import scipy.stats
import xarray as xr

import dgkit as dg
from dgkit import metrics
from dgkit.errors import ConfigError, SchemaError
from dgkit.metrics import Report, evaluate
from tests.conftest import small_dataset

STEP = xr.DataArray(np.arange(12), dims="time")


@pytest.fixture
def generated(small):
    """Another draw of the same schema: the samples in two halves, changed a little."""
    other = small.isel(sample=slice(5, 35)).copy(deep=True)
    other["views"] *= 1.5
    other["cpu"] = (
        other["cpu"][::-1].where(other["cpu"].notnull(), other["cpu"]).fillna(0).where(other["cpu"].notnull())
    )
    other["domain"] = other["domain"].where(other["size"] > 0.3, "de").astype("U2")
    other["size"] += 0.25
    return other


def test_report_holds_each_metric_under_its_name(small, generated):
    report = evaluate(small, generated)

    views = [ds.views.values[~np.isnan(ds.views.values)] for ds in (small, generated)]
    distance = scipy.stats.wasserstein_distance(*views)
    at = {"feature": "views"}
    assert report.value_wasserstein.sel(at).item() == pytest.approx(distance)
    constant = np.mean(abs(views[0] - np.median(views[0])))
    assert report.value_wasserstein_relative.sel(at).item() == pytest.approx(distance / constant)
    logs = scipy.stats.wasserstein_distance(*(np.log10(x) for x in views))
    assert report.value_wasserstein_decades.sel(at).item() == pytest.approx(logs)
    assert np.isnan(report.value_wasserstein_decades.sel(feature="cpu"))
    mid = [metrics.mid_range(ds.cpu) for ds in (small, generated)]
    assert report.mid_range_wasserstein.sel(feature="cpu").item() == pytest.approx(metrics.wasserstein(*mid))
    mse = metrics.autocorrelation_mse(small.cpu, generated.cpu)
    assert report.autocorrelation_mse.sel(feature="cpu").item() == pytest.approx(mse)
    curves = report.autocorrelation.sel(feature="cpu")
    np.testing.assert_allclose(curves.sel(source="real"), metrics.autocorrelation(small.cpu))
    assert report.attribute_jensen_shannon.sel(attribute="domain").item() == pytest.approx(
        metrics.jensen_shannon(small.domain, generated.domain)
    )
    assert report.attribute_wasserstein.sel(continuous_attribute="size").item() == pytest.approx(
        scipy.stats.wasserstein_distance(small["size"], generated["size"])
    )
    assert report.feature_jensen_shannon.sel(categorical_feature="state").item() == pytest.approx(
        metrics.jensen_shannon(small.state, generated.state)
    )
    joint = [[f"{a} {b}" for a, b in zip(ds.domain.values, ds.spider.values, strict=True)] for ds in (small, generated)]
    assert report.joint_attribute_jensen_shannon.item() == pytest.approx(metrics.jensen_shannon(*joint))
    assert report.length_wasserstein.item() == pytest.approx(
        scipy.stats.wasserstein_distance(small.length, generated.length)
    )
    assert report.feature_units.values.tolist() == ["views/day", "1"]


def test_data_compared_with_themselves_are_perfect_and_copies_show(small):
    report = evaluate(small, small)

    perfect = {"range_coverage": 1, "distinct_modes_ratio": 1, "copied_share": 1}
    for name, variable in report.data_vars.items():
        if name != "autocorrelation" and not name.endswith(("_decades", "_chance", "_undefined")):
            values = variable.values[~np.isnan(variable.values)]
            np.testing.assert_allclose(values, perfect.get(name, 0), atol=1e-9, err_msg=name)


@pytest.mark.parametrize("samples", [500, 1000, 2000, 3000])
def test_copies_of_a_training_set_of_any_size_are_at_distance_zero(samples):  # shared/cases/core_copies_unseen.py
    train = dg.simulate.web(samples, seed=0)

    for copies in (train.isel(sample=slice(0, 400)), train.isel(sample=slice(-300, None))):
        report = evaluate(train, copies)
        assert report.nearest_neighbour_ratio.item() == 0
        assert report.copied_share.item() == 1
        assert report.copied_share_chance.item() < 0.01


def rounded(ds):
    """As a float32 computation gives them back."""
    random = np.random.default_rng(0)
    return ds.assign(views=ds.views * (1 + 1e-7 * random.normal(size=ds.views.shape)).astype("f4"))


@pytest.mark.parametrize("disguise", [lambda ds: ds, rounded, lambda ds: ds.chunk(sample=70)])
def test_a_few_copies_are_counted_and_others_are_not(disguise):
    train, others = dg.simulate.web(1500, seed=0), dg.simulate.web(400, seed=1)
    some = xr.concat([disguise(train.isel(sample=slice(-20, None))), others.isel(sample=slice(380))], "sample")

    none, few = evaluate(train, others), evaluate(train, some)

    assert (none.copied_share.item(), few.copied_share.item()) == (0, 0.05)
    assert few.nearest_neighbour_ratio_low.item() < 1e-6
    assert none.nearest_neighbour_ratio_low.item() == pytest.approx(
        none.nearest_neighbour_ratio_low_chance.item(), rel=0.5
    )
    assert few.nearest_neighbour_ratio.item() == pytest.approx(1, abs=0.1)


def test_copies_of_very_small_series_and_of_ragged_ones_show():
    random = np.random.default_rng(0)
    load = random.lognormal(0, 3, (700, 1)) * random.lognormal(size=(700, 12))  # linear: most are close to 0
    tiny = xr.Dataset({"load": (("sample", "time"), load)})
    jobs = dg.open_dataset("cluster").isel(sample=slice(1500))

    for ds, features in ((tiny, ["load"]), (jobs, ["cpu_rate", "memory", "assigned_memory", "length"])):
        report = evaluate(ds[features].isel(sample=slice(600)), ds[features].isel(sample=slice(500, 700)))
        assert 0.5 <= report.copied_share.item() < 0.52 + 2 * report.copied_share_chance.item()


def test_doubles_among_categories_are_no_news():
    random = np.random.default_rng(0)
    states = xr.Dataset({"state": (("sample", "time"), random.choice(["a", "b", "c"], (600, 4)))})

    report = evaluate(states.isel(sample=slice(300)), states.isel(sample=slice(300, None)))

    assert report.nearest_neighbour_ratio.item() == 1  # both medians are 0: most series have a double
    assert report.copied_share.item() == pytest.approx(report.copied_share_chance.item(), abs=0.03)
    assert report.copied_share.item() > 0.9


def test_samples_without_a_correlation_are_counted_and_count_as_a_difference():
    random = np.random.default_rng(0)
    x = random.normal(size=(200, 30))
    dims = ("sample", "time")
    real = xr.Dataset({"cpu": (dims, x), "memory": (dims, x + random.normal(size=x.shape))})
    flat = real.copy(deep=True)
    flat["memory"][2:] = 1.0

    report = evaluate(real, flat)

    two = [metrics.cross_correlation(ds.cpu, ds.memory).values for ds in (real, real.isel(sample=slice(2)))]
    expected = 0.99 + 0.01 * scipy.stats.wasserstein_distance(*two)
    assert report.cross_correlation_wasserstein.item() == pytest.approx(expected)
    assert report.cross_correlation_undefined.sel(source="generated").item() == 198
    assert "undefined in 0 real, 198 generated" in repr(report)
    assert evaluate(flat, flat).cross_correlation_wasserstein.item() == 0
    assert np.isnan(evaluate(flat[{"sample": slice(2, None)}], flat[{"sample": slice(2, None)}]).to_array()).any()


def test_series_too_short_for_a_curve_are_counted(small):
    short = small[["cpu", "length"]].copy(deep=True)
    short["length"][3:] = np.minimum(short.length[3:], 2)
    short["cpu"] = short.cpu.where(short.length > STEP)

    report = evaluate(small[["cpu", "length"]], short)

    few = [int((ds.length < 4).sum()) for ds in (small, short)]
    assert report.autocorrelation_undefined.sel(feature="cpu").values.tolist() == few
    assert f"undefined in {few[0]} real, {few[1]} generated" in repr(report)


def test_joint_attributes_of_two_real_halves_stand_beside_what_chance_gives():
    random = np.random.default_rng(0)
    labels = {f"a{k}": ("sample", random.choice(list("abcdefgh"), 1000)) for k in range(8)}
    ds = xr.Dataset({"load": (("sample", "time"), random.normal(size=(1000, 5)))} | labels)
    other = ds.copy(deep=True)
    other["a0"] = ("sample", random.choice(["a", "b"], 1000))

    halves = evaluate(*dg.split(ds))

    assert halves.joint_attribute_jensen_shannon.item() > 0.99
    assert halves.joint_attribute_jensen_shannon_chance.item() > 0.99
    assert "; by chance 1" in repr(halves)
    at = {"attribute": "a0"}
    chance = (8 - 1) * (1 / 500 + 1 / 500) / 5.5  # as the docstring of jensen_shannon has it
    assert halves.attribute_jensen_shannon_chance.sel(at).item() == pytest.approx(chance, rel=0.5)
    far = evaluate(ds, other)
    assert far.attribute_jensen_shannon.sel(at) > 20 * far.attribute_jensen_shannon_chance.sel(at)


def test_late_lags_are_said_to_make_up_what_they_do():
    train, held_out = dg.split(dg.open_dataset("web"))
    report = evaluate(train, held_out).sel(feature="views")

    square = report.autocorrelation.diff("source").squeeze() ** 2
    late = square.lag > 0.75 * 168
    assert report.autocorrelation_mse_late_share.item() == pytest.approx(float(square[late].sum() / square.sum()))
    weights = 168 - square.lag
    assert report.autocorrelation_mse_weighted.item() == pytest.approx(float(square.weighted(weights).mean()))
    assert "from late lags" in repr(report)


def test_held_out_data_give_a_column_of_their_own(small, generated):
    held_out = small_dataset(28, seed=3)
    report, plain = evaluate(small, generated, held_out), evaluate(small, generated)
    other = evaluate(small, held_out)

    with_source = [name for name, variable in plain.data_vars.items() if "source" in variable.dims]
    for name, variable in plain.data_vars.items():
        if name in with_source:
            xr.testing.assert_equal(report[name].sel(source="generated"), variable.sel(source="generated"))
            np.testing.assert_array_equal(
                report[name].sel(source="held_out"), other[name].sel(source="generated"), err_msg=name
            )
        else:
            xr.testing.assert_equal(report[name], variable)
            if not name.startswith(("nearest", "copied")):  # others are drawn
                np.testing.assert_array_equal(report[f"{name}_held_out"], other[name], err_msg=name)
    assert report.copied_share_held_out.item() == 0
    assert report.attrs["held_out_samples"] == 28
    lines = repr(report).splitlines()
    assert "two real halves" in lines[2]
    row = next(line for line in lines if line.startswith("length_wasserstein"))
    assert f"{report.length_wasserstein_held_out.item():.3g} steps" in row
    assert '<th scope="col" style="text-align:left">Two real halves</th>' in report._repr_html_()
    with pytest.raises(SchemaError, match="'cpu' is missing in the held-out"):
        evaluate(small, generated, held_out.drop_vars("cpu"))


@pytest.mark.parametrize("stored", ["float32", "other padding", "NaN with a sign"])
def test_held_out_samples_are_training_ones_however_they_are_stored(stored):
    random = np.random.default_rng(0)
    real = small_dataset(40)[["cpu", "length"]]
    past = STEP.values[: real.sizes["time"]] >= real.length.values[:, None]
    packets = (("sample", "time"), np.where(past, 0, random.integers(0, 1000, past.shape)))
    real = real.assign(cpu=real.cpu.astype("f8") + random.random(past.shape), packets=packets)

    held_out = {
        "float32": real.assign(cpu=real.cpu.astype("f4")),
        "other padding": real.assign(packets=real.packets.where(~past, -1)),
        "NaN with a sign": real.assign(cpu=real.cpu.copy(data=np.where(past, np.copysign(np.nan, -1), real.cpu))),
    }[stored]

    with pytest.raises(ConfigError, match="40 of 40 held-out samples are samples of the training data"):
        evaluate(real, real, held_out)


def test_a_constant_at_the_median_has_relative_distance_one(small):
    flat = small.copy(deep=True)
    flat["cpu"] = xr.full_like(small.cpu, float(small.cpu.median())).where(small.cpu.notnull())

    assert evaluate(small, flat).value_wasserstein_relative.sel(feature="cpu").item() == pytest.approx(1, rel=1e-5)


def test_report_is_the_same_from_dask(small, generated):
    expected = evaluate(small, generated)

    found = evaluate(small.chunk(sample=7, time=5), generated.chunk(sample=9))

    xr.testing.assert_allclose(found, expected)


def features_only(small):
    return small[["cpu", "length"]]


def full_length(small):
    return small.drop_vars(["length", "views"]).assign(cpu=small.cpu.fillna(0)).drop_vars("state")


def categories_only(small):
    return small[["state", "domain", "length"]]


def integers(small):
    return small[["length"]].assign(count=small.views.fillna(0).round().astype("i4"))


def codes(small):
    code = xr.where(small.state == "b", 7, 3).astype("i8").assign_attrs(categories=[3, 7, 9])
    return small[["length"]].assign(code=code)


@pytest.mark.parametrize("choose", [features_only, full_length, categories_only, integers, codes])
@pytest.mark.parametrize("count", [1, 40])
def test_report_takes_any_mixture_of_variables(small, choose, count):
    real = choose(small)

    report = evaluate(real, real.isel(sample=slice(count)))

    assert ("length_wasserstein" in report) == ("length" in real)
    assert ("attribute_jensen_shannon" in report) == ("domain" in real)
    assert ("value_wasserstein" in report) == (choose not in (categories_only, codes))
    assert not np.isinf(report.to_array().values.astype(float)).any()
    for shown in (repr(report), report._repr_html_()):
        assert "nan" not in shown.lower().replace("nance", "")


def test_integers_past_the_end_do_not_count(small):
    real = integers(small)
    padded = real.assign(count=real["count"].where(real.length > STEP, 10**6).astype("i4"))

    xr.testing.assert_equal(evaluate(real, padded), evaluate(real, real))


def test_codes_past_the_end_do_not_count(small):
    real = codes(small)
    padded = real.assign(code=real.code.where(real.length > STEP, 9).astype("i8").assign_attrs(real.code.attrs))
    other = real.assign(code=(10 - real.code).assign_attrs(real.code.attrs))

    report = evaluate(padded, other)

    valid = real.code.values[(real.length > STEP).transpose("sample", "time").values]
    expected = metrics.jensen_shannon(valid, 10 - valid)
    assert report.feature_jensen_shannon.item() == pytest.approx(expected)
    found = metrics.nearest_neighbours(padded, real, k=1)
    np.testing.assert_allclose(found.distance, 0)
    assert metrics.nearest_neighbours(other, real, k=1).distance.max() <= 1  # categories, not numbers: 16 apart


def test_series_too_short_for_a_correlation_are_reported_as_not_defined(small):
    short = small[["cpu", "length"]].assign(length=np.minimum(small.length, 2))
    short["cpu"] = short.cpu.where(STEP < 2)

    report = evaluate(small[["cpu", "length"]], short)

    assert np.isnan(report.autocorrelation_mse.item())
    assert "not defined" in repr(report)
    assert report.length_wasserstein.item() > 1


def test_report_reads_as_a_table_and_stays_a_dataset(small, generated, tmp_path):
    report = evaluate(small, generated)

    lines = repr(report).splitlines()
    assert lines[0] == "Report: 30 generated samples against 40 real ones"
    row = next(line for line in lines if line.startswith("mid_range_wasserstein") and "views" in line)
    assert f"{report.mid_range_wasserstein.sel(feature='views').item():.3g} views/day" in row
    assert "level of each series" in row
    assert isinstance(report, xr.Dataset)
    one = report.sel(feature="views")
    assert isinstance(one, Report)
    assert "mid_range_wasserstein" in repr(one)
    assert "level" in one._repr_html_()
    report.to_netcdf(tmp_path / "report.nc")
    stored = xr.load_dataset(tmp_path / "report.nc")
    assert repr(Report(stored.data_vars, attrs=stored.attrs)) == repr(report)


def test_large_numbers_read_with_their_thousands(small, generated):
    for ds in (small, generated):
        ds["views"] *= 1e4

    report = evaluate(small, generated)

    value = float(f"{report.value_wasserstein.sel(feature='views').item():.3g}")
    assert value > 1e5 and f"{value:,.0f} views/day" in repr(report) and "e+" not in repr(report)


def test_html_escapes_what_the_data_are_named(small):
    named = small.rename(cpu="<script>x</script>", domain="<b>")

    html = evaluate(named, named)._repr_html_()

    assert "<script>" not in html
    assert "<b>" not in html
    assert "&lt;script&gt;" in html


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda ds: ds.drop_vars("cpu"), "'cpu' is missing in the generated"),
        (lambda ds: ds.assign(extra=("sample", np.ones(30))), "'extra' is missing in the real"),
        (lambda ds: ds.assign(domain=("sample", np.arange(30.0))), "'domain' is a categorical attribute in the real"),
        (lambda ds: ds.assign(cpu=ds.cpu * np.nan), "generated data.*'cpu'"),
        (lambda ds: ds.assign(cpu=ds.cpu.mean("time")), "'cpu'"),
        (lambda ds: ds.isel(sample=slice(0)), "generated data.*sample"),
        (lambda ds: ds.views, "generated data"),
        (
            lambda ds: ds.pad(time=(0, 2)).assign(
                length=ds.length, state=ds.state.pad(time=(0, 2), constant_values="")
            ),
            "'time|`time`",
        ),
    ],
)
def test_evaluate_names_the_variable_that_differs(small, generated, change, message):
    with pytest.raises(SchemaError, match=message):
        evaluate(small, change(generated))


def of_unit(ds, unit):
    return ds.assign(views=ds.views.assign_attrs(units=unit))


@pytest.mark.parametrize("name", ["views", "size"])
def test_two_units_of_one_variable_are_refused_and_no_unit_goes_with_any(small, generated, name):
    other = generated.assign({name: generated[name].assign_attrs(units="MB")})
    unit = small[name].attrs["units"]

    with pytest.raises(
        SchemaError, match=f"'{name}' is in {unit} in the real data, in MB in the generated. Bring both"
    ):
        evaluate(small, other)
    del other[name].attrs["units"]
    evaluate(small, other)


def test_no_measure_of_two_sets_takes_bytes_for_kilobytes(small, generated):
    ours, theirs = of_unit(small, "bytes"), of_unit(generated, "kB")

    for call in (
        lambda: metrics.wasserstein(ours.views, theirs.views),
        lambda: metrics.kolmogorov_smirnov(metrics.mid_range(ours.views), metrics.mid_range(theirs.views)),
        lambda: metrics.range_coverage(ours.views, theirs.views),
        lambda: metrics.conditional_distances(ours, theirs, "domain"),
        lambda: metrics.nearest_neighbours(theirs, ours),
    ):
        with pytest.raises(SchemaError, match=r"in bytes in .*, in kB in .*Bring both to one unit"):
            call()


DAYS = pd.date_range("2024", periods=12)
OTHER_TIMES = {
    "hours": (pd.date_range("2024", periods=12, freq="h"), "step 1 comes 1 day after the first in .*, 1 hour in"),
    "numbers": (np.arange(12), "of dates in the real data, of numbers in the generated"),
    "backwards": (DAYS[::-1], r"generated data: .*'time' does not rise.*ds.sortby\('time'\)"),
    "in no order": (DAYS[np.r_[0, 2, 1, 3:12]], r"does not rise: 2024-01-02.* at step 2 .*ds.sortby\('time'\)"),
    "twice": (DAYS[np.r_[0, 0:11]], r"does not rise.*ds.drop_vars\('time'\)"),
    "text": ([f"day {k}" for k in range(12)], "of dates in the real data, of text in the generated"),
}


@pytest.mark.parametrize("case", OTHER_TIMES)
def test_times_that_go_otherwise_are_not_compared_step_by_step(small, generated, case):
    times, message = OTHER_TIMES[case]

    with pytest.raises(SchemaError, match=message):
        evaluate(small.assign_coords(time=DAYS), generated.assign_coords(time=times))


def test_numbered_steps_are_as_far_apart_in_both(small, generated):
    small = small.assign_coords(time=np.arange(12.0))

    for times in (2 * np.arange(12), np.r_[0:11, 20]):
        with pytest.raises(SchemaError, match="the steps differ"):
            evaluate(small, generated.assign_coords(time=times))
        with pytest.raises(SchemaError, match="the steps differ"):
            metrics.autocorrelation_mse(small.cpu, generated.assign_coords(time=times).cpu)


TIMES_ALIKE = {
    "another start": (DAYS, DAYS + pd.Timedelta("400D")),
    "none": (DAYS, None),
    "months of leap years and others": tuple(pd.date_range(year, periods=12, freq="MS") for year in ("2023", "2024")),
    "working days": tuple(pd.bdate_range(start, periods=12) for start in ("2024-01-01", "2024-01-04")),
    "rounded": (np.arange(12) / 10, np.cumsum(np.full(12, 0.1))),
    "text": ([*"abcdefghijkl"], [*"mnopqrstuvwx"]),
    "other precision": (DAYS.as_unit("s"), DAYS.as_unit("ns")),
    "one unknown": (DAYS, DAYS.where(np.arange(12) != 5)),
}


@pytest.mark.parametrize("case", TIMES_ALIKE)
def test_times_of_one_step_are_compared_whenever_they_begin(small, generated, case):
    ours, theirs = TIMES_ALIKE[case]
    made = generated if theirs is None else generated.assign_coords(time=theirs)

    for one, other in ((small.assign_coords(time=ours), made), (made, small.assign_coords(time=ours))):
        evaluate(one, other)


def test_held_out_data_that_hold_training_samples_are_refused():
    train, other = small_dataset(60), small_dataset(60, seed=1)

    for held_out, count in ((train, 60), (xr.concat([train, other], "sample"), 60), (train[{"sample": [3]}], 1)):
        with pytest.raises(ConfigError, match=rf"{count} of \d+ held-out samples .* take halves .* dgkit\.split"):
            evaluate(train, other, held_out)
    wider = train.assign(domain=train.domain.astype("U9"), cpu=train.cpu.astype(float))
    with pytest.raises(ConfigError, match="60 of 60"):
        evaluate(train, other, wider.chunk(sample=7))


def test_held_out_series_that_are_alike_by_nature_are_not_taken_for_training_ones():
    rng = np.random.default_rng(0)
    quiet = rng.random(400) < 0.3
    ds = xr.Dataset({"load": (("sample", "time"), np.where(quiet[:, None], 0.0, rng.random((400, 6))))})

    report = evaluate(*(ds.isel(sample=some) for some in (slice(0, 150), slice(150, 250), slice(250, None))))

    assert report.copied_share_held_out > 0.1


def test_two_series_that_are_alike_by_nature_do_not_make_halves_overlap():
    pages = dg.simulate.web(100)
    pages.views.values[:2] = 1.0
    for name in ("domain", "access", "agent"):
        pages[name].values[:2] = pages[name].values[0]
    real, held_out = pages.isel(sample=slice(0, None, 2)), pages.isel(sample=slice(1, None, 2))

    found = metrics.evaluate(real, dg.simulate.web(40, seed=3), held_out=held_out)
    assert np.isfinite(found.nearest_neighbour_ratio)
    twice = xr.concat([real.isel(sample=slice(3)), held_out.isel(sample=slice(1, 48))], "sample")
    with pytest.raises(ConfigError, match="3 of 50 held-out samples"):
        metrics.evaluate(real, held_out, held_out=twice)
