"""What the values of a column mean: numbers, truth values, dates or text, of a file's text or of a table's column.

Nothing is guessed where two readings would both do (is 03/04/2024 in March or in April?): the error then names the
place, the column and the option that settles it. pandas makes numbers and dates.
"""

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from copy import copy
from datetime import datetime
from numbers import Integral, Number
from typing import Any

import narwhals as nw
import numpy as np
import pandas as pd

from dgkit._checks import mapping, several
from dgkit._netcdf import limit
from dgkit.errors import ConfigError, SchemaError
from dgkit.readers.numbers import (
    NUMBER,
    WHOLE,
    WORDS,
    Texts,
    fitting,
    formed,
    identifiers,
    long_among_decimals,
    parsed,
    readings,
    shapes,
    unit_in,
    unit_of,
    versions,
)
from dgkit.readers.records import Cells, as_objects

LINE = "line"  # name of a pandas index that holds the lines of a file, as `read_csv` makes it
ROW = "row"  # and of one that holds the rows of another table
MISSING = ("", *sorted(WORDS))  # the words only in columns of numbers, dates or truth values, unless asked for
_CLOCK = r"(?P<clock>\d\d?:\d{2}(:\d{2}(\.\d{1,9})?)?)( ?(?P<half>[AaPp])(\.[Mm]\.|[Mm]))?"
_ZONE = r"(?P<zone>Z|UTC|GMT|[+-]\d{2}(:?\d{2})?)"
_YEAR_FIRST = re.compile(
    rf"(?P<y>\d{{4}})(?P<mark>[-/])(?P<m>\d\d?)(?P=mark)(?P<d>\d\d?)([T ]{_CLOCK} ?{_ZONE}?)?", re.ASCII
)
_YEAR_LAST = re.compile(
    rf"(?P<a>\d\d?)(?P<mark>[./-])(?P<b>\d\d?)(?P=mark)(?P<y>\d{{4}})(,?[T ]{_CLOCK} ?{_ZONE}?)?", re.ASCII
)
_ISO = re.compile(
    r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d{1,9})?)?(Z|[+-]\d\d:?\d\d)?)?", re.ASCII
)  # as pandas reads it
_MIDNIGHT = re.compile(r"(?<=[T ])24(?=:00(:00(\.0+)?)?(?![:.\d]))")  # at a day's end: 00:00 of the next (ISO 8601)
_EVEN = re.compile(r"\d\d([./-])\d\d\1\d{4}([T ]\d\d:\d\d(:\d\d(\.\d{1,9})?)?)?", re.ASCII)  # of `_YEAR_LAST` most
_QUARTER = re.compile(r"(?P<y>\d{4})[- /]?Q(?P<q>[1-4])|Q(?P<first>[1-4])[- /]?(?P<last>\d{4})", re.ASCII)
_CLOSE = re.compile("%[YmdHM]%[mdHMS]")
_HALF = re.compile(r"\b([AaPp])\.([Mm])\.")
_MONTH = re.compile(r"\d{4}[-/.](0?[1-9]|1[0-2])", re.ASCII)
_ZONED, _SLASHED, _DASHED, _DAY_FIRST, _MONTH_FIRST = (1 << k for k in range(5))  # what `_facts` tells
_MARKED = {"/": _SLASHED, "-": _DASHED, ".": 0}
_DATE_FORMS = ("day first", "month first", "seconds", "milliseconds")


# -- the text of a file ------------------------------------------------------------------------------------------------


class _Column:
    """A column's distinct values that are not missing, where each first stands, and how to get back to all rows."""

    def __init__(self, name: str, cells: Cells, lines: Any, missing: frozenset[str], row: str = "line"):
        self.name, self.lines, self.row = name, lines, row
        codes, values = cells.distinct()
        first = np.zeros(len(values), np.int64)
        first[codes[::-1]] = np.arange(len(codes))[::-1]
        self.values, self.first = values, first  # (distinct,)
        self.codes = codes.astype(np.int32)  # (rows,), -1 where missing; wide tables hold many of them
        self.drop(np.array([value in missing for value in values], bool))

    def drop(self, gone: np.ndarray) -> "_Column":
        """Counts these of the distinct values as missing too."""
        if gone.any():
            place = np.append(np.where(gone, -1, np.cumsum(~gone) - 1), -1).astype(np.int32)
            self.codes = place[self.codes]
            self.values, self.first = self.values[~gone], self.first[~gone]
        return self

    def without_words(self) -> "_Column":
        """The same column if it holds numbers, dates or truth values, among which NA and the like are missing."""
        gone = np.array([value in WORDS for value in self.values], bool)
        return copy(self).drop(gone) if gone.any() else self

    def rows(self, distinct: pd.Series) -> pd.Series:
        """All rows of what the distinct values became; NaN, NaT or None where missing."""
        if self.codes.size and self.codes.min() >= 0:
            return pd.Series(pd.Series(distinct.array).array[self.codes])  # of text the type is found out of few
        return distinct.reset_index(drop=True).reindex(self.codes).reset_index(drop=True)

    def count(self, which: np.ndarray) -> int:
        """How many rows have these of the distinct values."""
        return int(np.append(which, False)[self.codes].sum()) if which.any() else 0

    def at(self, k: int) -> str:
        return f"{str(self.values[k])!r} in {self.row} {self.lines[self.first[k]]}"

    def all_at(self, which: np.ndarray, most: int = 3) -> str:
        """The distinct values of these positions: the first few with their lines, and how many rows there are."""
        shown = ", ".join(self.at(k) for k in which[:most]) + (", ..." if len(which) > most else "")
        rows = int(np.isin(self.codes, which).sum())
        return shown if rows == 1 else f"{shown} ({rows} such rows)"


def understood(
    header: Sequence[str],
    read: Callable[[Sequence[str], Collection[str], bool | None], tuple[np.ndarray, list[Cells]]],
    columns: Sequence[str] | None,
    *,
    text: Sequence[str] = (),
    dates: Mapping[str, str] | None = None,
    missing: Sequence[Any] | Mapping[str, Sequence[Any]] = (),
    decimal: str | None = None,
    numbers: Mapping[str, str] | Sequence[str] | None = None,
    codes: Collection[str] = (),
    separator: str | None = None,
    typed: bool = False,
    removed: dict[str, int] | None = None,
) -> pd.DataFrame:
    """The wanted columns of a file's rows, as `read_csv` gives them.

    `read` tells, for the columns wanted, the line at which each row begins and the fields of each column, and is told
    which of them may come as plain numbers, and whether a dot begins their decimals. A column of `codes` is whole
    numbers, or text as it is written. `separator` is that of the file. In a `typed` one cells are numbers or text:
    numbers have dots, and tell nothing of the commas in text. `removed` gets of each column how many values the list
    `missing` took.
    """
    check_decimal(decimal)
    typed = typed and decimal is None
    decimal = "." if typed else decimal
    dates, forms = mapping("dates", dates), given_forms(numbers)
    for name, form in dates.items():
        if form not in _DATE_FORMS and "%" not in form:
            raise ConfigError(
                f"dates[{name!r}] is {form!r}; choose one of {', '.join(map(repr, _DATE_FORMS))} or a format such as "
                "'%d.%m.%y %H:%M'."
            )
    wanted = list(header if columns is None else columns)
    known, as_text = set(header), set(text)
    by_column = missing if isinstance(missing, Mapping) else {}
    of_all = not isinstance(missing, Mapping)
    for name in [*wanted, *text, *dates, *forms, *by_column]:
        if name not in known:
            raise SchemaError(f"no column {name!r}; the file has {', '.join(map(repr, header[:20]))}.")
    every = missing if of_all else [marker for markers in by_column.values() for marker in markers]
    dots = decimal == "." or (False if decimal or any("." in str(marker) for marker in every) else None)
    lines, cells = read(wanted, known - as_text - {*dates, *forms, *codes}, dots)
    table: dict[str, pd.Series | np.ndarray] = {}
    by_sign: dict[str, dict[str, np.ndarray]] = {}  # of each column of numbers its values by decimal sign
    described, signs, taken, units = {}, set(), Counter[str](), dict[str, str | None]()
    for name, fields in zip(wanted, cells, strict=True):
        own = dict.fromkeys(map(str, markers_of(missing, name)))
        if fields.sign is not None:
            table[name], taken[name] = _without(fields.numbers(), _as_numbers([*own]))
            signs.add(fields.sign)
            fields.clear()
            continue
        column = _Column(name, fields, lines, frozenset(("",)))
        fields.clear()
        gone = np.array([value in own for value in column.values], bool)
        taken[name] = column.count(gone)
        column.drop(gone)
        bare = column.without_words()
        described[name] = bare
        if typed and name not in (as_text | {*dates, *codes}):
            _check_commas(bare, forms.get(name))
        if name in as_text:
            table[name] = column.rows(pd.Series(column.values, dtype=object))
        elif name in dates:
            table[name] = bare.rows(_dates(bare, dates[name]))
        elif name in forms:
            by_sign[name] = _formed(bare, forms[name], decimal)
            units[name] = unit_in(bare.values, forms[name])
        elif name in codes:
            whole = _codes(bare)
            table[name] = column.rows(pd.Series(column.values, dtype=object)) if whole is None else bare.rows(whole)
        elif found := _numbers(bare, decimal):
            by_sign[name] = found
        else:
            table[name] = _truth_dates_or_text(bare, column)
    signs |= {_clear_sign(described[name], found) for name, found in by_sign.items()}
    signs -= {""}
    if decimal is None and any(_asks_for_a_sign(described[name], by_sign[name]) for name in by_sign):
        # the file's other columns tell as well, so that a column reads the same whichever others are wanted
        rest = [name for name in header if name not in set(wanted) | as_text | set(dates)]
        signs |= _signs(rest, read(rest, known - {*forms}, dots)[1], missing, forms) if rest else set()
        if separator == "," and not signs and not any("," in v for name in by_sign for v in described[name].values):
            signs = {"."}  # decimal commas would need quotes
    for name in list(by_sign):  # let go of one by one: a wide table's text takes as much as its numbers
        column, found = described.pop(name), by_sign.pop(name)
        values = _one_reading(column, found, signs if decimal is None else {decimal})
        markers = _as_numbers([str(marker) for marker in markers_of(missing, name)])
        if markers.size:  # by value: -999, -999.0 and -999.00 are one
            gone = np.isin(values, markers)
            taken[name] += column.count(gone)
            column, values = column.drop(gone), values[~gone]
        exact = values.dtype.kind in "iu" and (column.codes < 0).any() and (np.abs(values.astype(float)) >= 2**53).any()
        nullable = "Int64" if values.dtype.kind == "i" else "UInt64"  # NaN among them would make floats, which round
        table[name] = column.rows(pd.Series(values, dtype=nullable if exact else None))
    if removed is not None and of_all:
        removed |= {name: count for name, count in taken.items() if count}
    made = pd.DataFrame({name: table.pop(name) for name in dict.fromkeys(wanted)}, copy=False)
    made = made.set_index(pd.Index(lines, name=LINE))
    made.attrs |= {"units": {name: unit for name, unit in units.items() if unit}} if any(units.values()) else {}
    return made


def _without(values: np.ndarray, markers: np.ndarray) -> tuple[np.ndarray, int]:
    """Numbers with NaN for those that stand for a missing value, and how many these are."""
    gone = np.isin(values, markers) if markers.size else np.zeros(0, bool)
    return (np.where(gone, np.nan, values) if gone.any() else values), int(gone.sum())


def _as_numbers(markers: Sequence[str]) -> np.ndarray:
    """Those of the markers that are numbers."""
    numbers = parsed(markers)
    return numbers[~np.isnan(numbers)]


def given_markers(missing: Any) -> list[Any] | dict[str, list[Any]]:
    """What stands for a missing value, as `missing=` says it: in all columns, or in each that is named."""
    if not isinstance(missing, Mapping):
        return several("missing", missing)
    return {name: several(f"missing[{name!r}]", markers) for name, markers in missing.items()}


def markers_of(missing: Sequence[Any] | Mapping[str, Sequence[Any]], name: str) -> Sequence[Any]:
    """What stands for a missing value in a column."""
    return missing.get(name, ()) if isinstance(missing, Mapping) else missing


def check_decimal(decimal: str | None) -> None:
    if decimal not in (None, ".", ","):
        raise ConfigError(f"decimal is {decimal!r}; choose '.' or ','.")


def given_forms(numbers: Mapping[str, str] | Sequence[str] | None) -> dict[str, str]:
    """The form of each column of `numbers=`; a list of columns means "plain"."""
    if isinstance(numbers, str):
        raise ConfigError(
            f"numbers is {numbers!r}; give a list of columns, or a mapping such as {{{numbers!r}: 'ms'}}."
        )
    forms = dict(numbers) if isinstance(numbers, Mapping) else dict.fromkeys(several("numbers", numbers), "plain")
    for name, form in forms.items():
        if not isinstance(form, str) or not form.strip():
            raise ConfigError(f"numbers[{name!r}] is {form!r}; give a unit as it is written, or one of {_FORMS}.")
    return {name: form.strip() for name, form in forms.items()}


_FORMS = "'plain', 'K=1000', 'K=1024', 'duration', 'h:m', 'm:s'"


_POINT_ZERO = re.compile(r"(?<=\d)\.00?$", re.ASCII)  # not .000, which may group thousands


def _codes(column: _Column) -> pd.Series | None:
    """Whole numbers; None where the codes are anything else."""
    values = column.values
    if not len(values) or identifiers(values):
        return None
    bare = [_POINT_ZERO.sub("", value) for value in values]  # as pandas writes codes beside missing values: 6.0 is 6
    if not all(map(WHOLE.fullmatch, bare)):
        return None
    return pd.Series(parsed(bare), dtype=object if (column.codes < 0).any() else None)


def _formed(column: _Column, form: str, decimal: str | None) -> dict[str, np.ndarray]:
    """The values, all of a form that was asked for, as numbers by decimal sign."""
    found, unfit = formed(column.values, form, decimal)
    if unfit.any() or not found:
        which = np.flatnonzero(unfit if unfit.any() else ~unfit)
        if not unfit.any() and decimal is None:
            raise SchemaError(
                f"column {column.name!r} has {column.all_at(which)}, some with a decimal dot and some with a decimal "
                "comma. Mend the file."
            )
        raise SchemaError(
            f"column {column.name!r} has {column.all_at(which)}, which is no number by numbers={{{column.name!r}: "
            f"{form!r}}}{f' with decimal={decimal!r}' if decimal else ''}. Mend it, make it missing "
            f"(a file's by missing=[{str(column.values[which[0]])!r}]), or give another form: a unit as it is "
            f"written, or {_FORMS}."
        )
    return found


def _numbers(column: _Column, decimal: str | None) -> dict[str, np.ndarray]:
    """The values as numbers, by each decimal sign by which all are numbers ("" if none has a sign); {} if none is one.

    A mixture of numbers and other things is refused.
    """
    values = column.values
    if long_among_decimals(values):
        k = max(range(len(values)), key=lambda k: len(values[k]) * str(values[k]).lstrip("+-").isdigit())
        raise SchemaError(
            f"column {column.name!r} has {column.at(k)}, of more digits than a number holds, among decimals. Say what "
            f"they are: numbers=[{column.name!r}] for quantities, text=[{column.name!r}] for codes, "
            f"missing=[{str(values[k])!r}] where it stands for a missing value."
        )
    if identifiers(values):
        return {}
    found = readings(values, decimal)
    if "." in found and versions(values):
        k = next(k for k, value in enumerate(values) if value[-1] == "0" and value[-2] != ".")
        raise SchemaError(
            f"column {column.name!r} has {column.at(k)}, a number or a version? Of versions {str(values[k])!r} is "
            f"another than {str(values[k]).rstrip('0')!r}: text=[{column.name!r}]; for numbers numbers="
            f"[{column.name!r}]."
        )
    if found or not len(values):
        return found
    known = ~np.isnan(parsed(values))
    if not (known.any() or any("," in v for v in values)):
        return found
    figures = np.array([value.strip("+-.,") != "" for value in values], bool)
    dots, commas = (figures & [sign.fullmatch(value) is not None for value in values] for sign in NUMBER.values())
    looks = dots | commas | known
    if not looks.any():
        return found
    good = looks if decimal is None else commas if decimal == "," else dots | known
    k = np.flatnonzero(good if good.any() else looks)[0]
    odd, none = np.flatnonzero(~good), f"which is none{f' with decimal={decimal!r}' if decimal else ''}"
    if not odd.size:  # some have a decimal dot, and some a decimal comma
        k = np.flatnonzero(dots != commas)[0]
        odd = np.flatnonzero((dots != commas) & (dots != dots[k]))
        none = "there with a decimal {}, here with a decimal {}".format(*("dot", "comma")[:: 1 if dots[k] else -1])
    ways = readable(column.name, values, fitting(values), decimal)
    ways = f"Say how to read it: {ways}. Or mend" if ways else "Mend"
    raise SchemaError(
        f"column {column.name!r} has the number {column.at(k)}, but {column.all_at(odd)}, {none}. {ways} "
        f"the file, count it as missing (missing=[{', '.join(repr(str(values[other])) for other in odd[:5])}]), "
        f"take all as text (text=[{column.name!r}]), or leave it out."
    )


def readable(name: str, values: Texts, forms: Sequence[str], decimal: str | None = None) -> str:
    """The calls by which text becomes numbers, with what each makes of one value; "" where none reads all."""
    example = next(
        (v for v in values if not (NUMBER["."].fullmatch(v) or NUMBER[","].fullmatch(v))), next(iter(values), "")
    )
    ways = []
    for form in (form for form in forms if formed(values, form, decimal)[0]):
        read = " or ".join(f"{each[0]:.10g}" for each in formed([example], form, decimal)[0].values())
        call = f"numbers=[{name!r}]" if form == "plain" else f"numbers={{{name!r}: {form!r}}}"
        unit = f" in {unit_of(form)}" if unit_of(form) else ""
        ways.append(f"{call} reads {example!r} as {read}{unit}")
    return ", ".join(ways)


def _check_commas(column: _Column, form: str | None) -> None:
    """SchemaError where commas in text, beside cells that are numbers, may begin decimals."""
    texts = copy(column).drop(np.array(["," not in value for value in column.values], bool))
    if not len(texts.values):
        return
    found = formed(texts.values, form, None)[0] if form else readings(texts.values, None)
    if list(found) == [","]:
        raise SchemaError(
            f"column {column.name!r} has the text {texts.at(0)}, with a comma before its decimals: give decimal=',', "
            f"which is said of text alone (cells that are numbers stay as they are), or text=[{column.name!r}]."
        )
    if found:
        _one_reading(texts, found, set())


def _asks_for_a_sign(column: _Column, found: Mapping[str, np.ndarray]) -> bool:
    """Whether the decimal sign changes the numbers, or what looks like groups of thousands may be something else."""
    return len(found) > 1 or (list(found) == [","] and not any("," in value for value in column.values))


def _clear_sign(column: _Column, found: Mapping[str, np.ndarray]) -> str:
    """The decimal sign that a column leaves no doubt of, or ""."""
    return "" if len(found) != 1 or _asks_for_a_sign(column, found) else next(iter(found))


def _signs(
    names: Sequence[str],
    cells: list[Cells],
    missing: Sequence[Any] | Mapping[str, Sequence[Any]],
    forms: Mapping[str, str],
) -> set[str]:
    """The decimal signs that other columns leave no doubt of."""
    signs = set()
    for name, fields in zip(names, cells, strict=True):
        if fields.sign is not None:
            signs.add(fields.sign)
            continue
        column = _Column(name, fields, (), frozenset(("", *map(str, markers_of(missing, name)), *WORDS)))
        if name in forms:
            found = formed(column.values, forms[name], None)[0]
        else:
            found = {} if identifiers(column.values) else readings(column.values, None)
        signs.add(_clear_sign(column, found))
    return signs - {""}


def _one_reading(column: _Column, found: dict[str, np.ndarray], signs: set[str]) -> np.ndarray:
    """What the column's numbers are; where both decimal signs would do, by the sign that others leave no doubt of."""
    if not _asks_for_a_sign(column, found):
        return next(iter(found.values()))
    if len(signs) == 1 and (sign := next(iter(signs))) in found:
        return found[sign]
    signed = [k for k, value in enumerate(column.values) if "," in value]
    signed = signed or [k for k, value in enumerate(column.values) if "." in value]
    if len(found) == 1:
        raise SchemaError(
            f"column {column.name!r} has {column.at(signed[0])}, whose dots group thousands or part the numbers of a "
            f"code: give decimal=',' for numbers, or text=[{column.name!r}] for a code."
        )
    sign, other = (",", ".") if "," in column.values[signed[0]] else (".", ",")
    raise SchemaError(
        f"column {column.name!r} has {column.at(signed[0])}, which can be read in two ways: give decimal={sign!r} if "
        f"the {'comma' if sign == ',' else 'dot'} begins the decimals, or decimal={other!r} if it groups thousands."
    )


def _truth_dates_or_text(column: _Column, written: _Column) -> pd.Series:
    """All rows of a column that is no numbers; `written`: with NA and the like, which text keeps."""
    shape, examples = shapes(column.values)
    if 0 < len(examples) < 50 and {value.lower() for value in examples} <= {"true", "false"}:
        truth, absent = [value.lower() == "true" for value in column.values], (column.codes < 0).any()
        return column.rows(pd.Series(truth, dtype=object if absent else bool))
    for pattern in (_YEAR_FIRST, _YEAR_LAST):
        found = np.array([pattern.fullmatch(value) is not None for value in examples], bool)[shape]
        if found.any():
            if not found.all():
                mend = _format_for(column, int(np.flatnonzero(~found)[0]))
                raise SchemaError(
                    f"column {column.name!r} has the date {column.at(np.flatnonzero(found)[0])}, but also "
                    f"{column.all_at(np.flatnonzero(~found))}. Mend the file, say how all are written ({mend}), or, "
                    f"where it is no time, take all as text (text=[{column.name!r}])."
                )
            return column.rows(_dates(column, None))
    return written.rows(pd.Series(written.values, dtype=object))


def _dates(column: _Column, form: str | None) -> pd.Series:
    """The distinct values as dates, in UTC if they have zones; `form` as `read_csv` takes it, None: find out."""
    values = pd.Series(column.values, dtype=object)
    if form in ("seconds", "milliseconds"):
        numbers = pd.to_numeric(values, errors="coerce")
        read = pd.to_datetime(numbers, unit="s" if form == "seconds" else "ms", errors="coerce")
    elif form is not None and form not in _DATE_FORMS:
        read = _by_format(column.name, values, form)
    else:
        rewritten, zoned = _iso(column, form)
        read = pd.to_datetime(rewritten, format="ISO8601", errors="coerce", utc=True)
        if late := [k for k in np.flatnonzero(read.isna()) if _MIDNIGHT.search(rewritten[k])]:
            early = [_MIDNIGHT.sub("00", rewritten[k]) for k in late]
            read[late] = pd.to_datetime(early, format="ISO8601", errors="coerce", utc=True) + pd.Timedelta("1D")
        read = read if zoned else read.dt.tz_localize(None)
    plain = read if read.dt.tz is None else read.dt.tz_localize(None)
    outside = plain.isna() | ~plain.between(pd.Timestamp("1678-01-01"), pd.Timestamp("2262-01-01"))
    if outside.any():
        k = int(np.flatnonzero(outside)[0])
        how = f" as {form!r}" if form else ""
        ways = f", or say how to read it: {_format_for(column, k)}, or 'day first' or 'month first' in its place"
        raise SchemaError(
            f"column {column.name!r} has {column.at(k)}, which is no date{how} (from 1678 to 2261). Mend the file"
            f"{ways if _formats(column, k) else ''}."
        )
    return read


def _by_format(name: str, values: pd.Series, form: str) -> pd.Series:
    """Distinct values as dates by a format; of a week without its day the first day is taken."""
    week = re.search("%[GVUW]", form)
    written = form
    if week and not re.search("%[aAuw]", form):
        day = {"%V": "%u", "%G": "%u"}.get(week[0], "%w")
        values, form = values + (" 0" if week[0] == "%U" else " 1"), f"{form} {day}"  # from Sunday or Monday on
    values = values.str.replace(_HALF, r"\1\2", regex=True)
    try:
        return pd.to_datetime(values, format=form, errors="coerce", utc="%z" in form)
    except ValueError as error:
        raise ConfigError(f"dates[{name!r}] is {written!r}, by which no date can be read: {error!s:.200}") from error


def text_times(name: str, items: list[str], places: Any, place: str) -> pd.Series:
    """The times of a column of text, where there is one reading; SchemaError that says how to give it, if not.

    `place` is what `places` are: "line" of a file, else "row" of a table.
    """
    column = _Column(name, Cells([as_objects(items)]), places, frozenset(), place)
    quarters = [_QUARTER.fullmatch(value) for value in column.values]
    if quarters and all(quarters):
        begins = [f"{one['y'] or one['last']}-{3 * int(one['q'] or one['first']) - 2:02}" for one in quarters if one]
        return column.rows(pd.to_datetime(pd.Series(begins, dtype=object), format="%Y-%m"))
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
    ways = [_format_for(column, k) if place == "line" else _mend_of_dates(column, k)]
    elapsed = [form for form in fitting(column.values) if unit_of(form) == "s" and (place == "line" or form[0] == "d")]
    if elapsed:
        call = f"df[{name!r}] = pandas.to_timedelta(df[{name!r}]).dt.total_seconds()"
        call = f"numbers={{{name!r}: {elapsed[0]!r}}}" if place == "line" else call
        ways = [*(ways if _fits_all(column, _formats(column, k)) else []), f"{call}, the time that has passed"]
    raise SchemaError(
        f"column {name!r} is text ({column.at(k)}), which has no order in time. Say how to read it: "
        f"{', or '.join(ways)}."
    )


def _mend_of_dates(column: _Column, k: int) -> str:
    forms = _formats(column, k) or ["..."]
    form, day = (f"{forms[0]}-%u", " + '-1'") if "%V" in forms[0] else (forms[0], "")  # of a week the first day
    call = f"df[{column.name!r}] = pandas.to_datetime(df[{column.name!r}]{day}, format={form!r})"
    return call + (f", or {' or '.join(map(repr, forms[1:]))}, whichever it is" if len(forms) > 1 else "")


def _format_for(column: _Column, k: int) -> str:
    """The argument of `read_csv` that reads a date such as the k-th value."""
    forms = _formats(column, k)
    if not forms:
        return f"dates={{{column.name!r}: '...'}}, a format such as '%d.%m.%y %H:%M'"
    call = f"dates={{{column.name!r}: {forms[0]!r}}}"
    return call + (f" or {' or '.join(map(repr, forms[1:]))}, whichever it is" if len(forms) > 1 else "")


def _formats(column: _Column, k: int) -> list[str]:
    """Formats that read the k-th value, and all others: each that makes other times of them, the likeliest first."""
    forms = list(_formats_of(column.values[k]))
    fit = _fits_all(column, forms)
    if len(fit) < 2:
        return fit or forms[:1]
    read = {form: tuple(datetime.strptime(_HALF.sub(r"\1\2", v), form) for v in column.values[:100]) for form in fit}
    return [form for n, form in enumerate(fit) if read[form] not in [read[other] for other in fit[:n]]]


def _fits_all(column: _Column, forms: Sequence[str]) -> list[str]:
    return [form for form in forms if all(_left_over(value, form) == "" for value in column.values[:1000])]


_DAYS = (
    "%Y-%m-%d", "%Y.%m.%d", "%Y/%m/%d", "%Y_%m_%d", "%Y%m%d", "%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y", "%d-%m-%Y",
    "%m-%d-%Y", "%d.%m.%y", "%d/%m/%y", "%m/%d/%y", "%d-%m-%y", "%m-%d-%y", "%y.%m.%d", "%y/%m/%d", "%y-%m-%d",
    "%d-%b-%Y", "%d-%b-%y", "%d %b %Y", "%d %B %Y", "%d/%b/%Y", "%b %d %Y", "%b %d, %Y", "%B %d, %Y", "%a %d %b %Y",
    "%a, %d %b %Y", "%b-%d-%Y", "%b %Y", "%B %Y", "%b-%Y", "%b-%y", "%Y %b", "%Y %B", "%Y-%b", "%Y-%m", "%m/%Y",
)  # fmt: skip
_CLOCKS = (
    "%H:%M", "%H:%M:%S", "%H:%M:%S.%f", "%H:%M:%S,%f", "%H.%M.%S", "%H.%M", "%H-%M-%S", "%H_%M_%S", "%H%M%S", "%H%M",
    "%I:%M %p", "%I:%M:%S %p", "%I:%M%p", "%I:%M:%S%p",
)  # fmt: skip


def _formats_of(value: str) -> Iterator[str]:
    """Of the usual formats those that read the value."""
    clocks = [f"{clock}{zone}" for zone in ("", "%z", " %z") for clock in _CLOCKS]
    for form in (*_DAYS, *clocks):
        if _left_over(value, form) == "":
            yield form
    if week := re.fullmatch(r"\d{4}(-?W)\d\d", value, re.ASCII):
        yield f"%G{week[1]}%V"
    for day in _DAYS:
        rest = _left_over(value, day) or ""
        for mark in (" ", "T", "_", ":", *([] if day.endswith("%y") else [""])):  # 01/02/2024 has no clock
            for clock in clocks if rest.startswith(mark) else ():
                if rest and _left_over(rest.removeprefix(mark), clock) == "":
                    yield f"{day}{mark}{clock}"


def _left_over(value: str, form: str) -> str | None:
    """What a format leaves of a text that begins by it; None where it does not."""
    value = _HALF.sub(r"\1\2", value)
    try:
        read = datetime.strptime(value, form)
        if _CLOSE.search(form) and read.strftime(form) != value:
            return None  # of 1030 no %H%M%S
    except ValueError as error:
        _, left, rest = str(error).partition("unconverted data remains: ")
        return rest if left else None
    return ""


def _iso(column: _Column, form: str | None) -> tuple[pd.Series, bool]:
    """Dates rewritten as yyyy-mm-ddThh:mm:ss, "" for what is none; and whether they have zones."""
    # what begins with the year is told by its shape, as is the mark between; no matches are kept: a million take 400 MB
    shape, examples = shapes(column.values)
    told = [_facts(value) if _YEAR_LAST.fullmatch(value) is None else -1 for value in examples]
    facts = np.array(told, np.int64)[shape]
    even = [(np.flatnonzero(shape == k), one[2]) for k, one in enumerate(examples) if _EVEN.fullmatch(one)]
    for which, mark in even:
        first, second = (_digits(column.values[which], at) @ (10, 1) for at in (0, 3))
        facts[which] = _MARKED[mark] | (first > 12) * _DAY_FIRST | (second > 12) * _MONTH_FIRST
    for k in np.flatnonzero(facts < 0):
        facts[k] = _facts(column.values[k])
    zoned, plain = np.flatnonzero(facts & _ZONED), np.flatnonzero(facts & _ZONED == 0)
    if zoned.size and plain.size:
        raise SchemaError(
            f"column {column.name!r} has a time zone in {column.at(zoned[0])}, but none in {column.at(plain[0])}. "
            "Give all of them one, or none."
        )

    # dots are dd.mm.yyyy beside other marks, of which each has an order of its own
    day_first = np.full(len(facts), form != "month first" or bool((facts & (_SLASHED | _DASHED)).any()))
    for marked in (_SLASHED, _DASHED):
        if (these := facts & marked != 0).any():
            day_first[these] = form == "day first" if form else _day_first(column, facts * these)
    # what is ready, what has its parts at the same places, and the rest one by one
    rewritten = np.array([None] * len(column.values), object)
    ready = np.array([_ISO.fullmatch(value) is not None for value in examples], bool)[shape]
    rewritten[ready] = column.values[ready]
    for which, _ in even:
        rewritten[which] = _year_first(column.values[which], day_first[which[0]])
    for k in np.flatnonzero(rewritten == None):  # noqa: E711 (of each)
        rewritten[k] = _rewritten(column.values[k], day_first[k])
    return pd.Series(rewritten, dtype=object), bool(zoned.size)


def _letters(values: np.ndarray) -> np.ndarray:
    """Texts of one width as bytes, (N, width)."""
    return values.astype(f"S{len(values[0])}").view(np.uint8).reshape(len(values), -1)


def _digits(values: np.ndarray, at: int) -> np.ndarray:
    """Two digits of each, (N, 2)."""
    return _letters(values)[:, at : at + 2].astype(np.int64) - ord("0")


def _year_first(values: np.ndarray, day_first: bool) -> np.ndarray:
    """dd.mm.yyyy and what follows, of one width, as yyyy-mm-dd and that."""
    old = _letters(values)
    day, month = (slice(0, 2), slice(3, 5))[:: 1 if day_first else -1]
    new = np.full_like(old, ord("-"))
    new[:, :4], new[:, 5:7], new[:, 8:10], new[:, 10:] = old[:, 6:10], old[:, month], old[:, day], old[:, 10:]
    return new.view(f"S{new.shape[1]}").ravel().astype(str).astype(object)


def _rewritten(value: str, day_first: bool) -> str:
    match = _YEAR_FIRST.fullmatch(value) or _YEAR_LAST.fullmatch(value)
    if match is None:
        return ""
    if match.re is _YEAR_FIRST:
        day, month = match["d"], match["m"]
    else:
        day, month = (match["a"], match["b"]) if day_first else (match["b"], match["a"])
    zone = "Z" if match["zone"] in ("UTC", "GMT") else match["zone"] or ""
    return f"{match['y']}-{month:0>2}-{day:0>2}T{_clock(match)}{zone}"


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
    """What a date tells: has it a zone; its mark, the year at the end; a number above 12 in first or second place."""
    match = _YEAR_FIRST.fullmatch(value) or _YEAR_LAST.fullmatch(value)
    if match is None:
        return 0
    facts = _ZONED if match["zone"] else 0
    if match.re is _YEAR_LAST:
        facts |= _MARKED[match["mark"]]
        facts |= (_DAY_FIRST if int(match["a"]) > 12 else 0) | (_MONTH_FIRST if int(match["b"]) > 12 else 0)
    return facts


def _day_first(column: _Column, facts: np.ndarray) -> bool:
    """Whether the day comes first in dates of one mark, whose facts are not 0."""
    days, months = np.flatnonzero(facts & _DAY_FIRST), np.flatnonzero(facts & _MONTH_FIRST)
    if days.size and months.size:
        raise SchemaError(
            f"column {column.name!r} has {column.at(days[0])}, with the day first, but {column.at(months[0])}, with "
            "the month first. Mend the file."
        )
    if not days.size and not months.size:
        raise SchemaError(
            f"column {column.name!r} has {column.at(np.flatnonzero(facts)[0])}, and no date with that mark "
            f"that tells whether day or month comes first. Say which: dates={{{column.name!r}: 'day first'}} or 'month "
            "first'."
        )
    return bool(days.size)


# -- a column of a table -----------------------------------------------------------------------------------------------


def lines_of(table: nw.DataFrame[Any]) -> pd.Index | None:
    """Where in its file each row of a table that `read_csv` made begins; None for any other table."""
    native = table.to_native()
    return native.index if isinstance(native, pd.DataFrame) and native.index.name == LINE else None


def place_of(table: nw.DataFrame[Any], row: int) -> str:
    """Where a row is, as the user can find it: its line in a file that `read_csv` read, or its position."""
    native = table.to_native()
    index = native.index if isinstance(native, pd.DataFrame) and native.index.name in (LINE, ROW) else None
    return f"row {row}" if index is None else f"{index.name} {index[row]}"


def numeric(table: nw.DataFrame[Any]) -> set[str]:
    """The columns of NumPy's numbers, of a pandas table: nothing is asked of them, and ten thousand take no time."""
    native = table.to_native()
    types = native.dtypes.items() if isinstance(native, pd.DataFrame) else ()
    return {str(name) for name, dtype in types if isinstance(dtype, np.dtype) and dtype.kind in "iuf"}


def column_values(
    table: nw.DataFrame[Any],
    name: str,
    *,
    gaps: bool,
    form: str | None = None,
    codes: bool = False,
    decimal: str | None = None,
    ways: str = "",
) -> np.ndarray:
    """A column as numbers, truth values, dates or text; SchemaError, with its name, for anything else.

    Missing values are refused, or with `gaps` NaN among numbers and "" among text. Text becomes numbers by a `form`
    ("truth": truth values), `codes` of any kind become text. `ways`: what else an error may advise.
    """
    series = _bare(table, name)
    missing = series.is_null() | series.is_nan() if series.dtype.is_float() else series.is_null()
    if form == "truth":
        missing = nw.new_series(name, [not _holds(item) for item in series.to_list()], backend=series.implementation)
    if missing.any() and not gaps:
        raise SchemaError(
            f"column {name!r} has {int(missing.sum())} missing values, the first in "
            f"{place_of(table, int(missing.arg_true()[0]))}. A feature's can be filled (fill='linear' or 'previous'); "
            "otherwise fill them, or drop those rows."
        )
    if series.dtype.is_numeric() or series.dtype == nw.Boolean or series.dtype.is_temporal():
        numbers = series.dtype.is_decimal() or (missing.any() and not series.dtype.is_temporal())
        values = series.cast(nw.Float64).to_numpy() if numbers else series.to_numpy()
    elif missing.all() and len(missing):
        values = np.full(len(missing), np.nan)
    elif series.dtype in (nw.String, nw.Categorical, nw.Enum, nw.Object):
        items, empty = series.to_list(), np.asarray(missing.to_numpy(), bool)
        if series.dtype in (nw.Categorical, nw.Enum):
            codes = True
        values = _of_items(table, name, items, empty, form, codes, decimal, ways)
    else:
        values = np.zeros(0, "V")
    if values.dtype.kind not in "biufUM":
        dtype = getattr(table.to_native()[name], "dtype", series.dtype) if series.dtype == nw.Unknown else series.dtype
        way = next((way for kind, way in _MADE.items() if str(dtype).startswith(kind)), "")
        raise SchemaError(
            f"column {name!r} is of type {dtype}; numbers, text, dates or truth values are needed."
            + (f" Make it such: df[{name!r}] = df[{name!r}]{way}" if way else "")
        )
    return as_codes(values) if codes and values.dtype.kind in "iuf" else values


_MADE = {  # by the beginning of a type's name what makes numbers or dates of it
    "Duration": ".dt.total_seconds()",
    "period": ".dt.to_timestamp()",
    "Sparse": ".sparse.to_dense()",
}


def _bare(table: nw.DataFrame[Any], name: str) -> nw.Series[Any]:
    """A column, of text without the blanks around it, as a file's; SchemaError where that makes two texts one."""
    series = table[name]
    if series.dtype not in (nw.String, nw.Object, nw.Categorical, nw.Enum):
        return series
    items = series.to_list()
    texts = dict.fromkeys(item for item in items if type(item) is str)
    if not any(text != text.strip() for text in texts):
        return series
    known: dict[str, str] = {}
    for text in texts:
        other = known.setdefault(text.strip(), text)
        if other != text:
            a, b = (f"{one!r} in {place_of(table, items.index(one))}" for one in (other, text))
            raise SchemaError(
                f"column {name!r} has {a} and {b}, which differ by blanks alone. Make them one: "
                f"df[{name!r}] = df[{name!r}].str.strip()"
            )
    if series.dtype not in (nw.String, nw.Object):
        return series
    items = [item.strip() if type(item) is str else item for item in items]
    return nw.new_series(name, items, series.dtype, backend=series.implementation)


def is_truth(series: nw.Series[Any]) -> bool:
    """Whether a column holds truth values, also where some are missing."""
    if series.dtype != nw.Object:
        return series.dtype == nw.Boolean
    return {type(item) for item in series.to_list()} & {bool, np.bool_} != set()


def _holds(item: Any) -> bool:
    return item is not None and item == item and item != "" and item not in WORDS  # NaN differs from itself


def _of_items(
    table: nw.DataFrame[Any],
    name: str,
    items: list[Any],
    missing: np.ndarray,
    form: str | None,
    codes: bool,
    decimal: str | None,
    ways: str,
) -> np.ndarray:
    """The values of a column of Python objects or text."""
    if form == "truth":
        truth = np.array(
            [np.nan if gone else str(item).strip().lower() == "true" for item, gone in zip(items, missing, strict=True)]
        )
        return truth if missing.any() else truth.astype(bool)
    kinds = set(map(type, items))
    if missing.any():
        kinds = {type(item) for item, gone in zip(items, missing, strict=True) if not gone}
    some_truth = kinds & {bool, np.bool_} != set() and not kinds <= {bool, np.bool_}
    if some_truth and str not in kinds and not codes:
        k = next(k for k, item in enumerate(items) if isinstance(item, bool | np.bool_))
        raise SchemaError(
            f"column {name!r} holds {items[k]} in {place_of(table, k)} among numbers. Make all numbers or all truth "
            f"values before{ways}."
        )
    if (
        kinds != {str}
        and kinds
        and not some_truth
        and all(issubclass(kind, Number | np.bool_) and not issubclass(kind, complex) for kind in kinds)
    ):
        held = [np.nan if gone else item for item, gone in zip(items, missing, strict=True)]
        if kinds <= {bool, np.bool_} and not missing.any():
            return np.array(held, dtype=bool)
        try:
            whole = all(issubclass(kind, Integral) for kind in kinds) and not missing.any()
            return np.array(held, dtype=np.int64 if whole else np.float64)
        except OverflowError:  # a whole number of more digits
            return np.array(held, dtype=np.float64)
    if codes:
        items = [
            item if isinstance(item, str) or gone else str(item) for item, gone in zip(items, missing, strict=True)
        ]
    if missing.any():
        items = ["" if gone else item for item, gone in zip(items, missing, strict=True)]
    odd = [k for k, item in enumerate(items) if not isinstance(item, str)] if kinds != {str} else []
    if odd:
        few = ", ".join(f"{items[k]!r} in {place_of(table, k)}" for k in odd[:3])
        raise SchemaError(
            f"column {name!r} holds {items[odd[0]]!r} among text: {few} ({len(odd)} such rows). Make all numbers or "
            f"all text before{ways}."
        )
    if form is not None:
        lines = _Rows(table)
        column = _Column(name, Cells([as_objects(items)]), lines, frozenset(("",)), row=lines.word).without_words()
        numbers = _one_reading(column, _formed(column, form, decimal), set() if decimal is None else {decimal})
        return column.rows(pd.Series(numbers)).to_numpy()
    widths = [len(item) for item in items]
    widest = max(widths, default=0)
    if 4 * widest * len(items) > limit(4 * sum(widths), None):
        raise SchemaError(
            f"column {name!r} has a text of {widest} characters in {place_of(table, widths.index(widest))}, and "
            f"all {len(items)} would take as much memory. Shorten it, or leave the column out."
        )
    return np.array(items, dtype=str)


class _Rows:
    """Where the rows of a table are, as `place_of` tells it: `word` is "line" or "row"."""

    def __init__(self, table: nw.DataFrame[Any]):
        self.table, self.word = table, place_of(table, 0).split()[0]

    def __getitem__(self, row: int) -> str:
        return place_of(self.table, int(row)).split(maxsplit=1)[1]


def as_codes(values: np.ndarray) -> np.ndarray:
    """Numbers as text, 6.0 as "6"; "" for NaN."""
    whole = values.dtype.kind != "f" or bool((values[~np.isnan(values)] % 1 == 0).all())
    distinct, at = np.unique(values, return_inverse=True)
    return np.array(["" if v != v else str(int(v) if whole else v) for v in distinct.tolist()], dtype=str)[at]
