"""Explorer: turn the dims of a recorded run, or of any Dataset, and see its curves and metrics follow.

`slice_of` and `spread` do the arithmetic on DataArrays; the widget keeps the selection. Left out: variables that are
not numbers, and pictures of two dims at once.
"""

import json
import threading
import warnings
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

import numpy as np
import traitlets
import xarray as xr

from dgkit._checks import whole
from dgkit.errors import ConfigError
from dgkit_widgets._lifetime import replace_earlier
from dgkit_widgets._names import is_code, of_value, spelled
from dgkit_widgets._widget import Widget, static

LONG = 32  # a dim with more values holds curves; the table of metrics leaves it out
LINES = 8  # compared at first
_KEYS = ("variable", "x", "overlay", "compare", "at", "log_x", "log_y", "same_y")


def spread(da: xr.DataArray, dim: str) -> np.ndarray:
    """Median, smallest and largest over `dim`, NaN left out, as (3, ...) over the other dims.

    Where `dim` is absent, the values themselves, three times.

    Examples
    --------
    >>> spread(xr.DataArray([1.0, 2.0, 9.0, np.nan], dims="seed"), "seed").tolist()
    [2.0, 1.0, 9.0]
    """
    values = np.asarray(da.values, np.float64)
    if dim not in da.dims:
        return np.stack([values] * 3)
    axis = da.dims.index(dim)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "All-NaN", RuntimeWarning)  # NaN then: shown as a gap
        return np.stack([measure(values, axis) for measure in (np.nanmedian, np.nanmin, np.nanmax)])


def spans_decades(values: Any) -> bool:
    """Whether a log axis suits: all values positive, and over two decades between the smallest and the largest."""
    values = np.asarray(values, np.float64)
    values = values[np.isfinite(values)]
    return bool(values.size and values.min() > 0 and values.max() / values.min() > 100)


class Explorer(Widget):
    """Curves and metrics of a Dataset with named dims: a slider a dim, the seeds as a band.

    Parameters
    ----------
    ds : Dataset
        Such as `dgkit.course.open_run` and `sweep` give. Numeric variables are shown, with their `units` and
        `long_name`, or their names in words. A recorded run opens as its attrs say (`opening`).
    variable : str, optional
        The first to show. Default: the first with a dim of over 32 values, else the first.
    x, overlay : str, optional
        Dims: along the horizontal axis (default: the variable's longest), and compared as one line a value.
    references : mapping of name to Dataset or DataArray, optional
        Further lines, such as {"real": autocorrelation}: variables of the same names, whose dims may be fewer.
    seed_dim : str
        Shown as median and range.

    Attributes
    ----------
    selection : dict
        Synced, and settable, also in part: {"variable": name, "x": dim, "overlay": dim or None, "compare": values of
        that dim, "at": {dim: value}, "log_x", "log_y": bool or None (as the values ask), "same_y": one vertical axis
        for all positions of the sliders}.
    frame : dict
        What is drawn: names and labels, "x" (n,) and "lines" (L, 3, n) as float32 bytes (median, low, high), and the
        table of metrics.
    dims, variables : list
        What the controls offer.
    answered : str
        The browser's last wish that `frame` takes into account.

    Raises
    ------
    ConfigError
        `ds` is no Dataset or has no numeric variable, or the selection names what it does not have.

    Examples
    --------
    >>> ds = xr.Dataset({"error": (("sample_len", "seed"), [[4.0, 6.0], [1.0, 3.0]])}, {"sample_len": [1, 7]})
    >>> explorer = Explorer(ds)
    >>> explorer.selection = {"at": {"sample_len": 7}}
    >>> explorer.metrics()
    {'error': (2.0, 1.0, 3.0)}
    """

    _esm, _css = static("explorer")
    actions: ClassVar[tuple[str, ...]] = ("choose",)

    variables: Any = traitlets.List().tag(sync=True)
    dims: Any = traitlets.List().tag(sync=True)
    selection = traitlets.Dict().tag(sync=True, settable=True)
    frame = traitlets.Dict().tag(sync=True)
    answered = traitlets.Unicode("").tag(sync=True)

    def __init__(
        self,
        ds: xr.Dataset,
        variable: str | None = None,
        x: str | None = None,
        overlay: str | None = None,
        *,
        references: Mapping[str, xr.Dataset | xr.DataArray] | None = None,
        seed_dim: str = "seed",
    ) -> None:
        if not isinstance(ds, xr.Dataset):
            raise ConfigError(
                f"Explorer shows an xarray Dataset, not a {type(ds).__name__}. Mend: da.to_dataset(name=...)"
            )
        numeric = [name for name, da in ds.data_vars.items() if da.dtype.kind in "iufb" and da.size]
        if not numeric:
            raise ConfigError(
                f"the Dataset has no numeric variable to show; it has {list(map(str, ds.data_vars)) or 'none'}."
            )
        self._ds, self._seed = ds[numeric], seed_dim
        opening = _opening(ds)
        self._names = {key: str(text) for key, text in opening.get("names", {}).items()}
        self._labels = self._spelled()
        self._places = {str(dim): _values(ds, str(dim)) for dim in self._ds.dims}
        self._index: dict[str, dict[Any, int]] = {dim: {} for dim in self._places}
        for dim, values in self._places.items():
            for k, value in enumerate(values):
                self._index[dim].setdefault(_plain(value), k)
        self._references = {
            name: one.to_dataset(name=one.name) if isinstance(one, xr.DataArray) else one
            for name, one in {**self._beside(opening), **(references or {})}.items()
        }
        self._guard = threading.RLock()  # callbacks may come from another thread than the cells
        self._whole: dict[str, np.ndarray] = {}  # by variable: every value it has
        first = next((name for name in numeric if max(ds[name].shape, default=0) > LONG), numeric[0])
        at = {dim: _plain(values[-1]) for dim, values in self._places.items() if dim != seed_dim}
        start = {"variable": str(first), "at": at, "log_x": None, "log_y": None, "same_y": True}
        given = {
            key: value for key, value in (("variable", variable), ("x", x), ("overlay", overlay)) if value is not None
        }
        super().__init__(
            variables=[[str(name), self._label(ds[name])] for name in numeric],
            dims=[self._dim(dim) for dim in self._places],
            selection=self._merged(start, {**self._opened(opening, given), **given}),  # with its frame, from the start
        )
        replace_earlier(self)

    def _opened(self, opening: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
        """Of how a run is to open, what this Dataset has and the caller did not choose otherwise."""
        name = given.get("variable", opening.get("variable"))
        if name not in list(self._ds):
            return {}
        chosen = {"variable": name, "at": {k: v for k, v in opening.get("at", {}).items() if self._has(k, v)}}
        for key, others in (("x", {self._seed}), ("overlay", set())):
            if opening.get(key) in set(map(str, self._ds[name].dims)) - others - set(given.values()):
                chosen[key] = opening[key]
        if "overlay" in chosen and "overlay" not in given:
            chosen["compare"] = [value for value in opening.get("compare", []) if self._has(chosen["overlay"], value)]
        if name == opening.get("variable"):
            chosen |= {key: opening[key] for key in ("log_x", "log_y") if key in opening}
        return {key: value for key, value in chosen.items() if value not in (None, [])}

    def _has(self, dim: str, value: Any) -> bool:
        return dim in self._places and isinstance(value, str | int | float) and value in self._index[dim]

    def _beside(self, opening: Mapping[str, Any]) -> dict[str, xr.DataArray]:
        """The further lines of an opening: a number, another variable, or the same one at other values."""
        found: dict[str, xr.DataArray] = {}
        name = opening.get("variable")
        for title, one in opening.get("beside", {}).items() if name in list(self._ds) else ():
            if isinstance(one, dict):
                if all(dim in self._ds[name].dims and self._has(dim, value) for dim, value in one.items()):
                    found[title] = self._ds[name].sel(one, drop=True)
            elif isinstance(one, str):
                if one in self._ds:
                    found[title] = self._ds[one].rename(name)
            elif isinstance(one, int | float):
                found[title] = xr.DataArray(float(one), name=name)
        return found

    # --- what is selected

    def choose(self, index: Mapping[str, int] | None = None, token: str = "", **changes: Any) -> None:
        """Change the selection, as the browser does.

        Parameters
        ----------
        index : mapping of dim to place, optional
            Sets "at" by places instead of values.
        token : str
            Comes back as `answered`.
        **changes
            Other parts of `selection`; "compare" by places.
        """
        with self._guard, self.hold_sync():
            try:
                if "compare" in changes:
                    overlay = changes.get("overlay", self.selection["overlay"])
                    changes["compare"] = [self._value(overlay, k) for k in _listed("compare", changes["compare"])]
                at = {dim: self._value(dim, place) for dim, place in _mapped("index", index or {}).items()}
                self.selection = {**changes, **({"at": at} if at else {})}
            finally:
                self.answered = token or self.answered

    @traitlets.validate("selection")
    def _check_selection(self, proposal: Any) -> dict[str, Any]:
        new: dict[str, Any] = proposal["value"]
        return self._merged(self.selection, new) if self.selection else new

    @traitlets.observe("selection")
    def _selected(self, _change: Any) -> None:
        with self._guard:
            self.frame, self.error = self._drawn(), ""  # what was refused before is over

    def _merged(self, old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
        """The old selection with the new one's changes, complete and checked."""
        unknown = [key for key in new if key not in _KEYS]
        if unknown:
            raise ConfigError(f"selection has no {unknown[0]!r}; it has {', '.join(map(repr, _KEYS))}.")
        result = {**old, **new}
        name = result["variable"]
        if not isinstance(name, str) or name not in self._ds:
            raise ConfigError(f"no numeric variable {name!r}; there are {', '.join(map(repr, map(str, self._ds)))}.")
        own = list(map(str, self._ds[name].dims))
        loose = [dim for dim in own if dim != self._seed]
        for key, allowed in (("x", loose), ("overlay", own)):
            if new.get(key) is not None and new[key] not in allowed:
                raise ConfigError(
                    f"{key}={new[key]!r} is no dim of {name!r} to show there; it has {allowed or 'none'}."
                )
        overlay, x = result.get("overlay"), result.get("x")
        if overlay is not None and x == overlay:
            if new.get("x") == new.get("overlay"):
                raise ConfigError(f"x and overlay are both {x!r}; choose two dims, or overlay=None.")
            overlay, x = (overlay, None) if new.get("overlay") is not None else (None, x)  # the older choice makes way
        overlay = overlay if overlay in own else None
        longest = max((dim for dim in loose if dim != overlay), key=lambda dim: self._ds.sizes[dim], default=None)
        curve = longest is not None and self._ds.sizes[longest] > LONG and new.get("x") is None
        if x not in loose or (curve and name != old["variable"]):
            x = longest
        result["x"], result["overlay"] = x, overlay
        if overlay is None:
            result["compare"] = []
        elif "compare" in new:
            places = dict.fromkeys(self._place(overlay, value) for value in _listed("compare", new["compare"]))
            result["compare"] = [_plain(self._places[overlay][k]) for k in places]
        elif overlay != old.get("overlay"):
            values = self._places[overlay]
            few = np.unique(np.linspace(0, len(values) - 1, min(len(values), LINES)).round().astype(int))
            result["compare"] = [_plain(values[k]) for k in few]
        at = dict(old["at"])
        for dim, value in _mapped("at", new.get("at", {})).items():
            if dim not in at:
                raise ConfigError(
                    f"at={{{dim!r}: ...}}: no such dim to turn; there are {', '.join(map(repr, at)) or 'none'}."
                )
            at[dim] = _plain(self._places[dim][self._place(dim, value)])
        result["at"] = at
        for key in ("log_x", "log_y", "same_y"):
            result[key] = _plain(result[key])
            if not isinstance(result[key], bool | None):
                raise ConfigError(f"{key}={result[key]!r} must be True, False or None.")
        return {key: result[key] for key in _KEYS}

    def _value(self, dim: Any, place: Any) -> Any:
        """What stands at a place of a dim."""
        if dim not in list(self._places):
            raise ConfigError(f"there is no dim {dim!r}; there are {', '.join(map(repr, self._places)) or 'none'}.")
        return _plain(self._places[dim][whole(f"place of {dim!r}", place, 0, len(self._places[dim]))])

    def _place(self, dim: str, value: Any) -> int:
        """Where a value stands on a dim."""
        if isinstance(value, str | int | float | np.number):
            if (place := self._index[dim].get(_plain(value))) is not None:
                return place
            values = self._places[dim]
            if values.dtype.kind == "f" and not isinstance(value, str):
                near = np.flatnonzero(np.isclose(values, value, atol=0, equal_nan=True))  # 0.1 in float32, say
                if len(near):
                    return int(near[0])
        some = ", ".join(map(repr, [*self._index[dim]][:12])) + (", ..." if len(self._index[dim]) > 12 else "")
        raise ConfigError(f"{dim}={value!r} is not in the Dataset; it has {some}.")

    # --- what is drawn

    def sliced(self, name: str | None = None) -> xr.DataArray:
        """The shown part of a variable: every dim but x, the compared one and the seeds at its selected value."""
        chosen = self.selection
        name = chosen["variable"] if name is None else name
        keep = {chosen["x"], chosen["overlay"], self._seed}
        da = self._at(self._ds[name], keep)
        if chosen["overlay"] in da.dims:
            da = da.isel({chosen["overlay"]: [self._place(chosen["overlay"], value) for value in chosen["compare"]]})
        return da

    def metrics(self) -> dict[str, Any]:
        """For each metric at the selected values: median, smallest and largest over the seeds.

        Metrics are the variables without a dim of more than 32 values. Where values are compared, a list with such a
        triple for each.
        """
        table: dict[str, Any] = {}
        overlay = self._compared()
        for name in self._metrics():
            da = self._at(self._ds[name], {self._seed, overlay})
            if overlay is None:
                table[str(name)] = tuple(spread(da, self._seed).tolist())
                continue
            if overlay in da.dims:
                places = [self._place(overlay, value) for value in self.selection["compare"]]
                three = spread(da.isel({overlay: places}), self._seed).T
            else:
                three = np.tile(spread(da, self._seed), (len(self.selection["compare"]), 1))
            table[str(name)] = list(map(tuple, three.tolist()))
        return table

    def _compared(self) -> str | None:
        """The dim whose values the table compares: the seeds are always a range there."""
        return None if self.selection["overlay"] == self._seed else self.selection["overlay"]

    def code(self) -> str:
        """The xarray expression of what is drawn, without a widget."""
        chosen, own = self.selection, self._ds[self.selection["variable"]].dims
        at = {
            dim: value
            for dim, value in chosen["at"].items()
            if dim in own and dim not in (chosen["x"], chosen["overlay"])
        }
        picks = {**at, **({chosen["overlay"]: chosen["compare"]} if chosen["overlay"] else {})}
        text = f"ds[{chosen['variable']!r}]" + (f".sel({picks})" if picks else "")
        return text + (f".median({self._seed!r})" if self._seed in own and chosen["overlay"] != self._seed else "")

    def _at(self, da: xr.DataArray, keep: set[Any]) -> xr.DataArray:
        at = self.selection["at"]
        return da.isel({dim: self._place(str(dim), at[str(dim)]) for dim in da.dims if dim not in keep})

    def _metrics(self) -> list[Any]:
        return [name for name, da in self._ds.data_vars.items() if _short(da, self._seed)]

    def _drawn(self) -> dict[str, Any]:
        chosen = self.selection
        name, x, overlay = chosen["variable"], chosen["x"], chosen["overlay"]
        da = self.sliced().astype(np.float64).compute()
        places = self._places[x] if x else np.zeros(1)
        labels = None if _numeric(places) else [of_value(str(x), _text(value)) for value in places]
        numbers = np.arange(len(places)) if labels else places.astype(np.float64)
        order = np.argsort(numbers, kind="stable")
        band = self._seed in da.dims and overlay != self._seed and da.sizes[self._seed] > 1
        lines, names, real = [], [], []

        def add(part: xr.DataArray, title: str, reference: bool) -> None:
            three = spread(part, self._seed)
            lines.append([np.broadcast_to(one, len(places))[order] for one in three])
            names.append(title)
            real.append(reference)

        for k, value in enumerate(chosen["compare"] if overlay else [None]):
            title = self._told(overlay, value) if overlay else ("median" if band else self._labels[name])
            add(da.isel({overlay: k}) if overlay else da, title, False)
        for title, one in self._references.items():
            if name in one:
                add(self._reference(one[name], da, overlay), title, True)
        values = np.array(lines, np.float32).reshape(len(lines), 3, len(places))
        whole = self._all(name)
        possible = [
            labels is None and bool((numbers > 0).all()) and len(places) > 1,
            bool((whole > 0).all() and whole.size),
        ]
        asks = [_uneven(numbers) and spans_decades(numbers), spans_decades(whole)]
        log = [may and (ask if wish is None else wish) for may, ask, wish in
               zip(possible, asks, (chosen["log_x"], chosen["log_y"]), strict=True)]  # fmt: skip
        return {
            "variable": name,
            "label": self._label(self._ds[name]),
            "x_label": self._dim_label(x) if x else "",
            "labels": labels,
            "n": len(places) if x else 0,
            "x": numbers[order].astype(np.float32).tobytes(),
            "lines": values.tobytes(),
            "names": names,
            "real": real,
            "band": band,
            "seed_dim": self._seed,
            "seeds": self._ds[name].sizes.get(self._seed, 0),
            "log": log,
            "possible": possible,
            "range": [float(whole.min()), float(whole.max())] if chosen["same_y"] and whole.size else None,
            "sliders": self._turned(name, x, overlay),
            "own": list(map(str, self._ds[name].dims)),
            "at": {dim: self._place(dim, value) for dim, value in chosen["at"].items()},
            "compare": [self._place(overlay, value) for value in chosen["compare"]] if overlay else [],
            **self._table(overlay),
        }

    def _reference(self, da: xr.DataArray, drawn: xr.DataArray, overlay: str | None) -> xr.DataArray:
        """A reference along the drawn x; a dim it does not share with the plot is taken at the selected value."""
        x, at = self.selection["x"], self.selection["at"]
        if x in da.dims:
            da = da.reindex({x: self._places[x]}) if x in da.indexes else da
        for dim in [dim for dim in da.dims if dim not in (x, self._seed)]:
            if dim in at and dim in da.indexes:  # a gap where the reference has no such value, as in a page of its own
                da = da.reindex({dim: self._places[str(dim)][[self._place(str(dim), at[dim])]]})
            da = da.isel({dim: -1})
        return da.astype(np.float64).compute()

    def _all(self, name: str) -> np.ndarray:
        """Every finite value of a variable and its references, to fix an axis."""
        if name not in self._whole:
            parts = [self._ds[name], *(one[name] for one in self._references.values() if name in one)]
            values = np.concatenate([part.values.astype(np.float64).ravel() for part in parts])
            self._whole[name] = values[np.isfinite(values)]
        return self._whole[name]

    def _turned(self, name: str, x: str | None, overlay: str | None) -> list[str]:
        """Dims with a slider: what the plot and the table need a value of."""
        plot = {dim for dim in self._ds[name].dims if dim not in (x, overlay, self._seed)}
        table = {dim for one in self._metrics() for dim in self._ds[one].dims if dim not in (overlay, self._seed)}
        return [dim for dim, values in self._places.items() if dim in plot | table and len(values) > 1]

    def _table(self, overlay: str | None) -> dict[str, Any]:
        rows = [
            [self._label(self._ds[name]), *map(_jsonable, triples if isinstance(triples, list) else [triples])]
            for name, triples in self.metrics().items()
        ]
        compared = self.selection["compare"] if self._compared() else []
        bounds = [self._label(da) for name, da in self._ds.data_vars.items() if _bound(name)]
        return {"rows": rows, "heads": [self._told(overlay, value) for value in compared], "bounds": bounds}

    def _told(self, dim: str | None, value: Any) -> str:
        """A value that is compared, with its dim."""
        return f"{self._labels[str(dim)]} {of_value(str(dim), _text(value))}"

    def _worded(self, dim: str, value: Any) -> str:
        units = str(self._ds[dim].attrs.get("units", "")) if dim in self._ds.coords else ""
        text = of_value(dim, _text(value))
        unit = units.removesuffix("s") if text == "1" and units.isalpha() else units  # "1 step", and "1 views/s"
        return text + (f" {unit}" if unit not in ("", "1") else "")

    def _spelled(self) -> dict[str, str]:
        """What each variable and dim is called: its `long_name` where that is words and no other's, or its name."""
        given = {str(name): str(da.attrs.get("long_name", name)) for name, da in self._ds.variables.items()}
        often = Counter(given[str(name)] for name in self._ds.data_vars)
        found = {str(dim): str(dim) for dim in self._ds.dims} | given
        for name, text in found.items():
            if is_code(name, text) or often[text] > 1:
                found[name] = self._names.get(name) or spelled(name)
        return found

    def _label(self, da: xr.DataArray) -> str:
        return _with_units(self._labels[str(da.name)], da)

    def _dim_label(self, dim: str) -> str:
        return _with_units(self._labels[dim], self._ds[dim]) if dim in self._ds.coords else self._labels[dim]

    def _dim(self, dim: str) -> dict[str, Any]:
        values = self._places[dim]
        words = (
            [self._worded(dim, value) for value in values.tolist()]
            if values.dtype.kind != "M"
            else list(map(_text, values))
        )
        slides = _numeric(values) or values.dtype.kind == "M"
        return {"name": dim, "label": self._labels[dim], "values": words, "slides": slides}  # units: with its values

    def _alone(self) -> tuple[dict[str, Any], dict[str, Any] | None, str]:
        """All values, and of each dim and variable what does not depend on the selection."""
        data = {
            "places": {dim: self._place_of(dim) for dim in self._places},
            "variables": {str(name): self._variable(str(name)) for name in self._ds.data_vars},
            "seed": self._seed,
            "start": {**self.selection, "at": self.frame["at"], "compare": self.frame["compare"]},
        }  # fmt: skip
        return {}, data, "Live without a kernel: all recorded values are in this page."

    def _variable(self, name: str) -> dict[str, Any]:
        da, whole = self._ds[name], self._all(name)
        references = {title: one[name] for title, one in self._references.items() if name in one}
        return self._part(da) | {
            "label": self._label(da),
            "name": self._labels[name],
            "table": _short(da, self._seed),
            "bound": _bound(name),
            "positive": bool((whole > 0).all() and whole.size),
            "asks": spans_decades(whole),
            "range": [float(whole.min()), float(whole.max())] if whole.size else None,
            "references": [self._part(self._gridded(one)) | {"title": title} for title, one in references.items()],
        }

    def _place_of(self, dim: str) -> dict[str, Any]:
        places = self._places[dim]
        numeric = _numeric(places)
        numbers = places.astype(np.float64) if numeric else np.arange(len(places), dtype=np.float64)
        return {
            "numbers": numbers.tolist(),
            "texts": [of_value(dim, _text(value)) for value in places],
            "told": [self._told(dim, _plain(value)) for value in places],
            "numeric": numeric,
            "positive": bool((numbers > 0).all()),
            "asks": _uneven(numbers) and spans_decades(numbers),
            "label": self._dim_label(dim),
        }

    @staticmethod
    def _part(da: xr.DataArray) -> dict[str, Any]:
        values = np.ascontiguousarray(da.values, np.float32).tobytes()
        return {"dims": list(map(str, da.dims)), "shape": list(da.shape), "values": values}

    def _gridded(self, da: xr.DataArray) -> xr.DataArray:
        """A reference at the places of the dims that it shares; of others at the last."""
        da = da.isel({dim: -1 for dim in da.dims if dim not in self._places})
        return da.reindex({dim: self._places[str(dim)] for dim in da.dims if dim in da.indexes})

    def without_browser(self) -> str:
        sizes = ", ".join(f"{dim} {size}" for dim, size in self._ds.sizes.items())
        return f"{len(self._ds.data_vars)} variables over {sizes or 'no dims'}. In code: {self.code()}"


def _opening(ds: xr.Dataset) -> dict[str, Any]:
    """How a Dataset's attrs say that it opens; what is not of that form is left out."""
    try:
        found = json.loads(ds.attrs.get("opening", "{}"))
    except (TypeError, ValueError):
        return {}
    kinds = {"names": dict, "beside": dict, "at": dict, "compare": list, "log_x": bool, "log_y": bool}
    parts = found.items() if isinstance(found, dict) else ()
    return {key: value for key, value in parts if isinstance(value, kinds.get(key, str))}


def _with_units(text: str, da: xr.DataArray) -> str:
    units = da.attrs.get("units")
    return f"{text} ({units})" if units and units != "1" and f"({units})" not in text else text


def _values(ds: xr.Dataset, dim: str) -> np.ndarray:
    """The coordinate of a dim, or its places."""
    values = ds[dim].values if dim in ds.coords else np.arange(ds.sizes[dim])
    return values if values.dtype.kind in "iufbUM" else np.array([str(value) for value in values])


def _listed(name: str, values: Any) -> list[Any]:
    if isinstance(values, str | Mapping) or not isinstance(values, Iterable):
        raise ConfigError(f"{name}={values!r:.80} must be a list.")
    return list(values)


def _mapped(name: str, values: Any) -> dict[str, Any]:
    if not isinstance(values, Mapping):
        raise ConfigError(f"{name}={values!r:.80} must be a mapping of dims.")
    return dict(values)


def _numeric(values: np.ndarray) -> bool:
    return values.dtype.kind in "iuf" and bool(np.isfinite(values.astype(np.float64)).all())


def _uneven(numbers: np.ndarray) -> bool:
    """Whether the steps between values differ: evenly spaced ones, such as lags, read better on a linear axis."""
    steps = np.diff(np.sort(numbers))
    return len(steps) > 1 and not np.allclose(steps, steps[0])


def _short(da: xr.DataArray, seed_dim: str) -> bool:
    return all(size <= LONG for dim, size in da.sizes.items() if dim != seed_dim)


def _plain(value: Any) -> Any:
    """A coordinate's value as JSON has it; dates as text."""
    if isinstance(value, np.datetime64):
        return _text(value)
    return value.item() if isinstance(value, np.generic) else value


def _text(value: Any) -> str:
    if isinstance(value, np.datetime64):
        seconds = value.astype("datetime64[s]")
        exact = np.isnat(value) or seconds == value
        return str(seconds).removesuffix("T00:00:00") if exact else str(value).rstrip("0")
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    return f"{value:.6g}" if isinstance(value, float | np.floating) else str(value)


def _bound(name: Any) -> bool:
    """Whether a variable is a promise, whose numbers are rounded up."""
    return str(name).startswith("epsilon")


def _jsonable(triple: tuple[float, float, float]) -> list[float | str | None]:
    """Numbers as JSON has them: nothing for NaN, and a sign for what is infinite."""
    return [
        None if np.isnan(value) else value if np.isfinite(value) else "∞" if value > 0 else "−∞" for value in triple
    ]
