"""Checks of the course's exercises: at once, with a hint on failure, and a record of what was passed.

An exercise is a function that looks at an answer and raises `Wrong` with what to think about next; those of chapter NN
are in chapter_NN.py. The truth is computed from the data, not typed in. What was passed is kept in
`dgkit-progress.json` of the current folder. Left out: grading; anyone can read the solutions here.
"""

import html
import json
import warnings
from collections.abc import Callable, Sized
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

from filelock import FileLock

from dgkit import _atomic
from dgkit.course.chapters import check_of, exercises
from dgkit.course.exercise import Check, Wrong
from dgkit.errors import ConfigError

PROGRESS = Path("dgkit-progress.json")  # not hidden: Jupyter serves no hidden files, and the course panel reads it
_LOCK = Path(".dgkit-progress.lock")  # stays there, empty
PATIENCE = 10  # seconds to wait for another notebook that notes something
_DAMAGED = "is damaged"
_LARGEST = (
    5 * 10**7
)  # bytes of an array or a Dataset, or a hundred times the entries of a list: no exercise asks for more


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
    passed, message = _looked_at(check, value)
    if passed:
        _remember(exercise)
    return Result(exercise, passed, message)


def _looked_at(check: Check, value: Any) -> tuple[bool, str]:
    """Whether an answer passes, and what to say. It may be anything, with any behaviour."""
    try:
        if _size(value) > _LARGEST:
            return False, f"This answer ({type(value).__name__}) is larger than any that is asked for."
        try:
            return True, check(value)
        except Wrong as hint:
            return False, str(hint)
    except KeyboardInterrupt:  # the learner's
        raise
    except BaseException as error:  # SystemExit too, which would end the kernel
        name = type(error).__name__
        return False, f"This answer could not be looked at ({name}); is it what was asked for?"


def _size(value: Any) -> int:
    """About how many bytes it takes to look at an answer, told without looking at what is in it."""
    if isinstance(value, int):
        return value.bit_length()
    return getattr(value, "nbytes", 0) or (100 * len(value) if isinstance(value, Sized) else 0)


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
    noted, problem = _read()
    if problem:
        warnings.warn(f"{PROGRESS} {problem}, so that it is not known what was passed.", stacklevel=2)
    return Progress({number: number in noted.passed for number in exercises()})


class _Noted(NamedTuple):
    """What the file holds."""

    passed: list[str]
    predicted: dict[str, str]  # by chapter, the letter of a choice


def predicted() -> dict[str, str]:
    """By chapter, the letter of what was predicted in this folder."""
    return _read()[0].predicted


def keep_prediction(chapter: str, letter: str) -> str:
    """What went wrong, in a warning too; nothing where it was kept."""
    return _note(lambda noted: noted._replace(predicted={**noted.predicted, chapter: letter}), "the prediction")


def _remember(exercise: str) -> None:
    _note(lambda noted: noted._replace(passed=sorted({*noted.passed, exercise})), "passed, but it")


def _read(path: Path = PROGRESS) -> tuple[_Noted, str]:
    """What was noted, and what is wrong with the file: it "is damaged" only where it was read, and is no such JSON."""
    try:
        if path.exists() and not path.is_file():  # a folder, or a pipe, which would be waited for
            return _Noted([], {}), "is no file"
        with open(path, "rb") as file:
            held = json.loads(file.read(10**6))
        noted = _Noted(held["passed"], held.get("predicted", {}))
        if not isinstance(noted.passed, list) or not isinstance(noted.predicted, dict):
            raise ValueError("not a list of exercises, or no predictions by chapter")
        if not all(isinstance(item, str) for item in [*noted.passed, *noted.predicted.values()]):
            raise ValueError("not all are texts")
        return noted, ""
    except FileNotFoundError:
        return _Noted([], {}), ""
    except OSError as error:  # for a moment, maybe
        return _Noted([], {}), f"cannot be opened ({error.strerror})"
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return _Noted([], {}), _DAMAGED


def _note(change: Callable[[_Noted], _Noted], what: str) -> str:
    """Write into the file what `change` makes of what it holds, with other notebooks beside this one.

    Gives what went wrong, and warns of it; nothing where all went well.
    """
    try:
        with FileLock(_LOCK, timeout=PATIENCE, mode=0o666):
            noted, problem = _read()
            if problem == _DAMAGED:  # keep it for a human, begin a new one
                names = (PROGRESS.with_suffix(f".json.bak{n or ''}") for n in count())
                PROGRESS.rename(next(name for name in names if not name.exists()))
            elif problem:
                raise OSError(f"it {problem}")
            changed = {name: value for name, value in change(noted)._asdict().items() if value or name == "passed"}
            _atomic.replace(PROGRESS, [json.dumps(changed, indent=1).encode()])
    except (OSError, NotImplementedError) as error:  # the second: a system without locks
        problem = f"{what} could not be noted in {PROGRESS}: {error}"
        warnings.warn(problem, stacklevel=4)
        return problem
    return ""
