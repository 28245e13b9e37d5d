"""Which columns of a text hold nothing but plain numbers, told from its bytes without making text of any field.

A plain number, such as -12 or 0.5, has one reading: at most 15 digits, no zero in front, no exponent, no blank, and not
all of its column may be versions. Of others nothing is said here; `values` looks at them as text. NumPy counts what
stands in each field.
"""

from collections.abc import Iterable

import numpy as np

from dgkit.readers.numbers import WORDS

_BLOCK = 2**20  # bytes that are looked at in one go
_MISSING = frozenset(word.encode() for word in WORDS)
_GAPS, _DOTS, _CLEAR, _NO_VERSION, _ROUND = (1 << k for k in range(5))  # what a column has: missing values, dots, ...
_PLACES = 1 << 5  # and numbers of one, two or three (times 1, 2, 4) decimals


def plain_columns(
    content: bytes,
    start: int,
    ends: np.ndarray,
    width: int,
    separator: int,
    places: Iterable[int],
    dots: bool | None,
) -> dict[int, tuple[str, bool]]:
    """Of each column of plain numbers its decimal sign ("." or, if it has none, ""), and whether any are missing.

    Parameters
    ----------
    content : bytes
        Records of `width` fields each.
    start, ends : int; array, (rows,)
        Where the first record begins, and each of them ends.
    places : iterable of int
        The columns to look at.
    dots : {None, True, False}
        Whether a dot begins the decimals: always, never, or (None) where no dot can group thousands, as in 1.234.

    Examples
    --------
    >>> plain_columns(b"1,2.5,x\\n2,,y\\n", 0, np.array([7, 12]), 3, ord(","), range(3), None)
    {0: ('', False), 1: ('.', True)}
    """
    at = np.array(sorted(places), np.int64)
    has = np.zeros(len(at), np.uint8)
    quoted, begin = b'"' in content, 0
    while begin < len(ends) and len(at):
        first = int(ends[begin - 1]) + 1 if begin else start
        stop = max(int(np.searchsorted(ends, first + _BLOCK)), begin + 1)
        block = np.frombuffer(content, np.uint8, int(ends[stop - 1]) + 1 - first, first)
        fields = _fields(block, stop - begin, width, separator, quoted, at)
        if fields is None:
            return {}
        plain = _look(block, *fields, has)
        kept = plain & ~((has & _DOTS > 0) & (dots is False))
        at, has = at[kept], has[kept]
        begin = stop
    lengths = has // _PLACES
    version = (has & _NO_VERSION == 0) & (has & _ROUND > 0) & (lengths & (lengths - 1) > 0)
    kept = ~version & ((has & _DOTS == 0) | (has & _CLEAR > 0) | bool(dots))
    return {int(p): ("." if h & _DOTS else "", bool(h & _GAPS)) for p, h in zip(at[kept], has[kept], strict=True)}


def _fields(
    block: np.ndarray, rows: int, width: int, separator: int, quoted: bool, places: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
    """Where the fields of these columns begin and end, and what they hold, (columns, rows); None if some have more."""
    marks = (block == separator) | (block == 10)
    if quoted:
        marks &= ~np.logical_xor.accumulate(block == 34)
    ends = np.flatnonzero(marks)
    if len(ends) != rows * width:
        return None
    starts = np.concatenate([[0], ends[:-1] + 1])
    ends.reshape(rows, width)[:, -1] -= block[ends[width - 1 :: width] - 1] == 13

    # the number of digits, of dots (times 16) and of minuses (times 64) in one byte, which may hold too few, not more
    weight = (block - np.uint8(48) < 10).view(np.uint8)
    for sign, factor in ((".", 16), ("-", 64)):
        weight = weight | (block == ord(sign)).view(np.uint8) * np.uint8(factor)
    held = np.add.reduceat(weight, starts, dtype=np.uint8)
    start, end, held = (np.ascontiguousarray(of.reshape(rows, width)[:, places].T) for of in (starts, ends, held))
    return start, end, held


def _look(block: np.ndarray, start: np.ndarray, end: np.ndarray, held: np.ndarray, has: np.ndarray) -> np.ndarray:
    """Whether all of each column are plain numbers or missing; adds to what each `has`."""
    digits, dots, minus = held & 15, (held >> 4) & 3, held >> 6
    first = start + minus
    second = block[np.minimum(first + 1, len(block) - 1)]

    # as many bytes as these, the minus first, and no zero before other digits
    good = (digits + dots + minus == end - start) & (digits > 0) & (dots <= 1) & (minus <= 1)
    good &= (block[first] != 48) | (second - np.uint8(48) >= 10)
    if minus.any():
        good &= (minus == 0) | (block[start] == ord("-"))

    # 1.234 may be one thousand
    clear = dotted = good & (dots == 1)
    if dotted.any():
        clear = dotted & ~((digits > 3) & (digits <= 6) & (block[first] != 48) & (block[end - 4] == ord(".")))

    empty = start == end
    odd = ~(good | empty)
    plain, gaps = np.ones(len(odd), bool), empty.any(1)
    for column in np.flatnonzero(odd.any(1)):
        gaps[column] = True
        for row in np.flatnonzero(odd[column]):
            if block[start[column, row] : end[column, row]].tobytes() not in _MISSING:
                plain[column] = False
                break
    for found, what in ((gaps, _GAPS), (dotted.any(1), _DOTS), (clear.any(1), _CLEAR)):
        has[found] |= what

    # may all be versions, as 1.9 and 1.10 are?
    maybe = np.flatnonzero(plain & (has & _DOTS > 0) & (has & _NO_VERSION == 0))
    if len(maybe):
        has[maybe] |= _versions(block, end[maybe], digits[maybe], (dotted & (minus == 0))[maybe], good[maybe])
    return plain


def _versions(
    block: np.ndarray, end: np.ndarray, digits: np.ndarray, dotted: np.ndarray, numbers: np.ndarray
) -> np.ndarray:
    """What columns of `numbers` have: other numbers than versions, numbers that end in 0, how many decimals."""
    decimals = np.zeros(end.shape, np.int64)
    for n in (3, 2, 1):
        decimals[dotted & (block[end - n - 1] == ord("."))] = n
    whole = digits - decimals
    version = (decimals > 0) & (whole > 0) & (whole <= 3) & ((decimals == 1) | (block[end - decimals] != 48))
    has = np.where((numbers & ~version).any(1), _NO_VERSION, 0).astype(np.uint8)
    has[(version & (decimals > 1) & (block[end - 1] == 48)).any(1)] |= _ROUND
    for n in (1, 2, 3):
        has[(decimals == n).any(1)] |= _PLACES << (n - 1)
    return has
