"""``clustrix demo``: the main job on real data, checked and measured, in about ten seconds."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from concurrent.futures import wait
from pathlib import Path
from statistics import median
from typing import Any

from clustrix import __version__, attach, cluster
from clustrix.backends.local.capacity import machine_cores
from clustrix.cli.screen import Screen
from clustrix.cli.survey import Module, TooDeep, groups, refuse_deeper, survey
from clustrix.errors import ClustrixError

_SUBMISSIONS = 200
_ROUND_TRIPS = 50
_ALLOWED_DEPTH = 5
_ORPHANED_MODULES = 12
_LONGEST_SECONDS = 60.0
_GLANCE_SECONDS = 0.05
_TABLE_ROWS = 6
_SUBMIT_AND_DIE = "import sys; from clustrix.cli.survey import submit_and_die; submit_and_die(sys.argv[1:])"


def run() -> int:
    """Show it all; returns the exit code: 0 if every check holds."""
    screen, started = Screen(), time.perf_counter()
    screen.title(f"clustrix {__version__}, Python {sys.version.split()[0]}, {machine_cores()} cores")
    try:
        files = groups()
        latencies = _small_calls(screen)
        speed_up, modules = _map(screen, files)
        _exception(screen)
        _orphan(screen, [group[0] for group in files[:_ORPHANED_MODULES]], modules)
        screen.step(f"Measured: {latencies}, {speed_up}")
    except (ClustrixError, TimeoutError) as error:
        screen.check(False, f"{type(error).__name__}: {error}")
    screen.verdict(f"in {time.perf_counter() - started:.1f} s")
    return 1 if screen.failed else 0


def _small_calls(screen: Screen) -> str:
    """Many small jobs: how soon ``submit`` returns, and how soon a result is back."""
    screen.step("Small calls: each a job in a process of its own, on disk before it is begun")

    @cluster
    def double(number: int) -> int:
        return 2 * number

    first_s, _ = _timed(double, 0)
    submissions = [_timed(double.submit, number) for number in range(_SUBMISSIONS)]
    right = all(job.result(_LONGEST_SECONDS) == 2 * number for number, (_, job) in enumerate(submissions))
    screen.check(right, f"{_SUBMISSIONS} jobs submitted, and each result is its own")
    trips = [_timed(double, number) for number in range(_ROUND_TRIPS)]
    right = all(value == 2 * number for number, (_, value) in enumerate(trips))
    screen.check(right, f"{_ROUND_TRIPS} calls there and back, one after the other")
    submits = [seconds for seconds, _ in submissions]
    submit, trip = f"submit {_ms(submits)}", f"round trip {_ms(seconds for seconds, _ in trips)}"
    screen.note(f"first call, start of the dispatcher included: {first_s * 1e3:.0f} ms")
    screen.note(f"median {submit} (longest {max(submits) * 1e3:.1f} ms), median {trip}")
    return f"{submit}, {trip}"


def _map(screen: Screen, files: Sequence[Sequence[str]]) -> tuple[str, dict[str, Module]]:
    """The survey as one map on all cores, then as a loop in this process."""
    cores = machine_cores()
    screen.step(f"One map: {sum(map(len, files))} modules of the standard library, in {len(files)} items")
    with screen.bars() as bars:
        mapping = bars.add_task(f"map, {cores} cores", total=len(files))
        started = time.perf_counter()
        jobs = survey.map(files)
        try:
            while not wait([jobs], _GLANCE_SECONDS).done:
                bars.update(mapping, completed=jobs.finished())
            mapped = jobs.result()
        except KeyboardInterrupt:
            jobs.cancel()
            raise
        mapped_s = time.perf_counter() - started
        bars.update(mapping, completed=len(files))
        looping = bars.add_task("loop, one process", total=len(files))
        started = time.perf_counter()
        looped = []
        for group in files:
            looped.append(survey.local(group))
            bars.advance(looping)
        looped_s = time.perf_counter() - started
    screen.check(mapped == looped, "the map's results are those of the same loop in one process")
    speed_up = f"speed-up {looped_s / mapped_s:.2f} on {cores} cores"
    screen.note(f"map {mapped_s:.2f} s, loop {looped_s:.2f} s: {speed_up}")
    modules = {module.name: module for group in mapped for module in group}
    _tables(screen, modules.values())
    return speed_up, modules


def _tables(screen: Screen, modules: Collection[Module]) -> None:
    largest = sorted(modules, key=lambda module: module.lines, reverse=True)[:_TABLE_ROWS]
    deepest = sorted(modules, key=lambda module: module.depth, reverse=True)[:_TABLE_ROWS]
    imports = Counter(name for module in modules for name in module.imports)
    functions = sum(module.functions for module in modules)
    screen.note(f"{sum(module.lines for module in modules):,} lines, {functions:,} functions")
    screen.tables(
        ("largest", "lines", [(module.name, module.lines) for module in largest]),
        ("deepest", "levels", [(module.name, module.depth) for module in deepest]),
        ("imported", "by", imports.most_common(_TABLE_ROWS)),
    )


def _exception(screen: Screen) -> None:
    """One job raises, and its exception comes back as itself."""
    screen.step("A job raises an exception of its own class")
    job = refuse_deeper.submit(subprocess.__file__, allowed=_ALLOWED_DEPTH)
    error = job.exception(_LONGEST_SECONDS)
    screen.check(type(error) is TooDeep, f"caught as {type(error).__name__}: {error}")
    found = vars(error) if isinstance(error, TooDeep) else {}
    screen.check(found.get("allowed") == _ALLOWED_DEPTH, f"its attributes: {found}")
    raised = traceback.extract_tb(error.__traceback__ if error else None)[-1:]
    shown = "".join(
        f"{Path(frame.filename).name}:{frame.lineno}, in {frame.name}: {frame.line}" for frame in raised
    )
    screen.check("refuse_deeper: raise TooDeep(" in shown, "its traceback ends at the line in the job:")
    screen.note(shown)


def _orphan(screen: Screen, files: Sequence[str], modules: dict[str, Module]) -> None:
    """A process submits a job and is killed; somebody else fetches the result."""
    screen.step("A process submits a job and is killed (SIGKILL) as soon as submit has returned")
    command = [sys.executable, "-c", _SUBMIT_AND_DIE, *files]
    child = subprocess.run(command, capture_output=True, text=True, timeout=_LONGEST_SECONDS, check=False)
    killed_at, job_id = time.time(), child.stdout.strip()
    if child.returncode != -signal.SIGKILL or not job_id:
        screen.check(False, f"it was not killed: {child.stderr}")
        return
    screen.check(True, f"it left nothing but an id: {job_id}")
    job = attach(job_id)
    found: list[Module] = job.result(_LONGEST_SECONDS)
    ended = job.status().ended or killed_at
    screen.check(found == [modules[module.name] for module in found], f'attach("{job_id}").result() is right')
    screen.note(f"{len(found)} modules surveyed; the job ended {ended - killed_at:.2f} s after its submitter")


def _timed(call: Callable[..., Any], *args: Any) -> tuple[float, Any]:
    started = time.perf_counter()
    value = call(*args)
    return time.perf_counter() - started, value


def _ms(seconds: Iterable[float]) -> str:
    return f"{median(seconds) * 1e3:.2f} ms"
