"""What has become of a job that is in no queue and has no result: what the evidence says, and how long to wait for what is late.

To be gone from the queue is no outcome.  On network file systems a result may be seen minutes after it was written; but who was ended
by the scheduler has written none, so that is waited for only a little.
"""

from __future__ import annotations

import re
import time
from typing import Any, NamedTuple

from clustrix.backends import JobSpec, Phase, Status
from clustrix.runner import layout
from clustrix.runner.amounts import format_bytes
from clustrix.runner.verdict import CANCELLED, FAILED, LOST, TIMED_OUT, Verdict, recorded, verdict
from clustrix_ssh.schedulers.interface import YOU, Cause, End
from clustrix_ssh.verdicts import not_begun

LATE_SECONDS = 120.0
ENDED_SECONDS = 5.0
MEMORY_SECONDS = 30.0
"""How long accounts may take to know of an end; SGE writes them every 15 s."""
WAITS = "it has left the queue; its result is awaited"
_ASK = "Ask who did that, or submit it again."
_MEMORY = re.compile(
    r"^.*(?:exceeded (?:job |step )?memory limit|oom[-_ ]kill|mem \d+\w* exceeded limit).*$", re.I | re.M
)
"""What a scheduler prints into a job's log when it kills it for its memory."""


class Left:
    """A job that has left the queue."""

    def __init__(self, since: float) -> None:
        self.since = since
        """Monotonic time."""
        self.status: Status | None = None
        self.said: str | None = None
        """The end of what it has printed, once that was asked for."""
        self.taken = ""
        """The signal that it was ended with from outside, if it knew of one."""


class Decision(NamedTuple):
    """What to say of a job."""

    status: Status | None = None
    verdict: Verdict | None = None


def decide(job: JobSpec, left: Left, end: End | None, *, begun: bool, said: str, system: str) -> Decision:
    """``begun``: whether the job's claim is there; ``said``: the end of what it has printed; ``system``: the scheduler's name."""
    waited = time.monotonic() - left.since
    if end is not None and is_told(end):
        if waited < ENDED_SECONDS:
            return Decision(Status(Phase.RUNNING, f"{WAITS} ({end.evidence})"))
        return Decision(verdict=of_end(job, end, said, begun))
    if begun and end is not None and end.exit_status == layout.EX_STORE and waited >= ENDED_SECONDS:
        return Decision(verdict=verdict(layout.EX_STORE << 8, None, folder=job.folder))
    if left.taken and end is not None and waited >= ENDED_SECONDS:
        cause = f"it was interrupted by {left.taken} from outside, not by clustrix, and ended: {end.evidence}"
        return Decision(verdict=recorded(CANCELLED, "JobCancelled", cause, _ASK, {}, said))
    if not begun and end is not None and end.exit_status:
        return Decision(verdict=not_begun(end.exit_status, said, otherwise=end.evidence))
    if left.taken and end is None and waited >= MEMORY_SECONDS:
        cause = f"it was ended from outside, not by clustrix, and {system} does not remember why"
        return Decision(verdict=recorded(CANCELLED, "JobCancelled", cause, _ASK, {}, said))
    if waited < LATE_SECONDS:
        evidence = f" ({end.evidence})" if end is not None else ""
        return Decision(Status(Phase.RUNNING if begun else Phase.QUEUED, WAITS + evidence))
    evidence = end.evidence if end is not None else f"{system} does not remember it"
    if begun:
        cause = f"it was begun, it has left the queue, and no result could be seen for {LATE_SECONDS:g} s: {evidence}"
        advice = "What it did until then is not known; submit it again if it may run twice."
        return Decision(verdict=recorded(LOST, "JobLost", cause, advice, stderr=said))
    return Decision(Status(Phase.GONE, evidence))


def is_told(end: End) -> bool:
    """Whether the scheduler's word is the whole story: then nothing is late."""
    if end.cause in (Cause.MEMORY, Cause.TIME, Cause.CANCELLED, Cause.NODE, Cause.PREEMPTED, Cause.REFUSED):
        return True
    return end.cause is Cause.EXITED and end.signal == 9


def of_end(job: JobSpec, end: End, said: str, begun: bool) -> Verdict:
    """Why a job has come to nothing, by the scheduler's word; where its claim is there, it was begun, whatever that word is."""
    memory = job.memory_bytes
    over = memory is not None and end.peak_bytes is not None and end.peak_bytes >= 0.95 * memory
    printed = _MEMORY.search(said) if end.cause is Cause.EXITED and end.signal == 9 else None
    if end.cause is Cause.MEMORY or printed or (end.cause is Cause.EXITED and over):
        asked = f"it asked for {format_bytes(memory)}, " if memory is not None else ""
        peak = f"{format_bytes(end.peak_bytes)} were seen, " if end.peak_bytes else ""
        details: dict[str, Any] = {"limit_bytes": memory, "peak_bytes": end.peak_bytes}
        words = f"{printed[0].strip()}; " if printed else ""
        cause = f"out of memory: {asked}{peak}says {words}{end.evidence}"
        return recorded(
            FAILED, "MemoryLimitExceeded", cause, "Ask for more: @cluster(memory=...).", details, said
        )
    if end.cause is Cause.TIME:
        cause = f"it was ended at its time limit, says {end.evidence}"
        details = {"limit_s": job.time_s}
        return recorded(
            TIMED_OUT, "TimeLimitExceeded", cause, "Allow more: @cluster(time=...).", details, said
        )
    if end.cause is Cause.CANCELLED:
        if end.who == YOU:
            cause = f"it was cancelled by you on the cluster, not through clustrix: {end.evidence}"
            return recorded(CANCELLED, "JobCancelled", cause, "Submit it again if you want it.", {}, said)
        who = f" by user {end.who}" if end.who else ""
        cause = f"it was cancelled on the cluster{who}, not by clustrix: {end.evidence}"
        return recorded(CANCELLED, "JobCancelled", cause, _ASK, {}, said)
    if end.cause is Cause.NODE:
        cause = f"its node {end.node or 'there'} has failed: {end.evidence}"
        advice = 'Submit it again, or allow that: @cluster(retries=..., retry_on="JobLost").'
        return recorded(LOST, "JobLost", cause, advice, {}, said)
    if end.cause is Cause.PREEMPTED:
        cause = f"it had to make room for other jobs, and was not queued again: {end.evidence}"
        return recorded(LOST, "JobLost", cause, "Submit it again.", {}, said)
    if end.cause is Cause.REFUSED and not begun:
        cause = f"the cluster could not start it: {end.evidence}"
        return recorded(FAILED, "JobNotStarted", cause, "Ask the administrators of the cluster.", {}, said)
    number = end.signal or 9
    cause = f"its processes were killed (signal {number}) without a word to clustrix: {end.evidence}"
    advice = "Too much memory is the usual cause: ask for more (memory=...), or look at what the cluster's administrators say."
    return recorded(
        FAILED, "JobKilled", cause, advice, {"signal": number, "peak_bytes": end.peak_bytes or 0}, said
    )
