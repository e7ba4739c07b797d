"""What every widget of clustrix is: a page that asks, answers to it, and a plain picture for when there is no kernel."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import anywidget
import traitlets
from IPython.display import publish_display_data, update_display

from clustrix.errors import ClustrixError
from clustrix_notebook import page
from clustrix_notebook.subshells import answer_beside_cells

log = logging.getLogger("clustrix.notebook")

_MOST_DISPLAYS = 5
"""So many views of one widget have a plain picture that follows."""

Message = dict[str, Any]


class Live(anywidget.AnyWidget):
    """Shown any number of times; all views of one are in step.

    A subclass says what its page may ask (``acts``), and draws the plain picture.
    """

    _esm = page.script()
    _css = page.style()
    shows = traitlets.Unicode().tag(sync=True)
    """Which view: page/main.js."""
    still = traitlets.Unicode().tag(sync=True)
    """The name of its plain picture."""
    acts: ClassVar[Mapping[str, Callable[[Any, Message], Message]]] = {}
    """By name: what to do, given the message; returns what is answered."""
    unspoken: ClassVar[tuple[str, ...]] = ()
    """Acts of whose errors only the kind may be told: they have seen a secret."""

    def __init__(self, **traits: Any) -> None:
        self._lock = threading.RLock()
        """Messages may be handled beside one another, and beside a thread that looks for news."""
        self._displays: list[str] = []
        self._drawn = ""
        self._drawn_at = 0.0
        super().__init__(**traits)
        answer_beside_cells(self)
        self.on_msg(self._on_message)

    def picture(self) -> str:
        """The plain picture: HTML, by ``clustrix_notebook.still``."""
        raise NotImplementedError

    def asked(self, message: Message) -> None:
        """Called before a message is handled.  What it raises is answered."""

    def answered(self) -> None:
        """Called after each message was handled, before the answer goes out."""

    def show(self) -> None:
        """One more view, and beside it the plain picture."""
        self._drawn, self._drawn_at = self.picture(), time.monotonic()
        name = f"{self.model_id}-{time.monotonic_ns()}"
        publish_display_data({"text/html": self._drawn, "text/plain": ""}, transient={"display_id": name})  # type: ignore[no-untyped-call]
        self._displays = [*self._displays[1 - _MOST_DISPLAYS :], name]
        # Without a text: who cannot show the widget has the picture.
        view = {"version_major": 2, "version_minor": 0, "model_id": self.model_id}
        publish_display_data({"application/vnd.jupyter.widget-view+json": view})  # type: ignore[no-untyped-call]

    def redraw(self, after_s: float = 0.0) -> None:
        """Draw the plain picture anew, if it is older than so many seconds and another one by now."""
        if time.monotonic() - self._drawn_at < after_s:
            return
        drawn, self._drawn_at = self.picture(), time.monotonic()
        if drawn != self._drawn:
            self._drawn = drawn
            for name in self._displays:
                update_display({"text/html": drawn, "text/plain": ""}, raw=True, display_id=name)  # type: ignore[no-untyped-call]

    def _on_message(self, _: Any, message: Message, __: Any) -> None:
        name = str(message.get("act"))
        act = self.acts.get(name)
        if act is None:
            return
        with self._lock:
            try:
                self.asked(message)
                answer = act(self, message)
            except ClustrixError as error:
                answer = {"error": str(error)}
            except Exception as error:  # the page waits for an answer, whatever a keyring or a plugin raises
                log.exception("a widget could not do what was asked")
                kind = type(error).__name__
                answer = {"error": kind if name in self.unspoken else f"{kind}: {error}"}
            self.answered()
        self.send({"re": message.get("id"), **answer})
