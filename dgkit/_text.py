"""Numbers as people read them."""

import math
import re


def number(value: float, digits: int = 3) -> str:
    """Some digits of a number: large ones written out with commas, small ones with a short exponent.

    Examples
    --------
    >>> [number(value) for value in (1e-5, 0.0314, -1.456, 2000, 388_600, math.inf, math.nan)]
    ['1e-5', '0.0314', '-1.46', '2,000', '389,000', '∞', 'not defined']
    >>> number(1234.56, 4), number(2.5e13)
    ('1,235', '2.5e13')
    """
    if math.isnan(value):
        return "not defined"
    if math.isinf(value):
        return "∞" if value > 0 else "-∞"
    text = f"{value:.{digits}g}"
    if 1000 <= abs(float(text)) < 1e12:
        return f"{float(text):,.0f}"
    return re.sub(r"e([+-]?)0*", r"e\1", text).replace("e+", "e")
