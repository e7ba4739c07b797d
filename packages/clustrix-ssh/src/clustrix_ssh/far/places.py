"""One place of work of a map on the far side: its workers take items until there are none, or the time is up."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any

from clustrix.runner import call, policy, setup, standalone, watch
from clustrix.runner.elements import ElementBooks
from clustrix.runner.faults import point
from clustrix.runner.frames import pack
from clustrix.runner.verdict import CANCEL, MOST_STARTS, not_started
from clustrix_ssh.far import surroundings
from clustrix_ssh.far.ending import (
    EX_TAKEN,
    STAGED,
    Told,
    bundle_of,
    leave_signals_to_the_parent,
    publish,
    why_ended,
)

_SPARE_SECONDS = 2.0
_MOST_OF_IT = 0.9


class _Element(watch.MapWatch):
    _books: ElementBooks

    def __init__(
        self,
        order: setup.Order,
        told: Told,
        work: watch.Work,
        around: surroundings.Surroundings,
        again: bool,
    ) -> None:
        self._told = told
        self._around = around
        super().__init__(order, {**told, "workers": order.workers}, work)
        surroundings.listen(self._asked_to_end, around)
        if again:
            self._books.take_over()

    def _open_books(self) -> ElementBooks:
        order = self._order
        assert order.element is not None
        rules = policy.of_spec(order.place)
        return ElementBooks(order.folder, self._items, order.element, order.ledger, rules, self._memory_bytes)

    def _begin(self) -> None:
        if self._order.ends is None or time.time() < self._order.ends:
            super()._begin()

    def _late(self) -> tuple[list[int], float | None]:
        """Also, just before all is ended here, items that have had most of their time: elsewhere they would have no more."""
        late, soonest = super()._late()
        if self._time_s is None or self._order.ends is None:
            return late, soonest
        left = self._order.ends - _SPARE_SECONDS - time.time()
        if left > 0:
            return late, min(left, soonest) if soonest is not None else left
        workers = {child.worker: pid for pid, child in self._children.items()}
        done, _ = self._books.overdue(workers, _MOST_OF_IT * self._time_s)
        return [workers[worker] for worker in done], soonest

    def _ended(self, child: watch.Child, found: Callable[[], Any], status: int) -> None:
        late = self._order.ends is not None and status == 0 and self._books.unclaimed() > 0
        if late:  # it left since the time would not do for another item: nor would it for a new worker
            self._most = 0
        super()._ended(child, found, status)

    def _has_result(self) -> bool:
        return os.path.exists(self._order.file(self._order.result))

    def _conclude(self) -> int:
        self._books.sync()
        why = why_ended(self._order, self._around) if self._cancelled else None
        if self._has_result():
            publish(self._order, self._told)
            return 1
        if why == CANCEL:
            self._commit_error(self._verdict(0, CANCEL, 0))
            publish(self._order, self._told)
            return 1
        self._books.leave()
        point("far.left")
        totals = self._books.end()
        if self._failed_starts >= MOST_STARTS and self._latest is not None and self._books.unclaimed():
            self._commit_error(not_started(self._latest()))
            publish(self._order, self._told)
            return 1
        if totals is not None:
            commit_map(self._order, self._told, *totals)
        return EX_TAKEN if self._cancelled else 0


def run(
    order: setup.Order,
    told: Told,
    element: int,
    scratch: str,
    around: surroundings.Surroundings,
    again: bool,
) -> int:
    given = (around.cores or told["workers"] * told["cores"]) // told["cores"]
    workers = max(1, min(given, told["workers"], told["items"]))
    order = order._replace(
        result=f"{STAGED}-{element}",
        ledger=scratch,
        element=element,
        elements=told["elements"],
        workers=workers,
    )
    bundle = bundle_of(order)

    def work(worker: int, ranges: list[list[int]]) -> int:
        leave_signals_to_the_parent()
        return standalone.work(order._replace(worker=worker, claims=ranges), bundle)

    return _Element(order, told, work, around, again).run()


def commit_map(order: setup.Order, told: Told, finished: int, failed: int) -> None:
    """All items have come to something: the map has."""
    meta = {
        "kind": watch.MAP,
        "items": told["items"],
        "finished": min(finished, told["items"]),
        "failed": failed,
    }
    call.commit(order, pack(meta, []))
    publish(order, told)
