"""Read what jobs print, from the files that they print to."""

from __future__ import annotations

import codecs
import itertools
import math
import os
import time
from collections.abc import Iterator

from clustrix.journal import Place, wanted
from clustrix.runner import layout

PAUSE_SECONDS = 0.1
"""Between looks at a file that grows."""

_STREAMS = (layout.OUTPUT, layout.ERRORS)
_READ_BYTES = 1 << 16
_WANT_SECONDS = 1.0


def text(place: Place, job: str, elsewhere: bool = False) -> str:
    """All that a job has printed: standard output, then standard error.  ``elsewhere``: as for ``Tail``."""
    tail = Tail(place, job, elsewhere)
    found: tuple[list[str], list[str]] = [], []
    for stream, part in tail.read():
        found[stream].append(part)
    return "".join(itertools.chain(*found))


class Tail:
    """Reads the two files of a job as they grow, also across their move when the job ends."""

    def __init__(self, place: Place, job: str, elsewhere: bool = False) -> None:
        """``elsewhere``: the job runs at a place that has to be asked for what is printed there; the dispatcher does, while it is read."""
        self._place = place
        self._job = job
        self._wanted_at = 0.0 if elsewhere else math.inf
        self._files: list[int | None] = [None, None]
        make = codecs.getincrementaldecoder("utf-8")
        self._decoders = [make("replace"), make("replace")]

    def read(self) -> Iterator[tuple[int, str]]:
        """What is new: ``(stream, text)``, 0 for standard output and 1 for standard error."""
        if time.monotonic() > self._wanted_at + _WANT_SECONDS:
            self._wanted_at = time.monotonic()
            wanted.want(self._place.root, self._job)
        for stream, name in enumerate(_STREAMS):
            fd = self._files[stream]
            if fd is None:
                fd = self._files[stream] = self._place.open(self._job, name)
            while fd is not None:
                data = os.read(fd, _READ_BYTES)
                if not data:
                    break
                yield stream, self._decoders[stream].decode(data)

    def close(self) -> None:
        for fd in self._files:
            if fd is not None:
                os.close(fd)
        self._files = [None, None]

    def __del__(self) -> None:
        self.close()


class Lines:
    """Makes lines of text that comes in pieces.  A line of any length costs no more than to read it."""

    def __init__(self) -> None:
        self._pieces: list[str] = []

    def add(self, text: str) -> list[str]:
        """The lines that end in it."""
        latest = "".join([*self._pieces[-1:], text])
        self._pieces.append(text)
        if not latest.endswith("\n") and len(latest.splitlines()) < 2:
            return []
        lines = self.rest().splitlines(keepends=True)
        self._pieces = [] if lines[-1].endswith("\n") else [lines.pop()]
        return [line.rstrip("\n") for line in lines]

    def rest(self) -> str:
        """What has come since the last of them."""
        return "".join(self._pieces)
