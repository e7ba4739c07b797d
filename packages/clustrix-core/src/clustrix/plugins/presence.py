"""Whether any plugin is installed, without importing what a look at plugins needs: most people have none, and pay nothing for it."""

from __future__ import annotations

import os
import sys
from contextlib import suppress

_SECTION = b"[clustrix]"
_ENDINGS = (".dist-info", ".egg-info")


def any_installed() -> bool:
    """Whether a distribution on the search path has an entry point for clustrix, or may have one: only then it pays to look closely."""
    return any(_may_have_one(folder or os.curdir) for folder in dict.fromkeys(sys.path))


def _may_have_one(folder: str) -> bool:
    if os.path.isfile(folder):
        return True  # an archive; importlib.metadata knows how to look inside
    with suppress(OSError):
        for name in os.listdir(folder):
            if name.endswith(_ENDINGS) and _has_section(os.path.join(folder, name, "entry_points.txt")):
                return True
    return False


def _has_section(path: str) -> bool:
    with suppress(OSError), open(path, "rb") as file:
        return _SECTION in file.read()
    return False
