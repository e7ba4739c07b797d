"""Processes as the operating system shows them: who lives, whose child, how large, and how to end them all.

Linux answers from ``/proc``; elsewhere ``ps`` is asked (macOS has no ``/proc``).  A process is named by its pid
*and* its start time, because pids are used again.
"""

from __future__ import annotations

import ctypes
import functools
import os
import signal
import sys
import time
from contextlib import suppress
from typing import NamedTuple

HAS_PROC = os.path.exists("/proc/self/stat")
HAS_CHILDREN = os.path.exists(f"/proc/self/task/{os.getpid()}/children")
"""Whether the kernel lists the children of a process (CONFIG_PROC_CHILDREN)."""
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_PR_SET_CHILD_SUBREAPER = 36
_PR_SET_PDEATHSIG = 1
SERVICE = b"clustrix.dispatcher"
"""Stands in the command lines of dispatchers and of warm parents."""


class Process(NamedTuple):
    """One row of the process table."""

    pid: int
    parent: int
    start: str
    """When it started, in whatever unit the system counts; comparable on this boot only."""
    resident_bytes: int
    zombie: bool


@functools.cache
def boot_id() -> str:
    """Changes with every start of the machine; empty where the system does not tell."""
    try:
        with open("/proc/sys/kernel/random/boot_id") as file:
            return file.read().strip()
    except OSError:
        return ""


def _read(pid: int) -> Process | None:
    try:
        fd = os.open(f"/proc/{pid}/stat", os.O_RDONLY)
    except (
        FileNotFoundError,
        ProcessLookupError,
        PermissionError,
    ):  # the last: another user's, under hidepid
        return None
    try:
        text = os.read(fd, 4096)
    except ProcessLookupError:
        return None
    finally:
        os.close(fd)
    # The name stands in parentheses and may itself hold spaces and parentheses.
    fields = text[text.rindex(b")") + 2 :].split()
    return Process(
        pid, int(fields[1]), fields[19].decode(), int(fields[21]) * _PAGE_BYTES, fields[0] in (b"Z", b"X")
    )


def parse_ps(text: str) -> dict[int, Process]:
    """The process table from ``ps -A -o pid=,ppid=,rss=,stat=,lstart=``."""
    table = {}
    for line in text.splitlines():
        fields = line.split(None, 4)
        if len(fields) == 5:
            pid, parent, rss_kib = int(fields[0]), int(fields[1]), int(fields[2])
            table[pid] = Process(pid, parent, fields[4].strip(), rss_kib * 1024, fields[3].startswith("Z"))
    return table


def _ps() -> dict[int, Process]:
    import subprocess  # not on Linux, where every fork would pay for it

    command = ["ps", "-A", "-o", "pid=,ppid=,rss=,stat=,lstart="]
    environment = {**os.environ, "LC_ALL": "C"}
    return parse_ps(
        subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout
    )


def table() -> dict[int, Process]:
    """Every process of this machine, by pid."""
    if not HAS_PROC:
        return _ps()
    found = (_read(int(name)) for name in os.listdir("/proc") if name.isdigit())
    return {process.pid: process for process in found if process is not None}


def lookup(pid: int) -> Process | None:
    """One process, or None when there is none with that pid."""
    return _read(pid) if HAS_PROC else _ps().get(pid)


def alive(pid: int, start: str) -> bool:
    """Whether that very process, not a later one with its pid, still runs."""
    process = lookup(pid)
    return process is not None and process.start == start and not process.zombie


def descendants(root: int, zombies: bool = False) -> list[Process]:
    """All processes below ``root``, other jobs' services left out; with ``zombies`` also dead ones that wait to be reaped."""
    everything = {} if HAS_CHILDREN else table()
    own = service_line(root)
    found: list[Process] = []
    queue = [root]
    while queue:
        parent = queue.pop()
        if HAS_CHILDREN:
            below = [lookup(pid) for pid in _children_of(parent)]
        else:
            below = [process for process in everything.values() if process.parent == parent]
        there = [process for process in below if process is not None and not _apart(process.pid, own)]
        queue += (process.pid for process in there)
        found += (process for process in there if zombies or not process.zombie)
    return found


def service_line(pid: int) -> bytes:
    """The command line of a dispatcher, a warm parent or a runner; empty for any other process.

    A runner, and what it forks, has that of its warm parent.
    """
    with suppress(OSError), open(f"/proc/{pid}/cmdline", "rb") as file:
        line = file.read()
        return line if SERVICE in line else b""
    return b""


def _apart(pid: int, own: bytes) -> bool:
    line = service_line(pid) if own else b""
    return bool(line) and line != own


def others_service(pid: int) -> bool:
    """Whether this is a dispatcher, or belongs to another warm parent than this process.

    They come to be below a runner, or orphans of a warm parent, when they took the place of one that was killed.
    """
    return _apart(pid, service_line(os.getpid()))


def tree_bytes(root: int, limit: int) -> int:
    """Memory of ``root`` and all below it, in bytes.

    Resident sizes count a page once for each process that shares it.  Only when their sum is above ``limit`` is
    the costlier proportional size asked for, so that forked children sharing a large array are not punished.
    """
    processes = descendants(root)
    itself = lookup(root)
    if itself is not None:
        processes.append(itself)
    resident = sum(process.resident_bytes for process in processes)
    if resident <= limit or not HAS_PROC:
        return resident
    return sum(_proportional_bytes(process) for process in processes)


def _proportional_bytes(process: Process) -> int:
    try:
        with open(f"/proc/{process.pid}/smaps_rollup") as file:
            for line in file:
                if line.startswith("Pss:"):
                    return int(line.split()[1]) * 1024
    except (ProcessLookupError, FileNotFoundError):
        return 0
    except OSError:  # not allowed, or a kernel before 4.14
        return process.resident_bytes
    return 0


def _signal(pid: int, number: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, number)


def kill_tree(root: int, start: str, seconds: float = 5.0) -> None:
    """End ``root`` and all that descends from it, also what made a session of its own.

    The root is stopped first so that it starts nothing more, and killed last: while it lives it is the
    reaper of its orphans, and the tree stays one.
    """
    if not alive(root, start):
        return
    _signal(root, signal.SIGSTOP)
    deadline = time.monotonic() + seconds
    known: set[int] = set()
    quiet = 0
    # One that forks and exits may be seen dead while its child is not on the list yet: quiet twice is quiet.
    while quiet < 2 and time.monotonic() < deadline:
        below = descendants(root, zombies=True)
        living = [process.pid for process in below if not process.zombie]
        for pid in living:
            _signal(pid, signal.SIGKILL)
        pids = {process.pid for process in below}
        quiet = 0 if living or pids - known else quiet + 1
        known |= pids
        time.sleep(0.001)
    _signal(root, signal.SIGKILL)


def become_subreaper() -> bool:
    """Have orphaned descendants become this process's children (Linux); says whether it worked."""
    if not sys.platform.startswith("linux"):
        return False
    return bool(_libc().prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0)


def die_with_parent() -> None:
    """Have this process killed when its parent is (Linux).  Called first in a child."""
    if sys.platform.startswith("linux"):
        _libc().prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() == 1:
            os.kill(os.getpid(), signal.SIGKILL)


@functools.cache
def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def own_children() -> list[int]:
    """The pids of the children of this process, which has one thread."""
    me = os.getpid()
    if HAS_CHILDREN:
        return _listed(f"/proc/self/task/{me}/children")
    return [process.pid for process in table().values() if process.parent == me]


def _children_of(pid: int) -> list[int]:
    """What the kernel lists as the children of all threads of a process."""
    found: list[int] = []
    with suppress(ProcessLookupError, FileNotFoundError):  # it is gone
        for thread in os.listdir(f"/proc/{pid}/task"):
            found += _listed(f"/proc/{pid}/task/{thread}/children")
    return found


def _listed(path: str) -> list[int]:
    fd = os.open(path, os.O_RDONLY)
    try:
        text = b""
        while data := os.read(fd, 1 << 16):
            text += data
    finally:
        os.close(fd)
    return list(map(int, text.split()))
