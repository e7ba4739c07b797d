"""The exclusive claim that makes one run of one submission.

A claim is a file that says who holds it.  It comes into being in one step with its content, and only if it is not there yet:
with the folder that it is in (``clustrix.runner.folders``), or by ``take``.  It stays when its holder dies.
"""

from __future__ import annotations

import os
import time
from typing import NamedTuple

from clustrix.runner import layout, processes, whole

_BYTES = 128
"""Of each, since one is written over an older one."""


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


NOBODY = Holder(0, "", "-", 0.0)
"""Of a claim that only keeps others away, or whose name the disk has lost in a power failure."""


def myself() -> Holder:
    """This process, as a claim names it."""
    pid = os.getpid()
    process = processes.lookup(pid)
    return Holder(pid, process.start if process else "", processes.boot_id(), time.monotonic())


def encoded(holder: Holder) -> bytes:
    """The content of a claim."""
    return "|".join(map(str, holder)).encode().ljust(_BYTES)


def take(folder: str, holder: Holder) -> bool:
    """Put a claim into a folder that is there; False if somebody holds one.  Raises OSError."""
    return whole.create(os.path.join(folder, layout.CLAIM), [encoded(holder)], "claim", sync=True)


def read(path: str) -> Holder | None:
    """Who holds the claim ``path``, or None when nobody does."""
    try:
        with open(path, "rb") as file:
            text = file.read().decode("ascii", "replace")
    except FileNotFoundError:
        return None
    try:
        pid, start, boot, since = text.split("|")
        return Holder(int(pid), start, boot, float(since))
    except ValueError:
        return NOBODY
