"""The thread that looks for all views."""

from __future__ import annotations

import threading
import time

import pytest

from clustrix_notebook.watching import Watcher
from tests.core.support import wait_until


class View:
    """Looks as often as it is told to."""

    def __init__(self, times: int, fails: bool = False, busy_s: float = 0.0) -> None:
        self.left = times
        self.looks = 0
        self._fails = fails
        self._busy_s = busy_s

    def look(self, draws: bool = False) -> bool:
        self.looks += 1
        if self._fails:
            raise ValueError("on purpose")
        until = time.thread_time() + self._busy_s
        while time.thread_time() < until:
            pass
        self.left -= 1
        return self.left > 0


def watching() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "clustrix-watcher"]


def test_view_is_looked_at_until_nothing_changes_any_more() -> None:
    """Then nobody looks, and no thread is left."""
    view = View(3)
    Watcher().add(view)
    wait_until(lambda: view.looks == 3, "it was looked at three times", 10)
    wait_until(lambda: not watching(), "the thread has ended", 10)
    assert view.looks == 3


def test_view_that_fails_does_not_stop_the_others(caplog: pytest.LogCaptureFixture) -> None:
    """It is left out, with a word in the log."""
    bad, good = View(9, fails=True), View(3)
    watcher = Watcher()
    watcher.add(bad)
    watcher.add(good)
    wait_until(lambda: good.looks == 3, "the other was looked at", 10)
    assert bad.looks == 1
    assert "could not be brought up to date" in caplog.text
    wait_until(lambda: not watching(), "the thread has ended", 10)


def test_views_that_cost_much_are_looked_at_seldom() -> None:
    """A look of 40 ms is followed by two seconds of rest."""
    view = View(100, busy_s=0.04)
    Watcher().add(view)
    time.sleep(1.5)
    assert view.looks <= 2  # the second is that of who has added it
    view.left = 1
    wait_until(lambda: not watching(), "the thread has ended", 10)
