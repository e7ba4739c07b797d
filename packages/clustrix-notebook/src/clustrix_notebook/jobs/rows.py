"""The rows of a live table: all of them once, then only what has changed.

A connection of its own reads the journal: who submits must not wait for who looks.
"""

from __future__ import annotations

import json
import time
from typing import Any

from clustrix.journal import FINAL, JobState, Journal, state_place
from clustrix.journal.queries import Query

STATES = [str(state) for state in JobState]
_ENDS = frozenset(STATES.index(str(state)) for state in FINAL)
COLUMNS = (
    "number",
    "state",
    "reason",
    "started",
    "ended",
    "id",
    "name",
    "kind",
    "backend",
    "tags",
    "items",
    "created",
)
"""What a row has, in its order.  Of one that has changed only the first five are sent: the others stay."""
_CHANGING = 5
_ANEW_SECONDS = 60.0
"""So often all is read once more: somebody may have removed jobs."""

Row = list[Any]


class Rows:
    """What one query finds."""

    def __init__(self, query: Query, more: bool = False) -> None:
        """``more``: whether there are older ones than the query's limit lets through."""
        self._query = query
        self.more = more
        self._opened: Journal | None = None
        self._version = -1
        self._read_at = 0.0
        self.known: dict[int, Row] = {}

    @property
    def _journal(self) -> Journal:
        if self._opened is None:
            self._opened = Journal(state_place())
            self._version = -1
        return self._opened

    def all(self) -> list[Row]:
        """All there are now, the newest first."""
        self._version = self._journal.version()
        self._read_at = time.monotonic()
        self.known = dict(map(_row, self._journal.numbered(self._query)))
        return list(self.known.values())

    def later(self) -> tuple[list[Row], list[int]]:
        """New and changed ones since, and the numbers of those that are no longer found."""
        if time.monotonic() - self._read_at > _ANEW_SECONDS:
            before = self.known
            self.all()
            return self._changed(before, self.known), [
                number for number in before if number not in self.known
            ]
        version = self._journal.version()
        if version == self._version:
            return [], []
        self._version = version
        changed, gone = self._news()
        left_out = self._beyond_the_limit()
        news = {row[0] for row in left_out}
        return [row for row in changed if row[0] not in news], [*gone, *news]

    def _beyond_the_limit(self) -> list[Row]:
        """The oldest, where new ones have come: they are left out."""
        limit = self._query.limit
        if limit is None or len(self.known) <= limit:
            return []
        self.more = True
        return [self.known.pop(number) for number in sorted(self.known)[: len(self.known) - limit]]

    def _news(self) -> tuple[list[Row], list[int]]:
        live = self.unfinished()
        found = dict(map(_row, self._journal.later(self._query, max(self.known, default=0), live)))
        changed = self._changed(self.known, found)
        gone = [number for number in live if number not in found]
        self.known.update(found)
        for number in gone:
            del self.known[number]
        return changed, gone

    @staticmethod
    def _changed(before: dict[int, Row], now: dict[int, Row]) -> list[Row]:
        changed = []
        for number, row in now.items():
            known = before.get(number)
            if known is None:
                changed.append(row)
            elif known != row:
                changed.append(_short(row))
        return changed

    def unfinished(self) -> list[int]:
        """The numbers of those that have not ended."""
        return [number for number, row in self.known.items() if row[1] not in _ENDS]

    def close(self) -> None:
        """Let go of the journal; it is opened again when it is needed."""
        if self._opened is not None:
            self._opened.close()
            self._opened = None


def _row(found: tuple[int, str]) -> tuple[int, Row]:
    number, text = found
    job = json.loads(text)
    return number, [
        number,
        STATES.index(job["state"]),
        job["reason"],
        _rounded(job["started"]),
        _rounded(job["ended"]),
        job["id"],
        job["name"],
        job["kind"],
        job["backend"],
        ", ".join(job["tags"]),
        job["items"],
        _rounded(job["created"]),
    ]


def _rounded(at: float | None) -> float | None:
    return None if at is None else round(at, 2)


def _short(row: Row) -> Row:
    """The changing part, without empty ends: a thousand of them a second are to be light."""
    part = row[:_CHANGING]
    while part and part[-1] in (None, ""):
        part.pop()
    return part
