"""CSV files as tables and datasets: separator, encoding, decimal sign and dates are found out, or asked for.

Nothing is guessed where two readings would both do (is 03/04/2024 in March or in April?): the error then names the
line, the column and the option that settles it. Python's `csv` splits the lines, which alone tells the line of a
mistake; pandas makes numbers and dates. Left out: compressed and remote files, and reading in pieces: a file is held in
memory as text while it is read, about 100 bytes a field.
"""

import codecs
import csv
import io
import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from dgkit._checks import whole
from dgkit._netcdf import read_bytes
from dgkit.errors import ConfigError, FileFormatError, SchemaError
from dgkit.readers.tables import LINE, feature_columns, from_table

MISSING = ("", "NA", "N/A", "#N/A", "NaN", "nan", "null", "NULL", "None")
SEPARATORS = ",;\t|"
_MARKS = (  # the longer first: UTF-32's begins with UTF-16's
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_CLOCK = r"(?P<clock>\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?)"
_ZONE = r"(?P<zone>Z|[+-]\d{2}:?\d{2})"
_YEAR_FIRST = re.compile(
    rf"(?P<y>\d{{4}})(?P<mark>[-/])(?P<m>\d\d?)(?P=mark)(?P<d>\d\d?)([T ]{_CLOCK} ?{_ZONE}?)?", re.ASCII
)
_YEAR_LAST = re.compile(
    rf"(?P<a>\d\d?)(?P<mark>[./-])(?P<b>\d\d?)(?P=mark)(?P<y>\d{{4}})(,?[T ]{_CLOCK} ?{_ZONE}?)?", re.ASCII
)
_NUMBER = {
    ".": re.compile(r"[+-]?(\d{1,3}(,\d{3})+|\d+)?(\.\d*)?([eE][+-]?\d+)?", re.ASCII),
    ",": re.compile(r"[+-]?(\d{1,3}(\.\d{3})+|\d+)?(,\d*)?([eE][+-]?\d+)?", re.ASCII),
}
_ZONED, _SLASHED, _DAY_FIRST, _MONTH_FIRST = (1 << k for k in range(4))  # what `_facts` tells
_DATE_FORMS = ("day first", "month first", "seconds", "milliseconds")


def from_csv(
    path: str | os.PathLike[str],
    *,
    features: Sequence[str] | Mapping[str, str | Sequence[str]],
    sample: str | None = None,
    time: str | None = None,
    attributes: Sequence[str] = (),
    units: Mapping[str, str] | None = None,
    fill: str | None = None,
    max_bytes: int | None = None,
    text: Sequence[str] = (),
    **reading: Any,
) -> xr.Dataset:
    """A dataset from a CSV file: `read_csv` of the columns it needs, then `from_table`.

    Parameters
    ----------
    path : path
        Of the file.
    features, sample, time, attributes, units, fill, max_bytes
        As `from_table` takes them. The column `sample` is taken as it is written, also where that is a number.
    text, **reading
        As `read_csv` takes them.

    Returns
    -------
    Dataset

    Raises
    ------
    FileFormatError, SchemaError, ConfigError
        As `read_csv` and `from_table`; what is wrong with a row is named by its line in the file.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = Path(folder) / "views.csv"
    ...     _ = file.write_text("page;day;views\\na;01.02.2024;1,5\\na;02.02.2024;2,5\\n", encoding="utf-8")
    ...     from_csv(file, sample="page", time="day", features=["views"]).views.values
    array([[1.5, 2.5]])
    """
    content = _Content(path, **{key: reading.pop(key) for key in list(reading) if key in _OF_FILE})
    steps = feature_columns(content.header, features)
    keys = [name for name in (sample, time) if name is not None]
    wanted = dict.fromkeys([*keys, *attributes, *(column for columns in steps.values() for column in columns)])
    table = _table(content, list(wanted), text=[*text, *([] if sample is None else [sample])], **reading)
    return from_table(
        table,
        features=features,
        sample=sample,
        time=time,
        attributes=attributes,
        units=units,
        fill=fill,
        max_bytes=max_bytes,
    )


def read_csv(
    path: str | os.PathLike[str],
    *,
    columns: Sequence[str] | None = None,
    text: Sequence[str] = (),
    dates: Mapping[str, str] | None = None,
    missing: Sequence[str] = MISSING,
    decimal: str | None = None,
    separator: str | None = None,
    encoding: str | None = None,
    skip: int = 0,
    names: Sequence[str] | None = None,
) -> pd.DataFrame:
    """A table from a CSV file, each column numbers, truth values, dates or text, never a mixture.

    Parameters
    ----------
    path : path
        Of the file.
    columns : list of str, optional
        Those to read. Default: all.
    text : list of str
        Columns to take as they are written, e.g. codes among which some are numbers.
    dates : mapping, optional
        Form of a column of dates: "day first" or "month first" (of 03/04/2024), "seconds" or "milliseconds" (since
        1970), or a format of `datetime.strptime`. Default: dates with the year first, dd.mm.yyyy, and dd/mm/yyyy or
        mm/dd/yyyy where a number above 12 tells which, are recognised, with a time of day or without. A time with a
        zone becomes UTC.
    missing : list of str
        What stands for a missing value.
    decimal : {None, ".", ","}
        Decimal sign; the other one then groups thousands. None: found out.
    separator : str, optional
        One character. None: that of comma, semicolon, tab and bar that gives most lines as many fields as the first.
    encoding : str, optional
        Default: UTF-8, UTF-16 or UTF-32, by mark and content. Of others the file does not say which it is.
    skip : int
        Lines before the one with the names.
    names : list of str, optional
        Of the columns, if the file has no line with names.

    Returns
    -------
    DataFrame
        Its index "line" tells the line of the file at which a row begins. Missing values are NaN, NaT or None. A column
        of numbers with leading zeros is text.

    Raises
    ------
    FileFormatError
        No file, no rows, undecodable, lines of unequal numbers of fields, an open quote, a name twice or none at all.
    SchemaError
        Names column and line: a mixture of numbers, dates and text; a date or number that can be read in two ways, or
        that does not exist.
    ConfigError
        An option that cannot be.

    See Also
    --------
    from_csv : on to a Dataset.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = Path(folder) / "plain.csv"
    ...     _ = file.write_text('day,note,load\\n31/01/2024,"on, off",1\\n', encoding="utf-8")
    ...     read_csv(file).to_dict("list")
    {'day': [Timestamp('2024-01-31 00:00:00')], 'note': ['on, off'], 'load': [1]}
    """
    content = _Content(path, separator=separator, encoding=encoding, skip=skip, names=names)
    return _table(content, columns, text=text, dates=dates, missing=missing, decimal=decimal)


# -- the file: bytes to text to rows -----------------------------------------------------------------------------------

_OF_FILE = ("separator", "encoding", "skip", "names")


class _Content:
    """A file's text, the names of its columns and its rows.

    Attributes
    ----------
    header : list of str
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        separator: str | None = None,
        encoding: str | None = None,
        skip: int = 0,
        names: Sequence[str] | None = None,
    ):
        self.path, self.skip, self.named = str(path), skip, names is None
        whole("skip", skip, least=0)
        if separator is not None and (not isinstance(separator, str) or len(separator) != 1 or separator in '"\r\n'):
            raise ConfigError(f"separator is {separator!r}; it must be one character, and no quote or line end.")
        self.lines = list(io.StringIO(_decoded(Path(path), encoding), newline=""))[skip:]
        self.separator = separator or _separator(self.lines)
        first = next(self._records(), None)
        if first is None:
            raise FileFormatError(f"{self.path!r} is empty{f' after {skip} lines' if skip else ''}.")
        line, record = first
        if names is None:
            numbers = [cell for cell in record if _NUMBER["."].fullmatch(cell.strip()) and cell.strip()]
            if numbers:
                raise FileFormatError(
                    f"{self.path!r}: line {line} should hold the columns' names, but has the number {numbers[0]!r}. "
                    "Give them as names=[...], or the lines before them as skip=."
                )
            if not any(record):
                raise FileFormatError(f"{self.path!r}: line {line} should hold the columns' names, but has none.")
        given = record if names is None else names
        self.header = [str(name).strip() or f"column_{k}" for k, name in enumerate(given, 1)]
        counts = Counter(self.header)
        twice = [name for name in self.header if counts[name] > 1]
        if twice:
            raise FileFormatError(
                f"{self.path!r}: {len(twice)} columns are named {twice[0]!r}. Rename them in line {line}."
            )

    def columns(self, wanted: Sequence[str]) -> tuple[list[int], list[list[str]]]:
        """The line at which each row begins, and the fields of each wanted column."""
        place = {name: k for k, name in enumerate(self.header)}
        places = [place[name] for name in wanted]
        lines: list[int] = []
        columns: list[list[str]] = [[] for _ in wanted]
        for line, record in islice(self._records(), int(self.named), None):
            if len(record) != len(self.header):
                raise FileFormatError(
                    f"{self.path!r}: line {line} has {len(record)} fields, separated by {self.separator!r}; "
                    f"{len(self.header)} columns are named. Mend that line (text that holds a separator goes in double "
                    "quotes), give another separator=, or the lines before the names as skip=."
                )
            lines.append(line)
            for column, k in zip(columns, places, strict=True):
                column.append(record[k])
        if not lines:
            raise FileFormatError(f"{self.path!r} names columns ({', '.join(self.header[:5])}) but holds no rows.")
        return lines, columns

    def _records(self) -> Iterator[tuple[int, list[str]]]:
        """The line at which each record begins, and its fields; empty lines are left out."""
        reader = csv.reader(self.lines, delimiter=self.separator, strict=True, skipinitialspace=self.separator != "\t")
        line = 1
        try:
            for record in reader:
                if record:
                    yield self.skip + line, record
                line = reader.line_num + 1
        except csv.Error as error:
            found = "a double quote is never closed" if "unexpected end" in str(error) else str(error)
            raise FileFormatError(f"{self.path!r}: from line {self.skip + line} on, {found}.") from error


def _decoded(path: Path, encoding: str | None) -> str:
    content = read_bytes(path)
    if content[:2] in (b"PK", b"\x1f\x8b"):
        raise FileFormatError(f"{str(path)!r} is a compressed or Excel file. Unpack it, or save it as CSV.")
    marked = next((name for mark, name in _MARKS if content.startswith(mark)), None)
    if encoding is None and marked is None and b"\0" in content[:4]:  # UTF-16 without a mark: every other byte is 0
        marked = "utf-16-le" if content[1:2] == b"\0" else "utf-16-be"
    try:
        return content.decode(encoding or marked or "utf-8")
    except LookupError as error:
        raise ConfigError(f"encoding is {encoding!r}, which Python does not know.") from error
    except UnicodeError as error:
        line = content.count(b"\n", 0, getattr(error, "start", 0)) + 1
        shown = content.split(b"\n")[line - 1].decode("cp1252", "replace").strip()[:60]
        raise FileFormatError(
            f"{str(path)!r} is not {encoding or marked or 'UTF-8'}, see line {line}. Western European files "
            f"are often encoding='cp1252', in which the line reads {shown!r}; give the encoding that reads right."
        ) from error


def _separator(lines: Sequence[str]) -> str:
    """The separator by which most of the first lines have as many fields as the very first; more fields win a tie."""
    best, score = SEPARATORS[0], (0.0, 1)
    for separator in SEPARATORS:
        reader = csv.reader(lines[:200], delimiter=separator, skipinitialspace=separator != "\t")
        try:
            counts = [len(record) for record in reader if record]
        except csv.Error:
            continue
        if counts and counts[0] > 1:
            score, best = max((score, best), ((counts.count(counts[0]) / len(counts), counts[0]), separator))
    return best


# -- the columns: text to numbers, dates, categories -------------------------------------------------------------------


class _Column:
    """A column's distinct values that are not missing, where each first stands, and how to get back to all rows."""

    def __init__(self, name: str, cells: list[str], lines: Sequence[int], missing: frozenset[str]):
        self.name, self.lines = name, lines
        codes, values = pd.factorize(np.array([cell.strip() for cell in cells], dtype=object))
        first = np.zeros(len(values), np.int64)
        first[codes[::-1]] = np.arange(len(codes))[::-1]
        kept = np.array([value not in missing for value in values], bool)
        self.values, self.first = values[kept], first[kept]  # (distinct,)
        self.codes = np.where(kept, np.cumsum(kept) - 1, -1)[codes]  # (rows,), -1 where missing

    def rows(self, distinct: pd.Series) -> pd.Series:
        """All rows of what the distinct values became; NaN, NaT or None where missing."""
        return distinct.reset_index(drop=True).reindex(self.codes).reset_index(drop=True)

    def at(self, k: int) -> str:
        return f"{str(self.values[k])!r} in line {self.lines[self.first[k]]}"


def _table(
    content: _Content,
    columns: Sequence[str] | None,
    *,
    text: Sequence[str] = (),
    dates: Mapping[str, str] | None = None,
    missing: Sequence[str] = MISSING,
    decimal: str | None = None,
) -> pd.DataFrame:
    if decimal not in (None, ".", ","):
        raise ConfigError(f"decimal is {decimal!r}; choose '.' or ','.")
    dates = dates or {}
    for name, form in dates.items():
        if form not in _DATE_FORMS and "%" not in form:
            raise ConfigError(
                f"dates[{name!r}] is {form!r}; choose one of {', '.join(map(repr, _DATE_FORMS))} or a format such as "
                "'%d.%m.%y %H:%M'."
            )
    wanted = content.header if columns is None else list(columns)
    known, as_text = set(content.header), set(text)
    for name in [*wanted, *text, *dates]:
        if name not in known:
            raise SchemaError(f"no column {name!r}; the file has {', '.join(map(repr, content.header[:20]))}.")
    lines, cells = content.columns(wanted)
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
    return pd.DataFrame({name: table[name] for name in wanted}).set_index(pd.Index(lines, name=LINE))


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
    if decimal != "," and all(_NUMBER["."].fullmatch(values[k]) for k in np.flatnonzero(~known)):
        readings["."] = _parsed([v.replace(",", "") for v in values])
    if decimal != "." and all(_NUMBER[","].fullmatch(v) for v in values):
        readings[","] = _parsed([v.replace(".", "").replace(",", ".") for v in values])
    readings = {sign: read for sign, read in readings.items() if not np.isnan(read).any()}
    if readings or not (known.any() or any("," in v for v in values)):
        return readings
    looks = known | np.array([any(form.fullmatch(v) for form in _NUMBER.values()) for v in values], bool)
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
                raise SchemaError(
                    f"column {column.name!r} has the date {column.at(found.index(True))}, but also "
                    f"{column.at(found.index(False))}. Mend the file, or take all as text (text=[{column.name!r}])."
                )
            return _dates(column, None)
    return pd.Series(column.values, dtype=object)


def _dates(column: _Column, form: str | None) -> pd.Series:
    """The distinct values as dates without a zone; `form` as `read_csv` takes it, None: find out."""
    values = pd.Series(column.values, dtype=object)
    if form in ("seconds", "milliseconds"):
        numbers = pd.to_numeric(values, errors="coerce")
        read = pd.to_datetime(numbers, unit="s" if form == "seconds" else "ms", errors="coerce")
    elif form is not None and form not in _DATE_FORMS:
        read = pd.to_datetime(values, format=form, errors="coerce", utc="%z" in form)
    else:
        read = pd.to_datetime(_iso(column, form), format="ISO8601", errors="coerce", utc=True)
    if read.dt.tz is not None:
        read = read.dt.tz_localize(None)
    outside = read.isna() | ~read.between(pd.Timestamp("1678-01-01"), pd.Timestamp("2262-01-01"))
    if outside.any():
        k = int(np.flatnonzero(outside)[0])
        how = f" as {form!r}" if form else ""
        raise SchemaError(
            f"column {column.name!r} has {column.at(k)}, which is no date{how} (from 1678 to 2261). Mend the file, or "
            f"say how to read it: dates={{{column.name!r}: 'day first'}}, 'month first', or a format like '%d/%m/%y'."
        )
    return read


def _iso(column: _Column, form: str | None) -> pd.Series:
    """Dates rewritten as yyyy-mm-ddThh:mm:ss; "" for what is none."""
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
        rewritten.append(f"{match['y']}-{month:0>2}-{day:0>2}T{match['clock'] or '00:00'}{match['zone'] or ''}")
    return pd.Series(rewritten, dtype=object)


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
