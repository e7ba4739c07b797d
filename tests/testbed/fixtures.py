"""The services as pytest fixtures.  Where one cannot be had, its tests are skipped with one line; the project's CI does not allow that."""

from __future__ import annotations

import pwd
from collections.abc import Iterator

import pytest

from tests.testbed.network import Network
from tests.testbed.otp import OtpSshd
from tests.testbed.packages import why_not
from tests.testbed.pbs.cluster import Pbs
from tests.testbed.sge import Sge
from tests.testbed.slurm import Slurm
from tests.testbed.sshd import Sshd
from tests.testbed.user import cluster_user


@pytest.fixture(scope="session")
def user() -> pwd.struct_passwd:
    """The user of the cluster."""
    _skip_without("sshd")
    return cluster_user()


@pytest.fixture(scope="session")
def sshd(user: pwd.struct_passwd, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    """A SSH server for that user."""
    server = Sshd(_open_folder(tmp_path_factory, "sshd"), user)
    yield server
    server.stop()


@pytest.fixture(scope="session")
def otp(user: pwd.struct_passwd, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OtpSshd]:
    """A SSH server that wants a second factor."""
    _skip_without("otp")
    server = OtpSshd(_open_folder(tmp_path_factory, "otp"), user)
    yield server
    server.stop()


@pytest.fixture(scope="session")
def network(user: pwd.struct_passwd, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Network]:
    """A SSH server behind a link that can be cut in silence."""
    _skip_without("network")
    found = Network(_open_folder(tmp_path_factory, "network"), user)
    yield found
    found.stop()


@pytest.fixture(scope="session")
def slurm(user: pwd.struct_passwd, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slurm]:
    """Slurm with accounting."""
    _skip_without("slurm", "accounting")
    cluster = Slurm(_open_folder(tmp_path_factory, "slurm"))
    yield cluster
    cluster.quiet(user)
    cluster.stop()


@pytest.fixture(scope="session")
def sge(user: pwd.struct_passwd, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sge]:
    """SGE, on a host of its own with a SSH server."""
    _skip_without("sge")
    cluster = Sge(_open_folder(tmp_path_factory, "sge"), user)
    yield cluster
    cluster.quiet()
    cluster.stop()


@pytest.fixture(scope="session")
def pbs(user: pwd.struct_passwd, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pbs]:
    """A stand-in for PBS, with a SSH server."""
    cluster = Pbs(_open_folder(tmp_path_factory, "pbs"), user)
    yield cluster
    cluster.stop()


def _skip_without(*services: str) -> None:
    reason = why_not(*services)
    if reason:
        pytest.skip(reason)


def _open_folder(factory: pytest.TempPathFactory, name: str):  # type: ignore[no-untyped-def]
    """One that other users can look into, as what is above it."""
    path = factory.mktemp(name)
    for folder in (path, *path.parents[:2]):
        folder.chmod(0o755)
    return path
