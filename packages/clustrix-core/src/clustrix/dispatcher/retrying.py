"""Whether a call that has failed is tried again: what its submitter wished, and what it has come to until now.

What holds after a kill between any two steps: the journal says which attempt is the current one, and an attempt that is over
has its folder moved away before the next is begun.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple

from clustrix.backends import JobSpec
from clustrix.backends.committed import failure_names
from clustrix.dispatcher.places import Places
from clustrix.journal import JobState, Journal, Outcome, Place
from clustrix.runner.faults import point
from clustrix.runner.policy import MOST_SPARED, Policy, of_spec

log = logging.getLogger("clustrix.dispatcher")

_CLEAN_SECONDS = 0.2
_DISK_SECONDS = 2.0

_FAILURES = (JobState.FAILED, JobState.TIMED_OUT, JobState.LOST)


class Retries:
    """Calls that wait for their next attempt."""

    def __init__(
        self,
        journal: Journal,
        places: Places,
        loop: asyncio.AbstractEventLoop,
        guarded: Callable[..., None],
    ) -> None:
        self._journal = journal
        self._places = places
        self._loop = loop
        self._guarded = guarded
        self._pausing: dict[str, asyncio.TimerHandle] = {}

    def __bool__(self) -> bool:
        """Whether any wait."""
        return bool(self._pausing)

    def after(self, job: JobSpec, outcome: Outcome) -> JobSpec | None:
        """The next attempt, which begins by itself after a pause; None if the outcome is final.  Raises JournalError."""
        retry = next_attempt(job, outcome)
        if retry is None:
            return None
        record = job.record
        if not self._journal.again(record.seq, retry.attempt, retry.spared, retry.memory_bytes, retry.reason):
            return None
        log.info("job %s: %s", record.id, retry.reason)
        record = record._replace(
            attempt=retry.attempt, spared=retry.spared, memory_bytes=retry.memory_bytes, handle=""
        )
        again = JobSpec(record, self._journal)
        self.resume(again, retry.pause_s)
        return again

    def resume(self, job: JobSpec, pause_s: float = 0.0) -> None:
        """Begin an attempt of which is known that it was not submitted: first, what is left of the one before has to go."""
        try:
            put_away(self._journal.place, job.id, job.attempt - 1)
        except OSError as error:
            log.warning("job %s: attempt %d waits for the disk: %s", job.id, job.attempt, error)
            self._pausing[job.id] = self._loop.call_later(
                _DISK_SECONDS, self._guarded, self.resume, job, pause_s
            )
            return
        self._places.renew([job])
        self._pausing[job.id] = self._loop.call_later(pause_s, self._guarded, self._begin, job)

    def _begin(self, job: JobSpec) -> None:
        if self._places.renewing(job):
            self._pausing[job.id] = self._loop.call_later(_CLEAN_SECONDS, self._guarded, self._begin, job)
            return
        self._journal.prepare(job.record.seq, job.attempt)
        del self._pausing[job.id]
        self._places.submit([job])

    def drop(self, job: str) -> bool:
        """Have no further attempt; False if none waits."""
        timer = self._pausing.pop(job, None)
        if timer is not None:
            timer.cancel()
        return timer is not None

    def close(self) -> None:
        """The next dispatcher begins them."""
        for timer in self._pausing.values():
            timer.cancel()


class Retry(NamedTuple):
    """The next attempt."""

    attempt: int
    spared: int
    """How many attempts so far were nobody's fault."""
    memory_bytes: int | None
    pause_s: float
    reason: str


def next_attempt(job: JobSpec, outcome: Outcome) -> Retry | None:
    """What follows a call's outcome; None if that is final.  Raises JournalError."""
    record = job.record
    if record.kind != "call" or record.cancel or outcome.state not in _FAILURES:
        return None
    policy = of_spec(job.spec)
    if policy == Policy():
        return None
    names = failure_names(outcome, job.folder)
    spared, memory = record.spared, record.memory_bytes
    used = record.attempt - 1 - spared
    more = policy.more_memory(names, memory)
    goes_on = policy.goes_on(names, spared + _requeued(outcome))
    if goes_on:
        spared += 1
        left = f"attempt {record.attempt + 1}, which goes on where this one has saved"
    elif policy.spares(names) and spared < MOST_SPARED + policy.requeues:
        spared += 1
        left = f"attempt {record.attempt + 1}"
    elif more is not None:
        memory = more
        spared += 1
        left = f"attempt {record.attempt + 1} with {more:,} bytes of memory"
    elif policy.wants(names) and used < policy.retries:
        used += 1
        left = f"attempt {record.attempt + 1}, retry {used} of {policy.retries}"
    else:
        return None
    pause = 0.0 if goes_on else policy.pause(max(1, used))
    reason = f"{left}, in {pause:g} s, after {names[0]}: {outcome.reason}"
    return Retry(record.attempt + 1, spared, memory, pause, reason)


def _requeued(outcome: Outcome) -> int:
    """How often the job has had itself queued again where it ran."""
    return int(json.loads(outcome.error)["details"].get("requeued", 0)) if outcome.error else 0


def put_away(place: Place, job: str, attempt: int) -> None:
    """Move the folder of an attempt that is over, so that the next can have its own.  Done once; again, it does nothing."""
    over = os.path.join(place.kept, f"{job}.{attempt}")
    if os.path.isdir(over):
        return
    folder = os.path.join(place.live, job)
    try:
        for name in os.listdir(folder):
            if name.startswith("."):  # what somebody was writing aside who was killed
                os.unlink(os.path.join(folder, name))
        point("retry.put-away")
        os.rename(folder, over)
    except FileNotFoundError:  # it never had one
        with suppress(FileExistsError):
            os.mkdir(over, 0o700)
