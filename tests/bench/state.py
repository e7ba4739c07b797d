"""A state directory of its own for each bench, and the dispatcher in it: find it, stop it, fill its journal."""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import sqlite3
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_STOP_SECONDS = 15.0


@contextmanager
def fresh_state() -> Iterator[Path]:
    """An empty state directory, with no dispatcher left at the end; what it yields is for ``XDG_STATE_HOME``."""
    home = Path(tempfile.mkdtemp(prefix="clustrix-bench-"))
    try:
        yield home
    finally:
        stop_dispatcher(home)
        release(home)
        shutil.rmtree(home, ignore_errors=True)


def here() -> Path:
    """The state directory of this process."""
    return Path(os.environ["XDG_STATE_HOME"])


def dispatcher(home: Path) -> int | None:
    """The pid of the dispatcher that serves this state directory."""
    for lock in (home / "clustrix" / "dispatchers").glob("*.lock"):
        with lock.open() as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return int(file.read())
    return None


def stop_dispatcher(home: Path) -> None:
    """Ask the dispatcher to leave, and wait until it has."""
    pid = dispatcher(home)
    if pid is None:
        return
    os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + _STOP_SECONDS
    while dispatcher(home) is not None:
        if time.monotonic() > deadline:
            raise TimeoutError(f"dispatcher {pid} does not leave")
        time.sleep(0.002)


def flag(home: Path) -> Path:
    """While this file is there, jobs of ``work.hold`` run."""
    return home / "hold"


def release(home: Path) -> None:
    """Let the jobs end that hold the cores."""
    with suppress(FileNotFoundError):
        flag(home).unlink()
        time.sleep(0.2)  # they look twenty times a second


def copy_job(home: Path, job: str, times: int) -> None:
    """Fill the journal with copies of a finished job: its row, its events, its result.  Quick, and whatever the columns."""
    sql = sqlite3.connect(home / "clustrix" / "journal.db", isolation_level=None)
    sql.create_function("id_of", 1, lambda number: f"0{number:025d}", deterministic=True)
    sql.execute("BEGIN IMMEDIATE")
    template, last = sql.execute(
        "SELECT seq, (SELECT max(seq) FROM jobs) FROM jobs WHERE id = ?", (job,)
    ).fetchone()
    sql.execute("CREATE TEMP TABLE copies (seq INTEGER PRIMARY KEY)")
    sql.executemany("INSERT INTO copies VALUES (?)", ((seq,) for seq in range(last + 1, last + 1 + times)))
    for table, changed in (
        ("jobs", {"seq": "copies.seq", "id": "id_of(copies.seq)"}),
        ("events", {"seq": "NULL", "job": "copies.seq"}),
        ("results", {"job": "copies.seq"}),
        ("listed", {"job": "copies.seq", "row": "json_replace(old.row, '$.id', id_of(copies.seq))"}),
    ):
        columns = [row[1] for row in sql.execute(f"PRAGMA table_info({table})")]
        values = ", ".join(changed.get(column, f"old.{column}") for column in columns)
        key = "seq" if table == "jobs" else "job"
        sql.execute(
            f"INSERT INTO {table} ({', '.join(columns)}) "  # noqa: S608 -- names of our own tables
            f"SELECT {values} FROM copies, {table} AS old WHERE old.{key} = ? ORDER BY copies.seq",
            (template,),
        )
    sql.execute("COMMIT")
    sql.close()
