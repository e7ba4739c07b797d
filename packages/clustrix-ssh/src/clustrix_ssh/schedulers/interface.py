"""The interface of one batch system.

All methods are pure: they make commands and texts, and read what came of them.  They wait for nothing and keep nothing.  One call
serves many jobs, since a scheduler is asked once, not once a job.

Handles are what the scheduler calls a job: ``"4711"``, and of an element of an array ``"4711_3"`` whatever the scheduler itself writes for it
(``4711[3].pbs`` or ``4711.3``), so that nobody else has to know.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Any, ClassVar, NamedTuple


class Need(NamedTuple):
    """What one submission asks for."""

    name: str
    """What the scheduler shows, and by which the submission is found again: letters, digits, ``-`` and ``_``, at most 60."""
    cores: int
    memory_bytes: int | None
    """Of one element; None: nothing is asked for."""
    time_s: float | None
    """Wall-clock time of one element; None: nothing is asked for."""
    elements: int = 1
    """More than 1: an array with indices from 0 (from 1 where the scheduler cannot count from 0; see ``Scheduler.first_index``)."""
    output: str = "/dev/null"
    """Where the scheduler puts what the script prints, a path on the far side; of an array one file for all elements is fine."""
    settings: Mapping[str, Any] = {}
    """The values of the fields that ``clustrix_ssh.fields`` declares for the job."""


class Command(NamedTuple):
    """What to run there.  No shell: ``argv`` is passed on as it is."""

    argv: tuple[str, ...]
    stdin: bytes = b""
    login: bool = False
    """Whether it needs what a login shell sets, beyond the path."""


class Answer(NamedTuple):
    """What came of a command."""

    status: int
    """Exit status; 127: there is no such program."""
    stdout: str
    stderr: str


class Unavailable(Exception):
    """The scheduler cannot be asked at the moment; the text is its own.  Nothing is known, and nothing may be concluded."""


class Full(Unavailable):
    """The site allows no more jobs of this user at the moment; later it will."""


class Refused(Exception):
    """The scheduler does not take this, and never will; the text is its own, in one line."""


class State(str, Enum):
    """Where a job or an element is, in words common to all schedulers."""

    QUEUED = "QUEUED"
    """It waits; also held, suspended before its start, or requeued."""
    RUNNING = "RUNNING"
    """It has been started, and has not ended; also while it completes, or is suspended."""
    ENDED = "ENDED"
    """It is over, whatever way; ``End`` has what is known."""


class Cause(str, Enum):
    """Why something ended, as far as the scheduler's word goes."""

    FINISHED = "FINISHED"
    """With exit status 0."""
    EXITED = "EXITED"
    """With another one, or by a signal from inside."""
    MEMORY = "MEMORY"
    TIME = "TIME"
    CANCELLED = "CANCELLED"
    NODE = "NODE"
    """Its node failed or was taken away."""
    PREEMPTED = "PREEMPTED"
    REFUSED = "REFUSED"
    """It never began: the scheduler could not start it."""
    UNKNOWN = "UNKNOWN"


class Seen(NamedTuple):
    """What the queue says of one job or element."""

    state: State
    reason: str = ""
    """In the scheduler's own words where it waits: "Priority", "ReqNodeNotAvail, UnavailableNodes:n3", "job_state Eqw"."""
    hint: str = ""
    """Ours beside them, where they need it: what it means and what to do, one sentence."""
    start: float | None = None
    """When the scheduler expects to start it, seconds since the epoch."""


YOU = "you"
"""The user whose job it was."""


class End(NamedTuple):
    """What is known of the end of one job or element."""

    cause: Cause
    exit_status: int | None = None
    signal: int | None = None
    peak_bytes: int | None = None
    node: str = ""
    who: str = ""
    """Who cancelled it, where that is known: a user name or number, or ``YOU``."""
    evidence: str = ""
    """The scheduler's own words, in one line: "sacct: State OUT_OF_MEMORY, ExitCode 0:125, MaxRSS 8.1 GiB"."""


class Requeue(NamedTuple):
    """How a job has itself queued again."""

    command: str
    """For the shell, in the job's own environment; empty if there is none to run."""
    status: int
    """What the job exits with then."""


class Queue(NamedTuple):
    """A queue or partition, for people."""

    name: str
    default: bool = False
    time_s: float | None = None
    """The longest time; None: no limit is known."""
    nodes: int | None = None
    cores: int | None = None
    """Of its largest node."""
    memory_bytes: int | None = None
    """Of its largest node."""
    state: str = ""


class Scheduler:
    """One batch system.  Methods in the order of their use."""

    name: ClassVar[str] = ""
    """As in ``cluster_type``."""
    title: ClassVar[str] = ""
    login: ClassVar[bool] = False
    """Whether a submission needs what a login shell sets (``SGE_ROOT``), beyond the path."""
    dialects: ClassVar[bool] = False
    """Whether its version has to be known before anything else is asked; see ``of_version``."""
    first_index: ClassVar[int] = 0
    """The index of an array's first element."""
    index_variable: ClassVar[str] = ""
    """The environment variable with an element's index."""
    cleared_variables: ClassVar[tuple[str, ...]] = ()
    """Prefixes of environment variables that a submission must not inherit from a job that it is made in."""
    kept_variables: ClassVar[tuple[str, ...]] = ()
    """Those it keeps all the same."""

    def version(self) -> Command:
        """Asks which version there is."""
        raise NotImplementedError

    def read_version(self, answer: Answer) -> str:
        """ "slurm 22.05.8".  Raises Unavailable when there is no such scheduler there, with a sentence."""
        raise NotImplementedError

    def of_version(self, version: str) -> Scheduler:
        """What speaks to that version."""
        return self

    def script(self, need: Need, lines: Sequence[str]) -> str:
        """The whole script: interpreter line, directives, then ``lines`` (shell commands, quoted already).

        Raises Refused for a setting that cannot be passed on, naming it.
        """
        raise NotImplementedError

    def submit_command(self) -> tuple[str, ...]:
        """Submits the script that comes through standard input; all that it asks for is in the script's directives."""
        raise NotImplementedError

    def read_submitted(self, answer: Answer) -> str:
        """The job's number, found also in noisy answers of site wrappers.

        Raises Refused or Unavailable, told apart by exit status and text; a time-out of the scheduler is Unavailable.
        """
        raise NotImplementedError

    def find(self, user: str, names: Sequence[str]) -> Command:
        """Asks for submissions by their names: those that wait, run, or have ended lately (where that can be asked)."""
        raise NotImplementedError

    def read_found(self, answer: Answer, names: Sequence[str]) -> dict[str, str]:
        """Numbers by name.  Raises Unavailable."""
        raise NotImplementedError

    def look(self, user: str, numbers: Sequence[str]) -> Command:
        """One question for all jobs of ours.  ``numbers``: those that are awaited; it may answer for more."""
        raise NotImplementedError

    def read_look(self, answer: Answer) -> dict[str, Seen]:
        """By handle; every waiting element of an array is listed by itself, ranges are taken apart.

        Who is not in it is not in the queue any more.  Raises Unavailable; an answer that is empty though the command failed is no answer.
        """
        raise NotImplementedError

    def explain(self, number: str) -> Command | None:
        """Asks why one job waits, where ``look`` does not tell; None if it does."""
        return None

    def read_explained(self, answer: Answer) -> str:
        """The scheduler's words; empty if it has none."""
        return ""

    def past(self, numbers: Sequence[str]) -> Sequence[Command]:
        """Asks accounting, or job history, for what has left the queue.

        Several commands are tried in order until one answers for each number: where accounting is off, the next best is asked.
        """
        raise NotImplementedError

    def read_past(self, answer: Answer) -> dict[str, End | None]:
        """By handle; None for one that accounting shows as not ended yet.  Raises Unavailable when accounting is off or down."""
        raise NotImplementedError

    def cancel(self, handles: Sequence[str]) -> Sequence[Command]:
        """Ends jobs or elements, whether they wait or run; as few commands as there may be."""
        raise NotImplementedError

    def check_cancelled(self, answer: Answer) -> None:
        """Raises Unavailable when it was not heard; that a job is not known any more is no error."""
        raise NotImplementedError

    def notice_s(self, settings: Mapping[str, Any], time_s: float | None) -> float:
        """How long before the end of its time a job gets a signal that the user has asked for, in seconds; 0 if none was."""
        return 0.0

    def requeue(self) -> Requeue | None:
        """How a job has itself queued again from within; None if it cannot."""
        return None

    def limits(self) -> Command:
        """Asks what the site allows."""
        raise NotImplementedError

    def read_limits(self, answer: Answer) -> int | None:
        """The most elements of one array; None: not known, or no limit."""
        raise NotImplementedError

    def queues(self) -> Sequence[Command]:
        """Asks for queues with their limits, for people."""
        return ()

    def read_queues(self, answers: Sequence[Answer]) -> list[Queue]:
        """Those that can be used.  Raises Unavailable."""
        return []
