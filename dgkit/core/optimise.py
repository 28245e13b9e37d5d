"""What all trainings share: Adam's step on one network alone, and the start of layers.

The original takes these from TensorFlow 1 (tf.train.AdamOptimizer, glorot-uniform kernels and zero biases by default).
"""

from collections.abc import Sequence
from typing import TypeVar

import torch
from torch import Tensor, nn

from dgkit import _threads
from dgkit._interrupts import after_the_step

Network = TypeVar("Network", bound=nn.Module)


class Adam:
    """Adam (Kingma and Ba 2015) for all parameters of these networks that are trained.

    With g the gradient at update t: m = beta1 m + (1 - beta1) g and v = beta2 v + (1 - beta2) g^2, and the parameter
    moves by -rate (m / (1 - beta1^t)) / (sqrt(v / (1 - beta2^t)) + 1e-8); beta2 is 0.999. It is torch's own kernel, and
    torch.optim.Adam(fused=True) bit for bit, which would load torch's compiler: a second, and 70 MB.
    """

    def __init__(self, *networks: nn.Module, rate: float = 1e-3, beta1: float = 0.9):
        self.parameters: list[Tensor] = [p for network in networks for p in network.parameters() if p.requires_grad]
        self.rate, self.beta1 = rate, beta1
        self.moments: dict[int, dict[str, Tensor]] = {}  # of each parameter that has had a gradient: t, m, v

    @torch.no_grad()
    def step(self, gradients: Sequence[Tensor | None]) -> None:
        """One update by these gradients, in the order of the parameters; None leaves a parameter alone."""
        moved = [i for i, gradient in enumerate(gradients) if gradient is not None]
        for i, p in ((i, self.parameters[i]) for i in moved if i not in self.moments):
            zero = torch.zeros((), device=p.device)
            self.moments[i] = {"step": zero, "exp_avg": torch.zeros_like(p), "exp_avg_sq": torch.zeros_like(p)}
        parameters, slopes = [self.parameters[i] for i in moved], [g for g in gradients if g is not None]
        t, m, v = ([self.moments[i][name] for i in moved] for name in ("step", "exp_avg", "exp_avg_sq"))
        torch._foreach_add_(t, 1)
        torch._fused_adam_(
            parameters, slopes, m, v, [], t, lr=self.rate, beta1=self.beta1, beta2=0.999, eps=1e-8, weight_decay=0.0,
            amsgrad=False, maximize=False
        )  # fmt: skip


def descend(optimiser: Adam, loss: Tensor) -> Tensor:
    """One step down the gradient of `loss` for the optimiser's parameters and no others; the gradient's norm."""
    return apply(optimiser, torch.autograd.grad(loss, optimiser.parameters, allow_unused=True))


@after_the_step()
def apply(optimiser: Adam, gradients: Sequence[Tensor | None]) -> Tensor:
    """One step by these gradients, in the order of the optimiser's parameters (None: left alone); their norm."""
    _threads.ease()
    optimiser.step(gradients)
    return torch.nn.utils.get_total_norm([gradient for gradient in gradients if gradient is not None])


def glorot(network: Network) -> Network:
    """TensorFlow's default start of every linear layer of `network`: Glorot-uniform weights, zero biases."""
    for layer in network.modules():
        if isinstance(layer, nn.Linear):
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)
    return network
