"""What jobs tell of how far they are, as who waits for them reads it."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from typing import NamedTuple

from clustrix.journal import Place
from clustrix.runner import layout


class Progress(NamedTuple):
    """What a job has told."""

    done: float
    total: float | None
    """Of how much; None: nobody knows."""
    message: str
    item: int | None
    """Which item of a map; None for a call."""
    at: float
    """When, in seconds since the epoch."""

    def __str__(self) -> str:
        share = f" of {self.total:g}" if self.total is not None else ""
        return f"{self.done:g}{share}" + (f": {self.message}" if self.message else "")


def read(place: Place, job: str) -> list[Progress]:
    """What the job, or each worker of a map, has told last; the latest at the end.  Nothing once it has ended."""
    folder = os.path.join(place.live, job)
    found = []
    with suppress(FileNotFoundError):
        for name in os.listdir(folder):
            if name.partition("-")[0] == layout.PROGRESS:
                with suppress(FileNotFoundError, ValueError), open(os.path.join(folder, name), "rb") as file:
                    done, total, message, *rest = json.loads(file.read())
                    found.append(Progress(done, total, _plain(str(message)), *rest))
    return sorted(found, key=lambda report: report.at)


def _plain(text: str) -> str:
    """Nothing that would move a terminal's cursor or change its colours."""
    return "".join(character if character.isprintable() else " " for character in text)
