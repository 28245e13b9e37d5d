"""In a chapter's kernel a figure says in words what it shows, and a wide table scrolls by keyboard.

JupyterLab draws an output of the kind image/png without such a text. So beside it goes the same picture as HTML, which
JupyterLab, Notebook and Voila take first. The words are the figure's own: titles, axes, legend. Left out: what is to be
seen in it, which the chapter's text says. A table that is wider than the window gets a frame that Tab reaches.
"""

import html
import sys
from collections.abc import Iterable
from typing import Any

LONGEST = 400  # letters
FRAME = '<div role="region" aria-label="Table" tabindex="0" style="overflow-x:auto">'
MOST = 12  # panels or curves that are named


def describe_outputs() -> None:
    """Inside IPython: from now on figures have words and tables a frame; elsewhere nothing happens."""
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    formatter = getattr(shell, "display_formatter", None)
    if formatter is None or hasattr(formatter, "dgkit_as_before"):
        return
    formatter.dgkit_as_before = as_before = formatter.format

    def with_words(obj: Any, *args: Any, **kwargs: Any) -> Any:
        data, metadata = as_before(obj, *args, **kwargs)
        drawn = sys.modules.get("matplotlib.figure")
        if drawn and isinstance(obj, drawn.Figure) and "image/png" in data and "text/html" not in data:
            data["text/html"] = _tag(data["image/png"], metadata.get("image/png", {}), in_words(obj))
        if "<table" in data.get("text/html", ""):
            data["text/html"] = f"{FRAME}{data['text/html']}</div>"
        return data, metadata

    formatter.format = with_words


def in_words(figure: Any) -> str:
    """Titles, axes and curves of a figure, in a sentence each."""
    axes = [axis for axis in figure.axes if axis.get_label() != "<colorbar>"]
    across = _list(
        f"{axis.get_ylabel()} against {axis.get_xlabel()}" if axis.get_ylabel() else axis.get_xlabel()
        for axis in axes
        if axis.get_xlabel() or axis.get_ylabel()
    )
    titles = _list([*([figure._suptitle.get_text()] if figure._suptitle else []), *(a.get_title() for a in axes)])
    legends = [one for one in (*figure.legends, *(axis.get_legend() for axis in axes)) if one is not None]
    named = _list(text.get_text() for one in legends for text in one.get_texts())
    kind = f"Figure of {len(axes)} panels" if len(axes) > 1 else "Figure"
    parts = [kind, across, f"Panels: {titles}" if len(axes) > 1 and titles else titles, f"Shown: {named}" * bool(named)]
    words = ". ".join(part.replace("\n", " ") for part in parts if part) + "."
    return words if len(words) <= LONGEST else f"{words[: LONGEST - 4]} ..."


def _list(texts: Iterable[str]) -> str:
    """Each once, in their order."""
    found = list(dict.fromkeys(text for text in texts if text))
    return "; ".join(found[:MOST]) + f"; and {len(found) - MOST} more" * (len(found) > MOST)


def _tag(png: str, size: dict[str, Any], words: str) -> str:
    place = f' width="{size["width"]}"' if "width" in size else ""
    picture = png.replace("\n", "")
    return (
        f'<img src="data:image/png;base64,{picture}"{place} style="max-width:100%;height:auto" '
        f'alt="{html.escape(words)}"/>'
    )
