"""A process with a terminal answers what the dispatcher has to ask of a person."""

from __future__ import annotations

import functools
import getpass
import sys
from collections.abc import Mapping
from typing import Any

from clustrix.dispatcher.instance import PROTOCOL, Instance, until_connected
from clustrix.errors import DispatcherError
from clustrix.runner.messages import Decoder, encode


def is_possible() -> bool:
    """Whether somebody sits at this process's terminal."""
    try:
        return sys.stdin.isatty() and sys.stderr.isatty()
    except (AttributeError, ValueError):  # closed, or replaced by something else
        return False


def on_terminal(question: Mapping[str, Any]) -> str | None:
    """Ask it; None if the person does not want to answer."""
    *before, prompt = str(question["text"]).splitlines() or [""]
    for line in before:
        print(line, file=sys.stderr)
    prompt = f"[{question['host']}] {prompt}"
    try:
        if question["echo"]:
            print(prompt, end="", file=sys.stderr, flush=True)
            return sys.stdin.readline().rstrip("\n") or None
        return getpass.getpass(prompt, sys.stderr)
    except (EOFError, KeyboardInterrupt):
        return None


def log_in(instance: Instance, backend: str, place: str) -> str:
    """Have the dispatcher reach a place, and answer what it asks meanwhile; returns why it could not, or nothing.

    Raises DispatcherError when there is no dispatcher.
    """
    start = functools.cache(instance.start)  # once: a second one would only wait for the first
    connection = until_connected(instance.connect, start, lambda: True)
    if connection is None:
        raise DispatcherError(f"the dispatcher could not be started; see {instance.log}")
    decoder = Decoder()
    with connection as line:
        while data := line.recv(1 << 16):
            for message, _ in decoder.feed(data):
                op = message["op"]
                if op == "hello":
                    if message["protocol"] != PROTOCOL:
                        raise DispatcherError(
                            f"the dispatcher is of version {message['version']}: clustrix dispatcher stop"
                        )
                    line.sendall(encode({"op": "answers", "on": True}))
                    line.sendall(encode({"op": "login", "backend": backend, "place": place}))
                elif op == "question":
                    answer = on_terminal(message) if is_possible() else None
                    line.sendall(encode({"op": "answer", "number": message["number"], "text": answer}))
                elif op == "login":
                    return str(message["trouble"])
    raise DispatcherError(f"the dispatcher has ended meanwhile; see {instance.log}")
