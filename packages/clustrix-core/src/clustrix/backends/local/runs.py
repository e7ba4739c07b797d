"""One running job: its processes, and what their ends mean.  A call has one runner; a map has workers.

What holds after a kill of anything at any time: the claim says whether the user's function may have been called, the
result file (or record) says that it is done, and neither is ever taken back.
"""

from __future__ import annotations

import asyncio
import json
import os
import time
from typing import NamedTuple

from clustrix.backends.local.capacity import Need
from clustrix.backends.local.verdict import CANCEL, Verdict, kept_status, verdict
from clustrix.journal import JobRecord, JobState, Outcome, Place
from clustrix.runner import claim, layout, maps, outcome
from clustrix.runner.frames import CONTAINER, FAILURE, Damaged, pack, peek, record, records, unpack
from clustrix.runner.setup import Order

INLINE_RESULT_BYTES = 65536
_MOST_STARTS = 3


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
        self.folder = os.path.join(place.live, record.id)
        self.runners: dict[int, Runner] = {}
        self.starting: set[int] = set()
        """Workers that were ordered, and have not been heard of yet."""
        self.cancelled = False
        self.settled = False
        """Its outcome has been handed on; what is left of its processes is on the way out."""
        self.committed = False
        self._starts = 0

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
        where = json.loads(spec)
        self.starting.add(worker)
        return Order(
            job=self.record.id,
            kind=self.record.kind,
            folder=self.folder,
            worker=worker,
            cwd=where["cwd"],
            path=where["path"],
            environ=os.path.join(place.environments, self.record.environ),
            blobs=place.blobs,
            cores=self.need.cores,
            claims=self.claims_for(worker),
        )

    def ready(self) -> Outcome | None:
        """The outcome, if one is committed in the folder."""
        path = self.file(layout.RESULT)
        try:
            size = os.stat(path).st_size
            with open(path, "rb") as file:
                data = file.read() if size <= INLINE_RESULT_BYTES else b""
                meta = unpack(data)[0] if data else peek(file.read(1 << 20), size)
        except FileNotFoundError:
            return None
        except Damaged as error:
            return self._failed("ResultDamaged", f"its result is damaged: {error}", "Submit it again.")
        return self._judged(meta["kind"], data or None, None if data else layout.RESULT)

    def _judged(self, kind: str, data: bytes | None, path: str | None) -> Outcome:
        if self.cancelled:
            return self.cancellation()
        state = JobState.SUCCEEDED if kind == outcome.VALUE else JobState.FAILED
        reason = "" if kind == outcome.VALUE else _REASONS[kind]
        return Outcome(self.record.seq, state, reason, data, path)

    def _ended(self, found: Verdict) -> Outcome:
        return Outcome(self.record.seq, found.state, found.cause, error=found.record)

    def _failed(self, error: str, cause: str, advice: str) -> Outcome:
        row = json.dumps({"error": error, "cause": cause, "advice": advice, "details": {}, "stderr": ""})
        return Outcome(self.record.seq, JobState.FAILED, cause, error=row)

    def cancellation(self) -> Outcome:
        """The outcome of a job that was cancelled."""
        return self._ended(verdict(None, CANCEL, folder=self.folder))

    def _again(self) -> Outcome | Again:
        """Start once more what did not begin, but not for ever."""
        if self._starts < _MOST_STARTS:
            return Again()
        cause = f"{_MOST_STARTS} processes in a row ended before they began with it"
        return self._failed("JobNotStarted", cause, "See the dispatcher's log in the state directory.")

    def _verdict(self, runner: Runner, status: int | None, rebooted: bool = False) -> Verdict:
        return verdict(
            status,
            CANCEL if self.cancelled else runner.doom,
            folder=self.folder,
            time_s=self.record.time_s,
            memory_bytes=self.record.memory_bytes,
            peak_bytes=runner.peak_bytes,
            rebooted=rebooted,
        )


_REASONS = {
    outcome.EXCEPTION: "its function raised an exception",
    outcome.EXIT: "its function raised SystemExit",
    outcome.INTERRUPT: "its function raised KeyboardInterrupt",
    outcome.UNPICKLABLE: "its result cannot be sent",
    outcome.SETUP: "it could not be set up",
}


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
        return self.ready() or self._ended(
            self._verdict(dead, kept_status(self.folder, holder.pid), holder.rebooted())
        )

    def ended(self, runner: Runner, status: int | None) -> Verdicts:
        """What the end of its process means."""
        found = self.ready()
        if found is not None:
            return found
        holder = claim.read(self.file(layout.CLAIM))
        if holder is None:
            self._starts += 1
            return self.cancellation() if self.cancelled else self._again()
        if holder.pid != runner.pid:
            return self.left_over()
        return self._ended(self._verdict(runner, status))


class MapRun(Run):
    """A map: any number of workers, and the accounts of its items."""

    def __init__(self, record: JobRecord, need: Need, place: Place) -> None:
        super().__init__(record, need, place)
        self._next = 0
        self._given: list[tuple[int, int]] = []
        """Ranges that dead workers had claimed and not begun."""
        os.makedirs(self.folder, mode=0o700, exist_ok=True)
        self.marks = maps.Marks(self.file(layout.MAP_MARKS))

    def wanted(self) -> int:
        if self.settled or self.cancelled:
            return 0
        rows = maps.read_claims(self.file(layout.MAP_CLAIMS))
        unclaimed = self.record.items - (rows[-1].next if rows else 0) - len(self.starting)
        return max(0, len(self._given) + unclaimed)

    def next_worker(self) -> int:
        while os.path.lexists(self.file(layout.worker_claim(self._next))):
            self._next += 1
        self._next += 1
        return self._next - 1

    def claims_for(self, worker: int) -> list[list[int]]:
        if not self._given:
            return []
        first, end = self._given.pop()
        claims = maps.Claims(self.file(layout.MAP_CLAIMS), self.record.items)
        claims.give(worker, first, end)
        claims.close()
        return [[first, end]]

    def holders(self) -> list[tuple[int, claim.Holder]]:
        """Workers that have begun, dead or alive, by number."""
        found = []
        for name in os.listdir(self.folder):
            if name.startswith("worker-"):
                holder = claim.read(self.file(name))
                if holder is not None:
                    found.append((int(name.removeprefix("worker-")), holder))
        return sorted(found)

    def refuse(self, worker: int) -> bool:
        """Keep a worker that has not begun from ever beginning; False if it has begun."""
        return claim.take(self.file(layout.worker_claim(worker)))

    def ended(self, runner: Runner, status: int | None) -> Verdicts:
        """What the end of a worker means."""
        whole = self.ready()
        if whole is not None:
            return whole
        if status != 0 or self.marks.of(runner.worker).item is not None:
            self._account(runner, status)
        return self.complete()

    def complete(self) -> Verdicts:
        """The map's outcome if nothing is left to do or to wait for."""
        if self.size:
            return None
        if self.cancelled:
            return self.cancellation()
        if self.wanted():
            return self._again()
        self._sync()
        _, failed = self.marks.totals()
        if failed:
            return Outcome(self.record.seq, JobState.FAILED, f"{failed} of {self.record.items} items failed")
        return Outcome(self.record.seq, JobState.SUCCEEDED)

    def _account(self, runner: Runner, status: int | None) -> None:
        """Close a dead worker's books: the item it was in has failed; what it had not begun goes to others."""
        done = self._done()
        current = self.marks.of(runner.worker).item
        mine = self._claimed_by(runner.worker)
        if current is not None and current not in done and not self.cancelled:
            found = self._verdict(runner, status)
            body = b"".join(pack({"kind": "error", "record": found.record}, []))
            self._append(record(current, FAILURE | CONTAINER, body))
            done[current] = True
            self._starts = 0
        elif not any(item in done for item in mine):
            self._starts += 1
        else:
            self._starts = 0
        left = [item for item in mine if item not in done]
        self._given += _ranges(left)
        # The worker's own count may be one short of its records.
        finished = sum(1 for item in mine if item in done)
        failed = sum(1 for item in mine if done.get(item))
        self.marks.set(runner.worker, finished, failed)

    def _claimed_by(self, worker: int) -> list[int]:
        owner: dict[int, int] = {}
        for row in maps.read_claims(self.file(layout.MAP_CLAIMS)):
            for item in range(row.first, row.end):
                owner[item] = row.worker
        return sorted(item for item, who in owner.items() if who == worker)

    def _done(self) -> dict[int, bool]:
        """Finished items, and whether they failed."""
        done = {}
        for name in os.listdir(self.folder):
            if name.startswith(layout.MAP_RESULTS):
                with open(self.file(name), "rb") as file:
                    for found in records(file.read()):
                        done[found.index] = bool(found.flags & FAILURE)
        return done

    def _append(self, row: bytes) -> None:
        """To a results file of the dispatcher's own: a dead worker's file may end in half a record."""
        path = self.file(layout.worker_results(maps.MARKS - 1))
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            os.write(fd, row)
        finally:
            os.close(fd)

    def _sync(self) -> None:
        for name in os.listdir(self.folder):
            if name.startswith(layout.MAP_RESULTS):
                fd = os.open(self.file(name), os.O_RDONLY)
                try:
                    os.fsync(fd)
                finally:
                    os.close(fd)

    def overdue(self) -> tuple[list[Runner], float]:
        """Workers whose item has taken too long, and how long (seconds) until the next may."""
        limit = self.record.time_s or 0.0
        now = time.monotonic()
        late, soonest = [], limit
        for runner in self.runners.values():
            mark = self.marks.of(runner.worker)
            if mark.item is None:
                continue
            left = mark.since + limit - now
            if left <= 0:
                late.append(runner)
            else:
                soonest = min(soonest, left)
        return late, soonest


def _ranges(items: list[int]) -> list[tuple[int, int]]:
    """Sorted numbers as half-open ranges."""
    found: list[tuple[int, int]] = []
    for item in items:
        if found and found[-1][1] == item:
            found[-1] = (found[-1][0], item + 1)
        else:
            found.append((item, item + 1))
    return found
