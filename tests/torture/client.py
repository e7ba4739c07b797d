"""Processes that submit, wait and cancel as they are told, line by line, and may be killed at any time."""

from __future__ import annotations

import json
import os
import signal
import socket
import stat
import sys
import time
import zlib
from collections.abc import Callable
from concurrent.futures import CancelledError
from contextlib import suppress
from typing import Any, NoReturn

import clustrix
from clustrix import MapResult, attach, wait
from clustrix.errors import ClustrixError
from tests.torture import work

_LONG = 200


def perform(op: str, **given: Any) -> Any:
    """Do one thing, here; an error of clustrix's is told, any other is a bug of the torture's."""
    try:
        return _OPERATIONS[op](**given)
    except ClustrixError as error:
        return {"refused": type(error).__name__, "text": str(error)}


def _submit(kind: str, token: str, options: dict[str, Any]) -> Any:
    handle = work.call.options(**options).submit(kind, token)
    return {"id": handle.id, "reused": handle.reused}


def _map(items: str, token: str, options: dict[str, Any]) -> Any:
    handle = work.item.options(**options).map(items, [token] * len(items), range(len(items)))
    return {"id": handle.id, "reused": handle.reused}


def _outcome(job: str, timeout: float) -> Any:
    handle = attach(job)
    wait([handle], timeout)
    if isinstance(handle, MapResult):
        return {"items": [_told(handle.error, handle.__getitem__, n, timeout) for n in range(len(handle))]}
    return _told(handle.exception, lambda _: handle.result(0), timeout)


def _told(error: Any, value: Any, *given: Any) -> Any:
    try:
        found = error(*given)
    except (CancelledError, TimeoutError) as raised:
        found = raised
    return {"error": type(found).__name__} if found is not None else {"value": shown(value(given[0]))}


def shown(value: object) -> str:
    """A value as a short text."""
    text = repr(value)
    return text if len(text) < _LONG else f"{len(text)} {zlib.crc32(text.encode())}"


def _cancel(job: str) -> Any:
    return {"cancelled": attach(job).cancel()}


def _retry(job: str) -> Any:
    from clustrix.submission import submit_again

    handle = attach(job)
    again = handle.retry_failed() if isinstance(handle, MapResult) else submit_again(handle)
    return {"id": again.id, "indices": list(again.indices) if isinstance(again, MapResult) else None}


def _forget(kind: str, token: str) -> Any:
    return {"forgotten": work.call.options(reuse=True).forget(kind, token)}


def _find(tag: str) -> Any:
    return {"ids": [row.id for row in clustrix.jobs(tag=tag)]}


def _logs(job: str) -> Any:
    return {"text": attach(job).logs()}


def _command(args: list[str]) -> Any:
    from click.testing import CliRunner

    from clustrix.cli.commands import clustrix as main

    done = CliRunner().invoke(main, args)
    return {"exit": done.exit_code, "text": done.output + (repr(done.exception) if done.exception else "")}


def _cut() -> Any:
    """Break this process's connections to dispatchers, from this end."""
    number = 0
    for name in os.listdir("/proc/self/fd"):
        with suppress(OSError):
            # Nothing else is to be opened or closed: that would take SQLite's locks away from its files.
            if not stat.S_ISSOCK(os.fstat(int(name)).st_mode):
                continue
            with socket.socket(fileno=os.dup(int(name))) as end:
                peer = end.getpeername()
                if end.family == socket.AF_UNIX and isinstance(peer, str) and peer.endswith(".sock"):
                    end.shutdown(socket.SHUT_RDWR)
                    number += 1
    return {"cut": number}


_OPERATIONS: dict[str, Callable[..., Any]] = {
    "begin": dict,
    "submit": _submit,
    "map": _map,
    "outcome": _outcome,
    "cancel": _cancel,
    "retry": _retry,
    "forget": _forget,
    "find": _find,
    "logs": _logs,
    "command": _command,
    "cut": _cut,
}


def main() -> None:
    """``python -m tests.torture.client FD``: fork a client for each line that comes on a socket, until it ends.

    A fork costs milliseconds, where a process that has to import clustrix first takes a fifth of a second.
    """
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    control = socket.socket(fileno=int(sys.argv[1]))
    while True:
        message, fds, _, _ = socket.recv_fds(control, 1 << 20, 1)
        if not message:
            return
        (line,) = fds
        pid = os.fork()
        if pid == 0:
            control.close()
            _serve(socket.socket(fileno=line), **json.loads(message))
        os.close(line)
        control.sendall(f"{pid}\n".encode())


def _serve(line: socket.socket, environ: dict[str, str], ahead_s: int, errors: str) -> NoReturn:
    try:
        os.setsid()
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.environ.clear()
        os.environ.update(environ)
        now = time.time
        if ahead_s:
            time.time = lambda: now() + ahead_s
        log = os.open(errors, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(log, 1)
        os.dup2(log, 2)
        with line.makefile("rw", encoding="utf-8") as told:
            for text in told:
                print(json.dumps(perform(**json.loads(text))), file=told, flush=True)
    except BaseException:  # the process's edge
        sys.excepthook(*sys.exc_info())
    finally:
        os._exit(0)


if __name__ == "__main__":
    main()
