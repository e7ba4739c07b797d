"""What a server knows of its jobs, and how OpenPBS tells it: attribute by attribute, in its order."""

from __future__ import annotations

import dataclasses
import json
import os
import time
from pathlib import Path
from typing import Any

HOST = "pbshost"
VERSION = "23.06.06"
CORES = 8
_SUBSTATES = {"Q": 10, "H": 20, "R": 42, "B": 43, "E": 51}


@dataclasses.dataclass
class Job:
    """A job, an array, or an element of one."""

    number: int
    name: str
    user: str
    home: str
    cwd: str
    path: str
    shell: str
    state: str
    queued: float
    arguments: str
    cores: int = 1
    memory: int | None = None
    walltime: int | None = None
    select: str | None = None
    place: str | None = None
    output: str = ""
    error: str = ""
    join: str = "n"
    depend: str = ""
    before: str = ""
    hold: str = "n"
    interpreter: str = "/bin/bash"
    indices: tuple[int, int] | None = None
    """Of an array."""
    index: int | None = None
    """Of an element."""
    comment: str = ""
    slot: int | None = None
    started: float | None = None
    ended: float | None = None
    session: int | None = None
    status: int | None = None
    substate: int | None = None
    peak: int = 0
    took: float = 0.0
    runs: int = 0
    deleted_by: str = ""
    eligible: float | None = None

    @property
    def key(self) -> str:
        """Without the server's name."""
        if self.indices is not None:
            return f"{self.number}[]"
        return f"{self.number}[{self.index}]" if self.index is not None else str(self.number)

    @property
    def id(self) -> str:
        return f"{self.key}.{HOST}"

    @property
    def over(self) -> bool:
        return self.state in "FX"

    def save(self, spool: Path) -> None:
        path = spool / "records" / self.key
        aside = path.with_name(f".{self.key}")
        aside.write_text(json.dumps(dataclasses.asdict(self)))
        os.rename(aside, path)

    @classmethod
    def load(cls, path: Path) -> Job:
        row = json.loads(path.read_text())
        if row["indices"] is not None:
            row["indices"] = tuple(row["indices"])
        return cls(**row)


def attributes(job: Job, elements: list[Job]) -> dict[str, Any]:
    """As ``qstat -f`` lists them; ``elements``: of an array."""
    element = job.index is not None
    row: dict[str, Any] = {"Job_Name": job.name, "Job_Owner": f"{job.user}@{HOST}"}
    if job.slot is not None:
        row["resources_used"] = {
            "cpupercent": 0,
            "cput": "00:00:00",
            "mem": f"{job.peak >> 10}kb",
            "ncpus": job.cores,
            "vmem": f"{job.peak >> 10}kb",
            "walltime": clock(job.took if job.over else time.time() - (job.started or time.time())),
        }
    row |= {"job_state": job.state, "queue": "workq", "server": HOST}
    row |= {} if element else {"Checkpoint": "u"}
    row["ctime"] = time.ctime(job.queued)
    if job.depend or job.before:
        row["depend"] = ",".join(part for part in (job.depend, job.before) if part)
    row["Error_Path"] = _path(job.error, "e", job)
    if job.slot is not None:
        many = f"*{job.cores}" if job.cores > 1 else ""
        row["exec_host"] = f"{HOST}/{job.slot}{many}"
        row["exec_vnode"] = _vnode(job)
    row |= {} if element else {"Hold_Types": job.hold}
    row |= {"Join_Path": job.join, "Keep_Files": "n", "Mail_Points": "a"}
    row["mtime"] = time.ctime(job.ended or job.started or job.queued)
    row["Output_Path"] = _path(job.output, "o", job)
    row |= {"Priority": 0, "qtime": time.ctime(job.queued), "Rerunable": "True"}
    row["Resource_List"] = _resources(job)
    if job.started is not None:
        row["stime"] = time.ctime(job.started)
    if job.over and job.ended is not None:
        row["obittime"] = time.ctime(job.ended)
    if job.session is not None:
        row["session_id"] = job.session
    if job.started is not None and job.indices is None:
        row["jobdir"] = job.home
    row["substate"] = job.substate or (22 if job.state == "H" and job.depend else _SUBSTATES[job.state])
    row["Variable_List"] = _variables(job)
    row |= {"comment": job.comment} if job.comment else {}
    row |= {"etime": time.ctime(job.eligible)} if job.eligible is not None else {}
    row |= {"run_count": job.runs} if job.runs else {}
    if job.over:
        row |= {"Stageout_status": 1, "Exit_status": job.status}
    row |= {} if element else {"Submit_arguments": job.arguments}
    if job.indices is not None:
        row |= _array(job, elements)
    if element:
        row |= {"array_id": f"{job.number}[].{HOST}", "array_index": job.index}
    if job.over and job.ended is not None:
        row["history_timestamp"] = int(job.ended)
    return row | {"project": "_pbs_project_default", "Submit_Host": HOST}


def _vnode(job: Job) -> str:
    memory = f":mem={job.memory >> 10}kb" if job.memory else ""
    return f"({HOST}:ncpus={job.cores}{memory})"


def where(job: Job) -> str:
    """Of its comment, once it runs."""
    return f"Job run at {time.strftime('%a %b %d at %H:%M', time.localtime(job.started))} on {_vnode(job)}"


def _path(given: str, letter: str, job: Job) -> str:
    number = f"{job.number}.^array_index^" if job.indices is not None else str(job.number)
    if job.index is not None:
        number += f".{job.index}"
    return f"{HOST}:{given or f'{job.cwd}/{job.name}.{letter}{number}'}"


def _resources(job: Job) -> dict[str, Any]:
    row: dict[str, Any] = {"mem": f"{job.memory >> 20}mb"} if job.memory else {}
    row |= {"ncpus": job.cores, "nodect": 1, "place": job.place or ("free" if job.select else "pack")}
    row["select"] = job.select or f"1:ncpus={job.cores}"
    return row | ({"walltime": clock(job.walltime)} if job.walltime is not None else {})


def _variables(job: Job) -> dict[str, str]:
    return {
        "PBS_O_HOME": job.home,
        "PBS_O_LANG": "C.UTF-8",
        "PBS_O_LOGNAME": job.user,
        "PBS_O_PATH": job.path,
        "PBS_O_SHELL": job.shell,
        "PBS_O_INTERACTIVE_AUTH_METHOD": "resvport",
        "PBS_O_INTERACTIVE_ENCRYPT_METHOD": "",
        "PBS_O_WORKDIR": job.cwd,
        "PBS_O_SYSTEM": "Linux",
        "PBS_O_QUEUE": "workq",
        "PBS_O_HOST": HOST,
    }


def _array(job: Job, elements: list[Job]) -> dict[str, str]:
    assert job.indices is not None
    count = {state: sum(one.state == letter for one in elements) for state, letter in _COUNTED.items()}
    left = [str(one.index) for one in elements if one.state == "Q"]
    return {
        "array": "True",
        "array_state_count": " ".join(
            f"{state}:{0 if job.over else number}" for state, number in count.items()
        ),
        "array_indices_submitted": f"{job.indices[0]}-{job.indices[1]}",
        "array_indices_remaining": ",".join(left) or "-",
    }


_COUNTED = {"Queued": "Q", "Running": "R", "Exiting": "E", "Expired": "X"}


def clock(seconds: float) -> str:
    whole = int(seconds)
    return f"{whole // 3600:02}:{whole // 60 % 60:02}:{whole % 60:02}"
