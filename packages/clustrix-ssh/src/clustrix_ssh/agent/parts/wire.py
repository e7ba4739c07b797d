"""Frames on standard input and output.

A frame, both ways:  header length u32 | payload length u32 | header (JSON) | payload.  Many requests may be on their way; answers come in
any order, each with the ``id`` of its request.  Frames without one tell of what has happened (``watch``).
"""

import json
import os
import struct
import threading

from clustrix.runner.faults import point

PROTOCOL = 1
HEAD = struct.Struct("!II")
LARGEST_HEADER = 64 << 20
LARGEST_PAYLOAD = 64 << 20
SMALL_BYTES = 65536


class Problem(Exception):
    """What an operation cannot do, in a sentence; ``kind`` is for programs."""

    def __init__(self, text, kind="failed"):
        Exception.__init__(self, text)
        self.kind = kind


# -- frames


class Wire:
    """Standard input and output, kept away from everybody else."""

    def __init__(self):
        self.source = os.dup(0)
        self.sink = os.dup(1)
        null = os.open(os.devnull, os.O_RDWR)
        os.dup2(null, 0)
        os.dup2(null, 1)
        os.close(null)
        self.lock = threading.Lock()
        self.rest = bytearray()

    def receive(self):
        point("agent.receive")
        head = self._exactly(HEAD.size)
        if head is None:
            return None
        header_size, payload_size = HEAD.unpack(bytes(head))
        if header_size > LARGEST_HEADER or payload_size > LARGEST_PAYLOAD:
            raise Problem("a frame of %d and %d bytes: not this protocol" % (header_size, payload_size))
        header = self._exactly(header_size)
        payload = self._exactly(payload_size)
        if header is None or payload is None:
            return None
        return json.loads(bytes(header).decode("utf-8")), payload

    def _exactly(self, size):
        found = bytearray(size)
        view, at = memoryview(found), 0
        taken = min(size, len(self.rest))
        if taken:
            view[:taken] = self.rest[:taken]
            del self.rest[:taken]
            at = taken
        while at < size:
            if size - at >= 1 << 16:
                count = os.readv(self.source, [view[at:]])
                if not count:
                    return None
                at += count
            else:
                data = os.read(self.source, 1 << 16)
                if not data:
                    return None
                wanted = min(len(data), size - at)
                view[at : at + wanted] = data[:wanted]
                self.rest += data[wanted:]
                at += wanted
        return found

    def send(self, header, payload=b""):
        text = json.dumps(header).encode("utf-8")
        parts = [HEAD.pack(len(text), len(payload)) + text]
        if len(payload) < SMALL_BYTES:
            parts[0] += bytes(payload)
        else:
            parts.append(payload)
        with self.lock:
            for part in parts:
                view = memoryview(part)
                while view:
                    point("agent.answer")
                    view = view[os.write(self.sink, view) :]
