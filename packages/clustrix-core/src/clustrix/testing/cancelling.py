"""Rules of cancelling."""

from __future__ import annotations

import os
import time
from pathlib import Path

from clustrix.backends import Phase
from clustrix.testing import work
from clustrix.testing.bench import Bench
from clustrix.testing.once import runs

_QUIET_SECONDS = 1.0


class CancelRules:
    """A job that shall end ends, wherever it is, and no other does."""

    def test_job_is_cancelled_right_after_its_submission(self, bench: Bench, tmp_path: Path) -> None:
        """Whether it had begun or not, it ends."""
        (job,) = bench.submit(bench.job(work.note_and_wait, str(tmp_path / "runs"), str(tmp_path / "gate")))
        bench.cancel(job)
        bench.until(job, Phase.GONE, Phase.DONE)

    def test_cancelled_job_is_never_begun_later(self, bench: Bench, tmp_path: Path) -> None:
        """One that waited has not run, and does not when it is submitted again."""
        count, gate = tmp_path / "runs", tmp_path / "gate"
        held = [bench.job(work.note_and_wait, str(tmp_path / f"h{n}"), str(gate)) for n in range(64)]
        held = bench.submit(*held)
        job = bench.submit(bench.job(work.note, str(count)))[0]
        bench.cancel(job)
        bench.until(job, Phase.GONE, Phase.DONE)
        before = runs(count)
        bench.submit(job)
        bench.cancel(*held)
        gate.touch()
        bench.all_until(held, Phase.GONE, Phase.DONE)
        time.sleep(_QUIET_SECONDS)
        assert runs(count) == before

    def test_running_job_ends(self, bench: Bench, tmp_path: Path) -> None:
        """It gets an interrupt first: its ``finally`` blocks run."""
        begun, tidied = tmp_path / "begun", tmp_path / "tidied"
        (job,) = bench.submit(bench.job(work.wait_and_tidy, str(begun), str(tidied)))
        bench.until(job, Phase.RUNNING)
        _wait_for(begun)
        bench.cancel(job)
        bench.until(job, Phase.GONE, Phase.DONE)
        assert tidied.exists()

    def test_children_end_with_the_job(self, bench: Bench, tmp_path: Path) -> None:
        """Also one that made a session of its own."""
        path = tmp_path / "pid"
        (job,) = bench.submit(bench.job(work.parent_of_a_sleeper, str(path)))
        _wait_for(path)
        bench.cancel(job)
        bench.until(job, Phase.GONE, Phase.DONE)
        deadline = time.monotonic() + 10
        while _lives(int(path.read_text())):
            assert time.monotonic() < deadline, "a child of the job lives on"
            time.sleep(0.05)

    def test_finished_job_keeps_its_result(self, bench: Bench) -> None:
        """A cancellation that comes too late changes nothing."""
        (job,) = bench.submit(bench.job(work.identity, 7))
        bench.until(job, Phase.DONE)
        bench.cancel(job)
        assert bench.result(job) == 7

    def test_cancelled_twice(self, bench: Bench, tmp_path: Path) -> None:
        """The second time is nothing."""
        (job,) = bench.submit(bench.job(work.note_and_wait, str(tmp_path / "runs"), str(tmp_path / "gate")))
        bench.until(job, Phase.RUNNING)
        bench.cancel(job)
        bench.cancel(job)
        bench.until(job, Phase.GONE, Phase.DONE)
        bench.cancel(job)

    def test_unknown_job_is_no_error(self, bench: Bench) -> None:
        """It may have ended and been cleaned away."""
        bench.cancel(bench.job(work.identity, 1))

    def test_others_go_on(self, bench: Bench, tmp_path: Path) -> None:
        """Of a batch, only those that were named end."""
        gate = tmp_path / "gate"
        one, other = bench.submit(
            bench.job(work.note_and_wait, str(tmp_path / "one"), str(gate)),
            bench.job(work.note_and_wait, str(tmp_path / "other"), str(gate)),
        )
        bench.cancel(one)
        bench.until(one, Phase.GONE, Phase.DONE)
        assert bench.phase(other) in (Phase.QUEUED, Phase.RUNNING)
        gate.touch()
        assert bench.result(other) == str(tmp_path / "other")

    def test_map_ends(self, bench: Bench) -> None:
        """With all of its workers."""
        (job,) = bench.submit(bench.map(work.wait, [60.0] * 20))
        bench.until(job, Phase.RUNNING)
        bench.cancel(job)
        bench.until(job, Phase.GONE, Phase.DONE)


def _wait_for(path: Path) -> None:
    deadline = time.monotonic() + 60
    while not path.exists():
        assert time.monotonic() < deadline, f"no {path.name}"
        time.sleep(0.01)


def _lives(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return os.path.exists(f"/proc/{pid}")
