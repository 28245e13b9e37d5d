"""The Voila apps: pages without code, for a studio that trains, recorded runs, a dial and a painter that are turned."""

import pytest

from tests.ui.conftest import Lab


@pytest.fixture
def visitor(browser, voila):
    visitor = Lab(voila, browser.new_page(viewport={"width": 1280, "height": 1000}), "voila")
    yield visitor
    visitor.close()
    assert visitor.errors == []


def opened(visitor, name, shown, timeout=120_000):
    """The page of an app that shows what is looked for."""
    visitor.page.goto(f"{visitor.server.url}/voila/render/{name}.ipynb", wait_until="commit")
    visitor.page.wait_for_selector(shown, timeout=timeout)
    return visitor.page


def test_all_apps_are_offered(visitor):
    visitor.page.goto(visitor.server.url)

    for name in ("studio.ipynb", "explorer.ipynb", "dial.ipynb", "painter.ipynb"):
        visitor.page.get_by_text(name).wait_for()


def test_the_studio_trains(visitor):
    page = opened(visitor, "studio", ".dgkit-studio .uplot")

    page.get_by_role("button", name="One step", exact=True).click()

    page.wait_for_selector(".dgkit-progress-text:has-text('step 1 of 3,000')")
    assert page.get_by_role("heading", name="Train a DoppelGANger").is_visible()
    assert "import dgkit" not in page.locator("body").inner_text()
    visitor.shot("app-studio")


def test_the_explorer_shows_the_run_that_is_chosen(visitor):
    page = opened(visitor, "explorer", ".dgkit-chart")

    page.get_by_label("question").select_option(label="How many steps should one LSTM pass make?")

    page.get_by_role("slider", name="steps per LSTM pass").wait_for(timeout=60_000)
    page.locator(".dgkit-key", has_text="training step 1000").wait_for()  # it opens on lines to compare
    assert "import dgkit" not in page.locator("body").inner_text()
    visitor.shot("app-explorer")


def test_the_dial_turns(visitor):
    page = opened(visitor, "dial", ".dgd-big", 180_000)
    before = page.locator(".dgd-big > span").first.inner_text()

    page.get_by_role("slider", name="Noise multiplier", exact=True).focus()
    for _ in range(8):
        page.keyboard.press("ArrowRight")

    page.wait_for_function("was => document.querySelector('.dgd-big > span').textContent !== was", arg=before)
    assert float(page.locator(".dgd-big > span").first.inner_text()) < float(before)
    assert page.get_by_role("heading", name="What does privacy cost?").is_visible()
    assert "import dgkit" not in page.locator("body").inner_text()
    visitor.shot("app-dial")


def test_the_painter_draws_a_mix_and_its_answers_follow(visitor):
    page = opened(visitor, "painter", "svg[role=img]")
    table = page.locator("table:has(th[scope=col])")
    table.wait_for()
    before = table.inner_text()

    page.get_by_role("slider", name="large", exact=True).focus()
    for _ in range(3):
        page.keyboard.press("PageUp")

    page.wait_for_function(
        "was => document.querySelector('table:has(th[scope=col])').innerText !== was", arg=before, timeout=60_000
    )
    assert page.get_by_role("heading", name="Draw the jobs of a machine").is_visible()
    assert "import dgkit" not in page.locator("body").inner_text()
    visitor.shot("app-painter")
