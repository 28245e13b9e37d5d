"""The training loop: an iterator of records, driven from outside.

Follows `train` in `gan/doppelganger.py` of the original code. On each batch: discriminator and auxiliary discriminator,
then the generator, with the same noise for all. One generator pass serves them (the original runs it three times and
redraws the initial LSTM state each time, which is the same in distribution). So batch norm's running statistics move
once a step, not three times; and with several `discriminator_rounds` or `generator_rounds` all see one initial state.

Letters for shapes: N samples in the batch, F features, A attributes, M min/max, as in `networks`.
"""

import copy
import math
import time
from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import cached_property
from typing import Any

import torch
import xarray as xr
from torch import Tensor

from dgkit import _files
from dgkit._interrupts import after_the_step
from dgkit._seeding import chosen, seeded
from dgkit.core import accounting, checkpoint, divergence, loading, on_disk, rates
from dgkit.core.averages import average_into, average_share
from dgkit.core.batches import Batch, Draws
from dgkit.core.clipping import private_gradients
from dgkit.core.config import Config, given
from dgkit.core.encode import SETTINGS, Encoder
from dgkit.core.history import OF_DATA, History, StepRecord
from dgkit.core.losses import CriticLoss, critic_loss, generator_loss
from dgkit.core.model import DoppelGANger
from dgkit.core.networks import Generated, Noise, flat
from dgkit.core.optimise import Adam, apply, descend
from dgkit.core.replay import Replay, values_of


class Trainer:
    """Trains a DoppelGANger step by step.

    Parameters
    ----------
    train : Dataset
        As `dgkit.schema` describes.
    config : Config
    start : DoppelGANger, optional
        Begin with the weights of this model (a warm start), of the same form of data and networks. In private training
        it is taken as public: epsilon does not cover what it was trained on.
    store : path, optional
        A folder on a disk with room, for data larger than memory: they are encoded once, some samples at a time, into
        a file there (4 bytes for each number the discriminator reads), from which batches are read; training is bit
        for bit the same. The file has no name and is gone with the trainer. Default: a dask-backed or memory-mapped
        dataset is encoded so in the system's folder for temporary files (`tempfile.gettempdir()`; where that one is
        kept in memory, give another), any other in memory.

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

    def __init__(
        self,
        train: xr.Dataset,
        config: Config | None = None,
        *,
        start: DoppelGANger | None = None,
        store: _files.AnyPath | None = None,
    ):
        self.config = config = given(config)
        self.device = config.torch_device()

        # the data as the discriminators read them, all samples, in memory or in a file: (samples, inputs)
        self.encoder = Encoder.fit(train, **{name: getattr(config, name) for name in SETTINGS})
        self.real = on_disk.rows_of(self.encoder, train, store, self.device)
        self.narrow = self.encoder.narrow  # what the auxiliary discriminator reads
        accounting.check_training(config, len(self.real), self.encoder.schema, train, start)

        # the networks, each with an Adam of its own (one for all parts of the generator)
        seed = chosen(config.seed)
        with seeded(seed):
            self._model = DoppelGANger(self.encoder, config)  # in training; `model` is a copy
        if start is not None:
            checkpoint.copy_weights(start, self._model)
        self.generator, self.discriminator = self._model.generator, self._model.discriminator
        self.auxiliary, self.networks = self._model.auxiliary, self._model.networks()
        self.optimisers: dict[str, Adam] = {}
        for name, network in self.networks.items():
            rate, beta1 = getattr(config, f"{name}_lr"), config.of(f"{name}_beta1")
            self.optimisers[name] = Adam(network.train().to(self.device), rate=rate, beta1=beta1)

        # what is drawn at random; of a private run `rng` gives what is public
        self.draws = Draws(config, self.device, seed)
        self.rng = self.draws.rng

        # where training stands
        self.average: dict[str, Tensor] = {}
        self.averaged = 0  # updates of the average so far
        if config.ema:
            self.begin_average()
        self.history = History()
        self.batches = 0  # that the discriminators have seen: what epsilon counts
        self.pending: tuple[Noise, Generated] | None = None  # of a discriminator half step, for the generator's
        self.good: tuple[int, loading.State] | None = None  # a step, and the state then but for the history
        self.replay = Replay() if config.replay and self.device.type == "cuda" else None

    @property
    def updates(self) -> int:
        """Of discriminators on each batch."""
        return self.config.discriminator_rounds * (1 if self.auxiliary is None else 2)

    @property
    def step(self) -> int:
        """Full steps taken."""
        return len(self.history)

    def __iter__(self) -> Iterator[StepRecord]:
        return self

    def __next__(self) -> StepRecord:
        if self.step >= self.config.steps:
            raise StopIteration
        if self.good is None or self.step % self._GOOD_EVERY == 0:
            self.good = self.step, checkpoint.state(self, history=False)

        start = time.perf_counter()
        with after_the_step():
            whole = self.replay and self.replay.step(self)  # None: not yet recorded
            measured = whole or self.step_discriminator() | self.step_generator()
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
        divergence.check_measured(self, record)
        self.history.append(record)
        return record

    # --- half steps ---------------------------------------------------------------------------------------------------

    @after_the_step()
    @torch.enable_grad()
    def step_discriminator(self) -> dict[str, float]:
        """Half a step: draw a batch and noise, update the discriminators. Returns its part of the record."""
        rates.fall(self)
        batch = self.draws.batch(self.real, self.generator, self.updates)
        self.batches += 1
        self.pending = batch.noise, batch.made
        return dict.fromkeys(OF_DATA, math.nan) | values_of(self.update_discriminators(batch))

    def update_discriminators(self, batch: Batch) -> dict[str, Tensor]:
        """Both discriminators, the auxiliary one on attributes and min/max alone; what was measured."""
        config = self.config
        auxiliary_loss: Iterable[Tensor] = ()
        alphas = iter(batch.alphas)
        for _ in range(config.discriminator_rounds):
            loss, norm = self._train_critic("discriminator", batch.real, batch.fake, next(alphas), config.penalty)
            if self.auxiliary is not None:
                real, fake = batch.real[:, -self.narrow :], batch.fake[:, -self.narrow :]
                auxiliary_loss, _ = self._train_critic("auxiliary", real, fake, next(alphas), config.auxiliary_penalty)

        # the losses are means over real samples: a private run keeps them to itself
        losses = () if config.private else (*loss, *auxiliary_loss)
        return dict(zip(OF_DATA, losses, strict=False)) | {"discriminator_gradient": norm}

    @after_the_step()
    @torch.enable_grad()
    def step_generator(self) -> dict[str, float]:
        """Half a step: update the generator, on the noise of the discriminator step before if there was one."""
        rates.fall(self)  # again: a resumed training may begin here
        noise, made = self.pending or (self.draws.noise(self.generator), None)
        self.pending = None
        measured = values_of(self.update_generator(noise, made))
        self.move_average()
        return measured

    def update_generator(self, noise: Noise, made: Generated | None) -> dict[str, Tensor]:
        """All parts of the generator, by what it made of this noise (None: to be made); what was measured."""
        config = self.config
        for _ in range(config.generator_rounds):
            attributes, minmax, features, _ = made or self.generator(noise)
            fake, made = flat(attributes, minmax, features), None  # made anew in the next round

            # loss = -mean D(fake) - auxiliary_weight * mean D_aux(fake)
            loss = generator_loss(self.discriminator, fake)
            if self.auxiliary is not None:
                loss = loss + config.auxiliary_weight * generator_loss(self.auxiliary, fake[:, -self.narrow :])
            norm = descend(self.optimisers["generator"], loss)
        return {"generator_loss": loss, "generator_gradient": norm}

    def peek(self) -> Batch:
        """The batch of the next discriminator half step, if nothing else is drawn before; nothing is changed.

        In private training another one of its kind: that run's batches are secret.
        """
        before = self.rng.get_state()
        try:  # with a copy: batch norm counts what passes through it
            return self.draws.batch(self.real, copy.deepcopy(self.generator), self.updates)
        finally:
            self.rng.set_state(before)

    def begin_average(self) -> None:
        """Start the moving average at the weights of now."""
        self.average, self.averaged = {k: v.clone() for k, v in self.generator.state_dict().items()}, 0

    def move_average(self) -> None:
        """Move the average, where there is one, towards the weights of now."""
        if self.config.ema:
            average_into(self.average, self.generator.state_dict(), average_share(self.config.ema, self.averaged))
            self.averaged += 1

    def _train_critic(
        self, name: str, real: Tensor, fake: Tensor, alpha: Tensor, weight: float
    ) -> tuple[CriticLoss, Tensor]:
        """One update of a discriminator; its loss, and the norm of the gradient it went by."""
        critic, optimiser, dp = getattr(self, name), self.optimisers[name], self.config.dp
        if dp is None:
            loss = critic_loss(critic, real, fake, alpha, weight)
            return loss, descend(optimiser, loss.loss)

        # DP-SGD: the gradient of each sample clipped, and their sum with noise
        private_loss, gradients = private_gradients(critic, real, fake, alpha, weight, dp, self.config.batch_size)
        return private_loss, apply(optimiser, gradients)

    # --- privacy ---------------------------------------------------------------------------------------

    def epsilon(self, accountant: str = "rdp") -> float:
        """Privacy spent so far, half steps taken by hand included; infinite where nothing is promised.

        By RDP, as the history has it, or tighter and slower by "prv" (`privacy.stated`).
        """
        return accounting.spent(self.config, len(self.real), self.batches, self.updates, accountant=accountant)

    # --- the model, and going on --------------------------------------------------------------------------------------

    @property
    def model(self) -> DoppelGANger:
        """A copy of the model as it is now, on the CPU, to sample from or save.

        Of a private run the model may be handed on: it holds no seed, none of the data's notes, and of the history only
        what saw no data without noise.
        """
        config, schema, history = self.config, self.encoder.schema, self.history_dataset()
        if config.private:
            config, schema, history = accounting.public(config, schema, history, self.epsilon(), self.batches)
        model = self._model.copied()
        model.config, model.encoder, model.history = config, replace(self.encoder, schema=schema), history
        if self.average:
            model.generator.load_state_dict(self.average)
        return model

    def history_dataset(self) -> xr.Dataset:
        """The records so far as a Dataset, dims (step,)."""
        return self.history.to_dataset()

    def weights(self) -> dict[str, Tensor]:
        """All networks' parameters and buffers, by name."""
        return self._model.weights()

    @cached_property
    def data_hash(self) -> str:
        """SHA-256 of the training data as the discriminators read them."""
        return on_disk.hash_of(self.real)

    def state(self) -> loading.State:
        """Everything needed to go on bit for bit: {"tensors": {name: Tensor}, "plain": JSON-able values}.

        Of a private run it holds no noise and no batch, past or to come: that run goes on with new ones. It is not to
        be given away all the same, for it holds a hash of the data.
        """
        return checkpoint.state(self)

    @classmethod
    def resume(
        cls, state: loading.State, train: xr.Dataset, *, store: _files.AnyPath | None = None, **changes: Any
    ) -> "Trainer":
        """A trainer that goes on from `state()`, bit for bit unless something is changed or training is private.

        Parameters
        ----------
        state : dict
        train : Dataset
            The data the state was trained on.
        store : path, optional
            As in `Trainer`.
        **changes
            Fields of `Config` to change, such as `steps` to train longer or `generator_lr`. An `ema` where there was
            none begins its average at the weights of now.

        Raises
        ------
        ConfigError
            `train` is not what the state was trained on, or a change asks for other networks, or would make the
            epsilon of private training untrue.
        """
        loading.check_state(state)
        before = Config(**state["plain"]["config"])
        trainer = cls(train, accounting.changed(before, changes), store=store)
        checkpoint.restore(trainer, state, changes)
        return trainer

    def save(self, path: _files.AnyPath) -> None:
        """Write the state to a file (safetensors, beside and renamed); `Trainer.load` goes on from it."""
        _files.write(path, "training state", **self.state())

    @classmethod
    def load(cls, path: _files.AnyPath, train: xr.Dataset, *, store: _files.AnyPath | None = None) -> "Trainer":
        """Resume from a file. Raises FileFormatError, ConfigError."""
        return cls.resume(loading.load_state(path), train, store=store)
