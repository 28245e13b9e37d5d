"""Numbers as people read them."""

import math
import re
from collections.abc import Iterable, Sequence
from decimal import ROUND_CEILING, Decimal


def listed(values: Iterable[object]) -> str:
    """Some values in a line, numbers as `number` writes them."""
    return ", ".join(number(value) if isinstance(value, float) else str(value) for value in values)


def number(value: float, digits: int = 3) -> str:
    """Some digits of a number: large ones written out with commas, small ones with a short exponent.

    Examples
    --------
    >>> [number(value) for value in (1e-5, 0.0314, -1.456, 2000, 388_600, math.inf, math.nan)]
    ['1e-5', '0.0314', '-1.46', '2,000', '389,000', '∞', 'not defined']
    >>> number(1234.56, 4), number(1234.56, 6), number(2.5e13)
    ('1,235', '1,234.56', '2.5e13')
    """
    if math.isnan(value):
        return "not defined"
    if math.isinf(value):
        return "∞" if value > 0 else "-∞"
    text = f"{value:.{digits}g}"
    if 1000 <= abs(float(text)) < 1e12:
        return f"{Decimal(text):,f}"
    return re.sub(r"e([+-]?)0*", r"e\1", text).replace("e+", "e")


def at_most(value: float, digits: int = 3) -> str:
    """A bound as text: rounded up, since it would not hold if it were rounded down.

    Parameters
    ----------
    value : float
    digits : int
        How many count.

    Returns
    -------
    str
        As dgkit writes numbers: large ones with commas, small ones with an exponent, "∞".

    Examples
    --------
    >>> at_most(2.001), at_most(2.0), at_most(12_345.6)
    ('2.01', '2', '12,400')
    """
    exact = Decimal(f"{value:.10g}")
    if not exact or not exact.is_finite():
        return number(value, digits)
    place = Decimal(1).scaleb(exact.adjusted() + 1 - digits)
    return number(float(exact.quantize(place, ROUND_CEILING)), digits)


def apart(values: Sequence[float]) -> list[str]:
    """Numbers with as many digits as it takes to tell them apart, three at least.

    Examples
    --------
    >>> apart([290.1, 290.15, 290.2]), apart([0.5, 20_000])
    (['290.1', '290.15', '290.2'], ['0.5', '20,000'])
    """
    texts: list[str] = []
    for digits in range(3, 18):
        texts = [number(value, digits) for value in values]
        if len(set(texts)) == len(set(values)):
            break
    return texts
