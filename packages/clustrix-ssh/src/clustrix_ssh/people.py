"""Who answers what a host asks: the keyring, or a person who waits somewhere."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clustrix.backends import Host, Question
from clustrix.backends.interface import Onlooker
from clustrix.config import secrets, store
from clustrix.errors import SecretUnavailable
from clustrix_ssh.errors import NobodyThere

if TYPE_CHECKING:
    import paramiko

    from clustrix_ssh.transport.sshconfig import HostConfig

log = logging.getLogger("clustrix.ssh")

_WHAT = {
    "code": "your second factor",
    "password": "your password",
    "passphrase": "the passphrase of your key",
}


Ask = Callable[[Question], Awaitable[str | None]]
"""Has a person answer; None if there is nobody, or nobody wants to."""


class Answered(Onlooker):
    """A host that is only looked at, by somebody who answers."""

    def __init__(self, settings: Mapping[str, Any], ask: Ask) -> None:
        super().__init__(settings, Path("/nonexistent"))
        self._ask = ask

    async def ask(self, question: Question) -> str | None:
        return await self._ask(question)


async def trusted(config: HostConfig, keys: Sequence[paramiko.PKey], ask: Ask) -> str | None:
    """Has a person compare the fingerprints of what a host shows, and trusts it if they are right: in which file.  None if they are not.

    Raises OSError.
    """
    from clustrix_ssh.transport import hostkeys

    prints = [f"{key.get_name()} {hostkeys.fingerprint(key.asbytes())}" for key in keys]
    name = hostkeys.lookup_name(config)
    text = f"{name} is not known yet. Compare its keys with what its administrators publish:\n" + "\n".join(
        prints
    )
    if await ask(Question(config.alias, "trust", text, True)) != "yes":
        return None
    path = await asyncio.to_thread(hostkeys.trust, config, keys)
    return path.replace(os.path.expanduser("~"), "~", 1)


class Asker:
    """Of one login."""

    def __init__(self, name: str, host: Host, loop: asyncio.AbstractEventLoop, keeps: bool = True) -> None:
        """``keeps``: whether this process's own settings have a password for that host; those of a draft are for another, perhaps."""
        self.answered = False
        """Whether a person has answered what will be asked again: a passphrase is remembered."""
        self._name = name
        self._host = host
        self._loop = loop
        self._told: set[str] = set() if keeps else {"password"}

    def ask(self, question: Question) -> str:
        """Called in a thread.  Raises NobodyThere."""
        kept = self._kept(question)
        if kept is not None:
            return kept
        answer = asyncio.run_coroutine_threadsafe(self._host.ask(question), self._loop).result()
        if answer is None:
            what = _WHAT.get(question.kind, question.kind)
            text = question.text.strip().rpartition("\n")[2]
            raise NobodyThere(f"{self._name} needs {what} ({text}): clustrix login {self._name}")
        self.answered = self.answered or question.kind != "passphrase"
        return answer

    def _kept(self, question: Question) -> str | None:
        if question.kind != "password" or question.kind in self._told:
            return None
        self._told.add(question.kind)  # once: one that was wrong is wrong again
        try:
            return secrets.reveal(store.process, "password")
        except SecretUnavailable as error:
            log.debug("no password is kept: %s", error)
            return None
