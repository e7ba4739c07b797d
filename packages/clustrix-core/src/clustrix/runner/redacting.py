"""What a job with secrets prints goes through a process that blots them out before they come to a file; errors are searched too."""

from __future__ import annotations

import os
import select
import signal
import time
from collections.abc import Sequence
from contextlib import suppress

from clustrix.runner.faults import point

SHORTEST = 4
"""A shorter secret is not looked for: it would be found everywhere."""
BLOT = b"***"
_READ_BYTES = 1 << 16
_LINGER_SECONDS = 2.0


class Redactor:
    """Stands between this process's standard files and what they were, until ``finish``."""

    def __init__(self, texts: Sequence[str]) -> None:
        """To be made before anything is printed, in a process of one thread."""
        words = words_of(texts)
        pipes = [os.pipe(), os.pipe()]
        point("redactor.fork")
        self._pid = os.fork()
        if self._pid == 0:
            try:
                for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
                    with suppress(OSError):
                        signal.signal(number, signal.SIG_IGN)
                os.setpgid(0, 0)
                for _, theirs in pipes:
                    os.close(theirs)
                _pass_on([ours for ours, _ in pipes], words)
            finally:
                os._exit(0)
        for target, (ours, theirs) in enumerate(pipes, 1):
            os.dup2(theirs, target)
            os.close(ours)
            os.close(theirs)

    def finish(self) -> None:
        """Nothing more is printed by this process: wait until all is in the files, but not for ever."""
        null = os.open(os.devnull, os.O_WRONLY)
        for target in (1, 2):
            os.dup2(null, target)
        deadline = time.monotonic() + _LINGER_SECONDS
        while time.monotonic() < deadline:
            with suppress(ChildProcessError):
                if os.waitpid(self._pid, os.WNOHANG)[0] == 0:
                    time.sleep(0.001)
                    continue
            return


def words_of(texts: Sequence[str]) -> list[bytes]:
    """What is looked for, the longest first."""
    found = {text.encode("utf-8", "surrogateescape") for text in texts}
    return sorted((word for word in found if len(word) >= SHORTEST), key=len, reverse=True)


def _pass_on(sources: list[int], words: Sequence[bytes]) -> None:
    held = dict.fromkeys(sources, b"")
    targets = dict(zip(sources, (1, 2), strict=True))
    while held:
        for source in select.select(list(held), [], [])[0]:
            data = os.read(source, _READ_BYTES)
            ready, kept = blotted(held[source] + data, words, last=not data)
            _write(targets[source], ready)
            if data:
                held[source] = kept
            else:
                del held[source]


def blotted(data: bytes, words: Sequence[bytes], last: bool) -> tuple[bytes, bytes]:
    """What can be written, and the end that may be the beginning of a word; nothing of it is kept back if it is the ``last``."""
    for word in words:
        data = data.replace(word, BLOT)
    if last:
        return data, b""
    keep = 0
    for word in words:
        for size in range(min(len(word) - 1, len(data)), keep, -1):
            if data.endswith(word[:size]):
                keep = size
                break
    return data[: len(data) - keep], data[len(data) - keep :]


def blot_text(text: str, secrets: Sequence[str]) -> str:
    """The text without them."""
    for word in words_of(secrets):
        text = text.replace(word.decode("utf-8", "surrogateescape"), BLOT.decode())
    return text


def blot_pickle(stream: bytes, secrets: Sequence[str]) -> bytes:
    """A pickle without them: as many asterisks in the place of each, since every text in it is told by its length."""
    for word in words_of(secrets):
        stream = stream.replace(word, b"*" * len(word))
    return stream


def _write(target: int, data: bytes) -> None:
    with suppress(OSError):  # the disk is full: what is printed is lost, as it is for other jobs
        while data:
            point("redactor.write")
            data = data[os.write(target, data) :]
