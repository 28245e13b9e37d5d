"""Where else widgets run: Notebook 7 and Voila draw them and answer a control."""

import pytest

from tests.ui.conftest import Lab, Server

SETUP = """
import dgkit as dg
from dgkit_widgets import TrainingStudio
config = dg.Config(steps=100, sample_len=8, batch_size=8, lstm_units=8, attribute_units=8, discriminator_units=16)
studio = TrainingStudio("broadband", config)
studio
"""
NOTEBOOK = ("reading 'schema'",)  # Notebook 7.6's own, on any notebook
# Voila asks a CDN for an icon font, and for parts of JupyterLab that its page has not
VOILA = ("fontawesome", "ERR_", "Failed to load resource", "No provider for", "plugin", "shared module")


@pytest.fixture
def host(request, browser, tmp_path):
    server = Server(tmp_path, request.param)
    lab = Lab(server, browser.new_page(viewport={"width": 1280, "height": 1000}), "notebooks")
    yield lab
    if request.param == "voila":
        lab.page.close()
    else:
        lab.close()
    server.stop()


def takes_a_step(page) -> None:
    page.wait_for_selector(".dgkit-studio .uplot", timeout=120_000)
    page.get_by_role("button", name="One step", exact=True).click()
    page.wait_for_selector(".dgkit-progress-text:has-text('step 1 of 100')")


@pytest.mark.parametrize("host", ["notebook"], indirect=True)
def test_notebook_7(host):
    host.run(SETUP)
    takes_a_step(host.page)
    assert host.python("studio.trainer.step") == 1
    host.shot("studio-notebook7")
    assert [error for error in host.errors if not any(part in error for part in NOTEBOOK)] == []


@pytest.mark.parametrize("host", ["voila"], indirect=True)
def test_voila(host):
    name = host.notebook(SETUP)
    host.page.route("**/cdn.jsdelivr.net/**", lambda route: route.abort())  # there may be no network
    host.page.goto(f"{host.server.url}/voila/render/{name}", wait_until="commit")
    takes_a_step(host.page)
    host.shot("studio-voila")
    assert [error for error in host.errors if not any(part in error for part in VOILA)] == []
