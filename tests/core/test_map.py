"""A map: one job, many results, each at its place."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from clustrix import JobState, MapResult, attach, cluster
from clustrix.errors import BundleError, JobCancelled, JobExited, JobKilled, TimeLimitExceeded
from clustrix.journal import Place
from clustrix.results.found import Found
from clustrix.runner.frames import record
from tests.core.support import add_line, alive, lines, run_script, wait_for_file, wait_until

pytestmark = pytest.mark.usefixtures("state")

square = cluster(lambda x: x * x)


# -- what goes in and what comes out


def test_results_are_in_the_order_of_the_items() -> None:
    """Whichever item is finished first."""

    @cluster
    def uneven(n: int) -> int:
        time.sleep(0.02 * (n % 3 == 0))
        return n

    jobs = uneven.map(range(40))
    assert isinstance(jobs, MapResult)
    assert jobs.result(timeout=30) == list(range(40))
    assert list(jobs) == jobs.results() == list(range(40))
    assert jobs[3] == 3
    assert jobs[-1] == 39
    assert jobs.results()[1:3] == [1, 2]
    assert len(jobs) == jobs.finished() == 40
    with pytest.raises(IndexError):
        jobs[40]


def test_several_iterables_and_common_arguments() -> None:
    """As with the built-in map: one positional argument from each, the shortest ends it; keywords go to every call."""

    @cluster
    def f(a: int, b: str, *, alpha: float, **more: Any) -> tuple[Any, ...]:
        return a, b, alpha, more

    found = f.map([1, 2, 3], "xy", alpha=0.5, cores=7).result(timeout=30)
    assert found == [(1, "x", 0.5, {"cores": 7}), (2, "y", 0.5, {"cores": 7})]
    with pytest.raises(TypeError, match="at least one iterable"):
        f.map(alpha=1)


def test_generator_is_read_once() -> None:
    """Items may come from a generator."""
    assert square.map(n for n in range(5)).result(timeout=30) == [0, 1, 4, 9, 16]


def test_empty_map_is_done_at_once() -> None:
    """No items: an empty list, and no job stands behind it in vain."""
    jobs = square.map([])
    assert jobs.result(timeout=10) == []
    assert list(jobs) == []
    assert len(jobs) == 0
    assert square.submit(3).result(timeout=10) == 9
    assert attach(jobs.id).result(timeout=10) == []


def test_ten_thousand_items() -> None:
    """Each runs once, and each result is there."""
    assert square.map(range(10_000)).result(timeout=60) == [n * n for n in range(10_000)]


def test_large_items_and_results(runs: str) -> None:
    """Arrays go in and come out as memory of their own, which may be changed."""

    @cluster
    def double(array: Any, common: Any) -> Any:
        add_line(runs)
        array *= 2
        return array + common

    arrays = [np.full(300_000, n, dtype=np.float64) for n in range(8)]
    found = double.map(arrays, common=np.ones(300_000)).result(timeout=60)
    assert [array[0] for array in found] == [2 * n + 1 for n in range(8)]
    assert all((array == array[0]).all() for array in found)
    found[0][0] = 5
    assert arrays[1][0] == 1
    assert len(lines(runs)) == 8


def test_item_that_cannot_be_sent_is_named() -> None:
    """Its number, and the path to the part that refuses."""

    with pytest.raises(BundleError, match=r"item 2 → \['a'\]"):
        square.map([1, 2, {"a": threading.Lock()}])
    with pytest.raises(BundleError, match="argument 'lock'"):
        square.map([1, 2], lock=threading.Lock())


def test_map_runs_on_several_cores_at_once() -> None:
    """As many items at once as fit beside each other."""
    from clustrix.backends.local.capacity import machine_cores

    workers = set(cluster(lambda n: time.sleep(0.02) or os.getpid()).map(range(40)).result(timeout=30))
    assert len(workers) == machine_cores()
    assert os.getpid() not in workers
    one = cluster(cores=machine_cores())(lambda n: time.sleep(0.01) or os.getpid()).map(range(10))
    assert len(set(one.result(timeout=30))) == 1


# -- failures


def test_failure_stays_at_its_place(runs: str) -> None:
    """An item that raises raises at its place; the others have their results, and nothing runs twice."""

    @cluster
    def f(n: int) -> int:
        add_line(runs, str(n))
        if n in (3, 7):
            raise KeyError(n)
        return n

    jobs = f.map(range(10))
    with pytest.raises(KeyError, match="3"):
        jobs.result(timeout=30)
    assert [jobs[n] for n in range(10) if n not in (3, 7)] == [0, 1, 2, 4, 5, 6, 8, 9]
    with pytest.raises(KeyError, match="7"):
        jobs[7]
    assert isinstance(jobs.error(7), KeyError)
    assert jobs.error(8) is None
    assert (jobs.finished(), jobs.failed()) == (10, 2)
    assert jobs.state is JobState.FAILED
    assert jobs.status().reason == "2 of 10 items failed"
    assert Counter(lines(runs)) == Counter(map(str, range(10)))


@pytest.mark.parametrize("items", [10, 600])
def test_killed_worker_fails_its_item_alone(items: int, runs: str) -> None:
    """What a worker dies of is the error of the item that it was in; every other item runs, and runs once."""

    @cluster
    def f(n: int) -> int:
        add_line(runs, str(n))
        if n == 4:
            os.kill(os.getpid(), signal.SIGKILL)
        if n == 5:
            os._exit(7)
        return n

    jobs = f.map(range(items))
    errors = {n: jobs.error(n, timeout=30) for n in range(items)}
    assert {n for n, error in errors.items() if error} == {4, 5}
    assert isinstance(errors[4], JobKilled)
    assert errors[4].item == 4
    assert "item 4" in str(errors[4])
    assert isinstance(errors[5], JobExited)
    assert [jobs[n] for n in range(items) if n not in (4, 5)] == [n for n in range(items) if n not in (4, 5)]
    assert Counter(lines(runs)) == Counter(map(str, range(items)))
    with pytest.raises(JobKilled):
        jobs.result(timeout=10)


def test_every_item_may_kill_its_worker(runs: str) -> None:
    """However many die, each costs one item: the map comes to its end."""

    @cluster
    def f(n: int) -> None:
        add_line(runs)
        os._exit(n)

    jobs = f.map(range(12))
    assert [jobs.error(n, timeout=30).code for n in range(12)] == list(range(12))  # type: ignore[union-attr]
    assert len(lines(runs)) == 12


def test_time_limit_is_for_each_item(tmp_path: Path) -> None:
    """One that takes too long is ended; many that together take longer than the limit are not."""

    @cluster(time=0.5)
    def f(n: int) -> int:
        time.sleep(60 if n == 1 else 0.2)
        return n

    jobs = f.map(range(8))
    assert isinstance(jobs.error(1, timeout=30), TimeLimitExceeded)
    assert [jobs[n] for n in (0, *range(2, 8))] == [0, *range(2, 8)]


def test_arguments_that_cannot_be_unpickled_there_fail_the_map() -> None:
    """No item can run: the map ends with the reason, and does not hang."""

    class Refuses:
        def __reduce__(self) -> Any:
            return (lambda: 1 / 0), ()

    jobs = cluster(lambda n, common: n).map(range(3), common=Refuses())
    with pytest.raises(ZeroDivisionError):
        jobs.result(timeout=20)
    with pytest.raises(ZeroDivisionError):
        jobs[1]


# -- while it runs


@cluster
def until(n: int, path: str, free: int) -> int:
    if n >= free:
        wait_for_file(path)
    return n


def test_results_come_as_they_are_finished(gate: Path) -> None:
    """Finished items can be had, and counted, while others still run."""
    jobs = until.map(range(6), path=str(gate), free=4)
    results = iter(jobs)
    assert [next(results) for _ in range(4)] == [0, 1, 2, 3]
    assert not jobs.done()
    assert jobs.finished() == 4
    with pytest.raises(TimeoutError, match="item 5"):
        jobs.results(timeout=0.1)[5]
    with pytest.raises(TimeoutError):
        jobs.result(timeout=0.1)
    gate.touch()
    assert list(results) == [4, 5]


def test_async_for_gives_results_as_they_come(gate: Path) -> None:
    """Other tasks of the loop go on meanwhile, and a loop that stops waiting can end at once."""

    async def read(jobs: MapResult[int], most: int) -> list[int]:
        found = []
        async for value in jobs:
            found.append(value)
            if len(found) == most:
                break
        return found

    async def main() -> list[int]:
        jobs = until.map(range(4), path=str(gate), free=3)
        assert await read(jobs, 3) == [0, 1, 2]
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(read(jobs, 4), 0.2)
        asyncio.get_running_loop().call_later(0.05, gate.touch)
        return [*await read(jobs, 4), *await jobs]

    began = time.monotonic()
    assert asyncio.run(main()) == [0, 1, 2, 3] * 2
    jobs = until.map(range(1), path=str(gate) + "-never", free=0)
    with pytest.raises(asyncio.TimeoutError):
        asyncio.run(asyncio.wait_for(read(jobs, 1), 0.2))
    assert time.monotonic() - began < 10
    jobs.cancel()


def test_async_for_raises_at_the_place_of_the_failure() -> None:
    """As the plain loop does."""

    async def main() -> list[float]:
        found = []
        try:
            async for value in cluster(lambda n: 1 / n).map([1, 2, 0, 4]):
                found.append(value)
        except ZeroDivisionError:
            return found
        return []

    assert asyncio.run(main()) == [1, 0.5]


def test_cancelled_map_keeps_what_is_finished(gate: Path, tmp_path: Path) -> None:
    """Finished items keep their results; the rest is JobCancelled, and no process stays."""
    pids = str(tmp_path / "pids")

    @cluster
    def f(n: int) -> int:
        if n >= 5:
            add_line(pids, str(os.getpid()))
            wait_for_file(str(gate))
        return n

    jobs = f.map(range(100))
    wait_until(lambda: jobs.finished() == 5 and lines(pids), "five are finished and others run")
    assert jobs.cancel()
    with pytest.raises(JobCancelled):
        jobs.result(timeout=20)
    assert jobs.state is JobState.CANCELLED
    assert [jobs[n] for n in range(5)] == [0, 1, 2, 3, 4]
    with pytest.raises(JobCancelled):
        jobs[50]
    wait_until(lambda: not any(alive(int(pid)) for pid in lines(pids)), "its workers are gone")
    assert len(lines(pids)) < 20


def test_another_process_reads_a_running_map(gate: Path) -> None:
    """attach gives a MapResult with what is there."""
    jobs = until.map(range(4), path=str(gate), free=3)
    wait_until(lambda: jobs.finished() == 3, "three are finished")
    script = f"from clustrix import attach; j = attach({jobs.id!r}); print(type(j).__name__, len(j), j[1], j.done())"
    assert run_script(script).stdout == "MapResult 4 1 False\n"
    gate.touch()
    script = f"from clustrix import attach; print(attach({jobs.id!r}).result())"
    assert run_script(script).stdout == "[0, 1, 2, 3]\n"


def test_output_of_items_is_in_the_logs() -> None:
    """What any worker prints."""
    jobs = cluster(lambda n: print(f"item {n}")).map(range(20))
    jobs.result(timeout=20)
    assert sorted(jobs.logs().split("\n")) == sorted(["", *(f"item {n}" for n in range(20))])


@pytest.mark.slow
def test_long_map_can_be_followed_to_its_end(tmp_path: Path) -> None:
    """70,000 looks at a results file that grows each time: more than a process may have mappings."""
    place = Place(str(tmp_path))
    folder = tmp_path / "live" / "J"
    folder.mkdir(parents=True)
    found = Found(place, "J", 70_000)
    with open(folder / "results-0", "ab", buffering=0) as file:
        for index in range(70_000):
            file.write(record(index, 0, b"x"))
            found.look()
    assert len(found) == 70_000
    with open("/proc/self/maps") as file:
        assert sum("results-0" in line for line in file) < 10


# -- what the items come from


def pair(left: int, right: str = "-", *, end: str = "") -> str:
    return f"{left}{right}{end}"


@pytest.mark.parametrize("count", [0, 1, 15, 16, 17, 5000])
def test_generator_of_any_length(count: int) -> None:
    """Nobody needs to know how many items there will be; each is asked for once."""
    asked = []

    def numbers() -> Iterator[int]:
        for number in range(count):
            asked.append(number)
            yield number

    jobs = cluster(pair).map(numbers(), end="!")
    assert len(jobs) == count
    assert asked == list(range(count))
    assert list(jobs) == [f"{number}-!" for number in range(count)]


def test_shortest_iterable_ends_it() -> None:
    """As with the built-in map, whichever has a length."""
    assert list(cluster(pair).map(range(100), "abc")) == ["0a", "1b", "2c"]
    assert list(cluster(pair).map(iter([1, 2]), (letter for letter in "xyz"))) == ["1x", "2y"]


def test_starmap_takes_rows() -> None:
    """Each row has the positional arguments of one item."""
    rows = [(1, "a"), [2, "b"], (3,)]
    assert list(cluster(pair).starmap(rows)) == ["1a", "2b", "3-"]
    assert list(cluster(pair).starmap((row for row in rows), end=".")) == ["1a.", "2b.", "3-."]


def test_large_items_are_kept_apart() -> None:
    """Some of a megabyte among many small ones: each arrives as it was."""
    items = [bytes([number % 256]) * (2_000_000 if number % 40 == 7 else 10) for number in range(100)]
    assert list(cluster(len).map(iter(items))) == [len(item) for item in items]
    assert list(cluster(len).map(items)) == [len(item) for item in items]


def test_item_of_a_generator_that_cannot_be_sent_is_named() -> None:
    """Also behind others that come from a generator, and nothing is submitted."""

    def numbers() -> Iterator[Any]:
        yield from range(50)
        yield threading.Lock()

    with pytest.raises(BundleError, match="item 50"):
        cluster(pair).map(numbers())


def test_error_of_a_generator_is_the_callers() -> None:
    """Nothing is submitted."""

    def numbers() -> Iterator[int]:
        yield 1
        raise RuntimeError("no more")

    with pytest.raises(RuntimeError, match="no more"):
        cluster(pair).map(numbers())


def worker_of(number: int) -> int:
    time.sleep(0.002)
    return os.getpid()


def test_chunk_is_how_many_a_worker_takes() -> None:
    """Whole chunks of neighbours have the same worker."""
    pids = list(cluster(chunk=25)(worker_of).map(range(100)))
    assert all(len(set(pids[start : start + 25])) == 1 for start in range(0, 100, 25))


MEMORY = """
import resource
from clustrix import cluster

def rows():
    for number in range(300):
        yield bytearray(1_000_000)

before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
jobs = cluster(len).map(rows())
after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(len(jobs), (after - before) // 1024)
jobs.cancel()
"""


@pytest.mark.slow
def test_generator_of_large_items_needs_little_memory() -> None:
    """300 MB go through; far less is ever there."""
    run = run_script(MEMORY)
    count, megabytes = map(int, run.stdout.split())
    assert count == 300
    assert megabytes < 150, run.stderr
