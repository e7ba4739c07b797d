"""Find a job again that was submitted earlier, perhaps by another process."""

from __future__ import annotations

from typing import Any

from clustrix.job import AsyncJobResult
from clustrix.mapresult import MapResult
from clustrix.session import session

_ID_CHARACTERS = 26


def attach(job: str) -> AsyncJobResult[Any]:
    """The handle of a job that was submitted earlier, perhaps by another process.

    A map gives a MapResult.  Raises UnknownJob with the nearest ids.
    """
    if not isinstance(job, str):
        raise TypeError(f"attach() takes the id of a job, a text, not {job!r}")
    home = session()
    pasted = job.strip().upper()
    record = home.journal.job(pasted if len(pasted) == _ID_CHARACTERS else job)
    if record.kind == "map":
        return MapResult(home, record, record.id, record.name, record.backend, record.items)
    return AsyncJobResult(home, record, record.id, record.name, record.backend)
