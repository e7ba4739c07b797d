"""Named points at which a test can have this process killed.

``CLUSTRIX_FAULT="point@/some/flag"`` (several separated by commas) kills the process with SIGKILL the
first time it passes ``point`` and can create the flag file; ``point:3@/some/flag`` waits for the third
passage in this process.  The flag makes a fault happen once, however many processes pass the point.
Without the variable a point costs one dictionary look-up.
"""

from __future__ import annotations

import os
import signal

VARIABLE = "CLUSTRIX_FAULT"

_passed: dict[str, int] = {}


def point(name: str) -> None:
    """Die here if the environment says so, else return at once."""
    if VARIABLE not in os.environ:
        return
    for order in os.environ[VARIABLE].split(","):
        where, _, flag = order.partition("@")
        where, _, nth = where.partition(":")
        if where != name or not flag:
            continue
        _passed[name] = _passed.get(name, 0) + 1
        if _passed[name] < int(nth or 1):
            continue
        try:
            os.close(os.open(flag, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        except FileExistsError:
            continue
        os.kill(os.getpid(), signal.SIGKILL)
