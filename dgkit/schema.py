"""What a dataset is: an xarray Dataset of series (features), what is known about each (attributes), and their lengths.

- a feature is a variable on (sample, time): numbers, or strings for categories;
- an attribute is a variable on (sample,): numbers, or strings or booleans for categories (integers too, where
  `attrs["categories"]` lists them);
- `length`, optional, on (sample,), is the number of valid steps; past it numbers are NaN and strings empty. Integers
  know no NaN: whatever they hold past the end is not read, and generated ones are 0 there.

Read from a variable's attrs: `units`, `long_name`, `categories` (their order), `scale` ("log": spans decades),
`valid_min` and `valid_max` (bounds that are public knowledge; a feature's largest may be the name of an attribute, such
as a link's speed, of whose categories `numbers` then says what each is worth), `normalise` ("minusone_one" or
"zero_one": the range it is scaled to, in place of `Config.normalise`), `counts` (1: whole numbers), `zeros`
("inflated": exact zeros are an event of their own). `proposals` says where the data ask for one. Left out: how the
values become tensors (`encode`).
"""

import html
import json
import re
from collections import Counter
from collections.abc import Collection, Hashable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from itertools import pairwise
from numbers import Number
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from dgkit import _bounds
from dgkit._checks import mended, shown
from dgkit._plain import made
from dgkit._text import number
from dgkit.errors import FileFormatError, SchemaError

__all__ = ["Description", "Proposal", "Schema", "Variable", "describe", "lengths", "proposals", "validate"]
_BLOCK, _CHUNK = 2**26, 2**28  # bytes read together at most: of what is in memory or in a file, and of dask's chunks
TimeCoordinate = tuple[str, tuple[Any, ...], dict[str, Any]]  # dtype, values and attrs
_BOUNDS = {"valid_min", "valid_max"}
_LARGEST, _SMALLEST = float(np.finfo(np.float64).max / 8), 1e-300  # a value whose sums, a range whose parts are numbers
_NOT_CATEGORIES = 20  # from this many samples on, one category a sample is an identifier
_MOST_CATEGORIES = 100  # that a feature of text may have without saying so


@dataclass(frozen=True)
class Variable:
    """One feature or attribute.

    Parameters
    ----------
    name : str
    role : {"feature", "attribute"}
    kind : {"continuous", "categorical"}
    dtype : str
        NumPy's, e.g. "<f4", in this machine's byte order.
    categories : tuple
        In their order; empty for a continuous variable.
    attrs : dict
        Such as `units`; all but `categories`.

    Examples
    --------
    >>> Variable("load", "feature", "continuous", "<f8", attrs={"units": "W"}).kind
    'continuous'
    """

    name: str
    role: str
    kind: str
    dtype: str
    categories: tuple[Any, ...] = ()
    attrs: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Schema:
    """The form of a dataset, without its values.

    Parameters
    ----------
    features, attributes : tuple of Variable
    time : int
        T, the number of steps of the longest series.
    variable_length : bool
        Whether there is a `length`.
    time_coordinate : tuple (dtype, values, attrs), optional
        Of the time coordinate; datetimes as integers.
    attrs : dict
        The dataset's own.

    Examples
    --------
    >>> schema = validate(xr.Dataset({"load": (("sample", "time"), np.ones((2, 3)))}))
    >>> Schema.from_json(schema.to_json()) == schema
    True
    """

    features: tuple[Variable, ...]
    attributes: tuple[Variable, ...]
    time: int
    variable_length: bool
    time_coordinate: TimeCoordinate | None = None
    attrs: dict[str, Any] = field(default_factory=dict)

    def to_json(self) -> str:
        """The schema as text, of which `from_json` makes the same again."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "Schema":
        """The schema that `to_json` made the text of. Raises FileFormatError for any other text."""
        try:
            schema = made(cls, json.loads(text), "the schema")
        except (TypeError, RecursionError, json.JSONDecodeError) as error:
            raise FileFormatError(f"the schema is no text of JSON: {error}") from error
        _check_read(schema)
        return schema

    def lasting(self, steps: int) -> "Schema":
        """The same schema for another number of steps.

        A time coordinate is cut, or goes on in its step where that is the same throughout and its dtype holds the new
        values; else it is left out.

        Examples
        --------
        >>> days = xr.Dataset({"load": (("sample", "time"), np.ones((2, 3)))}, {"time": [0, 7, 14]})
        >>> validate(days).lasting(5).time_coordinate[1], validate(days).lasting(2).time_coordinate[1]
        ((0, 7, 14, 21, 28), (0, 7))
        """
        coordinate = self.time_coordinate
        if coordinate is not None:
            dtype, values, attrs = coordinate
            lasting = values[:steps] if steps <= self.time else _going_on(np.dtype(dtype), values, steps)
            coordinate = None if lasting is None else (dtype, lasting, attrs)
        return replace(self, time=steps, time_coordinate=coordinate)

    def dataset(self, values: Mapping[str, np.ndarray], length: np.ndarray | None = None) -> xr.Dataset:
        """A Dataset of this schema.

        Parameters
        ----------
        values : mapping
            Features (N, T) and attributes (N,) by name; cast as `cast` does.
        length : array of int, (N,), optional
            Valid steps; what lies past them is blanked: NaN, "", and 0 in integers. Needed where the schema has a
            variable length; where it has none, the Dataset has one all the same.
        """
        data: dict[str, Any] = {}
        valid = None if length is None else np.arange(self.time) < np.asarray(length)[:, None]
        for variable in (*self.features, *self.attributes):
            array = cast(values[variable.name], variable.dtype)
            if variable.role == "feature" and valid is not None:
                array = np.where(valid, array, _blank(array.dtype))
            order = {"categories": list(variable.categories)} if _lists_categories(variable) else {}
            data[variable.name] = (_DIMS[variable.role], array, {**variable.attrs, **order})
        if self.variable_length or length is not None:
            data["length"] = ("sample", np.asarray(length, np.int64), {"long_name": "valid steps"})
        coords = {}
        if self.time_coordinate is not None:
            dtype, steps, attrs = self.time_coordinate
            coords["time"] = ("time", np.array(steps).astype(dtype), attrs)
        return xr.Dataset(data, coords, self.attrs)


# attrs that say how a variable is to be read
READ = ("units", "long_name", "scale", "valid_min", "valid_max", "zeros", "counts", "normalise", "numbers")


def bare(schema: Schema) -> Schema:
    """The schema without notes: of all attrs only those in `READ`, since others may say anything of the data.

    Text is as wide as its widest category: the width that the data have may come from one that is not listed.

    Examples
    --------
    >>> ds = xr.Dataset({"load": (("sample", "time"), np.ones((2, 3)), {"units": "W"})}, attrs={"source": "Ann"})
    >>> bare(validate(ds)).attrs, bare(validate(ds)).features[0].attrs
    ({}, {'units': 'W'})
    """

    def kept(attrs: dict[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in attrs.items() if name in READ}

    def width(variable: Variable) -> str:
        text = variable.dtype.strip("<>=|").startswith("U")
        return np.array(variable.categories).dtype.str if text and variable.categories else variable.dtype

    time = schema.time_coordinate
    features, attributes = (
        tuple(replace(variable, attrs=kept(variable.attrs), dtype=width(variable)) for variable in variables)
        for variables in (schema.features, schema.attributes)
    )
    time = time if time is None else (*time[:2], kept(time[2]))
    return replace(schema, features=features, attributes=attributes, time_coordinate=time, attrs={})


_DIMS = {"feature": ("sample", "time"), "attribute": ("sample",)}


def cast(values: Any, dtype: str) -> np.ndarray:
    """Values in a schema's dtype: integers rounded and cut to what the dtype holds, text as wide as it needs.

    Examples
    --------
    >>> cast([1.6, 300.0, -2.0], "|u1")
    array([  2, 255,   0], dtype=uint8)
    """
    array, wanted = np.asarray(values), np.dtype(dtype)
    if wanted.kind == "U":
        return array.astype("U")
    if wanted.kind not in "iu" or (array.dtype.kind in "iu" and np.can_cast(array.dtype, wanted)):
        return array.astype(wanted)
    # the largest int64 is no float64: rounded up it would turn over into the smallest
    most, whole = np.iinfo(wanted).max, np.rint(array.astype(np.float64))
    below = np.clip(whole, np.iinfo(wanted).min, np.nextafter(float(most), 0))
    return np.where(whole > below, most, below.astype(wanted))


def validate(
    ds: xr.Dataset, *, training: bool = True, gaps: bool = False, mends: Mapping[str, str] | None = None
) -> Schema:
    """Check a dataset and tell its schema.

    Parameters
    ----------
    ds : Dataset
        In memory or dask-backed; a dask-backed one is read block by block.
    training : bool
        Also refuse what cannot be learned from: an attribute that is constant or an identifier. False: generated data.
    gaps : bool
        Accept missing values before a series' end, as ``from_table(..., gaps="keep")`` leaves them for `windows`.
    mends : mapping, optional
        What an error advises, by its kind, to a caller who has no `ds` yet. Readers give it.

    Returns
    -------
    Schema

    Raises
    ------
    SchemaError
        With what is wrong, where, and the call that mends it.

    Examples
    --------
    >>> ds = xr.Dataset({"load": (("sample", "time"), np.ones((2, 3)))})
    >>> [feature.name for feature in validate(ds).features]
    ['load']
    """
    if not isinstance(ds, xr.Dataset):
        raise SchemaError(f"a dataset must be an xarray.Dataset, not {type(ds).__name__}; see dgkit.from_table.")
    sizes = {str(dim): int(ds.sizes.get(dim, 0)) for dim in ("sample", "time")}
    for dim in sizes:
        if dim in ds.variables and ds[dim].dims != (dim,):
            raise SchemaError(
                f"{dim!r} has dims {ds[dim].dims}, but is the name of another dim. "
                f"Mend: ds = ds.rename_vars({{{dim!r}: '{dim}_'}})"
            )
    for name, da in ds.data_vars.items():
        if not isinstance(name, str):
            raise SchemaError(
                f"a variable's name is {name!r}; names are text. Mend: ds = ds.rename_vars({{{name!r}: {str(name)!r}}})"
            )
        _check_dims(name, da, set(ds.dims))
    if "sample" not in ds.dims or "time" not in ds.dims or not any(da.ndim == 2 for da in ds.data_vars.values()):
        raise SchemaError(f"no feature: no variable has dims (sample, time); found {dict(ds.sizes)}. See from_table.")
    for dim, size in sizes.items():
        if size == 0:
            names = ", ".join(map(repr, ds.data_vars))
            raise SchemaError(f"dim {dim!r} has size 0, so {names} hold nothing. Select at least one {dim}.")
    length = lengths(ds)
    features: list[Variable] = []
    attributes: list[Variable] = []
    for name, da in ds.data_vars.items():
        if name == "length":
            continue
        role = "feature" if da.ndim == 2 else "attribute"
        check_dtype(name, role, da)
        _check_attrs(name, role, da, mends)
        if role == "feature":
            _check_feature(name, da, length, gaps, mends)
        else:
            _check_attribute(name, da, mends)
        categories = _categories(name, role, da, length, mends)
        if training and role == "attribute" and sizes["sample"] > 1:
            _check_learnable(name, da, mends)
        if training and role == "feature" and "categories" not in da.attrs:
            _check_few(name, categories, length, mends)
        if training and not categories and da.attrs.get("counts") and da.dtype.kind == "f":
            _check_counts(name, da, length, time_read(ds.attrs).get("filled_values", 0), mends)
        if training and not categories and not _BOUNDS.isdisjoint(da.attrs) and not _bounds.named(da.attrs):
            bounds(da, length, mends)
        attrs = {str(key): _plain(value) for key, value in da.attrs.items() if key != "categories"}
        kind = "categorical" if categories else "continuous"
        variable = Variable(str(name), role, kind, da.dtype.newbyteorder("=").str, categories, attrs)
        (features if role == "feature" else attributes).append(variable)
    for variable in (v for v in features if training and _bounds.named(v.attrs)):
        _bounds.check(ds, length, variable, attributes, mends)
    attrs = {str(key): _plain(value) for key, value in ds.attrs.items()}
    return Schema(tuple(features), tuple(attributes), sizes["time"], "length" in ds, _time_coordinate(ds), attrs)


def lengths(ds: xr.Dataset) -> np.ndarray:
    """Valid steps of each sample.

    Parameters
    ----------
    ds : Dataset
        With dims (sample, time).

    Returns
    -------
    array of int64, (N,)
        T everywhere where there is no `length`.

    Raises
    ------
    SchemaError
        `length` is not of integers from 1 to T on (sample,).

    Examples
    --------
    >>> lengths(xr.Dataset({"load": (("sample", "time"), np.ones((2, 3)))}))
    array([3, 3])
    """
    time = int(ds.sizes["time"])
    if "length" not in ds:
        return np.full(ds.sizes["sample"], time, np.int64)
    length = ds["length"]
    if length.dims != ("sample",) or length.dtype.kind not in "iu":
        raise SchemaError(
            f"'length' must be integers on (sample,); it is {length.dtype} on {length.dims}. "
            "Mend: ds['length'] = ds['length'].astype(int)"
        )
    values = np.asarray(length.values).astype(np.int64)
    wrong = np.flatnonzero((values < 1) | (values > time))
    if len(wrong):
        raise SchemaError(
            f"'length' of sample {wrong[0]} is {values[wrong[0]]}, not within 1 to {time} ({len(wrong)} such samples). "
            f"Mend: drop them, ds.isel(sample=(ds.length >= 1) & (ds.length <= {time}))"
        )
    return values


def valid_values(da: xr.DataArray, length: np.ndarray) -> Iterator[np.ndarray]:
    """The values of an attribute, or of a feature up to its series' ends: flat, some samples at a time (`blocks`).

    Parameters
    ----------
    da : DataArray, dims (sample,) or (sample, time)
    length : array of int, (N,)
        As `lengths` tells them.

    Examples
    --------
    >>> jobs = xr.DataArray([[3, 4, 0], [5, 0, 0]], dims=("sample", "time"))
    >>> next(valid_values(jobs, np.array([2, 1])))
    array([3, 4, 5])
    """
    for some in blocks(da):
        block = da.isel(sample=some).values
        yield block if block.ndim == 1 else block[np.arange(block.shape[1]) < length[some, None]]


def valid_numbers(ds: xr.Dataset, name: str) -> np.ndarray:
    """A feature's numbers, (N, T): whole ones, which cannot say where a series ends, as floats with NaN past it.

    Examples
    --------
    >>> jobs = {"cpu": (("sample", "time"), [[3, 4, 0], [5, 0, 0]]), "length": ("sample", [2, 1])}
    >>> valid_numbers(xr.Dataset(jobs), "cpu")
    array([[ 3.,  4., nan],
           [ 5., nan, nan]])
    """
    values: np.ndarray = ds[name].transpose("sample", "time").values
    if values.dtype.kind == "f":
        return values
    return np.where(np.arange(values.shape[1]) < lengths(ds)[:, None], values, np.nan)


def blocks(data: xr.Dataset | xr.DataArray) -> Iterator[slice]:
    """Which samples to read together, so that memory stays bounded: 64 MB, or a dask chunk of up to 256 MB.

    Where variables are chunked differently, the coarsest chunks count: read in parts, a chunk is computed in each.

    Examples
    --------
    >>> load = xr.DataArray(np.ones((5, 3)), dims=("sample", "time"))
    >>> list(blocks(load)), list(blocks(load.chunk(sample=3)))
    ([slice(0, 5, None)], [slice(0, 3, None), slice(3, 5, None)])
    """
    n = data.sizes["sample"]
    arrays = data.data_vars.values() if isinstance(data, xr.Dataset) else [data]
    chunked = [da.chunksizes["sample"] for da in arrays if da.chunks is not None and "sample" in da.dims]
    step = max(1, (_CHUNK if chunked else _BLOCK) * n // max(1, data.nbytes))
    for start, stop in pairwise(np.cumsum([0, *min(chunked, key=len, default=(n,))]).tolist()):
        for first in range(start, stop, step):
            yield slice(first, min(first + step, stop))


def slices(n: int, step: int) -> Iterator[slice]:
    """n samples, at most `step` (or one) at a time; of none one slice, which is empty.

    Examples
    --------
    >>> list(slices(5, 3)), list(slices(0, 3))
    ([slice(0, 3, None), slice(3, 5, None)], [slice(0, 0, None)])
    """
    step = max(1, step)
    return (slice(first, min(first + step, n)) for first in range(0, max(n, 1), step))


def joined(parts: Iterable[xr.Dataset], n: int) -> xr.Dataset:
    """Datasets of one schema as one of n samples, each written to its place when it is made.

    Examples
    --------
    >>> load = xr.Dataset({"load": (("sample", "time"), np.ones((2, 3)))})
    >>> joined(iter([load, load.isel(sample=[0])]), 3).sizes["sample"]
    3
    """
    whole, filled = xr.Dataset(), 0
    for part in parts:
        size = part.sizes["sample"]
        if size == n:
            return part
        if not filled:
            empty = {name: (da.dims, np.empty((n, *da.shape[1:]), da.dtype), da.attrs) for name, da in part.items()}
            whole = xr.Dataset(empty, part.coords, part.attrs)
        for name, da in part.items():
            whole[name].values[filled : filled + size] = da.values
        filled += size
    return whole


def known_dtype(dtype: np.dtype, role: str) -> bool:
    """Whether a feature or an attribute may have this dtype: float32, float64, an integer, text; boolean attributes.

    Examples
    --------
    >>> known_dtype(np.dtype(bool), "attribute"), known_dtype(np.dtype(bool), "feature")
    (True, False)
    """
    kind = dtype.kind if isinstance(dtype, np.dtype) else "O"  # those of pandas are only in memory, and no file's
    return kind in "iuU" or (kind == "f" and dtype.itemsize in (4, 8)) or (kind == "b" and role == "attribute")


def check_dtype(name: Hashable, role: str, da: xr.DataArray) -> None:
    """SchemaError, with the call that mends it, for a dtype that is not `known_dtype`."""
    kind, ds = da.dtype.kind, f"ds[{name!r}]"
    if known_dtype(da.dtype, role):
        return
    held = da
    if not isinstance(da.dtype, np.dtype):  # pandas' own
        held, kind, ds = da.astype(object), "O", f"{ds}.astype(object)"
    if kind == "b":
        raise SchemaError(f"feature {name!r} is boolean. Mend: {ds} = {ds}.astype(float)")
    mends = {
        "f": f"{ds}.astype({'np.float32' if da.dtype.itemsize == 2 else 'float'})",
        "c": f"abs({ds}), or {ds}.real",
        "M": f"({ds} - {ds}.min()) / np.timedelta64(1, 'D')",
        "m": f"{ds} / np.timedelta64(1, 's')",
        "S": f"{ds}.str.decode('utf-8').astype(str)",
        "T": f"{ds}.astype(object).astype(str)",
    }
    if kind == "O":
        mends["O"] = _of_objects(ds, held)
    mend = f"ds[{name!r}] = {mends[kind]}" if kind in mends else f"ds = ds.drop_vars({name!r})"
    raise SchemaError(
        f"{role} {name!r} has dtype {da.dtype}; float32, float64, integers or fixed-width strings are needed. "
        f"Mend: {mend}"
    )


def _of_objects(ds: str, da: xr.DataArray) -> str:
    """The call by which an array of Python objects, which the user calls `ds`, becomes one of numbers or of text."""
    missing = pd.isna(da.values)
    held = da.values[~missing]
    known = f"{ds}.where({ds}.notnull()"
    if all(isinstance(value, Number | np.bool_) for value in held):
        booleans = da.ndim == 1 and not missing.any() and all(isinstance(value, bool | np.bool_) for value in held)
        return (f"{known})" if missing.any() else ds) + (".astype(bool)" if booleans else ".astype(float)")
    return (f"{known}, '')" if missing.any() else ds) + ".astype(str)"


def _check_dims(name: Hashable, da: xr.DataArray, known: Collection[Hashable]) -> None:
    """SchemaError for other dims; `known` are those of all variables."""
    if da.dims in (("sample", "time"), ("sample",)):
        if name == "length" and da.ndim == 2:
            raise SchemaError("'length' has dims (sample, time); it counts steps, on (sample,). Rename the feature.")
        return
    if set(da.dims) == {"sample", "time"}:
        mend = 'ds = ds.transpose("sample", "time")'
    elif "sample" in da.dims:
        extra = sorted(str(dim) for dim in da.dims if dim not in ("sample", "time"))
        mend = f"one variable for each of {extra[0]!r}: ds[{name!r}].to_dataset({extra[0]!r})"
        if "time" not in known and len(extra) == 1:
            mend = f"ds = ds.rename({{{extra[0]!r}: 'time'}}), or {mend}"
    elif da.dims and "sample" not in known:
        mend = f"{_dims_named(da)}, or ds = ds.drop_vars({name!r})"
    elif da.dims == ("time",):
        mend = f"ds = ds.set_coords({name!r}), or ds = ds.drop_vars({name!r})"
    else:
        mend = f"ds = ds.drop_vars({name!r})"
    raise SchemaError(
        f"{name!r} has dims {da.dims}; features are on (sample, time), attributes on (sample,). Mend: {mend}"
    )


def _dims_named(da: xr.DataArray) -> str:
    """The call that gives a variable the dim sample: of a map, each of its places is one."""
    dims = [str(dim) for dim in da.dims]
    dated = [dim for dim in dims if dim in da.coords and da[dim].dtype.kind == "M"]
    time = "time" if "time" in dims else dated[0] if dated else None
    others = [dim for dim in dims if dim != time]
    renamed = {} if time in ("time", None) else {time: "time"}
    renaming = f".rename({renamed})" if renamed else ""
    last = "" if dims[-1] == time else ".transpose('sample', 'time', ...)"
    if not others:
        return f"ds = ds{renaming}.expand_dims('sample')"
    if len(others) == 1:
        return f"ds = ds.rename({ {others[0]: 'sample'} | renamed }){last if time else ''}"
    if time is not None:
        return f"ds = ds.stack(sample={others}).reset_index('sample'){renaming}.transpose('sample', 'time', ...)"
    if len(others) == 2:
        return f"ds = ds.rename({ {others[0]: 'sample', others[1]: 'time'} }), or the other way round"
    return f"ds = ds.rename({ {others[0]: 'time'} }), or whichever of its dims is time"


def _check_feature(
    name: Hashable,
    da: xr.DataArray,
    length: np.ndarray,
    gaps: bool = False,
    mends: Mapping[str, str] | None = None,
) -> None:
    if da.dtype.kind in "iu":
        return
    if da.chunks is not None and len(da.chunksizes["time"]) == 1:  # where the chunks are, one computer or many
        counts = xr.apply_ufunc(
            _count_faults,
            da,
            xr.DataArray(length, dims="sample").chunk(sample=da.chunksizes["sample"]),
            input_core_dims=[["time"], []],
            output_core_dims=[["fault"]],
            dask="parallelized",
            output_dtypes=[np.int64],
            dask_gufunc_kwargs={"output_sizes": {"fault": 3}},
        ).values  # (N, 3)
    else:  # here: to put all chunks along time together would need the whole in memory
        counts = np.concatenate([_count_faults(da.isel(sample=some).values, length[some]) for some in blocks(da)])
    for fault, count in enumerate(counts.sum(0)):
        if not count or (gaps and fault == 1):
            continue
        found = counts[:, fault]
        i = int(np.flatnonzero(found)[0])
        step = int(np.flatnonzero(_faults(da.isel(sample=i).values, length[i])[fault])[0])
        what = "empty strings" if da.dtype.kind == "U" else "NaN"
        if fault == 0:
            mend = f"ds[{name!r}] = ds[{name!r}].where(abs(ds[{name!r}]) < {_LARGEST:g}), then fill"
            raise SchemaError(
                f"feature {name!r} is infinite at sample {i}, step {step} ({count} such values), or beyond "
                f"{_LARGEST:g}. {mended(mends, 'infinite', name, mend)}"
            )
        if fault == 1 and (whole := found == length).any():
            samples = np.flatnonzero(whole)
            where = "every sample" if whole.all() else f"sample {samples[0]} ({len(samples)} such samples)"
            known = "notnull()" if what == "NaN" else "astype(bool)"
            mend = f"ds = ds.isel(sample=ds[{name!r}].{known}.any('time').values)"
            if whole.all():
                mend = f"ds = ds.drop_vars({name!r})"
            raise SchemaError(f"feature {name!r} is {what} throughout {where}. {mended(mends, 'empty', name, mend)}")
        if fault == 1:
            mend = (
                f"ds[{name!r}] = ds[{name!r}].interpolate_na('time'), or shorten `length`."
                if what == "NaN"
                else f"ds[{name!r}] = ds[{name!r}].where(ds[{name!r}] != '', 'unknown') up to `length`, or shorten it."
            )
            raise SchemaError(
                f"feature {name!r} has {found[i]} {what} before the end of sample {i} (length {length[i]}), the first "
                f"at step {step} ({count} in all). {mended(mends, 'gap' if what == 'NaN' else 'text_gap', name, mend)}"
            )
        raise SchemaError(
            f"feature {name!r} has values past the `length` of its series at sample {i}, step {step} ({count} such "
            f"values). Mend: ds[{name!r}] = "
            f"ds[{name!r}].where(xr.DataArray(np.arange(ds.sizes['time']), dims='time') < ds.length)"
        )


def _faults(rows: np.ndarray, length: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Which values, (..., T), are infinite, missing before the end, or not missing after it; `length` is (...,)."""
    missing = rows == "" if rows.dtype.kind == "U" else np.isnan(rows)
    infinite = np.abs(rows) > _largest(rows.dtype) if rows.dtype.kind == "f" else np.zeros(rows.shape, bool)
    valid = np.arange(rows.shape[-1]) < np.asarray(length)[..., None]
    return infinite, missing & valid, ~missing & ~valid


def _count_faults(rows: np.ndarray, length: np.ndarray) -> np.ndarray:
    """Of each kind, (..., 3)."""
    return np.stack([fault.sum(-1) for fault in _faults(rows, length)], -1)


def _check_attribute(name: Hashable, da: xr.DataArray, mends: Mapping[str, str] | None = None) -> None:
    if da.dtype.kind == "f":
        mend = f"ds = ds.isel(sample=(abs(ds[{name!r}]) < {_LARGEST:g}).values)"  # what is beyond counts as infinite
        _refuse(
            ~(abs(da) <= _largest(da.dtype)), f"attribute {name!r} is NaN or infinite", mended(mends, "nan", name, mend)
        )
    if da.dtype.kind == "U":
        mend = f"ds[{name!r}] = ds[{name!r}].where(ds[{name!r}] != '', 'unknown')"
        _refuse(da == "", f"attribute {name!r} is an empty string", mended(mends, "nan", name, mend))


def _largest(dtype: np.dtype) -> Any:
    """The largest value that a dataset may have, in this dtype."""
    return np.finfo(dtype).max if dtype.itemsize < 8 else np.float64(_LARGEST)


def _check_attrs(name: Hashable, role: str, da: xr.DataArray, mends: Mapping[str, str] | None = None) -> None:
    """SchemaError for attrs that are read and are not what they should be."""

    def refuse(key: str, value: Any, needed: str, example: str) -> None:
        mend = f"ds[{name!r}].attrs[{key!r}] = {example}, or del ds[{name!r}].attrs[{key!r}]"
        raise SchemaError(
            f"{role} {name!r} has attrs[{key!r}] {shown(value)}; {needed} is needed. "
            f"{mended(mends, 'attrs', name, mend, key=key)}"
        )

    for key in sorted(_BOUNDS & set(da.attrs)):
        value = _plain(da.attrs[key])
        if key == "valid_max" and role == "feature" and _bounds.named(da.attrs):
            continue  # an attribute
        if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= _LARGEST:
            refuse(key, value, f"a number, at most {_LARGEST:g},", "0.0 (the bound)")
    scale, counts, zeros = (da.attrs.get(key) for key in ("scale", "counts", "zeros"))
    if scale is not None and not (isinstance(scale, str) and scale in ("log", "linear")):
        refuse("scale", scale, "'log' or 'linear'", "'log'")
    if counts is not None and not (isinstance(counts, bool | int | np.bool_ | np.integer) and counts in (0, 1)):
        refuse("counts", counts, "1 (whole numbers) or 0", "1")
    if zeros is not None and not (isinstance(zeros, str) and zeros == "inflated"):
        refuse("zeros", zeros, "'inflated' (exact zeros are an event of their own)", "'inflated'")
    own = da.attrs.get("normalise", "zero_one")
    if not isinstance(own, str) or own not in ("minusone_one", "zero_one"):
        raise SchemaError(
            f"{role} {name!r} has attrs['normalise'] {shown(own)}. Choose 'minusone_one' or 'zero_one', "
            f"or del ds[{name!r}].attrs['normalise'] for what Config says."
        )


def bounds(da: xr.DataArray, length: np.ndarray, mends: Mapping[str, str] | None = None) -> tuple[float, float]:
    """A variable's range: declared in attrs (valid_min, valid_max: public bounds), else that of the data.

    Raises SchemaError where the data leave the declared one, or a range is too small for numbers.

    Examples
    --------
    >>> load = xr.DataArray([[3.0, 4.0]], dims=("sample", "time"), attrs={"valid_min": 0})
    >>> bounds(load, np.array([2]))
    (0.0, 4.0)
    """
    found = (block for block, _ in _known(valid_values(da, length)))
    if da.ndim == 2 and da.attrs.get("zeros") == "inflated":  # an event apart, that need not lie in the range
        found = (block[block != 0] for block in found)
    ranges = [(block.min(), block.max()) for block in found if block.size] or [(0.0, 0.0)]
    low, high = float(min(low for low, _ in ranges)), float(max(high for _, high in ranges))
    declared = float(da.attrs.get("valid_min", low)), float(da.attrs.get("valid_max", high))
    rounded = np.array(declared, da.dtype if da.dtype.kind == "f" else float).tolist()  # float32 may do so outwards
    if low < min(declared[0], rounded[0]) or high > max(declared[1], rounded[1]):
        raise SchemaError(
            f"{da.name!r} holds values from {low:.9g} to {high:.9g}, outside its declared valid_min/valid_max "
            f"{declared[0]:.9g} to {declared[1]:.9g}. "
            + (mended(mends, "bounds", str(da.name), "") if mends else "Clip it, or widen the attrs.")
        )
    if 0 < declared[1] - declared[0] < _SMALLEST:
        raise SchemaError(
            f"{da.name!r} has a range of {declared[1] - declared[0]:g}, less than {_SMALLEST:g}. Give it in a smaller "
            f"unit: ds[{da.name!r}] = ds[{da.name!r}] * 1e100"
        )
    return declared


def _refuse(mask: xr.DataArray, what: str, mend: str) -> None:
    """SchemaError saying where `mask`, on (sample,), is first true, if it is anywhere."""
    where = np.flatnonzero(mask.values)
    if len(where):
        raise SchemaError(f"{what} at sample {where[0]} ({len(where)} such values). {mend}")


def _check_learnable(name: Hashable, da: xr.DataArray, mends: Mapping[str, str] | None = None) -> None:
    n = da.sizes["sample"]
    distinct = _unique(da, np.ones(n, int))
    low, high = distinct[[0, -1]]
    if low == high:
        way = mended(mends, "constant", name, f"ds = ds.drop_vars({name!r})")
        raise SchemaError(
            f"attribute {name!r} has the same value {_plain(low)!r} in all {n} samples: nothing to learn. {way}"
        )
    if da.dtype.kind == "U" and n >= _NOT_CATEGORIES and len(distinct) == n:
        way = mended(mends, "identifier", name, f"ds = ds.set_coords({name!r}) or ds.drop_vars({name!r})")
        raise SchemaError(
            f"attribute {name!r} has another value in each of {n} samples: an identifier, not a category. {way}"
        )


def _check_counts(
    name: Hashable, da: xr.DataArray, length: np.ndarray, filled: int, mends: Mapping[str, str] | None = None
) -> None:
    """SchemaError for counts that are not whole, of which a model makes others; those that a line filled may be."""
    first, found, known = "", 0, 0
    for some in blocks(da):
        rows = da.isel(sample=some).values
        valid = ~np.isnan(rows)
        if da.ndim == 2:
            valid &= np.arange(rows.shape[1]) < length[some, None]
        odd = valid & (np.abs(rows - np.rint(rows)) > 1e-6 * np.maximum(1, np.abs(rows)))
        if not found and odd.any():
            at = tuple(np.argwhere(odd)[0].tolist())
            first = f"{rows[at]:g} at sample {some.start + at[0]}" + (f", step {at[1]}" if at[1:] else "")
        found, known = found + int(odd.sum()), known + int(valid.sum())
    if not found or (filled and found <= known / 2):
        return
    way = mended(mends, "counts", name, f"ds[{name!r}] = ds[{name!r}].round(), or del ds[{name!r}].attrs['counts']")
    raise SchemaError(
        f"{name!r} is declared as counts, but is {first} ({found} such values): a model makes whole numbers of "
        f"it. {way}"
    )


def _check_few(
    name: Hashable, categories: tuple[Any, ...], length: np.ndarray, mends: Mapping[str, str] | None = None
) -> None:
    """SchemaError for a feature of hundreds of categories, or nearly one a value, that nobody listed."""
    many, values = len(categories), int(length.sum())
    if many > _MOST_CATEGORIES or (many >= _NOT_CATEGORIES and many > values / 2):
        way = mended(
            mends, "many", name, f"ds = ds.drop_vars({name!r}), or ds[{name!r}].attrs['categories'] = [all of them]"
        )
        raise SchemaError(
            f"feature {name!r} has {many} categories in {values} values, such as {str(categories[0])!r}: numbers or "
            f"identifiers, not categories. {way}"
        )


@dataclass(frozen=True)
class Proposal:
    """An attr that a variable's values ask for, and why; nothing applies it.

    Parameters
    ----------
    name : str
        Of the variable.
    attrs : dict
        To be set.
    reason : str

    Examples
    --------
    >>> Proposal("cpu", {"valid_min": 0, "valid_max": 1}, "all values lie from 0 to 1")
    cpu: valid_min=0, valid_max=1, because all values lie from 0 to 1
    """

    name: str
    attrs: dict[str, Any]
    reason: str

    def __repr__(self) -> str:
        return f"{self.name}: {self._call()}, because {self.reason}"

    def _call(self) -> str:
        return ", ".join(f"{key}={value!r}" for key, value in self.attrs.items())


def proposals(ds: xr.Dataset) -> list[Proposal]:
    """Attrs that the values of a dataset ask for and that are not set: `scale`, `zeros`, `counts`, bounds.

    Parameters
    ----------
    ds : Dataset
        Nothing of it is changed: set what is right, ``ds[name].attrs.update(proposal.attrs)``, or give it to the
        reader, e.g. ``scale={name: "log"}``. From 100 values of a variable on.

    Returns
    -------
    list of Proposal

    Examples
    --------
    >>> sizes = xr.DataArray(np.logspace(0, 6, 200).reshape(20, 10) + 0.5, dims=("sample", "time"))
    >>> proposals(xr.Dataset({"bytes": sizes}))
    [bytes: scale='log', because its values span 6 decades]
    """
    found, length = [], lengths(ds)
    for name, da in ds.data_vars.items():
        if name == "length" or da.dtype.kind not in "iuf" or "categories" in da.attrs:
            continue
        found += _proposed(str(name), da, _profile(da, length))
    return found


@dataclass
class _Profile:
    """What the proposals for a variable rest on."""

    size: int = 0
    zeros: int = 0
    ones: int = 0
    low: float = np.inf
    high: float = -np.inf
    whole: bool = True
    decades: Counter[int] = field(default_factory=Counter)


def _profile(da: xr.DataArray, length: np.ndarray) -> _Profile:
    profile = _Profile()
    for block in valid_values(da, length):
        values = block[np.isfinite(block)]
        if not len(values):
            continue
        profile.size += len(values)
        profile.zeros += int((values == 0).sum())
        profile.ones += int((values == 1).sum())
        profile.low, profile.high = min(profile.low, float(values.min())), max(profile.high, float(values.max()))
        profile.whole = profile.whole and bool((values % 1 == 0).all())
        positive = values[values > 0]
        tenths, times = np.unique(np.floor(10 * np.log10(positive)).astype(int), return_counts=True)
        profile.decades.update(dict(zip(tenths.tolist(), times.tolist(), strict=True)))
    return profile


def _proposed(name: str, da: xr.DataArray, profile: _Profile) -> list[Proposal]:
    """The rules: each says what it has seen."""
    if profile.size < 100 or profile.low == profile.high:
        return []
    found, attrs, share = [], da.attrs, profile.zeros / profile.size
    if "scale" not in attrs and profile.low >= 0 and da.ndim == 2:  # of attributes private releases alone read it
        tenths = np.array(sorted(profile.decades))
        times = np.cumsum([profile.decades[k] for k in tenths.tolist()])
        low, high = tenths[np.searchsorted(times, [0.01 * times[-1], 0.99 * times[-1]])] / 10
        if high - low >= 3:
            found.append(Proposal(name, {"scale": "log"}, f"its values span {high - low:.0f} decades"))
    # a count has zeros of its own: as many as it has ones, and some more
    expected = max(0.5, 4 * profile.ones / profile.size) if profile.whole else 0.05
    if "zeros" not in attrs and da.ndim == 2 and profile.low == 0 and share > expected:
        found.append(Proposal(name, {"zeros": "inflated"}, f"{share:.0%} are exactly 0"))
    if "counts" not in attrs and profile.whole and profile.low >= 0 and profile.high < 1000 and da.dtype.kind == "f":
        found.append(Proposal(name, {"counts": 1}, f"all are whole numbers up to {profile.high:g}"))
    bound = 100 if attrs.get("units") in ("%", "percent", "per cent") else 1
    if _BOUNDS.isdisjoint(attrs) and not profile.whole and profile.low >= 0 and 0.9 * bound < profile.high <= bound:
        found.append(Proposal(name, {"valid_min": 0, "valid_max": bound}, f"all values lie from 0 to {bound}"))
    elif "valid_min" not in attrs and profile.low == 0:
        found.append(Proposal(name, {"valid_min": 0}, "none is below 0, and some are 0"))
    return found


def _categories(
    name: Hashable, role: str, da: xr.DataArray, length: np.ndarray, mends: Mapping[str, str] | None = None
) -> tuple[Any, ...]:
    """The categories in order; () for a continuous variable."""
    if da.dtype.kind == "b":
        return (False, True)
    listed = da.attrs.get("categories")
    if da.dtype.kind not in ("U" if listed is None else "Uiu"):
        return ()
    found = [value for value in _unique(da, length).tolist() if value != ""]
    if listed is None:
        return tuple(found)
    listed = listed.tolist() if isinstance(listed, np.ndarray) else listed
    categories = tuple(_plain(value) for value in (listed if isinstance(listed, list | tuple) else [listed]))
    if wrong := [value for value in categories if not _is_category(value, da.dtype)]:
        raise SchemaError(
            f"{role} {name!r}: attrs['categories'] holds {shown(wrong[0])}, which is no value of dtype {da.dtype}. "
            f"Mend: del ds[{name!r}].attrs['categories']"
        )
    distinct = set(categories)
    missing = [value for value in found if value not in distinct]
    if missing or len(distinct) != len(categories):
        lacking = ", ".join(map(repr, missing[:3])) + (f" and {len(missing) - 3} more" if len(missing) > 3 else "")
        problem = f"lacks the value {lacking}" if missing else "names one twice"
        way = mended(mends, "categories", name, f"del ds[{name!r}].attrs['categories']")
        raise SchemaError(f"{role} {name!r}: attrs['categories'] {problem}. {way}")
    return categories if da.dtype.kind == "U" else tuple(map(int, categories))


def _is_category(value: Any, dtype: np.dtype) -> bool:
    if dtype.kind == "U":
        return isinstance(value, str) and value != ""
    held = np.iinfo(dtype)
    return isinstance(value, int | float) and held.min <= value <= held.max and value % 1 == 0


def _unique(da: xr.DataArray, length: np.ndarray) -> np.ndarray:
    """Sorted distinct values."""
    return np.unique(np.concatenate([np.unique(block) for block in valid_values(da, length)]))


def _time_coordinate(ds: xr.Dataset) -> TimeCoordinate | None:
    if "time" not in ds.coords:
        return None
    time = ds["time"]
    values = time.values
    if time.dtype.kind in "OT" and all(isinstance(value, str) for value in values):
        values = np.array(values.tolist())
    elif not _known_time(time.dtype):
        raise SchemaError(
            f"the coordinate 'time' has dtype {time.dtype}, of {type(values[0]).__name__}; numbers, dates or text are "
            "needed. Mend: ds = ds.assign_coords(time=np.arange(ds.sizes['time']))"
        )
    _check_rising(values)
    dtype = values.dtype.newbyteorder("=").str
    if values.dtype.kind in "mM":  # files and libraries differ in the unit they keep dates in: nanoseconds for all
        with suppress(OverflowError):  # but not before 1678, after 2262: NumPy 2.5 refuses these, 2.4 wraps them around
            nanoseconds = values.astype(f"{values.dtype.kind}8[ns]")
            if np.array_equal(nanoseconds.astype(values.dtype), values, equal_nan=True):
                values, dtype = nanoseconds, nanoseconds.dtype.str
        values = values.astype(np.int64)
    return (dtype, tuple(values.tolist()), {str(key): _plain(value) for key, value in time.attrs.items()})


def _check_rising(times: np.ndarray) -> None:
    """SchemaError where times, of those that are known, come twice or backwards; text has no order to keep."""
    steps = np.flatnonzero(~pd.isna(times))
    known = times[steps]
    if known.dtype.kind == "U" or len(wrong := np.flatnonzero(~(known[1:] > known[:-1]))) == 0:
        return
    pair = known[wrong[0] : wrong[0] + 2]
    rough = pair.astype("M8[s]") if pair.dtype.kind == "M" else pair  # unless the seconds do not tell them apart
    before, at = rough if (rough == pair).all() else pair
    mend = "ds = ds.sortby('time')"
    if len(np.unique(known)) < len(known):  # no order mends it
        mend = "ds = ds.drop_vars('time'), where the steps have the order that is meant"
    raise SchemaError(
        f"the coordinate 'time' does not rise: {at} at step {steps[wrong[0] + 1]} comes after {before}. Mend: {mend}"
    )


def _known_time(dtype: Any) -> bool:
    if not isinstance(dtype, np.dtype):  # pandas' own, such as dates with a time zone
        return False
    return dtype.kind in "iubUmM" or (dtype.kind == "f" and dtype.itemsize <= 8)


def _going_on(dtype: np.dtype, values: tuple[Any, ...], steps: int) -> tuple[Any, ...] | None:
    """A coordinate's values and as many more as make `steps`; None where they have no regular step or no room."""
    if dtype.kind not in "iufmM" or len(values) < 2:
        return None
    step = (values[-1] - values[0]) / (len(values) - 1) if dtype.kind == "f" else values[1] - values[0]
    tolerance = 1e-6 * abs(step) if dtype.kind == "f" else 0
    if not step or any(not abs(b - a - step) <= tolerance for a, b in pairwise(values)):
        return None
    more = tuple(values[-1] + step * k for k in range(1, steps - len(values) + 1))
    held = np.iinfo(np.int64 if dtype.kind in "mM" else dtype) if dtype.kind != "f" else np.finfo(dtype)
    return (*values, *more) if held.min <= more[-1] <= held.max else None


_DTYPE, _TIMES = re.compile(r"[<>|=]?([iubf]\d{1,2}|U\d{1,6})"), re.compile(r"[<>=]?[mM]8\[\w{1,4}\]")
_LONGEST = 10**7  # steps; no discriminator that fits a file reads more


def _check_read(schema: Schema) -> None:
    """FileFormatError unless a dataset can have this schema, which a file says."""
    if not 1 <= schema.time <= _LONGEST:
        raise FileFormatError(f"the schema has {schema.time} steps, not 1 to {_LONGEST:,}")
    if schema.time_coordinate is not None:
        _check_read_time(*schema.time_coordinate[:2], schema.time)
    variables = (*schema.features, *schema.attributes)
    for variable in variables:
        known = all(isinstance(value, str | int) for value in variable.categories)
        if not known or not _DTYPE.fullmatch(variable.dtype):
            raise FileFormatError(f"{variable.name!r} cannot be of dtype {variable.dtype!r:.40} with these categories")

    if not schema.features or len({variable.name for variable in variables}) != len(variables):
        raise FileFormatError("the schema has no feature, or a name twice")
    for variable in (v for v in schema.features if _bounds.named(v.attrs)):
        try:
            _bounds.check_form(variable, schema.attributes)
        except SchemaError as error:
            raise FileFormatError(f"no dataset has such a schema: {error}") from error
    for first in range(0, max(len(schema.features), len(schema.attributes)), 100):  # xarray is slow with thousands
        features, attributes = schema.features[first : first + 100], schema.attributes[first : first + 100]
        _check_read_part(replace(schema, features=features or schema.features[:1], attributes=attributes))


def _check_read_part(schema: Schema) -> None:
    """What `validate` knows: the smallest dataset that holds every category has this schema."""
    variables = (*schema.features, *schema.attributes)
    n = max(len(variable.categories) for variable in variables) or 1
    try:
        values = {v.name: np.resize(np.array([c for c in v.categories if c != ""] or [0]), n) for v in variables}
        values |= {v.name: values[v.name][:, None] for v in schema.features}
        ds = schema.lasting(1).dataset(values, np.ones(n, int) if schema.variable_length else None)
        found = validate(ds, training=False)
    except (TypeError, ValueError, OverflowError, KeyError) as error:  # SchemaError and what xarray raises among them
        raise FileFormatError(f"no dataset has such a schema: {error}") from error
    for told, own in ((schema.features, found.features), (schema.attributes, found.attributes)):
        if [_form(variable) for variable in told] != [_form(variable) for variable in own]:
            names = ", ".join(repr(variable.name) for variable in told) or "none"
            raise FileFormatError(f"roles, kinds, dtypes and categories do not go together: {names:.200}")


def _check_read_time(text: str, values: tuple[Any, ...], steps: int) -> None:
    """FileFormatError unless these can be the values of a time coordinate."""
    try:
        dtype = np.dtype(text) if _DTYPE.fullmatch(text) or _TIMES.fullmatch(text) else None
    except TypeError:
        dtype = None
    kinds = {"U": (str,), "b": (bool,), "f": (int, float)}.get(dtype.kind if dtype else "", (int,))
    whole = dtype is not None and len(values) == steps and dtype.itemsize * steps <= _CHUNK
    if not whole or not all(isinstance(v, kinds) and isinstance(v, bool) == (bool in kinds) for v in values):
        raise FileFormatError(f"the time coordinate is not {steps} values of dtype {text!r:.40}")
    try:
        np.array(values).astype(dtype)
    except (TypeError, ValueError, OverflowError) as error:
        raise FileFormatError(f"the time coordinate is not of dtype {text!r:.40}: {error}") from error


def _form(variable: Variable) -> tuple[Any, ...]:
    """All of a variable but its attrs; text of any width is of one dtype."""
    dtype = "U" if variable.dtype.strip("<>=|")[0] == "U" else np.dtype(variable.dtype).newbyteorder("=").str
    categories = tuple((type(value), value) for value in variable.categories)
    return variable.name, variable.role, variable.kind, dtype, categories


def _lists_categories(variable: Variable) -> bool:
    return variable.kind == "categorical" and variable.dtype[1] != "b"


def _blank(dtype: np.dtype) -> Any:
    return {"f": np.nan, "U": ""}.get(dtype.kind, 0)


def _plain(value: Any) -> Any:
    """An attrs value as JSON has it."""
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value if value is None or isinstance(value, str | int | float | bool) else str(value)


@dataclass(frozen=True)
class Description:
    """What `describe` found, as text and HTML.

    Parameters
    ----------
    title : str
    rows : tuple of (str, str, str, str)
        Role, name, unit and what it holds.

    Examples
    --------
    >>> Description("One sample", (("feature", "load", "W", "1 to 4"),))
    One sample
      feature  load  W  1 to 4
    """

    title: str
    rows: tuple[tuple[str, str, str, str], ...]

    def __repr__(self) -> str:
        widths = [max(len(row[k]) for row in self.rows) for k in range(3)]
        cells = ([*map(str.ljust, row, widths), row[3]] for row in self.rows)
        return "\n".join([self.title, *("  ".join(["", *row]).rstrip() for row in cells)])

    def _repr_html_(self) -> str:
        header = "".join(f"<th style='text-align:left'>{cell}</th>" for cell in ("", "name", "unit", "values"))
        body = "".join(
            "<tr>" + "".join(f"<td style='text-align:left'>{html.escape(cell)}</td>" for cell in row) + "</tr>"
            for row in self.rows
        )
        return f"<table><caption>{html.escape(self.title)}</caption><tr>{header}</tr>{body}</table>"


def missing_in(values: np.ndarray) -> np.ndarray:
    """Which values of numbers (NaN) or text ("") are missing.

    Examples
    --------
    >>> missing_in(np.array([1.0, np.nan])).tolist(), missing_in(np.array(["", "a"])).tolist()
    ([False, True], [True, False])
    """
    missing: np.ndarray = values == "" if values.dtype.kind == "U" else np.isnan(values)
    return missing


def _known(blocks: Iterable[np.ndarray]) -> Iterator[tuple[np.ndarray, int]]:
    """Of flat values those that are not missing, and how many there were with these; without blocks that have none."""
    for block in blocks:
        known = block[~missing_in(block)] if block.dtype.kind in "fU" else block
        if len(known):
            yield known, len(block)


def time_read(attrs: Mapping[str, Any]) -> dict[str, Any]:
    """What `from_table` decided about time, of a dataset's `attrs["time_read"]`; nothing where it did not.

    Examples
    --------
    >>> time_read({"time_read": '{"step": "1h"}'}), time_read({})
    ({'step': '1h'}, {})
    """
    try:
        said = json.loads(attrs.get("time_read", "{}"))
    except (TypeError, ValueError):
        return {}
    return said if isinstance(said, dict) else {}


def _time_lines(said: Mapping[str, Any]) -> Iterator[str]:
    """The same in words: the step, gaps and what was done, counters."""
    if "order" in said:
        yield str(said["order"])
    if "step" in said:
        found = said.get("step_found")
        how = "given" if found is None else f"found: {found:.0%} of the distances"
        yield f"steps of {said['step']} ({said.get('step_of', how)})"
    if "bin" in said:
        yield f"{said.get('events', 0):,} events in bins of {said['bin']}"
    if "timezone" in said:
        yield f"time zone {said['timezone']}"
    if "starts" in said:
        yield f"series start {said['starts']}"
    if "snapped" in said:
        most = f"{said['snapped_most']} (tolerance {said['tolerance']})"
        moved = "1 time put on its" if said["snapped"] == 1 else f"{said['snapped']:,} times put on their"
        yield f"{moved} step, by up to {most}"
    if "duplicates" in said:
        yield f"{said['duplicates']:,} rows more than one for their step: {said['duplicates_by']} counts"
    if "gaps" in said:
        where = f" after {said['longest_gap_after']} in {said['longest_gap_in']}" if "longest_gap_after" in said else ""
        of = f" in {said['gaps_in_samples']} samples" if "gaps_in_samples" in said else ""
        yield f"{said['gaps']:,} gaps{of}, {said['missing_steps']:,} steps, the longest of {said['longest_gap']}{where}"
    for name, counts in said.get("counters", {}).items():
        told = ", ".join(f"{n:,} {what.replace('_', ' ')}" for what, n in counts.items())
        yield f"counter {name} as rates: {told or 'no wraps, no resets'}"
    if "filled_values" in said:
        yield f"{said['filled_values']:,} missing values filled"
    if "kept_missing" in said:
        yield f"{said['kept_missing']:,} missing values kept as NaN"
    if "empty_steps_at_ends" in said:
        yield f"{said['empty_steps_at_ends']:,} steps without values at series' ends left out"


def describe(ds: xr.Dataset) -> Description:
    """What a dataset holds: features, attributes, their units, ranges and categories; its times; and its `proposals`.

    Parameters
    ----------
    ds : Dataset
        In memory or dask-backed.

    Returns
    -------
    Description

    Raises
    ------
    SchemaError
        As `validate`.

    Examples
    --------
    >>> describe(xr.Dataset({"load": (("sample", "time"), [[1.0, 2.0], [3.0, 4.0]], {"units": "W"})}))
    2 samples of up to 2 steps
      feature  load  W  1 to 4, mean 2.5
    """
    schema, length = validate(ds, training=False, gaps=True), lengths(ds)
    rows = []
    for variable in (*schema.features, *schema.attributes):
        da = ds[variable.name]
        if variable.kind == "continuous":
            found = [
                (b.min(), b.max(), b.sum(dtype=np.float64), b.size, size)
                for b, size in _known(valid_values(da, length))
            ]
            low, high, total, count, size = (np.array(column) for column in zip(*found, strict=True))
            smallest, largest, mean = (number(one, 4) for one in (low.min(), high.max(), total.sum() / count.sum()))
            holds = f"{smallest} to {largest}, mean {mean}"
            holds += f", {size.sum() - count.sum():,} missing" if size.sum() > count.sum() else ""
        else:
            parts = [np.unique(block, return_counts=True) for block, _ in _known(valid_values(da, length))]
            values, at = np.unique(np.concatenate([part[0] for part in parts]), return_inverse=True)
            counts = np.bincount(at, np.concatenate([part[1] for part in parts]))
            order = np.argsort(-counts, kind="stable")[:6]
            shares = (f"{values[k]} {counts[k] / counts.sum():.0%}" for k in order)
            holds = f"{len(variable.categories)} categories: {', '.join(shares)}" + (", ..." if len(values) > 6 else "")
        unit = str(variable.attrs.get("units", ""))
        rows.append((variable.role, variable.name, "" if unit == "1" else unit, holds))  # "1" is CF's word for none
    rows += [("proposed", each.name, "", f"{each._call()}: {each.reason}") for each in proposals(ds)]
    if schema.variable_length:
        rows.append(("length", "length", "steps", f"{length.min()} to {length.max()}, median {np.median(length):g}"))
    rows += [("time", "time", "", line) for line in _time_lines(time_read(schema.attrs))]
    name = f"{schema.attrs['title']}: " if "title" in schema.attrs else ""
    title = f"{name}{ds.sizes['sample']:,} samples of up to {schema.time} steps"
    return Description(title, tuple(rows))
