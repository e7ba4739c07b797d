"""What is PBS's own (a stand-in for it) in how jobs wait and end; ``test_ends`` has what all batch systems share."""

from __future__ import annotations

from pathlib import Path

import pytest

from clustrix import cluster
from clustrix.errors import JobCancelled, MemoryLimitExceeded
from tests.ssh.support import number_of, run_items_over_their_time, until
from tests.ssh.work import double, wait
from tests.testbed.pbs.cluster import Pbs

pytestmark = [
    pytest.mark.slow,
    pytest.mark.fault,
    pytest.mark.timeout(300),
    pytest.mark.usefixtures("state", "on_pbs"),
]


def test_call_runs_with_what_it_asked_for() -> None:
    """Nothing is installed there but Python: pain 3."""

    @cluster(cores=2, memory="1GB", time=60)
    def where() -> tuple[str | None, str | None, str | None]:
        import os

        return tuple(os.environ.get(name) for name in ("PBS_JOBID", "NCPUS", "OMP_NUM_THREADS"))

    number, cores, threads = where()
    assert number is not None
    assert number.endswith(".pbshost")
    assert (cores, threads) == ("2", "2")


def test_many_calls_are_one_array(pbs: Pbs) -> None:
    """Or a few, and separate jobs all the same."""
    before = set(pbs.run("qselect", "-x").stdout.split())
    jobs = [double.submit(number) for number in range(12)]
    assert [job.result(100) for job in jobs] == [2 * number for number in range(12)]
    new = set(pbs.run("qselect", "-x").stdout.split()) - before
    assert len(new) <= 3  # the first may have gone alone, before the others came
    assert any("[]" in one for one in new)


def test_too_much_memory_is_told() -> None:
    """By class: pain 7."""

    @cluster(memory="300MB")
    def hold() -> int:
        import time

        data = bytearray(b"x") * (1 << 30)
        time.sleep(20)
        return len(data)

    with pytest.raises(MemoryLimitExceeded):
        hold.submit().result(100)


def test_deletion_while_it_waits_is_told(pbs: Pbs) -> None:
    """It had not begun."""
    job = double.options(cores=64).submit(1)
    until(lambda: "QUEUED" in str(job.status()), 60)
    pbs.run("qdel", number_of(pbs, "double"))
    with pytest.raises(JobCancelled, match="not by clustrix"):
        job.result(200)


def test_job_that_is_queued_again_runs_again(pbs: Pbs, open_path: Path) -> None:
    """By an administrator, as often as that may be: PBS does not count it."""
    begun = open_path / "begun"
    job = wait.submit(12, str(begun))
    for run in (1, 2, 3):
        until(lambda: begun.exists() and begun.read_text() == "run\n" * run, 60)  # noqa: B023 -- called at once
        if run < 3:
            pbs.run("qrerun", number_of(pbs, "wait"))
    assert job.result(100) == "slept"
    assert begun.read_text() == "run\n" * 3


def test_item_over_a_full_minute_runs_once(open_path: Path) -> None:
    """Its element has no more time than that."""
    run_items_over_their_time(60, open_path)
