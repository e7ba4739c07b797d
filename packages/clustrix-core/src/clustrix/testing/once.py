"""Rules of once: whatever is repeated, and whoever is killed, a job runs one time."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from clustrix.backends import Phase
from clustrix.testing import work
from clustrix.testing.bench import Bench

_QUIET_SECONDS = 1.0
"""A second run would have begun by then."""


def runs(path: Path) -> int:
    """How many have been counted."""
    return len(path.read_text().splitlines()) if path.exists() else 0


class OnceRules:
    """Repetition, and dispatchers that come and go."""

    def test_submitted_twice_runs_once(self, bench: Bench, tmp_path: Path) -> None:
        """A dispatcher that was killed before it could note a submission makes it again."""
        count = tmp_path / "runs"
        job = bench.job(work.note, str(count))
        bench.submit(job)
        bench.submit(job)
        bench.result(job)
        time.sleep(_QUIET_SECONDS)
        assert runs(count) == 1

    def test_twice_in_one_batch_of_many_runs_once(self, bench: Bench, tmp_path: Path) -> None:
        """As one of several, too."""
        counts = [tmp_path / f"runs-{number}" for number in range(5)]
        jobs = [bench.job(work.note, str(count)) for count in counts]
        bench.submit(*jobs[:3])
        bench.submit(*jobs)
        for job in jobs:
            bench.result(job)
        time.sleep(_QUIET_SECONDS)
        assert [runs(count) for count in counts] == [1] * 5

    def test_submitted_again_while_it_runs(self, bench: Bench, tmp_path: Path) -> None:
        """It goes on, and is not begun again."""
        count, gate = tmp_path / "runs", tmp_path / "gate"
        (job,) = bench.submit(bench.job(work.note_and_wait, str(count), str(gate)))
        bench.until(job, Phase.RUNNING)
        (job,) = bench.submit(job)
        time.sleep(_QUIET_SECONDS)
        assert bench.phase(job) is Phase.RUNNING
        gate.touch()
        bench.result(job)
        assert runs(count) == 1

    def test_submitted_again_when_it_is_done(self, bench: Bench, tmp_path: Path) -> None:
        """Its result stays."""
        count = tmp_path / "runs"
        (job,) = bench.submit(bench.job(work.note, str(count)))
        bench.until(job, Phase.DONE)
        (job,) = bench.submit(job)
        time.sleep(_QUIET_SECONDS)
        assert bench.phase(job) is Phase.DONE
        assert bench.result(job) == str(count)
        assert runs(count) == 1

    def test_new_dispatcher_finds_running_jobs(self, bench: Bench, tmp_path: Path) -> None:
        """They go on without anybody, and the next one has their results."""
        count, gate = tmp_path / "runs", tmp_path / "gate"
        (job,) = bench.submit(bench.job(work.note_and_wait, str(count), str(gate)))
        bench.until(job, Phase.RUNNING)
        bench.leave()
        bench.come()
        (job,) = bench.adopt(job)
        assert bench.phase(job) is Phase.RUNNING
        gate.touch()
        assert bench.result(job) == str(count)
        assert runs(count) == 1

    def test_new_dispatcher_finds_finished_jobs(self, bench: Bench, tmp_path: Path) -> None:
        """A result waits for who comes."""
        count, gate = tmp_path / "runs", tmp_path / "gate"
        (job,) = bench.submit(bench.job(work.note_and_wait, str(count), str(gate)))
        bench.until(job, Phase.RUNNING)
        bench.leave()
        bench.come()
        gate.touch()
        time.sleep(_QUIET_SECONDS)
        (job,) = bench.adopt(job)
        assert bench.result(job) == str(count)
        assert runs(count) == 1

    def test_new_dispatcher_begins_what_was_not_begun(self, bench: Bench, tmp_path: Path) -> None:
        """A job that only the journal knows is adopted, and runs."""
        count = tmp_path / "runs"
        job = bench.job(work.note, str(count))
        (job,) = bench.adopt(job)
        bench.result(job)
        assert runs(count) == 1

    def test_new_dispatcher_knows_a_running_map(self, bench: Bench, tmp_path: Path) -> None:
        """All its items are called once."""
        job = bench.map(work.note_item, [(str(tmp_path / "item"), number) for number in range(40)])
        (job,) = bench.submit(job)
        bench.leave()
        bench.come()
        (job,) = bench.adopt(job)
        bench.outcome(job)
        assert bench.items(job) == {number: number for number in range(40)}
        assert {path.read_text() for path in tmp_path.glob("item-*")} == {"run\n"}

    @pytest.mark.parametrize("milliseconds", [1, 3, 10, 30, 100])
    def test_killed_in_the_middle_of_a_submission(
        self, bench: Bench, tmp_path: Path, milliseconds: int
    ) -> None:
        """Whenever the dispatcher is killed, the next one goes on: each job runs once."""
        counts = [tmp_path / f"runs-{number}" for number in range(10)]
        jobs = [bench.job(work.note, str(count)) for count in counts]
        bench.leave()
        pid = os.fork()
        if pid == 0:
            try:
                twin = Bench(bench._make, bench._settings)
                twin.submit(*jobs)
                time.sleep(60)
            finally:
                os._exit(0)
        time.sleep(milliseconds / 1000)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        bench.come()
        jobs = bench.adopt(*jobs)
        for job in jobs:
            bench.result(job)
        time.sleep(_QUIET_SECONDS)
        assert [runs(count) for count in counts] == [1] * 10
