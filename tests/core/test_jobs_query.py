"""Finding jobs again: by state, name, tag and time, as rows, as a table and as JSON."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from clustrix import JobState, MapResult, cluster, jobs
from clustrix.errors import ConfigError
from clustrix.journal import Change, Journal, NewJob, Outcome, Place, state_place
from clustrix.journal.queries import Query
from clustrix.journal.schema import STEPS
from clustrix.listing import rows_as_json
from tests.core.support import everything_waits

MEMBERS = [
    "id",
    "name",
    "kind",
    "state",
    "reason",
    "backend",
    "tags",
    "items",
    "created",
    "started",
    "ended",
    "cores",
    "memory_bytes",
    "attempt",
]


@pytest.fixture
def journal(fresh_state: Path) -> Iterator[Journal]:
    with closing(Journal(state_place())) as opened:
        yield opened


def add(journal: Journal, id: str, name: str = "f", tags: str = "", end: JobState | None = None) -> None:
    """A job in the journal, perhaps one that has run and ended; nobody runs it."""
    journal.submit(NewJob(id, name, "call", "nobody", "local", 2, 1 << 20, None, "{}", b"", tags=tags))
    seq = journal.job(id).seq
    if end is not None:
        journal.move([Change(seq, time.time(), JobState.RUNNING)])
        journal.finish([Outcome(seq, end, f"it is {end}")])


def ids(**query: Any) -> str:
    return "".join(row.id for row in jobs(**query))


def as_json(**query: Any) -> Any:
    return json.loads(b"".join(rows_as_json(**query)))


# -- real jobs


def test_jobs_are_found_by_what_they_are(fresh_state: Path, tmp_path: Path) -> None:
    """The newest first; those that wait and run among them; a row gives the handle."""

    @cluster
    def good(n: int) -> int:
        return n

    @cluster
    def bad() -> None:
        raise ValueError

    call, many, failed = good.submit(1), good.map([1, 2, 3]), bad.submit()
    assert call.result(timeout=20) == 1
    assert many.result(timeout=20) == [1, 2, 3]
    assert isinstance(failed.exception(timeout=20), ValueError)
    with everything_waits(tmp_path) as running:
        waiting = good.submit(2)
        found = jobs()
        assert [row.id for row in found] == [waiting.id, running.id, failed.id, many.id, call.id]
        assert [row.id for row in jobs(state="running")] == [running.id]
        assert [row.id for row in jobs(state=["created", JobState.QUEUED])] == [waiting.id]
        assert as_json(state="RUNNING")[0]["ended"] is None
    assert [row.id for row in jobs(function=good)] == [waiting.id, many.id, call.id]
    assert [row.id for row in jobs(function=bad, state=JobState.FAILED)] == [failed.id]
    (row,) = jobs(
        name="*good", state="succeeded", since=many.status().submitted, until=failed.status().submitted
    )
    assert (row.kind, row.items, row.state) == ("map", 3, JobState.SUCCEEDED)
    handle = row.attach()
    assert isinstance(handle, MapResult)
    assert handle.result(timeout=20) == [1, 2, 3]
    status = failed.status()
    assert [(row.created, row.started, row.ended) for row in jobs("failed")] == [
        pytest.approx((status.submitted, status.started, status.ended), abs=1e-3)
    ]


# -- what is looked for


def test_each_condition_narrows(journal: Journal) -> None:
    """All that are given hold at once."""
    add(journal, "A", "load", '["raw","x"]', JobState.SUCCEEDED)
    add(journal, "B", "load_all", '["raw"]', JobState.FAILED)
    add(journal, "C", "Fit.step", '["it\'s \\"q\\""]')
    add(journal, "D", "load", end=JobState.LOST)
    assert ids() == "DCBA"
    assert ids(name="load") == "DA"
    assert ids(name="load*") == "DBA"
    assert ids(name="LOAD*") == ""
    assert ids(tag="raw") == "BA"
    assert ids(tag="ra") == ""
    assert ids(tag='it\'s "q"') == "C"
    assert ids(state=("FAILED", "lost", "created")) == "DCB"
    assert ids(state=[]) == ""
    assert ids(tag="raw", state="FAILED", name="*") == "B"
    assert ids(function="load") == "DA"
    assert (ids(limit=2), jobs(limit=2).more, jobs(limit=4).more, ids(limit=0)) == ("DC", True, False, "")
    assert jobs(tag="x")[0].tags == ("raw", "x")


def test_times_are_given_in_many_ways(journal: Journal) -> None:
    """As dates and times, as ISO texts, as seconds, as how long ago."""
    add(journal, "A")
    created = journal.job("A").created
    moment = datetime.fromtimestamp(created)
    minute = timedelta(minutes=1)
    for since in (
        moment - minute,
        (moment - minute).isoformat(),
        datetime.fromtimestamp(created - 60, timezone.utc),
        date.fromtimestamp(created) - timedelta(days=1),
        created - 60,
        int(created) - 60,
        minute,
        "2 h",
        "00:05:00",
    ):
        assert ids(since=since) == "A", since
        assert ids(until=since) == "", since
    assert ids(since=moment + minute) == ""
    assert ids(since=created, until=created + 1) == "A"
    assert ids(until=created) == ""


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ({"state": "runing"}, "did you mean RUNNING"),
        ({"state": ["FAILED", "sucess"]}, "did you mean SUCCEEDED"),
        ({"state": "*"}, "may be CREATED"),
        ({"name": 3}, "must be a text"),
        ({"tag": ["a"]}, "must be a text"),
        ({"since": "yesterday"}, "how long ago"),
        ({"until": object()}, "how long ago"),
        ({"limit": -1}, "whole number"),
        ({"limit": "10"}, "whole number"),
    ],
)
def test_what_cannot_be_is_refused(query: dict[str, Any], said: str, fresh_state: Path) -> None:
    """With what may be, and the nearest where there is one."""
    with pytest.raises(ConfigError, match=said) as caught:
        jobs(**query)
    assert caught.value.field in query


# -- what is shown


def test_table_has_the_newest_first_and_escapes(journal: Journal) -> None:
    """A line for each job, also in a notebook; what the limit left out is said."""
    add(journal, "A", "<b>f</b>", '["<i>"]', JobState.FAILED)
    add(journal, "B")
    headline, columns, newest, older = str(jobs()).splitlines()
    assert headline == "2 jobs"
    assert columns.split() == ["id", "name", "state", "reason", "items", "created", "seconds", "tags"]
    assert newest.split()[:3] == ["B", "f", "CREATED"]
    assert older.split()[:4] == ["A", "<b>f</b>", "FAILED", "it"]
    page = jobs()._repr_html_()
    assert "&lt;b&gt;f&lt;/b&gt;" in page
    assert "<b>" not in page
    assert "<i>" not in page
    assert "the newest 1 job" in str(jobs(limit=1))
    assert str(jobs(name="g")) == "no jobs"
    assert [row.id for row in jobs()[:1]] == ["B"]


def test_json_has_the_members_that_were_promised(journal: Journal) -> None:
    """In this order, with these types; times are numbers, and what is not there is null."""
    assert as_json() == []
    add(journal, "A", 'n"\n<é', '["x"]', JobState.TIMED_OUT)
    add(journal, "B")
    newest, older = as_json()
    assert list(newest) == list(older) == MEMBERS
    record = journal.job("A")
    at = {state: moment for moment, state, _ in journal.history("A")}
    assert older == {
        "id": "A",
        "name": 'n"\n<é',
        "kind": "call",
        "state": "TIMED_OUT",
        "reason": "it is TIMED_OUT",
        "backend": "local",
        "tags": ["x"],
        "items": 1,
        "created": pytest.approx(record.created, abs=1e-3),
        "started": pytest.approx(at[JobState.RUNNING], abs=1e-3),
        "ended": pytest.approx(at[JobState.TIMED_OUT], abs=1e-3),
        "cores": 2,
        "memory_bytes": 1 << 20,
        "attempt": 1,
    }
    assert (newest["started"], newest["ended"], newest["tags"]) == (None, None, [])
    assert [row["id"] for row in as_json(limit=1)] == ["B"]
    assert [row["id"] for row in as_json(state="timed_out")] == ["A"]


def test_jobs_of_an_older_journal_are_found(tmp_path: Path) -> None:
    """One from before lists were kept: its jobs are listed when it is opened, with their times."""
    place = Place(str(tmp_path))
    Path(place.environments).mkdir()
    with closing(sqlite3.connect(place.database)) as sql:
        sql.executescript("".join(STEPS[:2]))
        sql.execute("PRAGMA user_version = 2")
        for seq, state in enumerate(("SUCCEEDED", "QUEUED", "LOST"), 1):
            sql.execute(
                "INSERT INTO jobs (seq, id, name, kind, dispatcher, backend, state, cores, environ, items, created, spec, payload) "
                "VALUES (?, ?, 'f', 'call', 'd', 'local', ?, 1, '', 1, 5.0, '{}', x'')",
                (seq, f"J{seq}", state),
            )
        sql.execute("INSERT INTO events VALUES (1, 1, 6.5, 'RUNNING', ''), (1, 2, 7.5, 'SUCCEEDED', '')")
        sql.commit()
    with closing(Journal(place)) as journal:
        found = [json.loads(row) for row in journal.listed(Query())]
        assert [row["id"] for row in found] == ["J3", "J2", "J1"]
        assert (found[2]["started"], found[2]["ended"], found[1]["ended"]) == (6.5, 7.5, None)


def test_removed_job_is_not_listed(journal: Journal) -> None:
    """Whoever removes its row need not know of the list."""
    add(journal, "A", end=JobState.FAILED)
    add(journal, "B", end=JobState.FAILED)
    with closing(sqlite3.connect(journal.place.database)) as sql:
        sql.execute("DELETE FROM jobs WHERE id = 'A'")
        sql.commit()
    assert ids() == "B"


def test_long_list_is_whole_and_in_order(journal: Journal) -> None:
    """However many pieces it is made of, and wherever the limit falls."""
    count = 12_001
    with closing(sqlite3.connect(journal.place.database)) as sql:
        rows = ((number, json.dumps({"id": number})) for number in range(1, count + 1))
        sql.executemany("INSERT INTO listed VALUES (?, 'FAILED', 'f', 0, '', ?)", rows)
        sql.commit()
    for limit in (None, 0, 4_999, 5_000, 10_000, 10_001, count, count + 1):
        found = [row["id"] for row in as_json(limit=limit)]
        assert found == list(range(count, 0, -1))[:limit]
