"""Sessions that need every step that clustrix takes: ``python scenario.py RUNS usual`` or ``rare``, and ``python scenario.py RUNS check`` for a later one.

It prints a line of JSON for each thing that it finds out.  Each function adds a line to a file in the folder RUNS when it is run.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from clustrix import attach, checkpoint, cluster, jobs, progress, restore, save_config
from clustrix.errors import ClustrixError

BYTES = 5 << 20
"""More than goes along with a message, in either direction."""
LOG_BYTES = 5 << 20
SECONDS = float(os.environ.get("CUT_SECONDS", 60))
RUNS = sys.argv[1] if __name__ == "__main__" else ""


def note(name: str, runs: str) -> None:
    fd = os.open(os.path.join(runs, name), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
    os.write(fd, b"run\n")
    os.close(fd)


@cluster
def small(runs: str, number: int) -> int:
    note("small", runs)
    print("a line")
    progress(1, 2)
    return number + 1


@cluster
def large(runs: str, data: bytes) -> bytes:
    note("large", runs)
    return bytes(reversed(data))


@cluster
def square(number: int, runs: str) -> int:
    note(f"map-{number}", runs)
    time.sleep(0.02)
    return number * number


@cluster(retries=1)
def again(runs: str) -> int | None:
    """Fails, and goes on from what it has saved."""
    note("again", runs)
    before = restore()
    if before is None:
        checkpoint(7)
        raise ValueError("the first time")
    return int(before)


@cluster(reuse=True)
def reused(runs: str, number: int) -> int:
    note("reused", runs)
    return number


@cluster
def another(runs: str, number: int) -> int:
    note("after", runs)
    return number


@cluster
def long(runs: str) -> str:
    note("long", runs)
    for _ in range(600):
        time.sleep(0.1)
    return "slept"


@cluster(on_error="collect", chunk=2)
def uneven(number: int, runs: str) -> int | bytes:
    """One item returns much, and one kills its process."""
    note(f"uneven-{number}", runs)
    if number == 4:
        os.kill(os.getpid(), signal.SIGKILL)
    return b"\1" * BYTES if number == 2 else number


class Unreadable:
    """Nobody can unpickle it."""

    def __reduce__(self) -> Any:
        return int, ("none",)


@cluster
def unread(number: int, what: Any) -> int:
    return number


@cluster
def doomed(runs: str) -> None:
    """Kills its process, and on another machine the one that looks after it: then a third one tells."""
    note("doomed", runs)
    parent = os.getppid()
    if b"start.py" in Path(f"/proc/{parent}/cmdline").read_bytes():
        os.kill(parent, signal.SIGKILL)
    os.kill(os.getpid(), signal.SIGKILL)


@cluster
def summed(runs: str, data: bytes) -> int:
    note("summed", runs)
    return sum(data)


@cluster
def hidden(runs: str) -> int:
    note("hidden", runs)
    print(os.environ["CUT_SECRET"])
    return len(os.environ["CUT_SECRET"])


def say(**what: Any) -> None:
    print(json.dumps(what), flush=True)


def attempt(name: str, what: Callable[[], Any]) -> Any:
    """Do it; None if that is refused, which is said."""
    try:
        return what()
    except Exception as error:  # whatever it is, it is what the user would see
        ours = isinstance(error, ClustrixError)
        say(refused=name, error=type(error).__name__, ours=ours, text=str(error)[:300])
        return None


def submitted(name: str, submit: Callable[[], Any]) -> Any:
    job = attempt(name, submit)
    if job is not None:
        say(submitted=name, id=job.id)
    return job


def came_to(name: str, job: Any) -> None:
    if job is None:
        return
    try:
        if name in ("map", "uneven"):
            value = [told(item) for item in job.results(SECONDS)]
            job.exception(timeout=SECONDS)  # its items may all be there before its own end is known
        else:
            value = told(job.result(timeout=SECONDS))
        say(ended=name, value=value, state=str(job.status().state))
    except Exception as error:  # the same
        say(ended=name, error=type(error).__name__, text=str(error)[:300])


def told(value: Any) -> Any:
    """In a line."""
    if isinstance(value, bytes):
        return [len(value), value[:1].hex()]
    return type(value).__name__ if isinstance(value, BaseException) else value


def rare(runs: str) -> None:
    """What most sessions do not need."""
    came_to("small", submitted("small", lambda: small.options(name="small").submit(runs, 1)))
    kill_the_dispatcher()
    for log in state().glob("dispatchers/*.log"):  # the next one begins another
        os.truncate(log, LOG_BYTES)
    found = {
        "uneven": submitted("uneven", lambda: uneven.options(name="uneven").map(range(8), runs=runs)),
        "unread": submitted("unread", lambda: unread.options(name="unread").map(range(3), what=Unreadable())),
        "doomed": submitted("doomed", lambda: doomed.options(name="doomed").submit(runs)),
        "summed": submitted("summed", lambda: summed.options(name="summed").submit(runs, b"\1" * 200_000)),
        "reused": submitted("reused", lambda: reused.options(name="reused").submit(runs, 5)),
    }
    for name, job in found.items():
        came_to(name, job)
    attempt("forget", lambda: reused.forget(runs, 5))
    attempt("forget", reused.forget_all)


def usual(runs: str) -> None:
    os.environ["CUT_SECRET"] = "not for your eyes"  # noqa: S105 -- it is what nobody shall find
    found = {
        "small": submitted("small", lambda: small.options(name="small").submit(runs, 1)),
        "large": submitted("large", lambda: large.options(name="large").submit(runs, b"\1" * BYTES)),
        "map": submitted("map", lambda: square.options(name="map").map(range(6), runs=runs)),
        "again": submitted("again", lambda: again.options(name="again").submit(runs)),
        "long": submitted("long", lambda: long.options(name="long").submit(runs)),
        "hidden": submitted(
            "hidden", lambda: hidden.options(name="hidden", secrets=["CUT_SECRET"]).submit(runs)
        ),
        "reused": submitted("reused", lambda: reused.options(name="reused").submit(runs, 5)),
    }
    if found["long"] is not None and attempt("cancel", found["long"].cancel) is None:
        attempt("cancel", found["long"].cancel)
    came_to("small", found.pop("small"))
    kill_the_dispatcher()
    for name, job in found.items():
        came_to(name, job)
    attempt("settings", lambda: save_config("clustrix.yml"))
    job = submitted("reused-again", lambda: reused.options(name="reused").submit(runs, 5))
    came_to("reused-again", job)


def state() -> Path:
    return Path(os.environ["XDG_STATE_HOME"], "clustrix")


def kill_the_dispatcher() -> None:
    """The next one takes over what runs."""
    for path in state().glob("dispatchers/*.lock"):
        with suppress(ProcessLookupError, ValueError):
            os.kill(int(path.read_text()), signal.SIGKILL)


def check(runs: str) -> None:
    """What another session finds of it; and all goes on."""
    came_to("after", submitted("after", lambda: another.options(name="after").submit(runs, 3)))
    for found in jobs():
        job = attach(found.id)
        if found.name == "long" and not job.done():
            job.cancel()
        came_to(found.name, job)


if __name__ == "__main__":
    {"usual": usual, "rare": rare, "check": check}[sys.argv[2]](RUNS)
