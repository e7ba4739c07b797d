"""Rules of leaving: nothing is lost while it is wanted, nothing stays when it is not."""

from __future__ import annotations

import os
from pathlib import Path

from clustrix.backends import Phase
from clustrix.runner import layout
from clustrix.testing import work
from clustrix.testing.bench import Bench


class LeavingRules:
    """Fetching, cleaning, closing."""

    def test_result_can_be_fetched_again(self, bench: Bench) -> None:
        """The dispatcher may be killed between fetching and committing."""
        (job,) = bench.submit(bench.job(work.identity, "again"))
        assert bench.result(job) == "again"
        bench.fetch(job)
        assert bench.result(job) == "again"

    def test_cleaned_job_leaves_nothing_behind(self, bench: Bench) -> None:
        """No file in the backend's folder names it, nor any process."""
        (job,) = bench.submit(bench.job(work.identity, 1))
        bench.outcome(job)
        bench.clean(job)
        folder = bench.journal.place.root
        left = [path for path in Path(folder, "backends").rglob("*") if job.id in str(path)]
        assert left == []

    def test_cleaned_twice(self, bench: Bench) -> None:
        """The second time is nothing, and so is a job that never was."""
        (job,) = bench.submit(bench.job(work.identity, 1))
        bench.outcome(job)
        bench.clean(job)
        bench.clean(job)
        bench.clean(bench.job(work.identity, 2))

    def test_cleaning_one_leaves_the_others(self, bench: Bench, tmp_path: Path) -> None:
        """Those that run go on; those that are done keep their results."""
        gate = tmp_path / "gate"
        done, kept, runs = bench.submit(
            bench.job(work.identity, 1),
            bench.job(work.identity, 2),
            bench.job(work.note_and_wait, str(tmp_path / "runs"), str(gate)),
        )
        bench.all_until([done, kept], Phase.DONE)
        bench.fetch(done, kept)
        bench.clean(done)
        assert bench.result(kept) == 2
        gate.touch()
        assert bench.result(runs) == str(tmp_path / "runs")

    def test_result_is_whole_or_absent(self, bench: Bench) -> None:
        """While a large one is being written, fetch() never brings a part of it under its final name."""
        size = 30_000_000
        (job,) = bench.submit(bench.job(work.many_bytes, size))
        while bench.phase(job) is not Phase.DONE:
            bench.fetch(job)
            if os.path.exists(job.file(layout.RESULT)):
                assert os.path.getsize(job.file(layout.RESULT)) > size
        assert len(bench.result(job)) == size
