"""All profiles as the form shows them: what the files have, and the drafts over that."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

from clustrix.config import origins
from clustrix.config.field import Field
from clustrix.config.layers import Layer, Value
from clustrix.config.store import Settings
from clustrix.errors import ConfigError
from clustrix_notebook.widget.describing import sound
from clustrix_notebook.widget.drafts import FILES, NO_PROFILE, Conflict, Draft, Store, Texts, filed
from clustrix_notebook.widget.texts import text_of


class Profiles:
    """Of one process, and which of them is edited.  Safe for several threads."""

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
        self._explicit: Layer | None = None
        self._fields: tuple[Any, dict[str, Field]] = None, {}
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

    def refresh(self) -> bool:
        """Look at the files again; True if something else holds than before."""
        with self._lock:
            before = self.trouble, self._layers, self._explicit
            self.settings.look_again()
            try:
                layers = self.settings.layers()
            except ConfigError as error:
                self.trouble = str(error)
            else:
                self.trouble = ""
                if layers != self._layers:
                    self._layers = layers
                    self._follow()
            self._explicit = self.settings.explicit
            return before != (self.trouble, self._layers, self._explicit)

    def _follow(self) -> None:
        """Have the drafts take up what the files have now."""
        for name, draft in list(self.drafts.items()):
            there = name if draft.origin is None else draft.origin
            now = filed(self._layers, there)
            if now is None:  # somebody may have removed it there: what was typed can still be saved
                removed, draft.origin = draft.origin is not None, None
                if removed and (draft.deleted or not draft.edits):
                    self._drop(name)
                    continue
            else:
                draft.origin = there
            self.conflicts[name] = draft.rebase(self._texts_of(now or {}))
        self.conflicts = {name: found for name, found in self.conflicts.items() if found}
        if self.edited not in self.names():
            self.edited = NO_PROFILE

    def _drop(self, name: str) -> Draft | None:
        self.conflicts.pop(name, None)
        return self.drafts.pop(name, None)

    def names(self) -> list[str]:
        """Of all profiles, in files and not yet; first what is outside of profiles."""
        taken = {draft.origin for draft in self.drafts.values()}
        files = {name for layer in self._layers for name in layer.profiles}
        files |= set(self.settings.explicit.profiles)
        return [NO_PROFILE, *sorted((files - taken) | (self.drafts.keys() - {NO_PROFILE}))]

    def _texts_of(self, values: Mapping[str, Value]) -> Texts:
        return {
            name: text_of(field, value.value) for name, value in values.items() if (field := self.field(name))
        }

    def values_filed(self, name: str) -> dict[str, Value] | None:
        """What the files say of a profile; of one that only this process has, what that says."""
        found = filed(self._layers, name)
        return self.settings.explicit.profiles.get(name) if found is None else found

    def fields(self) -> dict[str, Field]:
        """The declarations of the settings that the form has: no secrets, and none that is broken."""
        known = self.settings.known.all()
        if self._fields[0] is not known:
            plain = {name: field for name, field in known.items() if not field.secret}
            self._fields = known, sound(plain)
        return self._fields[1]

    def field(self, name: str) -> Field | None:
        """One of them; None if there is none of that name."""
        return self.fields().get(name)

    def draft(self, name: str | None = None) -> Draft:
        """That of a profile; begun if there is none."""
        wanted = self.edited if name is None else name
        found = self.drafts.get(wanted)
        if found is None:
            values = filed(self._layers, wanted)
            found = self.drafts[wanted] = Draft(wanted, self._texts_of(values or {}))
            if values is not None:
                found.origin = wanted
            elif wanted in self.settings.explicit.profiles:  # not in a file yet
                found.source = wanted
                found.edits = self._texts_of(self.settings.explicit.profiles[wanted])
        return found

    def texts(self) -> Texts:
        """What the form shows."""
        with self._lock:
            return {name: text for name, text in self.draft().texts().items() if self.field(name)}

    def below(self) -> dict[str, tuple[str, str]]:
        """Of each setting what holds where this profile says nothing, and where that comes from."""
        plain = self._beneath()
        found = {}
        for name, field in self.fields().items():
            value = plain.get(name)
            if value is None:
                found[name] = text_of(field, field.default), origins.DEFAULT
            else:
                found[name] = text_of(field, value.value), str(value.origin)
        return found

    def _beneath(self) -> dict[str, Value]:
        """What others say than the edited one."""
        own = () if self.edited else FILES
        try:
            plain = {} if self.trouble else self.settings.plain()
        except ConfigError as error:  # somebody has changed the file just now
            self.trouble, plain = str(error), {}
        return {name: value for name, value in plain.items() if value.origin.layer not in own}

    def _held_profile(self) -> str:
        try:
            return "" if self.trouble else self.settings.current().profile or ""
        except ConfigError as error:
            self.trouble = str(error)
            return ""

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
