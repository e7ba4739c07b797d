"""A state directory of its own, with real processes that use it, and what ends them all."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

from tests.testbed.processes import lives

PRELUDE = """
import os, sys, time
from clustrix import attach, cluster, configure

HOME = os.environ["TEST_HOME"]

def count(name):
    fd = os.open(os.path.join(HOME, "runs"), os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.write(fd, (str(name) + "\\n").encode())
    os.close(fd)

@cluster
def work(n):
    count(n)
    return n * n
"""


_KERNELS = b"2"
"""The parent of threads of the kernel."""


class Home:
    """One fault test's world."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.state = root / "clustrix"
        self.environ = {**os.environ, "XDG_STATE_HOME": str(root), "TEST_HOME": str(root)}
        self.environ.pop("CLUSTRIX_FAULT", None)

    def start(self, script: str, **environ: str) -> subprocess.Popen[str]:
        """A Python process with the script, its output at hand."""
        with tempfile.NamedTemporaryFile("w", dir=self.root, suffix=".py", delete=False) as file:
            file.write(PRELUDE + script)
        return subprocess.Popen(
            [sys.executable, file.name],
            env={**self.environ, **environ},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def run(self, script: str, timeout: float = 60, **environ: str) -> str:
        """Run a script to its end; its standard output.  Fails with its error output."""
        process = self.start(script, **environ)
        try:
            out, err = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            out, err = process.communicate()
            raise AssertionError(f"not done after {timeout} s\n{out}\n{err}\n{self.log()}") from None
        assert process.returncode == 0, f"exit {process.returncode}\n{out}\n{err}\n{self.log()}"
        return out

    def results(self, ids: list[str], timeout: float = 60) -> list[str]:
        """``repr`` of the results of jobs, or of their errors' types, fetched by another process."""
        script = f"""
for job in {ids!r}:
    try:
        print(repr(attach(job).result(timeout={timeout})))
    except Exception as error:
        print(type(error).__name__, str(error).replace(chr(10), " "))
"""
        return self.run(script, timeout * 2).splitlines()

    def runs(self) -> Counter[str]:
        """How often each job has run, as the counter file says."""
        path = self.root / "runs"
        return Counter(path.read_text().splitlines()) if path.exists() else Counter()

    def log(self) -> str:
        """The end of the dispatchers' logs."""
        logs = sorted(self.state.glob("dispatchers/*.log"))
        return "\n".join(path.read_text()[-3000:] for path in logs)

    def dispatcher(self) -> int | None:
        """The pid of the dispatcher, if one lives."""
        for path in self.state.glob("dispatchers/*.lock"):
            text = path.read_text().strip()
            if text and Path(f"/proc/{text}").exists() and self._is_ours(int(text)):
                return int(text)
        return None

    def kill_dispatcher(self) -> bool:
        """SIGKILL it; whether there was one."""
        pid = self.dispatcher()
        if pid is None:
            return False
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        return True

    def stand_still(self, pid: int) -> bool:
        """SIGSTOP it, but not in the middle of a commit: all would wait for it; whether it stands now."""
        with suppress(ProcessLookupError), open(self.state / "journal.db.lock") as turn:
            os.kill(pid, signal.SIGSTOP)
            # It goes on for a moment, on a busy machine for a long one.
            until(lambda: _threads(pid) <= {b"T", b"Z"}, 5)
            try:
                fcntl.flock(turn, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return True
            except BlockingIOError:
                os.kill(pid, signal.SIGCONT)
        return False

    def warm_parents(self) -> list[int]:
        """The pids of the dispatcher's warm parents."""
        dispatcher = self.dispatcher()
        with suppress(OSError):
            pids = map(int, _read(f"{dispatcher}/task/{dispatcher}/children").split())
            return [pid for pid in pids if lives(pid)]
        return []

    def _is_ours(self, pid: int) -> bool:
        root = str(self.root).encode()
        try:
            return root in _read(f"{pid}/environ") or root in _read(f"{pid}/cmdline")
        except OSError:
            return False

    def processes(self) -> list[int]:
        """All that live and belong to this home: by environment or command line, or descended from such."""
        parents = {}
        ours = set()
        for name in os.listdir("/proc"):
            if not name.isdigit() or int(name) == os.getpid():
                continue
            with suppress(OSError):
                state, parent, *_ = _read(f"{name}/stat").rpartition(b")")[2].split()
                if state == b"Z" or parent == _KERNELS:
                    continue
                parents[int(name)] = int(parent)
                if self._is_ours(int(name)):
                    ours.add(int(name))
        grown = True
        while grown:
            below = {pid for pid, parent in parents.items() if parent in ours} - ours
            ours |= below
            grown = bool(below)
        return sorted(ours)

    def stop(self) -> None:
        """End everything of this home."""
        for _ in range(50):
            found = self.processes()
            if not found:
                return
            for pid in found:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(0.05)
        raise AssertionError(f"still there: {self.processes()}")


def _threads(pid: int) -> set[bytes]:
    """What the threads of a process do; nothing if it has ended."""
    with suppress(OSError):
        return {
            _read(f"{pid}/task/{task}/stat").rpartition(b")")[2].split()[0]
            for task in os.listdir(f"/proc/{pid}/task")
        }
    return set()


def _read(name: str) -> bytes:
    """A file below /proc, which is looked at often."""
    fd = os.open(f"/proc/{name}", os.O_RDONLY)
    try:
        return b"".join(iter(lambda: os.read(fd, 1 << 16), b""))
    finally:
        os.close(fd)


def until(condition: object, seconds: float = 10.0) -> bool:
    """Wait until a condition holds; whether it did in time."""
    assert callable(condition)
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.02)
    return bool(condition())
