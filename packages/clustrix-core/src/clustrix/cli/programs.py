"""What runs inside the jobs of ``clustrix run``: a program, its output in the job's own, its failure as an exception.

Jobs import this module, so it keeps to the standard library, the errors and the runner.
"""

from __future__ import annotations

import ast
import errno
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from typing import IO, Any

from clustrix.errors import ProgramFailed
from clustrix.runner import redacting
from clustrix.runner.setup import environment

PLACEHOLDER = re.compile(r"{([A-Za-z_][\w-]*)}")
"""Where a parameter of a grid stands in a command."""

_TAIL_BYTES = 4096
_KEPT_BYTES = 1 << 16
"""Of stderr, until its end; more than the tail, so that no secret is cut in two where it begins."""
_READ_BYTES = 1 << 16
_DRAIN_SECONDS = 1.0
"""A program may leave others behind that keep its stderr open."""


def run_program(parameters: Mapping[str, str], command: Sequence[str]) -> dict[str, Any]:
    """Run it to its end; returns ``{"parameters": ..., "returncode": 0}``.

    Raises ProgramFailed for any other exit code, OSError if it cannot be started.
    """
    words = filled(command, parameters)
    with _started(words) as process:
        assert process.stderr is not None
        tail = bytearray()
        reader = threading.Thread(target=_copy, args=(process.stderr, tail), daemon=True)
        reader.start()
        returncode = process.wait()
        reader.join(_DRAIN_SECONDS)
        if reader.is_alive():
            process.stderr = None  # closing it would wait for the thread that reads
    if returncode:
        raise ProgramFailed(words, returncode, _end_of(bytes(tail)))
    return {"parameters": {name: value(text) for name, text in parameters.items()}, "returncode": 0}


def run_script(text: bytes, parameters: Mapping[str, str], command: Sequence[str]) -> dict[str, Any]:
    """The same for a script of Python that has come along, by the job's own Python; ``command``: its name, and its arguments."""
    folder = tempfile.mkdtemp(prefix="clustrix-")
    try:
        path = os.path.join(folder, os.path.basename(command[0]))
        with open(path, "wb") as file:
            file.write(text)
        return run_program(parameters, [sys.executable, "-u", path, *command[1:]])
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _started(words: Sequence[str]) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(words, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
    except OSError as error:
        if error.errno != errno.ENOEXEC:
            raise
        # A script without a first line that names its interpreter: shells run it themselves.
        return subprocess.Popen(["/bin/sh", *words], stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)


def filled(command: Sequence[str], parameters: Mapping[str, str]) -> list[str]:
    """The command with the values in place of ``{name}``; other braces stay as they are."""
    return [PLACEHOLDER.sub(lambda found: parameters.get(found[1], found[0]), word) for word in command]


def value(text: str) -> Any:
    """A number, True or False; else the text as it is."""
    found = literal(text)
    return found if isinstance(found, (bool, int, float)) else text


def literal(text: str) -> Any:
    """A number, a list, True, None, ...; a text if it is no literal of Python."""
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return text


def _end_of(printed: bytes) -> str:
    """What an error may hold of it: as in the job's own output, secrets are blotted out."""
    shown, _ = redacting.blotted(printed, redacting.words_of(environment.secrets), last=True)
    return shown[-_TAIL_BYTES:].decode("utf-8", "replace")


def _copy(stream: IO[bytes], tail: bytearray) -> None:
    """To this process's own stderr as it comes, and the end of it into ``tail``."""
    while data := os.read(stream.fileno(), _READ_BYTES):
        tail += data
        del tail[:-_KEPT_BYTES]
        while data:
            data = data[os.write(2, data) :]
