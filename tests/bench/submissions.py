"""``submit``: how soon it returns, whatever else is going on."""

from __future__ import annotations

import os
import sqlite3
import time
from typing import Any

from clustrix import AsyncJobResult
from tests.bench.row import Row, ms, seconds, timed
from tests.bench.state import copy_job, flag, here, stop_dispatcher
from tests.bench.work import echo, hold

_MANY = 1_060
_WAITING = 10_000
_OLD = 100_000
_ROW_BYTES = 1_500
_STARTS = 15
_BETWEEN_STARTS_SECONDS = 1.1
"""A client starts a dispatcher once a second at most."""


def submit() -> list[Row]:
    echo()  # the machinery is loaded, the dispatcher runs
    apart = [_submit_and_wait() for _ in range(200)]
    burst, jobs = _submits(_MANY)
    assert [job.result() for job in jobs] == list(range(_MANY))
    return [*_pair("submit, one at a time", apart), *_rows(f"submit, {_MANY:,} in a row", burst)]


def submit_waiting() -> list[Row]:
    """With so many jobs waiting that nothing of theirs can run."""
    flag(here()).touch()
    hold.options(cores=os.cpu_count() or 1).submit(str(flag(here())))
    _submits(_WAITING)
    return _rows(f"submit, {_WAITING:,} jobs waiting", _submits(_MANY)[0])


def submit_history() -> list[Row]:
    """With many old jobs in the journal."""
    job = echo.submit(1)
    job.result()
    copy_job(here(), job.id, _OLD)
    taken, jobs = _submits(_MANY)
    assert [job.result() for job in jobs] == list(range(_MANY))
    return _rows(f"submit, {_OLD:,} old jobs", taken)


def submit_starting() -> list[Row]:
    """With no dispatcher: it is started on the way."""
    taken = []
    for number in range(_STARTS):
        assert echo(number) == number
        time.sleep(_BETWEEN_STARTS_SECONDS)
        stop_dispatcher(here())
        taken += _submits(1)[0]
    return _rows("submit, dispatcher not running", taken)


def _submits(count: int) -> tuple[list[float], list[AsyncJobResult[Any]]]:
    pairs = [timed(echo.submit, number) for number in range(count)]
    return [taken for taken, _ in pairs], [job for _, job in pairs]


def _submit_and_wait() -> float:
    taken, job = timed(echo.submit)
    job.result()
    return taken


def _rows(what: str, taken: list[float]) -> list[Row]:
    return [*_pair(what, taken), Row("  the slowest of them", max(taken) * 1e3, "ms", 100)]


def _pair(what: str, taken: list[float]) -> list[Row]:
    """The target in milliseconds, and as the multiple of the floor that it was set at."""
    found, commit = ms(taken), "a synchronous SQLite commit"
    least = _commit_ms()
    return [
        Row(f"{what}: p50", found, "ms", 0.5),
        Row("  the same", found, "ms", 1.85, of="ratio", rival=commit, baseline=least),
    ]


def _commit_ms() -> float:
    """The floor: one row of a job's size, committed as the journal does."""
    sql = sqlite3.connect(here() / "floor.db", isolation_level=None)
    sql.execute("PRAGMA journal_mode = WAL")
    sql.execute("PRAGMA synchronous = FULL")
    sql.execute("CREATE TABLE IF NOT EXISTS jobs (id INTEGER PRIMARY KEY, data BLOB)")
    insert = "INSERT INTO jobs (data) VALUES (?)"
    taken = ms([seconds(sql.execute, insert, (bytes(_ROW_BYTES),)) for _ in range(300)])
    sql.close()
    return taken
