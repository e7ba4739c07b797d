"""Hosts for the tests of this package: real ones, of ``tests.testbed``, reached as another user."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from clustrix import configure
from tests.core.conftest import fresh_state, no_settings, same_settings, state
from tests.ssh.support import know
from tests.testbed.fixtures import network, otp, pbs, sge, slurm, sshd, user
from tests.testbed.pbs.cluster import Pbs
from tests.testbed.sge import Sge
from tests.testbed.slurm import Slurm
from tests.testbed.sshd import Sshd
from tests.testbed.user import remove_for

__all__ = [
    "fresh_state",
    "network",
    "no_settings",
    "otp",
    "pbs",
    "same_settings",
    "sge",
    "slurm",
    "sshd",
    "state",
    "user",
]


@pytest.fixture
def home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch, sshd: Sshd) -> Path:
    """A home of the submitter's that knows the host, and nothing else."""
    path = tmp_path_factory.mktemp("home")
    (path / ".ssh").mkdir(mode=0o700)
    shutil.copy(sshd.known_hosts, path / ".ssh" / "known_hosts")
    (path / ".ssh" / "config").write_text(
        f"Host *\n  UserKnownHostsFile {path}/.ssh/known_hosts\n  GlobalKnownHostsFile none\n"
    )
    monkeypatch.setenv("HOME", str(path))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    return path


@pytest.fixture
def sge_known(home: Path, sge: Sge) -> Sge:
    """The host of SGE, which the home knows."""
    assert sge.sshd is not None
    know(home, sge.sshd)
    return sge


@pytest.fixture
def pbs_known(home: Path, pbs: Pbs) -> Pbs:
    """The host of PBS, which the home knows."""
    know(home, pbs.sshd)
    return pbs


@pytest.fixture
def open_path(sshd: Sshd) -> Iterator[Path]:
    """A folder that the cluster's user may write to, and this one too."""
    path = Path(tempfile.mkdtemp(prefix="clx-"))
    os.chown(path, sshd.user.pw_uid, sshd.user.pw_gid)
    path.chmod(0o755)
    yield path
    shutil.rmtree(path, ignore_errors=True)  # who cleans up there may still be at it


@pytest.fixture(scope="module")
def far_folder(sshd: Sshd) -> Iterator[str]:
    """Where clustrix keeps its things on the host: this module's own."""
    name = f".clustrix-{os.urandom(4).hex()}"
    yield f"~/{name}"
    remove_for(sshd.user, name)


@pytest.fixture
def on_machine(sshd: Sshd, far_folder: str) -> None:
    """Jobs go to a machine."""
    configure(cluster_type="ssh", remote_work_dir=far_folder, **sshd.settings)


@pytest.fixture
def on_slurm(sshd: Sshd, slurm: Slurm, far_folder: str) -> Iterator[None]:
    """Jobs go to Slurm."""
    configure(cluster_type="slurm", remote_work_dir=far_folder, **sshd.settings)
    yield
    slurm.quiet(sshd.user)


@pytest.fixture
def on_sge(sge_known: Sge, far_folder: str) -> Iterator[None]:
    """Jobs go to SGE."""
    assert sge_known.sshd is not None
    configure(cluster_type="sge", remote_work_dir=far_folder, **sge_known.sshd.settings)
    yield
    sge_known.quiet()


@pytest.fixture
def on_pbs(pbs_known: Pbs, far_folder: str) -> Iterator[None]:
    """Jobs go to PBS."""
    configure(cluster_type="pbs", remote_work_dir=far_folder, **pbs_known.sshd.settings)
    yield
    pbs_known.quiet()
