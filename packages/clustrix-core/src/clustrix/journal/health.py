"""Look at a journal without changing anything in it, whatever state it is in."""

from __future__ import annotations

import os
import sqlite3
import time
from contextlib import closing
from typing import NamedTuple
from urllib.parse import quote

from clustrix.journal.place import Place
from clustrix.journal.queries import LIVE
from clustrix.journal.schema import VERSION, migrate

_STEPS_BETWEEN_LOOKS = 100_000


class Health(NamedTuple):
    """What is known of it."""

    version: int
    """Of its tables."""
    bytes: int
    jobs: int
    live: list[tuple[str, str, int]]
    """Environments that have live jobs: Python, host, how many."""
    problems: list[str]
    """What SQLite finds wrong with the file."""
    whole: bool
    """Whether there was time enough to look at all of it."""


def examine(place: Place, seconds: float) -> Health:
    """Look for so long at most.  Raises sqlite3.Error for a file that cannot be read as a journal."""
    size = sum(
        os.path.getsize(path) for path in (place.database, place.database + "-wal") if os.path.exists(path)
    )
    with closing(sqlite3.connect(f"file:{quote(place.database)}?mode=ro", uri=True, timeout=seconds)) as sql:
        (version,) = sql.execute("PRAGMA user_version").fetchone()
        (jobs,) = sql.execute("SELECT count(*) FROM jobs").fetchone()
        live = sql.execute(
            "SELECT coalesce(executable, ''), coalesce(host, ''), count(*) FROM jobs "
            f"LEFT JOIN dispatchers ON dispatchers.name = jobs.dispatcher WHERE {LIVE} GROUP BY jobs.dispatcher"
        ).fetchall()
        problems, whole = _check(sql, seconds)
        if version == VERSION:
            problems += _other_tables(sql)
    return Health(version, size, jobs, live, problems, whole)


def _check(sql: sqlite3.Connection, seconds: float) -> tuple[list[str], bool]:
    deadline = time.monotonic() + seconds
    sql.set_progress_handler(lambda: time.monotonic() > deadline, _STEPS_BETWEEN_LOOKS)
    try:
        found = [text for (text,) in sql.execute("PRAGMA quick_check(5)")]
    except sqlite3.OperationalError as error:
        if "interrupted" not in str(error):
            raise
        return [], False
    return [text for text in found if text != "ok"], True


def _other_tables(sql: sqlite3.Connection) -> list[str]:
    """What is not as this version makes it: the file is of somebody else, or of a version that was never released."""
    with closing(sqlite3.connect(":memory:")) as model:
        migrate(model)
        wanted, found = (dict(one.execute("SELECT name, sql FROM sqlite_master")) for one in (model, sql))
    return [f"{name} is not as it should be" for name in wanted if found.get(name) != wanted[name]]
