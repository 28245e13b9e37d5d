"""Which columns of a text hold nothing but plain numbers, told from its bytes without making text of any field.

A plain number, such as -12 or 0.5, has one reading: at most 15 digits, no zero in front, no exponent, no blank. Of
others nothing is said here; `values` looks at them as text. NumPy counts what stands in each field.
"""

from collections.abc import Iterable

import numpy as np

from dgkit.readers.numbers import WORDS

_BLOCK = 2**22  # bytes that are looked at in one go
_DIGIT, _DOT, _MINUS = 1, 1 << 6, 1 << 12  # in one sum over a field's bytes
_WEIGHT = np.zeros(256, np.uint16)
_WEIGHT[48:58], _WEIGHT[ord(".")], _WEIGHT[ord("-")] = _DIGIT, _DOT, _MINUS
_MISSING = frozenset(word.encode() for word in WORDS)


class _Column:
    """What is known of a column so far."""

    def __init__(self) -> None:
        self.plain, self.missing, self.dots, self.clear = True, False, False, False


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
    columns = {place: _Column() for place in places}
    quoted, begin = b'"' in content, 0
    while begin < len(ends) and columns:
        at = int(ends[begin - 1]) + 1 if begin else start
        stop = max(int(np.searchsorted(ends, at + _BLOCK)), begin + 1)
        block = np.frombuffer(content, np.uint8, int(ends[stop - 1]) + 1 - at, at)
        if not _look(block, stop - begin, width, separator, quoted, columns):
            return {}
        columns = {
            place: column for place, column in columns.items() if column.plain and not (column.dots and dots is False)
        }
        begin = stop
    return {
        place: ("." if column.dots else "", column.missing)
        for place, column in columns.items()
        if not column.dots or column.clear or dots
    }


def _look(block: np.ndarray, rows: int, width: int, separator: int, quoted: bool, columns: dict[int, _Column]) -> bool:
    """Adds what some records tell; False if they have not as many fields as they should."""
    marks = (block == separator) | (block == 10)
    if quoted:
        marks &= ~np.logical_xor.accumulate(block == 34)
    end = np.flatnonzero(marks)
    if len(end) != rows * width:
        return False
    start = np.concatenate([[0], end[:-1] + 1])

    # a field's bytes are digits, a dot and a minus if these are as many as it has
    held = np.add.reduceat(_WEIGHT[block], start, dtype=np.uint16)
    digits, points, minus = held & 63, (held >> 6) & 63, held >> 12
    size = end - start
    size.reshape(rows, width)[:, -1] -= block[end[width - 1 :: width] - 1] == 13
    first = block[np.minimum(start + minus, len(block) - 1)]
    padded = (first == 48) & (_WEIGHT[block[np.minimum(start + minus + 1, len(block) - 1)]] == _DIGIT)
    good = (size == digits + points + minus) & (digits > 0) & (digits <= 15) & (points <= 1) & ~padded
    good &= (minus == 0) | ((minus == 1) & (block[start] == ord("-")))
    empty = size == 0

    # 1.234 may be one thousand
    dotted = good & (points == 1)
    group = (digits > 3) & (digits <= 6) & (first != 48) & (block[np.maximum(start + size - 4, 0)] == ord("."))
    clear, odd = dotted & ~group, ~(good | empty)
    by_place = [of.reshape(rows, width) for of in (odd, empty, dotted, clear)]
    some = [of.any(0).tolist() for of in by_place]
    for place, column in columns.items():
        others = np.flatnonzero(by_place[0][:, place]) if some[0][place] else ()
        for row in others:
            k = int(row) * width + place
            if block[start[k] : start[k] + size[k]].tobytes() not in _MISSING:
                column.plain = False
                break
        column.missing |= some[1][place] or len(others) > 0
        column.dots |= some[2][place]
        column.clear |= some[3][place]
    return True
