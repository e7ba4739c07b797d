"""The dispatcher's end of its clients' lines: who is connected, what each watches, and what is still to be sent."""

from __future__ import annotations

import asyncio
import functools
import logging
import math
import resource
import socket
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any, Protocol

from clustrix import __version__
from clustrix.dispatcher.instance import PROTOCOL, Instance, check_peer
from clustrix.journal import JobState
from clustrix.runner import bounds
from clustrix.runner.faults import point
from clustrix.runner.messages import Decoder, Outbox, encode

log = logging.getLogger("clustrix.dispatcher")

_MOST_UNSENT_BYTES = 64 << 20
_SPARE_FILES = 100
"""Descriptors that are not for clients: the journal, files of jobs and their processes."""


class Client:
    """One connected process."""

    def __init__(
        self, connection: socket.socket, loop: asyncio.AbstractEventLoop, drop: Callable[[Client], None]
    ) -> None:
        self.connection = connection
        self.decoder = Decoder()
        self.watches: set[str] = set()
        # One that never reads is let go; it is told everything when it connects anew.
        self.outbox = Outbox(connection, loop, lambda: drop(self), _MOST_UNSENT_BYTES)


class Listener(Protocol):
    """Who answers clients."""

    def heard(self, client: Client, messages: Iterable[dict[str, Any]]) -> None: ...

    def came(self) -> None: ...

    def left(self, client: Client) -> None: ...


class Connections:
    """The listening socket and all that came through it."""

    def __init__(
        self,
        instance: Instance,
        loop: asyncio.AbstractEventLoop,
        listener: Listener,
        guarded: Callable[..., None],
    ) -> None:
        self._instance = instance
        self._loop = loop
        self._listener = listener
        self._guarded = guarded
        """Calls a step of the loop, and deals with its failure."""
        self._clients: dict[int, Client] = {}
        self._watchers: dict[str, set[int]] = {}
        files = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        self._most = math.inf if files == resource.RLIM_INFINITY else max(files - _SPARE_FILES, files // 2)
        """More wait at the door until one of them has left."""
        self.open_doors()

    def __len__(self) -> int:
        return len(self._clients)

    def open_doors(self) -> None:
        """Let clients connect."""
        self._door = self._instance.listen()
        self._loop.add_reader(self._door, self._guarded, self._accept)

    def close_doors(self, ours: bool = True) -> None:
        """Nobody connects any more; those who are connected see it, and look for the next dispatcher.

        ``ours``: whether the socket in the folder is still this one.
        """
        if self._door.fileno() >= 0:
            if ours:
                self._instance.unlink_socket()
            self._loop.remove_reader(self._door)
            self._door.close()
        for client in list(self._clients.values()):
            self._drop(client)

    def watch(self, client: Client, jobs: list[str]) -> None:
        """``client`` wants to hear of these jobs."""
        client.watches.update(jobs)
        for job in jobs:
            self._watchers.setdefault(job, set()).add(client.connection.fileno())

    def tell(self, news: str, jobs: Iterable[str]) -> None:
        """Send news about each job to those who watch it."""
        by_client: dict[int, list[str]] = {}
        for job in jobs:
            for number in self._watchers.get(job, ()):
                by_client.setdefault(number, []).append(job)
        for number, about in by_client.items():
            if number in self._clients:
                self._send(self._clients[number], {"op": news, "jobs": about})

    def tell_ends(self, states: dict[str, JobState]) -> None:
        """Tell how jobs ended; then they are watched no longer."""
        done = [job for job, state in states.items() if state is JobState.SUCCEEDED]
        cancelled = [job for job, state in states.items() if state is JobState.CANCELLED]
        undone = states.keys() - {*done, *cancelled}
        for news, jobs in (("done", done), ("cancelled", cancelled), ("undone", undone)):
            self.tell(news, jobs)
        for job in states:
            for number in self._watchers.pop(job, ()):
                if number in self._clients:
                    self._clients[number].watches.discard(job)

    def _accept(self) -> None:
        with suppress(BlockingIOError):
            while True:
                if len(self._clients) >= self._most:
                    log.warning("%d clients are connected: others wait until one leaves", len(self._clients))
                    self._loop.remove_reader(self._door)
                    return
                connection, _ = self._door.accept()
                try:
                    check_peer(connection)
                except OSError as error:
                    log.warning("refused a connection: %s", error)
                    connection.close()
                    continue
                connection.setblocking(False)
                client = Client(connection, self._loop, functools.partial(self._guarded, self._drop))
                self._clients[connection.fileno()] = client
                self._loop.add_reader(connection, self._guarded, self._read, client)
                hello = {"op": "hello", "protocol": PROTOCOL, "version": __version__, "bounds": bounds.mine()}
                self._send(client, hello)
                self._listener.came()

    def _read(self, client: Client) -> None:
        try:
            point("dispatcher.receive")
            data = client.connection.recv(1 << 14)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._drop(client)
            return
        self._listener.heard(client, [message for message, _ in client.decoder.feed(data)])

    def send(self, client: Client, message: dict[str, Any]) -> None:
        """Say something to one of them; who is gone does not hear it."""
        if client.connection.fileno() in self._clients:
            self._send(client, message)

    def _send(self, client: Client, message: dict[str, Any]) -> None:
        client.outbox.send(encode(message))

    def _drop(self, client: Client) -> None:
        number = client.connection.fileno()
        if number < 0:
            return
        self._loop.remove_reader(client.connection)
        self._loop.remove_writer(client.connection)
        client.connection.close()
        del self._clients[number]
        if self._door.fileno() >= 0 and len(self._clients) == self._most - 1:
            self._loop.add_reader(self._door, self._guarded, self._accept)
        for job in client.watches:
            watchers = self._watchers.get(job)
            if watchers:
                watchers.discard(number)
                if not watchers:
                    del self._watchers[job]
        self._listener.left(client)
