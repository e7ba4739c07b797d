"""The warm parents, and the messages to and from them.

There is one for each set of environment variables that matter only when an interpreter starts (a fork of another would not
have them): library paths, locale, Python's own.
"""

from __future__ import annotations

import asyncio
import atexit
import logging
import os
import socket
import subprocess
import sys
import uuid
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol

from clustrix.journal import Place
from clustrix.runner import folders, variables
from clustrix.runner.faults import point
from clustrix.runner.messages import Decoder, Outbox, encode
from clustrix.runner.setup import Order

log = logging.getLogger("clustrix.backends.local")

_START_PREFIXES = ("LD_", "DYLD_", "PYTHON", "MALLOC_", "GLIBC_TUNABLES", "LC_ALL", "LC_CTYPE", "LANG")
_PLAIN_VARIABLES = ("PATH", "HOME", "USER", "LOGNAME", "TMPDIR", "TZ", "VIRTUAL_ENV")
_MOST_PARENTS = 4
_PRELOADED = "clustrix.decorator"
"""Every module that has a decorated function imports it: a fork has it for nothing."""

StartKey = frozenset[tuple[str, str]]

_left: list[subprocess.Popen[bytes]] = []
"""Warm parents that live longer than their dispatcher: Python warns of a process that is let go while it runs."""


@atexit.register
def _reap() -> None:
    _left[:] = [process for process in _left if process.poll() is None]


class Listener(Protocol):
    """Who is told what happens to runners."""

    def started(self, job: str, worker: int, pid: int, start: str) -> None: ...

    def exited(self, pid: int, status: int | None, peak_bytes: int) -> None: ...

    def notified(self, kind: bytes, job: str) -> None: ...


class _WarmParent:
    """This side of one warm parent."""

    def __init__(self, nursery: Nursery, key: StartKey, ready: str, successor: list[str], log: str) -> None:
        self._nursery = nursery
        self.key = key
        self.ready = ready
        os.mkdir(ready, 0o700)
        self.pids: set[int] = set()
        self._decoder = Decoder()
        self.control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        self.events, their_events = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.pending: list[tuple[str, int]] = []
        environment = {
            name: value
            for name, value in os.environ.items()
            if name in _PLAIN_VARIABLES or name.startswith("CLUSTRIX_")
        }
        code = "from clustrix.runner.warm import main; main()"
        errors = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        point("nursery.start")
        self.process = subprocess.Popen(
            [
                sys.executable,
                "-c",
                code,
                str(their_events.fileno()),
                str(os.getpid()),
                _PRELOADED,
                ready,
                *successor,
            ],
            stdin=theirs.fileno(),
            stdout=subprocess.DEVNULL,
            stderr=errors,
            pass_fds=(their_events.fileno(),),
            cwd="/",
            env={**environment, **dict(key)},
            start_new_session=True,
        )
        os.close(errors)
        theirs.close()
        their_events.close()
        self.control.setblocking(False)
        self.events.setblocking(False)
        nursery.loop.add_reader(self.control, self._read)
        nursery.loop.add_reader(self.events, self._read_events)
        # If it is dead, its end is read on the same socket.
        self.outbox = Outbox(self.control, nursery.loop, failed=lambda: None)

    def _read(self) -> None:
        try:
            point("nursery.receive")
            data = self.control.recv(1 << 14)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._died()
            return
        listener = self._nursery.listener
        for message, _ in self._decoder.feed(data):
            if message["op"] == "started":
                self.pids.add(message["pid"])
                self.pending.remove((message["job"], message["worker"]))
                listener.started(message["job"], message["worker"], message["pid"], message["start"])
            else:
                self.pids.discard(message["pid"])
                listener.exited(message["pid"], message["status"], message["peak"])

    def _read_events(self) -> None:
        with suppress(BlockingIOError, ConnectionError):
            while True:
                point("nursery.hear")
                data = self.events.recv(256)
                self._nursery.listener.notified(data[:1], data[1:].decode())

    def _died(self) -> None:
        """Somebody killed it.  Its runners go on; how they end can only be seen, no longer be told."""
        log.warning("the warm parent %s is gone", self.process.pid)
        self.close()
        self._nursery.lost(self)

    def close(self) -> None:
        """Let go of it; it waits for its runners and leaves."""
        if self.control.fileno() >= 0:
            self._nursery.loop.remove_reader(self.control)
            self._nursery.loop.remove_writer(self.control)
            self._nursery.loop.remove_reader(self.events)
            self.control.close()
            self.events.close()
        self.process.poll()


class Nursery:
    """Starts runners."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        listener: Listener,
        place: Place,
        name: str,
        successor: list[str],
        log: str,
        on_lost: Callable[..., None],
    ) -> None:
        """``name``: the dispatcher's.  From now on no order of an earlier one of that name is carried out."""
        self.loop = loop
        self.listener = listener
        self._place = place
        self._ready = os.path.join(place.ready, name)
        folders.fence_off(self._ready)
        self._successor = successor
        self._log = log
        self._on_lost = on_lost
        self._parents: dict[StartKey, _WarmParent] = {}
        self._latest: tuple[dict[str, str], _WarmParent] | None = None
        self._retired: list[subprocess.Popen[bytes]] = []

    def warm_up(self, environ: dict[str, str]) -> _WarmParent:
        """Have a warm parent for these variables."""
        key = frozenset(item for item in environ.items() if item[0].startswith(_START_PREFIXES))
        parent = self._parents.get(key)
        if parent is None:
            if len(self._parents) >= _MOST_PARENTS:
                self._retire_one()
            ready = f"{self._ready}-{uuid.uuid4().hex}"
            parent = self._parents[key] = _WarmParent(self, key, ready, self._successor, self._log)
        return parent

    def start(self, order: Order, payload: bytes, environ: dict[str, str]) -> None:
        """Have a runner forked; ``listener.started`` tells its pid."""
        if self._latest is None or self._latest[0] is not environ:
            self._latest = environ, self.warm_up(environ)
        parent = self._latest[1]
        parent.pending.append((order.job, order.worker))
        parent.outbox.send(encode({"order": order._asdict()}, payload))

    def mend(self) -> None:
        """Have the folders in which calls get ready, and to which they go, if somebody has removed them."""
        free = os.path.join(self._place.ready, folders.FREE)
        with suppress(OSError):  # no room either: the next call that is to begin will say so again
            for path in (self._place.live, free, *(parent.ready for parent in self._parents.values())):
                os.makedirs(path, 0o700, exist_ok=True)

    def _retire_one(self) -> None:
        for key, parent in self._parents.items():
            if not parent.pids and not parent.pending:
                self._farewell(parent)
                del self._parents[key]
                self._latest = None
                return

    def lost(self, parent: _WarmParent) -> None:
        """A warm parent has died: its pending orders have been carried out, or never will be."""
        self._parents.pop(parent.key, None)
        self._latest = None
        self._retired.append(parent.process)
        folders.fence_off(parent.ready)
        self._on_lost(parent.pending, parent.pids)

    def _farewell(self, parent: _WarmParent) -> None:
        parent.outbox.send(encode({"op": "farewell"}))
        parent.close()
        self._retired.append(parent.process)
        self._retired = [process for process in self._retired if process.poll() is None]

    def close(self, working: set[int] | None) -> None:
        """Leave.  A warm parent starts the next dispatcher if it has runners that still work (``working``: their pids).

        None: there is no need, somebody else will.
        """
        _reap()
        _left.extend(parent.process for parent in self._parents.values())
        for parent in self._parents.values():
            if working is not None and (parent.pending or not working.isdisjoint(parent.pids)):
                parent.close()
            else:
                self._farewell(parent)
        self._parents.clear()


def read_environ(path: str) -> dict[str, str]:
    """A submitter's environment variables; empty if the file is gone (the runner says so in the job's name)."""
    with suppress(OSError, ValueError):
        return variables.read(path)
    return {}
