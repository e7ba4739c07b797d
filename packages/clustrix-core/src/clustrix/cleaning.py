"""Free room in the state directory: jobs that ended long ago, with all that they have left, and files that nobody needs.

Called by the command line, beside dispatchers that run and submitters that submit.  What holds after a kill between any two steps:
rows go before files, so whatever a job that is still in the journal needs is there; and files without a row are found the next time.
"""

from __future__ import annotations

import fcntl
import os
import re
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from typing import NamedTuple

from clustrix.bundle import BlobStore
from clustrix.bundle import unused as blobs
from clustrix.dispatcher.instance import Instance, names
from clustrix.errors import JournalFull, storage_error
from clustrix.journal import Journal, Place
from clustrix.journal.removal import Ended, Removal
from clustrix.runner import folders
from clustrix.runner.faults import point

AGE_SECONDS = 30 * 86400.0
LEAST_SECONDS = 60.0
"""A job that has just ended stays so long, whatever the age: who waits for it has not read its result yet."""

_PAUSE_SECONDS = 1.0
"""From forgetting a job's key to removing the job: who has just found it by its key reads its result."""
_MANY_ROWS = 400
_FEW_ROWS = 10
"""In one transaction.  Where the disk is full, its log has room for few."""
_LOOKED_UP = 500
_WORTH_BYTES = 1 << 20
_QUICK_BYTES = 16 << 20
"""What is written anew while others wait: 68 MiB took 1.1 s on two cores of 2026, and nobody could submit meanwhile."""
_FOLDER = re.compile(r"([0-9A-HJKMNP-TV-Z]{26})(\.\d+)?")
"""Names of folders of ours: a job's, and one of an attempt of it that is over."""
_RUNTIME = (".sock", ".log", ".log.old")
"""Not the locks: two processes would have one each if one of them were made anew."""


class Choice(NamedTuple):
    """What shall go."""

    older_s: float = AGE_SECONDS
    """Jobs that ended longer ago."""
    states: Sequence[str] | None = None
    """Of these states only; None: in whatever state they ended."""
    kept: bool = False
    """The jobs stay; only folders go: of failed jobs, and of attempts that failed and were followed by another."""


class Part(NamedTuple):
    """How much of one kind."""

    number: int = 0
    size_bytes: int = 0

    def plus(self, size_bytes: int, number: int = 1) -> Part:
        return Part(self.number + number, self.size_bytes + size_bytes)


class Cleaning:
    """One round; ``dry``: nothing is changed, only counted.  Raises an error below JournalError."""

    def __init__(self, place: Place, choice: Choice, dry: bool) -> None:
        self._place = place
        self._choice = choice
        self._dry = dry
        self._before = time.time() - max(choice.older_s, LEAST_SECONDS)
        self._due: set[int] = set()
        """The jobs that would go, in a dry round."""
        self.jobs = Part()
        self.folders = Part()
        """Below ``kept``, and what was left below ``live``."""
        self.blobs = Part()
        self.files = Part()
        """Of dispatchers that do not run."""
        self.journal_bytes = 0
        """By how much the journal's file has become smaller."""
        self.free_bytes = 0
        """What is left in it for new jobs."""

    def run(self) -> Cleaning:
        """Do it."""
        with closing(Removal(self._place)) as journal:
            try:
                self._run(journal)
            except OSError as error:
                raise storage_error(self._place.root, error) from error
        return self

    def _run(self, journal: Removal) -> None:
        if self._choice.kept:
            self._folders(journal)
            return
        try:
            self._jobs(journal)
        except JournalFull:
            self._loose(journal)  # which needs no room in the journal, and makes some
            journal.checkpoint()
            self._jobs(journal, _FEW_ROWS)
        self._loose(journal)
        if not self._dry:
            self._shrink(journal)

    def _loose(self, journal: Removal) -> None:
        """What belongs to no job, or to none that is still there."""
        self._folders(journal)
        self._blobs(journal)
        self._files()

    def anything(self) -> bool:
        """Whether there was anything to remove."""
        return any(part.number for part in (self.jobs, self.folders, self.blobs, self.files))

    # -- the journal

    def _jobs(self, journal: Removal, rows: int = _MANY_ROWS) -> None:
        if not self._dry:
            forgotten = sum(map(journal.forget_keys, self._ended(journal, rows)))
            point("clean.after-keys")
            if forgotten:
                time.sleep(_PAUSE_SECONDS)
        for some in self._ended(journal, rows):
            size, number = journal.size_bytes(some), len(some)
            if self._dry:
                self._due.update(job.seq for job in some)
            else:
                number = journal.remove(some)  # another may be cleaning too
                point("clean.after-rows")
            self.jobs = self.jobs.plus(size * number // len(some), number)
        if not self._dry:
            with closing(Journal(self._place)) as other:
                other.drop_environs()

    def _ended(self, journal: Removal, rows: int) -> Iterator[list[Ended]]:
        return journal.due(self._choice.states, self._before, rows)

    def _shrink(self, journal: Removal) -> None:
        """Where others would wait for it too long, the room is left to the jobs to come."""
        used, self.free_bytes = journal.room()
        worth = self.free_bytes >= max(_WORTH_BYTES, used // 4)
        if worth and (used <= _QUICK_BYTES or not journal.live()):
            with suppress(JournalFull):  # it needs the room of what is left, for a moment
                journal.shrink()
                left = journal.room()[1]
                self.journal_bytes, self.free_bytes = self.free_bytes - left, left

    # -- files

    def _folders(self, journal: Removal) -> None:
        for root in (self._place.live, self._place.kept):  # in which a dispatcher may just be moving one
            # The folder is seen before the journal is asked: that has the row of a job before the job has a folder.
            names = [name for name in os.listdir(root) if _FOLDER.fullmatch(name)]
            for start in range(0, len(names), _LOOKED_UP):
                some = names[start : start + _LOOKED_UP]
                known = journal.known([name[:26] for name in some])
                for name in some:
                    path = os.path.join(root, name)
                    if self._goes(path, known):
                        self._remove_folder(path)

    def _goes(self, path: str, known: dict[str, Ended | None]) -> bool:
        job, _, attempt = os.path.basename(path).partition(".")
        if job not in known:
            # Of a job that was removed, or of another journal that was here.
            return not self._choice.kept and _modified(path) < self._before
        ended = known[job]
        if ended is None:
            return False
        if not self._choice.kept:
            return ended.seq in self._due
        chosen = self._choice.states is None or ended.state in self._choice.states
        failed = bool(attempt) or ended.state != "SUCCEEDED"
        return chosen and failed and ended.at < self._before

    def _remove_folder(self, path: str) -> None:
        size = sum(_size(os.path.join(folder, name)) for folder, _, names in os.walk(path) for name in names)
        if not self._dry:
            folders.remove(path)
            if os.path.exists(path):  # somebody else's files, or a disk that cannot be written
                return
            point("clean.after-folder")
        self.folders = self.folders.plus(size)

    def _blobs(self, journal: Removal) -> None:
        store = BlobStore(self._place.blobs)
        staying = (payload for seq, payload in journal.payloads() if seq not in self._due)
        for blob in blobs.unused(store, staying):
            if self._dry or blobs.remove(store, blob):
                self.blobs = self.blobs.plus(blob.size_bytes)
                point("clean.after-blob")

    def _files(self) -> None:
        root = self._place.dispatchers
        for name in names(self._place):
            if Instance(self._place, name).running():
                continue
            base = os.path.join(root, name)
            old = [path for path in (base + end for end in _RUNTIME) if _modified(path) < self._before]
            for path in old:
                size = _size(path)
                if self._dry or _unlink_idle(base + ".lock", path):
                    self.files = self.files.plus(size)


def _unlink_idle(lock: str, path: str) -> bool:
    """Remove a file of a dispatcher's, unless that runs; a new one waits meanwhile."""
    fd = os.open(lock, os.O_RDWR | os.O_CLOEXEC)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.unlink(path)
    except (BlockingIOError, FileNotFoundError):
        return False
    finally:
        os.close(fd)
    return True


def _modified(path: str) -> float:
    """Never, for what is not there."""
    try:
        return os.lstat(path).st_mtime
    except FileNotFoundError:
        return float("inf")


def _size(path: str) -> int:
    with suppress(FileNotFoundError):
        return os.lstat(path).st_blocks * 512
    return 0
