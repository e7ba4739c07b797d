"""What follows a failure, as the submitter wished it: nothing, another try, more memory, or nothing more at all."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from clustrix import JobState, attach, cluster
from clustrix.backends.local.capacity import machine_cores
from clustrix.dispatcher.retrying import put_away
from clustrix.errors import (
    ConfigError,
    JobCancelled,
    JobKilled,
    JobNotStarted,
    MemoryLimitExceeded,
    TimeLimitExceeded,
)
from clustrix.journal import Place
from tests.core.support import ROOT, add_line, lines, pid, run_script, wait_for_file, wait_until

pytestmark = pytest.mark.usefixtures("state")


def fail_first(path: str, times: int, error: str = "ConnectionError") -> int:
    """Fails so many times, then returns how often it was called."""
    add_line(path)
    count = len(lines(path))
    if count <= times:
        raise {"ConnectionError": ConnectionError, "KeyError": KeyError}[error](f"call {count}")
    return count


def die_first(path: str, times: int) -> int:
    add_line(path)
    if len(lines(path)) <= times:
        os.kill(os.getpid(), signal.SIGKILL)
    return len(lines(path))


def fill(path: str, megabytes: int) -> int:
    add_line(path)
    data = bytearray(megabytes << 20)
    data[::4096] = b"x" * len(data[::4096])
    time.sleep(0.5)
    return len(data)


# -- one call


def test_call_is_tried_again_until_it_succeeds(tmp_path: Path) -> None:
    """As often as was asked for; the history tells each failure."""
    f = cluster(retries=3, retry_delay=0.05)(fail_first)
    job = f.submit(str(tmp_path / "runs"), 2)
    assert job.result(timeout=30) == 3
    reasons = [reason for _, state, reason in job._home.journal.history(job.id) if state is JobState.QUEUED]
    assert [reason.partition(",")[0] for reason in reasons if "attempt" in reason] == [
        "attempt 2",
        "attempt 3",
    ]
    assert "after ConnectionError" in reasons[-1]
    assert job._home.journal.job(job.id).attempt == 3


def test_call_fails_when_its_retries_are_used_up(tmp_path: Path) -> None:
    """With the error of the last one."""
    with pytest.raises(ConnectionError, match="call 3"):
        cluster(retries=2, retry_delay=0.05)(fail_first)(str(tmp_path / "runs"), 9)
    assert len(lines(tmp_path / "runs")) == 3


@pytest.mark.parametrize("named", [ConnectionError, "ConnectionError", ["ValueError", "OSError"], (OSError,)])
def test_only_named_errors_are_tried_again(tmp_path: Path, named: Any) -> None:
    """Classes or their names; what descends from one of them counts."""
    f = cluster(retries=1, retry_on=named, retry_delay=0)(fail_first)
    assert f(str(tmp_path / "runs"), 1) == 2
    with pytest.raises(KeyError):
        f(str(tmp_path / "other"), 1, "KeyError")
    assert lines(tmp_path / "other") == ["run"]


def test_death_from_outside_costs_no_retry(tmp_path: Path) -> None:
    """Nobody's fault; but it is bounded."""
    f = cluster(retries=1, retry_on="KeyError", retry_delay=0.02)(die_first)
    assert f(str(tmp_path / "runs"), 3) == 4
    with pytest.raises(JobKilled):
        f(str(tmp_path / "other"), 99)
    assert len(lines(tmp_path / "other")) == 6


def test_without_retries_a_killed_call_is_not_begun_again(tmp_path: Path) -> None:
    """It may have done its work."""
    with pytest.raises(JobKilled):
        cluster(die_first)(str(tmp_path / "runs"), 1)
    assert lines(tmp_path / "runs") == ["run"]


@pytest.mark.slow
def test_call_gets_more_memory(tmp_path: Path) -> None:
    """Twice as much after each death for lack of it, up to the limit."""
    f = cluster(memory="60MB", retry_memory=2.0, retry_delay=0.05)(fill)
    job = f.submit(str(tmp_path / "runs"), 150)
    assert job.result(timeout=60) == 150 << 20
    assert len(lines(tmp_path / "runs")) == 3
    with pytest.raises(MemoryLimitExceeded):
        f.options(retry_memory_limit="100MB")(str(tmp_path / "other"), 150)
    assert len(lines(tmp_path / "other")) == 2


@pytest.mark.slow
def test_time_limit_is_for_each_try(tmp_path: Path) -> None:
    """And a try that took too long can be made again."""

    def slow_first(path: str) -> int:
        add_line(path)
        time.sleep(60 if len(lines(path)) < 2 else 0)
        return len(lines(path))

    f = cluster(retries=1, retry_on="TimeLimitExceeded", retry_delay=0.05, time=0.5)(slow_first)
    assert f(str(tmp_path / "runs")) == 2
    with pytest.raises(TimeLimitExceeded):
        f.options(retries=0)(str(tmp_path / "other"))


def test_setup_failure_is_not_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next try would come to the same."""
    folder = tmp_path / "cwd"
    folder.mkdir()
    monkeypatch.chdir(folder)
    gate = tmp_path / "gate"

    def nothing() -> None:
        return None

    from tests.core.support import everything_waits

    with everything_waits(tmp_path):
        job = cluster(retries=5, retry_delay=30)(nothing).submit()
        monkeypatch.chdir(tmp_path)
        folder.rmdir()
        gate.touch()
    with pytest.raises(JobNotStarted):
        job.result(timeout=20)


def test_job_can_be_cancelled_between_tries(tmp_path: Path) -> None:
    """It does not wait for the next."""
    job = cluster(retries=3, retry_delay=60)(fail_first).submit(str(tmp_path / "runs"), 9)
    wait_until(lambda: "attempt 2" in job.status().reason, "it waits for its second try")
    assert job.cancel()
    with pytest.raises(JobCancelled):
        job.result(timeout=10)
    assert lines(tmp_path / "runs") == ["run"]


RETRY_SCRIPT = """
import os
from clustrix import cluster
from tests.core.test_policy import fail_first
job = cluster(retries=3, retry_delay=0.2)(fail_first).submit({path!r}, 2)
print(job.id)
try:
    print(job.result(timeout=50))
except Exception as error:
    print(type(error).__name__, error)
"""


def _all_tries_are_made(folder: Path, fault: str) -> None:
    """Three, each once, although something happens to the dispatcher between them."""
    path = str(folder / "runs")
    run = run_script(
        RETRY_SCRIPT.format(path=path),
        CLUSTRIX_FAULT=f"{fault}@{folder}/flag",
        PYTHONPATH=str(ROOT),
    )
    assert run.stdout.splitlines()[1:] == ["3"]
    assert (folder / "flag").exists()
    assert len(lines(path)) == 3


@pytest.mark.fault
@pytest.mark.slow
@pytest.mark.parametrize("point", ["journal.again", "journal.again-done", "retry.put-away", "journal.finish"])
def test_dispatcher_killed_between_tries(tmp_path: Path, fresh_state: Path, point: str) -> None:
    """Each try is made once, whatever is killed."""
    _all_tries_are_made(tmp_path, point)


@pytest.mark.fault
@pytest.mark.slow
def test_next_try_waits_for_the_disk(tmp_path: Path, fresh_state: Path) -> None:
    """Where the folder of the one before cannot be moved away; on other machines the job never came to its end."""
    _all_tries_are_made(tmp_path, "retry.put-away:1=ENOSPC")
    (log,) = fresh_state.glob("clustrix/dispatchers/*.log")
    assert "attempt 2 waits for the disk" in log.read_text()
    assert log.read_text().count(" serves ") == 1


def test_what_was_written_aside_is_not_kept(tmp_path: Path) -> None:
    """A dispatcher that was killed while it fetched a result left half of it with the attempt, up to the job's own end and beyond."""
    place = Place(str(tmp_path))
    folder = Path(place.live, "job")
    folder.mkdir(parents=True)
    Path(place.kept).mkdir()
    (folder / ".result-host-1-2").write_bytes(b"half")
    (folder / "err").write_bytes(b"printed")
    put_away(place, "job", 1)
    assert os.listdir(Path(place.kept, "job.1")) == ["err"]


def test_jobs_that_wait_are_told_why_once(tmp_path: Path, gate: Path) -> None:
    """Another's next attempt, which comes back to its place among them, is no news of theirs."""
    f = cluster(retries=1, retry_delay=0.3)(fail_first)
    again = f.submit(str(tmp_path / "runs"), 1)
    wait_until(lambda: "attempt 2" in again.status().reason, "it waits for its second try")
    full = cluster(cores=machine_cores())(wait_for_file).submit(str(gate))
    behind = cluster(pid).submit()
    wait_until(lambda: "waits for a core" in again.status().reason, "its pause is over")
    gate.touch()
    for job in (full, behind, again):
        job.result(timeout=20)
    told = [state for _, state, _ in behind._home.journal.history(behind.id)]
    assert told == ["CREATED", "QUEUED", "RUNNING", "SUCCEEDED"]


# -- maps


def item(number: int, path: str, times: int = 0) -> int:
    """Odd numbers fail so many times."""
    add_line(f"{path}-{number}")
    if number % 2 and len(lines(f"{path}-{number}")) <= times:
        raise ConnectionError(f"item {number}")
    return number


def test_items_are_tried_again(tmp_path: Path) -> None:
    """Each by itself; the others do not wait."""
    f = cluster(retries=2, retry_delay=0.01, retry_on=ConnectionError)(item)
    assert list(f.map(range(10), path=str(tmp_path / "i"), times=2)) == list(range(10))
    assert [len(lines(tmp_path / f"i-{number}")) for number in range(4)] == [1, 3, 1, 3]
    jobs = f.map(range(4), path=str(tmp_path / "j"), times=9)
    assert isinstance(jobs.error(1), ConnectionError)
    assert isinstance(jobs.error(3), ConnectionError)
    assert [len(lines(tmp_path / f"j-{number}")) for number in range(4)] == [1, 3, 1, 3]


def kill_worker(number: int, path: str, times: int) -> int:
    add_line(f"{path}-{number}")
    if number == 3 and len(lines(f"{path}-{number}")) <= times:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def test_killed_item_is_tried_again(tmp_path: Path) -> None:
    """By another worker, without costing a retry."""
    f = cluster(retries=1, retry_on="KeyError")(kill_worker)
    assert list(f.map(range(8), path=str(tmp_path / "i"), times=3)) == list(range(8))
    assert len(lines(tmp_path / "i-3")) == 4
    jobs = f.options(retries=0).map(range(8), path=str(tmp_path / "j"), times=3)
    assert isinstance(jobs.error(3), JobKilled)
    assert len(lines(tmp_path / "j-3")) == 1


def fill_some(number: int) -> int:
    data = bytearray((150 if number == 2 else 1) << 20)
    data[::4096] = b"x" * len(data[::4096])
    time.sleep(0.3)
    return number


@pytest.mark.slow
def test_item_gets_more_memory(tmp_path: Path) -> None:
    """Its next worker has it."""
    f = cluster(memory="80MB", retry_memory=2.0)(fill_some)
    assert list(f.map(range(4))) == [0, 1, 2, 3]
    jobs = f.options(retry_memory=None).map(range(4))
    assert isinstance(jobs.error(2), MemoryLimitExceeded)


def odd_fails(number: int) -> int:
    if number % 2:
        raise ValueError(f"{number} is odd")
    return number


def test_collected_errors_stand_among_the_results() -> None:
    """At their places; nothing is raised. It holds for whoever attaches, too."""
    jobs = cluster(on_error="collect")(odd_fails).map(range(4))
    for handle in (jobs, attach(jobs.id)):
        found = list(handle.results())
        assert [found[0], found[2]] == [0, 2]
        assert [str(found[1]), str(found[3])] == ["1 is odd", "3 is odd"]
        assert [type(value) for value in handle.result(timeout=20)] == [int, ValueError, int, ValueError]
    assert jobs.state is JobState.FAILED


def wait_or_fail(number: int, path: str) -> int:
    add_line(path)
    if number == 2:
        raise ValueError("enough")
    time.sleep(0.02)
    return number


def test_stopped_map_begins_nothing_more(tmp_path: Path) -> None:
    """What was finished stays, what was not begun says why."""
    jobs = cluster(on_error="stop")(wait_or_fail).map(range(500), path=str(tmp_path / "runs"))
    with pytest.raises(ValueError, match="enough"):
        jobs.result(timeout=30)
    begun = len(lines(tmp_path / "runs"))
    assert begun < 100
    status = jobs.status()
    assert status.state is JobState.FAILED
    assert status.reason == f"1 of 500 items failed, {500 - begun} were not begun"
    assert jobs[0] == 0
    with pytest.raises(JobCancelled, match="it was not begun, since an item before it had failed"):
        _ = jobs[499]
    time.sleep(0.3)
    assert len(lines(tmp_path / "runs")) == begun


def test_stopped_map_goes_on_where_it_was(tmp_path: Path) -> None:
    """retry_failed() runs what failed and what was not begun."""
    gate = tmp_path / "mended"

    def fails_until_mended(number: int, gate: str) -> int:
        if number == 5 and not os.path.exists(gate):
            raise ValueError("not mended")
        return number

    jobs = cluster(on_error="stop")(fails_until_mended).map(range(300), gate=str(gate))
    with pytest.raises(ValueError, match="not mended"):
        jobs.result(timeout=30)
    gate.touch()
    again = jobs.retry_failed()
    assert jobs.merged(again) == list(range(300))


def test_bad_wishes_say_what_is_allowed() -> None:
    """At the decorator."""
    with pytest.raises(ConfigError, match='must be one of "raise", "collect", "stop"'):
        cluster(on_error="ignore")
    with pytest.raises(ConfigError, match="must be a whole number from 0 to 100"):
        cluster(retries=-1)
    with pytest.raises(ConfigError, match="must be a class of exceptions"):
        cluster(retry_on=3)  # type: ignore[call-overload]
    with pytest.raises(ConfigError, match="must be a number from 1 to 100"):
        cluster(retry_memory=0.5)
