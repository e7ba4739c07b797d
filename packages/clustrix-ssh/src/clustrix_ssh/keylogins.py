"""The logins of who sets up a key: each a connection of its own, which nobody else uses, and which ends with the set-up."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Mapping
from typing import Any

import paramiko

from clustrix.backends import Question
from clustrix_ssh import keyfiles
from clustrix_ssh.errors import LoginRefused
from clustrix_ssh.people import Answered, Ask, Asker
from clustrix_ssh.transport.interface import Target
from clustrix_ssh.transport.keys import Trial, Unlocked, read_key, stamp_of
from clustrix_ssh.transport.paramiko_connection import (
    ParamikoConnection,
    close_hops,
    log_in,
    open_hops,
    shown_keys,
)
from clustrix_ssh.transport.sshconfig import HostConfig


class Logins:
    """On one host.  For the event loop; what waits is in threads, and ends when it is closed."""

    def __init__(self, target: Target, settings: Mapping[str, Any], ask: Ask) -> None:
        self._target = target
        self._settings = settings
        self._person = ask
        self._unlocked: Unlocked = {}
        self._hops: list[ParamikoConnection] = []
        self._open: list[ParamikoConnection] = []
        self._asking: set[asyncio.Task[Any]] = set()
        self._closed = False
        self._lock = threading.Lock()

    async def begin(self, config: HostConfig) -> None:
        """Connect to what is jumped over: once, since those may ask for a second factor too.  Raises HostUnreachable, and what is below it."""
        await asyncio.to_thread(self._begin, config, self._asker())

    def _begin(self, config: HostConfig, asker: Asker) -> None:
        self._hops = self._kept(open_hops(self._target, config, asker.ask))

    def _kept(self, made: list[ParamikoConnection]) -> list[ParamikoConnection]:
        """Who has begun it may be gone."""
        with self._lock:
            if not self._closed:
                self._open += made
                return made
        close_hops(made)
        raise LoginRefused("the set-up was ended")

    def _asker(self) -> Asker:
        host = Answered(self._settings, self._ask)
        return Asker(self._target.host, host, asyncio.get_running_loop(), False)

    async def _ask(self, question: Question) -> str | None:
        """Called in a task of its own."""
        task = asyncio.current_task()
        assert task is not None
        if self._closed:
            return None
        self._asking.add(task)
        try:
            return await self._person(question)
        except asyncio.CancelledError:  # it was closed: who waits in a thread has to go
            return None
        finally:
            self._asking.discard(task)

    async def attempt(self, config: HostConfig) -> Trial:
        """Log in by keys alone, with nobody who is asked.  Raises HostUnreachable, and what is below it but LoginRefused."""
        trial = Trial(self._unlocked)
        await asyncio.to_thread(self._attempt, config, trial, self._asker())
        return trial

    def _attempt(self, config: HostConfig, trial: Trial, asker: Asker) -> None:
        try:
            log_in(self._target, config, asker.ask, self._hops, trial).close()
        except LoginRefused as error:
            trial.why = str(error)

    async def shown_keys(self, config: HostConfig) -> list[paramiko.PKey]:
        """See ``clustrix_ssh.transport.paramiko_connection.host_keys``."""
        return await asyncio.to_thread(shown_keys, self._target, config, self._hops)

    async def open_key(self, path: str, passphrase: str) -> None:
        """A key whose passphrase is known.  Raises Unread."""
        self._unlocked[path, stamp_of(path)] = await asyncio.to_thread(
            read_key, path, lambda text: passphrase
        )

    async def public_line(self, path: str, held: set[bytes]) -> str:
        """See ``clustrix_ssh.keyfiles.public_line``; the key's passphrase is asked for if need be."""
        asker = self._asker()

        def passphrase(text: str) -> str:
            return asker.ask(Question(self._target.host, "passphrase", text))

        line, key = await asyncio.to_thread(keyfiles.public_line, path, held, passphrase)
        if key is not None:
            self._unlocked[path, stamp_of(path)] = key
        return line

    async def typed(self, config: HostConfig) -> ParamikoConnection:
        """Log in with a person who answers.  Raises HostUnreachable, and what is below it."""
        return await asyncio.to_thread(self._typed, config, self._asker())

    def _typed(self, config: HostConfig, asker: Asker) -> ParamikoConnection:
        return self._kept([log_in(self._target, config, asker.ask, self._hops)])[0]

    async def end(self, connection: ParamikoConnection) -> None:
        """Close one."""
        with self._lock:
            self._open.remove(connection)
        await asyncio.to_thread(connection.close)

    async def close(self) -> None:
        """Close all of them."""
        with self._lock:
            self._closed = True
            left, self._open = self._open, []
        for task in list(self._asking):
            task.cancel()
        await asyncio.to_thread(close_hops, left)
