"""The floor: the least that a durable spine can do, measured on the same machine in the same run.

A submission is one synchronous commit of a row and one byte on a socket.  A single-threaded process that has nothing but pickle
loaded forks for each job; the child claims with ``O_EXCL``, calls the function, writes the result aside and renames it;
the parent commits results, many in one transaction, and answers.  No blobs, no environments, no logs, no limits, no recovery.

``python -S floor.py FOLDER``: that process.
"""

from __future__ import annotations

import os
import pickle
import select
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from statistics import median

_SCHEMA = "CREATE TABLE jobs (id INTEGER PRIMARY KEY, payload BLOB, result BLOB)"
_PAYLOAD_BYTES = 1_000


def nothing() -> None:
    """What the floor's jobs do."""


class Spine:
    """The submitter's side."""

    def __init__(self, folder: Path) -> None:
        self._sql = _open(folder)
        self._sql.execute(_SCHEMA)
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(folder / "socket"))
        listener.listen()
        self._process = subprocess.Popen([sys.executable, "-S", __file__, str(folder)])
        self._line = listener.accept()[0]
        listener.close()

    def submit(self) -> None:
        """Returns when the job is on disk."""
        self._sql.execute(
            "INSERT INTO jobs (payload) VALUES (?)",
            (pickle.dumps((nothing.__name__, bytes(_PAYLOAD_BYTES))),),
        )
        self._line.sendall(b"s")

    def wait(self, jobs: int) -> None:
        """Until so many results are committed."""
        while jobs > 0:
            jobs -= len(self._line.recv(65536))

    def close(self) -> None:
        self._line.close()
        self._process.wait(30)
        self._sql.close()

    def round_trip_s(self, times: int) -> float:
        """Median seconds of a submission and its result."""
        taken = []
        for _ in range(times):
            started = time.perf_counter()
            self.submit()
            self.wait(1)
            taken.append(time.perf_counter() - started)
        return median(taken)

    def rate(self, jobs: int) -> float:
        """Jobs a second, submitted in a row."""
        started = time.perf_counter()
        for _ in range(jobs):
            self.submit()
        self.wait(jobs)
        return jobs / (time.perf_counter() - started)


def spine_of(home: Path) -> Spine:
    """One in a folder of its own."""
    folder = home / "floor"
    folder.mkdir()
    spine = Spine(folder)
    spine.round_trip_s(20)
    return spine


def _open(folder: Path) -> sqlite3.Connection:
    sql = sqlite3.connect(folder / "floor.db", isolation_level=None, timeout=30)
    sql.execute("PRAGMA journal_mode = WAL")
    sql.execute("PRAGMA synchronous = FULL")
    return sql


def _serve(folder: Path) -> None:
    sql = _open(folder)
    line = socket.socket(socket.AF_UNIX)
    line.connect(str(folder / "socket"))
    wakeup, wakeup_write = socket.socketpair()
    for end in (line, wakeup, wakeup_write):
        end.setblocking(False)
    signal.signal(signal.SIGCHLD, lambda number, frame: None)
    signal.set_wakeup_fd(wakeup_write.fileno(), warn_on_full_buffer=False)
    cores = os.cpu_count() or 1
    running: dict[int, int] = {}
    waiting: list[tuple[int, bytes]] = []
    seen = 0
    while True:
        for ready in select.select([line, wakeup], [], [])[0]:
            if not ready.recv(65536) and ready is line:
                return
        done = []
        while running:
            pid, _ = os.waitpid(-1, os.WNOHANG)
            if not pid:
                break
            job = running.pop(pid)
            done.append((Path(folder, f"{job}.result").read_bytes(), job))
        rows = sql.execute("SELECT id, payload FROM jobs WHERE id > ?", (seen,)).fetchall()
        if rows:
            seen = rows[-1][0]
            waiting += rows
        while waiting and len(running) < cores:
            job, payload = waiting.pop(0)
            pid = os.fork()
            if pid == 0:
                _run(folder, job, payload)
            running[pid] = job
        if done:
            sql.execute("BEGIN IMMEDIATE")
            sql.executemany("UPDATE jobs SET result = ? WHERE id = ?", done)
            sql.execute("COMMIT")
            line.sendall(b"d" * len(done))


def _run(folder: Path, job: int, payload: bytes) -> None:
    os.setsid()
    os.close(os.open(folder / f"{job}.claim", os.O_WRONLY | os.O_CREAT | os.O_EXCL))
    name, _ = pickle.loads(payload)
    result = pickle.dumps(globals()[name]())
    aside = folder / f"{job}.aside"
    fd = os.open(aside, os.O_WRONLY | os.O_CREAT)
    os.write(fd, result)
    os.close(fd)
    os.rename(aside, folder / f"{job}.result")
    os._exit(0)


if __name__ == "__main__":
    _serve(Path(sys.argv[1]))
