"""A widget as one HTML file: its own JavaScript, its state, and where they are enough the data to answer from.

Nothing is loaded from elsewhere, which the page's Content-Security-Policy holds it to. What answers is
widgets/js/src/alone.js; a widget without answers is a picture of what it showed.
"""

import base64
import html
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

STATIC = Path(__file__).parent / "static"
_PAGE = """\
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; script-src 'unsafe-inline' blob:; style-src 'unsafe-inline'; img-src data: blob:">
<title>{name} of dgkit</title>
<style>
:root {{ color-scheme: light dark }}
body {{ margin: 0; padding: 4px; font: 14px/1.4 system-ui, sans-serif; background: var(--jp-layout-color0);
  --jp-layout-color0: #fff; color: var(--jp-content-font-color0) }}
body[data-jp-theme-light="false"] {{ --jp-layout-color0: #121212; --jp-layout-color1: #1e1e1e; --jp-border-color1: #666;
  --jp-content-font-color0: #f2f2f2; --jp-content-font-color1: #d0d0d0 }}
h1 {{ position: absolute; width: 1px; height: 1px; margin: 0; overflow: hidden; clip-path: inset(50%) }}
.note {{ margin: 6px 2px; overflow-wrap: anywhere }}
{css}
</style>
<main>
<h1>{name}</h1>
<div id="widget"{inert}></div>
{below}
<p class="note">{note}</p>
</main>
<script type="module">
const load = (text) => import(URL.createObjectURL(new Blob([text], {{ type: "text/javascript" }})));
const {{ aloneModel, followTheme, revived }} = await load({alone});
followTheme();
const model = aloneModel(revived({state}), {kind}, revived({data}));
const {{ default: widget }} = await load({esm});
await widget.initialize?.({{ model }});
await widget.render({{ model, el: document.getElementById("widget") }});
window.dgkitModel = model;
document.body.dataset.drawn = "yes";
</script>
</html>
"""


def page(
    name: str,
    state: Mapping[str, Any],
    *,
    esm: str,
    css: str,
    note: str,
    data: Mapping[str, Any] | None = None,
    below: str = "",
) -> str:
    """The page of a widget with these traits, which `data` make a live one; `below` is HTML under it.

    Examples
    --------
    >>> text = page("Nothing", {"n": 3}, esm="let a = '</script>'", css="", note="a < b")
    >>> text.count("</script>"), "a &lt; b" in text
    (1, True)
    """
    return _PAGE.format(
        name=html.escape(name),
        inert="" if data is not None else " inert",  # what does nothing cannot be reached either
        note=html.escape(note),
        kind=inline(name),
        alone=inline((STATIC / "alone.js").read_text(encoding="utf-8")),
        **{key: inline(value) for key, value in (("state", state), ("data", data), ("esm", esm))},
        css=css,
        below=below,
    )


def inline(value: Any) -> str:
    """A value as JavaScript that may stand in a script element; bytes as alone.js revives them."""
    return json.dumps(value, default=_plain, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")


def _plain(value: Any) -> Any:
    if isinstance(value, bytes | memoryview):
        return {"base64": base64.b64encode(value).decode()}
    return value.item()  # a number of NumPy's
