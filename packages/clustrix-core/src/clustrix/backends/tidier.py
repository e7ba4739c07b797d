"""Finished jobs' folders: what somebody may want is kept, and only that."""

from __future__ import annotations

import asyncio
import logging
import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

from clustrix.backends.committed import INLINE_RESULT_BYTES
from clustrix.journal import Place
from clustrix.runner import folders, layout
from clustrix.runner.faults import point

_PAUSE_SECONDS = 0.05
"""Each turn of the thread costs the event loop one of its own: many jobs, one turn."""

log = logging.getLogger("clustrix.backends")


class Tidier:
    """Works in a thread: removing a folder can wait a millisecond for the file system's own log, and no job shall."""

    def __init__(self, place: Place, loop: asyncio.AbstractEventLoop) -> None:
        self._place = place
        self._loop = loop
        self._thread = ThreadPoolExecutor(1, "clustrix-tidier")
        self._jobs: list[str] = []
        self._timer: asyncio.TimerHandle | None = None

    def tidy_soon(self, job: str) -> None:
        """The same, when there is a moment."""
        self._jobs.append(job)
        if self._timer is None:
            self._timer = self._loop.call_later(_PAUSE_SECONDS, self._hand_over)

    def _hand_over(self) -> None:
        self._timer = None
        jobs, self._jobs = self._jobs, []
        try:
            self._thread.submit(self._tidy_all, jobs)
        except RuntimeError:  # an inline dispatcher whose interpreter is shutting down
            self._tidy_all(jobs)

    def _tidy_all(self, jobs: list[str]) -> None:
        for job in jobs:
            self.tidy(job)

    def tidy(self, job: str) -> None:
        """Move a finished job's folder from the live ones to the kept ones, or to those for the next, or remove it."""
        saved = os.path.join(self._place.checkpoints, job)
        if os.path.isdir(saved):
            folders.remove(saved)
        folder = os.path.join(self._place.live, job)
        try:
            paths = [os.path.join(folder, name) for name in os.listdir(folder)]
            wanted = list(filter(_wanted, paths))
            if not wanted and folders.reuse(folder, self._place.ready):
                return
            for path in paths:
                if path not in wanted:
                    _remove(path)
            if wanted:
                point("tidier.keep")
                os.rename(folder, os.path.join(self._place.kept, job))
            else:
                os.rmdir(folder)
        except FileNotFoundError:
            return
        except OSError as error:  # it is only tidying: the next dispatcher tries again
            log.warning("job %s: its folder could not be tidied: %s", job, error)

    def sweep(self) -> None:
        """Put away what killed processes had made ready."""
        folders.sweep(self._place.ready)

    def close(self) -> None:
        """Finish what was asked for."""
        if self._timer is not None:
            self._timer.cancel()
            self._hand_over()
        self._thread.shutdown()


def _remove(path: str) -> None:
    if os.path.isdir(path):
        folders.remove(path)
    else:
        with suppress(FileNotFoundError):  # somebody cleans at the same time
            os.unlink(path)


def _wanted(path: str) -> bool:
    name = os.path.basename(path)
    if name == layout.RESULT:
        return os.path.getsize(path) > INLINE_RESULT_BYTES
    printed = name in (layout.OUTPUT, layout.ERRORS)
    return (printed or name.startswith(layout.MAP_RESULTS)) and os.path.getsize(path) > 0
