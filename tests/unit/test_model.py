"""Sampling, given attributes, and files that stay whole."""

import errno
import json
import os
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
import xarray as xr
from safetensors.torch import save_file

import dgkit as dg
from dgkit import _files
from dgkit.errors import ConfigError, FileFormatError, SchemaError
from tests.conftest import peak, small_dataset


@pytest.fixture(scope="module")
def model():
    config = dg.Config(steps=30, sample_len=5, batch_size=16, lstm_units=12)
    return dg.fit(small_dataset(), config, progress=False)


def test_samples_have_the_schema_of_the_training_data(model):
    real, fake = small_dataset(), model.sample(25, seed=1)

    assert fake.sizes == {"sample": 25, "time": 12}
    for name in real.drop_vars("length").data_vars:
        assert fake[name].dtype.kind == real[name].dtype.kind and fake[name].dims == real[name].dims
        assert {k: v for k, v in fake[name].attrs.items() if k != "categories"} == real[name].attrs
    dg.schema.validate(fake, training=False)
    assert int(fake.length.min()) >= 1 and int(fake.length.max()) <= 12


def test_sampling_is_set_by_its_seed_and_independent_of_batches(model):
    assert model.sample(5, seed=1).equals(model.sample(5, seed=1))
    assert not model.sample(5, seed=1).equals(model.sample(5, seed=2))
    assert model.sample(2500, seed=1).sizes["sample"] == 2500


def test_batched_sampling_equals_one_pass(model):
    with torch.no_grad():
        whole = model.generator(model.generator.draw(2500, torch.Generator().manual_seed(4)))
    fake = model.sample(2500, seed=4)

    np.testing.assert_array_equal(fake.length, whole.lengths.clamp(max=12))


def test_memory_of_sampling_is_that_of_the_result(model):
    needed, fake = peak(lambda: model.sample(20_000, seed=4))

    assert fake.sizes["sample"] == 20_000
    assert needed < 1.5 * fake.nbytes


def test_given_attributes_come_back_row_by_row(model):
    rows = small_dataset(seed=3).isel(sample=slice(0, 10))

    fake = model.sample(attributes=rows)

    for name in ("domain", "spider"):
        assert (fake[name].values == rows[name].values).all()
    np.testing.assert_allclose(fake["size"], rows["size"], atol=1e-5)
    same = model.sample(6, attributes={"domain": "en", "spider": True, "size": 0.5})
    assert set(same.domain.values.tolist()) == {"en"} and same.spider.values.all()


def test_fixed_length_fills_every_series(model):
    fake = model.sample(20, fixed_length=True)

    assert (fake.length == 12).all() and bool(fake.views.notnull().all())


def test_data_without_length_gives_full_series(tiny_config):
    fake = dg.fit(small_dataset(variable=False), tiny_config, progress=False).sample(9)

    assert "length" not in fake and bool(fake.views.notnull().all())


def test_data_without_length_sampled_by_their_flags_have_one(tiny_config):
    model = dg.fit(small_dataset(variable=False), tiny_config, progress=False)
    noise = model.generator.draw(50, torch.Generator().manual_seed(2))
    with torch.no_grad():
        expected = model.generator(noise).lengths.clamp(max=12)

    fake = model.sample(50, seed=2, fixed_length=False)

    assert 1 <= int(fake.length.min()) < 12  # a model of four steps does not know yet that none ends early
    np.testing.assert_array_equal(fake.length, expected)
    past = np.arange(12) >= fake.length.values[:, None]
    assert (np.isnan(fake.views.values) == past).all() and ((fake.state.values == "") == past).all()
    assert dg.schema.validate(fake, training=False).variable_length


GIVEN = {
    "AS numbers": np.random.default_rng(0).integers(4_200_000_000, 4_294_967_295, 30),
    "no limit, int64": np.array([0, 2**63 - 1] * 15),
    "no limit, uint64": np.array([0, 2**64 - 1] * 15, np.uint64),
    "all of int64": np.array([-(2**63), 2**63 - 1, 2**53 + 1] * 10),
    "prices": np.round(np.random.default_rng(0).random(30) * 1e6, 2),
    "float32": np.random.default_rng(0).random(30, np.float32),
    "another byte order": np.random.default_rng(0).random(30).astype(">f8"),
    "int8": np.arange(-15, 15, dtype=np.int8),
    "text": np.array(["a", "bc", "def"] * 10),
    "wide text": np.array(["a", "bc", "def"] * 10, "<U20"),
    "truth": np.arange(30) % 2 == 0,
}


@pytest.mark.parametrize("case", GIVEN)
def test_given_attributes_come_back_bit_for_bit(case, tiny_config):
    given, rng = GIVEN[case], np.random.default_rng(0)
    ds = xr.Dataset({"x": (("sample", "time"), rng.random((30, 10))), "a": ("sample", given, {"units": "1"})})
    model = dg.fit(ds, replace(tiny_config, steps=1), progress=False)
    rows = ds.isel(sample=[3, 3, 17, 0]).assign_coords(sample=["p", "q", "r", "s"], colour=("sample", [1, 2, 3, 4]))

    for asked in (rows, rows[["a"]].chunk(sample=2)):
        fake = model.sample(attributes=asked)

        assert fake.a.dtype == given.dtype and fake.a.values.tobytes() == given[[3, 3, 17, 0]].tobytes()
        assert fake.a.attrs["units"] == "1"
        assert fake["sample"].values.tolist() == ["p", "q", "r", "s"] and set(fake.coords) == {"sample"}
    made = model.sample(20)
    assert made.a.dtype.kind == given.dtype.kind
    if given.dtype.kind in "iuf":
        assert given.min() <= made.a.values.min() and made.a.values.max() <= given.max()  # no turning over
        again = model.sample(attributes=made)  # what it makes, it can be asked for
        assert (again.a.values == made.a.values).all()


def test_one_value_for_all_is_of_the_schema_where_that_changes_nothing(model):
    small = model.sample(3, attributes={"domain": "en", "spider": 1, "size": np.float32(0.5)})
    large = model.sample(3, attributes={"domain": np.array(["en", "de", "fr"], object), "spider": True, "size": 0.1})

    assert (small.spider.dtype, small["size"].dtype, small.domain.dtype) == (bool, np.float64, "<U2")
    assert large["size"].values.tolist() == [0.1] * 3 and large.domain.values.tolist() == ["en", "de", "fr"]
    assert dg.schema.validate(large, training=False).attributes == dg.schema.validate(small_dataset()).attributes


def test_an_exact_value_is_kept_where_the_training_data_were_coarser(tiny_config):
    ds = small_dataset().assign(size=lambda ds: ds["size"].astype(np.float32), domain=("sample", np.arange(40)))
    model = dg.fit(ds, replace(tiny_config, steps=1), progress=False)

    fake = model.sample(2, attributes={"size": 0.1, "domain": 7, "spider": False})

    assert fake["size"].values.tolist() == [0.1, 0.1] and fake.domain.dtype == np.int64


@pytest.mark.parametrize("value", [np.nan, np.inf, -0.01, 1.01, 50])
def test_an_attribute_that_no_model_could_answer_is_refused_with_the_range(model, value):
    ds = small_dataset()
    low, high = float(ds["size"].min()), float(ds["size"].max())
    rows = ds.isel(sample=slice(0, 6)).assign(size=("sample", [low, high, value, low, value, high]))

    for attributes, n in ((rows, None), ({"domain": "de", "spider": True, "size": value}, 3)):
        with pytest.raises(
            SchemaError, match=rf"'size' is {value:g} at sample \d.*the range {low:.10g} to {high:.10g}"
        ):
            model.sample(n, attributes=attributes)
    inside = rows.isel(sample=[0, 1])
    assert model.sample(attributes=inside)["size"].values.tolist() == [low, high]


def test_attributes_of_another_kind_are_named_as_what_they_are(model):
    date = np.datetime64("2024-01-01", "ns")
    rows = small_dataset()[["domain", "spider", "size"]]
    table = pd.DataFrame({name: rows[name].values for name in rows})

    for size, kind in ((date, "date"), (date - date, "duration")):
        for n, asked in (
            (2, {"domain": "de", "spider": True, "size": size}),
            (None, rows.assign(size=("sample", [size] * 40))),
        ):
            with pytest.raises(
                SchemaError, match=rf"'size' is a {kind} .*64\[ns\]\); the model was trained on numbers"
            ):
                model.sample(n, attributes=asked)
    with pytest.raises(SchemaError, match=r"'domain' has the value 'zz', which is none of .*'de', 'en'"):
        model.sample(attributes=rows.assign(domain=("sample", ["zz"] * 40)))
    with pytest.raises(SchemaError, match=r"is a DataFrame, .*Of a pandas table: df.rename_axis\('sample'\).to_xarray"):
        model.sample(attributes=table)
    asked = model.sample(attributes=table.rename_axis("sample").to_xarray())  # as the error says
    assert asked.domain.values.tolist() == rows.domain.values.tolist()


@pytest.mark.parametrize("beyond", [2**63, 2**40, -1])
def test_whole_numbers_out_of_range_are_refused(beyond, tiny_config):
    ds = small_dataset().assign(size=("sample", np.arange(40, dtype=np.uint64)))
    model = dg.fit(ds, replace(tiny_config, steps=1), progress=False)

    with pytest.raises(SchemaError, match="not in the range 0 to 39"):
        model.sample(2, attributes={"domain": "de", "spider": True, "size": beyond})


@pytest.mark.parametrize(
    "change, message",
    [
        ({"colour": 3}, r"attributes\['colour'\] is no attribute; the model has 'domain', 'spider', 'size'"),
        ({"domain": ["de", "en"]}, r"attributes\['domain'\] has the shape \(2,\)"),
        ({"size": "0.5"}, r"'size' has dtype <U3; the model was trained on numbers"),
        ({"size": 0.5 + 0j}, "'size' has dtype complex128"),
        ({"size": None}, "'size' has dtype object"),
        ({"size": np.datetime64("2024-01-01")}, "'size' is a date .datetime64"),
        ({"domain": 3}, "'domain' has the value .*3.*, which is none of the categories"),
        ({"domain": b"de"}, "'domain' has dtype"),
    ],
)
def test_one_value_for_all_is_checked(model, change, message):
    attributes = {"domain": "en", "spider": True, "size": 0.5} | change

    with pytest.raises(SchemaError, match=message):
        model.sample(3, attributes=attributes)


NUMBERS = [f"{sign}{size}" for sign in "iu" for size in (1, 2, 4, 8)] + ["f4", "f8", ">f4", ">f8", ">i4", ">u2"]


@pytest.mark.parametrize("variable", [True, False], ids=["with a length", "full length"])
@pytest.mark.parametrize("dtype", NUMBERS)
def test_numbers_of_every_dtype_are_learned_sampled_and_saved(dtype, variable, tiny_config, tmp_path):
    rng, ds = np.random.default_rng(0), small_dataset(variable=variable)
    top = (
        np.iinfo(dtype).max if np.dtype(dtype).kind in "iu" else min(np.finfo(dtype).max / 8, 9e149)
    )  # sums and squares must stay finite
    values = (top * (0.5 + 0.5 * rng.random((40, 12)))).astype(dtype)
    values[0, 0] = top
    if variable:
        values[np.arange(12) >= ds.length.values[:, None]] = np.nan if np.dtype(dtype).kind == "f" else 0
    ds = ds.drop_vars(["views", "cpu"]).assign(x=(("sample", "time"), values), a=("sample", values[:, 0]))
    model = dg.fit(ds, replace(tiny_config, steps=2), progress=False)
    model.save(tmp_path / "model")

    fake = model.sample(50, seed=1)

    assert fake.identical(dg.load(tmp_path / "model").sample(50, seed=1))
    past = np.arange(12) >= (fake.length.values[:, None] if variable else np.full((50, 1), 12))
    for name, made, real in (("x", fake.x.values[~past], values), ("a", fake.a.values, values[:, 0])):
        assert fake[name].dtype == np.dtype(dtype).newbyteorder("=")
        known = real[real > 0]
        assert known.min() <= made.min() and made.max() <= known.max()
    blank = fake.x.values[past]
    assert np.isnan(blank).all() if blank.dtype.kind == "f" else (blank == 0).all()
    assert np.isfinite(model.discriminate(ds)).all() and np.isfinite(model.discriminate(fake)).all()


@pytest.mark.parametrize(
    "arguments, error, message",
    [
        ({}, ConfigError, "n=None"),
        ({"n": 0}, ConfigError, "n=0"),
        ({"n": 2.5}, ConfigError, "n=2.5"),
        ({"attributes": {"domain": "en"}}, ConfigError, "needs n"),
        ({"n": 2, "attributes": {"domain": "en"}}, SchemaError, "'spider' is missing"),
        ({"n": 2, "attributes": {"domain": "x", "spider": True, "size": 1.0}}, SchemaError, "'domain' has the value"),
        ({"n": 7, "attributes": small_dataset()}, ConfigError, "40 rows"),
    ],
)
def test_what_cannot_be_sampled_is_refused(model, arguments, error, message):
    with pytest.raises(error, match=message):
        model.sample(**arguments)


def test_discriminator_scores_equal_the_networks_output(model):
    data = small_dataset()
    encoded = model.encoder.encode(data)
    flat = torch.cat([encoded.features.flatten(1), encoded.attributes, encoded.minmax], 1)

    assert model.discriminate(data).dims == ("sample",)
    np.testing.assert_allclose(model.discriminate(data), model.discriminator(flat).detach(), rtol=1e-5)
    narrow = torch.cat([encoded.attributes, encoded.minmax], 1)
    np.testing.assert_allclose(model.discriminate(data, auxiliary=True), model.auxiliary(narrow).detach(), rtol=1e-5)


def test_a_loaded_model_samples_the_same(model, tmp_path):
    path = tmp_path / "small.dgkit"
    model.save(path)

    again = dg.load(path)

    assert again.sample(8, seed=2).identical(model.sample(8, seed=2))
    assert again.config == model.config and again.history.equals(model.history)
    assert repr(again) == repr(model)
    np.testing.assert_array_equal(again.discriminate(small_dataset()), model.discriminate(small_dataset()))


def test_a_full_disk_or_an_interrupt_while_saving_leaves_the_old_file_whole(model, tmp_path, monkeypatch):
    path = tmp_path / "small.dgkit"
    model.save(path)
    before = path.read_bytes()
    for error in (OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt()):
        for call in ("fsync", "replace"):

            def fail(*args, error=error):
                raise error

            with monkeypatch.context() as patch:
                patch.setattr(os, call, fail)
                with pytest.raises(type(error)):
                    model.save(path)
            assert path.read_bytes() == before
            assert os.listdir(tmp_path) == ["small.dgkit"]


def test_files_that_are_not_models_are_refused(model, tmp_path):
    path = tmp_path / "x.dgkit"
    with pytest.raises(FileFormatError, match="no file"):
        dg.load(path)
    contents = [b"", b"\x80\x04hello", b"{}" * 50, (1 << 60).to_bytes(8, "little") + b"{}"]
    for content in contents:
        path.write_bytes(content)
        with pytest.raises(FileFormatError, match=r"x\.dgkit"):
            dg.load(path)
    save_file({"a": torch.zeros(2)}, path)
    with pytest.raises(FileFormatError, match="safetensors file"):
        dg.load(path)
    model.save(path)
    tensors, plain = _files.read(path, "model")
    broken = [
        (tensors, None),
        (tensors, {**plain, "config": {**plain["config"], "lstm_units": 13}}),
        (tensors, {**plain, "encoder": {}}),
        ({k: v for k, v in tensors.items() if "lstm" not in k}, plain),
    ]
    for changed in broken:
        _files.write(path, "model", *changed)
        with pytest.raises(FileFormatError, match="not a whole model file"):
            dg.load(path)


def test_any_truncation_or_flipped_header_byte_is_an_error_or_the_same_model(model, tmp_path):
    path = tmp_path / "x.dgkit"
    model.save(path)
    whole = path.read_bytes()
    header = int.from_bytes(whole[:8], "little")
    rng = np.random.default_rng(0)
    for cut in rng.integers(0, len(whole), 25):
        path.write_bytes(whole[:cut])
        with pytest.raises(FileFormatError):
            dg.load(path)
    for at in rng.integers(0, header, 60):
        damaged = bytearray(whole)
        damaged[at] ^= int(rng.integers(1, 256))
        path.write_bytes(damaged)
        try:
            dg.load(path)
        except FileFormatError:
            continue


def test_the_model_file_holds_no_pickle(model, tmp_path):
    path = tmp_path / "x.dgkit"
    model.save(path)

    size = int.from_bytes(path.read_bytes()[:8], "little")
    assert json.loads(path.read_bytes()[8 : 8 + size])["__metadata__"]["kind"] == "model"


# --- another number of steps ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def full():
    """Of series without a length: the flags are not heeded. Days as time."""
    days = np.datetime64("2015-07-01", "ns") + np.arange(12) * np.timedelta64(1, "D")
    data = small_dataset(variable=False).assign_coords(time=("time", days, {"long_name": "day"}))
    return dg.fit(data, dg.Config(steps=30, sample_len=5, batch_size=16, lstm_units=12), progress=False)


@pytest.mark.parametrize("length", [1, 5, 7, 11])
def test_shorter_series_are_the_beginning_of_those_of_full_length(full, length, recwarn):
    short, whole = full.sample(9, seed=3, length=length), full.sample(9, seed=3).isel(time=slice(length))

    assert short.sizes == {"sample": 9, "time": length} and not recwarn.list
    xr.testing.assert_allclose(short, whole, rtol=1e-5, atol=1e-4)
    assert short.time.identical(whole.time)
    dg.schema.validate(short, training=False)


@pytest.mark.parametrize("length", [13, 15, 38])
def test_longer_series_begin_as_those_of_full_length_and_go_on_with_fresh_noise(full, length):
    with pytest.warns(UserWarning, match="memory ends: the discriminator never saw beyond T = 12 steps"):
        long = full.sample(9, seed=3, length=length)

    assert long.sizes == {"sample": 9, "time": length} and "length" not in long
    xr.testing.assert_allclose(long.isel(time=slice(12)), full.sample(9, seed=3), rtol=1e-5, atol=1e-4)
    assert set(np.diff(long.time.values)) == {np.timedelta64(1, "D")} and long.time.attrs == {"long_name": "day"}
    assert bool(long.views.notnull().all()) and (long.state != "").all()
    dg.schema.validate(long, training=False)
    if length == 38:
        late = long.cpu.isel(time=slice(15, None)).values.reshape(9, -1)
        assert len(np.unique(late, axis=0)) == 9 and (late.std(1) > 0).all()


def test_a_longer_series_is_the_lstm_run_on(full):
    """Each pass in turn, the state handed on by hand."""
    generator, lstm = full.generator, full.generator.feature.lstm
    noise = generator.draw(4, torch.Generator().manual_seed(0), passes=5)
    with torch.no_grad():
        made = generator(noise, fixed_length=True)
        attributes = torch.cat([hard(generator, made.attributes), made.minmax], 1)
        state, steps = (noise.hidden, noise.cell), []
        for k in range(5):
            output, state = lstm(torch.cat([attributes, noise.feature[k]], 1)[None], state)
            steps.append(generator.feature.head(output[0]).reshape(4, 5, -1))
    expected = torch.tanh(torch.cat(steps, 1)[..., :2])  # the two continuous features come first

    torch.testing.assert_close(made.features[..., :2], expected)


def hard(generator, attributes):
    parts = attributes.split([head.width for head in generator.attribute_heads], 1)
    blocks = [torch.nn.functional.one_hot(p.argmax(1), p.shape[1]).float() if p.shape[1] > 1 else p for p in parts]
    return torch.cat(blocks, 1)


def test_another_length_heeds_flags_given_attributes_and_fixed_length(model):
    given = small_dataset(5).drop_vars(["views", "cpu", "state", "length"])
    with pytest.warns(UserWarning, match="memory ends"):
        long = model.sample(attributes=given, length=20, fixed_length=True)
    assert (long.length == 20).all() and bool(long.views.notnull().all())
    assert long[list(given)].drop_attrs().identical(given.drop_attrs())

    short, whole = model.sample(40, length=4), model.sample(40)
    np.testing.assert_array_equal(short.length, whole.length.clip(max=4))
    assert (short.views.isnull() == (np.arange(4) >= short.length.values[:, None])).all()


@pytest.mark.parametrize(
    ("time", "more"),
    [
        (np.arange(12, dtype=np.uint8) * 20, None),  # 240 is the last that a byte holds
        (np.arange(12) ** 2, None),
        (np.array(list("abcdefghijkl")), None),
        (np.arange(12) * 0.1, [1.2, 1.3]),
        (np.arange(12).astype("m8[h]"), np.array([12, 13]).astype("m8[h]")),
        (np.arange("2015-01", "2016-01", dtype="M8[M]"), None),  # months are not of one length
    ],
)
def test_time_goes_on_where_it_is_regular_and_is_left_out_elsewhere(full, time, more):
    schema = dg.schema.validate(small_dataset().assign_coords(time=time))
    model = dg.DoppelGANger(replace(full.encoder, schema=schema), full.config)

    with pytest.warns(UserWarning, match="memory ends" if more is not None else "time coordinate is left out"):
        long = model.sample(2, length=14)

    assert long.sizes["time"] == 14 and ("time" in long.coords) == (more is not None)
    if more is not None:
        expected = np.concatenate([time, np.asarray(more)])
        if expected.dtype.kind == "m":
            np.testing.assert_array_equal(long.time, expected)
        else:
            np.testing.assert_allclose(long.time, expected)


def test_a_length_that_makes_no_sense_is_refused(model):
    for length in (0, -3, 2.5, True):
        with pytest.raises(ConfigError, match="length="):
            model.sample(3, length=length)
    one_pass = dg.Trainer(small_dataset(), dg.Config(sample_len=12)).model
    with pytest.raises(ConfigError, match="never learned to go on"):
        one_pass.sample(3, length=13)
    assert one_pass.sample(3, length=6).sizes["time"] == 6


def test_attributes_may_be_coordinates_and_need_a_row_a_series(model):
    rows = small_dataset(seed=3)[["domain", "spider", "size"]].isel(sample=slice(0, 10))

    fake = model.sample(attributes=rows.set_coords("domain"))
    assert (fake.domain.values == rows.domain.values).all() and "domain" in fake.data_vars
    with pytest.raises(SchemaError, match=r"has the dims \('row',\); give a row a series"):
        model.sample(attributes=rows.rename(sample="row"))


@pytest.mark.parametrize(("n", "options"), [(10**12, {}), (10**20, {}), (2, {"length": 10**12})])
def test_more_series_than_the_memory_holds_are_refused_before_it_is_full(model, n, options):
    if not hasattr(os, "sysconf"):
        pytest.skip("this system does not tell how much memory it has")
    with pytest.raises(ConfigError, match="GB of numbers, more than half of this machine's memory"):
        model.sample(n, **options)


@pytest.mark.parametrize(
    "ask",
    [
        lambda model: model.sample(10**12, attributes={"domain": "de", "spider": True, "size": 1.0}),
        lambda model: dg.whatif.Rows(small_dataset().drop_vars("size")).sample(10**12),
        lambda model: dg.baselines.fit("surrogate", small_dataset()).sample(10**12),
        lambda model: dg.simulate.web(10**12),
        lambda model: dg.simulate.cluster(10, time=10**12),
        lambda model: dg.simulate.broadband(10**12),
    ],
)
def test_so_does_all_else_that_makes_series(model, ask):
    if not hasattr(os, "sysconf"):
        pytest.skip("this system does not tell how much memory it has")
    with pytest.raises(ConfigError, match="more than half of this machine's memory"):
        ask(model)
