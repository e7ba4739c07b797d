"""The connection test: looks at the place of a draft, step by step, and runs a job there, without having the draft hold.

It runs in a thread with an event loop of its own, so that a busy kernel does not hold it up.
"""

from __future__ import annotations

import asyncio
import itertools
import threading
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import suppress
from typing import Any

from clustrix import plugins
from clustrix.backends import Question
from clustrix.config.store import Resolved
from clustrix.errors import ClustrixError, JobError
from clustrix.plugins.checks import FAILED, Check, failed, ok

_ALIVE_SECONDS = 2.0
"""How often the page hears that there is somebody."""
_JOB_SECONDS = 120.0
_LOOK_SECONDS = 0.05

Send = Callable[[dict[str, Any]], None]


class ConnectionTest:
    """One run.  ``send``: takes what the page is to be told, in any thread."""

    def __init__(self, settings: Resolved, send: Send) -> None:
        self._settings = settings
        self._send = send
        self._loop = asyncio.new_event_loop()
        self._task: asyncio.Task[None] | None = None
        self._numbers = itertools.count(1)
        self._open: dict[int, asyncio.Future[str | None]] = {}
        self._stopped = threading.Event()
        self.thread = threading.Thread(target=self._run, name="clustrix-connection-test", daemon=True)
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
            self._loop.run_until_complete(self._test())
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

    async def _test(self) -> None:
        if self._stopped.is_set():
            return
        self._task = asyncio.ensure_future(self._steps())
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

    async def _steps(self) -> None:
        began = time.monotonic()
        whole = True
        place = self._settings["cluster_type"]
        try:
            async for check in self._looked(place):
                whole = whole and check.state != FAILED
                self._say({"event": "step", **check._asdict()})
            if whole:
                self._say({"event": "doing", "text": "running a job there"})
                check = await asyncio.to_thread(run_job, self._settings, self._stopped)
                whole = check.state != FAILED
                self._say({"event": "step", **check._asdict()})
        except Exception as error:  # a plugin's: whatever it is, the page has to hear of it
            whole = False
            self._say({"event": "step", **failed("test", f"{type(error).__name__}: {error}", "")._asdict()})
        verdict = f"{place} can be used" if whole else f"{place} cannot be used as it is"
        self._say(
            {
                "event": "done",
                "text": f"{verdict}; looked for {time.monotonic() - began:.1f} s",
                "whole": whole,
            }
        )

    async def _looked(self, place: str) -> AsyncIterator[Check]:
        entry = next((entry for entry in plugins.entries("connection test") if entry.name == place), None)
        if entry is None:
            yield ok("place", f"{place} has nothing to look at but a job")
            return
        self._say({"event": "doing", "text": "connecting"})
        async for check in entry.load()(self._settings, self._ask):
            yield check
            self._say({"event": "doing", "text": "looking further"})

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


def run_job(settings: Mapping[str, Any], stopped: threading.Event) -> Check:
    """A job that does nothing, with these settings, there and back; cancelled when somebody has ``stopped``."""
    from clustrix.submission import Subject, submit_call

    def call() -> None:
        """Within, since it travels by value then."""

    quiet = {
        **settings,
        "name": "connection test",
        "progress": False,
        "reuse": False,
        "key": None,
        "retries": 0,
        "secrets": (),
    }
    began = time.monotonic()
    try:
        job = submit_call(Subject(call, "connection test", None, quiet), (), {})
        while not job.done():
            if stopped.wait(_LOOK_SECONDS) or time.monotonic() - began > _JOB_SECONDS:
                reason = job.status().reason
                job.cancel()
                return failed(
                    "job",
                    f"not back after {time.monotonic() - began:.0f} s{f': {reason}' if reason else ''}",
                    "It was cancelled. See what it waits for: the queue may be full, or its limits too small.",
                )
        job.result(timeout=_JOB_SECONDS)
    except (ClustrixError, JobError) as error:
        return failed("job", str(error), "")
    return ok("job", f"ran there and came back after {time.monotonic() - began:.2f} s")
