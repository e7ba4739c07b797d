"""The accounts of a map's items, whichever worker had them and however it ended: for who looks after its workers.

See ``clustrix.runner.maps`` for the files, and for what holds after a kill.
"""

from __future__ import annotations

import errno
import json
import mmap
import os
import time
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import BinaryIO

from clustrix.runner import claim, layout, ledger, whole
from clustrix.runner.faults import point
from clustrix.runner.frames import CONTAINER, FAILURE, pack, record, records
from clustrix.runner.policy import MOST_SPARED, PLAIN, STOP, Policy


class Books:
    """Of one map."""

    def __init__(
        self,
        folder: str,
        items: int,
        policy: Policy = PLAIN,
        memory_bytes: int | None = None,
        ledger_folder: str = "",
        first_worker: int = 0,
    ) -> None:
        """``memory_bytes``: what a worker may have; it grows if the policy says so.

        ``ledger_folder``: where claims and marks are, if not in ``folder``; ``first_worker``: the numbers of workers begin there.
        """
        os.makedirs(folder, mode=0o700, exist_ok=True)
        self._ledger_folder = ledger_folder or folder
        self._first_worker = first_worker
        self._policy = policy
        self.memory_bytes = memory_bytes
        self._retries: Counter[int] = Counter()
        self._spared: Counter[int] = Counter()
        """How often items have been given to another worker; an account of this process, since it only bounds them."""
        self.folder = folder
        self.items = items
        self.marks = ledger.Marks(os.path.join(self._ledger_folder, layout.MAP_MARKS))
        self._claims_path = os.path.join(self._ledger_folder, layout.MAP_CLAIMS)
        self._given: list[tuple[int, int]] = []
        """Ranges that dead workers had claimed and not begun."""
        self._next = 1 + max((row.worker for row in self._rows()), default=first_worker - 1)

    def unclaimed(self) -> int:
        """How many items nobody has, and how many ranges wait to be given on; none once the map is stopped."""
        if self._policy.on_error == STOP and ledger.is_stopped(self.folder):
            return 0
        rows = self._rows()
        return len(self._given) + self.items - (rows[-1].next if rows else 0)

    def next_worker(self) -> int:
        """The number for the next worker."""
        while os.path.lexists(self._file(layout.worker_folder(self._next))):
            self._next += 1
        self._next += 1
        return self._next - 1

    def give(self, worker: int) -> list[list[int]]:
        """Ranges for a worker to begin with: what a dead one had."""
        if not self._given:
            return []
        first, end = self._given.pop()
        claims = ledger.Claims(self._claims_path, self.items)
        claims.give(worker, first, end)
        claims.close()
        point("books.given")
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
        return claim.read(os.path.join(self._file(layout.worker_folder(worker)), layout.CLAIM))

    def unbegun(self) -> set[int]:
        """Workers that have items, and have not begun."""
        return {row.worker for row in self._rows() if self.holder(row.worker) is None}

    def take_back(self, worker: int) -> None:
        """Give to others what was given to a worker that will never begin."""
        mine = self._claimed_by(worker)
        if mine:
            self._hand_on(mine, self._done())

    def in_item(self, worker: int) -> bool:
        """Whether a worker is marked as being in the middle of an item."""
        return self.marks.of(worker).item is not None

    def close_account(self, worker: int, cause: Callable[[], str] | None) -> bool:
        """Close a dead worker's books: the item it was in has failed; what it had not begun goes to others.

        ``cause``: makes the error record for that item; None if it shall count as not begun.  Returns whether the worker had begun
        with an item.  Raises OSError when that cannot be written down; to be tried again.
        """
        self._cut_tail(worker)
        done = self._done()
        current = self.marks.of(worker).item
        mine = self._claimed_by(worker)
        if current is not None and current not in done and cause is not None:
            text = cause()
            if not self._tried_again(current, json.loads(text)["error"]):
                body = b"".join(pack({"kind": "error", "record": text}, []))
                self._append(record(current, FAILURE | CONTAINER, body))
                done[current] = True
                if self._policy.on_error == STOP:
                    ledger.stop(self.folder)
        self._hand_on(mine, done)
        # The worker's own count may be one short of its records.
        finished = sum(1 for item in mine if item in done)
        self.marks.set(worker, finished, sum(1 for item in mine if done.get(item)))
        return finished > 0 or current is not None

    def _tried_again(self, item: int, error: str) -> bool:
        names = [error, "JobError", "ClustrixError", "Exception"]
        more = self._policy.more_memory(names, self.memory_bytes)
        if more is not None:
            self.memory_bytes = more
            return True
        if self._policy.spares(names) and self._spared[item] < MOST_SPARED + self._policy.requeues:
            self._spared[item] += 1
            return True
        if self._policy.goes_on(names, self._spared[item]):  # it did not heed the interrupt before that
            self._spared[item] += 1
            return True
        if self._policy.wants(names) and self._retries[item] < self._policy.retries:
            self._retries[item] += 1
            return True
        return False

    def sync(self) -> None:
        """Have the results on disk."""
        for name in self._results():
            whole.sync(self._file(name), "map.sync")

    def overdue(self, workers: Iterable[int], limit_s: float) -> tuple[set[int], float]:
        """Workers whose item has taken too long, and how long (seconds) until the next may."""
        now = time.monotonic()
        late, soonest = set(), limit_s
        for worker in workers:
            mark = self.marks.of(worker)
            if mark.item is None:
                continue
            left = mark.since + limit_s - now
            if left <= 0:
                late.add(worker)
            else:
                soonest = min(soonest, left)
        return late, soonest

    def close(self) -> None:
        self.marks.close()

    def _file(self, name: str) -> str:
        return os.path.join(self.folder, name)

    def _results(self) -> list[str]:
        return [name for name in os.listdir(self.folder) if name.startswith(layout.MAP_RESULTS)]

    def _rows(self) -> list[ledger.Claim]:
        return ledger.read_claims(self._claims_path)

    def _hand_on(self, items: list[int], done: dict[int, bool]) -> None:
        self._given += ranges([item for item in items if item not in done])

    def _claimed_by(self, worker: int) -> list[int]:
        owner: dict[int, int] = {}
        for row in self._rows():
            for item in range(row.first, row.end):
                owner[item] = row.worker
        return sorted(item for item, who in owner.items() if who == worker)

    def _done(self) -> dict[int, bool]:
        """Finished items, and whether they failed."""
        done = {}
        for name in self._results():
            with open(self._file(name), "rb") as file:
                for found in records(_mapped(file)):
                    done[found.item] = bool(found.flags & FAILURE)
        return done

    def _append(self, row: bytes) -> None:
        """To a results file of our own: a dead worker's file may end in half a record."""
        path = self._file(layout.worker_results(self._first_worker + ledger.MARKS - 1))
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            before = os.fstat(fd).st_size
            point("books.record")
            if os.write(fd, row) != len(row):
                point("books.cut")
                os.ftruncate(fd, before)
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path)
        finally:
            os.close(fd)

    def _cut_tail(self, worker: int) -> None:
        """Half a record at the end of a dead worker's file is of no use, and may be what fills the disk."""
        path = self._file(layout.worker_results(worker))
        with suppress(FileNotFoundError), open(path, "r+b") as file:
            data = _mapped(file)
            end = max((found.offset + found.size for found in records(data)), default=0)
            if end < len(data):
                file.truncate(end)


def _mapped(file: BinaryIO) -> memoryview:
    """What is in a file: results may be larger than memory, and only their heads are looked at."""
    size = os.fstat(file.fileno()).st_size
    return memoryview(mmap.mmap(file.fileno(), size, access=mmap.ACCESS_READ) if size else b"")


def ranges(items: list[int]) -> list[tuple[int, int]]:
    """Sorted numbers as half-open ranges."""
    found: list[tuple[int, int]] = []
    for item in items:
        if found and found[-1][1] == item:
            found[-1] = (found[-1][0], item + 1)
        else:
            found.append((item, item + 1))
    return found
