"""SSH by the system's own ``ssh``: it knows Kerberos, security keys, certificates and connections that are open already.

Nothing is asked: where a person would have to answer, ``ssh`` fails, and says so.
"""

from __future__ import annotations

import os
import shlex

from clustrix.errors import HostUnreachable
from clustrix_ssh.errors import HostKeyChanged, HostKeyUnknown, LoginRefused
from clustrix_ssh.transport.here import Pipes, PipeStream
from clustrix_ssh.transport.interface import Target
from clustrix_ssh.transport.sshconfig import ssh_options

_CHANGED = "REMOTE HOST IDENTIFICATION HAS CHANGED"
_UNKNOWN = "Host key verification failed"
_REFUSED = "Permission denied"


class OpenSsh(Pipes["SshStream"]):
    """Each stream is an ``ssh`` process of its own; with a ControlMaster they share its connection."""

    def __init__(self, target: Target) -> None:
        super().__init__()
        self._target = target

    def start(self, command: str) -> SshStream:
        """Raises HostUnreachable."""
        target = self._target
        timeout = f"ConnectTimeout={max(1, round(target.connect_timeout_s))}"
        argv = ["ssh", "-T"]
        for option in ("BatchMode=yes", "StrictHostKeyChecking=yes", "ServerAliveInterval=15", timeout):
            argv += ["-o", option]
        argv += ssh_options(target)
        if target.key_file:
            argv += ["-i", os.path.expanduser(target.key_file), "-o", "IdentitiesOnly=yes"]
        return self.keep(SshStream([*argv, "--", target.host, command], target))


class SshStream(PipeStream):
    """A command over ``ssh``: an end with status 255 is the connection's, not the command's."""

    def __init__(self, argv: list[str], target: Target) -> None:
        super().__init__(argv, target.host)
        self._target = target

    def receive(self, size: int) -> bytes:
        data = super().receive(size)
        if not data and self._child.wait() == 255:
            raise self._why()
        return data

    def _why(self) -> HostUnreachable:
        said = self.errors().strip()
        lines = [line for line in said.splitlines() if line.strip()]
        last = lines[-1].strip().rstrip(".") if lines else "it said nothing"
        port, user = self._target.port, self._target.username
        host = shlex.quote(self._host)
        named = host + (f" --port {port}" if port else "")
        by_hand = (
            "ssh"
            + (f" -p {port}" if port else "")
            + (f" -l {shlex.quote(user)}" if user else "")
            + f" {host}"
        )
        if _CHANGED in said:
            advice = f"If its administrators confirm the new one: clustrix hosts forget {named}, then clustrix hosts trust {named}"
            return HostKeyChanged(f"THE KEY OF {self._host} HAS CHANGED, says ssh. {advice}")
        if _UNKNOWN in said:
            advice = f"To see its fingerprint, and trust it if it is right: clustrix hosts trust {named}"
            return HostKeyUnknown(f"{self._host} is not known to ssh. {advice}")
        if _REFUSED in said:
            return LoginRefused(f"{self._host}: {last}. To see more: {by_hand}")
        return HostUnreachable(f"{self._host}: ssh says: {last}. To see more: {by_hand}")
