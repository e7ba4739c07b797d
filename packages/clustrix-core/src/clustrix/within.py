"""What the code of a job can ask and tell: which job it is, and how far it is.  Outside of a job both do nothing."""

from __future__ import annotations

import math
from typing import Any

from clustrix.runner import current
from clustrix.runner.current import CurrentJob

__all__ = ["CurrentJob", "checkpoint", "current_job", "progress", "restore"]


def current_job() -> CurrentJob | None:
    """The job that this code runs in; None where it is called as a plain function."""
    return current.running.job() if current.running is not None else None


def progress(done: float, total: float | None = None, message: str = "") -> None:
    """Tell how far the job is: whoever waits for it sees it, and ``clustrix jobs --watch``.

    ``done`` of ``total`` in any unit (None: nobody knows how much there is), with a line of text.  It may be called in every turn
    of a loop: at most ten reports a second are written.  Raises TypeError or ValueError for what is no number.
    """
    for name, value in (("done", done), ("total", total)):
        if value is None and name == "total":
            continue
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise TypeError(f"progress(): {name} must be a number, not {value!r}")
        if not math.isfinite(value) or value < 0:
            raise ValueError(f"progress(): {name} must be a number from zero on, not {value!r}")
    if not isinstance(message, str):
        raise TypeError(f"progress(): message must be a text, not {message!r}")
    if current.running is not None:
        current.running.report(done, total, message)


def checkpoint(obj: object) -> None:
    """Save what the job needs to go on from here, in place of what it has saved before; of a map, for this item.

    It is kept until the job has ended, whatever attempts that takes.  It is on disk when this returns, so in a loop call it every few
    seconds, not in every turn.  Outside of a job it does nothing.  Raises TypeError for what cannot be pickled, OSError when there
    is no room: the one before stays.
    """
    if current.running is not None:
        current.running.save(obj)


def restore(default: Any = None) -> Any:
    """What this job, or this item of a map, has saved last, perhaps in an earlier attempt; ``default`` if it has saved nothing.

    Raises ValueError if that is damaged.
    """
    return default if current.running is None else current.running.restore(default)
