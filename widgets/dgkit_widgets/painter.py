"""DistributionPainter: draw the target distribution of one attribute, or the joint one of two, for what-if questions.

The rule that keeps the sum at one is `paint`, a plain function, and `paint_margin` for the totals of a table; the
widget adds locks, undo and the data's own distribution. Left out: continuous attributes, which have no shares.
"""

import threading
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

import numpy as np
import traitlets
import xarray as xr

from dgkit import schema
from dgkit._checks import whole
from dgkit.errors import ConfigError, SchemaError
from dgkit_widgets._widget import Widget, static

TOLERANCE = 1e-3  # of a sum of probabilities, as in dgkit.whatif
_SAMPLES = 2000  # of a model, to know its own distribution


def paint(shares: Any, wishes: Mapping[int, float], locked: Any, total: float = 1.0) -> np.ndarray:
    """Set some shares; the others scale in proportion, so that all sum to `total`.

    Parameters
    ----------
    shares : array of float, (K,)
        Non-negative, dimensionless.
    wishes : mapping of place to share
        Clipped to what is free. Wishes for locked places are passed over.
    locked : array of bool, (K,)
        What stays as it is.
    total : float
        What the result sums to.

    Returns
    -------
    array of float, (K,)

    Notes
    -----
    Free is what the locked shares leave of `total`. Wishes for less than that come true, and the others share the
    rest in proportion (equally, if all of them are 0). Wishes for more, or for all that is not locked, are taken as
    proportions of what is free, and the others become 0.

    Examples
    --------
    >>> paint([0.5, 0.3, 0.2], {0: 0.75}, [False, False, False]).round(3).tolist()
    [0.75, 0.15, 0.1]
    >>> paint([0.5, 0.3, 0.2], {0: 0.9}, [False, False, True]).round(3).tolist()
    [0.8, 0.0, 0.2]
    """
    new, held = np.array(shares, np.float64), np.array(locked, bool)
    chosen = [k for k in wishes if not held[k]]
    if not chosen:
        return new
    free = max(0.0, total - new[held].sum())
    wanted = np.clip([wishes[k] for k in chosen], 0.0, free)
    others = ~held
    others[chosen] = False
    rest = free - wanted.sum()
    if rest >= 0 and others.any():
        new[chosen] = wanted
        new[others] = _scaled(new[others], rest)
    else:
        new[chosen] = _scaled(wanted, free)
        new[others] = 0.0
    return new


def paint_margin(table: Any, axis: int, wishes: Mapping[int, float], locked: Any) -> np.ndarray:
    """Set some totals of a table's rows (axis 0) or columns (axis 1); the cells within each keep their proportions.

    Parameters
    ----------
    table : array of float, (K, L)
        Shares that sum to 1.
    axis : int
        Which totals: 0 of the rows, (K,); 1 of the columns, (L,).
    wishes : mapping of row or column to its total
    locked : array of bool, (K, L)
        Cells that stay as they are; a wish below what they hold is clipped to it.

    Returns
    -------
    array of float, (K, L)

    Examples
    --------
    >>> paint_margin([[0.1, 0.3], [0.6, 0.0]], 0, {0: 0.8}, np.zeros((2, 2), bool)).round(3).tolist()
    [[0.2, 0.6], [0.2, 0.0]]
    """
    rows = np.array(table, np.float64) if axis == 0 else np.array(table, np.float64).T
    held = np.asarray(locked, bool) if axis == 0 else np.asarray(locked, bool).T
    fixed = np.where(held, rows, 0.0).sum(1)  # (K,)
    loose = np.where(held, 0.0, rows).sum(1)
    wanted = {k: max(0.0, value - fixed[k]) for k, value in wishes.items()}
    new = paint(loose, wanted, held.all(1), total=max(0.0, 1.0 - fixed.sum()))
    for row, stays, share in zip(rows, held, new, strict=True):
        if not stays.all():
            row[~stays] = _scaled(row[~stays], share)
    return rows if axis == 0 else rows.T


def _scaled(weights: np.ndarray, total: float) -> np.ndarray:
    """The weights in proportion, summing to `total`; equal parts where all are 0."""
    size = weights.sum()
    return weights / size * total if size > 0 else np.full(len(weights), total / len(weights))


class _NotNone(traitlets.Any):
    allow_none = False  # what may be None is not validated when it is


class DistributionPainter(Widget):
    """Draw the wanted distribution of an attribute, by mouse, touch or keyboard; it always sums to one.

    Parameters
    ----------
    source : Dataset or DoppelGANger
        The data whose distribution is the start and the mark on each bar; for a model, what it generates.
    attributes : str or list of one or two str, optional
        Categorical attributes. Default: the first there is.
    start : mapping or array, optional
        The first distribution, as `probabilities` or `target` take it. Default: the data's.

    Attributes
    ----------
    probabilities : list of float, (K,), or list of lists, (K, L)
        The distribution in the order of `names`, synced with the browser. Set it to numbers or to a mapping; it may
        be off one by 0.001, and is then scaled. Observe it to follow the drawing.
    locked : list of bool of the same shape
        What stays when another bar is drawn. A Python assignment and undo pass over locks.
    names : list of lists
        The categories of each attribute, as text.
    reference : list
        The data's distribution, shaped as `probabilities`.
    total_variation : float
        Half the sum of absolute differences to the data, 0 to 1.
    can_undo, can_redo : bool
    answered : str
        The browser's last wish that `probabilities` takes into account.

    Raises
    ------
    SchemaError
        The data have no such attribute.
    ConfigError
        An attribute is continuous, more than two are named, or `start` is no distribution.

    Examples
    --------
    >>> from dgkit import open_dataset
    >>> painter = DistributionPainter(open_dataset("cluster"), "job_class")
    >>> painter.probabilities = {"small": 0.2, "large": 0.8}
    >>> painter.target
    {'job_class': {'small': 0.2, 'medium': 0.0, 'large': 0.8}}
    """

    _esm, _css = static("painter")
    actions: ClassVar[tuple[str, ...]] = ("paint", "lock", "undo", "redo", "reset", "uniform")

    attributes: Any = traitlets.List().tag(sync=True)
    names: Any = traitlets.List().tag(sync=True)
    source = traitlets.Unicode().tag(sync=True)
    reference: Any = traitlets.List().tag(sync=True)
    probabilities = _NotNone().tag(sync=True, settable=True)
    locked = _NotNone().tag(sync=True, settable=True)
    total_variation = traitlets.Float().tag(sync=True)
    can_undo = traitlets.Bool(False).tag(sync=True)
    can_redo = traitlets.Bool(False).tag(sync=True)
    answered = traitlets.Unicode("").tag(sync=True)

    def __init__(self, source: Any, attributes: str | Iterable[str] | None = None, start: Any = None) -> None:
        ds = source if isinstance(source, xr.Dataset) else source.sample(_SAMPLES)
        variables = _chosen(ds, [attributes] if isinstance(attributes, str) else attributes)
        self._categories = [variable.categories for variable in variables]
        shares = _counted(ds, variables)
        self._guard = threading.RLock()  # callbacks may come from another thread than the cells
        self._past: list[list[Any]] = []
        self._future: list[list[Any]] = []
        self._stroke: str | None = None  # one drag, or one key held down: a single step for undo
        self._base = shares
        self._inside = False
        self._start = start
        super().__init__(
            attributes=[variable.name for variable in variables],
            names=[[str(category) for category in categories] for categories in self._categories],
            source="data" if isinstance(source, xr.Dataset) else "model",
            reference=shares.tolist(),
            probabilities=shares.tolist(),
            locked=np.zeros(shares.shape, bool).tolist(),
        )

    def _draw_first(self) -> None:
        self.observe(self._assigned, "probabilities")
        if self._start is not None:
            self._put(self._checked(self._start))

    @property
    def target(self) -> dict[Any, dict[Any, float]]:
        """What `dgkit.whatif.retrain_attributes` takes: {"job_class": {"small": 0.2, ...}}, or of combinations.

        For two attributes {("a", "b"): {("x", "y"): 0.1, ...}}. Set it to the same; what it leaves out gets 0.
        """
        shares = np.array(self.probabilities)
        if shares.ndim == 1:
            return {self.attributes[0]: dict(zip(self._categories[0], shares.tolist(), strict=True))}
        first, second = self._categories
        pairs = {(a, b): float(shares[i, j]) for i, a in enumerate(first) for j, b in enumerate(second)}
        return {tuple(self.attributes): pairs}

    @target.setter
    def target(self, target: Mapping[Any, Any]) -> None:
        self.probabilities = target

    def paint(self, wishes: Any, axis: int | None = None, stroke: str | None = None, token: str = "") -> None:
        """Set shares, the others following.

        Parameters
        ----------
        wishes : mapping of place to share, or pairs of them
            Places count in the order of `names`; in a table row by row.
        axis : {0, 1}, optional
            In a table, set the totals of rows or columns.
        stroke : str, optional
            Wishes of the same stroke start from the same distribution and are one step for `undo`.
        token : str
            Comes back as `answered`.
        """
        with self._guard, self.hold_sync():
            try:
                base = self._base if stroke is not None and stroke == self._stroke else np.array(self.probabilities)
                if axis not in (None, *(range(base.ndim) if base.ndim > 1 else ())):
                    raise ConfigError(f"axis={axis!r} must be None" + (", 0 or 1." if base.ndim > 1 else "."))
                try:
                    wanted = {int(k): float(value) for k, value in dict(wishes).items()}
                except (TypeError, ValueError, OverflowError) as error:
                    raise ConfigError(f"wishes={wishes!r:.80} must map places to shares: {error}.") from error
                size = base.size if axis is None else base.shape[axis]
                if not all(0 <= k < size and np.isfinite(value) for k, value in wanted.items()):
                    raise ConfigError(f"wishes={wanted}: places are 0 to {size - 1}, shares are numbers from 0 to 1.")
                if axis is None:
                    new = paint(base.ravel(), wanted, np.ravel(self.locked)).reshape(base.shape)
                else:
                    new = paint_margin(base, axis, wanted, self.locked)
                self._put(new, stroke)
            finally:
                self.answered = token or self.answered

    def lock(self, place: int, on: bool = True) -> None:
        """Keep the category at this place (row by row in a table) as it is while others are drawn."""
        held = np.array(self.locked)
        if not isinstance(on, bool | np.bool_):
            raise ConfigError(f"on={on!r:.80} must be True or False.")
        held.flat[whole("place", place, 0, held.size)] = on
        self.locked = held.tolist()

    def undo(self) -> None:
        """Back to the distribution before the last stroke."""
        self._turn(self._past, self._future)

    def redo(self) -> None:
        """Take the last `undo` back."""
        self._turn(self._future, self._past)

    def reset(self) -> None:
        """To the data's distribution, but for what is locked."""
        self._fill(np.array(self.reference))

    def uniform(self) -> None:
        """To equal shares, but for what is locked."""
        self._fill(np.ones(np.shape(self.reference)))

    def _fill(self, weights: np.ndarray) -> None:
        with self._guard:
            new, held = np.array(self.probabilities), np.array(self.locked)
            if not held.all():
                new[~held] = _scaled(weights[~held], max(0.0, 1.0 - new[held].sum()))
            self._put(new)

    def _put(self, new: np.ndarray, stroke: str | None = None) -> None:
        """Show `new`; remember what was before it, unless the same stroke has already."""
        with self._guard, self.hold_sync():
            before = self.probabilities
            if stroke is None or stroke != self._stroke:
                if np.abs(new - before).max() < 1e-12:
                    return  # nothing to see, nothing to undo
                self._past.append(before)
                self._future.clear()
                self._stroke, self._base = stroke, np.array(before)
            self._show(new.tolist())

    def _turn(self, source: list[list[Any]], other: list[list[Any]]) -> None:
        with self._guard, self.hold_sync():
            if source:
                other.append(self.probabilities)
                self._stroke = None
                self._show(source.pop())

    def _show(self, values: list[Any]) -> None:
        self._inside = True
        try:
            self.probabilities = values
        finally:
            self._inside = False
        self.can_undo, self.can_redo = bool(self._past), bool(self._future)

    def _assigned(self, change: Any) -> None:
        """An assignment in Python is a step for undo, too."""
        with self._guard, self.hold_sync():  # another thread's drawing is over before this one looks
            if not self._inside:
                self._past.append(change["old"])
                self._future.clear()
                self._stroke, self.can_undo, self.can_redo = None, True, False

    @traitlets.validate("probabilities")
    def _check_probabilities(self, proposal: Any) -> list[Any]:
        return list(self._checked(proposal["value"]).tolist())

    @traitlets.validate("locked")
    def _check_locked(self, proposal: Any) -> list[Any]:
        shape = tuple(map(len, self._categories))
        try:
            held = np.asarray(proposal["value"])
        except ValueError:  # lists of several lengths
            held = np.empty(0)
        if held.shape != shape or held.dtype != bool:
            raise ConfigError(f"locked={proposal['value']!r:.80} must be True or False in the shape {shape}.")
        return list(held.tolist())

    @traitlets.observe("probabilities", "reference")
    def _measure(self, _change: Any) -> None:
        if np.shape(self.probabilities) == np.shape(self.reference):
            self.error = ""  # what was refused before is over
            self.total_variation = float(np.abs(np.subtract(self.probabilities, self.reference)).sum() / 2)

    def _checked(self, value: Any) -> np.ndarray:
        """The value as shares that sum to 1, or ConfigError."""
        shape = tuple(map(len, self._categories))
        if isinstance(value, Mapping):
            value = self._from_mapping(value)
        try:
            shares = np.array(value, np.float64)
        except (TypeError, ValueError, OverflowError):
            shares = np.empty(0)
        if shares.shape != shape:
            raise ConfigError(
                f"probabilities={value!r:.80} is not a number for each of {' x '.join(map(str, shape))} categories "
                f"({'; '.join(', '.join(map(repr, categories)) for categories in self._categories)})."
            )
        if not (np.isfinite(shares).all() and (shares >= 0).all()):
            raise ConfigError(f"probabilities={value!r:.80} has negative or missing values; give numbers from 0 to 1.")
        if abs(shares.sum() - 1) > TOLERANCE:
            raise ConfigError(f"the probabilities sum to {shares.sum():g}; they must sum to 1. Divide each by it.")
        return shares if abs(shares.sum() - 1) < 1e-12 else shares / shares.sum()  # undo is exact

    def _from_mapping(self, given: Mapping[Any, Any]) -> np.ndarray:
        """Shares of a mapping as `target` gives it, with or without the attributes' names around it."""
        key = self.attributes[0] if len(self.attributes) == 1 else tuple(self.attributes)
        inner = given[key] if len(given) == 1 and isinstance(given.get(key), Mapping) else given
        shares = np.zeros(tuple(map(len, self._categories)))
        for categories, share in inner.items():
            values = categories if isinstance(categories, tuple) else (categories,)
            if len(values) != shares.ndim or any(v not in c for v, c in zip(values, self._categories, strict=True)):
                known = " x ".join(repr(list(c)) for c in self._categories)
                raise ConfigError(f"{categories!r} is no category of {key!r}; there are {known}.")
            place = tuple(c.index(v) for v, c in zip(values, self._categories, strict=True))
            shares[place] = share if isinstance(share, int | float | np.number) else np.nan
        return shares

    def without_browser(self) -> str:
        name = self.attributes[0] if len(self.attributes) == 1 else tuple(self.attributes)
        shares = ", ".join(f"{category!r}: {share:.3g}" for category, share in list(self.target[name].items())[:12])
        return (
            f"Now {{{name!r}: {{{shares}}}}}, {self.total_variation:.3g} from the {self.source} in total variation. "
            "In code: painter.target = {...}"
        )


def _chosen(ds: xr.Dataset, names: Iterable[str] | None) -> list[schema.Variable]:
    known = {variable.name: variable for variable in schema.validate(ds, training=False).attributes}
    categorical = [name for name, variable in known.items() if variable.kind == "categorical"]
    if not categorical:
        raise ConfigError(
            f"the data have no categorical attribute to draw; their attributes are {list(known) or 'none'}."
        )
    names = categorical[:1] if names is None else list(names)
    if not 1 <= len(names) <= 2 or len(set(names)) < len(names):
        raise ConfigError(f"attributes={names!r}: give one name, or two different ones, of {categorical}.")
    for name in names:
        if name not in known:
            raise SchemaError(f"the data have no attribute {name!r}; there are {list(known)}.")
        if name not in categorical:
            raise ConfigError(
                f"attribute {name!r} is continuous, so its values have no shares. Give one of {categorical}."
            )
    return [known[name] for name in names]


def _counted(ds: xr.Dataset, variables: list[schema.Variable]) -> np.ndarray:
    """The share of each category, or combination of two, in `ds`."""
    shares = np.zeros([len(variable.categories) for variable in variables])
    codes = []
    for variable in variables:
        place = {category: k for k, category in enumerate(variable.categories)}
        codes.append([place[value] for value in ds[variable.name].values.tolist()])
    np.add.at(shares, tuple(codes), 1)
    return shares / len(codes[0])
