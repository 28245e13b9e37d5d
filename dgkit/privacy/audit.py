"""Audits: how much a private fit gives away at least, told from outside; what is below that is for a proof to say.

Canaries are samples that an auditor puts into the data or not, by chance, and then guesses which were in. An audit that
finds more than a claim allows has found a bug; one that finds less proves nothing.

- `audit`: one run with many canaries, each in it with probability one half (Steinke et al. 2023). Of r guesses of m
  canaries, v are right; under (epsilon, delta) v is hardly larger than Binomial(r, 1 / (1 + e^-epsilon)).
- `audit_runs`: many runs with one canary, in every other of them. For fits that take milliseconds; it finds more.

Both state an epsilon that is above the true one in at most 1 - confidence of all audits: of any mechanism whatever, or
(`gaussian`) of one that claims to be sums with Gaussian noise, as `spectrum`, `evolve` and DP-SGD on whole data do, but
not on random batches. Of those the whole trade-off between the two kinds of errors is known, Phi(Phi^-1(1 - alpha) -
mu), and a bound on mu gives one on epsilon at any delta, however small: much more is found (in one run, after
Mahloujifar et al. 2024).

Left out: choosing how many guesses to make after having looked, which would flatter the bound; how to find canaries.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from dgkit import _checks
from dgkit._checks import shown, whole
from dgkit._seeding import secret_uniform
from dgkit.errors import ConfigError
from dgkit.privacy.membership import epsilon_lower_bound, rate_limits
from dgkit.privacy.releases import epsilon_of
from dgkit.privacy.spectrum import PrivateSpectrum, totals

Samples = xr.Dataset | np.ndarray
Fit = Callable[[Any], Any]
Score = Callable[[Any, Any], Any]  # (what fit returned, canaries) -> a number for each, higher: was in


@dataclass(frozen=True)
class Audit:
    """What an audit found.

    Parameters
    ----------
    epsilon : float
        A lower bound; 0 where the audit shows nothing.
    delta : float
        Of the guarantee.
    confidence : float
        Of the bound.
    found : str
        What it rests on, in words.

    Examples
    --------
    >>> Audit(1.25, 1e-5, 0.95, "80 of 90 guesses right")
    Audit(epsilon=1.25, delta=1e-05, confidence=0.95, found='80 of 90 guesses right')
    >>> Audit(1.25, 1e-5, 0.95, "80 of 90 guesses right").contradicts(1.0)
    True
    """

    epsilon: float
    delta: float
    confidence: float
    found: str

    def contradicts(self, epsilon: float) -> bool:
        """Whether a fit that claims this epsilon, at the same delta, has given away more."""
        return self.epsilon > epsilon


def audit(
    fit: Fit,
    canaries: Samples,
    score: Score,
    *,
    delta: float,
    ds: Samples | None = None,
    guesses: int | None = None,
    confidence: float = 0.95,
    gaussian: bool = False,
    seed: int | None = None,
) -> Audit:
    """Audit a fit in one run: half of the canaries are in it, and are to be guessed.

    Parameters
    ----------
    fit : callable
        Of the data (`ds` and some canaries), returning whatever `score` looks at. It must not know which are in.
    canaries : Dataset or array
        Samples, or rows of an array: as unlike each other as possible, for one hides another.
    score : callable
        (what `fit` returned, all canaries) -> a number for each, higher for those that look as if they were in.
    delta : float
        Of the guarantee, at least 0.
    ds : Dataset or array, optional
        What is always in, such as training data.
    guesses : int, optional
        Of canaries: half the highest scores are guessed in, half the lowest out, the rest not. Decided before anything
        is seen. Default: a tenth of the canaries, at least 20.
    confidence : float
        Of the bound.
    gaussian : bool
        The claim that is audited is that of sums with Gaussian noise, without random batches: more is found. Of other
        mechanisms such a bound says nothing.
    seed : int, optional
        Of which canaries are in; default: nobody knows.

    Returns
    -------
    Audit

    Raises
    ------
    ConfigError
        Fewer than 20 canaries, or a value out of its range.

    Source
    ------
    Steinke, Nasr and Jagielski 2023, "Privacy auditing with one (1) training run" (Theorem 5.2 with its Appendix D);
    for `gaussian` Mahloujifar, Melis and Chaudhuri 2024, "Auditing f-differential privacy in one run".

    Examples
    --------
    >>> rng, directions = np.random.default_rng(0), np.eye(1000)
    >>> found = audit(  # a sum with noise of half what one sample adds: epsilon 11.6
    ...     lambda rows: rows.sum(0) + 0.5 * rng.normal(size=1000),
    ...     directions,
    ...     lambda total, canaries: canaries @ total,
    ...     delta=1e-5,
    ...     seed=1,
    ... )
    >>> 2 < found.epsilon < 11.6
    True
    """
    m = len(canaries) if isinstance(canaries, np.ndarray) else canaries.sizes["sample"]
    if m < 20:
        raise ConfigError(f"{m} canaries are too few; give 20 or more.")
    guesses = max(20, m // 10) if guesses is None else whole("guesses", guesses, 2)
    if guesses > m:
        raise ConfigError(f"guesses={guesses} of {m} canaries: guess fewer.")
    _check(delta, confidence)
    if seed is None:
        inside = secret_uniform(m).numpy() < 0.5
    else:
        inside = np.random.default_rng(_checks.seed(seed)).random(m) < 0.5

    scores = _scores(score, fit(_with(ds, _taken(canaries, np.flatnonzero(inside)))), canaries, m)
    order = np.argsort(-scores, kind="stable")
    ins, outs = order[: -(-guesses // 2)], order[m - guesses // 2 :]
    right = int(inside[ins].sum() + (~inside[outs]).sum())
    bound = one_run_lower_bound(right, guesses, m, delta=delta, confidence=confidence, gaussian=gaussian)
    return Audit(bound, delta, confidence, f"{right} of {guesses} guesses right, of {m} canaries in one run")


def audit_runs(
    fit: Fit,
    canary: Samples,
    score: Score,
    *,
    delta: float,
    ds: Samples | None = None,
    runs: int = 400,
    confidence: float = 0.95,
    gaussian: bool = False,
) -> Audit:
    """Audit a fit in many runs, with a canary in every other of them.

    Parameters
    ----------
    fit : callable
        Of the data, as in `audit`; each call must draw new noise.
    canary : Dataset or array
        One sample, or one row: the one that gives itself away most.
    score : callable
        (what `fit` returned, the canary) -> a number, higher where it looks as if it was in.
    delta, ds, confidence, gaussian
        As in `audit`.
    runs : int
        In all; at least 80.

    Returns
    -------
    Audit

    Raises
    ------
    ConfigError
        Fewer than 80 runs, more than one canary, or a value out of its range.

    Source
    ------
    Jagielski et al. 2020; for `gaussian` Nasr et al. 2023, "Tight auditing of differentially private machine learning".

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> found = audit_runs(  # a sum with as much noise as one sample adds
    ...     lambda rows: rows.sum() + rng.normal(),
    ...     np.ones((1, 1)),
    ...     lambda total, canary: [total],
    ...     ds=np.zeros((5, 1)),
    ...     delta=1e-5,
    ...     gaussian=True,
    ... )
    >>> from dgkit.privacy.releases import epsilon_of
    >>> 1.5 < found.epsilon < epsilon_of(1.0, 1e-5)
    True
    """
    _check(delta, confidence)
    whole("runs", runs, 80)
    one = len(canary) if isinstance(canary, np.ndarray) else canary.sizes["sample"]
    if one != 1:
        raise ConfigError(f"{one} canaries: many runs audit one. `audit` takes many.")
    found: tuple[list[float], list[float]] = ([], [])
    for run in range(runs):
        data = _with(ds, _taken(canary, np.arange(run % 2)))
        found[run % 2].append(float(_scores(score, fit(data), canary, 1)[0]))
    absent, present = map(np.array, found)
    bound = gaussian_lower_bound if gaussian else epsilon_lower_bound
    epsilon = bound(present, absent, delta=delta, confidence=confidence)
    return Audit(epsilon, delta, confidence, f"{runs} runs, in half of them one canary")


def one_run_lower_bound(
    right: int, guesses: int, canaries: int, *, delta: float, confidence: float = 0.95, gaussian: bool = False
) -> float:
    """The epsilon that so many right guesses prove.

    Parameters
    ----------
    right, guesses, canaries : int
        Right guesses, of all guesses, of all canaries.
    delta, confidence, gaussian
        As in `audit`.

    Returns
    -------
    float
        0 where they prove nothing.

    Raises
    ------
    ConfigError
        Not right <= guesses <= canaries, or a value out of its range.

    Source
    ------
    As `audit`.

    Examples
    --------
    >>> round(one_run_lower_bound(95, 100, 1000, delta=0.0), 2), one_run_lower_bound(50, 100, 1000, delta=0.0)
    (2.17, 0.0)
    """
    _check(delta, confidence)
    right, guesses, canaries = whole("right", right, 0), whole("guesses", guesses), whole("canaries", canaries)
    if not right <= guesses <= canaries:
        raise ConfigError(f"{right} right of {guesses} guesses of {canaries} canaries cannot be.")
    alpha = 1 - confidence

    def refuted(level: float) -> bool:
        if gaussian:
            return _refutes_mu(right, guesses, canaries, level, alpha)
        return p_value(right, guesses, canaries, level, delta) < alpha

    low, high = 0.0, 1.0
    if not refuted(low):
        return 0.0
    while refuted(high) and high < 100:
        low, high = high, 2 * high
    while high - low > 1e-4:
        middle = (low + high) / 2
        low, high = (middle, high) if refuted(middle) else (low, middle)
    if not gaussian:
        return low
    return epsilon_of(low, delta) if delta else math.inf  # no Gaussian mechanism promises more


def p_value(right: int, guesses: int, canaries: int, epsilon: float, delta: float) -> float:
    """The probability of so many right guesses or more of an (epsilon, delta)-private fit, at most.

    Examples
    --------
    >>> p_value(1, 1, 20, 0.0, 0.0)  # a coin
    0.5
    """
    from scipy.special import bdtr

    # v of Binomial(r, q) or more; and for delta the most that one of up to m canaries that fail can add
    share = 1 / (1 + math.exp(-epsilon))
    fewer = right - 1 - np.arange(right + 1)
    below = np.where(fewer < 0, 0.0, bdtr(np.maximum(fewer, 0), guesses, share))  # P[< v - i]
    steps = np.arange(1, right + 1)
    adds = float(((below[0] - below[1:]) / steps).max(initial=0.0))
    return float(min(1.0, 1 - below[0] + 2 * canaries * delta * adds))


def _refutes_mu(right: int, guesses: int, canaries: int, mu: float, alpha: float) -> bool:
    """Whether so many right guesses have a probability below alpha under mu-Gaussian privacy."""
    from scipy.special import ndtr, ndtri

    r, h = alpha * right / canaries, alpha * (guesses - right) / canaries
    for i in range(right - 1, -1, -1):
        higher = max(h, float(ndtr(ndtri(r) - mu)))
        r, h = r + i / (guesses - i) * (higher - h), higher
        if r >= 1:
            return True
    return r + h > guesses / canaries


def gaussian_lower_bound(present: np.ndarray, absent: np.ndarray, *, delta: float, confidence: float = 0.95) -> float:
    """The epsilon that a Gaussian mechanism has spent at least, from the scores of many runs.

    Parameters
    ----------
    present, absent : array, (runs,)
        The score of one sample in runs with it and without it.
    delta, confidence : float
        As in `audit`.

    Returns
    -------
    float
        0 where the scores show nothing. Of a mechanism that is not Gaussian it says nothing.

    Raises
    ------
    ConfigError
        Fewer than 40 runs on a side, a score is NaN, or a value out of its range.

    Notes
    -----
    At every threshold Phi^-1(TPR) - Phi^-1(FPR) <= mu. The threshold is chosen on a quarter of the runs, and the rates
    counted on the others, with Clopper and Pearson's limits.

    Source
    ------
    Nasr et al. 2023, "Tight auditing of differentially private machine learning".

    Examples
    --------
    >>> scores = np.random.default_rng(0).normal(size=(2, 500))
    >>> gaussian_lower_bound(scores[0] + 1, scores[1], delta=1e-5) > 2
    True
    """
    from scipy.special import ndtri

    present, absent = _checks.scores("present", present), _checks.scores("absent", absent)
    if min(present.size, absent.size) < 40 or present.ndim != 1 or absent.ndim != 1:
        raise ConfigError(f"a bound needs 40 runs or more on each side, not {present.shape} and {absent.shape}.")
    _check(delta, confidence)
    tail = (1 - confidence) / 2  # two rates are bounded

    def least(one: np.ndarray, other: np.ndarray, thresholds: np.ndarray) -> np.ndarray:
        hits, alarms = ((side[:, None] > thresholds).sum(0) for side in (one, other))
        low, high = rate_limits(hits, len(one), tail)[0], rate_limits(alarms, len(other), tail)[1]
        mu: np.ndarray = ndtri(low) - ndtri(high)
        return mu

    first = np.arange(len(present)) % 4 == 0, np.arange(len(absent)) % 4 == 0
    tried = np.unique(absent[first[1]])
    best = int(least(present[first[0]], absent[first[1]], tried).argmax())
    mu = float(least(present[~first[0]], absent[~first[1]], tried[[best]])[0])
    if mu <= 0:
        return 0.0
    return epsilon_of(mu, delta) if delta else math.inf  # no Gaussian mechanism promises more


def likelihoods(model: PrivateSpectrum, canaries: xr.Dataset, ds: xr.Dataset | None = None) -> np.ndarray:
    """How much likelier a private spectrum's releases are with each canary than without: the best score there is.

    Parameters
    ----------
    model : PrivateSpectrum
    canaries : Dataset
    ds : Dataset, optional
        What was in it for sure, and the auditor knows; with one canary it does not matter.

    Returns
    -------
    array, (m,)
        Logarithms of the ratio, if all other canaries were in by half.

    Examples
    --------
    >>> from dgkit.privacy import declared, spectrum
    >>> from dgkit.simulate import web
    >>> public = {**declared(web(30)), "views": (1, 1e7)}
    >>> model = spectrum(web(500), epsilon=2.0, delta=1e-5, public=public)
    >>> likelihoods(model, web(3, seed=1)).shape
    (3,)
    """

    def vector(sums: dict[str, np.ndarray]) -> np.ndarray:  # in units of the noise
        return np.concatenate([(sums[name] / sigma).ravel() for name, sigma in model.sigma.items()])

    parts = np.stack([vector(totals(canaries.isel(sample=[i]), model.layout)) for i in range(canaries.sizes["sample"])])
    rest = vector(model.releases) - parts.sum(0) / 2
    if ds is not None:
        rest = rest - vector(totals(ds, model.layout))
    ratios: np.ndarray = parts @ rest
    return ratios


# --- parts ----------------------------------------------------------------------------------------------------------


def _check(delta: float, confidence: float) -> None:
    for name, value in (("delta", delta), ("confidence", confidence)):
        _checks.number(name, value)
    if not (0 <= delta < 1 and 0 < confidence < 1):
        raise ConfigError(f"delta={delta!r} must be at least 0 and below 1, confidence={confidence!r} between 0 and 1.")


def _taken(samples: Samples, which: np.ndarray) -> Samples:
    return samples[which] if isinstance(samples, np.ndarray) else samples.isel(sample=which)


def _with(ds: Samples | None, some: Samples) -> Samples:
    if ds is None:
        return some
    if isinstance(ds, np.ndarray) and isinstance(some, np.ndarray):
        return np.concatenate([ds, some])
    both: list[Any] = [ds, some]
    joined: xr.Dataset = xr.concat(both, "sample", data_vars="minimal", coords="minimal", compat="override")
    return joined


def _scores(score: Score, made: Any, canaries: Samples, m: int) -> np.ndarray:
    found = np.asarray(score(made, canaries), np.float64)
    if found.shape != (m,) or not np.isfinite(found).all():
        raise ConfigError(f"score gave {shown(found)}, not a number for each of {m} canaries.")
    return found
