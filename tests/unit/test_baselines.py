"""Baselines: one protocol for all, samples of the training data's schema, and that they learn."""

import numpy as np
import pytest
import torch
import xarray as xr

import dgkit as dg
from dgkit import baselines
from dgkit.baselines import naive_gan
from dgkit.baselines.protocol import ends
from dgkit.encode import Encoder
from dgkit.errors import ConfigError, SchemaError
from dgkit.schema import validate


@pytest.mark.parametrize("name", baselines.names())
def test_a_sample_has_the_schema_of_the_training_data(name, small):
    model = baselines.fit(name, small, budget="smoke")

    fake = model.sample(7, seed=1)

    assert fake.sizes["sample"] == 7
    found, trained = validate(fake, training=False), validate(small)
    assert [(v.name, v.kind, v.dtype) for v in found.features] == [(v.name, v.kind, v.dtype) for v in trained.features]
    assert [v.name for v in found.attributes] == [v.name for v in trained.attributes]
    past = np.arange(small.sizes["time"]) >= fake.length.values[:, None]
    assert np.isnan(fake.views.values[past]).all()
    assert np.isfinite(fake.views.values[~past]).all()


@pytest.mark.parametrize("name", baselines.names())
def test_the_same_seed_gives_the_same_model_and_samples(name, small):
    first, second, other = (baselines.fit(name, small, budget="smoke", seed=seed) for seed in (3, 3, 4))

    xr.testing.assert_identical(first.sample(5, seed=1), second.sample(5, seed=1))
    assert not first.sample(5, seed=1).equals(first.sample(5, seed=2))
    assert not first.sample(5, seed=1).equals(other.sample(5, seed=1))


def test_training_leaves_the_global_random_stream_alone(small):
    torch.manual_seed(5)
    before = torch.random.get_rng_state()

    baselines.fit("naive_gan", small, budget="smoke")

    assert torch.equal(before, torch.random.get_rng_state())


def test_what_cannot_be_is_named(small):
    with pytest.raises(ConfigError, match="no baseline 'gan'; there are 'naive_gan'"):
        baselines.fit("gan", small)
    with pytest.raises(ConfigError, match="budget='huge' is none of 'smoke'"):
        baselines.fit("naive_gan", small, budget="huge")
    for steps in (0, 2.5, True):
        with pytest.raises(ConfigError, match=f"steps={steps} must be a whole number"):
            baselines.fit("naive_gan", small, steps=steps)
    with pytest.raises(SchemaError):
        baselines.fit("naive_gan", xr.Dataset())
    model = baselines.fit("naive_gan", small, budget="smoke", steps=1)
    for n in (0, True, 1.5):
        with pytest.raises(ConfigError, match=f"n={n} must be a whole number"):
            model.sample(n)


def test_the_naive_gan_is_two_multilayer_perceptrons_over_the_whole_sample(small):
    encoder = Encoder.fit(small, sample_len=1, auto_normalise=False)
    encoded = encoder.encode(small)
    network = naive_gan.Network(encoder, samples=small.sizes["sample"])

    attributes, features = network(torch.randn(4, naive_gan.NOISE))

    assert attributes.shape == (4, encoded.attributes.shape[1])
    assert features.shape == (4, *encoded.features.shape[1:])
    linear = [m for m in network.generator.modules() if isinstance(m, torch.nn.Linear)]
    assert [m.out_features for m in linear[:-1]] == [200] * 4
    assert linear[-1].out_features == encoded.attributes.shape[1] + encoded.features[0].numel()
    for one, length in zip(features, ends(features).tolist(), strict=True):
        assert bool((one[length:] == 0).all())
        assert bool((one[:length].abs().sum(1) > 0).all())


def test_a_series_without_attributes_and_of_full_length_can_be_learned(small):
    ds = small[["cpu"]].fillna(0.0)

    fake = baselines.fit("naive_gan", ds, budget="smoke").sample(3)

    assert list(fake.data_vars) == ["cpu"]
    assert bool(np.isfinite(fake.cpu).all())


@pytest.mark.slow
def test_the_naive_gan_learns_how_often_jobs_end_how():
    cluster = dg.open_dataset("cluster")
    divergence = {
        steps: dg.metrics.jensen_shannon(
            cluster.end_event, baselines.fit("naive_gan", cluster, steps=steps).sample(2000, seed=1).end_event
        )
        for steps in (1, 600)
    }

    assert divergence[1] > 0.1
    assert divergence[600] < 0.05
