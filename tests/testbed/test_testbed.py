"""The test bed itself: it comes up, is used by an unprivileged user, goes down cleanly, and follows one that was killed."""

from __future__ import annotations

import os
import pwd
import signal
from pathlib import Path

import pytest

from tests.testbed.fixtures import sshd, user
from tests.testbed.packages import why_not
from tests.testbed.processes import lives, read_pid
from tests.testbed.slurm import CONF, Slurm
from tests.testbed.sshd import Sshd
from tests.testbed.user import run_as

__all__ = ["sshd", "user"]

pytestmark = [pytest.mark.slow, pytest.mark.timeout(200)]


def test_sshd_lets_its_user_in(sshd: Sshd, tmp_path: Path) -> None:
    """And nobody else."""
    import subprocess

    base = [
        "ssh",
        "-F",
        "none",
        "-o",
        "BatchMode=yes",
        "-o",
        f"UserKnownHostsFile={sshd.known_hosts}",
        "-p",
        str(sshd.port),
    ]
    done = subprocess.run(
        [*base, "-i", str(sshd.key), f"{sshd.user.pw_name}@{sshd.host}", "id", "-un"],
        capture_output=True,
        text=True,
    )
    assert done.stdout.strip() == sshd.user.pw_name, done.stderr
    other = subprocess.run(
        [*base, f"root@{sshd.host}", "true"], capture_output=True, env={"PATH": os.environ["PATH"]}
    )
    assert other.returncode == 255


@pytest.mark.parametrize("accounting", [True, False])
def test_slurm_comes_and_goes(user: pwd.struct_passwd, tmp_path: Path, accounting: bool) -> None:
    """Its user's job runs; then no process of it is left, and no configuration."""
    reason = why_not("slurm", "accounting")
    if reason:
        pytest.skip(reason)
    cluster = Slurm(tmp_path, accounting=accounting)
    pids = [pid for path in [*tmp_path.glob("*.pid"), tmp_path / "db" / "pid"] if (pid := read_pid(path))]
    try:
        done = run_as(user, "srun", "-n1", "id", "-un")
        assert done.stdout.strip() == user.pw_name
    finally:
        cluster.stop()
    assert len(pids) >= 3
    assert [pid for pid in pids if lives(pid)] == []
    assert not CONF.exists() or "ClusterName=lab\n" not in CONF.read_text()


def test_slurm_follows_one_that_was_killed(user: pwd.struct_passwd, tmp_path: Path) -> None:
    """Its daemons, and a configuration that names them, are in nobody's way."""
    reason = why_not("slurm", "accounting")
    if reason:
        pytest.skip(reason)
    first = Slurm(tmp_path / "first", accounting=False)
    pid = read_pid(tmp_path / "first" / "slurmctld.pid")
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    second = Slurm(tmp_path / "second", accounting=False)
    try:
        assert run_as(user, "srun", "-n1", "echo", "hi").stdout == "hi\n"
    finally:
        second.stop()
        first.stop()
