"""Every error that clustrix raises.

::

    ClustrixError
    ├── ConfigError (also ValueError)         a setting or option that cannot be
    │   ├── UnknownOption (also TypeError)    a name that nobody declared
    │   ├── UnknownBackend                    a cluster_type that nobody brings
    │   ├── KeyTaken                          the key names other work already
    │   ├── UnknownProfile (also LookupError)  a profile that no file has
    │   ├── ConfigFileError                   a configuration file that cannot be used
    │   │   └── ConfigFileUnsafe              somebody else could have written it
    │   ├── SecretUnavailable                 a password or token that cannot be had
    │   └── ResourcesUnavailable              local_strict: more than this machine has
    ├── PluginError                           something that is installed beside the core cannot be used
    │   └── PluginConflict                    two plugins bring the same thing
    ├── BundleError (also TypeError, pickle.PicklingError)  the function or an argument cannot be sent
    ├── JournalError                          the state directory or the journal cannot be used
    │   ├── JournalUnusable                   read-only, somebody else's, vanished
    │   ├── JournalFull                       no room left on the disk
    │   ├── JournalDamaged                    not a journal, or a broken one
    │   └── JournalTooNew                     written by a newer clustrix
    ├── NestedTooDeep (also RecursionError)   jobs that submit jobs that submit jobs, without end
    ├── WaitsForItself (also RecursionError)  a call that is recognised as the job in which it is made
    ├── DispatcherError                       the background process cannot be started
    ├── BackendError                          what a backend has to say
    │   ├── HostUnreachable                   nothing can be known of it at the moment
    │   └── SubmissionRefused                 it does not take this job, and never will
    ├── UnknownJob (also LookupError)         no such id in the journal
    ├── ProgramFailed                         a program that ran as a job ended with another exit code than 0
    └── JobError                              a job did not come to a result
        ├── RemoteError                       its exception cannot be rebuilt here
        ├── ResultError                       its result cannot be had
        │   ├── ResultUnpicklable (also pickle.PicklingError)  it cannot be sent
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

from collections.abc import Iterable

from clustrix.errors.config import (
    ConfigError,
    ConfigFileError,
    ConfigFileUnsafe,
    KeyTaken,
    ResourcesUnavailable,
    SecretUnavailable,
    UnknownBackend,
    UnknownOption,
    UnknownProfile,
)
from clustrix.errors.root import (
    BackendError,
    BundleError,
    ClustrixError,
    DispatcherError,
    HostUnreachable,
    NestedTooDeep,
    PluginConflict,
    PluginError,
    ProgramFailed,
    SubmissionRefused,
    UnknownJob,
    WaitsForItself,
)
from clustrix.errors.storage import (
    JournalDamaged,
    JournalError,
    JournalFull,
    JournalTooNew,
    JournalUnusable,
    storage_error,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from clustrix.errors.jobs import (
        JOB_ERRORS,
        JobCancelled,
        JobCrashed,
        JobError,
        JobExited,
        JobInterrupted,
        JobKilled,
        JobLost,
        JobNotStarted,
        MemoryLimitExceeded,
        RemoteError,
        ResultDamaged,
        ResultError,
        ResultNotStored,
        ResultUnpicklable,
        TimeLimitExceeded,
    )

__all__ = [
    "JOB_ERRORS",
    "BackendError",
    "BundleError",
    "ClustrixError",
    "ConfigError",
    "ConfigFileError",
    "ConfigFileUnsafe",
    "DispatcherError",
    "HostUnreachable",
    "JobCancelled",
    "JobCrashed",
    "JobError",
    "JobExited",
    "JobInterrupted",
    "JobKilled",
    "JobLost",
    "JobNotStarted",
    "JournalDamaged",
    "JournalError",
    "JournalFull",
    "JournalTooNew",
    "JournalUnusable",
    "KeyTaken",
    "MemoryLimitExceeded",
    "NestedTooDeep",
    "PluginConflict",
    "PluginError",
    "ProgramFailed",
    "RemoteError",
    "ResourcesUnavailable",
    "ResultDamaged",
    "ResultError",
    "ResultNotStored",
    "ResultUnpicklable",
    "SecretUnavailable",
    "SubmissionRefused",
    "TimeLimitExceeded",
    "UnknownBackend",
    "UnknownJob",
    "UnknownOption",
    "UnknownProfile",
    "WaitsForItself",
    "storage_error",
]

_OF_JOBS = frozenset(__all__) - globals().keys()
"""Loaded when one is asked for: one of them is an error of ``concurrent.futures`` too, which nobody needs to configure anything."""


def __getattr__(name: str) -> object:
    if name not in _OF_JOBS:
        raise AttributeError(f"module 'clustrix.errors' has no attribute {name!r}")
    from clustrix.errors import jobs

    for one in _OF_JOBS:
        globals()[one] = getattr(jobs, one)
    _rename(_OF_JOBS)
    found: object = globals()[name]
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def _rename(names: Iterable[str]) -> None:
    """Where users import them from, and tracebacks name them."""
    for name in names:
        if isinstance(globals()[name], type):
            globals()[name].__module__ = __name__


_rename(name for name in __all__ if name not in _OF_JOBS)
