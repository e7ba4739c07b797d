"""What the form does, without the form: choose, edit, name and remove profiles, and have one hold.

Nothing of it is in a file before somebody saves it (``clustrix_notebook.widget.saving``).
"""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping
from typing import Any

from clustrix.config import kinds, origins
from clustrix.config.field import Field
from clustrix.config.fields import nearest
from clustrix.config.kinds import Hidden
from clustrix.config.layers import Layer, Value
from clustrix.config.store import Resolved, Settings
from clustrix.errors import ClustrixError, ConfigError
from clustrix_notebook.widget.describing import sound
from clustrix_notebook.widget.drafts import FILES, NO_PROFILE, Conflict, Draft, Store, Texts, filed
from clustrix_notebook.widget.texts import KEPT, LOST, masked, text_of, value_of

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

    # -- what there is

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

    # -- values

    def edit(self, profile: str, changes: Mapping[str, str]) -> None:
        """Have settings of a profile be these texts, as typed; nothing where there is no such profile any more."""
        with self._lock:
            if profile in self.names():
                draft = self.draft(profile)
                for name, text in changes.items():
                    if self.field(name) is not None:
                        draft.edit(name, text)

    def problems(self) -> dict[str, str]:
        """What is wrong with which field."""
        with self._lock:
            draft, found = self.draft(), {}
            for name, text in self.texts().items():
                try:
                    self._value(draft, name, text)
                except ConfigError as error:
                    found[name] = _sentence(name, error)
            return found

    def _value(self, draft: Draft, name: str, text: str) -> Any:
        field = self.fields()[name]
        hidden: dict[str, Any] = {}
        for profile in (draft.origin, draft.source):
            before = (self.values_filed(profile) or {}).get(name) if profile is not None else None
            if before is not None and text == text_of(field, before.value):
                return before.value
            if before is not None and isinstance(before.value, Mapping):
                hidden = {**before.value, **hidden}
        try:
            return value_of(field, text, hidden)
        except ConfigError:
            raise
        except Exception as error:  # whatever somebody else's check does
            raise ConfigError(name, Hidden(), f"its check failed: {type(error).__name__}: {error}") from error

    def values(self) -> dict[str, Any]:
        """All that the edited profile sets.  Raises ConfigError."""
        with self._lock:
            draft = self.draft()
            return {name: self._value(draft, name, text) for name, text in self.texts().items()}

    def changes(self) -> dict[str, Any]:
        """What is to be written of it.  Raises ConfigError."""
        edits = self.draft().edits
        return {name: value for name, value in self.values().items() if name in edits}

    def tried(self) -> Resolved:
        """What would hold if what the form shows did.  Raises ConfigError."""
        with self._lock:
            trial = self.settings.copy()
            self._hold(trial)
            return trial.resolve({})

    def apply(self) -> None:
        """Have what the form shows hold in this process.  Raises ConfigError, Refused."""
        with self._lock:
            if self.draft().deleted:
                raise Refused(f"profile {self.edited} is deleted: undo that first")
            self._hold(self.settings)

    def _hold(self, settings: Settings) -> None:
        values = self.values()
        gone = [name for name, text in self.draft().edits.items() if not text and self.field(name)]
        if self.edited == NO_PROFILE:  # what is emptied is in a file yet, and shall not hold
            plain, beneath = self.settings.plain(), self._beneath()
            filed_ones = [name for name in gone if name in plain and plain[name].origin.layer in FILES]
            values |= {
                name: beneath[name].value if name in beneath else self.fields()[name].default
                for name in filed_ones
            }
        settings.hold(self.edited or None, values, gone)

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
            of = self.draft()
            draft.edits = of.texts()
            draft.source = of.source if of.origin is None else of.origin
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
            draft.name = self._free(name, draft)
            conflicts = self.conflicts.get(self.edited)
            self._drop(self.edited)
            self.drafts[name] = draft
            if conflicts:
                self.conflicts[name] = conflicts
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
            draft = self._drop(self.edited)
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

    def free(self, name: str) -> str:
        """A name that a new profile may have.  Raises Refused."""
        return self._free(name)

    def _free(self, name: str, own: Draft | None = None) -> str:
        if (
            not name
            or len(name) > _LONGEST_NAME
            or re.search(r"[\x00-\x1f\x7f\ud800-\udfff]", name)
            or name != name.strip()
        ):
            raise Refused(f"a profile needs a name of 1 to {_LONGEST_NAME} characters on one line")
        if name in self.names():
            raise Refused(f"there is a profile {name!r} already")
        if any(draft.origin == name and draft is not own for draft in self.drafts.values()):
            raise Refused(f"the files have a profile {name!r} until its new name is saved")
        return name

    # -- what outlives the kernel

    def keep(self) -> None:
        """Write the drafts down, if they are others than last time.  Raises ConfigFileError."""
        if self._store is None:
            return
        with self._lock:
            now = {name: self._kept_of(draft) for name, draft in self.drafts.items() if draft.changed}
            if repr((self.edited, now)) != self._kept:
                self._store.keep(now, self.edited)
                self._kept = repr((self.edited, now))

    def _kept_of(self, draft: Draft) -> dict[str, Any]:
        """Without what may be secret."""
        plain = draft.as_plain()
        return {**plain, "edits": self.shown(plain["edits"], LOST)}

    def shown(self, texts: Texts, mark: str = KEPT) -> Texts:
        """Texts as anybody may see them."""
        variables = {name for name, field in self.fields().items() if field.kind is kinds.VARIABLES}
        return {name: masked(text, mark) if name in variables else text for name, text in texts.items()}


def _sentence(name: str, error: ConfigError) -> str:
    text = str(error.allowed).replace("or None", "or none")
    where = f"{error.field}: " if error.field != name else ""
    stop = "" if text.endswith(("?", ".")) else "."
    return f"{where}{text[:1].upper() if not where else text[:1]}{text[1:]}{stop}"
