"""What this machine has, and whether a job fits beside those that run."""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from typing import NamedTuple

from clustrix.config import format_bytes
from clustrix.journal import JobRecord


def machine_cores() -> int:
    """Cores that this process may use, as its affinity and its control group's quota allow."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1)
    with suppress(OSError, ValueError), open("/sys/fs/cgroup/cpu.max") as file:
        quota, period = file.read().split()
        if quota != "max":
            cores = min(cores, max(1, int(quota) // int(period)))
    return cores


def machine_bytes() -> int:
    """Memory of this machine, or of the control group that confines us, in bytes."""
    size = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for path in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        with suppress(OSError, ValueError), open(path) as file:
            text = file.read().strip()
            if text != "max":
                size = min(size, int(text))
    return size


_ROOM_BYTES = 128 << 10
"""What a small job and its result take at the most."""


def has_room(folder: str) -> bool:
    """Whether a disk takes another job, by trial where that can be had: a quota is seen in no other way."""
    try:
        if not hasattr(os, "posix_fallocate"):
            disk = os.statvfs(folder)
            return disk.f_bavail * disk.f_frsize >= _ROOM_BYTES
        with tempfile.TemporaryFile(dir=folder) as file:
            os.posix_fallocate(file.fileno(), 0, _ROOM_BYTES)
    except OSError:
        return False
    return True


class Need(NamedTuple):
    """What one call (one worker of a map) occupies."""

    cores: int
    memory: int

    def plus(self, other: Need, times: int = 1) -> Need:
        """This, and ``times`` the other."""
        return Need(self.cores + times * other.cores, self.memory + times * other.memory)


class Capacity(NamedTuple):
    """What this machine has in all."""

    cores: int
    memory: int

    def need(self, record: JobRecord) -> Need:
        """What a job occupies here: what it asks for, but no more than there is."""
        return Need(min(record.cores, self.cores), min(record.memory_bytes or 0, self.memory))

    def fits(self, need: Need, used: Need) -> int:
        """How many times ``need`` fits beside what is used."""
        times = (self.cores - used.cores) // need.cores
        if need.memory:
            times = min(times, (self.memory - used.memory) // need.memory)
        return max(0, times)

    def shortage(self, need: Need, used: Need, ahead: int) -> str:
        """Why a job waits."""
        reasons = []
        if need.cores > self.cores - used.cores:
            free = max(0, self.cores - used.cores)
            wanted = f"{need.cores} cores" if need.cores > 1 else "a core"
            reasons.append(f"waits for {wanted}; {free} of {self.cores} are free")
        if need.memory > self.memory - used.memory:
            free_bytes = format_bytes(max(0, self.memory - used.memory))
            reasons.append(
                f"waits for {format_bytes(need.memory)} of memory; {free_bytes} of {format_bytes(self.memory)} are free"
            )
        if ahead:
            reasons.append(f"{ahead} jobs are ahead of it" if ahead > 1 else "one job is ahead of it")
        return "; ".join(reasons) or "about to start"
