"""The release format of the original code: arrays in an npz file, and two pickles that say what their columns are.

Follows the README of the original repository. The pickles are not unpickled: a reader of the few opcodes that
descriptions of outputs are made of builds these and nothing else, so that nothing in a file can run, and a small file
stays small. Of the npz the arrays named here are read, and no others, once their sizes have been compared.
"""

import io
import math
import os
import pickletools
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from dgkit._atomic import contents
from dgkit._checks import whole
from dgkit._netcdf import limit
from dgkit._netcdf_child import TooMuchError, too_much
from dgkit.errors import FileFormatError
from dgkit.readers.sources import damaged
from dgkit.schema import Schema, Variable, validate


def from_npz(
    folder: str | os.PathLike[str],
    *,
    part: str = "train",
    names: Mapping[str, Sequence[Any]] | None = None,
    max_bytes: int | None = None,
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
    max_bytes : int, optional
        Most bytes of memory that the arrays may take. Default: 128 MB, or 32 times the npz file's size where that is
        more. A small file may declare any size, so raise it only for files you trust.

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
        A file is missing, damaged, holds what does not belong there, or more than `max_bytes`; nothing in it is
        executed.
    ConfigError
        `max_bytes` is no positive whole number.

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
    if max_bytes is not None:
        whole("max_bytes", max_bytes)
    folder = Path(folder)
    outputs = {role: _read_outputs(folder / f"data_{role}_output.pkl") for role in ("feature", "attribute")}
    path = folder / f"data_{part}.npz"
    arrays = _read_arrays(path, max_bytes)
    feature, attribute, flag = (arrays[f"data_{key}"] for key in ("feature", "attribute", "gen_flag"))
    n, time = flag.shape
    expected = {
        "data_feature": (n, time, _width(outputs["feature"])),
        "data_attribute": (n, _width(outputs["attribute"])),
    }
    for key, shape in expected.items():
        if arrays[key].shape != shape:
            described = str(folder / f"{key}_output.pkl")
            raise FileFormatError(f"{str(path)!r}: {key} has shape {arrays[key].shape}; {described!r} says {shape}.")
    length = (flag > 0.5).sum(1)
    if not ((flag > 0.5) == (np.arange(time) < length[:, None])).all() or (length == 0).any():
        raise FileFormatError(f"{str(path)!r}: data_gen_flag must be ones up to a series' end and zeros after it.")
    full = bool((length == time).all())
    scaled = 0  # continuous features so far
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
                    bounds = _range(arrays, scaled, path)
                    scaled += 1
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
    content = _file(path)
    if len(content) > 10**6:
        raise FileFormatError(f"{str(path)!r} is {len(content)} bytes long, too much for a list of outputs.")
    try:
        described = _unpickled(content)
        if not isinstance(described, list) or len(described) > _MOST:
            raise ValueError(f"it must be a list of at most {_MOST} Output")
        outputs = [_output(item) for item in described]
    except Exception as error:  # a damaged pickle can raise anything
        raise FileFormatError(f"{str(path)!r} is not a description of outputs: {error!s:.200}. {_AGAIN}") from error
    columns = sum(1 if kind == "DISCRETE" else dim for kind, _, dim in outputs)
    if columns > _MOST:
        raise FileFormatError(f"{str(path)!r} describes {columns} variables; at most {_MOST} are read.")
    return outputs


def _output(item: Any) -> tuple[str, str, int]:
    if not isinstance(item, _Output) or item.state.get("is_gen_flag"):
        raise ValueError("it must be a list of Output, none of them a generation flag")
    kind, scale, dim = (item.state.get(key) for key in ("type_", "normalization", "dim"))
    kind, scale = (value if isinstance(value, _Member) else "" for value in (kind, scale))
    known = kind == "DISCRETE" or (kind == "CONTINUOUS" and scale in ("ZERO_ONE", "MINUSONE_ONE"))
    if not known or type(dim) is not int or not 1 <= dim <= 10**5:
        width = dim if type(dim) is int and abs(dim) < 10**9 else f"no number in bounds ({type(dim).__name__})"
        raise ValueError(f"an Output of type {str(kind)!r:.40}, normalisation {str(scale)!r:.40}, width {width}")
    return str(kind), str(scale), dim


class _Global(str):
    """A name in a pickle that stands for a class or function."""


class _Output:
    """What a pickle says of an instance of the original's `output.Output`: its attributes, as the very dict there."""

    state: dict[str, Any] = {}  # noqa: RUF012 (never changed)


class _Member(str):
    """The value of a member of the original's enums, `output.OutputType` and `output.Normalization`."""


_GLOBALS = {
    ("output", "Output"): _Global("Output"),
    ("output", "OutputType"): _Global("an enum"),
    ("output", "Normalization"): _Global("an enum"),
    ("copy_reg", "_reconstructor"): _Global("_reconstructor"),
    ("copyreg", "_reconstructor"): _Global("_reconstructor"),
    ("__builtin__", "object"): _Global("object"),
    ("builtins", "object"): _Global("object"),
}
_KEYS = ("data_feature", "data_attribute", "data_gen_flag", "data_feature_min", "data_feature_max")
_HEADER = 20_000  # bytes; NumPy takes headers of up to 10,000
_AGAIN = "Fetch or copy it again from where the release is."
_MARK = object()
_MOST = 2000  # variables; the original's data have up to ten
_VALUES = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_EMPTY: dict[str, Callable[[], Any]] = {"EMPTY_LIST": list, "EMPTY_DICT": dict, "EMPTY_TUPLE": tuple}
_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
_NUMBERS = ("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1")
_TEXTS = ("STRING", "BINSTRING", "SHORT_BINSTRING", "UNICODE", "BINUNICODE", "SHORT_BINUNICODE")


def _unpickled(content: bytes) -> Any:
    """What a pickle of outputs describes, opcode by opcode; ValueError for any opcode that such a pickle has not.

    Each opcode moves what is there or makes one thing more, never a copy: the result has no more parts than the file
    has bytes. Keys are text, as the hash of nested tuples could take for ever.
    """
    stack: list[Any] = []
    memo: dict[int, Any] = {}

    def above_mark() -> list[Any]:
        start = len(stack) - 1
        while stack[start] is not _MARK:  # an IndexError below the last
            start -= 1
        items = stack[start + 1 :]
        del stack[start:]
        return items

    argument: Any
    for opcode, argument, _ in pickletools.genops(content):
        name = opcode.name
        if name in ("PROTO", "FRAME"):
            pass
        elif name in _NUMBERS + _TEXTS:
            stack.append(argument)
        elif name in _VALUES:
            stack.append(_VALUES[name])
        elif name == "MARK":
            stack.append(_MARK)
        elif name in _EMPTY:
            stack.append(_EMPTY[name]())
        elif name in ("GLOBAL", "STACK_GLOBAL"):
            module, _, attribute = argument.partition(" ") if name == "GLOBAL" else (stack.pop(-2), "", stack.pop())
            stack.append(_global(module, attribute))
        elif name in ("PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE"):
            memo[len(memo) if argument is None else argument] = stack[-1]
        elif name in ("GET", "BINGET", "LONG_BINGET"):
            stack.append(memo[argument])
        elif name in _TUPLES:
            stack[-_TUPLES[name] :] = [tuple(stack[-_TUPLES[name] :])]
        elif name in ("TUPLE", "LIST"):
            stack.append(tuple(above_mark()) if name == "TUPLE" else above_mark())
        elif name in ("APPEND", "APPENDS"):
            items = above_mark() if name == "APPENDS" else [stack.pop()]
            _typed(stack[-1], list).extend(items)
        elif name in ("DICT", "SETITEM", "SETITEMS"):
            items = [stack.pop(-2), stack.pop()] if name == "SETITEM" else above_mark()
            if name == "DICT":
                stack.append({})
            keys = [_typed(key, str) for key in items[::2]]
            _typed(stack[-1], dict).update(zip(keys, items[1::2], strict=True))
        elif name in ("REDUCE", "NEWOBJ"):
            arguments = _typed(stack.pop(), tuple)
            stack.append(_called(stack.pop(), arguments))
        elif name == "BUILD":
            state = _typed(stack.pop(), dict)
            _typed(stack[-1], _Output).state = state
        elif name == "STOP":
            return stack.pop()
        else:
            raise ValueError(f"it has the opcode {name}, which no output description needs")
    raise ValueError("it ends early")


def _typed(value: Any, kind: type) -> Any:
    if type(value) is not kind:
        raise ValueError(f"it has a {type(value).__name__} where a {kind.__name__} should be")
    return value


def _global(module: Any, name: Any) -> _Global:
    if type(module) is not str or type(name) is not str or (module, name) not in _GLOBALS:
        raise ValueError(f"it names {str(module)!r:.40} and {str(name)!r:.40}, which no output description needs")
    return _GLOBALS[module, name]


def _called(function: Any, arguments: tuple[Any, ...]) -> Any:
    """What a call in a pickle stands for: an Output, or a member of an enum. Nothing is called."""
    if type(function) is _Global:
        if function == "Output" and not arguments:
            return _Output()
        if function == "an enum" and len(arguments) == 1 and type(arguments[0]) is str:
            return _Member(arguments[0])
        if function == "_reconstructor" and len(arguments) == 3:
            return _reconstructor(*arguments)
    raise ValueError("it calls something that makes no output description")


def _reconstructor(kind: Any, base: Any, state: Any) -> _Output:
    """copy_reg's, for the original's Output alone."""
    if type(kind) is not _Global or kind != "Output":
        raise ValueError("it rebuilds something that is no output description")
    return _Output()


def _file(path: Path) -> bytes:
    if not os.path.exists(path):
        raise FileFormatError(f"no file {str(path)!r}; a folder of the original release holds it.")
    return contents(path)


def _read_arrays(path: Path, max_bytes: int | None) -> dict[str, np.ndarray]:
    """The arrays of an npz file that a release is made of, no pickles opened, within `max_bytes`."""
    content = _file(path)
    left = most = limit(len(content), max_bytes)
    arrays = {}
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive, np.errstate(over="ignore"):  # infinite: refused below
            members = {item.filename: item for item in archive.infolist()}
            end = content.rfind(b"PK\5\6")  # the record at the end, which tells how many there are
            if int.from_bytes(content[end + 10 : end + 12], "little") not in (len(archive.infolist()), 0xFFFF):
                raise ValueError("its list of members is damaged")
            for key in _KEYS:
                member = members.get(f"{key}.npy")
                if member is None:
                    continue
                left -= _declared(archive, member)
                if left < 0:
                    raise too_much("declares", most - left, most)
                with archive.open(member) as file:
                    array = np.lib.format.read_array(file, allow_pickle=False)
                arrays[key] = np.asarray(array, np.float32 if array.ndim > 1 else None)
    except TooMuchError as error:
        raise FileFormatError(f"{str(path)!r} {error}") from None
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError) as error:
        raise damaged(path, "an npz file", "have it written anew", ends=b"PK\5\6" in content[-(2**16) :]) from error
    except Exception as error:  # header and number errors of many kinds
        raise FileFormatError(f"{str(path)!r} is not an npz file of numbers: {error!s:.200}. {_AGAIN}") from error
    if ("data_feature_min" in arrays) != ("data_feature_max" in arrays):
        raise FileFormatError(f"{str(path)!r} has one of data_feature_min and data_feature_max; give both, or none.")
    for key, ndim in (("data_feature", 3), ("data_attribute", 2), ("data_gen_flag", 2)):
        if key not in arrays or arrays[key].ndim != ndim or arrays[key].size == 0:
            raise FileFormatError(f"{str(path)!r}: {key} with {ndim} dims is missing or empty.")
        if not np.isfinite(arrays[key]).all():
            raise FileFormatError(f"{str(path)!r}: {key} has NaN or infinite values.")
    return arrays


def _declared(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> int:
    """Bytes that a member takes once it is read, by what its header says, which must be what the archive says."""
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise ValueError(f"{member.filename} is compressed in a way that NumPy does not write")
    with archive.open(member) as file:
        head = io.BytesIO(file.read(_HEADER))  # no more, whatever length the header says it has
    version = np.lib.format.read_magic(head)
    shape, _, dtype = getattr(np.lib.format, f"read_array_header_{version[0]}_0")(head)
    if dtype.hasobject or dtype.kind not in "fiub":
        raise ValueError(f"{member.filename} holds {dtype!s:.40}, not numbers")
    size = math.prod(shape)
    if size * dtype.itemsize + head.tell() != member.file_size:
        raise ValueError(f"{member.filename} declares more than it holds, or less")
    return size * max(dtype.itemsize, 8)
