"""The conformance kit on a machine that is reached over a real SSH connection, as another user."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, ClassVar

import pytest

from clustrix.testing import BackendConformance
from clustrix_ssh.machine import Machine
from tests.testbed.sshd import Sshd

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("home"), pytest.mark.timeout(400)]


class TestSsh(BackendConformance):
    """Every rule."""

    patience_s: ClassVar[float] = 200.0
    many: ClassVar[int] = 200

    @pytest.fixture
    def tmp_path(self, open_path: Path) -> Path:  # the jobs run as another user
        return open_path

    @pytest.fixture
    def make(self, sshd: Sshd, far_folder: str) -> Callable[[Any], Machine]:
        self.settings = {**sshd.settings, "remote_work_dir": far_folder}  # type: ignore[misc]
        return Machine

    @pytest.fixture
    def cut(self, sshd: Sshd) -> Callable[[], AbstractContextManager[None]]:
        @contextmanager
        def without_connection() -> Iterator[None]:
            sshd.stop()
            try:
                yield
            finally:
                sshd.start()
                time.sleep(1.5)  # a host that was not there is not tried again at once

        return without_connection
