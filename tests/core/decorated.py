"""Decorated functions and methods of a module.  A job imports it, so it imports little itself."""

from __future__ import annotations

from typing import Any

from clustrix import cluster


@cluster(cores=1)
def documented(a: int, *rest: float, b: str = "x", **more: Any) -> list[str]:
    """What it does."""
    return [str(a), *map(str, rest), b, *more]


class Scale:
    """Methods of every kind, decorated on either side."""

    def __init__(self, factor: int) -> None:
        self.factor = factor

    @cluster
    def times(self, x: int) -> int:
        return self.factor * x

    @cluster
    @staticmethod
    def outer_static(x: int) -> int:
        return x + 1

    @staticmethod
    @cluster
    def inner_static(x: int) -> int:
        return x + 1

    @cluster
    @classmethod
    def outer_class(cls, x: int) -> tuple[str, int]:
        return cls.__name__, x

    @classmethod
    @cluster
    def inner_class(cls, x: int) -> tuple[str, int]:
        return cls.__name__, x


class Wider(Scale):
    """Inherits them."""
