"""Runs the jobs of a machine without a batch system: one process for each user and interpreter, while there are jobs.

``python start.py keeper FOLDER LOCK PYTHON IDLE_SECONDS``.  Below the folder, which is that of one host: ``queue/JOB``, a link to the job's folder; ``cores/N``, a
file for each core, locked by who uses it; ``poke``, a FIFO that wakes the keeper.

What holds after a kill between any two steps: a job stays in the queue until its claim is taken; jobs go on without the keeper, and
hold their cores, since locks go with the processes that have inherited them.  The next keeper finds it all.
"""

from __future__ import annotations

import errno
import fcntl
import gc
import importlib
import json
import os
import select
import signal
import subprocess
import sys
import time
from contextlib import suppress

from clustrix.runner import bundles, layout, rehearsal, setup, whole
from clustrix.runner.faults import point
from clustrix_ssh.far import job, records
from clustrix_ssh.far.ending import Told, read

SCRIPT = "script"
_LOOK_SECONDS = 1.0
"""Between looks at the queue while jobs wait for cores that another keeper's jobs have."""
_LOCK_SECONDS = 10.0
_LARGEST_FORESEEN_BYTES = 1 << 20
_WANTED_BY_ALL = (
    "clustrix.decorator",
    "clustrix.within",
    "clustrix_ssh.far.calls",
    "clustrix_ssh.far.places",
    "encodings.ascii",
    "tempfile",
)


class Keeper:
    """The queue of one host."""

    def __init__(self, folder: str, lock: int, lock_path: str, python: str, idle_s: float) -> None:
        self._lock, self._lock_path = lock, lock_path
        self._python = python
        self._queue = os.path.join(folder, "queue")
        self._cores = os.path.join(folder, "cores")
        self._fifo = os.path.join(folder, "poke")
        self._idle_s = idle_s
        self._is_warm = False
        self._latest: tuple[str, str] | None = None
        """The folder of the job that was begun last and its blobs, until they have been looked at."""
        self._running: dict[int, tuple[str, list[int]]] = {}
        """By pid: the job, and its locks."""
        for path in (self._queue, self._cores):
            os.makedirs(path, mode=0o700, exist_ok=True)
        with suppress(FileExistsError):
            os.mkfifo(self._fifo, 0o600)
        self._all = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        self._wakeup, self._wake = os.pipe()
        for fd in (self._wakeup, self._wake):
            os.set_blocking(fd, False)
        signal.signal(signal.SIGCHLD, lambda number, frame: None)
        signal.set_wakeup_fd(self._wake, warn_on_full_buffer=False)

    def run(self) -> int:
        """Until there has been nothing to do for a while."""
        poke = self._listen()
        idle_since = time.monotonic()
        while True:
            waiting = self._begin_some()
            self._warm_up()
            self._foresee()
            if waiting or self._running:
                idle_since = time.monotonic()
            left = idle_since + self._idle_s - time.monotonic()
            if left <= 0 and not self._is_lock_mine():
                return 0
            if left <= 0:
                os.close(poke)  # from now on who pokes hears that nobody is there
                if not os.listdir(self._queue):
                    return 0
                poke = self._listen()
                idle_since = time.monotonic()
                continue
            timeout = _LOOK_SECONDS if waiting else None if self._running else left
            select.select([poke, self._wakeup], [], [], timeout)
            for fd in (poke, self._wakeup):
                with suppress(BlockingIOError):
                    while os.read(fd, 4096):
                        continue
            self._reap()

    def _warm_up(self) -> None:
        """Have in memory what nearly all jobs import: after the first has begun, so that it does not wait for that."""
        if not self._is_warm:
            self._is_warm = True
            for name in _WANTED_BY_ALL:
                importlib.import_module(name)
            setup.remember_inheritance()
            rehearsal.of_call()
            gc.collect()
            gc.freeze()  # else each job's first collection would copy all of it

    def _is_lock_mine(self) -> bool:
        """Somebody may have removed all of it, and another keeper have begun in the same place."""
        with suppress(FileNotFoundError):
            return os.path.samestat(os.stat(self._lock_path), os.fstat(self._lock))
        return False

    def _listen(self) -> int:
        # Open for writing too: else the end of the only writer would be an end of file, again and again.
        return os.open(self._fifo, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)

    def _begin_some(self) -> bool:
        """Begin what there are cores for, in the order of submission; whether any job has to wait."""
        mine = {name for name, _ in self._running.values()}
        for name in sorted(os.listdir(self._queue)):
            if name in mine:
                continue
            folder = os.path.realpath(os.path.join(self._queue, name))
            told = read(folder)
            if told is None or any(
                os.path.exists(os.path.join(folder, done)) for done in (layout.RESULT, layout.CLAIM)
            ):
                self._leave_queue(name)
                continue
            if told["python"] != self._python and not told["script"]:
                continue  # another keeper's
            locks = self._take_cores(told)
            if locks is None:
                return True
            self._begin(name, folder, told, locks)
        return False

    def _leave_queue(self, name: str) -> None:
        with suppress(FileNotFoundError):
            os.unlink(os.path.join(self._queue, name))

    def _take_cores(self, told: Told) -> list[int] | None:
        """Locks for as many cores as it needs; of a map, for as many of its workers as there is room for."""
        least = min(told["cores"], self._all)
        most = least if told["kind"] != "map" else min(least * told["workers"], self._all - self._all % least)
        locks: list[int] = []
        for number in range(self._all):
            fd = os.open(os.path.join(self._cores, str(number)), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                os.close(fd)
                if error.errno not in (errno.EAGAIN, errno.EACCES):
                    raise
                continue
            locks.append(fd)
            if len(locks) == most:
                break
        spare = len(locks) % least if len(locks) >= least else len(locks)
        for fd in locks[len(locks) - spare :]:
            os.close(fd)
        return locks[: len(locks) - spare] if len(locks) >= least else None

    def _begin(self, name: str, folder: str, told: Told, locks: list[int]) -> None:
        if told["script"]:
            log = os.open(os.path.join(folder, "log"), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            command = ["/bin/bash", os.path.join(folder, SCRIPT)]
            variables = {**os.environ, "CLUSTRIX_CORES": str(len(locks))}
            point("keeper.start")
            child = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=variables,
                pass_fds=locks,
                start_new_session=True,
            )
            os.close(log)
            self._running[child.pid] = (name, locks)
            child.returncode = 0  # it is reaped below
            return
        point("keeper.fork")
        pid = os.fork()
        if pid == 0:
            code = 70
            try:
                os.setsid()
                signal.set_wakeup_fd(-1)
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                os.environ["CLUSTRIX_CORES"] = str(len(locks))
                for _, others in self._running.values():  # a lock is held for as long as anybody has it open
                    for fd in others:
                        os.close(fd)
                code = job.run(folder)
            except BaseException:  # the process's edge: the keeper's log has it
                sys.excepthook(*sys.exc_info())
            finally:
                os._exit(code)
        self._running[pid] = (name, locks)
        self._latest = folder, told["blobs"]

    def _foresee(self) -> None:
        """Prepare for more jobs like the latest one."""
        if self._latest is None:
            return
        (folder, blobs), self._latest = self._latest, None
        path = os.path.join(folder, layout.PAYLOAD)
        with suppress(OSError):  # it has come to its end, and been removed
            if os.path.getsize(path) <= _LARGEST_FORESEEN_BYTES:
                with open(path, "rb") as file:
                    bundles.foresee(file.read(), blobs)

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            name, locks = self._running.pop(pid, ("", []))
            for fd in locks:
                os.close(fd)
            if name:
                self._look_after(name, status)

    def _look_after(self, name: str, status: int) -> None:
        """One that ended without a result leaves how it ended."""
        folder = os.path.realpath(os.path.join(self._queue, name))
        told = read(folder)
        if (
            told is not None
            and os.waitstatus_to_exitcode(status) != layout.EX_CLAIMED
            and not os.path.exists(os.path.join(folder, layout.RESULT))
        ):
            text = json.dumps({"status": status})
            whole.write(os.path.join(folder, layout.EXIT_STATUS), [text.encode()], "keeper.status")
            records.write(told["records"], told["job"], records.ENDED, status=status)
        self._leave_queue(name)


def main(folder: str, lock_path: str, python: str, idle_s: str) -> int:
    """Keep the queue, if nobody else does with this interpreter."""
    os.makedirs(folder, mode=0o700, exist_ok=True)
    lock = os.open(lock_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    deadline = time.monotonic() + _LOCK_SECONDS
    while True:  # one that is about to leave may still have it
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except OSError:
            if time.monotonic() > deadline:
                return layout.EX_CLAIMED
            time.sleep(0.02)
    return Keeper(folder, lock, lock_path, python, float(idle_s)).run()
