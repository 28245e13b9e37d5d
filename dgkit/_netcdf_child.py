"""What a NetCDF file holds, by the C library that reads it; run as a script, as the child process of `dgkit._netcdf`.

It gets a file's bytes on its standard input and writes an npz: what was found, as JSON, and the arrays. Damaged files
make the C library take gigabytes, run for ever or end the process, so this process has limits and may die. It imports
nothing of dgkit, to start fast.
"""

import io
import itertools
import json
import math
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import numpy as np

Contents = tuple[dict[str, Any], dict[str, tuple[tuple[str, ...], np.ndarray, dict[str, Any]]]]
TEXT = 64  # bytes that a text or a date may take as a Python object

_numbers = itertools.count()  # a name of its own for each file in memory


class TooMuchError(ValueError):
    """Content is larger than it may be; the message follows the file's name."""


def too_much(what: str, found: int, most: int) -> TooMuchError:
    return TooMuchError(
        f"{what} {found / 1e6:,.0f} MB, over the bound of {most / 1e6:,.0f} MB for a file of this size. If you trust "
        f"it, give max_bytes={found}."
    )


def contents(content: bytes, group: str | None, most: int) -> Contents:
    """Attrs and variables of a group, not yet decoded; declared sizes are compared with `most` before any is read."""
    import netCDF4  # here: it takes its time, and not all who know of this module need it

    with netCDF4.Dataset(f"memory {next(_numbers)}", memory=content) as file:
        file.set_auto_maskandscale(False)
        file.set_auto_chartostring(False)
        here = file if group is None else file[group]
        if not isinstance(here, netCDF4.Dataset):
            raise ValueError(f"{group!r} is no group")
        needed = sum(_size(variable) for variable in here.variables.values())
        if needed > most:
            raise too_much("declares", needed, most)
        variables = {}
        for name, variable in here.variables.items():
            values = _texts(variable, len(content), most) if variable.dtype is str else np.asarray(variable[...])
            variables[name] = (variable.dimensions, values, _attrs(variable))
        return _attrs(here), variables


def fixed_width(values: np.ndarray, most: int) -> np.ndarray:
    """An array of str objects as one of fixed-width strings, as wide as the longest."""
    needed = 4 * values.size * max(map(len, values.flat), default=0)
    if needed > most:
        raise too_much("holds texts that as fixed-width strings take", needed, most)
    return values.astype(str)


def _attrs(item: Any) -> dict[str, Any]:
    return {key: item.getncattr(key) for key in item.ncattrs()}


def _size(variable: Any) -> int:
    """Bytes that a variable takes once it is decoded, by what the file declares."""
    import netCDF4

    if variable.dtype is not str and isinstance(variable.datatype, netCDF4.VLType | netCDF4.CompoundType):
        raise ValueError(f"variable {variable.name!r:.60} is of a type of its own, not numbers or text")
    dates = "units" in variable.ncattrs() and " since " in str(variable.getncattr("units"))
    each = TEXT if variable.dtype is str or dates else max(np.dtype(variable.dtype).itemsize, 8)
    return math.prod(variable.shape) * each


def _texts(variable: Any, size: int, most: int) -> np.ndarray:
    """A few at a time, as many cells may point at one text, which is as long as the file at most."""
    values, taken = np.empty(variable.shape, object), 0
    for where in _blocks(variable.shape, max(1, most // max(size, 1))):
        values[where] = variable[where]
        taken += sum(map(len, np.ravel(values[where])))
        if taken > most:
            raise too_much("holds texts that take", taken, most)
    return fixed_width(values, most)


def _blocks(shape: tuple[int, ...], step: int) -> Iterator[Any]:
    """Indices that cut an array into blocks of at most `step` values."""
    inner = math.prod(shape[1:])
    if not shape:
        yield ...
    elif inner <= step:
        rows = max(1, step // max(inner, 1))
        yield from (slice(start, start + rows) for start in range(0, shape[0], rows))
    else:
        for row in range(shape[0]):
            for rest in _blocks(shape[1:], step):
                yield (row, *(rest if isinstance(rest, tuple) else (rest,)))


# -- between the two processes: JSON, in which a number or an array is the name of an array beside it ------------------


def packed(found: Contents) -> bytes:
    """The contents as an npz without pickles."""
    arrays: dict[str, np.ndarray] = {}

    def beside(value: Any) -> Any:
        if isinstance(value, str) or (isinstance(value, list) and all(isinstance(item, str) for item in value)):
            return value
        arrays[name := f"a{len(arrays)}"] = np.asarray(value)
        return {"array": name, "scalar": isinstance(value, np.generic)}

    attrs, variables = found
    plain = [
        {key: beside(value) for key, value in attrs.items()},
        [
            [name, dims, beside(values), {key: beside(value) for key, value in their.items()}]
            for name, (dims, values, their) in variables.items()
        ],
    ]
    file = io.BytesIO()
    np.savez(file, allow_pickle=False, plain=np.frombuffer(json.dumps(plain).encode(), np.uint8), **arrays)
    return file.getvalue()


def unpacked(content: bytes) -> Contents:
    """What `packed` packed."""
    with np.load(io.BytesIO(content), allow_pickle=False) as file:

        def back(value: Any) -> Any:
            if isinstance(value, str | list):
                return value
            array = file[value["array"]]
            return array[()] if value["scalar"] else array

        attrs, variables = json.loads(file["plain"].tobytes())
        return {key: back(value) for key, value in attrs.items()}, {
            name: (tuple(dims), back(values), {key: back(value) for key, value in their.items()})
            for name, dims, values, their in variables
        }


def _limit(most: int, size: int) -> None:
    """Memory and processor time of this process, by the size of the file; Windows has no such limits."""
    try:
        import resource
    except ImportError:
        return
    seconds = math.ceil(time.process_time()) + 2 + size // 10**7
    for what, bound in (
        (resource.RLIMIT_AS, 2**29 + 3 * most + 4 * size),
        (resource.RLIMIT_CPU, seconds),
        (resource.RLIMIT_CORE, 0),
    ):
        hard = resource.getrlimit(what)[1]
        with suppress(ValueError, OSError):  # a system that does not let this one be set
            resource.setrlimit(what, (bound if hard == resource.RLIM_INFINITY else min(bound, hard), hard))


if __name__ == "__main__":
    group, most = json.loads(sys.argv[1])
    content = sys.stdin.buffer.read()
    import netCDF4  # noqa: F401 (before the limits, which are for the file)

    _limit(most, len(content))
    try:
        answer = b"+" + packed(contents(content, group, most))
    except TooMuchError as error:
        answer = b">" + str(error).encode()
    except Exception as error:  # the library below has errors of many kinds
        answer = b"-" + str(error)[:200].encode("utf-8", "replace")
    sys.stdout.buffer.write(answer)
