"""Privacy: training with differential privacy, and private generators without training; what they spend; attacks and
audits.
"""

from dgkit.core.accounting import epsilon, noise_for, stated
from dgkit.core.clipping import ClippedGradients, clipped_gradients
from dgkit.core.config import DP
from dgkit.privacy.audit import Audit, audit, audit_runs, gaussian_lower_bound, likelihoods, one_run_lower_bound
from dgkit.privacy.evolve import PrivateEvolution, evolve
from dgkit.privacy.membership import (
    Estimate,
    MembershipAttack,
    Shadow,
    epsilon_lower_bound,
    estimates,
    membership_attack,
    train_shadows,
)
from dgkit.privacy.opening import load
from dgkit.privacy.releases import declared
from dgkit.privacy.spectrum import PrivateSpectrum, spectrum

__all__ = [
    "DP",
    "Audit",
    "ClippedGradients",
    "Estimate",
    "MembershipAttack",
    "PrivateEvolution",
    "PrivateSpectrum",
    "Shadow",
    "audit",
    "audit_runs",
    "clipped_gradients",
    "declared",
    "epsilon",
    "epsilon_lower_bound",
    "estimates",
    "evolve",
    "gaussian_lower_bound",
    "likelihoods",
    "load",
    "membership_attack",
    "noise_for",
    "one_run_lower_bound",
    "spectrum",
    "stated",
    "train_shadows",
]
