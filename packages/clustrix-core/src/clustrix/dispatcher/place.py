"""A place that runs jobs, as the dispatcher deals with it: the backend, and what of it is under way."""

from __future__ import annotations

import time
from collections.abc import Coroutine, Sequence
from typing import Any, TypeVar

from clustrix.backends import JobSpec
from clustrix.backends.committed import failed
from clustrix.backends.interface import PushingBackend, Report
from clustrix.errors import ClustrixError
from clustrix.journal import Change, JobState

T = TypeVar("T")


class Place:
    """What the dispatcher asks of it.  No method waits but ``login`` and ``closed``."""

    def adopt(self, jobs: Sequence[JobSpec]) -> None:
        """Go on with an earlier dispatcher's live jobs.  Called first, once."""
        raise NotImplementedError

    def submit(self, jobs: Sequence[JobSpec]) -> None:
        """Take new jobs."""
        raise NotImplementedError

    def cancel(self, jobs: Sequence[JobSpec]) -> None:
        """End jobs."""

    def clean(self, jobs: Sequence[JobSpec]) -> None:
        """The outcomes of these are committed."""

    def renew(self, jobs: Sequence[JobSpec]) -> None:
        """An attempt of these is over, and its folder put away; the next will be submitted."""

    def renewing(self, job: str) -> bool:
        """Whether something of an earlier attempt may still be there, and in the way."""
        return False

    def busy(self) -> bool:
        """Whether there is anything to do or to wait for."""
        return False

    def crowded(self) -> bool:
        """Whether more jobs wait than can run: then it is the rate that counts, not the moment."""
        return False

    def held(self) -> bool:
        """Whether the dispatcher should stay though there is nothing to do."""
        return False

    async def login(self) -> str:
        """Reach it while somebody answers; returns why it could not be, or nothing."""
        return "this backend has no connection to open"

    def hurry(self) -> None:
        """What has failed may succeed now."""

    def abandon(self) -> None:
        """The state directory is gone."""

    def leave(self, heirs: bool) -> None:
        """The dispatcher leaves."""

    async def closed(self) -> None:
        """Say goodbye to who is at the other end."""


class Pushed(Place):
    """One whose backend tells of everything itself, and whose methods never wait: the local one."""

    def __init__(self, backend: PushingBackend) -> None:
        self._backend = backend

    def adopt(self, jobs: Sequence[JobSpec]) -> None:
        at_once(self._backend.adopt(jobs))

    def submit(self, jobs: Sequence[JobSpec]) -> None:
        at_once(self._backend.submit(jobs))

    def cancel(self, jobs: Sequence[JobSpec]) -> None:
        at_once(self._backend.cancel(jobs))

    def clean(self, jobs: Sequence[JobSpec]) -> None:
        at_once(self._backend.clean(jobs))

    def renew(self, jobs: Sequence[JobSpec]) -> None:
        self._backend.renew(jobs)

    def busy(self) -> bool:
        return self._backend.busy()

    def crowded(self) -> bool:
        return self._backend.crowded()

    def abandon(self) -> None:
        self._backend.abandon()

    def leave(self, heirs: bool) -> None:
        self._backend.leave(heirs)


def at_once(call: Coroutine[Any, Any, T]) -> T:
    """The result of a coroutine that does not wait for anything: a task would cost each job a turn of the loop."""
    try:
        call.send(None)
    except StopIteration as end:
        result: T = end.value
        return result
    call.close()
    raise RuntimeError("a pushing backend's method has waited")


class Missing(Place):
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

    async def login(self) -> str:
        return self._why
