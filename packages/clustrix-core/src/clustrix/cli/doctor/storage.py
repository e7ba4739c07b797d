"""The state directory, the journal in it, and what lies about there."""

from __future__ import annotations

import os
import shutil
import sqlite3
import stat
import time
from collections.abc import Iterator
from contextlib import suppress

import platformdirs

from clustrix.config import format_bytes
from clustrix.journal.health import Health, examine
from clustrix.journal.place import NETWORK_FILE_SYSTEMS, Place, file_system_of, move_away
from clustrix.journal.schema import VERSION
from clustrix.plugins.checks import Check, failed, ok, warning

_LITTLE_ROOM_BYTES = 1 << 30
_NO_ROOM_BYTES = 16 << 20
_LOOK_SECONDS = 2.0
_LARGE_BYTES = 5 << 30
_SKEW_SECONDS = 2.0


def place() -> Place:
    """Where it is, without making it."""
    return Place(platformdirs.user_state_dir("clustrix"))


def directory() -> Iterator[Check]:
    """Whose it is, what it is on, and whether it takes files."""
    root = place().root
    above = _nearest(root)
    problem = _unusable(root, above)
    if problem is not None:
        yield problem
        return
    yield ok("state directory", root if above == root else f"{root}, which the first submission makes")
    yield from _file_system(above)
    yield _room(above)
    if above == root:
        yield _writing(root)


def _nearest(path: str) -> str:
    """It, or the nearest folder above it that is there."""
    while not os.path.lexists(path):
        path = os.path.dirname(path)
    return path


def _unusable(root: str, above: str) -> Check | None:
    what = "state directory"
    if not os.path.isdir(above):
        return failed(what, f"{above} is no folder", "Move it away, or set XDG_STATE_HOME.")
    found = os.stat(above)
    if above == root and found.st_uid != os.geteuid():
        return failed(
            what,
            f"{root} belongs to user {found.st_uid}, not to you ({os.geteuid()})",
            "Set XDG_STATE_HOME to a folder of your own.",
        )
    if not os.access(above, os.W_OK | os.X_OK):
        return failed(what, f"{above} cannot be written", "Make it writable, or set XDG_STATE_HOME.")
    if above == root and stat.S_IMODE(found.st_mode) & 0o022:
        return warning(
            what,
            f"others can write to {root}",
            f"Results are unpickled from there: chmod 700 {root} (the next submission does it).",
        )
    return None


def _file_system(path: str) -> Iterator[Check]:
    kind = file_system_of(path)
    if kind in NETWORK_FILE_SYSTEMS:
        yield warning(
            "file system",
            f"{kind}, which several machines share: the journal is kept in a slower, safe mode",
            "For quick submissions set XDG_STATE_HOME to a folder on a disk of this machine; jobs are then seen from this machine only.",
        )
    elif kind in ("tmpfs", "ramfs"):
        yield warning(
            "file system",
            f"{kind}: jobs and results are gone when the machine is started anew",
            "Set XDG_STATE_HOME to a folder on a disk.",
        )
    else:
        yield ok("file system", kind or "not told by this system")


def _room(path: str) -> Check:
    disk = os.statvfs(path)
    free = disk.f_bavail * disk.f_frsize
    if free < _NO_ROOM_BYTES:
        return failed(
            "room",
            f"{format_bytes(free)} are free",
            "Free some, see clustrix clean, or set XDG_STATE_HOME to a folder with room.",
        )
    if free < _LITTLE_ROOM_BYTES:
        return warning(
            "room",
            f"{format_bytes(free)} are free",
            "Results and logs are written there; see clustrix clean.",
        )
    if disk.f_files and disk.f_favail < 1000:
        return failed(
            "room", f"{disk.f_favail} more files can be made", "Remove files there, see clustrix clean."
        )
    return ok("room", f"{format_bytes(free)} are free")


def _writing(root: str) -> Check:
    """By doing it; the time that the file gets is that of the file system."""
    path = os.path.join(root, f".doctor-{os.getpid()}")
    before = time.time()
    try:
        with open(path, "xb") as file:
            file.write(b"x" * 4096)
            file.flush()
            os.fsync(file.fileno())
        skew = os.stat(path).st_mtime - before
    except OSError as error:
        return failed("writing", f"{root}: {error.strerror}", "Without it nothing can be submitted.")
    finally:
        with suppress(OSError):
            os.unlink(path)
    took = (time.time() - before) * 1000
    if abs(skew) > _SKEW_SECONDS:
        return warning(
            "clock",
            f"the file system's is {skew:+.0f} s off this machine's",
            "Set both by NTP; times in lists will look strange.",
        )
    return ok("writing", f"a file is on disk after {took:.0f} ms, and clocks agree")


def journal() -> Iterator[Check]:
    """Whether it can be read, and is whole."""
    where = place()
    if not os.path.exists(where.database):
        yield ok("journal", "there is none yet; the first submission makes it")
        return
    away = f"Move it away, jobs in it are lost: {move_away(where.database)}"
    try:
        health = examine(where, _LOOK_SECONDS)
    except sqlite3.Error as error:
        if not os.access(where.root, os.W_OK):
            away = f"It cannot be looked at where nothing can be written: make {where.root} writable."
        yield failed("journal", f"{where.database} cannot be read: {error}", away)
        return
    if health.version > VERSION:
        yield failed(
            "journal",
            f"its tables have version {health.version}, this clustrix knows {VERSION}",
            "pip install --upgrade clustrix",
        )
    elif health.problems:
        yield failed("journal", f"is damaged: {'; '.join(health.problems)}", away)
    else:
        yield ok("journal", _state_of(health))
        yield from _environments(health.live)


def _state_of(health: Health) -> str:
    whole = "whole" if health.whole else "too large to be looked at in full in two seconds"
    live = sum(count for *_, count in health.live)
    return f"{whole}; {health.jobs:,} {'job' if health.jobs == 1 else 'jobs'}, {live:,} live; {format_bytes(health.bytes)}"


def _environments(live: list[tuple[str, str, int]]) -> Iterator[Check]:
    """Live jobs that no dispatcher here can see to."""
    here = os.uname().nodename
    for executable, host, count in live:
        if host and host != here:
            yield ok("jobs elsewhere", f"{count} live jobs of {host}")
        elif executable and shutil.which(executable) is None:
            yield failed(
                "jobs without Python",
                f"{count} live jobs were submitted from {executable}, which is gone",
                "Nothing can run them: make that environment again, or end them with clustrix cancel.",
            )


def leftovers() -> Iterator[Check]:
    """How much room finished jobs take."""
    where = place()
    sizes = {
        name: _size(path)
        for name, path in (("logs and results", where.kept), ("functions and arguments", where.blobs))
    }
    text = ", ".join(f"{name} {format_bytes(size)}" for name, size in sizes.items())
    if sum(sizes.values()) > _LARGE_BYTES:
        yield warning("finished jobs", text, "clustrix clean frees what is old.")
    else:
        yield ok("finished jobs", text)


def _size(folder: str) -> int:
    """Of all files below; looked at for two seconds at most."""
    deadline, total = time.monotonic() + _LOOK_SECONDS, 0
    for path, _, names in os.walk(folder):
        for name in names:
            with suppress(OSError):
                total += os.lstat(os.path.join(path, name)).st_size
        if time.monotonic() > deadline:
            break
    return total
