"""SGE and its descendants (Son of Grid Engine, Univa, Open Cluster Scheduler): what to run.  What comes back is read in ``sge_answers``."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from clustrix_ssh.schedulers import answers, directives, sge_answers
from clustrix_ssh.schedulers.interface import (
    Answer,
    Command,
    Need,
    Refused,
    Requeue,
    Scheduler,
    Unavailable,
)

_MOST_ASKED = 20
"""Jobs whose accounts are looked up at a time: each costs one reading of the whole file."""


class Sge(Scheduler):
    """qsub, qstat, qacct, qdel, qconf, qhost."""

    name: ClassVar[str] = "sge"
    title: ClassVar[str] = "SGE"
    login: ClassVar[bool] = True
    first_index: ClassVar[int] = 1
    index_variable: ClassVar[str] = "SGE_TASK_ID"
    cleared_variables: ClassVar[tuple[str, ...]] = (
        "SGE_", "JOB_", "PE", "NSLOTS", "NHOSTS", "NQUEUES", "QUEUE", "REQUEST", "RESTARTED", "ARC", "HOSTNAME",
    )  # fmt: skip
    kept_variables: ClassVar[tuple[str, ...]] = (
        "SGE_ROOT",
        "SGE_CELL",
        "SGE_CLUSTER_NAME",
        "SGE_QMASTER_PORT",
        "SGE_EXECD_PORT",
        "PERLLIB",
        "PERL5LIB",
    )

    def version(self) -> Command:
        return _command("qstat", "-help")

    def read_version(self, answer: Answer) -> str:
        # Some versions answer a call for help with status 1.
        first = (answer.stdout.strip() or answer.stderr.strip()).partition("\n")[0].strip()
        if answer.status == 127 or "GE" not in first:
            raise Unavailable(f"there is no SGE there (qstat: {answers.said(answer, sge_answers.NOISE)})")
        return f"sge {first.removeprefix('SGE ')}"

    def script(self, need: Need, lines: Sequence[str]) -> str:
        return directives.script("#$", _directives(need), lines, self.title)

    def submit_command(self) -> tuple[str, ...]:
        return ("qsub", "-terse")

    read_submitted = staticmethod(sge_answers.number)

    def find(self, user: str, names: Sequence[str]) -> Command:
        # What has ended already is in the accounts, which can be asked by name, too.
        text = 'user=$1; shift; qstat -xml -r -u "$user" || exit; for name; do qacct -j "$name" 2>/dev/null; done; :'
        return _command("sh", "-c", text, "_", user, *names)

    read_found = staticmethod(sge_answers.found)

    def look(self, user: str, numbers: Sequence[str]) -> Command:
        return _command("qstat", "-xml", "-u", user)

    read_look = staticmethod(sge_answers.queue)

    def explain(self, number: str) -> Command | None:
        return _command("qstat", "-j", number)

    read_explained = staticmethod(sge_answers.why)

    def past(self, numbers: Sequence[str]) -> Sequence[Command]:
        return [_command("qacct", "-j", number) for number in numbers[:_MOST_ASKED]]

    read_past = staticmethod(sge_answers.ends)

    def cancel(self, handles: Sequence[str]) -> Sequence[Command]:
        return [_command("qdel", *(handle.replace("_", ".") for handle in handles))] if handles else []

    def check_cancelled(self, answer: Answer) -> None:
        answers.check_heard(answer, sge_answers.DOWN, sge_answers.NOISE)

    def notice_s(self, settings: Mapping[str, Any], time_s: float | None) -> float:
        own = str((settings.get("scheduler_options") or {}).get("l", ""))
        soft = re.search(r"\bs_rt=([\d:]+)", own)
        return max(0.0, time_s - answers.seconds(soft[1])) if soft and time_s is not None else 0.0

    def requeue(self) -> Requeue | None:
        return Requeue("", 99)

    def limits(self) -> Command:
        return _command("qconf", "-sconf")

    read_limits = staticmethod(sge_answers.most_in_an_array)

    def queues(self) -> Sequence[Command]:
        return (_command("qstat", "-g", "c"), _command("qhost"))

    read_queues = staticmethod(sge_answers.queues)


def _command(*argv: str) -> Command:
    return Command(argv, login=True)


def _directives(need: Need) -> list[tuple[str, str | None]]:
    """In the order of the script.  Raises Refused."""
    settings = need.settings
    # Without notify, SGE kills at once, and no ``finally`` block runs.
    ours: dict[str, str | None] = {"N": need.name, "S": "/bin/bash", "j": "y", "notify": None}
    ours["o"] = directives.value("remote_work_dir", need.output)
    if need.elements > 1:
        ours["t"] = f"1-{need.elements}"
    if need.cores > 1:
        pe = directives.value("parallel_environment", settings.get("parallel_environment") or "smp")
        ours["pe"] = f"{pe} {need.cores}"
    for field, option in _FIELDS.items():
        if settings.get(field) not in (None, "", False):
            ours[option] = directives.value(field, settings[field])
    for field in _NOT_THERE:
        if settings.get(field) not in (None, "", False):
            raise Refused(f"{field}: SGE has no such thing; see scheduler_options for what it has")
    resources = _resources(need)
    given = directives.options("scheduler_options", settings.get("scheduler_options") or {})
    for name, one in directives.resources(given.pop("l", None)).items():
        resources[_RESOURCES.get(name, name)] = one or "TRUE"
    ours |= given
    rows = [("l", f"{name}={one}") for name, one in resources.items()]
    return [*ours.items(), *rows]


def _resources(need: Need) -> dict[str, str]:
    settings: Mapping[str, Any] = need.settings
    found: dict[str, str] = {}
    if need.memory_bytes is not None:
        name = directives.word("memory_resource", settings.get("memory_resource") or "h_vmem")
        share = need.cores if (settings.get("memory_per") or "slot") == "slot" else 1
        found[name] = f"{math.ceil(need.memory_bytes / share / (1 << 20))}M"
    if need.time_s is not None:
        found["h_rt"] = str(math.ceil(need.time_s))
    if settings.get("gpus"):
        found["gpu"] = directives.word("gpus", settings["gpus"])
    if settings.get("exclusive"):
        found["exclusive"] = "TRUE"
    if settings.get("constraint"):
        for part in str(settings["constraint"]).split(","):
            name, equals, one = part.partition("=")
            found[directives.word("constraint", name)] = (
                directives.word("constraint", one) if equals else "TRUE"
            )
    return found


_FIELDS = {
    "default_queue": "q",
    "default_partition": "q",
    "account": "A",
    "mail": "M",
    "mail_events": "m",
    "dependency": "hold_jid",
}
_NOT_THERE = ("qos", "nodes")
_RESOURCES = {"vf": "virtual_free", "mf": "mem_free"}
"""Short names of resources, by the long ones."""
