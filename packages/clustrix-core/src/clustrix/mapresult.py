"""The handle of a map: one job, many results."""

from __future__ import annotations

import asyncio
import mmap
import os
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import suppress
from typing import Any, TypeVar, overload

from clustrix import outcomes
from clustrix.errors import ClustrixError, ResultDamaged
from clustrix.job import AsyncJobResult
from clustrix.journal import JobRecord, Place
from clustrix.runner import layout
from clustrix.runner.frames import FAILURE, Record, records
from clustrix.session import Session

R = TypeVar("R")

_NOTICE_SECONDS = 1.0
"""Results of workers that an earlier dispatcher started are announced at the end only; they are looked for at this pace."""


class _Items:
    """The records of a map's results files, found as they grow."""

    def __init__(self, place: Place, job: str) -> None:
        self._place = place
        self._job = job
        self._offsets: dict[str, int] = {}
        self._views: dict[str, memoryview] = {}
        """Of each file the latest view, which holds all that was found in it: a process may have only so many."""
        self._looking = threading.Lock()
        self.found: dict[int, tuple[str, Record]] = {}
        """The file and place of each item's record."""
        self.failed = 0

    def get(self, index: int) -> tuple[memoryview, Record] | None:
        """An item's record and the memory that it is in."""
        found = self.found.get(index)
        return None if found is None else (self._views[found[0]], found[1])

    def look(self) -> None:
        """Take in what has been added."""
        with self._looking:
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
                view = memoryview(mmap.mmap(fd, size, access=mmap.ACCESS_COPY))
            finally:
                os.close(fd)
            self._views[name] = view
            for record in records(view, offset):
                # The first record of an item counts; there is a second only if a file was tampered with.
                if record.item not in self.found:
                    self.found[record.item] = (name, record)
                    self.failed += record.flags & FAILURE
                offset = record.offset + record.size
            self._offsets[name] = offset
        return True


class MapResult(AsyncJobResult[list[R]]):
    """A map that was submitted: its results in the order of the items, each as soon as it is there.

    ``len(jobs)``, ``jobs[3]``, ``for r in jobs``, ``async for r in jobs``; ``jobs.result()`` waits for all.  An item that failed
    raises its own error at its place, and no other.
    """

    def __init__(
        self, home: Session, record: JobRecord | None, job: str, name: str, backend: str, items: int
    ) -> None:
        self._count = items
        self._items = _Items(home.place, job)
        self._changed = threading.Condition()
        self._wakers: set[Callable[[], None]] = set()
        super().__init__(home, record, job, name, backend)

    def _news(self, news: str, error: ClustrixError | None) -> None:
        super()._news(news, error)
        with self._changed:
            self._changed.notify_all()
            for wake in self._wakers:
                wake()

    def __len__(self) -> int:
        return self._count

    def results(self, timeout: float | None = None) -> Results[R]:
        """The results in the order of the items: a sequence that waits where one is not there yet.

        ``timeout``: seconds for each wait.  An item that failed raises its error when it is reached.
        """
        return Results(self, timeout)

    def __iter__(self) -> Iterator[R]:
        return iter(self.results())

    def __getitem__(self, index: int) -> R:
        return self.results()[index]

    async def __aiter__(self) -> AsyncIterator[R]:
        for index in range(self._count):
            if not self._there(index):
                await self._until_there(index)
            yield self._item(index)

    async def _until_there(self, index: int) -> None:
        # No thread waits here: one that cannot be cancelled would hold up the end of the event loop.
        loop, changed = asyncio.get_running_loop(), asyncio.Event()

        def wake() -> None:
            with suppress(RuntimeError):  # that loop has been closed
                loop.call_soon_threadsafe(changed.set)

        with self._changed:
            self._wakers.add(wake)
        try:
            while not self._there(index):
                with suppress(asyncio.TimeoutError):
                    await asyncio.wait_for(changed.wait(), _NOTICE_SECONDS)
                changed.clear()
        finally:
            with self._changed:
                self._wakers.discard(wake)

    def finished(self) -> int:
        """How many items are finished now, failed ones among them."""
        self._items.look()
        return len(self._items.found)

    def failed(self) -> int:
        """How many items have failed until now."""
        self._items.look()
        return self._items.failed

    def error(self, index: int, timeout: float | None = None) -> BaseException | None:
        """What an item raised, or None; waits for it."""
        self._wait_for(index, timeout)
        succeeded, value = self._decoded(index)
        return None if succeeded else value

    def _there(self, index: int) -> bool:
        if index in self._items.found:
            return True
        ended = self.done()
        self._items.look()
        return ended or index in self._items.found

    def _wait_for(self, index: int, timeout: float | None) -> None:
        deadline = None if timeout is None else time.monotonic() + timeout
        try:
            with self._changed:
                while not self._there(index):
                    left = _NOTICE_SECONDS
                    if deadline is not None:
                        left = min(left, deadline - time.monotonic())
                        if left <= 0:
                            raise TimeoutError(
                                f"item {index} of job {self.id} is not done after {timeout:g} s"
                            )
                    self._changed.wait(left)
        except KeyboardInterrupt:
            self._say_how_to_go_on()
            raise

    def _item(self, index: int) -> R:
        succeeded, value = self._decoded(index)
        if succeeded:
            return value  # type: ignore[no-any-return]
        raise value

    def _decoded(self, index: int) -> tuple[bool, Any]:
        subject = outcomes.Subject(self.id, self.name, self.backend, index)
        found = self._items.get(index)
        if found is not None:
            return outcomes.decode_item(subject, *found)
        # The map has ended without this item: it was cancelled, or could not begin.
        record, outcome = self._home.journal.outcome(self.id)
        if outcome.error is not None or outcome.data is not None:
            return outcomes.decode(self._home.journal, record, outcome)
        error = AsyncJobResult.exception(self, 0) if not record.state.final else None
        cause = "its result is not in the files that the map has written"
        return False, error or subject.error(ResultDamaged, cause, advice="Submit it again.")

    def _decode(self) -> tuple[bool, Any]:
        values = []
        self._items.look()
        for index in range(self._count):
            succeeded, value = self._decoded(index)
            if not succeeded:
                return False, value
            values.append(value)
        return True, values


class Results(Sequence[R]):
    """The results of a map, in order; a failed item raises its error when it is reached."""

    def __init__(self, jobs: MapResult[R], timeout: float | None) -> None:
        self._jobs = jobs
        self._timeout = timeout

    def __len__(self) -> int:
        return len(self._jobs)

    @overload
    def __getitem__(self, index: int) -> R: ...
    @overload
    def __getitem__(self, index: slice) -> list[R]: ...
    def __getitem__(self, index: int | slice) -> R | list[R]:
        if isinstance(index, slice):
            return [self[number] for number in range(*index.indices(len(self)))]
        number = index + len(self) if index < 0 else index
        if not 0 <= number < len(self):
            raise IndexError(f"item {index} of {len(self)}")
        self._jobs._wait_for(number, self._timeout)
        return self._jobs._item(number)

    def __iter__(self) -> Iterator[R]:
        for index in range(len(self)):
            if index not in self._jobs._items.found:
                self._jobs._wait_for(index, self._timeout)
            yield self._jobs._item(index)

    def __eq__(self, other: object) -> bool:
        return list(self) == list(other) if isinstance(other, Sequence) else NotImplemented

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"<Results of {self._jobs.id}: {self._jobs.finished()} of {len(self)} items>"
