"""What a dataset is: a broken rule is named with variable, place and mending call; the schema survives every trip."""

import numpy as np
import pandas as pd
import pytest

from dgkit.errors import SchemaError
from dgkit.schema import Schema, describe, lengths, validate
from tests.conftest import small_dataset


def changed(name, position, value):
    ds = small_dataset().copy(deep=True)
    ds[name].values[position] = value
    return ds


def valid_step(ds, name="views"):
    return 0, int(ds.length[0]) - 1


BROKEN = {
    "transposed": (lambda ds: ds.transpose("time", "sample"), r"'views' has dims \('time', 'sample'\).*transpose"),
    "extra dim": (lambda ds: ds.assign(views=ds.views.expand_dims(site=2, axis=2)), r"'views' has dims .*'site'"),
    "no sample": (lambda ds: ds.assign(note=("word", ["a"])), r"'note' has dims \('word',\).*drop_vars"),
    "scalar": (lambda ds: ds.assign(note=3.0), r"'note' has dims \(\)"),
    "no feature": (lambda ds: ds[["domain"]], "no feature"),
    "object": (lambda ds: ds.assign(domain=ds.domain.astype(object)), r"'domain' has dtype object.*astype\(str\)"),
    "bytes": (lambda ds: ds.assign(domain=ds.domain.astype("S")), r"'domain' has dtype.*astype\(str\)"),
    "dates": (lambda ds: ds.assign(size=("sample", pd.date_range("2020", periods=40))), "'size' has dtype datetime"),
    "boolean feature": (lambda ds: ds.assign(views=ds.views > 3), r"'views' is boolean.*astype\(float\)"),
    "length beyond T": (lambda ds: ds.assign(length=ds.length + 40), r"'length' of sample 0 is 52, not within 1 to 12"),
    "length zero": (lambda ds: ds.assign(length=ds.length * 0), "'length' of sample 0 is 0"),
    "length float": (lambda ds: ds.assign(length=ds.length * 1.0), r"'length' must be integers.*astype\(int\)"),
    "length on time": (lambda ds: ds.assign(length=("time", np.arange(12))), "'length'"),
    "constant": (lambda ds: ds.assign(domain=("sample", ["de"] * 40)), r"'domain' has the same value 'de'.*drop_vars"),
    "identifier": (lambda ds: ds.assign(domain=("sample", [f"p{i}" for i in range(40)])), "'domain'.*identifier"),
    "attribute NaN": (lambda ds: ds.assign(size=ds["size"].where(ds["size"] > 0.5)), "'size' is NaN or infinite"),
    "empty": (
        lambda ds: ds.assign(domain=("sample", [""] + ["de", "en"] * 19 + ["de"])),
        "'domain' is an empty string",
    ),
    "no samples": (lambda ds: ds.isel(sample=slice(0, 0)), "'sample' has size 0, so 'views'"),
    "no steps": (lambda ds: ds.isel(time=slice(0, 0)), "'time' has size 0"),
    "categories lack": (
        lambda ds: ds.assign(domain=ds.domain.assign_attrs(categories=["de", "en"])),
        r"'domain': attrs\['categories'\] lacks the value 'fr'",
    ),
    "categories twice": (
        lambda ds: ds.assign(domain=ds.domain.assign_attrs(categories=["de", "en", "fr", "en"])),
        "'domain'.*names one twice",
    ),
}


@pytest.mark.parametrize("case", BROKEN)
def test_broken_datasets_are_refused_with_the_variable_and_what_to_do(case):
    break_it, message = BROKEN[case]

    with pytest.raises(SchemaError, match=message):
        validate(break_it(small_dataset()))


def test_nan_inside_a_series_is_located():
    ds = changed("views", (3, 1), np.nan)
    assert int(ds.length[3]) > 2

    with pytest.raises(
        SchemaError, match=r"'views' has 1 NaN before the end of sample 3 \(length \d+\), the first at step 1"
    ):
        validate(ds)


def test_a_series_of_nan_alone_is_said_to_be_that():
    with pytest.raises(SchemaError, match=r"'cpu' is NaN throughout sample 2"):
        validate(changed("cpu", 2, np.nan))


def test_infinite_values_are_located():
    with pytest.raises(SchemaError, match="'views' is infinite at sample 1, step 0"):
        validate(changed("views", (1, 0), np.inf))


def test_values_past_the_length_are_refused():
    ds = small_dataset()
    short = int(ds.length.values.argmin())
    ds["views"].values[short, -1] = 3.0

    with pytest.raises(
        SchemaError, match=f"'views' has values past the `length` of its series at sample {short}, step 11"
    ):
        validate(ds)


def test_missing_text_inside_a_series_is_located():
    with pytest.raises(SchemaError, match="'state' has 1 empty strings before the end of sample 0"):
        validate(changed("state", (0, 4), ""))


def test_what_is_no_dataset_is_refused():
    for thing in (None, 3, small_dataset().views, pd.DataFrame()):
        with pytest.raises(SchemaError, match=r"must be an xarray.Dataset"):
            validate(thing)


def test_generated_data_may_be_constant_and_single():
    one = small_dataset().isel(sample=[5])

    assert validate(one, training=False).features == validate(one).features
    with pytest.raises(SchemaError, match="'domain'"):
        validate(small_dataset().assign(domain=("sample", ["de"] * 40)))


def test_kinds_categories_and_lengths_are_found():
    ds = small_dataset().assign(rank=("sample", np.arange(40) % 3, {"categories": [2, 0, 1]}))

    schema = validate(ds)

    kinds = {v.name: (v.role, v.kind, v.categories) for v in (*schema.features, *schema.attributes)}
    assert kinds == {
        "views": ("feature", "continuous", ()),
        "cpu": ("feature", "continuous", ()),
        "state": ("feature", "categorical", ("busy", "idle", "wait")),
        "domain": ("attribute", "categorical", ("de", "en", "fr")),
        "spider": ("attribute", "categorical", (False, True)),
        "size": ("attribute", "continuous", ()),
        "rank": ("attribute", "categorical", (2, 0, 1)),
    }
    assert (lengths(ds) == ds.length).all()
    assert (lengths(ds.drop_vars("length")) == 12).all()


def dated():
    return (
        small_dataset().assign_coords(time=pd.date_range("2020-02-03", periods=12, freq="6h")).assign_attrs(title="x")
    )


def test_schema_survives_json_with_dates():
    schema = validate(dated())

    assert Schema.from_json(schema.to_json()) == schema


def test_schema_builds_an_equal_dataset_from_plain_values():
    ds = dated()
    values = {name: ds[name].values for name in ds.data_vars if name != "length"}

    again = Schema.from_json(validate(ds).to_json()).dataset(values, ds.length.values)

    assert again.drop_attrs().identical(ds.drop_attrs())
    assert validate(again) == validate(ds)


def test_integers_are_rounded_and_blanked_past_the_end():
    ds = small_dataset()[["length"]].assign(jobs=(("sample", "time"), np.ones((40, 12), np.int16)))

    built = validate(ds).dataset({"jobs": np.full((40, 12), 2.6)}, ds.length.values)

    assert built.jobs.dtype == np.int16
    assert set(built.jobs.values[np.arange(12) < ds.length.values[:, None]].tolist()) == {3}
    assert set(built.jobs.values[np.arange(12) >= ds.length.values[:, None]].tolist()) == {0}


@pytest.mark.parametrize("engine", ["netcdf4", "h5netcdf"])
def test_schema_survives_netcdf(engine, tmp_path):
    from dgkit.datasets import open_dataset

    dated().to_netcdf(tmp_path / "x.nc", engine=engine)

    assert validate(open_dataset(tmp_path / "x.nc")) == validate(dated())


def test_dask_backed_data_give_the_same_schema_and_the_same_errors():
    assert validate(small_dataset().chunk(sample=7)) == validate(small_dataset())
    with pytest.raises(SchemaError, match=r"'cpu' is NaN throughout sample 2"):
        validate(changed("cpu", 2, np.nan).chunk(sample=7))


def test_description_tells_ranges_shares_and_lengths_and_escapes_html():
    ds = small_dataset().rename(domain="<b>").assign_attrs(title="<script>")
    text, page = repr(describe(ds)), describe(ds)._repr_html_()

    assert "40 samples of up to 12 steps" in text
    assert f"{float(ds.views.min()):.4g} to {float(ds.views.max()):.4g}" in text
    assert "3 categories: de 35%, en 32%, fr 32%" in text
    assert f"{int(ds.length.min())} to 12" in text
    assert "<b>" not in page
    assert "<script>" not in page
    assert "&lt;b&gt;" in page
