"""List the chapters, in the JupyterLab extension and the README: `python widgets/list_chapters.py` (needs no Node).

It also gives each chapter the cell that installs dgkit where it is missing, as in Colab and Kaggle.

All of widgets/labextension/course.json and of the README's table is read from notebooks/NN_name.ipynb: title and
question from the first cell, exercises from the calls of dgkit.course. The glossary is dgkit/course/glossary.json, from
which the panel has it. The minutes are an estimate from the chapter's
length; an author who has timed a chapter puts {"dgkit": {"minutes": 40}} into the notebook's metadata, and a "question"
there where the first that the chapter asks needs the sentence before it. The installing cell is the same in all
chapters; its address is pyproject.toml's project.urls.Repository. Left out: the chapters' text, which ships as
the notebooks themselves.
"""

import json
import math
import re
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
COURSE = ROOT / "widgets" / "labextension" / "course.json"
README = ROOT / "README.md"
GLOSSARY = ROOT / "dgkit" / "course" / "glossary.json"  # terms, each with its meaning and the first chapter that has it
INSTALL = "install-"  # the cell's id, before the chapter's number
# shown as one line, its first, until it is opened: in JupyterLab and Notebook, in Colab, in the book
FOLDED = {"cellView": "form", "jupyter": {"source_hidden": True}, "tags": ["hide-input"]}
CELL = """\
# @title Installs dgkit in Colab and Kaggle; does nothing where it is installed
import importlib.util
import subprocess
import sys

if importlib.util.find_spec("dgkit") is None:
    install = [sys.executable, "-m", "pip", "install", "-q", "anywidget"]
    subprocess.check_call([*install, "git+{address}"])
    if "google.colab" in sys.modules:
        from google.colab import output

        output.enable_custom_widget_manager()"""
WORDS_A_MINUTE = 150  # prose with formulas, read to be understood
MINUTES_A_CELL = 0.5  # run it and look at what it shows
MINUTES_AN_EXERCISE = 5


def chapters(folder: Path = ROOT / "notebooks") -> list[dict]:
    """What is known of each chapter in the folder, in the course's order."""
    return [chapter(path) for path in sorted(folder.glob("[0-9][0-9]_*.ipynb")) if "-copy" not in path.stem]


def chapter(path: Path) -> dict:
    """Number, file, title, question, minutes and exercises of one chapter.

    Raises
    ------
    ValueError
        The first cell has no heading "# NN Title" or the chapter asks no question.
    """
    notebook = json.loads(path.read_text(encoding="utf-8"))
    own = [cell for cell in notebook["cells"] if not cell.get("id", "").startswith(INSTALL)]
    code = ["".join(cell["source"]) for cell in own if cell["cell_type"] == "code"]
    prose = ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "markdown"]
    heading = re.match(r"# (\d\d) (.+)", prose[0])
    if not heading or not path.name.startswith(heading[1]):
        raise ValueError(f"{path.name}: the first cell must begin with '# {path.name[:2]} Title'.")
    question = re.search(r"\*\*The question\.\*\*\s(.+?)(\n\n|$)", prose[0], re.DOTALL)
    asked = re.findall(r"(?:^|(?<=[.?!] ))[^.?!]*\?", plain(question[1])) if question else []
    if not asked:
        raise ValueError(f"{path.name}: the first cell must have a paragraph '**The question.** ...?'.")
    exercises = sorted(set(re.findall(r"course\.answer\(\s*[\"']([\d.]+)[\"']", "\n".join(code))))
    estimate = (
        sum(len(text.split()) for text in prose) / WORDS_A_MINUTE
        + len(code) * MINUTES_A_CELL
        + len(exercises) * MINUTES_AN_EXERCISE
    )
    given = notebook["metadata"].get("dgkit", {})
    return {
        "number": heading[1],
        "file": path.name,
        "title": plain(heading[2]),
        "question": given.get("question", asked[0].strip()),
        "minutes": given.get("minutes", 5 * math.ceil(estimate / 5)),
        "exercises": exercises,
    }


def plain(markdown: str) -> str:
    """The text without emphasis, code marks, links and line ends."""
    return " ".join(re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", re.sub("[*`]", "", markdown)).split())


def repository() -> str:
    """Where the course lies, https://.../owner/name; a place to fill in where pyproject.toml does not say."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return str(project["urls"].get("Repository", "https://github.com/OWNER/NAME"))


def with_install(text: str, number: str) -> str:
    """A chapter's file with the installing cell behind its first cell."""
    notebook = json.loads(text)
    source = CELL.format(address=repository()).splitlines(keepends=True)
    cell = {"cell_type": "code", "execution_count": None, "id": INSTALL + number, "metadata": FOLDED}
    first, *rest = [one for one in notebook["cells"] if not one.get("id", "").startswith(INSTALL)]
    notebook["cells"] = [first, cell | {"outputs": [], "source": source}, *rest]
    return json.dumps(notebook, ensure_ascii=False, indent=1) + "\n"


def text() -> str:
    listed = {"chapters": chapters(), "glossary": terms()}
    return json.dumps(listed, indent=1, ensure_ascii=False) + "\n"


def terms() -> list[dict]:
    """The glossary, by the alphabet."""
    listed: list[dict] = json.loads(GLOSSARY.read_text(encoding="utf-8"))
    return sorted(listed, key=lambda one: one["term"].lower())


def readme() -> str:
    """The README with the table of chapters as they are now."""
    rows = [f"| [{c['number']} {c['title']}](notebooks/{c['file']}) | {c['question']} |" for c in chapters()]
    table = "\n".join(["| chapter | question |", "|---|---|", *rows])
    before, _, rest = README.read_text(encoding="utf-8").partition("<!-- chapters -->\n")
    return f"{before}<!-- chapters -->\n{table}\n<!-- /chapters -->{rest.partition('<!-- /chapters -->')[2]}"


if __name__ == "__main__":
    for path in sorted((ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb")):
        path.write_text(with_install(path.read_text(encoding="utf-8"), path.name[:2]), encoding="utf-8")
    try:
        COURSE.write_text(text(), encoding="utf-8")
        README.write_text(readme(), encoding="utf-8")
    except ValueError as error:
        sys.exit(str(error))
    print(f"{COURSE.relative_to(ROOT)}, {README.name}: {len(chapters())} chapters")
