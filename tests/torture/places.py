"""Where jobs are tortured: this machine, a machine over SSH, Slurm.  Each has a home and a state directory of its own, and is made anew for each session."""

from __future__ import annotations

import json
import os
import pwd
import shutil
import signal
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Protocol

from clustrix.runner import claim, layout
from tests.testbed.slurm import Slurm
from tests.testbed.sshd import Sshd
from tests.testbed.user import cluster_user, remove_for

NAMES = ("local", "ssh", "slurm")
_ONE_STEP_SECONDS = 60.0


class Place(Protocol):
    """Where the jobs of one session run."""

    name: str
    root: Path
    """The session's home, with its state directory."""
    shared: Path
    """What both sides see: ``runs``, where jobs note that they have been run; ``flags``, for what counts the passages of a point; ``gates``, for which jobs wait."""
    settle_s: float
    """How long all jobs may take to come to their ends, once none waits for anything."""
    far: bool
    """Whether it is another machine: there, jobs cannot submit jobs."""

    def variables(self, near: str = "", far: str = "") -> dict[str, str]:
        """The session's: ``near`` and ``far`` are faults on this side and there."""

    def runners(self, job: str) -> list[int]:
        """The processes that have begun with a job, and still run, as far as they can be killed from here."""

    def helpers(self) -> list[int]:
        """The processes there that look after jobs, or speak with this side."""

    def cut(self) -> int:
        """End all connections, and tell how many."""

    def left(self) -> list[str]:
        """What is there of the place's own that should not be when all is over."""

    def close(self, kept: bool = False) -> None:
        """End what belongs to it, and remove its files, unless ``kept``, for a look at them."""


Make = Callable[[], Place]


class Here:
    """This machine."""

    name = "local"
    settle_s = _ONE_STEP_SECONDS
    far = False

    def __init__(self) -> None:
        self.root = self.shared = _shared(Path(tempfile.mkdtemp(prefix="cut-")))

    def variables(self, near: str = "", far: str = "") -> dict[str, str]:
        return {"CLUSTRIX_FAULT": near} if near else {}

    def runners(self, job: str) -> list[int]:
        return _holders(self.root / "clustrix" / "live" / job)

    def helpers(self) -> list[int]:
        return []

    def cut(self) -> int:
        return 0

    def left(self) -> list[str]:
        """Folders of live jobs."""
        return [f"live/{name}" for name in os.listdir(self.root / "clustrix" / "live")]

    def close(self, kept: bool = False) -> None:
        if not kept:
            shutil.rmtree(self.root, ignore_errors=True)


class Machine:
    """A machine over SSH, where its user's login has the faults."""

    name = "ssh"
    settle_s = 2 * _ONE_STEP_SECONDS
    far = True

    def __init__(self, user: pwd.struct_passwd) -> None:
        self._user = user
        self.shared = _shared(Path(tempfile.mkdtemp(prefix="cut-")))
        self.shared.chmod(0o755)
        for name in ("runs", "flags"):
            os.chown(self.shared / name, user.pw_uid, user.pw_gid)
        self.root = self.shared / "home"
        self.root.mkdir(mode=0o700)
        self._far = f".clustrix-{self.shared.name}"
        self._sshd: Sshd | None = None

    def variables(self, near: str = "", far: str = "") -> dict[str, str]:
        if self._sshd is None:
            lines = [f"SetEnv CLUSTRIX_FAULT={far}"] if far else []
            self._sshd = Sshd(self.shared / "sshd", self._user, lines=lines)
            known = self.root / ".ssh" / "known_hosts"
            known.parent.mkdir(mode=0o700)
            known.write_text(self._sshd.known_hosts.read_text())
            # OpenSSH takes the home from the system's list of users, clustrix takes it as told.
            (known.parent / "config").write_text(
                f"Host *\n  UserKnownHostsFile {known}\n  GlobalKnownHostsFile none\n"
            )
        settings = {"cluster_type": self.name, "remote_work_dir": f"~/{self._far}", **self._sshd.settings}
        found = {f"CLUSTRIX_{name.upper()}": str(value) for name, value in settings.items()}
        return {**found, "CLUSTRIX_FAULT": near} if near else found

    def runners(self, job: str) -> list[int]:
        """Each with those that look after it: they have a session of their own."""
        sessions = {_session(pid) for pid in _holders(Path(self._user.pw_dir, self._far, "jobs", job))}
        return [pid for pid, _ in self._commands() if _session(pid) in sessions - {0}]

    def helpers(self) -> list[int]:
        """Agents, and the keepers themselves."""
        connections = self._sshd.connections() if self._sshd is not None else []
        agents = [pid for pid in self._processes() if _parent(_parent(pid)) in connections]
        keepers = [pid for pid, command in self._commands() if " keeper " in command]
        jobs = Path(self._user.pw_dir, self._far, "jobs")
        at_work = {_session(pid) for job in jobs.glob("*") for pid in _holders(job)}
        return agents + [
            pid for pid in keepers if _parent(pid) not in keepers and _session(pid) not in at_work
        ]

    def cut(self) -> int:
        return self._sshd.cut() if self._sshd is not None else 0

    def left(self) -> list[str]:
        """Jobs that still run."""
        return [command for _, command in self._commands() if "start.py" in command and "keep" not in command]

    def close(self, kept: bool = False) -> None:
        if self._sshd is not None:
            self._sshd.stop()
        for pid, _ in self._commands():
            kill(pid)
        if kept:
            return
        shutil.rmtree(self.shared, ignore_errors=True)
        remove_for(self._user, self._far)

    def _processes(self) -> Iterator[int]:
        for entry in Path("/proc").iterdir():
            with suppress(OSError, ValueError):  # it has just ended, or is none
                if entry.stat().st_uid == self._user.pw_uid:
                    yield int(entry.name)

    def _commands(self) -> Iterator[tuple[int, str]]:
        """Of processes that clustrix has begun in its folder there."""
        for pid in self._processes():
            with suppress(OSError):
                command = Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
                if self._far in command:
                    yield pid, command


class Batch(Machine):
    """Slurm, which runs; its jobs have the faults, as its user's login has."""

    name = "slurm"
    settle_s = 3 * _ONE_STEP_SECONDS

    def variables(self, near: str = "", far: str = "") -> dict[str, str]:
        found = super().variables(near, far)
        if far:
            (self.shared / "faults").write_text(f"export CLUSTRIX_FAULT='{far}'\n")
            found["CLUSTRIX_PRE_EXECUTION_COMMANDS"] = json.dumps([f". {self.shared}/faults"])
        return found


@contextmanager
def place(name: str) -> Iterator[Make]:
    """What makes places of that name."""
    if name == "local":
        yield Here
    elif name == "ssh":
        user = cluster_user()
        yield lambda: Machine(user)
    else:
        user = cluster_user()
        with tempfile.TemporaryDirectory() as folder:
            Path(folder).chmod(0o755)
            slurm = Slurm(Path(folder))
            try:
                yield lambda: Batch(user)
            finally:
                slurm.stop()


def kill(pid: int) -> bool:
    """SIGKILL; whether there was anybody."""
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
        return True
    return False


def _session(pid: int) -> int:
    """Of processes; 0 if it has ended."""
    try:
        return os.getsid(pid)
    except ProcessLookupError:
        return 0


def _parent(pid: int) -> int:
    """Of a process; 0 if it has ended."""
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0


def _shared(folder: Path) -> Path:
    for name in ("runs", "flags", "gates"):
        (folder / name).mkdir()
    return folder


def _holders(folder: Path) -> list[int]:
    """Of the claims of a job's folder, of its workers', and of its places of work."""
    with suppress(FileNotFoundError):  # it has ended meanwhile
        paths = [folder, *folder.glob(f"{layout.WORKER}*"), *folder.glob(f"{layout.ELEMENTS}/*")]
        holders = [claim.read(str(path / layout.CLAIM)) for path in sorted(paths, reverse=True)]
        return [holder.pid for holder in holders if holder is not None and holder.lives()]
    return []
