"""``clustrix hosts``: whom to trust, and what a host has."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.testbed.slurm import Slurm
from tests.testbed.sshd import Sshd, make_key

pytestmark = pytest.mark.usefixtures("home", "state")


def hosts(*arguments: str, code: int = 0, **env: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "clustrix", "hosts", *arguments],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        env={**os.environ, **env},
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


def settings(sshd: Sshd, far_folder: str, **more: str) -> dict[str, str]:
    found = {f"CLUSTRIX_{name.upper()}": str(value) for name, value in sshd.settings.items()}
    return {**found, "CLUSTRIX_REMOTE_WORK_DIR": far_folder, **more}


def test_unknown_host_becomes_a_trusted_one(sshd: Sshd, home: Path, far_folder: str) -> None:
    """Refused with the command that helps, trusted by it, forgotten again."""
    known = home / ".ssh" / "known_hosts"
    known.write_text("# mine\n")
    env = settings(sshd, far_folder, CLUSTRIX_CLUSTER_TYPE="ssh")
    port = str(sshd.port)
    assert f"clustrix hosts trust {sshd.host} --port {port}" in hosts("check", code=1, **env)
    shown = hosts("trust", sshd.host, "--port", port, code=1)
    assert "SHA256:" in shown
    assert "nothing was trusted" in shown
    assert known.read_text() == "# mine\n"
    assert "written to" in hosts("trust", sshd.host, "--port", port, "--yes")
    assert known.read_text().startswith("# mine\n")
    assert known.stat().st_mode & 0o777 == 0o600
    assert "nothing to do" in hosts("trust", sshd.host, "--port", port)
    assert "connection" in hosts("check", **env)
    assert "1 key" in hosts("forget", sshd.host, "--port", port)
    assert known.read_text() == "# mine\n"


def test_changed_key_is_not_trusted_by_the_way(sshd: Sshd, home: Path, tmp_path: Path) -> None:
    """The old one has to be forgotten first, by name."""
    known = home / ".ssh" / "known_hosts"
    known.write_text(
        f"[{sshd.host}]:{sshd.port} {make_key(tmp_path / 'other').with_suffix('.pub').read_text()}"
    )
    before = known.read_text()
    shown = hosts("trust", sshd.host, "--port", str(sshd.port), "--yes", code=1)
    assert "another ssh-ed25519 key is trusted" in shown
    assert known.read_text() == before


def test_hosts_of_the_settings_are_listed(sshd: Sshd, far_folder: str) -> None:
    """And whether they are trusted."""
    rows = json.loads(hosts("list", "--json", **settings(sshd, far_folder)))
    assert rows == [{"host": sshd.host, "port": sshd.port, "trusted": True}]


def test_cluster_shows_its_scheduler_and_queues(sshd: Sshd, slurm: Slurm, far_folder: str) -> None:
    """With their limits."""
    shown = hosts("check", **settings(sshd, far_folder, CLUSTRIX_CLUSTER_TYPE="slurm"))
    assert "scheduler: slurm" in shown
    assert "queue main (default): 2 nodes, 8 cores" in shown
    assert "python: " in shown


def test_host_without_a_scheduler_says_so(sshd: Sshd, far_folder: str, tmp_path: Path) -> None:
    """In a sentence, and not as an IndexError."""
    shown = hosts("check", "--json", code=1, **settings(sshd, "/proc/nonesuch", CLUSTRIX_CLUSTER_TYPE="ssh"))
    failed = [row for row in json.loads(shown) if row["result"] == "failed"]
    assert failed
    assert all(row["text"] for row in failed)


def test_nobody_at_the_port(home: Path) -> None:
    """One sentence."""
    assert "nothing listens on" in hosts(
        "check", "127.0.0.1", "--port", "1", code=1, CLUSTRIX_CLUSTER_TYPE="ssh"
    )
