"""The files and variables that hold in a folder, and whether they have changed."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import NamedTuple

from clustrix.config import files, origins
from clustrix.config.layers import PREFIX, Known, Layer, of_environment, of_file

_known_files: dict[tuple[str, Signature | None, bool], files.Content] = {}


class Watch(NamedTuple):
    """What was there when somebody looked; equal as long as nothing has changed."""

    user: str
    user_signature: Signature | None
    project: str | None
    project_signature: Signature | None
    trusted: bool
    """Whether somebody has named the project file."""
    variables: tuple[tuple[str, str], ...]


Signature = tuple[int, ...]


def signature(folder: str | None, environ: Mapping[str, str], user: str | None = None) -> Watch:
    """Look.  ``folder``: where the search for a project file begins; None where there is no folder any more."""
    user = user or files.user_file()
    named = environ.get(files.PROJECT_VARIABLE)
    project = (named or None) if named is not None else files.project_file(folder) if folder else None
    variables = tuple(sorted((name, text) for name, text in environ.items() if name.startswith(PREFIX)))
    return Watch(
        user, _signature(user), project, _signature(project) if project else None, bool(named), variables
    )


def _signature(path: str) -> Signature | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino, found.st_mode, found.st_uid, found.st_ctime_ns


def layers(watch: Watch, known: Known) -> list[Layer]:
    """What they say, lowest first.  Raises ConfigError for the first thing that is wrong."""
    found = []
    if watch.user_signature is not None:
        found.append(of_file(_read(watch.user, watch.user_signature, False), origins.USER, known))
    if watch.project is not None and watch.project != watch.user:
        content = _read(watch.project, watch.project_signature, watch.trusted)
        found.append(of_file(content, origins.PROJECT, known))
    if watch.variables:
        found.append(of_environment(dict(watch.variables), known))
    return found


def _read(path: str, signature: Signature | None, trusted: bool) -> files.Content:
    """A file that has not changed is not parsed again."""
    key = path, signature, trusted
    if key not in _known_files:
        content = files.read(path, trusted)
        _known_files.clear() if len(_known_files) > 16 else None
        _known_files[key] = content
    return _known_files[key]
