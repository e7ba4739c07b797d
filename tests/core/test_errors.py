"""What goes wrong, and what is said about it."""

from __future__ import annotations

import ctypes
import inspect
import os
import pickle
import re
import signal
import sys
import time
from concurrent.futures import CancelledError
from pathlib import Path
from typing import Any

import pytest

from clustrix import JobState, cluster, errors
from clustrix.errors import (
    ClustrixError,
    JobCancelled,
    JobCrashed,
    JobError,
    JobExited,
    JobInterrupted,
    JobKilled,
    MemoryLimitExceeded,
    ResultUnpicklable,
    TimeLimitExceeded,
)
from tests.core.support import add_line, alive, lines, wait_until

CLASSES = [
    cls
    for cls in vars(errors).values()
    if isinstance(cls, type) and issubclass(cls, ClustrixError) and not cls.__name__.startswith("_")
]

pytestmark = pytest.mark.usefixtures("state")


# -- the tree


def made(cls: type[ClustrixError]) -> ClustrixError:
    """One of each class, with all that it can hold."""
    if issubclass(cls, JobError):
        details = {"code": 3, "signal": 9, "type": "a.B", "message": "m", "traceback": "t"}
        return cls(
            "J1", "fit", "it broke", place="far", item=3, advice="Mend it.", stderr="last", details=details
        )
    if isinstance(cls.__init__, type(Exception.__init__)):  # it adds nothing to Exception's
        return cls("it broke")
    wanted = [name for name in inspect.signature(cls).parameters if name not in ("args", "kwargs")]
    others: dict[str, Any] = {"nearest": ("01",), "command": ["a", "b c"], "returncode": -9}
    return cls(*(others.get(name, f"<{name}>") for name in wanted))


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
def test_error_survives_pickling(cls: type[ClustrixError]) -> None:
    """Errors cross processes: class, text, fields and arguments are the same on the other side."""
    error = made(cls)
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is cls
    assert str(copy) == str(error)
    assert vars(copy) == vars(error)
    assert copy.args == error.args


def test_docstring_draws_the_tree() -> None:
    """errors.py opens with every class, below its base, with the built-in that it also is."""
    drawn: dict[str, tuple[str, str]] = {}
    above: list[str] = []
    for line in (errors.__doc__ or "").splitlines():
        match = re.fullmatch(r"    ((?:[│ ]   )*)(?:[├└]── )?(\w+)(?: \(also ([\w., ]+)\))?(?:  .*)?", line)
        if match:
            depth = len(match[1]) // 4 + ("──" in line)
            above[depth:] = [match[2]]
            drawn[match[2]] = (above[depth - 1] if depth else "Exception", match[3] or "")
    assert set(drawn) == {cls.__name__ for cls in CLASSES}
    for cls in CLASSES:
        base, also = drawn[cls.__name__]
        public = next(parent for parent in cls.__mro__[1:] if not parent.__name__.startswith("_"))
        assert public.__name__ == base
        found = [parent.__name__ for parent in cls.__bases__ if not issubclass(parent, ClustrixError)]
        assert [name for name in found if name != "Exception"] == [
            name.rpartition(".")[2] for name in also.split(", ") if name
        ]


def test_job_error_says_all_it_knows() -> None:
    """Job, function, item, place, cause, advice, and the end of stderr."""
    assert str(made(JobCrashed)) == (
        "job J1 (fit, item 3) on far: it broke. Mend it.\n  the end of its stderr:\n  | last"
    )


def test_cancelled_error_is_the_one_of_futures() -> None:
    """Code that handles concurrent.futures.CancelledError handles a cancelled job."""
    assert issubclass(JobCancelled, CancelledError)


# -- causes of death


def error_of(function: Any, **options: Any) -> Any:
    """What the job of a function raises here."""
    job = cluster(**options)(function).submit()
    error = job.exception(timeout=30)
    if isinstance(error, JobError):
        assert error.job == job.id
        assert error.place == "local"
        assert job.id in str(error)
    return error


def test_system_exit_is_job_exited() -> None:
    """sys.exit in a job does not end the caller's program; the code is kept."""
    error = error_of(lambda: sys.exit(3))
    assert type(error) is JobExited
    assert error.code == 3
    assert error_of(lambda: sys.exit("no input")).code == "no input"
    assert "SystemExit" in str(error)


def test_keyboard_interrupt_is_job_interrupted() -> None:
    """KeyboardInterrupt in a job does not look like the caller's own Ctrl-C."""

    def interrupt() -> None:
        raise KeyboardInterrupt

    assert type(error_of(interrupt)) is JobInterrupted
    assert type(error_of(lambda: os.kill(os.getpid(), signal.SIGINT) or time.sleep(5))) is JobInterrupted


def test_os_exit_is_job_exited() -> None:
    """os._exit leaves no result; its status and what was printed before are told."""

    def leave() -> None:
        print("about to leave", file=sys.stderr)
        os._exit(7)

    error = error_of(leave)
    assert type(error) is JobExited
    assert error.code == 7
    assert "status 7" in str(error)
    assert "| about to leave" in str(error)


def test_segmentation_fault_is_job_crashed() -> None:
    """A crash in compiled code names its signal."""
    error = error_of(lambda: ctypes.string_at(0))
    assert type(error) is JobCrashed
    assert error.signal == signal.SIGSEGV
    assert "SIGSEGV" in str(error)


def test_kill_is_job_killed() -> None:
    """kill -9 from outside is told apart from a crash, and what may have done it is named."""
    error = error_of(lambda: os.kill(os.getpid(), signal.SIGKILL))
    assert type(error) is JobKilled
    assert error.signal == signal.SIGKILL
    assert "out-of-memory killer" in str(error)


def start_family(path: str) -> None:
    """A child and a grandchild in sessions of their own, the latter orphaned at once; their pids in a file."""
    import subprocess

    script = "import subprocess as s; print(s.Popen(['sleep', '1000'], start_new_session=True, stdout=-3, stderr=-3).pid)"
    child = subprocess.Popen(["sleep", "1000"], start_new_session=True)
    orphan = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    add_line(path, f"{os.getpid()}\n{child.pid}\n{orphan.strip()}")


def test_time_limit_ends_the_whole_tree(tmp_path: Path) -> None:
    """A job over its time is ended with all that it started, also what made its own session, and says its limit."""
    path = str(tmp_path / "pids")

    def slow() -> None:
        start_family(path)
        time.sleep(1000)

    began = time.monotonic()
    job = cluster(time=3)(slow).submit()
    with pytest.raises(TimeLimitExceeded, match="time limit of 3 s"):
        job.result(timeout=20)
    assert 2.9 < time.monotonic() - began < 10
    assert job.state is JobState.TIMED_OUT
    pids = [int(line) for line in lines(path)]
    assert len(pids) == 3
    wait_until(lambda: not any(map(alive, pids)), "its tree is gone")


def test_finished_job_leaves_no_processes(tmp_path: Path) -> None:
    """What a job has started and not waited for ends with it."""
    path = str(tmp_path / "pids")
    cluster(start_family)(path)
    pids = [int(line) for line in lines(path)]
    assert len(pids) == 3
    wait_until(lambda: not any(map(alive, pids)), "its tree is gone")


def grow(megabytes: int) -> None:
    """Take memory that is really used, and keep it a while."""
    held = bytearray(megabytes << 20)
    held[:: 1 << 12] = b"x" * len(held[:: 1 << 12])
    time.sleep(10)


def test_memory_limit_is_told_with_its_numbers() -> None:
    """More memory than asked for: its own error, with what was asked, what was used, and what to do."""
    error = error_of(lambda: grow(400), memory="200MB")
    assert type(error) is MemoryLimitExceeded
    assert re.search(r"asked for 200\.0 MiB, and its processes together had [\d.]+ [MG]iB", str(error))
    assert "@cluster(memory=" in str(error)


def test_memory_limit_counts_children() -> None:
    """Memory of child processes is the job's memory."""

    def parent() -> None:
        import subprocess

        script = "import time; held = bytearray(b'x') * (400 << 20); time.sleep(1000)"
        subprocess.run([sys.executable, "-c", script], check=True)

    error = error_of(parent, memory="200MB")
    assert type(error) is MemoryLimitExceeded


# -- results that cannot be sent


class Box:
    def __init__(self, content: Any) -> None:
        self.content = content


def test_unpicklable_result_names_the_path() -> None:
    """The part that refuses is named, from the result down to it."""

    def give() -> Any:
        import threading

        return {"model": [1, Box({"lock": threading.Lock()})]}

    error = error_of(give)
    assert type(error) is ResultUnpicklable
    assert "result → ['model'] → [1] → attribute 'content' → ['lock']" in str(error)
    assert "cannot pickle '_thread.lock'" in str(error)


def test_returned_generator_says_what_to_return() -> None:
    """A generator cannot come home; a list can."""
    error = error_of(lambda: (n for n in range(3)))
    assert type(error) is ResultUnpicklable
    assert "make a list of it" in str(error)
