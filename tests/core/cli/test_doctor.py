"""``clustrix doctor`` on machines that are well, and on such as are not."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from clustrix import JobState, cluster
from tests.core.cli.test_jobs import say
from tests.core.plugins.installing import write_plugin
from tests.core.support import dispatchers_of, wait_for_file, wait_until
from tests.core.support import run_command as run

CHECKS = """
from clustrix.plugins import hookimpl
from clustrix.plugins.checks import ok, warning
HOOK_API = 1
@hookimpl
def clustrix_register(registry):
    registry.check("host", "probing:host")
    registry.check("odd", "probing:odd")
    registry.check("bad", "probing:bad")
def host():
    yield ok("host", "answers")
    yield warning("queue", "is long", "Come back tomorrow.")
def odd():
    return ["not a check"]
def bad():
    raise OSError("no route to host")
"""


def told(code: int = 0, **env: str) -> dict[str, dict[str, Any]]:
    """What the doctor finds, by what it looked at."""
    return {row["what"]: row for row in json.loads(run("doctor", "--json", code=code, **env).stdout)}


def test_all_is_well_before_anything_was_done(tmp_path: Path) -> None:
    """And looking makes nothing: no folder, no dispatcher."""
    state = tmp_path / "state"
    found = told(XDG_STATE_HOME=str(state))
    assert {row["state"] for row in found.values()} <= {"ok", "warning"}
    assert found["journal"]["found"] == "there is none yet; the first submission makes it"
    assert not state.exists()


def test_all_is_well_when_jobs_were_run(fresh_state: Path) -> None:
    """It counts them, hears the dispatcher, and has left no file behind."""
    cluster(say).submit("x").result(timeout=20)
    before = sorted(path.name for path in (fresh_state / "clustrix").iterdir())
    found = told()
    assert found["journal"]["found"].startswith("whole; 1 job, 0 live")
    assert found["dispatcher"]["found"].startswith("answers after")
    assert sorted(path.name for path in (fresh_state / "clustrix").iterdir()) == before
    shown = run("doctor").stdout
    assert f"ok        state directory: {fresh_state / 'clustrix'}\n" in shown
    assert shown.splitlines()[-1].endswith("all is well")


@pytest.mark.usefixtures("fresh_state")
def test_one_job_can_be_run() -> None:
    """There and back, with the time it took."""
    assert "job: came back after" in run("doctor", "--job").stdout


@pytest.mark.parametrize("broken", ["file", "damaged", "newer", "other"])
def test_state_that_cannot_be_used_is_told(tmp_path: Path, broken: str) -> None:
    """With what to do, and without a word from Python."""
    state = tmp_path / "state"
    (state / "clustrix").mkdir(parents=True, mode=0o700)
    database = state / "clustrix" / "journal.db"
    if broken == "file":
        state = tmp_path / "file"
        state.write_text("not a folder")
    elif broken == "damaged":
        database.write_bytes(b"this is no database, " * 1000)
    else:
        run("jobs", XDG_STATE_HOME=str(state))
        with closing(sqlite3.connect(database)) as sql:
            sql.execute("PRAGMA user_version = 99")
    found = told(1, XDG_STATE_HOME=str(state))
    row = found["state directory" if broken == "file" else "journal"]
    assert row["state"] == "failed"
    assert row["advice"]
    shown = run("doctor", code=1, XDG_STATE_HOME=str(state))
    assert "failed    " in shown.stdout
    assert "Traceback" not in shown.stdout + shown.stderr


def test_state_that_others_can_write_to_is_told(tmp_path: Path) -> None:
    """It is not changed by looking."""
    folder = tmp_path / "state" / "clustrix"
    folder.mkdir(parents=True)
    folder.chmod(0o777)
    assert told(XDG_STATE_HOME=str(tmp_path / "state"))["state directory"]["state"] == "warning"
    assert folder.stat().st_mode & 0o777 == 0o777


def test_settings_that_are_wrong_are_told(tmp_path: Path, fresh_state: Path) -> None:
    """With file and line, and all of them."""
    config = tmp_path / "clustrix"
    config.mkdir()
    (config / "config.yml").write_text("default_cores: none\ndefault_memory: 16 potatoes\n")
    (config / "config.yml").chmod(0o600)
    rows = json.loads(run("doctor", "--json", code=1, XDG_CONFIG_HOME=str(tmp_path)).stdout)
    wrong = [row["found"] for row in rows if row["state"] == "failed"]
    assert any("config.yml:1" in text for text in wrong)
    assert any("config.yml:2" in text for text in wrong)
    found = told(1, CLUSTRIX_CLUSTER_TYPE="slurm")
    assert 'pip install "clustrix[ssh]"' in " ".join(row["found"] for row in found.values())


def test_plugins_are_told_of_and_asked(tmp_path: Path, fresh_state: Path) -> None:
    """A broken one is a failed check, and so is one whose own check fails."""
    write_plugin(tmp_path, "bad", "1 / 0")
    write_plugin(tmp_path, "probing", CHECKS)
    found = told(1, PYTHONPATH=str(tmp_path), CLUSTRIX_DISABLE_PLUGINS="nobody")
    assert found["CLUSTRIX_DISABLE_PLUGINS"]["found"] == "names 'nobody', and there is no such plugin"
    assert "ZeroDivisionError" in found["plugin bad"]["found"]
    assert found["plugin probing"]["state"] == "ok"
    assert found["host"]["found"] == "answers"
    assert found["queue"] == {
        "what": "queue",
        "state": "warning",
        "found": "is long",
        "advice": "Come back tomorrow.",
    }
    assert found["odd"]["state"] == "failed"
    assert "OSError: no route to host" in found["bad"]["found"]


def test_dispatcher_that_does_not_answer_is_told(fresh_state: Path) -> None:
    """One that is stopped is neither dead nor alive."""
    cluster(say).submit("x").result(timeout=20)
    (pid,) = dispatchers_of(fresh_state)
    os.kill(pid, signal.SIGSTOP)
    try:
        found = told(1)["dispatcher"]
    finally:
        os.kill(pid, signal.SIGCONT)
    assert "does not answer" in found["found"]
    assert found["advice"] == "clustrix dispatcher restart"


def test_jobs_whose_python_is_gone_are_told(fresh_state: Path, gate: Path) -> None:
    """Nobody can run them any more."""
    job = cluster(wait_for_file).submit(str(gate))
    wait_until(lambda: job.state is JobState.RUNNING, "it runs")
    with closing(sqlite3.connect(fresh_state / "clustrix" / "journal.db")) as sql, sql:
        sql.execute("UPDATE dispatchers SET executable = '/gone/bin/python'")
    found = told(1)["jobs without Python"]
    assert found["found"] == "1 live jobs were submitted from /gone/bin/python, which is gone"
    gate.touch()
    job.result(timeout=20)
