"""The columns of a wide table: which of them are a feature's steps, their order, and the times in their names.

Under a pattern, columns whose names tell dates, times of day or one number are put in time's order. Where the names say
that the order is another than time's, or can be read forwards and backwards (t-1, t-2), the error asks. A list is the
user's word: it is refused only where dates or a number contradict it.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from fnmatch import fnmatchcase
from itertools import pairwise

import numpy as np
import pandas as pd

from dgkit.errors import SchemaError

Features = Sequence[str] | Mapping[str, str | Sequence[str]]  # as `from_table` takes them


def some_names(columns: Sequence[str], most: int = 20) -> str:
    return ", ".join(map(repr, columns[:most])) + (f" and {len(columns) - most} more" if len(columns) > most else "")


def feature_columns(
    table: Sequence[str], features: Features, roles: Collection[str] = (), *, steps: bool = True
) -> dict[str, list[str]]:
    """The columns of each feature, in time's order; without `steps`, where each is a series, in the table's.

    SchemaError for a pattern that matches none but columns of other `roles`, for an order that is not that of the times
    in the columns' names, and for two features whose names tell other steps.
    """
    if not isinstance(features, Mapping):
        return {name: [name] for name in features}
    found: dict[str, list[str]] = {}
    for name, columns in features.items():
        if isinstance(columns, str):
            found[name] = [c for c in table if fnmatchcase(c, columns) and c not in roles]
            empty = f"no column matches {columns!r}"
        else:
            found[name], empty = list(columns), "it has no column"
        if not found[name]:
            raise SchemaError(f"feature {name!r}: {empty}; the table has {some_names(table)}.")
        if steps:
            _check_units(name, found[name])
            found[name] = _in_order(name, columns, found[name])
    if steps:
        _check_numbers(features, found)
    return found


_UNITS = {"W", "Wh", "VA", "V", "A", "Hz", "b", "B", "bit", "bits", "byte", "bytes", "bps", "bit/s", "b/s", "B/s"}
_SAME = str.maketrans("Ku", "kµ")  # prefixes that are one, written in two ways
_LENGTHS = {"s", "sec", "m"}  # in brackets alone: "rtt 500 ms" may be a step


def _check_units(name: str, columns: list[str]) -> None:
    """SchemaError for columns whose names end in one unit with other prefixes: load 1 (MW), load 2 (kW)."""
    first: dict[str, tuple[str, str]] = {}  # of each unit without its prefix: with it, and the column
    for column in columns:
        m = re.search(r"([\[(]|[ _])([A-Za-zµ/]+)[\])]?$", column)
        known = _UNITS | (_LENGTHS if m and m[1] in "[(" else set())
        base = next((b for b in (m[2], m[2][1:]) if b in known), None) if m else None
        if m is None or base is None or (base != m[2] and m[2][0] not in "kKMGTmµu"):
            continue
        unit, other = first.setdefault(base, (m[2], column))
        if unit.translate(_SAME) != m[2].translate(_SAME):
            raise SchemaError(
                f"feature {name!r}: by their names column {other!r} is in {unit}, {column!r} in {m[2]}, which would "
                "mix them. Bring all its columns to one unit before, or call them otherwise if these are no units."
            )


def _in_order(name: str, asked: str | Sequence[str], columns: list[str]) -> list[str]:
    """A feature's columns in time's order, as far as their names tell."""
    times = times_in(columns)
    if isinstance(asked, str):
        if times is None:
            _check_steps(name, asked, columns)
        _check_direction(name, columns)
        clocks = _clocks(columns)
        if clocks is not None and not _overnight(clocks):  # in any other order the day is not known
            falls = np.diff(clocks) <= 0
            if falls.all():
                return columns[::-1]
            times = None if falls.any() else times
        if times is None:
            _check_order(name, asked, columns)
    if times is None or (np.diff(times) > 0).all():
        return columns
    order = np.argsort(times, kind="stable")
    if isinstance(asked, str) and (np.diff(times[order]) > 0).all():
        return [columns[k] for k in order]
    one, two = next(pair for pair, rises in zip(pairwise(columns), np.diff(times) > 0, strict=True) if not rises)
    twice = next((k for k in np.flatnonzero(np.diff(times[order]) == 0)), None)
    if twice is not None:
        raise SchemaError(
            f"feature {name!r}: by their names columns {columns[order[twice]]!r} and {columns[order[twice + 1]]!r} are "
            "one step. Rename one, or name those that are steps in features=."
        )
    raise SchemaError(
        f"feature {name!r}: by their names the columns are not in time's order, {one!r} comes before {two!r}. Name "
        f"each step once, in its order: features={{{name!r}: [{some_names([columns[k] for k in order], 4)}]}}."
    )


def _check_numbers(features: Mapping[str, str | Sequence[str]], found: Mapping[str, list[str]]) -> None:
    """SchemaError for two features, one of them by a pattern, in whose names other numbers stand, maybe other steps."""
    (first, own), *others = found.items()
    times = times_in(own)
    for other, columns in others:
        theirs = times_in(columns)
        if (
            times is None
            or theirs is None
            or len(times) != len(theirs)
            or {times.dtype.kind, theirs.dtype.kind} != {"i"}
        ):
            continue
        if (times != theirs).any() and (isinstance(features[first], str) or isinstance(features[other], str)):
            raise SchemaError(
                f"the columns of features {first!r} and {other!r} have other numbers in their names: "
                f"{some_names(own, 3)} and {some_names(columns, 3)}. Name the same steps for both; if these are the "
                f"same steps, list the columns of both: features={{{first!r}: [{some_names(own, 3)}], "
                f"{other!r}: [{some_names(columns, 3)}]}}."
            )


def _check_steps(name: str, pattern: str, columns: list[str]) -> None:
    """SchemaError where a pattern matches numbered columns, months or days of the week, and others."""
    calendar = not any(re.search(r"\d", column) for column in columns)
    step = re.compile(_TOKEN.pattern if calendar else r"\d", re.ASCII)
    numbered = [column for column in columns if step.search(column)]
    others = [column for column in columns if not step.search(column)]
    steps = others and len(numbered) > max(len(others), 2)
    if steps and (bool(_keys(numbered)) if calendar else times_in(numbered) is not None):
        raise SchemaError(
            f"feature {name!r}: {pattern!r} matches {some_names(numbered, 3)}, and also {some_names(others, 3)}, which "
            f"by its name is no step. Give a closer pattern, or the columns: features={{{name!r}: "
            f"[{some_names(numbered, 3)}]}}."
        )


def _check_direction(name: str, columns: list[str]) -> None:
    """SchemaError for numbers that may count back from the last step: t-1 is the first step, or the last one."""
    of = _one_number(columns)
    if of is None or of.back not in ("either", "hyphen") or len(columns) < 2:
        return
    falls = bool((np.diff(of.values) < 0).all())
    if falls == (of.back == "either"):
        return
    order = np.argsort(of.values, kind="stable")
    up, down = ([columns[k] for k in some] for some in (order, order[::-1]))
    raise SchemaError(
        f"feature {name!r}: do the numbers of {some_names(columns, 3)} count on, or back from the last step? List the "
        f"columns in time's order: features={{{name!r}: [{some_names(up, 3)}]}} or [{some_names(down, 3)}]."
    )


def _check_order(name: str, pattern: str, columns: list[str]) -> None:
    """SchemaError where all numbers, months and days of the week in the columns' names say another order."""
    keys = _keys(columns)
    if not keys or any(_rising(one) for one in keys):
        return
    newest_first = any(_rising(one[::-1]) for one in keys)
    in_time = columns[::-1] if newest_first else [c for _, c in sorted(zip(keys[0], columns, strict=True))]
    by_letter = columns == sorted(columns)
    if not (by_letter or newest_first):  # over midnight, say, or a new year: names do not tell
        raise SchemaError(
            f"feature {name!r}: {pattern!r} matches {some_names(columns, 3)}, whose names do not tell their order. "
            f"Give them in time's order, which a list settles: maybe features={{{name!r}: [{some_names(in_time, 3)}]}}"
            f", or as they stand, [{some_names(columns, 3)}]."
        )
    raise SchemaError(
        f"feature {name!r}: {pattern!r} matches {some_names(columns, 3)}, "
        f"{'in the order of the alphabet' if by_letter else 'newest first'}. Give them in time's order, which a "
        f"list settles: features={{{name!r}: [{some_names(in_time, 3)}]}}."
    )


# -- the order that names say ------------------------------------------------------------------------------------------

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_MONTH = rf"({'|'.join(_MONTHS)})(?:(?:r?uary|ch|il|e|y|ust|t?ember|ober)|t(?:ember)?)?(?![a-z])"
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_DAY = rf"({'|'.join(_DAYS)})(?:s|r|rs)?(?:day|sday|nesday|rsday|urday)?(?![a-z])"
_WORDS = {word.lower(): k for words in (_MONTHS, _DAYS) for k, word in enumerate(words)}
_TOKEN = re.compile(rf"(?P<number>\d+)|(?<![A-Za-z])(?:(?P<month>(?i:{_MONTH}))|(?P<day>(?i:{_DAY})))", re.ASCII)
_DECIMAL = re.compile(_TOKEN.pattern.replace(r"\d+", r"(?<![\d.])\d+\.\d+(?![\d.])|\d+", 1), re.ASCII)
_SPAN = re.compile(r"(?<![\d.])(\d+(?:\.\d+)?) ?(s|sec|min|m|h|hr|hour|d|day)s?(?![A-Za-z])", re.ASCII)
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
Key = list[tuple[float, ...]]  # of each column


def _rising(key: Key) -> bool:
    return all(one < two for one, two in pairwise(key))


def _keys(columns: list[str]) -> list[Key]:
    """By what columns that differ in numbers, months and days of the week alone may be in order, the likeliest first.

    Years count before months, and these before all else; then the order of the names, or the other way round, or of
    dates the month before the day.
    """
    if (clocks := _clocks(columns)) is not None:
        return [[(second,) for second in clocks.tolist()]]
    made: list[Key] = [] if (spans := _spans(columns)) is None else [spans]
    for token in (_DECIMAL, _TOKEN):
        found = [list(token.finditer(column)) for column in columns]
        if len({token.sub("\0", column) for column in columns}) > 1:
            continue
        positions: dict[tuple[float, ...], str] = {}  # of what varies: its values and its kind
        for of in zip(*found, strict=True):
            kind = of[0].lastgroup or ""
            if kind == "number":
                values = tuple(float(m[0]) for m in of)
                kind = "year" if all(re.fullmatch(r"(19|20)\d\d", m[0]) for m in of) else kind
            else:
                values = _round([_WORDS[m[0][:3].lower()] for m in of], 12 if kind == "month" else 7)
            if len(set(values)) > 1:
                positions.setdefault(values, kind)
        first = [values for values, kind in positions.items() if kind == "year"]
        first = first if len(first) == 1 else []
        first += [values for values, kind in positions.items() if kind == "month"]
        for some in (("year", "number", "day"), ("year", "number")):
            rest = [values for values, kind in positions.items() if kind in some and values not in first]
            turned = [*rest[1::-1], *rest[2:]] if re.search(r"\d([./-])\d\d?\1\d", columns[0], re.ASCII) else rest
            for order in (rest, rest[::-1], turned):
                made.append(list(zip(*first, *order, strict=True)))
        if [*positions.values()] in (["month", "number"], ["number", "month"]):  # Jan 20, Feb 20, Jan 21: or years
            short = next(values for values, kind in positions.items() if kind == "number")
            made += [list(zip(short, *first, strict=True))] if min(short) > 9 else []
    return [key for key in made if len(set(key)) == len(columns)]


def _spans(columns: list[str]) -> Key | None:
    """Lengths of time of several units in names that differ in nothing else, in seconds: 30s, 1m, 1h30m."""
    found = [_SPAN.findall(column) for column in columns]
    units = {unit for of in found for _, unit in of}
    if len(units) < 2 or not all(found) or len({_SPAN.sub("", column) for column in columns}) > 1:
        return None
    if not units - {"m", "d", "day"}:  # months or minutes?
        return None
    seconds = [(sum(float(size) * _SECONDS[unit[0]] for size, unit in of),) for of in found]
    back = any(re.search(r"(?<![a-z])ago(?![a-z])", column.lower()) for column in columns)
    return [(-one,) for (one,) in seconds] if back else [*seconds]


def _round(values: Sequence[int], period: int) -> tuple[float, ...]:
    """Months or days of the week, on which a next year or week may follow, by no more than half a round."""
    moves = [(two - one) % period for one, two in pairwise(values)]
    on = np.cumsum([values[0], *moves])
    once = sum(moves) <= period and all(2 * m <= period for m, d in zip(moves, np.diff(values), strict=True) if d < 0)
    return tuple(on.tolist() if once else values)


# -- the times in names ------------------------------------------------------------------------------------------------

_TIMES_IN_NAMES = (  # what to look for, and the formats it may be written in
    (r"\d{4}-\d\d?-\d\d?[T ]\d\d?:\d\d(:\d\d(\.\d+)?)?", ("ISO8601",)),
    (r"\d{4}-\d\d?-\d\d?(?:[T ]\d\d?:\d\d(:\d\d(\.\d+)?)?)?", ("ISO8601",)),  # midnights as days, see `as_name`
    (r"\d{4}-\d\d?-\d\d?", ("%Y-%m-%d",)),
    (r"\d{4}/\d\d?/\d\d?", ("%Y/%m/%d",)),
    (r"\d{4}_\d\d?_\d\d?", ("%Y_%m_%d",)),
    (r"\d{4}\.\d\d?\.\d\d?", ("%Y.%m.%d",)),
    (r"\d\d?\.\d\d?\.\d{4}", ("%d.%m.%Y",)),
    (r"\d\d?/\d\d?/\d{4}", ("%m/%d/%Y", "%d/%m/%Y")),
    (r"\d\d?/\d\d?/\d\d", ("%m/%d/%y", "%d/%m/%y")),
    (r"(19|20)\d\d-\d\d", ("%Y-%m",)),
    (r"(19|20)\d{6}", ("%Y%m%d",)),
    (r"(19|20)\d{4}", ("%Y%m",)),
    (rf"{_MONTH} \d{{4}}", ("%b %Y", "%B %Y")),
    (rf"{_MONTH}-\d{{4}}", ("%b-%Y", "%B-%Y")),
    (rf"{_MONTH}-\d\d", ("%b-%y",)),
    (rf"\d{{4}} {_MONTH}", ("%Y %b", "%Y %B")),
    (r"(19|20)\d\d[-_ /]?[Ww]\d\d?", ("week",)),
    (r"[Ww]\d\d?[-_ /](19|20)\d\d", ("week",)),
    (r"(19|20)\d\d[-_ /]?[Qq][1-4]", ("quarter",)),
    (r"[Qq][1-4][-_ /]?(19|20)\d\d", ("quarter",)),
    (r"[1-4][Qq][-_ /]?(19|20)\d\d", ("quarter",)),
    (r"[Qq][1-4][ ']\d\d", ("quarter",)),
)
_CLOCK = re.compile(
    r"(?<![\d:])(?:(\d\d?):(\d\d)(?::(\d\d))?(?: ?([AaPp])[Mm](?![A-Za-z]))?|(\d\d?) ?([AaPp])[Mm](?![A-Za-z]))"
    r"(?![\d:])",
    re.ASCII,
)


def times_in(names: Sequence[str]) -> np.ndarray | None:
    """The times in the names of columns: dates, or whole numbers; None where there are none, or not one in each.

    Times of day are dates of 1900, which go on over midnight. What counts back is negative: lag_3, and t-3 before t-2.

    Raises
    ------
    SchemaError
        A date is outside of what nanoseconds hold.

    Examples
    --------
    >>> times_in(["day 1", "day 10", "day 2"]), times_in(["a", "b"])
    (array([ 1, 10,  2]), None)
    >>> times_in(["t-2", "t-1", "t"])
    array([-2, -1,  0])
    """
    for pattern, formats in _TIMES_IN_NAMES:
        if len(names) and not re.search(pattern, names[0], re.ASCII):
            continue
        found = [re.search(rf"(?<!\d)({pattern})(?!\d)", name, re.ASCII) for name in names]
        if not all(found) or len({name.replace(m[1], "", 1) for name, m in zip(names, found, strict=True) if m}) > 1:
            continue
        read = [_dates([m[1] for m in found if m], form) for form in formats]
        read = [one for one in read if one.notna().all()]
        read = read[:1] if len(read) > 1 and read[0].equals(read[1]) else read
        in_order = [one for one in read if one.is_monotonic_increasing]
        if len(read) == 1 or len(in_order) == 1:  # of two readings the one in order
            dates = (read if len(read) == 1 else in_order)[0]
            outside = ~dates.between(pd.Timestamp("1678-01-01"), pd.Timestamp("2262-01-01"))
            if outside.any():
                far = names[int(outside.argmax())]
                raise SchemaError(f"column {far!r} names a date outside of 1678 to 2261; these are read.")
            return dates.to_numpy().astype("M8[ns]")
        if len(read) > 1:
            return None
    if (clocks := _clocks(names)) is not None:
        clocks = clocks + 86_400 * np.cumsum(np.diff(clocks, prepend=clocks[0]) < 0)
        steps = np.diff(clocks)
        if steps.min() <= 0 or (steps % steps.min()).any() or (steps > steps.min()).mean() > 0.5:  # at no even step
            return None
        return np.datetime64("1900-01-01", "ns") + clocks * np.timedelta64(1, "s")
    of = _one_number(names)
    if of is None:
        return _around_zero(names)
    back = of.back == "sure" or (of.back and (np.diff(of.values) < 0).all())
    return -of.values if back else of.values


def _dates(texts: list[str], form: str) -> pd.Series:
    """Dates of one form, NaT for what is none; of a week its Monday, of a quarter its first day."""
    if form in ("week", "quarter"):
        parts = [re.match(r"(\d{4})\D*(\d+)|\D*(\d\d?)\D+(\d+)|\D*(\d)(\d{4})", text) for text in texts]
        found = [[one for one in part.groups() if one] for part in parts if part]
        dated = [(one, two) if len(one) == 4 else (f"20{two}"[-4:], one) for one, two in found]
        week = form == "week"
        texts = [f"{y}-{int(k):02}-1" if week else f"{y}-{3 * int(k) - 2:02}-01" for y, k in dated]
        form = "%G-%V-%u" if week else "%Y-%m-%d"
    return pd.to_datetime(pd.Series(texts), format=form, errors="coerce")


def _clocks(names: Sequence[str]) -> np.ndarray | None:
    """The times of day in names that differ in nothing else, in seconds."""
    found = [_CLOCK.search(name) for name in names]
    if not all(found) or len({name.replace(m[0], "", 1) for name, m in zip(names, found, strict=True) if m}) > 1:
        return None
    seconds = []
    for m in found:
        assert m is not None
        hour, minute, second, half = int(m[1] or m[5]), int(m[2] or 0), int(m[3] or 0), m[4] or m[6]
        if minute > 59 or second > 59 or hour > (12 if half else 24):
            return None
        hour = hour % 12 + 12 * (half in "Pp") if half else hour
        seconds.append(3600 * hour + 60 * minute + second)
    return np.array(seconds, np.int64) if len(set(seconds)) > 1 else None


def _overnight(clocks: np.ndarray) -> bool:
    """Whether times of day go over midnight once, by even steps."""
    steps = np.diff(clocks)
    return bool((steps < 0).sum() == 1 and len(steps) > 1 and len(set(steps % 86_400)) == 1 and clocks[-1] < clocks[0])


class _Number:
    """The one number that varies in the columns' names.

    Attributes
    ----------
    values : array of int
    back : str
        Whether it counts back from the last step: "sure" (lag_3), "either" (t-3), "hyphen" (day-3: rather not), or "".
    """

    def __init__(self, values: np.ndarray, before: str, after: str):
        self.values, self.back = values, ""
        words = f"{before} {after}".lower()
        if re.search(r"(?<![a-z])(lag|lags|lagged|ago)(?![a-z])", words):
            self.back = "sure"
        elif re.search(r"((?<![A-Za-z0-9])[tT] ?|^|[^A-Za-z0-9)\]])[-−]$", before) or re.search(
            r"(?<![a-z])(prev|previous|before|back|minus|earlier)(?![a-z])", words
        ):
            self.back = "either"
        elif re.search(r"[A-Za-z)\]][-−]$", before):
            self.back = "hyphen"


def _one_number(names: Sequence[str]) -> _Number | None:
    """The number that varies, where it is one (at each of its places the same) and the names differ in nothing else."""
    singular = [re.sub(r"(\d+[ _]?[A-Za-z]{2,}?)s(?![A-Za-z])", r"\1", name) for name in names]  # 1 day, 2 days
    parts = [re.split(r"(\d+)", name, flags=re.ASCII) for name in singular]
    if len({(len(part), *part[::2]) for part in parts}) > 1:
        return None
    numbers = {k: [int(part[k]) for part in parts] for k in range(1, len(parts[0]), 2)}
    varying = [k for k, values in numbers.items() if len(set(values)) > 1]
    if not varying or any(numbers[k] != numbers[varying[0]] for k in varying):
        return None
    k, values = varying[0], numbers[varying[0]]
    if any(len(part[k]) > 18 for part in parts):
        return None
    if k > 2 and parts[0][k - 1] == "." and len({len(part[k]) for part in parts}) > 1 and sorted(values) != values:
        return None  # 0.25, 0.5: decimals
    return _Number(np.array(values), "".join(parts[0][:k]), "".join(parts[0][k + 1 :]))


def _around_zero(names: Sequence[str]) -> np.ndarray | None:
    """Whole numbers with their signs, where some are below 0 and others not: t-1, t, t+1."""
    full = [re.sub(r"(?<![A-Za-z0-9])([tT])(?![A-Za-z0-9+\-−])", r"\1+0", name) for name in names]
    parts = [re.split(r"([+\-−]?\d+)", name.replace("−", "-"), flags=re.ASCII) for name in full]
    if len({(len(part), *part[::2]) for part in parts}) > 1:
        return None
    varying = [k for k in range(1, len(parts[0]), 2) if len({part[k] for part in parts}) > 1]
    if len(varying) != 1 or any(len(part[varying[0]]) > 18 for part in parts):
        return None
    values = np.array([int(part[varying[0]]) for part in parts])
    return values if (values < 0).any() and (values >= 0).any() else None
