"""PBS: OpenPBS and PBS Professional, and Torque, which has drifted away from them.  What comes back is read in ``pbs_answers``."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import ClassVar

from clustrix_ssh.schedulers import answers, directives, pbs_answers, pbs_resources
from clustrix_ssh.schedulers.interface import (
    Answer,
    Command,
    Need,
    Scheduler,
)

_MOST_ASKED = 20
"""Jobs that are asked for one by one, where one question for all has not told of each."""
_AT_A_TIME = 200
"""Handles of one command line."""
_LOOK = """
if said=$(qstat -a -w -t -u "$1" 2>/dev/null); then
    printf '%s\\n' "$said"
else
    exec qstat -t
fi
"""
"""All jobs of one user in a line each; where that cannot be asked for, those of everybody: that also says why nothing can be asked."""
_FIND = """
user=$1; shift
command -v qselect >/dev/null || exec qstat -x -F json -f
for name; do
    found=$(qselect -u "$user" -N "$name") || exit
    [ -n "$found" ] || found=$(qselect -x -u "$user" -N "$name" 2>/dev/null)
    for job in $found; do echo "$name $job"; done
done
"""


class Pbs(Scheduler):
    """OpenPBS and PBS Professional: qsub, qstat, qselect, qdel."""

    name: ClassVar[str] = "pbs"
    title: ClassVar[str] = "PBS"
    dialects: ClassVar[bool] = True
    login: ClassVar[bool] = True
    first_index: ClassVar[int] = 0
    index_variable: ClassVar[str] = "PBS_ARRAY_INDEX"
    cleared_variables: ClassVar[tuple[str, ...]] = ("PBS_", "NCPUS")
    kept_variables: ClassVar[tuple[str, ...]] = (
        "PBS_CONF_FILE",
        "PBS_EXEC",
        "PBS_HOME",
        "PBS_SERVER",
        "PBS_DEFAULT",
    )

    def version(self) -> Command:
        return _command("qsub", "--version")

    read_version = staticmethod(pbs_answers.version)

    def of_version(self, version: str) -> Scheduler:
        return Torque() if version.startswith("torque") else self

    def script(self, need: Need, lines: Sequence[str]) -> str:
        return directives.script("#PBS", self._directives(need), lines, "PBS")

    def _directives(self, need: Need) -> list[tuple[str, str | None]]:
        return pbs_resources.directives_of(need, self.job_name(need.name), pbs_resources.OPENPBS)

    def job_name(self, name: str) -> str:
        """As the scheduler has it."""
        return name

    def submit_command(self) -> tuple[str, ...]:
        return ("qsub",)

    read_submitted = staticmethod(pbs_answers.number)

    def find(self, user: str, names: Sequence[str]) -> Command:
        return _command("sh", "-c", _FIND, "_", user, *(self.job_name(name) for name in names))

    def read_found(self, answer: Answer, names: Sequence[str]) -> dict[str, str]:
        rows = pbs_answers.found(answer)
        return {name: rows[self.job_name(name)] for name in names if self.job_name(name) in rows}

    def look(self, user: str, numbers: Sequence[str]) -> Command:
        return _command("sh", "-c", _LOOK, "_", user)

    read_look = staticmethod(pbs_answers.queue)

    def explain(self, number: str) -> Command | None:
        return _command("qstat", "-F", "json", "-f", number)

    read_explained = staticmethod(pbs_answers.why)

    def past(self, numbers: Sequence[str]) -> Sequence[Command]:
        # What comes after a job that it does not know, it does not tell.
        several = [[number] for number in numbers[:_MOST_ASKED]] if len(numbers) > 1 else []
        return [
            _command("qstat", "-x", "-t", "-F", "json", "-f", *some) for some in (list(numbers), *several)
        ]

    read_past = staticmethod(pbs_answers.ends)

    def cancel(self, handles: Sequence[str]) -> Sequence[Command]:
        return [
            _command("qdel", *map(_theirs, handles[start : start + _AT_A_TIME]))
            for start in range(0, len(handles), _AT_A_TIME)
        ]

    def check_cancelled(self, answer: Answer) -> None:
        answers.check_heard(answer, pbs_answers.DOWN)

    def limits(self) -> Command:
        return _command("qstat", "-B", "-f")

    read_limits = staticmethod(pbs_answers.most_in_an_array)

    def queues(self) -> Sequence[Command]:
        return (_command("qstat", "-Q", "-f"), _command("qstat", "-B", "-f"), _command("pbsnodes", "-a"))

    read_queues = staticmethod(pbs_answers.queues)


class Torque(Pbs):
    """Torque: it has no history beyond some minutes, answers in text, and counts its nodes otherwise."""

    title: ClassVar[str] = "Torque"
    index_variable: ClassVar[str] = "PBS_ARRAYID"

    def of_version(self, version: str) -> Scheduler:
        return self

    def _directives(self, need: Need) -> list[tuple[str, str | None]]:
        return pbs_resources.directives_of(need, self.job_name(need.name), pbs_resources.TORQUE)

    def job_name(self, name: str) -> str:
        """It takes no more than 15 characters."""
        return f"{name[:4]}-{hashlib.sha256(name.encode()).hexdigest()[:10]}"

    def explain(self, number: str) -> Command | None:
        return _command("qstat", "-f", number)

    def past(self, numbers: Sequence[str]) -> Sequence[Command]:
        several = [[number] for number in numbers[:_MOST_ASKED]] if len(numbers) > 1 else []
        return [_command("qstat", "-t", "-f", *some) for some in (list(numbers), *several)]


def _command(*argv: str) -> Command:
    return Command(argv, login=True)


def _theirs(handle: str) -> str:
    """``9[]_3`` is ``9[3]`` there."""
    number, _, index = handle.partition("_")
    return number.replace("[]", f"[{index}]") if index else number
