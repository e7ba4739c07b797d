"""The stand-in as a service of the test bed, with a SSH server on whose host its commands are."""

from __future__ import annotations

import pwd
import shutil
import subprocess
import sys
import time
from pathlib import Path

from tests.testbed.pbs.book import Book
from tests.testbed.processes import end, read_pid
from tests.testbed.sshd import Sshd
from tests.testbed.user import run_as

_SECONDS = 10.0
_PROGRAMS = ("qsub", "qstat", "qselect", "qdel", "qrls", "qrerun", "pbsnodes")
_ROOT = Path(__file__).parents[3]


class Pbs:
    """One server with one machine of eight cores."""

    def __init__(self, folder: Path, user: pwd.struct_passwd, history: bool = True) -> None:
        self.folder = folder
        self.user = user
        self._history = history
        self.bin = folder / "bin"
        self.bin.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o755)
        for name in _PROGRAMS:
            text = Path(__file__).with_name("client.py").read_text()
            (self.bin / name).write_text(f"#!/usr/bin/python3 -IS\n{text}")
            (self.bin / name).chmod(0o755)
        self.start_server()
        path = f"{self.bin}:/usr/local/bin:/usr/bin:/bin"
        self.sshd = Sshd(folder / "sshd", user, lines=[f"SetEnv PATH={path}"])

    def start_server(self) -> None:
        command = [sys.executable, "-m", "tests.testbed.pbs.server", str(self.folder)]
        with open(self.folder / "log", "ab") as log:
            self._server = subprocess.Popen(
                command + ([] if self._history else ["--no-history"]),
                cwd=_ROOT,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        deadline = time.monotonic() + _SECONDS
        while read_pid(self.folder / "pid") is None:
            assert time.monotonic() < deadline, (self.folder / "log").read_text()
            time.sleep(0.02)

    def stop_server(self) -> None:
        """Its jobs go on."""
        end(self.folder / "pid")
        self._server.wait()
        (self.folder / "server").unlink(missing_ok=True)

    def run(self, program: str, *argv: str) -> subprocess.CompletedProcess[str]:
        """As the administrator."""
        return subprocess.run([str(self.bin / program), *argv], capture_output=True, text=True, check=False)

    def run_as_user(self, program: str, *argv: str) -> subprocess.CompletedProcess[str]:
        return run_as(self.user, str(self.bin / program), *argv, check=False)

    def quiet(self) -> None:
        """End all jobs."""
        listed = self.run("qselect", "-u", self.user.pw_name).stdout.split()
        if listed:
            self.run("qdel", *listed)

    def stop(self) -> None:
        self.quiet()
        deadline = time.monotonic() + _SECONDS
        while self.run("qselect").stdout.strip() and time.monotonic() < deadline:
            time.sleep(0.1)
        self.stop_server()
        self.sshd.stop()
        Book(self.folder / "spool").clear()
        shutil.rmtree(self.bin)
