"""What a column's values mean: the Dataset equals the truth, or an error names the call that settles it."""

import re
from decimal import Decimal

import numpy as np
import pandas as pd
import polars as pl
import pytest
import xarray as xr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import dgkit as dg
from dgkit.datasets import from_csv, from_table, read_csv
from dgkit.errors import ConfigError, SchemaError

QUICK, MANY = (
    settings(
        max_examples=examples,
        deadline=None,
        derandomize=True,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.filter_too_much],
    )
    for examples in (40, 1000)
)


@pytest.fixture
def write(tmp_path):
    def write(text):
        path = tmp_path / "table.csv"
        path.write_text(text, encoding="utf-8")
        return path

    return write


def feature(write, cells, separator=";", **options):
    """The values of one series of these cells, as `from_csv` reads it."""
    rows = [f"{k}{separator}{cell}" for k, cell in enumerate(cells)]
    path = write(f"t{separator}v\n" + "\n".join(rows) + "\n")
    return from_csv(path, time="t", features=["v"], **options).v


def attribute(write, cells, **options):
    """The values of an attribute, two steps a sample."""
    rows = [f"s{i};{t};{i + t / 3:.4f};{cell}" for i, cell in enumerate(cells) for t in range(2)]
    path = write("id;t;x;v\n" + "\n".join(rows) + "\n")
    return from_csv(path, sample="id", time="t", features=["x"], attributes=["v"], **options).v


def parquet(folder, frame):
    pytest.importorskip("duckdb").from_df(frame).write_parquet(str(folder / "x.parquet"))


# -- identifiers ----------------------------------------------------------------------------------------------------

CODES = {
    "addresses": ["192.168.100.101", "192.168.200.150"],
    "addresses of any length": ["10.0.0.1", "192.168.100.101"],
    "newer addresses": ["2001:db8::1", "fe80::1"],
    "network cards": ["11:22:33:44:55:66", "22:33:44:55:66:77"],
    "network cards with dots": ["0011.2233.4455", "1122.3344.5566"],
    "hexadecimal": ["12E4", "7E2", "31E1"],
    "hexadecimal in small letters": ["12e4", "7e21"],
    "hexadecimal of one length": ["1234", "7F3A", "12E5"],
    "postcodes": ["01234", "90210"],
    "telephone numbers": ["+4930123456", "+4989123456"],
    "telephone numbers with spaces": ["030 123 456", "089 765 432"],
    "twenty digits": ["89490200001234567890", "89490200001234567891"],
    "uuids": ["550e8400-e29b-41d4-a716-446655440000", "123e4567-e89b-12d3-a456-426614174000"],
    "Namibia": ["NA", "DE", "ZA"],
    "a state of none": ["None", "up", "down"],
    "age groups": ["18-30", "65+", "<18"],
}


@pytest.mark.parametrize("kind", CODES)
def test_identifiers_and_words_stay_text(write, kind):
    cells = CODES[kind] * 2

    assert attribute(write, cells).values.tolist() == cells


@pytest.mark.parametrize(
    ("cells", "ask"),
    [
        ([str(490154203237518 + 7 * i) for i in range(30)], r"many digits.*text=\['v'\].*numbers=\['v'\]"),
        ([str(10**17 + i) for i in range(4)], r"many digits.*text=\['v'\]"),
        (["1.100.200", "2.310.100"], r"dots group thousands.*decimal=','.*text=\['v'\]"),
    ],
)
def test_numbers_that_may_be_identifiers_are_asked_about(write, cells, ask):
    with pytest.raises(SchemaError, match=ask):
        attribute(write, cells)
    if len(cells) < 20:
        assert attribute(write, cells, text=["v"]).values.tolist() == cells


def test_times_in_nanoseconds_are_no_identifiers(write):
    start = 1_700_000_000_000_000_001
    path = write("t,v\n" + "".join(f"{start + k},{k}.5\n" for k in range(3)))

    assert from_csv(path, time="t", features=["v"]).time.values.tolist() == [start, start + 1, start + 2]


@pytest.mark.parametrize("value", ["9007199254740993", "-9007199254740993", "9223372036854775807"])
def test_a_whole_number_that_floats_round_is_asked_about_and_not_shown_rounded(write, value):
    cells = [value if k == 6 else k * 7 % 50 for k in range(60)]

    with pytest.raises(SchemaError, match=r"many digits stand in 'v' \(about .*text=\['v'\].*numbers=\['v'\]") as error:
        feature(write, cells)

    assert str(int(float(value))) not in str(error.value)
    assert feature(write, cells, numbers=["v"]).values[0, 6] == float(value)


# -- numbers with something around them ----------------------------------------------------------------------------

FORMS = {
    "a unit": (["12.50 Mbps", "3 Mbps", "0"], {"v": "Mbps"}, [12.5, 3, 0], "Mbps"),
    "per cent": (["31.5%", "0.31%"], {"v": "%"}, [31.5, 0.31], "%"),
    "dollars": (["$1,234.50", "-$3"], {"v": "$"}, [1234.5, -3], "$"),
    "euros": (["1.234,50 €", "3,5 €"], {"v": "€"}, [1234.5, 3.5], "€"),
    "francs": (["CHF 1'000.50", "CHF 2.00"], {"v": "CHF"}, [1000.5, 2], "CHF"),
    "spaces": (["10 237,65", "1,5"], ["v"], [10237.65, 1.5], None),
    "no-break spaces": (["10\u202f237,65", "1\u00a0000,5"], ["v"], [10237.65, 1000.5], None),
    "apostrophes": (["1'000'000.5", "2.5"], ["v"], [1000000.5, 2.5], None),
    "lakhs": (["12,34,567.5", "1,23,456", "999"], ["v"], [1234567.5, 123456, 999], None),
    "padding": (["006543", "000012"], ["v"], [6543, 12], None),
    "brackets": (["(12.5)", "3.1"], ["v"], [-12.5, 3.1], None),
    "a minus behind": (["12.5-", "3.0"], ["v"], [-12.5, 3], None),
    "a true minus": (["−7.5", "5"], ["v"], [-7.5, 5], None),
    "powers of 1000": (["108", "1.0 M", "46"], {"v": "K=1000"}, [108, 1e6, 46], None),
    "powers of 1024": (["2K", "1.5M", "46"], {"v": "K=1024"}, [2048, 1.5 * 2**20, 46], None),
    "binary prefixes": (["10KiB", "3MiB"], {"v": "K=1000"}, [10240, 3 * 2**20], "B"),
    "bits": (["950 Kbps", "1.2 Mbps"], {"v": "K=1000"}, [950e3, 1.2e6], "bps"),
    "milli": (["12 ms", "1.5 s"], {"v": "K=1000"}, [0.012, 1.5], "s"),
    "hours and minutes": (["1:30", "12:05"], {"v": "h:m"}, [5400, 43500], "s"),
    "minutes and seconds": (["1:30", "12:05"], {"v": "m:s"}, [90, 725], "s"),
    "hours, minutes and seconds": (["0:12:30", "1:00:00.5"], {"v": "duration"}, [750, 3600.5], "s"),
    "letters of time": (["1h20m", "35s"], {"v": "duration"}, [4800, 35], "s"),
    "days and a clock": (["1d 02:03:04", "0d 01:00:00"], {"v": "duration"}, [93784, 3600], "s"),
    "times as ISO 8601 has them": (["PT5M", "P1DT0.5S", "P2W"], {"v": "duration"}, [300, 86400.5, 1209600], "s"),
}


@pytest.mark.parametrize("kind", FORMS)
@pytest.mark.parametrize("source", ["file", "pandas", "polars"])
def test_numbers_with_something_around_them_are_asked_about_and_read_as_told(write, kind, source):
    cells, numbers, expected, unit = FORMS[kind]

    def read(**options):
        if source == "file":
            return feature(write, cells, **options)
        frame = pd.DataFrame if source == "pandas" else pl.DataFrame
        return from_table(frame({"t": range(len(cells)), "v": cells}), time="t", features=["v"], **options).v

    with pytest.raises(SchemaError) as error:
        read()
    told = read(numbers=numbers)

    assert f"numbers={numbers!r}" in str(error.value) and "text=['v']" in str(error.value)
    np.testing.assert_allclose(told.values[0], expected, rtol=1e-15)
    assert told.attrs.get("units") == unit


def test_all_odd_values_of_a_column_are_named_at_once(write):
    with pytest.raises(SchemaError, match=r"'-' in line 3, 'x' in line 5 \(3 such rows\).*missing=\['-', 'x'\]"):
        feature(write, ["1.5", "-", "2.5", "x", "-"])


def test_what_is_not_of_the_form_told_is_named(write):
    with pytest.raises(SchemaError, match=r"'4 ms' in line 3, which is no number by numbers=\{'v': 'Mbps'\}"):
        feature(write, ["1 Mbps", "4 ms"], numbers={"v": "Mbps"})
    with pytest.raises(ConfigError, match=r"numbers is 'v'; give a list"):
        feature(write, ["1 Mbps"], numbers="v")


@pytest.mark.parametrize("odd", ["timeout", "<1 ms", "*", "-", "n/a", "> 100 ms"])
@pytest.mark.parametrize("source", ["file", "table", "Parquet"])
def test_numbers_with_a_unit_are_asked_about_among_other_words_too(write, tmp_path, odd, source):
    cells = [odd if k % 2 else f"{k * 7 % 97} ms" for k in range(60)]
    table = pd.DataFrame({"t": range(60), "v": cells})
    if source == "Parquet":
        parquet(tmp_path, table)

    def read(**options):
        if source == "file":
            return feature(write, cells, **options)
        if source == "Parquet":
            return from_csv(tmp_path / "x.parquet", time="t", features=["v"], **options).v
        missing = options.pop("missing", None)
        return from_table(table.replace({"v": dict.fromkeys(missing or ())}), time="t", features=["v"], **options).v

    with pytest.raises(SchemaError) as error:
        read()
    said = str(error.value)
    told = read(numbers={"v": "ms"}, missing=[odd], fill="previous")

    assert f"also {odd!r} in" in said and "numbers={'v': 'ms'} reads '0 ms' as 0" in said and "text=['v']" in said
    assert (f"df['v'].replace([{odd!r}], None)" if source == "table" else f"missing=[{odd!r}]") in said
    assert told.values[0, :59].tolist() == [k // 2 * 2 * 7 % 97 for k in range(59)]


@pytest.mark.parametrize(
    "cells",
    [
        ["3G", "4G", "LTE"],
        ["2xx", "3xx", "4xx", "5xx", "other"],
        ["small", "5 ms", "large", "huge"],
        ["eth0", "eth1"],
        ["1st", "2nd", "last"],
        ["on", "7 %", "off"],
    ],
)
def test_words_among_which_few_look_like_numbers_are_categories(write, cells):
    assert feature(write, cells * 4).values[0].tolist() == cells * 4
    assert attribute(write, cells * 4).values.tolist() == cells * 4


@pytest.mark.parametrize("cell", ["5 min", "5 ms", "5 users", "5 msgs", "5m", "5%"])
def test_no_prefix_is_made_of_a_unit_beside_numbers_without_one(write, cell):
    with pytest.raises(SchemaError, match="which is none") as error:
        feature(write, [cell, "7"])

    assert "K=1000" not in str(error.value) and f"missing=[{cell!r}]" in str(error.value)


@pytest.mark.parametrize("cell", ["5K", "5 KB", "5 Kbps", "5kbit"])
def test_prefixes_beside_numbers_without_one_are_asked_about(write, cell):
    with pytest.raises(SchemaError, match=r"numbers=\{'v': 'K=1000'\} reads '5 ?[Kk]\w*' as 5000"):
        feature(write, [cell, "7"])
    assert feature(write, [cell, "7"], numbers={"v": "K=1000"}).values.tolist() == [[5000, 7]]


@pytest.mark.parametrize(
    ("cells", "expected"),
    [(["1.5D+03", "2.5D-01", "-1.D2"], [1500, 0.25, -100]), (["0x1F", "0x2f", "0X10"], [31, 47, 16])],
)
def test_numbers_as_fortran_and_c_write_them_are_asked_about(write, cells, expected):
    with pytest.raises(
        SchemaError, match=rf"looks like numbers: 3 .*numbers=\['v'\] reads {cells[0]!r} as".replace("+", "[+]")
    ):
        feature(write, cells)
    assert feature(write, cells, numbers=["v"]).values.tolist() == [expected]
    assert feature(write, cells, text=["v"]).values.tolist() == [cells]


@pytest.mark.parametrize("source", [feature, attribute])
def test_a_number_of_too_many_digits_among_decimals_is_asked_about(write, source):
    cells = ["0.5", "0.25", "18446744073709551615"] * 20

    with pytest.raises(SchemaError, match=r"'18446744073709551615' in line .*numbers=\['v'\].*text=\['v'\]"):
        source(write, cells)
    with pytest.raises(SchemaError, match=r"missing=\['18446744073709551615'\] where it stands for"):
        source(write, cells)
    assert sorted(set(source(write, cells, numbers=["v"]).values.ravel())) == [0.25, 0.5, 2.0**64]
    assert set(source(write, cells, text=["v"]).values.ravel()) == set(cells)


@pytest.mark.parametrize("odd", ["00", "1e5", "1e999", "+4930123456"])
def test_what_makes_text_of_numbers_is_shown(write, odd):
    with pytest.raises(
        SchemaError, match=re.escape(f"looks like numbers: 60 different ones such as {odd!r} in line 9")
    ):
        feature(write, [odd if k == 7 else k + 1 for k in range(60)])


# -- the decimal sign ----------------------------------------------------------------------------------------------


def test_a_column_reads_the_same_whichever_others_are_wanted(write):
    path = write("day;load;price\n1;51.234;45,67\n2;49.870;-3,20\n")

    alone, both = (read_csv(path, columns=columns) for columns in (["load"], ["load", "price"]))

    assert alone["load"].tolist() == both["load"].tolist() == [51234, 49870]


def test_dots_before_three_digits_are_asked_about_where_nothing_tells(write):
    path = write("x;y\n1.234;a\n967;b\n")

    with pytest.raises(SchemaError, match=r"'1.234' in line 2.*decimal='.' if the dot.*decimal=','"):
        read_csv(path)
    assert read_csv(path, decimal=",").x.tolist() == [1234, 967]
    assert read_csv(path, decimal=".").x.tolist() == [1.234, 967]
    assert read_csv(write("x,y\n1.234,a\n967,b\n")).x.tolist() == [1.234, 967]  # decimal commas would need quotes
    assert read_csv(write("x;y\n0.234;a\n9.671;b\n")).x.tolist() == [0.234, 9.671]  # no group begins with 0


@pytest.mark.parametrize("source", ["file", "table", "polars", "Parquet"])
def test_truth_values_are_those_of_any_spelling_from_any_source(write, tmp_path, source):
    cells = ["true", "False", "True", "FALSE"]
    table = pd.DataFrame({"t": range(4), "v": cells})
    if source == "Parquet":
        parquet(tmp_path, table)
    read = {
        "file": lambda: feature(write, cells),
        "table": lambda: from_table(table, time="t", features=["v"]).v,
        "polars": lambda: from_table(pl.DataFrame({"t": range(4), "v": cells}), time="t", features=["v"]).v,
        "Parquet": lambda: from_csv(tmp_path / "x.parquet", time="t", features=["v"]).v,
    }

    assert read[source]().values.tolist() == [[1, 0, 1, 0]]


@pytest.mark.parametrize("frame", [pd.DataFrame, pl.DataFrame])
def test_blanks_around_text_are_no_part_of_it(write, frame):
    cells = ["up ", " down", "up ", "down at night"]

    found = from_table(frame({"t": range(4), "v": cells}), time="t", features=["v"]).v

    assert found.values.tolist() == feature(write, cells).values.tolist() == [["up", "down", "up", "down at night"]]
    for role in ({"features": ["v"]}, {"features": ["t"], "attributes": ["v"]}, {"features": ["t"], "sample": "v"}):
        with pytest.raises(SchemaError, match=r"'up' in row 0 and 'up ' in row 2, which differ by blanks alone.*strip"):
            from_table(frame({"t": range(4), "v": ["up", "down", "up ", "UP"]}), **role)


def test_parquet_has_text_without_blanks_and_gaps_stay_gaps(tmp_path):
    table = pd.DataFrame({"t": range(4), "v": ["up", "up ", None, "down"]})
    parquet(tmp_path, table)

    for text in ((), ["v"]):
        ds = from_csv(tmp_path / "x.parquet", time="t", features=["v"], text=text, fill="previous")
        assert ds.v.values.tolist() == [["up", "up", "up", "down"]] and "blanks around 1 texts of 'v'" in ds.reading


# -- what is missing ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "marker",
    ["18446744073709551615", "-9223372036854775808", "-9223372036854775806", "9007199254740991", "9.96921e+36",
     "9.969209968386869e+36", "-32767", "1e+20"],
)  # fmt: skip
def test_ends_of_the_types_of_numbers_may_stand_for_missing_values(write, marker):
    cells = [marker if k % 6 == 3 else k * 7 % 50 + (0.5 if "e" in marker else 0) for k in range(60)]

    with pytest.raises(SchemaError, match=r"10 times, and otherwise from .* stand for a missing value") as error:
        feature(write, cells)
    advised = float(str(error.value).partition("missing={'v': [")[2].partition("]")[0])
    told = feature(write, cells, missing=[advised], fill="previous")

    assert "many digits" not in str(error.value)
    assert told.values.max() <= 50 and told.values[0, 3] == told.values[0, 2]
    assert feature(write, cells, numbers=["v"]).values[0, 3] == float(marker)


def test_markers_match_by_value_and_only_where_asked(write):
    cells = ["1.5", "-999", "-999.00", "-999.0", "2.5"]

    np.testing.assert_array_equal(
        feature(write, cells, missing=["-999"], fill="previous").values, [[1.5, 1.5, 1.5, 1.5, 2.5]]
    )
    assert feature(write, cells, numbers=["v"]).values.tolist() == [[1.5, -999, -999, -999, 2.5]]
    comma = [cell.replace(".", ",") for cell in cells]
    np.testing.assert_array_equal(feature(write, comma, missing=[-999], fill="linear"), [[1.5, 1.75, 2, 2.25, 2.5]])


def test_words_are_missing_among_numbers_and_a_category_among_text_unless_asked(write):
    assert feature(write, ["1.5", "NA", "null", "3"], fill="linear").values.tolist() == [[1.5, 2, 2.5, 3]]
    table = read_csv(write("x;y\nNA;1\nDE;NA\n"))
    assert table.x.tolist() == ["NA", "DE"]
    assert table.y.isna().tolist() == [False, True]
    assert read_csv(write("x;y\nNA;1\nDE;NA\n"), missing=["NA"]).x.isna().tolist() == [True, False]


# -- whole numbers that may be codes ---------------------------------------------------------------------------------

FEW = {
    "protocols": [6, 17, 1],
    "ports": [80, 443, 22, 8080],
    "days of the week": list(range(7)),
    "hours": list(range(24)),
    "a flag": [0, 1],
    "status": [200, 404, 500],
}


@pytest.mark.parametrize("kind", FEW)
def test_few_whole_numbers_are_asked_about_and_taken_as_told(write, kind):
    cells = [FEW[kind][i % len(FEW[kind])] for i in range(240)]

    with pytest.raises(SchemaError, match=r"few whole numbers stand in 'v'.*categories=\['v'\].*numbers=\['v'\]"):
        attribute(write, cells)
    codes, ordered = attribute(write, cells, categories=["v"]), attribute(write, cells, categories={"v": FEW[kind]})

    assert codes.values.tolist() == cells
    assert (codes.attrs["categories"], ordered.attrs["categories"]) == (sorted(FEW[kind]), FEW[kind])
    assert attribute(write, cells, numbers=["v"]).attrs == {}
    assert attribute(write, cells, units={"v": "W"}).values.tolist() == cells
    assert attribute(write, cells, text=["v"]).values.tolist() == list(map(str, cells))


def test_counts_measures_and_short_tables_are_not_asked_about(write):
    rng = np.random.default_rng(0)

    assert attribute(write, rng.poisson(2, 300).tolist()).dtype == np.int64
    assert attribute(write, [1, 2, 3] * 5).dtype == np.int64
    assert feature(write, rng.integers(0, 500, 300).tolist()).dtype == np.float64
    assert feature(write, ["true", "false"] * 30).values.max() == 1


def test_codes_of_a_feature_are_filled_by_the_value_before_and_never_between(write):
    ds = feature(write, ["6", "", "17"] * 20, categories=["v"], fill="linear")

    assert ds.values[0, :3].tolist() == [6, 6, 17]
    assert ds.attrs["categories"] == [6, 17]


def test_a_category_that_the_mapping_lacks_is_named_with_the_readers_own_argument(write):
    with pytest.raises(SchemaError, match=r"lacks the value 17.*categories=\{'v': \[...\]\}"):
        attribute(write, [6, 17] * 20, categories={"v": [6]})


def test_generated_codes_are_codes(write):
    rows = [f"f{i};{t};{i * t / 7:.3f};{(6, 17, 1)[i % 3]}" for i in range(30) for t in range(6)]
    ds = from_csv(
        write("f;t;x;p\n" + "\n".join(rows)), sample="f", time="t", features=["x"], attributes=["p"], categories=["p"]
    )

    made = dg.fit(ds, dg.Config(steps=2, sample_len=3, batch_size=8), progress=False).sample(20).p

    assert set(made.values.tolist()) <= {1, 6, 17} and made.dtype == ds.p.dtype


# -- features of too many categories --------------------------------------------------------------------------------


def test_a_feature_of_hundreds_of_categories_is_refused_unless_they_are_listed(write):
    cells = [f"cell{i % 110}" for i in range(660)]

    with pytest.raises(SchemaError, match=r"110 categories in 660 values.*categories=\['v'\]"):
        feature(write, cells)
    assert len(feature(write, cells, categories=["v"]).attrs["categories"]) == 110
    assert feature(write, [f"cell{i % 15}" for i in range(660)]).dtype.kind == "U"


# -- tables of any library ------------------------------------------------------------------------------------------

NUMERIC = {
    "Decimal": [Decimal("1.25"), Decimal(2), Decimal("10")],
    "mixed numbers": [1.25, 2, np.float32(10)],
    "text": ["1.25", "2", "10"],
}


@pytest.mark.parametrize("kind", NUMERIC)
def test_numbers_of_any_type_are_numbers(kind):
    table = pd.DataFrame({"t": [1, 2, 3], "v": pd.Series(NUMERIC[kind], dtype=object)})

    assert from_table(table, time="t", features=["v"]).v.values.tolist() == [[1.25, 2, 10]]


@pytest.mark.parametrize(
    "values",
    [
        pd.array([1, None, 3], dtype="Int64"),
        pd.array([1.0, None, 3.0], dtype="Float64"),
        np.array([Decimal(1), None, Decimal(3)], object),
        np.array([Decimal(1), Decimal("NaN"), Decimal(3)], object),
    ],
)
def test_numbers_that_may_be_missing_are_filled(values):
    table = pd.DataFrame({"t": [1, 2, 3], "v": values})

    assert from_table(table, time="t", features=["v"], fill="linear").v.values.tolist() == [[1, 2, 3]]


def test_decimals_of_polars_are_numbers():
    table = pl.DataFrame({"t": [1, 2], "v": [Decimal("1.25"), Decimal("2.5")]})

    assert from_table(table, time="t", features=["v"]).v.values.tolist() == [[1.25, 2.5]]


@pytest.mark.parametrize(
    "values", [[True, None, False], ["True", "None", "false"], pd.array([True, None, False], dtype="boolean")]
)
def test_truth_values_of_any_type_are_truth_values(values):
    table = pd.DataFrame({"t": [1, 2, 3], "v": values})

    assert from_table(table, time="t", features=["v"], fill="previous").v.values.tolist() == [[1, 1, 0]]


@pytest.mark.parametrize(
    "frame", [pd.DataFrame, lambda data: pl.DataFrame({**data, "v": pl.Series(data["v"], dtype=pl.Object)})]
)
def test_a_mixture_names_its_rows_and_advice_that_works_for_every_library(frame):
    table = frame({"t": [1, 2, 3], "v": ["a", 5, 7]})

    with pytest.raises(SchemaError, match=r"holds 5 among text: 5 in row 1, 7 in row 2 \(2 such rows\).*text=\['v'\]"):
        from_table(table, time="t", features=["v"])
    assert from_table(table, time="t", features=["v"], text=["v"]).v.values.tolist() == [["a", "5", "7"]]


def test_ids_and_categories_that_differ_in_capitals_or_blanks_are_asked_about():
    table = pd.DataFrame(
        {"id": ["a", "a", "A", "A"], "t": [0, 1, 0, 1], "v": [1.5, 2, 3.5, 5], "link": ["up", "up", "UP ", "UP "]}
    )
    ask = {"sample": "id", "time": "t", "features": ["v"]}

    with pytest.raises(SchemaError, match=r"'id' has 'a' and 'A'.*text=\['id'\]"):
        from_table(table, **ask)
    with pytest.raises(SchemaError, match=r"'link' has 'up' and 'UP ?', .*in capitals or blanks.*text=\['link'\]"):
        from_table(table, **ask, attributes=["link"], text=["id"])
    assert from_table(table, **ask, attributes=["link"], text=["id", "link"]).sample.values.tolist() == ["a", "A"]
    assert from_table(table, **ask, attributes=["link"], text=["id"], categories=["link"]).link.size == 2


def test_ids_that_differ_in_capitals_in_a_file_are_asked_about_and_names_of_columns_are_not(write):
    path = write("id;t;v\na;0;1.5\na;1;2.5\nA;0;3.5\nA;1;5\n")
    ask = {"sample": "id", "time": "t", "features": ["v"]}

    with pytest.raises(SchemaError, match=r"For example: from_csv\(..., text=\['id'\]\)"):
        from_csv(path, **ask)
    assert from_csv(path, **ask, text=["id"]).sample.values.tolist() == ["a", "A"]
    columns = write("t,x,X\n0,1.5,2\n1,2.5,4\n")
    assert from_csv(columns, time="t", features={"v": "*"}).sample.values.tolist() == ["x", "X"]


def test_a_sample_that_is_the_sum_of_all_others_is_asked_about():
    parts = np.random.default_rng(0).random((3, 9))
    table = pd.DataFrame({"id": np.repeat([*"abc", "TOTAL"], 9), "v": [*parts.ravel(), *parts.sum(0)]})

    with pytest.raises(SchemaError, match=r"'TOTAL' of column 'id' is the sum of all others in 'v', at 100% of its"):
        from_table(table, sample="id", features=["v"])
    assert from_table(table, sample="id", features=["v"], text=["id"]).sizes["sample"] == 4
    table.loc[27:, "v"] = parts[0]
    assert from_table(table, sample="id", features=["v"]).sizes["sample"] == 4  # in name alone


def test_a_total_that_has_more_in_its_name_is_asked_about_as_well():
    parts = np.random.default_rng(0).random((3, 9))
    table = pd.DataFrame({"id": np.repeat([*"abc", "Region Total"], 9), "v": [*parts.ravel(), *parts.sum(0)]})

    with pytest.raises(SchemaError, match=r"'Region Total' of column 'id' is the sum of all others in 'v', at 100% of"):
        from_table(table, sample="id", features=["v"])
    table["id"] = table["id"].replace("Region Total", "totality")
    assert from_table(table, sample="id", features=["v"]).sizes["sample"] == 4


def test_a_count_of_rows_of_codes_is_no_code(write):
    path = write("t;port\n0;80\n1;80\n1;443\n2;443\n")

    ds = from_csv(path, time="t", features=["port"], categories=["port"], bin=2, bins={"port": "count"})

    assert ds.port.values.tolist() == [[3, 1]] and "categories" not in ds.port.attrs


@pytest.mark.parametrize("cell", ["Infinity", "-Infinity"])
def test_an_infinite_cell_is_missing_by_the_marker_that_the_error_names(write, cell):
    sign = cell.removesuffix("Infinity")

    with pytest.raises(SchemaError, match=rf"missing=\['{sign}inf'\]"):
        feature(write, ["5", cell, "7"], fill="linear")
    assert feature(write, ["5", cell, "7"], fill="linear", missing=[f"{sign}inf"]).values.tolist() == [[5, 6, 7]]


def test_dates_as_an_attribute_are_text_if_told(write):
    with pytest.raises(SchemaError, match=r"'v' holds dates; only `time` can.*text=\['v'\]"):
        attribute(write, ["2024-01-01", "2024-01-02"])
    assert attribute(write, ["2024-01-01", "2024-01-02"], text=["v"]).values.tolist() == ["2024-01-01", "2024-01-02"]


@pytest.mark.parametrize("second", [["1", "2"], ["1", "NULL"]])
@pytest.mark.parametrize("first", [[1.5, 2.5], ["1.5", "2.5"]])
def test_a_wide_feature_is_numbers_in_all_its_columns_or_in_none(first, second):
    table = pd.DataFrame({"d1": first, "d2": second})

    ds = from_table(table, features={"v": "d*"})

    np.testing.assert_array_equal(ds.v, [[1.5, 1], [2.5, 2 if second[1] == "2" else np.nan]])


MIXED = {
    "few whole numbers as text": ({"d1": [1, 2], "d2": ["3", "4"]}, r"'d1' holds numbers, 'd2' text.*text=\['v'\]"),
    "words": ({"d1": ["a", "b"], "d2": [1.5, 2.5]}, r"'d1' holds text, 'd2' numbers.*text=\['v'\]"),
    "truth values": ({"d1": [True, False], "d2": [1.5, 2.5]}, "'d1' holds truth values, 'd2' numbers"),
    "truth values and words": ({"d1": [True, False], "d2": ["a", "b"]}, "'d1' holds truth values, 'd2' text"),
    "truth values with a gap": ({"d1": [True, None], "d2": [1.5, 2.5]}, "'d1' holds truth values, 'd2' numbers"),
}


@pytest.mark.parametrize("case", MIXED)
def test_a_wide_feature_of_several_kinds_is_refused_or_read_as_told(case):
    columns, message = MIXED[case]
    table = pd.DataFrame(columns)

    with pytest.raises(SchemaError, match=message) as error:
        from_table(table, features={"v": "d*"})
    if "text=" in str(error.value):
        assert from_table(table, features={"v": "d*"}, text=["v"]).v.dtype.kind == "U"


def test_few_whole_numbers_as_text_beside_numbers_are_numbers_if_told():
    table = pd.DataFrame({"d1": [1, 2], "d2": ["3", "4"]})

    assert from_table(table, features={"v": "d*"}, numbers=["v"]).v.values.tolist() == [[1, 3], [2, 4]]


def test_truth_values_in_a_file_beside_numbers_are_text_if_told(write):
    path = write("id,d1,d2\na,true,1.5\nb,false,2.5\n")

    with pytest.raises(SchemaError, match=r"truth values, 'd2' numbers.*text=\['v'\]"):
        from_csv(path, sample="id", features={"v": "d*"})
    assert from_csv(path, sample="id", features={"v": "d*"}, text=["v"]).v.values.tolist()[0] == ["true", "1.5"]


def test_a_truth_value_among_numbers_is_refused_or_text_as_told():
    table = pd.DataFrame({"t": [0, 1, 2], "v": pd.Series([2, True, 3], dtype=object)})

    with pytest.raises(SchemaError, match=r"'v' holds True in row 1 among numbers.*text=\['v'\]"):
        from_table(table, time="t", features=["v"])
    assert from_table(table, time="t", features=["v"], text=["v"]).v.values.tolist() == [["2", "True", "3"]]


@pytest.mark.parametrize(
    ("cells", "form", "expected"),
    [
        ("5K,5M\n6K,6M", "K=1000", [[5e3, 5e6], [6e3, 6e6]]),
        ("5 ms,5 s\n6 ms,6 s", "duration", [[0.005, 5], [0.006, 6]]),
    ],
)
def test_a_wide_feature_is_offered_only_forms_that_fit_all_its_columns(write, cells, form, expected):
    one, two = cells.split("\n")
    ask = {"sample": "id", "features": {"v": "d*"}}
    path = write(f"id,d1,d2\na,{one}\nb,{two}\n")

    with pytest.raises(SchemaError, match=rf"numbers={{'v': '{form}'}}") as error:
        from_csv(path, **ask)
    assert "'d1':" not in str(error.value)
    assert from_csv(path, **ask, numbers={"v": form}).v.values.tolist() == expected
    with pytest.raises(SchemaError, match=r"feature 'v' several units \('d1' m?[sK], 'd2' [sM]\)"):
        from_csv(path, **ask, numbers=dict(zip(["d1", "d2"], [c.strip("56 ") for c in one.split(",")], strict=True)))


def test_a_unit_in_one_column_of_a_wide_feature_is_no_form_of_the_others(write):
    path = write("id,d1,d2\na,5 ms,5\nb,6 ms,6\n")

    with pytest.raises(SchemaError, match=r"several units \('d1' ms, 'd2' none\)"):
        from_csv(path, sample="id", features={"v": "d*"}, numbers={"d1": "ms"})
    with pytest.raises(SchemaError, match="'5' in line 2"):
        from_csv(path, sample="id", features={"v": "d*"}, numbers={"v": "ms"})
    table = pd.DataFrame({"d1": ["5 ms", "6 ms"], "d2": [5, 6]})
    with pytest.raises(SchemaError, match=r"'d1' holds text, 'd2' numbers"):
        from_table(table, features={"v": "d*"})
    with pytest.raises(SchemaError, match=r"'d1' has text in 'ms', 'd2' numbers without a unit"):
        from_table(table, features={"v": "d*"}, numbers={"v": "ms"})
    table["d2"] = np.nan
    assert from_table(table, features={"v": "d*"}, numbers={"v": "ms"}).v.values[:, 0].tolist() == [5, 6]


def test_between_truth_values_nothing_is_made_up(write):
    rows = "t,up\n0,true\n1,{}\n2,false\n"
    twice = write(rows.format("true\n1,false"))

    with pytest.raises(SchemaError, match=r"there are 'True' and 'False' for one step.*duplicates='last'"):
        from_csv(twice, time="t", features=["up"], duplicates="mean")
    assert from_csv(twice, time="t", features=["up"], duplicates="last").up.values.tolist() == [[1, 0, 0]]
    assert from_csv(write(rows.format("")), time="t", features=["up"], fill="linear").up.values.tolist() == [[1, 1, 0]]
    wide = pd.DataFrame({"d1": [True, False], "d2": pd.array([None, True], "boolean"), "d3": [False, True]})
    assert from_table(wide, features={"v": "d*"}, fill={"v": "linear"}).v.values.tolist() == [[1, 1, 0], [0, 1, 1]]
    bins = from_csv(twice, time="t", features=["up"], bin=4, bins={"up": "mean"})
    assert bins.up.values.tolist() == [[0.5]]  # a share


def test_columns_named_by_numbers_or_dates_are_found():
    days = pd.date_range("2024-01-01", periods=3)
    wide = pd.DataFrame([[1.5, 2, 3], [4, 5, 6]], columns=days)

    by_name, by_pattern = (from_table(wide, features={"v": columns}).v for columns in (list(days), "2024-01*"))
    numbered = from_table(wide.set_axis([1, 2, 3], axis=1), features={"v": [1, 2, 3]}).v

    assert by_name.values.tolist() == by_pattern.values.tolist() == numbered.values.tolist() == [[1.5, 2, 3], [4, 5, 6]]


LONG = pd.DataFrame({"page": list("aabb"), "day": [1, 2, 1, 2], "views": [1.5, 2, 3, 4]})
NAMES = {
    "two levels": (LONG.set_axis(pd.MultiIndex.from_product([["x"], LONG.columns]), axis=1), {}, "'_'.join"),
    "a feature named time": (LONG.rename(columns={"views": "time"}), {"features": ["time"]}, "Rename the column"),
    "time in the index": (LONG.set_index("day"), {}, r"df.reset_index\(\)"),
    "an unknown name": (LONG, {"scale": {"visits": "log"}}, "scale= names 'visits'"),
}


@pytest.mark.parametrize("case", NAMES)
def test_names_that_cannot_be_are_refused_with_the_mend(case):
    table, options, message = NAMES[case]

    with pytest.raises(SchemaError, match=message):
        from_table(table, **{"sample": "page", "time": "day", "features": ["views"], **options})


def test_wide_features_of_unequal_steps_are_refused():
    with pytest.raises(SchemaError, match=r"feature 'y' has 1 columns, 'x' 2"):
        from_table(pd.DataFrame({"x1": [1.5], "x2": [2.0], "y1": [3.0]}), features={"x": "x?", "y": "y?"})


READERS_OWN = {
    "constant": ({"attributes": ["region"]}, "Leave 'region' out of attributes="),
    "identifier": ({"attributes": ["name"]}, "Leave 'name' out of attributes="),
    "infinite": ({"features": ["endless"]}, r"'endless' is infinite in line 3 \(2 such rows\).*missing=\['inf'\]"),
}


@pytest.mark.parametrize("case", READERS_OWN)
def test_errors_advise_the_readers_own_arguments(write, case):
    options, message = READERS_OWN[case]
    rows = [f"s{i},{t},{i + t / 3:.3f},eu,n{i},{'Infinity' if i + t == 1 else i}" for i in range(30) for t in range(2)]
    path = write("id,t,v,region,name,endless\n" + "\n".join(rows) + "\n")

    with pytest.raises(SchemaError, match=message) as error:
        from_csv(path, **{"sample": "id", "time": "t", "features": ["v"], **options})
    assert "ds" not in str(error.value).split()


# -- attrs that the model reads -------------------------------------------------------------------------------------


def test_attrs_given_to_a_reader_are_those_of_the_dataset(write):
    v = feature(
        write,
        ["1", "0", "2"],
        scale={"v": "log"},
        valid_min={"v": 0},
        valid_max={"v": 9},
        counts=["v"],
        zeros=["v"],
    )

    assert v.attrs == {"scale": "log", "valid_min": 0, "valid_max": 9, "counts": 1, "zeros": "inflated"}
    assert type(v.attrs["counts"]) is int  # as netCDF has it


@pytest.mark.parametrize(
    ("key", "value"), [("zeros", "many"), ("counts", "yes"), ("counts", 2), ("valid_min", "low"), ("scale", 1)]
)
def test_attrs_that_cannot_be_are_refused(write, key, value):
    with pytest.raises(SchemaError, match=rf"attrs\['{key}'\].*is needed.*{key}=\{{'v': \.\.\.\}}"):
        feature(write, ["1.5", "2.5"], **{key: {"v": value}})
    ds = xr.Dataset({"v": (("sample", "time"), np.ones((2, 3)), {key: value})})
    with pytest.raises(SchemaError, match=rf"del ds\['v'\]\.attrs\['{key}'\]"):
        dg.schema.validate(ds)


def test_proposals_say_what_the_data_ask_for_and_apply_nothing():
    rng = np.random.default_rng(0)
    shape = (40, 50)
    values = {
        "bytes": 10 ** rng.uniform(0, 6, shape),
        "loss": np.where(rng.random(shape) < 0.98, 0, rng.random(shape) * 5),
        "errors": rng.poisson(2, shape).astype(float),
        "cpu": rng.uniform(0, 1, shape),
        "temperature": rng.normal(20, 2, shape),
    }
    ds = xr.Dataset({name: (("sample", "time"), array) for name, array in values.items()})

    found = {(p.name, *p.attrs) for p in dg.schema.proposals(ds)}

    assert {("bytes", "scale"), ("loss", "zeros"), ("errors", "counts"), ("cpu", "valid_min", "valid_max")} <= found
    assert not any("temperature" in each or each in (("errors", "zeros"), ("cpu", "scale")) for each in found)
    assert all(not da.attrs for da in ds.data_vars.values())
    assert "zeros='inflated': 98% are exactly 0" in repr(dg.schema.describe(ds))
    settled = ds.assign({name: da.assign_attrs() for name, da in ds.items()})
    for proposal in dg.schema.proposals(ds):
        settled[proposal.name].attrs.update(proposal.attrs)
    assert dg.schema.validate(settled) and not any(p.attrs for p in dg.schema.proposals(settled))


def test_counts_that_are_not_whole_are_refused_unless_a_line_filled_them(write):
    with pytest.raises(SchemaError, match=r"'v' .*counts, but is 0.5 at sample 0, step 1 \(2 such.*out of counts="):
        feature(write, ["1", "0.5", "2", "0.25"], counts=["v"])
    ds = xr.Dataset({"v": (("sample", "time"), np.full((2, 3), 1.5), {"counts": 1}), "length": ("sample", [3, 2])})
    with pytest.raises(SchemaError, match=r"1.5 at sample 0, step 0 \(5 such.*\.round\(\), or del ds\['v'\]\.attrs"):
        dg.schema.validate(ds.assign(v=ds.v.where([[True] * 3, [True, True, False]])))

    filled = feature(write, ["1", "", "2", "5"], counts=["v"], fill="linear")

    assert filled.values.tolist() == [[1, 1.5, 2, 5]] and filled.attrs["counts"] == 1
    assert dg.schema.validate(ds.assign(v=ds.v.round(), length=ds.length * 0 + 3))


# -- odd files -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cells", [["1.9", "1.10", "1.11"], ["0.9", "0.10", "10.0"], ["7.1", "7.20", "12.100"]])
def test_versions_are_asked_about_and_never_become_one_number(write, cells):
    cells = cells * 10

    with pytest.raises(SchemaError, match=rf"'v' has '{cells[1]}' in line ., a number or a version\?.*numbers=\['v'\]"):
        attribute(write, cells)
    with pytest.raises(SchemaError, match=r"text=\['v'\]"):
        from_table(pd.DataFrame({"t": range(30), "v": cells}), time="t", features=["v"])

    assert attribute(write, cells, text=["v"]).values.tolist() == cells
    assert feature(write, cells, numbers=["v"]).values[0].tolist() == [float(cell) for cell in cells]


@pytest.mark.parametrize("cells", [["1.90", "1.10"], ["1.9", "1.1"], ["1.9", "1.10", "1.05"], ["1.9", "1.10", "2"]])
def test_numbers_of_as_many_decimals_or_with_others_are_no_versions(write, cells):
    assert feature(write, cells * 10).values[0].tolist() == [float(cell) for cell in cells] * 10


def test_a_percent_sign_among_bare_numbers_gets_no_advice_that_mixes_them(write):
    with pytest.raises(SchemaError, match=r"'0.25' in line 2, but '5%' in line 3") as error:
        feature(write, ["0.25", "5%"] * 20)

    assert "K=1000" not in str(error.value)


@pytest.mark.parametrize("cells", [["１２.５", "１３.５"], ["١٢", "٣٤"]])
def test_digits_of_other_scripts_are_asked_about_and_read(write, cells):
    with pytest.raises(SchemaError, match=r"looks like numbers.*numbers=\['v'\] reads"):
        feature(write, cells * 10)
    assert feature(write, cells * 10, numbers=["v"]).values[0].tolist() == [float(cell) for cell in cells] * 10


def test_quoted_commas_in_a_file_of_commas_are_asked_about(write):
    rows = 't,v\n1,"1,234"\n2,"3,500"\n'

    with pytest.raises(SchemaError, match=r"'1,234' in line 2, which can be read in two ways.*decimal='\.'"):
        read_csv(write(rows))
    assert read_csv(write(rows), decimal=".").v.tolist() == [1234, 3500]


def test_a_date_that_several_formats_read_is_given_all(write):
    path = write("t,v\n" + "".join(f"{k:02d}/02/24,{k}.5\n" for k in range(1, 9)))

    with pytest.raises(SchemaError, match=r"dates=\{'t': '%d/%m/%y'\} or '%m/%d/%y' or '%y/%m/%d', whichever it"):
        from_csv(path, time="t", features=["v"])
    late = write("t,v\n" + "".join(f"02/{k:02d}/24,{k}.5\n" for k in range(9, 17)))
    with pytest.raises(SchemaError, match=r"dates=\{'t': '%m/%d/%y'\}\.$"):
        from_csv(late, time="t", features=["v"])


def times(write, cells, **options):
    """The times of one series, as `from_csv` reads it."""
    path = write("t;v\n" + "".join(f"{cell};{k}.5\n" for k, cell in enumerate(cells)))
    return from_csv(path, time="t", features=["v"], **options).time.values


@pytest.mark.parametrize(
    ("cells", "formats"),
    [
        (["24/01/15", "24/01/16"], ["%d/%m/%y", "%y/%m/%d"]),
        (["01-02-24", "02-02-24"], ["%d-%m-%y", "%m-%d-%y", "%y-%m-%d", "%H-%M-%S"]),
        (["24-01-15", "24-01-16", "24-01-31"], ["%d-%m-%y", "%y-%m-%d"]),
        (["31/12/24 10:00", "31/12/24 11:00"], ["%d/%m/%y %H:%M", "%y/%m/%d %H:%M"]),
        (["20240102 1030", "20240102 1035"], ["%Y%m%d %H%M"]),
        (["May 5 2024", "May 6 2024"], ["%b %d %Y"]),
        (["Jul-5-2024", "Jul-6-2024"], ["%b-%d-%Y"]),
        (["1991 Jul", "1991 Aug", "1991 Sep"], ["%Y %b"]),
        (["Jul-1991", "Aug-1991", "Sep-1991"], ["%b-%Y"]),
    ],
)
def test_of_a_time_all_readings_are_offered_and_each_reads_it_as_it_says(write, cells, formats):
    with pytest.raises(SchemaError, match=r"no order in time\. Say how to read it: dates=") as error:
        times(write, cells)

    assert re.findall(r"'(%[^']*)'", str(error.value)) == formats
    for form in formats:
        read = times(write, cells, dates={"t": form}, gaps="keep")
        assert read[0] == pd.to_datetime(cells[0], format=form)


@pytest.mark.parametrize(
    "cells", [["2024Q1", "2024Q2", "2024Q3"], ["2024-Q1", "2024-Q2", "2024-Q3"], ["Q1 2024", "Q2 2024", "Q3 2024"]]
)
def test_quarters_are_times(write, cells):
    assert times(write, cells).astype("M8[M]").astype(str).tolist() == ["2024-01", "2024-04", "2024-07"]


def test_halves_of_a_day_may_have_dots(write):
    half = ["11:55 a.m.", "12:00 p.m.", "12:05 p.m."]

    with pytest.raises(SchemaError, match=r"dates=\{'t': '%I:%M %p'\}\.$"):
        times(write, half)
    alone = times(write, half, dates={"t": "%I:%M %p"})
    dated = times(write, [f"1/13/2024 {time}" for time in half])

    for read in (alone, dated):
        assert pd.DatetimeIndex(read).strftime("%H:%M").tolist() == ["11:55", "12:00", "12:05"]


def test_time_that_has_passed_is_offered_as_numbers(write):
    cells = ["23:30:00", "24:00:00", "24:30:00"]

    with pytest.raises(SchemaError, match=r"how to read it: numbers=\{'t': 'duration'\}, the time that has passed"):
        times(write, cells)
    assert times(write, cells, numbers={"t": "duration"}).tolist() == [84600, 86400, 88200]
    with pytest.raises(SchemaError, match=r"how to read it: df\['t'\] = pandas\.to_timedelta\(.*total_seconds"):
        from_table(pd.DataFrame({"t": cells, "v": [1.5, 2, 3]}), time="t", features=["v"])


def test_a_day_that_is_none_gets_no_format_that_makes_another_of_it(write):
    with pytest.raises(SchemaError, match=r"'31/02/2024' in line 2, which is no date.*Mend the file\.") as error:
        times(write, ["31/02/2024", "01/03/2024"])
    assert "%y" not in str(error.value)


@pytest.mark.parametrize("unit", ["", " ms"])
def test_two_decimal_signs_in_a_column_are_told_apart_and_no_form_is_offered(write, unit):
    cells = [f"1,234.5{unit}", f"1.234,5{unit}", f"7{unit}"]
    says = "in line 2, but '1.234,5' in line 3, there with a decimal dot, here with a decimal comma"

    with pytest.raises(SchemaError, match="some with a decimal dot and some with" if unit else says) as error:
        feature(write, cells)
    assert "numbers=[" not in str(error.value) and " reads '" not in str(error.value)
    with pytest.raises(SchemaError, match=r"some with a decimal dot and some with a decimal comma\. Mend the file"):
        feature(write, cells, numbers={"v": unit.strip() or "plain"})


def test_what_the_sign_does_not_fit_is_named_where_it_is_given(write):
    with pytest.raises(SchemaError, match=r"the number '1,25' in line 2, but '1\.5' in line 3, which is none with"):
        feature(write, ["1,25", "1.5"], decimal=",")


@pytest.mark.parametrize("odd", ["²", "②", "--5", "-"])
def test_codes_that_are_no_whole_numbers_are_categories_and_not_missing(write, odd):
    cells = ["5", odd, "7", "5"]

    assert feature(write, cells, categories=["v"]).values[0].tolist() == cells
    assert (
        from_table(pd.DataFrame({"t": range(4), "v": cells}), time="t", features=["v"], categories=["v"])
        .v.values[0]
        .tolist()
        == cells
    )
    assert feature(write, ["5", "-1", "7"], categories=["v"]).values[0].tolist() == [5, -1, 7]


def test_minus_one_among_numbers_of_which_none_is_negative_is_asked_about(write):
    cells = ["-1" if k % 9 == 3 else f"{k % 50}.5" for k in range(60)]

    with pytest.raises(
        SchemaError, match=r"'v' is -1 7 times, and otherwise from 0.5 to 49.5.*missing=\{'v': \[-1\]\}"
    ):
        feature(write, cells)
    assert feature(write, ["-2.5", *cells]).values[0, :2].tolist() == [-2.5, 0.5]


@pytest.mark.parametrize("mark", ["-999", "-9999.0", "-999.9", "65535", "9999", "4294967295"])
def test_a_number_far_from_all_others_that_may_mean_missing_is_asked_about(write, mark):
    cells = [mark if k % 9 == 3 else f"{k % 50 - 9}.5" for k in range(60)]

    with pytest.raises(SchemaError, match=rf"'v' is {float(mark):.15g} 7 times.*missing=\{{'v': \[.*numbers=\['v'\]"):
        feature(write, cells)
    kept = feature(write, cells, numbers=["v"])
    gone = feature(write, cells, missing=[mark], gaps="keep")

    assert kept.values[0].tolist() == [float(cell) for cell in cells]
    np.testing.assert_array_equal(np.isnan(gone.values[0][:58]), [cell == mark for cell in cells[:58]])


@pytest.mark.parametrize("mark", ["-999", "-99.9", "65535", "32767", "1e+20", "9.96921e+36"])
def test_one_number_that_is_hardly_anything_but_missing_is_enough_to_ask(write, mark):
    cells = [mark if k == 40 else f"{16 + k * 7 % 50 / 7:.2f}" for k in range(200)]

    with pytest.raises(SchemaError, match=r"'v' is .* once, and otherwise from 16 to 23.*missing=\{'v': \["):
        feature(write, cells)
    assert feature(write, cells, missing={"v": [mark]}, fill="linear").values.max() <= 23


@pytest.mark.parametrize("mark", ["-1", "9999", "65536"])
def test_one_number_that_may_be_a_value_is_not_asked_about(write, mark):
    cells = [mark if k == 40 else f"{16 + k * 7 % 50 / 7:.2f}" for k in range(200)]

    assert feature(write, cells).values[0, 40] == float(mark)


@pytest.mark.parametrize("cells", [["-99", "-98", "-60"], ["9999", "6000", "3"]])
def test_numbers_among_their_like_are_not_asked_about(write, cells):
    cells = cells * 10

    assert feature(write, [str(float(cell) + k % 2 / 4) for k, cell in enumerate(cells)]).size == len(cells)


def test_a_marker_is_said_of_its_column_alone_or_the_reading_says_of_which_it_took_how_many(write):
    rtt = [-1 if k % 6 == 3 else 10 + k * 7 % 50 / 4 for k in range(60)]
    temp = [-1 if k in (5, 6) else k % 9 - 4.5 for k in range(60)]
    path = write("t,rtt,temp\n" + "".join(f"{k},{a},{b}\n" for k, (a, b) in enumerate(zip(rtt, temp, strict=True))))

    def read(missing):
        return from_csv(path, time="t", features=["rtt", "temp"], missing=missing, fill="linear", counters=())

    with pytest.raises(SchemaError, match=r"'rtt' is -1 10 times.*missing=\{'rtt': \[-1\]\}"):
        read(())
    assert read({"rtt": [-1]}).temp.values[0].tolist() == temp and read({"rtt": [-1]}).rtt.min() > 0
    assert "reading" not in read({"rtt": [-1]}).attrs
    assert "missing= took 10 of 'rtt', 2 of 'temp'" in read([-1]).reading
    with pytest.raises(SchemaError, match="no column 'load'"):
        read({"load": [-1]})


def test_codes_that_pandas_wrote_with_a_point_and_zero_are_whole_numbers(write):
    for cells, categories, expected in (
        (["6.0", "17.0"] * 20, {"v": [6, 17]}, [6, 17]),
        (["6.0", "", "17.0", "6"] * 20, ["v"], [6, 6, 17, 6]),
    ):
        read = feature(write, cells, categories=categories, fill="previous")

        assert read.values[0, : len(expected)].tolist() == expected and read.categories == [6, 17]


def test_a_table_s_own_categories_are_taken_in_their_order():
    rank = pd.Categorical(["hi", "lo", "lo", "hi"], ["lo", "mid", "hi"], ordered=True)
    code = pd.Categorical([3, 1, 1, 3], [3, 2, 1])
    enum = pl.Series(["hi", "lo", "lo", "hi"], dtype=pl.Enum(["lo", "mid", "hi"]))

    for frame, column in ((pd.DataFrame, rank), (pl.DataFrame, enum)):
        ds = from_table(frame({"t": range(4), "v": column}), time="t", features=["v"])
        assert ds.v.categories == ["lo", "mid", "hi"] and dg.schema.validate(ds)
    ds = from_table(pd.DataFrame({"t": range(4), "v": code}), time="t", features=["v"], categories=["v"])
    assert ds.v.categories == [3, 2, 1] and ds.v.values.tolist() == [[3, 1, 1, 3]]


def test_categories_that_pandas_took_from_the_values_are_not_listed():
    ds = from_table(
        pd.DataFrame({"t": range(3), "v": ["b", "a", "b"]}).astype({"v": "category"}), time="t", features=["v"]
    )

    assert "categories" not in ds.v.attrs


def test_many_categories_in_no_order_are_still_refused_as_identifiers():
    names = [f"host {k}" for k in range(200)]

    with pytest.raises(SchemaError, match="200 categories in 200 values"):
        from_table(pd.DataFrame({"t": range(200), "v": pd.Categorical(names)}), time="t", features=["v"])


@pytest.mark.parametrize("source", ["file", "table"])
def test_the_columns_of_a_feature_with_prefixes_have_one_unit(write, source):
    def read(second):
        table = pd.DataFrame({"x1": ["1.2 Mb/s", "3 Kb/s"], "x2": second})
        ask = {"features": {"x": "x*"}, "numbers": {"x": "K=1000"}}
        return from_table(table, **ask) if source == "table" else from_csv(write(table.to_csv(index=False)), **ask)

    with pytest.raises(SchemaError, match=r"'x1' b/s, 'x2' B\), which would mix them. Bring all to one unit"):
        read(["1.2 MB", "3 KB"])
    assert read(["5 b/s", "0"]).x.units == "b/s"


def test_of_lengths_of_time_in_several_units_seconds_are_offered_first(write):
    with pytest.raises(SchemaError, match=r"Say how to take it: numbers=\{'v': 'duration'\}"):
        from_table(pd.DataFrame({"t": range(3), "v": ["12 ms", "1.2 s", "7 ms"]}), time="t", features=["v"])


@pytest.mark.parametrize(
    ("column", "mend"),
    [
        (pd.Series(pd.period_range("2024-01", periods=3, freq="M")), "dt.to_timestamp()"),
        (pd.Series(pd.arrays.SparseArray([0.0, 1, 0])), "sparse.to_dense()"),
        (pd.Series(pd.to_timedelta([1, 2, 4], unit="s")), "dt.total_seconds()"),
    ],
)
def test_a_type_that_is_none_of_ours_is_named_with_the_call_that_makes_it_one(column, mend):
    with pytest.raises(SchemaError, match=re.escape(f"df['v'] = df['v'].{mend}")):
        from_table(pd.DataFrame({"t": range(3), "v": column}), time="t", features=["v"])
    for table, call in ((pl.LazyFrame({"v": [1]}), "df.collect()"), (column, "df.to_frame()")):
        with pytest.raises(SchemaError, match=re.escape(call)):
            from_table(table, features=["v"])


# -- drawn at random -------------------------------------------------------------------------------------------------

DRAWN = st.sampled_from(
    [
        *(("unit", unit) for unit in ("Mbps", "%", "€", "ms", "kWh", "°C")),
        *(("grouped", mark) for mark in (" ", "'", "\u202f", "\u00a0", ",", ".")),
        *(
            ("code", form)
            for form in ("{:06d}", "{:d}E{:d}", "10.{:d}.{:d}.7", "{:020d}", "+49{:08d}", "{:d}:{:d}:3:4")
        ),
        ("marker", "-999"),
        ("unasked marker", "-9999"),
        ("version", ""),
        ("few", ""),
        ("Decimal", ""),
    ]
)
WHOLE = st.lists(st.integers(0, 10**7), min_size=40, max_size=60)


def check(write, kind, way, whole, comma, part):
    """The truth is read back, or an error names a choice by which it is."""
    n = len(whole)
    truth = [k / 4 for k in whole]
    written = [f"{v:.2f}".replace(".", "," if comma else ".") for v in truth]
    if kind == "unit":
        cells = [f"{text} {way}" for text in written]
        told = feature(write, cells, numbers={"v": way}, decimal="," if comma else ".")
        with pytest.raises(SchemaError, match=r"numbers=|decimal="):
            feature(write, cells)
        np.testing.assert_array_equal(told.values[0], truth)
    elif kind == "grouped":
        sign = "." if way == "," or (way != "." and not comma) else ","
        cells = [f"{v:,.2f}".replace(",", "_").replace(".", sign).replace("_", way) for v in truth]
        try:
            found = feature(write, cells)
        except SchemaError as error:
            assert "numbers=['v']" in str(error) or "decimal=" in str(error)
            found = feature(write, cells, numbers=["v"], decimal=sign)
        np.testing.assert_array_equal(found.values[0], truth)
    elif kind == "code":
        cells = [way.format(k % 256, (k // 256) % 256) for k in whole][:10] * 3
        try:
            assert attribute(write, cells).values.tolist() == cells
        except SchemaError as error:
            assert "text=['v']" in str(error) or "attributes=" in str(error), str(error)
    elif kind == "marker":
        gone = np.arange(n) % 5 == part
        cells = [
            ("-999", "-999,0" if comma else "-999.00")[k % 2] if g else t
            for k, (g, t) in enumerate(zip(gone, written, strict=True))
        ]
        path = write("t;v\n" + "\n".join(f"{k};{cell}" for k, cell in enumerate(cells)))
        table = read_csv(path, missing=["-999"], decimal="," if comma else ".")
        np.testing.assert_array_equal(table.v, np.where(gone, np.nan, truth))
    elif kind == "unasked marker":
        gone = np.arange(n) % 5 == part
        path = write(
            "t;v\n" + "\n".join(f"{k};{way if g else v}" for k, (g, v) in enumerate(zip(gone, truth, strict=True)))
        )
        with pytest.raises(SchemaError, match=r"otherwise from.*missing=\{'v': \[-9999\]\}.*numbers=\['v'\]"):
            from_csv(path, time="t", features=["v"], counters=())
        told = from_csv(path, time="t", features=["v"], counters=(), missing=[-9999], gaps="keep").v.values[0]
        end = np.flatnonzero(~gone)[-1] + 1
        np.testing.assert_array_equal(told[:end], np.where(gone, np.nan, truth)[:end])
    elif kind == "version":
        cells = ["1.9", "1.10", *(f"{k % 9}.{k % 13}" for k in whole)]
        path = write("t;v\n" + "\n".join(f"{k};{cell}" for k, cell in enumerate(cells)))
        with pytest.raises(SchemaError, match=r"a number or a version.*text=\['v'\].*numbers=\['v'\]"):
            read_csv(path)
        assert read_csv(path, text=["v"]).v.tolist() == cells
    elif kind == "few":
        cells = [(1, 6, 17)[k % 3] for k in whole]
        try:
            found = attribute(write, cells)
        except SchemaError as error:
            assert "categories=['v']" in str(error) or "same value" in str(error)
            return
        assert found.attrs.get("categories") or len(set(cells)) > n / 10
    else:
        table = pd.DataFrame({"t": range(n), "v": [Decimal(k) / 4 for k in whole]})
        np.testing.assert_array_equal(from_table(table, time="t", features=["v"], numbers=["v"]).v.values[0], truth)


@QUICK
@given(drawn=DRAWN, whole=WHOLE, comma=st.booleans(), part=st.integers(0, 4))
def test_a_drawn_column_is_its_truth_or_an_error_that_names_the_choice(write, drawn, whole, comma, part):
    check(write, *drawn, whole, comma, part)


@pytest.mark.slow
@MANY
@given(drawn=DRAWN, whole=WHOLE, comma=st.booleans(), part=st.integers(0, 4))
def test_a_thousand_drawn_columns_are_their_truth_or_an_error_that_names_the_choice(write, drawn, whole, comma, part):
    check(write, *drawn, whole, comma, part)


@QUICK
@given(
    columns=st.lists(
        st.lists(
            st.sampled_from(["1.234", "967", "12.560", "1,5", "2,25", "3.75", "1.234.567"]), min_size=3, max_size=3
        ),
        min_size=2,
        max_size=4,
    )
)
def test_a_drawn_file_gives_the_same_numbers_whichever_columns_are_wanted(write, columns):
    names = [f"c{k}" for k in range(len(columns))]
    path = write("\n".join([";".join(names), *(";".join(row) for row in zip(*columns, strict=True))]))
    try:
        whole = read_csv(path)
    except SchemaError:
        return
    for name in names:
        assert read_csv(path, columns=[name])[name].tolist() == whole[name].tolist()


def test_a_bound_may_be_text_that_stands_for_numbers():
    table = pd.DataFrame(
        {
            "link": np.repeat([f"l{k}" for k in range(6)], 4),
            "t": np.tile(np.arange(4), 6),
            "rate": np.linspace(1, 9, 24),
            "speed": np.repeat(["10M", "1G"] * 3, 4),
        }
    )
    asked = {"features": ["rate"], "sample": "link", "time": "t", "attributes": ["speed"]}
    asked |= {"valid_min": {"rate": 0}, "valid_max": {"rate": "speed"}, "text": ["speed"]}

    with pytest.raises(SchemaError, match=r"Say it, categories=\{'speed': \{'10M': \.\.\., '1G': \.\.\.\}\}, or leave"):
        dg.from_table(table, **asked)
    ds = dg.from_table(table, **asked, categories={"speed": {"10M": 10.0, "1G": 1000.0}})

    assert ds.speed.attrs["categories"] == ["10M", "1G"] and ds.speed.attrs["numbers"] == [10.0, 1000.0]
    dg.schema.validate(ds)
    with pytest.raises(SchemaError, match=r"above its bound 'speed' in 3 samples.*Mend the values, or give other"):
        dg.from_table(table, **asked, categories={"speed": {"10M": 0.5, "1G": 1000.0}})
    with pytest.raises(
        SchemaError, match=r"which is no attribute; there are 'speed'\. Give another value of valid_max="
    ):
        dg.from_table(table, **{**asked, "valid_max": {"rate": "link speed"}})


@pytest.mark.parametrize(
    ("one", "two"),
    [("München", "Mu\u0308nchen"), ("x\u00a0y", "x y"), ("x\u200b", "x"), ("x  y", "x y"), ("\uff21", "A")],
)
def test_texts_that_look_alike_are_asked_about(one, two):
    table = pd.DataFrame(
        {"job": list("aabb"), "t": [0, 1, 0, 1], "load": [1.5, 2, 3, 5.25], "n": [one] * 2 + [two] * 2}
    )
    names = {"time": "t", "features": ["load"]}

    for column, more in (("n", {"sample": "job", "attributes": ["n"]}), ("n", {"sample": "n"})):
        with pytest.raises(SchemaError, match=r"differ in blanks or forms of Unicode alone.*NFKC") as found:
            from_table(table, **names, **more)
        assert ascii(one) in str(found.value)
        assert from_table(table, **names, **more, text=[column]).sizes["sample"] == 2
