"""Daemons by their pid files."""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from pathlib import Path


def read_pid(path: Path) -> int | None:
    """The process that a pid file names, if it lives."""
    try:
        pid = int(path.read_text().strip() or 0)
    except (FileNotFoundError, ValueError):
        return None
    return pid if pid and lives(pid) else None


def lives(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def end(path: Path, seconds: float = 10.0, number: int = signal.SIGTERM) -> None:
    """End the daemon of a pid file, and wait for it."""
    pid = read_pid(path)
    if pid is None:
        return
    with suppress(ProcessLookupError):
        os.kill(pid, number)
    deadline = time.monotonic() + seconds
    while lives(pid):
        if time.monotonic() > deadline:
            os.kill(pid, signal.SIGKILL)
        with suppress(ChildProcessError):
            os.waitpid(pid, os.WNOHANG)
        time.sleep(0.01)
    path.unlink(missing_ok=True)


def children(pid: int) -> list[int]:
    """Pids of all processes below one."""
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit():
            with suppress(OSError), open(f"/proc/{name}/stat") as file:
                if int(file.read().rpartition(")")[2].split()[1]) == pid:
                    found += [int(name), *children(int(name))]
    return found
