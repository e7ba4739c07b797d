"""Which jobs are there: quick over a journal of a hundred thousand, and as JSON without a Python object for each.

A job's row in ``jobs`` has its payload, so that to look through all of them is to read the whole file.  When a job ends, what lists
show of it is written into ``listed`` as the JSON text that it will be (together with what it is looked for by); those that have not ended
are few.  A row is an object with these members, which are not renamed, nor taken away:

    id, name, kind ("call", "map"), state, reason, backend: texts; tags: a list of texts
    items: how many calls it is; cores, memory_bytes: what each of them asked for; attempt: from 1
    created, started, ended: numbers, seconds since the epoch, UTC

``memory_bytes``, ``started`` and ``ended`` are null where there is none.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, NamedTuple

ENDED = "state IN ('SUCCEEDED', 'FAILED', 'CANCELLED', 'TIMED_OUT', 'LOST')"
LIVE = "state IN ('CREATED', 'STAGING', 'QUEUED', 'RUNNING')"
"""Word by word the condition of the indices of live jobs."""
_LIVE_ONES = f"SELECT seq FROM jobs INDEXED BY jobs_live WHERE {LIVE}"

_TAGS = "CASE WHEN json_valid(tags) THEN json(tags) ELSE json('[]') END"
_STARTED = "(SELECT at FROM events WHERE job = seq AND events.state = 'RUNNING' ORDER BY number LIMIT 1)"
_ENDED_AT = f"(SELECT at FROM events WHERE job = seq AND events.{ENDED} ORDER BY number LIMIT 1)"
_ROW = (
    f"json_object('id', id, 'name', name, 'kind', kind, 'state', state, 'reason', reason, 'backend', backend, 'tags', {_TAGS}, "
    f"'items', items, 'created', created, 'started', {_STARTED}, 'ended', {_ENDED_AT}, "
    "'cores', cores, 'memory_bytes', memory_bytes, 'attempt', attempt)"
)

LIST_ENDED = (
    "INSERT OR REPLACE INTO listed (job, state, name, created, tags, row) "
    f"SELECT seq, state, name, created, tags, {_ROW} FROM jobs WHERE"
)
"""Followed by a condition: write into ``listed`` the jobs that have ended."""


class Query(NamedTuple):
    """Which jobs are wanted; None: whichever."""

    states: Sequence[str] | None = None
    name: str | None = None
    """With ``*``, ``?`` and ``[...]`` as in a shell."""
    function: str | None = None
    """The name as it is."""
    tag: str | None = None
    since: float | None = None
    """Submitted then or later; seconds since the epoch."""
    until: float | None = None
    limit: int | None = None
    """So many at most, the newest."""

    def rows(self, before: int = 1 << 62) -> tuple[str, list[Any]]:
        """A statement and its values: number and JSON of each job with a number below ``before``, the newest first."""
        condition, values = self._condition()
        statement = (
            f"SELECT job, row FROM listed WHERE job < ? AND {condition} "
            f"UNION ALL SELECT seq, {_ROW} FROM jobs WHERE seq IN ({_LIVE_ONES} AND seq < ?) AND {condition} "
            "ORDER BY 1 DESC LIMIT ?"
        )
        return statement, [before, *values, before, *values, -1 if self.limit is None else self.limit]

    def later(self, newest: int, unfinished: Sequence[int]) -> tuple[str, list[Any]]:
        """The same for what may have changed since somebody looked: what is newer than ``newest``, what was ``unfinished`` then, what is now."""
        condition, values = self._condition()
        statement = (
            f"SELECT job, row FROM listed WHERE (job > ? OR job IN (SELECT value FROM json_each(?))) AND {condition} "
            f"UNION ALL SELECT seq, {_ROW} FROM jobs WHERE seq IN ({_LIVE_ONES}) AND {condition} ORDER BY 1 DESC"
        )
        return statement, [newest, json.dumps(list(unfinished)), *values, *values]

    def piece(self, before: int) -> tuple[str, list[Any]]:
        """The same for one value: their JSON with commas between, in UTF-8; with it the last's number, and how many they are."""
        statement, values = self.rows(before)
        return f"SELECT CAST(group_concat(row, ',\n') AS BLOB), min(job), count(*) FROM ({statement})", values

    def _condition(self) -> tuple[str, list[Any]]:
        parts: list[tuple[str, list[Any]]] = []
        if self.states is not None:
            parts.append((f"state IN ({', '.join('?' * len(self.states))})", list(self.states)))
        if self.name is not None:
            parts.append(("name GLOB ?", [self.name]))
        if self.function is not None:
            parts.append(("name = ?", [self.function]))
        if self.tag is not None:
            tags = "CASE WHEN json_valid(tags) THEN tags ELSE '[]' END"
            parts.append((f"EXISTS (SELECT 1 FROM json_each({tags}) WHERE value = ?)", [self.tag]))
        if self.since is not None:
            parts.append(("created >= ?", [self.since]))
        if self.until is not None:
            parts.append(("created < ?", [self.until]))
        condition = " AND ".join(text for text, _ in parts) or "1"
        return condition, [value for _, values in parts for value in values]
