"""The command ``clustrix``, and ``clustrix demo``: what a newcomer sees first."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from clustrix import __version__
from clustrix.backends.local.capacity import machine_cores
from tests.core.support import live_jobs, processes_of

COMMAND = Path(sys.executable).with_name("clustrix")
LONGEST_SECONDS = 60


def run(*arguments: str, state: Path, home: Path) -> subprocess.CompletedProcess[str]:
    """The command as from a shell that is no terminal, with nothing in the environment that asks for colours."""
    environ = {
        name: value for name, value in os.environ.items() if not name.startswith(("FORCE_", "CLUSTRIX_"))
    }
    return subprocess.run(
        [COMMAND, *arguments],
        cwd=home,
        env={**environ, "XDG_STATE_HOME": str(state), "HOME": str(home)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=100,
        check=False,
    )


@pytest.fixture(scope="module")
def demo(
    state: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[subprocess.CompletedProcess[str], float, Path]:
    """One run of the demo, the seconds that it took, and its home directory."""
    home = tmp_path_factory.mktemp("home")
    began = time.monotonic()
    done = run("demo", state=state, home=home)
    return done, time.monotonic() - began, home


Demo = tuple[subprocess.CompletedProcess[str], float, Path]


@pytest.mark.slow
def test_demo_passes_and_says_what_it_measured(demo: Demo) -> None:
    """It exits with 0, each check is ok, and the times of a submission and a call and the speed-up are there."""
    done, seconds, _ = demo
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    assert seconds < LONGEST_SECONDS
    passed = re.search(r"^(\d+) of (\d+) checks passed in ([\d.]+) s$", done.stdout, re.MULTILINE)
    assert passed
    assert passed[1] == passed[2] == str(done.stdout.count("  ok      "))
    assert int(passed[1]) > 0
    assert float(passed[3]) <= seconds
    measured = r"^Measured: submit ([\d.]+) ms, round trip ([\d.]+) ms, speed-up ([\d.]+) on (\d+) cores$"
    found = re.search(measured, done.stdout, re.MULTILINE)
    assert found
    submit, trip, speed_up, cores = map(float, found.groups())
    assert 0 < submit < 1000
    assert 0 < trip < 1000
    assert cores == machine_cores()
    times = re.search(r"map ([\d.]+) s, loop ([\d.]+) s: speed-up ([\d.]+) on", done.stdout)
    assert times
    mapped, looped, told = map(float, times.groups())
    assert told == speed_up
    assert looped / mapped == pytest.approx(speed_up, rel=0.1)


@pytest.mark.slow
def test_demo_shows_real_modules_and_a_real_exception(demo: Demo) -> None:
    """The tables hold modules of this Python, and the exception names a line that is there."""
    out = demo[0].stdout
    assert re.search(r"^ +largest +lines +deepest +levels +imported +by", out, re.MULTILINE)
    assert re.search(r"^ +[\w.]+ +\d+,\d{3} +[\w.…]+ +\d+ +\w+ +\d+", out, re.MULTILINE)
    assert "caught as TooDeep: subprocess is nested" in out
    assert re.search(r"^ +survey.py:\d+, in refuse_deeper: raise TooDeep\(", out, re.MULTILINE)


@pytest.mark.slow
def test_demo_without_a_terminal_is_plain_text(demo: Demo) -> None:
    """No escape codes, no bars, no line that is written over, nothing but lines with an end and none behind it."""
    out = demo[0].stdout
    assert out.endswith("s\n")
    assert not re.search(r"[^\n -~…]", out)
    assert "loop, one process" not in out
    assert not [line for line in out.splitlines() if len(line) > 150]


@pytest.mark.slow
def test_demo_keeps_to_the_state_directory(demo: Demo, state: Path) -> None:
    """Nothing is written into the home directory or the current one; no job is left running."""
    _, _, home = demo
    assert list(home.iterdir()) == []
    assert [path.name for path in state.iterdir()] == ["clustrix"]
    assert live_jobs(state) == []


def test_version_and_help_are_told(tmp_path: Path) -> None:
    """The version alone, and the commands; neither needs or makes a state directory."""
    state = tmp_path / "state"
    version = run("--version", state=state, home=tmp_path)
    assert (version.returncode, version.stdout, version.stderr) == (0, f"clustrix {__version__}\n", "")
    for arguments in (["--help"], ["-h"]):
        told = run(*arguments, state=state, home=tmp_path)
        assert (told.returncode, told.stderr) == (0, "")
        assert told.stdout.startswith("Usage: clustrix [OPTIONS] COMMAND")
        assert re.search(r"^  demo +See clustrix at work", told.stdout, re.MULTILINE)
    about = run("demo", "--help", state=state, home=tmp_path)
    assert about.returncode == 0
    assert "Exits with 1" in about.stdout
    assert not state.exists()


def test_unknown_command_is_refused(tmp_path: Path) -> None:
    """With the code for wrong use, and the name."""
    done = run("dmeo", state=tmp_path, home=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert "'dmeo'" in done.stderr


@pytest.mark.parametrize("place", ["a file", "/proc/nowhere"])
def test_demo_without_a_place_for_its_state_says_so(place: str, tmp_path: Path) -> None:
    """It fails at once with the path and what is wrong with it, without a traceback, and starts nothing."""
    state = tmp_path / place
    if not state.is_relative_to("/proc"):
        state.touch()
    done = run("demo", state=state, home=tmp_path)
    assert (done.returncode, done.stderr) == (1, "")
    (failed,) = [line for line in done.stdout.splitlines() if line.startswith("  failed  ")]
    assert failed.startswith(f"  failed  JournalUnusable: {state / 'clustrix'}: ")
    assert "Traceback" not in done.stdout
    assert len(done.stdout.splitlines()) < 10
    assert done.stdout.splitlines()[-1].startswith("0 of 1 checks passed")
    assert processes_of(state) == {}


def test_full_output_is_told_in_one_line(tmp_path: Path) -> None:
    """Where nothing can be written any more; not as a traceback."""
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [COMMAND, "--help"], stdout=full, stderr=subprocess.PIPE, text=True, timeout=60, check=False
        )
    assert done.returncode == 1
    assert done.stderr == "clustrix: the output could not be written: No space left on device\n"


def test_module_is_the_same_command() -> None:
    """``python -m clustrix``, where the script is not on the path."""
    told = [
        subprocess.run([*command, "--help"], capture_output=True, text=True, timeout=60, check=True).stdout
        for command in ([COMMAND], [sys.executable, "-m", "clustrix"])
    ]
    assert told[0] == told[1]
