"""The chapters' modules, chapter_NN.py: found by their names, and loaded when something of theirs is asked for."""

import pkgutil
from functools import cache
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from dgkit.course.exercise import EXERCISES as LOADED
from dgkit.course.exercise import Check
from dgkit.course.experiment import Experiment
from dgkit.errors import ConfigError

NUMBERS = [
    module.name.removeprefix("chapter_")
    for module in pkgutil.iter_modules([str(Path(__file__).parent)])
    if module.name.startswith("chapter_")
]


def check_of(number: str) -> Check | None:
    """The check of an exercise, such as "01.2", for which its chapter alone is loaded; None if there is no such."""
    if (chapter := number.split(".")[0]) in NUMBERS:
        _loaded(chapter)
    return LOADED.get(number)


def of(number: str, name: str, otherwise: Any) -> Any:
    """What a chapter's module calls so, found by a number such as "01" or "01.a"; `otherwise` where there is none."""
    chapter = number.split(".")[0] if isinstance(number, str) else ""
    return getattr(_loaded(chapter), name, otherwise) if chapter in NUMBERS else otherwise


def exercises() -> dict[str, Check]:
    """The checks of all exercises by number.

    Returns
    -------
    dict
        Functions that take an answer, and return what it shows or raise `Wrong` with a hint.

    Examples
    --------
    >>> list(exercises())[:4]
    ['00.1', '00.2', '00.3', '00.4']
    """
    for chapter in NUMBERS:
        _loaded(chapter)
    return dict(sorted(LOADED.items()))


@cache
def experiments() -> dict[str, Experiment]:
    """The recorded experiments of all chapters by name.

    Returns
    -------
    dict of Experiment

    Examples
    --------
    >>> list(experiments())[:3]
    ['mode_collapse', 'sample_len', 'training_size']
    """
    found: dict[str, Experiment] = {}
    for chapter in NUMBERS:
        found |= getattr(_loaded(chapter), "EXPERIMENTS", {})
    return found


def experiment_of(name: str) -> Experiment:
    """A recorded experiment by its name. Raises ConfigError, with the names that there are."""
    known = experiments()
    if name not in list(known):  # a list, since what is given may have no hash
        raise ConfigError(f"no experiment {name!r}; there are {', '.join(map(repr, known))}.")
    return known[name]


def _loaded(chapter: str) -> ModuleType:
    return import_module(f"dgkit.course.chapter_{chapter}")


def __getattr__(name: str) -> Any:  # as they were called before
    if name in ("EXERCISES", "EXPERIMENTS"):
        return exercises() if name == "EXERCISES" else experiments()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
