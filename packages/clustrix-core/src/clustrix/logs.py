"""Read what jobs print, from the files that they print to."""

from __future__ import annotations

import codecs
import itertools
import math
import os
import time
from collections.abc import Callable, Iterator
from contextlib import suppress

from clustrix.journal import Place, wanted
from clustrix.runner import layout

PAUSE_SECONDS = 0.1
"""Between looks at a file that grows."""

_STREAMS = (layout.OUTPUT, layout.ERRORS)
_READ_BYTES = 1 << 20
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

    def __init__(
        self,
        place: Place,
        job: str,
        elsewhere: bool = False,
        display: Callable[[str], None] | None = None,
    ) -> None:
        """``elsewhere``: the job runs at a place that has to be asked for what is printed there; the dispatcher does, while it is read.

        ``display``: given each display among the output, in its place (``Displays``); without it, what stands there is its plain text.
        """
        self._displays = [Displays(display), Displays(display)]
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
                yield from (
                    (stream, text) for text in self._displays[stream].cut(self._decoders[stream].decode(data))
                )

    def close(self) -> None:
        for fd in self._files:
            if fd is not None:
                os.close(fd)
        self._files = [None, None]

    def __del__(self) -> None:
        self.close()


class Displays:
    """Cuts out of a job's output what it displays: pictures and tables, which stand between ``layout.DISPLAY`` and ``layout.DISPLAY_END``."""

    def __init__(self, display: Callable[[str], None] | None) -> None:
        self._display = display
        self._begun: list[str] = []
        """Pieces of what is not whole yet: a display, or the mark with which one begins."""

    def cut(self, text: str) -> Iterator[str]:
        """What is left of it, piece by piece; each display is shown between the pieces where it stands."""
        if self._begun:
            self._begun.append(text)
            if len(self._begun[0]) >= len(layout.DISPLAY) and layout.DISPLAY_END not in text:
                return  # not looked through again and again: it may be large
            text = "".join(self._begun)
            self._begun = []
        while (start := text.find(layout.DISPLAY)) >= 0:
            yield from filter(None, [text[:start]])
            content, end, rest = text[start + len(layout.DISPLAY) :].partition(layout.DISPLAY_END)
            if not end:
                self._begun = [text[start:]]
                return
            yield from self._shown(content)
            text = rest
        kept = next(
            (n for n in range(len(layout.DISPLAY) - 1, 0, -1) if text.endswith(layout.DISPLAY[:n])), 0
        )
        self._begun = [text[len(text) - kept :]] if kept else []
        yield from filter(None, [text[: len(text) - kept]])

    def _shown(self, content: str) -> Iterator[str]:
        if self._display is not None:
            self._display(content)
            return
        import base64
        import json

        with suppress(
            ValueError, KeyError, TypeError, AttributeError
        ):  # the job has printed the mark by itself
            yield json.loads(base64.b64decode(content))["data"]["text/plain"] + "\n"


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
