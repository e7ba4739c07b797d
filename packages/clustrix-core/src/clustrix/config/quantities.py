"""Amounts as people write them: cores, memory, time."""

from __future__ import annotations

import math
import operator
import re
from typing import Any

from clustrix.errors import ConfigError

CORES_HELP = "a whole number from 1 to 1,000,000"
_MEMORY_HELP = "a number above zero with a unit (B, KB, MB, GB, TB; KiB, MiB, …), a number of bytes up to 2**60, or None for no limit"
_TIME_HELP = "hours:minutes:seconds, minutes:seconds, days-hours:minutes, days-hours:minutes:seconds, a number with a unit (s, min, h, d), a number of seconds, or None"
_MOST_CORES = 1_000_000
_LARGEST_BYTES = 2**60
_LONGEST_SECONDS = 10 * 365 * 86400.0

# As the batch systems read them: "1GB" is what Slurm calls 1G, 2**30 bytes.
_UNITS = {"": 1, "b": 1, **{p + s: 1024**n for n, p in enumerate("kmgtp", 1) for s in ("", "b", "ib")}}
_SECONDS = {
    "s": 1,
    "sec": 1,
    "m": 60,
    "min": 60,
    "h": 3600,
    "hour": 3600,
    "hours": 3600,
    "d": 86400,
    "day": 86400,
    "days": 86400,
}


def parse_cores(field: str, value: Any) -> int:
    """Cores of one call.  Raises ConfigError."""
    found = None if isinstance(value, float) else _number(value)
    if found is None or not 1 <= found <= _MOST_CORES:
        raise ConfigError(field, value, f"cores must be {CORES_HELP}", f"{field}=4")
    return int(found)


def parse_memory(field: str, value: Any) -> int | None:
    """Bytes of one call; None: no limit.  "1GB" is 2**30 bytes, as batch systems count.  Raises ConfigError."""
    if value is None:
        return None
    found = _number(value)
    if isinstance(value, str):
        match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([a-z]*)\s*", value.lower())
        if match and match[2] in _UNITS:
            found = float(match[1]) * _UNITS[match[2]]
    if found is None or not math.isfinite(found) or not 1 <= found <= _LARGEST_BYTES:
        raise ConfigError(field, value, f"memory must be {_MEMORY_HELP}", f'{field}="16GB"')
    return int(found)


def parse_time(field: str, value: Any) -> float | None:
    """Seconds; None: no limit.  Raises ConfigError."""
    if value is None:
        return None
    found = _number(value)
    if isinstance(value, str):
        found = _clock(value.strip())
        match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([a-z]+)", value.strip().lower())
        if match and match[2] in _SECONDS:
            found = float(match[1]) * _SECONDS[match[2]]
    if found is None or not math.isfinite(found) or not 0 < found <= _LONGEST_SECONDS:
        raise ConfigError(field, value, f"time must be {_TIME_HELP}", f'{field}="02:30:00"')
    return float(found)


def _number(value: Any) -> float | None:
    """A number as a float, infinity if it is too large for one; None for what is no number."""
    if isinstance(value, float):
        return value
    try:
        return (
            None if isinstance(value, bool) else float(operator.index(value))
        )  # numpy's integers are as good
    except TypeError:
        return None
    except OverflowError:
        return math.inf


def _clock(text: str) -> float | None:
    match = re.fullmatch(r"(?:(\d+)-)?(?:(\d+):)?(\d+):(\d+(?:\.\d+)?)", text)
    if not match:
        return None
    days, hours, minutes, seconds = (float(part or 0) for part in match.groups())
    if match[1] and not match[2]:  # after days come hours, as Slurm reads it
        hours, minutes, seconds = minutes, seconds, 0.0
    # In the largest unit any number is fine ("90:00" is an hour and a half); below it, not over 59.
    if seconds >= 60 or ((match[2] or match[1]) and minutes >= 60) or (match[1] and hours >= 24):
        return None
    return ((days * 24 + hours) * 60 + minutes) * 60 + seconds


def format_time(seconds: float) -> str:
    """As people read it, and ``parse_time`` too: "2:30:00", "1-12:00:00", "0.5 s"."""
    if seconds != int(seconds):
        return f"{seconds:.6f}".rstrip("0").rstrip(".") + " s"
    days, rest = divmod(int(seconds), 86400)
    clock = f"{rest // 3600}:{rest // 60 % 60:02}:{rest % 60:02}"
    return f"{days}-{clock}" if days else clock
