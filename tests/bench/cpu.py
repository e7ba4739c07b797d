"""How much processor time a round trip takes, and in which process: what is short where there are as many of them as cores.

Linux only: the kernel counts what a process, and the children that it has reaped, have used.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

from tests.bench.state import dispatcher, fresh_state
from tests.bench.work import echo

_TRIPS = 1_000
_WARM_UP = 100
_FORKS = """
import gc, os, resource, time
from statistics import median
gc.collect()
gc.freeze()
gc.disable()

def fork():
    began = time.perf_counter()
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    forked = time.perf_counter() - began
    _, _, used = os.wait4(pid, 0)
    return forked * 1e3, (time.perf_counter() - began) * 1e3, used.ru_minflt

rows = zip(*[fork() for _ in range(300)])
memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
print(*map(median, rows), memory)
"""
_TICK_SECONDS = 1 / os.sysconf("SC_CLK_TCK")


def main() -> None:
    """A line for each process: milliseconds of a processor for a round trip."""
    with fresh_state() as home:
        os.environ["XDG_STATE_HOME"] = str(home)
        _trips(_WARM_UP)
        before, began = _used(home), time.perf_counter()
        _trips(_TRIPS)
        wall, after = time.perf_counter() - began, _used(home)
    rows = {name: (after[name] - before[name]) / _TRIPS * 1e3 for name in before}
    for name, milliseconds in rows.items():
        print(f"{milliseconds:8.2f} ms  {name}")
    print(
        f"{sum(rows.values()):8.2f} ms  all of them, of {os.cpu_count()} cores for {wall / _TRIPS * 1e3:.2f} ms"
    )
    for who, first in (
        ("an empty Python", ""),
        ("a warm parent", "import clustrix.runner.warm, clustrix.decorator\n"),
    ):
        command = [sys.executable, "-c", first + _FORKS]
        text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        forked, ended, faults, memory = map(float, text.split())
        print(
            f"{ended:8.2f} ms  {who} of {memory:.0f} MB forks ({forked:.2f} ms) and sees the end of a child that does nothing, with {faults:.0f} page faults"
        )


def _trips(count: int) -> None:
    for number in range(count):
        assert echo(number) == number


def _used(home: Path) -> dict[str, float]:
    """Seconds, by process."""
    served = dispatcher(home)
    assert served is not None
    warm = int(Path(f"/proc/{served}/task/{served}/children").read_text().split()[0])
    mine = os.times()
    return {
        "the submitter": mine.user + mine.system,
        "the dispatcher": sum(_ticks(served)[:2]) * _TICK_SECONDS,
        "the warm parent": sum(_ticks(warm)[:2]) * _TICK_SECONDS,
        "the runners": sum(_ticks(warm)[2:]) * _TICK_SECONDS,
    }


def _ticks(pid: int) -> list[int]:
    """User and system time, its own and that of its children."""
    return [int(text) for text in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:15]]


if __name__ == "__main__":
    main()
