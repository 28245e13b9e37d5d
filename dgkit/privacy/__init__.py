"""Privacy: training with differential privacy, and what it spends."""

from dgkit.config import DP
from dgkit.privacy.accounting import epsilon, noise_for
from dgkit.privacy.dp import ClippedGradients, clipped_gradients

__all__ = ["DP", "ClippedGradients", "clipped_gradients", "epsilon", "noise_for"]
