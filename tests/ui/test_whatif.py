"""The WhatIfExplorer in a real JupyterLab: whatever moves the painter, the picture and the table follow."""

import pytest

from tests.ui.test_painter import at, track

SETUP = """\
import dgkit as dg
from dgkit import whatif
from dgkit_widgets import DistributionPainter, WhatIfExplorer
seen = dg.simulate.cluster(1500, granted=True)
jobs, demand = seen.drop_vars("granted"), whatif.demand_of(seen, "granted", ["cpu_rate"], paced=True)
machines = dg.simulate.share_machines
ways = {
    "truth": lambda mix: dg.simulate.cluster(1000, seed=9, mix=mix),
    "what-if": lambda mix: whatif.sample_target(whatif.Rows(jobs), mix, 1000),
    "way out": lambda mix: whatif.run_demand(whatif.Rows(demand), machines, 1000, target=mix),
}
numbers = {
    "machine in use": lambda ds: dg.simulate.ARRIVALS * float(ds.cpu_rate.sum("time").mean()),
    "large": lambda ds: float((ds.job_class == "large").mean()),
}
painter = DistributionPainter(jobs, "job_class")
explorer = WhatIfExplorer(painter, ways, lambda ds: ds.cpu_rate.mean("time"), "CPU rate of a job", numbers)
"""
TABLE = ".jp-OutputArea-output table:has(th[scope=col])"


def table(lab):
    """The numbers that the page shows, by way."""
    rows = lab.page.locator(f"{TABLE} tr").all()[1:]
    return {
        row.locator("th").inner_text(): [float(cell) for cell in row.locator("td").all_inner_texts()] for row in rows
    }


def follow(lab, seconds=60):
    """Wait until the answers to the mix that is drawn are in the page; returns its table."""
    lab.wait_python("explorer.wait(0)", seconds)
    lab.page.wait_for_function(
        "value => [...document.querySelectorAll('svg[role=img]')].some(e => value.includes(e.getAttribute('aria-label')"
        ".replaceAll('&', '&amp;')))",
        arg=lab.python("explorer.children[1].value"),
    )
    shown = table(lab)
    ours = lab.python("{k: [round(of(ds), 2) for of in numbers.values()] for k, ds in explorer.answers.items()}")
    assert shown == {name: pytest.approx(values, abs=0.011) for name, values in ours.items()}
    large = lab.python("painter.target['job_class']['large']")
    assert all(values[1] == pytest.approx(large, abs=0.06) for values in shown.values())
    return shown


def test_the_mouse_draws_a_mix_and_all_three_answers_follow(lab):
    lab.run(SETUP, "explorer")
    today = follow(lab)
    before = lab.page.locator("svg[role=img]").last.get_attribute("aria-label")
    mouse, large = lab.page.mouse, track(lab, "large")

    mouse.move(*at(large, lab.python("painter.probabilities[2]")))  # the top of its bar
    mouse.down()
    mouse.move(*at(large, 0.65), steps=8)
    mouse.up()

    lab.wait_python("abs(painter.target['job_class']['large'] - 0.65) < 0.02")
    crowded = follow(lab)
    assert max(way[0] for way in today.values()) < 1
    assert crowded["what-if"][0] > 1.3 > 1.1 > crowded["truth"][0]  # single jobs do not know that the machine is full
    assert crowded["way out"][0] == pytest.approx(crowded["truth"][0], abs=0.2)
    assert lab.page.locator("svg[role=img]").last.get_attribute("aria-label") != before
    assert lab.page.locator("svg[role=img] polyline").count() == 3


def test_every_key_and_button_of_the_painter_is_followed(lab):
    lab.run(SETUP, "explorer")
    start = follow(lab)
    button = lambda name: lab.page.get_by_role("button", name=name, exact=True)  # noqa: E731

    track(lab, "large").focus()
    lab.page.keyboard.press("PageUp")
    lab.page.keyboard.press("PageUp")
    lab.page.keyboard.press("ArrowUp")
    lab.wait_python("painter.total_variation > 0.2")
    moved = follow(lab)
    lab.page.keyboard.press("l")  # and stays, whatever is done to the others
    lab.wait_python("painter.locked == [False, False, True]")
    button("Undo").click()  # undo passes over locks
    lab.wait_python("painter.can_redo")
    follow(lab)
    button("Redo").click()
    lab.wait_python("not painter.can_redo")
    assert follow(lab)["truth"] == moved["truth"]
    button("Uniform").click()
    lab.wait_python("painter.probabilities[0] == painter.probabilities[1]")
    assert follow(lab)["truth"][1] == moved["truth"][1]
    track(lab, "large").focus()
    lab.page.keyboard.press("l")
    lab.wait_python("not any(painter.locked)")
    button("As the data").click()
    lab.wait_python("painter.total_variation == 0")

    assert follow(lab) == start


def test_an_answer_that_fails_is_said_and_the_next_mix_is_answered(lab):
    fails = 'ways["what-if"] = lambda mix: 1 / 0 if mix["job_class"]["large"] > 0.5 else jobs\n'
    lab.run(SETUP.replace("numbers = {", f"{fails}numbers = {{"), "explorer")
    lab.wait_python("explorer.wait(0)", 60)

    lab.python("0", setup="painter.target = {'job_class': {'large': 1.0}}")
    alert = lab.page.locator("[role=alert]", has_text="ZeroDivisionError")
    alert.wait_for(state="visible")
    lab.python("0", setup="painter.target = {'job_class': {'small': 1.0}}")

    alert.wait_for(state="detached")
    assert lab.page.locator("svg[role=img] polyline").count() == 3


@pytest.mark.parametrize("width", [1280, 800])
def test_it_reads_well_in_both_themes(lab, width):
    lab.page.set_viewport_size({"width": width, "height": 1000})
    lab.run(SETUP + "painter.target = {'job_class': {'small': 0.3, 'medium': 0.1, 'large': 0.6}}", "explorer")
    follow(lab)
    output = ".jp-OutputArea-output:has(svg[role=img])"
    for theme in ("Light", "Dark"):
        lab.theme(f"JupyterLab {theme}")
        lab.page.locator(TABLE).scroll_into_view_if_needed()
        lab.shot(f"whatif-{width}-{theme.lower()}", output)
        assert lab.violations(output) == []
        assert lab.page.evaluate(f"(e => e.scrollWidth <= e.clientWidth + 1)(document.querySelector('{output}'))")
