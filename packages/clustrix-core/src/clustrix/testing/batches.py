"""Rules of batches and maps."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from clustrix.backends import Phase
from clustrix.errors import JobKilled
from clustrix.journal import JobState
from clustrix.testing import work
from clustrix.testing.bench import Bench


class BatchRules:
    """Many jobs at a time."""

    many: ClassVar[int] = 1000

    def test_empty_batches_are_nothing(self, bench: Bench) -> None:
        """Every method takes no jobs at all."""
        assert list(bench.adopt()) == []
        assert list(bench.submit()) == []
        assert list(bench.poll()) == []
        bench.fetch()
        bench.cancel()
        bench.clean()

    def test_each_job_has_its_own_fate(self, bench: Bench) -> None:
        """One batch of several fates: none has another's."""
        good, bad, gone = bench.job(work.identity, 1), bench.job(work.fail, "bad"), bench.job(work.leave, 1)
        jobs = bench.submit(good, bad, gone)
        bench.all_until(jobs, Phase.DONE)
        assert [bench.outcome(job).state for job in jobs] == [
            JobState.SUCCEEDED,
            JobState.FAILED,
            JobState.FAILED,
        ]
        assert bench.result(good) == 1

    def test_answers_come_in_the_order_of_the_questions(self, bench: Bench, tmp_path: Path) -> None:
        """Whatever order the jobs were submitted in."""
        gate = str(tmp_path / "gate")
        done = bench.submit(bench.job(work.identity, 1))[0]
        bench.until(done, Phase.DONE)
        waiting = bench.submit(bench.job(work.note_and_wait, str(tmp_path / "runs"), gate))[0]
        never = bench.job(work.identity, 2)
        for order in ([done, waiting, never], [never, waiting, done], [waiting, never, done]):
            phases = [status.phase for status in bench.poll(*order)]
            assert phases[order.index(done)] is Phase.DONE
            assert phases[order.index(waiting)] in (Phase.QUEUED, Phase.RUNNING)
            assert phases[order.index(never)] is Phase.GONE
        Path(gate).touch()
        bench.outcome(waiting)

    def test_job_that_was_never_submitted_is_gone(self, bench: Bench) -> None:
        """A place that does not know a job says so: it may have lost it."""
        assert bench.phase(bench.job(work.identity, 1)) is Phase.GONE

    def test_many_jobs(self, bench: Bench, tmp_path: Path) -> None:
        """Every one of them runs once and brings its own result."""
        jobs = [bench.job(work.identity, number) for number in range(self.many)]
        jobs = bench.submit(*jobs)
        bench.all_until(jobs, Phase.DONE)
        bench.fetch(*jobs)
        assert [bench.result(job) for job in jobs] == list(range(self.many))

    def test_map_brings_every_item(self, bench: Bench, tmp_path: Path) -> None:
        """Each item is called once, and has its own result."""
        job = bench.map(work.note_item, [(str(tmp_path / "item"), number) for number in range(50)])
        (job,) = bench.submit(job)
        assert bench.outcome(job).state is JobState.SUCCEEDED
        assert bench.items(job) == {number: number for number in range(50)}
        assert {path.read_text() for path in tmp_path.glob("item-*")} == {"run\n"}

    def test_map_keeps_what_succeeded(self, bench: Bench) -> None:
        """An item that fails takes no other with it."""
        (job,) = bench.submit(bench.map(work.fail_if_odd, range(10)))
        outcome = bench.outcome(job)
        assert (outcome.state, outcome.reason) == (JobState.FAILED, "5 of 10 items failed")
        found = bench.items(job)
        assert [found[number] for number in range(0, 10, 2)] == [0, 2, 4, 6, 8]
        assert all(isinstance(found[number], ValueError) for number in range(1, 10, 2))

    def test_map_survives_a_killed_worker(self, bench: Bench) -> None:
        """The item that a worker died in has failed; all others are there."""
        (job,) = bench.submit(bench.map(work.die_if, [(number, 3) for number in range(8)]))
        assert bench.outcome(job).reason == "1 of 8 items failed"
        found = bench.items(job)
        assert isinstance(found.pop(3), JobKilled)
        assert found == {number: number for number in (0, 1, 2, 4, 5, 6, 7)}

    def test_map_that_never_begins_ends(self, bench: Bench) -> None:
        """Workers that end before they have an item are not started for ever."""
        (job,) = bench.submit(bench.map(work.never_begun, range(20)))
        outcome = bench.outcome(job)
        assert outcome.state is JobState.FAILED
        assert "in a row ended before they began with it" in outcome.reason
        assert bench.items(job) == {}

    def test_map_of_nothing_succeeds(self, bench: Bench) -> None:
        """No items, no failure."""
        (job,) = bench.submit(bench.map(work.identity, []))
        assert bench.outcome(job).state is JobState.SUCCEEDED
