"""A chapter as slides, run from the chapter as it stands: `python instructor/slides.py 02` writes slides/02_....html.

Each section is a slide with its first paragraph, each figure one with the text before it. Cells without a figure are
run and not shown, nor are widgets, which need a kernel; exercises are left out. The page fetches reveal.js from a
network.
"""

import argparse
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
        elif "exercise" not in cell["metadata"].get("tags", []):
            figure = "dg.plot." in source and not handout.WIDGET.search(source)
            if figure and before:
                made.append(markdown(before, "subslide"))
            kept = {name: content for name, content in cell.items() if name != "id"}
            made.append({**kept, "metadata": {**cell["metadata"], **shown("-" if figure else "skip")}})
            before = "" if figure else before
    return {**notebook, "cells": made}


def markdown(text: str, where: str) -> handout.Notebook:
    return {"cell_type": "markdown", "metadata": shown(where), "source": text}


def shown(where: str) -> dict:
    return {"slideshow": {"slide_type": where}}


def page(notebook: handout.Notebook) -> str:
    """Run it, and make one HTML page of it."""
    import nbformat
    from nbclient import NotebookClient
    from nbconvert import SlidesExporter

    class Client(NotebookClient):
        def on_comm_open_jupyter_widget(self, message):
            """Nothing is sent for widgets while a cell runs: it would sometimes hide that the cell has ended."""

    whole = nbformat.from_dict({**notebook, "nbformat_minor": 4})  # cells of that form need no ids
    Client(whole, timeout=900).execute()
    return SlidesExporter(exclude_input=True).from_notebook_node(whole)[0]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("chapters", nargs="+", metavar="NN")
    parser.add_argument("--out", type=Path, default=Path("slides"))
    options = parser.parse_args()
    options.out.mkdir(exist_ok=True)
    for number in options.chapters:
        path = handout.chapters()[number]
        target = options.out / f"{path.stem}.slides.html"
        target.write_text(page(slides(handout.read(path))), encoding="utf-8")
        print(target)
