"""A job or a map at one moment, as plain data for the page and for the plain picture."""

from __future__ import annotations

import json
import traceback
from typing import Any

from clustrix.config.quantities import format_time
from clustrix.errors import ClustrixError
from clustrix.job import AsyncJobResult
from clustrix.journal import FINAL, JobRecord, JobState
from clustrix.mapresult import MapResult
from clustrix.results.failures import ErrorGroup
from clustrix.runner.amounts import format_bytes
from clustrix_notebook.jobs.places import cell_of, named

_MOST_GROUPS = 30
_MOST_CHARACTERS = 20_000
"""Of a traceback."""

Snapshot = dict[str, Any]


def snapshot(handle: AsyncJobResult[Any]) -> Snapshot:
    """All that is shown of it, but its log.  Raises an error below JournalError, UnknownJob."""
    journal = handle._home.journal
    record = journal.job(handle.id)
    history = journal.history(handle.id)
    found: Snapshot = {
        "id": record.id,
        "name": record.name,
        "kind": record.kind,
        "state": str(record.state),
        "reason": record.reason,
        "final": record.state in FINAL,
        "where": where(record),
        "asked": asked(record),
        "attempt": record.attempt,
        "cancelling": record.cancel and record.state not in FINAL,
        "timeline": [[str(state), at, reason] for at, state, reason in history],
        "progress": _progress(handle),
        "map": None,
        "error": None,
    }
    if isinstance(handle, MapResult):
        found["map"] = _of_map(handle)
        found["state"] = found["map"].pop("state")
    elif record.state in FINAL and record.state not in (JobState.SUCCEEDED, JobState.CANCELLED):
        found["error"] = _error(handle)
    return found


def where(record: JobRecord) -> str:
    """The place in a few words: ``slurm at login.uni.edu``."""
    host = json.loads(record.place).get("cluster_host") if record.place else None
    return f"{record.backend} at {host}" if host else record.backend


def asked(record: JobRecord) -> str:
    """What it needs, in a few words."""
    parts = [f"{record.cores} core{'s' if record.cores != 1 else ''}"]
    if record.memory_bytes is not None:
        parts.append(format_bytes(record.memory_bytes))
    if record.time_s is not None:
        parts.append(f"at most {format_time(record.time_s)}")
    return ", ".join(parts)


def _progress(handle: AsyncJobResult[Any]) -> Snapshot | None:
    told = handle.progress()
    return None if told is None else {"done": told.done, "total": told.total, "message": told.message}


def _error(handle: AsyncJobResult[Any]) -> Snapshot:
    """What the call raised, with its traceback: of the job's frames, since it was raised there."""
    try:
        error = handle.exception(0)
    except (ClustrixError, TimeoutError) as trouble:
        error = trouble
    if error is None:
        return {"type": "", "message": "", "traceback": ""}
    text = "".join(traceback.format_exception(error))
    return {"type": type(error).__name__, "message": str(error), "traceback": _cut(text)}


def _of_map(handle: MapResult[Any]) -> Snapshot:
    summary = handle.summary()
    rate = summary.rate
    left = summary.counts["waiting"] + summary.counts["running"]
    return {
        "state": str(summary.state),
        "items": summary.items,
        "counts": summary.counts,
        "rate": rate,
        "left_s": left / rate if rate and left else None,
        "headline": summary.errors.headline,
        "groups": [
            {
                "type": group.type,
                "place": _place(group),
                "message": group.message if group.count == 1 else group.pattern,
                "count": group.count,
                "indices": ", ".join(map(str, group.indices[:10])) + (", …" if group.count > 10 else ""),
                "example": group.example,
                "arguments": group.arguments,
            }
            for group in summary.errors[:_MOST_GROUPS]
        ],
        "more_groups": max(0, len(summary.errors) - _MOST_GROUPS),
    }


def _place(group: ErrorGroup) -> str:
    cell = cell_of(group.file)
    return f"{cell}, line {group.line}, {group.function}" if cell else group.place


def item_error(handle: MapResult[Any], index: int) -> str:
    """The traceback of a failed item."""
    try:
        error = handle.error(index, 0)
    except (ClustrixError, TimeoutError) as trouble:
        error = trouble
    return "it has not failed" if error is None else _cut("".join(traceback.format_exception(error)))


def _cut(text: str) -> str:
    text = named(text)
    return text if len(text) <= _MOST_CHARACTERS else f"…\n{text[-_MOST_CHARACTERS:]}"
