"""The exercises of chapter 07."""

from typing import Any

import numpy as np
import xarray as xr

from dgkit import simulate
from dgkit.check.exercise import Wrong, copies, exercise
from dgkit.datasets import open_dataset
from dgkit.errors import ConfigError, SchemaError
from dgkit.schema import validate


@exercise("07.1")
def _kept(value: Any) -> str:
    jobs, wanted = open_dataset("cluster"), {"small": 0.05, "medium": 0.05, "large": 0.9}
    largest = max(share / float((jobs.job_class == name).mean()) for name, share in wanted.items())
    if isinstance(value, np.ndarray | xr.DataArray) and value.ndim == 0:
        value = value.item()
    if isinstance(value, bool) or not isinstance(value, int | float | np.number) or not 0 < value < 1:
        raise Wrong("Give a share, a number between 0 and 1.")
    if abs(value - 1 / largest) > 0.05 / largest:
        raise Wrong("For which class is wanted / present share the largest? The share kept is 1 over that ratio.")
    return f"One draw in {largest:.1f}, which is the ratio for the large jobs."


@exercise("07.2")
def _full(value: Any) -> str:
    try:
        load = simulate.cluster_load(value)
    except ConfigError as error:
        raise Wrong(f'That is not a mix, {{"job_class": {{class: share}}}}: {error}') from error
    if value is None or abs(load - 1) > 0.01:
        raise Wrong(f"This mix brings a load of {load:.3f}. A few more large jobs raise it, a few less lower it.")
    shares, classes = value["job_class"], simulate.JOB_CLASSES
    if abs(shares["small"] / shares["medium"] - classes["small"].share / classes["medium"].share) > 0.1:
        raise Wrong("The load is right. Keep the proportion of small to medium jobs as it is in JOB_CLASSES.")
    return f"With {shares['large']:.3f} large jobs instead of {classes['large'].share:.3f}, the machines are full."


@exercise("07.3")
def _evicted(value: Any) -> str:
    if not isinstance(value, xr.Dataset):
        raise Wrong("Pass a Dataset: one that whatif.sample_target, or a retrained model, returns.")
    real = open_dataset("cluster")
    try:
        validate(value, training=False)
        ends, events = value["end_event"].values, real["end_event"].values
    except (SchemaError, KeyError) as error:
        raise Wrong(f"These are not generated jobs: {error}") from error
    if len(ends) < 500:
        raise Wrong(f"That are {len(ends)} jobs; generate at least 500.")
    evicted = float((ends == "EVICT").mean())
    if abs(evicted - 0.5) > 0.07:
        raise Wrong(f"Of these jobs {evicted:.2f} were evicted; the target names EVICT, and half.")
    for event in ("FAIL", "FINISH", "KILL"):
        shares = [float((some == event).sum() / (some != "EVICT").sum()) for some in (ends, events)]
        if abs(shares[0] - shares[1]) > 0.1:
            raise Wrong(
                f"Of the jobs that were not evicted, {shares[0]:.2f} end with {event}; in the data {shares[1]:.2f}."
            )
    if value.sizes["time"] == real.sizes["time"] and copies(value["cpu_rate"].values, real["cpu_rate"].values):
        raise Wrong("These are real jobs. Let the model generate some.")
    large, usual = (float((jobs["job_class"] == "large").mean()) for jobs in (value, real))
    return (
        f"And {large:.2f} of them are large, where {usual:.2f} of the real jobs are: this target asks which jobs are "
        "evicted, not what happens when more are."
    )
