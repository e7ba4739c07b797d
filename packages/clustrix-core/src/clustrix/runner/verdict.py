"""Why a runner ended without a result: the cause of death as an error record.

An error record is JSON: ``{"error": class name, "cause", "advice", "details", "stderr"}``; ``clustrix.outcomes`` makes
the exception of it.
"""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, NamedTuple

from clustrix.runner import layout
from clustrix.runner.amounts import format_bytes

_TAIL_BYTES = 4096

FAILED = "FAILED"
CANCELLED = "CANCELLED"
TIMED_OUT = "TIMED_OUT"
LOST = "LOST"
"""States of a job, as ``clustrix.journal`` names them."""

CRASH_SIGNALS = frozenset(
    {
        signal.SIGSEGV,
        signal.SIGBUS,
        signal.SIGFPE,
        signal.SIGILL,
        signal.SIGABRT,
        signal.SIGTRAP,
        signal.SIGSYS,
    }
)

TIME = "time"
MEMORY = "memory"
CANCEL = "cancel"


class Verdict(NamedTuple):
    """A state, and the record that explains it."""

    state: str
    cause: str
    record: str


def verdict(
    status: int | None,
    doom: str | None,
    *,
    folder: str,
    time_s: float | None = None,
    memory_bytes: int | None = None,
    peak_bytes: int = 0,
    rebooted: bool = False,
) -> Verdict:
    """The cause of death of a process.

    ``status``: as ``os.wait`` gives it, None if nobody could see it; ``doom``: what clustrix itself ended it for.
    """
    judgement = _judge(status, doom, time_s, memory_bytes, peak_bytes, rebooted)
    return recorded(*judgement, tail(os.path.join(folder, layout.ERRORS)))


def recorded(
    state: str,
    error: str,
    cause: str,
    advice: str = "",
    details: Mapping[str, Any] | None = None,
    stderr: str = "",
) -> Verdict:
    """A state with its record.  ``error``: a name of ``clustrix.errors.JOB_ERRORS``; ``stderr``: its end is kept."""
    tail = stderr[-_TAIL_BYTES:]
    record = {"error": error, "cause": cause, "advice": advice, "details": details or {}, "stderr": tail}
    return Verdict(state, cause, json.dumps(record))


MOST_STARTS = 3
"""So many processes in a row that end before they have begun with anything are enough."""


def not_started(latest: Verdict) -> Verdict:
    """The cause of a job whose processes do not come to work; ``latest``: of the last of them."""
    cause = f"{MOST_STARTS} processes in a row ended before they began with it; the latest: {latest.cause}"
    advice = "See what it has printed (job.logs()), and the dispatcher's log in the state directory."
    return recorded(FAILED, "JobNotStarted", cause, advice, stderr=json.loads(latest.record)["stderr"])


_Judgement = tuple[str, str, str, str, dict[str, Any]]


def _judge(
    status: int | None,
    doom: str | None,
    time_s: float | None,
    memory_bytes: int | None,
    peak_bytes: int,
    rebooted: bool,
) -> _Judgement:
    if doom == CANCEL:
        return CANCELLED, "JobCancelled", "it was cancelled", "", {}
    if doom == TIME:
        cause = f"it took longer than its time limit of {time_s:g} s and was ended"
        advice = "Allow more: @cluster(time=...), or options(time=...)."
        return TIMED_OUT, "TimeLimitExceeded", cause, advice, {"limit_s": time_s}
    if doom == MEMORY:
        asked = format_bytes(memory_bytes or 0)
        cause = (
            f"out of memory: it asked for {asked}, and its processes together had {format_bytes(peak_bytes)}"
        )
        details = {"limit_bytes": memory_bytes, "peak_bytes": peak_bytes}
        return FAILED, "MemoryLimitExceeded", cause, "Ask for more: @cluster(memory=...).", details
    if status is None:
        why = "the machine was started anew" if rebooted else "nobody saw how its process ended"
        cause = f"it was begun, its process is gone, and it left no result: {why}"
        return (
            LOST,
            "JobLost",
            cause,
            "What it did until then is not known; submit it again if it may run twice.",
            {},
        )
    if os.WIFSIGNALED(status):
        return _signalled(os.WTERMSIG(status), peak_bytes)
    code = os.WEXITSTATUS(status)
    if code == layout.EX_STORE:
        advice = "Free some space in the state directory and submit it again."
        return FAILED, "ResultNotStored", "it ran, but its result could not be written", advice, {}
    cause = f"its process exited with status {code} before the function returned"
    advice = "Something called os._exit; raise an exception or return instead."
    return FAILED, "JobExited", cause, advice, {"code": code}


def _signalled(number: int, peak_bytes: int) -> _Judgement:
    try:
        name = signal.Signals(number).name
    except ValueError:  # a real-time signal
        name = f"signal {number}"
    details: dict[str, Any] = {"signal": number, "peak_bytes": peak_bytes}
    if number in CRASH_SIGNALS:
        cause = f"its process crashed ({name}: {signal.strsignal(number)})"
        advice = "A compiled library is the usual cause; set PYTHONFAULTHANDLER=1 where you submit, or call the function with .local(...), to see where."
        return FAILED, "JobCrashed", cause, advice, details
    peak = f"; its largest process had {format_bytes(peak_bytes)}" if peak_bytes else ""
    cause = f"its process was ended from outside by {name}{peak}"
    advice = "A person or a program sent it; look for what stops processes of this user."
    if number == signal.SIGKILL:
        advice = "The system's out-of-memory killer does this, or a person; `dmesg` tells which."
    return FAILED, "JobKilled", cause, advice, details


def kept_status(folder: str, pid: int) -> int | None:
    """What the warm parent of an earlier dispatcher has written down, or None."""
    with suppress(OSError, ValueError), open(os.path.join(folder, f"{layout.EXIT_STATUS}-{pid}")) as file:
        return int(file.read())
    return None


def tail(path: str) -> str:
    """The end of a text file; empty if there is none."""
    with suppress(OSError), open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        file.seek(max(0, size - _TAIL_BYTES))
        return file.read().decode("utf-8", "replace")
    return ""
