"""Python and the machine."""

from __future__ import annotations

import os
import platform
import sqlite3
import sys
import time
from collections.abc import Iterator
from contextlib import closing

from clustrix import __version__
from clustrix.plugins.checks import Check, failed, ok, warning

_FEWEST_FILES = 256
_FEWEST_PROCESSES = 64


def python() -> Iterator[Check]:
    """What runs, and from where."""
    environment = (
        f", environment {sys.prefix}" if sys.prefix != sys.base_prefix else ", no virtual environment"
    )
    yield ok("clustrix", f"{__version__}, Python {platform.python_version()} ({sys.executable}{environment})")
    yield _sqlite()


def _sqlite() -> Check:
    try:
        with closing(sqlite3.connect(":memory:")) as sql:
            sql.execute("SELECT json_object('a', 1)").fetchone()
    except sqlite3.Error as error:
        text = f"{sqlite3.sqlite_version} of this Python has no JSON ({error})"
        return failed("SQLite", text, "The journal needs it: use a Python whose SQLite is complete.")
    return ok("SQLite", sqlite3.sqlite_version)


def machine() -> Iterator[Check]:
    """What local jobs have."""
    from clustrix.backends.local.capacity import machine_bytes, machine_cores
    from clustrix.config import format_bytes

    cores, memory = machine_cores(), machine_bytes()
    there = os.cpu_count() or cores
    bound = f" of {there}: affinity or a control group allows no more" if cores < there else ""
    yield ok(
        "machine",
        f"{platform.system()} {platform.release()}, {cores} cores{bound}, {format_bytes(memory)} of memory",
    )
    yield from _limits()
    yield _start()
    yield _processes()


def _limits() -> Iterator[Check]:
    import resource

    for number, what, fewest, unit in (
        (resource.RLIMIT_NOFILE, "open files", _FEWEST_FILES, "-n"),
        (resource.RLIMIT_NPROC, "processes", _FEWEST_PROCESSES, "-u"),
    ):
        soft, hard = resource.getrlimit(number)
        if soft != resource.RLIM_INFINITY and soft < fewest:
            high = "no limit" if hard == resource.RLIM_INFINITY else f"{hard:,}"
            yield warning(
                what, f"limited to {soft:,}", f"Maps of many workers need more: ulimit {unit} (up to {high})."
            )


def _start() -> Check:
    import subprocess

    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", "print(1)"],
        capture_output=True,
        text=True,
        check=False,
        timeout=20,
        start_new_session=True,
    )
    took = (time.monotonic() - began) * 1000
    if done.stdout != "1\n":
        return failed(
            "process", f"Python does not start: {done.stderr.strip()[-200:]}", f"Try: {sys.executable} -c 1"
        )
    if took > 1000:
        return warning(
            "process",
            f"Python takes {took:,.0f} ms to start",
            "A slow disk, or a .pth file that does too much: try python -X importtime -c pass",
        )
    return ok("process", f"Python starts in {took:.0f} ms")


def _processes() -> Check:
    from clustrix.runner import processes

    me = processes.lookup(os.getpid())
    if me is None:
        return failed(
            "process table",
            "cannot be read",
            "Local jobs cannot be watched here: mount /proc, or install ps.",
        )
    return ok("process table", "can be read")
