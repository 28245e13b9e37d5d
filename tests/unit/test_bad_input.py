"""Property tests: whatever is wrong with what a user brings, it ends valid or in a DgkitError that names it."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import dgkit as dg
from dgkit.core.encode import Encoder
from dgkit.errors import DgkitError, FileFormatError
from tests.conftest import small_dataset
from tests.unit.test_datasets import pickled, release

CASES = settings(
    max_examples=150,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
VARIABLES = ("views", "cpu", "state", "domain", "spider", "size", "length")
BAD_VALUES = st.sampled_from([np.nan, np.inf, -np.inf, 1e308, -1.0, 0.0])


@st.composite
def damage(draw):
    """A way to damage one variable of a dataset, and its name."""
    name = draw(st.sampled_from(VARIABLES))
    kind = draw(st.sampled_from(["value", "dtype", "dims", "drop", "constant", "rename", "slice", "fill"]))
    value, dtype = draw(BAD_VALUES), draw(st.sampled_from(["O", "S", "c16", "f2", "i1", "U", "M8[s]", "m8[s]", "?"]))
    rows, steps = draw(st.integers(0, 39)), draw(st.integers(0, 11))
    order = draw(st.permutations(["sample", "time"]))

    def apply(ds):
        da = ds[name]
        if kind == "value" and da.dtype.kind == "f":
            da.values[(rows, steps)[: da.ndim]] = value
            return ds
        if kind == "dtype":
            try:
                return ds.assign({name: da.astype(dtype)})
            except (TypeError, ValueError):
                return ds
        if kind == "dims":
            return ds.transpose(*order) if steps % 2 else ds.assign({name: da.expand_dims(extra=2, axis=-1)})
        if kind == "drop":
            return ds.drop_vars(name)
        if kind == "constant":
            return ds.assign({name: da.isel(sample=[0] * 40)})
        if kind == "rename":
            return ds.rename({"sample": "row"} if steps % 2 else {"time": "step"})
        if kind == "slice":
            return ds.isel(sample=slice(0, rows), time=slice(0, steps))
        return ds.assign({name: da.where(da != da, value if da.dtype.kind != "U" else "")})

    return name, apply


@CASES
@given(st.lists(damage(), min_size=1, max_size=2))
def test_damaged_datasets_end_valid_or_in_an_error_that_names_a_variable(damages):
    ds = small_dataset()
    for _, apply in damages:
        try:
            ds = apply(ds)
        except (KeyError, ValueError, IndexError, TypeError):  # the second damage found nothing to damage
            continue

    try:
        encoded = Encoder.fit(ds).encode(ds)
    except DgkitError as error:
        assert any(repr(name) in str(error) for name in VARIABLES) or "no feature" in str(error), str(error)
    else:
        assert all(bool(part.isfinite().all()) for part in encoded)


CELLS = st.one_of(st.none(), st.floats(), st.integers(-3, 3), st.text(max_size=3), st.booleans(), st.just([1]))


@CASES
@given(
    data=st.dictionaries(
        st.sampled_from(["page", "day", "views", "domain"]), st.lists(CELLS, min_size=4, max_size=4), max_size=4
    ),
    base=st.booleans(),
    features=st.lists(st.sampled_from(["views", "day", "domain", "nothing"]), max_size=2),
    attributes=st.lists(st.sampled_from(["domain", "views", "page"]), max_size=2),
    time=st.sampled_from(["day", None, "views"]),
)
def test_odd_tables_end_valid_or_in_an_error_that_names_a_column(data, base, features, attributes, time):
    good = {"page": ["a", "a", "b", "b"], "day": [1, 2, 1, 2], "views": [1.0, 2, 3, 4], "domain": ["x", "x", "y", "y"]}
    table = pd.DataFrame({**good, **data} if base else data)

    try:
        ds = dg.from_table(table, sample="page", time=time, features=features, attributes=attributes)
    except DgkitError as error:
        assert any(repr(name) in str(error) for name in [*good, "nothing"]) or "no feature" in str(error), str(error)
    else:
        dg.schema.validate(ds)


@CASES
@given(
    role=st.sampled_from(["data_train.npz", "data_feature_output.pkl", "data_attribute_output.pkl"]),
    cut=st.floats(0, 1),
    flips=st.lists(st.tuples(st.floats(0, 0.999), st.integers(1, 255)), max_size=4),
    missing=st.booleans(),
)
def test_damaged_release_folders_end_valid_or_in_an_error_that_names_the_file(tmp_path, role, cut, flips, missing):
    release(tmp_path)
    path = tmp_path / role
    content = bytearray(path.read_bytes())
    for where, change in flips:
        content[int(where * len(content))] ^= change
    path.write_bytes(content[: int(cut * len(content))] if not flips else content)
    if missing and not flips:
        path.unlink()

    try:
        ds = dg.from_npz(tmp_path)
    except DgkitError as error:
        assert role in str(error) or "'feature_" in str(error) or "'attribute_" in str(error), str(error)
    else:
        dg.schema.validate(ds, training=False)


@CASES
@given(
    outputs=st.lists(
        st.tuples(
            st.sampled_from(["DISCRETE", "CONTINUOUS"]),
            st.integers(-1, 6),
            st.sampled_from([None, "ZERO_ONE", "MINUSONE_ONE"]),
        ),
        max_size=4,
    ),
    shape=st.tuples(st.integers(0, 4), st.integers(0, 6), st.integers(0, 8)),
    fill=BAD_VALUES,
)
def test_release_folders_of_any_shape_end_valid_or_in_an_error_that_names_the_file(tmp_path, outputs, shape, fill):
    release(tmp_path)
    (tmp_path / "data_feature_output.pkl").write_bytes(pickled(outputs))
    n, time, width = shape
    np.savez(
        tmp_path / "data_train.npz", data_feature=np.full((n, time, width), fill), data_attribute=np.eye(12)[[0] * n],
        data_gen_flag=np.ones((n, time)),
    )  # fmt: skip

    try:
        ds = dg.from_npz(tmp_path)
    except FileFormatError as error:
        assert "data_" in str(error)
    except DgkitError as error:
        assert "'feature_" in str(error) or "'attribute_" in str(error) or "no feature" in str(error)
    else:
        dg.schema.validate(ds, training=False)


def test_an_unreadable_table_names_its_type():
    with pytest.raises(DgkitError, match="not Dataset"):
        dg.from_table(xr.Dataset(), sample="a", features=["b"])
