"""Slurm: what its answers mean.  Source: squeue(1), sacct(1), scontrol(1) and sbatch(1), and what 22.05 was seen to say."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import datetime

from clustrix_ssh.schedulers.answers import check_heard, said
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

DOWN = re.compile(
    r"Unable to contact slurm controller|Socket timed out|Connection refused|Connection timed out|Zero Bytes were transmitted|"
    r"Resource temporarily unavailable|slurm_load_jobs error|Transport endpoint|Unable to establish|Job/step already completing|"
    r"Slurm temporarily unable|Protocol authentication error|Munge|Slurm backup controller",
    re.IGNORECASE,
)
_FULL = re.compile(
    r"MaxSubmitJob|MaxJobsAccruePerUser|QOSMax\w*Submit|AssocMaxSubmit|Job violates accounting/QOS policy",
    re.IGNORECASE,
)
_HINTS = {
    "Priority": "other jobs go first",
    "Resources": "it is next, when enough is free",
    "Dependency": "it waits for another job",
    "DependencyNeverSatisfied": "the job that it waits for has failed: it will never run; cancel it",
    "JobHeldUser": "it is held: scontrol release lets it go",
    "JobHeldAdmin": "an administrator holds it",
    "JobArrayTaskLimit": "as many of its array run as may (max_parallel_jobs)",
    "ReqNodeNotAvail": "the nodes that it wants are down or reserved",
    "PartitionDown": "its partition is down",
    "PartitionInactive": "its partition starts nothing at the moment",
    "PartitionTimeLimit": "it asks for more time than its partition allows: ask for less (time)",
    "PartitionNodeLimit": "it asks for more nodes than its partition allows",
    "PartitionConfig": "its partition has nothing like what it asks for: ask for fewer cores, less memory or fewer nodes",
    "BadConstraints": "no node can ever do what it asks for",
    "BeginTime": "its time to begin has not come; also after it was queued again",
    "AssociationJobLimit": "you have as many jobs as your account may",
    "Licenses": "a licence is not free",
    "launch failed requeued held": "its start has failed on the node; an administrator has to look",
}
_CAUSES = {
    "COMPLETED": Cause.FINISHED,
    "FAILED": Cause.EXITED,
    "OUT_OF_MEMORY": Cause.MEMORY,
    "TIMEOUT": Cause.TIME,
    "DEADLINE": Cause.TIME,
    "CANCELLED": Cause.CANCELLED,
    "REVOKED": Cause.CANCELLED,
    "NODE_FAIL": Cause.NODE,
    "BOOT_FAIL": Cause.NODE,
    "PREEMPTED": Cause.PREEMPTED,
}
_LIVE = {
    "PENDING",
    "RUNNING",
    "SUSPENDED",
    "COMPLETING",
    "CONFIGURING",
    "REQUEUED",
    "REQUEUE_HOLD",
    "RESIZING",
    "STOPPED",
    "STAGE_OUT",
}


def number(answer: Answer) -> str:
    """A job's number.  Raises Refused, Full, Unavailable."""
    words = re.compile(r"^(?:Submitted batch job )?(\d+)(?:;[\w.-]+)?\s*$")
    for line in reversed(answer.stdout.splitlines()):
        match = words.match(line.strip())
        if match and answer.status == 0:
            return match[1]
    loose = re.findall(r"\bSubmitted batch job (\d+)", answer.stdout)
    if loose and answer.status == 0:
        return str(loose[-1])
    text = said(answer)
    if DOWN.search(text) or answer.status == 0:
        raise Unavailable(f"sbatch: {text}")
    if _FULL.search(text):
        raise Full(f"sbatch: {text}")
    raise Refused(_error(text))


def _error(text: str) -> str:
    found = re.findall(r"sbatch: error: ((?:(?!sbatch: error:).)*)", text)
    return (found[-1] if found else text).strip().rstrip(";").strip()


def found(answer: Answer, names: Sequence[str]) -> dict[str, str]:
    """Numbers by name; the latest of each."""
    check_heard(answer, DOWN)
    if answer.status != 0:
        raise Unavailable(f"squeue: {said(answer)}")
    rows = (line.strip().partition("|") for line in answer.stdout.splitlines())
    return {name: job for job, _, name in rows if name in names and job.isdigit()}


def queue(answer: Answer) -> dict[str, Seen]:
    """What squeue says."""
    if answer.status != 0:
        raise Unavailable(f"squeue: {said(answer)}")
    rows: dict[str, Seen] = {}
    for line in answer.stdout.splitlines():
        parts = line.strip().split("|", 4)
        if len(parts) != 5 or not parts[0][:1].isdigit():
            continue
        handles, state, start, _node, reason = parts
        waits = state in ("PENDING", "REQUEUED", "REQUEUE_HOLD", "SPECIAL_EXIT")
        reason = "" if reason == "None" else reason
        seen = Seen(
            State.QUEUED if waits else State.RUNNING,
            reason if waits else "" if state == "RUNNING" else state.lower(),
            _hint(reason) if waits else "",
            _seconds(start) if waits else None,
        )
        rows.update((handle, seen) for handle in _each(handles))
    return rows


def _each(text: str) -> Iterator[str]:
    """``7_[1-3,5%2]`` is four."""
    base, bracket, rest = text.partition("_[")
    if not bracket:
        yield text
        return
    for part in rest.rstrip("]").partition("%")[0].split(","):
        low, _, high = part.partition("-")
        high, _, step = high.partition(":")
        if low.isdigit():
            for index in range(int(low), int(high or low) + 1, int(step or 1)):
                yield f"{base}_{index}"


def _hint(reason: str) -> str:
    first = reason.partition(",")[0].strip("()")
    if first.startswith(("QOSMax", "QOSGrp", "Assoc")):
        return "you, or your group, use as much as your account or QOS allows"
    return _HINTS.get(first, "")


def _seconds(text: str) -> float | None:
    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError:
        return None


def ends(answer: Answer) -> dict[str, End | None]:
    """What sacct, or scontrol, says of jobs that have left the queue."""
    if answer.stdout.startswith("JobId="):
        return {handle: end for line in answer.stdout.splitlines() for handle, end in _of_controller(line)}
    text = said(answer)
    if answer.status != 0 or "disabled" in answer.stderr:
        raise Unavailable(text)
    jobs: dict[str, list[list[str]]] = {}
    for line in answer.stdout.splitlines():
        parts = line.strip().split("|")
        if len(parts) >= 6:
            jobs.setdefault(parts[0].partition(".")[0], []).append(parts)
    return {handle: _end(rows) for job, rows in jobs.items() for handle in _each(job)}


def _end(rows: list[list[str]]) -> End | None:
    """The job's own row, and those of its steps, which have the memory."""
    main = rows[0]
    word, _, by = main[1].partition(" by ")
    if word in _LIVE or word not in _CAUSES:
        return None
    peak = max((_bytes(row[3]) for row in rows), default=0)
    batch = next((row for row in rows if row[0].endswith(".batch")), main)
    status, number_ = _exit(batch[2] if main[2] == "0:0" and word == "FAILED" else main[2])
    shown = f", MaxRSS {peak / (1 << 20):.0f} MiB" if peak else ""
    evidence = f"sacct: State {main[1]}, ExitCode {main[2]}{shown}"
    return End(_CAUSES[word], status, number_, peak or None, main[4], by, evidence)


def _of_controller(line: str) -> Iterator[tuple[str, End | None]]:
    fields = dict(pair.partition("=")[::2] for pair in line.split() if "=" in pair)
    job = fields["JobId"]
    if "ArrayJobId" in fields:
        index = fields.get("ArrayTaskId", "")
        handles = list(
            _each(
                f"{fields['ArrayJobId']}_{index}" if index.isdigit() else f"{fields['ArrayJobId']}_[{index}]"
            )
        )
    else:
        handles = [job]
    word = fields.get("JobState", "")
    status, number_ = _exit(fields.get("ExitCode", "0:0"))
    evidence = f"scontrol: JobState {word}, Reason {fields.get('Reason')}, ExitCode {fields.get('ExitCode')}"
    end = (
        None
        if word not in _CAUSES
        else End(_CAUSES[word], status, number_, None, fields.get("NodeList", ""), "", evidence)
    )
    if end is not None and fields.get("Reason") in ("JobLaunchFailure", "BadConstraints", "launch_failed"):
        end = end._replace(cause=Cause.REFUSED)
    yield from ((handle, end) for handle in handles)


def _exit(text: str) -> tuple[int | None, int | None]:
    code, _, number_ = text.partition(":")
    if not code.isdigit() or not number_.isdigit():
        return None, None
    return int(code), int(number_) or None


def _bytes(text: str) -> int:
    match = re.fullmatch(r"([\d.]+)([KMGT]?)", text)
    if not match:
        return 0
    return int(float(match[1]) * {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}[match[2]])


def most_in_an_array(answer: Answer) -> int | None:
    """From ``scontrol show config``."""
    match = re.search(r"^MaxArraySize\s*=\s*(\d+)", answer.stdout, re.MULTILINE)
    return max(1, int(match[1]) - 1) if match else None  # the highest index is one less


def queues(answers: Sequence[Answer]) -> list[Queue]:
    """From sinfo."""
    (answer,) = answers
    if answer.status != 0:
        raise Unavailable(f"sinfo: {said(answer)}")
    rows = []
    for line in answer.stdout.splitlines():
        parts = line.strip().split("|")
        if len(parts) != 6:
            continue
        name, state, time, nodes, cores, memory = parts
        rows.append(
            Queue(
                name.rstrip("*"),
                name.endswith("*"),
                _duration(time),
                int(nodes),
                int(cores.rstrip("+")),
                int(memory.rstrip("+")) << 20,
                state,
            )
        )
    return rows


def _duration(text: str) -> float | None:
    if text in ("infinite", "UNLIMITED", "n/a"):
        return None
    days, dash, rest = text.partition("-") if "-" in text else ("0", "", text)
    parts = [int(part) for part in rest.split(":") if part.isdigit()]
    while len(parts) < 3:
        parts = [*parts, 0] if dash else [0, *parts]
    return int(days) * 86400.0 + parts[0] * 3600 + parts[1] * 60 + parts[2]
