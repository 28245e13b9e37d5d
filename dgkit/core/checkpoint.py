"""The state of a training as tensors and JSON, to go on from bit for bit; and weights from one model to another.

Knows of a trainer what it holds, and does not import its class. The original keeps TensorFlow checkpoints.
"""

from dataclasses import asdict
from typing import Any

import torch
from torch import Tensor

from dgkit.core.history import History
from dgkit.core.loading import State, check_goes_on
from dgkit.core.model import DoppelGANger
from dgkit.core.networks import Noise
from dgkit.errors import ConfigError


def state(trainer: Any, *, history: bool = True) -> State:
    """Everything that `restore` needs; without the history, which may be long, and which a training only adds to."""
    tensors: dict[str, Tensor] = {"rng": trainer.rng.get_state(), **trainer.weights()}
    tensors["batches"] = torch.tensor(trainer.batches)

    # the moments of each Adam, the moving average, and the noise between two half steps
    for name, optimiser in trainer.optimisers.items():
        for i, slots in optimiser.moments.items():
            tensors |= {f"adam.{name}.{i}.{slot}": value for slot, value in slots.items()}
    if trainer.average:
        tensors["averaged"] = torch.tensor(trainer.averaged)
        tensors |= {f"average.{k}": v for k, v in trainer.average.items()}
    if trainer.pending is not None:
        tensors |= {f"noise.{k}": v for k, v in trainer.pending[0]._asdict().items()}

    # copies: training goes on
    plain = {"config": asdict(trainer.config), "encoder": trainer.encoder.to_json(), "data": trainer.data_hash}
    whole = {"tensors": {k: v.detach().to("cpu", copy=True) for k, v in tensors.items()}, "plain": plain}
    return with_history(whole, trainer.history, trainer.step) if history else whole


def with_history(state: State, history: History, steps: int) -> State:
    """A state with its first `steps` records."""
    columns = {f"history.{name}": torch.from_numpy(c) for name, c in history.columns(steps).items()}
    return {**state, "tensors": state["tensors"] | columns}


def restore(trainer: Any, state: State, changes: dict[str, Any]) -> None:
    """Set a fresh trainer, made with these changes, to where the state was; ConfigError where it is another's."""
    check_goes_on(trainer, state, changes)
    tensors = state["tensors"]

    def part(prefix: str) -> dict[str, Tensor]:
        return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}

    # networks, and the moments of each one's Adam
    for name, optimiser in trainer.optimisers.items():
        getattr(trainer, name).load_state_dict(part(f"{name}."))
        for key, value in part(f"adam.{name}.").items():
            i, slot = key.split(".")
            optimiser.moments.setdefault(int(i), {})[slot] = value.to(trainer.device, copy=True)

    # between half steps: make the same fake batch again, which batch norm has counted before
    if "noise.attribute" in tensors:
        noise = Noise(**{k: v.to(trainer.device) for k, v in part("noise.").items()})
        trainer.pending = noise, trainer.generator(noise)
        for name, buffer in trainer.generator.named_buffers():
            buffer.data.copy_(tensors[f"generator.{name}"])

    # the moving average; an `ema` where there was none begins at the weights of now
    average = {k: v.to(trainer.device) for k, v in part("average.").items()}
    steps = len(tensors["history.step"])  # an older state counts neither updates nor batches: one a step
    if trainer.config.ema and average:
        trainer.average, trainer.averaged = average, int(tensors.get("averaged", steps))
    elif trainer.config.ema:
        trainer.begin_average()

    trainer.rng.set_state(tensors["rng"])
    trainer.batches = int(tensors.get("batches", steps))
    trainer.history = History.of({k: v.numpy() for k, v in part("history.").items()})


def copy_weights(source: DoppelGANger, target: DoppelGANger) -> None:
    """Give `target` the weights of `source`. Raises ConfigError where their networks are not of one form."""
    theirs = source.networks()
    for name, network in target.networks().items():
        try:
            network.load_state_dict(theirs[name].state_dict())
        except (KeyError, RuntimeError) as error:
            raise ConfigError(
                f"start: its {name} is not of the form that these data and settings ask for. Start from a model of the "
                "same features, attributes, steps and network sizes."
            ) from error
