"""A job whose time was up, and that shall go on where it has saved, has itself queued again: nobody else may be there to do it."""

from __future__ import annotations

import json
import os
import subprocess
import sys

from clustrix.runner import outcome, whole
from clustrix.runner.faults import point
from clustrix.runner.verdict import TIMED_OUT, Verdict
from clustrix_ssh.far.ending import Told, head_of

COUNT = "requeued"
"""In the job's folder: how often that was done."""
_SECONDS = 60


def goes_on(staged: str) -> bool:
    """Whether what is to be published is that its time was up."""
    found = head_of(staged)
    return found is not None and found["kind"] == outcome.ENDED and found["state"] == TIMED_OUT


def times(folder: str) -> int:
    """How often it was queued again."""
    try:
        with open(os.path.join(folder, COUNT), encoding="ascii") as file:
            return int(file.read())
    except (FileNotFoundError, ValueError):
        return 0


def queue_again(folder: str, told: Told) -> int | None:
    """Do it; returns what to exit with, None if it shall not or cannot be: then the submitter's side decides."""
    done = times(folder)
    if not told["requeue"] or done >= told["requeues"]:
        return None
    command, status = told["requeue"]
    whole.write(os.path.join(folder, COUNT), [str(done + 1).encode()], "requeued")
    if command:
        point("far.requeue")
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
    found = head_of(staged)
    assert found is not None
    record = json.loads(found["record"])
    record["details"]["requeued"] = times(folder)
    return Verdict(found["state"], record["cause"], json.dumps(record))
