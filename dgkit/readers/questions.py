"""What the user is asked: what a table leaves open is collected (`Asked`), and one error asks for all of it.

Here too what to ask where a column can be taken in two ways: text that may be numbers, numbers that may be codes or
stand for missing values. Each question says which calls settle it; none is asked of what is settled already.
"""

import re
import unicodedata
from collections.abc import Callable, Collection, Iterator, Sequence
from functools import partial
from typing import Any

import narwhals as nw
import numpy as np
import pandas as pd
import xarray as xr

from dgkit.errors import SchemaError
from dgkit.readers.numbers import (
    WORDS,
    addresses,
    common,
    fitting,
    hexadecimal,
    identifiers,
    like_numbers,
    long_among_decimals,
    readings,
    versions,
)
from dgkit.readers.values import lines_of, place_of, readable
from dgkit.schema import lengths, valid_values

_SOME = 6  # distinct numbers with a unit among words, of which fewer may be names: 3G, 4G, LTE; 4xx, 5xx, other
_RANGE = 20  # numbers tell in what range a column is, so that one far from it is asked about
_FEW = 20  # distinct whole numbers as text that a table may have as categories without being asked


class Asked:
    """What a table leaves open: collected, so that one error asks for all of it.

    Parameters
    ----------
    table : narwhals table
    """

    def __init__(self, table: nw.DataFrame[Any]):
        self.of_file = lines_of(table) is not None
        self.function = "from_csv" if self.of_file else "from_table"
        self.questions: list[str] = []
        self.answers: dict[str, Any] = {}
        self.marked: set[str] = set()  # variables of which it is asked whether a number stands for a missing value

    def add(self, question: str, **answers: Any) -> None:
        """A question, and the arguments that answer it: as they are written, or lists or mappings, which join."""
        if question not in self.questions:
            self.questions.append(question)
        for name, answer in answers.items():
            known = self.answers.get(name)
            if isinstance(known, dict) and isinstance(answer, dict):
                answer = known | answer
            elif isinstance(known, list) and isinstance(answer, list):
                answer = [*known, *answer]
            self.answers[name] = answer

    def ask(self) -> None:
        """SchemaError if there is any question."""
        if self.questions:
            call = ", ".join(f"{name}={answer}" for name, answer in self.answers.items())
            raise SchemaError(
                "\n".join([*self.questions, f"For example: {self.function}(..., {call})" if call else ""]).strip()
            )


def about_text(
    table: nw.DataFrame[Any], name: str, asked: Asked, *, feature: bool, columns: Sequence[str] = ()
) -> str | None:
    """The form in which a table's column of text is to be taken; None where it stays text, or `asked` is the user.

    Numbers as text are numbers and truth values truth values, as in a file; identifiers and categories stay text. Of a
    wide feature, `columns` are those that the one here was joined from.
    """
    series = table[name]
    if series.dtype not in (nw.String, nw.Object):
        return None
    items = series.to_numpy()
    try:
        found = pd.unique(np.asarray(items, dtype=object))
    except TypeError:  # what is no value of a column
        return None
    if not set(map(type, found)) <= {str, type(None), float, type(pd.NA)}:
        return None
    held = dict.fromkeys(item.strip() for item in found if isinstance(item, str))
    values = [item for item in held if item != "" and item not in WORDS]
    if not values:
        return None
    if {value.lower() for value in values} <= {"true", "false"}:
        return "truth"
    forms, odd = fitting(values), list[str]()
    if not forms:  # most may be numbers, and others words
        known = dict.fromkeys(like_numbers(values))
        if len(known) < max(2, len(values) / 2):
            return None
        odd, values = [value for value in values if value not in known], list(known)
        forms = fitting(values)
        names = not feature or not (forms and (" " in values[0] or common(forms[0])))
        if names and len(values) < _SOME:
            return None
    code = forms == ["plain"] and identifiers(values)
    if code:
        forms = forms if (feature and not odd and not addresses(values)) or long_among_decimals(values) else []
    elif forms == ["plain"] and readings(values, None):
        signed = any("." in value or "," in value for value in values)
        if feature and signed and not odd and not versions(values):
            return "plain"
        forms = forms if signed or (feature and len(values) > _FEW) else []
    elif hexadecimal(values) and not feature:
        forms = []
    if not forms:
        return None

    # what makes text of it comes first
    if code:
        long = max(values, key=len)
        values.sort(key=lambda value: not (identifiers([value]) or value == long))
    texts = pd.Series(items, dtype=object).astype(str).str.strip()
    others, missing = "", {}
    both = "mend them, some with a decimal dot and some with a decimal comma"
    if odd:
        at = int(texts.isin(odd).to_numpy().argmax())
        rows = int(texts.isin(odd).sum())
        own = repr(list(columns) or name)
        none = f"missing={odd[:10]}" if asked.of_file else f"df[{own}] = df[{own}].replace({odd[:10]}, None)"
        others = f", but also {texts[at]!r} in {place_of(table, at)} ({rows} such row{'s' * (rows > 1)}), "
        if fitting(odd):  # 0.3 among 3%
            others += "a number without the others' unit: bring all to one"
        else:
            others += f"which is none; where that stands for a missing value: {none}{', ...' if len(odd) > 10 else ''}"
            missing = {"missing": odd[:10]} if asked.of_file else {}
    which = "feature" if columns else "column"
    asked.add(
        f"{which} {name!r} has text that looks like numbers: {len(values)} different ones such as {values[0]!r} in "
        f"{place_of(table, int((texts == values[0]).to_numpy().argmax()))}{others}. Say how to take it: "
        f"{readable(name, values, forms) or both}, text=[{name!r}] makes each a category.",
        numbers={name: forms[0]},
        **missing,
    )
    return None


def about_whole_numbers(ds: xr.Dataset, settled: Collection[str], asked: Asked) -> None:
    """Asks about variables of whole numbers that may be codes or identifiers."""
    settled = {*settled, *asked.marked}
    few = few_whole(ds, settled)
    if few:
        held = "; ".join(
            f"{name!r} ({', '.join(map(_as_float, values[:6]))}{', ...' if len(values) > 6 else ''})"
            for name, values in few.items()
        )
        asked.add(
            f"few whole numbers stand in {held}. Say what they are: categories={list(few)} for codes, of which no "
            f"other can be made, numbers={list(few)} for quantities, between which others lie. (A mapping "
            "categories={name: [...]} gives all categories in their order.)",
            categories=list(few),
        )
    if long := long_whole(ds, [*settled, *few]):
        held = "; ".join(f"{name!r} ({_as_float(value)}, ...)" for name, value in long.items())
        asked.add(
            f"whole numbers of many digits stand in {held}. Say what they are: text={list(long)} for identifiers, "
            f"numbers={list(long)} for quantities; an identifier of each sample belongs in sample=, or is left out.",
            text=list(long),
        )


def _folded(text: str) -> str:
    """What a reader sees of a text: no capitals, blanks at its ends, signs without width, nor forms of one letter."""
    if not text.isascii():
        text = "".join(sign for sign in unicodedata.normalize("NFKC", text) if unicodedata.category(sign) != "Cf")
    return " ".join(text.split()).casefold()


def about_spelling(ds: xr.Dataset, sample: str | None, settled: Collection[str], asked: Asked) -> None:
    """Asks about texts that look alike, but for capitals, blanks and forms of Unicode: ids, or categories."""
    texts = {str(name): da for name, da in ds.data_vars.items() if da.dtype.kind == "U"}
    texts |= {} if sample is None else {sample: ds["sample"]}
    for name, da in texts.items():
        if name in settled:
            continue
        held: dict[str, None] = {}
        for values in valid_values(da, lengths(ds)):
            held |= dict.fromkeys(pd.unique(values).tolist())
        first: dict[str, str] = {}
        again = [(first[key], text) for text in held if first.setdefault(key := _folded(text), text) != text]
        if again:
            one, two = again[0]
            plain = one.strip().casefold() == two.strip().casefold()
            shown_as, how = (repr, "capitals or blanks") if plain else (ascii, "blanks or forms of Unicode")
            way = ".str.strip().str.lower()" if plain else ".str.normalize('NFKC').str.split().str.join(' ')"
            mend = "" if asked.of_file else f" before, e.g. df[{name!r}]{way}"
            asked.add(
                f"column {name!r} has {shown_as(one)} and {shown_as(two)}, which differ in {how} alone ({len(again)} "
                f"such). If they are the same, write them alike{mend}; if they are not: text=[{name!r}].",
                text=[name],
            )


def about_sums(ds: xr.Dataset, sample: str | None, settled: Collection[str], asked: Asked) -> None:
    """Asks about a sample named as a total that is the sum of all others, in some feature and nine of ten steps."""
    if sample is None or sample in settled or "start" in ds.coords:
        return
    ids = ds["sample"].values.astype(str).tolist()
    for name, da in ds.data_vars.items():
        if da.ndim == 1 or da.dtype.kind not in "iuf":
            continue
        for one, share in sum_of_others(ids, da.values):
            asked.add(
                f"sample {one!r} of column {sample!r} is the sum of all others in {name!r}, at {share:.0%} of its "
                f"steps. Leave its rows out; if it is a sample like the others, text=[{sample!r}].",
                text=[sample],
            )
            return


def sum_of_others(names: Sequence[str], values: np.ndarray) -> Iterator[tuple[str, float]]:
    """Which of several series, (N, T), is named as a total, and the share of its steps at which it is one.

    Examples
    --------
    >>> list(sum_of_others(["a", "b", "all"], np.array([[1, 2], [3, 4], [4, 6]])))
    [('all', 1.0)]
    """
    named = [k for k, one in enumerate(names) if re.search("(?<![a-z])(total|sum|all)s?(?![a-z])", one.lower())]
    if len(names) < 3 or not named:
        return
    whole = np.nansum(values, 0, dtype=np.float64)
    for k in named:
        own = values[k].astype(np.float64)
        same = np.isclose(own, whole - own)[~np.isnan(own)]
        if own.any() and same.mean() > 0.9:
            yield names[k], float(same.mean())


def about_markers(ds: xr.Dataset, settled: Collection[str], asked: Asked) -> None:
    """Asks about variables in which a number far from all others may stand for a missing value."""
    for name, parts in _numbers(ds, settled):
        markers: list[float] = []
        ends = [float(end) for values in parts() if len(values) for end in (values.min(), values.max())]
        for mark in {min(ends), max(ends)} if ends else ():
            if not _may_be_a_marker(mark):
                continue
            times = sum(int((values == mark).sum()) for values in parts())
            others = [values[values != mark] for values in parts()]
            rest = [float(end) for values in others if len(values) for end in (values.min(), values.max())]
            far = 2 if times > 1 else 10  # times as far from 0 as all others
            if not rest or (min(rest) <= mark / far if mark < 0 else max(rest) >= mark / far):
                continue
            if times == 1 and (sum(map(len, others)) < _RANGE or not _never_a_value(mark)):
                continue
            markers.append(int(mark) if abs(mark) < 2**53 and mark % 1 == 0 else mark)
            asked.marked.add(name)
            value = f"{mark:.15g}"
            value = value if float(value) == mark else repr(mark)
            table = f"df[{name!r}].replace({value}, float('nan'))"
            mend = f"missing={{{name!r}: [{value}]}}" if asked.of_file else table
            often = "once" if times == 1 else f"{times} times"
            asked.add(
                f"{name!r} is {value} {often}, and otherwise from {min(rest):.15g} to {max(rest):.15g}. Does "
                f"that stand for a missing value? Then {mend}; if it is a number like the others, numbers=[{name!r}].",
                **({"missing": {name: list(markers)}} if asked.of_file else {}),
            )


def _may_be_a_marker(value: float) -> bool:
    """Whether a number is one of those that stand for missing values: -1, -999, 65535 and the like."""
    if value == -1.0 or abs(value) in _ENDS or f"{value:.6g}" in ("9.96921e+36", "1e+20", "1e+30", "-1e+30"):
        return True  # the last as netCDF and climate models fill
    return re.fullmatch(r"-99+(\.9+)?|9999+(\.9+)?", f"{value:.15g}") is not None


def _never_a_value(marker: float) -> bool:
    """Whether a marker is hardly anything else, so that one is enough to ask: not so -1, 9999 or 65536."""
    nines = re.fullmatch(r"9999+(\.9+)?", f"{marker:.15g}") is not None
    return marker < -1 or not (marker == -1 or nines or marker in {2.0**bits for bits in range(65)})


_ENDS = {2.0**bits - one for bits in (15, 16, 31, 32, 63, 64) for one in (0, 1)} | {2.0**53 - 1}  # of whole numbers


def _as_float(value: float) -> str:
    """A number as it is, or, where floats no longer hold each, roughly."""
    return f"{value:.15g}" if abs(value) < 2**53 else f"about {value:.6g}"


def few_whole(ds: xr.Dataset, settled: Collection[str] = ()) -> dict[str, list[float]]:
    """The variables of few whole numbers that may be codes, each with its values.

    At most 24 (the hours of a day), each ten times on average, in 30 values or more. A count is told by its shape: it
    begins at 0 or 1, goes on without a hole, and its largest values are rare.

    Examples
    --------
    >>> port = xr.DataArray(np.tile([22, 80, 443], 20), dims="sample")
    >>> few_whole(xr.Dataset({"load": (("sample", "time"), np.ones((60, 2)) / 3), "port": port}))
    {'port': [22, 80, 443]}
    """
    few = {}
    for name, parts in _numbers(ds, settled):
        # most columns are told by their first values, without a copy of all
        start = next(parts(), np.zeros(0))[:1000]
        if len(start) == 1000 and (len(np.unique(start)) > 24 or (start % 1 != 0).any()):
            continue
        values = np.concatenate(list(parts()))
        if len(values) < 30 or len(np.unique(values[:1000])) > 24 or (values[:1000] % 1 != 0).any():
            continue
        distinct, times = np.unique(values, return_counts=True)
        some = 2 <= len(distinct) <= min(24, len(values) / 10) and not (distinct % 1 != 0).any()
        if some and not _like_a_count(distinct, times):
            few[name] = distinct.tolist()
    return few


def _numbers(ds: xr.Dataset, settled: Collection[str]) -> Iterator[tuple[str, Callable[[], Iterator[np.ndarray]]]]:
    """The values that are there of each variable of numbers that nothing has been said of, in parts."""
    length = lengths(ds)

    def parts(da: xr.DataArray) -> Iterator[np.ndarray]:
        for values in valid_values(da, length):
            yield values[np.isfinite(values)] if values.dtype.kind == "f" else values

    for name, da in ds.data_vars.items():
        if name != "length" and name not in settled and da.dtype.kind in "iuf" and "categories" not in da.attrs:
            yield str(name), partial(parts, da)


def _like_a_count(distinct: np.ndarray, times: np.ndarray) -> bool:
    """Whether whole numbers are a count by their shape; two or three values have none."""
    if distinct[0] not in (0, 1) or len(distinct) < 4:
        return False
    hole = np.flatnonzero(np.diff(distinct) > 1)
    beyond = times[hole[0] + 1 :].sum() if len(hole) else 0
    return bool(beyond <= 0.05 * times.sum() and times[-1] <= 0.2 * times.max())


def long_whole(ds: xr.Dataset, settled: Collection[str] = ()) -> dict[str, int]:
    """The variables of whole numbers that may be identifiers, each with one of its values.

    From 2^53 on, which floats round; or attributes of seven digits or more, as many in each of 20 samples or more, no
    two alike: telephone numbers, accounts.

    Examples
    --------
    >>> phone = xr.DataArray(5_550_000 + 7 * np.arange(20), dims="sample")
    >>> long_whole(xr.Dataset({"load": (("sample", "time"), np.ones((20, 2)) / 3), "phone": phone}))
    {'phone': 5550000}
    """
    found = {}
    for name, parts in _numbers(ds, settled):
        ranges = [(values.min(), values.max()) for values in parts() if len(values)]
        if not ranges:
            continue
        low, high = min(low for low, _ in ranges), max(high for _, high in ranges)
        far = max(low, high, key=abs)
        if 2**53 <= abs(float(far)) <= 2**64 and far % 1 == 0:
            found[name] = int(far)
            continue
        if ds[name].ndim > 1 or low < 10**6 or len(str(int(low))) != len(str(int(high))):
            continue
        values = np.concatenate(list(parts()))
        if (values % 1 == 0).all() and len(values) >= 20 and len(np.unique(values)) == len(values):
            found[name] = int(values[0])
    return found
