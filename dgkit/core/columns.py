"""The columns of one variable: which heads make them, its values as the discriminators see them, and back.

A category has a column for each. What the attrs of a feature of numbers ask for comes together here, in this order:
shares of each sample's own bound (`dgkit._bounds`), exact zeros as events (`zeros`), each series by its own range or
all by one (`scales`); back again the other way round, and counts as whole numbers. And the columns of the flags.

Letters for shapes: N samples, T steps, S steps a pass, R passes, K columns.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from dgkit import _bounds
from dgkit.core import alike, zeros
from dgkit.core.heads import Head, widths
from dgkit.core.scales import (
    ACTIVATIONS,
    Scale,
    counted,
    minmax_scales,
    normalise_per_sample,
    renormalise_per_sample,
)  # fmt: skip
from dgkit.errors import SchemaError
from dgkit.schema import Variable, bounds, cast


@dataclass(frozen=True)
class Columns:
    """How the values of a variable become columns, and back."""

    variable: Variable
    scale: Scale | None = None  # of numbers
    pair: tuple[Scale, Scale] | None = None  # of mid-range and half-range, where each series is scaled by its own

    @classmethod
    def fit(
        cls,
        variable: Variable,
        da: xr.DataArray,
        length: np.ndarray,
        auto_normalise: bool,
        normalise: str,
        minmax_scale: str,
    ) -> "Columns":
        """Learn the ranges of a variable from its values `da`; the settings are those of `Config`.

        Raises SchemaError, ConfigError.
        """
        if variable.kind == "categorical":
            return cls(variable)

        # over all samples, scaled as its attrs or else the settings say
        scale = Scale(*bounds(da, length), ACTIVATIONS[da.attrs.get("normalise", normalise)])
        if variable.role == "attribute" or not auto_normalise:
            return cls(variable, scale)

        # and, where each series is scaled by its own range, those of these
        auto = "log" if da.attrs.get("scale") == "log" else "linear"
        return cls(variable, scale, minmax_scales(da, length, scale, auto if minmax_scale == "auto" else minmax_scale))

    @property
    def heads(self) -> list[Head]:
        """What makes an attribute, or a step of a feature."""
        if self.scale is None:
            return [Head(self.variable.name, len(self.variable.categories), "softmax")]
        return [Head(self.variable.name, 1, self.scale.activation), *zeros.step_heads(self.variable, self.pair is None)]

    @property
    def own_heads(self) -> list[Head]:
        """What makes that which a series has once."""
        if self.pair is None:
            return []
        parts = zip(("mid-range", "half-range"), self.pair, strict=True)
        ranges = [Head(f"{self.variable.name} {part}", 1, scale.activation) for part, scale in parts]
        return ranges + zeros.series_heads(self.variable)

    def encode(
        self, raw: np.ndarray, valid: Any = True, bound: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Values as columns, and those that each series has once.

        Parameters
        ----------
        raw : array, (N, T) or, of an attribute, (N,)
        valid : array of bool, (N, T), optional
            True up to a series' end.
        bound : array, (N,), optional
            What each sample's numbers are shares of.

        Returns
        -------
        columns : array, (N, T, K) or (N, K)
        own : array, (N, K)
            Of no columns where all series are on one scale.

        Raises
        ------
        SchemaError
            Numbers below 0 for a logarithmic scale.
        """
        nothing = np.empty((len(raw), 0))
        if self.scale is None:
            return alike.one_hot(raw, self.variable, valid), nothing
        numbers = alike.numbers(raw, self.variable)
        if bound is not None:
            numbers = numbers / bound[:, None]

        if any(scale.floor is not None for scale in self.pair or ()) and np.any(valid & (numbers < 0)):
            raise SchemaError(
                f"{self.variable.role} {self.variable.name!r} has values below 0, which have no logarithm: the model "
                "was trained on a logarithmic scale."
            )

        # steps that are zero are none of the range
        event = None
        if zeros.inflated(self.variable):
            event, lengths = valid & (numbers != 0), valid.sum(1)
            numbers, valid = zeros.ranged(numbers, valid, event, self.scale.low)

        # all by one scale, or each series by its own
        if self.pair is None:
            columns, own = self.scale.encode(numbers)[..., None], nothing
        else:
            columns, own = normalise_per_sample(numbers, valid, self.scale, self.pair)
        if event is None:
            return columns, own
        return zeros.gated(columns, event, zeros.WEIGHT), zeros.with_share(own, event, lengths) if self.pair else own

    def decode(
        self,
        columns: np.ndarray,
        own: np.ndarray | None = None,
        bound: np.ndarray | None = None,
        length: np.ndarray | None = None,
    ) -> np.ndarray:
        """The values again, numbers within the variable's range; `length` (N,) are the valid steps, default all."""
        if self.scale is None:
            return np.asarray(self.variable.categories)[columns.argmax(-1)]
        own = own if self.pair else None
        event = zeros.inflated(self.variable)
        if event:
            columns, own = zeros.open_gate(columns), None if own is None else zeros.open_gate(own)

        # all by one scale, or each series by its own; numbers that are shares, by their bound
        if self.pair is None or own is None:
            values = self.scale.ranged(columns[..., 0])
        else:
            values = renormalise_per_sample(columns, own[:, :2], self.scale, self.pair)
        if bound is not None:
            values = values * bound[:, None]

        # whole numbers: those of an event are none of them zero
        asked = bool(self.variable.attrs.get("counts"))
        whole = asked or np.dtype(self.variable.dtype).kind in "iu"
        if asked or (whole and (event or bound is not None)):
            values = counted(values, self.scale if bound is None else None, event)
        if bound is not None:
            values = _bounds.within(cast(values, self.variable.dtype), bound, whole)
        return zeros.closed(values, columns, own, length) if event else values


def split(array: np.ndarray, made_by: Iterable[list[Head]]) -> list[np.ndarray]:
    """The columns of each of these lists of heads, views of the last dim, which may have more."""
    ends = np.cumsum([widths(heads) for heads in made_by], dtype=int)
    return np.split(array, ends, -1)[:-1]


def generation_flags(valid: np.ndarray, sample_len: int) -> np.ndarray:
    """The two flags the generator learns lengths from (original: add_gen_flag).

    Parameters
    ----------
    valid : array of bool, (N, R * S)
        True up to a series' end.

    Returns
    -------
    array, (N, R * S, 2)
        (1, 0) where the series goes on after this step; (0, 1) where it ends or has ended within this pass of S
        steps; (0, 0) after the last pass that was begun.
    """
    goes_on = np.concatenate([valid[:, 1:], np.zeros_like(valid[:, :1])], 1)
    begun = valid.reshape(len(valid), -1, sample_len).any(2).repeat(sample_len, 1)
    return np.stack([goes_on, ~goes_on & begun], 2).astype(np.float32)
