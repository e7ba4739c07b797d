"""Something that looks and asks step by step, for the page: a connection test, an assistant.

It runs in a thread with an event loop of its own, so that a busy kernel does not hold it up.
"""

from __future__ import annotations

import asyncio
import itertools
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import Any, NamedTuple

from clustrix.backends import Question
from clustrix.plugins.checks import Check, Suggestion, failed

_ALIVE_SECONDS = 2.0
"""How often the page hears that there is somebody."""

Send = Callable[[dict[str, Any]], None]


class Doing(NamedTuple):
    """What is being done now, in a few words."""

    text: str


class Verdict(NamedTuple):
    """What it has come to."""

    text: str
    whole: bool


Step = Check | Suggestion | Doing | Verdict
Ask = Callable[[Question], Any]
"""A coroutine function: from a question to a person's answer, None where there is none."""


class Conversation:
    """One run."""

    def __init__(
        self,
        steps: Callable[[Ask, threading.Event], AsyncIterator[Step]],
        send: Send,
        take: Callable[[Suggestion], None],
    ) -> None:
        """``steps``: gives what happens; is told by the event that nobody wants it any more.  ``send``: takes what the page is to be told, in any
        thread.  ``take``: takes what is suggested.
        """
        self._steps = steps
        self._send = send
        self._take = take
        self._loop = asyncio.new_event_loop()
        self._task: asyncio.Task[None] | None = None
        self._numbers = itertools.count(1)
        self._open: dict[int, asyncio.Future[str | None]] = {}
        self._stopped = threading.Event()
        self.thread = threading.Thread(target=self._run, name="clustrix-conversation", daemon=True)
        self.thread.start()

    def answer(self, number: int, text: str | None) -> None:
        """What a person says to a question; None: nothing."""
        with suppress(RuntimeError):  # it has ended meanwhile
            self._loop.call_soon_threadsafe(self._answered, number, text)

    def stop(self) -> None:
        """Look no further, and say nothing any more but that."""
        if self.thread.is_alive() and not self._stopped.is_set():
            self._send({"event": "done", "text": "stopped"})
        self._stopped.set()
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(lambda: self._task.cancel() if self._task else None)

    def _say(self, message: dict[str, Any]) -> None:
        if not self._stopped.is_set():
            self._send(message)

    def _answered(self, number: int, text: str | None) -> None:
        future = self._open.get(number)
        if future is not None and not future.done():
            future.set_result(text)

    def _run(self) -> None:
        try:
            self._loop.run_until_complete(self._whole())
            self._loop.run_until_complete(self._end_questions())
        finally:
            self._loop.close()

    async def _end_questions(self) -> None:
        """Who waits in a thread for an answer hears that there is none: it would wait for ever, with its connection."""
        for future in [future for future in self._open.values() if not future.done()]:
            future.set_result(None)
        others = asyncio.all_tasks() - {asyncio.current_task()}
        if others:
            await asyncio.wait(others, timeout=_ALIVE_SECONDS)

    async def _whole(self) -> None:
        if self._stopped.is_set():
            return
        self._task = asyncio.ensure_future(self._talk())
        alive = asyncio.ensure_future(self._say_that_it_lives())
        try:
            with suppress(asyncio.CancelledError):
                await self._task
        finally:
            alive.cancel()

    async def _say_that_it_lives(self) -> None:
        while True:
            await asyncio.sleep(_ALIVE_SECONDS)
            self._say({"event": "alive"})

    async def _talk(self) -> None:
        try:
            async for step in self._steps(self._ask, self._stopped):
                self._tell(step)
        except Exception as error:  # a plugin's: whatever it is, the page has to hear of it
            self._tell(failed("test", f"{type(error).__name__}: {error}", ""))
            self._tell(Verdict("it could not be finished", False))

    def _tell(self, step: Step) -> None:
        if isinstance(step, Verdict):
            self._say({"event": "done", "text": step.text, "whole": step.whole})
        elif isinstance(step, Doing):
            self._say({"event": "doing", "text": step.text})
        elif isinstance(step, Suggestion):
            self._take(step)
        else:
            self._say({"event": "step", **step._asdict()})

    async def _ask(self, question: Question) -> str | None:
        if self._stopped.is_set():
            return None
        number = next(self._numbers)
        self._open[number] = self._loop.create_future()
        try:
            self._say({"event": "ask", "number": number, **question._asdict()})
            return await self._open[number]
        finally:
            del self._open[number]
