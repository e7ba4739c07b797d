"""The local backend: which jobs run now, and what happens to their processes.

Called by the dispatcher, in its event loop; answers through ``Report``.  Jobs start in the order of their submission; one that does
not fit waits, and those behind it with it.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING, Protocol

from clustrix.backends.local.capacity import Capacity, Need, machine_bytes, machine_cores
from clustrix.backends.local.limits import Limits
from clustrix.backends.local.nursery import Nursery, read_environ
from clustrix.backends.local.runs import (
    INLINE_RESULT_BYTES,
    Adopt,
    Again,
    CallRun,
    MapRun,
    Run,
    Runner,
    Verdicts,
)
from clustrix.backends.local.verdict import CANCEL, kept_status
from clustrix.errors import JournalFull
from clustrix.journal import Change, JobRecord, JobState, Journal, Outcome
from clustrix.runner import claim, layout, processes

if TYPE_CHECKING:
    from clustrix.dispatcher.instance import Instance

log = logging.getLogger("clustrix.backends.local")

_GRACE_SECONDS = 2.0
"""After SIGINT, for ``finally`` blocks; then the tree is killed."""
_EXIT_SECONDS = 5.0
"""After its result is there, a runner has this long to leave."""
_RETRY_SECONDS = 2.0
_FOREIGN_SECONDS = 0.25
_STATUS_TRIES = 20
_STATUS_SECONDS = 0.05


class Report(Protocol):
    """What the dispatcher wants to know."""

    def queued(self, record: JobRecord, reason: str) -> None: ...

    def running(self, changes: Iterable[Change]) -> None: ...

    def finished(self, record: JobRecord, outcome: Outcome) -> None: ...

    def progressed(self, job: str) -> None: ...


class LocalBackend:
    """Runs jobs on this machine."""

    def __init__(
        self, journal: Journal, instance: Instance, loop: asyncio.AbstractEventLoop, report: Report
    ) -> None:
        self._journal = journal
        self._place = journal.place
        self._instance = instance
        self._loop = loop
        self._report = report
        self._capacity = Capacity(machine_cores(), machine_bytes())
        self._waiting: dict[str, JobRecord] = {}
        self._runs: dict[str, Run] = {}
        self._by_pid: dict[int, tuple[Run, Runner]] = {}
        self._children: dict[str, int] = {}
        """How many live jobs a running job has submitted: it lends them its cores, or they might wait for each other."""
        self._environs: dict[str, dict[str, str]] = {}
        self._watched: dict[int, int] = {}
        self._timers: set[asyncio.TimerHandle] = set()
        # Removing a folder can wait a millisecond for the file system's own log; no job shall wait with it.
        self._tidier = ThreadPoolExecutor(1, "clustrix-tidier")
        self._nursery = Nursery(loop, self, instance.successor(), self._nursery_lost)
        self._limits = Limits(loop, lambda: list(self._runs.values()), self._end)
        self._nursery.warm_up(dict(os.environ))

    # -- what the dispatcher calls

    def adopt(self, records: Sequence[JobRecord]) -> None:
        """Go on with what an earlier dispatcher left, in any state."""
        for record in records:
            self._count_child(record, 1)
            if not os.path.isdir(os.path.join(self._place.live, record.id)):
                self._waiting[record.id] = record
            elif record.kind == "map":
                self._adopt_map(record)
            else:
                run = CallRun(record, self._capacity.need(record), self._place)
                self._runs[record.id] = run
                self._conclude(run, run.left_over())
        self._fill()

    def submit(self, records: Sequence[JobRecord]) -> None:
        """Take new jobs; start those that fit."""
        for record in records:
            self._count_child(record, 1)
            self._waiting[record.id] = record
        self._fill()
        used = self._used()
        for ahead, record in enumerate(self._waiting.values()):
            if record.seq >= records[0].seq:
                reason = self._capacity.shortage(self._capacity.need(record), used, ahead)
                self._report.queued(record, reason)

    def cancel(self, job: str) -> None:
        """End a job, wherever it is."""
        record = self._waiting.pop(job, None)
        if record is not None:
            run = self._runs.get(job) or self._new_run(record)
            run.cancelled = True
            self._conclude(run, run.cancellation())
            return
        running = self._runs.get(job)
        if running is None or running.settled or running.cancelled:
            return
        running.cancelled = True
        for runner in list(running.runners.values()):
            self._end(runner, CANCEL)

    def waiting(self) -> set[int]:
        """The sequence numbers of jobs that have not been started."""
        return {record.seq for record in self._waiting.values()}

    def busy(self) -> bool:
        """Whether there is anything to do or to wait for."""
        return bool(self._waiting or self._runs)

    def forget(self, record: JobRecord) -> None:
        """The outcome of a job is committed."""
        self._count_child(record, -1)
        run = self._runs.get(record.id)
        if run is None:
            self._tidier.submit(self._tidy, record.id)
        else:
            run.committed = True
            self._tidy_run(run)
        self._fill()

    def sweep(self) -> None:
        """Tidy up what a killed dispatcher had no time for."""
        names = [name for name in os.listdir(self._place.live) if name not in self._runs]
        for job in self._journal.finished_among(names):
            self._tidy(job)
        self._journal.drop_environs(os.listdir(self._place.environments))

    def abandon(self) -> None:
        """The state directory is gone: nobody can ever have these results."""
        for run in self._runs.values():
            for runner in run.runners.values():
                processes.kill_tree(runner.pid, runner.start)

    def close(self) -> None:
        """Leave; runners go on without us."""
        self._limits.close()
        for timer in self._timers:
            timer.cancel()
        for fd in list(self._watched):
            self._unwatch(fd)
        self._nursery.close(successor=True)
        self._tidier.shutdown()

    # -- starting

    def _used(self) -> Need:
        cores = memory = 0
        for run in self._runs.values():
            lends = self._children.get(run.record.id, 0) > 0
            cores += 0 if lends else run.need.cores * run.size
            memory += run.need.memory * run.size
        return Need(cores, memory)

    def _fill(self) -> None:
        """Start what fits, in order."""
        if not self._waiting and not any(isinstance(run, MapRun) for run in self._runs.values()):
            return
        elsewhere = self._journal.held_elsewhere(self._instance.name)
        used = self._used()
        used = Need(
            used.cores + sum(cores for cores, _ in elsewhere.values()),
            used.memory + sum(size for _, size in elsewhere.values()),
        )
        starts: list[tuple[Run, int]] = []
        for record in list(self._waiting.values()):
            run = self._runs.get(record.id) or self._new_run(record)
            if not run.wanted():  # a map without items
                del self._waiting[record.id]
                self._runs[record.id] = run
                self._conclude(run, run.complete())
                continue
            count = min(self._capacity.fits(run.need, used), run.wanted())
            if not count:
                break
            used = Need(used.cores + count * run.need.cores, used.memory + count * run.need.memory)
            starts.append((run, count))
            del self._waiting[record.id]
        if not self._waiting:
            for run in self._runs.values():
                count = min(self._capacity.fits(run.need, used), run.wanted())
                if count and isinstance(run, MapRun):
                    used = Need(used.cores + count * run.need.cores, used.memory + count * run.need.memory)
                    starts.append((run, count))
        elif elsewhere:
            self._look_elsewhere(elsewhere)
        if starts:
            self._start(starts)

    def _new_run(self, record: JobRecord) -> Run:
        make = MapRun if record.kind == "map" else CallRun
        return make(record, self._capacity.need(record), self._place)

    def _start(self, starts: list[tuple[Run, int]]) -> None:
        changes = []
        for run, count in starts:
            times = run.size + count
            held = (times * run.need.cores, times * run.need.memory)
            changes.append(Change(run.record.seq, JobState.RUNNING, "", *held))
        try:
            self._report.running(changes)
        except JournalFull as error:
            log.warning("%d jobs wait for the journal: %s", len(starts), error)
            back = {run.record.id: run.record for run, _ in starts if run.record.id not in self._runs}
            self._waiting = {**back, **self._waiting}
            self._later(_RETRY_SECONDS, self._fill)
            return
        for run, count in starts:
            self._runs[run.record.id] = run
            spec, payload = self._journal.payload(run.record.seq)
            environ = self._environ(run.record.environ)
            for _ in range(count):
                order = run.order(run.next_worker(), spec, self._place)
                self._nursery.start(order, payload, environ)

    def _environ(self, name: str) -> dict[str, str]:
        known = self._environs.get(name)
        if known is None:
            self._environs.clear()
            known = self._environs[name] = read_environ(os.path.join(self._place.environments, name))
        return known

    def _look_elsewhere(self, elsewhere: dict[str, tuple[int, int]]) -> None:
        """Jobs of other environments are in the way: look again soon, and see that somebody looks after them."""
        for name in elsewhere:
            other = self._instance.other(name)
            known = self._journal.dispatcher_of(name)
            if not other.running() and known is not None and os.access(known[0], os.X_OK):
                other.start(known[0])
        self._later(_FOREIGN_SECONDS, self._fill)

    # -- what runners do

    def started(self, job: str, worker: int, pid: int, start: str) -> None:
        """From the warm parent: it has forked."""
        run = self._runs.get(job)
        if run is None:
            return
        run.starting.discard(worker)
        self._add(run, Runner(worker, pid, start, time.monotonic()))

    def _add(self, run: Run, runner: Runner) -> None:
        run.runners[runner.worker] = runner
        self._by_pid[runner.pid] = (run, runner)
        self._limits.watch(run, runner)
        if run.settled:
            self._let_leave(runner)
        elif run.cancelled:
            self._end(runner, CANCEL)

    def _let_leave(self, runner: Runner) -> None:
        runner.leaving = self._loop.call_later(_EXIT_SECONDS, self._kill, runner)

    def notified(self, kind: bytes, job: str) -> None:
        """From a runner: something is ready."""
        run = self._runs.get(job)
        if run is None or run.settled:
            return
        if kind == b"D":
            found = run.ready()
            if found is not None:
                self._conclude(run, found)
                self._fill()
        else:
            self._report.progressed(job)

    def exited(self, pid: int, status: int | None, peak_bytes: int) -> None:
        """A runner is gone; ``status`` as from wait, None if nobody could see it."""
        run, runner = self._by_pid.pop(pid, (None, None))
        if run is None or runner is None:
            return
        self._limits.unwatch(run, runner)
        run.runners.pop(runner.worker, None)
        if runner.leaving is not None:
            runner.leaving.cancel()
        runner.peak_bytes = max(runner.peak_bytes, peak_bytes)
        if not run.settled:
            if isinstance(run, MapRun):
                self._report.progressed(run.record.id)
            self._conclude(run, run.ended(runner, status))
        self._tidy_run(run)
        self._fill()

    def _conclude(self, run: Run, found: Verdicts) -> None:
        if isinstance(found, Outcome):
            run.settled = True
            for runner in run.runners.values():
                if isinstance(run, MapRun):
                    self._kill(runner)
                else:
                    self._let_leave(runner)
            self._report.finished(run.record, found)
        elif isinstance(found, Again):
            # To the front, where it was: the order is that of the submissions.
            self._runs[run.record.id] = run
            back = {**self._waiting, run.record.id: run.record}
            self._waiting = dict(sorted(back.items(), key=lambda item: item[1].seq))
        elif isinstance(found, Adopt):
            self._watch(run, 0, found.holder)

    # -- ending

    def _end(self, runner: Runner, doom: str) -> None:
        """End a runner for a reason of ours."""
        runner.doom = runner.doom or doom
        run = self._by_pid.get(runner.pid, (None, None))[0]
        if doom == CANCEL and isinstance(run, CallRun):
            with suppress(ProcessLookupError):
                os.kill(runner.pid, signal.SIGINT)
            self._later(_GRACE_SECONDS, self._kill, runner)
        else:
            self._kill(runner)

    def _kill(self, runner: Runner) -> None:
        if self._by_pid.get(runner.pid, (None, None))[1] is runner:
            self._loop.run_in_executor(None, processes.kill_tree, runner.pid, runner.start)

    def _tidy_run(self, run: Run) -> None:
        if run.committed and not run.runners and not run.starting:
            self._runs.pop(run.record.id, None)
            if isinstance(run, MapRun):
                run.marks.close()
            self._tidier.submit(self._tidy, run.record.id)

    def _tidy(self, job: str) -> None:
        """A finished job's folder: keep what somebody may want, and only that."""
        folder = os.path.join(self._place.live, job)
        kept = False
        try:
            for name in os.listdir(folder):
                if self._wanted(os.path.join(folder, name), name):
                    kept = True
                else:
                    os.unlink(os.path.join(folder, name))
            if kept:
                os.rename(folder, os.path.join(self._place.kept, job))
            else:
                os.rmdir(folder)
        except FileNotFoundError:
            return
        except OSError as error:  # it is only tidying: the next dispatcher tries again
            log.warning("job %s: its folder could not be tidied: %s", job, error)

    @staticmethod
    def _wanted(path: str, name: str) -> bool:
        if name == layout.RESULT:
            return os.path.getsize(path) > INLINE_RESULT_BYTES
        printed = name in (layout.OUTPUT, layout.ERRORS)
        return (printed or name.startswith(layout.MAP_RESULTS)) and os.path.getsize(path) > 0

    # -- runners of earlier dispatchers, and of warm parents that were killed

    def _adopt_map(self, record: JobRecord) -> None:
        run = MapRun(record, self._capacity.need(record), self._place)
        self._runs[record.id] = run
        dead = []
        for worker, holder in run.holders():
            if holder.lives():
                self._watch(run, worker, holder)
            else:
                dead.append((worker, holder))
        found: Verdicts = None
        for worker, holder in dead:
            status = kept_status(run.folder, holder.pid)
            if not self._finished_worker(run, worker, status):
                found = run.ended(Runner(worker, holder.pid, holder.start, 0.0), status)
        self._conclude(run, found or run.complete())

    @staticmethod
    def _finished_worker(run: MapRun, worker: int, status: int | None) -> bool:
        return status == 0 and run.marks.of(worker).item is None

    def _watch(self, run: Run, worker: int, holder: claim.Holder) -> None:
        """Follow a process that is not known through a warm parent."""
        begun = processes.seconds_since(holder.start)
        runner = Runner(worker, holder.pid, holder.start, time.monotonic() - begun)
        self._add(run, runner)
        if not holder.lives():
            self._later(0, self._learn_status, runner, 0)
            return
        try:
            fd = os.pidfd_open(holder.pid)
        except (AttributeError, OSError):  # not Linux, an old kernel, or it is gone already
            self._later(_STATUS_SECONDS, self._look_at, runner)
            return
        self._watched[fd] = holder.pid
        self._loop.add_reader(fd, self._gone, fd, runner)

    def _look_at(self, runner: Runner) -> None:
        if processes.alive(runner.pid, runner.start):
            self._later(_STATUS_SECONDS * 5, self._look_at, runner)
        else:
            self._learn_status(runner, 0)

    def _gone(self, fd: int, runner: Runner) -> None:
        self._unwatch(fd)
        self._learn_status(runner, 0)

    def _unwatch(self, fd: int) -> None:
        self._loop.remove_reader(fd)
        os.close(fd)
        self._watched.pop(fd, None)

    def _learn_status(self, runner: Runner, tries: int) -> None:
        """The warm parent that reaps it writes the status down, if it is still there to do so."""
        run = self._by_pid.get(runner.pid, (None, None))[0]
        if run is None:
            return
        status = kept_status(run.folder, runner.pid)
        if status is None and run.ready() is None and tries < _STATUS_TRIES:
            self._later(_STATUS_SECONDS, self._learn_status, runner, tries + 1)
        else:
            self.exited(runner.pid, status, 0)

    def _nursery_lost(self, pending: list[tuple[str, int]], pids: set[int]) -> None:
        """A warm parent was killed: its runners are orphans now, its pending orders uncertain."""
        for pid in pids:
            run, runner = self._by_pid.get(pid, (None, None))
            if run is not None and runner is not None:
                self._watch(run, runner.worker, claim.Holder(pid, runner.start, processes.boot_id()))
        for job, worker in pending:
            run = self._runs.get(job)
            if run is None:
                continue
            run.starting.discard(worker)
            if isinstance(run, MapRun):
                if run.refuse(worker):
                    self._conclude(run, run.complete())
                else:
                    holder = claim.read(run.file(layout.worker_claim(worker)))
                    if holder is not None:
                        self._watch(run, worker, holder)
            elif isinstance(run, CallRun):
                self._conclude(run, run.left_over())
        self._fill()

    def _count_child(self, record: JobRecord, number: int) -> None:
        if record.parent is not None:
            self._children[record.parent] = self._children.get(record.parent, 0) + number

    def _later(self, seconds: float, step: object, *args: object) -> None:
        assert callable(step)
        timer = self._loop.call_later(seconds, step, *args)
        self._timers.add(timer)
        if len(self._timers) > 1000:
            now = self._loop.time()
            self._timers = {timer for timer in self._timers if timer.when() > now}
