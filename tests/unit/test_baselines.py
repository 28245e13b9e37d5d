"""The contract of all generative models, DoppelGANger included, and what is the Naive GAN's own."""

import random
from pathlib import Path

import numpy as np
import pytest
import torch
import xarray as xr

import dgkit as dg
from dgkit import _files, baselines
from dgkit.baselines import naive_gan
from dgkit.baselines.protocol import ends
from dgkit.core.encode import Encoder
from dgkit.errors import ConfigError, FileFormatError, SchemaError
from dgkit.schema import validate
from tests.conftest import small_dataset

pytestmark = pytest.mark.training

MODELS = (*baselines.names(), "doppelganger")
MBA = Path(__file__).parents[3] / "shared" / "data" / "fcc_mba"
needs_mba = pytest.mark.skipif(not MBA.is_dir(), reason="the real MBA arrays are not beside this checkout")


def training(name, ds, *, seed=0, auto_normalise=False):
    """A short training, as an iterator with a `model`."""
    if name != "doppelganger":
        return baselines.training(name, ds, seed=seed, budget="smoke", auto_normalise=auto_normalise)
    sizes = {"lstm_units": 6, "attribute_units": 8, "discriminator_units": 10, "batch_size": 8}
    config = dg.Config(steps=4, sample_len=min(5, ds.sizes["time"]), seed=seed, auto_normalise=auto_normalise, **sizes)
    return dg.Trainer(ds, config)


def fitted(name, ds, **options):
    run = training(name, ds, **options)
    list(run)
    return run.model


def load(name, path):
    return dg.load(path) if name == "doppelganger" else baselines.load(path)


def global_streams():
    numpys = np.random.get_state()[1].tolist()  # noqa: NPY002
    return torch.random.get_rng_state().tolist(), numpys, random.getstate()


@pytest.fixture(scope="module")
def models():
    """Each model on a small mixed dataset of varying lengths."""
    return {name: fitted(name, small_dataset()) for name in MODELS}


def check(fake, ds, n):
    """`fake` is a Dataset of n samples of the schema of `ds`, whole up to its series' ends and empty after them."""
    found, trained = validate(fake, training=False), validate(ds, training=False)
    assert dict(fake.sizes) == {"sample": n, "time": ds.sizes["time"]}
    for some, same in ((found.features, trained.features), (found.attributes, trained.attributes)):
        assert [(v.name, v.kind, v.dtype) for v in some] == [(v.name, v.kind, v.dtype) for v in same]
    assert ("length" in fake) == ("length" in ds)
    length = fake.length.values if "length" in fake else np.full(n, ds.sizes["time"])
    assert 1 <= length.min() <= length.max() <= ds.sizes["time"]
    past = np.arange(ds.sizes["time"]) >= length[:, None]
    for v in trained.features:
        values = fake[v.name].values
        empty = values == "" if v.kind == "categorical" else np.isnan(values)
        assert (empty == past).all()
        if v.kind == "categorical":
            assert set(values[~past]) <= set(v.categories)
        else:
            assert np.isfinite(values[~past]).all()
        assert fake[v.name].attrs.get("units") == ds[v.name].attrs.get("units")
    for v in trained.attributes:
        if v.kind == "categorical":
            assert set(fake[v.name].values) <= set(v.categories)


def test_samples_made_in_blocks_are_those_made_at_once(models, monkeypatch):
    whole = {name: models[name].sample(50, seed=2) for name in baselines.names()}

    monkeypatch.setattr("dgkit.baselines.protocol.BLOCK", 7)
    monkeypatch.setattr("dgkit.core.encode.BLOCK", 1000)

    for name, expected in whole.items():
        made = models[name].sample(50, seed=2)
        for variable, values in expected.items():
            if values.dtype.kind != "f":
                assert made[variable].equals(values)
                continue
            # products round by their size; so small a part of what the variable spans, near zero too
            np.testing.assert_allclose(
                made[variable], values, rtol=0, atol=1e-4 * float(np.ptp(values.values[np.isfinite(values)]))
            )


def test_windows_of_many_series_are_those_of_each(monkeypatch):
    ds = small_dataset()
    run = baselines.training("market", ds, budget="smoke", window=4)
    expected = run.network.windows(run.data, fit=True)

    monkeypatch.setattr("dgkit.baselines.protocol.BLOCK", 7)

    for part, same in zip(run.network.windows(run.data), expected, strict=True):
        torch.testing.assert_close(part, same, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("n", [1, 7, 1001])
@pytest.mark.parametrize("name", MODELS)
def test_as_many_samples_come_as_are_asked_for_and_of_the_schema_of_the_training_data(models, name, n):
    check(models[name].sample(n, seed=1), small_dataset(), n)


@pytest.mark.parametrize("n", [0, -1, True, 1.5, "3"])
@pytest.mark.parametrize("name", MODELS)
def test_a_number_of_samples_that_cannot_be_is_refused(models, name, n):
    with pytest.raises(ConfigError, match="must be a whole number of at least 1"):
        models[name].sample(n)


@pytest.mark.parametrize("name", MODELS)
def test_the_same_seed_gives_the_same_model_and_samples(models, name, small):
    again, other = (fitted(name, small, seed=seed) for seed in (0, 1))

    first = models[name].sample(5, seed=1)

    xr.testing.assert_identical(first, again.sample(5, seed=1))
    assert not first.equals(again.sample(5, seed=2))
    assert not first.equals(other.sample(5, seed=1))


@pytest.mark.parametrize("name", MODELS)
def test_global_random_streams_are_left_alone_and_do_not_matter(models, name, small):
    torch.manual_seed(5)
    np.random.seed(5)  # noqa: NPY002 (the global stream is what is tested)
    random.seed(5)
    before = global_streams()

    fake = fitted(name, small).sample(5, seed=1)

    assert global_streams() == before
    xr.testing.assert_identical(fake, models[name].sample(5, seed=1))


@pytest.mark.parametrize("name", MODELS)
def test_a_model_may_be_taken_and_sampled_at_any_step_and_the_training_goes_on_the_same(models, name, small):
    run = training(name, small)

    if name == "doppelganger":  # has weights from the start; what baselines draw from comes with the first step
        check(run.model.sample(3), small, 3)
    else:
        with pytest.raises(ConfigError, match=f"{name} has learned nothing yet.*take a step first"):
            run.model  # noqa: B018
    next(run)
    early = run.model
    kept = early.sample(3, seed=1)
    list(run)

    assert early.history.sizes["step"] == 1
    assert run.model.history.sizes["step"] == run.step
    xr.testing.assert_identical(early.sample(3, seed=1), kept)
    xr.testing.assert_identical(run.model.sample(5, seed=1), models[name].sample(5, seed=1))


@pytest.mark.parametrize("name", MODELS)
def test_a_saved_model_samples_bit_for_bit_the_same(models, name, tmp_path):
    models[name].save(tmp_path / "model")

    again = load(name, tmp_path / "model")

    xr.testing.assert_identical(again.sample(9, seed=3), models[name].sample(9, seed=3))
    xr.testing.assert_equal(again.history, models[name].history)


@pytest.mark.parametrize("name", MODELS)
def test_a_file_that_is_no_whole_model_is_refused(models, name, tmp_path):
    path = tmp_path / "model"
    models[name].save(path)
    whole, kind = path.read_bytes(), "model" if name == "doppelganger" else "baseline"
    tensors, plain = _files.read(path, kind)
    weight = next(key for key in tensors if not key.startswith("history"))

    def refused(said):
        with pytest.raises(FileFormatError, match=said):
            load(name, path)

    for content in (b"", b"PK no model at all", whole[:7], whole[: len(whole) // 2], whole[:-1], whole[100:]):
        path.write_bytes(content)
        refused("or is damaged")
    _files.write(path, "sweep", tensors, plain)
    refused("is a sweep file; expected a")
    wrong_shape = tensors | {weight: torch.zeros(2, 3, 5)}
    for some in (wrong_shape, {key: value for key, value in tensors.items() if key != weight}, {}):
        _files.write(path, kind, some, plain)
        refused("is not a whole")
    for other in (None, {}, plain | {"encoder": {}}, plain | {"encoder": "none"}):
        _files.write(path, kind, tensors, other)
        refused("is not a whole")
    path.unlink()
    refused("no file at")


def test_a_file_of_another_kind_of_model_is_refused(models, tmp_path):
    models["ar"].save(tmp_path / "ar")
    models["doppelganger"].save(tmp_path / "doppelganger")

    with pytest.raises(FileFormatError, match="is a baseline file; expected a model file"):
        dg.load(tmp_path / "ar")
    with pytest.raises(FileFormatError, match="is a model file; expected a baseline file"):
        baselines.load(tmp_path / "doppelganger")


@pytest.mark.parametrize("name", ["surrogate", "flow_matching", "doppelganger"])
def test_series_come_for_given_attributes_and_these_come_back_as_they_were_given(models, name, small):
    rows = small[["domain", "spider", "size"]].isel(sample=[3, 3, 17, 0]).assign_coords(sample=[7, 8, 9, 10])

    fake = models[name].sample(attributes=rows, seed=1)
    same = models[name].sample(5, attributes={"domain": "en", "spider": True, "size": 0.5})

    check(fake.drop_vars("sample"), small, 4)
    assert fake[list(rows)].drop_attrs().identical(rows.drop_attrs())
    check(same, small, 5)
    assert set(same.domain.values) == {"en"} and same.spider.values.all() and set(same["size"].values) == {0.5}
    with pytest.raises(ConfigError, match="n=3 but `attributes` has 4 rows"):
        models[name].sample(3, attributes=rows)
    with pytest.raises(SchemaError, match="domain"):
        models[name].sample(attributes=rows.drop_vars("domain"))


@pytest.mark.parametrize("name", sorted(set(baselines.names()) - {"surrogate", "flow_matching"}))
def test_a_model_that_cannot_be_given_attributes_says_which_can(models, name, small):
    with pytest.raises(ConfigError, match=f"{name} cannot be given attributes.*'surrogate', 'flow_matching'"):
        models[name].sample(attributes=small)


CASES = {
    "one feature": lambda ds: ds[["cpu"]].fillna(0.0),
    "one feature of many lengths": lambda ds: ds[["views", "length"]],
    "categories alone": lambda ds: ds[["state", "domain", "length"]],
    "full length": lambda ds: small_dataset(variable=False),
    "full length, one feature and one attribute": lambda ds: ds[["cpu", "domain"]].assign(cpu=ds.cpu.fillna(0.0)),
    "one step": lambda ds: small_dataset(variable=False).isel(time=slice(1)),
    "two steps": lambda ds: small_dataset(variable=False).isel(time=slice(2)),
    "three series": lambda ds: ds.isel(sample=slice(3)),
}


@pytest.mark.filterwarnings("ignore:Number of distinct clusters")  # the HMM has ten states, some data fewer records
@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("name", MODELS)
def test_data_of_any_shape_can_be_learned_and_the_model_comes_back_from_its_file(name, case, small, tmp_path):
    ds = CASES[case](small)

    model = fitted(name, ds)

    check(model.sample(4, seed=1), ds, 4)
    one = model.sample(1, seed=3)
    check(one, ds, 1)
    model.save(tmp_path / "model")
    xr.testing.assert_identical(load(name, tmp_path / "model").sample(1, seed=3), one)


@pytest.mark.parametrize("name", MODELS)
def test_series_of_full_length_have_no_tails(name):
    """The flags, of which an unfinished model makes any, would end series early: zero from there on, encoded."""
    ds = small_dataset(200, variable=False).drop_vars("views")
    encoder = Encoder.fit(ds, sample_len=1, auto_normalise=False)
    zero = encoder.decode(np.zeros((1, 6)), np.zeros((1, 0)), np.zeros((1, 12, 6))).cpu.values[0, 0]

    fake = fitted(name, ds).sample(200, seed=1)

    assert "length" not in fake and not (fake.cpu.values == zero).any()


@pytest.mark.parametrize("name", MODELS)
def test_whole_numbers_that_end_are_learned_as_far_as_they_go(name):
    ds = small_dataset().drop_vars(["views", "cpu"])
    past = np.arange(12) >= ds.length.values[:, None]
    packets = np.where(past, 10**6, np.random.default_rng(0).integers(1003, 1999, past.shape))
    ds = ds.assign(packets=(("sample", "time"), packets))

    fake = fitted(name, ds).sample(50, seed=1)

    past = np.arange(12) >= fake.length.values[:, None]
    assert fake.packets.values[~past].min() >= 1003 and fake.packets.values[~past].max() <= 1999
    assert (fake.packets.values[past] == 0).all()


@pytest.mark.parametrize("name", MODELS)
def test_auto_normalisation_can_be_lent(name, small, tmp_path):
    model = fitted(name, small, auto_normalise=True)

    fake = model.sample(20, seed=1)

    check(fake, small, 20)
    assert model.encoder.auto_normalise
    model.save(tmp_path / "model")
    xr.testing.assert_identical(load(name, tmp_path / "model").sample(20, seed=1), fake)


@pytest.mark.parametrize("data", ["web", "cluster", "broadband"])
@pytest.mark.parametrize("name", MODELS)
def test_the_shipped_data_can_be_learned(name, data):
    ds = dg.open_dataset(data).isel(sample=slice(150))

    check(fitted(name, ds).sample(20, seed=1), ds, 20)


@needs_mba
@pytest.mark.parametrize("name", MODELS)
def test_the_real_mba_arrays_can_be_learned(name):
    names = {"features": [("traffic", {"units": "byte", "scale": "log"}), "loss"], "attributes": ["a", "b", "c"]}
    ds = dg.from_npz(MBA, names=names)

    check(fitted(name, ds).sample(20, seed=1), ds, 20)


@pytest.mark.parametrize("name", MODELS)
def test_nothing_is_printed_without_a_progress_bar_and_something_with_one(name, small, tiny_config, capfd):
    said = {}
    for progress in (False, True):
        if name == "doppelganger":
            dg.fit(small, tiny_config, progress=progress)
        else:
            baselines.fit(name, small, budget="smoke", progress=progress)
        said[progress] = capfd.readouterr()

    assert said[False] == ("", "")
    assert name in said[True].err or name == "doppelganger"
    assert "step" in said[True].err


@pytest.mark.parametrize("name", baselines.names())
def test_an_option_that_a_baseline_does_not_have_is_named(name, small):
    with pytest.raises(ConfigError, match=f"{name} has no option 'depth_of_thought'; it has "):
        baselines.fit(name, small, depth_of_thought=3)


@pytest.mark.parametrize(("name", "option"), [("ar", "order"), ("hmm", "states"), ("market", "window")])
@pytest.mark.parametrize("value", [0, -1, 2.5, True, "3"])
def test_an_option_that_cannot_be_is_named_with_its_value(name, option, value, small):
    with pytest.raises(ConfigError, match=f"{option}={value!r} must be a whole number of at least 1"):
        baselines.fit(name, small, **{option: value})


def test_what_cannot_be_is_named(small):
    with pytest.raises(ConfigError, match="no baseline 'gan'; there are 'naive_gan'"):
        baselines.fit("gan", small)
    with pytest.raises(ConfigError, match="budget='huge' is none of 'smoke'"):
        baselines.fit("naive_gan", small, budget="huge")
    for steps in (0, 2.5, True):
        with pytest.raises(ConfigError, match=f"steps={steps} must be a whole number"):
            baselines.fit("naive_gan", small, steps=steps)
    with pytest.raises(SchemaError):
        baselines.fit("naive_gan", xr.Dataset())
    model = baselines.fit("naive_gan", small, budget="smoke", steps=1)
    for n in (0, True, 1.5):
        with pytest.raises(ConfigError, match=f"n={n} must be a whole number"):
            model.sample(n)


def test_the_naive_gan_is_two_multilayer_perceptrons_over_the_whole_sample(small):
    encoder = Encoder.fit(small, sample_len=1, auto_normalise=False)
    encoded = encoder.encode(small)
    network = naive_gan.Network(encoder, samples=small.sizes["sample"])

    attributes, features = network(torch.randn(4, naive_gan.NOISE))

    assert attributes.shape == (4, encoded.attributes.shape[1])
    assert features.shape == (4, *encoded.features.shape[1:])
    linear = [m for m in network.generator.modules() if isinstance(m, torch.nn.Linear)]
    assert [m.out_features for m in linear[:-1]] == [200] * 4
    assert linear[-1].out_features == encoded.attributes.shape[1] + encoded.features[0].numel()
    for one, length in zip(features, ends(features).tolist(), strict=True):
        assert bool((one[length:] == 0).all())
        assert bool((one[:length].abs().sum(1) > 0).all())


@pytest.mark.slow
def test_the_naive_gan_learns_how_often_jobs_end_how():
    cluster = dg.open_dataset("cluster")
    divergence = {
        steps: dg.metrics.jensen_shannon(
            cluster.end_event, baselines.fit("naive_gan", cluster, steps=steps).sample(2000, seed=1).end_event
        )
        for steps in (1, 600)
    }

    assert divergence[1] > 0.1
    assert 2 * divergence[600] < divergence[1]
