"""SSH by the system's own ``ssh``: it knows Kerberos, security keys, certificates and connections that are open already.

Nothing is asked: where a person would have to answer, ``ssh`` fails, and says so.
"""

from __future__ import annotations

import os
from pathlib import Path

from clustrix.errors import HostUnreachable
from clustrix_ssh.errors import HostKeyChanged, HostKeyUnknown, LoginRefused
from clustrix_ssh.transport.here import Pipes, PipeStream
from clustrix_ssh.transport.interface import Target

_PATTERNS = (
    ("REMOTE HOST IDENTIFICATION HAS CHANGED", HostKeyChanged),
    ("Host key verification failed", HostKeyUnknown),
    ("Permission denied", LoginRefused),
)


class OpenSsh(Pipes["SshStream"]):
    """Each stream is an ``ssh`` process of its own; with a ControlMaster they share its connection."""

    def __init__(self, target: Target) -> None:
        super().__init__()
        self._target = target

    def start(self, command: str) -> SshStream:
        """Raises HostUnreachable."""
        target = self._target
        argv = [
            "ssh",
            "-T",
            "-o",
            "BatchMode=yes",
            "-o",
            "StrictHostKeyChecking=yes",
            "-o",
            "ServerAliveInterval=15",
        ]
        argv += ["-o", f"ConnectTimeout={max(1, round(target.connect_timeout_s))}"]
        config = Path.home() / ".ssh" / "config"
        if "HOME" in os.environ and config.exists():
            argv += ["-F", str(config)]
        if target.port:
            argv += ["-p", str(target.port)]
        if target.username:
            argv += ["-l", target.username]
        if target.key_file:
            argv += ["-i", os.path.expanduser(target.key_file), "-o", "IdentitiesOnly=yes"]
        return self.keep(SshStream([*argv, "--", target.host, command], target.host))


class SshStream(PipeStream):
    """A command over ``ssh``: an end with status 255 is the connection's, not the command's."""

    def receive(self, size: int) -> bytes:
        data = super().receive(size)
        if not data and self._child.wait() == 255:
            raise self._why()
        return data

    def _why(self) -> HostUnreachable:
        said = self.errors().strip()
        lines = [line for line in said.splitlines() if line.strip()]
        last = lines[-1] if lines else "it said nothing"
        for text, cls in _PATTERNS:
            if text in said:
                return cls(f"{self._host}: {last}. To see more: ssh {self._host}")
        return HostUnreachable(f"{self._host}: ssh says: {last}")
