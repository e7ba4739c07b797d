"""What is committed in a job's folder on this machine, as the outcome that goes into the journal."""

from __future__ import annotations

import json
import os

from clustrix.errors import (
    JOB_ERRORS,
    JobError,
    JobExited,
    JobInterrupted,
    JobNotStarted,
    ResultUnpicklable,
)
from clustrix.journal import JobRecord, JobState, Outcome
from clustrix.runner import layout, watch
from clustrix.runner import outcome as outcomes
from clustrix.runner.frames import Damaged, peek, unpack
from clustrix.runner.verdict import CANCEL, Verdict, recorded, verdict

INLINE_RESULT_BYTES = 65536

_REASONS = {
    outcomes.EXCEPTION: "its function raised an exception",
    outcomes.EXIT: "its function raised SystemExit",
    outcomes.INTERRUPT: "its function raised KeyboardInterrupt",
    outcomes.UNPICKLABLE: "its result cannot be sent",
    outcomes.SETUP: "it could not be set up",
}
_CLASSES = {
    outcomes.EXIT: JobExited,
    outcomes.INTERRUPT: JobInterrupted,
    outcomes.UNPICKLABLE: ResultUnpicklable,
    outcomes.SETUP: JobNotStarted,
}


def committed(record: JobRecord, folder: str) -> Outcome | None:
    """The outcome of a job whose result is in ``folder``; None if there is none (yet)."""
    path = os.path.join(folder, layout.RESULT)
    try:
        with open(path, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            data = file.read() if size <= INLINE_RESULT_BYTES else b""
            meta = unpack(data)[0] if data else peek(file, size)
    except FileNotFoundError:
        return None
    except Damaged as error:
        return failed(record, "ResultDamaged", f"its result is damaged: {error}", "Submit it again.")
    kind = meta["kind"]
    if kind == watch.MAP:
        return of_map(record, meta["finished"], meta["failed"])
    if kind == outcomes.ENDED:
        return ended(record, Verdict(meta["state"], json.loads(meta["record"])["cause"], meta["record"]))
    state = JobState.SUCCEEDED if kind == outcomes.VALUE else JobState.FAILED
    reason = "" if kind == outcomes.VALUE else _REASONS[kind]
    return Outcome(record.seq, state, reason, data or None, None if data else layout.RESULT)


def of_map(record: JobRecord, finished: int, failures: int) -> Outcome:
    """The outcome of a map of which nothing is left to do."""
    if not failures:
        return Outcome(record.seq, JobState.SUCCEEDED)
    reason = f"{failures} of {record.items} items failed"
    if finished == record.items:
        return Outcome(record.seq, JobState.FAILED, reason)
    # What an item without a result of its own is told.
    cause = "it was not begun, since an item before it had failed"
    row = failed(record, "JobCancelled", cause, 'With on_error="raise", all items are run.')
    return row._replace(reason=f"{reason}, {record.items - finished} were not begun")


def ended(record: JobRecord, found: Verdict) -> Outcome:
    """The outcome of a job that has ended without a result."""
    return Outcome(record.seq, JobState(found.state), found.cause, error=found.record)


def failed(
    record: JobRecord, error: str, cause: str, advice: str, state: JobState = JobState.FAILED
) -> Outcome:
    """The outcome of a job that has failed for a reason of ours.  ``error``: the class, of ``clustrix.errors.JOB_ERRORS``."""
    return ended(record, recorded(state.value, error, cause, advice))


def cancelled(record: JobRecord, folder: str) -> Outcome:
    """The outcome of a job that was cancelled."""
    return ended(record, verdict(None, CANCEL, folder=folder))


def failure_names(outcome: Outcome, folder: str) -> list[str]:
    """The class of what a failed call raised, or of our own error for it, and all that it descends from."""
    if outcome.error is not None:
        cls = JOB_ERRORS.get(json.loads(outcome.error)["error"], JobError)
        return [base.__name__ for base in cls.__mro__]
    if outcome.data is not None:
        meta = unpack(outcome.data)[0]
    else:
        with open(os.path.join(folder, layout.RESULT), "rb") as file:
            meta = peek(file, os.fstat(file.fileno()).st_size)
    if meta["kind"] == outcomes.EXCEPTION:
        names: list[str] = meta["nodes"][0]["mro"]
        return names
    return [_CLASSES.get(meta["kind"], JobError).__name__]
