"""The local backend: which jobs run now, on this machine.

Called by the dispatcher, in its event loop; answers through ``Report``.  Jobs start in the order of their submission; one that does
not fit waits, and those behind it with it.
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from clustrix.backends.interface import PushingBackend, Report
from clustrix.backends.local.capacity import Capacity, Need, has_room, machine_bytes, machine_cores
from clustrix.backends.local.mapruns import MapRun
from clustrix.backends.local.nursery import read_environ
from clustrix.backends.local.runs import CallRun, Run
from clustrix.backends.local.supervisor import Supervisor
from clustrix.backends.values import JobSpec, Phase, Receipt, Status
from clustrix.journal import Change, JobRecord, JobState, Journal

if TYPE_CHECKING:
    from clustrix.dispatcher.instance import Instance

log = logging.getLogger("clustrix.backends.local")

_FULL_SECONDS = 2.0
_FOREIGN_SECONDS = 0.25
_ELSEWHERE_SECONDS = 0.02
"""Other dispatchers write what they hold about as often."""


class LocalHost(NamedTuple):
    """What the dispatcher gives to this backend."""

    journal: Journal
    instance: Instance
    successor: list[str]
    """The command with which a warm parent replaces a dispatcher that was killed; empty for none."""
    loop: asyncio.AbstractEventLoop
    report: Report


class LocalBackend(PushingBackend):
    """Runs jobs on this machine."""

    def __init__(self, host: LocalHost) -> None:
        self._journal = host.journal
        self._place = host.journal.place
        self._instance = host.instance
        self._report = host.report
        self._capacity = Capacity(machine_cores(), machine_bytes())
        self._waiting: dict[str, JobRecord] = {}
        self._children: dict[str, set[str]] = {}
        """Which live jobs a running job has submitted: it lends them what it holds, or they might wait for each other."""
        self._unadopted: dict[str, JobRecord] = {}
        """Jobs of an earlier dispatcher that could not be looked at yet."""
        self._is_full = False
        """Whether there was no room on the disk a moment ago."""
        self._environs: dict[str, dict[str, str]] = {}
        self._elsewhere: dict[str, tuple[int, int]] = {}
        self._elsewhere_at = 0.0
        self._supervisor = Supervisor(
            self._place, host.instance.name, host.successor, host.instance.log, host.loop, host.report, self
        )
        self._runs = self._supervisor.runs

    # -- what the dispatcher calls

    async def adopt(self, jobs: Sequence[JobSpec]) -> Sequence[Receipt]:
        """Go on with what an earlier dispatcher left, in any state; tidy up what it had no time for."""
        for record in (job.record for job in jobs):
            self._add_child(record)
            if os.path.isdir(os.path.join(self._place.live, record.id)):
                self._adopt(record)
            else:
                self._waiting[record.id] = record
        self._fill()
        self._tell_why_they_wait({job.id for job in jobs if job.record.state is JobState.CREATED})
        self._sweep()
        return [Receipt()] * len(jobs)

    def _adopt(self, record: JobRecord) -> None:
        """Look what has become of a job; where that cannot be written down, a little later."""
        record = self._unadopted.pop(record.id, record)
        try:
            self._supervisor.adopt(self._new_run(record))
        except OSError as error:
            log.warning("job %s waits for the disk: %s", record.id, error)
            self._runs.pop(record.id, None)
            self._unadopted[record.id] = record
            self._supervisor.later(_FULL_SECONDS, self._adopt, record)

    def _sweep(self) -> None:
        names = [name for name in os.listdir(self._place.live) if name not in self._runs]
        for job in self._journal.finished_among(names):
            self._supervisor.tidy(job)
        self._supervisor.sweep()
        self._journal.drop_environs()

    async def submit(self, jobs: Sequence[JobSpec]) -> Sequence[Receipt]:
        """Take new jobs; start those that fit."""
        new = [job.record for job in jobs if job.id not in self._waiting and job.id not in self._runs]
        for record in new:
            self._add_child(record)
            self._waiting[record.id] = record
        self._fill()
        self._tell_why_they_wait({record.id for record in new})
        return [Receipt()] * len(jobs)

    def _tell_why_they_wait(self, new: set[str]) -> None:
        """``new``: those of whom nobody has told it yet."""
        if not new:
            return
        used = self._used_here_and_elsewhere()
        now = time.time()
        changes = []
        for ahead, record in enumerate(self._waiting.values()):
            if record.id in new:
                reason = self._capacity.shortage(self._capacity.need(record), used, ahead)
                changes.append(Change(record.seq, now, JobState.QUEUED, reason))
        self._report.moved(changes)

    async def poll(self, jobs: Sequence[JobSpec]) -> Sequence[Status]:
        """Where jobs are now.  The dispatcher need not ask: it is told."""
        return [self._status(job) for job in jobs]

    def _status(self, job: JobSpec) -> Status:
        if job.id in self._waiting:
            return Status(Phase.QUEUED)
        run = self._runs.get(job.id)
        if run is None:
            return Status(Phase.GONE)
        return Status(Phase.DONE if run.settled else Phase.RUNNING)

    async def cancel(self, jobs: Sequence[JobSpec]) -> None:
        """End jobs, wherever they are."""
        for job in jobs:
            if job.id in self._unadopted:
                self._unadopted[job.id] = self._unadopted[job.id]._replace(cancel=True)
                continue
            record = self._waiting.pop(job.id, None)
            run = self._runs.get(job.id)
            if record is not None:
                # It never begins: no books are opened for it, for which there might be no room.
                run = self._runs[job.id] = run or Run(record, self._capacity.need(record), self._place)
                run.cancelled = True
                self._supervisor.conclude(run, run.cancellation())
            elif run is not None:
                self._supervisor.cancel(run)

    async def clean(self, jobs: Sequence[JobSpec]) -> None:
        """The outcomes of these jobs are committed."""
        for job in jobs:
            self._supervisor.forget(job.id)
            if job.record.parent is not None:
                self._drop_child(job.record)
                self._fill()

    def renew(self, jobs: Sequence[JobSpec]) -> None:
        """What is left of these jobs' processes is on its way out; they will be submitted again."""
        for job in jobs:
            self._supervisor.let_go(job.id)
            self._drop_child(job.record)

    def busy(self) -> bool:
        """Whether there is anything to do or to wait for."""
        return bool(self._waiting or self._runs or self._unadopted)

    def crowded(self) -> bool:
        """Whether more jobs wait than can run: then it is the rate that counts, not the moment."""
        return bool(self._waiting)

    def abandon(self) -> None:
        """The state directory is gone: nobody can ever have these results."""
        self._supervisor.abandon()

    def leave(self, heirs: bool) -> None:
        """Leave; runners go on without us.  ``heirs``: a warm parent may start the next dispatcher for them."""
        self._supervisor.close(heirs)

    # -- what the supervisor calls

    def again(self, run: Run) -> None:
        """A job, or what is left of it, has to be started again: at its place, since the order is that of the submissions."""
        back = {**self._waiting, run.record.id: run.record}
        self._waiting = dict(sorted(back.items(), key=lambda item: item[1].seq))

    def freed(self) -> None:
        """There may be room for another job."""
        self._fill()

    def no_room(self) -> None:
        """The disk has none for a job's folder: nothing is started for a while."""
        if not self._is_full:
            self._is_full = True
            log.warning("no room on the disk for the folders of jobs; those that wait are tried again")
            self._supervisor.later(_FULL_SECONDS, self._try_again)

    def _try_again(self) -> None:
        if has_room(self._place.root):
            self._is_full = False
            self._fill()
        else:
            self._supervisor.later(_FULL_SECONDS, self._try_again)

    # -- starting

    def _used(self) -> Need:
        cores = memory = 0
        for run in self._runs.values():
            if run.record.id not in self._children:
                cores += run.need.cores * run.size
                memory += run.need.memory * run.size
        return Need(cores, memory)

    def _fill(self) -> None:
        """Start what fits, in order."""
        maps = [run for run in self._runs.values() if isinstance(run, MapRun)]
        if self._is_full or (not self._waiting and not maps):
            return
        used = self._used_here_and_elsewhere()
        starts: list[tuple[Run, int]] = []
        for record in list(self._waiting.values()):
            need = self._capacity.need(record)
            fits = self._capacity.fits(need, used)
            if record.items and not fits:
                break
            try:
                run = self._runs.get(record.id) or self._new_run(record)
            except OSError as error:
                log.warning("job %s waits for the disk: %s", record.id, error)
                self.no_room()
                break
            del self._waiting[record.id]
            count = min(fits, run.wanted())
            if count:
                used = used.plus(need, count)
                starts.append((run, count))
            else:  # a map without items
                self._runs[record.id] = run
                self._supervisor.conclude(run, run.complete())
        if not self._waiting:
            for mapped in maps:
                count = min(self._capacity.fits(mapped.need, used), mapped.wanted())
                if count:
                    used = used.plus(mapped.need, count)
                    starts.append((mapped, count))
        elif self._elsewhere:
            self._look_elsewhere()
        self._start(starts)

    def _new_run(self, record: JobRecord) -> Run:
        need = self._capacity.need(record)
        if record.kind == "map":
            return MapRun(record, need, self._place, self._journal.spec(record.seq))
        return CallRun(record, need, self._place)

    def _start(self, starts: list[tuple[Run, int]]) -> None:
        changes = []
        now = time.time()
        for run, count in starts:
            first = run.size == 0
            spec, payload = self._journal.payload(run.record.seq)
            self._supervisor.start(run, count, spec, payload, self._environ(run.record.environ))
            held = run.need.cores * run.size, run.need.memory * run.size
            changes.append(Change(run.record.seq, now, JobState.RUNNING, "", *held, news=first))
        self._report.moved(changes)

    def _environ(self, name: str) -> dict[str, str]:
        known = self._environs.get(name)
        if known is None:
            self._environs.clear()
            known = self._environs[name] = read_environ(os.path.join(self._place.environments, name))
        return known

    def _add_child(self, record: JobRecord) -> None:
        if record.parent is not None:
            self._children.setdefault(record.parent, set()).add(record.id)

    def _drop_child(self, record: JobRecord) -> None:
        """It has ended, or waits for its next attempt, or both."""
        if record.parent in self._children:
            self._children[record.parent].discard(record.id)
            if not self._children[record.parent]:
                del self._children[record.parent]

    # -- other environments' jobs on this machine

    def _used_here_and_elsewhere(self) -> Need:
        now = time.monotonic()
        if now - self._elsewhere_at > _ELSEWHERE_SECONDS:
            held = self._journal.held_elsewhere(self._instance.name)
            self._elsewhere, self._elsewhere_at = {n: h for n, h in held.items() if self._counts(n)}, now
        used = self._used()
        for cores, size in self._elsewhere.values():
            used = used.plus(Need(cores, size))
        return used

    def _counts(self, name: str) -> bool:
        """Whether what an environment's jobs hold will ever be given back: one that was removed has left it behind."""
        return self._instance.other(name).running() or self._executable(name) is not None

    def _executable(self, name: str) -> str | None:
        known = self._journal.dispatcher_of(name)
        return known[0] if known is not None and os.access(known[0], os.X_OK) else None

    def _look_elsewhere(self) -> None:
        """They are in the way: look again soon, and see that somebody looks after them."""
        for name in self._elsewhere:
            other, executable = self._instance.other(name), self._executable(name)
            if executable is not None and not other.running():
                other.start(executable)
        self._supervisor.later(_FOREIGN_SECONDS, self._fill)
