"""The user's code is interrupted shortly before its time is up, where the job shall go on later: it may save what it has."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from types import CoroutineType
from typing import TYPE_CHECKING, Any

from clustrix.runner import calling, outcome
from clustrix.runner.frames import Buffer
from clustrix.runner.verdict import TIME, verdict

if TYPE_CHECKING:
    from clustrix.runner.ledger import Marks

_MOST_NOTICE_SECONDS = 30.0
_NOTICE_SHARE = 0.1


def notice(limit_s: float) -> float:
    """How long before the end of its time a job is interrupted, in seconds."""
    return min(_MOST_NOTICE_SECONDS, _NOTICE_SHARE * limit_s)


class Countdown:
    """Has the main thread interrupted (KeyboardInterrupt) when a time has passed, until it is stopped."""

    def __init__(self, seconds: float) -> None:
        self._timer = threading.Timer(max(0.0, seconds), self._ring, (os.getpid(),))
        self._timer.daemon = True
        self.is_up = False

    def _ring(self, process: int) -> None:
        if os.getpid() == process:
            self.is_up = True
            os.kill(process, signal.SIGINT)

    def start(self) -> None:
        """From now on, where the interruption is waited for: it may come at once."""
        self._timer.start()

    def stop(self) -> None:
        """It is over: an interruption that is on its way comes to nothing."""
        self._timer.cancel()
        before = signal.signal(signal.SIGINT, _too_late)
        self._timer.join()
        signal.signal(signal.SIGINT, before)  # which first hands over what has come


def _too_late(number: int, frame: Any) -> None:
    """In place of KeyboardInterrupt."""


def of_call(call: Callable[[], list[Buffer]], limit_s: float, ends: float, folder: str) -> list[Buffer]:
    """What comes of a call, or that its time was up; ``ends``: seconds since the epoch."""
    countdown, parts = Countdown(ends - notice(limit_s) - time.time()), None
    try:
        countdown.start()
        parts = call()
        countdown.stop()
    except KeyboardInterrupt:
        if not countdown.is_up:
            raise
    finally:
        countdown.stop()
    if parts is None:
        parts = outcome.of_verdict(verdict(None, TIME, folder=folder, time_s=limit_s))
    return parts


def again(
    function: Callable[..., Any], limit_s: float, requeues: int, worker: int, marks: Marks
) -> Callable[..., Any]:
    """A map's function, called once more with a fresh limit when an item's time is up, as often as its submitter has wished."""

    def call(*args: Any, **kwargs: Any) -> Any:
        for _ in range(requeues):
            countdown, done = Countdown(limit_s - notice(limit_s)), False
            try:
                countdown.start()
                value = function(*args, **kwargs)
                value = calling.run_to_end(value) if type(value) is CoroutineType else value
                done = True
                countdown.stop()
            except KeyboardInterrupt:
                if not countdown.is_up:
                    raise
            finally:
                countdown.stop()
            if done:
                return value
            item = marks.of(worker).item
            assert item is not None
            marks.resume(worker, item)
        return function(*args, **kwargs)

    return call
