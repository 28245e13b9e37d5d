"""Privacy: training with differential privacy and what it spends; attacks that tell who was in the training data."""

from dgkit.config import DP
from dgkit.privacy.accounting import epsilon, noise_for
from dgkit.privacy.dp import ClippedGradients, clipped_gradients
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
