"""The submitters' environment variables: a 0600 file for all jobs that share them, blanked when the last of them has ended.

A file has a fixed size, is made once, and is then written over in place: to have a *new* file on disk means to wait for
the file system's own log, which takes ten times as long as a submission may.

A file begins with a line of its own, the token, new whenever it is filled; a blank one is all zeros.  ``FILE.TOKEN`` names
what a job needs.  Files are filled and blanked under the writers' lock.
"""

from __future__ import annotations

import json
import os
import threading
import uuid
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from clustrix.errors import storage_error
from clustrix.runner.faults import point
from clustrix.runner.frames import Buffer, write_all

_BLOCK_BYTES = 16384
_TOKEN_BYTES = 32
_MOST_BLANKS = 4
_MOST_NAMES = 16
"""Sets of variables that one process remembers to have written."""


class Environs:
    """One process's view of the files in ``folder``."""

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._seen: Any = None
        """The variables when they were last looked at."""
        self._names: dict[frozenset[tuple[str, str]], str] = {}
        """What holds them, as far as this process knows, by what was to be added to them."""

    def put(self, added: Mapping[str, str]) -> str:
        """Have this process's environment variables, as they are now, and ``added`` on disk; returns the name for them.

        Called under the writers' lock.  Raises an error below JournalError.
        """
        with self._lock:
            now = _variables()
            if now != self._seen:
                self._seen, self._names = dict(now), {}
            key = frozenset(added.items())
            name = self._names.get(key, "")
            try:
                # Their jobs may have ended since, and the file with them.
                if not name or not self._is_whole(name):
                    self._names.pop(key, None)
                    if len(self._names) >= _MOST_NAMES:
                        self._names.clear()
                    name = self._names[key] = self._kept({**os.environ, **added})
            except OSError as error:
                raise storage_error(self._folder, error) from error
            return name

    def _kept(self, variables: Mapping[str, str]) -> str:
        try:
            return self._fill(variables)
        except FileNotFoundError:  # somebody has removed the folder
            os.mkdir(self._folder, 0o700)
            return self._fill(variables)

    def _fill(self, variables: Mapping[str, str]) -> str:
        token = uuid.uuid4().hex
        data = f"{token}\n{json.dumps(dict(variables))}".encode()
        for name in self._blanks():
            rest = os.stat(self._path(name)).st_size - len(data)
            if rest >= 0:
                _write(self._path(name), [data, bytes(rest)])
                return f"{name}.{token}"
        name = token[:12]
        try:
            _write(self._path(name), [data, bytes(-len(data) % _BLOCK_BYTES)], new=True)
        except OSError:
            with suppress(FileNotFoundError):
                os.unlink(self._path(name))
            raise
        return f"{name}.{token}"

    def held(self) -> list[str]:
        """The names of all that is in the files."""
        return [name for file in os.listdir(self._folder) if (name := self._held_by(file))]

    def forget(self, name: str) -> None:
        """Blank the file that holds this, if it does.  Called under the writers' lock."""
        file = name.partition(".")[0]
        if self._held_by(file) != name:
            return
        path = self._path(file)
        if len(self._blanks()) < _MOST_BLANKS:
            # Who is killed in between has not blanked it: the next dispatcher finds the token.
            _write(path, [bytes(os.stat(path).st_size - _TOKEN_BYTES)], offset=_TOKEN_BYTES)
            _write(path, [bytes(_TOKEN_BYTES)])
        else:
            os.unlink(path)

    def _is_whole(self, name: str) -> bool:
        """Whether a file holds this, and nobody was killed when they had begun to blank it: the line's end goes first."""
        file, _, token = name.partition(".")
        try:
            with open(self._path(file), "rb", buffering=0) as opened:
                return opened.read(_TOKEN_BYTES + 1) == f"{token}\n".encode()
        except FileNotFoundError:
            return False

    def _blanks(self) -> list[str]:
        return [file for file in os.listdir(self._folder) if self._held_by(file) == ""]

    def _held_by(self, file: str) -> str | None:
        """What a file holds: empty if it is blank, None if it is not there."""
        try:
            fd = os.open(self._path(file), os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        try:
            token = os.read(fd, _TOKEN_BYTES).strip(b"\0")
        finally:
            os.close(fd)
        return f"{file}.{token.decode('ascii', 'replace')}" if token else ""

    def _path(self, file: str) -> str:
        return os.path.join(self._folder, file)


def _variables() -> Any:
    # A copy of os.environ decodes each variable anew: a tenth of what a submission may take.
    return getattr(os.environ, "_data", None) or dict(os.environ)


def _write(path: str, parts: Sequence[Buffer], new: bool = False, offset: int = 0) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC | (os.O_CREAT | os.O_EXCL if new else 0), 0o600)
    try:
        os.lseek(fd, offset, os.SEEK_SET)
        point("environ.write")
        write_all(fd, parts)
        point("environ.sync")
        (os.fsync if new else _sync_data)(fd)
    finally:
        os.close(fd)


_sync_data = getattr(os, "fdatasync", os.fsync)  # macOS has only the latter
