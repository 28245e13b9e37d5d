"""Rows to their place in time: what is planted in a table is found, asked about, and undone by the choices named."""

import json
import re

import numpy as np
import pandas as pd
import polars as pl
import pytest
import xarray as xr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import dgkit as dg
from dgkit.datasets import from_csv, windows
from dgkit.errors import ConfigError, SchemaError
from dgkit.simulate.snmp import TOLERANCE, ZONE, snmp_month

CASES = {"deadline": None, "derandomize": True, "suppress_health_check": [HealthCheck.too_slow]}
ONE = {"time": "t", "features": ["x"]}
MANY = {"sample": "id", **ONE}


def read(ds):
    return json.loads(ds.attrs["time_read"])


def polls(times, values=None, **columns):
    """A table of one series."""
    return pd.DataFrame({"t": times, "x": np.arange(len(times)) % 7 * 1.5 if values is None else values, **columns})


# -- planted tables: the truth, or an error that names the choice ------------------------------------------------------


@st.composite
def planted(draw):
    """A table with faults planted, the call that undoes them, and the truth."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    kind = draw(st.sampled_from(["numbers", "fractions", "dates", "zone", "days of a zone", "months"]))
    faults = draw(
        st.sets(st.sampled_from(["gaps", "jitter", "twice", "counter", "resets", "shuffled", "newest", "late"]))
    )
    n, steps = draw(st.integers(1, 3)), draw(st.integers(24, 60))

    # the grid, and which of its steps have a row
    choice = {
        "numbers": st.sampled_from([1, 5, 7, 300]),
        "fractions": st.sampled_from([0.1, 0.5, 2.25]),
        "dates": st.sampled_from(["1min", "5min", "7min", "1h", "1D", "7D"]),
        "zone": st.sampled_from(["5min", "30min", "1h"]),
        "days of a zone": st.just("1D"),
        "months": st.sampled_from(["MS", "ME", "QS"]),
    }[kind]
    step = draw(choice)
    dates = kind not in ("numbers", "fractions")
    if not dates:
        first = 3 * step if kind == "numbers" else 0.3
        grid, size = first + np.arange(steps) * step, float(step)
    elif kind == "months":
        grid, size = pd.date_range("2001-03-01", periods=steps, freq=step), 28 * 86400.0
    elif kind == "days of a zone":
        grid, size = pd.date_range("2024-03-11", periods=steps, freq="D"), 86400.0
    else:
        size = pd.Timedelta(step).total_seconds()
        grid = pd.date_range("2024-10-26 23:30" if kind == "zone" else "2024-03-01", periods=steps, freq=step)
    present = np.ones((n, steps), bool)
    if "late" in faults:
        present[0, : draw(st.integers(1, 8))] = False
    begin = present.argmax(1)
    if "gaps" in faults:
        present &= rng.random((n, steps)) > 0.12
    present[np.arange(n), begin] = present[np.arange(n), begin + 1] = present[:, -2:] = True
    has_gaps = any((~present[i, begin[i] :]).any() for i in range(n))

    # values: a gauge, or a counter, whose rate is the truth, with resets or wraps of 32 bits
    counter = "counter" in faults
    rates = 100.0 * rng.integers(10, 300, (n, steps))
    lasts = np.full(steps, size)
    if counter and dates:
        stamps = pd.DatetimeIndex(grid)
        if kind == "days of a zone":
            stamps = stamps.tz_localize("Europe/Berlin")
        lasts = np.diff(stamps.as_unit("ns").asi8, prepend=0) / 1e9
        lasts[0] = size
    since = np.cumsum(np.rint(rates * lasts), 1).astype(np.int64)
    reset = None
    if counter:
        bits = 2**64 if since.max() > 2**28 else 2**32
        values = (since.astype(object) + (bits - int(since[0, steps // 2]))) % bits
        if "resets" in faults:
            at = begin[0] + draw(st.integers(3, 10))
            reset = (0, at)
            present[0, at - 2 : at + 3] = True
            values = since.astype(object) + 2**31
            values[0, at:] = [int(v - since[0, at]) + 5 for v in since[0, at:]]
        truth = rates.copy()
        has_gaps = any((~present[i, begin[i] :]).any() for i in range(n))
        truth[:, 1:][~(present[:, 1:] & present[:, :-1])] = np.nan
        if reset:
            truth[reset] = np.nan
    else:
        values, truth = rates, np.where(present, rates, np.nan)

    # the rows
    i, k = np.nonzero(present)
    jitter = rng.uniform(-0.07, 0.07, len(k)) * size * ("jitter" in faults and kind != "months" and not counter)
    if dates:
        when = pd.DatetimeIndex(grid)[k]
        if kind == "zone":
            when = when.tz_localize("UTC")
        when = when + pd.to_timedelta(np.rint(jitter * 1e3), unit="ms")
        if kind == "zone":
            when = when.tz_convert("Europe/Berlin").tz_localize(None)
    else:
        when = grid[k] + jitter
        if kind == "numbers" and not jitter.any():
            when = when.astype(np.int64)
    table = pd.DataFrame(
        {"id": np.array(list("abc"))[i], "t": when, "x": [values[a, b] for a, b in zip(i, k, strict=True)]}
    )
    if bits_of(table.x) == 64:
        table["x"] = table.x.astype(np.uint64)
    else:
        table["x"] = table.x.astype(np.int64 if counter else np.float64)
    again = rng.choice(len(table), 3, replace=False) if "twice" in faults else []
    table = pd.concat([table, table.iloc[again]]).sort_values(["id", "t"] if kind != "zone" else ["id"], kind="stable")
    if kind == "zone" and len(again):  # beside the row that it repeats
        table = table.sort_index(kind="stable")
    if "shuffled" in faults and kind != "zone":
        table = table.sample(frac=1, random_state=draw(st.integers(0, 99)))
    elif "newest" in faults:
        table = table[::-1]

    # the choices, and what is to come of them
    choices = {"step": step, "gaps": "keep", "duplicates": "last", "counters": ["x"] if counter else ()}
    if kind in ("zone", "days of a zone"):
        choices["timezone"] = "Europe/Berlin"
    needed = {"fill="} if has_gaps or reset else set()
    needed |= {"duplicates="} if len(again) else set()
    needed |= {"timezone="} if kind == "zone" else set()
    expected = {}
    for a in range(n):
        own = truth[a, begin[a] + counter :]
        expected["abc"[a]] = own, grid[begin[a] + counter]
    return table.reset_index(drop=True), choices, needed, expected


def bits_of(values):
    return 64 if max(values) > 2**62 else 32


def agrees(ds, expected, size=None):
    """The Dataset holds the truth, and if there is a `size` of steps at its times."""
    for name, (values, first) in expected.items():
        own = ds.sel(sample=name)
        n = int(own["length"]) if "length" in own else own.sizes["time"]
        assert n == len(values)
        np.testing.assert_allclose(own.x.values[:n], values, rtol=1e-3)
        if size is None:
            continue
        start = own.start.values if "start" in own.coords else own.time.values[0]
        if isinstance(first, pd.Timestamp):
            assert abs(pd.Timestamp(start) - first) <= 0.03 * pd.Timedelta(size)
        else:
            assert start == pytest.approx(first, abs=0.1 * size)


def holds(case):
    table, choices, needed, expected = case
    size = choices["step"] if not isinstance(choices["step"], str) or choices["step"][-1] in "nhD" else "0D"
    counts = {"counters": choices["counters"]}
    try:
        ds = dg.from_table(table, **MANY, **counts)
    except SchemaError as error:
        assert any(name in str(error) for name in needed or {"step="}), str(error)
    else:
        assert needed <= {"timezone="}  # which a series that does not cross the change of clocks can do without
        if "timezone" not in choices or not choices["counters"]:  # days without their zone are of 24 hours each
            agrees(ds, expected, size if "timezone" not in choices else None)

    try:
        ds = dg.from_table(table, **MANY, **choices)
    except SchemaError as error:  # of two rows of an hour that comes twice, one lost or one written twice
        assert "timezone" in choices and choices["step"] != "1D" and "ambiguous=" in str(error), str(error)
    else:
        agrees(ds, expected, size)


@settings(max_examples=60, **CASES)
@given(planted())
def test_planted_tables_give_the_truth_or_an_error_that_names_the_choice(case):
    holds(case)


@pytest.mark.slow
@settings(max_examples=1_000, **CASES)
@given(planted())
def test_a_thousand_planted_tables_give_the_truth_or_an_error_that_names_the_choice(case):
    holds(case)


@pytest.mark.parametrize(("scale", "unit"), [(1, "1/unit of t"), (1000, "1/unit of t")])
def test_rates_of_a_counter_whose_times_are_numbers_are_not_called_per_second(scale, unit):
    table = pd.DataFrame({"t": scale * 60 * np.arange(40), "x": 600 * scale * np.arange(40)})

    ds = dg.from_table(table, time="t", features=["x"], counters=["x"])

    assert set(ds.x.values[0]) == {10.0}
    assert ds.x.units == unit


def test_samples_with_a_step_of_their_own_are_told_from_lost_rows():
    when = [pd.date_range("2024-01-01", periods=n, freq=f) for n, f in ((30, "5min"), (150, "1min"))]
    table = pd.DataFrame({"id": np.repeat(["a", "b"], (30, 150)), "t": when[0].append(when[1])})

    with pytest.raises(SchemaError, match=r"1 samples, such as 'a', have steps of their own, of 5min.*bin='5min'"):
        dg.from_table(table.assign(x=np.arange(180) % 7 + 0.5), sample="id", time="t", features=["x"])


def test_an_hour_that_clocks_skip_is_told_from_lost_rows():
    when = pd.date_range("2024-03-30 22:00", periods=40, freq="15min", tz="UTC").tz_convert(ZONE).tz_localize(None)
    table = pd.DataFrame({"t": when, "x": np.arange(40) % 7 + 0.5})

    with pytest.raises(SchemaError, match="Clocks skip an hour where summer time begins: timezone="):
        dg.from_table(table, time="t", features=["x"])
    ds = dg.from_table(table, time="t", features=["x"], timezone=ZONE)

    np.testing.assert_array_equal(ds.x.values[0], table.x)


# -- a month of polls --------------------------------------------------------------------------------------------------

SNMP = {"sample": "device", "time": "time", "features": ["in_octets", "out_octets", "cpu"], "attributes": ["site"]}
UNDONE = {"timezone": ZONE, "duplicates": "last", "counters": ["in_octets", "out_octets"]}


@pytest.fixture(scope="module")
def month():
    return snmp_month(0)


@pytest.mark.parametrize("through_a_file", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_a_month_of_polls_with_all_faults_is_read_as_it_was(month, tmp_path, through_a_file):
    table, truth = month
    source, reader = table, dg.from_table
    if through_a_file:
        source, reader = tmp_path / "month.csv", from_csv
        table.to_csv(source, index=False)
    with pytest.raises(SchemaError, match=r"(?s)timezone=.*duplicates=.*counters=\[.*fill=.*For example: from_"):
        reader(source, **SNMP)

    ds = reader(source, **SNMP, **UNDONE, gaps="keep")

    assert (ds.start == truth.start).all() and (ds["length"] == truth["length"]).all() and (ds.site == truth.site).all()
    for name in SNMP["features"]:
        np.testing.assert_allclose(ds[name], truth[name], rtol=TOLERANCE if name != "cpu" else 0)
    said = read(ds)
    assert said["duplicates"] == truth.attrs["duplicates"] and said["missing_steps"] == truth.attrs["lost"]
    assert [said["counters"][name]["resets"] for name in UNDONE["counters"]] == [truth.attrs["resets"]] * 2


def test_a_month_of_polls_with_short_gaps_filled_keeps_what_the_counters_counted(month):
    table, truth = month

    ds = dg.from_table(table, **SNMP, **UNDONE, fill="linear", max_gap=3, gaps="keep")

    lost = truth.out_octets.isnull().values[1]
    begin, end = np.flatnonzero(np.diff(np.pad(lost, 1).astype(int))).reshape(-1, 2).T
    one = begin[end - begin == 2]  # a poll lost alone: the steps before and after it share their mean
    assert len(one)
    assert (ds.out_octets.values[1, one] == ds.out_octets.values[1, one + 1]).all()
    assert np.isnan(ds.out_octets.values[1]).sum() == 49  # the outage, and the step after it


# -- gaps --------------------------------------------------------------------------------------------------------------


def test_steps_without_a_row_are_asked_about_filled_or_kept_and_move_nothing():
    hours = pd.date_range("2024-03-01", periods=48, freq="h")
    day = np.cos(2 * np.pi * hours.hour.values / 24)
    table = pd.concat(
        [polls(hours, day, id="a"), polls(hours, day, id="b").drop(index=range(10, 16))], ignore_index=True
    )

    with pytest.raises(
        SchemaError, match=r"6 steps of 1h have no row.*after 2024-03-01 09:00:00 in sample 'b' \(row 57\).*fill="
    ):
        dg.from_table(table, **MANY)
    kept = dg.from_table(table, **MANY, gaps="keep")
    filled = dg.from_table(table, **MANY, fill="linear")
    before = dg.from_table(table, **MANY, fill={"x": "previous"})

    there = np.r_[0:10, 16:48]
    np.testing.assert_array_equal(kept.x[1, there], day[there])
    assert np.isnan(kept.x[1, 10:16]).all()
    np.testing.assert_allclose(filled.x[1, 9:17], np.linspace(day[9], day[16], 8))
    assert (before.x[1, 9:16] == day[9]).all()
    assert (filled.time.values == hours.values).all()
    assert "6 missing values filled" in str(dg.schema.describe(filled))
    assert "1 gaps in 1 samples, 6 steps, the longest of 6 after 2024-03-01 09:00:00 in b" in str(
        dg.schema.describe(kept)
    )
    assert "6 missing" in str(dg.schema.describe(kept))
    with pytest.raises(SchemaError, match="NaN before the end"):
        dg.schema.validate(kept)


def test_gaps_longer_than_may_be_filled_are_asked_about():
    table = polls([0, 1, 2, 4, 5, 9, 10, 11, 12, 13])

    with pytest.raises(SchemaError, match=r"1 gaps are longer than max_gap=1, the longest of 3 steps.*gaps='keep'"):
        dg.from_table(table, **ONE, fill="linear", max_gap=1)
    ds = dg.from_table(table, **ONE, fill="linear", max_gap=1, gaps="keep")

    assert np.flatnonzero(np.isnan(ds.x[0])).tolist() == [6, 7, 8]


def test_no_window_crosses_a_gap():
    hours = pd.date_range("2024-03-01", periods=6 * 24, freq="h")
    kept = (hours < "2024-03-02 12:00") | (hours >= "2024-03-04 07:00")
    table = polls(hours[kept], hours.hour.values[kept].astype(float))

    cut = windows(dg.from_table(table, **ONE, gaps="keep"), 24)

    np.testing.assert_array_equal(cut.x, np.tile(np.arange(24), (3, 1)))
    assert cut.start.dt.day.values.tolist() == [1, 5, 6] and cut.attrs["windows_left_out"] == 3
    with pytest.raises(ConfigError, match="the longest part without one has 65 steps"):
        windows(dg.from_table(table, **ONE, gaps="keep").isel(time=slice(30, None)), 70)


@pytest.mark.parametrize(
    ("first", "day", "hours"), [("2024-03-29", "2024-03-31", [23]), ("2024-10-25", "2024-10-27", [25])]
)
@pytest.mark.parametrize("step", ["15min", "1h"])
def test_windows_begin_where_the_clock_shows_it_also_when_clocks_change(first, day, hours, step):
    utc = pd.date_range(f"{first} 05:00", periods=pd.Timedelta("6D") // pd.Timedelta(step), freq=step, tz="UTC")
    local = utc.tz_convert("Europe/Berlin").tz_localize(None)
    table = polls(local, np.arange(float(len(utc))))
    a_day = pd.Timedelta("1D") // pd.Timedelta(step)

    ds = dg.from_table(table, **ONE, timezone="Europe/Berlin", step=step)
    cut = windows(ds, a_day, begin="01:00")

    begins = np.flatnonzero(local.strftime("%H:%M") == "01:00")
    begins = begins[begins + a_day <= len(local)]
    assert cut.x[:, 0].values.tolist() == begins.tolist() and len(begins) >= 5
    assert (cut.start_local.values == local[begins].to_numpy()).all()
    assert (cut.start.values == utc[begins].tz_localize(None).to_numpy()).all()
    changed = list(cut.start_local.dt.strftime("%Y-%m-%d").values).index(day)
    assert np.diff(cut.start)[changed] == np.timedelta64(hours[0], "h")


def test_windows_of_a_clock_take_the_zone_that_is_given_and_a_step_between_them():
    times = pd.date_range("2024-06-03 00:00", periods=28 * 24, freq="h")
    ds = dg.from_table(polls(times), **ONE, timezone="UTC")

    cut = windows(ds, 7 * 24, begin="18:30", timezone="Asia/Kolkata")
    each = windows(ds, 7 * 24, 24, begin="18:30", timezone="Asia/Kolkata")
    plain = windows(ds.drop_attrs(deep=False), 24, begin="03:00")

    assert cut.start.dt.hour.values.tolist() == [13] * 3 and (np.diff(cut.start) == np.timedelta64(7, "D")).all()
    assert cut.start_local.dt.minute.values.tolist() == [30] * 3
    assert each.sizes["sample"] == 21
    assert (plain.start_local.values == plain.start.values).all() and plain.sizes["sample"] == 27


def test_windows_of_a_clock_of_series_that_start_at_times_of_their_own():
    times = pd.date_range("2024-06-03 07:00", periods=100, freq="h")
    table = pd.concat([polls(times).assign(id="a"), polls(times[20:]).assign(id="b")])
    ds = dg.from_table(table, **MANY, timezone="UTC")

    cut = windows(ds, 24, begin="06:00")

    assert cut.series.values.tolist() == ["a"] * 3 + ["b"] * 3
    assert (cut.start.dt.hour == 6).all()


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ({"begin": "5"}, "begin='5' is no time of day; give hours and minutes"),
        ({"begin": "24:00"}, "begin='24:00' is no time of day"),
        ({"begin": 5}, "begin=5 is no time of day"),
        ({"begin": "00:05"}, "is at that time .as the times are.; the nearest are '00:00'"),
        ({"begin": "00:05", "timezone": "Europe/Nowhere"}, "timezone is 'Europe/Nowhere'"),
    ],
)
def test_a_clock_that_cannot_be_is_named_with_the_way_out(wanted, message):
    hours = pd.date_range("2024-06-03", periods=60, freq="h")
    ds = xr.Dataset({"x": (("sample", "time"), np.arange(60.0)[None])}, {"time": hours})

    with pytest.raises(ConfigError, match=message):
        windows(ds, 24, **wanted)
    with pytest.raises(ConfigError, match="needs dates"):
        windows(ds.assign_coords(time=np.arange(60)), 24, begin="00:00")


def test_a_description_shows_times_of_the_local_clock_and_counters_in_words():
    times = pd.date_range("2024-01-01", periods=61, freq="10s")
    lost = np.arange(20, 25)

    ds = counter(
        np.delete(counted(RATES * 10**5, 0, 32), lost),
        times.delete(lost),
        fill="linear",
        max_gap=5,
        gaps="keep",
        timezone="Asia/Tokyo",
    )

    told = str(dg.schema.describe(ds))
    assert "the longest of 5 after 2024-01-01 00:03:10+09:00" in told
    assert "1 unseen wraps possible" in told


def test_no_window_crosses_a_jump_of_the_time_coordinate():
    ds = xr.Dataset({"x": (("sample", "time"), np.arange(10.0)[None])}, {"time": [0, 1, 2, 3, 4, 9, 10, 11, 12, 13]})

    cut = windows(ds, 4, step=1)

    assert cut.start.values.tolist() == [0, 1, 9, 10] and cut.attrs["windows_left_out"] == 3


def test_windows_of_series_that_start_at_different_times_know_when_they_begin():
    table = pd.concat([polls(pd.date_range("2024-01-01 03:00", periods=6, freq="h"), id="a"),
                       polls(pd.date_range("2024-01-05", periods=4, freq="h"), id="b")])  # fmt: skip

    ds = dg.from_table(table, **MANY)

    assert "time" not in ds.coords and read(ds)["starts"] == "at different times"
    assert ds["length"].values.tolist() == [6, 4] and not ds.x.isnull()[:, 0].any()
    assert windows(ds, 2).start.dt.hour.values.tolist() == [3, 5, 7, 0, 2]


def test_what_is_missing_at_a_series_end_is_its_end():
    length = np.array([3, 1, 5])
    values = np.where(np.arange(5) < length[:, None], np.arange(15.0).reshape(3, 5), np.nan)
    table = xr.Dataset({"x": (("id", "t"), values)}, {"id": list("abc")}).to_dataframe().reset_index()

    for options in ({}, {"fill": "previous"}):
        ds = dg.from_table(table.rename(columns={"level_1": "t"}), **MANY, **options)

        assert ds["length"].values.tolist() == [3, 1, 5]
        np.testing.assert_array_equal(ds.x, values)
        assert read(ds)["empty_steps_at_ends"] == 6


# -- steps -------------------------------------------------------------------------------------------------------------

STEPS = {
    "months": (pd.date_range("2023-01-01", periods=14, freq="MS"), "MS"),
    "months, at their end": (pd.date_range("2023-01-01", periods=14, freq="ME"), "MS"),
    "quarters": (pd.date_range("2020-01-01", periods=14, freq="QS"), "3MS"),
    "years": (pd.date_range("2000-01-01", periods=14, freq="YS"), "12MS"),
    "minutes": (pd.date_range("2023-01-01", periods=14, freq="5min"), "5min"),
    "an odd step": (pd.date_range("2023-01-01 00:03:07", periods=14, freq="421s"), "421s"),
    "numbers": (np.arange(14) * 7 + 3, "7"),
    "fractions": (np.arange(14) * 0.1, "0.1"),
}


@pytest.mark.parametrize("case", STEPS)
def test_steps_are_found_and_said_and_a_gap_in_them_too(case):
    times, text = STEPS[case]

    ds = dg.from_table(polls(times), **ONE)
    gap = dg.from_table(polls(times).drop(index=[5, 6]), **ONE, gaps="keep")

    assert read(ds) == {"step": text, "step_found": 1.0}
    np.testing.assert_array_equal(ds.time, times)
    assert np.flatnonzero(np.isnan(gap.x[0])).tolist() == [5, 6]
    assert dg.from_table(
        polls(times), **ONE, step=text if case not in ("numbers", "fractions") else float(text)
    ).x.equals(ds.x)


def test_business_days_have_no_gap_at_the_weekend():
    days = pd.bdate_range("2024-01-01", periods=15)

    with pytest.raises(SchemaError, match="4 steps of 1D have no row"):
        dg.from_table(polls(days), **ONE)
    ds = dg.from_table(polls(days), **ONE, step="B")

    assert (ds.time.values == days.values).all()
    assert windows(ds, 8).sizes["sample"] == 1


def test_days_of_a_zone_are_of_one_step_where_clocks_change():
    days = pd.date_range("2024-03-28", periods=6, freq="D", tz="Europe/Berlin")

    for times, options in (
        (days, {}),
        (days.tz_localize(None), {"timezone": "Europe/Berlin"}),
        (days.tz_convert("UTC"), {"timezone": "Europe/Berlin"}),
    ):
        ds = dg.from_table(polls(times), **ONE, **options)

        assert read(ds)["step"] == "1D" and read(ds)["timezone"] == "Europe/Berlin"
        assert (ds.time.values == days.tz_localize(None).values).all()


def test_jitter_is_put_right_within_a_tolerance_and_beyond_it_asked_about():
    grid = pd.date_range("2024-01-01", periods=50, freq="5min")
    off = np.random.default_rng(0).integers(-20, 21, 50)
    table = polls(grid + pd.to_timedelta(off, unit="s"))

    ds = dg.from_table(table, **ONE)
    assert (ds.time.values == grid.values).all() and read(ds)["step"] == "5min"
    assert read(ds)["snapped_most"] == f"{abs(off).max()}s" and read(ds)["tolerance"] == "30s"
    with pytest.raises(
        SchemaError,
        match=r"further than 10s .*tolerance=.*\nFor example: from_table\(..., step='5min', tolerance='20s'",
    ):
        dg.from_table(table, **ONE, step="5min", tolerance="10s")
    assert dg.from_table(table, **ONE, step="5min", tolerance="20s").equals(ds)


ROUND = {
    "seconds since 1970": (1_700_000_100 + np.arange(50) * 300, 5, "300"),
    "fractions": (np.arange(50) * 0.5, 0.02, "0.5"),
    "days of months": (pd.date_range("2020-01-01", periods=50, freq="MS"), "1D", "MS"),
    "seven minutes": (pd.date_range("2020-01-01", periods=50, freq="7min"), "20s", "7min"),
}


@pytest.mark.parametrize("case", ROUND)
def test_of_the_steps_that_jitter_leaves_open_the_round_one_is_found(case):
    times, most, text = ROUND[case]
    off = np.random.default_rng(0).integers(-1, 2, 50)
    dates = isinstance(times, pd.DatetimeIndex)

    ds = dg.from_table(polls(times + off * (pd.Timedelta(most) if dates else most)), **ONE)

    assert read(ds)["step"] == text and ds.sizes["time"] == 50
    away = np.abs(ds.time.values - np.asarray(times))
    assert (away <= (pd.Timedelta(most).to_timedelta64() if dates else most)).all()


def test_rows_that_are_no_polls_are_told_apart_and_binned():
    rng = np.random.default_rng(0)
    times = pd.Timestamp("2024-01-01") + pd.to_timedelta(np.sort(rng.uniform(0, 86400, 300)), unit="s")
    table = pd.DataFrame({"t": times, "x": rng.random(300), "kind": rng.choice(["a", "b"], 300)})

    with pytest.raises(
        SchemaError, match=r"no step explains .*events.*\nFor example: from_table\(..., bin='1h', bins="
    ):
        dg.from_table(table, **ONE)
    ds = dg.from_table(
        table, time="t", features=["x", "kind"], bin="1h", bins={"x": "sum", "kind": "last", "n": "count"}
    )

    hours = table.groupby(table.t.dt.floor("h"))
    np.testing.assert_allclose(ds.x[0], hours.x.sum())
    np.testing.assert_array_equal(ds.n[0], hours.size())
    np.testing.assert_array_equal(ds["kind"][0], hours.kind.last())
    assert (ds.time.values == pd.date_range("2024-01-01", periods=24, freq="h").values).all()
    assert "300 events in bins of 1h" in str(dg.schema.describe(ds))


def test_bins_without_an_event_are_zero_where_that_is_known_and_else_gaps():
    table = polls(pd.to_datetime(["2024-01-31", "2024-02-29", "2024-05-01"]), [1.0, 2.0, 4.0])

    ds = dg.from_table(table, **ONE, bin="MS", bins={"x": "sum", "n": "count"})
    assert ds.x.values.tolist() == [[1, 2, 0, 0, 4]] and ds.n.values.tolist() == [[1, 1, 0, 0, 1]]
    with pytest.raises(SchemaError, match=r"'x' has 2 steps without a value.*fill="):
        dg.from_table(table, **ONE, bin="MS", bins={"x": "mean"})


def test_rows_without_a_column_of_times_are_steps_in_their_order_and_that_is_said():
    ds = dg.from_table(polls([3, 1, 2]), features=["x"])

    assert "time" not in ds.coords and "no time: rows are steps in their order" in str(dg.schema.describe(ds))


# -- two rows for one time, and time zones -----------------------------------------------------------------------------


@pytest.mark.parametrize(("way", "value"), [("mean", 2.0), ("first", 1.0), ("last", 3.0)])
def test_of_two_rows_for_one_time_the_one_asked_for_counts(way, value):
    table = polls([0, 1, 1, 2, 3], [5.0, 1.0, 3.0, 6.0, 7.0])

    with pytest.raises(SchemaError, match=r"two rows for 1: row 1 and row 2.*duplicates='mean', 'last' or 'first'"):
        dg.from_table(table, **ONE)
    ds = dg.from_table(table, **ONE, duplicates=way)

    assert ds.x.values.tolist() == [[5, value, 6, 7]] and read(ds)["duplicates"] == 1
    newest_first = dg.from_table(table[::-1], **ONE, duplicates=way)  # the last in time, not in the file
    assert newest_first.x.equals(ds.x)


def test_seconds_since_1970_with_decimals_are_times_of_their_own():
    times = 1.7e9 + np.arange(6) / 10  # as tcpdump has them

    ds = dg.from_table(polls(times), **ONE)

    assert ds.sizes["time"] == 6 and float(read(ds)["step"]) == pytest.approx(0.1, rel=1e-5)
    with pytest.raises(SchemaError, match=r"1 steps of 0\.1.* have no row.*after 1700000000\.2"):
        dg.from_table(polls(np.delete(times, 3)), **ONE)
    with pytest.raises(SchemaError, match=r"two rows for 1700000000\.2: row 2 and row 3"):
        dg.from_table(polls(times[[0, 1, 2, 2, 3, 4]]), **ONE)


def test_days_with_many_rows_each_hint_at_the_column_with_the_time_of_day():
    with pytest.raises(SchemaError, match="if another column holds the time of day, make one of both before"):
        dg.from_table(polls(pd.to_datetime(["2024-01-01", "2024-01-01", "2024-01-02"])), **ONE)


def hours_of_berlin(begin, periods, freq="h"):
    return pd.date_range(begin, periods=periods, freq=freq, tz="UTC").tz_convert("Europe/Berlin")


@pytest.mark.parametrize("freq", ["h", "20min"])
@pytest.mark.parametrize("backwards", [False, True])
def test_the_hour_that_comes_twice_is_told_by_the_order_of_the_rows(freq, backwards):
    times = hours_of_berlin("2024-10-26 20:00", 24, freq)
    table = polls(times.tz_localize(None))[:: -1 if backwards else 1]

    with pytest.raises(SchemaError, match="timezone="):
        dg.from_table(table, **ONE)
    ds = dg.from_table(table, **ONE, timezone="Europe/Berlin")

    assert (ds.time.values == times.tz_convert("UTC").tz_localize(None).values).all()
    np.testing.assert_array_equal(ds.x[0], np.arange(24) % 7 * 1.5)


def test_an_hour_that_the_order_leaves_open_is_asked_about():
    times = hours_of_berlin("2024-10-26 20:00", 12)
    table = polls(times.tz_localize(None)).drop(index=5)

    with pytest.raises(
        SchemaError, match=r"02:00:00 in row 4 comes twice in Europe/Berlin.*ambiguous='first' or 'second'"
    ):
        dg.from_table(table, **ONE, timezone="Europe/Berlin", gaps="keep")
    gaps = [
        int(
            np.flatnonzero(
                np.isnan(dg.from_table(table, **ONE, timezone="Europe/Berlin", gaps="keep", ambiguous=which).x[0])
            )[0]
        )
        for which in ("first", "second")
    ]
    assert gaps == [5, 4]


def test_an_hour_that_clocks_skip_is_refused_with_a_zone_and_a_gap_without():
    times = pd.date_range("2024-03-31", periods=6, freq="h")
    with pytest.raises(SchemaError, match="02:00:00 in row 2 is a time that the clocks of Europe/Berlin skip"):
        dg.from_table(polls(times), **ONE, timezone="Europe/Berlin")

    local = hours_of_berlin("2024-03-30 22:00", 6)
    with pytest.raises(SchemaError, match="1 steps of 1h have no row"):
        dg.from_table(polls(local.tz_localize(None)), **ONE)
    assert dg.from_table(polls(local.tz_localize(None)), **ONE, timezone="Europe/Berlin").sizes["time"] == 6


def test_times_with_their_own_zone_become_utc(tmp_path):
    times = hours_of_berlin("2024-10-26 20:00", 12)
    utc = times.tz_convert("UTC").tz_localize(None).values
    mixed = pl.DataFrame({"t": list(times.tz_convert("UTC")), "x": np.arange(12) % 5})
    (tmp_path / "x.csv").write_text("t,x\n" + "".join(f"{t.isoformat()},{k % 5}\n" for k, t in enumerate(times)))

    sets = [
        dg.from_table(polls(times), **ONE),
        dg.from_table(polls(np.array([t.to_pydatetime() for t in times], object)), **ONE),  # of two offsets
        dg.from_table(polls([t.isoformat() for t in times]), **ONE),
        dg.from_table(mixed, **ONE),
        from_csv(tmp_path / "x.csv", **ONE),
        from_csv(tmp_path / "x.csv", **ONE, timezone="Europe/Berlin"),
    ]

    for ds in sets:
        assert (ds.time.values == utc).all() and "UTC" in read(ds)["timezone"]


# -- counters ----------------------------------------------------------------------------------------------------------


def counted(rates, start=0, bits=64, step=10):
    """What a counter shows every `step` seconds, exactly."""
    shown = [int(start)]
    for rate in rates:
        shown.append((shown[-1] + int(rate) * step) % 2**bits)
    return np.array(shown, np.uint64)


def counter(values, times=None, **options):
    times = pd.date_range("2024-01-01", periods=len(values), freq="10s") if times is None else times
    return dg.from_table(polls(times, values), **ONE, counters=["x"], **options)


RATES = np.random.default_rng(0).integers(900, 1100, 60)


@pytest.mark.parametrize(("start", "bits"), [(0, 64), (2**32 - 200_000, 32), (2**64 - 200_000, 64), (2**63, 64)])
def test_a_counter_becomes_its_rate_also_where_it_wraps(start, bits):
    ds = counter(counted(RATES, start, bits), units={"x": "bytes"})

    np.testing.assert_allclose(ds.x[0], RATES, rtol=1e-12)
    assert ds.x.attrs["units"] == "bytes/s"
    assert ds.time.values[0] == np.datetime64("2024-01-01T00:00:10")
    assert read(ds)["counters"]["x"].get("wraps", 0) == (start > 2**63 or bits == 32)


FAR = 2**63  # where floats are 2048 apart
GAPPED = {
    "nullable": lambda: pd.array([FAR, FAR + 10, None, FAR + 30], "UInt64"),
    "objects": lambda: pd.Series([FAR, FAR + 10, None, FAR + 30], dtype=object),
}


@pytest.mark.parametrize("kind", GAPPED)
def test_a_large_counter_with_a_missing_reading_keeps_its_small_steps(kind):
    ds = counter(GAPPED[kind](), fill="linear")

    assert ds.x.values.tolist() == [[1, 1, 1]]


def test_a_large_counter_of_any_library_or_file_keeps_its_small_steps(tmp_path):
    shown = [FAR - 8, FAR + 2, None, FAR + 22]
    (tmp_path / "long.csv").write_text("t,x\n" + "".join(f"{k},{v or ''}\n" for k, v in enumerate(shown)))
    (tmp_path / "wide.csv").write_text(f"id,d0,d1,d2,d3\na,{FAR - 8},{FAR + 2},,{FAR + 22}\nb,0,4,8,{2**54}\n")
    polars = pl.DataFrame({"t": range(4), "x": pl.Series(shown, dtype=pl.UInt64)})
    how = {"counters": ["x"], "fill": "linear"}

    assert from_csv(tmp_path / "long.csv", **ONE, **how).x.values.tolist() == [[10, 10, 10]]
    assert dg.from_table(polars, **ONE, **how).x.values.tolist() == [[10, 10, 10]]
    wide_ = from_csv(tmp_path / "wide.csv", sample="id", features={"x": "d*"}, **how)
    assert wide_.x.values.tolist() == [[10, 10, 10], [4, 4, 2**54 - 8]]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([2.0**63, 2.0**63 + 4096], "has 9223372036854779904 in row 1, as floats, which are 2048 apart.*'UInt64'"),
        (np.array([1e8, 1e8 + 64], np.float32), "as floats, which are 8 apart"),
        (pd.Series([2**64, 2**64 + 10], dtype=object), r"has 18446744073709551616 in row 0.*from 0 to 2\^64"),
        ([5.0, 2.0**64], r"has 1.8446744073709552e\+19 in row 1.*from 0 to 2\^64"),
    ],
)
def test_a_counter_whose_steps_are_lost_is_refused(values, message):
    with pytest.raises(SchemaError, match=message):
        counter(values)


def test_a_counter_of_text_is_read_by_its_form_and_one_with_fractions_as_it_is():
    assert counter(["10", "20", "35"], [0, 1, 2], numbers=["x"]).x.values.tolist() == [[10, 15]]
    assert counter([0.5, 1.5, 4.0], [0, 1, 2]).x.values.tolist() == [[1, 2.5]]


@pytest.mark.parametrize(("names", "unit"), [(["d1", "d2", "d3"], "step"), (["d5", "d10", "d15"], "unit of the col")])
def test_rates_of_numbered_columns_say_what_they_are_per(names, unit):
    table = pd.DataFrame([[0, 10, 30]], columns=names)

    ds = dg.from_table(table, features={"v": "d*"}, counters=["v"])

    assert ds.v.attrs["units"].startswith(f"1/{unit}")
    assert ds.v.values.tolist() == [[10, 20]] if unit == "step" else [[2, 4]]


def test_a_counter_that_begins_anew_leaves_a_gap_of_one_step():
    values = counted(RATES, 10**9)
    values[30:] -= values[30] - 7

    with pytest.raises(SchemaError, match=r"'x' of counters= began anew.*'resets': 1.*fill="):
        counter(values)
    ds = counter(values, gaps="keep")

    assert np.flatnonzero(np.isnan(ds.x[0])).tolist() == [29]
    np.testing.assert_allclose(np.delete(ds.x[0], 29), np.delete(RATES, 29))


def test_a_reset_shown_by_one_counter_holds_for_the_others_of_its_row():
    fast, slow = counted(RATES, 10**9), counted(RATES % 3, 0)
    fast[30:] -= fast[30] - 7
    slow[30:] += np.uint64(500)  # began anew too, and has passed where it was

    times = pd.date_range("2024-01-01", periods=61, freq="10s")
    ds = dg.from_table(polls(times, fast, y=slow), time="t", features=["x", "y"], counters=["x", "y"], gaps="keep")

    assert [np.flatnonzero(np.isnan(ds[name][0])).tolist() for name in "xy"] == [[29], [29]]


def test_over_a_gap_a_counter_gives_the_mean_rate_if_it_is_filled_on_the_line():
    times = pd.date_range("2024-01-01", periods=61, freq="10s")
    values, lost = counted(RATES), np.arange(20, 23)

    ds = counter(np.delete(values, lost), times.delete(lost), fill="linear")
    np.testing.assert_allclose(ds.x[0, 19:23], RATES[19:23].mean())
    np.testing.assert_allclose(ds.x.sum(), RATES.sum())
    before = counter(np.delete(values, lost), times.delete(lost), fill="previous")
    assert (before.x[0, 19:23] == RATES[18]).all()


def test_a_counter_of_32_bits_that_may_have_gone_round_in_a_gap_has_no_rate_there():
    values = counted(RATES * 10**5, 0, 32)
    times, lost = pd.date_range("2024-01-01", periods=61, freq="10s"), np.arange(20, 25)

    ds = counter(np.delete(values, lost), times.delete(lost), fill="linear", max_gap=5, gaps="keep")

    assert read(ds)["counters"]["x"]["unseen_wraps_possible"] == 1
    np.testing.assert_allclose(np.delete(ds.x[0], np.arange(19, 25)), np.delete(RATES * 1e5, np.arange(19, 25)))
    assert abs(ds.x[0, 19:25] - 1e8).max() < 2e7  # from the rates beside it
    with pytest.raises(SchemaError, match=r"goes round once or more between two rows.*64 bits"):
        counter(counted(RATES * 3_100_000 + np.arange(60) * 7_919_000, 0, 32), gaps="keep")


def test_a_feature_that_only_grows_is_asked_about():
    times = pd.date_range("2024-01-01", periods=61, freq="10s")

    with pytest.raises(
        SchemaError, match=r"'x' only grows.*counters=\(\).*\nFor example: from_table\(..., counters=\['x'\]\)"
    ):
        dg.from_table(polls(times, counted(RATES)), **ONE)
    assert dg.from_table(polls(times, counted(RATES)), **ONE, counters=()).sizes["time"] == 61


NO_COUNTERS = {
    "a clock": np.arange(200.0) * 300,
    "the number of the day": np.arange(200) // 24,
    "the hour": np.arange(200) % 24,
    "constant": np.full(200, 3.0),
    "noise": np.random.default_rng(0).random(200),
    "a walk": 50 + np.random.default_rng(0).normal(0.2, 1, 200).cumsum(),
    "below zero": np.random.default_rng(0).random(200).cumsum() - 50,
    "short": np.arange(7.0) ** 2,
}


@pytest.mark.parametrize("case", NO_COUNTERS)
def test_what_grows_for_another_reason_is_not_asked_about(case):
    values = NO_COUNTERS[case]

    ds = dg.from_table(polls(np.arange(len(values)), values), **ONE, numbers=["x"])

    np.testing.assert_array_equal(ds.x[0], values)


# -- choices that cannot be, other forms of times, and what is written down --------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"step": "5 parsecs"}, "step='5 parsecs' must be a positive number: column 't' holds numbers"),
        ({"step": -1}, "step=-1"),
        ({"gaps": "drop"}, "gaps is 'drop'"),
        ({"duplicates": "sum"}, "duplicates is 'sum'"),
        ({"max_gap": 3}, "max_gap=3 says how long"),
        ({"counters": "x"}, r"must be a list: counters=\['x'\]"),
        ({"counters": ["y"]}, "counters= names 'y'"),
        ({"fill": {"y": "linear"}}, "fill= names 'y'"),
        ({"bin": 2}, "go together"),
        ({"bin": 2, "bins": {"y": "mean"}}, "bins= names 'y'"),
        ({"bin": 2, "bins": {"n": "count"}}, "does not say how feature 'x' is binned"),
        ({"bin": 2, "bins": {"x": "middle"}}, "'middle'"),
        ({"timezone": "Europe/Berlin"}, "goes with dates"),
        ({"time": None, "step": 2}, "step=2 needs a column of times"),
    ],
)
def test_choices_that_cannot_be_are_refused_by_name(options, message):
    with pytest.raises(ConfigError, match=message):
        dg.from_table(polls(range(10)), **ONE | options)


def test_an_unknown_zone_or_step_is_refused():
    times = pd.date_range("2024-01-01", periods=5, freq="h")

    with pytest.raises(ConfigError, match="timezone is 'Mars'"):
        dg.from_table(polls(times), **ONE, timezone="Mars")
    with pytest.raises(ConfigError, match="'5 parsecs' is no length of time"):
        dg.from_table(polls(times), **ONE, step="5 parsecs")
    with pytest.raises(ConfigError, match="step=5 is no length of time"):
        dg.from_table(polls(times), **ONE, step=5)


TIMES = {
    "month": (["1949-01", "1949-02"], ["1949-01-01", "1949-02-01"]),
    "hours of one digit": (["1/15/2011 8:05", "1/15/2011 9:05"], ["2011-01-15T08:05", "2011-01-15T09:05"]),
    "AM and PM": (["1/15/2011 12:05:00 AM", "1/15/2011 12:05:00 PM"], ["2011-01-15T00:05", "2011-01-15T12:05"]),
    "UTC in words": (
        ["2026-08-06 20:00:01 UTC", "2026-08-06 20:10:01 UTC"],
        ["2026-08-06T20:00:01", "2026-08-06T20:10:01"],
    ),
    "zone of two digits": (
        ["2021-03-01 00:00:00+01", "2021-03-01 00:05:00+01"],
        ["2021-02-28T23:00", "2021-02-28T23:05"],
    ),
    "24:00": (["2023-12-31 23:00", "2023-12-31 24:00"], ["2023-12-31T23:00", "2024-01-01T00:00"]),
    "24:00 with seconds and zone": (
        ["31.12.2023 12:00:00Z", "31.12.2023 24:00:00Z"],
        ["2023-12-31T12:00", "2024-01-01T00:00"],
    ),
    "5G": (["2019.12.16_13.39.39", "2019.12.16_13.39.40"], "'%Y.%m.%d_%H.%M.%S'"),
    "clock": (["18.00.00", "19.00.00"], "'%H.%M.%S'"),
    "month by name": (["Jan 2024", "Feb 2024"], "'%b %Y'"),
    "year, month and day as a number": (["20240131", "20240201"], "'%Y%m%d'"),
    "and the minute": (["202401312355", "202402010000"], "'%Y%m%d%H%M'"),
    "and the second": (["20240131235500", "20240201000000"], "'%Y%m%d%H%M%S'"),
}


@pytest.mark.parametrize("case", TIMES)
def test_times_as_files_have_them_are_read_or_the_error_says_how(tmp_path, case):
    texts, right = TIMES[case]
    path = tmp_path / "x.csv"
    path.write_text("t,x\n" + "".join(f"{text},{k}\n" for k, text in enumerate(texts)))

    if isinstance(right, list):
        assert (from_csv(path, **ONE).time.values == np.array(right, "M8[ns]")).all()
        assert (dg.from_table(polls(texts), **ONE).time.values == np.array(right, "M8[ns]")).all()
        return
    with pytest.raises(SchemaError, match=f"dates={{'t': {right}}}"):
        from_csv(path, **ONE)
    assert from_csv(path, **ONE, dates={"t": right.strip("'")}).sizes["time"] == 2
    with pytest.raises(SchemaError, match=f"pandas.to_datetime.*format={right}"):
        dg.from_table(polls([int(t) for t in texts] if texts[0].isdigit() else texts), **ONE)


@pytest.mark.parametrize(
    ("form", "texts", "first"),
    [
        ("%G-W%V", ["2020-W53", "2021-W01", "2021-W02"], "2020-12-28"),  # weeks of ISO 8601
        ("%Y %W", ["2024 01", "2024 02", "2024 03"], "2024-01-01"),  # that begin on Mondays
        ("%Y %U", ["2024 01", "2024 02", "2024 03"], "2024-01-07"),  # on Sundays
    ],
)
def test_a_week_is_its_first_day(tmp_path, form, texts, first):
    path = tmp_path / "x.csv"
    path.write_text("t,x\n" + "".join(f"{text},{k}\n" for k, text in enumerate(texts)))

    times = from_csv(path, **ONE, dates={"t": form}).time.values

    assert (times == np.datetime64(first) + 7 * np.arange(3).astype("m8[D]")).all()
    with pytest.raises(ConfigError, match=r"dates\['t'\] is '%Y %q', by which no date can be read"):
        from_csv(path, **ONE, dates={"t": "%Y %q"})


def test_weeks_are_told_and_the_advice_works():
    with pytest.raises(SchemaError, match=r"= pandas.to_datetime\(df\['t'\] \+ '-1', format='%G-W%V-%u'\)"):
        dg.from_table(polls(["2024-W01", "2024-W02"]), **ONE)
    with pytest.raises(SchemaError, match=r"'2024-01-01 24:05' in row 1, which is no date"):
        dg.from_table(polls(["2024-01-01 24:00", "2024-01-01 24:05"]), **ONE)


def test_times_of_day_that_go_over_midnight_are_refused_and_not_put_in_order(tmp_path):
    path, clock = tmp_path / "x.csv", {"dates": {"t": "%H:%M"}, "fill": "linear"}
    day = [f"{(12 + k) % 24:02d}:00" for k in range(24)]  # from noon to noon: no step is missing

    def written(texts):
        path.write_text("t,x\n" + "".join(f"{text},{k}\n" for k, text in enumerate(texts)))
        return path

    with pytest.raises(SchemaError, match=r"begin anew: 1900-01-01 23:00:00 in line 13, then .* in line 14"):
        from_csv(written(day), **ONE, **clock)
    with pytest.raises(SchemaError, match=r"begin anew: 1900-01-01 00:00:00 in line 13, then .* in line 14"):
        from_csv(written(day[::-1]), **ONE, **clock)
    assert from_csv(written(day[:12]), **ONE, **clock).x.values.tolist() == [list(range(12))]
    assert from_csv(written(day[11::-1]), **ONE, **clock).x.values.tolist() == [list(range(12))[::-1]]


def test_a_counter_read_as_a_signed_number_is_told_how_to_mend_it():
    with pytest.raises(SchemaError, match=r"'x' of counters= has -2147483096.*add 2\*\*32 to what is below 0"):
        dg.from_table(polls(range(3), [2147483000, 2147483600, -2147483096]), **ONE, counters=["x"])


def test_a_date_of_two_readings_in_a_table_is_asked_about():
    with pytest.raises(SchemaError, match=r"'03/04/2024' in row 0.*df\['t'\] = pandas.to_datetime"):
        dg.from_table(polls(["03/04/2024", "04/04/2024"]), **ONE)


def wide(columns, **more):
    return pd.DataFrame({"id": ["a", "b"], **{name: [k, k] for name, k in columns.items()}} | more)


@pytest.mark.parametrize(
    ("columns", "error"),
    [
        (
            ["d1", "d2", "d3", "dTotal"],
            r"also 'dTotal', which by its name is no step.*\['d1', 'd2', 'd3'\]",
        ),
        (
            ["dates Jan", "dates Feb", "dates Mar", "dates Annual"],
            r"also 'dates Annual', which by its name is no step.*\['dates Jan', 'dates Feb', 'dates Mar'\]",
        ),
        (["d Apr", "d Feb", "d Jan", "d Mar"], r"order of the alphabet.*\['d Jan', 'd Feb', 'd Mar' and 1 more\]"),
    ],
)
def test_a_pattern_that_takes_no_steps_or_an_order_of_the_alphabet_is_asked_about(columns, error):
    with pytest.raises(SchemaError, match=error):
        dg.from_table(pd.DataFrame(np.arange(8.0).reshape(2, 4) ** 2, columns=columns), features={"v": "d*"})


def test_months_in_words_are_times_of_columns():
    names = ["Oct 2024", "May 2024", "Sep 2024"]
    table = pd.DataFrame([[6.0, 1.0, 5.0], [9.0, 2.0, 3.0]], columns=names)

    ds = dg.from_table(table, features={"v": "* 2024"}, gaps="keep")

    assert ds.time.values.astype("M8[M]").astype(str).tolist() == [f"2024-{month:02d}" for month in range(5, 11)]
    np.testing.assert_array_equal(ds.v.values[0], [1, np.nan, np.nan, np.nan, 5, 6])


def test_columns_are_put_in_the_order_of_the_times_in_their_names():
    counted_ = wide({f"d{k}": k for k in (1, 10, 2, 3, 4, 5, 6, 7, 8, 9)})
    dated = wide({f"2024-01-0{k}": k for k in (3, 2, 1)})

    assert dg.from_table(counted_, sample="id", features={"x": "d*"}).x.values[0].tolist() == list(range(1, 11))
    ds = dg.from_table(dated, sample="id", features={"x": "2024-*"})
    assert ds.x.values[0].tolist() == [1, 2, 3]
    assert (ds.time.values == pd.date_range("2024-01-01", periods=3).values).all()
    with pytest.raises(SchemaError, match=r"'d10' comes before 'd2'.*features={'x': \['d1', 'd2'"):
        dg.from_table(counted_, sample="id", features={"x": list(counted_.columns[1:])})


def steps(names, pattern, **options):
    """A wide feature whose values rise in the order of its columns, as they are in the table."""
    table = pd.DataFrame([np.arange(len(names)) + 0.5] * 2, columns=names)
    return dg.from_table(table, features={"v": pattern}, **options)


BACKWARDS = {
    "lags": (["t-3", "t-2", "t-1"], "t-*"),
    "lags in a call": (["var1(t-3)", "var1(t-2)", "var1(t-1)"], "var1*"),
    "lags to the step itself": (["x(t-2)", "x(t-1)", "x(t)", "x(t+1)"], "x*"),
    "minutes before": (["T-60", "T-30", "T-0"], "T*"),
    "lags in a word": (["lag_3", "lag_2", "lag_1"], "lag*"),
    "minutes ago": (["10min_ago", "5min_ago", "0min_ago"], "*ago"),
    "days ago": (["2 days ago", "1 day ago"], "*ago"),
    "below 0": (["-2", "-1", "0", "1"], "*"),
}


@pytest.mark.parametrize("case", BACKWARDS)
def test_numbers_that_count_back_from_the_last_step_are_not_turned_round(case):
    names, pattern = BACKWARDS[case]

    for asked in (pattern, names):
        assert steps(names, asked).v.values[0].tolist() == (np.arange(len(names)) + 0.5).tolist()


def test_lags_in_a_word_are_put_in_order_and_a_list_in_another_is_refused():
    assert steps(["lag_1", "lag_10", "lag_2"], "lag*", gaps="keep").v.values[0][[0, -2, -1]].tolist() == [1.5, 2.5, 0.5]
    with pytest.raises(SchemaError, match=r"'lag_1' comes before 'lag_2'.*\['lag_2', 'lag_1'\]"):
        steps(["lag_1", "lag_2"], ["lag_1", "lag_2"])


@pytest.mark.parametrize("names", [["t-1", "t-2", "t-3"], ["day-3", "day-2", "day-1"], ["prev 1", "prev 2"]])
def test_numbers_that_may_count_on_or_back_are_asked_about_and_a_list_settles_it(names):
    with pytest.raises(SchemaError, match=r"count on, or back from the last step.*features="):
        steps(names, "*")

    rises = np.arange(len(names)) + 0.5
    assert steps(names, names).v.values[0].tolist() == rises.tolist()
    assert steps(names, names[::-1]).v.values[0].tolist() == rises[::-1].tolist()


SHUFFLED = {  # what pandas' pivot makes of labels: they are sorted as text
    "decimals": ["t0.5", "t1.0", "t2.0", "t10.0", "t10.5"],
    "decimals of any length": ["0.125", "0.25", "0.5", "10.25"],
    "times of day": ["8:00", "8:30", "9:00", "9:30", "10:00"],
    "halves of the day": ["9am", "10am", "11am", "10pm"],
    "days of the week": ["Mon", "Tue", "Wed", "Thu", "Fri"],
    "days of weeks": ["w1 Mon", "w1 Tue", "w1 Fri", "w2 Mon"],
    "lengths of time": ["5m", "15m", "30m", "1h"],
    "lengths of time ago": ["1h ago", "30min ago", "15min ago"],
    "days and hours": ["d1 h8", "d1 h9", "d1 h10", "d2 h8"],
    "months before years": ["m1 2023", "m2 2023", "m1 2024", "m2 2024"],
    "times after months": ["Jan 10 8h", "Jan 10 9h", "Feb 1 8h", "Feb 1 9h"],
    "versions": ["1.1", "1.2", "1.10"],
    "from and to": ["00:00-00:30", "00:30-01:00", "01:00-01:30"],
    "dates of two readings": ["01/02/24 8h", "02/02/24 9h", "02/02/24 10h"],
}


@pytest.mark.parametrize("case", SHUFFLED)
def test_columns_that_their_names_do_not_put_in_order_are_asked_about(case):
    names = SHUFFLED[case]
    in_time = steps(names, "*", gaps="keep").v.values[0]
    assert in_time[~np.isnan(in_time)].tolist() == (np.arange(len(names)) + 0.5).tolist()

    shuffled = sorted(names) if sorted(names) != names else [*names[1:], names[0]]
    with pytest.raises(SchemaError, match=r"in the order of the alphabet|do not tell their order") as error:
        steps(shuffled, "*")
    assert f"features={{'v': [{', '.join(map(repr, names[:3]))}" in str(error.value)
    assert steps(shuffled, names, gaps="keep").v.values[0][0] == shuffled.index(names[0]) + 0.5


@pytest.mark.parametrize("names", [["03/02/2024", "02/02/2024", "01/02/2024"], ["Mar", "Feb", "Jan"]])
def test_columns_newest_first_are_asked_about(names):
    with pytest.raises(SchemaError, match=rf"newest first.*\['{names[2]}', '{names[1]}', '{names[0]}'\]"):
        steps(names, "*")


@pytest.mark.parametrize(
    "names",
    [
        ["Nov", "Dec", "Jan", "Feb"],
        ["Dec 30", "Dec 31", "Jan 1"],
        ["Sat", "Sun", "Mon", "Tue"],
        ["22:00", "23:00", "00:00", "01:00"],
        ["Mon 01 Jan", "Tue 02 Jan", "Thu 01 Feb"],
        ["h8 d1", "h9 d1", "h8 d2"],
        ["31.01.2024 8h", "01.02.2024 8h"],
        ["pm25", "o3", "no2"],
    ],
)
def test_names_that_go_on_over_midnight_or_the_new_year_or_are_no_times_stay_in_order(names):
    assert steps(names, "*").v.values[0].tolist() == (np.arange(len(names)) + 0.5).tolist()


TIMED = {
    "quarters": (["Q2 2024", "Q1 2024", "Q3 2023"], [2, np.nan, 1, 0], ["2023-07", "2023-10", "2024-01", "2024-04"]),
    "quarters of short years": (["Q1 23", "Q1 24", "Q2 23"], [0, 2, np.nan, np.nan, 1], ["2023-01", "2023-04"]),
    "quarters after years": (["2023Q4", "2024Q2"], [0, 1], ["2023-10", "2024-04"]),
    "weeks": (["2023-W52", "2024-W1", "2024-W3", "2023-W51"], [3, 0, 1, np.nan, 2], ["2023-12-18", "2023-12-25"]),
    "times of day": (["00:00", "00:30", "01:00", "02:00"], [0, 1, 2, np.nan, 3], ["1900-01-01T00:00"]),
    "times newest first": (["23:00", "22:00", "21:00"], [2, 1, 0], ["1900-01-01T21:00"]),
}


@pytest.mark.parametrize("case", TIMED)
def test_quarters_weeks_and_times_of_day_in_names_are_times_and_show_gaps(case):
    names, values, times = TIMED[case]

    ds = steps(names, "*", gaps="keep")

    np.testing.assert_array_equal(ds.v.values[0] - 0.5, values)
    assert (ds.time.values[: len(times)] == np.array(times, "M8[ns]")).all()


def test_a_year_that_stands_twice_in_each_name_is_one_number():
    assert steps(["2021 [YR2021]", "2020 [YR2020]"], "20*").v.values[0].tolist() == [1.5, 0.5]


def test_two_columns_of_one_number_are_named():
    with pytest.raises(SchemaError, match="columns 'd1' and 'd01' are one step"):
        steps(["d1", "d01", "d2"], "d*")


def test_features_whose_columns_have_other_numbers_are_asked_about_unless_listed():
    table = pd.DataFrame([[1.5, 2, 3, 4, 5, 6]], columns=["in1", "in2", "in3", "out2", "out3", "out4"])
    into, out = list(table)[:3], list(table)[3:]

    for features in ({"in": "in*", "out": "out*"}, {"in": "in*", "out": out}):
        with pytest.raises(SchemaError, match=r"'in' and 'out' have other numbers in their names: 'in1'.*'out2'"):
            dg.from_table(table, features=features)
    assert dg.from_table(table, features={"in": into, "out": out}).out.values.tolist() == [[4, 5, 6]]


def test_columns_with_dates_beside_others_without_are_refused_in_whichever_order():
    table = pd.DataFrame(
        [[1.5, 2, 3, 4, 5, 6]], columns=["in1", "in2", "in3", "2024-01-01", "2024-01-02", "2024-01-05"]
    )
    features = {"in": "in*", "out": "2024*"}

    for some in (features, dict(reversed(features.items()))):
        with pytest.raises(SchemaError, match="have other times in their names"):
            dg.from_table(table, features=some)


def test_dates_of_columns_that_are_moved_to_their_step_are_told():
    ds = steps(["2024-01-09", "2024-02-02", "2024-03-01"], "2024*")

    assert read(ds)["snapped"] == 3 and "3 times put on their step" in str(dg.schema.describe(ds))


def test_a_pattern_of_series_asks_for_no_order_and_takes_no_column_of_another_role(tmp_path):
    path = tmp_path / "x.csv"
    path.write_text("t,r2 if1,r1 if3,r1 if10\n0,1.5,2,3\n1,2.5,3,4\n")

    assert from_csv(path, time="t", features={"v": "*"}).sample.values.tolist() == ["r2 if1", "r1 if3", "r1 if10"]
    table = pd.DataFrame({"id7": [3, 4], "d1": [1.5, 2], "d2": [2.5, 3]})
    assert dg.from_table(table, sample="id7", features={"v": "*"}).v.values.tolist() == [[1.5, 2.5], [2, 3]]


def test_steps_that_have_no_column_are_a_gap():
    table = wide({f"2024-01-0{k}": k for k in (1, 2, 4, 5)})

    with pytest.raises(SchemaError, match=r"1 steps of 1D have no column, the first after '2024-01-02'.*fill="):
        dg.from_table(table, sample="id", features={"x": "2024-*"})
    ds = dg.from_table(table, sample="id", features={"x": "2024-*"}, fill="linear")

    assert ds.x.values[0].tolist() == [1, 2, 3, 4, 5] and ds.sizes["time"] == 5


def test_features_of_a_wide_table_must_have_the_same_steps():
    table = wide({"a 2024-01": 1, "a 2024-02": 2, "b 2024-02": 2, "b 2024-03": 3, "c1": 3})

    with pytest.raises(SchemaError, match="'y' has 1 columns, 'x' 2"):
        dg.from_table(table, sample="id", features={"x": "a*", "y": "c*"})
    with pytest.raises(SchemaError, match="other times in their names"):
        dg.from_table(table, sample="id", features={"x": "a*", "y": "b*"})


@pytest.mark.parametrize("far", ["1500-01", "3000-01"])
def test_days_in_names_that_no_date_here_can_hold_are_refused(far):
    days = [f"{far}-{day:02d}" for day in range(1, 6)]

    with pytest.raises(SchemaError, match=rf"'{days[0]}' names a date outside of 1678 to 2261"):
        dg.from_table(wide(dict.fromkeys(days, 1.0)), sample="id", features={"x": days})


def test_a_wide_table_of_counters_becomes_rates():
    days = pd.date_range("2024-01-01", periods=30)
    table = pd.DataFrame(
        np.random.default_rng(0).integers(0, 9, (4, 30)).cumsum(1), columns=[f"{d:%m/%d/%y}" for d in days]
    )

    with pytest.raises(SchemaError, match=r"'cases' only grows"):
        dg.from_table(table, features={"cases": "*"})
    ds = dg.from_table(table, features={"cases": "*"}, counters=["cases"])

    np.testing.assert_allclose(ds.cases * 86400, np.diff(table.to_numpy(), axis=1))
    assert (ds.time.values == days[1:].values).all()


def test_errors_name_the_arguments_of_the_reader(tmp_path):
    path = tmp_path / "x.csv"
    tries = {
        "Leave 'region' out of attributes=": (
            "id,t,v,region\n" + "".join(f"s{i // 3},{i % 3},{i},eu\n" for i in range(18)),
            ["region"],
        ),
        "Leave 'name' out of attributes=": (
            "id,t,v,name\n" + "".join(f"s{i // 3},{i % 3},{i},n{i // 3}\n" for i in range(90)),
            ["name"],
        ),
        r"missing=\['inf'\].*fill=": ("id,t,v\na,1,2.5\na,2,Infinity\na,3,1\n", []),
        "column 'v' has no value. Leave": ("id,t,v\na,1,\na,2,\nb,1,\nb,2,\n", []),
    }
    for message, (text, attributes) in tries.items():
        path.write_text(text)
        with pytest.raises(SchemaError, match=message):
            from_csv(path, sample="id", time="t", features=["v"], attributes=attributes)


def test_what_was_decided_outlives_a_file(tmp_path):
    ds = dg.from_table(polls([0, 1, 2, 5, 6, 7, 8]), **ONE, fill="linear")
    ds.to_netcdf(tmp_path / "x.nc")

    again = dg.open_dataset(tmp_path / "x.nc")

    assert read(again) == read(ds) and "1 gaps in 1 samples, 2 steps" in str(dg.schema.describe(again))


def read_wide(columns, features):
    """x of a wide table whose columns hold their own numbers, 0, 1, 2 and so on; and its times, where it has any."""
    table = pd.DataFrame({"id": list("abcd"), **{c: [float(k)] * 4 for k, c in enumerate(columns)}})
    ds = dg.from_table(table, features={"x": features}, sample="id")
    return ds.x.values[0].tolist(), ds.time.values if "time" in ds.coords else None


@pytest.mark.parametrize(
    "columns",
    [
        ["Jan 20", "Feb 20", "Jan 21", "Feb 21"],
        ["Mar'19", "Dec'19", "Mar'20", "Dec'20"],
        ["12-30-20", "12-31-20", "01-01-21", "01-02-21"],
    ],
)
def test_months_with_years_of_two_digits_are_read_in_their_order_without_times(columns):
    values, times = read_wide(columns, "*[0-9]*")

    assert values == [0, 1, 2, 3] and times is None


def test_quarters_need_no_mark_between_them_and_their_year():
    for columns in (["Q12020", "Q22020", "Q32020"], ["2020Q1", "2020Q2", "2020Q3"], ["1Q2020", "2Q2020", "3Q2020"]):
        for features in ("*Q*", columns):
            values, times = read_wide(columns, features)
            assert values == [0, 1, 2] and times[1] == np.datetime64("2020-04-01")


def test_times_of_day_at_no_even_step_give_an_order_and_no_times():
    for columns in (["08:00", "12:00", "18:00", "22:00"], ["8:30", "13:15", "19:45"]):
        for features in ("*:*", columns):
            values, times = read_wide(columns, features)
            assert values == list(range(len(columns))) and times is None


@pytest.mark.parametrize(
    "columns", [["30.12.", "31.12.", "01.01.", "02.01."], ["20:00", "22:00", "23:00", "01:00", "06:00"]]
)
def test_an_order_that_names_do_not_tell_is_asked_about_and_a_list_settles_it(columns):
    with pytest.raises(SchemaError, match=r"do not tell their order.*maybe features=.*or as they stand") as error:
        read_wide(columns, "*[.:]*")

    assert error.match(re.escape(f"[{columns[0]!r}, {columns[1]!r}"))
    assert read_wide(columns, columns)[0] == list(range(len(columns)))


def test_of_text_among_numbers_with_a_unit_the_way_out_names_the_columns_there_are():
    table = pd.DataFrame({"id": list("abcd"), **{f"lat_{k}": [f"{k + i} ms" for i in range(4)] for k in (1, 2, 3)}})
    table.loc[2, "lat_2"] = "timeout"
    with pytest.raises(SchemaError, match=r"feature 'lat' .* 'timeout'") as error:
        dg.from_table(table, features={"lat": "lat_*"}, sample="id")

    columns = ["lat_1", "lat_2", "lat_3"]
    assert f"df[{columns}] = df[{columns}].replace(['timeout'], None)" in str(error.value)
    table[columns] = table[columns].replace(["timeout"], None)
    ds = dg.from_table(table, features={"lat": "lat_*"}, sample="id", numbers={"lat": "ms"}, fill="linear")
    assert ds.lat.values[2].tolist() == [3, 4, 5]


def test_a_number_without_the_others_unit_is_no_missing_value():
    table = pd.DataFrame({"id": list("abcd"), "v_1": ["3%", "4%", "5%", "6%"], "v_2": ["0.3", "0.4", "0.5", "0.6"]})
    with pytest.raises(SchemaError, match="a number without the others' unit: bring all to one") as error:
        dg.from_table(table, features={"v": "v_*"}, sample="id")
    assert "None" not in str(error.value)


# -- bins that begin elsewhere, clocks that were set, names that are taken ---------------------------------------------

DAYS = pd.DataFrame({"t": pd.date_range("2023-01-01", periods=800), "x": np.arange(800.0)})


@pytest.mark.parametrize("width", ["YS-APR", "YE-MAR", "QS-FEB", "QE-JAN", "QS", "2QS", "W", "W-WED", "2W-WED"])
def test_bins_of_years_quarters_and_weeks_begin_where_pandas_has_them(width):
    ds = dg.from_table(DAYS, **ONE, bin=width, bins={"x": "sum"})

    assert ds.x.values[0].tolist() == DAYS.set_index("t").x.resample(width).sum().tolist()


@pytest.mark.parametrize("argument", ["step", "bin"])
@pytest.mark.parametrize("width", ["2B", "BME", "SME", "C", "BQS", "WOM-1MON", "99999999D"])
def test_lengths_of_time_that_are_not_known_here_are_refused(argument, width):
    bins = {"bins": {"x": "sum"}} if argument == "bin" else {}

    with pytest.raises(ConfigError, match=f"{argument}='{width}' is no step that is known here"):
        dg.from_table(DAYS, **ONE, **{argument: width}, **bins)


@pytest.mark.parametrize("known", [[1.5, np.nan, np.nan, 5], [1.5, np.nan, 3, 5]])
def test_a_sum_of_which_a_part_is_missing_is_a_gap(known):
    times = pd.to_datetime(["2024-01-01 00:05", "2024-01-01 01:10", "2024-01-01 01:30", "2024-01-01 02:01"])

    with pytest.raises(SchemaError, match=r"'x' has 1 steps without a value, the first in sample '0', step 1"):
        dg.from_table(polls(times, known), **ONE, bin="1h", bins={"x": "sum"})
    kept = dg.from_table(polls(times, known), **ONE, bin="1h", bins={"x": "sum"}, gaps="keep")
    np.testing.assert_array_equal(kept.x[0], [1.5, np.nan, 5])


@pytest.mark.parametrize("days", [100, 365])
def test_midnights_of_another_zone_in_utc_are_days_and_most_stay_where_they_are(days):
    local = pd.date_range("2024-03-25", periods=days, tz="Europe/Berlin")
    ds = dg.from_table(polls(local.tz_convert("UTC")), **ONE)

    summer = int((local.map(lambda at: at.dst()) > pd.Timedelta(0)).sum())
    assert read(ds)["step"] == "1D" and read(ds)["snapped"] == days - summer
    assert (pd.DatetimeIndex(ds.time).hour == 22).all()


def test_a_clock_that_was_set_once_does_not_change_the_step():
    times = pd.Series(pd.date_range("2024-01-01", periods=3000, freq="1min"))
    times[1500:] += pd.Timedelta("3s")

    assert read(dg.from_table(polls(times), **ONE))["step"] == "1min"
    one_late = polls(pd.to_datetime(["2024-01-01 00:00", "2024-01-02 00:00", "2024-01-03 01:00", "2024-01-04 00:00"]))
    assert "1 time put on its step, by up to 1h" in str(dg.schema.describe(dg.from_table(one_late, **ONE)))
    times[1500:] += pd.Timedelta("17s")
    with pytest.raises(
        SchemaError, match=r"(?s)further than 6s from where steps of 1min.*step='1min', tolerance='20s'"
    ):
        dg.from_table(polls(times), **ONE)


def test_jitter_of_whole_seconds_leaves_the_round_step():
    late = np.random.default_rng(0).integers(0, 4, 3000)
    times = pd.date_range("2024-01-01", periods=3000, freq="1min") + pd.to_timedelta(late, unit="s")

    assert read(dg.from_table(polls(times), **ONE))["step"] == "1min"


def test_days_by_the_clock_of_a_zone_are_not_moved_to_it_again():
    days = dg.from_table(polls(pd.date_range("2024-01-01", periods=100, tz="Europe/Berlin")), **ONE)

    for zone in (None, "Europe/Berlin"):
        cut = windows(days, 7, begin="00:00", timezone=zone)
        assert (cut.start_local.values == cut.start.values).all() and cut.sizes["sample"] == 14
    with pytest.raises(ConfigError, match="days of this dataset go by the clock of Europe/Berlin"):
        windows(days, 7, begin="00:00", timezone="UTC")


@pytest.mark.parametrize("name", ["series", "start"])
def test_windows_do_not_replace_a_variable(name):
    ds = xr.Dataset({"x": (("sample", "time"), np.ones((4, 12))), name: ("sample", list("pqpq"))})

    with pytest.raises(SchemaError, match=rf"ds.rename\({name}=...\)"):
        windows(ds, 6)


def test_a_column_named_as_the_dataset_names_something_else_is_refused():
    table = pd.DataFrame({"job": list("aabb"), "t": [0, 1, 5, 6], "x": [1.5, 2, 3, 5.25], "start": list("uuvv")})
    names = {"sample": "job", "time": "t", "features": ["x"]}

    with pytest.raises(SchemaError, match="'start' is the name of more than one thing"):
        dg.from_table(table, **names, attributes=["start"])
    with pytest.raises(SchemaError, match="'length' is the name of more than one thing"):
        dg.from_table(table, **names, bin=1, bins={"x": "sum", "length": "count"})


def test_columns_named_by_times_of_a_pivot_keep_their_gaps_at_midnight_too():
    times = pd.to_datetime([f"2024-01-01 {hour:02}:00" for hour in (0, 1, 2, 5, 6)])
    long = pd.DataFrame({"id": np.repeat(["a", "b"], 5), "t": [*times, *times], "x": [1.5, 2, 3, 6, 7] * 2})
    wide = long.pivot(index="id", columns="t", values="x").reset_index()

    with pytest.raises(SchemaError, match="2 steps of 1h have no column, the first after '2024-01-01 02:00:00'"):
        dg.from_table(wide, sample="id", features={"x": "2024*"})
    for columns in (wide.columns, wide.columns[[0, 5, 1, 4, 2, 3]]):
        ds = dg.from_table(wide[columns], sample="id", features={"x": "2024*"}, fill="linear")
        assert ds.x.values[0].tolist() == [1.5, 2, 3, 4, 5, 6, 7]
        assert ds.time.values[-1] == np.datetime64("2024-01-01T06:00")


def test_bins_of_times_with_fractions_begin_at_whole_bins():
    table = pd.DataFrame({"t": [0, 0.031, 1.2, 2.5], "x": [74.5, 1514, 60, 60]})

    ds = dg.from_table(table, **ONE, bin=1, bins={"x": "sum"})

    assert ds.time.values.tolist() == [0, 1, 2] and ds.x.values.tolist() == [[1588.5, 60, 60]]


@pytest.mark.parametrize("days", [5, 7])
def test_days_of_local_time_in_utc_are_a_day_apart_though_clocks_change(days):
    times = pd.date_range("2024-03-29", periods=days, freq="D", tz="Europe/Berlin").tz_convert("UTC").tz_localize(None)

    assert read(dg.from_table(polls(times), **ONE))["step"] == "1D"


def test_a_day_of_the_month_that_is_off_by_one_once_leaves_months():
    days = ["2024-01-15", "2024-02-15", "2024-03-14", "2024-04-15", "2024-05-15"]

    said = read(dg.from_table(polls(pd.to_datetime(days)), **ONE))

    assert said["step"] == "MS" and said["snapped_most"] == "1D"


@pytest.mark.parametrize("day", [29, 30])
def test_a_day_that_february_lacks_is_its_last_there(day):
    months = pd.date_range("2023-01-01", periods=6, freq="MS")
    days = pd.to_datetime([f"{month:%Y-%m}-{min(day, month.days_in_month)} 05:00" for month in months])

    ds = dg.from_table(polls(days.delete(3)), **ONE, fill="linear")

    assert read(ds)["step"] == "MS" and "snapped" not in read(ds)
    assert (ds.time.values == days.values).all()


def test_thirty_days_with_jitter_are_no_months():
    times = pd.to_datetime(["2024-01-15", "2024-02-14", "2024-03-15", "2024-04-14 01:00", "2024-05-14"], format="mixed")

    assert read(dg.from_table(polls(times), **ONE))["step"] == "30D"


def test_steps_without_a_reading_that_a_counter_fills_are_told():
    table = polls([0, 1, 2, 5, 6, 7], [10.0, 20, 35, 80, 85, 99])

    ds = dg.from_table(table, **ONE, counters=["x"], fill="linear")

    assert ds.x.values.tolist() == [[10, 15, 15, 15, 15, 5, 14]] and read(ds)["filled_values"] == 2
    assert "2 missing values filled" in str(dg.schema.describe(ds))


@pytest.mark.parametrize("zone", ["America/New_York", "America/Los_Angeles", "Asia/Ho_Chi_Minh", "Etc/GMT+5"])
def test_times_of_any_zone_are_read_and_days_go_by_its_clock(zone):
    days = pd.date_range("2024-03-01", periods=30, freq="D", tz=zone)
    hours = pd.date_range("2024-03-01", periods=30, freq="h", tz=zone)

    by_day, by_hour = (dg.from_table(polls(times), **ONE) for times in (days, hours))

    assert read(by_day) == {"timezone": zone, "step": "1D", "step_found": 1.0}
    assert (by_day.time.values == days.tz_localize(None).values).all()
    assert read(by_hour)["timezone"] == f"{zone}, times in UTC"
    assert (by_hour.time.values == hours.tz_convert("UTC").tz_localize(None).values).all()


def test_tables_with_times_of_new_york_are_compared():
    times = pd.date_range("2024-03-01", periods=30, freq="D", tz="America/New_York")
    table = pd.concat([polls(times, id=name) for name in "ab"])

    assert "steps of 1 day" in str(dg.metrics.evaluate(table, table, **MANY))


def test_days_without_weekends_are_offered_as_business_days():
    table = polls(pd.bdate_range("2024-01-01", periods=15))

    with pytest.raises(SchemaError, match="No row is on a Saturday or Sunday: step='B'"):
        dg.from_table(table, **ONE)
    assert dg.from_table(table, **ONE, step="B").x.shape == (1, 15)


def test_the_bin_of_an_example_is_shorter_than_the_times():
    with pytest.raises(SchemaError, match=r"bin=1, bins="):
        dg.from_table(polls([0, 0.031, 1.2, 2.5]), **ONE)


def test_of_days_without_weekends_the_example_fills_none_and_its_answer_does():
    days = pd.bdate_range("2024-01-01", periods=30).delete(11)  # a holiday

    with pytest.raises(SchemaError, match=r"For example: from_table\(..., step='B'\)$"):
        dg.from_table(polls(days), **ONE)
    with pytest.raises(SchemaError, match=r"1 steps of B have no row.*\n.*fill='linear'\)$"):
        dg.from_table(polls(days), **ONE, step="B")
    with pytest.raises(SchemaError, match=r"For example: from_table\(..., fill='linear'\)$"):
        dg.from_table(polls(pd.date_range("2024-01-01", periods=30).delete(11)), **ONE)


def test_many_rows_for_one_time_may_be_several_series():
    table = pd.DataFrame({"id": [*"aaaabbbb"], "kind": [*"xyxyxyxy"], "t": [0, 0, 1, 1] * 2, "x": np.arange(8.0)})

    with pytest.raises(SchemaError, match=r"two rows for 0.*tells rows of one time apart: name it in sample= \(of two"):
        dg.from_table(table, **MANY)
    with pytest.raises(SchemaError, match=r"two rows for 0.*tells rows of one time apart.*pivot_table\."):
        dg.from_table(table[:4], **ONE)
    both = dg.from_table(table.assign(id=table.id + table.kind), **MANY)
    assert both.sample.values.tolist() == ["ax", "ay", "bx", "by"] and both.x.values[1].tolist() == [1, 3]
    wide = table.pivot_table(index=["id", "t"], columns="kind", values="x").reset_index()
    assert dg.from_table(wide, sample="id", time="t", features=["x", "y"]).y.values.tolist() == [[1, 3], [5, 7]]
    with pytest.raises(SchemaError, match=r"two rows for 5.*'first'\.\n"):
        dg.from_table(polls([*range(12), 5]), **ONE)


def test_a_time_or_sample_of_several_columns_is_told_how_to_be_made_one(tmp_path):
    path = tmp_path / "x.csv"
    path.write_text("year,month,day,site,unit,x\n" + "".join(f"2024,1,{k},a,1,{k}.5\n" for k in range(1, 9)))
    df = dg.datasets.read_csv(path)

    for role, names in {"time": ["year", "month", "day"], "sample": ["site", "unit"]}.items():
        ask = {"time": "day", "features": ["x"]} | {role: names}
        for call in (lambda ask=ask: from_csv(path, **ask), lambda ask=ask: dg.from_table(df, **ask)):
            with pytest.raises(
                ConfigError, match=f"{role} is .*give the name of one column. Make one of them, "
            ) as error:
                call()
        exec(str(error.value).split("Make one of them, ")[1].split(", and give")[0], {"df": df, "pandas": pd})

    ds = dg.from_table(df, time="time", sample="sample", features=["x"])
    assert ds.time.values.astype("M8[D]").astype(str).tolist()[:2] == ["2024-01-01", "2024-01-02"]
    assert ds.sample.values.tolist() == ["a 1"]
