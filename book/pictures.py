"""Widgets on pages behind which there is no kernel: live where their data are enough, else pictures at rest.

A run notebook holds the state of its widgets, and of some a page (book/run.py), which is shown in a frame. Another one
of dgkit's is drawn from its state by its own JavaScript in Chromium and photographed; of ipywidgets' `interact` the
output is shown with the names of its controls. Where there is no Chromium, or another widget, a line of text says what
it is.
"""

import base64
import html
from collections.abc import Iterator
from contextlib import contextmanager
from functools import reduce
from operator import getitem

from dgkit_widgets._page import page as alone
from nbformat import NotebookNode
from nbformat.v4 import new_output

from dev import chromium

VIEW = "application/vnd.jupyter.widget-view+json"
STATE = "application/vnd.jupyter.widget-state+json"


def still(notebook: NotebookNode, camera=None, live: dict[str, str] | None = None) -> NotebookNode:
    """The notebook with its widgets' views made into pictures and text; `camera` is a Playwright page, or None.

    Of a model that `live` names, the page there is shown, which needs no kernel.
    """
    models = notebook.metadata.pop("widgets", {}).get(STATE, {}).get("state", {})
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = [part for output in cell.outputs for part in stills(output, models, camera, live or {})]
    return notebook


def stills(output: NotebookNode, models: dict, camera, live: dict[str, str]) -> Iterator[NotebookNode]:
    """What is shown in place of one output: itself if it is no widget."""
    if "image/png" in output.get("data", {}):
        output["data"].pop("text/html", None)  # the same picture (dgkit.course.outputs), which the book keeps as a file
    view = output.get("data", {}).pop(VIEW, None)
    if view is None:
        yield output
        return
    model = models.get(view["model_id"], {"model_name": "", "state": {}})
    inner = list(family(model, models))
    if view["model_id"] in live:
        yield frame(output, live[view["model_id"]])
    elif model["state"].get("_esm"):
        yield from photograph(output, model, camera)
    elif any(one["state"].get("_esm") for one in inner):  # in a box, with what its drawing makes of it
        for one in inner:
            if one["state"].get("_esm"):
                yield from photograph(output, one, camera)
            elif one["model_name"] == "HTMLModel":
                yield new_output("display_data", {"text/html": one["state"]["value"], "text/plain": "an answer"})
    elif any(one["model_name"] == "OutputModel" for one in inner):
        controls = [one["state"]["description"] for one in inner if one["state"].get("description")]
        yield note(f"In the notebook controls redraw this: {', '.join(controls)}.")
        for one in inner:
            for shown in map(NotebookNode, one["state"].get("outputs", [])):
                yield from stills(shown, models, camera, live)
    elif options := [text for one in inner for text in one["state"].get("_options_labels", [])]:
        yield question(next((one["state"]["value"] for one in inner if one["model_name"] == "HTMLModel"), ""), options)
    elif "FloatProgressModel" not in {one["model_name"] for one in inner}:  # a bar that is full says nothing
        yield note(f"{output.data.get('text/plain', 'A widget').partition('(')[0]} is live in the notebook.")


def family(model: dict, models: dict) -> Iterator[dict]:
    """A widget's model and those inside it."""
    yield model
    for child in model["state"].get("children", []):
        yield from family(models[child.removeprefix("IPY_MODEL_")], models)


def note(text: str) -> NotebookNode:
    shown = f'<p class="widget-note">{html.escape(text)}</p>'
    return new_output("display_data", {"text/html": shown, "text/plain": text})


def question(asked: str, options: list[str]) -> NotebookNode:
    """A question with what may be chosen; `asked` is HTML, as the widget has it."""
    shown = "".join(f"<li>{html.escape(option)}</li>" for option in options)
    text = f'<p>{asked}</p><ul>{shown}</ul><p class="widget-note">In the notebook one of these is chosen, and kept.</p>'
    return new_output("display_data", {"text/html": text, "text/plain": "a question"})


def frame(output: NotebookNode, address: str) -> NotebookNode:
    """A live widget's page within the chapter's (book/static/live.js gives it its height and theme)."""
    name = output.data.get("text/plain", "").removeprefix("<").partition(".")[0]
    shown = (
        f'<iframe class="live" src="{address}" title="{name}, live" loading="lazy"></iframe>'
        f'<p class="widget-note"><a href="{address}">{name} on a page of its own</a></p>'
    )
    return new_output("display_data", {"text/html": shown, "text/plain": name})


def photograph(output: NotebookNode, model: dict, camera) -> Iterator[NotebookNode]:
    """A widget of dgkit's as a picture with a line under it; the line alone without a camera."""
    name = output.data.get("text/plain", "").removeprefix("<").partition(".")[0]
    if camera is not None:
        camera.set_content(page(model))
        camera.wait_for_selector("body[data-drawn=yes]", timeout=60_000)
        camera.wait_for_timeout(500)  # what is drawn in the next frames
        shot = base64.b64encode(camera.locator("#widget").screenshot(animations="disabled")).decode()
        picture = f'<img src="data:image/png;base64,{shot}" alt="{name} as it is before anything is moved"/>'
        yield new_output("display_data", {"text/html": picture, "text/plain": name})
    live = "is live in the notebook" + ("; this is a picture of it." if camera is not None else ".")
    yield note(f"{name} {live}")


def page(model: dict) -> str:
    """A page that draws one widget from its state, as its own JavaScript does in JupyterLab; nothing answers it."""
    state = {name: value for name, value in model["state"].items() if not name.startswith("_")}
    for one in model.get("buffers", []):
        *inner, last = one["path"]
        reduce(getitem, inner, state)[last] = {"base64": one["data"]}
    return alone("widget", state, esm=model["state"]["_esm"], css=model["state"].get("_css", ""), note="")


@contextmanager
def camera(width: int = 800):
    """A page of Chromium, with twice the pixels; None where there is no Chromium."""
    found = chromium()
    if found is None:
        print("No Chromium: widgets are told of, not shown.", flush=True)
        yield None
        return
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox", "--disable-gpu"])
        yield browser.new_page(viewport={"width": width, "height": 900}, device_scale_factor=2)
        browser.close()
