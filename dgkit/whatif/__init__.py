"""What if the attributes were distributed otherwise? Ask a trained model, put what it cannot know behind it, and know
when to trust the answer.
"""

from dgkit.whatif.demand import demand_of, infer_granted, run_demand
from dgkit.whatif.retrain import rejection_sample, retrain_attributes, sample_target
from dgkit.whatif.trust import Trust, trust

__all__ = [
    "Trust",
    "demand_of",
    "infer_granted",
    "rejection_sample",
    "retrain_attributes",
    "run_demand",
    "sample_target",
    "trust",
]
