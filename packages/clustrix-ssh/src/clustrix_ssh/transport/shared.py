"""One connection to a host for all that this process does there: a second factor is asked for once, and login nodes count connections."""

from __future__ import annotations

import threading
from typing import Protocol

from clustrix_ssh.transport.connect import connect
from clustrix_ssh.transport.interface import Connection, Question, Stream, Target

_lock = threading.Lock()
_open: dict[Target, Shared] = {}


class Asker(Protocol):
    """Who has a person answer."""

    answered: bool
    """Whether a person has, beyond what is remembered."""

    def ask(self, question: Question) -> str:
        """See ``clustrix_ssh.transport.interface.Ask``."""


class Shared:
    """A connection that several users hold; closed when the last lets go."""

    def __init__(self, target: Target, connection: Connection, asker: Asker) -> None:
        self._target = target
        self._connection = connection
        self._holders = 1
        self.asked = asker.answered
        """Whether a person has answered for it: it cannot be opened again without one."""

    def start(self, command: str) -> Stream:
        """Raises HostUnreachable."""
        return self._connection.start(command)

    def alive(self) -> bool:
        return self._connection.alive()

    def hold(self) -> Shared:
        self._holders += 1
        return self

    def discard(self) -> None:
        """Let go of it, and let nobody else take it up: it has failed."""
        with _lock:
            if _open.get(self._target) is self:
                del _open[self._target]
        self.close()

    def close(self) -> None:
        """Let go of it."""
        with _lock:
            self._holders -= 1
            if self._holders:
                return
            if _open.get(self._target) is self:
                del _open[self._target]
        self._connection.close()


_opening: dict[Target, threading.Lock] = {}


def acquire(target: Target, asker: Asker) -> Shared:
    """The open connection to that host, or a new one.  Waits; raises HostUnreachable, and what is below it."""
    with _lock:
        one_at_a_time = _opening.setdefault(target, threading.Lock())
    with one_at_a_time:
        with _lock:
            known = _open.get(target)
            if known is not None and known.alive():
                return known.hold()
        made = Shared(target, connect(target, asker.ask), asker)
        with _lock:
            _open[target] = made
        return made
