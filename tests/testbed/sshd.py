"""A real OpenSSH server on this machine, on a port of its own."""

from __future__ import annotations

import os
import pwd
import signal
import socket
import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from tests.testbed.processes import children, end, read_pid

_SECONDS = 10.0


class Sshd:
    """For one user.  ``key`` opens it; ``known_hosts`` knows it."""

    def __init__(
        self,
        folder: Path,
        user: pwd.struct_passwd,
        *,
        lines: Sequence[str] = (),
        host_key_types: Sequence[str] = ("ed25519",),
        address: str = "127.0.0.1",
        prefix: Sequence[str] = (),
        program: str = "/usr/sbin/sshd",
    ) -> None:
        """``lines``: more for its configuration; ``prefix``: starts it elsewhere, as in a network namespace; ``program``: by another name."""
        self._program = program
        self.folder = folder
        self.user = user
        self.host = address
        self.port = _free_port(address) if not prefix else 2222
        self.key = folder / "id_user"
        self.known_hosts = folder / "known_hosts"
        self._lines = lines
        self._types = host_key_types
        self._prefix = list(prefix)
        self._pid_file = folder / "sshd.pid"
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o755)
        self._make_keys()
        self.start()

    def _make_keys(self) -> None:
        make_key(self.key)
        known = []
        for kind in self._types:
            path = make_key(self.folder / f"host_{kind}", kind)
            known.append(f"[{self.host}]:{self.port} {path.with_suffix('.pub').read_text()}")
        self.known_hosts.write_text("".join(known))
        self.allow(self.key.with_suffix(".pub").read_text())

    def allow(self, *public: str) -> None:
        """The keys that open it, and no others."""
        path = self.folder / "authorized_keys"
        path.write_text("\n".join(public) + "\n")
        path.chmod(0o644)

    def start(self) -> None:
        Path("/run/sshd").mkdir(exist_ok=True)
        config = self.folder / "sshd_config"
        config.write_text(
            "\n".join(
                [
                    *self._lines,
                    f"Port {self.port}",
                    f"ListenAddress {self.host}",
                    *(f"HostKey {self.folder}/host_{kind}" for kind in self._types),
                    f"PidFile {self._pid_file}",
                    f"AuthorizedKeysFile {self.folder}/authorized_keys",
                    "StrictModes no",
                    "PasswordAuthentication no",
                    "KbdInteractiveAuthentication no",
                    "UsePAM no",
                    "MaxStartups 100",
                    "MaxSessions 50",
                    "PrintMotd no",
                    "Subsystem sftp internal-sftp",
                    "",
                ]
            )
        )
        command = [*self._prefix, self._program, "-f", str(config), "-E", str(self.folder / "sshd.log")]
        subprocess.run(command, check=True)
        deadline = time.monotonic() + _SECONDS
        while read_pid(self._pid_file) is None:
            assert time.monotonic() < deadline, (self.folder / "sshd.log").read_text()
            time.sleep(0.005)

    def cut(self) -> int:
        """End all connections at once, and tell how many; what runs over them is left alone, as far as sshd does."""
        found = self.connections()
        for pid in found:
            with suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        return len(found)

    def connections(self) -> list[int]:
        """The processes that each serve one."""
        pid = read_pid(self._pid_file)
        found = []
        for child in children(pid) if pid is not None else ():
            with suppress(OSError), open(f"/proc/{child}/comm") as file:
                if file.read().startswith("sshd"):
                    found.append(child)
        return found

    def stop(self) -> None:
        """It ends, with its connections."""
        pid = read_pid(self._pid_file)
        if pid is not None:
            os.kill(pid, signal.SIGSTOP)  # no connection comes in between
            self.cut()
            os.kill(pid, signal.SIGCONT)
        end(self._pid_file)

    @property
    def settings(self) -> dict[str, object]:
        """For ``configure``."""
        return {
            "cluster_host": self.host,
            "cluster_port": self.port,
            "username": self.user.pw_name,
            "key_file": str(self.key),
        }


def make_key(path: Path, kind: str = "ed25519", passphrase: str = "", *options: str) -> Path:
    """A new key pair, unless there is one."""
    if not path.exists():
        command = [
            "ssh-keygen",
            "-q",
            "-t",
            kind,
            "-N",
            passphrase,
            "-C",
            "testbed",
            "-f",
            str(path),
            *options,
        ]
        subprocess.run(command, check=True)
    return path


def _free_port(address: str) -> int:
    with socket.socket() as probe:
        probe.bind((address, 0))
        return int(probe.getsockname()[1])
