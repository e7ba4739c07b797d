"""Limits of memory that a batch system sets as limits of the process: Python meets them as a MemoryError."""

from __future__ import annotations

import resource

from clustrix.runner.amounts import format_bytes
from clustrix.runner.outcome import EXCEPTION
from clustrix.runner.verdict import FAILED, Verdict, recorded
from clustrix_ssh.far.ending import head_of


def over_limit(path: str, asked_bytes: int | None) -> Verdict | None:
    """Why a job with this outcome has failed, if it met such a limit; its traceback is kept."""
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    if limit == resource.RLIM_INFINITY:
        return None
    meta = head_of(path)
    if meta is None or meta["kind"] != EXCEPTION or meta["nodes"][0]["type"] != "MemoryError":
        return None
    asked = f"it asked for {format_bytes(asked_bytes)}, and " if asked_bytes is not None else ""
    cause = f"out of memory: {asked}this place allows its processes {format_bytes(limit)} of address space: MemoryError"
    details = {"limit_bytes": limit, "peak_bytes": None}
    advice = "Ask for more: @cluster(memory=...)."
    return recorded(FAILED, "MemoryLimitExceeded", cause, advice, details, meta["text"])
