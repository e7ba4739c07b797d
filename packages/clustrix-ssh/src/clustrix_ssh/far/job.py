"""A job on the far side, from its claim to its commit record.

``python start.py job FOLDER``, or of an array: ``python start.py array LIST INDEX_VARIABLE FIRST_INDEX``, where the list has a folder a line; of a map with
several places of work: ``python start.py element FOLDER INDEX_VARIABLE FIRST_INDEX OFFSET``.

What holds after a kill between any two steps: without the claim nothing has been run; the result comes into being in one step, and
the commit record after it.  Who finds the result without the record has the result.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from clustrix.runner import (
    bounds,
    bundles,
    call,
    current,
    layout,
    maps,
    policy,
    processes,
    sealing,
    setup,
    watch,
)
from clustrix.runner.amounts import format_bytes
from clustrix.runner.elements import ElementBooks
from clustrix.runner.faults import point
from clustrix.runner.frames import Damaged, peek
from clustrix.runner.outcome import INTERRUPT
from clustrix.runner.standalone import Deaf, Standing
from clustrix.runner.verdict import CANCEL, MOST_STARTS, TIME, Verdict, not_started
from clustrix_ssh.far import again, claims, memory, records, surroundings

CANCELLED = "cancelled"
"""In the job's folder when its user wants it to end: a signal alone may come from anybody."""
FACTS = "facts"
"""JSON: what clustrix has sent along with the job."""
STAGED = "staged"
TAKEN = "taken"
"""In the job's folder, with the signal's name, when it was ended from outside, and not by its user: whoever did that may have no memory."""
_OURS = 0o077
"""The umask that this process was begun with: what it writes is nobody else's.  The user's code has the user's."""
_SPARE_SECONDS = 2.0
_MOST_OF_IT = 0.9
_EARLY_SECONDS = 10.0
"""A signal that comes earlier is told of as what it is, not as the end of the time."""
EX_TAKEN = 143
"""Ended from outside; the scheduler knows why."""

Told = dict[str, Any]


def read(folder: str) -> Told | None:
    """What is to be done; None if it is not there any more."""
    try:
        with open(os.path.join(folder, layout.ORDER), encoding="utf-8") as file:
            told: Told = json.load(file)
        return told
    except FileNotFoundError:
        return None


def run(folder: str, element: int | None = None) -> int:
    """Run a job, or one element of a map, from its folder; returns the exit code."""
    began = time.time()
    folder = os.path.abspath(folder)
    told = read(folder)
    if told is None or os.path.exists(os.path.join(folder, layout.RESULT)):
        return 0  # it came to its end without this process
    if element is None and told["kind"] == "map":
        element = 0  # it has only that one
    around = surroundings.look(began, told["walltime_s"], told["notice_s"])
    own = os.path.join(folder, layout.ELEMENTS, str(element)) if element is not None else folder
    if element is not None:
        for name in (layout.ELEMENTS, layout.ENDS, layout.WINDOWS, layout.GIVEN):
            os.makedirs(os.path.join(folder, name), mode=0o700, exist_ok=True)
        os.makedirs(own, mode=0o700, exist_ok=True)
    point("far.before-claim")
    taken = claims.take(own, around)
    if taken is False:
        return layout.EX_CLAIMED
    if element is not None and os.path.exists(os.path.join(folder, layout.CLAIM)):
        # The map was cancelled: who cancels takes that claim first, and then looks for ours.
        return layout.EX_CLAIMED
    point("far.after-claim")
    records.write(
        told["records"],
        told["job"],
        records.BEGUN,
        host=os.uname().nodename,
        pid=os.getpid(),
        number=around.number,
    )
    processes.become_subreaper()
    current.brought_along = os.path.dirname(layout.__file__)
    starts = max(around.restarts or 0, again.times(folder))
    order = order_of(told, folder)._replace(ends=around.ends, attempt=told["attempt"] + starts)
    setup.print_into(order)
    setup.open_standard_files()
    setup.remember_inheritance()
    if not around.number:
        _tell_what_is_missing(told, around.cores)
    _put_on(told, folder)
    if element is None:
        return _run_call(order._replace(result=STAGED), told, around)
    scratch = tempfile.mkdtemp(prefix="clustrix-")
    try:
        return _run_element(order, told, element, scratch, around, again=taken is None)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _tell_what_is_missing(told: Told, given: int | None) -> None:
    """Without a scheduler nobody refuses what a machine does not have: it is run all the same, and its user told."""
    if given is not None and given < told["cores"]:
        _note(f"it asks for {told['cores']} cores, and {os.uname().nodename} has {given}")
    size = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if told["memory_bytes"] is not None and told["memory_bytes"] > size:
        asked = format_bytes(told["memory_bytes"])
        _note(f"it asks for {asked} of memory, and {os.uname().nodename} has {format_bytes(size)}")


def _note(text: str) -> None:
    print(f"clustrix: {text}: it runs all the same", file=sys.stderr, flush=True)


def order_of(told: Told, folder: str) -> setup.Order:
    """What the core's runner is to do."""
    place = {**json.loads(told["place"]), **_here(told)}
    return setup.Order(
        job=told["job"],
        kind=told["kind"],
        folder=folder,
        worker=0,
        place=json.dumps(place),
        environ="",
        blobs=told["blobs"],
        cores=told["cores"],
        claims=[],
        name=told["name"],
        attempt=told["attempt"],
        time_s=told["time_s"],
    )


def _here(told: Told) -> Told:
    """Folder and search path are this machine's; what a process may use is for the batch system to say."""
    cwd = told["cwd"]
    os.makedirs(cwd, mode=0o700, exist_ok=True)
    own = bounds.mine()
    if own["umask"] == _OURS:  # else the user's own commands have set it
        own["umask"] = told["umask"]
    return {
        "cwd": cwd,
        "path": sys.path,
        "main": None,
        "bounds": json.dumps(own),
    }


def _put_on(told: Told, folder: str) -> None:
    with open(os.path.join(folder, layout.ENVIRON), encoding="utf-8") as file:
        found = json.load(file)
    variables, secret = sealing.opened(found)
    setup.environment.add(variables, secret, told["cores"])


def _bundle(order: setup.Order) -> bundles.Bundle | Damaged:
    with open(order.file(layout.PAYLOAD), "rb") as content:
        return bundles.read_bundle(content.read(), order.blobs)


# -- a call


class _Call(watch.CallWatch):
    def __init__(
        self, order: setup.Order, told: Told, work: watch.Work, around: surroundings.Surroundings
    ) -> None:
        self._told = told
        self._around = around
        self._signal, self._signal_at = "", 0.0
        """With which it was asked to end, and when."""
        super().__init__(order, told, work)
        surroundings.listen(self._asked_to_end, around)

    def _asked_to_end(self, number: int, frame: object) -> None:
        if not self._signal:
            self._signal, self._signal_at = signal.Signals(number).name, time.time()
        super()._asked_to_end(number, frame)

    def _why(self, why: str) -> Verdict:
        found = self._verdict(0, why, 0)
        early_s = (self._around.ends or 0.0) - self._signal_at
        if why != TIME or early_s < _EARLY_SECONDS:
            return found
        cause = f"{self._signal} came {early_s:.0f} s before its time limit of {self._time_s:g} s, and it was interrupted"
        return Verdict(found.state, cause, json.dumps({**json.loads(found.record), "cause": cause}))

    def _conclude(self) -> int:
        why = _why_ended(self._order, self._around) if self._cancelled else None
        if self._cancelled and not _is_whole(self._order):
            if why is None:
                with open(self._order.file(TAKEN), "w", encoding="ascii") as file:
                    file.write(self._signal)
                return EX_TAKEN
            self._commit_error(self._why(why))
        elif not os.path.exists(self._order.file(STAGED)):
            assert self._found is not None
            self._commit_error(self._found())
        elif (over := memory.over_limit(self._order.file(STAGED), self._memory_bytes)) is not None:
            self._commit_error(over)
        point("far.before-commit")
        if self._told["requeues"] and again.goes_on(self._order.file(STAGED)):
            status = again.queue_again(self._order.folder, self._told)
            if status is not None:
                return status
            self._commit_error(again.counted(self._order.file(STAGED), self._order.folder))
        publish(self._order, self._told)
        return 0 if self._status == 0 and not self._cancelled else 1


def _run_call(order: setup.Order, told: Told, around: surroundings.Surroundings) -> int:
    for name in (STAGED, TAKEN):  # of a run before a restart
        with suppress(FileNotFoundError):
            os.unlink(order.file(name))
    bundle = _bundle(order)

    def work(worker: int, ranges: list[list[int]]) -> int:
        _leave_signals_to_the_parent()
        return call.run(order, bundle, Deaf(), Standing(order))  # type: ignore[arg-type]

    return _Call(order, told, work, around).run()


def _leave_signals_to_the_parent() -> None:
    """A batch system sends its signals to all processes of a job; the one above decides what they mean, and interrupts this one."""
    me = os.getpid()

    def heard(number: int, frame: object) -> None:
        if os.getpid() != me:  # forked by the user's code: there it means what it always does
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)

    for number in (signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2):
        signal.signal(number, heard)


def _is_whole(order: setup.Order) -> bool:
    """Whether the function came to its end in spite of the interrupt."""
    try:
        with open(order.file(STAGED), "rb") as file:
            return bool(peek(file, os.fstat(file.fileno()).st_size)["kind"] != INTERRUPT)
    except (FileNotFoundError, Damaged):
        return False


def _why_ended(order: setup.Order, around: surroundings.Surroundings) -> str | None:
    if os.path.exists(order.file(CANCELLED)):
        return CANCEL
    return TIME if around.time_is_over() and around.number else None


def publish(order: setup.Order, told: Told) -> None:
    """Give the result its name, and have that known."""
    for name in (order.result, layout.OUTPUT, layout.ERRORS):
        if os.path.exists(order.file(name)):
            records.sync(order.file(name))
    os.rename(order.file(order.result), order.file(layout.RESULT))
    records.sync(order.folder)
    point("far.before-record")
    records.write(told["records"], told["job"], records.DONE)


# -- a map


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
        why = _why_ended(self._order, self._around) if self._cancelled else None
        if self._has_result():
            publish(self._order, self._told)
            return 1
        if why == CANCEL:
            self._commit_error(self._verdict(0, CANCEL, 0))
            publish(self._order, self._told)
            return 1
        self._books.leave()
        point("far.after-leave")
        totals = self._books.end()
        if self._failed_starts >= MOST_STARTS and self._latest is not None and self._books.unclaimed():
            self._commit_error(not_started(self._latest()))
            publish(self._order, self._told)
            return 1
        if totals is not None:
            commit_map(self._order, self._told, *totals)
        return EX_TAKEN if self._cancelled else 0


def _run_element(
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
    bundle = _bundle(order)

    def work(worker: int, ranges: list[list[int]]) -> int:
        _leave_signals_to_the_parent()
        mine = order._replace(worker=worker, claims=ranges)
        return maps.run(mine, bundle, Deaf(), Standing(mine))  # type: ignore[arg-type]

    return _Element(order, told, work, around, again).run()


def commit_map(order: setup.Order, told: Told, finished: int, failed: int) -> None:
    """All items have come to something: the map has."""
    from clustrix.runner.frames import pack

    meta = {
        "kind": watch.MAP,
        "items": told["items"],
        "finished": min(finished, told["items"]),
        "failed": failed,
    }
    call.commit(order, pack(meta, []))
    publish(order, told)
