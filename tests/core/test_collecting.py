"""Several jobs at once: gather, wait and as_completed, for calls and maps alike."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import pytest

from clustrix import as_completed, attach, cluster, gather, wait
from clustrix.errors import ConfigError, JobCancelled
from tests.core.support import wait_for_file, wait_until

pytestmark = pytest.mark.usefixtures("state")


@cluster
def after(value: Any, path: str | None = None) -> Any:
    """The value, when the file is there."""
    if path:
        wait_for_file(path)
    if isinstance(value, BaseException):
        raise value
    return value


# -- gather


def test_results_of_calls_and_maps_are_in_the_order_of_the_jobs(gate: Path) -> None:
    """Whichever ends first; a map gives its list, and a job may be there twice."""
    slow, jobs, quick = after.submit(1, str(gate)), after.map("ab"), after.submit(3)
    assert quick.result(timeout=20) == 3
    gate.touch()
    assert gather(slow, jobs, quick, slow, timeout=20) == [1, ["a", "b"], 3, 1]
    assert gather() == []


def test_first_error_in_the_order_of_the_jobs_is_raised(gate: Path) -> None:
    """Not the first that happened."""
    slow, quick = after.submit(KeyError("slow"), str(gate)), after.submit(ValueError("quick"))
    wait_until(quick.done, "the quick one has failed")
    gate.touch()
    with pytest.raises(KeyError, match="slow"):
        gather(after.submit(0), slow, quick, timeout=20)


def test_errors_stand_at_their_places_if_asked_for(gate: Path) -> None:
    """Of a map at the places of its items; also what a cancelled job raises, and a TimeoutError that the function raised."""
    cancelled = after.submit(0, str(gate))
    cancelled.cancel()
    jobs = after.map([1, ValueError("b"), 3])
    found = gather(
        after.submit(KeyError("a")),
        jobs,
        after.submit(7),
        cancelled,
        after.submit(TimeoutError("own")),
        return_exceptions=True,
        timeout=20,
    )
    assert isinstance(found[0], KeyError)
    assert (found[1][0], repr(found[1][1]), found[1][2]) == (1, "ValueError('b')", 3)
    assert found[2] == 7
    assert isinstance(found[3], JobCancelled)
    assert repr(found[4]) == "TimeoutError('own')"


@pytest.mark.parametrize("return_exceptions", [False, True])
def test_gather_stops_waiting_in_time(return_exceptions: bool, gate: Path) -> None:
    """The time is for all jobs together; they go on."""
    jobs = [after.submit(n, str(gate)) for n in range(3)]
    began = time.monotonic()
    with pytest.raises(TimeoutError):
        gather(*jobs, return_exceptions=return_exceptions, timeout=0.2)
    assert time.monotonic() - began < 10
    gate.touch()
    assert gather(*jobs, timeout=20) == [0, 1, 2]


# -- wait


def test_wait_tells_who_has_ended(gate: Path) -> None:
    """At the end of the time, with the first, and with all; a map is one job."""
    slow, quick = after.map([1], path=str(gate)), after.submit(ValueError())
    done, not_done = wait([slow, quick], return_when="FIRST_COMPLETED", timeout=20)
    assert (done, not_done) == ({quick}, {slow})
    assert wait([slow, quick], timeout=0.1) == ({quick}, {slow})
    assert wait(slow, timeout=0.1) == (set(), {slow})
    gate.touch()
    assert wait(iter([slow, quick]), timeout=20).done == {slow, quick}
    assert wait([]) == (set(), set())


def test_wait_for_the_first_that_fails(gate: Path) -> None:
    """One that succeeds does not end it; without a failure it is all."""
    slow, good, bad = after.submit(1, str(gate)), after.submit(2), after.submit(ValueError())
    good.result(timeout=20)
    wait_until(bad.done, "it has failed")
    assert slow in wait([slow, good, bad], return_when="FIRST_EXCEPTION", timeout=20).not_done
    assert wait([slow, good], return_when="FIRST_EXCEPTION", timeout=0.3) == ({good}, {slow})
    gate.touch()
    assert wait([slow, good], return_when="FIRST_EXCEPTION", timeout=20).done == {slow, good}


def test_unknown_word_is_refused_with_the_nearest() -> None:
    """And the error says what there is."""
    with pytest.raises(ConfigError, match="did you mean FIRST_COMPLETED"):
        wait([], return_when="first_complete")


# -- as they end


def test_jobs_come_as_they_end(gate: Path) -> None:
    """Calls and maps, failed ones too, each once."""
    slow, jobs, bad = after.submit(1, str(gate)), after.map([1, 2]), after.submit(ValueError())
    found = as_completed([slow, jobs, bad, slow], timeout=20)
    assert {next(found), next(found)} == {jobs, bad}
    gate.touch()
    assert list(found) == [slow]
    assert list(as_completed([])) == []


def test_late_jobs_are_a_timeout(gate: Path) -> None:
    """After those that are there."""
    slow, quick = after.submit(1, str(gate)), after.submit(2)
    quick.result(timeout=20)
    found = as_completed([slow, quick], timeout=0.3)
    assert next(found) is quick
    with pytest.raises(TimeoutError, match="2 jobs"):
        next(found)
    gate.touch()


def test_what_is_no_job_is_refused_at_once() -> None:
    """With a word on what was meant; a map's items have a method of their own."""
    with pytest.raises(TypeError, match=r"gather\(\) takes jobs"):
        gather([after.submit(1)])  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"wait\(\) takes jobs"):
        wait([1])  # type: ignore[list-item]
    with pytest.raises(TypeError, match=r"jobs\.as_completed"):
        as_completed(after.map([1]))


def test_forked_child_can_wait_for_its_parents_jobs(gate: Path) -> None:
    """As it can with the handles' own methods."""
    jobs = [after.submit(1, str(gate)), after.map([2], path=str(gate))]
    child = os.fork()
    if child == 0:  # no assert here: it would run the rest of the tests a second time
        os._exit(0 if gather(*jobs, timeout=20) == [1, [2]] else 1)
    gate.touch()
    assert os.waitpid(child, 0)[1] == 0
    assert gather(*(attach(job.id) for job in jobs), timeout=20) == [1, [2]]
