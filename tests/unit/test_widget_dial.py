"""The PrivacyDial without a browser: its epsilon is the accountant's, its words follow from it, nothing set is lost."""

import json
import math
import re

import numpy as np
import pytest
import xarray as xr
from dgkit_widgets import PrivacyDial, _guarantee
from opacus.accountants import RDPAccountant

import dgkit as dg
from dgkit import ConfigError, simulate
from dgkit._text import at_most
from dgkit.privacy import DP, epsilon
from dgkit.privacy.releases import user_epsilon


def floats(data):
    return np.frombuffer(data, np.float32)


def opacus_epsilon(sigma, rate, steps, delta):
    accountant = RDPAccountant()
    accountant.history = [(sigma, rate, steps)]
    return accountant.get_epsilon(delta)


def recorded(**places):
    """Curves that say where they come from: at run k, seed s, all lags have (k + s / 10) / 10."""
    places = places or {"epsilon": [0.5, 1.5, 11.0, np.inf]}
    ((name, values),) = places.items()
    curve = np.add.outer(np.arange(4), np.arange(3) / 10)[..., None] / 10 + np.zeros(5)
    return xr.Dataset(
        {"autocorrelation": (("run", "seed", "lag"), curve), "series": (("run", "shown", "time"), np.ones((4, 2, 7)))},
        {name: ("run", values), "run": ["a", "b", "c", "d"], "lag": ("lag", np.arange(1, 6), {"units": "days"})},
    )


# --- epsilon


@pytest.mark.parametrize(("noise", "releases", "batch_size"), [(0.5, 1, 100), (1.0, 2, 100), (4.0, 2, 500)])
def test_epsilon_is_the_accountants_for_these_settings(noise, releases, batch_size):
    dial = PrivacyDial(10_000, batch_size, noise, epochs=3, releases=releases)

    steps = 3 * 10_000 // batch_size
    expected = opacus_epsilon(noise / math.sqrt(releases), batch_size / 10_000, steps, 1e-5)
    assert dial.steps == steps
    assert dial.epsilon == pytest.approx(expected, rel=1e-9)
    assert dial.frame["big"] == at_most(expected)


def test_the_curve_is_the_accountants_at_every_epoch_and_passes_through_the_settings():
    dial = PrivacyDial(2000, epochs=4)

    curve = dial.curve()
    drawn, epochs = floats(dial.frame["curve"]), floats(dial.frame["x"])

    for epoch, value in zip(curve.epoch.values[::10], curve.values[::10], strict=True):
        expected = opacus_epsilon(1 / math.sqrt(2), 0.05, round(float(epoch) * 20), 1e-5)
        assert value == pytest.approx(expected, rel=1e-9)
    np.testing.assert_allclose(drawn, curve.values, rtol=1e-6)
    assert drawn[np.abs(epochs - 4).argmin()] == pytest.approx(dial.epsilon, rel=1e-6)
    assert (np.diff(curve.values) > 0).all() and epochs[-1] >= 1.25 * 4


def test_the_clipping_norm_changes_no_epsilon_but_what_training_gets():
    dial = PrivacyDial()
    before = dial.epsilon

    dial.change(max_grad_norm=0.1)

    assert dial.epsilon == before
    assert dial.dp == DP(1.0, 0.1, 1e-5)
    assert "does not change epsilon" in dial.frame["hints"]["max_grad_norm"]


def test_prv_is_tighter_than_rdp_and_not_asked_where_it_is_slow():
    dial = PrivacyDial(epochs=1, noise_multiplier=2.0)
    by_rdp = dial.epsilon

    dial.change(accountant="prv")

    settings = {"noise_multiplier": 2.0, "sample_rate": 0.05, "steps": 20, "delta": 1e-5, "releases": 2}
    assert dial.epsilon == pytest.approx(epsilon(**settings, accountant="prv")) and dial.epsilon < by_rdp
    assert dial.frame["accountant"] == "PRV"
    dial.change(noise_multiplier=0.1)
    assert dial.frame["accountant"] == "RDP" and "PRV is asked up to" in dial.frame["note"]


def test_without_noise_nothing_is_promised():
    dial = PrivacyDial(noise_multiplier=0.0)

    assert dial.epsilon == math.inf
    assert (dial.frame["big"], dial.frame["tier"]) == ("∞", "no guarantee")
    assert dial.frame["accuracy"] == 1.0
    assert json.dumps({name: value for name, value in dial.frame.items() if not isinstance(value, bytes)})


def test_for_batches_with_replacement_there_is_no_epsilon_until_they_are_poissons():
    dial = PrivacyDial(sampling="replacement")

    assert "far larger" in dial.error and dial.frame["big"] == "–"
    assert "far larger" in dial.without_browser()
    with pytest.raises(ConfigError, match="Choose Poisson"):
        dial.epsilon  # noqa: B018
    dial.change(sampling="poisson")
    assert dial.error == "" and dial.epsilon > 0


# --- what it means


@pytest.mark.parametrize(("spent", "delta"), [(0.1, 1e-5), (1.0, 0.01), (3.0, 1e-5)])
def test_bounds_on_attacks_are_the_largest_that_the_definition_allows(spent, delta):
    false_alarms = np.linspace(0, 1, 200_001)
    # (epsilon, delta): found <= e^eps false + delta, and (1 - false) <= e^eps (1 - found) + delta
    found = np.minimum(np.exp(spent) * false_alarms + delta, 1 - (1 - false_alarms - delta) / np.exp(spent))
    found = np.minimum(found, 1)

    accuracy = _guarantee.best_accuracy(spent, delta)
    detection = _guarantee.best_detection(spent, delta, 0.01)

    assert accuracy == pytest.approx(((found + 1 - false_alarms) / 2).max(), abs=1e-5)
    assert detection == pytest.approx(np.interp(0.01, false_alarms, found), abs=1e-5)


def test_words_name_the_factor_and_never_round_a_bound_down_or_to_certainty():
    few, many = _guarantee.in_words(math.log(3), 1e-5), _guarantee.in_words(50.0, 1e-5)

    assert "at most 3 times" in few[0] and "delta = 1e-5" in few[0]
    assert "at most 75.1 %" in few[1]  # 75.0002 %
    assert "10 to the power of 21.8" in many[0]
    assert _guarantee.percent(0.99999) == "99.999 %" and _guarantee.percent(1.0) == "100 %"


@pytest.mark.parametrize(
    ("value", "name"), [(0.9, "strong"), (1.1, "reasonable"), (10.5, "weak to no"), (math.inf, "no guarantee")]
)
def test_tiers(value, name):
    assert _guarantee.tier(value).startswith(name)


# --- turning it


def test_epochs_and_steps_follow_each_other_and_the_batch():
    dial = PrivacyDial(1000, 50, epochs=2)

    dial.change(steps=100)

    assert dial.settings["epochs"] == 5
    dial.change(batch_size=100)
    assert (dial.settings["epochs"], dial.steps) == (5, 50)
    dial.settings = {"epochs": 1.0}
    assert dial.steps == 10


def test_the_steps_given_at_the_start_hold():
    assert PrivacyDial(2000, steps=300).config().steps == 300


@pytest.mark.parametrize("target", [0.5, 2.0, 30.0])
def test_the_noise_found_keeps_the_target_and_hardly_more(target):
    dial = PrivacyDial()

    dial.solve(target, token="t")

    assert 0.98 * target < dial.epsilon <= target
    assert dial.answered == "t"
    assert [level for _, level in dial.frame["lines"]] == [1.0, 10.0, target]


def test_a_data_set_gives_its_samples():
    assert PrivacyDial(simulate.web(150, seed=1)).settings["samples"] == 150


def test_a_stroke_is_one_step_for_undo_at_every_moment_that_another_thread_may_look():
    dial, seen = PrivacyDial(), []
    dial.observe(lambda _: seen.append(len(dial._past)), ["settings", "frame"])

    for value in (2.0, 3.0, 4.0):
        dial.change(noise_multiplier=value, stroke="a drag")
    assert set(seen) == {1}

    seen.clear()
    dial.undo()
    assert set(seen) == {0}


def test_undo_takes_back_a_stroke_at_a_time_and_reset_can_be_undone():
    dial = PrivacyDial()
    for noise in (1.1, 1.2, 1.3):
        dial.change("drag", noise_multiplier=noise)
    dial.change(epochs=20)
    dial.reset()

    seen = []
    for _ in range(3):
        dial.undo()
        seen.append((dial.settings["noise_multiplier"], dial.settings["epochs"]))

    assert seen == [(1.3, 20), (1.3, 15), (1.0, 15)] and not dial.can_undo


def test_the_start_values_stay_drawn_for_comparison():
    dial = PrivacyDial(epochs=4)
    assert len(floats(dial.frame["first"])) == 0

    dial.change(noise_multiplier=2.0)

    epochs, first = floats(dial.frame["x"]), floats(dial.frame["first"])
    at = opacus_epsilon(1 / math.sqrt(2), 0.05, 80, 1e-5)
    assert np.interp(4, epochs, first) == pytest.approx(at, rel=1e-3)


def test_the_config_trains_to_the_dials_epsilon():
    ds = simulate.web(200, seed=3)
    dial = PrivacyDial(ds, 50, steps=3)

    trainer = dg.Trainer(ds, dial.config(sample_len=84, seed=5))
    for _ in trainer:
        pass

    assert trainer.config.dp == dial.dp and trainer.config.seed == 5
    assert trainer.epsilon() == pytest.approx(dial.epsilon, rel=1e-9)


@pytest.mark.parametrize(
    ("releases", "auxiliary", "rounds"), [(1, False, 1), (2, True, 1), (3, False, 3), (4, True, 2)]
)
def test_the_config_makes_as_many_noisy_gradients_as_are_accounted(releases, auxiliary, rounds):
    config = PrivacyDial(releases=releases).config()

    assert (config.auxiliary, config.discriminator_rounds) == (auxiliary, rounds)


@pytest.mark.parametrize("change", [{"steps": 9}, {"batch_size": 7}, {"dp": None}, {"discriminator_rounds": 3}])
def test_a_config_of_another_epsilon_is_refused(change):
    with pytest.raises(ConfigError, match="epsilon depends on it"):
        PrivacyDial().config(**change)


def test_its_code_computes_its_epsilon():
    dial = PrivacyDial(5000, 64, 1.3, epochs=2, releases=1)

    assert eval(dial.code(), {"dg": dg}) == pytest.approx(dial.epsilon, rel=1e-12)


def test_a_delta_is_never_written_as_a_smaller_one():
    dial = PrivacyDial(50_000, delta=1.2345e-5)

    assert "delta = 1.24e-5" in dial.frame["head"] and "delta = 1.24e-5" in dial.frame["words"][0]
    dial.change(batch_size=300)
    assert "at most 0.00334" in dial.frame["hints"]["max_grad_norm"]  # 1 / 300, a bound as well


def test_an_epsilon_that_differs_by_seed_is_the_one_that_holds_for_each():
    ds = recorded().drop_vars("epsilon").assign(epsilon=(("run", "seed"), [[0.4, 0.5, 2.0]] * 4))
    dial = PrivacyDial(recorded=ds)

    dial.solve(2.0)

    assert dial.record["title"].startswith("Recorded run of the nearest epsilon: epsilon 2")


def test_the_steps_that_are_asked_for_hold_with_another_batch_size():
    dial = PrivacyDial(50_000, 100)  # 7,500 steps

    dial.change(steps=7500, batch_size=200)

    assert dial.steps == 7500 and dial.settings["epochs"] == 30
    dial.settings = {**dial.settings, "batch_size": 100}  # all of them, with their epochs: those are kept
    assert dial.settings["epochs"] == 30 and dial.steps == 15_000


def test_numbers_of_numpy_are_numbers_and_its_code_needs_no_numpy():
    given = {"noise_multiplier": np.float32(1.5), "epochs": np.int64(15), "delta": np.float64(1e-5)}
    dial = PrivacyDial(**given, target=np.float32(2))

    assert eval(dial.code(), {"dg": dg}) == dial.epsilon
    assert json.loads(json.dumps(dial.settings)) == dial.settings


# --- bad input


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"noise_multiplier": -1}, "noise_multiplier"),
        ({"batch_size": 1}, "batch_size=1 must be a whole number"),
        ({"batch_size": 2.5}, "batch_size=2.5 must be a whole number"),
        ({"samples": "many"}, "samples='many'"),
        ({"epochs": 0}, "epochs=0 must be a number above 0"),
        ({"delta": 1.0}, "delta=1.0"),
        ({"max_grad_norm": math.inf}, "finite"),
        ({"accountant": "moments"}, "'moments'"),
        ({"sampling": "shuffle"}, "'shuffle'"),
        ({"sigma": 1.0}, "there is no setting 'sigma'"),
        ({"noise_multiplier": 5000}, "noise_multiplier=5000 must be 0, or at most 1000"),
        ({"noise_multiplier": 1e-300}, "noise_multiplier=1e-300"),
        ({"samples": 10**10}, "samples=10000000000 must be a whole number"),
        ({"epochs": 1e300}, "epochs=1e\\+300 must be a number"),
        ({"epochs": 1e9}, "epochs=1e\\+09 are 2e\\+10 steps"),
        ({"epochs": None}, "epochs=None without steps"),
    ],
)
def test_a_value_out_of_its_range_is_refused_and_changes_nothing(change, message):
    dial = PrivacyDial()
    before = dial.settings

    with pytest.raises(ConfigError, match=message):
        dial.change(**change)

    assert dial.settings == before and not dial.can_undo
    dial._receive(dial, {"action": "change", "values": {**change, "token": "t"}}, None)
    assert re.search(message, dial.error) and dial.answered == "t"
    dial._receive(dial, {"action": "change", "values": {"noise_multiplier": 2.0}}, None)
    assert dial.error == ""


def test_a_refused_number_is_answered_or_the_page_would_wait_for_ever():
    dial = PrivacyDial()
    wish = {"action": "change", "values": {"samples": 10**20, "token": "page-1"}}

    dial._receive(dial, wish, None)

    assert "2**64" in dial.error and dial.answered == "page-1"


@pytest.mark.parametrize(
    ("change", "message", "mend"),
    [({"samples": 200_000}, "delta=1e-05 is not below 1 / 200000", {"delta": 1e-7}),
     ({"samples": 60}, "batch_size=100 is more than the 60 samples", {"batch_size": 20})],
)  # fmt: skip
def test_settings_that_do_not_go_together_stay_with_the_reason_until_mended(change, message, mend):
    dial = PrivacyDial()

    dial.change(**change)

    assert message in dial.error and dial.frame["big"] == "–"
    for asked in (lambda: dial.epsilon, lambda: dial.dp, dial.config, dial.curve, lambda: dial.solve(1.0)):
        with pytest.raises(ConfigError, match=message):
            asked()
    assert message in dial.without_browser()
    dial.change(**mend)
    assert dial.error == "" and dial.epsilon > 0


# --- recorded runs beside it


def test_the_recorded_run_shown_is_the_nearest_and_bears_its_own_epsilon():
    dial = PrivacyDial(recorded=recorded(), real=xr.DataArray(np.ones(5), {"lag": np.arange(1, 6)}, "lag"))
    dial.solve(1.2)

    record = dial.record
    lines = floats(record["lines"]).reshape(3, 3, 5)

    assert record["names"] == ["epsilon 1.5 (b)", "epsilon ∞ (d)", "real"]
    np.testing.assert_allclose(lines[:2, :, 0], [[0.11, 0.10, 0.12], [0.31, 0.30, 0.32]], rtol=1e-6)  # over seeds
    np.testing.assert_allclose(lines[2], 1)
    assert record["compared"] == "The dial's epsilon is 1.2, this run's 1.5."
    assert record["x_label"] == "lag (days)" and record["time"] == 7
    dial.change(noise_multiplier=0.0)
    assert dial.record["names"] == ["epsilon ∞ (d)", "real"]


def test_a_picture_of_other_settings_is_not_shown_but_where_it_comes_from_is_said():
    dial = PrivacyDial(2000, steps=300, recorded=recorded().assign_attrs(steps=300, samples=2000))
    dial.solve(1.5)
    assert dial.record["names"][0] == "epsilon 1.5 (b)"

    dial.change(steps=3)  # the same noise

    assert dial.record["n"] == 0 and "lines" not in dial.record
    assert "The dial has 3 steps" in dial.record["compared"] and "made with 2,000 samples" in dial.record["compared"]
    dial.solve(3.0)  # twice what was recorded
    dial.change(steps=300)
    dial.solve(4.0)
    assert dial.record["n"] == 0 and "runs of epsilon 0.5, 1.5" in dial.record["compared"]


def test_where_settings_do_not_go_together_no_old_picture_stays():
    dial = PrivacyDial(recorded=recorded())
    dial.solve(1.5)
    assert dial.record["n"]

    dial.change(sampling="replacement")

    assert dial.record["n"] == 0 and dial.record["compared"] == ""
    dial.change(sampling="poisson")
    assert dial.record["n"]


def test_the_noise_is_found_by_the_accountant_that_is_chosen():
    dial = PrivacyDial(10_000, steps=1000)
    dial.solve(2.0)
    by_rdp = dial.dp.noise_multiplier

    dial.change(accountant="prv")
    dial.solve(2.0)

    assert dial.dp.noise_multiplier < 0.97 * by_rdp
    assert 1.98 < dial.epsilon <= 2 and dial.frame["accountant"] == "PRV"


@pytest.mark.parametrize(("spent", "nearest"), [(0.01, 0), (0.8, 0), (0.9, 1), (4.0, 1), (4.2, 2), (1e9, 2)])
def test_nearest_is_meant_on_a_log_scale_and_infinity_is_near_nothing(spent, nearest):
    dial = PrivacyDial(recorded=recorded())

    assert dial._recorded.nearest(spent) == nearest


def test_a_run_named_after_its_epsilon_does_not_say_it_twice():
    dial = PrivacyDial(recorded=recorded().assign_coords(run=["epsilon 0.5", "b", "c", "d"]))
    dial.solve(0.5)

    assert dial.record["names"] == ["epsilon 0.5", "epsilon ∞ (d)"]


def all_ways():
    """Two ways at epsilon 0, 1 and 4, three seeds; the second was not measured at 4."""
    values = np.array([[0.5, 0.02, 0.01], [0.3, 0.2, np.nan]])[..., None] * np.array([0.5, 1, 2])
    label = {"long_name": "error", "units": "decades"}
    return xr.Dataset(
        {"mse": (("way", "epsilon", "seed"), values, label), "other": (("way", "epsilon"), values[..., 0])},
        {"way": ["sums", "training"], "epsilon": [0.0, 1.0, 4.0]},
        {"title": "From a run.", "samples": 2000, "delta": 1e-5, "gaussian": ["sums"]},
    )


def test_all_ways_are_on_one_axis_where_they_were_measured_and_nowhere_else():
    dial = PrivacyDial(ways=all_ways())
    dial.solve(1.0)

    beside = dial.beside

    np.testing.assert_allclose(floats(beside["x"]), [1, 4])
    np.testing.assert_allclose(floats(beside["lines"]).reshape(2, 2), [[0.02, 0.01], [0.2, np.nan]], rtol=1e-6)
    assert beside["rows"] == [["sums", "0.02 at epsilon 1", "0.5"], ["training", "0.2 at epsilon 1", "0.3"]]
    assert beside["y_label"] == "measure (decades)" and beside["title"].startswith("error of all")
    assert beside["note"].startswith("From a run. Measured with 2,000")
    dial.solve(4.0)
    assert [row[1] for row in dial.beside["rows"]] == ["0.01 at epsilon 4", "not measured; at 1 it is 0.2"]
    assert "sums: 0.01 at epsilon 4" in dial.without_browser()


def test_medians_of_seeds_are_called_so():
    assert PrivacyDial(ways=all_ways()).beside["title"] == "error of all ways, as measured: median of the seeds"
    assert PrivacyDial(ways=all_ways().isel(seed=0)).beside["title"] == "error of all ways, as measured"


def test_numbers_of_other_settings_say_so_and_none_stay_where_there_is_no_epsilon():
    dial = PrivacyDial(5000, ways=all_ways())

    assert "The dial has 5,000 samples: these numbers are of other settings." in dial.beside["note"]
    dial.change(sampling="replacement")
    assert dial.beside == {}


def test_another_measure_is_chosen_and_what_is_none_is_refused():
    dial = PrivacyDial(ways=all_ways())

    dial.look("other")

    assert dial.beside["measure"] == "other" and dial.beside["measures"] == [["mse", "error"], ["other", "other"]]
    with pytest.raises(ConfigError, match="there are mse, other"):
        dial.look("more")
    with pytest.raises(ConfigError, match="over the dims way and epsilon"):
        PrivacyDial(ways=all_ways().rename(way="how"))


def test_a_user_of_several_samples_has_an_epsilon_of_their_own():
    dial = PrivacyDial(noise_multiplier=4.0, ways=all_ways())
    of_one, drawn = dial.epsilon, dial.beside["now"]

    dial.change(series=3)

    rate = {"sample_rate": 0.05, "steps": dial.steps, "delta": 1e-5, "releases": 2, "noise_multiplier": 4.0}
    assert dial.epsilon == pytest.approx(epsilon(**rate, series=3)) and dial.epsilon > 2 * of_one
    assert "3 samples of one user" in dial.frame["words"][1] and "series=3" in dial.code()
    assert dial.beside["now"] == drawn  # what was measured is of one sample
    assert [row[-1] for row in dial.beside["rows"]][1] == "–"
    assert float(dial.beside["rows"][0][-1]) == pytest.approx(
        user_epsilon(4.0 if drawn > 2 else 1.0, 1e-5, 3), rel=0.01
    )


def test_runs_without_epsilon_are_found_by_their_noise():
    dial = PrivacyDial(noise_multiplier=3.5, recorded=recorded(noise_multiplier=[4.0, 2.0, 1.0, 0.0]))

    assert dial.record["names"] == ["noise multiplier 4 (a)", "noise multiplier 0 (d)"]


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda ds: ds.drop_vars("epsilon"), "neither 'epsilon' nor 'noise_multiplier'"),
        (lambda ds: ds.drop_vars("autocorrelation"), "no variable 'autocorrelation'"),
        (lambda ds: ds.expand_dims(step=[1, 2]), r"recorded\.isel\(step=-1\)"),
    ],
)
def test_recorded_runs_that_cannot_be_shown_are_refused(spoil, message):
    with pytest.raises(ConfigError, match=message):
        PrivacyDial(recorded=spoil(recorded()))


def test_the_page_without_javascript_says_epsilon_and_what_it_covers():
    dial = PrivacyDial(noise_multiplier=3.0)

    text = dial.without_browser()

    assert f"Epsilon {at_most(dial.epsilon)}" in text and "Not covered" in text and dial.code() in text


@pytest.mark.parametrize(
    ("change", "why"),
    [({"delta": 1e-300}, "PRV's own rounding"), ({"epochs": 10_000}, "PRV is asked up to an epsilon of 20")],
)
def test_where_prv_has_no_answer_or_takes_long_rdp_answers_and_the_note_says_why(change, why):
    dial = PrivacyDial(2000, noise_multiplier=50.0)

    dial.change(accountant="prv", **change)

    assert dial.frame["accountant"] == "RDP" and why in dial.frame["note"]
    assert dial.epsilon == epsilon(
        noise_multiplier=50.0, sample_rate=0.05, steps=dial.steps, delta=dial.settings["delta"], releases=2
    )


def test_a_target_that_asks_for_noise_out_of_range_changes_nothing():
    dial = PrivacyDial()
    before = dial.settings

    with pytest.raises(ConfigError, match="noise_multiplier="):
        dial.solve(1e20)

    assert dial.settings == before


def test_a_change_in_a_cell_answers_no_page():
    dial = PrivacyDial(2000)
    dial._receive(dial, {"action": "change", "values": {"noise_multiplier": 2.0, "token": "a page's"}}, [])
    assert dial.answered == "a page's"
    dial.change(steps=100)
    dial.solve(5.0)
    assert dial.answered == "a page's"  # and none that it would take for another's
