"""The training loop: an iterator of records, driven from outside.

Follows `train` in `gan/doppelganger.py` of the original code. On each batch: discriminator and auxiliary discriminator,
then the generator, with the same noise for all. One generator pass serves them (the original runs it three times and
redraws the initial LSTM state each time, which is the same in distribution). So batch norm's running statistics move
once a step, not three times; and with several `discriminator_rounds` or `generator_rounds` all see one initial state.

Letters for shapes: N samples in the batch, F features, A attributes, M min/max, as in `networks`.
"""

import copy
import hashlib
import math
import time
import warnings
from collections.abc import Iterator
from dataclasses import replace
from functools import cached_property
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple

import torch
import xarray as xr
from torch import Tensor
from tqdm.auto import tqdm

from dgkit._checks import number, whole
from dgkit._seeding import chosen, secret_normal, secret_uniform, seeded
from dgkit.core import accounting, checkpoint, keep, on_disk
from dgkit.core.clipping import clipped_gradients
from dgkit.core.config import Config, given
from dgkit.core.encode import Encoder
from dgkit.core.history import OF_DATA, History, StepRecord
from dgkit.core.losses import CriticLoss, critic_loss, generator_loss
from dgkit.core.model import DoppelGANger, load
from dgkit.core.networks import Generated, Generator, Noise, flat
from dgkit.core.optimise import adam, apply, average_into, average_share, descend
from dgkit.errors import ConfigError, DivergenceError
from dgkit.schema import bare


class Batch(NamedTuple):
    """What one discriminator half step works on.

    Parameters
    ----------
    real : Tensor, (N, inputs)
        Real samples, flattened as the discriminator reads them; in private training their number varies.
    noise : Noise
        Of the generated samples.
    made : Generated
        What the generator makes of it; gradients flow.
    fake : Tensor, (N, inputs)
        The same flattened, without gradient, one for each real sample.
    alphas : list of Tensor, (N, 1)
        Of each update of a discriminator in turn: where between real and fake its gradient is taken.

    Examples
    --------
    >>> from dgkit.simulate import web
    >>> trainer = Trainer(web(50), Config(steps=2, sample_len=84, batch_size=10))
    >>> trainer.peek().real.shape == trainer.peek().fake.shape
    True
    """

    real: Tensor
    noise: Noise
    made: Generated
    fake: Tensor
    alphas: list[Tensor]


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
        store: str | PathLike[str] | None = None,
    ):
        self.config = config = given(config)
        self.device = config.torch_device()

        # the data as the discriminators read them, all samples, in memory or in a file: (samples, inputs)
        self.encoder = Encoder.fit(
            train,
            sample_len=config.sample_len,
            auto_normalise=config.auto_normalise,
            normalise=config.normalise,
            minmax_scale=config.minmax_scale,
        )
        real = on_disk.rows_of(self.encoder, train, store)
        self.real = real if isinstance(real, on_disk.Rows) else real.to(self.device)
        self.narrow = self.encoder.narrow  # what the auxiliary discriminator reads
        self._check_privacy(train)

        # the networks, each with an Adam of its own (one for all parts of the generator), and what is drawn at random
        seed = chosen(config.seed)
        with seeded(seed):
            model = DoppelGANger(self.encoder, config)
        if start is not None:
            checkpoint.copy_weights(start, model)
        networks = {name: net.train().to(self.device) for name, net in model.networks().items()}
        self.generator, self.discriminator = model.generator, model.discriminator
        self.auxiliary = model.auxiliary
        self.optimisers = {
            name: adam(network, rate=getattr(config, f"{name}_lr"), beta1=config.of(f"{name}_beta1"))
            for name, network in networks.items()
        }
        self.rng = torch.Generator().manual_seed(seed)

        # where training stands
        self.average: dict[str, Tensor] = {}
        self.averaged = 0  # updates of the average so far
        if config.ema:
            self.begin_average()
        self.history = History()
        self.batches = 0  # that the discriminators have seen: what epsilon counts
        self.pending: tuple[Noise, Generated] | None = (
            None  # of a discriminator half step, for the generator's after it
        )
        self._good: tuple[int, dict[str, Any]] | None = None  # a step, and the state then but for the history

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
        if self._good is None or self.step % self._GOOD_EVERY == 0:
            self._good = self.step, checkpoint.state(self, history=False)

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

    # --- half steps ---------------------------------------------------------------------------------------------------

    def step_discriminator(self) -> dict[str, float]:
        """Half a step: draw a batch and noise, update the discriminators. Returns its part of the record."""
        config = self.config
        batch = self._draw(self.generator)
        self.batches += 1
        self.pending = batch.noise, batch.made

        # both discriminators, the auxiliary one on attributes and min/max alone
        auxiliary: list[Tensor | float] = [math.nan] * 3
        alphas = iter(batch.alphas)
        for _ in range(config.discriminator_rounds):
            loss, norm = self._train_critic("discriminator", batch.real, batch.fake, next(alphas), config.penalty)
            if self.auxiliary is not None:
                narrow = batch.real[:, -self.narrow :], batch.fake[:, -self.narrow :], next(alphas)
                auxiliary_loss, _ = self._train_critic("auxiliary", *narrow, config.auxiliary_penalty)
                auxiliary = [part.detach() for part in auxiliary_loss]

        # means over real samples: a private run keeps them to itself
        values = [*(part.detach() for part in loss), *auxiliary]
        measured = {name: math.nan if config.private else float(v) for name, v in zip(OF_DATA, values, strict=True)}
        return measured | {"discriminator_gradient": float(norm)}

    def step_generator(self) -> dict[str, float]:
        """Half a step: update the generator, on the noise of the discriminator step before if there was one."""
        config = self.config
        noise, made = self.pending or (self._noise(self.generator), None)
        self.pending = None
        for _ in range(config.generator_rounds):
            made = made or self.generator(noise)
            fake, made = flat(*made[:3]), None

            # loss = -mean D(fake) - auxiliary_weight * mean D_aux(fake)
            loss = generator_loss(self.discriminator, fake)
            if self.auxiliary is not None:
                loss = loss + config.auxiliary_weight * generator_loss(self.auxiliary, fake[:, -self.narrow :])
            norm = descend(self.optimisers["generator"], loss)

        if config.ema:
            average_into(self.average, self.generator.state_dict(), average_share(config.ema, self.averaged))
            self.averaged += 1
        return {"generator_loss": float(loss.detach()), "generator_gradient": float(norm)}

    def peek(self) -> Batch:
        """The batch of the next discriminator half step, if nothing else is drawn before; nothing is changed.

        In private training another one of its kind: that run's batches are secret.
        """
        before = self.rng.get_state()
        try:
            return self._draw(copy.deepcopy(self.generator))  # batch norm counts what passes through it
        finally:
            self.rng.set_state(before)

    def begin_average(self) -> None:
        """Start the moving average at the weights of now."""
        self.average, self.averaged = {k: v.clone() for k, v in self.generator.state_dict().items()}, 0

    def _train_critic(
        self, name: str, real: Tensor, fake: Tensor, alpha: Tensor, weight: float
    ) -> tuple[CriticLoss, Tensor]:
        """One update of a discriminator; its loss, and the norm of the gradient it went by."""
        critic, optimiser, dp = getattr(self, name), self.optimisers[name], self.config.dp
        if dp is None:
            loss = critic_loss(critic, real, fake, alpha, weight)
            return loss, descend(optimiser, loss.loss)

        # DP-SGD: the gradient of each sample clipped to a norm C, their sum with noise of sigma C, over the batch size
        clipped = clipped_gradients(critic, real, fake, alpha, weight, dp.max_grad_norm)
        if self.config.private:
            for total in clipped.total:
                noise = dp.noise_multiplier * dp.max_grad_norm * secret_normal(total.shape)
                total += noise.to(total.device, total.dtype)
        return clipped.loss, apply(optimiser, [total / self.config.batch_size for total in clipped.total])

    # --- what is drawn; in a private run from the operating system's entropy, but for the noise -----------------------

    def _draw(self, generator: Generator) -> Batch:
        config = self.config
        real = self.real[self._rows().to(self.real.device)].to(self.device)  # (N, inputs)
        noise = self._noise(generator)
        made = generator(noise)
        fake = flat(*made[:3]).detach()
        if config.dp and config.dp.sampling == "poisson":
            # each real sample draws a fake of its own: what it adds does not depend on who else is in the batch
            fake = fake[self._integers(len(fake), len(real)).to(self.device)]
        return Batch(real, noise, made, fake, [self._alpha(len(real)) for _ in range(self.updates)])

    def _rows(self) -> Tensor:
        """Which samples this step sees: with replacement, or each with probability batch_size / samples (Poisson)."""
        n, size, config = len(self.real), self.config.batch_size, self.config
        if config.dp and config.dp.sampling == "poisson":
            drawn = secret_uniform(n) if config.private else torch.rand(n, generator=self.rng, dtype=torch.float64)
            return torch.nonzero(drawn < size / n).squeeze(1)
        return self._integers(n, size)

    def _noise(self, generator: Generator) -> Noise:
        return Noise(*(part.to(self.device) for part in generator.draw(self.config.batch_size, self.rng)))

    def _integers(self, below: int, n: int) -> Tensor:
        """n draws of 0 to below - 1. A private run's are secret: their number would tell the size of the batch."""
        if self.config.private:
            return (secret_uniform(n) * below).long()
        return torch.randint(below, (n,), generator=self.rng)

    def _alpha(self, n: int) -> Tensor:
        """Where between real and fake each sample's gradient is taken, (n, 1)."""
        drawn = secret_uniform(n).float()[:, None] if self.config.private else torch.rand((n, 1), generator=self.rng)
        return drawn.to(self.device)

    # --- privacy and divergence ---------------------------------------------------------------------------------------

    def epsilon(self) -> float:
        """Privacy spent so far, half steps taken by hand included; infinite where nothing is promised."""
        config, dp = self.config, self.config.dp
        if dp is None or (dp.sampling != "poisson" and self.batches):
            return math.inf
        return accounting.epsilon(
            noise_multiplier=dp.noise_multiplier,
            sample_rate=config.batch_size / len(self.real),
            steps=self.batches,
            delta=dp.delta,
            releases=self.updates,
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
        names = [name for name in names if not (self.config.private and name in OF_DATA)]
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
                state and checkpoint.with_history(state, self.history, good),
            )

    # --- the model, and going on --------------------------------------------------------------------------------------

    @property
    def model(self) -> DoppelGANger:
        """A copy of the model as it is now, on the CPU, to sample from or save.

        Of a private run the model may be handed on: it holds no seed, none of the data's notes, and of the history only
        what saw no data without noise.
        """
        config, encoder, history = self.config, self.encoder, self.history_dataset()
        if config.private:
            config, encoder = replace(config, seed=None), replace(encoder, schema=bare(encoder.schema))
            kept = {"generator_loss", "generator_gradient", "discriminator_gradient", "epsilon"}
            history = history.drop_vars(set(history) - kept)
        model = DoppelGANger.of(encoder, config, history, self.generator, self.discriminator, self.auxiliary)
        if self.average:
            model.generator.load_state_dict(self.average)
        return model

    def history_dataset(self) -> xr.Dataset:
        """The records so far as a Dataset, dims (step,)."""
        return self.history.to_dataset()

    def weights(self) -> dict[str, Tensor]:
        """All networks' parameters and buffers, by name."""
        nets = {name: getattr(self, name).state_dict() for name in self.optimisers}
        return {f"{name}.{key}": value for name, net in nets.items() for key, value in net.items()}

    @cached_property
    def data_hash(self) -> str:
        """SHA-256 of the training data as the discriminators read them."""
        digest = hashlib.sha256()
        for start in range(0, len(self.real), 1000):
            digest.update(self.real[start : start + 1000].cpu().numpy().data)
        return digest.hexdigest()

    def state(self) -> dict[str, Any]:
        """Everything needed to go on bit for bit: {"tensors": {name: Tensor}, "plain": JSON-able values}.

        Of a private run it holds no noise and no batch, past or to come: that run goes on with new ones. It is not to
        be given away all the same, for it holds a hash of the data.
        """
        return checkpoint.state(self)

    @classmethod
    def resume(
        cls, state: dict[str, Any], train: xr.Dataset, *, store: str | PathLike[str] | None = None, **changes: Any
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
        trainer = cls(train, checkpoint.changed(state, changes), store=store)
        checkpoint.restore(trainer, state, changes)
        return trainer

    def save(self, path: str | PathLike[str]) -> None:
        """Write the state to a file (safetensors, beside and renamed); `Trainer.load` goes on from it."""
        checkpoint.save(path, self.state())

    @classmethod
    def load(
        cls, path: str | PathLike[str], train: xr.Dataset, *, store: str | PathLike[str] | None = None
    ) -> "Trainer":
        """Resume from a file. Raises FileFormatError, ConfigError."""
        with checkpoint.opened(path) as state:
            return cls.resume(state, train, store=store)


def fit(
    train: xr.Dataset,
    config: Config | None = None,
    *,
    seconds: float | None = None,
    progress: bool = True,
    checkpoints: str | PathLike[str] | None = None,
    every: int = 500,
    held_out: xr.Dataset | None = None,
    measure: keep.Measure | None = None,
    store: str | PathLike[str] | None = None,
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
    checkpoints : path, optional
        A folder in which the model of every `every` steps is kept, as step_000500.dgkit and so on, for `dgkit.load`
        (`dgkit.core.keep.checkpoints` lists them), and the training's state: the same call later goes on from the
        last of them, also for more steps.
    every : int
        Steps between two checkpoints, and two measurements; the last step is one too.
    held_out : Dataset, optional
        Data of the same schema that are not in `train`: the model returned is the one, of those of every `every` steps,
        that is best by `measure`. Judge it on data that are neither. In private training, epsilon does not cover them.
    measure : callable (real Dataset, generated Dataset) -> float, optional
        Smaller is better; NaN is none. It is given `held_out` and as many generated samples, of seed 0. Default: the
        autocorrelation error (`dgkit.metrics.autocorrelation_mse`), its mean over the continuous features.
    store : path, optional
        A folder with room for the encoded data, which are larger than memory: as in `Trainer`.

    Returns
    -------
    DoppelGANger
        `history` holds what training measured; with `held_out` up to the step of the model, and its attrs `best_step`,
        and, but for private training, `measured` at `measured_steps`. An interrupt (Ctrl-C, the stop button) gives the
        model so far.

    Raises
    ------
    SchemaError, ConfigError, DivergenceError

    Source
    ------
    Checkpoints: `epoch_checkpoint_freq` and `extra_checkpoint_freq` of the original, which chooses among them by no
    rule.

    Examples
    --------
    >>> import dgkit as dg
    >>> model = fit(dg.simulate.web(30), dg.Config(steps=2, sample_len=84, batch_size=10), progress=False)
    >>> model.history.sizes["step"], model.sample(4).sizes["sample"]
    (2, 4)
    """
    whole("every", every)
    if measure is not None and held_out is None:
        raise ConfigError("measure= chooses among models by data held out: give held_out=, or leave measure out.")
    end = math.inf if seconds is None else time.perf_counter() + number("seconds", seconds)
    trainer = _begun(train, given(config), checkpoints, store)
    choice = None
    if held_out is not None:
        choice = keep.Choice(trainer.encoder.schema, trainer.config, held_out, measure)
        for path in keep.checkpoints(checkpoints).values() if checkpoints is not None else ():
            choice.add(load(path))  # of the same training, before it was stopped

    def look() -> None:
        if checkpoints is not None:
            trainer.save(Path(checkpoints) / keep.STATE)
            trainer.model.save(keep.path_at(checkpoints, trainer.step))
        if choice is not None:
            choice.add(trainer.model)

    with tqdm(trainer, total=trainer.config.steps, initial=trainer.step, unit="step", disable=not progress) as bar:
        try:
            for record in bar:
                if record.step % 50 == 0:
                    shown = "epsilon" if trainer.config.private else "wasserstein"
                    bar.set_postfix({shown: f"{getattr(record, shown):.2f}"}, refresh=False)
                late = time.perf_counter() >= end
                if record.step % every == 0 or record.step == trainer.config.steps or late:
                    look()
                if late:
                    break
        except KeyboardInterrupt:
            which = f"that of step {trainer.step}" if choice is None or not choice.measured else "the best so far"
            warnings.warn(f"interrupted: the model is {which}", stacklevel=2)
    return trainer.model if choice is None else choice.best(trainer.model)


def _begun(
    train: xr.Dataset, config: Config, folder: str | PathLike[str] | None, store: str | PathLike[str] | None
) -> Trainer:
    """A new trainer, or the one whose state the folder holds, with the checkpoint of that step."""
    if folder is None:
        return Trainer(train, config, store=store)
    Path(folder).mkdir(parents=True, exist_ok=True)
    path = Path(folder) / keep.STATE
    if not path.exists():
        if found := keep.checkpoints(folder):
            raise ConfigError(
                f"{str(folder)!r} holds checkpoints up to step {max(found)}, but no state to go on from. Choose an "
                "empty folder."
            )
        return Trainer(train, config, store=store)
    with checkpoint.opened(path) as state:
        keep.check_same_training(folder, state, config)
        trainer = Trainer.resume(state, train, store=store, steps=config.steps, device=config.device)
    if not (model := keep.path_at(folder, trainer.step)).exists():  # stopped between the two files
        trainer.model.save(model)
    return trainer
