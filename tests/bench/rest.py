"""The dispatcher when nothing happens."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from tests.bench.row import Row
from tests.bench.state import dispatcher, here

_SECONDS = 5.0
_SETTLE_SECONDS = 2.0
_A_FEW_CALLS = "from tests.bench.work import echo; print([echo(n) for n in range(20)])"


def rest() -> list[Row]:
    # By a process that ends: what is measured has no client left.
    subprocess.run([sys.executable, "-c", _A_FEW_CALLS], check=True, stdout=subprocess.DEVNULL)
    pid = dispatcher(here())
    assert pid is not None
    time.sleep(_SETTLE_SECONDS)
    processes = [pid, *_children(pid)]
    before = [_switches(process) for process in processes]
    time.sleep(_SECONDS)
    switches = [_switches(process) - count for process, count in zip(processes, before, strict=True)]
    return [
        Row("dispatcher at rest: context switches", switches[0] / _SECONDS, "/s", 0),
        Row("  its warm parent's", sum(switches[1:]) / _SECONDS, "/s", 0),
        Row("dispatcher at rest: resident", _resident_mb(pid), "MB", 45),
        Row("  its warm parent", sum(map(_resident_mb, processes[1:])), "MB"),
    ]


def _children(pid: int) -> list[int]:
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return [int(child) for task in tasks for child in (task / "children").read_text().split()]


def _switches(pid: int) -> int:
    """Voluntary and involuntary ones of all threads."""
    return sum(_field(task / "status", "ctxt_switches") for task in Path(f"/proc/{pid}/task").iterdir())


def _resident_mb(pid: int) -> float:
    return _field(Path(f"/proc/{pid}/status"), "VmRSS:") * 1024 / 1e6


def _field(status: Path, name: str) -> int:
    return sum(
        int(line.split()[1]) for line in status.read_text().splitlines() if name in line.split()[0] + ":"
    )
