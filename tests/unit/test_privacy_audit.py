"""Audits: the bounds against brute force and known mechanisms, and planted bugs."""

import math
import sys
from itertools import product

import numpy as np
import pytest
from scipy.stats import binom

from dgkit import simulate
from dgkit.errors import ConfigError
from dgkit.privacy import (
    audit,
    audit_runs,
    declared,
    evolve,
    gaussian_lower_bound,
    likelihoods,
    one_run_lower_bound,
    spectrum,
)
from dgkit.privacy.audit import p_value
from dgkit.privacy.releases import epsilon_of, public_schema

RUNS = 100
DELTA = 1e-5


def gaussian_sum(sigma, seed):
    """A sum of rows with noise: mu = 1 / sigma for rows of norm 1."""
    rng = np.random.default_rng(seed)
    return lambda rows: rows.sum(0) + rng.normal(0, sigma, rows.shape[1])


def along(total, rows):
    return rows @ total


# --- the bounds themselves ---


def test_the_p_value_is_that_of_the_published_sum():
    for right, guesses, canaries, epsilon, delta in product((0, 3, 17, 20), (20,), (20, 90), (0.0, 1.3), (0.0, 1e-3)):
        share = 1 / (1 + math.exp(-epsilon))
        tail = sum(binom.pmf(k, guesses, share) for k in range(right, guesses + 1))
        worst, running = 0.0, 0.0
        for i in range(1, right + 1):
            running += binom.pmf(right - i, guesses, share)
            worst = max(worst, running / i)

        expected = min(1.0, tail + 2 * canaries * delta * worst)

        assert p_value(right, guesses, canaries, epsilon, delta) == pytest.approx(expected, abs=1e-12)


def test_randomised_response_is_never_accused_and_nearly_found():
    """Answers that are right with probability e / (1 + e): epsilon is 1, and the audit's worst case."""
    rng = np.random.default_rng(0)
    right = rng.binomial(1000, math.e / (1 + math.e), RUNS)

    bounds = np.array([one_run_lower_bound(int(v), 1000, 1000, delta=0.0) for v in right])

    assert (bounds <= 1).sum() >= 90  # 95 expected; fewer than 90 in 1 of 30 such hundreds
    assert bounds.mean() > 0.75


@pytest.mark.parametrize("gaussian", [False, True])
@pytest.mark.parametrize("mu", [0.5, 2.0])
def test_one_run_of_a_gaussian_mechanism_is_bounded_from_below_and_not_uselessly(mu, gaussian):
    true = epsilon_of(mu, DELTA)

    found = [
        audit(gaussian_sum(1 / mu, seed), np.eye(500), along, delta=DELTA, guesses=100, gaussian=gaussian, seed=seed)
        for seed in range(RUNS)
    ]

    bounds = np.array([one.epsilon for one in found])
    assert (bounds <= true).sum() >= 95
    assert bounds.mean() > {0.5: 0.25, 2.0: 0.25}[mu] * true


@pytest.mark.parametrize("mu", [0.5, 1.5])
def test_many_runs_of_a_gaussian_mechanism_are_bounded_from_below_and_find_most_of_it(mu):
    rng, true = np.random.default_rng(1), epsilon_of(mu, DELTA)
    scores = rng.normal(size=(RUNS, 2, 1000))

    bounds = np.array([gaussian_lower_bound(one[0] + mu, one[1], delta=DELTA) for one in scores])

    assert (bounds <= true).sum() >= 95
    assert bounds.mean() > 0.35 * true


def test_without_delta_a_gaussian_mechanism_promises_nothing():
    scores = np.random.default_rng(0).normal(size=(2, 500))

    assert gaussian_lower_bound(scores[0] + 3, scores[1], delta=0.0) == math.inf
    assert gaussian_lower_bound(scores[0], scores[0], delta=0.0) == 0
    assert one_run_lower_bound(95, 100, 1000, delta=0.0, gaussian=True) == math.inf
    assert one_run_lower_bound(50, 100, 1000, delta=0.0, gaussian=True) == 0


def test_scores_that_know_nothing_prove_nothing():
    blind = [
        audit(gaussian_sum(1.0, s), np.eye(200), lambda made, rows: np.arange(len(rows)), delta=0.0, seed=s).epsilon
        for s in range(RUNS)
    ]

    assert sum(one > 0 for one in blind) <= 12  # 5 expected


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: audit(gaussian_sum(1, 0), np.eye(5), along, delta=0.0), "20 or more"),
        (lambda: audit(gaussian_sum(1, 0), np.eye(50), along, delta=0.0, guesses=60), "guess fewer"),
        (lambda: audit(gaussian_sum(1, 0), np.eye(50), along, delta=2.0), "delta"),
        (lambda: audit(gaussian_sum(1, 0), np.eye(50), lambda made, rows: [1.0], delta=0.0), "a number for each of 50"),
        (lambda: audit_runs(gaussian_sum(1, 0), np.eye(2), along, delta=0.0), "many runs audit one"),
        (lambda: audit_runs(gaussian_sum(1, 0), np.eye(1), along, delta=0.0, runs=10), "80"),
        (lambda: one_run_lower_bound(5, 4, 10, delta=0.0), "cannot be"),
        (lambda: one_run_lower_bound(7.5, 100, 200, delta=0.0), "right=7.5 must be a whole number"),
        (lambda: gaussian_lower_bound(np.ones(3), np.ones(3), delta=0.0), "40 runs"),
        (lambda: gaussian_lower_bound(np.full(50, np.nan), np.ones(50), delta=0.0), "none of them NaN"),
    ],
)
def test_an_audit_that_cannot_be_is_refused(call, says):
    with pytest.raises(ConfigError, match=says):
        call()


# --- planted bugs ---


def private_sums(rows, sigma=4.0, steps=4, bug="none", rng=None):
    """DP-SGD's core without the model: each row scaled to a norm of at most 1, summed, with noise, in every step."""
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    if bug == "batch clipped":  # the mean is scaled down, not each row
        mean = rows.mean(0)
        total = len(rows) * mean * min(1, 1 / np.linalg.norm(mean))
    elif bug == "numbers clipped":  # each number, not the row's norm
        total = np.clip(rows, -1, 1).sum(0)
    else:
        total = (rows / np.maximum(norms, 1)).sum(0)
    noise = sigma / 2 if bug == "noise halved" else sigma
    return np.mean([total + rng.normal(0, noise, rows.shape[1]) for _ in range(steps)], 0)


@pytest.mark.parametrize("bug", ["none", "noise halved", "batch clipped", "numbers clipped"])
def test_a_bug_planted_in_dp_sgd_is_found_and_the_right_code_is_not_accused(bug):
    rng = np.random.default_rng(0)
    others, canary = rng.normal(0, 0.1, (50, 10)), np.full((1, 10), 3.0)
    claimed = epsilon_of(math.sqrt(4) / 4.0, DELTA)  # four sums of sensitivity 1 with noise 4
    runs = 10 if bug == "none" else 1

    found = [
        audit_runs(
            lambda rows: private_sums(rows, bug=bug, rng=rng), canary, along,
            ds=others, delta=DELTA, runs=2000, gaussian=True, confidence=0.99,
        ).contradicts(claimed)
        for _ in range(runs)
    ]  # fmt: skip

    assert found == [bug != "none"] * runs


@pytest.mark.slow
def test_the_right_code_is_accused_no_more_often_than_the_confidence_allows():
    rng = np.random.default_rng(1)
    others, canary = rng.normal(0, 0.1, (50, 10)), np.full((1, 10), 3.0)
    claimed = epsilon_of(math.sqrt(4) / 4.0, DELTA)

    accused = [
        audit_runs(
            lambda rows: private_sums(rows, rng=rng), canary, along,
            ds=others, delta=DELTA, runs=400, gaussian=True, confidence=0.95,
        ).contradicts(claimed)
        for _ in range(RUNS)
    ]  # fmt: skip

    assert sum(accused) <= 10  # 5 allowed; more than 10 in 1 of 90 such hundreds


PAGES = {**declared(simulate.web(30)), "views": (1, 1e7)}


def page_apart(time):
    """A page of a rhythm, level and spread that few have."""
    page = simulate.web(1, time=time)
    page.views.values[0] = 10 ** (5.5 + 0.5 * np.cos(np.arange(time) * np.pi))
    return page


@pytest.mark.training
@pytest.mark.parametrize("bug", ["none", "noise halved", "shapes of any size"])
def test_a_bug_planted_in_the_private_spectrum_is_found(bug, monkeypatch):
    module = sys.modules["dgkit.privacy.spectrum"]
    if bug == "noise halved":
        noise_of = module.noise_of
        monkeypatch.setattr(module, "noise_of", lambda *a: {k: v / 2 for k, v in noise_of(*a).items()})
    if bug == "shapes of any size":  # not scaled to a norm of 1
        standardised = module.standardised
        monkeypatch.setattr(module, "standardised", lambda *a: (*standardised(*a)[:2], 3 * standardised(*a)[2]))
    others, canary = simulate.web(40, time=14), page_apart(14)

    def fit(ds):
        return spectrum(ds, epsilon=4.0, delta=DELTA, public=PAGES)

    found = audit_runs(fit, canary, likelihoods, ds=others, delta=DELTA, runs=1200, gaussian=True, confidence=0.99)

    assert found.contradicts(4.0) == (bug != "none")


def test_one_run_with_many_pages_stays_below_the_private_spectrums_epsilon():
    ds, canaries = simulate.web(300, seed=5, time=28), simulate.web(60, seed=6, time=28)

    found = audit(
        lambda data: spectrum(data, epsilon=8.0, delta=DELTA, public=PAGES),
        canaries, lambda model, pages: likelihoods(model, pages, ds),
        ds=ds, delta=DELTA, gaussian=True,
    )  # fmt: skip

    assert found.epsilon < 8
    assert "of 60 canaries in one run" in found.found


@pytest.mark.slow
@pytest.mark.parametrize("gaussian", [False, True])
@pytest.mark.parametrize("epsilon", [1.0, 8.0])
def test_a_hundred_audits_of_the_private_spectrum_stay_below_its_epsilon(epsilon, gaussian):
    ds, canaries = simulate.web(200, seed=5, time=28), simulate.web(60, seed=6, time=28)

    found = [
        audit(
            lambda data: spectrum(data, epsilon=epsilon, delta=DELTA, public=PAGES),
            canaries, lambda model, pages: likelihoods(model, pages, ds),
            ds=ds, delta=DELTA, gaussian=gaussian,
        ).epsilon
        for _ in range(RUNS)
    ]  # fmt: skip

    assert (np.array(found) <= epsilon).sum() >= 95


@pytest.mark.slow
@pytest.mark.parametrize("gaussian", [False, True])
@pytest.mark.parametrize("epsilon", [1.0, 8.0])
def test_a_hundred_audits_of_private_evolution_stay_below_its_epsilon(epsilon, gaussian):
    """The canaries are the candidates of all rounds: what has as many votes in every round was in."""
    candidates = evolve_module().anything(public_schema(simulate.web(30, time=28), PAGES), (7.0,))(300, 1)

    def fit(ds):
        options = {"candidates": 300, "rounds": 2, "simulator": lambda n, seed: candidates, "vary": again}
        return evolve(ds, epsilon=epsilon, delta=DELTA, public=PAGES, **options)

    def again(parents, far, seed):
        return parents

    found = [
        audit(fit, candidates, lambda model, _: model.votes[0], delta=DELTA, guesses=60, gaussian=gaussian).epsilon
        for _ in range(RUNS)
    ]

    assert (np.array(found) <= epsilon).sum() >= 95
    assert epsilon < 8 or max(found) > 0.5


def evolve_module():
    return sys.modules["dgkit.privacy.evolve"]


@pytest.mark.parametrize("bug", ["none", "noise halved", "two votes a series"])
def test_one_run_finds_a_bug_planted_in_private_evolution(bug, monkeypatch):
    """The canaries are the first round's candidates, which the auditor can make too: each votes for itself."""
    module = evolve_module()
    if bug == "noise halved":
        noise_of = module.noise_of
        monkeypatch.setattr(module, "noise_of", lambda *a: {k: v / 2 for k, v in noise_of(*a).items()})
    if bug == "two votes a series":
        nearest = module.nearest
        monkeypatch.setattr(module, "nearest", lambda *a: np.tile(nearest(*a), 2))
    candidates = module.anything(public_schema(simulate.web(30, time=28), PAGES), (7.0,))(3000, 1)

    def fit(ds):
        def made(n, seed):
            return candidates

        options = {"candidates": 3000, "rounds": 1, "simulator": made}
        return evolve(ds, epsilon=2.0, delta=DELTA, public=PAGES, **options)

    found = [
        audit(fit, candidates, lambda model, _: model.votes[0], delta=DELTA, guesses=600, gaussian=True).epsilon
        for _ in range(10)
    ]

    assert (np.array(found) > 2).sum() >= (9 if bug != "none" else 0)
    if bug == "none":
        assert max(found) < 2
        assert np.mean(found) > 0.5
