"""What a place that runs jobs has to offer: the interface that every backend implements, the core's own too.

Only the dispatcher calls it, in its event loop and one call of a kind at a time; different kinds may overlap.  What takes
longer than a few milliseconds has to wait with ``await`` (``asyncio.to_thread`` for a library that blocks): the loop
serves every other place as well.

All calls take batches: a scheduler is asked once, not once a job.  All calls may come again, for the same jobs, from a
dispatcher that took the place of one that was killed in the middle of the first; so all have to be **idempotent**, and
``JobSpec.id`` is what jobs are told apart by.  A backend keeps nothing that it could not lose.

Raise HostUnreachable when the place cannot be asked now: the call is repeated, with growing pauses, and no job's state
changes meanwhile.  Any other exception is taken for a fault of the backend: logged, shown in the jobs' reason, and
repeated as well.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from clustrix.backends.values import JobSpec, Question, Receipt, Status

if TYPE_CHECKING:
    from pathlib import Path

    from clustrix.journal import Change, JobRecord, Outcome


class Host(Protocol):
    """What the dispatcher gives to a backend when it makes one."""

    @property
    def settings(self) -> Mapping[str, Any]:
        """The fields that say which place is meant (``scope="place"``): a host, a user.  Equal for all its jobs."""

    @property
    def folder(self) -> Path:
        """A folder on this machine, 0700, for files of this backend's own; shared by all its places."""

    def changed(self) -> None:
        """There are news of jobs: have all of the place polled at once.  To be called in the event loop."""

    async def ask(self, question: Question) -> str | None:
        """Have a person answer who waits for a job, or has run ``clustrix login``; None if there is nobody, or nobody wants to."""

    def answerers(self) -> int:
        """How many have come until now to answer: when it grows, what was not answered may be asked again."""


class Onlooker:
    """A ``Host`` for who only looks at a place: nobody answers, and nothing is polled."""

    def __init__(self, settings: Mapping[str, Any], folder: Path) -> None:
        self.settings = settings
        self.folder = folder

    def changed(self) -> None:
        """There are no jobs."""

    async def ask(self, question: Question) -> str | None:
        return None

    def answerers(self) -> int:
        return 0


class Backend:
    """A place that runs jobs.  Subclass it; ``submit``, ``poll`` and ``cancel`` are what every backend needs."""

    fastest_poll_s: ClassVar[float] = 0.1
    """How soon after a submission, and after a change, it may be polled, in seconds."""
    slowest_poll_s: ClassVar[float] = 10.0
    """How long the pauses between polls may become while nothing changes."""
    settle_s: ClassVar[float] = 1.0
    """How long a result may take to become visible after a job is GONE, as on a shared file system."""

    def __init__(self, host: Host) -> None:
        """Called once for each place, when its first job comes.  It must not wait for anything."""
        self.host = host

    async def adopt(self, jobs: Sequence[JobSpec]) -> Sequence[Receipt]:
        """Go on with all live jobs of an earlier dispatcher, whatever became of their submission.

        Called once, before any other call.  As submissions are idempotent, they are simply made again.
        """
        return await self.submit(jobs)

    async def submit(self, jobs: Sequence[JobSpec]) -> Sequence[Receipt]:
        """Have these jobs run, each once.  ``len(result) == len(jobs)``, in their order.

        A job that is there already, in whatever state, stays as it is: look before you submit, or let the claim decide
        (``JobSpec.prepare``).  It must be safe to be killed between any two steps.
        """
        raise NotImplementedError

    async def poll(self, jobs: Sequence[JobSpec]) -> Sequence[Status]:
        """Tell where these jobs are.  ``len(result) == len(jobs)``, in their order.  One question for all of them.

        Called at a pace between ``fastest_poll_s`` and ``slowest_poll_s``, or that of the user's ``job_poll_interval``, with all live
        jobs of the place.
        """
        raise NotImplementedError

    async def fetch(self, jobs: Sequence[JobSpec]) -> None:
        """Bring what these jobs have written so far into ``JobSpec.folder``: the result last.

        Called for jobs that are DONE, again for those GONE, and for running maps and followed logs.  Files that are there
        may be kept if they are whole.  Not needed where jobs run in that folder.
        """

    async def cancel(self, jobs: Sequence[JobSpec]) -> None:
        """See to it that these jobs end, whether they wait or run.  ``poll`` then tells when they are GONE or DONE.

        For one that is not there, or has ended, it is no error.
        """
        raise NotImplementedError

    async def clean(self, jobs: Sequence[JobSpec]) -> None:
        """Remove what these jobs have left there.  Called after their outcomes are committed here.

        ``JobSpec.folder`` is not this method's concern.
        """

    async def reset(self, jobs: Sequence[JobSpec]) -> None:
        """An attempt of these is over, and another will follow: remove what it has left, but for what the jobs have saved for themselves.

        As ``clean``, unless the backend keeps a job's checkpoints somewhere of its own.
        """
        await self.clean(jobs)

    async def explain(self, job: JobSpec) -> str:
        """What a submission of this job would be, for people: the script for a batch system, say.  Nothing is submitted or changed.

        The job is not in the journal: what it would run cannot be read.
        """
        return ""

    async def login(self) -> None:
        """Somebody is there who answers: reach the place now, and ask (``Host.ask``) what has to be asked.  Raises HostUnreachable."""

    def was_reached(self) -> bool:
        """Whether anything can ever have come to this place.  If not, what is on its way there can be cancelled without asking it."""
        return True

    def held(self) -> bool:
        """Whether the dispatcher should stay for this place though nothing is to be done: a person has opened its connection, perhaps."""
        return False

    async def close(self) -> None:
        """The dispatcher leaves; the jobs go on.  Let go of connections."""


class Report(Protocol):
    """What the dispatcher wants to hear."""

    def moved(self, changes: Iterable[Change]) -> None: ...

    def finished(self, record: JobRecord, outcome: Outcome) -> None: ...

    def progressed(self, job: str) -> None: ...


class PushingBackend(Backend):
    """A backend that tells of each change itself, the moment it happens, and whose methods never wait.

    For the core's own: it gets a ``clustrix.backends.local.backend.LocalHost``.
    """

    def renew(self, jobs: Sequence[JobSpec]) -> None:
        """An attempt of these is over, and its folder put away; the next will be submitted."""

    def busy(self) -> bool:
        """Whether something is still to be done that is no job any more."""
        return False

    def crowded(self) -> bool:
        """Whether more jobs wait than can run: then it is the rate that counts, not the moment."""
        return False

    def leave(self, heirs: bool) -> None:
        """The dispatcher leaves.  ``heirs``: whether a process of the backend's may start the next one."""

    def abandon(self) -> None:
        """The state directory is gone: nobody can ever have these results."""
