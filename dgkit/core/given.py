"""What `sample` is asked for: attributes, as they are and in the model's own dtypes to encode; another length."""

import warnings
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import xarray as xr

from dgkit._checks import many
from dgkit.core.encode import Encoder
from dgkit.errors import ConfigError, SchemaError
from dgkit.schema import Schema, check_dtype, known_dtype


def asked_of(schema: Schema, attributes: Any, n: int | None) -> tuple[xr.Dataset, xr.Dataset]:
    """What `sample` is asked for, a row a series; and these rows in the model's own dtypes, to encode.

    The first has the schema's attributes alone with the `sample` coordinate, as they are but for dtypes that no dataset
    has. Raises ConfigError where n says otherwise, SchemaError where they are no attributes of the schema's.
    """
    ds = _rows(schema, attributes, n)
    own = {variable.name: np.dtype(variable.dtype) for variable in schema.attributes if variable.name in ds}
    asked = ds[list(own)]
    asked = asked.drop_vars([name for name in asked.coords if name not in asked.indexes])
    for name, wanted in own.items():
        values = asked[name].values
        if values.dtype.kind in "mM":  # which would pass for the number of nanoseconds
            raise SchemaError(
                f"attribute {name!r} is a {'date' if values.dtype.kind == 'M' else 'duration'} ({values.dtype}); the "
                f"model was trained on {'text' if wanted.kind == 'U' else 'numbers'}. Give what the training data have."
            )
        alike = values.dtype.kind == wanted.kind or {values.dtype.kind, wanted.kind} <= set("fiu")
        if not alike or not known_dtype(values.dtype, "attribute"):
            asked[name] = asked[name].copy(data=_exactly(values, wanted))
        check_dtype(name, "attribute", asked[name])
    return asked, ds.assign(asked.data_vars)


def as_given(ds: xr.Dataset, asked: xr.Dataset | None) -> xr.Dataset:
    """Generated series, the attributes that were asked for as they were given: only the generator sees float32."""
    if asked is None:
        return ds
    for name, da in asked.items():
        ds[name] = ("sample", da.values, {**ds[name].attrs, **da.attrs})
    return ds.assign_coords(asked.coords)


def _rows(schema: Schema, attributes: Any, n: int | None) -> xr.Dataset:
    """The attributes that `sample` was given as a Dataset, a row a series; ConfigError where n says otherwise."""
    if not isinstance(attributes, xr.Dataset | Mapping):
        table = " Of a pandas table: df.rename_axis('sample').to_xarray()." if hasattr(attributes, "columns") else ""
        raise SchemaError(
            f"attributes= is a {type(attributes).__name__}, no Dataset with a row a series, and no mapping of names to "
            f"one value each.{table}"
        )
    if not isinstance(attributes, xr.Dataset):
        return _filled(schema, attributes, n)
    names = [variable.name for variable in schema.attributes if variable.name in attributes]
    attributes = attributes.reset_coords([name for name in names if name in attributes.coords])
    for name in names:
        if attributes[name].dims != ("sample",):
            raise SchemaError(
                f"attribute {name!r} has the dims {attributes[name].dims}; give a row a series: dims ('sample',)."
            )
    rows = attributes.sizes.get("sample", 0)
    if n not in (None, rows):
        raise ConfigError(f"n={n} but `attributes` has {rows} rows. Leave n out, or select n rows.")
    return attributes


def _filled(schema: Schema, values: Mapping[str, Any], n: int | None) -> xr.Dataset:
    """One value of each attribute, n times."""
    if n is None:
        raise ConfigError("sample(attributes={...}) needs n: how many series for these attributes.")
    many(n, schema.time, len(schema.features))
    dtypes = {variable.name: np.dtype(variable.dtype) for variable in schema.attributes}
    for name, value in values.items():
        if name not in dtypes or np.shape(value) not in ((), (n,)):
            known = ", ".join(map(repr, dtypes)) or "none"
            what = f"has the shape {np.shape(value)}" if name in dtypes else f"is no attribute; the model has {known}"
            raise SchemaError(f"attributes[{name!r}] {what}. Give one value of each, or a Dataset with a row a series.")
    return xr.Dataset({k: ("sample", _exactly(np.full(n, v), dtypes[k])) for k, v in values.items()})


def _exactly(values: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """In another dtype, where that changes no value; else as they are."""
    if values.dtype.kind in "mM":
        return values
    plain = values.astype(object)  # Python compares numbers exactly
    try:
        with np.errstate(all="ignore"):
            cast = plain.astype("U" if dtype.kind == "U" else dtype)
    except (TypeError, ValueError, OverflowError):
        return values
    return cast if np.array_equal(cast.astype(object), plain) else values


def lasting(encoder: Encoder, steps: int) -> Encoder:
    """The encoder for series of another number of steps; says what is not known of them."""
    trained, schema = encoder.schema, encoder.schema.lasting(steps)
    if steps > trained.time:
        if encoder.passes == 1:
            raise ConfigError(
                f"length={steps} is more than the {trained.time} steps trained on, and this model makes a series in "
                f"one pass (sample_len={encoder.sample_len}): its LSTM never learned to go on. Train with a smaller "
                "sample_len, or leave length out."
            )
        lost = trained.time_coordinate is not None and schema.time_coordinate is None
        warnings.warn(
            f"memory ends: the discriminator never saw beyond T = {trained.time} steps, so nothing says that the "
            f"last {steps - trained.time} of {steps} look like the data."
            + " The time coordinate is left out, for it cannot go on in a regular step."
            * lost,
            stacklevel=4,
        )
    return replace(encoder, schema=schema)
