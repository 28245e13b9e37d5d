"""Files as they are found: packed, many, with lines that are no rows, of other formats: read, or asked about."""

import bz2
import gzip
import io
import json
import lzma
import pickle
import re
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dgkit.datasets import from_csv, read_csv
from dgkit.errors import ConfigError, DgkitError, FileFormatError, MissingExtraError, SchemaError
from dgkit.schema import validate

KAGGLE = Path(__file__).parents[3] / "shared" / "data" / "kaggle_form.csv.gz"
ASK = {"time": "t", "features": ["v"]}
PLAIN = "t,v\n1,2.5\n2,3.5\n"


@pytest.fixture
def write(tmp_path):
    def write(content, name="x.csv"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def zipped(**files):
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in files.items():
            archive.writestr(name.replace("_", "."), text)
    return made.getvalue()


PACKED = {
    "gzip": gzip.compress(PLAIN.encode()),
    "gzip in two streams": gzip.compress(PLAIN[:8].encode()) + gzip.compress(PLAIN[8:].encode()),
    "bz2": bz2.compress(PLAIN.encode()),
    "xz": lzma.compress(PLAIN.encode()),
    "zip": zipped(a_csv=PLAIN),
    "gzip in zip": zipped(a_gz=gzip.compress(PLAIN.encode())),
}


@pytest.mark.parametrize("kind", PACKED)
def test_packed_files_are_read_whatever_they_are_called(write, kind):
    assert from_csv(write(PACKED[kind]), **ASK).v.values.tolist() == [[2.5, 3.5]]


def test_of_a_zip_archive_of_several_files_one_is_named(write):
    path = write(zipped(a_csv="t,v\n1,9\n", b_csv=PLAIN))

    with pytest.raises(FileFormatError, match=r"holds 2 files: 'a.csv', 'b.csv'.*member='a.csv'"):
        from_csv(path, **ASK)
    assert from_csv(path, **ASK, member="b.csv").v.values.tolist() == [[2.5, 3.5]]


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress, lambda content: zipped(a_csv=content)])
def test_a_bomb_is_refused_before_it_takes_memory(write, pack):
    bomb = write(pack(b"t,v\n" + b"1,0\n" * 50_000_000 if pack is gzip.compress else b"t,v\n" + b"1,0\n" * 40_000))

    with pytest.raises(FileFormatError, match=r"more than .* bytes once it is unpacked.*max_bytes="):
        read_csv(bomb, max_bytes=None if pack is gzip.compress else 100_000)


REFUSED = {
    "a pickle": (pickle.dumps({"t": [1]}), "is a pickle"),
    "a web page": (b"<html><table>", "is a web page"),
    "NetCDF": (b"\x89HDF\r\n\x1a\n123", "dg.open_dataset"),
    "half a gzip": (gzip.compress(PLAIN.encode())[:-12], "ends too early|damaged"),
    "a zero byte": (b"t,v\n1,2\n2,\x003\n", "zero byte in line 3"),
    "no JSON": (b'{"t": 1}\n{"t": \n', "line 2 is no JSON"),
    "a list in JSON": (b'{"t": 1, "v": [1, 2]}\n', r"line 1 has a list in 'v'"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_no_table_is_refused_by_what_it_is(write, case):
    content, message = REFUSED[case]

    with pytest.raises(FileFormatError, match=message):
        read_csv(write(content))


def test_nothing_is_fetched(tmp_path):
    with pytest.raises(FileFormatError, match="nothing is fetched"):
        read_csv("https://example.org/x.csv")


FURNITURE = {
    "comments": ("# a\n# b\nt,v\n1,2\n# c\n2,3\n", {"comment": "#"}, "3 comment lines (lines 1, 2, 5)"),
    "a footer by its text": ("t,v\n1,2\n2,3\nTotal,5\nend\n", {"footer": "Total"}, "2 lines of the footer"),
    "a footer by number": ("t,v\n1,2\n2,3\nTotal,5\n\n", {"footer": 1}, "lines of the footer (lines 4, 5)"),
    "blank lines": ("t,v\n\n1,2\n  \n2,3\n\n", {}, "blank lines (lines 2, 4, 6)"),
    "rows of separators": ("t;v;;\n1;2;;\n2;3;;\n;;;\n;;;\n", {}, "2 lines without any value at the end (lines 4, 5)"),
    "sep=;": ("sep=;\nt;v\n1;2\n2;3\n", {}, "the separator is ';'"),
    "names again": ("t,v\n1,2\nt,v\n2,3\n", {}, "1 lines that repeat the names (line 3)"),
    "short lines": ("i,t,v\n0,1,2\n-1,RESTART\n0,2,3\n", {"ragged": "drop"}, "lines of other than 3 fields (line 3)"),
    "a separator at each end": ("t,v\n1,2,\n2,3,\n", {}, "2 lines end in a separator too many"),
    "two tables of Influx": (
        "#type,s\n,t,v\n,1,2\n\n#type,s\n,t,v\n,2,3\n", {"comment": "#"}, "1 lines that repeat the names (line 6)",
    ),
    "a column twice": ("t,Len,Len,v\n1,6,2,2\n2,7,3,3\n", {}, ""),
    "spaces": ("  t    v\n1  2\n 2\t 3\n", {"separator": r"\s+"}, ""),
    "two lines of names": ("t,v\n,eth0\n1,2\n2,3\n", {"header": 2, "rename": {"v": "v eth0"}}, ""),
}  # fmt: skip


@pytest.mark.parametrize("case", FURNITURE)
def test_lines_that_are_no_rows_are_left_out_and_told(write, case):
    text, options, told = FURNITURE[case]
    v = options.get("rename", {}).get("v", "v")
    ask = {"time": "t", "features": [v], **{key: value for key, value in options.items() if key != "rename"}}

    ds = from_csv(write(text), **ask)

    assert ds[v].values.tolist() == [[2, 3]]
    assert told in ds.attrs.get("reading", "")


ASKED = {
    "comments": ("# a\nt,v\n1,2\n", "comment='#'"),
    "Zeek": ("#separator x\n#fields\tt\tv\n1\t2\n", "comment='#'"),
    "a footer": (
        "t,v\n1,2\n2,3\n3,4\nSummary\na,b,c\n",
        r"line 5 has 1, line 6 has 3 fields.*footer='Summary'.*footer=2",
    ),
    "a sum": ("t,v\n2024-01-01,1\n2024-01-02,2\nTotal,3\n", "footer='Total'"),
    "short lines": (
        "i,t,v\n1,2,3\n1,2\n1,2,3\n1\n1,2,3\n",
        r"line 3 has 2, line 5 has 1 fields.*ragged='drop'.*'fill'",
    ),
    "names of rows": ('"t","v"\n"1",1,2\n"2",2,3\n', r"names=\['row', 't', 'v'\], skip=1"),
    "spaces": ("t  v\n1  2\n", r"separator=r'\\s\+'"),
    "a blank line in one column": ("v\n1\n\n2\n", "line 3.*ragged='fill'.*ragged='drop'"),
    "numbers for names": ("t,7,v\n1,2,3\n", r"number '7'.*header=1.*names="),
    "names over names": ("t,v\n1,2\n", r"line 1 seems to hold names.*skip=1.*header=0"),
    "a column twice": ("t,v,v\n1,2,3\n", r"2 columns are named 'v', the 2., 3."),
}


@pytest.mark.parametrize("case", ASKED)
def test_lines_that_may_be_no_rows_are_asked_about(write, case):
    text, message = ASKED[case]
    names = {"names": ["t", "v"]} if case == "names over names" else {}

    with pytest.raises(DgkitError, match=message):
        from_csv(write(text), **ASK, **names)


def test_all_irregular_lines_are_counted_and_the_first_are_named(write):
    rows = ["1,2"] * 50 + ["1,2,3"] * 60
    np.random.default_rng(0).shuffle(rows)

    with pytest.raises(FileFormatError, match=r"and so on, 60 lines in all"):
        read_csv(write("a,b\n" + "\n".join(rows)))


def test_short_lines_can_be_filled(write):
    table = read_csv(write("t,v\n1,2\n2\n3,4\n"), ragged="fill")

    np.testing.assert_array_equal(table.v, [2, np.nan, 4])
    assert table.attrs["reading"] == "1 short lines filled with missing values (line 3)"


def test_numbered_columns_are_names(write):
    path = write("f,kind,1,2,3,4,5\na,http,10,20,30,25,10\nb,timer,5,5,6,5,5\nc,http,1,0,0,4,0\n")

    ds = from_csv(path, sample="f", features={"calls": "[0-9]*"}, attributes=["kind"])

    assert ds.sample.values.tolist() == ["a", "b", "c"]
    assert ds.calls.values[0].tolist() == [10, 20, 30, 25, 10]
    assert "line 1 holds names, 5 of them numbers" in ds.attrs["reading"]


def test_a_first_row_of_numbers_in_steps_is_no_line_of_names_where_the_next_is_like_it(write):
    with pytest.raises(FileFormatError, match=r"header=1.*names="):
        read_csv(write("a,1,2,3,4\nb,5,6,7,8\n"))


def test_many_files_are_one_table_with_columns_of_their_paths(write):
    for site in ("ber", "ulm"):
        for device in ("r1", "r2"):
            write(f"t,v\n1,{len(site + device)}\n2,{device[1]}\n", f"logs/{site}/{device}.csv")
    folder = write("", "logs/readme").parent

    table = read_csv(str(folder / "*" / "*.csv"), from_path="{site}/{device}.csv")

    assert table.site.tolist() == ["ber"] * 4 + ["ulm"] * 4
    assert table.device.tolist() == ["r1", "r1", "r2", "r2"] * 2
    assert table.v.tolist() == [5, 1, 5, 2] * 2
    assert table.index[3] == "3 of r2.csv"


def test_a_mistake_in_one_of_many_files_is_named_by_line_and_file(write):
    paths = [write("t,v\n1,2\n", "a.csv"), write("t,v\n1,2\n2,x\n", "b.csv")]

    with pytest.raises(SchemaError, match=r"'x' in line 3 of b.csv"):
        read_csv(paths)


def test_files_of_other_columns_are_named_with_what_differs(write):
    paths = [write("t,v\n1,2\n", "a.csv"), write("v,t,w\n5,2,1\n", "b.csv"), write("t,u\n1,2\n", "c.csv")]

    with pytest.raises(SchemaError, match=r"c.csv' has no column 'v', but has 'u'"):
        read_csv(paths)
    assert read_csv(paths[:2]).v.tolist() == [2, 5]
    assert "b.csv: its columns 'w' are not in a.csv" in read_csv(paths[:2]).attrs["reading"]


def test_a_path_that_is_not_as_its_pattern_says_is_named(write):
    with pytest.raises(FileFormatError, match=r"not as from_path= says"):
        read_csv(write(PLAIN, "a/x.csv"), from_path="{site}_{day}.csv")
    with pytest.raises(ConfigError, match="mark that separates"):
        read_csv(write(PLAIN), from_path="{site}{day}.csv")


def test_text_is_split_from_the_right(write):
    table = read_csv(write("page,v\na_b_de_all,1\nc_en_all,2\n"), split={"page": "{title}_{domain}_{access}"})

    assert table.title.tolist() == ["a_b", "c"]
    assert table.domain.tolist() == ["de", "en"]
    with pytest.raises(SchemaError, match=r"'page' has 'ab' in line 2"):
        read_csv(write("page,v\nab,1\n"), split={"page": "{title}_{domain}"})


def test_days_in_rows_are_series_in_columns(write):
    path = write("day,r1_in,r2_in,r1_out,r2_out\n2024-01-01,1,2,5,6\n2024-01-02,3,4,7,8\n")

    ds = from_csv(path, time="day", features={"in": "*_in", "out": "*_out"})

    assert ds.sample.values.tolist() == ["r1", "r2"]
    assert ds["in"].values.tolist() == [[1, 3], [2, 4]]
    assert ds["out"].values.tolist() == [[5, 7], [6, 8]]
    with pytest.raises(SchemaError, match="not of the same series"):
        from_csv(write("day,r1_in,r2_in,r1_out\n1,1,2,3\n"), time="day", features={"in": "*_in", "out": "*_out"})


def test_json_lines_and_lists_are_read_as_they_are_written(write):
    rows = [{"t": 1, "of": {"v": 2.5}, "ok": True}, {"t": 2, "of": {"v": None}, "ok": False}]
    for text in ("\n".join(map(json.dumps, rows)), json.dumps(rows)):
        table = read_csv(write(text))

        np.testing.assert_array_equal(table["of.v"], [2.5, np.nan])
        assert table.ok.tolist() == [True, False]


def test_excel_is_read_by_values_and_its_errors_are_named(write, tmp_path):
    openpyxl = pytest.importorskip("openpyxl")

    def book(*rows, sheets=("Sheet",)):
        made = openpyxl.Workbook()
        made.active.title = sheets[0]
        for row in rows:
            made.active.append(row)
        for name in sheets[1:]:
            made.create_sheet(name)
        made.save(tmp_path / "x.xlsx")
        return tmp_path / "x.xlsx"

    day = pd.Timestamp("2024-01-01").to_pydatetime()
    table = read_csv(book(["t", "v"], [day, 1.5], [day, 2]))

    assert table.v.tolist() == [1.5, 2]
    assert table.t.tolist() == [day, day]
    with pytest.raises(FileFormatError, match=r"error of Excel's, the first #REF! in B2 \(line 2\)"):
        read_csv(book(["t", "v"], [1, "#REF!"]))
    with pytest.raises(FileFormatError, match=r"formula whose value is not stored, the first B3"):
        read_csv(book(["t", "v"], [1, 2], [1, "=1+1"]))
    with pytest.raises(FileFormatError, match=r"2 sheets: 'a', 'b'.*member='a'"):
        read_csv(book(["t", "v"], [1, 2], sheets=("a", "b")))
    assert read_csv(book(["t", "v"], [1, 2], sheets=("a", "b")), member="a").v.tolist() == [2]


def test_rows_of_a_sheet_that_are_no_rows_are_left_out_and_told(write):
    rows = [["Report of May"], [], ["id", "t", "v"], ["a", 0, 1.5], ["# moved"], ["a", 1, 2.5], ["Total", None, 4]]
    path = table_of("excel", write, rows)

    with pytest.raises(FileFormatError, match=r"If the names stand in line 3: skip=2|comment='#'"):
        read_csv(path)
    for footer in ("Total", 1):
        table = read_csv(path, skip=2, comment="#", footer=footer)

        assert table.t.tolist() == [0, 1] and table.index.tolist() == [4, 6]
        assert table.attrs["reading"] == (
            "2 skipped lines (lines 1, 2); 1 comment lines (line 5); 1 lines of the footer (line 7)"
        )
    named = read_csv(path, skip=3, names=["a", "b", "c"], comment="#", footer=1)
    assert named.c.tolist() == [1.5, 2.5]


@pytest.mark.parametrize("second", [[], ["made", "in June", "", "at noon"]])
def test_a_title_above_the_names_of_a_sheet_is_no_missing_value(write, second):
    path = table_of("excel", write, [["Report of May"], second, ["t", "v"], [0, 1.5], [1, 2.5]])

    with pytest.raises(FileFormatError, match=r"names stand in line 3: skip=2"):
        read_csv(path)
    assert read_csv(path, skip=2).v.tolist() == [1.5, 2.5]


@pytest.mark.parametrize("option", [{"skip": 1}, {"footer": "Total"}, {"comment": "#"}, {"names": ["t", "v"]}])
@pytest.mark.parametrize("kind", ["JSON", "Parquet"])
def test_what_goes_with_lines_alone_is_refused_of_files_that_have_none(write, tmp_path, kind, option):
    path = write('{"i": 1, "v": 2}\n{"i": 2, "v": 3}')
    if kind == "Parquet":
        parquet(path := tmp_path / "x.parquet")

    with pytest.raises(ConfigError, match=f"{next(iter(option))}= goes with text and Excel; {kind} says itself"):
        read_csv(path, **option)


def test_what_is_wrong_in_a_column_is_refused_where_that_is_wanted(write):
    lists = write('{"t": 1, "v": 2, "tags": [1, 2]}\n{"t": 2, "v": 3, "tags": []}', "x.jsonl")
    sheet = table_of("excel", write, [["t", "v", "tags"], [1, 2, "#REF!"], [2, 3, "=1+1"]])

    for path, message in ((lists, "line 1 has a list in 'tags'"), (sheet, "error of Excel's, the first #REF! in C2")):
        assert read_csv(path, columns=["t", "v"]).v.tolist() == [2, 3]
        assert from_csv(path, time="t", features=["v"]).v.values.tolist() == [[2, 3]]
        with pytest.raises(FileFormatError, match=f"{message}.*read other columns"):
            read_csv(path)


def test_parquet_keeps_its_types(tmp_path):
    duckdb = pytest.importorskip("duckdb")
    path = tmp_path / "x[1].parquet"
    with duckdb.connect() as connection:
        connection.execute(
            "copy (select '007' as code, timestamp '2024-01-01' as t, 1.5::double as v union all "
            f"select '12', timestamp '2024-01-02', null) to '{tmp_path / 'y'}' (format parquet)"
        )
    (tmp_path / "y").rename(path)

    table = read_csv(path)

    assert table.code.tolist() == ["007", "12"]
    assert table.t.tolist() == [pd.Timestamp("2024-01-01"), pd.Timestamp("2024-01-02")]
    np.testing.assert_array_equal(table.v, [1.5, np.nan])


def parquet(path):
    duckdb = pytest.importorskip("duckdb")
    with duckdb.connect() as connection:
        connection.execute(f"copy (select i, i / 7 as v from range(3000) as x(i)) to '{path}' (format parquet)")
    return path.read_bytes()


@pytest.mark.parametrize(
    ("text", "offered", "not_offered"),
    [
        ("# host;i;t;v\nbox;1;1;4.0\nbox;-1;RESTART\n", {"footer": 1}, "footer='box'"),
        ("host;t;v\nbox;1;4.0\nTotal;2\nbox 2;3\n", {"footer": "Total"}, "footer='box"),
        ('"t","v"\n"1",1,2.5\n"2",2,3.5\n', {"names": ["row", "t", "v"], "skip": 1}, "ragged='drop'"),
        ("# exported by x\n# on 2024-01-01\nt,v\n1,2\n2,3\n", {"comment": "#"}, "footer=|ragged="),
        ("t,u,v\n1,2\n2,3\n", {"ragged": "fill"}, "ragged='drop'"),
    ],
)
def test_what_an_error_offers_leaves_rows(write, text, offered, not_offered):
    path = write(text)

    with pytest.raises(FileFormatError) as error:
        read_csv(path)

    for name, value in offered.items():
        assert f"{name}={value!r}" in str(error.value)
    assert not re.search(not_offered, str(error.value))
    assert len(read_csv(path, **offered)) >= 1


def table_of(kind, write, rows):
    """An Excel or JSON file of rows under their names."""
    if kind == "json":
        return write("\n".join(json.dumps(dict(zip(rows[0], row, strict=True))) for row in rows[1:]), "x.jsonl")
    made = pytest.importorskip("openpyxl").Workbook()
    for row in rows:
        made.active.append(row)
    made.save(path := write("", "x.xlsx"))
    return path


@pytest.mark.parametrize("kind", ["json", "excel"])
def test_the_decimal_sign_is_said_of_text_and_cells_that_are_numbers_keep_their_value(write, kind):
    rows = [["t", "load", "price", "big", "code"], [0, 1.234, "2,5", 1e20, 1.5], [1, 2.345, "1.234,5", 1e-5, "a"]]
    path = table_of(kind, write, rows)
    ask = {"time": "t", "features": ["load", "price", "big", "code"], "text": ["code"]}

    for numbers in ((), ["price"]):
        with pytest.raises(SchemaError, match=r"'price' has the text '2,5' in line \d.*give decimal=','"):
            from_csv(path, **ask, numbers=numbers)
    ds = from_csv(path, **ask, decimal=",")

    assert ds["load"].values.tolist() == [[1.234, 2.345]] and ds["price"].values.tolist() == [[2.5, 1234.5]]
    assert ds["big"].values.tolist() == [[1e20, 1e-5]] and ds["code"].values.tolist() == [["1.5", "a"]]


@pytest.mark.parametrize("kind", ["json", "excel"])
def test_a_comma_in_text_is_asked_about_whatever_the_cells_of_numbers_beside_it(write, kind):
    path = table_of(kind, write, [["t", "v"], [0, 1.5], [1, "1,234"], [2, 3.5]])

    with pytest.raises(
        SchemaError, match=r"'1,234' in line \d, which can be read in two ways.*decimal=','.*decimal='\.'"
    ):
        from_csv(path, **ASK)
    assert from_csv(path, **ASK, decimal=",").v.values.tolist() == [[1.5, 1.234, 3.5]]
    assert from_csv(path, **ASK, decimal=".").v.values.tolist() == [[1.5, 1234, 3.5]]
    clear = table_of(kind, write, [["t", "v"], [0, 1.5], [1, "1,234.5"], [2, "2.25"]])
    assert from_csv(clear, **ASK).v.values.tolist() == [[1.5, 1234.5, 2.25]]


def excel(path):
    made = pytest.importorskip("openpyxl").Workbook()
    for k in range(300):
        made.active.append([k, k / 7] if k else ["i", "v"])
    made.save(path)
    return path.read_bytes()


LINES = "\n".join(f'{{"i": {k}, "v": {{"w": "{k / 7}"}}}}' for k in range(300))
WHOLE = {
    "Parquet": parquet,
    "Excel": excel,
    "JSON lines": lambda _: LINES.encode(),
    "a list of JSON": lambda _: f"[{LINES.replace(chr(10), ',')}]".encode(),
    "gzip": lambda _: gzip.compress(LINES.encode()),
    "bz2": lambda _: bz2.compress(LINES.encode()),
    "xz": lambda _: lzma.compress(LINES.encode()),
    "zip": lambda _: zipped(a_jsonl=LINES),
}
RAW = "Invalid Input|Error:|Error -|Bad CRC|TProtocol|decompress|Traceback|delimiter|Expecting|LINE 1|magic"


@pytest.mark.parametrize("kind", WHOLE)
def test_a_file_that_was_cut_says_that_it_ends_too_early_and_what_to_do(tmp_path, kind):
    path = tmp_path / "x"
    whole = WHOLE[kind](path)
    assert len(read_csv(path if kind in ("Parquet", "Excel") else write_to(path, whole)))

    for size in np.linspace(40, len(whole) - 30, 12).astype(int):
        cut = whole[:size].rstrip(b"}\n")  # between two lines nothing tells that there were more
        with pytest.raises(FileFormatError, match=r"ends too early.*[Ff]etch or copy") as told:
            read_csv(write_to(path, cut))
        assert not re.search(RAW, str(told.value))


@pytest.mark.parametrize("kind", WHOLE)
def test_a_damaged_file_says_so_in_our_words_and_what_to_do(tmp_path, kind):
    path, rng = tmp_path / "x", np.random.default_rng(0)
    whole, refused = WHOLE[kind](path), 0

    for k in range(20):
        hurt = np.frombuffer(whole, np.uint8).copy()
        at = rng.integers(4, len(hurt) - 30)
        hurt[at : at + 20] = rng.integers(32, 127, 20) if k % 2 else rng.permutation(hurt[at : at + 20])
        try:
            read_csv(write_to(path, hurt.tobytes()))  # where nothing is packed, it may still be a table
        except DgkitError as error:
            refused += 1
            assert not re.search(RAW, str(error)), str(error)
            assert re.search("opy|Mend|Rename|such as|skip=", str(error)), str(error)

    assert refused >= 10


def write_to(path, content):
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"t": 1, "t": 2}\n{"t": 3}', "line 1 names 't' twice in one object. Rename"),
        ('{"t": 1}\n{"v.w": 1, "v": {"w": 2}}', "line 2 names 'v.w' twice in one object. Rename"),
        ('{"t": 1, "": 2}\n{"t": 3, "": 4}', "line 1 has a value without a name"),
        ('{\n "t": 1\n}\n', "line 1 is no JSON.*One object a line is needed, or one list"),
        ('{"t": 1},\n{"t": 2}', "line 1 is no JSON, from its character 9 on.*One object a line"),
        ('{"t": ' * 100_000, "line 1 has objects within objects too deep"),
    ],
)
def test_json_that_says_a_thing_twice_or_is_of_another_form_is_refused(write, text, message):
    with pytest.raises(FileFormatError, match=message):
        read_csv(write(text))


def test_json_is_known_in_any_encoding(write):
    text = '{"t": 1, "v": "\xfc"}\n{"t": 2, "v": "b"}'
    for encoding in ("utf-8-sig", "utf-16", "utf-32"):
        assert read_csv(write(text.encode(encoding))).v.tolist() == ["\xfc", "b"]


def test_an_encrypted_file_says_that_it_is(write):
    with pytest.raises(FileFormatError, match="an encrypted Parquet file: decrypt it"):
        read_csv(write(b"PARE" + bytes(60) + b"PARE"))
    with pytest.raises(FileFormatError, match=r"zip archive that cannot be unpacked here.*Unpack it first"):
        read_csv(write(PACKED["zip"].replace(b"\x14\0\0\0", b"\x14\0\x01\0")))


@pytest.mark.parametrize(
    ("content", "module"), [(b"PAR1 ... PAR1", "duckdb"), (zipped(**{"xl/workbook_xml": "<"}), "openpyxl")]
)
def test_what_a_format_needs_is_named(write, monkeypatch, content, module):
    monkeypatch.setitem(__import__("sys").modules, module, None)

    with pytest.raises(MissingExtraError, match=r"pip install dgkit\[files\]"):
        read_csv(write(content))


@pytest.mark.skipif(not KAGGLE.exists(), reason="the real file is not here")
def test_the_file_as_kaggle_publishes_it_becomes_a_dataset_in_one_call_that_the_errors_teach():
    ask: dict = {
        "sample": "Page",
        "features": {"views": "20*"},
        "split": {"Page": "{title}_{domain}_{access}_{agent}"},
    }

    # each choice left out is asked about, with the call as it should be
    with pytest.raises(SchemaError, match=r"8 rows have no value.*lines 394, 395.*: blank_rows='drop'"):
        from_csv(KAGGLE, **ask)
    with pytest.raises(SchemaError, match=r"(?s)feature 'views'.*line 2.*For example: from_csv\(..., fill='linear'\)"):
        from_csv(KAGGLE, **ask, blank_rows="drop")
    with pytest.raises(SchemaError, match=r"'agent' has the same value.*Leave 'agent' out of attributes="):
        from_csv(KAGGLE, **ask, blank_rows="drop", fill="linear", attributes=["agent"])
    ds = from_csv(KAGGLE, **ask, blank_rows="drop", fill="linear")
    kept = from_csv(KAGGLE, **ask, blank_rows="drop", gaps="keep")

    # every value is what an independent reading makes of the file
    truth = pd.read_csv(KAGGLE).set_index("Page")
    truth = truth[truth.notna().any(axis=1)]
    filled = truth.interpolate(axis=1, limit_direction="both")
    length = [np.flatnonzero(row)[-1] + 1 for row in truth.notna().to_numpy()]
    valid = np.arange(550) < np.array(length)[:, None]
    assert ds.sample.values.tolist() == truth.index.tolist()
    assert (ds.time.values == pd.date_range("2015-07-01", periods=550).values).all()
    np.testing.assert_array_equal(ds.length, length)
    np.testing.assert_allclose(ds.views, np.where(valid, filled, np.nan), rtol=1e-12)
    np.testing.assert_array_equal(kept.views, np.where(valid, truth, np.nan))
    assert "8 rows without a value" in ds.attrs["reading"]
    validate(ds)


TEXTS = st.text(st.sampled_from("abc ,;\"'#\nü"), min_size=1, max_size=6).map(lambda text: f"k{text}k")
VALUES = st.floats(-1e6, 1e6).map(lambda value: round(value, 3))


@settings(
    max_examples=300, deadline=None, derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)  # fmt: skip
@given(data=st.data())
def test_a_table_written_in_any_form_comes_back_or_the_error_names_the_choice(tmp_path, data):
    """Dialect, names, comments, blank lines, footer, packing and parts are drawn; all that is needed is said."""
    draw = data.draw
    rows = draw(st.lists(st.tuples(TEXTS, VALUES), min_size=1, max_size=8))
    separator, end = draw(st.sampled_from(",;\t|")), draw(st.sampled_from(["\n", "\r\n"]))
    always, upper = draw(st.booleans()), draw(st.booleans())
    ask: dict = {"separator": separator, "decimal": "."}

    def quoted(text):
        return '"' + text.replace('"', '""') + '"' if always or set(text) & set('"\n,;\t|') else text

    lines = [separator.join(map(quoted, (text, repr(value)))) for text, value in rows]
    comments, blanks, footer = draw(st.booleans()), draw(st.booleans()), draw(st.booleans())
    cuts = sorted(draw(st.lists(st.integers(0, len(lines)), max_size=2)))
    parts = [lines[a:b] for a, b in zip([0, *cuts], [*cuts, len(lines)], strict=True) if a < b]
    paths = []
    for k, part in enumerate(parts):
        names = [separator + "a"] if upper else []
        names.append("what" + separator + "v")
        body = [*(["## made by x", "## y"] if comments else []), *names]
        for line in part:
            body += [line, *([""] if blanks and draw(st.booleans()) else [])]
        body += ["Total" + separator + "n/a", "that is all"] if footer else []
        packed = draw(st.sampled_from([bytes, gzip.compress, lambda content: zipped(a_csv=content)]))
        content = end.join([*body, ""] if draw(st.booleans()) else body).encode()
        paths.append(tmp_path / f"{k}.any")
        paths[-1].write_bytes(packed(content))
    given = {"comment": "##"} if comments else {}
    given |= {"footer": "Total"} if footer else {}
    given |= {"header": 2} if upper else {}
    forgotten = draw(st.sampled_from([*given, None]))

    try:
        table = read_csv(
            paths, **ask, text=["what"], **{key: value for key, value in given.items() if key != forgotten}
        )
    except DgkitError as error:
        assert forgotten is not None, str(error)
        assert forgotten in str(error) or forgotten == "header", str(error)
    else:
        assert table.what.tolist() == [text for text, _ in rows]
        assert table["a v" if upper else "v"].tolist() == [value for _, value in rows]
        assert forgotten is None


TRICKY = """0 7 -7 12 0.5 -0.25 .5 5. -0 -0.0 1e3 1E5 12E4 +5 1.234 -1.234 12.345 1234.5 0.123 1.2.3 1,5 007 -05 00.5
- . -. --1 1-2 5- 123456789012345 1234567890123456 99999999999999999999 -999 -999.0 NA NaN nan null inf x 5x true 1.5.
2024-01-01 12:30 +49123456789"""
CELLS = st.sampled_from([*TRICKY.split(), "", " 5", "5 ", '"6"', '"1;5"'])


def check_both_ways(write, monkeypatch, columns, ask):
    """Plain numbers, told from the bytes, are what the same file gives when all is read as text."""
    rows = zip(*columns, strict=True)
    path = write("\n".join([";".join(f"c{k}" for k in range(len(columns))), *map(";".join, rows)]) + "\n")
    found = []
    for way in ("bytes", "text"):
        with monkeypatch.context() as patch:
            if way == "text":
                patch.setattr("dgkit.readers.records.plain_columns", lambda *_: {})
            try:
                found.append(read_csv(path, **ask))
            except DgkitError as error:
                found.append(str(error))

    if isinstance(found[0], str):
        assert found[0] == found[1]
    else:
        pd.testing.assert_frame_equal(*found, check_exact=True)


WAYS = st.sampled_from([{}, {"decimal": "."}, {"decimal": ","}, {"missing": ["-999"]}, {"missing": ["-999.0", "5"]}])
ALIKE = st.sampled_from(
    ["1 -20 NA 7", "1.5 1.234 0.5", "1.234 12.345 7", "-999 3.25 4", "1.9 1.10 2.1", "1.9 1.10 2"]
).map(str.split)
COLUMN = ALIKE.flatmap(
    lambda few: st.lists(st.sampled_from(few), min_size=4, max_size=4)
    | st.lists(st.sampled_from(few) | CELLS, min_size=4, max_size=4)
)
BOTH = {"deadline": None, "derandomize": True, "suppress_health_check": list(HealthCheck)}


@settings(max_examples=100, **BOTH)
@given(columns=st.lists(COLUMN, min_size=1, max_size=4), ask=WAYS)
def test_plain_numbers_are_what_the_text_gives(write, monkeypatch, columns, ask):
    check_both_ways(write, monkeypatch, columns, ask)


@pytest.mark.slow
@settings(max_examples=1_000, **BOTH)
@given(columns=st.lists(COLUMN, min_size=1, max_size=4), ask=WAYS)
def test_a_thousand_drawn_files_of_numbers_are_what_the_text_gives(write, monkeypatch, columns, ask):
    check_both_ways(write, monkeypatch, columns, ask)


def test_text_that_pandas_would_take_for_numbers_in_a_later_piece_stays_text(write, monkeypatch):
    first, second = ["up", "down"] * 5_000, ["007", "1e5"] * 5_000
    path = write("t,v\n" + "\n".join(f"{k},{v}" for k, v in enumerate([*first, *second])))
    monkeypatch.setattr("dgkit.readers.records._CELLS", 20_000)

    table = read_csv(path, text=["v"])

    assert table.v.tolist() == [*first, *second]
    assert table.t.tolist() == list(range(20_000))


def test_numbers_in_one_file_and_text_in_the_next_are_read_as_if_they_were_one(write):
    paths = [write("a;b\n1;1.5\n2;2.5\n", "1.csv"), write("a;b\n3;1.234\n007;4\n", "2.csv")]
    whole = read_csv(write("a;b\n1;1.5\n2;2.5\n3;1.234\n007;4\n", "whole.csv"))

    table = read_csv(paths)

    assert table.a.tolist() == whole.a.tolist() == ["1", "2", "3", "007"]
    assert table.b.tolist() == whole.b.tolist() == [1.5, 2.5, 1.234, 4.0]


def test_the_fast_way_and_the_slow_one_read_the_same(write):
    rows = [f'{k},"a ""{k}""\nb",{k / 4}' for k in range(50)]
    fast = read_csv(write("i,text,v\n" + "\n".join(rows) + "\n"))
    slow = read_csv(write("i,text,v\n" + "\n".join(rows).replace("0,", "0 ,").replace('3,"', '3, "') + "\n"))

    assert fast.drop(columns="text").equals(slow.drop(columns="text"))
    assert fast.text.tolist() == slow.text.tolist()
    assert fast.index.tolist() == slow.index.tolist() == [2 + 2 * k for k in range(50)]


def test_a_table_of_many_columns_is_read_in_pieces_as_in_one(write, monkeypatch):
    table = pd.DataFrame(np.random.default_rng(0).integers(0, 9, (3000, 5)), columns=list("abcde")).astype(str) + " x"
    path = write(table.to_csv(index=False))
    monkeypatch.setattr("dgkit.readers.records._CELLS", 500)

    assert read_csv(path).to_numpy().tolist() == table.to_numpy().tolist()


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("quoted", [False, True])
def test_columns_of_all_kinds_are_the_same_in_pieces_as_codes_and_as_text(write, monkeypatch, end, quoted):
    rng, n = np.random.default_rng(1), 6_000
    state = rng.choice(["up", "down", "", "NA"], n)
    columns = {
        "whole": rng.integers(0, 10**6, n).astype(str),
        "signed": rng.choice(["-5", "128", "1000000000000"], n),
        "decimal": [f"{x:.3f}" if x > 100 else "" for x in rng.random(n) * 2000],
        "state": [f'"{x}, ""q""{end}{x}"' for x in state] if quoted else state,
        "words": rng.choice(["1", "2.5", "NA", ""], n),
        "name": [f"k{x}" for x in range(n)],
        "time": pd.date_range("2024-01-01", periods=n, freq="min").astype(str),
        "code": rng.choice(["007", "12"], n),
        "truth": rng.choice(["true", "false", ""], n),
        "power": rng.choice(["1e3", "5"], n),
    }
    lines = [",".join(columns), *(",".join(row) for row in zip(*columns.values(), strict=True))]
    path = write(end.join([*lines, ""]))

    whole = read_csv(path)
    monkeypatch.setattr("dgkit.readers.records._CELLS", 20_000)
    in_pieces = read_csv(path)
    monkeypatch.setattr("dgkit.readers.records._LOOK", 10**9)  # nothing comes as codes
    monkeypatch.setattr("dgkit.readers.records.plain_columns", lambda *_: {})
    as_text = read_csv(path)

    pd.testing.assert_frame_equal(in_pieces, whole, check_exact=True)
    pd.testing.assert_frame_equal(as_text, whole, check_exact=True)
    assert (whole.whole.dtype, whole.signed.dtype, whole.decimal.dtype) == (np.int64, np.int64, np.float64)


def test_a_pattern_of_series_takes_neither_dates_nor_the_sum_of_the_others(write):
    rows = [(k, 2.5 * k, 7.5 - k, 3.25) for k in range(1, 9)]
    text = "".join(f"2024-01-{k:02},2024-02-{k:02},{a},{b},{c},{a + b + c}\n" for k, a, b, c in rows)
    path = write("t,due,a,b,c,Area Total\n" + text)

    with pytest.raises(SchemaError, match=r"'\*' matches 'due', which holds dates. .*\['a', 'b', 'c' and 1 more\]"):
        from_csv(path, time="t", features={"v": "*"})
    with pytest.raises(SchemaError, match=r"matches 'Area Total', the sum of all others at 100% of its rows"):
        from_csv(path, time="t", features={"v": "[!d]*"})
    assert from_csv(path, time="t", features={"v": [*"abc"]}).sample.values.tolist() == [*"abc"]
    assert from_csv(path, time="t", features={"v": [*"abc", "Area Total"]}).sizes["sample"] == 4  # a list is the word


def test_rows_without_a_value_are_left_out_of_a_long_table_where_the_error_says_so(write):
    path = write("id,t,v,w\n" + "a,1,,\na,2,2.5,1\na,3,,\na,4,3.5,2\nb,1,,\nb,2,,\nc,2,4.5,3\nc,3,,4\n")
    ask = {"sample": "id", "time": "t", "features": ["v", "w"]}

    with pytest.raises(SchemaError, match=r"no value in sample 'b' \(line 6\). Drop .*: blank_rows='drop'\."):
        from_csv(path, **ask)
    ds = from_csv(path, **ask, blank_rows="drop", gaps="keep")

    assert ds.sample.values.tolist() == ["a", "c"] and ds.start.values.tolist() == [2, 2]
    np.testing.assert_array_equal(ds.v, [[2.5, np.nan, 3.5], [4.5, np.nan, np.nan]])  # rows keep their places
    np.testing.assert_array_equal(ds.w, [[1, np.nan, 2], [3, 4, np.nan]])
    assert "4 rows without a value (lines 2, 4, 6, 7)" in ds.attrs["reading"]
    with pytest.raises(ConfigError, match=r"blank_rows= needs time=.*would move up"):
        from_csv(path, sample="id", features=["v"], blank_rows="drop")
    with pytest.raises(ConfigError, match="blank_rows is 'yes'"):
        from_csv(path, **ask, blank_rows="yes")


def test_rows_that_hold_another_feature_are_not_offered_to_be_left_out(write):
    ask = {"time": "t", "features": ["v", "w"]}

    with pytest.raises(SchemaError, match=r"'v' has 1 missing .*or drop those rows: blank_rows='drop'\."):
        from_csv(write("t,v,w\n1,,\n2,2.5,1\n3,3.5,2\n"), **ask)
    with pytest.raises(SchemaError, match=r"'v' has 1 missing .*or drop those rows\.\n"):
        from_csv(write("t,v,w\n1,,5\n2,2.5,1\n3,3.5,2\n"), **ask)


def test_series_in_columns_begin_and_end_with_their_own_values(write):
    path = write("t,r1_in,r2_in\n1,,1.5\n2,2.5,2.5\n3,3.5,4\n4,5,\n")

    ds = from_csv(path, time="t", features={"in": "*_in"}, blank_rows="drop")

    assert ds["in"].values.tolist() == [[2.5, 3.5, 5], [1.5, 2.5, 4]]
    assert ds.start.values.tolist() == [2, 1]


@pytest.mark.parametrize(
    ("whole", "rows"),
    [
        ({"hosts": [{"name": "a", "load": [{"t": 1, "v": 2.5}, {"t": 2, "v": 3.5}]}]}, [{"t": 1, "v": 2.5}]),
        ({"of": {"t": [1, 2, 3], "v": [2.5, 3.5, 5]}, "zone": "UTC"}, [{"t": 1, "v": 2.5}]),
        ({"load": [{"t": k, "of": [{"n": 1}] * 9} for k in range(3)]}, [{"t": 0, "of": [{"n": 1}] * 9}]),
    ],
)
def test_one_json_object_over_several_lines_is_told_the_call_that_makes_a_table_of_it(write, whole, rows):
    path = write(json.dumps(whole, indent=1), "x.json")

    with pytest.raises(FileFormatError, match="line 1 is no JSON by itself; all lines are one object") as error:
        read_csv(path)
    table = eval(re.search(r"e\.g\. (.*), and give that", str(error.value))[1], {"json": json, "pandas": pd})

    assert table.to_dict("records")[:1] == rows


def test_a_broken_json_object_over_several_lines_is_no_object_and_one_without_rows_has_no_call(write):
    with pytest.raises(FileFormatError, match="line 1 is no JSON, from its character 2 on"):
        read_csv(write('{\n "t": 1,\n'))
    with pytest.raises(FileFormatError, match=r"all lines are one object.*Make a table of what it holds and give"):
        read_csv(write('{\n "t": 1\n}\n'))


@pytest.mark.parametrize("begins", ["@relation loads\n@attribute v numeric\n\n@DATA\n", "# of it\n\n@data\n"])
def test_rows_below_a_line_of_data_are_not_guessed_at(write, begins):
    path, line = write(begins + "1,2.5\n2,3.5\n"), begins.count("\n")

    with pytest.raises(FileFormatError, match=rf"below '@data' in line {line}, .*skip={line}, names=\[...\]"):
        read_csv(path)
    assert read_csv(path, skip=line, names=["t", "v"]).v.tolist() == [2.5, 3.5]
    assert read_csv(write("# @data\nt,v\n1,2\n"), comment="#").v.tolist() == [2]


def test_an_archive_of_many_files_is_told_how_to_read_them_all(write):
    path = write(b"", "x.zip")
    with zipfile.ZipFile(path, "w") as archive:
        for k in range(2):
            archive.writestr(f"d/{k}.csv", PLAIN)

    with pytest.raises(FileFormatError, match=r"To read many as one table, unpack it, and give a pattern"):
        read_csv(path)
    with zipfile.ZipFile(path) as archive:
        archive.extractall(path.parent)
    assert len(read_csv(path.parent / "d" / "*.csv")) == 4


def test_columns_between_spaces_are_named_where_blank_lines_hide_them(write):
    path = write("Mean numbers of sunspots\n\nyear n\n1700 5\n\n1701 11\n1702 16\n")

    with pytest.raises(FileFormatError, match=r"one column and 2 blank lines .*spaces separate.*separator=r'\\s\+'"):
        read_csv(path)
    with pytest.raises(FileFormatError, match="If the names stand in line 3: skip=2"):
        read_csv(path, separator=r"\s+")
    assert read_csv(path, separator=r"\s+", skip=2).n.tolist() == [5, 11, 16]


def test_lines_of_types_above_the_names_are_left_out_as_the_error_says(write):
    """As InfluxDB annotates what it exports."""
    path = write("#group,false,true,true\n#datatype,string,double,string\n,time,value,host\n,1,2.5,a\n,2,3.5,a\n")

    with pytest.raises(FileFormatError, match=r"2 columns are named 'true'.*left out by comment='#'\.$"):
        read_csv(path)
    assert read_csv(path, comment="#").value.tolist() == [2.5, 3.5]
    with pytest.raises(FileFormatError, match=r"2 columns are named 'v'.* the line of names\.$"):
        read_csv(write("#t,v,v\n1,2,3\n"), columns=["v"])
