"""What-if: attributes as wanted, series as they were, by three ways that agree; bad targets are told apart."""

import copy
import time
from collections import Counter
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import xarray as xr
from scipy.spatial.distance import jensenshannon
from scipy.stats import ks_2samp

import dgkit as dg
from dgkit.errors import ConfigError, DivergenceError, SchemaError
from dgkit.simulate import JOB_CLASSES, cluster
from dgkit.whatif import rejection_sample, retrain_attributes, sample_target
from tests.conftest import small_dataset

pytestmark = pytest.mark.training

CONFIG = dg.Config(steps=250, sample_len=10, ema=0.9, lstm_units=24, discriminator_units=48)


@pytest.fixture(scope="module", autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def model():
    """Of cluster: small, and trained enough that its attributes depend on each other and its series on them."""
    return dg.fit(cluster(1000), CONFIG, progress=False)


def mostly_large(shift):
    """The default mix, moved by this total variation."""
    shares = {name: job.share * (1 - shift / 0.85) for name, job in JOB_CLASSES.items()}
    return {"job_class": shares | {"large": JOB_CLASSES["large"].share + shift}}


@pytest.fixture(scope="module")
def changed(model):
    return retrain_attributes(model, mostly_large(0.5), progress=False)


def shares(ds, *names):
    counts = Counter(zip(*(ds[name].values.tolist() for name in names), strict=True))
    return {key: count / ds.sizes["sample"] for key, count in counts.items()}


def divergence(p, q):
    """Jensen-Shannon, bits."""
    keys = sorted(set(p) | set(q))
    return jensenshannon([p.get(key, 0) for key in keys], [q.get(key, 0) for key in keys], base=2) ** 2


def given(model, target):
    """What the target means, by hand: the model's own series, counted anew by the shares of job_class."""
    own = shares(model.sample(8000, seed=9), "job_class", "end_event")
    margin = Counter()
    for (job_class, _), share in own.items():
        margin[job_class] += share
    wanted = target["job_class"]
    return {key: share / margin[key[0]] * wanted.get(key[0], 0) for key, share in own.items()}


@pytest.mark.parametrize("shift", [0.0, 0.25, 0.5])
def test_retrained_attributes_meet_the_target_and_the_rest_follows_from_the_model(model, shift, capsys):
    target = mostly_large(shift)

    start = time.process_time()
    made = retrain_attributes(model, target, seed=1, progress=False).sample(8000, seed=2)
    seconds = time.process_time() - start

    wanted = {(name,): share for name, share in target["job_class"].items()}
    found = divergence(shares(made, "job_class"), wanted)
    joint = divergence(shares(made, "job_class", "end_event"), given(model, target))
    with capsys.disabled():
        print(f"\nshift {shift}: divergence {found:.5f}, joint {joint:.5f} bits, {seconds:.1f} CPU-seconds", end=" ")
    before = model.sample(8000, seed=2)
    assert found < 0.01
    assert joint < 0.05
    if shift:
        assert divergence(shares(before, "job_class"), wanted) > 3 * found
        assert divergence(shares(before, "job_class", "end_event"), given(model, target)) > 3 * joint


@pytest.mark.slow
def test_retraining_a_model_of_default_size_is_a_fraction_of_its_training(capsys):
    config = dg.Config(steps=30, sample_len=5, ema=0.99)
    start = time.process_time()
    model = dg.fit(cluster(1000), config, progress=False)
    training = (time.process_time() - start) / config.steps * dg.Config().steps

    start = time.process_time()
    changed = retrain_attributes(model, mostly_large(0.5), progress=False)
    seconds = time.process_time() - start

    wanted = {(name,): share for name, share in mostly_large(0.5)["job_class"].items()}
    found = divergence(shares(changed.sample(4000), "job_class"), wanted)
    with capsys.disabled():
        print(
            f"\nretraining {seconds:.1f} CPU-seconds, {seconds / training:.2f} of a training of {dg.Config().steps} "
            f"steps; divergence {found:.5f} bits",
            end=" ",
        )
    assert found < 0.01


def test_only_the_attribute_generator_and_the_discriminators_are_new(model, changed):
    before = dg.Trainer(cluster(1000), CONFIG)
    for _ in before:
        pass
    trained, kept, new = (m.generator.state_dict() for m in (before.model, model, changed))

    frozen = [name for name in new if not name.startswith("attribute.")]

    assert any("running_mean" in name for name in frozen)
    assert all(torch.equal(new[name], kept[name]) for name in frozen)
    assert all(torch.equal(kept[name], trained[name]) for name in kept)  # the given model is left as it was
    assert not torch.equal(new["attribute.head.weight"], kept["attribute.head.weight"])
    assert not any(parameter.requires_grad for parameter in changed.generator.parameters())


def test_for_the_same_attributes_both_models_make_the_same_series(model, changed):
    rows = cluster(300, seed=5)

    a, b = (m.sample(attributes=rows, seed=3) for m in (model, changed))

    assert a.equals(b)


def test_series_given_their_attributes_are_distributed_as_before(model, changed):
    old, new = model.sample(6000, seed=4), changed.sample(6000, seed=5)

    compared = 0
    for cell in shares(new, "job_class", "end_event"):
        a, b = (ds.isel(sample=(ds.job_class == cell[0]) & (ds.end_event == cell[1])) for ds in (old, new))
        if min(a.sizes["sample"], b.sizes["sample"]) < 100:
            continue
        for statistic in (lambda ds: ds.cpu_rate.mean("time"), lambda ds: ds.memory.max("time"), lambda ds: ds.length):
            compared += 1
            assert ks_2samp(statistic(a), statistic(b)).pvalue > 1e-4, cell

    assert compared >= 12
    small, large = (old.isel(sample=old.job_class == name).cpu_rate.mean("time") for name in ("small", "large"))
    assert ks_2samp(small, large).pvalue < 1e-10  # the attributes do matter to this model


def test_rejection_keeps_the_share_that_theory_predicts_and_the_conditionals(model):
    target, n = mostly_large(0.5), 3000
    own = shares(model.sample(8000, seed=9), "job_class")
    predicted = 1 / max(share / own[name,] for name, share in target["job_class"].items())

    kept = rejection_sample(model, target, n, seed=1)

    rate = kept.attrs["acceptance_rate"]
    spread = np.hypot(rate * np.sqrt((1 - rate) / n), predicted / np.sqrt(8000 * own["large",]))
    assert abs(rate - predicted) < 4 * spread
    assert kept.attrs["expected_acceptance_rate"] == pytest.approx(predicted, rel=0.1)
    assert kept.sizes["sample"] == n
    assert divergence(shares(kept, "job_class", "end_event"), given(model, target)) < 0.005
    direct = sample_target(model, target, n, seed=2)
    for name in ("small", "large"):
        a, b = (ds.isel(sample=ds.job_class == name).cpu_rate.mean("time") for ds in (kept, direct))
        assert ks_2samp(a, b).pvalue > 1e-4


def test_direct_samples_meet_the_target_to_chance(model):
    target = mostly_large(0.3)

    made = sample_target(model, target, 4000, seed=1)

    found = shares(made, "job_class")
    for name, share in target["job_class"].items():
        assert abs(found[name,] - share) < 4 * np.sqrt(share * (1 - share) / 4000)
    assert divergence(shares(made, "job_class", "end_event"), given(model, target)) < 0.005
    assert made.equals(sample_target(model, target, 4000, seed=1))


def test_several_margins_hold_together_and_keep_the_odds_ratios(tiny_model):
    n, target = 30_000, {"domain": {"de": 0.6, "en": 0.3, "fr": 0.1}, "spider": {True: 0.7, False: 0.3}}
    own, made = (shares(ds, "domain", "spider") for ds in (
        tiny_model.sample(n, seed=1), sample_target(tiny_model, target, n, seed=2)))  # fmt: skip

    for name, share in target["domain"].items():
        assert made[name, True] + made[name, False] == pytest.approx(share, abs=0.015)
    assert sum(made[name, True] for name in ("de", "en", "fr")) == pytest.approx(0.7, abs=0.015)
    for name in ("en", "fr"):
        log_odds = [np.log(p["de", True] * p[name, False] / (p["de", False] * p[name, True])) for p in (own, made)]
        assert log_odds[0] == pytest.approx(log_odds[1], abs=0.25)


def test_the_forms_of_a_target_say_the_same(model):
    by_hand = given(model, mostly_large(0.5))
    painter = SimpleNamespace(target=mostly_large(0.5))
    joint = {("job_class", "end_event"): by_hand}
    rows = sample_target(model, mostly_large(0.5), 5000)

    for target in (painter, joint, rows):
        made = sample_target(model, target, 5000, seed=3)
        assert divergence(shares(made, "job_class", "end_event"), by_hand) < 0.005


def test_shares_left_out_are_zero_and_rounded_shares_will_do(model):
    made = sample_target(model, {"job_class": {"small": 0.333, "large": 0.666}}, 600)

    assert set(made.job_class.values.tolist()) == {"small", "large"}


def test_continuous_attributes_follow_a_dataset_or_the_categories(tiny_model, small):
    rows = small.isel(sample=np.flatnonzero(small["size"] > 0.5))

    changed = retrain_attributes(tiny_model, rows, steps=400, progress=False)
    of_german = sample_target(tiny_model, {"domain": {"de": 1.0}}, 500)

    assert float(changed.sample(500)["size"].mean()) > 0.6
    assert set(of_german.domain.values.tolist()) == {"de"}
    assert of_german["size"].std() > 0
    with pytest.raises(ConfigError, match=r"'size' is continuous.*sample_target or retrain_attributes"):
        rejection_sample(tiny_model, rows, 10)
    with pytest.raises(ConfigError, match=r"'size' is continuous.*Give a Dataset"):
        retrain_attributes(tiny_model, {"size": {0.5: 1.0}})
    beyond = small.assign(size=small["size"] + 5)
    with pytest.raises(
        SchemaError, match=r"'size' is 5\.\d+ at sample 0 .*not in the range 0\.00\d+ to 0\.99\d+ that the model"
    ):
        retrain_attributes(tiny_model, beyond)


def test_a_retrained_model_is_saved_and_loaded(changed, tmp_path):
    changed.save(tmp_path / "changed.dgkit")

    loaded = dg.load(tmp_path / "changed.dgkit")

    assert loaded.sample(50, seed=1).equals(changed.sample(50, seed=1))
    assert loaded.history.equals(changed.history)
    assert dg.plot.history(loaded)


def test_the_new_discriminators_judge_attributes_alone(changed):
    jobs = cluster(200, seed=5)
    others = cluster(200, seed=6)
    others = others.assign(job_class=jobs.job_class, end_event=jobs.end_event)

    for auxiliary in (False, True):
        a, b = (changed.discriminate(ds, auxiliary=auxiliary) for ds in (jobs, others))
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-6)
        assert float(a.std()) > 0


def test_the_seed_decides_and_the_global_stream_does_not(tiny_model):
    target = {"domain": {"de": 1.0}}
    state = torch.get_rng_state()

    a, b, c = (retrain_attributes(tiny_model, target, steps=5, seed=s, progress=False) for s in (1, 1, 2))

    assert torch.equal(torch.get_rng_state(), state)
    weights = [m.generator.state_dict()["attribute.head.weight"] for m in (a, b, c)]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


@pytest.mark.parametrize("switch", [{"auxiliary": False}, {"auto_normalise": False}, {"initial_state": "variable"}])
def test_models_of_every_kind_can_be_retrained(small, tiny_config, switch, tmp_path):
    model = dg.fit(small, dg.Config(**{**vars(tiny_config), **switch}), progress=False)

    changed = retrain_attributes(model, {"domain": {"de": 0.9, "fr": 0.1}}, steps=300, progress=False)
    changed.save(tmp_path / "m.dgkit")

    made = dg.load(tmp_path / "m.dgkit").sample(400)
    assert float((made.domain == "de").mean()) > 0.7
    assert made.identical(changed.sample(400))
    assert changed.sample(attributes=small).equals(model.sample(attributes=small))
    assert set(dg.plot.history(changed).axes[0].get_lines()) and changed.history.sizes["step"] == 300


@pytest.fixture(scope="module")
def tiny_model():
    config = dg.Config(steps=60, sample_len=5, batch_size=20, lstm_units=6, attribute_units=16, discriminator_units=16)
    return dg.fit(small_dataset(), config, progress=False)


@pytest.fixture
def no_large(model):
    """The model, made unable to generate large jobs."""
    model = retrain_attributes(model, mostly_large(0.0), steps=1, progress=False)
    names = [f"job_class {name}" for name in JOB_CLASSES]
    names += [f"end_event {name}" for name in dg.simulate.END_EVENTS]
    model.generator.attribute.head.bias.data[names.index("job_class large")] = -1e4
    return model


ALL_LARGE = {("job_class", "end_event"): {("large", "KILL"): 0.5, ("large", "FINISH"): 0.5}}


def test_what_the_model_never_makes_is_told(no_large):
    half = {("job_class", "end_event"): {("large", "KILL"): 0.5, ("small", "FINISH"): 0.5}}

    with pytest.raises(ConfigError, match=r"made no job_class 'large'.*combinations of all attributes, or a Dataset"):
        retrain_attributes(no_large, mostly_large(0.2))
    with pytest.raises(ConfigError, match=r"100% of the target.*job_class 'large'.*of the training data"):
        retrain_attributes(no_large, ALL_LARGE)
    with pytest.warns(UserWarning, match=r"50% of the target.*'large' with end_event 'KILL'.*extrapolated"):
        sample_target(no_large, half, 10)
    with (
        pytest.warns(UserWarning, match="extrapolated"),
        pytest.raises(ConfigError, match=r"made no job_class 'large'.*Use sample_target or retrain_attributes"),
    ):
        rejection_sample(no_large, half, 10)


def test_a_rejection_that_takes_too_long_is_refused_before_it_begins(model):
    with pytest.raises(ConfigError, match=r"one draw in \d+ is kept, so n=100000 .*more than most_draws=1000"):
        rejection_sample(model, {"job_class": {"large": 1.0}}, 100_000, most_draws=1000)


BAD = {
    "unknown attribute": ({"colour": {"red": 1.0}}, SchemaError, "'colour'.*'job_class', 'end_event'"),
    "a feature": ({"cpu_rate": {1: 1.0}}, SchemaError, "'cpu_rate'.*'job_class'"),
    "twice": ({("job_class", "job_class"): {("small", "small"): 1.0}}, SchemaError, "attributes are"),
    "never seen": ({"job_class": {"huge": 1.0}}, SchemaError, "'huge', a category the model never saw.*'small'"),
    "negative": ({"job_class": {"small": 1.2, "large": -0.2}}, ConfigError, r"\['small'\] is 1.2; a share"),
    "not a number": ({"job_class": {"small": float("nan")}}, ConfigError, "is nan; a share is a number from 0 to 1"),
    "text": ({"job_class": {"small": "half"}}, ConfigError, "is 'half'; a share"),
    "too little": ({"job_class": {"small": 0.5, "large": 0.4}}, ConfigError, "sum to 0.9; they must sum to 1"),
    "nothing": ({"job_class": {}}, ConfigError, "sum to 0"),
    "empty": ({}, ConfigError, r"target is \{\}; give a Dataset, or shares"),
    "no mapping": ({"job_class": [0.5, 0.5]}, ConfigError, "give {category: share"),
    "no target": (3, ConfigError, "the target is 3"),
    "short key": ({("job_class", "end_event"): {"small": 1.0}}, ConfigError, "one category for each of 2 names"),
    "contradiction": (
        {"job_class": {"small": 1.0}, ("job_class", "end_event"): {("large", "KILL"): 1.0}},
        ConfigError,
        "2 entries cannot all hold",
    ),
    "no attributes": (xr.Dataset({"job_class": ("sample", ["small"])}), SchemaError, "'end_event' is missing"),
    "no rows": (cluster(30).isel(sample=[]), SchemaError, "no values on the dim 'sample'"),
}


WAYS = {
    "retrain": lambda model, target: retrain_attributes(model, target, progress=False),
    "reject": lambda model, target: rejection_sample(model, target, 5),
    "direct": lambda model, target: sample_target(model, target, 5),
}


@pytest.mark.parametrize("name", BAD)
@pytest.mark.parametrize("way", WAYS)
def test_a_bad_target_is_refused_with_what_is_wrong(model, name, way):
    target, error, message = BAD[name]

    with pytest.raises(error, match=message):
        WAYS[way](model, target)


def test_bad_numbers_are_refused(model):
    with pytest.raises(ConfigError, match=r"steps=0 must be"):
        retrain_attributes(model, mostly_large(0.1), steps=0)
    for ask in (rejection_sample, sample_target):
        with pytest.raises(ConfigError, match=r"n=0\.5 must be"):
            ask(model, mostly_large(0.1), 0.5)


def test_a_model_without_attributes_is_refused(tiny_config):
    ds = small_dataset().drop_vars(["domain", "spider", "size"])
    model = dg.fit(ds, tiny_config, progress=False)

    with pytest.raises(ConfigError, match="this model has no attributes"):
        retrain_attributes(model, {"domain": {"de": 1.0}})


def test_divergence_is_an_error_that_says_where(tiny_model):
    wild = copy.copy(tiny_model)
    wild.config = replace(wild.config, discriminator_lr=1e30)

    with pytest.raises(DivergenceError, match=r"retraining diverged at step \d+.*dataclasses.replace"):
        retrain_attributes(wild, {"domain": {"de": 1.0}}, steps=50, progress=False)


def test_the_recorded_error_rises_with_the_shift_only_where_machines_fill_up():
    run = dg.course.open_run("whatif")
    error = run.cpu_rate_wasserstein.median("seed")
    full, never_full = (error.sel(answer="retrained model", capacity=c) for c in (1.0, 1000.0))
    exact = error.sel(answer="reweighted jobs")

    assert bool((full.diff("shift") > 0).all())
    assert float(full[-1] / full[0]) > 3 * float(never_full[-1] / never_full[0])
    assert float(exact.sel(capacity=1.0, shift=0.5) / exact.sel(capacity=1000.0, shift=0.5)) > 10
    assert bool((run.true_cpu_used.sel(capacity=1.0) < 1).all())
    assert float(run.cpu_used.sel(answer="retrained model", capacity=1.0, shift=0.5).median()) > 1.2
    wanted, made = run.job_share.values, run.retrained_job_share.values
    assert (jensenshannon(wanted, made, base=2, axis=run.job_share.get_axis_num("job_class")) ** 2).max() < 0.01
    np.testing.assert_allclose(run.acceptance_rate, run.expected_acceptance_rate, rtol=0.1)


def test_a_dataset_s_values_are_asked_for_as_they_are(tiny_config):
    numbers = np.random.default_rng(0).integers(4_200_000_000, 4_294_967_295, 40)  # float32 holds one in 256 of them
    ds = dg.simulate.web(40, seed=0).isel(time=slice(12))[["views"]]
    ds = ds.assign(network=("sample", numbers)).assign_coords(sample=[f"p{k}" for k in range(40)])
    model = dg.fit(ds, tiny_config, progress=False)
    target = ds.isel(sample=slice(5))

    made = sample_target(model, target, 200)

    assert set(made.network.values.tolist()) == set(numbers[:5].tolist())
    assert made.network.dtype == numbers.dtype and "sample" not in made.coords
    with pytest.raises(
        SchemaError, match=r"'network' is 5000000000 at sample 1 \(1 such values\), not in the range 42"
    ):
        sample_target(model, target.assign(network=("sample", [*numbers[:1], 5_000_000_000, *numbers[2:5]])), 5)
