"""From a target to a connection."""

from __future__ import annotations

from clustrix_ssh.transport.here import Here
from clustrix_ssh.transport.interface import Ask, Connection, Target


def connect(target: Target, ask: Ask) -> Connection:
    """Connect to a host, by whichever way its user's set-up wants.  Waits; raises HostUnreachable, and what is below it."""
    if not target.host:
        return Here()
    from clustrix_ssh.transport.sshconfig import (
        look_up,  # what follows is not needed on the login node itself
    )

    config = look_up(target)
    if target.ssh_client == "openssh" or (target.ssh_client == "auto" and config.needs_openssh):
        from clustrix_ssh.transport.openssh import OpenSsh

        return OpenSsh(target)
    from clustrix_ssh.transport.paramiko_connection import open_connection

    return open_connection(target, config, ask)
