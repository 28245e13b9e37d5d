"""The private step of a discriminator: exact per-sample gradients, clipped and summed, without ever holding one.

Follows `build_loss` of the original code, which hands the loss of each sample to TensorFlow Privacy's optimiser:
D(fake_i) - D(real_i) + weight (|gradient at the interpolate_i| - 1)^2.

The critic is a ReLU MLP. In each layer the gradient of that loss is a sum of three outer products, of what arrives from
above and what came in below: at the real, at the fake, and for the penalty at the interpolate. So a sample's norm
follows from 3 x 3 scalar products a layer, and the clipped sum over samples is one product of matrices. Where the fake
is close to the real, the first two nearly cancel; so their differences are taken first:
up_r x_r + up_f x_f = (up_r + up_f) x_r + up_f (x_f - x_r), and the scalar products are in float64.
Left out: other networks; an LSTM's generator needs no clipping, for it sees no data.

Letters for shapes: N samples, I inputs and O outputs of a layer.
"""

from typing import NamedTuple, cast

import torch
from torch import Tensor, nn

from dgkit._seeding import secret_normal
from dgkit.core.config import DP
from dgkit.core.losses import CriticLoss
from dgkit.core.networks import Discriminator


class ClippedGradients(NamedTuple):
    """What a private step needs, before the noise.

    Parameters
    ----------
    total : list of Tensor
        Of each parameter, in the order of `critic.parameters()`: the sum over samples of clipped gradients.
    norms : Tensor, (N,)
        Of each sample's whole gradient, before clipping.
    loss : CriticLoss
        Means over the batch; not private.

    Examples
    --------
    >>> from dgkit.core.networks import Discriminator
    >>> made = clipped_gradients(Discriminator(3, 8, 2), torch.rand(5, 3), torch.rand(5, 3), torch.rand(5, 1), 10, 1)
    >>> [tuple(gradient.shape) for gradient in made.total][:2], made.norms.shape
    ([(8, 3), (8,)], torch.Size([5]))
    """

    total: list[Tensor]
    norms: Tensor
    loss: CriticLoss


@torch.no_grad()
def clipped_gradients(
    critic: Discriminator, real: Tensor, fake: Tensor, alpha: Tensor, weight: float, bound: float
) -> ClippedGradients:
    """The sum over samples of the gradients of the critic's loss, each scaled down to a norm of at most `bound`.

    Parameters
    ----------
    critic : Discriminator
    real, fake : Tensor, (N, inputs)
        N may be 0.
    alpha : Tensor, (N, 1)
        Uniform on 0 to 1: where between real and fake the penalty's gradient is taken.
    weight : float
        Of the penalty.
    bound : float
        Clipping norm; infinite: none.

    Returns
    -------
    ClippedGradients

    Source
    ------
    Abadi et al. 2016 (DP-SGD); norms of outer products after Goodfellow 2015, "Efficient per-example gradient
    computations", here with the penalty's second derivative written out.

    Examples
    --------
    >>> from dgkit.core.networks import Discriminator
    >>> critic, real, fake = Discriminator(3, 8, 2), torch.rand(5, 3), torch.rand(5, 3)
    >>> made = clipped_gradients(critic, real, fake, torch.rand(5, 1), weight=10.0, bound=0.1)
    >>> float(torch.cat([gradient.flatten() for gradient in made.total]).norm()) <= 5 * 0.1 + 1e-6
    True
    """
    layers = cast(list[nn.Linear], list(critic.layers))
    weights = [layer.weight for layer in layers]
    n = len(real)

    # forward: real and fake together, the interpolate beside them
    below, masks = [torch.cat([real, fake])], []  # what comes in, (2N, I); masks between layers, (N, O)
    between = torch.lerp(real, fake, alpha)
    for k, layer in enumerate(layers):
        outputs = layer(below[-1])
        between = layer(torch.relu(between) if k else between)
        if k < len(weights) - 1:
            below.append(torch.relu(outputs))
            masks.append((between > 0).to(between.dtype))
    scores = outputs.squeeze(1)

    # backward: d loss / d output of each layer, (2N, O); and dD / d output at the interpolate, (N, O)
    sign = torch.ones_like(scores).unsqueeze(1)
    sign[:n] = -1  # loss = D(fake) - D(real) + weight * penalty
    arrives, chain = sign, torch.ones_like(sign[:n])
    above, chains = [arrives], [chain]
    for k in range(len(weights) - 1, 0, -1):
        arrives = (arrives @ weights[k]) * (below[k] > 0)
        chain = (chain @ weights[k]) * masks[k - 1]
        above.insert(0, arrives)
        chains.insert(0, chain)

    # penalty = (|g| - 1)^2 with g = dD / d interpolate; it sends back weight * 2 (|g| - 1) / |g| g
    gradient = chains[0] @ weights[0]  # (N, inputs)
    slope = (gradient.square().sum(1, keepdim=True) + 1e-8).sqrt()  # (N, 1)
    inflow = weight * 2 * (slope - 1) / slope * gradient

    # of each layer three outer products left_k right_k^T a sample, and their share of its gradient's squared norm:
    # |sum_k left_k right_k^T|^2 = sum_jk (left_j . left_k) (right_j . right_k)
    squared, outer = torch.zeros(n, dtype=torch.float64, device=slope.device), []
    for k, layer in enumerate(layers):
        (up_real, up_fake), (in_real, in_fake) = ((both[:n], both[n:]) for both in (above[k], below[k]))
        left = torch.stack([up_real + up_fake, up_fake, chains[k]])  # (3, N, O)
        right = torch.stack([in_real, in_fake - in_real, inflow])  # (3, N, I)
        grams = [torch.einsum("anx,bnx->nab", side, side) for side in (left.double(), right.double())]
        squared += (grams[0] * grams[1]).sum((1, 2)) + left[0].double().square().sum(1)  # weight and bias
        outer.append((left, right))
        if k < len(weights) - 1:
            inflow = (inflow @ layer.weight.T) * masks[k]

    # each sample scaled down to the bound, and all summed
    norms = squared.clamp(min=0).sqrt().to(slope.dtype)  # three parts that cancel may leave a rounding below zero
    shares = (bound / norms.clamp(min=1e-30)).clamp(max=1.0)[:, None]  # (N, 1)
    total = []
    for left, right in outer:
        scaled = left * shares
        total += [scaled.flatten(0, 1).T @ right.flatten(0, 1), scaled[0].sum(0)]

    # the loss, for the record
    size = max(n, 1)  # a Poisson batch may be empty
    wasserstein, penalty = (scores[:n] - scores[n:]).sum() / size, (slope - 1).square().sum() / size
    return ClippedGradients(total, norms, CriticLoss(weight * penalty - wasserstein, wasserstein, penalty))


def private_gradients(
    critic: Discriminator, real: Tensor, fake: Tensor, alpha: Tensor, weight: float, dp: DP, batch_size: int
) -> tuple[CriticLoss, list[Tensor]]:
    """The loss, and DP-SGD's gradients: clipped to a norm C, summed, with noise of sigma C, over the batch size.

    Parameters
    ----------
    critic, real, fake, alpha, weight
        As in `clipped_gradients`.
    dp : DP
        C and sigma; the noise comes from the operating system's entropy.
    batch_size : int
        The expected one: that of a Poisson batch is a secret.

    Examples
    --------
    >>> from dgkit.core.networks import Discriminator
    >>> critic, real, fake = Discriminator(3, 8, 2), torch.rand(5, 3), torch.rand(5, 3)
    >>> _, gradients = private_gradients(critic, real, fake, torch.rand(5, 1), 10.0, DP(1.0), 5)
    >>> len(gradients) == len(list(critic.parameters()))
    True
    """
    clipped = clipped_gradients(critic, real, fake, alpha, weight, dp.max_grad_norm)
    if dp.noise_multiplier > 0:
        for total in clipped.total:
            noise = dp.noise_multiplier * dp.max_grad_norm * secret_normal(total.shape)
            total += noise.to(total.device, total.dtype)
    return clipped.loss, [total / batch_size for total in clipped.total]
