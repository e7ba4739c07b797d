"""The dispatcher: reads new jobs from the journal, hands them to the backend, commits how they end, tells who waits.

It keeps nothing that is not in the journal or in the live folder, so it may be killed at any time; the next one
goes on.  One thread, one event loop; nothing happens in it that no message, process or timer of a job has caused.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

from clustrix import __version__
from clustrix.backends.local.backend import LocalBackend
from clustrix.dispatcher.instance import PROTOCOL, Instance, check_peer
from clustrix.errors import JournalError
from clustrix.journal import Change, JobRecord, JobState, Journal, Outcome
from clustrix.runner.faults import point
from clustrix.runner.messages import Decoder, encode

log = logging.getLogger("clustrix.dispatcher")

IDLE_SECONDS = 600.0
_RETRY_SECONDS = 2.0
_CHECKPOINT_COMMITS = 1000
_COALESCE_SECONDS = 0.02
_MOST_UNSENT_BYTES = 64 << 20


class Client:
    """One connected process."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self.decoder = Decoder()
        self.watches: set[str] = set()
        self.unsent = bytearray()


class Dispatcher:
    """Runs until it is idle, told to leave, or its state directory is gone."""

    def __init__(self, instance: Instance, lock: int, idle_seconds: float = IDLE_SECONDS) -> None:
        self._instance = instance
        self._lock = lock
        self._idle_seconds = idle_seconds
        self._journal = Journal(instance.place)
        self._clients: dict[int, Client] = {}
        self._watchers: dict[str, set[int]] = {}
        self._seen = 0
        self._queued: list[Change] = []
        self._finished: list[tuple[JobRecord, Outcome]] = []
        self._flush_scheduled = False
        self._commits = 0
        self._idle_timer: asyncio.TimerHandle | None = None
        self._leaving = asyncio.Event()
        self._retired = False
        self._closed = False

    async def run(self) -> None:
        """Serve; returns when the lock may go."""
        self._loop = asyncio.get_running_loop()
        self._backend = LocalBackend(self._journal, self._instance, self._loop, self)
        self._listener = self._instance.listen()
        self._loop.add_reader(self._listener, self._accept)
        log.info("dispatcher %s (%s) serves %s", os.getpid(), __version__, self._instance.place.root)
        try:
            self._recover()
            while True:
                self._rest()
                await self._leaving.wait()
                if self._stop_listening():
                    return
                self._leaving.clear()
        finally:
            self._close()

    def leave(self) -> None:
        """Stop serving; jobs that run go on, and the next dispatcher adopts them."""
        self._retired = True
        self._leaving.set()

    # -- jobs

    def _recover(self) -> None:
        point("dispatcher.before-recovery")
        records = self._journal.live(self._instance.name)
        self._seen = max((record.seq for record in records), default=0)
        self._backend.adopt(records)
        self._cancel([record.id for record in records if record.cancel])
        self._backend.sweep()

    def _look(self) -> None:
        """Take what has been submitted since the last look."""
        records = self._journal.live(self._instance.name, self._seen)
        point("dispatcher.after-look")
        if records:
            self._seen = records[-1].seq
            self._backend.submit(records)
            self._cancel([record.id for record in records if record.cancel])
        self._rest()

    def _cancel(self, jobs: list[str]) -> None:
        for job in jobs:
            self._backend.cancel(job)

    def queued(self, record: JobRecord, reason: str) -> None:
        """The backend has a job, but no room for it yet."""
        self._queued.append(Change(record.seq, JobState.QUEUED, reason))
        if len(self._queued) == 1:
            # A thousand submissions in a row shall not be a thousand transactions.
            self._loop.call_later(_COALESCE_SECONDS, self._guarded, self._write_queued)

    def _write_queued(self) -> None:
        waiting = self._backend.waiting()
        changes = [change for change in self._queued if change.seq in waiting]
        self._queued = []
        if changes:
            self._journal.move(changes)

    def running(self, changes: Iterable[Change]) -> None:
        """The backend is about to start jobs; it does so only when this has returned."""
        point("dispatcher.before-running")
        self._journal.move(changes)
        point("dispatcher.after-running")

    def finished(self, record: JobRecord, outcome: Outcome) -> None:
        """A job has come to its end; several in a row are committed together."""
        self._finished.append((record, outcome))
        if not self._flush_scheduled:
            self._flush_scheduled = True
            self._loop.call_soon(self._guarded, self._flush)

    def _flush(self) -> None:
        self._flush_scheduled = False
        batch = self._finished
        if not batch:
            return
        point("dispatcher.before-commit")
        try:
            self._journal.finish(outcome for _, outcome in batch)
        except JournalError as error:
            if self._journal.vanished():
                raise
            # Nothing is lost: the results are files until they are committed.
            log.warning("%d results wait for the journal: %s", len(batch), error)
            self._flush_scheduled = True
            self._loop.call_later(_RETRY_SECONDS, self._guarded, self._flush)
            return
        point("dispatcher.after-commit")
        self._finished = []
        self._tell({"op": "done"}, [record.id for record, _ in batch])
        for record, outcome in batch:
            log.debug("job %s: -> %s %s", record.id, outcome.state, outcome.reason)
            self._backend.forget(record)
        with suppress(JournalError):  # tried again at the next end of a job, or by the next dispatcher
            self._journal.drop_environs({record.environ for record, _ in batch})
        self._commits += 1
        if self._commits >= _CHECKPOINT_COMMITS:
            self._commits = 0
            self._journal.checkpoint()
        self._rest()

    def progressed(self, job: str) -> None:
        """Some items of a map are finished."""
        self._tell({"op": "progress"}, [job])

    # -- clients

    def _accept(self) -> None:
        with suppress(BlockingIOError):
            while True:
                connection, _ = self._listener.accept()
                try:
                    check_peer(connection)
                except OSError as error:
                    log.warning("refused a connection: %s", error)
                    connection.close()
                    continue
                connection.setblocking(False)
                client = Client(connection)
                self._clients[connection.fileno()] = client
                self._loop.add_reader(connection, self._guarded, self._read, client)
                self._send(
                    client, {"op": "hello", "protocol": PROTOCOL, "version": __version__, "pid": os.getpid()}
                )
                self._rest()

    def _read(self, client: Client) -> None:
        try:
            data = client.connection.recv(1 << 16)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._drop(client)
            return
        new = False
        for message, _ in client.decoder.feed(data):
            op = message.get("op")
            jobs: list[str] = message.get("jobs", [])
            if op in ("submitted", "watch"):
                new = new or op == "submitted"
                self._watch(client, jobs)
                # Another client's message may have brought a job here, and to its end, before this one.
                ended = self._journal.finished_among(jobs)
                if ended:
                    self._tell({"op": "done"}, ended)
            elif op == "cancel":
                self._look()
                self._cancel(self._journal.cancel_requested(jobs))
            elif op == "retire":
                log.info("a client of another version asks this dispatcher to leave")
                self.leave()
        if new:
            self._look()

    def _watch(self, client: Client, jobs: list[str]) -> None:
        client.watches.update(jobs)
        for job in jobs:
            self._watchers.setdefault(job, set()).add(client.connection.fileno())

    def _tell(self, message: dict[str, Any], jobs: list[str]) -> None:
        """Send ``message`` about each job to those who watch it; a finished job is watched no longer."""
        by_client: dict[int, list[str]] = {}
        for job in jobs:
            for number in self._watchers.get(job, ()):
                by_client.setdefault(number, []).append(job)
        if message["op"] == "done":
            for job in jobs:
                for number in self._watchers.pop(job, ()):
                    self._clients[number].watches.discard(job)
        for number, about in by_client.items():
            if number in self._clients:
                self._send(self._clients[number], {**message, "jobs": about})

    def _send(self, client: Client, message: dict[str, Any]) -> None:
        client.unsent += encode(message)
        self._write(client)

    def _write(self, client: Client) -> None:
        if client.connection.fileno() < 0:
            return
        try:
            while client.unsent:
                del client.unsent[: client.connection.send(client.unsent)]
        except BlockingIOError:
            # One that never reads is let go; it is told everything when it connects anew.
            if len(client.unsent) > _MOST_UNSENT_BYTES:
                self._drop(client)
            else:
                self._loop.add_writer(client.connection, self._guarded, self._write, client)
            return
        except OSError:
            self._drop(client)
            return
        self._loop.remove_writer(client.connection)

    def _drop(self, client: Client) -> None:
        number = client.connection.fileno()
        if number < 0:
            return
        self._loop.remove_reader(client.connection)
        self._loop.remove_writer(client.connection)
        client.connection.close()
        del self._clients[number]
        for job in client.watches:
            watchers = self._watchers.get(job)
            if watchers:
                watchers.discard(number)
                if not watchers:
                    del self._watchers[job]
        self._rest()

    # -- coming to an end

    def _guarded(self, step: Any, *args: Any) -> None:
        """Run one step of the loop; what it cannot go on from ends the dispatcher, never silently."""
        if self._closed:
            return
        try:
            step(*args)
        except JournalError as error:
            log.error("the journal cannot be used: %s", error)
            if self._journal.vanished():
                self._backend.abandon()
            self.leave()
        except Exception:
            log.exception("a step failed; leaving, so that the next dispatcher starts from the journal")
            self.leave()

    def _rest(self) -> None:
        """(Re)start the countdown to leaving, or stop it while there is something to do."""
        if self._idle_timer is not None:
            self._idle_timer.cancel()
            self._idle_timer = None
        if not self._clients and not self._backend.busy() and not self._finished:
            self._idle_timer = self._loop.call_later(self._idle_seconds, self._leaving.set)

    def _stop_listening(self) -> bool:
        """Close the doors, then look once more: what was submitted before they closed is not left behind."""
        if not self._retired and (self._clients or self._backend.busy() or self._finished):
            return False
        self._instance.unlink_socket()
        for client in list(self._clients.values()):
            self._drop(client)
        self._loop.remove_reader(self._listener)
        self._listener.close()
        if self._retired:
            return True
        if not self._journal.live(self._instance.name, self._seen):
            return True
        self._listener = self._instance.listen()
        self._loop.add_reader(self._listener, self._accept)
        self._look()
        return False

    def _close(self) -> None:
        self._closed = True
        for client in list(self._clients.values()):
            self._drop(client)
        if self._listener.fileno() >= 0:
            self._loop.remove_reader(self._listener)
            self._listener.close()
            if not self._journal.vanished():
                self._instance.unlink_socket()
        self._backend.close()
        self._journal.close()
        os.close(self._lock)
        if self._idle_timer is not None:
            self._idle_timer.cancel()
        log.info("dispatcher %s leaves", os.getpid())
