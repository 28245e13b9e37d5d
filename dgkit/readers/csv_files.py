"""Files as tables and datasets: what holds the rows, which lines are rows, and what their columns mean.

`sources` finds and unpacks the files, `records` and `tabular` make rows of them, `values` says what a column means:
here they meet. Nothing is guessed where two readings would do: the error names the place and the argument that settles
it. Left out: remote files, and tables larger than memory.
"""

import csv
import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from pandas.api.types import is_numeric_dtype, is_object_dtype, is_string_dtype

from dgkit._checks import mapping, several, whole
from dgkit._netcdf import limit
from dgkit.errors import ConfigError, FileFormatError, SchemaError
from dgkit.readers import sources, tabular
from dgkit.readers.columns import feature_columns, some_names
from dgkit.readers.grid import CHOICES
from dgkit.readers.numbers import NUMBER, parsed
from dgkit.readers.patterns import Pattern
from dgkit.readers.records import Cells, Records, lines_kept, some_lines
from dgkit.readers.tables import MIXED, as_names, check_roles, from_table, one_unit
from dgkit.readers.transposed import SERIES, series_in_columns
from dgkit.readers.values import LINE, MISSING, given_forms, given_markers, markers_of, understood


def from_csv(
    path: sources.Paths,
    *,
    features: Sequence[str] | Mapping[str, str | Sequence[str]],
    sample: str | None = None,
    time: str | None = None,
    attributes: Sequence[str] = (),
    units: Mapping[str, str] | None = None,
    fill: str | Mapping[str, str] | None = None,
    max_bytes: int | None = None,
    text: Sequence[str] = (),
    numbers: Mapping[str, str] | Sequence[str] | None = None,
    categories: Mapping[str, Sequence[Any] | Mapping[Any, float]] | Sequence[str] = (),
    scale: Mapping[str, str] | None = None,
    valid_min: Mapping[str, float] | None = None,
    valid_max: Mapping[str, float | str] | None = None,
    counts: Mapping[str, bool] | Sequence[str] = (),
    zeros: Mapping[str, str] | Sequence[str] = (),
    **options: Any,
) -> xr.Dataset:
    """A dataset from a file or many: `read_csv` of the columns it needs, then `from_table`.

    Parameters
    ----------
    path : path, pattern or list
        As `read_csv` takes it: CSV, packed or not, JSON lines, Excel, Parquet.
    features, sample, time, attributes, units, fill, max_bytes
        As `from_table` takes them. The column `sample` is taken as it is written, also where that is a number. With
        `time` and without `sample`, features by pattern (``{"load": "*"}``) mean that each of their columns is a
        series, and each row a time. `max_bytes` bounds also what a packed file may hold.
    text, numbers
        As `read_csv` takes them, and `missing`; a feature's name stands for all its columns.
    categories, scale, valid_min, valid_max, counts, zeros
        As `from_table` takes them.
    **options
        As `read_csv` takes them; `step`, `counters` and the other choices of time, as `from_table` takes them; and
        ``blank_rows="drop"`` leaves out rows that have no value of any feature: of a wide table samples, of a long one
        steps, which are gaps then.

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
    of_file = {key: options.pop(key) for key in list(options) if key in _OF_FILE}
    choices = {key: options.pop(key) for key in list(options) if key in CHOICES}
    features, attributes, text = as_names(features), several("attributes", attributes), several("text", text)
    categories = categories if isinstance(categories, Mapping) else several("categories", categories)
    blank_rows = options.pop("blank_rows", None)
    check_roles(sample, time)
    content = _Files(path, max_bytes=max_bytes, **of_file)
    keys = [name for name in (sample, time) if name is not None]
    in_time = time is None or sample is not None  # else each column of a pattern is a series, and no step
    steps = feature_columns(content.header, features, {*keys, *attributes}, steps=in_time)

    def columns(names: Iterable[str]) -> list[str]:
        return [column for name in names for column in steps.get(name, [name])]

    forms, missing = given_forms(numbers), given_markers(options.pop("missing", None))
    if isinstance(missing, Mapping):
        missing = {column: markers for name, markers in missing.items() for column in columns([name])}
    wanted = dict.fromkeys([*keys, *attributes, *(column for columns in steps.values() for column in columns)])
    counted = {name for name, way in (choices.get("bins") or {}).items() if way == "count"} - set(content.header)
    wanted = {name: None for name in wanted if name not in counted}
    table = content.table(
        list(wanted),
        text=columns([*text, *([] if sample is None else [sample])]),
        numbers={column: form for name, form in forms.items() for column in columns([name])},
        codes=columns(categories),
        missing=missing,
        **options,
    )
    read = table.attrs.pop("units", {})
    units = _units_read([*steps.items(), *((name, [name]) for name in attributes)], read) | mapping("units", units)
    wide = isinstance(features, Mapping) and time is None
    if blank_rows is not None and time is None and not wide:
        raise ConfigError(
            "blank_rows= needs time=: without times rows are steps in their order, and those after one that is left "
            "out would move up. Fill what is missing, or keep it: fill=, gaps='keep'."
        )
    if isinstance(features, Mapping) and time is not None and sample is None:
        table, features, sample = series_in_columns(table, features, steps, time), list(steps), SERIES
        text = [*text, SERIES]  # names of columns are taken as they are
    elif isinstance(features, Mapping):
        features = steps
    of = [column for columns in steps.values() for column in columns] if features is steps else [*features]
    table = _without_blank(table, of, blank_rows, wide)
    ds = from_table(
        table,
        features=features,
        sample=sample,
        time=time,
        attributes=attributes,
        units=units,
        fill=fill,
        max_bytes=max_bytes,
        text=text,
        numbers=forms,
        categories=categories,
        scale=scale,
        valid_min=valid_min,
        valid_max=valid_max,
        counts=counts,
        zeros=zeros,
        **choices,
    )
    return ds.assign_attrs(reading=table.attrs["reading"]) if table.attrs.get("reading") else ds


def read_csv(
    path: sources.Paths,
    *,
    columns: Sequence[str] | None = None,
    text: Sequence[str] = (),
    dates: Mapping[str, str] | None = None,
    missing: Sequence[Any] | Mapping[str, Sequence[Any]] = (),
    decimal: str | None = None,
    numbers: Mapping[str, str] | Sequence[str] | None = None,
    separator: str | None = None,
    encoding: str | None = None,
    skip: int = 0,
    names: Sequence[str] | None = None,
    header: int | None = None,
    comment: str | None = None,
    footer: int | str | None = None,
    ragged: str | None = None,
    member: str | None = None,
    from_path: str | None = None,
    split: Mapping[str, str] | None = None,
    max_bytes: int | None = None,
) -> pd.DataFrame:
    """A table from one file or many, each column numbers, truth values, dates or text, never a mixture.

    CSV, also packed (gzip, bz2, xz, zip), and JSON lines; with ``pip install dgkit[files]`` Excel and Parquet as well.

    Parameters
    ----------
    path : path, or list of these
        Of the file, or a pattern of many, such as `"logs/**/*.csv"`. Of many, all have the columns that are read; a row
        is found again by its line and the file's name.
    columns : list of str, optional
        Those to read. Default: all.
    text : list of str
        Columns to take as they are written, e.g. codes among which some are numbers.
    dates : mapping, optional
        Form of a column of dates: "day first" or "month first" (of 03/04/2024), "seconds" or "milliseconds" (since
        1970), or a format of `datetime.strptime`. Default: dates with the year first, dd.mm.yyyy, and dd/mm/yyyy or
        mm/dd/yyyy where a number above 12 tells which (of dates with dashes another one), are recognised, with a time
        of day or without (24:00 is the next day's 00:00). A time with a zone becomes UTC, a week ("%G-W%V") its first
        day.
    missing : list, or mapping of column to list
        What else than an empty cell stands for a missing value, e.g. "-999", in a column of numbers also as -999.0: of
        all columns, or by a mapping of each its own, ``{"rtt": [-1]}``.
        Words such as NA or null are missing in columns of numbers, dates and truth values; text keeps them unless they
        are given here.
    decimal : {None, ".", ","}
        Decimal sign; the other one then groups thousands. None: found out, from all columns of the file. In JSON and
        Excel it is said of text alone: cells that are numbers have a value of their own.
    numbers : mapping or list
        Columns of numbers with something around them: of each its form. A unit as it is written ("Mbps", "%", "€") is
        cut off. "K=1000" and "K=1024": letters such as K and M multiply. "duration" (1h20m, 0:12:30), "h:m" and "m:s"
        become seconds. "plain" (all columns of a list): digits may be grouped or padded with zeros: 10 237, 1'000, 007;
        1.10 is 1.1, and no version.
    separator : str, optional
        One character, or "\\\\s+" for any number of spaces. None: that of comma, semicolon, tab and bar that gives most
        lines as many fields as the first.
    encoding : str, optional
        Default: UTF-8, UTF-16 or UTF-32, by mark and content. Of others the file does not say which it is.
    skip : int
        Lines before the one with the names; of Excel rows of the sheet, as for `comment` (of the first cell) and
        `footer`. JSON and Parquet have no such lines.
    names : list of str, optional
        Of the columns, if the file has no line with names; skip= the line with names to replace them.
    header : int, optional
        Lines that hold names: of two, a name is the words above each other, and one in the upper line stands for the
        blanks to its right as well. Default: one, which is taken if its numbers, if any, are numbered columns (0, 1, 2
        or years); otherwise the error asks. 0 goes with `names`.
    comment : str, optional
        What lines begin with that are left out, such as "#".
    footer : int or str, optional
        Lines to leave out at the end, or what the first of them begins with, such as "Total".
    ragged : {None, "drop", "fill"}
        Lines with too few or too many fields, or none: left out, or what they lack is missing. None: an error asks.
    member : str, optional
        Which file of a zip archive, or which sheet of an Excel file. Needed if there are several.
    from_path : str, optional
        Columns to make of each file's path, such as "{site}/{device}.csv". They are text.
    split : mapping, optional
        Columns to make of a column's text, such as ``{"Page": "{title}_{domain}_{agent}"}``. It is matched from the
        right: the first field may hold the marks that separate the others.
    max_bytes : int, optional
        Most bytes that a packed file may hold. Default: 128 MB, or 32 times the file's size where that is more.

    Returns
    -------
    DataFrame
        Its index "line" tells the line of the file at which a row begins. Missing values are NaN, NaT or None; NA among
        whole numbers of which some are 2^53 or more. A column of numbers with leading zeros is text.
        ``attrs["reading"]`` tells what was left out, and where; ``attrs["units"]`` the units of columns of `numbers`.

    Raises
    ------
    FileFormatError
        No file, no rows, undecodable, lines of unequal numbers of fields, an open quote, a name twice or none at all;
        an address (nothing is fetched), a pickle, or more than `max_bytes`.
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
    content = _Files(
        path,
        separator=separator,
        encoding=encoding,
        skip=skip,
        names=names,
        header=header,
        comment=comment,
        footer=footer,
        ragged=ragged,
        member=member,
        from_path=from_path,
        split=split,
        max_bytes=max_bytes,
    )
    return content.table(columns, text=text, dates=dates, missing=missing, decimal=decimal, numbers=numbers)


# -- the files: rows and the names of their columns --------------------------------------------------------------------

SEPARATORS = ",;\t|"
SPACES = r"\s+"  # as separator=: any number of spaces or tabs
_OF_FILE = (
    "separator", "encoding", "skip", "names", "header", "comment", "footer", "ragged", "member", "from_path", "split",
)  # fmt: skip
_NO_ROWS = (
    "Lines that are no rows can be left out: comment='#', footer='Total' (or their number), ragged='drop'. A second "
    "line of names, or of units, joins the first: header=2."
)
_TYPED = "{name}= goes with files of text; Parquet says itself what its columns are. Leave it out."
_OF_ROWS = "{name}= goes with text and Excel; {kind} says itself what its rows and their names are. Leave it out."


class _Files:
    """The files that a path means, as one table of text.

    Attributes
    ----------
    header : list of str
        The columns' names, those that `from_path` and `split` make among them.
    """

    def __init__(
        self,
        path: sources.Paths,
        *,
        from_path: str | None = None,
        split: Mapping[str, str] | None = None,
        max_bytes: int | None = None,
        **options: Any,
    ):
        if max_bytes is not None:
            whole("max_bytes", max_bytes)
        self.paths = sources.files(path)
        self.options = {"max_bytes": max_bytes, **options}
        self.first = _File(self.paths[0], **self.options)
        self.told: list[str] = []
        self.commas: set[str] = set()  # columns whose cells of numbers are written with decimal commas, as their text
        self.from_path = None if from_path is None else Pattern("from_path", from_path)
        self.split = {name: Pattern(f"split[{name!r}]", pattern) for name, pattern in mapping("split", split).items()}
        for name in self.split:
            if name not in self.first.header:
                raise SchemaError(f"split: no column {name!r}; the file has {some_names(self.first.header)}.")
        made = [field for one in (self.from_path, *self.split.values()) if one for field in one.fields]
        self.header = [*self.first.header, *made]
        twice = [name for name in made if self.header.count(name) > 1]
        if twice:
            raise ConfigError(f"{twice[0]!r} of from_path= or split= is already a column. Call the field otherwise.")

    def table(self, wanted: Sequence[str] | None, *, text: Sequence[str] = (), **meaning: Any) -> pd.DataFrame:
        """The wanted columns, as `read_csv` gives them."""
        names = self.header if wanted is None else several("columns", wanted)
        text, meaning["missing"] = several("text", text), given_markers(meaning.get("missing"))
        removed: dict[str, int] = {}  # of each column how many values `missing` of all columns took
        if self.first.kind == "parquet":
            table = self._typed(names, text, meaning, removed)
        else:
            if meaning.get("decimal") == ",":  # of text; cells that are numbers have a value of their own
                self.commas = set(self.header).difference(text, meaning.get("dates") or (), self.split)
            try:
                table = understood(
                    self.header,
                    self.columns,
                    names,
                    text=text,
                    separator=self.first.separator,
                    typed=self.first.kind in ("json", "excel"),
                    removed=removed,
                    **meaning,
                )
            except SchemaError as error:
                if "Mend the file" in str(error) or self.first.header[0].startswith("#"):
                    raise SchemaError(f"{error} {_NO_ROWS}") from error
                raise
        table.attrs["reading"] = "; ".join([*self.told, *_said_of_markers(removed)])
        return table

    def columns(
        self, wanted: Sequence[str], plain: Collection[str] = (), dots: bool | None = None
    ) -> tuple[np.ndarray, list[Cells]]:
        """Where each row begins, and the fields of each wanted column, of all files; `plain`, `dots`: see `Records`."""
        of_split = {field: (name, k) for name, pattern in self.split.items() for k, field in enumerate(pattern.fields)}
        of_path = {} if self.from_path is None else {field: k for k, field in enumerate(self.from_path.fields)}
        needed = list(dict.fromkeys(of_split[c][0] if c in of_split else c for c in wanted if c not in of_path))
        plain = {*plain}.intersection(needed) - self.split.keys()
        lines: list[np.ndarray] = []
        told: list[str] = []
        cells: dict[str, Cells] = {name: Cells() for name in wanted}
        for k, path in enumerate(self.paths):
            file = self.first if k == 0 and not self.first.closed else _File(path, **self.options)
            self._compare(file, needed)
            rows, found = file.columns(needed, plain, dots, self.commas)
            got = dict(zip(needed, found, strict=True))
            text = {name for name in plain if got[name].sign is None} if len(rows) else set()
            if k and any(cells[name].sign is not None for name in text & cells.keys()):
                return self.columns(wanted, plain - text, dots)  # numbers in one file and text in the next
            plain -= text
            at = f" of {path.name}"
            lines.append(np.array([f"{line}{at}" for line in rows], object) if len(self.paths) > 1 else rows)
            told += [f"{path.name}: {what}" if len(self.paths) > 1 else what for what in file.told]
            values = None if self.from_path is None else self._of_path(path)
            shared: dict[str, tuple[np.ndarray, list[list[str]]]] = {}  # of each column that is split
            for name, column in cells.items():
                if name in of_path:
                    assert values is not None
                    column.parts.append((np.zeros(len(rows), np.uint8), [values[of_path[name]]]))
                elif name in of_split:
                    source, place = of_split[name]
                    if source not in shared:
                        codes, texts = got[source].distinct()
                        fields = [self._split(source, text, codes, n, rows, at) for n, text in enumerate(texts)]
                        shared[source] = codes, fields
                    codes, fields = shared[source]
                    column.parts.append((codes, [field[place] for field in fields]))
                else:
                    column.add(got[name])
                    if len(self.paths) > 1:
                        column.pack()
        self.told = self.told or told
        if not sum(map(len, lines)):
            raise FileFormatError(
                f"{self.first.name!r} names columns ({', '.join(self.header[:5])}) but holds no rows."
            )
        return np.concatenate(lines), [cells[name] for name in wanted]

    def _of_path(self, path: Path) -> list[str]:
        assert self.from_path is not None
        found = self.from_path.match(path.as_posix(), within="/")
        if found is None:
            fields = "/".join(f"{{{field}}}" for field in self.from_path.fields)
            raise FileFormatError(
                f"{str(path)!r} is not as from_path= says, with its fields {fields}. Mend the pattern."
            )
        return found

    def _split(self, name: str, text: str, codes: np.ndarray, n: int, rows: np.ndarray, at: str) -> list[str]:
        if not text:
            return [""] * len(self.split[name].fields)
        found = self.split[name].match(text)
        if found is None:
            line = rows[int(np.flatnonzero(codes == n)[0])]
            where = f"line {line}{at if len(self.paths) > 1 else ''}"
            raise SchemaError(f"split: column {name!r} has {text!r} in {where}, which is not as its pattern says.")
        return found

    def _compare(self, file: "_File", needed: Sequence[str]) -> None:
        """SchemaError where a file has not the columns that the first has; others may differ, and that is told."""
        if file.kind != self.first.kind and "parquet" in (file.kind, self.first.kind):
            raise FileFormatError(
                f"{file.name!r} is {file.kind}, but {self.first.name!r} {self.first.kind}. Read them apart."
            )
        has, known = set(file.header), set(self.first.header)
        lacks = [name for name in needed if name in known and name not in has]
        new = [name for name in file.header if name not in known]
        also = f", but has {some_names(new, 5)}" if new else ""
        if lacks:
            raise SchemaError(
                f"{file.name!r} has no column {some_names(lacks, 5)}{also}; {self.first.name!r} has. Read those files "
                "apart whose columns differ, or give all the same names: names=[...] with skip=1."
            )
        if new:
            file.told.append(f"its columns {some_names(new, 5)} are not in {self.paths[0].name}, and not read")

    def _typed(
        self, wanted: list[str], text: Sequence[str], meaning: Mapping[str, Any], removed: dict[str, int]
    ) -> pd.DataFrame:
        if self.split:
            raise ConfigError(_TYPED.format(name="split"))
        for name, value in meaning.items():
            if value and name not in ("numbers", "codes", "missing"):  # `from_table` heeds the first two
                raise ConfigError(_TYPED.format(name=name))
        of_path = [] if self.from_path is None else self.from_path.fields
        missing = meaning["missing"]
        for name in [*wanted, *text, *(missing if isinstance(missing, Mapping) else ())]:
            if name not in self.header:
                raise SchemaError(f"no column {name!r}; the file has {some_names(self.header)}.")
        tables = []
        for k, path in enumerate(self.paths):
            file = self.first if k == 0 else _File(path, **self.options)
            needed = [name for name in wanted if name not in of_path]
            self._compare(file, needed)
            table = tabular.parquet_table(path, needed, file.most)
            table = table.assign(**dict(zip(of_path, self._of_path(path), strict=True))) if of_path else table
            if len(self.paths) > 1:
                table.index = pd.Index([f"{line} of {path.name}" for line in table.index])
            tables.append(table[wanted])
        whole_table = pd.concat(tables)
        for name in wanted:
            whole_table[name] = self._without_blanks(whole_table[name])
        for name in wanted:
            if own := list(map(str, markers_of(missing, name))):
                gone = whole_table[name].isin(parsed(own) if is_numeric_dtype(whole_table[name]) else own)
                whole_table[name] = whole_table[name].mask(gone)
                removed |= {name: int(gone.sum())} if gone.any() and not isinstance(missing, Mapping) else {}
        whole_table.index.name = LINE
        as_text = {name: whole_table[name] for name in text if name in wanted}
        return whole_table.assign(**{name: of.astype(str).where(of.notna(), None) for name, of in as_text.items()})

    def _without_blanks(self, column: pd.Series) -> pd.Series:
        """A column of Parquet, of text without the blanks around it, as other files' text."""
        if not (is_object_dtype(column) or is_string_dtype(column)):
            return column
        bare = column.map(lambda item: item.strip() if isinstance(item, str) else item)
        if (bare[changed := column.notna() & (bare != column)]).size:
            self.told.append(f"blanks around {int(changed.sum()):,} texts of {column.name!r}")
        return bare


class _File:
    """One file: the names of its columns and, of text, its records.

    Attributes
    ----------
    kind : {"text", "json", "excel", "parquet"}
    header : list of str
    told : list of str
        What was left out, and what was decided.
    """

    def __init__(
        self,
        path: Path,
        *,
        separator: str | None = None,
        encoding: str | None = None,
        skip: int = 0,
        names: Sequence[str] | None = None,
        header: int | None = None,
        comment: str | None = None,
        footer: int | str | None = None,
        ragged: str | None = None,
        member: str | None = None,
        max_bytes: int | None = None,
    ):
        _checked(separator, skip, header, comment, footer, ragged)
        self.name, self.told, self.ragged, self.comment = str(path), list[str](), ragged, comment
        self.closed = False
        self.kind, content = sources.unpacked(path, member, max_bytes)
        self.most = limit(path.stat().st_size, max_bytes)
        self.separator = separator or ","
        if self.kind not in ("excel", "parquet"):
            content = sources.utf8(path, content, encoding)
            self.kind = "json" if sources.is_json(content) else self.kind
        if self.kind in ("json", "parquet"):
            told = {"skip": skip, "comment": comment, "footer": footer, "names": names, "header": header is not None}
            for name, value in told.items():
                if value:
                    raise ConfigError(_OF_ROWS.format(name=name, kind={"json": "JSON"}.get(self.kind, "Parquet")))
        if self.kind == "parquet":
            self.header = tabular.parquet_names(path)
            return
        if self.kind == "excel":
            records = tabular.excel_records(path, content, member, self.most)
            self.records, self.told = tabular.rows_kept(records, skip, comment, footer, self.name)
        else:
            if self.kind == "json":
                self.records, header = tabular.json_records(path, content), 1
            else:
                self.records = self._of_text(content, separator, skip, comment, footer)
        del content
        bare = self.records.bare()
        full = np.flatnonzero(~bare)
        if not len(full):
            raise FileFormatError(f"{self.name!r} is empty{f' after {skip} lines' if skip else ''}.")
        self.header, first = self._names(full, names, header, skip)
        self.kept = self._rows(first, bare)

    def _of_text(
        self, content: bytes, separator: str | None, skip: int, comment: str | None, footer: int | str | None
    ) -> Records:
        if b"\n" not in content:
            content = content.replace(b"\r", b"\n")
        says = re.match(rb"sep=(.)\r?\n", content)
        if says and separator is None and not skip:  # Excel's own first line
            separator, skip = says[1].decode("latin-1"), 1
            self.told.append(f"line 1 says that the separator is {separator!r}")
        if not skip and (begins := re.match(rb"(?:[ \t\r]*(?:[@#%][^\n]*)?\n)*?[ \t]*@data\b", content, re.IGNORECASE)):
            line = content.count(b"\n", 0, begins.end()) + 1
            raise FileFormatError(
                f"{self.name!r} has its rows below '@data' in line {line}, as files of sktime, aeon and Weka; the "
                "lines above say what they hold. Read it with sktime.datasets or scipy.io.arff, make a table of it, "
                f"and give that to from_table. Where each line below is a row of cells: skip={line}, names=[...]."
            )
        content, lines, left_out = lines_kept(content, skip, comment, footer, self.name)
        self.told += left_out
        self.separator = separator or _separator(content, self.name)
        if self.separator == SPACES:
            content = re.sub(rb"(?m)^[ \t]+|[ \t]+(?=\r?$)", b"", content)
            content = re.sub(rb'("[^"\n]*")|[ \t]+', lambda found: found[1] or b" ", content)
        return Records.of_text(content, lines, " " if self.separator == SPACES else self.separator, self.name)

    def _names(
        self, full: np.ndarray, names: Sequence[str] | None, header: int | None, skip: int
    ) -> tuple[list[str], int]:
        """The columns' names, and the record at which the rows may begin."""
        top = [self.records.fields(k) for k in full[: max(header or 1, 1) + 1]]
        line = self.records.lines[full[0]]
        if names is not None:
            names = several("names", names)
            if header:
                raise ConfigError(f"header={header} says where names are, and names= gives them. Leave one out.")
            if header is None and len(top) > 1 and _reads_as_names(top[0], top[1]):
                raise FileFormatError(
                    f"{self.name!r}: line {line} seems to hold names of columns ({some_names(top[0], 3)}), and names= "
                    f"gives others. Leave that line out with skip={line}, or say that it is a row with header=0."
                )
            return self._whole_names([str(name).strip() for name in names]), int(full[0])
        if header == 0:
            raise ConfigError("header=0 says that no line holds names; then give them as names=[...].")
        used = max(header or 1, 1)
        numbers = [cell for cell in top[0] if cell.strip() and NUMBER["."].fullmatch(cell.strip())]
        if header is None and numbers:
            if not (_steady(top[0]) and len(top) > 1 and not _steady(top[1])):
                raise FileFormatError(
                    f"{self.name!r}: line {line} should hold the columns' names, but has the number {numbers[0]!r}. If "
                    "they are names all the same: header=1. If no line has names: names=[...]. If lines stand before "
                    "the one with names: skip=."
                )
            self.told.append(f"line {line} holds names, {len(numbers)} of them numbers")
        rows = [[cell.strip() for cell in row] for row in top[:used]]
        if len(rows) < used or (header and header > 1 and len(full) <= used):
            raise FileFormatError(f"{self.name!r} has no rows under {header} lines of names.")
        joined = rows[-1]
        for row in rows[-2::-1]:
            upper, last = [], ""
            for cell in row + [""] * (len(joined) - len(row)):  # a name above stands over the blanks to its right
                last = cell or last
                upper.append(last)
            joined = [" ".join(filter(None, pair)) for pair in zip(upper, joined, strict=False)]
        return self._whole_names(joined), int(full[used - 1]) + 1

    def _whole_names(self, names: list[str]) -> list[str]:
        return [name or f"column_{k}" for k, name in enumerate(names, 1)]

    def _rows(self, first: int, bare: np.ndarray) -> np.ndarray:
        """The records that are rows; what is none is told, or an error asks."""
        records, width = self.records, len(self.header)
        row = np.arange(len(bare)) >= first
        blank = row & bare & (records.widths <= 1)
        last = int(np.flatnonzero(~bare).max())
        of_one = (records.widths[row & ~bare] == 1).mean() > 0.5 if (row & ~bare).any() else True
        if width == 1 and of_one and self.ragged is None and (blank[:last]).any():
            where = records.lines[np.flatnonzero(blank[:last])]
            raise FileFormatError(
                f"{self.name!r} has one column and {len(where)} blank lines ({some_lines(where)}). Are they missing "
                "values, ragged='fill', or nothing, ragged='drop'?"
                + (" Lines that begin with '#' are left out by comment='#'." if self.header[0].startswith("#") else "")
                + (f" If spaces separate the columns: separator=r'{SPACES}'." if self._of_words(row & ~bare) else "")
            )
        self._leave(
            row, blank & (np.arange(len(bare)) > last) if width == 1 and self.ragged == "fill" else blank, "blank lines"
        )
        self._leave(row, bare & (np.arange(len(bare)) > last), "lines without any value at the end")
        if first and width > 1:
            again = records.same_as(first - 1)
            again[:first] = False
            self._leave(row, again, "lines that repeat the names")
        self.bare = records.lines[np.flatnonzero(row & bare)]
        if self.ragged == "drop":
            self._leave(row, row & bare, "lines without any value")
            self._leave(row, row & (records.widths != width), f"lines of other than {width} fields")
        odd = np.flatnonzero(row & (records.widths != width))
        long = odd[records.widths[odd] > width]
        if len(long):
            extra = records.cells(long, range(width, int(records.widths[long].max())))
            empty = all(not text for cells in extra for text in cells.distinct()[1])
            if empty and (self.ragged == "fill" or len(long) == row.sum()):
                self.told.append(f"{len(long):,} lines end in a separator too many")
                odd = np.setdiff1d(odd, long)
        if len(odd) and not (self.ragged == "fill" and (records.widths[odd] < width).all()):
            raise FileFormatError(f"{self.name!r}: {self._odd(odd, row)}")
        if len(odd):
            self.told.append(f"{len(odd):,} short lines filled with missing values ({some_lines(records.lines[odd])})")
        return np.flatnonzero(row)

    def _of_words(self, row: np.ndarray) -> bool:
        """Whether most of some rows of one field hold several words in it."""
        fields = [self.records.fields(k) for k in np.flatnonzero(row)[:100]]
        return bool(fields) and float(np.median([len(" ".join(one).split()) for one in fields])) > 1

    def _is_comment(self) -> bool:
        """Whether the line of names begins with '#', and so does the one below it."""
        below = self.records.fields(int(self.kept[0])) if len(self.kept) and self.kind == "text" else []
        return bool(below) and self.header[0].startswith("#") and below[0].startswith("#")

    def _leave(self, row: np.ndarray, which: np.ndarray, what: str) -> None:
        which = np.flatnonzero(which & row)
        if len(which):
            row[which] = False
            self.told.append(f"{len(which):,} {what} ({some_lines(self.records.lines[which])})")

    def _odd(self, odd: np.ndarray, row: np.ndarray) -> str:
        """What an error says of lines with too few or too many fields, and the arguments that would help."""
        records, width, rows = self.records, len(self.header), np.flatnonzero(row)
        lines, widths = records.lines[odd], records.widths[odd]
        by = "white space" if self.separator == SPACES else repr(self.separator)
        shown = ", ".join(f"line {line} has {n}" for line, n in zip(lines[:3], widths[:3], strict=True))
        shown += " fields" + (f", and so on, {len(odd):,} lines in all" if len(odd) > 3 else "")
        said = f"{shown}, separated by {by}; {width} columns are named. "
        begins = [records.fields(k)[0][:40] if records.fields(k) else "" for k in odd[:100]]
        ways = []
        hashes = [text for text in [self.header[0], *begins] if text.startswith("#")]
        marked = self.header[0].startswith("#")
        above = marked and self.comment is None and len(odd) * 2 > len(rows)  # the names that were taken are a comment
        if above or (hashes and self.comment is None and not marked):
            ways.append("Leave out lines that begin with '#': comment='#'.")
        if len(odd) == len(rows) and (widths == width + 1).all():
            named = ["row", *self.header]
            ways.append(
                f"If the first column has no name (row names, as R writes them): names={named[:6]}"
                f"{'...' if len(named) > 6 else ''}, skip={records.lines[rows[0]] - 1}."
            )
            if width == 1:
                ways.append(f"If it is a title, and the names stand in line {lines[0]}: skip={lines[0] - 1}.")
        elif (
            not above
            and len(odd) < len(rows)
            and np.array_equal(odd, rows[-len(odd) :])
            and len(odd) <= len(rows) / 2 + 1
        ):
            alone = begins[0] and records.count_beginning(begins[0]) == sum(b.startswith(begins[0]) for b in begins)
            start = f"footer={begins[0]!r} or " if alone and not begins[0].startswith("#") else ""
            ways.append(f"Leave out a footer: {start}footer={len(odd)}.")
        elif len(odd) > len(rows) / 2 and not hashes:
            usual, often = Counter(widths.tolist()).most_common(1)[0]
            if often > len(rows) / 2:
                line = lines[widths == usual][0]
                ways.append(f"If the names stand in line {line}: skip={line - 1}.")
        leaves = len(odd) < len(rows) and not above  # some rows
        if (widths < width).all():
            drop = "Leave short lines out, ragged='drop', or take" if leaves else "Take"
            ways.append(f"{drop} what they lack as missing, ragged='fill'.")
        elif leaves:
            ways.append("Leave those lines out: ragged='drop'.")
        ways.append("Or mend them (text that holds a separator goes in double quotes), or give another separator=.")
        return said + " ".join(ways)

    def columns(
        self, wanted: Sequence[str], plain: Collection[str], dots: bool | None, commas: Collection[str]
    ) -> tuple[np.ndarray, list[Cells]]:
        """The line at which each row begins, and the fields of each wanted column; see `Records`."""
        counts = Counter(self.header)
        place = {name: k for k, name in enumerate(self.header)}
        for name in wanted:
            if counts[name] > 1:
                at = [k + 1 for k, other in enumerate(self.header) if other == name]
                raise FileFormatError(
                    f"{self.name!r}: {counts[name]} columns are named {name!r}, the "
                    f"{', '.join(f'{k}.' for k in at[:5])} Ask for others only (columns=, features=), or name all "
                    "anew: names=[...] with skip= the line of names."
                    + (" Lines that begin with '#' are left out by comment='#'." if self._is_comment() else "")
                )
        if not len(self.kept):
            return np.zeros(0, np.int64), [Cells() for _ in wanted]
        of_wanted = {place[name] for name in wanted}
        if faults := [fault for fault in self.records.faults if fault.column in of_wanted]:
            first = faults[0]
            lines = some_lines(sorted({fault.line for fault in faults if fault.what == first.what}))
            count = sum(fault.what == first.what for fault in faults)
            raise FileFormatError(f"{self.name!r}: {first.what.format(count=count, where=first.where, lines=lines)}")
        numbers = {place[name] for name in plain}
        places, with_commas = [place[name] for name in wanted], {place[name] for name in wanted if name in commas}
        cells = self.records.cells(self.kept, places, numbers, dots, commas=with_commas) if wanted else []
        lines = self.records.lines[self.kept]
        self.close()
        return lines, cells

    def close(self) -> None:
        """Lets go of the text."""
        self.closed = True
        self.records = Records(np.zeros(0, np.int64), np.zeros(0, np.int64))


def _checked(separator: Any, skip: Any, header: Any, comment: Any, footer: Any, ragged: Any) -> None:
    whole("skip", skip, least=0)
    if header is not None:
        whole("header", header, least=0, below=6)
    if separator not in (None, SPACES) and (
        not isinstance(separator, str) or len(separator) != 1 or separator in '"\r\n'
    ):
        raise ConfigError(
            f"separator is {separator!r}; it must be one character, and no quote or line end, or {SPACES!r} for any "
            "number of spaces."
        )
    if comment is not None and (not isinstance(comment, str) or not comment.strip() or "\n" in comment):
        raise ConfigError(f"comment is {comment!r}; it must be what a comment line begins with, such as '#'.")
    if isinstance(footer, str) and not footer.strip():
        raise ConfigError(
            "footer is blank; it must be what the footer's first line begins with, or its number of lines."
        )
    if footer is not None and not isinstance(footer, str):
        whole("footer", footer, least=0)
    if ragged not in (None, "drop", "fill"):
        raise ConfigError(f"ragged is {ragged!r}; choose 'drop' or 'fill', or leave it out to be asked.")


def _steady(row: Sequence[str]) -> bool:
    """Whether the numbers in a line are whole and one step apart, as numbered columns are (0, 1, 2 ... or years)."""
    numbers = [cell.strip() for cell in row if cell.strip() and NUMBER["."].fullmatch(cell.strip())]
    if len(numbers) < 4 or not all(re.fullmatch(r"\d{1,9}", cell, re.ASCII) for cell in numbers):
        return False
    return len(set(np.diff([int(cell) for cell in numbers]))) == 1 and numbers[0] != numbers[1]


def _reads_as_names(first: Sequence[str], second: Sequence[str]) -> bool:
    """Whether a line holds words, or numbered columns, where the next has other numbers."""
    number = [cell.strip() != "" and NUMBER["."].fullmatch(cell.strip()) is not None for cell in second]
    if _steady(first) and not _steady(second):
        return True
    words = [cell.strip() for cell, is_number in zip(first, number, strict=False) if is_number]
    return bool(words) and all(re.match(r"[^\W\d]", word) and word not in MISSING for word in words)


def _units_read(variables: Iterable[tuple[str, Sequence[str]]], units: Mapping[str, str]) -> dict[str, str]:
    """The unit of each variable whose columns' text had one, by `read_csv`."""
    found = {
        name: one_unit(name, {column: units[column] for column in columns if column in units}, MIXED)
        for name, columns in variables
    }
    return {name: unit for name, unit in found.items() if unit}


def _said_of_markers(removed: Mapping[str, int]) -> list[str]:
    """What is said of `missing` that took values of several columns, of some of which they may be values."""
    if len(removed) < 2:
        return []
    said = ", ".join(f"{count:,} of {name!r}" for name, count in [*removed.items()][:5])
    more = f" and of {len(removed) - 5} more columns" if len(removed) > 5 else ""
    return [f"missing= took {said}{more} (a mapping says of which column: missing={{{next(iter(removed))!r}: [...]}})"]


def _separator(content: bytes, name: str) -> str:
    """The separator by which most of the first lines have as many fields as the very first; more fields win a tie."""
    lines = content[: 2**20].decode(errors="ignore").splitlines(keepends=True)[:200]
    best, score = SEPARATORS[0], (0.0, 1)
    for separator in SEPARATORS:
        reader = csv.reader(lines, delimiter=separator, skipinitialspace=separator != "\t")
        try:
            counts = [len(record) for record in reader if record]
        except csv.Error:
            continue
        if counts and counts[0] > 1:
            score, best = max((score, best), ((counts.count(counts[0]) / len(counts), counts[0]), separator))
    words = {len(line.split()) for line in lines if line.strip()}
    if score == (0.0, 1) and len(words) == 1 and words.pop() > 1 and '"' not in "".join(lines):
        raise FileFormatError(
            f"{name!r}: there is none of {', '.join(map(repr, SEPARATORS))} in line 1. If spaces separate the columns: "
            f"separator=r'{SPACES}'; if it is one column: separator=','."
        )
    return best


def _without_blank(table: pd.DataFrame, columns: Sequence[str], blank_rows: str | None, wide: bool) -> pd.DataFrame:
    """A table without the rows that have no value in any feature; of a wide one it asks, where nothing is said."""
    if blank_rows not in (None, "drop"):
        raise ConfigError(f"blank_rows is {blank_rows!r}; choose 'drop', or leave it out to be asked.")
    if not (wide or blank_rows) or not {*columns} <= {*table}:  # a count of rows is no column, and never blank
        return table
    blank = np.ones(len(table), bool)
    for column in columns:
        blank &= table[column].isna().to_numpy()
        if not blank.any():
            return table
    lines = table.index[blank].unique().tolist()
    if blank_rows is None:
        raise SchemaError(
            f"{len(lines):,} rows have no value in any column of `features` ({some_lines(lines)}). Leave them out: "
            "blank_rows='drop'."
        )
    said = f"{int(blank.sum()):,} rows without a value ({some_lines(lines)})"
    before = table.attrs["reading"]
    table = table[~blank]
    table.attrs["reading"] = "; ".join(filter(None, [before, said]))
    return table
