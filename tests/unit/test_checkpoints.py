"""Models kept while `fit` runs, going on from them, and the best of them on data held out."""

import math
import warnings
from dataclasses import replace

import numpy as np
import pytest
import torch

import dgkit as dg
from dgkit.core.keep import checkpoints
from dgkit.core.trainer import Trainer
from dgkit.errors import ConfigError, SaveError, SchemaError
from tests.conftest import small_dataset


@pytest.fixture
def held_out():
    return small_dataset(20, seed=1)


def models_by_step(data, config):
    """The model after each step of an ordinary training."""
    trainer = Trainer(data, config)
    return {record.step: trainer.model for record in trainer}


def same(a, b):
    return a.sample(6, seed=1).identical(b.sample(6, seed=1)) and a.config == b.config


def test_models_are_kept_on_the_way_and_at_the_end(small, tiny_config, tmp_path):
    config = replace(tiny_config, steps=5)
    model = dg.fit(small, config, progress=False, checkpoints=tmp_path / "new" / "folder", every=2)

    files, expected = checkpoints(tmp_path / "new" / "folder"), models_by_step(small, config)
    assert {step: path.name for step, path in files.items()} == {
        2: "step_000002.dgkit", 4: "step_000004.dgkit", 5: "step_000005.dgkit"
    }  # fmt: skip
    for step, path in files.items():
        kept = dg.load(path)
        assert same(kept, expected[step]) and kept.history.sizes["step"] == step
    assert same(model, expected[5])


def test_keeping_and_choosing_do_not_change_the_training(small, tiny_config, held_out, tmp_path):
    plain = dg.fit(small, tiny_config, progress=False)
    watched = dg.fit(
        small, tiny_config, progress=False, checkpoints=tmp_path, every=1, held_out=held_out,
        measure=lambda real, fake: -1.0 * fake.sizes["sample"] if fake.identical(plain.sample(20)) else 0.0,
    )  # fmt: skip

    assert watched.history.attrs["best_step"] == tiny_config.steps and same(watched, plain)


def test_a_folder_that_cannot_be_is_named_before_training(small, tiny_config, tmp_path):
    (tmp_path / "file").touch()

    with pytest.raises(SaveError, match="cannot be made a folder"):
        dg.fit(small, tiny_config, checkpoints=tmp_path / "file", progress=False)


@pytest.mark.parametrize("stop", ["an interrupt", "between the two files", "in the middle of a file"])
def test_the_same_call_goes_on_from_the_last_checkpoint_to_the_same_model(
    small, tiny_config, tmp_path, monkeypatch, stop
):
    write, written = Trainer.save, []

    def stopped(self, path):
        if len(written) == 1 and stop == "in the middle of a file":
            (tmp_path / f".{path.name}.abc").write_bytes(b"half")  # what a kill leaves beside
            raise KeyboardInterrupt
        write(self, path)
        written.append(self.step)
        if len(written) == 2 and stop == "between the two files":
            raise KeyboardInterrupt

    def interrupted(self, measured, seconds, record=Trainer.record):
        if self.step == 4 and stop == "an interrupt":
            raise KeyboardInterrupt
        return record(self, measured, seconds)

    with monkeypatch.context() as patched:
        patched.setattr(Trainer, "save", stopped)
        patched.setattr(Trainer, "record", interrupted)
        with pytest.warns(UserWarning, match="interrupted"):
            dg.fit(small, tiny_config, progress=False, checkpoints=tmp_path, every=2)
    assert max(checkpoints(tmp_path)) == (4 if stop == "an interrupt" else 2)

    begun, record = [], Trainer.record
    monkeypatch.setattr(Trainer, "record", lambda self, *rest: begun.append(self.step) or record(self, *rest))
    model = dg.fit(small, tiny_config, progress=False, checkpoints=tmp_path, every=2)

    assert begun[0] == (2 if stop == "in the middle of a file" else 4)
    assert same(model, dg.fit(small, tiny_config, progress=False)) and model.history.sizes["step"] == 6
    assert list(checkpoints(tmp_path)) == [2, 4, 6]
    expected = models_by_step(small, tiny_config)
    assert all(same(dg.load(path), expected[step]) for step, path in checkpoints(tmp_path).items())


def test_a_finished_training_goes_on_for_more_steps(small, tiny_config, tmp_path):
    dg.fit(small, replace(tiny_config, steps=3), progress=False, checkpoints=tmp_path, every=2)
    model = dg.fit(small, tiny_config, progress=False, checkpoints=tmp_path, every=2)

    assert same(model, dg.fit(small, tiny_config, progress=False))
    assert list(checkpoints(tmp_path)) == [2, 3, 4, 6]


def test_a_folder_of_another_training_is_refused(small, tiny_config, tmp_path):
    dg.fit(small, tiny_config, progress=False, checkpoints=tmp_path)

    with pytest.raises(ConfigError, match="another seed, batch_size"):
        dg.fit(small, replace(tiny_config, seed=1, batch_size=9), progress=False, checkpoints=tmp_path)
    with pytest.raises(ConfigError, match="steps=4 is less than the 6"):
        dg.fit(small, replace(tiny_config, steps=4), progress=False, checkpoints=tmp_path)
    with pytest.raises(ConfigError, match="other data"):
        dg.fit(small_dataset(seed=3), tiny_config, progress=False, checkpoints=tmp_path)
    (tmp_path / "training_state.dgkit").unlink()
    with pytest.raises(ConfigError, match="up to step 6, but no state"):
        dg.fit(small, tiny_config, progress=False, checkpoints=tmp_path)


def test_only_whole_model_files_are_listed(tmp_path):
    for name in ("step_000500.dgkit", "step_1000000.dgkit", ".step_000900.dgkit.x1", "step_x.dgkit", "notes.txt"):
        (tmp_path / name).touch()

    assert list(checkpoints(tmp_path)) == [500, 1_000_000]


def test_the_model_returned_is_the_best_on_the_data_held_out(small, tiny_config, held_out, tmp_path):
    expected, seen = models_by_step(small, tiny_config), []
    values = {2: math.nan, 4: 0.3, 6: 0.7}

    def measure(real, fake):
        step = 2 * len(seen) + 2
        seen.append(fake.identical(expected[step].sample(20)) and real.identical(held_out))
        return values[step]

    model = dg.fit(small, tiny_config, progress=False, every=2, held_out=held_out, measure=measure)

    assert seen == [True] * 3
    assert same(model, expected[4]) and model.history.sizes["step"] == 4
    assert model.history.attrs["best_step"] == 4 and model.history.attrs["measured_steps"] == [2, 4, 6]
    np.testing.assert_equal(model.history.attrs["measured"], [math.nan, 0.3, 0.7])
    model.save(tmp_path / "best.dgkit")
    np.testing.assert_equal(dg.load(tmp_path / "best.dgkit").history.attrs, model.history.attrs)


def test_the_measure_is_by_default_the_autocorrelation_error(small, tiny_config, held_out):
    model = dg.fit(small, tiny_config, progress=False, every=2, held_out=held_out)

    expected = {}
    for step, kept in models_by_step(small, tiny_config).items():
        fake = kept.sample(20)
        errors = [dg.metrics.autocorrelation_mse(held_out[name], fake[name]) for name in ("views", "cpu")]
        expected[step] = sum(errors) / 2
    measured = dict(zip(model.history.attrs["measured_steps"], model.history.attrs["measured"], strict=True))
    np.testing.assert_allclose([measured[k] for k in (2, 4, 6)], [expected[k] for k in (2, 4, 6)], rtol=1e-6)
    assert measured[model.history.attrs["best_step"]] == np.nanmin(model.history.attrs["measured"])


def test_what_was_kept_before_a_stop_is_measured_too(small, tiny_config, held_out, tmp_path):
    first = models_by_step(small, tiny_config)[2].sample(20)
    dg.fit(small, replace(tiny_config, steps=3), progress=False, checkpoints=tmp_path, every=2)

    model = dg.fit(
        small, tiny_config, progress=False, checkpoints=tmp_path, every=2, held_out=held_out,
        measure=lambda real, fake: 0.0 if fake.identical(first) else 1.0,
    )  # fmt: skip

    assert model.history.attrs["best_step"] == 2 and model.history.attrs["measured_steps"] == [2, 3, 4, 6]
    assert model.sample(20).identical(first)


@pytest.mark.parametrize(("stop", "step", "message"), [(1, 1, "that of step 1"), (5, 2, "the best so far")])
def test_an_interrupt_gives_the_best_so_far(small, tiny_config, held_out, monkeypatch, stop, step, message):
    record, values = Trainer.record, iter([0.1, 0.2])

    def interrupted(self, *rest):
        if self.step == stop:
            raise KeyboardInterrupt
        return record(self, *rest)

    monkeypatch.setattr(Trainer, "record", interrupted)
    with pytest.warns(UserWarning, match=f"interrupted: the model is {message}") as caught:
        model = dg.fit(
            small, tiny_config, progress=False, every=2, held_out=held_out, measure=lambda real, fake: next(values)
        )

    assert len(caught) == 1
    assert model.history.sizes["step"] == model.history.attrs["best_step"] == step


def diverging(monkeypatch, stop):
    """A step after so many diverges."""
    record = Trainer.record

    def diverged(self, *rest):
        if self.step == stop:
            with torch.no_grad():
                self.discriminator.layers[0].weight.fill_(math.nan)
        return record(self, *rest)

    monkeypatch.setattr(Trainer, "record", diverged)


def test_a_training_that_diverges_gives_the_best_so_far(small, tiny_config, held_out, monkeypatch):
    expected, values = models_by_step(small, tiny_config), iter([0.1, 0.2])
    diverging(monkeypatch, 5)

    with pytest.raises(dg.DivergenceError, match="The best model until then is its `model`") as caught:
        dg.fit(small, tiny_config, progress=False, every=2, held_out=held_out, measure=lambda *pair: next(values))

    best = caught.value.model
    assert same(best, expected[2])
    assert best.history.attrs["best_step"] == 2 and best.history.attrs["measured"] == [0.1, 0.2]
    assert len(caught.value.state["tensors"]["history.step"]) <= 5 < caught.value.step


@pytest.mark.parametrize("options", [{}, {"every": 6}, {"every": 2, "measure": lambda *pair: math.nan}])
def test_a_training_that_diverges_with_nothing_measured_has_no_best(small, tiny_config, held_out, monkeypatch, options):
    diverging(monkeypatch, 3)

    with pytest.raises(dg.DivergenceError, match=r"goes on from there\.$") as caught:
        dg.fit(small, tiny_config, progress=False, **({"held_out": held_out} if options else {}), **options)
    assert caught.value.model is None


def test_what_epsilon_does_not_cover_is_said_of_the_line_that_called(small, tiny_config, tmp_path):
    config = replace(tiny_config, steps=1, dp=dg.privacy.DP(1.0))
    for call in (
        lambda: dg.Trainer(small, config),
        lambda: dg.fit(small, config, progress=False),
        lambda: dg.fit(small, config, progress=False, checkpoints=tmp_path),
    ):
        with pytest.warns(UserWarning, match="epsilon does not cover the smallest") as warned:
            call()
        assert {warning.filename for warning in warned} == {__file__}


def test_a_measure_that_is_never_a_number_is_said(small, tiny_config, held_out):
    with pytest.warns(UserWarning, match="no measure on held_out was a number"):
        model = dg.fit(small, tiny_config, progress=False, held_out=held_out, measure=lambda real, fake: math.nan)
    assert model.history.sizes["step"] == 6


def test_what_cannot_be_chosen_by_is_refused(small, tiny_config, held_out):
    shorter = held_out.isel(time=slice(11)).assign(length=held_out.length.clip(max=11))
    for arguments, error, message in [
        ({"held_out": shorter}, SchemaError, "over 11 steps"),
        ({"held_out": held_out.drop_vars("cpu")}, SchemaError, "held_out has domain"),
        ({"held_out": held_out.assign(cpu=held_out.cpu.assign_attrs(units="%"))}, SchemaError, "in 1 .*in % in held_o"),
        ({"measure": max}, ConfigError, "give held_out="),
        ({"every": 0}, ConfigError, "every=0"),
    ]:
        with pytest.raises(error, match=message):
            dg.fit(small, tiny_config, progress=False, **arguments)
    words, others = (ds.drop_vars(["views", "cpu"]) for ds in (small, held_out))
    with pytest.raises(ConfigError, match="no feature is continuous"):
        dg.fit(words, tiny_config, progress=False, held_out=others)


def test_held_out_data_that_were_trained_on_choose_no_model(small, tiny_config):
    with pytest.raises(ConfigError, match=r"5 of 5 held-out samples are samples of the training data.*dgkit\.split"):
        dg.fit(small, tiny_config, progress=False, held_out=small.isel(sample=slice(5)))


def test_in_private_training_choosing_is_named_as_not_covered(small, tiny_config, held_out, tmp_path):
    bounds = {"valid_min": -1e6, "valid_max": 1e6}
    for data in (small, held_out):
        for name in ("views", "cpu", "size"):
            data[name].attrs = bounds if name != "views" else {"valid_min": 0.0, "valid_max": 1e6}
        for name in ("domain", "state"):
            data[name].attrs = {"categories": sorted({*small[name].values.flat, *held_out[name].values.flat} - {""})}
    config = replace(tiny_config, dp=dg.privacy.DP(noise_multiplier=1.0, delta=1e-3))

    with pytest.warns(UserWarning, match="epsilon does not cover held_out"):
        model = dg.fit(small, config, progress=False, held_out=held_out, measure=lambda real, fake: 0.0)
    assert set(model.history.attrs) == {"best_step", "epsilon", "batches"}  # and no measure

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        dg.fit(small, config, progress=False, checkpoints=tmp_path, every=3)
    epsilons = [float(dg.load(path).history.epsilon[-1]) for path in checkpoints(tmp_path).values()]
    assert epsilons == sorted(epsilons) and len(epsilons) == 2
