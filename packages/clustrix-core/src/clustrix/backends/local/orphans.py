"""Runners that are not told about by a warm parent of ours: an earlier dispatcher's, or those of a parent that was killed.

Their end is seen through a pidfd; how they ended is read from what their own warm parent has written down.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable

from clustrix.backends.local.runs import Run, Runner
from clustrix.runner import claim, processes
from clustrix.runner.verdict import kept_status

_LOOK_SECONDS = 0.25
_STATUS_TRIES = 20
_STATUS_SECONDS = 0.05


class Orphans:
    """Follows processes to their end."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        later: Callable[..., None],
        ended: Callable[[Run, Runner, int | None], None],
    ) -> None:
        """``later``: given seconds, a step and its arguments, a timer that goes with its owner."""
        self._loop = loop
        self._later = later
        self._ended = ended
        """Told of each end, with its wait status, or None if nobody could see it."""
        self._watched: set[int] = set()

    def follow(self, run: Run, runner: Runner, holder: claim.Holder) -> None:
        """Tell when the process that holds a claim is gone."""
        if not holder.lives():
            self._later(0, self._learn_status, run, runner, 0)
            return
        try:
            fd = os.pidfd_open(holder.pid)
        except (AttributeError, OSError):  # not Linux, an old kernel, or it is gone already
            self._later(_STATUS_SECONDS, self._look_at, run, runner)
            return
        self._watched.add(fd)
        self._loop.add_reader(fd, self._gone, fd, run, runner)

    def close(self) -> None:
        """Follow nobody any more."""
        for fd in list(self._watched):
            self._unwatch(fd)

    def _look_at(self, run: Run, runner: Runner) -> None:
        if processes.alive(runner.pid, runner.start):
            self._later(_LOOK_SECONDS, self._look_at, run, runner)
        else:
            self._learn_status(run, runner, 0)

    def _gone(self, fd: int, run: Run, runner: Runner) -> None:
        self._unwatch(fd)
        self._learn_status(run, runner, 0)

    def _unwatch(self, fd: int) -> None:
        self._loop.remove_reader(fd)
        os.close(fd)
        self._watched.discard(fd)

    def _learn_status(self, run: Run, runner: Runner, tries: int) -> None:
        """The warm parent that reaps it writes the status down, if it is still there to do so."""
        status = kept_status(run.folder, runner.pid)
        if status is None and run.ready() is None and tries < _STATUS_TRIES:
            self._later(_STATUS_SECONDS, self._learn_status, run, runner, tries + 1)
        else:
            self._ended(run, runner, status)
