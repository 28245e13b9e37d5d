"""The simulators do what their docstrings say: each claim is checked by a calculation of its own."""

from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from dgkit import schema, simulate
from dgkit.errors import ConfigError
from dgkit.simulate import draws
from dgkit.simulate.__main__ import main

DATA = Path(__file__).parents[2] / "data"
CROWDED = {"job_class": {"small": 0.28, "medium": 0.12, "large": 0.60}}
SIMULATORS = [simulate.web, simulate.cluster, simulate.broadband]


@pytest.fixture(scope="module")
def pages():
    return simulate.web(6000, seed=3)


@pytest.fixture(scope="module")
def jobs():
    return simulate.cluster(4000, seed=3)


@pytest.fixture(scope="module")
def crowded_jobs():
    return simulate.cluster(4000, seed=3, mix=CROWDED)


@pytest.fixture(scope="module")
def homes():
    return simulate.broadband(6000, seed=3)


def mean_correlation(series, lag):
    """Mean over rows of the Pearson correlation of x[:-lag] and x[lag:], a row at a time."""
    return np.mean([np.corrcoef(row[:-lag], row[lag:])[0, 1] for row in series])


def share(da, value):
    return float((da == value).mean())


def assert_share(found, expected, n):
    assert abs(found - expected) < 4 * np.sqrt(expected * (1 - expected) / n) + 1e-12


# ---- all three


@pytest.mark.parametrize("simulator", SIMULATORS)
def test_dataset_is_valid_and_labelled(simulator):
    ds = simulator(300)

    found = schema.validate(ds)

    assert all("units" in ds[f.name].attrs and "long_name" in ds[f.name].attrs for f in found.features)
    assert all(a.kind == "categorical" and ds[a.name].attrs["categories"] for a in found.attributes)
    assert ds.attrs["title"]
    assert ds.attrs["source"] == f"simulated by dgkit.simulate.{simulator.__name__}"
    assert (ds.attrs["n"], ds.attrs["seed"]) == (300, 0)


@pytest.mark.parametrize("simulator", SIMULATORS)
def test_same_seed_same_data_another_seed_other_data(simulator):
    first, again, other = simulator(50, seed=4), simulator(50, seed=4), simulator(50, seed=5)

    xr.testing.assert_identical(first, again)
    feature = schema.validate(first).features[0].name
    assert not np.array_equal(first[feature], other[feature], equal_nan=True)


@pytest.mark.parametrize("simulator", SIMULATORS)
def test_first_samples_do_not_depend_on_how_many_follow(simulator):
    few, many = simulator(40, seed=2), simulator(200, seed=2)

    xr.testing.assert_equal(few, many.isel(sample=slice(40)))


@pytest.mark.parametrize("simulator", SIMULATORS)
def test_history_is_the_call_that_makes_the_data(simulator):
    ds = simulator(20, seed=6)

    again = eval(ds.attrs["history"], {"dgkit": type("dgkit", (), {"simulate": simulate})})

    xr.testing.assert_identical(ds, again)


@pytest.mark.parametrize("simulator", SIMULATORS)
@pytest.mark.parametrize("wrong", [{"n": 0}, {"n": 2.5}, {"n": True}, {"seed": -1}, {"seed": "a"}, {"time": 3}])
def test_wrong_count_is_refused_by_name(simulator, wrong):
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        simulator(**wrong)


@pytest.mark.parametrize("wrong", [{"decades": 0}, {"decades": float("nan")}, {"noise": -0.1}, {"noise": "much"}])
def test_wrong_web_setting_is_refused_by_name(wrong):
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        simulate.web(10, **wrong)


def test_values_are_rounded_by_less_than_they_say():
    values = np.concatenate([np.random.default_rng(0).lognormal(sigma=8, size=10_000), [0.0, 1.0, 1e-30]])

    rounded = draws.rounded(values)

    assert rounded.dtype == np.float32
    assert rounded[-3] == 0
    assert rounded[-2] == 1
    assert np.abs(rounded[:-3] / values[:-3] - 1).max() <= 2.0**-12
    assert np.isnan(draws.rounded(np.array([np.nan]))[0])


# ---- the shipped files


@pytest.mark.parametrize("engine", ["netcdf4", "h5netcdf"])
@pytest.mark.parametrize("simulator", SIMULATORS)
def test_shipped_file_is_what_the_simulator_makes(simulator, engine):
    with xr.open_dataset(DATA / f"{simulator.__name__}.nc", engine=engine) as shipped:
        shipped.load()

    again = simulator(simulate.SHIPPED[simulator.__name__][1], seed=0)

    assert shipped.attrs == again.attrs
    assert set(shipped.variables) == set(again.variables)
    for name, da in again.variables.items():
        assert shipped[name].dtype == da.dtype
        if da.dtype.kind == "f":
            np.testing.assert_allclose(shipped[name], da, rtol=2.0**-11)
        else:
            np.testing.assert_array_equal(shipped[name], da)
        assert {key: list(np.atleast_1d(v)) for key, v in shipped[name].attrs.items()} == {
            key: list(np.atleast_1d(v)) for key, v in da.attrs.items()
        }


def test_shipped_files_are_small():
    assert sum((DATA / f"{name}.nc").stat().st_size for name in simulate.SHIPPED) < 4e6


def test_command_writes_every_file_without_paths_or_leftovers(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(
        simulate, "SHIPPED", {name: (simulator, 30) for name, (simulator, _) in simulate.SHIPPED.items()}
    )
    folder = tmp_path / "new" / "folder"

    main(["--out", str(folder)])

    assert sorted(path.name for path in folder.iterdir()) == ["broadband.nc", "cluster.nc", "web.nc"]
    assert all(str(tmp_path).encode() not in path.read_bytes() for path in folder.iterdir())
    assert "web.nc: 30 samples" in capsys.readouterr().out
    with xr.open_dataset(folder / "cluster.nc", engine="netcdf4") as written:
        xr.testing.assert_equal(written.load(), simulate.cluster(30))


def test_interrupted_write_keeps_the_old_file(tmp_path, monkeypatch):
    old = tmp_path / "web.nc"
    old.write_bytes(b"old")

    def interrupted(self, path, **options):
        Path(path).write_bytes(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr(xr.Dataset, "to_netcdf", interrupted)
    with pytest.raises(KeyboardInterrupt):
        main(["--out", str(tmp_path)])

    assert old.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [old]


# ---- web


def test_web_cycles_are_a_week_and_twelve_weeks(pages):
    shape = np.log(pages.views.values.astype(float))
    power = (np.abs(np.fft.rfft(shape - shape.mean(1, keepdims=True))) ** 2).mean(0)
    days = 168 / np.arange(1, power.size)

    strongest = days[np.argsort(power[1:])[::-1][:3]]

    assert sorted(strongest.tolist()) == [3.5, 7.0, 84.0]  # 3.5: the week's second harmonic


def test_web_autocorrelation_has_weekly_peaks_on_a_slow_hump(pages):
    series = pages.views.values[:1500].astype(float)
    curve = {lag: mean_correlation(series, lag) for lag in (3, 4, 7, 10, 11, 38, 42, 46, 80, 84, 88)}

    assert curve[7] > 0.5
    assert curve[84] > 0.5
    assert curve[42] < 0
    for peak, around in ((7, (3, 4, 10, 11)), (42, (38, 46)), (84, (80, 88))):
        assert all(curve[peak] > curve[lag] + 0.3 for lag in around)


@pytest.mark.parametrize("decades", [1, 2, 3, 4])
def test_web_level_spans_the_decades_asked_for(decades):
    level = np.log10(simulate.web(8000, seed=1, time=84, decades=decades).views.values).mean(1)

    low, high = np.quantile(level, [0.005, 0.995])

    assert high - low == pytest.approx(decades, rel=0.1)


def test_web_shape_does_not_depend_on_the_decades():
    narrow, wide = (np.log(simulate.web(200, seed=1, decades=d).views.values.astype(float)) for d in (1.0, 3.0))

    shapes = [series - series.mean(1, keepdims=True) for series in (narrow, wide)]

    np.testing.assert_allclose(*shapes, atol=1e-3)  # what rounding leaves
    assert np.ptp(wide.mean(1)) > 2 * np.ptp(narrow.mean(1))


def test_web_shares_and_dependence_are_the_tables(pages):
    n = pages.sizes["sample"]

    for name, domain in simulate.DOMAINS.items():
        assert_share(share(pages.domain, name), domain.share, n)
    tool = pages.domain.isin(["commons.wikimedia.org", "www.mediawiki.org"])
    elsewhere = pages.isel(sample=~tool)
    for (access, agent), expected in simulate.ACCESS_AGENT.items():
        both = float(((elsewhere.access == access) & (elsewhere.agent == agent)).mean())
        assert_share(both, expected, elsewhere.sizes["sample"])
    assert_share(share(pages.isel(sample=tool).access, "mobile-web"), 0.135 / 0.865, int(tool.sum()))
    of_all_access = share(pages.agent[pages.access == "all-access"], "spider")
    assert of_all_access > 5 * share(pages.agent[pages.access == "desktop"], "spider")


def test_web_tables_are_probabilities():
    assert sum(domain.share for domain in simulate.DOMAINS.values()) == pytest.approx(1)
    assert sum(simulate.ACCESS_AGENT.values()) == pytest.approx(1)
    assert sum(provider.share for provider in simulate.PROVIDERS.values()) == pytest.approx(1)
    assert all(sum(provider.technologies.values()) == pytest.approx(1) for provider in simulate.PROVIDERS.values())
    assert sum(job.share for job in simulate.JOB_CLASSES.values()) == pytest.approx(1)


def test_web_mean_is_the_mean_of_many_pages():
    ds = simulate.web(30_000, seed=8, time=84)
    log_views = np.log10(ds.views.values.astype(float))
    checked = 0

    for key, group in ds.groupby(["domain", "access", "agent"]):
        if group.sizes["sample"] > 400:
            rows = (ds.domain == key[0]) & (ds.access == key[1]) & (ds.agent == key[2])
            found, n = log_views[rows.values], int(rows.sum())
            expected = simulate.web_mean(group.isel(sample=[0]), time=84).values[0]
            assert abs(found.mean() - expected.mean()) < 4 * found.mean(1).std() / np.sqrt(n)
            shape = found - found.mean(1, keepdims=True)
            error = (shape.mean(0) - (expected - expected.mean())) / (shape.std(0) / np.sqrt(n))
            assert np.abs(error).max() < 5
            checked += 1
    assert checked > 20


def test_bursts_come_as_often_and_as_large_as_web_mean_says(monkeypatch):
    means = {}
    for probability in (0.0, 0.5):
        monkeypatch.setitem(simulate.BURST, "probability", probability)
        ds = simulate.web(8000, seed=8, time=28, decades=1)  # the same pages but for the bursts
        means[probability] = np.log10(ds.views.values.astype(float)), simulate.web_mean(ds, time=28, decades=1).values
    found, expected = (with_bursts - without for without, with_bursts in zip(*means.values(), strict=True))

    rising = (found > 0.01).any(1).mean()  # almost every burst

    np.testing.assert_allclose(found.mean(0), expected.mean(0), rtol=0.15)
    assert rising == pytest.approx(0.5, abs=0.05)


def test_web_peaks_follow_the_attributes():
    table = {"domain": "es.wikipedia.org", "agent": "all-agents"}
    rows = {"desktop": 2, "mobile-web": 5}  # Spanish pages peak on Wednesday, on mobile on Saturday

    for access, weekday in rows.items():
        one = xr.Dataset({name: ("sample", [value]) for name, value in {**table, "access": access}.items()})
        mean = simulate.web_mean(one, time=168).values[0]
        assert np.argmax(mean.reshape(24, 7).mean(0)) == weekday


def test_web_mean_names_what_it_lacks(pages):
    with pytest.raises(ConfigError, match="'agent' is missing"):
        simulate.web_mean(pages[["domain", "access"]])
    unknown = pages.isel(sample=[0]).assign(access=("sample", ["television"]))
    with pytest.raises(ConfigError, match=r"'access'.*television"):
        simulate.web_mean(unknown)


# ---- cluster


def use_of_machines(ds):
    """Sum of the CPU rates of the samples on each machine in each step, (machine, step), a job at a time."""
    use = np.zeros((simulate.MACHINES, int(ds.arrival.max()) + ds.sizes["time"] + 1))
    for machine, arrival, rate in zip(ds.machine.values, ds.arrival.values, ds.cpu_rate.values, strict=True):
        valid = rate[np.isfinite(rate)]
        use[machine, arrival : arrival + valid.size] += valid
    return use


def rate_of(ds, job_class):
    return float(ds.cpu_rate[ds.job_class == job_class].mean())


@pytest.mark.parametrize("capacity", [0.5, 1.0])
def test_no_machine_gives_more_than_it_has(capacity):
    use = use_of_machines(simulate.cluster(4000, seed=1, capacity=capacity))

    assert 0.99 * capacity < use.max() < capacity * (1 + 2.0**-11)


def test_default_load_is_mild_and_a_crowded_one_is_not(jobs, crowded_jobs):
    settled = [use_of_machines(ds)[:, 60 : int(ds.arrival.max())] for ds in (jobs, crowded_jobs)]

    full = [float((use > 0.999).mean()) for use in settled]

    assert full[0] < 0.4 < 0.7 < full[1]
    assert simulate.cluster_load() == pytest.approx(0.4 * (0.6 * 0.04 * 20 + 0.25 * 0.08 * 21.5 + 0.15 * 0.4 * 23))
    assert simulate.cluster_load(CROWDED, capacity=2.0) == pytest.approx(simulate.cluster_load(CROWDED) / 2)


def test_large_jobs_take_cpu_from_the_small_ones(jobs, crowded_jobs):
    assert rate_of(crowded_jobs, "small") < 0.75 * rate_of(jobs, "small")
    finished = [ds.length[(ds.end_event == "FINISH") & (ds.job_class == "small")] for ds in (jobs, crowded_jobs)]
    assert float(finished[1].quantile(0.25)) > 1.2 * float(finished[0].quantile(0.25))
    assert share(crowded_jobs.end_event, "EVICT") > 3 * share(jobs.end_event, "EVICT")


def test_effect_of_the_mix_vanishes_with_ample_capacity():
    rates, evicted = [], []
    for mix in (None, CROWDED):
        ds = simulate.cluster(4000, seed=2, mix=mix, capacity=1000.0)
        rates.append(rate_of(ds, "small"))
        evicted.append(share(ds.end_event, "EVICT"))

    assert rates[1] == pytest.approx(rates[0], rel=0.05)
    assert evicted == [0, 0]


def test_unhindered_job_uses_what_it_asks_for():
    ds = simulate.cluster(3000, seed=2, mix={"job_class": {"small": 1, "medium": 0, "large": 0}}, capacity=1000.0)

    finished = ds.isel(sample=((ds.end_event == "FINISH") & (ds.length > 25)).values)

    drift = np.exp(0.1**2 / (1 - 0.7**2) / 2)  # mean of exp(AR(1))
    assert float(finished.cpu_rate[:, 8:].mean()) == pytest.approx(0.04 * drift, rel=0.04)


def test_lengths_have_two_modes_and_the_series_end_there(jobs):
    length = jobs.length.values
    counts = np.bincount(length, minlength=61)

    assert 5 <= counts[:20].argmax() <= 10
    assert 34 <= 25 + counts[25:50].argmax() <= 42
    assert counts[:20].max() > 4 * counts[20:28].max()
    assert counts[34:43].mean() > 3 * counts[20:28].mean()
    for name in ("cpu_rate", "memory", "assigned_memory"):
        np.testing.assert_array_equal(np.isfinite(jobs[name].values), np.arange(60) < length[:, None])


def test_job_classes_follow_the_mix(crowded_jobs):
    for name, expected in CROWDED["job_class"].items():
        assert_share(share(crowded_jobs.job_class, name), expected, 4000)


def test_every_end_event_occurs_and_leaves_its_mark(jobs):
    last = (np.arange(jobs.sizes["sample"]), jobs.length.values - 1)
    rate, memory = jobs.cpu_rate.values, jobs.memory.values
    drop = rate[last] / np.nanmax(rate, 1)
    growth = memory[last] / memory[:, 0]
    stopped_early = jobs.length.values < jobs.sizes["time"]
    is_event = {event: (jobs.end_event.values == event) & stopped_early for event in simulate.END_EVENTS}

    assert all(0.02 < share(jobs.end_event, event) < 0.8 for event in simulate.END_EVENTS)
    assert np.median(drop[is_event["KILL"]]) < 0.25 < 0.6 < np.median(drop[is_event["FINISH"]])
    assert np.median(growth[is_event["FAIL"]]) > 1.3 * np.median(growth[is_event["FINISH"]])


def test_cpu_and_assigned_memory_mostly_rise_together(jobs):
    long = jobs.isel(sample=(jobs.length > 5).values)
    pairs = zip(long.cpu_rate.values, long.assigned_memory.values, long.length.values, strict=True)

    correlation = [np.corrcoef(cpu[:end], memory[:end])[0, 1] for cpu, memory, end in pairs]

    assert np.median(correlation) > 0.3
    assert np.quantile(correlation, 0.05) < 0


@pytest.mark.parametrize(
    ("mix", "words"),
    [
        ({"end_event": {"EVICT": 1.0}}, "outcome"),
        ({"job_class": CROWDED["job_class"], "end_event": {"KILL": 1.0}}, "outcome"),
        ({"size": {"small": 1.0}}, "'size'"),
        ({}, "job_class"),
        ({"job_class": {"small": 0.4, "large": 0.6}}, "medium"),
        ({"job_class": {"small": 0.4, "medium": 0.3, "huge": 0.3}}, "huge"),
        ({"job_class": {"small": 0.4, "medium": 0.4, "large": 0.4}}, "sums to 1.2"),
        ({"job_class": {"small": -0.4, "medium": 0.8, "large": 0.6}}, "small"),
        ({"job_class": [0.2, 0.2, 0.6]}, "every class"),
        ("large", "every class"),
    ],
)
def test_mix_that_cannot_be_simulated_is_refused(mix, words):
    with pytest.raises(ConfigError, match=words):
        simulate.cluster(10, mix=mix)
    with pytest.raises(ConfigError, match=words):
        simulate.cluster_load(mix)


def test_wrong_capacity_is_refused():
    with pytest.raises(ConfigError, match="capacity"):
        simulate.cluster(10, capacity=0)


# ---- broadband


def test_loss_is_zero_in_most_steps_and_a_share_elsewhere(homes):
    loss = homes.ping_loss.values

    assert (loss == 0).mean() == pytest.approx(0.97, abs=0.01)
    assert loss.min() == 0
    assert 0 < loss.max() <= 1


def test_loss_probability_is_what_broadband_mean_says(homes):
    expected = simulate.broadband_mean(homes).loss_probability.values
    lossy = homes.ping_loss.values > 0

    for name, technology in simulate.TECHNOLOGIES.items():
        rows = (homes.technology == name).values
        of_home = lossy[rows].mean(1)
        assert expected[rows].mean() == pytest.approx(technology.loss)  # the quarters' factors average to 1
        assert abs(of_home.mean() - technology.loss) < 4 * of_home.std() / np.sqrt(rows.sum())
    evening, morning = lossy[:, 3::4].mean(), lossy[:, 1::4].mean()
    assert evening / morning == pytest.approx(2, rel=0.15)


def test_traffic_follows_the_day_and_peaks_in_the_evening(homes):
    log_bytes = np.log(homes.traffic_bytes.values.astype(float))
    power = (np.abs(np.fft.rfft(log_bytes - log_bytes.mean(1, keepdims=True))) ** 2).mean(0)
    by_quarter = log_bytes.reshape(-1, 14, 4).mean((0, 1))

    assert np.argmax(power) == 56 // 4
    assert np.argmax(by_quarter) == 3
    assert np.argmin(by_quarter) == 0
    assert mean_correlation(homes.traffic_bytes.values[:1000].astype(float), 4) > 0.3


def test_weekend_days_are_busier(homes):
    days = np.log(homes.traffic_bytes.values.astype(float)).reshape(-1, 14, 4)
    weekend = homes.time.dt.dayofweek.values.reshape(14, 4)[:, 0] >= 5

    difference = days[:, weekend].mean((0, 1)) - days[:, ~weekend].mean((0, 1))

    np.testing.assert_allclose(difference, [0, 0.30, 0.25, 0], atol=0.02)


def test_mean_traffic_is_what_broadband_mean_says(homes):
    log_bytes = np.log10(homes.traffic_bytes.values.astype(float))
    expected = simulate.broadband_mean(homes).log10_bytes.values

    error = log_bytes - expected

    for isp in simulate.PROVIDERS:
        of_home = error[(homes.isp == isp).values].mean(1)
        assert abs(of_home.mean()) < 4 * of_home.std() / np.sqrt(of_home.size)
    assert np.abs(error.mean(0)).max() < 0.02
    assert error.mean(1).std() == pytest.approx(0.30, rel=0.1)


def test_traffic_has_a_heavy_tail(homes):
    total = np.sort(homes.traffic_bytes.values.astype(float).sum(1))[::-1]

    assert total[: len(total) // 10].sum() > 0.25 * total.sum()
    assert total.mean() > 1.3 * np.median(total)


def test_cable_homes_move_more_than_dsl_homes(homes):
    total = homes.traffic_bytes.sum("time")
    dsl, cable = (np.quantile(total[homes.technology == name], [0.1, 0.5, 0.9]) for name in ("DSL", "Cable"))

    assert (cable > 2 * dsl).all()


def test_provider_determines_technology_and_region(homes):
    for name, provider in simulate.PROVIDERS.items():
        own = homes.isel(sample=(homes.isp == name).values)
        n = own.sizes["sample"]
        assert_share(n / homes.sizes["sample"], provider.share, homes.sizes["sample"])
        for technology in simulate.TECHNOLOGIES:
            assert_share(share(own.technology, technology), provider.technologies.get(technology, 0), n)
        weights = {region: sum(states.values()) for region, states in simulate.REGIONS.items()}
        if provider.region:
            favoured = 8 * weights[provider.region]
            others = sum(weights.values()) - weights[provider.region]
            in_region = float(own.state.isin(list(simulate.REGIONS[provider.region])).mean())
            assert_share(in_region, favoured / (favoured + others), n)
    assert len(set(homes.state.values.tolist())) == 20


def test_state_has_no_influence_of_its_own(homes):
    error = np.log10(homes.traffic_bytes.values.astype(float)) - simulate.broadband_mean(homes).log10_bytes.values
    of_home = error.mean(1)

    z = [
        of_home[rows].mean() / (of_home[rows].std() / np.sqrt(rows.sum()))
        for rows in ((homes.state == state).values for state in simulate.STATES)
    ]

    assert np.abs(z).max() < 4


def test_broadband_mean_names_what_it_lacks(homes):
    with pytest.raises(ConfigError, match="'isp' is missing"):
        simulate.broadband_mean(homes[["technology"]])
