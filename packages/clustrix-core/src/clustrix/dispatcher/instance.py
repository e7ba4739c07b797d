"""There is one dispatcher for an environment: its lock, its socket, and how it is started.

The lock is a ``flock`` on ``dispatchers/NAME.lock`` and goes with the process that holds it, however that ends; what is left of a
dead dispatcher's socket is replaced by the next.
"""

from __future__ import annotations

import fcntl
import os
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress

from clustrix.journal import Place
from clustrix.runner.faults import point

PROTOCOL = 2
CONNECT_SECONDS = 15.0
"""A dispatcher that has not come up by then does not come."""
_PAUSE_SECONDS = 0.004
_LONGEST_PAUSE_SECONDS = 0.25
_LONGEST_SOCKET_PATH = 100
"""The kernel's limit is 108 bytes on Linux, 104 on macOS."""

_MOST_AT_THE_DOOR = 4096
"""Who submits does not wait while many others connect; the system may allow fewer."""

_KEPT_VARIABLES = ("HOME", "PATH", "USER", "LOGNAME", "SHELL", "TMPDIR", "TZ", "LANG", "VIRTUAL_ENV")
_KEPT_PREFIXES = ("LC_", "XDG_", "PYTHON", "LD_", "DYLD_", "CONDA", "CLUSTRIX_")


def names(place: Place) -> list[str]:
    """Of all dispatchers that there have been on a state directory; none where there is no directory."""
    with suppress(FileNotFoundError):
        found = (name for name in os.listdir(place.dispatchers) if name.endswith(".lock"))
        return sorted(name.removesuffix(".lock") for name in found)
    return []


class Instance:
    """The names of one environment's dispatcher."""

    def __init__(self, place: Place, name: str) -> None:
        self.place = place
        self.name = name
        self._base = os.path.join(place.dispatchers, name)

    @property
    def log(self) -> str:
        return self._base + ".log"

    def try_lock(self) -> int | None:
        """Become the dispatcher: the lock's descriptor, or None while another holds it."""
        fd = os.open(self._base + ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        if not _locked(fd):
            os.close(fd)
            return None
        # The holder's pid is for people; nothing is decided by it.
        point("dispatcher.clear-pid")
        os.ftruncate(fd, 0)
        point("dispatcher.write-pid")
        os.pwrite(fd, f"{os.getpid()}\n".encode(), 0)
        return fd

    def running(self) -> bool:
        """Whether some process holds the lock."""
        try:
            fd = os.open(self._base + ".lock", os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        try:
            fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(fd)
        return False

    def listen(self) -> socket.socket:
        """The listening socket; only the lock's holder may call this."""
        with suppress(FileNotFoundError):
            os.unlink(self._base + ".sock")
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        before = os.umask(0o177)
        try:
            _with_short_path(self._base + ".sock", listener.bind)
        finally:
            os.umask(before)
        listener.listen(_MOST_AT_THE_DOOR)
        listener.setblocking(False)
        return listener

    def unlink_socket(self) -> None:
        """New clients shall not find this dispatcher any more."""
        with suppress(FileNotFoundError):
            os.unlink(self._base + ".sock")

    def connect(self) -> socket.socket:
        """Connect to the dispatcher; raises OSError when none listens, PermissionError when it is not ours."""
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            _with_short_path(self._base + ".sock", connection.connect)
            check_peer(connection)
        except OSError:
            connection.close()
            raise
        return connection

    def other(self, name: str) -> Instance:
        """Another environment's dispatcher on the same state directory."""
        return Instance(self.place, name)

    def successor(self) -> list[str]:
        """The command with which a warm parent replaces a dispatcher that was killed."""
        return command(self.place.root, self.name)

    def start(self, executable: str = "") -> None:
        """Start the dispatcher in a process of its own, and do not wait for it; nothing if one is just being started."""
        starting = os.open(self._base + ".start", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            if _locked(starting):
                self._start(executable, starting)
        finally:
            os.close(starting)

    def _start(self, executable: str, starting: int) -> None:
        environment = {
            name: value
            for name, value in os.environ.items()
            if name in _KEPT_VARIABLES or name.startswith(_KEPT_PREFIXES)
        }
        log = os.open(self.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            point("dispatcher.start")
            process = subprocess.Popen(
                [*command(self.place.root, self.name, executable), str(starting)],
                pass_fds=(starting,),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                env=environment,
                start_new_session=True,
            )
        finally:
            os.close(log)
        process.returncode = (
            0  # it outlives most of its submitters, and shall not be warned of as still running
        )
        _started.append(process.pid)
        for pid in list(_started):
            with suppress(ChildProcessError):
                if os.waitpid(pid, os.WNOHANG)[0] == 0:
                    continue
            _started.remove(pid)


def _locked(fd: int) -> bool:
    """Lock a file for this process; False while another has it."""
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


_started: list[int] = []
"""Pids, reaped when the next one is started."""


def command(root: str, name: str, executable: str = "") -> list[str]:
    """The command that runs a dispatcher in the foreground."""
    return [executable or sys.executable, "-m", "clustrix.dispatcher", root, name]


def _with_short_path(path: str, use: Callable[[str], object]) -> None:
    """Call ``use(path)``, with a way round the kernel's limit on the length of a socket's path."""
    if len(os.fsencode(path)) <= _LONGEST_SOCKET_PATH or not os.path.isdir("/proc/self/fd"):
        use(path)
        return
    folder = os.open(os.path.dirname(path), os.O_RDONLY | os.O_DIRECTORY)
    try:
        use(f"/proc/self/fd/{folder}/{os.path.basename(path)}")
    finally:
        os.close(folder)


def check_peer(connection: socket.socket) -> None:
    """The other end must be a process of this user, says the kernel; raises PermissionError."""
    if hasattr(socket, "SO_PEERCRED"):
        size = struct.calcsize("3i")
        _, uid, _ = struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size))
    else:
        # macOS: SOL_LOCAL (0), LOCAL_PEERCRED (1), struct xucred { u_int version; uid_t uid; … }
        _, uid = struct.unpack_from("Ii", connection.getsockopt(0, 1, 76))
    if uid != os.geteuid():
        raise PermissionError(f"the process at the other end belongs to user {uid}")


def until_connected(
    connect: Callable[[], socket.socket], start: Callable[[], None], worth_it: Callable[[], bool]
) -> socket.socket | None:
    """What ``connect`` returns, which raises OSError while there is no dispatcher; ``start`` has one come up.  None if none has in time."""
    deadline = time.monotonic() + CONNECT_SECONDS
    pause = _PAUSE_SECONDS
    while time.monotonic() < deadline and worth_it():
        with suppress(OSError):
            return connect()
        start()
        # Only while a dispatcher is coming up, which takes a tenth of a second.
        time.sleep(pause)
        pause = min(pause * 1.5, _LONGEST_PAUSE_SECONDS)
    return None


def wait_for_lock(instance: Instance, seconds: float) -> int | None:
    """Get the lock, or find that a living dispatcher has it (None).

    One that is just leaving still holds the lock but listens no more: then the lock is worth waiting for.
    """
    deadline = time.monotonic() + seconds
    while True:
        lock = instance.try_lock()
        if lock is not None:
            return lock
        with suppress(OSError):
            instance.connect().close()
            return None
        if time.monotonic() > deadline:
            return None
        time.sleep(0.01)
