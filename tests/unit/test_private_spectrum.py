"""Private spectrum: what one sample moves, by brute force; noise, accounting, what a file says, and fidelity."""

import math
import os
import sys

import dp_accounting
import numpy as np
import pytest
import xarray as xr
from dp_accounting import pld
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import kstest

import dgkit as dg
from dgkit import simulate
from dgkit.errors import ConfigError, FileFormatError, SchemaError
from dgkit.metrics import autocorrelation_mse, cross_correlation, jensen_shannon, wasserstein
from dgkit.privacy import declared, load, spectrum
from dgkit.privacy.releases import checked_split, epsilon_of, mu_for, on_simplex, public_schema
from tests.conftest import small_dataset

module = sys.modules["dgkit.privacy.spectrum"]  # the package's name of it is the function's
PAGES = {**declared(simulate.web(30)), "views": (1, 1e7)}
MIXED = {"views": (0, 1e4), "cpu": (-20, 20), "domain": ["de", "en", "fr"], "size": (0, 1)}


def mixed(n=40, time=12, *, seed=0, variable=True):
    return small_dataset(n, time, seed=seed, variable=variable).drop_vars("state")


def layout_of(ds, public, by=None, *, ranks=True, rises=True):
    return module._layout(public_schema(ds, public), by, ranks, rises)


def moved_by(ds, i, layout):
    """The norm by which each release changes where sample i is left out."""
    rest = np.delete(np.arange(ds.sizes["sample"]), i)
    whole, without = (module.totals(some, layout) for some in (ds, ds.isel(sample=rest)))
    return {name: float(np.linalg.norm(whole[name] - without[name])) for name in whole}


# --- what one sample can move ---


@settings(deadline=None, max_examples=60)
@given(
    data=st.data(),
    variable=st.booleans(),
    by=st.sampled_from([None, (), ("spider",), ("domain", "spider")]),
    cells=st.sampled_from([256, 10]),
)
def test_no_sample_moves_any_release_by_more_than_one(data, variable, by, cells):
    ds = mixed(8, 9, seed=data.draw(st.integers(0, 5)), variable=variable)
    length = ds.length.values if variable else np.full(8, 9)
    wild = st.sampled_from([0.0, 1e-300, -1e12, 1e12, 0.5, 3.0, 1e4]) | st.floats(-1e6, 1e6, width=32)
    for name in ("views", "cpu"):  # whatever a neighbour holds, in bounds or far out of them
        ds[name].values[2, : length[2]] = data.draw(st.lists(wild, min_size=int(length[2]), max_size=int(length[2])))
    ds["size"].values[2] = data.draw(wild)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "CELLS", cells)  # all attributes together, or a table for each
        moved = moved_by(ds, 2, layout_of(ds, MIXED, by))

    assert set(moved) >= {"attributes", "levels", "spreads", "power", "profile", "ranks", "rises"}
    assert ("lengths" in moved) == variable
    assert max(moved.values()) <= 1 + 1e-9


def test_what_one_sample_moves_is_not_less_than_it_is_accounted_for():
    ds = simulate.web(20)

    moved = moved_by(ds, 3, layout_of(ds, PAGES))

    exact = {"attributes", "levels", "spreads", "profile", "rises"}
    assert {name: moved[name] for name in exact} == pytest.approx(dict.fromkeys(exact, 1.0))
    line = simulate.web(20)
    line.views.values[3] = 10 ** (3 + np.cos(np.arange(168) * np.pi))  # all its power at one frequency
    assert moved_by(line, 3, layout_of(line, PAGES))["power"] == pytest.approx(1.0)


def test_power_with_other_matrices_of_several_features_keeps_its_norm():
    rng = np.random.default_rng(0)
    v = rng.normal(size=(5, 3)) + 1j * rng.normal(size=(5, 3))
    cross = np.einsum("kf,kg->kfg", v, v.conj())

    packed = module._packed(cross)

    assert np.linalg.norm(packed) == pytest.approx(np.linalg.norm(cross))
    np.testing.assert_allclose(module._unpacked(packed), cross, atol=1e-12)


# --- noise and accounting ---


def test_noise_is_normal_of_the_size_told_and_new_each_time():
    ds = simulate.web(200)

    first, second = (spectrum(ds, epsilon=1.0, delta=1e-5, public=PAGES) for _ in range(2))

    sums = module.totals(ds, first.layout)
    for name, sigma in first.sigma.items():
        noise = ((first.releases[name] - sums[name]) / sigma).ravel()
        assert kstest(noise, "norm").pvalue > 1e-5
        assert (first.releases[name] == second.releases[name]).mean() < 0.01  # in 32 bits two may meet by chance


@pytest.mark.parametrize("split", [None, {"levels": 7, "power": 0.5}])
def test_shares_of_the_budget_sum_to_what_epsilon_allows(split):
    model = spectrum(simulate.web(200), epsilon=1.0, delta=1e-5, public=PAGES, split=split)

    parts = {name: sigma**-2 for name, sigma in model.sigma.items()}

    assert model.epsilon == pytest.approx(1.0) and model.epsilon <= 1
    assert epsilon_of(math.sqrt(sum(parts.values())), 1e-5) == pytest.approx(1.0)
    assert parts["levels"] / parts["power"] == pytest.approx(14 if split else 2)


@pytest.mark.parametrize("epsilon", [0.1, 2.0, 8.0])
def test_epsilon_is_that_of_two_other_accountants(epsilon):
    model = spectrum(simulate.web(200), epsilon=epsilon, delta=1e-5, public=PAGES)
    mu = math.sqrt(sum(sigma**-2 for sigma in model.sigma.values()))

    by_google = pld.PLDAccountant()
    for sigma in model.sigma.values():  # the releases one by one, composed
        by_google.compose(dp_accounting.GaussianDpEvent(sigma))
    by_prv = dg.privacy.epsilon(noise_multiplier=1 / mu, sample_rate=1.0, steps=1, delta=1e-5, accountant="prv")

    assert by_google.get_epsilon(1e-5) == pytest.approx(epsilon, rel=2e-3)
    assert by_prv == pytest.approx(epsilon, abs=0.03)


def test_the_epsilon_of_somebody_with_several_series_is_that_of_so_much_less_noise():
    model = spectrum(simulate.web(200), epsilon=2.0, delta=1e-5, public=PAGES)

    by_google = pld.PLDAccountant()
    for sigma in model.sigma.values():
        by_google.compose(dp_accounting.GaussianDpEvent(sigma / 3))

    assert model.user_epsilon(1) == pytest.approx(2.0)
    assert model.user_epsilon(3) == pytest.approx(by_google.get_epsilon(1e-5), rel=2e-3)


def test_the_largest_mu_keeps_within_epsilon_and_hardly_below():
    for epsilon in (1e-3, 0.5, 3.0, 50.0):
        mu = mu_for(epsilon, 1e-6)

        assert epsilon * (1 - 1e-6) < epsilon_of(mu, 1e-6) <= epsilon * (1 + 1e-9)
    assert mu_for(0, 1e-6) == 0


# --- the protocol ---


@pytest.mark.parametrize("variable", [True, False])
def test_samples_are_of_the_schema_within_public_bounds(variable):
    ds = mixed(300, variable=variable)

    made = spectrum(ds, epsilon=3.0, delta=1e-4, public=MIXED, ranks=True, rises=True).sample(200, seed=1)

    found = dg.schema.validate(made, training=False)
    assert [(v.name, v.kind, v.dtype) for v in found.features] == [
        ("views", "continuous", "<f8"),
        ("cpu", "continuous", "<f4"),
    ]
    assert [v.categories for v in found.attributes[:2]] == [("de", "en", "fr"), (False, True)]
    assert made.views.min() >= 0 and made.views.max() <= 1e4
    assert made["size"].min() >= 0 and made["size"].max() <= 1
    assert ("length" in made) == variable


def test_the_same_seed_samples_the_same_and_another_does_not():
    model = spectrum(simulate.web(200), epsilon=1.0, delta=1e-5, public=PAGES)

    assert model.sample(50, seed=3).identical(model.sample(50, 3))
    assert not model.sample(50, seed=3).identical(model.sample(50, seed=4))
    if hasattr(os, "sysconf"):  # which tells how much memory there is
        with pytest.raises(ConfigError, match="more than half of this machine's memory"):
            model.sample(10**15)


def test_given_attributes_come_back_and_levels_follow_them():
    ds = simulate.web(5000)
    model = spectrum(ds, epsilon=5.0, delta=1e-5, public=PAGES)
    asked = ds[["domain", "access", "agent"]].isel(sample=slice(30)).assign_coords(sample=np.arange(30) + 7)

    made = model.sample(attributes=asked)
    low, high = (
        model.sample(500, attributes={"domain": name, "access": "desktop", "agent": "spider"})
        for name in ("www.mediawiki.org", "en.wikipedia.org")
    )

    xr.testing.assert_identical(made[list(asked)], asked.drop_attrs(deep=False))
    assert np.log10(high.views).mean() - np.log10(low.views).mean() > 0.5  # 1.4 decades apart
    with pytest.raises(SchemaError, match="access"):
        model.sample(5, attributes={"domain": "en.wikipedia.org", "agent": "spider"})
    with pytest.raises(ConfigError, match="n="):
        model.sample(0)


def test_a_file_is_small_and_gives_the_same_samples(tmp_path):
    model = spectrum(simulate.web(500), epsilon=1.0, delta=1e-5, public=PAGES, by="agent")
    model.save(tmp_path / "web.dgkit")

    again = load(tmp_path / "web.dgkit")

    assert (tmp_path / "web.dgkit").stat().st_size < 15_000
    assert (again.epsilon, again.delta, again.sigma) == (model.epsilon, model.delta, model.sigma)
    assert again.sample(40, seed=1).identical(model.sample(40, seed=1))


def test_a_file_holds_the_noisy_releases_and_what_is_public_and_nothing_else(tmp_path):
    ds = mixed(300)
    ds.attrs["source"], ds.views.attrs["history"] = "the secret source", "secret history"
    public = {**MIXED, "domain": ["de", "en", "fr", "a domain that nobody has"]}

    spectrum(ds, epsilon=1.0, delta=1e-4, public=public).save(tmp_path / "model")

    content = (tmp_path / "model").read_bytes()
    again = load(tmp_path / "model")
    assert b"secret" not in content
    assert b"a domain that nobody has" in content
    assert set(again.releases) == {"attributes", "levels", "spreads", "power", "profile", "lengths"}
    assert {variable.attrs.get("valid_max") for variable in again.layout.schema.features} == {1e4, 20}


def test_at_epsilon_0_nothing_depends_on_the_data():
    made = [
        spectrum(simulate.web(n, seed=n), epsilon=0, delta=1e-5, public=PAGES).sample(20, seed=1) for n in (50, 400)
    ]

    assert made[0].identical(made[1])


def test_a_text_as_wide_as_only_one_sample_has_it_is_not_seen():
    ds = simulate.web(60)

    wide, narrow = (public_schema(some, PAGES) for some in (ds, ds.isel(sample=ds.agent.values == "spider")))

    assert wide == narrow


# --- what is refused ---


@pytest.mark.parametrize(
    ("change", "error", "says"),
    [
        ({"public": {**declared(simulate.web(30))}}, ConfigError, "public lacks feature 'views'"),
        ({"public": {"views": (1, 1e7)}}, ConfigError, "public lacks attribute 'domain'"),
        ({"public": {**PAGES, "views": (5, 5)}}, ConfigError, "the lower one first"),
        ({"public": {**PAGES, "access": []}}, ConfigError, "list of different categories"),
        ({"public": {**PAGES, "colour": ["red"]}}, ConfigError, "no variable"),
        ({"public": {**PAGES, "access": ["desktop"]}}, SchemaError, "none of the categories"),
        ({"epsilon": -1}, ConfigError, "epsilon"),
        ({"epsilon": 1000}, ConfigError, "protects nobody"),
        ({"delta": 0}, ConfigError, "delta"),
        ({"delta": 0.1}, ConfigError, "one over the number of samples"),
        ({"by": "views"}, ConfigError, "no categorical attribute"),
        ({"split": {"phases": 1}}, ConfigError, "maps releases to shares"),
        ({"split": {"levels": 0}}, ConfigError, "above 0"),
    ],
)
def test_what_cannot_be_promised_is_refused_with_the_way_out(change, error, says):
    settings = {"epsilon": 1.0, "delta": 1e-5, "public": PAGES, **change}

    with pytest.raises(error, match=says):
        spectrum(simulate.web(100), **settings)


def test_categories_over_time_and_too_many_groups_are_refused():
    ds = small_dataset(50)
    with pytest.raises(SchemaError, match="drop_vars"):
        spectrum(ds, epsilon=1.0, delta=1e-4, public={**MIXED, "state": ["idle", "busy", "wait"]})
    homes = simulate.broadband(200)
    public = {**declared(homes), "traffic_bytes": (1e5, 1e13)}
    with pytest.raises(ConfigError, match="Name fewer"):
        spectrum(homes, epsilon=1.0, delta=1e-4, public=public, by=("isp", "state"))


def test_a_damaged_file_or_one_of_another_kind_is_refused(tmp_path):
    path = tmp_path / "model"
    spectrum(simulate.web(100), epsilon=1.0, delta=1e-5, public=PAGES).save(path)
    content = path.read_bytes()

    path.write_bytes(content[:-3])
    with pytest.raises(FileFormatError):
        load(path)
    path.write_bytes(
        content.replace(b"evolution", b"x").replace(b'\\"way\\": \\"spectrum\\"', b'\\"way\\": \\"spectres\\"')
    )
    with pytest.raises(FileFormatError):
        load(path)
    dg.baselines.fit("naive_gan", simulate.web(50), steps=1).save(path)
    with pytest.raises(FileFormatError, match="baseline"):
        load(path)


def test_shares_not_named_keep_their_default():
    assert checked_split({"a": 3}, {"a": 1, "b": 2}) == {"a": 3.0, "b": 2.0}


@given(st.lists(st.floats(-50, 50), min_size=1, max_size=12), st.floats(0.1, 100))
def test_the_projection_is_the_nearest_point_that_sums_to_the_total(counts, total):
    counts = np.array(counts)

    near = on_simplex(counts, total)

    assert near.min() >= 0 and near.sum() == pytest.approx(total)
    rng = np.random.default_rng(0)
    others = rng.dirichlet(np.ones(len(counts)), 50) * total
    if counts.any():
        assert ((others - counts) ** 2).sum(1).min() >= ((near - counts) ** 2).sum() - 1e-6


# --- fidelity ---


@pytest.mark.parametrize("seed", [0, 1])
def test_at_epsilon_2_pages_keep_memory_levels_and_attributes(seed):
    ds = simulate.web(10_000, seed=seed)
    real = ds.isel(sample=slice(2000))

    made = spectrum(ds, epsilon=2.0, delta=1e-5, public=PAGES).sample(2000, seed=1)
    blind = spectrum(ds, epsilon=0, delta=1e-5, public=PAGES).sample(2000, seed=1)

    assert autocorrelation_mse(real.views, made.views) < 0.003  # 0.0011
    assert autocorrelation_mse(real.views, blind.views) > 0.1
    assert wasserstein(real.views, made.views, scale="log") < 0.1  # 0.05
    assert max(jensen_shannon(real[name], made[name]) for name in ("domain", "access", "agent")) < 0.005


def test_series_of_unequal_lengths_and_several_features_keep_what_goes_together():
    ds = simulate.cluster(5000)
    public = {**declared(ds), **dict.fromkeys(("cpu_rate", "memory", "assigned_memory"), (0.0, 1.0))}

    made = spectrum(ds, epsilon=8.0, delta=1e-5, public=public).sample(2000, seed=1)

    assert wasserstein(ds.length, made.length) < 3  # 0.8; what is public alone gives 11.6
    together = [float(cross_correlation(x.memory, x.assigned_memory).mean()) for x in (ds, made)]
    assert together[0] > 0.8 and together[1] > 0.6
    for name in ("cpu_rate", "memory"):
        assert autocorrelation_mse(ds[name], made[name]) < 0.1


def test_what_is_not_released_is_lost_and_ranks_or_rises_bring_it_back():
    rng = np.random.default_rng(0)
    ds = simulate.web(3000, noise=0.05)
    start = rng.integers(10, 150, 3000)  # each page has a burst of a decade
    since = np.arange(168) - start[:, None]
    ds["views"] = ds.views * (1 + 9 * np.where(since >= 0, np.exp(-np.maximum(since, 0) / 2.0), 0))
    ds.views.attrs = {"scale": "log", "units": "views/day"}

    def rise(x):
        return np.diff(np.log10(x.views.values), axis=1).max(1)

    off = {
        by: wasserstein(rise(ds), rise(spectrum(ds, epsilon=8.0, delta=1e-5, public=PAGES, **by_choice).sample(1000)))
        for by, by_choice in {"none": {}, "ranks": {"ranks": True}, "rises": {"rises": True}}.items()
    }

    assert off["none"] > 0.3
    assert off["ranks"] < 0.8 * off["none"] and off["rises"] < 0.5 * off["none"]
