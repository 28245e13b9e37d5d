"""A report: each fault fails the lines meant to catch it, real data fail none, and the file is safe to open."""

import re
from html.parser import HTMLParser
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import dgkit as dg
from dgkit.errors import ConfigError, SchemaError

TIME = {"autocorrelation", "autocorrelation_standard", "steps", "rises", "shape", "effect_on_shape"}


@pytest.fixture(scope="module")
def web():
    return thirds(dg.simulate.web(1800, time=42))


@pytest.fixture(scope="module")
def cluster():
    return thirds(dg.open_dataset("cluster").isel(sample=slice(1800)))


def thirds(ds, seed=0):
    """Training, held-out, and a third set that stands for a perfect generator."""
    train, rest = dg.split(ds, 1 / 3, seed=seed)
    return train, *dg.split(rest, 0.5, seed=seed + 1)


def failing(train, fake, held_out, **options) -> set[str]:
    found = dg.report(train, fake, held_out, **options).dataset
    return set(found.kind.values[found.verdict.values == "fail"].tolist())


def moved(fake, name, values):
    return fake.assign({name: (fake[name].dims, np.asarray(values, fake[name].dtype), fake[name].attrs)})


# --- each fault fails its line ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["web", "cluster", "broadband"])
def test_held_out_data_handed_in_as_generated_pass_all_lines(name):
    train, held_out = dg.split(dg.open_dataset(name), 0.5)

    assert failing(train, held_out, held_out) == set()


def test_real_data_fail_hardly_any_line(web):
    lines = [dg.report(*(part[k] for k in (0, 2, 1)), seed=seed).dataset for seed in range(4) for part in [web]]

    verdicts = np.concatenate([found.verdict.values for found in lines])
    assert (verdicts == "fail").mean() <= 0.02
    assert (verdicts == "pass").mean() > 0.9


def test_copies_of_training_data_fail_the_lines_on_copies_alone(web, cluster):
    for train, held_out, _ in (web, cluster):
        assert failing(train, train, held_out) == {"copies", "nearness"}


def test_a_few_copies_are_found(web):
    train, held_out, fake = web
    few = xr.concat([train.isel(sample=slice(15)), fake.isel(sample=slice(15, None))], "sample")

    assert failing(train, few, held_out) == {"copies"}


def test_copies_are_found_without_held_out_data_too(web):
    train, _, fake = web

    assert failing(train, train, None) == {"copies"}
    assert failing(train, fake, None) == set()


def test_a_destroyed_order_of_time_fails_the_lines_on_time_alone(web):
    train, held_out, fake = web
    random = np.random.default_rng(0)

    found = failing(train, moved(fake, "views", random.permuted(fake.views.values, axis=1)), held_out)

    assert {"autocorrelation", "autocorrelation_standard", "steps", "rises", "shape"} <= found <= TIME


def test_attributes_dealt_to_other_series_fail_the_effects_alone(web):
    train, held_out, fake = web
    order = np.random.default_rng(0).permutation(fake.sizes["sample"])
    shuffled = fake.assign({name: ("sample", fake[name].values[order]) for name in ("domain", "access", "agent")})

    assert failing(train, shuffled, held_out) == {"effect", "effect_on_shape"}


def test_one_attribute_without_its_effect_fails_its_own_lines_alone(web, cluster):
    for (train, held_out, fake), name, needed in (
        (web, "domain", {"effect: domain on views", "effect_on_shape: domain on views"}),
        (cluster, "job_class", {f"effect: job_class on {of}" for of in ("cpu_rate", "memory", "assigned_memory")}),
    ):
        order = np.random.default_rng(0).permutation(fake.sizes["sample"])

        found = dg.report(train, moved(fake, name, fake[name].values[order]), held_out).dataset

        assert set(found.line.values[found.verdict.values == "fail"].tolist()) == needed


@pytest.mark.parametrize(
    ("fault", "meant"),
    [
        (lambda views: views * 1.4, {"values", "level"}),
        (lambda views: np.minimum(views, np.quantile(views, 0.9)), {"range", "amplitude"}),
        (
            lambda views: np.exp(pd.DataFrame(np.log(views)).T.rolling(3, min_periods=1).mean().T.values),
            {"steps", "rises"},
        ),
        (lambda views: np.where(np.random.default_rng(0).random(views.shape) < 0.02, 0, views), {"zeros"}),
        (lambda views: views[:, ::-1], {"shape"}),
    ],
    ids=["level shift", "clipped range", "lost bursts", "zeros", "time reversed"],
)
def test_a_fault_of_values_fails_its_line_and_none_of_attributes(web, fault, meant):
    train, held_out, fake = web

    found = failing(train, moved(fake, "views", fault(fake.views.values.astype(float))), held_out)

    assert meant <= found
    assert not found & {"attribute", "missing", "joint", "copies", "nearness", "lengths"}


def test_quarters_of_close_numbers_are_four():
    from dgkit.reports.measures import _quarters

    names = _quarters(np.linspace(290.101, 290.104, 100), np.arange(100))

    assert np.unique(names, return_counts=True)[1].tolist() == [25, 25, 25, 25]


def test_one_series_over_and_over_fails_the_line_on_kinds(web):
    train, held_out, fake = web

    few = moved(fake, "views", fake.views.values[np.arange(fake.sizes["sample"]) % 5])

    assert "modes" in failing(train, few, held_out)


def test_wrong_lengths_fail_their_line(cluster):
    train, held_out, fake = cluster
    ends = np.maximum(1, fake.length.values // 2)
    cut = {name: fake[name].where(np.arange(60) < ends[:, None]) for name in ("cpu_rate", "memory", "assigned_memory")}

    found = failing(train, fake.assign({**cut, "length": ("sample", ends)}), held_out)

    assert "lengths" in found and not found & {"attribute", "missing", "joint"}


def test_wrong_shares_of_categories_fail_their_lines_and_no_effect(web):
    train, held_out, fake = web
    rarely = fake.isel(sample=np.flatnonzero((fake.access != "desktop") | (np.arange(600) % 3 == 0)))
    never = fake.isel(sample=np.flatnonzero(fake.access != "desktop"))

    found = failing(train, rarely, held_out)
    assert "attribute" in found and not found & {"effect", "effect_on_shape", "missing"}
    assert {"attribute", "missing"} <= failing(train, never, held_out)


def test_features_that_no_longer_move_together_fail_their_line(cluster):
    train, held_out, fake = cluster
    turned = moved(fake, "memory", fake.memory.max("time").values[:, None] - fake.memory.values)

    assert "pairs" in failing(train, turned, held_out)


def test_categories_over_time_are_compared_by_their_shares_and_their_changes():
    random = np.random.default_rng(0)

    def states(n):
        start, change = random.integers(2, size=(n, 1)), (random.random((n, 30)) < 0.1).cumsum(1)
        return xr.Dataset({"state": (("sample", "time"), np.array(["off", "on"])[(start + change) % 2])})

    train, held_out, fake = (states(200) for _ in range(3))
    shuffled = moved(fake, "state", random.permuted(fake.state.values, axis=1))

    assert failing(train, fake, held_out) == set()
    assert failing(train, shuffled, held_out) == {"changes"}


def test_a_device_that_is_out_of_line_is_found_and_named():
    random = np.random.default_rng(0)

    def polls(broken=None):
        device = np.repeat(np.arange(12), 25)
        load = device[:, None] + random.normal(size=(300, 24)).cumsum(1)
        load[device == broken] = 11.0 - load[device == broken]
        return xr.Dataset({"load": (("sample", "time"), load)}, {"device": ("sample", device)})

    train, held_out = polls(), polls()

    assert failing(train, polls(), held_out, by="device") == set()
    found = dg.report(train, polls(broken=0), held_out, by="device").dataset
    assert found.verdict.sel(line="effect: device on load") == "fail"
    gaps = found.isel(entry=(found.entry_line == "effect: device on load").values)
    assert gaps.entry_value.values[(gaps.entry_measured / gaps.entry_chance_worst).values.argmax()] == "0"


# --- samples that belong together ------------------------------------------------------------------------------------


def days_of_devices(seed, devices=40, days=12):
    """Days of devices, each with a level of its own and the course of its site, in parts without a common device."""
    random = np.random.default_rng(seed)
    site = np.repeat(np.arange(devices) % 2, days)
    level = np.repeat(random.normal(0, 1, devices), days)
    rough = np.repeat(random.uniform(0.1, 0.3, devices), days)
    hours = np.arange(24)
    course = np.sin(2 * np.pi * (hours - np.where(site, 6, 12)[:, None]) / 24)
    traffic = np.exp(level[:, None] + course + rough[:, None] * random.normal(size=course.shape))
    ds = xr.Dataset(
        {
            "traffic": (("sample", "time"), traffic, {"scale": "log"}),
            "site": ("sample", np.array(["campus", "edge"])[site]),
        },
        {"device": ("sample", np.repeat([f"d{k}" for k in range(devices)], days))},
    )
    train, rest = dg.split(ds, 0.5, seed=seed, by="device")
    return train, *dg.split(rest, 0.5, seed=seed + 1, by="device")


def test_days_of_real_devices_that_nobody_has_seen_pass_where_whole_devices_are_dealt():
    by_days, by_devices = [], []
    for seed in range(6):
        train, held_out, fake = days_of_devices(seed)
        by_days += failing(train, fake, held_out)
        by_devices += failing(train, fake, held_out, by="device")

    assert len(by_days) > 6
    assert len(by_devices) <= 1


def test_real_days_drawn_one_by_one_pass_though_all_devices_share_one_calendar():
    """A deal of whole devices has the same calendar on both sides; days that a model draws have not."""
    failed = 0
    for seed in range(4):
        parts = days_of_devices(seed, days=14)
        train, held_out, other = (
            part.assign(day=("sample", np.resize(["work"] * 5 + ["weekend"] * 2, part.sizes["sample"])))
            for part in parts
        )
        fake = other.isel(sample=np.random.default_rng(seed).integers(0, other.sizes["sample"], other.sizes["sample"]))
        found = dg.report(train, fake, held_out, by="device").dataset.sel(line="attribute: day")
        failed += found.verdict == "fail"
        assert found.measured > 0

    assert failed == 0


FAULTS_OF_DAYS = {
    "copies": (lambda train, fake, random: train.isel(sample=random.integers(240, size=120)), {"copies", "nearness"}),
    "hours mixed": (
        lambda train, fake, random: moved(fake, "traffic", random.permuted(fake.traffic.values, axis=1)),
        {"autocorrelation", "autocorrelation_standard", "steps", "effect_on_shape"},
    ),
    "sites mixed": (
        lambda train, fake, random: moved(fake, "site", random.permutation(fake.site.values)),
        {"effect_on_shape"},
    ),
    "late": (lambda train, fake, random: fake.roll(time=4), {"effect_on_shape"}),
    "larger": (lambda train, fake, random: moved(fake, "traffic", fake.traffic * 30), {"values", "level"}),
}


@pytest.mark.parametrize("fault", FAULTS_OF_DAYS)
def test_a_planted_fault_fails_its_lines_where_whole_devices_are_dealt(fault):
    plant, meant = FAULTS_OF_DAYS[fault]
    for seed in range(3):
        train, held_out, fake = days_of_devices(seed)

        assert meant <= failing(train, plant(train, fake, np.random.default_rng(seed)), held_out, by="device")


def test_the_series_of_windows_are_dealt_whole_without_being_named():
    train, held_out, fake = (part.rename(device="series") for part in days_of_devices(0))

    found, named = dg.report(train, fake, held_out), dg.report(train, fake, held_out, by="series")

    del found.dataset.attrs["made"], named.dataset.attrs["made"]
    xr.testing.assert_identical(found.dataset, named.dataset)
    assert found.dataset.attrs["dealt"] == "series" and found.dataset.attrs["held_out_groups"] == 10
    assert "Samples of the same <em>series</em> belong together" in found.html
    same = dg.report(*(part.isel(sample=slice(k, None, 2)) for k, part in ((0, train), (0, fake), (1, train))))
    assert same.dataset.attrs["dealt"] == "sample" and "belong together" not in same.html


def test_what_deals_are_made_of_may_be_an_attribute_and_need_not_be_in_generated_data():
    train, held_out, fake = days_of_devices(1)

    by_coordinate = dg.report(train, fake.drop_vars("device"), held_out, by="device").dataset
    by_attribute = dg.report(*(ds.reset_coords() for ds in (train, fake, held_out)), by="device").dataset

    assert "effect: device on series" not in by_coordinate.line.values
    for line in ("values: traffic (log)", "shape: traffic"):
        assert by_coordinate.chance_worst.sel(line=line) == by_attribute.chance_worst.sel(line=line)


def test_too_few_devices_are_not_judged():
    train, held_out, fake = days_of_devices(2)
    few = held_out.isel(sample=np.isin(held_out.device, np.unique(held_out.device)[:3]))

    found = dg.report(train, fake, few, by="device").dataset

    assert (
        found.why.sel(line="values: traffic (log)") == "fewer than 4 values of device in a set are too few to judge by"
    )
    with pytest.raises(ConfigError, match="by='device': 12 samples have none"):
        dg.report(
            train.assign_coords(device=train.device.where(train.device != train.device[0], "")), fake, few, by="device"
        )


def test_a_rule_that_whole_devices_break_is_held_against_as_many_devices():
    for seed in (2, 3):
        train, held_out, fake = days_of_devices(seed)
        rules = {"small": lambda ds: ds.traffic.max("time") < 12}
        single, whole = (
            dg.report(train, fake, held_out, by=by, constraints=rules).dataset.sel(line="constraint: small")
            for by in ((), "device")
        )

        assert single.verdict == "fail" and whole.verdict == "pass"
        assert single.measured == whole.measured and single.chance_worst < whole.chance_worst


def test_a_membership_attack_is_held_against_whole_devices():
    train, held_out, fake = days_of_devices(3)

    class Leaky:
        def sample(self, n, seed):
            return train

    class Other:
        def sample(self, n, seed):
            return fake

    leaky, other = (
        dg.report(train, fake, held_out, by="device", model=model()).dataset.sel(line="membership: by distance")
        for model in (Leaky, Other)
    )

    assert leaky.verdict == "fail" and other.verdict == "pass"


# --- on every shipped set, over several seeds ------------------------------------------------------------------------


def halves(name, seed):
    """Training and held-out data, and as a perfect generator the other half of the real data."""
    half, fake = dg.split(dg.open_dataset(name), 0.5, seed=seed)
    return *dg.split(half, 0.5, seed=seed + 1000), fake


def features(ds):
    return [name for name in ds.data_vars if ds[name].dims == ("sample", "time")]


def first_attribute(ds):
    return next(name for name in ds.data_vars if ds[name].dims == ("sample",) and name != "length")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["web", "cluster", "broadband"])
def test_ten_random_halves_of_real_data_raise_no_alarm(name):
    alarms = []
    for seed in range(10):
        train, held_out, fake = halves(name, seed)
        found = dg.report(train, fake, held_out, seed=seed, by="machine" if name == "cluster" else ()).dataset
        alarms += found.line.values[found.verdict.values == "fail"].tolist()
        assert (found.verdict == "not judged").sum() == 1  # the membership attack: there is no model

    assert alarms == []


def copies_with_noise(train, fake, random):
    return train.assign(
        {name: train[name] * (1 + 1e-3 * random.normal(size=train[name].shape)) for name in features(train)}
    )


def some_copies(train, fake, random):
    few = [train.isel(sample=slice(25)), fake.isel(sample=slice(25, None))]
    return xr.concat(few, "sample", data_vars="minimal", coords="minimal", compat="override")


def shuffled_in_time(train, fake, random):
    ends = fake.length.values if "length" in fake else np.full(fake.sizes["sample"], fake.sizes["time"])
    for name in features(fake):
        rows = [[*random.permutation(row[:end]), *row[end:]] for row, end in zip(fake[name].values, ends, strict=True)]
        fake = moved(fake, name, rows)
    return fake


def attribute_without_effect(train, fake, random):
    name = first_attribute(fake)
    return moved(fake, name, random.permutation(fake[name].values))


def dropped_category(train, fake, random):
    values, counts = np.unique(fake[first_attribute(fake)], return_counts=True)
    kept = fake[first_attribute(fake)] != values[np.argsort(counts)[len(counts) // 2]]
    return fake.isel(sample=np.flatnonzero(kept))


def no_zeros(train, fake, random):
    return moved(fake, "ping_loss", np.where(fake.ping_loss == 0, 1e-6, fake.ping_loss))


def three_steps_late(train, fake, random):
    return fake.assign({name: fake[name].roll(time=3) for name in features(fake)})


def halved_on_one_device(train, fake, random):
    name, first = first_attribute(fake), features(fake)[0]
    values, counts = np.unique(fake[name], return_counts=True)
    return moved(fake, first, fake[first].where(fake[name] != values[counts.argmax()], fake[first] / 2))


def broken_sum(train, fake, random):
    wrong = random.random(fake.sizes["sample"]) < 0.02
    return fake.assign(total=fake.total.where(~wrong[:, None], fake.total * 1.1))


def few_kinds(train, fake, random):
    return fake.isel(sample=np.arange(fake.sizes["sample"]) % 20)


FAULTS = [  # of which sets, and the kinds of lines that are to fail
    (copies_with_noise, "web cluster broadband", {"copies", "nearness"}),
    (some_copies, "web cluster broadband", {"copies"}),
    (shuffled_in_time, "web cluster broadband", {"autocorrelation", "autocorrelation_standard", "shape"}),
    (attribute_without_effect, "web cluster broadband", {"effect"}),
    (dropped_category, "web cluster broadband", {"missing"}),
    (three_steps_late, "web broadband", {"shape", "effect_on_shape"}),
    (no_zeros, "broadband", {"zeros"}),
    (halved_on_one_device, "cluster broadband", {"level"}),
    (broken_sum, "cluster", {"constraint"}),
    (few_kinds, "web cluster broadband", {"modes"}),
]


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    ("name", "fault", "meant"), [(name, fault, meant) for fault, names, meant in FAULTS for name in names.split()]
)
def test_a_planted_fault_fails_its_line_on_every_set_with_every_seed(name, fault, meant, seed):
    train, held_out, fake = halves(name, seed)
    rules = {}
    if fault is broken_sum:
        train, held_out, fake = (ds.assign(total=ds.memory + ds.assigned_memory) for ds in (train, held_out, fake))
        rules["sum"] = lambda ds: (abs(ds.total - ds.memory - ds.assigned_memory).fillna(0) < 1e-6).all("time")

    wrong = fault(train, fake, np.random.default_rng(seed))

    assert meant <= failing(train, wrong, held_out, seed=seed, constraints=rules)


# --- constraints, privacy, thresholds --------------------------------------------------------------------------------


def test_constraints_and_declared_bounds_are_held_against_what_real_data_break(web):
    train, held_out, fake = (part.assign(views=part.views.assign_attrs(valid_min=0, valid_max=1e9)) for part in web)
    fake = moved(fake, "views", np.where(np.arange(600)[:, None] == 7, -1, fake.views.values))
    rules = {"weekly": lambda ds: ds.views.isel(time=0) > 0, "odd": lambda ds: ds.views.isel(time=0) % 2 == 1}

    found = dg.report(train, fake, held_out, constraints=rules).dataset.set_index(line="line")

    lines = found.isel(line=(found.kind == "constraint").values)
    told = dict(zip(lines.line.values.tolist(), lines.verdict.values.tolist(), strict=True))
    assert told == {
        "constraint: views from 0 to 1e+09": "fail",
        "constraint: weekly": "fail",
        "constraint: odd": "pass",
    }
    assert lines.measured.sel(line="constraint: weekly").item() == pytest.approx(1 / 600)


def test_held_out_data_that_were_trained_on_are_refused_or_said_to_be(web):
    train, held_out, fake = web
    leaked = xr.concat([train.isel(sample=slice(300)), held_out.isel(sample=slice(300))], "sample")
    few = xr.concat([train.isel(sample=slice(6)), held_out.isel(sample=slice(6, None))], "sample")

    for data, count in ((leaked, 300), (train, 600)):
        with pytest.raises(ConfigError, match=f"{count} of 600 held-out samples are samples of the training data too"):
            dg.report(train, train, data)
    nearly = dg.report(train, fake, leaked.assign(views=leaked.views * 1.0000001)).dataset

    assert re.match(r"2\d\d of 500 held-out samples are a training one", nearly.why.sel(line="copies").item())
    assert re.match(r"\d of 500 held-out samples", dg.report(train, fake, few).dataset.why.sel(line="copies").item())


def test_a_report_compares_no_bytes_with_kilobytes_and_no_days_with_hours(web):
    train, held_out, fake = web
    hours = fake.assign_coords(time=pd.date_range("2015", periods=42, freq="h"))

    with pytest.raises(SchemaError, match="'views' is in views/day in the real data, in kB in the held-out"):
        dg.report(train, fake, held_out.assign(views=held_out.views.assign_attrs(units="kB")))
    with pytest.raises(SchemaError, match="1 day after the first in the real data, 1 hour in the generated"):
        dg.report(train, hours, held_out)


@pytest.mark.parametrize(
    "rule", [lambda ds: ds.nothing, lambda ds: ds.views > 0, lambda ds: [True], lambda ds: ds.views.max("time")]
)
def test_a_constraint_that_is_none_is_named_with_what_it_should_be(web, rule):
    with pytest.raises(ConfigError, match=r"constraint 'mine' must be a function of a Dataset that gives True"):
        dg.report(web[0], web[2], web[1], constraints={"mine": rule})
    with pytest.raises(ConfigError, match="must be a mapping of names to functions"):
        dg.report(web[0], web[2], web[1], constraints=[rule])


def test_without_held_out_data_lines_say_that_they_cannot_be_judged(web):
    train, _, fake = web

    found = dg.report(train, fake)

    lines = found.dataset.isel(line=~found.dataset.kind.isin(["copies", "constraint"]).values)
    assert set(lines.verdict.values.tolist()) == {"not judged"}
    assert all("no held-out data" in why or "no model" in why for why in lines.why.values)
    assert found.passed is None and "No held-out data were given" in found.html
    assert dg.report(train, fake, thresholds={"values": 0.5}).dataset.verdict.sel(line="values: views (log)") == "pass"


def test_too_few_samples_are_not_judged(web):
    train, held_out, fake = web

    found = dg.report(train, fake.isel(sample=slice(3)), held_out).dataset

    assert found.verdict.sel(line="values: views (log)") == "not judged"
    assert "too few" in found.why.sel(line="values: views (log)").item()


def test_held_out_data_of_another_kind_are_the_bar_and_are_said_to_differ(web):
    train, held_out, fake = web
    other = moved(held_out, "views", held_out.views.values * 3)

    found = dg.report(train, fake, other).dataset

    assert found.verdict.sel(line="level: views (log)") == "pass"
    assert "training and held-out data themselves differ" in found.why.sel(line="level: views (log)").item()


def test_a_threshold_is_for_a_kind_or_for_one_line_or_for_how_far_chance_may_be_left(web):
    train, held_out, fake = web
    wrong = moved(fake, "views", fake.views.values * 1.5)

    assert "values" not in failing(train, wrong, held_out, thresholds={"values": 2.0})
    assert "values" not in failing(train, wrong, held_out, thresholds={"values: views (log)": 2.0})
    assert {"values", "level"}.isdisjoint(failing(train, wrong, held_out, thresholds={"chance": 50}))
    assert "epsilon" not in failing(train, fake, held_out, thresholds={"epsilon": 1})


@pytest.mark.parametrize("name", ["value", "values: clicks", "", 3])
def test_a_threshold_for_no_line_is_refused_with_those_there_are(web, name):
    with pytest.raises(ConfigError, match="values"):
        dg.report(*(web[k].isel(sample=slice(30)) for k in (0, 2, 1)), thresholds={name: 1.0})


def test_a_coordinate_to_group_by_that_is_not_there_is_refused_or_said(web):
    train, held_out, fake = web
    named = train.assign_coords(device=("sample", np.arange(600) % 10))

    with pytest.raises(ConfigError, match=r"by='device' is nothing on \(sample,\)"):
        dg.report(train, fake, held_out, by="device")
    assert dg.report(named, fake, held_out, by="device").dataset.why.sel(line="effect: device on series") == (
        "the generated data have no 'device'"
    )


TINY = {"steps": 3, "batch_size": 20, "sample_len": 7, "lstm_units": 6, "attribute_units": 8, "discriminator_units": 10}


def test_a_model_is_described_and_attacked(web):
    train, held_out = (part.isel(sample=slice(400)) for part in web[:2])
    model = dg.fit(train, dg.Config(**TINY, seed=5), progress=False)

    found = dg.report(train, model.sample(100), held_out, model=model)

    line = found.dataset.sel(line="membership: by discriminator")
    attack = dg.privacy.membership_attack(model, train, held_out)
    assert line.verdict == "pass" and line.measured == pytest.approx(attack.auc.value)
    assert line.chance == pytest.approx(0.5, abs=0.05)
    assert "DoppelGANger, 3 training steps" in found.html and "<dt>seed:</dt> <dd>5</dd>" in found.html
    assert "Training was not private" in found.html


def test_a_model_that_knows_its_training_data_fails_the_membership_line(web):
    train, held_out, fake = web

    class Leaky:
        def sample(self, n, seed):
            return train

    found = dg.report(train, fake, held_out, model=Leaky()).dataset

    assert found.verdict.sel(line="membership: by distance") == "fail"


def test_a_private_model_shows_its_epsilon_and_that_the_report_is_not_covered(web):
    train, held_out, fake = web
    model = dg.fit(train, dg.Config(**TINY, dp=dg.privacy.DP(2.0, delta=1e-4)), progress=False)

    found = dg.report(train, fake, held_out, model=model)

    line = found.dataset.sel(line="epsilon: at delta 0.0001")
    by_rdp = model.history.epsilon.values[-1]
    settings = {"noise_multiplier": 2.0, "sample_rate": TINY["batch_size"] / train.sizes["sample"], "delta": 1e-4}
    tight = dg.privacy.stated(**settings, steps=TINY["steps"], releases=2)
    assert line.measured == pytest.approx(tight[0]) and tight[1] == "PRV" and tight[0] < by_rdp
    assert f"by the PRV accountant; by RDP it is {by_rdp:.3g}" in found.html
    other = dg.report(train.isel(sample=slice(1, None)), fake, held_out, model=model)  # not what it was trained on
    assert "at most, by the RDP accountant" in other.html
    assert line.verdict == ("pass" if line.measured <= 10 else "fail")
    assert "Epsilon does not cover this file" in found.html
    strict = dg.report(train, fake, held_out, model=model, thresholds={"epsilon": 1e-3})
    assert strict.dataset.verdict.sel(line="epsilon: at delta 0.0001") == "fail" and strict.passed is False


def test_a_private_generator_shows_its_epsilon_too(web):
    train, held_out, fake = web
    public = {**dg.privacy.declared(train), "views": (1, 1e7)}
    model = dg.privacy.spectrum(train, epsilon=2.0, delta=1e-4, public=public)

    found = dg.report(train, fake, held_out, model=model)

    assert found.dataset.measured.sel(line="epsilon: at delta 0.0001") == pytest.approx(2.0)
    assert "exactly, as sums with Gaussian noise are" in found.html


def test_a_model_of_other_data_is_refused(web, cluster):
    model = dg.fit(cluster[0], dg.Config(**TINY), progress=False)

    with pytest.raises(ConfigError, match="the model was trained on"):
        dg.report(web[0], web[2], web[1], model=model)
    with pytest.raises(ConfigError, match=r"has no sample\(n, seed=\.\.\.\)"):
        dg.report(web[0], web[2], web[1], model="web.dgkit")


# --- what may come in ------------------------------------------------------------------------------------------------


def test_tables_of_another_library_are_read_as_evaluate_reads_them(web):
    tables = [
        part.isel(time=slice(8)).drop_vars("time").to_dataframe().reset_index().astype({"views": float}) for part in web
    ]
    columns = {"features": ["views"], "sample": "sample", "time": "time", "attributes": ["domain", "access", "agent"]}

    found = dg.report(tables[0], tables[2], tables[1], **columns)

    assert found.dataset.verdict.sel(line="values: views (log)") == "pass"
    assert "Tables read as" in found.html
    with pytest.raises(SchemaError, match=r"Name them: sample=\.\.\., time=\.\.\., features=\[\.\.\.\]"):
        dg.report(tables[0], tables[2], tables[1])


def test_no_attributes_numbers_as_attributes_and_short_series_are_reported():
    random = np.random.default_rng(0)

    def make(steps, **more):
        return xr.Dataset({"load": (("sample", "time"), random.normal(size=(200, steps)))} | more)

    for steps in (1, 2, 3):
        found = dg.report(make(steps), make(steps), make(steps))
        assert found.passed is not False and found.html
    sets = [make(5, size=("sample", random.normal(size=200)), count=("sample", random.integers(9, size=200)))
            for _ in range(3)]  # fmt: skip
    found = dg.report(*sets).dataset
    assert (found.verdict.sel(line=["attribute: size", "attribute: count", "effect: size on load"]) == "pass").all()


@pytest.mark.parametrize("unit", [2.0**-300, 2.0**300])
def test_the_unit_of_a_feature_changes_no_line_on_it(web, unit):
    train, fake, held_out = (web[k][["views"]].drop_attrs() for k in (0, 2, 1))
    fake = moved(fake, "views", fake.views.values[:, ::-1])

    found = dg.report(train, fake, held_out).dataset
    other = dg.report(*(ds.astype(float) * unit for ds in (train, fake, held_out))).dataset

    own = ~found.kind.isin(["copies", "nearness"]).values
    np.testing.assert_array_equal(found.verdict[own], other.verdict[own])
    np.testing.assert_allclose(found.measured[own], other.measured[own], rtol=1e-6, atol=1e-9)
    assert (found.verdict == "fail").any()


def test_chunked_data_give_the_same_report(web):
    plain = dg.report(web[0], web[2], web[1])
    chunked = dg.report(*(web[k].chunk(sample=70) for k in (0, 2, 1)))

    del plain.dataset.attrs["made"], chunked.dataset.attrs["made"]
    xr.testing.assert_identical(plain.dataset, chunked.dataset)


def test_a_report_can_be_kept_as_netcdf(web, tmp_path):
    found = dg.report(web[0], web[2], web[1])

    found.dataset.to_netcdf(tmp_path / "report.nc")

    xr.testing.assert_equal(xr.load_dataset(tmp_path / "report.nc"), found.dataset)


# --- the file --------------------------------------------------------------------------------------------------------


class Read(HTMLParser):
    """Every tag with its attributes, and whether they close in order."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.open = [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "wbr"):
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


HOSTILE = "<script>alert(1)</script>$x^{2$\x00\u202e'\"&"


def test_the_file_is_whole_needs_nothing_else_and_runs_nothing(web, tmp_path):
    bad = {"views": HOSTILE, "domain": "</svg><img src=x onerror=alert(2)>"}
    sets = [part.rename(bad).assign_attrs(title=HOSTILE) for part in web]
    for part in sets:
        part["access"] = "sample", np.char.replace(part.access.values.astype("U40"), "desktop", "<b>$\\frac")
        part[HOSTILE].attrs["units"] = "<i>"

    found = dg.report(sets[0], sets[2], sets[1], constraints={HOSTILE: lambda ds: ds.access != "<"})
    found.save(tmp_path / "report.html")

    text = (tmp_path / "report.html").read_text("utf-8")
    tags = Read(text).tags
    assert not {tag for tag, _ in tags} & {"script", "img", "link", "iframe", "object", "i", "foreignobject"}
    links = [value for _, attrs in tags for name, value in attrs.items() if name in ("src", "href", "xlink:href")]
    assert all(value.startswith("#") for value in links)
    assert not [name for _, attrs in tags for name in attrs if name.startswith("on")]
    assert not re.search(r"url\((?!#)|@import|[\x00-\x08]|\u202e", text)
    assert found._repr_html_().count("<tr>") > 20 and "<script" not in found._repr_html_()


def test_pictures_and_tables_can_be_read_without_seeing_them(web):
    tags = Read(dg.report(web[0], web[2], web[1]).html).tags

    pictures = [attrs for tag, attrs in tags if tag == "svg"]
    assert len(pictures) == 6 + 3 and all(one["role"] == "img" and one["aria-label"] for one in pictures)
    levels = [int(tag[1]) for tag, _ in tags if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1 and all(b - a <= 1 for a, b in pairwise(levels))
    assert all("scope" in attrs for tag, attrs in tags if tag == "th")
    assert ("html", {"lang": "en"}) in tags


def test_each_part_of_the_table_has_one_heading_and_each_kind_of_line_one_reading(cluster):
    text = dg.report(cluster[0], cluster[2], cluster[1]).html

    parts = re.findall(r'<th scope="rowgroup"[^>]*>([^<]+)<', text)
    assert parts == ["Features", "Lengths and attributes", "Effects of attributes", "Constraints", "Copies and privacy"]
    assert text.count("How far values must move on average") == 1


@pytest.mark.parametrize(("steps", "a_point"), [(56, 1), (450, 2.25)])
def test_the_shape_over_time_is_drawn_at_its_steps(steps, a_point):
    from dgkit.reports.page import _courses

    wave = np.sin(2 * np.pi * np.arange(steps) / 50 * (12.5 if steps == 56 else 1))  # a day has four steps
    ds = xr.Dataset({"load": (("sample", "time"), wave + np.random.default_rng(0).normal(size=(30, 1)))})

    axis = _courses({"held-out": ds, "generated": ds, "training": ds}, "load").axes[0]

    at, drawn = axis.lines[0].get_xdata(), axis.lines[0].get_ydata()
    assert np.diff(at).mean() == pytest.approx(a_point, rel=0.01)
    np.testing.assert_allclose(drawn, np.interp(at, np.arange(steps), wave) / wave.std(), atol=0.05)


def test_ids_in_the_file_occur_once(cluster):
    train, held_out, fake = (part[["cpu_rate", "end_event", "length"]] for part in cluster)
    text = dg.report(train, fake, held_out).html

    used = set(re.findall(r'(?:url\(#|href="#)([^")]+)', text))
    ids = re.findall(r'\bid="([^"]+)"', text)
    assert used <= set(ids)
    assert not [one for one in used if ids.count(one) > 1]


def test_the_repr_counts_and_lists(web):
    text = repr(dg.report(web[0], web[2], web[1]))

    assert text.startswith("Report: ") and "not judged" in text.splitlines()[0]
    assert any(line.startswith("values: views (log)") and line.endswith("pass") for line in text.splitlines())


def test_bounds_of_each_samples_own_are_a_constraint_that_only_what_is_above_breaks():
    def links(seed, above=0.0):
        random = np.random.default_rng(seed)
        speed = random.choice([10, 100], 80)
        load = random.random((80, 8)) * speed[:, None]
        load[:40, 0] += above * speed[:40]
        bounded = {"valid_min": 0.0, "valid_max": "speed"}
        worth = {"numbers": [10.0, 100.0], "categories": ["10", "100"]}
        return xr.Dataset({"load": (("sample", "time"), load, bounded), "speed": ("sample", speed.astype(str), worth)})

    def line(made):
        found = dg.report(links(0), made, links(2)).dataset
        return found.sel(line="constraint: load from 0 to speed")

    assert float(line(links(1)).measured) == 0 and str(line(links(1)).verdict.values) == "pass"
    assert float(line(links(1, above=1.0)).measured) > 0.4
    assert str(line(links(1, above=1.0)).verdict.values) == "fail"
    faster = links(1)
    faster["speed"] = (
        "sample",
        np.where(faster.speed == "100", "1000", faster.speed),
        {},
    )  # of what nobody says its worth
    assert 0.3 < float(line(faster).measured) < 0.7


def test_one_huge_value_hides_no_shape():
    def waves(seed, turned=0.0, outlier=False):
        random, steps = np.random.default_rng(seed), np.arange(24)
        x = 1e3 * (2 + np.sin(steps * 2 * np.pi / 24 + turned) + 0.1 * random.normal(size=(120, 24)))
        x[0] *= 1e11 if outlier else 1
        return xr.Dataset({"x": (("sample", "time"), x, {"scale": "log"})})

    for outlier in (False, True):
        found = dg.report(waves(0, outlier=outlier), waves(1, turned=np.pi), waves(2)).dataset.sel(line="shape: x")
        assert float(found.measured) > 1.5 and str(found.verdict.values) == "fail"
