"""ClusterExecutor: what code that was written for executors relies on."""

from __future__ import annotations

import asyncio
import concurrent.futures
import functools
import os
import runpy
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

import pytest

from clustrix import ClusterExecutor, JobState, attach, cluster
from clustrix.backends.local.capacity import machine_cores
from clustrix.errors import ConfigError, JobCancelled, JobKilled, UnknownOption
from tests.core.support import (
    ROOT,
    add_line,
    everything_waits,
    lines,
    newest_job,
    pid,
    running_script,
    wait_for_file,
    wait_until,
)

pytestmark = pytest.mark.usefixtures("state")


@pytest.fixture
def executor() -> Iterator[ClusterExecutor]:
    with ClusterExecutor(cores=1) as made:
        yield made


# -- submit


def test_any_callable_can_be_submitted(executor: ClusterExecutor) -> None:
    """Built-ins, partials, lambdas, bound methods, classes: each runs in a process of its own, and a future comes back."""
    many = {
        executor.submit(pow, 2, 10): 1024,
        executor.submit(functools.partial(pow, 2), 3): 8,
        executor.submit(lambda a, *, b: a - b, 5, b=2): 3,
        executor.submit("a-b".split, "-"): ["a", "b"],
        executor.submit(complex, 1, 2): 1 + 2j,
        executor.submit(cluster(lambda a: a + 1), 1): 2,
        executor.submit(dict, self=1, fn=2): {"self": 1, "fn": 2},
    }
    for future, expected in many.items():
        assert isinstance(future, concurrent.futures.Future)
        assert future.result(20) == expected
    assert executor.submit(pid).result(20) != os.getpid()


def test_future_waits_and_calls_back(executor: ClusterExecutor, gate: Path) -> None:
    """wait, as_completed and callbacks of concurrent.futures take the futures."""
    slow, fast = executor.submit(wait_for_file, str(gate)), executor.submit(pow, 2, 3)
    called = threading.Event()
    fast.add_done_callback(lambda future: called.set() if future.result() == 8 else None)
    done, not_done = concurrent.futures.wait(
        [slow, fast], timeout=20, return_when=concurrent.futures.FIRST_COMPLETED
    )
    assert (done, not_done) == ({fast}, {slow})
    assert called.wait(20)
    wait_until(slow.running, "the other runs")
    gate.touch()
    assert set(concurrent.futures.as_completed([slow, fast], timeout=20)) == {slow, fast}
    assert not slow.running()


def test_wait_returns_at_the_first_failure(executor: ClusterExecutor, gate: Path) -> None:
    """FIRST_EXCEPTION does not wait for what is slow when something has failed."""
    slow, failing = executor.submit(wait_for_file, str(gate)), executor.submit(int, "x")
    done, not_done = concurrent.futures.wait(
        [slow, failing], timeout=20, return_when=concurrent.futures.FIRST_EXCEPTION
    )
    assert (done, not_done) == ({failing}, {slow})
    assert not slow.done()


def test_functions_own_error_comes_home(executor: ClusterExecutor) -> None:
    """exception() returns it and result() raises it; the executor goes on."""
    future = executor.submit(int, "x")
    assert isinstance(future.exception(20), ValueError)
    with pytest.raises(ValueError, match="invalid literal"):
        future.result()
    assert executor.submit(int, "1").result(20) == 1


def test_killed_call_breaks_no_other(executor: ClusterExecutor) -> None:
    """Where a process pool would be broken as a whole, one call has failed, and says why."""
    future = executor.submit(lambda: os.kill(os.getpid(), signal.SIGKILL))
    assert isinstance(future.exception(20), JobKilled)
    assert executor.submit(int, "1").result(20) == 1


def test_cancel_before_and_during_the_run(tmp_path: Path, runs: str, executor: ClusterExecutor) -> None:
    """A call that waits never runs; one that runs is ended, and not left to run on."""
    with everything_waits(tmp_path):
        future = executor.submit(add_line, runs)
        assert future.cancel() is True
        with pytest.raises(concurrent.futures.CancelledError):
            future.result(20)
    assert future.cancelled()
    assert lines(runs) == []
    future = executor.submit(time.sleep, 1000)
    wait_until(future.running, "it runs")
    assert future.cancel() is True
    with pytest.raises(JobCancelled):
        future.exception(20)


def test_event_loop_takes_it_as_its_executor(executor: ClusterExecutor) -> None:
    """run_in_executor gives results and errors to coroutines."""

    async def main() -> list[Any]:
        loop = asyncio.get_running_loop()
        calls = [loop.run_in_executor(executor, int, text) for text in ("1", "2", "x")]
        return await asyncio.gather(*calls, return_exceptions=True)

    first, second, failed = asyncio.run(main())
    assert (first, second) == (1, 2)
    assert isinstance(failed, ValueError)


def test_task_that_gives_up_ends_its_call(state: Path, executor: ClusterExecutor) -> None:
    """asyncio cancels the future, and that is the job."""

    async def main() -> None:
        call = asyncio.get_running_loop().run_in_executor(executor, time.sleep, 1000)
        await asyncio.wait_for(call, 0.5)

    with pytest.raises(asyncio.TimeoutError):
        asyncio.run(main())
    with pytest.raises(JobCancelled):
        attach(newest_job(state)).result(20)


SUBMITTER = """
from clustrix import ClusterExecutor
from tests.core.support import wait_for_file

with ClusterExecutor(cores=1) as executor:
    future = executor.submit(wait_for_file, {gate!r})
    print(future.id, flush=True)
"""


def test_future_outlives_its_submitter(tmp_path: Path, gate: Path) -> None:
    """After a kill -9 in the middle of the ``with``, the future's id gives the result in another process."""
    text = SUBMITTER.format(gate=str(gate))
    with running_script(text, folder=tmp_path, PYTHONPATH=str(ROOT)) as script:
        assert script.stdout is not None
        job = attach(script.stdout.readline().strip())
        wait_until(lambda: job.state is JobState.RUNNING, "it runs")
        script.kill()
        script.wait()
    gate.touch()
    assert job.result(20) is None


# -- map


def test_map_is_one_job_in_order(executor: ClusterExecutor) -> None:
    """The results of several iterables, cut at the shortest; all of them are one job."""
    found = executor.map(pow, range(5), [2, 2, 2], chunksize=2)
    assert list(found) == [0, 1, 4]
    assert list(executor.map(pow, [], [])) == []
    with pytest.raises(ValueError, match="chunksize"):
        executor.map(pow, [1], [1], chunksize=0)


def test_failed_item_of_a_map_raises_at_its_place(executor: ClusterExecutor) -> None:
    """What comes before it is yielded; the iterator ends with it."""
    found = executor.map(int, ["1", "2", "x", "4"])
    assert next(found) == 1
    assert next(found) == 2
    with pytest.raises(ValueError, match="'x'"):
        next(found)
    with pytest.raises(StopIteration):
        next(found)


def test_timeout_of_a_map_counts_from_its_call(state: Path, executor: ClusterExecutor) -> None:
    """Time that goes by before the first next() is part of it; the map is cancelled."""
    found = executor.map(time.sleep, [0, 1000], timeout=0.5)
    time.sleep(0.6)
    job = attach(newest_job(state))
    with pytest.raises(concurrent.futures.TimeoutError):
        list(found)
    with pytest.raises(JobCancelled):
        job.result(20)


def test_closed_iterator_cancels_the_map(state: Path, tmp_path: Path, executor: ClusterExecutor) -> None:
    """Whoever leaves the loop early does not leave the other items running."""
    found = executor.map(_first_fast, [str(tmp_path / "began")] * 4)
    job = attach(newest_job(state))
    for _ in found:
        break
    assert job.state is JobState.RUNNING
    found.close()  # type: ignore[attr-defined]  # a generator
    with pytest.raises(JobCancelled):
        job.result(20)


def _first_fast(path: str) -> None:
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        time.sleep(1000)


@pytest.mark.parametrize("workers", [1, 2])
def test_max_workers_bounds_the_processes_of_a_map(workers: int) -> None:
    """No more processes run its items than that."""
    with ClusterExecutor(workers, cores=1) as executor:
        pids = set(executor.map(_slow_pid, range(8)))
    assert 1 <= len(pids) <= workers


def _slow_pid(_: int) -> int:
    time.sleep(0.05)
    return os.getpid()


# -- shutdown


def test_leaving_the_block_waits(tmp_path: Path) -> None:
    """After the ``with`` everything has ended, also what nobody holds a future of; nothing is taken any more."""
    with ClusterExecutor(cores=1) as executor:
        executor.submit(_late_line, str(tmp_path / "one"))
        executor.map(_late_line, [str(tmp_path / "two")])
    assert lines(tmp_path / "one") == lines(tmp_path / "two") == ["run"]
    with pytest.raises(RuntimeError, match="cannot schedule new futures after shutdown"):
        executor.submit(pow, 1, 1)
    with pytest.raises(RuntimeError, match="cannot schedule new futures after shutdown"):
        executor.map(pow, [1], [1])


def _late_line(path: str) -> None:
    time.sleep(0.2)
    add_line(path)


def test_shutdown_cancels_what_has_not_begun(tmp_path: Path, gate: Path) -> None:
    """With cancel_futures; what runs is left to its end."""
    executor = ClusterExecutor(cores=machine_cores())
    running = executor.submit(wait_for_file, str(gate))
    wait_until(running.running, "it runs")
    waiting = [executor.submit(add_line, str(tmp_path / "runs")) for _ in range(3)]
    executor.shutdown(wait=False, cancel_futures=True)
    assert concurrent.futures.wait(waiting, 20).not_done == set()
    assert all(future.cancelled() for future in waiting)
    assert not running.done()
    gate.touch()
    assert running.result(20) is None
    assert lines(tmp_path / "runs") == []


# -- initializer


def test_initializer_runs_first_in_each_process(tmp_path: Path) -> None:
    """Once before a call, and once in each worker of a map, whatever its number of items."""
    path = str(tmp_path / "pids")
    with ClusterExecutor(2, initializer=_note_pid, initargs=(path,), cores=1) as executor:
        assert executor.submit(pow, 2, 3).result(20) == 8
        assert len(lines(path)) == 1
        workers = set(executor.map(_slow_pid, range(8)))
    assert set(lines(path)[1:]) >= {str(number) for number in workers}
    assert len(lines(path)) == len(set(lines(path)))


def _note_pid(path: str) -> None:
    add_line(path, str(os.getpid()))


def _fail() -> None:
    raise OSError("no licence")


@pytest.mark.parametrize(
    "call",
    [
        lambda executor: executor.submit(pow, 2, 3).result(20),
        lambda executor: list(executor.map(pow, [2], [3])),
    ],
    ids=["submit", "map"],
)
def test_failed_initializer_breaks_the_executor(call: Any) -> None:
    """Its calls and those that follow raise BrokenProcessPool, with the initializer's error as the cause."""
    executor = ClusterExecutor(initializer=_fail, cores=1)
    with pytest.raises(BrokenProcessPool) as caught:
        call(executor)
    assert isinstance(caught.value.__cause__, OSError)

    def is_broken() -> bool:
        try:
            executor.submit(pow, 2, 3).exception(20)
        except BrokenProcessPool:
            return True
        return False

    wait_until(is_broken, "submit raises")
    with pytest.raises(BrokenProcessPool):
        executor.map(pow, [1], [1])


# -- what it takes


def test_bad_values_are_refused_when_it_is_made() -> None:
    """Not at the first submission."""
    with pytest.raises(ValueError, match="max_workers must be greater than 0"):
        ClusterExecutor(0)
    with pytest.raises(ValueError, match="max_tasks_per_child"):
        ClusterExecutor(max_tasks_per_child=0)
    with pytest.raises(TypeError, match="initializer must be a callable"):
        ClusterExecutor(initializer=3)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="an executor makes many jobs"):
        ClusterExecutor(key="one")
    with pytest.raises(ConfigError):
        ClusterExecutor(cores=0)
    with pytest.raises(UnknownOption):
        ClusterExecutor(coers=1)


def test_options_reach_the_jobs() -> None:
    """Those of cluster: each job has them."""
    with ClusterExecutor(name="sweep", environment_variables={"COLOUR": "red"}, cores=1) as executor:
        future = executor.submit(os.environ.get, "COLOUR")
        assert future.result(20) == "red"
        assert future.status().name == "sweep"


def test_page_of_what_holds_is_fresh() -> None:
    """docs/reference/executor-conformance.md is what the table says: `hatch run docs:conformance` writes it."""
    found = runpy.run_path(str(ROOT / "docs/conformance.py"))
    assert found["PAGE"].read_text(encoding="utf-8") == found["page"]()
