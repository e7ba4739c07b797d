"""Jobs that did not come to a result."""

from __future__ import annotations

from _pickle import PicklingError  # what pickle has; pickle itself takes 2 ms more
from concurrent.futures import CancelledError
from typing import Any

from clustrix.errors.root import ClustrixError

_TAIL_LINES = 12


class JobError(ClustrixError):
    """A job did not come to a result.

    ``job``: its id; ``name``: the function; ``item``: which item of a map, or None; ``place``: where it ran;
    ``cause``: what happened; ``advice``: what to do; ``stderr``: the end of what it wrote there.
    """

    def __init__(
        self,
        job: str,
        name: str,
        cause: str,
        *,
        place: str = "local",
        item: int | None = None,
        advice: str = "",
        stderr: str = "",
        details: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(job, name, cause)
        self.job = job
        self.name = name
        self.cause = cause
        self.place = place
        self.item = item
        self.advice = advice
        self.stderr = stderr
        self.details = details or {}

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild_job_error, (type(self), dict(vars(self)))

    def __str__(self) -> str:
        item = "" if self.item is None else f", item {self.item}"
        text = f"job {self.job} ({self.name}{item}) on {self.place}: {self.cause}."
        if self.advice:
            text += f" {self.advice}"
        if self.stderr.strip():
            lines = self.stderr.rstrip().splitlines()[-_TAIL_LINES:]
            text += "\n  the end of its stderr:\n" + "\n".join(f"  | {line}" for line in lines)
        return text


def _rebuild_job_error(cls: type[JobError], state: dict[str, Any]) -> JobError:
    error = cls(state["job"], state["name"], state["cause"])
    vars(error).update(state)
    return error


class RemoteError(JobError):
    """The job raised an exception that cannot be rebuilt here.

    ``type_name``, ``message``, ``traceback_text`` say what it was.
    """

    @property
    def type_name(self) -> str:
        return str(self.details.get("type", ""))

    @property
    def message(self) -> str:
        return str(self.details.get("message", ""))

    @property
    def traceback_text(self) -> str:
        return str(self.details.get("traceback", ""))


class ResultError(JobError):
    """The job's result cannot be had."""


class ResultUnpicklable(ResultError, PicklingError):
    """The function returned something that cannot be sent; ``cause`` names the path to it."""


class ResultDamaged(ResultError):
    """What is stored is not what the job wrote; it was not unpickled."""


class ResultNotStored(ResultError):
    """The job ran, but its result could not be written."""


class JobNotStarted(JobError):
    """The job could not be set up; its function was not called."""


class JobExited(JobError):
    """The job's process ended itself, by SystemExit or os._exit; ``code`` is what it said."""

    @property
    def code(self) -> Any:
        return self.details.get("code")


class JobInterrupted(JobError):
    """The job raised KeyboardInterrupt, or got SIGINT from somebody other than clustrix."""


class _JobSignalled(JobError):
    @property
    def signal(self) -> int:
        """The number of the signal."""
        return int(self.details.get("signal", 0))


class JobCrashed(_JobSignalled):
    """A signal that the job's own code caused ended it: a segmentation fault, an abort, …"""


class JobKilled(_JobSignalled):
    """A signal from outside ended the job: somebody's kill, or the system's out-of-memory killer."""


class TimeLimitExceeded(JobError):
    """The job took longer than ``time`` allows, and was ended."""


class MemoryLimitExceeded(JobError):
    """The job and its children took more memory than ``memory`` allows, and were ended."""


class JobCancelled(JobError, CancelledError):
    """The job was cancelled."""


class JobLost(JobError):
    """The job was begun, its process is gone, and it left neither a result nor a cause."""


JOB_ERRORS: dict[str, type[JobError]] = {
    cls.__name__: cls
    for cls in (
        RemoteError,
        ResultUnpicklable,
        ResultDamaged,
        ResultNotStored,
        JobNotStarted,
        JobExited,
        JobInterrupted,
        JobCrashed,
        JobKilled,
        TimeLimitExceeded,
        MemoryLimitExceeded,
        JobCancelled,
        JobLost,
    )
}
"""By name: the journal records which one a job's failure is."""
