"""``python -m tests.bench.steps``: where the time of a round trip goes, from one fault point to the next, over all processes.

The points stand before each step that a promise depends on; here they write down when they are passed.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections import defaultdict
from pathlib import Path
from statistics import median

_TRIPS = 400
_WARM_UP = 50
_PASSED = """
import os, time
from clustrix.runner import faults

_log = os.open({log!r}, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

def point(name):
    os.write(_log, f"{{time.perf_counter_ns()}} {{name}}\\n".encode())

faults.point = point
"""
_SESSION = """
from clustrix import cluster
from clustrix.runner import faults
from tests.bench.work import echo

for _ in range({trips}):
    faults.point("call")
    echo(1)
    faults.point("back")
"""


def trips() -> list[list[tuple[int, str]]]:
    """Of each round trip, when each point was passed, in nanoseconds."""
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder, "log")
        Path(folder, "sitecustomize.py").write_text(_PASSED.format(log=str(log)))
        environ = {**os.environ, "PYTHONPATH": f"{folder}:{os.getcwd()}", "XDG_STATE_HOME": folder}
        command = [sys.executable, "-c", _SESSION.format(trips=_TRIPS + _WARM_UP)]
        subprocess.run(command, env=environ, check=True)
        stop = [sys.executable, "-m", "clustrix", "dispatcher", "stop"]
        subprocess.run(stop, env={**environ, "PYTHONPATH": ""}, check=True, capture_output=True)
        rows = sorted((int(at), name) for at, name in map(str.split, log.read_text().splitlines()))
    found: list[list[tuple[int, str]]] = []
    for at, name in rows:
        if name == "call":
            found.append([])
        if found:
            found[-1].append((at, name))
    return found[_WARM_UP:]


def main() -> None:
    """A line for each point: how long after the one before it, and after the call; medians in microseconds."""
    after: dict[str, list[int]] = defaultdict(list)
    for trip in trips():
        begun = trip[0][0]
        seen = set()
        for at, name in trip:
            if name not in seen:
                seen.add(name)
                after[name].append((at - begun) // 1000)
            if name == "back":
                break
    often = {name: median(times) for name, times in after.items() if len(times) > _TRIPS // 2}
    before = 0.0
    print("microseconds after the call, after the point before, and the point")
    for name, at in sorted(often.items(), key=lambda item: item[1]):
        print(f"{at:8.0f} {at - before:+8.0f}  {name}")
        before = at


if __name__ == "__main__":
    main()
