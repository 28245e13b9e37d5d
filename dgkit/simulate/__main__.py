"""Write the shipped files: `python -m dgkit.simulate`."""

import argparse
import os
from pathlib import Path

import xarray as xr

from dgkit import simulate


def main(arguments: list[str] | None = None) -> None:
    """Write the shipped files: `python -m dgkit.simulate [--out data]`.

    Parameters
    ----------
    arguments : list of str, optional
        Of the command line; default this process' own.

    Examples
    --------
    >>> try:  # doctest: +ELLIPSIS
    ...     main(["--help"])
    ... except SystemExit as end:
    ...     print(end.code)
    usage: python -m dgkit.simulate [-h] [--out OUT]
    ...
    0
    """
    parser = argparse.ArgumentParser(prog="python -m dgkit.simulate", description="Write the simulated datasets.")
    parser.add_argument("--out", default="data", help="folder to write to (default: data)")
    folder = Path(parser.parse_args(arguments).out)
    folder.mkdir(parents=True, exist_ok=True)
    for name, (simulator, n) in simulate.SHIPPED.items():
        path = folder / f"{name}.nc"
        _write(simulator(n), path)
        print(f"{path}: {n} samples, {path.stat().st_size / 1e6:.2f} MB")


def _write(ds: xr.Dataset, path: Path) -> None:
    """As compressed NetCDF-4; an older file stays whole until the new one is complete."""
    packed = {"zlib": True, "complevel": 9, "shuffle": True}
    encoding = {str(name): packed for name, da in ds.data_vars.items() if da.dtype.kind != "U"}
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        ds.to_netcdf(beside, engine="netcdf4", encoding=encoding)
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)


if __name__ == "__main__":
    main()
