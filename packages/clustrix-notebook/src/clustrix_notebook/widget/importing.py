"""Settings that somebody pastes or drops: YAML, JSON or TOML, with or without profiles.

They become drafts.  A text that cannot be read changes nothing; what of it has no field is named.
"""

from __future__ import annotations

import os
import re
from typing import Any

from clustrix.config import files
from clustrix.config.fields import unknown
from clustrix.config.files import Entry
from clustrix.config.kinds import kind_of
from clustrix.errors import ConfigError, ConfigFileError
from clustrix_notebook.widget.drafts import NO_PROFILE, Draft
from clustrix_notebook.widget.editor import Editor, Refused
from clustrix_notebook.widget.texts import NONE, control

_LARGEST_CHARACTERS = 256 * 1024


def take(editor: Editor, text: str, name: str = "") -> list[str]:
    """Put a text's settings into drafts; returns what there is to say of it.  ``name``: of the file, if there was one.

    Raises ConfigFileError with line and column.
    """
    if len(text) > _LARGEST_CHARACTERS:
        raise ConfigFileError(name or "the text", f"it has more than {_LARGEST_CHARACTERS:,} characters")
    content = files.parse(_path(text, name), text)
    notes: list[str] = []
    chosen = content.values.pop("profile", None)
    count = _into(editor, editor.edited, content.values, notes)
    taken = []
    for profile, values in content.profiles.items():
        try:
            if profile == NO_PROFILE or profile not in editor.names():
                editor.drafts[editor.free(profile)] = Draft(profile)
        except Refused as error:
            notes.append(f"profile {profile!r} is not taken over: {error}")
            continue
        taken.append(profile)
        count += _into(editor, profile, values, notes)
    if taken and not content.values:
        editor.edited = str(chosen.value) if chosen and chosen.value in taken else taken[0]
    return [
        f"{count} settings taken over; nothing is saved yet"
        if count != 1
        else "1 setting taken over; it is not saved yet",
        *notes,
    ]


def _path(text: str, name: str) -> str:
    """A name whose ending tells the format."""
    if os.path.splitext(name)[1].lower() in (".toml", ".json", ".yml", ".yaml"):
        return name
    first = next(
        (line.strip() for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")), ""
    )
    if first.startswith("{"):
        return "pasted.json"
    if re.match(r"\[[\w.\"' -]+\]\s*(#.*)?$", first) or re.match(r"[\w.\"-]+\s*=", first):
        return "pasted.toml"
    return "pasted.yml"


def _into(editor: Editor, profile: str, values: dict[str, Entry], notes: list[str]) -> int:
    draft = editor.draft(profile)
    count = 0
    for name, entry in values.items():
        where = f"line {entry.line}: " if entry.line else ""
        known = editor.settings.known.find(name)
        if known is not None and known.secret:
            notes.append(f"{where}{name} is a secret and is not taken over: keep it in the keyring")
            continue
        field = editor.field(name)
        if field is None:
            notes.append(f"{where}{unknown(name, None, editor.settings.known.all())}")
            continue
        text = written(control(field), entry.value)
        if text is None:
            error = ConfigError(
                name, kind_of(entry.value), "cannot stand in the form: write it into the file"
            )
            notes.append(f"{where}{error}")
            continue
        draft.edit(name, text)
        count += 1
    return count


def written(how: str, value: Any) -> str | None:
    """A value of a file as it would be typed; None for what cannot be.  It is not checked: the form does, and shows what is wrong."""
    if value is None:
        return NONE
    if how == "lines" and isinstance(value, (list, tuple)):
        return _joined(list(map(str, value)))
    if how == "pairs" and isinstance(value, dict):
        return _joined([name if entry is True else f"{name}={entry}" for name, entry in value.items()])
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value) if isinstance(value, (str, int, float)) else None


def _joined(lines: list[str]) -> str | None:
    return "\n".join(lines) if all(len(line.splitlines()) == 1 for line in lines) else None
