"""Membership inference: was a sample in the training data? Four attacks on a trained model, with intervals.

- "discriminator", the paper's (Lin et al. 2020, Section 6.2; its code in issue 24 of the original repository): the
  discriminator's score. It needs the discriminator, which is not released with samples, and no other model.
- "distance": how near the nearest generated sample is. It needs nothing but samples, so it works on any model.
- "likelihood_ratio", after Carlini et al. 2022 (LiRA): the discriminator's score against what it is where the sample
  was trained on and where not, learned from models that the attacker trains on data of the same kind ("shadows").
- "rmia", after Zarifzadeh et al. 2024: how much likelier the target makes the sample than the shadows do on average,
  against how much likelier it makes the other candidates. Made for few shadows.

`MembershipAttack.of_users` asks for somebody who has several of the samples. And `epsilon_lower_bound` turns an attack
into a statement on differential privacy. Left out: attacks that train a classifier, and guesses of attributes.

Letters for shapes: N members, and as many non-members; B resamples, G different scores, K shadows.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import xarray as xr
from tqdm.auto import tqdm

from dgkit import _checks
from dgkit._checks import shown, whole
from dgkit._comparable import distinct, in_both
from dgkit.errors import ConfigError
from dgkit.schema import validate

if TYPE_CHECKING:  # the trainer imports this package
    from dgkit.baselines import Baseline
    from dgkit.core.config import Config
    from dgkit.core.model import DoppelGANger

KINDS = ("discriminator", "distance", "likelihood_ratio", "rmia")
WITH_SHADOWS = KINDS[2:]
LEAST = 10  # members; fewer say nothing
ENOUGH = 40  # draws of a bootstrap: a limit of 95 % is beyond one of them
FPR = 0.01


class Estimate(NamedTuple):
    """A number, and the interval that holds 95 % of its bootstrap resamples.

    Parameters
    ----------
    value, low, high : float

    Examples
    --------
    >>> print(Estimate(0.61, 0.55, 0.67))
    0.610  (95 %: 0.550 to 0.670)
    """

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.3f}  (95 %: {self.low:.3f} to {self.high:.3f})"


class Shadow(NamedTuple):
    """A model that the attacker trained, and what it was trained on.

    Parameters
    ----------
    model : DoppelGANger
    trained_on : array of bool, (2N,)
        Which of the candidates, members first, then non-members.

    Examples
    --------
    >>> import dgkit as dg
    >>> members, others = dg.split(dg.simulate.web(40), 0.5)
    >>> own = dg.fit(members, dg.Config(steps=1, sample_len=84, batch_size=10), progress=False)
    >>> Shadow(own, np.arange(40) < 20).trained_on.sum()
    np.int64(20)
    """

    model: "DoppelGANger"
    trained_on: np.ndarray


@dataclass(frozen=True, repr=False)
class MembershipAttack:
    """How well an attack tells members from non-members.

    Parameters
    ----------
    kind : str
    scores : DataArray, dims (sample,)
        Of members, then non-members; higher: taken for a member. The coordinate `member` is the truth.
    success_rate : Estimate
        Share of members among the N samples with the highest scores, the paper's measure; chance is 0.5.
    auc : Estimate
        Probability that a member scores higher than a non-member; chance is 0.5.
    tpr_at_1_percent_fpr : Estimate
        Share of members found by a threshold that 1 % of the non-members pass; chance is a little above 0.01
        (`chance`). NaN with fewer than 100 non-members, of whom 1 % is nobody.

    Examples
    --------
    >>> import dgkit as dg
    >>> members, others = dg.split(dg.simulate.web(40), 0.5)
    >>> model = dg.fit(members, dg.Config(steps=2, sample_len=84, batch_size=10), progress=False)
    >>> attack = membership_attack(model, members, others, resamples=50)
    >>> attack.scores.sizes["sample"], 0 <= attack.auc.value <= 1
    (40, True)
    >>> attack.roc.true_positive_rate[[0, -1]].values.tolist()
    [0.0, 1.0]
    """

    kind: str
    scores: xr.DataArray
    success_rate: Estimate
    auc: Estimate
    tpr_at_1_percent_fpr: Estimate

    @property
    def chance(self) -> float:
        """What blind scores give for `tpr_at_1_percent_fpr` in the mean: (k + 1) / (N + 1) for k false alarms of N."""
        n = self.scores.sizes["sample"] // 2
        return (math.floor(FPR * n + 1e-9) + 1) / (n + 1)

    @property
    def roc(self) -> xr.Dataset:
        """Both rates at every threshold, dims (threshold,), from none to all taken for members."""
        is_member = self.scores.member.values
        members, others = _counts(self.scores.values, is_member)
        rates = {
            name: ("threshold", np.append(0, np.cumsum(counts)) / counts.sum(), {"long_name": label, "units": "1"})
            for name, label, counts in (
                ("false_positive_rate", "share of non-members taken for members", others),
                ("true_positive_rate", "share of members found", members),
            )
        }
        return xr.Dataset(rates, {"threshold": np.append(np.inf, np.unique(self.scores.values)[::-1])})

    def of_users(self, users: Any, *, resamples: int = 1000, seed: int = 0) -> "MembershipAttack":
        """The same attack on users who have several samples each, all of them members or none.

        Parameters
        ----------
        users : array, (2N,)
            Whose each sample is, by any number or name; members first, as in `scores`.
        resamples, seed : int
            Of the bootstrap, over users.

        Returns
        -------
        MembershipAttack
            A user's score is the mean of their samples' scores: what each of them gives away adds up, and what they
            have by chance averages out.

        Raises
        ------
        ConfigError
            A user of members and of non-members, not as many users of each, or fewer than 10.

        Examples
        --------
        >>> import dgkit as dg
        >>> members, others = dg.split(dg.simulate.web(80), 0.5)
        >>> model = dg.fit(members, dg.Config(steps=2, sample_len=84, batch_size=10), progress=False)
        >>> of_users = membership_attack(model, members, others).of_users(np.arange(80) // 4, resamples=50)
        >>> of_users.scores.sizes["sample"]
        20
        """
        if np.shape(users) != self.scores.shape:
            raise ConfigError(
                f"users has shape {np.shape(users)}; it needs one for each of {self.scores.shape} samples."
            )
        which = np.unique(np.asarray(users), return_inverse=True)[1]
        size, members = np.bincount(which), np.bincount(which, self.scores.member.values)
        if mixed := int(((members > 0) & (members < size)).sum()):
            raise ConfigError(
                f"{mixed} users have members and non-members. All of a user's samples are one or the other."
            )
        n = int((members > 0).sum())
        if n != len(size) - n or n < LEAST:
            raise ConfigError(
                f"{n} users are members and {len(size) - n} are not; it takes as many of each, {LEAST} or more."
            )
        whole("resamples", resamples, ENOUGH)
        order = np.argsort(members == 0, kind="stable")
        scores, is_member = (np.bincount(which, self.scores.values) / size)[order], (members > 0)[order]
        labelled = xr.DataArray(scores, {"member": ("sample", is_member)}, "sample", "score", self.scores.attrs)
        return MembershipAttack(self.kind, labelled, *estimates(scores, is_member, resamples=resamples, seed=seed))

    def __repr__(self) -> str:
        few = self.scores.sizes["sample"] // 2
        low = "needs 100 non-members or more" if math.isnan(self.tpr_at_1_percent_fpr.value) else None
        return (
            f"<membership attack by {self.kind.replace('_', ' ')}: {few} members, {few} non-members>\n"
            f"success rate    {self.success_rate}; chance 0.5\n"
            f"AUC             {self.auc}; chance 0.5\n"
            f"TPR at 1 % FPR  {low or f'{self.tpr_at_1_percent_fpr}; chance {self.chance:.3f}'}"
        )


def membership_attack(
    model: "DoppelGANger | Baseline",
    members: xr.Dataset,
    non_members: xr.Dataset,
    kind: str = "discriminator",
    *,
    shadows: Sequence[Shadow] = (),
    generated: int = 5000,
    resamples: int = 1000,
    seed: int = 0,
) -> MembershipAttack:
    """Attack a model: tell samples it was trained on from others of the same kind.

    Parameters
    ----------
    model : DoppelGANger, or for kind="distance" whatever has `sample(n, seed=...)`
    members, non_members : Dataset
        As many of each, so that chance is one half: samples of the training data, and others of the same distribution
        (`dgkit.split` makes both).
    kind : {"discriminator", "distance", "likelihood_ratio", "rmia"}
        "discriminator": the score of D.
        "distance": minus the logarithm of the distance to the nearest of the `generated` samples, in the measure of
        `dgkit.metrics.nearest_neighbours`: mean squared error over features and steps, of logarithms where a feature's
        attrs say scale="log", in units of the generated samples' standard deviation. Attributes are not looked at.
        "likelihood_ratio": the logarithm of p(score of D | member) / p(score of D | no member), both normal
        distributions fitted with `shadows`, see Notes.
        "rmia": which share of the other candidates z has p(x | target) / p(x) >= p(z | target) / p(z), see Notes.
    shadows : sequence of Shadow
        For the last two; from `train_shadows`.
    generated : int
        For the distance.
    resamples : int
        Of the bootstrap, 40 or more: members and non-members are drawn again, each with replacement.
    seed : int
        Of the generated samples and the bootstrap.

    Returns
    -------
    MembershipAttack

    Raises
    ------
    ConfigError
        Not as many members as non-members, or fewer than 10; a sample that is both; an unknown kind, or one that this
        model or these shadows do not allow.
    SchemaError
        Not datasets of the model's schema.

    Notes
    -----
    A critic's scores have no zero: each model's are first standardised over the candidates. Then sample i has a level
    that is fitted over the shadows, to which a shift is added in those that were trained on it. LiRA fits a shift for
    each sample, from 64 shadows and more; here all samples share one, and both variances, which is what a handful of
    shadows can tell. The shadows' halves must be drawn without regard to the target's: the complement of the target's
    own training data, say, would give the answer away by how often a sample occurs among the shadows.

    Of RMIA the source's online form: p(x) is the mean of p(x | shadow), half of it over those trained on x and half
    over the others. A critic has no likelihood: the exponential of its standardised score stands in for p. The source's
    population z are here the other candidates, and its gamma is 1, so that the score is a rank: both only move the
    threshold, and no measure here depends on that.

    Source
    ------
    Lin et al. 2020, Section 6.2 and Figure 15, after Hayes et al. 2019 (LOGAN); Carlini et al. 2022, "Membership
    inference attacks from first principles"; Watson et al. 2022, "On the importance of difficulty calibration";
    Zarifzadeh, Liu and Shokri 2024, "Low-cost high-power membership inference attacks".

    Examples
    --------
    >>> import dgkit as dg
    >>> members, others = dg.split(dg.simulate.web(40), 0.5)
    >>> model = dg.fit(members, dg.Config(steps=2, sample_len=84, batch_size=10), progress=False)
    >>> attack = membership_attack(model, members, others)
    >>> attack.success_rate.low <= attack.success_rate.value <= attack.success_rate.high
    True
    """
    if kind not in KINDS:
        raise ConfigError(f"kind={kind!r} is none of {', '.join(map(repr, KINDS))}.")
    if kind != "distance" and not hasattr(model, "discriminate"):
        raise ConfigError(f"a {type(model).__name__} has no discriminator to ask. Use kind='distance'.")
    whole("resamples", resamples, ENOUGH)
    n, seed = _check_candidates(members, non_members), _checks.seed(seed)
    if kind == "distance":
        scores = _nearness(model, members, non_members, generated, seed)
    else:
        scores = _critic(model, members, non_members)
        if kind in WITH_SHADOWS:
            masks = _check_shadows(shadows, n)
            score = _likelihood_ratio if kind == "likelihood_ratio" else _rmia
            scores = score(scores, [_critic(s.model, members, non_members) for s in shadows], masks)
    is_member = np.arange(2 * n) < n
    label = {"long_name": f"score of the attack by {kind.replace('_', ' ')}", "units": "1"}
    labelled = xr.DataArray(scores, {"member": ("sample", is_member)}, "sample", "score", label)
    return MembershipAttack(kind, labelled, *estimates(scores, is_member, resamples=resamples, seed=seed))


def train_shadows(
    members: xr.Dataset,
    non_members: xr.Dataset,
    config: "Config",
    *,
    pairs: int = 2,
    seed: int = 0,
    progress: bool = True,
) -> list[Shadow]:
    """Models for the likelihood-ratio attack, each trained as the target was on a random half of the candidates.

    Parameters
    ----------
    members, non_members : Dataset
        As they will be given to `membership_attack`; who is which is not used.
    config : Config
        The target's; each shadow has a seed of its own.
    pairs : int
        Of shadows: one is trained on a half, the other on the rest, so that every sample is in as many as it is not.
    seed : int
        Of halves and trainings.
    progress : bool
        Show a bar of all models' steps.

    Returns
    -------
    list of Shadow
        Two for each pair.

    Raises
    ------
    ConfigError, SchemaError, DivergenceError

    Examples
    --------
    >>> import dgkit as dg
    >>> members, others = dg.split(dg.simulate.web(40), 0.5)
    >>> tiny = dg.Config(steps=2, sample_len=84, batch_size=10)
    >>> [int(shadow.trained_on.sum()) for shadow in train_shadows(members, others, tiny, pairs=1, progress=False)]
    [20, 20]
    """
    from dgkit.baselines import BAR
    from dgkit.core.config import given
    from dgkit.core.trainer import Trainer  # `fit` makes of an interrupt a shorter training

    whole("pairs", pairs)
    config = given(config)
    n = _check_candidates(members, non_members)
    candidates = xr.concat([members, non_members], "sample", data_vars="minimal", coords="minimal", compat="override")
    rng = np.random.default_rng(_checks.seed(seed))
    shadows = []
    with tqdm(total=2 * pairs * config.steps, desc="shadows", bar_format=BAR, disable=not progress) as bar:
        for _ in range(pairs):
            half = rng.permutation(2 * n) < n
            for trained_on in (half, ~half):
                own = replace(config, seed=int(rng.integers(2**31)))
                trainer = Trainer(candidates.isel(sample=trained_on), own)
                for _ in trainer:
                    bar.update()
                shadows.append(Shadow(trainer.model, trained_on))
    return shadows


def estimates(
    scores: np.ndarray, is_member: np.ndarray, *, resamples: int = 1000, seed: int = 0
) -> tuple[Estimate, Estimate, Estimate]:
    """Success rate, AUC and TPR at 1 % FPR of any scores, with bootstrap intervals.

    Parameters
    ----------
    scores : array, (2N,)
        Higher: taken for a member. Ties are broken by chance, that is, count by their expectation.
    is_member : array of bool, (2N,)
    resamples, seed : int
        Of the bootstrap.

    Returns
    -------
    tuple of Estimate
        As `MembershipAttack` has them. Blindly a success rate is the share of the members: one half where they are as
        many as the others.

    Raises
    ------
    ConfigError
        A score is NaN, `is_member` is not True or False for each, or `resamples` is no whole number of at least 1.

    Examples
    --------
    >>> success_rate, auc, _ = estimates(np.arange(20), np.arange(20) >= 10)
    >>> success_rate.value, auc.value
    (1.0, 1.0)
    """
    whole("resamples", resamples)
    scores, truth = _checks.scores("scores", scores), np.asarray(is_member)
    if (
        scores.ndim != 1
        or truth.shape != scores.shape
        or not np.isin(truth, (False, True)).all()
        or len(np.unique(truth)) != 2
    ):
        raise ConfigError(f"is_member is {shown(is_member)}; give True or False for each score, and some of each.")
    members, others = _counts(scores, truth.astype(bool))
    rng = np.random.default_rng(_checks.seed(seed))
    values = _measures(members[None], others[None])[:, 0]
    drawn, block = [], max(1, 2_000_000 // len(members))  # bounds memory
    for start in range(0, resamples, block):
        size = min(block, resamples - start)
        drawn.append(_measures(*(rng.multinomial(c.sum(), c / c.sum(), size) for c in (members, others))))
    low, high = np.percentile(np.concatenate(drawn, 1), [2.5, 97.5], axis=1)  # (3,) each
    first, second, third = (Estimate(*map(float, row)) for row in zip(values, low, high, strict=True))
    return first, second, third


def epsilon_lower_bound(present: np.ndarray, absent: np.ndarray, *, delta: float, confidence: float = 0.95) -> float:
    """The epsilon that a private training has spent at least, from an attack on many models.

    Parameters
    ----------
    present, absent : array, (models,)
        The attack's score of one sample, a canary, on models trained with it and without it, everything else alike.
    delta : float
        Of the guarantee.
    confidence : float
        Of the bound.

    Returns
    -------
    float
        0 where the attack shows nothing. With epsilon-delta differential privacy it is above epsilon in at most
        1 - `confidence` of such audits.

    Raises
    ------
    ConfigError
        Fewer than 20 models on a side, a score is NaN, or a value out of its range.

    Notes
    -----
    Differential privacy says TPR <= e^epsilon FPR + delta, and the same of FNR against TNR turned round, for every
    threshold. The threshold is chosen on one half of the models, and the rates counted on the other, with Clopper and
    Pearson's limits, so that the choice does not flatter the bound.

    Source
    ------
    Jagielski et al. 2020, "Auditing differentially private machine learning"; Nasr et al. 2021.

    Examples
    --------
    >>> told_apart = epsilon_lower_bound(np.arange(100) + 100, np.arange(100), delta=1e-5)
    >>> alike = epsilon_lower_bound(np.arange(100), np.arange(100), delta=1e-5)
    >>> told_apart > 2, alike
    (True, 0.0)
    """
    present, absent = _checks.scores("present", present), _checks.scores("absent", absent)
    if min(present.size, absent.size) < 20 or present.ndim != 1 or absent.ndim != 1:
        raise ConfigError(f"an audit needs 20 models or more on each side, not {present.shape} and {absent.shape}.")
    if not (0 <= delta < 1 and 0 < confidence < 1):
        raise ConfigError(f"delta={delta!r} must be at least 0 and below 1, confidence={confidence!r} between 0 and 1.")
    tail = (1 - confidence) / 2  # two rates are bounded
    chosen = _bounds(present[::2], absent[::2], np.unique(absent[::2]), delta, tail)  # (2, thresholds)
    side, best = np.unravel_index(chosen.argmax(), chosen.shape)
    counted = _bounds(present[1::2], absent[1::2], np.unique(absent[::2])[[best]], delta, tail)
    return max(0.0, float(counted[side, 0]))


def _bounds(present: np.ndarray, absent: np.ndarray, thresholds: np.ndarray, delta: float, tail: float) -> np.ndarray:
    """ln((lowest TPR - delta) / highest FPR), and the same of TNR and FNR, (2, thresholds)."""
    above = np.stack([(side[:, None] > thresholds).sum(0) for side in (present, absent)])  # hits, false alarms
    sizes = np.array([[len(present)], [len(absent)]])
    of, over = np.stack([above[0], (sizes - above)[1]]), np.stack([above[1], (sizes - above)[0]])
    low, high = rate_limits(of, sizes, tail)[0], rate_limits(over, sizes[::-1], tail)[1]
    return np.log(np.maximum(low - delta, 1e-300) / high)


def rate_limits(found: np.ndarray, of: Any, tail: float) -> tuple[np.ndarray, np.ndarray]:
    """Clopper and Pearson's limits of a rate, each of which it is beyond with a probability of at most `tail`.

    Examples
    --------
    >>> low, high = rate_limits(np.array([0, 5]), 5, 0.025)
    >>> low.round(2), high.round(2)
    (array([0.  , 0.48]), array([0.52, 1.  ]))
    """
    from scipy.special import betaincinv

    low = betaincinv(np.maximum(found, 1), of - found + 1, tail)
    high = betaincinv(found + 1, np.maximum(of - found, 1), 1 - tail)
    return np.where(found, low, 0.0), np.where(found < of, high, 1.0)


# --- scores ---------------------------------------------------------------------------------------------------------


def _critic(model: Any, members: xr.Dataset, non_members: xr.Dataset) -> np.ndarray:
    return np.concatenate([model.discriminate(ds).values.astype(np.float64) for ds in (members, non_members)])


def _nearness(model: Any, members: xr.Dataset, non_members: xr.Dataset, generated: int, seed: int) -> np.ndarray:
    from dgkit.metrics import nearest_neighbours

    made = model.sample(generated, seed=seed)
    both = [nearest_neighbours(ds, made, k=1).distance.values[:, 0] for ds in (members, non_members)]
    return -np.log(np.concatenate(both) + 1e-12)  # a copy has distance 0


def _likelihood_ratio(target: np.ndarray, shadows: list[np.ndarray], masks: np.ndarray) -> np.ndarray:
    """ln p(target's score | member) - ln p(... | no member), (2N,), from the shadows' scores; masks is (K, 2N)."""
    target, *rest = ((s - s.mean()) / (s.std() or 1.0) for s in (target, *shadows))
    scores = np.stack(rest)  # (K, 2N)
    shift = scores[masks].mean() - scores[~masks].mean()
    level = (scores - shift * masks).mean(0)  # (2N,)
    error = scores - shift * masks - level
    freedom = len(scores) / max(len(scores) - 1, 1)  # the level was fitted to the same scores
    wider = freedom * (1 + 1 / len(scores))  # and is itself uncertain
    spread = [math.sqrt(wider * float((error[some] ** 2).mean())) or 1e-9 for some in (masks, ~masks)]
    logs = [-0.5 * ((target - level - s) / sd) ** 2 - math.log(sd) for s, sd in zip((shift, 0.0), spread, strict=True)]
    ratio: np.ndarray = logs[0] - logs[1]
    return ratio


def _rmia(target: np.ndarray, shadows: list[np.ndarray], masks: np.ndarray) -> np.ndarray:
    """The share of the other candidates z with p(x | target) / p(x) >= p(z | target) / p(z), (2N,)."""
    target, *rest = ((s - s.mean()) / (s.std() or 1.0) for s in (target, *shadows))
    likely = np.exp(np.stack(rest))  # (K, 2N)

    # p(x): half of it from shadows with x, half from those without; from one kind where there is no other
    count = np.stack([some.sum(0) for some in (masks, ~masks)])
    means = np.stack([(likely * some).sum(0) for some in (masks, ~masks)]) / np.maximum(count, 1)
    ratio = target - np.log(means.sum(0) / (count > 0).sum(0))
    found: np.ndarray = (np.searchsorted(np.sort(ratio), ratio, side="right") - 1) / (len(ratio) - 1)
    return found


# --- rates ----------------------------------------------------------------------------------------------------------


def _counts(scores: np.ndarray, is_member: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How many members and non-members have each score, (G,), highest score first."""
    values, which = np.unique(-scores, return_inverse=True)
    members, others = (np.bincount(which[some], minlength=len(values)) for some in (is_member, ~is_member))
    return members, others


def _measures(members: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Success rate, AUC and TPR at 1 % FPR, (3, B), from counts by score, (B, G), highest score first."""
    found, wrong = members.cumsum(1), others.cumsum(1)  # (B, G), down to this score
    n, rest = found[:, -1], wrong[:, -1]
    taken = found + wrong
    last = (taken >= n[:, None]).argmax(1)[:, None]  # the score at which n are taken, some of its ties perhaps not
    at = {"found": found, "members": members, "taken": taken, "tied": members + others}
    here = {name: np.take_along_axis(table, last, 1)[:, 0] for name, table in at.items()}
    spare = (here["taken"] - n) / here["tied"]
    success = (here["found"] - spare * here["members"]) / n
    auc = (others * (found - members / 2)).sum(1) / (n * rest)
    allowed = np.floor(FPR * rest + 1e-9)[:, None]
    tpr = np.where(wrong <= allowed, found, 0).max(1) / n
    return np.stack([success, auc, np.where(allowed[:, 0] >= 1, tpr, np.nan)])


# --- checks ---------------------------------------------------------------------------------------------------------


def _check_candidates(members: xr.Dataset, non_members: xr.Dataset) -> int:
    """N; ConfigError, SchemaError."""
    for ds in (members, non_members):
        validate(ds, training=False)
    n, rest = members.sizes["sample"], non_members.sizes["sample"]
    if n != rest:
        raise ConfigError(
            f"{n} members and {rest} non-members: chance would be {n / (n + rest):.2f}, not one half. "
            f"Take as many of each, e.g. the first {min(n, rest)}: .isel(sample=slice({min(n, rest)}))."
        )
    if n < LEAST:
        raise ConfigError(f"{n} members are too few to tell an attack from luck. Give {LEAST} or more of each.")
    if (least := min(map(distinct, (members, non_members)))) < LEAST:
        raise ConfigError(
            f"of the members, or of the others, only {least} differ from each other: the same sample many times is one "
            f"piece of evidence. Give {LEAST} or more."
        )
    if twice := in_both(members, non_members):
        raise ConfigError(
            f"{len(twice)} samples are both members and non-members: members[{twice[0][0]}] equals "
            f"non_members[{twice[0][1]}]. Drop them from both, or take halves of one dataset with dgkit.split."
        )
    return n


def _check_shadows(shadows: Sequence[Shadow], n: int) -> np.ndarray:
    """Which shadow was trained on which candidate, (K, 2N); ConfigError."""
    if not len(shadows):
        raise ConfigError("this attack needs shadows: train_shadows(members, non_members, config).")
    masks = [np.asarray(shadow.trained_on) for shadow in shadows]
    if any(mask.shape != (2 * n,) or mask.dtype != bool for mask in masks):
        raise ConfigError(
            f"a shadow's trained_on must hold a bool for each of the {2 * n} candidates, members first. "
            "Train shadows for these members and non-members."
        )
    table = np.stack(masks)
    if not table.any() or table.all():
        raise ConfigError("the shadows know only one side: some must be trained on candidates, and some not.")
    return table
