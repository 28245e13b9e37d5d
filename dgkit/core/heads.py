"""The heads of a generator: which of its outputs pass through which activation.

Follows `gan/output.py` and the activations of `gan/network.py` of the original code.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor


class Head(NamedTuple):
    """One output of a generator: `width` numbers through one activation."""

    name: str
    width: int
    activation: str  # "softmax", "sigmoid" (0 to 1) or "tanh" (-1 to 1)
    gates: int = 0  # so many heads before this one are multiplied by its first number: the event, or not (`zeros`)
    weight: float = 1.0  # of a category: what stands for 1
    decided: bool = False  # in training 0 or 1, with the gradient of the soft ones


def widths(heads: list[Head]) -> int:
    """The numbers that these heads make together."""
    return sum(head.width for head in heads)


FLAG = Head("generation flag", 2, "softmax")  # (1, 0): goes on after this step; (0, 1): ends here, or has ended


def activate(values: Tensor, heads: list[Head], training: bool = False) -> Tensor:
    """Each head's activation on its part of the last dim."""
    if len({head.activation for head in heads}) == 1 and heads[0].activation != "softmax":
        return ACTIVATIONS[heads[0].activation](values)
    parts = values.split([head.width for head in heads], -1)
    made = [ACTIVATIONS[head.activation](part) for head, part in zip(heads, parts, strict=True)]
    if training:
        made = [_decided(part) if head.decided else part for head, part in zip(heads, made, strict=True)]
    return _joined(made, heads)


def _decided(soft: Tensor) -> Tensor:
    """The largest is 1, with the gradient of the soft one (Bengio et al. 2013, "straight-through")."""
    return _one_hot(soft) + (soft - soft.detach())


def _one_hot(soft: Tensor) -> Tensor:
    """1 for the largest of the last dim."""
    return torch.zeros_like(soft).scatter_(-1, soft.argmax(-1, True), 1.0)


def _joined(parts: list[Tensor], heads: list[Head]) -> Tensor:
    """All heads' numbers on the last dim, each gate and weight applied."""
    for k, head in enumerate(heads):
        for j in range(k - head.gates, k):
            parts[j] = parts[j] * parts[k][..., :1]
        if head.weight != 1:
            parts[k] = parts[k] * head.weight
    return torch.cat(parts, -1)


def _softmax(values: Tensor) -> Tensor:
    if values.shape[-1] == 2:  # the flags: the same numbers as torch's softmax in half the time
        return torch.sigmoid(values - values.flip(-1))
    return values.softmax(-1)


ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "softmax": _softmax, "sigmoid": torch.sigmoid, "tanh": torch.tanh
}  # fmt: skip


def harden(values: Tensor, heads: list[Head]) -> Tensor:
    """Soft categories -> one-hot of the largest, the rest as it is; no gradient passes."""
    values = values.detach()
    if not heads:
        return values
    parts = values.split([head.width for head in heads], -1)
    hard = zip(heads, parts, strict=True)
    return _joined([_one_hot(part) if head.activation == "softmax" else part for head, part in hard], heads)
