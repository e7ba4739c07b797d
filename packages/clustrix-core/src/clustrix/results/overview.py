"""What a map has come to until now, as a whole: failures, states, sums; and the next map for those that failed."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

from clustrix import outcomes
from clustrix.journal import FINAL, JobRecord, JobState, NewJob
from clustrix.journal.ids import new_id
from clustrix.results.arguments import Arguments
from clustrix.results.failures import (
    ErrorGroup,
    ErrorGroups,
    Failure,
    Failures,
    of_container,
    of_error,
    of_record,
    of_row,
)
from clustrix.results.found import Found
from clustrix.results.items import CANCELLED, FAILED, RUNNING, SUCCEEDED, WAITING, Glance, Summary, passed
from clustrix.runner import claim, layout, ledger
from clustrix.runner.frames import FAILURE, Damaged
from clustrix.runner.setup import JOB_VARIABLE
from clustrix.session import Session


class Overview:
    """Of one map.  Nothing here waits, and no result of an item that succeeded is opened."""

    def __init__(self, home: Callable[[], Session], job: str, items: int, found: Found) -> None:
        self._home = home
        self.job = job
        self._items = items
        self._found = found
        self._failures = Failures()
        self._grouping = threading.Lock()
        self.arguments = Arguments(home, job)

    def record(self) -> JobRecord:
        return self._home().journal.job(self.job)

    def failed(self) -> list[int]:
        """The items that have failed until now, in order; also those that could not begin because the map failed as a whole."""
        whole = self._failed_as_a_whole()
        return sorted([*self._found.failed, *(self._found.missing() if whole else ())])

    def undone(self) -> list[int]:
        """What has failed until now; of a map that has ended also what it has no result of, as when it was cancelled."""
        ended = self.record().state in FINAL
        self._found.look()
        return sorted([*self._found.failed, *(self._found.missing() if ended else ())])

    def _failed_as_a_whole(self) -> bool:
        """Whether the map has ended without all of its items, and nobody has wished for that."""
        state = self.record().state
        self._found.look()
        return state in FINAL and state is not JobState.CANCELLED and len(self._found) < self._items

    def errors(self) -> ErrorGroups:
        """The failures by kind."""
        whole = self._failed_as_a_whole()
        with self._grouping:
            for index in self._found.failed[self._failures.taken :]:
                raw = self._found.raw(index)
                assert raw is not None
                self._failures.add(of_record(*raw), index)
            groups = list(self._failures.groups(self.arguments.text))
        if whole:
            groups.append(ErrorGroup(self._cause(), list(self._found.missing()), self.arguments.text))
        left = 0 if self.record().state in FINAL else self._items - len(self._found)
        return ErrorGroups(groups, self._items, left)

    def _cause(self) -> Failure:
        """Why the map failed as a whole."""
        journal = self._home().journal
        record, outcome = journal.outcome(self.job)
        if outcome.error is not None:
            return of_row(json.loads(outcome.error))
        with suppress(Damaged):
            if outcome.data is not None:
                return of_container(outcome.data)
        return of_error(outcomes.decode(journal, record, outcome)[1])

    def _running(self, state: JobState) -> dict[int | None, tuple[int, float]]:
        """Which items workers are in: with the worker, and when it began."""
        # Before the records: an item that is finished meanwhile is marked and has a record, and the record counts.
        marks = {} if state in FINAL else ledger.read_marks(os.path.join(self._folder(), layout.MAP_MARKS))
        self._found.look()
        return {mark.item: (worker, mark.since) for worker, mark in marks.items()}

    def _folder(self) -> str:
        return os.path.join(self._home().place.live, self.job)

    def glances(self) -> Callable[[int], Glance]:
        """What can be seen of each item at this moment."""
        state = self.record().state
        running, folder = self._running(state), self._folder()
        pids: dict[int, int | None] = {}

        def pid(worker: int) -> int | None:
            if worker not in pids:
                holder = claim.read(os.path.join(folder, layout.worker_folder(worker), layout.CLAIM))
                pids[worker] = holder.pid if holder is not None else None
            return pids[worker]

        def glance(index: int) -> Glance:
            record = self._found.record(index)
            if record is not None:
                worker = self._found.worker(index)
                known = pid(worker) if state not in FINAL and worker is not None else None
                return Glance(FAILED if record.flags & FAILURE else SUCCEEDED, record.seconds, known)
            if state in FINAL:
                return Glance(CANCELLED if state is JobState.CANCELLED else FAILED)
            if index in running:
                worker, since = running[index]
                return Glance(RUNNING, time.monotonic() - since, pid(worker))
            return Glance(WAITING)

        return glance

    def rows(self) -> Iterator[tuple[Any, ...]]:
        """One for each item, as ``clustrix.results.items.COLUMNS`` says."""
        glance = self.glances()
        for index in range(self._items):
            state, seconds, pid = glance(index)
            # Nobody has measured how much memory an item took.
            yield index, self.arguments.text(index), state, seconds, pid, None

    def summary(self, started: float | None, ended: float | None) -> Summary:
        """All of it in a few lines."""
        record = self.record()
        running = sum(item not in self._found for item in self._running(record.state) if item is not None)
        failed, found = len(self._found.failed), len(self._found)
        counts = dict.fromkeys((SUCCEEDED, FAILED, RUNNING, WAITING, CANCELLED), 0)
        counts |= {SUCCEEDED: found - failed, FAILED: failed, RUNNING: running}
        left = WAITING
        if record.state in FINAL:
            left = CANCELLED if record.state is JobState.CANCELLED else FAILED
        counts[left] += self._items - found - running
        seconds = passed(started, ended)
        begun = (running or found) and record.state not in FINAL
        state = JobState.RUNNING if begun else record.state  # the journal hears of it a moment later
        return Summary(
            self.job, record.name, state, record.reason, self._items, counts, seconds, self.errors()
        )

    def retry(self, indices: list[int]) -> NewJob:
        """A map of some of the items, with what they were submitted with."""
        record = self.record()
        spec, payload = self.arguments.picked(indices)
        job = record.anew(new_id(), os.environ.get(JOB_VARIABLE), spec, payload)
        return job._replace(items=len(indices))
