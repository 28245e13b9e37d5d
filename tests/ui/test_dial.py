"""The PrivacyDial in a real JupyterLab: by mouse and by keyboard alone; both sides know the same."""

from itertools import pairwise

import pytest
from playwright.sync_api import expect

from dgkit._text import at_most

SETUP = """\
import numpy as np, xarray as xr
from dgkit_widgets import PrivacyDial
lags = np.arange(1, 61)
wave = np.cos(2 * np.pi * lags / 7) * np.exp(-lags / 40)
noise = np.random.default_rng(0).normal(0, 0.03, (4, 3, 60))
kept = np.array([0.1, 0.3, 0.8, 0.95])[:, None, None]
recorded = xr.Dataset(
    {
        "autocorrelation": (("noise_multiplier", "seed", "lag"), wave * kept + noise),
        "series": (("noise_multiplier", "shown", "time"), 100 + 20 * np.random.default_rng(1).random((4, 4, 60)),
                   {"units": "views/day", "long_name": "daily views"}),
        "real_autocorrelation": ("lag", wave),
    },
    {"noise_multiplier": [4.0, 2.0, 1.0, 0.0], "epsilon": ("noise_multiplier", [0.5, 1.5, 11.0, np.inf]),
     "seed": [0, 1, 2], "lag": ("lag", lags, {"units": "days"})},
)
error = np.array([[0.17, 0.0044, 0.0011, 0.001], [np.nan, np.nan, 0.064, 0.046], [0.009, 0.0043, 0.001, 0.0008]])
ways = xr.Dataset(
    {"mse": (("way", "epsilon"), error, {"long_name": "error of the autocorrelation (MSE)"}),
     "values": (("way", "epsilon"), 10 * error, {"long_name": "error of the values", "units": "decades"})},
    {"way": ["spectrum", "DP-SGD", "evolution"], "epsilon": [0.0, 0.1, 2.0, 8.0]},
    {"title": "From a recorded run.", "samples": 2000, "delta": 1e-5, "gaussian": ["spectrum", "evolution"]},
)
dial = PrivacyDial(recorded=recorded, ways=ways)
"""


def shows(lab, selector, text):
    lab.page.wait_for_function(
        "([selector, text]) => document.querySelector(selector)?.textContent.includes(text)", arg=[selector, text]
    )


def agree(lab):
    """The browser shows the kernel's epsilon, which is returned."""
    epsilon = lab.python("dial.epsilon")
    shows(lab, ".dgd-big > span", at_most(epsilon))
    return epsilon


def test_controls_follow_a_cell_and_go_on_after_it(lab):
    lab.run(SETUP, "dial")
    slider = lab.page.get_by_role("slider", name="Noise multiplier", exact=True)
    field = lab.page.get_by_label("Noise multiplier, number")
    slider.press("ArrowRight")
    lab.wait_python("dial.settings['noise_multiplier'] > 1")

    lab.python("dial.epsilon", setup="dial.change(noise_multiplier=3.0)\ndial.solve(2.0)")
    found = lab.python("dial.settings['noise_multiplier']")
    expect(field).to_have_value(str(found))
    slider.press("End")
    lab.wait_python("dial.settings['noise_multiplier'] > 9")
    agree(lab)
    noise = lab.python("dial.settings['noise_multiplier']")
    expect(field).to_have_value(f"{noise:g}")


def test_the_mouse_turns_the_noise_and_everything_follows(lab):
    lab.run(SETUP, "dial")
    page = lab.page
    before = agree(lab)
    slider = page.get_by_role("slider", name="Noise multiplier", exact=True)
    slider.scroll_into_view_if_needed()
    box = slider.bounding_box()
    here = lab.python("dial.frame['places']['noise_multiplier'] / (len(dial.grids['noise_multiplier']) - 1)")

    page.mouse.move(box["x"] + 8 + here * (box["width"] - 16), box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + 0.9 * box["width"], box["y"] + box["height"] / 2, steps=12)
    page.mouse.up()

    lab.wait_python("dial.settings['noise_multiplier'] > 5")
    after = agree(lab)
    assert after < 1 < before
    assert lab.python("len(dial._past)") == 1  # a drag is one step for undo
    field = page.get_by_label("Noise multiplier, number").input_value()
    assert float(field) == lab.python("dial.settings['noise_multiplier']")
    expect(page.locator(".dgkit-chart[aria-label^='Recorded run']")).to_have_count(0)  # none of so small an epsilon
    page.get_by_role("button", name="Undo", exact=True).click()
    lab.wait_python("dial.settings['noise_multiplier'] == 1.0")
    assert agree(lab) == before

    page.get_by_label("Noise for epsilon =").fill("1")
    page.get_by_role("button", name="Set the noise").click()
    lab.wait_python("0.99 < dial.epsilon <= 1")
    solved = agree(lab)
    assert float(page.get_by_label("Noise multiplier, number").input_value()) == lab.python("dial.dp.noise_multiplier")
    lab.python("0", setup="dial.solve(0.5)")
    shows(lab, ".dgkit-chart[aria-label*='epsilon 0.5 (noise multiplier 4)']", "")

    over = page.locator(".dgkit-chart .u-over").first
    over.hover()  # in its middle, once it is there: the chart may be drawn anew just now
    shows(lab, ".dgkit-readout", "epochs:")
    read = page.locator(".dgkit-readout").first.inner_text()
    epochs = float(read.split("epochs:")[1].split()[0])
    value = lab.python(f"float(dial.curve().sel(epoch={epochs}, method='nearest'))")
    assert float(read.split("these settings")[1].split()[0]) == pytest.approx(value, rel=1e-3)
    page.get_by_role("button", name="Start values").click()
    lab.wait_python("dial.settings['noise_multiplier'] == 1.0 and dial.settings['target'] is None")
    assert agree(lab) > solved


def test_the_keyboard_alone_sets_slides_and_undoes(lab):
    lab.run(SETUP, "dial")
    page, press = lab.page, lab.page.keyboard.press
    page.get_by_role("slider", name="Noise multiplier", exact=True).focus()

    press("ArrowRight")
    lab.wait_python("dial.settings['noise_multiplier'] > 1")
    assert lab.python("dial.settings['noise_multiplier'] in dial.grids['noise_multiplier']")
    press("Tab")  # its number
    press("Control+a")
    page.keyboard.type("2.5")
    press("Enter")
    lab.wait_python("dial.dp.noise_multiplier == 2.5")
    agree(lab)
    press("Tab")  # epochs
    press("End")
    lab.wait_python("dial.settings['epochs'] == 1000")
    press("Control+z")
    lab.wait_python("dial.settings['epochs'] == 15")
    page.wait_for_function("document.activeElement.getAttribute('aria-valuetext') === '15'")

    names = []
    for _ in range(20):
        press("Tab")
        names.append(
            page.evaluate(
                "(e => e.getAttribute('aria-label') ?? e.labels?.[0]?.textContent ?? e.textContent)"
                "(document.activeElement)"
            ).split(".")[0]
        )
        if names[-1].startswith("How epsilon grows"):
            break
    wanted = ["Epochs, number", "Batch size (samples)", "Clipping norm", "Noise for epsilon =", "Undo", "Start values",
              "Training samples", "Steps", "Delta", "Noisy gradients a batch", "Batches drawn", "Accountant",
              "How epsilon grows while training goes on (RDP)"]  # fmt: skip
    assert [name for name in names if name in wanted] == wanted  # no recorded run: none of such settings
    assert page.evaluate("() => getComputedStyle(document.activeElement).outlineStyle") != "none"


def test_settings_that_do_not_go_together_are_said_and_can_be_mended(lab):
    lab.run(SETUP, "dial")
    page = lab.page
    alert = page.locator(".dgkit [role=alert]")

    page.get_by_label("Training samples").fill("200000")
    page.get_by_label("Training samples").press("Enter")
    alert.filter(has_text="delta=1e-05 is not below 1 / 200000").wait_for()
    shows(lab, ".dgd-big > span", "–")
    assert page.get_by_label("Training samples").input_value() == "200000"
    lab.shot("dial-problem", ".dgkit")
    assert lab.violations(".dgkit") == []
    page.get_by_label("Delta", exact=True).fill("1e-7")
    page.get_by_label("Delta", exact=True).press("Enter")
    alert.wait_for(state="hidden")
    agree(lab)

    page.get_by_label("Batch size (samples), number").fill("-3")
    page.get_by_label("Batch size (samples), number").press("Enter")
    alert.filter(has_text="batch_size=-3 must be a whole number of at least 2").wait_for()
    refused = page.locator("input[aria-invalid=true]")
    assert (refused.count(), refused.input_value()) == (1, "-3")  # what was typed is not lost
    assert lab.python("dial.settings['batch_size']") == 100
    lab.shot("dial-refused", ".dgkit")
    refused.fill("200")
    page.get_by_label("Batch size (samples), number").press("Enter")
    lab.wait_python("dial.settings['batch_size'] == 200")
    alert.wait_for(state="hidden")
    page.wait_for_function("() => !document.querySelector('input[aria-invalid=true]')")
    lab.python("0", setup="dial.settings = {'epochs': 30.0}")  # Python's side moves the browser's
    page.wait_for_function("document.querySelector('[data-name=epochs]').value === '30'")


def test_a_drag_is_answered_fast_and_ends_at_its_last_value(lab):
    count = """
times = []
send = dial.send_state
def counted(key=None):
    times.append(__import__("time").perf_counter())
    send(key)
dial.send_state = counted
"""
    lab.run(SETUP, "dial", count)
    page = lab.page
    slider = page.get_by_role("slider", name="Noise multiplier", exact=True)
    slider.focus()

    for _ in range(25):  # a held key: thirty presses a second
        page.keyboard.press("ArrowLeft")
        page.wait_for_timeout(33)

    last = page.get_by_label("Noise multiplier, number").input_value()
    lab.wait_python(f"dial.settings['noise_multiplier'] == {last}")
    agree(lab)
    times = lab.python("times")
    print(f"{len(times)} messages for 25 presses, {len(times) / (times[-1] - times[0]):.1f} a second")
    assert min(b - a for a, b in pairwise(times)) > 0


def test_all_ways_follow_the_dial_and_the_measure_that_is_chosen(lab):
    lab.run(SETUP, "dial")
    page = lab.page
    shows(lab, ".dgd-ways", "not measured; at 8 it is 0.046")

    lab.python("0", setup="dial.solve(2.0)")
    shows(lab, ".dgd-ways", "0.064 at epsilon 2")
    page.get_by_label("Measure", exact=True).select_option("values")
    shows(lab, ".dgd-ways", "0.64 at epsilon 2")
    page.get_by_label("Samples of one user").fill("3")
    page.get_by_label("Samples of one user").press("Enter")

    shows(lab, ".dgd-ways", "epsilon of a user with 3 samples")
    assert lab.python("dial.settings['series']") == 3


@pytest.mark.parametrize("width", [1280, 800])
def test_it_reads_well_in_both_themes(lab, width):
    lab.page.set_viewport_size({"width": width, "height": 1400})
    lab.run(SETUP, "dial")
    lab.command("application:toggle-left-area")
    states = {
        "start": "{}",
        "many": "{'noise_multiplier': 3.0, 'epochs': 40.0, 'target': 2.0, 'sampling': 'replacement'}",
        "none": "{'noise_multiplier': 0.0, 'accountant': 'prv'}",
        "user": "{'noise_multiplier': 4.0, 'series': 3}",
    }
    for theme in ("Light", "Dark"):
        lab.theme(f"JupyterLab {theme}")
        for name, state in states.items():
            lab.python("0", setup=f"dial.reset(); dial.settings = {state}")
            big = lab.python("dial.frame['big']")
            shows(lab, ".dgd-big > span", big)
            lab.page.locator(".dgkit").scroll_into_view_if_needed()
            lab.page.wait_for_timeout(150)
            lab.shot(f"dial-{name}-{width}-{theme.lower()}", ".dgkit")
            assert lab.violations(".dgkit") == []
            assert lab.page.evaluate("(e => e.scrollWidth <= e.clientWidth)(document.querySelector('.dgkit'))")


def test_it_answers_in_other_hosts(host):
    host.run(SETUP, "dial")
    page = host.page
    page.wait_for_selector(".dgd-big", timeout=90_000)
    page.get_by_label("Noise multiplier, number").fill("0")
    page.get_by_label("Noise multiplier, number").press("Enter")

    shows(host, ".dgd-big > span", "∞")
    shows(host, ".dgd-now", "Without noise nothing is promised")
    host.shot(f"dial-{host.application}")
