"""The journal's tables, as numbered steps.  A step that has been released is never edited; add the next.

Each table and index that a submission touches is a page of 4 KiB that its commit has to write: there are as few as can be.
A job's first event is its row in ``jobs``.
"""

from __future__ import annotations

import sqlite3

from clustrix.journal.queries import ENDED, LIST_ENDED

_001_JOBS = """
CREATE TABLE jobs (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    kind TEXT NOT NULL,
    dispatcher TEXT NOT NULL,
    backend TEXT NOT NULL,
    state TEXT NOT NULL,
    reason TEXT NOT NULL DEFAULT '',
    cancel INTEGER NOT NULL DEFAULT 0,
    cores INTEGER NOT NULL,
    memory_bytes INTEGER,
    time_s REAL,
    environ TEXT NOT NULL,
    items INTEGER NOT NULL,
    parent TEXT,
    key TEXT,
    created REAL NOT NULL,
    held_cores INTEGER NOT NULL DEFAULT 0,
    held_bytes INTEGER NOT NULL DEFAULT 0,
    spec TEXT NOT NULL,
    payload BLOB NOT NULL
);
CREATE INDEX jobs_live ON jobs (dispatcher, seq, environ)
    WHERE state IN ('CREATED', 'STAGING', 'QUEUED', 'RUNNING');
CREATE INDEX jobs_held ON jobs (dispatcher) WHERE held_cores > 0;
CREATE UNIQUE INDEX jobs_key ON jobs (key) WHERE key IS NOT NULL;
CREATE TABLE events (
    job INTEGER NOT NULL,
    number INTEGER NOT NULL,
    at REAL NOT NULL,
    state TEXT NOT NULL,
    reason TEXT NOT NULL,
    PRIMARY KEY (job, number)
) WITHOUT ROWID;
CREATE TABLE results (
    job INTEGER PRIMARY KEY,
    data BLOB,
    path TEXT,
    error TEXT
);
CREATE TABLE dispatchers (
    name TEXT PRIMARY KEY,
    executable TEXT NOT NULL,
    host TEXT NOT NULL
);
"""

_002_PLACES = """
ALTER TABLE jobs ADD COLUMN place TEXT NOT NULL DEFAULT '';
ALTER TABLE jobs ADD COLUMN tags TEXT NOT NULL DEFAULT '';
ALTER TABLE jobs ADD COLUMN attempt INTEGER NOT NULL DEFAULT 1;
ALTER TABLE jobs ADD COLUMN spared INTEGER NOT NULL DEFAULT 0;
ALTER TABLE jobs ADD COLUMN handle TEXT NOT NULL DEFAULT '';
"""

_003_LISTED = """
CREATE TABLE listed (
    job INTEGER PRIMARY KEY,
    state TEXT NOT NULL,
    name TEXT NOT NULL,
    created REAL NOT NULL,
    tags TEXT NOT NULL,
    row TEXT NOT NULL
);
CREATE TRIGGER jobs_unlisted AFTER DELETE ON jobs BEGIN DELETE FROM listed WHERE job = old.seq; END;
"""

_004_PREPARED = """
ALTER TABLE jobs ADD COLUMN prepared INTEGER NOT NULL DEFAULT 1;
UPDATE jobs SET prepared = attempt;
"""

STEPS = (_001_JOBS, _002_PLACES, _003_LISTED, _004_PREPARED)
VERSION = len(STEPS)

_LISTED_SINCE = 3
"""Older journals are listed anew, when all steps are done: what a row shows may have come with a later step."""


def migrate(connection: sqlite3.Connection) -> None:
    """Bring the tables to the current version; inside the caller's transaction."""
    (found,) = connection.execute("PRAGMA user_version").fetchone()
    for step in STEPS[found:]:
        for statement in step.split(";\n"):
            if statement.strip():
                connection.execute(statement)
    if found < _LISTED_SINCE:
        connection.execute(f"{LIST_ENDED} {ENDED}")
    if found < VERSION:
        connection.execute(f"PRAGMA user_version = {VERSION}")
