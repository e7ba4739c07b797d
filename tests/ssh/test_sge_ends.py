"""How jobs wait and end on a real SGE, and what their submitters are told: through the dispatcher, over SSH, as users do it."""

from __future__ import annotations

from pathlib import Path

import pytest

from clustrix import cluster
from clustrix.errors import JobCancelled, JobKilled, JobNotStarted, MemoryLimitExceeded, TimeLimitExceeded
from tests.ssh.support import until
from tests.ssh.work import double, note, tell_and_linger, wait
from tests.testbed.sge import Sge

pytestmark = [
    pytest.mark.slow,
    pytest.mark.fault,
    pytest.mark.timeout(300),
    pytest.mark.usefixtures("state", "on_sge"),
]


def _number(sge: Sge, name: str) -> str:
    rows = [line.split() for line in sge.run_as_user("qstat").stdout.splitlines()[2:]]
    return next(row[0] for row in rows if row[2].startswith(name[:10]))


def test_call_runs_on_the_host_of_the_cluster() -> None:
    """Nothing is installed there but Python: pain 3."""

    @cluster
    def where() -> tuple[str, str | None]:
        import os
        import platform

        return platform.node(), os.environ.get("JOB_ID")

    host, number = where()
    assert host == "sgehost"
    assert number is not None


def test_exception_comes_home() -> None:
    """As from a local call."""

    @cluster
    def fail() -> None:
        raise LookupError("no such thing")

    with pytest.raises(LookupError, match="no such thing"):
        fail()


def test_map_runs_each_item_once(open_path: Path) -> None:
    """As one array of few elements."""
    items = list(range(40))
    assert list(note.map(items, folder=str(open_path)).result(150)) == items
    assert {path.read_text() for path in open_path.iterdir()} == {"run\n"}


def test_job_that_can_never_run_says_why() -> None:
    """In the scheduler's words: pain 34."""
    job = double.options(cores=64).submit(1)
    until(lambda: "only offers 0 slots" in (job.status().reason or ""), 60)
    job.cancel()


def test_held_job_says_so(sge: Sge) -> None:
    """It waits for its user."""
    job = double.options(scheduler_options={"h": True}).submit(4)
    until(lambda: "it is held" in (job.status().reason or ""), 60)
    sge.run_as_user("qrls", _number(sge, "double"))
    assert job.result(100) == 8


def test_queue_that_does_not_exist_is_refused_in_its_words() -> None:
    """At once, and not tried again."""
    with pytest.raises(JobNotStarted, match="nosuch"):
        double.options(queue="nosuch").submit(1).result(60)


def test_too_much_memory_is_told() -> None:
    """SGE limits the address space; Python meets that as a MemoryError: pain 7."""

    @cluster(memory="400MB")
    def hold() -> int:
        return len(bytearray(1 << 30))

    with pytest.raises(MemoryLimitExceeded, match="address space"):
        hold.submit().result(100)


def test_time_limit_is_told() -> None:
    """By class: pain 7."""
    with pytest.raises(TimeLimitExceeded):
        wait.options(time=3).submit(100).result(100)


def test_deletion_by_hand_is_told(sge: Sge, open_path: Path) -> None:
    """With what the accounts say; SGE does not tell who it was."""
    begun = open_path / "begun"
    job = wait.submit(100, str(begun))
    until(begun.exists, 60)
    sge.run_as_user("qdel", _number(sge, "wait"))
    with pytest.raises(JobCancelled, match=r"not by clustrix.*qacct"):
        job.result(200)


def test_kill_from_inside_is_told(open_path: Path) -> None:
    """With what the accounts say: pain 7."""

    @cluster
    def kill_all() -> None:
        import os
        import signal

        os.kill(os.getppid(), signal.SIGKILL)

    with pytest.raises(JobKilled, match="qacct"):
        kill_all.submit().result(200)


def test_master_that_is_away_for_a_while_harms_nothing(sge: Sge, open_path: Path) -> None:
    """Jobs that run go on, those that are submitted wait; each runs once."""
    begun = open_path / "begun"
    running = wait.submit(8, str(begun))
    until(begun.exists, 60)
    sge.stop_master()
    try:
        later = wait.submit(0, str(open_path / "later"))
        assert running.result(100) == "slept"
    finally:
        sge.start_master()
    assert later.result(200) == "slept"
    assert begun.read_text() == (open_path / "later").read_text() == "run\n"


def test_item_over_its_time_runs_once(open_path: Path) -> None:
    """Though its element is at its end with it."""
    path = open_path / "runs"
    path.touch()
    path.chmod(0o666)
    jobs = tell_and_linger.options(time=4, on_error="collect").map(range(4), path=str(path))
    errors = [jobs.error(number, 200) for number in range(4)]
    kinds = [type(error).__name__ for error in errors]
    assert kinds == ["NoneType", "NoneType", "TimeLimitExceeded", "NoneType"], errors
    assert sorted(path.read_text().split()) == ["0", "1", "2", "3"]
