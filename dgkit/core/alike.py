"""Whether data go with what a model was trained on; each error says what differs and names the way out."""

from typing import Any

import numpy as np
import xarray as xr

from dgkit._comparable import check_times, check_units
from dgkit.core.scales import Scale
from dgkit.errors import SchemaError
from dgkit.schema import Schema, Variable, validate


def series_of(schema: Schema, ds: xr.Dataset) -> xr.Dataset:
    """The schema's own variables in `ds`, which has all its features in their units, over as many such steps."""
    missing = [variable.name for variable in schema.features if variable.name not in ds]
    if missing or ds.sizes["time"] != schema.time:
        what = f"feature {missing[0]!r} is missing" if missing else f"the series have {ds.sizes['time']} steps"
        raise SchemaError(f"{what}; these data are not of the schema of {schema.time} steps trained on.")
    sets = "the data that the model was trained on", "these"
    for variable in schema.features:
        check_units(variable.name, variable.attrs, ds[variable.name].attrs, sets)
    check_times(schema, ds, sets)
    own = [variable.name for variable in (*schema.features, *schema.attributes) if variable.name in ds]
    validate(ds[own + ["length"] * ("length" in ds)], training=False)
    return ds[own]


def attribute_of(variable: Variable, ds: xr.Dataset) -> np.ndarray:
    """The values (N,) of an attribute, in its unit."""
    if variable.name not in ds:
        raise SchemaError(f"attribute {variable.name!r} is missing; the model was trained with it. Add it.")
    if ds[variable.name].dims != ("sample",):
        raise SchemaError(
            f"attribute {variable.name!r} has dims {ds[variable.name].dims}; its values belong on ('sample',)."
        )
    check_units(variable.name, variable.attrs, ds[variable.name].attrs, ("the data of the model", "these"))
    return np.asarray(ds[variable.name].values)


def numbers(raw: np.ndarray, variable: Variable) -> np.ndarray:
    """Values of a continuous variable as float64."""
    if raw.dtype.kind not in "fiub":
        name = variable.name
        raise SchemaError(
            f"{variable.role} {name!r} has dtype {raw.dtype}; the model was trained on numbers. "
            f"Mend: ds[{name!r}] = ds[{name!r}].astype(float)"
        )
    return raw.astype(np.float64)


def check_range(raw: np.ndarray, scale: Scale, variable: Variable) -> None:
    """SchemaError for an attribute that is, rounding aside, not within its scale."""
    values = numbers(raw, variable)
    slack = 1e-6 * (scale.high - scale.low)
    inside = (values >= scale.low - slack) & (values <= scale.high + slack)
    if not inside.all():
        i = int(inside.argmin())
        raise SchemaError(
            f"attribute {variable.name!r} is {values[i]:.10g} at sample {i} ({(~inside).sum()} such values), not in "
            f"the range {scale.low:.10g} to {scale.high:.10g} that the model was trained on. Leave these samples out, "
            "or train on data that hold such values."
        )


def one_hot(raw: np.ndarray, variable: Variable, valid: Any = True) -> np.ndarray:
    """Categories as (..., categories), 1 for the one that it is; SchemaError for an unknown one where `valid`."""
    table = raw[..., None] == np.asarray(variable.categories)
    unknown = valid & ~table.any(-1)
    if unknown.any():
        first = raw[unknown][:1].tolist()[0]
        raise SchemaError(
            f"{variable.role} {variable.name!r} has the value {first!r}, which is none of the categories the "
            f"model knows: {', '.join(map(repr, variable.categories))}."
        )
    return table
