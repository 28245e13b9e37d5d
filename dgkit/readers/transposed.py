"""Tables whose rows are times and whose columns are series, as long tables."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from pandas.api.types import is_datetime64_any_dtype, is_numeric_dtype

from dgkit.errors import SchemaError
from dgkit.readers.columns import some_names
from dgkit.readers.questions import sum_of_others

SERIES = "series"  # the column of a long table that says which column a row's values come from


def series_in_columns(
    table: pd.DataFrame, patterns: Mapping[str, str | Sequence[str]], columns: Mapping[str, Sequence[str]], time: str
) -> pd.DataFrame:
    """A row for each time and series, with the columns `time`, "series" and the features; each series' rows together.

    Parameters
    ----------
    table : DataFrame
        A row for each time.
    patterns, columns : mapping
        Of each feature what was asked for, such as "*_in", and the columns that are meant. A series is called by what
        the star stands for; without a pattern, and of one feature, by its column.
    time : str
        Its column.

    Raises
    ------
    SchemaError
        The features have not the same series; a pattern matches a column of dates among numbers, or one that is named
        as a total and is the sum of the others.
    """
    names = {}
    for feature, found in columns.items():
        pattern = patterns[feature]
        if isinstance(pattern, str):
            _check_matched(feature, pattern, table, found)
        before, star, after = pattern.partition("*") if isinstance(pattern, str) else ("", "", "")
        whole = len(columns) == 1 or not star or any(mark in before + after for mark in "*?[")
        names[feature] = [name if whole else name[len(before) : len(name) - len(after)] for name in found]
    first, series = next(iter(names.items()))
    for feature, others in names.items():
        if others != series and sorted(others) != sorted(series):
            odd = sorted(set(series) ^ set(others))
            raise SchemaError(
                f"features {first!r} and {feature!r} are not of the same series: {odd[0]!r} is in one of them only. "
                f"With time={time!r} each column is a series; name the columns by patterns that differ in the feature "
                "alone, e.g. features={'in': '*_in', 'out': '*_out'}."
            )
    long = {time: pd.concat([table[time]] * len(series), ignore_index=True), SERIES: np.repeat(series, len(table))}
    for feature, found in columns.items():
        of = dict(zip(names[feature], found, strict=True))
        long[feature] = pd.concat([table[of[name]] for name in series], ignore_index=True)
    made = pd.DataFrame(long).set_index(pd.Index(np.tile(table.index, len(series)), name=table.index.name))
    made.attrs = dict(table.attrs)
    return made


def _check_matched(feature: str, pattern: str, table: pd.DataFrame, found: Sequence[str]) -> None:
    """SchemaError for a column that a pattern matches, and that is no series like the others."""
    numbers = [name for name in found if is_numeric_dtype(table[name])]
    dates = [name for name in found if is_datetime64_any_dtype(table[name])]
    odd = [f"{dates[0]!r}, which holds dates"] if dates and numbers else []
    if not odd and len(numbers) == len(found):
        values = np.stack([table[name].to_numpy(np.float64, na_value=np.nan) for name in found])
        odd = [
            f"{one!r}, the sum of all others at {share:.0%} of its rows" for one, share in sum_of_others(found, values)
        ]
    if odd:
        named = odd[0].split(",")[0]
        rest = [name for name in numbers if repr(name) != named]
        raise SchemaError(
            f"feature {feature!r}: {pattern!r} matches {odd[0]}. Give a closer pattern, or list the columns that are "
            f"series: features={{{feature!r}: [{some_names(rest, 3)}]}}."
        )
