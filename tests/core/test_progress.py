"""How far a job is: told by its own code, seen by whoever waits."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

import clustrix
from clustrix import attach, cluster
from tests.core.support import run_script, wait_for_file, wait_until

pytestmark = pytest.mark.usefixtures("state")


def report_and_wait(gate: str) -> None:
    clustrix.progress(3, 10, "loading é\n\x1b")
    wait_for_file(gate)


def test_progress_is_seen_by_who_waits(gate: Path) -> None:
    """Also by one who attaches; it is gone with the job. What would move the terminal's cursor is left out."""
    job = cluster(report_and_wait).submit(str(gate))
    found = wait_until(job.progress, "the job has told how far it is")
    assert (found.done, found.total, found.message, found.item) == (3, 10, "loading é  ", None)
    assert str(found) == "3 of 10: loading é  "
    assert attach(job.id).progress() == found
    gate.touch()
    job.result(timeout=20)
    assert job.progress() is None


def whole_story(gate: str) -> list[float]:
    began = time.monotonic()
    for number in range(1001):
        clustrix.progress(number, 1000, "x" * 1000)
    seconds = time.monotonic() - began
    wait_for_file(gate)
    return [seconds]


def test_many_reports_cost_nothing_and_the_last_is_seen(gate: Path) -> None:
    """A loop may call it each time; long messages are cut."""
    job = cluster(whole_story).submit(str(gate))
    found = wait_until(lambda: (told := job.progress()) and told.done == 1000 and told, "the last report")
    assert found.message == "x" * 200
    gate.touch()
    job.result(timeout=20)


def who_am_i() -> tuple[object, ...]:
    found = clustrix.current_job()
    assert found is not None
    return tuple(found)


def which_item(number: int) -> tuple[int, int | None]:
    found = clustrix.current_job()
    assert found is not None
    return number, found.item


def test_job_knows_itself() -> None:
    """Its id, name, attempt, item and cores; outside of a job there is none."""
    assert clustrix.current_job() is None
    assert clustrix.progress(1, 2) is None  # type: ignore[func-returns-value]
    job = cluster(name="me", cores=2)(who_am_i).submit()
    assert job.result(timeout=20) == (job.id, "me", 1, None, 2, None)
    assert list(cluster(which_item).map(range(20))) == [(number, number) for number in range(20)]


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (("much",), TypeError),
        ((True,), TypeError),
        ((1, "many"), TypeError),
        ((-1,), ValueError),
        ((float("nan"),), ValueError),
        ((1, float("inf")), ValueError),
        ((1, 2, 3), TypeError),
    ],
)
def test_bad_reports_are_errors_everywhere(arguments: tuple[object, ...], error: type[Exception]) -> None:
    """Also where the function is called as a plain one."""
    with pytest.raises(error):
        clustrix.progress(*arguments)  # type: ignore[arg-type]


SLOW_MAP = """
import time
from clustrix import cluster

@cluster{options}
def slow(number):
    time.sleep(0.4)
    if number == 1:
        raise ValueError("one")
    return number

jobs = slow.map(range(8))
found = []
for number in range(8):
    if jobs.error(number) is None:
        found.append(jobs[number])
print(found)
"""


def on_terminal(script: str, folder: Path) -> str:
    """What appears on a terminal."""
    path = folder / "script.py"
    path.write_text(script)
    main, other = pty.openpty()
    environ = {**os.environ, "TERM": "xterm", "COLUMNS": "120"}
    with subprocess.Popen(
        [sys.executable, str(path)], stdin=other, stdout=other, stderr=other, env=environ, close_fds=True
    ) as process:
        os.close(other)
        data = b""
        while True:
            try:
                part = os.read(main, 4096)
            except OSError:  # how Linux tells that nobody writes any more
                break
            if not part:
                break
            data += part
        os.close(main)
    assert process.returncode == 0, data.decode()
    return data.decode()


@pytest.mark.slow
def test_terminal_shows_a_bar(tmp_path: Path) -> None:
    """With counts, failures, rate and rest; nothing of it is left at the end."""
    shown = on_terminal(SLOW_MAP.format(options=""), tmp_path)
    assert re.search(r"\d of 8, 1 failed, \d+\.\d/s, 0:00:\d\d left", shown)
    assert "%" in shown
    assert "[0, 2, 3, 4, 5, 6, 7]" in shown


@pytest.mark.slow
def test_nobody_is_shown_what_he_does_not_want(tmp_path: Path) -> None:
    """progress=False, and output that goes to a file."""
    shown = on_terminal(SLOW_MAP.format(options="(progress=False)"), tmp_path)
    assert shown.strip() == "[0, 2, 3, 4, 5, 6, 7]"
    run = run_script(SLOW_MAP.format(options=""))
    assert (run.stdout, run.stderr) == ("[0, 2, 3, 4, 5, 6, 7]\n", "")


@pytest.mark.slow
def test_call_shows_its_own_report(tmp_path: Path) -> None:
    """What the function tells appears as a bar while it is waited for, and its prints stay readable."""
    script = """
import time
from clustrix import cluster, progress

@cluster
def slow():
    for number in range(15):
        progress(number, 15, "fitting")
        if number == 12:
            print("almost there")
        time.sleep(0.15)
    return "done"

print(slow())
"""
    shown = on_terminal(script, tmp_path)
    assert "fitting" in shown
    assert "almost there" in shown
    assert "done" in shown
