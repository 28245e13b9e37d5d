"""`evaluate`: every metric it holds against the metric by itself, the data it must take, and how it reads."""

import numpy as np
import pytest
import scipy.stats
import xarray as xr

from dgkit import metrics
from dgkit.errors import SchemaError
from dgkit.metrics import Report, evaluate

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

    perfect = {"range_coverage": 1, "distinct_modes_ratio": 1}
    for name, variable in report.data_vars.items():
        if name not in ("autocorrelation", "value_wasserstein_decades"):
            values = variable.values[~np.isnan(variable.values)]
            np.testing.assert_allclose(values, perfect.get(name, 0), atol=1e-9, err_msg=name)


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


@pytest.mark.parametrize("choose", [features_only, full_length, categories_only, integers])
@pytest.mark.parametrize("count", [1, 40])
def test_report_takes_any_mixture_of_variables(small, choose, count):
    real = choose(small)

    report = evaluate(real, real.isel(sample=slice(count)))

    assert ("length_wasserstein" in report) == ("length" in real)
    assert ("attribute_jensen_shannon" in report) == ("domain" in real)
    assert ("value_wasserstein" in report) == (choose is not categories_only)
    assert not np.isinf(report.to_array().values.astype(float)).any()
    for shown in (repr(report), report._repr_html_()):
        assert "nan" not in shown.lower().replace("nance", "")


def test_integers_past_the_end_do_not_count(small):
    real = integers(small)
    padded = real.assign(count=real["count"].where(real.length > STEP, 10**6).astype("i4"))

    xr.testing.assert_equal(evaluate(real, padded), evaluate(real, real))


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
