"""The release format of the original code: arrays in an npz file, and two pickles that say what their columns are.

Follows the README of the original repository. The pickles are read by an unpickler that knows descriptions of outputs
and nothing else, so that nothing in a file can run.
"""

import io
import math
import os
import pickle
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from dgkit.errors import FileFormatError
from dgkit.schema import Schema, Variable, validate


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
    folder: str | os.PathLike[str], *, part: str = "train", names: Mapping[str, Sequence[Any]] | None = None
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
        values where the file tells their range (data_feature_min, data_feature_max), else they stay scaled. A
        continuous variable's attrs `normalise`, `valid_min` and `valid_max` say how the release scaled it and which
        values its 0 (or -1) and 1 stand for: a model scales it so again, whatever part of the data it is trained on.
        Where values leave that range no bounds are declared.

    Notes
    -----
    In private training declared bounds count as public. Those of a release are as public as the release itself: where
    it came from secret data, replace them by bounds known beforehand.

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
        active = np.ones(n, bool) if role == "attribute" else np.arange(time) < length[:, None]
        for (name, attrs), (kind, scale, block) in zip(
            _names(role, outputs[role], names), _blocks(outputs[role], array), strict=True
        ):
            if kind == "DISCRETE":
                categories = tuple(f"{k:0{len(str(block.shape[-1] - 1))}d}" for k in range(block.shape[-1]))
                hot = block > 0.5
                if not (hot.sum(-1) == 1)[active].all():
                    raise FileFormatError(f"{str(path)!r}: {name!r} is described as categories but is not one-hot.")
                values[name] = np.array(categories)[hot.argmax(-1)]
                variables[role].append(Variable(name, role, "categorical", "<U", categories, attrs))
            else:
                lowest = -1.0 if scale == "MINUSONE_ONE" else 0.0
                raw, bounds = block[..., 0], (lowest, 1.0)
                if role == "feature" and "data_feature_min" in arrays:
                    k = len([v for v in variables["feature"] if v.kind == "continuous"])
                    bounds = _range(arrays, k, path)
                    unit = (raw.astype(np.float64) - lowest) / (1 - lowest)
                    raw = (unit * (bounds[1] - bounds[0]) + bounds[0]).astype(np.float32)
                values[name] = raw
                declared = {"units": "1", "normalise": scale.lower(), **_bounds(raw[active], bounds)}
                variables[role].append(Variable(name, role, "continuous", "<f4", (), {**declared, **attrs}))
    schema = Schema(tuple(variables["feature"]), tuple(variables["attribute"]), time, not full)
    ds = schema.dataset(values, None if full else length)
    validate(ds, training=False)
    return ds


def _range(arrays: Mapping[str, np.ndarray], k: int, path: Path) -> tuple[float, float]:
    """Of the k-th continuous feature, over all data of the release."""
    try:
        return float(arrays["data_feature_min"][k]), float(arrays["data_feature_max"][k])
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise FileFormatError(
            f"{str(path)!r}: data_feature_min and data_feature_max do not fit the features."
        ) from error


def _bounds(values: np.ndarray, bounds: tuple[float, float]) -> dict[str, float]:
    """The attrs that declare them, in float32 as the values are; none where values leave them."""
    low, high = (float(np.float32(bound)) for bound in bounds)
    return {"valid_min": low, "valid_max": high} if low <= values.min() and values.max() <= high else {}


def _names(
    role: str, outputs: Sequence[Any], names: Mapping[str, Sequence[Any]] | None
) -> list[tuple[str, dict[str, Any]]]:
    blocks = [k for kind, _, dim in outputs for k in ([0] if kind == "DISCRETE" else range(dim))]
    given = list((names or {}).get(f"{role}s", [f"{role}_{k}" for k in range(len(blocks))]))
    if len(given) != len(blocks):
        raise FileFormatError(f"names has {len(given)} {role}s; the folder has {len(blocks)}.")
    return [item if isinstance(item, tuple) else (item, {}) for item in given]


def _blocks(outputs: Sequence[tuple[str, str, int]], array: np.ndarray) -> Iterator[tuple[str, str, np.ndarray]]:
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
