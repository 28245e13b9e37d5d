"""How close generated data come to the real ones: `evaluate` for a report on everything, and each metric by itself.

Metrics take DataArrays (sample, time) with NaN past a series' end, in memory or dask-backed, and know of dgkit only its
schema and, for tables, its readers.
"""

from dgkit.metrics.autocorrelation import autocorrelation, autocorrelation_mse
from dgkit.metrics.distributions import (
    conditional_distances,
    cross_correlation,
    distinct_modes,
    ecdf,
    half_range,
    jensen_shannon,
    kolmogorov_smirnov,
    length_histogram,
    mid_range,
    nearest_neighbours,
    range_coverage,
    wasserstein,
)
from dgkit.metrics.report import Report, evaluate
from dgkit.metrics.seams import seam

__all__ = [
    "Report",
    "autocorrelation",
    "autocorrelation_mse",
    "conditional_distances",
    "cross_correlation",
    "distinct_modes",
    "ecdf",
    "evaluate",
    "half_range",
    "jensen_shannon",
    "kolmogorov_smirnov",
    "length_histogram",
    "mid_range",
    "nearest_neighbours",
    "range_coverage",
    "seam",
    "wasserstein",
]
