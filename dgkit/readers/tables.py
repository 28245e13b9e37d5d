"""Tables as datasets: long, wide, or one long series cut into windows. CSV files are read by `dgkit.readers.csv_files`.

A row of a long table is a step: rows are put in the order of their time, and the distance of two times counts for
nothing. Left out: resampling (do that in pandas or polars before), and time zones.
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from fnmatch import fnmatchcase
from typing import Any

import narwhals as nw
import numpy as np
import pandas as pd
import xarray as xr

from dgkit._checks import whole
from dgkit._netcdf import limit
from dgkit.errors import ConfigError, SchemaError
from dgkit.readers.numbers import unit_of
from dgkit.readers.questions import about_text, about_whole_numbers
from dgkit.readers.values import check_decimal, column_values, given_forms, is_truth, place_of
from dgkit.schema import lengths, validate

FILLS = (None, "linear", "previous")
Features = Sequence[str] | Mapping[str, str | Sequence[str]]  # as `from_table` takes them


def from_table(
    df: Any,
    *,
    features: Features,
    sample: str | None = None,
    time: str | None = None,
    attributes: Sequence[str] = (),
    units: Mapping[str, str] | None = None,
    fill: str | None = None,
    max_bytes: int | None = None,
    text: Sequence[str] = (),
    numbers: Mapping[str, str] | Sequence[str] | None = None,
    categories: Mapping[str, Sequence[Any]] | Sequence[str] = (),
    decimal: str | None = None,
    scale: Mapping[str, str] | None = None,
    valid_min: Mapping[str, float] | None = None,
    valid_max: Mapping[str, float] | None = None,
    counts: Mapping[str, bool] | Sequence[str] = (),
    zeros: Mapping[str, str] | Sequence[str] = (),
) -> xr.Dataset:
    """A dataset from a table, long or wide.

    Parameters
    ----------
    df : pandas, polars or pyarrow table, or any other that narwhals reads
        Long: a row for each sample and time. Wide: a row for each sample, its steps in columns.
    features : list of str, or mapping
        Long: columns that change over time. Wide: for each feature its columns in time's order, as a list or as a
        pattern like "day_*" (then in the table's order).
    sample : str, optional
        The column that says which series a row belongs to. None: a long table is one series (see `windows`); in a wide
        one each row is a sample.
    time : str, optional
        Long only: the column to order a series by; numbers or dates.
    attributes : list of str
        Columns that are the same in all rows of a sample.
    units : mapping, optional
        Unit of each feature or attribute.
    fill : {None, "linear", "previous"}
        What to do with a feature's missing values. None: refuse them. "linear": numbers on the line, over steps,
        between their neighbours, text as the value before. "previous": the value before. At a series' ends both take
        the nearest value.
    max_bytes : int, optional
        Most bytes of memory that a feature of a long table may take, as all its series get as many steps as the
        longest. Default: 128 MB, or 32 times what its column takes where that is more.
    text : list of str
        Columns or features of text that are categories, although they look like numbers.
    numbers : mapping or list
        Columns or features that are quantities. Of text the form, as `read_csv` takes it: {"load": "Mbps"}; a list
        means plain numbers.
    categories : list of str, or mapping
        Features and attributes whose values are categories, also where they are whole numbers (codes: protocols,
        ports, days of the week). A mapping lists all categories of each in their order.
    decimal : {None, ".", ","}
        Decimal sign of numbers in text.
    scale, valid_min, valid_max : mapping, optional
        Of each feature or attribute: "log" where its values span decades; bounds that are public knowledge.
    counts, zeros : list of str, or mapping
        Features that are whole numbers; those whose exact zeros are an event of their own ("inflated"). As attrs, see
        `dgkit.schema`, whose `proposals` says where the data ask for one.

    Returns
    -------
    Dataset
        Series of unequal length get a `length`; in a wide table a series ends after its last step with any value.
        Where all samples share the same times, they become the `time` coordinate; otherwise each series starts at
        step 0. Order of the samples: as they first appear.

    Raises
    ------
    SchemaError
        Names the column: it is not there, has missing values or a type that is neither number, text nor truth value;
        a sample has two rows for one time, or an attribute with two values. What is to be asked is asked, with the
        call that settles it: text that looks like numbers, whole numbers that may be codes.
    ConfigError
        Unknown `fill`, or a form that is none.

    See Also
    --------
    from_csv : the same from a file.
    windows : cuts long series into many samples.

    Examples
    --------
    >>> import pandas as pd
    >>> table = pd.DataFrame({"page": ["a", "a", "b"], "day": [1, 2, 1], "views": [3.0, 4.0, 5.0]})
    >>> from_table(table, sample="page", time="day", features=["views"]).length.values.tolist()
    [2, 1]
    """
    table, features = opened(df), as_names(features)
    check_decimal(decimal)
    forms, given = given_forms(numbers), dict.fromkeys(text)
    order = categories if isinstance(categories, Mapping) else dict.fromkeys(_listed("categories", categories))
    notes = {
        "units": {name: unit for name, form in forms.items() if (unit := unit_of(form))} | dict(units or {}),
        "scale": scale or {},
        "valid_min": valid_min or {},
        "valid_max": valid_max or {},
        "counts": counts if isinstance(counts, Mapping) else dict.fromkeys(_listed("counts", counts), 1),
        "zeros": zeros if isinstance(zeros, Mapping) else dict.fromkeys(_listed("zeros", zeros), "inflated"),
    }
    steps = feature_columns(table.columns, features)
    _check_named(table, steps, attributes, {"text": given, "numbers": forms}, {"categories": order, **notes})

    # of each column its form; what is said of a feature holds for all its columns
    asked: list[str] = []
    for name, columns in (*steps.items(), *((name, [name]) for name in attributes)):
        for column in columns:
            if name in forms:
                forms.setdefault(column, forms[name])
            if column in forms or not {name, column}.isdisjoint((*given, *order)) or column not in table.columns:
                continue
            form, ask = about_text(table, column, feature=name in steps)
            if form is not None:
                forms[column] = form
            asked += [ask] if ask and len(asked) < 5 else []
    if asked:
        raise SchemaError(" ".join(asked))

    codes = {column for name in (*given, *order) for column in steps.get(name, [name])}
    ds = dataset(
        table,
        features,
        sample=sample,
        time=time,
        attributes=attributes,
        units=None,
        fill=fill,
        max_bytes=max_bytes,
        forms=forms,
        codes=codes,
        decimal=decimal,
    )
    for key, values in notes.items():
        for name, value in values.items():
            if name in ds.data_vars:
                ds[name].attrs[key] = int(value) if isinstance(value, bool) else value  # netCDF has no truth values
    for name, listed in order.items():
        ds[name] = _categorical(ds[name], listed)
    truth = {name for name, columns in steps.items() if is_truth(table[columns[0]])}
    settled = {*given, *order, *forms, *truth, *(name for values in notes.values() for name in values)}
    if asked := about_whole_numbers(ds, settled):
        raise SchemaError(" ".join(asked))
    validate(ds, mends=MENDS)
    return ds


MENDS = {  # what the reader's caller can do, who has no `ds` yet
    "constant": "Leave {name!r} out of attributes=.",
    "identifier": "Leave {name!r} out of attributes= (sample= takes an identifier).",
    "many": "Leave {name!r} out of features=, or give categories=[{name!r}] if they are all meant.",
    "categories": "Give all of them, each once, in categories={{{name!r}: [...]}}, or leave the mapping out.",
    "infinite": "Mend the values, or make them missing and give fill=.",
    "empty": "Leave column {name!r} out, or drop the rows of these samples.",
    "gap": "Give fill='linear' or fill='previous'.",
    "text_gap": "Give fill='previous'.",
    "nan": "Leave {name!r} out of attributes=, or drop the rows of these samples.",
    "bounds": "Mend the values, or give other valid_min={{{name!r}: ...}} and valid_max={{{name!r}: ...}}.",
    "attrs": "Give another value of {key}={{{name!r}: ...}}, or leave it out.",
}


def _listed(option: str, names: Any) -> list[str]:
    if isinstance(names, str):
        raise ConfigError(f"{option} is {names!r}; give a list: {option}=[{names!r}].")
    return [str(name) for name in names or ()]


def _check_named(
    table: nw.DataFrame[Any],
    steps: Mapping[str, Sequence[str]],
    attributes: Sequence[str],
    of_columns: Mapping[str, Mapping[str, Any]],
    of_variables: Mapping[str, Mapping[str, Any]],
) -> None:
    """SchemaError for an option that names what is not there."""
    variables = {*steps, *attributes}
    for option, named in {**of_columns, **of_variables}.items():
        if not isinstance(named, Mapping):
            raise ConfigError(
                f"{option} is {named!r}; give a mapping, such as {option}={{{next(iter(steps))!r}: ...}}."
            )
        known = variables | set(table.columns) if option in of_columns or option == "units" else variables
        for name in named:
            if name not in known:
                raise SchemaError(
                    f"{option}= names {name!r}, which is no feature or attribute: {some_names(list(known))}."
                )


def _categorical(da: xr.DataArray, listed: Sequence[Any] | None) -> xr.DataArray:
    """Categories in the order given, or sorted; codes that are whole numbers as integers."""
    if da.dtype.kind == "b":
        return da
    values = da.values
    found = [value for value in np.unique(values).tolist() if value != ""]
    order: list[Any] = found if listed is None else list(map(str, listed))
    if all(value.lstrip("-").isdigit() and str(int(value)) == value and len(value) < 16 for value in found):
        values = np.where(values == "", "0", values).astype(np.int64)
        order = [int(value) if value.lstrip("-").isdigit() else value for value in order]
        order = sorted(order) if listed is None else order
    return da.copy(data=values).assign_attrs(categories=order)


def opened(df: Any) -> nw.DataFrame[Any]:
    """A table of any library as narwhals has it, its columns' names as text; SchemaError for what is none."""
    try:
        table = nw.from_native(df, eager_only=True)
        return table if all(isinstance(name, str) for name in table.columns) else _with_names(df)
    except TypeError as error:
        raise SchemaError(f"from_table needs a pandas, polars or pyarrow table, not {type(df).__name__}.") from error
    except nw.exceptions.DuplicateError as error:
        raise SchemaError(f"two columns of the table have the same name: {error}. Rename one.") from error


def _with_names(df: Any) -> nw.DataFrame[Any]:
    """A pandas table whose columns are named by numbers or dates, as a pivot makes it, with their text as names."""
    deep = [name for name in df.columns if isinstance(name, tuple)]
    if deep:
        raise SchemaError(
            f"column {deep[0]!r} has a name of {len(deep[0])} levels; one is needed. Join them: "
            "df.columns = ['_'.join(map(str, name)) for name in df.columns]"
        )
    named = df.set_axis([as_name(name) for name in df.columns], axis=1)
    return nw.from_native(named, eager_only=True)


def as_name(name: Any) -> str:
    """A column's name as text, a date without a time of day as such.

    Examples
    --------
    >>> as_name(1), as_name(np.datetime64("2024-01-31T00:00:00"))
    ('1', '2024-01-31')
    """
    return (
        str(pd.Timestamp(name)).removesuffix(" 00:00:00") if isinstance(name, np.datetime64 | datetime) else str(name)
    )


def as_names(features: Features) -> Features:
    """`features` with text for names, as `opened` makes it."""
    if not isinstance(features, Mapping):
        return [as_name(name) for name in ([features] if isinstance(features, str) else features)]
    return {
        as_name(name): columns if isinstance(columns, str) else [as_name(column) for column in columns]
        for name, columns in features.items()
    }


def dataset(
    table: nw.DataFrame[Any],
    features: Features,
    *,
    sample: str | None,
    time: str | None,
    attributes: Sequence[str],
    units: Mapping[str, str] | None,
    fill: str | None,
    max_bytes: int | None = None,
    forms: Mapping[str, str] | None = None,
    codes: Collection[str] = (),
    decimal: str | None = None,
) -> xr.Dataset:
    """What `from_table` makes of a table, before `validate` has seen it."""
    if fill not in FILLS:
        raise ConfigError(f"fill is {fill!r}; choose one of {', '.join(map(repr, FILLS))}.")
    if max_bytes is not None:
        whole("max_bytes", max_bytes)
    wide, names = isinstance(features, Mapping), list(features)
    steps = feature_columns(table.columns, features)
    keys = [name for name in (sample, time) if name is not None]
    needed = [*keys, *attributes, *(column for columns in steps.values() for column in columns)]
    _check_columns(table, needed, names, attributes, wide, time)
    gaps = {column for columns in steps.values() for column in columns} if wide or fill else set()
    columns = {
        name: column_values(
            table,
            name,
            gaps=name in gaps,
            form=(forms or {}).get(name),
            codes=name in codes,
            decimal=decimal,
            ways="" if forms is None else f", or take all as text (text=[{name!r}])",
        )
        for name in dict.fromkeys(needed)
    }
    for name in (name for name in dict.fromkeys(needed) if name != time and columns[name].dtype.kind == "f"):
        if (endless := np.isinf(columns[name])).any():
            raise SchemaError(
                f"column {name!r} is infinite in {place_of(table, int(endless.argmax()))} ({int(endless.sum())} such "
                "rows). Make that missing (a file's by missing=['inf'] of from_csv), and give fill=."
            )
    dates = [name for name in needed if name not in keys and columns[name].dtype.kind == "M"]
    if dates:
        raise SchemaError(
            f"column {dates[0]!r} holds dates; only `time` can. Derive numbers or categories from them, "
            f"e.g. df[{dates[0]!r}].dt.dayofweek."
        )
    if sample is None:
        ids = np.arange(table.shape[0] if wide else 1).astype(str)
        first = row_of = np.arange(table.shape[0]) if wide else np.zeros(table.shape[0], np.int64)
    else:
        ids, first, row_of = np.unique(columns[sample].astype(str), return_index=True, return_inverse=True)
        order = np.argsort(first)  # of appearance
        ids, first, row_of = ids[order], first[order], np.argsort(order)[row_of]
    data: dict[str, Any] = {}
    for name in attributes:
        values = columns[name][first[: len(ids)]]
        wrong = np.flatnonzero(columns[name] != values[row_of])
        if len(wrong):
            raise SchemaError(
                f"attribute {name!r} has more than one value in sample {str(ids[row_of[wrong[0]]])!r} "
                f"({place_of(table, wrong[0])}), {len(wrong)} such rows. What changes over time is a "
                "feature: name it in `features`."
            )
        data[name] = ("sample", values, _attrs(name, units))
    coords: dict[str, Any] = {} if sample is None else {"sample": ("sample", ids)}
    if wide:
        counts = {name: len(steps[name]) for name in names}
        if len(set(counts.values())) > 1:
            few, most = min(counts, key=counts.__getitem__), max(counts, key=counts.__getitem__)
            raise SchemaError(
                f"feature {few!r} has {counts[few]} columns, {most!r} {counts[most]}: each needs one for every step. "
                f"Give as many columns for {few!r} in features=."
            )
        if len(ids) != table.shape[0]:
            raise SchemaError(f"column {sample!r} names a sample twice; a wide table has one row for each.")
        series = {name: _stacked([columns[column] for column in steps[name]]) for name in names}
        present = np.logical_or.reduce([~_missing(values) for values in series.values()])  # (N, T)
        length = present.shape[1] - present[:, ::-1].argmax(1)
        if not present.any(1).all():
            row = int(np.flatnonzero(~present.any(1))[0])
            raise SchemaError(
                f"feature {names[0]!r} and all others have no value in sample {str(ids[row])!r} "
                f"({place_of(table, row)}). Drop that row."
            )
    else:
        series, length = _long_features(table, columns, names, time, row_of, ids, coords, max_bytes)
    for name, values in series.items():
        if fill:
            _fill(values, length, fill)
        data[name] = (("sample", "time"), values, _attrs(name, units))
    if (length != next(iter(series.values())).shape[1]).any():
        data["length"] = ("sample", length.astype(np.int64))
    return xr.Dataset(data, coords)


def windows(ds: xr.Dataset, length: int, step: int | None = None) -> xr.Dataset:
    """Many samples from few long series: each cut into windows of equal length.

    Parameters
    ----------
    ds : Dataset
        Of one or more series, e.g. of `from_table` without `sample`.
    length : int
        Steps of a window.
    step : int, optional
        Steps from the start of one window to that of the next. Default `length`: no overlap. With overlap, split into
        training and held-out data before cutting, or each half knows steps of the other.

    Returns
    -------
    Dataset
        Attributes as those of the series that a window comes from. Coordinates of `sample`: `series`, which one that is
        (its id, or its position), and `start`, the time (or step) of the window's first step: make attributes of it,
        such as ``start.dt.strftime("%a").astype(str)``, the day of the week. What is left at a series' end is dropped;
        so is a series shorter than a window.

    Raises
    ------
    ConfigError
        `length` or `step` is no positive whole number, or no series is as long as a window.
    SchemaError
        `ds` is not a dataset as `dgkit.schema` describes it.

    Examples
    --------
    >>> day = xr.Dataset({"power": (("sample", "time"), np.arange(10.0)[None])})
    >>> windows(day, 4, step=3).power.values.tolist()
    [[0.0, 1.0, 2.0, 3.0], [3.0, 4.0, 5.0, 6.0], [6.0, 7.0, 8.0, 9.0]]
    """
    validate(ds, training=False)
    step = length if step is None else step
    for name, value in (("length", length), ("step", step)):
        whole(name, value)
    valid = lengths(ds)
    counts = np.maximum((valid - length) // step + 1, 0)
    if not counts.any():
        raise ConfigError(f"length is {length}, but the longest series has {valid.max()} steps; cut shorter windows.")
    series = np.repeat(np.arange(len(valid)), counts)  # (W,)
    starts = (np.arange(len(series)) - np.repeat(np.cumsum(counts) - counts, counts)) * step  # (W,)
    at = {
        "sample": xr.DataArray(series, dims="sample"),
        "time": xr.DataArray(starts[:, None] + np.arange(length), dims=("sample", "time")),
    }
    plain = ds.drop_vars("length", errors="ignore").drop_vars(
        [name for name in ("sample", "time") if name in ds.coords]
    )
    cut = plain.isel(at)
    named = ds["sample"].values[series] if "sample" in ds.coords else series
    times = ds["time"].values[starts] if "time" in ds.coords else starts
    return cut.assign_coords(series=("sample", named), start=("sample", times))


def feature_columns(table: Sequence[str], features: Features) -> dict[str, list[str]]:
    """The columns of each feature, in time's order; SchemaError for a pattern that none matches."""
    if not isinstance(features, Mapping):
        return {name: [name] for name in features}
    found: dict[str, list[str]] = {}
    for name, columns in features.items():
        if isinstance(columns, str):
            found[name], empty = [c for c in table if fnmatchcase(c, columns)], f"no column matches {columns!r}"
        else:
            found[name], empty = list(columns), "it has no column"
        if not found[name]:
            raise SchemaError(f"feature {name!r}: {empty}; the table has {some_names(table)}.")
    return found


def _long_features(
    table: nw.DataFrame[Any],
    columns: Mapping[str, np.ndarray],
    names: Sequence[str],
    time: str | None,
    row_of: np.ndarray,
    ids: np.ndarray,
    coords: dict[str, Any],
    max_bytes: int | None,
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Series of a long table, sorted by time, blank after their end, (N, T); their lengths, (N,)."""
    when = columns[time] if time is not None else np.arange(len(row_of))
    if when.dtype.kind == "U":
        raise SchemaError(
            f"column {time!r} is text ({str(when[0])!r} in {place_of(table, 0)}), which has no order in time. Make it "
            f"numbers or dates, e.g. df[{time!r}] = pandas.to_datetime(df[{time!r}], format=...)."
        )
    rows = np.lexsort((when, row_of))
    sorted_sample, sorted_time = row_of[rows], when[rows]
    again = np.flatnonzero((sorted_sample[1:] == sorted_sample[:-1]) & (sorted_time[1:] == sorted_time[:-1]))
    if len(again):
        first, second = rows[again[0]], rows[again[0] + 1]
        raise SchemaError(
            f"column {time!r}: sample {str(ids[row_of[first]])!r} has two rows for {when[first]}: "
            f"{place_of(table, first)} and {place_of(table, second)} ({len(again)} such). Drop one, or aggregate them."
        )
    length = np.bincount(row_of, minlength=len(ids))
    step = np.arange(len(rows)) - np.repeat(np.cumsum(length) - length, length)
    series = {}
    for name in names:
        values = columns[name].astype(str if columns[name].dtype.kind == "U" else np.float64)
        longest = int(length.argmax())
        needed = len(ids) * int(length[longest]) * values.itemsize
        if needed > limit(values.nbytes, max_bytes):
            raise SchemaError(
                f"feature {name!r}: sample {str(ids[longest])!r} has {length[longest]} steps; with as many for each of "
                f"{len(ids)} samples it takes {needed / 1e6:,.0f} MB. Drop the longest, cut all into `windows`, or "
                f"give max_bytes={needed}."
            )
        series[name] = np.full((len(ids), length.max()), "" if values.dtype.kind == "U" else np.nan, values.dtype)
        series[name][sorted_sample, step] = values[rows]
    if time is not None and (length == length[0]).all():
        grid = sorted_time.reshape(len(ids), -1)
        if (grid == grid[0]).all():
            coords["time"] = ("time", grid[0])
    return series, length


def _stacked(columns: list[np.ndarray]) -> np.ndarray:
    """The steps of a wide table's feature side by side, (N, T); truth values as numbers."""
    if len({values.dtype.kind == "U" for values in columns}) > 1:  # a step that is missing throughout is no text
        columns = [values if values.dtype.kind == "U" else _as_text(values) for values in columns]
    stacked = np.stack(columns, 1)
    return stacked.astype(np.float64) if stacked.dtype.kind == "b" else stacked


def _as_text(values: np.ndarray) -> np.ndarray:
    return np.where(_missing(values), "", values.astype(str))


def _missing(values: np.ndarray) -> np.ndarray:
    missing: np.ndarray = values == "" if values.dtype.kind == "U" else np.isnan(values)
    return missing


def _fill(values: np.ndarray, length: np.ndarray, fill: str) -> None:
    """Replaces what is missing before the end of a series that has any value."""
    missing = _missing(values)
    for i in np.flatnonzero((missing & (np.arange(values.shape[1]) < length[:, None])).any(1)):
        n = length[i]
        known = np.flatnonzero(~missing[i, :n])
        if not len(known):
            continue  # `validate` names it
        if fill == "linear" and values.dtype.kind != "U":
            values[i, :n] = np.interp(np.arange(n), known, values[i, known])
        else:
            values[i, :n] = values[i, known[np.maximum(np.searchsorted(known, np.arange(n), "right") - 1, 0)]]


def _check_columns(
    table: nw.DataFrame[Any],
    needed: Sequence[str],
    names: Sequence[str],
    attributes: Sequence[str],
    wide: bool,
    time: str | None,
) -> None:
    known = set(table.columns)
    missing = [column for column in needed if column not in known]
    if missing:
        native = table.to_native()
        index = [name for name in getattr(getattr(native, "index", None), "names", ()) if name is not None]
        if missing[0] in index:
            raise SchemaError(f"no column {missing[0]!r}: it is the table's index. Make it a column: df.reset_index()")
        raise SchemaError(f"no column {missing[0]!r}; the table has {some_names(table.columns)}.")
    if not names:
        raise SchemaError("no feature: name at least one column (long) or one list of columns (wide) in `features`.")
    twice = [name for name, count in Counter([*names, *attributes]).items() if count > 1 or name == "length"]
    if twice:
        raise SchemaError(f"{twice[0]!r} is named twice, or is the reserved name 'length'. Rename the column.")
    taken = [name for name in (*names, *attributes) if name in ("sample", "time")]
    if taken:
        raise SchemaError(
            f"{taken[0]!r} is the name of a dim of every dataset, and can be none of a feature or attribute. Rename "
            f"the column, e.g. to '{taken[0]}_'."
        )
    if wide and time is not None:
        raise SchemaError(
            f"time={time!r} goes with a long table; a wide one has its times in the columns of `features`."
        )
    if table.shape[0] == 0:
        raise SchemaError(f"the table has no rows, so {names[0]!r} holds nothing.")


def some_names(columns: Sequence[str], most: int = 20) -> str:
    return ", ".join(map(repr, columns[:most])) + (f" and {len(columns) - most} more" if len(columns) > most else "")


def _attrs(name: str, units: Mapping[str, str] | None) -> dict[str, str]:
    return {"units": units[name]} if units and name in units else {}
