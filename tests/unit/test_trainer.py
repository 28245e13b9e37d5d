"""The iterator contract: half steps, bit-exact resume, divergence, snapshots, interrupts."""

import copy
import gc
import math
import subprocess
import sys
import textwrap
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields, replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

import dgkit as dg
from dgkit.core.divergence import check_measured
from dgkit.core.losses import critic_loss, generator_loss
from dgkit.core.networks import flat
from dgkit.core.on_disk import Rows
from dgkit.core.trainer import History, StepRecord, Trainer
from dgkit.errors import ConfigError, DivergenceError, FileFormatError


def weights(trainer):
    return {k: v for k, v in trainer.state()["tensors"].items() if k != "history.seconds"}


def assert_same(a, b):
    assert a.keys() == b.keys()
    for name in a:
        assert torch.equal(a[name], b[name]) or (a[name] != a[name]).all(), name


def test_a_full_step_is_exactly_its_two_half_steps(small, tiny_config):
    whole, halves = Trainer(small, tiny_config), Trainer(small, tiny_config)

    next(whole)
    halves.step_discriminator()
    halves.step_generator()

    without_history = {k: v for k, v in weights(whole).items() if not k.startswith("history")}
    assert_same(without_history, {k: v for k, v in weights(halves).items() if not k.startswith("history")})


def test_half_steps_taken_by_hand_count_as_a_step_when_recorded(small, tiny_config):
    whole, halves = Trainer(small, tiny_config), Trainer(small, tiny_config)
    expected = [next(whole) for _ in range(2)]

    measured = halves.step_discriminator() | halves.step_generator()
    made = [halves.record(measured, 0.5), next(halves)]

    assert [r | {"seconds": 0} for r in map(vars, made)] == [r | {"seconds": 0} for r in map(vars, expected)]
    assert halves.step == 2 and halves.history[0].seconds == 0.5


def test_half_steps_change_only_their_own_networks(tiny_trainer):
    def parameters(*names):
        return [p.detach().clone() for name in names for p in getattr(tiny_trainer, name).parameters() if p.ndim == 2]

    before_g, before_d = parameters("generator"), parameters("discriminator", "auxiliary")
    tiny_trainer.step_discriminator()
    middle_g, middle_d = parameters("generator"), parameters("discriminator", "auxiliary")
    tiny_trainer.step_generator()

    assert all(map(torch.equal, before_g, middle_g))
    assert all(not torch.equal(a, b) for a, b in zip(before_d, middle_d, strict=True))
    assert all(map(torch.equal, middle_d, parameters("discriminator", "auxiliary")))
    assert any(not torch.equal(a, b) for a, b in zip(middle_g, parameters("generator"), strict=True))


def test_one_step_equals_autograd_and_adam_written_out(small, tiny_config):
    trainer, start = Trainer(small, tiny_config), Trainer(small, tiny_config)
    rng = torch.Generator().manual_seed(tiny_config.seed)
    rows = torch.randint(len(start.real), (8,), generator=rng)
    noise = start.generator.draw(8, rng)
    alphas = [torch.rand((8, 1), generator=rng) for _ in range(2)]
    fake = flat(*start.generator(noise)[:3])

    def adam(parameters, loss):  # first step from zero moments: lr * g / (|g| + eps)
        parameters = list(parameters)
        gradients = torch.autograd.grad(loss, parameters, retain_graph=True)
        return [p - 1e-3 * g / (g.abs() + 1e-8) for p, g in zip(parameters, gradients, strict=True)]

    real, cut = start.real[rows], start.narrow
    expected_d = adam(
        start.discriminator.parameters(), critic_loss(start.discriminator, real, fake.detach(), alphas[0], 10.0).loss
    )
    expected_a = adam(
        start.auxiliary.parameters(),
        critic_loss(start.auxiliary, real[:, -cut:], fake.detach()[:, -cut:], alphas[1], 10.0).loss,
    )
    with torch.no_grad():
        for net, new in ((start.discriminator, expected_d), (start.auxiliary, expected_a)):
            for p, value in zip(net.parameters(), new, strict=True):
                p.copy_(value)
    loss = generator_loss(start.discriminator, fake) + generator_loss(start.auxiliary, fake[:, -cut:])
    expected_g = adam([p for p in start.generator.parameters() if p.requires_grad], loss)

    record = next(trainer)

    for net, expected in (("discriminator", expected_d), ("auxiliary", expected_a), ("generator", expected_g)):
        got = [p for p in getattr(trainer, net).parameters() if p.requires_grad]
        for a, b in zip(got, expected, strict=True):
            torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-6)
    assert record.generator_loss == pytest.approx(loss.item(), rel=1e-5)


def test_batches_are_drawn_with_replacement(small, tiny_config):
    trainer = Trainer(small, dg.Config(steps=1, sample_len=5, batch_size=500))
    next(trainer)  # 500 from 40: impossible without replacement

    draws = torch.randint(40, (500,), generator=torch.Generator().manual_seed(0))
    assert len(draws.unique()) == 40


def test_rounds_repeat_updates_on_the_same_batch(small):
    config = dg.Config(sample_len=5, batch_size=8, discriminator_rounds=3, generator_rounds=2)
    trainer = Trainer(small, config)
    next(trainer)

    assert trainer.optimisers["discriminator"].moments[0]["step"] == 3
    assert trainer.optimisers["generator"].moments[0]["step"] == 2


@pytest.mark.parametrize("ema", [0.0, 0.9])
def test_resumed_run_is_bit_identical(small, tiny_config, ema):
    config = dg.Config(**{**tiny_config.__dict__, "ema": ema})
    whole = Trainer(small, config)
    part = Trainer(small, config)
    for _ in range(3):
        next(part)

    resumed = Trainer.resume(part.state(), small)

    for trainer in (whole, resumed):
        for _ in trainer:
            pass
    assert_same(weights(whole), weights(resumed))
    assert [r.step for r in resumed.history] == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize("ema", [0.0, 0.9])
def test_a_warm_start_begins_with_the_weights_of_the_model_given(small, tiny_config, ema):
    start = trained(small, tiny_config).model
    other = small.isel(sample=slice(None, None, -1))

    trainer = Trainer(other, replace(tiny_config, seed=9, ema=ema), start=start)

    assert trainer.step == 0
    for name, network in start.networks().items():
        own = getattr(trainer, name).state_dict()
        assert all(torch.equal(value, own[key]) for key, value in network.state_dict().items())
    for key, value in start.generator.state_dict().items():
        assert torch.equal(trainer.model.generator.state_dict()[key], value)
    before = start.generator.feature.head.weight.clone()
    next(trainer)
    assert torch.equal(start.generator.feature.head.weight, before)  # the model itself is left as it was


@pytest.mark.parametrize("change", [{"lstm_units": 9}, {"auxiliary": True, "discriminator_units": 11}])
def test_a_warm_start_from_other_networks_is_refused(small, tiny_config, change):
    start = trained(small, replace(tiny_config, auxiliary=False)).model

    with pytest.raises(ConfigError, match="start: its"):
        Trainer(small, replace(tiny_config, **change), start=start)


@pytest.mark.parametrize(
    ("name", "steps", "normalised"), [("WWT", 400 * 500, True), ("GCUT", 400 * 500, False), ("MBA", 17_000 * 6, False)]
)
def test_the_published_settings_train_and_are_the_originals(small, name, steps, normalised):
    published = dg.Config.published(name)

    assert (published.steps, published.auto_normalise, published.auxiliary) == (steps, normalised, normalised)
    assert published.normalise == ("minusone_one" if name == "WWT" else "zero_one")
    rest = {"steps", "auto_normalise", "auxiliary", "normalise", "sample_len", "minmax_scale"}
    assert {k: v for k, v in vars(published).items() if k not in rest} == {
        k: v for k, v in vars(dg.Config()).items() if k not in rest
    }
    record = next(Trainer(small, dg.Config.published(name, batch_size=8)))
    assert math.isfinite(record.generator_loss)


def test_settings_that_were_never_published_are_refused():
    with pytest.raises(ConfigError, match="'WWT', 'GCUT', 'MBA'"):
        dg.Config.published("web")


def test_peeking_shows_the_next_batch_and_changes_nothing(small, tiny_config):
    peeked, plain = Trainer(small, tiny_config), Trainer(small, tiny_config)

    batch = peeked.peek()
    for trainer in (peeked, plain):
        next(trainer)

    assert_same(weights(peeked), weights(plain))
    rng = torch.Generator().manual_seed(tiny_config.seed)
    rows = torch.randint(len(plain.real), (8,), generator=rng)
    assert torch.equal(batch.real, plain.real[rows])
    assert torch.equal(batch.noise.attribute, plain.generator.draw(8, rng).attribute)
    assert [torch.equal(alpha, torch.rand((8, 1), generator=rng)) for alpha in batch.alphas] == [True, True]
    assert torch.equal(batch.fake, flat(*batch.made[:3]))


def test_a_finished_run_can_be_trained_longer(small, tiny_config):
    short, long = Trainer(small, tiny_config), Trainer(small, dg.Config(**{**tiny_config.__dict__, "steps": 9}))
    for trainer in (short, long):
        for _ in trainer:
            pass

    longer = Trainer.resume(short.state(), small, steps=9)
    for _ in longer:
        pass

    assert_same(weights(long), weights(longer))


@pytest.mark.parametrize("last_lr", [None, 0.1])
def test_resume_between_half_steps_is_bit_identical(small, tiny_config, last_lr):
    whole = Trainer(small, replace(tiny_config, last_lr=last_lr))
    next(whole)
    whole.step_discriminator()

    resumed = Trainer.resume(whole.state(), small)
    for trainer in (whole, resumed):
        trainer.step_generator()
        next(trainer)

    assert_same(weights(whole), weights(resumed))


@pytest.mark.slow
def test_killed_run_resumed_in_a_new_process_ends_bit_identical(tmp_path):
    script = textwrap.dedent(
        """
        import os
        import sys
        import torch
        from dgkit.core.config import Config
        from dgkit.core.trainer import Trainer
        from tests.conftest import small_dataset

        torch.set_num_threads(1)
        path, mode = sys.argv[1], sys.argv[2]
        data = small_dataset()
        config = Config(steps=8, sample_len=5, batch_size=8, lstm_units=6)
        trainer = Trainer.load(path, data) if mode == "resume" else Trainer(data, config)
        for record in trainer:
            if mode == "kill" and record.step == 5:
                os._exit(9)  # no clean-up of any kind
            if mode == "kill" and record.step == 4:
                trainer.save(path)
        trainer.save(path)
        """
    )

    def run(path, mode):
        return subprocess.run([sys.executable, "-c", script, str(tmp_path / path), mode], timeout=300).returncode

    assert run("whole", "go") == 0
    assert run("part", "kill") == 9
    assert run("part", "resume") == 0
    whole, part = (torch_state(tmp_path / name) for name in ("whole", "part"))
    assert_same(whole, part)


def torch_state(path):
    trainer = Trainer.load(path, __import__("tests.conftest").conftest.small_dataset())
    return weights(trainer)


def test_looking_at_the_model_does_not_disturb_training(small, tiny_config):
    watched, alone = Trainer(small, tiny_config), Trainer(small, tiny_config)
    for _ in watched:
        watched.model.sample(5, seed=3)
        watched.state()
    for _ in alone:
        pass

    assert_same(weights(watched), weights(alone))


def test_training_leaves_the_global_random_stream_alone(small, tiny_config):
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)

    for _ in Trainer(small, tiny_config):
        pass

    assert torch.equal(torch.rand(3), expected)


def test_same_seed_gives_the_same_model_and_another_seed_another(small, tiny_config):
    def final(seed):
        trainer = Trainer(small, dg.Config(**{**tiny_config.__dict__, "seed": seed}))
        for _ in trainer:
            pass
        return trainer.generator.state_dict()["feature.head.weight"]

    assert torch.equal(final(1), final(1))
    assert not torch.equal(final(1), final(2))


def test_divergence_names_the_step_and_carries_the_last_good_state(small, tiny_config):
    trainer = Trainer(small, tiny_config)
    next(trainer)
    with torch.no_grad():
        trainer.discriminator.layers[0].weight.fill_(math.nan)

    with pytest.raises(DivergenceError, match=r"diverged at step 2.*Likely cause") as caught:
        next(trainer)

    assert caught.value.step == 2
    healthy = Trainer.resume(caught.value.state, small, discriminator_lr=1e-4)
    assert healthy.optimisers["discriminator"].rate == 1e-4
    assert math.isfinite(next(healthy).discriminator_loss)


def test_exploding_learning_rate_ends_in_a_divergence_error(small):
    trainer = Trainer(small, dg.Config(sample_len=5, batch_size=8, discriminator_lr=1e6))

    with pytest.raises(DivergenceError, match="learning rates too high"):
        for _ in trainer:
            pass


def test_resume_on_other_data_or_a_broken_file_is_refused(small, tiny_trainer, tmp_path):
    for other in (small.isel(sample=slice(0, 20)), small.isel(sample=slice(None, None, -1))):
        with pytest.raises(ConfigError, match="other data"):
            Trainer.resume(tiny_trainer.state(), other)
    with pytest.raises(ConfigError, match="lstm_units: this change makes other networks"):
        Trainer.resume(tiny_trainer.state(), small, lstm_units=7)
    with pytest.raises(ConfigError, match=r"^sample_len: this change encodes the data otherwise"):
        Trainer.resume(tiny_trainer.state(), small, sample_len=3, steps=tiny_trainer.config.steps)
    for state, lacks in (({}, "it lacks 'tensors'"), ({"tensors": {}}, "it lacks 'plain'"), (3, "it is 3")):
        with pytest.raises(FileFormatError, match=f"not a whole training state: {lacks}"):
            Trainer.resume(state, small)
    path = tmp_path / "run.state"
    tiny_trainer.save(path)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(FileFormatError, match=r"run\.state"):
        Trainer.load(path, small)


def test_interrupting_fit_keeps_the_model_so_far(small, tiny_config, monkeypatch):
    step = Trainer.step_generator

    def interrupted(self):
        if self.step == 3:
            raise KeyboardInterrupt
        return step(self)

    monkeypatch.setattr(Trainer, "step_generator", interrupted)
    with pytest.warns(UserWarning, match="interrupted: the model is that of step 3"):
        model = dg.fit(small, tiny_config, progress=False)

    assert model.history.step.values.tolist() == [1, 2, 3]
    assert model.sample(2).sizes["sample"] == 2


def test_fit_stops_at_its_time_limit(small):
    model = dg.fit(small, dg.Config(steps=10**6, sample_len=5, batch_size=8), seconds=0.2, progress=False)

    assert 1 <= model.history.sizes["step"] < 10**6


@pytest.mark.parametrize(("steps", "seconds"), [(10**6, 0.3), (3, 600.0)])
def test_the_bar_of_a_fit_for_a_given_time_ends_full_whichever_ends_first(small, steps, seconds, capsys):
    dg.fit(small, dg.Config(steps=steps, sample_len=5, batch_size=8), seconds=seconds)

    drawn = capsys.readouterr().err.rstrip().rpartition("\r")[2]
    assert drawn.startswith("100%|")


def test_the_bar_of_a_fit_counts_steps(small, capsys):
    dg.fit(small, dg.Config(steps=3, sample_len=5, batch_size=8))

    assert "| 3/3 [" in capsys.readouterr().err


def test_records_agree_with_what_they_are_made_of(tiny_trainer):
    for record in tiny_trainer:
        assert record.discriminator_loss == pytest.approx(10 * record.penalty - record.wasserstein, rel=1e-4)
        assert record.epsilon == math.inf and record.seconds > 0 and record.generator_gradient > 0
    history = tiny_trainer.model.history
    assert history.sizes["step"] == 6 and history.step.values.tolist() == [1, 2, 3, 4, 5, 6]


def test_moving_average_follows_its_formula(small, tiny_config):
    trainer = Trainer(small, dg.Config(**{**tiny_config.__dict__, "ema": 0.3}))
    expected, decays = trainer.generator.feature.head.weight.detach().clone(), [1 / 10, 2 / 11, 3 / 12, 0.3, 0.3, 0.3]
    for decay, _ in zip(decays, trainer, strict=True):
        expected = decay * expected + (1 - decay) * trainer.generator.feature.head.weight.detach()

    torch.testing.assert_close(trainer.model.generator.feature.head.weight, expected)
    assert not torch.equal(trainer.model.generator.feature.head.weight, trainer.generator.feature.head.weight)


def trained(small, tiny_config, steps=6, **settings):
    trainer = Trainer(small, dg.Config(**{**tiny_config.__dict__, "steps": steps, **settings}))
    list(trainer)
    return trainer


def test_an_average_that_resuming_begins_starts_at_the_weights_of_then(small, tiny_config):
    resumed = Trainer.resume(trained(small, tiny_config).state(), small, ema=0.9, steps=8)
    expected = resumed.generator.feature.head.weight.detach().clone()

    assert torch.equal(resumed.model.generator.feature.head.weight, expected)
    passed = [resumed.generator.feature.head.weight.detach().clone() for _ in resumed]
    assert len(passed) == 2
    torch.testing.assert_close(resumed.model.generator.feature.head.weight, sum(passed) / 2)


def test_without_its_average_a_resumed_run_samples_from_the_generator_itself(small, tiny_config):
    resumed = Trainer.resume(trained(small, tiny_config, ema=0.9).state(), small, ema=0.0, steps=8)
    list(resumed)

    own = resumed.generator.state_dict()
    assert all(torch.equal(value, own[name]) for name, value in resumed.model.generator.state_dict().items())
    assert not any(name.startswith("average") for name in resumed.state()["tensors"])


def test_an_average_goes_on_with_another_decay(small, tiny_config):
    before = trained(small, tiny_config, ema=0.9)
    resumed = Trainer.resume(before.state(), small, ema=0.1, steps=7)
    expected = before.average["feature.head.weight"]

    next(resumed)

    expected = 0.1 * expected + 0.9 * resumed.generator.feature.head.weight.detach()
    torch.testing.assert_close(resumed.model.generator.feature.head.weight, expected)


@pytest.mark.parametrize("counted", [True, False], ids=["this version's state", "one that does not count"])
def test_a_resumed_average_knows_how_often_it_was_updated_half_steps_by_hand_included(small, tiny_config, counted):
    trainer = trained(small, tiny_config, ema=0.99)
    if counted:
        trainer.step_generator()  # no record of it
    state = trainer.state()
    if not counted:
        del state["tensors"]["averaged"]
    resumed = Trainer.resume(state, small)

    for one in (trainer, resumed):
        one.step_discriminator()
        one.step_generator()

    assert resumed.averaged == (8 if counted else 7)
    assert torch.equal(resumed.average["feature.head.weight"], trainer.average["feature.head.weight"])


def test_the_history_reads_like_a_list_and_grows_past_its_first_room():
    history, values = History(), np.random.default_rng(0).random((2500, 11))
    values[:, 4] = math.nan
    for k, row in enumerate(values):
        history.append(StepRecord(k + 1, *row.tolist()))

    assert len(history) == 2500 and not History()
    assert [record.step for record in history] == list(range(1, 2501))
    assert isinstance(history[7].step, int) and history[-1].seconds == values[-1, 9]
    assert [record.step for record in history][3:6] == [4, 5, 6]
    with pytest.raises(IndexError):
        history[2500]
    columns = history.columns(2000)
    assert list(columns) == [field.name for field in fields(StepRecord)]
    np.testing.assert_array_equal(np.column_stack(list(columns.values())[1:]), values[:2000])
    np.testing.assert_array_equal(History.of(columns)[1999].epsilon, values[1999, 10])


def test_the_state_to_fall_back_on_holds_the_history_up_to_it(small, tiny_config, monkeypatch):
    monkeypatch.setattr(Trainer, "_GOOD_EVERY", 3)
    trainer = Trainer(small, tiny_config)
    expected = [next(trainer) for _ in range(5)]
    assert not any(name.startswith("history") for name in trainer.good[1]["tensors"])  # it would be copied each time
    with torch.no_grad():
        trainer.discriminator.layers[0].weight.fill_(math.nan)

    with pytest.raises(DivergenceError, match="of step 3, is in this error's `state`") as caught:
        next(trainer)

    assert list(Trainer.resume(caught.value.state, small).history)[:2] == expected[:2]
    assert len(caught.value.state["tensors"]["history.step"]) == 3


@pytest.mark.parametrize("field", ["step", "seconds", "epsilon"])
def test_what_is_no_loss_may_be_as_large_as_it_likes(tiny_trainer, field):
    record = replace(next(tiny_trainer), **{field: 5_000_000})

    check_measured(tiny_trainer, record)  # nothing is raised


@pytest.mark.parametrize(
    "field",
    ["discriminator_loss", "generator_loss", "wasserstein", "penalty", "generator_gradient", "auxiliary_loss"],
)
@pytest.mark.parametrize("value", [math.nan, math.inf, -2e6])
def test_every_loss_and_norm_is_watched(tiny_trainer, field, value):
    record = replace(next(tiny_trainer), **{field: value})

    with pytest.raises(DivergenceError, match=f"diverged at step 1: {field} is"):
        check_measured(tiny_trainer, record)


def test_without_auxiliary_its_values_are_nan_and_it_does_not_exist(small, tiny_config):
    trainer = Trainer(small, dg.Config(**{**tiny_config.__dict__, "auxiliary": False}))
    record = next(trainer)

    assert trainer.auxiliary is None and math.isnan(record.auxiliary_loss)
    assert trainer.model.auxiliary is None


@pytest.mark.parametrize("drop", [["domain", "spider", "size"], ["views", "cpu"], ["state", "cpu", "size"]])
@pytest.mark.parametrize("auto_normalise", [True, False])
def test_any_mix_of_variables_trains_and_samples(small, tiny_config, drop, auto_normalise):
    data = small.drop_vars(drop)
    config = dg.Config(**{**tiny_config.__dict__, "auto_normalise": auto_normalise, "steps": 2})

    fake = dg.fit(data, config, progress=False).sample(7)

    assert set(fake.data_vars) == set(data.data_vars)
    assert np.isfinite(fake.to_dataframe().select_dtypes("number").iloc[0].astype(float)).all()
    dg.schema.validate(fake, training=False)


def test_config_is_checked_at_construction():
    for field, value in {
        "steps": 0, "sample_len": 2.5, "seed": -1, "batch_size": 1, "generator_lr": -1.0, "beta1": 1.0,
        "auxiliary": 1, "initial_state": "warm", "normalise": "no", "device": "abacus", "penalty": math.nan,
        "ema": "high", "lstm_units": True,
    }.items():  # fmt: skip
        with pytest.raises(ConfigError, match=field):
            dg.Config(**{field: value})
    assert dg.Config(generator_lr=1).generator_lr == 1
    with pytest.raises(ConfigError, match=r"seed=18446744073709551616 must be at most 18446744073709551615\."):
        dg.Config(seed=2**64)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
def test_cuda_training_matches_the_cpu_for_the_first_steps(small, tiny_config):
    runs = [Trainer(small, dg.Config(**{**tiny_config.__dict__, "device": d})) for d in ("cpu", "cuda")]
    a, b = (next(run) for run in runs)
    assert a.discriminator_loss == pytest.approx(b.discriminator_loss, rel=1e-3)
    assert copy.copy(runs[1].model).sample(3).sizes["sample"] == 3


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
@pytest.mark.parametrize("changes", [{}, {"ema": 0.9}, {"auxiliary": False, "discriminator_rounds": 2}], ids=str)
def test_replayed_steps_are_those_launched_one_by_one(small, tiny_config, changes):
    config = replace(tiny_config, device="cuda", steps=40, **changes)
    runs = [Trainer(small, config), Trainer(small, replace(config, replay=True))]

    records = [list(run) for run in runs]

    assert runs[1].replay.graph is not None
    for name in ("discriminator_loss", "generator_loss", "auxiliary_loss", "generator_gradient"):
        a, b = (np.array([getattr(record, name) for record in run]) for run in records)
        np.testing.assert_allclose(a, b, rtol=2e-3, atol=2e-3)
    for name, value in runs[0].weights().items():
        torch.testing.assert_close(runs[1].weights()[name], value, rtol=1e-2, atol=1e-2)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
def test_a_replayed_training_goes_on_from_its_state_and_takes_half_steps_by_hand(small, tiny_config):
    config = replace(tiny_config, device="cuda", steps=30, replay=True)
    whole, first = Trainer(small, config), Trainer(small, replace(config, steps=12))
    list(whole), list(first)

    second = Trainer.resume(first.state(), small, steps=30)
    by_hand = second.step_discriminator()
    second.record(by_hand | second.step_generator(), 0.0)
    list(second)

    assert second.replay.graph is not None and second.step == whole.step == 30
    losses = [run.history_dataset().generator_loss.values for run in (whole, second)]
    np.testing.assert_allclose(*losses, rtol=2e-3, atol=2e-3)


def test_replaying_changes_nothing_without_a_gpu_and_does_not_go_with_private_batches(small, tiny_config):
    config = replace(tiny_config, device="cpu", steps=3)
    runs = [Trainer(small, replace(config, replay=replay)) for replay in (False, True)]

    assert [[r.generator_loss for r in run] for run in runs[:1]] == [
        [r.generator_loss for r in run] for run in runs[1:]
    ]
    with pytest.raises(ConfigError, match=r"replay=True does not go with dp=.*replay=False"):
        replace(config, replay=True, dp=dg.privacy.DP(noise_multiplier=1.0))


def test_trainers_made_in_several_threads_begin_as_each_alone(small, tiny_config):
    configs = [replace(tiny_config, seed=seed) for seed in range(8)]
    alone = [Trainer(small, config).generator.state_dict() for config in configs]
    before = sys.getswitchinterval()

    try:
        sys.setswitchinterval(1e-6)  # change threads as often as can be
        with ThreadPoolExecutor(8) as threads:
            together = list(threads.map(lambda config: Trainer(small, config).generator.state_dict(), configs))
    finally:
        sys.setswitchinterval(before)

    for one, other in zip(alone, together, strict=True):
        assert all(torch.equal(one[name], other[name]) for name in one)


# --- data larger than memory -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "chunks", [{"sample": 7}, {"time": 5}, {"sample": 9, "time": 4}], ids=["rows", "steps", "both"]
)
@pytest.mark.parametrize("switches", [{}, {"dp": dg.privacy.DP(noise_multiplier=0.0, delta=1e-3)}], ids=["", "poisson"])
def test_training_from_dask_is_bit_for_bit_that_in_memory(small, tiny_config, chunks, switches):
    config = replace(tiny_config, **switches)
    memory, lazy = Trainer(small, config), Trainer(small.chunk(chunks), config)

    list(memory), list(lazy)

    assert isinstance(lazy.real, Rows) and isinstance(memory.real, torch.Tensor)
    assert lazy.data_hash == memory.data_hash and lazy.encoder.to_json() == memory.encoder.to_json()
    assert_same(weights(lazy), weights(memory))
    assert torch.equal(lazy.peek().real, memory.peek().real)


def test_memory_mapped_data_are_trained_on_from_a_file(small, tiny_config, tmp_path):
    mapped = small.copy()
    for name in ("views", "cpu"):
        np.save(tmp_path / f"{name}.npy", small[name].values)
        mapped[name] = (small[name].dims, np.load(tmp_path / f"{name}.npy", mmap_mode="r"), small[name].attrs)
    memory, trainer = Trainer(small, tiny_config), Trainer(mapped, tiny_config)

    list(memory), list(trainer)

    assert isinstance(trainer.real, Rows)
    assert_same(weights(trainer), weights(memory))


def test_the_file_is_where_store_says_and_goes_with_the_trainer(small, tiny_config, tmp_path):
    folder = tmp_path / "room" / "for it"

    trainer = Trainer(small, tiny_config, store=folder)
    next(trainer)
    resumed = Trainer.resume(trainer.state(), small, store=folder)

    assert trainer.real.folder == resumed.real.folder == str(folder)
    assert_same(weights(resumed), weights(trainer))
    assert torch.equal(resumed.real[torch.tensor([3, 0, 3])], Trainer(small, tiny_config).real[[3, 0, 3]])
    file = trainer.real._file
    del trainer, resumed
    gc.collect()
    assert file.closed and list(folder.iterdir()) == []
    model = dg.fit(small, tiny_config, store=folder, progress=False)
    assert model.sample(5).equals(dg.fit(small, tiny_config, progress=False).sample(5))


def test_a_place_without_room_is_told(small, tiny_config, tmp_path, monkeypatch):
    (tmp_path / "taken").write_text("")
    with pytest.raises(ConfigError, match=r"the encoded data take .* in a file in '.*taken'.* Give store= a folder"):
        Trainer(small, tiny_config, store=tmp_path / "taken")
    monkeypatch.setattr("shutil.disk_usage", lambda path: SimpleNamespace(free=1000))
    with pytest.raises(ConfigError, match=r"1e-06 GB are free. Give store= a folder on a disk with room"):
        Trainer(small, tiny_config, store=tmp_path)


def test_rates_fall_evenly_to_a_share_of_what_they_were_and_a_resumed_training_goes_on_so(small, tiny_config):
    config = replace(tiny_config, steps=5, generator_lr=0.01, discriminator_lr=0.02, last_lr=0.2)
    trainer, rates = Trainer(small, config), []
    for record in trainer:
        rates.append([trainer.optimisers[name].rate for name in ("generator", "discriminator")])
        if record.step == 2:
            state = trainer.state()

    np.testing.assert_allclose(rates, np.outer([1, 0.8, 0.6, 0.4, 0.2], [0.01, 0.02]))
    resumed = Trainer.resume(state, small)
    list(resumed)
    for name, value in trainer.weights().items():
        assert torch.equal(value, resumed.weights()[name]), name


def test_rates_stay_as_they_are_or_were_set_by_hand_unless_they_are_to_fall(small, tiny_config):
    trainer = Trainer(small, tiny_config)
    trainer.optimisers["generator"].rate = 0.5e-3
    next(trainer)

    assert trainer.optimisers["generator"].rate == 0.5e-3
    one = Trainer(small, replace(tiny_config, steps=1, last_lr=0.1))  # the first step is the last one too
    next(one)
    assert one.optimisers["generator"].rate == tiny_config.generator_lr


@pytest.mark.parametrize("settings", [{"last_lr": 1.5}, {"last_lr": -0.1}, {"last_lr": 0.1, "replay": True}])
def test_rates_that_cannot_fall_so_are_refused(settings):
    with pytest.raises(ConfigError, match="last_lr"):
        dg.Config(**settings)
