"""Readers: shipped data, files, tables long and wide, the original release format, and what must not be opened."""

import pickle
import shutil
import socket
import sys
import types
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest
import xarray as xr

import dgkit as dg
from dgkit import datasets
from dgkit.core.encode import Encoder
from dgkit.errors import ConfigError, DgkitError, FileFormatError, SchemaError
from tests.conftest import small_dataset

MBA = Path(__file__).parents[3] / "shared" / "data" / "fcc_mba"
needs_mba = pytest.mark.skipif(not MBA.is_dir(), reason="the real MBA arrays are not beside this checkout")
NAMES = {"features": ["bytes", "loss"], "attributes": ["isp", "technology", "state"]}


@pytest.mark.parametrize("name", ["web", "cluster", "broadband"])
def test_shipped_datasets_open_and_are_valid(name):
    ds = dg.open_dataset(name)

    assert ds.sizes["sample"] >= 2000
    assert len(dg.schema.validate(ds).attributes) >= 2


def test_files_with_text_as_objects_or_bytes_open(tmp_path):
    ds = small_dataset()
    ds.to_netcdf(tmp_path / "chars.nc", encoding={"domain": {"dtype": "S1"}, "state": {"dtype": "S1"}})

    again = dg.open_dataset(tmp_path / "chars.nc")

    assert again.domain.dtype.kind == "U"
    assert (again.domain.values == ds.domain.values).all()
    assert (again.state.values == ds.state.values).all()


def test_what_cannot_be_opened_is_named(tmp_path):
    with pytest.raises(FileFormatError, match="'nothing': it is neither one of 'web'"):
        dg.open_dataset("nothing")
    (tmp_path / "broken.nc").write_bytes(b"CDF\x05 but not really")
    with pytest.raises(FileFormatError, match=r"broken\.nc"):
        dg.open_dataset(tmp_path / "broken.nc")
    xr.Dataset({"x": ("y", [1])}).to_netcdf(tmp_path / "other.nc")
    with pytest.raises(SchemaError, match="'x'"):
        dg.open_dataset(tmp_path / "other.nc")


def test_split_gives_disjoint_parts_that_keep_all_categories():
    ds = small_dataset().assign_coords(sample=np.arange(40))
    ds["domain"] = ("sample", ["rare"] + ["de", "en", "fr"] * 13)

    a, b = dg.split(ds, 0.25, seed=1)

    assert a.sizes["sample"] == 10
    assert sorted([*a.sample.values, *b.sample.values]) == list(range(40))
    assert a.domain.attrs["categories"] == b.domain.attrs["categories"] == ["de", "en", "fr", "rare"]
    assert "categories" not in ds.domain.attrs
    assert a.identical(dg.split(ds, 0.25, seed=1)[0])
    assert not a.identical(dg.split(ds, 0.25, seed=2)[0])


@pytest.mark.parametrize("fraction", [0, 1, -0.5, 2, "half", True, 0.001])
def test_a_fraction_that_leaves_a_part_empty_is_refused(fraction):
    with pytest.raises(ConfigError, match="fraction="):
        dg.split(small_dataset(), fraction)


@pytest.mark.parametrize("stratify", [3, [["domain"]]])
def test_what_is_no_attribute_to_stratify_by_is_refused(stratify):
    with pytest.raises(ConfigError, match=r"^stratify"):
        dg.split(small_dataset(), stratify=stratify)


def fleet(devices=12, days=7):
    """Samples of devices, unlike in number, with a kind that is a device's own."""
    device = np.repeat([f"d{k:02d}" for k in range(devices)], [days + k % 3 for k in range(devices)])
    ds = small_dataset(n=len(device), variable=False)
    kind = np.where(np.isin(device, ["d00", "d05", "d10"]), "core", "edge")
    return ds.assign_coords(device=("sample", device)).assign(kind=("sample", kind))


def test_split_keeps_a_device_whole_and_the_first_part_near_its_share():
    ds = fleet()

    a, b = dg.split(ds, 0.5, seed=3, by="device")

    assert not set(a.device.values) & set(b.device.values)
    assert a.sizes["sample"] + b.sizes["sample"] == ds.sizes["sample"]
    assert abs(a.sizes["sample"] - ds.sizes["sample"] / 2) <= 9 / 2  # half of the largest device
    assert a.identical(dg.split(ds, 0.5, seed=3, by="device")[0])
    assert set(a.device.values) != set(dg.split(ds, 0.5, seed=4, by="device")[0].device.values)


def test_split_by_the_series_of_windows_leaves_no_series_in_both_parts():
    ds = dg.datasets.windows(small_dataset(variable=False), 4)

    a, b = dg.split(ds, 0.7, by="series")

    assert not set(a.series.values) & set(b.series.values)


@pytest.mark.parametrize("fraction", [0.1, 0.5, 0.77])
def test_split_keeps_the_share_of_each_combination(fraction):
    ds = dg.open_dataset("web")

    a, _ = dg.split(ds, fraction, stratify=["domain", "access"])

    count = lambda part: part[["domain", "access"]].to_dataframe().value_counts()  # noqa: E731
    both = pd.concat([count(ds), count(a)], axis=1).fillna(0).to_numpy()
    assert a.sizes["sample"] == round(fraction * 3000)
    assert (abs(both[:, 1] - fraction * both[:, 0]) <= 1).all()


def test_split_puts_a_rare_kind_of_device_in_both_parts():
    ds = fleet()  # 3 of 12 devices are core

    for seed in range(5):
        a, b = dg.split(ds, 0.9, seed=seed, by="device", stratify="kind")

        assert set(a.kind.values) == set(b.kind.values) == {"core", "edge"}
        assert not set(a.device.values) & set(b.device.values)


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ({"by": "router"}, "by='router' is no attribute and no coordinate of the samples; there are .*'device'"),
        ({"by": 3}, "by=3 is no attribute"),
        ({"by": "cpu"}, "by='cpu' is no attribute"),
        ({"by": "site"}, "site has 1 site, which cannot be in both parts"),
        ({"by": "rack"}, "by='rack': 2 samples have none, the first sample 4"),
        ({"stratify": "spare"}, "spare 'yes' has 1 sample, which cannot be in both parts"),
        ({"stratify": ["kind", "spare"]}, "kind and spare 'edge', 'yes' has 1 sample"),
        ({"stratify": "weight"}, "stratify='weight' is an attribute of numbers.*np.where"),
        ({"by": "device", "stratify": "spare"}, "the samples of 'd01' differ in spare"),
    ],
)
def test_a_split_that_cannot_be_names_the_way_out(wanted, message):
    ds = fleet()
    n = ds.sizes["sample"]
    ds = ds.assign_coords(
        site=("sample", np.full(n, "here")), rack=("sample", np.where(np.arange(n) // 2 == 2, "", "r"))
    )
    ds["spare"] = "sample", np.where(np.arange(n) == 10, "yes", "no")
    ds["weight"] = "sample", np.linspace(0, 1, n)

    with pytest.raises(ConfigError, match=message):
        dg.split(ds, 0.5, **wanted)


def long_table():
    rows = [
        ("b", 3, 1.0, "x", True, "de", 5.0), ("a", 2, 2.0, "y", True, "en", 6.0), ("b", 1, 3.0, "y", True, "de", 5.0),
        ("a", 1, 4.0, "x", True, "en", 6.0), ("b", 2, 5.0, "x", True, "de", 5.0), ("c", 7, 6.0, "z", False, "de", 7.0),
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=["page", "day", "views", "state", "human", "domain", "age"])


ARGUMENTS = {"sample": "page", "time": "day", "features": ["views", "state"], "attributes": ["human", "domain", "age"]}


@pytest.mark.parametrize("frame", [lambda df: df, lambda df: pl.DataFrame(df.to_dict("list"))])
def test_long_tables_become_series_in_order_of_time(frame):
    ds = dg.from_table(frame(long_table()), **ARGUMENTS, units={"views": "views/day"})

    assert ds.sample.values.tolist() == ["b", "a", "c"]
    assert ds.length.values.tolist() == [3, 2, 1]
    np.testing.assert_array_equal(ds.views, [[3, 5, 1], [4, 2, np.nan], [6, np.nan, np.nan]])
    assert ds.state.values.tolist() == [["y", "x", "x"], ["x", "y", ""], ["z", "", ""]]
    assert ds.human.values.tolist() == [True, True, False]
    assert ds.domain.values.tolist() == ["de", "en", "de"]
    assert ds.views.attrs["units"] == "views/day"
    dg.schema.validate(ds)


def test_a_common_grid_of_dates_is_kept_as_the_time_coordinate():
    days = pd.date_range("2024-01-01", periods=3)
    table = pd.DataFrame({"page": list("aaabbb"), "day": [*days, *days[::-1]], "views": np.arange(6.0)})

    ds = dg.from_table(table, sample="page", time="day", features=["views"])

    assert "length" not in ds
    assert (ds.time.values == days.values).all()
    np.testing.assert_array_equal(ds.views, [[0, 1, 2], [5, 4, 3]])


def test_wide_tables_have_a_row_a_sample():
    table = pd.DataFrame({"home": ["h1", "h2"], "t0": [1.0, 2.0], "t1": [3.0, 4.0], "isp": ["x", "y"]})

    ds = dg.from_table(table, sample="home", features={"bytes": ["t0", "t1"]}, attributes=["isp"])

    np.testing.assert_array_equal(ds.bytes, [[1, 3], [2, 4]])
    assert ds.isp.values.tolist() == ["x", "y"]


TABLES = {
    "no column": (lambda df: df, {"features": ["visits"]}, "no column 'visits'"),
    "no feature": (lambda df: df, {"features": []}, "no feature"),
    "duplicate": (lambda df: pd.concat([df, df.iloc[:1]]), {}, "'day': sample 'b' has two rows for 3"),
    "changing attribute": (lambda df: df.assign(age=np.arange(6.0)), {}, "'age' has more than one value in sample"),
    "missing": (
        lambda df: df.assign(views=[1, None, 3, 4, 5, 6]),
        {},
        "'views' has 1 missing values, the first in row 1",
    ),
    "mixed": (lambda df: df.assign(state=["x", 1, "y", "z", "x", "y"]), {}, "'state' holds 1 among text"),
    "lists": (lambda df: df.assign(views=[[1]] * 6), {}, "'views'"),
    "empty": (lambda df: df.iloc[:0], {}, "no rows"),
    "same name": (lambda df: df, {"attributes": ["views"]}, "'views' is named twice"),
    "columns twice": (lambda df: df.rename(columns={"age": "views"}), {"attributes": []}, "'views' 2 times"),
    "not a table": (lambda df: {"page": 1}, {}, "not dict"),
    "wide and long": (lambda df: df, {"features": {"views": ["views"]}}, "time='day' goes with a long table"),
}


@pytest.mark.parametrize("case", TABLES)
def test_tables_that_cannot_be_read_are_refused_by_column(case):
    change, arguments, message = TABLES[case]

    with pytest.raises(SchemaError, match=message):
        dg.from_table(change(long_table()), **{**ARGUMENTS, **arguments})


# -- the original release format: a folder written as its authors' code would


def write_release(folder, *, feature, attribute, flag, feature_outputs, attribute_outputs, protocol=2, **extra):
    np.savez(folder / "data_train.npz", data_feature=feature, data_attribute=attribute, data_gen_flag=flag, **extra)
    for role, outputs in (("feature", feature_outputs), ("attribute", attribute_outputs)):
        (folder / f"data_{role}_output.pkl").write_bytes(pickled(outputs, protocol))


def pickled(outputs, protocol=2):
    """As the original pickles them: instances of `output.Output` with enum members, module name `output`."""
    from enum import Enum

    module = types.ModuleType("output")
    source = {"OutputType": ("DISCRETE", "CONTINUOUS"), "Normalization": ("ZERO_ONE", "MINUSONE_ONE")}
    for name, members in source.items():
        setattr(module, name, Enum(name, {member: member for member in members}, module="output"))
    module.Output = type("Output", (), {"__module__": "output"})
    sys.modules["output"] = module
    try:
        items = []
        for kind, dim, scale in outputs:
            item = module.Output()
            item.type_, item.dim, item.is_gen_flag = module.OutputType(kind), dim, False
            item.normalization = module.Normalization(scale) if scale else None
            items.append(item)
        return pickle.dumps(items, protocol)
    finally:
        del sys.modules["output"]


def release(folder, **changes):
    rng = np.random.default_rng(0)
    length = np.array([5, 3, 5, 1])
    flag = (np.arange(5) < length[:, None]).astype(np.float32)
    level = rng.random((4, 5, 2)).astype(np.float32) * flag[..., None]
    state = np.eye(3, dtype=np.float32)[rng.integers(0, 3, (4, 5))] * flag[..., None]
    parts = {
        "feature": np.concatenate([level * [2, 1] - [1, 0] * flag[..., None], state], 2).astype(np.float32),
        "attribute": np.eye(12, dtype=np.float32)[[0, 11, 3, 0]],
        "flag": flag,
        "feature_outputs": [("CONTINUOUS", 1, "MINUSONE_ONE"), ("CONTINUOUS", 1, "ZERO_ONE"), ("DISCRETE", 3, None)],
        "attribute_outputs": [("DISCRETE", 12, None)],
        "data_feature_min": np.array([100, 0], np.float32),
        "data_feature_max": np.array([300, 1], np.float32),
    }
    write_release(folder, **{**parts, **changes})
    return parts, length


@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_release_folders_are_read_and_brought_back_to_raw_values(tmp_path, protocol):
    parts, length = release(tmp_path, protocol=protocol)

    ds = dg.from_npz(tmp_path)

    assert ds.length.values.tolist() == length.tolist()
    for i, n in enumerate(length):
        np.testing.assert_allclose(ds.feature_0[i, :n], 100 + 200 * (parts["feature"][i, :n, 0] + 1) / 2, rtol=1e-6)
        np.testing.assert_allclose(ds.feature_1[i, :n], parts["feature"][i, :n, 1], rtol=1e-6)
        assert ds.feature_2.values[i, :n].tolist() == [str(k) for k in parts["feature"][i, :n, 2:].argmax(1)]
        assert bool(ds.feature_0[i, n:].isnull().all())
    assert ds.attribute_0.values.tolist() == ["00", "11", "03", "00"]
    assert ds.attribute_0.attrs["categories"] == [f"{k:02d}" for k in range(12)]


def test_a_release_is_scaled_as_it_was_and_by_the_range_of_all_its_data(tmp_path):
    parts, length = release(tmp_path)
    ds = dg.from_npz(tmp_path)
    half = ds.isel(sample=[1, 2])

    encoder = Encoder.fit(half, auto_normalise=False)
    encoded = encoder.encode(half).features

    assert {k: ds.feature_0.attrs[k] for k in ("normalise", "valid_min", "valid_max")} == {
        "normalise": "minusone_one",
        "valid_min": 100.0,
        "valid_max": 300.0,
    }
    assert [head.activation for head in encoder.feature_heads] == ["tanh", "sigmoid", "softmax", "softmax"]
    for row, k in zip(encoded, (1, 2), strict=True):
        np.testing.assert_allclose(row[: length[k], :2], parts["feature"][k, : length[k], :2], atol=1e-6)
    model = dg.DoppelGANger(encoder, dg.Config(lstm_units=4, auto_normalise=False))
    fake = model.sample(20)
    assert fake.feature_0.attrs == ds.feature_0.attrs
    assert float(fake.feature_0.min()) >= 100 and float(fake.feature_0.max()) <= 300


def test_a_release_that_tells_no_range_is_scaled_by_that_of_its_activation(tmp_path):
    release(tmp_path)
    path = tmp_path / "data_train.npz"
    with np.load(path) as file:
        kept = {key: file[key] for key in file.files if key not in ("data_feature_min", "data_feature_max")}
    np.savez(path, **kept)

    ds = dg.from_npz(tmp_path, names={"features": [("a", {"units": "W", "valid_max": 2.0}), "b", "c"]})

    assert (ds.a.attrs["valid_min"], ds.a.attrs["valid_max"]) == (-1, 2)  # names' attrs win
    assert (ds.b.attrs["valid_min"], ds.b.attrs["valid_max"], ds.b.attrs["normalise"]) == (0, 1, "zero_one")
    kept["data_feature"] = kept["data_feature"] * np.where(np.arange(5) == 1, 1.5, 1).astype("f4")
    np.savez(path, **kept)
    assert "valid_max" not in dg.from_npz(tmp_path).feature_1.attrs  # 1.5 is no value that the release scaled to 0 to 1


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"flag": np.array([[1, 0, 1, 0, 0]] * 4)}, "data_gen_flag must be ones up to"),
        ({"flag": np.zeros((4, 5))}, "data_gen_flag"),
        ({"feature_outputs": [("CONTINUOUS", 4, "ZERO_ONE")]}, r"data_feature has shape \(4, 5, 5\)"),
        ({"attribute": np.full((4, 12), 0.3)}, "'attribute_0' is described as categories"),
        ({"feature": np.full((4, 5, 5), np.nan)}, "data_feature has NaN"),
        ({"data_feature_min": np.array([1.0])}, "data_feature_min"),
        ({"attribute": np.array(["a"] * 4)}, "holds <U1, not numbers"),
        ({"feature_outputs": [("CONTINUOUS", -1, "ZERO_ONE")]}, "data_feature_output.pkl"),
    ],
)
def test_release_folders_that_do_not_fit_are_refused(tmp_path, changes, message):
    release(tmp_path, **changes)

    with pytest.raises(FileFormatError, match=message):
        dg.from_npz(tmp_path)


class Reduces:
    def __init__(self, function, *arguments):
        self.function, self.arguments = function, arguments

    def __reduce__(self):
        return self.function, self.arguments


def hostile(marker):
    import os
    import subprocess

    write = f"open({str(marker)!r}, 'w').write('x')"
    return {
        "system": pickle.dumps(Reduces(os.system, f"touch {marker}")),
        "eval": pickle.dumps(Reduces(eval, write)),
        "exec nested": pickle.dumps([[1, {"a": Reduces(exec, write)}]]),
        "popen": pickle.dumps(Reduces(subprocess.Popen, ["touch", str(marker)])),
        "getattr": pickle.dumps(Reduces(getattr, "x", "join")),
        "allowed class, odd state": b"coutput\nOutput\n)R}(S'__class__'\nI1\nS'__reduce__'\nI2\nub.",
        "reconstructs another class": b"ccopy_reg\n_reconstructor\n(c__builtin__\nobject\nc__builtin__\nobject\nNtR.",
        "persistent id": b"Pos.system\n.",
        "extension": b"\x80\x02\x82\x01.",
        "memo bomb": b"\x80\x02" + b"]" + b"(2" * 40 + b".",
        "dotted name": b"\x80\x04\x8c\x06output\x8c\x0fOutput.__init__\x93.",
    }


@pytest.mark.parametrize("kind", hostile(Path("x")))
def test_hostile_pickles_are_refused_and_nothing_in_them_runs(tmp_path, kind):
    release(tmp_path)
    marker = tmp_path / "marker"
    (tmp_path / "data_feature_output.pkl").write_bytes(hostile(marker)[kind])

    with pytest.raises(FileFormatError, match=r"data_feature_output\.pkl"):
        dg.from_npz(tmp_path)

    assert not marker.exists()


def test_a_release_that_is_damaged_or_cut_says_what_to_do(tmp_path):
    release(tmp_path)
    train, described = tmp_path / "data_train.npz", tmp_path / "data_feature_output.pkl"
    whole = train.read_bytes()

    for content, message in (
        (whole[: len(whole) // 2], "is an npz file that ends too early.*Fetch or copy it again"),
        (whole.replace(b"PK\1\2", b"PK\1\7"), "is an npz file, but damaged. Fetch or copy it again"),
    ):
        train.write_bytes(content)
        with pytest.raises(FileFormatError, match=message):
            dg.from_npz(tmp_path)

    train.write_bytes(whole)
    described.write_bytes(described.read_bytes()[:-9])
    with pytest.raises(FileFormatError, match=r"is not a description of outputs: .*\. Fetch or copy it again"):
        dg.from_npz(tmp_path)


def test_a_pickle_inside_the_npz_is_refused_and_does_not_run(tmp_path):
    marker = tmp_path / "marker"
    release(tmp_path)
    payload = np.array([Reduces(eval, f"open({str(marker)!r}, 'w')")], dtype=object)
    np.savez(tmp_path / "data_train.npz", data_feature=payload, data_attribute=payload, data_gen_flag=payload)

    with pytest.raises(FileFormatError, match=r"data_train\.npz"):
        dg.from_npz(tmp_path)

    assert not marker.exists()


def test_an_array_that_declares_more_than_it_holds_is_refused(tmp_path):
    import zipfile

    release(tmp_path)
    header = b"\x93NUMPY\x01\x00" + (118).to_bytes(2, "little")
    text = "{'descr': '<f8', 'fortran_order': False, 'shape': (10000000000000, 5, 5), }"
    with zipfile.ZipFile(tmp_path / "data_train.npz", "w") as archive:
        archive.writestr("data_feature.npy", header + text.ljust(117).encode() + b"\n")

    with pytest.raises(FileFormatError, match="declares more than it holds"):
        dg.from_npz(tmp_path)


@needs_mba
def test_the_papers_own_mba_arrays_are_read():
    ds = dg.from_npz(MBA, names=NAMES)

    assert dict(ds.sizes) == {"sample": 600, "time": 56}
    assert "length" not in ds
    assert [len(v.categories) for v in dg.schema.validate(ds).attributes] == [15, 5, 53]
    assert 2e6 < float(ds.bytes.min()) < float(ds.bytes.max()) < 6.2e9
    with np.load(MBA / "data_train.npz") as file:
        np.testing.assert_allclose(
            ds.bytes, file["data_feature"][..., 0] * (6.1297976e9 - 2.079777e6) + 2.079777e6, rtol=1e-5
        )
    test = dg.from_npz(MBA, part="test", names=NAMES)
    assert test.sizes["sample"] == 139
    assert np.concatenate([ds.loss == 0, test.loss == 0]).mean() == pytest.approx(0.983, abs=0.0005)


@needs_mba
def test_fetched_mba_is_read_from_the_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("DGKIT_CACHE", str(tmp_path))
    shutil.copytree(MBA, tmp_path / "fcc_mba")

    ds = dg.open_dataset("mba")

    assert ds.traffic_bytes.attrs["units"] == "byte"
    assert list(dg.schema.validate(ds).attributes[2].categories)[:2] == ["00", "01"]


def test_mba_without_a_network_names_the_simulated_stand_in(tmp_path, monkeypatch):
    monkeypatch.setenv("DGKIT_CACHE", str(tmp_path))

    def refuse(*_, **__):
        raise OSError("no network")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    with pytest.raises(DgkitError, match=r'open_dataset\("broadband"\) is the simulated stand-in'):
        dg.open_dataset("mba")


@pytest.mark.parametrize("name", ["wwt", "gcut"])
def test_sets_that_are_not_here_say_where_they_are_to_be_had_and_under_which_licence(tmp_path, monkeypatch, name):
    monkeypatch.setenv("DGKIT_CACHE", str(tmp_path))

    with pytest.raises(DgkitError, match=r"github\.com/fjxmlzn/DoppelGANger.*licence.*CC.*open_dataset\('folder'\)"):
        dg.open_dataset(name)


@needs_mba
def test_a_folder_of_the_release_is_opened_and_its_variables_are_named():
    ds = dg.open_dataset(MBA)

    assert {"traffic_bytes", "ping_loss", "isp", "technology", "state"} == set(ds.data_vars)


@pytest.mark.parametrize(
    ("name", "features", "widths", "found"),
    [
        ("wwt", [("CONTINUOUS", 1, "MINUSONE_ONE")], [9, 3, 2], {"views", "domain", "access", "agent"}),
        ("gcut", [("CONTINUOUS", 9, "ZERO_ONE")], [4], {*(f"feature_{k}" for k in range(9)), "end_event"}),
    ],
)
def test_releases_of_the_papers_other_sets_are_known_by_their_columns(
    tmp_path, monkeypatch, name, features, widths, found
):
    monkeypatch.setenv("DGKIT_CACHE", str(tmp_path))
    random, folder = np.random.default_rng(0), tmp_path / name
    folder.mkdir()
    codes = np.stack([np.arange(36) % width for width in widths], 1)
    write_release(
        folder,
        feature=random.random((36, 6, features[0][1])).astype(np.float32),
        attribute=np.concatenate([np.eye(w, dtype=np.float32)[c] for w, c in zip(widths, codes.T, strict=True)], 1),
        flag=np.ones((36, 6), np.float32),
        feature_outputs=features,
        attribute_outputs=[("DISCRETE", width, None) for width in widths],
    )

    ds = dg.open_dataset(name)

    assert set(ds.data_vars) == found and ds.identical(dg.open_dataset(folder))
    if name == "wwt":
        assert ds.domain.values[:2].tolist() == ["commons.wikimedia.org", "de.wikipedia.org"]
        assert ds.agent.values[:2].tolist() == ["all-agents", "spider"]


def kaggle_file(path):
    days = [f"{day:%Y-%m-%d}" for day in pd.date_range("2015-07-01", periods=20)]
    names = [
        f"Title_{k}_{domain}.wikipedia.org_{access}_{agent}"
        for k in range(10)
        for domain in ("de", "en")
        for access, agent in (("desktop", "all-agents"), ("all-access", "spider"))
    ]
    views = np.random.default_rng(0).integers(10, 1000, (len(names), len(days))).astype(float)
    views[3, 4] = np.nan
    views[5] = np.nan
    pd.DataFrame(views, columns=days).set_axis(names).rename_axis("Page").to_csv(path)
    return views


@pytest.mark.parametrize("file", ["train_1.csv", "train_1.csv.gz"])
def test_kaggles_file_is_read_in_one_call_and_pages_with_gaps_are_left_out(tmp_path, file):
    views = kaggle_file(tmp_path / file)

    ds = dg.open_dataset(tmp_path / file)

    np.testing.assert_array_equal(ds.views, np.delete(views, [3, 5], axis=0))
    assert ds.domain.values[:3].tolist() == ["de.wikipedia.org"] * 2 + ["en.wikipedia.org"]
    assert ds.views.attrs["scale"] == "log" and "1 pages with gaps" in ds.attrs["note"]


def test_another_table_is_refused_with_what_reads_it(tmp_path):
    (tmp_path / "mine.csv").write_text("a,b\n1,2\n3,4\n")

    with pytest.raises(SchemaError, match=r"is not Kaggle's train_1\.csv.*use from_csv"):
        dg.open_dataset(tmp_path / "mine.csv")


def test_the_pinned_files_are_those_of_one_commit():
    assert datasets._MBA_SOURCE.count(datasets._MBA_COMMIT) == 1
    assert all(value.startswith("sha256:") and len(value) == 71 for value in datasets._MBA_FILES.values())


@pytest.mark.parametrize("kind", [np.int16, np.float64])
def test_bounds_of_a_packed_variable_are_in_units_whichever_way_they_were_written(tmp_path, kind):
    low, high = (-20_000, 25_000) if kind is np.int16 else (260.0, 305.0)
    warm = np.random.default_rng(0).uniform(270, 300, (6, 4))
    ds = xr.Dataset({"temp": (("sample", "time"), warm, {"valid_min": kind(low), "valid_max": kind(high)})})
    packing = {"dtype": "i2", "scale_factor": 0.001, "add_offset": 280.0, "_FillValue": -32768}
    ds.to_netcdf(tmp_path / "packed.nc", encoding={"temp": packing})

    attrs = dg.open_dataset(tmp_path / "packed.nc").temp.attrs
    assert (attrs["valid_min"], attrs["valid_max"]) == (260, 305)


@pytest.mark.parametrize(("bound", "packing"), [(200, True), (200, False), (200.0, True)])
def test_a_packed_variables_whole_bound_in_a_zarr_store_is_asked_about(tmp_path, monkeypatch, bound, packing):
    """zarr itself is no dependency: xarray reads here what it would read of such a store."""
    ds = xr.Dataset({"load": (("sample", "time"), [[100.0, 150.0]], {"valid_max": bound})})
    ds["load"].encoding = {"scale_factor": 100.0} if packing else {}
    monkeypatch.setattr(xr, "open_dataset", lambda *_, **__: ds)

    if packing and isinstance(bound, int):
        with pytest.raises(SchemaError, match=r"does not say whether valid_max 200 .*\['valid_max'\] = 200\.0"):
            dg.open_dataset(tmp_path)
    else:
        assert dg.open_dataset(tmp_path)["load"].attrs["valid_max"] == bound


def test_codes_with_meanings_are_read_as_words(tmp_path):
    flags = {"flag_values": np.array([0, 1, 2], np.int8), "flag_meanings": "fibre cable dsl"}
    kind = np.array([2, 0, 0, 2], np.int8)
    ds = xr.Dataset({"x": (("sample", "time"), np.ones((4, 3))), "kind": ("sample", kind, flags)})
    ds.to_netcdf(tmp_path / "flags.nc")

    read = dg.open_dataset(tmp_path / "flags.nc").kind
    assert (
        read.values.tolist() == ["dsl", "fibre", "fibre", "dsl"]
        and read.attrs["categories"] == flags["flag_meanings"].split()
    )
    for wrong, says in (
        ({"flag_meanings": "fibre cable"}, "no word for 2"),
        ({"flag_values": np.array([0, 1, 3], np.int8)}, "no word for 2"),
        ({"flag_meanings": "fibre cable dsl satellite"}, "4 words for 3 codes"),
    ):
        ds.kind.attrs.update(flags | wrong)
        ds.to_netcdf(tmp_path / "wrong.nc")
        with pytest.raises(SchemaError, match=f"the codes of 'kind' have {says}"):
            dg.open_dataset(tmp_path / "wrong.nc")


@pytest.mark.parametrize("packing", [{}, {"dtype": "i2", "scale_factor": 0.5, "add_offset": 200.0}])
def test_a_valid_range_is_both_bounds(tmp_path, packing):
    bounds = np.array([120, 210], np.int16) if packing else np.array([260.0, 305.0])
    warm = np.linspace(270, 300, 20).reshape(4, 5)
    xr.Dataset({"temp": (("sample", "time"), warm, {"valid_range": bounds})}).to_netcdf(
        tmp_path / "x.nc", encoding={"temp": packing}
    )

    attrs = dg.open_dataset(tmp_path / "x.nc").temp.attrs

    assert (attrs["valid_min"], attrs["valid_max"]) == (260, 305) and "valid_range" not in attrs


def test_a_file_that_is_no_dataset_yet_is_mended_by_lines_that_open_it(tmp_path):
    path = tmp_path / "x.nc"
    xr.Dataset({"temp": (("station", "time"), np.arange(20.0).reshape(4, 5) ** 1.5)}).to_netcdf(path)

    with pytest.raises(SchemaError) as error:
        dg.open_dataset(path)
    lines = str(error.value).partition("Mend: ")[2].partition(", or")[0]
    scope = {"xarray": xr}
    exec(lines, scope)

    assert dg.schema.validate(scope["ds"])
