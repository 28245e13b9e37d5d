"""The AR baseline: what it learns of planted processes, and what it cannot do without noise."""

import copy

import numpy as np
import pytest
import torch

from dgkit import baselines
from dgkit.baselines import ar
from dgkit.baselines.protocol import Data
from dgkit.core.encode import Encoder
from dgkit.metrics import autocorrelation
from tests.conftest import continuous, first_order

pytestmark = pytest.mark.training

PHI = 0.8


@pytest.fixture(scope="module")
def process():
    return first_order(500, 60, PHI)


@pytest.fixture(scope="module")
def learned(process):
    return baselines.fit("ar", process, steps=2500, noise=True)


@pytest.mark.slow
def test_with_noise_the_autocorrelation_of_an_ar1_process_is_reproduced(process, learned):
    fake = learned.sample(2000, seed=1)

    real, found = (autocorrelation(ds.x, lags=10) for ds in (process, fake))
    np.testing.assert_allclose(found, real, atol=0.05)
    assert float(fake.x.std()) == pytest.approx(1, abs=0.1)
    scale = learned.encoder.scales["x"]
    error = learned.network.records.error.sqrt().item() * (scale.high - scale.low) / 2
    assert error == pytest.approx(np.sqrt(1 - PHI**2), rel=0.1)  # what no predictor can know


@pytest.mark.slow
def test_without_noise_the_first_record_settles_the_series_and_its_variety_dies(process, learned):
    model = copy.deepcopy(learned)
    model.network.records.noise = False  # the switch is of the sampling, not of the training

    fake = model.sample(2000, seed=1)

    assert float(fake.x[:, 0].std()) == pytest.approx(1, abs=0.1)
    assert float(abs(fake.x[:, 1] - PHI * fake.x[:, 0]).mean()) < 0.1  # the conditional mean
    assert float(fake.x[:, 30:].std("sample").max()) < 0.2
    real, found = (autocorrelation(ds.x, lags=10) for ds in (process, fake))
    assert float(abs(found - real).max()) > 0.2


def test_a_deterministic_series_is_followed_from_its_first_records():
    """x[t] = 2 cos(2 pi / 12) x[t-1] - x[t-2]: two records settle it, and an order of 1 cannot."""
    rng = np.random.default_rng(0)
    phase = rng.uniform(0, 2 * np.pi, (500, 1))
    ds = continuous(x=np.cos(phase + 2 * np.pi * np.arange(36) / 12))
    encoded = Encoder.fit(ds, auto_normalise=False).encode(ds).features

    errors = {}
    for order in (1, 3):
        network = baselines.fit("ar", ds, steps=1500, order=order).network
        windows = torch.stack([encoded[:, t - order : t] for t in range(3, 36)])  # (33, N, p, F)
        predicted = network(torch.zeros(33, 500, 0).flatten(0, 1), windows.flatten(0, 1))[:, 0]
        errors[order] = (predicted - encoded[:, 3:, 0].T.flatten()).square().mean().item()

    assert errors[3] < 0.002
    assert errors[1] > 0.05


def test_attributes_condition_the_prediction():
    kind = np.array(["up", "down"])[np.arange(300) % 2]
    slope = np.where(kind == "up", 1.0, -1.0)[:, None]
    start = np.random.default_rng(0).normal(size=(300, 1))
    ds = continuous(x=start + slope * np.arange(12)).assign(kind=("sample", kind))

    fake = baselines.fit("ar", ds, steps=1500).sample(200, seed=1)

    climbs = fake.x[:, -1] - fake.x[:, 0]
    assert float(climbs[fake.kind == "up"].min()) > 5
    assert float(climbs[fake.kind == "down"].max()) < -5


def test_categories_and_ends_are_drawn_by_their_chances():
    rng = np.random.default_rng(0)
    flips = rng.random((800, 30)) < 0.1
    states = np.logical_xor.accumulate(flips, 1)
    length = np.minimum(rng.geometric(0.1, 800), 30)
    past = np.arange(30) >= length[:, None]
    ds = continuous(state=np.where(past, "", np.where(states, "busy", "idle"))).assign(length=("sample", length))

    fake = baselines.fit("ar", ds, steps=1500).sample(3000, seed=1)

    busy, here = fake.state.values == "busy", np.arange(30) < fake.length.values[:, None]
    flipped = (busy[:, 1:] != busy[:, :-1])[here[:, 1:]].mean()
    assert flipped == pytest.approx(0.1, abs=0.025)
    assert float(fake.length.mean()) == pytest.approx(length.mean(), rel=0.1)
    assert float(fake.length.std()) == pytest.approx(length.std(), rel=0.15)


def test_the_first_records_are_those_of_a_normal_distribution_fitted_to_the_data():
    rng = np.random.default_rng(0)
    covariance = np.array([[1.0, 0.6], [0.6, 0.5]])
    first = rng.multivariate_normal([0, 1], covariance, 2000)
    ds = continuous(x=np.stack([first[:, 0]] * 3, 1) * [1, 2, 2], y=np.stack([first[:, 1]] * 3, 1) * [1, 3, 3])

    fake = baselines.fit("ar", ds, steps=1).sample(4000, seed=1)

    drawn = np.stack([fake.x[:, 0], fake.y[:, 0]])
    np.testing.assert_allclose(drawn.mean(1), [0, 1], atol=0.08)
    np.testing.assert_allclose(np.cov(drawn), covariance, atol=0.08)


def test_losses_count_what_they_should(small):
    encoder = Encoder.fit(small, auto_normalise=False)
    records = ar.Records(encoder, noise=False)
    real = encoder.encode(small).features[:3, 0]
    later = torch.tensor([False, True, True])
    predicted = 0.5 * real + 0.1

    losses = records.losses(predicted, real, later)

    squared, crossed = 0.0, 0.0
    for row, one in enumerate(real):
        if later[row]:
            squared += sum((predicted[row, c] - one[c]).item() ** 2 for c in (0, 1)) / 2
        for categories in (slice(2, 5), slice(5, 7)):  # state, generation flag
            crossed -= np.log(predicted[row, categories][one[categories].argmax()].item()) / 3
    assert losses["squared_error"].item() == pytest.approx(squared, rel=1e-5)
    assert losses["cross_entropy"].item() == pytest.approx(crossed, rel=1e-5)


def spells(n=400, time=20, share=0.2):
    """A feature of exact zeros that are events, and 85 to 95 at the others, whenever they come."""
    rng = np.random.default_rng(0)
    x = np.where(rng.random((n, time)) < share, rng.uniform(85, 95, (n, time)), 0.0)
    x[0, 0] = 10.0  # far from all others, so that the middle of the range is
    return continuous(x=x).assign(x=(("sample", "time"), x, {"zeros": "inflated"}))


@pytest.mark.parametrize(("name", "steps"), [("ar", 600), ("rnn", 300)])
def test_events_are_as_frequent_as_in_the_data_and_their_values_as_large(name, steps):
    ds = spells()

    fake = baselines.fit(name, ds, steps=steps).sample(500, seed=1)

    some, real = (one.x.values[one.x.values != 0] for one in (fake, ds))
    assert float((fake.x != 0).mean()) == pytest.approx(float((ds.x != 0).mean()), abs=0.05)
    assert some.mean() == pytest.approx(real.mean(), abs=3)


@pytest.mark.parametrize("noise", [False, True])
def test_a_record_has_no_value_where_no_event_is_drawn(noise):
    network = baselines.fit("ar", spells(), steps=20, noise=noise).network

    value, event, _ = network.generate(200, torch.Generator().manual_seed(0)).features[..., :3].unbind(-1)

    assert 0 < float((event == 0).float().mean()) < 1
    assert bool((value[event == 0] == 0).all()) and bool((value[event > 0] != 0).all())


def test_the_first_records_are_fitted_to_values_that_are_there():
    rng = np.random.default_rng(0)
    x, y = rng.multivariate_normal([5, 8], [[1.0, 0.6], [0.6, 0.5]], 4000).T
    x[rng.random(4000) < 0.7] = 0
    ds = continuous(x=np.stack([x] * 3, 1), y=np.stack([y] * 3, 1))
    ds.x.attrs["zeros"] = "inflated"
    encoder = Encoder.fit(ds, auto_normalise=False)
    records, encoded = ar.Records(encoder, noise=False), encoder.encode(ds)

    records.fit(Data(encoded.attributes, encoded.features, torch.full((4000,), 3)))

    unit = [(encoder.scales[name].high - encoder.scales[name].low) / 2 for name in ("x", "y")]
    there = np.stack([x, y])[:, x != 0]
    mean = [encoder.scales[name].decode(records.mean[k].numpy()) for k, name in enumerate("xy")]
    covariance = (records.root @ records.root.T).numpy() * np.outer(unit, unit)
    np.testing.assert_allclose(mean, [there[0].mean(), y.mean()], rtol=1e-3)
    assert covariance[0, 0] == pytest.approx(there[0].var(), rel=0.01)
    assert covariance[0, 1] == pytest.approx(np.cov(there)[0, 1], rel=0.1)


def test_an_event_costs_what_a_category_does_and_no_value_counts_without_one():
    ds = spells(200)
    encoder = Encoder.fit(ds, auto_normalise=False)
    records, real = ar.Records(encoder, noise=False), encoder.encode(ds).features[:, 1]
    there = ds.x.values[:, 1] != 0
    chance = torch.full((200,), 0.25)
    predicted = torch.stack([real[:, 0] + 0.3, 0.1 * chance, 0.1 - 0.1 * chance, *torch.ones(2, 200)], 1)
    predicted[~torch.from_numpy(there), 0] = 0.9

    losses = records.losses(predicted, real, torch.ones(200, dtype=torch.bool))

    crossed = -np.where(there, np.log(0.25), np.log(0.75)).mean()
    assert losses["squared_error"].item() == pytest.approx(0.09, rel=1e-4)
    assert losses["cross_entropy"].item() == pytest.approx(crossed, rel=1e-4)


def test_windows_are_of_a_series_and_never_of_two(monkeypatch):
    """Each series counts on from its own number: a window's prediction is one more than its last record."""
    features = torch.zeros(3, 5, 3)
    lengths = torch.tensor([5, 1, 3])
    for series, length in enumerate(lengths):
        features[series, :length, 0] = 0.1 * (series + 1) + 0.01 * torch.arange(length)
        features[series, : length - 1, 1], features[series, length - 1, 2] = 1, 1
    ds = continuous(x=np.random.default_rng(0).random((3, 5)))
    network = ar.Network(Encoder.fit(ds, auto_normalise=False), samples=3)
    seen = []
    monkeypatch.setattr(
        network.records, "losses", lambda p, real, later: seen.append((history[-1], real, later)) or {"l": p.sum()}
    )
    history = []
    network.register_forward_pre_hook(lambda _, inputs: history.append(inputs[1]))

    next(ar.train(network, Data(torch.zeros(3, 0), features, lengths), 1, torch.Generator().manual_seed(0)))

    past, real, later = seen[0]
    assert bool((real[:, 0] > 0).all())  # no window ends in padding
    assert sorted({round(value, 2) for value in real[:, 0].tolist()}) == [
        *(0.1, 0.11, 0.12, 0.13, 0.14),
        0.2,
        *(0.3, 0.31, 0.32),
    ]
    np.testing.assert_allclose((real - past[:, -1])[later][:, 0], 0.01, atol=1e-6)
    assert bool((past[~later] == 0).all())


def test_the_moving_average_is_soon_of_what_was_learned_not_of_the_start():
    average, learner = torch.nn.Linear(3, 2), torch.nn.Linear(3, 2)
    for network, value in ((average, 1.0), (learner, 0.0)):
        for parameter in network.parameters():
            torch.nn.init.constant_(parameter, value)

    left = []
    for n in range(20):
        ar.follow(average, learner, n)
        left.append(average.weight[0, 0].item())

    assert left == [0.0] * 20  # the last 0.82 with a decay of 0.99 from the first step on
