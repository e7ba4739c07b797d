"""What ``qsub`` takes: its options, of the command and of the script's directives, and why it refuses some."""

from __future__ import annotations

import pwd
import re
import shlex
import time
from typing import Any

from tests.testbed.pbs.records import HOST, Job

_TAKES = "NSjoeqAMmWJlavrpkc"
_PLAIN = "hVz"
_KNOWN = {
    "ncpus",
    "mem",
    "vmem",
    "pmem",
    "pvmem",
    "walltime",
    "select",
    "place",
    "nodes",
    "ngpus",
    "cput",
    "nodect",
}


class Refusal(Exception):
    """Text and exit status."""

    def __init__(self, text: str, status: int) -> None:
        super().__init__(text)
        self.status = status


def parse(argv: list[str], script: str, said: dict[str, Any], user: pwd.struct_passwd, number: int) -> Job:
    """Raises Refusal."""
    options = _options(argv)
    for name, value in _options(_directives(script)):
        if name == "l" or name not in dict(options):
            options.append((name, value))
    environ = said["environ"]
    job = Job(
        number=number,
        name="STDIN",
        user=user.pw_name,
        home=user.pw_dir,
        cwd=said["cwd"],
        path=environ.get("PATH", ""),
        shell=environ.get("SHELL", "/bin/sh"),
        state="Q",
        queued=time.time(),
        arguments=" ".join(shlex.quote(part) if " " in part else part for part in argv),
    )
    whole: dict[str, str] = {}
    for name, value in options:
        _apply(job, name, value, whole)
    _ask_for(job, whole)
    if job.hold == "n" and not job.depend:
        job.eligible = job.queued
    else:
        job.state = "H"
        job.hold = "u" if job.hold == "u" else "s"
    return job


def _directives(script: str) -> list[str]:
    found: list[str] = []
    for line in script.splitlines():
        if line.startswith("#PBS"):
            found += shlex.split(line[4:])
        elif line.strip() and not line.startswith("#"):
            break
    return found


def _options(words: list[str]) -> list[tuple[str, str]]:
    found = []
    rest = list(words)
    while rest:
        word = rest.pop(0)
        letter = word[1:2]
        if not word.startswith("-") or letter not in _TAKES + _PLAIN:
            raise Refusal(
                f"qsub: invalid option -- '{letter}'\nusage: qsub [-a date_time] [-A account_string] ...", 2
            )
        if letter in _PLAIN:
            found.append((letter, ""))
        elif word[2:]:
            found.append((letter, word[2:]))
        elif rest:
            found.append((letter, rest.pop(0)))
        else:
            raise Refusal(f"qsub: option requires an argument -- '{letter}'", 2)
    return found


def _apply(job: Job, name: str, value: str, whole: dict[str, str]) -> None:
    if name == "N":
        if not re.fullmatch(r"[A-Za-z][\w+.-]{0,229}", value):
            raise Refusal("qsub: illegal -N value", 2)
        job.name = value
    elif name == "q" and value != "workq":
        raise Refusal("qsub: Unknown queue", 170)
    elif name == "j":
        job.join = value
    elif name in "oe":
        path = value.partition(":")[2] if re.match(r"[\w.-]+:", value) else value
        setattr(
            job, "output" if name == "o" else "error", path if path.startswith("/") else f"{job.cwd}/{path}"
        )
    elif name == "S":
        job.interpreter = value
    elif name == "h":
        job.hold = "u"
    elif name == "J":
        match = re.fullmatch(r"(\d+)-(\d+)(?:%\d+)?", value)
        if not match or int(match[1]) >= int(match[2]):
            raise Refusal("qsub: illegal -J value", 2)
        job.indices = (int(match[1]), int(match[2]))
    elif name == "W" and value.startswith("depend="):
        kind, _, others = value.removeprefix("depend=").partition(":")
        job.depend = f"{kind}:" + ":".join(
            f"{other.partition('.')[0]}.{HOST}@{HOST}" for other in others.split(":")
        )
    elif name == "l":
        for part in value.split(","):
            key, _, one = part.partition("=")
            if key not in _KNOWN:
                raise Refusal(f"qsub: Unknown resource Resource_List.{key}", 187)
            whole[key] = one


def _ask_for(job: Job, whole: dict[str, str]) -> None:
    if "select" in whole and set(whole) & {"ncpus", "mem", "nodes", "ngpus"}:
        raise Refusal('qsub: -lresource= cannot be used with "select" or "place", resource is: ncpus', 2)
    parts = dict(whole)
    if "select" in whole:
        job.select = whole["select"]
        pieces = [piece for piece in job.select.split(":") if "=" in piece]
        for piece in pieces:
            if piece.partition("=")[0] not in _KNOWN:
                raise Refusal(f"qsub: Unknown resource Resource_List.{piece.partition('=')[0]}", 187)
        parts |= dict(piece.split("=", 1) for piece in pieces)
    job.place = whole.get("place")
    job.cores = int(parts.get("ncpus", "1")) if parts.get("ncpus", "1").isdigit() else _illegal("ncpus")
    if "mem" in parts:
        match = re.fullmatch(r"(\d+)(kb|mb|gb|b)", parts["mem"])
        job.memory = (
            int(match[1]) << {"b": 0, "kb": 10, "mb": 20, "gb": 30}[match[2]] if match else _illegal("mem")
        )
    if "walltime" in parts:
        job.walltime = _seconds(parts["walltime"])


def _seconds(text: str) -> int:
    if not re.fullmatch(r"\d+(:\d+){0,2}", text):
        _illegal("walltime")
    total = 0
    for part in text.split(":"):
        total = total * 60 + int(part)
    return total


def _illegal(name: str) -> int:
    raise Refusal(f"qsub: Illegal attribute or resource value Resource_List.{name}", 166)
