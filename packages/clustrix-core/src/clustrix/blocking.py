"""``f(x)``: wait for a job as if the call were local, with its output here and Ctrl-C that ends it."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from concurrent.futures import wait
from contextlib import suppress
from typing import TextIO, TypeVar

from clustrix.bars import Bar
from clustrix.job import AsyncJobResult
from clustrix.journal import JobState
from clustrix.logs import Tail
from clustrix.notebooks import kernel_ends

R = TypeVar("R")

_FIRST_PAUSE_SECONDS = 0.02
_LONGEST_PAUSE_SECONDS = 0.2
_CANCEL_SECONDS = 5.0
_PATIENCE_SECONDS = 5.0
"""A call that has not begun by then says what it waits for."""


def wait_for(job: AsyncJobResult[R], display: Callable[[str], None] | None = None) -> R:
    """The job's result; raises what its function raised.  ``display``: as for ``logs.Tail``.

    Of a job that had been submitted before, the output is shown only if it still runs, and Ctrl-C leaves it alone.  So does the end of a
    notebook's kernel, which begins with an interrupt.
    """
    __tracebackhide__ = True  # IPython and pytest show the lines of the job instead
    if job.reused and job.done():
        return job.result()
    tail = Tail(job._home.place, job.id, job._prints_elsewhere(), display)
    pause = _FIRST_PAUSE_SECONDS
    begun = time.monotonic()
    silent = True
    bar = Bar(job._line, job._shows)
    answers = job._answering()
    try:
        while not wait([job], pause).done:
            # Only for the output: the end of the job wakes this at once.
            shown = _show(tail)
            pause = _FIRST_PAUSE_SECONDS if shown else min(pause * 1.5, _LONGEST_PAUSE_SECONDS)
            bar.tick()
            if silent and time.monotonic() - begun > _PATIENCE_SECONDS:
                silent = False
                _say_why_it_waits(job)
        _show(tail)
    except KeyboardInterrupt:
        if job.reused or kernel_ends():
            job._say_how_to_go_on()
            raise
        job.cancel()
        wait([job], _CANCEL_SECONDS)
        _show(tail)
        raise
    finally:
        answers.close()
        bar.close()
        tail.close()
    return job.result()


def _say_why_it_waits(job: AsyncJobResult[R]) -> None:
    status = job.status()
    if status.state in (JobState.CREATED, JobState.QUEUED) or (
        status.state is JobState.STAGING and status.reason
    ):
        reason = status.reason or "it has not been taken up yet"
        what = "has not begun" if status.started is None else "waits to be begun again"
        _write(sys.stderr, f"clustrix: job {job.id} ({job.name}) {what}: {reason}\n")


def _show(tail: Tail) -> bool:
    """Print what the job has printed since; whether that was anything."""
    found = False
    for stream, text in tail.read():
        found = True
        _write((sys.stdout, sys.stderr)[stream], text)
    return found


def _write(target: TextIO | None, text: str) -> None:
    """A courtesy: the job's own output is in its logs, and its result does not hang on a stream that takes no more."""
    if target is None:  # as in a daemon
        return
    with suppress(OSError, ValueError):
        try:
            target.write(text)
        except UnicodeEncodeError:
            encoding = getattr(target, "encoding", None) or "ascii"
            target.write(text.encode(encoding, "backslashreplace").decode(encoding))
        target.flush()
