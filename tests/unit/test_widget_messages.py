"""Messages of a page: every synced trait of every widget takes any value, and then is as before or right."""

import functools
import gc
import json
import math
import re
import weakref

import dgkit_widgets
import ipywidgets
import numpy as np
import pytest
import xarray as xr
from dgkit_widgets import DistributionPainter, Explorer, PrivacyDial, SeriesBrowser, TrainingStudio
from dgkit_widgets._widget import SHOWN, bounded

import dgkit as dg
from dgkit import Config, ConfigError
from dgkit._text import at_most
from tests.conftest import small_dataset

TINY = Config(steps=50, sample_len=4, batch_size=8, lstm_units=6, attribute_units=8, discriminator_units=10)


def run():
    """A recorded run in small."""
    rng = np.random.default_rng(0)
    return xr.Dataset(
        {"error": (("sample_len", "seed"), rng.random((3, 2))), "curve": (("sample_len", "lag"), rng.random((3, 40)))},
        {"sample_len": [1, 7, 28], "seed": [0, 1], "lag": np.arange(1, 41)},
    )


MADE = {
    "DistributionPainter": lambda: DistributionPainter(small_dataset(), ["domain", "spider"]),
    "Explorer": lambda: Explorer(run()),
    "PrivacyDial": lambda: PrivacyDial(2000),
    "SeriesBrowser": lambda: SeriesBrowser({"real": small_dataset(), "fake": small_dataset(seed=1)}),
    "TrainingStudio": lambda: TrainingStudio(small_dataset(), TINY),
}
PLACE = re.compile(r" \(\w+\.py, line \d+\)$")  # of an error that is none of dgkit's own
TRAITS = [(kind, name) for kind in MADE for name in getattr(dgkit_widgets, kind).class_traits(sync=True)]


@functools.cache
def widget(kind):
    """One of each kind for all tests, since it has to work after whatever came before."""
    return MADE[kind]()


def works(one):
    """What the widget is for, done once more by its own controls."""
    press = functools.partial(_press, one)
    if isinstance(one, DistributionPainter):
        for place in range(6):
            press("lock", place=place, on=False)
        press("paint", wishes=[[2, 0.25]], token="t")
        assert one.answered == "t" and np.ravel(one.probabilities)[2] == pytest.approx(0.25)
        press("reset")
        np.testing.assert_allclose(one.probabilities, one.reference)
        press("undo")
        assert sum(one.target["domain", "spider"].values()) == pytest.approx(1)
    elif isinstance(one, Explorer):
        press("choose", variable="error", overlay=None, index={"sample_len": 1}, token="t")
        assert one.answered == "t" and one.metrics()["error"] == pytest.approx(spread(run().error.values[1]))
        assert eval(one.code(), {"ds": run()}).size == one.frame["n"] == 3
        press("choose", variable="curve")
        assert one.frame["variable"] == "curve" and one.frame["n"] == 40
    elif isinstance(one, PrivacyDial):
        press("reset")
        press("change", noise_multiplier=2.0, token="t")
        expected = dg.privacy.epsilon(noise_multiplier=2.0, sample_rate=0.05, steps=300, delta=1e-5, releases=2)
        assert one.answered == "t" and one.epsilon == pytest.approx(expected)
        assert one.frame["big"] == at_most(expected)
        press("undo")
    elif isinstance(one, SeriesBrowser):
        press("show", feature="cpu", page=1, filters={})
        press("select", set="fake", sample=3)
        assert one.frame["page"] == 1 and one.selection_dataset().sizes["sample"] == 1
        assert len(one.detail["neighbours"]) == 3
        press("select")
    else:
        press("reset")
        press("step")
        assert one.trainer.step == one.status["step"] == 1 and one.picture["step"] == 1
    json.dumps(one.get_state(), default=_buffer)


def _press(one, action, **values):
    message(one, "custom", content={"action": action, "values": values})
    assert one.error == ""


def _buffer(value):
    assert isinstance(value, bytes)
    return len(value)


def spread(values):
    return np.median(values), values.min(), values.max()


def message(one, method, **data):
    """As it comes from a page."""
    one._handle_msg({"content": {"data": {"method": method, **data}}, "buffers": []})


def deep(levels, value=1):
    for _ in range(levels):
        value = [value] if levels % 2 else {"at": value}
    return value


def any_value(rng, like, depth=0):
    """A random value of JSON; half of them something near what the trait holds."""
    if depth == 0 and rng.random() < 0.5 and like:
        return near(rng, like)
    scalars = [
        None, True, False, 0, -1, 1, 3, 2**31, 2**63, 2**64, 10**400, 0.5, -0.0, 1e-320, 1e308, math.nan, math.inf,
        -math.inf, "", "views", "curve", "$", "_a", "real", "\0", "\ud800", "../../etc/passwd", "IPY_MODEL_x",
    ]  # fmt: skip
    pick = rng.integers(0, 20)
    if pick == 0:
        return "x" * 10**6
    if pick == 1:
        return deep(int(rng.integers(2, 3000)))
    if pick < 5 and depth < 4:
        return [any_value(rng, like, depth + 1) for _ in range(rng.integers(0, 7))]
    if pick < 9 and depth < 4:
        names = ["at", "compare", "x", "overlay", "variable", "epochs", "samples", "domain", "set", "", "unknown", "0"]
        return {str(name): any_value(rng, like, depth + 1) for name in rng.choice(names, rng.integers(0, 4))}
    return scalars[rng.integers(len(scalars))]


def near(rng, like):
    """The value with one part changed, or a part of it."""
    if isinstance(like, dict) and like:
        name = list(like)[rng.integers(len(like))]
        changed = {name: near(rng, like[name]) if rng.random() < 0.5 else any_value(rng, None, 1)}
        return changed if rng.random() < 0.6 else {**like, **changed}
    if isinstance(like, list) and like:
        k = rng.integers(len(like))
        if rng.random() < 0.3:
            return like[:k] if rng.random() < 0.3 else like[::-1]
        return [*like[:k], near(rng, like[k]), *like[k + 1 :]]
    if isinstance(like, bool):
        return not like
    if isinstance(like, int | float):
        return [like * 2, like / 2, 1 - like, like + 1, like * 1e9, like / 1e9, -like][rng.integers(7)]
    return any_value(rng, None, 1)


def state_of(one, *names):
    """What a page is told, without the line of errors."""
    return {name: value for name, value in one.get_state().items() if name not in ("error", *names)}


def right(one, name):
    """Whether what a page has set is complete and can be drawn from."""
    value = getattr(one, name)
    if name == "probabilities":
        return np.shape(value) == (3, 2) and abs(np.sum(value) - 1) < 1e-9 and np.min(value) >= 0
    if name == "locked":
        return np.shape(value) == (3, 2) and np.asarray(value).dtype == bool
    if name == "selection":
        return Explorer(run()).selection.keys() == value.keys() and one.frame["variable"] == value["variable"]
    return name == "settings" and PrivacyDial(**{**value, "steps": None}).settings == value


def attack(kind, name, seed, count):
    """Messages with random values for one trait; how many were taken."""
    one, rng = widget(kind), np.random.default_rng(seed)
    taken = 0
    for _ in range(count):
        before, value = one.get_state(), any_value(rng, getattr(one, name))
        if rng.random() < 0.5:
            with one.hold_trait_notifications():
                one.set_state({name: value})
        else:
            message(one, "update", state={name: value})
        if one.error and not (kind == "PrivacyDial" and one.frame["problem"] == one.error):
            assert one.get_state() == before | {"error": one.error}, f"refused, and yet not as it was: {value!r:.200}"
            assert not PLACE.search(one.error) and len(one.error) < SHOWN + 50, one.error
        else:
            taken += 1
            assert right(one, name), f"taken, and not right: {value!r:.200}"
    works(one)
    return taken


@pytest.mark.parametrize(("kind", "name"), TRAITS)
def test_a_page_sets_a_trait_rightly_or_not_at_all(kind, name):
    taken = attack(kind, name, seed=0, count=100)

    settable = getattr(dgkit_widgets, kind).class_traits(settable=True)
    assert bool(taken) == (name in settable)


def test_every_widget_is_among_those_tried():
    boxes = {"WhatIfExplorer"}  # a painter among ipywidgets' own, with no messages of its own
    assert {*MADE} == {*dgkit_widgets.__all__} - boxes


@pytest.mark.parametrize("kind", MADE)
def test_a_page_is_told_the_old_value_and_the_reason_of_a_refusal(kind):
    one = MADE[kind]()
    told = []
    one.send_state = lambda key=None: told.append(key)

    message(one, "update", state={"_view_name": "Evil", "nowhere": 1, "error": "all is well"})

    assert {"_view_name", "error"} <= {*told} and one._view_name == "AnyView"
    assert one.error == "_view_name cannot be set from a page. Set it in Python."


def test_one_bad_trait_of_a_message_does_not_keep_out_the_others():
    painter = MADE["DistributionPainter"]()

    message(painter, "update", state={"probabilities": [[1, 2]] * 3, "locked": [[True, False]] * 3})

    assert painter.probabilities == painter.reference and painter.locked == [[True, False]] * 3
    assert "must sum to 1" in painter.error


def test_a_part_of_the_settings_goes_into_the_rest_in_a_message_and_in_a_hold():
    dial, explorer = MADE["PrivacyDial"](), MADE["Explorer"]()

    message(dial, "update", state={"settings": {"epochs": 3}})
    message(explorer, "update", state={"selection": {"at": {"sample_len": 1}}})

    assert dial.error == explorer.error == ""
    assert dial.settings["epochs"] == 3 and dial.settings["samples"] == 2000 and dial.steps == 60
    assert explorer.selection["variable"] == "curve" and explorer.selection["at"] == {"sample_len": 1, "lag": 40}
    with pytest.raises(ConfigError, match="no setting"), dial.hold_trait_notifications():
        dial.settings = {"epoch": 3}
    with explorer.hold_trait_notifications():
        explorer.selection = {"variable": "error"}
    assert dial.steps == 60 and explorer.metrics().keys() == {"error"}


def test_an_observers_own_error_leaves_what_was_set_in_place():
    explorer = MADE["Explorer"]()
    explorer.observe(lambda _change: 1 / 0, "selection")

    message(explorer, "update", state={"selection": {"variable": "error"}})

    assert explorer.selection["variable"] == explorer.frame["variable"] == "error"
    assert explorer.error.startswith("ZeroDivisionError")


ACTIONS = [(kind, action) for kind in MADE for action in getattr(dgkit_widgets, kind).actions]

VALUES = (
    "n", "name", "text", "token", "wishes", "place", "on", "axis", "stroke", "index", "compare", "variable", "x",
    "target", "epochs", "feature", "of", "same_scale", "set", "sample", "page", "filters", "dp", "seed", "steps",
)  # fmt: skip


@pytest.mark.parametrize(("kind", "action"), ACTIONS)
def test_a_page_asks_for_an_action_with_any_values_and_the_widget_works(kind, action):
    one, rng = widget(kind), np.random.default_rng(1)
    for _ in range(60):
        values = {str(name): any_value(rng, None) for name in rng.choice(VALUES, rng.integers(0, 3), replace=False)}
        message(one, "custom", content={"action": action, "values": any_value(rng, values)})
        if one.error and not (kind == "PrivacyDial" and one.frame["problem"] == one.error):
            assert not PLACE.search(one.error), one.error
    if kind == "TrainingStudio":
        one.session.halt()

    works(one)


@pytest.mark.parametrize(
    "content", [None, [], "act", {"action": ["step"]}, {"action": "close"}, {"view": [], "here": 1, "patience": "long"}]
)
def test_a_message_that_asks_for_nothing_known_does_nothing(content):
    studio = widget("TrainingStudio")
    before = studio.get_state()

    message(studio, "custom", content=content)

    assert studio.get_state() == before


@pytest.mark.parametrize(
    ("value", "word"),
    [(deep(5000), "nested"), (["x"] * 200_000, "parts"), ("x" * 2_000_000, "letters"), ({"a": [2**64]}, "whole")],
)
def test_what_is_too_deep_or_too_much_is_refused_before_anyone_looks_at_it(value, word):
    with pytest.raises(ConfigError, match=word):
        bounded(value)
    bounded({"a": [[1, "b", None, 2.5, True]]})


@pytest.mark.parametrize("kind", MADE)
def test_a_closed_widget_leaves_the_memory(kind):
    one = MADE[kind]()
    gone = weakref.ref(one)
    one.close()
    del one
    gc.collect()
    assert gone() is None


@pytest.mark.parametrize("kind", [*MADE, "DistributionPainter from elsewhere"])
def test_a_widget_is_drawn_before_its_page_hears_of_it(kind, monkeypatch):
    """What is sent afterwards a page loses while it loads the widget's script."""
    told, opened = {}, ipywidgets.Widget.open

    def heard(self):
        told.setdefault(id(self), self.get_state())
        opened(self)

    monkeypatch.setattr(ipywidgets.Widget, "open", heard)
    start = [0.75, 0.25, 0.0]
    one = MADE.get(kind, lambda: DistributionPainter(small_dataset(), "domain", start))()
    now = one.get_state()
    assert told[id(one)] == now and now.get("frame", True)
    if kind not in MADE:
        assert one.probabilities == start != one.reference


@pytest.mark.parametrize(
    ("name", "trait", "value"),
    [
        ("DistributionPainter", "probabilities", [[1.0, 0.0], [0.0, 0.0], [0.0, 0.0]]),
        ("Explorer", "selection", {"at": {"sample_len": 1}}),
        ("PrivacyDial", "settings", {"noise_multiplier": 2.0}),
        ("SeriesBrowser", "order", "random"),
        ("SeriesBrowser", "selected", {"set": "real", "sample": 1}),
    ],
)
def test_what_was_refused_is_over_when_a_cell_sets_what_is_right(name, trait, value):
    widget = MADE[name]()
    widget._receive(widget, {"action": widget.actions[0], "values": {"more": [1]}}, [])
    assert widget.error

    setattr(widget, trait, value)

    assert widget.error == ""
    widget.close()
