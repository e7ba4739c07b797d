"""A place that runs jobs, as the dispatcher deals with it: the backend, and what of it is under way."""

from __future__ import annotations

import time
from collections.abc import Coroutine, Iterable, Sequence
from typing import Any, Protocol, TypeVar

from clustrix.backends import JobSpec
from clustrix.backends.committed import failed
from clustrix.backends.interface import PushingBackend
from clustrix.errors import ClustrixError
from clustrix.journal import Change, JobRecord, JobState, Outcome

T = TypeVar("T")


class Report(Protocol):
    """What the dispatcher wants to hear."""

    def moved(self, changes: Iterable[Change]) -> None: ...

    def finished(self, record: JobRecord, outcome: Outcome) -> None: ...

    def progressed(self, job: str) -> None: ...


class Place(Protocol):
    """What the dispatcher asks of it.  No method waits."""

    def adopt(self, jobs: Sequence[JobSpec]) -> None:
        """Go on with an earlier dispatcher's live jobs.  Called first, once."""

    def submit(self, jobs: Sequence[JobSpec]) -> None:
        """Take new jobs."""

    def cancel(self, jobs: Sequence[JobSpec]) -> None:
        """End jobs."""

    def clean(self, jobs: Sequence[JobSpec]) -> None:
        """The outcomes of these are committed."""

    def renew(self, jobs: Sequence[JobSpec]) -> None:
        """An attempt of these is over, and its folder put away; the next will be submitted."""

    def busy(self) -> bool:
        """Whether there is anything to do or to wait for."""

    def crowded(self) -> bool:
        """Whether more jobs wait than can run."""

    def abandon(self) -> None:
        """The state directory is gone."""

    def leave(self, heirs: bool) -> None:
        """The dispatcher leaves."""


class Pushed:
    """One whose backend tells of everything itself, and whose methods never wait: the local one."""

    def __init__(self, backend: PushingBackend) -> None:
        self._backend = backend
        self.renew = backend.renew
        self.busy = backend.busy
        self.crowded = backend.crowded
        self.abandon = backend.abandon
        self.leave = backend.leave

    def adopt(self, jobs: Sequence[JobSpec]) -> None:
        at_once(self._backend.adopt(jobs))

    def submit(self, jobs: Sequence[JobSpec]) -> None:
        at_once(self._backend.submit(jobs))

    def cancel(self, jobs: Sequence[JobSpec]) -> None:
        at_once(self._backend.cancel(jobs))

    def clean(self, jobs: Sequence[JobSpec]) -> None:
        at_once(self._backend.clean(jobs))


def at_once(call: Coroutine[Any, Any, T]) -> T:
    """The result of a coroutine that does not wait for anything: a task would cost each job a turn of the loop."""
    try:
        call.send(None)
    except StopIteration as end:
        result: T = end.value
        return result
    call.close()
    raise RuntimeError("a pushing backend's method has waited")


class Missing:
    """One whose backend cannot be had: it was uninstalled, perhaps, or is broken since an upgrade."""

    def __init__(self, error: ClustrixError, report: Report) -> None:
        self._why = str(error).rstrip(".")
        self._report = report

    def adopt(self, jobs: Sequence[JobSpec]) -> None:
        """What may run there goes on, and waits for somebody who can ask for it; the rest fails."""
        begun = [job for job in jobs if job.record.state is not JobState.CREATED]
        now = time.time()
        reason = f"nobody can ask for it: {self._why}"
        self._report.moved(Change(job.record.seq, now, job.record.state, reason, news=False) for job in begun)
        self.submit([job for job in jobs if job.record.state is JobState.CREATED])

    def submit(self, jobs: Sequence[JobSpec]) -> None:
        for job in jobs:
            cause = f"its backend cannot be used: {self._why}"
            self._report.finished(
                job.record, failed(job.record, "JobNotStarted", cause, "Then submit it again.")
            )

    def cancel(self, jobs: Sequence[JobSpec]) -> None:
        """It cannot be: the wish stands in the journal."""

    def clean(self, jobs: Sequence[JobSpec]) -> None:
        """There is nothing."""

    def renew(self, jobs: Sequence[JobSpec]) -> None:
        """There is nothing."""

    def busy(self) -> bool:
        return False

    def crowded(self) -> bool:
        return False

    def abandon(self) -> None:
        """There is nothing."""

    def leave(self, heirs: bool) -> None:
        """There is nothing."""
