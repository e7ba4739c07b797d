"""What the journal holds, as Python values."""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple


class JobState(str, Enum):
    """Where a job is in its life.  Each change is a row in the journal, with its time and reason."""

    CREATED = "CREATED"
    """Submitted: it stands in the journal.  Set by the submitter."""
    STAGING = "STAGING"
    """What it needs is on its way to where it runs.  Set by the dispatcher (``local`` needs none)."""
    QUEUED = "QUEUED"
    """It waits, for the reason that is given.  Set by the dispatcher when the backend has it, but not yet room."""
    RUNNING = "RUNNING"
    """A runner has been started for it.  Set by the dispatcher, soon after the start."""
    SUCCEEDED = "SUCCEEDED"
    """Its result is committed.  Set together with the result."""
    FAILED = "FAILED"
    """It came to an end without a result, for the recorded cause: an exception, an exit, a kill, memory."""
    CANCELLED = "CANCELLED"
    """Somebody asked for its end, and nothing of it runs any more."""
    TIMED_OUT = "TIMED_OUT"
    """It was ended for its time limit."""
    LOST = "LOST"
    """It had been claimed, its process is gone, and there is neither result nor cause (the machine went down)."""

    @property
    def final(self) -> bool:
        """Whether nothing more will happen."""
        return self in FINAL

    def __str__(self) -> str:
        return self.value


FINAL = frozenset(
    {JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED, JobState.TIMED_OUT, JobState.LOST}
)


REUSE = "call:"
"""How the key of a call begins that ``reuse`` has made from it.  ``key`` refuses it from users."""


class NewJob(NamedTuple):
    """What a submission writes."""

    id: str
    name: str
    kind: str
    """"call" or "map"."""
    dispatcher: str
    """Which environment's dispatcher it is for."""
    backend: str
    cores: int
    memory_bytes: int | None
    time_s: float | None
    spec: str
    """JSON: working directory, search path."""
    payload: bytes
    items: int = 1
    parent: str | None = None
    """The job that submitted this one."""
    key: str | None = None
    place: str = ""
    """JSON: the settings that tell a backend which place is meant, as a host; empty where there is but one."""
    tags: str = ""
    """JSON: a list of texts; empty for none."""


class JobRecord(NamedTuple):
    """A job as the journal has it; ``payload`` and ``spec`` are asked for separately."""

    seq: int
    id: str
    name: str
    kind: str
    dispatcher: str
    backend: str
    state: JobState
    reason: str
    cancel: bool
    cores: int
    memory_bytes: int | None
    time_s: float | None
    environ: str
    """The name of the submitter's environment variables, see ``clustrix.journal.environs``."""
    items: int
    parent: str | None
    created: float
    place: str
    tags: str
    attempt: int
    """Which try this is: more than 1 after a retry that the user asked for."""
    spared: int
    """How many attempts before were nobody's fault, and cost no retry."""
    handle: str
    """What the place calls it, if that is known and other than its id."""
    prepared: int = 1
    """The attempt for which its place has been made ready: if that is an earlier one, this one has not been submitted."""

    def anew(self, new: str, parent: str | None, spec: str, payload: bytes) -> NewJob:
        """A further job for the same place, with the same needs and names."""
        same = {field: getattr(self, field) for field in NewJob._fields if field in self._fields}
        return NewJob(**{**same, "id": new, "parent": parent}, spec=spec, payload=payload)


class Change(NamedTuple):
    """A new state of a job that has not ended."""

    seq: int
    at: float
    """When, in seconds since the epoch."""
    state: JobState
    reason: str = ""
    held_cores: int = 0
    """What it occupies of this machine from now on; other environments' dispatchers read it."""
    held_bytes: int = 0
    news: bool = True
    """Whether it belongs into the job's history; False when only what it occupies has changed."""
    handle: str | None = None
    """What the place calls the job, if that has become known."""


class Outcome(NamedTuple):
    """How a job ended."""

    seq: int
    state: JobState
    reason: str = ""
    data: bytes | None = None
    """The outcome's bytes, where they are few."""
    path: str | None = None
    """Their file below the state directory, where they are many."""
    error: str | None = None
    """JSON for ``clustrix.outcomes``: a failure that is not an exception of the user's function."""
