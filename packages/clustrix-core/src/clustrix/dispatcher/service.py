"""The dispatcher: reads new jobs from the journal, hands them to their places, commits how they end, tells who waits.

It keeps nothing that is not in the journal or in the live folder, so it may be killed at any time; the next one
goes on.  One thread, one event loop; nothing happens in it that no message, process or timer of a job has caused.
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

from clustrix import __version__
from clustrix.backends import JobSpec
from clustrix.backends.committed import cancelled
from clustrix.dispatcher.connections import Client, Connections
from clustrix.dispatcher.instance import Instance
from clustrix.dispatcher.observers import Observers
from clustrix.dispatcher.places import Places
from clustrix.dispatcher.questions import Questions
from clustrix.dispatcher.retrying import Retries
from clustrix.errors import JournalError
from clustrix.journal import Change, JobRecord, JobState, Journal, Outcome
from clustrix.runner.faults import point

log = logging.getLogger("clustrix.dispatcher")

IDLE_SECONDS = 600.0
_RETRY_SECONDS = 2.0
_CHECKPOINT_ROWS = 150
_COALESCE_SECONDS = 0.02
_BUSY_COALESCE_SECONDS = 0.01
_RESERVE_SECONDS = 0.2
_HELD_SECONDS = 60.0
"""Between looks whether a place still has to be held open."""
_ENVIRON_SECONDS = 0.3
"""The next of many calls in a row finds the file of the last one, and need not wait for the disk."""


class Dispatcher:
    """Runs until it is idle, told to leave, or its state directory is gone."""

    def __init__(
        self,
        instance: Instance,
        lock: int,
        idle_seconds: float = IDLE_SECONDS,
        successor: list[str] | None = None,
    ) -> None:
        self._instance = instance
        self._successor = instance.successor() if successor is None else successor
        self._lock = lock
        self._idle_seconds = idle_seconds
        self._journal = Journal(instance.place)
        self._seen = 0
        self._live: dict[str, JobSpec] = {}
        """Jobs whose outcome is not committed yet, by id."""
        self._by_number: dict[int, JobSpec] = {}
        self._moves: dict[int, Change] = {}
        """Changes that are still to be written: the latest of each job."""
        self._moves_timer: asyncio.TimerHandle | None = None
        self._finished: list[tuple[JobRecord, Outcome]] = []
        self._flush_scheduled = False
        self._dropping = False
        """Whether files of environment variables may be needed no longer."""
        self._rows = 0
        self._idle_timer: asyncio.TimerHandle | None = None
        self._logins: set[asyncio.Task[None]] = set()
        self._leaving = asyncio.Event()
        self._retired = False
        self._closed = False
        self._heirs = True
        """Whether a warm parent may start the next dispatcher; not if a client will."""

    async def run(self) -> None:
        """Serve; returns when the lock may go."""
        self._loop = asyncio.get_running_loop()
        self._loop.set_exception_handler(self._unexpected)
        self._questions = Questions(lambda client, message: self._clients.send(client, message))
        self._places = Places(
            self._journal, self._instance, self._successor, self._loop, self, self._questions
        )
        self._retries = Retries(self._journal, self._places, self._loop, self._guarded)
        self._observers = Observers(self._loop)
        self._clients = Connections(self._instance, self._loop, self, self._guarded)
        log.info("dispatcher %s (%s) serves %s", os.getpid(), __version__, self._instance.place.root)
        try:
            self._recover()
            self._loop.call_later(_RESERVE_SECONDS, self._guarded, self._journal.reserve)
            while True:
                self._rest()
                await self._leaving.wait()
                if self._stop_listening():
                    return
                self._leaving.clear()
        finally:
            self._close()
            await self._places.closed()

    def leave(self) -> None:
        """Stop serving; jobs that run go on, and the next dispatcher adopts them."""
        self._retired = True
        self._leaving.set()

    # -- jobs

    def _recover(self) -> None:
        point("dispatcher.recover")
        records = self._journal.live(self._instance.name)
        self._seen = max((record.seq for record in records), default=0)
        for record in records:
            if record.attempt > record.prepared:
                self._retries.resume(self._spec(record))
        self._places.adopt([self._spec(record) for record in records if record.attempt <= record.prepared])
        self._cancel([record.id for record in records if record.cancel])

    def _look(self) -> None:
        """Take what has been submitted since the last look."""
        self._check_place()
        records = self._journal.live(self._instance.name, self._seen)
        point("dispatcher.looked")
        if records:
            self._seen = records[-1].seq
            self._places.submit([self._spec(record) for record in records])
            self._count(len(records))
            self._cancel([record.id for record in records if record.cancel])
        self._rest()

    def _spec(self, record: JobRecord) -> JobSpec:
        spec = self._live[record.id] = self._by_number[record.seq] = JobSpec(record, self._journal)
        return spec

    def _cancel(self, jobs: list[str]) -> None:
        for job in jobs:
            if self._retries.drop(job):
                record = self._live[job].record._replace(cancel=True)
                self.finished(record, cancelled(record, self._live[job].folder))
        self._places.cancel([self._live[job] for job in jobs if job in self._live])

    def moved(self, changes: Iterable[Change]) -> None:
        """Jobs wait, or have been started.

        Written together, with the next end of a job if that comes first: what was begun is told by its claim, not by this.
        """
        for change in changes:
            before = self._moves.get(change.seq)
            if before is not None:
                news, at = (True, change.at) if change.news else (before.news, before.at)
                change = change._replace(at=at, news=news, handle=change.handle or before.handle)
            self._moves[change.seq] = change
        if self._moves and self._moves_timer is None:
            self._moves_timer = self._loop.call_later(_COALESCE_SECONDS, self._guarded, self._write_moves)

    def _write_moves(self) -> None:
        self._moves_timer = None
        if not self._moves:
            return
        try:
            self._journal.move(self._moves.values())
        except JournalError as error:
            if self._journal.vanished():
                raise
            log.warning("%d changes wait for the journal: %s", len(self._moves), error)
            self._moves_timer = self._loop.call_later(_RETRY_SECONDS, self._guarded, self._write_moves)
            return
        moved, self._moves = self._moves, {}
        self._observers.moved(moved.values(), self._by_number)

    def finished(self, record: JobRecord, outcome: Outcome) -> None:
        """A job has come to its end; several in a row are committed together."""
        try:
            if self._tried_again(record, outcome):
                return
        except (JournalError, OSError) as error:
            if self._journal.vanished():
                raise
            log.warning("job %s waits for the disk: %s", record.id, error)
            self._loop.call_later(_RETRY_SECONDS, self._guarded, self.finished, record, outcome)
            return
        self._finished.append((record, outcome))
        if self._flush_scheduled:
            return
        self._flush_scheduled = True
        if self._places.crowded():
            self._loop.call_later(_BUSY_COALESCE_SECONDS, self._guarded, self._flush)
        else:
            self._loop.call_soon(self._guarded, self._flush)

    def _tried_again(self, record: JobRecord, outcome: Outcome) -> bool:
        if outcome.state is JobState.SUCCEEDED or record.id not in self._live:
            return False
        again = self._retries.after(self._live[record.id], outcome)
        if again is not None:
            self._moves.pop(record.seq, None)
            self._live[record.id] = self._by_number[record.seq] = again
        return again is not None

    def _flush(self) -> None:
        self._flush_scheduled = False
        batch = self._finished
        if not batch:
            return
        self._check_place()
        try:
            records = {record.seq: record for record, _ in batch}
            written = self._journal.finish(
                (outcome for _, outcome in batch),
                self._moves.values(),
                lambda seq: cancelled(records[seq], JobSpec(records[seq], self._journal).folder),
            )
        except JournalError as error:
            if self._journal.vanished():
                raise
            # Nothing is lost: the results are files until they are committed.
            log.warning("%d results wait for the journal: %s", len(batch), error)
            self._flush_scheduled = True
            self._loop.call_later(_RETRY_SECONDS, self._guarded, self._flush)
            return
        self._finished = []
        moved, self._moves = self._moves, {}
        self._observers.moved(moved.values(), self._by_number)
        self._observers.ended(written, records, time.time())
        self._clients.tell_ends({records[outcome.seq].id: outcome.state for outcome in written})
        for record, outcome in batch:
            log.debug("job %s: -> %s %s", record.id, outcome.state, outcome.reason)
            self._by_number.pop(record.seq, None)
        self._places.clean([self._live.pop(record.id) for record, _ in batch if record.id in self._live])
        self._drop_environs_soon()
        self._count(len(batch))
        self._rest()

    def _count(self, rows: int) -> None:
        """Keep the journal's log short: where it grows, a commit has to wait for the file system's own log as well."""
        self._rows += rows
        if self._rows >= _CHECKPOINT_ROWS:
            self._rows = 0
            self._journal.checkpoint()

    def _drop_environs_soon(self) -> None:
        if not self._dropping:
            self._dropping = True
            self._loop.call_later(_ENVIRON_SECONDS, self._guarded, self._drop_environs)

    def _drop_environs(self) -> None:
        self._dropping = False
        with suppress(JournalError):  # tried again at the next end of a job, or by the next dispatcher
            self._journal.drop_environs()
        self._rest()

    def progressed(self, job: str) -> None:
        """Some items of a map are finished."""
        self._clients.tell("progress", [job])

    # -- clients

    def heard(self, client: Client, messages: Iterable[dict[str, Any]]) -> None:
        """What a client has to say."""
        watched: list[str] = []
        for message in messages:
            op = message.get("op")
            jobs: list[str] = message.get("jobs", [])
            if op in ("submitted", "watch"):
                self._clients.watch(client, jobs)
                watched += jobs
            elif op == "cancel":
                self._look()
                self._cancel(self._journal.cancel_requested(jobs))
            elif op == "answers":
                self._answers(client, bool(message["on"]))
            elif op == "answer":
                self._questions.answered(client, message["number"], message["text"])
            elif op == "login":
                self._log_in(client, message["backend"], message["place"])
            elif op == "retire":
                log.info("a client with another version or wider limits asks this dispatcher to leave")
                self._heirs = False
                self.leave()
        if any(job not in self._live for job in watched):  # who has submitted it may have died before a word
            self._look()
        # Another client's message may have brought a job here, and to its end, before this one.
        unknown = [job for job in watched if job not in self._live]
        ends = self._journal.finished_among(unknown)
        removed = self._journal.removed_among(job for job in unknown if job not in ends)
        self._clients.tell_ends(ends | dict.fromkeys(removed, JobState.LOST))  # the journal says the rest

    def came(self) -> None:
        """A client has connected."""
        self._rest()

    def _answers(self, client: Client, on: bool) -> None:
        if on:
            self._questions.join(client)
            self._places.hurry()
        else:
            self._questions.leave(client)

    def _log_in(self, client: Client, backend: str, place: str) -> None:
        async def log_in() -> None:
            trouble = await self._places.login(backend, place)
            self._clients.send(client, {"op": "login", "trouble": trouble})
            self._logins.discard(task)

        task = self._loop.create_task(log_in())
        self._logins.add(task)

    def left(self, client: Client) -> None:
        """A client is gone; it may have had no time to say what it has submitted, or cancelled."""
        self._questions.leave(client)
        if not self._closed and not self._retired:
            self._look()
            self._cancel(self._journal.wished(self._instance.name))
            self._drop_environs_soon()  # it may have died in the middle of a submission

    # -- coming to an end

    def _check_place(self) -> None:
        """SQLite goes on happily in files that have been deleted."""
        if self._journal.vanished():
            raise self._journal.gone()

    def _guarded(self, step: Any, *args: Any) -> None:
        """Run one step of the loop; what it cannot go on from ends the dispatcher, never silently."""
        if self._closed:
            return
        try:
            step(*args)
        except JournalError as error:
            log.error("the journal cannot be used: %s", error)
            if self._journal.vanished():
                self._places.abandon()
            self.leave()
        except Exception:
            log.exception("a step failed; leaving, so that the next dispatcher starts from the journal")
            self.leave()

    def _unexpected(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """A callback of the backend has failed."""
        loop.default_exception_handler(context)
        self.leave()

    def _busy(self) -> bool:
        return bool(self._clients or self._places.busy() or self._retries or self._finished or self._dropping)

    def _rest(self) -> None:
        """(Re)start the countdown to leaving, or stop it while there is something to do."""
        if self._idle_timer is not None:
            self._idle_timer.cancel()
            self._idle_timer = None
        if self._busy():
            return
        if self._places.held():
            self._idle_timer = self._loop.call_later(_HELD_SECONDS, self._guarded, self._rest)
        else:
            self._idle_timer = self._loop.call_later(self._idle_seconds, self._leaving.set)

    def _stop_listening(self) -> bool:
        """Close the doors, then look once more: what was submitted before they closed is not left behind."""
        if not self._retired and self._busy():
            return False
        self._clients.close_doors()
        if self._retired or not self._journal.live(self._instance.name, self._seen):
            return True
        self._clients.open_doors()
        self._look()
        return False

    def _close(self) -> None:
        self._closed = True
        there = not self._journal.vanished()
        if there:
            with suppress(JournalError):  # the next dispatcher writes it, or never needs it
                self._journal.move(self._moves.values())
                self._journal.drop_environs()
        self._clients.close_doors(ours=there)
        self._retries.close()
        self._observers.close()
        self._places.leave(self._heirs)
        self._journal.close()
        os.close(self._lock)
        for timer in (self._idle_timer, self._moves_timer):
            if timer is not None:
                timer.cancel()
        log.info("dispatcher %s leaves", os.getpid())
