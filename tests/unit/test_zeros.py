"""Exact zeros as an event, counts, and bounds of each sample's own: encoded, generated, saved, refused."""

import numpy as np
import pytest
import torch
import xarray as xr

import dgkit as dg
from dgkit.core.encode import Encoder
from dgkit.core.heads import Head, activate, harden
from dgkit.errors import ConfigError, FileFormatError, SchemaError
from dgkit.schema import Schema, bare, validate
from tests.conftest import small_dataset

SPEEDS = np.array([10.0, 100.0, 1000.0])


def lossy(n=40, time=12, *, variable=True, seed=0):
    """`small_dataset` with a loss that is zero nearly always, and throughout in every other sample."""
    ds, rng = small_dataset(n, time, variable=variable), np.random.default_rng(seed)
    loss = np.where(rng.random((n, time)) < 0.2, rng.uniform(0.01, 1, (n, time)), 0.0)
    loss[::2] = 0
    past = np.isnan(ds.views.values)
    return ds.assign(loss=(("sample", "time"), np.where(past, np.nan, loss).astype("f4"), {"zeros": "inflated"}))


def linked(dtype="f4", n=60, **attrs):
    """Rates of links of three speeds, at most the link's own, which some reach."""
    rng = np.random.default_rng(1)
    speed = SPEEDS[np.arange(n) % 3]
    rate = (speed[:, None] * rng.beta(0.5, 0.5, (n, 12))).round(2)
    rate[:3, 0] = speed[:3]
    ds = xr.Dataset({"rate": (("sample", "time"), rate.astype(dtype), {"valid_max": "speed", "valid_min": 0, **attrs})})
    return ds.assign(speed=("sample", speed), kind=("sample", np.where(np.arange(n) % 2, "a", "b")))


def trained(ds, steps=3, **changes):
    settings = {"sample_len": 4, "batch_size": 10, "lstm_units": 8, "attribute_units": 8, "discriminator_units": 8}
    return dg.fit(ds, dg.Config(steps=steps, **(settings | changes)), progress=False)


# --- zeros -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("auto_normalise", [True, False])
@pytest.mark.parametrize("minmax_scale", ["linear", "log", "log_values"])
@pytest.mark.parametrize("normalise", ["minusone_one", "zero_one"])
@pytest.mark.parametrize("variable", [True, False])
def test_zeros_and_values_come_back_as_they_were(auto_normalise, minmax_scale, normalise, variable):
    ds = lossy(variable=variable)
    ds["cpu"] = ds["cpu"] - ds["cpu"].min()
    encoder = Encoder.fit(
        ds, sample_len=5, auto_normalise=auto_normalise, normalise=normalise, minmax_scale=minmax_scale
    )

    encoded = encoder.encode(ds)
    back = encoder.decode(*encoded, length=ds.length.values if variable else None)

    assert torch.isfinite(encoded.features).all()
    assert torch.isfinite(encoded.minmax).all()
    np.testing.assert_array_equal(back.loss.values == 0, ds.loss.values == 0)
    np.testing.assert_allclose(back.loss.values, ds.loss.values, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(back.views.values, ds.views.values, rtol=1e-3)


def test_the_discriminator_sees_value_and_event_and_a_series_has_its_share_of_events():
    ds = lossy()
    encoder = Encoder.fit(ds, sample_len=5)

    encoded = encoder.encode(ds)

    value, *event = encoded.features[:, :12, 5:8].unbind(-1)  # after views, cpu and the three of state
    for i, length in enumerate(ds.length.values):
        there = ds.loss.values[i, :length] != 0
        assert (value[i, :length].numpy()[~there] == 0).all()
        assert [column[i, :length].tolist() for column in event] == [
            pytest.approx(0.1 * there),
            pytest.approx(0.1 * ~there),
        ]
        share, some, none = encoded.minmax[i, -3:].tolist()
        assert (some, none) == ((1, 0) if there.any() else (0, 1))
        assert share == pytest.approx(1 / (1 - np.log10(there.mean())) if there.any() else 0, rel=1e-6)
        assert some or not encoded.minmax[i, 4:].any() or none


def test_the_range_is_that_of_the_values_alone_and_zero_need_not_lie_in_it():
    ds = lossy()
    ds.loss.attrs["valid_min"] = 0.005

    scale = Encoder.fit(ds).scales["loss"]

    assert scale.low == 0.005
    assert Encoder.fit(ds.assign(loss=ds.loss.drop_attrs().assign_attrs(zeros="inflated"))).scales["loss"].low > 0.009
    with pytest.raises(SchemaError, match="'loss' holds values from 0 to"):
        Encoder.fit(ds.assign(loss=ds.loss.drop_attrs().assign_attrs(valid_min=0.005)))


def test_a_feature_of_nothing_but_zeros_is_generated_as_such():
    ds = lossy()
    ds["loss"] = ds.loss.where(ds.loss.isnull(), 0.0)

    for scale in ("linear", "log"):
        fake = trained(ds.assign(loss=ds.loss.assign_attrs(scale=scale))).sample(20, fixed_length=True)

        assert (fake.loss == 0).all()


def test_so_many_steps_are_kept_as_the_share_says_those_where_the_event_is_likeliest():
    ds = lossy(variable=False)
    encoder = Encoder.fit(ds, sample_len=4)
    encoded = encoder.encode(ds)
    rng = np.random.default_rng(0)
    encoded.minmax[:, -3:] = torch.tensor([0.9 / (1 - np.log10(3 / 12)), 0.9, 0.1])  # softly gated
    chance = torch.from_numpy(rng.uniform(0.01, 0.3, (40, 12)).astype("f4"))  # nowhere likelier than not
    encoded.features[:, :, 5:8] = torch.stack([0.5 * chance, 0.1 * chance, 0.1 - 0.1 * chance], -1)

    loss = encoder.decode(*encoded).loss.values

    likeliest = np.argsort(-chance.numpy(), 1)[:, :3]
    assert ((loss != 0).sum(1) == 3).all()
    assert (np.take_along_axis(loss, likeliest, 1) != 0).all()


def test_events_that_a_model_has_drawn_stay_where_it_drew_them_but_in_series_that_have_none():
    ds = lossy(variable=False)
    encoder = Encoder.fit(ds, sample_len=4)
    encoded = encoder.encode(ds)
    encoded.minmax[:, -3:] = torch.tensor([1 / (1 - np.log10(3 / 12)), 1.0, 0.0])  # three of twelve steps
    encoded.minmax[:10, -3:] = torch.tensor([0.0, 0.0, 1.0])
    drawn = np.random.default_rng(0).random((40, 12)) < 0.25  # as AR, HMM and RNN do, step by step
    encoded.features[:, :, 5:8] = torch.from_numpy(np.stack([0.5 * drawn, 0.1 * drawn, 0.1 * ~drawn], -1)).float()

    loss = encoder.decode(*encoded).loss.values

    assert len(np.unique(drawn.sum(1))) > 3
    np.testing.assert_array_equal(loss[10:] != 0, drawn[10:])
    assert (loss[:10] == 0).all()


def test_a_soft_event_gates_its_value_and_a_decided_one_is_0_or_1_with_the_gradient_of_the_soft():
    event = Head("a non-zero", 2, "softmax", gates=1, weight=0.5, decided=True)
    heads = [Head("a", 1, "tanh"), event, Head("b", 1, "sigmoid")]
    raw = torch.tensor([[1.0, 0.3, -0.2, 0.5], [1.0, -2.0, 1.0, 0.5]], requires_grad=True)
    chance = torch.softmax(raw[:, 1:3], 1)[:, 0]

    soft, decided = activate(raw, heads), activate(raw, heads, training=True)

    torch.testing.assert_close(soft[:, 0], torch.tanh(raw[:, 0]) * chance)
    assert decided[:, 1:3].tolist() == [[0.5, 0], [0, 0.5]]
    assert decided[:, 0].tolist() == [pytest.approx(np.tanh(1.0)), 0]
    torch.testing.assert_close(harden(soft, heads)[1], torch.tensor([0, 0, 0.5, torch.sigmoid(torch.tensor(0.5))]))
    (slope,) = torch.autograd.grad(decided[:, 1].sum(), raw)
    torch.testing.assert_close(slope[:, 1], 0.5 * chance * (1 - chance))


@pytest.mark.parametrize("auto_normalise", [True, False])
def test_the_event_is_decided_in_training_where_series_have_no_share_of_their_own(auto_normalise):
    trainer = dg.Trainer(lossy(variable=False), dg.Config(sample_len=4, batch_size=10, auto_normalise=auto_normalise))

    steps = trainer.peek().made.features[..., 6:8]  # after views, cpu, the three of state, and the value

    decided = torch.isin(steps, torch.tensor([0.0, 0.1])).all().item()
    assert decided is not auto_normalise


@pytest.mark.parametrize("changes", [{}, {"auto_normalise": False}, {"sample_len": 12}, {"auxiliary": False}])
def test_a_model_with_zeros_is_saved_goes_on_and_is_retrained(changes, tmp_path):
    ds = lossy(variable=False)[["views", "loss", "domain", "spider"]]
    model = trained(ds, **changes)

    model.save(tmp_path / "a.dgkit")
    again = dg.load(tmp_path / "a.dgkit")
    whole = dg.Trainer(ds, dg.Config(**(vars(model.config) | {"steps": 6})))
    first = dg.Trainer(ds, dg.Config(**(vars(model.config) | {"steps": 6})))
    for _ in range(3):
        next(first)
    first.save(tmp_path / "state")
    resumed = dg.Trainer.load(tmp_path / "state", ds)
    for trainer in (whole, resumed):
        list(trainer)
    given = model.sample(attributes=ds)
    retrained = dg.whatif.retrain_attributes(model, {"domain": {"de": 0.8, "en": 0.1, "fr": 0.1}}, steps=2)

    assert again.sample(30, seed=1).identical(model.sample(30, seed=1))
    assert resumed.model.sample(30, seed=1).identical(whole.model.sample(30, seed=1))
    assert (given.domain == ds.domain).all()
    assert retrained.sample(5).loss.shape == (5, 12)
    assert validate(model.sample(5), training=False).features[1].attrs["zeros"] == "inflated"
    if changes.get("sample_len") != 12:
        with pytest.warns(UserWarning, match="memory ends"):
            assert np.isfinite(model.sample(5, length=20).loss.values).all()


def test_private_training_keeps_the_attr_and_spends_what_it_did():
    ds = lossy(n=60, variable=False)[["loss", "domain"]]
    ds.loss.attrs.update(valid_min=0.0, valid_max=1.0)
    dp = dg.privacy.DP(1.0, delta=1e-3)

    model, plain = (
        trained(data, dp=dp)
        for data in (ds, ds.assign(loss=ds.loss.drop_attrs().assign_attrs(valid_min=0, valid_max=1)))
    )

    assert model.encoder.schema.features[0].attrs["zeros"] == "inflated"
    assert model.history.epsilon.values[-1] == plain.history.epsilon.values[-1]
    assert bare(validate(ds)).features[0].attrs == ds.loss.attrs


@pytest.mark.parametrize(
    "name", ["ar", "hmm", "rnn", "rcgan", "timegan", "naive_gan", "market", "surrogate", "flow_matching"]
)
def test_baselines_heed_zeros_and_counts(name):
    ds = lossy(variable=False)[["loss", "cpu", "domain"]]
    ds["cpu"] = abs(10 * ds.cpu).round().assign_attrs(counts=1)

    fake = dg.baselines.fit(name, ds, steps=2).sample(20, seed=1)

    assert (fake.loss.values == 0).any()
    assert (fake.cpu % 1 == 0).all()


@pytest.mark.training
@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("surrogate", {}),
        ("surrogate", {"auto_normalise": True}),
        ("flow_matching", {"steps": 200}),
    ],
)
@pytest.mark.parametrize("normalise", ["minusone_one", "zero_one"])
def test_models_of_shapes_have_the_share_of_zeros_and_what_is_none_where_it_is_in_the_data(name, options, normalise):
    train = dg.open_dataset("broadband")[["ping_loss", "technology"]]
    train.ping_loss.attrs |= {"zeros": "inflated", "normalise": normalise}

    fake = dg.baselines.fit(name, train, **options).sample(500, seed=1).ping_loss

    assert abs(float((fake == 0).mean() - (train.ping_loss == 0).mean())) < 0.015
    some, real = (np.log10(loss.values[loss.values > 0]) for loss in (fake, train.ping_loss))
    assert abs(np.median(some) - np.median(real)) < 0.4 and np.quantile(some, 0.95) < np.quantile(real, 0.999)


# --- counts ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["f4", "f8", "i4", "u1"])
def test_counts_are_generated_as_whole_numbers_in_their_dtype(dtype):
    ds = small_dataset(variable=False)
    ds["jobs"] = ("sample", "time"), np.random.default_rng(0).poisson(2.0, (40, 12)).astype(dtype), {"counts": 1}
    ds["ports"] = "sample", np.arange(40).astype(dtype), {"counts": 1}

    fake = trained(ds).sample(30, seed=1)

    for name in ("jobs", "ports"):
        assert fake[name].dtype == ds[name].dtype
        assert (fake[name] % 1 == 0).all()
        assert ds[name].min() <= fake[name].min() <= fake[name].max() <= ds[name].max()
    assert (fake.views % 1 != 0).any()


def test_counts_keep_to_bounds_that_are_no_whole_numbers_and_an_event_is_no_zero():
    ds = lossy(variable=False)
    ds["loss"] = (10 * ds.loss).round().assign_attrs(zeros="inflated", counts=1, valid_min=0.0, valid_max=10.6)
    ds["loss"] = ds.loss.clip(max=10)
    encoder = Encoder.fit(ds, auto_normalise=False)
    encoded = encoder.encode(ds)
    encoded.features[..., 5] = torch.where(encoded.features[..., 6] > 0, 1.0, 0.0)  # the largest value

    top = encoder.decode(*encoded).loss
    encoded.features[..., 5] = torch.where(encoded.features[..., 6] > 0, -1.0, 0.0)  # the smallest
    bottom = encoder.decode(*encoded).loss

    assert set(np.unique(top)) == {0, 10}
    assert set(np.unique(bottom)) == {0, 1}
    assert ((top == 0) == (ds.loss == 0)).all()


# --- bounds of each sample's own -------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["f4", "f8", "i4"])
@pytest.mark.parametrize("auto_normalise", [True, False])
@pytest.mark.parametrize("attrs", [{}, {"zeros": "inflated"}, {"counts": 1}, {"scale": "log"}])
def test_no_rate_is_above_its_links_speed(dtype, auto_normalise, attrs):
    ds = linked(dtype, **attrs)
    ds["rate"] = ds.rate.round().astype(dtype) if "counts" in attrs else ds.rate
    encoder = Encoder.fit(ds, auto_normalise=auto_normalise, sample_len=4)

    back = encoder.decode(*encoder.encode(ds))
    model = trained(ds, auto_normalise=auto_normalise)
    fakes = [model.sample(200, seed=1), model.sample(attributes=ds.assign(speed=ds.speed * 0.999 + 0.01))]

    np.testing.assert_allclose(back.rate, ds.rate, rtol=1e-4, atol=1 if dtype == "i4" else 1e-3)
    for fake in fakes:
        assert (fake.rate <= fake.speed).all()
        assert len(np.unique(fake.rate)) > 1


@pytest.mark.parametrize("kind", ["text", "whole"])
def test_a_category_bounds_a_feature_by_what_it_is_worth(kind, tmp_path):
    ds = linked()
    names = {10: "10M", 100: "100M", 1000: "1G"}
    if kind == "text":
        names_of = np.array([names[int(v)] for v in ds.speed.values])
        ds["speed"] = "sample", names_of, {"categories": ["10M", "100M", "1G"], "numbers": [10, 100, 1000]}
    else:
        ds["speed"] = ds.speed.astype(int).assign_attrs(categories=[10, 100, 1000])

    model = trained(ds)
    model.save(tmp_path / "a.dgkit")
    fake = dg.load(tmp_path / "a.dgkit").sample(200, seed=1)

    retrained = dg.whatif.retrain_attributes(model, {"kind": {"a": 0.9, "b": 0.1}}, steps=2)

    worth = {name: speed for speed, name in names.items()} | {speed: speed for speed in names}
    bound = xr.DataArray([worth[v] for v in fake.speed.values.tolist()], dims="sample")
    assert fake.identical(model.sample(200, seed=1))
    assert (fake.rate <= bound).all()
    assert validate(fake, training=False) == model.encoder.schema
    assert retrained.sample(5).rate.shape == (5, 12)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda ds: ds.rate.attrs.update(valid_max="link"), "'link', which is no attribute; there are 'speed', 'kind'"),
        (
            lambda ds: ds.rate.attrs.update(valid_max="kind"),
            "'kind', whose attrs do not say what each category is worth",
        ),
        (lambda ds: ds.rate.attrs.update(valid_min=1.0), "valid_min'\\] 1.0; beside a bound .* it can only be 0"),
        (lambda ds: ds.speed.values.__setitem__(7, 0.0), "bounded by 'speed', which is 0 at sample 7"),
        (
            lambda ds: ds.rate.values.__setitem__((4, 2), 500.0),
            "above its bound 'speed' in 1 samples; sample 4 reaches",
        ),
        (lambda ds: ds.kind.attrs.update(valid_max="speed"), None),
        (
            lambda ds: ds.update({"rate": (ds.rate > 50).astype(str).assign_attrs(valid_max="speed")}),
            "only numbers have a largest",
        ),
    ],
)
def test_a_bound_that_is_none_is_refused_with_the_way_out(change, message):
    ds = linked()
    change(ds)

    if message is None:
        with pytest.raises(SchemaError, match=r"attribute 'kind' has attrs\['valid_max'\]"):
            validate(ds)
    else:
        with pytest.raises(SchemaError, match=message) as told:
            dg.Trainer(ds, dg.Config(sample_len=4))
        assert "Mend:" in str(told.value)
        assert not isinstance(told.value, ConfigError)


@pytest.mark.parametrize(
    ("before", "after"),
    [('"valid_max": "speed"', '"valid_max": "sped"'), ('"numbers": [10, 100, 1000]', '"numbers": [10, 100]')],
)
def test_a_file_whose_bound_is_none_is_refused(before, after, tmp_path):
    ds = linked()
    names = np.array(["10M", "100M", "1G"])[np.arange(60) % 3]
    ds["speed"] = "sample", names, {"categories": ["10M", "100M", "1G"], "numbers": [10, 100, 1000]}
    text = validate(ds).to_json()

    assert before in text
    with pytest.raises(FileFormatError, match="no dataset has such a schema"):
        Schema.from_json(text.replace(before, after))
