"""Chapters as they look after "Run all", kept by what they are made of: a second build runs only what has changed.

A chapter is run in full, on one thread, in a folder of its own; last it writes the pages of its live widgets. What is
kept stands in build/executed, one file a chapter, named by the hash of its cells, of the package, of the widgets and of
the data. Left out: versions of other packages (`make book ARGS=--fresh` runs everything).
"""

import hashlib
import json
import os
import tempfile
from functools import cache
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell

from tests.notebooks.running import ONE_THREAD, look_again_and_again

# run last, in the chapter's kernel: the pages of the widgets that are live without one, by their models' ids
PAGES = """
import json, sys
if "dgkit_widgets" in sys.modules:
    from dgkit_widgets import Explorer, PrivacyDial, SeriesBrowser, WhatIfExplorer
    from ipywidgets.widgets.widget import _instances
    for one in list(_instances.values()):  # answers come from a thread, whose messages belong to no cell
        if isinstance(one, WhatIfExplorer) and one.wait(120):
            one._picture.send_state("value")
    live = (Explorer, PrivacyDial, SeriesBrowser)
    pages = {key: one.html() for key, one in list(_instances.items()) if isinstance(one, live)}
    open("pages.json", "w", encoding="utf-8").write(json.dumps(pages))
"""
ROOT = Path(__file__).resolve().parents[1]
KEPT = ROOT / "build" / "executed"


def executed(chapter: Path, kept: Path = KEPT, timeout: float = 3600) -> nbformat.NotebookNode:
    """The notebook with its outputs, from an earlier run where nothing that it is made of has changed.

    Raises
    ------
    nbclient.exceptions.CellExecutionError
        A cell failed that is not tagged raises-exception.
    """
    notebook = nbformat.read(chapter, as_version=4)
    cells = json.dumps([[cell.cell_type, cell.source] for cell in notebook.cells])
    file = kept / f"{chapter.stem}-{hashlib.sha256((cells + made_with()).encode()).hexdigest()[:16]}.ipynb"
    if file.exists():
        return nbformat.read(file, as_version=4)

    print(f"running {chapter.name} ...", flush=True)
    os.environ.update(ONE_THREAD, DGKIT_FAST="0", PYTHONWARNINGS="ignore")
    with tempfile.TemporaryDirectory() as folder:
        where = {"metadata": {"path": folder}}
        notebook.cells.append(new_code_cell(PAGES))
        client = NotebookClient(notebook, timeout=timeout, shutdown_kernel="immediate", resources=where)
        client.on_notebook_start = lambda notebook: look_again_and_again(client.kc.shell_channel)
        client.execute()
        notebook.cells.pop()
        if (pages := Path(folder) / "pages.json").exists():
            notebook.metadata["live"] = json.loads(pages.read_text(encoding="utf-8"))

    # whole or not at all; what it was before is of no more use
    kept.mkdir(parents=True, exist_ok=True)
    part = file.with_suffix(".part")
    nbformat.write(notebook, part)
    for old in kept.glob(f"{chapter.stem}-*.ipynb"):
        old.unlink()
    part.replace(file)
    return notebook


@cache
def made_with() -> str:
    """A hash of what all chapters use: package, widgets and data."""
    total = hashlib.sha256()
    for pattern in ("dgkit/**/*.py", "widgets/dgkit_widgets/*.py", "widgets/dgkit_widgets/static/*", "data/**/*.nc"):
        for path in sorted(ROOT.glob(pattern)):
            total.update(path.relative_to(ROOT).as_posix().encode() + b"\0" + path.read_bytes())
    return total.hexdigest()
