"""One SQLite connection with the promises that the journal needs.

* A write is a transaction that holds the writers' lock (``flock`` on ``journal.lock``) from before its BEGIN to after its
  COMMIT.  The kernel wakes the next writer at once; SQLite's own busy handler sleeps up to 100 ms.
* ``durable=True`` syncs at the commit; False leaves that to a later durable one (after a power failure the change may
  be missing, after any kill it is there).
* The database is in WAL mode, except on network file systems, where WAL's shared memory does not work: there it has a rollback
  journal and syncs at every commit.
* SQLite's errors leave this room as errors of ``clustrix.errors``.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from clustrix.errors import (
    JournalDamaged,
    JournalError,
    JournalFull,
    JournalTooNew,
    JournalUnusable,
    storage_error,
)
from clustrix.journal.place import Place, move_away, on_network
from clustrix.journal.schema import VERSION, migrate
from clustrix.runner.faults import point

_BUSY_SECONDS = 30.0
_FULL_BACKSTOP_PAGES = 20_000
"""The dispatcher empties the log; this is for a time when none runs."""

_LOG_BYTES = 4 << 20
"""What is written between two emptyings."""
_RESERVE_BYTES = 1 << 20
_PLENTY_BYTES = 256 << 20
"""A disk with less room than this has better use for it."""


class Connection:
    """Used by any thread; one transaction at a time."""

    def __init__(self, place: Place) -> None:
        self.path = place.database
        self._lock = threading.RLock()
        self._durable: bool | None = None
        self._networked = on_network(place.root)
        self._inodes: tuple[int, int] | None = None
        self._sql: sqlite3.Connection | None = None
        self._pid = os.getpid()
        with self.translated():
            self._turn = os.open(place.database + ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            self._closed = False
            # Created here and not by SQLite, whose new files follow the umask. One that is there is not touched: to close it would take
            # the locks of this process's other connections, and the next process to leave would remove the log under their feet.
            with suppress(FileExistsError):
                os.close(os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
            self._inodes = self._inodes_now()
            _open_ones.add(self)
            with self._lock:
                self._opened()

    def _opened(self) -> sqlite3.Connection:
        if self._sql is None:
            if self.vanished():  # or SQLite would make a new journal
                raise self.gone()
            self._sql = sqlite3.connect(
                self.path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False
            )
            self._durable = None
            try:
                self._prepare(self._sql)
            except BaseException:
                self._sql.close()
                self._sql = None
                raise
        return self._sql

    def _prepare(self, sql: sqlite3.Connection) -> None:
        execute = sql.execute
        (version,) = execute("PRAGMA user_version").fetchone()
        if version > VERSION:
            raise JournalTooNew(
                self.path,
                f"written by a newer clustrix (its tables have version {version}, this one knows {VERSION})",
                "Upgrade clustrix here, or set XDG_STATE_HOME to another folder.",
            )
        with self._turn_taken():
            execute(f"PRAGMA journal_mode = {'DELETE' if self._networked else 'WAL'}")
        execute(f"PRAGMA wal_autocheckpoint = {_FULL_BACKSTOP_PAGES}")
        if version < VERSION:
            with self.write("migrate"):
                migrate(sql)

    @contextmanager
    def _turn_taken(self) -> Iterator[None]:
        fcntl.flock(self._turn, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.flock(self._turn, fcntl.LOCK_UN)

    @contextmanager
    def write(self, step: str, durable: bool = True) -> Iterator[sqlite3.Connection]:
        """A transaction: all of it or nothing.  ``step``: its name for ``clustrix.runner.faults``."""
        with self.translated(), self._lock, self._turn_taken():
            sql = self._opened()
            if durable != self._durable and not self._networked:
                sql.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
                self._durable = durable
            sql.execute("BEGIN IMMEDIATE")
            try:
                yield sql
                point(f"journal.{step}")
                sql.execute("COMMIT")
                point(f"journal.{step}-done")
            except BaseException:
                with suppress(sqlite3.Error):  # a full disk may have rolled it back already
                    sql.execute("ROLLBACK")
                raise

    @contextmanager
    def read(self) -> Iterator[sqlite3.Connection]:
        """For looking things up."""
        with self.translated(), self._lock:
            yield self._opened()

    def checkpoint(self) -> None:
        """Move what is committed from the log into the database; then the next commit begins the log anew."""
        if not self._networked:
            with self.read() as sql, self._turn_taken():
                sql.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()

    def vacuum(self) -> None:
        """Write the database anew without its free pages.  Writers wait meanwhile."""
        with self.translated(), self._lock, self._turn_taken():
            sql = self._opened()
            sql.execute("VACUUM")
            if not self._networked:
                sql.execute("PRAGMA busy_timeout = 0")  # a reader may take its time: then the log stays long
                try:
                    sql.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
                finally:
                    sql.execute(f"PRAGMA busy_timeout = {_BUSY_SECONDS * 1000:.0f}")

    def reserve(self) -> None:
        """Give the log its usual size in advance: a commit that makes it longer waits for the file system's own log.

        SQLite takes what is behind its last frame for nothing, whatever is there.
        """
        disk = os.statvfs(self.path)
        if self._networked or disk.f_bavail * disk.f_frsize < _PLENTY_BYTES:
            return
        log = os.open(self.path + "-wal", os.O_WRONLY | os.O_CLOEXEC)
        try:
            while os.fstat(log).st_size < _LOG_BYTES:
                with self._lock, self._turn_taken():  # not for long at a time
                    size = os.fstat(log).st_size
                    point("journal.reserve")
                    os.pwrite(log, bytes(_RESERVE_BYTES), size)
                    point("journal.reserve-sync")
                    os.fsync(log)
        finally:
            os.close(log)

    def vanished(self) -> bool:
        """Whether the state directory, or the journal in it, has been removed or replaced since this connection was opened."""
        if self._inodes is None:
            return False
        try:
            return self._inodes_now() != self._inodes
        except OSError:
            return True

    def _inodes_now(self) -> tuple[int, int]:
        return os.stat(self.path + ".lock").st_ino, os.stat(self.path).st_ino

    def close(self) -> None:
        """Let go of the files; more than once does no harm."""
        with self._lock:
            if not self._closed:
                self._closed = True
                if self._sql is not None:
                    self._sql.close()
                    self._sql = None
                os.close(self._turn)

    def __del__(self) -> None:
        # A forked child leaves alone what its parent has open.
        if not getattr(self, "_closed", True) and self._pid == os.getpid():
            self.close()

    @contextmanager
    def translated(self) -> Iterator[None]:
        """The one place where SQLite's and the system's errors become ours."""
        try:
            yield
        except sqlite3.IntegrityError:
            raise  # a broken rule of the tables is for the caller to judge
        except sqlite3.Error as error:
            raise self._meaning_of(error) from error
        except OSError as error:
            if self.vanished():
                raise self.gone() from error
            raise storage_error(self.path, error) from error

    def gone(self) -> JournalError:
        """What to raise when it has vanished."""
        return JournalUnusable(
            self.path, "the state directory is gone", "Its jobs are lost; new submissions make a new one."
        )

    def _meaning_of(self, error: sqlite3.Error) -> JournalError:
        text = str(error)
        if "full" in text:
            advice = "Nothing was changed. Free some space, or set XDG_STATE_HOME to a folder with room."
            return JournalFull(self.path, "no space is left on the disk", advice)
        if self.vanished():
            return self.gone()
        if "malformed" in text or "not a database" in text or "disk image" in text:
            advice = f"Move it away, with what belongs to it, and submit again: {move_away(self.path)}"
            return JournalDamaged(self.path, f"is damaged ({text})", advice)
        if "readonly" in text or "unable to open" in text:
            return JournalUnusable(
                self.path, f"cannot be written ({text})", "Check its owner and permissions."
            )
        return JournalError(self.path, text)

    # -- forks

    def before_fork(self) -> None:
        """Wait until no thread uses it, and let go of the file.

        A child inherits what SQLite notes of locks that its process holds, and would wait for ever for a thread that it does not have.
        """
        self._lock.acquire()
        if self._sql is not None and self._pid == os.getpid() and not self._sql.in_transaction:
            self._sql.close()
            self._sql = None

    def after_fork(self) -> None:
        """In parent and child: it is opened again when it is needed."""
        self._lock.release()


_open_ones: weakref.WeakSet[Connection] = weakref.WeakSet()
_held: list[Connection] = []
_one_fork = threading.RLock()
"""Several threads may fork at once."""


def _before_fork() -> None:
    _one_fork.acquire()
    _held[:] = list(_open_ones)
    for connection in _held:
        connection.before_fork()


def _after_fork() -> None:
    while _held:
        _held.pop().after_fork()
    _one_fork.release()


os.register_at_fork(before=_before_fork, after_in_parent=_after_fork, after_in_child=_after_fork)
