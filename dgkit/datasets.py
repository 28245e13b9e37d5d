"""Reading datasets: the shipped ones, files, and the release format of the original code; tables are in `dgkit.tables`.

Every reader ends in `schema.validate`. Left out: formats that xarray reads by itself (open those with xarray).
"""

import io
import math
import os
import pickle
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pooch
import xarray as xr

from dgkit.csv_files import from_csv, read_csv
from dgkit.errors import ConfigError, DgkitError, FileFormatError
from dgkit.schema import Schema, Variable, validate
from dgkit.tables import from_table, windows

__all__ = ["from_csv", "from_npz", "from_table", "open_dataset", "read_csv", "split", "windows"]

SHIPPED = ("web", "cluster", "broadband")
_MBA_COMMIT = "e44bafc8710dce6ec46efeb71e91d8d636bcec76"
_MBA_SOURCE = f"https://raw.githubusercontent.com/pumperknickle/DoppelGANgerIOT/{_MBA_COMMIT}/data/FCC_MBA/"
_MBA_FILES = {
    "data_attribute_output.pkl": "sha256:05511f99feedfc9a395ceeb75cbcaefd8830de4756a80c838b21f1e5078003ec",
    "data_feature_output.pkl": "sha256:12f5d8683968558e0366cadbe76cd00fb0ad794352c0a5f96a13a7c2827a56cf",
    "data_test.npz": "sha256:e55898992a052dc316d9047f6fc376de666d00be4ff51483c14710b558e42075",
    "data_train.npz": "sha256:295a75198c5e57e0f68acb436b8e15e13ee7bc4d09798594e6f8ef11063a2317",
}
_MBA_NAMES: dict[str, list] = {
    "features": [("traffic_bytes", {"units": "byte", "scale": "log"}), ("ping_loss", {"units": "1"})],
    "attributes": [("isp", {}), ("technology", {}), ("state", {})],
}


def open_dataset(name: str | os.PathLike) -> xr.Dataset:
    """Open a dataset by name, or a file.

    Parameters
    ----------
    name : str or path
        "web", "cluster" or "broadband": simulated, shipped with dgkit (`dgkit.simulate`). "mba": the paper's own FCC
        Measuring Broadband America arrays, fetched once (about 1 MB) and kept in a cache folder (the environment
        variable DGKIT_CACHE names another). Or the path of a NetCDF file or zarr store.

    Returns
    -------
    Dataset
        In memory; a file's strings as fixed-width strings.

    Raises
    ------
    FileFormatError
        No such name or file, or one that cannot be read.
    SchemaError
        The file holds no dataset as `dgkit.schema` describes it.
    DgkitError
        "mba" could not be fetched.

    Examples
    --------
    >>> open_dataset("web").views.attrs["units"]
    'views/day'
    """
    if name == "mba":
        return _open_mba()
    path = _data_folder() / f"{name}.nc" if name in SHIPPED else Path(name)
    if not path.exists():
        known = ", ".join(map(repr, (*SHIPPED, "mba")))
        raise FileFormatError(f"no dataset {str(name)!r}: it is neither one of {known} nor a file here.")
    try:
        ds = xr.load_dataset(path, engine="zarr") if path.is_dir() else xr.load_dataset(path)
    except Exception as error:  # each reader of xarray has errors of its own
        raise FileFormatError(f"{str(path)!r} cannot be read as NetCDF or zarr: {error}") from error
    ds = ds.assign({key: _text(da) for key, da in ds.variables.items() if da.dtype.kind in "OST"})
    validate(ds)
    return ds


def split(ds: xr.Dataset, fraction: float = 0.5, seed: int = 0) -> tuple[xr.Dataset, xr.Dataset]:
    """Two random parts without a common sample (A and A' in the paper's Figure 12).

    Parameters
    ----------
    ds : Dataset
    fraction : float
        Share of the samples in the first part, between 0 and 1.
    seed : int
        Of the draw.

    Returns
    -------
    Dataset, Dataset
        In the original order; both keep every category, also one that only the other part has.

    Raises
    ------
    ConfigError
        The fraction leaves a part empty.

    Examples
    --------
    >>> [part.sizes["sample"] for part in split(open_dataset("web"), 0.25)]
    [750, 2250]
    """
    schema, n = validate(ds, training=False), ds.sizes["sample"]
    if isinstance(fraction, bool) or not isinstance(fraction, int | float) or not 0 < fraction < 1:
        raise ConfigError(f"fraction={fraction!r} must be a number between 0 and 1.")
    first = round(fraction * n)
    if not 0 < first < n:
        raise ConfigError(f"fraction={fraction!r} of {n} samples leaves one part empty. Give more samples.")
    order = np.random.default_rng(seed).permutation(n)
    ds = ds.copy()
    for variable in (*schema.features, *schema.attributes):
        if variable.kind == "categorical" and variable.dtype[1] != "b":
            ds[variable.name].attrs["categories"] = list(variable.categories)
    return ds.isel(sample=np.sort(order[:first])), ds.isel(sample=np.sort(order[first:]))


# -- the original release format ---------------------------------------------------------------------------------------


class _Stub:
    """Stands for the original's `output` classes while a pickle is read: it keeps what it is given, and no more."""

    def __new__(cls, *arguments: Any) -> "_Stub":
        self = super().__new__(cls)
        self.__dict__["arguments"] = arguments
        return self

    def __init__(self, *arguments: Any) -> None:
        pass

    def __setstate__(self, state: Any) -> None:
        if isinstance(state, dict):
            self.__dict__.update({str(key): value for key, value in state.items()})


class _Output(_Stub):
    pass


class _OutputType(_Stub):
    pass


class _Normalization(_Stub):
    pass


def _reconstructor(kind: Any, base: Any, state: Any) -> _Stub:
    """copy_reg's, for the stubs alone."""
    if not (isinstance(kind, type) and issubclass(kind, _Stub)):
        raise pickle.UnpicklingError("it rebuilds something that is no output description")
    return kind.__new__(kind)


class _Unpickler(pickle.Unpickler):
    """Reads descriptions of outputs and refuses everything else, so that nothing in a file can run."""

    _ALLOWED = {  # noqa: RUF012 (never changed)
        ("output", "Output"): _Output,
        ("output", "OutputType"): _OutputType,
        ("output", "Normalization"): _Normalization,
        ("copy_reg", "_reconstructor"): _reconstructor,
        ("copyreg", "_reconstructor"): _reconstructor,
        ("__builtin__", "object"): object,
        ("builtins", "object"): object,
    }

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in self._ALLOWED:
            raise pickle.UnpicklingError(f"it names {module}.{name}, which no output description needs")
        return self._ALLOWED[module, name]

    def persistent_load(self, pid: Any) -> Any:
        raise pickle.UnpicklingError("it refers to something outside the file")


def from_npz(
    folder: str | os.PathLike, *, part: str = "train", names: Mapping[str, Sequence[Any]] | None = None
) -> xr.Dataset:
    """A dataset in the release format of the original code: `data_train.npz` and two pickled descriptions.

    Parameters
    ----------
    folder : path
        Holds data_{part}.npz, data_feature_output.pkl and data_attribute_output.pkl.
    part : str
        "train" or "test".
    names : mapping, optional
        {"features": [...], "attributes": [...]}, each a name or a pair (name, attrs), in the file's order. Default:
        feature_0, attribute_0, ...

    Returns
    -------
    Dataset
        Categories, which the files do not name, are "00", "01", ... by position. Features are brought back to raw
        values where the file tells their range (data_feature_min, data_feature_max), else they stay scaled.

    Raises
    ------
    FileFormatError
        A file is missing, damaged, or holds what does not belong there; nothing in it is executed.

    Source
    ------
    README of the original repository; gan/output.py there.

    Examples
    --------
    >>> ds = from_npz("data/web", part="train")  # doctest: +SKIP
    >>> try:
    ...     from_npz("elsewhere")
    ... except FileFormatError as error:
    ...     print(error)
    no file 'elsewhere/data_feature_output.pkl'; a folder of the original release holds it.
    """
    folder = Path(folder)
    outputs = {role: _read_outputs(folder / f"data_{role}_output.pkl") for role in ("feature", "attribute")}
    path = folder / f"data_{part}.npz"
    arrays = _read_arrays(path)
    feature, attribute, flag = (arrays[f"data_{key}"] for key in ("feature", "attribute", "gen_flag"))
    n, time = flag.shape
    expected = {
        "data_feature": (n, time, _width(outputs["feature"])),
        "data_attribute": (n, _width(outputs["attribute"])),
    }
    for key, shape in expected.items():
        if arrays[key].shape != shape:
            raise FileFormatError(f"{str(path)!r}: {key} has shape {arrays[key].shape}; its description says {shape}.")
    length = (flag > 0.5).sum(1)
    if not ((flag > 0.5) == (np.arange(time) < length[:, None])).all() or (length == 0).any():
        raise FileFormatError(f"{str(path)!r}: data_gen_flag must be ones up to a series' end and zeros after it.")
    full = bool((length == time).all())
    variables: dict[str, list[Variable]] = {"feature": [], "attribute": []}
    values: dict[str, np.ndarray] = {}
    for role, array in (("feature", feature), ("attribute", attribute)):
        for (name, attrs), (kind, scale, block) in zip(
            _names(role, outputs[role], names), _blocks(outputs[role], array), strict=True
        ):
            if kind == "DISCRETE":
                categories = tuple(f"{k:0{len(str(block.shape[-1] - 1))}d}" for k in range(block.shape[-1]))
                hot = block > 0.5
                active = np.ones(n, bool) if role == "attribute" else np.arange(time) < length[:, None]
                if not (hot.sum(-1) == 1)[active].all():
                    raise FileFormatError(f"{str(path)!r}: {name!r} is described as categories but is not one-hot.")
                values[name] = np.array(categories)[hot.argmax(-1)]
                variables[role].append(Variable(name, role, "categorical", "<U", categories, attrs))
            else:
                raw = block[..., 0]
                if role == "feature" and "data_feature_min" in arrays:
                    k = len([v for v in variables["feature"] if v.kind == "continuous"])
                    raw = _raw(raw, scale, arrays, k, path)
                values[name] = raw
                variables[role].append(Variable(name, role, "continuous", "<f4", (), {"units": "1", **attrs}))
    schema = Schema(tuple(variables["feature"]), tuple(variables["attribute"]), time, not full)
    ds = schema.dataset(values, None if full else length)
    validate(ds, training=False)
    return ds


def _raw(scaled: np.ndarray, scale: str, arrays: Mapping[str, np.ndarray], k: int, path: Path) -> np.ndarray:
    try:
        low, high = float(arrays["data_feature_min"][k]), float(arrays["data_feature_max"][k])
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise FileFormatError(
            f"{str(path)!r}: data_feature_min and data_feature_max do not fit the features."
        ) from error
    unit = (scaled.astype(np.float64) + 1) / 2 if scale == "MINUSONE_ONE" else scaled.astype(np.float64)
    return unit * (high - low) + low


def _names(role: str, outputs: Sequence[Any], names: Mapping[str, Sequence[Any]] | None) -> list[tuple[str, dict]]:
    blocks = [k for kind, _, dim in outputs for k in ([0] if kind == "DISCRETE" else range(dim))]
    given = list((names or {}).get(f"{role}s", [f"{role}_{k}" for k in range(len(blocks))]))
    if len(given) != len(blocks):
        raise FileFormatError(f"names has {len(given)} {role}s; the folder has {len(blocks)}.")
    return [item if isinstance(item, tuple) else (item, {}) for item in given]


def _blocks(outputs: Sequence[tuple[str, str, int]], array: np.ndarray):
    """(kind, normalisation, columns) of each variable: DISCRETE ones whole, CONTINUOUS ones a column each."""
    position = 0
    for kind, scale, dim in outputs:
        for start, width in [(position, dim)] if kind == "DISCRETE" else [(position + k, 1) for k in range(dim)]:
            yield kind, scale, array[..., start : start + width]
        position += dim


def _width(outputs: Sequence[tuple[str, str, int]]) -> int:
    return sum(dim for _, _, dim in outputs)


def _read_outputs(path: Path) -> list[tuple[str, str, int]]:
    """(kind, normalisation, width) of each output a pickle describes."""
    if not path.is_file():
        raise FileFormatError(f"no file {str(path)!r}; a folder of the original release holds it.")
    if path.stat().st_size > 10**6:
        raise FileFormatError(f"{str(path)!r} is {path.stat().st_size} bytes long, too much for a list of outputs.")
    try:
        described = _Unpickler(io.BytesIO(path.read_bytes()), encoding="latin1").load()
        return [_output(item) for item in described]
    except FileFormatError:
        raise
    except Exception as error:  # a damaged pickle can raise anything
        raise FileFormatError(f"{str(path)!r} is not a description of outputs: {error}") from error


def _output(item: Any) -> tuple[str, str, int]:
    if not isinstance(item, _Output) or item.__dict__.get("is_gen_flag"):
        raise ValueError("it must be a list of Output, none of them a generation flag")
    kind, scale, dim = (item.__dict__.get(key) for key in ("type_", "normalization", "dim"))
    kind, scale = _member(kind), _member(scale)
    known = kind == "DISCRETE" or (kind == "CONTINUOUS" and scale in ("ZERO_ONE", "MINUSONE_ONE"))
    if not known or type(dim) is not int or not 1 <= dim <= 10**5:
        raise ValueError(f"an Output of type {kind!r}, normalisation {scale!r}, width {dim!r}")
    return kind, scale, dim


def _member(value: Any) -> str:
    """The value an enum member was pickled by; "" for anything else."""
    arguments = value.__dict__.get("arguments") if isinstance(value, _Stub) else None
    return arguments[0] if arguments and isinstance(arguments[0], str) else ""


def _read_arrays(path: Path) -> dict[str, np.ndarray]:
    """The arrays of an npz file, no pickles in it opened, none larger than its bytes allow."""
    if not path.is_file():
        raise FileFormatError(f"no file {str(path)!r}; a folder of the original release holds it.")
    arrays = {}
    try:
        with zipfile.ZipFile(path) as archive:
            for member in archive.infolist():
                with archive.open(member) as file:
                    version = np.lib.format.read_magic(file)
                    shape, _, dtype = getattr(np.lib.format, f"read_array_header_{version[0]}_0")(file)
                if dtype.hasobject or dtype.kind not in "fiub":
                    raise ValueError(f"{member.filename} holds {dtype}, not numbers")
                if math.prod(shape) * dtype.itemsize > member.file_size or member.file_size > 2**34:
                    raise ValueError(f"{member.filename} declares more than it holds, or more than 16 GB")
        with np.load(path, allow_pickle=False) as file, np.errstate(over="ignore"):  # infinite then, and refused below
            arrays = {key: np.asarray(file[key], np.float32 if file[key].ndim > 1 else None) for key in file.files}
    except Exception as error:  # zip, header and number errors of many kinds
        raise FileFormatError(f"{str(path)!r} is not an npz file of numbers: {error}") from error
    for key, ndim in (("data_feature", 3), ("data_attribute", 2), ("data_gen_flag", 2)):
        if key not in arrays or arrays[key].ndim != ndim or arrays[key].size == 0:
            raise FileFormatError(f"{str(path)!r}: {key} with {ndim} dims is missing or empty.")
        if not np.isfinite(arrays[key]).all():
            raise FileFormatError(f"{str(path)!r}: {key} has NaN or infinite values.")
    return arrays


def _open_mba() -> xr.Dataset:
    cache = os.environ.get("DGKIT_CACHE") or pooch.os_cache("dgkit")
    files = pooch.create(Path(cache) / "fcc_mba", _MBA_SOURCE, registry=_MBA_FILES, retry_if_failed=0)
    try:
        paths = [files.fetch(name, progressbar=False) for name in _MBA_FILES]
    except Exception as error:  # no network, no permission, or a file that is not the pinned one
        raise DgkitError(
            f"the FCC MBA data could not be fetched ({type(error).__name__}: {error}). Without a network, "
            'open_dataset("broadband") is the simulated stand-in; or put the four files there and use from_npz(folder).'
        ) from error
    ds = from_npz(Path(paths[0]).parent, names=_MBA_NAMES)
    ds.attrs = {"title": "FCC Measuring Broadband America", "note": "which attribute is which is second-hand knowledge"}
    validate(ds)
    return ds


def _data_folder() -> Path:
    """Where the shipped files are: in the installed package, or beside it in a checkout."""
    package = Path(__file__).parent
    return package / "data" if (package / "data").is_dir() else package.parent / "data"


def _text(da: xr.Variable) -> xr.Variable:
    """Objects and bytes that are text as fixed-width strings; anything else as it is, for `validate` to name."""
    values = da.values.astype(object).ravel()
    if not all(isinstance(value, str | bytes) for value in values):
        return da
    text = [value.decode("utf-8", "replace") if isinstance(value, bytes) else value for value in values]
    return da.copy(data=np.array(text, dtype=str).reshape(da.shape))
