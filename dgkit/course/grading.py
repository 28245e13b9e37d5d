"""Handed-in notebooks, graded by running their answers again: `python -m dgkit.course collect FOLDER`.

**This executes the learners' code.** Each notebook runs in a child process with limits on time and memory, an empty
folder and no more of this process' environment than Python needs, but as the same user, who may read files and use the
network. It is no sandbox: grade on a machine or in a container that holds nothing else.

What counts is what an answer *is*: the child sends it as plain data (`values`), and the check runs here, where no code
of a learner does. So a progress file that was edited, outputs that were typed in, checks that were replaced and objects
that equal everything win nothing. What it does not show is who found the answer. And an answer that is a function can
only be tried in the child, where its code could deceive the check: such are marked, to be read by a human.
"""

import contextlib
import csv
import io
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dgkit import _atomic
from dgkit.course import handout
from dgkit.course.answers import PROGRESS, _looked_at
from dgkit.course.chapters import check_of, exercises
from dgkit.course.values import LARGEST, NotPlainError, unpack
from dgkit.errors import ConfigError, FileFormatError

PASSED, FUNCTION, WRONG, OPEN, FAILED = "passed", "function passed", "wrong", "open", "failed"
SIGNS = {PASSED: "✓", FUNCTION: "(✓)", WRONG: "✗", OPEN: "·", FAILED: "!"}
KEPT = ("PATH", "LANG", "LC_ALL", "SYSTEMROOT", "TEMP", "TMP", "VIRTUAL_ENV")  # of the environment, for the child
MOST = 20  # answers to one exercise that are looked at: the last ones
PATIENCE = 3  # times the limit of processor time, before a child that waits is stopped
EVERYTHING = 3 * LARGEST  # bytes that a child may send
FREE = "_free"  # at the end of the names of the cells of free answers


@dataclass
class Graded:
    """What one learner handed in.

    Parameters
    ----------
    name : str
        Of the folder, or of the notebook.
    states : dict
        By exercise "passed", "function passed" (tried where its own code runs: read it), "wrong", "open" or "failed".
    claimed : list of str
        Exercises that the progress file says were passed.
    notes : list of str
        What went wrong.
    functions, free : dict
        Code and text to be read by a human, by exercise and by chapter.
    """

    name: str
    states: dict[str, str] = field(default_factory=dict)
    claimed: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    functions: dict[str, str] = field(default_factory=dict)
    free: dict[str, str] = field(default_factory=dict)

    @property
    def passed(self) -> list[str]:
        return [number for number, state in self.states.items() if state in (PASSED, FUNCTION)]

    @property
    def unproved(self) -> list[str]:
        """What was claimed and did not pass here."""
        return sorted(set(self.claimed) - set(self.passed))


@dataclass(frozen=True)
class Limits:
    """Of a run of one notebook: seconds of processor time (and three times as many of the clock), bytes of memory."""

    seconds: int = 120
    memory: int = 4 * 2**30


def collect(
    folder: Path,
    *,
    limits: Limits | None = None,
    jobs: int = 1,
    notebooks: Path | None = None,
    instructor: Path = handout.CHECKOUT / "instructor",
    done: Callable[[Graded], None] = lambda one: None,
) -> list[Graded]:
    """Grade what lies in a folder. Executes the code of the notebooks in it, in processes of their own.

    Parameters
    ----------
    folder : Path
        A folder for each learner, with notebooks and `dgkit-progress.json` anywhere in it; or notebooks side by side.
    limits : Limits, optional
    jobs : int, default 1
        How many at a time.
    notebooks, instructor : Path, optional
        Folders of the chapters, and of `solutions.md`, whose first block of each chapter stands for what the chapter
        defines. Without either, whole notebooks are run.
    done : callable, optional
        Called with each learner's result as it comes.

    Returns
    -------
    list of Graded
        By name.

    Raises
    ------
    ConfigError
        There is no such folder, or nothing in it.
    """
    handed = _handed_in(folder)
    course = _Course.read(notebooks, instructor)
    read = [_read(name, paths) for name, paths in handed.items()]  # all, before anybody's code runs

    def one(handed_in: tuple[Graded, list[handout.Notebook]]) -> Graded:
        graded, notebooks = handed_in
        for notebook in notebooks:
            try:
                _grade(graded, notebook, course, limits or Limits())
            except Exception as error:  # one of forty is not to cost the others their table
                graded.notes.append(f"could not be graded: {type(error).__name__}: {_printable(str(error))}")
        done(graded)
        return graded

    with ThreadPoolExecutor(jobs) as pool:
        return list(pool.map(one, read))


# -- what was handed in ------------------------------------------------------------------------------------------------


def _handed_in(folder: Path) -> dict[str, list[Path]]:
    """By learner, the files: all in a folder of that name, or the one notebook. Links are not followed."""
    if not folder.is_dir():
        raise ConfigError(f"no folder at {str(folder)!r}. Give the one that holds what was handed in.")
    found: dict[str, list[Path]] = {}
    for top, below, names in os.walk(folder):
        below[:] = sorted(
            name for name in below if name != ".ipynb_checkpoints" and not (Path(top) / name).is_symlink()
        )
        for path in (Path(top) / name for name in sorted(names)):
            inside = path.relative_to(folder).parts
            if not path.is_symlink() and (path.suffix == ".ipynb" or (path.name == PROGRESS.name and len(inside) > 1)):
                found.setdefault(inside[0].removesuffix(".ipynb"), []).append(path)
    if not found:
        raise ConfigError(
            f"no notebooks in {str(folder)!r}. Expected: NAME/01_first_doppelganger.ipynb, or NAME.ipynb."
        )
    return dict(sorted(found.items()))


def _read(name: str, paths: list[Path]) -> tuple[Graded, list[handout.Notebook]]:
    graded, notebooks = Graded(_printable(name)), []
    for path in paths:
        try:
            if path.suffix == ".ipynb":
                notebooks.append(handout.read(path))
                continue
            claimed = json.loads(_atomic.contents(path, 10**6))["passed"]
            graded.claimed += [number for number in claimed if isinstance(number, str) and check_of(number)]
        except FileFormatError as error:
            graded.notes.append(_printable(str(error)))
        except (ValueError, TypeError, KeyError, RecursionError):
            graded.notes.append(f"{path.name} is damaged")
    return graded, notebooks


@dataclass(frozen=True)
class _Course:
    """What the course itself says: by chapter the stubs and all cells' texts, and what is defined before exercises."""

    stubs: dict[str, str]
    texts: set[str]
    ids: set[str]
    setups: dict[str, str]

    @classmethod
    def read(cls, notebooks: Path | None, instructor: Path) -> "_Course":
        chapters = {number: handout.read(path) for number, path in handout.chapters(notebooks).items()}
        cells = [cell for notebook in chapters.values() for cell in notebook["cells"]]
        stubs = handout.all_stubs(notebooks)
        try:
            text = (instructor / "solutions.md").read_text("utf-8")
            setups = {number: handout.setup(text, number) for number in handout.sections(text)}
        except OSError:
            setups = {}
        return cls(stubs, {cell["source"].strip() for cell in cells}, {cell.get("id", "") for cell in cells}, setups)


# -- grading -----------------------------------------------------------------------------------------------------------


def _grade(graded: Graded, notebook: handout.Notebook, course: _Course, limits: Limits) -> None:
    """Run the answers of one notebook and judge them.

    First the cells of exercises, and those that the learner added, after what the solutions say that the chapter has
    defined: seconds. Where a name is missing then, the whole notebook from its top.
    """
    for cell in notebook["cells"]:
        about = cell["metadata"].get("nbgrader")
        name = str(about.get("grade_id", "")) if isinstance(about, dict) else ""
        if cell["cell_type"] == "markdown" and name.endswith(FREE):
            graded.free[name[:2]] = cell["source"]
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    asked = [number for cell in code for number in handout.answered(cell["source"]) if check_of(number)]
    states = dict.fromkeys(asked, OPEN)
    chapter = asked[0][:2] if asked else ""

    def own(cell: handout.Notebook) -> bool:
        return cell["source"].strip() not in course.texts and cell.get("id", "") not in course.ids

    whole = [_cell(cell["source"]) for cell in code]
    if chapter in course.setups:
        picked = [cell for cell in code if handout.answered(cell["source"]) or own(cell)]
        runs = [[_cell(course.setups[chapter]), *(_cell(cell["source"]) for cell in picked)], whole]
    else:
        runs = [whole]
    touched = any(handout.answered(cell["source"]) and cell["source"].strip() not in course.texts for cell in code)
    notes: list[str] = []
    for cells in runs if touched else []:
        told = judged(*_run(cells, limits), course)
        notes = told.notes
        for number in states:
            if states[number] not in (PASSED, FUNCTION):
                states[number] = told.states.get(number, states[number])
        if not told.missing:
            break
    graded.notes += notes
    for number, state in states.items():
        if graded.states.get(number) not in (PASSED, FUNCTION):
            graded.states[number] = state
        if state == FUNCTION:
            own_cells = [cell["source"] for cell in code if number in handout.answered(cell["source"])]
            graded.functions[number] = "\n\n".join(own_cells)
    graded.states = dict(sorted(graded.states.items()))


def _cell(source: str) -> dict[str, Any]:
    return {"source": source, "exercises": handout.answered(source)}


@dataclass
class _Told:
    states: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    missing: bool = False  # a name was, in the cell of an exercise


def judged(content: bytes, ended: str, course: _Course) -> _Told:
    """Judge what a child sent; `ended` is noted unless it says itself that it came to its end."""
    told = _Told()
    sent: dict[str, list[tuple[str, bytes]]] = {}
    for kind, exercise, payload in _frames(content):
        if kind == "end":
            ended = ""
        elif kind == "error":
            name, message = (_printable(text) for text in _texts(payload))
            told.missing |= name == "NameError" and bool(exercise)
            if exercise and told.states.get(exercise) not in (PASSED, FUNCTION):
                told.states[exercise] = FAILED
                told.notes.append(f"{exercise}: {name}: {message}"[:160])
        elif check_of(exercise) and kind in ("value", "function", "refused"):
            sent.setdefault(exercise, []).append((kind, payload))
    for exercise, given in sent.items():
        for kind, payload in given[-MOST:]:
            if told.states.get(exercise) not in (PASSED, FUNCTION):
                told.states[exercise] = _state(exercise, kind, payload, course)
    told.notes += [ended] if ended else []
    return told


def _state(exercise: str, kind: str, payload: bytes, course: _Course) -> str:
    check = check_of(exercise)
    assert check is not None
    if kind == "value":
        try:
            return PASSED if _looked_at(check, unpack(payload))[0] else WRONG
        except NotPlainError:
            return WRONG
    if kind == "function" and handout.wants_function(course.stubs.get(exercise, "")):
        return FUNCTION if payload.startswith(b"[true") else WRONG
    return WRONG


def _texts(payload: bytes) -> tuple[str, str]:
    try:
        name, message = json.loads(payload)
        return str(name), str(message)
    except (ValueError, TypeError, RecursionError):
        return "error", ""


def _frames(content: bytes) -> Iterator[tuple[str, str, bytes]]:
    """What the child sent, as far as it is whole: kind, exercise, payload."""
    start = 0
    while start + 4 <= len(content):
        end = start + 4 + int.from_bytes(content[start : start + 4], "big")
        try:
            kind, exercise, size = json.loads(content[start + 4 : end])
            start = end + size
        except (ValueError, TypeError, RecursionError):
            return
        if not isinstance(size, int) or size < 0 or start > len(content):
            return
        yield str(kind), str(exercise), content[end:start]


def _run(cells: list[dict[str, Any]], limits: Limits) -> tuple[bytes, str]:
    """What the child wrote, and how it ended if nothing else says so."""
    environment = {name: os.environ[name] for name in KEPT if name in os.environ}
    paths = [str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")]
    one = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"), "1")
    task = {"cells": cells, "seconds": limits.seconds, "memory": limits.memory}
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as empty:
        environment |= {"PYTHONPATH": os.pathsep.join(filter(None, paths)), "HOME": empty, "IPYTHONDIR": empty}
        environment |= {"MPLBACKEND": "Agg", "MPLCONFIGDIR": empty, "DGKIT_FAST": "1", **one}
        child = subprocess.Popen(
            [sys.executable, "-m", "dgkit.course.student"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=empty,
            env=environment,
            start_new_session=True,
        )
        late = threading.Event()

        def stop() -> None:
            late.set()
            _end(child)

        timer = threading.Timer(PATIENCE * limits.seconds, stop)
        timer.start()
        content, code = b"", None
        try:
            assert child.stdin is not None and child.stdout is not None
            with contextlib.suppress(BrokenPipeError):
                child.stdin.write(json.dumps(task).encode())
                child.stdin.close()
            content = child.stdout.read(EVERYTHING)
            with contextlib.suppress(subprocess.TimeoutExpired):
                code = child.wait(1)
        finally:
            timer.cancel()
            _end(child)
            child.wait()
    if late.is_set():
        return content, f"stopped after {PATIENCE * limits.seconds} s"
    if code is not None and code < 0:
        return content, f"stopped by the system: more than {limits.seconds} s of processor time, or too much memory"
    return content, "the process ended before its cells did"


def _end(child: "subprocess.Popen[bytes]") -> None:
    """The child and, where there are groups of processes, what it has started and not moved out of its group."""
    try:
        if os.name == "posix":
            os.killpg(child.pid, signal.SIGKILL)
        else:
            child.kill()
    except (ProcessLookupError, PermissionError):
        pass


# -- what is shown -----------------------------------------------------------------------------------------------------


def rows(graded: list[Graded], worth: Mapping[str, int]) -> list[list[str]]:
    """A table: a head, and a row a learner. Of all exercises of the chapters that anybody handed in or claimed.

    Points are of what passed; "unproved" is what the progress file claims and did not pass here.
    """
    seen = {number[:2] for one in graded for number in (*one.states, *one.claimed)}
    numbers = [number for number in exercises() if number[:2] in seen]
    table = [["name", *numbers, "points", "of", "unproved", "notes"]]
    for one in graded:
        states = [one.states.get(number, OPEN) for number in numbers]
        points = sum(worth.get(number, 1) for number in one.passed)
        of = sum(worth.get(number, 1) for number in numbers)
        table.append([one.name, *states, str(points), str(of), " ".join(one.unproved), "; ".join(one.notes)])
    return table


def shown(table: list[list[str]]) -> str:
    """The table for a terminal, states as signs."""
    signed = [[SIGNS.get(cell, cell) for cell in row] for row in table]
    widths = [max(len(row[column]) for row in signed) for column in range(len(signed[0]) - 1)]
    lines = ["  ".join([*map(str.ljust, row, widths), row[-1]]).rstrip() for row in signed]
    legend = ", ".join(f"{sign} {state}" for state, sign in SIGNS.items())
    return "\n".join([*lines, "", f"{legend}. A function was tried where the learner's own code runs: read it."])


def as_csv(table: list[list[str]]) -> str:
    """The table as CSV. A cell that a spreadsheet would take for a formula gets an apostrophe."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(
        [[f"'{cell}" if cell[:1] in ("=", "+", "-", "@") else cell for cell in row] for row in table]
    )
    return text.getvalue()


def to_read(graded: list[Graded], questions: Mapping[str, handout.Asked]) -> str:
    """What a human has to judge, exercise by exercise: functions, and free answers with their rubric. Markdown."""
    parts = ["# To be read"]
    for number in sorted({number for one in graded for number in one.functions}):
        parts.append(f"## {number}")
        for one in graded:
            if number in one.functions:
                parts += [f"### {number}, {one.name}", _fenced(one.functions[number], "python")]
    for chapter in sorted({chapter for one in graded for chapter in one.free}):
        parts.append(f"## {chapter}, free answer")
        if chapter in questions:
            parts += [questions[chapter].stub, questions[chapter].solution]
        for one in graded:
            if chapter in one.free:
                parts += [f"### {chapter} free, {one.name}", _fenced(one.free[chapter], "text")]
    return "\n\n".join(parts) + "\n"


def _fenced(text: str, language: str) -> str:
    """In a fence that is longer than any in the text."""
    fence = "`" * max(3, 1 + max(map(len, re.findall("`+", text)), default=0))
    return f"{fence}{language}\n{text.rstrip()}\n{fence}"


def _printable(text: str) -> str:
    """Without line ends and what a terminal would obey."""
    return "".join(letter if letter.isprintable() else " " for letter in text)[:200]
