"""Private generators from their files."""

from collections.abc import Callable
from os import PathLike
from typing import Any

from torch import Tensor

from dgkit import _files
from dgkit._atomic import shown_path
from dgkit._checks import shown
from dgkit.errors import FileFormatError
from dgkit.privacy.evolve import PrivateEvolution, opened_evolution
from dgkit.privacy.releases import KIND
from dgkit.privacy.spectrum import PrivateSpectrum, opened_spectrum


def load(path: str | PathLike[str]) -> PrivateSpectrum | PrivateEvolution:
    """Read a private generator that its `save` wrote.

    Parameters
    ----------
    path : path
        Of the file.

    Returns
    -------
    PrivateSpectrum or PrivateEvolution
        For the same n and seed it samples what the saved one did.

    Raises
    ------
    FileFormatError
        No such file, or not a whole file of a private generator.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> from dgkit.privacy import declared, spectrum
    >>> from dgkit.simulate import web
    >>> public = {**declared(web(30)), "views": (1, 1e7)}
    >>> model = spectrum(web(500), epsilon=2.0, delta=1e-5, public=public)
    >>> with TemporaryDirectory() as folder:
    ...     model.save(f"{folder}/web.dgkit")
    ...     again = load(f"{folder}/web.dgkit")
    >>> again.sample(3, seed=1).identical(model.sample(3, seed=1))
    True
    """
    tensors, plain = _files.read(path, KIND)
    ways: dict[str, Callable[[dict[str, Tensor], Any], PrivateSpectrum | PrivateEvolution]] = {
        "spectrum": opened_spectrum,
        "evolution": opened_evolution,
    }
    try:
        if not isinstance(plain, dict) or plain.get("way") not in ways:
            raise FileFormatError(f"its JSON names no way that this version of dgkit knows: {shown(plain)}")
        model = ways[plain["way"]](tensors, plain)
        model.sample(2)
    except _files.DAMAGES as error:
        raise FileFormatError(
            f"{shown_path(path)} is not a whole file of a private generator: {_files.said(error)}"
        ) from error
    return model
