"""Stops at any moment of a training: the step is whole, the process is as before, forked children go on."""

import os
import signal
import subprocess
import sys

import pytest
import torch

import dgkit as dg
from dgkit import _atomic, _moved
from dgkit._interrupts import after_the_step
from dgkit.core import trainer as loop
from dgkit.errors import DivergenceError


@pytest.fixture(autouse=True)
def _interrupts_reach_python():
    """Also where the tests run in the background, where a shell has interrupts ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def stopping(plain, at):
    """A function that is interrupted (Ctrl-C) before its call numbered `at`."""
    calls = []

    def called(*args, **kwargs):
        calls.append(1)
        if len(calls) == at:
            signal.raise_signal(signal.SIGINT)
        return plain(*args, **kwargs)

    return called


# within the discriminator's half step, between the halves, in the generator's: where the 7th to 12th update begins
@pytest.mark.parametrize("at", range(7, 13))
def test_an_interrupt_within_a_step_waits_for_its_end_and_the_run_goes_on_bit_for_bit(
    at, small, tiny_config, monkeypatch
):
    whole, other = dg.Trainer(small, tiny_config), dg.Trainer(small, tiny_config)
    list(whole)
    monkeypatch.setattr(loop, "descend", stopping(loop.descend, at))

    with pytest.raises(KeyboardInterrupt):
        list(other)
    assert other.batches == other.step and other.pending is None
    other = dg.Trainer.resume(other.state(), small)
    list(other)

    for name, value in whole.weights().items():
        assert torch.equal(value, other.weights()[name]), name


def test_what_a_private_run_has_spent_is_counted_where_it_is_interrupted(small, tiny_config, monkeypatch):
    config = dg.Config(**{**vars(tiny_config), "dp": dg.privacy.DP(1.0, delta=1e-3)})
    with pytest.warns(UserWarning, match="epsilon does not cover"):
        trainer = dg.Trainer(small, config)
    monkeypatch.setattr(loop, "private_gradients", stopping(loop.private_gradients, 4))

    with pytest.raises(KeyboardInterrupt):
        list(trainer)

    assert trainer.batches == trainer.step == 2
    assert trainer.history[-1].epsilon == trainer.epsilon()


def test_a_second_interrupt_does_not_wait():
    reached = []

    @after_the_step()
    def long_step():
        signal.raise_signal(signal.SIGINT)
        reached.append("the first waits")
        signal.raise_signal(signal.SIGINT)
        reached.append("the second does not")

    with pytest.raises(KeyboardInterrupt):
        long_step()

    assert reached == ["the first waits"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_second_interrupt_does_not_wait_in_blocks_within_each_other_either():
    reached = []

    @after_the_step()
    def inner():
        with after_the_step():
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)
            reached.append("never")

    with pytest.raises(KeyboardInterrupt), after_the_step():
        inner()

    assert not reached
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_an_interrupt_waits_until_what_a_name_of_the_package_needs_is_imported():
    imported = []

    def attached(name):
        signal.raise_signal(signal.SIGINT)
        imported.append(name)

    with pytest.raises(KeyboardInterrupt):
        _moved.forwarding("dgkit", attached)("fit")

    assert imported == ["fit"]


def test_an_interrupt_waits_until_a_file_is_written_and_none_is_left_beside_it(tmp_path):
    def parts():
        yield b"half of it, "
        signal.raise_signal(signal.SIGINT)
        yield b"the other half"

    with pytest.raises(KeyboardInterrupt):
        _atomic.replace(tmp_path / "file", parts())

    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"half of it, the other half"]


def test_an_interrupted_private_training_goes_on_from_where_its_model_is(small, tiny_config, tmp_path, monkeypatch):
    """Or the steps after the last checkpoint would be taken again on other batches, and spent twice."""
    config = dg.Config(**{**vars(tiny_config), "dp": dg.privacy.DP(1.0, delta=1e-3)})
    monkeypatch.setattr(loop, "private_gradients", stopping(loop.private_gradients, 6))

    with pytest.warns(UserWarning, match="interrupted: the model is that of step 3"):
        model = dg.fit(small, config, checkpoints=tmp_path, progress=False)
    monkeypatch.undo()
    state = dg.Trainer.load(tmp_path / "training_state.dgkit", small)

    assert state.step == state.batches == model.history.sizes["step"] == 3


def test_a_model_that_a_second_interrupt_left_within_a_step_says_so(small, tiny_config, monkeypatch):
    monkeypatch.setattr(loop, "descend", stopping(stopping(loop.descend, 8), 8))

    with pytest.warns(UserWarning, match="that of step 2, or changed in part by the step after it"):
        dg.fit(small, tiny_config, progress=False)


def test_gradients_are_on_again_after_an_interrupt_within_an_update(small, tiny_config, monkeypatch):
    monkeypatch.setattr(torch, "_fused_adam_", stopping(torch._fused_adam_, 10))

    with pytest.warns(UserWarning, match="interrupted"):
        dg.fit(small, tiny_config, progress=False)

    assert torch.is_grad_enabled()
    assert dg.fit(small, tiny_config, progress=False).history.sizes["step"] == tiny_config.steps


def test_training_works_where_gradients_were_left_off(small, tiny_config):
    with torch.no_grad():
        model = dg.fit(small, tiny_config, progress=False)

    assert model.history.sizes["step"] == tiny_config.steps


def test_what_the_last_update_made_of_the_weights_is_looked_at_too(small, tiny_config):
    config = dg.Config(**{**vars(tiny_config), "steps": 1, "generator_lr": 1e10})

    with pytest.raises(DivergenceError, match=r"step 1: the size of the generator's weights is"):
        dg.fit(small, config, progress=False)


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_children_that_are_forked_after_a_training_train_too():
    code = """
import multiprocessing, torch, dgkit as dg
def work():
    dg.fit(dg.simulate.web(200), dg.Config(steps=5, sample_len=7, batch_size=64), progress=False)
torch.set_num_threads(2)
work()
children = [multiprocessing.get_context("fork").Process(target=work) for _ in range(2)]
[child.start() for child in children]
[child.join(60) for child in children]
codes = [child.exitcode for child in children]
[child.kill() for child in children]
print(codes)
"""
    environment = {**os.environ, "OMP_NUM_THREADS": "2"}

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, timeout=200)

    assert done.stdout.strip() == "[0, 0]", done.stderr
