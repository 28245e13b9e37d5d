"""`evaluate` of two tables: the same as of their Datasets, read to one schema, and refused where they do not agree."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.spatial
import scipy.stats
import xarray as xr

import dgkit as dg
from dgkit.errors import ConfigError, SchemaError
from dgkit.metrics import Report, evaluate

DAY = pd.Timedelta(days=1)
NAMES = {
    "sample": "page",
    "time": "day",
    "features": ["views", "state"],
    "attributes": ["domain", "spider", "size"],
    "units": {"views": "views/day"},
}


def long_table(ds: xr.Dataset) -> pd.DataFrame:
    """A row for each valid step of the shared small dataset, with a date, in no order."""
    rows = []
    for i in range(ds.sizes["sample"]):
        for t in range(int(ds.length[i])):
            row = {"page": f"p{i}", "day": pd.Timestamp("2024-01-01") + t * DAY}
            row |= {name: ds[name].values[i, t] for name in ("views", "state")}
            rows.append(row | {name: ds[name].values[i] for name in ("domain", "spider", "size")})
    return pd.DataFrame(rows).sample(frac=1, random_state=0, ignore_index=True)


@pytest.fixture
def real(small):
    return long_table(small)


@pytest.fixture
def generated(small):
    """Other samples, the views of which are half as many again; the longest is as long as the longest real one."""
    other = small.isel(sample=slice(0, 30)).copy(deep=True)
    other["views"] *= 1.5
    return long_table(other)


def in_polars(table: pd.DataFrame) -> pl.DataFrame:
    return pl.DataFrame(table.to_dict("list"))


@pytest.mark.parametrize("libraries", [(pd.DataFrame, pd.DataFrame), (in_polars, in_polars), (pd.DataFrame, in_polars)])
def test_tables_give_the_report_of_their_datasets(real, generated, libraries):
    tables = [kind(table) for kind, table in zip(libraries, (real, generated), strict=True)]

    held_out = real.assign(views=real.views + 1)

    report = evaluate(*tables, held_out, **NAMES)

    expected = evaluate(*(dg.from_table(table, **NAMES) for table in (real, generated, held_out)))
    xr.testing.assert_identical(xr.Dataset(report.data_vars), xr.Dataset(expected.data_vars))
    assert report.attrs["generated_samples"] == 30
    assert report.feature_units.values.tolist() == ["views/day"]


def test_the_report_says_how_the_tables_were_read(real, generated, tmp_path):
    report = evaluate(real, generated, **NAMES)

    lines = [
        "feature views (views/day): numbers",
        "feature state: 3 categories, 'busy', 'idle', 'wait'",
        "attribute domain: 3 categories, 'de', 'en', 'fr'",
        "attribute spider: truth values",
        "attribute size: numbers",
        "up to 12 steps: a series ends with its last row",
        "time day, real: steps of 1 day",
        "time day, generated: steps of 1 day",
    ]
    assert report.attrs["read_as"].split("\n") == lines
    assert repr(report).endswith("\n".join(["Tables read as", *(f"  {line}" for line in lines)]))
    report.to_netcdf(tmp_path / "report.nc")
    with xr.open_dataset(tmp_path / "report.nc") as stored:
        assert repr(Report(stored.data_vars, attrs=stored.attrs)) == repr(report)


def test_names_of_the_users_cannot_write_html(real):
    table = real.rename(columns={"size": "<script>"})

    html = evaluate(table, table, **NAMES | {"attributes": ["<script>"]})._repr_html_()

    assert "<li>attribute &lt;script&gt;: numbers</li>" in html
    assert "<script>" not in html


def test_a_table_with_one_category_for_all_is_measured_not_refused(real, generated):
    generated["domain"] = "en"
    with pytest.raises(SchemaError, match="nothing to learn"):
        dg.from_table(generated, **NAMES)

    report = evaluate(real, generated, **NAMES)

    others = (real.drop_duplicates("page").domain != "en").mean()
    p, q = np.array([1 - others, others]), np.array([1.0, 0.0])
    middle = (p + q) / 2
    expected = (p @ np.log2(p / middle) + np.log2(1 / middle[0])) / 2
    # the two other categories are one here: with nothing of them generated, how they are split does not count
    assert report.attribute_jensen_shannon.sel(attribute="domain").item() == pytest.approx(expected)


def test_series_that_all_end_earlier_are_given_room(real, generated):
    shorter = generated[generated.day < real.day.min() + 5 * DAY]

    report = evaluate(real, shorter, **NAMES)

    lengths = [table.groupby("page").size() for table in (real, shorter)]
    assert lengths[1].max() == 5 < lengths[0].max() == 12
    distance = scipy.stats.wasserstein_distance(*lengths)
    assert report.length_wasserstein.item() == pytest.approx(distance)
    distance = scipy.stats.wasserstein_distance(real.views, shorter.views)
    assert report.value_wasserstein.item() == pytest.approx(distance)
    shares = [table.state.value_counts(normalize=True).sort_index() for table in (real, shorter)]
    divergence = scipy.spatial.distance.jensenshannon(*shares, base=2) ** 2
    assert report.feature_jensen_shannon.item() == pytest.approx(divergence)


def wide_table(rows=20, days=6, seed=0):
    values = np.random.default_rng(seed).integers(0, 50, (rows, days))
    table = pd.DataFrame(values, columns=[f"day_{t}" for t in range(days)])
    return table.assign(kind=np.where(np.arange(rows) % 2, "b", "a"))


WIDE = {"features": {"load": "day_*"}, "attributes": ["kind"]}


def test_the_real_table_decides_the_order_of_a_wide_tables_columns():
    real, generated = wide_table(), wide_table(seed=1)
    shuffled = generated[["kind", "day_3", "day_1", "day_0", "day_5", "day_4", "day_2"]]

    report = evaluate(real, shuffled, **WIDE)

    xr.testing.assert_identical(report, evaluate(real, generated, **WIDE))
    assert not report.equals(evaluate(real, real, **WIDE))
    assert "columns are steps in their order in the real table" in report.attrs["read_as"]


def test_gaps_are_asked_about_and_those_filled_are_said():
    real = pd.DataFrame({"page": ["a"] * 9, "day": [0, 1, 2, 3, 5, 6, 7, 8, 9], "views": np.arange(9.0)})
    even = real.assign(day=np.arange(9))
    names = {"sample": "page", "time": "day", "features": ["views"]}

    with pytest.raises(
        SchemaError, match=r"(?s)real table: column 'day': 1 steps of 1 have no row.*evaluate takes fill="
    ):
        evaluate(real, even, **names)
    with pytest.raises(SchemaError, match="generated table: column 'day': 1 steps of 1 have no row"):
        evaluate(even, real, **names)

    report = evaluate(real, pd.concat([even, even[-1:].assign(day=9)]), **names, fill="linear")

    assert "time day, real: steps of 1, 1 of them without a row (filled)" in report.attrs["read_as"]


def test_times_without_an_even_step_are_asked_about():
    events = pd.DataFrame({"time": [0.0, 1.0, 3.5, 3.7, 9.0], "load": [1.0, 2.0, 3.0, 4.0, 5.0]})

    with pytest.raises(SchemaError, match=r"real table: column 'time': no step explains .*leave `time` out"):
        evaluate(events, events, time="time", features=["load"])

    report = evaluate(events, events, features=["load"])

    assert "no time: rows are steps in their order" in report.attrs["read_as"]


def test_steps_that_differ_by_rounding_are_the_same():
    real = pd.DataFrame({"time": np.arange(5) * 0.1, "load": np.arange(5.0)})
    generated = real.assign(time=np.arange(5) / 10 + 0.3)

    report = evaluate(real, generated, time="time", features=["load"])

    assert "time time, generated: steps of 0.1" in report.attrs["read_as"].split("\n")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda df: df.drop(columns="views"), "the generated table has no column 'views', which the real one has"),
        (lambda df: df.drop(columns="page"), "the generated table has no column 'page'"),
        (
            lambda df: df.assign(views=df.views.astype(str)),
            "'views' is numbers in the real table, text in the generated",
        ),
        (lambda df: df.assign(spider=df.spider.astype(int)), "'spider' is truth values in the real table, numbers in"),
        (lambda df: df.assign(domain=df.domain.str.upper()), "'domain' has the category 'DE' in the generated table"),
        (lambda df: df.assign(state=df.state + "?"), "feature 'state' has the category 'busy\\?' in the generated"),
        (lambda df: df.assign(day=(df.day - df.day.min()).dt.days), "'day' holds dates in the real table, numbers in"),
        (
            lambda df: df.assign(day=df.day.min() + (df.day - df.day.min()) / 24),
            "'day': steps of 1 day in the real table, steps of 1 hour in the generated one",
        ),
        (
            lambda df: pd.concat([df, df[df.page == "p0"].assign(day=lambda one: one.day + 12 * DAY)]),
            "longest series has 24 steps in the generated table, 12 in the real one",
        ),
        (lambda df: df[(df.page != "p0") | (df.day.dt.day != 4)], "generated table: .* 1 steps of 1D have no row"),
        (lambda df: df.assign(views=df.views.where(df.views > 5)), "generated table: column 'views' has .* missing"),
        (lambda df: pd.concat([df, df[:1]]), "generated table: column 'day': sample .* has two rows for"),
    ],
)
def test_a_table_that_does_not_agree_is_refused_in_words(real, generated, change, message):
    evaluate(real, generated, **NAMES)

    with pytest.raises(SchemaError, match=message):
        evaluate(real, change(generated), **NAMES)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda df: df.drop(columns="day_5"), "generated table has no column 'day_5', which the real one has"),
        (lambda df: df.assign(day_6=1), "feature 'load' has a column 'day_6' in the generated table that the real"),
    ],
)
def test_a_wide_table_with_other_steps_is_refused(change, message):
    with pytest.raises(SchemaError, match=message):
        evaluate(wide_table(), change(wide_table(seed=1)), **WIDE)


def test_series_of_one_length_are_held_against_that_length():
    real = pd.DataFrame({"page": np.repeat([0, 1], 6), "day": [*range(6)] * 2, "views": np.arange(12.0)})
    names = {"sample": "page", "time": "day", "features": ["views"]}

    with pytest.raises(
        SchemaError, match=r"every series of the real table has 6 steps, none of the generated .* than 4"
    ):
        evaluate(real, real[real.day < 4], **names)

    report = evaluate(real.groupby("page").head(4), real[real.day < 4], **names)  # as the error says
    assert report.value_wasserstein.item() == 0


def test_new_categories_count_where_datasets_are_given(real, generated):
    generated["domain"] = generated.domain.replace("de", "ja")
    with pytest.raises(SchemaError, match=r"evaluate\(from_table"):
        evaluate(real, generated, **NAMES)

    report = evaluate(dg.from_table(real, **NAMES), dg.from_table(generated, **NAMES))

    assert report.attribute_jensen_shannon.sel(attribute="domain").item() > 0.2


def test_what_does_not_go_together_is_said(small, real, generated):
    with pytest.raises(SchemaError, match=r"tables do not say what their columns are. Name them: .*features="):
        evaluate(real, generated, sample="page")
    with pytest.raises(SchemaError, match="the generated data are a table, others a Dataset"):
        evaluate(small, generated, **NAMES)
    with pytest.raises(SchemaError, match="the held-out data are a table, others a Dataset"):
        evaluate(small, small, generated)
    with pytest.raises(ConfigError, match=r"features=\.\.\. says how to read tables, but these are Datasets"):
        evaluate(small, small, features=["views"])
    with pytest.raises(ConfigError, match="fill is 'zero'"):
        evaluate(real, generated, **NAMES, fill="zero")
    with pytest.raises(SchemaError, match=r"real data: a dataset must be an xarray\.Dataset, not list"):
        evaluate([1, 2], small)
    with pytest.raises(
        SchemaError, match="generated table: from_table needs a pandas, polars or pyarrow table, not list"
    ):
        evaluate(real, [1, 2], **NAMES)


def test_the_tables_stay_as_they_are(real, generated):
    before = real.copy(deep=True), generated.copy(deep=True)

    evaluate(real, generated, **NAMES)

    pd.testing.assert_frame_equal(real, before[0])
    pd.testing.assert_frame_equal(generated, before[1])
