"""Other generative models of series with attributes, to compare DoppelGANger with: one file a model, one protocol.

`fit(name, ds)` trains a model and returns an object whose `sample(n, seed)` is a Dataset of the same schema. Each
module says what it keeps of its source and what it leaves out; protocol.py holds what they share. There are the
paper's seven, the null model (`surrogate`), which every generative model has to beat, and the successor
(`flow_matching`).

All read and write data by DoppelGANger's encoder, so what attrs ask for holds for them too: `zeros` (an event beside
the value, which they learn as any category of a step), `counts`, and a `valid_max` that names an attribute.
"""

import inspect
from importlib import import_module
from os import PathLike
from types import ModuleType
from typing import Any

import torch
import xarray as xr
from torch import Tensor
from tqdm.auto import tqdm

from dgkit import _files
from dgkit._atomic import shown_path
from dgkit._plain import check_names
from dgkit.baselines.protocol import Baseline, Training
from dgkit.core.loading import encoder_of
from dgkit.errors import ConfigError, FileFormatError

__all__ = ["BUDGETS", "Baseline", "Training", "fit", "load", "names", "training"]

BUDGETS = ("smoke", "live", "full")
BAR = "{l_bar}{bar}| {n_fmt}/{total_fmt} steps [{elapsed}<{remaining}]"  # fits a notebook beside its panel
_NAMES = (  # each a module here
    "naive_gan", "hmm", "ar", "rnn", "rcgan", "timegan", "market", "surrogate", "flow_matching"
)  # fmt: skip


def _module(name: str) -> ModuleType:
    """The model's own module, loaded when it is first asked for (one brings scikit-learn)."""
    return import_module(f"dgkit.baselines.{name}")


def names() -> tuple[str, ...]:
    """The baselines there are.

    Returns
    -------
    tuple of str
        In the order in which the chapters show them.

    Examples
    --------
    >>> names()[-2:]
    ('surrogate', 'flow_matching')
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
    for _ in tqdm(run, total=run.steps, desc=name, bar_format=BAR, disable=not progress):
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
        An iterator of the losses of each step; its `model` may be read from the first step on.

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
        check_names(plain, ["name", "encoder", "options"], "its JSON")
        name, options = plain["name"], plain["options"]
        if name not in _NAMES:
            raise FileFormatError(f"no baseline has the name {name!r:.40}")
        encoder, module = encoder_of(plain["encoder"]), _module(name)
        parts: dict[str, dict[str, Tensor]] = {"network": {}, "history": {}}
        for key, tensor in tensors.items():
            part, _, rest = key.partition(".")
            if part not in parts:
                raise FileFormatError(f"no such tensor is {key!r:.80}")
            parts[part][rest] = tensor
        steps = _files.check_history(parts["history"])

        # the network without its numbers ("meta": it takes no memory) says which tensors there are
        _check_options(module, options)
        if encoder.sample_len != 1:
            raise FileFormatError(f"its encoder has sample_len {encoder.sample_len}; a baseline's is 1")
        widest = _files.widest(parts["network"])
        if max(head.width for head in encoder.feature_heads) > widest or len(encoder.feature_heads) > widest:
            raise FileFormatError("its schema has more features and categories than its tensors have numbers")
        with torch.device("meta"):
            network = module.Network(encoder, **options).eval().requires_grad_(False)
        _files.check_tensors(parts["network"], network.state_dict())
        network.load_state_dict(parts["network"], assign=True)

        history = xr.Dataset({key: ("step", tensor.numpy()) for key, tensor in parts["history"].items()})
        if parts["history"]:
            history = history.assign_coords(step=range(1, steps + 1))
        model = Baseline(name, encoder, network, options, history)
        _try_out(model)
    except _files.DAMAGES as error:
        raise FileFormatError(f"{shown_path(path)} is not a whole file of a baseline: {_files.said(error)}") from error
    return model


def _check_options(module: ModuleType, options: Any) -> None:
    """FileFormatError unless these are options of the module's network."""
    known = dict(list(inspect.signature(module.Network).parameters.items())[1:])  # after the encoder
    check_names(options, ["samples"], "options", known)
    for name, value in options.items():
        if type(value) is not known[name].annotation or (type(value) is int and not 1 <= value < 2**31):
            raise FileFormatError(f"options, {name} is {value!r:.40}, not of type {known[name].annotation.__name__}")


def _try_out(model: Baseline) -> None:
    """FileFormatError where the numbers of a network of the right form make no series: chances below 0, say."""
    if model.encoder.schema.time > 10_000:  # most make a step at a time: this would take longer than to read the file
        return
    made = model.network.generate(50, torch.Generator())  # type: ignore[operator]
    if not all(bool(torch.isfinite(part).all()) for part in made):
        raise FileFormatError("its numbers make NaN")
    model.sample(2)
