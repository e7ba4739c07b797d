"""Looks after the processes of one job: limits, cancellation, and a result that tells the cause when they leave none."""

from __future__ import annotations

import atexit
import functools
import os
import select
import signal
import socket
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, NamedTuple

from clustrix.runner import call, layout, outcome, policy, processes, setup
from clustrix.runner.books import Books
from clustrix.runner.faults import point
from clustrix.runner.frames import Buffer, pack
from clustrix.runner.verdict import CANCEL, MEMORY, MOST_STARTS, TIME, Verdict, not_started, verdict

MAP = "map"
"""The kind of a map's result: how many of its items failed.  The items' own results are in other files."""

_GRACE_SECONDS = 2.0
"""After SIGINT, for ``finally`` blocks; then the tree is killed."""
_MEMORY_PAUSE_SECONDS = 0.05
_ROOM_SECONDS = 30.0
_ROOM_PAUSE_SECONDS = 1.0

Work = Callable[[int, list[list[int]]], int]
"""What a child does: the number of the worker, and ranges of items that are given to it; returns the exit code."""


class Child(NamedTuple):
    """A runner."""

    worker: int
    start: str
    since: float
    """Monotonic time of its start."""


class Watch:
    """Until the job has a result."""

    def __init__(self, order: setup.Order, told: dict[str, Any], work: Work) -> None:
        self._order = order
        self._time_s: float | None = told["time_s"]
        self._memory_bytes: int | None = told["memory_bytes"]
        self._work = work
        self._children: dict[int, Child] = {}
        self._dooms: dict[int, str] = {}
        """What children are being ended for, by pid."""
        self._peaks: dict[int, int] = {}
        self._cancelled = False
        self._kill_at: float | None = None
        self._wakeup, wakeup = socket.socketpair()
        self._wakeup.setblocking(False)
        wakeup.setblocking(False)
        self._wakeup_write = wakeup
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._asked_to_end)
        signal.signal(signal.SIGCHLD, lambda number, frame: None)
        signal.set_wakeup_fd(wakeup.fileno(), warn_on_full_buffer=False)

    def run(self) -> int:
        """Returns the exit code of the program."""
        self._begin()
        while self._children:
            select.select([self._wakeup], [], [], self._patience())
            with suppress(BlockingIOError):
                while self._wakeup.recv(4096):
                    continue
            self._reap()
            self._check()
        self._end_orphans()
        return self._conclude()

    # -- what calls and maps do differently

    def _begin(self) -> None:
        """Start what is to be started."""

    def _ended(self, child: Child, found: Callable[[], Verdict], status: int) -> None:
        """A runner is gone."""

    def _late(self) -> tuple[list[int], float | None]:
        """Pids of those that have taken too long, and seconds until the next may."""
        return [], None

    def _conclude(self) -> int:
        """Nothing runs any more: see that there is a result; returns the exit code."""
        return 0

    # -- processes

    def _start(self, worker: int, claims: list[list[int]]) -> None:
        sys.stdout.flush()
        sys.stderr.flush()
        point("watch.fork")
        pid = os.fork()
        if pid == 0:
            self._become(worker, claims)
        process = processes.lookup(pid)
        self._children[pid] = Child(worker, process.start if process else "", time.monotonic())
        if self._cancelled:
            _interrupt(pid)

    def _become(self, worker: int, claims: list[list[int]]) -> None:
        code = layout.EX_SOFTWARE
        try:
            for number in (signal.SIGTERM, signal.SIGHUP):
                signal.signal(number, signal.SIG_DFL)
            processes.die_with_parent()
            setup.become_runner()
            signal.signal(signal.SIGINT, signal.default_int_handler)
            self._wakeup.close()
            self._wakeup_write.close()
            code = self._work(worker, claims)
            atexit._run_exitfuncs()
            sys.stdout.flush()
            sys.stderr.flush()
        except BaseException:  # the process's edge: the tail of stderr goes home
            sys.excepthook(*sys.exc_info())
        finally:
            os._exit(code)

    def _reap(self) -> None:
        while True:
            try:
                pid, status, usage = os.wait4(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            child = self._children.pop(pid, None)
            if child is None:
                continue
            scale = 1 if sys.platform == "darwin" else 1024
            peak = max(self._peaks.pop(pid, 0), usage.ru_maxrss * scale)
            doom = CANCEL if self._cancelled else self._dooms.pop(pid, None)
            self._ended(child, functools.partial(self._verdict, status, doom, peak), status)

    def _verdict(self, status: int, doom: str | None, peak: int) -> Verdict:
        return verdict(
            status,
            doom,
            folder=self._order.folder,
            time_s=self._time_s,
            memory_bytes=self._memory_bytes,
            peak_bytes=peak,
        )

    def _end_orphans(self) -> None:
        """What the runners have left came to this process, which reaps for them."""
        for pid in processes.own_children():
            process = processes.lookup(pid)
            if process is not None:
                processes.kill_tree(pid, process.start)
        with suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                continue

    # -- limits

    def _patience(self) -> float | None:
        now = time.monotonic()
        times = [self._late()[1]]
        if self._memory_bytes is not None:
            times.append(_MEMORY_PAUSE_SECONDS)
        if self._kill_at is not None:
            times.append(self._kill_at - now)
        known = [seconds for seconds in times if seconds is not None]
        return max(0.0, min(known)) if known else None

    def _check(self) -> None:
        if self._kill_at is not None and time.monotonic() >= self._kill_at:
            self._kill_at = None
            for pid in list(self._children):
                self._kill(pid, CANCEL)
        for pid in self._late()[0]:
            self._kill(pid, TIME)
        if self._memory_bytes is not None:
            for pid in list(self._children):
                size = processes.tree_bytes(pid, self._memory_bytes)
                self._peaks[pid] = max(self._peaks.get(pid, 0), size)
                if size > self._memory_bytes:
                    self._kill(pid, MEMORY)

    def _kill(self, pid: int, doom: str) -> None:
        child = self._children.get(pid)
        if child is not None and pid not in self._dooms:
            self._dooms[pid] = doom
            processes.kill_tree(pid, child.start)

    def _asked_to_end(self, number: int, frame: object) -> None:
        if self._cancelled:
            return
        self._cancelled = True
        self._kill_at = time.monotonic() + _GRACE_SECONDS
        for pid in self._children:
            _interrupt(pid)

    # -- the result

    def _commit(self, meta: dict[str, Any]) -> None:
        parts: list[Buffer] = pack(meta, [])
        call.commit(self._order, parts)

    def _commit_error(self, found: Verdict) -> None:
        call.commit(self._order, outcome.of_verdict(found))


class CallWatch(Watch):
    """One call."""

    _found: Callable[[], Verdict] | None = None
    _status = 0

    def _begin(self) -> None:
        self._start(0, [])

    def _ended(self, child: Child, found: Callable[[], Verdict], status: int) -> None:
        self._found, self._status = found, status

    def _late(self) -> tuple[list[int], float | None]:
        if self._time_s is None:
            return [], None
        left = {pid: child.since + self._time_s - time.monotonic() for pid, child in self._children.items()}
        return [pid for pid, seconds in left.items() if seconds <= 0], min(left.values(), default=None)

    def _conclude(self) -> int:
        if os.path.exists(self._order.file(layout.RESULT)):
            return 0 if self._status == 0 else 1
        assert self._found is not None
        self._commit_error(self._found())
        return 1


class MapWatch(Watch):
    """A map: as many workers as may run at once."""

    def __init__(self, order: setup.Order, told: dict[str, Any], work: Work) -> None:
        super().__init__(order, told, work)
        self._items: int = told["items"]
        self._most: int = told["workers"]
        self._books = self._open_books()
        self._failed_starts = 0
        self._latest: Callable[[], Verdict] | None = None

    def _open_books(self) -> Books:
        order = self._order
        return Books(order.folder, self._items, policy.of_spec(order.place), self._memory_bytes)

    def _asked_to_end(self, number: int, frame: object) -> None:
        if (
            not self._cancelled
        ):  # an interrupt would be an item's result, and the worker would go on with the next
            self._cancelled = True
            self._kill_at = time.monotonic()

    def _begin(self) -> None:
        for _ in range(min(self._most - len(self._children), self._books.unclaimed())):
            worker = self._books.next_worker()
            self._start(worker, self._books.give(worker))

    def _ended(self, child: Child, found: Callable[[], Verdict], status: int) -> None:
        self._latest = found
        if status != 0 or self._books.in_item(child.worker):
            brought_on = self._account_of(child.worker, found)
            self._failed_starts = 0 if brought_on else self._failed_starts + 1
            self._memory_bytes = self._books.memory_bytes
        else:
            self._failed_starts = 0
        if self._cancelled or self._failed_starts >= MOST_STARTS or self._has_result():
            return
        self._begin()

    def _account_of(self, worker: int, found: Callable[[], Verdict]) -> bool:
        """Close it; where there is no room, wait for some: else the item would be begun once more when this process has given up."""
        until = time.monotonic() + _ROOM_SECONDS
        while True:
            try:
                cause = None if self._cancelled else lambda: found().record
                return self._books.close_account(worker, cause)
            except OSError:
                if self._cancelled or time.monotonic() > until:
                    raise
                self._check()  # time and memory of the other workers
                time.sleep(_ROOM_PAUSE_SECONDS)

    def _late(self) -> tuple[list[int], float | None]:
        if self._time_s is None:
            return [], None
        workers = {child.worker: pid for pid, child in self._children.items()}
        late, soonest = self._books.overdue(workers, self._time_s)
        return [workers[worker] for worker in late], soonest

    def _has_result(self) -> bool:
        """A worker that could not begin with any item leaves the reason as the map's result."""
        return os.path.exists(self._order.file(layout.RESULT))

    def _conclude(self) -> int:
        if self._has_result():
            return 1
        if self._cancelled and self._latest is not None:
            self._commit_error(self._latest())
            return 1
        if self._failed_starts >= MOST_STARTS and self._latest is not None and self._books.unclaimed():
            self._commit_error(not_started(self._latest()))
            return 1
        self._books.sync()
        finished, failed = self._books.marks.totals()
        self._commit({"kind": MAP, "items": self._items, "finished": finished, "failed": failed})
        return 1 if failed else 0


def _interrupt(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGINT)
