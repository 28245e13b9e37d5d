"""A grid of settings as cells: what a point of it is, and a finished cell's file, from which a second run goes on.

A cell's file is written beside and renamed, so that a run may be stopped at any time, and a second one computes only
what is missing. Cells are computed on one thread, which is what "the same seed gives the same model" asks for.
"""

import hashlib
import itertools
import json
import os
import platform
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd
import xarray as xr
from threadpoolctl import threadpool_limits

from dgkit.core.config import Config
from dgkit.datasets import data_hash

Point = dict[str, Any]  # one value for each dim of a grid


def points_of(grid: Mapping[str, Any]) -> list[Point]:
    """All points of a grid, the last dim fastest."""
    return [dict(zip(grid, values, strict=True)) for values in itertools.product(*grid.values())]


def name_of(point: Point) -> str:
    """The same text for the same point."""
    return json.dumps(point, sort_keys=True, default=str)


def file_name(config: Config, point: Point, data: str) -> str:
    """A file name that changes with everything a cell depends on but the code."""
    settings = {k: v for k, v in asdict(config).items() if v is not None}  # a switch that is off changes nothing
    text = json.dumps([settings, name_of(point), data, version("dgkit")], sort_keys=True)
    return f"{hashlib.sha256(text.encode()).hexdigest()[:20]}.nc"


def timed(cell: Callable[..., xr.Dataset], train: xr.Dataset, *rest: Any) -> xr.Dataset:
    """A cell computed on one thread, with its wall time and what it was computed from and by."""
    start = time.perf_counter()
    with one_thread():
        ds = cell(train, *rest)
    ds = ds.assign(seconds=((), time.perf_counter() - start, {"units": "s", "long_name": "wall time of the cell"}))
    ds.attrs = {
        "data": data_hash(train),
        "data_history": str(train.attrs.get("history", "")),
        "versions": json.dumps({name: version(name) for name in ("dgkit", "torch", "numpy", "xarray", "numba")}),
        "machine": f"{platform.system()} {platform.machine()}, Python {platform.python_version()}, one thread",
    }
    return ds


@contextmanager
def one_thread() -> Iterator[None]:
    """All that computes here on one thread."""
    import torch  # here: what a cell is may be known without

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with threadpool_limits(1):  # NumPy's and SciPy's own
            yield
    finally:
        torch.set_num_threads(before)


# --- files ------------------------------------------------------------------------------------------------------------


def stored(cell: xr.Dataset, path: Path | None) -> xr.Dataset:
    """The cell as a second call will find it."""
    if path is None:
        return cell
    path.parent.mkdir(parents=True, exist_ok=True)
    write(cell, path)
    return read(path)


def read(path: Path, group: str | None = None) -> xr.Dataset:
    """A cell, or a whole run, from its file."""
    return _texts(xr.load_dataset(path, group=group), "OT", str)


def write(ds: xr.Dataset, path: Path, check: xr.Dataset | None = None) -> None:
    """As compressed NetCDF-4, float32; an older file stays whole until the new one is complete."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        parts: list[tuple[xr.Dataset | None, str | None, Any]] = [(ds, None, "w"), (check, "check", "a")]
        for part, group, mode in parts:
            if part is not None:
                packed = {"zlib": True, "complevel": 9, "shuffle": True}
                numbers: dict[str, Any] = {
                    str(k): dict(packed) for k, v in part.data_vars.items() if v.dtype.kind in "fi"
                }
                for name in numbers:
                    numbers[name]["dtype"] = "f4" if part[name].dtype.kind == "f" else "i4"
                part.to_netcdf(beside, mode=mode, group=group, engine="netcdf4", encoding=numbers)
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)


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
    return ds.assign_coords({name: c.astype(dtype) for name, c in ds.coords.items() if c.dtype.kind in kinds})
