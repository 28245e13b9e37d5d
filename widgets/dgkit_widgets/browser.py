"""SeriesBrowser: page through the samples of one or more datasets, filter them, and see what each lies nearest to.

The neighbours are the memorisation check of Lin et al. 2020 (appendix: generated samples beside their nearest training
samples), with a scale to read the distances on. Left out: any change of the data, and a verdict on copying.
"""

import threading
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
import traitlets
import xarray as xr

from dgkit import metrics
from dgkit._text import number
from dgkit.errors import ConfigError, DgkitError, SchemaError
from dgkit.metrics.distributions import valid_feature
from dgkit.schema import Schema, Variable, lengths, validate
from dgkit_widgets._lifetime import replace_earlier
from dgkit_widgets._widget import Widget, f4, static

ORDERS = ("stored", "mid-range", "length", "random")
DECADES = 2  # positive values that span more are shown on a log axis at first
TYPICAL = 500  # training samples that the typical distance is measured on
ROUNDED = 12  # decimals of a distance; what differs beyond is the arithmetic's
LENGTH = Variable("length", "attribute", "continuous", "<i8", (), {"long_name": "length", "units": "steps"})


class SeriesBrowser(Widget):
    """Small charts of the samples of one set or several, a block a set; one selected sample large, with its nearest.

    Parameters
    ----------
    sets : Dataset or mapping of names to Datasets
        The first is taken for the training data; same features and number of steps in all.
    feature : str, optional
        What is drawn; default the first. Categorical features are drawn as steps between their categories.
    page_size : int
        Samples of each set on a page.
    order : {"stored", "mid-range", "length", "random"}
        Of the samples, in each set; mid-range is (max + min) / 2 of the feature, ascending as is length. A categorical
        feature has no mid-range: its samples stay as stored.
    seed : int
        Of the random order.
    filters : mapping, optional
        Category an attribute must have, or (low, high) for a number, ends included; "length" too.
    neighbours : int
        How many of the nearest are shown.

    Attributes
    ----------
    feature, page, page_size, order, seed : as above
        Settable; `page` counts from 0.
    shared : bool
        One vertical axis for all small charts of the page.
    log : bool
        Logarithmic vertical axis; at first where the feature's attrs say scale="log" or its values are positive and
        span over two decades.
    filters : dict
        Settable; see above. `{}` shows all.
    selected : dict
        {"set": name, "sample": position in that set}, or {}. Settable.
    frame, detail : dict
        What the browser draws: the page with its values as float32 bytes; the selected sample and its neighbours. Each
        of `detail["neighbours"]` has set, sample, distance and ratio.

    Raises
    ------
    SchemaError
        Not datasets, or sets that differ in features or steps.
    ConfigError
        An unknown feature, order, filter or sample.

    Notes
    -----
    Distances are those of `dgkit.metrics.nearest_neighbours`: the mean squared error over all features, in squared
    standard deviations of the training set; all samples of a set are searched. `ratio` divides by the median distance
    between a training sample and the nearest other one, so a copy has a ratio near 0.

    Examples
    --------
    >>> import dgkit as dg
    >>> ds = dg.open_dataset("cluster")
    >>> browser = SeriesBrowser({"real": ds, "copy": ds.isel(sample=[4, 2])}, filters={"end_event": "FAIL"})
    >>> browser.selected = {"set": "copy", "sample": 1}
    >>> [found["sample"] for found in browser.detail["neighbours"]][0]
    2
    >>> browser.selection_dataset().sizes["sample"]
    1
    """

    _esm, _css = static("browser")
    in_page: ClassVar[int] = 200  # series of each set that `to_html` writes; all others only as neighbours of these
    actions: ClassVar[tuple[str, ...]] = ("show", "select")

    feature = traitlets.Unicode()
    page = traitlets.Int(0)
    page_size = traitlets.Int(6)
    order = traitlets.Unicode("stored")
    seed = traitlets.Int(0)
    shared = traitlets.Bool(True)
    log = traitlets.Bool(False)
    filters = traitlets.Dict()
    selected = traitlets.Dict()
    info = traitlets.Dict().tag(sync=True)
    frame = traitlets.Dict().tag(sync=True)
    detail = traitlets.Dict().tag(sync=True)

    def __init__(
        self,
        sets: xr.Dataset | Mapping[str, xr.Dataset],
        feature: str | None = None,
        *,
        page_size: int = 6,
        order: str = "stored",
        seed: int = 0,
        filters: Mapping[str, Any] | None = None,
        neighbours: int = 3,
    ) -> None:
        self._sets, self._schema = _checked(sets)
        if neighbours < 1:
            raise ConfigError(f"neighbours={neighbours}; at least 1 is shown.")
        self._k = neighbours
        self._features = {v.name: v for v in self._schema.features}
        self._attributes = {v.name: v for v in self._schema.attributes}
        if self._schema.variable_length:
            self._attributes["length"] = LENGTH
        self._known = {(name, a): _values_of(ds, a) for name, ds in self._sets.items() for a in self._attributes}
        self._options = {a: self._categories(v) for a, v in self._attributes.items() if v.kind == "categorical"}
        self._limits = {(name, f): self._limits_of(ds, v) for name, ds in self._sets.items() for f, v in
                        self._features.items()}  # fmt: skip
        self._mid_ranges: dict[tuple[str, str], np.ndarray] = {}
        self._typical: np.ndarray | None = None
        self._found: list[dict[str, Any]] | None = None
        self._trouble = ""
        self._lock = threading.RLock()  # some kernels run callbacks beside the cells
        self._ready = False
        feature = feature or next(iter(self._features))
        super().__init__(
            feature=feature, page_size=page_size, order=order, seed=seed, filters=dict(filters or {}),
            log=self._wants_log(feature), info=self._info(),
        )  # fmt: skip
        replace_earlier(self)

    def _draw_first(self) -> None:
        self._ready = True
        self._refresh()

    # what the browser asks for

    def show(self, **settings: Any) -> None:
        """Change settings by name: feature, page, page_size, order, seed, shared, log, filters."""
        for name, value in settings.items():
            if name not in ("feature", "page", "page_size", "order", "seed", "shared", "log", "filters"):
                raise ConfigError(f"{name!r} is not a setting of the browser.")
            setattr(self, name, value)

    def select(self, set: str = "", sample: int = -1) -> None:
        """Select a sample of a set by its position; without arguments, none."""
        self.selected = {"set": set, "sample": sample} if set else {}

    def selection_dataset(self) -> xr.Dataset:
        """The selected sample as a Dataset of one sample. Raises ConfigError if none is selected."""
        if not self.selected:
            raise ConfigError("no sample is selected: click a small chart, or set browser.selected.")
        return self._sets[self.selected["set"]].isel(sample=[self.selected["sample"]])

    def without_browser(self) -> str:
        return (
            "In code: dg.plot.series(sets) draws samples, and dg.metrics.nearest_neighbours(generated, real) finds "
            "the training samples nearest to generated ones."
        )

    # traits

    @traitlets.validate("feature")
    def _check_feature(self, proposal: Any) -> str:
        feature: str = _one_of("feature", proposal["value"], self._features)
        return feature

    @traitlets.validate("order")
    def _check_order(self, proposal: Any) -> str:
        order: str = _one_of("order", proposal["value"], ORDERS)
        return order

    @traitlets.validate("page_size")
    def _check_page_size(self, proposal: Any) -> int:
        size: int = proposal["value"]
        if not 1 <= size <= 100:
            raise ConfigError(f"page_size={size}; a page shows 1 to 100 samples of each set.")
        return size

    @traitlets.validate("seed")
    def _check_seed(self, proposal: Any) -> int:
        seed: int = proposal["value"]
        if seed < 0:
            raise ConfigError(f"seed={seed}; it must be 0 or more.")
        return seed

    @traitlets.validate("page")
    def _check_page(self, proposal: Any) -> int:
        page: int = proposal["value"]
        return max(0, min(page, self._pages() - 1))

    @traitlets.validate("filters")
    def _check_filters(self, proposal: Any) -> dict[str, Any]:
        return {name: self._check_filter(name, wanted) for name, wanted in proposal["value"].items()}

    def _check_filter(self, name: str, wanted: Any) -> Any:
        _one_of("filter", name, self._attributes)
        if name in self._options:
            return _one_of(f"filter of {name!r}", _plain(wanted), self._options[name])
        try:
            low, high = (float(end) for end in ("" if isinstance(wanted, str | Mapping) else wanted))
        except (TypeError, ValueError, OverflowError):
            raise ConfigError(f"filter of {name!r} is {wanted!r}; a number is filtered by (low, high).") from None
        if not low <= high:
            raise ConfigError(f"filter of {name!r} runs from {low:g} to {high:g}: nothing can lie between.")
        return [low, high]

    @traitlets.validate("selected")
    def _check_selected(self, proposal: Any) -> dict[str, Any]:
        value = proposal["value"]
        if not value:
            return {}
        if value.keys() != {"set", "sample"}:
            raise ConfigError(f"selected is {value!r}; give {{'set': name, 'sample': position}} or {{}}.")
        ds = self._sets[_one_of("set", value["set"], self._sets)]
        sample, last = value["sample"], ds.sizes["sample"] - 1
        if isinstance(sample, bool) or not isinstance(sample, int | np.integer) or not 0 <= sample <= last:
            raise ConfigError(f"sample {sample!r:.80} is not in {value['set']!r}, which has samples 0 to {last}.")
        return {"set": value["set"], "sample": int(sample)}

    @traitlets.observe("feature", "page", "page_size", "order", "seed", "shared", "log", "filters")
    def _changed(self, change: Any) -> None:
        if not self._ready:
            return
        with self._lock:
            self.error = ""  # what was refused before is over
            if change["name"] == "feature":
                self._ready = False  # one frame for the feature with its axis
                self.log = self._wants_log(self.feature)
                self._ready = True
                self._describe()
            if change["name"] in ("page_size", "order", "seed", "filters") and self.page:
                self.page = 0  # draws
            else:
                self._refresh()

    @traitlets.observe("selected")
    def _selection_changed(self, change: Any) -> None:
        with self._lock:
            self._found, self._trouble, self.error = None, "", ""
            self._describe()  # at once, without neighbours
            if self.selected:
                try:
                    self._found = self._nearest(self.selected["set"], [self.selected["sample"]])[0]
                except DgkitError as error:
                    self._found, self._trouble = [], str(error)
                self._describe()

    # the page

    def _info(self) -> dict[str, Any]:
        return {
            "sets": [{"name": name, "total": ds.sizes["sample"]} for name, ds in self._sets.items()],
            "features": [{"name": v.name, **_labels(v), "categories": list(v.categories)} for v in
                         self._features.values()],
            "attributes": [
                {"name": v.name, **_labels(v), **({"categories": self._options[v.name]} if v.name in self._options
                                                  else {"ends": self._ends(v.name)})}
                for v in self._attributes.values()
            ],
            "time": _time_label(next(iter(self._sets.values()))),
            "orders": list(ORDERS),
        }  # fmt: skip

    def _categories(self, variable: Variable) -> list[Any]:
        """Of all sets: the first set's order, then what others have besides."""
        found = list(variable.categories)
        for name in self._sets:
            found += [v for v in np.unique(self._known[name, variable.name]).tolist() if v not in found]
        return found

    def _ends(self, attribute: str) -> list[float]:
        values = [self._known[name, attribute] for name in self._sets]
        return [float(min(v.min() for v in values)), float(max(v.max() for v in values))]

    def _kept(self, name: str, leave_out: str | None = None) -> np.ndarray:
        """Which samples of a set pass the filters, (N,) bool."""
        kept = np.ones(self._sets[name].sizes["sample"], bool)
        for attribute, wanted in self.filters.items():
            values = self._known[name, attribute]
            if attribute == leave_out:
                continue
            kept &= (values == wanted) if attribute in self._options else (values >= wanted[0]) & (values <= wanted[1])
        return kept

    def _counts(self) -> dict[str, list[list[int]]]:
        """For each attribute and category, samples of each set that would remain if it were chosen."""
        counts = {}
        for attribute, options in self._options.items():
            kept = {name: self._known[name, attribute][self._kept(name, attribute)] for name in self._sets}
            counts[attribute] = [[int((values == option).sum()) for values in kept.values()] for option in options]
        return counts

    def _ordered(self, name: str) -> np.ndarray:
        """Positions of the samples that remain, in order."""
        remain = np.flatnonzero(self._kept(name))
        if self.order == "random":
            return np.random.default_rng(self.seed).permutation(remain)
        if self.order == "length":
            return remain[np.argsort(lengths(self._sets[name])[remain], kind="stable")]
        if self.order == "mid-range" and not self._features[self.feature].categories:
            key = (name, self.feature)
            if key not in self._mid_ranges:
                self._mid_ranges[key] = metrics.mid_range(valid_feature(self._sets[name], self.feature)).values
            return remain[np.argsort(self._mid_ranges[key][remain], kind="stable")]
        return remain

    def _pages(self) -> int:
        most = max(int(self._kept(name).sum()) for name in self._sets)
        return max(1, -(-most // self.page_size))

    def _refresh(self) -> None:
        rows = slice(self.page * self.page_size, (self.page + 1) * self.page_size)
        blocks, ends = [], []
        for name in self._sets:
            order = self._ordered(name)
            drawn = order[rows]
            values = self._values(name, drawn)
            ends += [values[np.isfinite(values)]]
            blocks.append(
                {
                    "remain": len(order), "first": min(rows.start, len(order)), "samples": drawn.tolist(),
                    "titles": [self._title(name, i) for i in drawn], "values": values.astype("<f4").tobytes(),
                }
            )  # fmt: skip
        shown = np.concatenate(ends)
        positive = shown[shown > 0] if self.log else shown
        variable = self._features[self.feature]
        limits = [-0.5, len(variable.categories) - 0.5] if variable.categories else None
        if limits is None and len(positive):
            limits = [float(positive.min()), float(positive.max())]
        self.frame = {
            "feature": self.feature, "page": self.page, "pages": self._pages(), "page_size": self.page_size,
            "order": self.order, "seed": self.seed, "shared": self.shared, "log": self.log, "filters": self.filters,
            "may_log": self._may_log(self.feature), "steps": self._schema.time, "sets": blocks,
            "range": limits if self.shared or variable.categories else None, "counts": self._counts(),
        }  # fmt: skip

    def _title(self, name: str, sample: int) -> str:
        parts = [self._known[name, a][sample] for a in self._attributes if a != "length"]
        return ", ".join([str(sample), *(_short(part) for part in parts)])

    def _values(self, name: str, samples: np.ndarray, feature: str | None = None) -> np.ndarray:
        """The feature of these samples as numbers, (n, T): NaN past the end, categories as their positions."""
        ds, feature = self._sets[name].isel(sample=samples), feature or self.feature
        values, categories = ds[feature].values, self._features[feature].categories
        if categories:
            codes = np.full(values.shape, np.nan)
            for code, category in enumerate(categories):
                codes[values == category] = code
            values = codes
        return np.where(np.arange(self._schema.time) < lengths(ds)[:, None], values, np.nan)

    @staticmethod
    def _limits_of(ds: xr.Dataset, variable: Variable) -> tuple[float, float]:
        """Least and greatest value of a continuous feature; (nan, nan) for a categorical one."""
        if variable.categories:
            return np.nan, np.nan
        values = valid_feature(ds, variable.name)
        return float(values.min()), float(values.max())

    def _wants_log(self, feature: str) -> bool:
        if feature not in self._features:
            return False  # refused by the trait
        limits = [self._limits[name, feature] for name in self._sets]
        low, high = min(low for low, _ in limits), max(high for _, high in limits)
        says = self._features[feature].attrs.get("scale") == "log"
        return self._may_log(feature) and (says or (low > 0 and high > low * 10**DECADES))

    def _may_log(self, feature: str) -> bool:
        return any(self._limits[name, feature][1] > 0 for name in self._sets)  # false for NaN

    # the selected sample

    def _describe(self) -> None:
        """Tell the browser of the selected sample, with the neighbours that have been found."""
        if not self.selected:
            self.detail = {}
            return
        shown = [self.selected, *(self._found or [])]
        self.detail = {
            "feature": self.feature,
            **self.selected,
            "searching": self._found is None,
            "values": [self._values(one["set"], np.array([one["sample"]])).astype("<f4").tobytes() for one in shown],
            "attributes": {
                a: [_short(self._known[one["set"], a][one["sample"]]) for one in shown] for a in self._attributes
            },
            "neighbours": self._found or [],
            "text": self._trouble or self._verdict(self._found),
        }

    def _verdict(self, neighbours: list[dict[str, Any]] | None) -> str:
        if not neighbours:
            return "" if neighbours is None else "There is no other series to compare with."
        training, nearest = next(iter(self._sets)), neighbours[0]
        over = f" over all {len(self._features)} features" if len(self._features) > 1 else ""  # of which one is drawn
        text = (
            f"Nearest {nearest['set']} series: {nearest['sample']}, at distance {number(nearest['distance'])}{over}. "
        )
        if self._typical is None:
            return text + f"There is one {training} series alone: no distance is typical, and no ratio can be given."
        basis = f"{len(self._typical):,} {training} series"
        typical = float(np.median(self._typical))
        near = float((self._typical <= nearest["distance"]).mean())
        if nearest["ratio"] is None:
            return text + f"Half of {basis} or more have an exact double, so no ratio can be given."
        times = number(nearest["ratio"], 2)
        return text + (
            f"That is {times} times the {number(typical)} that is typical from one {training} series to the "
            f"next; {100 * near:.0f} % of {basis} have another at least as near. A copy has a ratio near 0."
        )

    def _nearest(self, set: str, samples: list[int]) -> list[list[dict[str, Any]]]:
        """The nearest of each: of the training set for a generated one, of the generated sets for a training one."""
        training, *generated = self._sets
        names = [*self._features, *(["length"] if self._schema.variable_length else [])]
        data = {name: ds[names] for name, ds in self._sets.items()}
        real, ones = data[training], data[set].isel(sample=samples)
        count = real.sizes["sample"]
        if self._typical is None and count > 1:
            rows = np.unique(np.linspace(0, count - 1, TYPICAL).astype(int))
            near = metrics.nearest_neighbours(real.isel(sample=rows), real, k=2)
            self._typical = near["distance"].values[:, 1].round(ROUNDED)  # the nearest is the sample itself
        found: list[list[tuple[str, int, float]]] = [[] for _ in samples]
        if set != training:
            near = metrics.nearest_neighbours(ones, real, k=min(self._k, count))
            found = [[(training, i, d) for i, d in pairs] for pairs in _pairs(near)]
        elif not generated:
            near = metrics.nearest_neighbours(ones, real, k=min(self._k + 1, count))
            found = [
                [(training, i, d) for i, d in pairs if i != own]
                for own, pairs in zip(samples, _pairs(near), strict=True)
            ]
        for name in generated if set == training else ():
            k = min(self._k, data[name].sizes["sample"])
            near = metrics.nearest_neighbours(ones, data[name], k=k, scaled_by=real)
            for one, pairs in zip(found, _pairs(near), strict=True):
                one += [(name, i, d) for i, d in pairs]
        typical = 0.0 if self._typical is None else float(np.median(self._typical))
        return [
            [
                {"set": name, "sample": i, "distance": d, "ratio": d / typical if typical else None}
                for name, i, d in sorted(((n, i, round(d, ROUNDED)) for n, i, d in one), key=lambda own: own[2])[
                    : self._k
                ]
            ]
            for one in found
        ]

    # the page without a kernel

    def _alone(self) -> tuple[dict[str, Any], dict[str, Any] | None, str]:
        """The first series of each set, and of each of these the nearest among all, with their series."""
        few = {name: list(range(min(ds.sizes["sample"], self.in_page))) for name, ds in self._sets.items()}
        nearest = {name: self._nearest(name, samples) for name, samples in few.items()}
        rows = {name: list(samples) for name, samples in few.items()}  # those to browse, then neighbours besides
        for one in (one for found in nearest.values() for ones in found for one in ones):
            if one["sample"] not in rows[one["set"]]:
                rows[one["set"]].append(one["sample"])
        order = list(rows)

        def neighbours(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
            return [one | {"place": [order.index(one["set"]), rows[one["set"]].index(one["sample"])]} for one in found]

        sets = [
            {
                "name": name,
                "count": len(few[name]),
                "samples": rows[name],
                "titles": [self._title(name, i) for i in few[name]],
                "values": {f: f4(self._values(name, np.array(rows[name]), f)) for f in self._features},
                "known": {a: [_plain(self._known[name, a][i]) for i in few[name]] for a in self._attributes},
                "texts": {a: [_short(self._known[name, a][i]) for i in rows[name]] for a in self._attributes},
                "lengths": lengths(ds)[few[name]].tolist(),
                "mid_range": {
                    f: metrics.mid_range(valid_feature(ds.isel(sample=few[name]), f)).values.tolist()
                    for f, variable in self._features.items() if not variable.categories
                },
                "nearest": [{"neighbours": neighbours(one), "text": self._verdict(one)} for one in nearest[name]],
            }
            for name, ds in self._sets.items()
        ]  # fmt: skip
        now = ("feature", "page", "page_size", "order", "seed", "shared", "log", "filters")
        data = {
            "sets": sets,
            "steps": self._schema.time,
            "features": {
                name: {
                    "categories": len(v.categories),
                    "may_log": self._may_log(name),
                    "wants_log": self._wants_log(name),
                }
                for name, v in self._features.items()
            },
            "attributes": {name: self._options.get(name) for name in self._attributes},
            "start": {name: getattr(self, name) for name in now} | {"selected": None},
        }  # fmt: skip
        info = self._info()
        for one in info["sets"]:
            one["total"] = len(few[one["name"]])
        cut = [f"{len(few[name])} of {ds.sizes['sample']:,} {name} series" for name, ds in self._sets.items()
               if ds.sizes["sample"] > len(few[name])]  # fmt: skip
        note = "Live without a kernel" + (f", with the first {', '.join(cut)}" if cut else "")
        return {"info": info, "detail": {}}, data, f"{note}; the nearest were searched among all."


def _pairs(near: xr.Dataset) -> list[list[tuple[int, float]]]:
    """For each sample its neighbours and their distances."""
    both = zip(near["index"].values.tolist(), near["distance"].values.tolist(), strict=True)
    return [list(zip(places, distances, strict=True)) for places, distances in both]


def _checked(sets: xr.Dataset | Mapping[str, xr.Dataset]) -> tuple[dict[str, xr.Dataset], Schema]:
    """The sets by name and the first one's schema, reduced to what all have."""
    named = {"data": sets} if isinstance(sets, xr.Dataset) else sets
    if not isinstance(named, Mapping) or not named:
        raise SchemaError(f"give a Dataset or a mapping of names to Datasets, not {type(sets).__name__}.")
    named = {str(name): ds for name, ds in named.items()}
    first, *others = [validate(ds, training=False) for ds in named.values()]
    for name, other in zip(list(named)[1:], others, strict=True):
        if other.time != first.time or other.variable_length != first.variable_length:
            sizes = [f"{s.time} steps, {'variable' if s.variable_length else 'full'} length" for s in (first, other)]
            raise SchemaError(f"{name!r} has {sizes[1]}; {next(iter(named))!r} has {sizes[0]}. Give sets of one form.")
        kinds = {v.name: v.kind for v in other.features}
        for variable in first.features:
            if kinds.get(variable.name) != variable.kind:
                raise SchemaError(
                    f"{name!r} has no {variable.kind} feature {variable.name!r}; it has {', '.join(map(repr, kinds))}."
                )
    common = tuple(
        v for v in first.attributes if all(v.name in {a.name for a in s.attributes if a.kind == v.kind} for s in others)
    )
    features = []
    for variable in first.features:
        same = [v for schema in (first, *others) for v in schema.features if v.name == variable.name]
        features.append(replace(variable, categories=tuple(dict.fromkeys(c for v in same for c in v.categories))))
    return named, replace(first, features=tuple(features), attributes=common)


def _values_of(ds: xr.Dataset, attribute: str) -> np.ndarray:
    return lengths(ds) if attribute == "length" else np.asarray(ds[attribute].values)


def _labels(variable: Variable) -> dict[str, str]:
    unit = str(variable.attrs.get("units", ""))
    return {"label": str(variable.attrs.get("long_name", "")), "unit": unit * (unit != "1")}


def _one_of(what: str, value: Any, known: Any) -> Any:
    if value not in list(known):  # a list, since what a page sends may have no hash
        raise ConfigError(f"{what} {value!r} is none of {', '.join(map(repr, known)) or 'none: there are no others'}.")
    return value


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value


def _short(value: Any) -> str:
    return number(float(value), 4) if np.asarray(value).dtype.kind == "f" else str(value)


def _time_label(ds: xr.Dataset) -> str:
    """What the horizontal axis counts: "days from 2015-07-06", or "step" where no even dates say more."""
    if "time" in ds.coords and ds["time"].dtype.kind == "M" and ds.sizes["time"] > 1:
        gaps = np.unique(np.diff(ds["time"].values)) / np.timedelta64(1, "s")
        start = str(ds["time"].values[0].astype("datetime64[m]")).replace("T00:00", "").replace("T", " ")
        for unit, size in {"days": 86400, "h": 3600, "min": 60, "s": 1}.items():
            if len(gaps) == 1 and gaps[0] >= size:
                steps = "days" if gaps[0] == 86400 else f"steps of {gaps[0] / size:g} {unit}"
                return f"{steps} from {start}"
    return "step"
