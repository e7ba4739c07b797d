"""What jobs of these tests do.  It travels with them, so it imports nothing that is not there."""

from __future__ import annotations

import os
import time

from clustrix import cluster


@cluster
def double(number: int) -> int:
    return 2 * number


@cluster
def wait(seconds: float, begun: str = "") -> str:
    """Count a run, and sleep."""
    if begun:
        with open(begun, "a") as file:
            file.write("run\n")
    time.sleep(seconds)
    return "slept"


@cluster
def note(number: int, folder: str) -> int:
    """Count a run of an item."""
    with open(os.path.join(folder, str(number)), "a") as file:
        file.write("run\n")
    time.sleep(0.3)
    return number
