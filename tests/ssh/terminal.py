"""A program on a terminal, and somebody who types."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import subprocess
import sys
import termios
import time
from collections.abc import Sequence

_SECONDS = 60.0


class Terminal:
    """One program on a terminal of its own."""

    def __init__(self, argv: Sequence[str], **environ: str) -> None:
        self._main, other = pty.openpty()

        def take_terminal() -> None:
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)

        self._child = subprocess.Popen(
            argv,
            stdin=other,
            stdout=other,
            stderr=other,
            start_new_session=True,
            preexec_fn=take_terminal,
            env={**os.environ, "TERM": "xterm", **environ},
        )
        os.close(other)
        self.shown = ""

    def wait_for(self, text: str, seconds: float = _SECONDS) -> None:
        """Until it has been shown."""
        deadline = time.monotonic() + seconds
        while text not in self.shown:
            assert time.monotonic() < deadline, f"{text!r} was not shown, but: {self.shown}"
            assert self._read(), f"{text!r} was not shown before the end, but: {self.shown}"

    def _read(self) -> bool:
        if not select.select([self._main], [], [], 1.0)[0]:
            return True
        try:
            data = os.read(self._main, 4096)
        except OSError:  # its end
            return False
        self.shown += data.decode("utf-8", "replace")
        return bool(data)

    def type(self, line: str) -> None:
        os.write(self._main, line.encode() + b"\n")

    def end(self, seconds: float = _SECONDS) -> int:
        """Its exit code."""
        deadline = time.monotonic() + seconds
        while self._read() and self._child.poll() is None:
            assert time.monotonic() < deadline, self.shown
        code = self._child.wait(seconds)
        os.close(self._main)
        return code


def python(code: str) -> Terminal:
    """A script."""
    return Terminal([sys.executable, "-c", code])
