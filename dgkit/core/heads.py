"""The heads of a generator: which of its outputs pass through which activation.

Follows `gan/output.py` and the activations of `gan/network.py` of the original code.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn


class Head(NamedTuple):
    """One output of a generator: `width` numbers through one activation."""

    name: str
    width: int
    activation: str  # "softmax", "sigmoid" (0 to 1) or "tanh" (-1 to 1)


def widths(heads: list[Head]) -> int:
    """The numbers that these heads make together."""
    return sum(head.width for head in heads)


FLAG = Head("generation flag", 2, "softmax")  # (1, 0): goes on after this step; (0, 1): ends here, or has ended


def activate(values: Tensor, heads: list[Head]) -> Tensor:
    """Each head's activation on its part of the last dim."""
    if len({head.activation for head in heads}) == 1 and heads[0].activation != "softmax":
        return ACTIVATIONS[heads[0].activation](values)
    parts = values.split([head.width for head in heads], -1)
    return torch.cat([ACTIVATIONS[head.activation](part) for head, part in zip(heads, parts, strict=True)], -1)


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
    return torch.cat(
        [
            torch.zeros_like(part).scatter_(-1, part.argmax(-1, True), 1.0) if head.activation == "softmax" else part
            for head, part in zip(heads, parts, strict=True)
        ],
        -1,
    )


def glorot_blocks(layer: nn.Linear, heads: list[Head]) -> None:
    """`glorot` for one matrix that stands for a linear layer per head: each block has its own fan-out."""
    for block in layer.weight.data.split([head.width for head in heads]):
        nn.init.xavier_uniform_(block)
    nn.init.zeros_(layer.bias)
