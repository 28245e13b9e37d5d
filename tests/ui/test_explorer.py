"""The Explorer in a real JupyterLab: by mouse and by keyboard alone; both sides know the same."""

import os
import signal

import pytest

SETUP = """\
import numpy as np, xarray as xr
from dgkit_widgets import Explorer
rng = np.random.default_rng(0)
lengths, lags = [1, 2, 4, 7, 14, 28, 84, 168], np.arange(1, 61)
wave = np.cos(2 * np.pi * lags / 7) * np.exp(-lags / 40)
curve = wave * np.linspace(0.2, 1, 8)[:, None, None] + rng.normal(0, 0.05, (8, 3, 60))
ds = xr.Dataset(
    {
        "autocorrelation_mse": (("sample_len", "seed"), rng.uniform(0.5, 1, (8, 3)) * 10.0 ** np.linspace(-1, -4, 8)[:, None]),
        "autocorrelation": (("sample_len", "seed", "lag"), curve),
        "seconds": (("sample_len", "seed"), rng.random((8, 3)), {"units": "s", "long_name": "training time"}),
        "share": (("sample_len", "event", "seed"), rng.random((8, 3, 3))),
    },
    {
        "sample_len": ("sample_len", lengths, {"units": "steps", "long_name": "steps per LSTM pass"}),
        "seed": [0, 1, 2], "lag": ("lag", lags, {"units": "days"}), "event": ["FINISH", "KILL", "EVICT"],
    },
)
real = xr.DataArray(wave, {"lag": lags}, "lag", name="autocorrelation")
explorer = Explorer(ds, references={"real": real})
"""  # noqa: E501


def chart_text(lab):
    return lab.page.locator(".dgkit-chart").get_attribute("aria-label")


def wait_text(lab, selector, text):
    lab.page.wait_for_function(
        "([selector, text]) => document.querySelector(selector)?.textContent.includes(text)", arg=[selector, text]
    )


def test_a_dim_of_one_value_is_no_axis(lab):
    lab.run(SETUP, "Explorer(ds.expand_dims(budget=[60]))")

    lab.page.locator(".dgkit-chart").wait_for()
    along = lab.page.get_by_label("Along", exact=True).locator("option")
    assert set(along.evaluate_all("all => all.map(e => e.value)")) == {"sample_len", "lag"}


def test_the_mouse_turns_a_dim_reads_a_value_and_compares(lab):
    lab.run(SETUP, "explorer")
    page = lab.page
    slider = page.get_by_role("slider", name="steps per LSTM pass")
    slider.scroll_into_view_if_needed()
    box = slider.bounding_box()
    before = chart_text(lab)

    page.mouse.move(box["x"] + box["width"] - 8, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + 2, box["y"] + box["height"] / 2, steps=8)
    page.mouse.up()

    lab.wait_python("explorer.selection['at']['sample_len'] == 1")
    wait_text(lab, ".dge-caption", "At steps per LSTM pass 1 step")
    page.wait_for_function(
        "old => document.querySelector('.dgkit-chart').getAttribute('aria-label') !== old", arg=before
    )
    median = lab.python("float(ds.autocorrelation_mse.sel(sample_len=1).median())")
    row = page.locator(".dge-table tr", has_text="mean squared error of the autocorrelation").inner_text()
    assert float(row.split("\t")[1].split(" (")[0]) == pytest.approx(median, rel=1e-3)

    over = page.locator(".dgkit-chart .u-over")
    over.hover()  # in its middle, once it is there
    wait_text(lab, ".dgkit-readout", "lag (days):")
    read = page.locator(".dgkit-readout").inner_text()
    lag = int(read.split("lag (days):")[1].split()[0])
    value = lab.python(f"float(ds.autocorrelation.sel(sample_len=1, lag={lag}).median())")
    assert float(read.split("median")[1].split()[0]) == pytest.approx(value, rel=1e-3)

    page.get_by_label("Compare", exact=True).select_option("sample_len")
    lab.wait_python("explorer.selection['overlay'] == 'sample_len'")
    wait_text(lab, ".dge-table thead", "steps per LSTM pass 168")
    keys = "document.querySelectorAll('.dgkit-readout .dgkit-key').length"
    page.wait_for_function(f"{keys} === 9")  # eight and the real one
    page.locator(".dge-compare").get_by_label("168 steps").uncheck()
    lab.wait_python("explorer.selection['compare'] == [1, 2, 4, 7, 14, 28, 84]")
    page.wait_for_function(f"{keys} === 8")


def test_the_keyboard_alone_chooses_turns_and_reads(lab):
    lab.run(SETUP, "explorer")
    page, keyboard = lab.page, lab.page.keyboard
    page.get_by_label("Variable", exact=True).focus()

    keyboard.type("training")  # as in any list: its first letters
    lab.wait_python("explorer.selection['variable'] == 'seconds'")
    wait_text(lab, ".dgkit-chart-title", "training time (s): median, band from smallest to largest of 3 seeds")
    keyboard.press("Home")
    lab.wait_python("explorer.selection['variable'] == 'autocorrelation_mse'")
    page.wait_for_function("document.querySelector('.dge-checks input:nth-of-type(1)').checked")
    assert lab.python("explorer.frame['log']") == [True, True]
    keyboard.press("ArrowDown")
    lab.wait_python("explorer.selection['variable'] == 'autocorrelation'")

    for _ in range(12):
        keyboard.press("Tab")
        if page.evaluate("document.activeElement.type") == "range":
            break
    assert page.evaluate("document.activeElement.labels[0].textContent").startswith("steps per LSTM pass")
    keyboard.press("Home")
    keyboard.press("ArrowRight")
    lab.wait_python("explorer.selection['at']['sample_len'] == 2")
    page.wait_for_function("document.activeElement.getAttribute('aria-valuetext') === '2 steps'")

    for _ in range(5):
        keyboard.press("Tab")
        if page.evaluate("document.activeElement.classList.contains('dgkit-chart')"):
            break
    wait_text(lab, ".dge-caption", " 2 steps")
    keyboard.press("Home")
    keyboard.press("ArrowRight")
    wait_text(lab, ".dgkit-readout", "lag (days): 2")
    read = page.locator(".dgkit-readout").inner_text()
    value = lab.python("float(ds.autocorrelation.sel(sample_len=2, lag=2).median())")
    assert float(read.split("median")[1].split()[0]) == pytest.approx(value, rel=1e-3)
    assert "median" in page.locator(".dgkit-chart > .dgkit-visually-hidden").inner_text()

    lab.python("0", setup="explorer.selection = {'variable': 'share', 'x': 'event', 'at': {'sample_len': 84}}")
    wait_text(lab, ".dge-caption", " 84 steps")  # Python's side moves the browser's
    page.wait_for_function("document.querySelector('.dge-slider output').textContent === '84 steps'")
    assert page.get_by_label("Along", exact=True).input_value() == "event"


@pytest.mark.parametrize("width", [1280, 800])
def test_it_reads_well_in_both_themes(lab, width):
    lab.page.set_viewport_size({"width": width, "height": 1000})
    lab.run(SETUP, "explorer")
    selections = {
        "curve": "{'variable': 'autocorrelation', 'x': 'lag', 'overlay': None, 'at': {'sample_len': 14}}",
        "compare": "{'variable': 'autocorrelation', 'x': 'lag', 'overlay': 'sample_len'}",
        "metric": "{'variable': 'autocorrelation_mse', 'overlay': None, 'x': 'sample_len'}",
        "categories": "{'variable': 'share', 'x': 'event', 'overlay': None}",
    }
    for theme in ("Light", "Dark"):
        lab.theme(f"JupyterLab {theme}")
        for name, selection in selections.items():
            lab.python("0", setup=f"explorer.selection = {selection}")
            label = lab.python("explorer.frame['label']")
            wait_text(lab, ".dgkit-chart-title", label)
            lab.page.locator(".dgkit").scroll_into_view_if_needed()
            lab.page.wait_for_timeout(150)
            lab.shot(f"explorer-{name}-{width}-{theme.lower()}", ".dgkit")
            assert lab.violations(".dgkit") == []
            assert lab.page.evaluate("(e => e.scrollWidth <= e.clientWidth)(document.querySelector('.dgkit'))")


def test_a_wrong_selection_from_the_browser_is_said_in_the_widget(lab):
    lab.run(SETUP, "explorer")

    lab.python("0", setup="explorer._receive(explorer, {'action': 'choose', 'values': {'variable': 'gone'}}, [])")

    alert = lab.page.locator(".dgkit [role=alert]")
    alert.wait_for(state="visible")
    assert "no numeric variable 'gone'" in alert.inner_text()


@pytest.mark.skipif(os.name != "posix", reason="a process is stopped and let go on as POSIX has it")
def test_who_asks_a_kernel_that_does_not_answer_is_told(lab):
    lab.run(SETUP, "explorer")
    slider = lab.page.get_by_role("slider", name="steps per LSTM pass")
    slider.wait_for()
    kernel = lab.python("__import__('os').getpid()")
    alert = lab.page.locator(".dgkit-error")

    os.kill(kernel, signal.SIGSTOP)
    try:
        slider.press("Home")
        alert.wait_for(timeout=30_000)
        assert alert.inner_text().startswith("No answer from Python yet")
    finally:
        os.kill(kernel, signal.SIGCONT)

    alert.wait_for(state="hidden", timeout=30_000)
    lab.wait_python("explorer.selection['at']['sample_len'] == 1")


def test_lines_that_are_compared_have_a_box_each_also_beyond_the_first(lab):
    lab.run(
        "import numpy as np, xarray as xr\nfrom dgkit_widgets import Explorer\n"
        "ds = xr.Dataset({'c': (('lag', 'k'), np.random.rand(168, 3))}, {'lag': np.arange(1, 169), 'k': [1, 2, 3]})\n"
        "explorer = Explorer(ds, overlay='lag')",
        "explorer",
    )
    boxes = lab.page.locator(".dge-compare input")
    boxes.first.wait_for()
    assert lab.page.locator(".dge-compare input:checked").count() == len(lab.python("explorer.selection['compare']"))
    assert "of 168" in lab.page.locator(".dge-compare legend").inner_text()

    lab.page.locator(".dge-compare label", has_text="168").click()
    lab.wait_python("168 not in explorer.selection['compare']")
    assert len(lab.python("explorer.selection['compare']")) == 7  # the others stay
    lab.page.locator(".dge-compare label", has_text="168").click()
    lab.wait_python("168 in explorer.selection['compare']")
