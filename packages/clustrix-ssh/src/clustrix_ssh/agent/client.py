"""The near side of the agent: requests from the event loop, answers by their number, events as they come."""

from __future__ import annotations

import asyncio
import json
import logging
import queue
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, NamedTuple

from clustrix.errors import BackendError, HostUnreachable
from clustrix_ssh.agent import source
from clustrix_ssh.agent.incoming import Incoming, Reply
from clustrix_ssh.agent.parts.wire import HEAD, PROTOCOL
from clustrix_ssh.transport.interface import Connection, Stream

log = logging.getLogger("clustrix.ssh")

Buffer = bytes | bytearray | memoryview
Event = Callable[[dict[str, Any], bytes], None]

_MOST_NOISE_BYTES = 1 << 20
_READ_BYTES = 1 << 20
_INLINE_BYTES = 32768
"""What is smaller is sent at once, by whoever asks: a thread in between costs as much as the rest of the way."""
_LOOK_SECONDS = 10.0
_SILENCE_SECONDS = 40.0
"""Without a word after it was asked for one, it is believed to be lost: networks forget connections, and tell nobody."""
_MOST_UNANSWERED_BYTES = 1 << 17
"""Above it the far side may have stopped reading, and the event loop must not wait for that."""


class AgentError(BackendError):
    """The agent could not do what it was asked for.  ``kind``: "ENOSPC", "EDQUOT", "timeout", "damaged", ..."""

    def __init__(self, host: str, text: str, kind: str) -> None:
        super().__init__(f"{host}: {text}")
        self.text = text
        self.kind = kind


class _Asked(NamedTuple):
    future: asyncio.Future[Reply]
    size: int


class Agent:
    """A running agent.  Its methods are for one event loop, but for ``open``, which waits, and is called in a thread."""

    def __init__(self, host: str, stream: Stream, loop: asyncio.AbstractEventLoop, event: Event) -> None:
        """``event``: called in the loop with each frame that answers nothing."""
        self.host = host
        self.facts: dict[str, Any] = {}
        """What ``hello`` tells: Python, home, cores."""
        self._stream = stream
        self._loop = loop
        self._event = event
        self._asked: dict[int, _Asked] = {}
        self._unanswered = 0
        self._number = 0
        self._queue: queue.SimpleQueue[list[Buffer] | None] = queue.SimpleQueue()
        self._queued = 0
        self._lost: HostUnreachable | None = None
        self._sending = threading.Lock()
        self._alive_at = time.monotonic()
        """When something has come, or could be sent, the last time."""
        self._asked_at: float | None = None
        """When it was asked for a sign of life since then."""
        self._incoming = Incoming()

    @classmethod
    def open(
        cls,
        host: str,
        connection: Connection,
        folder: str,
        loop: asyncio.AbstractEventLoop,
        event: Event,
        python: str = "",
    ) -> Agent:
        """Start one, and wait until it answers.  ``folder``: where its host keeps what is clustrix's.

        Raises HostUnreachable, with what to do when there is no Python that it can use.
        """
        stream = connection.start(source.command(python))
        with suppress(HostUnreachable):  # what leaves at once may have said why: that is read next
            stream.send(source.opening(folder))
        rest = _after_noise(host, stream)
        agent = cls(host, stream, loop, event)
        frames = agent._read_hello(rest)
        threading.Thread(target=agent._write, name=f"to {host}", daemon=True).start()
        threading.Thread(target=agent._read, args=(frames,), name=f"from {host}", daemon=True).start()
        loop.call_soon_threadsafe(agent._look)
        return agent

    def _read_hello(self, rest: bytearray) -> list[Reply]:
        """Returns what has come behind the answer."""
        self._stream.send(_framed({"id": 0, "do": "hello"}, 0))
        frames = self._incoming.feed(rest)
        while not frames:
            data = self._stream.receive(_READ_BYTES)
            if not data:
                raise HostUnreachable(f"{self.host}: the agent ended at once: {self._stream.errors()[-500:]}")
            frames = self._incoming.feed(data)
        self.facts = frames[0].header
        if self.facts["protocol"] != PROTOCOL:
            raise HostUnreachable(f"{self.host}: the agent speaks protocol {self.facts['protocol']}")
        return frames[1:]

    def alive(self) -> bool:
        """Whether it can be asked."""
        return self._lost is None

    async def ask(self, do: str, payload: Buffer = b"", /, **more: Any) -> Reply:
        """Have something done.  Raises HostUnreachable, AgentError."""
        reply = await self.send(do, payload, **more)
        if "error" in reply.header:
            raise AgentError(self.host, reply.header["error"], reply.header["kind"])
        return reply

    def send(self, do: str, payload: Buffer = b"", /, **more: Any) -> asyncio.Future[Reply]:
        """The same without waiting: requests are carried out in the order in which they are sent, except for those that run programs or read."""
        future: asyncio.Future[Reply] = self._loop.create_future()
        if self._lost is not None:
            future.set_exception(self._lost)
            return future
        self._number += 1
        size = len(payload)
        frame = _framed({"id": self._number, "do": do, **more}, size)
        total = len(frame) + size
        self._asked[self._number] = _Asked(future, total)
        self._unanswered += total
        if total <= _INLINE_BYTES and self._unanswered <= _MOST_UNANSWERED_BYTES and not self._queued:
            self._send([frame + payload])
        else:
            self._queued += 1
            self._queue.put([frame, payload] if size else [frame])
        return future

    def _look(self) -> None:
        """Ask for a sign of life where there was none for a while."""
        if self._lost is not None:
            return
        now = time.monotonic()
        if self._asked_at is not None and self._alive_at > self._asked_at:
            self._asked_at = None  # it was given
        if self._asked_at is None:
            if now - self._alive_at >= _LOOK_SECONDS:
                self._asked_at = now
                self.send("nothing").add_done_callback(
                    lambda future: future.cancelled() or future.exception()
                )
        elif now - self._asked_at > _SILENCE_SECONDS:
            self._end(HostUnreachable(f"{self.host} has not answered for {now - self._alive_at:.0f} s"))
            return
        self._loop.call_later(_LOOK_SECONDS, self._look)

    def _send(self, parts: list[Buffer]) -> None:
        try:
            with self._sending:
                for part in parts:
                    self._stream.send(part)
                    if len(part) > _INLINE_BYTES:  # smaller ones are buffered, whoever is at the other end
                        self._alive_at = time.monotonic()
        except HostUnreachable as error:
            self._loop.call_soon_threadsafe(self._end, error)

    def _write(self) -> None:
        while (parts := self._queue.get()) is not None:
            self._send(parts)
            with suppress(RuntimeError):  # the loop is closed
                self._loop.call_soon_threadsafe(self._unqueue)

    def _unqueue(self) -> None:
        self._queued -= 1

    def _read(self, frames: list[Reply]) -> None:
        why = HostUnreachable(f"the connection to {self.host} has ended")
        try:
            while True:
                if frames:
                    self._loop.call_soon_threadsafe(self._came, frames)
                data = self._stream.receive(_READ_BYTES)
                if not data:
                    tail = self._stream.errors().strip()[-500:]
                    why = HostUnreachable(f"the agent on {self.host} has ended{': ' + tail if tail else ''}")
                    break
                frames = self._incoming.feed(data)
        except HostUnreachable as error:
            why = error
        except RuntimeError:  # the loop is closed
            return
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._end, why)

    def _came(self, frames: list[Reply]) -> None:
        self._alive_at = time.monotonic()
        for frame in frames:
            number = frame.header.get("id")
            if number is None:
                self._event(frame.header, frame.payload)
                continue
            asked = self._asked.pop(number, None)
            if asked is None:
                continue
            self._unanswered -= asked.size
            if not asked.future.done():  # who asked may have gone
                asked.future.set_result(frame)

    def _end(self, why: HostUnreachable) -> None:
        if self._lost is not None:
            return
        self._lost = why
        log.info("%s: %s", self.host, why)
        self._queue.put(None)
        asked, self._asked = self._asked, {}
        for one in asked.values():
            if not one.future.done():
                one.future.set_exception(HostUnreachable(str(why)))
                one.future.exception()  # it may be that nobody waits any more
        self._stream.close()
        self._event({"event": "lost"}, b"")

    def close(self) -> None:
        """It ends, as its standard input does."""
        self._end(HostUnreachable(f"the connection to {self.host} was closed"))


def _after_noise(host: str, stream: Stream) -> bytearray:
    """Pass over what the login shell prints; returns what has come after it."""
    seen = bytearray()
    while True:
        at = seen.find(source.MAGIC)
        if at >= 0:
            return seen[at + len(source.MAGIC) :]
        if source.TOO_OLD in seen:
            advice = "Say where a newer one is: clustrix config set agent_python /path/to/python3."
            raise HostUnreachable(f"{host}: its python3 is older than 3.6, which is too old. {advice}")
        data = stream.receive(_READ_BYTES)
        if not data or len(seen) > _MOST_NOISE_BYTES:
            raise HostUnreachable(f"{host}: {_why_not(bytes(seen), stream.errors())}")
        seen += data


def _why_not(seen: bytes, errors: str) -> str:
    if b"clustrix-no-python" in seen:
        return (
            "there is no python3 on the PATH of its login shell. Say where one is (3.6 or later): "
            "clustrix config set agent_python /path/to/python3"
        )
    tail = (errors.strip() or seen.decode("utf-8", "replace").strip())[-500:]
    return f"no agent could be started there; the host said: {tail or 'nothing'}"


def _framed(header: dict[str, Any], size: int) -> bytes:
    text = json.dumps(header, separators=(",", ":")).encode()
    return HEAD.pack(len(text), size) + text
