"""Chapter 09: its recorded runs (attacks against training-set size, and against DP), and its exercises.

For each size n a pool of 2n pages is simulated, and models are trained on random halves of it, in complementary pairs.
Each model in turn is the target, its half the members, the other half the non-members; for the likelihood ratio the
models of the other pairs are the attacker's shadows. All trainings take as many steps, so small sets are seen more
often (how long those of the paper's Figure 15 were, its Section 6.2 does not say). The critic is half as wide as the
paper's, to be recorded in an hour.

`exposure` takes the two apart: how many samples there are, and how often a training sees each of them. `stronger` has
what an attacker gains: by shadows (likelihood ratio, RMIA), and on users of several pages.
"""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from dgkit import metrics, simulate
from dgkit._cells import Point
from dgkit.core.config import Config
from dgkit.course.exercise import Wrong, exercise, number, whole
from dgkit.course.experiment import Experiment
from dgkit.course.questions import Prediction, Quiz
from dgkit.datasets import open_dataset
from dgkit.privacy.membership import Shadow, membership_attack, train_shadows

# --- recorded runs ---

DP_SAMPLES = 100
STRONGER, PAIRS = ("discriminator", "likelihood_ratio", "rmia"), 3
SHADOWS, SERIES = (2, 4), (1, 2, 5, 10)  # of the run `stronger`


def _pool(point: Point) -> xr.Dataset:
    return simulate.web(2 * point.get("samples", DP_SAMPLES), seed=1000 + point["seed"])


def _size_cell(pool: xr.Dataset, config: Config, point: Point) -> xr.Dataset:
    return _attacked(pool, config, point["seed"], pairs=2, kinds=("discriminator", "distance", "likelihood_ratio"))


def _dp_cell(pool: xr.Dataset, config: Config, point: Point) -> xr.Dataset:
    return _attacked(pool, config, point["seed"], pairs=1, kinds=("discriminator", "distance"))


def _exposure_cell(pool: xr.Dataset, config: Config, point: Point) -> xr.Dataset:
    steps = config.steps if config.steps != _BASE.steps else point["seen"] * point["samples"] // config.batch_size
    return _attacked(pool, replace(config, steps=steps), point["seed"], pairs=1, kinds=("discriminator",))


def _attacked(pool: xr.Dataset, config: Config, seed: int, *, pairs: int, kinds: tuple[str, ...]) -> xr.Dataset:
    """Every model attacked in turn, over dims (target, attack)."""
    n = pool.sizes["sample"] // 2
    models = train_shadows(pool.isel(sample=slice(n)), pool.isel(sample=slice(n, None)), config, pairs=pairs, seed=seed)
    targets = []
    for k, (model, mask) in enumerate(models):
        order = np.concatenate([np.flatnonzero(mask), np.flatnonzero(~mask)])  # members first
        members, others = pool.isel(sample=order[:n]), pool.isel(sample=order[n:])
        shadows = [Shadow(s.model, s.trained_on[order]) for j, s in enumerate(models) if j // 2 != k // 2]
        rows = [_rates(membership_attack(model, members, others, kind, shadows=shadows)) for kind in kinds]
        attacked = xr.concat(rows, pd.Index(kinds, name="attack"))
        made = model.sample(2000, seed=1)
        error = metrics.autocorrelation_mse(others.views, made.views)
        targets.append(
            attacked.assign(autocorrelation_mse=((), error, {"units": "1"}), epsilon=float(model.history.epsilon[-1]))
        )
    return xr.concat(targets, "target")


def _stronger_cell(pool: xr.Dataset, config: Config, point: Point) -> xr.Dataset:
    """Every model attacked in turn, over dims (target, attack, shadows, series): the last is how many a user has."""
    n = pool.sizes["sample"] // 2
    models = train_shadows(
        pool.isel(sample=slice(n)), pool.isel(sample=slice(n, None)), config, pairs=PAIRS, seed=point["seed"]
    )
    targets = []
    for k, (model, mask) in enumerate(models):
        order = np.concatenate([np.flatnonzero(mask), np.flatnonzero(~mask)])  # members first
        members, others = pool.isel(sample=order[:n]), pool.isel(sample=order[n:])
        shadows = [Shadow(s.model, s.trained_on[order]) for j, s in enumerate(models) if j // 2 != k // 2]
        kinds = []
        for kind in STRONGER:
            by_count = []
            for count in SHADOWS:
                attack = membership_attack(model, members, others, kind, shadows=shadows[:count])
                users = [_rates(attack.of_users(np.arange(2 * n) // series)) for series in SERIES]
                by_count.append(xr.concat(users, pd.Index(SERIES, name="series")))
            kinds.append(xr.concat(by_count, pd.Index(SHADOWS, name="shadows")))
        targets.append(xr.concat(kinds, pd.Index(STRONGER, name="attack")))
    return xr.concat(targets, "target")


def _rates(attack: Any) -> xr.Dataset:
    found: dict[str, Any] = {}
    for name in ("success_rate", "auc", "tpr_at_1_percent_fpr"):
        for part, value in getattr(attack, name)._asdict().items():
            found[name if part == "value" else f"{name}_{part}"] = ((), value, {"units": "1"})
    return xr.Dataset(found)


_BASE = Config(steps=3000, sample_len=84, batch_size=50, discriminator_units=100)
EXPERIMENTS = {
    "membership": Experiment(
        "How many training samples does it take until nobody can tell who was among them?",
        _pool,
        _size_cell,
        _BASE,
        {"samples": (25, 50, 100, 200, 500, 1000, 2000, 5000), "seed": (0, 1, 2)},
        {"steps": 4, "samples": 100, "seed": 0},
    ),
    "membership_dp": Experiment(
        "What does differential privacy do to the attacks?",
        _pool,
        _dp_cell,
        _BASE,
        {
            "training": {
                "ordinary": {},
                "clipped": {"dp": {"noise_multiplier": 0.0, "delta": 1e-3}},
                "noise 2": {"dp": {"noise_multiplier": 2.0, "delta": 1e-3}},
            },
            "seed": (0, 1, 2),
        },
        {"steps": 4, "training": "clipped", "seed": 0},
    ),
    "exposure": Experiment(
        "Is it the number of training samples that protects, or how seldom each was seen?",
        _pool,
        _exposure_cell,
        _BASE,
        {"samples": (50, 200), "seen": (30, 120, 480), "seed": (0, 1, 2)},
        {"steps": 4, "samples": 50, "seen": 30, "seed": 0},
    ),
    "stronger": Experiment(
        "What does an attacker gain by shadows, and who has several series?",
        _pool,
        _stronger_cell,
        replace(_BASE, steps=1000),
        {"samples": (100,), "seed": (0, 1, 2)},
        {"steps": 4, "samples": 100, "seed": 0},
    ),
}


# --- questions ---

PREDICTION = Prediction(
    "After trainings of 3,000 steps: from how many training samples on is the attack on the discriminator right in at "
    "most 55 % of the cases?",
    ("fifty", "some hundreds", "a hundred thousand"),
    "b",
    "In the recorded run it is right in 61 % at 200 samples and in 53 % at 500. Each of 500 was seen 300 times by "
    "then; it is mostly how often each was seen that decides.",
)
QUIZZES = {
    "09.a": Quiz(
        "An attack is right in 51 % of the cases. What may still be true?",
        "a",
        (
            (
                "A few members are found with certainty.",
                "An average over all does not see them. Look at the left end of the ROC curve.",
            ),
            ("Half of the members are found with certainty.", "Then it could be right in three of four cases."),
            ("Nothing that matters: it is a coin.", "A coin finds nobody with certainty; this one may."),
        ),
    ),
    "09.b": Quiz(
        "You double the data and train as many epochs on them as before. What becomes of the attack?",
        "b",
        (
            ("It fails more often.", "So it would with as many *steps*: each sample is then seen half as often."),
            (
                "Hardly anything, as far as was recorded.",
                "Each sample is seen as often as before. What is gained is fidelity.",
            ),
            ("It gets better.", "With as many looks at each, 200 samples were told about as well as 50."),
        ),
    ),
}


# --- exercises ---


@exercise("09.1")
def _behind_an_average(value: Any) -> str:
    truth, given = 0.5 * (0.05 + 0.95 / 2) + 0.5 / 2, number(value)
    if abs(given - (0.05 + 0.95 / 2)) < 1e-3:
        raise Wrong("That is how often it is right about a member. Half of those it is asked about are none.")
    if abs(given - truth) > 3e-3:  # 0.51 is right, too
        raise Wrong("About the members: 5 % for certain, of the rest every second. About the others: every second.")
    return f"{truth:.4f}: an average of 51 % may hide that one member in twenty is found with certainty."


@exercise("09.2")
def _again_and_again(value: Any) -> str:
    n = next(n for n in range(1, 999, 2) if _majority(n) >= 0.75)
    given = whole(value)
    if given < 1 or given % 2 == 0:
        raise Wrong("Give an odd number of models: an even one may leave a tie.")
    if given != n:
        of = min(given, 999)
        raise Wrong(
            f"The majority of {of} guesses is right in {_majority(of):.3f} of the cases. How likely is it that more "
            "than half of n guesses are right? A binomial distribution, or a simulation."
        )
    return f"{n} models, each of which gives next to nothing away: what is released adds up, as epsilons do."


def _majority(n: int) -> float:
    """How likely it is that more than half of n guesses are right, an odd number of them, each with 55 %."""
    return sum(math.comb(n, k) * 0.55**k * 0.45 ** (n - k) for k in range(n // 2 + 1, n + 1))


@exercise("09.3")
def _bound(value: Any) -> str:
    truth, given = math.log(0.6 / 0.4), number(value)
    if 0 <= given < truth - 0.006:
        bound = 1 / (1 + math.exp(-given))
        raise Wrong(f"That keeps it at or below {bound:.1%}, and a larger epsilon still keeps it at or below 60 %.")
    if abs(given - truth) > 0.006:  # 0.40 and 0.41 are right
        raise Wrong("Solve e^epsilon / (1 + e^epsilon) = 0.6 for epsilon: the odds of 60 % are 0.6 / 0.4.")
    return f"{truth:.3f}: epsilons of ten, often reported, bound the success by {1 / (1 + math.exp(-10)):.5f} only."


@exercise("09.4")
def _base_rate(value: Any) -> str:
    right, wrong = 0.6 * 50, 0.01 * 9950
    given, truth = number(value), right / (right + wrong)
    if abs(given - right / 50) < 0.005 or abs(given - 0.6 / 0.61) < 0.005:
        raise Wrong("That would be so if as many were members as not. How many of the 9,950 others does it accuse?")
    if abs(given - truth) > 0.005:
        raise Wrong("It accuses 0.6 x 50 members and 0.01 x 9,950 others. Which share of them all are the members?")
    return f"{truth:.3f}: three of four that it accuses were not there, though only 1 % of the others are accused."


@exercise("09.5")
def _few_numbers(value: Any) -> str:
    given = whole(value)
    if not 1 <= given <= 56:
        raise Wrong("Give a number of steps, from 1 to 56.")
    found, before = _linked(given), _linked(given - 1) if given > 1 else 0.0
    if found < 0.95:
        raise Wrong(f"Who knows the first {given} finds the right home in {found:.0%} of the cases.")
    if before >= 0.95:
        raise Wrong(f"That is enough; the first {given - 1} would be, too: they find {before:.0%}.")
    return (
        f"{given} numbers, a day and a half, find {found:.0%} of 2,000 homes in data without a name, an address or an "
        "attribute. Whoever knows a little of somebody's series knows the rest of it. No model was asked."
    )


def _linked(steps: int) -> float:
    """The share of the homes that are found in what was published, by somebody who knows so many first steps."""
    from scipy.spatial import KDTree  # here, since it takes long to import

    real = open_dataset("broadband").traffic_bytes.transpose("sample", "time").values
    published = real * np.exp(np.random.default_rng(0).normal(0, 0.1, real.shape))
    nearest = KDTree(np.log(published[:, :steps])).query(np.log(real[:, :steps]))[1]
    return float((nearest == np.arange(len(real))).mean())
