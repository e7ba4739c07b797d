"""Calls that are made one after the other in one job, and how long they took: what the job's own start cost is the rest.

Called in jobs of the joblib backend; it travels with them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any


def timed(calls: Sequence[Callable[[], Any]]) -> tuple[list[Any], float]:
    """What each of them returned, and the seconds of all; the first error ends it."""
    began = time.perf_counter()
    return [call() for call in calls], time.perf_counter() - began
