"""Which versions of installed modules a call needs, as far as the names that it uses tell."""

from __future__ import annotations

import functools
import marshal
import os
import sys
from collections.abc import Iterable
from typing import Any

from clustrix.bundle import sources


def of_installed(modules: Iterable[str]) -> bytes:
    """The distributions that the modules are from with their versions; for a file that is of none, its size and time.

    What is local counts as source elsewhere; the standard library as the version of Python.
    """
    found: dict[str, Any] = {}
    for name in modules:
        top = name.partition(".")[0]
        if not top or top in sys.stdlib_module_names or top in ("__main__", "clustrix"):
            continue
        version = "" if sources.is_local(top) else _version(top)
        if version:
            found[top] = version
        elif not sources.is_local(name):
            found[name] = _stamp(_file(name))
    return marshal.dumps(sorted(found.items()), 2)


@functools.cache
def _version(top: str) -> str:
    """Looked up once: it takes a millisecond, and what has been imported does not change."""
    from importlib import metadata

    try:
        return metadata.version(top)
    except metadata.PackageNotFoundError:  # a distribution of another name
        return ", ".join(
            sorted(f"{name} {metadata.version(name)}" for name in set(_by_module().get(top, ())))
        )


@functools.cache
def _by_module() -> dict[str, list[str]]:
    from importlib import metadata

    return dict(metadata.packages_distributions())


@functools.cache
def _file(name: str) -> str | None:
    """The file of a module that no distribution has, as one that was compiled beside the script."""
    spec = sources.spec_of(name)
    return spec.origin if spec is not None and spec.has_location else None


def _stamp(path: str | None) -> tuple[int, int] | None:
    if path is None:
        return None
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_size, found.st_mtime_ns
