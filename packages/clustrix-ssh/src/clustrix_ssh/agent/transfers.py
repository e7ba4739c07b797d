"""Large files to the far side and back, in parts, with a bound on what is in memory."""

from __future__ import annotations

import asyncio
import os
from collections import deque
from contextlib import suppress

from clustrix.runner.faults import point
from clustrix_ssh.agent.client import Agent, AgentError
from clustrix_ssh.agent.incoming import Reply

_PART_BYTES = 1 << 20
_MOST_PARTS = 16
"""On their way at a time."""


async def upload(agent: Agent, source: str, digest: str, path: str) -> None:
    """A file of this machine, whose sha256 is ``digest``, becomes ``path`` there, whole or not at all.

    Raises HostUnreachable, AgentError, OSError.
    """
    aside = f"{path}.{os.urandom(6).hex()}.aside"
    with open(source, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        waiting: deque[asyncio.Future[Reply]] = deque()
        try:
            for offset in range(0, max(size, 1), _PART_BYTES):
                part = os.pread(file.fileno(), _PART_BYTES, offset)
                waiting.append(agent.send("put", part, aside=aside, offset=offset))
                if len(waiting) >= _MOST_PARTS:
                    _check(agent, await waiting.popleft())
            while waiting:
                _check(agent, await waiting.popleft())
        finally:
            for future in waiting:
                future.cancel()
    await agent.ask("finish", aside=aside, path=path, digest=digest, size=size)


def _check(agent: Agent, reply: Reply) -> None:
    if "error" in reply.header:
        raise AgentError(agent.host, reply.header["error"], reply.header["kind"])


async def download(agent: Agent, path: str, target: str, size: int) -> asyncio.Future[None]:
    """A file there, which does not change any more, becomes ``target`` here, in one step.  Raises as ``upload`` does.

    Until what is returned is done, without an OSError, a power failure may take it away again: so long it has to stay there.
    """
    aside = f"{target}.aside"
    fd = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        waiting: deque[tuple[int, asyncio.Future[Reply]]] = deque()
        offset = 0
        while offset < size or waiting:
            while offset < size and len(waiting) < _MOST_PARTS:
                waiting.append((offset, agent.send("get", path=path, offset=offset, size=_PART_BYTES)))
                offset += _PART_BYTES
            at, future = waiting.popleft()
            reply = await future
            _check(agent, reply)
            if len(reply.payload) != min(_PART_BYTES, size - at):
                raise AgentError(agent.host, f"{path} is shorter than it was", "short")
            await asyncio.to_thread(write_at, fd, reply.payload, at)
        point("download.rename")
        os.rename(aside, target)
    except BaseException:
        os.close(fd)
        with suppress(FileNotFoundError):
            os.unlink(aside)
        raise
    return asyncio.ensure_future(asyncio.to_thread(_sync_and_close, fd))


def _sync_and_close(fd: int) -> None:
    try:
        point("download.sync")
        os.fsync(fd)
    finally:
        os.close(fd)


def write_at(fd: int, data: bytes, at: int) -> None:
    """All of it, whatever the system takes at a time."""
    view = memoryview(data)
    while view:
        point("download.write")
        count = os.pwrite(fd, view, at)
        view, at = view[count:], at + count
