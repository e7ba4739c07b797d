"""What ``clustrix doctor`` finds: one thing that was looked at, and whether it is well."""

from __future__ import annotations

from typing import Any, NamedTuple

OK = "ok"
WARNING = "warning"
FAILED = "failed"


class Check(NamedTuple):
    """One thing."""

    what: str
    """A word or three: what was looked at."""
    state: str
    """``OK``; ``WARNING``: it works, but not as well as it could; ``FAILED``: something will not work."""
    found: str
    """What was seen, in a line."""
    advice: str = ""
    """What to do, where there is something to do."""


class Suggestion(NamedTuple):
    """A value that an assistant has found for a setting."""

    field: str
    value: Any
    """None: none, so that what holds elsewhere does."""


def ok(what: str, found: str) -> Check:
    return Check(what, OK, found)


def warning(what: str, found: str, advice: str) -> Check:
    return Check(what, WARNING, found, advice)


def failed(what: str, found: str, advice: str) -> Check:
    return Check(what, FAILED, found, advice)
