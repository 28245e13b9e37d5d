"""The surrogate: what it keeps of the data, what it leaves to chance, and the scores and shapes it is made of."""

import numpy as np
import pytest
import torch
import xarray as xr

from dgkit import baselines
from dgkit.baselines import shapes, surrogate
from dgkit.metrics import autocorrelation, cross_correlation
from tests.conftest import continuous, first_order, small_dataset

pytestmark = pytest.mark.training


def generated(ds, n=400, **options):
    return baselines.fit("surrogate", ds).sample(n, seed=1, **options)


def test_values_and_memory_of_a_process_are_kept_and_no_series_is_a_copy():
    ds = first_order(400, 60, 0.8)

    fake = generated(ds)

    np.testing.assert_allclose(autocorrelation(fake.x, lags=10), autocorrelation(ds.x, lags=10), atol=0.05)
    q = np.linspace(0.05, 0.95, 19)
    np.testing.assert_allclose(fake.x.quantile(q), ds.x.quantile(q), atol=0.1)
    closest = max(np.abs(np.corrcoef(ds.x, row)[:-1, -1]).max() for row in fake.x.values[:50])
    assert closest < 0.99


def test_a_turned_series_has_the_very_values_and_nearly_the_spectrum_of_its_source():
    rng = torch.Generator().manual_seed(0)
    real = torch.randn((5, 64, 2), generator=rng).cumsum(1)
    real -= real.mean(1, keepdim=True)
    angles = 2 * np.pi * torch.rand((5, 33), generator=rng)

    made = surrogate.turned(real, torch.zeros_like(real), angles, [])

    assert torch.equal(made.sort(1).values, real.sort(1).values)
    assert float((made - real).abs().mean()) > 0.5
    size, same = (torch.fft.rfft(series, dim=1).abs() for series in (made, real))
    assert float((size - same).square().sum() / same.square().sum()) < 0.02


def test_features_keep_how_they_move_together():
    x = np.random.default_rng(0).normal(size=(200, 48)).cumsum(1)
    ds = continuous(x=x, y=np.random.default_rng(1).normal(size=x.shape) - x)

    fake = generated(ds)

    real, found = (float(cross_correlation(some.x, some.y).mean()) for some in (ds, fake))
    assert real < -0.8
    assert found == pytest.approx(real, abs=0.1)


def test_what_all_samples_of_a_kind_have_in_common_stays_in_its_place():
    rng = np.random.default_rng(0)
    kind = np.array(["early", "late"])[np.arange(200) % 2]
    hour = np.where(kind == "early", 6, 18)[:, None]
    wave = np.cos(2 * np.pi * (np.arange(48) - hour) / 24)
    ds = continuous(x=wave + rng.normal(size=wave.shape)).assign(kind=("sample", kind))

    fake = generated(ds)

    for name, best in (("early", 6), ("late", 18)):
        day = fake.x[fake.kind.values == name].mean("sample").values.reshape(2, 24).mean(0)
        assert abs(int(day.argmax()) - best) <= 2


def test_a_kind_of_few_samples_has_the_mean_shape_of_all():
    ds = small_dataset(60)
    few = ds.assign(domain=("sample", np.where(np.arange(60) < surrogate.FEW - 1, "few", "many")))
    network = baselines.fit("surrogate", few[["cpu", "domain", "length"]]).network

    _, group = network.mean_shapes()

    assert sorted(group.bincount().tolist()) == [surrogate.FEW - 1, 60 - surrogate.FEW + 1]
    assert int((group == 0).sum()) == surrogate.FEW - 1


def long_tail(seed):
    """Noise of 5 to 10 steps, but for the first series, which alone goes on to step 60."""
    rng = np.random.default_rng(seed)
    length = np.r_[60, rng.integers(5, 11, 59)]
    x = np.where(np.arange(60) < length[:, None], rng.normal(size=(60, 60)), np.nan)
    return continuous(x=x).assign(length=("sample", length))


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_tail_that_one_sample_alone_reaches_is_turned_too(seed):
    ds = long_tail(seed)

    fake = baselines.fit("surrogate", ds).sample(1000, seed=1)

    long = fake.x.values[fake.length.values == 60]
    assert len(long) > 10
    likeness = np.abs(np.corrcoef(ds.x[0], long)[0, 1:])
    assert np.median(likeness) < 0.25  # of two series of noise 0.09


def test_of_one_sample_alone_no_copies_are_made():
    ds = continuous(x=np.random.default_rng(0).normal(size=(1, 50)).cumsum(1))

    fake = generated(ds, 100)

    assert np.median(np.abs(np.corrcoef(ds.x, fake.x)[0, 1:])) < 0.6


def test_each_category_is_as_frequent_in_a_series_as_in_its_source():
    rng = torch.Generator().manual_seed(0)
    real = torch.nn.functional.one_hot(torch.randint(3, (6, 20), generator=rng), 3).float()
    series = torch.randn((6, 20, 3), generator=rng)

    made = surrogate.with_values(series, real.sort(1).values, [slice(0, 3)])

    assert torch.equal(made.sum(2), torch.ones(6, 20))
    assert torch.equal(made.sum(1), real.sum(1))
    first = made[..., 0] > 0  # the first category has the steps where its series is highest
    assert all(s[f].min() > s[~f].max() for s, f in zip(series[..., 0], first, strict=True) if f.any())


def test_scores_are_normal_and_come_back_as_the_numbers_they_are_of():
    values = torch.distributions.Exponential(1.0).sample((5000, 1)).square()
    values[:2000] = 0.0  # many are exactly zero
    scores = shapes.Scores(1)
    scores.fit(values)

    found = scores.encode(values)

    positive = found[2000:]
    assert float(found[0]) == pytest.approx(float(torch.special.ndtri(torch.tensor(0.2))), abs=0.01)  # ties count half
    assert float(positive.min()) > float(torch.special.ndtri(torch.tensor(0.4))) - 0.03
    assert float(torch.quantile(positive, 0.5)) == pytest.approx(
        float(torch.special.ndtri(torch.tensor(0.7))), abs=0.03
    )
    back = scores.decode(found)
    assert bool((back[:2000] == 0).all())
    torch.testing.assert_close(back, values, rtol=0.05, atol=1e-3)
    assert float(scores.decode(torch.full((1, 1), 99.0))) == float(values.max())


def test_moved_scores_are_as_widely_spread_as_before():
    rng = torch.Generator().manual_seed(0)
    scores = torch.randn((20_000, 1), generator=rng)

    found = shapes.moved(scores, rng)

    assert float(found.std()) == pytest.approx(float(scores.std()), rel=0.02)
    assert 0.05 < float((found - scores).std()) < 0.15


def test_series_become_shapes_and_come_back():
    ds = small_dataset()
    run = baselines.training("surrogate", ds)
    next(run)
    scales, data = run.network.scales, run.data

    series, numbers = scales.encode(data)
    back = scales.decode(series, numbers, data.lengths)

    here = np.arange(12) < data.lengths.numpy()[:, None]
    torch.testing.assert_close(back[..., :-2][here], data.features[..., :-2][here], rtol=0.05, atol=0.05)


def test_level_and_spread_follow_given_attributes():
    kind = np.array(["low", "high"])[np.arange(100) % 2]
    values = np.random.default_rng(0).normal(size=(100, 20)) + np.where(kind == "high", 10.0, 0.0)[:, None]
    ds = continuous(x=values).assign(kind=("sample", kind))

    fake = generated(ds, n=None, attributes=xr.Dataset({"kind": ("sample", ["high"] * 30 + ["low"] * 20)}))

    assert np.mean(fake.x[:30] > 5) > 0.8 and np.mean(fake.x[30:] < 5) > 0.8  # a level at the edge may move beyond


def test_numbers_that_are_given_are_answered_from_the_nearest_of_the_same_categories():
    ds = small_dataset(200)
    network = baselines.fit("surrogate", ds).network
    row = network.joint.rows[17].clone()

    found = network.joint.alike(row)

    assert len(found) == surrogate.NEAR and 17 in found.tolist()
    kinds = network.joint.rows[found][:, network.joint.categorical]
    assert torch.equal(kinds, kinds[:1].expand_as(kinds))


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_tail_that_one_of_a_kind_reaches_and_others_of_another_is_turned_too(seed):
    random, samples, steps = np.random.default_rng(seed), 120, 60
    kind = np.repeat(["long", "short"], samples // 2)
    length = np.where(kind == "long", random.integers(40, 61, samples), random.integers(5, 11, samples))
    length[-1] = steps
    values = np.where(np.arange(steps) < length[:, None], random.normal(size=(samples, steps)), np.nan)
    ds = xr.Dataset({"load": (("sample", "time"), values), "kind": ("sample", kind), "length": ("sample", length)})

    made = baselines.fit("surrogate", ds).sample(2000, seed=1)

    of_it = made["load"].values[((made.kind == "short") & (made.length == steps)).values]
    alike = [abs(np.corrcoef(one, values[-1])[0, 1]) for one in of_it]
    assert len(alike) > 5 and np.median(alike) < 0.25  # as it stood, 0.9
