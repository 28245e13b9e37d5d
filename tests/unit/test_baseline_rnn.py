"""The RNN baseline: what it learns of planted processes, what it remembers, and what it cannot do without noise."""

import copy

import numpy as np
import pytest
import torch

from dgkit import baselines
from dgkit.baselines import rnn
from dgkit.baselines.protocol import Data
from dgkit.core.encode import Encoder
from dgkit.metrics import autocorrelation
from tests.conftest import continuous, first_order

pytestmark = pytest.mark.training

PHI = 0.8


@pytest.fixture(scope="module")
def process():
    return first_order(600, 24, PHI)


@pytest.fixture(scope="module")
def learned(process):
    return baselines.fit("rnn", process, steps=400, noise=True)


def test_with_noise_the_autocorrelation_of_an_ar1_process_is_reproduced(process, learned):
    fake = learned.sample(2000, seed=1)

    real, found = (autocorrelation(ds.x, lags=10) for ds in (process, fake))
    np.testing.assert_allclose(found, real, atol=0.05)
    assert float(fake.x.std()) == pytest.approx(1, abs=0.1)
    scale = learned.encoder.scales["x"]
    error = learned.network.records.error.sqrt().item() * (scale.high - scale.low) / 2
    assert error == pytest.approx(np.sqrt(1 - PHI**2), rel=0.1)  # what no predictor can know


def test_without_noise_the_first_record_settles_the_series_and_its_variety_dies(process, learned):
    model = copy.deepcopy(learned)
    model.network.records.noise = False  # the switch is of the sampling, not of the training

    fake = model.sample(2000, seed=1)

    assert float(fake.x[:, 0].std()) == pytest.approx(1, abs=0.1)
    assert np.corrcoef(fake.x[:, :2].T)[0, 1] > 0.98  # of the process 0.8
    assert float(fake.x[:, 20:].std("sample").max()) < 0.2
    real, found = (autocorrelation(ds.x, lags=10) for ds in (process, fake))
    assert float(abs(found - real).max()) > 0.2


def test_it_remembers_what_lies_further_back_than_the_records_that_ar_sees():
    """A sign at the first step, zeros for five steps, the same sign at the last one."""
    sign = np.where(np.arange(300) % 2, 1.0, -1.0)
    x = np.zeros((300, 7))
    x[:, 0] = x[:, -1] = sign
    ds = continuous(x=x)
    encoded = Encoder.fit(ds, auto_normalise=False).encode(ds).features

    remembered = baselines.fit("rnn", ds, steps=500).network(torch.zeros(300, 0), encoded)[:, -1, 0]
    seen = baselines.fit("ar", ds, steps=300).network(torch.zeros(300, 0), encoded[:, 3:6])[:, 0]

    real = encoded[:, -1, 0]
    assert float((remembered - real).square().mean()) < 0.05
    assert float((seen - real).square().mean()) > 0.8  # of 1: no better than a constant


def test_a_prediction_depends_on_the_records_before_it_and_on_the_attributes(small):
    encoder = Encoder.fit(small, auto_normalise=False)
    encoded = encoder.encode(small)
    network = rnn.Network(encoder, samples=small.sizes["sample"])
    other, kinds = encoded.features.clone(), encoded.attributes.roll(1, 0)
    other[:, 4, 0] += 0.5

    before, after = network(encoded.attributes, encoded.features), network(encoded.attributes, other)

    torch.testing.assert_close(before[:, :5], after[:, :5], rtol=0, atol=0)
    changed = (before - after).abs().amax((0, 2))
    assert bool((changed[5:] > 0).all())
    assert not torch.equal(before[:, 0], network(kinds, encoded.features)[:, 0])


def test_sampling_feeds_back_its_own_records(small):
    """Teacher-forced with what it made itself, the network predicts just that."""
    ds = small[["cpu", "views"]].fillna(1.0).assign(domain=small.domain)
    network = baselines.fit("rnn", ds, budget="smoke").network

    made = network.generate(5, torch.Generator().manual_seed(0))

    columns = network.records.continuous
    predicted = network(made.attributes, made.features)[:, 1:, columns]
    torch.testing.assert_close(made.features[:, 1:, columns], predicted, rtol=0, atol=1e-6)


def test_what_lies_past_the_end_is_not_learned(small):
    encoder = Encoder.fit(small, auto_normalise=False)
    encoded, lengths = encoder.encode(small), torch.as_tensor(small.length.values)
    past = torch.arange(small.sizes["time"]) >= lengths[:, None]
    littered = encoded.features.masked_fill(past[..., None], 0.7)

    losses = []
    for features in (encoded.features, littered):
        torch.manual_seed(0)
        network = rnn.Network(encoder, samples=small.sizes["sample"])
        data = Data(encoded.attributes, features, lengths)
        steps = rnn.train(network, data, 3, torch.Generator().manual_seed(0))
        losses.append([next(steps) for _ in range(3)])

    assert bool(past.any())
    assert losses[0] == losses[1]


def test_attributes_settle_where_a_series_ends_and_how_it_goes():
    kind = np.array(["short", "long"])[np.arange(200) % 2]
    length = np.where(kind == "short", 3, 8)
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 1)) + np.where(kind == "short", -1.0, 1.0)[:, None] * np.arange(9)
    x[np.arange(9) >= length[:, None]] = np.nan
    ds = continuous(x=x).assign(kind=("sample", kind), length=("sample", length))

    fake = baselines.fit("rnn", ds, steps=900).sample(200, seed=1)

    short = (fake.kind == "short").values
    assert (fake.length.values[short] == 3).mean() > 0.9
    assert (fake.length.values[~short] == 8).mean() > 0.9
    climb = (fake.x[:, 2] - fake.x[:, 0]).values[fake.length.values >= 3]
    assert climb[short[fake.length.values >= 3]].mean() == pytest.approx(-2, abs=0.3)
    assert climb[~short[fake.length.values >= 3]].mean() == pytest.approx(2, abs=0.3)
