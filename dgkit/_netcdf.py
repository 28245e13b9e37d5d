"""Reading NetCDF files that may be damaged or hostile: bytes read once, sizes compared before memory is taken.

The file is opened from its bytes in memory. Opened by name, HDF5 keeps a file it has refused, and reads on in it when
another of that name comes: in the end the process dies. From memory nothing changes under it, whoever writes there.
Left out: files larger than memory, and variables of types the user defines (lists in cells, records).
"""

import itertools
import math
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from xarray.backends import InMemoryDataStore
from xarray.backends.netCDF4_ import NETCDF4_PYTHON_LOCK  # the library below is not made for threads: one lock for all

from dgkit.errors import FileFormatError

SMALL = 2**27  # bytes of content that any file may have
RATIO = 32  # bytes of content for each byte of a larger file; packed data have 1 to 10, rarely more
_TEXT = 64  # bytes that a text or a date may take as a Python object
_SIGNATURES = (b"\x89HDF\r\n\x1a\n", b"CDF\x01", b"CDF\x02", b"CDF\x05")

_numbers = itertools.count()  # a name of its own for each file in memory


def read(path: str | os.PathLike[str], *, group: str | None = None, max_bytes: int | None = None) -> xr.Dataset:
    """A whole NetCDF file, or one group of it, in memory, decoded as xarray does; texts are of fixed width.

    Parameters
    ----------
    path : path
    group : str, optional
        Default: the root group.
    max_bytes : int, optional
        Most bytes the content may take. Default: 128 MB, or 32 times the file's size where that is more.

    Raises
    ------
    FileFormatError
        No regular file, unreadable, no NetCDF, damaged, no such group, or more content than `max_bytes`.

    Examples
    --------
    >>> try:
    ...     read("nowhere.nc")
    ... except FileFormatError as error:
    ...     print(error)
    'nowhere.nc' cannot be read: No such file or directory.
    """
    return parse(read_bytes(path), path, group=group, max_bytes=max_bytes)


def parse(
    content: bytes, path: str | os.PathLike[str], *, group: str | None = None, max_bytes: int | None = None
) -> xr.Dataset:
    """As `read`, of bytes that were read already; `path` is for the messages."""
    most = limit(len(content), max_bytes)
    try:
        if not content.startswith(_SIGNATURES):
            raise ValueError("its first bytes are those of another format")
        return texts(xr.decode_cf(_raw(content, group, most)).load(), most)
    except TooMuchError as error:
        raise FileFormatError(f"{str(path)!r} {error}") from None
    except Exception as error:  # the libraries below have errors of many kinds
        raise FileFormatError(f"{str(path)!r} cannot be read as NetCDF, or is damaged: {error!s:.200}") from error


def read_bytes(path: str | os.PathLike[str]) -> bytes:
    """A regular file's bytes, read once; FileFormatError for what is none (a pipe would be waited for for ever)."""
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            raise FileFormatError(f"{str(path)!r} cannot be read: it is no regular file.")
        return Path(path).read_bytes()
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        raise FileFormatError(f"{str(path)!r} cannot be read: {getattr(error, 'strerror', '') or error}.") from error


class TooMuchError(ValueError):
    """Content is larger than it may be; the message follows the file's name."""

    def __init__(self, what: str, found: int, most: int):
        super().__init__(
            f"{what} {found / 1e6:,.0f} MB, over the bound of {most / 1e6:,.0f} MB for a file of this size. If you "
            f"trust it, give max_bytes={found}."
        )


def limit(size: int, max_bytes: int | None) -> int:
    """Most bytes of content for a file of `size` bytes."""
    return max(SMALL, RATIO * size) if max_bytes is None else max_bytes


def texts(ds: xr.Dataset, most: int) -> xr.Dataset:
    """Objects and bytes that are text as fixed-width strings; anything else as it is."""
    return ds.assign({key: _text(da, most) for key, da in ds.variables.items() if da.dtype.kind in "OST"})


def _raw(content: bytes, group: str | None, most: int) -> InMemoryDataStore:
    """What the group holds, not yet decoded."""
    import netCDF4

    with NETCDF4_PYTHON_LOCK, netCDF4.Dataset(f"memory {next(_numbers)}", memory=content) as file:
        file.set_auto_maskandscale(False)
        file.set_auto_chartostring(False)
        here = file if group is None else file[group]
        if not isinstance(here, netCDF4.Dataset):
            raise ValueError(f"it has no group {group!r}")
        needed = sum(_size(variable) for variable in here.variables.values())
        if needed > most:
            raise TooMuchError("declares", needed, most)
        left = most
        variables = {}
        for name, variable in here.variables.items():
            if variable.dtype is str:
                values, left = _strings(variable, len(content), left)
            else:
                values = np.asarray(variable[...])
            attrs = {key: variable.getncattr(key) for key in variable.ncattrs()}
            variables[name] = xr.Variable(variable.dimensions, values, attrs)
        return InMemoryDataStore(variables, {key: here.getncattr(key) for key in here.ncattrs()})


def _size(variable: Any) -> int:
    """Bytes that a variable takes once it is decoded, by what the file declares."""
    import netCDF4

    if variable.dtype is not str and isinstance(variable.datatype, netCDF4.VLType | netCDF4.CompoundType):
        raise ValueError(f"variable {variable.name!r:.60} is of a type of its own, not numbers or text")
    dates = "units" in variable.ncattrs() and " since " in str(variable.getncattr("units"))
    each = _TEXT if variable.dtype is str or dates else max(np.dtype(variable.dtype).itemsize, 8)
    return math.prod(variable.shape) * each


def _strings(variable: Any, size: int, most: int) -> tuple[np.ndarray, int]:
    """Texts, and what is left of `most`: a few at a time, as many cells may point at one text as long as the file."""
    values, left = np.empty(variable.shape, object), most
    for where in _blocks(variable.shape, max(1, most // max(size, 1))):
        values[where] = variable[where]
        left -= sum(map(len, np.ravel(values[where])))
        if left < 0:
            raise TooMuchError(f"holds, in {variable.name!r:.60}, texts that take", most - left, most)
    return values, left


def _blocks(shape: tuple[int, ...], step: int) -> Iterator[Any]:
    """Indices that cut an array into blocks of about `step` values."""
    if not shape:
        yield ...
        return
    inner = math.prod(shape[1:])
    if inner <= step or not inner:
        rows = max(1, step // max(inner, 1))
        yield from (slice(start, start + rows) for start in range(0, shape[0], rows))
    else:
        for row in range(shape[0]):
            for rest in _blocks(shape[1:], step):
                yield (row, *(rest if isinstance(rest, tuple) else (rest,)))


def _text(da: xr.Variable, most: int) -> xr.Variable:
    values = da.values.astype(object).ravel()
    if not all(isinstance(value, str | bytes) for value in values):
        return da
    text = [value.decode("utf-8", "replace") if isinstance(value, bytes) else value for value in values]
    needed = 4 * len(text) * max(map(len, text), default=0)
    if needed > most:
        raise TooMuchError("holds texts that as fixed-width strings take", needed, most)
    return da.copy(data=np.array(text, dtype=str).reshape(da.shape))
