"""The Voila apps: pages without code, on which the studio trains and the explorer shows any recorded run."""

import pytest

from tests.ui.conftest import Lab


@pytest.fixture
def visitor(browser, voila):
    visitor = Lab(voila, browser.new_page(viewport={"width": 1280, "height": 1000}), "voila")
    yield visitor
    visitor.close()
    assert visitor.errors == []


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
