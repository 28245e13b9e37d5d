"""Wasserstein losses with gradient penalty.

Follows `build_loss` in `gan/doppelganger.py` of the original code (Gulrajani et al. 2017, WGAN-GP).
The critic is a ReLU MLP, so its gradient with respect to its input is a product of its weights and of 0/1 masks; it is
written out here as that product. It is exact, and the penalty needs no double backward.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from dgkit.core.networks import Discriminator


class CriticLoss(NamedTuple):
    loss: Tensor  # mean D(fake) - mean D(real) + weight * penalty
    wasserstein: Tensor  # mean D(real) - mean D(fake), the critic's estimate of the distance
    penalty: Tensor  # mean over samples of (|gradient| - 1)^2


def critic_loss(critic: Discriminator, real: Tensor, fake: Tensor, alpha: Tensor, weight: float) -> CriticLoss:
    """Loss of a discriminator on one batch.

    Parameters
    ----------
    real, fake : Tensor, (N, inputs)
        Flattened samples; `fake` without gradient.
    alpha : Tensor, (N, 1)
        Uniform on 0 to 1, one for each sample: where between real and fake the gradient is taken.
    weight : float
        Of the penalty; 10 in the original.
    """
    first = critic.layers[0](torch.cat([real, fake]))  # (2N, units), before the ReLU
    score_real, score_fake = critic.after_first(first).chunk(2)
    with torch.no_grad():  # the first layer is linear: the interpolates' output is the interpolate of the outputs
        first_real, first_fake = first.chunk(2)
        between = first_real + alpha * (first_fake - first_real)
    slopes = (input_gradient(critic, between).square().sum(1) + 1e-8).sqrt()  # (N,), one norm for each sample
    wasserstein, penalty = score_real.mean() - score_fake.mean(), (slopes - 1).square().mean()
    return CriticLoss(weight * penalty - wasserstein, wasserstein, penalty)


def input_gradient(critic: Discriminator, first: Tensor) -> Tensor:
    """d D(x) / d x for each sample, (N, inputs), given the first layer's output before its ReLU, (N, units).

    The masks hold no gradient (a ReLU's slope is constant almost everywhere); the weights do.
    """
    masks = []
    with torch.no_grad():
        for layer in list(critic.layers)[1:]:
            masks.append((first > 0).to(first.dtype))
            first = layer(torch.relu(first))
    weights = [p for name, p in critic.named_parameters() if name.endswith("weight")]
    gradient = weights[-1].expand(len(first), -1)  # (N, units)
    for weight, mask in zip(reversed(weights[:-1]), reversed(masks), strict=True):
        gradient = (gradient * mask) @ weight
    return gradient


def generator_loss(critic: Discriminator, fake: Tensor) -> Tensor:
    """-mean D(fake)."""
    score: Tensor = critic(fake)
    return -score.mean()
