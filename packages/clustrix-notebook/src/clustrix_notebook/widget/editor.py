"""What the form does, without the form: edit, name and remove profiles, and have one hold.

Nothing of it is in a file before somebody saves it (``clustrix_notebook.widget.saving``).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from clustrix.config import kinds
from clustrix.config.fields import nearest
from clustrix.config.kinds import Hidden
from clustrix.config.store import Resolved, Settings
from clustrix.errors import ClustrixError, ConfigError
from clustrix_notebook.widget.drafts import FILES, NO_PROFILE, Draft, Texts
from clustrix_notebook.widget.profiles import Profiles
from clustrix_notebook.widget.texts import KEPT, LOST, masked, text_of, value_of

_LONGEST_NAME = 100


class Refused(ClustrixError):
    """What cannot be done, in a sentence."""


class Editor(Profiles):
    """Of one process: all views of the form show the same.  Safe for several threads."""

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
