"""Tables that are no CSV: JSON lines, Excel, Parquet. The first two become rows of text, as those of a CSV file are.

JSON is Python's own; openpyxl reads Excel (values as they were last computed: no formula is run), DuckDB reads
Parquet (in its own memory, and no other file). Left out: lists in cells, several tables on a sheet.
"""

import datetime
import glob
import io
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from dgkit.errors import FileFormatError, MissingExtraError
from dgkit.readers.records import Fault, Figure, Records, left_out
from dgkit.readers.sources import damaged


def json_records(path: Path, content: bytes) -> Records:
    """Objects, one a line or in one list, as records under a first one that holds the names; `a.b` is b within a."""
    text = content.decode()
    found: list[tuple[int, Any]] = []
    if text.lstrip().startswith("["):
        found = [(k, one) for k, one in enumerate(_parsed(path, text, 1, True), 1)]
    else:
        pieces = text.rstrip().split("\n")
        for line, piece in enumerate(pieces, 1):
            if piece.strip():
                found.append((line, _parsed(path, piece, line, line == len(pieces))))
    names: dict[str, int] = {}
    lists: list[tuple[int, str]] = []  # lines and names of cells that hold one
    flat = []
    for line, one in found:
        if not isinstance(one, dict):
            raise FileFormatError(
                f"{str(path)!r}: line {line} holds {str(one)[:40]!r}; an object with names is needed, such as "
                '{"time": 1, "load": 2.5}.'
            )
        row: dict[str, str] = {}
        _flatten(path, line, one, "", row, lists)
        for name in row:
            names.setdefault(name, len(names))
        flat.append(row)
    rows = [[row.get(name, "") for name in names] for row in flat]
    faults = [Fault(line, names[name], f"line {line} has a list in {name!r}", _LIST) for line, name in lists]
    return Records.of_rows([list(names), *rows], np.array([0, *(line for line, _ in found)], np.int64), faults)


_LIST = (
    "{where}; a cell holds one value. Make columns or rows of it first, e.g. with pandas.json_normalize, and give the "
    "table to from_table, or read other columns."
)


def _parsed(path: Path, text: str, line: int, last: bool) -> Any:
    try:  # numbers as they are written
        return json.loads(text, parse_int=Figure, parse_float=Figure, parse_constant=str, object_pairs_hook=_named_once)
    except _TwiceError as error:
        raise FileFormatError(
            f"{str(path)!r}: line {line} names {error.args[0]!r} twice in one object. Rename or remove one."
        ) from None
    except json.JSONDecodeError as error:
        if last and (error.pos >= len(text.rstrip()) or error.msg.startswith("Unterminated")):
            mend = "It ends too early: fetch or copy the file again."
        else:
            mend = "One object a line is needed, or one list of objects. Mend it, or copy the file again."
        if not last and line == 1 and (rows := _rows_within(path)) is not None:
            raise FileFormatError(
                f"{str(path)!r}: line 1 is no JSON by itself; all lines are one object. One object a line is needed, "
                "or one list of objects. Make a table of what it holds"
                f"{f', e.g. {rows},' if rows else ''} and give that to from_table."
            ) from error
        raise FileFormatError(
            f"{str(path)!r}: line {line + error.lineno - 1} is no JSON, from its character {error.colno} on "
            f"({text[error.pos :][:30].strip()!r}). {mend}"
        ) from error
    except RecursionError as error:
        raise FileFormatError(
            f"{str(path)!r}: line {line} has objects within objects too deep to read. Make columns of what is needed."
        ) from error


def _rows_within(path: Path) -> str | None:
    """The call that makes a table of the longest list of objects, or of the columns, in a file that is one object.

    No list within the objects of another is meant, whose time it has not. "" where there is none; None for no JSON.
    """
    try:
        whole = json.loads(path.read_bytes())
    except (ValueError, RecursionError):  # no JSON, no text, or packed
        return None
    found: list[tuple[int, str]] = []
    below: list[tuple[Any, list[str]]] = [(whole, [])]
    while below:
        value, keys = below.pop()
        if isinstance(value, list):
            if len(value) > 1 and all(isinstance(one, dict) for one in value):
                found.append((len(value), f"pandas.json_normalize(json.load(open({str(path)!r})), {keys})"))
            below += [(one, keys) for one in value] if len(value) == 1 else []
        elif isinstance(value, dict):
            sizes = {len(one) if isinstance(one, list) else -1 for one in value.values()}
            if len(sizes) == 1 and min(sizes) > 1 and not any(isinstance(one[0], dict) for one in value.values()):
                at = "".join(f"[{key!r}]" for key in keys)
                found.append((min(sizes), f"pandas.DataFrame(json.load(open({str(path)!r})){at})"))
            below += [(one, [*keys, key]) for key, one in value.items()]
    return max(found, default=(0, ""))[1]


class _TwiceError(Exception):
    pass


def _named_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object; of two values by one name Python's json would keep the last."""
    made = dict(pairs)
    if len(made) < len(pairs):
        raise _TwiceError(next(name for k, (name, _) in enumerate(pairs) if name in dict(pairs[:k])))
    return made


def _flatten(
    path: Path, line: int, one: dict[str, Any], above: str, row: dict[str, str], lists: list[tuple[int, str]]
) -> None:
    for key, value in one.items():
        name = above + key
        if isinstance(value, dict):
            _flatten(path, line, value, f"{name}.", row, lists)
        elif name in row or not name.strip():
            what = f"names {name!r} twice in one object" if name in row else "has a value without a name"
            raise FileFormatError(f"{str(path)!r}: line {line} {what}. Rename or remove one.")
        else:
            if isinstance(value, list):
                lists.append((line, name))
            row[name] = value if isinstance(value, str) else "" if value is None else str(value).lower()


def excel_records(path: Path, content: bytes, sheet: str | None, most: int) -> Records:
    """A sheet's cells, as text; the line of a record is its row in the sheet."""
    try:
        import openpyxl
    except ImportError as error:
        raise MissingExtraError(
            f"{str(path)!r} is an Excel file, which needs openpyxl. Install it: pip install dgkit[files], or save the "
            "sheet as CSV."
        ) from error
    if not content.startswith(b"PK"):
        raise FileFormatError(f"{str(path)!r} is of an Excel before 2007. Save it as .xlsx or CSV.")
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            if not any(name.startswith("xl/") for name in archive.namelist()):
                raise FileFormatError(f"{str(path)!r} is an OpenDocument file. Save it as .xlsx or CSV.")
            size = sum(entry.file_size for entry in archive.infolist())
            if size > most:
                raise FileFormatError(
                    f"{str(path)!r} holds {size:,} bytes once it is unpacked, more than {most:,}. If that is right: "
                    f"max_bytes={2 * size}."
                )
            parts = [archive.read(name) for name in archive.namelist() if name.endswith(".xml")]
        if any(b"<!ENTITY" in part for part in parts):
            raise FileFormatError(f"{str(path)!r} defines entities, which no Excel writes. Save it as CSV.")
        formulas = any(b"<f>" in part or b"<f " in part for part in parts)
        del parts
        book = openpyxl.load_workbook(io.BytesIO(content), read_only=True, data_only=True, keep_links=False)
        names = [page.title for page in book.worksheets]
        if sheet is None and len(names) > 1:
            raise FileFormatError(
                f"{str(path)!r} has {len(names)} sheets: {', '.join(map(repr, names[:10]))}. Say which: "
                f"member={names[0]!r}."
            )
        if sheet is not None and sheet not in names:
            raise FileFormatError(f"{str(path)!r} has no sheet {sheet!r}, but {', '.join(map(repr, names[:10]))}.")
        chosen = names[0] if sheet is None else sheet
        book[chosen].reset_dimensions()  # a file may declare any size
        rows, lines, faults = [], [], list[Fault]()
        for k, cells in enumerate(book[chosen].iter_rows(), 1):
            rows.append([_cell_text(cell.value) for cell in cells])
            lines.append(k)
            faults += [
                Fault(k, j, f"{cell.value} in {cell.coordinate}", _CELLS.format("hold an error of Excel's"))
                for j, cell in enumerate(cells)
                if cell.data_type == "e"
            ]
        if formulas:
            plain = openpyxl.load_workbook(io.BytesIO(content), read_only=True, keep_links=False)[chosen]
            plain.reset_dimensions()
            for k, cells in enumerate(plain.iter_rows(), 1):
                faults += [
                    Fault(k, j, cell.coordinate, _CELLS.format("hold a formula whose value is not stored"))
                    for j, cell in enumerate(cells)
                    if cell.data_type == "f" and not rows[k - 1][j]
                ]
    except FileFormatError:
        raise
    except Exception as error:  # the libraries have errors of many kinds
        raise damaged(path, "an Excel file", "open it in Excel and save it anew, or as CSV") from error
    return Records.of_rows(rows, np.array(lines, np.int64), faults)


_CELLS = (
    "{{count}} cells {}, the first {{where}} ({{lines}}). Mend or empty them in Excel, and save the file there, or "
    "read other columns."
)


def rows_kept(
    records: Records, skip: int, comment: str | None, footer: int | str | None, name: str
) -> tuple[Records, list[str]]:
    """`lines_kept` of a sheet, whose lines are its rows, and begin with their first cell."""
    rows = records.rows or []

    def beginning(mark: str) -> np.ndarray:
        return np.flatnonzero([bool(row) and row[0].lstrip().startswith(mark) for row in rows])

    out, told = left_out(len(rows), beginning, lambda k: any(map(str.strip, rows[k])), skip, comment, footer, name)
    return records.without(out) if out.any() else records, told


def _cell_text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        value = int(value)  # Excel has no whole numbers
    if isinstance(value, int | float):
        return Figure(value)
    return value.isoformat(" ") if isinstance(value, datetime.datetime) else str(value)


def parquet_names(path: Path) -> list[str]:
    return [name for name, *_ in _duckdb(path, "describe select * from read_parquet(?)").itertuples(index=False)]


def parquet_table(path: Path, columns: list[str], most: int) -> pd.DataFrame:
    """The columns, of the types that the file says; its index tells the row, from 1. Times with a zone become UTC."""
    rows = int(_duckdb(path, "select count(*) from read_parquet(?)").to_numpy()[0, 0])
    if rows * len(columns) * 8 > most:
        raise FileFormatError(
            f"{str(path)!r} has {rows:,} rows of these {len(columns)} columns, which take more than {most:,} bytes. If "
            f"that is right: max_bytes={rows * len(columns) * 16}."
        )
    quoted = ", ".join('"' + name.replace('"', '""') + '"' for name in columns)
    table = _duckdb(path, f"select {quoted} from read_parquet(?)")
    for name in table:
        if isinstance(table[name].dtype, pd.DatetimeTZDtype):
            table[name] = table[name].dt.tz_convert("UTC").dt.tz_localize(None)
    return table.set_index(pd.RangeIndex(1, len(table) + 1))


def _duckdb(path: Path, query: str) -> pd.DataFrame:
    try:
        import duckdb
    except ImportError as error:
        raise MissingExtraError(
            f"{str(path)!r} is a Parquet file, which needs DuckDB. Install it: pip install dgkit[files], or give "
            "from_table what pandas.read_parquet or polars.read_parquet gives."
        ) from error
    alone: dict[str, Any] = {
        "autoinstall_known_extensions": "false",
        "autoload_known_extensions": "false",
        "threads": "1",
    }
    try:
        with duckdb.connect(config=alone) as connection:
            return connection.execute(query, [[glob.escape(str(path))]]).df()
    except duckdb.OutOfMemoryException as error:
        raise FileFormatError(f"{str(path)!r} takes more memory than there is. Ask for fewer columns.") from error
    except duckdb.NotImplementedException as error:
        raise FileFormatError(
            f"{str(path)!r} holds what DuckDB does not read yet ({error!s:.100}). Write it anew, packed by snappy or "
            "zstd, or give from_table what pandas.read_parquet makes of it."
        ) from error
    except duckdb.Error as error:
        with path.open("rb") as file:
            file.seek(-4, io.SEEK_END)
            ends = file.read() == b"PAR1"
        raise damaged(path, "a Parquet file", "have it written anew", ends=ends) from error
