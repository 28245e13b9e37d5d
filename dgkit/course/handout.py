"""Exercises as graders want them, from one source: notebooks for nbgrader, master notebooks for otter, plain ones.

The source is the course as it stands: an exercise's cell in its chapter (the stub), its block in `solutions.md`, its
check in chapter_NN.py, and the free question of each chapter in `free_answers.md`, with its rubric. An exercise is
worth one point, or two if it asks for a function. Left out: handing out and collecting, which nbgrader and otter do; or
`python -m dgkit.course collect`, which needs neither.
"""

import ast
import copy
import json
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dgkit import _atomic
from dgkit.errors import ConfigError, FileFormatError

Notebook = dict[str, Any]

CHECKOUT = Path(__file__).parents[2]
LARGEST = 2 * 10**7  # bytes of a notebook, pictures included
_ASKED = re.compile(r"""course\.answer\(\s*["'](\d\d\.\w+)["']""")
WIDGET = re.compile(r"\bdgkit_widgets\b|\bipywidgets\b|\binteract\b")
_NBGRADER = """\
from nbclient import NotebookClient

c = get_config()  # noqa: F821 (nbgrader's)
c.CourseDirectory.course_id = "dgkit"
c.ClearSolutions.code_stub = {"python": "# YOUR CODE HERE"}
c.Execute.timeout = 300  # seconds for a cell

# nothing is sent for widgets while a cell runs: it would sometimes hide that the cell has ended
NotebookClient.on_comm_open_jupyter_widget = lambda self, message: None
"""


@dataclass(frozen=True)
class Asked:
    """An exercise's cell, or a chapter's free question.

    Parameters
    ----------
    name : str
        Its number, such as "01.2", or "01 free".
    stub : str
        What learners are given.
    solution : str
        What the teacher would put there.
    points : int
    """

    name: str
    stub: str
    solution: str
    points: int


# -- the source: chapters, solutions, free questions -------------------------------------------------------------------


def chapters(folder: Path | None = None) -> dict[str, Path]:
    """The chapters' notebooks by number, of a checkout or as they were installed. Raises ConfigError if none."""
    installed = Path(sys.prefix) / "share/jupyter/labextensions/dgkit-lab/chapters"
    for place in (CHECKOUT / "notebooks", installed) if folder is None else (folder,):
        if found := {path.name[:2]: path for path in sorted(place.glob("[0-9][0-9]_*.ipynb"))}:
            return found
    raise ConfigError(f"no chapters (NN_name.ipynb) in {folder or 'the installation'}. Give their folder: --chapters.")


def read(path: Path) -> Notebook:
    """A notebook as it stands in its file. Raises FileFormatError."""
    try:
        notebook = json.loads(_atomic.contents(path, LARGEST))
        for cell in notebook["cells"]:
            cell["source"] = "".join(cell["source"])
            cell["cell_type"], cell["metadata"] = str(cell["cell_type"]), dict(cell.get("metadata", {}))
            cell["id"] = str(cell.get("id", ""))  # older notebooks have none
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise FileFormatError(f"{path.name!r} is no notebook: {type(error).__name__}: {error}.") from error
    return notebook


def answered(source: str) -> list[str]:
    """The numbers of the exercises that a cell answers."""
    return _ASKED.findall(source)


def stubs(notebook: Notebook) -> dict[str, str]:
    """By exercise, the cell that asks for it, as a chapter has it."""
    cells = [cell["source"] for cell in notebook["cells"] if "exercise" in cell["metadata"].get("tags", [])]
    return {number: source for source in cells for number in answered(source)[:1]}


def all_stubs(folder: Path | None = None) -> dict[str, str]:
    """Those of all chapters."""
    return {name: stub for path in chapters(folder).values() for name, stub in stubs(read(path)).items()}


def wants_function(stub: str) -> bool:
    return re.search(r"^def ", stub, re.MULTILINE) is not None


def worth(folder: Path | None = None, points: Mapping[str, int] | None = None) -> dict[str, int]:
    """Points by exercise: those that are given; else one, or two for a function. Raises ConfigError if unknown."""
    found = {name: 2 if wants_function(stub) else 1 for name, stub in all_stubs(folder).items()}
    for name in points or {}:
        if name not in found:
            raise ConfigError(f"points for {name!r}, which is no exercise; there are {', '.join(found)}.")
    return found | dict(points or {})


def sections(text: str) -> dict[str, str]:
    """What stands under each heading "## Chapter NN"."""
    return dict(re.findall(r"^## Chapter (\d\d)\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL))


def blocks(text: str) -> list[str]:
    """The Python code of a Markdown text, block by block."""
    return re.findall(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def solutions(text: str) -> dict[str, str]:
    """By exercise, the code that solves it."""
    parts = re.findall(r"^### (\d\d\.\w+)\n(.*?)(?=^### |\Z)", text, re.MULTILINE | re.DOTALL)
    return {number: blocks(part)[0] for number, part in parts}


def setup(text: str, chapter: str) -> str:
    """What a chapter has defined before its exercises: its first block in `solutions.md`, and earlier imports."""
    known = sections(text)
    first = {number: blocks(part.partition("###")[0])[0] for number, part in sorted(known.items())}
    earlier = [first[number] for number in first if number < chapter]
    imports = [line for block in earlier for line in re.findall(r"^(?:import|from) .*", block, re.MULTILINE)]
    return "\n".join([*imports, first[chapter]])


def free_questions(text: str) -> dict[str, Asked]:
    """By chapter, its free question; the solution is the rubric, one line a point."""
    found = {}
    for chapter, part in sections(text).items():
        question, _, rubric = part.partition("**Rubric**")
        points = len(re.findall(r"^- ", rubric, re.MULTILINE))
        found[chapter] = Asked(f"{chapter} free", question.strip(), rubric.strip(), points)
    return found


# -- the two forms -----------------------------------------------------------------------------------------------------


def export(
    form: str,
    out: Path,
    *,
    only: list[str] | None = None,
    points: Mapping[str, int] | None = None,
    notebooks: Path | None = None,
    instructor: Path = CHECKOUT / "instructor",
) -> list[Path]:
    """Write the chapters with their solutions and points, for nbgrader or otter to make the learners' copies of.

    Parameters
    ----------
    form : {"nbgrader", "otter", "plain"}
    out : Path
        A folder. nbgrader: `source/NN_name/NN_name.ipynb` and, if there is none, `nbgrader_config.py`.
        otter: `NN_name/NN_name.ipynb`, for `otter assign`. plain: `NN_name.ipynb`, to hand out: the chapter with its
        free question, without solutions.
    only : list of str, optional
        Numbers of chapters. Default: all.
    points : mapping, optional
        Points by exercise, in the place of one, or two for a function.
    notebooks, instructor : Path, optional
        Folders of the chapters, and of `solutions.md` and `free_answers.md`. Default: the checkout's.

    Returns
    -------
    list of Path
        The notebooks that were written.

    Raises
    ------
    ConfigError
        No such chapter, no folder of solutions (it is not installed), an exercise without a solution.
    """
    known = chapters(notebooks)
    unknown = [number for number in only or [] if number not in known]
    if unknown:
        raise ConfigError(f"no chapter {unknown[0]!r}; there are {', '.join(known)}.")
    try:
        solved, free = ((instructor / name).read_text("utf-8") for name in ("solutions.md", "free_answers.md"))
    except OSError as error:
        raise ConfigError(f"{error.filename} cannot be read; give the checkout's folder: --instructor.") from error
    written, points_of = [], worth(notebooks, points)
    for number in only or known:
        notebook, parts = read(known[number]), solutions(sections(solved).get(number, ""))
        asked = []
        for name, stub in stubs(notebook).items():
            if name not in parts:
                raise ConfigError(f"exercise {name} has no solution in solutions.md.")
            asked.append(Asked(name, without_call(stub), without_call(parts[name]), points_of[name]))
        make = {"nbgrader": _nbgrader, "otter": _otter, "plain": _plain}[form]
        folder = {"nbgrader": out / "source" / known[number].stem, "otter": out / known[number].stem, "plain": out}[
            form
        ]
        target = folder / known[number].name
        target.parent.mkdir(parents=True, exist_ok=True)
        made = make(notebook, {one.name: one for one in asked}, free_questions(free).get(number))
        _atomic.replace(target, [(json.dumps(made, ensure_ascii=False, indent=1) + "\n").encode()])
        written.append(target)
    if form == "nbgrader" and not (out / "nbgrader_config.py").exists():
        (out / "nbgrader_config.py").write_text(_NBGRADER)
    return written


def without_call(source: str) -> str:
    """An exercise's code without its last line, which asks the check."""
    return source.rstrip().rpartition("course.answer(")[0].rstrip()


def _cells(notebook: Notebook, asked: dict[str, Asked], one: Callable[[Notebook, Asked], list[Notebook]]) -> Notebook:
    """A copy of a notebook in which the cell of each exercise became those that `one` makes of it.

    A cell with a widget, of which no later cell needs a name, gets the tag by which nbclient, and so a grader, leaves
    it out: nbclient can overlook that such a cell has ended, and wait.
    """
    made: Notebook = {**copy.deepcopy(notebook), "cells": []}
    for cell in notebook["cells"]:
        name = next(iter(answered(cell["source"])), "") if "exercise" in cell["metadata"].get("tags", []) else ""
        made["cells"] += one(cell, asked[name]) if name in asked else [copy.deepcopy(cell)]
    needed: set[str] = set()
    for cell in reversed([cell for cell in made["cells"] if cell["cell_type"] == "code"]):
        if WIDGET.search(cell["source"]) and not needed & _names(cell["source"], ast.Store):
            cell["metadata"]["tags"] = [*cell["metadata"].get("tags", []), "skip-execution"]
        else:
            needed |= _names(cell["source"], ast.Load)
    return made


def _names(source: str, use: type[ast.expr_context]) -> set[str]:
    """The names that a cell reads, or those that it gives a meaning, imports and functions too."""
    tree = ast.parse(re.sub(r"^[%!].*", "", source, flags=re.MULTILINE))
    found = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, use)}
    if use is ast.Store:
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef):
                found.add(node.name)
            elif isinstance(node, ast.Import | ast.ImportFrom):
                found |= {(alias.asname or alias.name).partition(".")[0] for alias in node.names}
    return found


def _new(kind: str, name: str, source: str, **metadata: Any) -> Notebook:
    cell = {"cell_type": kind, "id": re.sub(r"\W", "-", name), "metadata": metadata, "source": source}
    return cell | {"execution_count": None, "outputs": []} if kind == "code" else cell


def _nbgrader(notebook: Notebook, asked: dict[str, Asked], free: Asked | None) -> Notebook:
    """nbgrader's cell metadata, schema 3: a cell to answer in, and after it a locked one that is worth the points."""

    def one(cell: Notebook, exercise: Asked) -> list[Notebook]:
        call = f'course.answer("{exercise.name}", answer)'
        source = f"{exercise.stub}\n### BEGIN SOLUTION\n{exercise.solution}\n### END SOLUTION\n{call}"
        name = f"check {exercise.name}"
        points = _about(name, grade=True, locked=True, points=exercise.points, cell_type="code")
        answer = {
            "metadata": {**cell["metadata"], **_about(f"answer {exercise.name}", solution=True, cell_type="code")}
        }
        return [
            {**cell, **answer, "source": source},
            _new("code", name, f"checked = {call}\nassert checked.passed, checked.message", **points),
        ]

    made = _cells(notebook, asked, one)
    made["cells"] += _free(free, f"### BEGIN SOLUTION\n{free.solution}\n### END SOLUTION") if free else []
    return made


def _plain(notebook: Notebook, asked: dict[str, Asked], free: Asked | None) -> Notebook:
    """The chapter as it is, with its free question."""
    return {**notebook, "cells": [*notebook["cells"], *(_free(free, "YOUR ANSWER HERE") if free else [])]}


def _free(free: Asked, answer: str) -> list[Notebook]:
    """A free question, and the cell for its answer."""
    points = _about(free.name, grade=True, solution=True, points=free.points, cell_type="markdown")
    return [_new("markdown", f"{free.name} question", free.stub), _new("markdown", free.name, answer, **points)]


def _about(name: str, **what: Any) -> dict[str, Any]:
    """A cell's metadata for nbgrader."""
    plain = {"grade": False, "solution": False, "locked": False, "task": False, "schema_version": 3}
    return {"nbgrader": {**plain, "grade_id": re.sub(r"\W", "_", name), **what}}


def _otter(notebook: Notebook, asked: dict[str, Asked], free: Asked | None) -> Notebook:
    """Otter's raw cells around questions, solutions and tests. Each answer has a name of its own, as tests run last."""
    count = iter(range(10**6))

    def raw(text: str) -> Notebook:
        return _new("raw", f"otter {next(count)}", text)

    def question(
        name: str, points: int, solution: list[Notebook], tests: list[Notebook], manual: bool
    ) -> list[Notebook]:
        lines = ["# BEGIN QUESTION", f"name: {name}", f"points: {points}", *(["manual: true"] if manual else [])]
        cells = [raw("\n".join(lines)), raw("# BEGIN SOLUTION"), *solution, raw("# END SOLUTION")]
        return [*cells, *([raw("# BEGIN TESTS"), *tests, raw("# END TESTS")] if tests else []), raw("# END QUESTION")]

    def one(cell: Notebook, exercise: Asked) -> list[Notebook]:
        own = "answer_" + exercise.name.replace(".", "_")
        lines = [exercise.stub, "# BEGIN SOLUTION NO PROMPT", exercise.solution, "# END SOLUTION"]
        lines += [f"{own} = answer", f'course.answer("{exercise.name}", answer)']
        test = _new("code", f"check {exercise.name}", f'assert course.answer("{exercise.name}", {own}).passed')
        return question(own, exercise.points, [{**cell, "source": "\n".join(lines)}], [test], False)

    made = _cells(notebook, asked, one)
    head = "# ASSIGNMENT CONFIG\nexport_cell: false\nsolutions_pdf: false\nrequirements:\n  - dgkit[lab]"
    made["cells"].insert(0, raw(head))
    if free:
        rubric = _new("markdown", f"{free.name} rubric", free.solution)
        made["cells"].append(_new("markdown", f"{free.name} question", free.stub))
        made["cells"] += question("free_" + free.name[:2], free.points, [rubric], [], True)
    return made
