"""The job that this process runs, and what it tells of how far it is."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from typing import Any, NamedTuple

from clustrix.runner import checkpoints, layout
from clustrix.runner.faults import point

brought_along = False
"""Whether this very code was sent along with a job, and need not be installed."""
RECORD_BYTES = 512
_PAUSE_SECONDS = 0.1
"""Between two reports that anybody sees; the last is always written."""
_MESSAGE_CHARACTERS = 200


class CurrentJob(NamedTuple):
    """The job that this code runs in."""

    id: str
    name: str
    attempt: int
    """From 1; more after a retry."""
    item: int | None
    """Which item of a map; None in a call."""
    cores: int
    """What it was given."""
    ends: float | None = None
    """When its time is up, in seconds since the epoch; None where it has no limit."""

    @property
    def time_left(self) -> float | None:
        """Seconds until its time is up, not below 0; None where it has no limit."""
        return None if self.ends is None else max(0.0, self.ends - time.time())


class Runner:
    """What a process of a job knows of itself."""

    def __init__(
        self,
        job: CurrentJob,
        folder: str,
        worker: int | None,
        item: Callable[[], int | None],
        tell: Callable[[bytes], None],
        ends: Callable[[], float | None],
    ) -> None:
        """``worker``: the number of a map's; ``item``: which item it is in now; ``tell``: wakes who waits; ``ends``: when its time is up."""
        self._job = job
        self._saved = checkpoints.folder_of(folder, job.id)
        self._ends = ends
        self._path = os.path.join(folder, layout.progress_of(worker))
        self._item = item
        self._tell = tell
        self._file = -1
        self._told_at = 0.0

    def job(self) -> CurrentJob:
        """As it is now."""
        return self._job._replace(item=self._item(), ends=self._ends())

    def save(self, obj: object) -> None:
        """See ``clustrix.runner.checkpoints.save``."""
        checkpoints.save(self._saved, self._item(), obj)

    def restore(self, default: Any) -> Any:
        """See ``clustrix.runner.checkpoints.read``."""
        return checkpoints.read(self._saved, self._item(), default)

    def report(self, done: float, total: float | None, message: str) -> None:
        """Write down how far it is; quick enough for a loop."""
        now = time.monotonic()
        if now - self._told_at < _PAUSE_SECONDS and done != total:
            return
        self._told_at = now
        row = [done, total, message[:_MESSAGE_CHARACTERS], self._item(), time.time()]
        data = json.dumps(row).encode()
        if len(data) > RECORD_BYTES:
            data = json.dumps([done, total, "", self._item(), time.time()]).encode()
        if self._file < 0:
            self._file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        point("progress.pwrite")
        os.pwrite(self._file, data.ljust(RECORD_BYTES), 0)  # one write: who reads sees this or the one before
        self._tell(b"P")


running: Runner | None = None
"""Set in a process of a job, before the user's code is called."""
