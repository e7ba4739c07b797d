"""The hand on the brake: cancel and Ctrl-C."""

from __future__ import annotations

import os
import signal
import time
from concurrent.futures import CancelledError
from pathlib import Path

import pytest

from clustrix import JobState, attach, cluster
from clustrix.errors import JobCancelled
from tests.core.support import (
    add_line,
    alive,
    everything_waits,
    lines,
    newest_job,
    run_script,
    running_script,
    wait_until,
)

pytestmark = pytest.mark.usefixtures("state")

add_one = cluster(lambda a: a + 1)


def test_cancelled_queued_job_never_runs(tmp_path: Path, runs: str) -> None:
    """What waits and is cancelled ends as CANCELLED, without a run."""
    with everything_waits(tmp_path):
        job = cluster(lambda: add_line(runs)).submit()
        assert job.cancel() is True
        with pytest.raises(JobCancelled, match="was cancelled"):
            job.result(20)
    assert job.cancelled()
    assert job.state is JobState.CANCELLED
    add_one(1)
    assert lines(runs) == []


@cluster
def stubborn(folder: str) -> None:
    """Starts a child that makes a session of its own, and says so; ignores nothing, but cleans up."""
    import subprocess

    child = subprocess.Popen(["sleep", "1000"], start_new_session=True)
    add_line(os.path.join(folder, "pids"), f"{os.getpid()}\n{child.pid}")
    try:
        time.sleep(1000)
    finally:
        add_line(os.path.join(folder, "cleaned"))


def test_cancelled_running_job_ends_with_its_tree(tmp_path: Path) -> None:
    """cancel() lets ``finally`` blocks run, then ends the job's process and its children, also those of other sessions."""
    job = stubborn.submit(str(tmp_path))
    wait_until(lambda: len(lines(tmp_path / "pids")) == 2, "it runs")
    assert job.cancel() is True
    with pytest.raises(CancelledError):
        job.result(20)
    with pytest.raises(JobCancelled):
        job.exception()
    assert job.cancelled()
    assert job.done()
    pids = [int(line) for line in lines(tmp_path / "pids")]
    wait_until(lambda: not any(map(alive, pids)), "its tree is gone")
    assert lines(tmp_path / "cleaned") == ["run"]
    assert job.cancel() is True


def test_cancel_holds_though_its_process_dies_before_the_word_is_said(tmp_path: Path) -> None:
    """As `clustrix cancel` may: the wish is in the journal, and its reader looks there when a line breaks."""
    job = stubborn.submit(str(tmp_path))
    wait_until(lambda: len(lines(tmp_path / "pids")) == 2, "it runs")
    script = (
        "import os\nfrom clustrix import attach\n"
        f"job = attach({job.id!r})\n"
        "job._home.journal.request_cancel(job.id)\n"
        "os._exit(0)"
    )
    run_script(script)
    with pytest.raises(JobCancelled):
        job.result(20)


def test_job_that_ignores_the_signal_is_killed(tmp_path: Path) -> None:
    """One that takes SIGINT and goes on is ended all the same, in a few seconds."""

    @cluster
    def deaf(path: str) -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        add_line(path)
        time.sleep(1000)

    job = deaf.submit(str(tmp_path / "runs"))
    wait_until(lambda: lines(tmp_path / "runs"), "it runs")
    job.cancel()
    with pytest.raises(JobCancelled):
        job.result(20)


def test_cancel_after_the_end_is_refused() -> None:
    """A job that has come to its end stays as it ended."""
    job = add_one.submit(1)
    job.result(20)
    assert job.cancel() is False
    assert job.result() == 2
    assert not job.cancelled()


def test_what_cancel_says_is_what_happens() -> None:
    """Jobs are cancelled in the moment in which they end: True means JobCancelled, False means the result, each time."""

    @cluster
    def quick(n: int) -> int:
        return n

    quick(0)
    for number in range(20):
        jobs = [quick.submit(n) for n in range(5)]
        time.sleep(number * 0.001)
        said = [job.cancel() for job in jobs]
        for n, job in enumerate(jobs):
            if said[n]:
                with pytest.raises(JobCancelled):
                    job.result(20)
            else:
                assert job.result(20) == n
            assert job.cancelled() is said[n]


INTERRUPTED = """
import os, time
from clustrix import cluster

@cluster
def work(folder):
    import subprocess
    child = subprocess.Popen(["sleep", "1000"], start_new_session=True)
    with open(folder + "/pids", "w") as file:
        file.write(f"{{os.getpid()}}\\n{{child.pid}}\\n")
    while not os.path.exists(folder + "/gate"):
        time.sleep(0.01)
    child.kill()
    child.wait()
    return "done"

{call}
"""


def test_ctrl_c_while_waiting_detaches(tmp_path: Path) -> None:
    """Ctrl-C in result() stops the waiting: it says the id and how to cancel, and the job goes on."""
    call = f"job = work.submit({str(tmp_path)!r}); print(job.id, flush=True); job.result()"
    with running_script(INTERRUPTED.format(call=call)) as script:
        assert script.stdout is not None
        job = attach(script.stdout.readline().strip())
        wait_until(lambda: len(lines(tmp_path / "pids")) == 2, "it runs")
        script.send_signal(signal.SIGINT)
        _, errors = script.communicate(timeout=20)
    assert "KeyboardInterrupt" in errors
    assert f"job {job.id} (work) goes on" in errors
    assert f"clustrix.attach({job.id!r}).cancel()" in errors
    assert job.state is JobState.RUNNING
    (tmp_path / "gate").touch()
    assert job.result(20) == "done"


def test_ctrl_c_in_a_call_cancels(state: Path, tmp_path: Path) -> None:
    """Ctrl-C in f(x) ends the job and all its processes, as it would end a local call."""
    with running_script(INTERRUPTED.format(call=f"work({str(tmp_path)!r})")) as script:
        wait_until(lambda: len(lines(tmp_path / "pids")) == 2, "it runs")
        pids = [int(line) for line in lines(tmp_path / "pids")]
        assert all(map(alive, pids))
        script.send_signal(signal.SIGINT)
        _, errors = script.communicate(timeout=20)
    assert script.returncode != 0
    assert "KeyboardInterrupt" in errors
    wait_until(lambda: not any(map(alive, pids)), "its tree is gone")
    assert attach(newest_job(state)).state is JobState.CANCELLED
