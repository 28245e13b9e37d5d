"""Checks of the course's exercises: at once, with a hint on failure, and a record of what was passed.

An exercise is a function that looks at an answer and raises `Wrong` with what to think about next; those of chapter NN
are in chapter_NN.py. The truth is computed from the data, not typed in. What was passed is kept in
`dgkit-progress.json` of the current folder. Left out: grading; anyone can read the solutions here.
"""

import contextlib
import html
import json
import os
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dgkit.course.chapters import check_of, exercises
from dgkit.course.exercise import Wrong
from dgkit.errors import ConfigError

PROGRESS = Path("dgkit-progress.json")  # not hidden: Jupyter serves no hidden files, and the course panel reads it


@dataclass(frozen=True)
class Result:
    """How an answer did.

    Parameters
    ----------
    exercise : str
        Its number.
    passed : bool
    message : str
        What the answer shows, or a hint.

    Examples
    --------
    >>> Result("01.1", True, "168 / 7 = 24.")
    ✓ passed: exercise 01.1. 168 / 7 = 24.
    """

    exercise: str
    passed: bool
    message: str

    def __repr__(self) -> str:
        return f"{'✓ passed' if self.passed else '✗ not yet'}: exercise {self.exercise}. {self.message}"

    def _repr_html_(self) -> str:
        colour, background = ("#0b5a2b", "#e6f4ea") if self.passed else ("#7a3b00", "#fff4e5")
        return (
            f"<div role='status' style='padding:.5em .8em;border-left:4px solid {colour};color:{colour};"
            f"background:{background}'>{html.escape(repr(self))}</div>"
        )


def answer(exercise: str, value: Any) -> Result:
    """Check an answer.

    Parameters
    ----------
    exercise : str
        Its number, such as "01.2".
    value
        The answer; whatever it is, a wrong one gives a hint and no error.

    Returns
    -------
    Result
        What was passed is noted in `dgkit-progress.json` of the current folder.

    Raises
    ------
    ConfigError
        There is no such exercise.

    Examples
    --------
    >>> answer("01.1", 1).passed
    False
    """
    check = check_of(exercise) if isinstance(exercise, str) else None
    if check is None:
        raise ConfigError(f"no exercise {exercise!r}; there are {', '.join(exercises())}.")
    if value is None:
        return Result(exercise, False, "Put your answer in the place of None and run the cell again.")
    try:
        result = Result(exercise, True, check(value))
    except Wrong as hint:
        return Result(exercise, False, str(hint))
    except Exception as error:  # an answer may be anything, with any behaviour
        return Result(
            exercise, False, f"This answer could not be looked at ({type(error).__name__}); is it what was asked for?"
        )
    _remember(exercise)
    return result


class Progress(dict[str, bool]):
    """By exercise, whether it was passed.

    Examples
    --------
    >>> Progress({"00.1": True, "00.2": False})
    00.1  ✓ passed
    00.2  · open
    1 of 2 passed
    """

    def __repr__(self) -> str:
        rows = (f"{number}  {'✓ passed' if passed else '· open'}" for number, passed in self.items())
        return "\n".join([*rows, f"{sum(self.values())} of {len(self)} passed"])

    def _repr_html_(self) -> str:
        rows = (
            f"<tr><td>{html.escape(number)}</td><td>{'✓ passed' if passed else '· open'}</td></tr>"
            for number, passed in self.items()
        )
        caption = f"{sum(self.values())} of {len(self)} passed"
        return f"<table><caption>{caption}</caption><tr><th>exercise</th><th>state</th></tr>{''.join(rows)}</table>"


def progress() -> Progress:
    """Which exercises were passed in this folder.

    Returns
    -------
    Progress
        Of all exercises there are.

    Examples
    --------
    >>> "01.1" in progress()
    True
    """
    passed = _read()
    return Progress({number: number in passed for number in exercises()})


def _read() -> list[str]:
    try:
        passed: list[str] = json.loads(PROGRESS.read_text())["passed"]
        if not all(isinstance(item, str) for item in passed):
            raise ValueError("not a list of exercises")
        return passed
    except FileNotFoundError:
        return []
    except (OSError, ValueError, TypeError, KeyError, RecursionError):  # damaged: keep it for a human, begin a new one
        with contextlib.suppress(OSError):
            PROGRESS.replace(PROGRESS.with_suffix(".json.bak"))
        return []


def _remember(exercise: str) -> None:
    passed = sorted({*_read(), exercise})
    beside = PROGRESS.with_suffix(f".{os.getpid()}")
    try:
        beside.write_text(json.dumps({"passed": passed}, indent=1))
        beside.replace(PROGRESS)
    except OSError as error:
        with contextlib.suppress(OSError):
            beside.unlink()
        warnings.warn(f"passed, but it could not be noted in {PROGRESS}: {error}", stacklevel=3)
