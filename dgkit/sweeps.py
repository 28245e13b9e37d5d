"""A grid of settings of your own: a model trained at every point, and what is measured of it as one Dataset."""

import os
import time
from collections.abc import Callable, Generator, Hashable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import fields, replace
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import xarray as xr
from tqdm.auto import tqdm

from dgkit import metrics
from dgkit._atomic import usable
from dgkit._cells import assemble, file_name, kept, name_of, points_of, stored, timed
from dgkit._checks import mapping, several, shown
from dgkit.core.config import Config, given
from dgkit.core.model import DoppelGANger
from dgkit.core.trainer import Trainer
from dgkit.errors import ConfigError, DgkitError, MissingExtraError

PATIENCE = 300  # seconds that a cluster may be without workers: they may be about to start


def sweep(
    train: xr.Dataset,
    grid: Mapping[str, Sequence[Any]],
    *,
    base: Config | None = None,
    measure: Callable[[DoppelGANger], xr.Dataset] | None = None,
    folder: str | os.PathLike[str] | None = None,
    client: Any = None,
    progress: bool = True,
) -> xr.Dataset:
    """Train a model at every point of a grid of settings, and measure each.

    Parameters
    ----------
    train : Dataset
        As `dgkit.schema` describes.
    grid : mapping
        Values for fields of `Config`, e.g. {"sample_len": [1, 7], "seed": [0, 1]}.
    base : Config, optional
        The other settings.
    measure : callable, optional
        What to keep of a model, as a Dataset. Default: `metrics.evaluate(train, model.sample(1000, seed=1))`.
    folder : path, optional
        Keep every finished cell here, floats to seven digits; a second call computes only what is missing, or damaged.
        A cell is taken for the same data, with the attrs of their variables, settings, version of dgkit, and `measure`:
        its name, its code, and the numbers, texts, arrays, datasets and functions of its module that it uses. What else
        it uses is not looked at: give another folder where that changes, e.g. a file, a list, or what an object given
        as `measure` holds.
    client : distributed.Client, optional
        Compute the cells on the workers of this Dask client (processes, of one thread each); default: here, one after
        another. What a worker finishes is written here at once, so the workers need not see `folder`; a worker that
        dies costs the cell it was at, which another one computes. Interrupted, it cancels what is left. Where the
        cluster itself goes away, call again with a new client and the same `folder`.
    progress : bool
        Show a bar.

    Returns
    -------
    Dataset
        What `measure` returns, over the grid's dims, and `seconds` of wall time for each cell. Coordinates that differ
        from cell to cell are over the grid's dims too.

    Raises
    ------
    ConfigError
        A name that is no field of `Config`, an empty list, a value twice, None beside numbers, or a value it refuses;
        `measure` gives no Dataset, or one that has `seconds` or a dim of the grid in it.
    SchemaError, DivergenceError
    SaveError
        A cell cannot be written to `folder`.
    MissingExtraError
        `client` is given, and Dask is not installed.
    DgkitError
        The cluster is gone, has had no worker for five minutes, or a cell ends every worker that computes it.

    Examples
    --------
    >>> from dgkit.simulate import web
    >>> tiny = Config(steps=2, batch_size=10, sample_len=7)
    >>> sweep(web(50), {"sample_len": [7, 14]}, base=tiny, progress=False).autocorrelation_mse.sizes["sample_len"]
    2
    """
    base = given(base, "base")
    grid = {name: several(f"grid[{name!r}]", values) for name, values in mapping("grid", grid).items()}
    wrong = [name for name in grid if name not in {item.name for item in fields(Config)}]
    if wrong or not grid or not all(grid.values()):
        what = f"{wrong[0]!r} is no field of Config" if wrong else "the grid is empty, or one of its lists is"
        raise ConfigError(f"{what}. Give e.g. {{'sample_len': [1, 7], 'seed': [0, 1]}}.")
    if measure is not None and not callable(measure):
        raise ConfigError(f"measure is {shown(measure)}; give a function of a model that returns a Dataset.")

    for name, values in grid.items():
        _check_axis(name, values)

    points = points_of(grid)
    configs = [replace(base, **point) for point in points]  # all are checked before the first is trained
    paths: list[Path | None] = [None] * len(points)
    if folder is not None:
        folder = usable(folder)
        paths = [folder / file_name(*pair, train, measure) for pair in zip(configs, points, strict=True)]
    found = {k: cell for k, path in enumerate(paths) if (cell := kept(path)) is not None}
    missing = {k: config for k, config in enumerate(configs) if k not in found}
    computed = _here(train, missing, measure) if client is None else _on(client, train, missing, points, measure)
    with tqdm(total=len(points), initial=len(found), unit="model", disable=not progress) as bar, closing(computed):
        try:
            for k, cell in computed:
                if taken := set(grid) & {*cell.data_vars, *cell.dims}:
                    raise ConfigError(f"`measure` gave {sorted(taken)[0]!r}, which is a dim of the grid. Rename it.")
                found[k] = stored(cell, paths[k])
                bar.update()
        except BaseException as error:
            done = f"{len(found)} of {len(points)} cells are finished"
            kept_in = (
                f"kept in {str(folder)!r}: call again for the rest" if folder else "lost: give folder= to keep them"
            )
            if isinstance(error, DgkitError):
                error.args = (f"{error} {done}, and {kept_in}.", *error.args[1:])
            else:
                error.add_note(f"{done}, and {kept_in}.")
            raise
    cells = {name_of(point): found[k] for k, point in enumerate(points)}
    differ = _differing_coords(cells.values(), grid)  # which `assemble` would take from the first cell
    cells = {name: cell.reset_coords([one for one in differ if one in cell.coords]) for name, cell in cells.items()}
    return assemble(cells, grid).set_coords(differ)


def _differing_coords(cells: Iterable[xr.Dataset], grid: Mapping[str, Any]) -> list[Hashable]:
    """Coordinates, but of dims, that are not the same in all cells."""
    cells = list(cells)

    def same(name: Hashable) -> bool:
        held = [cell.coords[name].variable if name in cell.coords else None for cell in cells]
        return all(one is not None and one.equals(held[0]) for one in held)

    every = dict.fromkeys(name for cell in cells for name in cell.coords if name not in {*cell.indexes, *grid})
    return [name for name in every if not same(name)]


def _check_axis(name: str, values: Sequence[Any]) -> None:
    """ConfigError for values that are no different places along a dim."""
    twice = [value for k, value in enumerate(values) if value in values[:k]]
    if twice:
        raise ConfigError(f"{name!r} has {twice[0]!r} twice, and would count its cells twice. Give each value once.")
    if None in values and any(isinstance(value, int | float) for value in values):
        raise ConfigError(
            f"{name!r} has None beside numbers, which is no place along a dim. Leave None out, or make a sweep of its "
            f"own with base=Config({name}=None)."
        )


def _sweep_cell(train: xr.Dataset, config: Config, measure: Callable[[DoppelGANger], xr.Dataset] | None) -> xr.Dataset:
    model = train_model(train, config)
    if measure is None:
        return xr.Dataset(metrics.evaluate(train, model.sample(1000, seed=1)).data_vars)
    cell = measure(model)
    if not isinstance(cell, xr.Dataset):
        raise ConfigError(f"`measure` gave a {type(cell).__name__}. Give a Dataset, e.g. xr.Dataset({{'size': 3.0}}).")
    if "seconds" in cell.variables or "seconds" in cell.dims:
        raise ConfigError("`measure` gave 'seconds', which is the wall time of the cell. Rename it.")
    return cell


Cells = Generator[tuple[int, xr.Dataset], None, None]  # number and Dataset of each, as it is finished


def _here(train: xr.Dataset, configs: Mapping[int, Config], measure: Any) -> Cells:
    for k, config in configs.items():
        yield k, timed(_sweep_cell, train, config, measure)


def _on(client: Any, train: xr.Dataset, configs: Mapping[int, Config], points: Sequence[Any], measure: Any) -> Cells:
    """On the client's workers."""
    try:
        from distributed import Client, as_completed
        from distributed.scheduler import KilledWorker
    except ImportError as error:
        raise MissingExtraError("sweep(client=...) needs Dask. Install it: pip install dgkit[lab]") from error
    if not isinstance(client, Client) or client.asynchronous:
        raise ConfigError(f"client={client!r} is no distributed.Client, or an asynchronous one. Give e.g. Client().")

    def sent(*task: Any) -> Any:
        try:
            return client.submit(*task, pure=False)
        except Exception as error:  # of Dask, or of pickling
            raise DgkitError(
                f"a cell cannot be sent to the cluster: {error} Give an open client, and a `measure` that pickles."
            ) from error

    # the data as what a task makes, not scattered: the scheduler has it made again where all who had it have died
    data, cells, suspects = sent(partial(_same, train)), {}, list[int]()
    try:
        # all together; then, one after another, those that were on workers that died: it may not have been theirs to do
        for batch in chain([list(configs)], ([k] for k in suspects)):
            if data.status == "error":  # they died at the data
                data = sent(partial(_same, train))
            cells = {sent(timed, _sweep_cell, data, configs[k], measure): k for k in batch}
            for future, cell in _finished(client, as_completed(list(cells), with_results=True, raise_errors=False)):
                k = cells.pop(future)
                if isinstance(cell, xr.Dataset):
                    yield k, cell
                    future.release()
                elif not isinstance(cell, tuple):
                    raise DgkitError(f"the cluster is gone, or the client was closed: {' '.join(str(cell).split())}")
                elif not isinstance(cell[1], KilledWorker):
                    raise cell[1].with_traceback(cell[2])
                elif k not in suspects:
                    suspects.append(k)
                else:
                    raise DgkitError(
                        f"every worker that computed the cell {points[k]} died, with no other on it. {cell[1]}"
                    )
    finally:
        with suppress(Exception):  # they may be gone
            client.cancel([data, *cells])


def _finished(client: Any, done: Any) -> Iterator[tuple[Any, Any]]:
    """Futures and what they give, as they are finished; DgkitError once no worker has been there for long."""
    last = looked = time.monotonic()  # when a worker was there, and when that was asked
    while not done.is_empty():
        if done.has_ready():
            yield next(done)
            continue
        time.sleep(0.02)
        if (now := time.monotonic()) < looked + 1:
            continue
        workers: Any = None
        with suppress(Exception):  # where the scheduler is gone the futures say so
            workers = client.nthreads()
        looked = time.monotonic()
        if workers != {}:
            last = looked
        elif now > last + PATIENCE:
            raise DgkitError(
                f"the cluster has had no worker for {PATIENCE} s. Start some; client.wait_for_workers(1) waits for one."
            )


def _same(train: xr.Dataset) -> xr.Dataset:
    return train


def train_model(train: xr.Dataset, config: Config) -> DoppelGANger:
    """A model of these settings. An interrupt stops it, and is no shorter training as in `fit`."""
    trainer = Trainer(train, config)
    for _ in trainer:
        pass
    return trainer.model
