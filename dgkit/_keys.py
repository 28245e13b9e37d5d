"""What a stored result depends on, as JSON: the data it was computed of, and the function that measured it.

Left out: what a function takes from files and from other modules, whose versions are their own affair.
"""

import dis
import hashlib
import json
from functools import partial
from itertools import chain
from types import CodeType, FunctionType, MethodType
from typing import Any

import numpy as np
import xarray as xr

from dgkit.datasets import data_hash


def said_of(value: Any, module: str | None = None, seen: tuple[Any, ...] = ()) -> Any:
    """JSON that changes with a dataset, or with what a function does, as far as that can be seen.

    Of a function: its name, code and defaults, and what it takes from outside: numbers, texts, arrays, datasets, and in
    the same way the functions of its own module. Of all else the type and name: what a list or an object holds may
    change while the function runs, which may count its calls, and so says nothing of what it does.

    Examples
    --------
    >>> said_of(lambda model: model.sample(10)) == said_of(lambda model: model.sample(11))
    False
    """
    inside = module, seen
    match value:
        case None | bool() | int() | float() | complex() | str() | bytes() | np.generic():
            return repr(value)
        case tuple():
            return [said_of(part, *inside) for part in value]
        case xr.Dataset():
            order = list(map(str, value.data_vars))  # that of the network's inputs
            return [data_hash(value), order, [_form(value[name].variable) for name in sorted(value.variables, key=str)]]
        case xr.DataArray():
            return said_of(value.to_dataset(name="a DataArray's values"), *inside)
        case np.ndarray() if value.dtype != object:
            return [value.dtype.str, value.shape, hashlib.sha256(value.tobytes()).hexdigest()]
        case partial():
            return said_of((value.func, value.args, *sorted(value.keywords.items())), *inside)
        case MethodType():
            return said_of((type(value.__self__), value.__func__), *inside)
        case FunctionType():
            return _function(value, module or value.__module__, seen)
    call = getattr(value, "__wrapped__", None) or getattr(type(value), "__call__", None)  # noqa: B004 (the function)
    name = f"{_name(type(value))} {_name(value)}"
    return [name, said_of(call, *inside)] if isinstance(call, FunctionType) else name


def _function(function: FunctionType, module: str, seen: tuple[Any, ...]) -> Any:
    if function in seen or function.__module__ != module:
        return _name(function)
    code, seen = function.__code__, (*seen, function)
    read, written = _outer_names(code)
    cells = zip(code.co_freevars, function.__closure__ or (), strict=True)
    outer = {name: function.__globals__[name] for name in read if name in function.__globals__}
    outer |= {name: cell.cell_contents for name, cell in cells if _filled(cell)}
    taken = {name: said_of(value, module, seen) for name, value in outer.items() if name not in written}
    defaults = function.__defaults__, *sorted((function.__kwdefaults__ or {}).items())
    return [_name(function), _code(code), said_of(defaults, module, seen), taken]


def _outer_names(code: CodeType) -> tuple[set[str], set[str]]:
    """Names that a function reads of its module, and those that it sets, there or in the functions around it."""
    steps = list(chain.from_iterable(map(dis.get_instructions, _with_inner(code))))
    read = {step.argval for step in steps if step.opname in ("LOAD_GLOBAL", "LOAD_NAME")}
    return read, {step.argval for step in steps if step.opname in ("STORE_GLOBAL", "STORE_DEREF")}


def _with_inner(code: CodeType) -> list[CodeType]:
    """The code of a function, and of those defined in it."""
    inner = (_with_inner(const) for const in code.co_consts if isinstance(const, CodeType))
    return [code, *chain.from_iterable(inner)]


def _code(code: CodeType) -> Any:
    return [[part.co_code.hex(), part.co_names, list(map(_const, part.co_consts))] for part in _with_inner(code)]


def _const(const: Any) -> Any:
    """Not `repr`: that of code has an address, and that of a set the order of this process."""
    if isinstance(const, tuple):
        return list(map(_const, const))
    if isinstance(const, frozenset):
        return sorted(map(repr, const))
    return "code" if isinstance(const, CodeType) else repr(const)


def _form(variable: xr.Variable) -> Any:
    """Type and attrs of a variable, which say how it is scaled and what its categories are; the same from a file."""
    attrs = {str(key): np.atleast_1d(value).tolist() for key, value in variable.attrs.items()}
    dtype = "text" if variable.dtype.kind in "OSTU" else variable.dtype.str
    return [dtype, json.dumps(attrs, sort_keys=True, default=str)]


def _name(value: Any) -> str:
    name = getattr(value, "__qualname__", getattr(value, "__name__", ""))
    return f"{getattr(value, '__module__', '')}.{name}"


def _filled(cell: Any) -> bool:
    """Whether a name of a function around has a value yet."""
    try:
        return cell.cell_contents is not cell
    except ValueError:
        return False
