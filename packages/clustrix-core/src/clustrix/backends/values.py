"""What goes to a backend and comes from it: a job, where it is, what became of its submission."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from enum import Enum
from typing import Any, NamedTuple

from clustrix.journal import JobRecord, Journal
from clustrix.runner import claim, layout, variables, whole


class Phase(str, Enum):
    """Where a job is, as the place that runs it can tell."""

    QUEUED = "QUEUED"
    """It waits there, for the reason given."""
    RUNNING = "RUNNING"
    """It has been begun."""
    DONE = "DONE"
    """Its result is committed there: ``fetch`` will bring it.  Whatever the scheduler may say."""
    GONE = "GONE"
    """The place does not know it, or it has ended there, and there is no result; the reason tells what is known."""

    def __str__(self) -> str:
        return self.value


class Question(NamedTuple):
    """What only a person can answer."""

    host: str
    kind: str
    """ "password", "passphrase" or "code": what a host asks beyond these; "trust": whether its key is, "yes" or anything else."""
    text: str
    """As the host or the key asks it."""
    echo: bool = False
    """Whether the answer may be seen while it is typed."""


class Receipt(NamedTuple):
    """What became of one submission."""

    handle: str = ""
    """What the place calls the job, if that is other than its id; kept in the journal and given back as ``JobSpec.handle``."""
    refused: str = ""
    """Why the place does not take it, and never will; empty if it does.  The job then fails with this text."""
    later: str = ""
    """Why the place does not take it now, though others were taken: it will be asked again; empty if it does."""


class Status(NamedTuple):
    """What is known of one job."""

    phase: Phase
    reason: str = ""
    """Why it waits, or what is known of its end; shown to the user as it is."""


class Content(NamedTuple):
    """What a job consists of."""

    place: str
    """JSON: working directory, search path, arguments, limits of the submitter's process."""
    payload: bytes
    """Function and arguments, see ``clustrix.bundle``."""
    environ: Mapping[str, str]
    """The submitter's environment variables.  They may hold secrets."""
    blobs: str
    """The folder with the blobs that the payload names."""


class JobSpec:
    """What to run, and with what."""

    __slots__ = ("_journal", "_spec", "record")

    def __init__(self, record: JobRecord, journal: Journal, spec: str | None = None) -> None:
        """``spec``: None: the journal has it."""
        self.record = record
        """Its row in the journal."""
        self._journal = journal
        self._spec = spec

    def known_as(self, handle: str) -> JobSpec:
        """The same job, now that its place has told what it calls it."""
        return JobSpec(self.record._replace(handle=handle), self._journal, self._spec)

    @property
    def id(self) -> str:
        """Unique for ever: 26 letters and digits.  Safe in a file name and in a shell."""
        return self.record.id

    @property
    def name(self) -> str:
        """What people call it.  Any text: never put it into a shell unquoted."""
        return self.record.name

    @property
    def kind(self) -> str:
        """ "call", or "map": one job of many items."""
        return self.record.kind

    @property
    def items(self) -> int:
        """How many calls it makes."""
        return self.record.items

    @property
    def cores(self) -> int:
        """What one call needs."""
        return self.record.cores

    @property
    def memory_bytes(self) -> int | None:
        """What one call needs; None: nothing is asked for."""
        return self.record.memory_bytes

    @property
    def time_s(self) -> float | None:
        """How long one call may take, in seconds; None: as long as it likes."""
        return self.record.time_s

    @property
    def handle(self) -> str:
        """What ``submit`` has returned for it; empty if that is not known."""
        return self.record.handle

    @property
    def folder(self) -> str:
        """Where its files belong on this machine while it is live.  ``prepare`` makes it."""
        return os.path.join(self._journal.place.live, self.record.id)

    @property
    def attempt(self) -> int:
        """Which try this is.  A later one comes only when the one before is over, and cleaned away."""
        return self.record.attempt

    @property
    def spec(self) -> str:
        """JSON: what the submitter's process was like, and the values of the backend's own fields."""
        if self._spec is None:
            self._spec = self._journal.spec(self.record.seq)
        return self._spec

    @property
    def settings(self) -> Mapping[str, Any]:
        """The values of the backend's own fields for this job."""
        found: Mapping[str, Any] = json.loads(self.spec).get("settings", {})
        return found

    def read(self) -> Content:
        """The rest, from the journal: it may be large."""
        spec, payload = self._journal.payload(self.record.seq)
        place = self._journal.place
        environ = variables.read(os.path.join(place.environments, self.record.environ))
        return Content(spec, payload, environ, place.blobs)

    # -- for a job that runs on this machine, or on one that shares its files

    def prepare(self, workers: int = 1) -> None:
        """Write into ``folder`` all that the runner needs.  To do it again does nothing.

        ``workers``: how many items of a map run at once.  Raises OSError.
        """
        if os.path.exists(self.file(layout.ORDER)) or os.path.exists(self.file(layout.CLAIM)):
            return
        content = self.read()
        os.makedirs(self.folder, mode=0o700, exist_ok=True)
        order = told(self, content, max(1, min(workers, self.items)))
        whole.write(self.file(layout.PAYLOAD), [content.payload], "stage")
        whole.write(self.file(layout.ENVIRON), [variables.encoded(self.id, content.environ)], "stage")
        # The last: who finds it finds all.
        whole.write(self.file(layout.ORDER), [json.dumps(order).encode()], "stage")

    def command(self) -> list[str]:
        """The command that runs the job from its folder: once, to its end, however often it is given."""
        return [sys.executable, "-m", "clustrix.runner", self.folder]

    def look(self) -> Phase | None:
        """Where a job is, as its folder tells; None if nobody has begun it yet."""
        if os.path.exists(self.file(layout.RESULT)):
            return Phase.DONE
        holder = claim.read(self.file(layout.CLAIM))
        if holder is None:
            return None
        if holder.lives():
            return Phase.RUNNING
        return Phase.DONE if os.path.exists(self.file(layout.RESULT)) else Phase.GONE

    def forbid(self) -> int | None:
        """See to it that nobody begins the job; the pid of the process that has begun it, or None if nobody had."""
        os.makedirs(self.folder, mode=0o700, exist_ok=True)
        if claim.take(self.folder, claim.NOBODY):
            return None
        holder = claim.read(self.file(layout.CLAIM))
        return holder.pid if holder is not None and holder.lives() else None

    def file(self, name: str) -> str:
        """A file in its folder."""
        return os.path.join(self.folder, name)


def told(job: JobSpec, content: Content, workers: int) -> dict[str, Any]:
    """What a runner of its own program has to know of a job; ``workers``: of a map, at one place of work."""
    return {
        "job": job.id,
        "name": job.name,
        "attempt": job.attempt,
        "kind": job.kind,
        "items": job.items,
        "workers": workers,
        "place": content.place,
        "blobs": content.blobs,
        "cores": job.cores,
        "memory_bytes": job.memory_bytes,
        "time_s": job.time_s,
    }
