"""What all widgets share: where their built JavaScript lies, actions with errors shown in the widget, plain reprs."""

import html
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import anywidget
import traitlets

STATIC = Path(__file__).parent / "static"


class Widget(anywidget.AnyWidget):
    """A widget whose JavaScript asks for actions by name.

    Attributes
    ----------
    error : str
        Shown at the widget's head (role "alert"); empty if nothing is wrong.

    Notes
    -----
    The browser's `act(model, "start", {...})` calls the method `start(**values)` if `actions` lists it. Whatever that
    raises is shown in the widget, since an exception in a callback is otherwise lost. The methods may run in another
    thread than the notebook's cells (ipykernel 7.1 to 7.3), so they only take locks, set events or set traits.
    """

    actions: ClassVar[tuple[str, ...]] = ()
    error = traitlets.Unicode("").tag(sync=True)

    def __init__(self, **traits: Any) -> None:
        super().__init__(**traits)
        self.on_msg(self._receive)

    def _receive(self, _widget: Any, content: Any, _buffers: Any) -> None:
        action = content.get("action") if isinstance(content, dict) else None
        if action not in self.actions:
            return
        values = content.get("values") or {}
        self.guarded(lambda: getattr(self, action)(**values))

    def guarded(self, call: Callable[[], Any]) -> None:
        """Run `call`; an exception becomes the widget's `error`, which is cleared before (`call` may set it too)."""
        self.error = ""
        try:
            call()
        except Exception as error:
            self.show_error(error)

    def show_error(self, error: BaseException) -> None:
        """Show an exception: dgkit's own as its message, any other with the place it came from."""
        name = type(error).__name__
        where = traceback.extract_tb(error.__traceback__)
        place = f" ({Path(where[-1].filename).name}, line {where[-1].lineno})" if where else ""
        own = type(error).__module__.startswith("dgkit")
        self.error = f"{name}: {error}" + ("" if own else place)

    def without_browser(self) -> str:
        """What to do where widgets cannot run; subclasses name the call that does the same."""
        return "In code: help(dgkit)."

    def __repr__(self) -> str:
        return f"<{type(self).__name__}. {self.without_browser()}>"

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        bundle = super()._repr_mimebundle_(**kwargs)
        if bundle is None:
            return None
        data, metadata = bundle
        text = (
            f"This is a {type(self).__name__}, a live widget. It needs a running kernel and JavaScript: open the "
            "notebook with `make lab` (or in JupyterLab, Notebook 7 or Voila with dgkit[lab]) and run the cell "
            "again. "
            f"{self.without_browser()}"
        )
        return data | {
            "text/plain": repr(self),
            "text/html": f'<p style="white-space: pre-wrap">{html.escape(text)}</p>',
        }, metadata


def static(name: str) -> dict[str, Path]:
    """The built files of one widget, as anywidget's class attributes."""
    return {"_esm": STATIC / f"{name}.js", "_css": STATIC / f"{name}.css"}
