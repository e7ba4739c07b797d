"""Named points at which a test can have this process killed, have a step fail, or have it take its time.

Each point stands directly before a step that a promise depends on: a write, a sync, a rename, a commit, a message, a fork, a program that
is started.  ``CLUSTRIX_FAULT="point:2=ENOSPC@/some/file,..."`` acts when the point is passed for the second time, whichever
processes pass it: each passage adds a byte to the file.  Without a number it is the first.  What is done is ``kill`` (SIGKILL to this process;
also if nothing is said), ``delay`` (two seconds), or an OSError of the name that is given.

Without the variable a point costs the call of an empty function.  This file travels in the agent, too: Python 3.6 has to understand it.
"""

import errno
import os
import signal
import time

VARIABLE = "CLUSTRIX_FAULT"
DELAY_SECONDS = 2.0


def point(name: str) -> None:
    """A test may have something happen here.  Raises OSError if it wants that."""
    if name in _ORDERS:
        _pass(name)


def _pass(name: str) -> None:
    for nth, action, path in _ORDERS[name]:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
        os.write(fd, b".")
        passed = os.lseek(fd, 0, os.SEEK_CUR)
        os.close(fd)
        if passed != nth:
            continue
        if action == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        elif action == "delay":
            time.sleep(DELAY_SECONDS)
        else:
            number = getattr(errno, action)
            raise OSError(number, os.strerror(number), name)


def _orders(text: str) -> "dict[str, list[tuple[int, str, str]]]":
    found = {}  # type: dict[str, list[tuple[int, str, str]]]
    for order in filter(None, text.split(",")):
        what, _, path = order.partition("@")
        what, _, action = what.partition("=")
        name, _, nth = what.partition(":")
        found.setdefault(name, []).append((int(nth or 1), action or "kill", path))
    return found


_ORDERS = _orders(os.environ.get(VARIABLE, ""))
"""As they were when this process began: a job's own environment has no say."""
