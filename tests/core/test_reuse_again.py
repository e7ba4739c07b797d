"""``reuse=True`` where things go wrong: what came to nothing runs again, what died goes on, what meets runs once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from clustrix import attach, cluster
from clustrix.errors import JobCancelled
from clustrix.journal import Place
from tests.core.support import (
    ROOT,
    add_line,
    alive,
    lines,
    run_script,
    running_script,
    wait_for_file,
    wait_until,
)
from tests.core.test_reuse import add

pytestmark = pytest.mark.usefixtures("state")

# -- what came to nothing


def test_failed_call_runs_again(runs: str) -> None:
    """Until it succeeds."""

    @cluster(reuse=True)
    def third_time() -> int:
        add_line(runs)
        return 1 // (len(lines(runs)) // 3)

    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            third_time()
    assert [third_time(), third_time()] == [1, 1]
    assert len(lines(runs)) == 3


def test_map_with_a_failed_item_runs_again(runs: str) -> None:
    """All of it."""

    @cluster(reuse=True)
    def item(n: int) -> float:
        add_line(runs)
        return n / (len(lines(runs)) // 3)

    assert item.map([1, 2]).exception(timeout=20) is not None
    assert item.map([1, 2]).result(timeout=20) == [1, 2]
    assert len(lines(runs)) == 4


def test_cancelled_call_runs_again(runs: str, gate: Path) -> None:
    """Also at once, while the cancelled job is still being ended."""

    @cluster(reuse=True)
    def work(gate: str) -> int:
        add_line(runs)
        wait_for_file(gate)
        return 1

    first = work.submit(str(gate))
    wait_until(lambda: lines(runs), "it runs")
    first.cancel()
    again = work.submit(str(gate))
    assert not again.reused
    gate.touch()
    assert again.result(timeout=20) == 1
    with pytest.raises(JobCancelled):
        first.result(timeout=20)
    assert work.submit(str(gate)).id == again.id


def test_killed_call_runs_again(runs: str) -> None:
    """A job that somebody killed has no result to give."""

    @cluster(reuse=True)
    def dies_once() -> str:
        add_line(runs)
        if len(lines(runs)) == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        return "alive"

    assert dies_once.submit().exception(timeout=20) is not None
    assert [dies_once(), dies_once()] == ["alive", "alive"]
    assert len(lines(runs)) == 2


def test_call_whose_result_was_removed_runs_again(state: Path, runs: str) -> None:
    """A large result is a file; somebody may tidy it away."""
    array = np.arange(50_000)
    first = add.submit(runs, array)
    first.result(timeout=20)
    assert add.submit(runs, array).reused
    folder = Path(Place(str(state / "clustrix")).kept) / first.id
    wait_until(folder.exists, "it has been put away")
    (folder / "result").unlink()
    again = add.submit(runs, array)
    assert not again.reused
    assert (again.result(timeout=20) == array).all()


# -- scripts that die, and processes that meet

SCRIPT = """
import os, signal, sys
from clustrix import cluster
from tests.core.support import add_line

@cluster(reuse=True)
def step(folder, n):
    add_line(folder + "/runs", str(n))
    return n * n

if __name__ == "__main__":
    folder = sys.argv[1] if len(sys.argv) > 1 else os.getcwd()
    total = 0
    for n in range(6):
        total += step(folder, n)
        if n == 3 and not os.path.exists(folder + "/second"):
            os.kill(os.getpid(), signal.SIGKILL)
    print(total)
"""


def test_script_that_was_killed_goes_on_where_it_was(tmp_path: Path) -> None:
    """Run again, it runs only what it had not come to; a comment added meanwhile is no change."""
    run_script(SCRIPT, code=-signal.SIGKILL, folder=tmp_path, PYTHONPATH=str(ROOT))
    assert lines(tmp_path / "runs") == ["0", "1", "2", "3"]
    (tmp_path / "second").touch()
    again = run_script("# once more\n" + SCRIPT, folder=tmp_path, PYTHONPATH=str(ROOT), PYTHONHASHSEED="3")
    assert again.stdout == "55\n", again.stderr
    assert lines(tmp_path / "runs") == ["0", "1", "2", "3", "4", "5"]


def test_processes_that_submit_at_the_same_moment_run_it_once(tmp_path: Path, runs: str) -> None:
    """They get the same job, however close together they come."""
    script = f"""
import sys
from clustrix import cluster
from tests.core.support import add_line

@cluster(reuse=True)
def f(x):
    add_line({runs!r}, str(x))
    return x

f.options(reuse=False).submit(-1).result()
print("ready", flush=True)
sys.stdin.readline()
print(*[f.submit(n).id for n in range(20)])
"""
    path = tmp_path / "script.py"
    path.write_text(script)
    processes = [
        subprocess.Popen(
            [sys.executable, str(path)],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(4)
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    ids = {process.communicate(timeout=60)[0] for process in processes}
    assert len(ids) == 1
    found = [attach(job).result(timeout=20) for job in ids.pop().split()]
    assert found == list(range(20))
    assert sorted(lines(runs), key=int) == ["-1"] * 4 + [str(n) for n in range(20)]


def test_threads_that_submit_at_the_same_moment_run_it_once(runs: str) -> None:
    """The same in one process."""
    found: list[Any] = []
    threads = [threading.Thread(target=lambda: found.append(add.submit(runs, 9))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {job.result(timeout=20) for job in found} == {9}
    assert len({job.id for job in found}) == 1
    assert sum(not job.reused for job in found) == 1
    assert lines(runs) == ["9"]


def test_ctrl_c_leaves_the_job_of_another_alone(tmp_path: Path) -> None:
    """Ctrl-C in a call that waits for an earlier submission ends the waiting, and says how to end the job."""
    script = """
import os
from pathlib import Path
from clustrix import cluster
from tests.core.support import wait_for_file

@cluster(reuse=True)
def work(folder):
    print(os.getpid())
    wait_for_file(folder + "/gate")
    return "kept"

print(work.submit(os.getcwd()).id, flush=True)
work(os.getcwd())
"""
    with running_script(script, folder=tmp_path, PYTHONPATH=str(ROOT)) as process:
        assert process.stdout is not None
        job, pid = process.stdout.readline().strip(), int(process.stdout.readline())
        process.send_signal(signal.SIGINT)
        said = process.communicate(timeout=20)[1]
    assert f"clustrix.attach({job!r}).cancel()" in said
    assert alive(pid)
    (tmp_path / "gate").touch()
    assert attach(job).result(timeout=20) == "kept"
