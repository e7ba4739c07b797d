"""Messages between the processes of one machine: ``length u32 | payload length u32 | JSON | payload``."""

from __future__ import annotations

import json
import math
import socket
import struct
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from clustrix.runner.faults import point

if TYPE_CHECKING:
    import asyncio

HEAD = struct.Struct("<II")


def encode(message: dict[str, Any], payload: bytes = b"") -> bytes:
    """One message, ready to be sent."""
    text = json.dumps(message, separators=(",", ":")).encode()
    return HEAD.pack(len(text), len(payload)) + text + payload


class Decoder:
    """Cuts a byte stream into messages."""

    def __init__(self) -> None:
        self._data = bytearray()

    def feed(self, data: bytes) -> list[tuple[dict[str, Any], bytes]]:
        self._data += data
        messages = []
        while len(self._data) >= HEAD.size:
            text, payload = HEAD.unpack_from(self._data)
            end = HEAD.size + text + payload
            if len(self._data) < end:
                break
            body = bytes(self._data[HEAD.size : end])
            messages.append((json.loads(body[:text]), body[text:]))
            del self._data[:end]
        return messages


class Outbox:
    """What is still to be sent on a socket that does not block: an event loop sends it as the other end takes it.

    ``failed`` is called when the other end is gone, or has left more than ``most_bytes`` untaken.
    """

    def __init__(
        self,
        connection: socket.socket,
        loop: asyncio.AbstractEventLoop,
        failed: Callable[[], None],
        most_bytes: float = math.inf,
    ) -> None:
        self._connection = connection
        self._loop = loop
        self._failed = failed
        self._most_bytes = most_bytes
        self._unsent = bytearray()

    def send(self, data: bytes) -> None:
        """Send it, now or when there is room."""
        self._unsent += data
        self._write()

    def _write(self) -> None:
        if self._connection.fileno() < 0:
            return
        failed = False
        try:
            while self._unsent:
                point("outbox.send")
                del self._unsent[: self._connection.send(self._unsent)]
        except BlockingIOError:
            if len(self._unsent) <= self._most_bytes:
                self._loop.add_writer(self._connection, self._write)
                return
            failed = True
        except OSError:
            failed = True
        self._loop.remove_writer(self._connection)
        if failed:
            self._unsent.clear()
            with suppress(OSError):  # who reads on it has to see that it is of no use any more
                self._connection.shutdown(socket.SHUT_RDWR)
            self._failed()
