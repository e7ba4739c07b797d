"""What schedulers have been heard to say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from clustrix_ssh.schedulers.interface import Answer, Need, Scheduler


def script_of(scheduler: Scheduler, **settings: Any) -> str:
    """A script of two cores that does nothing; what is no part of a ``Need`` is one of its settings."""
    need = {"name": "fit-1", "cores": 2, "memory_bytes": None, "time_s": None}
    more = {name: settings.pop(name) for name in list(settings) if name in Need._fields}
    return scheduler.script(Need(**{**need, **more, "settings": settings}), ["exec true"])


def recorded(path: Path) -> Answer:
    """A command, its output, its errors marked, its exit status."""
    lines = path.read_text().splitlines()
    assert lines[0].startswith("$ ")
    status = int(lines[-1].partition("exit status: ")[2])
    body = lines[1:-1]
    errors = [line.removeprefix("stderr: ") for line in body if line.startswith("stderr: ")]
    said = [line for line in body if not line.startswith("stderr: ")]
    return Answer(status, "".join(f"{line}\n" for line in said), "".join(f"{line}\n" for line in errors))
