"""By which a repeated submission is recognised as the job that it has been before."""

from __future__ import annotations

import sqlite3

from clustrix.errors import KeyTaken
from clustrix.journal.connection import Connection
from clustrix.journal.queries import LIVE
from clustrix.journal.records import REUSE, JobState, NewJob


def holder_of(sql: sqlite3.Connection, job: NewJob) -> str | None:
    """The job that has this job's key already, in a writer's transaction; a key that is free is taken from who had it.  Raises KeyTaken."""
    assert job.key is not None
    row = sql.execute("SELECT id, state, cancel, kind, name FROM jobs WHERE key = ?", (job.key,)).fetchone()
    if row is None:
        return None
    known, state, cancel, *work = row
    # A key of the user's stays as long as its work may go on.
    ending = cancel and job.key.startswith(REUSE)
    if state != JobState.SUCCEEDED and (ending or JobState(state).final):
        sql.execute("UPDATE jobs SET key = NULL WHERE id = ?", (known,))
        return None
    if work != [job.kind, job.name]:
        raise KeyTaken(job.key, known, "a {} of {}".format(*work), f"a {job.kind} of {job.name}")
    return str(known)


class Keys:
    """Of one journal.  Every method may raise the errors below JournalError."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def holder(self, key: str) -> tuple[str, str | None] | None:
        """The job that has this key and is under way or has succeeded, and where in its folder its result is.

        None if the result is not there yet, or stands in the journal; an empty text for a map, which has several files.
        """
        with self._connection.read() as sql:
            row: tuple[str, str | None] | None = sql.execute(
                "SELECT id, CASE WHEN kind = 'map' AND state = 'SUCCEEDED' AND items > 0 THEN '' ELSE path END "
                f"FROM jobs LEFT JOIN results ON job = seq "
                f"WHERE key = ? AND (state = 'SUCCEEDED' OR {LIVE} AND NOT cancel)",
                (key,),
            ).fetchone()
        return row

    def forget(self, key: str) -> bool:
        """Let nothing have this key any more; False if nothing had it.  The job that had it stays, with its result."""
        with self._connection.write("forget") as sql:
            return sql.execute("UPDATE jobs SET key = NULL WHERE key = ?", (key,)).rowcount == 1

    def forget_all(self, name: str) -> int:
        """The same for all calls and maps of the functions of this name that ``reuse`` has recorded; returns how many."""
        with self._connection.write("forget-all") as sql:
            forget = "UPDATE jobs SET key = NULL WHERE key > ? AND key < ? AND name = ?"
            return sql.execute(forget, (REUSE, REUSE + "~", name)).rowcount  # digests sort below "~"

    def of(self, seq: int) -> str | None:
        """The key that a job has now."""
        with self._connection.read() as sql:
            row: tuple[str | None] = sql.execute("SELECT key FROM jobs WHERE seq = ?", (seq,)).fetchone()
        return row[0]
