"""Limits of memory that a batch system sets as limits of the process: Python meets them as a MemoryError."""

from __future__ import annotations

import json
import os
import resource
from typing import Any

from clustrix.runner.amounts import format_bytes
from clustrix.runner.frames import Damaged, peek
from clustrix.runner.outcome import EXCEPTION
from clustrix.runner.verdict import FAILED, Verdict


def over_limit(path: str, asked_bytes: int | None) -> Verdict | None:
    """Why a job with this outcome has failed, if it met such a limit; its traceback is kept."""
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    if limit == resource.RLIM_INFINITY:
        return None
    try:
        with open(path, "rb") as file:
            meta: dict[str, Any] = peek(file, os.fstat(file.fileno()).st_size)
    except (FileNotFoundError, Damaged):
        return None
    if meta["kind"] != EXCEPTION or meta["nodes"][0]["type"] != "MemoryError":
        return None
    asked = f"it asked for {format_bytes(asked_bytes)}, and " if asked_bytes is not None else ""
    cause = f"out of memory: {asked}this place allows its processes {format_bytes(limit)} of address space: MemoryError"
    record = {
        "error": "MemoryLimitExceeded",
        "cause": cause,
        "advice": "Ask for more: @cluster(memory=...).",
        "details": {"limit_bytes": limit, "peak_bytes": None},
        "stderr": meta["text"],
    }
    return Verdict(FAILED, cause, json.dumps(record))
