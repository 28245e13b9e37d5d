"""The painter without a browser: the rule that keeps the sum, locks, undo, and what whatif takes."""

import json

import numpy as np
import pytest
from dgkit_widgets.painter import DistributionPainter, paint, paint_margin
from hypothesis import given
from hypothesis import strategies as st

from dgkit import ConfigError, SchemaError

weights = st.lists(st.one_of(st.just(0.0), st.floats(1e-300, 1)), min_size=2, max_size=8).filter(any)


@st.composite
def drawn(draw):
    """Shares that sum to one, some locked, and wishes for some."""
    given = np.array(draw(weights))
    shares = given / given.sum()
    size = len(shares)
    locked = draw(st.lists(st.booleans(), min_size=size, max_size=size))
    wishes = draw(st.dictionaries(st.integers(0, size - 1), st.floats(-1, 2), max_size=size))
    return shares, wishes, np.array(locked)


@given(drawn())
def test_shares_stay_non_negative_sum_to_one_and_leave_what_is_locked(case):
    shares, wishes, locked = case

    new = paint(shares, wishes, locked)

    assert abs(new.sum() - 1) < 1e-9
    assert (new >= 0).all()
    np.testing.assert_array_equal(new[locked], shares[locked])


@given(drawn())
def test_one_wish_that_fits_comes_true_and_the_others_keep_their_ratios(case):
    shares, wishes, locked = case
    k = next((k for k in wishes if not locked[k]), None)
    others = ~locked
    if k is not None:
        others[k] = False
    if k is None or not others.any():
        return
    value = min(max(wishes[k], 0), 1 - shares[locked].sum())

    new = paint(shares, {k: wishes[k]}, locked)

    assert new[k] == pytest.approx(max(value, 0), abs=1e-12)
    if shares[others].sum() > 1e-290:  # below, a ratio has few digits
        np.testing.assert_allclose(new[others] * shares[others].sum(), shares[others] * new[others].sum(), atol=1e-12)


@given(st.lists(st.floats(0, 1), min_size=6, max_size=6).filter(lambda v: sum(v) > 1e-6),
       st.lists(st.booleans(), min_size=6, max_size=6), st.sampled_from([0, 1]),
       st.dictionaries(st.integers(0, 1), st.floats(-1, 2)))  # fmt: skip
def test_totals_of_a_table_keep_the_sum_and_the_locks(values, locked, axis, wishes):
    table, held = np.reshape(values, (2, 3)) / sum(values), np.reshape(locked, (2, 3))

    new = paint_margin(table, axis, wishes, held)

    assert abs(new.sum() - 1) < 1e-9
    assert (new >= 0).all()
    np.testing.assert_array_equal(new[held], table[held])


def test_a_total_scales_its_cells_and_so_keeps_the_conditionals():
    table = np.array([[0.1, 0.2, 0.3], [0.1, 0.1, 0.2]])

    new = paint_margin(table, 0, {0: 0.3}, np.zeros((2, 3), bool))

    np.testing.assert_allclose(new.sum(1), [0.3, 0.7])
    np.testing.assert_allclose(new / new.sum(1, keepdims=True), table / table.sum(1, keepdims=True))


@pytest.mark.parametrize(
    "shares, wishes, locked, expected",
    [
        ([1, 0, 0], {0: 0.4}, [0, 0, 0], [0.4, 0.3, 0.3]),  # the others are all 0: equal parts
        ([0.5, 0.3, 0.2], {0: 0.9}, [1, 1, 1], [0.5, 0.3, 0.2]),  # all locked
        ([0.5, 0.3, 0.2], {0: 0.9}, [0, 1, 1], [0.5, 0.3, 0.2]),  # all others locked: it is what they leave
        ([0.5, 0.3, 0.2], {0: 0.9}, [1, 0, 0], [0.5, 0.3, 0.2]),  # itself locked
        ([0.5, 0.3, 0.2], {0: 0.9}, [0, 0, 1], [0.8, 0.0, 0.2]),  # more than is free
        ([0.5, 0.3, 0.2], {0: 0.6, 1: 0.6, 2: 0.3}, [0, 0, 0], [0.4, 0.4, 0.2]),  # all drawn: proportions
        ([0.5, 0.3, 0.2], {0: 0.0, 1: 0.0, 2: 0.0}, [0, 0, 0], [1 / 3, 1 / 3, 1 / 3]),
    ],
)  # fmt: skip
def test_edges_of_the_rule_are_defined(shares, wishes, locked, expected):
    np.testing.assert_allclose(paint(shares, wishes, np.array(locked, bool)), expected, atol=1e-15)


@pytest.fixture
def painter(small):
    return DistributionPainter(small, "domain")


def test_it_starts_with_the_data_and_its_target_is_what_whatif_takes(small, painter):
    values, counts = np.unique(small.domain, return_counts=True)

    assert painter.target == {"domain": dict(zip(values.tolist(), (counts / 40).tolist(), strict=True))}
    assert painter.total_variation == 0
    assert json.loads(json.dumps(painter.probabilities)) == pytest.approx([14 / 40, 13 / 40, 13 / 40])


def test_two_attributes_make_a_joint_target_with_the_datas_own_values(small):
    painter = DistributionPainter(small, ["domain", "spider"])

    target = painter.target[("domain", "spider")]

    both = (small.domain == "en") & small.spider
    assert target[("en", True)] == pytest.approx(float(both.mean()))
    assert sum(target.values()) == pytest.approx(1)
    painter.target = {("domain", "spider"): {("en", True): 0.25, ("de", False): 0.75}}
    assert painter.target[("domain", "spider")][("de", False)] == 0.75


@given(st.lists(st.tuples(st.integers(0, 2), st.floats(0, 1), st.integers(0, 3)), min_size=1, max_size=20))
def test_undo_returns_the_exact_previous_distributions_and_redo_goes_forth(wishes):
    from tests.conftest import small_dataset

    painter = DistributionPainter(small_dataset(), "domain")
    seen, stroke = [painter.probabilities], None
    for k, value, one in wishes:
        painter.paint([[k, value]], stroke=f"s{one}")
        if f"s{one}" == stroke and len(seen) > 1:
            seen[-1] = painter.probabilities
        elif max(abs(np.subtract(painter.probabilities, seen[-1]))) >= 1e-12:  # less is nothing to see, and no step
            seen.append(painter.probabilities)
            stroke = f"s{one}"

    back = [painter.probabilities]
    while painter.can_undo:
        painter.undo()
        back.append(painter.probabilities)

    assert back[::-1] == seen
    for expected in seen[1:]:
        painter.redo()
        assert painter.probabilities == expected
    assert not painter.can_redo


def test_a_stroke_is_one_step_and_goes_back_to_where_it_began(painter):
    painter.probabilities = [0.5, 0.3, 0.2]

    for value in (0.6, 0.9, 1.0, 0.5):
        painter.paint([[0, value]], stroke="drag", token=str(value))

    np.testing.assert_allclose(painter.probabilities, [0.5, 0.3, 0.2])  # at 1.0 the others were 0, yet it knows them
    assert painter.answered == "0.5"
    painter.paint([[0, 0.1]], stroke="next")
    painter.undo()
    painter.undo()
    assert painter.probabilities == [0.5, 0.3, 0.2]


def test_a_stroke_is_one_step_for_undo_at_every_moment_that_another_thread_may_look(painter):
    seen = []
    painter.observe(lambda _: seen.append(len(painter._past)), "probabilities")

    for value in (0.6, 0.7, 0.8):
        painter.paint([[0, value]], stroke="drag")
    painter.undo()

    assert seen == [1, 1, 1, 0]


def test_an_assignment_in_python_can_be_undone_and_moves_the_distance(painter):
    before = painter.probabilities

    painter.probabilities = {"en": 1}

    assert painter.probabilities == [0.0, 1.0, 0.0]
    assert painter.total_variation == pytest.approx(1 - before[1])
    painter.undo()
    assert painter.probabilities == before


def test_reset_and_uniform_leave_what_is_locked(painter):
    painter.probabilities = [0.6, 0.3, 0.1]
    painter.lock(0)

    painter.uniform()
    np.testing.assert_allclose(painter.probabilities, [0.6, 0.2, 0.2])

    painter.lock(0, False)
    painter.reset()
    np.testing.assert_allclose(painter.probabilities, painter.reference)


@pytest.mark.parametrize(
    "value, message",
    [
        ([0.5, 0.5], "number for each of 3"),
        ([0.5, 0.6, 0.2], "sum to 1.3"),
        ([1.5, -0.5, 0.0], "negative"),
        ([np.nan, 0.5, 0.5], "missing"),
        ("half", "number for each"),
        ({"de": 0.5, "xx": 0.5}, "'xx' is no category of 'domain'"),
        ({"domain": {"de": "much"}}, "missing"),
    ],
)
def test_what_is_no_distribution_is_refused_and_changes_nothing(painter, value, message):
    before = painter.probabilities

    with pytest.raises(ConfigError, match=message):
        painter.probabilities = value

    assert painter.probabilities == before


def test_one_attribute_has_no_totals_to_draw(painter):
    with pytest.raises(ConfigError, match=r"axis=0 must be None\."):
        painter.paint({0: 0.5}, axis=0)


@pytest.mark.parametrize(
    "attributes, error, message",
    [
        ("size", ConfigError, "'size' is continuous"),
        ("views", SchemaError, "no attribute 'views'"),
        (["domain", "domain"], ConfigError, "two different"),
        (["domain", "spider", "size"], ConfigError, "one name, or two"),
    ],
)
def test_attributes_that_cannot_be_drawn_are_named(small, attributes, error, message):
    with pytest.raises(error, match=message):
        DistributionPainter(small, attributes)


def test_data_without_categories_say_so(small):
    with pytest.raises(ConfigError, match="no categorical attribute"):
        DistributionPainter(small.drop_vars(["domain", "spider"]))


def test_a_wrong_message_is_shown_and_answered(painter):
    painter._receive(painter, {"action": "paint", "values": {"wishes": [[7, 0.5]], "token": "t"}}, [])

    assert "places are 0 to 2" in painter.error
    assert painter.answered == "t"


def test_it_takes_a_model_and_starts_from_what_that_generates(tiny_trainer):
    model = [tiny_trainer.model for _ in tiny_trainer][-1]

    painter = DistributionPainter(model, "domain")

    made = model.sample(2000).domain
    assert painter.target["domain"]["en"] == pytest.approx(float((made == "en").mean()))


def test_its_text_says_the_distribution_and_what_to_do(painter):
    bundle = painter._repr_mimebundle_()[0]

    assert "'de': 0.35" in repr(painter)
    assert "painter.target = " in bundle["text/html"]
