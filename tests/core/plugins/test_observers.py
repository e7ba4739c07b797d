"""Plugins hear of jobs, and hold up none."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from tests.core.plugins.installing import write_plugin
from tests.core.support import lines, run_script, wait_until

PLUGIN = """
from clustrix.plugins import hookimpl
HOOK_API = 1
@hookimpl
def clustrix_register(registry):
    registry.observer("bad", "watching_code:fail")
    registry.observer("gone", "watching_code:not_there")
    registry.observer("diary", "watching_code:write")
"""
CODE = """
import json
def fail(events):
    raise RuntimeError("an observer of bad manners")
def write(events):
    with open({path!r}, "a") as file:
        for event in events:
            print(json.dumps(event), file=file)
"""
SCRIPT = """
from clustrix import cluster
@cluster
def good(): return 1
@cluster(retries=1, retry_delay=0)
def bad(): raise ValueError("no")
good()
try:
    bad()
except ValueError:
    print("as it was")
"""


@pytest.mark.usefixtures("fresh_state")
def test_observers_hear_of_every_change(tmp_path: Path, fresh_state: Path) -> None:
    """What one of them raises is logged, and the others hear on; jobs do not notice."""
    diary = tmp_path / "diary"
    write_plugin(tmp_path, "watching", PLUGIN)
    (tmp_path / "watching_code.py").write_text(CODE.format(path=str(diary)))
    assert run_script(SCRIPT, PYTHONPATH=str(tmp_path)).stdout == "as it was\n"
    wait_until(lambda: any("FAILED" in line for line in lines(diary)), "the observer has heard of the end")
    events = [json.loads(line) for line in lines(diary)]
    states = {name: [state for _, who, _, state, *_ in events if who == name] for name in ("good", "bad")}
    assert states["good"][-1] == "SUCCEEDED"
    assert states["bad"][-1] == "FAILED"
    assert all(abs(event[5] - time.time()) < 600 for event in events)
    (log,) = (fresh_state / "clustrix" / "dispatchers").glob("*.log")
    text = log.read_text()
    assert "an observer of bad manners" in text
    assert "observer gone cannot be used" in text
