"""What can be seen of a map's items: one by one, in a table, and all of them in a few lines."""

from __future__ import annotations

import importlib
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from clustrix.results.cells import Table, one_line, shown
from clustrix.results.failures import ErrorGroups

if TYPE_CHECKING:
    from clustrix.journal import JobState

WAITING, RUNNING, SUCCEEDED, FAILED, CANCELLED = "waiting", "running", "succeeded", "failed", "cancelled"
COLUMNS = ("index", "arguments", "state", "seconds", "pid", "peak_bytes")


class Glance(NamedTuple):
    """What can be seen of an item without opening its result."""

    state: str
    seconds: float | None = None
    pid: int | None = None


class Summary(NamedTuple):
    """A map at one moment.  Prints as a few lines, also in a notebook."""

    id: str
    name: str
    state: JobState
    reason: str
    items: int
    counts: dict[str, int]
    """How many items are in which state."""
    seconds: float | None
    """Since it was started, until now or its end; None before."""
    errors: ErrorGroups

    @property
    def rate(self) -> float | None:
        """Finished items in a second."""
        finished = self.counts[SUCCEEDED] + self.counts[FAILED]
        return finished / self.seconds if self.seconds and finished else None

    def to_dict(self) -> dict[str, Any]:
        """Plain data, as for JSON."""
        plain = {**self._asdict(), "state": str(self.state), "rate": self.rate}
        return {**plain, "errors": self.errors.to_dict()["groups"]}

    @property
    def lines(self) -> tuple[str, str]:
        reason = f": {self.reason}" if self.reason else ""
        counts = ", ".join(f"{count:,} {state}" for state, count in self.counts.items() if count)
        rate = f"; {shown(self.rate)} items/s" if self.rate is not None else ""
        counts = f": {counts}" if counts else ""
        return one_line(
            f"{self.id} {self.name} {self.state}{reason}", 200
        ), f"{self.items:,} items{counts}{rate}"

    def __str__(self) -> str:
        failures = "\n" + str(self.errors) if self.errors else ""
        return "\n  ".join(self.lines) + failures.replace("\n", "\n  ")

    def _repr_html_(self) -> str:
        head, counts = self.lines
        failures = self.errors._repr_html_() if self.errors else ""
        return Table((head,), [(counts,)])._repr_html_() + failures


def passed(started: float | None, ended: float | None) -> float | None:
    """Seconds from a start to an end or until now."""
    return None if started is None else (time.time() if ended is None else ended) - started


def framed(rows: Iterator[tuple[Any, ...]], caption: str) -> Any:
    """A pandas DataFrame if pandas is there, else a Table."""
    try:
        pandas = importlib.import_module("pandas")
    except ImportError:
        return Table(COLUMNS, list(rows), caption)
    frame = pandas.DataFrame(list(rows), columns=COLUMNS)
    whole = dict.fromkeys(("pid", "peak_bytes"), "Int64")  # integers that may be missing
    return frame.astype({"seconds": "float64", **whole})
