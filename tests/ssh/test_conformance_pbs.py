"""The conformance kit on a stand-in for PBS that really runs jobs, reached over a real SSH connection."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import pytest

from clustrix.testing import BackendConformance
from clustrix_ssh.clusters import PbsCluster
from tests.testbed.pbs.cluster import Pbs

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]


class TestPbs(BackendConformance):
    """Every rule."""

    patience_s: ClassVar[float] = 300.0

    @pytest.fixture
    def tmp_path(self, open_path: Path) -> Path:  # the jobs run as another user
        return open_path

    @pytest.fixture
    def make(self, pbs_known: Pbs, far_folder: str) -> Callable[[Any], PbsCluster]:
        self.settings = {**pbs_known.sshd.settings, "remote_work_dir": far_folder}  # type: ignore[misc]
        return PbsCluster
