"""Write drafts into the user's or the project's file: first what would change, then that and nothing else.

No value that may be secret is shown: neither those of environment variables, nor what a file has of passwords.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

from clustrix.config import secrets
from clustrix.config.editing import (
    text_of,
    with_profile_renamed,
    with_value,
    without_profile,
    without_value,
    write,
)
from clustrix.config.files import PROJECT_NAMES, PROJECT_VARIABLE, project_file, user_file
from clustrix.errors import ConfigFileError, SecretUnavailable
from clustrix_notebook.widget.difference import difference
from clustrix_notebook.widget.drafts import FILES, NO_PROFILE, Draft, folder
from clustrix_notebook.widget.editor import Editor, Refused

Texts = dict[str, tuple[str, str]]
"""By path: what is in the file, and what shall be."""
_YAML = (".yml", ".yaml")


def targets() -> dict[str, str]:
    """Where one can save: the user's own file, and the project's, unless there shall be none."""
    found = {"user": user_file()}
    named = os.environ.get(PROJECT_VARIABLE)
    if named is None:
        found["project"] = project_file(folder()) or os.path.join(folder(), PROJECT_NAMES[0])
    elif named:
        found["project"] = named
    return found


def plan(editor: Editor, target: str) -> list[dict[str, Any]]:
    """What saving the edited profile would change: of each file its ``path``, the ``lines`` of a diff, and a ``digest`` for ``save``.

    Raises ConfigError for a value or a file that cannot be, Refused where there is nothing to save.
    """
    editor.refresh()
    fields = editor.settings.known.all().values()
    return [
        {"path": path, "lines": difference(path, *pair, fields), "digest": _digest(pair)}
        for path, pair in _texts(editor, target).items()
    ]


def save(editor: Editor, target: str, digests: dict[str, str]) -> list[str]:
    """Write what ``plan`` has shown; returns the paths.  Raises Refused if that is not it any more, and as ``plan`` does."""
    editor.refresh()
    texts = _texts(editor, target)
    for path, pair in texts.items():
        if digests.get(path) != _digest(pair):
            raise Refused("something has changed meanwhile: look at the difference once more")
    for path, (_, after) in texts.items():
        write(path, after)
    draft = editor.drafts.pop(editor.edited)
    if draft.deleted:
        editor.edited = NO_PROFILE
    editor.settings.restore(_without_profile(editor, draft))
    editor.refresh()
    if draft.origin not in (None, draft.name) and not draft.deleted:
        with suppress(SecretUnavailable):  # there is no keyring, and so nothing to rename
            secrets.rename(editor.settings, str(draft.origin), draft.name)
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
    """The files that change."""
    if editor.trouble:
        raise Refused(f"first mend what is wrong there: {editor.trouble}")
    draft = editor.draft()
    if not draft.changed:
        raise Refused("there is nothing to save")
    if draft.deleted and draft.origin is None:
        raise Refused("it is in no file: discard the changes, and it is gone")
    if editor.conflicts.get(draft.name):
        raise Refused("decide first about what was changed here and in the file")
    paths = targets()
    if target not in paths:
        raise Refused(f"there is no project file, since {PROJECT_VARIABLE} is empty")
    found: Texts = {}
    values = {} if draft.deleted else editor.changes()  # first of all, since it looks at each of them
    origin = draft.origin
    if origin is not None:
        for path in _files_of(editor, origin):
            _change(found, path, partial(_prepared, path, draft=draft, origin=origin))
        for path in _choosing(editor, origin) if origin != draft.name or draft.deleted else ():
            _change(found, path, partial(_chosen, path, draft=draft))
    for name, value in values.items():
        path = _file_of(editor, draft, name) or paths[target]
        _change(found, path, partial(_with_value, path, name=name, value=value, profile=draft.name))
    if not draft.deleted and origin is None and not values:
        raise Refused("it has nothing in it yet")
    return {path: pair for path, pair in found.items() if pair[0] != pair[1]}


def _prepared(path: str, text: str, draft: Draft, origin: str) -> str:
    """A file that has the profile, without what is taken out of it, and under its new name."""
    if not path.lower().endswith(_YAML):
        gone = [name for name, edit in draft.edits.items() if not edit]
        by_hand = [f"{name} out of it" for name in ([f"profile {origin}"] if draft.deleted else gone)]
        by_hand += (
            [f"the name {draft.name} for profile {origin}"] if origin != draft.name and not by_hand else []
        )
        if by_hand:
            raise ConfigFileError(path, _ONLY_YAML, f"Take {', '.join(by_hand)} yourself.")
        return text
    if draft.deleted:
        return without_profile(path, text, origin)
    for name in [name for name, edit in draft.edits.items() if not edit]:
        text = without_value(path, text, name, origin)
    return with_profile_renamed(path, text, origin, draft.name) if origin != draft.name else text


_ONLY_YAML = "only YAML files are edited"


def _chosen(path: str, text: str, draft: Draft) -> str:
    """A file that chooses the profile, and shall not choose what is gone."""
    if not path.lower().endswith(_YAML):
        raise ConfigFileError(path, _ONLY_YAML, "Change the line `profile = …` yourself.")
    if draft.deleted:
        return without_value(path, text, "profile")
    return with_value(path, text, "profile", draft.name)


def _with_value(path: str, text: str, name: str, value: Any, profile: str) -> str:
    if path.lower().endswith(_YAML):
        return with_value(path, text, name, value, profile)
    parts = ["tool", "clustrix", *(["profiles", json.dumps(profile)] if profile else [])]
    plain = json.dumps(value, ensure_ascii=False)
    raise ConfigFileError(
        path, _ONLY_YAML, f"Write this into it yourself, below [{'.'.join(parts)}]: {name} = {plain}"
    )


def _change(found: Texts, path: str, change: Callable[[str], str]) -> None:
    before, after = found.get(path) or (text_of(path),) * 2
    found[path] = before, change(after)


def _files_of(editor: Editor, profile: str) -> list[str]:
    """The files that may have it."""
    places: set[str] = set()
    for layer in editor.settings.layers():
        inner = layer.values if profile == NO_PROFILE else layer.profiles.get(profile, {})
        places |= {value.origin.where for value in inner.values() if value.origin.layer in FILES}
    # An empty one has no value that tells where it is.
    return sorted(places | {path for path in targets().values() if path.lower().endswith(_YAML)})


def _choosing(editor: Editor, profile: str) -> list[str]:
    chosen = [layer.profile for layer in editor.settings.layers() if layer.profile is not None]
    return [one.origin.where for one in chosen if one.value == profile and one.origin.layer in FILES]


def _file_of(editor: Editor, draft: Draft, name: str) -> str | None:
    """The file where a value stands that is changed."""
    values = editor.values_filed(draft.origin) if draft.origin is not None else None
    origin = values[name].origin if values and name in values else None
    return origin.where if origin is not None and origin.layer in FILES else None


def _digest(pair: tuple[str, str]) -> str:
    return hashlib.sha256(json.dumps(pair).encode()).hexdigest()
