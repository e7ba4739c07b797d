"""The content-addressed store: equal bytes are kept once, under the name of their digest.

A blob is written aside, synced, and renamed: under its name it is whole or absent, after any kill.

A submission stores its blobs before its row names them.  So a blob is removed only when no row names it and it was not touched
for a day; who is about to name one that is there touches it, at most once in an hour.  Both take turns at that (``flock`` on
``blobs.lock``): a blob is touched and stays, or is gone and stored anew.
"""

from __future__ import annotations

import fcntl
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from clustrix.errors import storage_error
from clustrix.runner.faults import point
from clustrix.runner.frames import BlobRef, Buffer, digest_of, write_all

INLINE_BYTES = 8192
"""A smaller piece stays in the journal's row: a file of its own would cost more than it saves."""
UNUSED_SECONDS = 86400.0
"""How long nobody has to have touched a blob that is removed."""
_TOUCHED_SECONDS = 3600.0
"""Who finds a blob touched within this time need not touch it: it is left for a submission's row to be written in the rest of the day."""


class BlobStore:
    """Blobs below one folder.  Safe for any number of threads and processes."""

    def __init__(self, root: str) -> None:
        self.root = root
        self._known: set[str] = set()

    def path(self, digest: str) -> str:
        return os.path.join(self.root, digest[:2], digest)

    def keep(self, piece: Buffer) -> Buffer | BlobRef:
        """Store a large piece and return the reference to it; a small one comes back as it is.

        Raises JournalFull, JournalUnusable.
        """
        size = memoryview(piece).nbytes
        if size < INLINE_BYTES:
            return piece
        ref = BlobRef(digest_of(piece), size)
        if ref.digest not in self._known or not self.hold(ref.digest):
            self._store(ref, piece)
            self._known.add(ref.digest)
        return ref

    def hold(self, digest: str) -> bool:
        """Have a blob stay until a row that is about to be written names it; False if it is not there.

        Raises JournalUnusable, JournalFull.
        """
        path = self.path(digest)
        try:
            if time.time() - os.stat(path).st_mtime < _TOUCHED_SECONDS:
                return True
            with self.turn(fcntl.LOCK_SH):
                os.utime(path)
        except FileNotFoundError:
            return False
        except OSError as error:
            raise storage_error(self.root, error) from error
        return True

    @contextmanager
    def turn(self, how: int) -> Iterator[None]:
        """``LOCK_SH`` to touch blobs, ``LOCK_EX`` to remove one."""
        fd = os.open(self.root + ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, how)
            yield
        finally:
            os.close(fd)

    def _store(self, ref: BlobRef, piece: Buffer) -> None:
        path = self.path(ref.digest)
        if os.path.exists(path) and os.path.getsize(path) == ref.size and self.hold(ref.digest):
            return
        folder = os.path.dirname(path)
        aside = f"{path}.{os.getpid()}.{threading.get_ident():x}"
        try:
            if not os.path.isdir(folder):
                os.makedirs(folder, mode=0o700, exist_ok=True)
                sync_folder(self.root)
            fd = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            try:
                write_all(fd, [piece])
                os.fsync(fd)
            finally:
                os.close(fd)
            point("blob.before-rename")
            os.rename(aside, path)
            sync_folder(folder)
        except OSError as error:
            with suppress(OSError):
                os.unlink(aside)
            raise storage_error(self.root, error) from error


def sync_folder(path: str) -> None:
    """Have the names in a folder on disk."""
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
