"""Painter and Explorer in Notebook 7 and Voila: drawn, and a control answered by the kernel."""

SETUP = """
import numpy as np, xarray as xr
from dgkit_widgets import DistributionPainter, Explorer
n = 40
ds = xr.Dataset({
    "cpu": (("sample", "time"), np.random.default_rng(0).random((n, 6))),
    "job_class": ("sample", np.array(["small", "small", "small", "large"])[np.arange(n) % 4]),
})
painter = DistributionPainter(ds, "job_class")
run = xr.Dataset({"error": (("seed", "lag"), np.arange(80.0).reshape(2, 40)), "best": ("seed", [1.0, 3.0])})
explorer = Explorer(run)
"""


def test_they_draw_and_answer_a_control(host):
    host.run(SETUP, "painter", "explorer")
    page = host.page
    small = page.get_by_role("slider", name="small", exact=True)
    small.wait_for(timeout=90_000)
    assert small.get_attribute("aria-valuenow") == "75.0"

    page.get_by_role("button", name="Uniform", exact=True).click()

    # both come from Python
    page.wait_for_selector("[role=slider][aria-label=small][aria-valuenow='50.0']")
    page.wait_for_selector("button[aria-disabled=false]:has-text('Undo')")
    page.get_by_label("Compare", exact=True).select_option("seed")
    page.wait_for_selector(".dgkit-readout:has-text('seed 1')")
    host.shot(f"painter-explorer-{host.application}")


def test_a_control_redraws_the_figure_that_its_function_returns(lab):
    lab.run("""\
%matplotlib inline
import dgkit as dg, ipywidgets as widgets, xarray as xr
@widgets.interact(k=[1, 2, 3])
def line(k=2):
    return dg.plot.against(xr.DataArray([0.0, k], {"x": [0, 1]}, "x"), "x")
""")
    shown = "[...document.querySelectorAll('.jp-OutputArea-output img')].map(image => image.src)"
    lab.page.wait_for_function(f"{shown}.length === 1")
    before = lab.page.evaluate(shown)

    lab.page.locator(".jp-OutputArea select").select_option("3")

    lab.page.wait_for_function(f"before => {shown}.length === 1 && {shown}[0] !== before[0]", arg=before)
