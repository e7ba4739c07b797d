"""The processes of the jobs that run: each is started, followed, and ended here, and what its end means is handed on."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol

from clustrix.backends.interface import Report
from clustrix.backends.local.limits import Limits
from clustrix.backends.local.mapruns import MapRun
from clustrix.backends.local.nursery import Nursery
from clustrix.backends.local.orphans import Orphans
from clustrix.backends.local.runs import (
    Adopt,
    Again,
    CallRun,
    Run,
    Runner,
    Verdicts,
    had_no_room,
    not_begun,
)
from clustrix.backends.tidier import Tidier
from clustrix.journal import Outcome, Place
from clustrix.runner import claim, layout, processes
from clustrix.runner.verdict import CANCEL, kept_status

log = logging.getLogger("clustrix.backends.local")

_GRACE_SECONDS = 2.0
"""After SIGINT, for ``finally`` blocks; then the tree is killed."""
_RETRY_SECONDS = 2.0
_EXIT_SECONDS = 5.0
"""After its result is there, a runner has this long to leave."""


class Owner(Protocol):
    """Who decides what runs."""

    def again(self, run: Run) -> None: ...

    def freed(self) -> None: ...

    def no_room(self) -> None: ...


class Supervisor:
    """Looks after runners until nothing of them is left."""

    def __init__(
        self,
        place: Place,
        name: str,
        successor: list[str],
        log: str,
        loop: asyncio.AbstractEventLoop,
        report: Report,
        owner: Owner,
    ) -> None:
        """``name``: the dispatcher's; ``log``: the file for what warm parents have to say."""
        self._place = place
        self._loop = loop
        self._report = report
        self._owner = owner
        self.runs: dict[str, Run] = {}
        """Jobs that have processes, or have ended and are not yet tidied up, by id."""
        self._by_pid: dict[int, tuple[Run, Runner]] = {}
        self._timers: set[asyncio.TimerHandle] = set()
        self._tidier = Tidier(place, loop)
        self._nursery = Nursery(loop, self, place, name, successor, log, self._nursery_lost)
        self._orphans = Orphans(loop, self.later, self._ended)
        self._limits = Limits(loop, lambda: list(self.runs.values()), self._end)
        self._nursery.warm_up(dict(os.environ))

    def start(self, run: Run, count: int, spec: str, payload: bytes, environ: dict[str, str]) -> None:
        """Put so many processes to work on a job."""
        self.runs[run.record.id] = run
        for _ in range(count):
            try:
                order = run.order(run.next_worker(), spec, self._place)
            except OSError as error:
                log.warning("job %s waits for the disk: %s", run.record.id, error)
                self._owner.no_room()
                if not run.size:
                    self._owner.again(run)
                return
            self._nursery.start(order, payload, environ)

    def adopt(self, run: Run) -> None:
        """Go on with what an earlier dispatcher has left of a job."""
        self.runs[run.record.id] = run
        run.cancelled = run.record.cancel  # that one may have been killed while it ended the processes
        if isinstance(run, MapRun):
            self._adopt_map(run)
        elif isinstance(run, CallRun):
            self.conclude(run, run.left_over())

    def cancel(self, run: Run) -> None:
        """End a job that runs."""
        if run.settled or run.cancelled:
            return
        run.cancelled = True
        for runner in list(run.runners.values()):
            self._end(runner, CANCEL)

    def conclude(self, run: Run, found: Verdicts) -> None:
        """Do what follows from a verdict about a job."""
        if isinstance(found, Outcome):
            run.settled = True
            for runner in run.runners.values():
                if isinstance(run, MapRun):
                    self._kill(runner)
                else:
                    self._let_leave(runner)
            self._report.finished(run.record, found)
        elif isinstance(found, Again):
            self.runs[run.record.id] = run
            self._owner.again(run)
        elif isinstance(found, Adopt):
            self._follow(run, 0, found.holder)

    def forget(self, job: str) -> None:
        """The outcome of a job is committed."""
        run = self.runs.get(job)
        if run is None:
            self._tidier.tidy_soon(job)
        else:
            run.committed = True
            self._tidy_run(run)

    def let_go(self, job: str) -> None:
        """A job's folder has been put away; another run of it will come."""
        run = self.runs.pop(job, None)
        if run is not None:
            run.committed = True

    def tidy(self, job: str) -> None:
        """Put away the folder of a job that has ended, and end its process if that is still on its way out."""
        holder = claim.read(os.path.join(self._place.live, job, layout.CLAIM))
        if holder is not None and holder.lives():
            self.later(_EXIT_SECONDS, self._end_left, job, holder)
        else:
            self._tidier.tidy(job)

    def _end_left(self, job: str, holder: claim.Holder) -> None:
        self._kill_tree(holder.pid, holder.start)
        self._tidier.tidy(job)

    def sweep(self) -> None:
        """Put away what nobody will use."""
        self._tidier.sweep()

    def abandon(self) -> None:
        """The state directory is gone: nobody can ever have these results."""
        for runner in [runner for run in self.runs.values() for runner in run.runners.values()]:
            processes.kill_tree(runner.pid, runner.start)

    def close(self, heirs: bool) -> None:
        """Leave; runners go on without us."""
        self._limits.close()
        for timer in self._timers:
            timer.cancel()
        self._orphans.close()
        working = {pid for pid, (run, _) in self._by_pid.items() if not run.settled}
        self._nursery.close(working if heirs else None)
        self._tidier.close()

    def later(self, seconds: float, step: Callable[..., None], *args: object) -> None:
        """A timer that ends with this."""
        timer = self._loop.call_later(seconds, step, *args)
        self._timers.add(timer)
        if len(self._timers) > 1000:
            now = self._loop.time()
            self._timers = {timer for timer in self._timers if timer.when() > now}

    # -- what is heard of runners

    def started(self, job: str, worker: int, pid: int, start: str) -> None:
        """From the warm parent: a process has been given the order."""
        run = self.runs.get(job)
        if run is None:
            return
        run.starting.discard(worker)
        self._add(run, Runner(worker, pid, start, time.monotonic()))

    def notified(self, kind: bytes, job: str) -> None:
        """From a runner: something is ready."""
        run = self.runs.get(job)
        if run is None or run.settled:
            return
        if kind == b"D":
            found = run.ready()
            if found is not None:
                self.conclude(run, found)
                self._owner.freed()
        else:
            self._report.progressed(job)

    def exited(self, pid: int, status: int | None, peak_bytes: int) -> None:
        """From the warm parent: a runner is gone; ``status`` as from wait."""
        run, runner = self._by_pid.get(pid, (None, None))
        if run is not None and runner is not None:
            runner.peak_bytes = max(runner.peak_bytes, peak_bytes)
            self._ended(run, runner, status)

    def _ended(self, run: Run, runner: Runner, status: int | None) -> None:
        if self._by_pid.get(runner.pid, (None, None))[1] is not runner:
            return
        del self._by_pid[runner.pid]
        self._limits.unwatch(run, runner)
        if runner.leaving is not None:
            runner.leaving.cancel()
        self._judge(run, runner, status)

    def _judge(self, run: Run, runner: Runner, status: int | None) -> None:
        run.runners.pop(runner.worker, None)
        if not run.settled:
            if isinstance(run, MapRun):
                self._report.progressed(run.record.id)
            if had_no_room(status):
                self._owner.no_room()
            if not_begun(status):  # somebody may have removed what it was to be begun in
                self._nursery.mend()
            try:
                found = run.ended(runner, status)
            except OSError as error:
                if not os.path.isdir(run.folder):
                    self.conclude(run, run.lost())
                    self._owner.freed()
                    self._tidy_run(run)
                    return
                # Most likely the disk is full. What is not written down yet is not forgotten.
                log.warning("job %s: the end of a process waits: %s", run.record.id, error)
                run.runners[runner.worker] = runner
                self.later(_RETRY_SECONDS, self._judge, run, runner, status)
                return
            self.conclude(run, found)
            self._owner.freed()
        self._tidy_run(run)

    def _add(self, run: Run, runner: Runner) -> None:
        run.runners[runner.worker] = runner
        self._by_pid[runner.pid] = (run, runner)
        self._limits.watch(run, runner)
        if run.settled:
            self._let_leave(runner)
        elif run.cancelled:
            self._end(runner, CANCEL)

    # -- ending

    def _let_leave(self, runner: Runner) -> None:
        runner.leaving = self._loop.call_later(_EXIT_SECONDS, self._kill, runner)

    def _end(self, runner: Runner, doom: str) -> None:
        """End a runner for a reason of ours."""
        runner.doom = runner.doom or doom
        run = self._by_pid.get(runner.pid, (None, None))[0]
        if doom == CANCEL and isinstance(run, CallRun):
            with suppress(ProcessLookupError):
                os.kill(runner.pid, signal.SIGINT)
            self.later(_GRACE_SECONDS, self._kill, runner)
        else:
            self._kill(runner)

    def _kill(self, runner: Runner) -> None:
        if self._by_pid.get(runner.pid, (None, None))[1] is runner:
            self._kill_tree(runner.pid, runner.start)

    def _kill_tree(self, pid: int, start: str) -> None:
        try:
            self._loop.run_in_executor(None, processes.kill_tree, pid, start)
        except RuntimeError:  # an inline dispatcher whose interpreter is shutting down
            processes.kill_tree(pid, start)

    def _tidy_run(self, run: Run) -> None:
        if self.runs.get(run.record.id) is run and run.committed and not run.runners and not run.starting:
            del self.runs[run.record.id]
            if isinstance(run, MapRun):
                run.books.close()
            self._tidier.tidy_soon(run.record.id)

    # -- runners of earlier dispatchers, and of warm parents that were killed

    def _adopt_map(self, run: MapRun) -> None:
        dead = []
        for worker, holder in run.books.holders():
            if holder.lives():
                self._follow(run, worker, holder)
            else:
                dead.append((worker, holder))
        for worker in run.books.unbegun():
            run.books.take_back(worker)
        found: Verdicts = None
        for worker, holder in dead:
            status = kept_status(run.folder, holder.pid)
            if status != 0 or run.books.in_item(worker):
                run.began()  # its books may have been closed before: that is no start that has failed
                found = run.ended(Runner(worker, holder.pid, holder.start, 0.0), status)
        self.conclude(run, found or run.complete())

    def _follow(self, run: Run, worker: int, holder: claim.Holder) -> None:
        """A process that is not known through a warm parent."""
        runner = Runner(worker, holder.pid, holder.start, holder.since)
        self._add(run, runner)
        self._orphans.follow(run, runner, holder)

    def _nursery_lost(self, pending: list[tuple[str, int]], pids: set[int]) -> None:
        """A warm parent was killed: its runners are orphans now, its pending orders have been begun or never will be."""
        for pid in pids:
            run, runner = self._by_pid.get(pid, (None, None))
            if run is not None and runner is not None:
                holder = claim.Holder(pid, runner.start, processes.boot_id(), runner.since)
                self._follow(run, runner.worker, holder)
        for job, worker in pending:
            run = self.runs.get(job)
            if run is None:
                continue
            run.starting.discard(worker)
            if isinstance(run, MapRun):
                begun = run.books.holder(worker)
                if begun is not None:
                    self._follow(run, worker, begun)
                else:
                    run.books.take_back(worker)
                    self.conclude(run, run.complete())
            elif isinstance(run, CallRun):
                self.conclude(run, run.left_over())
        self._owner.freed()
