"""Functions of every kind that Python has: what makes each, and what it comes to."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

CASES: dict[str, tuple[Callable[[], Callable[[], Any]], Any]] = {}


def comes_to(expected: Any) -> Callable[[Callable[[], Any]], None]:
    """What is decorated makes a function; that function, in a job, returns what is expected."""

    def register(make: Callable[[], Any]) -> None:
        CASES[make.__name__] = make, expected

    return register
