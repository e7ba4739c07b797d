"""The commands for jobs, run as one runs them."""

from __future__ import annotations

import json
import os
import pickle
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from clustrix import JobState, attach, cluster
from clustrix.testing.work import fail_if_odd
from tests.core.plugins.installing import write_plugin
from tests.core.support import dispatchers_of, everything_waits, wait_for_file, wait_until
from tests.core.support import run_command as run

pytestmark = pytest.mark.usefixtures("state")


def fail(text: str) -> None:  # not the kit's: frames of clustrix itself are not shown
    raise ValueError(text)


def say(text: str) -> str:
    print("printed", text)
    return text


@pytest.fixture(scope="module")
def done(state: Path) -> Any:
    job = cluster(name="done", tags=["paper"])(say).submit("häß")
    job.result(timeout=20)
    return job


@pytest.fixture(scope="module")
def failed(state: Path) -> Any:
    job = cluster(name="failed")(fail).submit("because")
    job.exception(timeout=20)
    return job


@pytest.fixture(scope="module")
def half(state: Path) -> Any:
    jobs = cluster(name="half")(fail_if_odd).map(range(10))
    jobs.exception(timeout=20)
    return jobs


def test_jobs_lists_the_newest_first(done: Any, failed: Any) -> None:
    """As a table, and as JSON with a stable schema."""
    shown = run("jobs").stdout
    assert shown.index(failed.id) < shown.index(done.id)
    rows = json.loads(run("jobs", "--json").stdout)
    (row,) = (row for row in rows if row["id"] == done.id)
    assert {"id", "name", "kind", "state", "reason", "backend", "tags", "items", "created"} <= row.keys()
    assert (row["name"], row["state"], row["tags"]) == ("done", "SUCCEEDED", ["paper"])


def test_jobs_can_be_chosen(done: Any, failed: Any) -> None:
    """By state, name, tag and time; a slip of the finger gets the nearest state."""
    for arguments in (
        ["--state", "succeeded", "--name", "do*"],
        ["--tag", "paper"],
        ["--since", "1 h", "--name", "done"],
    ):
        assert [row["id"] for row in json.loads(run("jobs", "--json", *arguments).stdout)] == [done.id]
    assert json.loads(run("jobs", "--json", "--until", "1 h").stdout) == []
    assert len(json.loads(run("jobs", "--json", "--limit", "1").stdout)) == 1
    assert "did you mean FAILED?" in run("jobs", "--state", "faild", code=2).stderr


def test_job_is_named_by_a_part_of_its_id(done: Any) -> None:
    """Its beginning, its end, any case, or @last; what names none or several exits with 3."""
    newest = cluster(say).submit("newest")
    newest.result(timeout=20)
    for name in (done.id, done.id.lower(), done.id[-8:]):
        assert json.loads(run("status", name, "--json").stdout)[0]["id"] == done.id
    assert json.loads(run("status", "@last", "--json").stdout)[0]["id"] == newest.id
    assert "clustrix jobs" in run("status", "ZZZZZZ", code=3).stderr
    assert "is not one job but" in run("status", done.id[:4], code=3).stderr
    assert "at least 4 characters" in run("status", "01", code=3).stderr


def test_status_tells_all(done: Any, half: Any) -> None:
    """For people and as JSON, several at once."""
    shown = run("status", done.id, half.id).stdout
    assert "SUCCEEDED" in shown
    assert "5 of 10 items failed" in shown
    one, two = json.loads(run("status", done.id, half.id, "--json").stdout)
    assert (one["name"], one["items"], one["attempt"]) == ("done", 1, 1)
    assert (two["kind"], two["finished"], two["failed"]) == ("map", 10, 5)


def test_status_shows_items(half: Any) -> None:
    """Each with its arguments, state and time."""
    shown = run("status", half.id, "--items").stdout
    assert "index  arguments  state" in shown
    assert "failed" in shown
    (status,) = json.loads(run("status", half.id, "--items", "--json").stdout)
    assert [(row["index"], row["arguments"], row["state"]) for row in status["rows"][:2]] == [
        (0, "0", "succeeded"),
        (1, "1", "failed"),
    ]


def test_logs_prints_what_the_job_printed(done: Any) -> None:
    """At once, and followed."""
    assert run("logs", done.id).stdout == "printed häß\n"
    assert run("logs", "-f", done.id).stdout == "printed häß\n"


def test_result_prints_what_the_job_returned(done: Any, tmp_path: Path) -> None:
    """In several forms, also into a file."""
    assert run("result", done.id).stdout == "'häß'\n"
    assert run("result", done.id, "--format", "json").stdout == '"häß"\n'
    run("result", done.id, "--format", "pickle", "-o", str(tmp_path / "r"))
    assert pickle.loads((tmp_path / "r").read_bytes()) == "häß"
    assert "is none of repr, json, pickle" in run("result", done.id, "--format", "xml", code=2).stderr


def test_result_in_a_plugins_format(done: Any, tmp_path: Path) -> None:
    """A distribution can bring one."""
    code = """
from clustrix.plugins import hookimpl
HOOK_API = 1
@hookimpl
def clustrix_register(registry):
    registry.result_format("loud", "loud_form:write")
"""
    write_plugin(tmp_path, "loud", code)
    (tmp_path / "loud_form.py").write_text(
        "def write(value, file):\n    file.write(value.upper().encode() + b'!')\n"
    )
    assert run("result", done.id, "--format", "loud", PYTHONPATH=str(tmp_path)).stdout == "HÄSS!"


def test_result_of_a_failure_is_its_error(failed: Any) -> None:
    """With its traceback, and exit code 1."""
    shown = run("result", failed.id, code=1)
    assert shown.stdout == ""
    assert "ValueError: because" in shown.stderr
    assert "in fail" in shown.stderr


def test_result_waits_no_longer_than_it_may(gate: Path) -> None:
    """Exit code 124, and the job goes on."""
    job = cluster(wait_for_file).submit(str(gate))
    assert "it goes on" in run("result", job.id, "--timeout", "0.2", code=124).stderr
    gate.touch()
    assert run("result", job.id, "--timeout", "20").stdout == "None\n"


def test_cancel_ends_jobs(tmp_path: Path, done: Any) -> None:
    """By id, by tag, all; what had ended says so."""
    f = cluster(tags=["mine"])(wait_for_file)
    first, second = f.submit(str(tmp_path / "a")), f.submit(str(tmp_path / "b"))
    third = cluster(wait_for_file).submit(str(tmp_path / "c"))
    assert run("cancel", first.id, done.id).stdout.splitlines() == [
        f"{first.id} wait_for_file is cancelled",
        f"{done.id} done had ended before: SUCCEEDED",
    ]
    assert second.id in run("cancel", "--tag", "mine").stdout
    assert third.id in run("cancel", "--all").stdout
    for job in (first, second, third):
        wait_until(lambda job=job: job.state is JobState.CANCELLED, "it is cancelled")
    assert "say which" in run("cancel", code=2).stderr


def test_retry_runs_what_failed(half: Any) -> None:
    """As a map of its own."""
    made = run("retry", half.id)
    again = attach(made.stdout.strip())
    assert len(again) == 5  # type: ignore[arg-type]
    assert "5 items of 10" in made.stderr


def test_retry_runs_a_call_once_more(tmp_path: Path, done: Any, gate: Path) -> None:
    """As it was submitted; not one that has succeeded, or has not ended."""
    path = tmp_path / "there"
    job = cluster(name="look", tags=["mine"])(os.stat).submit(str(path))
    assert isinstance(job.exception(timeout=20), FileNotFoundError)
    path.touch()
    again = attach(run("retry", job.id).stdout.strip())
    again.result(timeout=20)
    assert again.id != job.id
    assert (again.name, job.state) == ("look", JobState.FAILED)
    assert "has succeeded" in run("retry", done.id, code=1).stderr
    waiting = cluster(wait_for_file).submit(str(gate))
    assert "has not ended" in run("retry", waiting.id, code=1).stderr


def test_retry_of_a_call_is_found_under_its_key(tmp_path: Path) -> None:
    """By reuse, and by a key of the user's; two retries at once are one."""
    path = tmp_path / "there"
    for options in ({"reuse": True}, {"key": "mine"}):
        look = cluster(name="look", **options)(os.path.getsize)
        job = look.submit(str(path))
        job.exception(timeout=20)
        path.write_text("four")
        again = run("retry", job.id).stdout.strip()
        assert attach(again).result(timeout=20) == 4
        found = look.submit(str(path))
        assert (found.id, found.reused) == (again, True)
        path.unlink()


def test_forget_has_the_next_call_run_anew() -> None:
    """By the function's name."""
    f = cluster(reuse=True)(say)
    first = f.submit("again")
    first.result(timeout=20)
    assert f.submit("again").reused
    assert "1 calls of say are forgotten" in run("forget", "say").stdout
    assert not f.submit("again").reused


def test_why_tells_what_a_job_waits_for(tmp_path: Path) -> None:
    """The reason, and its history."""
    with everything_waits(tmp_path):
        job = cluster(say).submit("later")
        wait_until(lambda: job.status().reason, "there is a reason")
        shown = run("why", job.id).stdout
    assert "waits for a core" in shown
    assert "CREATED" in shown
    job.result(timeout=20)


def test_why_tells_what_a_job_died_of(failed: Any, half: Any, done: Any) -> None:
    """An exception, the failures of a map by kind, a kill with its evidence."""
    assert "ValueError: because" in run("why", failed.id).stdout
    shown = run("why", half.id).stdout
    assert "5 of 10 items failed, in 1 kind" in shown
    assert f"clustrix retry {half.id}" in shown
    assert "It has succeeded" in run("why", done.id).stdout

    def die() -> None:
        print("last words", file=sys.stderr, flush=True)
        os.kill(os.getpid(), signal.SIGKILL)

    job = cluster(die).submit()
    job.exception(timeout=20)
    shown = run("why", job.id).stdout
    assert "JobKilled" in shown
    assert "signal: 9" in shown
    assert "| last words" in shown
    assert "What to do:" in shown


def test_escapes_of_a_job_do_not_reach_the_terminal() -> None:
    """Neither by its error nor by what it printed before it was killed."""

    def ring() -> None:
        raise ValueError("\x1b[31mred\x07\r")

    job = cluster(name="ring")(ring).submit()
    job.exception(timeout=20)
    for shown in (run("why", job.id).stdout, run("result", job.id, code=1).stderr):
        assert "\\x1b[31mred\\x07" in shown
        assert not set(shown) & set("\x1b\x07\r")


def test_timeline_tells_where_time_went(done: Any) -> None:
    """Each state with how long it lasted."""
    rows = json.loads(run("timeline", done.id, "--json").stdout)
    assert rows[0]["state"] == "CREATED"
    assert rows[-1]["state"] == "SUCCEEDED"
    assert all(row["seconds"] >= 0 for row in rows)
    assert "SUCCEEDED" in run("timeline", done.id).stdout


def test_watch_ends_when_all_have_ended(done: Any) -> None:
    """Without a terminal it prints a line for each change."""
    shown = run("jobs", "--watch", "--name", "done").stdout
    assert shown == f"{done.id} done SUCCEEDED \n"


def test_broken_pipe_is_no_error(done: Any) -> None:
    """``clustrix jobs | head -1``."""
    command = f"{sys.executable} -m clustrix jobs --json | head -c 1"
    piped = subprocess.run(command, shell=True, capture_output=True, text=True, check=False)  # noqa: S602
    assert (piped.stdout, piped.stderr) == ("[", "")


def test_dispatcher_can_be_seen_stopped_and_started(state: Path, gate: Path) -> None:
    """Its jobs go on."""
    job = cluster(wait_for_file).submit(str(gate))
    wait_until(lambda: job.state is JobState.RUNNING, "it runs")
    (row,) = json.loads(run("dispatcher", "status", "--json").stdout)
    assert row["running"]
    assert row["this_environment"]
    assert row["live_jobs"] == 1
    assert [row["pid"]] == dispatchers_of(state)
    assert "this environment" in run("dispatcher", "status").stdout
    assert "started" in run("dispatcher", "restart").stdout
    (after,) = json.loads(run("dispatcher", "status", "--json").stdout)
    assert after["pid"] != row["pid"]
    gate.touch()
    job.result(timeout=20)
    assert "stopped" in run("dispatcher", "stop").stdout


def test_plugins_are_listed_with_what_is_wrong(tmp_path: Path) -> None:
    """Exit code 1 if anything is."""
    assert "it could not be loaded" not in run("plugins").stdout
    write_plugin(tmp_path, "bad", "1 / 0")
    shown = run("plugins", code=1, PYTHONPATH=str(tmp_path)).stdout
    assert "not used: it could not be loaded: ZeroDivisionError" in shown
    rows = json.loads(run("plugins", "--json", code=1, PYTHONPATH=str(tmp_path)).stdout)
    assert "bad" in [row["name"] for row in rows]
    run("plugins", PYTHONPATH=str(tmp_path), CLUSTRIX_DISABLE_PLUGINS="bad")


def test_help_names_all_commands() -> None:
    """With a line for each."""
    shown = run("--help").stdout
    for name in (
        "cancel",
        "config",
        "demo",
        "dispatcher",
        "jobs",
        "logs",
        "result",
        "retry",
        "status",
        "why",
    ):
        assert f"\n  {name} " in shown
