"""A worker of a map: takes ranges of items by atomic claims, and appends each result as it comes.

What holds after a kill between any two steps:

* An item with a whole record in a results file is finished.
* An item that a dead worker's mark names, and that has no record, died with the worker.
* Any other item that a dead worker had claimed was not begun, and may be claimed for another worker.
"""

from __future__ import annotations

import os
import pickle
import time
from collections.abc import Callable, Iterator, Sequence
from types import CoroutineType
from typing import Any

from clustrix.runner import (
    bundles,
    calling,
    folders,
    layout,
    outcome,
    pickling,
    policy,
    retrying,
    setup,
    whole,
)
from clustrix.runner.faults import point
from clustrix.runner.frames import (
    CONTAINER,
    FAILURE,
    Buffer,
    Damaged,
    buffers_of,
    pack,
    record,
    record_of,
    write_all,
)
from clustrix.runner.ledger import MARK, MARKS, Claims, Marks, is_stopped, stop
from clustrix.runner.windows import WindowedClaims, Windows

_CLAIM_SECONDS = 0.05
"""A claim should take about this long: short enough for an even end, long enough to make claiming free."""
_TELL_SECONDS = 0.02
_LARGE_BYTES = 1 << 18
"""Below it, one ``write`` of a copy is the quickest."""


Common = tuple[tuple[Any, ...], dict[str, Any]]
"""What all items share: the arguments in front of an item's own, and keyword arguments."""


class _Worker:
    """One worker's run through its claims."""

    def __init__(
        self,
        order: setup.Order,
        bundle: bundles.Bundle,
        notifier: setup.Notifier,
        function: Callable[..., Any],
        common: Common,
    ) -> None:
        self._order = order
        self._notifier = notifier
        self._function = function
        self._common = common
        self._items: int = bundle.meta["items"]
        self._workers: int = max(1, bundle.meta["workers"])
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        self._results = os.open(order.file(layout.worker_results(order.worker)), flags, 0o600)
        self._policy = policy.of_spec(order.place)
        self._item = bundles.Items(bundle).get
        self._chunk: int | None = bundle.meta["chunk"]
        self._finished = self._failed = 0

    def run(self) -> None:
        claims = self._claims()
        wanted = self._chunk or 1
        dearest = 0.0
        """Seconds that an item has taken, in the mean of the range where that was most."""
        # The first ranges are those that a dead worker left: they were given before this worker started.
        given: Iterator[list[int]] = iter(self._order.claims)
        function, common = self._function, self._common
        marks = Marks(self._order.ledger_file(layout.MAP_MARKS))
        worker = self._order.worker
        setup.introduce(
            self._order,
            worker,
            lambda: marks.of(worker).item,
            self._notifier.send,
            lambda: self._order.ends_of(time.time() + marks.of(worker).since - time.monotonic()),
        )
        if self._policy.requeues and self._order.time_s is not None:
            from clustrix.runner import timelimit  # most jobs need none of it

            function = timelimit.again(function, self._order.time_s, self._policy.requeues, worker, marks)
        if self._policy.retries:
            function = retrying.again(function, self._policy, self._order.worker, marks)
        while not self._stopped():
            pair = next(given, None)
            if pair is None:
                if self._order.ends is not None and time.time() + dearest > self._order.ends:
                    return
                taken = claims.take(self._order.worker, wanted, 0 if self._chunk else self._workers)
                if taken is None:
                    return
                pair = [taken.first, taken.end]
            point("map.range")
            began = time.monotonic()
            self._range(pair[0], pair[1], function, common, marks)
            self._notifier.send(b"P")
            seconds = max(time.monotonic() - began, 1e-9)
            dearest = max(dearest, seconds / (pair[1] - pair[0]))
            if self._chunk:
                continue
            wanted = max(1, min(int((pair[1] - pair[0]) * _CLAIM_SECONDS / seconds), wanted * 8))

    def _claims(self) -> Claims:
        path = self._order.ledger_file(layout.MAP_CLAIMS)
        if self._order.element is None:
            return Claims(path, self._items)
        windows = Windows(self._order.folder, self._order.element, self._items)
        return WindowedClaims(path, windows, self._order.workers, self._order.elements)

    def _range(self, first: int, end: int, function: Any, common: Common, marks: Marks) -> None:
        # One loop with everything at hand: a microsecond here is a third of what an empty item costs.
        monotonic, write, pack_mark, memory = time.monotonic, os.write, MARK.pack_into, marks.memory
        slot, results = self._order.worker % MARKS * MARK.size, self._results
        bound, kwargs = common
        getpid, me = os.getpid, os.getpid()
        stopped = self._stopped if self._policy.on_error == policy.STOP else None
        told = monotonic()
        for index in range(first, end):
            if stopped is not None and stopped():
                return
            now = monotonic()
            pack_mark(memory, slot, index + 1, now, self._finished, self._failed)
            point("map.in-item")
            try:
                value = function(*bound, *self._item(index), **kwargs)
                if type(value) is CoroutineType:
                    value = calling.run_to_end(value)
                if getpid() != me:
                    calling.end_fork(None)
                data = _body_of(value)
            except bundles.SetupFailed as error:
                data = (FAILURE | CONTAINER, b"".join(outcome.of_setup(str(error))))
            except BaseException as error:  # the process's edge: all that the user's code can raise goes home
                if getpid() != me:
                    calling.end_fork(error)
                data = (FAILURE | CONTAINER, b"".join(outcome.of_exception(error, setup.environment.secrets)))
            flags, body = data
            if type(body) is bytes and len(body) < _LARGE_BYTES:
                row = record(index, flags, body, monotonic() - now)
                point("map.record")
                written = write(results, row)
                if written != len(row):
                    point("map.cut-record")
                    os.ftruncate(results, os.fstat(results).st_size - written)
                    raise OSError(f"item {index}: there was no room for its result")
            else:
                self._append(index, flags, [body] if isinstance(body, bytes) else body, monotonic() - now)
            self._finished += 1
            self._failed += flags & FAILURE
            if stopped is not None and flags & FAILURE:
                stop(self._order.folder)
            pack_mark(memory, slot, 0, 0.0, self._finished, self._failed)
            if now - told > _TELL_SECONDS:
                told = now
                self._notifier.send(b"P")

    def _append(self, index: int, flags: int, body: Sequence[Buffer], seconds: float) -> None:
        """Write a large record: the system takes less than 2 GiB at a time."""
        end = os.fstat(self._results).st_size
        try:
            point("map.large-record")
            write_all(self._results, record_of(index, flags, body, seconds))
        except OSError as error:
            point("map.cut-large-record")
            os.ftruncate(self._results, end)
            raise OSError(f"item {index}: its result could not be written: {error.strerror}") from error

    def _stopped(self) -> bool:
        return self._policy.on_error == policy.STOP and is_stopped(self._order.folder)


def _body_of(value: Any) -> tuple[int, bytes | Sequence[Buffer]]:
    """Flags and body of a returned value, a large one in parts: a bare pickle where that is all there is to it."""
    if type(value) in outcome.PLAIN:
        return 0, pickle.dumps(value, pickling.PROTOCOL)
    try:
        pickled = pickling.dump(value, "result", pickling.ResultPickler)
    except pickling.Unpicklable as error:
        return FAILURE | CONTAINER, b"".join(outcome.refused(error, type(value)))
    if not pickled.buffers:
        return 0, buffers_of(pickled.stream)
    return CONTAINER, pack({"kind": outcome.VALUE}, pickled.pieces())


def run(
    order: setup.Order, found: bundles.Bundle | Damaged, notifier: setup.Notifier, folder: folders.Folder
) -> int:
    """Run a worker to the end of the map; returns the exit code of the process."""
    if not folder.claim(order.file(layout.worker_folder(order.worker))):
        return layout.EX_CLAIMED
    try:
        setup.print_into(order)
    except OSError as error:
        setup.complain(str(error))
        return layout.EX_STORE
    redactor = setup.hide_secrets()
    try:
        return _run(order, found, notifier)
    finally:
        if redactor is not None:
            setup.end_output()
            redactor.finish()


def _run(order: setup.Order, found: bundles.Bundle | Damaged, notifier: setup.Notifier) -> int:
    try:
        setup.environment.check(order)
        setup.take_place(order)
        bundle = bundles.open_bundle(found)
        function = bundles.load_function(bundle)
        common: Common = bundle.load(bundle.meta["common"])
    except bundles.SetupFailed as error:
        return _failed_to_start(order, outcome.of_setup(str(error)))
    except BaseException as error:  # whatever the user's own classes raise when they are unpacked
        return _failed_to_start(order, outcome.of_exception(error, setup.environment.secrets))
    try:
        _Worker(order, bundle, notifier, function, common).run()
    except OSError as error:
        setup.complain(str(error))
        return layout.EX_STORE
    return 0


def _failed_to_start(order: setup.Order, parts: list[Buffer]) -> int:
    """Leave the reason as the whole map's outcome: no item can run."""
    whole.write(order.file(order.result), parts, "map-failure")
    return 1
