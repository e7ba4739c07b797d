"""Jobs elsewhere whose output somebody reads just now: a file for each, touched by who reads, looked at by the dispatcher."""

from __future__ import annotations

import os
import time
from contextlib import suppress

_SECONDS = 10.0
"""After that, who read is taken to have left."""


def want(root: str, job: str) -> None:
    """Have the dispatcher bring what a job prints elsewhere, for some seconds."""
    path = _wanted(root, job)
    with suppress(OSError):  # no room: it comes with the result
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))
        os.utime(path)


def is_wanted(root: str, job: str) -> bool:
    """Whether somebody reads what a job prints."""
    try:
        return time.time() - os.stat(_wanted(root, job)).st_mtime < _SECONDS
    except FileNotFoundError:
        return False


def unwant(root: str, job: str) -> None:
    """The job has ended."""
    with suppress(FileNotFoundError):
        os.unlink(_wanted(root, job))


def _wanted(root: str, job: str) -> str:
    return os.path.join(root, "backends", "followed", job)
