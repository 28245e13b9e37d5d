"""The RCGAN baseline: its condition tells, each step is judged by itself and those before it, ends are respected."""

import numpy as np
import pytest
import torch
import xarray as xr

from dgkit import baselines
from dgkit.baselines import rcgan
from dgkit.baselines.protocol import Data
from dgkit.core.encode import Encoder

pytestmark = pytest.mark.training


@pytest.fixture
def network(small):
    torch.manual_seed(0)
    return rcgan.Network(Encoder.fit(small, auto_normalise=False), samples=small.sizes["sample"])


@pytest.fixture
def data(small):
    encoded = Encoder.fit(small, auto_normalise=False).encode(small)
    return Data(encoded.attributes, encoded.features, torch.tensor(small.length.values))


def test_the_condition_raises_levels_and_frequencies_where_that_was_planted():
    rng = np.random.default_rng(0)
    kind = np.array(["high", "low"])[np.arange(400) % 2]
    sign = np.where(kind == "high", 1.0, -1.0)[:, None]
    busy = rng.random((400, 10)) < 0.5 + 0.3 * sign
    ds = xr.Dataset(
        {
            "x": (("sample", "time"), sign + rng.normal(size=(400, 10)) * 0.5),
            "state": (("sample", "time"), np.where(busy, "busy", "idle")),
            "kind": ("sample", kind),
        }
    )

    fake = baselines.fit("rcgan", ds, steps=600).sample(1000, seed=1)

    high, low = (fake.isel(sample=fake.kind.values == k) for k in ("high", "low"))
    # planted were 2 and 0.6; seeds and rounding give 0.6 to 3.2, and 0.5 to 1
    assert 0.2 < float(high.x.mean() - low.x.mean()) < 6
    assert float((high.state == "busy").mean() - (low.state == "busy").mean()) > 0.2


def test_a_verdict_rests_on_the_condition_and_on_no_later_step(network, data):
    attributes, features = data.attributes[:5], data.features[:5]
    later, other = features.clone(), attributes.flip(1)
    later[:, 6:] += 1

    before, after = network.discriminator(attributes, features), network.discriminator(attributes, later)

    assert before.shape == features.shape[:2]
    torch.testing.assert_close(after[:, :6], before[:, :6])
    assert bool((after[:, 6:] != before[:, 6:]).all())
    assert bool((network.discriminator(other, features) != before).all())


def test_the_noise_of_a_step_reaches_it_and_later_ones(network, data):
    attributes, start = data.attributes[:4], torch.zeros(1, 4, rcgan.UNITS)
    noise = torch.randn((12, 4, rcgan.NOISE), generator=torch.Generator().manual_seed(0))
    noise[6] += 1

    before = network(attributes, torch.Generator().manual_seed(0))
    after = network.generator(attributes, noise, start, start)

    torch.testing.assert_close(after[:, :6], before[:, :6])
    assert bool((after[:, 6:] != before[:, 6:]).any(2).all())


def test_what_lies_past_the_end_of_a_series_changes_nothing(small, data):
    past = torch.arange(12) >= data.lengths[:, None]
    spoilt = data._replace(features=torch.where(past[..., None], 7.0, data.features))
    weights, losses = [], []

    for some in (data, spoilt):
        torch.manual_seed(0)
        network = rcgan.Network(Encoder.fit(small, auto_normalise=False), samples=40)
        run = rcgan.train(network, some, 3, torch.Generator().manual_seed(1))
        losses.append([next(run) for _ in range(3)])
        weights.append(network.state_dict())

    assert losses[0] == losses[1]
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])


def test_the_losses_are_the_mean_cross_entropies_of_the_steps_that_count(network, data):
    attributes = data.attributes[:4]
    fake = network(attributes, torch.Generator().manual_seed(0)).detach()
    lengths = network.ends(fake)
    verdicts = network.discriminator(attributes, fake).detach()

    loss = rcgan._cross_entropy(verdicts, 0.0, (torch.arange(12) < lengths[:, None]).float())

    each = [
        -np.log(1 - 1 / (1 + np.exp(-verdict)))
        for row, length in zip(verdicts.tolist(), lengths.tolist(), strict=True)
        for verdict in row[:length]
    ]
    assert loss.item() == pytest.approx(np.mean(each), rel=1e-5)


def test_attributes_are_rows_of_the_training_data(small):
    fake = baselines.fit("rcgan", small, steps=1).sample(300, seed=1)

    names = ["domain", "spider", "size"]
    real, made = (set(zip(*(np.round(ds[k].values, 5) if k == "size" else ds[k].values for k in names), strict=True))
                  for ds in (small, fake))  # fmt: skip
    assert made <= real
    assert len(made) > 30  # of 40
