"""Exercises for graders, and answers judged from what a process that is not trusted has sent."""

import csv
import io
import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
import xarray as xr

import dgkit as dg
from dgkit.course import answers, grading, handout, student, values
from dgkit.course.__main__ import main
from dgkit.errors import ConfigError
from tests import classroom

ROOT = Path(__file__).parents[2]
COURSE = grading._Course.read(None, ROOT / "instructor")
WEB = dg.simulate.web(30)


# -- answers as bytes --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "value",
    [
        None, True, 24, 0.1, float("nan"), "bca", [1, ["a", None]], (1, 2.5), {"a", "b"}, {"x": 1, 2: [3]},
        np.float32(0.3), np.datetime64("2026-11-27"), np.arange(6).reshape(2, 3), np.array(["a", "bc"]),
        np.zeros((0, 4)), torch.ones(2, 3), WEB, WEB.views, WEB.views.mean("sample"),
        dg.Config(steps=3, dp=dg.privacy.DP(1.0)),
    ],
    ids=lambda value: type(value).__name__,
)  # fmt: skip
def test_an_answer_comes_back_as_it_was(value):
    back = values.unpack(values.pack(value))

    assert type(back) is type(value)
    if isinstance(value, xr.Dataset | xr.DataArray):
        assert back.identical(value)
    elif isinstance(value, np.ndarray | torch.Tensor):
        assert back.dtype == value.dtype and (np.asarray(back) == np.asarray(value)).all()
    else:
        assert back == value or value != value


def test_a_report_comes_back_as_a_report():
    report = dg.metrics.evaluate(WEB, WEB)

    back = values.unpack(values.pack({"sample_len 1": report}))["sample_len 1"]

    assert isinstance(back, dg.metrics.Report)
    assert back.identical(report)


class Text(str):
    """A subclass, whose methods would be a learner's."""


@pytest.mark.parametrize(
    "value", [object(), Text("bca"), lambda: 1, [print], np.array([object()]), {1: {2: Text("x")}}, b"bytes", type]
)
def test_what_brings_code_of_its_own_is_refused(value):
    with pytest.raises(values.NotPlainError):
        values.pack(value)


def test_an_endless_answer_is_refused():
    value: list = []
    value.append(value)

    with pytest.raises(values.NotPlainError, match="deep"):
        values.pack(value)


@pytest.mark.parametrize("cut", [0, 4, 9, 30, -1])
def test_damaged_bytes_are_an_error_and_nothing_else(cut):
    packed = values.pack({"a": np.arange(10)})

    with pytest.raises(values.NotPlainError):
        values.unpack(packed[:cut])


@pytest.mark.parametrize(
    "plain", [["array", ["|O", [1], 0, False]], ["array", ["<f8", [10**12], 0, False]], ["pickle", 1]]
)
def test_forged_bytes_bring_no_objects_and_no_sizes(plain):
    text = json.dumps(plain).encode()

    with pytest.raises(values.NotPlainError):
        values.unpack(len(text).to_bytes(8, "big") + text)


# -- judging -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def sent(tmp_path, monkeypatch):
    """Run cells as the child does, here, and judge what it would have sent."""
    from IPython.core.interactiveshell import InteractiveShell

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(answers, "answer", answers.answer)
    monkeypatch.setattr("dgkit.course.answer", answers.answer)

    def judge(*sources):
        cells = [{"source": text, "exercises": handout.answered(text)} for text in sources]
        out = io.BytesIO()
        student.run(cells, out)
        return grading.judged(out.getvalue(), "ended early", COURSE)

    yield judge
    InteractiveShell.clear_instance()


START = "from dgkit import course"


def test_right_and_wrong_answers_are_told_apart(sent):
    told = sent(START, 'course.answer("00.1", 168)', 'course.answer("00.3", 9)', 'course.answer("00.2", None)')

    assert told.states == {"00.1": "passed", "00.3": "wrong"}
    assert told.notes == []


def test_the_first_answer_that_passes_counts(sent):
    told = sent(START, 'for k in (1, 168, 2):\n    course.answer("00.1", k)')

    assert told.states == {"00.1": "passed"}


def test_an_object_that_equals_everything_is_wrong(sent):
    told = sent(
        START,
        "class All:\n    def __eq__(self, other): return True\n    __hash__ = None",
        'course.answer("00.1", All())',
    )

    assert told.states == {"00.1": "wrong"}


def test_a_missing_name_is_noted_so_that_the_whole_notebook_is_tried(sent):
    told = sent(START, 'answer = nowhere\ncourse.answer("00.1", answer)')

    assert told.missing and told.states == {"00.1": "failed"}
    assert told.notes == ["00.1: NameError: name 'nowhere' is not defined"]


@pytest.mark.training
def test_a_function_is_marked_to_be_read(sent):
    told = sent(f"{START}\nimport torch", f'{classroom.SOLVED["01.4"]}\ncourse.answer("01.4", answer)')

    assert told.states == {"01.4": "function passed"}


def frame(kind, exercise, payload=b""):
    head = json.dumps([kind, exercise, len(payload)]).encode()
    return len(head).to_bytes(4, "big") + head + payload


def test_a_forged_verdict_counts_for_no_exercise_that_asks_for_a_value():
    told = grading.judged(frame("function", "00.1", b'[true, "x"]') + frame("end", ""), "ended early", COURSE)

    assert told.states == {"00.1": "wrong"}


def test_what_was_sent_before_the_end_counts():
    content = frame("value", "00.1", values.pack(168)) + frame("value", "00.3", values.pack(7))[:-3]

    told = grading.judged(content, "stopped after 9 s", COURSE)

    assert told.states == {"00.1": "passed"}
    assert told.notes == ["stopped after 9 s"]


@pytest.mark.parametrize(
    "junk", [b"", b"\0", b"\xff" * 100, b"\0\0\0\2[]", b'\0\0\0\x0e["value",1,-9]', frame("x", "99.9")]
)
def test_junk_is_no_answer(junk):
    assert grading.judged(junk, "ended early", COURSE).states == {}


# -- what was handed in, and tables ------------------------------------------------------------------------------------


def test_learners_are_folders_or_notebooks_and_links_are_not_followed(tmp_path):
    (tmp_path / "ann" / "01").mkdir(parents=True)
    (tmp_path / "ann" / "01" / "a.ipynb").write_text("{}")
    (tmp_path / "ann" / "dgkit-progress.json").write_text('{"passed": ["01.1", "99.9", 3]}')
    (tmp_path / "bob.ipynb").write_text("{}")
    (tmp_path / "eve.ipynb").symlink_to(tmp_path / "bob.ipynb")

    found = grading._handed_in(tmp_path)

    assert {name: [path.name for path in paths] for name, paths in found.items()} == {
        "ann": ["dgkit-progress.json", "a.ipynb"],
        "bob": ["bob.ipynb"],
    }
    graded, notebooks = grading._read("ann", found["ann"])
    assert graded.claimed == ["01.1"] and notebooks == []
    assert "no notebook" in graded.notes[0]


@pytest.mark.parametrize("folder", ["nowhere", "."])
def test_a_folder_with_nothing_in_it_is_an_error_that_says_what_is_expected(folder, tmp_path):
    with pytest.raises(ConfigError, match=r"NAME/01|that holds"):
        grading.collect(tmp_path / folder)


def test_the_table_has_points_and_what_was_claimed_in_vain():
    names, said = ["00.1", "00.2", "00.3", "00.4"], ["passed", "wrong", "open", "open"]
    one = grading.Graded("=ann", dict(zip(names, said, strict=True)), ["00.1", "00.2"], ["late"])

    table = grading.rows([one], {"00.1": 3})

    assert table == [
        ["name", *names, "points", "of", "unproved", "notes"],
        ["=ann", *said, "3", "6", "00.2", "late"],
    ]
    assert grading.shown(table).splitlines()[1].split() == ["=ann", "✓", "✗", "·", "·", "3", "6", "00.2", "late"]
    assert list(csv.reader(io.StringIO(grading.as_csv(table))))[1][0] == "'=ann"


def test_what_is_to_be_read_stands_in_fences_that_hold():
    one = grading.Graded("ann", functions={"01.4": "answer = 1"}, free={"01": "``` no ```\n# heading"})

    text = grading.to_read([one], {"01": handout.Asked("01 free", "Why?", "- because", 1)})

    assert "## 01.4" in text and "````text\n``` no ```\n# heading\n````" in text
    assert text.index("Why?") < text.index("- because") < text.index("# heading")


# -- one source --------------------------------------------------------------------------------------------------------


def notebooks(form, folder):
    return {path.name[:2]: json.loads(path.read_text("utf-8")) for path in handout.export(form, folder)}


def test_every_exercise_is_exported_for_nbgrader_with_stub_solution_check_and_points(tmp_path):
    cells = [cell for notebook in notebooks("nbgrader", tmp_path).values() for cell in notebook["cells"]]

    graded = {cell["metadata"]["nbgrader"]["grade_id"]: cell for cell in cells if "nbgrader" in cell["metadata"]}
    numbers = list(answers.exercises())
    for number in numbers:
        name = number.replace(".", "_")
        answer, check = graded[f"answer_{name}"], graded[f"check_{name}"]
        before, solution, after = re.split(r"### (?:BEGIN|END) SOLUTION\n", answer["source"])
        assert "answer = None" in before and "answer" in solution and after == f'course.answer("{number}", answer)'
        assert check["metadata"]["nbgrader"]["locked"] and check["metadata"]["nbgrader"]["points"] == 1 + (
            "def " in before
        )
        assert f'course.answer("{number}", answer)' in check["source"]
    assert len(graded) == 2 * len(numbers) + 12
    assert len({cell["id"] for cell in cells}) == len(cells)
    assert (tmp_path / "nbgrader_config.py").exists()


def test_every_exercise_is_exported_for_otter_between_its_marks(tmp_path):
    for notebook in notebooks("otter", tmp_path).values():
        raw = [cell["source"].split("\n")[0] for cell in notebook["cells"] if cell["cell_type"] == "raw"]

        assert raw[0] == "# ASSIGNMENT CONFIG"
        asked = len(handout.stubs(notebook))
        assert raw.count("# BEGIN QUESTION") == raw.count("# END QUESTION") == asked + 1
        assert raw.count("# BEGIN TESTS") == raw.count("# END TESTS") == asked
        ids = [cell["id"] for cell in notebook["cells"]]
        assert len(set(ids)) == len(ids)


def test_the_chapters_own_cells_are_exported_as_they_are(tmp_path):
    chapter = handout.read(handout.chapters()["00"])

    made = notebooks("nbgrader", tmp_path)["00"]

    asked = set(handout.stubs(chapter).values())
    ours = [cell["source"] for cell in made["cells"] if "nbgrader" not in cell["metadata"]]
    assert ours[:-1] == [cell["source"] for cell in chapter["cells"] if cell["source"] not in asked]


def test_a_grader_leaves_widgets_out_and_runs_all_else(tmp_path):
    cells = notebooks("nbgrader", tmp_path)["01"]["cells"]

    skipped = [cell["source"] for cell in cells if "skip-execution" in cell["metadata"].get("tags", [])]
    assert any("TrainingStudio" in source for source in skipped)
    assert not any("course.answer" in source or "dg.fit(" in source for source in skipped)


def test_slides_show_each_figure_of_a_chapter_once_and_no_exercise():
    from instructor.slides import slides

    chapter = handout.read(handout.chapters()["02"])
    made = slides(chapter)["cells"]

    def figures(cells):
        code = [cell["source"] for cell in cells if cell["cell_type"] == "code"]
        return [text for text in code if "dg.plot." in text and not handout.WIDGET.search(text)]

    assert figures(cell for cell in made if cell["metadata"]["slideshow"]["slide_type"] == "-") == figures(
        chapter["cells"]
    )
    assert not any("course.answer(" in cell["source"] for cell in made)


def test_points_can_be_given_and_a_mistyped_exercise_is_named(tmp_path):
    (path,) = handout.export("nbgrader", tmp_path, only=["00"], points={"00.2": 7})

    assert '"points": 7' in path.read_text()
    with pytest.raises(ConfigError, match=r"points for '00.22'"):
        handout.worth(points={"00.22": 7})


def test_a_plain_copy_has_the_free_question_and_no_solution(tmp_path):
    (path,) = handout.export("plain", tmp_path, only=["00"])

    made, chapter = handout.read(path), handout.read(handout.chapters()["00"])
    assert made["cells"][:-2] == chapter["cells"]
    assert made["cells"][-1]["source"] == "YOUR ANSWER HERE"


def test_a_chapter_that_is_not_there_is_named(tmp_path, capsys):
    with pytest.raises(SystemExit):
        main(["export", "otter", str(tmp_path), "--only", "77"])

    assert "no chapter '77'; there are 00, 01" in capsys.readouterr().err


def test_each_chapter_has_objectives_a_plan_and_a_free_question_with_its_rubric():
    numbers = list(handout.chapters())
    objectives = (ROOT / "instructor" / "objectives.md").read_text()
    questions = handout.free_questions((ROOT / "instructor" / "free_answers.md").read_text())

    assert re.findall(r"^\| (\d\d) \|", objectives, re.MULTILINE) == numbers
    assert list(questions) == numbers
    assert all(3 <= asked.points <= 4 and len(asked.stub) > 60 for asked in questions.values())


def test_the_plan_is_of_the_chapters_as_they_stand():
    from instructor.plan import plan

    written = (ROOT / "instructor" / "plan.md").read_text("utf-8")
    assert written == plan(), "run: python instructor/plan.py"
