"""What a live table is told: all rows once, then what has changed."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from clustrix.journal import Change, JobState, Journal, NewJob, state_place
from clustrix.journal.queries import Query
from clustrix.journal.records import Outcome
from clustrix_notebook.jobs import rows as module
from clustrix_notebook.jobs import widget
from clustrix_notebook.jobs.rows import COLUMNS, STATES, Rows
from clustrix_notebook.jobs.widget import Jobs
from tests.core.support import no_more_files


@pytest.fixture
def journal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Journal]:
    """One of this test's own, with three jobs that nobody runs."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    found = Journal(state_place())
    for name in ("a", "b", "c"):
        submit(found, name)
    yield found
    found.close()


def submit(journal: Journal, name: str) -> None:
    journal.submit(NewJob(name, name, "call", "nobody", "local", 1, None, None, "{}", b"", tags='["x"]'))


def state(row: list[object]) -> str:
    return STATES[int(str(row[COLUMNS.index("state")]))]


def test_all_rows_come_once_newest_first(journal: Journal) -> None:
    """With all their columns."""
    found = Rows(Query()).all()
    assert [row[COLUMNS.index("id")] for row in found] == ["c", "b", "a"]
    assert [len(row) for row in found] == [len(COLUMNS)] * 3
    assert found[0][COLUMNS.index("tags")] == "x"
    assert state(found[0]) == "CREATED"


def test_only_what_changes_comes_later(journal: Journal) -> None:
    """A row that has changed comes without what stays, a new one whole, and while nothing happens nothing does."""
    rows = Rows(Query())
    rows.all()
    assert rows.later() == ([], [])
    journal.move([Change(2, 1000.0, JobState.QUEUED, "waits")])
    (changed,), gone = rows.later()
    assert (changed[0], state(changed), changed[2], gone) == (2, "QUEUED", "waits", [])
    assert len(changed) == 3
    submit(journal, "d")
    journal.finish([Outcome(1, JobState.SUCCEEDED)])
    changed_rows, gone = rows.later()
    assert {row[0]: len(row) for row in changed_rows} == {4: len(COLUMNS), 1: 5}
    assert gone == []
    assert rows.later() == ([], [])
    assert len(rows.unfinished()) == 3


def test_table_goes_on_after_a_look_that_failed(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the kernel has too many files open, the page is told once, with the last rows still there; then it gets what it has missed."""
    rows = Rows(Query())
    rows.all()
    rows.close()
    view = Jobs([], rows)
    sent: list[dict[str, Any]] = []
    monkeypatch.setattr(view, "send", sent.append)
    monkeypatch.setattr(widget, "_TABLE_SECONDS", 0.0)
    journal.finish([Outcome(1, JobState.SUCCEEDED)])
    with no_more_files():
        assert view.look()
        assert view.look()
    (told,) = sent
    assert (told["rows"], told["gone"]) == ([], [])
    assert "Too many open files" in told["trouble"]
    assert len(rows.known) == 3
    time.sleep(0.1)  # what a message took is waited for
    assert view.look()
    assert [row[0] for row in sent[1]["rows"]] == [1]
    assert sent[1]["trouble"] == ""


def test_row_that_matches_no_longer_is_gone(journal: Journal) -> None:
    """A table of what waits loses a job that begins to run."""
    rows = Rows(Query(states=["CREATED", "QUEUED"]))
    assert len(rows.all()) == 3
    journal.move([Change(2, 1000.0, JobState.RUNNING)])
    assert rows.later() == ([], [2])
    assert sorted(rows.known) == [1, 3]


def test_removed_job_is_gone_after_a_while(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody has cleaned up: what was read is read anew now and then."""
    journal.finish([Outcome(number, JobState.SUCCEEDED) for number in (1, 2, 3)])
    rows = Rows(Query())
    rows.all()
    with journal._connection.write("test") as sql:
        sql.execute("DELETE FROM jobs WHERE seq = 2")
    monkeypatch.setattr(module, "_ANEW_SECONDS", 0.0)
    assert rows.later() == ([], [2])


def test_table_that_nobody_looks_at_lets_go_of_the_journal(journal: Journal) -> None:
    """And takes up what has changed when somebody does again."""
    rows = Rows(Query())
    rows.all()
    rows.close()
    journal.move([Change(1, 1000.0, JobState.QUEUED)])
    (changed,), _ = rows.later()
    assert (changed[0], state(changed)) == (1, "QUEUED")
    rows.close()


def test_newest_are_kept_where_there_is_a_limit(journal: Journal) -> None:
    """A new job takes the place of the oldest, and it is known that there are others."""
    rows = Rows(Query(limit=3))
    assert len(rows.all()) == 3
    assert rows.more is False
    submit(journal, "d")
    changed, gone = rows.later()
    assert ([row[0] for row in changed], gone, sorted(rows.known)) == ([4], [1], [2, 3, 4])
    assert rows.more is True
