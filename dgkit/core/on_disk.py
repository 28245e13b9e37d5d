"""Training data larger than memory: the encoded samples in a file, from which batches are read.

The original holds all data in memory, and so does `Trainer` where they are in memory anyway.
"""

import hashlib
import mmap
import shutil
import tempfile
import weakref
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from os import fspath
from pathlib import Path
from typing import Any

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from dgkit._files import AnyPath
from dgkit.core.encode import Encoder
from dgkit.errors import ConfigError


class Rows:
    """Samples as the discriminators read them, float32, in a file: a tensor (samples, inputs) as far as training asks.

    Parameters
    ----------
    blocks : iterable of array, (some samples, inputs)
        Written one after another.
    shape : (int, int)
        Of all of them together.
    folder : path, optional
        Where the file is; made if missing. Default: the system's folder for temporary files.

    Notes
    -----
    The file has no name: the system removes it when this object goes or the process ends, even by a kill.

    Raises
    ------
    ConfigError
        No room there.

    Examples
    --------
    >>> rows = Rows([np.zeros((2, 3), np.float32), np.ones((1, 3), np.float32)], (3, 3))
    >>> rows[torch.tensor([2, 0])].tolist(), len(rows[1:])
    ([[1.0, 1.0, 1.0], [0.0, 0.0, 0.0]], 2)
    """

    device = torch.device("cpu")

    def __init__(self, blocks: Iterable[np.ndarray], shape: tuple[int, int], folder: AnyPath | None = None):
        self.shape, self.folder = shape, fspath(folder if folder is not None else tempfile.gettempdir())
        with self._room():
            Path(self.folder).mkdir(parents=True, exist_ok=True)
            if (free := shutil.disk_usage(self.folder).free) < 4 * shape[0] * shape[1]:
                raise OSError(f"{free / 1e9:.3g} GB are free")
            self._file = tempfile.TemporaryFile(dir=self.folder)  # noqa: SIM115 (open as long as this object lives)
        weakref.finalize(self, self._file.close)
        for block in blocks:
            with self._room():
                self._file.write(block.data)
        with self._room():
            self._file.flush()

    @contextmanager
    def _room(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise ConfigError(
                f"the encoded data take {4e-9 * self.shape[0] * self.shape[1]:.3g} GB in a file in {self.folder!r}: "
                f"{error}. Give store= a folder on a disk with room."
            ) from error

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, which: Tensor | slice) -> Tensor:
        """Those rows, read from the file."""
        if isinstance(which, slice):
            which = torch.arange(len(self))[which]
        rows = np.empty((len(which), self.shape[1]), np.float32)
        for row, k in zip(rows, which.tolist(), strict=True):
            self._file.seek(k * row.nbytes)
            self._file.readinto(row.data)
        return torch.from_numpy(rows)


def rows_of(encoder: Encoder, train: xr.Dataset, store: AnyPath | None, device: torch.device) -> Tensor | Rows:
    """All samples as the discriminators read them: in a file where `store` says so or the data are not in memory."""
    if store is None and not any(_elsewhere(da) for da in train.data_vars.values()):
        return encoder.rows(train).to(device)
    return Rows(encoder.blocks(train), (train.sizes["sample"], encoder.inputs), store)


def hash_of(rows: Tensor | Rows) -> str:
    """SHA-256 of the samples, read some at a time."""
    digest = hashlib.sha256()
    for start in range(0, len(rows), 1000):
        digest.update(rows[start : start + 1000].cpu().numpy().data)
    return digest.hexdigest()


def _elsewhere(da: xr.DataArray) -> bool:
    """Whether an array is dask-backed or memory-mapped."""
    held: Any = getattr(da.variable, "_data", None)  # `data` would read a file that is opened lazily
    while isinstance(held, np.ndarray) and not isinstance(held, np.memmap):
        held = held.base
    return da.chunks is not None or isinstance(held, np.memmap | mmap.mmap)
