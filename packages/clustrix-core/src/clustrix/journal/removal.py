"""Take jobs that have ended out of the journal, while others are submitted and run.

Rows go a few hundred at a time, each time in a durable transaction of its own: who is killed in between has removed some jobs
whole, and the others not at all.  The files that a job without a row has left are found by that, now or the next time.

A job stays, however old, if one that has not ended was submitted from it, or it from such a one: that one may still ask for it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import NamedTuple

from clustrix.errors import JournalFull
from clustrix.journal.connection import Connection
from clustrix.journal.place import Place
from clustrix.journal.queries import ENDED, LIVE

_PAGE_ROWS = 400
_MOST_PARENTS = 10_000
_HIGHEST = 64
"""Jobs within jobs are not nested deeper."""
_ENDED_AT = "coalesce(json_extract(row, '$.ended'), created)"
_NEEDED = (
    f"WITH RECURSIVE above(id) AS (SELECT parent FROM jobs WHERE {LIVE} AND parent IS NOT NULL UNION "
    "SELECT jobs.parent FROM jobs JOIN above ON jobs.id = above.id WHERE jobs.parent IS NOT NULL) SELECT id FROM above"
)


class Ended(NamedTuple):
    """A job that has come to its end."""

    seq: int
    id: str
    state: str
    at: float
    """When it ended, in seconds since the epoch."""


class Removal:
    """The journal of one state directory, for who removes from it.  Every method may raise the errors below JournalError."""

    def __init__(self, place: Place) -> None:
        self._connection = Connection(place)

    def due(self, states: Sequence[str] | None, before: float, rows: int) -> Iterator[list[Ended]]:
        """The jobs that ended before that time and that nobody needs, in the order of submission, so many at a time.

        ``states``: of these only; None: in whatever state they ended.
        """
        with self._connection.read() as sql:
            needed = {job for (job,) in sql.execute(_NEEDED)}
        live: dict[str, bool] = {}
        chosen = "1" if states is None else f"state IN ({', '.join('?' * len(states))})"
        last = 0
        while True:
            with self._connection.read() as sql:
                page = sql.execute(
                    f"SELECT job, json_extract(row, '$.id'), listed.state, {_ENDED_AT} FROM listed "
                    f"WHERE job > ? AND {_ENDED_AT} < ? AND {chosen} ORDER BY job LIMIT ?",
                    (last, before, *(states or ()), rows),
                ).fetchall()
                found = [job for job in map(Ended._make, page) if job.id not in needed]
                free = [job for job in found if not self._below_live(sql, job, live)]
            if not page:
                return
            last = page[-1][0]
            if free:
                yield free

    @staticmethod
    def _below_live(sql: sqlite3.Connection, job: Ended, live: dict[str, bool]) -> bool:
        """Whether one that it was submitted from has not ended."""
        row = sql.execute("SELECT parent FROM jobs WHERE seq = ?", (job.seq,)).fetchone()
        parent: str | None = row[0] if row is not None else None
        below = parent
        if below is None:
            return False
        if below not in live:
            if len(live) > _MOST_PARENTS:
                live.clear()
            live[below] = False
            for _ in range(_HIGHEST):
                row = sql.execute(f"SELECT parent, {LIVE} FROM jobs WHERE id = ?", (parent,)).fetchone()
                if row is None:
                    break
                if row[1]:
                    live[below] = True
                    break
                parent = row[0]
        return live[below]

    def size_bytes(self, jobs: Sequence[Ended]) -> int:
        """What these have in the journal."""
        marks, numbers = _marks(jobs)
        with self._connection.read() as sql:
            (size,) = sql.execute(
                "SELECT sum(length(payload) + length(spec) + coalesce(length(data), 0) + coalesce(length(error), 0)) "
                f"FROM jobs LEFT JOIN results ON job = seq WHERE seq IN ({marks})",
                numbers,
            ).fetchone()
        return int(size or 0)

    def forget_keys(self, jobs: Sequence[Ended]) -> int:
        """Have nobody find these by their keys any more; returns how many had one."""
        marks, numbers = _marks(jobs)
        with self._connection.read() as sql:
            keyed = f"seq IN ({marks}) AND key IS NOT NULL"
            (count,) = sql.execute(f"SELECT count(*) FROM jobs WHERE {keyed}", numbers).fetchone()
        if count:
            with self._connection.write("remove-keys") as sql:
                sql.execute(f"UPDATE jobs SET key = NULL WHERE {keyed}", numbers)
        return int(count)

    def remove(self, jobs: Sequence[Ended]) -> int:
        """Remove these, with their results and their history; returns how many were there."""
        marks, numbers = _marks(jobs)
        with self._connection.write("remove") as sql:
            count = sql.execute(f"DELETE FROM jobs WHERE seq IN ({marks}) AND {ENDED}", numbers).rowcount
            sql.execute(f"DELETE FROM results WHERE job IN ({marks})", numbers)
            sql.execute(f"DELETE FROM events WHERE job IN ({marks})", numbers)
        return count

    def known(self, jobs: Sequence[str]) -> dict[str, Ended | None]:
        """Those of the given ids that are in the journal; None for one that has not ended."""
        found: dict[str, Ended | None] = {}
        with self._connection.read() as sql:
            for job in jobs:
                row = sql.execute(
                    f"SELECT seq, id, jobs.state, {_ENDED_AT.replace('created', 'jobs.created')} "
                    "FROM jobs LEFT JOIN listed ON job = seq WHERE id = ?",
                    (job,),
                ).fetchone()
                if row is not None:
                    ended = row[2] not in ("CREATED", "STAGING", "QUEUED", "RUNNING")
                    found[job] = Ended(*row) if ended else None
        return found

    def payloads(self) -> Iterator[tuple[int, bytes]]:
        """Of all jobs, ended or not, number and payload; one at a time in memory."""
        last, more = 0, True
        while more:
            more = False
            with self._connection.read() as sql:
                for seq, payload in sql.execute(
                    "SELECT seq, payload FROM jobs WHERE seq > ? ORDER BY seq LIMIT ?", (last, _PAGE_ROWS)
                ):
                    last, more = seq, True
                    yield seq, payload

    def live(self) -> int:
        """How many jobs have not ended."""
        with self._connection.read() as sql:
            (count,) = sql.execute(f"SELECT count(*) FROM jobs WHERE {LIVE}").fetchone()
        return int(count)

    def room(self) -> tuple[int, int]:
        """Bytes of the database's file that are used, and that are free."""
        with self._connection.read() as sql:
            (size,) = sql.execute("PRAGMA page_size").fetchone()
            (pages,) = sql.execute("PRAGMA page_count").fetchone()
            (free,) = sql.execute("PRAGMA freelist_count").fetchone()
        return (pages - free) * size, free * size

    def checkpoint(self) -> None:
        """Have the log's room for what is written next."""
        with suppress(JournalFull):
            self._connection.checkpoint()

    def shrink(self) -> None:
        """Give the free bytes of the database's file back.  Nobody else can write meanwhile; readers go on."""
        self._connection.vacuum()
        with suppress(OSError):  # only the next commits are slower
            self._connection.reserve()

    def close(self) -> None:
        self._connection.close()


def _marks(jobs: Sequence[Ended]) -> tuple[str, list[int]]:
    return ", ".join("?" * len(jobs)), [job.seq for job in jobs]
