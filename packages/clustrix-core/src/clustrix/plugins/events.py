"""What observers hear."""

from __future__ import annotations

from typing import NamedTuple


class JobEvent(NamedTuple):
    """A change of a job's state, as it is written in the journal."""

    job: str
    """Its id."""
    name: str
    backend: str
    state: str
    """As ``clustrix.JobState``: CREATED, STAGING, QUEUED, RUNNING, SUCCEEDED, FAILED, CANCELLED, TIMED_OUT, LOST."""
    reason: str
    at: float
    """When, in seconds since the epoch."""
    attempt: int
