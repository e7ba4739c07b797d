"""The warm parent: a small single-threaded process from which runners are forked in a millisecond.

``python -m clustrix.runner.warm EVENTS_FD MASTER MODULE READY [COMMAND ...]`` reads orders from its standard input, a socket, and answers
there with what it started and what ended.  MASTER, the dispatcher's pid, tells its command line from those of other
warm parents; MODULE is imported once for all runners.  When the dispatcher is gone without a farewell, it starts COMMAND (a new
dispatcher), waits for the runners it has, and leaves.
"""

from __future__ import annotations

import atexit
import functools
import gc
import importlib
import os
import selectors
import signal
import socket
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, NamedTuple

from clustrix.runner import bundles, call, folders, layout, maps, processes, rehearsal, setup
from clustrix.runner.faults import point
from clustrix.runner.frames import Damaged
from clustrix.runner.messages import Decoder, encode

_LINGER_SECONDS = 5.0
_HEIR_SECONDS = 5.0
_MOST_HEIRS = 30


class Spare(NamedTuple):
    """A child that waits for its order."""

    pid: int
    start: str
    line: socket.socket


class WarmParent:
    """Forks runners, reaps them, and ends what they leave behind.

    When it has nothing else to do it forks one ahead, which then waits for its order: the next job need not wait for a fork.
    """

    def __init__(
        self, control: socket.socket, events: socket.socket, ready: str, successor: list[str]
    ) -> None:
        """``ready``: its own folder, see ``clustrix.runner.folders``."""
        self._ready = ready
        self._control = control
        self._events = events
        self._successor = successor
        self._environ = dict(os.environ)
        """As it was at the start, before a submitter's was put on."""
        self._runners: dict[int, tuple[str, str]] = {}
        """Start time and folder of each, by pid."""
        self._spare: Spare | None = None
        self._ahead = True
        """Whether to fork one ahead: not after one that could not even get ready, until there is a new order."""
        self._latest: tuple[setup.Order, bytes] | None = None
        """The latest order and its payload, until they have been looked at."""
        self._farewell = False
        self._heir = 0
        """The pid of the dispatcher that this process has started, if it has."""
        self._heirs: list[object] = []
        self._heir_until = 0.0
        """Monotonic time until which this process sees to it that there is an heir: then it has a warm parent of its own."""
        self._wakeup, wakeup = socket.socketpair()
        for end in (self._wakeup, wakeup, events):
            end.setblocking(False)
        signal.signal(signal.SIGCHLD, lambda number, frame: None)
        signal.set_wakeup_fd(wakeup.fileno(), warn_on_full_buffer=False)
        # A cancellation may come before the child has got as far as its try.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        self._wakeup_write = wakeup

    def serve(self) -> None:
        """Until the dispatcher and the last runner are gone."""
        decoder = Decoder()
        selector = selectors.DefaultSelector()
        selector.register(self._control, selectors.EVENT_READ)
        selector.register(self._wakeup, selectors.EVENT_READ)
        connected = True
        while connected or self._runners or time.monotonic() < self._heir_until:
            lacks = connected and self._ahead and self._spare is None
            ready = selector.select(0 if lacks else self._patience())
            if lacks and not ready:
                self._fork_ahead()
                ready = selector.select(self._patience())
            for key, _ in ready:
                if key.fileobj is self._wakeup:
                    self._drain_wakeup()
                    self._reap()
                    continue
                data = self._receive()
                if not data:
                    selector.unregister(self._control)
                    connected = False
                    if not self._farewell:
                        self._start_successor()
                for message, payload in decoder.feed(data):
                    self._obey(message, payload)

    def _patience(self) -> float | None:
        left = self._heir_until - time.monotonic()
        return left if left > 0 else None

    def _receive(self) -> bytes:
        try:
            point("warm.receive")
            return self._control.recv(1 << 14)
        except ConnectionError:
            return b""

    def _drain_wakeup(self) -> None:
        with suppress(BlockingIOError):
            while self._wakeup.recv(4096):
                continue

    def _obey(self, message: dict[str, Any], payload: bytes) -> None:
        if message.get("op") == "farewell":
            self._farewell = True
            return
        order = setup.Order(**message["order"])
        pid, start = self._use_spare(order, payload) or self._fork(order, payload)
        self._runners[pid] = start, order.folder
        self._latest, self._ahead = (order, payload), True
        self._tell({"op": "started", "job": order.job, "worker": order.worker, "pid": pid, "start": start})

    def _fork(self, order: setup.Order, payload: bytes) -> tuple[int, str]:
        @functools.cache
        def get_order() -> tuple[setup.Order, bundles.Bundle | Damaged]:
            setup.environment.put_on(order)
            return order, bundles.read_bundle(payload, order.blobs)

        # Read here, where it costs a tenth; what an order can break is to be its own child, which tries again.
        with suppress(Exception):
            get_order()
        pid = _fork()
        if pid == 0:
            self._child(get_order)
        return pid, _start_of(pid)

    def _fork_ahead(self) -> None:
        if self._latest is not None:
            latest, self._latest = self._latest, None
            try:
                setup.foresee(*latest)
            except Exception:  # it is only preparation; the log of the dispatcher has it
                sys.excepthook(*sys.exc_info())
        line, theirs = socket.socketpair()
        try:
            pid = _fork()
        except OSError:  # too many processes: an order will say so, if it still holds then
            line.close()
            theirs.close()
            return
        if pid == 0:
            line.close()
            self._child(lambda: setup.await_order(theirs, rehearsal.of_call))
        theirs.close()
        self._spare = Spare(pid, _start_of(pid), line)

    def _use_spare(self, order: setup.Order, payload: bytes) -> tuple[int, str] | None:
        """Give the order to the process that waits for one; None if there is none."""
        spare, self._spare = self._spare, None
        if spare is None:
            return None
        try:
            with spare.line:
                point("warm.hand-over")
                spare.line.sendall(encode(order._asdict(), payload))
        except OSError:  # somebody has killed it
            return None
        return spare.pid, spare.start

    def _child(self, get_order: Callable[[], tuple[setup.Order, bundles.Bundle | Damaged] | None]) -> None:
        code = layout.EX_SOFTWARE
        try:
            setup.become_runner()
            self._control.close()
            self._wakeup.close()
            self._wakeup_write.close()
            code = self._work(get_order)
            atexit._run_exitfuncs()
            sys.stdout.flush()
            sys.stderr.flush()
        except BaseException:  # the process's edge; the dispatcher shows the tail of stderr
            sys.excepthook(*sys.exc_info())
        finally:
            os._exit(code)

    def _work(self, get_order: Callable[[], tuple[setup.Order, bundles.Bundle | Damaged] | None]) -> int:
        try:
            return self._work_in(folders.Folder(self._ready), get_order)
        except folders.NoFolder as error:
            setup.complain(str(error))
            return layout.EX_CANTCREAT

    def _work_in(
        self,
        folder: folders.Folder,
        get_order: Callable[[], tuple[setup.Order, bundles.Bundle | Damaged] | None],
    ) -> int:
        found = get_order()
        if found is None:
            folder.give_back()
            return 0
        order, bundle = found
        notifier = setup.Notifier(self._events, order.job)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
        run = maps.run if order.kind == "map" else call.run
        return run(order, bundle, notifier, folder)

    def _reap(self) -> None:
        ended = False
        while True:
            try:
                pid, status, usage = os.wait4(-1, os.WNOHANG)
            except ChildProcessError:
                break
            if pid == 0:
                break
            ended = True
            if pid == self._heir:
                self._heir = 0
                if os.WIFSIGNALED(status):
                    self._start_successor()
            if self._spare is not None and pid == self._spare.pid:
                self._spare.line.close()
                folders.discard(self._ready, pid, self._spare.start)
                self._spare, self._ahead = None, False
            start, folder = self._runners.pop(pid, ("", ""))
            if not folder:
                continue
            if status != 0:
                folders.discard(self._ready, pid, start)
            self._keep_status(folder, pid, status)
            self._tell({"op": "exited", "pid": pid, "status": status, "peak": usage.ru_maxrss * 1024})
        if ended:
            self._end_orphans()

    def _keep_status(self, folder: str, pid: int, status: int) -> None:
        """For a dispatcher that was not there: how a runner ended that left no result."""
        if status == 0 and os.path.exists(os.path.join(folder, layout.RESULT)):
            return
        with suppress(OSError):  # no folder any more, or no room: the cause of death is then unknown
            path = os.path.join(folder, f"{layout.EXIT_STATUS}-{pid}")
            fd = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
            point("warm.keep-status")
            os.write(fd, str(status).encode())
            os.close(fd)

    def _end_orphans(self) -> None:
        """Kill what ended runners have left: their descendants came to this process, which reaps for them."""
        deadline = time.monotonic() + _LINGER_SECONDS
        while time.monotonic() < deadline:
            known = {*self._runners, self._heir, self._spare.pid if self._spare else 0}
            strangers = [pid for pid in processes.own_children() if pid not in known]
            orphans = [pid for pid in strangers if not processes.others_service(pid)]
            for pid in orphans:
                for process in [*processes.descendants(pid), processes.lookup(pid)]:
                    if process is not None and not process.zombie:
                        with suppress(ProcessLookupError):
                            os.kill(process.pid, signal.SIGKILL)
            if not orphans:
                return
            for pid in orphans:
                with suppress(ChildProcessError):
                    os.waitpid(pid, 0)

    def _tell(self, message: dict[str, Any]) -> None:
        with suppress(OSError):  # the dispatcher is gone; its successor looks for itself
            point("warm.tell")
            self._control.sendall(encode(message))

    def _start_successor(self) -> None:
        if self._successor and len(self._heirs) < _MOST_HEIRS:
            import subprocess  # every fork would pay for it

            null = subprocess.DEVNULL
            point("warm.start-successor")
            process = subprocess.Popen(
                self._successor,
                stdin=null,
                stdout=null,
                stderr=null,
                env=self._environ,
                start_new_session=True,
            )
            self._heirs.append(process)  # it is reaped here, not by its destructor
            self._heir = process.pid
            self._heir_until = time.monotonic() + _HEIR_SECONDS


def main() -> None:
    """Entry point of the warm parent."""
    os.chdir("/")
    _heed_signals()
    control = socket.socket(fileno=os.dup(0))
    events = socket.socket(fileno=int(sys.argv[1]))
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    os.close(null)
    prepare(sys.argv[3])
    WarmParent(control, events, sys.argv[4], sys.argv[5:]).serve()
    os._exit(0)  # nothing is left to be tidied up that the kernel does not


def _heed_signals() -> None:
    """Have all signals as Python has them: what the first session's shell ignored for it is nothing to the jobs of others."""
    for number in signal.valid_signals() - {signal.SIGPIPE, getattr(signal, "SIGXFSZ", signal.SIGPIPE)}:
        if signal.getsignal(number) is signal.SIG_IGN:
            interrupt = number == signal.SIGINT
            signal.signal(number, signal.default_int_handler if interrupt else signal.SIG_DFL)


def _fork() -> int:
    # A child's first collection would go through all that this process has made, and copy each page of it.
    gc.freeze()
    point("warm.fork")
    return os.fork()


def _start_of(pid: int) -> str:
    process = processes.lookup(pid)
    return process.start if process else ""


def prepare(module: str) -> None:
    """Do what all runners would do alike."""
    importlib.import_module(module)
    setup.open_standard_files()
    setup.remember_inheritance()
    processes.boot_id()
    processes.become_subreaper()
    gc.collect()
    gc.freeze()
    gc.disable()


if __name__ == "__main__":
    main()
