"""How a recorded run is first shown: the view that answers its question, and its dims in words.

`open_run` puts it into attrs, where `dgkit_widgets.Explorer` finds it. Runs that the table does not name follow a rule.
"""

import json
from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
import xarray as xr

COIN = {"guessing": 0.5}
HALVES = {"two real halves": {"of": "real"}}
REAL = {"real": "real_autocorrelation"}
ERROR = {"variable": "autocorrelation_mse", "log_y": True}
CURVE = {"variable": "autocorrelation", "x": "lag"}

# of each run: variable, x, overlay, compare, at, log_x and log_y as in `Explorer.selection`; "beside" has further
# lines: a number, another variable, or the same one at other values
OPENINGS: dict[str, dict[str, Any]] = {
    "mode_collapse": {"variable": "median_day_coverage", "x": "decades", "overlay": "normalisation"},
    "sample_len": {**ERROR, "x": "sample_len", "overlay": "step"},
    "training_size": {
        **ERROR, "x": "samples", "log_x": True,
        "beside": {"the training data themselves": "data_autocorrelation_mse"},
    },
    "event_types": {"variable": "attribute_divergence", "x": "model", "overlay": "attribute", "log_y": True},
    "auxiliary": {"variable": "conditional_wasserstein", "x": "attribute", "overlay": "auxiliary"},
    "baselines": {**ERROR, "x": "model", "overlay": "budget", "at": {"dataset": "web", "feature": "views"}},
    "lent": {**CURVE, "overlay": "model", "beside": REAL},
    "whatif_ways": {
        "variable": "rows_distance", "x": "shift", "overlay": "way", "at": {"what": "CPU rate"},
        "beside": {"truth again": "chance"},
    },
    "whatif_uplinks": {
        "variable": "rows_distance", "x": "shift", "overlay": "way", "at": {"what": "mean traffic", "way": "demand"},
        "compare": ["as seen", "demand", "demand, inferred"],
        "beside": {"truth again": "chance"},
    },
    "whatif_flag": {"variable": "flag", "x": "shift", "overlay": "system"},
    "whatif_mixes": {"variable": "distance", "x": "shift", "overlay": "what"},
    "whatif_secret": {
        "variable": "error", "x": "release", "overlay": "attack", "at": {"capacity": 1.0},
        "beside": {"who guesses the mean": "guess"},
    },
    "whatif": {"variable": "cpu_rate_wasserstein", "x": "shift", "overlay": "answer", "at": {"capacity": 1.0}},
    "privacy": {
        **ERROR, "x": "step", "overlay": "way",
        "compare": ["no privacy", "clipping alone", "epsilon 2", "large batch", "all together"],
    },
    "private_ways": {
        **ERROR, "x": "epsilon", "overlay": "way", "at": {"data": "web", "of": "generated"}, "beside": HALVES,
    },
    "private_real": {
        **ERROR, "x": "way", "overlay": "data", "at": {"epsilon": 2.0, "of": "generated"},
    },
    "membership": {
        "variable": "success_rate", "x": "samples", "overlay": "attack", "at": {"target": 0}, "beside": COIN,
    },
    "membership_dp": {
        "variable": "success_rate", "x": "training", "overlay": "attack", "at": {"target": 0}, "beside": COIN,
    },
    "exposure": {"variable": "success_rate", "x": "seen", "overlay": "samples", "at": {"target": 0}, "beside": COIN},
    "stronger": {"variable": "success_rate", "x": "series", "overlay": "attack", "at": {"target": 0}, "beside": COIN},
    "zeros": {
        "variable": "zero_share", "x": "step", "overlay": "zeros", "at": {"source": "generated"},
        "beside": {"real": {"source": "real"}},
    },
    "real": {"variable": "told_apart", "x": "model", "overlay": "data", "beside": COIN},
    "real_peers": {"variable": "told_apart", "x": "model", "overlay": "data", "beside": COIN},
    "real_simulated": {"variable": "told_apart", "x": "model", "overlay": "data", "beside": COIN},
    "real_long": {"variable": "told_apart", "x": "model", "overlay": "data", "beside": COIN},
    "real_levers": {"variable": "told_apart", "x": "lever", "overlay": "data", "beside": COIN},
    "real_moments": {
        "variable": "mid_range_wasserstein_decades", "x": "step", "overlay": "rates", "log_y": True,
    },
    "real_quarter": {**CURVE, "overlay": "seed"},
    "real_normalisation": {**CURVE, "overlay": "normalisation"},
    "mba_paper": {
        **ERROR, "x": "step", "log_x": True, "overlay": "sample_len", "at": {"feature": "traffic_bytes"},
    },
    "pages_paper": {**CURVE, "overlay": "step"},
    "pages_still": {**ERROR, "x": "step", "overlay": "pages", "log_x": True},
    "jobs_paper": {**ERROR, "x": "step", "log_x": True, "overlay": "feature"},
}  # fmt: skip

DIMS = {
    "sample_len": "steps per LSTM pass",
    "samples": "training samples",
    "step": "training step",
    "quantile": "share of the series below",
    "decades": "decades that the data span",
    "normalisation": "auto-normalisation",
    "auxiliary": "auxiliary discriminator",
    "budget": "training time",
    "dataset": "data",
    "of": "measured on",
    "what": "measure",
    "shift": "share moved",
    "capacity": "CPU of a machine",
    "release": "what is released",
    "seen": "times each sample is seen",
    "shadows": "shadow models",
    "series": "series of one person",
    "zeros": "zeros as",
    "rates": "learning rates",
}
VARIABLES = {
    "told_apart": "share told apart from real",
    "useful": "accuracy in how jobs end, or R² of a forecast",
    "conditional_total": "distance of totals, given the attribute",
    "step_wasserstein": "distance of changes from step to step",
    "largest_rise_wasserstein": "distance of largest rises",
    "distance": "distance from the truth, asked of the model",
    "rows_distance": "distance from the truth, asked of real rows",
    "chance": "distance of the truth from itself, by chance",
    "flag": "flag raised (1) or not (0)",
    "effective": "effective share of samples",
    "used": "capacity used",
    "true_used": "capacity used in truth",
    "over_today": "share over the limit today",
    "over_target": "share over the limit after the shift",
    "conditional_wasserstein": "Wasserstein distance of levels, given the attribute",
    "median_day_coverage": "share of the range of median days that is reached",
    "zero_share": "share of zeros",
    "still_share": "share of pages that stand still",
    "real_still_share": "share of real pages that stand still",
    "all_zero_share": "share of series that are zero throughout",
    "components": "principal components",
}


def opening(name: str, ds: xr.Dataset) -> str:
    """How a recorded run opens, as JSON: what the table says, or else the rule; and names in words.

    The rule: `autocorrelation_mse`, or the first variable that compares something, along its longest dim, with a line
    for each value of the next. A dim that is left stands where most is measured.

    Examples
    --------
    >>> run = xr.Dataset({"error": (("model", "step", "seed"), np.ones((2, 3, 2)))})
    >>> chosen = json.loads(opening("not in the table", run))
    >>> chosen["variable"], chosen["x"], chosen["overlay"]
    ('error', 'step', 'model')
    """
    chosen = OPENINGS.get(name) or _rule(ds)
    at = _fullest(ds[chosen["variable"]], {chosen.get("x"), chosen.get("overlay"), "seed"}, chosen.get("at", {}))
    names = {key: DIMS[key] for key in DIMS if key in ds.dims}
    names |= {key: VARIABLES[key] for key in VARIABLES if key in ds.data_vars}
    return json.dumps({**chosen, "at": at, "names": names})


def _rule(ds: xr.Dataset) -> dict[str, Any]:
    numeric = [da for da in ds.data_vars.values() if da.dtype.kind in "iuf"]
    first = sorted(numeric, key=lambda da: da.name != "autocorrelation_mse")  # stable
    for da in first:
        longest = sorted(_turned(da), key=lambda dim: -da.sizes[dim])
        if len(longest) > 1:
            return {"variable": da.name, "x": longest[0], "overlay": longest[1]}
    curve = max(first, key=lambda da: len(_turned(da)))
    return {"variable": curve.name, "overlay": "seed" if "seed" in curve.dims else None}


def _turned(da: xr.DataArray) -> list[Hashable]:
    return [dim for dim in da.dims if dim != "seed" and da.sizes[dim] > 1]


def _fullest(da: xr.DataArray, shown: set[Any], at: Mapping[str, Any]) -> dict[str, Any]:
    """For each dim that is not shown the value given, or the last of those at which most is measured."""
    found = dict(at)
    da = da.sel(found) if found else da
    for dim in [dim for dim in da.dims if dim not in shown]:
        count = da.notnull().sum([other for other in da.dims if other != dim]).values
        place = int(np.flatnonzero(count == count.max())[-1])
        if dim in da.coords:
            found[str(dim)] = da[dim].values[place].item()
        da = da.isel({dim: place})
    return found
