"""This machine as a host: for the login node itself."""

from __future__ import annotations

import os
import subprocess
import threading
from contextlib import suppress
from typing import Generic, TypeVar

from clustrix.errors import HostUnreachable
from clustrix.runner.faults import point

_TAIL_CHARACTERS = 4000


S = TypeVar("S", bound="PipeStream")


class Pipes(Generic[S]):
    """A connection whose streams are children of this process, each by itself."""

    def __init__(self) -> None:
        self._streams: list[S] = []

    def keep(self, stream: S) -> S:
        """Close it with the others; those that have ended are forgotten."""
        self._streams = [*(known for known in self._streams if known.status() is None), stream]
        return stream

    def alive(self) -> bool:
        return True

    def close(self) -> None:
        for stream in self._streams:
            stream.close()


class Here(Pipes["PipeStream"]):
    """Commands on this machine."""

    def start(self, command: str) -> PipeStream:
        """Raises HostUnreachable when it cannot be started."""
        return self.keep(PipeStream(["/bin/sh", "-c", command], "this machine"))


class PipeStream:
    """A child process and its pipes."""

    def __init__(self, argv: list[str], host: str, env: dict[str, str] | None = None) -> None:
        """Raises HostUnreachable."""
        self._host = host
        try:
            point("pipe.start")
            self._child = subprocess.Popen(
                argv,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                bufsize=0,
                start_new_session=True,
                env=env,
            )
        except OSError as error:
            raise HostUnreachable(f"{argv[0]} could not be started: {error.strerror}") from error
        self._tail = ""
        self._reader = threading.Thread(target=self._read_errors, name=f"errors of {host}", daemon=True)
        self._reader.start()

    def _read_errors(self) -> None:
        assert self._child.stderr is not None
        with suppress(ValueError, OSError):  # it was closed
            while data := os.read(self._child.stderr.fileno(), 4096):
                self._tail = (self._tail + data.decode("utf-8", "replace"))[-_TAIL_CHARACTERS:]

    def send(self, data: bytes | bytearray | memoryview) -> None:
        assert self._child.stdin is not None
        view = memoryview(data)
        try:
            while view:
                point("pipe.send")
                view = view[os.write(self._child.stdin.fileno(), view) :]
        except (OSError, ValueError) as error:
            raise HostUnreachable(f"{self._host}: the connection has ended ({error})") from error

    def receive(self, size: int) -> bytes:
        assert self._child.stdout is not None
        try:
            point("pipe.receive")
            return os.read(self._child.stdout.fileno(), size)
        except (OSError, ValueError) as error:
            raise HostUnreachable(f"{self._host}: the connection has ended ({error})") from error

    def errors(self) -> str:
        if self._child.poll() is not None:
            self._reader.join(1)
        return self._tail

    def status(self) -> int | None:
        """Its exit status; None while it runs."""
        return self._child.poll()

    def close(self) -> None:
        """The child sees the end of its input, and is given a moment to leave."""
        assert self._child.stdin is not None
        self._child.stdin.close()
        try:
            self._child.wait(2)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()
        self._reader.join(1)
        for pipe in (self._child.stdout, self._child.stderr):
            assert pipe is not None
            pipe.close()
