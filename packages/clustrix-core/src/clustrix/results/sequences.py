"""A map's results as a sequence in the order of the items, and its items in the order in which they are finished."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Generic, TypeVar, overload

if TYPE_CHECKING:
    from clustrix.mapresult import MapResult
    from clustrix.results.items import Item

R = TypeVar("R")


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
        try:
            for index in range(len(self)):
                if index not in self._jobs._found:
                    self._jobs._wait_for(index, self._timeout)
                yield self._jobs._item(index)
        finally:
            self._jobs._bar.close()

    def __eq__(self, other: object) -> bool:
        return list(self) == list(other) if isinstance(other, Sequence) else NotImplemented

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"<Results of {self._jobs.id}: {self._jobs.finished()} of {len(self)} items>"


class Completed(Generic[R]):
    """The items of a map as they are finished."""

    def __init__(self, jobs: MapResult[R], timeout: float | None) -> None:
        self._jobs = jobs
        self._timeout = timeout
        self._deadline = None if timeout is None else time.monotonic() + timeout

    def __iter__(self) -> Iterator[Item[R]]:
        jobs, order = self._jobs, self._jobs._found.order
        for count in range(len(jobs)):
            if not jobs._wait_until(partial(jobs._more, count), self._deadline):
                raise self._late(count)
            if count == len(order):
                break
            yield self._item(order[count])
        for index in jobs._found.missing():  # the map has ended without them
            yield self._item(index)

    async def __aiter__(self) -> AsyncIterator[Item[R]]:
        jobs, order = self._jobs, self._jobs._found.order
        for count in range(len(jobs)):
            if not await jobs._until(partial(jobs._more, count), self._deadline):
                raise self._late(count)
            if count == len(order):
                break
            yield self._item(order[count])
        for index in jobs._found.missing():
            yield self._item(index)

    def _item(self, index: int) -> Item[R]:
        from clustrix.results.items import Item  # a submission shall not wait for its import

        return Item(self._jobs, index)

    def _late(self, count: int) -> TimeoutError:
        left = len(self._jobs) - count
        return TimeoutError(f"{left} items of job {self._jobs.id} are not done after {self._timeout:g} s")
