"""The whole book: every figure is there, each page can be read by all, wide and narrow, in light and dark."""

import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from axe_playwright_python.base import AXE_SCRIPT

pytest.importorskip("myst_nb", reason="needs the extra [book]")
pytest.importorskip("sphinx_book_theme", reason="needs the extra [book]")

ROOT = Path(__file__).parents[2]
SITE, SOURCE = ROOT / "build" / "book", ROOT / "build" / "book-source"
pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]
GRAVE = """axe.run().then(found => found.violations
    .filter(rule => ["serious", "critical"].includes(rule.impact))
    .flatMap(rule => rule.nodes.map(node => `${rule.id}: ${node.target}`)))"""


@pytest.fixture(scope="module")
def site() -> Path:
    """Built as `make book` does, which runs only the chapters that have changed."""
    built = subprocess.run([sys.executable, "-m", "book.build"], cwd=ROOT, capture_output=True, text=True)
    assert built.returncode == 0, built.stdout + built.stderr
    return SITE


def test_every_figure_of_the_chapters_is_in_it(site):
    for path in sorted((SOURCE / "notebooks").glob("*.ipynb")):
        cells = [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
        data = [output.get("data", {}) for cell in cells for output in cell.outputs]
        figures = sum("image/png" in one or "image/svg+xml" in one for one in data)
        drawn = sum("data:image/png" in one.get("text/html", "") for one in data)
        page = (site / "notebooks" / f"{path.stem}.html").read_text(encoding="utf-8")

        assert len(re.findall(r'<img[^>]*src="\.\./_images/', page)) == figures, path.name
        assert page.count('src="data:image/png') == drawn, path.name
        assert figures + drawn > 0, path.name


@pytest.mark.parametrize("width", [800, 390])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pages_are_accessible_fit_and_load_nothing_from_elsewhere(site, browser, scheme, width):
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    asked, faults = [], []
    page.on("request", lambda request: asked.append(request.url))
    for path in sorted(
        path for path in site.rglob("*.html") if "_modules" not in path.parts and "_static" not in path.parts
    ):
        page.goto(path.as_uri())
        page.wait_for_timeout(300)  # the theme sets its colours
        page.evaluate(AXE_SCRIPT)
        name = path.relative_to(site)
        faults += [f"{name}: {fault}" for fault in page.evaluate(GRAVE)]
        if (wider := page.evaluate("document.documentElement.scrollWidth - innerWidth")) > 0:
            faults.append(f"{name} is {wider} px too wide")
    page.close()

    assert faults == []
    assert [url for url in asked if not url.startswith(("file:", "data:", "blob:"))] == []


def test_live_widgets_answer_within_the_pages(site, browser):
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    context.set_offline(True)
    page, found = context.new_page(), []
    for path in sorted((site / "notebooks").glob("*.html")):
        page.goto(path.as_uri())
        for place in page.locator("iframe.live").all():
            place.scroll_into_view_if_needed()
            inside = place.content_frame
            inside.locator("body[data-drawn=yes]").wait_for()
            title = place.get_attribute("title")
            before = inside.locator("#widget").screenshot()
            if title.startswith("SeriesBrowser"):
                inside.get_by_role("button", name="Next").click()
            elif (slider := inside.locator("input[type=range]")).count():
                slider.first.press("ArrowLeft")
            else:
                inside.get_by_label("Variable").select_option(index=1)
            page.wait_for_timeout(300)
            assert inside.locator("#widget").screenshot() != before, (path.name, title)
            assert place.bounding_box()["height"] >= inside.locator("main").bounding_box()["height"], path.name
            found.append(title.partition(",")[0])
    context.close()

    assert {"Explorer", "SeriesBrowser", "PrivacyDial"} <= set(found)
