"""The painter in a real JupyterLab: by mouse, by touch and by keyboard alone; both sides know the same."""

import numpy as np
import pytest

SETUP = """\
import numpy as np, xarray as xr
from dgkit_widgets import DistributionPainter
n = 120
ds = xr.Dataset({
    "cpu": (("sample", "time"), np.random.default_rng(0).random((n, 6))),
    "job_class": ("sample", np.array(["small", "small", "medium", "large"])[np.arange(n) % 4]),
    "end_event": ("sample", np.array(["FINISH", "KILL", "FAIL", "EVICT"])[np.arange(n) // 4 % 4]),
})
ds.job_class.attrs["categories"] = ["small", "medium", "large"]
"""
ONE = SETUP + 'painter = DistributionPainter(ds, "job_class")'
TWO = SETUP + 'painter = DistributionPainter(ds, ["job_class", "end_event"])'


def shares(lab):
    return lab.python("painter.probabilities")


def track(lab, name):
    return lab.page.get_by_role("slider", name=name, exact=True)


def shown(lab):
    """The sliders' values, as assistive technology reads them."""
    return [float(bar.get_attribute("aria-valuenow")) for bar in lab.page.get_by_role("slider").all()]


def wait_same(lab, seconds=20):
    """Wait until browser and kernel show the same shares, in per cent to one decimal."""
    count = len(lab.python("[float(p) for p in np.ravel(painter.probabilities)]"))
    for _ in range(seconds * 20):
        both = [share * 100 for share in lab.python("[float(p) for p in np.ravel(painter.probabilities)]")]
        if np.allclose(cells(lab, count), both, atol=0.051):
            return both
        lab.page.wait_for_timeout(50)
    raise AssertionError(f"browser {cells(lab, count)}, kernel {both}")


def cells(lab, count):
    own = [bar for bar in lab.page.get_by_role("slider").all() if "total" not in bar.get_attribute("aria-label")]
    assert len(own) == count
    return [float(bar.get_attribute("aria-valuenow")) for bar in own]


def at(bar, height, across=0.5):
    """A point in a bar's track, as fractions of its size from the bottom and the left."""
    bar.scroll_into_view_if_needed()
    box = bar.bounding_box()
    return box["x"] + across * box["width"], box["y"] + (1 - height) * box["height"]


def test_the_mouse_drags_a_bars_top_and_draws_across_bars(lab):
    lab.run(ONE, "painter")
    mouse, small, large = lab.page.mouse, track(lab, "small"), track(lab, "large")
    assert shown(lab) == [50, 25, 25]

    mouse.move(*at(small, 0.5))  # the top of its bar
    mouse.down()
    mouse.move(*at(small, 0.7), steps=5)
    mouse.move(*at(large, 0.2), steps=10)  # off the bar: it is the top that is held
    mouse.up()

    lab.wait_python("abs(painter.probabilities[0] - 0.2) < 0.01")
    dragged = wait_same(lab)
    assert dragged[1] == pytest.approx(dragged[2])  # the others in proportion
    assert lab.python("len(painter._past)") == 1  # one drag, one step

    mouse.move(*at(small, 0.9))  # above the bar: drawing
    mouse.down()
    mouse.move(*at(large, 0.1), steps=12)
    mouse.up()
    lab.wait_python("painter.probabilities[0] > painter.probabilities[1] > painter.probabilities[2] > 0")
    drawn = wait_same(lab)
    assert sum(drawn) == pytest.approx(100)

    lab.page.get_by_role("button", name="Undo", exact=True).click()
    lab.wait_python("abs(painter.probabilities[0] - 0.2) < 0.01")
    assert wait_same(lab) == pytest.approx(dragged)
    lab.page.get_by_role("button", name="As the data", exact=True).click()
    lab.wait_python("painter.total_variation == 0")
    lab.page.wait_for_function("document.querySelector('.dgp-distance').textContent === '0.000'")
    assert wait_same(lab) == [50, 25, 25]


def test_a_padlock_is_seen_open_or_closed(lab):
    lab.run(ONE, "painter")
    lock = lab.page.get_by_role("button", name="Lock small")
    bows = [lock.locator(".dgp-open"), lock.locator(".dgp-closed")]
    assert [bow.is_visible() for bow in bows] == [True, False]

    lock.click()

    lab.wait_python("painter.locked == [True, False, False]")
    bows[1].wait_for()
    assert [bow.is_visible() for bow in bows] == [False, True]
    lab.shot("padlocks", ".dgkit")


def test_the_keyboard_alone_moves_types_locks_undoes_and_redoes(lab):
    lab.run(ONE, "painter")
    keyboard = lab.page.keyboard
    lab.page.get_by_role("button", name="Undo", exact=True).focus()
    for _ in range(4):  # redo, data, uniform, and the first bar
        keyboard.press("Tab")
    assert lab.page.evaluate("document.activeElement.getAttribute('aria-label')") == "small"
    assert lab.page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"

    keyboard.press("ArrowUp")
    lab.wait_python("abs(painter.probabilities[0] - 0.51) < 1e-9")
    keyboard.press("ArrowLeft")
    lab.wait_python("abs(painter.probabilities[0] - 0.50) < 1e-9")
    keyboard.press("PageUp")
    lab.wait_python("abs(painter.probabilities[0] - 0.60) < 1e-9")
    keyboard.press("PageDown")
    keyboard.press("PageDown")
    lab.wait_python("abs(painter.probabilities[0] - 0.40) < 1e-9")
    keyboard.type("12.5")
    keyboard.press("Enter")
    lab.wait_python("abs(painter.probabilities[0] - 0.125) < 1e-9")
    assert lab.page.evaluate("document.activeElement.getAttribute('aria-label')") == "small"

    keyboard.press("l")
    lab.wait_python("painter.locked == [True, False, False]")
    keyboard.press("Tab")  # its lock
    keyboard.press("Tab")
    keyboard.press("End")
    lab.wait_python("abs(painter.probabilities[1] - 0.875) < 1e-9")  # all that the lock leaves
    assert wait_same(lab) == pytest.approx([12.5, 87.5, 0])
    keyboard.press("Home")
    lab.wait_python("abs(painter.probabilities[2] - 0.875) < 1e-9")

    keyboard.press("Control+z")
    keyboard.press("Control+z")
    lab.wait_python("abs(painter.probabilities[1] - 0.4375) < 1e-9")
    lab.page.wait_for_selector("button[aria-disabled=false]:has-text('Redo')")  # the page knows, too
    keyboard.press("Control+Shift+z")
    lab.wait_python("abs(painter.probabilities[1] - 0.875) < 1e-9")
    assert wait_same(lab) == pytest.approx([12.5, 87.5, 0])

    before = lab.python("painter.target")
    lab.python("0", setup="painter.target = {'job_class': {'large': 1.0}}")  # Python's side moves the bars, too
    assert wait_same(lab) == [0, 0, 100]
    keyboard.press("Control+z")
    lab.wait_python(f"painter.target == {before}")


def test_a_finger_draws_and_the_page_does_not_scroll_meanwhile(browser, server):
    from tests.ui.conftest import Lab

    context = browser.new_context(viewport={"width": 800, "height": 800}, has_touch=True)
    lab = Lab(server, context.new_page())
    try:
        lab.run(ONE, "painter")
        session = context.new_cdp_session(lab.page)
        small = track(lab, "small")
        small.scroll_into_view_if_needed()
        top = lab.page.evaluate("document.querySelector('.jp-WindowedPanel-outer').scrollTop")

        def touch(kind, *point):
            points = [{"x": point[0], "y": point[1]}] if point else []
            session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

        touch("touchStart", *at(small, 0.95))
        for height in (0.8, 0.6, 0.4, 0.1):
            touch("touchMove", *at(small, height))
        touch("touchEnd")

        lab.wait_python("abs(painter.probabilities[0] - 0.1) < 0.02")
        wait_same(lab)
        assert lab.page.evaluate("document.querySelector('.jp-WindowedPanel-outer').scrollTop") == top
    finally:
        lab.close()
        context.close()
    assert lab.errors == []


def test_a_table_of_two_attributes_moves_cells_and_totals(lab):
    lab.run(TWO, "painter")
    old = np.array(shares(lab))

    total = track(lab, "small, total")
    total.focus()
    lab.page.keyboard.press("PageUp")

    lab.wait_python("abs(sum(painter.probabilities[0]) - 0.6) < 1e-9")
    wait_same(lab)
    new = np.array(shares(lab))
    np.testing.assert_allclose(new / new.sum(1, keepdims=True), old / old.sum(1, keepdims=True))
    fail = lab.python("painter.names[1].index('FAIL')")
    before = new[1, fail]
    lab.page.mouse.click(*at(track(lab, "medium, FAIL"), 0.97))
    lab.wait_python(f"painter.probabilities[1][{fail}] > {before} + 0.01")
    values = wait_same(lab)
    assert sum(values) == pytest.approx(100)
    joint = lab.python("painter.target[('job_class', 'end_event')]")
    assert joint[("medium", "FAIL")] * 100 == pytest.approx(values[4 + fail])


@pytest.mark.parametrize("cell", [ONE, TWO], ids=["one", "two"])
@pytest.mark.parametrize("width", [1280, 800])
def test_it_reads_well_in_both_themes(lab, cell, width):
    lab.page.set_viewport_size({"width": width, "height": 900})
    lab.run(cell + "\npainter.lock(2)\npainter.probabilities = painter.probabilities[::-1]", "painter")
    name = "one" if cell == ONE else "two"
    for theme in ("Light", "Dark"):
        lab.theme(f"JupyterLab {theme}")
        lab.page.locator(".dgkit").scroll_into_view_if_needed()
        lab.shot(f"painter-{name}-{width}-{theme.lower()}", ".dgkit")
        assert lab.violations(".dgkit") == []
        clipped = "() => [...document.querySelectorAll('.dgkit *')].filter(e => e.scrollWidth > e.clientWidth + 1 "
        clipped += "&& getComputedStyle(e).overflowX === 'hidden' && e.clientWidth > 1).map(e => e.className)"
        assert lab.page.evaluate(clipped) == []
        assert lab.page.evaluate("(e => e.scrollWidth <= e.clientWidth)(document.querySelector('.dgkit'))")


def test_a_wrong_wish_is_said_in_the_widget(lab):
    lab.run(ONE, "painter")

    lab.python("0", setup="painter._receive(painter, {'action': 'paint', 'values': {'wishes': [[9, 1]]}}, [])")

    alert = lab.page.locator(".dgkit [role=alert]")
    alert.wait_for(state="visible")
    assert "places are 0 to 2" in alert.inner_text()
