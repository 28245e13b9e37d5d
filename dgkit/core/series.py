"""The series of one feature of numbers, as the discriminators see them and back: what its attrs ask for comes together.

In this order: shares of each sample's own bound (`dgkit._bounds`), exact zeros as events (`zeros`), each series by its
own range or all by one (`scales`); back again the other way round, and counts as whole numbers.

Letters for shapes: N samples, T steps.
"""

import numpy as np

from dgkit import _bounds
from dgkit.core import zeros
from dgkit.core.heads import Head
from dgkit.core.scales import Scale, counted, normalise_per_sample, renormalise_per_sample
from dgkit.schema import Variable, cast

Pair = tuple[Scale, Scale]  # of mid-range and half-range


def range_heads(variable: Variable, pair: Pair) -> list[Head]:
    """What a series has of its own where it is scaled by itself."""
    parts = zip(("mid-range", "half-range"), pair, strict=True)
    return [Head(f"{variable.name} {part}", 1, scale.activation) for part, scale in parts] + zeros.series_heads(
        variable
    )


def encoded(
    variable: Variable, numbers: np.ndarray, valid: np.ndarray, scale: Scale, pair: Pair | None
) -> tuple[np.ndarray, np.ndarray | None]:
    """Numbers (N, T) as what a step has of them, (N, T, widths), and what the series has, (N, widths)."""
    event = None
    if zeros.inflated(variable):
        event, lengths = valid & (numbers != 0), valid.sum(1)
        numbers, valid = zeros.ranged(numbers, valid, event, scale.low)
    if pair is None:
        series, own = scale.encode(numbers)[..., None], None
    else:
        series, own = normalise_per_sample(numbers, valid, scale, pair)
    if event is None:
        return series, own
    series = zeros.gated(series, event, zeros.WEIGHT)
    return series, None if own is None else zeros.with_share(own, event, lengths)


def decoded(
    variable: Variable,
    series: np.ndarray,
    own: np.ndarray | None,
    scale: Scale,
    pair: Pair | None,
    length: np.ndarray | None = None,
    bound: np.ndarray | None = None,
) -> np.ndarray:
    """The numbers (N, T) again, within the feature's range; `bound` (N,) where they are shares of it."""
    event = zeros.inflated(variable)
    if event:
        series, own = zeros.open_gate(series), None if own is None else zeros.open_gate(own)
    if pair is None or own is None:
        values = scale.ranged(series[..., 0])
    else:
        values = renormalise_per_sample(series, own[:, :2], scale, pair)
    if bound is not None:
        values = values * bound[:, None]

    # whole numbers: those of an event are none of them zero
    asked = bool(variable.attrs.get("counts"))
    whole = asked or np.dtype(variable.dtype).kind in "iu"
    if asked or (whole and (event or bound is not None)):
        values = counted(values, scale if bound is None else None, event)
    if bound is not None:
        values = _bounds.within(cast(values, variable.dtype), bound, whole)
    return zeros.closed(values, series, own, length) if event else values
