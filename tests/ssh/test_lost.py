"""What is said of a job that has left its queue without a result."""

from __future__ import annotations

import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from clustrix_ssh.lost import ENDED_SECONDS, Left, decide
from clustrix_ssh.schedulers.interface import Cause, End


def test_result_that_found_no_room_is_not_waited_for(tmp_path: Path) -> None:
    """The job has said so by its exit code; it was told as lost, after two minutes."""
    job: Any = SimpleNamespace(memory_bytes=None, time_s=None, folder=str(tmp_path))
    end = End(Cause.EXITED, 74, None, None, "n1", "", "sacct: State FAILED, ExitCode 74:0")
    young, old = Left(time.monotonic()), Left(time.monotonic() - ENDED_SECONDS)
    assert decide(job, young, end, begun=True, said="", system="Slurm").verdict is None
    found = decide(job, old, end, begun=True, said="", system="Slurm").verdict
    assert found is not None
    assert "ResultNotStored" in found.record


def test_job_that_was_begun_was_started(tmp_path: Path) -> None:
    """Slurm calls it a failed launch when all of a job's processes are killed, its own among them; it was told as not started."""
    job: Any = SimpleNamespace(memory_bytes=None, time_s=None, folder=str(tmp_path))
    end = End(Cause.REFUSED, 0, 9, None, "n1", "", "scontrol: JobState FAILED, Reason JobLaunchFailure")
    old = Left(time.monotonic() - ENDED_SECONDS)
    told = [decide(job, old, end, begun=begun, said="", system="Slurm").verdict for begun in (True, False)]
    assert told[0] is not None
    assert told[1] is not None
    assert "JobKilled" in told[0].record
    assert "JobNotStarted" in told[1].record
