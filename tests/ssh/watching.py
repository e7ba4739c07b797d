"""Looks at the list of processes, as everybody on a machine can."""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from typing import Any


class Watch:
    """For words that must not be there, as long as it is entered."""

    def __init__(self, *words: str) -> None:
        self._words = [word.encode() for word in words]
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look)
        self.looks = 0
        self.seen: list[bytes] = []

    def __enter__(self) -> Any:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._over.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._over.is_set():
            self.looks += 1
            for pid in filter(str.isdigit, os.listdir("/proc")):
                with suppress(OSError), open(f"/proc/{pid}/cmdline", "rb") as file:
                    line = file.read()
                    self.seen += [line for word in self._words if word in line]
