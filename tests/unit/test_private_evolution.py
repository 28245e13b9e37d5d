"""Private Evolution: one vote a series, whatever it holds; what is released, what a file says, and fidelity."""

import math
import os
import sys

import numpy as np
import pytest
from dp_accounting import GaussianDpEvent, SelfComposedDpEvent, pld
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import kstest

import dgkit as dg
from dgkit import simulate
from dgkit.errors import ConfigError, FileFormatError, SchemaError
from dgkit.metrics import autocorrelation_mse, jensen_shannon, wasserstein
from dgkit.privacy import declared, evolve, load
from dgkit.privacy.releases import public_schema
from tests.conftest import small_dataset

module = sys.modules["dgkit.privacy.evolve"]  # the package's name of it is the function's
PAGES = {**declared(simulate.web(30)), "views": (1, 1e7)}
MIXED = {"views": (0, 1e4), "cpu": (-20, 20), "domain": ["de", "en", "fr"], "size": (0, 1)}
SMALL = {"epsilon": 2.0, "delta": 1e-5, "public": PAGES, "candidates": 100, "rounds": 3}


def crude(n, seed):
    """Pages of two decades with more noise: what chapter 08 takes for public data."""
    return simulate.web(n, seed, decades=2.0, noise=0.15)


def test_evolution_shows_a_bar_of_its_rounds_unless_asked_not_to(capsys):
    pages = simulate.web(30)

    evolve(pages, **SMALL)
    assert "3/3" in capsys.readouterr().err

    evolve(pages, **SMALL, progress=False)
    assert capsys.readouterr().err == ""


@settings(deadline=None, max_examples=40)
@given(data=st.data(), seed=st.integers(0, 3))
def test_a_sample_moves_one_count_of_the_votes_by_one_whatever_it_holds(data, seed):
    ds = small_dataset(8, 9, seed=seed).drop_vars("state")
    schema = public_schema(ds, MIXED)
    wild = st.sampled_from([0.0, -1e12, 1e12, 3.0]) | st.floats(-1e6, 1e6, width=32)
    length = int(ds.length[2])
    for name in ("views", "cpu"):
        ds[name].values[2, :length] = data.draw(st.lists(wild, min_size=length, max_size=length))
    ds["size"].values[2] = data.draw(wild)
    candidates = module.embedding(module.anything(schema)(50, seed), schema, ())

    def votes(some):
        return np.bincount(module.nearest(module.embedding(some, schema, ()), candidates), minlength=50)

    moved = votes(ds) - votes(ds.isel(sample=[0, 1, 3, 4, 5, 6, 7]))

    assert np.linalg.norm(moved) == 1
    assert moved.sum() == 1


def test_the_nearest_is_that_of_a_loop_over_pairs():
    rng = np.random.default_rng(0)
    ours, theirs = rng.normal(size=(70, 5)).astype("f4"), rng.normal(size=(30, 5)).astype("f4")

    found = module.nearest(ours, theirs)

    assert found.tolist() == [int(((theirs - one) ** 2).sum(1).argmin()) for one in ours]


def test_a_series_votes_for_its_own_attributes_where_there_is_one():
    ds = simulate.web(300)
    schema = public_schema(ds, PAGES)
    candidates = module.anything(schema)(3000, 0)

    near = module.nearest(*(module.embedding(some, schema, (7.0,)) for some in (ds, candidates)))

    for name in ("domain", "access", "agent"):
        assert (candidates[name].values[near] == ds[name].values).all()


def test_noise_of_the_votes_is_normal_and_accounted_for_all_rounds(monkeypatch):
    exact, released = [], module.released

    def heard(total, sigma):
        exact.append(total)
        return released(total, sigma)

    monkeypatch.setattr(module, "released", heard)
    model = evolve(simulate.web(300), **SMALL)

    assert [total.sum() for total in exact] == [300] * 3
    assert kstest(((model.votes - np.array(exact)) / model.sigma).ravel(), "norm").pvalue > 1e-5
    by_google = pld.PLDAccountant().compose(SelfComposedDpEvent(GaussianDpEvent(model.sigma), 3))
    assert by_google.get_epsilon(1e-5) == pytest.approx(2.0, rel=2e-3) and model.epsilon <= 2
    assert model.sigma == pytest.approx(math.sqrt(3) / 0.5014, rel=1e-2)


def test_at_epsilon_0_nothing_depends_on_the_data():
    made = [evolve(simulate.web(n, seed=n), **{**SMALL, "epsilon": 0}).sample(20) for n in (50, 400)]

    assert made[0].identical(made[1])


def test_votes_reach_only_through_the_noisy_histogram(monkeypatch):
    """With the noisy votes of one dataset, another dataset gives the same model."""
    told = []
    released = module.released
    monkeypatch.setattr(module, "released", lambda *a: told.append(released(*a)) or told[-1])
    first = evolve(simulate.web(300, seed=1), **SMALL)
    again = iter(told)
    monkeypatch.setattr(module, "released", lambda *_: next(again))

    second = evolve(simulate.web(200, seed=2), **SMALL)

    assert second.population.identical(first.population)
    assert (second.weights == first.weights).all()


@pytest.mark.parametrize("variable", [True, False])
def test_samples_are_of_the_schema_within_public_bounds_and_files_give_them_again(variable, tmp_path):
    ds = small_dataset(300, variable=variable).drop_vars("state")
    ds.attrs["source"] = "the secret source"
    model = evolve(ds, **{**SMALL, "delta": 1e-4, "public": MIXED, "periods": ()})

    made = model.sample(200, seed=1)
    model.save(tmp_path / "model")
    again = load(tmp_path / "model")

    found = dg.schema.validate(made, training=False)
    assert [(v.name, v.dtype) for v in found.features] == [("views", "<f8"), ("cpu", "<f4")]
    assert made.views.min() >= 0 and made.views.max() <= 1e4
    assert ("length" in made) == variable
    assert again.sample(200, seed=1).identical(made) and again.epsilon == model.epsilon
    assert b"secret" not in (tmp_path / "model").read_bytes()
    if hasattr(os, "sysconf"):  # which tells how much memory there is
        with pytest.raises(ConfigError, match="more than half of this machine's memory"):
            model.sample(10**15)


def test_given_attributes_come_back_with_candidates_that_have_them():
    model = evolve(simulate.web(3000), **{**SMALL, "candidates": 1000}, simulator=crude)
    asked = {"domain": "ja.wikipedia.org", "access": "desktop", "agent": "all-agents"}

    made = model.sample(40, attributes=asked, seed=2)

    assert {name: set(made[name].values.tolist()) for name in asked} == {k: {v} for k, v in asked.items()}
    own = model.population
    same = np.all([own[name].values == value for name, value in asked.items()], 0)
    assert np.isin(made.views.values[:, 0], own.views.values[same, 0]).all()


@pytest.mark.parametrize(
    ("change", "error", "says"),
    [
        ({"public": {"views": (1, 1e7)}}, ConfigError, "public lacks attribute 'domain'"),
        ({"delta": 0.1}, ConfigError, "one over the number of samples"),
        ({"candidates": 3}, ConfigError, "candidates"),
        ({"rounds": 0}, ConfigError, "rounds"),
        ({"periods": (1,)}, ConfigError, "periods"),
        ({"simulator": lambda n, seed: simulate.web(n, time=28)}, SchemaError, "168 steps"),
        ({"simulator": lambda n, seed: simulate.web(n).drop_vars("agent")}, SchemaError, "lack 'agent'"),
        ({"simulator": lambda n, seed: None}, SchemaError, "must return a Dataset"),
    ],
)
def test_what_cannot_work_is_refused_with_the_way_out(change, error, says):
    with pytest.raises(error, match=says):
        evolve(simulate.web(100), **{**SMALL, **change})


def test_a_damaged_file_is_refused(tmp_path):
    path = tmp_path / "model"
    evolve(simulate.web(100), **SMALL).save(path)
    path.write_bytes(path.read_bytes()[:-3])

    with pytest.raises(FileFormatError):
        load(path)


def test_ones_own_variations_are_used():
    asked = []

    def vary(parents, far, seed):
        asked.append(far)
        return parents

    evolve(simulate.web(200), **SMALL, vary=vary)

    assert len(asked) == 2 and asked[0] > asked[1] > 0


def test_at_epsilon_2_a_crude_simulator_comes_near_the_data():
    ds = simulate.web(10_000)
    real = ds.isel(sample=slice(2000))

    made = evolve(ds, epsilon=2.0, delta=1e-5, public=PAGES, simulator=crude, rounds=6, candidates=1000).sample(2000)
    public_alone = crude(2000, 1)

    assert autocorrelation_mse(real.views, made.views) < 0.004  # 0.002
    assert autocorrelation_mse(real.views, public_alone.views) > 0.005  # 0.006 to 0.010
    off = [wasserstein(real.views, some.views, scale="log") for some in (made, public_alone)]
    assert off[0] < 0.09 and off[0] < off[1]  # 0.045, and 0.10 to 0.15
    assert max(jensen_shannon(real[name], made[name]) for name in ("domain", "access", "agent")) < 0.006
