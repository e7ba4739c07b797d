"""Jobs that come to the end of their time, or are asked to make room: what they have saved, and where they go on."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from clustrix import attach
from clustrix.errors import TimeLimitExceeded
from tests.core.support import dispatchers_of
from tests.ssh.support import until
from tests.ssh.work import count_on, tell_and_wait
from tests.testbed.slurm import Slurm
from tests.testbed.sshd import Sshd
from tests.testbed.user import run_as

pytestmark = [
    pytest.mark.slow,
    pytest.mark.fault,
    pytest.mark.timeout(500),
    pytest.mark.usefixtures("home", "fresh_state"),
]


def _goes_on() -> None:
    options = {"time": 10, "on_time_limit": "requeue", "max_requeues": 3}
    steps, runs = count_on.options(**options).submit(110).result(450)
    assert steps == 110
    assert len(runs) >= 2
    for _, left in runs:
        assert 8 < left <= 10
    attempts = [attempt for attempt, _ in runs]
    assert attempts == list(range(1, len(runs) + 1))


@pytest.mark.usefixtures("on_machine")
def test_job_goes_on_where_it_has_saved_on_a_machine() -> None:
    """The users' oldest wish: pain 41."""
    _goes_on()


@pytest.mark.usefixtures("on_pbs")
def test_job_goes_on_where_it_has_saved_on_pbs() -> None:
    """Submitted again from here, since a job of PBS cannot do that itself."""
    _goes_on()


@pytest.mark.usefixtures("on_sge")
def test_job_goes_on_where_it_has_saved_on_sge() -> None:
    """It has itself queued again."""
    _goes_on()


@pytest.mark.usefixtures("on_slurm")
def test_job_goes_on_where_it_has_saved_on_slurm_though_nobody_is_there(fresh_state: Path) -> None:
    """It has itself queued again: the dispatcher is gone meanwhile."""
    options = {"time": 10, "on_time_limit": "requeue", "max_requeues": 3}
    job = count_on.options(**options).submit(110)
    until(lambda: job.status().state.value == "RUNNING", 60)
    for pid in dispatchers_of(fresh_state):
        os.kill(pid, signal.SIGKILL)
    steps, runs = attach(job.id).result(450)
    assert steps == 110
    assert len(runs) >= 2
    assert [attempt for attempt, _ in runs] == list(range(1, len(runs) + 1))


@pytest.mark.usefixtures("on_machine")
def test_job_does_not_go_on_for_ever() -> None:
    """It was allowed so often, and no more."""
    with pytest.raises(TimeLimitExceeded):
        tell_and_wait.options(time=2, on_time_limit="requeue", max_requeues=2).submit("", 60).result(100)


@pytest.mark.usefixtures("on_slurm")
@pytest.mark.parametrize("name", ["TERM", "USR1", "USR2"])
def test_signal_of_the_site_lets_finally_blocks_run(
    name: str, slurm: Slurm, sshd: Sshd, open_path: Path
) -> None:
    """Whichever it sends to make room, or before the end of the time: pain 42."""
    told = open_path / "told"
    options = {"signal": f"B:{name}@100"}
    job = tell_and_wait.options(time=120, scheduler_options=options).submit(str(told), 200)
    with pytest.raises(TimeLimitExceeded):
        job.result(200)
    assert told.read_text() == "begun\nended\n"


@pytest.mark.usefixtures("on_slurm")
def test_preempted_job_is_asked_and_runs_again(slurm: Slurm, sshd: Sshd, open_path: Path) -> None:
    """Its ``finally`` blocks have run, and it goes on where it has saved."""
    told = open_path / "told"
    job = count_on.submit(40, str(told))
    until(told.exists, 60)
    number = run_as(sshd.user, "squeue", "--noheader", "--format=%A").stdout.split()[0]
    run_as(sshd.user, "scontrol", "requeue", number)
    steps, runs = job.result(300)
    assert steps == 40
    assert len(runs) == 2
