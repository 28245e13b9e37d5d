"""A recorded run opens on the view that answers its question, in words, in an Explorer of it or of a part of it."""

import json

import numpy as np
import pytest
import xarray as xr
from dgkit_widgets import Explorer

from dgkit.course import experiments, open_run, store
from dgkit.course.openings import OPENINGS, opening

RUNS = sorted(path.stem for path in store.folder().glob("*.nc"))


def lines(explorer):
    """The frame's medians, (L, n)."""
    frame = explorer.frame
    return np.frombuffer(frame["lines"], np.float32).reshape(len(frame["names"]), 3, -1)[:, 0]


def texts(explorer):
    """Every label and value that is shown at first."""
    frame = explorer.frame
    yield from (label for _, label in explorer.variables)
    for dim in explorer.dims:
        yield from (dim["label"], *dim["values"])
    yield from (frame["label"], frame["x_label"], *(frame["labels"] or ()), *frame["names"], *frame["heads"])
    yield from (row[0] for row in frame["rows"])


def test_every_recorded_run_is_here():
    assert set(RUNS) <= set(experiments())
    assert len(RUNS) > 20


@pytest.mark.parametrize("name", RUNS)
def test_a_recorded_run_opens_on_lines_to_compare_with_names_in_words(name):
    explorer = Explorer(open_run(name))

    drawn = np.isfinite(lines(explorer)).sum(1)
    assert (drawn > 1).sum() >= 2, explorer.frame["names"]
    assert not (drawn == 0).any(), explorer.frame["names"]
    assert [text for text in texts(explorer) if "_" in text or "[" in text] == []
    assert [label for _, label in explorer.variables if " mse" in label or label.endswith("wasserstein")] == []


@pytest.mark.parametrize("name", [name for name in RUNS if name in OPENINGS])
def test_an_opening_names_what_the_run_has(name):
    chosen, explorer = OPENINGS[name], Explorer(open_run(name))

    for key in {"variable", "x", "overlay", "compare"} & set(chosen):
        assert explorer.selection[key] == chosen[key]
    assert explorer.selection["at"] | chosen.get("at", {}) == explorer.selection["at"]
    assert set(chosen.get("beside", ())) <= set(explorer.frame["names"])


def test_a_part_of_a_run_opens_as_far_as_it_can_and_the_callers_choice_goes_first():
    run = open_run("baselines")

    part = Explorer(run[["autocorrelation_mse", "r2"]].sel(budget="own", drop=True))
    assert (part.selection["variable"], part.selection["x"]) == ("autocorrelation_mse", "model")
    assert part.selection["overlay"] is None
    chosen = Explorer(run, "r2", overlay="model").selection
    assert (chosen["variable"], chosen["overlay"]) == ("r2", "model")
    assert Explorer(run[["innovation"]]).selection["variable"] == "innovation"


WRONG = '{"variable": 1, "x": [], "at": 5, "names": ["a"], "beside": {"a": [1]}}'


@pytest.mark.parametrize("attr", ["{", "[1]", 3, WRONG])
def test_a_damaged_opening_is_none(attr):
    run = open_run("sample_len").assign_attrs(opening=attr)

    assert Explorer(run).selection == Explorer(run.drop_attrs()).selection


def test_a_run_that_the_table_does_not_name_follows_the_rule():
    error = xr.DataArray(np.full((2, 5, 3, 2), np.nan), dims=("model", "step", "seed", "feature"))
    error[..., 0] = 1.0
    run = xr.Dataset({"wall": ("seed", [1.0, 2.0, 3.0]), "error": error}, {"model": ["a", "b"], "feature": ["x", "y"]})

    chosen = json.loads(opening("new", run))

    assert (chosen["variable"], chosen["x"], chosen["overlay"]) == ("error", "step", "model")
    assert chosen["at"] == {"feature": "x"}  # where something was measured
    alone = json.loads(opening("new", run[["wall"]]))
    assert (alone["variable"], alone["overlay"]) == ("wall", "seed")


def test_further_lines_are_a_number_a_variable_or_other_values_of_the_same():
    run = xr.Dataset(
        {"score": (("of", "step"), [[0.8, 0.9], [0.6, 0.7]]), "chance": ("step", [0.4, 0.45])},
        {"of": ["made", "real"], "step": [10, 20]},
    )
    beside = {"coin": 0.5, "by chance": "chance", "real": {"of": "real"}}
    run.attrs["opening"] = json.dumps({"variable": "score", "x": "step", "at": {"of": "made"}, "beside": beside})

    explorer = Explorer(run)

    assert explorer.frame["names"][1:] == ["coin", "by chance", "real"]
    np.testing.assert_allclose(lines(explorer), [[0.8, 0.9], [0.5, 0.5], [0.4, 0.45], [0.6, 0.7]], rtol=1e-6)
