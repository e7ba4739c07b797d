"""Every error that clustrix raises.

::

    ClustrixError
    ├── ConfigError (also ValueError)         a setting or option that cannot be
    │   ├── UnknownOption (also TypeError)    a name that nobody declared
    │   ├── UnknownProfile (also LookupError)  a profile that no file has
    │   ├── ConfigFileError                   a configuration file that cannot be used
    │   │   └── ConfigFileUnsafe              somebody else could have written it
    │   ├── SecretUnavailable                 a password or token that cannot be had
    │   └── ResourcesUnavailable              local_strict: more than this machine has
    ├── BundleError (also TypeError)          the function or an argument cannot be sent
    ├── JournalError                          the state directory or the journal cannot be used
    │   ├── JournalUnusable                   read-only, somebody else's, vanished
    │   ├── JournalFull                       no room left on the disk
    │   ├── JournalDamaged                    not a journal, or a broken one
    │   └── JournalTooNew                     written by a newer clustrix
    ├── DispatcherError                       the background process cannot be started
    ├── UnknownJob (also LookupError)         no such id in the journal
    └── JobError                              a job did not come to a result
        ├── RemoteError                       its exception cannot be rebuilt here
        ├── ResultError                       its result cannot be had
        │   ├── ResultUnpicklable             it cannot be sent
        │   ├── ResultDamaged                 it is not what was written
        │   └── ResultNotStored               it could not be written
        ├── JobNotStarted                     it could not be set up
        ├── JobExited                         it left by SystemExit or os._exit
        ├── JobInterrupted                    it raised KeyboardInterrupt
        ├── JobCrashed                        a signal that it caused itself ended it (segmentation fault, …)
        ├── JobKilled                         somebody else's signal ended it
        ├── TimeLimitExceeded                 it took longer than its time limit
        ├── MemoryLimitExceeded               it took more memory than it asked for
        ├── JobCancelled (also concurrent.futures.CancelledError)
        └── JobLost                           nobody can tell what became of it

An exception that the user's own function raises is none of these: it comes back with its own type.
"""

from __future__ import annotations

import errno
import signal
from concurrent.futures import CancelledError
from typing import Any

_TAIL_LINES = 12
_SHOWN_CHARACTERS = 200
"""Of a bad value, in a message."""


class ClustrixError(Exception):
    """The root of the tree."""


class ConfigError(ClustrixError, ValueError):
    """A setting or option with a value that cannot be.

    ``field``, ``value``: what was given; ``allowed``: what may be given; ``example``: one that works; ``origin``: where it
    was given, as ``clustrix.yml:3``; empty for a call.
    """

    def __init__(self, field: str, value: Any, allowed: str, example: str = "", origin: str = "") -> None:
        super().__init__(field, value, allowed, example, origin)
        self.field = field
        self.value = value
        self.allowed = allowed
        self.example = example
        self.origin = origin

    def __str__(self) -> str:
        example = f" Example: {self.example}." if self.example else ""
        return f"{self._place()}{self.field}={_shown(self.value)}: {self.allowed}.{example}"

    def _place(self) -> str:
        return f"{self.origin}: " if self.origin else ""


def _shown(value: Any) -> str:
    try:
        text = repr(value)
    except Exception:  # an int of more than 4,300 digits, or whatever a class's own __repr__ raises
        return f"<{type(value).__name__}>"
    return text if len(text) <= _SHOWN_CHARACTERS else text[:_SHOWN_CHARACTERS] + "…"


class UnknownOption(ConfigError, TypeError):
    """An option or setting of a name that nobody declared."""

    def __str__(self) -> str:
        return f"{self._place()}unknown option {self.field!r}; {self.allowed}"


class UnknownProfile(ConfigError, LookupError):
    """A profile of a name that no file has.  ``value`` is the name, ``allowed`` says which are near, or which there are."""

    def __str__(self) -> str:
        return f"{self._place()}no profile {_shown(self.value)}; {self.allowed}"


class ConfigFileError(ConfigError):
    """A configuration file cannot be used.

    ``path``: which; ``problem``: what is the matter; ``advice``: what to do; ``line``, ``column``: where, from 1 on, 0 for unknown.
    """

    def __init__(self, path: str, problem: str, advice: str = "", line: int = 0, column: int = 0) -> None:
        super().__init__("file", path, problem)
        self.args = (path, problem, advice, line, column)
        self.path = path
        self.problem = problem
        self.advice = advice
        self.line = line
        self.column = column
        self.origin = path + (f":{line}" if line else "") + (f":{column}" if line and column else "")

    def __str__(self) -> str:
        return f"{self.origin}: {self.problem}." + (f" {self.advice}" if self.advice else "")


class ConfigFileUnsafe(ConfigFileError):
    """A configuration file that another user of this machine could have written; nothing of it is used."""


class SecretUnavailable(ConfigError):
    """A password or token cannot be had.  ``field``: its name; ``allowed``: what was tried, and what to do.  It never holds the secret."""

    def __str__(self) -> str:
        return f"{self._place()}{self.field}: {self.allowed}"


class ResourcesUnavailable(ConfigError):
    """With ``local_strict=True``: the job asks for more than this machine has."""


class BundleError(ClustrixError, TypeError):
    """The function, or one of its arguments, cannot be sent.

    ``path`` leads to the part that refuses, ``reason`` is what it said.
    """

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(path, reason)
        self.path = path
        self.reason = reason

    def __str__(self) -> str:
        return f"cannot be sent to a job: {self.path}: {self.reason}"


class JournalError(ClustrixError):
    """The state directory or the journal cannot be used.  ``path``: which; ``advice``: what to do."""

    def __init__(self, path: str, problem: str, advice: str = "") -> None:
        super().__init__(path, problem, advice)
        self.path = path
        self.problem = problem
        self.advice = advice

    def __str__(self) -> str:
        return f"{self.path}: {self.problem}." + (f" {self.advice}" if self.advice else "")


class JournalUnusable(JournalError):
    """The state directory is read-only, belongs to somebody else, or is gone."""


class JournalFull(JournalError):
    """No room is left where the journal is; what was committed before is intact."""


def storage_error(path: str, error: OSError) -> JournalFull | JournalUnusable:
    """What an operating system's error means for the state directory."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        advice = "Nothing was submitted. Free some space, or set XDG_STATE_HOME to a folder with room"
        return JournalFull(path, "no space is left on the disk", advice + " for it.")
    return JournalUnusable(path, f"cannot be written ({error.strerror})", "Nothing was submitted.")


class JournalDamaged(JournalError):
    """The file is not a journal, or its content is broken."""


class JournalTooNew(JournalError):
    """A newer clustrix has written this journal."""


class DispatcherError(ClustrixError):
    """The background process that moves jobs could not be started; submitted jobs stay in the journal."""


class UnknownJob(ClustrixError, LookupError):
    """There is no job with this id in the journal.  ``nearest``: ids that look like it."""

    def __init__(self, job: str, journal: str, nearest: tuple[str, ...] = ()) -> None:
        super().__init__(job, journal, nearest)
        self.job = job
        self.journal = journal
        self.nearest = nearest

    def __str__(self) -> str:
        nearest = f" Nearest: {', '.join(self.nearest)}." if self.nearest else ""
        return f"no job {self.job!r} in {self.journal}.{nearest}"


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


class ResultUnpicklable(ResultError):
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


CRASH_SIGNALS = frozenset(
    {
        signal.SIGSEGV,
        signal.SIGBUS,
        signal.SIGFPE,
        signal.SIGILL,
        signal.SIGABRT,
        signal.SIGTRAP,
        signal.SIGSYS,
    }
)

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
