"""What an epsilon means, in numbers and in words: shared by the dial and the studio.

A test of whether one sample was in the training data has, under (epsilon, delta)-differential privacy, rates that obey
(1 - missed) <= e^epsilon false_alarms + delta, and the same with the two rates exchanged; both bounds below follow from
these (Kairouz, Oh and Viswanath 2015). The names of the tiers are those of Ponomareva et al. 2023, "How to DP-fy ML".
"""

import math

from dgkit import Trainer
from dgkit._text import at_most

COVERS = (
    "Covered: whether one sample was among the training data, however the trained networks and what they generate are "
    "used."
)
NOT_COVERED = (
    "Not covered: a user with more samples than are counted; the list of categories, and each variable's range, unless "
    "they are given as public knowledge (categories, valid_min and valid_max); the number of samples and of steps, and "
    "the times; what training started from; several models of the same data, whose epsilons add up, and the choice "
    "among them by a measure on the data; and the real series and comparisons with them that a studio shows."
)
REPLACEMENT = (
    "No epsilon: the accountants assume Poisson batches. For batches with replacement what holds is far larger: 34 "
    "where they say 2.76, at the original's settings and a noise multiplier of 1. Choose Poisson."
)


def best_accuracy(epsilon: float, delta: float) -> float:
    """Largest share of right guesses whether one sample is in, which it is by the toss of a coin of its own.

    Not so of random halves of fixed size: there one sample takes the place of another, which is two steps.

    Examples
    --------
    >>> best_accuracy(0.0, 0.0), round(best_accuracy(1.0, 1e-5), 3)
    (0.5, 0.731)
    """
    outside = math.exp(-epsilon)
    return (1 + delta * outside) / (1 + outside)


def best_detection(epsilon: float, delta: float, false_alarms: float = 0.01) -> float:
    """Largest share of the members that any membership attack can find at a rate of false alarms.

    Examples
    --------
    >>> best_detection(0.0, 0.0), round(best_detection(1.0, 1e-5), 3)
    (0.01, 0.027)
    """
    outside = math.exp(-epsilon)
    few = false_alarms / outside + delta if outside else math.inf
    return min(few, 1 - (1 - delta - false_alarms) * outside, 1.0)


def tier(epsilon: float) -> str:
    """What an epsilon is called, and by whom."""
    if epsilon == math.inf:
        return "no guarantee"
    called = "strong guarantee" if epsilon <= 1 else "reasonable guarantee" if epsilon <= 10 else "weak to no guarantee"
    return f"{called} in the words of Ponomareva et al. 2023"


def in_words(epsilon: float, delta: float, series: int = 1) -> list[str]:
    """What (epsilon, delta) promises, a sentence each; to a user with so many series."""
    if epsilon == math.inf:
        return ["Without noise nothing is promised: an attack may find every member."]
    power = epsilon / math.log(10)
    factor = at_most(math.exp(epsilon)) if power < 6 else f"10 to the power of {at_most(power)}"
    accuracy, found = best_accuracy(epsilon, delta), best_detection(epsilon, delta)
    whose = "sample" if series == 1 else f"user's {series:,} samples"
    one = "one sample" if series == 1 else f"the {series:,} samples of one user"
    return [
        f"Odds: any outcome is at most {factor} times (e to the epsilon) as likely with a {whose} as without, apart "
        f"from a probability of delta = {at_most(delta)}.",
        f"So whoever guesses whether {one}, put in by the toss of a coin, {'was' if series == 1 else 'were'} among the "
        "data is right in at most "
        f"{percent(accuracy)} of the cases, where guessing blindly is right in 50 %; with 1 % of false alarms "
        f"{'it is' if series == 1 else 'they are'} found in at most {percent(found)}.",
    ]


def spent(trainer: Trainer) -> dict[str, str] | None:
    """Epsilon so far, what it says and what it covers; None where training is not private."""
    if trainer.config.dp is None:
        return None
    epsilon, delta = trainer.epsilon(), trainer.config.dp.delta
    says = (
        f"Privacy spent so far: epsilon {at_most(epsilon)} at delta = {at_most(delta)}, by the RDP accountant: "
        f"{tier(epsilon)}. {in_words(epsilon, delta)[-1]}"
    )
    if trainer.config.private:
        says += " Losses of the discriminators are not drawn: they are means over real samples, without noise."
    return {
        "epsilon": at_most(epsilon),
        "says": REPLACEMENT if trainer.config.dp.sampling != "poisson" else says,
        "covers": f"{COVERS} {NOT_COVERED}" if epsilon < math.inf else "",
    }


def percent(share: float) -> str:
    """As 73.1 %, upwards; with as many digits, up to four, as keep it from looking like 100 % while it is less."""
    power = min(4, max(1, math.ceil(-math.log10(min(share, 1 - share))) - 1)) if 0 < share < 1 else 0
    shown = math.ceil(round(100 * share * 10**power, 6)) / 10**power
    return f"{shown:g} %"
