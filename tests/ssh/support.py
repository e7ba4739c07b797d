"""What tests of far places share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.core.support import wait_until


def until(holds: Callable[[], Any], seconds: float = 60) -> None:
    """Wait for what takes its time there: connections, schedulers."""
    wait_until(holds, "it did not come to that", seconds)
