"""What must be true of a state directory, whatever was done: looked at from outside, in its files and in /proc."""

from __future__ import annotations

import os
import sqlite3
from collections import Counter
from contextlib import closing, suppress
from pathlib import Path

from tests.core.faults.home import Home
from tests.torture.model import FINAL
from tests.torture.places import Place, kill
from tests.torture.work import LEFT_BEHIND

_RANK = {"CREATED": 0, "STAGING": 1, "QUEUED": 2, "RUNNING": 3}
_KEPT = ("out", "err", "result")
"""Of a job; of an attempt that was followed by another, all stays."""
_MOST_DESCRIPTORS = 60
_EVENTS = "SELECT state, reason FROM events WHERE job = ? ORDER BY number"


class Audit:
    """Of one state directory, from its beginning on."""

    def __init__(self, home: Home, place: Place) -> None:
        self._home = home
        self._place = place
        self._read_bytes = 0
        self.runs: dict[str, list[tuple[int, str]]] = {}
        """Of each job, attempt and item of each run of its function."""
        self._ended: dict[str, str] = {}
        """The final states that were seen."""

    def states(self) -> dict[str, str]:
        """Every job's state.  Fails if one has left its end."""
        with closing(self._open()) as sql:
            found = dict(sql.execute("SELECT id, state FROM jobs"))
        for job, state in self._ended.items():
            assert found.get(job, state) == state, f"job {job} was {state} and is {found[job]}"
        self._ended = {job: state for job, state in found.items() if state in FINAL}
        return found

    def tagged(self, tag: str) -> list[str]:
        """The jobs with a tag."""
        with closing(self._open()) as sql:
            query = "SELECT jobs.id FROM jobs, json_each(CASE WHEN tags = '' THEN '[]' ELSE tags END) WHERE value = ?"
            return [job for (job,) in sql.execute(query, (tag,))]

    def attempt(self, job: str) -> int:
        with closing(self._open()) as sql:
            (attempt,) = sql.execute("SELECT attempt FROM jobs WHERE id = ?", (job,)).fetchone()
        return int(attempt)

    def look(self) -> None:
        """Read what has been run since.  Fails if anything has been run twice that may not."""
        with suppress(FileNotFoundError), open(self._place.shared / "runs" / "all", encoding="ascii") as file:
            file.seek(self._read_bytes)
            for line in iter(file.readline, ""):
                if not line.endswith("\n"):
                    break
                self._read_bytes += len(line)
                job, attempt, item, _ = line.split()
                before = self.runs.setdefault(job, [])
                assert item != "-" or (int(attempt), item) not in before, (
                    f"attempt {attempt} of {job} ran twice"
                )
                before.append((int(attempt), item))

    def most_runs(self, job: str) -> int:
        """Of the item of a map that was begun most often; of a call, of all its attempts together."""
        return max(Counter(item for _, item in self.runs.get(job, [])).values(), default=0)

    def check_history(self, job: str, is_map: bool, disturbed: bool) -> None:
        """A job goes through its states in their order, once for each attempt, and stays at its end."""
        with closing(self._open()) as sql:
            sql.execute("BEGIN")  # all of it at one moment
            row = sql.execute("SELECT seq, state FROM jobs WHERE id = ?", (job,)).fetchone()
            if row is None:
                return
            seq, now = row
            events = sql.execute(_EVENTS, (seq,)).fetchall()
        told = [state for state, _ in events]
        text = f"history of {job}: {events}"
        ends = [state for state in told if state in FINAL]
        assert ends == ([now] if now in FINAL else []), text
        assert not ends or told[-1] in FINAL, text
        rank = 0
        for state, reason in events:
            if state in FINAL:
                break
            if reason.startswith("attempt "):
                rank = 0
                continue
            again = state == "RUNNING" and is_map  # other workers go on when the first are dead
            assert _RANK[state] > rank or disturbed or again, text
            rank = _RANK[state]

    def leaks(self, left_behind: bool) -> list[str]:
        """What is there that should not be when no job is under way."""
        return [*self._place.left(), *self._files(), *self._rows(), *self._processes(left_behind)]

    def _files(self) -> list[str]:
        state = self._home.state
        found = [f"{path} is still there" for path in state.glob("checkpoints/*")]
        for path in (state / "environments").iterdir():
            with suppress(FileNotFoundError):
                if path.read_bytes().strip(b"\0"):
                    found.append(f"{path} is not blank")
        for path in (state / "kept").rglob("*"):
            tried_again = "." in path.parent.name
            if path.is_file() and not tried_again and not path.name.startswith(_KEPT):
                found.append(f"{path}")
        with closing(self._open()) as sql:
            known = {job for (job,) in sql.execute("SELECT id FROM jobs")}
        found += [f"kept/{name} of no job" for name in os.listdir(state / "kept") if name[:26] not in known]
        free = len(os.listdir(state / "ready" / "free"))
        if free > 16:
            found.append(f"{free} free folders")
        found += [
            f"ready/{name}" for name in os.listdir(state / "ready") if name.startswith(("back-", "gone-"))
        ]
        ends = {".lock", ".start", ".sock", ".log"}
        found += [str(path) for path in (state / "dispatchers").iterdir() if path.suffix not in ends]
        return found

    def _rows(self) -> list[str]:
        counts = {
            "jobs that hold cores": "SELECT count(*) FROM jobs WHERE held_cores > 0",
            "results of no job": "SELECT count(*) FROM results WHERE job NOT IN (SELECT seq FROM jobs)",
            "events of no job": "SELECT count(*) FROM events WHERE job NOT IN (SELECT seq FROM jobs)",
            "jobs not listed": "SELECT count(*) FROM jobs WHERE seq NOT IN (SELECT job FROM listed)",
            "listed ones that are no jobs": "SELECT count(*) FROM listed WHERE job NOT IN (SELECT seq FROM jobs)",
            "listed otherwise": "SELECT count(*) FROM listed JOIN jobs ON job = seq WHERE listed.state != jobs.state",
        }
        with closing(self._open()) as sql:
            numbers = {what: sql.execute(query).fetchone()[0] for what, query in counts.items()}
        return [f"{number} {what}" for what, number in numbers.items() if number]

    def end_left_behind(self) -> None:
        """What jobs have left behind."""
        for pid in self._home.processes():
            if _is_left_behind(pid):
                kill(pid)

    def _processes(self, left_behind: bool) -> list[str]:
        dispatcher = self._home.dispatcher()
        found = []
        for pid in self._home.processes():
            with suppress(OSError):
                if left_behind and _is_left_behind(pid):
                    found.append(f"process {pid}, left behind by a job")
                if pid == dispatcher:
                    number = len(os.listdir(f"/proc/{pid}/fd"))
                    if number > _MOST_DESCRIPTORS:
                        found.append(f"{number} descriptors of the dispatcher")
        return found

    def _open(self) -> sqlite3.Connection:
        return sqlite3.connect(f"file:{self._home.state / 'journal.db'}?mode=ro", uri=True, timeout=30)


def _is_left_behind(pid: int) -> bool:
    with suppress(OSError):
        command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        return command[:2] == [word.encode() for word in LEFT_BEHIND]
    return False
