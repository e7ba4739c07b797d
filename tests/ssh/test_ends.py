"""How jobs wait and end on a real SGE and on a stand-in for PBS, and what their submitters are told: through the dispatcher, over SSH, as users do it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from clustrix import cluster
from clustrix.errors import JobCancelled, JobKilled, JobNotStarted, TimeLimitExceeded
from tests.ssh.support import number_of, run_items_over_their_time, until
from tests.ssh.work import double, note, wait
from tests.testbed.pbs.cluster import Pbs
from tests.testbed.sge import Sge

pytestmark = [pytest.mark.slow, pytest.mark.fault, pytest.mark.timeout(300)]


class Place(NamedTuple):
    """A batch system, and its own words."""

    system: Sge | Pbs
    stop: Callable[[], None]
    start: Callable[[], None]
    delete: Callable[..., Any]
    """Runs its ``qdel``: as the user, or as root where it tells who that was."""
    can_never_run: str
    unknown_queue: str
    deleted: str
    killed: str


@pytest.fixture(params=["pbs", "sge"])
def place(request: pytest.FixtureRequest, fresh_state: Path) -> Place:
    """Jobs go there, by a dispatcher of their own: it knows the hosts that are known when it starts."""
    request.getfixturevalue(f"on_{request.param}")
    if request.param == "sge":
        sge: Sge = request.getfixturevalue("sge")
        words = ("only offers 0 slots", "nosuch", r"not by clustrix.*qacct", "qacct")
        return Place(sge, sge.stop_master, sge.start_master, sge.run_as_user, *words)
    pbs: Pbs = request.getfixturevalue("pbs")
    never = "Can Never Run: Insufficient amount of resource: ncpus"
    by_root = r"by user root, not by clustrix.*terminated by root"
    return Place(
        pbs, pbs.stop_server, pbs.start_server, pbs.run, never, "Unknown queue", by_root, "Exit_status 137"
    )


def test_exception_comes_home(place: Place) -> None:
    """As from a local call."""

    @cluster
    def fail() -> None:
        raise LookupError("no such thing")

    with pytest.raises(LookupError, match="no such thing"):
        fail()


def test_map_runs_each_item_once(place: Place, open_path: Path) -> None:
    """As one array of few elements."""
    items = list(range(40))
    assert list(note.map(items, folder=str(open_path)).result(150)) == items
    assert {path.read_text() for path in open_path.iterdir()} == {"run\n"}


def test_job_that_can_never_run_says_why(place: Place) -> None:
    """In the scheduler's words: pain 34."""
    job = double.options(cores=64).submit(1)
    until(lambda: place.can_never_run in (job.status().reason or ""), 60)
    job.cancel()


def test_held_job_says_so(place: Place) -> None:
    """It waits for its user."""
    job = double.options(scheduler_options={"h": True}).submit(4)
    until(lambda: "it is held" in (job.status().reason or ""), 60)
    place.system.run_as_user("qrls", number_of(place.system, "double"))
    assert job.result(100) == 8


def test_queue_that_does_not_exist_is_refused_in_its_words(place: Place) -> None:
    """At once, and not tried again."""
    with pytest.raises(JobNotStarted, match=place.unknown_queue):
        double.options(queue="nosuch").submit(1).result(60)


def test_time_limit_is_told(place: Place) -> None:
    """By class: pain 7."""
    with pytest.raises(TimeLimitExceeded):
        wait.options(time=3).submit(100).result(100)


def test_deletion_by_hand_is_told(place: Place, open_path: Path) -> None:
    """With who it was, where the batch system knows."""
    begun = open_path / "begun"
    job = wait.submit(100, str(begun))
    until(begun.exists, 60)
    place.delete("qdel", number_of(place.system, "wait"))
    with pytest.raises(JobCancelled, match=place.deleted):
        job.result(200)


def test_kill_from_inside_is_told(place: Place, open_path: Path) -> None:
    """With what the batch system remembers: pain 7."""

    @cluster
    def kill_all() -> None:
        import os
        import signal

        os.kill(os.getppid(), signal.SIGKILL)

    with pytest.raises(JobKilled, match=place.killed):
        kill_all.submit().result(200)


def test_server_that_is_away_for_a_while_harms_nothing(place: Place, open_path: Path) -> None:
    """Jobs that run go on, those that are submitted wait; each runs once."""
    begun = open_path / "begun"
    running = wait.submit(8, str(begun))
    until(begun.exists, 60)
    place.stop()
    try:
        later = wait.submit(0, str(open_path / "later"))
        assert running.result(100) == "slept"
    finally:
        place.start()
    assert later.result(200) == "slept"
    assert begun.read_text() == (open_path / "later").read_text() == "run\n"


def test_item_over_its_time_runs_once(place: Place, open_path: Path) -> None:
    """Though its element is at its end with it."""
    run_items_over_their_time(4, open_path)
