"""What tests of far places share."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from tests.core.support import wait_until
from tests.testbed.processes import children
from tests.testbed.sshd import Sshd


def until(holds: Callable[[], Any], seconds: float = 60) -> None:
    """Wait for what takes its time there: connections, schedulers."""
    wait_until(holds, "it did not come to that", seconds)


def as_variables(server: Sshd, **more: object) -> dict[str, str]:
    """The settings of a place as environment variables, for commands."""
    return {f"CLUSTRIX_{name.upper()}": str(value) for name, value in {**server.settings, **more}.items()}


def kill_agents(sshd: Sshd) -> None:
    """Those on its connections, which stay."""
    for pid in children(int((sshd.folder / "sshd.pid").read_text())):
        with suppress(OSError):
            command = Path(f"/proc/{pid}/cmdline").read_bytes()
            if b"python3" in command and b"start.py" not in command:
                os.kill(pid, signal.SIGKILL)
