"""SGE: what its answers mean.  Source: qsub(1), qstat(1), qacct(1), sge_status(5), and what 8.1.9 was seen to say."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from xml.etree import ElementTree

from clustrix_ssh.schedulers.answers import check_heard, said, seconds
from clustrix_ssh.schedulers.interface import (
    Answer,
    Cause,
    End,
    Full,
    Queue,
    Refused,
    Seen,
    State,
    Unavailable,
)

NOISE = "Exiting."
DOWN = re.compile(
    r"commlib error|unable to (?:send message to|contact) qmaster|can't connect to service|Connection (?:refused|timed out)|"
    r"failed receiving gdi request|got (?:send|select|read) error|set the environment variable SGE_ROOT|"
    r"cell directory .* doesn't exist|permission for service denied",
    re.IGNORECASE,
)
_FULL = re.compile(
    r"only \d+ (?:jobs|active jobs) are allowed|job limit|max_u_jobs|max_jobs|would exceed", re.IGNORECASE
)
_HINTS = {
    "E": "its start has failed; once the reason is removed: qmod -cj, or cancel it",
    "h": "it is held, or waits for another job: qrls lets it go",
    "R": "it was queued again",
}
_FAILED = re.compile(r"^(\d+)\s*(?::\s*(.*))?$")
_LIMIT, _AFTER, _RESCHEDULED = 37, 100, 25
_ASKED = 143
"""What runs jobs there leaves so, without a result, when it was asked to end, and not by clustrix: qdel is the only cause that is left."""
_NODE = {1, 19, 21, 22}
"""The execution daemon has lost the job, or has been started anew."""


def number(answer: Answer) -> str:
    """A job's number.  Raises Refused, Full, Unavailable."""
    if answer.status == 0:
        for line in reversed(answer.stdout.splitlines()):
            match = re.fullmatch(r"(\d+)(?:\.\d+-\d+:\d+)?", line.strip())
            if match:
                return match[1]
        spoken = re.findall(r"[Yy]our job(?:-array)? (\d+)", answer.stdout)
        if spoken:
            return str(spoken[-1])
    text = said(answer, NOISE)
    if DOWN.search(text) or answer.status in (0, 124):
        raise Unavailable(f"qsub: {text}")
    if _FULL.search(text):
        raise Full(f"qsub: {text}")
    raise Refused(text.removeprefix("Unable to run job: "))


def found(answer: Answer, names: Sequence[str]) -> dict[str, str]:
    """Numbers by name: from the queue, then from the accounts behind it."""
    check_heard(answer, DOWN, NOISE)
    if answer.status != 0:
        raise Unavailable(f"qstat: {said(answer, NOISE)}")
    text, _, accounts = answer.stdout.rpartition("</job_info>")  # there is one within the other
    rows = {row["jobname"]: row["jobnumber"] for row in _accounts(accounts) if row.get("jobname") in names}
    for job in _xml(text + "</job_info>").iter("job_list"):
        name = job.findtext("full_job_name") or job.findtext("JB_name") or ""
        if name in names:
            rows[name] = job.findtext("JB_job_number") or ""
    return rows


def _xml(text: str) -> ElementTree.Element:
    start = text.find("<?xml")
    if start < 0:
        raise Unavailable(f"qstat: {text.strip()[-300:] or 'it said nothing'}")
    try:
        return ElementTree.fromstring(text[start:])  # noqa: S314 -- the scheduler's own answer
    except ElementTree.ParseError as error:
        raise Unavailable(f"qstat: its answer is no XML ({error})") from error


def queue(answer: Answer) -> dict[str, Seen]:
    """What qstat says."""
    if answer.status != 0:
        raise Unavailable(f"qstat: {said(answer, NOISE)}")
    rows: dict[str, Seen] = {}
    for job in _xml(answer.stdout).iter("job_list"):
        base, state = job.findtext("JB_job_number") or "", job.findtext("state") or ""
        seen = Seen(*_state(state))
        for handle in _each(base, job.findtext("tasks") or ""):
            rows[handle] = seen
    return rows


def _state(letters: str) -> tuple[State, str, str]:
    """By ``sge_status(5)``: one or more letters, as "qw", "hqw", "Eqw", "r", "dr", "Rr"."""
    if "E" in letters or "q" in letters or "w" in letters:
        hint = next((text for letter, text in _HINTS.items() if letter in letters), "")
        return State.QUEUED, f"state {letters}", hint
    reasons = {
        "d": "it is being ended",
        "s": "it is suspended",
        "S": "its queue is suspended",
        "T": "it is suspended",
    }
    return State.RUNNING, next((text for letter, text in reasons.items() if letter in letters), ""), ""


def _each(base: str, tasks: str) -> Iterator[str]:
    """``3-7:2,9`` is four."""
    if not tasks:
        yield base
    for part in tasks.split(",") if tasks else ():
        low, _, rest = part.partition("-")
        high, _, step = rest.partition(":")
        if low.strip().isdigit():
            for index in range(int(low), int(high or low) + 1, int(step or 1)):
                yield f"{base}_{index}"


def why(answer: Answer) -> str:
    """From ``qstat -j``: why its start has failed, or why no queue takes it."""
    if answer.status != 0:
        return ""
    found: list[str] = []
    reading = False
    for line in answer.stdout.splitlines():
        head, colon, rest = line.partition(":")
        if line[:1].strip():
            reading = bool(colon) and head.startswith(("error reason", "scheduling info"))
            text = rest.strip()
        else:
            text = line.strip()
        if reading and text and text not in found:
            found.append(
                re.sub(r"^\d+/\d+/\d+ [\d:]+ \[[\d:]+\]: ", "", text.removeprefix("1:").strip())
                if head.startswith("error")
                else text
            )
    return "; ".join(found[:3])


def _accounts(text: str) -> Iterator[dict[str, str]]:
    """The blocks of ``qacct -j``, the latest of a job last."""
    for block in re.split(r"^=+\s*$", text, flags=re.MULTILINE):
        pairs = (line.split(None, 1) for line in block.splitlines() if line.strip())
        row = {pair[0]: pair[1].strip() if len(pair) > 1 else "" for pair in pairs}
        if "jobnumber" in row:
            yield row


def ends(answer: Answer) -> dict[str, End | None]:
    """What ``qacct`` says."""
    if answer.status != 0:
        if "not found" in answer.stderr + answer.stdout:
            return {}
        raise Unavailable(f"qacct: {said(answer, NOISE)}")
    rows: dict[str, End | None] = {}
    for row in _accounts(answer.stdout):
        task = row.get("taskid", "undefined")
        handle = row["jobnumber"] if task == "undefined" else f"{row['jobnumber']}_{task}"
        rows[handle] = _end(row)
    return rows


def _end(row: dict[str, str]) -> End | None:
    match = _FAILED.match(row.get("failed", "0"))
    failed, text = (int(match[1]), match[2] or "") if match else (0, "")
    status = int(row.get("exit_status", "0").split()[0])
    signal = status - 128 if 128 < status < 128 + 65 else None
    peak = _bytes(row.get("maxvmem", ""))
    shown = f", maxvmem {row['maxvmem']}" if peak else ""
    evidence = f"qacct: failed {failed}{f' ({text})' if text else ''}, exit_status {status}{shown}"
    if failed == _RESCHEDULED:
        return None
    cause = Cause.FINISHED if status == 0 else Cause.EXITED
    if status == _ASKED:
        cause = Cause.CANCELLED
    elif failed == _LIMIT:
        cause = _which_limit(row, peak)
    elif failed in _NODE:
        cause = Cause.NODE
    elif 0 < failed < _AFTER:
        cause = Cause.REFUSED
    return End(cause, None if signal else status, signal, peak or None, row.get("hostname", ""), "", evidence)


def _which_limit(row: dict[str, str], peak: int) -> Cause:
    """``failed 37`` is one word for several limits: what was asked for, beside what was used, tells which."""
    asked = dict(part.partition("=")[::2] for part in re.findall(r"\w+=[^,\s]+", row.get("category", "")))
    took = float(re.sub(r"[^\d.]", "", row.get("ru_wallclock", "0")) or 0)
    if "h_rt" in asked and took >= seconds(asked["h_rt"]) - 1:
        return Cause.TIME
    slots = int(row.get("slots", "1") or 1)
    if "h_vmem" in asked and peak >= 0.9 * _bytes(asked["h_vmem"]) * slots:
        return Cause.MEMORY
    return Cause.MEMORY if "h_vmem" in asked and "h_rt" not in asked else Cause.TIME


def _bytes(text: str) -> int:
    """``3.410MB``, ``2G``, ``0.000B``."""
    match = re.fullmatch(r"([\d.]+)\s*([KMGT]?)B?", text.strip(), re.IGNORECASE)
    if not match:
        return 0
    return int(
        float(match[1]) * {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}[match[2].upper()]
    )


def most_in_an_array(answer: Answer) -> int | None:
    """From ``qconf -sconf``; 0 there is no limit."""
    match = re.search(r"^max_aj_tasks\s+(\d+)", answer.stdout, re.MULTILINE)
    return (int(match[1]) or None) if match else None


def queues(answers: Sequence[Answer]) -> list[Queue]:
    """From ``qstat -g c``, and ``qhost`` for the largest node."""
    first, hosts = answers[0], answers[1]
    if first.status != 0:
        raise Unavailable(f"qstat: {said(first, NOISE)}")
    cores, memory = 0, 0
    for line in hosts.stdout.splitlines():
        parts = line.split()
        if len(parts) >= 8 and parts[2].isdigit():
            cores = max(cores, int(parts[2]))
            memory = max(memory, next((_bytes(part) for part in parts[3:] if part[-1:] in "MGT"), 0))
    rows = []
    for line in first.stdout.splitlines()[2:]:
        parts = line.split()
        if len(parts) >= 6:
            rows.append(
                Queue(parts[0], cores=cores or None, memory_bytes=memory or None, state=f"{parts[5]} slots")
            )
    return rows
