"""A hundred megabytes, there and back."""

from __future__ import annotations

import os
from pathlib import Path

from tests.bench.row import Row, in_turn, seconds
from tests.bench.state import here
from tests.bench.work import echo, size, zeros

_BYTES = 100_000_000
_DISK = "write, fsync, read of as much"


def payload() -> list[Row]:
    echo()
    data = bytearray(os.urandom(_BYTES))
    argument, disk = in_turn(5, lambda: _send(data), lambda: _disk(data))
    before = _used(here() / "clustrix")
    again = seconds(lambda: size(data))
    grown = _used(here() / "clustrix") - before
    result, disk_again = in_turn(5, lambda: zeros(_BYTES), lambda: _disk(data))
    return [
        Row("100 MB argument", argument, "s", 2, "ratio", rival=_DISK, baseline=disk),
        Row("  the same again", again, "s", rival=_DISK, baseline=disk),
        Row("  the same again, more on disk", grown / 1e6, "MB", 1),
        Row("100 MB result", result, "s", 2, "ratio", rival=_DISK, baseline=disk_again),
    ]


def _send(data: bytearray) -> None:
    data[:8] = os.urandom(8)  # a new blob each time
    assert size(data) == _BYTES


def _disk(data: bytearray) -> None:
    path = here() / "floor"
    with path.open("wb", buffering=0) as file:
        file.write(data)
        os.fsync(file.fileno())
    assert len(path.read_bytes()) == len(data)
    path.unlink()


def _used(folder: Path) -> int:
    return sum(path.stat().st_blocks * 512 for path in folder.rglob("*") if path.is_file())
