"""The studio without a browser: what its buttons do, its thread, its state, what it sends."""

import asyncio
import contextlib
import copy
import gc
import json
import re
import threading
import time
import weakref
from dataclasses import replace

import numpy as np
import psutil
import pytest
import torch
import xarray as xr
from dgkit_widgets import TrainingStudio, _lifetime, _session, _views
from dgkit_widgets._models import KINDS, parts
from dgkit_widgets.studio import RATE
from opacus.accountants import RDPAccountant

import dgkit as dg
from dgkit import Config, Trainer, course, metrics
from dgkit._text import at_most
from dgkit.errors import ConfigError, DivergenceError, SchemaError
from dgkit.privacy import DP
from tests.conftest import RunningCell, small_dataset

TINY = Config(steps=5000, sample_len=4, batch_size=8, lstm_units=6, attribute_units=8, discriminator_units=10)


def make(config=TINY, dataset=None, **options):
    return TrainingStudio(small_dataset() if dataset is None else dataset, config, **options)


@pytest.fixture
def studio():
    studio = make()
    yield studio
    studio.close()


def until(condition, seconds=20):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.005)


def measured(history):
    """A history without its wall times."""
    return history.drop_vars("seconds")


def parameters(trainer, *names):
    return [p.detach().clone() for name in names for p in getattr(trainer, name).parameters()]


def same(a, b):
    return all(torch.equal(x, y) for x, y in zip(a, b, strict=True))


def training_threads():
    return [thread for thread in threading.enumerate() if thread.name.startswith("dgkit training")]


def press(studio, action, **values):
    """What the browser sends."""
    studio._receive(studio, {"action": action, "values": values}, [])


def run_code(text, ds=None):
    scope = {"ds": ds}
    exec(text, scope)
    return scope


# --- training ---------------------------------------------------------------------------------------------------------


def test_the_studio_trains_exactly_as_the_trainer_does(studio):
    studio.start()
    until(lambda: studio.trainer.step >= 30)
    studio.pause()
    studio.wait()

    plain = Trainer(small_dataset(), TINY)
    for _ in range(studio.trainer.step):
        next(plain)
    assert measured(studio.history).equals(measured(plain.history_dataset()))
    assert same(parameters(studio.trainer, "generator"), parameters(plain, "generator"))
    assert studio.status["state"] == "paused" and studio.status["step"] == studio.trainer.step


def test_half_steps_change_their_own_networks_and_together_count_as_a_step(studio):
    generator, critics = (
        parameters(studio.trainer, "generator"),
        parameters(studio.trainer, "discriminator", "auxiliary"),
    )

    press(studio, "discriminator_step")
    after = parameters(studio.trainer, "discriminator", "auxiliary")
    assert same(generator, parameters(studio.trainer, "generator")) and not same(critics, after)
    assert studio.trainer.step == 0 and studio.status["half"]["which"] == "discriminator"
    assert studio.status["extra"] == {"discriminator": 1, "generator": 0}

    press(studio, "generator_step")
    assert same(after, parameters(studio.trainer, "discriminator", "auxiliary"))
    assert not same(generator, parameters(studio.trainer, "generator"))

    plain = Trainer(small_dataset(), TINY)
    next(plain)
    assert measured(studio.history).equals(measured(plain.history_dataset()))
    assert studio.session.log == [["steps", 1]] and studio.error == ""


def curve(studio, name):
    return np.frombuffer(studio.frame[name], np.float32)


def test_half_steps_apart_are_drawn_half_a_step_wide_in_their_order(studio):
    studio.step(2)
    press(studio, "discriminator_step", n=20)
    press(studio, "generator_step", n=3)

    # the last discriminator half and the first generator half are a step
    assert studio.trainer.step == 3 and studio.status["extra"] == {"discriminator": 19, "generator": 2}
    np.testing.assert_array_equal(curve(studio, "x"), [1, 2, *np.arange(2.5, 12, 0.5), 12.5, 13, 13.5])
    estimate, loss = curve(studio, "wasserstein"), curve(studio, "generator_loss")
    assert np.isfinite(estimate[:22]).all() and np.isnan(estimate[22:]).all()
    assert np.isnan(loss[2:21]).all() and np.isfinite(loss[21:]).all()
    assert estimate[20] == np.float32(studio.session.halves[18][2]["wasserstein"]) > estimate[1]
    studio.step()
    assert curve(studio, "x")[-1] == 14.5


def test_half_steps_go_with_their_run(studio):
    press(studio, "discriminator_step", n=2)
    press(studio, "reset")
    assert studio.session.halves == [] and curve(studio, "x").size == 0
    press(studio, "discriminator_step", n=0)
    assert "n=0" in studio.error
    press(studio, "generator_step", n=10**9)
    assert "at most" in studio.error and studio.session.log == []


def test_pausing_takes_less_than_200_ms_and_says_how_long(studio):
    studio.start()
    until(lambda: studio.trainer.step >= 5)
    asked = time.perf_counter()
    press(studio, "pause")
    until(lambda: not studio.session.running)

    assert 0 < studio.session.stop_seconds <= time.perf_counter() - asked
    print(f"paused after {studio.session.stop_seconds * 1e3:.1f} ms")
    before = studio.trainer.step
    studio.wait()
    assert studio.trainer.step == before


def test_training_ends_at_its_steps_and_can_be_lengthened():
    studio = make(dg.Config(**{**vars(TINY), "steps": 7}))
    studio.start()
    studio.wait()
    assert studio.status["state"] == "finished" and studio.status["step"] == 7

    press(studio, "start")
    assert "training is finished" in studio.error
    press(studio, "change", steps=9)
    assert studio.error == ""
    studio.start()
    studio.wait()
    assert studio.trainer.step == 9
    studio.close()


def test_learning_rates_act_at_once_and_other_networks_on_reset(studio):
    studio.step(3)
    press(studio, "change", discriminator_lr=0.0003, generator_lr=0.01)
    press(studio, "change", sample_len=6, seed=4)

    assert studio.trainer.optimisers["generator"].rate == 0.01
    assert studio.trainer.config.auxiliary_lr == studio.trainer.config.discriminator_lr == 0.0003
    assert studio.trainer.step == 3 and studio.trainer.config.sample_len == 4
    assert sorted(studio.status["pending"]) == ["sample_len", "seed"]
    assert studio.settings["sample_len"] == 6

    press(studio, "reset")
    config = studio.trainer.config
    assert (config.sample_len, config.seed, config.generator_lr, studio.trainer.step) == (6, 4, 0.01, 0)
    assert studio.status["pending"] == [] and studio.status["state"] == "ready"


def test_settings_act_at_once_before_the_first_step(studio):
    press(studio, "change", sample_len=3)
    assert studio.trainer.config.sample_len == 3 and studio.status["pending"] == []
    press(studio, "change", dataset="broadband")
    assert studio.trainer.encoder.schema.features[0].name == "traffic_bytes" and studio.reference["time"] == 56


def test_a_bad_setting_is_refused_in_the_widget_and_nothing_changes(studio):
    for values, word in [
        ({"batch_size": 1}, "batch_size"),
        ({"nonsense": 1}, "nonsense"),
        ({"sample_len": 99}, "sample_len"),
    ]:
        press(studio, "change", **values)
        assert word in studio.error
        assert studio.settings["batch_size"] == 8 and studio.settings["sample_len"] == 4
    studio.step()
    assert studio.trainer.step == 1
    press(studio, "close")  # not an action
    assert studio.comm is not None


def test_settings_can_change_while_it_trains(studio):
    studio.start()
    until(lambda: studio.trainer.step >= 5)
    press(studio, "change", generator_lr=0.0001)
    at = studio.trainer.step
    until(lambda: studio.trainer.step >= at + 5)
    studio.pause()
    studio.wait()

    assert studio.error == "" and studio.trainer.config.generator_lr == 0.0001
    kinds = [kind for kind, _ in studio.session.log]
    assert kinds == ["steps", "set", "steps"]
    scope = run_code(studio.code(), small_dataset())
    assert measured(scope["trainer"].history_dataset()).equals(measured(studio.history))


def test_model_and_history_can_be_used_while_it_trains(studio):
    studio.start()
    until(lambda: studio.trainer.step >= 3)
    fake, history = studio.model.sample(5, seed=1), studio.history
    assert studio.session.running and fake.sizes["sample"] == 5 and history.sizes["step"] >= 3
    studio.pause()


# --- privacy ----------------------------------------------------------------------------------------------------------


def test_the_switch_and_fields_of_privacy_make_the_configs_dp(studio):
    assert studio.settings["dp"] is False and studio.status["privacy"] is None

    press(studio, "change", noise_multiplier=2.5)
    assert studio.trainer.config.dp is None  # the switch is off: only the field
    press(studio, "change", dp=True)
    press(studio, "change", max_grad_norm=0.5)
    assert studio.error == "" and studio.trainer.config.dp == DP(2.5, 0.5)
    press(studio, "change", dp=False)
    assert studio.trainer.config.dp is None
    assert (studio.settings["noise_multiplier"], studio.settings["max_grad_norm"]) == (2.5, 0.5)  # kept for the next
    studio.change(dp=DP(3.0, delta=1e-6))
    assert (studio.settings["dp"], studio.settings["noise_multiplier"], studio.settings["delta"]) == (True, 3.0, 1e-6)


def test_epsilon_is_shown_as_it_is_spent_also_by_half_steps(studio):
    press(studio, "change", dp=True, noise_multiplier=3.0)

    for _ in range(4):
        press(studio, "step")
    press(studio, "discriminator_step")

    assert studio.error == ""
    accountant = RDPAccountant()
    rate = 8 / small_dataset().sizes["sample"]
    accountant.history = [(3.0 / 2**0.5, rate, 5)]  # two discriminators on each of five batches
    expected = accountant.get_epsilon(1e-5)
    shown = studio.status["privacy"]
    assert shown["epsilon"] == at_most(expected) and f"epsilon {at_most(expected)} at delta = 1e-5" in shown["says"]
    assert "Not covered: a user with more samples than are counted" in shown["covers"]
    assert float(studio.history.epsilon[-1]) == pytest.approx(studio.trainer.epsilon(), rel=0.2)
    json.dumps(studio.status, allow_nan=False)


def test_without_noise_the_studio_promises_nothing():
    studio = make(replace(TINY, dp=DP(0.0)))

    studio.step()

    assert studio.status["privacy"]["epsilon"] == "∞" and studio.status["privacy"]["covers"] == ""
    assert "nothing is promised" in studio.status["privacy"]["says"]
    json.dumps(studio.status, allow_nan=False)
    studio.close()


def test_for_batches_with_replacement_the_studio_states_no_epsilon():
    studio = make(replace(TINY, dp=DP(1.0, sampling="replacement")))

    studio.step()

    assert studio.status["privacy"]["epsilon"] == "∞" and "far larger" in studio.status["privacy"]["says"]
    studio.close()


def test_of_a_private_run_the_studio_draws_no_loss_of_the_discriminators():
    studio = make(replace(TINY, dp=DP(1.0)))

    studio.step(3)
    press(studio, "discriminator_step")

    curves = studio.frame
    for name in ("discriminator_loss", "auxiliary_loss", "wasserstein", "auxiliary_wasserstein"):
        assert np.isnan(np.frombuffer(curves[name], np.float32)).all()
        assert studio.status["half"].get(name) is None
    for name in ("generator_loss", "discriminator_gradient"):
        assert np.isfinite(np.frombuffer(curves[name], np.float32)[:3]).all()
    assert studio.picture["flow"]["judged"]["main"]["real"] == []
    press(studio, "slow_motion")
    assert "keeps that secret" in studio.error and not studio.walk
    studio.close()


@pytest.mark.parametrize(
    ("values", "words"),
    [({"noise_multiplier": -1.0}, "noise_multiplier=-1.0 must be finite and at least 0"),
     ({"max_grad_norm": 0.0}, "max_grad_norm=0.0 must be above 0"),
     ({"delta": 0.5}, "delta=0.5 is not below 1 / 40"),
     ({"batch_size": 41}, "batch_size=41 is more than the 40 samples"),
     ({"dp": "yes"}, "dp='yes' must be")],
)  # fmt: skip
def test_a_private_setting_that_cannot_be_is_refused_in_the_widget(values, words):
    studio = make(replace(TINY, dp=DP(2.0)))
    before = studio.settings

    press(studio, "change", **values)

    assert words in studio.error
    assert studio.settings == before and studio.trainer.config.dp == DP(2.0)
    press(studio, "step")
    assert studio.error == "" and studio.trainer.step == 1
    studio.close()


def test_in_a_private_run_what_would_make_its_epsilon_untrue_is_refused_with_the_way_out():
    studio = make(replace(TINY, dp=DP(2.0)))
    studio.step(2)

    press(studio, "change", batch_size=4)

    assert "epsilon is accounted from the first step on" in studio.error and "press Reset" in studio.error
    assert studio.settings["batch_size"] == 8 and studio.trainer.step == 2
    press(studio, "change", generator_lr=0.01)  # which is no matter of epsilon
    assert studio.error == "" and studio.trainer.config.generator_lr == 0.01
    press(studio, "reset")
    press(studio, "change", batch_size=4)
    assert studio.error == "" and studio.trainer.config.batch_size == 4 and studio.trainer.config.dp == DP(2.0)
    studio.close()


def test_privacy_turned_on_in_mid_run_waits_for_a_reset(studio):
    studio.step(2)

    press(studio, "change", dp=True, noise_multiplier=4.0)

    assert studio.status["pending"] == ["dp"] and studio.status["privacy"] is None
    press(studio, "reset")
    assert studio.status["pending"] == [] and studio.trainer.config.dp == DP(4.0)
    press(studio, "step")
    press(studio, "change", max_grad_norm=0.1)
    assert studio.status["pending"] == ["max_grad_norm"]


def test_a_private_runs_code_and_state_spend_as_much_with_noise_of_their_own():
    studio = make(replace(TINY, dp=DP(2.0, 0.5)))
    studio.step(2)
    press(studio, "change", generator_lr=0.002)
    studio.step()

    scope = run_code(studio.code(), small_dataset())
    again = TrainingStudio.from_json(studio.to_json(), small_dataset())
    again.wait()

    assert "cannot be repeated" in studio.code()
    for trainer in (scope["trainer"], again.trainer):
        history = trainer.history_dataset()
        assert history.epsilon.equals(studio.history.epsilon)
        assert not history.discriminator_gradient.equals(studio.history.discriminator_gradient)
    assert again.settings == studio.settings and again.status["privacy"] == studio.status["privacy"]
    assert again.trainer.config == studio.trainer.config
    studio.close()
    again.close()


def test_privacy_turned_off_and_on_again_has_the_fields_of_the_run_gone_to(studio):
    private = make(replace(TINY, dp=DP(2.0, 0.5)))

    press(studio, "paste", text=private.to_json())
    press(studio, "change", dp=False)
    press(studio, "change", dp=True)

    assert studio.error == "" and studio.trainer.config.dp == DP(2.0, 0.5)
    private.close()


def test_a_teacher_can_hide_privacy():
    for hidden in ("privacy", "dp"):
        studio = make(hide=[hidden])
        names = {control["name"] for control in studio.controls}
        assert not names & {"dp", "noise_multiplier", "max_grad_norm", "delta"} and "seed" in names
        studio.close()


# --- errors -----------------------------------------------------------------------------------------------------------


def test_divergence_is_shown_and_the_last_good_state_kept():
    config = dg.Config(**{**vars(TINY), "discriminator_lr": 1e6})
    studio = make(config)
    studio.start()
    studio.wait()

    assert "training diverged at step 1" in studio.error and "back at step" in studio.error
    assert studio.status["state"] == "error"
    with pytest.raises(DivergenceError) as raised:
        for _ in Trainer(small_dataset(), config):
            pass
    good = len(raised.value.state["tensors"]["history.step"])
    assert studio.trainer.step == good == sum(n for kind, n in studio.session.log if kind == "steps")
    assert all(torch.isfinite(p).all() for p in parameters(studio.trainer, "generator", "discriminator"))
    press(studio, "change", discriminator_lr=0.001)
    press(studio, "step")
    assert studio.error == "" and studio.trainer.step == good + 1
    studio.close()


def test_any_exception_of_the_thread_is_shown_and_leaves_no_thread(studio, monkeypatch):
    def broken(self):
        raise RuntimeError("no such luck")

    monkeypatch.setattr(Trainer, "step_generator", broken)
    studio.start()
    studio.wait()

    assert "RuntimeError: no such luck" in studio.error and "test_widget_studio.py" in studio.error
    assert studio.status["state"] == "error" and not training_threads()


# --- threads and what is sent -----------------------------------------------------------------------------------------


def test_an_error_is_over_with_the_next_run(studio, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(studio.session, "_do", lambda kind, value: 1 / 0)
        studio.start()
        studio.wait()
    assert "ZeroDivisionError" in studio.error

    studio.step()

    assert studio.error == "" and studio.status["state"] == "paused"


def test_two_threads_that_start_at_once_start_one_training(studio, monkeypatch):
    session, both = studio.session, threading.Barrier(2)
    join = session.join

    def slow():  # both are past the look at whether it runs
        join(1)
        with contextlib.suppress(threading.BrokenBarrierError):
            both.wait(0.5)

    monkeypatch.setattr(session, "join", slow)
    threads = [threading.Thread(target=session.start) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    running = [one for one in threading.enumerate() if one.name == f"dgkit training {id(session):x}"]
    monkeypatch.undo()
    for _ in running:
        session.halt()

    assert len(running) == 1


@pytest.mark.slow
def test_a_hundred_starts_stops_and_resets_leave_no_thread_and_no_memory(studio):
    process, levels = psutil.Process(), []
    for k in range(100):
        press(studio, "start")
        press(studio, "pause")
        if k % 2:
            press(studio, "reset")
        if k >= 20 and k % 10 == 9:
            gc.collect()
            levels.append(process.memory_info().rss / 2**20)
        assert len(training_threads()) <= 1
    studio.wait()

    assert studio.error == "" and not training_threads()
    print(f"memory (MiB): {', '.join(f'{level:.1f}' for level in levels)}")
    assert levels[-1] - levels[0] < 50


def test_a_start_right_after_a_pause_goes_on(studio):
    studio.start()
    until(lambda: studio.trainer.step >= 1)

    for _ in range(5):
        studio.pause()
        studio.start()
        before = studio.trainer.step
        until(lambda before=before: studio.trainer.step > before)

    assert studio.session.running and len(training_threads()) == 1
    studio.pause()


def test_a_look_while_it_trains_is_of_one_step(studio, monkeypatch):
    torn, original = [], _views.Look.picture

    def watched(look, trainer, sample=0):
        before = copy.deepcopy(trainer.weights())
        found = original(look, trainer, sample)
        torn.extend(name for name, value in trainer.weights().items() if not torch.equal(value, before[name]))
        return found

    monkeypatch.setattr(_views.Look, "picture", watched)
    studio.start()
    until(lambda: studio.trainer.step >= 2)
    for sample in range(4):
        studio.look(sample=sample)
    studio.pause()

    assert studio.error == "" and torn == []


def test_starting_a_studio_pauses_every_other_one(studio):
    other = make()
    studio.start()
    until(lambda: studio.trainer.step >= 2)
    other.start()
    until(lambda: other.trainer.step >= 2)

    assert not studio.session.running and other.session.running and len(training_threads()) == 1
    other.close()
    assert not training_threads()


def test_studios_side_by_side_run_at_once_and_share_their_ranges():
    a, b = make(), make(dg.Config(**{**vars(TINY), "generator_lr": 0.01}))
    box = TrainingStudio.compare(a, b)
    assert box.children == (a, b) and (a.title, b.title) == ("A", "B")
    a.start()
    b.start()
    until(lambda: a.trainer.step > 30 and b.trainer.step > 30)
    assert a.session.running and b.session.running
    for studio in (a, b):
        studio.pause()
        studio.wait()

    assert a.ranges == b.ranges
    both = np.concatenate([studio.history.wasserstein.values for studio in (a, b)])
    both = np.append(both, np.concatenate([studio.history.auxiliary_wasserstein.values for studio in (a, b)]))
    assert a.ranges["wasserstein"] == pytest.approx([both.min(), both.max()])
    a.close()
    b.close()


def test_buttons_of_linked_studios_act_on_both_and_settings_on_one():
    a, b = make(), make(dg.Config(**{**vars(TINY), "auto_normalise": False}))
    TrainingStudio.compare(a, b, together=True)

    press(a, "step", n=2)
    press(b, "discriminator_step")
    press(b, "look", sample=3)
    press(b, "slow_motion")
    assert a.walk and b.walk
    press(a, "change", generator_lr=0.01)
    assert a.session.log[:2] == [["steps", 2], ["discriminator", 1]] and b.session.log == a.session.log[:2]
    assert a.picture["flow"]["sample"] == b.picture["flow"]["sample"] == 3
    assert a.trainer.config.generator_lr == 0.01 != b.trainer.config.generator_lr
    assert all(studio.status["beside"] and studio.status["linked"] for studio in (a, b))

    press(b, "start")
    until(lambda: a.trainer.step > 5 and b.trainer.step > 5)
    press(a, "pause")
    for studio in (a, b):
        studio.wait()
    press(a, "reset")
    assert a.trainer.step == b.trainer.step == 0
    press(b, "change", steps=1)
    press(a, "step", n=2)  # one has no room for it: that one says so
    assert (a.trainer.step, b.trainer.step) == (2, 0)
    assert a.error == "" and "too few are left" in b.error
    a.close()
    b.close()


def test_a_linked_studio_that_is_finished_keeps_the_other_from_nothing():
    a, b = make(replace(TINY, steps=1)), make()
    TrainingStudio.compare(a, b, together=True)
    a.step()

    a._receive(a, {"action": "step"}, [])

    assert (a.trainer.step, b.trainer.step) == (1, 1) and "too few are left" in a.error and b.error == ""
    a.close()
    b.close()


def test_updates_stay_below_the_limit_and_the_last_state_is_sent(studio, monkeypatch):
    sent = []
    send = studio.send_state

    def count(key=None):
        sent.append((time.perf_counter(), dict(studio.status)))
        send(key)

    monkeypatch.setattr(studio, "send_state", count)
    studio.change(steps=400)
    sent.clear()
    studio.start()
    studio.wait()

    times = np.array([when for when, _ in sent])
    assert len(sent) >= 2 and np.diff(times).min() >= 0.9 / RATE
    assert sent[-1][1]["step"] == studio.trainer.step == 400 and sent[-1][1]["state"] == "finished"
    assert np.frombuffer(studio.frame["x"], np.float32)[-1] == 400
    assert studio.picture["step"] == 400


def test_closing_stops_training_and_keeps_the_run(studio):
    studio.start()
    until(lambda: studio.trainer.step >= 3)
    studio.close()

    assert not training_threads() and studio.trainer.step >= 3
    assert studio.model.sample(2).sizes["sample"] == 2


def attend(studio, view, here=True, **more):
    studio._attend(studio, {"view": view, "here": here, **more}, [])


def test_training_pauses_when_no_page_shows_the_studio(studio, monkeypatch):
    monkeypatch.setattr(_lifetime, "LEAVE_SECONDS", 0.1)
    studio.start()
    until(lambda: studio.trainer.step >= 20)  # never seen: a script trains on
    attend(studio, "one")
    attend(studio, "two")
    attend(studio, "one", here=False)
    time.sleep(0.2)
    assert studio.session.running
    attend(studio, "two", here=False)
    studio.wait(20)
    assert not studio.session.running and "no page shows" in studio.status["note"]


def test_training_pauses_when_its_pages_fall_silent_but_waits_for_patient_ones(studio, monkeypatch):
    monkeypatch.setattr(_lifetime, "SILENT_SECONDS", 0.1)
    attend(studio, "hidden", patience=60)
    studio.start()
    time.sleep(0.3)
    assert studio.session.running
    attend(studio, "hidden", here=False)
    attend(studio, "seen")
    studio.wait(20)
    assert not studio.session.running and "no page shows" in studio.status["note"]


def test_silence_behind_a_busy_cell_does_not_count(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(_lifetime.time, "perf_counter", lambda: now[0])

    async def scenario():
        attendance = _lifetime.Attendance()
        attendance.heard("page", True)
        await asyncio.sleep(0)
        now[0] = 100.0  # a cell has kept the loop for 100 s
        assert not attendance.abandoned()
        await asyncio.sleep(0)  # it ends: the loop turns, messages are still queued
        assert not attendance.abandoned()
        for now[0] in np.arange(101.0, 100 + _lifetime.SILENT_SECONDS, 1):
            await asyncio.sleep(0)
            assert not attendance.abandoned()
        now[0] += 2.0
        assert attendance.abandoned()

    asyncio.run(scenario())


def test_a_cell_that_runs_again_closes_its_earlier_studio(monkeypatch):
    def run(cell, message):
        monkeypatch.setattr("dgkit_widgets._lifetime.get_ipython", lambda: RunningCell(cell, message))
        return make()

    first, beside = run("cell-1", "run-1"), run("cell-1", "run-1")
    elsewhere = run("cell-2", "run-2")
    beside.start()
    again = run("cell-1", "run-3")
    assert beside.comm is None and first.comm is None and not training_threads()
    assert elsewhere.comm is not None and again.comm is not None
    gone = weakref.ref(beside)
    del beside
    gc.collect()
    assert gone() is None  # nothing keeps its data in memory
    for studio in (elsewhere, again):
        studio.close()


def test_an_interrupt_keeps_the_last_state(studio, monkeypatch):
    join = threading.Thread.join
    once = iter([KeyboardInterrupt])

    def interrupted(self, timeout=None):
        for error in once:
            until(lambda: studio.trainer.step >= 3)
            raise error
        return join(self, timeout)

    studio.start()
    monkeypatch.setattr(threading.Thread, "join", interrupted)
    with pytest.raises(KeyboardInterrupt):
        studio.wait()
    assert not studio.session.running and studio.trainer.step >= 3 and studio.status["state"] == "paused"


# --- state and code ---------------------------------------------------------------------------------------------------


def eventful(studio):
    studio.step(3)
    studio.discriminator_step()
    studio.discriminator_step()
    studio.generator_step()
    studio.generator_step()
    studio.change(generator_lr=0.002, batch_size=6)
    studio.step(2)
    studio.discriminator_step()
    studio.change(discriminator_rounds=2)
    studio.step()


def test_the_code_does_exactly_what_was_done_by_hand(studio):
    eventful(studio)
    scope = run_code(studio.code(), small_dataset())

    assert measured(scope["trainer"].history_dataset()).equals(measured(studio.history))
    nets = "generator", "discriminator", "auxiliary"
    assert same(parameters(scope["trainer"], *nets), parameters(studio.trainer, *nets))
    assert scope["fake"].equals(studio.model.sample(1000, seed=1))
    assert max(map(len, studio.code().splitlines())) <= 120


def test_the_code_opens_shipped_data_by_itself():
    studio = TrainingStudio("broadband", dg.Config(steps=3, sample_len=8, batch_size=8))
    studio.start()
    studio.wait()
    scope = run_code(studio.code())
    assert measured(scope["trainer"].history_dataset()).equals(measured(studio.history))
    assert studio.reference["held_acf"]
    studio.close()


def test_a_state_comes_back_bit_for_bit(studio):
    eventful(studio)
    text = studio.to_json()
    again = TrainingStudio.from_json(text, small_dataset())
    again.wait()

    state = json.loads(text)
    assert (state["step"], state["seed"], state["dataset"]) == (studio.trainer.step, 0, None)
    assert again.error == "" and measured(again.history).equals(measured(studio.history))
    nets = "generator", "discriminator", "auxiliary"
    assert same(parameters(again.trainer, *nets), parameters(studio.trainer, *nets))
    assert json.loads(again.to_json()) == state
    studio.step()
    again.step()
    assert measured(again.history).equals(measured(studio.history))
    again.close()


def test_a_state_is_pasted_into_a_running_studio_and_may_be_written_by_hand(studio):
    studio.start()
    press(studio, "paste", text=json.dumps({"dataset": None, "config": vars(TINY) | {"sample_len": 6}, "step": 4}))
    studio.wait()
    assert studio.error == "" and studio.trainer.step == 4 and studio.trainer.config.sample_len == 6

    press(studio, "paste", text=json.dumps({"dataset": "broadband", "config": {"batch_size": 8}, "seed": 3}))
    assert studio.error == "" and studio.settings["dataset"] == "broadband" and studio.trainer.config.seed == 3


@pytest.mark.parametrize(
    "text, message",
    [
        ("{", "not the state"),
        ("[]", "not the state"),
        ('{"config": {"nonsense": 1}}', "not the state"),
        ('{"config": {"batch_size": 1}}', "batch_size"),
        ('{"dataset": "nowhere"}', "nowhere"),
        ('{"dataset": null, "log": [["steps", -1]]}', "no entry"),
        ('{"dataset": null, "log": [["eval", "1"]]}', "no entry"),
        ('{"dataset": null, "log": 5}', "no entry"),
        ('{"dataset": {"web": 1}}', "must be a name or null"),
        ("[" * 100_000 + "]" * 100_000, "not the state"),
        ('{"config": {"steps": ' + "[" * 500 + "]" * 500 + "}}", "nested"),
        ('{"config": {"steps": ' + "9" * 400 + "}}", "whole number"),
        ('{"dataset": null, "config": {"steps": 50}, "step": 51}', "the log takes 51 steps"),
        ('{"dataset": null, "config": {"steps": 50}, "log": [["steps", 30], ["steps", 30]]}', "60 steps"),
        ('{"dataset": null, "config": {"steps": 50}, "log": [["set", {"steps": 60}], ["steps", 61]]}', "at most 60"),
        ('{"dataset": null, "log": [["set", {"steps": 0}]]}', "steps=0"),
        ('{"dataset": null, "log": [["set", {"lstm_units": 7}]]}', "takes effect on reset"),
        ('{"dataset": null, "log": [["generator", 1000000000]]}', "half steps"),
        ('{"dataset": null, "log": [["load", "/etc/hostname"]]}', "no checkpoint '/etc/hostname'"),
        ('{"dataset": null, "log": [["steps", 1], ["load", "a"]]}', "only the first"),
    ],
)  # fmt: skip
def test_a_bad_state_is_refused_in_the_widget(studio, text, message):
    studio.step()
    press(studio, "paste", text=text)
    assert message in studio.error and studio.trainer.step == 1


def test_a_log_whose_config_gave_more_steps_before_may_have_taken_them():
    log = [["steps", 50], ["set", {"steps": 20}], ["discriminator", 1]]

    assert _session.check_log(log, Config(steps=50)) == log


def test_only_a_cell_names_files_of_training_states(tmp_path, studio):
    path = tmp_path / "own.state"
    trainer = Trainer(small_dataset(), TINY)
    next(trainer)
    trainer.save(path)
    text = json.dumps({"dataset": None, "config": vars(TINY), "log": [["load", str(path)], ["steps", 1]]})

    press(studio, "restore", name=str(path))
    assert "there is no checkpoint" in studio.error and "restore(path)" in studio.error and studio.trainer.step == 0
    press(studio, "paste", text=text)
    assert "there is no checkpoint" in studio.error and studio.trainer.step == 0
    with pytest.raises(ConfigError, match="there is no checkpoint"):
        TrainingStudio.from_json(text, small_dataset())

    studio.restore(path)
    assert studio.trainer.step == 1
    studio.step()
    text = studio.to_json()
    press(studio, "reset")
    press(studio, "paste", text=text)
    studio.wait()
    assert studio.error == "" and studio.trainer.step == 2


def test_a_replayed_log_ends_where_the_loaded_run_does(tmp_path):
    trainer = Trainer(small_dataset(), replace(TINY, steps=3))
    next(trainer)
    trainer.save(tmp_path / "a.state")
    studio = make(checkpoints={"a": tmp_path / "a.state"})

    press(studio, "paste", text=json.dumps({"dataset": None, "log": [["load", "a"], ["steps", 9]]}))
    studio.wait()

    assert studio.trainer.step == 3 and studio.error.startswith("all 3 steps are taken")
    studio.close()


def test_a_state_of_ones_own_data_needs_them(studio):
    with pytest.raises(ConfigError, match="dataset="):
        TrainingStudio.from_json(studio.to_json())


def test_a_checkpoint_goes_on_training(tmp_path):
    trainer = Trainer(small_dataset(), TINY)
    for _ in range(3):
        next(trainer)
    trainer.save(tmp_path / "three.state")
    studio = make(checkpoints={"three": tmp_path / "three.state"})
    press(studio, "restore", name="three")
    assert studio.error == "" and studio.trainer.step == 3
    studio.step()
    next(trainer)

    assert measured(studio.history).equals(measured(trainer.history_dataset()))
    scope = run_code(studio.code(), small_dataset())
    assert measured(scope["trainer"].history_dataset()).equals(measured(studio.history))
    again = TrainingStudio.from_json(studio.to_json(), small_dataset(), checkpoints={"three": tmp_path / "three.state"})
    again.wait()
    assert measured(again.history).equals(measured(studio.history))

    with pytest.raises(dg.FileFormatError, match="no file at"):
        studio.restore(str(tmp_path / "missing.state"))
    assert studio.trainer.step == 4
    studio.close()
    again.close()


@pytest.mark.parametrize("name", sorted(course.checkpoints()))
def test_a_recorded_checkpoint_goes_on_training_and_the_code_says_how(name):
    studio = TrainingStudio("broadband", dg.Config(steps=50, batch_size=8))
    press(studio, "restore", name=name)
    assert studio.error == "" and studio.trainer.step > 0 and studio.settings["dataset"] == "web"
    before = studio.trainer.step
    studio.step()
    assert studio.trainer.step == before + 1

    scope = run_code(studio.code())
    assert measured(scope["trainer"].history_dataset()).equals(measured(studio.history))
    studio.close()


# --- what is drawn ----------------------------------------------------------------------------------------------------


def test_slow_motion_shows_the_batch_of_the_next_step_and_trains_nothing(studio):
    studio.step(3)
    before = studio.trainer.state()["tensors"]
    press(studio, "slow_motion")
    after = studio.trainer.state()["tensors"]
    assert studio.error == "" and all(torch.equal(before[k], after[k]) or before[k].isnan().any() for k in before)

    walk = studio.walk
    draws = torch.Generator()
    draws.set_state(studio.trainer.rng.get_state())
    rows = torch.randint(len(studio.trainer.real), (TINY.batch_size,), generator=draws)
    noise = studio.trainer.generator.draw(TINY.batch_size, draws)
    assert walk["noise"]["attribute"] == noise.attribute[0].tolist()
    scores = studio.trainer.discriminator(studio.trainer.real[rows])
    assert walk["judged"]["main"]["real"] == pytest.approx(scores.tolist(), abs=1e-6)
    halves = studio.trainer.step_discriminator()
    for key, name in (("main", "discriminator"), ("auxiliary", "auxiliary")):
        assert walk["judged"][key]["loss"] == pytest.approx(halves[f"{name}_loss"], rel=1e-6)
    assert walk["exact"] == 4 and len(walk["series"]["scaled"]) == 12
    domain = next(one for one in walk["attributes"] if one["name"] == "domain")
    assert sum(domain["shares"]) == pytest.approx(1) and domain["chosen"] == int(np.argmax(domain["shares"]))


def test_slow_motion_without_auto_normalisation_and_auxiliary():
    studio = make(dg.Config(**{**vars(TINY), "auto_normalise": False, "auxiliary": False}))
    press(studio, "slow_motion")
    assert studio.error == "" and "auxiliary" not in studio.walk["judged"] and studio.walk["series"]["range"] == []
    studio.close()


def test_the_picture_is_the_models_own_sample_and_the_metrics_are_dgkits(studio):
    studio.step(5)
    fake = studio.model.sample(200, seed=0)
    shown = np.frombuffer(studio.picture["series"], np.float32).reshape(-1, 12)
    np.testing.assert_array_equal(shown, fake.views.values[:6].astype(np.float32))
    curve = np.frombuffer(studio.picture["acf"], np.float32)
    expected = metrics.autocorrelation(fake.views).values
    np.testing.assert_allclose(curve[: len(expected)], expected, rtol=1e-6)
    distance = metrics.wasserstein(metrics.mid_range(small_dataset().views), metrics.mid_range(fake.views), scale="log")
    assert studio.picture["distance"] == pytest.approx(distance)
    domain = next(one for one in studio.picture["bars"] if one["name"] == "domain")
    assert domain["shares"] == [float((fake.domain == label).mean()) for label in domain["labels"]]
    assert sum(domain["shares"]) == pytest.approx(1)


def test_the_series_that_is_chosen_is_followed_through_the_networks(studio):
    studio.step(5)
    press(studio, "look", sample=3)

    fake, flow = studio.model.sample(200, seed=0), studio.picture["flow"]
    assert studio.error == "" and flow["sample"] == 3
    assert flow["series"]["raw"] == _views.clean(fake.views.values[3].tolist())
    domain = next(one for one in flow["attributes"] if one["name"] == "domain")
    assert domain["labels"][domain["chosen"]] == fake.domain.values[3]
    scores = studio.model.discriminate(studio._screen.look.train.isel(sample=studio._screen.look.order[:5]))
    assert flow["judged"]["main"]["real"][:5] == pytest.approx(scores.values.tolist(), abs=1e-5)
    for wrong in (6, -1, "1", 0.5):
        press(studio, "look", sample=wrong)
        assert "whole number from 0 to 5" in studio.error and studio.picture["flow"]["sample"] == 3


def test_the_slope_is_the_gradient_of_the_score_by_autograd(studio):
    studio.step(5)
    model, look = studio.model, studio._screen.look
    batch = look._batch(studio.trainer, model)
    x = batch.fake[:1].clone().requires_grad_()
    score = model.discriminator(x) + TINY.auxiliary_weight * model.auxiliary(x[:, -studio.trainer.narrow :])
    (expected,) = torch.autograd.grad(score.sum(), x)

    series = studio.picture["flow"]["series"]
    heads = [head.name for head in studio.trainer.encoder.feature_heads]
    features = expected[0, : -studio.trainer.narrow].reshape(12, -1)
    width = sum(h.width for h in studio.trainer.encoder.feature_heads[: heads.index("views")])
    np.testing.assert_allclose(series["slope"], features[:, width], atol=1e-6)
    place = [head.name for head in studio.trainer.encoder.minmax_heads].index("views mid-range")
    own = expected[0, -len(batch.made.minmax[0]) :][place : place + 2]
    np.testing.assert_allclose(series["slope_of_range"], own, atol=1e-6)


def test_the_cloud_is_level_and_amplitude_and_its_arrows_raise_the_score(studio):
    studio.step(20)
    fake, look = studio.model.sample(200, seed=0), studio._screen.look
    points = np.frombuffer(studio.picture["cloud"], np.float32).reshape(-1, 2)
    level, half = metrics.mid_range(fake.views).values, metrics.half_range(fake.views).values
    np.testing.assert_allclose(points, np.stack([level, half / level], 1), rtol=1e-5)

    batch = look._batch(studio.trainer, studio.model)
    slope = _views._slope(studio.trainer, studio.model, batch.fake[:10])
    nets = studio.model

    def score(x):
        return nets.discriminator(x) + TINY.auxiliary_weight * nets.auxiliary(x[:, -studio.trainer.narrow :])

    with torch.no_grad():
        assert (score(batch.fake[:10] + 1e-3 * slope) > score(batch.fake[:10])).all()
    pushed = np.frombuffer(studio.picture["pushed"], np.float32).reshape(-1, 2)
    assert len(pushed) == _views.ARROWS and np.isfinite(pushed).all() and not np.allclose(pushed, points[:30])


def test_other_models_show_what_they_have():
    surrogate = dg.baselines.fit("surrogate", small_dataset(), budget="smoke")
    studio = make(models={"surrogate": surrogate})

    shown, fake = studio.others["surrogate"], surrogate.sample(200, seed=0)
    np.testing.assert_array_equal(np.frombuffer(shown["series"], np.float32)[:12], fake.views.values[0].astype("f4"))
    gap = metrics.wasserstein(metrics.mid_range(small_dataset().views), metrics.mid_range(fake.views), scale="log")
    assert shown["distance"] == pytest.approx(gap) and "flow" not in shown
    press(studio, "look", feature="cpu")
    assert studio.others["surrogate"]["distance"] != shown["distance"]
    press(studio, "change", dataset="broadband")
    assert studio.error == "" and studio.others == {}
    studio.close()
    with pytest.raises(ConfigError, match="was trained on other data"):
        TrainingStudio("broadband", Config(steps=1, batch_size=8), models={"surrogate": surrogate})


@pytest.mark.parametrize("name", [*dg.baselines.names(), "doppelganger", "unknown"])
def test_each_other_model_is_drawn_from_what_goes_in_to_a_series(name, studio):
    if name in dg.baselines.names():
        model = dg.baselines.fit(name, small_dataset(), budget="smoke")
    else:
        model = studio.model if name == "doppelganger" else studio
    look = studio._screen.look
    fake = dg.simulate.web(3) if name == "unknown" else look.sampled(name, model)

    shown = parts(model, look, fake)

    *before, made = shown["parts"]
    assert made["role"] == "made"
    np.testing.assert_array_equal(np.frombuffer(made["line"], "f4"), fake.views.values[0].astype("f4"))
    assert all(part["name"] and part["text"] for part in before)
    assert ("net" in {part["role"] for part in before}) and (bool(shown["says"]) != (name == "unknown"))
    assert bool(shown["back"]) == (name in ("ar", "rnn", "hmm", "market", "flow_matching"))
    losses = shown.get("losses") or {}
    assert bool(losses) == (name in dg.baselines.names() and name != "surrogate")
    if losses:
        assert len(np.frombuffer(losses["x"], "f4")) == model.history.sizes["step"]


def test_flow_matching_is_shown_on_its_way_from_noise_to_what_it_samples(studio):
    model = dg.baselines.fit("flow_matching", small_dataset(), steps=30)
    fake = studio._screen.look.sampled("flow matching", model)

    way = parts(model, studio._screen.look, fake)["way"]

    series = np.frombuffer(way["series"], "f4").reshape(way["steps"] + 1, 6, -1)
    np.testing.assert_allclose(series[-1], fake.views.values[:6], rtol=1e-4)
    assert not np.allclose(series[0], series[-1], rtol=0.02, equal_nan=True)
    noise = np.frombuffer(way["points"], "f4").reshape(way["steps"] + 1, -1)[0]
    assert abs(noise.mean()) < 1 and 0.3 < noise.std() < 3


def test_the_way_is_that_of_the_feature_shown(studio):
    model = dg.baselines.fit("flow_matching", small_dataset(), steps=5)
    press(studio, "look", feature="cpu")
    look = studio._screen.look

    way = parts(model, look, look.sampled("flow matching", model))["way"]

    with torch.no_grad():
        drawn = model.network.draw(look.n, torch.Generator().manual_seed(0))
        x = next(model.network.way(*(part[:6] for part in drawn)))
    columns = x[0].unflatten(0, (small_dataset().sizes["time"], -1))
    np.testing.assert_array_equal(np.frombuffer(way["points"], "f4")[: len(columns)], columns[:, 1])  # after views


@pytest.mark.parametrize(("variable", "first"), [(True, "attributes, length"), (False, "attributes")])
def test_flow_matching_makes_lengths_where_they_differ_only(variable, first):
    model = dg.baselines.fit("flow_matching", small_dataset(variable=variable), steps=2)

    shown = KINDS["flow_matching"](model.network)["parts"]

    assert [part["name"] for part in shown] == [first, "level, range", "noise", "velocity"]


def test_what_is_real_is_measured_on_all_of_the_training_data(studio):
    ds = small_dataset()
    domain = next(one for one in studio.reference["bars"] if one["name"] == "domain")
    assert domain["shares"] == [float((ds.domain == label).mean()) for label in domain["labels"]]
    assert (studio.reference["n"], studio.picture["n"]) == (ds.sizes["sample"], 200)


def test_code_and_state_are_told_within_a_second_of_training(studio):
    studio.start()
    until(lambda: studio.shared["step"] > 0)
    assert studio.session.running and "islice(trainer" in studio.shared["code"]
    studio.pause()


@pytest.mark.parametrize("of", _views.CDF_OF)
def test_every_cdf_rises_to_one_on_the_real_side(studio, of):
    press(studio, "look", of=of, feature="cpu")
    cdf = np.frombuffer(studio.reference["cdf"], np.float32)
    assert studio.error == "" and studio.reference["feature"] == "cpu" and studio.reference["of"] == of
    assert (np.diff(cdf) >= 0).all() and cdf[-1] == 1


def test_data_without_a_continuous_feature_or_attribute_can_be_trained_on():
    rng = np.random.default_rng(0)
    ds = xr.Dataset({"state": (("sample", "time"), np.array(["on", "off"])[rng.integers(0, 2, (20, 6))])})
    studio = make(dg.Config(**{**vars(TINY), "sample_len": 2}), ds)
    studio.step()
    press(studio, "slow_motion")
    assert studio.error == "" and studio.reference["features"] == [] and studio.picture["bars"] == []
    studio.close()


def test_curves_are_means_of_equally_many_steps_and_end_at_the_last():
    trainer = Trainer(small_dataset(), TINY)
    for _ in range(23):
        next(trainer)
    curves = _views.Curves()
    curves.extend(trainer.history)
    frame = curves.frame(points=10)
    loss = np.array([record.generator_loss for record in trainer.history], np.float32)
    assert frame["per"] == 4
    np.testing.assert_array_equal(np.frombuffer(frame["x"], np.float32), [4, 8, 12, 16, 20, 23])
    expected = [*loss[:20].reshape(5, 4).mean(1), loss[20:].mean()]
    np.testing.assert_allclose(np.frombuffer(frame["generator_loss"], np.float32), expected, rtol=1e-6)


def test_all_categories_of_the_shipped_data_are_counted():
    ds = dg.open_dataset("broadband")
    studio = TrainingStudio("broadband", dg.Config(steps=1, batch_size=8))
    state = next(one for one in studio.reference["bars"] if one["name"] == "state")
    assert state["labels"] == np.unique(ds.state).tolist()
    studio.close()


def test_many_categories_are_gathered_and_shares_still_sum_to_one(monkeypatch):
    monkeypatch.setattr(_views, "BARS", 12)
    ds = dg.open_dataset("broadband")
    studio = TrainingStudio("broadband", dg.Config(steps=1, batch_size=8))
    state = next(one for one in studio.reference["bars"] if one["name"] == "state")
    assert len(np.unique(ds.state)) > len(state["labels"]) == _views.BARS
    assert re.fullmatch(r"\d+ others", state["labels"][-1]) and sum(state["shares"]) == pytest.approx(1)
    studio.close()


# --- the rest ---------------------------------------------------------------------------------------------------------


def test_a_teacher_can_hide_controls():
    studio = make(hide=["seed", "network", "code"])
    names = [control["name"] for control in studio.controls]
    assert "seed" not in names and "lstm_units" not in names and "code" not in names and "batch_size" in names
    with pytest.raises(ConfigError, match="sead"):
        make(hide=["sead"])
    studio.close()


def test_without_a_browser_the_repr_gives_the_code(studio):
    studio.step(2)
    bundle, _ = studio._repr_mimebundle_()
    assert "islice(trainer, 2)" in repr(studio) and "islice(trainer, 2)" in bundle["text/html"]
    assert "application/vnd.jupyter.widget-view+json" in bundle


def test_everything_sent_is_json_and_bytes(studio):
    studio.step()
    studio.discriminator_step()
    studio.slow_motion()
    for name in ("controls", "settings", "status", "walk", "ranges", "shared"):
        json.dumps(getattr(studio, name), allow_nan=False)
    for name in ("frame", "reference", "picture"):
        json.dumps({k: v for k, v in getattr(studio, name).items() if not isinstance(v, bytes)}, allow_nan=False)


def test_a_log_is_cut_at_a_step():
    log = [["steps", 5], ["discriminator", 1], ["set", {"steps": 9}], ["steps", 4]]
    assert _session.until(log, 9) == log
    assert _session.until(log, 5) == log[:3]
    assert _session.until(log, 7) == [*log[:3], ["steps", 2]]
    assert _session.until(log, 3) == [["steps", 3]]


def test_held_out_series_are_others_than_those_trained_on_in_their_unit_and_of_a_dataset_of_ones_own():
    own, others = small_dataset(), small_dataset(seed=1)
    for dataset, held_out, error, message in [
        (own, own.isel(sample=slice(5)), ConfigError, "5 of 5 held-out samples are samples of the training data"),
        (own, others.assign(cpu=others.cpu.assign_attrs(units="%")), SchemaError, "'cpu' is in 1 .* in %"),
        (own, others.drop_vars("cpu"), SchemaError, "'cpu' is missing"),
        ("web", others, ConfigError, "a shipped one brings its other half"),
    ]:
        with pytest.raises(error, match=message):
            TrainingStudio(dataset, TINY, held_out=held_out)
