"""Jobs that ended without a result, as results that tell why."""

from __future__ import annotations

import os

from clustrix.backends import JobSpec
from clustrix.runner import layout, outcome, whole
from clustrix.runner.verdict import FAILED, Verdict, recorded, verdict
from clustrix_ssh.preamble import EX_PREAMBLE


def write_verdict(job: JobSpec, status: int, begun: bool, said: str) -> None:
    """``status``: as ``os.wait`` gives it; ``begun``: whether the job's own processes had begun; ``said``: what was printed."""
    if begun:
        write(job, verdict(status, None, folder=job.folder))
        return
    write(job, not_begun(os.waitstatus_to_exitcode(status), said))


def not_begun(code: int, said: str, otherwise: str = "it said nothing") -> Verdict:
    """Why a script ended with this exit code before the job's own Python had begun; ``otherwise``: in place of what it has not said."""
    what = "its preamble has failed" if code == EX_PREAMBLE else f"its script ended with status {code}"
    lines = [line for line in said.strip().splitlines() if line.strip()]
    cause = f"it could not be begun: {what}: {lines[-1] if lines else otherwise}"
    advice = "See module_loads, pre_execution_commands, conda_env_name and python_executable."
    return recorded(FAILED, "JobNotStarted", cause, advice, stderr=said)


def write(job: JobSpec, found: Verdict) -> None:
    """Into the job's folder here, as if the job itself had said so."""
    os.makedirs(job.folder, mode=0o700, exist_ok=True)
    whole.write(job.file(layout.RESULT), outcome.of_verdict(found), "verdict")
