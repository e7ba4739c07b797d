"""Commit records: a file for each job that has begun, and one for each that has a result, all in one folder."""

from __future__ import annotations

import json
import os
import socket
from contextlib import suppress
from typing import Any

BEGUN = ".b"
DONE = ".d"


def write(folder: str, job: str, kind: str, **more: Any) -> None:
    """Have everybody know.  ``more``: what there is to say of it.  It comes into being in one step; again, it is written anew."""
    path = os.path.join(folder, job + kind)
    aside = os.path.join(folder, f".{job}{kind}-{socket.gethostname()}-{os.getpid()}")
    fd = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        os.write(fd, json.dumps(more).encode())
    finally:
        os.close(fd)
    os.rename(aside, path)


def sync(path: str) -> None:
    """Have a file, or the names in a folder, on disk."""
    fd = os.open(path, os.O_RDONLY)
    try:
        with suppress(OSError):  # some network file systems know no such thing for folders
            os.fsync(fd)
    finally:
        os.close(fd)
