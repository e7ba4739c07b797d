"""Write drafts into the user's or the project's file: first what would change, then that and nothing else.

No value that may be secret is shown: neither those of environment variables, nor what a file has of passwords.
"""

from __future__ import annotations

import difflib
import hashlib
import os
import re
from collections.abc import Callable
from typing import Any

from clustrix.config import kinds
from clustrix.config.editing import (
    text_of,
    with_profile_renamed,
    with_value,
    without_profile,
    without_value,
    write,
)
from clustrix.config.files import PROJECT_NAMES, project_file, user_file
from clustrix_notebook.widget.drafts import NO_PROFILE, Draft
from clustrix_notebook.widget.editor import Editor, Refused
from clustrix_notebook.widget.texts import KEPT

Texts = dict[str, tuple[str, str]]
"""By path: what is in the file, and what shall be."""


def targets() -> dict[str, str]:
    """Where one can save: the user's own file and the project's."""
    project = project_file(os.getcwd()) or os.path.join(os.getcwd(), PROJECT_NAMES[0])
    return {"user": user_file(), "project": project}


def plan(editor: Editor, target: str) -> list[dict[str, Any]]:
    """What saving the edited profile would change: of each file its ``path``, the ``lines`` of a diff, and a ``digest`` for ``save``.

    Raises ConfigError for a value or a file that cannot be, Refused where there is nothing to save.
    """
    texts = _texts(editor, target)
    hidden = _hidden(editor)
    return [
        {"path": path, "lines": _diff(before, after, hidden), "digest": _digest(before)}
        for path, (before, after) in texts.items()
        if before != after
    ]


def save(editor: Editor, target: str, digests: dict[str, str]) -> list[str]:
    """Write what ``plan`` has shown; returns the paths.  Raises Refused if a file has changed since, and as ``plan`` does."""
    texts = {path: pair for path, pair in _texts(editor, target).items() if pair[0] != pair[1]}
    for path, (before, _) in texts.items():
        if digests.get(path) != _digest(before):
            raise Refused(f"{path} has changed meanwhile: look at the difference once more")
    for path, (_, after) in texts.items():
        write(path, after)
    draft = editor.drafts.pop(editor.edited)
    if draft.deleted:
        editor.edited = NO_PROFILE
    editor.settings.restore(_without_profile(editor, draft))
    editor.refresh()
    return list(texts)


def _without_profile(editor: Editor, draft: Draft) -> Any:
    """What was configured, where a profile that is deleted or has another name now is not chosen any more."""
    explicit = editor.settings.explicit
    gone = {draft.origin, draft.name} if draft.deleted else {draft.origin} - {draft.name}
    profiles = {name: values for name, values in explicit.profiles.items() if name not in gone}
    chosen = explicit.profile
    if chosen is not None and chosen.value in gone and chosen.value is not None:
        chosen = None if draft.deleted else chosen._replace(value=draft.name)
    return explicit._replace(profile=chosen, profiles=profiles)


def _texts(editor: Editor, target: str) -> Texts:
    if editor.trouble:
        raise Refused(f"first mend what is wrong there: {editor.trouble}")
    draft = editor.draft()
    if not draft.changed:
        raise Refused("there is nothing to save")
    if editor.conflicts.get(draft.name):
        raise Refused("decide first about what was changed here and in the file")
    into = targets()[target]
    found: Texts = {}
    origin = draft.origin
    if origin is not None:
        for path in _files_of(editor, origin):
            _change(found, path, lambda text, path=path: _prepared(path, text, draft, origin))  # type: ignore[misc]
    if not draft.deleted:
        for name, value in editor.changes(draft.name).items():
            if value is not None:
                path = _file_of(editor, draft, name) or into
                _change(found, path, lambda text, path=path, name=name, value=value: with_value(path, text, name, value, draft.name))  # type: ignore[misc]  # fmt: skip
    return found


def _prepared(path: str, text: str, draft: Draft, origin: str) -> str:
    """A file that has the profile, without what is taken out of it, and under its new name."""
    if draft.deleted:
        return without_profile(path, text, origin)
    for name in [name for name, edit in draft.edits.items() if not edit]:
        text = without_value(path, text, name, origin)
    return with_profile_renamed(path, text, origin, draft.name) if origin != draft.name else text


def _change(found: Texts, path: str, change: Callable[[str], str]) -> None:
    before, after = found.get(path) or (text_of(path),) * 2
    found[path] = before, change(after)


def _files_of(editor: Editor, profile: str) -> list[str]:
    """The files that have it."""
    values = [
        layer.values if profile == NO_PROFILE else layer.profiles.get(profile)
        for layer in editor.settings.layers()
    ]
    places = {value.origin.where for found in values if found for value in found.values()}
    return sorted(place for place in places if os.sep in place)


def _file_of(editor: Editor, draft: Draft, name: str) -> str | None:
    """The file where a value stands that is changed."""
    values = editor.values_filed(draft.origin) if draft.origin is not None else None
    where = values[name].origin.where if values and name in values else ""
    return where if os.sep in where else None


def _hidden(editor: Editor) -> re.Pattern[str]:
    fields = editor.settings.known.all().values()
    names = [field.name for field in fields if field.secret or field.kind is kinds.VARIABLES]
    return re.compile(rf"^(\s*[\"']?(?:{'|'.join(map(re.escape, names)) or '-'})[\"']?\s*:)\s*(\S.*)?$")


def _diff(before: str, after: str, hidden: re.Pattern[str]) -> list[str]:
    """Lines that begin with ``+``, ``-`` or a space."""
    masked = [_masked(text, hidden) for text in (before, after)]
    lines = difflib.unified_diff(*masked, n=2, lineterm="")
    found = [line for line in lines if not line.startswith(("---", "+++"))]
    if not found:  # what differs is what is not shown
        found = [f"~ {line}" for line in masked[1] if KEPT in line]
    return found


def _masked(text: str, hidden: re.Pattern[str]) -> list[str]:
    lines: list[str] = []
    inside: int | None = None
    for line in text.splitlines():
        indent = len(line) - len(line.lstrip())
        if inside is not None and line.strip() and indent > inside:
            lines.append(re.sub(r"^(\s*[^:]*:?).*$", rf"\1 {KEPT}", line))
            continue
        match = hidden.match(line)
        inside = indent if match else None if line.strip() else inside
        lines.append(f"{match[1]} {KEPT}" if match and match[2] else line)
    return lines


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
