"""This end of the clients: they are forked, asked, and killed."""

from __future__ import annotations

import json
import select
import socket
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from tests.torture.places import kill

ROOT = Path(__file__).parents[2]
_ANSWER_SECONDS = 90.0


class Client:
    """A process that does what it is told."""

    def __init__(self, pid: int, line: socket.socket, errors: Path) -> None:
        self._pid = pid
        self._line = line
        self._told = line.makefile("r", encoding="utf-8")
        self._errors = errors

    def ask(self, op: str, given: Mapping[str, Any]) -> Any:
        """Have it do something; returns what it tells.  Fails if it does not answer."""
        self.send(op, given)
        ready, _, _ = select.select([self._line], [], [], _ANSWER_SECONDS)
        text = self._told.readline() if ready else ""
        assert text, f"client {self._pid} does not answer\n{self._errors.read_text()[-3000:]}"
        return json.loads(text)

    def send(self, op: str, given: Mapping[str, Any]) -> None:
        """Have it begin with something."""
        self._line.sendall(json.dumps({"op": op, **given}).encode() + b"\n")

    def kill(self) -> None:
        """SIGKILL; it is gone when this returns."""
        kill(self._pid)
        self.close()

    def close(self) -> None:
        """Have it leave, and wait until it has."""
        with suppress(OSError):
            self._line.shutdown(socket.SHUT_WR)
            while self._line.recv(1 << 16):
                continue
        self._told.close()
        self._line.close()


class Nursery:
    """The process that clients are forked from; see ``tests.torture.client``."""

    def __init__(self) -> None:
        self._control, theirs = socket.socketpair()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.torture.client", str(theirs.fileno())],
            cwd=ROOT,
            pass_fds=(theirs.fileno(),),
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
        theirs.close()
        self._told = self._control.makefile("r")

    def fork(self, environ: Mapping[str, str], ahead_s: int, errors: Path) -> Client:
        """A new client, with its wall clock ahead by so much."""
        line, theirs = socket.socketpair()
        order = {"environ": dict(environ), "ahead_s": ahead_s, "errors": str(errors)}
        with theirs:
            socket.send_fds(self._control, [json.dumps(order).encode()], [theirs.fileno()])
        return Client(int(self._told.readline()), line, errors)

    def close(self) -> None:
        """It leaves; its clients do not mind."""
        self._told.close()
        self._control.close()
        self._process.wait(20)
