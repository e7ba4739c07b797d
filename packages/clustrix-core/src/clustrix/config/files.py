"""Configuration files: where they are, whether they can be trusted, what is in them.

What is in one is given back as it was written, each value with its line; ``clustrix.config.layers`` checks it.
"""

from __future__ import annotations

import os
import re
import stat
from typing import Any, NamedTuple

from clustrix.errors import ConfigFileError, ConfigFileUnsafe

PROJECT_NAMES = ("clustrix.yml", "clustrix.yaml")
PYPROJECT = "pyproject.toml"
PROJECT_VARIABLE = "CLUSTRIX_PROJECT_FILE"
"""In the environment: the project file to use instead of searching, trusted as it is; empty: none."""

_LARGEST_BYTES = 256 * 1024
_PROFILES = "profiles"
_TABLE = re.compile(rb"""^\s*\[+\s*["']?tool["']?\s*\.\s*["']?clustrix\b""", re.MULTILINE)
_NAME = re.compile(rb"""^\s*(["']?tool["']?\s*\.\s*)?["']?clustrix["']?\s*[.=]""", re.MULTILINE)
"""The other ways in which a table can be written; a list of dependencies may have such a line, too."""


class Entry(NamedTuple):
    """One value as the file has it."""

    value: Any
    line: int
    """0 where it is not known."""


class Content(NamedTuple):
    """What a file says."""

    path: str
    values: dict[str, Entry]
    profiles: dict[str, dict[str, Entry]]


def user_file() -> str:
    """The user's own configuration file, whether it is there or not."""
    import platformdirs

    return os.path.join(platformdirs.user_config_dir("clustrix"), "config.yml")


def project_file(folder: str) -> str | None:
    """The nearest project file from a folder upwards: to the home directory, below the root, and into no folder that all may write.

    In one folder, ``clustrix.yml`` goes before ``pyproject.toml``, which counts if it has a table ``[tool.clustrix]``.
    """
    home = os.path.realpath(os.path.expanduser("~"))  # as the working directory is told
    first = folder
    while os.path.dirname(folder) != folder and (folder == first or not _for_all(folder)):
        for name in PROJECT_NAMES:
            path = os.path.join(folder, name)
            if os.path.lexists(path):
                return path
        path = os.path.join(folder, PYPROJECT)
        if os.path.isfile(path) and _has_table(path):
            return path
        if folder == home:
            break
        folder = os.path.dirname(folder)
    return None


def _for_all(folder: str) -> bool:
    # As /tmp: what somebody puts there shall neither be used nor stand in the way.
    try:
        return bool(os.stat(folder).st_mode & stat.S_IWOTH)
    except OSError:
        return False


def _has_table(path: str) -> bool:
    try:
        with open(path, "rb") as file:
            text = file.read(_LARGEST_BYTES * 4)
    except OSError:
        return False
    if _TABLE.search(text):
        return True  # whatever else is wrong with it
    if not _NAME.search(text):
        return False
    from clustrix.config.othertext import has_tool_table

    return has_tool_table(text)


def read(path: str, trusted: bool = False) -> Content:
    """What a file says.

    Raises ConfigFileError with line and column, ConfigFileUnsafe if another user could have written it and it is not ``trusted``.
    """
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):  # to open a pipe would mean to wait for its writer
            raise ConfigFileError(path, "it cannot be read (it is no regular file)")
        with open(path, "rb") as file:
            if not trusted:
                refuse_foreign(path, os.fstat(file.fileno()))
            most = _LARGEST_BYTES * (4 if os.path.basename(path) == PYPROJECT else 1)
            data = file.read(most + 1)
    except OSError as error:
        raise ConfigFileError(path, f"it cannot be read ({error.strerror})") from error
    if len(data) > most:
        raise ConfigFileError(path, f"it has more than {most:,} bytes", "It must be another file.")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ConfigFileError(path, "it is no UTF-8 text", "Save it as UTF-8.", line) from None
    return parse(path, text)


def parse(path: str, text: str) -> Content:
    """What a text says that belongs into this file; its name tells the format."""
    suffix = os.path.splitext(path)[1].lower()
    if suffix in (".toml", ".json"):
        from clustrix.config.othertext import parse_json, parse_toml

        return _content(path, *(parse_toml if suffix == ".toml" else parse_json)(path, text))
    from clustrix.config import yamltext

    node = yamltext.parse(path, text)
    if node is None or node.value is None:
        return Content(path, {}, {})
    if not isinstance(node.value, dict):
        raise ConfigFileError(path, "it must have lines as `default_cores: 4`", "", node.line)
    lines: dict[tuple[str, ...], int] = {(name,): inner.line for name, inner in node.value.items()}
    profiles = node.value.get(_PROFILES)
    if profiles is not None and isinstance(profiles.value, dict):
        for profile, inner in profiles.value.items():
            lines[_PROFILES, profile] = inner.line
            if isinstance(inner.value, dict):
                lines |= {(_PROFILES, profile, name): entry.line for name, entry in inner.value.items()}
    return _content(path, node.plain(), lines)


def _content(path: str, found: dict[str, Any], lines: dict[tuple[str, ...], int]) -> Content:
    profiles = found.pop(_PROFILES, None) or {}
    if not isinstance(profiles, dict):
        raise ConfigFileError(
            path, "`profiles` must have a name, and settings below it", "", lines.get((_PROFILES,), 0)
        )
    for profile, values in profiles.items():
        if values is not None and not isinstance(values, dict):
            line = lines.get((_PROFILES, profile), 0)
            raise ConfigFileError(
                path, f"profile {profile!r} must have settings, as `default_cores: 4`", "", line
            )
    return Content(
        path,
        {name: Entry(value, lines.get((name,), 0)) for name, value in found.items()},
        {
            profile: {
                name: Entry(value, lines.get((_PROFILES, profile, name), 0))
                for name, value in (values or {}).items()
            }
            for profile, values in profiles.items()
        },
    )


def refuse_foreign(path: str, found: os.stat_result) -> None:
    """Raises ConfigFileUnsafe if another user than this one and root could have written the file, or put it there."""
    folder = os.path.dirname(os.path.abspath(path))
    around = os.stat(folder)
    for what, status in ((path, found), (folder, around)):
        if status.st_uid not in (os.getuid(), 0):
            advice = f"If you trust it, copy it, or set {PROJECT_VARIABLE} to it; {PROJECT_VARIABLE}= goes without."
            raise ConfigFileUnsafe(
                path, f"not used, since {what} belongs to another user ({status.st_uid})", advice
            )
        others = status.st_mode & (stat.S_IWOTH | (0 if _is_own_group(status.st_gid) else stat.S_IWGRP))
        if others and not (what == folder and status.st_mode & stat.S_ISVTX):
            who = "everybody" if others & stat.S_IWOTH else "its group"
            letters = "o-w" if not others & stat.S_IWGRP else "g-w" if not others & stat.S_IWOTH else "go-w"
            raise ConfigFileUnsafe(
                path, f"not used, since {who} can write to {what}", f"To mend it: chmod {letters} {what}"
            )


def _is_own_group(gid: int) -> bool:
    """Whether a group is this user's alone.  Where each user has one, files are writable by it, and that is harmless."""
    import grp
    import pwd

    try:
        user, group = pwd.getpwuid(os.getuid()), grp.getgrgid(gid)
    except KeyError:
        return False
    return user.pw_gid == gid and group.gr_name == user.pw_name and set(group.gr_mem) <= {user.pw_name}
