"""The accounts of one of several places of work of a map, and how the last of them finds that all is done.

What holds after a kill between any two steps: an item with a whole record is finished, whoever wrote it; any other that a place
had claimed is worked on again, once it is known that the place is gone.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress

from clustrix.runner import layout, ledger, whole
from clustrix.runner.books import Books, ranges
from clustrix.runner.frames import FAILURE, records
from clustrix.runner.policy import PLAIN, STOP, Policy
from clustrix.runner.windows import NOBODY, WindowedClaims, Windows, element_of, first_worker


class ElementBooks(Books):
    """Of one place."""

    def __init__(
        self,
        folder: str,
        items: int,
        element: int,
        ledger_folder: str,
        policy: Policy = PLAIN,
        memory_bytes: int | None = None,
    ) -> None:
        self._element = element
        self._windows = Windows(folder, element, items)
        super().__init__(folder, items, policy, memory_bytes, ledger_folder, first_worker(element))
        self._next = first_worker(element)
        """A restart of a place does not use the numbers of its former workers again: their folders are there."""

    def unclaimed(self) -> int:
        """How many items no worker has, here or anywhere."""
        if self._policy.on_error == STOP and ledger.is_stopped(self.folder):
            return 0
        first, end = self._rest()
        return len(self._given) + end - first + self._windows.left()

    def take_over(self) -> None:
        """What an earlier run of this very place has claimed, not finished and not left to others is to be done."""
        with suppress(FileNotFoundError):
            os.unlink(_end_path(self.folder, self._element))
        self._hand_on(self._windows.mine(), self._done())

    def leave(self) -> None:
        """Leave to others what this place has claimed, and no worker has begun."""
        for first, end in [*self._given, self._rest()]:
            self._windows.give(first, end)
        self._given = []

    def end(self) -> tuple[int, int] | None:
        """Write down that this place has ended; returns how many items of the map are finished and failed if it was the last, else None."""
        done = self._done()
        write_end(self.folder, self._element, len(done), sum(done.values()))
        return totals(self.folder, self.items)

    def _rest(self) -> tuple[int, int]:
        claims = WindowedClaims(self._claims_path, self._windows)
        found = claims.rest()
        claims.close()
        return found

    def _results(self) -> list[str]:
        return [name for name in super()._results() if _element_of(name) == self._element]

    def _rows(self) -> list[ledger.Claim]:
        return [row for row in super()._rows() if row.worker != NOBODY]


def close_lost(folder: str, items: int, element: int) -> list[tuple[int, int]]:
    """Close the account of a place that is gone; returns what it had claimed, and was not finished.  Does nothing the second time."""
    if os.path.exists(_end_path(folder, element)):
        return []
    windows = Windows(folder, element, items)
    done = {}
    for name in os.listdir(folder):
        if name.startswith(layout.MAP_RESULTS) and _element_of(name) == element:
            with open(os.path.join(folder, name), "rb") as file:
                done.update({found.item: bool(found.flags & FAILURE) for found in records(file.read())})
    left = ranges([item for item in windows.mine() if item not in done])
    for first, end in left:
        windows.give(first, end)
    write_end(folder, element, len(done), sum(done.values()))
    return left


def begun(folder: str) -> set[int]:
    """The places that have been begun."""
    return _numbers(os.path.join(folder, layout.ELEMENTS))


def ended(folder: str) -> set[int]:
    """Those of them whose account is closed."""
    return _numbers(os.path.join(folder, layout.ENDS))


def totals(folder: str, items: int) -> tuple[int, int] | None:
    """How many items are finished, and how many of them failed, if nothing is left to do; else None."""
    over = ended(folder)
    if begun(folder) - over:
        return None
    finished, failed = _sums(folder, over)
    return (finished, failed) if finished >= items or ledger.is_stopped(folder) else None


def finished_items(folder: str) -> int:
    """How many items the places have finished whose account is closed."""
    return _sums(folder, ended(folder))[0]


def _sums(folder: str, elements: set[int]) -> tuple[int, int]:
    finished = failed = 0
    for element in elements:
        with open(_end_path(folder, element), encoding="ascii") as file:
            row = json.load(file)
        finished, failed = finished + row[0], failed + row[1]
    return finished, failed


def write_end(folder: str, element: int, finished: int, failed: int) -> None:
    """Close an account."""
    whole.write(_end_path(folder, element), [json.dumps([finished, failed]).encode()], "element-end")


def _end_path(folder: str, element: int) -> str:
    return os.path.join(folder, layout.ENDS, str(element))


def _element_of(name: str) -> int:
    return element_of(int(name.removeprefix(layout.MAP_RESULTS)))


def _numbers(folder: str) -> set[int]:
    with suppress(FileNotFoundError):
        return {int(name) for name in os.listdir(folder) if name.isdigit()}
    return set()
