"""Slurm: what to run.  Formats are those that 20.02 and later share; what comes back is read in ``slurm_answers``."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from clustrix_ssh.schedulers import answers, directives, slurm_answers
from clustrix_ssh.schedulers.interface import (
    Answer,
    Command,
    Need,
    Requeue,
    Scheduler,
    Unavailable,
)

_AT_A_TIME = 200
"""Handles of one command line."""


class Slurm(Scheduler):
    """sbatch, squeue, sacct, scontrol, scancel, sinfo."""

    name: ClassVar[str] = "slurm"
    title: ClassVar[str] = "Slurm"
    first_index: ClassVar[int] = 0
    index_variable: ClassVar[str] = "SLURM_ARRAY_TASK_ID"
    cleared_variables: ClassVar[tuple[str, ...]] = ("SLURM_", "SBATCH_", "SRUN_", "SALLOC_")
    kept_variables: ClassVar[tuple[str, ...]] = ("SLURM_CONF",)

    def version(self) -> Command:
        return Command(("sbatch", "--version"))

    def read_version(self, answer: Answer) -> str:
        if answer.status != 0:
            raise Unavailable(f"there is no Slurm there (sbatch: {answers.said(answer)})")
        return answer.stdout.strip()

    def script(self, need: Need, lines: Sequence[str]) -> str:
        found = [
            f"#SBATCH --{name}" + ("" if one is None else f"={one}")
            for name, one in _directives(need).items()
        ]
        return "\n".join(["#!/bin/bash", *found, *lines, ""])

    def submit_command(self) -> tuple[str, ...]:
        return ("sbatch", "--parsable")

    read_submitted = staticmethod(slurm_answers.number)

    def find(self, user: str, names: Sequence[str]) -> Command:
        return Command(
            (
                "squeue",
                "--noheader",
                "--states=all",
                f"--user={user}",
                f"--name={','.join(names)}",
                "--format=%F|%j",
            )
        )

    read_found = staticmethod(slurm_answers.found)

    def look(self, user: str, numbers: Sequence[str]) -> Command:
        # Ranges of waiting elements are cut off at 64 characters without that variable.
        return Command(
            ("env", "SLURM_BITSTR_LEN=0", "squeue", "--noheader", f"--user={user}", "--format=%i|%T|%S|%N|%r")
        )

    read_look = staticmethod(slurm_answers.queue)

    def past(self, numbers: Sequence[str]) -> Sequence[Command]:
        listed = ",".join(numbers)
        fields = "JobID,State,ExitCode,MaxRSS,NodeList,Reason"
        accounting = Command(("sacct", "--noheader", "--parsable2", f"--jobs={listed}", f"--format={fields}"))
        # The controller itself remembers for some minutes (MinJobAge).
        return (
            accounting,
            *(Command(("scontrol", "--oneliner", "show", "job", number)) for number in numbers[:20]),
        )

    read_past = staticmethod(slurm_answers.ends)

    def cancel(self, handles: Sequence[str]) -> Sequence[Command]:
        return [
            Command(("scancel", *handles[start : start + _AT_A_TIME]))
            for start in range(0, len(handles), _AT_A_TIME)
        ]

    def check_cancelled(self, answer: Answer) -> None:
        answers.check_heard(answer, slurm_answers.DOWN)

    def notice_s(self, settings: Mapping[str, Any], time_s: float | None) -> float:
        found = re.search(r"@(\d+)$", str((settings.get("scheduler_options") or {}).get("signal", "")))
        return float(found[1]) if found else 0.0

    def requeue(self) -> Requeue | None:
        own = "${SLURM_ARRAY_JOB_ID:+${SLURM_ARRAY_JOB_ID}_}${SLURM_ARRAY_TASK_ID:-$SLURM_JOB_ID}"
        return Requeue(f'scontrol requeue "{own}"', 143)

    def limits(self) -> Command:
        return Command(("scontrol", "show", "config"))

    read_limits = staticmethod(slurm_answers.most_in_an_array)

    def queues(self) -> Sequence[Command]:
        return (Command(("sinfo", "--noheader", "--format=%P|%a|%l|%D|%c|%m")),)

    read_queues = staticmethod(slurm_answers.queues)


def _directives(need: Need) -> dict[str, str | None]:
    """By option, in the order of the script.  Raises Refused."""
    settings = need.settings
    ours: dict[str, str | None] = {
        "job-name": need.name,
        "output": directives.value("remote_work_dir", need.output),
    }
    # On several nodes it is one place of work on each: a single task would be given a single node.
    ours["ntasks-per-node" if settings.get("nodes") else "ntasks"] = "1"
    ours["cpus-per-task"] = str(need.cores)
    if need.memory_bytes is not None:
        ours["mem"] = f"{math.ceil(need.memory_bytes / (1 << 20))}M"
    if need.time_s is not None:
        ours["time"] = directives.hours(math.ceil(need.time_s / 60) * 60)
    if need.elements > 1:
        ours["array"] = f"0-{need.elements - 1}"
    for field, option in _FIELDS.items():
        given = settings.get(field)
        if given is True:
            ours[option] = None
        elif given is not None and given is not False and given != "":
            ours[option] = directives.value(field, given)
    if settings.get("gpus"):
        ours["gres"] = f"gpu:{directives.value('gpus', settings['gpus'])}"
    for name, one in directives.options("scheduler_options", settings.get("scheduler_options") or {}).items():
        long = _SHORT.get(name, name)
        for other in (long, *_SAME.get(long, ())):
            ours.pop(other, None)
        ours[long] = one
    return ours


_FIELDS = {
    "default_queue": "partition",
    "default_partition": "partition",
    "account": "account",
    "qos": "qos",
    "nodes": "nodes",
    "exclusive": "exclusive",
    "constraint": "constraint",
    "mail": "mail-user",
    "mail_events": "mail-type",
    "dependency": "dependency",
}
_SHORT = {
    "J": "job-name", "o": "output", "n": "ntasks", "c": "cpus-per-task", "t": "time", "p": "partition",
    "A": "account", "q": "qos", "N": "nodes", "C": "constraint", "a": "array", "d": "dependency", "G": "gpus",
    "e": "error", "w": "nodelist", "x": "exclude", "L": "licenses",
}  # fmt: skip
"""Options of one letter, by their long names, so that the user's own takes the place of ours."""
_SAME = {
    "ntasks": ("ntasks-per-node",),
    "ntasks-per-node": ("ntasks",),
    "mem-per-cpu": ("mem",),
    "mem-per-gpu": ("mem",),
    "gpus": ("gres",),
    "gpus-per-node": ("gres",),
}
"""Options that say the same otherwise: both together would be refused."""
