"""``CLUSTRIX_DISPATCHER=inline``: no background process, and nothing lost all the same."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from clustrix import attach, cluster
from tests.core.support import (
    ROOT,
    dispatchers_of,
    end_everything,
    lines,
    processes_of,
    run_script,
    running_script,
    wait_until,
)

INLINE = {"CLUSTRIX_DISPATCHER": "inline"}

PRELUDE = f"""
import os, sys, time
sys.path.append({str(ROOT)!r})
from pathlib import Path
from clustrix import attach, cluster
from clustrix.backends.local.capacity import machine_cores
from tests.core.support import add_line, lines, processes_of, wait_for_file, wait_until

state = Path(os.environ["XDG_STATE_HOME"])

@cluster
def note(path, text, gate=""):
    add_line(path, text)
    if gate:
        wait_for_file(gate)
    return text

@cluster
def double(x):
    return 2 * x
"""


@pytest.fixture
def home(fresh_state: Path) -> Iterator[Path]:
    """A state directory; at the end, no process has a file of it open."""
    yield fresh_state
    end_everything(fresh_state)
    wait_until(lambda: not processes_in(fresh_state), "nothing is left", 20)


def processes_in(state: Path) -> dict[int, str]:
    """Processes that have a file of the state directory open: each of ours has its standard error there."""
    found = {}
    for entry in os.listdir("/proc"):
        with suppress(OSError):
            if entry.isdigit() and int(entry) != os.getpid():
                links = [os.readlink(f"/proc/{entry}/fd/{fd}") for fd in os.listdir(f"/proc/{entry}/fd")]
                if any(link.startswith(f"{state}/") for link in links):
                    found[int(entry)] = Path(f"/proc/{entry}/cmdline").read_text()
    return found


def run(folder: Path, script: str, exit_code: int = 0) -> list[str]:
    """The lines that a script without background processes prints."""
    return run_script(PRELUDE + script, code=exit_code, folder=folder, **INLINE).stdout.splitlines()


def was_started(state: Path) -> bool:
    """Whether there has ever been a dispatcher in a process of its own: it is the only one that writes a log."""
    logs = (state / "clustrix" / "dispatchers").glob("*.log")
    runs = any("-m clustrix.dispatcher" in command for command in processes_of(state).values())
    return runs or any("serves" in log.read_text() for log in logs)


def holder(state: Path) -> int:
    """The process that is, or was last, the dispatcher; 0 while the next is writing its number."""
    (lock,) = (state / "clustrix" / "dispatchers").glob("*.lock")
    return int(lock.read_text() or 0)


WORK = """
from clustrix.errors import JobCancelled

class Refused(Exception):
    pass

@cluster
def refuse(x):
    raise Refused(x)

print(double(2), double.submit(3).result(20), list(double.map(range(4)).results()))
for call in (lambda: refuse(5), lambda: refuse.submit(6).result(20)):
    try:
        call()
    except Refused as error:
        print(repr(error))
job = note.submit(sys.argv[0] + "-runs", "run", "no such gate")
wait_until(lambda: lines(sys.argv[0] + "-runs"), "it runs")
job.cancel()
try:
    job.result(20)
except JobCancelled:
    print(job.state)
print([command for command in processes_of(state).values() if "clustrix.dispatcher" in command], os.getpid())
"""


def test_everything_works_without_a_background_process(home: Path, tmp_path: Path) -> None:
    """Calls, submissions, maps, exceptions and cancelling; the dispatcher is that process, and it leaves nothing."""
    *printed, last = run(tmp_path, WORK)
    assert printed == ["4 6 [0, 2, 4, 6]", "Refused(5)", "Refused(6)", "CANCELLED"]
    assert last == f"[] {holder(home)}"
    assert not was_started(home)
    wait_until(lambda: not processes_in(home), "it leaves no process", 5)
    assert not list((home / "clustrix" / "dispatchers").glob("*.sock"))


@pytest.mark.parametrize("ending", ["pass", "os.kill(os.getpid(), 9)"], ids=["ends", "killed"])
@pytest.mark.parametrize("follower", ["inline", "background"])
def test_jobs_go_on_with_the_next_process(home: Path, tmp_path: Path, ending: str, follower: str) -> None:
    """Nothing moves after the submitter's end but what runs; the next process goes on, and each job has one run."""
    runs, gate = str(tmp_path / "runs"), tmp_path / "gate"
    script = f"""
whole = note.options(cores=machine_cores())
jobs = [whole.submit({runs!r}, "0", {str(gate)!r}), *(whole.submit({runs!r}, str(n)) for n in range(1, 4))]
wait_until(lambda: lines({runs!r}), "the first runs")
print(*(job.id for job in jobs), flush=True)
{ending}
"""
    (ids,) = run(tmp_path, script, -9 if "kill" in ending else 0)
    gate.touch()
    wait_until(lambda: not processes_in(home), "what ran is done", 20)
    assert lines(runs) == ["0"]
    assert not was_started(home)
    if follower == "inline":
        assert run(tmp_path, f"print(*(attach(id).result(20) for id in {ids.split()}))") == ["0 1 2 3"]
        assert not was_started(home)
    else:
        assert [attach(id).result(20) for id in ids.split()] == ["0", "1", "2", "3"]
    assert lines(runs) == ["0", "1", "2", "3"]


def test_process_ends_in_silence(home: Path) -> None:
    """The dispatcher has nothing to say on standard error when the process ends while there is something to tidy."""
    script = "import atexit; print(double(1)); atexit.register(time.sleep, 0.2)"
    done = run_script(PRELUDE + script, **INLINE)
    assert (done.stdout, done.stderr) == ("2\n", "")


@pytest.mark.parametrize("ending", ["pass", "os._exit(0)"], ids=["ends", "exits"])
def test_submitter_that_ends_at_once_loses_nothing(
    home: Path, tmp_path: Path, runs: str, ending: str
) -> None:
    """Whether or not its jobs had been begun: each has its result in the next process, and one run."""
    (ids,) = run(
        tmp_path, f"print(*(note.submit({runs!r}, str(n)).id for n in range(6)), flush=True); {ending}"
    )
    assert run(tmp_path, f"print(*(attach(id).result(20) for id in {ids.split()}))") == ["0 1 2 3 4 5"]
    assert sorted(lines(runs)) == ["0", "1", "2", "3", "4", "5"]
    assert not was_started(home)


def test_second_process_takes_over_from_the_first(home: Path, tmp_path: Path) -> None:
    """Two at once share one dispatcher; who still waits when its process leaves becomes the next."""
    runs, gate, leave = tmp_path / "runs", tmp_path / "gate", tmp_path / "leave"
    first = f"print(double(1), flush=True); wait_for_file({str(leave)!r})"
    second = f"print(note.submit({str(runs)!r}, 'done', {str(gate)!r}).result(60), double(2), flush=True)"
    with running_script(PRELUDE + first, **INLINE) as one:
        assert one.stdout is not None
        assert one.stdout.readline() == "2\n"
        with running_script(PRELUDE + second, **INLINE) as two:
            wait_until(lambda: lines(runs), "the second's job runs")
            assert holder(home) == one.pid
            leave.touch()
            assert one.communicate(timeout=20)[0] == ""
            wait_until(lambda: holder(home) == two.pid, "the second has taken over")
            gate.touch()
            assert two.communicate(timeout=20)[0] == "done 4\n"
    assert (one.returncode, two.returncode) == (0, 0)
    assert lines(runs) == ["done"]
    assert not was_started(home)


def test_dispatcher_that_is_there_is_used(home: Path, tmp_path: Path) -> None:
    """Where another process has started one in the background, there is no second."""
    assert cluster(lambda: 1)() == 1
    (there,) = dispatchers_of(home)
    assert run(tmp_path, "print(double(2))") == ["4"]
    assert holder(home) == there
    assert dispatchers_of(home) == [there]
