"""The conformance kit on a real Slurm, reached over a real SSH connection, as another user."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import pytest

from clustrix.testing import BackendConformance
from clustrix_ssh.clusters import SlurmCluster
from tests.testbed.slurm import Slurm
from tests.testbed.sshd import Sshd

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("home"), pytest.mark.timeout(400)]


class TestSlurm(BackendConformance):
    """Every rule."""

    patience_s: ClassVar[float] = 300.0

    @pytest.fixture
    def tmp_path(self, open_path: Path) -> Path:  # the jobs run as another user
        return open_path

    @pytest.fixture
    def make(self, sshd: Sshd, slurm: Slurm, far_folder: str) -> Callable[[Any], SlurmCluster]:
        self.settings = {**sshd.settings, "remote_work_dir": far_folder}  # type: ignore[misc]
        return SlurmCluster
