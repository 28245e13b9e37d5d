"""A class handed in, run again and graded: each learner in a process, some of whom cheat or break something."""

import json

import pytest

from dgkit.course import grading, handout
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
    assert "01.4" in graded["right"].functions
    assert "no notebook" in graded["damaged"].notes[0]
    assert graded["ends the process"].notes == ["the process ended before its cells did"]


@pytest.mark.timeout(3600)
def test_a_class_of_forty_is_graded(tmp_path):
    graded = graded_as_expected(tmp_path, classroom.forty(), jobs=2)

    assert len(graded) == 40
    endless = next(name for name, kind in classroom.forty().items() if kind == "endless")
    assert "stopped" in graded[endless].notes[0]


@pytest.mark.parametrize("chapter", handout.chapters())
def test_the_teachers_solutions_pass_when_they_are_handed_in(chapter, tmp_path):
    notebook, solved = handout.read(handout.chapters()[chapter]), handout.solutions(classroom.TEXT)
    for cell in notebook["cells"]:
        for number in handout.answered(cell["source"]):
            cell["source"] = solved[number]
    (tmp_path / "teacher.ipynb").write_text(json.dumps(notebook), encoding="utf-8")

    (graded,) = grading.collect(tmp_path, limits=grading.Limits(seconds=300))

    functions = [
        name for name, stub in handout.stubs(handout.read(handout.chapters()[chapter])).items() if "def " in stub
    ]
    wanted = {name: "function passed" if name in functions else "passed" for name in graded.states}
    assert graded.states == wanted and graded.notes == []
    assert [name for name in solved if name.startswith(chapter)] == list(graded.states)
