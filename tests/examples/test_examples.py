"""Each example, as its reader runs it: a process of its own, in an empty folder, with an empty home."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.examples.expected import EXPECTED

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
NAMES = sorted(path.stem for path in EXAMPLES.glob("*.py"))
LONGEST_LINES = 60

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("name", NAMES)
def test_example_prints_its_result_here(name: str, tmp_path: Path, fresh_state: Path) -> None:
    """With nothing set up; it warns of nothing."""
    assert _run(name, tmp_path, {"HOME": str(tmp_path)}, fresh_state) == ""


@pytest.mark.timeout(500)
@pytest.mark.parametrize("name", NAMES)
def test_example_prints_the_same_on_slurm(
    name: str, tmp_path: Path, fresh_state: Path, slurm_variables: dict[str, str]
) -> None:
    """By settings alone: not a letter of it is changed."""
    _run(name, tmp_path, slurm_variables, fresh_state)


def _run(name: str, folder: Path, more: dict[str, str], state: Path) -> str:
    """What it wrote to stderr."""
    environ = {key: value for key, value in os.environ.items() if not key.startswith(("CLUSTRIX_", "XDG_"))}
    done = subprocess.run(
        [sys.executable, EXAMPLES / f"{name}.py"],
        cwd=folder,
        env={**environ, "XDG_STATE_HOME": str(state), **more},
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=450,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    lines = [line.rstrip() for line in done.stdout.splitlines()]
    pattern = ".*".join(map(re.escape, EXPECTED[name].strip("\n").split("…")))
    assert re.fullmatch(pattern, "\n".join(lines)), done.stdout
    if name == "long_simulation":
        assert min(int(number) for number in re.findall(r"in (\d+) jobs", done.stdout)) > 1
    return done.stderr


def test_examples_are_short_name_no_place_and_are_listed() -> None:
    """Each is read in a minute, says nothing of where it runs, and has its line in the README beside it."""
    readme = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    assert sorted(re.findall(r"^\| \[`(\w+)\.py`\]\(\1\.py\) \| .{20,} \|$", readme, re.MULTILINE)) == NAMES
    assert sorted(EXPECTED) == NAMES
    for name in NAMES:
        text = (EXAMPLES / f"{name}.py").read_text(encoding="utf-8")
        assert len(text.splitlines()) <= LONGEST_LINES, name
        assert re.findall(r"cluster_\w+|configure|profile|slurm|ssh\b|CLUSTRIX_\w+", text) == [], name
