"""What was recorded, as the chapters open it: data/runs/NAME.nc, and trained states that go on from where they were."""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from dgkit import datasets
from dgkit._cells import read
from dgkit._text import at_most as at_most  # of `course`, for chapters
from dgkit.course.chapters import experiment_of
from dgkit.course.openings import opening
from dgkit.errors import ConfigError, FileFormatError


class Checkpoint(NamedTuple):
    """A recorded training state: `Trainer.load(path, train)` goes on from it, where `train` is `data()`.

    Parameters
    ----------
    path : Path
        Of the state.
    dataset : str
        As `dgkit.open_dataset` names it.
    fraction : float
    seed : int
        Of the split that made the training data.

    Examples
    --------
    >>> import dgkit as dg
    >>> point = checkpoints()["web_s7"]
    >>> dg.Trainer.load(point.path, point.data()).step
    1000
    """

    path: Path
    dataset: str
    fraction: float
    seed: int

    def data(self) -> xr.Dataset:
        """What it was trained on: the first part of dgkit.split(open_dataset(dataset), fraction, seed)."""
        return datasets.split(datasets.open_dataset(self.dataset), self.fraction, self.seed)[0]


def open_run(name: str, *, group: str | None = None) -> xr.Dataset:
    """Open a recorded run.

    Parameters
    ----------
    name : str
        One of `experiments()`.
    group : {"check"}, optional
        The short run that the tests repeat, in place of the experiment.

    Returns
    -------
    Dataset
        The measured variables over the grid's dims; attrs say how it was made, and `opening` how an Explorer opens.

    Raises
    ------
    ConfigError
        No such experiment.
    FileFormatError
        It was not recorded, or its file is damaged.

    Examples
    --------
    >>> open_run("sample_len").autocorrelation_mse.dims
    ('sample_len', 'seed', 'step')
    """
    if group not in (None, "check"):
        raise ConfigError(f"group={group!r}: a recorded run has the group 'check' alone.")
    plain = isinstance(name, str) and name.isidentifier()  # and no way to another folder
    path = folder() / f"{name if plain else ''}.nc"
    if not plain or not path.exists():
        experiment_of(name)
        raise FileFormatError(f"{name!r} was not recorded yet: python -m dgkit.course record {name}")
    try:
        ds = read(path, group, unsealed=_sums().get(path.name))
    except FileFormatError as error:
        raise FileFormatError(
            f"{error} A recorded run cannot be read from it; make it again: python -m dgkit.course record {name}"
        ) from error
    return ds if group else ds.assign_attrs(opening=opening(name, ds))


def spread(values: xr.DataArray, form: str = ".2g") -> Any:
    """What the seeds of a recorded run say of a number, as text: the median, and from the lowest to the highest.

    Parameters
    ----------
    values : DataArray, dims (..., seed)
    form : str
        Of each number, as in an f-string.

    Returns
    -------
    str or DataArray
        One text, or an array of texts over the other dims; "-" where no seed has a number.

    Raises
    ------
    ConfigError
        There is no dim "seed".

    Examples
    --------
    >>> spread(xr.DataArray([0.2, 0.4, 0.3], dims="seed"))
    '0.3 (0.2 to 0.4)'
    """
    if "seed" not in values.dims:
        raise ConfigError(f"values has dims {values.dims}, and no seed to look across.")

    def text(middle: float, low: float, high: float) -> str:
        return "-" if np.isnan(middle) else f"{middle:{form}} ({low:{form}} to {high:{form}})"

    parts = values.median("seed"), values.min("seed"), values.max("seed")
    texts = xr.apply_ufunc(np.vectorize(text, otypes=[object]), *parts)
    return texts if texts.ndim else str(texts.item())


def _sums() -> dict[str, str]:
    """SHA-256 of the shipped files, by name: they are older than the checksums that files have at their end."""
    try:
        lines = (datasets._data_folder() / "runs" / "SHA256SUMS").read_text("ascii").splitlines()
    except (OSError, ValueError):
        return {}
    return {name: digest for digest, name in (line.split("  ", 1) for line in lines if "  " in line)}


def checkpoints() -> dict[str, Checkpoint]:
    """The recorded training states by name.

    Returns
    -------
    dict of Checkpoint

    Examples
    --------
    >>> sorted(checkpoints())
    ['web_s7']
    """
    found = {"web_s7": Checkpoint(folder() / "checkpoints" / "web_s7.state", "web", 0.5, 0)}
    return {name: point for name, point in found.items() if point.path.exists()}


def folder() -> Path:
    """Where the recorded runs lie."""
    return datasets._data_folder() / "runs"
