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
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from clustrix.errors import storage_error
from clustrix.runner import whole
from clustrix.runner.faults import point
from clustrix.runner.frames import BlobRef, Piece, buffers_of, digest_of, size_of, write_all

INLINE_BYTES = 8192
"""A smaller piece stays in the journal's row: a file of its own would cost more than it saves."""
ASIDE = "aside"
"""The folder of what is being written."""
UNUSED_SECONDS = 86400.0
"""How long nobody has to have touched a blob that is removed."""
_LARGE_BYTES = 4 << 20
"""From here on, who makes the digest and who writes are two."""
_SAMPLES = 256
_SAMPLE_BYTES = 64
_TOUCHED_SECONDS = 3600.0
"""Who finds a blob touched within this time need not touch it: it is left for a submission's row to be written in the rest of the day."""


class BlobStore:
    """Blobs below one folder.  Safe for any number of threads and processes."""

    def __init__(self, root: str) -> None:
        self.root = root
        self._known: set[str] = set()
        self._samples: set[tuple[int, int]] = set()
        """Of large pieces that were kept."""

    def path(self, digest: str) -> str:
        return os.path.join(self.root, digest[:2], digest)

    def keep(self, piece: Piece) -> Piece | BlobRef:
        """Store a large piece and return the reference to it; a small one comes back as it is.

        Raises JournalFull, JournalUnusable.
        """
        size = size_of(piece)
        if size < INLINE_BYTES:
            return piece
        sample = _sample(piece) if size >= _LARGE_BYTES else None
        if sample is not None and sample not in self._samples:
            ref = self._store_at_once(piece, size)
            self._samples.add(sample)
        else:
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

    def _store(self, ref: BlobRef, piece: Piece) -> None:
        if self._is_there(ref):
            return
        with self._aside() as aside:
            with _written(aside, piece) as fd:
                point("blob.sync")
                os.fsync(fd)
            self._name(aside, ref)

    def _store_at_once(self, piece: Piece, size: int) -> BlobRef:
        """Write it while its digest is made: it is most probably not there yet.  If it is, nothing of that has to reach the disk."""
        found: list[str] = []
        hashing = threading.Thread(target=lambda: found.append(digest_of(piece)))
        hashing.start()
        try:
            with self._aside() as aside:
                with _written(aside, piece) as fd:
                    hashing.join()
                    ref = BlobRef(found[0], size)
                    there = self._is_there(ref)
                    if not there:
                        point("blob.sync-large")
                        os.fsync(fd)
                if there:
                    os.unlink(aside)
                else:
                    self._name(aside, ref)
        finally:
            hashing.join()
        return ref

    def _is_there(self, ref: BlobRef) -> bool:
        path = self.path(ref.digest)
        return os.path.exists(path) and os.path.getsize(path) == ref.size and self.hold(ref.digest)

    @contextmanager
    def _aside(self) -> Iterator[str]:
        """A path that nobody else has, where what killed submitters leave is found as old blobs are.

        Raises JournalFull, JournalUnusable for an OSError of who uses it.
        """
        folder = os.path.join(self.root, ASIDE)
        path = os.path.join(folder, f"{os.getpid()}.{threading.get_ident():x}")
        try:
            os.makedirs(folder, mode=0o700, exist_ok=True)
            yield path
        except OSError as error:
            with suppress(OSError):
                os.unlink(path)
            raise storage_error(self.root, error) from error

    def _name(self, aside: str, ref: BlobRef) -> None:
        path = self.path(ref.digest)
        folder = os.path.dirname(path)
        if not os.path.isdir(folder):
            os.makedirs(folder, mode=0o700, exist_ok=True)
            whole.sync(self.root, "blob.sync-root")
        point("blob.rename")
        os.rename(aside, path)
        whole.sync(folder, "blob.sync-folder")


@contextmanager
def _written(path: str, piece: Piece) -> Iterator[int]:
    """A file with all of it, open and not yet synced."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        point("blob.write")
        write_all(fd, buffers_of(piece))
        yield fd
    finally:
        os.close(fd)


def _sample(piece: Piece) -> tuple[int, int]:
    """The same for equal pieces; of different ones seldom."""
    found = 0
    for buffer in buffers_of(piece):
        view = memoryview(buffer).cast("B")
        for at in range(0, len(view), max(_SAMPLE_BYTES, len(view) // _SAMPLES)):
            found = zlib.crc32(view[at : at + _SAMPLE_BYTES], found)
    return size_of(piece), found
