"""The state directory and the journal."""

from __future__ import annotations

import errno

from clustrix.errors.root import ClustrixError


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
