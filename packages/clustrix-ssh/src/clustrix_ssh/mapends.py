"""Maps of which no element is in the queue any more, and that have no result: what is left is worked on elsewhere, once.

Elements end early on their own when their time would not do for another item; others are killed, with their nodes or by their limits.  Either
way what they had finished stays, and what they had not is given to new elements, as long as each round of them gets something done.
"""

from __future__ import annotations

import json
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from clustrix.backends import HostUnreachable, JobSpec, Phase, Status
from clustrix.runner.verdict import LOST, recorded
from clustrix_ssh.farhost import FarHost
from clustrix_ssh.lost import ENDED_SECONDS, LATE_SECONDS, WAITS, Decision, Left, decide, is_told, of_end
from clustrix_ssh.preamble import preamble
from clustrix_ssh.schedulers.interface import Cause, Command, End
from clustrix_ssh.submitting import run

_MOST_IDLE_ROUNDS = 3
_CONCLUDE_SECONDS = 120.0

Resubmit = Callable[[JobSpec, int, int], Awaitable[None]]
"""Have more elements for a map: the number of the first, and how many items are left."""


class Maps:
    """Those of one cluster."""

    def __init__(self, far: FarHost, resubmit: Resubmit) -> None:
        self._far = far
        self._resubmit = resubmit
        self._finished: dict[str, int] = {}
        self._idle: dict[str, int] = {}
        """Rounds in a row that have finished nothing."""

    async def look_after(
        self,
        job: JobSpec,
        left: Left,
        ends: Mapping[str, End],
        state: Mapping[str, Any],
        said: str,
        system: str,
    ) -> Decision:
        """``ends``: what is known of the ends of its elements, by handle.  Raises HostUnreachable, AgentError."""
        begun = len(state["claims"])
        if not begun:
            one = next(iter(ends.values()), None)
            return decide(job, left, one, begun=False, said=said, system=system)
        waited = time.monotonic() - left.since
        # Of some, the scheduler says that they left no books; all others have closed theirs.
        told = sum(is_told(end) for end in ends.values())
        unclosed = begun - state["ended"]
        patience = 0.0 if unclosed <= 0 else ENDED_SECONDS if unclosed <= told else LATE_SECONDS
        if waited < patience:
            return Decision(Status(Phase.RUNNING, WAITS))
        bad = next((end for end in ends.values() if end.cause is not Cause.FINISHED), None)
        return await self.go_on(job, bad, said)

    async def go_on(self, job: JobSpec, bad: End | None, said: str) -> Decision:
        """None of its elements lives: have others work on what is left.  Raises HostUnreachable, AgentError."""
        row = await self._conclude(job)
        if row["done"]:
            return Decision(Status(Phase.DONE))
        if bad is not None and bad.cause is Cause.CANCELLED:
            return Decision(verdict=of_end(job, bad, said, begun=True))
        stands = row["finished"] <= self._finished.get(job.id, 0)
        self._idle[job.id] = self._idle.get(job.id, 0) + 1 if stands else 0
        self._finished[job.id] = row["finished"]
        if self._idle[job.id] >= _MOST_IDLE_ROUNDS or not row["left"]:
            if bad is not None:
                return Decision(verdict=of_end(job, bad, said, begun=True))
            cause = f"{_MOST_IDLE_ROUNDS} rounds of its elements in a row have finished no item, and left no word why"
            return Decision(
                verdict=recorded(LOST, "JobLost", cause, "See what it has printed (job.logs()).", stderr=said)
            )
        await self._resubmit(job, row["next"], row["left"])
        what = f": {bad.evidence}" if bad is not None else ""
        return Decision(
            Status(
                Phase.QUEUED,
                f"{row['left']:,} of {job.items:,} items are left, and are submitted again{what}",
            )
        )

    def forget(self, job: str) -> None:
        """It has ended."""
        self._finished.pop(job, None)
        self._idle.pop(job, None)

    async def _conclude(self, job: JobSpec) -> Mapping[str, Any]:
        python, why = await self._far.python(preamble(job.settings))
        if why:
            raise HostUnreachable(why)
        kit = await self._far.kit()
        agent = await self._far.agent()
        command = Command((python, f"{kit}/start.py", "conclude", self._far.paths.job(job.id)))
        answer = await run(agent, command, _CONCLUDE_SECONDS)
        if answer.status != 0:
            raise HostUnreachable(
                f"{self._far.name}: the map's accounts could not be closed: {answer.stderr.strip()[-300:]}"
            )
        row: Mapping[str, Any] = json.loads(answer.stdout)
        return row
