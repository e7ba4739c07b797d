"""What may come of a job, told from what was done to it; knows nothing of processes and files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.torture.client import shown
from tests.torture.work import BIG_BYTES

SUCCEEDED, FAILED, CANCELLED, TIMED_OUT, LOST = "SUCCEEDED", "FAILED", "CANCELLED", "TIMED_OUT", "LOST"
FINAL = frozenset({SUCCEEDED, FAILED, CANCELLED, TIMED_OUT, LOST})
_UNCOUNTED = 1000
_SPARED = 5
"""So many deaths from outside cost no retry."""

ERRORS = {
    "raise": "ValueError",
    "hopeless": "ValueError",
    "postponed": "ValueError",
    "exit": "JobExited",
    "quit": "JobExited",
    "die": "JobKilled",
    "slow": "TimeLimitExceeded",
}
CALLS: Mapping[str, dict[str, Any]] = {
    "value": {},
    "raise": {},
    "sleep": {"tags": ["nap"]},
    "exit": {},
    "quit": {},
    "die": {},
    "print": {"memory": "1GB"},
    "hold": {},
    "big": {"name": "a big one"},
    "flaky": {"retries": 2, "retry_delay": 0.02},
    "hopeless": {"retries": 1, "retry_delay": 0.02},
    "postponed": {"retries": 1, "retry_delay": 600},
    "slow": {"time": 0.2},
    "saves": {"time": 0.5, "on_time_limit": "requeue"},
    "leaves": {"cores": 2},
    "nests": {},
}
"""The kinds of calls, and the options that each has.  A postponed one waits for its second attempt, and is cancelled in the end."""
ATTEMPTS = {"flaky": 3, "hopeless": 2, "postponed": 2, "saves": 3}
ITEMS = {"o": None, "f": "KeyError", "d": "JobKilled", "h": None, "s": "TimeLimitExceeded"}
"""What an item of a map does, and the error that it comes to."""
ITEM_SECONDS = 0.4
"""The time limit of maps with slow items."""


@dataclass
class Job:
    """One submission."""

    token: str
    kind: str
    """One of CALLS; of a map, a letter of ITEMS for each item."""
    is_map: bool
    options: Mapping[str, Any]
    id: str = ""
    """Empty as long as nobody knows whether it was submitted: its submitter was killed in the middle of that."""
    numbers: list[int] = field(default_factory=list)
    """Of a map's items, the third argument of each."""
    cancelled: bool = False
    """Its end was asked for and promised."""
    kills: int = 0
    """How often a process of it was killed from outside, that may have been at work."""
    surely_killed: bool = False
    """It was killed where it could not have been done, and there are no retries."""
    settled: str = ""
    """The state in which it has ended, once that was seen."""
    disturbed: bool = False
    """Whether anything was killed while it lived: it may have been begun anew."""
    far: bool = False
    """Whether it runs on another machine."""
    blind: bool = False
    """Whether a warm parent was killed while it lived: nobody may have seen how a process of it ended."""

    @property
    def reuses(self) -> bool:
        return bool(self.options.get("reuse"))

    @property
    def holds(self) -> bool:
        return "h" in self.kind if self.is_map else self.kind == "hold"

    def states(self) -> set[str]:
        """In which it may end."""
        if self.cancelled:
            return {CANCELLED}
        if self.is_map:
            return {FAILED} if self.fails() else {SUCCEEDED, FAILED} if self.kills else {SUCCEEDED}
        dead = {FAILED, LOST} if self.blind else {FAILED}
        if self.surely_killed or self.kind in ("die", "quit"):
            return dead
        own = TIMED_OUT if self.kind == "slow" else FAILED if self.kind in ERRORS else SUCCEEDED
        return {own} | (dead if self.kills or (self.kind == "slow" and self.disturbed) else set())

    def fails(self) -> bool:
        """Whether an item of a map has an error of its own."""
        return any(ITEMS[what] is not None for what in self.kind)

    def outcomes(self) -> list[dict[str, str]]:
        """What a call may come to, as a client tells it."""
        if self.cancelled:
            return [{"error": "JobCancelled"}]
        dead = [{"error": name} for name in self.deaths()]
        if self.surely_killed:
            return dead
        own = {"error": ERRORS[self.kind]} if self.kind in ERRORS else {"value": shown(self._value())}
        unseen = self.blind and self.kind in ("die", "quit")
        # Who ends a job for its time, and is killed in that moment, leaves nobody who knows why it was ended.
        untold = self.disturbed and self.kind == "slow"
        killed = self.kills and not self.options.get("retries")
        return [own, *dead] if unseen or untold or killed else [own]

    def deaths(self) -> list[str]:
        """As what a death from outside may be told: elsewhere also as never begun, before its claim."""
        return ["JobKilled"] + ["JobLost"] * self.blind + ["JobNotStarted"] * self.far

    def _value(self) -> object:
        if self.kind == "big":
            return self.token.encode().ljust(BIG_BYTES, b".")
        return f"{self.token}.inner" if self.kind == "nests" else self.token

    def check_items(self, state: str, found: list[dict[str, str]]) -> str:
        """What is wrong with the outcomes of a map's items; empty if nothing is."""
        if len(found) != len(self.kind):
            return f"{len(found)} items of {len(self.kind)}"
        left, skipped = self.kills, 0
        for number, what, outcome in zip(self.numbers, self.kind, found, strict=True):
            own = {"value": shown(f"{self.token} {number}")}
            if ITEMS[what] is not None:
                own = {"error": str(ITEMS[what])}
            if outcome == own:
                continue
            if outcome == {"error": "JobCancelled"}:
                skipped += 1
            elif outcome.get("error") in self.deaths() and (what == "d" or (what == "s" and self.disturbed)):
                continue
            elif outcome.get("error") in self.deaths() and left:
                left -= 1
            else:
                return f"item {number} ({what}) came to {outcome}, not {own}"
        errors = sum("error" in outcome for outcome in found)
        if skipped and not self.cancelled and self.options.get("on_error") != "stop":
            return f"{skipped} items were not begun"
        if skipped == errors and not self.cancelled and skipped:
            return f"{skipped} items were not begun, and none has failed"
        if not self.cancelled and (state == FAILED) != bool(errors):
            return f"{errors} items have failed, and the map has {state}"
        return ""

    def most_runs(self) -> int:
        """How often an item, or how many attempts of a call, may have been begun."""
        retries = self.options.get("retries", 0)
        if self.is_map and retries and self.disturbed:
            return _UNCOUNTED  # each dispatcher counts for itself how often it has given on an item
        if self.is_map and self.far and (self.kills or self.blind):
            return _UNCOUNTED  # those that were at work when their place of work was killed begin anew
        spared = _SPARED if retries and "d" in self.kind else min(self.kills, _SPARED) if retries else 0
        return (
            (1 + retries if self.is_map else ATTEMPTS.get(self.kind, 1))
            + spared
            + (self.kills if self.kind == "saves" else 0)
        )
