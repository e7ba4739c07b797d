"""What the workers of a map write down of their items: claims and marks, for each other and for who looks after them.

The claims file is a log of ``(worker, first, end, next)``, appended under a lock; ``next`` is the first item that nobody
has claimed.  The marks file is mapped memory that outlives its writer: a slot for each worker with the item it is in (plus
one; zero: none), the monotonic time at which it began, and how many items the worker has finished, and of them failed.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import struct
import time
from typing import NamedTuple

from clustrix.runner import layout
from clustrix.runner.faults import point

_CLAIM = struct.Struct("<IIII")
MARK = struct.Struct("<QdQQ")
MARKS = 4096
"""Slots in the marks file: how many workers a map can have in its life at one place of work.  The last is the dispatcher's own.

Where there are several such places, each has so many numbers of workers in a row."""


class Claim(NamedTuple):
    """A range of items that a worker has taken."""

    worker: int
    first: int
    end: int
    next: int
    """The first item that nobody has claimed."""


def read_claims(path: str) -> list[Claim]:
    """All claims so far, in order."""
    try:
        with open(path, "rb") as file:
            data = file.read()
    except FileNotFoundError:
        return []
    whole = len(data) - len(data) % _CLAIM.size
    return [Claim(*row) for row in _CLAIM.iter_unpack(data[:whole])]


class Claims:
    """The claims file, open for adding."""

    def __init__(self, path: str, items: int) -> None:
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        self._items = items

    def take(self, worker: int, wanted: int, workers: int) -> Claim | None:
        """Claim up to ``wanted`` items; with ``workers``, fewer near the end, so that all of them finish together."""
        fcntl.flock(self._fd, fcntl.LOCK_EX)
        try:
            first = self._next()
            left = self._items - first
            if left <= 0:
                return None
            share = -(-left // (2 * workers)) if workers else left
            count = max(1, min(wanted, share))
            return self._append(worker, first, first + count, first + count)
        finally:
            fcntl.flock(self._fd, fcntl.LOCK_UN)

    def give(self, worker: int, first: int, end: int) -> Claim:
        """Pass items that a dead worker had claimed, and not begun, to another."""
        fcntl.flock(self._fd, fcntl.LOCK_EX)
        try:
            return self._append(worker, first, end, self._next())
        finally:
            fcntl.flock(self._fd, fcntl.LOCK_UN)

    def close(self) -> None:
        os.close(self._fd)

    def _next(self) -> int:
        size = os.fstat(self._fd).st_size
        size -= size % _CLAIM.size
        if not size:
            return 0
        return Claim(*_CLAIM.unpack(os.pread(self._fd, _CLAIM.size, size - _CLAIM.size))).next

    def _append(self, *row: int) -> Claim:
        # A write that a kill cut short leaves an odd tail; it goes before the next claim is added.
        size = os.fstat(self._fd).st_size
        if size % _CLAIM.size:
            point("ledger.cut")
            os.ftruncate(self._fd, size - size % _CLAIM.size)
        point("ledger.claim")
        os.write(self._fd, _CLAIM.pack(*row))
        return Claim(*row)


class Mark(NamedTuple):
    """What a worker is doing and has done."""

    item: int | None
    since: float
    finished: int
    failed: int


def read_marks(path: str) -> dict[int, Mark]:
    """What is marked for the workers that are in an item now, by number; for others than the dispatcher."""
    try:
        with open(path, "rb") as file:
            data = file.read()
    except FileNotFoundError:
        return {}
    whole = len(data) - len(data) % MARK.size
    rows = enumerate(MARK.iter_unpack(data[:whole]))
    return {number: Mark(item - 1, *more) for number, (item, *more) in rows if item}


class Marks:
    """The marks file as mapped memory."""

    def __init__(self, path: str) -> None:
        fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            size = MARKS * MARK.size
            if os.fstat(fd).st_size < size:
                # Real blocks: a store into a hole of a full disk would kill the process.
                point("ledger.marks")
                os.posix_fallocate(fd, 0, size) if hasattr(os, "posix_fallocate") else os.ftruncate(fd, size)
            self.memory = mmap.mmap(fd, size)
        finally:
            os.close(fd)

    def of(self, worker: int) -> Mark:
        """What is marked for a worker; times are monotonic seconds."""
        item, since, finished, failed = MARK.unpack_from(self.memory, worker % MARKS * MARK.size)
        return Mark(item - 1 if item else None, since, finished, failed)

    def set(self, worker: int, finished: int, failed: int) -> None:
        """Write down a count, with no item begun."""
        MARK.pack_into(self.memory, worker % MARKS * MARK.size, 0, 0.0, finished, failed)

    def pause(self, worker: int) -> None:
        """The item that a worker is in is not worked on for a while: its time limit does not run, and if the worker dies it is another's."""
        _, since, finished, failed = MARK.unpack_from(self.memory, worker % MARKS * MARK.size)
        MARK.pack_into(self.memory, worker % MARKS * MARK.size, 0, since, finished, failed)

    def resume(self, worker: int, item: int) -> None:
        """It is worked on again; its time begins anew."""
        _, _, finished, failed = MARK.unpack_from(self.memory, worker % MARKS * MARK.size)
        MARK.pack_into(self.memory, worker % MARKS * MARK.size, item + 1, time.monotonic(), finished, failed)

    def totals(self) -> tuple[int, int]:
        """How many items are finished, and how many of them failed."""
        rows = [(row[2], row[3]) for row in MARK.iter_unpack(self.memory)]
        return sum(row[0] for row in rows), sum(row[1] for row in rows)

    def close(self) -> None:
        self.memory.close()


def stop(folder: str) -> None:
    """Have no more items begun."""
    os.close(os.open(os.path.join(folder, layout.MAP_STOPPED), os.O_WRONLY | os.O_CREAT, 0o600))


def is_stopped(folder: str) -> bool:
    """Whether no more items are to be begun."""
    return os.path.exists(os.path.join(folder, layout.MAP_STOPPED))
