"""SeriesBrowser in a real JupyterLab: by mouse, by keyboard alone, and told what to show by Python."""

import re

import pytest

CELL = """
import dgkit as dg
from dgkit_widgets import SeriesBrowser
real = dg.open_dataset("web").isel(sample=slice(0, 60), time=slice(0, 42))
fake = real.isel(sample=[7, 3, 9, 12, 30, 31, 32, 40])
browser = SeriesBrowser({"real": real, "DoppelGANger": fake})
browser
"""
CLUSTER = """
import numpy as np, dgkit as dg
from dgkit_widgets import SeriesBrowser
ds = dg.open_dataset("cluster").isel(sample=slice(0, 40))
state = np.where(ds.cpu_rate.isnull(), "", np.where(ds.cpu_rate > ds.cpu_rate.mean(), "busy", "idle"))
ds["state"] = (("sample", "time"), state, {"long_name": "state of the machine"})
browser = SeriesBrowser(ds, "state", order="length")
browser
"""
FOCUSED = "() => document.activeElement.getAttribute('aria-label') ?? document.activeElement.textContent"


def panels(lab, k):
    """The small charts of set k."""
    return lab.page.locator(".dgkit-browser-block").nth(k).locator("button.dgkit-panel")


def labels(lab) -> list[str]:
    return lab.page.locator(".dgkit-browser-block .dgkit-gallery-label").all_inner_texts()


def wait_label(lab, k: int, text: str) -> None:
    lab.page.locator(".dgkit-browser-block").nth(k).locator(".dgkit-gallery-label", has_text=text).wait_for()


def press_until(lab, key: str, condition: str, times: int = 40) -> None:
    """Press a key until a JavaScript condition on the focused element `e` holds."""
    for _ in range(times):
        if lab.page.evaluate(f"() => {{ const e = document.activeElement; return {condition}; }}"):
            return
        lab.page.keyboard.press(key)
    raise AssertionError(f"{condition} never held; the focus is at {lab.page.evaluate(FOCUSED)!r}")


def readout(lab, name: str) -> str:
    """What the large chart says of one series at its cursor."""
    return lab.page.locator(".dgkit-readout .dgkit-key", has_text=re.compile(f"^{re.escape(name)} ")).inner_text()


def ink(lab, k: int = 0) -> int:
    """Pixels of the first small chart of set k that are not transparent."""
    count = """c => c.getContext("2d").getImageData(0, 0, c.width, c.height).data
        .filter((v, i) => i % 4 === 3 && v).length"""
    return panels(lab, k).first.locator("canvas").evaluate(count)


def test_mouse_pages_filters_and_selects(lab):
    lab.run(CELL)
    panels(lab, 1).nth(1).wait_for()
    assert labels(lab) == ["real: samples 1 to 6 of 60", "DoppelGANger: samples 1 to 6 of 8"]
    assert ink(lab) > 500

    panels(lab, 1).nth(1).click()
    assert lab.wait_python("browser.selected") == {"set": "DoppelGANger", "sample": 1}
    row = lab.page.locator(".dgkit-browser-table tbody tr").nth(1)
    row.get_by_role("button", name="Select real 3", exact=True).wait_for()  # the sample that it is a copy of
    assert float(row.locator("td").nth(1).inner_text()) < 1e-9
    assert lab.page.locator(".dgkit-browser .dgkit-chart canvas").count() == 1
    assert panels(lab, 1).nth(1).get_attribute("aria-pressed") == "true"
    lab.shot("browser-selected", ".dgkit-browser")

    row.get_by_role("button").click()  # on to that one
    assert lab.wait_python("browser.selected['set'] == 'real' and browser.selected") == {"set": "real", "sample": 3}
    lab.page.get_by_role("button", name="Select DoppelGANger 1", exact=True).wait_for()

    lab.page.get_by_role("button", name="Next", exact=True).click()
    wait_label(lab, 0, "samples 7 to 12 of 60")
    wait_label(lab, 1, "samples 7 to 8 of 8")
    assert lab.python("browser.page") == 1
    assert panels(lab, 1).count() == 2

    lab.page.get_by_label("kind of access").select_option(index=2)
    chosen = lab.wait_python("browser.filters")
    remain = lab.python(f"int((real.access == {chosen['access']!r}).sum())")
    wait_label(lab, 0, f" of {remain} (of 60)")
    assert lab.python("browser.page") == 0

    lab.page.get_by_label("site").select_option(index=8)
    lab.page.get_by_label("kind of visitor").select_option(index=2)
    lab.page.locator(".dgkit-browser-empty", has_text="No sample of DoppelGANger has").wait_for()
    lab.page.get_by_role("button", name="Clear filters").click()
    wait_label(lab, 0, "samples 1 to 6 of 60")
    assert lab.python("browser.filters") == {}

    lab.page.get_by_label("log axis").uncheck()
    lab.wait_python("not browser.log")
    lab.page.get_by_label("order").select_option("random")
    lab.page.get_by_label("random seed").fill("5")
    lab.page.get_by_label("random seed").press("Enter")
    lab.wait_python("browser.order == 'random'")
    lab.wait_python("browser.seed == 5")
    first = lab.python("browser.frame['sets'][0]['samples'][0]")
    lab.page.locator(".dgkit-panel-title", has_text=re.compile(rf"^{first}, ")).first.wait_for()


def test_a_page_past_the_last_is_the_last(lab):
    lab.run(CELL)
    panels(lab, 0).first.wait_for()
    page = lab.page.get_by_role("spinbutton", name="page")

    page.fill("999")
    page.press("Enter")

    last = lab.wait_python("browser.page") + 1
    assert page.input_value() == str(last) == page.get_attribute("max")


def test_keyboard_alone(lab):
    lab.run(CELL)
    panels(lab, 0).first.wait_for()
    lab.page.get_by_label("feature").focus()

    press_until(lab, "Tab", "e.labels?.[0]?.textContent === 'order'")
    lab.page.keyboard.press("ArrowDown")
    lab.wait_python("browser.order == 'mid-range'")
    press_until(lab, "Tab", "e.textContent === 'Next'")
    lab.page.keyboard.press("Enter")
    lab.wait_python("browser.page == 1")
    assert lab.page.evaluate(FOCUSED) == "Next"

    press_until(lab, "Tab", "e.matches('button.dgkit-panel')")
    wait_label(lab, 0, "samples 7 to 12 of 60")
    lab.page.keyboard.press("ArrowRight")
    assert panels(lab, 0).nth(1).evaluate("e => e === document.activeElement")
    assert panels(lab, 0).evaluate_all("all => all.filter(e => e.tabIndex === 0).length") == 1
    lab.page.keyboard.press("PageUp")
    lab.wait_python("browser.page == 0")
    wait_label(lab, 0, "samples 1 to 6 of 60")
    lab.page.keyboard.press("PageDown")
    lab.wait_python("browser.page == 1")
    wait_label(lab, 0, "samples 7 to 12 of 60")
    lab.page.keyboard.press("End")
    assert panels(lab, 0).nth(5).evaluate("e => e === document.activeElement")
    lab.page.keyboard.press("Enter")
    chosen = lab.wait_python("browser.selected")
    ascending = lab.python("dg.metrics.mid_range(real.views).argsort().values.tolist()")
    assert chosen == {"set": "real", "sample": ascending[11]}
    said = lab.page.locator(".dgkit-browser [role=status]")
    said.filter(has_text=f"real, sample {chosen['sample']}. Nearest DoppelGANger series").wait_for(state="attached")

    press_until(lab, "Tab", "e.getAttribute('aria-roledescription') === 'line chart'")
    lab.page.keyboard.press("Home")
    lab.page.keyboard.press("ArrowRight")
    value = lab.python(f"float(real.views[{chosen['sample']}, 1])")
    lab.page.locator(".dgkit-readout", has_text="days from 2015-07-06: 1").wait_for()
    shown = readout(lab, f"real {chosen['sample']}")
    assert float(shown.split()[-1].replace(",", "")) == pytest.approx(value, rel=1e-3)
    press_until(lab, "Tab", "e.textContent === 'Clear selection'")
    lab.page.keyboard.press("Enter")
    lab.wait_python("browser.selected == {}")
    assert lab.page.locator(".jp-Notebook.jp-mod-editMode").count() == 0  # no key went to the notebook


def test_python_sets_what_is_shown_and_errors_are_seen(lab):
    lab.run(CELL)
    panels(lab, 0).first.wait_for()

    lab.python("0", "browser.filters = {'access': 'desktop'}; browser.selected = {'set': 'real', 'sample': 20}")
    remain = lab.python("int((real.access == 'desktop').sum())")
    wait_label(lab, 0, f"of {remain} (of 60)")
    assert lab.page.get_by_label("kind of access").locator("option:checked").inner_text().startswith("desktop (")
    lab.page.locator(".dgkit-browser h4", has_text="real, sample 20").wait_for()

    lab.python("0", "browser._receive(browser, {'action': 'show', 'values': {'feature': 'visits'}}, [])")
    lab.page.locator(".dgkit-error", has_text="feature 'visits' is none of 'views'").wait_for()


def test_categories_and_lengths(lab):
    lab.run(CLUSTER)
    panels(lab, 0).first.wait_for()
    shortest = lab.python("int(ds.length.argmin())")
    assert panels(lab, 0).first.get_attribute("aria-label").startswith(f"data {shortest}, ")
    assert lab.page.get_by_label("log axis").is_disabled()

    panels(lab, 0).first.click()
    lab.page.get_by_role("button", name=re.compile("Select data")).first.wait_for()
    lab.page.locator(".dgkit-browser .dgkit-chart").focus()
    lab.page.keyboard.press("Home")
    shown = readout(lab, f"data {shortest}")
    assert shown == f"data {shortest} " + lab.python(f"str(ds.state.values[{shortest}, 0])")
    lab.shot("browser-categories", ".dgkit-browser")

    lab.page.get_by_label("feature").select_option("cpu_rate")
    lab.wait_python("browser.feature == 'cpu_rate'")
    high = lab.page.get_by_label("highest length (steps)")
    high.fill("8")
    high.press("Enter")
    remain = lab.python("int((ds.length <= 8).sum())")
    wait_label(lab, 0, f"of {remain} (of 40)")


@pytest.mark.parametrize("width", [1280, 800])
@pytest.mark.parametrize("theme", ["JupyterLab Light", "JupyterLab Dark"])
def test_accessible_and_nothing_clipped(lab, width, theme):
    lab.page.set_viewport_size({"width": width, "height": 1800})  # all of it in view, for the picture
    lab.run(CELL)
    panels(lab, 1).first.click()
    lab.page.get_by_role("button", name="Select real 7", exact=True).wait_for()
    lab.theme(theme)

    lab.shot(f"browser-{width}-{theme.split()[-1].lower()}", ".dgkit-browser")
    assert lab.violations(".dgkit-browser") == []
    wide = """e => { const right = c => c.getBoundingClientRect().right;
        return [...e.querySelectorAll("*")].filter(c => right(c) > right(e) + 1 && !c.closest(".dgkit-browser-table"))
            .map(c => c.outerHTML.slice(0, 80)); }"""
    assert lab.page.locator(".dgkit-browser").evaluate(wide) == []


def test_draws_and_answers_in_another_host(host):
    host.run(CELL)
    panels(host, 0).first.wait_for(timeout=120_000)
    panels(host, 1).nth(1).click()
    host.page.get_by_role("button", name="Select real 3", exact=True).wait_for()
    host.shot(f"browser-{host.application}", ".dgkit-browser")
