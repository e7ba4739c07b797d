"""How bytes and commands reach a host: SSH by paramiko, SSH by the system's own program, or this machine."""

from __future__ import annotations
