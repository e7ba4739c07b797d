"""``clustrix hosts``: whom to trust, and what a host has."""

from __future__ import annotations

import json
import re
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.core.support import run_command
from tests.ssh.support import as_variables, know
from tests.testbed.pbs.cluster import Pbs
from tests.testbed.sge import Sge
from tests.testbed.slurm import Slurm
from tests.testbed.sshd import Sshd, make_key
from tests.testbed.user import run_as

HERE = "{}.{}".format(*sys.version_info[:2])

pytestmark = pytest.mark.usefixtures("home", "state")


def hosts(*arguments: str, code: int = 0, answer: str = "", **env: str) -> str:
    done = run_command("hosts", *arguments, code=code, stdin=answer, **env)
    return done.stdout + done.stderr


def settings(sshd: Sshd, far_folder: str, **more: str) -> dict[str, str]:
    return {**as_variables(sshd, remote_work_dir=far_folder), **more}


def batches(sshd: Sshd, far_folder: str) -> list[str]:
    """What is left of submissions there."""
    path = far_folder.replace("~", sshd.user.pw_dir)
    return run_as(sshd.user, "sh", "-c", f"ls {path}/batches").stdout.split()


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
    assert "written to" in hosts("trust", sshd.host, "--port", port, answer="y\n")
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
    assert re.search(r"^ok +node: \S+, after \d+ s; it sees /home/", shown, re.MULTILINE), shown
    assert re.search(rf"^ok +python there: {HERE} \(/", shown, re.MULTILINE), shown
    assert batches(sshd, far_folder) == []


def test_settings_of_a_profile_are_looked_at(
    pbs_known: Pbs, far_folder: str, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also on another batch system."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home / ".config"))
    path = home / ".config" / "clustrix" / "config.yml"
    path.parent.mkdir(parents=True)
    values = {
        **pbs_known.sshd.settings,
        "cluster_type": "pbs",
        "remote_work_dir": far_folder,
        "module_loads": ["nonesuch"],
    }
    path.write_text(json.dumps({"profiles": {"there": values}}))
    shown = hosts("check", "--profile", "there", code=1)
    assert "scheduler: " in shown
    assert "nonesuch" in shown


def test_nodes_of_other_batch_systems(pbs_known: Pbs, sge_known: Sge, far_folder: str) -> None:
    """They are looked at in the same way."""
    for server, kind in ((pbs_known.sshd, "pbs"), (sge_known.sshd, "sge")):
        assert server is not None
        shown = hosts("check", **settings(server, far_folder, CLUSTRIX_CLUSTER_TYPE=kind))
        assert f"ok        python there: {HERE} (/" in shown


def test_node_that_sees_another_folder(
    sshd: Sshd, slurm: Slurm, home: Path, open_path: Path, user: Any
) -> None:
    """A file system of the login node's own."""
    script = f'mount -t tmpfs -o uid={user.pw_uid} tmpfs {open_path} && exec "$0" "$@"'
    server = Sshd(
        open_path.with_name(open_path.name + "-sshd"),
        user,
        address="127.0.0.5",
        prefix=["unshare", "-m", "sh", "-c", script],
    )
    try:
        know(home, server)
        shown = hosts("check", code=1, **settings(server, str(open_path), CLUSTRIX_CLUSTER_TYPE="slurm"))
    finally:
        server.stop()
        shutil.rmtree(server.folder)
    assert "folder: " in shown
    assert f"what it wrote is not in {open_path}" in shown
    assert "Set remote_work_dir to one that they share" in shown


def test_python_of_a_node_that_does_not_begin(
    sshd: Sshd, slurm: Slurm, far_folder: str, open_path: Path
) -> None:
    """It is there on the login node, and not in a job."""
    program = open_path / "python"
    program.write_text(
        '#!/bin/sh\n[ -z "$SLURM_JOB_ID" ] && exec python3 "$@"\necho no licence here; exit 3\n'
    )
    program.chmod(0o755)
    more = {"CLUSTRIX_CLUSTER_TYPE": "slurm", "CLUSTRIX_PYTHON_EXECUTABLE": str(program)}
    shown = hosts("check", code=1, **settings(sshd, far_folder, **more))
    assert "node: " in shown
    assert "python there: it did not begin: no licence here" in shown


def test_node_that_cannot_be_had_soon(sshd: Sshd, slurm: Slurm, far_folder: str) -> None:
    """The job is taken back, and the reason is told."""
    slurm.run("scontrol", "update", "PartitionName=main", "State=DOWN")
    try:
        env = settings(sshd, far_folder, CLUSTRIX_CLUSTER_TYPE="slurm")
        shown = hosts("check", "--wait", "5", **env)
        assert (
            "warning   node: not looked at: after 5 s the job that should do it is QUEUED (PartitionDown)"
            in shown
        )
        assert slurm.run("squeue", "-h") == ""
        assert "node:" not in hosts("check", "--wait", "0", **env)
    finally:
        slurm.run("scontrol", "update", "PartitionName=main", "State=UP")


def test_queue_that_is_refused(sshd: Sshd, slurm: Slurm, far_folder: str) -> None:
    """By the scheduler, in its words."""
    more = {"CLUSTRIX_CLUSTER_TYPE": "slurm", "CLUSTRIX_DEFAULT_PARTITION": "nonesuch"}
    assert "node: no job can be submitted: " in hosts("check", code=1, **settings(sshd, far_folder, **more))


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
