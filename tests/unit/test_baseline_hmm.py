"""The HMM baseline: what it learns of planted chains, against what was planted."""

import itertools

import numpy as np
import pytest
import torch

from dgkit import baselines
from dgkit.baselines import hmm
from dgkit.core.encode import Encoder
from tests.conftest import continuous

pytestmark = pytest.mark.training

TRANSITION = np.array([[0.9, 0.1], [0.3, 0.7]])
LEVEL, SPREAD = np.array([2.0, 6.0]), np.array([0.5, 1.0])


def chains(n, time, seed=0):
    """States (n, time) of the planted chain, begun in state 0 with chance 0.6; the generator to go on with."""
    rng = np.random.default_rng(seed)
    states = np.empty((n, time), int)
    states[:, 0] = rng.random(n) >= 0.6
    for t in range(1, time):
        states[:, t] = rng.random(n) >= TRANSITION[states[:, t - 1], 0]
    return states, rng


def test_two_planted_states_are_recovered():
    states, rng = chains(400, 50)
    ds = continuous(x=LEVEL[states] + SPREAD[states] * rng.normal(size=states.shape))

    model = baselines.fit("hmm", ds, steps=25, states=2)

    scale, network = model.encoder.scales["x"], model.network
    order = network.mean[:, 0].argsort().numpy()
    unit = (scale.high - scale.low) / 2
    np.testing.assert_allclose(scale.decode(network.mean[order, 0].numpy()), LEVEL, atol=0.05)
    np.testing.assert_allclose(network.deviation[order, 0].numpy() * unit, SPREAD, atol=0.03)
    np.testing.assert_allclose(network.transition.numpy()[np.ix_(order, order)], TRANSITION, atol=0.03)
    np.testing.assert_allclose(network.start.numpy()[order], [0.6, 0.4], atol=0.1)  # 4 standard errors of 400


def test_samples_follow_the_fitted_chain():
    states, rng = chains(400, 50)
    ds = continuous(x=LEVEL[states] + 0.01 * rng.normal(size=states.shape))

    fake = baselines.fit("hmm", ds, steps=10, states=2).sample(2000, seed=1).x.values

    low = fake < 4
    stays = (low[:, 1:] & low[:, :-1]).sum() / low[:, :-1].sum()
    assert stays == pytest.approx(0.9, abs=0.01)
    assert low[:, 0].mean() == pytest.approx(0.6, abs=0.1)
    assert low[:, 30:].mean() == pytest.approx(0.75, abs=0.02)  # the chain's long run: 0.3 / (0.1 + 0.3)


def test_a_categorical_feature_is_emitted_with_its_chance_in_each_state():
    states, rng = chains(400, 50)
    busy = rng.random(states.shape) < np.array([0.1, 0.8])[states]
    ds = continuous(x=LEVEL[states] + 0.1 * rng.normal(size=states.shape))
    ds["state"] = ("sample", "time"), np.where(busy, "busy", "idle")

    fake = baselines.fit("hmm", ds, steps=15, states=2).sample(2000, seed=1)

    low = fake.x.values < 4
    assert (fake.state.values == "busy")[low].mean() == pytest.approx(0.1, abs=0.01)
    assert (fake.state.values == "busy")[~low].mean() == pytest.approx(0.8, abs=0.01)


@pytest.mark.parametrize("normalise", ["minusone_one", "zero_one"])
def test_a_value_is_learned_where_its_event_says_that_there_is_something(normalise):
    states, rng = chains(400, 50)
    there = rng.random(states.shape) < np.array([0.2, 0.7])[states]
    x = LEVEL[states] + SPREAD[states] * rng.normal(size=states.shape).clip(-3, 3)
    ds = continuous(x=np.where(there, x, 0.0))
    ds.x.attrs = {"zeros": "inflated", "normalise": normalise}

    model = baselines.fit("hmm", ds, steps=80, states=2)
    fake = model.sample(2000, seed=1).x.values

    scale, network = model.encoder.scales["x"], model.network
    order = network.mean[:, 0].argsort().numpy()
    unit = (scale.high - scale.low) / (1 if normalise == "zero_one" else 2)
    np.testing.assert_allclose(scale.decode(network.mean[order, 0].numpy()), LEVEL, atol=0.1)
    np.testing.assert_allclose(network.deviation[order, 0].numpy() * unit, SPREAD, atol=0.1)
    np.testing.assert_allclose(network.mean[order, 1], [0.2, 0.7], atol=0.03)
    some = ds.x.values[there]
    assert np.quantile(fake[fake > 0], [0.1, 0.5, 0.9]) == pytest.approx(np.quantile(some, [0.1, 0.5, 0.9]), abs=0.25)


def test_series_end_with_the_chance_of_their_state():
    states, rng = chains(3000, 60)
    ends = rng.random(states.shape) < np.array([0.02, 0.2])[states]
    ends[:, -1] = True
    end = ends.argmax(1)
    x = LEVEL[states] + 0.1 * rng.normal(size=states.shape)
    x[np.arange(60) > end[:, None]] = np.nan
    ds = continuous(x=x).assign(length=("sample", end + 1))

    fake = baselines.fit("hmm", ds, steps=15, states=2).sample(3000, seed=1)

    last = fake.x.values[np.arange(3000), fake.length.values - 1]
    real_last = x[np.arange(3000), end]
    assert float(fake.length.mean()) == pytest.approx(float(ds.length.mean()), rel=0.06)
    assert (last > 4).mean() == pytest.approx((real_last > 4).mean(), abs=0.04)


def test_the_likelihood_never_falls(small):
    history = baselines.fit("hmm", small, steps=8).history.negative_log_likelihood

    assert history.sizes["step"] == 8
    assert float(history.diff("step").max()) < 0.1  # but for the prior's pull, over few records
    assert history.values[-1] < history.values[0]


def test_expectations_are_those_over_all_ways_through_the_states():
    rng = np.random.default_rng(0)
    lengths, k = np.array([4, 1, 3]), 3
    start, transition = rng.dirichlet(np.ones(k)), rng.dirichlet(np.ones(k), k)
    density = rng.normal(-800, 300, (lengths.sum(), k))  # far beyond what exp can hold

    likelihood, starts, moves, weight = hmm.expected(density, lengths, start, transition)

    total, wanted_starts, wanted_moves, wanted_weight = 0.0, np.zeros(k), np.zeros((k, k)), np.zeros_like(density)
    for rows in np.split(np.arange(lengths.sum()), lengths.cumsum()[:-1]):
        ways = list(itertools.product(range(k), repeat=len(rows)))
        logs = [
            np.log(start[way[0]])
            + sum(np.log(transition[pair]) for pair in itertools.pairwise(way))
            + density[rows, way].sum()
            for way in ways
        ]
        total += np.logaddexp.reduce(logs)
        for way, chance in zip(ways, np.exp(logs - np.logaddexp.reduce(logs)), strict=True):
            wanted_starts[way[0]] += chance
            wanted_weight[rows, way] += chance
            for pair in itertools.pairwise(way):
                wanted_moves[pair] += chance
    assert likelihood == pytest.approx(total, rel=1e-12)
    for found, wanted in ((starts, wanted_starts), (moves, wanted_moves), (weight, wanted_weight)):
        np.testing.assert_allclose(found, wanted, atol=1e-12)


def test_the_density_of_a_record_is_that_of_independent_features(small):
    encoder = Encoder.fit(small, auto_normalise=False)
    network = hmm.Network(encoder, samples=small.sizes["sample"], states=3)
    rows = encoder.encode(small).features.flatten(0, 1)
    records = rows[rows.sum(1) != 0].double().numpy()
    fit = hmm._started(network, records, torch.Generator().manual_seed(0))

    here = np.ones((5, records.shape[1]))
    here[3, 1] = 0  # a value of which nothing is seen
    records[3, 1] = 0

    found = fit.density(records[:5], here)

    normal = torch.distributions.Normal(torch.tensor(fit.mean[:, :2]), torch.tensor(fit.variance[:, :2]).sqrt())
    seen = torch.tensor(here[:, None, :2])
    expected = (normal.log_prob(torch.tensor(records[:5, None, :2])) * seen).sum(2).numpy()
    for record in range(5):
        for state in range(3):
            for categories in (slice(2, 5), slice(5, 7)):  # state, generation flag
                chosen = records[record, categories].argmax()
                expected[record, state] += np.log(fit.mean[state, categories][chosen])
    np.testing.assert_allclose(found, expected, atol=1e-8)
