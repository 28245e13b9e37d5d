"""Encoding against plain loops: auto-normalisation over valid steps, flags, one-hot, scales, and the way back."""

import math

import numpy as np
import pytest
import xarray as xr

import dgkit as dg
from dgkit.core import encode
from dgkit.core.columns import generation_flags
from dgkit.core.encode import Encoder
from dgkit.core.loading import encoder_of
from dgkit.core.networks import flat
from dgkit.errors import ConfigError, SchemaError
from dgkit.schema import bare
from tests.conftest import peak, small_dataset

# the cases spelled out in the original's docstring (gan/doppelganger.py): T = 6
FLAGS = {
    (1, 3): [(0, 1), (0, 1), (0, 1), (0, 0), (0, 0), (0, 0)],
    (3, 3): [(1, 0), (1, 0), (0, 1), (0, 0), (0, 0), (0, 0)],
    (4, 3): [(1, 0), (1, 0), (1, 0), (0, 1), (0, 1), (0, 1)],
    (1, 1): [(0, 1), (0, 0), (0, 0), (0, 0), (0, 0), (0, 0)],
    (3, 1): [(1, 0), (1, 0), (0, 1), (0, 0), (0, 0), (0, 0)],
    (4, 1): [(1, 0), (1, 0), (1, 0), (0, 1), (0, 0), (0, 0)],
    (6, 3): [(1, 0), (1, 0), (1, 0), (1, 0), (1, 0), (0, 1)],
}


@pytest.mark.parametrize("case", FLAGS)
def test_generation_flags_are_shifted_by_one_and_end_with_their_pass(case):
    length, sample_len = case

    flags = generation_flags(np.arange(6)[None] < length, sample_len)

    assert [tuple(step) for step in flags[0].astype(int)] == FLAGS[case]


@pytest.mark.parametrize("normalise", ["minusone_one", "zero_one"])
def test_auto_normalisation_equals_the_original_loop_over_valid_steps_only(small, normalise):
    encoder = Encoder.fit(small, sample_len=5, normalise=normalise, minmax_scale="linear")

    encoded = encoder.encode(small)

    low, high = np.nanmin(small.cpu), np.nanmax(small.cpu)
    for i, length in enumerate(small.length.values):
        x = [(v - low) / (high - low) for v in small.cpu.values[i, :length].astype(float)]
        if normalise == "minusone_one":
            x = [2 * v - 1 for v in x]
        top, bottom = max(x) + 1e-4, min(x) - 1e-4
        expected = [(v - bottom) / (top - bottom) for v in x]
        if normalise == "minusone_one":
            expected = [2 * v - 1 for v in expected]
        np.testing.assert_allclose(encoded.features[i, :length, 1], expected, atol=2e-5)
        assert (encoded.features[i, length:, :5] == 0).all()
        np.testing.assert_allclose(encoded.minmax[i, 2:], [(top + bottom) / 2, (top - bottom) / 2], atol=1e-6)


def test_one_hot_columns_follow_the_category_order(small):
    encoded = Encoder.fit(small).encode(small)

    for i, domain in enumerate(small.domain.values):
        assert encoded.attributes[i, :3].tolist() == [float(domain == c) for c in ("de", "en", "fr")]
    assert encoded.attributes[:, 3:5].tolist() == [[float(not s), float(s)] for s in small.spider.values]
    step = encoded.features[0, 4, 2:5].tolist()  # after views and cpu
    assert step == [float(small.state.values[0, 4] == c) for c in ("busy", "idle", "wait")]


@pytest.mark.parametrize("auto_normalise", [True, False])
@pytest.mark.parametrize("minmax_scale", ["linear", "log", "log_values"])
@pytest.mark.parametrize("normalise", ["minusone_one", "zero_one"])
@pytest.mark.parametrize("variable", [True, False])
def test_decode_undoes_encode(auto_normalise, minmax_scale, normalise, variable):
    ds = small_dataset(variable=variable)
    ds["cpu"] = ds["cpu"] - ds["cpu"].min()  # a log scale needs values from zero on
    encoder = Encoder.fit(
        ds, sample_len=5, auto_normalise=auto_normalise, normalise=normalise, minmax_scale=minmax_scale
    )

    back = encoder.decode(*encoder.encode(ds), length=ds.length.values if variable else None)

    for name in ds.data_vars:
        if ds[name].dtype.kind == "f":
            np.testing.assert_allclose(back[name], ds[name], rtol=2e-3, atol=2e-4 * float(ds[name].max()))
        else:
            assert (back[name].values == ds[name].values).all()
        assert back[name].dtype == ds[name].dtype


def test_log_minmax_keeps_the_shape_of_series_many_decades_below_the_largest():
    wave = np.sin(np.arange(12))
    ds = xr.Dataset({"x": (("sample", "time"), np.stack([2 + wave, 1e7 * (2 + wave)]))})

    small_series = {
        scale: Encoder.fit(ds, minmax_scale=scale).encode(ds).features[0, :, 0].numpy() for scale in ("linear", "log")
    }

    expected = 2 * (wave - wave.min()) / (wave.max() - wave.min()) - 1
    np.testing.assert_allclose(small_series["log"], expected, atol=1e-3)
    assert np.abs(small_series["linear"]).max() < 0.01  # the original's constant 1e-4 flattens it


def test_logarithms_leave_a_series_room_beside_its_burst():
    wave = 20 + 10 * np.sin(np.arange(48))
    wave[7] = 1e5
    ds = xr.Dataset({"x": (("sample", "time"), np.stack([wave, 2 * wave]))})

    spread = {
        scale: np.delete(Encoder.fit(ds, minmax_scale=scale).encode(ds).features[0, :, 0].numpy(), 7).std()
        for scale in ("linear", "log", "log_values")
    }

    assert max(spread["linear"], spread["log"]) < 0.001 and spread["log_values"] > 0.03


def test_constant_series_and_constant_features_stay_finite_and_come_back():
    ds = xr.Dataset(
        {"x": (("sample", "time"), np.array([[3.0] * 6, [5.0] * 6])), "y": (("sample", "time"), np.ones((2, 6)))}
    )
    for scale in ("linear", "log", "log_values"):
        encoder = Encoder.fit(ds, sample_len=2, minmax_scale=scale)
        encoded = encoder.encode(ds)

        assert all(bool(part.isfinite().all()) for part in encoded)
        back = encoder.decode(*encoded)
        np.testing.assert_allclose(back.x, ds.x, rtol=1e-3)
        np.testing.assert_allclose(back.y, ds.y, rtol=1e-3)


def test_generated_values_are_cut_to_the_range_of_the_training_data(small):
    encoder = Encoder.fit(small, sample_len=5)
    attributes, minmax, features = encoder.encode(small)

    back = encoder.decode(attributes, minmax * 0 + 1, features, small.length.values)

    assert float(back.views.max()) <= float(small.views.max()) and float(back.views.min()) >= float(small.views.min())


def test_declared_bounds_are_used_and_kept_to(small):
    declared = small.assign(cpu=small.cpu.assign_attrs(valid_min=-50.0, valid_max=50.0))
    assert Encoder.fit(declared).scales["cpu"].high == 50
    with pytest.raises(SchemaError, match=r"'cpu' holds values .* outside its declared valid_min/valid_max"):
        Encoder.fit(small.assign(cpu=small.cpu.assign_attrs(valid_max=0.0)))


@pytest.mark.parametrize("auto_normalise", [True, False])
def test_a_variable_is_scaled_as_its_attrs_say_and_the_others_as_config_says(small, auto_normalise):
    ds = small.assign(cpu=small.cpu.assign_attrs(normalise="zero_one"))
    options = {"sample_len": 5, "auto_normalise": auto_normalise}
    encoder, plain, other = (
        Encoder.fit(data, **options, normalise=which)
        for data, which in ((ds, "minusone_one"), (small, "minusone_one"), (small, "zero_one"))
    )

    encoded, expected, unit = encoder.encode(ds), plain.encode(small), other.encode(small)

    assert [head.activation for head in encoder.feature_heads[:2]] == ["tanh", "sigmoid"]
    np.testing.assert_array_equal(encoded.features[..., 0], expected.features[..., 0])
    np.testing.assert_array_equal(encoded.features[..., 1], unit.features[..., 1])
    np.testing.assert_array_equal(encoded.minmax[:, :2], expected.minmax[:, :2])
    np.testing.assert_array_equal(encoded.minmax[:, 2:], unit.minmax[:, 2:])
    back = encoder.decode(*encoded, length=ds.length.values)
    np.testing.assert_allclose(back.cpu, ds.cpu, atol=1e-3)
    assert back.cpu.attrs["normalise"] == "zero_one"
    assert bare(encoder.schema).features[1].attrs["normalise"] == "zero_one"  # needed to read the values


def test_a_normalisation_that_there_is_not_is_refused(small):
    with pytest.raises(SchemaError, match=r"feature 'cpu' has attrs\['normalise'\] 'unit'. Choose 'minusone_one' or"):
        Encoder.fit(small.assign(cpu=small.cpu.assign_attrs(normalise="unit")))


def test_what_cannot_be_encoded_is_refused_by_name(small):
    with pytest.raises(ConfigError, match="sample_len=13 is longer than the series"):
        Encoder.fit(small, sample_len=13)
    for scale in ("log", "log_values"):
        with pytest.raises(ConfigError, match="'cpu' has negative values"):
            Encoder.fit(small, minmax_scale=scale)
    encoder = Encoder.fit(small)
    with pytest.raises(SchemaError, match="feature 'cpu' is missing"):
        encoder.encode(small.drop_vars("cpu"))
    with pytest.raises(SchemaError, match="the series have 6 steps"):
        encoder.encode(small.isel(time=slice(0, 6)))
    with pytest.raises(SchemaError, match=r"'domain' has the value .*'xx'"):
        encoder.encode_attributes(small.assign(domain=("sample", ["xx"] * 40)))
    with pytest.raises(SchemaError, match="attribute 'domain' is missing"):
        encoder.encode_attributes(small.drop_vars("domain"))


def test_encoder_survives_json(small):
    encoder = Encoder.fit(small, sample_len=5)

    again = encoder_of(encoder.to_json())

    assert again.to_json() == encoder.to_json()
    assert all(bool((a == b).all()) for a, b in zip(again.encode(small), encoder.encode(small), strict=True))


def test_passes_cover_a_series_whose_length_is_no_multiple_of_sample_len(small):
    for sample_len in (1, 5, 7, 12):
        encoder = Encoder.fit(small, sample_len=sample_len)
        assert encoder.passes == math.ceil(12 / sample_len)
        assert encoder.encode(small).features.shape == (40, encoder.passes * sample_len, 7)


# --- whole numbers with a length -------------------------------------------------------------------------------------


def counts(garbage, dtype=np.int64, **attrs):
    """Whole numbers from 11 to 60, `garbage` past the end; and the same as floats, NaN past the end."""
    rng = np.random.default_rng(0)
    length, values = rng.integers(1, 9, 30), rng.integers(11, 61, (30, 8))
    past = np.arange(8) >= length[:, None]
    one, other = np.where(past, garbage, values).astype(dtype), np.where(past, np.nan, values)
    return [
        xr.Dataset({"x": (("sample", "time"), v, attrs), "length": ("sample", length)}) for v in (one, other)
    ]  # fmt: skip


@pytest.mark.parametrize("garbage, dtype", [(0, "i8"), (0, "u1"), (255, "u1"), (-1, "i2"), (2**62, "i8"), (-128, "i1")])
@pytest.mark.parametrize("minmax_scale", ["linear", "log", "log_values"])
@pytest.mark.parametrize("auto_normalise", [True, False])
def test_whole_numbers_are_encoded_as_the_same_floats_are(garbage, dtype, minmax_scale, auto_normalise):
    ds, floats = counts(garbage, dtype)
    settings = {"sample_len": 3, "auto_normalise": auto_normalise, "minmax_scale": minmax_scale}

    encoder, expected = Encoder.fit(ds, **settings), Encoder.fit(floats, **settings)

    assert encoder.scales == expected.scales and encoder.minmax_scales == expected.minmax_scales
    valid = np.arange(8) < ds.length.values[:, None]
    assert (encoder.scales["x"].low, encoder.scales["x"].high) == (ds.x.values[valid].min(), ds.x.values[valid].max())
    for part, same in zip(encoder.encode(ds), expected.encode(floats), strict=True):
        assert bool((part == same).all())


@pytest.mark.parametrize("garbage", [0, 10**6])
def test_declared_bounds_are_asked_of_valid_steps_only(garbage):
    ds, _ = counts(garbage, valid_min=5, valid_max=100)

    assert Encoder.fit(ds).scales["x"].low == 5
    with pytest.raises(SchemaError, match=r"'x' holds values from 1\d to 60, outside its declared"):
        Encoder.fit(counts(garbage, valid_min=5, valid_max=50)[0])


def test_codes_past_the_end_need_be_no_category():
    codes = np.array([[6, 17, 99, 99], [1, 6, 1, 17]])
    ds = xr.Dataset(
        {"x": (("sample", "time"), codes, {"categories": [1, 6, 17]}), "length": ("sample", np.array([2, 4]))}
    )

    features = Encoder.fit(ds).encode(ds).features

    assert features[0, :, :3].tolist() == [[0, 1, 0], [0, 0, 1], [0, 0, 0], [0, 0, 0]]


def test_a_length_that_is_a_coordinate_counts_the_same(small):
    encoder, again = Encoder.fit(small), Encoder.fit(small.set_coords("length"))

    assert encoder.to_json() == again.to_json()
    assert all(
        bool((a == b).all())
        for a, b in zip(encoder.encode(small), again.encode(small.set_coords("length")), strict=True)
    )


def test_data_in_another_unit_or_with_other_steps_than_the_training_data_are_refused(small):
    days = small.assign_coords(time=np.arange(12))
    encoder = Encoder.fit(days, sample_len=4, auto_normalise=True, minmax_scale="linear")

    for name in ("views", "size"):
        other = days.assign({name: days[name].assign_attrs(units="MB")})
        with pytest.raises(SchemaError, match=f"'{name}' is in .* trained on|'{name}' is in .* of the model, in MB in"):
            encoder.encode(other)
    with pytest.raises(SchemaError, match="the steps differ: step 1 comes 1 after the first"):
        encoder.encode(days.assign_coords(time=7 * np.arange(12)))
    np.testing.assert_array_equal(encoder.rows(days.drop_vars("time").drop_attrs()), encoder.rows(days))


def test_data_that_no_model_could_judge_are_refused(small):
    encoder = Encoder.fit(small)

    with pytest.raises(SchemaError, match="'views' has 1 NaN before the end of sample 0"):
        encoder.encode(small.assign(views=small.views.where(small.views != small.views[0, 3])))
    with pytest.raises(SchemaError, match="'size' is NaN or infinite at sample 0"):
        encoder.encode(small.assign(size=small["size"] * np.nan))
    with pytest.raises(SchemaError, match=r"'cpu' has dtype <U\d; the model was trained on numbers"):
        encoder.encode(small.assign(cpu=small.state))
    with pytest.raises(SchemaError, match=r"attribute 'domain' has dims \('sample', 'time'\)"):
        encoder.encode_attributes(small.assign(domain=small.state))
    assert bool(encoder.encode(small.assign(size=small["size"] + 5)).attributes.isfinite().all())  # held out: may be


# --- some samples at a time ------------------------------------------------------------------------------------------


def same(one: xr.Dataset, other: xr.Dataset) -> bool:
    """Values, dtypes, attrs and coordinates."""
    return one.identical(other) and all(one[name].dtype == other[name].dtype for name in one.variables)


@pytest.mark.parametrize("variable", [True, False])
@pytest.mark.parametrize("auto_normalise", [True, False])
def test_blocks_of_samples_change_nothing(variable, auto_normalise, monkeypatch):
    ds = small_dataset(variable=variable).assign_coords(time=np.arange(12) * 2.0)
    length = ds.length.values if variable else None
    encoder = Encoder.fit(ds, sample_len=5, auto_normalise=auto_normalise)
    whole = encoder.encode(ds)
    decoded = encoder.decode(*whole, length)

    monkeypatch.setattr(encode, "BLOCK", 3 * encoder.inputs)  # 14 blocks, the last with one sample

    assert [len(block) for block in encoder.blocks(ds)] == [3] * 13 + [1]
    for part, expected in zip(encoder.encode(ds), whole, strict=True):
        assert bool((part == expected).all())
    assert bool((encoder.rows(ds) == flat(*whole)).all())
    assert same(encoder.decode(*whole, length), decoded)


@pytest.mark.parametrize(
    "chunks",
    [{"sample": 7}, {"time": 5}, {"sample": 9, "time": 4}, {"sample": -1}],
    ids=["rows", "steps", "both", "one"],
)
def test_a_dask_backed_dataset_is_encoded_as_the_same_in_memory(small, chunks, monkeypatch):
    small["views"].attrs["scale"] = "log"
    lazy = small.chunk(chunks)
    lazy["state"] = lazy.state.chunk(sample=3)  # variables need not share their chunks
    expected = Encoder.fit(small, sample_len=5)

    for chunk in (2**28, 1000):  # the second splits chunks
        monkeypatch.setattr("dgkit.schema._CHUNK", chunk)
        encoder = Encoder.fit(lazy, sample_len=5)

        assert encoder.to_json() == expected.to_json()
        assert bool((encoder.rows(lazy) == expected.rows(small)).all())


def test_hundred_categories_take_no_more_memory_than_their_encoding(monkeypatch):
    rng = np.random.default_rng(0)
    ds = xr.Dataset(
        {
            "kind": (("sample", "time"), rng.integers(0, 100, (3000, 20)), {"categories": list(range(100))}),
            "place": ("sample", np.array([f"p{k:02d}" for k in range(100)])[rng.integers(0, 100, 3000)]),
        }
    )
    encoder = Encoder.fit(ds)
    monkeypatch.setattr(encode, "BLOCK", 50 * encoder.inputs)

    needed, attributes = peak(lambda: encoder.encode_attributes(ds))
    assert attributes.dtype == np.float32 and needed < 1.5 * attributes.nbytes
    needed, rows = peak(lambda: encoder.rows(ds))
    assert needed < 1.2 * rows.nbytes
    needed, back = peak(lambda: encoder.decode(*encoder._parts(rows)))
    assert back.equals(ds) and needed < 1.2 * ds.nbytes + 8 * rows[:50].nbytes


def test_values_without_a_logarithm_are_refused_by_a_model_that_has_a_logarithmic_scale(small):
    small["views"].attrs["scale"] = "log"
    model = dg.Trainer(small, dg.Config(sample_len=4, steps=1)).model
    small["views"][0, 0] = -5.0

    with pytest.raises(SchemaError, match="'views' has values below 0, which have no logarithm"):
        model.discriminate(small)
