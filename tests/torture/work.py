"""What the jobs of a torture do.  Jobs import this: the standard library and clustrix, nothing else."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

from clustrix import checkpoint, cluster, current_job, restore

BIG_BYTES = 200_000
"""More than stands in the journal: the result stays a file."""
LEFT_BEHIND = ("sleep", "86399")
"""A command line that nobody else has."""
_LONGEST_SECONDS = 120.0
_SAVES = 2


@cluster
def call(kind: str, token: str) -> object:
    """A call of some kind; ``token`` names it."""
    _note()
    job = current_job()
    assert job is not None
    if kind == "raise" or (kind == "flaky" and job.attempt < 3) or kind in ("hopeless", "postponed"):
        raise ValueError(token)
    if kind == "exit":
        sys.exit(3)
    if kind == "quit":
        os._exit(4)
    if kind == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    if kind == "sleep":
        time.sleep(0.02)
    if kind == "print":
        print(f"out {token}")
        print(f"err {token}", file=sys.stderr)
    if kind == "hold":
        _wait_for_gate(token)
    if kind == "slow":
        time.sleep(_LONGEST_SECONDS)
    if kind == "saves":
        done = restore(0)
        if done < _SAVES:
            checkpoint(done + 1)
            time.sleep(_LONGEST_SECONDS)
    if kind == "leaves":
        subprocess.Popen(LEFT_BEHIND, start_new_session=True, stdin=subprocess.DEVNULL)
    if kind == "nests":
        return call.options(name="inner", tags=[f"{token}.inner"]).submit("value", f"{token}.inner").result()
    if kind == "big":
        return token.encode().ljust(BIG_BYTES, b".")
    return token


@cluster
def item(what: str, token: str, number: int) -> str:
    """An item of a map."""
    _note()
    job = current_job()
    assert job is not None
    if what == "f":
        raise KeyError(token)
    if what == "d":
        os.kill(os.getpid(), signal.SIGKILL)
    if what == "s":
        time.sleep(_LONGEST_SECONDS)
    if what == "h":
        _wait_for_gate(token)
    return f"{token} {number}"


def _note() -> None:
    """One line for each run, in one write."""
    job = current_job()
    assert job is not None
    line = f"{job.id} {job.attempt} {'-' if job.item is None else job.item} {os.getpid()}\n"
    fd = os.open(
        os.path.join(os.environ["TORTURE_HOME"], "runs", "all"), os.O_WRONLY | os.O_CREAT | os.O_APPEND
    )
    os.write(fd, line.encode())
    os.close(fd)


def _wait_for_gate(token: str) -> None:
    path = os.path.join(os.environ["TORTURE_HOME"], "gates", token)
    deadline = time.monotonic() + _LONGEST_SECONDS
    while not os.path.exists(path) and time.monotonic() < deadline:
        time.sleep(0.005)
