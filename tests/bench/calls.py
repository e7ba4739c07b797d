"""Small calls: there and back, the first of all, and a thousand of them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

from executorlib import SingleNodeExecutor
from submitit import LocalExecutor

from clustrix import cluster
from tests.bench import floor
from tests.bench.row import Row, ms, seconds
from tests.bench.state import fresh_state, here
from tests.bench.work import echo

_TRIPS = 250
_JOBS = 1_000
_RIVALS_JOBS = 12
_FIRST_CALL = """
import time
from tests.bench.work import echo
started = time.perf_counter()
assert echo(1) == 1
print(time.perf_counter() - started)
"""


def round_trip() -> list[Row]:
    prompt: Any = cluster(lambda: None)  # travels by value, as a function that was typed at a prompt
    taken = [(seconds(prompt), seconds(echo)) for _ in range(_TRIPS)][_TRIPS // 10 :]
    by_value, by_name = (ms(column) for column in zip(*taken, strict=True))
    spine = floor.spine_of(here())
    least = spine.round_trip_s(_TRIPS) * 1e3
    spine.close()
    bare = [
        seconds(lambda: subprocess.run([sys.executable, "-S", "-c", "pass"], check=True)) for _ in range(50)
    ]
    local = LocalExecutor(here() / "submitit")
    submitit = [seconds(lambda: local.submit(_nothing).result()) for _ in range(3)]
    with SingleNodeExecutor() as single:
        executorlib = [seconds(lambda: single.submit(_nothing).result()) for _ in range(10)]
    return [
        Row("no-op round trip: p50", by_value, "ms", 3.5, rival="python -S, bare", baseline=ms(bare)),
        Row(
            "  of a function in a local module",
            by_name,
            "ms",
            3.5,
            rival="python -S, bare",
            baseline=ms(bare),
        ),
        _beside_the_floor(by_value, "ms", 1.4, baseline=least),
        Row("  the same", by_name, "ms", rival="executorlib", baseline=ms(executorlib)),
        Row("  the same", by_name, "ms", rival="submitit", baseline=ms(submitit)),
    ]


def first_call() -> list[Row]:
    """On a cold machine: nothing loaded, no journal, no dispatcher."""
    taken = []
    for _ in range(5):
        with fresh_state() as home:
            taken.append(_first_call_s(home))
    return [Row("first call, dispatcher started", median(taken), "s", 0.5)]


def _first_call_s(home: Path) -> float:
    command = [sys.executable, "-c", _FIRST_CALL]
    environment = {"XDG_STATE_HOME": str(home), "PATH": "/usr/bin:/bin"}
    return float(subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout)


def many_jobs() -> list[Row]:
    echo()
    ours = _JOBS / median(seconds(lambda: _all_of(echo.submit, _JOBS)) for _ in range(2))
    spine = floor.spine_of(here())
    most = median(spine.rate(_JOBS) for _ in range(2))
    spine.close()
    local = LocalExecutor(here() / "submitit")
    submitit = _RIVALS_JOBS / seconds(lambda: _all_of(lambda _: local.submit(_nothing), _RIVALS_JOBS))
    with SingleNodeExecutor() as single:
        executorlib = _RIVALS_JOBS / seconds(lambda: _all_of(lambda _: single.submit(_nothing), _RIVALS_JOBS))
    return [
        Row(
            f"{_JOBS:,} separate jobs", ours, "/s", 500, least=True, rival="executorlib", baseline=executorlib
        ),
        _beside_the_floor(ours, "/s", 0.74, least=True, baseline=most),
        Row("  the same", ours, "/s", rival="submitit", baseline=submitit),
    ]


def _beside_the_floor(ours: float, unit: str, target: float, **more: Any) -> Row:
    """The target as the share of the floor that it was set at: this machine may be slower than the one it was set on."""
    return Row("  the same", ours, unit, target, of="ratio", rival="the floor: fork, claim, commit", **more)


def _all_of(submit: Callable[[int], Any], count: int) -> None:
    for job in [submit(number) for number in range(count)]:
        job.result()


def _nothing() -> None:
    return None
