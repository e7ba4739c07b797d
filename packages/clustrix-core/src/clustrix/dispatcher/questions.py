"""Questions that only a person can answer, on their way to whoever waits: a passphrase, a second factor."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from typing import Any

from clustrix.backends import Question
from clustrix.dispatcher.connections import Client

_PATIENCE_SECONDS = 300.0
"""A code is out of date long before."""


class Questions:
    """Those that are open, and who may answer."""

    def __init__(self, send: Callable[[Client, dict[str, Any]], None]) -> None:
        self._send = send
        self._answerers: list[Client] = []
        """The latest at the end: that is where somebody sits."""
        self._open: dict[int, tuple[Client, asyncio.Future[str | None]]] = {}
        self._numbers = itertools.count(1)
        self.came = 0
        """How many have come to answer until now."""

    def join(self, client: Client) -> None:
        """Somebody sits there."""
        self.leave(client)
        self._answerers.append(client)
        self.came += 1

    def leave(self, client: Client) -> None:
        """Nobody sits there any more; what they were asked is asked of the next."""
        if client in self._answerers:
            self._answerers.remove(client)
            for asked, future in list(self._open.values()):
                if asked is client and not future.done():
                    future.cancel()

    def answered(self, client: Client, number: int, text: str | None) -> None:
        """``text``: None if they do not want to."""
        asked, future = self._open.get(number, (None, None))
        if asked is client and future is not None and not future.done():
            future.set_result(text)

    async def ask(self, question: Question) -> str | None:
        """The answer; None if nobody is there, or nobody wants to."""
        while self._answerers:
            client, number = self._answerers[-1], next(self._numbers)
            future: asyncio.Future[str | None] = asyncio.get_running_loop().create_future()
            self._open[number] = client, future
            self._send(client, {"op": "question", "number": number, **question._asdict()})
            try:
                done, _ = await asyncio.wait([future], timeout=_PATIENCE_SECONDS)
                if not done:
                    return None
                if not future.cancelled():
                    return future.result()
            finally:
                del self._open[number]
        return None
