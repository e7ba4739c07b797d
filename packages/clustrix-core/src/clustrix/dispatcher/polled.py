"""A place that has to be asked: submissions, polls and fetches on their way, each in batches and at its own pace.

What holds after a kill at any time: every live job of the place is submitted again by the next dispatcher, which is
nothing where it is known already; a result is committed here before anything of it is removed there.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from clustrix.backends import Backend, HostUnreachable, JobSpec, Phase, Receipt, Status
from clustrix.backends.committed import cancelled, committed, failed
from clustrix.backends.interface import Report
from clustrix.dispatcher.lanes import Lane, Pauses, rest, trouble
from clustrix.dispatcher.place import Place
from clustrix.dispatcher.polledhost import PolledHost
from clustrix.dispatcher.questions import Questions
from clustrix.journal import Change, JobState, Outcome, wanted
from clustrix.runner import claim, layout

log = logging.getLogger("clustrix.dispatcher")

_MOST_STARTS = 3
"""A job that is gone before it was begun is submitted again, but not for ever."""
_MOST_EMPTY_FETCHES = 3
_ENDING = "it is being cancelled"
"""A job's next attempt waits until nothing is left of the one before."""
_STATES = {Phase.QUEUED: JobState.QUEUED, Phase.RUNNING: JobState.RUNNING}


class _Job:
    """What is known of one."""

    def __init__(self, spec: JobSpec) -> None:
        self.spec = spec
        self.tried = spec.record.state is not JobState.CREATED
        """Whether a submission may have reached the place."""
        self.there = False
        """Whether the place has it."""
        self.ending = False
        self.shown: tuple[JobState, str] = (spec.record.state, spec.record.reason)
        self.phase = Phase.QUEUED
        self.reason = ""
        self.gone_since: float | None = None
        self.starts = 0
        self.empty_fetches = 0
        self.settled = False
        """Its outcome has been handed on."""


class Polled(Place):
    """One place, and the jobs that are live there."""

    def __init__(
        self,
        name: str,
        make: Callable[[PolledHost], Backend],
        settings: dict[str, Any],
        folder: Path,
        report: Report,
        tidy: Callable[[str], None],
        questions: Questions,
    ) -> None:
        """``tidy``: puts away a finished job's folder."""
        self._name = name
        self._root = str(folder.parent.parent)
        self._report = report
        self._tidy = tidy
        self._backend = make(PolledHost(settings, folder, self._told_to_poll, questions))
        self._interval_s: float | None = settings.get("job_poll_interval")
        self._jobs: dict[str, _Job] = {}
        self._submitting: Lane[Sequence[Receipt]] = Lane(
            name, self._submit, self._submitted, self._not_submitted
        )
        self._adopting: Lane[Sequence[Receipt]] = self._lane(self._backend.adopt, self._submitted)
        self._cancelling: Lane[None] = self._lane(self._cancel, lambda jobs, _: self._asked_to_poll())
        self._fetching: Lane[None] = self._lane(self._fetch, self._fetched)
        self._cleaning: Lane[None] = self._lane(self._backend.clean, lambda jobs, _: None)
        self._resetting: Lane[None] = self._lane(self._backend.reset, lambda jobs, _: None)
        self._lanes: tuple[Lane[Any], ...] = (
            self._submitting,
            self._adopting,
            self._cancelling,
            self._fetching,
            self._cleaning,
            self._resetting,
        )
        self._poll_soon = asyncio.Event()
        self._has_news = False
        self._hurried = asyncio.Event()
        self._polling: asyncio.Task[None] | None = None

    def _lane(self, call: Any, done: Any) -> Lane[Any]:
        return Lane(self._name, call, done, self._troubled)

    # -- what the dispatcher calls

    def adopt(self, jobs: Sequence[JobSpec]) -> None:
        self._take(jobs)
        self._adopting.add(jobs)

    def submit(self, jobs: Sequence[JobSpec]) -> None:
        self._take(jobs)
        self._submitting.add(jobs)

    def _take(self, jobs: Sequence[JobSpec]) -> None:
        for spec in jobs:
            job = self._jobs[spec.id] = _Job(spec)
            self._show(job, JobState.STAGING if spec.record.state is JobState.CREATED else spec.record.state)

    def cancel(self, jobs: Sequence[JobSpec]) -> None:
        for spec in jobs:
            job = self._jobs.get(spec.id)
            if job is None or job.ending or job.settled:
                continue
            job.ending = True
            if self._submitting.drop(spec.id) or self._adopting.drop(spec.id) or job.there:
                self._end(job)
            else:  # its submission is under way: what comes of it is ended
                self._show(job, *job.shown)

    def _end(self, job: _Job) -> None:
        if not job.there and (not job.tried or not self._backend.was_reached()):
            self._settle(job, cancelled(job.spec.record, job.spec.folder))
            return
        self._show(job, *job.shown)
        job.there = True  # perhaps: polls will tell
        self._cancelling.add([job.spec])

    def clean(self, jobs: Sequence[JobSpec]) -> None:
        for spec in jobs:
            self._jobs.pop(spec.id, None)
            wanted.unwant(self._root, spec.id)
            self._tidy(spec.id)
        self._cleaning.add([spec for spec in jobs if spec.settings.get("cleanup_on_success", True)])

    def renew(self, jobs: Sequence[JobSpec]) -> None:
        for spec in jobs:
            self._jobs.pop(spec.id, None)
        self._resetting.add(jobs)

    def renewing(self, job: str) -> bool:
        return job in self._resetting

    def busy(self) -> bool:
        return bool(self._jobs or self._cleaning or self._resetting)

    def held(self) -> bool:
        return self._backend.held()

    async def login(self) -> str:
        try:
            await self._backend.login()
        except Exception as error:  # a plugin's
            return trouble(self._name, error)
        self.hurry()
        return ""

    def hurry(self) -> None:
        for lane in self._lanes:
            lane.hurry()
        self._hurried.set()

    def abandon(self) -> None:
        self._close()

    def leave(self, heirs: bool) -> None:
        self._close()

    def _close(self) -> None:
        for lane in self._lanes:
            lane.close()
        if self._polling is not None:
            self._polling.cancel()

    async def closed(self) -> None:
        await self._backend.close()

    # -- submission and cancellation

    async def _submit(self, specs: Sequence[JobSpec]) -> Sequence[Receipt]:
        new = [job for spec in specs if not (job := self._jobs[spec.id]).tried]
        for job in new:
            job.tried = True
        try:
            return await self._backend.submit(specs)
        except HostUnreachable as error:
            for job in new:
                job.tried = not error.nothing_sent
            raise

    def _submitted(self, specs: Sequence[JobSpec], receipts: Sequence[Receipt]) -> None:
        if len(receipts) != len(specs):
            raise TypeError(f"submit() gave {len(receipts)} receipts for {len(specs)} jobs")
        later = []
        for spec, receipt in zip(specs, receipts, strict=True):
            job = self._jobs.get(spec.id)
            if job is None or job.settled:
                continue
            if receipt.later:
                self._show(job, job.shown[0], receipt.later)
                if job.ending:
                    self._end(job)
                else:
                    later.append(spec)
                continue
            if receipt.refused:
                cause = f"it was not taken by {self._name}: {receipt.refused}"
                self._settle(job, failed(spec.record, "JobNotStarted", cause, ""))
                continue
            job.there, job.gone_since, job.phase = True, None, Phase.QUEUED
            if receipt.handle:
                job.spec = spec.known_as(receipt.handle)
            state = job.shown[0] if job.shown[0] is JobState.RUNNING else JobState.QUEUED
            self._show(job, state, handle=receipt.handle or None)
            if job.ending:
                self._end(job)
        self._submitting.postpone(later)
        self._asked_to_poll()

    async def _cancel(self, specs: Sequence[JobSpec]) -> None:
        await self._backend.cancel(self._unsettled(specs))

    def _unsettled(self, specs: Sequence[JobSpec]) -> list[JobSpec]:
        return [spec for spec in specs if spec.id in self._jobs and not self._jobs[spec.id].settled]

    def _not_submitted(self, specs: Sequence[JobSpec], why: str, hopeless: bool) -> None:
        self._troubled(specs, why)
        for spec in specs if hopeless else ():
            job = self._jobs.get(spec.id)
            if job is not None and not job.settled and self._submitting.drop(spec.id):
                advice = "It was not tried again."
                self._settle(
                    job, failed(spec.record, "JobNotStarted", f"it could not be submitted: {why}", advice)
                )

    def _troubled(self, specs: Sequence[JobSpec], why: str, hopeless: bool = False) -> None:
        for spec in specs:
            job = self._jobs.get(spec.id)
            if job is not None and not job.settled:
                self._show(job, job.shown[0], why)
                if job.ending and (self._submitting.drop(spec.id) or self._adopting.drop(spec.id)):
                    self._end(job)

    # -- polling

    def _told_to_poll(self) -> None:
        """The place itself says that there are news."""
        self._has_news = True
        self._asked_to_poll()

    def _asked_to_poll(self) -> None:
        self._poll_soon.set()
        if self._polling is None and any(job.there for job in self._jobs.values()):
            self._polling = asyncio.get_running_loop().create_task(self._poll())

    async def _poll(self) -> None:
        pause, pauses = self._backend.fastest_poll_s, Pauses()
        while asked := [job for job in self._jobs.values() if job.there and not job.settled]:
            self._poll_soon.clear()
            self._has_news = False
            specs = [job.spec for job in asked]
            try:
                found = await self._backend.poll(specs)
                if len(found) != len(specs):
                    raise TypeError(f"poll() gave {len(found)} answers for {len(specs)} jobs")
                changed = [self._heard(job, status) for job, status in zip(asked, found, strict=True)]
            except Exception as error:  # a plugin's: no job's state may change for that
                self._troubled(specs, trouble(self._name, error))
                await rest(self._hurried, pauses.next())
                continue
            pauses.reset()
            if self._interval_s is not None:
                await asyncio.sleep(self._interval_s)
                continue
            pause = (
                self._backend.fastest_poll_s
                if any(changed)
                else min(pause * 1.5, self._backend.slowest_poll_s)
            )
            try:
                polled_at = time.monotonic()
                await asyncio.wait_for(self._poll_soon.wait(), pause)
                pause = self._backend.fastest_poll_s
                # Many submissions in a row ask for one poll, and news that come one after the other too.
                past = time.monotonic() - polled_at if self._has_news else 0.0
                await asyncio.sleep(max(0.0, pause / 2 - past))
            except asyncio.TimeoutError:
                continue
        self._polling = None

    def _heard(self, job: _Job, status: Status) -> bool:
        """Take in what a poll says; whether that is news."""
        before, job.phase, job.reason = (job.phase, job.reason), Phase(status.phase), status.reason
        if job.settled:
            return False
        if job.phase is Phase.GONE:
            job.gone_since = job.gone_since or time.monotonic()
            self._fetching.add([job.spec])
        else:
            job.gone_since = None
            if job.phase is Phase.DONE:
                self._fetching.add([job.spec])
            else:
                self._show(job, _STATES[job.phase], job.reason)
                if job.phase is Phase.RUNNING and self._is_looked_at(job.spec):
                    self._fetching.add([job.spec])
        return before != (job.phase, job.reason) or job.phase in (Phase.GONE, Phase.DONE)

    def _is_looked_at(self, spec: JobSpec) -> bool:
        """Whether what has come of it so far is wanted: of maps always, of calls while their output is read."""
        return spec.kind == "map" or wanted.is_wanted(self._root, spec.id)

    # -- results

    async def _fetch(self, specs: Sequence[JobSpec]) -> None:
        await self._backend.fetch(self._unsettled(specs))

    def _fetched(self, specs: Sequence[JobSpec], _: None) -> None:
        for spec in specs:
            job = self._jobs.get(spec.id)
            if job is None or job.settled:
                continue
            found = committed(job.spec.record, job.spec.folder)
            if found is not None:
                self._settle(job, found)
            elif job.phase is Phase.GONE:
                self._judge_gone(job)
            elif job.phase is Phase.DONE:
                self._judge_empty(job)
            elif spec.kind == "map":
                self._report.progressed(spec.id)

    def _judge_gone(self, job: _Job) -> None:
        spec = job.spec
        if job.ending:
            self._settle(job, cancelled(spec.record, spec.folder))
        elif job.gone_since is not None and time.monotonic() - job.gone_since >= self._backend.settle_s:
            why = job.reason or f"{self._name} does not know it any more"
            if claim.read(spec.file(layout.CLAIM)) is not None:
                cause = f"it was begun, it is gone, and it left no result: {why}"
                advice = "What it did until then is not known; submit it again if it may run twice."
                self._settle(job, failed(spec.record, "JobLost", cause, advice, JobState.LOST))
            elif job.starts + 1 < _MOST_STARTS:
                job.starts += 1
                job.there = False
                self._show(job, JobState.STAGING, f"it is submitted again: {why}")
                self._submitting.add([spec])
            else:
                cause = (
                    f"it was submitted {_MOST_STARTS} times, and ended each time before it had begun: {why}"
                )
                self._settle(job, failed(spec.record, "JobNotStarted", cause, ""))

    def _judge_empty(self, job: _Job) -> None:
        job.empty_fetches += 1
        if job.empty_fetches >= _MOST_EMPTY_FETCHES:
            cause = f"{self._name} says that it is done, and brings no result"
            self._settle(job, failed(job.spec.record, "ResultDamaged", cause, "Submit it again."))

    def _settle(self, job: _Job, outcome: Outcome) -> None:
        job.settled = True
        self._report.finished(job.spec.record, outcome)

    def _show(self, job: _Job, state: JobState, reason: str = "", handle: str | None = None) -> None:
        """Have the journal say so, if it does not yet."""
        if job.ending and not reason.startswith(_ENDING):
            reason = f"{_ENDING}; {reason}" if reason else _ENDING
        before, job.shown = job.shown, (state, reason)
        if before != job.shown or handle:
            news = state is not before[0]
            self._report.moved(
                [Change(job.spec.record.seq, time.time(), state, reason, news=news, handle=handle)]
            )
