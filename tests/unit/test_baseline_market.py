"""The Market Simulator: its log-signatures against iterated sums, and that those it generates are like the data's."""

from itertools import combinations, combinations_with_replacement, pairwise, product
from math import factorial, prod

import numpy as np
import pytest
import torch
import xarray as xr

from dgkit import baselines
from dgkit.baselines import market
from dgkit.baselines.protocol import Data
from dgkit.core.encode import Encoder

pytestmark = pytest.mark.training


def paths(n=3, steps=5, channels=2, seed=0):
    return torch.tensor(np.random.default_rng(seed).normal(size=(n, steps, channels)))


def iterated_sum(steps, word):
    """The integral of dx_i dx_j ... over a path of straight pieces: letters fall on pieces in order, and k letters on
    one piece have a k-th factorial of the orders they might have had."""
    total = 0.0
    for pieces in combinations_with_replacement(range(len(steps)), len(word)):
        ways = prod(factorial(pieces.count(piece)) for piece in set(pieces))
        total += prod(steps[piece, letter] for piece, letter in zip(pieces, word, strict=True)) / ways
    return total


def logarithm(steps, word):
    """log(1 + x) = x - x^2 / 2 + ...: over all ways to cut the word, the product of the parts' integrals."""
    total = 0.0
    for cuts in range(len(word)):
        for places in combinations(range(1, len(word)), cuts):
            ends = [0, *places, len(word)]
            parts = [word[a:b] for a, b in pairwise(ends)]
            total += (-1) ** cuts / (cuts + 1) * prod(iterated_sum(steps, part) for part in parts)
    return total


def test_signatures_are_iterated_sums_over_the_pieces_of_a_path():
    steps = paths()

    levels = market.signature(steps, depth=4)

    for k, level in enumerate(levels, start=1):
        expected = [[iterated_sum(path, word) for word in product(range(2), repeat=k)] for path in steps.numpy()]
        np.testing.assert_allclose(level, expected, atol=1e-10)


def test_log_signatures_are_the_logarithms_coefficients_at_lyndon_words():
    steps = paths(channels=3)

    found = market.log_signature(steps, depth=4)

    expected = [[logarithm(path, word) for word in market.lyndon(3, 4)] for path in steps.numpy()]
    np.testing.assert_allclose(found, expected, atol=1e-10)


@pytest.mark.parametrize("channels", [1, 2, 3])
def test_there_are_as_many_lyndon_words_as_witt_counts(channels):
    moebius = {1: 1, 2: -1, 3: -1, 4: 0}

    words = market.lyndon(channels, 4)

    for k in (1, 2, 3, 4):
        witt = sum(moebius[d] * channels ** (k // d) for d in range(1, k + 1) if k % d == 0) // k
        assert sum(len(word) == k for word in words) == witt


def test_a_log_signature_forgets_the_pace_and_changes_sign_on_the_way_back():
    steps = paths()

    there = market.log_signature(steps, 4)

    halves = steps.repeat_interleave(2, dim=1) / 2
    torch.testing.assert_close(market.log_signature(halves, 4), there)
    torch.testing.assert_close(market.log_signature(-steps.flip(1), 4), -there)


def test_the_area_between_lag_and_lead_is_half_the_quadratic_variation():
    steps = paths(channels=1)

    found = market.log_signature(market.lead_lag(steps), 2)

    rise, variation = steps.sum((1, 2)), steps.square().sum((1, 2))
    torch.testing.assert_close(found, torch.stack([rise, rise, -variation / 2], 1))  # the lag is the first channel


def test_windows_are_cut_end_to_end_and_tell_where_a_series_ends():
    lengths = torch.tensor([9, 1, 6])
    x = torch.tensor(np.random.default_rng(0).uniform(-1, 1, (3, 9)), dtype=torch.float32)
    here = torch.arange(9) < lengths[:, None]
    features = torch.stack([x * here, here.float(), 1 - here.float()], 2)
    ds = xr.Dataset({"x": (("sample", "time"), np.where(here, x, np.nan)), "length": ("sample", lengths.numpy())})
    network = market.Network(Encoder.fit(ds, auto_normalise=False), samples=3, window=4)

    windows = network.windows(Data(torch.zeros(3, 0), features, lengths), fit=True)

    starts = [(0, 0), (0, 4), (1, 0), (2, 0), (2, 4)]  # series and step; none after an end but the first
    assert windows.end.tolist() == [5, 4, 0, 5, 1]  # 5: goes on after the window
    for (series, start), steps in zip(starts, windows.steps[..., 0], strict=True):
        moved = x[series, start : lengths[series]][:5].diff()
        np.testing.assert_allclose(steps, np.pad(moved, (0, 4 - len(moved))), atol=1e-6)
    assert windows.condition[:, -1].tolist() == [1, 0, 1, 1, 0]  # whether first


def test_equal_numbers_stay_equal_on_the_normal_scale_and_others_keep_their_quantile():
    values = torch.tensor(np.random.default_rng(0).exponential(size=(5000, 2)))
    values[:1000, 1] = 0

    scaled = market.scores(values, market.quantiles(values))

    ranks = scaled[:, 0].sort().values
    np.testing.assert_allclose(ranks[[500, 2500, 4500]], torch.special.ndtri(torch.tensor([0.1, 0.5, 0.9])), atol=0.01)
    assert float(scaled[values[:, 0].argsort(), 0].diff().min()) >= 0
    assert len(scaled[:1000, 1].unique()) == 1


def reverting(n, seed=0):
    """A stationary series that reverts to its mean, of four windows."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 29)) / 0.6
    for t in range(1, 29):
        x[:, t] = 0.8 * x[:, t - 1] + 0.6 * x[:, t]
    return xr.Dataset({"x": (("sample", "time"), x)})


def windows_of(model, ds):
    """Scaled log-signatures, (N, K, D)."""
    features = model.encoder.encode(ds).features
    data = Data(torch.zeros(len(features), 0), features, torch.full((len(features),), 29))
    return model.network.windows(data).target.unflatten(0, (len(features), 4)).numpy()


def test_generated_log_signatures_have_the_mean_of_the_data_within_four_standard_errors_and_near_its_spread():
    """Of series the model never saw. The spread comes out up to a fifth narrow: the nearest window of the training
    data lies inward of what the decoder makes, and that is narrow already."""
    train, test = reverting(1000), reverting(500, seed=1)

    model = baselines.fit("market", train, steps=1500)

    real, made = (windows_of(model, ds) for ds in (test, model.sample(500, seed=1)))
    series = [some.mean(1) for some in (real, made)]  # (N, D): windows of a series are no independent draws
    error = np.sqrt(sum(some.var(0) / len(some) for some in series))
    assert np.abs((series[1].mean(0) - series[0].mean(0)) / error).max() < 4
    ratio = made.std((0, 1)) / real.std((0, 1))
    assert 0.75 < ratio.min() <= ratio.max() < 1.1


def test_a_series_is_pieced_together_from_increments_of_training_series():
    ds = reverting(50)
    model = baselines.fit("market", ds, steps=20)

    fake = model.sample(30, seed=1)

    real, made = (model.encoder.encode(some).features[:, :, 0].diff(dim=1).unflatten(1, (4, 7)) for some in (ds, fake))
    inside = (model.encoder.encode(fake).features[:, :, 0].abs() < 1).all(1)  # no step was cut at the data's range
    distance = torch.cdist(made[inside].flatten(0, 1), real.flatten(0, 1)).min(1).values
    assert len(distance) > 20
    assert float(distance.max()) < 1e-3
    starts = np.abs(fake.x.values[:, :1] - ds.x.values[:, 0]).min(1)
    np.testing.assert_allclose(starts, 0, atol=1e-5)


def test_series_end_as_often_after_each_step_as_the_datas():
    rng = np.random.default_rng(0)
    length = np.where(rng.random(600) < 0.4, 3, 10)
    x = np.where(np.arange(12) < length[:, None], rng.normal(size=(600, 12)), np.nan)
    ds = xr.Dataset({"x": (("sample", "time"), x), "length": ("sample", length)})

    fake = baselines.fit("market", ds, steps=400).sample(1000, seed=1)

    assert float((fake.length == 3).mean()) == pytest.approx(0.4, abs=0.08)
    assert float((fake.length == 10).mean()) == pytest.approx(0.6, abs=0.08)
