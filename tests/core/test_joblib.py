"""The joblib backend, with the real joblib."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import joblib
import pytest

import clustrix
import clustrix.joblib
from clustrix.errors import BundleError, JobCancelled
from tests.core.support import add_line, lines, newest_job, wait_for_file

pytestmark = [pytest.mark.usefixtures("state"), pytest.mark.slow]


@pytest.fixture
def backend() -> Iterator[None]:
    clustrix.joblib.register()
    with joblib.parallel_config(backend="clustrix", n_jobs=2, cores=1, name="batch"):
        yield


@pytest.mark.usefixtures("backend")
def test_parallel_runs_as_jobs_in_order(state: Path) -> None:
    """Results are in the order of the tasks, each was in another process, and the options reach the jobs."""
    found = joblib.Parallel()(joblib.delayed(_square)(n) for n in range(6))
    assert [square for square, _ in found] == [0, 1, 4, 9, 16, 25]
    assert os.getpid() not in {pid for _, pid in found}
    assert clustrix.attach(newest_job(state)).status().name == "batch"


def _square(number: int) -> tuple[int, int]:
    return number * number, os.getpid()


def test_parallel_backend_of_older_code_works() -> None:
    """The context manager that came before parallel_config, and a generator of results."""
    clustrix.joblib.register()
    with joblib.parallel_backend("clustrix", n_jobs=2):
        found = joblib.Parallel(return_as="generator")(joblib.delayed(abs)(n) for n in (-1, -2, 3))
        assert list(found) == [1, 2, 3]


@pytest.mark.usefixtures("backend")
def test_failed_task_raises_its_error_and_ends_the_others(tmp_path: Path) -> None:
    """Nobody waits for a task whose result is not wanted any more."""
    gate, ended = str(tmp_path / "never"), str(tmp_path / "ended")
    with pytest.raises(ValueError, match="no good"):
        joblib.Parallel()([joblib.delayed(_wait)(gate, ended), joblib.delayed(_fail)()])
    with clustrix.ClusterExecutor(cores=1) as executor:
        executor.submit(int).result(20)
    assert lines(ended) == []


def _wait(gate: str, ended: str) -> None:
    wait_for_file(gate, 50)
    add_line(ended)


def _fail() -> None:
    raise ValueError("no good")


@pytest.mark.usefixtures("backend")
def test_parallel_within_a_task_runs_in_its_process() -> None:
    """One task after the other, as joblib itself falls back."""
    for outer, pids in joblib.Parallel()(joblib.delayed(_nested)() for _ in range(2)):
        assert pids == {outer}


def _nested() -> tuple[int, set[int]]:
    return os.getpid(), set(joblib.Parallel(n_jobs=2)(joblib.delayed(os.getpid)() for _ in range(4)))


def test_zero_jobs_are_refused() -> None:
    """As by joblib's own backends."""
    clustrix.joblib.register()
    with joblib.parallel_config(backend="clustrix", n_jobs=0), pytest.raises(ValueError, match="n_jobs == 0"):
        joblib.Parallel()([joblib.delayed(abs)(1)])


@pytest.mark.usefixtures("backend")
def test_short_tasks_share_jobs(fresh_state: Path) -> None:
    """What a start costs is paid a few times, and not by each task: also where joblib itself cuts batches of one."""
    found = joblib.Parallel()(joblib.delayed(_short)(n) for n in range(40))
    assert [number for number, _ in found] == list(range(40))
    pids = {pid for _, pid in found}
    assert len(pids) == len(clustrix.jobs(limit=None))
    assert 2 <= len(pids) <= 10


def _short(number: int) -> tuple[int, int]:
    time.sleep(0.005)
    return number, os.getpid()


def test_no_more_tasks_at_once_than_jobs_were_asked_for(fresh_state: Path) -> None:
    """n_jobs bounds them wherever they run, also where there is room for more."""
    clustrix.joblib.register()
    with joblib.parallel_config(backend="clustrix", n_jobs=2):
        spans = joblib.Parallel()(joblib.delayed(_long)() for _ in range(6))
    assert len(clustrix.jobs(limit=None)) >= 2
    assert max(sum(begun <= moment < ended for begun, ended in spans) for moment, _ in spans) == 2


def _long() -> tuple[float, float]:
    began = time.time()
    time.sleep(0.7)
    return began, time.time()


@pytest.mark.usefixtures("backend")
def test_task_that_cannot_be_sent_raises_also_when_it_is_not_the_first() -> None:
    """Nobody waits for what was not submitted."""
    arguments = [1, 2, 3, threading.Lock(), 5]
    with pytest.raises(BundleError, match="lock"):
        joblib.Parallel()(joblib.delayed(_kind)(it) for it in arguments)


def _kind(it: object) -> str:
    return type(it).__name__


@pytest.mark.usefixtures("backend")
def test_job_that_somebody_cancels_ends_the_wait(state: Path, tmp_path: Path) -> None:
    """With the error of a cancelled job."""
    began = tmp_path / "began"
    ending = threading.Thread(target=_cancel_when, args=(began, state))
    ending.start()
    with pytest.raises(JobCancelled):
        joblib.Parallel()([joblib.delayed(_begin)(str(began), str(tmp_path / "never"))])
    ending.join()


def _begin(began: str, gate: str) -> None:
    add_line(began)
    wait_for_file(gate, 50)


def _cancel_when(began: Path, state: Path) -> None:
    wait_for_file(str(began), 30)
    clustrix.attach(newest_job(state)).cancel()
