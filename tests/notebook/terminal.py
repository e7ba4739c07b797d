"""IPython in a real terminal."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import pexpect

_CONTROLS = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]|\x1b[=>]|\r")


class Terminal:
    """One IPython."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self._folder = folder
        self._environment = {**environment, "TERM": "xterm", "COLUMNS": "200"}

    def __enter__(self) -> Terminal:
        self._process: Any = pexpect.spawn(
            sys.executable,
            ["-m", "IPython", "--simple-prompt", "--no-banner", "--colors=NoColor", "--no-confirm-exit"],
            cwd=str(self._folder),
            env=self._environment,
            encoding="utf-8",
            timeout=60,
            dimensions=(50, 200),
        )
        self._process.expect(r"In \[\d+\]: ")
        self.run("%load_ext clustrix")
        return self

    def __exit__(self, *_: object) -> None:
        self._process.close(force=True)

    def run(self, code: str) -> str:
        """Type it, with empty lines after a cell, which end it; what is shown until the next prompt."""
        for line in code.split("\n"):
            self._process.sendline(line)
        if "\n" in code:
            self._process.sendline("")
            self._process.sendline("")
        self._process.expect(r"In \[\d+\]: $")
        return _CONTROLS.sub("", str(self._process.before))
