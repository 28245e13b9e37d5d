"""Whole chapters in a real JupyterLab: run, then looked at by axe, at two widths, light and dark."""

import json
import shutil
import urllib.request
from pathlib import Path

import nbformat
import pytest

from tests.ui.conftest import Lab

CHAPTERS = sorted((Path(__file__).parents[2] / "notebooks").glob("*.ipynb"))
FAST = "import os\n\nos.environ['DGKIT_FAST'] = '1'"
OURS = ".jp-MarkdownOutput, .jp-OutputArea-output"  # what a chapter says and shows; the rest is JupyterLab's
ALWAYS = "02"  # the chapter that is looked at each time; the others at night


@pytest.fixture
def whole(lab, server):
    """JupyterLab that draws all cells of a notebook, and not only those in the window."""
    setting = f"{server.url}/lab/api/settings/@jupyterlab/notebook-extension:tracker"

    def put(raw: str) -> None:
        body = json.dumps({"raw": raw}).encode()
        urllib.request.urlopen(urllib.request.Request(setting, body, method="PUT"), timeout=20).close()
        lab.load()

    put('{"windowingMode": "none"}')
    yield lab
    put("{}")


def run(lab: Lab, chapter: Path, seconds: float) -> None:
    notebook = nbformat.read(chapter, as_version=4)
    notebook.cells.insert(0, nbformat.v4.new_code_cell(FAST))
    nbformat.write(notebook, lab.server.root / chapter.name)
    lab.open(chapter.name)
    lab.run_all(seconds)


@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    "chapter",
    [pytest.param(one, id=one.stem, marks=[pytest.mark.slow] * (one.name[:2] != ALWAYS)) for one in CHAPTERS],
)
def test_axe_finds_nothing_in_a_chapter_at_either_width_light_or_dark(whole, chapter):
    lab = whole
    run(lab, chapter, seconds=600)

    found = []
    for theme in ("JupyterLab Light", "JupyterLab Dark"):
        lab.theme(theme)
        for width in (1280, 800):
            lab.page.set_viewport_size({"width": width, "height": 900})
            lab.page.wait_for_timeout(300)
            lab.page.locator(".jp-Cell").nth(1).evaluate("cell => cell.scrollIntoView()")
            lab.shot(f"chapter-{chapter.name[:2]}-{width}-{theme.split()[1].lower()}")
            found += [f"{theme}, {width} px: {one}" for one in lab.violations(OURS)]
    assert not found, "\n\n".join(found)
    assert lab.page.locator(".jp-OutputArea-output img").count() >= 3


def test_the_installing_cell_is_one_line_until_it_is_opened(lab, server):
    shutil.copy(CHAPTERS[0], server.root)
    lab.open(CHAPTERS[0].name)

    cell = lab.page.locator(".jp-CodeCell").first
    cell.scroll_into_view_if_needed()
    lab.shot("installing-cell")
    assert cell.locator(".cm-content").count() == 0
    assert "Installs dgkit in Colab" in cell.locator(".jp-InputPlaceholder").inner_text()
    assert cell.bounding_box()["height"] < 50

    cell.locator(".jp-InputPlaceholder").click()

    assert "find_spec" in cell.locator(".cm-content").inner_text()
