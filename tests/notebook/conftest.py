"""A real kernel and a real terminal, each with a state directory and settings of its own."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.core.conftest import fresh_state, no_settings, same_settings, state
from tests.notebook.kernel import Kernel
from tests.notebook.terminal import Terminal
from tests.ssh.conftest import far_folder, home
from tests.testbed.fixtures import network, sshd, user

__all__ = [
    "far_folder",
    "fresh_state",
    "home",
    "network",
    "no_settings",
    "same_settings",
    "sshd",
    "state",
    "user",
]


@pytest.fixture(scope="session", autouse=True)
def own_folders(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """IPython's profile and Jupyter's files are not those of whoever runs the tests."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR"):
            patch.setenv(name, str(tmp_path_factory.mktemp(name.lower())))
        yield


@pytest.fixture(scope="module")
def one_kernel(state: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    """A kernel for the tests of a module, with the magics."""
    folder = tmp_path_factory.mktemp("work")
    with Kernel(folder) as kernel:
        kernel.run("%load_ext clustrix")
        yield kernel


@pytest.fixture
def kernel(one_kernel: Kernel) -> Kernel:
    """The same with an empty namespace."""
    one_kernel.run("%reset -f")
    return one_kernel


@pytest.fixture
def terminal(state: Path, tmp_path: Path) -> Iterator[Terminal]:
    """IPython's terminal, with the magics."""
    with Terminal(tmp_path, dict(os.environ)) as found:
        yield found
