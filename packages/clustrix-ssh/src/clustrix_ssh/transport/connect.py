"""From a target to a connection."""

from __future__ import annotations

import shutil

from clustrix_ssh.errors import NoCommonAlgorithm
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
    from clustrix_ssh.transport.openssh import OpenSsh

    if target.ssh_client == "openssh" or (target.ssh_client == "auto" and config.needs_openssh):
        return OpenSsh(target)
    from clustrix_ssh.transport.paramiko_connection import open_connection

    try:
        return open_connection(target, config, ask)
    except NoCommonAlgorithm:
        if target.ssh_client != "auto" or shutil.which("ssh") is None:
            raise
        return OpenSsh(target)
