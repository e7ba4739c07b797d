"""One line of the table, and the small tools that make its numbers."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any, TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Row:
    """A figure of ours, that of a rival or a baseline, and what it should be."""

    what: str
    ours: float
    unit: str
    target: float | None = None
    """None: for information."""
    of: str = "ours"
    """What the target is about: "ours", or the "ratio" to the baseline."""
    least: bool = False
    """Whether the target is the least that it should be, not the most."""
    rival: str = ""
    baseline: float | None = None

    @property
    def ratio(self) -> float | None:
        return self.ours / self.baseline if self.baseline else None

    @property
    def ok(self) -> bool | None:
        figure = self.ratio if self.of == "ratio" else self.ours
        if self.target is None or figure is None:
            return None
        return figure >= self.target if self.least else figure <= self.target

    @property
    def wanted(self) -> str:
        if self.target is None:
            return ""
        return f"{'≥' if self.least else '≤'} {self.target:g} {'×' if self.of == 'ratio' else self.unit}"


def timed(call: Callable[..., T], *args: Any) -> tuple[float, T]:
    """How many seconds a call takes, and what it returns."""
    started = time.perf_counter()
    value = call(*args)
    return time.perf_counter() - started, value


def seconds(call: Callable[..., Any], *args: Any) -> float:
    """How many seconds a call takes."""
    return timed(call, *args)[0]


def in_turn(times: int, *calls: Callable[[], Any]) -> list[float]:
    """The median seconds of each call; they take turns, so that a busy minute hits them alike."""
    taken = [[seconds(call) for call in calls] for _ in range(times)]
    return [median(column) for column in zip(*taken, strict=True)]


def ms(figures: Sequence[float]) -> float:
    """The median, in milliseconds."""
    return median(figures) * 1e3
