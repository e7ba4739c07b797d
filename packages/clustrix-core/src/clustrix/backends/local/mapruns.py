"""One running map: the accounts of its items, whichever worker had them and however it ended."""

from __future__ import annotations

import errno
import os
import time
from contextlib import suppress

from clustrix.backends.local.capacity import Need
from clustrix.backends.local.runs import Run, Runner, Verdicts
from clustrix.journal import JobRecord, JobState, Outcome, Place
from clustrix.runner import claim, layout, maps
from clustrix.runner.faults import point
from clustrix.runner.frames import CONTAINER, FAILURE, pack, record, records


class MapRun(Run):
    """A map: any number of workers, and the accounts of its items."""

    def __init__(self, record: JobRecord, need: Need, place: Place) -> None:
        super().__init__(record, need, place)
        self._given: list[tuple[int, int]] = []
        """Ranges that dead workers had claimed and not begun."""
        os.makedirs(self.folder, mode=0o700, exist_ok=True)
        self.marks = maps.Marks(self.file(layout.MAP_MARKS))
        self._next = 1 + max((row.worker for row in self._rows()), default=-1)

    def wanted(self) -> int:
        if self.settled or self.cancelled:
            return 0
        rows = self._rows()
        unclaimed = self.record.items - (rows[-1].next if rows else 0) - len(self.starting)
        return max(0, len(self._given) + unclaimed)

    def next_worker(self) -> int:
        while os.path.lexists(self.file(layout.worker_folder(self._next))):
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
        point("dispatcher.after-give")
        return [[first, end]]

    def holders(self) -> list[tuple[int, claim.Holder]]:
        """Workers that have begun, dead or alive, by number."""
        found = []
        for name in os.listdir(self.folder):
            number = name.removeprefix(layout.WORKER)
            if number != name and number.isdigit():
                holder = self.holder(int(number))
                if holder is not None:
                    found.append((int(number), holder))
        return sorted(found)

    def holder(self, worker: int) -> claim.Holder | None:
        """Who that worker is; None if it has not begun."""
        return claim.read(os.path.join(self.file(layout.worker_folder(worker)), layout.CLAIM))

    def take_back(self, worker: int) -> None:
        """Give to others what was given to a worker that will never begin."""
        mine = self._claimed_by(worker)
        if mine:
            self._hand_on(mine, self._done())

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
        self._cut_tail(runner.worker)
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
        self._hand_on(mine, done)
        # The worker's own count may be one short of its records.
        finished = sum(1 for item in mine if item in done)
        failed = sum(1 for item in mine if done.get(item))
        self.marks.set(runner.worker, finished, failed)

    def _hand_on(self, items: list[int], done: dict[int, bool]) -> None:
        self._given += _ranges([item for item in items if item not in done])

    def unbegun(self) -> set[int]:
        """Workers that have items, and have not begun."""
        return {row.worker for row in self._rows() if self.holder(row.worker) is None}

    def _rows(self) -> list[maps.Claim]:
        return maps.read_claims(self.file(layout.MAP_CLAIMS))

    def _claimed_by(self, worker: int) -> list[int]:
        owner: dict[int, int] = {}
        for row in self._rows():
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
                        done[found.item] = bool(found.flags & FAILURE)
        return done

    def _append(self, row: bytes) -> None:
        """To a results file of the dispatcher's own: a dead worker's file may end in half a record."""
        path = self.file(layout.worker_results(maps.MARKS - 1))
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            before = os.fstat(fd).st_size
            if os.write(fd, row) != len(row):
                os.ftruncate(fd, before)
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path)
        finally:
            os.close(fd)

    def _cut_tail(self, worker: int) -> None:
        """Half a record at the end of a dead worker's file is of no use, and may be what fills the disk."""
        path = self.file(layout.worker_results(worker))
        with suppress(FileNotFoundError), open(path, "r+b") as file:
            data = file.read()
            end = max((found.offset + found.size for found in records(data)), default=0)
            if end < len(data):
                file.truncate(end)

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
