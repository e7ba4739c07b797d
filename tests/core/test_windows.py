"""Ranges of items that several places of work claim from one another through files alone."""

from __future__ import annotations

import multiprocessing
import os
from pathlib import Path

import pytest

from clustrix.runner import layout
from clustrix.runner.elements import ElementBooks, close_lost, ended, totals, write_end
from clustrix.runner.frames import record
from clustrix.runner.windows import WindowedClaims, Windows, element_of, first_worker, read_windows


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in (layout.WINDOWS, layout.GIVEN, layout.ELEMENTS, layout.ENDS):
        (tmp_path / name).mkdir()
    return tmp_path


def test_windows_are_side_by_side_and_cover_all(folder: Path) -> None:
    """Each item belongs to one place."""
    places = [Windows(str(folder), element, 1000) for element in range(3)]
    taken = []
    while True:
        found = [window for place in places if (window := place.take(50, 3)) is not None]
        if not found:
            break
        taken += found
    assert sorted(item for first, end in taken for item in range(first, end)) == list(range(1000))
    assert [window.first for window in read_windows(str(folder / layout.WINDOWS))] == sorted(
        first for first, _ in taken
    )


def _take_all(folder: str, element: int, items: int, queue: multiprocessing.Queue[list[int]]) -> None:
    windows, mine = Windows(folder, element, items), []
    while (found := windows.take(7, 4)) is not None:
        mine += range(*found)
    queue.put(mine)


def test_places_that_claim_at_the_same_moment_have_different_items(folder: Path) -> None:
    """Four processes, and no item twice, none left out."""
    context = multiprocessing.get_context("fork")
    queue: multiprocessing.Queue[list[int]] = context.Queue()
    children = [
        context.Process(target=_take_all, args=(str(folder), number, 500, queue)) for number in range(4)
    ]
    for child in children:
        child.start()
    found = [queue.get(timeout=60) for _ in children]
    for child in children:
        child.join()
    assert sorted(item for items in found for item in items) == list(range(500))


def test_what_is_left_is_taken_by_another_once(folder: Path) -> None:
    """Also when the same range is left twice."""
    one, other = Windows(str(folder), 0, 10), Windows(str(folder), 1, 10)
    assert one.take(10, 1) == (0, 5)
    assert one.take(10, 1) is not None
    while one.take(10, 1) is not None:
        continue
    one.give(2, 5)
    assert other.left() == 3
    assert other.take(10, 2) == (2, 5)
    assert other.take(10, 2) is None
    other.give(2, 5)
    assert other.mine() == []
    assert one.take(10, 2) == (2, 5)
    assert one.mine() == list(range(10))


def test_restarted_place_does_not_work_on_what_it_has_left(folder: Path, tmp_path: Path) -> None:
    """It ended in good order, and is started again: what it left then is another's, or anybody's; what it had not left is its own."""
    windows = Windows(str(folder), 0, 10)
    while windows.take(10, 1) is not None:
        continue
    windows.give(6, 10)
    assert Windows(str(folder), 1, 10).take(10, 2) == (6, 10)
    (folder / layout.ELEMENTS / "0").mkdir()
    write_end(str(folder), 0, 0, 0)
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    books = ElementBooks(str(folder), 10, 0, str(scratch))
    books.take_over()
    assert ended(str(folder)) == set()
    assert books.give(books.next_worker()) == [[0, 6]]
    books.close()


def test_place_that_is_lost_after_it_has_left_all_leaves_it_once(folder: Path) -> None:
    """Killed between leaving its items and closing its account."""
    windows = Windows(str(folder), 0, 4)
    while windows.take(4, 1) is not None:
        continue
    windows.give(0, 4)
    assert close_lost(str(folder), 4, 0) == []
    assert Windows(str(folder), 1, 4).left() == 4


def test_nothing_left_to_leave_leaves_nothing(folder: Path) -> None:
    """An empty range is none."""
    windows = Windows(str(folder), 0, 10)
    windows.give(4, 4)
    assert os.listdir(folder / layout.GIVEN) == []


def test_workers_of_a_place_share_its_windows(folder: Path, tmp_path: Path) -> None:
    """The next window is claimed when one is used up, and the ledger names each item once."""
    windows = Windows(str(folder), 3, 100)
    claims = WindowedClaims(str(tmp_path / "claims"), windows, workers=2, elements=1)
    first = first_worker(3)
    taken = []
    for turn in range(200):
        claim = claims.take(first + turn % 2, 3, 2)
        if claim is None:
            break
        taken += range(claim.first, claim.end)
    claims.close()
    assert taken == list(range(100))
    assert element_of(first + 1) == 3


def test_lost_place_leaves_what_it_had_not_finished(folder: Path) -> None:
    """What has a record stays, the rest is given to others; to do it again does nothing."""
    windows = Windows(str(folder), 0, 6)
    while windows.take(6, 1) is not None:
        continue
    (folder / layout.ELEMENTS / "0").mkdir()
    results = folder / layout.worker_results(first_worker(0))
    results.write_bytes(record(1, 0, b"N.", 0.1) + record(4, 1, b"x", 0.1) + b"half a rec")
    assert totals(str(folder), 6) is None
    assert close_lost(str(folder), 6, 0) == [(0, 1), (2, 4), (5, 6)]
    assert close_lost(str(folder), 6, 0) == []
    assert ended(str(folder)) == {0}
    assert Windows(str(folder), 1, 6).left() == 4
    (folder / layout.ELEMENTS / "1").mkdir()
    write_end(str(folder), 1, 4, 0)
    assert totals(str(folder), 6) == (6, 1)
