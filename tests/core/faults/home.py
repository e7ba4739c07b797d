"""A state directory of its own, with real processes that use it, and what ends them all."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

PRELUDE = """
import os, sys, time
from clustrix import attach, cluster, configure

HOME = os.environ["TEST_HOME"]

def count(name):
    fd = os.open(os.path.join(HOME, "runs"), os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.write(fd, (str(name) + "\\n").encode())
    os.close(fd)
"""


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

    def warm_parents(self) -> list[int]:
        """The pids of the dispatcher's warm parents."""
        dispatcher = self.dispatcher()
        found = []
        for pid in self.processes():
            with suppress(OSError):
                if Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1] == str(dispatcher):
                    found.append(pid)
        return found

    def _is_ours(self, pid: int) -> bool:
        try:
            environ = Path(f"/proc/{pid}/environ").read_bytes()
            command = Path(f"/proc/{pid}/cmdline").read_bytes()
        except OSError:
            return False
        return str(self.root).encode() in environ + command

    def processes(self) -> list[int]:
        """All that live and belong to this home: by environment or command line, or descended from such."""
        parents = {}
        ours = set()
        for entry in Path("/proc").iterdir():
            if not entry.name.isdigit() or int(entry.name) == os.getpid():
                continue
            with suppress(OSError, ValueError):
                fields = (entry / "stat").read_text().rsplit(")", 1)[1].split()
                if fields[0] == "Z":
                    continue
                parents[int(entry.name)] = int(fields[1])
                if self._is_ours(int(entry.name)):
                    ours.add(int(entry.name))
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


def until(condition: object, seconds: float = 10.0) -> bool:
    """Wait until a condition holds; whether it did in time."""
    assert callable(condition)
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.02)
    return bool(condition())
