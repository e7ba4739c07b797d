"""How findings about a host are shown."""

from __future__ import annotations

from typing import NamedTuple


class Row(NamedTuple):
    """One thing that was looked at."""

    result: str
    """ "ok", "warning" or "failed"."""
    text: str
    advice: str = ""
