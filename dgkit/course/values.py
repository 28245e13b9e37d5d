"""An answer as bytes and back, between a process that is not trusted and one that judges: no pickle, nothing that runs.

Eight bytes with the length of a JSON text, the text, then the arrays' bytes one after another. What can be an answer:
None, numbers, text, lists, tuples, sets, dicts, arrays, tensors, DataArrays, Datasets (reports too) and a Config.
Left out: functions, which have to be looked at where they are.
"""

import dataclasses
import json
import math
from typing import Any

import numpy as np
import xarray as xr

from dgkit import metrics
from dgkit._plain import made
from dgkit.core.config import Config

LARGEST = 2 * 10**8  # bytes of an answer
_DEEPEST = 20
_KINDS = "?biufcmMUS"  # of numbers, dates and text


class NotPlainError(ValueError):
    """The answer, or what was sent for one, is nothing that can be judged."""


def pack(value: Any) -> bytes:
    """Raises NotPlainError for what cannot be packed."""
    arrays: list[bytes] = []
    try:
        text = json.dumps(_plain(value, arrays, 0)).encode()
    except (ValueError, TypeError, RecursionError, OverflowError) as error:
        raise NotPlainError(str(error)) from error
    if len(text) + sum(map(len, arrays)) > LARGEST:
        raise NotPlainError("it is larger than any answer that is asked for")
    return b"".join([len(text).to_bytes(8, "big"), text, *arrays])


def unpack(content: bytes) -> Any:
    """Raises NotPlainError for what `pack` did not pack."""
    try:
        end = 8 + int.from_bytes(content[:8], "big")
        return _value(json.loads(content[8:end]), memoryview(content)[end:])
    except NotPlainError:
        raise
    except Exception as error:  # xarray and Config have errors of many kinds for what does not fit together
        raise NotPlainError(f"what was sent is damaged ({type(error).__name__})") from error


def _plain(value: Any, arrays: list[bytes], depth: int) -> Any:
    """What JSON can hold: an atom as it is, all else as [kind, content]."""
    if depth > _DEEPEST:
        raise NotPlainError("it goes too deep")

    def each(values: Any) -> list[Any]:
        return [_plain(item, arrays, depth + 1) for item in values]

    kind = type(value)
    if value is None or kind in (bool, int, float, str):
        return value
    if kind in (list, tuple, set, frozenset):
        return [kind.__name__, each(value)]
    if kind is dict:
        return ["dict", [each(pair) for pair in value.items()]]
    if isinstance(value, np.generic):
        return ["scalar", _array(np.asarray(value), arrays)]
    if isinstance(value, xr.Dataset):
        names = [[_plain(name, arrays, depth + 1), _variable(value[name], arrays, depth)] for name in value.variables]
        kept = ["report" if isinstance(value, metrics.Report) else "dataset", names, each(value.coords)]
        return [*kept, _plain(dict(value.attrs), arrays, depth + 1)]
    if isinstance(value, xr.DataArray):
        coords = [[_plain(name, arrays, depth + 1), _variable(value[name], arrays, depth)] for name in value.coords]
        return [
            "dataarray",
            _variable(value, arrays, depth),
            coords,
            value.name if isinstance(value.name, str) else None,
        ]
    if isinstance(value, Config):
        return ["config", dataclasses.asdict(value)]
    if isinstance(value, np.ndarray):
        return ["array", _array(value, arrays)]
    if kind.__module__ == "torch" and hasattr(value, "detach"):
        return ["tensor", _array(value.detach().cpu().numpy(), arrays)]
    raise NotPlainError(f"this is {kind.__name__!r:.60}, which is not what was asked for")


def _array(values: np.ndarray, arrays: list[bytes]) -> list[Any]:
    objects = values.dtype.kind == "O"
    if objects:  # text, as pandas has it
        if not all(isinstance(item, str) for item in values.flat):
            raise NotPlainError("it holds an array of Python objects")
        values = values.astype(str)
    if values.dtype.kind not in _KINDS:
        raise NotPlainError(f"it holds an array of {values.dtype}")
    arrays.append(np.ascontiguousarray(values).tobytes())
    return [values.dtype.str, list(values.shape), sum(map(len, arrays[:-1])), objects]


def _variable(values: xr.DataArray, arrays: list[bytes], depth: int) -> list[Any]:
    attrs = _plain(dict(values.attrs), arrays, depth + 1)
    return [list(map(str, values.dims)), _array(np.asarray(values.values), arrays), attrs]


def _value(plain: Any, data: memoryview) -> Any:
    if not isinstance(plain, list):
        return plain
    kind, content, *rest = plain
    if kind in _MANY:
        return _MANY[kind](_value(item, data) for item in content)
    if kind == "dict":
        return {_value(name, data): _value(item, data) for name, item in content}
    if kind in ("scalar", "array", "tensor"):
        array = _numbers(content, data)
        return array[()] if kind == "scalar" else array if kind == "array" else _tensor(array)
    if kind in ("dataset", "report"):
        coords, attrs = rest
        variables = {_value(name, data): _labelled(item, data) for name, item in content}
        found = xr.Dataset(variables, attrs=_value(attrs, data)).set_coords([_value(name, data) for name in coords])
        return metrics.Report(found.data_vars, found.coords, found.attrs) if kind == "report" else found
    if kind == "dataarray":
        coords, name = rest
        dims, values, attrs = _labelled(content, data)
        return xr.DataArray(
            values, {_value(key, data): _labelled(item, data) for key, item in coords}, dims, name, attrs
        )
    if kind == "config":
        return made(Config, content, "the answer")
    raise NotPlainError(f"unknown kind {kind!r:.60}")


_MANY = {"list": list, "tuple": tuple, "set": set, "frozenset": frozenset}


def _labelled(plain: Any, data: memoryview) -> tuple[list[str], np.ndarray, dict[str, Any]]:
    dims, values, attrs = plain
    return dims, _numbers(values, data), _value(attrs, data)


def _numbers(plain: Any, data: memoryview) -> np.ndarray:
    kind, shape, start, objects = plain
    dtype = np.dtype(str(kind))
    if dtype.kind not in _KINDS or dtype.hasobject:
        raise NotPlainError(f"an array of {dtype}")
    size = math.prod(shape) * dtype.itemsize
    values = np.frombuffer(data[start : start + size], dtype).reshape(shape) if size else np.zeros(shape, dtype)
    return values.astype(object) if objects else values.copy()


def _tensor(values: np.ndarray) -> Any:
    import torch  # only here: most answers are none

    return torch.from_numpy(values)
