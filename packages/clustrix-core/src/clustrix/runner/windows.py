"""A map that is worked on in several places at once, which share nothing but files: ranges of items, claimed for a whole place.

Below the job's folder:

* ``windows/FIRST``: the items from FIRST on, to the number in the file, belong to the place (*element*) that the file names.  The next
  window begins where it ends.
* ``given/FIRST-END-TOKEN``: items that a place has left, for whoever takes them; ``given/FIRST-END-TOKEN.taken`` says who did.

Each of these files comes into being in one step, by a link: on network file systems too.  Within a place, its workers share out a
window by a ledger of their own, in a folder that only that machine sees.
"""

from __future__ import annotations

import fcntl
import os
import struct
import time
from collections import Counter
from typing import NamedTuple

from clustrix.runner import layout, whole
from clustrix.runner.faults import point
from clustrix.runner.ledger import MARKS, Claim, Claims

_WINDOW = struct.Struct("<II")
_MOST_STEPS = 16
"""So many windows are looked for one by one; then the folder is listed."""
_CLAIMS_A_WINDOW = 8
"""A window should last so long: claims in it cost microseconds, a window may cost milliseconds."""
_PAUSE_SECONDS = 0.005
NOBODY = 0xFFFFFFFF
"""The worker in a ledger's row that only says where a window begins."""


class Window(NamedTuple):
    """A range of items that belongs to one place."""

    first: int
    end: int
    element: int


class Windows:
    """What the places of one map have claimed, as one of them sees it."""

    def __init__(self, folder: str, element: int, items: int) -> None:
        """``folder``: the job's."""
        self._windows = os.path.join(folder, layout.WINDOWS)
        self._given = os.path.join(folder, layout.GIVEN)
        self._element = element
        self._items = items
        self._frontier = 0
        """Nothing before this item is free."""

    def take(self, wanted: int, elements: int) -> tuple[int, int] | None:
        """Claim up to ``wanted`` items; fewer near the end, so that all places finish together.  None: there are none."""
        while True:
            first = self._walk()
            left = self._items - first
            if left <= 0:
                return self._take_given()
            end = first + max(1, min(wanted, -(-left // (2 * elements))))
            path = os.path.join(self._windows, _name(first))
            if whole.create(path, [f"{end} {self._element}".encode()], "window"):
                self._frontier = end
                return first, end
            # Another was first; on a network file system its file may not be seen yet.
            time.sleep(_PAUSE_SECONDS)

    def left(self) -> int:
        """How many items nobody has; those that were given back count in full."""
        given = sum(end - first for first, end in map(_range, self._free()))
        return self._items - self._walk() + given

    def give(self, first: int, end: int) -> None:
        """Leave items to whoever takes them."""
        if first < end:
            token = os.urandom(4).hex()  # the same items may be left more than once
            path = os.path.join(self._given, f"{first}-{end}-{token}")
            whole.create(path, [str(self._element).encode()], "give")

    def mine(self) -> list[int]:
        """The items that this place has claimed, and has not left to others since."""
        held: Counter[int] = Counter()
        for window in read_windows(self._windows):
            if window.element == self._element:
                held.update(range(window.first, window.end))
        for name in _listed(self._given):
            if _text(os.path.join(self._given, name)) != str(self._element) or name.startswith("."):
                continue
            # It may have taken back what it had left: each taking and each leaving counts.
            items = range(*_range(name.removesuffix(".taken")))
            held.update(items) if name.endswith(".taken") else held.subtract(items)
        return sorted(item for item, times in held.items() if times > 0)

    def _walk(self) -> int:
        for _ in range(_MOST_STEPS):
            found = _read_window(self._windows, self._frontier)
            if found is None:
                return self._frontier
            self._frontier = found.end
        known = [int(name) for name in _listed(self._windows) if name.isdigit()]
        self._frontier = max([self._frontier, *known])
        return self._walk() if _read_window(self._windows, self._frontier) else self._frontier

    def _free(self) -> list[str]:
        names = set(_listed(self._given))
        return sorted(name for name in names if "." not in name and f"{name}.taken" not in names)

    def _take_given(self) -> tuple[int, int] | None:
        for name in self._free():
            path = os.path.join(self._given, f"{name}.taken")
            if whole.create(path, [str(self._element).encode()], "take-given"):
                return _range(name)
        return None


def read_windows(folder: str) -> list[Window]:
    """All windows that have been claimed, in order."""
    found = (_read_window(folder, int(name)) for name in _listed(folder) if name.isdigit())
    return sorted(window for window in found if window is not None)


def _read_window(folder: str, first: int) -> Window | None:
    text = _text(os.path.join(folder, _name(first)))
    if text is None:
        return None
    end, _, element = text.partition(" ")
    return Window(first, int(end), int(element))


def _name(first: int) -> str:
    return f"{first:010}"


def _range(name: str) -> tuple[int, int]:
    first, end, _ = name.split("-")
    return int(first), int(end)


def _text(path: str) -> str | None:
    try:
        with open(path, encoding="ascii") as file:
            return file.read()
    except FileNotFoundError:
        return None


def _listed(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except FileNotFoundError:
        return []


class WindowedClaims(Claims):
    """A place's own ledger: when its window is used up, the next is claimed, by whichever worker comes first."""

    def __init__(self, path: str, windows: Windows, workers: int = 1, elements: int = 1) -> None:
        super().__init__(path, 0)
        self._windows = windows
        self._workers = workers
        self._elements = elements
        self._window = os.open(f"{path}.window", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def take(self, worker: int, wanted: int, workers: int) -> Claim | None:
        """Claim up to ``wanted`` items of this place's window, or of the next."""
        fcntl.flock(self._fd, fcntl.LOCK_EX)
        try:
            first, end = self._next(), self._end()
            if first >= end:
                window = self._windows.take(wanted * self._workers * _CLAIMS_A_WINDOW, self._elements)
                if window is None:
                    return None
                first, end = window
                self._append(NOBODY, first, first, first)
                point("window.pwrite")
                os.pwrite(self._window, _WINDOW.pack(first, end), 0)
            count = max(1, min(wanted, -(-(end - first) // self._workers)))
            return self._append(worker, first, first + count, first + count)
        finally:
            fcntl.flock(self._fd, fcntl.LOCK_UN)

    def rest(self) -> tuple[int, int]:
        """What of the window no worker has; to be asked when none is there any more."""
        first, end = self._next(), self._end()
        return first, max(first, end)

    def close(self) -> None:
        super().close()
        os.close(self._window)

    def _end(self) -> int:
        data = os.pread(self._window, _WINDOW.size, 0)
        return int(_WINDOW.unpack(data)[1]) if len(data) == _WINDOW.size else 0


def first_worker(element: int) -> int:
    """The number of a place's first worker."""
    return element * MARKS


def element_of(worker: int) -> int:
    """Which place a worker belongs to."""
    return worker // MARKS
