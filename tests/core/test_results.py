"""What a map has come to: its items as they finish, its failures by kind, as a table, and the failed ones once more."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from clustrix import JobState, MapResult, attach, cluster
from clustrix.errors import ClustrixError, JobCancelled, JobKilled
from clustrix.journal import Place
from clustrix.results.cells import Table
from clustrix.results.failures import Failure
from clustrix.results.found import Found
from clustrix.runner.frames import FAILURE, record
from tests.core.support import add_line, lines, run_script, wait_for_file, wait_until

pytestmark = pytest.mark.usefixtures("state")


@cluster
def fragile(n: int, name: str, fixed: str, runs: str) -> int:
    """Fails in three ways until the file ``fixed`` is there."""
    add_line(runs, str(n))
    if not os.path.exists(fixed):
        if n % 10 == 0:
            raise ValueError(f"cannot read item {n} of '{name}'")
        if n % 11 == 0:
            json.loads("{")
        if n == 333:
            os.kill(os.getpid(), signal.SIGKILL)
    return n


@cluster
def until(n: int, path: str, free: int) -> int:
    if n >= free:
        wait_for_file(path)
    if n % 2:
        raise KeyError(n)
    return n


def bad_of_a_thousand() -> tuple[list[int], list[int]]:
    tens = [n for n in range(1000) if n % 10 == 0]
    return tens, [n for n in range(1000) if n % 11 == 0 and n % 10]


@pytest.fixture(scope="module")
def thousand(tmp_path_factory: pytest.TempPathFactory) -> tuple[MapResult[int], Path]:
    """A thousand items of which some have failed, in three ways."""
    folder = tmp_path_factory.mktemp("thousand")
    names = [f"<i>{n}</i>" for n in range(1000)]
    jobs = fragile.map(range(1000), names, fixed=str(folder / "fixed"), runs=str(folder / "runs"))
    with pytest.raises(ValueError, match="cannot read item 0"):
        jobs.result(timeout=60)
    return jobs, folder


# -- failures by kind


def test_a_thousand_items_fail_in_three_kinds(thousand: tuple[MapResult[int], Path]) -> None:
    """One group for each type, place and message; what differs in numbers and names only is one, what killed a worker is another."""
    jobs, _ = thousand
    tens, elevens = bad_of_a_thousand()
    errors = jobs.errors()
    assert [(group.type, group.count) for group in errors] == [
        ("ValueError", len(tens)),
        ("json.decoder.JSONDecodeError", len(elevens)),
        ("JobKilled", 1),
    ]
    assert [group.indices for group in errors] == [tens, elevens, [333]]
    read, parse, killed = errors
    assert read.pattern == "cannot read item # of …"
    first = read.example
    assert read.message == f"cannot read item {first} of '<i>{first}</i>'"
    assert read.arguments == f"{first}, '<i>{first}</i>'"
    assert read.place.startswith("test_results.py:")
    assert read.place.endswith(" fragile")
    assert parse.file == read.file  # the user's line, not the one in the standard library that raised it
    assert parse.line != read.line
    assert (killed.place, killed.arguments) == ("", "333, '<i>333</i>'")
    assert errors.failed == jobs.failed() == len(tens) + len(elevens) + 1


def test_groups_are_plain_data_and_a_table(thousand: tuple[MapResult[int], Path]) -> None:
    """For JSON, for a terminal and for a notebook."""
    jobs, _ = thousand
    errors = jobs.errors()
    plain = json.loads(json.dumps(errors.to_dict()))
    assert (plain["items"], plain["failed"], len(plain["groups"])) == (1000, errors.failed, 3)
    assert plain["groups"][0]["count"] == 100
    assert len(plain["groups"][0]["indices"]) == 10
    headline, columns, *rows = str(errors).splitlines()
    assert headline == f"{errors.failed} of 1,000 items failed, in 3 kinds"
    assert columns.split()[:3] == ["count", "error", "place"]
    assert [row.split()[:2] for row in rows] == [[str(group.count), group.type] for group in errors]
    assert set(shape(errors._repr_html_())) <= {"table", "caption", "thead", "tbody", "tr", "th", "td"}


def test_failures_are_told_while_the_map_runs(gate: Path) -> None:
    """What has failed until now, without waiting; more is added when more have failed."""
    jobs = until.map(range(8), path=str(gate), free=4)
    wait_until(lambda: jobs.finished() == 4, "four are finished")
    assert not jobs.done()
    (group,) = jobs.errors()
    assert (group.type, group.indices, group.pattern) == ("KeyError", [1, 3], "#")
    assert jobs.partial() == {0: 0, 2: 2}
    assert jobs.partial(default=-1) == {0: 0, 1: -1, 2: 2, **dict.fromkeys(range(3, 8), -1)}
    gate.touch()
    wait_until(jobs.done, "the map has ended")
    assert jobs.errors()[0].indices == [1, 3, 5, 7]
    assert group.indices == [1, 3]


def test_results_are_not_opened_to_tell_of_failures(tmp_path: Path) -> None:
    """What an item returned is unpickled by who asks for it only."""
    opened = str(tmp_path / "opened")

    class Noisy:
        def __reduce__(self) -> Any:
            return add_line, (opened,)

    @cluster
    def f(n: int) -> Any:
        if n == 2:
            raise ValueError(n)
        return Noisy()

    jobs = f.map(range(4))
    wait_until(jobs.done, "the map has ended")
    assert len(jobs.errors()) == 1
    assert jobs.summary().counts["succeeded"] == 3
    jobs.table()
    assert lines(opened) == []
    jobs.partial()
    assert len(lines(opened)) == 3


def test_map_that_fails_as_a_whole_is_one_group() -> None:
    """All its items are in it, with the reason; they count as failed, and can be run again."""

    class Refuses:
        def __reduce__(self) -> Any:
            return (lambda: 1 / 0), ()

    jobs = cluster(lambda n, common: n).map(range(3), common=Refuses())
    with pytest.raises(ZeroDivisionError):
        jobs.result(timeout=20)
    (group,) = jobs.errors()
    assert (group.type, group.indices) == ("ZeroDivisionError", [0, 1, 2])
    assert (jobs.finished(), jobs.failed(), len(jobs.retry_failed())) == (3, 3, 3)


def test_map_without_failures_has_no_groups() -> None:
    """An empty sequence that says so."""
    jobs = cluster(lambda n: n).map(range(3))
    assert jobs.result(timeout=20) == [0, 1, 2]
    assert not jobs.errors()
    assert str(jobs.errors()) == "no failures in 3 items"
    assert "no failures" in jobs.errors()._repr_html_()


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("no file 'a/b.csv'", "no file 'c d.csv'"),
        ('key "x"', 'key "y z"'),
        ("3 of 17 rows", "12 of 400,000 rows"),
        ("at 0x7f00deadbeef", "at 0x55aa00001111"),
        ("got -1.5e-3", "got 2.25"),
        ("blob 3f9a0c11d2 is gone", "blob 77aa0b12ee is gone"),
        ("it can't be: 3, don't ask", "it can't be: 4, don't ask"),
    ],
)
def test_messages_that_differ_in_numbers_and_names_are_one_kind(one: str, other: str) -> None:
    """Quoted texts, numbers of any form, addresses and digests."""
    assert Failure("E", one, "", 0, "").pattern == Failure("E", other, "", 0, "").pattern


@pytest.mark.parametrize(("one", "other"), [("no file 'a'", "no folder 'a'"), ("can't read", "can't write")])
def test_messages_of_other_words_are_other_kinds(one: str, other: str) -> None:
    """Only what is quoted or a number is left out, not what stands between two apostrophes of words."""
    assert Failure("E", one, "", 0, "").pattern != Failure("E", other, "", 0, "").pattern


# -- as they finish


def test_items_come_in_the_order_in_which_they_finish(gate: Path) -> None:
    """Each once, with its index, arguments, and result or error; then TimeoutError if the rest is late."""
    jobs = until.map(range(6), path=str(gate), free=0)
    with pytest.raises(TimeoutError, match="6 items"):
        next(iter(jobs.as_completed(timeout=0.1)))
    jobs.cancel()

    @cluster
    def first_waits(n: int) -> int:
        if n == 0:
            wait_for_file(str(gate))
        if n == 3:
            raise KeyError(n)
        return n * n

    jobs = first_waits.map(range(6))
    items = iter(jobs.as_completed(timeout=30))
    early = [next(items) for _ in range(5)]
    assert sorted(item.index for item in early) == [1, 2, 3, 4, 5]
    gate.touch()
    (last,) = items
    assert (last.index, last.args, last.result(), last.error, last.state) == (0, (0,), 0, None, "succeeded")
    assert last.seconds is not None
    assert last.seconds > 0
    by_index = {item.index: item for item in early}
    assert isinstance(by_index[3].error, KeyError)
    with pytest.raises(KeyError):
        by_index[3].result()
    assert by_index[4].result() == 16


def test_items_of_a_coroutine(gate: Path) -> None:
    """The same with async for."""

    async def main() -> list[int]:
        jobs = until.map(range(4), path=str(gate), free=3)
        indices = []
        async for item in jobs.as_completed(timeout=30):
            indices.append(item.index)
            if len(indices) == 3:
                gate.touch()
        return indices

    found = asyncio.run(main())
    assert sorted(found) == [0, 1, 2, 3]
    assert found[-1] == 3


def test_items_of_a_cancelled_map_come_too(gate: Path) -> None:
    """Those that never began come last, each with JobCancelled."""
    jobs = until.map(range(50), path=str(gate), free=3)
    wait_until(lambda: jobs.finished() == 3, "three are finished")
    jobs.cancel()
    items = list(jobs.as_completed(timeout=20))
    assert sorted(item.index for item in items) == list(range(50))
    assert {item.index for item in items[:3]} == {0, 1, 2}
    assert isinstance(items[-1].error, JobCancelled)
    assert jobs.summary().counts == {"succeeded": 2, "failed": 1, "running": 0, "waiting": 0, "cancelled": 47}
    assert [group.count for group in jobs.errors()] == [1]
    assert (jobs.finished(), jobs.failed()) == (3, 1)


def test_changed_result_is_as_new_when_it_is_asked_for_again() -> None:
    """What a caller does to a result in place is the caller's own, small or large."""
    jobs = cluster(lambda n: np.full(n, 7)).map([4_000, 400_000])
    for index in range(2):
        jobs[index][:] = 0
        assert (jobs[index] == 7).all()


# -- once more


def test_failed_items_run_again_and_only_those(thousand: tuple[MapResult[int], Path]) -> None:
    """When the cause is repaired: each failed item once more, in order, and the others not."""
    jobs, folder = thousand
    failed = sorted([*bad_of_a_thousand()[0], *bad_of_a_thousand()[1], 333])
    again = jobs.retry_failed()
    with pytest.raises(ValueError, match="cannot read item 0"):
        again.result(timeout=30)  # the cause is still there
    assert again.failed() == len(failed)
    (folder / "fixed").touch()
    script = f"""
from clustrix import attach
again = attach({again.id!r}).retry_failed()
assert again.result(timeout=30) == list(again.indices), again.errors()
print(again.id)
"""
    run = run_script(script)  # from another process, which has neither function nor arguments
    third = attach(run.stdout.strip())
    assert isinstance(third, MapResult)
    assert list(third.indices) == list(again.indices) == failed
    assert third.state is JobState.SUCCEEDED
    assert jobs.merged(again, third) == list(range(1000))
    assert again.merged(third) == failed
    with pytest.raises(ValueError, match="cannot read item 0"):
        jobs.merged(again)
    assert Counter(lines(folder / "runs")) == {str(n): 3 if n in failed else 1 for n in range(1000)}
    assert list(jobs.indices) == list(range(1000))


def test_retry_of_what_has_not_failed_is_an_empty_map() -> None:
    """So that a loop that tries again ends by itself."""
    jobs = cluster(lambda n: n).map(range(3))
    assert jobs.result(timeout=20) == [0, 1, 2]
    again = jobs.retry_failed()
    assert (len(again), again.result(timeout=20), list(again.indices)) == (0, [], [])
    assert jobs.merged(again) == [0, 1, 2]
    with pytest.raises(ValueError, match="no retry of job"):
        jobs.merged(cluster(lambda n: n).map([1]))


def test_retry_of_a_cancelled_map_goes_on_with_it(gate: Path) -> None:
    """With all that came to no result."""
    jobs = cluster(wait_if_late).map(range(6), path=str(gate))
    wait_until(lambda: len(jobs.partial()) == 3, "half of it is done")
    assert "no failures yet; 3 of 6 items are not finished" in str(jobs.errors())
    assert jobs.cancel()
    wait_until(jobs.done, "it is cancelled")
    gate.touch()
    again = jobs.retry_failed()
    assert list(again.indices) == [3, 4, 5]
    assert jobs.merged(again) == list(range(6))


def wait_if_late(number: int, path: str) -> int:
    if number >= 3:
        wait_for_file(path)
    return number


def test_retry_has_what_the_map_was_submitted_with(tmp_path: Path) -> None:
    """Resources, method's object, common arguments, large arguments: the same pieces, not sent anew."""
    fixed = tmp_path / "fixed"

    @cluster(cores=1, memory="300MB", time=60)
    def f(data: Any, factor: Any) -> float:
        if not fixed.exists():
            raise OSError("not yet")
        return float(data.sum() * factor[0])

    arrays = [np.full(100_000, n, dtype=np.float64) for n in range(4)]
    jobs = f.map(arrays, factor=np.full(100_000, 2.0))
    wait_until(jobs.done, "the map has ended")
    fixed.touch()
    again = jobs.retry_failed()
    assert again.result(timeout=30) == [200_000.0 * n for n in range(4)]
    old, new = (jobs._home.journal.job(one.id) for one in (jobs, again))
    same = ("name", "kind", "dispatcher", "backend", "cores", "memory_bytes", "time_s", "items")
    assert [getattr(new, field) for field in same] == [getattr(old, field) for field in same]


# -- tables and sums


def test_table_says_what_each_item_is_doing(gate: Path) -> None:
    """State, arguments, seconds, and the pid of a worker that lives."""
    pids = cluster(lambda n: os.getpid()).map(range(1))
    assert pids.result(timeout=20)
    jobs = until.map(range(30), path=str(gate), free=2)
    wait_until(lambda: jobs.finished() == 2 and jobs.summary().counts["running"], "others run")
    rows = {row["index"]: row for row in rows_of(jobs)}
    assert [rows[n]["state"] for n in (0, 1)] == ["succeeded", "failed"]
    running = [row for row in rows.values() if row["state"] == "running"]
    assert running
    assert all(row["pid"] and row["seconds"] > 0 and row["peak_bytes"] is None for row in running)
    assert {row["state"] for row in rows.values()} == {"succeeded", "failed", "running", "waiting"}
    assert [rows[n]["arguments"] for n in range(30)] == [str(n) for n in range(30)]
    text = str(jobs)
    assert text.splitlines()[0].startswith(f"{jobs.id} until RUNNING")
    assert "30 items: 1 succeeded, 1 failed, " in text
    assert "waiting; " in text
    assert "KeyError" in text
    plain = json.loads(json.dumps(jobs.summary().to_dict()))
    assert (plain["state"], plain["items"], plain["counts"]["failed"]) == ("RUNNING", 30, 1)
    gate.touch()
    wait_until(jobs.done, "the map has ended")
    assert {row["state"] for row in rows_of(jobs)} == {"succeeded", "failed"}


def rows_of(jobs: MapResult[Any]) -> list[dict[str, Any]]:
    """The rows themselves, whether pandas is there or not."""
    from clustrix.results.items import COLUMNS

    return [dict(zip(COLUMNS, row, strict=True)) for row in jobs._overview.rows()]


def test_table_without_pandas_is_a_light_one(tmp_path: Path) -> None:
    """Rows as dicts, a text, and HTML for a notebook."""
    jobs = cluster(lambda n: 1 / n).map([1, 0])
    wait_until(jobs.done, "the map has ended")
    script = f"""
import sys
sys.modules["pandas"] = None  # what an import finds where it is not installed
from clustrix import attach
table = attach({jobs.id!r}).table()
print(type(table).__name__, len(table), table[1]["state"], [row["arguments"] for row in table])
print(table)
print(table._repr_html_().count("<tr>"))
"""
    run = run_script(script)
    first, caption, columns, *rows, count = run.stdout.splitlines()
    assert first == "Table 2 failed ['1', '0']"
    assert caption.startswith(jobs.id)
    assert columns.split() == ["index", "arguments", "state", "seconds", "pid", "peak_bytes"]
    assert [row.split()[:3] for row in rows] == [["0", "1", "succeeded"], ["1", "0", "failed"]]
    assert count == "3"


def test_table_with_pandas_is_a_data_frame() -> None:
    """With numbers that can be summed, and missing ones where nothing is known."""
    pytest.importorskip("pandas")
    jobs = cluster(lambda n: 1 / n).map([1, 0, 2])
    wait_until(jobs.done, "the map has ended")
    script = f"""
from clustrix import attach
frame = attach({jobs.id!r}).table()
print(type(frame).__module__.split(".")[0], list(frame.columns))
print(list(frame[frame.state == "failed"]["index"]), frame.seconds.sum() > 0, frame.peak_bytes.isna().all())
"""
    run = run_script(script)
    assert run.stdout.splitlines() == [
        "pandas ['index', 'arguments', 'state', 'seconds', 'pid', 'peak_bytes']",
        "[1] True True",
    ]


class Unreadable:
    """Can be pickled and not shown."""

    def __repr__(self) -> str:
        raise RuntimeError("no")


class Unloadable:
    def __reduce__(self) -> Any:
        return _only_in_jobs, ()


def _only_in_jobs() -> Any:
    if "CLUSTRIX_JOB_ID" not in os.environ:
        raise ImportError("not here")
    return 1


def test_arguments_that_cannot_be_shown_say_so() -> None:
    """Neither a __repr__ that raises nor an unpickling that fails stops a table or a list of failures."""
    jobs = cluster(lambda item: 1 / 0).map([Unreadable()])
    wait_until(jobs.done, "the map has ended")
    assert "Unreadable" in jobs.errors()[0].arguments
    jobs = cluster(lambda item: 1 / 0).map([Unloadable()])
    wait_until(jobs.done, "the map has ended")
    assert jobs.errors()[0].arguments == "<cannot be shown: ImportError>"
    assert "cannot be shown" in str(jobs.errors())
    (item,) = jobs.as_completed()
    with pytest.raises(ClustrixError, match="item 0 cannot be unpickled here"):
        _ = item.args


HOSTILE = '<script>alert("1")</script>&\x1b[31m\n\r\t\u202e\x00<img src=x onerror=y>'


def test_hostile_texts_are_shown_and_do_nothing() -> None:
    """Of messages and arguments: in HTML every sign is escaped, in a terminal no control character gets through."""

    @cluster
    def f(text: str) -> None:
        raise ValueError(f"<b>{text}")

    jobs = f.map([HOSTILE, HOSTILE])
    wait_until(jobs.done, "the map has ended")
    table = Table(("<b>",), [(HOSTILE,)], HOSTILE)
    for page in (jobs._repr_html_(), jobs.errors()._repr_html_(), table._repr_html_()):
        assert set(shape(page)) <= {"table", "caption", "thead", "tbody", "tr", "th", "td"}
        assert "&lt;" in page
        assert "\x1b" not in page
    for text in (str(jobs), str(jobs.errors()), str(table)):
        assert "<script>" in text
        assert text.replace("\n", "").isprintable()


def shape(page: str) -> list[str]:
    """The tags of a page; fails for an attribute other than those of a plain table."""
    found: list[str] = []

    class Tags(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            assert {name for name, _ in attrs} <= {"style", "colspan"}
            found.append(tag)

    Tags().feed(page)
    assert found
    return found


def test_call_shows_its_state_in_a_notebook() -> None:
    """Id, name, state, reason and times, escaped."""

    @cluster
    def f() -> None:
        raise ValueError("<b>")

    job = f.submit()
    assert isinstance(job.exception(timeout=20), ValueError)
    page = job._repr_html_()
    assert set(shape(page)) == {"table", "thead", "tbody", "tr", "th", "td"}
    assert job.id in page
    assert "FAILED" in page
    assert "&lt;locals&gt;" in page


# -- records


def test_records_are_found_once_each_however_often_one_looks(tmp_path: Path) -> None:
    """In the order in which they were written; a second record of an item, or one of no item, is left out."""
    folder = tmp_path / "live" / "J"
    folder.mkdir(parents=True)
    found = Found(Place(str(tmp_path)), "J", 3)
    assert 0 not in found
    with open(folder / "results-0", "ab", buffering=0) as file:
        file.write(record(2, FAILURE, b"x", 0.25))
        found.look()
        file.write(record(2, 0, b"y") + record(7, 0, b"z") + record(0, 0, b"w"))
        found.look()
        found.look()
    assert (list(found.order), list(found.failed), list(found.missing())) == ([2, 0], [2], [1])
    late, early = found.record(2), found.record(0)
    assert late is not None
    assert early is not None
    assert late.seconds == pytest.approx(0.25, rel=1e-3)
    assert early.seconds is None


def test_killed_workers_error_is_as_before(thousand: tuple[MapResult[int], Path]) -> None:
    """The error itself is still at its place."""
    jobs, _ = thousand
    assert isinstance(jobs.error(333), JobKilled)
