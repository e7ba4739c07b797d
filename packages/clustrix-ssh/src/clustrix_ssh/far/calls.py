"""A call on the far side: its process is watched, and what comes of it, or why it was ended, becomes its result."""

from __future__ import annotations

import json
import os
import signal
import time
from contextlib import suppress

from clustrix.runner import layout, setup, standalone, watch, whole
from clustrix.runner.faults import point
from clustrix.runner.outcome import INTERRUPT
from clustrix.runner.verdict import TIME, Verdict
from clustrix_ssh.far import again, memory, surroundings
from clustrix_ssh.far.ending import (
    EX_TAKEN,
    STAGED,
    Told,
    bundle_of,
    head_of,
    leave_signals_to_the_parent,
    publish,
    why_ended,
)

TAKEN = "taken"
"""In the job's folder, with the signal's name, when it was ended from outside, and not by its user: whoever did that may have no memory."""
_EARLY_SECONDS = 10.0
"""A signal that comes earlier is told of as what it is, not as the end of the time."""


class _Call(watch.CallWatch):
    def __init__(
        self, order: setup.Order, told: Told, work: watch.Work, around: surroundings.Surroundings
    ) -> None:
        self._told = told
        self._around = around
        self._signal, self._signal_at = "", 0.0
        """With which it was asked to end, and when."""
        super().__init__(order, told, work)
        surroundings.listen(self._asked_to_end, around)

    def _asked_to_end(self, number: int, frame: object) -> None:
        if not self._signal:
            self._signal, self._signal_at = signal.Signals(number).name, time.time()
        super()._asked_to_end(number, frame)

    def _why(self, why: str) -> Verdict:
        found = self._verdict(0, why, 0)
        early_s = (self._around.ends or 0.0) - self._signal_at
        if why != TIME or early_s < _EARLY_SECONDS:
            return found
        cause = f"{self._signal} came {early_s:.0f} s before its time limit of {self._time_s:g} s, and it was interrupted"
        return Verdict(found.state, cause, json.dumps({**json.loads(found.record), "cause": cause}))

    def _conclude(self) -> int:
        why = why_ended(self._order, self._around) if self._cancelled else None
        if self._cancelled and not _is_whole(self._order):
            if why is None:
                whole.write(self._order.file(TAKEN), [self._signal.encode()], "taken")
                return EX_TAKEN
            self._commit_error(self._why(why))
        elif not os.path.exists(self._order.file(STAGED)):
            assert self._found is not None
            self._commit_error(self._found())
        elif (over := memory.over_limit(self._order.file(STAGED), self._memory_bytes)) is not None:
            self._commit_error(over)
        point("far.concluded")
        if self._told["requeues"] and again.goes_on(self._order.file(STAGED)):
            status = again.queue_again(self._order.folder, self._told)
            if status is not None:
                return status
            self._commit_error(again.counted(self._order.file(STAGED), self._order.folder))
        publish(self._order, self._told)
        return 0 if self._status == 0 and not self._cancelled else 1


def run(order: setup.Order, told: Told, around: surroundings.Surroundings) -> int:
    for name in (STAGED, TAKEN):  # of a run before a restart
        with suppress(FileNotFoundError):
            os.unlink(order.file(name))
    bundle = bundle_of(order)

    def work(worker: int, ranges: list[list[int]]) -> int:
        leave_signals_to_the_parent()
        return standalone.work(order, bundle)

    try:
        return _Call(order, told, work, around).run()
    except OSError as error:
        setup.complain(f"the result could not be written: {error}")
        return layout.EX_STORE


def _is_whole(order: setup.Order) -> bool:
    """Whether the function came to its end in spite of the interrupt."""
    found = head_of(order.file(STAGED))
    return found is not None and found["kind"] != INTERRUPT
