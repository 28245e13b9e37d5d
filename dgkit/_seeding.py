"""Initial weights from a seed. torch draws them from the one stream of its process: it is borrowed, and given back."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import torch

_STREAM = threading.Lock()  # or models that are made in two threads would draw from each other's seed


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Inside the block torch's global stream begins at `seed`; after it, it is where it was before."""
    with _STREAM, torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield
