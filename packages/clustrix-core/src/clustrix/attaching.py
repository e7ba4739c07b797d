"""Handles of jobs: of one that was submitted just now, and of one that was submitted earlier, perhaps by another process."""

from __future__ import annotations

from typing import Any

from clustrix.job import AsyncJobResult
from clustrix.journal import JobRecord, NewJob
from clustrix.mapresult import MapResult
from clustrix.session import Session, session

_ID_CHARACTERS = 26


def announced(home: Session, job: NewJob, shows: bool = True) -> AsyncJobResult[Any]:
    """The handle of a job that has just been written down, with a word to its dispatcher.  ``shows``: whether who waits is shown how far it is."""
    handle = _handle(home, job, None)
    handle._shows = shows
    home.client(job.dispatcher).submitted(job.id, handle._news)
    return handle


def attach(job: str) -> AsyncJobResult[Any]:
    """The handle of a job that was submitted earlier, perhaps by another process.

    A map gives a MapResult.  Raises UnknownJob with the nearest ids.
    """
    if not isinstance(job, str):
        raise TypeError(f"attach() takes the id of a job, a text, not {job!r}")
    home = session()
    pasted = job.strip().upper()
    record = home.journal.job(pasted if len(pasted) == _ID_CHARACTERS else job)
    return _handle(home, record, record)


def _handle(home: Session, job: NewJob | JobRecord, record: JobRecord | None) -> AsyncJobResult[Any]:
    if job.kind == "map":
        return MapResult(home, record, job.id, job.name, job.backend, job.items)
    return AsyncJobResult(home, record, job.id, job.name, job.backend)
