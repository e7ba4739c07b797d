"""Warnings that are given once, and that point at the user's own line."""

from __future__ import annotations

import os
import sys
import warnings

_said: set[str] = set()


def warn_once(text: str) -> None:
    """A warning, unless this process has given it already."""
    if text not in _said:
        _said.add(text)
        warnings.warn(text, stacklevel=levels_to_the_caller())


def levels_to_the_caller() -> int:
    """For ``warnings.warn`` in the calling function: the nearest frame that is not of this package."""
    package, levels = os.path.dirname(os.path.dirname(__file__)) + os.sep, 1
    frame = sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(package):
        frame, levels = frame.f_back, levels + 1
    return levels
