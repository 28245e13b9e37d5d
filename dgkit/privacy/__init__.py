"""Privacy: training with differential privacy and what it spends; attacks that tell who was in the training data."""

from dgkit.core.accounting import epsilon, noise_for
from dgkit.core.clipping import ClippedGradients, clipped_gradients
from dgkit.core.config import DP
from dgkit.privacy.membership import (
    Estimate,
    MembershipAttack,
    Shadow,
    epsilon_lower_bound,
    estimates,
    membership_attack,
    train_shadows,
)

__all__ = [
    "DP",
    "ClippedGradients",
    "Estimate",
    "MembershipAttack",
    "Shadow",
    "clipped_gradients",
    "epsilon",
    "epsilon_lower_bound",
    "estimates",
    "membership_attack",
    "noise_for",
    "train_shadows",
]
