"""What if the attributes were distributed otherwise? Ask a trained model, put what it cannot know behind it, and know
when to trust the answer.
"""

from dgkit.whatif.cases import Case, case
from dgkit.whatif.demand import demand_of, infer_granted, run_demand
from dgkit.whatif.release import recover_mix, release
from dgkit.whatif.retrain import rejection_sample, retrain_attributes, sample_target
from dgkit.whatif.rows import Rows
from dgkit.whatif.trust import Trust, trust

__all__ = [
    "Case",
    "Rows",
    "Trust",
    "case",
    "demand_of",
    "infer_granted",
    "recover_mix",
    "rejection_sample",
    "release",
    "retrain_attributes",
    "run_demand",
    "sample_target",
    "trust",
]
