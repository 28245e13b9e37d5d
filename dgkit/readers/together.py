"""Tables to compare with each other, as datasets of one schema: the first says what is what, the others are read to it.

That is: which columns a pattern means, what is numbers and what text, the categories and their order, how many steps
there are and how far apart. Left out: bringing together what does not agree; the error names the way, nothing is
guessed.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import narwhals as nw
import numpy as np
import pandas as pd
import xarray as xr

from dgkit._checks import several
from dgkit._comparable import duration
from dgkit.errors import SchemaError
from dgkit.readers.columns import Features, feature_columns, some_names
from dgkit.readers.grid import Choices
from dgkit.readers.tables import dataset, opened

SAME_STEP = 1e-6  # relative: steps of times that are no whole numbers differ by rounding


def read_together(
    tables: Mapping[str, Any],
    features: Features,
    *,
    sample: str | None = None,
    time: str | None = None,
    attributes: Sequence[str] = (),
    units: Mapping[str, str] | None = None,
    fill: str | None = None,
) -> tuple[dict[str, xr.Dataset], str]:
    """A dataset of each table, all of the first one's schema, and in words what that schema is.

    Parameters
    ----------
    tables : mapping of name to table
        Of any libraries that narwhals reads. The names are for the errors.
    features, sample, time, attributes, units, fill
        As `from_table` takes them. A pattern among the features means the columns that it matches in the first table.

    Returns
    -------
    datasets : dict
        By the same names; text has the first table's categories in its attrs.
    said : str
        A line for each thing that was decided.

    Raises
    ------
    SchemaError
        As `from_table`, with the table's name; or a table does not agree with the first.

    Examples
    --------
    >>> import pandas as pd
    >>> real = pd.DataFrame({"page": ["a", "a", "b"], "views": [3, 4, 5]})
    >>> sets, said = read_together({"real": real, "made": real[1:]}, ["views"], sample="page")
    >>> sets["made"].length.values, sets["made"].sizes["time"]
    (array([1, 1]), 2)
    >>> print(said)
    feature views: numbers
    up to 2 steps: a series ends with its last row
    no time: rows are steps in their order
    """
    choices = Choices(fill=fill, counters=())  # what counts up in both is compared as it stands
    names = {
        "sample": sample,
        "time": time,
        "attributes": several("attributes", attributes),
        "units": units,
        "choices": choices,
    }
    first, *others = tables
    frames = {source: _named(source, opened, table) for source, table in tables.items()}
    columns = _named(first, feature_columns, frames[first].columns, features)
    settled: Features = columns if isinstance(features, Mapping) else features
    for other in others:
        needed = [sample, time, *attributes, *(column for of in columns.values() for column in of)]
        _check_columns(frames, first, other, [name for name in needed if name is not None], features)

    sets = {source: _named(source, dataset, frame, settled, **names) for source, frame in frames.items()}
    said = []
    for name in [*columns, *attributes]:
        said.append(f"{_variable(sets[first][name])}: {_settle([ds[name] for ds in sets.values()], [*sets])}")

    steps = sets[first].sizes["time"]
    varying = "length" in sets[first]
    for other in others:
        sets[other] = _of_length(sets[other], steps, varying, first, other)
    said.append(f"up to {steps} steps: a series ends with its last row" if varying else f"{steps} steps")

    if time is not None:
        for other in others:
            _check_step(sets, first, other, time)
        said += [f"time {time}, {source}: {_pace(ds)}" for source, ds in sets.items()]
    else:
        order = f"columns are steps in their order in the {first} table"
        said.append(f"no time: {order if isinstance(features, Mapping) else 'rows are steps in their order'}")
    return sets, "\n".join(said)


def _named(source: str, read: Any, *arguments: Any, **options: Any) -> Any:
    """What `read` gives; its SchemaError says which table it is of."""
    try:
        return read(*arguments, **options)
    except SchemaError as error:
        message = str(error)
        if "For example: from_" in message:  # a choice that is the reader's
            message += (
                "\nevaluate takes fill=; with other choices read the tables first: evaluate(dgkit.from_table(...), "
                "dgkit.from_table(...))."
            )
        raise SchemaError(f"{source} table: {message}") from error


def _check_columns(
    frames: Mapping[str, nw.DataFrame[Any]], first: str, other: str, needed: list[str], features: Features
) -> None:
    """SchemaError for a column that only one of the two tables has."""
    there = frames[other].columns
    for name in needed:
        if name not in there and name in frames[first].columns:
            raise SchemaError(
                f"the {other} table has no column {name!r}, which the {first} one has; it has {some_names(there)}. "
                "Rename or add it, or name only columns that both have."
            )
    if isinstance(features, Mapping):
        patterns = {name: columns for name, columns in features.items() if isinstance(columns, str)}
        for name, columns in feature_columns(there, patterns).items():
            more = [column for column in columns if column not in frames[first].columns]
            if more:
                raise SchemaError(
                    f"feature {name!r} has a column {more[0]!r} in the {other} table that the {first} one lacks "
                    f"({len(more)} such). Drop what is no step of both, or list the columns in `features`."
                )


def _variable(da: xr.DataArray) -> str:
    units = f" ({da.attrs['units']})" if "units" in da.attrs else ""
    return f"{'feature' if da.ndim == 2 else 'attribute'} {da.name}{units}"


def _kind(da: xr.DataArray) -> str:
    return {"U": "text", "b": "truth values"}.get(da.dtype.kind, "numbers")


def _settle(variables: list[xr.DataArray], sources: list[str]) -> str:
    """What a variable is, as the first of its tables has it; SchemaError where another one has it otherwise.

    Text gets the first one's categories as attrs.
    """
    (real, *others), (first, *names) = variables, sources
    kind, what = _kind(real), "feature" if real.ndim == 2 else "attribute"
    for da, source in zip(others, names, strict=True):
        if _kind(da) != kind:
            mends = {
                "text": f"df[{real.name!r}].astype(str) (mind how numbers are written: 1 and 1.0 are two categories)",
                "truth values": f"df[{real.name!r}] == the value that means true",
                "numbers": f"pandas.to_numeric(df[{real.name!r}])",
            }
            raise SchemaError(
                f"{what} {real.name!r} is {kind} in the {first} table, {_kind(da)} in the {source} one. Bring both to "
                f"one kind, e.g. that of the {first} table by {mends[kind]}."
            )
    if kind != "text":
        return kind
    categories = [str(value) for value in np.unique(real.values) if value != ""]
    for da, source in zip(others, names, strict=True):
        unknown = [str(value) for value in np.setdiff1d(da.values, ["", *categories])]
        if unknown:
            raise SchemaError(
                f"{what} {real.name!r} has the category {unknown[0]!r} in the {source} table, which the {first} one "
                f"never has ({some_names(categories)}). Rename another spelling, and drop samples that are of "
                "something else; to count new categories as a difference, compare Datasets: "
                "evaluate(from_table(...), from_table(...))."
            )
    for da in variables:
        da.attrs["categories"] = categories
    return f"{len(categories)} categories, {some_names(categories, 5)}"


def _of_length(ds: xr.Dataset, steps: int, varying: bool, first: str, other: str) -> xr.Dataset:
    """The dataset with room for as many steps as the first; SchemaError where that is not a matter of room alone."""
    own = ds.sizes["time"]
    if own == steps:
        return ds
    if own > steps:
        raise SchemaError(
            f"the longest series has {own} steps in the {other} table, {steps} in the {first} one. Cut each to {steps} "
            "(pandas: df.groupby(sample).head(steps), sorted by time), or long series of both into windows of one "
            "length (dgkit.windows)."
        )
    if not varying:
        raise SchemaError(
            f"every series of the {first} table has {steps} steps, none of the {other} one has more than {own}. Cut "
            f"the {first} ones to {own} as well (pandas: df.groupby(sample).head(steps), sorted by time), or generate "
            f"{steps} steps."
        )
    room = {}
    for name, da in ds.data_vars.items():
        if da.ndim == 2:
            values = np.full((len(da), steps), "" if da.dtype.kind == "U" else np.nan, da.dtype)
            values[:, :own] = da.values
            room[name] = xr.Variable(da.dims, values, da.attrs)
    length = ds["length"] if "length" in ds else ("sample", np.full(ds.sizes["sample"], own))
    return ds.drop_vars([*room, "time"], errors="ignore").assign(room | {"length": length})


def _read(ds: xr.Dataset) -> dict[str, Any]:
    """What the reader said of time."""
    said: dict[str, Any] = json.loads(ds.attrs["time_read"]) if "time_read" in ds.attrs else {}
    return said


def _pace(ds: xr.Dataset) -> str:
    """How far apart the steps are, and whether some had no row."""
    said = _read(ds)
    if "step" not in said:
        return "no series has two rows"
    gaps = f", {said['missing_steps']} of them without a row (filled)" if "gaps" in said else ""
    return f"steps of {_duration(said['step'], _dates(ds))}{gaps}"


def _dates(ds: xr.Dataset) -> bool:
    return ds["time" if "time" in ds.coords else "start"].dtype.kind == "M"


def _check_step(sets: Mapping[str, xr.Dataset], first: str, other: str, time: str) -> None:
    """SchemaError where the two tables' times are of two kinds, or go in other steps."""
    ours, theirs = (_read(sets[source]).get("step") for source in (first, other))
    kinds = ["dates" if _dates(sets[source]) else "numbers" for source in (first, other)]
    if kinds[0] != kinds[1]:
        raise SchemaError(
            f"column {time!r} holds {kinds[0]} in the {first} table, {kinds[1]} in the {other} one. Make both the "
            "same, or number the rows of both (pandas, sorted by time: df.groupby(sample).cumcount())."
        )
    if ours is None or theirs is None or ours == theirs:
        return
    if kinds[0] == "numbers" and abs(float(ours) - float(theirs)) <= SAME_STEP * float(ours):
        return
    raise SchemaError(
        f"column {time!r}: {_pace(sets[first])} in the {first} table, {_pace(sets[other])} in the {other} one. Bring "
        "both to one step, e.g. by the mean of each larger step, or, if rows are meant to be steps whatever their "
        "times, leave `time` out and sort the rows."
    )


def _duration(step: str, dates: bool) -> str:
    """A step in words: in the largest unit that makes it a whole number."""
    try:
        seconds = pd.Timedelta(step).total_seconds() if dates else None
    except ValueError:  # months and business days
        seconds = None
    return step if seconds is None else duration(seconds)
