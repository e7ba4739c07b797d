"""What tests of jobs share: real scripts, files that count runs, waiting for things, ending what was started.

Jobs import this module too (its source travels with them), so it keeps to the standard library.
"""

from __future__ import annotations

import os
import resource
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
"""Of the repository: scripts that import from the tests have it on their path."""

# -- scripts


def run_script(
    text: str,
    *,
    code: int | None = 0,
    folder: Path | None = None,
    stdin: str | None = None,
    timeout_s: float = 60,
    **env: str,
) -> subprocess.CompletedProcess[str]:
    """Run a script as users do, from a file in a folder of its own, to its end; ``env`` is added to the environment.

    Fails unless it exits with the code; None: with any.
    """
    with _script(text, folder) as (path, where):
        done = subprocess.run(
            [sys.executable, path],
            cwd=where,
            env={**os.environ, **env},
            input=stdin,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )
    assert code in (None, done.returncode), done.stdout + done.stderr
    return done


def run_command(
    *arguments: str, code: int | None = 0, folder: Path | None = None, stdin: str = "", **env: str
) -> subprocess.CompletedProcess[str]:
    """``clustrix ARGUMENTS``, to its end; fails unless it exits with the code; None: with any."""
    done = subprocess.run(
        [sys.executable, "-m", "clustrix", *arguments],
        cwd=folder,
        env={**os.environ, "COLUMNS": "200", **env},
        input=stdin,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert code in (None, done.returncode), done.stdout + done.stderr
    return done


@contextmanager
def running_script(text: str, *, folder: Path | None = None, **env: str) -> Iterator[subprocess.Popen[str]]:
    """The same while it runs; it leads a process group of its own, as a program does that a shell has started."""
    with (
        _script(text, folder) as (path, where),
        subprocess.Popen(
            [sys.executable, "-u", path],
            cwd=where,
            env={**os.environ, **env},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        ) as process,
    ):
        try:
            yield process
        finally:
            process.kill()


@contextmanager
def _script(text: str, folder: Path | None) -> Iterator[tuple[str, str]]:
    with tempfile.TemporaryDirectory(prefix="script-") as own:
        where = str(folder or own)
        path = os.path.join(where, "script.py")
        Path(path).write_text(text, encoding="utf-8")
        yield path, where


# -- used inside of jobs


def pid() -> int:
    """Which process runs this."""
    return os.getpid()


def add_line(path: str, text: str = "run") -> None:
    """Append one line in one write: a file of them counts runs across any number of processes."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.write(fd, f"{text}\n".encode())
    os.close(fd)


def lines(path: str | Path) -> list[str]:
    """What has been added until now."""
    with suppress(FileNotFoundError):
        return Path(path).read_text(encoding="utf-8").splitlines()
    return []


def wait_for_file(path: str, seconds: float = 60) -> None:
    """Until the file is there, or the time is over."""
    deadline = time.monotonic() + seconds
    while not os.path.exists(path) and time.monotonic() < deadline:
        time.sleep(0.005)


# -- waiting


def wait_until(condition: Callable[[], Any], what: str, seconds: float = 10) -> Any:
    """The first true value of ``condition``; fails the test when there is none in time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = condition()
        if found:
            return found
        time.sleep(0.005)
    raise AssertionError(f"not within {seconds:g} s: {what}")


def alive(pid: int) -> bool:
    """Whether a process is there and is more than a zombie."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


@contextmanager
def everything_waits(folder: Path) -> Iterator[Any]:
    """A job holds all cores while the block lasts: what is submitted in it stays queued."""
    from clustrix import JobState, cluster
    from clustrix.backends.local.capacity import machine_cores

    gate = folder / f"gate-{time.monotonic_ns()}"
    job = cluster(cores=machine_cores())(wait_for_file).submit(str(gate))
    wait_until(lambda: job.state is JobState.RUNNING, "the job that holds all cores runs")
    try:
        yield job
    finally:
        gate.touch()
        job.result(timeout=20)


# -- disks


@contextmanager
def small_disk(path: Path, size: str, more: str = "mode=700") -> Iterator[None]:
    """A file system of that size at ``path`` while the block lasts; the test is skipped where none can be had."""
    import pytest

    if os.geteuid() != 0:
        pytest.skip("mounting needs root")
    path.mkdir(mode=0o700, exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size},{more}", "tmpfs", str(path)], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(path)], check=True)


@contextmanager
def no_more_files() -> Iterator[None]:
    """This process can open none for a while; those that are open stay so."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def fill(path: Path) -> None:
    """With a file that takes all the room there is."""
    with path.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(4096))


# -- a state directory and its processes


def processes_of(state: Path) -> dict[int, str]:
    """Dispatchers, warm parents and runners of a state directory: all of them name it in their command line."""
    found = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit() and int(entry) != os.getpid():
            with suppress(OSError), open(f"/proc/{entry}/cmdline", "rb") as file:
                command = file.read().replace(b"\0", b" ").decode("utf-8", "replace")
                if str(state) in command:
                    found[int(entry)] = command
    return found


def dispatchers_of(state: Path) -> list[int]:
    """Pids of the dispatchers that serve a state directory."""
    pids = []
    for lock in (state / "clustrix" / "dispatchers").glob("*.lock"):
        text = lock.read_text().strip()
        if text and int(text) in processes_of(state):
            pids.append(int(text))
    return pids


def end_everything(state: Path) -> None:
    """Cancel what runs, end the dispatchers by pid; fails when anything of the state directory is left running."""
    from concurrent.futures import wait

    from clustrix import attach

    handles = [attach(job) for job in live_jobs(state)]
    wait([handle for handle in handles if handle.cancel()], 15)
    told: set[int] = set()

    def all_gone() -> bool:
        for pid in set(dispatchers_of(state)) - told:  # one that is just coming up is told later
            told.add(pid)
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
        return not processes_of(state)

    try:
        wait_until(all_gone, "all processes are gone", 60)  # a disk may stand still for a while
    except AssertionError:
        left = {pid: f"{command} ({_doing(pid)})" for pid, command in processes_of(state).items()}
        for pid in left:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        logs = "".join(path.read_text()[-2000:] for path in state.glob("clustrix/dispatchers/*.log"))
        raise AssertionError(f"left running, {told} of them told: {left}\n{logs}") from None


def _doing(pid: int) -> str:
    """What the kernel says of each of its threads."""
    found = []
    with suppress(OSError):
        for thread in os.listdir(f"/proc/{pid}/task"):
            folder = Path("/proc", str(pid), "task", thread)
            status = (folder / "stat").read_text().rpartition(")")[2].split()[0]
            found.append(
                f"{status} {(folder / 'wchan').read_text()} {(folder / 'syscall').read_text()[:20].strip()}"
            )
    return "; ".join(found)


def live_jobs(state: Path) -> list[str]:
    """Ids of the jobs that have not ended."""
    return _ids(state, "WHERE state IN ('CREATED', 'STAGING', 'QUEUED', 'RUNNING')")


def newest_job(state: Path) -> str:
    """Id of the job that was submitted last."""
    return _ids(state, "ORDER BY seq DESC LIMIT 1")[0]


def _ids(state: Path, which: str) -> list[str]:
    path = state / "clustrix" / "journal.db"
    if not path.exists():
        return []
    with closing(sqlite3.connect(path)) as sql:
        return [row[0] for row in sql.execute(f"SELECT id FROM jobs {which}")]  # noqa: S608 - texts from above
