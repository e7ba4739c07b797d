"""The content-addressed store: equal bytes are kept once, under the name of their digest.

A blob is written aside, synced, and renamed: under its name it is whole or absent, after any kill.
"""

from __future__ import annotations

import os
import threading
from contextlib import suppress

from clustrix.errors import storage_error
from clustrix.runner.faults import point
from clustrix.runner.frames import BlobRef, Buffer, digest_of, write_all

INLINE_BYTES = 8192
"""A smaller piece stays in the journal's row: a file of its own would cost more than it saves."""


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
        if ref.digest not in self._known or not os.path.exists(self.path(ref.digest)):
            self._store(ref, piece)
            self._known.add(ref.digest)
        return ref

    def _store(self, ref: BlobRef, piece: Buffer) -> None:
        path = self.path(ref.digest)
        if os.path.exists(path) and os.path.getsize(path) == ref.size:
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
