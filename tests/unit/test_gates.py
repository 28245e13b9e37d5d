"""What passes a gate works, and everything else gets the gate's own error: settings, seeds, datasets."""

import math
from dataclasses import fields, replace
from itertools import islice
from types import NoneType
from typing import get_args

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

import dgkit as dg
from dgkit.errors import ConfigError, DgkitError, DivergenceError, SchemaError
from dgkit.schema import describe, validate
from tests.conftest import small_dataset

TINY = {
    "steps": 1, "sample_len": 5, "batch_size": 8, "lstm_units": 6, "attribute_units": 8, "discriminator_units": 10
}  # fmt: skip
FEW = settings(deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)

# --- settings --------------------------------------------------------------------------------------------------------


class Unspeakable:
    def __repr__(self):
        raise RuntimeError


ANYTHING = (
    *(
        None,
        True,
        np.True_,
        "",
        "auto",
        "\ud800",
        b"x",
        [],
        {},
        {"a": 1},
        (),
        object,
        Unspeakable(),
        math.nan,
        math.inf,
    ),
    *(-math.inf, np.array([1, 2]), np.array("x"), 1j, np.datetime64("2020"), np.longdouble(1)),
)
WHOLE = (-1, 0, 1, 2, 3, 7, np.int64(3), np.uint8(2), 10**5, 10**9, 2**31, 2**63, 2**64 - 1, 2**64, 10**400, 10**9000)
DECIMAL = (*WHOLE[:8], 5e-324, 1e-300, 1e-40, 1e-3, 0.5, 1 - 2**-53, np.float32(0.25), 1.0, 1e3, 1e6, 1e30, 1e39, 1e300)
DEVICES = ("auto", "cpu", "cpu:0", "meta", "hpu", "mps:7", "cuda:99", "xla", "nowhere", "cpu:-1")
DPS = tuple(
    {"noise_multiplier": noise, **more}
    for noise in (0, 1, 5e-324, 1e-300, 1e-3, 1e6, 1e300, 10**400, "1", math.nan)
    for more in (
        *({}, {"delta": 5e-324}, {"delta": 0.9}, {"delta": 0}, {"max_grad_norm": 1e-30}, {"max_grad_norm": 1e-300}),
        *({"max_grad_norm": 1e30}, {"max_grad_norm": math.inf}, {"max_grad_norm": 10**400}),
        *({"sampling": "replacement"}, {"sampling": None}, {"other": 1}),
    )
)


def wild(item):
    """Values that a setting may meet, most of its own kind."""
    kinds = get_args(item.type) or (item.type,)
    own = [None] if NoneType in kinds else []
    own += {int: WHOLE, float: DECIMAL, bool: (True, False)}.get(kinds[0], ())
    own += item.metadata.get("choices", ())
    own += {"dp": DPS, "device": DEVICES}.get(item.name, ())
    return st.one_of(st.sampled_from(own), st.sampled_from(own), st.sampled_from(ANYTHING))


FIELDS = {item.name: wild(item) for item in fields(dg.Config)}
CHANGES = st.lists(st.sampled_from(sorted(FIELDS)), min_size=1, max_size=3, unique=True).flatmap(
    lambda names: st.fixed_dictionaries({name: FIELDS[name] for name in names})
)


@settings(FEW, max_examples=150)
@given(CHANGES)
@example({"beta1": 0})
@example({"beta1": 1 - 2**-53, "generator_lr": 1e30})
@example({"seed": 2**64 - 1})
@example({"forget_bias": 1e30})
@example({"dp": {}})
@example({"dp": {"noise_multiplier": 1e-3}, "discriminator_rounds": 7})
@example({"dp": {"noise_multiplier": 1e6, "max_grad_norm": 1e30}})
@example({"lstm_layers": 10**9})
@example({"steps": 10**12})
@example({"dp": {"noise_multiplier": 0.0, "max_grad_norm": 10**400}})
@pytest.mark.filterwarnings("ignore")
def test_what_config_accepts_trains(changes):
    try:
        config = dg.Config(**{**TINY, **changes})
    except ConfigError as error:
        assert "\n" not in str(error)
        return
    config = replace(config, sample_len=min(config.sample_len, 12))

    try:
        records = list(islice(dg.Trainer(small_dataset(), config), 1))
    except DivergenceError:
        return  # these settings work, and work badly
    except ConfigError as error:  # what depends on the data
        assert any(said in str(error) for said in ("1 / 40, one over", "more than the 40 samples", "negative values"))
        return

    assert [record.step for record in records] == [1]


@pytest.mark.parametrize("name", FIELDS)
@pytest.mark.parametrize("value", [Unspeakable(), np.array([1, 2]), {"a": 1}, 1j], ids=type)
def test_what_is_no_value_of_a_setting_is_refused_by_name(name, value):
    with pytest.raises(ConfigError, match=name):
        dg.Config(**{name: value})


@pytest.mark.parametrize(
    "name", ["attribute_units", "lstm_units", "discriminator_units", "auxiliary_units", "lstm_layers", "noise"]
)
@pytest.mark.parametrize("value", [10**5, 10**9, 10**30])
def test_networks_that_no_memory_holds_are_refused(name, value):
    with pytest.raises(ConfigError, match=name):
        dg.Config(**{name: value})


@pytest.mark.parametrize("device", ["meta", "hpu", "nowhere", "cuda:99", "", "cpu:-1"])
def test_a_device_that_computes_nothing_here_is_refused(device):
    with pytest.raises(ConfigError, match="device="):
        dg.Config(device=device)


def test_settings_keep_pythons_own_types():
    config = dg.Config(
        steps=np.int64(3), beta1=np.float32(0.5), ema=0, auxiliary=np.False_, normalise=np.str_("zero_one")
    )

    assert [type(v) for v in (config.steps, config.beta1, config.ema, config.auxiliary, config.normalise)] == [
        int, float, float, bool, str
    ]  # fmt: skip


@pytest.mark.parametrize("config", [{}, {"steps": 1}, 0, "", dg.Config])
def test_what_is_no_config_trains_nothing(small, config):
    for call in (dg.fit, dg.Trainer):
        with pytest.raises(ConfigError, match=r"must be a dgkit\.Config"):
            call(small, config)


@pytest.mark.parametrize("seconds", ["5", -1, math.nan, True, 10**400])
def test_a_time_that_is_none_is_refused(small, seconds):
    with pytest.raises(ConfigError, match="seconds="):
        dg.fit(small, dg.Config(**TINY), seconds=seconds)


def test_each_setting_is_explained_in_help():
    for cls in (dg.Config, dg.privacy.DP):
        for item in fields(cls):
            assert f"\n{item.name} : " in cls.__doc__
            assert item.metadata["means"].split()[0] in cls.__doc__


# --- seeds -----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def trained():
    train = small_dataset()
    return {
        "train": train,
        "model": dg.fit(train, dg.Config(**TINY), progress=False),
        "baseline": dg.baselines.fit("rnn", train, steps=1),
    }


SEEDED = {
    "Config": lambda seed, **_: dg.Config(seed=seed),
    "split": lambda seed, train, **_: dg.split(train, seed=seed),
    "sample": lambda seed, model, **_: model.sample(2, seed=seed),
    "web": lambda seed, **_: dg.simulate.web(3, seed),
    "cluster": lambda seed, **_: dg.simulate.cluster(3, seed),
    "broadband": lambda seed, **_: dg.simulate.broadband(3, seed),
    "baselines.fit": lambda seed, train, **_: dg.baselines.fit("rnn", train, seed=seed, steps=1),
    "a baseline's sample": lambda seed, baseline, **_: baseline.sample(2, seed=seed),
    "plot.series": lambda seed, train, **_: dg.plot.series(train, seed=seed),
    "forecast": lambda seed, train, **_: dg.downstream.forecast(
        train, train, "cpu", steps=2, horizon=1, seed=seed, draws=2
    ),
    "predict_events": lambda seed, train, **_: dg.downstream.predict_events(train, train, "domain", seed=seed, draws=2),
    "retrain_attributes": lambda seed, train, model, **_: dg.whatif.retrain_attributes(
        model, train, steps=1, seed=seed, progress=False
    ),
    "sample_target": lambda seed, train, model, **_: dg.whatif.sample_target(model, train, 2, seed=seed),
    "membership_attack": lambda seed, train, model, **_: dg.privacy.membership_attack(
        model, *dg.split(train), seed=seed, resamples=40
    ),
    "train_shadows": lambda seed, train, **_: dg.privacy.membership.train_shadows(
        *dg.split(train), dg.Config(**TINY), pairs=1, seed=seed
    ),
}


@pytest.mark.parametrize("call", SEEDED)
@pytest.mark.filterwarnings("ignore")
def test_a_seed_works_or_is_refused_by_name(call, trained):
    for seed in (-1, 2**64, 1.0, "0", True, math.nan, [0], np.random.default_rng(0)):
        with pytest.raises(ConfigError, match="seed="):
            SEEDED[call](seed=seed, **trained)
    for seed in (np.int64(3), 2**32, 2**64 - 1):
        SEEDED[call](seed=seed, **trained)


# --- datasets --------------------------------------------------------------------------------------------------------

N, T = 8, 5
CHANCE = np.random.default_rng(0)
UNIT = CHANCE.random((N, T))
ATTRS = (
    *(
        "log",
        "",
        "\ud800",
        "0",
        math.nan,
        math.inf,
        10**400,
        1e308,
        -1,
        0,
        2.5,
        True,
        None,
        b"x",
        1j,
        {"a": 1},
        object(),
    ),
    *(["p", "q"], ["q"], ["p", "q", ""], [["p"], ["q", "r"]], [0, 1, 2, 3, 4], [0, 1, 2, 3, 4, 300], [0, 1, 2.5], ()),
    *(np.array(["p", "q"]), np.array([0.0, 1.0]), np.array(0.5), np.datetime64("2020"), np.float32(2), "zero_one"),
)
NAMES = (
    *(
        "x",
        "",
        " ",
        "a/b",
        "\u540d",
        "\ud800",
        "$x$",
        "_x",
        "x mid-range",
        "time",
        "sample",
        "length",
        "lag",
        "feature",
    ),
    *("attribute", "metric", "value", "values", "dims", "0", "x" * 300, 0, 1.5, None, True, ("a", "b"), b"x"),
)
DTYPES = ("i1", "u1", "i8", "u8", ">i4", "?", "f2", "f4", ">f4", "f8", "g", "c8", "U3", "S3", "O", "M8[s]", "m8[s]")
FEATURES = st.one_of(
    st.sampled_from(DTYPES).map(lambda dtype: (UNIT * 5).astype("i8").astype(dtype)),
    st.builds(
        lambda size, shift: (UNIT - shift) * size,
        st.sampled_from([0, 5e-324, 1e-299, 1e-40, 1.0, 1e16, 1e39, 1e200, 1e307, 1e308]),
        st.sampled_from([0, 0.5, 1e9]),
    ),
    st.sampled_from([np.float32(UNIT * 3e38), np.float32((UNIT - 0.5) * 6e38), np.float32(UNIT * 1e-44)]),
    st.sampled_from(
        [np.where(UNIT > 0.5, 2**63 - 1, -(2**63)), np.where(UNIT > 0.5, np.uint64(2**64 - 1), np.uint64(0))]
    ),
    st.sampled_from([np.where(UNIT > 0.5, "\ud800", "\u540d"), np.where(UNIT > 0.5, "a", ""), UNIT * np.nan]),
    st.sampled_from([np.where(np.arange(T) < 3, UNIT, np.nan), np.where(UNIT > 0.9, np.inf, UNIT)]),
)
ATTRIBUTES = st.one_of(
    st.sampled_from(DTYPES).map(lambda dtype: (np.arange(N) % 3).astype(dtype)),
    st.sampled_from([np.array(["p", "q"] * 4), np.array(["", "q"] * 4), np.array(["\ud800", "q" * 5000] * 4)]),
    st.sampled_from([np.arange(N) * size for size in (5e-324, 1e-299, 1e200, 1e306, 1e307)]),
    st.sampled_from(
        [pd.array([1, 2] * 4, "Int64"), pd.Categorical(["p", "q"] * 4), pd.array([0.5, None] * 4, "Float64")]
    ),
    st.sampled_from([pd.array(pd.period_range("2020", periods=N, freq="D")), np.array([1, "a"] * 4, object)]),
)
TIMES = (
    *(None, np.arange(T), np.arange(T) * 0.5, [0, 0, 0, 0, 0], [0, 1, np.nan, 3, 4], [True] * T),
    *(list("abcde"), ["\ud800"] * T, np.arange(T).astype("f2"), np.arange(T) * 1j, np.array([1, "a", 2, 3, 4], object)),
    *(
        pd.date_range("2020", periods=T),
        pd.date_range("2020", periods=T, tz="UTC"),
        pd.timedelta_range("1D", periods=T),
    ),
    *(pd.period_range("2020", periods=T, freq="M"), pd.interval_range(0, T), pd.CategoricalIndex(list("abcde"))),
    *(np.array(["2020", "NaT", "0001", "9999", "2021"], "M8[s]"), np.arange(T).astype("u8") + np.uint64(2**63)),
    *(xr.date_range("2000", periods=T, calendar=name, use_cftime=True) for name in ("noleap", "360_day", "julian")),
)
KEYS = st.sampled_from(
    ["units", "long_name", "scale", "valid_min", "valid_max", "normalise", "categories", "zeros", "counts", "note", 3]
)
OF_ATTRS = st.dictionaries(KEYS, st.sampled_from(ATTRS), max_size=2)


@st.composite
def datasets(draw):
    """Small datasets of which one part is odd, and sometimes two."""
    odd = draw(st.lists(st.integers(0, 6), min_size=1, max_size=2))
    x = draw(FEATURES) if 0 in odd else UNIT
    a = draw(ATTRIBUTES) if 1 in odd else np.array(["p", "q"] * 4)
    own = [draw(OF_ATTRS) if 2 in odd else {} for _ in range(3)]
    names = [draw(st.sampled_from(NAMES)) if 3 in odd else name for name in ("x", "a")]
    times = draw(st.sampled_from(TIMES)) if 4 in odd else None
    variables = {names[0]: (("sample", "time"), x, own[0]), names[1]: ("sample", a, own[1])}
    ds = xr.Dataset(variables, {} if times is None else {"time": times}, own[2])
    if 5 in odd:
        length = np.array([3, 3, 3, 3, 1, 1, 5, draw(st.sampled_from([0, 3, 6]))])
        ds["length"] = "sample", length.astype(draw(st.sampled_from(["i8", "u1", "f8", "?"])))
    if 6 in odd:
        ds = ds.isel(sample=slice(draw(st.sampled_from([0, 1, 2]))), time=slice(draw(st.sampled_from([0, 1, 2, T]))))
    return ds


@st.composite
def built(draw):
    try:
        return draw(datasets())
    except (ValueError, TypeError):  # xarray's own refusal, such as of a feature called "time"
        return None


LITTLE = dg.Config(steps=1, sample_len=1, batch_size=4, lstm_units=4, attribute_units=4, discriminator_units=4)


@settings(FEW, max_examples=120)
@given(ds=built())
@pytest.mark.filterwarnings("ignore")
def test_what_validate_accepts_is_trained_on_saved_sampled_and_evaluated(ds, tmp_path_factory):
    if ds is None:
        return
    try:
        validate(ds)
    except SchemaError as error:
        assert len(str(error)) < 20_000
        return
    folder = tmp_path_factory.mktemp("gate")
    try:
        trainer = dg.Trainer(ds, LITTLE)
    except DgkitError as error:  # what only the ranges of all values tell
        assert "has a range of" in str(error) or "log scale" in str(error)
        return

    next(trainer)
    trainer.save(folder / "state")
    trainer.model.save(folder / "model")
    again, model = dg.Trainer.load(folder / "state", ds), dg.load(folder / "model")
    fake = model.sample(6)

    assert again.step == 1
    validate(fake, training=False)
    assert fake.identical(trainer.model.sample(6))
    assert model.sample(attributes=ds).sizes["sample"] == ds.sizes["sample"]
    for text in (describe(ds), describe(fake), dg.metrics.evaluate(ds, fake)):
        assert repr(text) and text._repr_html_()
