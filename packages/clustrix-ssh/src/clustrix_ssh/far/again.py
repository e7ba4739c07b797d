"""A job whose time was up, and that shall go on where it has saved, has itself queued again: nobody else may be there to do it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

from clustrix.runner import outcome
from clustrix.runner.frames import Damaged, peek
from clustrix.runner.verdict import TIMED_OUT, Verdict

COUNT = "requeued"
"""In the job's folder: how often that was done."""
_SECONDS = 60


def _read(path: str) -> dict[str, Any] | None:
    try:
        with open(path, "rb") as file:
            return peek(file, os.fstat(file.fileno()).st_size)
    except (FileNotFoundError, Damaged):
        return None


def goes_on(staged: str) -> bool:
    """Whether what is to be published is that its time was up."""
    found = _read(staged)
    return found is not None and found["kind"] == outcome.ENDED and found["state"] == TIMED_OUT


def times(folder: str) -> int:
    """How often it was queued again."""
    try:
        with open(os.path.join(folder, COUNT), encoding="ascii") as file:
            return int(file.read())
    except (FileNotFoundError, ValueError):
        return 0


def queue_again(folder: str, told: dict[str, Any]) -> int | None:
    """Do it; returns what to exit with, None if it shall not or cannot be: then the submitter's side decides."""
    done = times(folder)
    if not told["requeue"] or done >= told["requeues"]:
        return None
    command, status = told["requeue"]
    with open(os.path.join(folder, COUNT), "w", encoding="ascii") as file:
        file.write(str(done + 1))
    if command:
        try:
            ended = subprocess.run(["/bin/sh", "-c", command], timeout=_SECONDS, check=False).returncode
        except subprocess.TimeoutExpired:
            ended = 1
        if ended != 0:
            print("clustrix: it could not have itself queued again", file=sys.stderr, flush=True)
            return None
    return int(status)


def counted(staged: str, folder: str) -> Verdict:
    """What is to be published, with the number of times: they count for the submitter's side, too."""
    found = _read(staged)
    assert found is not None
    record = json.loads(found["record"])
    record["details"]["requeued"] = times(folder)
    return Verdict(found["state"], record["cause"], json.dumps(record))
