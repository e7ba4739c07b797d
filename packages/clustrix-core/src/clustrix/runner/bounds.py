"""What the system allows a process: resource limits, niceness, cores, modes of new files.  A job gets what its submitter had.

A child inherits all of it from its parent, and jobs come from a warm parent that some other session may have started.
"""

from __future__ import annotations

import json
import os
import resource
from contextlib import suppress
from typing import Any

_LIMITS = {
    name: number
    for name in sorted(vars(resource))
    if name.startswith("RLIMIT_") and isinstance(number := getattr(resource, name), int)
}
_CHOKING = ("RLIMIT_AS", "RLIMIT_CPU", "RLIMIT_DATA", "RLIMIT_FSIZE", "RLIMIT_NOFILE")
"""A low one of these can end a dispatcher, or keep it from writing, or from hearing its clients."""

_latest: tuple[dict[str, Any], str] = ({}, "")


def mine() -> dict[str, Any]:
    """Those of this process, for JSON."""
    found: dict[str, Any] = {
        "limits": {name: resource.getrlimit(number) for name, number in _LIMITS.items()},
        "nice": os.getpriority(os.PRIO_PROCESS, 0),
        "umask": _umask(),
    }
    if hasattr(os, "sched_getaffinity"):
        found["cores"] = sorted(os.sched_getaffinity(0))
    return found


def _umask() -> int:
    try:
        status = os.open("/proc/self/status", os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:  # not Linux: for a moment, other threads' files are private
        mask = os.umask(0o077)
        os.umask(mask)
        return mask
    try:
        return int(os.read(status, 128).partition(b"Umask:")[2].split(None, 1)[0], 8)
    finally:
        os.close(status)


def text() -> str:
    """The same as a text: equal bounds have equal texts."""
    global _latest
    found, latest = mine(), _latest
    if found != latest[0]:
        latest = _latest = found, json.dumps(found, separators=(",", ":"))
    return latest[1]


def put_on(bounds: dict[str, Any]) -> None:
    """Give this process the bounds of another, as far as it may."""
    for name, (soft, hard) in bounds["limits"].items():
        now = resource.getrlimit(_LIMITS[name])
        if tuple(now) == (soft, hard):
            continue
        most = hard if _within(hard, now[1]) else now[1]
        with suppress(OSError, ValueError):
            resource.setrlimit(_LIMITS[name], (soft if _within(soft, most) else most, most))
    os.umask(bounds["umask"])
    with suppress(OSError):
        if bounds["nice"] != os.getpriority(os.PRIO_PROCESS, 0):
            os.setpriority(os.PRIO_PROCESS, 0, bounds["nice"])
    if "cores" in bounds and bounds["cores"] != sorted(os.sched_getaffinity(0)):
        with suppress(OSError):
            os.sched_setaffinity(0, bounds["cores"])


def loosen() -> None:
    """Free this process from what it was born with, as far as it may: it will work for other sessions, too."""
    for name in _CHOKING:
        with suppress(OSError, ValueError):
            hard = resource.getrlimit(_LIMITS[name])[1]
            resource.setrlimit(_LIMITS[name], (hard, hard))
    if hasattr(os, "sched_setaffinity"):
        with suppress(OSError):
            os.sched_setaffinity(0, range(os.cpu_count() or 1))


def tighter(theirs: dict[str, Any], ours: dict[str, Any]) -> bool:
    """Whether a dispatcher with their bounds would hold up a session with ours."""
    return theirs["nice"] > ours["nice"] or any(
        not _within(limit[1], theirs["limits"][name][1]) for name, limit in ours["limits"].items()
    )


def _within(limit: int, most: int) -> bool:
    return most == resource.RLIM_INFINITY or (limit != resource.RLIM_INFINITY and limit <= most)
