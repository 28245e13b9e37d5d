"""Training from the first step to the last: with a bar, kept checkpoints, and the best model on data held out."""

import math
import time
import warnings
from os import PathLike
from pathlib import Path
from typing import Any

import xarray as xr
from tqdm.auto import tqdm

from dgkit._atomic import usable
from dgkit._checks import number, whole
from dgkit._comparable import check_apart
from dgkit.core import keep
from dgkit.core.config import Config, given
from dgkit.core.loading import load, load_state
from dgkit.core.model import DoppelGANger
from dgkit.core.rare import warn_of_rare
from dgkit.core.trainer import Trainer
from dgkit.errors import ConfigError, DivergenceError


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
        Stop after this wall time even if `config.steps` are not reached (not reproducible from machine to machine). The
        learning rates fall towards `last_lr` by `config.steps`, so that they end where these stood.
    progress : bool
        Show a bar with steps a second and the Wasserstein estimate; in private training, epsilon in its place. With
        `seconds` it shows the share that is done, of the steps or of the time, whichever ends first.
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

    Notes
    -----
    A warning names the categories of attributes that so few steps will hardly see, with how often (`core/rare.py`); not
    in private training, whose data it would tell of.

    Raises
    ------
    SchemaError, ConfigError
    DivergenceError
        With the last good `state`; with `held_out` also the best `model` until then, where something was measured.
    SaveError
        A checkpoint cannot be written; those of before are whole, and the same call later goes on from them.

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
    begun = time.perf_counter()
    end = math.inf if seconds is None else begun + number("seconds", seconds)

    # a training from its start, or from where the checkpoints end
    trainer = _begun(train, given(config), checkpoints, store)
    warn_of_rare(train, trainer.encoder.schema, trainer.config)
    choice = None
    if held_out is not None:
        choice = keep.Choice(trainer.encoder.schema, trainer.config, held_out, measure)
        check_apart(train, held_out)
        for path in keep.checkpoints(checkpoints).values() if checkpoints is not None else ():
            choice.add(load(path))  # of the same training, before it was stopped

    def keep_and_measure() -> None:
        if checkpoints is not None:
            trainer.save(Path(checkpoints) / keep.STATE)
            trainer.model.save(keep.path_at(checkpoints, trainer.step))
        if choice is not None:
            choice.add(trainer.model)

    # the loop, until the last step, the time limit or an interrupt
    steps, shown = trainer.config.steps, "epsilon" if trainer.config.private else "wasserstein"
    with _bar(trainer, timed=seconds is not None, disable=not progress) as bar:
        try:
            for record in trainer:
                if record.step % 50 == 0:
                    bar.set_postfix({shown: f"{getattr(record, shown):.2f}"}, refresh=False)
                now = time.perf_counter()
                late = now >= end
                if record.step % every == 0 or record.step == steps or late:
                    keep_and_measure()
                if seconds is None:
                    bar.update()
                else:  # of the steps or of the time, whichever ends first
                    bar.n = 1.0 if late else max(record.step / steps, (now - begun) / seconds)
                    bar.update(0)
                if late:
                    break
        except KeyboardInterrupt:
            which = f"that of step {trainer.step}" if choice is None or not choice.measured else "the best so far"
            if trainer.batches > trainer.step:  # a second interrupt does not wait for the end of a step
                which += ", or changed in part by the step after it"
            if checkpoints is not None and trainer.config.private:  # what this model has seen is spent: go on from here
                trainer.save(Path(checkpoints) / keep.STATE)
            warnings.warn(f"interrupted: the model is {which}", stacklevel=2)
        except DivergenceError as error:
            if checkpoints is not None and trainer.config.private:  # the same of what this error holds
                keep.count(checkpoints, trainer.batches, error.state)
            if choice is not None and choice.model is not None:
                error.model = choice.best(trainer.model)
                error.args = (f"{error} The best model until then is its `model`.", *error.args[1:])
            raise
    return trainer.model if choice is None else choice.best(trainer.model)


def _bar(trainer: Trainer, *, timed: bool, disable: bool) -> Any:
    """A bar of steps; of a training for a given time, of the share that is done, so that it ends at 100 %."""
    if not timed:
        return tqdm(total=trainer.config.steps, initial=trainer.step, unit="step", disable=disable)
    form = "{percentage:3.0f}%|{bar}| {elapsed}<{remaining}{postfix}"
    return tqdm(total=1.0, initial=trainer.step / trainer.config.steps, bar_format=form, disable=disable)


def _begun(
    train: xr.Dataset, config: Config, folder: str | PathLike[str] | None, store: str | PathLike[str] | None
) -> Trainer:
    """A new trainer, or the one whose state the folder holds, with the checkpoint of that step."""
    if folder is None:
        return Trainer(train, config, store=store)
    path = usable(folder) / keep.STATE

    # none yet: a new training, unless the folder's models are of one that cannot go on
    if not path.exists():
        if found := keep.checkpoints(folder):
            raise ConfigError(
                f"{str(folder)!r} holds checkpoints up to step {max(found)}, but no state to go on from. Choose an "
                "empty folder."
            )
        return Trainer(train, config, store=store)

    # the training that stopped here
    state = load_state(path)
    keep.check_same_training(folder, state, config)
    trainer = Trainer.resume(state, train, store=store, steps=config.steps, device=config.device)
    if not (model := keep.path_at(folder, trainer.step)).exists():  # stopped between the two files
        trainer.model.save(model)
    return trainer
