"""Widgets in one HTML file: with the network cut off, each control moves what is drawn, and says what Python says."""

import base64
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from axe_playwright_python.base import AXE_SCRIPT
from dgkit_widgets import DistributionPainter, Explorer, PrivacyDial, SeriesBrowser, TrainingStudio

import dgkit as dg
from dgkit import course

from .conftest import SHOTS

# a model's trait, with bytes as base64
TRAIT = """name => JSON.stringify(dgkitModel.get(name), (_, value) => {
    if (!(value instanceof DataView)) return value;
    return { base64: btoa(String.fromCharCode(...new Uint8Array(value.buffer))) };
})"""
DRAWN = """() => [...document.querySelectorAll('#widget canvas')].map(one => one.toDataURL()).join()
    + [...document.querySelectorAll('#widget td')].map(one => one.textContent).join()"""
GRAVE = """() => axe.run().then(found => found.violations.filter(rule => rule.impact !== "moderate").flatMap(rule =>
    rule.nodes.map(node => `${rule.id}: ${node.target}`)))"""


class Alone:
    """A widget's file, open in a browser that reaches nothing else."""

    def __init__(self, browser, folder: Path, widget, **context):
        self.path = folder / "widget.html"
        widget.to_html(self.path)
        self.context = browser.new_context(viewport={"width": 1000, "height": 900}, bypass_csp=True, **context)
        self.context.set_offline(True)
        self.page, self.faults, self.asked = self.context.new_page(), [], []
        self.page.on("console", lambda message: self.faults.append(message.text))
        self.page.on("pageerror", lambda error: self.faults.append(str(error)))
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.goto(self.path.as_uri())
        self.page.wait_for_selector("body[data-drawn=yes]")
        self.settle()

    def settle(self) -> None:
        self.page.wait_for_timeout(150)  # wishes go out thirty times a second, and charts are drawn in the next frame

    def trait(self, name: str):
        return plain(self.page.evaluate(f"() => JSON.parse(({TRAIT})({name!r}))"))

    def act(self, action: str, **values):
        self.page.evaluate("([action, values]) => dgkitModel.send({ action, values })", [action, values])

    def drawn(self) -> str:
        return self.page.evaluate(DRAWN)

    def changes(self, move) -> bool:
        """Whether what is drawn is another picture, or table, after a move."""
        before = self.drawn()
        move()
        self.settle()
        return self.drawn() != before

    def close(self, name: str) -> None:
        if SHOTS:
            self.page.screenshot(path=f"{SHOTS}/alone-{name}.png", full_page=True)
        self.page.evaluate(AXE_SCRIPT)
        faults = self.faults + self.page.evaluate(GRAVE)
        asked = [url for url in self.asked if not url.startswith(("blob:", "data:"))]
        self.context.close()
        assert faults == []
        assert asked == [self.path.as_uri()]


def plain(value):
    """Bytes, in either form, as lists of numbers; what is no number as None; single precision."""
    if isinstance(value, dict) and set(value) == {"base64"}:
        value = base64.b64decode(value["base64"])
    if isinstance(value, bytes):
        return plain(np.frombuffer(value, "<f4").tolist())
    if isinstance(value, dict):
        return {key: plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    if isinstance(value, float):
        return float(f"{value:.5g}") if np.isfinite(value) else None
    return value


def press(page, selector: str, key: str = "ArrowLeft", times: int = 1) -> None:
    page.locator(selector).first.focus()
    for _ in range(times):
        page.keyboard.press(key)


@pytest.fixture
def explored():
    made = Explorer(course.open_run("sample_len"))
    made.selection = {"variable": "autocorrelation", "x": "lag", "overlay": None}
    return made


def test_the_explorer_answers_without_a_kernel_as_python_does(browser, tmp_path, explored):
    seeds = np.random.default_rng(0)
    run = xr.Dataset(
        {
            "score": (("kind", "size", "seed"), seeds.random((3, 4, 2)) * 1000),
            "curve": (("kind", "lag", "seed"), np.where(seeds.random((3, 40, 2)) < 0.1, np.nan, 1.0)),
            "one": (("size",), [1.0, 2.0, np.nan, -4.0]),
        },
        {"kind": ["a", "b", "c"], "size": ("size", [1, 10, 100, 1000], {"units": "pages"}), "lag": range(40, 0, -1)},
    )
    made = Explorer(run, references={"real": xr.DataArray(np.arange(40.0), {"lag": range(40)}, name="curve")})
    asked = [
        {"index": {"size": 1}},
        {"variable": "score"},
        {"overlay": "kind"},
        {"compare": [0, 2]},
        {"x": "kind"},
        {"overlay": "seed"},
        {"log_x": True, "log_y": True},
        {"variable": "one", "same_y": False},
        {"overlay": "size"},
        {"variable": "curve"},
        {"index": {"kind": 0}, "overlay": None},
    ]
    for name, explorer, choices in (
        ("made", made, asked),
        ("run", explored, [{"overlay": "sample_len"}, {"index": {"step": 0}}]),
        ("opened", Explorer(course.open_run("private_ways")), [{"index": {"data": 1}}, {"x": "way"}]),
    ):
        alone = Alone(browser, tmp_path, explorer)
        assert alone.trait("frame") == plain(explorer.frame)
        for changes in choices:
            alone.act("choose", **changes)
            explorer.choose(**changes)
            assert alone.trait("frame") == plain(explorer.frame), changes
        alone.close(f"explorer-{name}")


def test_each_control_of_the_explorer_moves_the_chart(browser, tmp_path, explored):
    alone = Alone(browser, tmp_path, explored)
    page = alone.page

    sliders = page.locator(".dge-slider input[type=range]").count()
    assert sliders >= 2
    for k in range(sliders):
        assert alone.changes(lambda k=k: press(page, f".dge-slider:nth-child({k + 1}) input")), k
    assert alone.changes(lambda: page.get_by_label("Compare").select_option("sample_len"))
    assert alone.changes(lambda: page.locator(".dge-compare input").first.uncheck())
    assert alone.changes(lambda: page.get_by_label("same vertical axis").uncheck())
    assert alone.changes(lambda: page.get_by_label("Along").select_option("sample_len"))
    options = page.get_by_label("Variable").locator("option").evaluate_all("all => all.map(one => one.value)")
    assert alone.changes(lambda: page.get_by_label("Variable").select_option(options[1]))
    alone.close("explorer")


def test_the_browser_pages_filters_and_finds_without_a_kernel_as_python_does(browser, tmp_path):
    jobs = dg.open_dataset("cluster")
    sets = {"real": jobs.isel(sample=slice(90)), "copy": jobs.isel(sample=slice(60, 140))}
    python = SeriesBrowser(sets)
    alone = Alone(browser, tmp_path, python)

    assert alone.trait("frame") == plain(python.frame)
    for settings in (
        {"page": 3},
        {"feature": "canonical_memory"} if "canonical_memory" in jobs else {"feature": list(python._features)[-1]},
        {"order": "mid-range"},
        {"order": "length", "page_size": 12},
        {"filters": {"end_event": "FAIL"}},
        {"filters": {"end_event": "FAIL", "length": [2, 20]}, "shared": False},
        {"log": True, "filters": {}},
        {"page": 1000},
    ):
        alone.act("show", **settings)
        python.show(**settings)
        assert alone.trait("frame") == plain(python.frame), settings
    for one in ({"set": "copy", "sample": 0}, {"set": "real", "sample": 70}, {"set": "", "sample": -1}):
        alone.act("select", **one)
        python.select(**one)
        assert alone.trait("detail") == plain(python.detail), one
    alone.close("browser-answers")


def test_each_control_of_the_browser_moves_its_charts(browser, tmp_path):
    python = SeriesBrowser({"real": dg.open_dataset("cluster")})
    python.in_page = 50
    alone = Alone(browser, tmp_path, python)
    page = alone.page

    assert "first 50 of" in page.locator(".note").inner_text()
    assert alone.changes(lambda: page.get_by_role("button", name="Next").click())
    assert alone.changes(lambda: page.get_by_role("button", name="Last").click())
    assert alone.changes(lambda: page.get_by_label("order").select_option("mid-range"))
    assert alone.changes(lambda: page.get_by_label("order").select_option("random"))
    assert alone.changes(lambda: page.get_by_label("random seed").fill("5") or page.keyboard.press("Enter"))
    assert alone.changes(lambda: page.get_by_label("one axis for all").uncheck())
    assert alone.changes(lambda: page.get_by_label("log axis").click())
    assert alone.changes(lambda: page.get_by_label("samples on a page").select_option("12"))
    last = list(python._features)[-1]
    assert alone.changes(lambda: page.get_by_label("feature").select_option(last))
    assert alone.changes(lambda: page.locator("fieldset select").first.select_option("1"))
    assert alone.changes(lambda: page.get_by_role("button", name="Clear filters").click())
    assert alone.changes(lambda: page.locator(".dgkit-panel").first.click())
    assert "Nearest real series" in page.locator("#widget").inner_text()
    alone.close("browser")


@pytest.fixture(scope="module")
def dial():
    noise = xr.DataArray(np.linspace(1, 0, 24).reshape(2, 12), dims=("epsilon", "lag"))
    run = xr.Dataset({"autocorrelation": noise}, {"epsilon": [1.0, 8.0], "lag": range(1, 13)})
    ways = xr.Dataset(
        {
            "error": (("way", "epsilon"), [[0.3, 0.1], [0.2, np.nan]]),
            "far": (("way", "epsilon"), [[3.0, 1.0], [2.0, 1]]),
        },
        {"way": ["a", "b"], "epsilon": [1.0, 8.0]},
    )
    made = PrivacyDial(2000, steps=1000, accountant="prv", recorded=run, ways=ways)
    made.in_page = {"noise_multiplier": [0.0, 1.0, 2.0, 4.0, 8.0], "epochs": [10.0, 50.0], "batch_size": [50, 100, 500]}
    return made


def test_the_dial_answers_at_its_places_as_python_does(browser, tmp_path, dial):
    alone = Alone(browser, tmp_path, dial)
    for changes in ({}, {"noise_multiplier": 4.0}, {"epochs": 10.0}, {"batch_size": 500}, {"noise_multiplier": 0.0}):
        alone.act("change", **changes)
        dial.change(**changes)
        frame = alone.trait("frame")
        assert frame | {"places": None} == plain(dial.frame) | {"places": None}, changes
        assert alone.trait("record") == plain(dial.record)
        assert alone.trait("beside") == plain(dial.beside)
        settings = {name: value for name, value in alone.trait("settings").items() if name != "target"}
        assert settings == {name: value for name, value in plain(dial.settings).items() if name != "target"}
    dial.reset()
    alone.close("dial-answers")


def test_each_control_of_the_dial_moves_its_chart(browser, tmp_path, dial):
    alone = Alone(browser, tmp_path, dial)
    page = alone.page

    def epsilon() -> str:
        return page.locator(".dgd-big span").first.inner_text()

    begin = epsilon()
    for name in ("noise_multiplier", "epochs", "batch_size"):
        assert alone.changes(lambda name=name: press(page, f"[data-slider={name}]")), name
    moved = epsilon()
    assert moved != begin
    assert alone.changes(lambda: page.get_by_role("button", name="Undo").click())
    assert alone.changes(lambda: page.get_by_role("button", name="Start values").click())
    assert epsilon() == begin
    page.locator("[data-name=target]").fill("2")
    assert alone.changes(lambda: page.get_by_role("button", name="Set the noise").click())
    assert 1 < float(epsilon()) <= 2
    assert alone.changes(lambda: page.locator("[data-name=measure]").select_option("far"))
    page.locator("input[data-name=noise_multiplier]").fill("0.77")
    page.keyboard.press("Enter")
    assert "with a kernel there is any value" in page.get_by_role("alert").inner_text()
    alone.close("dial")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_others_are_pictures_at_rest(browser, tmp_path, scheme):
    pages = dg.open_dataset("web")
    for widget in (TrainingStudio("web", dg.Config(steps=3)), DistributionPainter(pages, "domain")):
        alone = Alone(browser, tmp_path, widget, color_scheme=scheme)
        assert alone.page.locator("#widget[inert] .dgkit").bounding_box()["height"] > 200
        assert "live in a notebook" in alone.page.locator(".note").inner_text()
        alone.close(f"{type(widget).__name__}-{scheme}")
