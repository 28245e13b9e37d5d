"""Attributes that are given to a model, to generate series for: as they are, and in its own dtypes to encode."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from dgkit._checks import whole
from dgkit.errors import ConfigError, SchemaError
from dgkit.schema import Schema, check_dtype, known_dtype


def filled(schema: Schema, values: Mapping[str, Any], n: int | None) -> xr.Dataset:
    """One value of each attribute, n times."""
    if n is None:
        raise ConfigError("sample(attributes={...}) needs n: how many series for these attributes.")
    whole("n", n)
    dtypes = {variable.name: np.dtype(variable.dtype) for variable in schema.attributes}
    for name, value in values.items():
        if name not in dtypes or np.shape(value) not in ((), (n,)):
            known = ", ".join(map(repr, dtypes)) or "none"
            what = f"has the shape {np.shape(value)}" if name in dtypes else f"is no attribute; the model has {known}"
            raise SchemaError(f"attributes[{name!r}] {what}. Give one value of each, or a Dataset with a row a series.")
    return xr.Dataset({k: ("sample", _exactly(np.full(n, v), dtypes[k])) for k, v in values.items()})


def asked_of(schema: Schema, ds: xr.Dataset) -> xr.Dataset:
    """The schema's attributes in `ds` with the `sample` coordinate, as they are but for dtypes that no dataset has."""
    own = {variable.name: np.dtype(variable.dtype) for variable in schema.attributes if variable.name in ds}
    asked = ds[list(own)]
    asked = asked.drop_vars([name for name in asked.coords if name not in asked.indexes])
    for name, wanted in own.items():
        values = asked[name].values
        alike = values.dtype.kind == wanted.kind or {values.dtype.kind, wanted.kind} <= set("fiu")
        if not alike or not known_dtype(values.dtype, "attribute"):
            asked[name] = asked[name].copy(data=_exactly(values, wanted))
        check_dtype(name, "attribute", asked[name])
    return asked


def _exactly(values: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """In another dtype, where that changes no value; else as they are."""
    plain = values.astype(object)  # Python compares numbers exactly
    try:
        with np.errstate(all="ignore"):
            cast = plain.astype("U" if dtype.kind == "U" else dtype)
    except (TypeError, ValueError, OverflowError):
        return values
    return cast if np.array_equal(cast.astype(object), plain) else values
