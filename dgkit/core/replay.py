"""A whole training step recorded on a GPU and replayed: `Config(replay=True)`.

DoppelGANger's networks are so small that a GPU waits for Python to launch its hundreds of kernels. A CUDA graph holds
them all, and is launched at once. The numbers are those of the step by step training: what is random is drawn as there
and copied to the places that the graph reads. The original leaves this to TensorFlow 1, whose graphs are of this kind.
"""

import math
from typing import Any

import torch
from torch import Tensor

from dgkit.core.batches import Drawn, batch_of
from dgkit.core.history import OF_DATA
from dgkit.core.networks import Noise

FIRST = 3  # steps as ever, in which the libraries set themselves up and Adam's moments get their places


def values_of(measured: dict[str, Tensor]) -> dict[str, float]:
    """Single numbers of a device, brought over in one go."""
    return dict(zip(measured, torch.stack([value.detach() for value in measured.values()]).tolist(), strict=True))


class Replay:
    """The recorded step of one trainer, whose networks stay where they are in the device's memory."""

    def __init__(self) -> None:
        self.done = 0
        self.graph: Any = None  # a torch.cuda.CUDAGraph
        self.places: list[Tensor] = []  # from which the graph reads what was drawn
        self.measured: dict[str, Tensor] = {}  # where it leaves what it measured

    def step(self, trainer: Any) -> dict[str, float] | None:
        """Take a step and return what it measured; None where it is to be taken as ever."""
        if self.done < FIRST or trainer.pending is not None:  # a half step was taken by hand
            self.done += 1
            return None
        drawn = trainer.draws.drawn(trainer.real, trainer.generator, trainer.updates)
        if self.graph is None:
            self._record(trainer, drawn)
        for place, value in zip(self.places, _parts(drawn), strict=True):
            place.copy_(value, non_blocking=True)
        self.graph.replay()
        trainer.batches += 1
        trainer.move_average()
        return dict.fromkeys(OF_DATA, math.nan) | values_of(self.measured)

    @torch.enable_grad()
    def _record(self, trainer: Any, drawn: Drawn) -> None:
        """Record one step without taking it."""
        self.places = [part.clone() for part in _parts(drawn)]
        n = len(Noise._fields)
        copy = Drawn(self.places[0], Noise(*self.places[1 : n + 1]), None, self.places[n + 1 :])
        torch.cuda.synchronize(trainer.device)
        self.graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self.graph, capture_error_mode="thread_local"):
            batch = batch_of(copy, trainer.generator)
            measured = trainer.update_discriminators(batch)
            self.measured = measured | trainer.update_generator(batch.noise, batch.made)
            self.measured = {name: value.detach() for name, value in self.measured.items()}


def _parts(drawn: Drawn) -> list[Tensor]:
    return [drawn.real, *drawn.noise, *drawn.alphas]
