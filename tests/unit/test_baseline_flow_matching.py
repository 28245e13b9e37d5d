"""Flow matching: its one formula, where it begins, what is counted, and that it learns what no spectrum tells."""

import math

import numpy as np
import pandas as pd
import pytest
import torch
import xarray as xr

import dgkit as dg
from dgkit import baselines
from dgkit.baselines import flow_matching
from dgkit.errors import ConfigError
from tests.conftest import continuous, first_order, small_dataset

pytestmark = pytest.mark.training


def noise(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@torch.no_grad()
def test_an_untrained_way_leads_from_noise_to_as_much_noise():
    velocity = flow_matching.Velocity(6, 2, 16)

    *_, end = flow_matching.path(velocity, noise(50, 6), noise(50, 2))

    torch.testing.assert_close(end, noise(50, 6), rtol=0.02, atol=0.01)  # Heun's steps are finite


@torch.no_grad()
def test_where_the_best_velocity_is_known_the_way_leads_to_the_data():
    """All data at one point m: v = (m - x) / (1 - t), and whatever the noise, the end is m."""
    target = torch.tensor([2.0, -1.0, 0.5])

    def velocity(x, t, condition):
        return (target - x) / (1 - t).clamp_min(1 / (2 * flow_matching.HEUN))

    *_, end = flow_matching.path(velocity, noise(20, 3), torch.zeros(20, 0))

    torch.testing.assert_close(end, target.expand(20, 3), atol=0.3, rtol=0)


def test_the_loss_is_the_mean_square_of_the_velocity_beside_data_less_noise_over_what_is_counted():
    end, counted, condition = (
        noise(5, 4),
        (torch.arange(4) < torch.tensor([1, 2, 3, 4, 4])[:, None]).float(),
        noise(5, 2),
    )
    end *= counted

    def velocity(x, t, given):
        return 3 * x + t + given[:, :1]

    loss = flow_matching.error(velocity, end, counted, condition, torch.Generator().manual_seed(7))

    rng = torch.Generator().manual_seed(7)
    t, start = torch.rand((5, 1), generator=rng), torch.randn((5, 4), generator=rng)
    squares = []
    for i in range(5):
        for k in range(4):
            if counted[i, k]:
                x = (1 - t[i]) * start[i, k] + t[i] * end[i, k]
                squares.append((3 * x + t[i] + condition[i, 0] - (end[i, k] - start[i, k])).item() ** 2)
    assert loss.item() == pytest.approx(np.mean(squares), rel=1e-5)


def test_innovations_are_white_come_back_and_need_no_later_step(monkeypatch):
    x = torch.from_numpy(first_order(2000, 24, 0.9).x.values).float()
    lengths = torch.randint(1, 25, (2000,), generator=torch.Generator().manual_seed(0))
    counted = (torch.arange(24) < lengths[:, None]).float()

    for widest in (2048, 10):  # in one part, and in three
        monkeypatch.setattr(flow_matching, "WIDEST", widest)
        innovations = flow_matching.Innovations(24)
        innovations.fit(x * counted, counted)
        whole, cut = innovations.encode(x, torch.ones_like(x)), innovations.encode(x, counted)

        torch.testing.assert_close(innovations.decode(whole), x, rtol=1e-3, atol=1e-3)
        torch.testing.assert_close(cut, whole * counted, rtol=1e-3, atol=1e-3)
        part = whole[:, :8]
        assert float((part.T @ part / 2000 - torch.eye(8)).abs().max()) < 0.35
        assert float(np.corrcoef(x[:, :8].T)[0, 1]) > 0.85


def test_of_steps_that_few_series_reach_no_mean_or_covariance_is_kept(monkeypatch):
    few = flow_matching.FEW
    lengths = torch.tensor([6] * 30 + [9] + [12] * (few - 1))  # few reach step 9, few - 1 those after it
    counted = (torch.arange(12) < lengths[:, None]).float()
    x = (noise(len(lengths), 12) + torch.arange(12)) * counted

    for widest in (2048, 5):  # in one part, and in three
        monkeypatch.setattr(flow_matching, "WIDEST", widest)
        innovations = flow_matching.Innovations(12)
        innovations.fit(x, counted)

        found = innovations.encode(x, counted)
        torch.testing.assert_close(innovations.mean[:6], x[:, :6].mean(0))
        torch.testing.assert_close(innovations.mean[6:9], x[30:, 6:9].mean(0))
        assert bool((innovations.mean[9:] == 0).all())
        torch.testing.assert_close(found[:, 9:], x[:, 9:], rtol=0.01, atol=0.01)  # as they are
        torch.testing.assert_close(innovations.decode(found) * counted, x, rtol=1e-3, atol=1e-3)


def test_the_loss_begins_where_only_the_spectrum_is_known_and_falls_below():
    """Of unit variance and Gaussian, the best velocity leaves the mean over t of 1 / ((1 - t)^2 + t^2) = pi / 2."""
    sign = np.where(np.arange(400) % 2, 1.0, -1.0)[:, None]
    ds = continuous(x=sign * np.sin(np.arange(24) / 4) + 0.3 * np.random.default_rng(0).normal(size=(400, 24)))

    history = baselines.fit("flow_matching", ds, steps=150, units=48).history

    assert set(history) == {"loss", "numbers_loss"}
    assert float(history.loss[:5].mean()) == pytest.approx(math.pi / 2, abs=0.15)
    assert float(history.loss[-30:].mean()) < float(history.loss[:5].mean()) - 0.02


def test_it_learns_what_no_spectrum_tells():
    """Each series is a saw, begun at one of two places and never between them."""
    saws = np.array([(np.arange(24) + start) % 12 for start in (0, 6)]) / 12
    ds = continuous(x=saws[np.arange(600) % 2] + 0.1 * np.random.default_rng(0).normal(size=(600, 24)))

    likeness = {}
    for name, options in (("surrogate", {}), ("flow_matching", {"steps": 400, "units": 96})):
        fake = baselines.fit(name, ds, **options).sample(300, seed=1).x.values
        likeness[name] = np.median(np.corrcoef(saws, fake)[:2, 2:].max(0))

    assert likeness["flow_matching"] > 0.85
    assert likeness["surrogate"] < 0.75


def test_series_and_their_levels_follow_attributes_that_are_given():
    kind = np.array(["up", "down"])[np.arange(300) % 2]
    sign = np.where(kind == "up", 1.0, -1.0)[:, None]
    ds = continuous(x=sign * np.arange(12) / 2 + np.random.default_rng(0).normal(size=(300, 12)))
    ds = ds.assign(kind=("sample", kind))

    model = baselines.fit("flow_matching", ds, steps=400, units=150)
    fake = model.sample(attributes=xr.Dataset({"kind": ("sample", ["down"] * 40 + ["up"] * 40)}), seed=1)

    rise = (fake.x[:, -1] - fake.x[:, 0]).values
    assert np.mean(rise[:40] < 0) > 0.9 and np.mean(rise[40:] > 0) > 0.9
    assert float(fake.x[:40].mean()) < -1.5 and float(fake.x[40:].mean()) > 1.5


def test_the_way_stays_at_zero_past_the_end():
    ds = small_dataset()
    run = baselines.training("flow_matching", ds, steps=3)
    list(run)
    network, counted = run.model.network, run.network.counted(run.data.lengths)
    attributes, _, numbers, features = network.draw(len(counted), torch.Generator().manual_seed(0))

    points = list(network.way(attributes, run.data.lengths, numbers, features))

    assert len(points) == flow_matching.HEUN + 1
    assert all(bool((x[counted == 0] == 0).all()) and bool((x[counted == 1] != 0).all()) for x in points)


def pairs(n=600):
    """A place, what is bought there, its price, and how long it is used: each hangs on the one before."""
    rng = np.random.default_rng(0)
    place = rng.integers(2, size=n)
    bought = np.where(rng.random(n) < 0.9, place, rng.integers(3, size=n))
    price = 10.0 * bought + rng.random(n)
    length = np.where(price > 8, 24, rng.integers(2, 9, size=n))
    x = np.where(np.arange(24) < length[:, None], rng.normal(size=(n, 24)), np.nan)
    names = {"place": np.array(["north", "south"])[place], "bought": np.array(["bread", "tea", "salt"])[bought]}
    ds = continuous(x=x).assign({name: ("sample", values) for name, values in names.items()})
    ds.bought.attrs["categories"] = ["bread", "tea", "salt", "silver"]  # nobody bought silver
    ds["price"] = ("sample", price)
    return ds.assign(length=("sample", length))


@pytest.fixture(scope="module")
def learned():
    return baselines.fit("flow_matching", pairs(), steps=500, units=240)


def test_attributes_and_lengths_are_learned_as_they_hang_together(learned):
    fake, names = learned.sample(2000, seed=1), ["place", "bought", "price"]

    real, found = (ds[names].to_dataframe() for ds in (pairs(2000), fake))
    shares, of_found = (table.groupby("place").bought.value_counts(normalize=True) for table in (real, found))
    assert float((shares - of_found.reindex(shares.index, fill_value=0)).abs().max()) < 0.05
    assert not (found.bought == "silver").any()
    middle = found.bought.map({"bread": 0.5, "tea": 10.5, "salt": 20.5}).astype(float)
    assert float(((found.price - middle).abs() < 1).mean()) > 0.9  # 3 of 100 buy salt: too few to learn its price
    whole = fake.length.values == 24
    assert whole[fake.price.values > 8].mean() > 0.9 and whole[fake.price.values < 2].mean() < 0.1


def test_lengths_follow_attributes_that_are_given(learned):
    asked = pd.DataFrame({"place": ["south", "north"], "bought": ["tea", "bread"], "price": [10.5, 0.5]})
    asked = asked.loc[[0] * 50 + [1] * 50].reset_index(drop=True).rename_axis("sample").to_xarray()

    fake = learned.sample(attributes=asked, seed=1)

    assert np.mean(fake.length[:50] == 24) > 0.9 and np.mean(fake.length[50:] < 9) > 0.9


def test_an_untrained_one_draws_each_category_by_its_own_frequency():
    run = baselines.training("flow_matching", pairs(), steps=1, units=9)
    network = run.network
    network.attributes.fit(run.data.attributes)

    drawn = network.attributes.draw(20_000, torch.Generator().manual_seed(0))

    kinds = network.attributes.categorical
    torch.testing.assert_close(drawn[:, kinds].mean(0), run.data.attributes[:, kinds].mean(0), atol=0.015, rtol=0)


@pytest.mark.parametrize("longest", [40, 1000])  # each length is a kind, or some lengths are
def test_an_untrained_one_draws_lengths_as_frequent_as_in_the_data(longest):
    found = torch.randint(1, longest + 1, (3000,), generator=torch.Generator().manual_seed(1)).clamp(min=longest // 4)
    lengths = flow_matching.Lengths(2, 8)
    kinds = lengths.fit(found)

    drawn = lengths.draw(torch.rand(20_000, 2), torch.Generator().manual_seed(0))

    assert int(kinds.max()) + 1 == kinds.unique().numel() <= flow_matching.LENGTHS
    assert dg.metrics.wasserstein(drawn.numpy(), found.numpy()) < 0.01 * longest
    assert (drawn.min(), drawn.max()) == (found.min(), found.max())


def test_its_file_has_no_place_for_training_samples():
    sizes = [
        {
            name: part.shape
            for name, part in baselines.fit("flow_matching", pairs(n), steps=1, units=9).network.state_dict().items()
        }
        for n in (100, 300)
    ]

    assert sizes[0] == sizes[1]


@pytest.mark.parametrize("units", [0, -1, 2.5, True, "3"])
def test_a_width_that_cannot_be_is_named(units, small):
    with pytest.raises(ConfigError, match=f"units={units!r} must be a whole number of at least 1"):
        baselines.fit("flow_matching", small, units=units)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_attributes_of_ten_thousand_pages_are_those_it_was_trained_on(seed):
    """Against the half that it has not seen, chance alone gives up to 0.002."""
    train, _ = dg.split(dg.open_dataset("web").isel(time=slice(14)), 0.5, seed)

    made = baselines.fit("flow_matching", train, steps=400, units=192, seed=seed).sample(10_000, seed=1)

    assert all(dg.metrics.jensen_shannon(train[name], made[name]) < 0.001 for name in ("domain", "access", "agent"))
    together = [ds.domain.str.cat(ds.access, ds.agent, sep=" ") for ds in (train, made)]
    assert dg.metrics.jensen_shannon(*together) < 0.01  # rows drawn as they are give 0.001, independent ones 0.04
