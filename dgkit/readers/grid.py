"""Rows to their place in time: the step, jitter, gaps, duplicates, time zones, events in bins, counters as rates.

A row's place in a series comes from its time, never from its position among the rows. What the times leave open is
asked about, all of it in one error (`Asked`); what was decided, and how often, is told (the `said` of `Placed`). pandas
knows offsets and time zones. Left out: bringing a series to another step (`bin` does that for events).

Times are `ticks` here: whole nanoseconds since 1970 for dates, else the numbers themselves.
"""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import date, datetime
from typing import Any

import narwhals as nw
import numpy as np
import pandas as pd
from pandas.tseries import offsets
from pandas.tseries.frequencies import to_offset

from dgkit._checks import shown, whole
from dgkit.errors import ConfigError, SchemaError
from dgkit.readers.questions import Asked
from dgkit.readers.values import column_values, lines_of, place_of, text_times
from dgkit.schema import missing_in

FILLS = (None, "linear", "previous")
WAYS = ("sum", "mean", "count", "min", "max", "median", "first", "last")
OF_TEXT = ("count", "first", "last")  # what of these goes with text
_SECOND, _DAY = 10**9, 86_400 * 10**9
_NICE = [s * _SECOND for s in (1, 2, 5, 10, 15, 20, 30, 60, 120, 180, 300, 600, 900, 1200, 1800, 3600, 7200, 10800,
                               14400, 21600, 28800, 43200, 86400, 604800)]  # fmt: skip
_JITTER = 0.1  # of a step: how far a time may be from its place unless `tolerance` says otherwise
_USUAL = 0.5  # of the distances of two rows must be one step, for the step to be found
_MOST = 2**62  # ticks
_WRAPS = (2**32, 2**64)
ZONES = "dgkit_zones"  # attr of a pandas table whose times were brought to UTC: of each column its zone


@dataclass(frozen=True)
class Choices:
    """What the user says of times, as `from_table` takes it."""

    step: Any = None
    tolerance: Any = None
    fill: str | Mapping[str, str] | None = None
    max_gap: int | None = None
    gaps: str | None = None
    duplicates: str | None = None
    counters: Sequence[str] | None = None
    timezone: str | None = None
    ambiguous: str | None = None
    bin: Any = None
    bins: Mapping[str, str] | None = None

    def __post_init__(self) -> None:
        hows = self.fill.values() if isinstance(self.fill, Mapping) else [self.fill]
        for how in hows:
            _one_of("fill", how, FILLS)
        _one_of("gaps", self.gaps, (None, "keep"))
        _one_of("duplicates", self.duplicates, (None, "mean", "last", "first"))
        _one_of("ambiguous", self.ambiguous, (None, "first", "second"))
        if self.max_gap is not None:
            whole("max_gap", self.max_gap)
            if not any(hows):
                raise ConfigError(f"max_gap={self.max_gap} says how long a gap may be filled; say how: fill='linear'.")
        if isinstance(self.counters, str):
            raise ConfigError(f"counters={self.counters!r} must be a list: counters=[{self.counters!r}].")
        if not isinstance(self.counters, Sequence | None) or len(set(self.counters or ())) < len(
            list(self.counters or ())
        ):
            raise ConfigError(f"counters={shown(self.counters)} must be a list of features, each of them once.")
        if self.timezone is not None and not isinstance(self.timezone, str):
            raise ConfigError(f"timezone={shown(self.timezone)} must be a name such as 'Europe/Berlin'.")
        if not isinstance(self.bins, Mapping | None):
            raise ConfigError(f"bins={shown(self.bins)} must be a mapping, such as bins={{'bytes': 'sum'}}.")
        if self.bin is not None and (self.step is not None or self.tolerance is not None or self.counters):
            raise ConfigError("bin= is for events; step=, tolerance= and counters= are for polls. Give one of them.")
        if (self.bin is None) != (self.bins is None):
            raise ConfigError("bin= and bins= go together, e.g. bin='1h', bins={'bytes': 'sum', 'sessions': 'count'}.")
        for name, way in (self.bins or {}).items():
            _one_of(f"bins[{name!r}]", way, WAYS)

    def how(self, name: str) -> str | None:
        """How a feature's gaps are filled."""
        return self.fill.get(name) if isinstance(self.fill, Mapping) else self.fill


CHOICES = tuple(one.name for one in fields(Choices))


def _one_of(name: str, value: Any, choices: tuple[Any, ...]) -> None:
    if not isinstance(value, str | None) or value not in choices:
        raise ConfigError(f"{name} is {shown(value)}; choose one of {', '.join(map(repr, choices))}.")


# -- the times of a column ---------------------------------------------------------------------------------------------


@dataclass
class Times:
    """A column of times.

    Attributes
    ----------
    ticks : array, (rows,)
        Of dates in UTC where their zone is known.
    zone : str or None
        That zone.
    """

    name: str
    ticks: np.ndarray
    dates: bool
    zone: str | None
    dtype: Any  # of the column

    @property
    def wall(self) -> np.ndarray:
        """The ticks that the clocks of the zone show; steps of days and more are even by these."""
        if self.zone is None or self.zone == "UTC":
            return self.ticks
        local = pd.DatetimeIndex(self.ticks.view("M8[ns]"), tz="UTC").tz_convert(self.zone).tz_localize(None)
        return np.asarray(local.as_unit("ns").asi8)

    def value(self, ticks: Any) -> np.ndarray:
        """Ticks as the values of a coordinate, in the column's own dtype if that holds them."""
        values = np.asarray(ticks, np.int64).view("M8[ns]") if self.dates else np.asarray(ticks)
        own = values.astype(self.dtype)
        return own if (own.astype(values.dtype) == values).all() else values

    def show(self, tick: Any) -> str:
        """A time as the zone's clock has it, with its distance from UTC."""
        if not self.dates:
            return f"{tick:.15g}" if isinstance(tick, float) else str(tick)
        at = pd.Timestamp(int(tick))
        return str(at if self.zone in (None, "UTC") else at.tz_localize("UTC").tz_convert(self.zone))

    def size(self, ticks: float, exact: bool = False) -> str:
        """A length of time as `step` takes it, rounded to be read by people unless it must be exact."""
        if not self.dates:
            return f"{ticks:.12g}" if ticks != round(ticks) else str(round(ticks))
        fine = 1 if exact else _SECOND if ticks > 10 * _SECOND else _SECOND // 1000
        length = pd.Timedelta(round(ticks / fine) * fine, "ns")
        if length and length % pd.Timedelta("1D") == pd.Timedelta(0):
            return f"{length // pd.Timedelta('1D')}D"
        text = str(to_offset(length).freqstr) if length else "0s"
        return text if text[0].isdigit() else f"1{text}"

    def argument(self, ticks: float) -> str:
        """A length of time as it is written in a call."""
        return repr(self.size(ticks)) if self.dates else self.size(ticks)


def times_of(table: nw.DataFrame[Any], name: str, row_of: np.ndarray, choices: Choices) -> Times:
    """The times of a table's column: numbers, or dates, in UTC where the zone is known."""
    series, zone = table[name], None
    if series.dtype == nw.Duration:
        raise SchemaError(f"column {name!r} holds lengths of time. Make them numbers: df[{name!r}].dt.total_seconds().")
    if series.dtype in (nw.String, nw.Categorical, nw.Enum, nw.Object) and not series.is_null().any():
        items = series.to_list()
        if all(isinstance(item, str) for item in items):
            lines = lines_of(table)
            places, place = (range(len(items)), "row") if lines is None else (lines, "line")
            read = text_times(name, items, places, place)
        elif all(isinstance(item, date) and not isinstance(item, datetime) for item in items):
            read = pd.Series(pd.to_datetime(items))
        elif all(isinstance(item, datetime) for item in items):  # of several offsets
            if any((item.utcoffset() is None) != (items[0].utcoffset() is None) for item in items):
                raise SchemaError(
                    f"column {name!r} has times with a zone and times without. Give all of them one, or none."
                )
            read = pd.Series(pd.to_datetime(items, utc=items[0].utcoffset() is not None))
        else:
            read = pd.Series(column_values(table, name, gaps=False))  # an error that names what it holds
        zone = "UTC" if read.dt.tz is not None else None
        values = (read.dt.tz_localize(None) if zone else read).to_numpy()
    else:
        values = column_values(table, name, gaps=False)
        zone = getattr(series.dtype, "time_zone", None)
        zone = getattr(table.to_native(), "attrs", {}).get(ZONES, {}).get(name, zone)
    if values.dtype.kind != "M":
        return _numeric(name, values, table, choices)
    outside = ~((values > np.datetime64("1678-01-01")) & (values < np.datetime64("2262-01-01")))
    if outside.any():
        k = int(np.flatnonzero(outside)[0])
        raise SchemaError(f"column {name!r} has {values[k]} in {place_of(table, k)}; dates from 1678 to 2261 are read.")
    ticks = values.astype("M8[ns]").astype(np.int64)
    if zone is None and (np.datetime_as_string(values, "Y") == "1900").all():
        _check_forwards(name, ticks, row_of, table)
    if zone is not None and choices.timezone is None:
        try:
            known_zone(zone)
        except ConfigError as error:
            raise SchemaError(
                f"column {name!r} has times of a zone without a name, {zone}. Give it one: df[{name!r}] = "
                f"df[{name!r}].dt.tz_convert('Europe/Berlin'), or whichever it is."
            ) from error
    if choices.timezone is not None:
        known = known_zone(choices.timezone)
        if zone is None:
            ticks = _from_local(name, ticks, row_of, known, choices.ambiguous, table)
        zone = known
    return Times(name, ticks, True, zone, values.dtype)


def _check_forwards(name: str, ticks: np.ndarray, row_of: np.ndarray, table: nw.DataFrame[Any]) -> None:
    """SchemaError for times of day (or dates) of no year, as 1900 stands for, that begin anew within a series."""
    order = np.argsort(row_of, kind="stable")
    moves = np.diff(ticks[order]) * (np.diff(row_of[order]) == 0)
    if (moves > 0).any() and (moves < 0).any():
        falls = moves < 0 if (moves < 0).sum() <= (moves > 0).sum() else moves > 0
        k = int(np.flatnonzero(falls)[0])
        before, after = (f"{pd.Timestamp(ticks[order[at]])} in {place_of(table, int(order[at]))}" for at in (k, k + 1))
        raise SchemaError(
            f"column {name!r} has times without a year, or without a day, and they begin anew: {before}, then {after}. "
            "Make one column of date and time before, with the year."
        )


def _numeric(name: str, values: np.ndarray, table: nw.DataFrame[Any], choices: Choices) -> Times:
    if choices.timezone is not None:
        raise ConfigError(f"timezone={choices.timezone!r} goes with dates; column {name!r} holds numbers.")
    dtype = values.dtype if values.dtype.kind != "b" else np.dtype(np.int64)
    if values.dtype.kind == "f":
        wrong = np.flatnonzero(~(np.abs(values) < 1e300))
        if len(wrong):
            raise SchemaError(f"column {name!r} has the time {values[wrong[0]]} in {place_of(table, int(wrong[0]))}.")
        if (values == np.rint(values)).all() and (np.abs(values) < 2**53).all():
            values = values.astype(np.int64)
    elif values.dtype.kind == "u" and (values > _MOST).any():
        values = values.astype(np.float64)
    ticks = values.astype(np.float64) if values.dtype.kind == "f" else values.astype(np.int64)
    if choices.step is None and choices.bin is None and ticks.dtype.kind == "i" and len(ticks):
        for form, width in (("%Y%m%d", 8), ("%Y%m", 6), ("%Y%m%d%H", 10), ("%Y%m%d%H%M", 12), ("%Y%m%d%H%M%S", 14)):
            if len(np.unique(ticks)) > 1 and 10 ** (width - 1) <= ticks.min() <= ticks.max() < 10**width:
                read = pd.to_datetime(pd.Series(np.unique(ticks).astype(str)), format=form, errors="coerce")
                if read.dt.year.between(1900, 2099).all():
                    made = f"df[{name!r}] = pandas.to_datetime(df[{name!r}].astype(str), format={form!r})"
                    mend = made if lines_of(table) is None else f"dates={{{name!r}: {form!r}}}"
                    raise SchemaError(
                        f"column {name!r} has the number {ticks[0]} in {place_of(table, 0)}: a date, as all its others "
                        f"are? Then {mend}; if they are numbers, give step=1."
                    )
    return Times(name, ticks, False, None, dtype)


def known_zone(name: str) -> str:
    try:
        pd.Timestamp("2024-01-01").tz_localize(str(name))
    except Exception as error:  # of zoneinfo, and of what it makes of odd names
        raise ConfigError(f"timezone is {shown(name)}; give a name such as 'Europe/Berlin' or 'UTC'.") from error
    return name


def _from_local(
    name: str, ticks: np.ndarray, row_of: np.ndarray, zone: str, ambiguous: str | None, table: nw.DataFrame[Any]
) -> np.ndarray:
    """UTC of local times. Which of two hours of the same name is meant is told by the order of the rows, or asked."""
    local = pd.DatetimeIndex(ticks.view("M8[ns]"))
    no = np.zeros(len(ticks), bool)
    first, second = (
        local.tz_localize(zone, ambiguous=which, nonexistent="NaT").tz_convert("UTC").as_unit("ns")
        for which in (~no, no)
    )
    never = np.flatnonzero(first.isna())
    if len(never):
        raise SchemaError(
            f"column {name!r}: {local[never[0]]} in {place_of(table, int(never[0]))} is a time that the clocks of "
            f"{zone} skip ({len(never)} such rows). Give the zone that the times are in, e.g. timezone='UTC'."
        )
    utc, twice = first.asi8.copy(), first.asi8 != second.asi8
    if not twice.any():
        return utc

    # two rows of one time are both hours, if no other time is there twice
    once = ~pd.DataFrame({"of": row_of, "t": ticks})[~twice].duplicated().any()

    # series by series; in a file in order of time the clock goes back once, where the second of the two hours begins
    order = np.argsort(row_of, kind="stable")
    series, shows = row_of[order], ticks[order]
    result, open_ = utc[order], twice[order]
    later = second.asi8[order]
    at = np.flatnonzero(open_)
    for run in np.split(at, np.flatnonzero((np.diff(at) != 1) | (np.diff(series[at]) != 0)) + 1):
        own = np.flatnonzero(series == series[run[0]])
        apart = np.diff(shows[own])
        backwards = len(apart) > 0 and np.median(apart) < 0
        along = run[::-1] if backwards else run
        moves = np.diff(shows[along])
        back = np.flatnonzero(moves < 0)
        hour = abs(int(later[run[0]] - result[run[0]]))
        if once and not len(back) and len(apart) and 0.9 * hour < abs(np.median(apart)) < 1.1 * hour:
            back = np.flatnonzero(moves == 0)
        if len(back) == 1:
            after = along[back[0] + 1 :]
            result[after] = later[after]
            moved = np.diff(result[own]) * (-1 if backwards else 1)
            open_[run] = (moved < 0).any()
    unsure = order[open_]
    if len(unsure) and ambiguous is None:
        k = int(unsure.min())
        raise SchemaError(
            f"column {name!r}: {local[k]} in {place_of(table, k)} comes twice in {zone}, where clocks go back, and the "
            f"order of the rows does not tell which is meant ({len(unsure)} such rows). Say ambiguous='first' or "
            "'second', or give the times with their offset, or in UTC."
        )
    utc[order] = result
    if len(unsure):
        utc[unsure] = (first if ambiguous == "first" else second).asi8[unsure]
    return utc


# -- steps -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Step:
    """The distance of two rows: even, or of months or business days, which are of unequal length."""

    size: float  # ticks; of months and business days the shortest
    text: str  # as `step` takes it
    kind: str = "even"
    count: int = 1  # of months
    anchor: int = 0  # of bins: months after January's beginning, or the day on which a week begins (0: Monday)


@dataclass
class Slots:
    """Which step of its series each row is.

    Attributes
    ----------
    slot : array of int, (rows,)
        From 0 on in each series.
    off : array, (rows,)
        How far a row's time is from that of its step, in ticks.
    at : function of (series, slot)
        The tick of a step.
    """

    slot: np.ndarray
    off: np.ndarray
    at: Callable[[np.ndarray, np.ndarray], np.ndarray]


def _given(value: Any, times: Times, argument: str = "step") -> Step:
    """A step as the user writes it."""
    if not times.dates:
        good = isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)
        if not good or not 0 < value < _MOST:
            raise ConfigError(
                f"{argument}={shown(value)} must be a positive number: column {times.name!r} holds numbers, not dates."
            )
        size = int(value) if value == int(value) else float(value)
        return Step(size, f"{value:g}" if isinstance(size, float) else str(size))
    try:
        if isinstance(value, int | float):
            raise ValueError
        offset = to_offset(value)
    except (ValueError, TypeError) as error:
        raise ConfigError(
            f"{argument}={shown(value)} is no length of time such as '5min', '1h', '1D', 'MS' (months) or 'B' "
            "(business days)."
        ) from error
    text, n, kind = str(offset.freqstr), int(getattr(offset, "n", 0)), type(offset).__name__
    months = {"Month": 1, "Quarter": 3, "Year": 12}
    found = re.fullmatch(r"(Month|Quarter|Year)(Begin|End)", kind)
    if found and n > 0:
        # "QS-FEB" begins in February, "QE-FEB" ends there
        named = int(getattr(offset, "startingMonth", getattr(offset, "month", 0)))
        begins = named - 1 if found[2] == "Begin" else named
        return Step(28 * _DAY, text, "months", n * months[found[1]], begins % months[found[1]])
    if type(offset) is offsets.BusinessDay and n == 1:
        return Step(_DAY, text, "business days")
    size = int(offset.nanos) if isinstance(offset, offsets.Tick) else {"Day": _DAY, "Week": 7 * _DAY}.get(kind, 0) * n
    if not 0 < size < _MOST:
        raise ConfigError(
            f"{argument}={shown(value)} is no step that is known here; choose e.g. '5min', '1D', 'MS', 'B'."
        )
    # "W-WED" ends on Wednesdays, "W" on Sundays; and so do seven days
    ends = getattr(offset, "weekday", 6)
    return Step(size, times.size(size, exact=True) if ends == 6 else text, anchor=(ends + 1) % 7)


def _slots(ticks: np.ndarray, series: np.ndarray, step: Step, tolerance: float) -> Slots:
    """The steps of rows that are sorted by series and time; `series` numbers them from 0 without a hole."""
    first = np.flatnonzero(np.diff(series, prepend=-1))
    if step.kind == "months":
        return _months(ticks, series, first, step)
    if step.kind == "business days":
        days = ticks // _DAY
        dates = days.view("M8[D]")
        begin = np.busday_offset(dates[first], 0, roll="forward")
        clock = _middle(ticks - days * _DAY, series)
        off = ticks - days * _DAY - clock[series] + _DAY * ~np.is_busday(dates)

        def business(of: np.ndarray, k: np.ndarray) -> np.ndarray:
            return np.asarray(np.busday_offset(begin[of], k).astype("M8[ns]").astype(np.int64) + clock[of])

        return Slots(np.busday_count(begin[series], dates), off, business)

    # each series from its own first row, if all are where this puts them; with jitter from the clock's whole steps, or
    # else from where most rows of a series are
    best = _even(ticks, series, ticks[first], step)
    if np.abs(best.off).max() > 1e-6 * step.size:
        clock = np.rint(ticks[first] / step.size).astype(np.int64) * step.size
        phase = np.exp(2j * np.pi * (((ticks - ticks[first][series]) / step.size) % 1))
        turn = np.angle(np.bincount(series, phase.real) + 1j * np.bincount(series, phase.imag)) / (2 * np.pi)
        usual = ticks[first] + turn * step.size
        if ticks.dtype.kind == "i":
            # as round as the spread of the rows leaves open: an hour, a minute, a second
            away = np.angle(np.exp(2j * np.pi * (((ticks - usual[series]) / step.size) % 1))) / (2 * np.pi) * step.size
            rows = np.bincount(series)
            unsure = 3 * np.sqrt(np.bincount(series, away**2)) / rows
            for round_ in (1, 1000, 10**6, _SECOND, 10 * _SECOND, 60 * _SECOND, 600 * _SECOND, 3600 * _SECOND):
                rounded = np.rint(usual / round_) * round_
                usual = np.where(np.abs(rounded - usual) <= unsure, rounded, usual)
            usual = np.rint(usual).astype(np.int64)
        origins = [clock, usual]
        if (np.diff(ticks) % step.size == 0).mean() > 0.25:  # most rows may be exactly in some place
            origins.append(_usual(ticks, series, first, step))
        tried = [_even(ticks, series, origin, step) for origin in origins]
        best = max(
            tried, key=lambda one: (_near(one.off, tolerance), _near(one.off, 1e-6 * step.size) > len(ticks) / 2)
        )
    return best


def _usual(ticks: np.ndarray, series: np.ndarray, first: np.ndarray, step: Step) -> np.ndarray:
    """A place of each series' steps at which most of its rows are exactly."""
    rest = (ticks - ticks[first][series]) % step.size
    order = np.lexsort((rest, series))
    same = (np.diff(series[order]) == 0) & (np.diff(rest[order]) == 0)
    begins = np.flatnonzero(np.append(True, ~same))
    often = np.diff(np.append(begins, len(rest)))
    best = begins[np.lexsort((-often, series[order][begins]))]
    best = best[np.diff(series[order][best], prepend=-1) != 0]
    return np.asarray(ticks[first] + rest[order][best])


def _near(off: np.ndarray, tolerance: float) -> int:
    """How many rows are so near to their places."""
    return int((np.abs(off) <= tolerance).sum())


def _even(ticks: np.ndarray, series: np.ndarray, origin: np.ndarray, step: Step) -> Slots:
    since = ticks - origin[series]
    slot = np.floor(since / step.size + 0.5).astype(np.int64)
    off = since - slot * step.size
    begin = np.full(int(series[-1]) + 1, np.iinfo(np.int64).max)
    np.minimum.at(begin, series, slot)
    return Slots(slot - begin[series], off, lambda of, k: origin[of] + (begin[of] + k) * step.size)


def _months(ticks: np.ndarray, series: np.ndarray, first: np.ndarray, step: Step) -> Slots:
    # moved to the middle of their months, so that a day too early at a month's beginning is not of the month before
    since = ticks - ticks.view("M8[ns]").astype("M8[M]").astype("M8[ns]").astype(np.int64)
    turn = np.exp(2j * np.pi * since / (30.44 * _DAY))
    phase = np.angle(np.bincount(series, turn.real) + 1j * np.bincount(series, turn.imag)) / (2 * np.pi) % 1
    moved = ticks + ((0.5 - phase) * 30 * _DAY).astype(np.int64)[series]
    months = moved.view("M8[ns]").astype("M8[M]").astype(np.int64)
    begin = months[first]

    def month(number: np.ndarray) -> np.ndarray:
        return np.asarray(number).astype("M8[M]").astype("M8[ns]").astype(np.int64)

    # a day counted from the month's beginning or from its end, whichever is the same throughout
    start, end = (_middle(ticks - month(months + later), series) for later in (0, 1))

    def from_start(of: np.ndarray, number: np.ndarray) -> np.ndarray:  # or the last day of a month too short for it
        return np.minimum(month(number) + start[of], month(number + 1) - _DAY + start[of] % _DAY)

    def from_end(of: np.ndarray, number: np.ndarray) -> np.ndarray:
        return month(number + 1) + end[of]

    place = min((from_start, from_end), key=lambda one: np.abs(ticks - one(series, months)).sum())
    since = months - begin[series]
    off = ticks - place(series, months) + since % step.count * 30 * _DAY
    return Slots(since // step.count, off, lambda of, k: place(of, begin[of] + k * step.count))


def _middle(values: np.ndarray, series: np.ndarray) -> np.ndarray:
    """Of each series the middle one of its values."""
    order = np.lexsort((values, series))
    first, n = np.flatnonzero(np.diff(series, prepend=-1)), np.bincount(series)
    return np.asarray(values[order][first + (n - 1) // 2])


def _find(ticks: np.ndarray, series: np.ndarray, times: Times) -> tuple[Step | None, float, float]:
    """The step of rows sorted by series and time, its share of all distances, and the most frequent distance.

    Months, or the most frequent distance, if all rows fit exactly. With jitter the step that leaves the least of it:
    the roundest of those that do about as well, but rather the most frequent distance if that is round, and months.
    None if fewer than half of the distances are one step, or too many rows are far from theirs.
    """
    same, between = np.diff(series) == 0, np.diff(ticks)
    real = same & (between > (1e-14 * np.abs(ticks).max() if ticks.dtype.kind == "f" else 0))  # but for rounding
    apart = between[real]
    if not len(apart):
        return Step(_DAY if times.dates else 1, ""), 1.0, 1  # no two rows in a series: any step will do
    mode, middle = _most_frequent(apart), float(np.median(apart))
    counted = np.rint(apart / middle)
    mean = float(apart[counted > 0].sum() / counted.sum())

    sizes: list[float]
    months = _months_apart(ticks, series, apart) if times.dates and apart.min() >= 27 * _DAY else []
    if times.dates:
        sizes = [size for size in _NICE if abs(size - middle) < _JITTER * middle]
        sizes += [round(mean / fine) * fine for fine in (3600 * _SECOND, 60 * _SECOND, _SECOND) if mean > 5 * fine]
        sizes.append(round(mean))
    else:
        powers = [10.0 ** (math.floor(math.log10(mean)) - k) for k in range(4)]
        rounded = [float(f"{round(mean / power) * power:.12g}") for power in powers]
        sizes = [int(size) if size == round(size) else size for size in rounded if size > 0]
        sizes.append(mean)
    steps_of_sizes = [Step(size, times.size(size, exact=True)) for size in dict.fromkeys([mode, *sizes])]

    fits = []
    for step in (*months, *steps_of_sizes):
        slots = _slots(ticks, series, step, _JITTER * step.size)
        steps, off = np.diff(slots.slot)[real], np.abs(slots.off)
        share = float((steps == 1).sum() / max(1, (steps > 0).sum()))
        if share < _USUAL or (steps == 0).mean() > 0.2:
            continue
        if off.max() <= 1e-6 * step.size:
            return step, share, mode
        if step.kind == "months" or step.size != mode or mode in sizes:  # with jitter the most frequent is chance
            fits.append((float((off <= _JITTER * step.size).mean()), float(slots.off.std()), step, share))
    good = max((fit[0] for fit in fits), default=0.0)
    usual = float((apart == mode).mean())
    if good < 0.8:  # of a clock that was set once, the next question is how far from their places times may be
        return (steps_of_sizes[0] if usual > 0.9 else None), usual, mode
    fits = [fit for fit in fits if fit[0] >= good - 0.01]
    round_ = mode in _NICE if times.dates else float(f"{mode:.2g}") == mode
    if usual > (_USUAL if round_ else 0.9):  # a clock that was set, not one that is wrong by a little all the time
        fits = [fit for fit in fits if fit[2].size == mode] or fits
    least = min(fit[1] for fit in fits)
    allowed = {"months": 3.0, "even": 1.3}  # months are of unequal length, and come first
    return next((step, share, mode) for _, left, step, share in fits if left <= allowed[step.kind] * least)


def _months_apart(ticks: np.ndarray, series: np.ndarray, apart: np.ndarray) -> list[Step]:
    """The steps of whole months that rows so far apart may be in."""
    months = np.diff(ticks.view("M8[ns]").astype("M8[M]").astype(np.int64))[np.diff(series) == 0]
    common, usual = math.gcd(*np.unique(months).tolist()), round(float(np.median(apart)) / (30.44 * _DAY))
    counts = [n for n in dict.fromkeys((common, usual)) if n > 0]
    return [Step(28 * _DAY, "MS" if n == 1 else f"{n}MS", "months", n) for n in counts]


def _most_frequent(apart: np.ndarray) -> Any:
    """The most frequent value, the smallest of several; of numbers with rounding errors their middle."""
    if apart.dtype.kind == "i":
        values, counts = np.unique(apart, return_counts=True)
        return int(values[counts.argmax()])
    cell = np.rint(apart / np.median(apart) * 1e6)
    values, counts = np.unique(cell, return_counts=True)
    return float(f"{np.median(apart[cell == values[counts.argmax()]]):.12g}")


# -- rows on the grid --------------------------------------------------------------------------------------------------


@dataclass
class Placed:
    """Rows in order of series and time, and which step each of them is.

    Attributes
    ----------
    rows : array of int
        Their positions in the table.
    series, slot : array of int
    seconds : array
        Their own times, not those of the grid; of numbers the numbers.
    length : array of int, (N,)
        Steps of each series.
    at : function of (series, slot)
        The time of a step, as a coordinate's value.
    said : dict
        What was decided, and how often.
    """

    rows: np.ndarray
    series: np.ndarray
    slot: np.ndarray
    seconds: np.ndarray
    length: np.ndarray
    at: Callable[[np.ndarray, np.ndarray], np.ndarray]
    said: dict[str, Any] = field(default_factory=dict)
    timed: bool = True


def in_order(row_of: np.ndarray, n: int) -> Placed:
    """Rows of a table without times: steps in their order."""
    rows = np.argsort(row_of, kind="stable")
    length = np.bincount(row_of, minlength=n)
    slot = np.arange(len(rows)) - np.repeat(np.cumsum(length) - length, length)
    said = {"order": "no time: rows are steps in their order"}
    return Placed(rows, row_of[rows], slot, slot, length, lambda of, k: k, said, False)


@dataclass
class _Rows:
    """Rows sorted by series and time, and what it takes to say where one is."""

    times: Times
    rows: np.ndarray
    series: np.ndarray
    ticks: np.ndarray
    ids: np.ndarray
    table: nw.DataFrame[Any]
    choices: Choices
    asked: Asked
    said: dict[str, Any] = field(default_factory=dict)

    def sample(self, k: int) -> str:
        return repr(str(self.ids[self.series[k]]))

    def place(self, k: int) -> str:
        return place_of(self.table, int(self.rows[k]))

    def show(self, k: int) -> str:
        return self.times.show(self.ticks[k])

    @property
    def same(self) -> np.ndarray:
        """Whether a row and the next are of one series."""
        return np.asarray(np.diff(self.series) == 0)


def placed(
    times: Times,
    row_of: np.ndarray,
    ids: np.ndarray,
    choices: Choices,
    asked: Asked,
    table: nw.DataFrame[Any],
    features: list[str],
) -> Placed:
    """Each row at its step, or in its bin; what is open goes to `asked`."""
    forward = np.diff(times.ticks)[np.diff(row_of) == 0]
    backwards = len(forward) > 0 and (forward < 0).mean() > 0.5
    index = np.arange(len(row_of))
    order = np.lexsort((-index if backwards else index, times.ticks, row_of))
    rows = _Rows(times, order, row_of[order], times.ticks[order], ids, table, choices, asked)
    if (forward < 0).any():
        rows.said["order"] = "rows came newest first" if backwards else "rows came in no order of time"
    if not times.dates:
        rows.said["_per"] = f"unit of {times.name}"
    elif times.zone is None:
        _ask_for_zone(times, row_of, backwards, rows)
    if times.zone is not None:
        rows.said["timezone"] = f"{times.zone}, times in UTC" if times.zone != "UTC" else "UTC"

    if choices.bin is not None:
        step = _given(choices.bin, times, "bin")
        _take_days(rows, step)
        slots = _bins(rows.ticks, rows.series, step)
        rows.said |= {"bin": step.text, "events": len(order)}
    else:
        step = _step_of(rows, features)
        slots = _in_steps(rows, step)

    own = times.ticks[order]
    seconds = (own - own.min()) / _SECOND if times.dates else own
    length = np.zeros(len(ids), np.int64)
    np.maximum.at(length, rows.series, slots.slot + 1)

    def at(of: np.ndarray, k: np.ndarray) -> np.ndarray:
        return times.value(slots.at(of, k))

    return Placed(order, rows.series, slots.slot, seconds, length, at, rows.said)


def _ask_for_zone(times: Times, row_of: np.ndarray, backwards: bool, rows: _Rows) -> None:
    """Rows in order of time, but that once the clock goes back by up to an hour: summer time ends there."""
    order = np.argsort(row_of, kind="stable")
    moves = np.diff(times.ticks[order]) * (-1 if backwards else 1)
    back = np.flatnonzero((moves < 0) & (np.diff(row_of[order]) == 0))
    once = len(np.unique(row_of[order][back])) == len(back)
    if len(back) and once and (moves[back] >= -3600 * _SECOND).all() and (moves[back] < -1800 * _SECOND).all():
        k = int(order[back[0] + 1])
        rows.asked.add(
            f"column {times.name!r}: the clock goes back by up to an hour at {times.show(times.ticks[k])} "
            f"({place_of(rows.table, k)}), in {len(back)} samples, as where summer time ends. Give the zone of the "
            "times: timezone='Europe/Berlin', or whichever it is ('UTC': they are in no local time).",
            timezone="'...'",
        )


def _take_days(rows: _Rows, step: Step | None) -> None:
    """Steps of days and more go by the clocks of the zone."""
    if rows.times.zone is None or step is None or (step.kind == "even" and step.size % _DAY != 0):
        return
    wall = rows.times.wall[rows.rows]
    if not (np.diff(wall)[rows.same] < 0).any():  # but for two rows of an hour that comes twice
        rows.ticks, rows.said["timezone"] = wall, rows.times.zone


def _step_of(rows: _Rows, features: list[str]) -> Step:
    """The step that is given, or found."""
    times, choices = rows.times, rows.choices
    if choices.step is not None:
        step = _given(choices.step, times)
        _take_days(rows, step)
        rows.said["step"] = step.text
        return step
    utc = rows.ticks
    if times.zone not in (None, "UTC"):
        _take_days(rows, Step(_DAY, "1D"))
    found, share, mode = _find(rows.ticks, rows.series, times)
    if rows.ticks is not utc and (found is None or (found.kind == "even" and found.size % _DAY != 0)):
        rows.ticks, rows.said["timezone"] = utc, f"{times.zone}, times in UTC"
        found, share, mode = _find(utc, rows.series, times)
    if found is not None:
        rows.said |= {"step": found.text, "step_found": round(share, 4)} if found.text else {}
        return found
    rows.asked.ask()  # a question of the zone comes first
    mean = float(np.diff(rows.ticks)[rows.same].mean())
    width, half = 10.0 ** math.ceil(math.log10(10 * mean)), float(np.ptp(rows.ticks)) / 2
    width = min(width, 10.0 ** math.floor(math.log10(half)))  # two bins at least
    if times.dates:
        width = min([size for size in _NICE if size >= 10 * mean], default=_NICE[-1])
        width = min(width, max((size for size in _NICE if size <= half), default=width))
    k = int(np.flatnonzero(rows.same)[0])
    ways = {**dict.fromkeys(features[:2], "mean"), "events": "count"}
    usual = float(mode) if share > _USUAL else float(width)
    example = times.argument(usual), times.argument(usual / 2)
    raise SchemaError(
        f"column {times.name!r}: no step explains the distances of its rows; the most frequent, {times.size(mode)}, is "
        f"{share:.0%} of them (the first two rows of sample {rows.sample(k)} are at {rows.show(k)} and "
        f"{rows.show(k + 1)}). If rows are events (sessions, lines of a log), count or sum them up; if they are polls, "
        f"give their step and how far a time may be from its place, e.g. step={example[0]}, tolerance={example[1]}; if "
        "they are steps in their order whatever their times, sort them and leave `time` out.\nFor example: "
        f"{rows.asked.function}(..., bin={times.argument(width)}, bins={ways})"
    )


def _tolerance(step: Step, times: Times, choices: Choices) -> float:
    """How far a time may be from that of its step, in ticks."""
    given = choices.tolerance
    return _JITTER * step.size if given is None else _given(given, times, "tolerance").size


def _in_steps(rows: _Rows, step: Step) -> Slots:
    """Which step each row is; asks about rows far from theirs, several for one, and steps without any."""
    times, series, choices = rows.times, rows.series, rows.choices
    tolerance = _tolerance(step, times, choices)
    slots = _slots(rows.ticks, series, step, tolerance)

    # jitter
    off = np.abs(slots.off)
    worst = float(off.max())
    rows.said |= _snapped(off, step, tolerance, times)
    beyond = np.flatnonzero(off > tolerance * (1 + 1e-9))
    if len(beyond):
        k = int(beyond[0])
        wider = math.ceil(worst / _SECOND) * _SECOND if times.dates and worst > _SECOND else worst * 1.001
        rows.asked.add(
            f"column {times.name!r}: {len(beyond)} of {len(off)} times are further than {times.size(tolerance)} from "
            f"where steps of {step.text} put them, by up to {times.size(worst)}; the first is {rows.show(k)} in sample "
            f"{rows.sample(k)} ({rows.place(k)}). Give the step that they have (step=), or a larger tolerance= (each "
            "goes to its nearest step), or put events in bins (bin=, bins=).",
            step=repr(step.text) if times.dates else step.text,
            tolerance=times.argument(wider),
        )

    # several rows for one step
    again = np.flatnonzero(rows.same & (np.diff(slots.slot) == 0))
    if len(again):
        rows.said |= {"duplicates": len(again), "duplicates_by": choices.duplicates}
        if choices.duplicates is None:
            k = int(again[0])
            both, several = rows.show(k), ""
            if rows.ticks[k] != rows.ticks[k + 1]:
                both += f" and {rows.show(k + 1)}, one step" + (f" of {step.text}" if step.text else "")
            twice = "; of an hour that comes twice by the zone, e.g. timezone='Europe/Berlin'"
            if 3 * len(again) >= len(rows.rows):  # no slip: a sample has several series
                several = (
                    " If another column tells rows of one time apart: name it in sample= (of two columns one made of "
                    "both), or, where it names what was measured, make a column of each of its values before, with "
                    "df.pivot_table."
                )
            if rows.times.dates and not (rows.ticks % _DAY).any():
                twice += "; or, if another column holds the time of day, make one of both before"
            rows.asked.add(
                f"column {times.name!r}: sample {rows.sample(k)} has two rows for {both}: {rows.place(k)} and "
                f"{rows.place(k + 1)} ({len(again)} such). Say which count: duplicates='mean', 'last' or 'first'"
                f"{twice if times.dates and times.zone is None else ''}.{several}",
                duplicates="'last'",
            )

    # steps without a row: said here, asked about where values are missing
    skipped = np.diff(slots.slot) - 1
    gaps = np.flatnonzero(rows.same & (skipped > 0))
    if len(gaps):
        first, longest = int(gaps[0]), int(gaps[skipped[gaps].argmax()])
        missing, samples = int(skipped[gaps].sum()), len(np.unique(series[gaps]))
        weekdays = _weekdays(rows, step)
        rows.said |= {
            "gaps": len(gaps),
            "missing_steps": missing,
            "gaps_in_samples": samples,
            "longest_gap": int(skipped[longest]),
            "longest_gap_after": rows.show(longest),
            "longest_gap_in": str(rows.ids[series[longest]]),
        }
        rows.said["_gap"] = (
            f"column {times.name!r}: {missing} steps of {step.text} have no row, in {len(gaps)} gaps, in {samples} of "
            f"{len(rows.ids)} samples; the first after {rows.show(first)} in sample {rows.sample(first)} "
            f"({rows.place(first)}), the longest of {skipped[longest]} steps after {rows.show(longest)} in sample "
            f"{rows.sample(longest)}.{_of_their_own(rows, slots, step)}{_spring(rows, gaps, skipped, step)}"
            f"{weekdays}"
        )
        rows.said |= {"_step": "'B'"} if weekdays else {}
    return slots


def _snapped(off: np.ndarray, step: Step, tolerance: float, times: Times) -> dict[str, Any]:
    """What is said of times that are not where the steps put them."""
    moved = int((off > 1e-6 * step.size).sum())
    most = {"snapped_most": times.size(float(off.max())), "tolerance": times.size(tolerance)}
    return {"snapped": moved} | most if moved else {}


def _of_their_own(rows: _Rows, slots: Slots, step: Step) -> str:
    """What to say of samples whose rows are several steps apart: they have another step."""
    apart = pd.Series(np.diff(slots.slot)[rows.same]).groupby(rows.series[1:][rows.same])
    usual = apart.median()
    own = usual[(usual > 1) & (apart.quantile(0.05) == usual) & (apart.quantile(0.9) == usual) & (apart.size() > 4)]
    if not len(own) or step.kind != "even":
        return ""
    size = rows.times.size(float(own.iloc[0]) * step.size)
    return (
        f" {len(own)} samples, such as {str(rows.ids[own.index[0]])!r}, have steps of their own, of {size}: bring all "
        f"to one, bin={rows.times.argument(float(own.iloc[0]) * step.size)} with bins=, or read them apart."
    )


def _spring(rows: _Rows, gaps: np.ndarray, skipped: np.ndarray, step: Step) -> str:
    """What to say of an hour that is missing on a Sunday night: clocks of local time skip it."""
    if not rows.times.dates or rows.times.zone is not None:
        return ""
    after = pd.DatetimeIndex(rows.ticks[gaps + 1].view("M8[ns]"))
    hour = (skipped[gaps] * step.size == 3600 * _SECOND) & (after.day_of_week == 6) & (after.hour <= 4)
    said = " Clocks skip an hour where summer time begins: timezone='Europe/Berlin', or whichever it is."
    return said if hour.any() else ""


def _weekdays(rows: _Rows, step: Step) -> str:
    """What to say of days of which none is on a weekend."""
    if not rows.times.dates or step.kind != "even" or step.size != _DAY:
        return ""
    dates = (rows.ticks // _DAY).view("M8[D]")
    no_weekend = len(dates) >= 6 and np.is_busday(dates).all()
    return " No row is on a Saturday or Sunday: step='B' counts business days alone." if no_weekend else ""


def placed_columns(times: Times, names: list[str], choices: Choices, asked: Asked) -> Placed | None:
    """The columns of a wide table at their steps, by the times in their names; None for numbers without a step."""
    ticks, series = times.ticks, np.zeros(len(names), np.int64)
    if choices.step is not None:
        step = _given(choices.step, times)
    else:
        found, _, _ = _find(ticks, series, times)
        if found is None and not times.dates:
            return None
        if found is None:
            raise SchemaError(
                f"the dates in the names of the columns, {names[0]!r} to {names[-1]!r}, have no step in common. Give "
                "it, e.g. step='1D', tolerance='1h', or rename them if they are steps in their order."
            )
        step = found
    tolerance = _tolerance(step, times, choices)
    slots = _slots(ticks, series, step, tolerance)
    far = np.flatnonzero(np.abs(slots.off) > tolerance)
    if len(far):
        asked.add(
            f"column {names[far[0]]!r} is further than {times.size(tolerance)} from where steps of {step.text} put it. "
            "Give the step that the columns have, or a larger tolerance.",
            step="...",
        )
    elif len(np.unique(slots.slot)) < len(names):
        k = int(np.flatnonzero(np.diff(slots.slot) == 0)[0])
        raise SchemaError(
            f"columns {names[k]!r} and {names[k + 1]!r} are one step of {step.text}. Give a smaller step=."
        )
    said: dict[str, Any] = {"step": step.text, "step_of": "the columns' names"}
    said |= _snapped(np.abs(slots.off), step, tolerance, times)
    skipped = np.diff(slots.slot) - 1
    gaps = np.flatnonzero(skipped > 0)
    if len(gaps):
        said |= {"gaps": len(gaps), "missing_steps": int(skipped[gaps].sum()), "longest_gap": int(skipped.max())}
        said["_gap"] = (
            f"{said['missing_steps']} steps of {step.text} have no column, the first after {names[gaps[0]]!r} (if "
            "columns are steps in their order whatever their names, rename them)."
        )
    seconds = ticks / _SECOND if times.dates else ticks
    n = int(slots.slot.max()) + 1
    return Placed(
        np.arange(len(names)),
        series,
        slots.slot,
        seconds,
        np.array([n]),
        lambda of, k: times.value(slots.at(of * 0, k)),
        said,
    )


def later(first: np.ndarray, steps: np.ndarray, text: str) -> np.ndarray:
    """Dates so many steps later."""
    times = Times("", first.astype("M8[ns]").astype(np.int64), True, None, first.dtype)
    step = _given(text, times)
    slots = _slots(times.ticks, np.arange(len(first)), step, math.inf)
    return times.value(slots.at(np.arange(len(first)), steps))


def _bins(ticks: np.ndarray, series: np.ndarray, step: Step) -> Slots:
    first = np.flatnonzero(np.diff(series, prepend=-1))
    if step.kind != "even":
        if step.kind == "business days":
            raise ConfigError("bin='B' would leave out weekends; bin by '1D' and drop them, or choose another bin.")
        start = ticks.view("M8[ns]").astype("M8[M]")
        count = (start.astype(np.int64) - step.anchor) // step.count
        begin = count[first]
        return Slots(
            count - begin[series],
            np.zeros(len(ticks)),
            lambda of, k: ((begin[of] + k) * step.count + step.anchor)
            .astype("M8[M]")
            .astype("M8[ns]")
            .astype(np.int64),
        )
    shift = (step.anchor + 4) % 7 * _DAY if step.size % (7 * _DAY) == 0 else 0  # 1970 began on a Thursday
    count = (
        np.floor((ticks - shift) / step.size).astype(np.int64)
        if ticks.dtype.kind == "f" or isinstance(step.size, float)
        else (ticks - shift) // step.size
    )
    begin = count[first]
    return Slots(count - begin[series], np.zeros(len(ticks)), lambda of, k: (begin[of] + k) * step.size + shift)


# -- values on the grid ------------------------------------------------------------------------------------------------


def one_a_step(
    values: np.ndarray, at: Placed, how: str | None, *, truth: bool = False, missing: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Values of rows in the order of `at`, one for each step that has any: their positions there, and the values.

    Between text, or `truth` values, there is no mean. Whole numbers that are `missing` are told apart.
    """
    missing = missing_in(values) if missing is None and values.dtype.kind in "fU" else missing
    kept = np.arange(len(values)) if missing is None else np.flatnonzero(~missing)
    cell = at.series[kept] * (int(at.length.max()) + 1) + at.slot[kept]
    new = np.diff(cell, prepend=-1) != 0
    if new.all():
        return kept, values[kept]
    if how == "last":
        return kept[np.append(new[1:], True)], values[kept[np.append(new[1:], True)]]
    first = kept[new]
    if how != "mean":
        return first, values[first]
    group = np.cumsum(new) - 1
    if values.dtype.kind == "U" or truth:
        other = np.flatnonzero(values[kept] != values[first][group])
        if len(other):
            both = values[first][group][other[0]], values[kept][other[0]]
            one, two = (str(bool(value) if truth else value) for value in both)
            raise SchemaError(
                f"duplicates='mean' goes with numbers, but there are {one!r} and {two!r} for one step. Say "
                "duplicates='last' or 'first'."
            )
        return first, values[first]
    return first, np.bincount(group, values[kept].astype(np.float64)) / np.bincount(group)


def binned(values: np.ndarray | None, at: Placed, way: str) -> np.ndarray:
    """Events of a column (None: no column, all rows count) in bins, (N, T); blank where a bin has no value."""
    n, steps = len(at.length), int(at.length.max())
    cell = at.series * steps + at.slot
    unknown: np.ndarray | bool = False
    if values is not None:
        kept = ~missing_in(values) if values.dtype.kind in "fU" else np.ones(len(values), bool)
        if way == "sum":  # what is missing is not 0
            unknown = np.bincount(cell[~kept], minlength=n * steps).reshape(n, steps) > 0
        cell, values = cell[kept], values[kept]
    valid = np.arange(steps) < at.length[:, None]
    if way in ("count", "sum"):
        weights = None if way == "count" else np.asarray(values, np.float64)
        total = np.bincount(cell, weights, minlength=n * steps).reshape(n, steps)
        return np.where(valid & ~np.asarray(unknown), total, np.nan)
    text = values is not None and values.dtype.kind == "U"
    grouped = getattr(pd.Series(values).groupby(cell), way)()
    result = np.full(n * steps, "" if text else np.nan, np.asarray(values).dtype if text else np.float64)
    result[grouped.index] = grouped.to_numpy()
    return result.reshape(n, steps)


def fill_missing(values: np.ndarray, length: np.ndarray, how: str | None, max_gap: int | None) -> int:
    """Replaces what is missing before the end of a series that has any value, in gaps of at most `max_gap` steps.

    Tells how many values it made.
    """
    if how is None:
        return 0
    missing, made = missing_in(values), 0
    for i in np.flatnonzero((missing & (np.arange(values.shape[1]) < length[:, None])).any(1)):
        n = length[i]
        known = np.flatnonzero(~missing[i, :n])
        if not len(known):
            continue  # named later
        steps = np.flatnonzero(missing[i, :n])
        after = np.searchsorted(known, steps)
        if max_gap is not None:
            edges = np.concatenate([[-1], known, [n]])
            short = edges[after + 1] - edges[after] - 1 <= max_gap
            steps, after = steps[short], after[short]
        if how == "linear" and values.dtype.kind != "U":
            values[i, steps] = np.interp(steps, known, values[i, known])
        else:
            values[i, steps] = values[i, known[np.maximum(after - 1, 0)]]
        made += len(steps)
    return made


# -- counters ----------------------------------------------------------------------------------------------------------


@dataclass
class Rates:
    """What readings of a counter became.

    Attributes
    ----------
    per_second : array, (N, T)
        The mean rate from the step before to this one; NaN where it is not known.
    wraps, resets, unseen, fast, filled : int
        How often the counter went on from 0 after 2^32 or 2^64, began anew, may have wrapped unseen in a gap, and went
        up by nearly 2^32 in one step; and how many steps without a reading got a rate.
    """

    per_second: np.ndarray
    wraps: int = 0
    resets: int = 0
    unseen: int = 0
    fast: int = 0
    filled: int = 0


@dataclass
class Readings:
    """What counters show: whole numbers as uint64, else floats; of a wide table a column for each step.

    Attributes
    ----------
    values : array
    missing : array of bool
        Where there is no value.
    """

    values: np.ndarray
    missing: np.ndarray


def rates(readings: Readings, at: Placed, resets: np.ndarray, spread: bool, max_gap: int | None) -> Rates:
    """Rates of a counter.

    Parameters
    ----------
    readings : Readings, (rows,)
        In the order of `at`.
    resets : array of bool, (rows,)
        Rows at which another counter of the series began anew: this one did as well.
    spread : bool
        Steps without a row (at most `max_gap`) get the mean rate over their gap.
    """
    # a reading is a state: the last one holds, and a mean says nothing
    kept, values = one_a_step(readings.values, at, "last", missing=readings.missing)
    result = np.full((len(at.length), int(at.length.max())), np.nan)
    series, slot, seconds = at.series[kept], at.slot[kept], at.seconds[kept]
    pair = np.flatnonzero(np.diff(series) == 0)
    if not len(pair):
        return Rates(result)
    delta, wrapped = _deltas(values, pair)
    steps, lasted = np.diff(slot)[pair], np.diff(seconds)[pair].astype(np.float64)
    rate, own = delta / lasted, series[pair]

    # the usual rates: the largest of the series, and of the neighbours
    up = delta >= 0
    most = np.full(len(at.length), -np.inf)
    np.maximum.at(most, own[up], rate[up])
    near = pd.Series(np.where(up, rate, np.nan)).groupby(own)
    around = near.transform(lambda of: of.rolling(7, center=True, min_periods=1).median()).to_numpy()

    # going down is a wrap where that gives a usual rate, and else a reset
    down = np.flatnonzero(~up)
    again = wrapped[down] / lasted[down]
    likely = again <= 1.25 * most[own[down]]
    often = most[own[down]] * lasted[down] > 0.05 * 2.0**32  # so fast that a reset would often look like a wrap
    likely &= ~often | ((again <= 3 * around[down]) & (again >= around[down] / 3))
    anew = np.cumsum(resets)
    sibling = anew[kept[pair + 1]] > anew[kept[pair]]
    likely &= ~sibling[down]
    rate[down[likely]] = again[likely]
    lost = sibling.copy()
    lost[down[~likely]] = True

    # in a gap a counter of 32 bits may have gone round unseen; where it does so in a single step, nothing can be told
    largest = np.zeros(len(at.length))
    np.maximum.at(largest, series, values.astype(np.float64))
    of_32 = (largest[own] < 2.0**32) & (largest[own] > 2.0**31)
    unseen = (steps > 1) & of_32 & (most[own] * lasted >= 2.0**32) & ~sibling
    lost &= ~unseen
    rate[lost | unseen] = np.nan
    fast = of_32 & (steps == 1) & (np.where(up, delta, wrapped) > 0.8 * 2.0**32)

    end = slot[pair + 1]
    result[own[steps == 1], end[steps == 1]] = rate[steps == 1]
    filled = 0
    if spread:
        for k in np.flatnonzero((steps > 1) & ((steps - 1 <= max_gap) if max_gap else True)):
            result[own[k], end[k] - steps[k] + 1 : end[k] + 1] = rate[k]
            filled += int(steps[k] - 1) if rate[k] == rate[k] else 0
    return Rates(result, int(likely.sum()), int(lost.sum()), int(unseen.sum()), int(fast.sum()), filled)


def _deltas(values: np.ndarray, pair: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """From each reading to the next: the difference, and what it is if the counter wrapped; whole numbers exactly."""
    a, b = values[pair], values[pair + 1]
    if values.dtype.kind == "f":
        return b - a, b - a + np.where(a < 2.0**32, 2.0**32, 2.0**64)
    up = (b - a).astype(np.float64)
    down = -(a - b).astype(np.float64)
    wrapped = np.where(a < 2**32, (b - a) & np.uint64(2**32 - 1), b - a).astype(np.float64)
    return np.where(b >= a, up, down), wrapped


def began_anew(readings: list[Readings], at: Placed) -> np.ndarray:
    """Rows at which any of several counters fell by what is no wrap: all of its series began anew there."""
    result = np.zeros(len(at.series), bool)
    for one in readings:
        kept, values = one_a_step(one.values, at, "last", missing=one.missing)
        pair = np.flatnonzero(np.diff(at.series[kept]) == 0)
        if not len(pair):
            continue
        delta, wrapped = _deltas(values, pair)
        most = np.zeros(len(at.length))
        lasted, own = np.diff(at.seconds[kept])[pair], at.series[kept][pair]
        np.maximum.at(most, own, delta / lasted)
        result[kept[pair[(delta < 0) & (wrapped / lasted > 1.25 * most[own])] + 1]] = True
    return result


def counter_values(
    table: nw.DataFrame[Any], names: Sequence[str], forms: Mapping[str, str], decimal: str | None
) -> Readings:
    """Readings of a counter's columns, (rows, columns): whole numbers exactly; SchemaError for what is no reading."""
    read = [_readings(table, name, forms.get(name), decimal) for name in names]
    kinds = {values.dtype.kind for values, _ in read}
    if len(kinds) > 1:  # floats have fractions here, so that all become floats
        for name, (values, _) in zip(names, read, strict=True):
            _check_spacing(name, values.astype(np.float64), table)
    return Readings(
        np.stack([values if kinds == {"u"} else values.astype(np.float64) for values, _ in read], 1),
        np.stack([missing for _, missing in read], 1),
    )


def _readings(
    table: nw.DataFrame[Any], name: str, form: str | None, decimal: str | None
) -> tuple[np.ndarray, np.ndarray]:
    """A counter's column, 0 where missing, and where that is."""
    series = table[name]
    missing = np.asarray(series.is_null().to_numpy(), bool)
    items = series.to_list() if series.dtype == nw.Object else []
    if series.dtype.is_integer():
        values = (series.fill_null(0) if missing.any() else series).to_numpy()
    elif items and all(gone or type(item) is int for item, gone in zip(items, missing, strict=True)):
        values = np.array([0 if gone else item for item, gone in zip(items, missing, strict=True)], object)
    else:
        values = column_values(table, name, gaps=True, form=form, decimal=decimal)
        if values.dtype.kind not in "iuf":
            raise SchemaError(f"column {name!r} of counters= holds no numbers. Leave it out of counters=.")
        missing = np.isnan(values)
        values = np.where(missing, 0, values)
    wrong = np.flatnonzero((values < 0) | (values >= 2**64))
    if len(wrong):
        raise SchemaError(
            f"column {name!r} of counters= has {values[wrong[0]]} in {place_of(table, int(wrong[0]))}; a counter "
            "reads from 0 to 2^64. Leave it out of counters=, count the value as missing, or, where 32 bits were "
            "read as a signed number, add 2**32 to what is below 0."
        )
    if values.dtype.kind == "f":
        _check_spacing(name, values, table)
        if (values % 1 != 0).any():
            return values, missing
    return values.astype(np.uint64), missing


def _check_spacing(name: str, values: np.ndarray, table: nw.DataFrame[Any]) -> None:
    """SchemaError for floats so large that a counter's steps are lost between them."""
    largest = int(values.argmax()) if len(values) else 0
    if len(values) and values[largest] > 2.0 ** (np.finfo(values.dtype).nmant + 1):
        raise SchemaError(
            f"column {name!r} of counters= has {values[largest]:.0f} in {place_of(table, largest)}, as floats, which "
            f"are {np.spacing(values[largest]):.0f} apart there: smaller steps are lost. Read it as whole numbers, of "
            "which pandas' type 'UInt64' may have missing ones, or leave it out of counters=."
        )


def only_grows(values: np.ndarray, length: np.ndarray) -> int:
    """How many changes of a feature, (N, T), say that it is a counter; 0 if it is not: nearly all of them are upwards.

    None is: what has negative values or few changes, and what rises evenly, as clocks and row numbers do.
    """
    if values.dtype.kind not in "iuf" or not (length >= 8).any() or np.nanmin(values, initial=0) < 0:
        return 0
    long = length >= 8
    most = np.nanmax(values, initial=0, where=long[:, None])

    def changes(some: slice) -> np.ndarray:
        step = np.diff(values[some][long[some]].astype(np.float64), axis=1)
        for wrap in _WRAPS:  # going round is no way down
            if 0.9 * wrap < most < wrap:
                step = np.where(step < -wrap / 2, step + wrap, step)
        return step

    up = down = 0
    for start in range(0, len(values), 4096):  # most features are none, which is seen without a copy of them all
        step = changes(slice(start, start + 4096))
        up, down = up + int((step > 0).sum()), down + int((step < 0).sum())
    if up + down < 20 or down > 0.02 * (up + down):
        return 0
    step = changes(slice(None))
    series, at = np.nonzero(step > 0)
    rises, waits = step[series, at], np.diff(at)[np.diff(series) == 0]
    even = rises.std() < 0.03 * rises.mean() or (rises == np.median(rises)).mean() > 0.9
    if even and (not len(waits) or (waits == np.median(waits)).mean() > 0.9):
        return 0
    return up
