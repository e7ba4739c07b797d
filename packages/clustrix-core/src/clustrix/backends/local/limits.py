"""Time and memory limits, on whole process trees.  No timer runs while no running job has a limit."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable

from clustrix.backends.local.mapruns import MapRun
from clustrix.backends.local.runs import Run, Runner
from clustrix.runner import processes
from clustrix.runner.verdict import MEMORY, TIME

_CALM_SECONDS = 0.1
_TENSE_SECONDS = 0.02
_TENSE_SHARE = 0.5
_SHORTEST_SECONDS = 0.005

End = Callable[[Runner, str], None]


class Limits:
    """Watches running jobs, and has those ended that go too far."""

    def __init__(self, loop: asyncio.AbstractEventLoop, runs: Callable[[], Iterable[Run]], end: End) -> None:
        self._loop = loop
        self._runs = runs
        self._end = end
        self._memory_timer: asyncio.TimerHandle | None = None
        self._timers: dict[int, asyncio.TimerHandle] = {}
        """By the runner's pid."""

    def watch(self, run: Run, runner: Runner) -> None:
        """A runner has begun."""
        if run.record.time_s is not None:
            self._watch_time(run, runner)
        if run.record.memory_bytes is not None and self._memory_timer is None:
            self._memory_timer = self._loop.call_later(_TENSE_SECONDS, self._check_memory)

    def unwatch(self, run: Run, runner: Runner) -> None:
        """A runner is gone."""
        timer = self._timers.pop(runner.pid, None)
        if timer is not None:
            timer.cancel()

    def close(self) -> None:
        for timer in self._timers.values():
            timer.cancel()
        if self._memory_timer is not None:
            self._memory_timer.cancel()

    def _watch_time(self, run: Run, runner: Runner) -> None:
        limit = run.record.time_s or 0.0
        due = limit if isinstance(run, MapRun) else runner.since + limit - time.monotonic()
        self._again(run, runner, due)

    def _again(self, run: Run, runner: Runner, seconds: float) -> None:
        self._timers[runner.pid] = self._loop.call_later(
            max(seconds, _SHORTEST_SECONDS), self._check_time, run, runner
        )

    def _check_time(self, run: Run, runner: Runner) -> None:
        self._timers.pop(runner.pid, None)
        if run.settled or runner.doom or run.runners.get(runner.worker) is not runner:
            return
        if not isinstance(run, MapRun):
            self._end(runner, TIME)
            return
        late, left = run.overdue()
        if runner in late:
            self._end(runner, TIME)
        else:
            self._again(run, runner, left)

    def _check_memory(self) -> None:
        self._memory_timer = None
        tense = False
        watched = False
        for run in self._runs():
            limit = run.memory_bytes
            if limit is None or run.settled:
                continue
            for runner in list(run.runners.values()):
                watched = True
                size = processes.tree_bytes(runner.pid, limit)
                runner.peak_bytes = max(runner.peak_bytes, size)
                tense = tense or size > limit * _TENSE_SHARE
                if size > limit and not runner.doom:
                    self._end(runner, MEMORY)
            watched = watched or bool(run.starting)
        if watched:
            pause = _TENSE_SECONDS if tense else _CALM_SECONDS
            self._memory_timer = self._loop.call_later(pause, self._check_memory)
