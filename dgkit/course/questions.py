"""Questions that no exercise asks: a chapter's prediction, kept to its end, and quizzes, which explain themselves.

Those of chapter NN stand in chapter_NN.py, as PREDICTION and QUIZZES. A quiz is HTML alone: each choice opens, by mouse
or keyboard, and says why it is right or not, also in a book without a kernel. Left out: a score; nothing of a quiz is
kept.
"""

import html
from dataclasses import dataclass
from typing import Any

from dgkit.course import answers, chapters
from dgkit.errors import ConfigError

LETTERS = "abcdef"


@dataclass(frozen=True)
class Quiz:
    """A question with choices, each with what is to be said of it.

    Parameters
    ----------
    question : str
    right : str
        The letter of the right choice: "a" is the first.
    choices : tuple of (str, str)
        What can be chosen, and why it is right or wrong.

    Examples
    --------
    >>> Quiz("Which day is like today?", "b", (("tomorrow", "Not on Friday."), ("in a week", "Both have a weekday.")))
    Which day is like today?
      (a) tomorrow
      (b) in a week
    """

    question: str
    right: str
    choices: tuple[tuple[str, str], ...]

    def __repr__(self) -> str:
        rows = (f"  ({letter}) {choice}" for letter, (choice, _) in zip(LETTERS, self.choices, strict=False))
        return "\n".join([self.question, *rows])

    def _repr_html_(self) -> str:
        rows = []
        for letter, (choice, why) in zip(LETTERS, self.choices, strict=False):
            mark, colour = ("✓ Right.", "#0b5a2b") if letter == self.right else ("✗ No.", "#7a3b00")
            shade = "#e6f4ea" if letter == self.right else "#fff4e5"
            rows.append(
                f"<details style='margin:.25em 0'><summary style='cursor:pointer'>({letter}) {html.escape(choice)}"
                f"</summary><p style='margin:.2em 0 .4em 1.2em;padding:.4em .7em;border-left:4px solid {colour};"
                f"color:{colour};background:{shade}'>{mark} {html.escape(why)}</p></details>"
            )
        return f"<div style='max-width:46em'><p><b>{html.escape(self.question)}</b></p>{''.join(rows)}</div>"


@dataclass(frozen=True)
class Prediction:
    """What a chapter asks its reader before anything is run, and what came out.

    Parameters
    ----------
    question : str
    choices : tuple of str
    outcome : str
        The letter of what came out.
    because : str
        What the chapter has shown.

    Examples
    --------
    >>> Prediction("Heads or tails?", ("heads", "tails"), "b", "It fell on heads.").choices
    ('heads', 'tails')
    """

    question: str
    choices: tuple[str, ...]
    outcome: str
    because: str

    def named(self, letter: str) -> str:
        """A choice with its letter."""
        return f"({letter}) {self.choices[LETTERS.index(letter)]}"


class Recalled(str):
    """What was predicted, and what came out.

    Examples
    --------
    >>> Recalled("It came out as predicted.")
    It came out as predicted.
    """

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        lines = "<br>".join(html.escape(line) for line in self.splitlines())
        return (
            "<div role='status' style='max-width:46em;padding:.5em .8em;border-left:4px solid #0173b2;color:#14395c;"
            f"background:#eaf3fb'>{lines}</div>"
        )


def quiz(number: str) -> Quiz:
    """A quiz of a chapter; the choices open when they are chosen.

    Parameters
    ----------
    number : str
        Such as "03.a".

    Returns
    -------
    Quiz

    Raises
    ------
    ConfigError
        There is no such quiz.

    Examples
    --------
    >>> quiz("03.a").right in "abc"
    True
    """
    found: dict[str, Quiz] = chapters.of(number, "QUIZZES", {})
    if number not in found:
        raise ConfigError(f"no quiz {number!r}; this chapter has {', '.join(found) or 'none'}.")
    return found[number]


def predict(chapter: str) -> Any:
    """Choose what will come out; the choice is kept in `dgkit-progress.json`, and `recall` takes it up.

    Parameters
    ----------
    chapter : str
        Such as "03".

    Returns
    -------
    ipywidgets.VBox
        The choices. None is chosen before the reader does, or has.

    Raises
    ------
    ConfigError
        The chapter asks for no prediction.

    Examples
    --------
    >>> predict("03").children[1].value is None
    True
    """
    import ipywidgets  # here, where a notebook shows it

    asked = _asked(chapter)
    options = [asked.named(letter) for letter in LETTERS[: len(asked.choices)]]
    kept = answers.predicted().get(chapter)
    known = kept is not None and kept in LETTERS[: len(options)]
    choice = ipywidgets.RadioButtons(
        options=options,
        value=asked.named(str(kept)) if known else None,
        tooltip=asked.question,
        layout={"width": "auto"},
    )
    said = ipywidgets.HTML("Kept from before; change it if you like." if known else "Nothing is chosen yet.")

    def keep(change: dict[str, Any]) -> None:
        problem = answers.keep_prediction(chapter, LETTERS[options.index(change["new"])])
        said.value = html.escape(f"Not kept: {problem}") if problem else "Kept. It is taken up at the chapter's end."

    choice.observe(keep, "value")
    # HTML, which wraps; a control's description does not
    question = ipywidgets.HTML(f"<div style='line-height:1.4'>{html.escape(asked.question)}</div>")
    return ipywidgets.VBox([question, choice, said])


def recall(chapter: str) -> Recalled:
    """What was predicted at a chapter's start, beside what came out.

    Parameters
    ----------
    chapter : str
        Such as "03".

    Returns
    -------
    Recalled
        Text.

    Raises
    ------
    ConfigError
        The chapter asks for no prediction.

    Examples
    --------
    >>> "What came out:" in recall("03")
    True
    """
    asked, kept = _asked(chapter), answers.predicted().get(chapter)
    if kept is None or kept not in LETTERS[: len(asked.choices)]:
        first = "You kept no prediction at the start."
    else:
        first = f"You predicted {asked.named(kept)}" + (": that is it." if kept == asked.outcome else ".")
    return Recalled(f"{asked.question}\n{first}\nWhat came out: {asked.named(asked.outcome)}. {asked.because}")


def _asked(chapter: str) -> Prediction:
    found = chapters.of(chapter, "PREDICTION", None)
    if not isinstance(found, Prediction):
        raise ConfigError(f"chapter {chapter!r} asks for no prediction that is kept.")
    return found
