"""Recorded runs found by their epsilon: the curve and the series of the one nearest to the dial.

A picture belongs to the settings that it was measured at. Where the dial's are others, as far as the recorded attrs
say, or epsilon is another by more than a third, there is none, but a word on which there are.

`Ways` has numbers in place of pictures: what several ways to be private make of an epsilon, on one axis.

Left out: choosing among further dims, which is the caller's (`ds.sel(step=...)`).
"""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from dgkit._text import at_most, number
from dgkit.errors import ConfigError
from dgkit.privacy.releases import user_epsilon
from dgkit_widgets.explorer import spread

SHOWN = 6  # series
NEAR = 4 / 3  # times an epsilon: about the same
NOTHING: dict[str, Any] = {"title": "", "compared": "", "n": 0, "time": 0}
SAID = {  # settings of the dial that a recorded run may tell in its attrs
    "samples": "{:,} samples", "batch_size": "batches of {:,}", "steps": "{:,} steps", "delta": "delta {:g}",
    "releases": "{} noisy gradients a batch", "max_grad_norm": "a clipping norm of {:g}",
}  # fmt: skip


class Recorded:
    """Curves over lag at several epsilons.

    Parameters
    ----------
    ds : Dataset
        As `PrivacyDial`'s `recorded`.
    real : DataArray, dims (lag,), optional

    Raises
    ------
    ConfigError
        No epsilon along one dim, or no curve over it and lag.
    """

    def __init__(self, ds: xr.Dataset, real: xr.DataArray | None = None) -> None:
        self.key = "epsilon" if "epsilon" in ds.variables else "noise_multiplier"
        if self.key not in ds.variables:
            raise ConfigError(
                "recorded has neither 'epsilon' nor 'noise_multiplier'. Mend: recorded.assign_coords(epsilon=(dim, "
                "[...]))"
            )
        if "autocorrelation" not in ds:
            raise ConfigError(f"recorded has no variable 'autocorrelation'; it has {list(map(str, ds.data_vars))}.")
        place = ds[self.key].astype(np.float64)
        if "seed" in place.dims:  # an epsilon is a bound: the one that holds for each seed
            place = place.max("seed") if self.key == "epsilon" else place.median("seed")
        curve = ds.autocorrelation
        wrong = [str(dim) for dim in curve.dims if dim not in (*place.dims, "seed", "lag")]
        if place.ndim != 1 or place.dims[0] not in curve.dims or "lag" not in curve.dims or wrong:
            raise ConfigError(
                f"recorded has {self.key} over {place.dims} and autocorrelation over {curve.dims}; it needs them over "
                "one and the same dim, and lag, and maybe seed. Choose a value of any other: recorded.isel(step=-1)"
            )
        self.dim = str(place.dims[0])
        self.places = place.values
        self.ds = ds
        self.real = real if real is not None else ds.get("real_autocorrelation")
        self.lags = ds.lag.values if "lag" in ds.coords else np.arange(1, ds.sizes["lag"] + 1)

    def nearest(self, value: float) -> int:
        """The run nearest on a log scale; one of infinite epsilon only to infinity."""
        if math.isinf(value) and np.isinf(self.places).any():
            return int(np.flatnonzero(np.isinf(self.places))[0])
        far = np.abs(np.log(np.maximum(self.places, 1e-12)) - math.log(max(min(value, 1e300), 1e-12)))
        return int(np.where(np.isfinite(self.places), far, 1e300).argmin())

    def _written(self, place: float) -> str:
        """An epsilon is a bound: rounded up."""
        return at_most(float(place)) if self.key == "epsilon" else number(float(place))

    def title(self, k: int) -> str:
        """A run's own epsilon, and what else its dim says."""
        value = self.places[k]
        text = f"{self.key.replace('_', ' ')} {self._written(value)}"
        if self.dim == self.key or self.dim not in self.ds.coords:
            return text
        label = self.ds[self.dim].values[k]
        if label == text:
            return text
        return f"{text} ({self.dim.replace('_', ' ')} {label:.4g})" if isinstance(label, float) else f"{text} ({label})"

    def elsewhere(self, value: float, now: Mapping[str, Any]) -> str:
        """Why nothing of what was recorded belongs to these settings; empty where something does."""
        told = {name: self.ds.attrs[name] for name in SAID if name in self.ds.attrs}
        k, word = self.nearest(value), self.key.replace("_", " ")
        differ = [name for name, one in told.items() if not math.isclose(one, now[name], rel_tol=0.01)]
        there = float(self.places[k])
        near = there == value or (0 < there < math.inf and 1 / NEAR <= value / there <= NEAR)
        if not differ and near:
            return ""
        runs = ", ".join(map(self._written, sorted(self.places)))
        how = ", ".join(SAID[name].format(one) for name, one in told.items())
        where = f" They were made with {how}." if told else ""
        why = f"The dial has {', '.join(SAID[name].format(now[name]) for name in differ)}. " if differ else ""
        return f"Nothing was recorded at these settings. {why}There are runs of {word} {runs}.{where}"

    def frame(self, epsilon: float, now: Mapping[str, Any]) -> dict[str, Any]:
        """What is drawn at an epsilon: "x" (n,) and "lines" (L, 3, n) as float32 bytes, names, and series."""
        value, word = (epsilon if self.key == "epsilon" else now["noise_multiplier"]), self.key.replace("_", " ")
        k = self.nearest(value)
        if other := self.elsewhere(value, now):
            return NOTHING | {"compared": other}
        free = np.flatnonzero(np.isinf(self.places)) if self.key == "epsilon" else np.flatnonzero(self.places == 0)
        shown = [k, *(int(j) for j in free[:1] if j != k)]
        curves = [spread(self.ds.autocorrelation.isel({self.dim: j}), "seed") for j in shown]
        names = [self.title(j) for j in shown]
        if self.real is not None:
            real = self.real.reindex(lag=self.lags) if "lag" in self.real.coords else self.real
            curves.append(np.stack([np.asarray(real.values, np.float64)] * 3))
            names.append("real")
        seeds = self.ds.autocorrelation.sizes.get("seed", 1)
        return {
            "title": f"Recorded run of the nearest {word}: {self.title(k)}",
            "compared": f"The dial's {word} is {self._written(value)}, this run's {self._written(self.places[k])}.",
            "x": np.asarray(self.lags, np.float32).tobytes(),
            "x_label": f"lag ({self.ds.lag.attrs.get('units', 'steps')})" if "lag" in self.ds.coords else "lag (steps)",
            "n": len(self.lags),
            "names": names,
            "real": [name == "real" for name in names],
            "lines": np.array(curves, np.float32).tobytes(),
            "seeds": seeds,
            **self._series(k),
        }

    def _series(self, k: int) -> dict[str, Any]:
        if "series" not in self.ds or "time" not in self.ds.series.dims:
            return {"series": b"", "time": 0, "series_label": ""}
        da = self.ds.series.isel({self.dim: k}) if self.dim in self.ds.series.dims else self.ds.series
        rows = da.transpose(..., "time").values.reshape(-1, da.sizes["time"])[:SHOWN]
        units = da.attrs.get("units", "1")
        label = str(da.attrs.get("long_name", "series")) + (f" ({units})" if units != "1" else "")
        return {
            "series": np.asarray(rows, np.float32).tobytes(),
            "time": da.sizes["time"],
            "series_label": f"{label}, generated by this run",
            "log": da.attrs.get("scale") == "log",
        }


class Ways:
    """A measure of several ways at the epsilons at which they were measured, and nowhere else.

    Parameters
    ----------
    ds : Dataset
        As `PrivacyDial`'s `ways`.

    Raises
    ------
    ConfigError
        No measure over way and epsilon.
    """

    def __init__(self, ds: xr.Dataset) -> None:
        self.measures = [str(name) for name, da in ds.data_vars.items() if {"way", "epsilon"} <= set(da.dims)]
        wrong = [str(dim) for name in self.measures for dim in ds[name].dims if dim not in ("way", "epsilon", "seed")]
        if not self.measures or wrong or not {"way", "epsilon"} <= set(ds.coords):
            raise ConfigError(
                "ways needs a variable over the dims way and epsilon, and maybe seed, with their coordinates; it has "
                f"{ {str(name): da.dims for name, da in ds.data_vars.items()} }."
            )
        self.ds = ds.sortby("epsilon")

    def frame(self, measure: str, epsilon: float, now: Mapping[str, Any]) -> dict[str, Any]:
        """What is drawn and said at an epsilon of one sample: "x" (n,) and "lines" (L, n) as float32 bytes, rows."""
        da = self.ds[measure].transpose("way", "epsilon", ...)
        middle = da.median("seed") if "seed" in da.dims else da
        places, drawn = self.ds.epsilon.values.astype(float), self.ds.epsilon.values > 0
        units, label = da.attrs.get("units", "1"), self._label(measure)
        names = [str(name) for name in self.ds.way.values]
        rows = [self._row(name, places, middle.sel(way=name).values, epsilon, now) for name in self.ds.way.values]
        told = {name: self.ds.attrs[name] for name in SAID if name in self.ds.attrs}
        differ = [SAID[name].format(now[name]) for name, one in told.items() if not math.isclose(one, now[name])]
        how = ", ".join(SAID[name].format(one) for name, one in told.items())
        return {
            "title": f"{label} of all ways, as measured" + ": median of the seeds" * (da.sizes.get("seed", 1) > 1),
            "y_label": "measure" if units == "1" else f"measure ({units})",
            "n": int(drawn.sum()),
            "x": np.asarray(places[drawn], np.float32).tobytes(),
            "lines": np.asarray(middle.values[:, drawn], np.float32).tobytes(),
            "names": names,
            "now": epsilon if 0 < epsilon < math.inf else None,
            "head": ["way", "at about this epsilon", "without the data (epsilon 0)", *self._users(now)],
            "rows": rows,
            "measures": [[name, self._label(name)] for name in self.measures],
            "measure": measure,
            "note": f"{self.ds.attrs.get('title', '')} Measured with {how}."
            + f" The dial has {', '.join(differ)}: these numbers are of other settings." * bool(differ)
            + " Of training the dial says a user's epsilon, above." * (now["series"] > 1),
        }  # fmt: skip

    def _row(
        self, name: Any, places: np.ndarray, values: np.ndarray, epsilon: float, now: Mapping[str, Any]
    ) -> list[str]:
        """What was measured of a way near an epsilon, or where it was; without data; and a user's epsilon there."""
        known = np.flatnonzero(np.isfinite(values) & (places > 0))
        without = [number(float(v)) for v, place in zip(values, places, strict=True) if place == 0 and np.isfinite(v)]
        k = known[np.abs(np.log(places[known] / min(max(epsilon, 1e-9), 1e9))).argmin()] if known.size else None
        if k is None:
            said = "not measured"
        elif 1 / NEAR <= epsilon / places[k] <= NEAR:
            said = f"{number(float(values[k]))} at epsilon {at_most(float(places[k]))}"
        else:
            said = f"not measured; at {at_most(float(places[k]))} it is {number(float(values[k]))}"
        user = []
        if now["series"] > 1:
            whole = str(name) in self.ds.attrs.get("gaussian", ()) and k is not None
            user = [at_most(user_epsilon(float(places[k]), now["delta"], now["series"])) if whole else "–"]
        return [str(name), said, without[0] if without else "not measured", *user]

    def _label(self, name: str) -> str:
        return str(self.ds[name].attrs.get("long_name", name.replace("_", " ")))

    def _users(self, now: Mapping[str, Any]) -> list[str]:
        return [f"epsilon of a user with {now['series']} samples"] if now["series"] > 1 else []
