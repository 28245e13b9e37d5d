"""Metrics against plain loops in float64, NumPy, statsmodels and SciPy, over random lengths and odd inputs."""

import numpy as np
import pandas as pd
import pytest
import scipy.stats
import xarray as xr
from scipy.spatial.distance import jensenshannon
from statsmodels.tsa.stattools import acf

import dgkit as dg
from dgkit import metrics
from dgkit.errors import ConfigError, SchemaError
from dgkit.metrics import kernels


def series(n=30, steps=20, *, seed=0, variable=True):
    """Random walks of random lengths (3 to `steps`), NaN past the end."""
    random = np.random.default_rng(seed)
    values = random.normal(size=(n, steps)).cumsum(axis=1) + 5 * random.normal(size=(n, 1))
    if variable:
        length = random.integers(3, steps + 1, n)
        length[0] = steps
        values[np.arange(steps) >= length[:, None]] = np.nan
    return xr.DataArray(values, dims=("sample", "time"), name="load", attrs={"units": "W"})


def plain_paper(values):
    """The paper's definition, a sample and a lag at a time: list by lag of the list over samples.

    Three pairs at least where lengths vary, two where they do not.
    """
    curve = []
    fewest = 3 if np.isnan(values).any() else 2
    for lag in range(1, values.shape[1] - fewest + 1):
        found = []
        for row in values:
            row = row[~np.isnan(row)]
            if len(row) - lag < fewest:
                continue
            x, y = row[:-lag], row[lag:]
            x, y = x - x.mean(), y - y.mean()
            numerator, denominator = np.sum(x * y), np.sqrt(np.sum(x * x) * np.sum(y * y))
            r = (numerator or 1e-8) / (denominator or 1e-8)
            found.append(r if -1 <= r <= 1 else 0.0)
        curve.append(found)
    return curve


@pytest.mark.parametrize("variable", [False, True])
@pytest.mark.parametrize("steps", [3, 4, 11, 50])
def test_paper_autocorrelation_is_the_loop_over_samples_and_lags(steps, variable):
    values = series(200, steps, variable=variable)

    curve = metrics.autocorrelation(values)

    expected = [np.mean(found) for found in plain_paper(values.values)]
    np.testing.assert_allclose(curve, expected, atol=1e-10)
    assert curve.dims == ("lag",)
    assert curve.lag.values.tolist() == list(range(1, len(expected) + 1))


def test_paper_autocorrelation_survives_large_offsets_and_steps():
    values = series(40, 60, variable=False) + 1e7
    values[:, 30:] += 1e6  # the head is small beside the mean of the whole: running sums alone lose seven digits

    curve = metrics.autocorrelation(values, lags=57)

    np.testing.assert_allclose(curve, [np.mean(found) for found in plain_paper(values.values)][:57], atol=1e-6)


def test_running_sums_alone_would_lose_the_flat_part_of_a_step():
    values = 1e-4 * np.random.default_rng(0).normal(size=(20, 40))
    values[:, 20:] += 1e6

    curve = metrics.autocorrelation(values, lags=37)

    np.testing.assert_allclose(curve, [np.mean(found) for found in plain_paper(values)][:37], atol=1e-5)


def test_constant_parts_follow_the_epsilon_rule_however_their_mean_rounds():
    whole = np.full((1, 9), 0.1)
    head = np.array([[0.3, 0.3, 0.3, 0.3, 0.3, 1.0, 5.0, 2.0, 4.0]])

    assert metrics.autocorrelation(whole).values.tolist() == [1.0] * 7
    curve = metrics.autocorrelation(head, per_sample=True).values[0]
    assert curve[3:].tolist() == [1.0] * 4  # at lag 4 the first five steps are left: 1e-8 / 1e-8
    np.testing.assert_allclose(curve[:3], np.ravel(plain_paper(head)[:3]), atol=1e-12)


def test_a_perfect_correlation_counts_as_one_not_as_beyond_one():
    slopes = np.random.default_rng(0).normal(size=(500, 1)) * np.arange(40) + 7.7

    curve = metrics.autocorrelation(slopes, lags=37)

    np.testing.assert_allclose(curve, 1.0, atol=1e-9)


@pytest.mark.parametrize("variable", [False, True])
def test_standard_autocorrelation_is_that_of_statsmodels(variable):
    values = series(variable=variable)

    curves = metrics.autocorrelation(values, kind="standard", per_sample=True)

    for row, curve in zip(values.values, curves.values, strict=True):
        row = row[~np.isnan(row)]
        np.testing.assert_allclose(curve[: len(row) - 2], acf(row, nlags=len(row) - 2, fft=False)[1:], atol=1e-12)
        assert np.isnan(curve[len(row) - 2 :]).all()
    np.testing.assert_allclose(metrics.autocorrelation(values, kind="standard"), curves.mean("sample"), atol=1e-12)


@pytest.mark.parametrize("variable", [False, True])
def test_standard_autocorrelation_by_spectra_is_that_of_statsmodels_too(variable, monkeypatch):
    values = series(70, 300, variable=variable)
    values[3] = xr.where(values[3].isnull(), np.nan, 0.1)  # constant: takes no part
    values[4] *= 1e-9
    values[5] += 1e6
    rows = [row[~np.isnan(row)] for row in np.delete(values.values, 3, axis=0)]
    found = [acf(row, nlags=len(row) - 2, fft=False)[1:] for row in rows]

    few = metrics.autocorrelation(values, kind="standard", lags=20)  # by products
    monkeypatch.setattr(kernels, "SPECTRA_FROM", 0)
    curve = metrics.autocorrelation(values, kind="standard", lags=290)

    for lag in curve.lag.values:
        those = [one[lag - 1] for one in found if len(one) >= lag]
        assert curve.series.sel(lag=lag) == len(those)
        np.testing.assert_allclose(curve.sel(lag=lag), np.mean(those) if those else np.nan, atol=1e-9)
    np.testing.assert_allclose(few, curve[:20], atol=1e-10)
    np.testing.assert_allclose(few.pairs, curve.pairs[:20])
    each = metrics.autocorrelation(values, kind="standard", lags=290, per_sample=True)
    np.testing.assert_allclose(each.mean("sample"), curve, atol=1e-10)


def test_the_two_definitions_differ():
    values = series(variable=False)

    paper, standard = (metrics.autocorrelation(values, kind=kind) for kind in ("paper", "standard"))

    assert abs(paper - standard).max() > 0.1
    assert (paper.kind, standard.kind) == ("paper", "standard")


def test_standard_autocorrelation_leaves_constant_series_out():
    values = series(5, variable=False)
    with_constant = xr.concat([values, xr.full_like(values, 0.1)], "sample")

    curves = (metrics.autocorrelation(each, kind="standard") for each in (with_constant, values))
    np.testing.assert_allclose(*curves, atol=1e-14)
    with pytest.raises(SchemaError, match="constant"):
        metrics.autocorrelation(with_constant[5:], kind="standard")


@pytest.mark.parametrize("kind", ["paper", "standard"])
@pytest.mark.parametrize("dtype", ["f4", "f8", "i4"])
def test_chunks_and_dtypes_and_threads_do_not_change_the_curve(kind, dtype, monkeypatch):
    values = (10 * series(300, 25, variable=dtype != "i4")).round().astype(dtype)
    whole = metrics.autocorrelation(values, kind=kind)

    chunked = metrics.autocorrelation(values.chunk(sample=70, time=10), kind=kind)
    each = metrics.autocorrelation(values.chunk(sample=70), kind=kind, per_sample=True)
    monkeypatch.setattr(kernels, "THREADS", 1)
    alone = metrics.autocorrelation(values.astype("f8").transpose("time", "sample"), kind=kind)

    assert each.chunks is not None
    for other in (chunked, each.mean("sample")[: whole.size], alone):
        np.testing.assert_allclose(other, whole, atol=1e-12)


def test_autocorrelation_takes_one_series_and_stops_where_none_has_three_pairs():
    values = np.append(np.random.default_rng(0).normal(size=8), [np.nan] * 5)

    assert metrics.autocorrelation(values).sizes == {"lag": 5}
    assert metrics.autocorrelation(values[:8]).sizes == {"lag": 6}  # of full length: two pairs, as the original
    assert metrics.autocorrelation(values, lags=2).sizes == {"lag": 2}
    assert np.isnan(metrics.autocorrelation(values, lags=9)[5:]).all()


def ragged(make, steps, n=200):
    """Series of all lengths from 1 to `steps`, a tenth of them of full length."""
    random = np.random.default_rng(4)
    length = np.where(np.arange(n) < n // 10, steps, random.integers(1, steps + 1, n))
    values = np.where(np.arange(steps) < length[:, None], make(random, (n, steps)), np.nan)
    return xr.DataArray(values, dims=("sample", "time"))


UNITS = {
    "walks": lambda random, shape: random.normal(size=shape).cumsum(1) + 100,
    "events": lambda random, shape: random.integers(0, 2, shape).astype(float),
    "counts": lambda random, shape: random.integers(0, 4, shape).astype(float),
    "decades": lambda random, shape: random.lognormal(0, 2, shape),
    "flat, then a step": lambda random, shape: np.where(
        np.arange(shape[1]) < shape[1] // 2, 1e-4 * random.normal(size=shape), 1e4
    ),
}


@pytest.mark.parametrize("make", UNITS.values(), ids=UNITS)
@pytest.mark.parametrize("steps", [4, 5, 60])
def test_the_curve_of_series_of_unequal_length_is_the_same_in_any_unit(make, steps):
    values = ragged(make, steps)

    for kind in ("paper", "standard"):
        for each in (False, True):
            curve = metrics.autocorrelation(values, kind=kind, per_sample=each)
            for unit in (1 / 3, 1e-6, 1e6, -0.1):
                other = metrics.autocorrelation(values * unit, kind=kind, per_sample=each)
                np.testing.assert_allclose(other, curve, atol=1e-9, rtol=0)
    lazily = metrics.autocorrelation((values / 3).chunk(sample=33))
    np.testing.assert_allclose(lazily, metrics.autocorrelation(values), atol=1e-9, rtol=0)


def test_the_curve_of_shipped_jobs_is_the_same_in_any_unit():  # shared/cases/core_autocorrelation_by_unit.py
    rates = dg.open_dataset("cluster").cpu_rate

    curve = metrics.autocorrelation(rates.astype("f8"))

    for unit in (1 / 3, 1e-6, 1e6):
        np.testing.assert_allclose(metrics.autocorrelation(rates.astype("f8") * unit), curve, atol=1e-9, rtol=0)
        single = metrics.autocorrelation(rates * np.float32(unit))  # whose values themselves are rounded
        np.testing.assert_allclose(single, curve, atol=1e-5, rtol=0)
    assert curve.sizes["lag"] == 57  # three pairs of the jobs of 60 steps; with two, r is 1 or -1


@pytest.mark.parametrize("make", UNITS.values(), ids=UNITS)
@pytest.mark.parametrize("steps", [4, 5, 20, 60])
def test_the_curves_of_full_length_series_are_the_same_in_any_unit_but_for_the_last_lag(make, steps):
    values = make(np.random.default_rng(4), (200, steps))

    for kind in ("paper", "standard"):
        curves = metrics.autocorrelation(values, kind=kind, per_sample=True)[:, : steps - 3]
        for unit in (1 / 3, 1e-2, 1e-4, 1e-6, 1e6, -0.1):
            other = metrics.autocorrelation(values * unit, kind=kind, per_sample=True)[:, : steps - 3]
            np.testing.assert_allclose(other, curves, atol=1e-9, rtol=0)


def test_whole_numbers_whose_product_sums_to_zero_have_no_correlation_in_any_unit():
    values = np.random.default_rng(0).integers(0, 2, (300, 20))

    curves = metrics.autocorrelation(values * 1e-4, per_sample=True)

    none = 0
    for row, curve in zip(values, curves.values, strict=True):
        for lag in range(1, 18):
            x, y = row[:-lag], row[lag:]
            exact = len(x) * int(x @ y) - int(x.sum()) * int(y.sum())  # n^2 times the covariance, in whole numbers
            if exact == 0 and x.min() < x.max() and y.min() < y.max():
                none += 1
                assert abs(curve[lag - 1]) < 1e-12  # not 1e-8 / 1e-8, which the original's code would put here
    assert none > 100


def test_full_length_series_keep_the_originals_last_lag():
    x = np.array([[3.0, 1.0, 4.0, 1.0, 5.0], [1.0, -1.0, 0.0, 1.0, 1.0]])

    curves = metrics.autocorrelation(x, per_sample=True).values

    found = plain_paper(x)
    assert curves[:, 2].tolist() == pytest.approx(found[2])
    assert set(np.abs(curves[:, 2])) <= {0.0, 1.0}


@pytest.mark.parametrize("kind", ["paper", "standard"])
@pytest.mark.parametrize("n", [1, 5, 20])
def test_few_long_series_and_one_far_longer_have_the_curves_they_have_alone(n, kind):
    values = series(n, 700, variable=False)
    values[:, 690:] = np.nan
    values[1 + n // 2 :, 90:] = np.nan

    curves = metrics.autocorrelation(values, kind=kind, per_sample=True)

    for row, curve in zip(values.values, curves.values, strict=True):
        row = row[~np.isnan(row)]
        if kind == "paper":
            expected = np.concatenate(plain_paper(np.append(row, np.nan)[None]))
        else:
            expected = acf(row, nlags=len(row) - 2, fft=False)[1:]
        np.testing.assert_allclose(curve[: len(expected)], expected, atol=1e-10)
        assert np.isnan(curve[len(expected) :]).all()


def test_pairs_are_the_share_of_all_steps_that_a_lag_leaves():
    full, varying = series(variable=False), series()

    np.testing.assert_allclose(metrics.autocorrelation(full).pairs, 1 - np.arange(1, 19) / 20)
    lengths = np.isfinite(varying.values).sum(1)
    expected = [sum(n - lag for n in lengths if n - lag >= 3) / lengths.sum() for lag in range(1, 18)]
    np.testing.assert_allclose(metrics.autocorrelation(varying.chunk(sample=7)).pairs, expected)


def test_autocorrelation_mse_is_the_plain_mean_square_over_shared_lags_for_full_lengths():
    real, generated = series(seed=1, variable=False), series(seed=2, variable=False).isel(time=slice(15))

    a, b = ([np.mean(found) for found in plain_paper(x.values)][:13] for x in (real, generated))
    assert metrics.autocorrelation_mse(real, generated) == pytest.approx(np.mean(np.subtract(a, b) ** 2))
    assert metrics.autocorrelation_mse(real, real) == 0


def test_autocorrelation_mse_counts_a_lag_by_the_share_of_series_that_reach_it():
    real, generated = series(seed=1), series(50, seed=2)

    found = [plain_paper(x.values) for x in (real, generated)]
    total = weight = 0.0
    for ours, theirs in zip(*found, strict=True):
        share = min(len(ours) / len(found[0][0]), len(theirs) / len(found[1][0]))
        total += share * (np.mean(ours) - np.mean(theirs)) ** 2
        weight += share
    assert metrics.autocorrelation_mse(real, generated) == pytest.approx(total / weight)
    assert metrics.autocorrelation(real).series.values.tolist() == [len(ours) for ours in found[0]]


def test_the_weighted_mse_counts_a_lag_by_its_pairs():
    real, generated = series(seed=1, variable=False), series(seed=2, variable=False)

    a, b = ([np.mean(found) for found in plain_paper(x.values)] for x in (real, generated))
    expected = np.average(np.subtract(a, b) ** 2, weights=20 - np.arange(1, 19))
    assert metrics.autocorrelation_mse(real, generated, weighted=True) == pytest.approx(expected)
    assert metrics.autocorrelation_mse(real, real, weighted=True) == 0


@pytest.mark.parametrize(
    ("values", "options", "error", "message"),
    [
        (np.full((3, 9), np.nan), {}, SchemaError, "fewer than 4 valid"),
        (np.ones((3, 2)), {}, SchemaError, "at least 3"),
        (np.ones((0, 9)), {}, SchemaError, "empty"),
        (np.array([[1, np.nan, 2, 3]]), {}, SchemaError, "NaN before"),
        (np.array([[1, 2, np.inf, 3]]), {}, SchemaError, "infinite"),
        (np.array([["a", "b", "c"]]), {}, SchemaError, "not numbers"),
        (xr.DataArray(np.ones((3, 9)), dims=("home", "time"), name="load"), {}, SchemaError, "'load' has dims"),
        (np.ones((3, 9)), {"kind": "acf"}, ConfigError, "kind"),
        (np.ones((3, 9)), {"lags": 8}, ConfigError, "lags"),
        (np.ones((3, 9)), {"lags": 2.5}, ConfigError, "lags is 2.5.* whole number"),
        (np.ones((3, 9)), {"lags": "3"}, ConfigError, "lags"),
        (np.ones((3, 9)), {"lags": True}, ConfigError, "lags"),
    ],
)
def test_autocorrelation_names_what_it_cannot_take(values, options, error, message):
    with pytest.raises(error, match=message):
        metrics.autocorrelation(values, **options)


def pairs():
    random = np.random.default_rng(3)
    yield random.normal(size=50), random.normal(1, 2, size=50)
    yield random.normal(size=7), random.lognormal(size=1000).astype("f4")
    yield random.integers(0, 4, 300), random.integers(1, 6, 41)  # ties
    yield np.zeros(3), np.zeros(5)
    yield np.array([2.0]), np.array([5.0])


@pytest.mark.parametrize(("a", "b"), list(pairs()))
def test_wasserstein_and_kolmogorov_smirnov_are_those_of_scipy(a, b):
    assert metrics.wasserstein(a, b) == pytest.approx(scipy.stats.wasserstein_distance(a, b), abs=1e-12)
    assert metrics.wasserstein(b, a) == pytest.approx(metrics.wasserstein(a, b), abs=1e-12)
    assert metrics.kolmogorov_smirnov(a, b) == pytest.approx(scipy.stats.ks_2samp(a, b).statistic, abs=1e-12)


@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_radix_sort_is_the_sort_of_numpy(dtype):
    random = np.random.default_rng(0)
    values = np.concatenate(
        [random.normal(size=1000), random.lognormal(0, 20, 1000), [0.0, -0.0, 1, 1, -1e-40]]
    ).astype(dtype)
    keys = values.view("i" + dtype[1]).copy()

    ordered = kernels.radix_sort(keys, np.empty_like(keys)).view(dtype)

    np.testing.assert_array_equal(ordered, np.sort(values))


def test_wasserstein_of_a_million_values_is_that_of_scipy():
    random = np.random.default_rng(0)
    a, b = random.normal(size=1_000_000), random.normal(0.5, 2, size=600_000)

    assert metrics.wasserstein(a, b) == pytest.approx(scipy.stats.wasserstein_distance(a, b), rel=1e-10)


def test_log_wasserstein_counts_decades_and_puts_zeros_at_the_smallest_positive_real_value():
    a, b = np.random.default_rng(0).lognormal(size=(2, 400))

    assert metrics.wasserstein(a, 10 * a, scale="log") == pytest.approx(1)
    assert metrics.wasserstein(a, b, scale="log") == pytest.approx(
        scipy.stats.wasserstein_distance(np.log10(a), np.log10(b))
    )
    assert metrics.wasserstein([0, 1, 100], [0, 1, 10], scale="log") == pytest.approx(1 / 3)
    assert metrics.wasserstein([0, 1, 100], [1, 1e-9, 100], scale="log") == 0
    with pytest.raises(SchemaError, match="positive"):
        metrics.wasserstein([0.0, 0.0], [1.0, 2.0], scale="log")


def test_flat_metrics_ignore_nan_and_read_dask(monkeypatch):
    a, b = series(seed=1), series(seed=2)
    flat_a, flat_b = (x.values[~np.isnan(x.values)] for x in (a, b))

    expected = scipy.stats.wasserstein_distance(flat_a, flat_b)
    assert metrics.wasserstein(a, b) == pytest.approx(expected)
    assert metrics.wasserstein(a.chunk(sample=7), b.chunk(time=7)) == pytest.approx(expected)

    monkeypatch.setattr("dgkit.metrics.inputs.MOST_VALUES", 200)  # as for an array larger than memory: draws samples
    drawn = metrics.ecdf(a.chunk(sample=7)).value.values
    assert 0 < drawn.size <= 200
    assert np.isin(drawn, flat_a).all()


def test_flat_metrics_name_what_they_cannot_take():
    good = series()

    for bad, message in (
        ([], "no valid value"),
        (np.full(4, np.nan), "no valid value"),
        ([1.0, np.inf], "infinite"),
        ([1.0, -np.inf], "infinite"),
        (["a"], "not numbers"),
        (good.isel(time=0), "not the same kind"),
    ):
        with pytest.raises(SchemaError, match=message):
            metrics.wasserstein(good, bad)
    with pytest.raises(ConfigError, match="scale"):
        metrics.wasserstein(good, good, scale="ln")


def test_ecdf_is_the_share_at_or_below():
    values = np.random.default_rng(0).integers(0, 9, 200).astype(float)

    curve = metrics.ecdf(xr.DataArray(values, dims="sample", attrs={"units": "W"}))

    expected = [np.mean(values <= value) for value in curve.value.values]
    np.testing.assert_allclose(curve, expected)
    assert curve.value.units == "W"
    thinned = metrics.ecdf(np.arange(10_000), points=50)
    assert thinned.size == 50
    assert thinned.values[-1] == 1
    np.testing.assert_allclose(thinned, (thinned.value + 1) / 10_000)


def test_jensen_shannon_is_the_square_of_scipys_in_bits():
    random = np.random.default_rng(0)
    a = random.choice(["de", "en", "fr"], 300, p=[0.5, 0.4, 0.1])
    b = random.choice(["de", "en", "zh"], 200)

    names = ["de", "en", "fr", "zh"]
    p, q = ([np.mean(labels == name) for name in names] for labels in (a, b))
    expected = jensenshannon(p, q, base=2) ** 2
    assert metrics.jensen_shannon(a, b) == pytest.approx(expected)
    assert metrics.jensen_shannon(np.append(a, [""] * 50), b) == pytest.approx(expected)
    assert metrics.jensen_shannon(xr.DataArray(a, dims="sample").chunk(sample=50), b) == pytest.approx(expected)
    assert metrics.jensen_shannon(a, a) == 0
    assert metrics.jensen_shannon(a == "de", b == "de") < expected
    with pytest.raises(SchemaError, match="floats"):
        metrics.jensen_shannon([0.5], [0.5])
    with pytest.raises(SchemaError, match="no category"):
        metrics.jensen_shannon([""], a)


@pytest.mark.filterwarnings("error")
def test_mid_and_half_range_are_over_the_valid_steps():
    values = series()

    for found in (values, values.chunk(sample=7, time=5)):
        mid, half = metrics.mid_range(found), metrics.half_range(found)
        for row, middle, half_width in zip(values.values, mid.values, half.values, strict=True):
            row = row[~np.isnan(row)]
            assert middle == pytest.approx((max(row) + min(row)) / 2)
            assert half_width == pytest.approx((max(row) - min(row)) / 2)
        assert mid.units == "W"


def test_range_coverage_is_the_overlap_of_the_ranges():
    real = np.array([0.0, 10.0])

    assert metrics.range_coverage(real, [-5.0, 4.0], tail=0) == pytest.approx(0.4)
    assert metrics.range_coverage(real, [-5.0, 15.0], tail=0) == 1
    assert metrics.range_coverage(real, [11.0, 15.0], tail=0) == 0
    assert metrics.range_coverage([1.0, 1000.0], [1.0, 10.0], tail=0, scale="log") == pytest.approx(1 / 3)
    assert metrics.range_coverage([3.0, 3.0], [2.0, 4.0]) == 1
    many = np.linspace(0, 1, 1001)
    assert metrics.range_coverage(many, np.append(many / 2, 99)) == pytest.approx(
        0.5, abs=0.01
    )  # an outlier does not cover


def test_distinct_modes_fall_with_mode_collapse_and_ignore_the_unit():
    random = np.random.default_rng(0)
    level = 10 ** random.uniform(0, 4, (800, 1))
    real = level * (2 + random.uniform(0.1, 1, (800, 1)) * np.sin(np.arange(30)))
    again, collapsed = real[::-1], np.repeat(real[:4], 200, axis=0)

    assert metrics.distinct_modes(real, again).values.tolist() == [metrics.distinct_modes(real, real).values[0]] * 2
    assert metrics.distinct_modes(real, collapsed).values[1] <= 4
    assert metrics.distinct_modes(real, real).values[0] > 20
    np.testing.assert_array_equal(
        metrics.distinct_modes(real, collapsed), metrics.distinct_modes(1000 * real, 1000 * collapsed)
    )


def test_cross_correlation_is_numpys_corrcoef_of_each_sample():
    x, y = series(80, seed=1), series(80, seed=2)
    x[3] = 0.1  # constant

    found = metrics.cross_correlation(x, y)

    for i in range(80):
        valid = ~np.isnan(x.values[i]) & ~np.isnan(y.values[i])
        if i == 3:
            assert np.isnan(found[i])
        else:
            assert found[i].item() == pytest.approx(np.corrcoef(x.values[i][valid], y.values[i][valid])[0, 1])
    np.testing.assert_array_equal(metrics.cross_correlation(x.chunk(sample=30), y.chunk(time=5)), found)
    with pytest.raises(SchemaError, match="shape"):
        metrics.cross_correlation(x, y[:4])


def test_length_histogram_counts_valid_steps():
    values = series()
    lengths = values.notnull().sum("time")

    for data in (values, xr.Dataset({"load": values, "length": lengths.astype("i8")})):
        histogram = metrics.length_histogram(data)
        assert histogram.sum() == 30
        assert histogram.sizes["length"] == 20
        assert all(histogram.sel(length=k) == np.count_nonzero(lengths == k) for k in range(1, 21))
    assert metrics.length_histogram(xr.Dataset({"load": values.fillna(0)})).sel(length=20) == 30


def test_nearest_neighbours_are_those_of_the_plain_loop():
    generated, real = series(9, seed=1), series(50, seed=2)
    flat = real.values[~np.isnan(real.values)]

    found = metrics.nearest_neighbours(generated, real, k=4, block=8)

    for i, ours in enumerate(generated.values):
        errors = []
        for theirs in real.values:
            steps = max(np.count_nonzero(~np.isnan(row)) for row in (ours, theirs))
            scaled = [np.nan_to_num((row - flat.mean()) / flat.std())[:steps] for row in (ours, theirs)]
            errors.append(np.mean((scaled[0] - scaled[1]) ** 2))
        order = np.argsort(errors)[:4]
        assert found["index"].values[i].tolist() == order.tolist()
        np.testing.assert_allclose(found.distance[i], np.array(errors)[order])


def test_nearest_neighbours_of_mixed_features_find_the_copy(small):
    copies = small.isel(sample=[7, 3])

    for real in (small, small.chunk(sample=11)):
        found = metrics.nearest_neighbours(copies, real, k=1)
        assert found["index"].values.ravel().tolist() == [7, 3]
        np.testing.assert_allclose(found.distance, 0, atol=1e-12)
    others = metrics.nearest_neighbours(small, small, k=1, exclude_self=True)
    assert (others["index"].values[:, 0] != np.arange(small.sizes["sample"])).all()
    with pytest.raises(ConfigError, match="k is 99"):
        metrics.nearest_neighbours(small, small, k=99)
    with pytest.raises(SchemaError, match="cpu"):
        metrics.nearest_neighbours(small.drop_vars("cpu"), small)


def test_neighbours_are_the_same_however_they_are_blocked_and_far_from_zero():
    random = np.random.default_rng(0)
    real = random.normal(size=(300, 9))
    real[:5] *= 1e6  # so large that |a|² + |b|² - 2ab alone knows no distance between them
    real[5] = real[4] * (1 + 1e-9)
    generated = real[[299, 4, 120]]

    for block in (7, 64, 2048):
        found = metrics.nearest_neighbours(generated, real, k=2, block=block)
        assert found["index"].values[:, 0].tolist() == [299, 4, 120]
        assert found.distance.values[:, 0].tolist() == [0, 0, 0]
        assert found["index"].values[1, 1] == 5
        scale = real.std()
        expected = np.mean(((real[4] - real[5]) / scale) ** 2)
        np.testing.assert_allclose(found.distance.values[1, 1], expected, rtol=1e-5)


def test_neighbours_are_measured_on_the_scale_of_another_set():
    random = np.random.default_rng(0)
    some, others = random.normal(size=(3, 9)), random.normal(size=(50, 9))

    found = metrics.nearest_neighbours(some, others, k=50, scaled_by=10 * others)

    plain = metrics.nearest_neighbours(some, others, k=50)
    np.testing.assert_array_equal(found["index"], plain["index"])
    np.testing.assert_allclose(100 * found.distance, plain.distance)


def test_neighbours_are_the_same_however_many_distances_are_computed_at_once(small, monkeypatch):
    found = metrics.nearest_neighbours(small, small, k=3)

    monkeypatch.setattr(metrics.distributions, "AT_ONCE", 50)

    again = metrics.nearest_neighbours(small, small, k=3)
    np.testing.assert_allclose(again.distance, found.distance, rtol=1e-12)
    np.testing.assert_array_equal(again["index"][:, 0], np.arange(small.sizes["sample"]))


@pytest.mark.parametrize(("dtype", "unit"), [(np.float64, 2.0**1019), (np.float32, 2.0**123)])
def test_totals_that_no_float_holds_are_compared(dtype, unit):
    small = xr.DataArray(np.linspace(1, 10, 80).reshape(4, 20), dims=("sample", "time"))
    tables = [xr.Dataset({"bytes": values, "isp": ("sample", list("aabb"))}) for values in (small, small * 0.99)]
    huge = [table.assign(bytes=(table.bytes * unit).astype(dtype)) for table in tables]

    for scale, factor in (("linear", unit), ("log", 1.0)):
        asked = {"statistic": "total", "scale": scale}
        found = metrics.conditional_distances(*huge, "isp", **asked).distance
        expected = metrics.conditional_distances(*tables, "isp", **asked).distance
        np.testing.assert_allclose(found / factor, expected, rtol=1e-4)


def padded(fill):
    random = np.random.default_rng(0)
    length = random.integers(5, 21, 60)
    values = random.integers(1003, 1999, (60, 20))
    valid = np.arange(20) < length[:, None]
    ds = xr.Dataset({"packets": (("sample", "time"), np.where(valid, values, fill)), "length": ("sample", length)})
    return ds, xr.DataArray(np.where(valid, values, np.nan), dims=("sample", "time"))


@pytest.mark.parametrize("fill", [0, -1, 1200])
def test_integers_count_to_the_length_that_comes_with_them(fill):
    ds, floats = padded(fill)

    counts = ds.set_coords("length").packets

    np.testing.assert_array_equal(metrics.mid_range(counts), metrics.mid_range(floats))
    np.testing.assert_array_equal(metrics.half_range(counts.chunk(sample=7)), metrics.half_range(floats))
    np.testing.assert_array_equal(metrics.autocorrelation(counts), metrics.autocorrelation(floats))
    np.testing.assert_array_equal(metrics.length_histogram(counts), metrics.length_histogram(floats))
    np.testing.assert_array_equal(metrics.cross_correlation(counts, counts + 1), np.ones(60))
    assert metrics.wasserstein(counts, floats) == 0
    assert metrics.ecdf(counts).value.min() == np.nanmin(floats)
    codes = counts.assign_attrs(categories=[*range(1003, 1999), fill])
    assert metrics.jensen_shannon(codes, floats.values[~np.isnan(floats.values)].astype(int)) == 0


@pytest.mark.parametrize("fill", [0, -1])
def test_integers_that_look_padded_are_refused_not_taken_for_data(fill):  # shared/cases/core_padding_of_integers.py
    ds, _ = padded(fill)

    for metric in (metrics.mid_range, metrics.autocorrelation, metrics.length_histogram, metrics.ecdf):
        with pytest.raises(SchemaError, match=rf"end in a run of {fill}.*set_coords"):
            metric(ds.packets)
        metric(ds.packets.astype(float))  # the user knows better
        metric(np.random.default_rng(0).integers(0, 9, (60, 20)))  # of full length


@pytest.mark.parametrize("statistic", ["value", "total", "mid_range", "half_range"])
def test_conditional_distances_are_those_of_the_subsets(small, statistic):
    generated = small.isel(sample=slice(0, 30))
    generated = generated.assign(domain=generated.domain.where(generated.domain != "fr", "de").astype("U2"))

    found = metrics.conditional_distances(small, generated, "domain", statistic=statistic)

    reduce = {
        "value": lambda x: x,
        "total": lambda x: x.sum("time"),
        "mid_range": lambda x: (x.max("time") + x.min("time")) / 2,
        "half_range": lambda x: (x.max("time") - x.min("time")) / 2,
    }[statistic]
    for value in ("de", "en"):
        both = [reduce(ds.views.sel(sample=ds.domain == value)).values.ravel() for ds in (small, generated)]
        expected = scipy.stats.wasserstein_distance(*(x[~np.isnan(x)] for x in both))
        assert found.distance.sel(value=value, feature="views").item() == pytest.approx(expected)
    assert np.isnan(found.distance.sel(value="fr")).all()
    assert found["count"].sel(value="fr").values.tolist() == [13, 0]
    for attribute, message in (("size", "pandas.cut"), ("colour", "no attribute 'colour'")):
        with pytest.raises(SchemaError, match=message):
            metrics.conditional_distances(small, generated, attribute)


def test_a_numeric_attribute_is_cut_as_its_error_says(small):
    sets = small, small.assign(size=small["size"] + 0.05)
    with pytest.raises(SchemaError) as error:
        metrics.conditional_distances(*sets, "size")
    edges, _, cut = str(error.value).partition("edges = ")[2].partition(", then for each of them ds = ")
    names = {"np": np, "pandas": pd, "real": small}
    names["edges"] = eval(edges, names)

    found = metrics.conditional_distances(*(eval(cut, names | {"ds": ds}) for ds in sets), "size")

    assert found.sizes["value"] == 4
    assert np.isfinite(found.distance).all()


# --- any unit, from 1e-300 to 1e300 -----------------------------------------------------------------------------------

MEASURES = {
    "autocorrelation": lambda a, b: metrics.autocorrelation(a, per_sample=True),
    "autocorrelation_mean": lambda a, b: metrics.autocorrelation(a, lags=9),
    "autocorrelation_standard": lambda a, b: metrics.autocorrelation(a, kind="standard"),
    "autocorrelation_mse": lambda a, b: metrics.autocorrelation_mse(a, b, weighted=True),
    "wasserstein": lambda a, b: metrics.wasserstein(a, b) / metrics.half_range(a[:1]).item(),
    "wasserstein_of_as_many": lambda a, b: metrics.wasserstein(a[:9], b[:9]) / metrics.half_range(a[:1]).item(),
    "kolmogorov_smirnov": metrics.kolmogorov_smirnov,
    "range_coverage": metrics.range_coverage,
    "distinct_modes": metrics.distinct_modes,
    "cross_correlation": lambda a, b: metrics.cross_correlation(a, abs(a)),
    "nearest_neighbours": lambda a, b: metrics.nearest_neighbours(b, a).to_dataarray(),
}


@pytest.mark.parametrize("form", ["full", "short"])
@pytest.mark.parametrize("name", MEASURES)
def test_no_measure_depends_on_the_unit_by_one_bit(name, form):
    random = np.random.default_rng(0)
    a, b = (xr.DataArray(random.normal(size=(n, 24)).cumsum(1), dims=("sample", "time")) for n in (40, 30))
    if form == "short":
        a, b = (one.where((one.sample % 2 == 0) | (one.time < 17)) for one in (a, b))

    plain = np.asarray(MEASURES[name](a, b))
    for power in (-996, -500, -266, -40, 40, 266, 500, 996):
        np.testing.assert_array_equal(MEASURES[name](a * 2.0**power, b * 2.0**power), plain)


def test_series_of_far_sizes_side_by_side_keep_their_autocorrelations():
    random = np.random.default_rng(0)
    series = random.normal(size=(40, 24)).cumsum(1)
    far = series * 2.0 ** np.linspace(-996, 996, 40).round()[:, None]

    for kind in ("paper", "standard"):
        curves = [metrics.autocorrelation(one, kind=kind, per_sample=True) for one in (series, far)]
        xr.testing.assert_identical(*curves)


def test_evaluate_gives_the_same_numbers_in_any_unit():
    random = np.random.default_rng(0)
    sets = [
        xr.Dataset({name: (("sample", "time"), random.normal(size=(n, 12)).cumsum(1)) for name in "xy"})
        for n in (40, 30)
    ]

    plain = metrics.evaluate(*sets)
    for power in (-990, 266, 990):
        found = metrics.evaluate(*(ds * 2.0**power for ds in sets))
        for name in plain.data_vars:
            unit = 2.0**power if name.endswith("_range_wasserstein") or name == "value_wasserstein" else 1.0
            np.testing.assert_array_equal(found[name], plain[name] * unit, err_msg=name)


def test_infinite_real_values_have_no_neighbours_and_are_refused():
    series = np.array([[1.0, np.inf], [2.0, 3.0]])

    with pytest.raises(SchemaError, match="holds infinite values"), np.errstate(invalid="ignore"):
        metrics.nearest_neighbours(series[1:], series, k=1)


# ---- what goes in: masks, codes, units, precision

ON = ("sample", "time")


@pytest.mark.parametrize("kind", ["number", "integer", "text"])
def test_what_is_masked_is_missing(kind):
    values = {"number": [[1.0, 2.0, -9999.0]], "integer": [[1, 2, -9999]], "text": [["a", "b", "-"]]}[kind]
    masked = np.ma.masked_array(values, [[False, False, True]])

    if kind == "text":
        assert metrics.jensen_shannon(masked, np.array(["a", "b"])) == 0
    else:
        assert metrics.wasserstein(masked, [1.0, 2.0]) == 0 and metrics.mid_range(masked).item() == 1.5


def test_what_one_set_has_in_float32_is_the_same_number_in_the_other():
    short, long = np.array([0.1, 0.2, 0.3] * 5, np.float32), np.array([0.1, 0.2, 0.3] * 5)

    assert metrics.kolmogorov_smirnov(short, long) == metrics.wasserstein(short, long) == 0
    assert metrics.range_coverage(short[:1], long[:1]) == 1
    assert metrics.wasserstein(short, long * 1e300) > 1e298  # which float32 does not hold
    seconds = 1.7e9 + np.arange(60)  # nor these, of which it makes one number
    assert metrics.wasserstein(seconds, np.full(9, 1.7e9, np.float32)) == pytest.approx(29.5)
    constant = xr.Dataset({"x": (ON, np.full((20, 5), 0.1))})
    report = metrics.evaluate(constant.astype(np.float32), constant)
    assert report.value_wasserstein_relative.item() == 0 and report.range_coverage.item() == 1


def test_a_category_that_one_set_lacks_counts_one_to_any_other():
    def text(*rows):
        return xr.Dataset({"s": (ON, [list(row) for row in rows])})

    def distance(a, b, **options):
        return metrics.nearest_neighbours(a, b, k=1, **options).distance[0].item()

    assert distance(text("zz"), text("xy", "xx")) == pytest.approx(1)
    assert distance(text("zz"), text("qq"), scaled_by=text("xy")) == pytest.approx(1)
    assert distance(text("zq"), text("zz"), scaled_by=text("xy")) == pytest.approx(0.5)
    real, held_out, made = (
        xr.Dataset({"s": (ON, np.random.default_rng(k).choice(list(letters), (60, 20)))})
        for k, letters in enumerate(("abcdefghijkl", "abcdefghijkl", "mnopqrstuvwx"))
    )
    report = metrics.evaluate(real, made, held_out)
    assert float(report.nearest_neighbour_ratio) > 1.1 > float(report.nearest_neighbour_ratio_held_out)


@pytest.mark.parametrize("unit", [1.0, 1e6])
def test_a_constant_feature_is_the_unit_of_what_differs_from_it_whatever_rounding_makes_of_its_mean(unit):
    def with_constant(seed, constant, noise, n):
        random = np.random.default_rng(seed)
        x, y = random.normal(size=(n, 10)), constant + noise * random.normal(size=(n, 10))
        return xr.Dataset({"x": (ON, x), "y": (ON, unit * y)})

    ratios = [
        float(metrics.evaluate(with_constant(0, c, 0, n), with_constant(1, c, 1e-6 * c, n)).nearest_neighbour_ratio)
        for c, n in ((0.1, 60), (0.1, 63), (0.5, 63))
    ]
    assert max(ratios) < 1.2
    for log in (60, 63, 71):  # zeros and one other value, which is their floor
        sets = (with_constant(seed, 0, 0, log) for seed in (0, 1))
        zeros, made = (ds.assign(y=(ON, np.random.default_rng(2).choice([0.0, 3.0], ds.y.shape))) for ds in sets)
        for ds in (zeros, made):
            ds.y.attrs["scale"] = "log"
        made["y"] = made.y * (1 + 1e-6 * made.x)
        assert float(metrics.evaluate(zeros, made).nearest_neighbour_ratio) < 1.3
    far = metrics.evaluate(with_constant(0, 5, 0, 60), with_constant(1, 5, 5, 60))
    assert 1.5 < float(far.nearest_neighbour_ratio) < 4


def test_codes_listed_as_floats_are_the_same_codes():
    def coded(seed, categories):
        values = np.random.default_rng(seed).integers(0, 3, (60, 20))
        return xr.Dataset({"code": (ON, values, {"categories": categories})})

    assert dg.schema.validate(coded(0, [0.0, 1.0, 2.0])).features[0].categories == (0, 1, 2)
    assert float(metrics.evaluate(coded(0, [0.0, 1.0, 2.0]), coded(1, [0.0, 1.0, 2.0])).copied_share) == 0


def test_categories_in_two_forms_are_one_and_what_is_none_is_left_out_or_refused():
    assert metrics.jensen_shannon(np.array([b"a", b"b"]), np.array(["a", "b"])) == 0
    assert metrics.jensen_shannon(np.array(["a", "b", None], object), np.array(["a", "b"])) == 0
    assert metrics.jensen_shannon(np.ma.masked_equal([1, 2, 2, -9], -9), np.array([1, 2, 2])) == 0
    with pytest.raises(SchemaError, match="one set holds truth values and the other integers"):
        metrics.jensen_shannon(np.array([True, False]), np.array([0, 1]))
    states = xr.DataArray([[1, 2, 0], [2, 2, 1]], dims=ON, coords={"length": ("sample", [2, 3])})
    assert metrics.jensen_shannon(states, np.array([1, 2, 2, 2, 1])) == 0

    def held(values):
        return xr.Dataset({"x": (ON, [[1.0, 2.0], [3.0, 5.0]]), "on": ("sample", values)})

    apart = metrics.conditional_distances(held([True, False]), held(["True", "False"]), "on")
    assert (apart.distance == 0).all() and (apart["count"] == 1).all()
    coded = held([True, False]).assign(on=("sample", np.array([1, 0], np.uint8), {"categories": [0, 1]}))
    codes = metrics.conditional_distances(held([True, False]), coded, "on")
    assert (codes.distance == 0).all() and codes.value.dtype.kind != "U"
    with pytest.raises(SchemaError, match="'on' of the real data has samples without a value"):
        metrics.conditional_distances(held(np.array(["a", None], object)), held(["a", "b"]), "on")


def test_totals_of_half_precision_are_sums_of_numbers():
    def held(value):
        return xr.Dataset({"x": (ON, np.full((2, 5), value, np.float16)), "k": ("sample", ["a", "b"])})

    found = metrics.conditional_distances(held(30000), held(60000), "k", statistic="total").distance
    assert found.values.ravel() == pytest.approx([150_000, 150_000], rel=1e-3)


def test_what_cannot_be_compared_or_asked_is_refused():
    load = xr.DataArray(np.random.default_rng(0).random((40, 8)), dims=ON, attrs={"units": "byte"})
    with pytest.raises(SchemaError, match=r"in byte in real, in MB in generated"):
        metrics.distinct_modes(load, (load / 1e6).assign_attrs(units="MB"))
    with pytest.raises(SchemaError, match="holds infinite values"):
        metrics.seam(load.where(load != load[0, 3], np.inf), 4)
    two = xr.concat([load, 2 * load], xr.Variable("port", ["in", "out"]))
    assert (metrics.cross_correlation(two.sel(port="in"), two.sel(port="out")) > 0.99).all()
    with pytest.raises(SchemaError, match="have other samples or times"):
        metrics.cross_correlation(load.assign_coords(sample=range(40)), load.assign_coords(sample=range(1, 41)))
    for wrong in ({"k": 1.0}, {"block": 0}):
        with pytest.raises(ConfigError, match=next(iter(wrong))):
            metrics.nearest_neighbours(load, load, **wrong)
    for points in (0, -1):
        with pytest.raises(ConfigError, match="points"):
            metrics.ecdf(load, points=points)
    with pytest.raises(ConfigError, match="tail"):
        metrics.range_coverage(load, load, tail="a")


def test_a_gap_within_a_series_makes_it_no_shorter():
    gap = xr.DataArray([[1.0, np.nan, 3.0, 4.0]], dims=ON)
    assert metrics.length_histogram(gap).values.tolist() == [0, 0, 0, 1]
    start, end = ([[1.0, 2.0, np.nan, np.nan]], [[np.nan, np.nan, 1.0, 2.0]])
    (near,) = metrics.nearest_neighbours(np.array(start), np.array(end), k=1).distance.values.ravel()
    assert near == pytest.approx((2 * 1 + 2 * 1) / 4)  # each of the four steps against the mean
