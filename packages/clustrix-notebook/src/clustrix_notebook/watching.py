"""One thread that has all live views look at what they show, and takes little of the kernel's time, however many there are."""

from __future__ import annotations

import logging
import threading
import time
from typing import Protocol

log = logging.getLogger("clustrix.notebook")

_PAUSE_SECONDS = 0.5
_SHARE = 50
"""The pauses are at least so many times as long as the work between them: two percent."""


class View(Protocol):
    """What shows something that changes."""

    def look(self, draws: bool = False) -> bool:
        """See what is new, and tell the page; False when nothing will change any more.  ``draws``: have the plain picture follow at once."""


class Watcher:
    """Looks while there is something to look at."""

    def __init__(self) -> None:
        self._views: list[View] = []
        self._lock = threading.Lock()
        self._woken = threading.Event()
        self._thread: threading.Thread | None = None

    def add(self, view: View) -> None:
        """Have it look from now on."""
        with self._lock:
            if view not in self._views:
                self._views.append(view)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="clustrix-watcher", daemon=True)
                self._thread.start()
        self._woken.set()

    def look_now(self, *_: object) -> None:
        """After each cell: what is saved then is how things stand, also where a notebook is run and closed at once."""
        with self._lock:
            views = list(self._views)
        for view in views:
            _looked(view, True)

    def _run(self) -> None:
        while True:
            began = time.thread_time()
            with self._lock:
                views = list(self._views)
                if not views:
                    self._thread = None
                    return
            done = [view for view in views if not _looked(view)]
            with self._lock:
                self._views = [view for view in self._views if view not in done]
            self._woken.wait(max(_PAUSE_SECONDS, _SHARE * (time.thread_time() - began)))
            self._woken.clear()


def _looked(view: View, draws: bool = False) -> bool:
    try:
        return view.look(draws)
    except Exception:  # the thread is everybody's: one view that fails must not stop the others
        log.exception("a view of jobs could not be brought up to date")
        return False


watcher = Watcher()
"""The one of this process."""
