"""The handle of a map: one job, many results."""

from __future__ import annotations

import pickle
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import suppress
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, TypeVar, overload

from clustrix import outcomes
from clustrix.bars import TICK_SECONDS, Bar, Line, rest
from clustrix.errors import ClustrixError, ResultDamaged
from clustrix.errors.timeouts import NotDone
from clustrix.job import AsyncJobResult
from clustrix.journal import JobRecord
from clustrix.results.found import Found
from clustrix.results.sequences import Completed, Item, Results
from clustrix.runner import policy
from clustrix.session import Session

if TYPE_CHECKING:
    from clustrix.results.failures import ErrorGroups
    from clustrix.results.items import Summary
    from clustrix.results.overview import Overview

R = TypeVar("R")
D = TypeVar("D")

_NOTICE_SECONDS = 1.0
"""Results of workers that an earlier dispatcher started are announced at the end only; they are looked for at this pace."""

_MISSING: Any = object()


class MapResult(AsyncJobResult[list[R]]):
    """A map that was submitted: its results in the order of the items, each as soon as it is there.

    ``len(jobs)``, ``jobs[3]``, ``for r in jobs``, ``async for r in jobs``; ``jobs.result()`` waits for all.  An item that failed
    raises its own error at its place, and no other (``on_error="collect"``: it stands there as a value).  ``print(jobs)`` says how far it is, and what has failed.
    """

    def __init__(
        self, home: Session, record: JobRecord | None, job: str, name: str, backend: str, items: int
    ) -> None:
        self._count = items
        self._found = Found(home.place, job, items)
        self._changed = threading.Condition()
        self._wakers: set[Callable[[], None]] = set()
        super().__init__(home, record, job, name, backend)

    @cached_property
    def _overview(self) -> Overview:
        from clustrix.results.overview import Overview  # a submission shall not wait for its import

        return Overview(lambda: self._home, self.id, self._count, self._found)

    def _news(self, news: str, error: ClustrixError | None) -> None:
        super()._news(news, error)
        with self._changed:
            self._changed.notify_all()
            for wake in self._wakers:
                wake()

    def __len__(self) -> int:
        return self._count

    # -- results, waiting for them

    def results(self, timeout: float | None = None) -> Results[R]:
        """The results in the order of the items: a sequence that waits where one is not there yet.

        ``timeout``: seconds for each wait.  An item that failed raises its error when it is reached.
        """

        def describe() -> str:
            return f"{self.id}: {self.finished()} of {self._count} items"

        return Results(self._count, partial(self._awaited, timeout=timeout), self._close_bar, describe)

    def __iter__(self) -> Iterator[R]:
        return iter(self.results())

    def __getitem__(self, index: int) -> R:
        return self.results()[index]

    async def __aiter__(self) -> AsyncIterator[R]:
        for index in range(self._count):
            await self._until(partial(self._there, index))
            yield self._item(index)

    def as_completed(self, timeout: float | None = None) -> Completed[R]:
        """The items as they are finished, for ``for`` and ``async for``: each has its ``index``, ``result()`` and ``error``.

        ``timeout``: seconds for all of them; raises TimeoutError when they are over.  Items that were finished before come in the order
        in which their results are found; those of a cancelled map that never began come last.
        """
        deadline = None if timeout is None else time.monotonic() + timeout

        def late(count: int) -> TimeoutError:
            return TimeoutError(
                f"{self._count - count} items of job {self.id} are not done after {timeout:g} s"
            )

        def items() -> Iterator[Item[R]]:
            for count in range(self._count):
                if not self._wait_until(partial(self._more, count), deadline):
                    raise late(count)
                if count == len(self._found):
                    break
                yield self._item_at(self._found.order[count])
            yield from map(self._item_at, self._found.missing())  # the map has ended without them

        async def later_items() -> AsyncIterator[Item[R]]:
            for count in range(self._count):
                if not await self._until(partial(self._more, count), deadline):
                    raise late(count)
                if count == len(self._found):
                    break
                yield self._item_at(self._found.order[count])
            for index in self._found.missing():
                yield self._item_at(index)

        return Completed(items, later_items)

    def error(self, index: int, timeout: float | None = None) -> BaseException | None:
        """What an item raised, or None; waits for it."""
        self._wait_for(index, timeout)
        succeeded, value = self._decoded(index)
        return None if succeeded else value

    # -- what is there now

    def finished(self) -> int:
        """How many items are finished now, failed ones among them."""
        self._found.look()
        return len(self._found) + self._never_begun()

    def failed(self) -> int:
        """How many items have failed until now."""
        self._found.look()
        return len(self._found.failed) + self._never_begun()

    def _never_begun(self) -> int:
        """Items that have no result of their own because the map has failed as a whole."""
        if len(self._found) == self._count or not self.done():
            return 0
        return len(self._overview.failed()) - len(self._found.failed)

    @overload
    def partial(self) -> dict[int, R]: ...
    @overload
    def partial(self, default: D) -> dict[int, R | D]: ...
    def partial(self, default: Any = _MISSING) -> dict[int, Any]:
        """The results that are there now, by index, without waiting; with a default: of all items, and that for the others."""
        self._found.look()
        values = {}
        for index in range(self._count):
            succeeded, value = self._decoded(index) if index in self._found else (False, None)
            if succeeded or default is not _MISSING:
                values[index] = value if succeeded else default
        return values

    def errors(self) -> ErrorGroups:
        """The failures until now, by kind: the error's type, the line that raised it, the message but for numbers and names.

        A sequence that prints as a table; each group has ``count``, ``indices``, ``message`` and the ``arguments`` of an example.
        Does not wait.
        """
        return self._overview.errors()

    def table(self) -> Any:
        """One row for each item: index, arguments, state, seconds, pid, peak_bytes.  Does not wait.

        A pandas DataFrame if pandas can be imported, else a light table, whose rows are dicts.  What is not known is missing: pids once
        the map has ended, memory always.
        """
        from clustrix.results.items import framed

        return framed(self._overview.rows(), f"{self.id} {self.name}")

    def summary(self) -> Summary:
        """How many items are in which state, how many come in a second, what has failed.  Does not wait."""
        status = self.status()
        return self._overview.summary(status.started, status.ended)

    def __str__(self) -> str:
        return str(self.summary())

    def _repr_html_(self) -> str:
        return self.summary()._repr_html_()

    # -- once more

    def retry_failed(self) -> MapResult[R]:
        """Submit the items that have failed until now once more, as a map of their own; returns its handle at once.

        Of a map that was cancelled or stopped, also those that came to no result.  It has the function, arguments, resources, working directory and search path of this map, and the environment variables of this process.  Its
        results are in the order of these items; ``indices`` tells their places here, ``merged`` puts them there.  This map stays
        as it is: calling it twice runs them twice.  Nothing has failed: a map without items.
        """
        home = self._home
        job = self._overview.retry(self._overview.undone())
        home.journal.submit(job)
        handle: MapResult[R] = MapResult(home, None, job.id, job.name, job.backend, job.items)
        home.client(job.dispatcher).submitted(job.id, handle._news)
        return handle

    @property
    def indices(self) -> Sequence[int]:
        """Of each item its place in the map that was submitted first: of a retry, which items it runs once more."""
        picked = self._overview.arguments.places()
        return range(self._count) if picked is None else picked

    def merged(self, *retries: MapResult[R]) -> list[R]:
        """Wait for the results of all items, those that were retried from the last of ``retries`` that has them.

        Raises the first error that is left, in the order of the items; ValueError for a map that is no retry of this one.
        """
        origin = self._overview.arguments.origin()
        sources = {place: (self, index) for index, place in enumerate(self.indices)}
        for retry in retries:
            if retry._overview.arguments.origin() != origin:
                raise ValueError(
                    f"job {retry.id} is no retry of job {self.id}: use what retry_failed() returned"
                )
            own = ((place, index) for index, place in enumerate(retry.indices) if place in sources)
            sources.update({place: (retry, index) for place, index in own})
        return [jobs[index] for jobs, index in sources.values()]

    # -- waiting

    def _there(self, index: int) -> bool:
        return self._look_until(lambda: index in self._found)

    def _more(self, count: int) -> bool:
        return self._look_until(lambda: len(self._found) > count)

    def _look_until(self, found: Callable[[], bool]) -> bool:
        if found():
            return True
        ended = self.done()
        self._found.look()
        return ended or found()

    def _wait_for(self, index: int, timeout: float | None) -> None:
        deadline = None if timeout is None else time.monotonic() + timeout
        if not self._wait_until(partial(self._there, index), deadline):
            raise NotDone(f"item {index} of job {self.id} is not done after {timeout:g} s")

    def _wait_until(self, ready: Callable[[], bool], deadline: float | None, goes_on: bool = True) -> bool:
        """False if it is not by then.  ``goes_on``: whether the job does when somebody interrupts this; then they are told so."""
        bar = self._bar
        if ready():
            return True
        try:
            with self._answering(), self._changed:
                while not ready():
                    left = _left(deadline)
                    if left <= 0:
                        return False
                    self._changed.wait(min(left, TICK_SECONDS) if bar.wanted else left)
                    bar.tick()
        except KeyboardInterrupt:
            bar.close()
            if goes_on:
                self._say_how_to_go_on()
            raise
        return True

    @cached_property
    def _bar(self) -> Bar:
        """Shown from the first wait to the end of the map, or of who iterates over it."""
        return Bar(self._line, self._shows)

    def _close_bar(self) -> None:
        self._bar.close()

    def _line(self) -> Line:
        self._found.look()
        done, failed = len(self._found), len(self._found.failed)
        began = self.status().started
        parts = [f"{failed:,} failed" if failed else ""]
        parts.append(rest(done, self._count, time.time() - began) if began else "waits")
        return Line(self.name, done, self._count, ", ".join(part for part in parts if part))

    async def _until(self, ready: Callable[[], bool], deadline: float | None = None) -> bool:
        """The same in a coroutine."""
        if ready():
            return True
        import asyncio  # see AsyncJobResult.__await__

        # No thread waits here: one that cannot be cancelled would hold up the end of the event loop.
        loop, changed = asyncio.get_running_loop(), asyncio.Event()

        def wake() -> None:
            with suppress(RuntimeError):  # that loop has been closed
                loop.call_soon_threadsafe(changed.set)

        with self._changed:
            self._wakers.add(wake)
        try:
            while not ready():
                left = _left(deadline)
                if left <= 0:
                    return False
                with suppress(asyncio.TimeoutError):
                    await asyncio.wait_for(changed.wait(), left)
                changed.clear()
        finally:
            with self._changed:
                self._wakers.discard(wake)
        return True

    def _awaited(self, index: int, timeout: float | None) -> R:
        __tracebackhide__ = True  # as in AsyncJobResult.result
        if index not in self._found:
            self._wait_for(index, timeout)
        return self._item(index)

    def _item_at(self, index: int) -> Item[R]:
        return Item(index, self._overview, self._awaited, self.error)

    def _item(self, index: int) -> R:
        __tracebackhide__ = True
        succeeded, value = self._decoded(index)
        if succeeded or self._collects:
            return value  # type: ignore[no-any-return]
        raise value

    @cached_property
    def _collects(self) -> bool:
        """Whether an item's error stands among the results."""
        journal = self._home.journal
        return policy.of_spec(journal.spec(journal.job(self.id).seq)).on_error == policy.COLLECT

    def _decoded(self, index: int) -> tuple[bool, Any]:
        pickled = self._found.pickle(index)
        if pickled is not None:
            return True, pickle.loads(pickled)
        subject = outcomes.Subject(self.id, self.name, self.backend, index)
        found = self._found.get(index)
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
        self._found.look()
        for index in range(self._count):
            succeeded, value = self._decoded(index)
            if not succeeded and not self._collects:
                return False, value
            values.append(value)
        return True, values


def _left(deadline: float | None) -> float:
    return _NOTICE_SECONDS if deadline is None else min(_NOTICE_SECONDS, deadline - time.monotonic())
