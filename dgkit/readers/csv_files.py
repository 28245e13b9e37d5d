"""CSV files as tables and datasets: separator, encoding, decimal sign and dates are found out, or asked for.

Python's `csv` splits the lines, which alone tells the line of a mistake; what a column's text means is found out in
`values`. Left out: compressed and remote files, and reading in pieces: a file is held in memory as text while it is
read, about 100 bytes a field.
"""

import codecs
import csv
import io
import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import pandas as pd
import xarray as xr

from dgkit._atomic import contents
from dgkit._checks import whole
from dgkit.errors import ConfigError, FileFormatError
from dgkit.readers.grid import CHOICES
from dgkit.readers.tables import feature_columns, from_table
from dgkit.readers.values import MISSING, NUMBER, understood

SEPARATORS = ",;\t|"
_MARKS = (  # the longer first: UTF-32's begins with UTF-16's
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def from_csv(
    path: str | os.PathLike[str],
    *,
    features: Sequence[str] | Mapping[str, str | Sequence[str]],
    sample: str | None = None,
    time: str | None = None,
    attributes: Sequence[str] = (),
    units: Mapping[str, str] | None = None,
    fill: str | Mapping[str, str] | None = None,
    max_bytes: int | None = None,
    text: Sequence[str] = (),
    **options: Any,
) -> xr.Dataset:
    """A dataset from a CSV file: `read_csv` of the columns it needs, then `from_table`.

    Parameters
    ----------
    path : path
        Of the file.
    features, sample, time, attributes, units, fill, max_bytes
        As `from_table` takes them. The column `sample` is taken as it is written, also where that is a number.
    text, **options
        As `read_csv` takes them; and `step`, `counters` and the other choices of time, as `from_table` takes them.

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
    content = _Content(path, **{key: options.pop(key) for key in list(options) if key in _OF_FILE})
    choices = {key: options.pop(key) for key in list(options) if key in CHOICES}
    steps = feature_columns(content.header, features)
    keys = [name for name in (sample, time) if name is not None]
    wanted = dict.fromkeys([*keys, *attributes, *(column for columns in steps.values() for column in columns)])
    counted = {name for name, way in (choices.get("bins") or {}).items() if way == "count"} - set(content.header)
    wanted = {name: None for name in wanted if name not in counted}
    table = understood(
        content.header, content.columns, list(wanted), text=[*text, *([] if sample is None else [sample])], **options
    )
    return from_table(
        table,
        features=features,
        sample=sample,
        time=time,
        attributes=attributes,
        units=units,
        fill=fill,
        max_bytes=max_bytes,
        **choices,
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
    return understood(
        content.header, content.columns, columns, text=text, dates=dates, missing=missing, decimal=decimal
    )


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
            numbers = [cell for cell in record if NUMBER["."].fullmatch(cell.strip()) and cell.strip()]
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
    content = contents(path)
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
