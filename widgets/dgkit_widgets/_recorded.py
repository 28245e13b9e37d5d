"""Recorded runs found by their epsilon: the curve and the series of the one nearest to the dial.

A picture belongs to the settings that it was measured at. Where the dial's are others, as far as the recorded attrs
say, or epsilon is another by more than a third, there is none, but a word on which there are.

Left out: choosing among further dims, which is the caller's (`ds.sel(step=...)`).
"""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from dgkit.errors import ConfigError
from dgkit_widgets._guarantee import number
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
        place = place.median("seed") if "seed" in place.dims else place
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

    def title(self, k: int) -> str:
        """A run's own epsilon, and what else its dim says."""
        value = self.places[k]
        text = f"{self.key.replace('_', ' ')} {number(value)}"
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
        runs = ", ".join(f"{number(one)}" for one in sorted(self.places))
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
            "compared": f"The dial's {word} is {number(value)}, this run's {number(self.places[k])}.",
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
