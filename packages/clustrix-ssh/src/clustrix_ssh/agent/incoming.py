"""Frames as they come from an agent, in whatever pieces."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from clustrix.errors import HostUnreachable
from clustrix_ssh.agent.parts.wire import HEAD, LARGEST_HEADER, LARGEST_PAYLOAD

_LARGE_BYTES = 65536
"""A payload from this on is put together where it will stay: copying it once more would take as long as its way here."""


class Reply(NamedTuple):
    """What an agent has said."""

    header: dict[str, Any]
    payload: bytes


class Incoming:
    """One stream of them."""

    def __init__(self) -> None:
        self._rest = bytearray()
        self._header: dict[str, Any] = {}
        self._large: bytearray | None = None
        self._at = 0

    def feed(self, data: bytes | bytearray | memoryview) -> list[Reply]:
        """The frames that are whole now.  Raises HostUnreachable for what cannot be one."""
        found: list[Reply] = []
        if self._large is not None:
            view = memoryview(data)
            count = min(len(view), len(self._large) - self._at)
            self._large[self._at : self._at + count] = view[:count]
            self._at += count
            if self._at < len(self._large):
                return found
            found.append(Reply(self._header, self._large))  # type: ignore[arg-type]  # nobody changes it
            self._large = None
            data = view[count:]
        self._rest += data
        while (frame := self._take()) is not None:
            found.append(frame)
        return found

    def _take(self) -> Reply | None:
        """The first whole frame, removed; None if there is none.  One with a large payload may be begun."""
        rest = self._rest
        if len(rest) < HEAD.size:
            return None
        header_size, payload_size = HEAD.unpack_from(rest)
        if header_size > LARGEST_HEADER or payload_size > LARGEST_PAYLOAD:
            raise HostUnreachable(
                f"a frame of {header_size:,} and {payload_size:,} bytes is none of an agent's"
            )
        middle = HEAD.size + header_size
        end = middle + payload_size
        if len(rest) < middle or (len(rest) < end and payload_size < _LARGE_BYTES):
            return None
        with memoryview(rest) as view:
            header: dict[str, Any] = json.loads(bytes(view[HEAD.size : middle]))
            payload = bytes(view[middle : min(end, len(rest))])
        if len(rest) < end:
            self._header, self._large, self._at = header, bytearray(payload_size), len(payload)
            self._large[: len(payload)] = payload
            rest.clear()
            return None
        del rest[:end]
        return Reply(header, payload)
