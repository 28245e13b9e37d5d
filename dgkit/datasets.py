"""Opening datasets by name and cutting them in parts; what reads other people's files is in `readers`.

Every reader ends in `schema.validate`. Left out: formats that xarray reads by itself (open those with xarray).
"""

import hashlib
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from dgkit import _checks
from dgkit._atomic import shown_path
from dgkit._checks import whole
from dgkit._netcdf import limit, read, texts, with_bounds
from dgkit._netcdf_child import TooMuchError, too_much
from dgkit.errors import ConfigError, DgkitError, FileFormatError, SchemaError
from dgkit.readers.csv_files import from_csv, read_csv
from dgkit.readers.release import _reconstructor, from_npz  # noqa: F401 (found here by those who look for it)
from dgkit.readers.tables import from_table, windows
from dgkit.schema import Schema, blocks, validate

__all__ = ["data_hash", "from_csv", "from_npz", "from_table", "open_dataset", "read_csv", "split", "windows"]

SHIPPED = ("web", "cluster", "broadband")
_MBA_COMMIT = "e44bafc8710dce6ec46efeb71e91d8d636bcec76"
_MBA_SOURCE = f"https://raw.githubusercontent.com/pumperknickle/DoppelGANgerIOT/{_MBA_COMMIT}/data/FCC_MBA/"
_MBA_FILES = {
    "data_attribute_output.pkl": "sha256:05511f99feedfc9a395ceeb75cbcaefd8830de4756a80c838b21f1e5078003ec",
    "data_feature_output.pkl": "sha256:12f5d8683968558e0366cadbe76cd00fb0ad794352c0a5f96a13a7c2827a56cf",
    "data_test.npz": "sha256:e55898992a052dc316d9047f6fc376de666d00be4ff51483c14710b558e42075",
    "data_train.npz": "sha256:295a75198c5e57e0f68acb436b8e15e13ee7bc4d09798594e6f8ef11063a2317",
}
_RELEASE = "the folder that the README of github.com/fjxmlzn/DoppelGANger links to (Google Drive; no licence is stated)"
PUBLISHED = {  # the original's sets that have to be fetched by hand: whence, and under which licence
    "wwt": (
        f"Wikipedia Web Traffic is in {_RELEASE}, as web/; or take Kaggle's train_1.csv "
        "(kaggle.com/c/web-traffic-time-series-forecasting, with an account and its rules; Wikimedia's page views "
        "themselves are CC0) and open_dataset('train_1.csv')"
    ),
    "gcut": (
        f"Google Cluster Usage Traces is in {_RELEASE}, as google/; the traces themselves "
        "(github.com/google/cluster-data, ClusterData2011_2) are CC-BY"
    ),
}
_KAGGLE: dict[str, Any] = {  # of Web Traffic Time Series Forecasting: a page a row, its attributes within its name
    "sample": "Page",
    "features": {"views": "20*"},
    "attributes": ["domain", "access", "agent"],
    "split": {"Page": "{title}_{domain}_{access}_{agent}"},
    "scale": {"views": "log"},
    "units": {"views": "views/day"},
    "blank_rows": "drop",
    "gaps": "keep",
}
_WWT_CATEGORIES = {  # in the order of the release's columns, by the analysis that the authors published
    "domain": [
        "commons.wikimedia.org", "de.wikipedia.org", "en.wikipedia.org", "es.wikipedia.org", "fr.wikipedia.org",
        "ja.wikipedia.org", "ru.wikipedia.org", "www.mediawiki.org", "zh.wikipedia.org",
    ],
    "access": ["all-access", "desktop", "mobile-web"],
    "agent": ["all-agents", "spider"],
}  # fmt: skip
_MBA_NAMES: dict[str, list[Any]] = {
    "features": [("traffic_bytes", {"units": "byte", "scale": "log"}), ("ping_loss", {"units": "1"})],
    "attributes": [("isp", {}), ("technology", {}), ("state", {})],
}


_MBA_ATTRS = {
    "title": "FCC Measuring Broadband America",
    "note": "which attribute is which is second-hand knowledge",
}


def open_dataset(name: str | os.PathLike[str], *, max_bytes: int | None = None) -> xr.Dataset:
    """Open a dataset by name, or a file.

    Parameters
    ----------
    name : str or path
        "web", "cluster" or "broadband": simulated, shipped with dgkit (`dgkit.simulate`). "mba": the paper's own FCC
        Measuring Broadband America arrays, fetched once (about 1 MB) and kept in a cache folder (the environment
        variable DGKIT_CACHE names another). "wwt" and "gcut", the paper's two others, are opened from the folders of
        these names in the cache, where you put them; without them the error says where to get each, and its licence.
        Or a path: of a NetCDF file or zarr store; of a folder of the original's release (`from_npz`), whose
        variables are named if it is one of the paper's three; or of Kaggle's train_1.csv, packed or not, of which as in
        the paper those pages are taken that have a value on each day.
    max_bytes : int, optional
        Most bytes of memory that a file's content may take. Default: 128 MB, or 32 times the file's size where that is
        more. A small file may declare any size, so raise it only for files you trust.

    Returns
    -------
    Dataset
        In memory; a file's strings as fixed-width strings, codes with `flag_values` and `flag_meanings` as their words,
        `valid_range` as `valid_min` and `valid_max`.

    Raises
    ------
    FileFormatError
        No such name or file, one that cannot be read, or one with more content than `max_bytes`.
    ConfigError
        `max_bytes` is no positive whole number.
    SchemaError
        The file holds no dataset as `dgkit.schema` describes it.
    DgkitError
        "mba" could not be fetched, or "wwt" or "gcut" is not there.

    Examples
    --------
    >>> open_dataset("web").views.attrs["units"]
    'views/day'
    """
    if max_bytes is not None:
        whole("max_bytes", max_bytes)
    if name == "mba":
        return _open_mba()
    if name in PUBLISHED:
        folder = _cache() / str(name)
        if not (folder / "data_train.npz").exists():
            raise DgkitError(
                f"the data of {name!r} are not here, and cannot be fetched without you. {PUBLISHED[str(name)]}. Put "
                f"the release's files into {str(folder)!r}, or give their folder: open_dataset('folder')."
            )
        return _open_release(folder, max_bytes)
    given = name if isinstance(name, str | bytes | os.PathLike) else ""
    path = _data_folder() / f"{name}.nc" if name in SHIPPED else Path(os.fsdecode(given))
    if not given or not os.path.exists(path):  # which says so of a name that cannot be, too
        known = ", ".join(map(repr, (*SHIPPED, "mba", *PUBLISHED)))
        raise FileFormatError(f"no dataset {shown_path(name)}: it is neither one of {known} nor a file here.")
    if (path / "data_train.npz").exists():
        return _open_release(path, max_bytes)
    if ".csv" in path.suffixes:
        return _open_kaggle(path, max_bytes)
    ds = _open_zarr(path, max_bytes) if path.is_dir() else read(path, max_bytes=max_bytes, trusted=name in SHIPPED)
    ds = _in_words(ds)
    try:
        validate(ds)
    except SchemaError as error:  # its mends are of a `ds` that is not there yet
        engine = ", engine='zarr'" if path.is_dir() else ""
        first = f"ds = xarray.open_dataset({str(path)!r}{engine}); "
        raise SchemaError(re.sub(r"(?<=Mend: )(?=.*\bds\b)", lambda _: first, str(error))) from error
    return ds


def split(
    ds: xr.Dataset,
    fraction: float = 0.5,
    seed: int = 0,
    *,
    by: str | None = None,
    stratify: str | Sequence[str] | None = None,
) -> tuple[xr.Dataset, xr.Dataset]:
    """Two random parts without a common sample (A and A' in the paper's Figure 12).

    Parameters
    ----------
    ds : Dataset
    fraction : float
        Share of the samples in the first part, between 0 and 1.
    seed : int
        Of the draw.
    by : str, optional
        An attribute or a coordinate of the samples, such as "device", or "series" of `windows`: all samples of one
        value go to the same part, so that the second holds none whose device the first has seen. The first part then
        has as near to its share as whole devices allow.
    stratify : str or sequence of str, optional
        One or several categorical attributes: each of their combinations has its share of each part, as near as whole
        samples allow, and at least one sample in both.

    Returns
    -------
    Dataset, Dataset
        In the original order; both keep every category, also one that only the other part has.

    Raises
    ------
    ConfigError
        The fraction leaves a part empty; there is no such attribute; too few samples or devices of a kind to be in
        both parts; or, with both, a device whose samples differ in what the parts are to have their shares of.

    Examples
    --------
    >>> [part.sizes["sample"] for part in split(open_dataset("web"), 0.25)]
    [750, 2250]
    >>> [float((part.agent == "spider").mean().round(3)) for part in split(open_dataset("web"), stratify="agent")]
    [0.259, 0.259]
    """
    schema, n = validate(ds, training=False), ds.sizes["sample"]
    if isinstance(fraction, bool) or not isinstance(fraction, int | float) or not 0 < fraction < 1:
        raise ConfigError(f"fraction={fraction!r} must be a number between 0 and 1.")
    first = round(fraction * n)
    if not 0 < first < n:
        raise ConfigError(f"fraction={fraction!r} of {n} samples leaves one part empty. Give more samples.")
    order = np.random.default_rng(_checks.seed(seed)).permutation(n)
    if by is not None or stratify is not None:
        order, first = _by_groups(ds, schema, fraction, order, by, stratify)
    ds = ds.copy()
    for variable in (*schema.features, *schema.attributes):
        if variable.kind == "categorical" and variable.dtype[1] != "b":
            ds[variable.name].attrs["categories"] = list(variable.categories)
    return ds.isel(sample=np.sort(order[:first])), ds.isel(sample=np.sort(order[first:]))


def _by_groups(
    ds: xr.Dataset, schema: Schema, fraction: float, order: np.ndarray, by: Any, stratify: Any
) -> tuple[np.ndarray, int]:
    """The samples in an order, and how many of them make the first part: whole groups, its share of each stratum."""
    n, names = len(order), [stratify] if isinstance(stratify, str) else _checks.several("stratify", stratify)
    group, group_names = (np.arange(n), np.arange(n)) if by is None else codes_of(ds, by, "by")

    # strata: the combinations of these attributes
    for name in names:
        variable = next((v for v in schema.attributes if v.name == name), None)
        if variable is not None and variable.kind != "categorical":
            raise ConfigError(
                f"stratify={name!r} is an attribute of numbers, which have no shares. Make categories of it first: "
                f"ds['{name}_class'] = ('sample', np.where(ds[{name!r}] > {float(ds[name].median()):g}, 'high', 'low'))"
            )
    columns = [codes_of(ds, name, "stratify")[0] for name in names]
    stratum = np.unique(np.stack([np.zeros(n, int), *columns]), axis=1, return_inverse=True)[1].ravel()

    # each group in one stratum
    of_group = np.zeros(group.max() + 1, int)
    of_group[group] = stratum
    if (mixed := of_group[group] != stratum).any():
        raise ConfigError(
            f"by={by!r} and stratify={stratify!r} do not go together: the samples of "
            f"{str(group_names[group[mixed][0]])!r} differ in {' and '.join(names)}. "
            f"Give one of the two, or stratify by what a {by} has throughout."
        )

    # of each stratum, groups in random order until the first part is nearest to its share, and both have one at least
    sizes, chosen, owed = np.bincount(group), np.zeros(n, bool), 0.0
    ranked = pd.unique(group[order])  # groups in the order of their first sample
    ranked = ranked[np.argsort(of_group[ranked], kind="stable")]
    for k, own in enumerate(np.split(ranked, np.flatnonzero(np.diff(of_group[ranked])) + 1)):
        if len(own) < 2:
            if not names:
                raise ConfigError(
                    f"{by} has 1 {by}, which cannot be in both parts. by={by!r} needs two values or more."
                )
            values = ", ".join(repr(ds[m].values[stratum == k][0].item()) for m in names)
            raise ConfigError(
                f"{' and '.join(names)} {values} has 1 {by or 'sample'}, which cannot be in both parts. Leave it out, "
                f"or join it with another, or stratify by less than {stratify!r}."
            )
        reached, owed = np.cumsum(sizes[own]), owed + fraction * sizes[own].sum()
        count = int(np.abs(reached[:-1] - owed).argmin()) + 1
        chosen |= np.isin(group, own[:count])
        owed -= reached[count - 1]  # what rounding leaves, to the next
    return np.argsort(~chosen, kind="stable"), int(chosen.sum())


def codes_of(ds: xr.Dataset, name: Any, argument: str) -> tuple[np.ndarray, np.ndarray]:
    """Which of its values each sample has, (N,), and the values."""
    known = [str(v) for v in ds.variables if ds[v].dims == ("sample",) and v != "length"]
    if not isinstance(name, str) or name not in known:
        found = ", ".join(map(repr, known)) or "none"
        raise ConfigError(
            f"{argument}={_checks.shown(name)} is no attribute and no coordinate of the samples; there are {found}. "
            "Name one, or add it: ds = ds.assign_coords(device=('sample', names))"
        )
    raw = ds[name].values
    codes, values = pd.factorize(raw)
    if (missing := (codes < 0) | ((raw == "") if raw.dtype.kind in "OU" else False)).any():
        raise ConfigError(
            f"{argument}={name!r}: {missing.sum()} samples have none, the first sample {missing.argmax()}. "
            f"Leave them out: ds = ds.isel(sample=(ds[{name!r}].notnull() & (ds[{name!r}] != '')).values)"
        )
    return codes, values


def _cache() -> Path:
    """The folder that fetched data are kept in."""
    import pooch

    return Path(os.environ.get("DGKIT_CACHE") or pooch.os_cache("dgkit"))


def _open_release(folder: Path, max_bytes: int | None) -> xr.Dataset:
    """A folder of the original's release; variables of the paper's three sets, known by their columns, are named."""
    ds = from_npz(folder, max_bytes=max_bytes)
    schema = validate(ds, training=False)
    columns = len(schema.features), *(len(v.categories) for v in schema.attributes)
    if columns == (2, 15, 5, 53):
        ds = from_npz(folder, names=_MBA_NAMES, max_bytes=max_bytes)
        ds.attrs = dict(_MBA_ATTRS)
    elif columns == (1, 9, 3, 2):  # views are scaled: what by, the release does not say
        ds = ds.rename({"feature_0": "views"} | {f"attribute_{k}": name for k, name in enumerate(_WWT_CATEGORIES)})
        for name, categories in _WWT_CATEGORIES.items():
            attrs = {**ds[name].attrs, "categories": categories}
            ds[name] = "sample", np.array(categories)[ds[name].values.astype(int)], attrs
        ds.attrs = {"title": "Wikipedia Web Traffic", "note": "views are scaled, the release does not say by what"}
    elif columns == (9, 4):
        ds = ds.rename(attribute_0="end_event")
        ds.attrs = {"title": "Google Cluster Usage Traces", "note": "the release does not name what it holds"}
    validate(ds, training=False)
    return ds


def _open_kaggle(path: Path, max_bytes: int | None) -> xr.Dataset:
    """Kaggle's page views, of which as in the paper those pages are taken that have a value on each day."""
    try:
        ds = from_csv(path, max_bytes=max_bytes, **_KAGGLE)
    except SchemaError as error:
        raise SchemaError(
            f"{str(path)!r} is not Kaggle's train_1.csv, the one table that open_dataset reads by itself; "
            f"use from_csv(path, features=...). As train_1.csv: {error}"
        ) from error
    whole_pages = ds.views.notnull().all("time").values
    if not whole_pages.any():
        raise SchemaError(f"{str(path)!r}: no page has a value on each day. Read it by from_csv(path, fill=...).")
    kept = ds.isel(sample=whole_pages).drop_vars("length", errors="ignore")
    kept.attrs |= {"title": "Wikipedia Web Traffic", "note": f"{(~whole_pages).sum()} pages with gaps left out"}
    validate(kept, training=False)
    return kept


def _open_mba() -> xr.Dataset:
    import pooch

    files = pooch.create(_cache() / "fcc_mba", _MBA_SOURCE, registry=_MBA_FILES, retry_if_failed=0)
    try:
        paths = [files.fetch(name, progressbar=False) for name in _MBA_FILES]
    except Exception as error:  # no network, no permission, or a file that is not the pinned one
        raise DgkitError(
            f"the FCC MBA data could not be fetched ({type(error).__name__}: {error}). Without a network, "
            'open_dataset("broadband") is the simulated stand-in; or get the four files of '
            f"{_MBA_SOURCE} (licence: Clear BSD; the FCC's data are public) and use open_dataset('folder')."
        ) from error
    ds = from_npz(Path(paths[0]).parent, names=_MBA_NAMES)
    ds.attrs = dict(_MBA_ATTRS)
    validate(ds)
    return ds


def _data_folder() -> Path:
    """Where the shipped files are: in the installed package, or beside it in a checkout."""
    package = Path(__file__).parent
    return package / "data" if (package / "data").is_dir() else package.parent / "data"


def _open_zarr(path: Path, max_bytes: int | None) -> xr.Dataset:
    most = limit(sum(file.stat().st_size for file in path.rglob("*") if file.is_file()), max_bytes)
    try:
        with xr.open_dataset(path, engine="zarr") as ds:
            if ds.nbytes > most:
                raise too_much("declares", ds.nbytes, most)
            loaded = texts(ds.load(), most)
    except TooMuchError as error:
        raise FileFormatError(f"{str(path)!r} {error}") from None
    except Exception as error:  # zarr has errors of its own
        raise FileFormatError(f"{str(path)!r} cannot be read as NetCDF or zarr: {error!s:.200}") from error
    for name, da in loaded.variables.items():
        da.attrs = with_bounds(da.attrs)
        said = {key: da.attrs[key] for key in ("valid_min", "valid_max") if isinstance(da.attrs.get(key), int)}
        if said and {"scale_factor", "add_offset"} & set(da.encoding):  # of a NetCDF file their type tells
            key, value = next(iter(said.items()))
            raise SchemaError(
                f"{name!r} is packed in {str(path)!r} (scale_factor, add_offset); a zarr store does not say whether "
                f"{' and '.join(f'{key} {value}' for key, value in said.items())} are packed as well. Open it with "
                f"ds = xarray.open_dataset({str(path)!r}, engine='zarr'), give the bounds in units, such as "
                f"ds[{name!r}].attrs[{key!r}] = {float(value)}, and use ds."
            )
    return loaded


def _in_words(ds: xr.Dataset) -> xr.Dataset:
    """Codes as the words that `flag_values` and `flag_meanings` give them (CF conventions, 3.5)."""
    for name, da in ds.data_vars.items():
        if not {"flag_values", "flag_meanings"} <= set(da.attrs) or "flag_masks" in da.attrs:
            continue
        codes, words = np.atleast_1d(da.attrs["flag_values"]).tolist(), str(da.attrs["flag_meanings"]).split()
        values, place = np.unique(da.values, return_inverse=True)
        meant = dict(zip(codes, words, strict=False))
        strange = [value for value in values.tolist() if value not in meant]
        if len(codes) != len(words) or strange:
            what = f"no word for {strange[0]!r}" if strange else f"{len(words)} words for {len(codes)} codes"
            raise SchemaError(
                f"the codes of {name!r} have {what} in flag_meanings. Open the file with xarray and make text of them, "
                "or drop the attrs flag_values and flag_meanings if they are quantities."
            )
        attrs = {key: value for key, value in da.attrs.items() if not key.startswith(("flag_", "valid_"))}
        ds = ds.assign(
            {name: (da.dims, np.array([meant[value] for value in values.tolist()])[place].reshape(da.shape))}
        )
        ds[name].attrs = {**attrs, "categories": words}
    return ds


def data_hash(ds: xr.Dataset) -> str:
    """SHA-256 of a dataset's names, dims, coordinates and values, whatever file format they came from.

    Parameters
    ----------
    ds : Dataset

    Returns
    -------
    str
        64 hexadecimal digits; attrs do not count.

    Examples
    --------
    >>> from dgkit.simulate import web
    >>> data_hash(web(30)) == data_hash(web(30).assign_attrs(title="mine")) != data_hash(web(30, seed=1))
    True
    """
    digest = hashlib.sha256()
    for name in sorted(map(str, ds.variables)):
        da = ds[name]
        text = da.dtype.kind in "OSTU"
        digest.update(f"{name} {da.dims} {da.shape} {'U' if text else da.dtype.kind}".encode())
        for some in blocks(da) if da.chunks is not None and da.dims[0] == "sample" else [slice(None)]:
            values = (da.isel(sample=some) if some.stop else da).values  # of what is chunked, some samples at a time
            joined = "\0" * bool(some.start) + "\0".join(values.astype("U").ravel()) if text else ""
            digest.update(joined.encode() if text else values.tobytes())
    return digest.hexdigest()
