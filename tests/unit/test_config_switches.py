"""Switches of the original that each part of the model may have for itself; by default nothing changes."""

from dataclasses import fields, replace

import numpy as np
import pytest
import torch
from numpydoc.docscrape import NumpyDocString

import dgkit as dg
from dgkit import _files, whatif
from dgkit.core.trainer import Trainer
from dgkit.errors import ConfigError

NEW = [field.name for field in fields(dg.Config) if "follows" in field.metadata]
OWN = {
    "generator_beta1": 0.2, "discriminator_beta1": 0.6, "auxiliary_beta1": 0.0, "attribute_noise": 3, "minmax_noise": 2,
    "feature_noise": 7, "auxiliary_units": 9, "auxiliary_layers": 3,
}  # fmt: skip


@pytest.mark.parametrize(("settings", "values"), [(dg.Config, {}), (dg.privacy.DP, {"noise_multiplier": 1.0})])
def test_what_a_field_means_stands_beside_it_and_from_there_in_the_docs_and_in_errors(settings, values):
    described = {name: " ".join(text) for name, _, text in NumpyDocString(settings.__doc__)["Parameters"]}

    assert described == {field.name: field.metadata["means"] for field in fields(settings)}
    for field in fields(settings):
        with pytest.raises(ConfigError) as caught:
            settings(**{**values, field.name: ["no such value"]})
        if field.name != "dp":  # which says what to give
            assert f"{field.name}=['no such value'] must be of type" in str(caught.value)
            assert f"Meaning: {field.metadata['means'].split('. ')[0].removesuffix('.')}." in str(caught.value)


@pytest.fixture
def own(tiny_config):
    return replace(tiny_config, **OWN)


def test_every_switch_of_one_part_is_tried_here():
    assert sorted(OWN) == sorted(NEW)


def test_a_part_without_a_setting_of_its_own_follows_the_common_one(small, tiny_config):
    given = {name: tiny_config.of(name) for name in NEW}
    unused = {"beta1": 0.9, "noise": 11}  # nothing follows them any more

    plain, same = Trainer(small, tiny_config), Trainer(small, replace(tiny_config, **given, **unused))

    for trainer in (plain, same):
        list(trainer)
    for name, value in plain.weights().items():
        assert torch.equal(value, same.weights()[name]), name


def test_each_network_has_the_first_momentum_that_is_asked_for(small, own):
    trainer = Trainer(small, own)
    next(trainer)

    for name, optimiser in trainer.optimisers.items():
        for slots in optimiser.moments.values():
            gradient = (slots["exp_avg_sq"] / 0.001).sqrt()  # of one step; its sign is lost
            torch.testing.assert_close(slots["exp_avg"].abs(), (1 - OWN[f"{name}_beta1"]) * gradient)


def test_each_generator_reads_noise_of_its_own_width(small, own):
    generator = Trainer(small, own).generator
    attributes, minmax = 3 + 2 + 1, 4  # one-hot widths; two for each continuous feature

    assert generator.attribute.hidden[0].in_features == 3
    assert generator.minmax.hidden[0].in_features == 2 + attributes
    assert generator.feature.lstm.input_size == 7 + attributes + minmax
    drawn = generator.draw(4, torch.Generator().manual_seed(0))
    assert [part.shape for part in drawn[:3]] == [(4, 3), (4, 2), (3, 4, 7)]


def test_the_auxiliary_discriminator_has_sizes_of_its_own(small, own):
    trainer = Trainer(small, own)

    assert [layer.out_features for layer in trainer.auxiliary.layers] == [9, 9, 1]
    assert [layer.out_features for layer in trainer.discriminator.layers] == [10, 10, 10, 10, 1]


def test_a_model_with_switches_of_its_own_trains_is_saved_goes_on_and_is_retrained(small, own, tmp_path):
    trainer = Trainer(small, own)
    next(trainer)
    trainer.save(tmp_path / "state")
    again = Trainer.load(tmp_path / "state", small)
    assert next(again).generator_loss == next(trainer).generator_loss

    model = trainer.model
    model.save(tmp_path / "model.dgkit")
    assert dg.load(tmp_path / "model.dgkit").sample(5).identical(model.sample(5))

    changed = whatif.retrain_attributes(model, small, steps=3, progress=False)
    shapes, before = ({k: v.shape for k, v in m.generator.state_dict().items()} for m in (changed, model))
    assert shapes == before
    assert changed.sample(5).sizes["sample"] == 5


def test_files_from_before_these_switches_are_read(small, tiny_config, tmp_path):
    trainer = Trainer(small, tiny_config)
    next(trainer)
    trainer.model.save(tmp_path / "model")
    trainer.save(tmp_path / "training state")
    for kind in ("model", "training state"):
        tensors, plain = _files.read(tmp_path / kind, kind)
        plain["config"] = {k: v for k, v in plain["config"].items() if k not in NEW}
        _files.write(tmp_path / kind, kind, tensors, plain)

    assert dg.load(tmp_path / "model").sample(5).identical(trainer.model.sample(5))
    assert next(Trainer.load(tmp_path / "training state", small)).wasserstein == next(trainer).wasserstein


def test_without_noise_at_each_pass_series_differ_by_the_first_state_alone(small, tiny_config):
    trainer = Trainer(small, replace(tiny_config, feature_noise=0))
    next(trainer)
    generator = trainer.model.generator
    first, second = (generator.draw(4, torch.Generator().manual_seed(seed)) for seed in (0, 1))
    assert first.feature.shape == (3, 4, 0)

    with torch.no_grad():
        a = generator(first, fixed_length=True).features
        b = generator(first._replace(feature=second.feature), fixed_length=True).features
        c = generator(first._replace(hidden=second.hidden, cell=second.cell), fixed_length=True).features
    assert torch.equal(a, b)
    assert (a != c).any(2).any(1).all()


def test_a_series_in_which_nothing_is_random_is_refused(small):
    with pytest.raises(ConfigError, match="leaves nothing random"):
        dg.Config(feature_noise=0, initial_state="zero")
    bare = small.drop_vars(["domain", "spider", "size"])
    with pytest.raises(ConfigError, match="without an input"):
        Trainer(bare, dg.Config(feature_noise=0, auto_normalise=False, sample_len=4, batch_size=8))


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("attribute_noise", 0, "must be finite and at least 1"),
        ("feature_noise", -1, "must be finite and at least 0"),
        ("minmax_noise", 2.0, "must be of type int or None"),
        ("auxiliary_layers", 1, "must be finite and at least 2"),
        ("auxiliary_units", True, "must be of type int or None"),
        ("generator_beta1", 1, "must be below 1"),
        ("auxiliary_beta1", "high", "must be of type float or None"),
        ("beta1", None, "must be of type float"),
    ],
)
def test_a_switch_that_cannot_work_is_refused_by_name(field, value, message):
    with pytest.raises(ConfigError, match=f"{field}=.* {message}"):
        dg.Config(**{field: value})


def test_whole_numbers_stand_for_decimals_and_numpys_text_for_text():
    assert dg.Config(generator_beta1=0, ema=0).generator_beta1 == 0
    assert dg.Config(normalise=np.str_("zero_one")).normalise == "zero_one"
