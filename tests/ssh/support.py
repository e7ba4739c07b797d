"""What tests of far places share."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from tests.core.support import wait_until
from tests.ssh.work import tell_and_linger
from tests.testbed.pbs.cluster import Pbs
from tests.testbed.processes import children
from tests.testbed.sge import Sge
from tests.testbed.sshd import Sshd


def until(holds: Callable[[], Any], seconds: float = 60) -> None:
    """Wait for what takes its time there: connections, schedulers."""
    wait_until(holds, "it did not come to that", seconds)


def as_variables(server: Sshd, **more: object) -> dict[str, str]:
    """The settings of a place as environment variables, for commands."""
    return {f"CLUSTRIX_{name.upper()}": str(value) for name, value in {**server.settings, **more}.items()}


def know(home: Path, server: Sshd, port: int | None = None) -> None:
    """Have a home trust a server's key; ``port``: where it is seen, if that is not its own."""
    known = server.known_hosts.read_text()
    with open(home / ".ssh" / "known_hosts", "a") as file:
        file.write(known.replace(f"]:{server.port} ", f"]:{port or server.port} "))


def number_of(system: Sge | Pbs, name: str) -> str:
    """What its queue calls the job of that name."""
    rows = [line.split() for line in system.run_as_user("qstat").stdout.splitlines()[2:]]
    return next(row[0] for row in rows if any(word.startswith(name[:10]) for word in row[1:3]))


def run_items_over_their_time(seconds: int, folder: Path) -> None:
    """Four items, of which one takes longer than it may: each is begun once."""
    path = folder / "runs"
    path.touch()
    path.chmod(0o666)
    jobs = tell_and_linger.options(time=seconds, on_error="collect").map(range(4), path=str(path))
    errors = [jobs.error(number, 200) for number in range(4)]
    kinds = [type(error).__name__ for error in errors]
    assert kinds == ["NoneType", "NoneType", "TimeLimitExceeded", "NoneType"], errors
    assert sorted(path.read_text().split()) == ["0", "1", "2", "3"]


def kill_agents(sshd: Sshd) -> None:
    """Those on its connections, which stay."""
    for pid in children(int((sshd.folder / "sshd.pid").read_text())):
        with suppress(OSError):
            command = Path(f"/proc/{pid}/cmdline").read_bytes()
            if b"python3" in command and b"start.py" not in command:
                os.kill(pid, signal.SIGKILL)
