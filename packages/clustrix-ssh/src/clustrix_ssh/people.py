"""Who answers what a host asks: the keyring, or a person who waits somewhere."""

from __future__ import annotations

import asyncio
import logging

from clustrix.backends import Host, Question
from clustrix.config import secrets, store
from clustrix.errors import SecretUnavailable
from clustrix_ssh.errors import NobodyThere

log = logging.getLogger("clustrix.ssh")

_WHAT = {
    "code": "your second factor",
    "password": "your password",
    "passphrase": "the passphrase of your key",
}


class Asker:
    """Of one login."""

    def __init__(self, name: str, host: Host, loop: asyncio.AbstractEventLoop) -> None:
        self.answered = False
        """Whether a person has answered what will be asked again: a passphrase is remembered."""
        self._name = name
        self._host = host
        self._loop = loop
        self._told: set[str] = set()

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
