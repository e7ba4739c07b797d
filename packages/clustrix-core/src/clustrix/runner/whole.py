"""Files that come into being in one step: written aside, then given their name.  A reader sees all of such a file, or nothing.

``step`` is how the points of ``clustrix.runner.faults`` are named that stand before the steps of it.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from contextlib import suppress

from clustrix.runner.faults import point
from clustrix.runner.frames import Buffer, write_all


def write(path: str, parts: Sequence[Buffer], step: str, sync: bool = False, aside: str = "") -> None:
    """Have a file with this content; one of that name that is there is replaced.  Raises OSError: then it is as it was.

    ``sync``: have it on the disk before it has its name.  ``aside``: where to write it, if that is there, or is of use later.
    """
    aside = aside or beside(path)
    try:
        _fill(aside, parts, step, sync)
        point(step + ".rename")
        os.rename(aside, path)
    except OSError:
        with suppress(OSError):
            os.unlink(aside)
        raise


def create(path: str, parts: Sequence[Buffer], step: str, sync: bool = False) -> bool:
    """The same for a file that only one can make; False if it is there.  By a link: on network file systems too, unlike O_EXCL on old ones."""
    aside = beside(path)
    try:
        _fill(aside, parts, step, sync)
        point(step + ".link")
        os.link(aside, path)
    except FileExistsError:
        return False
    finally:
        with suppress(OSError):
            os.unlink(aside)
    return True


def beside(path: str) -> str:
    """A name in the same folder that nobody else has."""
    folder, name = os.path.split(path)
    return os.path.join(folder, f".{name}-{os.uname().nodename}-{os.getpid()}-{threading.get_ident():x}")


def _fill(path: str, parts: Sequence[Buffer], step: str, sync: bool) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        point(step + ".write")
        write_all(fd, parts)
        if sync:
            point(step + ".sync")
            os.fsync(fd)
    finally:
        os.close(fd)


def sync(path: str, step: str) -> None:
    """Have a file, or the names in a folder, on the disk.  Raises OSError."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        point(step)
        os.fsync(fd)
    finally:
        os.close(fd)
