"""The entry points for clustrix of what is installed.

Read from the files beside the packages: to import ``importlib.metadata`` takes longer than to find twenty plugins like this, and most
people have none.  Only what the search path has in archives is left to it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import suppress
from typing import NamedTuple

GROUP = "clustrix"
_SECTION = b"[clustrix]"
_ENDINGS = (".dist-info", ".egg-info")


class Point(NamedTuple):
    """One entry point."""

    name: str
    target: str
    """A module, or ``module:attribute``."""
    distribution: str
    version: str


def any_installed() -> bool:
    """Whether there is an entry point for clustrix, or may be one: in an archive."""
    return any(_in_folder(folder) for folder in _folders()) or any(map(os.path.isfile, sys.path))


def points() -> Iterator[Point]:
    """All of them, in the order of the search path."""
    for folder in _folders():
        for path in _in_folder(folder):
            name, version = _name_and_version(path)
            yield from (Point(*pair, name, version) for pair in _pairs(path))
    if any(map(os.path.isfile, sys.path)):
        yield from _in_archives()


def _folders() -> list[str]:
    return [entry or os.curdir for entry in dict.fromkeys(sys.path) if not os.path.isfile(entry)]


def _in_folder(folder: str) -> list[str]:
    """The metadata of distributions that have one."""
    found = []
    with suppress(OSError):
        for name in os.listdir(folder):
            if name.endswith(_ENDINGS):
                path = os.path.join(folder, name)
                with suppress(OSError), open(os.path.join(path, "entry_points.txt"), "rb") as file:
                    if _SECTION in file.read():
                        found.append(path)
    return sorted(found)


def _pairs(path: str) -> Iterator[tuple[str, str]]:
    """Names and targets: the lines of our section, as ``name = module:attribute``."""
    inside = False
    with open(os.path.join(path, "entry_points.txt"), encoding="utf-8", errors="replace") as file:
        for line in map(str.strip, file):
            if line.startswith("["):
                inside = line == _SECTION.decode()
            elif inside and "=" in line and not line.startswith(("#", ";")):
                name, _, target = line.partition("=")
                yield name.strip(), target.partition("[")[0].strip()


def _name_and_version(path: str) -> tuple[str, str]:
    found = {"name": "?", "version": "?"}
    for metadata in ("METADATA", "PKG-INFO"):
        with (
            suppress(OSError),
            open(os.path.join(path, metadata), encoding="utf-8", errors="replace") as file,
        ):
            for line in file:
                if not line.strip():  # the description follows
                    break
                header, _, value = line.partition(":")
                if header.lower() in found:
                    found[header.lower()] = value.strip()
            break
    return found["name"], found["version"]


def _in_archives() -> Iterator[Point]:
    from importlib.metadata import distributions

    for distribution in distributions(path=[entry for entry in sys.path if os.path.isfile(entry)]):
        name = distribution.metadata["Name"] or "?"
        for point in distribution.entry_points:
            if point.group == GROUP:
                yield Point(point.name, point.value, name, distribution.version)
