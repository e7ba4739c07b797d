"""Functions of every kind that Python has, each sent through a real job; and what cannot go, refused where it is submitted."""

from __future__ import annotations

import asyncio
import sqlite3
import sys
import threading
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from clustrix import AsyncJobResult, cluster
from clustrix.errors import BundleError
from tests.core.kinds import CASES, classes, functions, values
from tests.core.support import run_script

KINDS = (functions, classes, values)  # which register their cases

pytestmark = pytest.mark.usefixtures("state")


@pytest.fixture(scope="module")
def jobs(state: Path) -> dict[str, AsyncJobResult[Any]]:
    """All of them are under way before the first is looked at."""
    return {name: cluster(make()).submit() for name, (make, _) in CASES.items()}


@pytest.mark.parametrize("name", CASES)
def test_function_comes_to_the_same_in_a_job(name: str, jobs: dict[str, AsyncJobResult[Any]]) -> None:
    """Its result is what it is here, and so is the type of the result."""
    make, expected = CASES[name]
    found = jobs[name].result(60)
    assert (type(found), found) == (type(expected), expected)
    if not asyncio.iscoroutinefunction(here := make()):
        assert here() == expected


# -- what comes home


def test_object_of_a_class_made_here_comes_home_as_one_of_that_class() -> None:
    """Not as one of a class that only looks like it: isinstance holds."""

    class Point:
        def __init__(self, x: int) -> None:
            self.x = x

    found = cluster(lambda point: Point(point.x + 1)).submit(Point(1)).result(30)
    assert type(found) is Point
    assert found.x == 2


def test_function_that_a_job_makes_can_be_called_here_and_sent_again() -> None:
    """With what it has closed over."""
    adder = cluster(lambda n: lambda x: x + n).submit(2).result(30)
    assert adder(3) == 5
    assert cluster(adder).submit(4).result(30) == 6


def test_object_that_is_changed_in_a_job_is_not_changed_here() -> None:
    """A job has a copy."""
    numbers = [1]
    assert cluster(lambda: numbers.append(2) or numbers).submit().result(30) == [1, 2]
    assert numbers == [1]


def test_classes_of_a_script_work_in_jobs_and_when_they_come_home() -> None:
    """Whether an object of theirs goes as an argument, is global, or is made by the job."""
    done = run_script(
        """
        import dataclasses, enum
        from clustrix import cluster

        class Level(enum.IntEnum):
            LOW = 1
            HIGH = 2

        @dataclasses.dataclass
        class Row:
            level: Level
            def higher(self):
                return Row(Level.HIGH)

        ROW = Row(Level.LOW)

        @cluster
        def change(row):
            assert isinstance(row, Row) and isinstance(ROW, Row) and row == ROW
            return row.higher()

        found = change(ROW)
        print(found, type(found) is Row, found.level is Level.HIGH)
        """.replace("\n        ", "\n")
    )
    assert done.stdout == "Row(level=<Level.HIGH: 2>) True True\n", done.stderr


# -- what cannot go


def _generator() -> Iterator[int]:
    yield 1


async def _coroutine() -> None: ...


class _Thing:
    pass


REFUSED: dict[str, Callable[[], Any]] = {
    "lock": threading.Lock,
    "condition": threading.Condition,
    "generator": _generator,
    "frame": sys._getframe,
    "weak reference": lambda: weakref.ref(_Thing),
    "thread": lambda: threading.Thread(target=print),
    "connection": lambda: sqlite3.connect(":memory:"),
    "thread-local": threading.local,
    "code of a running block": lambda: (n for n in (1, 2)),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_cannot_go_is_refused_with_its_place(kind: str) -> None:
    """In an argument as in a closure, at the submission, and nothing has been submitted: the error leads to it."""
    bad = REFUSED[kind]()
    try:
        with pytest.raises(BundleError) as argument:
            cluster(_seven_of).submit({"deep": [0, bad]})
        assert "['deep'] → [1]" in argument.value.path

        def inner() -> Any:
            return kept

        kept = {"here": bad}
        with pytest.raises(BundleError) as closure:
            cluster(inner).submit()
        assert "kept" in closure.value.path
        assert "['here']" in closure.value.path
    finally:
        if isinstance(bad, sqlite3.Connection):
            bad.close()


def _seven_of(it: Any) -> int:
    return 7


def test_coroutine_is_refused_with_its_place() -> None:
    """The async function itself can go, a call of it that has begun cannot."""
    coroutine = _coroutine()
    with pytest.raises(BundleError, match="coroutine"):
        cluster(_seven_of).submit([coroutine])
    coroutine.close()


@pytest.mark.parametrize("mode", ["w", "ab", "r+"])
def test_file_that_is_open_for_writing_is_refused(mode: str, tmp_path: Path) -> None:
    """What a job wrote to it would be lost."""
    path = tmp_path / "file"
    path.touch()
    with open(path, mode) as file, pytest.raises(BundleError, match=r"argument 'it' → \[0\]"):
        cluster(_seven_of).submit([file])


def test_what_cannot_come_home_is_told_with_its_place() -> None:
    """The job has run; the error leads to the part."""
    with pytest.raises(Exception, match=r"result → \['a'\] → \[0\]"):
        cluster(lambda: {"a": [threading.Lock()]}).submit().result(30)
