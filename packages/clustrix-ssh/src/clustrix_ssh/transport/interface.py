"""What every transport offers: commands on a host, each a stream of bytes both ways.

All calls wait; they are made in threads.  One connection serves many streams, and several threads at once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol

from clustrix.backends import Question

__all__ = ["Ask", "Connection", "Question", "Stream", "Target"]


class Stream(Protocol):
    """A command that runs there: its standard input and output."""

    def send(self, data: bytes | bytearray | memoryview) -> None:
        """Give all of it to the command's standard input.  Raises HostUnreachable when the connection is lost."""

    def receive(self, size: int) -> bytes:
        """At most ``size`` bytes of its output, as soon as there are any; b"" at its end.  Raises HostUnreachable."""

    def errors(self) -> str:
        """The end of what it has written to standard error so far, at most 4,000 characters."""

    def close(self) -> None:
        """Let go of it.  What waits in another thread in ``send`` or ``receive`` comes back."""


class Connection(Protocol):
    """A host that can be reached."""

    def start(self, command: str) -> Stream:
        """Have the user's login shell there run a command.  Raises HostUnreachable."""

    def alive(self) -> bool:
        """Whether it is believed to be whole."""

    def close(self) -> None:
        """End it, and all its streams."""


Ask = Callable[[Question], str]
"""Has a person answer.  Raises clustrix_ssh.errors.NobodyThere when there is nobody."""


class Target(NamedTuple):
    """Which host is meant, as the settings say it; what is empty or None comes from the user's SSH configuration."""

    host: str
    """A name or address, or an alias of ``~/.ssh/config``; empty: this machine."""
    port: int | None = None
    username: str = ""
    key_file: str = ""
    ssh_client: str = "auto"
    """ "paramiko", "openssh", or "auto": paramiko unless the user's set-up needs the system's ssh."""
    connect_timeout_s: float = 10.0
