"""Other generative models of series with attributes, to compare DoppelGANger with: one file a model, one protocol.

`fit(name, ds)` trains a model and returns an object whose `sample(n, seed)` is a Dataset of the same schema. Each
module says what it keeps of its source and what it leaves out; protocol.py holds what they share.
"""

import inspect
from importlib import import_module
from os import PathLike
from types import ModuleType
from typing import Any

import xarray as xr
from tqdm.auto import tqdm

from dgkit import _files
from dgkit.baselines.protocol import Baseline, Training
from dgkit.core.encode import Encoder
from dgkit.errors import ConfigError, DgkitError, FileFormatError

__all__ = ["BUDGETS", "Baseline", "Training", "fit", "load", "names", "training"]

BUDGETS = ("smoke", "live", "full")
_NAMES = ("naive_gan", "hmm", "ar", "rnn", "rcgan", "timegan", "market")  # each a module here


def _module(name: str) -> ModuleType:
    """The model's own module, loaded when it is first asked for (one brings scikit-learn and hmmlearn)."""
    return import_module(f"dgkit.baselines.{name}")


def names() -> tuple[str, ...]:
    """The baselines there are.

    Returns
    -------
    tuple of str
        In the order in which the chapters show them.

    Examples
    --------
    >>> "hmm" in names()
    True
    """
    return _NAMES


def fit(
    name: str,
    ds: xr.Dataset,
    *,
    seed: int = 0,
    budget: str = "live",
    steps: int | None = None,
    auto_normalise: bool = False,
    progress: bool = False,
    **options: Any,
) -> Baseline:
    """Train a baseline.

    Parameters
    ----------
    name : str
        One of `names()`.
    ds : Dataset
        As `dgkit.schema` describes.
    seed : int
        Of weights, batches and noise. Same seed, data and thread count: same model.
    budget : {"smoke", "live", "full"}
        How long: seconds for a test; under a minute, in a chapter; as long as it goes on getting better.
    steps : int, optional
        Training steps, in place of the budget's; what a step is, the model's module says.
    auto_normalise : bool
        Lend it DoppelGANger's auto-normalisation: each series scaled to its own range, which becomes two attributes.
    progress : bool
        Show a bar.
    **options
        The model's own, as its module says.

    Returns
    -------
    Baseline
        `sample(n, seed)` generates, `save(path)` writes it to a file.

    Raises
    ------
    ConfigError
        No such baseline, budget or option.
    SchemaError
        `ds` is not a dataset.
    DivergenceError
        A loss became NaN or infinite.

    Examples
    --------
    >>> from dgkit.simulate import web
    >>> fit("naive_gan", web(50), budget="smoke", steps=2).sample(3).sizes["sample"]
    3
    """
    run = training(name, ds, seed=seed, budget=budget, steps=steps, auto_normalise=auto_normalise, **options)
    for _ in tqdm(run, total=run.steps, desc=name, unit="step", disable=not progress):
        pass
    return run.model


def training(
    name: str,
    ds: xr.Dataset,
    *,
    seed: int = 0,
    budget: str = "live",
    steps: int | None = None,
    auto_normalise: bool = False,
    **options: Any,
) -> Training:
    """A training of a baseline, to be driven step by step.

    Parameters
    ----------
    name, ds, seed, budget, steps, auto_normalise, **options
        As in `fit`.

    Returns
    -------
    Training
        An iterator of the losses of each step; its `model` may be read at any time.

    Raises
    ------
    ConfigError, SchemaError, DivergenceError
        As in `fit`.

    Examples
    --------
    >>> from dgkit.simulate import web
    >>> run = training("naive_gan", web(50), steps=3)
    >>> [sorted(losses) for losses in run][-1], run.model.history.sizes["step"]
    (['critic_loss', 'generator_loss'], 3)
    """
    if name not in _NAMES:
        raise ConfigError(f"no baseline {name!r}; there are {', '.join(map(repr, names()))}.")
    if budget not in BUDGETS:
        raise ConfigError(f"budget={budget!r} is none of {', '.join(map(repr, BUDGETS))}.")
    module = _module(name)
    known = list(inspect.signature(module.Network).parameters)[2:]  # after encoder and samples
    wrong = sorted(set(options) - set(known))
    if wrong:
        raise ConfigError(f"{name} has no option {wrong[0]!r}; it has {', '.join(known) or 'none'}.")
    steps = module.STEPS[budget] if steps is None else steps
    return Training(name, module, ds, seed=seed, steps=steps, auto_normalise=auto_normalise, options=options)


def load(path: str | PathLike[str]) -> Baseline:
    """Read a baseline that `save` wrote.

    Parameters
    ----------
    path : path
        Of the file.

    Returns
    -------
    Baseline

    Raises
    ------
    FileFormatError
        No such file, or not a whole file of a baseline.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> from dgkit.simulate import web
    >>> model = fit("ar", web(30), steps=2)
    >>> with TemporaryDirectory() as folder:
    ...     model.save(f"{folder}/ar.dgkit")
    ...     again = load(f"{folder}/ar.dgkit")
    >>> again.sample(3, seed=1).identical(model.sample(3, seed=1))
    True
    """
    tensors, plain = _files.read(path, "baseline")
    try:
        encoder = Encoder.from_json(plain["encoder"])
        if plain["name"] not in _NAMES:
            raise ValueError(f"no baseline {plain['name']!r}")
        network = _module(plain["name"]).Network(encoder, **plain["options"])
        parts: dict[str, dict[str, Any]] = {"network": {}, "history": {}}
        for key, tensor in tensors.items():
            part, _, rest = key.partition(".")
            parts[part][rest] = tensor
        network.load_state_dict(parts["network"])
        history = xr.Dataset({key: ("step", tensor.numpy()) for key, tensor in parts["history"].items()})
        if parts["history"]:
            history = history.assign_coords(step=range(1, history.sizes["step"] + 1))
    except (KeyError, TypeError, ValueError, AttributeError, RuntimeError, DgkitError) as error:
        raise FileFormatError(f"{str(path)!r} is not a whole file of a baseline: {error}") from error
    return Baseline(plain["name"], encoder, network.eval().requires_grad_(False), plain["options"], history)
