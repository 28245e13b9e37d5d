"""Moving averages of weights, which the original does not have (`Config.ema`)."""

from collections.abc import Mapping

import torch
from torch import Tensor


def average_share(decay: float, n: int) -> float:
    """How far a moving average of weights goes towards the new ones at its update n = 0, 1, ...

    1 - decay, and more at first: the average is the plain mean of the first 1 / (1 - decay) updates, so that nothing is
    left of the start (with 0.999 alone 90 % of it were left after 100 updates).

    Examples
    --------
    >>> [round(average_share(0.99, n), 3) for n in (0, 1, 9, 10_000)]
    [1.0, 0.5, 0.1, 0.01]
    """
    return max(1 - decay, 1 / (n + 1))


@torch.no_grad()
def average_into(average: Mapping[str, Tensor], weights: Mapping[str, Tensor], share: float) -> None:
    """Move `average` this share of the way to `weights`; whole numbers (counts of batches) are copied."""
    for name, value in weights.items():
        if value.is_floating_point():
            average[name].lerp_(value, share)
        else:
            average[name].copy_(value)
