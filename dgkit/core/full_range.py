"""Generated series that reach both ends of their own range, as every real one does (`Config.full_range`).

With auto-normalisation a real series touches -1 and 1 (0 and 1) once at least, unless it is constant. Nothing makes a
generated one do so: a peak may come on any day, and a critic that reads day by day hardly sees that it is missing. On
real pages the highest day of the middle series was at 0.5 for 1, and so all levels were wrong, although the ranges were
generated well. The original has no such thing.

Letters for shapes: N samples, T steps, F feature width, K columns.
"""

from typing import Any

import torch
from torch import Tensor

from dgkit.core.config import Config
from dgkit.errors import ConfigError

LEAST = 1e-3  # smaller ranges are not stretched whole: a constant series has none


def columns(encoder: Any, config: Config) -> list[tuple[int, float]]:
    """Where in F the features that have a range of their own stand, and its lowest value; none if not asked for.

    Raises ConfigError where `full_range` is asked for and cannot be had.
    """
    if not config.full_range:
        return []
    if any(head.gates for head in encoder.feature_heads):
        raise ConfigError("full_range=True does not go with attrs['zeros'] = 'inflated'. Use full_range=False.")
    found, at = [], 0
    for head in encoder.feature_heads:
        if head.name in encoder.minmax_scales:
            found.append((at, -1.0 if head.activation == "tanh" else 0.0))
        at += head.width
    if not found:
        raise ConfigError("full_range=True needs a feature of numbers, and auto_normalise=True.")
    return found


def stretched(features: Tensor, alive: Tensor, where: list[tuple[int, float]]) -> Tensor:
    """The features (N, T, F) with each column of `where` stretched over its whole range, by its steps alive (N, T)."""
    parts = list(features.split(1, -1)) if where else []
    for column, bottom in where:
        steps = parts[column][..., 0]  # (N, T)
        low = steps.masked_fill(alive == 0, torch.inf).amin(1, keepdim=True)
        high = steps.masked_fill(alive == 0, -torch.inf).amax(1, keepdim=True)

        # a constant series in the middle, as a real one; steps past the end within the range, too
        unit = 0.5 + (steps - (low + high) / 2) / (high - low).clamp(min=LEAST)
        parts[column] = (bottom + (1 - bottom) * unit.clamp(0, 1))[..., None]
    return torch.cat(parts, -1) if where else features
