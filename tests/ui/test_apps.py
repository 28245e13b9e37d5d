"""The Voila apps: pages without code, on which the studio trains and the explorer shows any recorded run."""

import shutil
from pathlib import Path

import pytest

from tests.ui.conftest import Lab, Server
from tests.ui.test_hosts import VOILA

APPS = Path(__file__).parents[2] / "apps"
HARMLESS = (*VOILA, "Plugin")  # Voila's list of notebooks lacks parts of JupyterLab that extensions ask for


@pytest.fixture(scope="module")
def server(browser, tmp_path_factory):
    server = Server(tmp_path_factory.mktemp("voila"), "voila")
    for path in APPS.glob("*.ipynb"):
        shutil.copy(path, server.root)
    yield server
    server.stop()


@pytest.fixture
def visitor(browser, server):
    visitor = Lab(server, browser.new_page(viewport={"width": 1280, "height": 1000}))
    visitor.page.route("**/cdn.jsdelivr.net/**", lambda route: route.abort())  # there may be no network
    yield visitor
    visitor.page.close()
    assert [error for error in visitor.errors if not any(part in error for part in HARMLESS)] == []


def test_both_apps_are_offered(visitor):
    visitor.page.goto(visitor.server.url)

    for name in ("studio.ipynb", "explorer.ipynb"):
        visitor.page.get_by_text(name).wait_for()


def test_the_studio_trains(visitor):
    page = visitor.page
    page.goto(f"{visitor.server.url}/voila/render/studio.ipynb", wait_until="commit")
    page.wait_for_selector(".dgkit-studio .uplot", timeout=120_000)

    page.get_by_role("button", name="One step", exact=True).click()

    page.wait_for_selector(".dgkit-progress-text:has-text('step 1 of 3,000')")
    assert page.get_by_role("heading", name="Train a DoppelGANger").is_visible()
    assert "import dgkit" not in page.locator("body").inner_text()
    visitor.shot("app-studio")


def test_the_explorer_shows_the_run_that_is_chosen(visitor):
    page = visitor.page
    page.goto(f"{visitor.server.url}/voila/render/explorer.ipynb", wait_until="commit")
    page.wait_for_selector(".dgkit-chart", timeout=120_000)

    page.get_by_label("question").select_option(label="How many steps should one LSTM pass make?")

    page.get_by_role("slider", name="sample_len").wait_for(timeout=60_000)
    assert "import dgkit" not in page.locator("body").inner_text()
    visitor.shot("app-explorer")
