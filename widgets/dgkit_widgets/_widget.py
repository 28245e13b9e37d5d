"""What all widgets share: where their built JavaScript lies, the gate for messages from a page, errors shown, reprs."""

import html as markup
import inspect
import os
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

import anywidget
import numpy as np
import traitlets

from dgkit import _atomic
from dgkit.errors import ConfigError
from dgkit_widgets._page import STATIC, page

DEPTH, PARTS, LETTERS = 8, 100_000, 1_000_000  # of what a page may say in one message
LARGEST = 2**64  # of its whole numbers
SHOWN = 1000  # letters of an error


def told(error: BaseException) -> str:
    """An exception as a widget shows it: dgkit's own as its message, any other with the place it came from."""
    text = str(error)
    text = text if len(text) <= SHOWN else f"{text[:SHOWN]} ..."
    if type(error).__module__.startswith("dgkit"):
        return text
    where = traceback.extract_tb(error.__traceback__)
    place = f" ({Path(where[-1].filename).name}, line {where[-1].lineno})" if where else ""
    return f"{type(error).__name__}: {text}{place}"


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

    A page may also set the traits that have the tag `settable`, through the validators that a cell's assignment goes
    through. What is refused keeps its value, which the page is sent again. All other traits are Python's to say.
    """

    actions: ClassVar[tuple[str, ...]] = ()
    error = traitlets.Unicode("").tag(sync=True)
    _made = False

    def __init__(self, **traits: Any) -> None:
        super().__init__(**traits)
        self._made = True
        self.on_msg(self._receive)

    def open(self) -> None:
        """Tell the page of the widget, with what it shows first: what is sent while its script loads can be lost."""
        if not self._made:
            self._draw_first()
        super().open()

    def _draw_first(self) -> None:
        """Set the traits that the page is to find first; all that a caller gave is set by then."""

    @contextmanager
    def hold_trait_notifications(self) -> Iterator[None]:
        """As in traitlets while the widget is made; later nothing is held.

        At the end of a hold traitlets would validate values that are set already: a validator then finds no value from
        before, which a change in part needs, and what it refuses stays.
        """
        if self._made:
            yield
        else:
            with super().hold_trait_notifications():
                yield

    def set_state(self, sync_data: Mapping[str, Any]) -> None:
        """Take over what a page sets, trait by trait: right, or refused with the old value in place."""
        self.error, refused = "", []
        for name in [name for name in sync_data if name in self.keys]:
            try:
                if not self.trait_metadata(name, "settable"):
                    raise ConfigError(f"{name} cannot be set from a page. Set it in Python.")
                bounded(sync_data[name])
                super().set_state({name: sync_data[name]})
            except Exception as error:
                self.send_state(name)
                refused.append(error)
        if refused:
            self.show_error(refused[0])

    def _receive(self, _widget: Any, content: Any, _buffers: Any) -> None:
        action = content.get("action") if isinstance(content, dict) else None
        if action in self.actions:
            self.guarded(lambda: self._act(action, content.get("values") or {}))

    def _act(self, action: str, values: Any) -> None:
        """Do what a page asks for; a method `_asked_x` stands in for `x` where a page may do less than a cell."""
        bounded(values)
        method = getattr(self, f"_asked_{action}", getattr(self, action))
        try:
            inspect.signature(method).bind(**values)
        except TypeError as error:
            raise ConfigError(f"a message asks for {action!r} with the wrong values: {error}.") from error
        if not isinstance(values.get("token", ""), str):
            raise ConfigError(f"token={values['token']!r:.80} must be text.")
        method(**values)

    def guarded(self, call: Callable[[], Any]) -> None:
        """Run `call`; an exception becomes the widget's `error`, which is cleared before (`call` may set it too)."""
        self.error = ""
        try:
            call()
        except Exception as error:
            self.show_error(error)

    def show_error(self, error: BaseException) -> None:
        """Show an exception as the widget's `error`."""
        self.error = told(ConfigError(str(error)) if isinstance(error, traitlets.TraitError) else error)

    def to_html(self, path: str | os.PathLike[str]) -> None:
        """Write the widget as one HTML file that needs neither kernel nor network.

        Explorer, SeriesBrowser and PrivacyDial stay live there, as far as their data go: the page says how far. The
        others are a picture of what they show now.

        Parameters
        ----------
        path : path
            Written whole or not at all; what was there is replaced.

        Raises
        ------
        SaveError
            The file cannot be written.
        """
        _atomic.replace(path, [self.html().encode()])

    def html(self, below: str = "") -> str:
        """The text of `to_html`'s file, with HTML that stands under the widget."""
        shown, data, note = self._alone()
        state = {name: value for name, value in self.get_state().items() if not name.startswith("_")} | shown
        for trait in ("layout", "tabbable", "tooltip"):  # ipywidgets', which a page has no use for
            state.pop(trait, None)
        name, esm, css = type(self).__name__, str(self._esm), str(self._css)
        return page(name, state, esm=esm, css=css, data=data, note=note, below=below)

    def _alone(self) -> tuple[dict[str, Any], dict[str, Any] | None, str]:
        """Traits that a page without a kernel shows otherwise, what it answers from (None: nothing), and a note."""
        return (
            {},
            None,
            f"A picture of the {type(self).__name__}, which is live in a notebook. {self.without_browser()}",
        )

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
            "text/html": f'<p style="white-space: pre-wrap">{markup.escape(text)}</p>',
        }, metadata


def static(name: str) -> tuple[str, str]:
    """The built files of one widget, for anywidget's `_esm` and `_css`: of paths it would keep every widget made."""
    script, style = ((STATIC / f"{name}.{kind}").read_text("utf-8") for kind in ("js", "css"))
    return script, style


def f4(values: Any) -> bytes:
    """Numbers as a page takes them: float32."""
    return np.ascontiguousarray(values, np.float32).tobytes()


def bounded(value: Any, what: str = "a message from a page") -> None:
    """ConfigError where a value from outside is nested too deep, or has more in it than any use of a widget needs."""
    level, parts, letters = [value], 0, 0
    for _ in range(DEPTH):
        parts += len(level)
        letters += sum(len(one) for one in level if isinstance(one, str))
        if parts > PARTS or letters > LETTERS:
            raise ConfigError(f"{what} has more than {PARTS:,} parts or {LETTERS:,} letters; nothing here needs that.")
        if any(isinstance(one, int) and abs(one) >= LARGEST for one in level):
            raise ConfigError(f"{what} has a whole number of 2**64 or more; nothing here needs that.")
        inner: list[Any] = []
        for one in level:
            inner += [*one.keys(), *one.values()] if isinstance(one, dict) else one if isinstance(one, list) else []
        if not inner:
            return
        level = inner
    raise ConfigError(f"{what} is nested more than {DEPTH} deep; nothing here needs that.")
