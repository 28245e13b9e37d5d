"""Where randomness comes from: initial weights from a seed, and what nobody may draw again from the operating system.

torch draws initial weights from the one stream of its process: it is borrowed, and given back.
"""

import os
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor

_STREAM = threading.Lock()  # or models that are made in two threads would draw from each other's seed


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Inside the block torch's global stream begins at `seed`; after it, it is where it was before."""
    with _STREAM, torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield


def chosen(seed: int | None) -> int:
    """The seed, or for None one that nobody knows."""
    return secrets.randbits(63) if seed is None else seed


def secret_uniform(n: int) -> Tensor:
    """n numbers between 0 and 1, float64, of 52 bits each from the operating system's entropy."""
    bits = np.frombuffer(os.urandom(8 * n), np.uint64) >> 12  # with a half more, all that float64 holds
    return torch.from_numpy((bits.astype(np.float64) + 0.5) * 2.0**-52)


def secret_normal(shape: torch.Size) -> Tensor:
    """Standard normal numbers, float64, from the operating system's entropy, by the inverse of the CDF."""
    numbers: Tensor = torch.special.ndtri(secret_uniform(shape.numel()))
    return numbers.reshape(shape)
