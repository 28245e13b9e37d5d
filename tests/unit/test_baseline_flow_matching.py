"""Flow matching: its one formula, where it begins, what is counted, and that it learns what no spectrum tells."""

import math

import numpy as np
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
    condition = network.condition(network.joint.rows, run.data.lengths)
    condition = torch.cat([condition, torch.zeros(len(condition), network.scales.count)], 1)

    points = list(flow_matching.path(network.series, noise(*counted.shape) * counted, condition))

    assert len(points) == flow_matching.HEUN + 1
    assert all(bool((x[counted == 0] == 0).all()) and bool((x[counted == 1] != 0).all()) for x in points)


@pytest.mark.parametrize("units", [0, -1, 2.5, True, "3"])
def test_a_width_that_cannot_be_is_named(units, small):
    with pytest.raises(ConfigError, match=f"units={units!r} must be a whole number of at least 1"):
        baselines.fit("flow_matching", small, units=units)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_attributes_of_ten_thousand_pages_are_those_it_was_trained_on(seed):
    """Against the half that it has not seen, chance alone gives up to 0.002."""
    train, _ = dg.split(dg.open_dataset("web").isel(time=slice(14)), 0.5, seed)

    made = baselines.fit("flow_matching", train, steps=2, seed=seed).sample(10_000, seed=1)

    assert all(dg.metrics.jensen_shannon(train[name], made[name]) < 0.001 for name in ("domain", "access", "agent"))
