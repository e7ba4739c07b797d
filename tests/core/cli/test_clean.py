"""``clustrix clean``: what ended long ago goes, and nothing that anybody needs; whoever else is at work, and whenever it is killed."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from clustrix import attach, cluster
from clustrix.errors import UnknownJob
from clustrix.session import session
from clustrix.testing.work import fail_if_odd
from tests.core.support import (
    dispatchers_of,
    fill,
    run_script,
    small_disk,
    wait_for_file,
    wait_until,
)
from tests.core.support import run_command as run

pytestmark = [pytest.mark.usefixtures("fresh_state"), pytest.mark.slow]

DAY = 86400.0


@pytest.fixture
def home(fresh_state: Path) -> Path:
    return fresh_state / "clustrix"


def size(data: bytes) -> int:
    return len(data)


def shout(text: str) -> str:
    print(text, flush=True)
    return text.upper()


def fail(text: str) -> None:
    print(text, flush=True)
    raise ValueError(text)


def age(home: Path, *jobs: Any, days: float = 40) -> None:
    """As if all files, and these jobs, were so old."""
    for job in jobs:  # its folder is moved when there is a moment
        wait_until(lambda job=job: not (home / "live" / job.id).exists(), "its folder is tidied")
    with closing(sqlite3.connect(home / "journal.db", timeout=20)) as sql, sql:
        for job in jobs:
            sql.execute(
                "UPDATE listed SET row = json_set(row, '$.ended', json_extract(row, '$.ended') - ?) "
                "WHERE job = (SELECT seq FROM jobs WHERE id = ?)",
                (days * DAY, job.id),
            )
    then = time.time() - days * DAY
    for root in ("blobs", "kept", "dispatchers"):
        for path in (home / root).rglob("*"):
            if path.suffix != ".lock" and path.stat().st_mtime > then:
                os.utime(path, (then, then))


def cleaned(*arguments: str, **env: str) -> dict[str, Any]:
    """What a round has removed: counts by kind."""
    found = json.loads(run("clean", "--yes", "--json", *arguments, **env).stdout)
    return {name: row["count"] for name, row in found.items() if isinstance(row, dict)}


def blobs(home: Path) -> list[Path]:
    return [path for path in (home / "blobs").rglob("*") if path.is_file()]


def blob_with(home: Path, data: bytes) -> bytes | None:
    """The argument as it is stored: ``data`` is within its pickle."""
    return next((found for path in blobs(home) if data in (found := path.read_bytes())), None)


def kept(home: Path) -> set[str]:
    return set(os.listdir(home / "kept"))


def done(job: Any) -> Any:
    job.exception(timeout=20)
    return job


def test_old_jobs_go_with_all_that_they_left(home: Path) -> None:
    """Their rows, results, arguments and output; a younger job keeps its own, and what both have."""
    shared = b"both" * 5000
    old = [done(cluster(size).submit(data)) for data in (bytes(30_000), shared)]
    old.append(done(cluster(shout).submit("old")))
    age(home, *old)
    young = [done(cluster(size).submit(shared)), done(cluster(shout).submit("young"))]
    age(home, young[0], days=20)
    assert len(blobs(home)) >= 2
    found = cleaned()
    assert (found["jobs"], found["folders"]) == (3, 1)
    for job in old:
        with pytest.raises(UnknownJob):
            attach(job.id)
    assert kept(home) == {young[1].id}
    assert not [path for path in blobs(home) if bytes(30_000) in path.read_bytes()]
    assert [attach(job.id).result(timeout=20) for job in young] == [len(shared), "YOUNG"]
    assert attach(young[1].id).logs() == "young\n"
    assert cluster(size).submit(bytes(30_000)).result(timeout=20) == 30_000
    with closing(sqlite3.connect(home / "journal.db")) as sql:
        counts = [
            sql.execute(f"SELECT count(DISTINCT {column}) FROM {table}").fetchone()[0]  # noqa: S608
            for table, column in (("jobs", "seq"), ("results", "job"), ("events", "job"), ("listed", "job"))
        ]
    assert counts == [3, 3, 3, 3]


def test_dry_run_tells_and_changes_nothing(home: Path) -> None:
    """The same numbers as the round after it; a second round finds nothing."""
    jobs = [done(cluster(size).submit(os.urandom(20_000))), done(cluster(shout).submit("a"))]
    age(home, *jobs)
    before = sorted(path for path in home.rglob("*") if path.is_file() and path.suffix != ".lock")
    told = json.loads(run("clean", "--dry-run", "--json").stdout)
    assert told["dry_run"]
    assert told["jobs"]["count"] == 2
    assert told["blobs"]["bytes"] >= 20_000
    assert sorted(path for path in home.rglob("*") if path.is_file() and path.suffix != ".lock") == before
    shown = run("clean", "--dry-run").stdout
    assert "would go" in shown
    assert [job.result(timeout=20) for job in jobs] == [20_000, "A"]
    found = json.loads(run("clean", "--yes", "--json").stdout)
    for kind in ("jobs", "folders", "blobs"):
        assert found[kind] == told[kind]
    assert "there is nothing to remove" in run("clean", "--yes").stdout


def test_nobody_can_be_asked() -> None:
    """Without a terminal it removes nothing unless it is told to; on one it asks."""
    assert "--yes" in run("clean", code=2).stderr
    assert "--yes" in run("clean", "--json", code=2).stderr


@pytest.mark.parametrize("answer", ["y", "n"])
def test_asks_on_a_terminal(home: Path, answer: str) -> None:
    """After it has shown what would go."""
    job = done(cluster(shout).submit("a"))
    age(home, job)
    outer, inner = os.openpty()
    command = [sys.executable, "-m", "clustrix", "clean"]
    process = subprocess.Popen(command, stdin=inner, stdout=subprocess.PIPE, text=True)
    os.close(inner)
    os.write(outer, f"{answer}\n".encode())
    out, _ = process.communicate(timeout=30)
    os.close(outer)
    assert process.returncode == 0
    assert "would go" in out
    assert "Remove it?" in out
    assert (job.id in kept(home)) == (answer == "n")


def test_age_and_state_choose(home: Path) -> None:
    """What ended within the last minute stays, whatever is asked for."""
    good, bad = done(cluster(shout).submit("a")), done(cluster(fail).submit("b"))
    assert cleaned("--older-than", "0")["jobs"] == 0
    age(home, good, bad, days=2)
    assert cleaned("--older-than", "3 d")["jobs"] == 0
    assert cleaned("--older-than", "1d", "--state", "failed", "--state", "LOST")["jobs"] == 1
    assert kept(home) == {good.id}
    assert good.result(timeout=20) == "A"
    assert "time must be" in run("clean", "--older-than", "some", "--yes", code=1).stderr
    assert "RUNNING" in run("clean", "--state", "RUNNING", "--yes", code=2).stderr


def test_kept_has_the_jobs_stay(home: Path) -> None:
    """Only folders of failed jobs and of failed attempts go; the error is there still."""
    good, bad = done(cluster(shout).submit("a")), done(cluster(fail).submit("b"))
    again = done(cluster(retries=1, retry_delay=0)(fail).submit("c"))
    half = done(cluster(fail_if_odd).map(range(4)))
    age(home, good, bad, again, half)
    assert kept(home) == {good.id, bad.id, again.id, f"{again.id}.1", half.id}
    assert cleaned("--kept", "--state", "CANCELLED")["folders"] == 0
    assert cleaned("--kept") == {"jobs": 0, "folders": 4, "blobs": 0, "files": 0}
    assert kept(home) == {good.id}
    with pytest.raises(ValueError, match="b"):
        attach(bad.id).result(timeout=20)
    assert "ResultDamaged" in run("result", half.id, code=1).stderr


def test_folders_of_attempts_go_with_their_job(home: Path) -> None:
    """All of them."""
    job = done(cluster(retries=2, retry_delay=0)(fail).submit("c"))
    age(home, job)
    assert len(kept(home)) == 3
    assert cleaned()["folders"] == 3
    assert kept(home) == set()


def test_live_jobs_and_their_family_stay(home: Path, gate: Path) -> None:
    """However old: a job may ask for those that it has submitted, and for those that it was submitted from."""

    def parent(gate: str) -> str:
        child = cluster(shout).submit("child")
        child.result(timeout=20)
        with open(gate + ".child", "w") as file:
            file.write(child.id)
        wait_for_file(gate)
        return str(attach(child.id).result(timeout=20))

    job = cluster(parent).submit(str(gate))
    note = Path(f"{gate}.child")
    wait_until(lambda: note.exists() and len(note.read_text()) == 26, "the child is done")
    child = attach(note.read_text())
    age(home, child)
    assert cleaned("--older-than", "0")["jobs"] == 0
    gate.touch()
    assert job.result(timeout=20) == "CHILD"
    age(home, job)
    assert cleaned()["jobs"] == 2


def test_parent_of_a_live_job_stays(home: Path, gate: Path) -> None:
    """It has ended; what it has submitted goes on."""

    def parent(gate: str) -> str:
        return cluster(wait_for_file).submit(gate).id

    job = cluster(parent).submit(str(gate))
    child = attach(job.result(timeout=20))
    age(home, job)
    assert cleaned()["jobs"] == 0
    gate.touch()
    child.result(timeout=20)
    age(home, child)
    assert cleaned()["jobs"] == 2


def test_arguments_of_a_waiting_job_stay(home: Path, tmp_path: Path) -> None:
    """However long it has been waiting."""
    from tests.core.support import everything_waits

    data = os.urandom(40_000)
    with everything_waits(tmp_path):
        job = cluster(size).submit(data)
        age(home)
        assert cleaned()["blobs"] == 0
    assert job.result(timeout=20) == 40_000


def test_argument_that_is_about_to_be_named_stays(home: Path) -> None:
    """It is old, and of no job any more; a submission has found it there, and its row is not written yet."""
    data = os.urandom(40_000)
    job = done(cluster(size).submit(data))
    age(home, job)
    store = session().blobs
    piece = blob_with(home, data)
    ref = store.keep(piece)  # what a submission does first
    assert cleaned()["jobs"] == 1
    assert blob_with(home, data) == piece
    assert os.path.exists(store.path(ref.digest))  # type: ignore[union-attr]
    assert cluster(size).submit(data).result(timeout=20) == 40_000


def test_argument_that_was_removed_is_stored_anew(home: Path) -> None:
    """Also by a process that has stored it before."""
    data = os.urandom(40_000)
    job = done(cluster(size).submit(data))
    age(home, job)
    assert cleaned()["blobs"] >= 1
    assert cluster(size).submit(data).result(timeout=20) == 40_000


def test_touching_and_removing_take_turns(home: Path) -> None:
    """Who removes holds a lock that who touches waits for."""
    data = os.urandom(40_000)
    job = done(cluster(size).submit(data))
    age(home, job)
    piece = blob_with(home, data)
    held = os.open(home / "blobs.lock", os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(held, fcntl.LOCK_EX)
    store = session().blobs
    found: list[Any] = []
    thread = threading.Thread(target=lambda: found.append(store.keep(piece)))
    thread.start()
    thread.join(0.3)
    assert thread.is_alive()
    for path in blobs(home):
        path.unlink()
    os.close(held)
    thread.join(20)
    assert os.path.exists(store.path(found[0].digest))


def test_retry_of_an_old_map_has_its_arguments(home: Path) -> None:
    """They are named anew by the new map, before the old one goes."""
    rows = [os.urandom(20_000) for _ in range(3)]

    def fail_with(data: bytes) -> None:
        raise ValueError(str(len(data)))

    old = done(cluster(fail_with).map(rows))
    age(home, old)
    again = done(old.retry_failed())
    assert cleaned()["jobs"] == 1
    third = done(again.retry_failed())
    assert all("20000" in str(third.error(index)) for index in range(3))


def test_reused_call_runs_anew_when_its_job_is_gone(home: Path) -> None:
    """Until then it is recognised, and a key is free again."""
    reusing, keyed = cluster(reuse=True)(shout), cluster(key="one")(shout)
    first, second = done(reusing.submit("a")), done(keyed.submit("b"))
    age(home, first, second, days=20)
    cleaned()
    assert reusing.submit("a").id == first.id
    age(home, first, second, days=20)
    assert cleaned()["jobs"] == 2
    anew = [reusing.submit("a"), keyed.submit("b")]
    assert not {job.id for job in anew} & {first.id, second.id}
    assert [job.result(timeout=20) for job in anew] == ["A", "B"]


def test_who_waits_for_a_removed_job_is_told(home: Path) -> None:
    """Whoever connects anew, and asks for a job that was removed meanwhile, is not left waiting."""
    job = done(cluster(shout).submit("a"))
    handle = attach(job.id)
    age(home, job)
    cleaned()
    told: list[str] = []
    home_ = session()
    home_.client(home_.name).watch([job.id], lambda news, error: told.append(news))
    wait_until(lambda: told, "there is news")
    assert told == ["undone"]
    with pytest.raises(UnknownJob, match=job.id):
        handle.result(timeout=20)


def test_output_that_somebody_reads_is_read_to_its_end(home: Path) -> None:
    """Its file is gone by name, not for who has it open."""
    job = done(cluster(shout).submit("a\nb\nc"))
    age(home, job)
    lines = job.logs(follow=True)
    assert next(lines) == "a"
    assert cleaned()["folders"] == 1
    assert list(lines) == ["b", "c"]


def test_files_of_dispatchers_that_do_not_run(home: Path, fresh_state: Path) -> None:
    """Socket and log go when they are old; those of one that runs stay, and so do all locks."""
    done(cluster(shout).submit("a"))
    (home / "dispatchers" / "gone.lock").write_text("1\n")
    for name in ("gone.log", "gone.log.old", "gone.sock"):
        (home / "dispatchers" / name).write_text("x")
    (here,) = dispatchers_of(fresh_state)
    assert cleaned()["files"] == 0
    age(home)
    assert cleaned()["files"] == 3
    names = set(os.listdir(home / "dispatchers"))
    assert "gone.lock" in names
    assert {name.rpartition(".")[2] for name in names if not name.startswith("gone")} >= {
        "lock",
        "sock",
        "log",
    }
    assert dispatchers_of(fresh_state) == [here]
    assert done(cluster(shout).submit("b")).result() == "B"


def test_foreign_things_stay(home: Path) -> None:
    """What has no name of ours is nobody's to remove."""
    done(cluster(shout).submit("a"))
    strange = [home / "kept" / "mine", home / "live" / "mine", home / "blobs" / "mine"]
    for path in strange:
        path.mkdir()
        (path / "file").write_text("x")
    age(home)
    cleaned("--older-than", "0")
    assert all((path / "file").exists() for path in strange)


def fill_journal(home: Path, jobs: int, days: float = 40) -> None:
    """A journal with so many jobs that have ended, by copying one: to run them would take minutes."""
    job = done(cluster(size).submit(b"x"))
    wait_until(lambda: not (home / "live" / job.id).exists(), "its folder is tidied")
    with closing(sqlite3.connect(home / "journal.db", timeout=20)) as sql, sql:
        columns = [row[1] for row in sql.execute("PRAGMA table_info(jobs)")]
        made = {
            "seq": "seq + n",
            "id": "substr(id, 1, 18) || printf('%08d', n)",
            "payload": "zeroblob(2000)",
            "created": f"created - {days * DAY}",
        }
        select = ", ".join(made.get(name, name) for name in columns)
        sql.execute(
            f"WITH RECURSIVE many(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM many WHERE n < {jobs}) "  # noqa: S608
            f"INSERT INTO jobs SELECT {select} FROM jobs, many WHERE id = '{job.id}'"
        )
        sql.execute(
            "INSERT INTO listed SELECT seq, state, name, created, tags, "
            "json_object('id', id, 'ended', created) FROM jobs WHERE seq NOT IN (SELECT job FROM listed)"
        )


def test_journal_becomes_smaller(home: Path) -> None:
    """Its file gives back what the jobs had, also while a dispatcher has it open."""
    fill_journal(home, 5_000)
    session().journal.checkpoint()
    before = (home / "journal.db").stat().st_size
    found = json.loads(run("clean", "--yes", "--json").stdout)
    assert found["jobs"]["count"] == 5_000
    assert found["journal_bytes"] > 8_000_000
    assert (home / "journal.db").stat().st_size < before / 4
    assert done(cluster(shout).submit("b")).result() == "B"


@contextmanager
def at_work(folder: Path, jobs: int) -> Iterator[subprocess.Popen[str]]:
    """Another process that submits jobs with large arguments, some of them the same, and prints what came of them."""
    code = f"""
import os, sys
from clustrix import cluster

def size(data, number):
    return len(data) + number

shared = b"shared" * 10_000
jobs = []
for number in range({jobs}):
    data = shared if number % 2 else os.urandom(20_000)
    jobs.append((cluster(size).submit(data, number), len(data) + number))
    print(number, flush=True)
print(all(job.result(timeout=60) == wanted for job, wanted in jobs))
"""
    script = folder / "work.py"
    script.write_text(code)
    with subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def test_jobs_that_are_submitted_meanwhile_all_come(home: Path, tmp_path: Path) -> None:
    """Fifty of them, with arguments that old jobs had too, and one round after the other."""
    old = [done(cluster(size).submit(b"shared" * 10_000)) for _ in range(3)]
    fill_journal(home, 2_000)
    age(home, *old)
    removed = 0
    with at_work(tmp_path, 50) as process:
        while process.poll() is None and removed < 2_003:
            removed += cleaned()["jobs"]
        for _ in range(3):
            age(home)  # all arguments are old again: only their jobs keep them
            cleaned("--older-than", "0")
        out, _ = process.communicate(timeout=60)
    assert out.splitlines()[-1] == "True"
    assert removed == 2_003


@pytest.mark.fault
@pytest.mark.parametrize(
    "where",
    [
        "journal.remove-keys",
        "journal.remove-keys-done",
        "clean.after-keys",
        "journal.remove",
        "journal.remove-done",
        "clean.after-rows",
        "clean.after-folder",
        "clean.after-blob",
    ],
)
def test_killed_and_run_again(home: Path, tmp_path: Path, where: str) -> None:
    """Whatever it was at: jobs that are there are whole, and the next round removes what is left."""
    data = [os.urandom(20_000) for _ in range(2)]
    old = [done(cluster(reuse=True)(size).submit(some)) for some in data]
    old += [done(cluster(shout).submit(text)) for text in "ab"]
    age(home, *old)
    young = [done(cluster(size).submit(bytes(25_000))), done(cluster(shout).submit("young"))]
    run("clean", "--yes", code=-signal.SIGKILL, CLUSTRIX_FAULT=f"{where}@{tmp_path / 'flag'}")
    for job in old:
        if job.id in {row["id"] for row in json.loads(run("jobs", "--json").stdout)}:
            assert attach(job.id).exception(timeout=20) is None
    cleaned()
    assert kept(home) == {young[1].id}
    assert not any(blob_with(home, some) for some in data)
    assert blob_with(home, bytes(25_000))
    assert [attach(job.id).result(timeout=20) for job in young] == [25_000, "YOUNG"]
    for job in old:
        with pytest.raises(UnknownJob):
            attach(job.id)


@pytest.mark.fault
def test_killed_at_any_moment(home: Path) -> None:
    """Again and again, while it works through many jobs; in the end all are gone."""
    fill_journal(home, 8_000)
    young = done(cluster(shout).submit("young"))
    for turn in range(6):
        command = [sys.executable, "-m", "clustrix", "clean", "--yes"]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
            time.sleep(0.25 + 0.1 * turn)
            process.kill()
    cleaned()
    with closing(sqlite3.connect(home / "journal.db")) as sql:
        assert sql.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert sql.execute("SELECT count(*) FROM jobs").fetchone() == (2,)
        assert sql.execute("SELECT count(*) FROM listed").fetchone() == (2,)
    assert attach(young.id).result(timeout=20) == "YOUNG"


@pytest.mark.fault
def test_two_at_once(home: Path) -> None:
    """What one has removed is no error for the other."""
    jobs = [done(cluster(shout).submit(str(number))) for number in range(12)]
    jobs += [done(cluster(size).submit(os.urandom(20_000))) for _ in range(6)]
    age(home, *jobs)
    command = [sys.executable, "-m", "clustrix", "clean", "--yes", "--json"]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) for _ in range(2)]
    told = [process.communicate(timeout=60) for process in both]
    assert [(process.returncode, err) for process, (_, err) in zip(both, told, strict=True)] == [(0, b"")] * 2
    assert sum(json.loads(out)["jobs"]["count"] for out, _ in told) == 18
    assert kept(home) == set()


@pytest.mark.fault
def test_state_directory_that_cannot_be(tmp_path: Path) -> None:
    """A file stands where it should be: it says so."""
    (tmp_path / "file").write_text("x")
    for path in (tmp_path / "file", tmp_path / "file" / "below"):
        shown = run("clean", "--yes", code=1, XDG_STATE_HOME=str(path)).stderr
        assert str(path) in shown
        assert "Traceback" not in shown


@pytest.mark.fault
def test_read_only_state_directory(tmp_path: Path) -> None:
    """It says so, and what was there is there."""
    where = tmp_path / "state"
    with small_disk(where, "8m"):
        env = {"XDG_STATE_HOME": str(where), "CLUSTRIX_DISPATCHER": "inline"}
        run_script("from clustrix import cluster; print(cluster(len)('abc'))", **env)
        subprocess.run(["mount", "-o", "remount,ro", str(where)], check=True)
        shown = run("clean", "--yes", code=1, **env).stderr
        assert str(where) in shown
        assert "Traceback" not in shown
        assert (where / "clustrix" / "journal.db").exists()


@pytest.mark.fault
def test_full_disk(home: Path, tmp_path: Path) -> None:
    """It is what one calls when a disk is full: it needs little room. With none at all it says so, and nothing is lost."""
    with small_disk(home, "24m"):
        jobs = [done(cluster(size).submit(os.urandom(500_000))) for _ in range(8)]
        age(home, *jobs)
        fill(home / "filler")
        shown = run("clean", "--yes", code=1).stderr
        assert "no space is left" in shown
        with (home / "filler").open("r+b") as file:
            file.truncate(os.path.getsize(home / "filler") - 300_000)
        found = json.loads(run("clean", "--yes", "--json").stdout)
        assert found["jobs"]["count"] == 8
        assert found["blobs"]["bytes"] >= 4_000_000
        assert done(cluster(size).submit(os.urandom(500_000))).result() == 500_000
        for pid in dispatchers_of(home.parent):
            os.kill(pid, signal.SIGTERM)
        wait_until(lambda: not dispatchers_of(home.parent), "the dispatcher is gone")
