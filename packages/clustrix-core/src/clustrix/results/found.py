"""The records of a map's results files, found as they grow, in twelve bytes for each item."""

from __future__ import annotations

import mmap
import os
import threading
from array import array
from collections.abc import Iterator

from clustrix.journal import Place
from clustrix.runner import layout
from clustrix.runner.frames import CONTAINER, FAILURE, Buffer, Record, heads, pickle_at, record_at

_MAPPED_BYTES = 1 << 18
"""A result of this size is worth a mapping of its own; a smaller one is copied."""


class Found:
    """Which items of a map are finished, and where their records are.

    Results themselves are not kept: each is read from its file when it is asked for, and belongs to who asked.
    """

    def __init__(self, place: Place, job: str, items: int) -> None:
        self._place = place
        self._job = job
        self._items = items
        self._looking = threading.Lock()
        self._offsets: dict[str, int] = {}
        """Of each file how far it has been read."""
        self._names: list[str] = []
        self._views: list[memoryview] = []
        """Of each file the latest view, which holds all that was found in it: a process may have only so many."""
        self._files = array("H")
        """Of each item which file its record is in, plus one; zero: none yet."""
        self._bodies = array("q")
        """Of each item where in that file its record's body begins."""
        self.order = array("I")
        """The finished items in the order in which they were found."""
        self.failed = array("I")
        """Those of them that failed."""

    def __len__(self) -> int:
        return len(self.order)

    def __contains__(self, index: int) -> bool:
        return bool(self._files) and self._files[index] != 0

    def missing(self) -> Iterator[int]:
        """The items that are not finished, in order."""
        return (index for index in range(self._items) if index not in self)

    def record(self, index: int) -> Record | None:
        """An item's record, without its body."""
        found = self.raw(index)
        return None if found is None else found[1]

    def raw(self, index: int) -> tuple[memoryview, Record] | None:
        """An item's record and the memory that it is in, which must not be changed, nor lent to a user."""
        if index not in self:
            return None
        view = self._views[self._files[index] - 1]
        return view, record_at(view, self._bodies[index])

    def get(self, index: int) -> tuple[Buffer, Record] | None:
        """An item's record and its body in memory of its own: arrays are views into it, and the caller may change them."""
        found = self.raw(index)
        if found is None or not found[1].flags & CONTAINER:
            return found  # a bare pickle is copied when it is unpickled
        view, record = found
        if record.size >= _MAPPED_BYTES:
            fd = self._place.open(self._job, self._names[self._files[index] - 1])
            if fd is not None:
                start = record.offset - record.offset % mmap.ALLOCATIONGRANULARITY
                size = record.offset - start + record.size
                try:
                    own = mmap.mmap(fd, size, access=mmap.ACCESS_COPY, offset=start)
                finally:
                    os.close(fd)
                return memoryview(own), record._replace(offset=record.offset - start)
        return bytearray(view[record.offset : record.offset + record.size]), record._replace(offset=0)

    def pickle(self, index: int) -> memoryview | None:
        """An item's result if it is a pickle and nothing else; None if not, or if there is none: see ``get``."""
        number = self._files[index] if self._files else 0
        return pickle_at(self._views[number - 1], self._bodies[index]) if number else None

    def worker(self, index: int) -> int | None:
        """Which worker finished an item, by its number; the dispatcher's own for one that died in it."""
        if index not in self:
            return None
        return int(self._names[self._files[index] - 1].removeprefix(layout.MAP_RESULTS))

    def look(self) -> None:
        """Take in what has been added."""
        with self._looking:
            if len(self.order) == self._items:
                return
            if not self._files:
                self._files = array("H", bytes(2 * self._items))
                self._bodies = array("q", bytes(8 * self._items))
            # The folder moves once, when the map ends, and perhaps just now.
            _ = self._look() or self._look()

    def _look(self) -> bool:
        """False if the folder moved under it."""
        folder = self._place.job_folder(self._job)
        try:
            names = [name for name in os.listdir(folder) if name.startswith(layout.MAP_RESULTS)]
        except FileNotFoundError:
            return False
        for name in names:
            try:
                fd = os.open(os.path.join(folder, name), os.O_RDONLY)
            except FileNotFoundError:
                return False
            try:
                offset, size = self._offsets.get(name, 0), os.fstat(fd).st_size
                if size <= offset:
                    continue
                view = memoryview(mmap.mmap(fd, size, access=mmap.ACCESS_READ))
            finally:
                os.close(fd)
            self._offsets[name] = self._take_in(name, view, offset)
        return True

    def _take_in(self, name: str, view: memoryview, offset: int) -> int:
        if name in self._names:
            number = self._names.index(name) + 1
            self._views[number - 1] = view
        else:
            self._views.append(view)
            self._names.append(name)
            number = len(self._names)
        files, bodies, items = self._files, self._bodies, self._items
        for index, flags, body, size, _, _ in heads(view, offset):
            offset = body + size
            # The first record of an item counts; there is a second, or one of no item, only if a file was tampered with.
            if index < items and not files[index]:
                bodies[index] = body
                files[index] = number
                if flags & FAILURE:
                    self.failed.append(index)
                self.order.append(index)
        return offset
