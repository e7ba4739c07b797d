"""``configure()`` and what a submission pays for reading settings."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from clustrix import configure
from clustrix.config import resolve
from tests.bench.row import Row, seconds
from tests.bench.state import here

_TIMES = 5_000
_PROJECT = "default_time: 01:00:00\nprofiles:\n  hpc: {default_cores: 2, default_memory: 1GB}\n"


def settings() -> list[Row]:
    os.chdir(here())
    Path("clustrix.yml").write_text(_PROJECT)
    first = seconds(resolve, {}) * 1e3
    options = {"profile": "hpc", "default_cores": 1}
    return [
        Row(
            "configure()", _each_us(lambda: configure(default_cores=1, default_memory="1GB")) / 1e3, "ms", 0.1
        ),
        Row('configure(profile="hpc")', _each_us(lambda: configure(profile="hpc")) / 1e3, "ms", 1),
        Row("settings of a job", _each_us(lambda: resolve({})), "µs", 10),
        Row("  with a profile of its own", _each_us(lambda: resolve(options)), "µs", 20),
        Row("settings, the first time, with a YAML file", first, "ms"),
    ]


def _each_us(call: Callable[[], Any]) -> float:
    return seconds(lambda: [call() for _ in range(_TIMES)]) / _TIMES * 1e6
