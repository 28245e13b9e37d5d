"""The paper's own settings on real data, recorded: what they give, after how many of the paper's steps.

`mba_paper` has the original's settings for Measuring Broadband America on the authors' own homes, `pages_paper` those
for Wikipedia's pages on 3,589 real ones, `jobs_paper` those for Google's cluster on 251 real jobs of up to 240 hours.
All is measured against the training data. The data are those of `real`. Recorded on a GPU, with each
step replayed (`Config.replay`), but for S = 1 and 8 of MBA, and one cell of jobs: the files' attrs say so.
`pages_still` has pages again, on a processor and without replay, to half of the original's steps: whether the same goes
wrong there, with which pages, and whether it passes. To record one: `python -m dgkit.course record mba_paper`.
"""

import numpy as np
import pandas as pd
import xarray as xr

from dgkit import metrics
from dgkit._cells import Point
from dgkit.core.config import Config
from dgkit.core.trainer import Trainer
from dgkit.course import real
from dgkit.course.experiment import Experiment
from dgkit.course.measures import look, within_reach

# 102,000 is the original's last step for MBA, 200,000 for the others
LOOKS = (1000, 3000, 10_000, 30_000, 102_000, 200_000)
STILL_LOOKS = (1000, 3000, *range(10_000, 200_001, 10_000))
GROUPS = ("technology", "isp")  # Figure 9 of the paper: totals of each
ENDS = 100  # days at either end, in which a page may stand still


def _paper_cell(train: xr.Dataset, config: Config, point: Point) -> xr.Dataset:
    """In the paper's terms: Figure 1, Table 3, and Figure 9 for each technology and each provider."""
    at, rows = within_reach(LOOKS, config.steps), []
    groups = GROUPS if set(GROUPS) <= set(train) else ()
    for _, _, model in look(Trainer(train, config), at):
        made = model.sample(2000, seed=1)
        report = metrics.evaluate(train, made)
        row = xr.Dataset({name: report[name] for name in (*real.KEPT, *real.COPIES) if name in report})
        row["autocorrelation"] = report.autocorrelation.sel(source="generated", drop=True)
        by = {
            name: metrics.conditional_distances(train, made, name, statistic="total").drop_vars("units").distance
            for name in groups
        }
        for feature in report.feature.values:
            totals = [ds[feature].sum("time", skipna=True) for ds in (train, made)]
            units = {"units": train[feature].attrs.get("units", "")}
            row[f"total_wasserstein_{feature}"] = (), metrics.wasserstein(*totals), units
            for attribute, distance in by.items():
                total = distance.sel(feature=feature, drop=True).assign_attrs(units)
                row[f"total_by_{attribute}_{feature}"] = total.rename(value=attribute)
        units = {"units": "s", "long_name": "wall time of the training steps so far"}
        row["training_seconds"] = (), float(model.history.seconds.sum()), units
        rows.append(row.drop_vars("feature_units"))
    return xr.concat(rows, pd.Index(at, name="step"), coords="minimal", compat="override", join="outer")


def stands_still(views: xr.DataArray) -> np.ndarray:
    """Which pages do not change by a thousandth in their first or their last hundred days; bool (sample,)."""
    values = views.transpose("sample", "time").values
    ends = values[:, :ENDS], values[:, -ENDS:]
    return np.any([np.ptp(end, axis=1) <= 1e-3 * np.abs(end).max(1) for end in ends], axis=0)


def _still_cell(train: xr.Dataset, config: Config, point: Point) -> xr.Dataset:
    """Autocorrelation of all generated pages, and of those that move; and levels."""
    at, rows = within_reach(STILL_LOOKS, config.steps), []
    real_curve, of_real = metrics.autocorrelation(train.views), float(stands_still(train.views).mean())
    for _, _, model in look(Trainer(train, config), at):
        made = model.sample(2000, seed=1).views
        still = stands_still(made)
        curves = {"all": metrics.autocorrelation(made)}
        curves["moving"] = metrics.autocorrelation(made[~still]) if not still.all() else curves["all"] * np.nan
        both = xr.concat(curves.values(), pd.Index(list(curves), name="pages")).reset_coords(drop=True)
        error = ((both - real_curve.reset_coords(drop=True)) ** 2).mean("lag", skipna=False)
        offset = (both - real_curve.reset_coords(drop=True)).mean("lag", skipna=False)
        off = metrics.wasserstein(*(metrics.mid_range(views) for views in (train.views, made)), scale="log")
        wall = {"units": "s", "long_name": "wall time of the training steps so far"}
        rows.append(
            xr.Dataset(
                {
                    "autocorrelation": both,
                    "autocorrelation_mse": error,
                    "offset": offset.assign_attrs(long_name="mean distance of the curves over all lags"),
                    "still_share": still.mean(),
                    "real_still_share": of_real,
                    "mid_range_wasserstein": ((), off, {"units": "decades"}),
                    "training_seconds": ((), float(model.history.seconds.sum()), wall),
                }
            )
        )
    return xr.concat(rows, pd.Index(at, name="step"))


def _experiment(what: str, name: str, data: str, lengths: dict[int, int], seeds: int = 3) -> Experiment:
    """Of each `sample_len` so many steps, which is what minutes on a GPU allowed."""
    return Experiment(
        f"What do the paper's settings for {what} give, after how many of its steps?",
        lambda point: real.as_published(point["data"]),
        _paper_cell,
        Config.published(name, replay=True),
        {
            "data": (data,),
            "sample_len": {length: {"sample_len": length, "steps": steps} for length, steps in lengths.items()},
            "seed": tuple(range(seeds)),
        },
        {"steps": 4, "data": "broadband", "sample_len": max(lengths), "seed": 0},
    )


EXPERIMENTS = {
    "mba_paper": _experiment("MBA", "MBA", "mba", {4: 102_000, 8: 102_000, 1: 102_000}),
    "pages_paper": _experiment("WWT", "WWT", "pages", {10: 30_000}, seeds=2),
    "pages_still": Experiment(
        "With the paper's settings, on a processor: which pages spoil the autocorrelation as training goes on?",
        lambda point: real.as_published(point["data"]),
        _still_cell,
        Config.published("WWT", steps=100_000, device="cpu"),
        {"data": ("pages",), "seed": (0,)},
        {"steps": 4, "data": "web", "seed": 0},
    ),
    "jobs_paper": _experiment("GCUT", "GCUT", "jobs", {5: 10_000}),
}
