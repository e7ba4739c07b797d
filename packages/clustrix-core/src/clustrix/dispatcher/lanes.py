"""One kind of call to a backend: one at a time, in batches, repeated until it succeeds."""

from __future__ import annotations

import asyncio
import logging
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Generic, TypeVar

from clustrix.backends import JobSpec
from clustrix.errors import BackendError

log = logging.getLogger("clustrix.dispatcher")

_FIRST_PAUSE_SECONDS = 0.5
_LONGEST_PAUSE_SECONDS = 60.0
_MOST_FAULTS = 5

T = TypeVar("T")


def trouble(name: str, error: Exception) -> str:
    """What a failed call says, for people; what is no BackendError goes to the log with its traceback."""
    if isinstance(error, BackendError):
        return str(error)
    log.error("backend %s failed", name, exc_info=error)
    return f"backend {name!r} failed: {type(error).__name__}: {error}"


class Pauses:
    """Growing ones, with jitter, between tries."""

    def __init__(self) -> None:
        self._seconds = _FIRST_PAUSE_SECONDS

    def next(self) -> float:
        """How long to wait now, in seconds."""
        seconds, self._seconds = self._seconds, min(self._seconds * 2, _LONGEST_PAUSE_SECONDS)
        return seconds * random.uniform(0.7, 1.3)  # noqa: S311 -- it spreads clients, it keeps no secret

    def reset(self) -> None:
        self._seconds = _FIRST_PAUSE_SECONDS


async def rest(hurried: asyncio.Event, seconds: float) -> None:
    """Wait so long, or until there is a reason to hurry."""
    hurried.clear()
    with suppress(asyncio.TimeoutError):
        await asyncio.wait_for(hurried.wait(), seconds)


class Lane(Generic[T]):
    """Jobs on their way into one kind of call."""

    def __init__(
        self,
        name: str,
        call: Callable[[Sequence[JobSpec]], Awaitable[T]],
        done: Callable[[Sequence[JobSpec], T], None],
        failed: Callable[[Sequence[JobSpec], str, bool], None],
    ) -> None:
        """``name``: the backend's.

        ``failed``: told why a call has to be repeated, and whether it has been in vain too often, for a single job, for a
        reason that is no BackendError.
        """
        self._name = name
        self._call = call
        self._done = done
        self._failed = failed
        self._jobs: dict[str, JobSpec] = {}
        self._calling: Sequence[JobSpec] = ()
        self._careful = False
        """Whether one job at a time is taken: one of them may have spoilt it for the others."""
        self._faults: Counter[str] = Counter()
        self._task: asyncio.Task[None] | None = None
        self._hurried = asyncio.Event()
        self._later: dict[str, JobSpec] = {}
        """Those for which a call was in vain, and will be made again; others do not wait for that."""
        self._later_pauses = Pauses()
        self._timer: asyncio.TimerHandle | None = None

    def __bool__(self) -> bool:
        """Whether anything is on its way."""
        return bool(self._jobs or self._later or self._calling)

    def __contains__(self, job: str) -> bool:
        """Whether a job is on its way."""
        return job in self._jobs or job in self._later or any(spec.id == job for spec in self._calling)

    def add(self, jobs: Sequence[JobSpec]) -> None:
        """Have the call made for these, too."""
        self._jobs.update((job.id, job) for job in jobs)
        if self._jobs and self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._run())

    def postpone(self, jobs: Sequence[JobSpec]) -> None:
        """Have the call made for these, after a pause: one was in vain for them.  None: it was in vain for nobody."""
        if not jobs:
            if not self._later:
                self._later_pauses.reset()
            return
        self._later.update((job.id, job) for job in jobs)
        if self._timer is None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(self._later_pauses.next(), self._resume)

    def _resume(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None
        later, self._later = self._later, {}
        self.add(list(later.values()))

    def drop(self, job: str) -> bool:
        """Take back a job whose call has not begun; False if it has, or is not wanted."""
        return (self._jobs.pop(job, None) or self._later.pop(job, None)) is not None

    def hurry(self) -> None:
        """What has failed may succeed now."""
        self._hurried.set()
        if self._later:
            self._resume()

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._task is not None:
            self._task.cancel()

    async def _run(self) -> None:
        pauses = Pauses()
        while self._jobs:
            self._calling = list(self._jobs.values())[: 1 if self._careful else None]
            for job in self._calling:
                del self._jobs[job.id]
            try:
                found = await self._call(self._calling)
                self._done(self._calling, found)
            except Exception as error:  # a plugin's: it must not end the dispatcher
                alone = not self._jobs
                self._take_back(error)
                if alone:
                    await rest(self._hurried, pauses.next())
            else:
                self._calling = ()
                self._careful = self._careful and bool(self._jobs)
                pauses.reset()
        self._task = None

    def _take_back(self, error: Exception) -> None:
        again, self._calling = self._calling, ()
        fault = not isinstance(error, BackendError)
        hopeless = False
        self._careful = fault
        if fault and len(again) == 1:
            self._faults[again[0].id] += 1
            hopeless = self._faults[again[0].id] >= _MOST_FAULTS
        # At the end: what one job spoils shall not hold up the others.
        self._jobs = {**self._jobs, **{job.id: job for job in again if job.id not in self._jobs}}
        self._failed(again, trouble(self._name, error), hopeless)
