"""Warnings that are given once, and that point at the user's own line."""

from __future__ import annotations

import sys
import warnings
from typing import Any

_said: set[str] = set()


def warn_once(text: str) -> None:
    """A warning, unless this process has given it already."""
    if text not in _said:
        _said.add(text)
        warnings.warn(text, stacklevel=levels_to_the_caller())


def levels_to_the_caller() -> int:
    """For ``warnings.warn`` in the calling function: the nearest frame that is not of clustrix, nor of a package that is called after it."""
    levels = 1
    frame = sys._getframe(1)
    while frame.f_back is not None and _is_ours(frame.f_globals.get("__name__")):
        frame, levels = frame.f_back, levels + 1
    return levels


def _is_ours(module: Any) -> bool:
    top = module.partition(".")[0] if isinstance(module, str) else ""
    return top == "clustrix" or top.startswith("clustrix_")
