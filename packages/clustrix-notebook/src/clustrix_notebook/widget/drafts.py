"""What has been typed and not saved: one draft for each profile that was touched.

A draft knows what was there when it was begun.  When another program changes the file meanwhile, what only one of the two has
changed is merged, and what both have is a conflict, which a person decides.  Drafts outlive the kernel: they are kept in a file of
the state directory, for each folder, without secrets.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any, NamedTuple

from clustrix.config import origins
from clustrix.config.editing import write
from clustrix.config.layers import Layer, Value
from clustrix.journal import state_place

NO_PROFILE = ""
"""The name of what files say outside of their profiles."""
Texts = dict[str, str]
FILES = (origins.USER, origins.PROJECT)
"""The layers that can be written."""


class Conflict(NamedTuple):
    """A setting that was changed here and in the file."""

    name: str
    mine: str
    theirs: str


class Draft:
    """The edits of one profile."""

    def __init__(self, name: str, base: Texts | None = None) -> None:
        self.name = name
        self.origin: str | None = None
        """The name that it has in the files; None: it is not there."""
        self.source: str | None = None
        """The profile that it was copied from; None: none."""
        self.base: Texts = base or {}
        """What the files had when it was begun."""
        self.edits: Texts = {}
        """What is meant to be there instead; an empty text: nothing."""
        self.deleted = False

    @property
    def changed(self) -> bool:
        """Whether there is anything to save."""
        return bool(self.edits) or self.deleted or self.origin != self.name

    def texts(self) -> Texts:
        """All that the form shows of it."""
        merged = {**self.base, **self.edits}
        return {name: text for name, text in merged.items() if text}

    def edit(self, name: str, text: str) -> None:
        """Have a setting be this text."""
        text = text if text.strip() else ""
        if text.strip() == self.base.get(name, "").strip():
            self.edits.pop(name, None)
        else:
            self.edits[name] = text

    def rebase(self, now: Texts) -> list[Conflict]:
        """Take up what the files have now; what both sides have changed stays as it is here, and is returned."""
        conflicts = [
            Conflict(name, text, now.get(name, ""))
            for name, text in self.edits.items()
            if now.get(name, "") not in (self.base.get(name, ""), text)
        ]
        contested = {conflict.name for conflict in conflicts}
        edits = {name: text for name, text in self.edits.items() if text != now.get(name, "")}
        self.base = {**now, **{name: self.base.get(name, "") for name in contested}}
        self.edits = edits
        return conflicts

    def settle(self, conflict: Conflict, mine: bool) -> None:
        """Decide a conflict."""
        self.base[conflict.name] = conflict.theirs
        self.edit(conflict.name, conflict.mine if mine else conflict.theirs)

    def as_plain(self) -> dict[str, Any]:
        """For the file of drafts."""
        names = ("origin", "source", "base", "edits", "deleted")
        return {name: getattr(self, name) for name in names}

    @classmethod
    def of_plain(cls, name: str, plain: Mapping[str, Any]) -> Draft:
        """The other way.  Raises KeyError, TypeError, ValueError for what is none."""
        draft = cls(name, _texts(plain["base"]))
        draft.origin, draft.source = (
            None if plain[key] is None else str(plain[key]) for key in ("origin", "source")
        )
        draft.edits = _texts(plain["edits"])
        draft.deleted = bool(plain["deleted"])
        return draft


def _texts(given: Any) -> Texts:
    return {str(name): str(text) for name, text in dict(given).items()}


def filed(layers: Iterable[Layer], profile: str) -> dict[str, Value] | None:
    """What the files say of a profile, the project's above the user's; None if no file has it."""
    found: dict[str, Value] = {}
    there = profile == NO_PROFILE
    for layer in layers:
        values = layer.values if profile == NO_PROFILE else layer.profiles.get(profile)
        if values is not None:
            there = True
            found |= {name: value for name, value in values.items() if value.origin.layer in FILES}
    return found if there else None


def folder() -> str:
    """The working directory; that of the user where somebody has removed it."""
    try:
        return os.getcwd()
    except FileNotFoundError:
        return os.path.expanduser("~")


class Store:
    """The file of drafts of this folder."""

    def __init__(self) -> None:
        digest = hashlib.sha256(folder().encode("utf-8", "surrogateescape")).hexdigest()[:16]
        self.path = os.path.join(state_place().root, "notebook", f"drafts-{digest}.json")

    def load(self) -> tuple[dict[str, Draft], str | None]:
        """The drafts, and which was edited last; nothing where there is no such file, or none that can be read."""
        with suppress(OSError, ValueError, KeyError, TypeError, AttributeError):
            with open(self.path, encoding="utf-8") as file:
                found = json.load(file)
            drafts = {name: Draft.of_plain(name, plain) for name, plain in found["drafts"].items()}
            return drafts, str(found["edited"])
        return {}, None

    def keep(self, drafts: Mapping[str, Any], edited: str) -> None:
        """Write them down, as ``as_plain`` gives them.  Raises ConfigFileError."""
        write(self.path, json.dumps({"edited": edited, "drafts": drafts}))
