"""CSV files of every kind: the right table or dataset, or an error that names line and column and the way out."""

import csv
import io
import time

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import dgkit as dg
from dgkit.datasets import from_csv, read_csv
from dgkit.errors import ConfigError, DgkitError, FileFormatError, SchemaError
from dgkit.readers.values import MISSING

CASES = settings(
    max_examples=150,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
LONG = "page,day,views,domain\nb,3,1.5,de\na,2,2.5,en\nb,1,3.5,de\na,1,4.5,en\nb,2,5.5,de\n"
ROLES = {"sample": "page", "time": "day", "features": ["views"], "attributes": ["domain"]}


@pytest.fixture
def write(tmp_path):
    def write(content, encoding="utf-8"):
        path = tmp_path / "table.csv"
        path.write_bytes(content if isinstance(content, bytes) else content.encode(encoding))
        return path

    return write


def assert_long(ds):
    """The dataset of LONG."""
    assert ds.sample.values.tolist() == ["b", "a"]
    np.testing.assert_array_equal(ds.views, [[3.5, 5.5, 1.5], [4.5, 2.5, np.nan]])
    assert ds.length.values.tolist() == [3, 2]
    assert ds.domain.values.tolist() == ["de", "en"]


def test_a_long_table_becomes_series_in_order_of_time(write):
    assert_long(from_csv(write(LONG), **ROLES))


@pytest.mark.parametrize("end", ["\r\n", "\r", "\n\n"])
def test_any_line_ends_and_empty_lines_do(write, end):
    assert_long(from_csv(write(LONG.replace("\n", end)), **ROLES))


@pytest.mark.parametrize("separator", [",", ";", "\t", "|", "; "])
def test_separators_are_found_out(write, separator):
    assert_long(from_csv(write(LONG.replace(",", separator)), **ROLES))


def test_a_rare_separator_can_be_given(write):
    assert_long(from_csv(write(LONG.replace(",", "^")), **ROLES, separator="^"))


@pytest.mark.parametrize("separator", [";", "\t"])
def test_a_decimal_comma_is_found_out(write, separator):
    assert_long(from_csv(write(LONG.replace(",", separator).replace(".", ",")), **ROLES))


def test_a_decimal_comma_inside_quotes_is_found_out(write):
    table = read_csv(write('day,views\n1,"1,5"\n2,"-0,25"\n3,"7"\n'))

    assert table.views.tolist() == [1.5, -0.25, 7.0]


@pytest.mark.parametrize(
    ("cells", "decimal", "expected"),
    [
        (["1.234,5", "2,25"], None, [1234.5, 2.25]),
        (["1,234.5", "2.25"], None, [1234.5, 2.25]),
        (["1,234,567", "12"], None, [1234567, 12]),
        (["1,234", "2,345"], ",", [1.234, 2.345]),
        (["1,234", "2,345"], ".", [1234, 2345]),
        (["1.234", "2.345"], ",", [1234, 2345]),
        (["0.234", "2.345"], None, [0.234, 2.345]),
        (["1e3", "-.5"], None, [1000, -0.5]),
        (["1e3", "-,5"], None, [1000, -0.5]),
    ],
)
def test_thousands_and_decimals_are_told_apart(write, cells, decimal, expected):
    table = read_csv(write("x;y\n" + "".join(f"{cell};a\n" for cell in cells)), decimal=decimal)

    assert table.x.tolist() == expected


def test_a_comma_before_three_digits_is_asked_for(write):
    path = write("x;y\n1,234;a\n2,345;b\n")

    with pytest.raises(SchemaError, match=r"column 'x' has '1,234' in line 2.*two ways.*decimal=','"):
        read_csv(path)


def test_a_comma_before_three_digits_is_settled_by_another_column(write):
    table = read_csv(write("x;y;z\n1,234;0,5;1.000\n2,345;1,5;2.000\n"))

    assert table.x.tolist() == [1.234, 2.345]
    assert table.z.tolist() == [1000, 2000]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_unicode_encodings_are_found_out(write, encoding):
    ds = from_csv(write(LONG.replace("de", "Zürich").replace("b,", "Ł漢,"), encoding), **ROLES)

    assert ds.domain.values.tolist() == ["Zürich", "en"]
    assert ds.sample.values.tolist() == ["Ł漢", "a"]


def test_latin_1_is_shown_as_it_would_read_and_asked_for(write):
    path = write(LONG.replace("de", "Zürich"), "latin-1")

    with pytest.raises(FileFormatError, match=r"not UTF-8, see line 2.*encoding='cp1252'.*'b,3,1.5,Zürich'"):
        from_csv(path, **ROLES)
    assert from_csv(path, **ROLES, encoding="latin-1").domain.values.tolist() == ["Zürich", "en"]


DATES = {
    "ISO": ("2024-01-{:02d}", {}),
    "ISO with a time": ("2024-01-{:02d} 00:00", {}),
    "ISO with a zone": ("2024-01-{:02d}T02:00:00+02:00", {}),
    "UTC": ("2024-01-{:02d}T00:00:00.000Z", {}),
    "year first": ("2024/1/{}", {}),
    "dotted": ("{}.1.2024", {}),
    "dotted with a time": ("{:02d}.01.2024 00:00:00", {}),
    "dotted with a fraction": ("{:02d}.01.2024T00:00:00.000", {}),
    "dotted with a zone": ("{:02d}.01.2024 02:00+02:00", {}),
    "month first": ("01/{:02d}/2024", {}),
    "day first": ("{:02d}/01/2024", {}),
    "day first with dashes": ("{}-1-2024", {}),
    "day first with two digits, by word": ("{:02d}-01-2024 00:00", {"dates": {"day": "day first"}}),
    "a format": ("{:02d}.01.24", {"dates": {"day": "%d.%m.%y"}}),
}


@pytest.mark.parametrize("form", DATES)
def test_dates_are_understood(write, form):
    pattern, options = DATES[form]
    days = range(3, 17)
    rows = [f"{page};{pattern.format(day)};{day}" for page in "ab" for day in reversed(days)]

    ds = from_csv(write("\n".join(["page;day;views", *rows])), sample="page", time="day", features=["views"], **options)

    assert (ds.time.values == pd.date_range("2024-01-03", "2024-01-16").values).all()
    np.testing.assert_array_equal(ds.views, [list(days)] * 2)


@pytest.mark.parametrize(("form", "scale"), [(None, 1), ("seconds", 1), ("milliseconds", 1000)])
def test_seconds_since_1970_are_numbers_or_dates(write, form, scale):
    days = pd.date_range("2024-01-03", periods=3)
    seconds = [int(day.timestamp()) * scale for day in days]
    path = write("day,views\n" + "".join(f"{second},{k}\n" for k, second in enumerate(seconds)))

    ds = from_csv(path, time="day", features=["views"], dates={"day": form} if form else None)

    assert ds.time.values.tolist() == seconds if form is None else (ds.time.values == days.values).all()


@pytest.mark.parametrize(("order", "month"), [("day first", 4), ("month first", 3)])
def test_a_date_of_two_readings_is_asked_for(write, order, month):
    path = write("day,views\n03/04/2024,1\n04/04/2024,2\n" if month == 4 else "day,views\n03/04/2024,1\n03/05/2024,2\n")

    with pytest.raises(SchemaError, match=r"column 'day' has '03/04/2024' in line 2.*'day first'.*'month first'"):
        read_csv(path)
    assert read_csv(path, dates={"day": order}).day.dt.month.tolist() == [month, month]


@pytest.mark.parametrize("other", ["02.01.2024", "2.1.2024"])
def test_dots_are_day_first_whatever_the_order_of_other_marks(write, other):
    path = write(f"day\n01/13/2024\n{other}\n")

    for dates in (None, {"day": "month first"}):
        assert read_csv(path, dates=dates).day.dt.strftime("%m-%d").tolist() == ["01-13", "01-02"]


@pytest.mark.parametrize("told", ["01/13/2024", "13/01/2024"])
def test_a_mark_that_does_not_tell_the_order_is_asked_about_beside_one_that_does(write, told):
    path = write(f"day\n{told}\n02-01-2024\n")

    with pytest.raises(SchemaError, match=r"'02-01-2024' in line 3.*'day first'.*'month first'"):
        read_csv(path)
    order, month = ("day first", 1) if told.startswith("13") else ("month first", 2)
    assert read_csv(path, dates={"day": order}).day.dt.month.tolist() == [1, month]


BAD_COLUMNS = {
    "mixed": (["1", "2", "oops"], r"column 'x' has the number '1' in line 2, but 'oops' in line 4"),
    "a date among numbers": (["1", "2024-01-02"], r"number '1' in line 2, but '2024-01-02' in line 3"),
    "text among dates": (["2024-01-02", "later"], r"the date '2024-01-02' in line 2, but also 'later' in line 3"),
    "mixed decimals": (["1.5", "2,5"], r"column 'x' has the number '1.5' in line 2, but '2,5' in line 3"),
    "no such day": (["2024-01-31", "2024-02-30"], r"'2024-02-30' in line 3, which is no date"),
    "no such month": (["31.01.2024", "01.13.2024"], r"'01.13.2024' in line 3, which is no date"),
    "both orders": (["31/01/2024", "01/31/2024"], r"'31/01/2024' in line 2.*'01/31/2024' in line 3"),
    "zone now and then": (["2024-01-02T00:00Z", "2024-01-03T00:00"], r"zone in '2024-01-02T00:00Z' in line 2.*line 3"),
    "out of range": (["9999-12-31", "2024-01-01"], r"'9999-12-31' in line 2, which is no date \(from 1678 to 2261\)"),
}


@pytest.mark.parametrize("case", BAD_COLUMNS)
def test_columns_of_mixed_or_impossible_values_are_refused_by_line(write, case):
    cells, message = BAD_COLUMNS[case]
    path = write("x;y\n" + "".join(f"{cell};1\n" for cell in cells))

    with pytest.raises(SchemaError, match=message):
        read_csv(path)
    assert read_csv(path, columns=["y"]).y.tolist() == [1] * len(cells)
    assert read_csv(path, text=["x"]).x.tolist() == cells


def test_a_marker_for_missing_can_be_given(write):
    table = read_csv(write("x,y\n1,a\n-999,NA\n3,\n"), missing=["", "-999"])

    np.testing.assert_array_equal(table.x, [1, np.nan, 3])
    assert table.y.tolist()[:2] == ["a", "NA"]
    assert pd.isna(table.y.iloc[2])


def test_codes_with_leading_zeros_stay_text(write):
    table = read_csv(write("code,x\n007,0\n12,0.5\n"))

    assert table.code.tolist() == ["007", "12"]
    assert table.x.tolist() == [0, 0.5]


def test_truth_values_are_read(write):
    assert read_csv(write("x,y\nTrue,1\nfalse,2\n")).x.tolist() == [True, False]


def test_sample_ids_are_taken_as_they_are_written(write):
    ds = from_csv(write("id,t,x\n01,1,5\n1,1,6\nA,1,7\n"), sample="id", time="t", features=["x"])

    assert ds.sample.values.tolist() == ["01", "1", "A"]


def test_quoted_text_may_hold_separators_quotes_and_line_ends(write):
    path = write('page,views\n"a, ""b""\nc",1\n"d",x\n')

    with pytest.raises(SchemaError, match=r"number '1' in line 2, but 'x' in line 4"):
        read_csv(path)
    assert read_csv(path, columns=["page"]).page.tolist() == ['a, "b"\nc', "d"]
    assert read_csv(path, columns=["page"]).index.tolist() == [2, 4]


BAD_FILES = {
    "empty": (b"", "is empty"),
    "nothing but line ends": (b"\n\n\n", "is empty"),
    "header only": (b"page,day,views,domain\n", "holds no rows"),
    "no header": (b"a,1,2.5,de\nb,2,3.5,de\n", r"line 1 should hold the columns' names.*'1'.*names="),
    "ragged: too few": (b"page,day,views,domain\na,1,2.5,de\na,2,2.5\n", r"line 3 has 3 fields.*4 columns"),
    "ragged: too many": (b"page,day,views,domain\na,1,2.5,de\n\na,2,2.5,de,5\n", r"line 4 has 5 fields.*4 columns"),
    "unquoted separator": (b"page,day,views,domain\na, b,1,2.5,de\n", r"line 2 has 5 fields"),
    "open quote": (
        b'page,day,views,domain\n"a,1,2.5,de\nb,1,2.5,de\n',
        r"from line 2 on, a double quote is never closed. Mend that line",
    ),
    "column twice": (b"page,day,views,views,domain\na,1,2,3,de\n", r"2 columns are named 'views', the 3., 4..*skip="),
    "zip": (b"PK\x03\x04 and so on", "zip archive that ends too early"),
    "binary": (bytes(range(128, 256)) * 4, "not UTF-8"),
    "half a UTF-16": ("page".encode("utf-16") + b"\0", "not utf-16"),
}


@pytest.mark.parametrize("case", BAD_FILES)
def test_files_that_hold_no_table_are_refused_by_line(write, case):
    content, message = BAD_FILES[case]

    with pytest.raises(FileFormatError, match=message):
        from_csv(write(content), **ROLES)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(FileFormatError, match=r"no file at .*nothing\.csv"):
        read_csv(tmp_path / "nothing.csv")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"separator": ", "}, "separator is"),
        ({"decimal": ";"}, "decimal is"),
        ({"encoding": "klingon"}, "encoding is"),
        ({"skip": -1}, "skip="),
        ({"dates": {"day": "backwards"}}, "dates"),
    ],
)
def test_options_that_cannot_be_are_refused(write, options, message):
    with pytest.raises(ConfigError, match=message):
        read_csv(write(LONG), **options)


def test_names_can_be_given_and_lines_skipped(write):
    path = write("exported 2024\n\n" + LONG.split("\n", 1)[1])

    ds = from_csv(path, **ROLES, skip=1, names=["page", "day", "views", "domain"])

    assert_long(ds)


def test_a_column_that_is_not_there_is_named(write):
    with pytest.raises(SchemaError, match=r"no column 'visits'; the file has 'page', 'day', 'views', 'domain'"):
        from_csv(write(LONG), **{**ROLES, "features": ["visits"]})


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("a,1,2,de\na,2,3,de\na,1,2,de\n", r"'day': sample 'a' has two rows for 1: line 2 and line 4"),
        ("a,1,2,de\na,2,,de\na,3,4,de\n", r"'views' has 1 missing values, the first in line 3"),
        ("a,1,2,de\nb,1,2,\n", r"'domain' has 1 missing values, the first in line 3"),
        ("a,1,2,de\na,2,2,en\n", r"'domain' has more than one value in sample 'a' \(line 3\)"),
        ("a,Monday,2,de\na,Tuesday,2,de\n", r"'day' is text \('Monday' in line 2\)"),
    ],
)
def test_rows_that_do_not_fit_are_named_by_line(write, rows, message):
    with pytest.raises(SchemaError, match=message):
        from_csv(write("page,day,views,domain\n" + rows), **ROLES)


def test_missing_values_are_filled_if_asked(write):
    path = write("page,day,x,s\na,4,,b\na,1,,\na,2,1,a\na,3,2,\na,5,4,\nb,1,7,c\n")

    linear = from_csv(path, sample="page", time="day", features=["x", "s"], fill="linear")
    previous = from_csv(path, sample="page", time="day", features=["x", "s"], fill="previous")

    np.testing.assert_array_equal(linear.x, [[1, 1, 2, 3, 4], [7, *[np.nan] * 4]])
    np.testing.assert_array_equal(previous.x, [[1, 1, 2, 2, 4], [7, *[np.nan] * 4]])
    assert linear.s.values.tolist() == [["a", "a", "a", "b", "b"], ["c", "", "", "", ""]]
    with pytest.raises(ConfigError, match="fill is 'zero'"):
        from_csv(path, sample="page", time="day", features=["x"], fill="zero")


def test_a_wide_table_ends_each_series_after_its_last_value(write):
    path = write("home,isp,d1,d2,d3,s1,s2,s3\nh1,x,1,2,3,on,off,on\nh2,y,4,5,,on,on,\n")

    ds = from_csv(path, sample="home", features={"load": "d*", "state": ["s1", "s2", "s3"]}, attributes=["isp"])

    np.testing.assert_array_equal(ds["load"], [[1, 2, 3], [4, 5, np.nan]])
    assert ds.state.values.tolist() == [["on", "off", "on"], ["on", "on", ""]]
    assert ds.length.values.tolist() == [3, 2]
    assert ds.isp.values.tolist() == ["x", "y"]


def test_gaps_in_a_wide_table_are_refused_or_filled(write):
    path = write("home,d1,d2,d3\nh1,1,2,3\nh2,4,,6\n")

    with pytest.raises(
        SchemaError, match=r"'load' has 1 missing values .* sample '1' \(line 3\), the first at 'd2'.*fill='linear'"
    ):
        from_csv(path, features={"load": "d*"})
    filled = from_csv(path, features={"load": "d*"}, fill="linear")
    np.testing.assert_array_equal(filled["load"], [[1, 2, 3], [4, 5, 6]])


@pytest.mark.parametrize(
    ("rows", "features", "message"),
    [
        ("h1,1,2\nh1,3,4\n", {"load": "d*"}, "names a sample twice"),
        (
            "h1,1,2\nh2,,\n",
            {"load": "d*"},
            r"1 rows have no value in any column of `features` \(line 3\).*blank_rows='drop'",
        ),
        ("h1,1,2\n", {"load": "x*"}, r"'load': no column matches 'x\*'"),
        ("h1,1,2\n", {"load": []}, "'load': it has no column"),
    ],
)
def test_wide_tables_that_do_not_fit_are_refused(write, rows, features, message):
    with pytest.raises(SchemaError, match=message):
        from_csv(write("home,d1,d2\n" + rows), sample="home", features=features)


def test_one_long_series_is_cut_into_windows(write):
    hours = pd.date_range("2024-01-01", periods=100, freq="h")
    path = write("when;load\n" + "".join(f"{hour:%d.%m.%Y %H:%M};{k}\n" for k, hour in enumerate(hours)))

    cut = dg.datasets.windows(from_csv(path, time="when", features=["load"]), 24)

    np.testing.assert_array_equal(cut["load"], np.arange(96).reshape(4, 24))
    assert (cut.start.values == hours[[0, 24, 48, 72]].values).all()
    assert cut.series.values.tolist() == [0] * 4
    assert dg.schema.validate(cut).time == 24


def test_windows_stay_inside_their_series_and_keep_its_attributes(small):
    cut = dg.datasets.windows(small.assign_coords(sample=np.arange(40) + 100), 5, step=2)

    expected = [
        (100 + i, start, small.views.values[i, start : start + 5])
        for i, length in enumerate(small.length.values)
        for start in range(0, length - 4, 2)
    ]
    assert cut.series.values.tolist() == [one[0] for one in expected]
    assert cut.start.values.tolist() == [one[1] for one in expected]
    np.testing.assert_array_equal(cut.views, [one[2] for one in expected])
    assert (cut.domain.values == small.domain.values[cut.series - 100]).all()
    assert cut.views.attrs == small.views.attrs
    assert "length" not in cut


@pytest.mark.parametrize(("arguments", "message"), [((0,), "length=0"), ((5, 0), "step=0"), ((13,), "12 steps")])
def test_windows_that_cannot_be_cut_are_refused(small, arguments, message):
    with pytest.raises(ConfigError, match=message):
        dg.datasets.windows(small, *arguments)


TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0\r", exclude_categories=("Cs",)), max_size=8)


@CASES
@given(
    series=st.lists(st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=5), min_size=1, max_size=6),
    names=st.lists(TEXT.map(str.strip).filter(lambda text: text not in MISSING), min_size=6, unique=True),
    separator=st.sampled_from(",;\t|"),
    comma=st.booleans(),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-32"]),
    end=st.sampled_from(["\n", "\r\n"]),
    order=st.randoms(use_true_random=False),
)
def test_what_is_written_is_read_again(tmp_path, series, names, separator, comma, encoding, end, order):
    rows = [(names[i], k, repr(value)) for i, values in enumerate(series) for k, value in enumerate(values)]
    order.shuffle(rows)
    text = io.StringIO()
    writer = csv.writer(text, delimiter=separator, lineterminator=end, quoting=csv.QUOTE_ALL)
    writer.writerow(["id", "step", "value"])
    writer.writerows((name, k, value.replace(".", ",") if comma else value) for name, k, value in rows)
    (tmp_path / "t.csv").write_bytes(text.getvalue().encode(encoding))

    ds = from_csv(
        tmp_path / "t.csv", sample="id", time="step", features=["value"], decimal="," if comma else ".", encoding=None,
        numbers=["value"],  # also where many are 999
    )  # fmt: skip

    assert set(ds.sample.values.tolist()) == set(names[: len(series)])
    for i, values in enumerate(series):
        row = ds.sel(sample=names[i])
        assert row.value.values[: len(values)].tolist() == values
        assert np.isnan(row.value.values[len(values) :]).all()


PIECES = st.sampled_from(
    [*",;\t|\n\n\n\"'", "\r\n", "1", "-2.5", "3,5", "1.234,5", "NA", "page", "day", "x", "ü", "true", "inf", "nan",
     "01/02/2024", "31.01.2024", "2024-02-30", "2024-01-01T00:00Z", "1e999", "\0", "\u2028", " ", "007", "1_000", "９"]
)  # fmt: skip


@CASES
@given(
    head=st.sampled_from(["", "page,day,x\n", "page;day;x\n"]),
    pieces=st.lists(PIECES, max_size=40),
    encoding=st.sampled_from(["utf-8", "utf-16", "latin-1", "utf-8-sig"]),
    cut=st.integers(0, 3),
)
def test_any_text_is_a_table_or_an_error(tmp_path, head, pieces, encoding, cut):
    content = (head + "".join(pieces)).encode(encoding, "replace")
    path = tmp_path / "t.csv"
    path.write_bytes(content[: len(content) - cut])

    for read in (
        lambda: read_csv(path),
        lambda: from_csv(path, sample="page", time="day", features=["x"]),
        lambda: from_csv(path, features={"all": "*"}, fill="linear"),
    ):
        try:
            table = read()
        except DgkitError as error:
            assert "t.csv" in str(error) or "column" in str(error) or "feature" in str(error), str(error)
        else:
            assert len(table) if isinstance(table, pd.DataFrame) else dg.schema.validate(table)


@CASES
@given(content=st.binary(max_size=60))
def test_any_bytes_are_a_table_or_an_error(tmp_path, content):
    (tmp_path / "t.csv").write_bytes(content)

    try:
        table = read_csv(tmp_path / "t.csv")
    except DgkitError as error:
        assert "t.csv" in str(error) or "column" in str(error), str(error)
    else:
        assert len(table) > 0


@pytest.mark.slow
def test_a_million_rows_are_read_within_30_seconds(tmp_path):
    samples, steps = 5_000, 200
    random = np.random.default_rng(0)
    views, state = random.lognormal(size=samples * steps).round(3), random.choice(["busy", "idle"], samples * steps)
    domain = random.choice(["de", "en"], samples)
    days = pd.date_range("2024-01-01", periods=steps)
    pd.DataFrame(
        {
            "page": np.repeat(np.arange(samples), steps),
            "day": np.tile(days.strftime("%d/%m/%Y"), samples),
            "views": views,
            "state": state,
            "domain": np.repeat(domain, steps),
        }
    ).to_csv(tmp_path / "m.csv", index=False, sep=";", decimal=",")

    began = time.process_time()  # of a single thread: what a clock shows where nothing else runs
    ds = from_csv(tmp_path / "m.csv", sample="page", time="day", features=["views", "state"], attributes=["domain"])
    seconds = time.process_time() - began

    print(f"{samples * steps:,} rows in {seconds:.1f} s")
    np.testing.assert_array_equal(ds.views, views.reshape(samples, steps))
    assert (ds.state.values == state.reshape(samples, steps)).all()
    assert (ds.domain.values == domain).all()
    assert (ds.time.values == days.values).all()
    assert seconds < 30


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("missing", "-9"),
        ("missing", -9),
        ("missing", b"-9"),
        ("missing", np.array(-9)),
        ("text", "ab"),
        ("text", 3),
        ("names", "ab"),
        ("columns", "ab"),
        ("numbers", 3),
        ("dates", "day first"),
        ("split", "{a}_{b}"),
    ],
)
def test_a_text_is_no_list_whose_letters_are_taken(option, value, write):
    with pytest.raises(ConfigError, match=f"^{option} is .*; give a (list|mapping)"):
        read_csv(write("a,b\n9,1\n-9,2\n"), **{option: value})


@pytest.mark.parametrize("read", ["csv", "table"])
@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("attributes", "ab"),
        ("attributes", 3),
        ("attributes", [["a"]]),
        ("text", "ab"),
        ("categories", "ab"),
        ("categories", {"a": "xy"}),
        ("counts", True),
        ("zeros", "v"),
        ("features", 3),
        ("features", {"v": 3}),
        ("units", ["v"]),
    ],
)
def test_a_reader_takes_no_letters_of_a_text_for_names(read, option, value, write):
    rows = "a,b,v\n" + "".join(f"{'xy'[k % 2]},{'uv'[k // 2 % 2]},{k + 0.5}\n" for k in range(8))
    given = {"features": {"v": ["v"]}, "attributes": ["a", "b"]} | {option: value}
    with pytest.raises(ConfigError, match=f"^{option} (is|has) .*give a (list|mapping)"):
        from_csv(write(rows), **given) if read == "csv" else dg.from_table(pd.read_csv(io.StringIO(rows)), **given)


@pytest.mark.parametrize("role", ["sample", "time"])
def test_a_role_is_one_column(role):
    with pytest.raises(ConfigError, match=rf"^{role} is \['a'\]; give the name of one column"):
        dg.from_table(pd.DataFrame({"a": [1, 2], "v": [1.5, 2.5]}), features=["v"], **{role: ["a"]})


@pytest.mark.parametrize(
    ("first", "second"),
    [("load 1 (MW)", "load 2 (kW)"), ("rtt 1 [ms]", "rtt 2 [s]"), ("in_1_Mbps", "in_2_kbps"), ("in 1 MB", "in 2 B")],
)
def test_columns_of_a_feature_in_two_units_are_no_series(first, second, write):
    file = write(f"{first},{second}\n1.5,900.5\n2.5,800.5\n")
    for columns in ([first, second], "*"):
        with pytest.raises(SchemaError, match=r"is in \w+, .* in \w+, which would mix them\. Bring all"):
            from_csv(file, features={"x": columns})


@pytest.mark.parametrize(
    "names", ["load 1 (MW),load 2 (MW)", "rtt 500 ms,rtt 1 s", "x 1 (Mon),x 2 (Tue)", "1 (A),2 (B)", "1 (kB),2 (KB)"]
)
def test_names_that_end_in_one_unit_or_in_none_are_steps(names, write):
    file = write(f"{names}\n1.5,900.5\n2.5,800.5\n")
    assert from_csv(file, features={"x": names.split(",")}).x.shape == (2, 2)


def test_names_may_come_in_any_collection(write):
    named = {"v": 1.5, "w": 2.5}
    table = read_csv(write("v,w\n1.5,2\n2.5,3\n"), columns=named.keys(), text={"w"}, missing=(mark for mark in "x"))
    assert table.columns.tolist() == ["v", "w"] and table.w.tolist() == ["2", "3"]


def test_a_mapping_is_no_list_of_names(write):
    file = write("v,w\n1.5,2\n2.5,3\n")

    for option in ("text", "columns"):
        with pytest.raises(ConfigError, match=rf"{option} is \{{'v': 'x'\}}; give a list.*{option}=\['v'\]"):
            read_csv(file, **{option: {"v": "x"}})
    with pytest.raises(ConfigError, match=r"attributes is .* give a list"):
        from_csv(file, features=["v"], attributes={"w": "x"})
