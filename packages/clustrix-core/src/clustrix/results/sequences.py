"""A map's results as a sequence in the order of the items, and its items in the order in which they are finished."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload

if TYPE_CHECKING:
    from clustrix.results.overview import Overview

R = TypeVar("R")


class Results(Sequence[R]):
    """The results of a map, in order; a failed item raises its error when it is reached."""

    def __init__(
        self, count: int, get: Callable[[int], R], close: Callable[[], None], describe: Callable[[], str]
    ) -> None:
        """``get``: waits for an item's result; ``close``: called when nobody goes on with them; ``describe``: what they are, for people."""
        self._count = count
        self._get = get
        self._close = close
        self._describe = describe

    def __len__(self) -> int:
        return self._count

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
        return self._get(number)

    def __iter__(self) -> Iterator[R]:
        try:
            yield from map(self._get, range(len(self)))
        finally:
            self._close()

    def __eq__(self, other: object) -> bool:
        return list(self) == list(other) if isinstance(other, Sequence) else NotImplemented

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"<Results of {self._describe()}>"


class Item(Generic[R]):
    """One item of a map.  ``index`` is its place in it."""

    def __init__(
        self,
        index: int,
        overview: Overview,
        result: Callable[[int, float | None], R],
        error: Callable[[int], BaseException | None],
    ) -> None:
        """``result`` and ``error``: wait for what an item has come to."""
        self.index = index
        self._overview = overview
        self._result = result
        self._error = error

    @property
    def args(self) -> tuple[Any, ...]:
        """What it was called with, before what all items share.  Raises ClustrixError if that cannot be unpickled here."""
        return self._overview.arguments.of(self.index)

    @property
    def state(self) -> str:
        """ "waiting", "running", "succeeded", "failed" or "cancelled", now."""
        return self._overview.glances()(self.index).state

    @property
    def seconds(self) -> float | None:
        """How long it took, or has been running; None where that is not known."""
        return self._overview.glances()(self.index).seconds

    def result(self, timeout: float | None = None) -> R:
        """Wait for it, and return its result or raise its error."""
        return self._result(self.index, timeout)

    @property
    def error(self) -> BaseException | None:
        """What it raised, or None; waits for it."""
        return self._error(self.index)

    def __repr__(self) -> str:
        return f"<Item {self.index} of {self._overview.job}: {self.state}>"


class Completed(Generic[R]):
    """The items of a map as they are finished."""

    def __init__(
        self, items: Callable[[], Iterator[Item[R]]], later_items: Callable[[], AsyncIterator[Item[R]]]
    ) -> None:
        self._items = items
        self._later_items = later_items

    def __iter__(self) -> Iterator[Item[R]]:
        return self._items()

    def __aiter__(self) -> AsyncIterator[Item[R]]:
        return self._later_items()
