"""Plugins that want to hear of jobs: told in a thread of their own, so that none of them holds up a job.

Nobody looks for them before the dispatcher has been up for a moment: its first job is waited for.
"""

from __future__ import annotations

import asyncio
import logging
import queue
import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from clustrix import plugins
from clustrix.backends import JobSpec
from clustrix.errors import PluginError
from clustrix.journal import Change, JobRecord, Outcome
from clustrix.plugins.events import JobEvent

log = logging.getLogger("clustrix.dispatcher")

_LOOK_SECONDS = 1.0
_MOST_WAITING = 10_000
_CLOSE_SECONDS = 2.0

Observer = Callable[[list[JobEvent]], Any]


class Observers:
    """All of one dispatcher."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._events: queue.Queue[list[JobEvent] | None] = queue.Queue(_MOST_WAITING)
        self._wanted = True
        """Whether there is anybody to tell; not known until it was looked."""
        self._thread = threading.Thread(target=self._work, name="clustrix-observers", daemon=True)
        self._timer = loop.call_later(_LOOK_SECONDS, self._thread.start)

    def moved(self, changes: Iterable[Change], jobs: Mapping[int, JobSpec]) -> None:
        """These changes are in the journal.  ``jobs``: by their numbers."""
        if self._wanted:
            news = [change for change in changes if change.news and change.seq in jobs]
            self._tell([_event(jobs[one.seq].record, str(one.state), one.reason, one.at) for one in news])

    def ended(self, outcomes: Iterable[Outcome], records: dict[int, JobRecord], at: float) -> None:
        """So are these outcomes."""
        if self._wanted:
            self._tell([_event(records[one.seq], str(one.state), one.reason, at) for one in outcomes])

    def _tell(self, events: list[JobEvent]) -> None:
        if not events:
            return
        try:
            self._events.put_nowait(events)
        except queue.Full:
            log.warning("observers do not keep up: %d events are not told", len(events))

    def close(self) -> None:
        """Tell what is still to be told, if that takes no long time."""
        self._timer.cancel()
        if self._thread.is_alive():
            self._events.put(None)
            self._thread.join(_CLOSE_SECONDS)

    # -- in the thread

    def _work(self) -> None:
        observers = list(_loaded())
        self._wanted = bool(observers)
        while self._wanted:
            events = self._events.get()
            if events is None:
                return
            for name, observer in observers:
                try:
                    observer(list(events))
                except Exception:  # somebody else's code
                    log.exception("observer %s failed", name)


def _loaded() -> Iterable[tuple[str, Observer]]:
    for entry in plugins.entries("observer"):
        try:
            yield entry.name, entry.load()
        except PluginError as error:
            log.error("observer %s cannot be used: %s", entry.name, error)


def _event(record: JobRecord, state: str, reason: str, at: float) -> JobEvent:
    return JobEvent(record.id, record.name, record.backend, state, reason, at, record.attempt)
