"""One running map on this machine: its workers, and what their ends mean."""

from __future__ import annotations

import json

from clustrix.backends.committed import of_map
from clustrix.backends.local.capacity import Need, machine_bytes
from clustrix.backends.local.runs import Again, Run, Runner, Verdicts
from clustrix.journal import JobRecord, Place
from clustrix.runner.books import Books
from clustrix.runner.policy import of_spec


class MapRun(Run):
    """A map: any number of workers, and the accounts of its items."""

    def __init__(self, record: JobRecord, need: Need, place: Place, spec: str) -> None:
        super().__init__(record, need, place)
        self.books = Books(self.folder, record.items, of_spec(spec), record.memory_bytes)
        self._most: int | None = json.loads(spec).get("workers")
        """How many workers it may have at once; None: any number."""

    def wanted(self) -> int:
        if self.settled or self.cancelled or self.start_is_hopeless():
            return 0
        wanted = self.books.unclaimed() - len(self.starting)
        return max(0, wanted if self._most is None else min(wanted, self._most - self.size))

    def next_worker(self) -> int:
        return self.books.next_worker()

    def claims_for(self, worker: int) -> list[list[int]]:
        return self.books.give(worker)

    def ended(self, runner: Runner, status: int | None) -> Verdicts:
        """What the end of a worker means."""
        whole = self.ready()
        if whole is not None:
            return whole
        if status != 0 or self.books.in_item(runner.worker):
            self._account(runner, status)
        else:
            self.began()
        return self.complete()

    def complete(self) -> Verdicts:
        """The map's outcome if nothing is left to do or to wait for."""
        if self.size:
            return None
        if self.cancelled:
            return self.cancellation()
        if self.start_is_hopeless() and self.books.unclaimed():
            return self.not_started()
        if self.wanted():
            return Again()
        self.books.sync()
        return of_map(self.record, *self.books.marks.totals())

    def _account(self, runner: Runner, status: int | None) -> None:
        cause = None if self.cancelled else lambda: self._verdict(runner, status).record
        if self.books.close_account(runner.worker, cause):
            self.began()
        else:
            self.did_not_begin(self._verdict(runner, status), status)
        if self.memory_bytes != self.books.memory_bytes:
            self.memory_bytes = self.books.memory_bytes
            self.need = Need(self.need.cores, min(self.memory_bytes or 0, machine_bytes()))

    def overdue(self) -> tuple[list[Runner], float]:
        """Workers whose item has taken too long, and how long (seconds) until the next may."""
        late, soonest = self.books.overdue(self.runners, self.record.time_s or 0.0)
        return [self.runners[worker] for worker in late], soonest
