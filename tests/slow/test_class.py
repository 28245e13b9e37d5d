"""A class handed in, run again and graded: each learner in a process, some of whom cheat or break something."""

import pytest

from dgkit.course import grading
from tests import classroom

LIMITS = grading.Limits(seconds=60)


def graded_as_expected(folder, names, jobs=1):
    classroom.hand_in(folder, names)
    graded = {one.name: one for one in grading.collect(folder, limits=LIMITS, jobs=jobs)}

    assert list(graded) == sorted(names)
    kinds = classroom.kinds()
    wrong = {name: one.states for name, one in graded.items() if one.states != kinds[names[name]][1]}
    assert wrong == {}
    return graded


def test_a_handful_is_graded_by_what_their_answers_are(tmp_path):
    names = ["right", "mistakes", "edited progress", "other checks", "ends the process", "damaged"]

    graded = graded_as_expected(tmp_path, {name: name for name in names})

    assert graded["edited progress"].unproved == classroom.NUMBERS
    assert list(graded["right"].functions) == ["01.4"]
    assert "no notebook" in graded["damaged"].notes[0]
    assert graded["ends the process"].notes == ["the process ended before its cells did"]


@pytest.mark.timeout(3600)
def test_a_class_of_forty_is_graded(tmp_path):
    graded = graded_as_expected(tmp_path, classroom.forty(), jobs=2)

    assert len(graded) == 40
    endless = next(name for name, kind in classroom.forty().items() if kind == "endless")
    assert "stopped" in graded[endless].notes[0]
