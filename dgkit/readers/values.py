"""What the values of a column mean: numbers, truth values, dates or text, of a file's text or of a table's column.

Nothing is guessed where two readings would both do (is 03/04/2024 in March or in April?): the error then names the
place, the column and the option that settles it. pandas makes numbers and dates.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

import narwhals as nw
import numpy as np
import pandas as pd

from dgkit._netcdf import limit
from dgkit.errors import ConfigError, SchemaError
from dgkit.readers.records import Cells, as_objects

LINE = "line"  # name of a pandas index that holds the lines of a file, as `read_csv` makes it
MISSING = ("", "NA", "N/A", "#N/A", "NaN", "nan", "null", "NULL", "None")
_CLOCK = r"(?P<clock>\d\d?:\d{2}(:\d{2}(\.\d{1,9})?)?)( ?(?P<half>[AaPp])[Mm])?"
_ZONE = r"(?P<zone>Z|UTC|GMT|[+-]\d{2}(:?\d{2})?)"
_YEAR_FIRST = re.compile(
    rf"(?P<y>\d{{4}})(?P<mark>[-/])(?P<m>\d\d?)(?P=mark)(?P<d>\d\d?)([T ]{_CLOCK} ?{_ZONE}?)?", re.ASCII
)
_YEAR_LAST = re.compile(
    rf"(?P<a>\d\d?)(?P<mark>[./-])(?P<b>\d\d?)(?P=mark)(?P<y>\d{{4}})(,?[T ]{_CLOCK} ?{_ZONE}?)?", re.ASCII
)
_MONTH = re.compile(r"\d{4}[-/.](0?[1-9]|1[0-2])", re.ASCII)
NUMBER = {
    ".": re.compile(r"[+-]?(\d{1,3}(,\d{3})+|\d+)?(\.\d*)?([eE][+-]?\d+)?", re.ASCII),
    ",": re.compile(r"[+-]?(\d{1,3}(\.\d{3})+|\d+)?(,\d*)?([eE][+-]?\d+)?", re.ASCII),
}
_ZONED, _SLASHED, _DAY_FIRST, _MONTH_FIRST = (1 << k for k in range(4))  # what `_facts` tells
_DATE_FORMS = ("day first", "month first", "seconds", "milliseconds")


# -- the text of a file ------------------------------------------------------------------------------------------------


class _Column:
    """A column's distinct values that are not missing, where each first stands, and how to get back to all rows."""

    def __init__(self, name: str, cells: Cells, lines: Sequence[Any], missing: frozenset[str], place: str = "line"):
        self.name, self.lines, self.place = name, lines, place
        codes, values = cells.distinct()
        first = np.zeros(len(values), np.int64)
        first[codes[::-1]] = np.arange(len(codes))[::-1]
        kept = np.array([value not in missing for value in values], bool)
        self.values, self.first = values[kept], first[kept]  # (distinct,)
        self.codes = np.where(kept, np.cumsum(kept) - 1, -1)[codes]  # (rows,), -1 where missing

    def rows(self, distinct: pd.Series) -> pd.Series:
        """All rows of what the distinct values became; NaN, NaT or None where missing."""
        if self.codes.size and self.codes.min() >= 0:
            return pd.Series(distinct.array[self.codes])
        return distinct.reset_index(drop=True).reindex(self.codes).reset_index(drop=True)

    def at(self, k: int) -> str:
        return f"{str(self.values[k])!r} in {self.place} {self.lines[self.first[k]]}"


def understood(
    header: Sequence[str],
    read: Callable[[Sequence[str]], tuple[Sequence[Any], list[Cells]]],
    columns: Sequence[str] | None,
    *,
    text: Sequence[str] = (),
    dates: Mapping[str, str] | None = None,
    missing: Sequence[str] = MISSING,
    decimal: str | None = None,
) -> pd.DataFrame:
    """The wanted columns of a file's rows, as `read_csv` gives them.

    `read` tells, for the columns wanted, the line at which each row begins and the fields of each column.
    """
    if decimal not in (None, ".", ","):
        raise ConfigError(f"decimal is {decimal!r}; choose '.' or ','.")
    dates = dates or {}
    for name, form in dates.items():
        if form not in _DATE_FORMS and "%" not in form:
            raise ConfigError(
                f"dates[{name!r}] is {form!r}; choose one of {', '.join(map(repr, _DATE_FORMS))} or a format such as "
                "'%d.%m.%y %H:%M'."
            )
    wanted = list(header if columns is None else columns)
    known, as_text = set(header), set(text)
    for name in [*wanted, *text, *dates]:
        if name not in known:
            raise SchemaError(f"no column {name!r}; the file has {', '.join(map(repr, header[:20]))}.")
    lines, cells = read(wanted)
    table: dict[str, pd.Series] = {}
    numbers: dict[str, dict[str, np.ndarray]] = {}  # of each column of numbers its values by decimal sign
    described, absent = [], frozenset(missing)
    for name, fields in zip(wanted, cells, strict=True):
        column = _Column(name, fields, lines, absent)
        fields.clear()
        described.append(column)
        if name in as_text:
            table[name] = column.rows(pd.Series(column.values, dtype=object))
        elif name in dates:
            table[name] = column.rows(_dates(column, dates[name]))
        elif not (readings := _numbers(column, decimal)):
            table[name] = column.rows(_truth_dates_or_text(column))
        else:
            numbers[name] = readings
    clear = {next(iter(readings)) for readings in numbers.values() if len(readings) == 1} - {""}
    for column in described:
        if column.name in numbers:
            table[column.name] = column.rows(_one_reading(column, numbers[column.name], clear))
    made = pd.DataFrame({name: table.pop(name) for name in dict.fromkeys(wanted)}, copy=False)
    return made.set_index(pd.Index(lines, name=LINE))


def _numbers(column: _Column, decimal: str | None) -> dict[str, np.ndarray]:
    """The values as numbers, by each decimal sign by which all are numbers ("" if none has a sign); {} if none is one.

    A mixture of numbers and other things is refused.
    """
    values = column.values
    if any(len(v) > 1 and v[0] == "0" and v.isdigit() for v in values):
        return {}  # codes such as 007
    plain = _parsed(values)
    known = ~np.isnan(plain)
    if known.all() and not any("." in v for v in values):
        return {"": plain}
    readings = {}
    if decimal != "," and all(NUMBER["."].fullmatch(values[k]) for k in np.flatnonzero(~known)):
        readings["."] = _parsed([v.replace(",", "") for v in values])
    if decimal != "." and all(NUMBER[","].fullmatch(v) for v in values):
        readings[","] = _parsed([v.replace(".", "").replace(",", ".") for v in values])
    readings = {sign: read for sign, read in readings.items() if not np.isnan(read).any()}
    if readings or not (known.any() or any("," in v for v in values)):
        return readings
    looks = known | np.array([any(form.fullmatch(v) for form in NUMBER.values()) for v in values], bool)
    if looks.any():
        k, odd = np.flatnonzero(looks)[0], np.flatnonzero(~looks if not looks.all() else ~known)
        other = odd[0] if odd.size else k
        raise SchemaError(
            f"column {column.name!r} has the number {column.at(k)}, but {column.at(other)}, which is none"
            f"{f' with decimal={decimal!r}' if decimal else ''}. Mend the file, count it as missing "
            f"(missing=[..., {str(values[other])!r}]), take all as text (text=[{column.name!r}]), or leave it out."
        )
    return readings


def _parsed(values: Sequence[str]) -> np.ndarray:
    """Integers or floats; NaN for what is no number."""
    numbers = pd.to_numeric(pd.Series(values, dtype=object), errors="coerce").to_numpy()
    return numbers if numbers.dtype.kind in "iuf" else numbers.astype(np.float64)


def _one_reading(column: _Column, readings: dict[str, np.ndarray], clear: set[str]) -> pd.Series:
    """What the column's numbers are; where both decimal signs would do, by the sign of the clear columns."""
    if len(readings) == 1:
        return pd.Series(next(iter(readings.values())))
    if len(clear) == 1:
        return pd.Series(readings[next(iter(clear))])
    comma = [k for k, value in enumerate(column.values) if "," in value]
    if not comma:
        return pd.Series(readings["."])
    raise SchemaError(
        f"column {column.name!r} has {column.at(comma[0])}, which can be read in two ways: give decimal=',' if the "
        "comma begins the decimals, or decimal='.' if it groups thousands."
    )


def _truth_dates_or_text(column: _Column) -> pd.Series:
    lower = [value.lower() for value in column.values]
    if lower and set(lower) <= {"true", "false"}:
        return pd.Series([value == "true" for value in lower], dtype=object if (column.codes < 0).any() else bool)
    for pattern in (_YEAR_FIRST, _YEAR_LAST):
        found = [pattern.fullmatch(value) is not None for value in column.values]
        if any(found):
            if not all(found):
                mend = _format_for(column, found.index(False))
                raise SchemaError(
                    f"column {column.name!r} has the date {column.at(found.index(True))}, but also "
                    f"{column.at(found.index(False))}. Mend the file, say how all are written ({mend}), "
                    f"or, where it is no time, take all as text (text=[{column.name!r}])."
                )
            return _dates(column, None)
    return pd.Series(column.values, dtype=object)


def _dates(column: _Column, form: str | None) -> pd.Series:
    """The distinct values as dates, in UTC if they have zones; `form` as `read_csv` takes it, None: find out."""
    values = pd.Series(column.values, dtype=object)
    if form in ("seconds", "milliseconds"):
        numbers = pd.to_numeric(values, errors="coerce")
        read = pd.to_datetime(numbers, unit="s" if form == "seconds" else "ms", errors="coerce")
    elif form is not None and form not in _DATE_FORMS:
        read = pd.to_datetime(values, format=form, errors="coerce", utc="%z" in form)
    else:
        rewritten, zoned = _iso(column, form)
        read = pd.to_datetime(rewritten, format="ISO8601", errors="coerce", utc=True)
        read = read if zoned else read.dt.tz_localize(None)
    plain = read if read.dt.tz is None else read.dt.tz_localize(None)
    outside = plain.isna() | ~plain.between(pd.Timestamp("1678-01-01"), pd.Timestamp("2262-01-01"))
    if outside.any():
        k = int(np.flatnonzero(outside)[0])
        how = f" as {form!r}" if form else ""
        raise SchemaError(
            f"column {column.name!r} has {column.at(k)}, which is no date{how} (from 1678 to 2261). Mend the file, or "
            f"say how to read it: {_format_for(column, k)}, or 'day first' or 'month first' in its place."
        )
    return read


def text_times(name: str, items: list[str], places: Sequence[int], place: str) -> pd.Series:
    """The times of a column of text, where there is one reading; SchemaError that says how to give it, if not.

    `place` is what `places` are: "line" of a file, else "row" of a table.
    """
    column = _Column(name, Cells([as_objects(items)]), places, frozenset(), place)
    try:
        if all(_MONTH.fullmatch(value) for value in column.values):
            months = pd.Series([value.replace("/", "-").replace(".", "-") for value in column.values], dtype=object)
            return column.rows(pd.to_datetime(months, format="%Y-%m"))
        if all(_YEAR_FIRST.fullmatch(value) or _YEAR_LAST.fullmatch(value) for value in column.values):
            return column.rows(_dates(column, None))
    except SchemaError as error:
        if place == "line":
            raise
        first = str(error).split(". ")[0]  # what was found; the rest are arguments of `read_csv`
        raise SchemaError(f"{first}. Make it dates: {_mend_of_dates(column, 0)}") from error
    other = [_MONTH.fullmatch(v) or _YEAR_FIRST.fullmatch(v) or _YEAR_LAST.fullmatch(v) for v in column.values]
    odd = [k for k, match in enumerate(other) if not match]
    k = odd[0] if odd else 0
    raise SchemaError(
        f"column {name!r} is text ({column.at(k)}), which has no order in time. Say how to read it: "
        f"{_format_for(column, k) if place == 'line' else _mend_of_dates(column, k)}."
    )


def _mend_of_dates(column: _Column, k: int) -> str:
    form = _format_of(column.values[k]) or "..."
    return f"df[{column.name!r}] = pandas.to_datetime(df[{column.name!r}], format={form!r})"


def _format_for(column: _Column, k: int) -> str:
    """The argument of `read_csv` that reads a date such as the k-th value."""
    form = _format_of(column.values[k])
    return f"dates={{{column.name!r}: {form or '...'!r}}}" + ("" if form else ", a format such as '%d.%m.%y %H:%M'")


_DAYS = (
    "%Y-%m-%d", "%Y.%m.%d", "%Y/%m/%d", "%Y_%m_%d", "%Y%m%d", "%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y", "%d-%m-%Y",
    "%m-%d-%Y", "%d.%m.%y", "%d/%m/%y", "%m/%d/%y", "%d-%b-%Y", "%d-%b-%y", "%d %b %Y", "%d %B %Y", "%d/%b/%Y",
    "%b %d %Y", "%b %d, %Y", "%B %d, %Y", "%a %d %b %Y", "%a, %d %b %Y", "%b %Y", "%B %Y", "%b-%y", "%Y-%m", "%m/%Y",
)  # fmt: skip
_CLOCKS = (
    "%H:%M", "%H:%M:%S", "%H:%M:%S.%f", "%H:%M:%S,%f", "%H.%M.%S", "%H.%M", "%H-%M-%S", "%H_%M_%S", "%H%M%S", "%H%M",
    "%I:%M %p", "%I:%M:%S %p", "%I:%M%p", "%I:%M:%S%p",
)  # fmt: skip


def _format_of(value: str) -> str | None:
    """A format that reads the value, None where none of the usual ones does."""
    clocks = [f"{clock}{zone}" for zone in ("", "%z", " %z") for clock in _CLOCKS]
    for form in (
        *_DAYS,
        *clocks,
        *(f"{d}{mark}{c}" for d in _DAYS for mark in (" ", "T", "_", ":", "") for c in clocks),
    ):
        try:
            datetime.strptime(value, form)
        except ValueError:
            continue
        return form
    return None


def _iso(column: _Column, form: str | None) -> tuple[pd.Series, bool]:
    """Dates rewritten as yyyy-mm-ddThh:mm:ss, "" for what is none; and whether they have zones."""
    facts = np.array([_facts(value) for value in column.values], np.uint8)  # no matches kept: a million take 400 MB
    zoned, plain = np.flatnonzero(facts & _ZONED), np.flatnonzero(facts & _ZONED == 0)
    if zoned.size and plain.size:
        raise SchemaError(
            f"column {column.name!r} has a time zone in {column.at(zoned[0])}, but none in {column.at(plain[0])}. "
            "Give all of them one, or none."
        )
    day_first = form == "day first" or (form is None and _day_first(column, facts))
    rewritten = []
    for value in column.values:
        match = _YEAR_FIRST.fullmatch(value) or _YEAR_LAST.fullmatch(value)
        if match is None:
            rewritten.append("")
            continue
        if match.re is _YEAR_FIRST:
            day, month = match["d"], match["m"]
        else:
            day, month = (match["a"], match["b"]) if day_first else (match["b"], match["a"])
        zone = "Z" if match["zone"] in ("UTC", "GMT") else match["zone"] or ""
        rewritten.append(f"{match['y']}-{month:0>2}-{day:0>2}T{_clock(match)}{zone}")
    return pd.Series(rewritten, dtype=object), bool(zoned.size)


def _clock(match: re.Match[str]) -> str:
    """The time of day by 24 hours; what no clock shows stays as it is, and is no date then."""
    clock = match["clock"] or "00:00"
    hour, rest = clock.split(":", 1)
    if match["half"] is not None:
        if not 1 <= int(hour) <= 12:
            return "none"
        hour = str(int(hour) % 12 + (12 if match["half"] in "Pp" else 0))
    return f"{hour:0>2}:{rest}"


def _facts(value: str) -> int:
    """What a date tells: has it a zone; the year at its end, no dots; a number above 12 in first or second place."""
    match = _YEAR_FIRST.fullmatch(value) or _YEAR_LAST.fullmatch(value)
    if match is None:
        return 0
    facts = _ZONED if match["zone"] else 0
    if match.re is _YEAR_LAST:
        facts |= _SLASHED if match["mark"] != "." else 0
        facts |= (_DAY_FIRST if int(match["a"]) > 12 else 0) | (_MONTH_FIRST if int(match["b"]) > 12 else 0)
    return facts


def _day_first(column: _Column, facts: np.ndarray) -> bool:
    """Whether dd/mm/yyyy; dots are always dd.mm.yyyy."""
    if not (facts & _SLASHED).any():
        return True
    days, months = np.flatnonzero(facts & _DAY_FIRST), np.flatnonzero(facts & _MONTH_FIRST)
    if days.size and months.size:
        raise SchemaError(
            f"column {column.name!r} has {column.at(days[0])}, with the day first, but {column.at(months[0])}, with "
            "the month first. Mend the file."
        )
    if not days.size and not months.size:
        raise SchemaError(
            f"column {column.name!r} has {column.at(np.flatnonzero(facts & _SLASHED)[0])}, and no date that tells "
            f"whether day or month comes first. Say which: dates={{{column.name!r}: 'day first'}} or 'month first'."
        )
    return bool(days.size)


# -- a column of a table -----------------------------------------------------------------------------------------------


def place_of(table: nw.DataFrame[Any], row: int) -> str:
    """Where a row is, as the user can find it: its line in a file that `read_csv` read, or its position."""
    native = table.to_native()
    if isinstance(native, pd.DataFrame) and native.index.name == LINE:
        return f"line {native.index[row]}"
    return f"row {row}"


def column_values(table: nw.DataFrame[Any], name: str, *, gaps: bool) -> np.ndarray:
    """A column as numbers, truth values, dates or text; SchemaError, with its name, for anything else.

    Missing values are refused, or with `gaps` NaN among numbers and "" among text.
    """
    series = table[name]
    missing = series.is_null() | series.is_nan() if series.dtype.is_float() else series.is_null()
    if missing.any() and not gaps:
        raise SchemaError(
            f"column {name!r} has {int(missing.sum())} missing values, the first in "
            f"{place_of(table, int(missing.arg_true()[0]))}. A feature's can be filled (fill='linear' or 'previous'); "
            "otherwise fill them, or drop those rows."
        )
    if series.dtype.is_numeric() or series.dtype == nw.Boolean or series.dtype.is_temporal():
        numbers = missing.any() and not series.dtype.is_temporal()
        values = series.cast(nw.Float64).to_numpy() if numbers else series.to_numpy()
    elif missing.all() and len(missing):
        values = np.full(len(missing), np.nan)
    elif series.dtype in (nw.String, nw.Categorical, nw.Enum, nw.Object):
        items = series.to_list()
        if missing.any():
            items = ["" if empty else item for item, empty in zip(items, missing.to_list(), strict=True)]
        odd = [item for item in items if not isinstance(item, str)]
        if odd:
            raise SchemaError(
                f"column {name!r} holds {odd[0]!r} among text. Mend: df[{name!r}] = df[{name!r}].astype(str)"
            )
        widths = [len(item) for item in items]
        widest = max(widths, default=0)
        if 4 * widest * len(items) > limit(4 * sum(widths), None):
            raise SchemaError(
                f"column {name!r} has a text of {widest} characters in {place_of(table, widths.index(widest))}, and "
                f"all {len(items)} would take as much memory. Shorten it, or leave the column out."
            )
        values = np.array(items, dtype=str)
    else:
        raise SchemaError(
            f"column {name!r} is of type {series.dtype}; numbers, text, dates or truth values are needed."
        )
    if values.dtype.kind not in "biufUM":
        raise SchemaError(
            f"column {name!r} is of type {series.dtype}; numbers, text, dates or truth values are needed."
        )
    return values
