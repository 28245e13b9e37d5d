"""Membership inference: rates against plain loops, attacks on models that leak by construction, audits of epsilon."""

import math
import signal
from dataclasses import replace

import numpy as np
import pytest
import xarray as xr
from scipy.stats import beta, norm
from sklearn.metrics import roc_auc_score

import dgkit as dg
from dgkit import Config, Trainer
from dgkit.errors import ConfigError, SchemaError
from dgkit.privacy import (
    DP,
    Shadow,
    epsilon,
    epsilon_lower_bound,
    estimates,
    membership_attack,
    noise_for,
    train_shadows,
)
from tests.conftest import small_dataset


def pages(n, seed=0):
    return dg.split(dg.simulate.web(2 * n, seed=seed, time=28), 0.5)


class Scripted:
    """A model whose discriminator gives each page the score that a function finds for it."""

    def __init__(self, score):
        self.score = score

    def discriminate(self, ds):
        return xr.DataArray([self.score(key) for key in keys(ds)], dims="sample")


class Printer:
    """A model that samples from pages it was given."""

    def __init__(self, pages):
        self.pages = pages

    def sample(self, n, seed=0):
        return self.pages.isel(sample=np.random.default_rng(seed).choice(self.pages.sizes["sample"], n))


def keys(ds):
    return [row.tobytes() for row in ds.views.values]


def by_loops(scores, is_member):
    """Success rate (over all ways to break ties: mean of best and worst), AUC and TPR at 1 % FPR."""
    n = int(is_member.sum())
    order = sorted(range(len(scores)), key=lambda i: -scores[i])
    limit = scores[order[n - 1]]
    above = [i for i in range(len(scores)) if scores[i] > limit]
    tied = [i for i in range(len(scores)) if scores[i] == limit]
    success = (sum(is_member[above]) + (n - len(above)) * np.mean(is_member[tied])) / n
    pairs = [(a > b) + 0.5 * (a == b) for a in scores[is_member] for b in scores[~is_member]]
    best = 0.0
    for threshold in [*scores, math.inf]:
        if np.mean(scores[~is_member] >= threshold) <= 0.01:
            best = max(best, np.mean(scores[is_member] >= threshold))
    return success, np.mean(pairs), best


@pytest.mark.parametrize(("n", "levels"), [(100, 1000), (150, 12), (120, 1)])
def test_rates_are_those_of_plain_loops_ties_included(n, levels):
    rng = np.random.default_rng(n)
    is_member = rng.permutation(2 * n) < n
    scores = rng.integers(0, levels, 2 * n) + levels // 4 * is_member.astype(float)

    found = [estimate.value for estimate in estimates(scores, is_member)]

    assert found == pytest.approx(by_loops(scores, is_member))
    assert found[1] == pytest.approx(roc_auc_score(is_member, scores))


def test_tied_scores_give_no_answer_away():
    success, auc, tpr = estimates(np.zeros(400), np.arange(400) < 200)

    assert (success, auc) == ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
    assert tpr.value == 0


@pytest.mark.training
def test_the_interval_is_that_of_resampling_one_by_one():
    rng = np.random.default_rng(3)
    is_member, scores = np.arange(240) < 120, rng.normal(size=240).round(1)
    scores[is_member] += 0.7
    drawn = []
    for _ in range(400):
        some = np.concatenate([rng.choice(np.flatnonzero(side), 120) for side in (is_member, ~is_member)])
        drawn.append(by_loops(scores[some], np.arange(240) < 120))
    expected = np.percentile(drawn, [2.5, 97.5], axis=0)

    found = estimates(scores, is_member, resamples=2000)

    for k, width in enumerate(np.std(drawn, axis=0)):
        assert found[k][1:] == pytest.approx(expected[:, k], abs=0.5 * width)


def test_the_interval_covers_the_truth_about_as_often_as_it_says():
    rng, truth, hits = np.random.default_rng(0), norm.cdf(1 / math.sqrt(2)), 0
    is_member = np.arange(120) < 60
    for k in range(200):
        auc = estimates(rng.normal(size=120) + is_member, is_member, resamples=300, seed=k)[1]
        hits += auc.low <= truth <= auc.high

    assert 0.90 <= hits / 200 <= 0.99


def test_a_model_that_hands_out_its_training_data_is_found_out():
    members, others = pages(150)

    leak = membership_attack(Printer(members), members, others, "distance", generated=3000)
    honest = membership_attack(Printer(pages(150, seed=1)[0]), members, others, "distance", generated=3000)

    assert leak.success_rate.value == leak.auc.value == leak.tpr_at_1_percent_fpr.value == 1
    assert honest.auc.low < 0.5 < honest.auc.high


def test_the_distance_is_that_of_the_nearest_generated_sample():
    members, others = pages(12)
    printer = Printer(pages(12, seed=1)[0])
    made = np.log10(printer.sample(30, seed=0).views.values.astype(float))
    queries = np.log10(np.concatenate([members.views.values, others.views.values]).astype(float))
    expected = [min(((query - one) ** 2).mean() for one in made) / made.var() for query in queries]

    attack = membership_attack(printer, members, others, "distance", generated=30)

    np.testing.assert_allclose(np.exp(-attack.scores), expected, rtol=1e-4)
    assert attack.scores.member.values.tolist() == [True] * 12 + [False] * 12


def test_success_is_the_share_of_members_among_the_top_n():
    members, others = pages(20)
    low = set(keys(members)[:5])  # five members that the discriminator likes less than all others
    known = set(keys(members))

    attack = membership_attack(Scripted(lambda key: -1.0 if key in low else float(key in known)), members, others)

    assert attack.success_rate.value == pytest.approx(15 / 20)  # then five of the tied others
    assert attack.auc.value == pytest.approx(15 / 20)


def shadowed(members, others, rng, *, models=5, level=2.0, shift=0.5, noise=0.3):
    """Critics that like each page by a level of its own, and a little more where they were trained on it."""
    everything = keys(members) + keys(others)
    levels = dict(zip(everything, level * rng.normal(size=len(everything)), strict=True))
    n = len(everything) // 2
    halves = [np.arange(2 * n) < n, *(rng.permutation(2 * n) < n for _ in range(models - 1))]
    critics = []
    for half in halves:
        gained = dict(zip(everything, shift * half + noise * rng.normal(size=2 * n), strict=True))
        offset = rng.normal() * 10  # a critic's scores have no zero
        critics.append(Scripted(lambda key, gained=gained, offset=offset: levels[key] + gained[key] + offset))
    return critics[0], [Shadow(critic, half) for critic, half in zip(critics[1:], halves[1:], strict=True)], levels


@pytest.mark.parametrize("kind", ["likelihood_ratio", "rmia"])
def test_shadows_see_what_a_score_alone_hides(kind):
    members, others = pages(300)
    target, shadows, levels = shadowed(members, others, np.random.default_rng(0))

    alone = membership_attack(target, members, others)
    ratio = membership_attack(target, members, others, kind, shadows=shadows)
    true_levels = np.array([levels[key] for key in keys(members) + keys(others)])
    at_best = roc_auc_score(np.arange(600) < 300, alone.scores.values - true_levels)

    assert alone.auc.value < 0.62
    assert ratio.auc.value > 0.8
    assert ratio.auc.value < at_best


@pytest.mark.parametrize("kind", ["likelihood_ratio", "rmia"])
def test_with_shadows_no_memory_is_chance(kind):
    members, others = pages(300)
    target, shadows, _ = shadowed(members, others, np.random.default_rng(1), shift=0.0)

    ratio = membership_attack(target, members, others, kind, shadows=shadows)

    assert ratio.auc.low < 0.5 < ratio.auc.high


def test_rmia_is_the_share_of_pairs_that_the_target_has_made_likelier():
    members, others = pages(50)
    target, shadows, _ = shadowed(members, others, np.random.default_rng(5), models=4)
    both = xr.concat([members, others], "sample")

    def likely(model):
        scores = model.discriminate(both).values
        return np.exp((scores - scores.mean()) / scores.std())

    ratios = []
    for i in range(100):
        inside = [likely(s.model)[i] for s in shadows if s.trained_on[i]]
        outside = [likely(s.model)[i] for s in shadows if not s.trained_on[i]]
        ratios.append(likely(target)[i] / np.mean([np.mean(side) for side in (inside, outside) if side]))
    expected = [np.mean([ratios[i] >= ratios[z] for z in range(100) if z != i]) for i in range(100)]

    found = membership_attack(target, members, others, "rmia", shadows=shadows).scores

    np.testing.assert_allclose(found, expected, atol=1e-12)


def test_a_user_of_several_pages_is_told_more_easily_by_the_mean_of_their_scores():
    members, others = pages(300)
    rng = np.random.default_rng(2)
    drawn = dict(zip(keys(members) + keys(others), rng.normal(size=600) + 0.5 * (np.arange(600) < 300), strict=True))
    alone = membership_attack(Scripted(drawn.get), members, others)
    users = np.array([f"user {k}" for k in np.repeat(rng.permutation(60), 10)])

    found = alone.of_users(users)

    means = {name: alone.scores.values[users == name].mean() for name in np.unique(users)}
    assert sorted(found.scores.values) == pytest.approx(sorted(means.values()))
    assert found.scores.member.values.sum() == 30
    assert alone.auc.value < 0.7
    assert found.auc.value > 0.85  # 0.87 expected of 10 independent pages each, within 0.04


@pytest.mark.parametrize(
    ("users", "says"),
    [
        (np.arange(10), "one for each"),
        (np.arange(60) // 4, "members and non-members"),
        (np.arange(60) // 5, "6 users are members and 6 are not"),
        (np.where(np.arange(60) < 30, np.arange(60), 99), "30 users are members and 1 are not"),
    ],
)
def test_users_who_cannot_be_told_are_refused(users, says):
    members, others = pages(30)
    attack = membership_attack(Scripted(hash), members, others)

    with pytest.raises(ConfigError, match=says):
        attack.of_users(users)


def test_the_likelihood_ratio_is_the_quotient_of_two_normal_densities():
    rng = np.random.default_rng(5)
    members, others = pages(50)
    target, shadows, _ = shadowed(members, others, rng, models=4)
    both = xr.concat([members, others], "sample")
    z = {id(m): m.discriminate(both).values for m in (target, *(s.model for s in shadows))}
    z = {k: (v - v.mean()) / v.std() for k, v in z.items()}
    seen = np.stack([s.trained_on for s in shadows])
    scores = np.stack([z[id(s.model)] for s in shadows])
    shift = scores[seen].mean() - scores[~seen].mean()
    expected = []
    residuals = {True: [], False: []}
    levels = [np.mean([scores[k, i] - shift * seen[k, i] for k in range(3)]) for i in range(100)]
    for i in range(100):
        for k in range(3):
            residuals[bool(seen[k, i])].append(scores[k, i] - shift * seen[k, i] - levels[i])
    sd = {side: math.sqrt(np.mean(np.square(r)) * 3 / 2 * 4 / 3) for side, r in residuals.items()}
    for i in range(100):
        x = z[id(target)][i]
        expected.append(norm.logpdf(x, levels[i] + shift, sd[True]) - norm.logpdf(x, levels[i], sd[False]))

    found = membership_attack(target, members, others, "likelihood_ratio", shadows=shadows).scores

    np.testing.assert_allclose(found, expected, rtol=1e-8)


def test_the_roc_runs_from_none_to_all_and_holds_the_auc():
    members, others = pages(40)
    attack = membership_attack(Scripted(lambda key: key[0] % 7), members, others)

    roc = attack.roc

    ends = [(float(roc.false_positive_rate[k]), float(roc.true_positive_rate[k])) for k in (0, -1)]
    assert ends == [(0, 0), (1, 1)]
    assert np.trapezoid(roc.true_positive_rate, roc.false_positive_rate) == pytest.approx(attack.auc.value)
    assert (np.diff(roc.threshold) < 0).all()


TINY = Config(steps=3, sample_len=14, batch_size=10, lstm_units=6, attribute_units=8, discriminator_units=10)


def test_shadows_show_one_bar_of_all_their_steps_unless_asked_not_to(capsys):
    members, others = pages(10)

    train_shadows(members, others, TINY, pairs=1)
    assert f"{2 * TINY.steps}/{2 * TINY.steps} steps" in capsys.readouterr().err

    train_shadows(members, others, TINY, pairs=1, progress=False)
    assert capsys.readouterr().err == ""


def test_shadows_are_trained_on_halves_of_all_candidates_and_come_again():
    members, others = pages(20)

    shadows, again = (train_shadows(members, others, TINY, pairs=2, seed=4) for _ in range(2))

    masks = np.stack([shadow.trained_on for shadow in shadows])
    assert masks.shape == (4, 40)
    assert (masks.sum(1) == 20).all() and (masks.sum(0) == 2).all()
    assert 0 < (masks[0] & masks[2]).sum() < 20  # the pairs do not go by who is a member
    both = xr.concat([members, others], "sample")
    for one, same in zip(shadows, again, strict=True):
        trained = Trainer(both.isel(sample=one.trained_on), replace(TINY, seed=one.model.config.seed))
        assert one.model.encoder.to_json() == trained.encoder.to_json()  # ranges of its own half alone
        np.testing.assert_array_equal(one.model.discriminate(both), same.model.discriminate(both))
    assert len({shadow.model.config.seed for shadow in shadows}) == 4


@pytest.mark.slow
def test_an_interrupt_makes_no_shadow_of_fewer_steps(monkeypatch):
    members, others = pages(10)
    step = Trainer.step_generator
    monkeypatch.setattr(Trainer, "step_generator", lambda self: (signal.raise_signal(signal.SIGINT), step(self))[1])
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            train_shadows(members, others, TINY, pairs=1)
    finally:
        signal.signal(signal.SIGINT, before)


def test_a_network_that_overfits_is_told_on_by_its_discriminator_and_a_fresh_one_is_not():
    members, others = pages(20)
    config = Config(steps=600, sample_len=28, batch_size=20, discriminator_units=64, discriminator_layers=3)
    trainer = Trainer(members, replace(config, discriminator_lr=3e-3))
    fresh = trainer.model
    list(trainer)

    before, after = (membership_attack(model, members, others) for model in (fresh, trainer.model))

    assert before.success_rate.low < 0.5 < before.success_rate.high
    assert after.success_rate.low > 0.5 and after.success_rate.value > 0.6


def test_a_baseline_can_be_attacked_by_distance_alone():
    members, others = pages(20)
    model = dg.baselines.fit("naive_gan", members, budget="smoke")

    assert membership_attack(model, members, others, "distance", generated=50).scores.size == 40
    with pytest.raises(ConfigError, match=r"no discriminator to ask\. Use kind='distance'"):
        membership_attack(model, members, others)


def test_series_of_all_lengths_and_kinds_can_be_attacked(small, tiny_config):
    members, others = small_dataset(40, seed=1), small
    trainer = Trainer(members, replace(tiny_config, steps=2))
    list(trainer)

    for kind in ("discriminator", "distance"):
        attack = membership_attack(trainer.model, members, others, kind, generated=60)
        assert bool(np.isfinite(attack.scores).all())


def test_with_few_samples_the_low_false_positive_rate_is_not_made_up():
    members, others = pages(50)
    attack = membership_attack(Scripted(lambda key: key[1]), members, others)

    assert math.isnan(attack.tpr_at_1_percent_fpr.value)
    assert "TPR at 1 % FPR  needs 100 non-members or more" in repr(attack)
    assert f"success rate    {attack.success_rate.value:.3f}  (95 %: " in repr(attack)


def test_chance_at_few_false_alarms_is_what_blind_scores_give():
    rng, found = np.random.default_rng(0), []
    for _ in range(400):
        found.append(estimates(rng.normal(size=200), np.arange(200) < 100, resamples=1)[2].value)
    members, others = pages(100)

    attack = membership_attack(Scripted(lambda key: key[1]), members, others)

    assert attack.chance == pytest.approx(2 / 101)
    assert abs(np.mean(found) - attack.chance) < 4 * np.std(found) / 20
    assert repr(attack).endswith("; chance 0.020")


def test_what_cannot_be_attacked_is_refused_with_the_way_out():
    members, others = pages(20)
    model = Scripted(lambda key: 0.0)
    shadow = Shadow(model, np.arange(40) < 20)

    def refused(said, *arguments, **options):
        with pytest.raises(ConfigError, match=said):
            membership_attack(*arguments, **options)

    refused(r"20 members and 15 .* 0.57, .*slice\(15\)", model, members, others.isel(sample=slice(15)))
    refused("too few", model, members.isel(sample=slice(9)), others.isel(sample=slice(9)))
    refused("only 1 differ from each other", model, members.isel(sample=[0] * 20), others)
    refused("resamples=1", model, members, others, resamples=1)
    twice = xr.concat([others.isel(sample=slice(19)), members.isel(sample=[4])], "sample")
    refused(r"1 samples are both .*: members\[4\] equals non_members\[19\]", model, members, twice)
    refused("none of 'discriminator', 'distance', 'likelihood_ratio'", model, members, others, "shadow")
    refused(r"needs shadows: train_shadows\(", model, members, others, "likelihood_ratio")
    wrong = Shadow(model, np.arange(30) < 20)
    refused("each of the 40 candidates", model, members, others, "likelihood_ratio", shadows=[shadow, wrong])
    blind = Shadow(model, np.zeros(40, bool))
    refused("know only one side", model, members, others, "likelihood_ratio", shadows=[blind])
    for pairs in (0, 1.5, True):
        with pytest.raises(ConfigError, match="pairs="):
            train_shadows(members, others, TINY, pairs=pairs)


def test_data_of_another_schema_are_refused():
    members, others = pages(20)
    model = Trainer(members, TINY).model
    jobs = dg.split(dg.simulate.cluster(40), 0.5)

    with pytest.raises(SchemaError, match="views"):
        membership_attack(model, *jobs)
    with pytest.raises(SchemaError):
        membership_attack(model, members.drop_vars("views"), others)


# --- audits ---------------------------------------------------------------------------------------------------------


def test_the_lower_bound_is_clopper_and_pearsons_of_the_second_half():
    present, absent = np.ones(80), np.zeros(80)
    present[0] = 0  # so that on the first half presence is told better than absence
    absent[1:21:10] = 1  # two of the forty that are counted

    told = epsilon_lower_bound(present, absent, delta=0.01, confidence=0.9)
    turned = epsilon_lower_bound(-absent, -present, delta=0.01, confidence=0.9)

    low, high = beta.ppf(0.05, 40, 1), beta.ppf(0.95, 3, 38)  # forty hits of forty, two false alarms of forty
    assert told == turned == pytest.approx(math.log((low - 0.01) / high))


def test_the_lower_bound_is_seldom_above_the_epsilon_of_a_known_mechanism():
    """A value of 0 or 1 with Laplace noise of scale 1 / epsilon is epsilon-differentially private, and no better."""
    rng, epsilon = np.random.default_rng(0), 1.0
    bounds = []
    for _ in range(200):
        noise = rng.laplace(scale=1 / epsilon, size=(2, 1000))
        bounds.append(epsilon_lower_bound(1 + noise[0], noise[1], delta=0.0, confidence=0.9))

    assert np.mean(np.array(bounds) > epsilon) <= 0.1
    assert np.median(bounds) > 0.6 * epsilon


@pytest.mark.parametrize(
    ("present", "absent", "options", "said"),
    [
        (np.zeros(19), np.zeros(30), {"delta": 0}, "20 models or more"),
        (np.zeros((30, 2)), np.zeros(30), {"delta": 0}, "20 models or more"),
        (np.zeros(30), np.zeros(30), {"delta": 1}, "delta=1"),
        (np.zeros(30), np.zeros(30), {"delta": 0, "confidence": 1}, "confidence=1"),
    ],
)
def test_an_audit_of_too_little_is_refused(present, absent, options, said):
    with pytest.raises(ConfigError, match=said):
        epsilon_lower_bound(present, absent, **options)


DELTA = 1e-3


def canary_scores(noise_multiplier, *, in_training, models=300):
    """How much more the critics of small private trainings like an odd series than the nine dull ones beside it.

    The worst case that an auditor may choose: little data, known initial weights, a canary unlike all else. Where it is
    not `in_training`, no batch ever holds it, at the same sampling rate.
    """

    x = 0.05 * np.random.default_rng(0).normal(size=(10, 14))
    x[0] = np.where(np.arange(14) % 2, 1, -1)
    ds = xr.Dataset({"x": (("sample", "time"), x)})
    dp = DP(noise_multiplier, delta=DELTA)
    small = {"lstm_units": 4, "attribute_units": 4, "discriminator_units": 16, "discriminator_layers": 2}
    config = Config(steps=4, batch_size=5, sample_len=14, auto_normalise=False, discriminator_lr=0.01, dp=dp, **small)
    scores = []
    for k in range(models):
        trainer = Trainer(ds, config)
        drawn = trainer.draws.samples
        trainer.draws.samples = lambda n: (rows := drawn(n))[(rows != 0) | in_training]
        trainer.rng.manual_seed(2 * k + in_training)  # batches and noise; the weights start from the config's seed
        list(trainer)
        values = trainer.model.discriminate(ds).values
        scores.append(values[0] - values[1:].mean())
    return np.array(scores)


@pytest.mark.slow
def test_an_audit_at_epsilon_one_finds_no_more_and_one_of_too_little_noise_does():
    """Bounds at 95 % confidence: of an exact mechanism, one audit in twenty may go over."""
    spent = {"sample_rate": 0.5, "steps": 4, "delta": DELTA}
    enough = noise_for(epsilon=1.0, **spent)

    bounds = {
        noise: epsilon_lower_bound(
            canary_scores(noise, in_training=True), canary_scores(noise, in_training=False), delta=DELTA
        )
        for noise in (enough, enough / 20, 0.0)
    }

    assert bounds[enough] <= 1.0
    assert 1.0 < bounds[enough / 20] <= epsilon(noise_multiplier=enough / 20, **spent)  # the attack can tell
    assert bounds[0.0] > 1.5


def test_scores_that_have_no_order_are_refused():
    truth = np.arange(60) >= 30
    for one in (np.full(60, np.nan), np.where(np.arange(60) == 3, np.nan, np.arange(60)), [["a"]]):
        with pytest.raises(ConfigError, match=r"scores is .*none of them NaN"):
            estimates(one, truth)
        with pytest.raises(ConfigError, match=r"present is .*none of them NaN"):
            epsilon_lower_bound(one, np.zeros(60), delta=1e-5)
    assert estimates(np.where(truth, np.inf, -np.inf), truth)[0].value == 1


@pytest.mark.parametrize("truth", [np.ones(20), np.arange(19) > 9, 2 * (np.arange(20) > 9) - 1])
def test_members_have_to_be_told_from_others(truth):
    with pytest.raises(ConfigError, match="give True or False for each score, and some of each"):
        estimates(np.arange(20), truth)
    with pytest.raises(ConfigError, match="resamples=0 must be a whole number"):
        estimates(np.arange(20), np.arange(20) > 9, resamples=0)
