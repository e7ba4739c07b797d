"""``clustrix setup``: an interview, and a profile that works."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.core.support import run_command
from tests.ssh.terminal import Terminal
from tests.ssh.work import double
from tests.testbed.pbs.cluster import Pbs
from tests.testbed.slurm import Slurm
from tests.testbed.sshd import Sshd

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(120),
    pytest.mark.usefixtures("home", "fresh_state"),
]


@pytest.fixture
def written(home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home / ".config"))
    return home / ".config" / "clustrix" / "config.yml"


def command(sshd: Sshd, *more: str) -> list[str]:
    where = ["--port", str(sshd.port), "--username", sshd.user.pw_name, "--key-file", str(sshd.key)]
    return ["setup", sshd.host, *where, *more]


def test_interview_finds_slurm_and_its_profile_works(written: Path, sshd: Sshd, slurm: Slurm) -> None:
    """Questions have what was found as their answers."""
    terminal = Terminal([sys.executable, "-m", "clustrix", *command(sshd)])
    terminal.wait_for("batch system: slurm-wlm 22.05")
    for question, answer in (
        ("Run jobs through Slurm", ""),
        ("Queue (main", "short"),
        ("Folder for clustrix there", "~/.clustrix-setup"),
        ("Name of the profile", "hpc"),
        ("Write it?", "y"),
    ):
        terminal.wait_for(question)
        terminal.type(answer)
    assert terminal.end() == 0, terminal.shown
    assert 'default_partition: "short"' in written.read_text()
    assert double.options(profile="hpc").submit(4).result(60) == 8


def test_nobody_is_asked_where_nobody_sits(written: Path, pbs_known: Pbs) -> None:
    """What is found is taken; PBS is found as well."""
    shown = run_command(*command(pbs_known.sshd, "--profile", "p", "--cluster-type", "pbs")).stdout
    assert "batch system: pbs 23.06.06" in shown
    assert "queue workq (default), 8 cores a node, at most 1-0:00:00" in shown
    text = written.read_text()
    assert 'cluster_type: "pbs"' in text
    assert "p:" in text


def test_host_that_cannot_be_reached_writes_nothing(written: Path) -> None:
    """It is said why."""
    shown = run_command("setup", "127.0.0.1", "--port", "1", "--yes", code=1).stderr
    assert "127.0.0.1" in shown
    assert not written.exists()
