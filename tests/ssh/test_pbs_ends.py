"""How jobs wait and end on PBS (a stand-in for it), and what their submitters are told: through the dispatcher, over SSH, as users do it."""

from __future__ import annotations

from pathlib import Path

import pytest

from clustrix import cluster
from clustrix.errors import JobCancelled, JobKilled, JobNotStarted, MemoryLimitExceeded, TimeLimitExceeded
from tests.ssh.support import until
from tests.ssh.work import double, note, tell_and_linger, wait
from tests.testbed.pbs.cluster import Pbs

pytestmark = [
    pytest.mark.slow,
    pytest.mark.fault,
    pytest.mark.timeout(300),
    pytest.mark.usefixtures("state", "on_pbs"),
]


def _id(pbs: Pbs, name: str) -> str:
    rows = [line.split() for line in pbs.run_as_user("qstat").stdout.splitlines()[2:]]
    return next(row[0] for row in rows if row[1].startswith(name))


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


def test_many_calls_are_one_array(pbs: Pbs) -> None:
    """Or a few, and separate jobs all the same."""
    before = set(pbs.run("qselect", "-x").stdout.split())
    jobs = [double.submit(number) for number in range(12)]
    assert [job.result(100) for job in jobs] == [2 * number for number in range(12)]
    new = set(pbs.run("qselect", "-x").stdout.split()) - before
    assert len(new) <= 3  # the first may have gone alone, before the others came
    assert any("[]" in one for one in new)


def test_job_that_can_never_run_says_why() -> None:
    """In the scheduler's words: pain 34."""
    job = double.options(cores=64).submit(1)
    until(lambda: "Can Never Run: Insufficient amount of resource: ncpus" in (job.status().reason or ""), 60)
    job.cancel()


def test_held_job_says_so(pbs: Pbs) -> None:
    """It waits for its user."""
    job = double.options(scheduler_options={"h": True}).submit(4)
    until(lambda: "it is held" in (job.status().reason or ""), 60)
    pbs.run_as_user("qrls", _id(pbs, "double"))
    assert job.result(100) == 8


def test_queue_that_does_not_exist_is_refused_in_its_words() -> None:
    """At once, and not tried again."""
    with pytest.raises(JobNotStarted, match="Unknown queue"):
        double.options(queue="nosuch").submit(1).result(60)


def test_time_limit_is_told() -> None:
    """By class: pain 7."""
    with pytest.raises(TimeLimitExceeded):
        wait.options(time=3).submit(100).result(100)


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


def test_deletion_by_hand_is_told(pbs: Pbs, open_path: Path) -> None:
    """With who it was."""
    begun = open_path / "begun"
    job = wait.submit(100, str(begun))
    until(begun.exists, 60)
    pbs.run("qdel", _id(pbs, "wait"))
    with pytest.raises(JobCancelled, match=r"by user root, not by clustrix.*terminated by root"):
        job.result(200)


def test_deletion_while_it_waits_is_told(pbs: Pbs) -> None:
    """It had not begun."""
    job = double.options(cores=64).submit(1)
    until(lambda: "QUEUED" in str(job.status()), 60)
    pbs.run("qdel", _id(pbs, "double"))
    with pytest.raises(JobCancelled, match="not by clustrix"):
        job.result(200)


def test_kill_from_inside_is_told(open_path: Path) -> None:
    """With what the history says: pain 7."""

    @cluster
    def kill_all() -> None:
        import os
        import signal

        os.kill(os.getppid(), signal.SIGKILL)

    with pytest.raises(JobKilled, match="Exit_status 137"):
        kill_all.submit().result(200)


def test_job_that_is_queued_again_runs_again(pbs: Pbs, open_path: Path) -> None:
    """By an administrator, as often as that may be: PBS does not count it."""
    begun = open_path / "begun"
    job = wait.submit(12, str(begun))
    for run in (1, 2, 3):
        until(lambda: begun.exists() and begun.read_text() == "run\n" * run, 60)  # noqa: B023 -- called at once
        if run < 3:
            pbs.run("qrerun", _id(pbs, "wait"))
    assert job.result(100) == "slept"
    assert begun.read_text() == "run\n" * 3


def test_server_that_is_away_for_a_while_harms_nothing(pbs: Pbs, open_path: Path) -> None:
    """Jobs that run go on, those that are submitted wait; each runs once."""
    begun = open_path / "begun"
    running = wait.submit(8, str(begun))
    until(begun.exists, 60)
    pbs.stop_server()
    try:
        later = wait.submit(0, str(open_path / "later"))
        assert running.result(100) == "slept"
    finally:
        pbs.start_server()
    assert later.result(200) == "slept"
    assert begun.read_text() == (open_path / "later").read_text() == "run\n"


@pytest.mark.parametrize("seconds", [4, 60])
def test_item_over_its_time_runs_once(seconds: int, open_path: Path) -> None:
    """Though its element is at its end with it."""
    path = open_path / "runs"
    path.touch()
    path.chmod(0o666)
    jobs = tell_and_linger.options(time=seconds, on_error="collect").map(range(4), path=str(path))
    errors = [jobs.error(number, 200) for number in range(4)]
    kinds = [type(error).__name__ for error in errors]
    assert kinds == ["NoneType", "NoneType", "TimeLimitExceeded", "NoneType"], errors
    assert sorted(path.read_text().split()) == ["0", "1", "2", "3"]
