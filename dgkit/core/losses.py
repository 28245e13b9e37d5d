"""Wasserstein losses with gradient penalty.

Follows `build_loss` in `gan/doppelganger.py` of the original code (Gulrajani et al. 2017, WGAN-GP).
The critic is a ReLU MLP, so its gradient with respect to its input is a product of its weights and of 0/1 masks; it is
written out here as that product. It is exact, and the penalty needs no double backward.
"""

from typing import NamedTuple, cast

import torch
from torch import Tensor, nn

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
    score_real, score_fake = critic.after_first(first).chunk(2)  # (N,) each

    # wasserstein = mean D(x) - mean D(x~), x real and x~ fake
    wasserstein = score_real.mean() - score_fake.mean()

    # x^ = x + alpha (x~ - x); the first layer is linear, so what it makes of x^ lies between its outputs
    with torch.no_grad():
        first_real, first_fake = first.chunk(2)
        between = first_real + alpha * (first_fake - first_real)  # (N, units)

    # penalty = mean (|dD/dx^| - 1)^2, with 1e-8 below the root so that it has a slope at 0
    slopes = (input_gradient(critic, between).square().sum(1) + 1e-8).sqrt()  # (N,)
    penalty = (slopes - 1).square().mean()
    return CriticLoss(weight * penalty - wasserstein, wasserstein, penalty)


def input_gradient(critic: Discriminator, first: Tensor) -> Tensor:
    """dD/dx for each sample, (N, inputs), given the first layer's output before its ReLU, (N, units).

    The masks hold no gradient (a ReLU's slope is constant almost everywhere); the weights do.
    """
    # masks: 1 where a unit is above zero
    masks = []
    with torch.no_grad():
        for layer in list(critic.layers)[1:]:
            masks.append((first > 0).to(first.dtype))
            first = layer(torch.relu(first))

    # dD/dx = W_last diag(mask_last) ... W_2 diag(mask_1) W_1
    weights = [cast(nn.Linear, layer).weight for layer in critic.layers]
    gradient = weights[-1].expand(len(first), -1)  # (N, units)
    for weight, mask in zip(reversed(weights[:-1]), reversed(masks), strict=True):
        gradient = (gradient * mask) @ weight
    return gradient


def generator_loss(critic: Discriminator, fake: Tensor) -> Tensor:
    """-mean D(fake)."""
    score: Tensor = critic(fake)
    return -score.mean()
