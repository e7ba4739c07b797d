"""Rules of a connection that is lost: what cannot be asked is not gone, and a call whose answer never came is made again."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from clustrix.backends import HostUnreachable, Phase
from clustrix.testing import work
from clustrix.testing.bench import Bench

_QUIET_SECONDS = 0.5
_ATTEMPTS = 3

Cut = Callable[[], AbstractContextManager[None]]


class ConnectionRules:
    """Every kind of call, in a time without a connection and after it.

    Of the calls in that time, those with even numbers reach the place and their answer is lost, the others do not reach it.  A backend that
    has a real connection overrides the fixture ``cut``, and has it cut.
    """

    @pytest.fixture
    def cut(self, bench: Bench) -> Cut:
        """Makes a context within which the place cannot be reached."""
        return bench.without_answers

    def test_connection_is_lost_during_a_submission(self, bench: Bench, cut: Cut, tmp_path: Path) -> None:
        """Whether it came through is not known; made again, it is nothing if it did."""
        counts = [tmp_path / f"runs-{number}" for number in range(5)]
        jobs = [bench.job(work.note, str(count)) for count in counts]
        with cut():
            _try(lambda: bench.submit(*jobs))
        jobs = bench.submit(*jobs)
        for job in jobs:
            bench.result(job)
        time.sleep(_QUIET_SECONDS)
        assert [len(count.read_text().splitlines()) for count in counts] == [1] * 5

    def test_connection_is_lost_while_jobs_run(self, bench: Bench, cut: Cut, tmp_path: Path) -> None:
        """poll() raises HostUnreachable, and says nothing of the jobs; they go on meanwhile."""
        count, gate = tmp_path / "runs", tmp_path / "gate"
        (job,) = bench.submit(bench.job(work.note_and_wait, str(count), str(gate)))
        bench.until(job, Phase.RUNNING)
        with cut():
            time.sleep(_QUIET_SECONDS)  # what was told a moment ago need not be asked for again
            for _ in range(_ATTEMPTS):
                with pytest.raises(HostUnreachable):
                    bench.poll(job)
            gate.touch()
            time.sleep(_QUIET_SECONDS)
        assert bench.result(job) == str(count)
        assert count.read_text() == "run\n"

    def test_connection_is_lost_during_a_fetch(self, bench: Bench, cut: Cut) -> None:
        """What has come of it does no harm: the result is fetched again, whole."""
        size = 5_000_000
        (job,) = bench.submit(bench.job(work.many_bytes, size))
        bench.until(job, Phase.DONE)
        with cut():
            _try(lambda: bench.fetch(job))
        assert len(bench.result(job)) == size

    def test_connection_is_lost_during_a_cancellation(self, bench: Bench, cut: Cut, tmp_path: Path) -> None:
        """Made again, it ends the job, or finds that it has ended."""
        (job,) = bench.submit(bench.job(work.note_and_wait, str(tmp_path / "runs"), str(tmp_path / "gate")))
        bench.until(job, Phase.RUNNING)
        with cut():
            _try(lambda: bench.cancel(job))
        bench.cancel(job)
        assert bench.until(job, Phase.DONE, Phase.GONE)

    def test_connection_is_lost_while_cleaning(self, bench: Bench, cut: Cut) -> None:
        """Made again, it removes what is left; another job is not touched."""
        (job, other) = bench.submit(bench.job(work.identity, 1), bench.job(work.identity, 2))
        bench.outcome(job)
        bench.until(other, Phase.DONE)
        with cut():
            _try(lambda: bench.clean(job))
        bench.clean(job)
        left = [path for path in Path(bench.journal.place.root, "backends").rglob("*") if job.id in str(path)]
        assert left == []
        assert bench.result(other) == 2


def _try(call: Callable[[], object]) -> None:
    """As the dispatcher does it: a place that cannot be asked now is asked again."""
    for _ in range(_ATTEMPTS):
        with pytest.raises(HostUnreachable):
            call()
