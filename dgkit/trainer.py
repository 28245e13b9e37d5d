"""The training loop: an iterator of records, driven from outside.

Follows `train` in `gan/doppelganger.py` of the original code. On each batch: discriminator and auxiliary discriminator,
then the generator, with the same noise for all. One generator pass serves them (the original runs it three times and
redraws the initial LSTM state each time, which is the same in distribution). So batch norm's running statistics move
once a step, not three times; and with several `discriminator_rounds` or `generator_rounds` all see one initial state.
"""

import hashlib
import math
import time
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from functools import cached_property
from os import PathLike
from typing import Any, overload

import numpy as np
import torch
import xarray as xr
from torch import Tensor
from tqdm.auto import tqdm

from dgkit import _files
from dgkit._seeding import chosen, secret_normal, secret_uniform, seeded
from dgkit.config import Config
from dgkit.encode import Encoder
from dgkit.errors import ConfigError, DivergenceError, FileFormatError
from dgkit.losses import CriticLoss, critic_loss, generator_loss
from dgkit.model import DoppelGANger
from dgkit.networks import Discriminator, Generated, Generator, Noise, average_share, flat
from dgkit.privacy.accounting import epsilon
from dgkit.privacy.dp import clipped_gradients


@dataclass(frozen=True)
class StepRecord:
    """What one training step measured; losses are dimensionless.

    Parameters
    ----------
    step : int
        1 for the first.
    discriminator_loss, auxiliary_loss, generator_loss : float
        As minimised, penalties included; auxiliary values are NaN where that discriminator is off.
    wasserstein, auxiliary_wasserstein : float
        mean D(real) - mean D(fake), the discriminators' estimate of the distance.
    penalty, auxiliary_penalty : float
        mean (|gradient| - 1)^2, unweighted.
    discriminator_gradient, generator_gradient : float
        Euclidean norm of the gradient over all parameters.
    seconds : float
        Wall time of this step.
    epsilon : float
        Privacy spent so far; infinite where nothing is promised.

    Notes
    -----
    In private training the losses, distances and penalties of the discriminators are NaN: they are means over real
    samples without noise. The other numbers may be shown; of `seconds` see `dgkit.privacy.DP`.

    Examples
    --------
    >>> import dgkit as dg
    >>> trainer = dg.Trainer(dg.simulate.web(30), dg.Config(steps=2, sample_len=84, batch_size=10))
    >>> record = next(trainer)
    >>> record.step, record.epsilon
    (1, inf)
    >>> abs(record.discriminator_loss - (10 * record.penalty - record.wasserstein)) < 1e-3
    True
    """

    step: int
    discriminator_loss: float
    auxiliary_loss: float
    generator_loss: float
    wasserstein: float
    auxiliary_wasserstein: float
    penalty: float
    auxiliary_penalty: float
    discriminator_gradient: float
    generator_gradient: float
    seconds: float
    epsilon: float = math.inf


class History(Sequence[StepRecord]):
    """A training's records, one a step: read like a list, kept as one array of numbers that grows.

    A million objects would take minutes to become columns, and half a gigabyte.

    Examples
    --------
    >>> history = History()
    >>> history.append(StepRecord(1, *[0.5] * 10))
    >>> len(history), history[-1].seconds, history.columns()["step"]
    (1, 0.5, array([1]))
    """

    _NAMES = tuple(field.name for field in fields(StepRecord))

    def __init__(self) -> None:
        self._rows, self._n = np.empty((1000, len(self._NAMES))), 0  # float64: exact for steps up to 2^53

    def append(self, record: StepRecord) -> None:
        """Add the next step's record."""
        if self._n == len(self._rows):
            self._rows = np.concatenate([self._rows, np.empty_like(self._rows)])
        self._rows[self._n] = [getattr(record, name) for name in self._NAMES]
        self._n += 1

    def columns(self, n: int | None = None) -> dict[str, np.ndarray]:
        """The first n records (default all) by field: `step` int64, the rest float64; copies."""
        columns = dict(zip(self._NAMES, self._rows[: self._n][:n].T.copy(), strict=True))
        return columns | {"step": columns["step"].astype(np.int64)}

    @classmethod
    def of(cls, columns: dict[str, np.ndarray]) -> "History":
        """The history that has these `columns()`."""
        history = cls()
        rows = np.column_stack([columns[name] for name in cls._NAMES])
        history._rows, history._n = np.concatenate([rows, history._rows]), len(rows)
        return history

    def __len__(self) -> int:
        return self._n

    @overload
    def __getitem__(self, k: int) -> StepRecord: ...
    @overload
    def __getitem__(self, k: slice) -> list[StepRecord]: ...
    def __getitem__(self, k):
        if isinstance(k, slice):
            return [self[i] for i in range(*k.indices(self._n))]
        step, *rest = self._rows[: self._n][k].tolist()
        return StepRecord(int(step), *rest)


# measured on real samples, in the order in which `step_discriminator` does
_OF_DATA = (
    "discriminator_loss", "wasserstein", "penalty", "auxiliary_loss", "auxiliary_wasserstein", "auxiliary_penalty",
)  # fmt: skip


class Trainer:
    """Trains a DoppelGANger step by step.

    Parameters
    ----------
    train : Dataset
        As `dgkit.schema` describes.
    config : Config

    Notes
    -----
    Iterating yields a `StepRecord` a step until `config.steps`; nothing else drives training. `model` may be read at
    any time: it is a copy, and reading it does not change what follows.

    Raises
    ------
    SchemaError, ConfigError
        The data are not a dataset, or do not go with the settings.

    Examples
    --------
    >>> from dgkit.simulate import web
    >>> trainer = Trainer(web(50), Config(steps=2, sample_len=7, batch_size=10))
    >>> [record.step for record in trainer]
    [1, 2]
    """

    _GOOD_EVERY = 200  # steps between copies of the state to fall back on

    def __init__(self, train: xr.Dataset, config: Config | None = None):
        self.config = config = config or Config()
        self.device = config.torch_device()
        self.encoder = Encoder.fit(
            train,
            sample_len=config.sample_len,
            auto_normalise=config.auto_normalise,
            normalise=config.normalise,
            minmax_scale=config.minmax_scale,
        )
        encoded = self.encoder.encode(train)
        self.real = flat(*encoded).to(self.device)  # (all samples, inputs)
        self._check_privacy(train)
        self.narrow = encoded.attributes.shape[1] + encoded.minmax.shape[1]  # what the auxiliary discriminator sees
        seed = chosen(config.seed)
        with seeded(seed):
            sizes = config.discriminator_units, config.discriminator_layers
            self.generator = Generator(self.encoder, config).to(self.device)
            self.discriminator = Discriminator(self.real.shape[1], *sizes).to(self.device)
            on = config.auxiliary and self.narrow
            self.auxiliary = Discriminator(self.narrow, *sizes).to(self.device) if on else None
        self.rng = torch.Generator().manual_seed(seed)
        self.optimisers = {
            name: torch.optim.Adam(
                [p for p in net.parameters() if p.requires_grad], lr, (config.beta1, 0.999), fused=True
            )
            for name, net, lr in (
                ("generator", self.generator, config.generator_lr),  # one Adam for all its parts
                ("discriminator", self.discriminator, config.discriminator_lr),
                ("auxiliary", self.auxiliary, config.auxiliary_lr),
            )
            if net is not None
        }  # fmt: skip
        self.average: dict[str, Tensor] = {}
        self.averaged = 0  # updates of the average so far
        if config.ema:
            self._begin_average()
        self.history = History()
        self.batches = 0  # that the discriminators have seen: what epsilon counts
        self._noise: Noise | None = None  # drawn by a discriminator step, for the generator step that follows
        self._fake: Generated | None = None  # made from it, while the generator's weights are still the same
        self._good: tuple[int, dict[str, Any]] | None = None  # a step, and the state then but for the history

    @property
    def step(self) -> int:
        """Full steps taken."""
        return len(self.history)

    def __iter__(self) -> Iterator[StepRecord]:
        return self

    def __next__(self) -> StepRecord:
        if self.step >= self.config.steps:
            raise StopIteration
        if self._good is None or self.step % self._GOOD_EVERY == 0:
            self._good = self.step, self._state()
        start = time.perf_counter()
        measured = self.step_discriminator() | self.step_generator()
        return self.record(measured, time.perf_counter() - start)

    def record(self, measured: dict[str, float], seconds: float) -> StepRecord:
        """Count a discriminator and a generator step taken by hand as the full step that they are.

        Parameters
        ----------
        measured : dict
            What `step_discriminator` returned, joined with what the `step_generator` right after it returned.
        seconds : float
            Wall time of both.

        Raises
        ------
        DivergenceError
        """
        record = StepRecord(step=self.step + 1, seconds=seconds, epsilon=self.epsilon(), **measured)
        self._check(record)
        self.history.append(record)
        return record

    def step_discriminator(self) -> dict[str, float]:
        """Half a step: draw a batch and noise, update the discriminators. Returns its part of the record."""
        config = self.config
        real = self.real[self._batch().to(self.device)]  # (N, inputs)
        self.batches += 1
        self._noise = Noise(*(part.to(self.device) for part in self.generator.draw(config.batch_size, self.rng)))
        self._fake = self.generator(self._noise)
        fake = flat(*self._fake[:3]).detach()
        if config.dp and config.dp.sampling == "poisson":
            # each real sample draws a fake of its own: what it adds does not depend on who else is in the batch
            fake = fake[self._integers(len(fake), len(real)).to(self.device)]
        auxiliary: list[Tensor | float] = [math.nan] * 3
        for _ in range(config.discriminator_rounds):
            loss, norm = self._train_critic("discriminator", real, fake, config.penalty)
            if self.auxiliary is not None:
                narrow = real[:, -self.narrow :], fake[:, -self.narrow :]
                auxiliary_loss, _ = self._train_critic("auxiliary", *narrow, config.auxiliary_penalty)
                auxiliary = [part.detach() for part in auxiliary_loss]
        values = [*(part.detach() for part in loss), *auxiliary]
        measured = {name: math.nan if config.private else float(v) for name, v in zip(_OF_DATA, values, strict=True)}
        return measured | {"discriminator_gradient": float(norm)}

    def step_generator(self) -> dict[str, float]:
        """Half a step: update the generator, on the noise of the discriminator step before if there was one."""
        config = self.config
        noise, fake = self._noise, self._fake
        if noise is None:
            noise = Noise(*(part.to(self.device) for part in self.generator.draw(config.batch_size, self.rng)))
        for _ in range(config.generator_rounds):
            fake = fake or self.generator(noise)
            made, fake = flat(*fake[:3]), None
            loss = generator_loss(self.discriminator, made)
            if self.auxiliary is not None:
                loss = loss + config.auxiliary_weight * generator_loss(self.auxiliary, made[:, -self.narrow :])
            norm = self._update("generator", loss)
        self._noise = self._fake = None
        if config.ema:
            share = average_share(config.ema, self.averaged)
            for name, value in self.generator.state_dict().items():
                if value.is_floating_point():
                    self.average[name].lerp_(value, share)
                else:
                    self.average[name].copy_(value)
            self.averaged += 1
        return {"generator_loss": float(loss.detach()), "generator_gradient": float(norm)}

    def _begin_average(self) -> None:
        """Start the moving average at the weights of now."""
        self.average, self.averaged = {k: v.clone() for k, v in self.generator.state_dict().items()}, 0

    def _batch(self) -> Tensor:
        """Which samples this step sees."""
        n, size, config = len(self.real), self.config.batch_size, self.config
        if config.dp and config.dp.sampling == "poisson":
            drawn = secret_uniform(n) if config.private else torch.rand(n, generator=self.rng, dtype=torch.float64)
            return torch.nonzero(drawn < size / n).squeeze(1)
        return self._integers(n, size)  # with replacement

    def _integers(self, below: int, n: int) -> Tensor:
        """n draws of 0 to below - 1. A private run's are secret: their number would tell the size of the batch."""
        if self.config.private:
            return (secret_uniform(n) * below).long()
        return torch.randint(below, (n,), generator=self.rng)

    def _alpha(self, n: int) -> Tensor:
        """Where between real and fake each sample's gradient is taken, (n, 1)."""
        drawn = secret_uniform(n).float()[:, None] if self.config.private else torch.rand((n, 1), generator=self.rng)
        return drawn.to(self.device)

    def _train_critic(self, name: str, real: Tensor, fake: Tensor, weight: float) -> tuple[CriticLoss, Tensor]:
        """One update of a discriminator; its loss, and the norm of the gradient it went by."""
        critic, dp = getattr(self, name), self.config.dp
        alpha = self._alpha(len(real))
        if dp is None:
            loss = critic_loss(critic, real, fake, alpha, weight)
            return loss, self._update(name, loss.loss)
        clipped = clipped_gradients(critic, real, fake, alpha, weight, dp.max_grad_norm)
        if self.config.private:
            for total in clipped.total:
                noise = dp.noise_multiplier * dp.max_grad_norm * secret_normal(total.shape)
                total += noise.to(total.device, total.dtype)
        return clipped.loss, self._apply(name, [total / self.config.batch_size for total in clipped.total])

    def _update(self, name: str, loss: Tensor) -> Tensor:
        """One Adam step of the named network alone; returns the gradient's norm."""
        return self._apply(name, torch.autograd.grad(loss, self.optimisers[name].param_groups[0]["params"]))

    def _apply(self, name: str, gradients: Sequence[Tensor]) -> Tensor:
        parameters = self.optimisers[name].param_groups[0]["params"]
        for parameter, gradient in zip(parameters, gradients, strict=True):
            parameter.grad = gradient
        self.optimisers[name].step()
        return torch.nn.utils.get_total_norm(gradients)

    def epsilon(self) -> float:
        """Privacy spent so far, half steps taken by hand included; infinite where nothing is promised."""
        config, dp = self.config, self.config.dp
        if dp is None or (dp.sampling != "poisson" and self.batches):
            return math.inf
        return epsilon(
            noise_multiplier=dp.noise_multiplier,
            sample_rate=config.batch_size / len(self.real),
            steps=self.batches,
            delta=dp.delta,
            releases=config.discriminator_rounds * (1 if self.auxiliary is None else 2),
        )

    def _check_privacy(self, train: xr.Dataset) -> None:
        dp, n = self.config.dp, len(self.real)
        if dp is None:
            return
        if self.config.batch_size > n:
            raise ConfigError(f"batch_size={self.config.batch_size} is more than the {n} samples. Lower it.")
        if dp.delta >= 1 / n:
            raise ConfigError(
                f"dp: delta={dp.delta:g} is not below 1 / {n}, one over the number of samples: a mechanism that "
                f"publishes a random sample would pass. Set delta={0.1 / n:.1g} or less."
            )
        bare = [name for name in self.encoder.scales if not {"valid_min", "valid_max"} <= set(train[name].attrs)]
        if bare and self.config.private:
            warnings.warn(
                f"epsilon does not cover the smallest and the largest value of {', '.join(map(repr, bare))}, which are "
                f"taken from the data. Where bounds are publicly known: ds[{bare[0]!r}].attrs.update(valid_min=..., "
                "valid_max=...).",
                stacklevel=3,
            )

    def _check(self, record: StepRecord) -> None:
        names = ["discriminator_loss", "generator_loss", "wasserstein", "penalty"]  # a step or a time is no loss
        names += ["discriminator_gradient", "generator_gradient", *(["auxiliary_loss"] if self.auxiliary else [])]
        names = [name for name in names if not (self.config.private and name in _OF_DATA)]
        values = {name: getattr(record, name) for name in names}
        wrong = [name for name, value in values.items() if not abs(value) < 1e6]
        if wrong:
            good, state = self._good or (0, None)
            raise DivergenceError(
                f"training diverged at step {record.step}: {wrong[0]} is {values[wrong[0]]:g}. Likely cause: learning "
                f"rates too high ({self.config.discriminator_lr:g}, {self.config.generator_lr:g}) or a penalty too "
                f"small ({self.config.penalty:g}). The last good state, of step {good}, is in this error's `state`: "
                "Trainer.resume(error.state, train, discriminator_lr=..., generator_lr=...) goes on from there.",
                record.step,
                state and self._with_history(state, good),
            )

    @property
    def model(self) -> DoppelGANger:
        """A copy of the model as it is now, on the CPU, to sample from or save."""
        return DoppelGANger.snapshot(self)

    def history_dataset(self) -> xr.Dataset:
        """The records so far as a Dataset, dims (step,)."""
        columns = self.history.columns()
        step = ("step", columns.pop("step"), {"long_name": "training step"})
        measured = {name: ("step", column) for name, column in columns.items()} if self.history else {}
        return xr.Dataset(measured, {"step": step})

    def weights(self) -> dict[str, Tensor]:
        """All networks' parameters and buffers, by name."""
        nets = {name: getattr(self, name).state_dict() for name in self.optimisers}
        return {f"{name}.{key}": value for name, net in nets.items() for key, value in net.items()}

    def state(self) -> dict[str, Any]:
        """Everything needed to go on bit for bit: {"tensors": {name: Tensor}, "plain": JSON-able values}.

        Of a private run it holds no noise and no batch, past or to come: that run goes on with new ones. It is not to
        be given away all the same, for it holds a hash of the data.
        """
        return self._with_history(self._state(), self.step)

    def _with_history(self, state: dict[str, Any], steps: int) -> dict[str, Any]:
        columns = {f"history.{name}": torch.from_numpy(c) for name, c in self.history.columns(steps).items()}
        return {**state, "tensors": state["tensors"] | columns}

    def _state(self) -> dict[str, Any]:
        """`state()` but for the history, which may be long, and which a training only adds to."""
        tensors: dict[str, Tensor] = {"rng": self.rng.get_state(), **self.weights()}
        tensors["batches"] = torch.tensor(self.batches)
        for name, optimiser in self.optimisers.items():
            for i, slots in optimiser.state_dict()["state"].items():
                tensors |= {f"adam.{name}.{i}.{slot}": value for slot, value in slots.items()}
        if self.average:
            tensors |= {"averaged": torch.tensor(self.averaged)} | {f"average.{k}": v for k, v in self.average.items()}
        if self._noise is not None:  # between two half steps
            tensors |= {f"noise.{k}": v for k, v in self._noise._asdict().items()}
        plain = {"config": asdict(self.config), "encoder": self.encoder.to_json(), "data": self._data_hash}
        return {"tensors": {k: v.detach().to("cpu", copy=True) for k, v in tensors.items()}, "plain": plain}

    @cached_property
    def _data_hash(self) -> str:
        return hashlib.sha256(self.real.cpu().numpy().tobytes()).hexdigest()

    @classmethod
    def resume(cls, state: dict[str, Any], train: xr.Dataset, **changes: Any) -> "Trainer":
        """A trainer that goes on from `state()`, bit for bit unless something is changed or training is private.

        Parameters
        ----------
        state : dict
        train : Dataset
            The data the state was trained on.
        **changes
            Fields of `Config` to change, such as `steps` to train longer or `generator_lr`. An `ema` where there was
            none begins its average at the weights of now.

        Raises
        ------
        ConfigError
            `train` is not what the state was trained on, or a change asks for other networks, or would make the
            epsilon of private training untrue.
        """
        tensors, plain = state["tensors"], state["plain"]
        fixed = {"dp", "batch_size", "discriminator_rounds", "auxiliary"} & {
            name
            for name, value in changes.items()
            if Config(**{**plain["config"], name: value}) != Config(**plain["config"])
        }
        if fixed and (plain["config"].get("dp") or changes.get("dp")):
            raise ConfigError(
                f"{', '.join(sorted(fixed))}: epsilon is accounted from the first step on with the settings it began "
                "with. Change only others, such as steps, or train from the start."
            )
        trainer = cls(train, Config(**{**plain["config"], **changes}))
        if trainer.encoder.to_json() != plain["encoder"] or trainer._data_hash != plain["data"]:
            raise ConfigError("this state was trained on other data, or encoded otherwise. Pass the same dataset.")
        if changes and any(k not in tensors or v.shape != tensors[k].shape for k, v in trainer.weights().items()):
            raise ConfigError(f"{', '.join(changes)}: this change makes other networks; train them from the start.")

        def part(prefix: str) -> dict[str, Tensor]:
            return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}

        for name, optimiser in trainer.optimisers.items():
            getattr(trainer, name).load_state_dict(part(f"{name}."))
            slots: dict[int, dict[str, Tensor]] = {}
            for key, value in part(f"adam.{name}.").items():
                slots.setdefault(int(key.split(".")[0]), {})[key.split(".")[1]] = value.clone()
            optimiser.load_state_dict({**optimiser.state_dict(), "state": slots})
        if "noise.attribute" in tensors:  # between half steps: make the same fake batch again
            trainer._noise = Noise(**{k: v.to(trainer.device) for k, v in part("noise.").items()})
            trainer._fake = trainer.generator(trainer._noise)
            for name, buffer in trainer.generator.named_buffers():  # batch norm has counted this pass before
                buffer.data.copy_(tensors[f"generator.{name}"])
        average = {k: v.to(trainer.device) for k, v in part("average.").items()}
        if trainer.config.ema and average:
            trainer.average = average
            trainer.averaged = int(tensors.get("averaged", len(tensors["history.step"])))  # an older state: one a step
        elif trainer.config.ema:
            trainer._begin_average()
        trainer.rng.set_state(tensors["rng"])
        trainer.batches = int(tensors.get("batches", len(tensors["history.step"])))  # an older state: one a step
        trainer.history = History.of({k: v.numpy() for k, v in part("history.").items()})
        return trainer

    def save(self, path: str | PathLike) -> None:
        """Write the state to a file (safetensors, beside and renamed); `Trainer.load` goes on from it."""
        state = self.state()
        _files.write(path, "training state", state["tensors"], state["plain"])

    @classmethod
    def load(cls, path: str | PathLike, train: xr.Dataset) -> "Trainer":
        """Resume from a file. Raises FileFormatError, ConfigError."""
        tensors, plain = _files.read(path, "training state")
        try:
            return cls.resume({"tensors": tensors, "plain": plain}, train)
        except (KeyError, TypeError, ValueError, RuntimeError) as error:
            if isinstance(error, ConfigError):
                raise
            raise FileFormatError(f"{str(path)!r} is not a whole training state: {error}") from error


def fit(
    train: xr.Dataset,
    config: Config | None = None,
    *,
    seconds: float | None = None,
    progress: bool = True,
) -> DoppelGANger:
    """Train a DoppelGANger.

    Parameters
    ----------
    train : Dataset
        As `dgkit.schema` describes.
    config : Config, optional
    seconds : float, optional
        Stop after this wall time even if `config.steps` are not reached (not reproducible from machine to machine).
    progress : bool
        Show a bar with steps a second and the Wasserstein estimate; in private training, epsilon in its place.

    Returns
    -------
    DoppelGANger
        `history` holds what training measured. An interrupt (Ctrl-C, the stop button) gives the model so far.

    Raises
    ------
    SchemaError, ConfigError, DivergenceError

    Examples
    --------
    >>> import dgkit as dg
    >>> model = fit(dg.simulate.web(30), dg.Config(steps=2, sample_len=84, batch_size=10), progress=False)
    >>> model.history.sizes["step"], model.sample(4).sizes["sample"]
    (2, 4)
    """
    trainer = Trainer(train, config)
    end = math.inf if seconds is None else time.perf_counter() + seconds
    with tqdm(trainer, total=trainer.config.steps, unit="step", disable=not progress) as bar:
        try:
            for record in bar:
                if record.step % 50 == 0:
                    shown = "epsilon" if trainer.config.private else "wasserstein"
                    bar.set_postfix({shown: f"{getattr(record, shown):.2f}"}, refresh=False)
                if time.perf_counter() >= end:
                    break
        except KeyboardInterrupt:
            warnings.warn(f"interrupted: the model is that of step {trainer.step}", stacklevel=2)
    return trainer.model
