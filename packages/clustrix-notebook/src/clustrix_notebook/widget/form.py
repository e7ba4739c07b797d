"""The form: a widget over the editor.  The page shows what the traits say, and asks for the rest by messages.

Handlers run where the kernel runs them, in the main thread or, where JupyterLab and ipykernel know subshells, beside a running cell.
"""

from __future__ import annotations

import atexit
import functools
import os
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import traitlets

from clustrix import plugins
from clustrix.config import origins, secrets
from clustrix.config.store import process
from clustrix.errors import ClustrixError, ConfigFileError
from clustrix.plugins.checks import Suggestion
from clustrix_notebook import still
from clustrix_notebook.live import Live, Message
from clustrix_notebook.watching import watcher
from clustrix_notebook.widget import importing, saving
from clustrix_notebook.widget.connecting import assistance, connection_test
from clustrix_notebook.widget.conversing import Conversation
from clustrix_notebook.widget.describing import assistants, groups
from clustrix_notebook.widget.drafts import Store, Texts
from clustrix_notebook.widget.editor import Editor
from clustrix_notebook.widget.pricing import prices

_STILL_SECONDS = 2.0
"""The plain picture follows that much later at most: it is for those who come when nobody types any more."""

_TURNS = 50
"""So many states of the form are known: a page that has begun with an older one is told the newest."""


class Form(Live):
    """One form, shown any number of times."""

    unspoken = ("keep secret", "remove secret", "find secret")
    groups: Any = traitlets.List().tag(sync=True)
    """The fields, as ``describing`` says."""
    assistants: Any = traitlets.List().tag(sync=True)
    """The same of what can be set up."""
    edits = traitlets.Dict().tag(sync=True)
    """What is typed: ``profile``, ``texts``, and ``turn``, which tells the texts that a page has begun with."""
    checked = traitlets.Dict().tag(sync=True)
    """``problems`` of the texts."""
    view = traitlets.Dict().tag(sync=True)

    def __init__(self, editor: Editor) -> None:
        self._editor = editor
        self._turn = 0
        self._seen: dict[int, tuple[str, Texts]] = {}
        self._talk: Conversation | None = None
        super().__init__(
            shows="form", still="form", groups=groups(), assistants=assistants(), **self._state()
        )
        self.observe(self._on_edits, "edits")
        watcher.add(self)
        atexit.register(self._keep)

    # -- the state of the page

    def _state(self) -> dict[str, Any]:
        self._turn += 1
        profile, texts = self._editor.edited, self._editor.texts()
        self._seen[self._turn] = profile, texts
        self._seen.pop(self._turn - _TURNS, None)
        edits = {"profile": profile, "texts": texts, "turn": self._turn}
        return {"edits": edits, **self._consequences()}

    def _consequences(self) -> dict[str, Any]:
        return {
            "checked": {"problems": self._editor.problems()},
            "view": {
                **self._editor.view(),
                "files": saving.targets(),
                "home": os.path.expanduser("~"),
                "notes": prices(self._editor),
            },
        }

    def _refresh(self) -> None:
        """Show what the editor has now."""
        with self._lock:
            self._on_own_account = True
            try:
                with self.hold_sync():
                    for name, value in self._state().items():
                        setattr(self, name, value)
            finally:
                self._on_own_account = False

    _on_own_account = False

    def _on_edits(self, change: Any) -> None:
        with self._lock:
            if self._on_own_account:
                return
            current = self._take(change["new"])
            self._keep()
            if current:
                for name, value in self._consequences().items():
                    setattr(self, name, value)
            else:
                self._refresh()

    def _take(self, given: Message) -> bool:
        """What somebody has typed since; False if the page did not know yet what there is now.

        A page sends all that it shows.  What it has not touched is not taken: it may be older than what another program has written meanwhile.
        """
        turn, profile, texts = int(given["turn"]), str(given["profile"]), dict(given["texts"])
        of, before = self._seen.get(turn, ("", {}))
        if turn not in self._seen or of != profile:
            return False
        names = {name for name in {*before, *texts} if before.get(name) != texts.get(name)}
        self._seen[turn] = profile, texts
        self._editor.edit(profile, {name: str(texts.get(name) or "") for name in names})
        return turn == self._turn

    # -- what the page asks

    def asked(self, message: Message) -> None:
        if "edits" in message:  # they may be on their way yet
            self._take(message["edits"])

    def answered(self) -> None:
        self._keep()
        self._refresh()

    def _apply(self, _: Message) -> Message:
        if self._editor.problems():
            return self._unmended()
        self._editor.apply()
        held = self._editor.settings.current()
        host = held.get("cluster_host")
        return {"said": [f"Holds now: jobs run on {held['cluster_type']}{f' at {host}' if host else ''}."]}

    def _plan(self, message: Message) -> Message:
        return {"files": saving.plan(self._editor, message["target"])}

    def _save(self, message: Message) -> Message:
        paths = saving.save(self._editor, message["target"], message["digests"])
        return {"said": [f"Saved: {path}" for path in paths]}

    def _import(self, message: Message) -> Message:
        return {"said": importing.take(self._editor, message["text"], message.get("name", ""))}

    def _test(self, _: Message) -> Message:
        settings = self._editor.tried() if not self._editor.problems() else None
        if settings is None:
            return self._unmended()
        self._converse(lambda ask, stopped: connection_test(settings, ask, stopped))
        return {}

    def _assist(self, message: Message) -> Message:
        entry = plugins.entry("assistant", str(message["name"]))
        settings = self._editor.tried() if not self._editor.problems() else None
        if settings is None:
            return self._unmended()
        self._converse(lambda ask, stopped: assistance(entry, settings, ask))
        return {}

    def _unmended(self) -> Message:
        return {"error": f"first mend: {', '.join(self._editor.problems())}"}

    def _converse(self, steps: Any) -> None:
        if self._talk is not None:
            self._talk.stop()
        profile = self._editor.edited
        self._talk = Conversation(steps, self.send, lambda suggestion: self._suggested(profile, suggestion))

    def _suggested(self, profile: str, suggestion: Suggestion) -> None:
        """An assistant has found a value for a setting."""
        with self._lock:
            self._editor.edit(profile, {suggestion.field: str(suggestion.value or "")})
            self._refresh()

    def _answer(self, message: Message) -> Message:
        if self._talk is not None:
            text = message.get("text")
            self._talk.answer(int(message["number"]), None if text is None else str(text))
            self.send({"event": "answered"})  # for the other views
        return {}

    def _stop(self, _: Message) -> Message:
        if self._talk is not None:
            self._talk.stop()
        return {}

    def _keep_secret(self, message: Message) -> Message:
        secrets.store(self._editor.settings, self._entry(message), str(message["text"]))
        return {
            "said": "kept in the keyring"
            + (f", for profile {self._editor.edited}" if self._editor.edited else "")
        }

    def _remove_secret(self, message: Message) -> Message:
        there = secrets.delete(self._editor.settings, self._entry(message))
        return {"said": "removed from the keyring" if there else "it was not in the keyring"}

    def _find_secret(self, message: Message) -> Message:
        places = secrets.whereabouts(self._editor.settings, self._editor.tried())
        return {"said": places[str(message["name"])]}

    def _entry(self, message: Message) -> secrets.Entry:
        return secrets.Entry(str(message["name"]), self._editor.edited or None)

    def _edit(self, how: Callable[[Editor, Message], None], message: Message) -> Message:
        how(self._editor, message)
        return {}

    # -- beside all that

    def look(self, draws: bool = False) -> bool:
        """Follow the files, keep the drafts, draw the plain picture anew; called by the watcher."""
        try:
            if self._editor.refresh():
                self._refresh()
            self._keep()
            self.redraw(0.0 if draws else _STILL_SECONDS)
        except Exception as error:  # whatever it is, the next look may find things in order
            self._tell(str(error) if isinstance(error, ClustrixError) else f"{type(error).__name__}: {error}")
        return True

    def _keep(self) -> None:
        with suppress(ConfigFileError):  # no room, no right: the form itself is whole
            self._editor.keep()

    def _tell(self, trouble: str) -> None:
        with self._lock:
            self.view = {**self.view, "trouble": trouble}

    def picture(self) -> str:
        view, texts = self._editor.view(), self._editor.shown(self._editor.texts())
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


def _does(how: Callable[[Editor, Message], None]) -> Callable[[Form, Message], Message]:
    return lambda form, message: form._edit(how, message)


Form.acts = {
    "apply": Form._apply,
    "plan": Form._plan,
    "save": Form._save,
    "import": Form._import,
    "test": Form._test,
    "assist": Form._assist,
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
