"""What a dataset is: a broken rule is named with variable, place and mending call; the schema survives every trip."""

from datetime import date
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from dgkit.errors import SchemaError
from dgkit.schema import Schema, cast, describe, lengths, valid_values, validate
from tests.conftest import small_dataset


def changed(name, position, value):
    ds = small_dataset().copy(deep=True)
    ds[name].values[position] = value
    return ds


def valid_step(ds, name="views"):
    return 0, int(ds.length[0]) - 1


BROKEN = {
    "transposed": (lambda ds: ds.transpose("time", "sample"), r"'views' has dims \('time', 'sample'\).*transpose"),
    "extra dim": (lambda ds: ds.assign(views=ds.views.expand_dims(site=2, axis=2)), r"'views' has dims .*'site'"),
    "no sample": (lambda ds: ds.assign(note=("word", ["a"])), r"'note' has dims \('word',\).*drop_vars"),
    "scalar": (lambda ds: ds.assign(note=3.0), r"'note' has dims \(\)"),
    "no feature": (lambda ds: ds[["domain"]], "no feature"),
    "object": (lambda ds: ds.assign(domain=ds.domain.astype(object)), r"'domain' has dtype object.*astype\(str\)"),
    "bytes": (lambda ds: ds.assign(domain=ds.domain.astype("S")), r"'domain' has dtype.*astype\(str\)"),
    "dates": (lambda ds: ds.assign(size=("sample", pd.date_range("2020", periods=40))), "'size' has dtype datetime"),
    "boolean feature": (lambda ds: ds.assign(views=ds.views > 3), r"'views' is boolean.*astype\(float\)"),
    "length beyond T": (lambda ds: ds.assign(length=ds.length + 40), r"'length' of sample 0 is 52, not within 1 to 12"),
    "length zero": (lambda ds: ds.assign(length=ds.length * 0), "'length' of sample 0 is 0"),
    "length float": (lambda ds: ds.assign(length=ds.length * 1.0), r"'length' must be integers.*astype\(int\)"),
    "length on time": (lambda ds: ds.assign(length=("time", np.arange(12))), "'length'"),
    "constant": (lambda ds: ds.assign(domain=("sample", ["de"] * 40)), r"'domain' has the same value 'de'.*drop_vars"),
    "identifier": (lambda ds: ds.assign(domain=("sample", [f"p{i}" for i in range(40)])), "'domain'.*identifier"),
    "attribute NaN": (lambda ds: ds.assign(size=ds["size"].where(ds["size"] > 0.5)), "'size' is NaN or infinite"),
    "empty": (
        lambda ds: ds.assign(domain=("sample", [""] + ["de", "en"] * 19 + ["de"])),
        "'domain' is an empty string",
    ),
    "no samples": (lambda ds: ds.isel(sample=slice(0, 0)), "'sample' has size 0, so 'views'"),
    "no steps": (lambda ds: ds.isel(time=slice(0, 0)), "'time' has size 0"),
    "categories lack": (
        lambda ds: ds.assign(domain=ds.domain.assign_attrs(categories=["de", "en"])),
        r"'domain': attrs\['categories'\] lacks the value 'fr'",
    ),
    "categories twice": (
        lambda ds: ds.assign(domain=ds.domain.assign_attrs(categories=["de", "en", "fr", "en"])),
        "'domain'.*names one twice",
    ),
}


@pytest.mark.parametrize("case", BROKEN)
def test_broken_datasets_are_refused_with_the_variable_and_what_to_do(case):
    break_it, message = BROKEN[case]

    with pytest.raises(SchemaError, match=message):
        validate(break_it(small_dataset()))


def test_nan_inside_a_series_is_located():
    ds = changed("views", (3, 1), np.nan)
    assert int(ds.length[3]) > 2

    with pytest.raises(
        SchemaError, match=r"'views' has 1 NaN before the end of sample 3 \(length \d+\), the first at step 1"
    ):
        validate(ds)


def test_a_series_of_nan_alone_is_said_to_be_that():
    with pytest.raises(SchemaError, match=r"'cpu' is NaN throughout sample 2"):
        validate(changed("cpu", 2, np.nan))


def test_infinite_values_are_located():
    with pytest.raises(SchemaError, match="'views' is infinite at sample 1, step 0"):
        validate(changed("views", (1, 0), np.inf))


def test_values_past_the_length_are_refused():
    ds = small_dataset()
    short = int(ds.length.values.argmin())
    ds["views"].values[short, -1] = 3.0

    with pytest.raises(
        SchemaError, match=f"'views' has values past the `length` of its series at sample {short}, step 11"
    ):
        validate(ds)


def test_missing_text_inside_a_series_is_located():
    with pytest.raises(SchemaError, match="'state' has 1 empty strings before the end of sample 0"):
        validate(changed("state", (0, 4), ""))


def test_what_is_no_dataset_is_refused():
    for thing in (None, 3, small_dataset().views, pd.DataFrame()):
        with pytest.raises(SchemaError, match=r"must be an xarray.Dataset"):
            validate(thing)


@pytest.mark.parametrize(
    ("times", "mend"),
    [
        (pd.date_range("2024", periods=12)[::-1], r"2024-01-11T00:00:00 at step 1 .*Mend: ds = ds.sortby\('time'\)"),
        ([0, 2, 1, *range(3, 12)], r"1 at step 2 comes after 2. Mend: ds = ds.sortby\('time'\)"),
        ([*range(6)] * 2, r"0 at step 6 comes after 5. Mend: ds = ds.drop_vars\('time'\)"),
        (np.arange(12)[::-1].astype(np.uint8), "10 at step 1 comes after 11"),
    ],
)
def test_a_time_that_does_not_rise_is_named_with_what_puts_it_right(times, mend):
    ds = small_dataset(variable=False).assign_coords(time=times)

    for training in (True, False):
        with pytest.raises(SchemaError, match=rf"'time' does not rise: .*{mend}"):
            validate(ds, training=training)
    if "sortby" in mend:
        assert validate(ds.sortby("time")).time == 12


def test_generated_data_may_be_constant_and_single():
    one = small_dataset().isel(sample=[5])

    assert validate(one, training=False).features == validate(one).features
    with pytest.raises(SchemaError, match="'domain'"):
        validate(small_dataset().assign(domain=("sample", ["de"] * 40)))


def test_kinds_categories_and_lengths_are_found():
    ds = small_dataset().assign(rank=("sample", np.arange(40) % 3, {"categories": [2, 0, 1]}))

    schema = validate(ds)

    kinds = {v.name: (v.role, v.kind, v.categories) for v in (*schema.features, *schema.attributes)}
    assert kinds == {
        "views": ("feature", "continuous", ()),
        "cpu": ("feature", "continuous", ()),
        "state": ("feature", "categorical", ("busy", "idle", "wait")),
        "domain": ("attribute", "categorical", ("de", "en", "fr")),
        "spider": ("attribute", "categorical", (False, True)),
        "size": ("attribute", "continuous", ()),
        "rank": ("attribute", "categorical", (2, 0, 1)),
    }
    assert (lengths(ds) == ds.length).all()
    assert (lengths(ds.drop_vars("length")) == 12).all()


def dated():
    return (
        small_dataset().assign_coords(time=pd.date_range("2020-02-03", periods=12, freq="6h")).assign_attrs(title="x")
    )


def test_schema_survives_json_with_dates():
    schema = validate(dated())

    assert Schema.from_json(schema.to_json()) == schema


def test_schema_builds_an_equal_dataset_from_plain_values():
    ds = dated()
    values = {name: ds[name].values for name in ds.data_vars if name != "length"}

    again = Schema.from_json(validate(ds).to_json()).dataset(values, ds.length.values)

    assert again.drop_attrs().identical(ds.drop_attrs())
    assert validate(again) == validate(ds)


def test_integers_are_rounded_and_blanked_past_the_end():
    ds = small_dataset()[["length"]].assign(jobs=(("sample", "time"), np.ones((40, 12), np.int16)))

    built = validate(ds).dataset({"jobs": np.full((40, 12), 2.6)}, ds.length.values)

    assert built.jobs.dtype == np.int16
    assert set(built.jobs.values[np.arange(12) < ds.length.values[:, None]].tolist()) == {3}
    assert set(built.jobs.values[np.arange(12) >= ds.length.values[:, None]].tolist()) == {0}


@pytest.mark.parametrize("engine", ["netcdf4", "h5netcdf"])
def test_schema_survives_netcdf(engine, tmp_path):
    from dgkit.datasets import open_dataset

    dated().to_netcdf(tmp_path / "x.nc", engine=engine)

    assert validate(open_dataset(tmp_path / "x.nc")) == validate(dated())


def test_dask_backed_data_give_the_same_schema_and_the_same_errors():
    assert validate(small_dataset().chunk(sample=7)) == validate(small_dataset())
    with pytest.raises(SchemaError, match=r"'cpu' is NaN throughout sample 2"):
        validate(changed("cpu", 2, np.nan).chunk(sample=7))


def test_description_tells_ranges_shares_and_lengths_and_escapes_html():
    ds = small_dataset().rename(domain="<b>").assign_attrs(title="<script>")
    text, page = repr(describe(ds)), describe(ds)._repr_html_()

    assert "40 samples of up to 12 steps" in text
    assert f"{float(ds.views.min()):.4g} to {float(ds.views.max()):,.0f}" in text
    assert "3 categories: de 35%, en 32%, fr 32%" in text
    assert f"{int(ds.length.min())} to 12" in text
    assert "<b>" not in page
    assert "<script>" not in page
    assert "&lt;b&gt;" in page


# --- dtypes ----------------------------------------------------------------------------------------------------------


def with_feature(values):
    values = np.asarray(values)
    return xr.Dataset({"x": (("sample", "time"), values), "k": ("sample", np.arange(len(values)) % 3)})


def with_attribute(values):
    return with_feature(np.arange(4.0 * len(values)).reshape(-1, 4)).assign(a=("sample", values))


NUMBERS = [[1.5, 2.25, 3.0], [4.0, 0.5, 6.0]]
UNKNOWN_DTYPES = {
    "half precision": (with_feature(np.float16(NUMBERS)), "x", np.float32, NUMBERS),
    "long double": (with_feature(np.longdouble(NUMBERS)), "x", np.float64, NUMBERS),
    "complex": (with_feature(np.array(NUMBERS) * 1j), "x", np.float64, NUMBERS),
    "truth values": (with_feature(np.array(NUMBERS) > 2), "x", np.float64, np.array(NUMBERS) > 2),
    "decimals": (with_feature(np.vectorize(Decimal, [object])(NUMBERS)), "x", np.float64, NUMBERS),
    "truth values as objects": (with_attribute(np.array([True, False, True], object)), "a", bool, [1, 0, 1]),
    "numbers and None": (with_attribute(np.array([1, 2.5, None], object)), "a", np.float64, [1, 2.5, np.nan]),
    "numbers and NA": (with_attribute(np.array([1, 2.5, pd.NA], object)), "a", np.float64, [1, 2.5, np.nan]),
    "text as objects": (with_attribute(np.array(["a", "bc", "a"], object)), "a", "<U2", ["a", "bc", "a"]),
    "text and None": (with_attribute(np.array(["a", "bc", None], object)), "a", "<U2", ["a", "bc", ""]),
    "text of any width": (
        with_attribute(np.array(["a", "bc", "a"], np.dtypes.StringDType())), "a", "<U2", ["a", "bc", "a"]
    ),
    "bytes": (with_attribute(np.array([b"a", b"\xc3\xbc", b"a"])), "a", "<U1", ["a", "\u00fc", "a"]),
    "dates as objects": (
        with_attribute(np.array([date(2024, 1, 1), date(2024, 1, 2)] * 2, object)), "a", "<U10",
        ["2024-01-01", "2024-01-02"] * 2,
    ),
    "dates": (with_attribute(pd.date_range("2024-02-28", periods=3).values), "a", np.float64, [0, 1, 2]),
    "pandas' whole numbers": (with_attribute(pd.array([1, 2, 1], "Int64")), "a", np.float64, [1, 2, 1]),
    "pandas' whole numbers and NA": (with_attribute(pd.array([1, None, 2], "Int64")), "a", np.float64, [1, np.nan, 2]),
    "pandas' truth values": (with_attribute(pd.array([True, False, True], "boolean")), "a", bool, [1, 0, 1]),
    "pandas' categories": (with_attribute(pd.Categorical(["a", "bc", "a"])), "a", "<U2", ["a", "bc", "a"]),
    "durations": (with_attribute(pd.to_timedelta([1, 2, 60], unit="min").values), "a", np.float64, [60, 120, 3600]),
}  # fmt: skip


@pytest.mark.parametrize("case", UNKNOWN_DTYPES)
def test_a_dtype_that_is_none_of_ours_is_refused_with_a_mend_that_works(case):
    ds, name, dtype, values = UNKNOWN_DTYPES[case]

    with pytest.raises(SchemaError, match=f"{name!r} (has dtype|is boolean)") as caught:
        validate(ds)
    scope = {"ds": ds, "np": np}
    exec(str(caught.value).split("Mend: ")[1].split(", or ")[0], scope)

    assert scope["ds"][name].dtype == dtype
    np.testing.assert_array_equal(scope["ds"][name], values)


def test_records_and_what_else_there_is_are_refused_with_a_mend_that_works():
    ds = with_attribute(np.zeros(3, "i4,f4"))

    with pytest.raises(SchemaError, match=r"'a' has dtype .*Mend: ds = ds.drop_vars\('a'\)"):
        validate(ds)
    validate(ds.drop_vars("a"))


@pytest.mark.parametrize("dtype", [">f8", ">f4", ">i4", ">u2"])
def test_numbers_in_another_byte_order_are_generated_in_ours(dtype):
    schema = validate(with_feature(np.arange(6).reshape(2, 3).astype(dtype)))

    made = schema.dataset({"x": np.ones((4, 3)), "k": np.zeros(4)}).x

    assert schema.features[0].dtype == np.dtype(dtype).newbyteorder("=").str
    assert made.dtype.isnative and made.dtype.itemsize == np.dtype(dtype).itemsize


@pytest.mark.parametrize("dtype", [f"{sign}{size}" for sign in "iu" for size in (1, 2, 4, 8)])
def test_whole_numbers_near_the_ends_of_their_dtype_do_not_turn_over(dtype):
    info = np.iinfo(dtype)
    values = [info.max - 0.6, info.max, info.max * 1.0, info.max * 1.5, info.min, info.min - 7.0, 0.4, 99.6]

    made = cast(np.array(values, np.float64), np.dtype(dtype).str)

    expected = [min(max(round(float(value)), info.min), info.max) for value in values]  # Python's integers have no end
    assert made.dtype == dtype and made.tolist() == expected


def test_whole_numbers_that_no_float64_holds_are_kept():
    values = np.array([2**63 - 1, 2**53 + 1, -(2**63)])

    assert cast(values, "<i8").tolist() == values.tolist()
    assert cast(values[:2].astype(np.uint64), "<u8").tolist() == [2**63 - 1, 2**53 + 1]


TIMES = {
    "text as objects": (np.array(["mon", "tue", "wed"], object), ["mon", "tue", "wed"]),
    "text of any width": (np.array(["mon", "tue", "wed"], np.dtypes.StringDType()), ["mon", "tue", "wed"]),
    "another byte order": (np.arange(3).astype(">i4"), [0, 1, 2]),
    "dates far off": (np.array(["1500-01-01", "2024-01-01", "3000-01-01"], "M8[s]"),) * 2,
    "no date": (np.array(["2024-01-01", "NaT", "2024-01-03"], "M8[ns]"),) * 2,
}


@pytest.mark.parametrize("case", TIMES)
def test_times_of_many_kinds_survive(case):
    times, expected = TIMES[case]
    schema = validate(with_feature(NUMBERS).assign_coords(time=times))

    made = Schema.from_json(schema.to_json()).dataset({"x": np.array(NUMBERS), "k": np.zeros(2)})

    np.testing.assert_array_equal(made.time.values, np.asarray(expected))


@pytest.mark.parametrize(
    "times", [[date(2024, 1, k) for k in (1, 2, 3)], np.arange(3) * 1j, np.array([b"a", b"b", b"c"])]
)
def test_times_that_no_file_could_hold_are_refused_before_the_training(times):
    ds = with_feature(NUMBERS).assign_coords(time=np.array(times))

    with pytest.raises(SchemaError, match=r"'time' has dtype .*Mend: ds = ds.assign_coords"):
        validate(ds)


# --- whole numbers with a length -------------------------------------------------------------------------------------

GARBAGE = (0, -1, 99, np.iinfo(np.int64).max)


def whole_numbers(garbage, *, categories=None):
    """Two series of 3 and 1 valid steps, and the valid values."""
    codes = np.array([[6, 17, 6, 0], [1, 0, 0, 0]])
    codes[np.arange(4) >= np.array([[3], [1]])] = garbage
    attrs = {"categories": categories} if categories else {}
    return xr.Dataset({"x": (("sample", "time"), codes, attrs), "length": ("sample", [3, 1])}), [6, 17, 6, 1]


@pytest.mark.parametrize("garbage", GARBAGE)
@pytest.mark.parametrize("chunks", [None, 1])
def test_what_whole_numbers_hold_past_the_end_is_no_value(garbage, chunks):
    ds, values = whole_numbers(garbage)
    ds = ds if chunks is None else ds.chunk(sample=chunks)

    assert np.concatenate(list(valid_values(ds.x, lengths(ds)))).tolist() == values
    assert "1 to 17, mean 7.5" in repr(describe(ds))


@pytest.mark.parametrize("garbage", GARBAGE)
def test_what_codes_hold_past_the_end_is_no_category(garbage):
    ds, _ = whole_numbers(garbage, categories=[17, 6, 1])

    assert validate(ds).features[0].categories == (17, 6, 1)
    assert "3 categories: 6 50%, 1 25%, 17 25%" in repr(describe(ds))


def test_generated_codes_are_valid_though_their_padding_is_no_category():
    ds, _ = whole_numbers(99, categories=[17, 6, 1])
    schema = validate(ds)

    made = schema.dataset({"x": ds.x.values}, np.array([2, 4]))

    assert made.x.values[0].tolist() == [6, 17, 0, 0]
    assert validate(made.isel(sample=[0]), training=False) == schema


def test_length_may_be_a_coordinate():
    ds = whole_numbers(99)[0].set_coords("length")

    assert lengths(ds).tolist() == [3, 1] and validate(ds).variable_length
    assert "1 to 17" in repr(describe(ds))


def test_a_description_writes_large_numbers_out_and_names_no_unit_where_there_is_none():
    views = xr.DataArray([[12.5, 470_812.0], [9.0, 100.0]], dims=("sample", "time"), attrs={"units": "views/day"})
    share = views.copy(data=[[0.1, 0.2], [0.3, 0.00012345]]).assign_attrs(units="1")

    rows = describe(xr.Dataset({"views": views, "share": share})).rows

    assert rows[0] == ("feature", "views", "views/day", "9 to 470,800, mean 117,700")
    assert rows[1] == ("feature", "share", "", "0.0001234 to 0.3, mean 0.15")


def test_a_scale_that_is_not_known_is_refused():
    ds = small_dataset()
    ds.views.attrs["scale"] = "log10"

    with pytest.raises(SchemaError, match="'log10'; 'log' or 'linear' is needed"):
        validate(ds)


def test_a_bound_that_float32_rounds_is_kept_by_values_rounded_alike():
    values = np.array([[0.7, 8.1, 3.0]], np.float32)  # 0.69999999 and 8.10000038
    ds = xr.Dataset({"load": (("sample", "time"), values, {"valid_min": 0.7, "valid_max": 8.1})})

    validate(ds)
    ds["load"].attrs["valid_max"] = 8.0999
    with pytest.raises(SchemaError, match=r"from 0\.699999988 to 8\.10000038, outside .* 0\.7 to 8\.0999\. Clip it"):
        validate(ds)


DAYS = pd.date_range("2024-01-01", periods=6)
VALUES = np.arange(24.0).reshape(6, 2, 2)


@pytest.mark.parametrize(
    ("variables", "coords", "samples"),
    [
        ({"rtt": (("time", "station"), VALUES[:, 0])}, {"time": DAYS}, 2),
        ({"rtt": (("station", "time"), VALUES[:, 0].T)}, {"time": DAYS}, 2),
        ({"rtt": (("valid_time", "station"), VALUES[:, 0])}, {"valid_time": DAYS}, 2),
        ({"rtt": (("time",), VALUES[:, 0, 0])}, {"time": DAYS}, 1),
        ({"rtt": (("sample", "day"), VALUES[:, 0].T)}, {}, 2),
        ({"rtt": (("time", "lat", "lon"), VALUES)}, {"lat": [1, 2]}, 4),
        ({"rtt": (("valid_time", "lat", "lon"), VALUES)}, {"valid_time": DAYS}, 4),
        ({"rtt": (("month", "lat", "lon"), VALUES)}, {}, 4),
        ({"rtt": (("time", "lat", "lon"), VALUES), "bounds": (("time", "end"), VALUES[:, 0])}, {}, 4),
        ({"rtt": (("time", "lat", "lon"), VALUES), "load": (("time",), VALUES[:, 0, 0])}, {}, 4),
    ],
)
def test_the_calls_that_name_dims_lead_to_a_valid_dataset_of_the_same_series(variables, coords, samples):
    """Places on a map or stations in any order of dims: followed to the letter, each becomes a sample of 6 steps."""
    ds = xr.Dataset(variables, coords)

    for _ in range(4):
        try:
            validate(ds)
            break
        except SchemaError as error:
            call = str(error).split("Mend: ")[1].split(", or ")[0]
        names = {"ds": ds}
        exec(call, names)
        ds = names["ds"]

    validate(ds)
    assert ds.rtt.dims == ("sample", "time")
    assert ds.rtt.values.tolist() == VALUES.reshape(6, 4)[:, :samples].T.tolist()
