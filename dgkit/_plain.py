"""Dataclasses from the JSON of a file, checked by their own annotations before they are made.

A table of the fields beside the dataclasses would say them twice. (jsonschema takes 3.0 for an integer and NaN for a
number; what else a value may be, the dataclasses check themselves.)
"""

from collections.abc import Collection
from dataclasses import MISSING, fields, is_dataclass
from functools import cache
from types import NoneType, UnionType
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from dgkit._checks import shown
from dgkit.errors import FileFormatError

Made = TypeVar("Made")
DEEPEST = 64  # lists in lists, as many as NumPy has dims


def made(kind: type[Made], value: Any, where: str) -> Made:
    """What JSON gave, as a dataclass of this kind, its fields in the form that they are annotated with.

    Parameters
    ----------
    kind : type
        Its fields may be str, int, float, bool, `T | None`, tuples, dicts by name, and dataclasses. `Any` stands for
        what attrs hold: text, numbers, booleans, None, and lists of these.
    value
        Of `json.loads`.
    where : str
        What it is part of, for the message.

    Raises
    ------
    FileFormatError
        A name that is missing or unknown, or a value of another type.
    """
    return _as(kind, value, where)


def check_names(value: Any, needed: Collection[str], where: str, optional: Collection[str] = ()) -> None:
    """FileFormatError unless the value is an object of JSON with these names and no others."""
    if not isinstance(value, dict):
        raise FileFormatError(f"{where} is {shown(value)}, not an object with names")
    for name in needed:
        if name not in value:
            raise FileFormatError(f"{where} lacks {name!r}")
    for name in value:
        if name not in needed and name not in optional:
            raise FileFormatError(f"{where} has {shown(name)}, which this version of dgkit does not know")


def _as(kind: Any, value: Any, where: str) -> Any:
    origin, inner = get_origin(kind), get_args(kind)
    if origin in (Union, UnionType):
        if value is None and NoneType in inner:
            return None
        return _as(next(one for one in inner if one is not NoneType), value, where)
    if is_dataclass(kind) and not isinstance(value, kind):  # type: ignore[arg-type]
        needed = [f.name for f in fields(kind) if f.default is MISSING and f.default_factory is MISSING]
        check_names(value, needed, where, [f.name for f in fields(kind)])
        hints = _hints(kind)  # type: ignore[arg-type]
        return kind(**{name: _as(hints[name], one, f"{where}, {name}") for name, one in value.items()})  # type: ignore[operator]
    if origin is tuple and isinstance(value, list):
        kinds = (inner[0],) * len(value) if inner[1:] == (...,) else inner
        if len(kinds) == len(value):
            return tuple(_as(k, v, f"{where}[{i}]") for i, (k, v) in enumerate(zip(kinds, value, strict=True)))
    if origin is dict and isinstance(value, dict):
        return {name: _as(inner[1], one, f"{where}, {shown(name)}") for name, one in value.items()}
    if kind is Any:
        right = _is_plain(value)
    elif isinstance(value, bool) or kind is bool:
        right = isinstance(value, bool) and kind is bool
    elif isinstance(value, int):
        right = kind in (int, float) and -(2**63) <= value < 2**64
    else:  # text, a float, a dataclass that is made already
        right = isinstance(kind, type) and isinstance(value, kind)
    if right:
        return value
    wanted = "a value of attrs" if kind is Any else f"of type {getattr(kind, '__name__', kind)}"
    raise FileFormatError(f"{where} is {shown(value)}, not {wanted}")


@cache  # a schema has thousands of variables
def _hints(kind: Any) -> dict[str, Any]:
    return get_type_hints(kind)


def _is_plain(value: Any, deep: int = 0) -> bool:
    """Whether this can be a value of attrs."""
    if isinstance(value, list):
        return deep < DEEPEST and all(_is_plain(one, deep + 1) for one in value)
    return value is None or isinstance(value, str | int | float | bool)
