"""Widgets as pictures of what they show at rest, for pages behind which there is no kernel.

A run notebook holds the state of its widgets. One of dgkit's is drawn from it by its own JavaScript in Chromium and
photographed; of ipywidgets' `interact` the output is shown with the names of its controls. Where there is no Chromium,
or another widget, a line of text says what it is.
"""

import base64
import html
import json
from collections.abc import Iterator
from contextlib import contextmanager

from nbformat import NotebookNode
from nbformat.v4 import new_output

from dev import chromium

VIEW = "application/vnd.jupyter.widget-view+json"
STATE = "application/vnd.jupyter.widget-state+json"
PAGE = """\
<!doctype html><html lang="en"><meta charset="utf-8"><title>dgkit widget</title>
<style>body {{ margin: 0; font-family: sans-serif; background: white }} {css}</style>
<div id="widget"></div>
<script type="module">
const state = {state};
for (const {{ path, data }} of {buffers}) {{
  const bytes = Uint8Array.from(atob(data), (c) => c.charCodeAt(0));
  const last = path.pop();
  path.reduce((value, key) => value[key], state)[last] = new DataView(bytes.buffer);
}}
const unheard = Object.fromEntries(["set", "on", "off", "send", "save_changes"].map((name) => [name, () => {{}}]));
const model = {{ get: (name) => state[name], ...unheard }};
const {{ default: widget }} = await import(URL.createObjectURL(new Blob([{esm}], {{ type: "text/javascript" }})));
await widget.initialize?.({{ model }});
await widget.render({{ model, el: document.getElementById("widget") }});
document.body.dataset.drawn = "yes";
</script></html>
"""


def still(notebook: NotebookNode, camera=None) -> NotebookNode:
    """The notebook with its widgets' views made into pictures and text; `camera` is a Playwright page, or None."""
    models = notebook.metadata.pop("widgets", {}).get(STATE, {}).get("state", {})
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = [part for output in cell.outputs for part in stills(output, models, camera)]
    return notebook


def stills(output: NotebookNode, models: dict, camera) -> Iterator[NotebookNode]:
    """What is shown in place of one output: itself if it is no widget."""
    if "image/png" in output.get("data", {}):
        output["data"].pop("text/html", None)  # the same picture (dgkit.course.outputs), which the book keeps as a file
    view = output.get("data", {}).pop(VIEW, None)
    if view is None:
        yield output
        return
    model = models.get(view["model_id"], {"model_name": "", "state": {}})
    inner = list(family(model, models))
    if model["state"].get("_esm"):
        yield from photograph(output, model, camera)
    elif any(one["model_name"] == "OutputModel" for one in inner):
        controls = [one["state"]["description"] for one in inner if one["state"].get("description")]
        yield note(f"In the notebook controls redraw this: {', '.join(controls)}.")
        for one in inner:
            for shown in map(NotebookNode, one["state"].get("outputs", [])):
                yield from stills(shown, models, camera)
    elif "FloatProgressModel" not in {one["model_name"] for one in inner}:  # a bar that is full says nothing
        yield output


def family(model: dict, models: dict) -> Iterator[dict]:
    """A widget's model and those inside it."""
    yield model
    for child in model["state"].get("children", []):
        yield from family(models[child.removeprefix("IPY_MODEL_")], models)


def note(text: str) -> NotebookNode:
    shown = f'<p class="widget-note">{html.escape(text)}</p>'
    return new_output("display_data", {"text/html": shown, "text/plain": text})


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
    state = {name: value for name, value in model["state"].items() if name not in ("_esm", "_css")}
    buffers = [{"path": one["path"], "data": one["data"]} for one in model.get("buffers", [])]
    return PAGE.format(
        css=model["state"].get("_css", ""),
        state=inline(state),
        buffers=inline(buffers),
        esm=inline(model["state"]["_esm"]),
    )


def inline(value) -> str:
    """JSON that may stand in a script element."""
    return json.dumps(value).replace("<", "\\u003c")


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
