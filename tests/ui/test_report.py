"""The report's page in a real browser, light, dark and small: axe finds nothing, nothing is loaded or cut off."""

import numpy as np
import pytest
from axe_playwright_python.base import AXE_SCRIPT

import dgkit as dg

from .conftest import SHOTS


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    parts = dg.simulate.cluster(900).isel(time=slice(20))
    parts["length"] = parts.length.clip(max=20)
    parts = parts.assign(machine=("sample", np.char.add("host", (np.arange(900) % 9).astype(str))))
    train, rest = dg.split(parts, 1 / 3)
    held_out, fake = dg.split(rest, 0.5)
    fake["cpu_rate"] = fake.cpu_rate * 1.5
    path = tmp_path_factory.mktemp("report") / "report.html"
    rules = {"cpu": lambda ds: (ds.cpu_rate.fillna(0) >= 0).all("time")}
    dg.report(train, fake, held_out, constraints=rules, by="machine").save(path)
    return path


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [400, 1280])
def test_the_page_can_be_read_by_everybody_and_loads_nothing(browser, saved, width, scheme):
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme, bypass_csp=True)
    page, asked, said = context.new_page(), [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: said.append(message.text))

    page.goto(saved.as_uri())

    if SHOTS:
        page.screenshot(path=f"{SHOTS}/report-{width}-{scheme}.png", full_page=True)
    assert asked == [saved.as_uri()] and said == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width  # wide tables scroll by themselves
    assert page.locator("h2").all_inner_texts()[-1] == "Signed"
    sizes = page.evaluate("[...document.querySelectorAll('svg')].map(svg => svg.getBoundingClientRect().width)")
    assert len(sizes) == 3 * 6 + 4 and min(sizes) > 300
    page.evaluate(AXE_SCRIPT)
    found = page.evaluate("axe.run(document).then(result => result.violations)")
    assert [(rule["id"], [node["html"] for node in rule["nodes"]]) for rule in found] == []
    context.close()


def test_the_verdict_of_a_line_is_seen_on_a_small_screen_without_scrolling(browser, saved):
    page = browser.new_page(viewport={"width": 400, "height": 900})

    page.goto(saved.as_uri())

    ends = page.evaluate(
        "[...document.querySelectorAll('td .fail, td .pass')].map(one => one.getBoundingClientRect().right)"
    )
    assert len(ends) > 30 and max(ends) < 400
    page.close()
