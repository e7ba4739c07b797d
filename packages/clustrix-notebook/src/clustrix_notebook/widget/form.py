"""The form: a widget over the editor.  The page shows what the traits say, and asks for the rest by messages.

Handlers run where the kernel runs them, in the main thread or, where JupyterLab and ipykernel know subshells, beside a running cell.
"""

from __future__ import annotations

import functools
import threading
import time
from collections.abc import Callable
from typing import Any

import anywidget
import traitlets
from IPython.display import display, update_display

from clustrix.config import origins, secrets
from clustrix.config.store import process
from clustrix.errors import ClustrixError
from clustrix_notebook import page, still
from clustrix_notebook.widget import importing, saving
from clustrix_notebook.widget.connecting import ConnectionTest
from clustrix_notebook.widget.describing import groups
from clustrix_notebook.widget.drafts import Store
from clustrix_notebook.widget.editor import Editor

_LOOK_SECONDS = 1.0
_STILL_SECONDS = 2.0
"""The plain picture follows that much later at most: it is for those who come when nobody types any more."""

Answer = dict[str, Any]


class Form(anywidget.AnyWidget):  # type: ignore[misc]  # anywidget is untyped for us
    """One form, shown any number of times."""

    _esm = page.script()
    _css = page.style()
    shows = traitlets.Unicode("form").tag(sync=True)
    still = traitlets.Unicode("form").tag(sync=True)
    groups = traitlets.List().tag(sync=True)
    """The fields, as ``describing`` says."""
    edits = traitlets.Dict().tag(sync=True)
    """What is typed: ``profile``, ``texts``, and a ``number`` that grows with each change."""
    checked = traitlets.Dict().tag(sync=True)
    """``problems`` of the texts of that ``number``."""
    view = traitlets.Dict().tag(sync=True)

    def __init__(self, editor: Editor) -> None:
        self._editor = editor
        self._displays: list[str] = []
        self._drawn = ""
        self._drawn_at = 0.0
        self._test_running: ConnectionTest | None = None
        super().__init__(groups=groups(), **self._state(0))
        self.on_msg(self._on_message)
        self.observe(self._on_edits, "edits")
        self._watching = threading.Thread(target=self._watch, name="clustrix-form", daemon=True)
        self._watching.start()

    def show(self) -> None:
        """One more view, and beside it the plain picture."""
        self._drawn = self._still()
        handle = display({"text/html": self._drawn, "text/plain": ""}, raw=True, display_id=True)
        self._displays = [*self._displays[-4:], handle.display_id]
        display(self)

    # -- the state of the page

    def _state(self, number: int) -> dict[str, Any]:
        return {
            "edits": {"profile": self._editor.edited, "texts": self._editor.texts(), "number": number},
            "checked": {"problems": self._editor.problems(), "number": number},
            "view": {**self._editor.view(), "files": saving.targets()},
        }

    def _refresh(self) -> None:
        """Show what the editor has now."""
        self._on_own_account = True
        try:
            with self.hold_sync():
                for name, value in self._state(self.edits["number"] + 1).items():
                    setattr(self, name, value)
        finally:
            self._on_own_account = False

    _on_own_account = False

    def _on_edits(self, change: Any) -> None:
        if self._on_own_account:
            return
        given = change["new"]
        if given["profile"] != self._editor.edited:
            return  # typed before another profile was chosen, and come too late
        self._editor.edit(given["texts"])
        self.checked = {"problems": self._editor.problems(), "number": given["number"]}
        self.view = {**self._editor.view(), "files": saving.targets()}

    # -- what the page asks

    def _on_message(self, _: Any, message: dict[str, Any], __: Any) -> None:
        act = _ACTS.get(str(message.get("act")))
        if act is None:
            return
        try:
            answer = act(self, message)
        except ClustrixError as error:
            answer = {"error": str(error)}
        self._refresh()
        self.send({"re": message.get("id"), **answer})

    def _apply(self, _: Answer) -> Answer:
        problems = self._editor.problems()
        if problems:
            return {"error": f"first mend: {', '.join(problems)}"}
        self._editor.apply()
        held = self._editor.settings.current()
        host = held.get("cluster_host")
        return {"said": [f"Holds now: jobs run on {held['cluster_type']}{f' at {host}' if host else ''}."]}

    def _plan(self, message: Answer) -> Answer:
        self._editor.settings.layers()
        return {"files": saving.plan(self._editor, message["target"])}

    def _save(self, message: Answer) -> Answer:
        return {
            "said": [
                f"Saved: {path}" for path in saving.save(self._editor, message["target"], message["digests"])
            ]
        }

    def _import(self, message: Answer) -> Answer:
        return {"said": importing.take(self._editor, message["text"], message.get("name", ""))}

    def _test(self, _: Answer) -> Answer:
        problems = self._editor.problems()
        if problems:
            return {"error": f"first mend: {', '.join(problems)}"}
        if self._test_running is not None:
            self._test_running.stop()
        self._test_running = ConnectionTest(self._editor.tried(), self.send)
        return {}

    def _answer(self, message: Answer) -> Answer:
        if self._test_running is not None:
            text = message.get("text")
            self._test_running.answer(int(message["number"]), None if text is None else str(text))
            self.send({"event": "answered"})  # for the other views
        return {}

    def _stop(self, _: Answer) -> Answer:
        if self._test_running is not None:
            self._test_running.stop()
        return {}

    def _keep_secret(self, message: Answer) -> Answer:
        secrets.store(self._editor.settings, self._entry(message), str(message["text"]))
        return {
            "said": "kept in the keyring"
            + (f", for profile {self._editor.edited}" if self._editor.edited else "")
        }

    def _remove_secret(self, message: Answer) -> Answer:
        there = secrets.delete(self._editor.settings, self._entry(message))
        return {"said": "removed from the keyring" if there else "it was not in the keyring"}

    def _find_secret(self, message: Answer) -> Answer:
        settings = self._editor.settings
        name = self._editor.edited
        filed = name in settings.profiles()
        return {
            "said": secrets.whereabouts(settings, settings.current(name if filed else None))[message["name"]]
        }

    def _entry(self, message: Answer) -> secrets.Entry:
        return secrets.Entry(str(message["name"]), self._editor.edited or None)

    def _edit(self, how: Callable[[Editor, Answer], None], message: Answer) -> Answer:
        how(self._editor, message)
        return {}

    # -- beside all that

    def _watch(self) -> None:
        """Follow the files, keep the drafts, draw the plain picture anew."""
        while True:
            time.sleep(_LOOK_SECONDS)
            try:
                if self._editor.refresh():
                    self._refresh()
                self._editor.keep()
                self._redraw()
            except ClustrixError as error:
                self.view = {**self.view, "trouble": str(error)}

    def _redraw(self) -> None:
        if time.monotonic() - self._drawn_at < _STILL_SECONDS:
            return
        drawn = self._still()
        if drawn != self._drawn:
            self._drawn, self._drawn_at = drawn, time.monotonic()
            for name in self._displays:
                update_display({"text/html": drawn, "text/plain": ""}, raw=True, display_id=name)

    def _still(self) -> str:
        view, texts = self._editor.view(), self._editor.texts()
        held = f"profile {view['held']} holds" if view["held"] else "no profile holds"
        edited = f"profile {view['edited']}" if view["edited"] else "no profile"
        rows = [(name, value, "here") for name, value in texts.items()]
        rows += [
            (name, value, origin)
            for name, (value, origin) in view["below"].items()
            if value and name not in texts and origin != origins.DEFAULT
        ]
        return still.picture(
            "form", f"clustrix settings: {edited}; {held}", still.table(("setting", "value", "from"), rows)
        )


def _does(how: Callable[[Editor, Answer], None]) -> Callable[[Form, Answer], Answer]:
    return lambda form, message: form._edit(how, message)


_ACTS: dict[str, Callable[[Form, Answer], Answer]] = {
    "apply": Form._apply,
    "plan": Form._plan,
    "save": Form._save,
    "import": Form._import,
    "test": Form._test,
    "answer": Form._answer,
    "stop": Form._stop,
    "keep secret": Form._keep_secret,
    "remove secret": Form._remove_secret,
    "find secret": Form._find_secret,
    "choose": _does(lambda editor, message: editor.choose(message["name"])),
    "new": _does(lambda editor, message: editor.new(message["name"])),
    "copy": _does(lambda editor, message: editor.copy(message["name"])),
    "rename": _does(lambda editor, message: editor.rename(message["name"])),
    "delete": _does(lambda editor, message: editor.delete()),
    "undelete": _does(lambda editor, message: editor.delete(False)),
    "discard": _does(lambda editor, message: editor.discard()),
    "settle": _does(lambda editor, message: editor.settle(message["name"], bool(message["mine"]))),
}


@functools.cache
def the_form() -> Form:
    """The one of this process."""
    return Form(Editor(process, Store()))
