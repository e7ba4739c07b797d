"""The root of the tree, and what stands right below it."""

from __future__ import annotations

from _pickle import PicklingError  # what pickle has; pickle itself takes 2 ms more
from collections.abc import Sequence

_TAIL_LINES = 10


class ClustrixError(Exception):
    """The root of the tree."""


class PluginError(ClustrixError):
    """A plugin cannot be used.  ``plugin``: its distribution; ``problem``; ``advice``: what to do."""

    def __init__(self, plugin: str, problem: str, advice: str = "") -> None:
        super().__init__(plugin, problem, advice)
        self.plugin = plugin
        self.problem = problem
        self.advice = advice

    def __str__(self) -> str:
        whose = f"plugin {self.plugin}: " if self.plugin else ""
        return f"{whose}{self.problem}." + (
            f" {self.advice[0].upper()}{self.advice[1:]}." if self.advice else ""
        )


class PluginConflict(PluginError):
    """Two plugins bring something of the same kind and name; neither is chosen.  ``plugins``: their distributions."""

    def __init__(self, kind: str, name: str, plugins: tuple[str, ...]) -> None:
        whose = " and ".join(sorted(plugins))
        advice = "uninstall one, or name it in CLUSTRIX_DISABLE_PLUGINS"
        super().__init__("", f"{kind} {name!r} is brought by {whose}", advice)
        self.args = (kind, name, plugins)
        self.kind = kind
        self.name = name
        self.plugins = plugins


class BundleError(ClustrixError, TypeError, PicklingError):
    """The function, or one of its arguments, cannot be sent.

    ``path`` leads to the part that refuses, ``reason`` is what it said.
    """

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(path, reason)
        self.path = path
        self.reason = reason

    def __str__(self) -> str:
        return f"cannot be sent to a job: {self.path}: {self.reason}"


class DispatcherError(ClustrixError):
    """The background process that moves jobs could not be started; submitted jobs stay in the journal."""


class NestedTooDeep(ClustrixError, RecursionError):
    """A job was to be submitted from a job that was submitted from a job, and so on.  ``depth``: how many there are already."""

    def __init__(self, depth: int) -> None:
        super().__init__(depth)
        self.depth = depth

    def __str__(self) -> str:
        return (
            f"jobs within jobs, {self.depth} deep. A module that calls its own jobs when it is imported does this, since "
            'each job imports it: put those calls under `if __name__ == "__main__":`'
        )


class WaitsForItself(ClustrixError, RecursionError):
    """A job asks for the call that it is itself, or that one is from which it was submitted.  ``job``: that one."""

    def __init__(self, job: str) -> None:
        super().__init__(job)
        self.job = job

    def __str__(self) -> str:
        return (
            f"this is the call of job {self.job}, in which it is made: the job would wait for itself. A module that makes the call "
            'when it is imported does this, since the job imports it: put the call under `if __name__ == "__main__":`. '
            "A function that calls itself does it too: leave out reuse=True and key, or call .local(...)"
        )


class BackendError(ClustrixError):
    """What a backend has to say to the dispatcher: the text goes to the user."""


class HostUnreachable(BackendError):
    """The place cannot be asked at the moment: nothing is known, and no job's state may change for that."""

    nothing_sent = False
    """Set by who knows that a submission has not come to anything at all: such a job can be cancelled here."""


class SubmissionRefused(BackendError):
    """The place does not take this job, and never will: the text says why."""


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


class ProgramFailed(ClustrixError):
    """A program that ran as a job (``clustrix run``) has ended with something other than 0.

    ``command``; ``returncode``: its exit code, negative for the signal that has ended it; ``stderr``: the end of what it wrote there.
    """

    def __init__(self, command: Sequence[str], returncode: int, stderr: str = "") -> None:
        super().__init__(command, returncode, stderr)
        self.command = command
        self.returncode = returncode
        self.stderr = stderr

    def __str__(self) -> str:
        import shlex  # errors are imported by everybody, this one is raised in few processes

        lines = self.stderr.strip().splitlines()[-_TAIL_LINES:]
        # The last line mostly says what the matter is, and a table shows the beginning of this.
        text = self._end() + (f": {lines[-1].strip()}" if lines else "")
        tail = lines if len(lines) > 1 else []
        return "\n".join([text, f"  of `{shlex.join(self.command)}`", *(f"  | {line}" for line in tail)])

    def _end(self) -> str:
        if self.returncode >= 0:
            return f"exit code {self.returncode}"
        import signal

        try:
            name = signal.Signals(-self.returncode).name
        except ValueError:  # a real-time signal
            name = f"signal {-self.returncode}"
        return f"killed by {name}"
