"""Text as numbers: which texts are numbers, which are identifiers that only look so, and the forms that must be named.

A form says how text with something around its numbers is read: "plain", a unit as it is written, "K=1000" or "K=1024"
(a letter such as K or M multiplies), "duration", "h:m" or "m:s". Nothing here raises; `values` asks the user.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence

import numpy as np
import pandas as pd

Texts = Sequence[str] | np.ndarray
WORDS = frozenset(("NA", "N/A", "#N/A", "NaN", "nan", "null", "NULL", "None"))  # missing in a column of numbers
NUMBER = {  # by decimal sign; a group of thousands does not begin with 0: 0.123 has a decimal point
    ".": re.compile(r"[+-]?([1-9]\d{0,2}(,\d{3})+|\d+)?(\.\d*)?([eE][+-]?\d+)?", re.ASCII),
    ",": re.compile(r"[+-]?([1-9]\d{0,2}(\.\d{3})+|\d+)?(,\d*)?([eE][+-]?\d+)?", re.ASCII),
}
WHOLE = re.compile(r"-?\d+", re.ASCII)
JOINT = "\0"  # stands in no text: `sources.utf8` refuses it
FORMS = ("plain", "K=1000", "K=1024", "duration", "h:m", "m:s")  # any other form is a unit

_FOLD = bytes.maketrans(b"123456789", b"000000000")
_PADDED = re.compile(r"^0\d+$", re.ASCII | re.MULTILINE)  # 007
_EXPONENT = re.compile(r"^\d+[eE]\d+$", re.ASCII | re.MULTILINE)  # 12E4: software writes 1.2E5 or 1e+05
_PHONE = re.compile(r"^\+\d{7,}$", re.ASCII | re.MULTILINE)  # +493012345
_LONG = re.compile(r"^[+-]?\d{16,}$", re.ASCII | re.MULTILINE)  # more digits than a float holds
_FRACTION = re.compile(r"^[+-]?\d*[.,]\d+$", re.ASCII | re.MULTILINE)
_FORTRAN = re.compile(r"[+-]?(?:(?:\d+\.\d*|\.\d+)[dD][+-]?|\d+[dD][+-])\d+", re.ASCII)  # 1.5D+03
_HEX = re.compile(r"[+-]?0[xX][0-9a-fA-F]+", re.ASCII)  # 0x1F
_HEXADECIMAL = re.compile(r"[0-9a-f]+|[0-9A-F]+", re.ASCII)
_OCTET = r"(25[0-5]|2[0-4]\d|1?\d?\d)"
_ADDRESS = re.compile(rf"{_OCTET}(\.{_OCTET}){{3}}", re.ASCII)
_TWO_DOTS = re.compile(r"\.\d+\.", re.ASCII)

_VERSION = re.compile(r"\d{1,3}\.(0|[1-9]\d{0,2})", re.ASCII)

_SPACES = " '’_\u00a0\u2009\u202f"  # what groups thousands besides dot and comma
_GROUPED = re.compile(rf"[1-9]\d{{0,2}}([{_SPACES}])\d{{3}}(\1\d{{3}})*([.,]\d+)?", re.ASCII)
_INDIAN = re.compile(r"[1-9]\d?(,\d\d)+,\d{3}(\.\d+)?", re.ASCII)
_FIGURE = rf"\.?\d+(?:[{_SPACES},.]\d+)*(?:[eE][+-]?\d+)?"
_MONEY = (
    r"[A-Z]{0,2}[€$£¥₹₩₽₿]|(?:AUD|BRL|CAD|CHF|CNY|CZK|DKK|EUR|GBP|HUF|INR|JPY|KRW|MXN|NOK|PLN|RUB|SEK|USD|ZAR|Rs\.?)"
)
_PARTS = re.compile(
    rf"(?P<sign>[+\-−(]?)(?P<before>(?:{_MONEY}|[<>~≈±≤≥])?) ?[-−]?{_FIGURE}\s?(?P<after>[^\d\s:)(-][^\d:]*)?[-)]?",
    re.ASCII,
)
_CLOCK = re.compile(r"-?\d+:\d\d(\.\d+)?", re.ASCII)
_TIMES = r"(?:days?|d|hours?|hr|h|minutes?|min|m|seconds?|sec|s|ms|us|µs|ns)"
_COMMON = re.compile(
    rf"[%‰€$£¥₹]|°[CF]?|{_TIMES}|[kKMGTPEmuµn]?i?(?:[bB]ps|[bB]/s|bits?|bytes?|pps|Hz|Wh)|[kKMGTPEmuµn]i?[BWVAsmg]",
    re.ASCII,
)
_ISO = r"P(?=\d|T\d)(?:\d+W)?(?:\d+D)?(?:T(?:\d+H)?(?:\d+M)?(?:\d+(?:\.\d+)?S)?)?"  # PT5M
_DURATION = re.compile(
    rf"-?(?:(?:\d+ ?(?:days?|d),? ?)?\d+:\d\d:\d\d(?:\.\d+)?|(?:\d+(?:\.\d+)? ?{_TIMES},? ?)+|{_ISO})", re.ASCII
)
_BIG = re.compile(r"[kKMGTPE]i?(?:bps|Bps|bits?|[bB]ytes?|[bB](?:/s)?)?", re.ASCII)  # of K, M, KB what has none is 1
_POWERS = {"n": -3, "u": -2, "µ": -2, "m": -1, "": 0, "k": 1, "K": 1, "M": 2, "G": 3, "T": 4, "P": 5, "E": 6}


def shapes(values: Texts) -> tuple[np.ndarray, list[str]]:
    """A code for each text, and of each code an example: texts are of one shape if they differ in digits alone.

    Examples
    --------
    >>> shapes(["1.5", "a7", "2.9"])
    (array([0, 1, 0]), ['1.5', 'a7'])
    """
    folded = JOINT.join(values).encode(errors="surrogatepass").translate(_FOLD).split(JOINT.encode())
    if len(folded) != len(values):  # there is none, or a table's text has that mark
        folded = [value.encode(errors="surrogatepass").translate(_FOLD) for value in values]
    codes, distinct = pd.factorize(np.array(folded, object))
    first = np.zeros(len(distinct), np.int64)
    first[codes[::-1]] = np.arange(len(codes))[::-1]
    return codes, [values[k] for k in first.tolist()]


def parsed(values: Texts) -> np.ndarray:
    """Integers or floats; NaN for what is no number.

    Examples
    --------
    >>> parsed(["1.5", "x"])
    array([1.5, nan])
    """
    if len(values) > 1000 and len(few := shapes(values)[1]) < 100 and np.isnan(parsed(few)).all():
        return np.full(len(values), np.nan)  # whether it is a number, the shape tells
    numbers = pd.to_numeric(pd.Series(values, dtype=object), errors="coerce").to_numpy()
    return numbers if numbers.dtype.kind in "iuf" else numbers.astype(np.float64)


def identifiers(values: Texts) -> bool:
    """Whether texts that look like numbers are codes: their digits are no quantity, or a number would change them.

    Leading zeros, telephone numbers, network addresses, hexadecimal digits, more digits than a number holds.

    Examples
    --------
    >>> identifiers(["12E4", "7002"]), identifiers(["192.168.100.101"]), identifiers(["1.2E4", "7002"])
    (True, True, False)
    """
    text = "\n".join(values)  # one search in all of them is faster than a search in each
    if _PADDED.search(text) or _PHONE.search(text):
        return True
    if _LONG.search(text) and parsed(values).dtype.kind == "f":
        return True
    if _EXPONENT.search(text) or (len(values) and len(values[0]) >= 4 and re.search("[a-fA-F]", text)):
        hexadecimal = all(map(_HEXADECIMAL.fullmatch, values))
        if hexadecimal and (_EXPONENT.search(text) or len(set(map(len, values))) == 1):
            return True
    return addresses(values)


def addresses(values: Texts) -> bool:
    """Whether texts are network addresses: 192.168.100.101."""
    return any(map(_TWO_DOTS.search, values)) and all(map(_ADDRESS.fullmatch, values))


def long_among_decimals(values: Texts) -> bool:
    """Whether of numbers some have decimals and some more digits than a float holds; they may be codes, or quantities.

    Examples
    --------
    >>> long_among_decimals(["0.5", "18446744073709551615"]), long_among_decimals(["5", "18446744073709551615"])
    (True, False)
    """
    text = "\n".join(values)
    if not (_LONG.search(text) and _FRACTION.search(text)):
        return False
    return all(any(number.fullmatch(value) for number in NUMBER.values()) for value in values)


def hexadecimal(values: Texts) -> bool:
    """Whether texts are numbers such as 0x1F."""
    return all(map(_HEX.fullmatch, values))


def versions(values: Texts) -> bool:
    """Whether numbers may be versions, of which 1.10 is not 1.1: neither all short, nor all of as many decimals.

    Examples
    --------
    >>> versions(["1.9", "1.10"]), versions(["1.90", "1.10"]), versions(["1.9", "1.10", "1.05"])
    (True, False, False)
    """
    if not len(values) or not all(map(_VERSION.fullmatch, values)):
        return False
    decimals = [value.partition(".")[2] for value in values]
    return len(set(map(len, decimals))) > 1 and any(len(some) > 1 and some[-1] == "0" for some in decimals)


def western(values: Texts) -> Texts:
    """Texts with the digits 0 to 9 for those of other scripts."""
    if all(map(str.isascii, values)):
        return values
    return ["".join(str(unicodedata.decimal(mark)) if mark.isdecimal() else mark for mark in value) for value in values]


def readings(values: Texts, decimal: str | None) -> dict[str, np.ndarray]:
    """Texts as numbers, by each decimal sign by which all are numbers ("" if none has a sign); {} if there is none.

    Examples
    --------
    >>> readings(["1.234,5", "2"], None)
    {',': array([1234.5,    2. ])}
    """
    plain = parsed(values)
    known = ~np.isnan(plain)
    if known.all() and not any("." in value for value in values):
        return {"": plain}
    found = {}
    if decimal != "," and known.all():
        found["."] = plain
    elif decimal != "," and all(NUMBER["."].fullmatch(values[k]) for k in np.flatnonzero(~known).tolist()):
        found["."] = parsed([value.replace(",", "") for value in values])
    if decimal != "." and all(NUMBER[","].fullmatch(value) for value in values):
        found[","] = parsed([value.replace(".", "").replace(",", ".") for value in values])
    return {sign: read for sign, read in found.items() if not np.isnan(read).any()}


def formed(values: Texts, form: str, decimal: str | None) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Texts of a form as numbers, by decimal sign as `readings`, and which of them are not of that form.

    Examples
    --------
    >>> formed(["108", "1.5 M"], "K=1000", None)
    ({'.': array([1.08e+02, 1.50e+06])}, array([False, False]))
    """
    if form in ("duration", "h:m", "m:s"):
        seconds = _seconds(values, form)
        return {"": seconds}, np.isnan(seconds)
    values, factors = western(values), np.ones(len(values))
    if form in ("K=1000", "K=1024"):
        split = [_split(value) for value in values]
        unit = common_unit({after for _, after in split})
        figures = [figure if unit is not None else "" for figure, _ in split]
        for k, (_, after) in enumerate(split):
            power = after[: len(after) - len(unit)] if unit else after
            factors[k] = _factor(power, int(form[2:]))
    elif form == "plain":
        figures = list(values)
    else:  # 0 needs no unit
        figures = [v.replace(form, "", 1).strip() if form in v else "" if v.strip("0.,") else v for v in values]
    commas = any(map(_INDIAN.search, figures))
    figures = [_figure(figure, commas) for figure in figures]
    unfit = np.array([not any(sign.fullmatch(figure) for sign in NUMBER.values()) for figure in figures], bool)
    unfit |= np.array([figure == "" for figure in figures], bool)
    if unfit.any():
        return {}, unfit
    return {
        sign: read * factors if (factors != 1).any() else read for sign, read in readings(figures, decimal).items()
    }, unfit


def fitting(values: Texts) -> list[str]:
    """The forms by which all texts would be numbers, the likeliest first.

    Examples
    --------
    >>> fitting(["1.5 ms", "20 ms"]), fitting(["5%"]), fitting(["1:30"]), fitting(["a5", "b7"])
    (['ms', 'duration'], ['%'], ['h:m', 'm:s'], [])
    """
    values = western(values)
    for some in (values[:50], values):  # most text is told by its first values
        if not len(some):
            return []
        if all(map(_CLOCK.fullmatch, some)):
            forms = ["h:m", "m:s"]
        elif any(_FORTRAN.fullmatch(value) or _HEX.fullmatch(value) for value in some):
            forms = ["plain"]
        else:
            parts = [_PARTS.fullmatch(value) for value in some]
            forms = [] if None in parts else _of_parts([part for part in parts if part is not None])
            if all(map(_DURATION.fullmatch, some)):  # of "12 ms" and "1.2 s" rather than K=1000
                forms.insert(0 if forms and forms[0].startswith("K=") else len(forms), "duration")
        forms = [form for form in forms if not formed(some, form, None)[1].any()]
        if not forms:
            return []
    return forms


def like_numbers(values: Texts) -> list[str]:
    """Of texts those that one form fits; of several units those with the most frequent.

    Examples
    --------
    >>> like_numbers(["5 ms", "timeout", "7 ms", "<1 ms"])
    ['5 ms', '7 ms']
    """
    shape, examples = shapes(western(values))
    parts = [_PARTS.fullmatch(one) for one in examples]
    kinds = [("", "") if part is None else (part["before"], (part["after"] or "").strip()) for part in parts]
    clear = [any(form.fullmatch(one) for form in (_PARTS, _CLOCK, _DURATION)) for one in examples]
    if not any(clear):
        return []
    if not fitting([one for one, is_clear in zip(examples, clear, strict=True) if is_clear]):
        most = Counter(kinds[k] for k in shape.tolist() if clear[k]).most_common(1)[0][0]
        clear = [is_clear and kind == most for is_clear, kind in zip(clear, kinds, strict=True)]
    return [value for value, k in zip(values, shape.tolist(), strict=True) if clear[k]]


def common_unit(suffixes: set[str]) -> str | None:
    """What all suffixes end in where the rest is a prefix such as k or Mi, or nothing.

    Examples
    --------
    >>> common_unit({"KB", "MB", "B"}), common_unit({"K", ""}), common_unit({"st", "nd"})
    ('B', '', None)
    """
    known = {"", *_POWERS, *(power + "i" for power in "kKMGTPE")}
    longest, units = max(suffixes, key=len, default=""), []
    for start in range(len(longest) + 1):
        unit = longest[start:]
        if unit.startswith("iB"):
            continue  # of KiB and MiB the prefixes are Ki and Mi
        rests = {suffix.removesuffix(unit) for suffix in suffixes - {""} if suffix.endswith(unit)}
        if rests <= known and all(suffix.endswith(unit) for suffix in suffixes - {""}):
            units.append((rests == {""}, start, unit))
    return min(units)[2] if units else None  # rather a prefix than none: M is a million, not a unit


def common(unit: str) -> bool:
    """Whether a form, or a unit, is one that numbers usually have, and no part of a name such as 3G, 5xx or 12th.

    Examples
    --------
    >>> common("ms"), common("%"), common("KiB"), common("xx"), common("G")
    (True, True, True, False, False)
    """
    return unit in FORMS or _COMMON.fullmatch(unit) is not None


def unit_of(form: str | None) -> str | None:
    """The unit of numbers of a form, where the form tells."""
    if form in ("duration", "h:m", "m:s"):
        return "s"
    return None if form is None or form in FORMS else form


def unit_in(values: Texts, form: str | None) -> str | None:
    """The unit of texts that a form reads; of K=1000 and K=1024 what stands after their prefixes.

    Examples
    --------
    >>> unit_in(["1.2 Mb/s", "30 b/s"], "K=1000"), unit_in(["5K"], "K=1000"), unit_in(["0:30"], "duration")
    ('b/s', None, 's')
    """
    if form not in ("K=1000", "K=1024"):
        return unit_of(form)
    return common_unit({_split(value)[1] for value in western(values)}) or None


def _of_parts(parts: Sequence[re.Match[str]]) -> list[str]:
    before = {part["before"] for part in parts} - {""}
    after = {(part["after"] or "").strip() for part in parts}
    units = before | (after - {""})
    if not units:
        return ["plain"]
    unit = next(iter(units))
    if len(units) == 1 and (unit not in _POWERS or before):
        bare = any(not (part["before"] or part["after"]) and part[0].strip("0.,") for part in parts)
        if not bare:
            return [unit]
    common = None if before else common_unit(after)
    if common is None:
        return []
    bare = any(not part["after"] and part[0].strip("0.,") for part in parts)
    if bare and not all(map(_BIG.fullmatch, after - {""})):
        return []  # 5% among 0.3, 5 min among 7: what has no unit may be of another
    small = any(suffix.removesuffix(common)[:1] in ("n", "u", "µ", "m") for suffix in after - {"", common})
    return [*([unit] if len(units) == 1 and "" not in after else []), "K=1000", *([] if small else ["K=1024"])]


def _split(value: str) -> tuple[str, str]:
    """A number's text and what stands after it."""
    match = re.fullmatch(r"(.*?[\d)])\s*([^\d\s)]*)", value)
    return (match[1], match[2]) if match else ("", "")


def _factor(power: str, base: int) -> float:
    exponent = _POWERS.get(power.removesuffix("i"), 0)
    return float(1024 if power.endswith("i") else base if exponent > 0 else 1000) ** exponent


def _figure(text: str, commas: bool) -> str:
    """A number without what groups its digits and with its sign in front; `commas`: they group, as in India."""
    text = text.strip()
    negative = text[:1] in "-−" or text[-1:] in "-−" or (text[:1] == "(" and text[-1:] == ")") if text else False
    bare = text.strip("+-−() ")
    if _GROUPED.fullmatch(bare):
        bare = re.sub(f"[{_SPACES}]", "", bare)
    if _FORTRAN.fullmatch(bare):
        bare = re.sub("[dD]", "e", bare)
    elif _HEX.fullmatch(bare):
        bare = str(int(bare, 16))
    return ("-" if negative else "") + (bare.replace(",", "") if commas else bare) if bare else ""


def _seconds(values: Texts, form: str) -> np.ndarray:
    """Seconds; NaN for what is no time of that form."""
    if form == "duration":
        fits = np.array([_DURATION.fullmatch(value) is not None for value in values], bool)
        written = (
            pd.Series(values, dtype=object).str.replace(",", " ").str.replace(r"(?<=[\d ])d(?![a-z])", "D", regex=True)
        )
        read = pd.to_timedelta(written.where(fits), errors="coerce")
        seconds: np.ndarray = read.dt.total_seconds().to_numpy()
        return seconds
    clocks = [value if _CLOCK.fullmatch(value) else "nan:nan" for value in values]
    first, second = np.array([[float(part.lstrip("-")) for part in clock.split(":")] for clock in clocks]).T
    sign = np.array([-1.0 if clock.startswith("-") else 1.0 for clock in clocks])
    seconds = sign * (first * 60 + second) * (60 if form == "h:m" else 1)
    return seconds
