"""``python -m tests.bench.submitting``: where the time of a submission goes, from one part of it to the next, while nothing can run.

The parts are wrapped from outside; what is told of each is without the parts in it that are told by themselves.
"""

from __future__ import annotations

import os
import time
from collections import defaultdict
from collections.abc import Callable
from statistics import median
from typing import Any

from clustrix import decorator, submission
from clustrix.bundle import packing
from clustrix.dispatcher.client import Client
from clustrix.journal import Journal, connection
from clustrix.journal.environs import Environs
from tests.bench.state import flag, fresh_state, release
from tests.bench.work import echo, hold

_SUBMITS = 2_000
_WARM_UP = 200
_PARTS = [
    (decorator, "resolve", "the settings that hold for it"),
    (packing, "reference_to", "whether the function can be imported where it runs"),
    (submission, "session", "whether the state directory is still the same"),
    (submission, "pack_call", "pickle function and arguments, check what belongs to them"),
    (submission, "new_job", "folder, search path, limits, a new id"),
    (Environs, "put", "the environment variables: the same file as last time?"),
    (Journal, "submit", "the row: a turn, BEGIN, INSERT"),
    (submission, "announced", "the handle"),
    (Client, "submitted", "wake the dispatcher: a message of 60 bytes"),
]


class Clock:
    """Which part is under way, and how long each has been."""

    def __init__(self) -> None:
        self.took: dict[str, float] = defaultdict(float)
        self._at = 0.0
        self._under_way: list[str] = []

    def begin(self, part: str) -> None:
        self._turn()
        self._under_way.append(part)

    def end(self) -> None:
        self._turn()
        self._under_way.pop()

    def _turn(self) -> None:
        now = time.perf_counter()
        if self._under_way:
            self.took[self._under_way[-1]] += now - self._at
        self._at = now

    def around(self, owner: Any, name: str, part: str) -> None:
        """Have a function's time told as that part's."""
        plain: Callable[..., Any] = getattr(owner, name)

        def timed(*args: Any, **kwargs: Any) -> Any:
            self.begin(part)
            try:
                return plain(*args, **kwargs)
            finally:
                self.end()

        setattr(owner, name, timed)


def main() -> None:
    """A line for each part: the median of its microseconds."""
    clock = Clock()
    for owner, name, part in _PARTS:
        clock.around(owner, name, part)
    _tell_commits(clock)
    rows: dict[str, list[float]] = defaultdict(list)
    with fresh_state() as home:
        os.environ["XDG_STATE_HOME"] = str(home)
        flag(home).touch()
        hold.options(cores=os.cpu_count() or 1).submit(str(flag(home)))
        for number in range(_SUBMITS):
            clock.took.clear()
            clock.begin("the rest")
            echo.submit(number)
            clock.end()
            if number >= _WARM_UP:
                for part, seconds in clock.took.items():
                    rows[part].append(seconds * 1e6)
                rows["all of it"].append(sum(clock.took.values()) * 1e6)
            time.sleep(0.001)
        release(home)
    for part, taken in rows.items():
        print(f"{median(taken):8.0f}  {part}")


def _tell_commits(clock: Clock) -> None:
    """The points of ``clustrix.runner.faults`` stand before and after it."""

    def point(name: str) -> None:
        if name == "journal.submit":
            clock.begin("its commit: six pages written and synced by SQLite")
        elif name == "journal.submit-done":
            clock.end()

    connection.point = point  # type: ignore[attr-defined]


if __name__ == "__main__":
    main()
