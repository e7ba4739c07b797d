"""The exclusive claim that makes one run of one submission.

A claim is a symbolic link whose target says who holds it: made in one step, with its content, and only if
it is not there yet.  It stays when its holder dies.
"""

from __future__ import annotations

import os
import time
from typing import NamedTuple

from clustrix.runner import processes


class Holder(NamedTuple):
    """Who holds a claim."""

    pid: int
    start: str
    boot: str
    since: float
    """Monotonic time of the claim, in seconds since that boot."""

    def lives(self) -> bool:
        """Whether that process still runs, on this boot of this machine."""
        return self.boot == processes.boot_id() and processes.alive(self.pid, self.start)

    def rebooted(self) -> bool:
        """Whether the machine has been started anew since the claim."""
        return self.boot != processes.boot_id()


def myself() -> Holder:
    """This process, as a claim names it."""
    pid = os.getpid()
    process = processes.lookup(pid)
    return Holder(pid, process.start if process else "", processes.boot_id(), time.monotonic())


def take(path: str) -> bool:
    """Claim ``path`` for this process; False when somebody was first."""
    holder = myself()
    try:
        os.symlink("|".join(map(str, holder)), path)
    except FileExistsError:
        return False
    return True


def read(path: str) -> Holder | None:
    """Who holds ``path``, or None when nobody does."""
    try:
        pid, start, boot, since = os.readlink(path).split("|")
    except FileNotFoundError:
        return None
    return Holder(int(pid), start, boot, float(since))
