"""Tables as datasets: long, wide, or one long series cut into windows. CSV files are read by `dgkit.readers.csv_files`.

Rows go to their place by their time (`grid`): what is missing between two rows is a gap, and no later row moves up.
"""

import json
import re
from collections import Counter
from collections.abc import Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

import narwhals as nw
import numpy as np
import pandas as pd
import xarray as xr

from dgkit._checks import mapping, several, shown, whole
from dgkit._netcdf import limit
from dgkit.errors import ConfigError, SchemaError
from dgkit.readers import grid
from dgkit.readers.columns import Features, feature_columns, some_names, times_in
from dgkit.readers.grid import Choices, Placed, fill_missing
from dgkit.readers.numbers import NUMBER, WORDS, unit_in, unit_of
from dgkit.readers.questions import Asked, about_markers, about_spelling, about_sums, about_text, about_whole_numbers
from dgkit.readers.values import (
    LINE,
    ROW,
    as_codes,
    check_decimal,
    column_values,
    given_forms,
    is_truth,
    lines_of,
    numeric,
    place_of,
)
from dgkit.schema import blocks, lengths, missing_in, time_read, validate


def from_table(
    df: Any,
    *,
    features: Features,
    sample: str | None = None,
    time: str | None = None,
    attributes: Sequence[str] = (),
    units: Mapping[str, str] | None = None,
    fill: str | Mapping[str, str] | None = None,
    max_bytes: int | None = None,
    step: Any = None,
    tolerance: Any = None,
    max_gap: int | None = None,
    gaps: str | None = None,
    duplicates: str | None = None,
    counters: Sequence[str] | None = None,
    timezone: str | None = None,
    ambiguous: str | None = None,
    bin: Any = None,
    bins: Mapping[str, str] | None = None,
    text: Sequence[str] = (),
    numbers: Mapping[str, str] | Sequence[str] | None = None,
    categories: Mapping[str, Sequence[Any] | Mapping[Any, float]] | Sequence[str] = (),
    decimal: str | None = None,
    scale: Mapping[str, str] | None = None,
    valid_min: Mapping[str, float] | None = None,
    valid_max: Mapping[str, float | str] | None = None,
    counts: Mapping[str, bool] | Sequence[str] = (),
    zeros: Mapping[str, str] | Sequence[str] = (),
) -> xr.Dataset:
    """A dataset from a table, long or wide.

    Rows go to their place in time. What the table leaves open where it changes the numbers (a gap, two rows for one
    time, a counter) is asked about: the error names the choices.

    Parameters
    ----------
    df : pandas, polars or pyarrow table, or any other that narwhals reads
        Long: a row for each sample and time. Wide: a row for each sample, its steps in columns.
    features : list of str, or mapping
        Long: columns that change over time. Wide: for each feature its columns in time's order, as a list or as a
        pattern like "day_*": in the order of the times or the number in their names (lag_2 before lag_1), else in the
        table's, if the names say no other.
    sample : str, optional
        The column that says which series a row belongs to. None: a long table is one series (see `windows`); in a wide
        one each row is a sample.
    time : str, optional
        Long only: the column that tells when; numbers or dates. None: rows are steps in their order.
    attributes : list of str
        Columns that are the same in all rows of a sample.
    units : mapping, optional
        Unit of each feature or attribute.
    fill : {None, "linear", "previous"}, or mapping of feature to one
        What to do with a feature's missing values, and with steps that have no row. None: ask. "linear": numbers on the
        line, over steps, between their neighbours (of a counter the readings: each step gets the mean rate over the
        gap), text and truth values as the value before. "previous": the value before. At a series' ends both take the
        nearest value.
    max_bytes : int, optional
        Most bytes of memory that a feature of a long table may take, as all its series get as many steps as the
        longest. Default: 128 MB, or 32 times what its column takes where that is more.
    step : str, Timedelta or number, optional
        From a row to the next: "5min", "1h", "1D", "MS" (months), "B" (business days); a number if times are numbers.
        Default: the most frequent distance, if the rows confirm it.
    tolerance : as `step`, optional
        How far a time may be from that of its step. Default: a tenth of a step.
    max_gap : int, optional
        Longest gap to fill, in steps.
    gaps : {None, "keep"}
        What to do with gaps that are not filled. None: ask. "keep": they stay NaN, for `windows` to leave out.
    duplicates : {None, "mean", "last", "first"}
        Which of several rows for one step count; of a counter "mean" takes the last. None: ask. Text and truth values
        that differ have no "mean".
    counters : list of str, optional
        Features that count up: they become the rate per second (per unit of time, if times are numbers) from the step
        before, so a series' first step goes. Going on from 0 after 2^32 or 2^64 is a wrap where that gives a usual
        rate; any other fall is a reset, which leaves a gap of one step. Default: none, but a feature that only grows is
        asked about; () says that none is.
    timezone : str, optional
        Zone of times that say none, such as "Europe/Berlin". Times become UTC; steps of days and more keep to the days
        of the zone.
    ambiguous : {None, "first", "second"}
        Which one an hour is that comes twice, where clocks go back, if the order of the rows does not tell.
    bin, bins : as `step`, and mapping of name to way
        For events: the rows of a `bin` ("1h") become one step, by "sum", "mean", "count", "min", "max", "median",
        "first" or "last" of each feature; a name that is no column with "count" counts rows. Bins without a row: 0 for
        "sum" and "count", else a gap; so is a sum of which a part is missing.
    text : list of str
        Columns or features of text that are categories, although they look like numbers; also `sample` and others whose
        texts are to be taken as they are, "A" apart from "a".
    numbers : mapping or list
        Columns or features that are quantities. Of text the form, as `read_csv` takes it: {"load": "Mbps"}; a list
        means plain numbers. The unit that a form tells is noted, of "K=1000" the one after the prefixes.
    categories : list of str, or mapping
        Features and attributes whose values are categories, also where they are whole numbers (codes: protocols,
        ports, days of the week). A mapping lists all categories of each in their order, or says what number each
        stands for: {"speed": {"100M": 100e6, "1G": 1e9}}, which a bound may be (see `valid_max`). Default: those that
        the table itself lists, in their order (pandas' Categorical, polars' Enum), else those that are there.
    decimal : {None, ".", ","}
        Decimal sign of numbers in text.
    scale, valid_min, valid_max : mapping, optional
        Of each feature or attribute: "log" where its values span decades (an attribute's private releases alone
        read); bounds that are public knowledge. A
        feature's `valid_max` may be the name of an attribute, such as a link's speed: a number, or categories that
        `categories` says the numbers of.
    counts, zeros : list of str, or mapping
        Features that are whole numbers; those whose exact zeros are an event of their own ("inflated"). As attrs, see
        `dgkit.schema`, whose `proposals` says where the data ask for one.

    Returns
    -------
    Dataset
        Each series starts at its own first time. Those of unequal length get a `length`; what is missing at a series'
        end in all features is its end. Where all samples share the same times, they become the `time` coordinate;
        otherwise the coordinate `start` tells each one's first. Order of the samples: as they first appear.
        ``attrs["time_read"]`` (JSON) tells what was decided and how often; `dgkit.schema.describe` says it in words.

    Raises
    ------
    SchemaError
        Names the column: it is not there, has missing values or a type that is neither number, text nor truth value;
        an attribute has two values in a sample, a wide feature columns of several kinds or units. What a table leaves
        open is asked, with the call that settles it: gaps, duplicates, the order of columns such as t-1 and t-2, text
        that looks like numbers, whole numbers that may be codes, a number far from all others that may stand for a
        missing value, two texts that differ in capitals or blanks alone, a sample that is the sum of all others.
    ConfigError
        A choice that cannot be, or a form that is none.

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
    >>> polls = pd.DataFrame({"minute": [0, 5, 10, 25, 30], "load": [1.0, 2.0, 3.0, 6.0, 7.0]})
    >>> from_table(polls, time="minute", features=["load"], fill="linear")["load"].values.tolist()
    [[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]]
    """
    choices = Choices(step, tolerance, fill, max_gap, gaps, duplicates, counters, timezone, ambiguous, bin, bins)
    table, features = opened(df), as_names(features)
    check_decimal(decimal)
    asked, attributes, text = Asked(table), several("attributes", attributes), several("text", text)
    check_roles(sample, time)

    # what is said of columns and variables
    forms, given = given_forms(numbers), dict.fromkeys(text)
    order = (
        categories
        if isinstance(categories, Mapping)
        else dict.fromkeys(map(as_name, several("categories", categories)))
    )
    told = {name: unit for name, form in forms.items() if (unit := unit_of(form))} | mapping("units", units)
    notes: dict[str, Mapping[str, Any]] = {
        "units": told,
        "scale": scale or {},
        "valid_min": valid_min or {},
        "valid_max": valid_max or {},
        "counts": counts if isinstance(counts, Mapping) else dict.fromkeys(map(as_name, several("counts", counts)), 1),
        "zeros": zeros
        if isinstance(zeros, Mapping)
        else dict.fromkeys(map(as_name, several("zeros", zeros)), "inflated"),
    }
    roles = {name for name in (sample, time, *attributes) if name is not None}
    steps = feature_columns(table.columns, features, roles)
    features = steps if isinstance(features, Mapping) else features
    _check_named(table, steps, attributes, {"text": given, "numbers": forms}, {"categories": order, **notes})

    # what each column is taken for
    forms = _forms(table, steps, attributes, forms, {*given, *order}, asked)
    asked.ask()
    told = _prefixed_units(table, steps, attributes, forms) | told
    ds = dataset(
        table,
        features,
        sample=sample,
        time=time,
        attributes=attributes,
        units=told,
        choices=choices,
        max_bytes=max_bytes,
        forms=forms,
        codes={column for name in (*given, *order) for column in steps.get(name, [name])},
        decimal=decimal,
        asked=asked,
    )

    # what is noted, and what is left to be asked about
    for key, values in notes.items():
        for name, value in values.items():
            if name in ds.data_vars and key != "units":  # of which a counter's are per second
                ds[name].attrs[key] = int(value) if isinstance(value, bool) else value  # netCDF has no truth values
    for name in (name for name in (*steps, *attributes) if order.get(name) is None and ds[name].dtype.kind == "U"):
        if own := _own_categories(table, steps.get(name, [name])):
            if name in order:
                order = {**order, name: own}
            elif (there := {*np.unique(ds[name].values).tolist()} - {""}) <= {*own} and own != sorted(there):
                ds[name].attrs["categories"] = own  # not those that are there, sorted: these nobody listed
    for name, listed in order.items():
        if (bins or {}).get(name) != "count":  # which counts rows, whatever they hold
            ds[name] = _categorical(ds[name], listed)
    truth = {name for name, of in steps.items() if of[0] in table.columns and is_truth(table[of[0]])}
    noted = {name for values in notes.values() for name in values}
    settled = {*given, *order, *forms, *truth, *noted, *(counters or ()), *(bins or ())}
    about_spelling(ds, sample, settled, asked)
    about_sums(ds, sample, settled, asked)
    about_markers(ds, settled, asked)
    about_whole_numbers(ds, settled, asked)
    asked.ask()
    validate(ds, gaps=gaps == "keep", mends=MENDS)
    return ds


def check_roles(sample: Any, time: Any) -> None:
    """ConfigError unless each is one column; of several one has to be made."""
    for role, name in {"sample": sample, "time": time}.items():
        if isinstance(name, Hashable):
            continue
        mend = ""
        if isinstance(name, list) and len(name) > 1 and all(isinstance(one, str) for one in name):
            made = " + ' ' + ".join(f"df[{one!r}].astype(str)" for one in name)
            if role == "time":
                made = f"pandas.to_datetime({f'df[{name}]' if {*map(str.lower, name)} <= _PARTS else made})"
            mend = (
                f" Make one of them, df[{role!r}] = {made}, and give df to from_table (of a file df = read_csv(...))."
            )
        raise ConfigError(f"{role} is {shown(name)}; give the name of one column.{mend}")


_PARTS = {"year", "month", "day", "hour", "minute", "second"}  # of which pandas makes dates


def _forms(
    table: nw.DataFrame[Any],
    steps: Mapping[str, Sequence[str]],
    attributes: Sequence[str],
    forms: Mapping[str, str],
    said_of: Collection[str],
    asked: Asked,
) -> dict[str, str]:
    """Of each column of text that becomes numbers its form; what is said of a feature holds for all its columns.

    Of a feature's columns it is asked once: one form must do for all.
    """
    made, known, plain = dict(forms), set(table.columns), numeric(table)
    for name, columns in (*steps.items(), *((name, [name]) for name in attributes)):
        if name in made:
            made = dict.fromkeys(columns, made[name]) | made
        one_unit(name, {column: unit_of(made.get(column)) for column in columns})
        if name in said_of or len(asked.questions) == 5:
            continue
        there = [column for column in columns if column in known and column not in said_of]
        texts = [column for column in there if column not in plain and _has_text(table[column])]
        bare = [] if columns == [name] or not texts else _numbers(table, [c for c in there if c not in texts])
        unit = unit_of(made.get(texts[0])) if texts else None
        if bare and unit:
            raise SchemaError(
                f"feature {name!r}: column {texts[0]!r} has text in {unit!r}, {bare[0]!r} numbers without a unit. "
                "Bring all its columns to one unit before."
            )
        texts = [column for column in texts if column not in made]
        if texts:
            one = table if columns == [name] else _in_one_column(table, name, texts, bare)
            form = (
                None
                if one is None
                else about_text(one, name, asked, feature=name in steps, columns=[] if columns == [name] else texts)
            )
            made |= dict.fromkeys(texts, form) if form is not None else {}
    return made


def one_unit(name: str, units: Mapping[str, str | None], way: str = "") -> str | None:
    """The unit of a feature's columns; SchemaError where they have several, with the way to one."""
    first = {unit: column for column, unit in units.items()}
    if len(first) > 1:
        said = ", ".join(f"{column!r} {unit or 'none'}" for unit, column in first.items())
        one = f"Give one form for all: numbers={{{name!r}: 'K=1000'}} or 'duration' bring each to one unit."
        way = way or (MIXED if None in first else one)
        raise SchemaError(
            f"numbers= gives the columns of feature {name!r} several units ({said}), which would mix them. {way}"
        )
    return next(iter(first), None)


def _prefixed_units(
    table: nw.DataFrame[Any], steps: Mapping[str, Sequence[str]], attributes: Sequence[str], forms: Mapping[str, str]
) -> dict[str, str]:
    """The unit of each variable whose text is read by "K=1000" or "K=1024", from what stands after the prefixes."""
    found: dict[str, str] = {}
    for name, columns in (*steps.items(), *((name, [name]) for name in attributes)):
        units: dict[str, str | None] = {}
        for column in columns:
            if forms.get(column) in ("K=1000", "K=1024") and column in table.columns and _has_text(table[column]):
                texts = {item.strip() for item in table[column].to_list() if isinstance(item, str)} - {"", *WORDS}
                units[column] = unit_in([*texts], forms[column])
        if unit := one_unit(name, {column: unit for column, unit in units.items() if unit}, MIXED):
            found[name] = unit
    return found


def _has_text(series: nw.Series[Any]) -> bool:
    if series.dtype == nw.Object:
        return any(isinstance(item, str) for item in series.to_list())
    return bool(series.dtype == nw.String)


def _numbers(table: nw.DataFrame[Any], columns: Sequence[str]) -> list[str]:
    """Those of the columns that hold numbers."""
    found = []
    for column in columns:
        series = table[column]
        missing = series.is_null() | series.is_nan() if series.dtype.is_float() else series.is_null()
        if series.dtype.is_numeric() and not missing.all():
            found.append(column)
    return found


def _in_one_column(
    table: nw.DataFrame[Any], name: str, texts: Sequence[str], numbers: Sequence[str]
) -> nw.DataFrame[Any] | None:
    """The text of a feature's columns one below the other, and a number of its columns of `numbers`.

    None where there are such, but not all of the text is numbers too.
    """
    cells = [item for column in texts for item in table[column].to_list()]
    rows = np.arange(table.shape[0]) if (lines := lines_of(table)) is None else lines
    at = np.tile(rows, len(texts))
    for column in numbers[:1]:
        held = {item.strip() for item in cells if isinstance(item, str)} - {"", *WORDS}
        if not all(any(sign.fullmatch(item) for sign in NUMBER.values()) for item in held):
            return None
        values = table[column].to_numpy()
        first = np.flatnonzero(values == values)[:1]
        cells += [f"{value:.15g}" for value in values[first]]
        at = np.append(at, rows[first])
    index = pd.Index(at, name=ROW if lines is None else LINE)
    return nw.from_native(pd.DataFrame({name: pd.Series(cells, index, dtype=object)}), eager_only=True)


_MANY = 20  # categories of no order that may be identifiers: these a table's Categorical does not list by itself
MIXED = "Bring all to one unit before."
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
    "counts": "Leave {name!r} out of counts=.",
    "attrs": "Give another value of {key}={{{name!r}: ...}}, or leave it out.",
    "worth": "Say it, categories={{{name!r}: {each}}}, or leave {feature!r} out of valid_max=.",
}


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


def _categorical(da: xr.DataArray, listed: Sequence[Any] | Mapping[Any, float] | None) -> xr.DataArray:
    """Categories in the order given, or sorted, with the numbers they stand for; whole numbers as integers."""
    if da.dtype.kind == "b":
        return da
    values = da.values
    found = [value for value in np.unique(values).tolist() if value != ""]
    listed_only = list(listed) if isinstance(listed, Mapping) else listed
    order: list[Any] = found if listed is None else list(map(str, several("categories", listed_only)))
    if all(re.fullmatch(r"-?\d+", value, re.ASCII) and str(int(value)) == value and len(value) < 16 for value in found):
        values = np.where(values == "", "0", values).astype(np.int64)
        order = [int(float(value)) if re.fullmatch(r"-?\d+(\.0+)?", value, re.ASCII) else value for value in order]
        order = sorted(order) if listed is None else order
    stand_for = {"numbers": list(listed.values())} if isinstance(listed, Mapping) else {}
    return da.copy(data=values).assign_attrs(categories=order, **stand_for)


def _own_categories(table: nw.DataFrame[Any], columns: Sequence[str]) -> list[str]:
    """The categories that a table's columns list themselves (pandas' Categorical, polars' Enum), in their order.

    None of columns that list different ones, or so many in no order that they may be identifiers.
    """
    native, listed = table.to_native(), list[list[str]]()
    for column in columns:
        dtype = getattr(native[column], "dtype", None) if column in table.columns else None
        if isinstance(dtype, pd.CategoricalDtype) and (dtype.ordered or len(dtype.categories) <= _MANY):
            held = dtype.categories.to_numpy()
            listed.append(as_codes(held).tolist() if held.dtype.kind in "iuf" else list(map(str, held)))
        else:
            listed.append(list(getattr(table[column].dtype, "categories", ())) if column in table.columns else [])
    own = [text for text in listed[0] if text != ""]
    return own if len(set(own)) == len(own) and all(of == listed[0] for of in listed) else []


def opened(df: Any) -> nw.DataFrame[Any]:
    """A table of any library as narwhals has it, its columns' names as text; SchemaError for what is none."""
    if isinstance(df, pd.DataFrame):
        df = _in_utc(df)
    try:
        table = nw.from_native(df, eager_only=True)
        return table if all(isinstance(name, str) for name in table.columns) else _with_names(df)
    except TypeError as error:
        kind = type(df).__name__
        way = {"LazyFrame": " Collect it: df.collect()", "Series": " Make a table of it: df.to_frame()"}.get(kind, "")
        raise SchemaError(f"from_table needs a pandas, polars or pyarrow table, not {kind}.{way}") from error
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


def _in_utc(df: pd.DataFrame) -> pd.DataFrame:
    """A pandas table with its zoned times in UTC; its attrs keep the zones, which `grid.times_of` goes by.

    narwhals knows no zone with a sign besides letters and "/" in its name, such as America/New_York.
    """
    zoned = {k: str(dtype.tz) for k, dtype in enumerate(df.dtypes) if isinstance(dtype, pd.DatetimeTZDtype)}
    made = df.copy(deep=False) if zoned else df
    for k in zoned:
        made.isetitem(k, df.iloc[:, k].dt.tz_convert("UTC"))
    if zoned:
        made.attrs = {**df.attrs, grid.ZONES: {as_name(df.columns[k]): zone for k, zone in zoned.items()}}
    return made


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
        return [as_name(name) for name in ([features] if isinstance(features, str) else several("features", features))]
    return {
        as_name(name): columns if isinstance(columns, str) else list(map(as_name, several("features", columns)))
        for name, columns in features.items()
    }


@dataclass(frozen=True)
class _Read:
    """A table as it was read: its values, to which samples and steps they belong, and what is known of them."""

    table: nw.DataFrame[Any]
    columns: Mapping[str, np.ndarray]
    steps: Mapping[str, list[str]]  # the columns of each feature
    switches: Collection[str]  # features that are truth values, between which nothing lies
    ids: np.ndarray  # of the samples, (N,)
    row_of: np.ndarray  # the sample of each row, (rows,)
    wide: bool  # a row holds a whole sample
    at: Placed
    choices: Choices
    asked: Asked
    forms: Mapping[str, str]  # of columns of text that are numbers
    decimal: str | None

    @cached_property
    def blank_rows(self) -> np.ndarray:
        """Which rows ``blank_rows="drop"`` leaves out: of a file with times, those without a value of any feature."""
        columns = [self.columns[column] for of in self.steps.values() for column in of if column in self.columns]
        blank = np.full(len(self.row_of), self.asked.of_file and not self.wide and self.at.timed and len(columns) > 0)
        for values in columns if blank.any() else ():
            blank &= missing_in(values) if values.dtype.kind in "fU" else False
        return blank


def dataset(
    table: nw.DataFrame[Any],
    features: Features,
    *,
    sample: str | None,
    time: str | None,
    attributes: Sequence[str],
    units: Mapping[str, str] | None,
    choices: Choices,
    max_bytes: int | None = None,
    forms: Mapping[str, str] | None = None,
    codes: Collection[str] = (),
    decimal: str | None = None,
    asked: Asked | None = None,
) -> xr.Dataset:
    """What `from_table` makes of a table, before `validate` has seen it."""
    if max_bytes is not None:
        whole("max_bytes", max_bytes)
    wide, asked, names = isinstance(features, Mapping), asked or Asked(table), list(features)
    _check_choices(choices, names, table.columns, wide, time)
    counted = [name for name in names if name not in table.columns and (choices.bins or {}).get(name) == "count"]
    steps = {name: of for name, of in feature_columns(table.columns, features).items() if name not in counted}
    own = dict.fromkeys(column for of in steps.values() for column in of)
    keys = [name for name in (sample, time) if name is not None]
    _check_columns(table, [*keys, *attributes, *own], names, attributes, wide, time)

    # the columns as values, and of which sample each row is
    needed = dict.fromkeys(
        name for name in (*keys, *attributes, *own) if name != time or name in own or name in attributes
    )
    plain = numeric(table).intersection(own).difference(codes)
    columns = {
        name: table.to_native()[name].to_numpy()
        if name in plain
        else column_values(
            table,
            name,
            gaps=name in own,
            form=(forms or {}).get(name),
            codes=name in codes,
            decimal=decimal,
            ways="" if forms is None else f", or take all as text (text=[{name!r}])",
        )
        for name in needed
    }
    truth = {
        name for name in own if name not in plain and ((forms or {}).get(name) == "truth" or is_truth(table[name]))
    }
    _check_values(table, columns, steps, sample, time, truth, asked)
    ids, first, row_of = _samples(table, columns, sample, wide)
    data = _attributes(table, columns, attributes, ids, first, row_of, units)

    # the series, blank where nothing is known
    if wide:
        series, at = _wide_features(table, columns, steps, ids, choices, asked)
    else:
        at = grid.in_order(row_of, len(ids))
        if time is not None:
            times = grid.times_of(table, time, row_of, choices)
            at = grid.placed(times, row_of, ids, choices, asked, table, names)
        binned = [name for name in choices.bins or () if name not in names]
        series = _long_features(columns, [*names, *binned], at, ids, choices, max_bytes, truth)
    switches = {name for name, of in steps.items() if truth.intersection(of)}
    read = _Read(table, columns, steps, switches, ids, row_of, wide, at, choices, asked, forms or {}, decimal)
    counters = list(choices.counters or ())
    if counters:
        _make_rates(series, counters, read)
    elif choices.counters is None and choices.bin is None and (time is not None or wide):
        _ask_for_counters(series, at.length, asked)

    # what is missing: filled, kept or asked about
    length = _ends(series, read)
    _fill(series, length, read)
    asked.ask()

    coords, said = _coordinates(at, length, next(iter(series.values())).shape[1], wide)
    for name in sorted({*data, *series} & {*coords, "sample", "time", "length"} | set(data) & set(series)):
        raise SchemaError(
            f"{name!r} is the name of more than one thing in this dataset (series that begin at different times have "
            "'start'). Rename the column, or what is counted in `bins`."
        )
    per = at.said.get("_per", "s")
    for name, values in series.items():
        attrs = {"units": f"{(units or {}).get(name, '1')}/{per}"} if name in counters else _attrs(name, units)
        data[name] = (("sample", "time"), values, attrs)
    if (length != next(iter(series.values())).shape[1]).any():
        data["length"] = ("sample", length.astype(np.int64))
    if sample is not None:
        coords["sample"] = ("sample", ids)
    return xr.Dataset(data, coords, {"time_read": json.dumps(said)} if said else {})


def _check_values(
    table: nw.DataFrame[Any],
    columns: Mapping[str, np.ndarray],
    steps: Mapping[str, list[str]],
    sample: str | None,
    time: str | None,
    truth: Collection[str],
    asked: Asked,
) -> None:
    """SchemaError for values that no dataset holds: infinite ones, dates but in `time`, features without any.

    And for a feature whose columns are of several kinds; `truth` are those of truth values.
    """
    for name, values in columns.items():
        if name != time and values.dtype.kind == "f" and (endless := np.isinf(values)).any():
            markers = [f"{value}" for value in np.unique(values[endless]).tolist()]
            raise SchemaError(
                f"column {name!r} is infinite in {place_of(table, int(endless.argmax()))} ({int(endless.sum())} such "
                f"rows). Make that missing (a file's by missing={markers} of from_csv), and give fill=."
            )
    for name, values in columns.items():
        if name not in (sample, time) and values.dtype.kind == "M":
            mend = f"text=[{name!r}]" if asked.of_file else f"df[{name!r}].dt.dayofweek"
            raise SchemaError(
                f"column {name!r} holds dates; only `time` can. Take them as text, or derive numbers or categories "
                f"from them before, e.g. {mend}."
            )
    for name, of in steps.items():
        if all(columns[column].dtype.kind in "fU" and missing_in(columns[column]).all() for column in of):
            raise SchemaError(f"column {of[0]!r} has no value. Leave feature {name!r} out of features=.")
        kinds: dict[str, str] = {}
        for column in of:
            kind = columns[column].dtype.kind
            what = "text" if kind == "U" else "truth values" if column in truth else "numbers"
            if what not in kinds and not (kind in "fU" and missing_in(columns[column]).all()):  # which is of any kind
                kinds[what] = column
        if len(kinds) > 1:
            (one, first), (two, second) = list(kinds.items())[:2]
            way = "" if "truth values" in kinds and not asked.of_file else f", or take all as text: text=[{name!r}]"
            way += (
                f"; numbers=[{name!r}] takes text as numbers, where it has no unit"
                if {*kinds} == {"text", "numbers"}
                else ""
            )
            raise SchemaError(
                f"feature {name!r}: column {first!r} holds {one}, {second!r} {two}. Make all its columns of one kind "
                f"before{way}."
            )


def _samples(
    table: nw.DataFrame[Any], columns: Mapping[str, np.ndarray], sample: str | None, wide: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The samples in the order of their appearance, (N,), the first row of each, (N,), and each row's, (rows,)."""
    rows = table.shape[0]
    if sample is None:
        row_of = np.arange(rows) if wide else np.zeros(rows, np.int64)
        return np.arange(rows if wide else 1).astype(str), row_of, row_of
    ids, first, row_of = np.unique(columns[sample].astype(str), return_index=True, return_inverse=True)
    if wide and len(ids) != rows:
        raise SchemaError(f"column {sample!r} names a sample twice; a wide table has one row for each.")
    order = np.argsort(first)
    return ids[order], first[order], np.argsort(order)[row_of]


def _attributes(
    table: nw.DataFrame[Any],
    columns: Mapping[str, np.ndarray],
    attributes: Sequence[str],
    ids: np.ndarray,
    first: np.ndarray,
    row_of: np.ndarray,
    units: Mapping[str, str] | None,
) -> dict[str, Any]:
    """What does not change over time, (N,) each."""
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
    return data


def _fill(series: Mapping[str, np.ndarray], length: np.ndarray, read: _Read) -> None:
    """Fills what is missing before the series' ends, keeps it or asks, as the choices say."""
    ids, choices, filled, kept = read.ids, read.choices, read.at.said.pop("filled_values", 0), 0
    for name, values in series.items():
        counter = name in (choices.counters or ())
        most = choices.max_gap if choices.max_gap is None or not counter else choices.max_gap + 1
        how = choices.how(name)
        filled += fill_missing(values, length, "previous" if how and name in read.switches else how, most)
        missing = missing_in(values) & (np.arange(values.shape[1]) < length[:, None])
        kept += int(missing.sum())
        none = np.flatnonzero((missing.sum(1) == length) & (choices.gaps != "keep"))
        if len(none):
            raise SchemaError(
                f"feature {name!r} has no value in sample {str(ids[none[0]])!r} ({len(none)} such samples). Drop the "
                "rows of that sample, leave the feature out, or keep its steps as NaN, for `windows` to leave out: "
                "gaps='keep'."
            )
        if missing.any() and choices.gaps != "keep":
            _ask_for_fill(name, missing, read)
    read.at.said.update(({"filled_values": filled} if filled else {}) | ({"kept_missing": kept} if kept else {}))


def _coordinates(at: Placed, length: np.ndarray, steps: int, wide: bool) -> tuple[dict[str, Any], dict[str, Any]]:
    """The times: of the steps where all samples share them, else of each sample's first; and what is said of them."""
    said = {key: value for key, value in at.said.items() if not key.startswith("_")}
    if not at.timed:
        return {}, said
    start = at.at(np.arange(len(length)), np.zeros(len(length), np.int64))
    if not wide and not ((length == steps).all() and (start == start[0]).all()):
        return {"start": ("sample", start)}, said | (
            {} if (start == start[0]).all() else {"starts": "at different times"}
        )
    line = at.at(np.zeros(steps, np.int64), np.arange(steps))
    if line.dtype.kind == "f" and not {"bin", "gaps", "snapped", "duplicates", "counters"} & at.said.keys():
        line = at.seconds[:steps].astype(line.dtype)  # numbers to the last bit as they were
    return {"time": ("time", line)}, said


def windows(
    ds: xr.Dataset,
    length: int,
    step: int | None = None,
    *,
    begin: str | None = None,
    timezone: str | None = None,
) -> xr.Dataset:
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
    begin : str, optional
        What the clock shows when a window begins: "00:05" cuts days of 24 hours from then on, one for each day that has
        such a step. The day on which clocks go forward has an hour of the next; the hour that comes twice is in none.
        Windows of several days begin `step` after the one before, as near as `begin` allows.
    timezone : str, optional
        Whose clock that is, of times in UTC, such as "Europe/Berlin". Default: the zone that the data were read with
        (`from_table`), if any; else the times are taken as they are. Ignored without `begin`.

    Returns
    -------
    Dataset
        Attributes as those of the series that a window comes from. Coordinates of `sample`: `series`, which one that is
        (its id, or its position), and `start`, the time (or step) of the window's first step: make attributes of it,
        such as ``start.dt.strftime("%a").astype(str)``, the day of the week. What is left at a series' end is dropped;
        so is a series shorter than a window. No window crosses a gap, be it a missing value or a jump of the `time`
        coordinate: ``attrs["windows_left_out"]`` says how many windows were left out for that. With `begin` there is
        `start_local` too, what the clock shows.

    Raises
    ------
    ConfigError
        `length` or `step` is no positive whole number, no series is as long as a window, `begin` is no time of day, no
        step is at that time, or `timezone` is none.
    SchemaError
        `ds` is not a dataset as `dgkit.schema` describes it.

    Examples
    --------
    >>> day = xr.Dataset({"power": (("sample", "time"), np.arange(10.0)[None])})
    >>> windows(day, 4, step=3).power.values.tolist()
    [[0.0, 1.0, 2.0, 3.0], [3.0, 4.0, 5.0, 6.0], [6.0, 7.0, 8.0, 9.0]]
    """
    validate(ds, training=False, gaps=True)
    step = length if step is None else step
    for name, value in (("length", length), ("step", step)):
        whole(name, value)
    valid = lengths(ds)
    counts = np.maximum((valid - length) // step + 1, 0)
    zone = _zone_of(ds, timezone)
    for name in ("series", "start", *(["start_local"] if begin is not None else [])):
        if name in ds.data_vars:
            raise SchemaError(f"{name!r} is what windows are told by; rename the variable: ds.rename({name}=...).")
    if not counts.any():
        raise ConfigError(f"length is {length}, but the longest series has {valid.max()} steps; cut shorter windows.")
    whole_to = _steps_to_gap(ds, valid)  # (N, T)
    if begin is None:
        series = np.repeat(np.arange(len(valid)), counts)  # (W,)
        starts = (np.arange(len(series)) - np.repeat(np.cumsum(counts) - counts, counts)) * step  # (W,)
    else:
        series, starts = _at_clock(ds, valid, length, step, begin, zone)
    clear = whole_to[series, starts] >= length
    if not clear.any():
        raise ConfigError(
            f"length is {length}, but each of the {len(clear)} windows has a gap; the longest part without one has "
            f"{whole_to.max()} steps. Cut shorter windows, or fill gaps (from_table: fill=, max_gap=)."
        )
    series, starts = series[clear], starts[clear]
    at = {
        "sample": xr.DataArray(series, dims="sample"),
        "time": xr.DataArray(starts[:, None] + np.arange(length), dims=("sample", "time")),
    }
    plain = ds.drop_vars(["length"], errors="ignore").drop_vars(
        [name for name in ("sample", "time", "start") if name in ds.coords]
    )
    cut = plain.isel(at)
    named = ds["sample"].values[series] if "sample" in ds.coords else series
    times = _times_of(ds, series, starts)
    cut = cut.assign_coords(series=("sample", named), start=("sample", times))
    if begin is not None:
        cut = cut.assign_coords(start_local=("sample", _local(times, zone)))
    return cut if clear.all() else cut.assign_attrs(windows_left_out=int((~clear).sum()))


def _steps_to_gap(ds: xr.Dataset, valid: np.ndarray) -> np.ndarray:
    """From each step of each series how many follow, itself included, before a gap or the end, (N, T)."""
    steps = ds.sizes["time"]
    broken = np.zeros(steps + 1, bool)  # no window goes over the border before this step
    if "time" in ds.coords and steps > 2 and ds["time"].dtype.kind in "iufM" and time_read(ds.attrs).get("step") != "B":
        apart = np.diff(ds["time"].values).astype(np.float64)
        broken[1:-1] = np.abs(apart) > 1.5 * np.abs(np.median(apart))
    result = np.empty((ds.sizes["sample"], steps), np.int64)
    for some in blocks(ds):
        missing = np.zeros(result[some].shape, bool)
        for da in ds.data_vars.values():
            if da.ndim == 2 and da.dtype.kind in "fU":
                missing |= missing_in(da.isel(sample=some).values)
        ends = np.where(missing, np.arange(steps), np.where(broken[1:], np.arange(1, steps + 1), steps))
        ends = np.minimum(np.minimum.accumulate(ends[:, ::-1], 1)[:, ::-1], valid[some, None])
        result[some] = ends - np.arange(steps)
    return result


def _zone_of(ds: xr.Dataset, timezone: str | None) -> str | None:
    """The zone whose clock counts, of times in UTC: the one given, or the one that the data were read with.

    None where the times are that clock's already, as days are.
    """
    zone, _, in_utc = str(time_read(ds.attrs).get("timezone", "")).partition(",")
    given = None if timezone is None else grid.known_zone(timezone)
    if zone in ("", "UTC") or in_utc:
        return given or zone or None
    if given not in (None, zone):
        raise ConfigError(f"timezone={timezone!r}, but the days of this dataset go by the clock of {zone}.")
    return None


def _local(times: np.ndarray, zone: str | None) -> np.ndarray:
    """What the clock of a zone shows at times in UTC."""
    if zone is None:
        return times
    local: np.ndarray = pd.DatetimeIndex(times).tz_localize("UTC").tz_convert(zone).tz_localize(None).to_numpy()
    return local


def _at_clock(
    ds: xr.Dataset, valid: np.ndarray, length: int, step: int, begin: str, zone: str | None
) -> tuple[np.ndarray, np.ndarray]:
    """Windows that begin at a time of day, by its clock: of which series (W,), and at which of its steps (W,)."""
    found = re.fullmatch(r"(\d\d?):(\d\d)", begin) if isinstance(begin, str) else None
    if found is None or int(found[1]) > 23 or int(found[2]) > 59:
        raise ConfigError(f"begin={shown(begin)} is no time of day; give hours and minutes, such as begin='00:05'.")
    minute = 60 * int(found[1]) + int(found[2])
    series: list[int] = []
    starts: list[int] = []
    seen: set[int] = set()
    for k, end in enumerate(valid.tolist()):
        steps = np.arange(end - length + 1)
        if not len(steps):
            continue
        times = _times_of(ds, np.full(len(steps), k), steps)
        if times.dtype.kind != "M":
            raise ConfigError(f"begin={begin!r} needs dates; this dataset's times are numbers or not known.")
        local = _local(times, zone).astype("M8[m]").astype(np.int64) % (24 * 60)
        there = np.flatnonzero(local == minute)
        if not len(there):
            seen |= set(np.unique(local).tolist())

        # one begins `step` after the one before; days are an hour shorter or longer where clocks change
        spare = pd.Timedelta("90min") // pd.Timedelta(times[1] - times[0]) if len(times) > 1 else 0
        allowed = 0
        for at in there.tolist():
            if at >= allowed:
                series.append(k)
                starts.append(at)
                allowed = at + step - spare
    if not starts:
        near = sorted(seen, key=lambda one: min((one - minute) % 1440, (minute - one) % 1440))[:3]
        clocks = ", ".join(f"'{one // 60:02}:{one % 60:02}'" for one in near)
        raise ConfigError(
            f"begin={begin!r}: no step from which {length} more follow is at that time "
            f"({f'by the clock of {zone}' if zone else 'as the times are'}); the nearest are {clocks}."
        )
    return np.array(series), np.array(starts)


def _times_of(ds: xr.Dataset, series: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """When windows begin; without a common `time` each series has its own first."""
    if "time" in ds.coords:
        times: np.ndarray = ds["time"].values[starts]
        return times
    if "start" not in ds.coords or ds["start"].dims != ("sample",):
        return starts
    first, said = ds["start"].values[series], time_read(ds.attrs)
    step = said.get("step", said.get("bin"))
    if first.dtype.kind != "M":
        return first + starts * float(step) if step and first.dtype.kind == "f" else first + starts * int(step or 1)
    if step is None:
        return starts
    return grid.later(first, starts, step)


def _long_features(
    columns: Mapping[str, np.ndarray],
    names: Sequence[str],
    at: Placed,
    ids: np.ndarray,
    choices: Choices,
    max_bytes: int | None,
    truth: Collection[str],
) -> dict[str, np.ndarray]:
    """Series of a long table, blank where no row is and after their end, (N, T)."""
    series, longest = {}, int(at.length.argmax())
    for name in names:
        values = columns.get(name)
        if values is not None:
            values = values.astype(str if values.dtype.kind == "U" else np.float64)[at.rows]
        itemsize = 8 if values is None else values.itemsize
        needed = len(ids) * int(at.length[longest]) * itemsize
        if needed > limit(len(at.rows) * itemsize, max_bytes):
            first = at.at(np.array([longest]), np.array([0]))[0]
            last = at.at(np.array([longest]), at.length[[longest]] - 1)[0]
            raise SchemaError(
                f"feature {name!r}: sample {str(ids[longest])!r} has {at.length[longest]} steps, from {first} to "
                f"{last}; with as many for each of {len(ids)} samples it takes {needed / 1e6:,.0f} MB. Drop the "
                f"longest, cut all into `windows`, or give max_bytes={needed}."
            )
        if choices.bins is not None:
            if values is not None and values.dtype.kind == "U" and choices.bins[name] not in grid.OF_TEXT:
                raise SchemaError(
                    f"feature {name!r} is text, of which there is no {choices.bins[name]!r}. Choose one of "
                    f"{', '.join(map(repr, grid.OF_TEXT))} in bins=."
                )
            series[name] = grid.binned(values, at, choices.bins[name])
            continue
        assert values is not None
        kept, values = grid.one_a_step(values, at, choices.duplicates, truth=name in truth)
        series[name] = _blank((len(ids), int(at.length.max())), values.dtype)
        series[name][at.series[kept], at.slot[kept]] = values
    return series


def _blank(shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    return np.full(shape, "" if dtype.kind == "U" else np.nan, dtype)


def _wide_features(
    table: nw.DataFrame[Any],
    columns: Mapping[str, np.ndarray],
    steps: Mapping[str, list[str]],
    ids: np.ndarray,
    choices: Choices,
    asked: Asked,
) -> tuple[dict[str, np.ndarray], Placed]:
    """Series of a wide table, (N, T); where its columns' names are dates, on the grid of those."""
    counts = {feature: len(of) for feature, of in steps.items()}
    if len(set(counts.values())) > 1:
        short, long = min(counts, key=counts.__getitem__), max(counts, key=counts.__getitem__)
        raise SchemaError(
            f"feature {short!r} has {counts[short]} columns, {long!r} {counts[long]}: each needs one for every step. "
            f"Give as many columns for {short!r} in features=."
        )
    name, one = next(iter(steps.items()))
    n, slot = len(ids), np.arange(len(one))
    found = {feature: times_in(of) for feature, of in steps.items()}
    times, said, dated = found[name], {"order": "columns are steps in their order"}, False
    line: Placed | None = None
    others_times = [
        other
        for other, own in found.items()
        if other != name and (own is None or times is None or not np.array_equal(own, times))
    ]
    if others_times and len(one) > 1 and any(own is not None and own.dtype.kind == "M" for own in found.values()):
        other = others_times[0]
        raise SchemaError(
            f"the columns of features {name!r} and {other!r} have other times in their names: "
            f"{some_names(one, 3)} and {some_names(steps[other], 3)}. Name the same steps for both."
        )
    if times is not None and len(one) > 1 and not others_times:
        dated = times.dtype.kind == "M"
        own = grid.Times(
            f"{one[0]} to {one[-1]}",
            times.astype("M8[ns]").astype(np.int64) if dated else times,
            dated,
            None,
            times.dtype,
        )
        line = grid.placed_columns(own, one, choices, asked)
    if line is None:
        line = Placed(slot, 0 * slot, slot, slot, np.array([len(one)]), lambda of, k: k, said, False)
    slot, said = line.slot, line.said
    series, length = {}, int(slot.max()) + 1
    for feature, of in steps.items():
        values = _stacked([columns[column] for column in of])
        series[feature] = values
        if length > len(slot):
            values = values if values.dtype.kind in "fU" else values.astype(np.float64)
            series[feature] = _blank((n, length), values.dtype)
            series[feature][:, slot] = values
    many = n if choices.counters else 1  # only rates need each value's own row: of 80 million values, 2.5 GB
    row, k = np.repeat(np.arange(many), len(slot)), np.tile(slot, many)
    if not dated:
        said["_per"] = "step" if said.get("step", "1") == "1" else "unit of the columns' names"
    at = Placed(np.arange(len(k)), row, k, np.tile(line.seconds, many), np.full(n, length), line.at, said, dated)
    return series, at


def _make_rates(series: dict[str, np.ndarray], counters: list[str], read: _Read) -> None:
    """Counters become rates; all features lose their first step, which has none."""
    table, at, choices = read.table, read.at, read.choices
    readings = {}
    for name in counters:
        shown = grid.counter_values(table, read.steps[name], read.forms, read.decimal)
        values, missing = (of.ravel() if read.wide else of[at.rows, 0] for of in (shown.values, shown.missing))
        readings[name] = grid.Readings(values, missing)
    anew = grid.began_anew(list(readings.values()), at)
    said: dict[str, Any] = {}
    filled = 0
    for name in counters:
        made = grid.rates(readings[name], at, anew, choices.how(name) == "linear", choices.max_gap)
        series[name], filled = made.per_second, filled + made.filled
        if made.fast > max(1, 0.01 * len(at.rows)) and not read.asked.questions:  # with the times in doubt, so is this
            raise SchemaError(
                f"column {name!r} of counters= goes up by nearly 2^32 in {made.fast} steps: a counter of 32 bits that "
                "goes round once or more between two rows, so that no rate is known. Read the one of 64 bits "
                "(ifHCInOctets), or leave the feature out."
            )
        counts = {"wraps": made.wraps, "resets": made.resets, "unseen_wraps_possible": made.unseen}
        said[name] = {what: count for what, count in counts.items() if count}
    short = np.flatnonzero(at.length < 2)
    if len(short):
        raise SchemaError(
            f"column {counters[0]!r} of counters= has one row in sample {str(read.ids[short[0]])!r}; a rate needs two "
            f"({len(short)} such samples). Drop the rows of that sample."
        )
    for name in series:
        series[name] = series[name][:, 1:]
    before = at.at
    at.length, at.at = at.length - 1, lambda of, k: before(of, k + 1)
    at.said |= {"counters": said, "filled_values": filled}


def _ask_for_counters(series: Mapping[str, np.ndarray], length: np.ndarray, asked: Asked) -> None:
    grow = {name: grid.only_grows(values, length) for name, values in series.items()}
    found = [name for name, changes in grow.items() if changes]
    if found:
        asked.add(
            f"column {found[0]!r} only grows ({grow[found[0]]} of its steps go up, hardly any down)"
            + (f", and so do {some_names(found[1:], 5)}" if found[1:] else "")
            + ": is it a counter, such as bytes since the start? Then counters=[...] makes rates of it; counters=() "
            "says that none is.",
            counters=repr(found),
        )


def _ends(series: Mapping[str, np.ndarray], read: _Read) -> np.ndarray:
    """Steps of each series up to its last one with any value, (N,)."""
    present = np.logical_or.reduce([~missing_in(values) for values in series.values()])  # (N, T)
    empty = np.flatnonzero(~present.any(1))
    if len(empty):
        row = int(empty[0]) if read.wide else int(np.flatnonzero(read.row_of == empty[0])[0])
        mend = f"Drop that row{'' if read.wide else ' and all others of the sample'}"
        mend += ": blank_rows='drop'" if read.blank_rows[np.isin(read.row_of, empty)].all() else ""
        raise SchemaError(
            f"feature {next(iter(series))!r} and all others have no value in sample {str(read.ids[empty[0]])!r} "
            f"({place_of(read.table, row)}{f'; {len(empty)} such samples' if len(empty) > 1 else ''}). {mend}."
        )
    length: np.ndarray = present.shape[1] - present[:, ::-1].argmax(1)
    ended = int((read.at.length - length).sum())
    if ended:
        read.at.said["empty_steps_at_ends"] = ended
    return length


def _ask_for_fill(name: str, missing: np.ndarray, read: _Read) -> None:
    """What to do with a feature's missing values, said in the words of where they come from."""
    columns, steps, ids, at = read.columns, read.steps, read.ids, read.at
    choices, asked = read.choices, read.asked
    i = int(np.flatnonzero(missing.any(1))[0])
    k = int(np.flatnonzero(missing[i])[0])
    text = name in steps and columns[steps[name][0]].dtype.kind == "U"
    hows = "fill='previous'" if text else "fill='linear' or 'previous'"
    answers = {"fill": "'previous'" if text or asked.answers.get("fill") == "'previous'" else "'linear'"}
    if choices.how(name) is not None:  # and the gap is longer than may be filled
        runs = np.diff(np.flatnonzero(np.diff(np.pad(missing, ((0, 0), (1, 1))).astype(np.int8).ravel())))[::2]
        asked.add(
            f"feature {name!r}: {len(runs)} gaps are longer than max_gap={choices.max_gap}, the longest of "
            f"{runs.max()} steps. Raise max_gap=, or keep them as NaN, for `windows` to leave out: gaps='keep'.",
            gaps="'keep'",
        )
        return
    keep = "or keep them as NaN, for `windows` to leave out: gaps='keep'"
    if read.wide:
        column = steps[name][k] if len(steps[name]) == missing.shape[1] + ("counters" in at.said) else f"step {k}"
        if "_gap" in at.said and not any(
            missing_in(columns[c]).any() for c in steps[name] if columns[c].dtype.kind in "fU"
        ):
            question = at.said["_gap"]
        else:
            question = (
                f"feature {name!r} has {int(missing[i].sum())} missing values before the end of sample {str(ids[i])!r} "
                f"({place_of(read.table, i)}), the first at {column!r}; {int(missing.any(1).sum())} samples have some."
            )
        asked.add(f"{question} Fill them: {hows}; {keep}.", **answers)
        return
    if name in columns and columns[name].dtype.kind in "fU" and "counters" not in at.said and choices.bin is None:
        empty = np.flatnonzero(missing_in(columns[name][at.rows]))
        empty = empty[missing[at.series[empty], at.slot[empty]]]
        if len(empty):
            drop = ": blank_rows='drop'" if read.blank_rows[at.rows[empty]].all() else ""
            asked.add(
                f"column {name!r} has {len(empty)} missing values, the first in "
                f"{place_of(read.table, int(at.rows[empty].min()))}. Fill them: {hows}; {keep}; or drop those rows"
                f"{drop}.",
                **answers,
            )
            empty_too = missing.sum() == len(empty)
            if empty_too:
                return
    counter = at.said.get("counters", {}).get(name)
    if "_gap" in at.said:
        question = at.said["_gap"]
    elif counter:
        question = (
            f"column {name!r} of counters= began anew, or may have wrapped unseen ({counter}), which leaves steps "
            "without a rate."
        )
    else:
        question = (
            f"feature {name!r} has {int(missing.sum())} steps without a value, the first in sample {str(ids[i])!r}, "
            f"step {k}."
        )
    said = f"{question} Fill gaps: {hows}, max_gap= for no more than so many steps; {keep}."
    asked.add(said, **({"step": at.said["_step"]} if "_step" in at.said else answers))


def _stacked(columns: list[np.ndarray]) -> np.ndarray:
    """The steps of a wide table's feature side by side, (N, T); truth values as numbers."""
    if len({values.dtype.kind == "U" for values in columns}) > 1:  # a step that is missing throughout is no text
        columns = [values if values.dtype.kind == "U" else np.full(len(values), "") for values in columns]
    stacked = np.stack(columns, 1)
    return stacked.astype(np.float64) if stacked.dtype.kind == "b" else stacked


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


def _check_choices(choices: Choices, names: list[str], columns: Sequence[str], wide: bool, time: str | None) -> None:
    """ConfigError for choices that do not go with the table."""
    timed = [
        n
        for n in ("step", "tolerance", "duplicates", "timezone", "ambiguous", "bin")
        if getattr(choices, n) is not None
    ]
    if timed and time is None and (not wide or timed[0] not in ("step", "tolerance")):
        raise ConfigError(f"{timed[0]}={getattr(choices, timed[0])!r} needs a column of times: time='...'.")
    if choices.counters and time is None and not wide:
        raise ConfigError(f"counters={list(choices.counters)!r} need a column of times: time='...'.")
    for option, given in (
        ("counters", choices.counters or ()),
        ("fill", choices.fill if isinstance(choices.fill, Mapping) else ()),
    ):
        for name in given:
            if name not in names:
                raise ConfigError(f"{option}= names {name!r}, which is none of features={names!r}.")
    for name, way in (choices.bins or {}).items():
        if name not in names and (way != "count" or name in columns):
            raise ConfigError(
                f"bins= names {name!r}, which is none of features={names!r}; only a count of rows is new."
            )
    for name in names:
        if choices.bins is not None and name not in choices.bins:
            raise ConfigError(f"bins= does not say how feature {name!r} is binned, e.g. bins={{{name!r}: 'mean'}}.")


def _attrs(name: str, units: Mapping[str, str] | None) -> dict[str, str]:
    return {"units": units[name]} if units and name in units else {}
