"""The conformance kit on a real Slurm, a real SGE and a stand-in for PBS that really runs jobs, over a real SSH connection, as another user."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import pytest

from clustrix.testing import BackendConformance
from clustrix_ssh.batch import Batch
from clustrix_ssh.clusters import PbsCluster, SgeCluster, SlurmCluster

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("home"), pytest.mark.timeout(400)]

CLUSTERS = {"slurm": SlurmCluster, "sge": SgeCluster, "pbs": PbsCluster}


class TestBatch(BackendConformance):
    """Every rule."""

    patience_s: ClassVar[float] = 300.0
    many: ClassVar[int] = 60  # each starts a Python on the one machine that is three clusters here

    @pytest.fixture
    def tmp_path(self, open_path: Path) -> Path:  # the jobs run as another user
        return open_path

    @pytest.fixture(params=CLUSTERS)
    def make(self, request: pytest.FixtureRequest, far_folder: str) -> Callable[[Any], Batch]:
        system = request.getfixturevalue("slurm" if request.param == "slurm" else f"{request.param}_known")
        server = request.getfixturevalue("sshd") if request.param == "slurm" else system.sshd
        self.settings = {**server.settings, "remote_work_dir": far_folder}  # type: ignore[misc]
        return CLUSTERS[request.param]
