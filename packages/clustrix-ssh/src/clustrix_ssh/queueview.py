"""What a scheduler says of all our jobs, asked once for all, more and more seldom while nothing changes."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from datetime import datetime

from clustrix_ssh.agent.client import Agent
from clustrix_ssh.farhost import FarHost
from clustrix_ssh.schedulers.interface import YOU, End, Scheduler, Seen, State, Unavailable
from clustrix_ssh.submitting import run

_SOON_SECONDS = 2.0
_SELDOM_SECONDS = 60.0
_FIRST_SECONDS = 1.0
"""After a submission: many are over by then, and the scheduler need not be asked at all."""
_PAST_SECONDS = 5.0
_WHY_SECONDS = 60.0
"""Between questions why a job waits: one job's answer, at most."""


class QueueView:
    """One cluster's queue as it was last seen."""

    def __init__(self, far: FarHost, scheduler: Scheduler) -> None:
        self._far = far
        self.scheduler = scheduler
        self._rows: dict[str, Seen] = {}
        self._by_number: dict[str, list[Seen]] = {}
        self._pause_s = _SOON_SECONDS
        self._next = 0.0
        self._expected: dict[str, float] = {}
        """When the jobs of a number were submitted, or first heard of."""
        self._past: dict[str, End] = {}
        self._past_at = 0.0
        self._why: dict[str, str] = {}
        """Why jobs wait, by their numbers, where the queue itself does not tell."""
        self._why_at = 0.0
        self.asked_at = 0.0
        """Monotonic time of the latest question that was answered."""
        self.trouble = ""
        """Why the scheduler does not answer; empty if it does."""

    def expect(self, handles: Iterable[str]) -> None:
        """These were submitted just now."""
        now = time.monotonic()
        for handle in handles:
            self._expected.setdefault(handle.partition("_")[0], now)
        self._pause_s = _SOON_SECONDS
        self._next = max(self._next if self.asked_at else 0.0, now + _FIRST_SECONDS)

    def hurry(self) -> None:
        """Something has been done: look soon."""
        self._pause_s = _SOON_SECONDS
        self._next = min(self._next, time.monotonic() + 0.5)

    async def look(self, numbers: Iterable[str]) -> None:
        """Ask, if it is time.  Raises HostUnreachable, AgentError; that the scheduler is down is no error here, nor any news."""
        now = time.monotonic()
        for number in numbers:
            self._expected.setdefault(number, now)
        if now < self._next:
            return
        agent = await self._far.agent()
        user = self._far.facts["user"]
        try:
            rows = self.scheduler.read_look(await run(agent, self.scheduler.look(user, sorted(numbers))))
        except Unavailable as error:
            self.trouble = f"{self.scheduler.title} does not answer: {error}"
            self._next = time.monotonic() + self._pause_s
            return
        self.trouble = ""
        self._pause_s = _SOON_SECONDS if rows != self._rows else min(self._pause_s * 1.5, _SELDOM_SECONDS)
        self._rows = rows
        self._by_number = {}
        for handle, seen in rows.items():
            self._by_number.setdefault(handle.partition("_")[0], []).append(seen)
        self.asked_at = now
        await self._ask_why(agent)
        self._next = time.monotonic() + self._pause_s

    async def _ask_why(self, agent: Agent) -> None:
        """One job's reason at a time: who waits longest without one, else whose answer is the oldest."""
        self._why = {number: why for number, why in self._why.items() if number in self._by_number}
        waiting = [number for number, rows in self._by_number.items() if rows[0].state is State.QUEUED]
        new = [number for number in waiting if number not in self._why]
        if not waiting or (not new and time.monotonic() - self._why_at < _WHY_SECONDS):
            return
        number = new[0] if new else next(number for number in self._why if number in waiting)
        command = self.scheduler.explain(number)
        if command is None:
            return
        self._why_at = time.monotonic()
        self._why.pop(number, None)  # the latest answer is the last
        self._why[number] = self.scheduler.read_explained(await run(agent, command))

    def answered(self, handle: str) -> bool:
        """Whether the scheduler has been asked since this was submitted, and some time after it: some take a moment."""
        since = self._expected.get(handle.partition("_")[0])
        return since is not None and self.asked_at >= since + _FIRST_SECONDS

    def seen(self, handle: str) -> list[Seen]:
        """What there is of a job, or of all elements of an array; those that run first."""
        if handle in self._rows:
            return [self._rows[handle]]
        if "_" in handle:
            return []
        return sorted(self._by_number.get(handle, []), key=lambda seen: seen.state.value != "RUNNING")

    def words(self, handle: str, seen: Seen) -> str:
        """Why it waits: the scheduler's word, ours, and when it is expected to start."""
        text = seen.reason
        if self._why.get(handle.partition("_")[0]):
            text += f" ({self._why[handle.partition('_')[0]]})"
        if seen.hint:
            text += f": {seen.hint}"
        if seen.start is not None:
            text += f"; expected to start at {datetime.fromtimestamp(seen.start):%Y-%m-%d %H:%M}"
        return "; ".join(part for part in (text, self.trouble) if part)

    async def past(self, handles: Iterable[str]) -> Mapping[str, End]:
        """What accounting says of these, or else the scheduler's own memory; asked at most every few seconds."""
        now = time.monotonic()
        wanted = sorted({handle for handle in handles if handle not in self._past})
        if not wanted or now - self._past_at < _PAST_SECONDS:
            return self._past
        self._past_at = now
        agent = await self._far.agent()
        for command in self.scheduler.past(sorted({handle.partition("_")[0] for handle in wanted})):
            try:
                found = self.scheduler.read_past(await run(agent, command))
            except Unavailable:
                continue
            me = {str(self._far.facts["uid"]), self._far.facts["user"]}
            for handle, end in found.items():
                if end is not None:
                    self._past[handle] = end._replace(who=YOU) if end.who in me else end
            if all(handle in self._past for handle in wanted):
                break
        return self._past

    def forget(self, handle: str) -> None:
        """It is in the queue again: how it ended before is no longer its end."""
        self._past.pop(handle, None)
