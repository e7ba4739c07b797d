"""Find jobs in the journal: ``clustrix.jobs()``, and the same as JSON for the command line.

A list needs no dispatcher and no handles: what those need is imported when a job of it is attached to.
"""

from __future__ import annotations

import json
import operator
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple, overload

from clustrix.errors import ConfigError
from clustrix.journal import JobState, Journal, state_place
from clustrix.journal.queries import Query
from clustrix.notebooks import Displayed

if TYPE_CHECKING:
    from clustrix.job import AsyncJobResult
    from clustrix.results.cells import Table

_LIMIT = 100
_WHEN = "may be a date and time (a datetime, an ISO text), seconds since the epoch, or how long ago (a timedelta, a text as '2 h')"

When = float | str | date | timedelta | None


class JobRow(NamedTuple):
    """A job as the journal has it.  Times are seconds since the epoch, UTC; None: not yet."""

    id: str
    name: str
    kind: str
    """"call" or "map"."""
    state: JobState
    reason: str
    """Why it waits, or why it ended as it did; empty when there is nothing to say."""
    backend: str
    tags: tuple[str, ...]
    items: int
    created: float
    started: float | None
    ended: float | None
    cores: int
    memory_bytes: int | None
    attempt: int

    def attach(self) -> AsyncJobResult[Any]:
        """The job's handle."""
        from clustrix.attaching import attach

        return attach(self.id)


class JobList(Displayed, Sequence[JobRow]):
    """Jobs, the newest first.  Prints as a table, also in a notebook."""

    def __init__(self, rows: Sequence[JobRow], more: bool = False, query: Query | None = None) -> None:
        self._rows = rows
        self.more = more
        """Whether there are older ones, which the limit left out."""
        self.query = query
        """What was asked for, for who shows the list as it changes; None for a part of one."""

    def __len__(self) -> int:
        return len(self._rows)

    @overload
    def __getitem__(self, index: int) -> JobRow: ...
    @overload
    def __getitem__(self, index: slice) -> JobList: ...
    def __getitem__(self, index: int | slice) -> JobRow | JobList:
        return JobList(self._rows[index]) if isinstance(index, slice) else self._rows[index]

    def table(self) -> Table:
        """One row for each job."""
        from clustrix.results.cells import Table, clock

        columns = ("id", "name", "state", "reason", "items", "created", "seconds", "tags")
        rows = [
            (
                row.id,
                row.name,
                row.state,
                row.reason,
                row.items,
                clock(row.created),
                _seconds(row),
                ", ".join(row.tags),
            )
            for row in self._rows
        ]
        count = f"{len(rows):,} jobs" if len(rows) != 1 else "1 job"
        return Table(columns, rows, f"the newest {count}" if self.more else count)

    def __str__(self) -> str:
        return str(self.table()) if self._rows else "no jobs"

    def _repr_html_(self) -> str:
        return self.table()._repr_html_()

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        """In IPython's terminal."""
        printer.text(str(self))

    def __repr__(self) -> str:
        return f"<JobList of {len(self)} jobs>"


def _seconds(row: JobRow) -> float | None:
    """How long it ran, or has been running."""
    if row.started is None:
        return None
    return (time.time() if row.ended is None else row.ended) - row.started


def jobs(
    state: JobState | str | Iterable[JobState | str] | None = None,
    name: str | None = None,
    tag: str | None = None,
    since: When = None,
    until: When = None,
    function: Callable[..., Any] | str | None = None,
    limit: int | None = _LIMIT,
) -> JobList:
    """The jobs in the journal that match all that is given, the newest first.

    ``state``: one or several; ``name``: with ``*`` for anything; ``tag``: one that they have; ``since`` and ``until``: when they were
    submitted, as a date and time (a datetime, an ISO text), as seconds since the epoch, or as how long ago (a timedelta, "2 h");
    ``function``: the decorated function, or its name; ``limit``: so many at most, None for all.

    Raises ConfigError for what cannot be, with the nearest state.
    """
    query = _query(state, name, tag, since, until, function, limit)
    more = query if query.limit is None else query._replace(limit=query.limit + 1)
    with closing(Journal(state_place())) as journal:
        found = [_row(text) for text in journal.listed(more)]
    return JobList(found[: query.limit], query.limit is not None and len(found) > query.limit, query)


def rows_as_json(**which: Any) -> Iterator[bytes]:
    """The same as a JSON list in UTF-8, one object a line, in pieces to be written one after the other; all of them without a ``limit``.

    ``clustrix.journal.queries`` says what is in an object.
    """
    query = _query(**which)
    with closing(Journal(state_place())) as journal:
        yield from journal.listed_as_json(query)


def _row(text: str) -> JobRow:
    found = json.loads(text)
    return JobRow(**{**found, "state": JobState(found["state"]), "tags": tuple(found["tags"])})


def _query(
    state: Any = None,
    name: Any = None,
    tag: Any = None,
    since: When = None,
    until: When = None,
    function: Any = None,
    limit: int | None = None,
) -> Query:
    return Query(
        states=None if state is None else _states(state),
        name=_text("name", name),
        function=_text("function", getattr(function, "__qualname__", function)),
        tag=_text("tag", tag),
        since=_moment("since", since),
        until=_moment("until", until),
        limit=_limit(limit),
    )


def _states(given: Any) -> list[str]:
    many = [given] if isinstance(given, str) else list(given)
    return [_state(one) for one in many]


def _state(given: Any) -> str:
    known = [state.value for state in JobState]
    word = str(given).strip().upper()
    if word in known:
        return word
    import difflib  # only on the way to an error

    near = difflib.get_close_matches(word, known, 2, 0.5)
    did = f"; did you mean {' or '.join(near)}?" if near else ""
    raise ConfigError("state", given, f"may be {', '.join(known)}{did}", f'state="{(near or known)[0]}"')


def _text(field: str, given: Any) -> str | None:
    if given is None or isinstance(given, str):
        return given
    raise ConfigError(field, given, "must be a text", f'{field}="fit"')


def _moment(field: str, given: Any) -> float | None:
    if given is None:
        return None
    if isinstance(given, timedelta):
        return time.time() - given.total_seconds()
    if isinstance(given, str):
        try:
            given = datetime.fromisoformat(given.strip())
        except ValueError:
            return time.time() - _ago(field, given)
    if isinstance(given, datetime):
        return given.timestamp()
    if isinstance(given, date):
        return datetime(given.year, given.month, given.day).timestamp()
    try:
        return None if isinstance(given, bool) else float(given)
    except (TypeError, ValueError, OverflowError):
        raise ConfigError(field, given, _WHEN, f'{field}="2 h"') from None


def _ago(field: str, text: str) -> float:
    from clustrix.config.quantities import parse_time  # a list for the command line shall not wait for it

    try:
        return parse_time(field, text) or 0.0
    except ConfigError:
        raise ConfigError(field, text, _WHEN, f'{field}="2 h"') from None


def _limit(given: Any) -> int | None:
    if given is None:
        return None
    try:
        found = -1 if isinstance(given, bool) else operator.index(given)
    except TypeError:
        found = -1
    if not 0 <= found < 1 << 62:
        raise ConfigError("limit", given, "must be a whole number from 0, or None for all", "limit=20")
    return found
