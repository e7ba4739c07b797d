"""The functions that run as jobs.  They travel as source, as a user's module does."""

from __future__ import annotations

import os
import time
from typing import Any

from clustrix import cluster

SPIN_SECONDS = 0.001


@cluster
def echo(value: Any = None) -> Any:
    return value


@cluster
def spin(value: Any = None) -> Any:
    """Keep a core busy for a millisecond."""
    end = time.perf_counter() + SPIN_SECONDS
    while time.perf_counter() < end:
        pass
    return value


@cluster
def hold(path: str) -> None:
    """Occupy cores until the file is gone."""
    while os.path.exists(path):
        time.sleep(0.05)


@cluster
def size(data: Any) -> int:
    return len(data)


@cluster
def zeros(count: int) -> bytearray:
    return bytearray(count)
