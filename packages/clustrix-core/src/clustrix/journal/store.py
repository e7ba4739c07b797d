"""What the rest of clustrix asks of the journal and tells it."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from types import MappingProxyType
from typing import Any

from clustrix.errors import JournalError, UnknownJob
from clustrix.journal.connection import Connection
from clustrix.journal.environs import Environs
from clustrix.journal.keys import Keys, holder_of
from clustrix.journal.place import Place
from clustrix.journal.queries import LIST_ENDED, LIVE, Query
from clustrix.journal.records import FINAL, Change, JobRecord, JobState, NewJob, Outcome

_COLUMNS = ", ".join(JobRecord._fields)
_PIECE_ROWS = 5_000


def _record(row: tuple[Any, ...]) -> JobRecord:
    record = JobRecord(*row)
    return record._replace(state=JobState(record.state), cancel=bool(record.cancel))


class Journal:
    """The journal of one state directory.  Every method may raise the errors below JournalError."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self._connection = Connection(place)
        self._environs = Environs(place.environments)
        self.keys = Keys(self._connection)

    # -- the submitter

    def submit(
        self,
        job: NewJob,
        dispatcher: tuple[str, str] | None = None,
        variables: Mapping[str, str] = MappingProxyType({}),
    ) -> str:
        """Add a job of this process, durably; returns its id, or that of the job that has its key already.

        ``dispatcher``: executable and host to write down for the dispatcher that the job names.  ``variables``: what the job shall
        have in its environment beside this process's variables, or in their stead.  Raises KeyTaken when the other job is not
        the same work.
        """
        with self._connection.write("submit") as sql:
            if job.key is not None:
                known = holder_of(sql, job)
                if known is not None:
                    return known
            environ = self._environs.put(variables)
            now = time.time()
            fields = job._asdict()
            names = ", ".join(fields)
            marks = ", ".join("?" * len(fields))
            sql.execute(
                f"INSERT INTO jobs ({names}, environ, state, created) VALUES ({marks}, ?, 'CREATED', ?)",
                (*fields.values(), environ, now),
            )
            if dispatcher is not None:
                sql.execute(
                    "INSERT OR REPLACE INTO dispatchers VALUES (?, ?, ?)", (job.dispatcher, *dispatcher)
                )
        return job.id

    def request_cancel(self, job: str) -> bool:
        """Write down that the job shall end; False if it has ended already."""
        with self._connection.write("cancel") as sql:
            return sql.execute(f"UPDATE jobs SET cancel = 1 WHERE id = ? AND {LIVE}", (job,)).rowcount == 1

    # -- anybody

    def job(self, job: str) -> JobRecord:
        """Raises UnknownJob with the nearest ids."""
        with self._connection.read() as sql:
            row = sql.execute(f"SELECT {_COLUMNS} FROM jobs WHERE id = ?", (job,)).fetchone()
            if row is None:
                raise UnknownJob(job, self.place.database, self._nearest(sql, job))
        return _record(row)

    @staticmethod
    def _nearest(sql: sqlite3.Connection, job: str) -> tuple[str, ...]:
        import difflib  # only on the way to an error

        recent = [row[0] for row in sql.execute("SELECT id FROM jobs ORDER BY seq DESC LIMIT 1000")]
        prefixed = [known for known in recent if job and known.startswith(job.upper())]
        return tuple((prefixed or difflib.get_close_matches(str(job).upper(), recent, 3, 0.6))[:3])

    def lineage(self, job: str, most: int) -> list[str]:
        """The job, the one that it was submitted from, and so on: up to ``most`` ids."""
        found = [job]
        with self._connection.read() as sql:
            while len(found) < most:
                row = sql.execute("SELECT parent FROM jobs WHERE id = ?", (found[-1],)).fetchone()
                if row is None or row[0] is None:
                    break
                found.append(row[0])
        return found

    def finished_among(self, jobs: Iterable[str]) -> dict[str, JobState]:
        """Those of the given ids that have ended, and how."""
        found = {}
        with self._connection.read() as sql:
            for job in jobs:
                row = sql.execute(f"SELECT state FROM jobs WHERE id = ? AND NOT {LIVE}", (job,)).fetchone()
                if row is not None:
                    found[job] = JobState(row[0])
        return found

    def removed_among(self, jobs: Iterable[str]) -> list[str]:
        """Those of the given ids that are not in the journal: ``clustrix clean`` has removed them."""
        with self._connection.read() as sql:
            return [
                job for job in jobs if not sql.execute("SELECT 1 FROM jobs WHERE id = ?", (job,)).fetchone()
            ]

    def outcome(self, job: str) -> tuple[JobRecord, Outcome]:
        """A job and how it ended."""
        with self._connection.read() as sql:
            row = sql.execute(
                f"SELECT {_COLUMNS}, data, path, error FROM jobs LEFT JOIN results ON job = seq WHERE id = ?",
                (job,),
            ).fetchone()
        record = _record(row[:-3]) if row is not None else self.job(job)  # which raises UnknownJob
        return record, Outcome(record.seq, record.state, record.reason, *(row[-3:] if row else ()))

    def history(self, job: str) -> list[tuple[float, JobState, str]]:
        """Each change of a job's state: when (seconds since the epoch), to what, why."""
        with self._connection.read() as sql:
            record = self.job(job)
            rows = sql.execute(
                "SELECT at, state, reason FROM events WHERE job = ? ORDER BY number", (record.seq,)
            ).fetchall()
        created = (record.created, JobState.CREATED, "")
        return [created, *((at, JobState(state), reason) for at, state, reason in rows)]

    def listed(self, query: Query) -> list[str]:
        """The rows of jobs that match, each as JSON, the newest first."""
        return [row for _, row in self.numbered(query)]

    def numbered(self, query: Query) -> list[tuple[int, str]]:
        """The same, each with its job's number."""
        with self._connection.read() as sql:
            return list(sql.execute(*query.rows()))

    def later(self, query: Query, newest: int, unfinished: Sequence[int]) -> list[tuple[int, str]]:
        """Of these only what may be others than when somebody looked: see ``Query.later``."""
        with self._connection.read() as sql:
            return list(sql.execute(*query.later(newest, unfinished)))

    def version(self) -> int:
        """Another number as soon as another process has written something."""
        with self._connection.read() as sql:
            found: int = sql.execute("PRAGMA data_version").fetchone()[0]
            return found

    def listed_as_json(self, query: Query) -> Iterator[bytes]:
        """The same as pieces of one JSON list, in UTF-8."""
        last, left, mark = 1 << 62, query.limit, b"["
        count = most = _PIECE_ROWS
        while count == most:
            # In pieces: fresh memory for all of it costs more than to write it.
            most = _PIECE_ROWS if left is None else min(left, _PIECE_ROWS)
            with self._connection.read() as sql:
                text, last, count = sql.execute(*query._replace(limit=most).piece(last)).fetchone()
            if not count:
                break
            yield mark + text
            mark = b",\n"
            left = None if left is None else left - count
        yield b"]" if mark != b"[" else b"[]"

    def dispatcher_of(self, name: str) -> tuple[str, str] | None:
        """Executable and host of a dispatcher, as its submitters wrote them down."""
        with self._connection.read() as sql:
            row: tuple[str, str] | None = sql.execute(
                "SELECT executable, host FROM dispatchers WHERE name = ?", (name,)
            ).fetchone()
        return row

    # -- the dispatcher

    def live(self, dispatcher: str, after: int = 0) -> list[JobRecord]:
        """Jobs that have not ended, in the order of submission, from the one behind ``after`` on."""
        with self._connection.read() as sql:
            rows = sql.execute(
                f"SELECT {_COLUMNS} FROM jobs WHERE dispatcher = ? AND seq > ? AND {LIVE} ORDER BY seq",
                (dispatcher, after),
            ).fetchall()
        return [_record(row) for row in rows]

    def held_elsewhere(self, dispatcher: str) -> dict[str, tuple[int, int]]:
        """Cores and bytes of this machine that other environments' jobs occupy, by dispatcher."""
        with self._connection.read() as sql:
            rows = sql.execute(
                "SELECT dispatcher, sum(held_cores), sum(held_bytes) FROM jobs "
                "WHERE held_cores > 0 AND dispatcher != ? GROUP BY dispatcher",
                (dispatcher,),
            ).fetchall()
        return {name: (cores, size) for name, cores, size in rows}

    def spec(self, seq: int) -> str:
        """The spec of a job."""
        with self._connection.read() as sql:
            (spec,) = sql.execute("SELECT spec FROM jobs WHERE seq = ?", (seq,)).fetchone()
        return str(spec)

    def payload(self, seq: int) -> tuple[str, bytes]:
        """Spec and payload of a job."""
        with self._connection.read() as sql:
            row: tuple[str, bytes] = sql.execute(
                "SELECT spec, payload FROM jobs WHERE seq = ?", (seq,)
            ).fetchone()
        return row

    def cancel_requested(self, jobs: Sequence[str]) -> list[str]:
        """Those of the given live jobs whose end somebody has asked for."""
        with self._connection.read() as sql:
            return [
                job
                for job in jobs
                if sql.execute(
                    f"SELECT 1 FROM jobs WHERE id = ? AND cancel = 1 AND {LIVE}", (job,)
                ).fetchone()
            ]

    def wished(self, dispatcher: str) -> list[str]:
        """All live jobs of a dispatcher whose end somebody has asked for."""
        with self._connection.read() as sql:
            query = f"SELECT id FROM jobs WHERE dispatcher = ? AND cancel = 1 AND {LIVE}"
            return [job for (job,) in sql.execute(query, (dispatcher,))]

    def move(self, changes: Iterable[Change]) -> None:
        """Write down new states of live jobs."""
        with self._connection.write("move", durable=False) as sql:
            self._move(sql, changes)

    def finish(
        self,
        outcomes: Iterable[Outcome],
        changes: Iterable[Change] = (),
        cancellation: Callable[[int], Outcome] | None = None,
    ) -> list[Outcome]:
        """Write down how jobs ended, durably and all at once; returns that.  A job that has ended already stays as it is.

        ``changes``: what ``move`` would have written, in the same transaction.  ``cancellation``: the outcome, by its number, of a
        job whose end was wished for and promised before its own was written.
        """
        now = time.time()
        written = []
        with self._connection.write("finish") as sql:
            self._move(sql, changes)
            for outcome in outcomes:
                if cancellation is not None and outcome.state is not JobState.CANCELLED:
                    (wished,) = sql.execute(
                        "SELECT cancel FROM jobs WHERE seq = ?", (outcome.seq,)
                    ).fetchone()
                    outcome = cancellation(outcome.seq) if wished else outcome
                written.append(outcome)
                change = Change(outcome.seq, now, outcome.state, outcome.reason)
                if self._set_state(sql, change):
                    sql.execute(
                        "INSERT OR REPLACE INTO results (job, data, path, error) VALUES (?, ?, ?, ?)",
                        (outcome.seq, outcome.data, outcome.path, outcome.error),
                    )
        return written

    def again(self, seq: int, attempt: int, spared: int, memory_bytes: int | None, reason: str) -> bool:
        """Write down, durably, that a live job is at its next attempt; False if it shall end, or has ended."""
        with self._connection.write("again") as sql:
            changed = sql.execute(
                "UPDATE jobs SET attempt = ?, spared = ?, memory_bytes = ?, handle = '' "
                f"WHERE seq = ? AND cancel = 0 AND {LIVE}",
                (attempt, spared, memory_bytes, seq),
            ).rowcount
            if changed:
                self._set_state(sql, Change(seq, time.time(), JobState.QUEUED, reason))
        return changed == 1

    def prepare(self, seq: int, attempt: int) -> None:
        """Write down, durably, that nothing is left at its place of what comes before this attempt: from now on it may be there."""
        with self._connection.write("prepare") as sql:
            sql.execute("UPDATE jobs SET prepared = ? WHERE seq = ?", (attempt, seq))

    def _move(self, sql: sqlite3.Connection, changes: Iterable[Change]) -> None:
        for change in changes:
            self._set_state(sql, change)

    @staticmethod
    def _set_state(sql: sqlite3.Connection, change: Change) -> bool:
        changed = sql.execute(
            f"UPDATE jobs SET state = ?, reason = ?, held_cores = ?, held_bytes = ? WHERE seq = ? AND {LIVE}",
            (change.state.value, change.reason, change.held_cores, change.held_bytes, change.seq),
        ).rowcount
        if changed and change.handle:
            sql.execute("UPDATE jobs SET handle = ? WHERE seq = ?", (change.handle, change.seq))
        if changed and change.news:
            sql.execute(
                "INSERT INTO events SELECT ?, 1 + count(*), ?, ?, ? FROM events WHERE job = ?",
                (change.seq, change.at, change.state.value, change.reason, change.seq),
            )
        if changed and change.state in FINAL:
            sql.execute(f"{LIST_ENDED} seq = ?", (change.seq,))
        return changed == 1

    def drop_environs(self) -> None:
        """Blank the files of those environment variables that no live job needs."""
        with self._connection.read() as sql:
            idle = [name for name in self._environs.held() if self._idle(sql, name)]
        if idle:
            with self._connection.write("environs", durable=False) as sql:
                for name in idle:
                    if self._idle(sql, name):
                        self._environs.forget(name)

    @staticmethod
    def _idle(sql: sqlite3.Connection, environ: str) -> bool:
        query = f"SELECT 1 FROM jobs WHERE environ = ? AND {LIVE} LIMIT 1"
        return sql.execute(query, (environ,)).fetchone() is None

    # -- house-keeping

    def checkpoint(self) -> None:
        """Bound the size of the log.  Called by the dispatcher when it has a moment."""
        with suppress(OSError):
            self._connection.checkpoint()

    def reserve(self) -> None:
        """Make room for the log.  Called by the dispatcher when it starts."""
        with suppress(OSError):
            self._connection.reserve()

    def vanished(self) -> bool:
        """Whether the state directory is no longer the one that was opened."""
        return self._connection.vanished()

    def gone(self) -> JournalError:
        """The error for that."""
        return self._connection.gone()

    def close(self) -> None:
        self._connection.close()
