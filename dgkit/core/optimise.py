"""What all trainings share: Adam's step on one network alone, moving averages of weights, and the start of layers.

The original takes these from TensorFlow 1 (tf.train.AdamOptimizer, glorot-uniform kernels and zero biases by default).
"""

from collections.abc import Mapping, Sequence
from typing import TypeVar

import torch
from torch import Tensor, nn

from dgkit import _threads
from dgkit._interrupts import after_the_step

Network = TypeVar("Network", bound=nn.Module)


def adam(*networks: nn.Module, rate: float = 1e-3, beta1: float = 0.9) -> torch.optim.Adam:
    """One Adam for all parameters of these networks that are trained; its second momentum is 0.999."""
    parameters = [p for network in networks for p in network.parameters() if p.requires_grad]
    return torch.optim.Adam(parameters, rate, (beta1, 0.999), fused=True)


def descend(optimiser: torch.optim.Optimizer, loss: Tensor) -> Tensor:
    """One step down the gradient of `loss` for the optimiser's parameters and no others; the gradient's norm."""
    parameters = [p for group in optimiser.param_groups for p in group["params"]]
    gradients = torch.autograd.grad(loss, parameters, allow_unused=True)
    return apply(optimiser, gradients)


@after_the_step()  # torch switches gradients off for the process while Adam is at work
def apply(optimiser: torch.optim.Optimizer, gradients: Sequence[Tensor | None]) -> Tensor:
    """One step by these gradients, in the order of the optimiser's parameters (None: left alone); their norm."""
    _threads.ease()
    parameters = [p for group in optimiser.param_groups for p in group["params"]]
    for parameter, gradient in zip(parameters, gradients, strict=True):
        parameter.grad = gradient
    optimiser.step()
    return torch.nn.utils.get_total_norm([gradient for gradient in gradients if gradient is not None])


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


def glorot(network: Network) -> Network:
    """TensorFlow's default start of every linear layer of `network`: Glorot-uniform weights, zero biases."""
    for layer in network.modules():
        if isinstance(layer, nn.Linear):
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)
    return network
