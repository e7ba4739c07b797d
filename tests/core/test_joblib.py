"""The joblib backend, with the real joblib."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import joblib
import pytest

import clustrix
import clustrix.joblib
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
