"""A chapter as slides, from the chapter itself: `python instructor/slides.py 01` writes a copy into slides/.

Each section is a slide with its first paragraph, each figure one with the text before it; the chapter's own file is not
touched. Then `jupyter nbconvert --to slides --execute --no-input slides/01_first_doppelganger.ipynb`. Left out:
exercises, and widgets, which need a kernel. Cells without a figure are run and not shown.
"""

import argparse
import json
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from dgkit.course import handout  # noqa: E402


def slides(notebook: handout.Notebook) -> handout.Notebook:
    """A copy of a chapter whose cells say what they are in a presentation."""
    made: list[handout.Notebook] = []
    before = ""
    for cell in notebook["cells"]:
        source, kind = cell["source"], cell["cell_type"]
        if kind == "markdown":
            for part in re.split(r"^(?=##? )", source, flags=re.MULTILINE):
                if re.match(r"##? ", part) and not part.startswith("## Exercises"):
                    heading, _, text = part.partition("\n")
                    paragraph = text.strip().partition("\n\n")[0]
                    made.append(markdown(f"{heading}\n\n{paragraph}", "slide"))
            before = source.strip().rpartition("\n\n")[2]
            if made and made[-1]["source"].endswith(before):  # it is on the section's slide
                before = ""
        elif "exercise" in cell["metadata"].get("tags", []) or handout.WIDGET.search(source):
            continue
        else:
            figure = "dg.plot." in source
            if figure and before:
                made.append(markdown(before, "subslide"))
            made.append({**cell, "metadata": {**cell["metadata"], **shown("-" if figure else "skip")}})
            before = "" if figure else before
    return {**notebook, "cells": made}


def markdown(text: str, where: str) -> handout.Notebook:
    return {"cell_type": "markdown", "metadata": shown(where), "source": text}


def shown(where: str) -> dict:
    return {"slideshow": {"slide_type": where}}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("chapters", nargs="+", metavar="NN")
    parser.add_argument("--out", type=Path, default=Path("slides"))
    options = parser.parse_args()
    options.out.mkdir(exist_ok=True)
    for number in options.chapters:
        path = handout.chapters()[number]
        made = slides(handout.read(path)) | {"nbformat_minor": 4}  # cells of an older form need no ids
        for cell in made["cells"]:
            cell.pop("id", None)
        (options.out / path.name).write_text(json.dumps(made, ensure_ascii=False, indent=1), encoding="utf-8")
        print(options.out / path.name)
