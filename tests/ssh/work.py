"""What jobs of these tests do.  It travels with them, so it imports nothing that is not there."""

from __future__ import annotations

import os
import signal
import sys
import time

from clustrix import checkpoint, cluster, current_job, restore


@cluster
def double(number: int) -> int:
    return 2 * number


@cluster
def wait(seconds: float, begun: str = "") -> str:
    """Count a run, and sleep."""
    if begun:
        with open(begun, "a") as file:
            file.write("run\n")
    time.sleep(seconds)
    return "slept"


@cluster
def note(number: int, folder: str) -> int:
    """Count a run of an item."""
    with open(os.path.join(folder, str(number)), "a") as file:
        file.write("run\n")
    time.sleep(0.3)
    return number


@cluster
def die_once(number: int, folder: str) -> int:
    """The first item kills the process that looks after all of them, and its own."""
    try:
        os.close(os.open(os.path.join(folder, "died"), os.O_WRONLY | os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return number
    os.kill(os.getppid(), signal.SIGKILL)
    os.kill(os.getpid(), signal.SIGKILL)
    return number


@cluster
def fail_first(runs: str) -> int:
    """Count a run; the first of them fails."""
    with open(runs, "a") as file:
        file.write("run\n")
    with open(runs) as file:
        number = len(file.readlines())
    if number == 1:
        raise ConnectionError("the first time")
    return number


@cluster
def count_on(steps: int, begun: str = "") -> tuple[int, list[tuple[int, float | None]]]:
    """Count in steps of a tenth of a second, from where it was; tells of each run its attempt and its time."""
    job = current_job()
    count, runs = restore((0, []))
    runs = [*runs, (job.attempt, job.time_left) if job is not None else (0, None)]
    checkpoint((count, runs))
    if begun:
        with open(begun, "a") as file:
            file.write("run\n")
    while count < steps:
        time.sleep(0.1)
        count += 1
        checkpoint((count, runs))
    return count, runs


@cluster
def tell_and_wait(path: str, seconds: float) -> None:
    """Write down that it has begun, and that it was ended."""
    try:
        if path:
            with open(path, "a") as file:
                file.write("begun\n")
        time.sleep(seconds)
    finally:
        if path:
            with open(path, "a") as file:
                file.write("ended\n")


@cluster
def size_of(data: bytes) -> int:
    return len(data)


@cluster
def zeros(count: int) -> bytes:
    return bytes(count)


@cluster
def now() -> float:
    return time.time()


@cluster
def prefix() -> str:
    return sys.prefix


@cluster
def from_module() -> str | None:
    return os.environ.get("FROM_MODULE")


@cluster
def fail_at_three(number: int) -> int:
    if number == 3:
        raise ValueError("row 3 is wrong")
    return number


@cluster(memory="150MB", retry_memory=4.0, retry_memory_limit="1GB")
def hold(megabytes: int) -> int:
    data = bytearray(megabytes << 20)
    data[::4096] = b"x" * len(data[::4096])
    time.sleep(2)
    return len(data)


@cluster
def runs_from(folder: str) -> str:
    """What comes of a program in that folder."""
    import subprocess
    import tempfile

    with tempfile.NamedTemporaryFile("w", dir=folder, delete=False) as file:
        file.write("#!/bin/sh\n")
    os.chmod(file.name, 0o700)
    try:
        subprocess.run([file.name], check=True)
    except OSError as error:
        return type(error).__name__
    finally:
        os.unlink(file.name)
    return "it ran"


@cluster
def tell_and_linger(number: int, path: str) -> int:
    """An item that counts its runs; number 2 takes too long."""
    with open(path, "a") as file:
        file.write(f"{number}\n")
    time.sleep(100 if number == 2 else 0)
    return number
