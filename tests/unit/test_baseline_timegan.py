"""The TimeGAN baseline: what each phase trains, what its losses count, and that it learns."""

import numpy as np
import pytest
import torch
import xarray as xr

from dgkit import baselines
from dgkit.baselines import timegan
from dgkit.baselines.protocol import Data
from dgkit.core.encode import Encoder

pytestmark = pytest.mark.training

PARTS = ("embedder", "recovery", "generator", "supervisor", "discriminator")


def new(ds, samples=40):
    torch.manual_seed(0)
    return timegan.Network(Encoder.fit(ds, auto_normalise=False), samples=samples)


@pytest.fixture
def data(small):
    encoded = Encoder.fit(small, auto_normalise=False).encode(small)
    return Data(encoded.attributes, encoded.features, torch.tensor(small.length.values))


@pytest.mark.slow
def test_it_learns_to_reconstruct_to_foresee_and_to_generate_sines():
    """Sines of any phase, as in the source: worth more than their mean, and more than "as before" in latent space."""
    rng = np.random.default_rng(0)
    phase, rate = rng.uniform(0, 2 * np.pi, (500, 1)), rng.uniform(0.5, 0.8, (500, 1))
    ds = xr.Dataset({"x": (("sample", "time"), np.sin(phase + rate * np.arange(12)))})

    model = baselines.fit("timegan", ds, steps=750)

    features, history = model.encoder.encode(ds).features, model.history.isel(step=slice(-20, None)).mean()
    latent = model.network.embed(features)
    persistence = (latent[:, 1:] - latent[:, :-1]).square().mean().sqrt().item()
    mean = (features - features.mean((0, 1))).square().mean().sqrt().item()
    assert float(history.reconstruction) < mean / 3
    assert float(history.supervised) < persistence / 2
    x = model.sample(1000, seed=1).x
    np.testing.assert_allclose(x.mean("sample"), ds.x.mean("sample"), atol=0.3)
    assert float(x.std()) == pytest.approx(float(ds.x.std()), rel=0.3)


def test_each_phase_trains_its_own_networks(small, data):
    network = new(small)
    run = timegan.train(network, data, 3, torch.Generator().manual_seed(1))
    changed, losses = [], []

    for _ in range(3):
        before = {name: value.clone() for name, value in network.state_dict().items()}
        losses.append(set(next(run)))
        after = network.state_dict()
        changed.append({part for part in PARTS if any(
            name.startswith(part) and not torch.equal(before[name], after[name]) for name in after)})  # fmt: skip

    assert changed == [{"embedder", "recovery"}, {"supervisor"}, set(PARTS)]
    assert losses[:2] == [{"reconstruction"}, {"supervised"}]
    assert losses[2] == {"reconstruction", "supervised", "moments", "generator", "discriminator"}


def test_the_phases_are_of_as_many_steps_each_and_the_joint_one_takes_what_remains(small):
    history = baselines.fit("timegan", small, steps=11).history

    trained = {name: history.step.values[np.isfinite(loss)].tolist() for name, loss in history.items()}

    assert trained["reconstruction"] == [1, 2, 3, 7, 8, 9, 10, 11]
    assert trained["supervised"] == [4, 5, 6, 7, 8, 9, 10, 11]
    assert trained["discriminator"] == [7, 8, 9, 10, 11]


def test_a_discriminator_far_ahead_waits(small, data, monkeypatch):
    monkeypatch.setattr(timegan, "AHEAD", 1e9)
    network = new(small)
    before = {name: value.clone() for name, value in network.discriminator.state_dict().items()}

    next(timegan.train(network, data, 1, torch.Generator().manual_seed(1)))

    assert all(torch.equal(before[name], value) for name, value in network.discriminator.state_dict().items())


def test_what_lies_past_the_end_of_a_series_changes_nothing(small, data):
    past = torch.arange(12) >= data.lengths[:, None]
    spoilt = data._replace(features=torch.where(past[..., None], 7.0, data.features))
    losses = []

    for some in (data, spoilt):
        run = timegan.train(new(small), some, 4, torch.Generator().manual_seed(1))
        losses.append([next(run) for _ in range(4)])

    assert losses[0] == losses[1]


def test_the_losses_are_those_of_the_paper(small, data):
    network, n = new(small), 6
    batch = Data(*(part[:n] for part in data))
    fake = network.recover(network.imagine(n, torch.Generator().manual_seed(0))).detach()
    real, made = batch.features.numpy().astype(float), fake.numpy().astype(float)
    ends, made_ends = batch.lengths.numpy(), np.array([12, 3, 12, 5, 1, 2])
    here, there = (torch.tensor(np.arange(12) < end[:, None]).float() for end in (ends, made_ends))

    moments = timegan._moments(batch.features, fake, here, there).item()
    latent, recovered = network.embed(batch.features), network.recover(network.embed(batch.features))
    reconstruction = timegan._reconstruction(network, batch).item()
    supervised = timegan._supervised(network, latent, batch.lengths).item()

    gaps = []
    for t in range(12):
        a, b = real[ends > t, t], made[made_ends > t, t]
        if len(a) and len(b):
            gaps.append(abs(a.mean(0) - b.mean(0)) + abs(a.std(0) - b.std(0)))
    assert moments == pytest.approx(np.mean(gaps), abs=1e-3)
    wrong = [(recovered[k, :end].detach().numpy() - real[k, :end]) ** 2 for k, end in enumerate(ends)]
    assert reconstruction == pytest.approx(np.sqrt(np.concatenate(wrong).mean()), rel=1e-4)
    following = network.supervise(latent)
    wrong = [(following[k, : end - 1] - latent[k, 1:end]).detach().numpy() ** 2 for k, end in enumerate(ends)]
    assert supervised == pytest.approx(np.sqrt(np.concatenate(wrong).mean()), rel=1e-4)


def test_attributes_are_rows_of_the_training_data_whatever_the_series(small):
    model = baselines.fit("timegan", small, steps=3)

    made = model.network.generate(300, torch.Generator().manual_seed(1))

    real = model.encoder.encode(small).attributes
    same = (made.attributes[:, None] == real).all(2)  # (300, 40)
    assert bool(same.any(1).all())
    assert int(same.any(0).sum()) > 30
    model.network.empirical.rows.zero_()
    assert torch.equal(model.network.generate(300, torch.Generator().manual_seed(1)).features, made.features)
