"""``f(x)``: wait for a job as if the call were local, with its output here and Ctrl-C that ends it."""

from __future__ import annotations

import sys
from concurrent.futures import wait
from typing import TypeVar

from clustrix.job import AsyncJobResult
from clustrix.logs import Tail

R = TypeVar("R")

_FIRST_PAUSE_SECONDS = 0.02
_LONGEST_PAUSE_SECONDS = 0.2
_CANCEL_SECONDS = 5.0


def wait_for(job: AsyncJobResult[R]) -> R:
    """The job's result; raises what its function raised."""
    tail = Tail(job._home.place, job.id)
    pause = _FIRST_PAUSE_SECONDS
    try:
        while not wait([job], pause).done:
            # Only for the output: the end of the job wakes this at once.
            pause = _FIRST_PAUSE_SECONDS if _show(tail) else min(pause * 1.5, _LONGEST_PAUSE_SECONDS)
        _show(tail)
    except KeyboardInterrupt:
        job.cancel()
        wait([job], _CANCEL_SECONDS)
        _show(tail)
        raise
    finally:
        tail.close()
    return job.result()


def _show(tail: Tail) -> bool:
    """Print what the job has printed since; whether that was anything."""
    found = False
    for stream, text in tail.read():
        found = True
        target = (sys.stdout, sys.stderr)[stream]
        target.write(text)
        target.flush()
    return found
