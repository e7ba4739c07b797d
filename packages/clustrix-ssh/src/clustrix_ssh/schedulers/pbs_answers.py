"""PBS: what its answers mean.  Source: qsub(1B), qstat(1B), pbs_job_attributes(7B), and what OpenPBS 23.06 was seen to say."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from clustrix_ssh.schedulers import pbs_ends
from clustrix_ssh.schedulers.answers import check_heard, said, seconds
from clustrix_ssh.schedulers.interface import (
    Answer,
    End,
    Full,
    Queue,
    Refused,
    Seen,
    State,
    Unavailable,
)

DOWN = re.compile(
    r"cannot connect to (?:specified )?server|[Cc]onnection (?:refused|timed out|reset)|Communication failure|No route to host|"
    r"\bpbs_iff\b|[Tt]imed? ?out|End of File|Premature end|Protocol .*error|errno=1[01]\d|Server shutting down|Unknown Host|"
    r"could not connect|Server is (?:not ready|busy|down)|No default server",
)
_FULL = re.compile(
    r"[Mm]aximum number of jobs|would exceed|exceeds? .*limit (?:of|on) .*jobs|limit on (?:total )?(?:number of )?jobs|per-user limit"
)
_ID = re.compile(r"(\d+)(?:\[(\d*)\])?(?:\.[\w.-]*\*?|\*)?")
_KNOWN = {"Job has finished": 35, "Unknown Job Id": 153}
_WAITS = {
    "Q": "",
    "H": "it is held, or waits for another job: qrls lets it go",
    "W": "it waits for the time that it asked for",
    "T": "it is being moved",
    "M": "it was moved to another server",
}
_RUNS = {
    "R": "",
    "B": "",
    "E": "it is being ended",
    "S": "it is suspended",
    "U": "it is suspended: its node is in use",
}


def version(answer: Answer) -> str:
    """ "pbs 23.06.06" or "torque 6.1.2".  Raises Unavailable."""
    text = f"{answer.stdout}\n{answer.stderr}"
    found = re.search(r"pbs_version\s*=\s*([\w.-]+)", text)
    if found:
        return f"pbs {found[1]}"
    found = re.search(r"^\s*[Vv]ersion:\s*([\w.-]+)", text, re.MULTILINE)
    if found and answer.status in (0, 1):
        return f"torque {found[1]}"
    raise Unavailable(f"there is no PBS there (qsub --version: {said(answer)})")


def handle(text: str) -> str | None:
    """Ours for an id of theirs: ``9[3].pbshost`` is ``9[]_3``; None for what is no id."""
    found = _ID.fullmatch(text)
    if not found:
        return None
    number, index = found[1], found[2]
    return number if index is None else f"{number}[]_{index}" if index else f"{number}[]"


def number(answer: Answer) -> str:
    """A job's number.  Raises Refused, Full, Unavailable."""
    if answer.status == 0:
        # The server's name is part of it, which tells it from other numbers that a wrapper says.
        for pattern in (r"\d+(?:\[\])?\.[A-Za-z0-9][\w.-]*", r"\d+(?:\[\])?"):
            for line in reversed(answer.stdout.splitlines()):
                if re.fullmatch(pattern, line.strip()):
                    return handle(line.strip()) or ""
    text = said(answer).removeprefix("qsub: ")
    if DOWN.search(text) or answer.status in (0, 124):
        raise Unavailable(f"qsub: {text}")
    if _FULL.search(text):
        raise Full(f"qsub: {text}")
    raise Refused(text)


def found(answer: Answer) -> dict[str, str]:
    """Numbers by the names that PBS has: of lines ``NAME ID``, or of all jobs as JSON."""
    if answer.stdout.lstrip().startswith("{"):
        rows = jobs(answer)
        return {str(row.get("Job_Name")): key for key, row in rows.items() if "_" not in key}
    check_heard(answer, DOWN)
    if answer.status != 0:
        raise Unavailable(f"qselect: {said(answer)}")
    pairs = (line.split() for line in answer.stdout.splitlines())
    return {pair[0]: handle(pair[1]) or "" for pair in pairs if len(pair) == 2}


def queue(answer: Answer) -> dict[str, Seen]:
    """Of the lines of ``qstat``, long or short: the first word is the id, and the last but one the state."""
    check_heard(answer, DOWN)
    if answer.status != 0:
        raise Unavailable(f"qstat: {said(answer)}")
    rows: dict[str, Seen] = {}
    for line in answer.stdout.splitlines():
        words = line.split()
        key = handle(words[0]) if len(words) >= 6 else None
        if key is None:
            continue
        letter = words[-2]
        if letter in _WAITS:
            rows[key] = Seen(State.QUEUED, f"state {letter}", _WAITS[letter])
        elif letter in _RUNS:
            rows[key] = Seen(State.RUNNING, _RUNS[letter])
    arrays = {key.partition("_")[0] for key in rows if "_" in key}
    return {key: seen for key, seen in rows.items() if key not in arrays}


def jobs(answer: Answer) -> dict[str, Mapping[str, Any]]:
    """Attributes by handle, of what ``qstat -f`` says, as JSON or as text.  Raises Unavailable when nobody has answered.

    What it does not know any more is passed over; jobs that it names after such a one are not in its answer.
    """
    check_heard(answer, DOWN)
    if answer.status != 0 and not any(text in answer.stderr + answer.stdout for text in _KNOWN):
        raise Unavailable(f"qstat: {said(answer)}")
    text = answer.stdout
    if not text.lstrip().startswith("{"):
        rows = {name: block for kind, name, block in blocks(text) if kind == "Job Id"}
    else:
        try:
            rows = json.loads(text, strict=False).get("Jobs") or {}
        except ValueError:
            rows = _by_lines(text)
    return {key: row for name, row in rows.items() if (key := handle(name)) is not None}


def _by_lines(text: str) -> dict[str, dict[str, Any]]:
    """Of JSON that is none: some versions do not quote what users have written into names and variables."""
    found: dict[str, dict[str, Any]] = {}
    row: dict[str, Any] = {}
    inner: dict[str, Any] | None = None
    for line in text.splitlines():
        match = re.match(r'^(\t+)"((?:[^"\\]|\\.)*)":\t(.*?),?$', line)
        if not match:
            continue
        depth, name, value = len(match[1]), match[2], match[3]
        if depth == 2:
            row = found.setdefault(name, {})
        elif depth == 3 and value == "{":
            inner = row.setdefault(name, {})
        elif depth == 3:
            row[name] = _value(value)
        elif depth == 4 and inner is not None:
            inner[name] = _value(value)
    return found


def _value(text: str) -> Any:
    try:
        return json.loads(text, strict=False)
    except ValueError:
        return text.strip('"')


def blocks(text: str) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Of ``Job Id: 4711.server`` and the indented lines below it: what it is, its name, its attributes.

    Long values are continued on lines that begin with a tab; ``Resource_List.walltime`` is nested as in JSON.
    """
    unfolded = re.sub(r"\n\t", "", text)
    kind, name = "", ""
    row: dict[str, Any] = {}
    for line in [*unfolded.splitlines(), "end: "]:
        if line[:1].strip():
            if name:
                yield kind, name, row
            kind, _, name = (part.strip() for part in line.partition(":"))
            if not _ and line.strip():  # pbsnodes has nothing but the name there
                kind, name = "", line.strip()
            row = {}
        elif " = " in line:
            key, _, value = line.strip().partition(" = ")
            outer, dot, nested = key.partition(".")
            if dot:
                row.setdefault(outer, {})[nested] = value
            else:
                row[key] = value


def why(answer: Answer) -> str:
    """Why a job waits, in the scheduler's words."""
    try:
        rows = jobs(answer)
    except Unavailable:
        return ""
    parts: list[str] = []
    for row in rows.values():
        parts.append(str(row.get("comment") or ""))
        if row.get("job_state") == "H":
            parts.append(f"Hold_Types {row.get('Hold_Types', '?')}")
            depend = str(row.get("depend") or "")
            parts.append(f"depend {depend}" if depend.startswith("after") else "")
        estimated = row.get("estimated")
        if isinstance(estimated, dict) and estimated.get("start_time"):
            parts.append(f"expected to start at {estimated['start_time']}")
    return "; ".join(dict.fromkeys(part for part in parts if part))


def ends(answer: Answer) -> dict[str, End | None]:
    """What the history says."""
    return {key: pbs_ends.end(row) for key, row in jobs(answer).items()}


def most_in_an_array(answer: Answer) -> int | None:
    """Of ``qstat -B -f``."""
    row: Mapping[str, Any] = next((row for _, _, row in blocks(answer.stdout)), {})
    return _whole(row.get("max_array_size") or row.get("max_job_array_size"))


def _whole(text: Any) -> int | None:
    return int(text) if text and str(text).isdigit() else None


def queues(answers: Sequence[Answer]) -> list[Queue]:
    """Of ``qstat -Q -f``, ``qstat -B -f`` and ``pbsnodes -a``."""
    first, server, nodes = answers
    if first.status != 0:
        raise Unavailable(f"qstat: {said(first)}")
    default = next((row.get("default_queue") for _, _, row in blocks(server.stdout)), None)
    cores = memory = 0
    if nodes.status == 0:
        for _, _, row in blocks(nodes.stdout):
            there = row.get("resources_available") or {}
            cores = max(cores, _whole(there.get("ncpus") or row.get("np")) or 0)
            memory = max(memory, pbs_ends.size(str(there.get("mem") or "")) or 0)
    rows = []
    for _, name, row in blocks(first.stdout):
        if row.get("queue_type") == "Route" or row.get("enabled") == "False":
            continue
        most = (row.get("resources_max") or {}).get("walltime")
        rows.append(
            Queue(
                name,
                default=name == default,
                time_s=seconds(most) if most else None,
                cores=cores or None,
                memory_bytes=memory or None,
                state="" if row.get("started") == "True" else "not started",
            )
        )
    return rows
