"""One running job: its processes, and what their ends mean.

What holds after a kill of anything at any time: the claim says whether the user's function may have been called, the
result file (or record) says that it is done, and neither is ever taken back.
"""

from __future__ import annotations

import asyncio
import os
from typing import NamedTuple

from clustrix.backends.committed import cancelled, committed, ended, failed
from clustrix.backends.local.capacity import Need
from clustrix.journal import JobRecord, JobState, Outcome, Place
from clustrix.runner import claim, layout
from clustrix.runner.setup import Order
from clustrix.runner.verdict import CANCEL, MOST_STARTS, Verdict, kept_status, not_started, verdict


def had_no_room(status: int | None) -> bool:
    """Whether the disk was too full for a process to begin, or to write down what it had done."""
    return _code(status) in (layout.EX_CANTCREAT, layout.EX_STORE)


def not_begun(status: int | None) -> bool:
    """Whether a process had no claim."""
    return _code(status) in (layout.EX_CLAIMED, layout.EX_CANTCREAT)


def _code(status: int | None) -> int | None:
    """The exit code in a wait status; None if nobody saw it, or a signal ended the process."""
    return os.WEXITSTATUS(status) if status is not None and os.WIFEXITED(status) else None


class Runner:
    """A process that works on a job."""

    def __init__(self, worker: int, pid: int, start: str, since: float) -> None:
        self.worker = worker
        self.pid = pid
        self.start = start
        self.since = since
        """Monotonic time at which it began."""
        self.doom: str | None = None
        """What it is being ended for, if it is."""
        self.peak_bytes = 0
        self.leaving: asyncio.TimerHandle | None = None
        """Set when its result is there and it should go."""


class Again(NamedTuple):
    """The job, or what is left of it, has to be started (again)."""


class Adopt(NamedTuple):
    """Another process than the one that ended is at work on the job."""

    holder: claim.Holder


Verdicts = Outcome | Again | Adopt | None


class Run:
    """What calls and maps have in common."""

    def __init__(self, record: JobRecord, need: Need, place: Place) -> None:
        self.record = record
        self.need = need
        self.memory_bytes = record.memory_bytes
        """What one of its processes may have."""
        self.folder = os.path.join(place.live, record.id)
        self.runners: dict[int, Runner] = {}
        self.starting: set[int] = set()
        """Workers that were ordered, and have not been heard of yet."""
        self.cancelled = False
        self.settled = False
        """Its outcome has been handed on; what is left of its processes is on the way out."""
        self.committed = False
        self._failed_starts = 0
        self._latest: Verdict | None = None

    @property
    def size(self) -> int:
        """How many times it holds its need."""
        return 0 if self.settled else len(self.runners) + len(self.starting)

    def file(self, name: str) -> str:
        return os.path.join(self.folder, name)

    def wanted(self) -> int:
        """How many more processes could be put to work."""
        return 0

    def ended(self, runner: Runner, status: int | None) -> Verdicts:
        """What the end of one of its processes means; None: nothing yet."""
        return None

    def complete(self) -> Verdicts:
        """The outcome if nothing is left to do or to wait for."""
        return None

    def next_worker(self) -> int:
        """The number for the next process."""
        return 0

    def claims_for(self, worker: int) -> list[list[int]]:
        """Items that are given to a worker from the start."""
        return []

    def order(self, worker: int, spec: str, place: Place) -> Order:
        """For a process that will be started.  Raises OSError."""
        claims = self.claims_for(worker)
        self.starting.add(worker)
        return Order(
            job=self.record.id,
            kind=self.record.kind,
            folder=self.folder,
            worker=worker,
            place=spec,
            environ=os.path.join(place.environments, self.record.environ),
            blobs=place.blobs,
            cores=self.need.cores,
            claims=claims,
            name=self.record.name,
            attempt=self.record.attempt,
            time_s=self.record.time_s,
        )

    def ready(self) -> Outcome | None:
        """The outcome, if one is committed in the folder."""
        found = committed(self.record, self.folder)
        return self.cancellation() if found is not None and self.cancelled else found

    def cancellation(self) -> Outcome:
        """The outcome of a job that was cancelled."""
        return cancelled(self.record, self.folder)

    def lost(self) -> Outcome:
        """The outcome of a job whose folder somebody has removed while it ran."""
        if self.cancelled:
            return self.cancellation()
        cause = f"its folder in the state directory was removed while it ran: {self.folder}"
        return failed(
            self.record, "JobLost", cause, "Leave that folder alone, and submit it again.", JobState.LOST
        )

    def began(self) -> None:
        """One of its processes has come to work."""
        self._failed_starts = 0

    def did_not_begin(self, found: Verdict, status: int | None) -> None:
        """One of them has ended before.  For room it waits as long as need be."""
        self._failed_starts += not had_no_room(status)
        self._latest = found

    def start_is_hopeless(self) -> bool:
        """Whether it would come to the same if it were started once more."""
        return self._failed_starts >= MOST_STARTS

    def not_started(self) -> Outcome:
        """The outcome of a job whose processes do not come to work."""
        assert self._latest is not None
        return ended(self.record, not_started(self._latest))

    def _verdict(self, runner: Runner, status: int | None, rebooted: bool = False) -> Verdict:
        return verdict(
            status,
            CANCEL if self.cancelled else runner.doom,
            folder=self.folder,
            time_s=self.record.time_s,
            memory_bytes=self.memory_bytes,
            peak_bytes=runner.peak_bytes,
            rebooted=rebooted,
        )


class CallRun(Run):
    """One call."""

    def wanted(self) -> int:
        return 0 if self.size or self.settled else 1

    def left_over(self) -> Verdicts:
        """What an earlier dispatcher's run of this job has come to."""
        found = self.ready()
        if found is not None:
            return found
        holder = claim.read(self.file(layout.CLAIM))
        if holder is None:
            return Again()
        if not holder.rebooted():
            return Adopt(holder)
        dead = Runner(0, holder.pid, holder.start, 0.0)
        return self.ready() or ended(
            self.record, self._verdict(dead, kept_status(self.folder, holder.pid), holder.rebooted())
        )

    def ended(self, runner: Runner, status: int | None) -> Verdicts:
        """What the end of its process means."""
        found = self.ready()
        if found is not None:
            return found
        holder = claim.read(self.file(layout.CLAIM))
        if holder is None and not not_begun(status) and _code(status) not in (None, layout.EX_SOFTWARE):
            # Somebody has removed its folder, and the claim with it.
            return ended(self.record, self._verdict(runner, status))
        if holder is None:
            self.did_not_begin(self._verdict(runner, status), status)
            if self.cancelled:
                return self.cancellation()
            return self.not_started() if self.start_is_hopeless() else Again()
        if holder.pid != runner.pid:
            return self.left_over()
        return ended(self.record, self._verdict(runner, status))
