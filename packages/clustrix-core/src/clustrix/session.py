"""What this process holds open: the journal, the blob store, the lines to dispatchers.

Made on first use; made anew in a forked child, and when the state directory has been replaced.
"""

from __future__ import annotations

import os
import sys
import threading

from clustrix.bundle import BlobStore
from clustrix.dispatcher.client import Client
from clustrix.dispatcher.inline import is_inline
from clustrix.dispatcher.instance import Instance
from clustrix.errors import JournalError
from clustrix.journal import Journal, Place, state_place
from clustrix.journal.place import dispatcher_name


class Session:
    """One process's connection to one state directory.  Safe for any number of threads."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.pid = os.getpid()
        self.journal = Journal(place)
        self.blobs = BlobStore(place.blobs)
        self.name = dispatcher_name(place)
        self._clients: dict[str, Client] = {}
        self._lock = threading.Lock()
        self.introduced = False
        """Whether the journal knows how to start this environment's dispatcher."""

    def client(self, name: str) -> Client:
        """The line to a dispatcher: this environment's, or another's whose jobs are asked about."""
        with self._lock:
            known = self._clients.get(name)
            if known is None:
                executable = ""
                if name != self.name:
                    recorded = self.journal.dispatcher_of(name)
                    executable = recorded[0] if recorded else ""
                instance = Instance(self.place, name)
                known = self._clients[name] = Client(
                    instance, self._gone, executable, is_inline() and name == self.name
                )
        return known

    def _gone(self) -> JournalError | None:
        return self.journal.gone() if self.journal.vanished() else None

    def introduction(self) -> tuple[str, str] | None:
        """Executable and host, once."""
        if self.introduced:
            return None
        return sys.executable, os.uname().nodename


_current: tuple[tuple[str | None, str | None], Session] | None = None
_lock = threading.Lock()


def session() -> Session:
    """This process's session.  Raises an error below JournalError when the state directory cannot be used."""
    global _current
    key = (os.environ.get("XDG_STATE_HOME"), os.environ.get("HOME"))
    found = _current
    if found is not None and found[0] == key and not found[1].journal.vanished():
        return found[1]
    with _lock:
        if _current is None or _current[0] != key or _current[1].journal.vanished():
            _current = (key, Session(state_place()))
        return _current[1]


_inherited: list[object] = []


def _after_fork() -> None:
    # What the parent had open is the parent's: it is neither used nor closed here.
    global _current, _lock
    _inherited.append(_current)
    _current = None
    _lock = threading.Lock()


os.register_at_fork(after_in_child=_after_fork)
