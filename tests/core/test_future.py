"""The handle of a job: a true Future, and a name for tomorrow."""

from __future__ import annotations

import asyncio
import pickle
import threading
import time
from concurrent.futures import ALL_COMPLETED, FIRST_COMPLETED, Future, as_completed, wait
from concurrent.futures import TimeoutError as FutureTimeoutError
from pathlib import Path
from typing import Any

import pytest

from clustrix import AsyncJobResult, JobState, attach, cluster
from clustrix.errors import UnknownJob
from clustrix.session import session
from tests.core.support import (
    everything_waits,
    lines,
    run_script,
    wait_for_file,
    wait_until,
)

pytestmark = pytest.mark.usefixtures("state")


add_one = cluster(lambda a: a + 1)
held = cluster(wait_for_file)
"""Runs until the file is there."""


# -- a Future


def test_wait_and_as_completed_take_jobs(gate: Path) -> None:
    """concurrent.futures works with jobs as with any other future."""
    first, second = add_one.submit(1), held.submit(str(gate))
    assert isinstance(first, Future)
    assert wait([first, second], 20, FIRST_COMPLETED).done == {first}
    gate.touch()
    assert wait([first, second], 20, ALL_COMPLETED).not_done == set()
    jobs = {add_one.submit(n): n for n in range(10)}
    assert {jobs[job]: job.result() for job in as_completed(jobs, 20)} == {n: n + 1 for n in range(10)}


def test_job_fails_in_as_completed_like_any_future() -> None:
    """result() and exception() of a failed job are the function's own exception."""
    job = cluster(lambda: {}["missing"]).submit()
    assert next(as_completed([job], 20)) is job
    assert isinstance(job.exception(), KeyError)
    with pytest.raises(KeyError, match="missing"):
        job.result()
    with pytest.raises(KeyError, match="missing"):
        job.result()
    assert add_one.submit(1).exception(20) is None


def test_asyncio_wraps_jobs() -> None:
    """asyncio.wrap_future, gather and await give the value, or raise the exception."""

    async def main() -> list[Any]:
        wrapped = asyncio.wrap_future(add_one.submit(1))
        many = asyncio.gather(*(asyncio.wrap_future(add_one.submit(n)) for n in range(5)))
        with pytest.raises(ZeroDivisionError):
            await cluster(lambda: 1 / 0).submit()
        with pytest.raises(ZeroDivisionError):
            await asyncio.wrap_future(cluster(lambda: 1 / 0).submit())
        return [await wrapped, await many, await add_one.submit(7)]

    assert asyncio.run(main()) == [2, [1, 2, 3, 4, 5], 8]


def test_cancelled_task_leaves_the_job_alone(gate: Path) -> None:
    """A task that stops awaiting a job stops waiting, no more."""

    async def main() -> AsyncJobResult[Any]:
        job = held.submit(str(gate))

        async def waiting() -> None:
            await job

        task = asyncio.create_task(waiting())
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(asyncio.shield(task), 0.2)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return job

    job = asyncio.run(main())
    assert not job.done()
    gate.touch()
    assert job.result(20) is None
    assert job.state is JobState.SUCCEEDED


def test_callbacks_are_called_once_each() -> None:
    """add_done_callback: before the end and after it, with the job, and free to submit and to ask for results."""
    seen: list[Any] = []
    called = threading.Event()

    def then(job: AsyncJobResult[int]) -> None:
        seen.append(add_one.submit(job.result()).result(timeout=20) if len(seen) == 0 else job)
        called.set()

    job = add_one.submit(1)
    job.add_done_callback(then)
    assert called.wait(20)
    job.add_done_callback(then)
    assert seen == [3, job]


def test_threads_share_a_handle() -> None:
    """Many threads may wait for one job; each gets the result."""
    job = cluster(lambda: [1]).submit()
    found: list[Any] = []
    threads = [threading.Thread(target=lambda: found.append(job.result(20))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [[1]] * 8


# -- a name for tomorrow


def test_pickled_handle_is_the_same_job(gate: Path) -> None:
    """A handle can be pickled while its job runs; what comes out waits for that job."""
    job = held.submit(str(gate))
    copy = pickle.loads(pickle.dumps(job))
    assert copy.id == job.id
    assert not copy.done()
    gate.touch()
    assert copy.result(20) is None


def test_another_process_attaches(gate: Path) -> None:
    """attach(id) in another process gives state, logs and result."""

    @cluster
    def speak(path: str) -> dict[str, int]:
        print("spoken")
        wait_for_file(path)
        return {"a": 1}

    job = speak.submit(str(gate))
    script = "from clustrix import attach; j = attach({!r}); print(j.name, {}, j.logs().strip())"
    wait_until(lambda: job.logs(), "it has printed")
    early = run_script(script.format(job.id, "j.state")).stdout
    assert early.split()[-2:] == ["RUNNING", "spoken"]
    gate.touch()
    late = run_script(script.format(job.id, "j.result(), j.state")).stdout
    assert late.endswith("speak {'a': 1} SUCCEEDED spoken\n")
    assert attach(job.id).result() == {"a": 1}


def test_unknown_id_names_the_nearest() -> None:
    """An id with a slip of the pen is answered with those that look like it."""
    job = add_one.submit(1)
    slipped = job.id[:-1] + ("0" if job.id[-1] != "0" else "1")
    with pytest.raises(UnknownJob) as caught:
        attach(slipped)
    assert job.id in caught.value.nearest
    assert job.id in str(caught.value)


# -- what it tells


def test_state_status_and_history_follow_the_job(tmp_path: Path, gate: Path) -> None:
    """CREATED, QUEUED with a reason, RUNNING, SUCCEEDED: each is in the journal, with its time, in order."""
    with everything_waits(tmp_path):
        job = held.submit(str(gate))
        wait_until(lambda: job.state is JobState.QUEUED, "it is queued")
        waiting = job.status()
        assert "waits for a core; 0 of" in waiting.reason
        assert waiting.started is None
        assert not job.running()
    wait_until(job.running, "it runs")
    assert not job.done()
    gate.touch()
    job.result(20)
    status = job.status()
    assert status.id == job.id
    assert status.state is JobState.SUCCEEDED
    assert status.started is not None
    assert status.ended is not None
    assert status.submitted <= status.started <= status.ended
    history = session().journal.history(job.id)
    assert [state for _, state, _ in history] == ["CREATED", "QUEUED", "RUNNING", "SUCCEEDED"]
    assert [at for at, _, _ in history] == sorted(at for at, _, _ in history)
    assert str(status) == f"{job.id} wait_for_file SUCCEEDED"
    assert repr(job) == f"<AsyncJobResult {job.id} wait_for_file SUCCEEDED>"


def test_early_timeout_leaves_the_job_running(gate: Path) -> None:
    """result(timeout=0.1) too early is a TimeoutError, the builtin one and that of futures, with the id; and the job goes on."""
    job = held.submit(str(gate))
    began = time.monotonic()
    with pytest.raises(TimeoutError, match=rf"{job.id}.*goes on"):
        job.result(timeout=0.1)
    with pytest.raises(FutureTimeoutError):
        job.exception(timeout=0)
    assert time.monotonic() - began < 2
    gate.touch()
    assert job.result(timeout=20) is None


def test_submitter_may_leave_at_once(tmp_path: Path) -> None:
    """A script that submits and ends takes nothing with it."""
    path = str(tmp_path / "runs")
    script = f"""
import os
from clustrix import cluster

os.chdir({str(tmp_path)!r})  # the script's own folder goes when it ends

@cluster
def work():
    open({path!r}, "a").write("run\\n")
    return 7

print(work.submit().id)
"""
    assert attach(run_script(script).stdout.strip()).result(timeout=20) == 7
    assert lines(path) == ["run"]


def test_timeout_may_be_as_long_as_one_likes() -> None:
    """Longer than the system can count: as none."""
    assert cluster(lambda: 7).submit().result(timeout=1e30) == 7
