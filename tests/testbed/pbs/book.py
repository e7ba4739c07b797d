"""The jobs of a server: when each is begun, how it ends, and what survives the server's end."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

from tests.testbed.pbs.records import CORES, HOST, Job, where

SHEPHERD = Path(__file__).with_name("shepherd.py")
_DELETED, _FINISHED, _FAILED = 91, 92, 93
FOLDERS = ("records", "jobs", "scripts", "out", "began", "ended", "kill")


class Book:
    """Of one spool folder."""

    def __init__(self, spool: Path) -> None:
        self.spool = spool
        for name in FOLDERS:
            (spool / name).mkdir(parents=True, exist_ok=True)
        self.jobs: dict[str, Job] = {}
        for path in (spool / "records").iterdir():
            if not path.name.startswith("."):
                job = Job.load(path)
                self.jobs[job.key] = job

    def next_number(self) -> int:
        return 1 + max((job.number for job in self.jobs.values()), default=0)

    def elements(self, job: Job) -> list[Job]:
        assert job.indices is not None
        return [self.jobs[f"{job.number}[{index}]"] for index in range(job.indices[0], job.indices[1] + 1)]

    def in_order(self, with_elements: bool) -> list[Job]:
        def place(job: Job) -> tuple[int, int]:
            return job.number, -1 if job.index is None else job.index

        return sorted((job for job in self.jobs.values() if with_elements or job.index is None), key=place)

    def add(self, job: Job, script: str) -> None:
        (self.spool / "scripts" / str(job.number)).write_text(script)
        (self.spool / "scripts" / str(job.number)).chmod(0o755)
        rows = [job]
        if job.indices is not None:
            for index in range(job.indices[0], job.indices[1] + 1):
                element = Job(**{**vars(job), "index": index, "indices": None})
                rows.append(element)
        for row in reversed(rows):  # an array is there when its elements are
            self.jobs[row.key] = row
            row.save(self.spool)
        self._tie(job)

    def _tie(self, job: Job) -> None:
        if job.depend:
            kind, _, others = job.depend.partition(":")
            for other in others.split(":"):
                first = self.jobs.get(other.partition(".")[0])
                if first is not None:
                    first.before = f"{kind.replace('after', 'before')}:{job.id}@{HOST}"
                    first.save(self.spool)

    # -- what happens by itself

    def step(self) -> None:
        """Look who has begun and ended, and begin who can be."""
        for job in list(self.jobs.values()):
            if job.state in "RE":
                self._look(job)
        for job in list(self.jobs.values()):
            if job.indices is not None and job.state in "QB":
                self._look_at_array(job)
            elif job.state == "H" and job.depend and job.hold == "s" and self._may_follow(job):
                self.release(job)
        free = CORES - sum(job.cores for job in self.jobs.values() if job.state in "RE")
        for job in self.in_order(with_elements=True):
            if job.state == "Q" and job.indices is None:
                free -= self._begin(job, free)

    def _may_follow(self, job: Job) -> bool:
        others = [self.jobs.get(other.partition(".")[0]) for other in job.depend.partition(":")[2].split(":")]
        return all(other is None or (other.over and other.status == 0) for other in others)

    def _look(self, job: Job) -> None:
        began = self._read("began", job)
        if began is not None and job.session is None:
            job.session = began["session"]
            job.save(self.spool)
        ended = self._read("ended", job)
        if ended is None:
            return
        job.status, job.peak, job.took, job.ended = ended["status"], ended["peak"], ended["took"], ended["at"]
        if job.deleted_by == "rerun":
            self._queue_again(job)
            return
        job.state = "F" if job.index is None else "X"
        if job.status == -29:
            job.comment, job.substate = f"{where(job)} and exceeded resource walltime", _FAILED
        elif job.status == -27:
            job.comment, job.substate = f"{where(job)} and exceeded resource mem", _FAILED
        elif job.deleted_by:
            job.comment = f"{where(job)} and terminated by {job.deleted_by}@{HOST}"
            job.substate = _DELETED
        else:
            job.comment = f"{where(job)} and {'failed' if job.status else 'finished'}"
            job.substate = _FAILED if job.status else _FINISHED
        job.save(self.spool)

    def _queue_again(self, job: Job) -> None:
        for kind in ("began", "ended", "kill"):
            self._file(kind, job).unlink(missing_ok=True)
        job.state, job.session, job.slot, job.started, job.status = "Q", None, None, None, None
        job.deleted_by, job.comment = "", ""
        job.save(self.spool)

    def _look_at_array(self, job: Job) -> None:
        elements = self.elements(job)
        if job.state == "Q" and any(one.state != "Q" for one in elements):
            job.state, job.started = "B", time.time()
            job.comment = f"Job Array Began at {time.strftime('%a %b %d at %H:%M')}"
        if all(one.over for one in elements):
            job.state, job.ended, job.status, job.substate = "F", time.time(), 0, _FAILED
            job.comment += " and failed"  # so it says, also of one that has not
            for one in elements:
                one.state = "F"
                one.save(self.spool)
        job.save(self.spool)

    def _begin(self, job: Job, free: int) -> int:
        asked = f"Insufficient amount of resource: ncpus (R: {job.cores} A: {free} T: {CORES})"
        if job.cores > free:
            comment = f"Can Never Run: {asked}" if job.cores > CORES else f"Not Running: {asked}"
            if comment != job.comment:
                job.comment = comment
                job.save(self.spool)
            return 0
        taken = {other.slot for other in self.jobs.values() if other.state in "RE"}
        job.slot = next(slot for slot in range(CORES + 1) if slot not in taken)
        job.state, job.started, job.runs = "R", time.time(), job.runs + 1
        job.comment = where(job)
        row = {
            "id": job.id, "user": job.user, "name": job.name, "cwd": job.cwd, "shell": job.interpreter, "cores": job.cores,
            "memory": job.memory, "walltime": job.walltime, "script": str(job.number), "index": job.index,
            "array": f"{job.number}[].{HOST}", "output": job.output or f"{job.cwd}/{job.name}.o{job.number}",
        }  # fmt: skip
        self._file("jobs", job).write_text(json.dumps(row))
        job.save(self.spool)
        subprocess.Popen(
            [sys.executable, "-I", str(SHEPHERD), str(self.spool), job.key],
            start_new_session=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=open(self.spool / "shepherds.log", "ab"),  # noqa: SIM115 -- it is the child's
        )
        return job.cores

    # -- what users ask for

    def release(self, job: Job) -> None:
        job.state, job.hold, job.eligible = "Q", "n", time.time()
        job.save(self.spool)

    def delete(self, job: Job, who: str) -> None:
        for one in self.elements(job) if job.indices is not None else [job]:
            if one.state in "RE":
                one.deleted_by = who
                one.save(self.spool)
                self._file("kill", one).touch()
            elif not one.over:
                one.state, one.ended, one.substate = (
                    "X" if one.index is not None else "F",
                    time.time(),
                    _DELETED,
                )
                one.status, one.comment = 271, f"Job deleted by {who}@{HOST}"
                one.save(self.spool)

    def forget(self, job: Job) -> None:
        for path in (self.spool / kind / job.key for kind in FOLDERS):
            path.unlink(missing_ok=True)
        del self.jobs[job.key]

    def _file(self, kind: str, job: Job) -> Path:
        return self.spool / kind / job.key

    def _read(self, kind: str, job: Job) -> dict[str, int] | None:
        try:
            found: dict[str, int] = json.loads(self._file(kind, job).read_text())
            return found
        except FileNotFoundError:
            return None

    def clear(self) -> None:
        """As new."""
        for name in FOLDERS:
            shutil.rmtree(self.spool / name, ignore_errors=True)
