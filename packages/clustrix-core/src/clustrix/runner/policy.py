"""What shall happen when a call fails: how often it is tried again, for which errors, and what that means for the others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

RAISE = "raise"
COLLECT = "collect"
STOP = "stop"
FAIL, REQUEUE = "fail", "requeue"
ON_TIME_LIMIT = (FAIL, REQUEUE)
ON_ERROR = (RAISE, COLLECT, STOP)

MOST_SPARED = 5
"""So many ends that are nobody's fault cost no retry; then they do."""
_LONGEST_PAUSE_SECONDS = 300.0
_MEMORY, _TIME = "MemoryLimitExceeded", "TimeLimitExceeded"
_NOBODYS_FAULT = frozenset({"JobKilled", "JobLost"})
_FINAL = frozenset({"JobCancelled", "JobNotStarted", "ResultUnpicklable", "ResultDamaged"})
"""The next try would come to the same."""


class Policy(NamedTuple):
    """One job's, as its submitter wished it."""

    on_error: str = RAISE
    """What a failed item of a map is to the others: RAISE and COLLECT: nothing; STOP: nothing more is begun."""
    retries: int = 0
    """How often a call that has failed is tried again."""
    retry_on: Sequence[str] = ()
    """Names of the errors for which it is, with their modules or without; empty: all."""
    pause_s: float = 1.0
    """Before the first retry; twice as long before each that follows."""
    memory_factor: float = 1.0
    """How much more memory the next try gets after one that had too little; 1: it is not tried again for that."""
    memory_limit_bytes: int | None = None
    """The most that it gets."""
    requeues: int = 0
    """How often a call, or an item, that has reached its time limit is begun again, to go on where it has saved; 0: never."""

    def pause(self, retry: int) -> float:
        """Seconds before a retry; the first is 1."""
        return float(min(self.pause_s * 2.0 ** (retry - 1), _LONGEST_PAUSE_SECONDS))

    def wants(self, names: Sequence[str]) -> bool:
        """Whether an error of a class is one to be tried again; ``names``: of that class and all it descends from."""
        if self.retries < 1 or not _FINAL.isdisjoint(name.rpartition(".")[2] for name in names):
            return False
        if not self.retry_on:
            return names[0] != _MEMORY  # with the same memory it would come to the same
        known = {*names, *(name.rpartition(".")[2] for name in names)}
        return not known.isdisjoint(self.retry_on)

    def spares(self, names: Sequence[str]) -> bool:
        """Whether such an end is nobody's fault: the machine's, or somebody's who killed it."""
        return self.retries > 0 and names[0] in _NOBODYS_FAULT

    def goes_on(self, names: Sequence[str], spared: int) -> bool:
        """Whether a call that has come to the end of its time is begun again; ``spared``: how often one was, without a retry."""
        return names[0] == _TIME and spared < self.requeues

    def more_memory(self, names: Sequence[str], memory_bytes: int | None) -> int | None:
        """What the next try gets after an end for lack of memory; None if there shall be none, or no more can be had."""
        if self.memory_factor <= 1.0 or names[0] != _MEMORY or memory_bytes is None:
            return None
        most = self.memory_limit_bytes or memory_bytes * 2**10
        more = min(int(memory_bytes * self.memory_factor), most)
        return more if more > memory_bytes else None


PLAIN = Policy()


def of_spec(spec: str) -> Policy:
    """The policy in a job's spec."""
    import json  # who only names a field's choices needs none of it

    told: dict[str, Any] | None = json.loads(spec).get("policy")
    return Policy(**told) if told else PLAIN


def names_of(cls: type) -> list[str]:
    """A class and all it descends from, as ``wants`` takes them."""
    return [
        base.__qualname__ if base.__module__ == "builtins" else f"{base.__module__}.{base.__qualname__}"
        for base in cls.__mro__
    ]
