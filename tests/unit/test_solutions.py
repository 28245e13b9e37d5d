"""The instructor's folder: solutions that pass, none of them where learners look, and a guide to all chapters."""

import ast
import builtins
import json
import os
import re
from pathlib import Path

import pytest

from dgkit import course

pytestmark = pytest.mark.training

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "instructor" / "solutions.md").read_text()
CHAPTERS = dict(re.findall(r"^## Chapter (\d\d)\n(.*?)(?=^## |\Z)", TEXT, re.MULTILINE | re.DOTALL))


def blocks(text: str) -> list[str]:
    return re.findall(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def exercises(text: str) -> dict[str, str]:
    return dict(re.findall(r"^### (\d\d\.\d)\n(.*?)(?=^### |\Z)", text, re.MULTILINE | re.DOTALL))


def test_every_exercise_has_a_solution_and_a_reason():
    solved = {number: text for chapter in CHAPTERS.values() for number, text in exercises(chapter).items()}

    assert list(solved) == list(course.exercises())
    for text in solved.values():
        assert len(blocks(text)) == 1
        assert len(text.rpartition("```")[2].split()) >= 10


@pytest.mark.parametrize("number", CHAPTERS)
def test_a_chapters_solutions_pass(number, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DGKIT_FAST", "1")
    names: dict = {}
    for earlier in sorted(CHAPTERS)[: sorted(CHAPTERS).index(number) + 1]:
        imports = "\n".join(re.findall(r"^(?:import|from) .*", blocks(CHAPTERS[earlier])[0], re.MULTILINE))
        exec(imports, names)
    exec(blocks(CHAPTERS[number].split("###")[0])[0], names)

    for text in exercises(CHAPTERS[number]).values():
        exec(blocks(text)[0], names)

    passed = json.loads(Path("dgkit-progress.json").read_text())["passed"]
    assert passed == [exercise for exercise in list(course.exercises()) if exercise.startswith(number)]


def bound(code: str) -> set[str]:
    """Names that code gives a value where it stands, not inside functions and comprehensions."""
    names: set[str] = set()

    def visit(node: ast.AST) -> None:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.alias):
            names.add((node.asname or node.name).partition(".")[0])
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        if not isinstance(
            node, ast.FunctionDef | ast.Lambda | ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp
        ):
            for child in ast.iter_child_nodes(node):
                visit(child)

    visit(ast.parse(code))
    return names


def read(code: str) -> set[str]:
    """Names that code takes from elsewhere."""
    tree = ast.parse(code)
    nodes = list(ast.walk(tree))
    own = {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    own |= bound(code) | {node.arg for node in nodes if isinstance(node, ast.arg)}
    return {node.id for node in nodes if isinstance(node, ast.Name)} - own - set(dir(builtins))


@pytest.mark.parametrize("number", CHAPTERS)
def test_a_solution_goes_into_its_cell_as_it_stands(number):
    """It takes what the chapter has by then, and leaves alone what the chapter needs later."""
    (path,) = (ROOT / "notebooks").glob(f"{number}*.ipynb")
    cells = [cell for cell in json.loads(path.read_text())["cells"] if cell["cell_type"] == "code"]
    code = ["".join(line for line in cell["source"] if not line.startswith("%")) for cell in cells]

    assert bound(blocks(CHAPTERS[number].split("###")[0])[0]) <= set().union(*map(bound, code))
    for exercise, text in exercises(CHAPTERS[number]).items():
        (at,) = [k for k, one in enumerate(code) if f'course.answer("{exercise}"' in one or f"# {exercise}" in one]
        solution = blocks(text)[0]
        there, later = set().union(*map(bound, code[:at])), set().union(*map(read, code[at + 1 :]))
        assert read(solution) <= there, exercise
        assert not (bound(solution) - {"answer"}) & there & later, exercise


def test_chapters_ask_and_do_not_answer():
    chapters = sorted((ROOT / "notebooks").glob("*.ipynb"))
    cells = [cell for path in chapters for cell in json.loads(path.read_text())["cells"]]
    asked = ["".join(cell["source"]) for cell in cells if "exercise" in cell["metadata"].get("tags", [])]

    assert len(asked) == len(course.exercises())
    assert all(re.search(r"^answer = None\b", text, re.MULTILINE) for text in asked)
    names = [name.lower() for folder in ("notebooks", "dgkit") for name in os.listdir(ROOT / folder)]
    assert not any("solution" in name for name in names)


@pytest.mark.parametrize("path", sorted((ROOT / "notebooks").glob("*.ipynb")), ids=lambda path: path.stem)
def test_each_chapter_has_an_exercise_on_other_data(path):
    cells = json.loads(path.read_text())["cells"]
    tasks = re.findall(r"^\*\*\d\d\.\d\*\* (.*)", "\n".join("".join(cell["source"]) for cell in cells), re.MULTILINE)

    assert any("on other data" in task.lower() for task in tasks)


def test_there_are_questions_to_discuss_for_every_chapter():
    asked = {number: text.partition("### To discuss\n\n")[2].splitlines() for number, text in CHAPTERS.items()}

    assert list(asked) == sorted(path.name[:2] for path in (ROOT / "notebooks").glob("*.ipynb"))
    for questions in asked.values():
        lines = [line for line in questions if line]
        assert len(lines) >= 2 and all(line.startswith("- ") for line in lines)
        assert any("?" in line for line in lines)
