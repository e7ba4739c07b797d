"""What the form does, without the form: choose, edit, name and remove profiles, and have one hold.

Nothing of it is in a file before somebody saves it (``clustrix_notebook.widget.saving``).
"""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping
from typing import Any

from clustrix.config import origins
from clustrix.config.field import Field
from clustrix.config.fields import nearest, unknown
from clustrix.config.layers import Layer, Value
from clustrix.config.store import Resolved, Settings
from clustrix.errors import ClustrixError, ConfigError
from clustrix_notebook.widget.drafts import NO_PROFILE, Conflict, Draft, Store, Texts, filed
from clustrix_notebook.widget.texts import text_of, value_of

_LONGEST_NAME = 100


class Refused(ClustrixError):
    """What cannot be done, in a sentence."""


class Editor:
    """Of one process: all views of the form show the same.  Safe for several threads."""

    def __init__(self, settings: Settings, store: Store | None = None) -> None:
        self.settings = settings
        self._store = store
        self._lock = threading.RLock()
        self.drafts: dict[str, Draft] = {}
        self.conflicts: dict[str, list[Conflict]] = {}
        self.trouble = ""
        """What keeps the files from being read."""
        self.edited = NO_PROFILE
        self._layers: list[Layer] = []
        self._kept: Any = None
        loaded: str | None = None
        if store is not None:
            self.drafts, loaded = store.load()
        self.refresh()
        if loaded is not None and loaded in self.names():
            self.edited = loaded
        else:
            held = self._held_profile()
            self.edited = held if held in self.names() else NO_PROFILE

    # -- what there is

    def refresh(self) -> bool:
        """Look at the files again; True if they say something else than before."""
        with self._lock:
            try:
                layers = self.settings.layers()
                self.trouble = ""
            except ConfigError as error:
                self.trouble = str(error)
                return False
            if layers == self._layers:
                return False
            first, self._layers = not self._layers, layers
            for draft in self.drafts.values():
                if draft.origin is not None:
                    now = self._texts_filed(draft.origin)
                    if now is None and draft.origin != NO_PROFILE:
                        draft.origin = None  # somebody has removed it there: what is here can still be saved
                    self.conflicts[draft.name] = draft.rebase(now or {})
            self.conflicts = {name: found for name, found in self.conflicts.items() if found}
            if self.edited not in self.names():
                self.edited = NO_PROFILE
            return not first

    def names(self) -> list[str]:
        """Of all profiles, in files and not yet; first what is outside of profiles."""
        taken = {draft.origin for draft in self.drafts.values()}
        files = {name for layer in self._layers for name in layer.profiles}
        files |= set(self.settings.explicit.profiles)
        return [NO_PROFILE, *sorted((files - taken) | (self.drafts.keys() - {NO_PROFILE}))]

    def _texts_filed(self, name: str) -> Texts | None:
        values = self.values_filed(name)
        if values is None:
            return None
        return {
            key: text_of(field, value.value) for key, value in values.items() if (field := self.field(key))
        }

    def values_filed(self, name: str) -> dict[str, Value] | None:
        """What the files say of a profile; of one that was only loaded, what was loaded."""
        found = filed(self._layers, name)
        return self.settings.explicit.profiles.get(name) if found is None else found

    def field(self, name: str) -> Field | None:
        """The declaration of a setting that the form has; None for a secret, too."""
        field = self.settings.known.find(name)
        return None if field is None or field.secret else field

    def draft(self, name: str | None = None) -> Draft:
        """That of a profile; begun if there is none."""
        wanted = self.edited if name is None else name
        found = self.drafts.get(wanted)
        if found is None:
            base = self._texts_filed(wanted)
            found = self.drafts[wanted] = Draft(wanted, base)
            found.origin = wanted if base is not None or wanted == NO_PROFILE else None
        return found

    def texts(self) -> Texts:
        """What the form shows."""
        with self._lock:
            return self.draft().texts()

    def below(self) -> dict[str, tuple[str, str]]:
        """Of each setting what holds where this profile says nothing, and where that comes from."""
        if self.trouble:
            return {}
        own = () if self.edited else _FILES
        plain = self.settings.plain()
        found = {}
        for name, field in self.settings.known.all().items():
            value = plain.get(name)
            if field.secret:
                continue
            if value is None or value.origin.layer in own:
                found[name] = text_of(field, field.default), origins.DEFAULT
            else:
                found[name] = text_of(field, value.value), str(value.origin)
        return found

    def _held_profile(self) -> str:
        return "" if self.trouble else self.settings.current().profile or ""

    def view(self) -> dict[str, Any]:
        """The rest of what the page shows."""
        with self._lock:
            held = self._held_profile()
            profiles = [
                {
                    "name": name,
                    "changed": name in self.drafts and self.drafts[name].changed,
                    "deleted": name in self.drafts and self.drafts[name].deleted,
                    "new": name in self.drafts and self.drafts[name].origin is None,
                    "holds": name == held,
                }
                for name in self.names()
            ]
            conflicts = [conflict._asdict() for conflict in self.conflicts.get(self.edited, ())]
            return {
                "profiles": profiles,
                "edited": self.edited,
                "held": held,
                "below": self.below(),
                "conflicts": conflicts,
                "trouble": self.trouble,
            }

    # -- values

    def edit(self, texts: Mapping[str, Any]) -> None:
        """Have the form show these texts, as typed."""
        with self._lock:
            draft = self.draft()
            for name in {*draft.texts(), *texts}:
                if self.field(name) is not None:
                    draft.edit(name, str(texts.get(name) or ""))

    def problems(self) -> dict[str, str]:
        """What is wrong with which field."""
        with self._lock:
            found = {}
            for name, text in self.draft().texts().items():
                try:
                    self._value(self.draft(), name, text)
                except ConfigError as error:
                    found[name] = _sentence(name, error)
            return found

    def _value(self, draft: Draft, name: str, text: str) -> Any:
        field = self.field(name)
        if field is None:
            raise unknown(name, text, self.settings.known.all())
        filed_values = self.values_filed(draft.origin) if draft.origin is not None else None
        before = (filed_values or {}).get(name)
        if before is not None and text == text_of(field, before.value):
            return before.value
        return value_of(field, text, None if before is None else before.value)

    def values(self, name: str | None = None) -> dict[str, Any]:
        """All that a profile sets.  Raises ConfigError."""
        with self._lock:
            draft = self.draft(name)
            return {key: self._value(draft, key, text) for key, text in draft.texts().items()}

    def changes(self, name: str) -> dict[str, Any]:
        """What is to be written of a profile: values, None for what is to be taken out.  Raises ConfigError."""
        draft = self.draft(name)
        return {key: self._value(draft, key, text) if text else None for key, text in draft.edits.items()}

    def tried(self) -> Resolved:
        """What would hold if what the form shows did.  Raises ConfigError."""
        with self._lock:
            trial = Settings()
            trial.restore(self.settings.explicit)
            gone = [name for name, text in self.draft().edits.items() if not text]
            trial.hold(self.edited or None, self.values(), gone)
            return trial.resolve({})

    def apply(self) -> None:
        """Have what the form shows hold in this process.  Raises ConfigError, Refused."""
        with self._lock:
            draft = self.draft()
            if draft.deleted:
                raise Refused(f"profile {self.edited} is deleted: undo that first")
            gone = [name for name, text in draft.edits.items() if not text]
            self.settings.hold(self.edited or None, self.values(), gone)

    # -- profiles

    def choose(self, name: str) -> None:
        """Edit another profile.  Raises Refused."""
        with self._lock:
            if name not in self.names():
                raise Refused(f"there is no profile {name!r}; {nearest(name, filter(None, self.names()))}")
            self.edited = name

    def new(self, name: str) -> None:
        """A profile with nothing in it.  Raises Refused."""
        with self._lock:
            self.drafts[self._free(name)] = Draft(name)
            self.edited = name

    def copy(self, name: str) -> None:
        """One with all that the edited one has.  Raises Refused."""
        with self._lock:
            draft = Draft(self._free(name))
            draft.edits = self.draft().texts()
            self.drafts[name] = draft
            self.edited = name

    def rename(self, name: str) -> None:
        """Call the edited one otherwise.  Raises Refused."""
        with self._lock:
            if self.edited == NO_PROFILE:
                raise Refused("what is outside of profiles has no name: copy it into a profile")
            if name == self.edited:
                return
            draft = self.draft()
            draft.name = self._free(name)
            del self.drafts[self.edited]
            self.drafts[name] = draft
            self.edited = name

    def delete(self, deleted: bool = True) -> None:
        """Have the edited one be gone with the next saving, or not."""
        with self._lock:
            if self.edited == NO_PROFILE:
                raise Refused("what is outside of profiles cannot be deleted: empty its fields")
            self.draft().deleted = deleted

    def discard(self) -> None:
        """Forget what was typed and not saved."""
        with self._lock:
            draft = self.drafts.pop(self.edited, None)
            self.conflicts.pop(self.edited, None)
            if draft is not None:
                self.edited = draft.origin if draft.origin is not None else NO_PROFILE

    def settle(self, name: str, mine: bool) -> None:
        """Decide a conflict of the edited one."""
        with self._lock:
            left = []
            for conflict in self.conflicts.pop(self.edited, []):
                if conflict.name == name:
                    self.draft().settle(conflict, mine)
                else:
                    left.append(conflict)
            if left:
                self.conflicts[self.edited] = left

    def _free(self, name: str) -> str:
        if (
            not name
            or len(name) > _LONGEST_NAME
            or re.search(r"[\x00-\x1f\x7f\ud800-\udfff]", name)
            or name != name.strip()
        ):
            raise Refused(f"a profile needs a name of 1 to {_LONGEST_NAME} characters on one line")
        if name in self.names():
            raise Refused(f"there is a profile {name!r} already")
        return name

    # -- what outlives the kernel

    def keep(self) -> None:
        """Write the drafts down, if they are others than last time.  Raises ConfigFileError."""
        if self._store is None:
            return
        with self._lock:
            now = (
                self.edited,
                {name: draft.as_plain() for name, draft in self.drafts.items() if draft.changed},
            )
            if repr(now) != self._kept:
                self._store.keep(self.drafts, self.edited)
                self._kept = repr(now)


_FILES = (origins.USER, origins.PROJECT)


def _sentence(name: str, error: ConfigError) -> str:
    text = str(error.allowed)
    where = f"{error.field}: " if error.field != name else ""
    stop = "" if text.endswith(("?", ".")) else "."
    return f"{where}{text[:1].upper() if not where else text[:1]}{text[1:]}{stop}"
