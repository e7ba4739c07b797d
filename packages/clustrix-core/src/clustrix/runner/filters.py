"""The filters of warnings: a job warns of what its submitter would have been warned of."""

from __future__ import annotations

import builtins
import json
import re
import warnings
from collections.abc import Sequence
from typing import Any

Row = list[Any]

_latest: tuple[list[Any] | None, str] = (None, "")


def mine() -> list[Row]:
    """Those of this process, for JSON; a filter for a class that is not built in is left out."""
    rows: list[Row] = []
    found: Any = warnings.filters
    for action, message, category, module, line in found:
        name = getattr(category, "__name__", "")
        if getattr(builtins, name, None) is category:
            rows.append([action, _text(message), name, _text(module), line])
    return rows


def text() -> str:
    """The same as a text: equal filters have equal texts."""
    global _latest
    latest = _latest
    if warnings.filters != latest[0]:
        found = json.dumps(mine(), separators=(",", ":"))
        latest = _latest = [*warnings.filters], found
    return latest[1]


def _text(pattern: Any) -> str:
    if pattern is None:
        return ""
    return pattern if isinstance(pattern, str) else str(pattern.pattern)


def put_on(rows: Sequence[Row]) -> None:
    """Have the filters of another process."""
    warnings.resetwarnings()
    for action, message, category, module, line in reversed(rows):
        # Added each in front of those before it.
        where = module if not module.isidentifier() else re.escape(module) + r"\Z"
        warnings.filterwarnings(action, message, getattr(builtins, category), where, line)
