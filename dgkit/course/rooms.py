"""What a room predicted: the predictions of a chapter from everybody's progress files, as a picture for the class.

`course.room("class", "02")` in a notebook on the projector, or `python -m dgkit.course room class 02`. Only progress
files are read; no code of a learner runs. What came out stays hidden until it is asked for. Left out: names, since a
guess before the lesson is nobody's grade; and gathering the files, which a shared folder or an upload does.
"""

import html
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from dgkit.course.answers import PROGRESS, _read
from dgkit.course.questions import LETTERS, Prediction, _asked
from dgkit.errors import ConfigError

WIDTH = 30  # letters of the longest bar


@dataclass(frozen=True)
class Room:
    """How many predicted what.

    Parameters
    ----------
    asked : Prediction
    counts : tuple of int
        Of each choice.
    silent : int
        How many handed in a progress file and predicted nothing in this chapter.
    unread : int
        How many files could not be read.
    reveal : bool
        Whether it is shown what came out.

    Examples
    --------
    >>> Room(Prediction("Heads or tails?", ("heads", "tails"), "b", "It fell."), (1, 2), 0, 0, False)
    Heads or tails?
      (a) heads  1  ███████████████
      (b) tails  2  ██████████████████████████████
      3 predictions
    """

    asked: Prediction
    counts: tuple[int, ...]
    silent: int
    unread: int
    reveal: bool

    def _rows(self) -> Iterator[tuple[str, str, int]]:
        """Of each choice a sign, its words, and how many chose it."""
        for letter, count in zip(LETTERS, self.counts, strict=False):
            yield "✓ " if self.reveal and letter == self.asked.outcome else "", self.asked.named(letter), count

    def _count(self) -> str:
        parts = [f"{sum(self.counts)} prediction{'s' * (sum(self.counts) != 1)}"]
        parts += [f"{self.silent} without one"] if self.silent else []
        parts += [f"{self.unread} could not be read"] if self.unread else []
        return ", ".join(parts)

    def _outcome(self) -> str:
        return f"What came out: {self.asked.named(self.asked.outcome)}. {self.asked.because}" if self.reveal else ""

    def __repr__(self) -> str:
        most = max(1, *self.counts)
        wide = max(len(sign + words) for sign, words, _ in self._rows())
        rows = (
            f"  {sign + words:{wide}}  {count}  {'█' * round(WIDTH * count / most)}".rstrip()
            for sign, words, count in self._rows()
        )
        return "\n".join(filter(None, [self.asked.question, *rows, f"  {self._count()}", self._outcome()]))

    def _repr_html_(self) -> str:
        most = max(1, *self.counts)
        rows = "".join(
            f"<tr><th scope='row' style='text-align:left;font-weight:400'>{sign}{html.escape(words)}</th>"
            f"<td style='text-align:right;font-weight:700'>{count}</td>"
            f"<td style='width:16em;text-align:left'><div style='height:1em;background:#0173b2;"
            f"width:{100 * count / most:.0f}%'></div></td></tr>"
            for sign, words, count in self._rows()
        )
        head = "<tr><th scope='col'>choice</th><th scope='col'>how many</th><th scope='col'>bar</th></tr>"
        caption = f"<caption style='text-align:left'><b>{html.escape(self.asked.question)}</b></caption>"
        table = f"<table style='font-size:1.15em'>{caption}<thead>{head}</thead><tbody>{rows}</tbody></table>"
        below = "<br>".join(html.escape(text) for text in (self._count(), self._outcome()) if text)
        return f"<div>{table}<p>{below}</p></div>"


def room(folder: str | os.PathLike[str], chapter: str, *, reveal: bool = False) -> Room:
    """What the room predicted in a chapter.

    Parameters
    ----------
    folder : path
        With everybody's progress file in it: `NAME/dgkit-progress.json`, at any depth, or `NAME.json` side by side.
        Of a learner with several the last one counts that holds a prediction of this chapter.
    chapter : str
        Such as "02".
    reveal : bool, default False
        Show what came out, too: at the chapter's end.

    Returns
    -------
    Room
        A table with bars in a notebook, text elsewhere. Without names.

    Raises
    ------
    ConfigError
        The chapter asks for no prediction; there is no such folder, or no progress file in it.

    Examples
    --------
    >>> import json, pathlib, tempfile
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> for name, letter in {"ann": "a", "bob": "b", "eve": "b"}.items():
    ...     _ = (folder / f"{name}.json").write_text(json.dumps({"passed": [], "predicted": {"02": letter}}))
    >>> room(folder, "02").counts
    (1, 2, 0)
    """
    asked = _asked(chapter)
    counts, silent, unread = [0] * len(asked.choices), 0, 0
    for paths in _progress_files(Path(folder)).values():
        read = [_read(path) for path in paths]
        chosen = [noted.predicted.get(chapter, "") for noted, problem in read if not problem]
        known = [letter for letter in chosen if letter and letter in LETTERS[: len(counts)]]
        if known:
            counts[LETTERS.index(known[-1])] += 1
        elif chosen:
            silent += 1
        else:
            unread += 1
    return Room(asked, tuple(counts), silent, unread, reveal)


def _progress_files(folder: Path) -> dict[str, list[Path]]:
    """By learner, the files, the last one written at the end. Links are not followed."""
    if not folder.is_dir():
        raise ConfigError(f"no folder at {str(folder)!r}. Give the one that holds the progress files of the room.")
    found: dict[str, list[Path]] = {}
    for top, below, names in os.walk(folder):
        below[:] = [name for name in below if not (Path(top) / name).is_symlink()]
        for path in (Path(top) / name for name in names if name.endswith(".json")):
            inside = path.relative_to(folder).parts
            if path.is_file() and not path.is_symlink() and (len(inside) == 1 or path.name.startswith(PROGRESS.stem)):
                found.setdefault(inside[0], []).append(path)
    if not found:
        raise ConfigError(f"no progress files in {str(folder)!r}. Expected: NAME/{PROGRESS}, or NAME.json.")
    return {name: sorted(paths, key=lambda path: path.stat().st_mtime_ns) for name, paths in found.items()}
