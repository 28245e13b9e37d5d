"""Whether a step went wrong: a loss, a gradient or the weights are no number, or beyond all measure."""

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import torch

from dgkit.core.checkpoint import with_history
from dgkit.core.history import OF_DATA, StepRecord
from dgkit.core.replay import values_of
from dgkit.errors import DivergenceError

TOO_LARGE = 1e6


def check_measured(trainer: Any, record: StepRecord) -> None:
    """DivergenceError, with the trainer's last good state, where a step has gone wrong."""
    config = trainer.config
    for name, value in _measured(trainer, record):
        if abs(value) < TOO_LARGE:
            continue
        good, state = trainer.good or (0, None)
        state = state and with_history(state, trainer.history, good)
        if state and config.private:  # what was seen since then is spent
            state["tensors"]["batches"] = torch.tensor(trainer.batches)
        raise DivergenceError(
            f"training diverged at step {record.step}: {name} is {value:g}. Likely cause: learning rates too high "
            f"({config.discriminator_lr:g}, {config.generator_lr:g}), or a penalty too small or large "
            f"({config.penalty:g}). The last good state, of step {good}, is in this error's `state`: "
            "Trainer.resume(error.state, train, discriminator_lr=..., generator_lr=...) goes on from there.",
            record.step,
            state,
        )


def _measured(trainer: Any, record: StepRecord) -> Iterator[tuple[str, float]]:
    # losses and gradients, but for those that are NaN because they are off or private
    unknown = {"step", "seconds", "epsilon", *(OF_DATA if trainer.config.private else ())}
    for name, value in asdict(record).items():
        if name not in unknown and not (trainer.auxiliary is None and name.startswith("auxiliary")):
            yield name, value

    # the weights: they can be gone while the losses of the step, taken before it, are not
    sizes = {}
    for name, network in trainer.networks.items():
        weights = [parameter.detach() for parameter in network.parameters()]
        sizes[f"the size of the {name}'s weights"] = torch.nn.utils.get_total_norm(weights)
    yield from values_of(sizes).items()
