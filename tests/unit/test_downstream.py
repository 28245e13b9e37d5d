"""Downstream tasks: what they look at and what not, that they find what is planted, and the protocol around them."""

from itertools import pairwise

import numpy as np
import pytest
import xarray as xr
from scipy.stats import spearmanr
from sklearn.linear_model import Ridge
from sklearn.metrics import f1_score, r2_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import QuantileTransformer
from sklearn.svm import LinearSVC

import dgkit as dg
from dgkit import downstream
from dgkit.downstream import evaluate, event_inputs, forecast, predict_events, rank_correlation
from dgkit.errors import ConfigError, SchemaError


def series_of(values, length=None, *, end=None, **attrs):
    """A dataset of one feature `x` from rows of values, blank past each row's length."""
    values = np.array(values, np.float64)
    ds = xr.Dataset({"x": (("sample", "time"), values, attrs)})
    if end is not None:
        ds["end_event"] = ("sample", np.asarray(end))
    if length is not None:
        ds["length"] = ("sample", np.asarray(length))
        ds["x"] = ds.x.where(xr.DataArray(np.arange(values.shape[1]), dims="time") < ds.length)
    return ds


def planted(n=300, seed=0, *, events=("DOWN", "UP"), shares=None):
    """Noisy series of many lengths that rise as steeply as their event says."""
    rng = np.random.default_rng(seed)
    kind = rng.choice(len(events), n, p=shares)
    x = rng.normal(size=(n, 1)) + kind[:, None] * np.arange(20) + rng.normal(size=(n, 20))
    return series_of(x, rng.integers(4, 21, n), end=np.array(events)[kind])


@pytest.fixture(scope="module")
def jobs():
    return dg.split(dg.simulate.cluster(800, seed=3), seed=1)


# --- predictors -----------------------------------------------------------------------------------------------------


def test_predictors_equal_a_plain_calculation_series_by_series(small):
    inputs = event_inputs(small)

    assert small.length.min() == 1
    for i in range(small.sizes["sample"]):
        length = int(small.length[i])
        x = np.log10(small.views.values[i, :length])
        state = small.state.values[i, :length].tolist()
        expected = {
            "views mean": x.sum() / length,
            "views spread": np.sqrt(((x - x.mean()) ** 2).mean()),
            "views smallest": sorted(x)[0],
            "views largest": sorted(x)[-1],
            "views first": x[0],
            "views last": x[length - 1],
            "views slope": (x[-1] - x[0]) / (length - 1) if length > 1 else 0,
            "views change": sum(abs(b - a) for a, b in pairwise(x)) / (length - 1) if length > 1 else 0,
            "cpu largest": max(small.cpu.values[i, :length]),
            "state busy share": state.count("busy") / length,
            "state wait last": float(state[-1] == "wait"),
        }
        found = inputs.isel(sample=i)
        assert {name: float(found.sel(predictor=name)) for name in expected} == pytest.approx(expected, abs=1e-6)


def test_predictors_are_finite_also_of_a_single_step():
    inputs = event_inputs(series_of(np.arange(12.0)[:, None]))

    assert np.isfinite(inputs).all()
    assert inputs.sel(predictor="x mean").values.tolist() == list(range(12))


def test_attributes_are_not_looked_at(small):
    other = small.isel(sample=np.random.default_rng(0).permutation(small.sizes["sample"]))
    changed = small.assign({name: ("sample", other[name].values) for name in ("domain", "spider", "size")})

    assert not changed.domain.equals(small.domain)
    xr.testing.assert_identical(event_inputs(changed), event_inputs(small))


def test_the_number_of_steps_is_not_looked_at():
    rng = np.random.default_rng(0)
    level, length = rng.normal(size=(400, 1)), rng.integers(1, 21, 400)
    ds = series_of(np.tile(level, 20), length, end=np.where(length == 20, "KILL", "FINISH"))
    shorter = ds.assign(length=("sample", np.ones(400, int)))
    shorter["x"] = shorter.x.where(xr.DataArray(np.arange(20), dims="time") < 1)

    xr.testing.assert_identical(event_inputs(ds), event_inputs(shorter))


def test_a_forecast_of_the_event_looks_at_the_first_steps_of_series_that_go_on():
    ds = planted(60)
    late = xr.DataArray(np.arange(20), dims="time") >= 5
    changed = ds.assign(x=ds.x.where(~late, -ds.x))

    inputs = event_inputs(ds, observed=5)

    xr.testing.assert_identical(event_inputs(changed, observed=5), inputs)
    assert inputs.sizes["sample"] == int((ds.length > 5).sum())
    assert np.allclose(inputs.sel(predictor="x last"), ds.x.values[ds.length.values > 5, 4])


def test_a_log_scale_has_the_training_sets_floor():
    train, test = series_of([[1.0, 0.01], [0.0, 100.0]], scale="log"), series_of([[0.0, 1e-9]], scale="log")

    inputs = event_inputs(test, like=train)

    assert inputs.sel(predictor=["x first", "x last"]).values.tolist() == [[-2, -2]]


# --- event prediction -----------------------------------------------------------------------------------------------


def test_a_planted_signal_is_found_by_every_classifier():
    scores = predict_events(*dg.split(planted()))

    assert scores.classifier.values.tolist() == [
        "MLP", "naive Bayes", "logistic regression", "decision tree", "linear SVM",
    ]  # fmt: skip
    assert (scores.accuracy > 0.95).all()
    assert (scores.macro_f1 > 0.95).all()


def test_an_event_that_has_nothing_to_do_with_the_series_is_not_found():
    ds = planted(800)
    shuffled = ds.assign(end_event=("sample", np.random.default_rng(1).permutation(ds.end_event.values)))

    scores = predict_events(*dg.split(shuffled))

    assert (abs(scores.accuracy - 0.5) < 0.09).all()  # 3.6 standard deviations of 400 tosses


def test_scores_equal_a_plain_calculation(jobs):
    train, test = jobs
    scale = QuantileTransformer(n_quantiles=100, output_distribution="normal")
    inputs = [event_inputs(ds).values for ds in jobs]

    answers = make_pipeline(scale, LinearSVC(dual=False)).fit(inputs[0], train.end_event).predict(inputs[1])
    scores = predict_events(train, test).sel(classifier="linear SVM")

    assert scores.accuracy.item() == np.mean(answers == test.end_event.values)
    assert scores.macro_f1.item() == pytest.approx(f1_score(test.end_event, answers, average="macro"))
    assert scores.majority_accuracy.item() == float((test.end_event == "FINISH").mean())
    assert scores.test_samples.item() == test.sizes["sample"]


def test_draws_of_the_bootstrap_spread_as_a_binomial():
    scores = predict_events(*dg.split(planted(1000, shares=[0.7, 0.3])), draws=1000).sel(classifier="naive Bayes")
    noisy = planted(1000).assign(end_event=("sample", np.random.default_rng(7).choice(["a", "b"], 1000)))
    guess = predict_events(*dg.split(noisy), draws=1000).sel(classifier="naive Bayes")

    assert scores.accuracy_draws.mean() == pytest.approx(float(scores.accuracy), abs=0.005)
    assert guess.accuracy_draws.std() == pytest.approx(np.sqrt(0.25 / 500), rel=0.15)


def test_the_same_seed_gives_the_same_scores(jobs):
    first, second, other = (predict_events(*jobs, seed=seed, draws=5) for seed in (0, 0, 1))

    xr.testing.assert_identical(first, second)
    assert not first.accuracy_draws.equals(other.accuracy_draws)


def test_the_same_seed_gives_the_same_scores_of_more_series_than_quantiles_are_taken_of(monkeypatch):
    every = downstream._classifiers
    monkeypatch.setattr(downstream, "_classifiers", lambda n, seed: {"naive Bayes": every(n, seed)["naive Bayes"]})
    rng = np.random.default_rng(0)
    load = rng.normal(size=(12_000, 3)) + (kind := rng.random(12_000) < 0.5)[:, None] * 0.3
    ds = xr.Dataset({"load": (("sample", "time"), load), "end_event": ("sample", np.where(kind, "a", "b"))})
    train, test = ds.isel(sample=slice(11_000)), ds.isel(sample=slice(11_000, None))

    first, second = (predict_events(train, test, draws=5) for _ in range(2))

    xr.testing.assert_identical(first, second)


def test_a_boolean_target_and_categorical_features_will_do(small):
    busy = xr.where((small.state == "busy").sum("time") > 2, True, False).values
    ds = xr.concat([small.assign(spider=("sample", busy))] * 4, "sample")

    scores = predict_events(*dg.split(ds), target="spider")

    assert (scores.accuracy.sel(classifier=["MLP", "decision tree"]) > scores.majority_accuracy).all()


# --- forecasts ------------------------------------------------------------------------------------------------------


def waves(n=300, seed=0, *, noise=0.0, level=1.0):
    """Sines of random phase about random levels."""
    rng = np.random.default_rng(seed)
    wave = np.sin(2 * np.pi * (np.arange(33) / 11 + rng.random((n, 1)))) + level * rng.normal(size=(n, 1))
    return series_of(wave + noise * rng.normal(size=(n, 33)))


def test_what_follows_from_the_steps_before_is_forecast_by_every_regressor():
    scores = forecast(*dg.split(waves()))

    assert scores.regressor.values.tolist() == ["MLP", "deep MLP", "linear regression", "kernel regression"]
    assert (scores.r2 > 0.9).all()


def test_noise_is_not_forecast_better_than_by_its_mean():
    noise = series_of(np.random.default_rng(0).normal(size=(600, 22)))

    assert (forecast(*dg.split(noise)).r2 < 0.1).all()


def test_ten_series_are_enough_to_train_a_forecast_on():
    few = series_of(np.random.default_rng(0).normal(size=(10, 22)))

    assert forecast(few, few).r2.notnull().all()


def test_noise_far_from_zero_is_noise():
    far = series_of(1e6 + np.random.default_rng(0).normal(size=(400, 22)))

    assert (forecast(*dg.split(far), relative=False).r2 < 0.1).all()


def test_r2_equals_a_plain_calculation():
    train, test = dg.split(waves(noise=0.5))
    x, x_test = (ds.x.values[:, :30] - ds.x.values[:, :30].mean(1, keepdims=True) for ds in (train, test))
    y, y_test = (ds.x.values[:, 30:] - ds.x.values[:, :30].mean(1, keepdims=True) for ds in (train, test))
    ridge = Ridge(x.std() ** 2).fit(x, y)  # a penalty of 1 where predictors are divided by their spread

    scores = forecast(train, test, draws=400).sel(regressor="linear regression")

    assert scores.r2.item() == pytest.approx(r2_score(y_test, ridge.predict(x_test)), abs=1e-6)
    assert 0.3 < scores.r2 < 0.9
    resampled = [np.random.default_rng(k).integers(0, len(y_test), len(y_test)) for k in range(400)]
    spread = np.std([r2_score(y_test[rows], ridge.predict(x_test[rows])) for rows in resampled])
    assert scores.r2_draws.std() == pytest.approx(spread, rel=0.2)


def test_where_all_series_agree_a_forecast_is_right_or_wrong():
    ends = np.where(np.arange(40) < 30, np.random.default_rng(0).normal(size=(100, 40)), 5.0)
    same, other = series_of(ends), series_of(np.where(np.arange(40) < 30, ends, 7.0))
    linear = {"regressor": "linear regression"}

    right, wrong = (forecast(same, test, relative=False).r2.sel(linear).item() for test in (same, other))

    assert (right, wrong) == (1, 0)


def test_sizes_of_series_do_not_count_unless_asked_for():
    walk = np.random.default_rng(0).normal(size=(300, 22))
    size = 10 ** np.random.default_rng(1).uniform(0, 5, (300, 1))
    ds = series_of(size * 10 ** (0.1 * walk), scale="log")

    relative, absolute = (forecast(*dg.split(ds), relative=switch).r2 for switch in (True, False))

    assert (relative < 0.1).all()
    assert (absolute > 0.9).all()
    once = forecast(*dg.split(ds.assign(x=ds.x / size))).r2
    assert once.values == pytest.approx(relative.values, abs=1e-3)


def test_series_too_short_for_a_forecast_are_left_out():
    ds = waves(200)
    length = np.where(np.arange(200) % 2, 33, 12)
    ds = series_of(ds.x, length)

    counts = [forecast(ds, ds, steps=steps).test_samples.item() for steps in (None, 13, 12)]

    assert counts == [100, 100, 200]


def test_kernel_regression_gets_a_bounded_number_of_samples(monkeypatch):
    train, test = dg.split(waves(noise=0.5))
    every = forecast(train, test).r2

    monkeypatch.setattr(downstream, "KERNEL_SAMPLES", 40)
    fewer = forecast(train, test).r2

    same = every == fewer
    assert same.sel(regressor=["MLP", "linear regression"]).all()
    assert fewer.sel(regressor="kernel regression") < every.sel(regressor="kernel regression")


# --- the protocol ---------------------------------------------------------------------------------------------------


def test_the_protocol_trains_and_tests_on_what_each_setting_says(jobs):
    train, test = jobs
    first, second = dg.split(dg.simulate.cluster(500, seed=4))

    scores = evaluate(train, test, {"model": (first, second)}).sel(model="model")

    for setting, (a, b) in {
        "real to real": (train, test),
        "generated to real": (first, test),
        "generated to generated": (first, second),
    }.items():
        expected = predict_events(a, b)
        found = scores.sel(setting=setting)
        xr.testing.assert_allclose(found.drop_vars(["setting", "model"]), expected)


def test_a_generated_set_may_lack_classes(jobs):
    train, test = jobs
    without = train.isel(sample=(train.end_event != "EVICT").values)
    one = train.isel(sample=(train.end_event == "FINISH").values)

    scores = evaluate(train, test, {"no EVICT": (without, test), "collapsed": (one, one)})

    at = scores.sel(setting="generated to real")
    assert at.missing_classes.values.tolist() == [1, 3]
    share = float((test.end_event == "FINISH").mean())
    assert at.accuracy.sel(model="collapsed").values.tolist() == [share] * 5
    f1 = 2 * share / (1 + share) / 4  # precision is the share, recall 1; three classes have none
    assert at.macro_f1.sel(model="collapsed").values == pytest.approx(np.full(5, f1))
    assert (at.accuracy.sel(model="no EVICT") > 0.6).all()
    inside = scores.sel(setting="generated to generated", model="collapsed")
    assert (inside.accuracy == 1).all()


def test_forecasts_go_through_the_protocol():
    train, test = dg.split(waves())

    scores = evaluate(
        train, test, {"again": dg.split(waves(seed=1)), "flat": dg.split(waves(noise=9.0))}, task="forecast"
    )

    r2 = scores.r2.sel(setting="generated to real", regressor="linear regression")
    assert scores.r2.dims == ("model", "setting", "regressor")
    assert r2.sel(model="again") > 0.99
    assert r2.sel(model="flat") < 0.9


# --- ranking --------------------------------------------------------------------------------------------------------


def scores_of(accuracy, draws=None):
    draws = np.asarray(accuracy)[..., None] if draws is None else draws
    dims = ("model", "seed", "classifier")[3 - np.ndim(accuracy) :]
    return xr.Dataset({"accuracy": (dims, accuracy), "accuracy_draws": ((*dims, "draw"), draws)})


def test_rank_correlations_are_spearmans_also_with_ties():
    rng = np.random.default_rng(0)
    real, generated = rng.integers(0, 4, 5) / 4, rng.integers(0, 4, (6, 2, 5)) / 4

    found = rank_correlation(scores_of(real), scores_of(generated)).rank_correlation

    assert found.dims == ("model", "seed")
    expected = [[spearmanr(real, one).statistic for one in two] for two in generated]
    np.testing.assert_allclose(found, expected)


def test_algorithms_that_all_score_the_same_have_no_ranking():
    assert np.isnan(rank_correlation(scores_of([0.1, 0.2, 0.3]), scores_of([0.5] * 3)).rank_correlation)


def test_the_interval_holds_the_drawn_rank_correlations():
    rng = np.random.default_rng(0)
    real, generated = np.array([0.9, 0.7, 0.8, 0.5]), np.array([0.9, 0.8, 0.7, 0.5])
    draws = [one[:, None] + 0.08 * rng.normal(size=(4, 300)) for one in (real, generated)]

    ranked = rank_correlation(scores_of(real, draws[0]), scores_of(generated, draws[1]), level=0.8)

    every = [spearmanr(a, b).statistic for a, b in zip(*(d.T for d in draws), strict=True)]
    assert [ranked.low.item(), ranked.high.item()] == pytest.approx(np.quantile(every, [0.1, 0.9]))
    assert ranked.low < ranked.rank_correlation == pytest.approx(0.8)
    assert ranked.undefined_draws == 0


def test_scores_of_different_numbers_of_draws_are_not_ranked():
    accuracy = xr.DataArray([0.9, 0.7, 0.8], dims="classifier")
    few, many = (
        xr.Dataset({"accuracy": accuracy, "accuracy_draws": accuracy.expand_dims(draw=draws)}) for draws in (5, 10)
    )

    with pytest.raises(SchemaError, match="5 and 10 draws"):
        rank_correlation(few, many)


def test_draws_without_a_ranking_are_counted():
    draws = np.array([[0.9, 0.8, 0.7, 0.6], [0.5, 0.8, 0.2, 0.3], [0.1, 0.8, 0.3, 0.4]])  # all the same in one of four

    ranked = rank_correlation(scores_of([0.9, 0.5, 0.1], draws), scores_of([0.9, 0.5, 0.1], draws))

    assert ranked.undefined_draws == 0.25
    assert [ranked.low.item(), ranked.high.item()] == [1, 1]


def test_whole_numbers_past_the_end_do_not_change_what_predictors_see():
    rng = np.random.default_rng(0)
    length = rng.integers(2, 9, 60)
    counts = rng.integers(50, 500, (60, 8))
    valid = np.arange(8) < length[:, None]
    end = np.where(length > 4, "late", "early")

    tables = [
        event_inputs(series_of(counts, length, end=end).assign(x=(("sample", "time"), x, {"scale": "log"})))
        for x in (np.where(valid, counts, np.nan), np.where(valid, counts, 1), np.where(valid, counts, 10**6))
    ]

    for other in tables[1:]:
        np.testing.assert_allclose(other, tables[0])


def test_the_protocols_settings_can_be_ranked_against_each_other(jobs):
    train, test = jobs

    scores = evaluate(train, test, {"itself": (train, test), "other": dg.split(dg.simulate.cluster(400, seed=9))})
    ranked = rank_correlation(scores.sel(setting="real to real"), scores.sel(setting="generated to generated"))

    assert ranked.rank_correlation.dims == ("model",)
    assert ranked.sel(model="itself").to_array().values == pytest.approx(np.ones(3))
    assert (ranked.low <= ranked.rank_correlation).all()
    assert ranked.low.sel(model="other") < 1


# --- what cannot be -------------------------------------------------------------------------------------------------


def test_what_cannot_be_predicted_is_named(jobs, small):
    train, test = jobs
    one = train.isel(sample=(train.end_event == "KILL").values)

    for call, message in {
        lambda: predict_events(train, test, "fate"): "no categorical attribute 'fate'; .* 'job_class', 'end_event'",
        lambda: predict_events(small, small, "size"): "no categorical attribute 'size'",
        lambda: predict_events(one, test): "'end_event' is 'KILL' in all .* nothing to tell apart",
        lambda: predict_events(train.isel(sample=slice(9)), test): "9 series: at least 10",
        lambda: predict_events(train, test, observed=59): "in all 400 training samples longer than 59 steps",
        lambda: predict_events(train, test.drop_vars("memory")): "no continuous feature 'memory', .* training set has",
        lambda: forecast(train, test, "load"): "no continuous feature 'load'; the dataset has 'cpu_rate'",
        lambda: forecast(train, test, steps=60, horizon=5): "series of at least 60 steps: at least 10",
        lambda: evaluate(train, test, {"GAN": (train, test.drop_vars("end_event"))}): "'GAN': no categorical attribute",
        lambda: predict_events(xr.Dataset(), test): "no feature",
        lambda: rank_correlation(xr.Dataset(), xr.Dataset()): "not scores of the same task",
        lambda: rank_correlation(scores_of([1.0, 2.0]), scores_of([1.0, 2.0, 3.0])): "different classifiers",
    }.items():
        with pytest.raises(SchemaError, match=message):
            call()


def test_values_too_large_to_be_squared_are_refused_and_on_a_logarithmic_scale_taken():
    huge = planted(60)
    huge["x"] = abs(huge.x) * 1e300

    for task, steps in ((predict_events, {}), (forecast, {"steps": 4})):
        with pytest.raises(SchemaError, match=r"'x' has values beyond 1e\+140, .* another unit"):
            task(*dg.split(huge), **steps)
    logarithmic = dg.split(huge.assign(x=huge.x.assign_attrs(scale="log")))
    assert predict_events(*logarithmic).accuracy.notnull().all()


def test_settings_that_cannot_be_are_named(jobs):
    for wrong in (0, 60, 2.5, True, "5"):
        with pytest.raises(ConfigError, match=r"observed=.* must be a whole number of at least 1 and less than 60"):
            predict_events(*jobs, observed=wrong)
    for call, message in {
        lambda: predict_events(*jobs, draws=0): "draws=0",
        lambda: forecast(*jobs, steps=1): "steps=1 must be a whole number of at least 2 and less than 61",
        lambda: forecast(*jobs, steps=10, horizon=10): "horizon=10 must be .* less than 10",
        lambda: evaluate(*jobs, {}): "names no model",
        lambda: evaluate(*jobs, {"GAN": jobs[0]}): "must be two Datasets",
        lambda: evaluate(*jobs, {"GAN": jobs}, task="regression"): "task='regression' is none of 'events', 'forecast'",
        lambda: rank_correlation(scores_of([1.0, 2.0]), scores_of([1.0, 2.0]), level=95): "level=95",
    }.items():
        with pytest.raises(ConfigError, match=message):
            call()


def test_a_test_set_in_another_unit_or_with_other_steps_is_refused():
    train, test = (planted(seed=k).assign_coords(time=np.arange(20)) for k in (0, 1))
    train, watts = (ds.assign(x=ds.x.assign_attrs(units=unit)) for ds, unit in ((train, "kW"), (test, "W")))
    slower = test.assign_coords(time=2 * np.arange(20))

    for other, message in ((watts, "'x' is in kW in the training set, in W in the other"), (slower, "step 1 comes 1")):
        for task in (predict_events, forecast):
            options = {"steps": 8} if task is forecast else {}
            with pytest.raises(SchemaError, match=message):
                task(train, other, draws=1, **options)
        with pytest.raises(SchemaError, match=f"'GAN': .*{message}"):
            evaluate(train, test, {"GAN": (train, other)}, draws=1)


def test_codes_and_the_same_codes_as_text_are_one_feature_and_one_target():
    def held(seed, code, end):
        random = np.random.default_rng(seed)
        kind = random.integers(0, 2, 40)
        x = random.normal(size=(40, 6)) + 2 * kind[:, None] > 1
        return xr.Dataset({"s": (("sample", "time"), *code(x.astype(int))), "e": ("sample", end(kind == 1))})

    def codes(x):
        return x, {"categories": [0, 1]}

    def text(x):
        return (x.astype(str),)

    def as_text(end):
        return end.astype(str)

    train = held(0, codes, np.asarray)
    scores = [
        predict_events(train, held(1, *form), "e", draws=2).accuracy for form in ((codes, np.asarray), (text, as_text))
    ]
    xr.testing.assert_equal(*scores)
    coded = held(1, codes, lambda end: end.astype(np.uint8))
    coded.e.attrs["categories"] = [0, 1]
    numbers = predict_events(train, coded, "e", draws=2)
    xr.testing.assert_equal(scores[0], numbers.accuracy)
    assert (scores[0] > 0.8).all() and numbers.missing_classes == 0


def test_an_option_of_the_other_task_and_series_of_one_step_are_refused():
    a, b = (dg.simulate.web(60, seed=seed) for seed in (0, 1))
    with pytest.raises(ConfigError, match="'target' is no option of the task 'forecast'"):
        evaluate(a, b, {"m": (a, b)}, task="forecast", target="e")
    with pytest.raises(SchemaError, match="the series have 1 step"):
        forecast(a.isel(time=[0]), b.isel(time=[0]))
