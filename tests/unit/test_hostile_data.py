"""Data files made to cost: sizes are compared before memory is taken, and what dies while it reads is a child."""

import os
import struct
import tracemalloc
import zipfile

import netCDF4
import numpy as np
import pandas as pd
import pytest
import xarray as xr

import dgkit as dg
from dgkit import _netcdf, datasets
from dgkit.errors import ConfigError, FileFormatError
from tests.conftest import small_dataset
from tests.unit.test_datasets import release


@pytest.fixture
def peak():
    """Most megabytes that Python and NumPy have held at once since the test began."""
    tracemalloc.start()
    yield lambda: tracemalloc.get_traced_memory()[1] / 1e6
    tracemalloc.stop()


# -- NetCDF


def declaring(path, *shape, kind="f8", **attrs):
    """A small file of one variable that nothing was ever written to."""
    with netCDF4.Dataset(path, "w") as file:
        dims = [f"d{k}" for k in range(len(shape))]
        for dim, size in zip(dims, shape, strict=True):
            file.createDimension(dim, size)
        chunks = None if kind is str else [min(size, 1000 if len(shape) < 3 else 10) for size in shape]
        file.createVariable("views", kind, dims, chunksizes=chunks, zlib=kind is not str).setncatts(attrs)
    return path


@pytest.mark.parametrize(
    ("shape", "kind", "attrs"),
    [
        ((30_000, 10_000), "f8", {}),
        ((10**9,), "i1", {"scale_factor": 0.5}),
        ((10**8,), "i4", {"units": "days since 2000-01-01", "calendar": "noleap"}),
        ((10**4, 10**4, 10**4, 10**4), "f8", {}),
    ],
)
def test_a_small_file_that_declares_much_is_refused_before_memory_is_taken(tmp_path, peak, shape, kind, attrs):
    path = declaring(tmp_path / "x.nc", *shape, kind=kind, **attrs)

    for trusted in (False, True):
        with pytest.raises(FileFormatError, match=r"x\.nc' declares .* MB, over the bound of 134 MB.*max_bytes="):
            _netcdf.read(path, trusted=trusted)

    assert path.stat().st_size < 10**5
    assert peak() < 20


def test_the_bound_can_be_raised(tmp_path):
    path = declaring(tmp_path / "x.nc", 1000, 1000)

    with pytest.raises(FileFormatError, match="max_bytes=8000000"):
        dg.open_dataset(path, max_bytes=10**6)

    assert _netcdf.read(path, max_bytes=8_000_000).views.shape == (1000, 1000)
    with pytest.raises(ConfigError, match="max_bytes=0"):
        dg.open_dataset(path, max_bytes=0)


def test_texts_that_would_be_wide_are_refused(tmp_path, peak):
    values = np.array(["x"] * 2000 + ["y" * 50_000], object)
    xr.Dataset({"name": ("sample", values)}).to_netcdf(tmp_path / "x.nc")

    with pytest.raises(FileFormatError, match="holds texts that as fixed-width strings take 400 MB"):
        _netcdf.read(tmp_path / "x.nc")

    assert peak() < 50


def same(a, b):
    assert a.identical(b)
    assert {name: a[name].dtype for name in a.variables} == {name: b[name].dtype for name in b.variables}
    for name in a.variables:
        assert {key: type(value) for key, value in a[name].attrs.items()} == {
            key: type(value) for key, value in b[name].attrs.items()
        }


@pytest.mark.parametrize("form", ["NETCDF4", "NETCDF3_CLASSIC", "NETCDF3_64BIT"])
def test_what_is_read_is_what_xarray_reads(tmp_path, form):
    ds = small_dataset().assign_coords(time=pd.date_range("2024-01-01", periods=small_dataset().sizes["time"]))
    ds = ds.assign_attrs(title="mine", numbers=np.array([1, 2], "i4"), half=np.float32(0.5))
    ds.to_netcdf(tmp_path / "x.nc", format=form)
    expected = xr.load_dataset(tmp_path / "x.nc")

    for trusted in (False, True):
        found = _netcdf.read(tmp_path / "x.nc", trusted=trusted)
        same(found, _netcdf.texts(expected, 10**9))


def test_groups_are_read_and_missing_ones_named(tmp_path):
    xr.Dataset({"a": ("x", [1.0, 2.0])}).to_netcdf(tmp_path / "x.nc")
    xr.Dataset({"b": 3}).to_netcdf(tmp_path / "x.nc", mode="a", group="check")

    assert _netcdf.read(tmp_path / "x.nc", group="check").b == 3
    with pytest.raises(FileFormatError, match="nowhere"):
        _netcdf.read(tmp_path / "x.nc", group="nowhere")
    with pytest.raises(FileFormatError, match="'a' is no group"):
        _netcdf.read(tmp_path / "x.nc", group="a")


def test_a_refused_file_that_is_overwritten_is_read_as_it_is_now(tmp_path):
    path = tmp_path / "x.nc"
    small_dataset().to_netcdf(path)
    whole = path.read_bytes()

    for k in range(3):
        path.write_bytes(whole[: len(whole) // 2] + bytes(len(whole) - len(whole) // 2))
        with pytest.raises(FileFormatError, match=r"x\.nc"):
            dg.open_dataset(path)
        with open(path, "r+b") as file:  # in place
            file.write(whole)
        assert dg.open_dataset(path).sizes == small_dataset().sizes, k


def test_a_child_that_dies_is_a_refusal(tmp_path, monkeypatch):
    small_dataset().to_netcdf(tmp_path / "x.nc")
    (tmp_path / "dies.py").write_text("import os, signal\nos.kill(os.getpid(), signal.SIGTERM)\n")
    monkeypatch.setattr(_netcdf, "CHILD", str(tmp_path / "dies.py"))

    with pytest.raises(FileFormatError, match="takes too much time or memory"):
        dg.open_dataset(tmp_path / "x.nc")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names here")
@pytest.mark.parametrize("name", ["x.nc", "x.csv"])
def test_a_pipe_is_refused_and_not_waited_for(tmp_path, name):
    os.mkfifo(tmp_path / name)

    with pytest.raises(FileFormatError, match="a pipe or a device"):
        datasets.read_csv(tmp_path / name) if name.endswith("csv") else dg.open_dataset(tmp_path / name)


# -- the original's releases


OUTPUT = b"coutput\nOutput\n)\x81"


def laughs(depth):
    lists = b"]q\x00" + b"".join(b"]q%c(h%ch%ce" % (k, k - 1, k - 1) for k in range(1, depth))
    kind = b"X\x05\x00\x00\x00type_coutput\nOutputType\nX\x08\x00\x00\x00DISCRETE\x85R"
    head = b"\x80\x02" + lists + b"](" + OUTPUT + b"}("
    return head + kind + b"X\x03\x00\x00\x00dimh" + bytes([depth - 1]) + b"ube."


SMALL_BUT_COSTLY = {
    "large memo index": b"\x80\x02]r" + struct.pack("<I", 2**31 - 1) + b".",
    "lists of lists": laughs(100),
    "lists of lists as a name": b"\x80\x02]q\x00]q\x01(h\x00h\x00e" + b"h\x01\x93.",
    "tuples as a key": b"\x80\x02}K\x00" + b"\x86q\x01h\x01".join([b"K\x00"] * 60) + b"K\x01s.",
    "state copied over and over": b"\x80\x02]}q\x00(" + b"".join(b"X\x04\x00\x00\x00%04dN" % k for k in range(9999))
    + b"uq\x01" + (OUTPUT + b"h\x01b0") * 20_000 + b".",
    "one output many times": b"\x80\x02](" + OUTPUT + b"q\x01}(X\x05\x00\x00\x00type_coutput\nOutputType\n"
    b"X\x08\x00\x00\x00DISCRETE\x85RX\x03\x00\x00\x00dimM\xff\xffub" + b"h\x01" * 300_000 + b"e.",
    "a list that holds itself": b"\x80\x02]q\x00h\x00a.",
    "defaults of a function": b"\x80\x02](ccopy_reg\n_reconstructor\n"
    b"N}X\x0c\x00\x00\x00__defaults__K\x01K\x02\x86s\x86bN0e.",
    "a number of many digits": b"I" + b"9" * 500_000 + b"\n.",
    "a long name": b"c" + b"x" * 400_000 + b"\ny\n.",
}  # fmt: skip


@pytest.mark.timeout(20)
@pytest.mark.parametrize("kind", SMALL_BUT_COSTLY)
def test_small_pickles_stay_small_and_so_do_their_messages(tmp_path, peak, kind):
    release(tmp_path)
    (tmp_path / "data_feature_output.pkl").write_bytes(SMALL_BUT_COSTLY[kind])
    before = datasets._reconstructor.__defaults__

    with pytest.raises(FileFormatError, match=r"data_(feature_output\.pkl|train\.npz)") as caught:
        dg.from_npz(tmp_path)

    assert len(str(caught.value)) < 600
    assert peak() < 100
    assert datasets._reconstructor.__defaults__ is before


def test_members_of_an_npz_that_nobody_asked_for_are_not_read(tmp_path, peak):
    release(tmp_path)
    with zipfile.ZipFile(tmp_path / "data_train.npz", "a", zipfile.ZIP_DEFLATED) as archive:
        for k in range(3):
            archive.writestr(f"more_{k}.npy", bytes(2 * 10**7))
        archive.writestr("notes.txt", "no array at all")
    tracemalloc.reset_peak()

    assert dg.from_npz(tmp_path).sizes["sample"] == 4

    assert peak() < 15


def test_an_npz_that_declares_much_is_refused_before_memory_is_taken(tmp_path, peak):
    release(tmp_path)
    head = b"\x93NUMPY\x01\x00" + (118).to_bytes(2, "little")
    head += b"{'descr': '<f4', 'fortran_order': False, 'shape': (5000, 5000, 1), }".ljust(117) + b"\n"
    with zipfile.ZipFile(tmp_path / "data_train.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("data_feature.npy", head + bytes(10**8))
    tracemalloc.reset_peak()

    with pytest.raises(FileFormatError, match=r"data_train\.npz' declares 200 MB, over the bound.*max_bytes=200000000"):
        dg.from_npz(tmp_path)

    assert peak() < 10


def test_a_header_of_an_npz_that_says_it_is_long_is_not_read(tmp_path, peak):
    release(tmp_path)
    with zipfile.ZipFile(tmp_path / "data_train.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("data_feature.npy", b"\x93NUMPY\x02\x00" + struct.pack("<I", 10**8) + bytes(10**8))
    tracemalloc.reset_peak()

    with pytest.raises(FileFormatError, match=r"data_train\.npz"):
        dg.from_npz(tmp_path)

    assert peak() < 10


def test_a_range_of_which_one_end_is_missing_is_no_range(tmp_path):
    release(tmp_path)
    path = tmp_path / "data_train.npz"
    path.write_bytes(path.read_bytes().replace(b"data_feature_min", b"data_feature_mim"))  # a flipped bit of the name

    with pytest.raises(FileFormatError, match="one of data_feature_min and data_feature_max"):
        dg.from_npz(tmp_path)


def test_a_list_of_members_in_which_one_hides_the_next_is_refused(tmp_path):
    release(tmp_path)
    path = tmp_path / "data_train.npz"
    content = bytearray(path.read_bytes())
    entry = content.rfind(b"PK\x01\x02", 0, content.rfind(b"PK\x01\x02"))  # the last but one
    content[entry + 32 : entry + 34] = (len(content) - 22 - entry - 46 - len("data_feature_min.npy")).to_bytes(
        2, "little"
    )
    path.write_bytes(content)  # its comment swallows the last one, data_feature_max

    with pytest.raises(FileFormatError, match="its list of members is damaged"):
        dg.from_npz(tmp_path)


# -- tables


def test_series_of_very_unequal_length_are_refused_before_a_grid_is_made(tmp_path, peak):
    rows = [f"long,{k},1" for k in range(20_000)] + [f"s{k},0,1" for k in range(20_000)]
    (tmp_path / "x.csv").write_text("page,day,views\n" + "\n".join(rows) + "\n", encoding="utf-8")
    arguments = {"sample": "page", "time": "day", "features": ["views"]}

    with pytest.raises(dg.SchemaError, match=r"'long' has 20000 steps.*20001 samples.*3,200 MB.*max_bytes=3200160000"):
        dg.from_csv(tmp_path / "x.csv", **arguments)

    assert peak() < 150
    short = pd.DataFrame({"page": ["a", "a", "b"], "day": [1, 2, 1], "views": 1.0})
    with pytest.raises(dg.SchemaError, match="max_bytes=32"):
        dg.from_table(short, **arguments, max_bytes=20)
    assert dg.from_table(short, **arguments, max_bytes=32).sizes["time"] == 2


def test_one_long_text_among_many_is_refused_before_all_are_as_wide(tmp_path, peak):
    rows = ["x" * 100_000] + ["y"] * 5_000
    (tmp_path / "x.csv").write_text("views,note\n" + "\n".join(f"1,{note}" for note in rows), encoding="utf-8")

    with pytest.raises(dg.SchemaError, match="column 'note' has a text of 100000 characters in line 2"):
        dg.from_csv(tmp_path / "x.csv", features={"views": ["views"]}, attributes=["note"])

    assert peak() < 100
