"""What calls and maps on the far side share: their folder's files, and how a result gets its name."""

from __future__ import annotations

import json
import os
import signal
from typing import Any

from clustrix.runner import bundles, layout, setup
from clustrix.runner.faults import point
from clustrix.runner.frames import Damaged, peek
from clustrix.runner.verdict import CANCEL, TIME
from clustrix_ssh.far import records, surroundings

CANCELLED = "cancelled"
"""In the job's folder when its user wants it to end: a signal alone may come from anybody."""
STAGED = "staged"
EX_TAKEN = 143
"""Ended from outside; the scheduler knows why."""

Told = dict[str, Any]


def read(folder: str) -> Told | None:
    """What is to be done; None if it is not there any more."""
    try:
        with open(os.path.join(folder, layout.ORDER), encoding="utf-8") as file:
            told: Told = json.load(file)
        return told
    except FileNotFoundError:
        return None


def head_of(path: str) -> dict[str, Any] | None:
    """How an outcome begins; None if it is not there, or not whole."""
    try:
        with open(path, "rb") as file:
            return peek(file, os.fstat(file.fileno()).st_size)
    except (FileNotFoundError, Damaged):
        return None


def bundle_of(order: setup.Order) -> bundles.Bundle | Damaged:
    with open(order.file(layout.PAYLOAD), "rb") as content:
        return bundles.read_bundle(content.read(), order.blobs)


def leave_signals_to_the_parent() -> None:
    """A batch system sends its signals to all processes of a job; the one above decides what they mean, and interrupts this one."""
    me = os.getpid()

    def heard(number: int, frame: object) -> None:
        if os.getpid() != me:  # forked by the user's code: there it means what it always does
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)

    for number in (signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2):
        signal.signal(number, heard)


def why_ended(order: setup.Order, around: surroundings.Surroundings) -> str | None:
    if os.path.exists(order.file(CANCELLED)):
        return CANCEL
    return TIME if around.time_is_over() and around.number else None


def publish(order: setup.Order, told: Told) -> None:
    """Give the result its name, and have that known."""
    for name in (order.result, layout.OUTPUT, layout.ERRORS):
        if os.path.exists(order.file(name)):
            records.sync(order.file(name))
    point("far.publish")
    os.rename(order.file(order.result), order.file(layout.RESULT))
    records.sync(order.folder)
    records.write(told["records"], told["job"], records.DONE)
