"""What the answers of all schedulers have in common."""

from __future__ import annotations

import re

from clustrix_ssh.schedulers.interface import Answer, Unavailable


def said(answer: Answer, noise: str = "") -> str:
    """The scheduler's own words, in one line.  ``noise``: a line that says nothing."""
    lines = [line.strip() for line in (answer.stderr or answer.stdout).splitlines()]
    lines = [line for line in lines if line and line != noise]
    return "; ".join(lines[-3:])[:500] or f"exit status {answer.status}"


def check_heard(answer: Answer, down: re.Pattern[str], noise: str = "") -> None:
    """Raises Unavailable when whom the command is for has not heard it.  ``down``: by what such an answer is known."""
    if answer.status != 0 and down.search(answer.stderr + answer.stdout):
        raise Unavailable(said(answer, noise))


def seconds(text: str) -> float:
    """``H:MM:SS``, ``MM:SS``, or seconds."""
    total = 0.0
    for part in text.split(":"):
        total = total * 60 + float(part or 0)
    return total
