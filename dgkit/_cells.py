"""A grid of settings as cells: what a point of it is, and a finished cell's file, from which a second run goes on.

A cell's file is written beside and renamed, so that a run may be stopped at any time, and a second one computes only
what is missing. Its name holds what the cell depends on; at its end stands a checksum, so that a damaged one is
computed again. Cells are computed on one thread, which is what "the same seed gives the same model" asks for.
"""

import hashlib
import itertools
import json
import platform
import tempfile
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from threadpoolctl import threadpool_limits
from xarray.backends import NetCDF4DataStore
from xarray.backends.netCDF4_ import NETCDF4_PYTHON_LOCK

from dgkit import _atomic, _netcdf
from dgkit._checks import outside
from dgkit._interrupts import after_the_step
from dgkit._keys import said_of
from dgkit.core.config import Config
from dgkit.datasets import data_hash
from dgkit.errors import FileFormatError, SaveError

Point = dict[str, Any]  # one value for each dim of a grid
_SEAL = b"\ndgkit sha256 "  # at the end of a file, with the 32 bytes after it; NetCDF's readers stop before


def points_of(grid: Mapping[str, Any]) -> list[Point]:
    """All points of a grid, the last dim fastest."""
    return [dict(zip(grid, values, strict=True)) for values in itertools.product(*grid.values())]


def name_of(point: Point) -> str:
    """The same text for the same point."""
    return json.dumps(point, sort_keys=True, default=str)


def file_name(config: Config, point: Point, data: xr.Dataset, measure: Any) -> str:
    """A file name that changes with what a cell depends on: settings, data, what is measured, dgkit's version."""
    settings = {k: v for k, v in asdict(config).items() if v is not None}  # a switch that is off changes nothing
    text = json.dumps([settings, name_of(point), said_of(data), said_of(measure), version("dgkit")], sort_keys=True)
    return f"{hashlib.sha256(text.encode()).hexdigest()[:20]}.nc"


def timed(cell: Callable[..., xr.Dataset], train: xr.Dataset, *rest: Any) -> xr.Dataset:
    """A cell computed on one thread, with its wall time and what it was computed from and by."""
    import torch  # here: what a cell is may be known without

    start = time.perf_counter()
    with one_thread():
        ds = cell(train, *rest)
    ds = ds.assign(seconds=((), time.perf_counter() - start, {"units": "s", "long_name": "wall time of the cell"}))
    gpu = f", {torch.cuda.get_device_name()}" if torch.cuda.is_available() else ""
    ds.attrs = {
        "data": data_hash(train),
        "data_history": str(train.attrs.get("history", "")),
        "versions": json.dumps({name: version(name) for name in ("dgkit", "torch", "numpy", "xarray", "numba")}),
        "machine": f"{platform.system()} {platform.machine()}, Python {platform.python_version()}, one thread{gpu}",
    }
    return ds


class _Inside:
    """Who is in `one_thread`, and what the first of them found."""

    lock = threading.Lock()
    count = 0
    torch: int
    pools: Any


@contextmanager
def one_thread() -> Iterator[None]:
    """All that computes here on one thread. Of several that are here at once, the last one out puts back what was."""
    import torch  # here: what a cell is may be known without

    with _Inside.lock:
        if not _Inside.count:
            _Inside.torch, _Inside.pools = torch.get_num_threads(), threadpool_limits(1, "blas")  # the process's
        _Inside.count += 1
    try:
        with threadpool_limits(1, "openmp"):  # this thread's
            torch.set_num_threads(1)
            yield
    finally:
        with after_the_step(), _Inside.lock:
            torch.set_num_threads(_Inside.torch)
            _Inside.count -= 1
            if not _Inside.count:
                _Inside.pools.restore_original_limits()


# --- files ------------------------------------------------------------------------------------------------------------


def kept(path: Path | None) -> xr.Dataset | None:
    """A finished cell; None where there is none, or, with a warning, where its file is damaged."""
    if path is None or not path.exists():
        return None
    try:
        return read(path)
    except FileFormatError as error:
        warnings.warn(f"{error} This cell is computed again.", stacklevel=outside())
        return None


def stored(cell: xr.Dataset, path: Path | None) -> xr.Dataset:
    """The cell as a second call will find it."""
    if path is None:
        return cell
    write(cell, path)
    return read(path)


def read(path: Path, group: str | None = None, *, unsealed: str | None = "") -> xr.Dataset:
    """A cell, or a whole run, from its file. Raises FileFormatError.

    `unsealed` is for files of before, which have no checksum at their end: the SHA-256 that they have; None: any.
    """
    content = _atomic.contents(path)
    body, seal, digest = content.rpartition(_SEAL)
    if not seal:
        body = content
    found = hashlib.sha256(body)
    if found.digest() != digest if seal else unsealed not in (None, found.hexdigest()):
        raise FileFormatError(f"{str(path)!r} is damaged: its checksum is not that of its contents.")
    trusted = bool(seal) or unsealed is not None  # what has the right checksum is as dgkit wrote it
    return _texts(_netcdf.parsed(body, path, group=group, trusted=trusted), "OT", str)


@after_the_step()
def write(ds: xr.Dataset, path: Path, check: xr.Dataset | None = None) -> None:
    """As compressed NetCDF-4, float32; an older file stays whole until the new one is complete. Raises SaveError."""
    import netCDF4

    _atomic.usable(path.parent)
    try:
        # a file, for one in memory forgets the order of its variables
        with _atomic.temporary(Path(tempfile.gettempdir())) as beside, NETCDF4_PYTHON_LOCK:
            with netCDF4.Dataset(beside, "w") as file:
                for part, where in ((ds, file), (check, None if check is None else file.createGroup("check"))):
                    if part is not None:
                        part = part.compute()
                        packed = {k: _packed(v.variable) for k, v in part.data_vars.items() if v.dtype.kind in "fi"}
                        part.dump_to_store(NetCDF4DataStore(where, lock=False), encoding=packed)
            content = beside.read_bytes()
    except Exception as error:  # a full disk, or what NetCDF does not know
        raise SaveError(f"{str(path)!r} cannot be written, or {tempfile.gettempdir()!r}: {error}.") from error
    _atomic.replace(path, [content, _SEAL, hashlib.sha256(content).digest()])


def _packed(variable: xr.Variable) -> dict[str, Any]:
    """How numbers are stored: in 32 bits, where they fit."""
    values = variable.values
    with np.errstate(over="ignore"):
        short = values.astype(f"{variable.dtype.kind}4")
    if variable.dtype.kind == "f":  # neither too large nor too small
        fits = (np.isfinite(short) == np.isfinite(values)) & ((short == 0) == (values == 0))
    else:
        fits = short == values
    dtype = f"{variable.dtype.kind}{4 if fits.all() else 8}"
    return {"zlib": True, "complevel": 9, "shuffle": True, "dtype": dtype}


# --- one Dataset of all -----------------------------------------------------------------------------------------------


def assemble(cells: Mapping[str, xr.Dataset], grid: Mapping[str, Any]) -> xr.Dataset:
    """One Dataset over the grid's dims, of the cells by `name_of` their points."""
    return _texts(_concat(cells, grid, {}), "O", str)


def _concat(cells: Mapping[str, xr.Dataset], grid: Mapping[str, Any], point: Point) -> xr.Dataset:
    rest = [name for name in grid if name not in point]
    if not rest:
        return _texts(cells[name_of(point)].drop_attrs(deep=False), "U", object)  # or a join cuts them to the shortest
    values = list(grid[rest[0]])
    parts = [_concat(cells, grid, {**point, rest[0]: value}) for value in values]
    return xr.concat(parts, pd.Index(values, name=rest[0]), coords="minimal", compat="override", join="outer")


def _texts(ds: xr.Dataset, kinds: str, dtype: type) -> xr.Dataset:
    coords, rest = ({k: v.astype(dtype) for k, v in some.items() if v.dtype.kind in kinds} for some in (ds.coords, ds))
    return ds.assign_coords(coords).assign(rest)
