"""The conformance kit on a real SGE, reached over a real SSH connection, on a host of its own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import pytest

from clustrix.testing import BackendConformance
from clustrix_ssh.clusters import SgeCluster
from tests.testbed.sge import Sge

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]


class TestSge(BackendConformance):
    """Every rule."""

    patience_s: ClassVar[float] = 300.0

    @pytest.fixture
    def tmp_path(self, open_path: Path) -> Path:  # the jobs run as another user
        return open_path

    @pytest.fixture
    def make(self, sge_known: Sge, far_folder: str) -> Callable[[Any], SgeCluster]:
        assert sge_known.sshd is not None
        self.settings = {**sge_known.sshd.settings, "remote_work_dir": far_folder}  # type: ignore[misc]
        return SgeCluster
