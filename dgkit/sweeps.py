"""A grid of settings of your own: a model trained at every point, and what is measured of it as one Dataset."""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import xarray as xr
from tqdm.auto import tqdm

from dgkit import metrics
from dgkit._cells import assemble, file_name, name_of, points_of, read, stored, timed
from dgkit.core.config import Config, given
from dgkit.core.model import DoppelGANger
from dgkit.core.trainer import Trainer
from dgkit.datasets import data_hash
from dgkit.errors import ConfigError


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
        Keep every finished cell here; a second call with the same data and settings computes only what is missing.
        Use one folder for one `measure`.
    client : distributed.Client, optional
        Compute the cells on the workers of this Dask client (processes, of one thread each); default: here, one after
        another. What a worker finishes is written here at once, so the workers need not see `folder`; a worker that
        dies costs the cell it was at, which another one computes. Interrupted, it cancels what is left.
    progress : bool
        Show a bar.

    Returns
    -------
    Dataset
        What `measure` returns, over the grid's dims, and `seconds` of wall time for each cell.

    Raises
    ------
    ConfigError
        A name that is no field of `Config`, an empty list, or a value it refuses.
    SchemaError, DivergenceError

    Examples
    --------
    >>> from dgkit.simulate import web
    >>> tiny = Config(steps=2, batch_size=10, sample_len=7)
    >>> sweep(web(50), {"sample_len": [7, 14]}, base=tiny, progress=False).autocorrelation_mse.sizes["sample_len"]
    2
    """
    base = given(base, "base")
    wrong = sorted(set(grid) - {item.name for item in fields(Config)})
    if wrong or not grid or not all(len(values) for values in grid.values()):
        what = f"{wrong[0]!r} is no field of Config" if wrong else "the grid is empty, or one of its lists is"
        raise ConfigError(f"{what}. Give e.g. {{'sample_len': [1, 7], 'seed': [0, 1]}}.")

    points = points_of(grid)
    configs = [replace(base, **point) for point in points]  # all are checked before the first is trained
    paths: list[Path | None] = [None] * len(points)
    if folder is not None:
        data = data_hash(train)
        paths = [Path(folder) / file_name(*pair, data) for pair in zip(configs, points, strict=True)]
    found = {k: read(path) for k, path in enumerate(paths) if path is not None and path.exists()}
    missing = {k: config for k, config in enumerate(configs) if k not in found}
    with tqdm(total=len(points), initial=len(found), unit="model", disable=not progress) as bar:
        for k, cell in _computed(train, missing, measure, client):
            found[k] = stored(cell, paths[k])
            bar.update()
    return assemble({name_of(point): found[k] for k, point in enumerate(points)}, grid)


def _sweep_cell(train: xr.Dataset, config: Config, measure: Callable[[DoppelGANger], xr.Dataset] | None) -> xr.Dataset:
    model = train_model(train, config)
    if measure is not None:
        return measure(model)
    return xr.Dataset(metrics.evaluate(train, model.sample(1000, seed=1)).data_vars)


def _computed(
    train: xr.Dataset, configs: Mapping[int, Config], measure: Any, client: Any
) -> Iterator[tuple[int, xr.Dataset]]:
    """Number and Dataset of each cell as it is finished: here, or on the client's workers."""
    if client is None:
        for k, config in configs.items():
            yield k, timed(_sweep_cell, train, config, measure)
        return
    from distributed import as_completed as finished  # an extra

    # every worker has it, so that none is needed for another's cell; under a name of its own, for a sweep of the same
    # data that was stopped just before would take it away
    data = client.scatter(train, broadcast=True, hash=False)
    futures = {client.submit(timed, _sweep_cell, data, config, measure, pure=False): k for k, config in configs.items()}
    try:
        for future, cell in finished(list(futures), with_results=True):
            yield futures.pop(future), cell
            future.release()
    finally:
        client.cancel(list(futures))


def train_model(train: xr.Dataset, config: Config) -> DoppelGANger:
    """A model of these settings. An interrupt stops it, and is no shorter training as in `fit`."""
    trainer = Trainer(train, config)
    for _ in trainer:
        pass
    return trainer.model
