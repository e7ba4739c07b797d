"""Messages between the processes of one machine: ``length u32 | payload length u32 | JSON | payload``."""

from __future__ import annotations

import json
import struct
from typing import Any

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
