"""What the jobs of the kit do.  Each function travels by value, so all that it needs is inside of it."""

from __future__ import annotations

from typing import Any


def identity(value: Any) -> Any:
    return value


def note(path: str) -> str:
    """One line more in a file: it counts runs."""
    import os

    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.write(fd, b"run\n")
    os.close(fd)
    return path


def note_and_wait(path: str, gate: str) -> str:
    """Count a run, then wait for a file; a minute at most."""
    import os
    import time

    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.write(fd, b"run\n")
    os.close(fd)
    for _ in range(6000):
        if os.path.exists(gate):
            return path
        time.sleep(0.01)
    raise TimeoutError(gate)


def note_item(item: tuple[str, int]) -> int:
    """For maps: count a run of an item."""
    import os

    path, number = item
    fd = os.open(f"{path}-{number}", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.write(fd, b"run\n")
    os.close(fd)
    return number


def fail(text: str) -> None:
    raise ValueError(text)


def fail_if_odd(number: int) -> int:
    if number % 2:
        raise ValueError(f"{number} is odd")
    return number


def die_if(item: tuple[int, int]) -> int:
    """Killed in the item of that number."""
    import os
    import signal

    number, bad = item
    if number == bad:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


class _Deadly:
    def __reduce__(self) -> Any:
        import os

        return os._exit, (3,)


_DEADLY = _Deadly()


def never_begun(value: Any, deadly: Any = _DEADLY) -> Any:
    """Ends every process that unpacks it, before it is called."""
    return value


def die(number: int) -> None:
    """By a signal, as from outside."""
    import os

    os.kill(os.getpid(), number)


def leave(code: int) -> None:
    import os

    os._exit(code)


def talk(text: str) -> None:
    import sys

    print(f"out {text}")
    print(f"err {text}", file=sys.stderr)


def talk_and_wait(text: str, gate: str) -> None:
    import os
    import time

    print(text, flush=True)
    for _ in range(6000):
        if os.path.exists(gate):
            return
        time.sleep(0.01)


def surroundings(names: list[str]) -> dict[str, Any]:
    """Working directory and some variables of the job."""
    import os

    return {"cwd": os.getcwd(), **{name: os.environ.get(name) for name in names}}


def hold(size_bytes: int) -> int:
    """Fill memory, then wait."""
    import time

    data = bytearray(size_bytes)
    data[::4096] = b"x" * len(data[::4096])
    time.sleep(60)
    return len(data)


def wait(seconds: float) -> None:
    import time

    time.sleep(seconds)


def wait_and_tidy(begun: str, tidied: str) -> None:
    """Wait to be cancelled; then write a file in a ``finally`` block."""
    import time

    try:
        with open(begun, "w"):
            pass
        time.sleep(60)
    finally:
        with open(tidied, "w"):
            pass


def parent_of_a_sleeper(path: str) -> None:
    """Leave a child's pid in a file, and wait."""
    import subprocess
    import time

    with subprocess.Popen(["sleep", "600"], start_new_session=True) as child:
        with open(path + ".aside", "w") as file:
            file.write(str(child.pid))
        import os

        os.rename(path + ".aside", path)
        time.sleep(60)


def size_and_sum(data: bytes) -> tuple[int, str]:
    import hashlib

    return len(data), hashlib.sha256(data).hexdigest()


def many_bytes(size_bytes: int) -> bytes:
    return (b"0123456789abcdef" * (size_bytes // 16 + 1))[:size_bytes]
