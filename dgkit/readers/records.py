"""A text file's records: which lines are rows, which are not, and the fields of each column.

NumPy finds where records end and how many fields each has, pandas takes them apart, many at once: columns of plain
numbers as numbers, others as text. Where quotes stand in odd places, Python's `csv` reads instead, which knows the line
of a mistake. What is left out is told.
"""

import csv
import io
import re
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from pandas.api.types import is_string_dtype

from dgkit.errors import FileFormatError
from dgkit.readers.numbers import JOINT, WORDS
from dgkit.readers.plain import plain_columns

_BLOCK = 2**20  # bytes in which records are looked for in one go
_CELLS = 2**23  # fields that are held as Python's text in one go
_LOOK = 4096  # rows that tell whether a column's texts repeat
Part = np.ndarray | tuple[np.ndarray, "str | list[str]"]


class Figure(str):
    """A cell that holds a number, as text: a dot begins its decimals, whatever the decimal sign of text is."""


class Cells:
    """A column's fields: as text, or in parts of codes and the distinct texts, which take a tenth of the memory.

    Attributes
    ----------
    sign : str or None
        Of plain numbers, whose parts are numbers and NaN, their decimal sign ("" if none has any); None: text.
    """

    def __init__(self, parts: Iterable[Part] = (), sign: str | None = None):
        self.parts, self.sign = list(parts), sign

    def pack(self) -> None:
        for k, part in enumerate(self.parts):
            if isinstance(part, np.ndarray) and self.sign is None:
                codes, values = pd.factorize(part)
                self.parts[k] = (codes.astype(np.min_scalar_type(len(values))), JOINT.join(values))

    def add(self, other: "Cells") -> None:
        """The fields of a further file."""
        if other.parts:
            of_text = None in (other.sign, self.sign if self.parts else "")
            self.sign = None if of_text else (self.sign or other.sign)
            self.parts += other.parts

    def numbers(self) -> np.ndarray:
        """Plain numbers, NaN where missing; int64 if they are whole."""
        values = np.concatenate([part for part in self.parts if isinstance(part, np.ndarray)])
        return values.astype(np.int64 if values.dtype.kind == "i" else np.float64, copy=False)

    def distinct(self) -> tuple[np.ndarray, np.ndarray]:
        """A code for each row, and the distinct texts, as they first appear, without blanks around."""
        if len(self.parts) == 1 and isinstance(self.parts[0], np.ndarray):
            codes, values = pd.factorize(self.parts[0])
        else:
            self.pack()
            pieces = [(codes, t.split(JOINT) if isinstance(t, str) else t) for codes, t in self.parts]
            starts = np.cumsum([0, *(len(texts) for _, texts in pieces)])
            joint = [codes.astype(np.int64) + start for (codes, _), start in zip(pieces, starts[:-1], strict=True)]
            again, values = pd.factorize(np.array([text for _, texts in pieces for text in texts], object))
            codes = again[np.concatenate(joint)]
        bare = [text.strip() for text in values]
        if bare != values.tolist():
            again, values = pd.factorize(as_objects(bare))
            codes = again[codes]
        return codes, values

    def clear(self) -> None:
        self.parts.clear()


class Fault(NamedTuple):
    """A cell that holds no value, which is refused only where its column is wanted."""

    line: int
    column: int  # from 0
    where: str
    what: str  # with {count} such cells, the first {where}, in {lines}


class Records:
    """The records of a text, and of them those that are rows.

    Attributes
    ----------
    lines, widths : ndarray, (R,)
        The line at which each record begins, and its number of fields.
    left_out : list of str
        What is no row, and where.
    faults : list of Fault
    """

    def __init__(self, lines: np.ndarray, widths: np.ndarray):
        self.lines, self.widths, self.left_out = lines, widths, list[str]()
        self.faults: Sequence[Fault] = ()
        self.rows: list[list[str]] | None = None
        self.content, self.separator = b"", ","
        self.ends = np.zeros(0, np.int64)

    @classmethod
    def of_text(cls, content: bytes, lines: np.ndarray, separator: str, name: str) -> "Records":
        """`lines`: the number in the file of each line of `content`."""
        if not content or content.isspace():
            return cls.of_rows([], lines[:0])
        if not content.endswith(b"\n"):
            content += b"\n"
        if len(separator.encode()) == 1 and (found := _index(content, ord(separator))) is not None:
            ends, first, widths = found
            records = cls(lines[first], widths)
            records.content, records.ends, records.separator = content, ends, separator
            return records
        rows: list[list[str]] = []
        begins: list[int] = []
        text = list(io.StringIO(content.decode(), newline=""))
        at = np.cumsum([0, *(line.count("\n") for line in text)])  # a lone \r ends a line of csv's, not one of ours
        reader = csv.reader(text, delimiter=separator, strict=True, skipinitialspace=separator != "\t")
        line = 0
        try:
            for record in reader:
                rows.append(record)
                begins.append(int(at[line]))
                line = reader.line_num
        except csv.Error as error:
            found_is = "a double quote is never closed" if "unexpected end" in str(error) else str(error)
            raise FileFormatError(
                f"{name!r}: from line {lines[min(at[line], len(lines) - 1)]} on, {found_is}. Mend that line: a quote "
                "within quotes is written twice."
            ) from error
        return cls.of_rows(rows, lines[np.array(begins, np.int64)])

    @classmethod
    def of_rows(cls, rows: list[list[str]], lines: np.ndarray, faults: Sequence[Fault] = ()) -> "Records":
        records = cls(lines, np.array([len(row) for row in rows], np.int64))
        records.rows, records.faults = rows, faults
        return records

    def without(self, out: np.ndarray) -> "Records":
        """Those of rows that are not left `out`."""
        kept, rows = np.flatnonzero(~out), self.rows or []
        lines = self.lines[kept]
        there = set(lines.tolist())
        return self.of_rows([rows[k] for k in kept], lines, [fault for fault in self.faults if fault.line in there])

    def bare(self) -> np.ndarray:
        """Which records hold nothing but separators and blanks, (R,)."""
        if self.rows is not None:
            return np.array([not any(map(str.strip, row)) for row in self.rows], bool)
        starts = np.concatenate([[0], self.ends[:-1] + 1])
        nothing = self.separator.encode() + b' \t\r"'
        begins = np.frombuffer(self.content, np.uint8)[starts]
        empty = np.isin(begins, [10, *nothing]) & (self.ends - starts <= 3 * self.widths + 1)  # what may be, by a look
        for k in np.flatnonzero(empty):
            empty[k] = not self.content[starts[k] : self.ends[k]].strip(nothing)
        return empty

    def raw(self, k: int) -> bytes | list[str]:
        """A record as it stands."""
        if self.rows is not None:
            return self.rows[k]
        return self.content[(self.ends[k - 1] + 1) if k else 0 : self.ends[k]].rstrip(b"\r")

    def fields(self, k: int) -> list[str]:
        if self.rows is not None:
            return self.rows[k]
        text = io.StringIO(self.raw(k).decode(), newline="")  # type: ignore[union-attr]
        return next(csv.reader(text, delimiter=self.separator, skipinitialspace=self.separator != "\t"), [])

    def count_beginning(self, mark: str) -> int:
        """How many records begin with a text."""
        if self.rows is not None:
            return sum(bool(row) and row[0].startswith(mark) for row in self.rows)
        return len(re.findall(rb'(?m)^[ \t]*"?' + re.escape(mark.encode()), self.content))

    def same_as(self, k: int) -> np.ndarray:
        """Which records read as this one, (R,)."""
        if self.rows is not None:
            return np.array([row == self.rows[k] for row in self.rows], bool)
        starts = np.concatenate([[0], self.ends[:-1] + 1])
        near = np.abs((self.ends - starts) - (self.ends[k] - starts[k])) <= 1
        for other in np.flatnonzero(near & (self.widths == self.widths[k])):
            near[other] = self.raw(int(other)) == self.raw(k)
        return near & (self.widths == self.widths[k])

    def cells(
        self,
        kept: np.ndarray,
        places: Sequence[int],
        plain: Collection[int] = (),
        dots: bool | None = None,
        coded: bool = True,
        commas: Collection[int] = (),
    ) -> list[Cells]:
        """The fields of these columns in these records; "" where a record is too short.

        Those of `plain` are read as numbers if all are `plain_columns`, whose `dots` is given. `coded`: text that
        repeats may come as codes, which pandas makes faster than text. In `commas`, each `Figure` gets a decimal comma.
        """
        if self.rows is not None:
            rows = [self.rows[k] for k in kept]
            texts = [[row[p] if p < len(row) else "" for row in rows] for p in places]
            for column, p in zip(texts, places, strict=True):
                if p in commas:
                    column[:] = [cell.replace(".", ",") if isinstance(cell, Figure) else cell for cell in column]
            return [Cells([as_objects(column)]) for column in texts]
        content, ends, start = self._bytes(kept)
        width = int(self.widths[kept].max())
        if lacks := {p for p in places if p >= width}:  # all records are too short
            has = [p for p in places if p < width]
            found = dict(zip(has, self.cells(kept, has, {*plain} - lacks, dots, coded), strict=True)) if has else {}
            return [found[p] if p in found else Cells([as_objects([""] * len(kept))]) for p in places]
        wanted, numbers = sorted(set(places)), {}
        if plain and (self.widths[kept] == width).all():
            numbers = plain_columns(content, start, ends, width, ord(self.separator), plain, dots)
        found = {p: Cells(sign=numbers[p][0] if p in numbers else None) for p in wanted}

        file = io.BytesIO(content)
        file.seek(start)
        options: dict[str, Any] = {
            "sep": self.separator,
            "header": None,
            "names": range(width),
            "index_col": False,
            "skipinitialspace": self.separator != "\t",
            "skip_blank_lines": False,
            "low_memory": False,
            "engine": "c",
        }
        types: dict[int, Any] = {p: float if sign or gaps else int for p, (sign, gaps) in numbers.items()}
        others = [p for p in wanted if p not in numbers]
        types |= dict.fromkeys(others, object)
        if others and len(kept) > _LOOK and coded:
            some = np.unique(np.random.default_rng(0).integers(len(kept), size=_LOOK))
            sample = io.BytesIO(b"".join(content[ends[k - 1] + 1 if k else start : ends[k] + 1] for k in some))
            few = pd.read_csv(sample, usecols=others, dtype=object, na_filter=False, **options)
            types |= {p: "category" for p in others if _repeats(few[p])}
        gaps: dict[Any, list[str]] = {p: ["", *WORDS] for p, (_, missing) in numbers.items() if missing}
        chunks = pd.read_csv(
            file,
            usecols=wanted,
            dtype=types,
            na_values=gaps,
            keep_default_na=False,
            na_filter=bool(gaps),
            nrows=len(kept),
            chunksize=max(_CELLS // len(wanted), 256),
            **options,
        )
        rows_read = 0
        with chunks:
            for k, chunk in enumerate(chunks):
                rows_read += len(chunk)
                more = k > 0 or rows_read < len(kept)
                if any(types[p] == "category" and not is_string_dtype(chunk[p].cat.categories) for p in others):
                    return self.cells(kept, places, plain, dots, coded=False)  # pandas made numbers of text
                for kind in (int, float):
                    of_kind = [p for p in numbers if types[p] is kind]
                    for p, values in zip(of_kind, _numbers(chunk[of_kind], more), strict=True):
                        found[p].parts.append(values)
                for p in others:
                    found[p].parts.append(_text(chunk[p]))
                    if more:
                        found[p].pack()
        assert rows_read == len(kept), "records and pandas disagree"
        return [found[p] for p in places]

    def _bytes(self, kept: np.ndarray) -> tuple[bytes, np.ndarray, int]:
        """A text of these records one after the other, where each of them ends, and where the first begins."""
        starts = np.concatenate([[0], self.ends[:-1] + 1])
        breaks = np.flatnonzero(np.diff(kept) != 1)
        if not len(breaks):
            return self.content, self.ends[kept], int(starts[kept[0]])
        runs = zip([0, *(breaks + 1)], [*breaks, len(kept) - 1], strict=True)
        content = b"".join(self.content[starts[kept[a]] : self.ends[kept[b]] + 1] for a, b in runs)
        return content, np.cumsum(self.ends[kept] - starts[kept] + 1) - 1, 0


def _repeats(texts: pd.Series) -> bool:
    """Whether some texts of a column repeat, and are not all numbers or truth values, of which pandas makes others."""
    distinct = pd.Series(texts.unique(), dtype=object)
    words = pd.to_numeric(distinct, errors="coerce").isna() & ~distinct.str.lower().isin(["", "true", "false"])
    return len(distinct) < 0.98 * len(texts) and bool(words.any())


def _numbers(columns: pd.DataFrame, small: bool) -> np.ndarray:
    """Columns of numbers, (columns, rows); `small`: whole ones in as few bytes as they take."""
    values = columns.to_numpy().T
    if small and values.dtype.kind == "i" and values.size:
        values = values.astype(np.min_scalar_type(min(values.min(), -values.max() - 1)))
    return np.ascontiguousarray(values)


def _text(column: pd.Series) -> Part:
    """A column's text, or its codes and the distinct texts in the order of their appearance."""
    if not isinstance(column.dtype, pd.CategoricalDtype):
        return column.to_numpy()
    codes, texts = column.cat.codes.to_numpy(), column.cat.categories.to_numpy(dtype=object)
    first = np.zeros(len(texts), np.int64)
    first[codes[::-1]] = np.arange(len(codes))[::-1]
    order = np.argsort(first)
    place = np.empty(len(texts), codes.dtype)
    place[order] = np.arange(len(texts))
    return place[codes], JOINT.join(texts[order])


def lines_kept(
    content: bytes, skip: int, comment: str | None, footer: int | str | None, name: str
) -> tuple[bytes, np.ndarray, list[str]]:
    """The text without the lines that are left out, the number of each line kept, and what is told of the others."""
    if not skip and not comment and not footer:
        return content, np.arange(1, content.count(b"\n") + 2), []
    starts = np.concatenate([[0], _positions(content, 10) + 1])
    if starts[-1] == len(content):
        starts = starts[:-1]
    out, told = left_out(
        len(starts),
        lambda mark: _beginning(content, starts, mark),
        lambda k: content[starts[k] :][:64].split(b"\n")[0].strip() != b"",
        skip,
        comment,
        footer,
        name,
    )
    if not out.any():
        return content, np.arange(1, len(starts) + 1), told
    ends = np.append(starts[1:], len(content))
    kept = np.flatnonzero(~out)
    breaks = np.flatnonzero(np.diff(kept) != 1)
    runs = zip([0, *(breaks + 1)], [*breaks, len(kept) - 1], strict=True) if len(kept) else ()
    return b"".join(content[starts[kept[a]] : ends[kept[b]]] for a, b in runs), kept + 1, told


def left_out(
    n: int,
    beginning: Callable[[str], np.ndarray],
    full: Callable[[int], bool],
    skip: int,
    comment: str | None,
    footer: int | str | None,
    name: str,
) -> tuple[np.ndarray, list[str]]:
    """Which of n lines are left out, (n,), and what is told of them.

    `beginning` tells which lines begin with a mark, `full` whether one holds anything.
    """
    out, told = np.zeros(n, bool), list[str]()

    def leave(which: np.ndarray, what: str) -> None:
        which = which[~out[which]]
        if len(which):
            out[which] = True
            told.append(f"{len(which):,} {what} ({some_lines(which + 1)})")

    leave(np.arange(min(skip, n)), "skipped lines")
    if comment:
        leave(beginning(comment), "comment lines")
    if isinstance(footer, str):
        begins = beginning(footer)
        if not len(begins):
            raise FileFormatError(f"{name!r}: no line begins with {footer!r}, as footer= says.")
        leave(np.arange(begins[0], n), "lines of the footer")
    elif footer:
        last = [k for k in range(n - 1, -1, -1) if not out[k] and full(k)]
        leave(np.arange(last[:footer][-1], n) if last else np.arange(0), "lines of the footer")
    return out, told


def some_lines(lines: Sequence[int] | np.ndarray, most: int = 5) -> str:
    """Lines as an error shows them.

    Examples
    --------
    >>> some_lines([3]), some_lines(range(4, 30))
    ('line 3', 'lines 4, 5, 6, 7, 8, ...')
    """
    shown = ", ".join(str(line) for line in lines[:most])
    return f"line{'s' if len(lines) > 1 else ''} {shown}{', ...' if len(lines) > most else ''}"


def _beginning(content: bytes, starts: np.ndarray, mark: str) -> np.ndarray:
    """Which lines begin with a mark, blanks and a quote before it aside, and not within a quoted text."""
    found, inside, at = [], 0, 0
    for match in re.finditer(rb'(?m)^[ \t]*"?' + re.escape(mark.encode()), content):
        start = match.start()
        inside ^= content.count(b'"', at, start) & 1  # a line within a quoted text is none of the file's
        at = start
        if not inside:
            found.append(start)
            at = len(content) if (end := content.find(b"\n", start)) < 0 else end  # a comment's own quotes are none
    return np.searchsorted(starts, np.array(found, np.int64), "right") - 1


def _positions(content: bytes, byte: int) -> np.ndarray:
    pieces = []
    for at in range(0, len(content), _BLOCK):
        block = np.frombuffer(content, np.uint8, min(_BLOCK, len(content) - at), at)
        pieces.append(np.flatnonzero(block == byte) + at)
    return np.concatenate(pieces) if pieces else np.zeros(0, np.int64)


def _index(content: bytes, separator: int) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
    """Where each record ends, its first line (from 0) and its number of fields; None where quotes stand oddly.

    A quote opens where a field begins, and closes where one ends; what is between two holds no end of a record.
    """
    if b"\r" in content and content.count(b"\r") != content.count(b"\r\n"):
        return None
    quoted, inside = b'"' in content, False
    ends, firsts, totals, lines, fields = [], [], [], 0, 0
    for at in range(0, len(content), _BLOCK):
        block = np.frombuffer(content, np.uint8, min(_BLOCK, len(content) - at), at)
        marks = (block == separator) | (block == 10)
        if quoted:
            quote = block == 34
            within = np.logical_xor.accumulate(quote) ^ inside  # a closing quote stands outside, an opening one inside
            inside = bool(within[-1])
            marks &= ~within
            where = np.flatnonzero(quote)
            around = np.frombuffer(content, np.uint8)
            left = np.where(where + at > 0, around[np.maximum(where + at - 1, 0)], 10)
            right = around[np.minimum(where + at + 1, len(content) - 1)]
            opens = within[where]
            good = np.where(opens, np.isin(left, [10, separator, 34]), np.isin(right, [10, 13, separator, 34]))
            if not good.all():
                return None
        position = np.flatnonzero(marks)
        record = np.flatnonzero(block[position] == 10)
        at_end = position[record]
        ends.append(at_end + at)
        totals.append(record + 1 + fields)
        fields += len(position)

        # lines ended so far: that of the next record
        if quoted:
            every = np.flatnonzero(block == 10)
            firsts.append(np.searchsorted(every, at_end, "right") + lines)
            newlines = len(every)
        else:
            newlines = len(record)
            firsts.append(np.arange(lines + 1, lines + newlines + 1))
        lines += newlines
    if inside:
        return None
    total = np.concatenate(totals)
    return (
        np.concatenate(ends),
        np.concatenate([[0], np.concatenate(firsts)[:-1]]).astype(np.int64),
        np.diff(total, prepend=0),
    )


def as_objects(texts: list[str]) -> np.ndarray:
    made = np.empty(len(texts), object)
    made[:] = texts
    return made
