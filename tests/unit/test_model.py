"""Sampling, given attributes, and files that stay whole."""

import errno
import json
import os

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

import dgkit as dg
from dgkit import _files
from dgkit.errors import ConfigError, FileFormatError, SchemaError
from tests.conftest import small_dataset


@pytest.fixture(scope="module")
def model():
    config = dg.Config(steps=30, sample_len=5, batch_size=16, lstm_units=12)
    return dg.fit(small_dataset(), config, progress=False)


def test_samples_have_the_schema_of_the_training_data(model):
    real, fake = small_dataset(), model.sample(25, seed=1)

    assert fake.sizes == {"sample": 25, "time": 12}
    for name in real.drop_vars("length").data_vars:
        assert fake[name].dtype.kind == real[name].dtype.kind and fake[name].dims == real[name].dims
        assert {k: v for k, v in fake[name].attrs.items() if k != "categories"} == real[name].attrs
    dg.schema.validate(fake, training=False)
    assert int(fake.length.min()) >= 1 and int(fake.length.max()) <= 12


def test_sampling_is_set_by_its_seed_and_independent_of_batches(model):
    assert model.sample(5, seed=1).equals(model.sample(5, seed=1))
    assert not model.sample(5, seed=1).equals(model.sample(5, seed=2))
    assert model.sample(2500, seed=1).sizes["sample"] == 2500


def test_batched_sampling_equals_one_pass(model):
    with torch.no_grad():
        whole = model.generator(model.generator.draw(2500, torch.Generator().manual_seed(4)))
    fake = model.sample(2500, seed=4)

    np.testing.assert_array_equal(fake.length, whole.lengths.clamp(max=12))


def test_given_attributes_come_back_row_by_row(model):
    rows = small_dataset(seed=3).isel(sample=slice(0, 10))

    fake = model.sample(attributes=rows)

    for name in ("domain", "spider"):
        assert (fake[name].values == rows[name].values).all()
    np.testing.assert_allclose(fake["size"], rows["size"], atol=1e-5)
    same = model.sample(6, attributes={"domain": "en", "spider": True, "size": 0.5})
    assert set(same.domain.values.tolist()) == {"en"} and same.spider.values.all()


def test_fixed_length_fills_every_series(model):
    fake = model.sample(20, fixed_length=True)

    assert (fake.length == 12).all() and bool(fake.views.notnull().all())


def test_data_without_length_gives_full_series(tiny_config):
    fake = dg.fit(small_dataset(variable=False), tiny_config, progress=False).sample(9)

    assert "length" not in fake and bool(fake.views.notnull().all())


@pytest.mark.parametrize(
    "arguments, error, message",
    [
        ({}, ConfigError, "n=None"),
        ({"n": 0}, ConfigError, "n=0"),
        ({"n": 2.5}, ConfigError, "n=2.5"),
        ({"attributes": {"domain": "en"}}, ConfigError, "needs n"),
        ({"n": 2, "attributes": {"domain": "en"}}, SchemaError, "'spider' is missing"),
        ({"n": 2, "attributes": {"domain": "x", "spider": True, "size": 1.0}}, SchemaError, "'domain' has the value"),
        ({"n": 7, "attributes": small_dataset()}, ConfigError, "40 rows"),
    ],
)
def test_what_cannot_be_sampled_is_refused(model, arguments, error, message):
    with pytest.raises(error, match=message):
        model.sample(**arguments)


def test_discriminator_scores_equal_the_networks_output(model):
    data = small_dataset()
    encoded = model.encoder.encode(data)
    flat = torch.cat([encoded.features.flatten(1), encoded.attributes, encoded.minmax], 1)

    assert model.discriminate(data).dims == ("sample",)
    np.testing.assert_allclose(model.discriminate(data), model.discriminator(flat).detach(), rtol=1e-5)
    narrow = torch.cat([encoded.attributes, encoded.minmax], 1)
    np.testing.assert_allclose(model.discriminate(data, auxiliary=True), model.auxiliary(narrow).detach(), rtol=1e-5)


def test_a_loaded_model_samples_the_same(model, tmp_path):
    path = tmp_path / "small.dgkit"
    model.save(path)

    again = dg.load(path)

    assert again.sample(8, seed=2).identical(model.sample(8, seed=2))
    assert again.config == model.config and again.history.equals(model.history)
    assert repr(again) == repr(model)
    np.testing.assert_array_equal(again.discriminate(small_dataset()), model.discriminate(small_dataset()))


def test_a_full_disk_or_an_interrupt_while_saving_leaves_the_old_file_whole(model, tmp_path, monkeypatch):
    path = tmp_path / "small.dgkit"
    model.save(path)
    before = path.read_bytes()
    for error in (OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt()):
        for call in ("fsync", "replace"):

            def fail(*args, error=error):
                raise error

            with monkeypatch.context() as patch:
                patch.setattr(os, call, fail)
                with pytest.raises(type(error)):
                    model.save(path)
            assert path.read_bytes() == before
            assert os.listdir(tmp_path) == ["small.dgkit"]


def test_files_that_are_not_models_are_refused(model, tmp_path):
    path = tmp_path / "x.dgkit"
    with pytest.raises(FileFormatError, match="no file"):
        dg.load(path)
    contents = [b"", b"\x80\x04hello", b"{}" * 50, (1 << 60).to_bytes(8, "little") + b"{}"]
    for content in contents:
        path.write_bytes(content)
        with pytest.raises(FileFormatError, match=r"x\.dgkit"):
            dg.load(path)
    save_file({"a": torch.zeros(2)}, path)
    with pytest.raises(FileFormatError, match="safetensors file"):
        dg.load(path)
    model.save(path)
    tensors, plain = _files.read(path, "model")
    broken = [
        (tensors, None),
        (tensors, {**plain, "config": {**plain["config"], "lstm_units": 13}}),
        (tensors, {**plain, "encoder": {}}),
        ({k: v for k, v in tensors.items() if "lstm" not in k}, plain),
    ]
    for changed in broken:
        _files.write(path, "model", *changed)
        with pytest.raises(FileFormatError, match="not a whole model file"):
            dg.load(path)


def test_any_truncation_or_flipped_header_byte_is_an_error_or_the_same_model(model, tmp_path):
    path = tmp_path / "x.dgkit"
    model.save(path)
    whole = path.read_bytes()
    header = int.from_bytes(whole[:8], "little")
    rng = np.random.default_rng(0)
    for cut in rng.integers(0, len(whole), 25):
        path.write_bytes(whole[:cut])
        with pytest.raises(FileFormatError):
            dg.load(path)
    for at in rng.integers(0, header, 60):
        damaged = bytearray(whole)
        damaged[at] ^= int(rng.integers(1, 256))
        path.write_bytes(damaged)
        try:
            dg.load(path)
        except FileFormatError:
            continue


def test_the_model_file_holds_no_pickle(model, tmp_path):
    path = tmp_path / "x.dgkit"
    model.save(path)

    size = int.from_bytes(path.read_bytes()[:8], "little")
    assert json.loads(path.read_bytes()[8 : 8 + size])["__metadata__"]["kind"] == "model"
