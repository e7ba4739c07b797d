"""Commit records: a file for each job that has begun, and one for each that has ended, all in one folder."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from typing import Any

from clustrix.runner import whole

BEGUN = ".b"
ENDED = ".x"
"""Without a result: its keeper has seen how."""
DONE = ".d"
KINDS = (BEGUN, ENDED, DONE)


def write(folder: str, job: str, kind: str, **more: Any) -> None:
    """Have everybody know.  ``more``: what there is to say of it.  It comes into being in one step; again, it is written anew."""
    path = os.path.join(folder, job + kind)
    whole.write(path, [json.dumps(more).encode()], f"record{kind}")


def sync(path: str) -> None:
    """Have a file, or the names in a folder, on disk."""
    with suppress(OSError):  # some network file systems know no such thing for folders
        whole.sync(path, "far.sync")
