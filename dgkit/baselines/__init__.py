"""Other generative models of series with attributes, to compare DoppelGANger with: one file a model, one protocol.

`fit(name, ds)` trains a model and returns an object whose `sample(n, seed)` is a Dataset of the same schema. A module
here offers `fit(ds, *, seed, budget, **options)` and says what it keeps of its source and what it leaves out.
"""

from collections.abc import Callable
from typing import Any, Protocol

import xarray as xr

from dgkit.baselines import naive_gan
from dgkit.errors import ConfigError

BUDGETS = ("smoke", "live", "full")


class Baseline(Protocol):
    """A trained model."""

    def sample(self, n: int, seed: int = 0) -> xr.Dataset:
        """n samples of the training data's schema; the same n and seed give the same samples."""


_FIT: dict[str, Callable[..., Baseline]] = {"naive_gan": naive_gan.fit}


def names() -> tuple[str, ...]:
    """The baselines there are."""
    return tuple(_FIT)


def fit(name: str, ds: xr.Dataset, *, seed: int = 0, budget: str = "live", **options: Any) -> Baseline:
    """Train a baseline.

    Parameters
    ----------
    name : str
        One of `names()`.
    ds : Dataset
        As `dgkit.schema` describes.
    seed : int
        Of weights, batches and noise.
    budget : {"smoke", "live", "full"}
        How long: seconds for a test; under a minute, in a chapter; as long as it goes on getting better.
    **options
        The model's own, as its module says.

    Returns
    -------
    Baseline
        `sample(n, seed)` generates.

    Raises
    ------
    ConfigError
        No such baseline, budget or option.
    SchemaError
        `ds` is not a dataset.

    Examples
    --------
    >>> from dgkit.simulate import web
    >>> fit("naive_gan", web(50), budget="smoke", steps=2).sample(3).sizes["sample"]
    3
    """
    if name not in _FIT:
        raise ConfigError(f"no baseline {name!r}; there are {', '.join(map(repr, _FIT))}.")
    if budget not in BUDGETS:
        raise ConfigError(f"budget={budget!r} is none of {', '.join(map(repr, BUDGETS))}.")
    return _FIT[name](ds, seed=seed, budget=budget, **options)
