"""The state of a training as tensors and JSON, to go on from bit for bit; and weights from one model to another.

Knows of a trainer what it holds, and does not import its class. The original keeps TensorFlow checkpoints.
"""

import re
from dataclasses import asdict, fields
from os import PathLike
from typing import Any

import torch
from torch import Tensor

from dgkit import _files
from dgkit._plain import check_names
from dgkit.core.config import Config
from dgkit.core.encode import Encoder
from dgkit.core.history import History, StepRecord
from dgkit.core.loading import config_of, unfilled
from dgkit.core.model import DoppelGANger
from dgkit.core.networks import Noise
from dgkit.errors import ConfigError, FileFormatError

State = dict[str, Any]  # {"tensors": {name: Tensor}, "plain": JSON-able values}
ACCOUNTED = {"dp", "batch_size", "discriminator_rounds", "auxiliary"}  # settings on which epsilon depends


def state(trainer: Any, *, history: bool = True) -> State:
    """Everything that `restore` needs; without the history, which may be long, and which a training only adds to."""
    tensors: dict[str, Tensor] = {"rng": trainer.rng.get_state(), **trainer.weights()}
    tensors["batches"] = torch.tensor(trainer.batches)

    # the moments of each Adam, the moving average, and the noise between two half steps
    for name, optimiser in trainer.optimisers.items():
        for i, slots in optimiser.state_dict()["state"].items():
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


def changed(state: State, changes: dict[str, Any]) -> Config:
    """The settings of a state with some changed. Raises ConfigError where that makes its epsilon untrue.

    Raises FileFormatError where the state is not a whole one, whose networks are then not to be made.
    """
    check(state)
    before = Config(**state["plain"]["config"])
    after = Config(**{**state["plain"]["config"], **changes})
    differ = sorted(name for name in ACCOUNTED & set(changes) if getattr(after, name) != getattr(before, name))
    if differ and (before.dp or after.dp):
        raise ConfigError(
            f"{', '.join(differ)}: epsilon is accounted from the first step on with the settings it began with. "
            "Change only others, such as steps, or train from the start."
        )
    return after


def restore(trainer: Any, state: State, changes: dict[str, Any]) -> None:
    """Set a fresh trainer, made with these changes, to where the state was; ConfigError where it is another's."""
    tensors, plain = state["tensors"], state["plain"]
    if trainer.encoder.to_json() != plain["encoder"] or trainer.data_hash != plain["data"]:
        raise ConfigError("this state was trained on other data, or encoded otherwise. Pass the same dataset.")
    if changes and any(k not in tensors or v.shape != tensors[k].shape for k, v in trainer.weights().items()):
        raise ConfigError(f"{', '.join(changes)}: this change makes other networks; train them from the start.")

    def part(prefix: str) -> dict[str, Tensor]:
        return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}

    # networks, and the moments of each one's Adam
    for name, optimiser in trainer.optimisers.items():
        getattr(trainer, name).load_state_dict(part(f"{name}."))
        slots: dict[int, dict[str, Tensor]] = {}
        for key, value in part(f"adam.{name}.").items():
            slots.setdefault(int(key.split(".")[0]), {})[key.split(".")[1]] = value.clone()
        optimiser.load_state_dict({**optimiser.state_dict(), "state": slots})

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


def save(path: str | PathLike[str], state: State) -> None:
    """Write a state to one file (safetensors)."""
    _files.write(path, "training state", state["tensors"], state["plain"])


def load(path: str | PathLike[str]) -> State:
    """The state in a file, a whole one. Raises FileFormatError."""
    tensors, plain = _files.read(path, "training state")
    state = {"tensors": tensors, "plain": plain}
    try:
        check(state)
    except FileFormatError as error:
        raise FileFormatError(f"{_files.shown(path)} is {error}") from error
    return state


def check(state: State) -> None:
    """FileFormatError unless a state holds all that its own settings ask for, each tensor in its form, and no more.

    torch's Adam writes past the end of moments that are too small, so nothing is used before.
    """
    try:
        tensors: dict[str, Tensor] = state["tensors"]
        plain = state["plain"]
        check_names(plain, ["config", "encoder", "data"], "its JSON")
        config, encoder = config_of(plain["config"]), Encoder.from_json(plain["encoder"])
        if not re.fullmatch("[0-9a-f]{64}", str(plain["data"])):
            raise FileFormatError("its hash of the data is none")
        history = {k: v for k, v in tensors.items() if k.startswith("history.")}
        steps = _files.check_history(history)
        if set(history) != {f"history.{item.name}" for item in fields(StepRecord)}:
            raise FileFormatError("its history has not the columns of a training")
        if not torch.equal(tensors["history.step"], torch.arange(1, steps + 1)):
            raise FileFormatError("the steps of its history are not 1, 2, 3 and so on")

        wanted = _wanted(unfilled(encoder, config, tensors), tensors, steps)
        _files.check_tensors({k: v for k, v in tensors.items() if k not in history}, wanted)
        for name, value in tensors.items():
            if name in ("batches", "averaged") and int(value) < (steps if name == "batches" else 0):
                raise FileFormatError(f"{name} is {int(value)}, after {steps} steps")
            if name.startswith("adam.") and name.endswith(".step") and float(value) < 1:
                raise FileFormatError(f"{name} is {float(value)}, not the number of updates")
        torch.Generator().set_state(tensors["rng"])
    except _files.DAMAGES as error:
        raise FileFormatError(f"not a whole training state: {_files.said(error)}") from error


def _wanted(model: DoppelGANger, tensors: dict[str, Tensor], steps: int) -> dict[str, Tensor]:
    """The tensors of a state by name but for its history, in their form alone ("meta"), of a model without numbers."""
    config, generator = model.config, model.generator
    wanted = {"rng": torch.Generator().get_state()}
    for name, network in model.networks().items():
        wanted |= {f"{name}.{k}": v for k, v in network.state_dict().items()}

        # Adam's moments of each parameter that is trained: from its first step on
        if steps or any(k.startswith(f"adam.{name}.") for k in tensors):
            for i, parameter in enumerate(p for p in network.parameters() if p.requires_grad):
                moments = {"step": torch.empty((), device="meta"), "exp_avg": parameter, "exp_avg_sq": parameter}
                wanted |= {f"adam.{name}.{i}.{slot}": value for slot, value in moments.items()}

    # what there is at times, or only of late; an older state counts neither updates nor batches
    wanted |= {k: torch.empty((), dtype=torch.int64) for k in ("batches", "averaged") if k in tensors}
    if config.ema:
        wanted |= {f"average.{k}": v for k, v in generator.state_dict().items()}
    if any(k.startswith("noise.") for k in tensors):
        n, (layers, units), z = config.batch_size, generator.state_shape, generator.noise_widths
        shapes = [(n, z["attribute"]), (n, z["minmax"]), (generator.passes, n, z["feature"]), *[(layers, n, units)] * 2]
        noise = zip(Noise._fields, shapes, strict=True)
        wanted |= {f"noise.{k}": torch.empty(shape, device="meta") for k, shape in noise}
    return wanted


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
