"""Reading NetCDF files that may be damaged or hostile: bytes read once, a child process with limits, bounds on sizes.

The C library below reads what it is told: of 600 files with a few flipped bits, 11 ended the process by a signal and
others took 4 GB. So a child reads a file, from its bytes, and hands over plain arrays; where it dies, the file is
refused. Files that dgkit wrote itself, and knows to be as it wrote them, are read here. Never is a file opened by
name: one that was refused is kept open, and read on when another of that name comes.

Left out: variables of types that a file defines itself (lists in cells, records).
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from xarray.backends import InMemoryDataStore

from dgkit import _atomic
from dgkit._interrupts import after_the_step
from dgkit._netcdf_child import Contents, TooMuchError, contents, fixed_width, unpacked
from dgkit.errors import FileFormatError

SMALL = 2**27  # bytes of content that any file may have
RATIO = 32  # bytes of content for each byte of a larger file; packed data have 1 to 10, rarely more
CHILD = str(Path(__file__).with_name("_netcdf_child.py"))
_SIGNATURES = (b"\x89HDF\r\n\x1a\n", b"CDF\x01", b"CDF\x02", b"CDF\x05")


def read(
    path: str | os.PathLike[str], *, group: str | None = None, max_bytes: int | None = None, trusted: bool = False
) -> xr.Dataset:
    """A whole NetCDF file, or one group of it, in memory, decoded as xarray does; texts are of fixed width.

    Parameters
    ----------
    path : path
    group : str, optional
        Default: the root group.
    max_bytes : int, optional
        Most bytes the content may take. Default: 128 MB, or 32 times the file's size where that is more.
    trusted : bool
        The file is known to be as dgkit wrote it (shipped, or its checksum holds): no child process reads it, which
        saves the 0.2 s that one takes.

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
    no file at 'nowhere.nc'. Check the path.
    """
    return parsed(_atomic.contents(path), path, group=group, max_bytes=max_bytes, trusted=trusted)


def parsed(
    content: bytes,
    path: str | os.PathLike[str],
    *,
    group: str | None = None,
    max_bytes: int | None = None,
    trusted: bool = False,
) -> xr.Dataset:
    """`read` of bytes that are already here; `path` is for messages."""
    most = limit(len(content), max_bytes)
    try:
        if not content.startswith(_SIGNATURES):
            raise ValueError("its first bytes are those of another format")
        attrs, variables = _here(content, group, most) if trusted else _in_child(content, group, most)
        store = InMemoryDataStore({name: xr.Variable(*_in_units(*parts)) for name, parts in variables.items()}, attrs)
        return texts(xr.decode_cf(store).load(), most)
    except TooMuchError as error:
        raise FileFormatError(f"{str(path)!r} {error}") from None
    except Exception as error:  # the libraries below have errors of many kinds
        raise FileFormatError(f"{str(path)!r} cannot be read as NetCDF, or is damaged: {error!s:.200}") from error


def _in_units(dims: Any, values: np.ndarray, attrs: dict[str, Any]) -> tuple[Any, np.ndarray, dict[str, Any]]:
    """Bounds of a packed variable in the units that its values will have (CF conventions, 2.5.1 and 8.1).

    Of the packed type they are packed as well, which xarray leaves so; of another they are in units.
    """
    attrs = with_bounds(attrs)
    factor, offset = attrs.get("scale_factor", 1), attrs.get("add_offset", 0)
    for key in ("valid_min", "valid_max") if {"scale_factor", "add_offset"} & set(attrs) else ():
        if getattr(attrs.get(key), "dtype", None) == values.dtype:
            attrs = attrs | {key: attrs[key] * np.float64(factor) + np.float64(offset)}
    return dims, values, attrs


def with_bounds(attrs: dict[str, Any]) -> dict[str, Any]:
    """A variable's attrs with `valid_min` and `valid_max` for `valid_range`, which says both.

    Examples
    --------
    >>> with_bounds({"units": "%", "valid_range": [0, 100]})
    {'units': '%', 'valid_min': 0, 'valid_max': 100}
    """
    both = attrs.get("valid_range")
    if not isinstance(both, list | tuple | np.ndarray) or len(both) != 2 or {"valid_min", "valid_max"} & set(attrs):
        return attrs
    others = {key: value for key, value in attrs.items() if key != "valid_range"}
    return others | {"valid_min": both[0], "valid_max": both[1]}


def limit(size: int, max_bytes: int | None) -> int:
    """Most bytes of content for a file of `size` bytes."""
    return max(SMALL, RATIO * size) if max_bytes is None else max_bytes


def texts(ds: xr.Dataset, most: int) -> xr.Dataset:
    """Objects and bytes that are text as fixed-width strings; anything else as it is."""
    return ds.assign({key: _text(da, most) for key, da in ds.variables.items() if da.dtype.kind in "OST"})


def _text(da: xr.Variable, most: int) -> xr.Variable:
    values = da.values.astype(object)
    if not all(isinstance(value, str | bytes) for value in values.flat):
        return da
    text = [value.decode("utf-8", "replace") if isinstance(value, bytes) else value for value in values.flat]
    return da.copy(data=fixed_width(np.array(text, object).reshape(da.shape), most))


@after_the_step()  # an interrupt might leave the lock closed for good
def _here(content: bytes, group: str | None, most: int) -> Contents:
    from xarray.backends.netCDF4_ import NETCDF4_PYTHON_LOCK  # the C library is not made for threads: one lock for all

    with NETCDF4_PYTHON_LOCK:
        return contents(content, group, most)


def _in_child(content: bytes, group: str | None, most: int) -> Contents:
    command = [sys.executable, "-P", CHILD, json.dumps([group, most])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(
        command,
        input=content,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment,
        timeout=30 + len(content) / 10**6,
        creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
    )
    kind, rest = done.stdout[:1], done.stdout[1:]
    if done.returncode == 0 and kind == b"+":
        return unpacked(rest)
    if done.returncode == 0 and kind == b">":
        raise TooMuchError(rest.decode())
    raise ValueError(rest.decode("utf-8", "replace") or "reading it takes too much time or memory, or never ends")
