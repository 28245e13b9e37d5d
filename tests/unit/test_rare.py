"""A training so short that it misses a category says so, and no other does."""

import warnings

import numpy as np
import pytest

import dgkit as dg
from dgkit.core.rare import warn_of_rare
from dgkit.schema import validate
from tests.conftest import small_dataset


def with_rare(n=200, few=3):
    ds = small_dataset(n, variable=False)
    return ds.assign(kind=("sample", np.where(np.arange(n) < few, "rare", np.where(np.arange(n) % 2, "a", "b"))))


def told(ds, **settings):
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        warn_of_rare(ds, validate(ds), dg.Config(**settings))
    return [str(warning.message) for warning in found]


def test_a_category_that_is_hardly_seen_is_named_with_how_often_and_the_way_out():
    with pytest.warns(UserWarning, match="'kind', the rarest 'rare' .3 of 200 samples, seen about 0 times") as found:
        dg.fit(with_rare(), dg.Config(steps=2, sample_len=12, batch_size=10), progress=False)

    (warning,) = (w for w in found if "never be generated" in str(w.message))
    assert warning.filename == __file__
    assert "sample(attributes=train)" in str(warning.message)


@pytest.mark.parametrize(
    ("few", "settings"),
    [
        (3, {"steps": 3000}),  # 1.5 % of 300,000 draws
        (5, {"steps": 10}),  # not so rare
        (0, {"steps": 10}),
        (3, {"steps": 10, "dp": dg.privacy.DP(1.0)}),  # how many there are is private
    ],
)
def test_no_word_where_all_are_seen_often_or_counts_are_private(few, settings):
    assert told(with_rare(few=few), **settings) == []
    assert len(told(with_rare(few=3), steps=10)) == 1


@pytest.mark.parametrize("name", ["web", "cluster", "broadband"])
def test_shipped_data_have_no_category_so_rare(name):
    assert told(dg.open_dataset(name), steps=2) == []
